#include "lib/base/clock.h"
#include "lib/codec/hex.h"
#include "lib/crypto/secp256k1.h"
#include "node/identity/identity_priv.h"

enum {
    ATTEMPT_MS = 5000,
    LEASE_DEADLINE_MS = 8000, /* a lease call with its retries: shorter than a renewal interval */
    VAULT_DEADLINE_MS = 15000,
};

static enum status copy(char **dst, const char *src, const char *fallback)
{
    const char *from = src ? src : fallback;
    if (from == NULL) return OK;
    *dst = strdup(from);
    return *dst ? OK : E_NOMEM;
}

enum status settings_copy(struct settings *out, const struct identity_config *cfg, struct err *err)
{
    struct settings s = {.token_kind = cfg->token.kind, .sign = cfg->sign, .lease_s = cfg->lease_s ? cfg->lease_s : 60};
    s.renew_ms = cfg->renew_ms ? cfg->renew_ms : s.lease_s * 1000 / 6;
    s.margin_ms = cfg->margin_ms ? cfg->margin_ms : s.lease_s * 1000 / 12;
    if (cfg->vault_uri == NULL || cfg->blob_uri == NULL || cfg->base_path == NULL)
        return err_set(err, E_INVALID, "identity: vault_uri, blob_uri and base_path must be given");
    if (s.lease_s < 15 || s.lease_s > 60) return err_set(err, E_INVALID, "identity: lease_s must be 15 to 60");
    if (s.renew_ms + s.margin_ms >= s.lease_s * 1000)
        return err_set(err, E_INVALID, "identity: renew_ms + margin_ms must be below the lease's %u s", s.lease_s);
    enum status st = copy(&s.vault_uri, cfg->vault_uri, NULL);
    if (st == OK) st = copy(&s.blob_uri, cfg->blob_uri, NULL);
    if (st == OK) st = copy(&s.container, cfg->container, IDENTITY_CONTAINER);
    if (st == OK) st = copy(&s.ca_file, cfg->ca_file, NULL);
    if (st == OK) st = copy(&s.hostname, cfg->hostname, "");
    if (st == OK) st = copy(&s.region, cfg->region, "");
    if (st == OK) st = copy(&s.base_path, cfg->base_path, NULL);
    if (st == OK) st = copy(&s.token_uri, cfg->token.token_uri, NULL);
    if (st == OK) st = copy(&s.client_id, cfg->token.client_id, NULL);
    if (st == OK) st = copy(&s.client_secret, cfg->token.client_secret, NULL);
    if (st == OK) *out = s;
    else settings_fini(&s);
    return st == OK ? OK : err_set(err, st, "identity: out of memory");
}

void settings_fini(struct settings *s)
{
    if (s->client_secret) secret_wipe(s->client_secret, strlen(s->client_secret));
    free(s->vault_uri);
    free(s->blob_uri);
    free(s->container);
    free(s->ca_file);
    free(s->hostname);
    free(s->region);
    free(s->base_path);
    free(s->token_uri);
    free(s->client_id);
    free(s->client_secret);
    *s = (struct settings){0};
}

enum status remote_open(struct remote *out, const struct settings *s, const atomic_bool *cancel, unsigned deadline_ms, struct err *err)
{
    struct remote r = {0};
    struct azure_token_config tc = {.kind = s->token_kind, .token_uri = s->token_uri, .client_id = s->client_id,
                                    .client_secret = s->client_secret, .ca_file = s->ca_file, .timeout_ms = ATTEMPT_MS};
    enum status st = azure_token_source_new(&r.tokens, &tc, err);
    struct azure_service_config sc = {.base_uri = s->vault_uri, .ca_file = s->ca_file, .tokens = r.tokens,
                                      .attempt_ms = deadline_ms && deadline_ms < ATTEMPT_MS ? deadline_ms : ATTEMPT_MS,
                                      .deadline_ms = deadline_ms ? deadline_ms : VAULT_DEADLINE_MS, .cancel = cancel};
    if (st == OK) st = keyvault_new(&r.vault, &sc, err);
    sc.base_uri = s->blob_uri;
    if (st == OK) st = blob_store_new(&r.blobs, &sc, err);
    if (st == OK) *out = r;
    else remote_close(&r);
    return st;
}

void remote_close(struct remote *r)
{
    keyvault_free(r->vault);
    blob_store_free(r->blobs);
    azure_token_source_free(r->tokens);
    *r = (struct remote){0};
}

/* -------------------------------------------------------------------- names */

struct gather {
    unsigned *list;
    size_t n, cap;
    bool free_only;
};

static enum status gather_one(void *ctx, const struct blob_info *info)
{
    struct gather *g = ctx;
    unsigned i;
    if (!identity_blob_index(&i, info->name)) return OK;
    bool leased = info->lease_state == BLOB_LEASE_LEASED || info->lease_state == BLOB_LEASE_BREAKING;
    if (leased == g->free_only) return OK;
    if (g->n == g->cap) {
        size_t cap = g->cap ? g->cap * 2 : 64;
        unsigned *l = realloc(g->list, cap * sizeof *l);
        if (l == NULL) return E_NOMEM;
        g->list = l;
        g->cap = cap;
    }
    g->list[g->n++] = i;
    return OK;
}

static int by_value(const void *a, const void *b)
{
    unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
    return x < y ? -1 : x > y;
}

enum status remote_names(struct buf *names, size_t *n, struct remote *r, const struct settings *s, bool free_only, struct err *err)
{
    struct gather g = {.free_only = free_only};
    enum status st = blob_list(r->blobs, s->container, IDENTITY_BLOB_PREFIX, gather_one, &g, err);
    if (st == OK) {
        if (g.n > 1) qsort(g.list, g.n, sizeof *g.list, by_value);
        for (size_t i = 0; i < g.n; i++) {
            char name[32];
            identity_blob_name(name, g.list[i]);
            buf_put(names, name, strlen(name) + 1);
        }
        st = buf_status(names);
        if (st == OK) *n = g.n;
    }
    free(g.list);
    return st;
}

/* --------------------------------------------------------------------- take */

/* hex of 32 bytes with or without 0x, as the orchestrator writes it; blanks around are forgiven, people paste keys */
static enum status key_get(secret32 *key, bytes text)
{
    while (text.len > 0 && strchr(" \r\n\t", text.ptr[text.len - 1]) != NULL) text.len--;
    if (hex_get_fixed(key->b, 32, text) != OK) return E_DECODE;
    return ec_secret_check(key);
}

/* the vault keeps the key: is it that of the address? */
static enum status check_key(struct held *h, struct remote *r, struct err *err)
{
    uint8_t pub[64], who[20];
    enum status st = keyvault_key_get_uri(pub, r->vault, h->doc.key_uri, err);
    if (st != OK) return st;
    ec_address(who, pub);
    if (memcmp(who, h->doc.address, 20) != 0)
        return err_set(err, E_INVALID, "%s: the key %.300s is not that of the address in the document", h->blob, h->doc.key_uri);
    return OK;
}

static enum status read_key(struct held *h, struct remote *r, struct err *err)
{
    struct buf value;
    uint8_t pub[64], who[20];
    buf_init(&value, KEYVAULT_SECRET_MAX);
    enum status st = keyvault_secret_get_uri(&value, r->vault, h->doc.secret_uri, err);
    if (st == OK) {
        st = key_get(&h->key, buf_view(&value));
        if (st == OK) st = ec_public(pub, &h->key);
        if (st != OK) st = err_set(err, E_INVALID, "%s: the secret %.300s is no private key (64 hexadecimal digits)", h->blob, h->doc.secret_uri);
    }
    if (st == OK) {
        ec_address(who, pub);
        if (memcmp(who, h->doc.address, 20) != 0)
            st = err_set(err, E_INVALID, "%s: the key in %.300s is not that of the address in the document", h->blob, h->doc.secret_uri);
    }
    secret_wipe(value.ptr, value.len);
    buf_fini(&value);
    return st;
}

static enum status read_doc(struct held *h, struct remote *r, const struct settings *s, struct err *err)
{
    struct buf text;
    buf_init(&text, IDENTITY_DOC_MAX);
    enum status st = blob_get(&text, NULL, r->blobs, s->container, h->blob, err);
    if (st == OK) {
        st = identity_doc_get(&h->doc, buf_view(&text), err);
        if (st != OK && err != NULL) st = err_prefix(err, "%s", h->blob);
    }
    buf_fini(&text);
    return st;
}

/* what its key has promised (lib/eth/promise.h), which nobody but the lease's holder changes */
static enum status read_promise(struct held *h, struct remote *r, const struct settings *s, struct err *err)
{
    char text[PROMISE_TEXT_MAX];
    struct blob_info info;
    enum status st = blob_head_meta(text, sizeof text, &info, r->blobs, s->container, h->blob, PROMISE_META, err);
    h->has_promise = st == OK && text[0] != 0;
    if (h->has_promise && promise_get_text(&h->promise, text) != OK)
        st = err_set(err, E_INVALID, "%s: its metadata \"" PROMISE_META "\", what the key has promised by its seals, is damaged: remove it only if no "
                     "block of this validator can have been lost", h->blob);
    return st;
}

enum status remote_take(struct held *out, struct remote *r, const struct settings *s, const char *blob, const char *lease_id,
                        bool renew_first, struct err *err)
{
    struct held h = {.sent_ms = clock_mono_ms()};
    (void)snprintf(h.blob, sizeof h.blob, "%s", blob);
    (void)snprintf(h.lease_id, sizeof h.lease_id, "%s", lease_id);
    enum status st = E_CONFLICT;
    /* our lease of before: alive, or expired and untouched. A client that is not the one before may not renew it (E_DENIED). */
    if (renew_first) st = blob_lease_renew(r->blobs, s->container, blob, lease_id, LEASE_DEADLINE_MS, err);
    if (st == E_CONFLICT || (renew_first && st == E_DENIED)) {
        h.sent_ms = clock_mono_ms();
        st = blob_lease_acquire(r->blobs, s->container, blob, (int)s->lease_s, lease_id, LEASE_DEADLINE_MS, err);
    }
    if (st != OK) return st;
    st = read_doc(&h, r, s, err);
    if (st == OK && s->sign != (h.doc.key_uri[0] != 0))
        st = err_set(err, E_INVALID, "%s: names a %s, but identity.mode is %s", h.blob, s->sign ? "secret" : "key", s->sign ? "sign" : "secret");
    if (st == OK) st = read_promise(&h, r, s, err);
    if (st == OK) st = s->sign ? check_key(&h, r, err) : read_key(&h, r, err);
    if (st == OK) *out = h;
    else if (!azure_is_transient(st) && st != E_CANCELLED)
        IGNORE(blob_lease_release(r->blobs, s->container, blob, lease_id, LEASE_DEADLINE_MS, NULL), "it runs out by itself");
    secret_fini(&h.key);
    return st;
}
