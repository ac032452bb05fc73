/* nodes.c: the member's own nodes as /nodes shows them, and the thread that asks the others for their peers and heads (by JSON-RPC at the
 * address of their enode) and for a proof that they hold their keys (lib/eth/possession.h), only while somebody looks. */
#include "lib/base/clock.h"
#include "lib/base/rng.h"
#include "lib/codec/json.h"
#include "lib/eth/enode.h"
#include "lib/eth/possession.h"
#include "lib/net/http_client.h"
#include "node/member/member_priv.h"

#include <pthread.h>
#include <time.h>

enum { PROBE_EVERY_MS = 4000, WATCHED_MS = 30000, PROBE_TIMEOUT_MS = 1500, FRESH_MS = 20000, PROVE_EVERY_MS = 30000, ANSWER_MAX = 1 << 20 };

struct prober {
    uint16_t rpc_port, member_port;
    pthread_t thread;
    bool has_thread;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wake;
    bool stop;
    uint64_t seen_ms;
    json_t *nodes;   /* whom to ask */
    json_t *answers; /* address -> {peers, block, syncing, atMs} */
    json_t *proofs;  /* address -> {holdsKey, clockOffsetMs, atMs} */
};

/* "0x1f" -> 31; false: something else */
static bool quantity(uint64_t *out, const json_t *v)
{
    uint8_t be[8];
    const char *text = json_string_value(v);
    if (text == NULL || !json_uint_of_text(be, sizeof be, bytes_str(text))) return false;
    *out = 0;
    for (size_t i = 0; i < sizeof be; i++)
        *out = *out << 8 | be[i];
    return true;
}

/* the answer of the node itself: behind a load balancer another one may have taken the request */
static json_t *read_answer(const char *node, bytes body)
{
    static const char *const asked[] = {"net_peerCount", "eth_blockNumber", "eth_syncing", "eth_coinbase"};
    json_t *doc = NULL, *v, *result[COUNT_OF(asked)] = {0}, *out = NULL;
    size_t i;
    if (json_parse(&doc, body, NULL) != OK) return NULL;
    json_array_foreach(doc, i, v)
    {
        json_int_t id = json_integer_value(json_object_get(v, "id"));
        if (id >= 1 && id <= (json_int_t)COUNT_OF(asked)) result[id - 1] = json_object_get(v, "result");
    }
    uint64_t peers, block;
    const char *who = json_string_value(result[3]);
    if (who != NULL && strcasecmp(who, node) == 0 && quantity(&peers, result[0]) && quantity(&block, result[1]))
        out = json_pack("{s:I, s:I, s:b, s:I}", "peers", (json_int_t)peers, "block", (json_int_t)block, "syncing", !json_is_false(result[2]), "atMs",
                        (json_int_t)clock_mono_ms());
    json_decref(doc);
    return out;
}

/* "http://HOST:PORT" of a node; false: its document names no address */
static bool url_of(char *dst, size_t cap, const json_t *node, unsigned port)
{
    struct enode e;
    const char *text = json_string_value(json_object_get(node, "enodeUrl"));
    if (text == NULL || enode_get(&e, bytes_str(text), NULL) != OK) return false;
    bool v6 = strchr(e.host, ':') != NULL;
    (void)snprintf(dst, cap, "http://%s%s%s:%u", v6 ? "[" : "", e.host, v6 ? "]" : "", port);
    return true;
}

static json_t *probe(struct prober *p, struct http_client *http, const json_t *node)
{
    static const char body[] = "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"net_peerCount\",\"params\":[]},"
                               "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"eth_blockNumber\",\"params\":[]},"
                               "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"eth_syncing\",\"params\":[]},"
                               "{\"jsonrpc\":\"2.0\",\"id\":4,\"method\":\"eth_coinbase\",\"params\":[]}]";
    static const char *const headers[] = {"Content-Type: application/json"};
    const char *who = json_string_value(json_object_get(node, "address"));
    char url[400];
    if (who == NULL || !url_of(url, sizeof url, node, p->rpc_port)) return NULL;
    struct http_client_request req = {.method = "POST", .url = url, .headers = headers, .n_headers = 1, .body = bytes_str(body), .has_body = true};
    struct http_client_response resp;
    if (http_client_do(&resp, http, &req, NULL) != OK) return NULL;
    json_t *out = resp.status == 200 ? read_answer(who, buf_view(&resp.body)) : NULL;
    http_client_response_fini(&resp);
    return out;
}

/* does it hold its key, and is its clock ours? NULL: it does not answer at all */
static json_t *ask_proof(struct prober *p, struct http_client *http, const json_t *node)
{
    char base[400], url[600], text[67];
    address who;
    hash32 challenge;
    struct possession got;
    const char *name = json_string_value(json_object_get(node, "address"));
    if (p->member_port == 0 || name == NULL || address_get(&who, bytes_str(name)) != OK || !url_of(base, sizeof base, node, p->member_port)) return NULL;
    rng_fill(challenge.b, sizeof challenge.b);
    hash_put(text, &challenge);
    (void)snprintf(url, sizeof url, "%s/possession?challenge=%s", base, text);
    struct http_client_request req = {.method = "GET", .url = url};
    struct http_client_response resp;
    uint64_t before = clock_wall_ms();
    if (http_client_do(&resp, http, &req, NULL) != OK) return NULL;
    uint64_t after = clock_wall_ms();
    json_t *doc = NULL, *out = NULL;
    /* asked too often, or by a version without the proof: then nothing is known */
    if (resp.status == 200 && json_parse(&doc, buf_view(&resp.body), NULL) == OK) {
        bool holds = possession_check_json(&got, doc, &who, &challenge, NULL) == OK;
        json_int_t offset = holds ? (json_int_t)got.time_ms - (json_int_t)(before + (after - before) / 2) : 0;
        out = json_pack("{s:b, s:o, s:I}", "holdsKey", holds, "clockOffsetMs", holds ? json_integer(offset) : json_null(), "atMs", (json_int_t)clock_mono_ms());
    }
    json_decref(doc);
    http_client_response_fini(&resp);
    return out;
}

static bool is_recent(const json_t *proof)
{
    return proof != NULL && clock_mono_ms() - (uint64_t)json_integer_value(json_object_get(proof, "atMs")) < PROVE_EVERY_MS;
}

static void wait_for(struct prober *p, uint64_t ms)
{
    const struct timespec at = clock_wall_in(ms);
    pthread_cond_timedwait(&p->wake, &p->lock, &at);
}

static void *run_prober(void *arg)
{
    struct prober *p = arg;
    struct http_client_config cfg = {.connect_timeout_ms = PROBE_TIMEOUT_MS, .timeout_ms = PROBE_TIMEOUT_MS, .max_body = ANSWER_MAX, .user_agent = "poa-node"};
    struct http_client *http = NULL;
    if (http_client_new(&http, &cfg, NULL) != OK) return NULL;
    pthread_mutex_lock(&p->lock);
    while (!p->stop) {
        if (p->nodes == NULL || clock_mono_ms() - p->seen_ms > WATCHED_MS) {
            pthread_cond_wait(&p->wake, &p->lock);
            continue;
        }
        json_t *nodes = json_incref(p->nodes), *node; /* never changed, only replaced */
        json_t *answers = json_object(), *proofs = json_object();
        size_t i;
        json_array_foreach(nodes, i, node)
        {
            if (p->stop) break;
            pthread_mutex_unlock(&p->lock);
            const char *who = json_string_value(json_object_get(node, "address"));
            json_t *a = probe(p, http, node), *before = who == NULL ? NULL : json_object_get(p->proofs, who); /* only this thread changes them */
            json_t *proof = is_recent(before) ? json_incref(before) : ask_proof(p, http, node);
            pthread_mutex_lock(&p->lock);
            if (a != NULL) json_object_set_new(answers, who, a);
            if (proof != NULL) json_object_set_new(proofs, who, proof);
        }
        json_decref(nodes);
        json_decref(p->answers);
        p->answers = answers;
        json_decref(p->proofs);
        p->proofs = proofs;
        if (!p->stop) wait_for(p, PROBE_EVERY_MS);
    }
    pthread_mutex_unlock(&p->lock);
    http_client_free(http);
    return NULL;
}

enum status prober_start(struct prober **out, uint16_t rpc_port, uint16_t member_port, struct err *err)
{
    struct prober *p = calloc(1, sizeof *p);
    if (p == NULL) return E_NOMEM;
    p->rpc_port = rpc_port;
    p->member_port = member_port;
    p->answers = json_object();
    p->proofs = json_object();
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    p->has_thread = pthread_create(&p->thread, NULL, run_prober, p) == 0;
    if (!p->has_thread) {
        prober_stop(p);
        return err_set(err, E_NOMEM, "cannot start the prober's thread");
    }
    *out = p;
    return OK;
}

void prober_stop(struct prober *p)
{
    if (p == NULL) return;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    if (p->has_thread) pthread_join(p->thread, NULL);
    json_decref(p->nodes);
    json_decref(p->answers);
    json_decref(p->proofs);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

void prober_see(struct prober *p, const json_t *nodes)
{
    pthread_mutex_lock(&p->lock);
    bool idle = p->nodes == NULL || clock_mono_ms() - p->seen_ms > WATCHED_MS;
    p->seen_ms = clock_mono_ms();
    if (p->nodes == NULL || !json_equal(p->nodes, (json_t *)nodes)) {
        json_decref(p->nodes);
        p->nodes = json_deep_copy(nodes);
        idle = true;
    }
    if (idle) pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

static bool same_address(const json_t *a, const json_t *b)
{
    return json_is_string(a) && json_is_string(b) && strcasecmp(json_string_value(a), json_string_value(b)) == 0;
}

/* the peer whose enode has the same key */
static const json_t *find_peer(const json_t *peers, const char *enode_url)
{
    size_t i;
    json_t *v;
    if (enode_url == NULL || strlen(enode_url) < 9 + 128) return NULL;
    json_array_foreach(peers, i, v)
    {
        const char *id = json_string_value(json_object_get(v, "id"));
        if (id != NULL && strncasecmp(id, enode_url + 8, 128) == 0) return v;
    }
    return NULL;
}

/* what is known of one node: it is this one, or it answered, or it is our peer, or nothing */
static void put_state(json_t *one, const json_t *node, const json_t *live, const json_t *answer, const json_t *proof)
{
    const json_t *self = json_object_get(live, "self");
    const json_t *peer = find_peer(json_object_get(live, "peers"), json_string_value(json_object_get(node, "enodeUrl")));
    json_t *peers = NULL, *block = NULL;
    bool syncing = false;
    bool is_self = json_equal(json_object_get(self, "enodeUrl"), json_object_get(node, "enodeUrl")) ||
                   same_address(json_object_get(self, "address"), json_object_get(node, "address"));
    bool fresh = answer != NULL && clock_mono_ms() - (uint64_t)json_integer_value(json_object_get(answer, "atMs")) < FRESH_MS;
    if (is_self) {
        peers = json_object_get(self, "peers");
        block = json_object_get(json_object_get(live, "head"), "number");
        syncing = json_is_true(json_object_get(self, "syncing"));
    } else if (fresh) {
        peers = json_object_get(answer, "peers");
        block = json_object_get(answer, "block");
        syncing = json_is_true(json_object_get(answer, "syncing"));
    } else if (peer != NULL) {
        block = json_object_get(peer, "block");
    }
    bool known = is_self || fresh || peer != NULL;
    json_object_set_new(one, "self", json_boolean(is_self));
    json_object_set(one, "peers", peers == NULL ? json_null() : peers);
    json_object_set(one, "block", block == NULL ? json_null() : block);
    json_t *holds = json_object_get(proof, "holdsKey"), *offset = json_object_get(proof, "clockOffsetMs");
    json_object_set(one, "holdsKey", holds == NULL ? json_null() : holds);
    json_object_set(one, "clockOffsetMs", offset == NULL ? json_null() : offset);
    json_object_set_new(one, "state", json_string(!known ? "unreachable" : syncing ? "syncing" : "running"));
}

void nodes_add_self(json_t *nodes, const json_t *self)
{
    size_t i;
    json_t *node;
    const json_t *own = json_object_get(self, "address");
    json_array_foreach(nodes, i, node)
    {
        if (same_address(json_object_get(node, "address"), own)) return;
    }
    json_array_append_new(nodes, json_pack("{s:O?, s:O?, s:O?, s:O?}", "hostname", json_object_get(self, "hostname"), "address", own, "region",
                                           json_object_get(self, "region"), "enodeUrl", json_object_get(self, "enodeUrl")));
}

void nodes_merge(json_t *live, const json_t *nodes, struct prober *p)
{
    static const char *const keys[] = {"hostname", "address", "region", "enodeUrl"};
    json_t *list = json_array(), *node, *answers = NULL, *proofs = NULL;
    size_t i;
    if (p != NULL) {
        pthread_mutex_lock(&p->lock);
        answers = json_deep_copy(p->answers);
        proofs = json_deep_copy(p->proofs);
        pthread_mutex_unlock(&p->lock);
    }
    json_array_foreach(nodes, i, node)
    {
        json_t *one = json_object();
        for (size_t k = 0; k < COUNT_OF(keys); k++) {
            json_t *v = json_object_get(node, keys[k]);
            json_object_set(one, keys[k], json_is_string(v) ? v : json_null());
        }
        const char *who = json_string_value(json_object_get(node, "address"));
        put_state(one, node, live, who == NULL ? NULL : json_object_get(answers, who), who == NULL ? NULL : json_object_get(proofs, who));
        json_array_append_new(list, one);
    }
    json_decref(answers);
    json_decref(proofs);
    json_object_set_new(live, "nodes", list);
}
