/* module: identity-store */
/* Tokens: whatever is not byte for byte a token that the store or a known issuer has signed identifies nobody. Input: one byte mode, then
 * 0, 1: a token, alone or as the authorization header; 2, 3: edits (two bytes place, one byte what) of a good token, own or foreign; 4: a JWK's n
 * and e, on two lines. */
#include "identity-store/auth.h"
#include "identity-store/routes.h"
#include "lib/base/file.h"
#include "lib/crypto/tls.h"

#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct world {
    struct store store;
    struct config cfg;
    struct auth auth;
    struct buf own, foreign;
    uint64_t now_s;
};

static const char *header(const void *ctx, const char *name)
{
    return strcmp(name, "Authorization") == 0 ? ctx : NULL;
}

static void claims_put(struct buf *out, const struct world *w)
{
    buf_printf(out, "{\"iss\":\"https://i.example/\",\"aud\":\"https://vault.azure.net\",\"oid\":\"s-1\",\"exp\":%llu}", (unsigned long long)w->now_s + 864000);
}

static void make_world(struct world *w)
{
    static char jwks_path[64] = "/tmp/poa-fuzz-jwt-XXXXXX", clients_path[64] = "/tmp/poa-fuzz-jwt-XXXXXX";
    struct buf key, jwks, claims;
    struct store_options o = {.data_dir = "memory"};
    const char *clients = "clients:\n  - {id: own, secret_sha256: \"00000000000000000000000000000000000000000000000000000000000000ab\", role: orchestrator}\n"
                          "  - {id: ext, issuer: \"https://i.example/\", subject: s-1, role: orchestrator}\n";
    w->cfg = (struct config){.soft_delete_days = 7, .token_s = 86400};
    w->now_s = 1800000000;
    (void)snprintf(w->cfg.issuer, sizeof w->cfg.issuer, "https://x");
    (void)snprintf(w->cfg.tenant, sizeof w->cfg.tenant, "poa");
    (void)snprintf(w->cfg.account, sizeof w->cfg.account, "acct");
    (void)snprintf(w->cfg.issuers[0].issuer, sizeof w->cfg.issuers[0].issuer, "https://i.example/");
    w->cfg.n_issuers = 1;
    w->cfg.issuers[0].jwks_file = jwks_path;
    w->cfg.clients_file = clients_path;
    buf_init(&key, 16 << 10);
    buf_init(&jwks, 16 << 10);
    buf_init(&claims, 4096);
    buf_init(&w->own, TOKEN_MAX);
    buf_init(&w->foreign, TOKEN_MAX);
    claims_put(&claims, w);
    bool good = tls_make_rsa(&key, NULL) == OK;
    buf_put_str(&jwks, "{\"keys\":[");
    good = good && tls_rsa_jwk(&jwks, buf_view(&key), "k1", NULL) == OK;
    buf_put_str(&jwks, "]}");
    int fds[2] = {mkstemp(jwks_path), mkstemp(clients_path)};
    good = good && fds[0] >= 0 && fds[1] >= 0 && file_write_atomic(jwks_path, buf_view(&jwks), 0600, NULL) == OK &&
           file_write_atomic(clients_path, bytes_str(clients), 0600, NULL) == OK;
    good = good && store_open(&w->store, &o, NULL) == OK && store_make_token_key(&w->store, NULL) == OK && auth_open(&w->auth, &w->cfg, &w->store, NULL) == OK;
    good = good && jwt_sign_rs256(&w->foreign, buf_view(&key), "k1", buf_view(&claims), NULL) == OK;
    good = good && auth_issue(&w->own, &w->auth, clients_find(&w->auth.clients, "own"), true, w->now_s) == OK;
    if (!good) BUG("the world of the test");
    for (int i = 0; i < 2; i++) (void)close(fds[i]);
    (void)unlink(jwks_path);
    (void)unlink(clients_path);
    buf_fini(&key);
    buf_fini(&jwks);
    buf_fini(&claims);
}

/* does "Authorization: <text>" identify anyone? */
static bool identifies(struct world *w, const char *text)
{
    struct call c;
    call_init(&c, &w->store, &w->cfg);
    c.wall_ms = w->now_s * 1000;
    c.rq = (struct request){.method = HTTP_GET, .path = "/secrets", .query = bytes_str("api-version=7.4"), .peer = "::1", .ctx = text, .header = header};
    if (route_find(&c) != ERR_NONE) BUG("route");
    bool yes = auth_identify(&w->auth, &c);
    if (!yes && c.reply.status != 401) BUG("refused without a 401");
    call_fini(&c);
    return yes;
}

static void edited(struct world *w, const struct buf *good, const uint8_t *edits, size_t len)
{
    char text[TOKEN_MAX + 16];
    size_t n = good->len;
    (void)snprintf(text, sizeof text, "Bearer %.*s", (int)n, (const char *)good->ptr);
    for (; len >= 3; edits += 3, len -= 3) {
        size_t at = 7 + ((size_t)edits[0] << 8 | edits[1]) % n;
        text[at] = edits[2] == 0 || edits[2] == '\n' ? 'x' : (char)edits[2];
    }
    bool same = strlen(text) == n + 7 && memcmp(text + 7, good->ptr, n) == 0;
    bool taken = identifies(w, text);
    if (taken && !same) BUG("a token that was changed is taken");
    if (!taken && same) BUG("a good token is refused");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct world w;
    if (w.now_s == 0) make_world(&w);
    if (len < 1 || len > TOKEN_MAX) return 0;
    char *text = malloc(len + 8);
    if (text == NULL) return 0;
    unsigned mode = data[0] % 5;
    (void)snprintf(text, 8, "Bearer ");
    memcpy(text + 7, data + 1, len - 1);
    text[6 + len] = 0;
    bytes in = bytes_make(data + 1, len - 1);
    struct buf out;
    char kid[64];
    buf_init(&out, 64 << 10);
    switch (mode) {
    case 0: if (identifies(&w, text) && (strlen(text + 7) != w.own.len || memcmp(text + 7, w.own.ptr, w.own.len) != 0)) BUG("a made-up token is taken"); break;
    case 1: if (identifies(&w, text + 7)) BUG("a made-up header is taken"); break;
    case 2: edited(&w, &w.own, in.ptr, in.len); break;
    case 3: edited(&w, &w.foreign, in.ptr, in.len); break;
    default: {
        const uint8_t *nl = in.len > 0 ? memchr(in.ptr, '\n', in.len) : NULL;
        size_t at = nl ? (size_t)(nl - in.ptr) : in.len;
        IGNORE(tls_rsa_from_jwk(&out, bytes_make(in.ptr, at), nl ? bytes_make(nl + 1, in.len - at - 1) : BYTES_EMPTY, NULL), "any answer will do");
    }
    }
    buf_clear(&out);
    if (jwt_peek(kid, sizeof kid, &out, in) == OK && strlen(kid) >= sizeof kid) BUG("a key id that is too long");
    buf_fini(&out);
    free(text);
    return 0;
}
