/* rpc_fixture.h: a chain of one validator in memory, a toy pool, a running RPC server and a client of it. */
#ifndef TESTS_RPC_FIXTURE_H
#define TESTS_RPC_FIXTURE_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <jansson.h>

#include "lib/base/clock.h"
#include "lib/codec/hex.h"
#include "lib/crypto/secp256k1.h"
#include "lib/net/http_client.h"
#include "node/rpc/rpc.h"
#include "node/store/tables.h"

#include <cmocka.h>

#define RICH "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf" /* address of key 1, which also seals */
#define LOGGER "0x00000000000000000000000000000000000a0001"
#define REVERTER "0x00000000000000000000000000000000000a0002"
#define HUNGRY "0x00000000000000000000000000000000000a0003"
#define CLEARER "0x00000000000000000000000000000000000a0004"
#define CALLER "0x00000000000000000000000000000000000a0005"
#define PANICKER "0x00000000000000000000000000000000000a0006"
#define DOOMED "0x00000000000000000000000000000000000a0007"
#define ZERO32 "0000000000000000000000000000000000000000000000000000000000000000"
#define TOPIC "0x1111111111111111111111111111111111111111111111111111111111111111"

/* LOGGER  logs calldata[32..64) under topic calldata[0..32) and stores the topic in slot 0
 * REVERTER reverts with Error("no")
 * HUNGRY  reverts when it has no more than 100000 gas
 * CLEARER sets slot 0, which is 1, to 0: a refund
 * CALLER  calls HUNGRY with all its gas and reverts when that fails
 * PANICKER reverts with Panic(0x11)
 * DOOMED  has 5 wei and 9 in slot 1, writes 0 there and destroys itself for its caller */
static const char SPEC[] =
    "{\"name\":\"RpcTest\",\"engine\":{\"authorityRound\":{\"params\":{\"stepDuration\":\"2\",\"validators\":{\"list\":[\"" RICH "\"]}}}},"
    "\"params\":{\"networkID\":\"0x2a\",\"chainID\":\"0x2b\",\"gasLimitBoundDivisor\":\"0x400\",\"maximumExtraDataSize\":\"0x20\",\"minGasLimit\":\"0x1388\","
    "\"eip140Transition\":\"0x0\",\"eip211Transition\":\"0x0\",\"eip214Transition\":\"0x0\",\"eip658Transition\":\"0x0\",\"eip145Transition\":\"0x0\","
    "\"eip1014Transition\":\"0x0\",\"eip1052Transition\":\"0x0\",\"eip1283Transition\":\"0x0\",\"eip1344Transition\":\"0x0\",\"eip1706Transition\":\"0x0\","
    "\"eip1884Transition\":\"0x0\",\"eip2028Transition\":\"0x0\",\"eip2929Transition\":\"0x0\",\"eip2930Transition\":\"0x0\",\"eip1559Transition\":\"0x0\","
    "\"eip3198Transition\":\"0x0\",\"eip3529Transition\":\"0x0\",\"eip3541Transition\":\"0x0\",\"eip3607Transition\":\"0x0\",\"eip3651Transition\":\"0x0\","
    "\"eip3855Transition\":\"0x0\",\"eip3860Transition\":\"0x0\",\"eip7702Transition\":\"0x0\","
    "\"eip1559BaseFeeInitialValue\":\"0x0\",\"maxCodeSize\":\"0x6000\"},"
    "\"genesis\":{\"seal\":{\"authorityRound\":{\"step\":\"0x0\",\"signature\":\"0x" ZERO32 ZERO32 "00\"}},\"difficulty\":\"0x20000\",\"gasLimit\":\"0x2faf080\",\"baseFeePerGas\":\"0x0\"},\"accounts\":{"
    "\"0x0000000000000000000000000000000000000001\":{\"balance\":\"1\",\"builtin\":{\"name\":\"ecrecover\",\"pricing\":{\"linear\":{\"base\":3000,\"word\":0}}}},"
    "\"" RICH "\":{\"balance\":\"0xd3c21bcecceda1000000\"},"
    "\"" LOGGER "\":{\"balance\":\"0\",\"code\":\"0x60203560005260003560206000a160003560005500\"},"
    "\"" REVERTER "\":{\"balance\":\"0\",\"code\":\"0x6308c379a060e01b6000526020600452600260245261" "6e6f60f01b60445260646000fd\"},"
    "\"" HUNGRY "\":{\"balance\":\"0\",\"code\":\"0x5a620186a010600e5760006000fd5b00\"},"
    "\"" CLEARER "\":{\"balance\":\"0\",\"code\":\"0x600060005500\",\"storage\":{\"0x00\":\"0x01\"}},"
    "\"" CALLER "\":{\"balance\":\"0\",\"code\":\"0x6000600060006000600073" "00000000000000000000000000000000000a0003" "5af160295760006000fd5b00\"},"
    "\"" PANICKER "\":{\"balance\":\"0\",\"code\":\"0x634e487b7160e01b600052601160045260246000fd\"},"
    "\"" DOOMED "\":{\"balance\":\"5\",\"code\":\"0x600060015533ff\",\"storage\":{\"0x01\":\"0x09\"}}}}";

struct fixture {
    struct chain_spec spec;
    struct kv *kv;
    struct chain *chain;
    struct rpc *rpc;
    char ipc_path[60];
    struct http_client *client;
    struct arena pool_arena;
    struct rpc_pool_tx pool[64];
    size_t n_pool, next_pool;
    pthread_mutex_t lock;
    secret32 key;
    address rich;
    uint64_t now_ms, nonce;
    char last_error[700];
    char last_data[4000];
    int last_code;
};

static enum status pool_add(void *ctx, hash32 *hash, bytes raw, struct err *err)
{
    struct fixture *f = ctx;
    struct tx tx;
    bytes copy = arena_copy(&f->pool_arena, raw);
    enum status s = tx_get(&tx, copy, err);
    if (s == OK) s = tx_recover(&tx, true);
    if (s != OK) return s;
    pthread_mutex_lock(&f->lock);
    f->pool[f->n_pool++] = (struct rpc_pool_tx){.tx = tx};
    pthread_mutex_unlock(&f->lock);
    *hash = tx.hash;
    rpc_on_pending(f->rpc, hash, 1);
    return OK;
}
static bool pool_get(void *ctx, struct tx *out, const hash32 *hash, struct arena *a)
{
    (void)a;
    struct fixture *f = ctx;
    for (size_t i = 0; i < f->n_pool; i++) {
        if (!hash_eq(&f->pool[i].tx.hash, hash)) continue;
        *out = f->pool[i].tx;
        return true;
    }
    return false;
}
static uint64_t pool_next_nonce(void *ctx, const address *a, uint64_t nonce)
{
    struct fixture *f = ctx;
    for (size_t i = 0; i < f->n_pool; i++)
        if (address_eq(a, &f->pool[i].tx.sender) && f->pool[i].tx.nonce >= nonce) nonce = f->pool[i].tx.nonce + 1;
    return nonce;
}
static enum status pool_content_of(void *ctx, struct rpc_pool_tx **out, size_t *n, size_t max, const address *of, struct arena *a)
{
    struct fixture *f = ctx;
    (void)max, (void)of;
    *out = arena_zalloc(a, f->n_pool + 1, sizeof **out);
    if (*out == NULL) return E_NOMEM;
    memcpy(*out, f->pool, f->n_pool * sizeof **out);
    *n = f->n_pool;
    return OK;
}
static void pool_count(void *ctx, size_t *pending, size_t *queued)
{
    *pending = ((struct fixture *)ctx)->n_pool;
    *queued = 0;
}

static bool next_tx(void *ctx, struct tx *out)
{
    struct fixture *f = ctx;
    if (f->next_pool == f->n_pool) return false;
    *out = f->pool[f->next_pool++].tx;
    return true;
}
static void tx_result(void *ctx, const struct tx *tx, enum tx_verdict v)
{
    (void)ctx, (void)tx;
    if (v != TX_VALID) fail_msg("a transaction of the test is not valid: %s", tx_verdict_text(v));
}
static enum status sign_seal(void *ctx, uint8_t sig65[static 65], const hash32 *hash, uint64_t step)
{
    (void)step;
    return ec_sign(sig65, hash->b, &((struct fixture *)ctx)->key);
}
static void on_chain_event(void *ctx, const struct chain_event *e)
{
    struct fixture *f = ctx;
    if (f->rpc) rpc_on_chain_event(f->rpc, e);
}

static inline bool fake_clock(void *ctx, struct rpc_clock *out)
{
    (void)ctx;
    *out = (struct rpc_clock){.n_measured = 3, .n_apart = 2, .ahead_ms = -1500, .limit_ms = 1000, .is_off = true};
    return true;
}

static bool fake_enode(void *ctx, char dst[static 512])
{
    (void)ctx;
    memset(dst, 0, 512);
    memcpy(dst, "enode://", 8);
    memset(dst + 8, 'a', 128);
    snprintf(dst + 136, 100, "@127.1.1.10:30300");
    return true;
}
static size_t fake_peer_count(void *ctx)
{
    (void)ctx;
    return 1;
}
static size_t fake_peers(void *ctx, struct rpc_peer *out, size_t max)
{
    (void)ctx;
    if (max == 0) return 0;
    *out = (struct rpc_peer){.id = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8", .client = "x/y", .caps = "eth/66,eth/67", .remote = "127.0.0.1:1", .local = "127.0.0.1:2", .eth_version = 67};
    return 1;
}

/* seal the pool's transactions into the next block */
static inline void fixture_seal(struct fixture *f)
{
    struct buf raw;
    struct err err = {0};
    uint64_t step, next;
    f->now_ms += 2000;
    chain_step_at(&step, &next, f->chain, f->now_ms);
    buf_init(&raw, 1 << 24);
    struct proposal_source src = {.ctx = f, .next = next_tx, .result = tx_result, .sign = sign_seal};
    f->next_pool = 0;
    enum status s = chain_propose(&raw, f->chain, &f->rich, step, f->now_ms, 1000, &src, &err);
    if (s != OK) fail_msg("sealing: %s", err_text(&err));
    pthread_mutex_lock(&f->lock);
    f->n_pool = 0;
    pthread_mutex_unlock(&f->lock);
    buf_fini(&raw);
}

static inline int fixture_new(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct err err = {0};
    f->key.b[31] = 1;
    f->now_ms = 1700000000000;
    pthread_mutex_init(&f->lock, NULL);
    arena_init(&f->pool_arena, 1 << 24);
    assert_int_equal(address_get(&f->rich, bytes_str(RICH)), OK);
    if (chain_spec_parse(&f->spec, bytes_str(SPEC), &err) != OK) fail_msg("spec: %s", err_text(&err));
    assert_int_equal(kv_open_memory(&f->kv, TABLE_N), OK);
    struct chain_config cc = {.archive = true, .listener_ctx = f, .on_event = on_chain_event, .extra_data = BYTES_LIT("test")};
    if (chain_open(&f->chain, f->kv, &f->spec, &cc, &err) != OK) fail_msg("chain: %s", err_text(&err));
    struct rpc_pool pool = {f, pool_add, pool_get, pool_next_nonce, pool_content_of, pool_count, NULL, 64};
    struct rpc_node node = {.ctx = f, .peer_count = fake_peer_count, .peers = fake_peers, .max_peers = 25, .enode = fake_enode, .clock = fake_clock};
    struct rpc_config rc = {.address = "127.0.0.1", .has_http = true, .has_ws = true, .namespaces = "all", .cors = "*",
                            .client_version = "poa-node/v1.2.3/linux-x86_64", .node_name = "n1", .threads = 3, .ipc_path = f->ipc_path};
    snprintf(f->ipc_path, sizeof f->ipc_path, "/tmp/poa-test-rpc-%ld.ipc", (long)getpid());
    if (rpc_server_start(&f->rpc, &rc, f->chain, &pool, &node, &err) != OK) fail_msg("rpc: %s", err_text(&err));
    assert_int_equal(http_client_new(&f->client, NULL, &err), OK);
    *state = f;
    return 0;
}
static inline int fixture_free(void **state)
{
    struct fixture *f = *state;
    rpc_server_stop(f->rpc);
    http_client_free(f->client);
    chain_close(f->chain);
    kv_close(f->kv);
    chain_spec_fini(&f->spec);
    arena_fini(&f->pool_arena);
    pthread_mutex_destroy(&f->lock);
    free(f);
    return 0;
}

/* ------------------------------------------------------------------ client */

/* body in, parsed answer out (NULL: empty answer) */
static inline json_t *post(struct fixture *f, const char *body)
{
    char url[100];
    struct err err = {0};
    struct http_client_response r;
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", rpc_http_port(f->rpc));
    static const char *const headers[] = {"Content-Type: application/json"};
    struct http_client_request q = {"POST", url, headers, 1, bytes_str(body), true};
    if (http_client_do(&r, f->client, &q, &err) != OK) fail_msg("%s", err_text(&err));
    assert_int_equal(r.status, 200);
    json_error_t e;
    json_t *doc = r.body.len ? json_loadb((const char *)r.body.ptr, r.body.len, 0, &e) : NULL;
    if (r.body.len && doc == NULL) fail_msg("no JSON: %.*s", (int)r.body.len, (const char *)r.body.ptr);
    http_client_response_fini(&r);
    return doc;
}
static inline json_t *call_doc(struct fixture *f, const char *method, const char *params)
{
    char *body;
    assert_true(asprintf(&body, "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"%s\",\"params\":%s}", method, params) > 0);
    json_t *doc = post(f, body);
    free(body);
    assert_int_equal(json_integer_value(json_object_get(doc, "id")), 7);
    return doc;
}
/* the result; fails the test on an error */
static inline json_t *ask(struct fixture *f, const char *method, const char *params)
{
    json_t *doc = call_doc(f, method, params), *r = json_object_get(doc, "result");
    if (r == NULL) {
        char *text = json_dumps(doc, 0);
        fail_msg("%s %s: %s", method, params, text);
    }
    json_incref(r);
    json_decref(doc);
    return r;
}
/* code of the error; text and data are left in f */
static inline int ask_error(struct fixture *f, const char *method, const char *params)
{
    json_t *doc = call_doc(f, method, params), *e = json_object_get(doc, "error");
    if (e == NULL) fail_msg("%s %s gave a result", method, params);
    snprintf(f->last_error, sizeof f->last_error, "%s", json_string_value(json_object_get(e, "message")));
    const char *data = json_string_value(json_object_get(e, "data"));
    snprintf(f->last_data, sizeof f->last_data, "%s", data ? data : "");
    int code = (int)json_integer_value(json_object_get(e, "code"));
    json_decref(doc);
    return code;
}
static inline void expect_str(struct fixture *f, const char *method, const char *params, const char *want)
{
    json_t *r = ask(f, method, params);
    if (!json_is_string(r) || strcmp(json_string_value(r), want) != 0) {
        char *text = json_dumps(r, JSON_ENCODE_ANY);
        fail_msg("%s %s: %s, wanted %s", method, params, text, want);
    }
    json_decref(r);
}
/* a result compared as JSON text (compact, keys in order of arrival) */
static inline void expect_json(struct fixture *f, const char *method, const char *params, const char *want)
{
    json_t *r = ask(f, method, params);
    char *text = json_dumps(r, JSON_ENCODE_ANY | JSON_COMPACT);
    if (strcmp(text, want) != 0) fail_msg("%s %s: %s, wanted %s", method, params, text, want);
    free(text);
    json_decref(r);
}
static inline const char *str_at(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    if (!json_is_string(v)) fail_msg("%s is not a string", key);
    return json_string_value(v);
}
static inline uint64_t num_of(const json_t *v)
{
    assert_true(json_is_string(v));
    return strtoull(json_string_value(v), NULL, 16);
}

/* sign and send a transaction of RICH; its hash in text */
static inline void send_tx(struct fixture *f, char hash[67], enum tx_type type, const char *to, uint64_t value, const char *data)
{
    struct tx tx = {.type = type, .has_chain_id = true, .chain_id = 0x2b, .nonce = f->nonce++, .gas_limit = 200000,
                    .value = u256_from_u64(value), .has_to = to != NULL};
    struct buf d, raw, hex;
    buf_init(&d, 1 << 20), buf_init(&raw, 1 << 20), buf_init(&hex, 1 << 21);
    if (to) assert_int_equal(address_get(&tx.to, bytes_str(to)), OK);
    assert_int_equal(hex_get(&d, bytes_str(data)), OK);
    tx.data = buf_view(&d);
    assert_int_equal(tx_sign(&tx, &raw, &f->key), OK);
    hash_put(hash, &tx.hash);
    buf_put_str(&hex, "[\"");
    hex_append(&hex, buf_view(&raw));
    buf_put_str(&hex, "\"]");
    expect_str(f, "eth_sendRawTransaction", buf_cstr(&hex), hash);
    buf_fini(&d), buf_fini(&raw), buf_fini(&hex);
}

/* ------------------------------------------------------------------ WebSocket client */

static inline int ws_dial(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, "127.0.0.1", &sa.sin_addr);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    struct timeval tv = {3, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    static const char hello[] = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    assert_true(send(fd, hello, sizeof hello - 1, 0) > 0);
    char got[1000] = "";
    for (size_t n = 0; strstr(got, "\r\n\r\n") == NULL; n++) assert_int_equal(recv(fd, got + n, 1, 0), 1);
    return fd;
}
static inline void ws_put(int fd, const char *text)
{
    size_t n = strlen(text), head = n < 126 ? 2 : 4;
    uint8_t f[8 + 4000] = {0x81, (uint8_t)(0x80 | (n < 126 ? n : 126)), (uint8_t)(n >> 8), (uint8_t)n};
    assert_true(n < 4000);
    memset(f + head, 0, 4); /* the mask */
    memcpy(f + head + 4, text, n);
    assert_int_equal(send(fd, f, head + 4 + n, MSG_NOSIGNAL), (ssize_t)(head + 4 + n));
}
static inline void ws_exact(int fd, void *dst, size_t len)
{
    for (size_t n = 0; n < len;) {
        ssize_t r = recv(fd, (char *)dst + n, len - n, 0);
        if (r <= 0) fail_msg("nothing came over the WebSocket");
        n += (size_t)r;
    }
}
static inline json_t *ws_get(int fd)
{
    uint8_t h[10];
    ws_exact(fd, h, 2);
    assert_int_equal(h[0], 0x81);
    size_t len = h[1];
    if (len == 126) {
        ws_exact(fd, h, 2);
        len = (size_t)h[0] << 8 | h[1];
    } else if (len == 127) {
        ws_exact(fd, h, 8);
        len = be64_get(h);
    }
    char *text = malloc(len + 1);
    ws_exact(fd, text, len);
    json_t *doc = json_loadb(text, len, 0, NULL);
    assert_non_null(doc);
    free(text);
    return doc;
}

#endif
