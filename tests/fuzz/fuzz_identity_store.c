/* module: identity-store */
/* A request of any shape by an authorised client never crashes the store, never leaves an answer without a status, and an answer that
 * refuses (400 and up) has changed nothing. Input: one byte method, one byte role, then lines: target, "header: value"..., an empty
 * line, body. */
#include "identity-store/policy.h"
#include "identity-store/routes.h"
#include "tests/fuzz/identity_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void run(struct call *c)
{
    bool allowed;
    enum rest_error e = route_find(c);
    if (e != ERR_NONE) {
        if (call_fail(c, e) != OK) BUG("an error could not be written");
        return;
    }
    if (kv_begin(&c->txn, c->store->kv, c->route->write) != OK) BUG("no transaction");
    enum status s = policy_check(&allowed, c);
    if (s == OK) s = allowed ? c->route->run(c) : policy_deny(c);
    if (s == E_CORRUPT) BUG("the store made a record that it cannot read");
    if (s == OK && (c->reply.status < 200 || c->reply.status > 599)) BUG("an answer without a status");
    if (s == OK && c->route->write && c->reply.status < 400) {
        if (kv_commit(c->txn) != OK) BUG("commit");
    } else {
        kv_abort(c->txn);
    }
    c->txn = NULL;
}

static void seed(struct store *store, const struct config *cfg, enum http_method m, const char *path, const char *query, const char *body)
{
    struct call c;
    struct input in = {.names = {(char[]){"x-ms-blob-type"}}, .values = {(char[]){"BlockBlob"}}, .n = 1};
    call_init(&c, store, cfg);
    c.client = (struct client){.id = "boss", .role = ROLE_ORCHESTRATOR};
    c.rq = (struct request){.method = m, .path = path, .query = bytes_str(query), .body = bytes_str(body), .peer = "::1", .ctx = &in, .header = header,
                            .header_at = header_at};
    run(&c);
    if (c.reply.status >= 300) BUG("seed");
    call_fini(&c);
}

static void make_store(struct store *store, struct config *cfg)
{
    struct store_options o = {.data_dir = "memory"};
    *cfg = (struct config){.soft_delete_days = 7, .token_s = 3600};
    (void)snprintf(cfg->issuer, sizeof cfg->issuer, "https://x");
    (void)snprintf(cfg->tenant, sizeof cfg->tenant, "poa");
    (void)snprintf(cfg->account, sizeof cfg->account, "acct");
    if (store_open(store, &o, NULL) != OK || store_make_token_key(store, NULL) != OK) BUG("store");
    seed(store, cfg, HTTP_PUT, "/c-1", "restype=container", "");
    seed(store, cfg, HTTP_PUT, "/c-1/identity-0.json", "", "{\"secretUri\":\"https://v/secrets/s0\",\"address\":\"0x1\"}");
    seed(store, cfg, HTTP_PUT, "/secrets/s0", "api-version=7.4", "{\"value\":\"v\",\"tags\":{\"a\":\"b\"}}");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct store store;
    static struct config cfg;
    static unsigned calls;
    if (calls++ % 2000 == 0) { /* a fresh one now and then: what one input did is there for the next */
        if (store.kv) store_close(&store);
        make_store(&store, &cfg);
    }
    if (len < 3 || len > 65536) return 0;
    static const enum http_method methods[] = {HTTP_GET, HTTP_HEAD, HTTP_PUT, HTTP_POST, HTTP_PATCH, HTTP_DELETE};
    char *text = malloc(len + 1), *p = text;
    if (text == NULL) return 0;
    memcpy(text, data, len);
    text[len] = 0;
    struct call c;
    struct input in = {0};
    call_init(&c, &store, &cfg);
    p += 2;
    char *target = line(&p), *q = strchr(target, '?');
    if (q) *q++ = 0;
    headers_get(&in, &p);
    if (*p == '\n') p++;
    c.client = (struct client){.role = data[1] & 1 ? ROLE_NODE : ROLE_ORCHESTRATOR};
    (void)snprintf(c.client.id, sizeof c.client.id, "client-%d", data[1] & 3);
    (void)snprintf(c.client.container, sizeof c.client.container, "c-1");
    c.rq = (struct request){.method = methods[data[0] % COUNT_OF(methods)], .path = target, .query = bytes_str(q ? q : ""),
                            .body = bytes_make(p, len - (size_t)(p - text)), .peer = "::1", .ctx = &in, .header = header, .header_at = header_at};
    if (target[0] == '/') run(&c); /* the server gives no other path */
    call_fini(&c);
    free(text);
    return 0;
}
