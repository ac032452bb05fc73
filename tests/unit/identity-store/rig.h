/* rig.h: an identity store in memory, without a network: tests make a call and read its reply. */
#ifndef TESTS_UNIT_IDENTITY_STORE_RIG_H
#define TESTS_UNIT_IDENTITY_STORE_RIG_H

#include "identity-store/auth.h"
#include "identity-store/policy.h"
#include "identity-store/routes.h"
#include "lib/base/file.h"
#include "lib/base/rng.h"
#include "lib/codec/hex.h"
#include "lib/crypto/aead.h"

#include <strings.h>
#include <unistd.h>

#include <jansson.h>

#include <cmocka.h>

struct rig_header {
    const char *name, *value;
};

struct rig {
    struct store store;
    struct config cfg;
    struct auth auth;
    char dir[64], clients[96], host[32];
    uint64_t skew_ms; /* added to both clocks */
};

/* the answer, copied */
struct rig_reply {
    int status;
    char body[65536];
    char headers[8192]; /* "name: value\n" */
};

static const char RIG_CLIENTS[] = "clients:\n"
                                  "  - {id: boss, secret_sha256: \"%s\", role: orchestrator}\n"
                                  "  - {id: node-a, secret_sha256: \"%s\", role: node, container: poa-config}\n"
                                  "  - {id: node-b, secret_sha256: \"%s\", role: node, container: poa-config, addresses: [10.0.0.0/8, \"::1\"]}\n";

static UNUSED void rig_write_clients(struct rig *r, const char *secret)
{
    uint8_t h[32];
    char hex[65], text[2048];
    sha256(h, secret, strlen(secret));
    hex_put(hex, h, 32);
    hex[64] = 0;
    int n = snprintf(text, sizeof text, RIG_CLIENTS, hex, hex, hex);
    assert_int_equal(file_write_atomic(r->clients, bytes_make(text, (size_t)n), 0600, NULL), OK);
}

static UNUSED int rig_setup(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    struct err err = {0};
    snprintf(r->dir, sizeof r->dir, "/tmp/poa-rig-XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    snprintf(r->clients, sizeof r->clients, "%s/clients.yaml", r->dir);
    rig_write_clients(r, "s3cret");
    snprintf(r->cfg.issuer, sizeof r->cfg.issuer, "https://127.0.0.1:8443");
    snprintf(r->cfg.tenant, sizeof r->cfg.tenant, "poa");
    snprintf(r->cfg.account, sizeof r->cfg.account, "devstoreaccount1");
    r->cfg.soft_delete_days = 90;
    r->cfg.token_s = 3600;
    r->cfg.clients_file = r->clients;
    r->cfg.tls_cert = r->dir; /* links begin with https */
    struct store_options o = {.data_dir = "(memory)"};
    if (store_open(&r->store, &o, &err) != OK || store_make_token_key(&r->store, &err) != OK) fail_msg("%s", err_text(&err));
    if (auth_open(&r->auth, &r->cfg, &r->store, &err) != OK) fail_msg("%s", err_text(&err));
    *state = r;
    return 0;
}

static UNUSED int rig_teardown(void **state)
{
    struct rig *r = *state;
    auth_close(&r->auth);
    store_close(&r->store);
    IGNORE(file_remove_tree(r->dir, NULL), "a folder of a test");
    free(r);
    return 0;
}

static const char *rig_header(const void *ctx, const char *name)
{
    if (strcasecmp(name, "Host") == 0) return "store.example:8443";
    for (const struct rig_header *h = ctx; h && h->name; h++)
        if (strcasecmp(h->name, name) == 0) return h->value;
    return NULL;
}

static bool rig_header_at(const char **name, const char **value, const void *ctx, size_t i)
{
    const struct rig_header *h = ctx;
    if (h == NULL || h[i].name == NULL) return false;
    *name = h[i].name;
    *value = h[i].value;
    return true;
}

static UNUSED void rig_call_init(struct call *c, struct rig *r, enum http_method m, const char *target, const struct rig_header *headers,
                                 const char *body, const char *peer)
{
    call_init(c, &r->store, &r->cfg);
    const char *q = strchr(target, '?');
    char *path = arena_printf(&c->arena, "%.*s", (int)(q ? q - target : (long)strlen(target)), target);
    assert_non_null(path);
    c->rq = (struct request){.method = m, .path = path, .query = bytes_str(q ? q + 1 : ""), .body = bytes_str(body ? body : ""), .peer = peer,
                             .ctx = headers, .header = rig_header, .header_at = rig_header_at};
    c->now_ms += r->skew_ms;
    c->wall_ms += r->skew_ms;
}

static UNUSED void rig_reply_take(struct rig_reply *out, struct call *c)
{
    memset(out, 0, sizeof *out);
    out->status = c->reply.status;
    assert_true(c->reply.body.len < sizeof out->body);
    if (c->reply.body.len) memcpy(out->body, c->reply.body.ptr, c->reply.body.len);
    size_t n = 0;
    for (size_t i = 0; i < c->reply.n_headers; i++)
        n += (size_t)snprintf(out->headers + n, sizeof out->headers - n, "%s: %s\n", c->reply.headers[i].name, c->reply.headers[i].value);
    call_fini(c);
}

/* one call as a client, through route, policy and handler, each in a transaction of its own */
static UNUSED struct rig_reply rig_do(struct rig *r, const char *client, enum http_method m, const char *target, const struct rig_header *headers,
                                      const char *body)
{
    static struct rig_reply out;
    struct call c;
    rig_call_init(&c, r, m, target, headers, body, "127.0.0.1");
    enum rest_error e = route_find(&c);
    const struct client *cl = clients_find(&r->auth.clients, client);
    assert_non_null(cl);
    c.client = *cl;
    if (e != ERR_NONE) {
        assert_int_equal(call_fail(&c, e), OK);
    } else {
        bool allowed;
        assert_int_equal(kv_begin(&c.txn, r->store.kv, c.route->write), OK);
        assert_int_equal(policy_check(&allowed, &c), OK);
        enum status s = allowed ? c.route->run(&c) : policy_deny(&c);
        if (s != OK) fail_msg("%s %s: %s", http_method_name(m), target, status_name(s));
        if (c.route->write && c.reply.status < 400) assert_int_equal(kv_commit(c.txn), OK);
        else kv_abort(c.txn);
        assert_int_equal(buf_status(&c.reply.body), OK);
    }
    rig_reply_take(&out, &c);
    return out;
}

static UNUSED int rig_status(struct rig *r, const char *client, enum http_method m, const char *target, const struct rig_header *headers,
                             const char *body)
{
    return rig_do(r, client, m, target, headers, body).status;
}

#endif
