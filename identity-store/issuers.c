#include "identity-store/issuers.h"

#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/crypto/tls.h"
#include "lib/net/http_client.h"

#include <pthread.h>
#include <stdatomic.h>

#define TARGET "issuers"

enum { KEYS_MAX = 32, KID_MAX = 128, JWKS_MAX = 256 << 10, EVERY_S = 3600, AT_MOST_EVERY_S = 5, FETCH_MS = 10000 };

struct key {
    char kid[KID_MAX + 1];
    struct buf pem;
};

struct key_set {
    struct key list[KEYS_MAX];
    size_t n;
};

struct issuers {
    const struct config *cfg;
    pthread_mutex_t lock; /* all below */
    pthread_cond_t more;
    struct key_set sets[ISSUERS_MAX];
    bool stop, wanted;
    pthread_t thread;
    bool has_thread;
};

static void set_fini(struct key_set *k)
{
    for (size_t i = 0; i < k->n; i++) buf_fini(&k->list[i].pem);
    k->n = 0;
}

/* keys that are not RSA, or not for signatures, are passed over; one at least must be good */
static enum status set_get(struct key_set *out, bytes text, const char *from, struct err *err)
{
    json_t *doc = json_loadb(text.len ? (const char *)text.ptr : "", text.len, 0, NULL), *k;
    size_t i;
    out->n = 0;
    json_array_foreach(json_object_get(doc, "keys"), i, k)
    {
        const char *kid = json_string_value(json_object_get(k, "kid")), *kty = json_string_value(json_object_get(k, "kty"));
        const char *use = json_string_value(json_object_get(k, "use"));
        const char *n = json_string_value(json_object_get(k, "n")), *e = json_string_value(json_object_get(k, "e"));
        if (out->n == KEYS_MAX || !kid || strlen(kid) > KID_MAX || !kty || strcmp(kty, "RSA") != 0 || (use && strcmp(use, "sig") != 0) || !n || !e) continue;
        struct key *key = &out->list[out->n];
        buf_init(&key->pem, 8192);
        if (tls_rsa_from_jwk(&key->pem, bytes_str(n), bytes_str(e), NULL) != OK) {
            buf_fini(&key->pem);
            continue;
        }
        memcpy(key->kid, kid, strlen(kid) + 1);
        out->n++;
    }
    json_decref(doc);
    return out->n > 0 ? OK : err_set(err, E_DECODE, "%s: no JSON Web Key set with an RSA key of 2048 bits or more", from);
}

static void use_set(struct issuers *s, size_t i, struct key_set *fresh)
{
    (void)pthread_mutex_lock(&s->lock);
    struct key_set old = s->sets[i];
    s->sets[i] = *fresh;
    (void)pthread_mutex_unlock(&s->lock);
    set_fini(&old);
}

/* ----------------------------------------------------------------- sources */

static enum status read_files(struct issuers *s, struct err *err)
{
    for (size_t i = 0; i < s->cfg->n_issuers; i++) {
        const struct issuer_config *c = &s->cfg->issuers[i];
        struct key_set fresh;
        struct buf text;
        if (c->jwks_file == NULL) continue;
        buf_init(&text, JWKS_MAX);
        enum status st = file_read(&text, c->jwks_file, err);
        if (st == OK) st = set_get(&fresh, buf_view(&text), c->jwks_file, err);
        buf_fini(&text);
        if (st != OK) return st;
        use_set(s, i, &fresh);
    }
    return OK;
}

static void fetch(struct issuers *s, size_t i)
{
    const struct issuer_config *c = &s->cfg->issuers[i];
    struct http_client_config hc = {.ca_file = c->ca_file, .connect_timeout_ms = FETCH_MS, .timeout_ms = FETCH_MS, .max_body = JWKS_MAX};
    struct http_client_request rq = {.method = "GET", .url = c->jwks_uri};
    struct http_client_response r;
    struct http_client *client = NULL;
    struct key_set fresh;
    struct err err = {0};
    enum status st = http_client_new(&client, &hc, &err);
    if (st == OK) st = http_client_do(&r, client, &rq, &err);
    if (st == OK) {
        st = r.status == 200 ? set_get(&fresh, buf_view(&r.body), c->jwks_uri, &err) : err_set(&err, E_AGAIN, "%s: HTTP %d", c->jwks_uri, r.status);
        http_client_response_fini(&r);
    }
    http_client_free(client);
    if (st == OK) {
        size_t n = fresh.n;
        use_set(s, i, &fresh);
        log_info(TARGET, "keys of %s: n=%zu", c->issuer, n);
    } else {
        log_warn(TARGET, "keys of %s: %s", c->issuer, err_text(&err));
    }
}

static void *refresh(void *arg)
{
    struct issuers *s = arg;
    uint64_t wait_s = 0;
    for (;;) {
        struct timespec until;
        (void)clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += (time_t)wait_s;
        (void)pthread_mutex_lock(&s->lock);
        while (!s->stop && !(s->wanted && wait_s == EVERY_S) && pthread_cond_timedwait(&s->more, &s->lock, &until) == 0) continue;
        bool stop = s->stop, pause_is_over = wait_s == AT_MOST_EVERY_S;
        if (!pause_is_over) s->wanted = false;
        (void)pthread_mutex_unlock(&s->lock);
        if (stop) return NULL;
        if (pause_is_over) { /* from here on a token may ask for it again, or has asked */
            wait_s = EVERY_S;
            continue;
        }
        for (size_t i = 0; i < s->cfg->n_issuers; i++)
            if (s->cfg->issuers[i].jwks_uri != NULL) fetch(s, i);
        wait_s = AT_MOST_EVERY_S;
    }
}

/* -------------------------------------------------------------------- life */

enum status issuers_open(struct issuers **out, const struct config *cfg, struct err *err)
{
    *out = NULL;
    if (cfg->n_issuers == 0) return OK;
    struct issuers *s = calloc(1, sizeof *s);
    if (s == NULL) return err_set(err, E_NOMEM, "issuers: out of memory");
    pthread_condattr_t attr;
    bool fetches = false;
    s->cfg = cfg;
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&s->more, &attr);
    (void)pthread_condattr_destroy(&attr);
    for (size_t i = 0; i < cfg->n_issuers; i++) fetches = fetches || cfg->issuers[i].jwks_uri != NULL;
    enum status st = read_files(s, err);
    if (st == OK && fetches) {
        s->has_thread = pthread_create(&s->thread, NULL, refresh, s) == 0;
        if (!s->has_thread) st = err_set(err, E_NOMEM, "issuers: no thread");
    }
    if (st == OK) *out = s;
    else issuers_close(s);
    return st;
}

void issuers_close(struct issuers *s)
{
    if (s == NULL) return;
    (void)pthread_mutex_lock(&s->lock);
    s->stop = true;
    (void)pthread_cond_signal(&s->more);
    (void)pthread_mutex_unlock(&s->lock);
    if (s->has_thread) (void)pthread_join(s->thread, NULL);
    for (size_t i = 0; i < ISSUERS_MAX; i++) set_fini(&s->sets[i]);
    (void)pthread_cond_destroy(&s->more);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}

enum status issuers_reload(struct issuers *s, struct err *err)
{
    return s == NULL ? OK : read_files(s, err);
}

/* ------------------------------------------------------------------- check */

/* the key, copied; false: the issuer has no such key, or there is no such issuer (*known) */
static bool find_key(struct buf *pem, bool *known, struct issuers *s, const char *issuer, const char *kid)
{
    bool found = false;
    *known = false;
    (void)pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->cfg->n_issuers && !found; i++) {
        if (strcmp(s->cfg->issuers[i].issuer, issuer) != 0) continue;
        *known = true;
        for (size_t k = 0; k < s->sets[i].n && !found; k++) {
            found = strcmp(s->sets[i].list[k].kid, kid) == 0;
            if (found) buf_put_bytes(pem, buf_view(&s->sets[i].list[k].pem));
        }
        if (!found && s->cfg->issuers[i].jwks_uri != NULL) {
            s->wanted = true;
            (void)pthread_cond_signal(&s->more);
        }
    }
    (void)pthread_mutex_unlock(&s->lock);
    return found;
}

enum status issuers_verify(json_t **claims, struct issuers *s, bytes token)
{
    char kid[KID_MAX + 1];
    struct buf text, pem;
    json_t *doc = NULL;
    if (s == NULL) return E_NOT_FOUND;
    buf_init(&text, JWKS_MAX);
    buf_init(&pem, 8192);
    enum status st = jwt_peek(kid, sizeof kid, &text, token);
    if (st == OK) doc = json_loadb(text.len ? (const char *)text.ptr : "", text.len, JSON_REJECT_DUPLICATES, NULL);
    const char *issuer = json_string_value(json_object_get(doc, "iss"));
    bool known = false;
    if (st == OK && issuer == NULL) st = E_DECODE;
    if (st == OK && !find_key(&pem, &known, s, issuer, kid)) st = known ? E_CRYPTO : E_NOT_FOUND;
    buf_clear(&text);
    /* what was peeked at is what is verified: one and the same token */
    if (st == OK) st = jwt_verify_rs256(&text, buf_view(&pem), token, NULL);
    if (st == OK) *claims = doc;
    else json_decref(doc);
    buf_fini(&text);
    buf_fini(&pem);
    return st;
}
