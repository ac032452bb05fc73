#include "orchestrator/identity/identities.h"

#include "lib/azure/blob.h"
#include "lib/azure/identity_doc.h"
#include "lib/azure/keyvault.h"
#include "lib/azure/token.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/codec/hex.h"
#include "lib/crypto/secp256k1.h"
#include "lib/eth/promise.h"

#define CONTAINER "poa-config"

enum { ADOPT_DEADLINE_MS = 60000 };

void identities_generate(struct identities *out, size_t n)
{
    if (n > IDENTITIES_MAX) BUG("more identities than a deployment may have");
    out->n = n;
    for (size_t i = 0; i < n; i++) {
        uint8_t pub[64];
        ec_secret_generate(&out->keys[i]);
        if (ec_public(pub, &out->keys[i]) != OK) BUG("a fresh key is valid");
        ec_address(out->addresses[i].b, pub);
    }
}

void identities_fini(struct identities *id)
{
    free(id->uris);
    secret_wipe(id, sizeof *id);
}

/* the vault and its blobs, opened for a few calls */
struct session {
    struct azure_token_source *tokens; /* own; NULL: borrowed ones are used */
    struct keyvault *vault;
    struct blob_store *blobs;
};

static void session_close(struct session *s)
{
    blob_store_free(s->blobs);
    keyvault_free(s->vault);
    azure_token_source_free(s->tokens);
}

static enum status session_open(struct session *out, const struct vault_access *access, unsigned deadline_ms, struct err *err)
{
    struct session x = {NULL, NULL, NULL};
    struct buf secret;
    buf_init(&secret, 4096);
    enum status s = OK;
    if (access->tokens == NULL) {
        s = file_read(&secret, access->client_secret_file, err);
        struct azure_token_config tc = {.kind = AZURE_TOKEN_CLIENT,
                                        .token_uri = access->token_uri,
                                        .client_id = access->client_id,
                                        .client_secret = buf_cstr(&secret),
                                        .ca_file = access->ca_file};
        if (s == OK) s = azure_token_source_new(&x.tokens, &tc, err);
    }
    struct azure_service_config sc = {.base_uri = access->url,
                                      .ca_file = access->ca_file,
                                      .tokens = access->tokens ? access->tokens : x.tokens,
                                      .deadline_ms = access->deadline_ms ? access->deadline_ms : deadline_ms,
                                      .denied_retry_ms = access->denied_retry_ms};
    if (s == OK) s = keyvault_new(&x.vault, &sc, err);
    if (access->blob_url != NULL) sc.base_uri = access->blob_url;
    if (s == OK) s = blob_store_new(&x.blobs, &sc, err);
    if (secret.ptr != NULL) secret_wipe(secret.ptr, secret.cap);
    buf_fini(&secret);
    if (s == OK) *out = x;
    else session_close(&x);
    return s;
}

static enum status put_secret(char uri[KEYVAULT_URI_MAX], struct keyvault *vault, const secret32 *key, const address *who, size_t i, struct err *err)
{
    char name[32], address_text[43], pub_hex[129], value[64];
    uint8_t pub[64];
    secret32 node_key;
    (void)snprintf(name, sizeof name, "validator-%zu", i);
    address_put(address_text, who);
    identity_node_key(&node_key, key);
    if (ec_public(pub, &node_key) != OK) BUG("a node key is valid");
    secret_fini(&node_key);
    hex_put(pub_hex, pub, 64);
    pub_hex[128] = '\0';
    const struct keyvault_tag tags[] = {{"address", address_text}, {"enodePublicKey", pub_hex}};
    hex_put(value, key->b, 32);
    enum status s = keyvault_secret_set(uri, vault, name, bytes_make(value, sizeof value), "application/x-ethereum-private-key", tags, COUNT_OF(tags), err);
    secret_wipe(value, sizeof value);
    return s;
}

static enum status put_key(char uri[KEYVAULT_URI_MAX], struct keyvault *vault, const secret32 *key, const address *who, size_t i, struct err *err)
{
    char name[32], address_text[43];
    (void)snprintf(name, sizeof name, "validator-%zu", i);
    address_put(address_text, who);
    const struct keyvault_tag tags[] = {{"address", address_text}};
    return keyvault_key_import(uri, vault, name, key, tags, COUNT_OF(tags), err);
}

static enum status put_blob(struct blob_store *blobs, const char *name, bytes body, struct err *err)
{
    return blob_put(blobs, CONTAINER, name, "application/json", body, NULL, 0, NULL, err);
}

static enum status read_doc(struct identity_doc *doc, struct blob_store *blobs, unsigned index, struct err *err)
{
    struct buf b;
    char name[32];
    buf_init(&b, IDENTITY_DOC_MAX);
    identity_blob_name(name, index);
    enum status s = blob_get(&b, NULL, blobs, CONTAINER, name, err);
    if (s == OK) s = identity_doc_get(doc, buf_view(&b), err);
    buf_fini(&b);
    return s;
}

static enum status put_identity(struct blob_store *blobs, const struct identities *id, size_t i, const char *uri, bool sign, struct err *err)
{
    struct identity_doc doc = {0}, there;
    struct buf json;
    char name[32];
    buf_init(&json, IDENTITY_DOC_MAX);
    (void)snprintf(sign ? doc.key_uri : doc.secret_uri, sizeof doc.secret_uri, "%s", uri);
    memcpy(doc.address, id->addresses[i].b, 20);
    identity_doc_put(&json, &doc);
    identity_blob_name(name, (unsigned)i);
    /* a key that was made in this run and never stood here is new: that is said beside it (lib/eth/promise.h). What a blob says already stays. */
    char promise[PROMISE_TEXT_MAX];
    const struct key_promise none = {0};
    promise_put_text(promise, &none);
    struct blob_meta meta = {PROMISE_META, promise};
    const struct blob_conditions fresh = {.if_none_match = "*"};
    const bool is_new = id->uris == NULL;
    enum status s = buf_status(&json);
    if (s == OK) s = blob_put(blobs, CONTAINER, name, "application/json", buf_view(&json), &meta, is_new ? 1 : 0, &fresh, err);
    if (s == E_EXISTS) {
        struct blob_info info;
        bool same = false;
        s = blob_head_meta(promise, sizeof promise, &info, blobs, CONTAINER, name, PROMISE_META, err);
        if (s == OK) s = read_doc(&there, blobs, (unsigned)i, err);
        if (s == OK) same = memcmp(there.address, doc.address, 20) == 0;
        struct blob_conditions cond = {.if_match = info.etag};
        if (s == OK) s = blob_put(blobs, CONTAINER, name, "application/json", buf_view(&json), &meta, same && promise[0] != '\0' ? 1 : 0, &cond, err);
    }
    /* a node has leased it since an earlier run put it there */
    if (s == E_CONFLICT && read_doc(&there, blobs, (unsigned)i, NULL) == OK && memcmp(there.address, doc.address, 20) == 0) s = OK;
    buf_fini(&json);
    return s;
}

static enum status push_all(struct keyvault *vault, struct blob_store *blobs, const struct identities *id, bytes spec_json, bytes contracts_json,
                            bool sign, struct err *err)
{
    char(*uris)[KEYVAULT_URI_MAX] = calloc(id->n + 1, sizeof *uris);
    enum status s = uris == NULL ? err_set(err, E_NOMEM, "identities: out of memory") : OK;
    for (size_t i = 0; s == OK && i < id->n; i++) {
        if (id->uris != NULL) memcpy(uris[i], id->uris[i], sizeof uris[i]);
        else if (sign) s = put_key(uris[i], vault, &id->keys[i], &id->addresses[i], i, err);
        else s = put_secret(uris[i], vault, &id->keys[i], &id->addresses[i], i, err);
    }
    if (s == OK) s = blob_container_create(blobs, CONTAINER, err);
    if (s == E_EXISTS) s = OK;
    if (s == OK) s = put_blob(blobs, "spec.json", spec_json, err);
    if (s == OK) s = put_blob(blobs, "contracts.json", contracts_json, err);
    for (size_t i = 0; s == OK && i < id->n; i++) s = put_identity(blobs, id, i, uris[i], sign, err);
    free(uris);
    return s;
}

struct search {
    const address *wanted;
    char id[KEYVAULT_URI_MAX]; /* "" until it is found */
};

static enum status see_version(void *ctx, const struct keyvault_item *item)
{
    struct search *q = ctx;
    address who;
    for (size_t i = 0; item->enabled && i < item->n_tags; i++)
        if (strcmp(item->tags[i].name, "address") == 0 && address_get(&who, bytes_str(item->tags[i].value)) == OK && memcmp(who.b, q->wanted->b, sizeof who.b) == 0)
            (void)snprintf(q->id, sizeof q->id, "%s", item->id);
    return OK;
}

enum status identities_adopt(struct identities *id, const struct vault_access *access, const address *wanted, size_t n, bool sign, struct err *err)
{
    struct session x;
    if (n > IDENTITIES_MAX) BUG("more identities than a deployment may have");
    enum status s = session_open(&x, access, ADOPT_DEADLINE_MS, err);
    if (s != OK) return s;
    struct identities got = {.n = n, .uris = calloc(n + 1, sizeof *got.uris)};
    if (got.uris == NULL) s = err_set(err, E_NOMEM, "identities: out of memory");
    for (size_t i = 0; s == OK && i < n; i++) {
        char name[32];
        struct search q = {.wanted = &wanted[i]};
        (void)snprintf(name, sizeof name, "validator-%zu", i);
        s = sign ? keyvault_key_versions(x.vault, name, see_version, &q, err) : keyvault_secret_versions(x.vault, name, see_version, &q, err);
        if (s == OK && q.id[0] == '\0') s = err_set(err, E_NOT_FOUND, "the vault has no key %s of that address", name);
        if (s != OK) break;
        got.addresses[i] = wanted[i];
        memcpy(got.uris[i], q.id, sizeof got.uris[i]);
    }
    session_close(&x);
    if (s == OK) {
        identities_fini(id);
        *id = got;
    } else {
        identities_fini(&got);
    }
    return s;
}

enum status identities_push(const struct identities *id, const struct vault_access *access, bytes spec_json, bytes contracts_json,
                            bool sign, unsigned deadline_ms, struct err *err)
{
    struct session x;
    enum status s = session_open(&x, access, deadline_ms, err);
    if (s != OK) return s;
    s = keyvault_probe(x.vault, deadline_ms, err);
    if (s == OK) s = push_all(x.vault, x.blobs, id, spec_json, contracts_json, sign, err);
    session_close(&x);
    return s;
}

enum status identities_put_spec(const struct vault_access *access, bytes spec_json, unsigned deadline_ms, struct err *err)
{
    struct session x;
    enum status s = session_open(&x, access, deadline_ms, err);
    if (s != OK) return s;
    s = put_blob(x.blobs, "spec.json", spec_json, err);
    session_close(&x);
    return s;
}

/* --------------------------------------------------------------- rotation */

enum { ROTATE_DEADLINE_MS = 30000, LEASE_S = 15, LEASE_TRIES = 50, LEASE_PAUSE_MS = 50 };

enum status identities_read(struct identity_state *out, const struct vault_access *access, unsigned index, struct err *err)
{
    struct session x;
    struct identity_doc doc;
    enum status s = session_open(&x, access, ROTATE_DEADLINE_MS, err);
    if (s != OK) return s;
    s = read_doc(&doc, x.blobs, index, err);
    session_close(&x);
    if (s != OK) return s;
    memcpy(out->who.b, doc.address, 20);
    (void)snprintf(out->secret_uri, sizeof out->secret_uri, "%s", doc.key_uri[0] ? doc.key_uri : doc.secret_uri);
    return OK;
}

enum status identities_add_key(struct identity_state *out, const struct vault_access *access, unsigned index, struct err *err)
{
    struct session x;
    struct identity_state next = {.secret_uri = ""};
    secret32 key;
    uint8_t pub[64];
    enum status s = session_open(&x, access, ROTATE_DEADLINE_MS, err);
    if (s != OK) return s;
    struct identity_doc doc;
    s = read_doc(&doc, x.blobs, index, err);
    if (s == OK && doc.key_uri[0] != '\0') {
        /* made in the vault, it never leaves it */
        char name[32];
        (void)snprintf(name, sizeof name, "validator-%u", index);
        s = keyvault_key_create(next.secret_uri, pub, x.vault, name, err);
        if (s == OK) ec_address(next.who.b, pub);
    } else if (s == OK) {
        ec_secret_generate(&key);
        if (ec_public(pub, &key) != OK) BUG("a fresh key is valid");
        ec_address(next.who.b, pub);
        s = put_secret(next.secret_uri, x.vault, &key, &next.who, index, err);
        secret_fini(&key);
    }
    session_close(&x);
    if (s == OK) *out = next;
    return s;
}

/* ours: the lease that is broken is taken at once; the node may be a little faster now and then */
static enum status take_lease(struct blob_store *blobs, const char *name, const char *lease_id, struct err *err)
{
    enum status s = E_CONFLICT;
    for (int i = 0; i < LEASE_TRIES && s == E_CONFLICT; i++) {
        if (i > 0) clock_sleep_ms(LEASE_PAUSE_MS);
        s = blob_lease_break(NULL, blobs, CONTAINER, name, 0, ROTATE_DEADLINE_MS, err);
        if (s != OK && s != E_CONFLICT) return s; /* E_CONFLICT: there was no lease to break */
        s = blob_lease_acquire(blobs, CONTAINER, name, LEASE_S, lease_id, ROTATE_DEADLINE_MS, err);
    }
    return s;
}

enum status identities_hand_over(const struct identity_state *next, const struct vault_access *access, unsigned index, struct err *err)
{
    struct session x;
    struct identity_doc doc;
    char name[32], vault_name[128], lease_id[BLOB_LEASE_ID_LEN + 1];
    struct buf json;
    enum status s = session_open(&x, access, ROTATE_DEADLINE_MS, err);
    if (s != OK) return s;
    buf_init(&json, IDENTITY_DOC_MAX);
    identity_blob_name(name, index);
    blob_lease_id_new(lease_id);
    s = read_doc(&doc, x.blobs, index, err);
    if (s == OK) s = take_lease(x.blobs, name, lease_id, err);
    if (s == OK) {
        /* a rotated key is new, and that is said beside it, unless a run before this one handed it over already: what stands there is its own */
        struct blob_info info;
        char promise[PROMISE_TEXT_MAX];
        const struct key_promise none = {0};
        struct blob_meta meta = {PROMISE_META, promise};
        if (memcmp(doc.address, next->who.b, 20) == 0) s = blob_head_meta(promise, sizeof promise, &info, x.blobs, CONTAINER, name, PROMISE_META, err);
        else promise_put_text(promise, &none);
        memcpy(doc.address, next->who.b, 20);
        bool is_key = keyvault_key_name(vault_name, next->secret_uri);
        (void)snprintf(doc.secret_uri, sizeof doc.secret_uri, "%s", is_key ? "" : next->secret_uri);
        (void)snprintf(doc.key_uri, sizeof doc.key_uri, "%s", is_key ? next->secret_uri : "");
        doc.enode_url[0] = '\0'; /* the node that leases it next fills it in */
        identity_doc_put(&json, &doc);
        if (s == OK) s = buf_status(&json);
        struct blob_conditions cond = {.lease_id = lease_id};
        if (s == OK) s = blob_put(x.blobs, CONTAINER, name, "application/json", buf_view(&json), &meta, promise[0] != '\0' ? 1 : 0, &cond, err);
        enum status r = blob_lease_release(x.blobs, CONTAINER, name, lease_id, ROTATE_DEADLINE_MS, s == OK ? err : NULL);
        if (s == OK && r != OK && r != E_CONFLICT) s = r;
    }
    buf_fini(&json);
    session_close(&x);
    return s;
}

enum status identities_retire(const char *secret_uri, const struct vault_access *access, struct err *err)
{
    struct session x;
    char name[128];
    const char *version = strrchr(secret_uri, '/');
    bool is_key = keyvault_key_name(name, secret_uri);
    if ((!is_key && !keyvault_secret_name(name, secret_uri)) || version == NULL) return err_set(err, E_INVALID, "'%s' is no URI of a secret or key with a version", secret_uri);
    enum status s = session_open(&x, access, ROTATE_DEADLINE_MS, err);
    if (s != OK) return s;
    s = is_key ? keyvault_key_enable(x.vault, name, version + 1, false, err) : keyvault_secret_enable(x.vault, name, version + 1, false, err);
    session_close(&x);
    return s;
}
