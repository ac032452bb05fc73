/* chain_fixture.h: a network in one process: nodes with databases of their own, validators' keys, and a clock that the test moves step by
 * step. A block is sealed on one node and given to the others by hand. */
#ifndef TESTS_CHAIN_FIXTURE_H
#define TESTS_CHAIN_FIXTURE_H

#include <unistd.h>

#include <jansson.h>

#include "lib/base/file.h"
#include "lib/codec/hex.h"
#include "lib/codec/json.h"
#include "lib/codec/rlp.h"
#include "lib/crypto/keccak.h"
#include "lib/crypto/secp256k1.h"
#include "lib/eth/abi_call.h"
#include "node/aura/aura.h"
#include "node/chain/chain.h"
#include "node/state/trie.h"
#include "node/store/tables.h"
#include "tests/unit/vectors.h"

#include <cmocka.h>

enum { KEYS = 8, NODES = 4, STEP_S = 2, FIRST_STEP = 700000000, QUEUE = 64, REPORTS = 32, DATABASE_MAX = 64 << 20, BLOCK_LIMIT = 32 << 20 };
#define PREFUND "1000000000000000000000000"
#define BYZANTIUM "\"eip140Transition\":\"0x0\",\"eip211Transition\":\"0x0\",\"eip214Transition\":\"0x0\",\"eip658Transition\":\"0x0\""
#define LONDON                                                                                                                                     \
    BYZANTIUM ",\"eip145Transition\":\"0x0\",\"eip1014Transition\":\"0x0\",\"eip1052Transition\":\"0x0\",\"eip1283Transition\":\"0x0\","           \
              "\"eip1344Transition\":\"0x0\",\"eip1706Transition\":\"0x0\",\"eip1884Transition\":\"0x0\",\"eip2028Transition\":\"0x0\","           \
              "\"eip2929Transition\":\"0x0\",\"eip2930Transition\":\"0x0\",\"eip1559Transition\":\"0x0\",\"eip3529Transition\":\"0x0\","           \
              "\"eip1559BaseFeeInitialValue\":\"0x3b9aca00\""

struct node {
    struct kv *kv;
    struct chain *chain;
    char dir[64]; /* LMDB's folder; empty: in memory */
    /* what the listeners were told */
    size_t n_events, n_added, n_removed, n_receipts;
    bool is_own, finality_advanced;
    hash32 added[256], removed[256]; /* of the last event */
    struct chain_report reports[REPORTS];
    size_t n_reports;
};

struct net {
    struct chain_spec spec;
    struct buf json;
    secret32 key[KEYS];
    address addr[KEYS];
    struct node node[NODES];
    size_t n_nodes;
    uint64_t step;
    struct chain_config cfg;
    /* transactions for the next seal */
    struct tx queue[QUEUE];
    enum tx_verdict result[QUEUE];
    size_t n_queue, next;
    enum status sign_status; /* what sign answers */
    uint64_t last_signed[KEYS]; /* what a journal has: it outlives every restart */
    size_t n_signed, sign_key;
    bool is_empty_step; /* the last proposal was one */
    bool has_store; /* promises are kept beside the keys: */
    enum status keep_status; /* what keep answers */
    struct key_promise kept[KEYS];
    /* of the last import */
    enum block_verdict verdict;
    uint64_t retry_ms;
    struct err err;
    struct arena arena; /* blocks and transactions of the test */
};

static inline void net_keys(struct net *w)
{
    for (size_t i = 0; i < KEYS; i++) {
        uint8_t pub[64];
        w->key[i] = (secret32){{0}};
        w->key[i].b[31] = (uint8_t)(i + 1);
        assert_int_equal(ec_public(pub, &w->key[i]), OK);
        ec_address(w->addr[i].b, pub);
    }
}

static inline uint64_t now_ms(const struct net *w)
{
    return w->step * STEP_S * 1000 + 100;
}

/* --- listeners */

static inline void on_event(void *ctx, const struct chain_event *e)
{
    struct node *n = ctx;
    n->n_events++;
    n->n_added = e->n_added;
    n->n_removed = e->n_removed;
    n->n_receipts = e->n_head_receipts;
    n->is_own = e->is_own;
    n->finality_advanced = e->finality_advanced;
    for (size_t i = 0; i < e->n_added && i < COUNT_OF(n->added); i++)
        n->added[i] = e->added[i].hash;
    for (size_t i = 0; i < e->n_removed && i < COUNT_OF(n->removed); i++)
        n->removed[i] = e->removed[i];
}

static inline void on_report(void *ctx, const struct chain_report *r)
{
    struct node *n = ctx;
    if (n->n_reports < REPORTS) n->reports[n->n_reports++] = *r;
}

/* --- nodes */

static inline void node_open_chain(struct net *w, size_t i)
{
    struct node *n = &w->node[i];
    struct chain_config cfg = w->cfg;
    cfg.listener_ctx = n;
    cfg.on_event = on_event;
    cfg.on_report = on_report;
    if (chain_open(&n->chain, n->kv, &w->spec, &cfg, &w->err) != OK) fail_msg("chain_open: %s", err_text(&w->err));
}

static inline void node_open_kv(struct net *w, size_t i)
{
    struct node *n = &w->node[i];
    if (n->dir[0] == '\0') assert_int_equal(kv_open_memory(&n->kv, TABLE_N), OK);
    else if (tables_open(&n->kv, n->dir, DATABASE_MAX, KV_NOSYNC, &w->err) != OK) fail_msg("%s", err_text(&w->err));
}

/* end the process as far as the node can tell: an in-memory database lives on, one of LMDB is closed and opened */
static inline void node_restart(struct net *w, size_t i)
{
    struct node *n = &w->node[i];
    chain_close(n->chain);
    if (n->dir[0] != '\0') {
        kv_close(n->kv);
        node_open_kv(w, i);
    }
    node_open_chain(w, i);
}

static inline void net_open_spec(struct net *w, const char *spec, size_t n_nodes)
{
    if (chain_spec_parse(&w->spec, bytes_str(spec), &w->err) != OK) fail_msg("%s", err_text(&w->err));
    for (size_t i = 0; i < w->spec.n_warnings; i++)
        fail_msg("%s", w->spec.warnings[i]);
    w->n_nodes = n_nodes;
    w->step = FIRST_STEP;
    for (size_t i = 0; i < n_nodes; i++) {
        node_open_kv(w, i);
        node_open_chain(w, i);
    }
}

/* a spec whose engine parameters, extra params and accounts are given; all keys are rich */
static inline void net_open(struct net *w, size_t n_nodes, const char *engine, const char *params, const char *accounts)
{
    char zeros[131];
    memset(zeros, '0', 130);
    zeros[130] = '\0';
    buf_init(&w->json, 1 << 20);
    buf_printf(&w->json,
               "{\"name\":\"t\",\"engine\":{\"authorityRound\":{\"params\":{\"stepDuration\":%d,%s}}},"
               "\"params\":{\"networkID\":\"0x2a\",\"gasLimitBoundDivisor\":\"0x400\",\"maximumExtraDataSize\":\"0x20\",\"minGasLimit\":\"0x1388\","
               "\"maxCodeSize\":49152,%s},\"genesis\":{\"seal\":{\"authorityRound\":{\"step\":\"0x0\",\"signature\":\"0x%s\"}},"
               "\"difficulty\":\"0x20000\",\"gasLimit\":\"0x2faf080\"},\"accounts\":{",
               STEP_S, engine, params, zeros);
    for (size_t i = 0; i < KEYS; i++) {
        char text[43];
        address_put(text, &w->addr[i]);
        buf_printf(&w->json, "\"%s\":{\"balance\":\"" PREFUND "\"},", text);
    }
    buf_printf(&w->json, "%s\"0x00000000000000000000000000000000000000ee\":{\"balance\":\"1\"}}}", accounts);
    net_open_spec(w, buf_cstr(&w->json), n_nodes);
}

static inline struct net *net_new(void)
{
    struct net *w = calloc(1, sizeof *w);
    assert_non_null(w);
    arena_init(&w->arena, (size_t)256 << 20);
    net_keys(w);
    return w;
}

/* "validators":{"list":[...]} of keys 0..n-1; twice in one expression needs two buffers */
static inline const char *list_of(struct net *w, size_t first, size_t n)
{
    struct buf b;
    buf_init(&b, 4096);
    buf_put_str(&b, "{\"list\":[");
    for (size_t i = 0; i < n; i++) {
        char text[43];
        address_put(text, &w->addr[first + i]);
        buf_printf(&b, "%s\"%s\"", i == 0 ? "" : ",", text);
    }
    buf_put_str(&b, "]}");
    const char *text = arena_strdup(&w->arena, buf_cstr(&b));
    buf_fini(&b);
    return text;
}

static inline const char *validators_list(struct net *w, size_t n)
{
    return arena_printf(&w->arena, "\"validators\":%s", list_of(w, 0, n));
}

static inline struct net *net_of_list(size_t n_nodes, size_t n_validators)
{
    struct net *w = net_new();
    net_open(w, n_nodes, validators_list(w, n_validators), LONDON, "");
    return w;
}

static inline void net_free(struct net *w)
{
    for (size_t i = 0; i < w->n_nodes; i++) {
        chain_close(w->node[i].chain);
        kv_close(w->node[i].kv);
        if (w->node[i].dir[0] != '\0') assert_int_equal(file_remove_tree(w->node[i].dir, NULL), OK);
    }
    chain_spec_fini(&w->spec);
    buf_fini(&w->json);
    arena_fini(&w->arena);
    free(w);
}

static inline void use_lmdb(struct net *w, size_t i)
{
    (void)snprintf(w->node[i].dir, sizeof w->node[i].dir, "/tmp/poa-chain-XXXXXX");
    assert_non_null(mkdtemp(w->node[i].dir));
}

/* --- transactions */

static inline void queue_tx(struct net *w, size_t key, uint64_t nonce, const address *to, u256 value, bytes data, uint64_t gas)
{
    struct tx tx = {.type = TX_LEGACY, .has_chain_id = true, .chain_id = w->spec.chain_id, .nonce = nonce, .gas_limit = gas, .value = value,
                    .data = data, .max_fee = u256_from_u64(2000000000), .max_priority = u256_from_u64(2000000000)};
    if (to != NULL) {
        tx.has_to = true;
        tx.to = *to;
    }
    struct buf b;
    buf_init(&b, 1 << 20);
    assert_int_equal(tx_sign(&tx, &b, &w->key[key]), OK);
    bytes raw = arena_copy(&w->arena, tx.raw);
    buf_fini(&b);
    assert_true(w->n_queue < QUEUE);
    assert_int_equal(tx_get(&w->queue[w->n_queue], raw, NULL), OK);
    assert_int_equal(tx_recover(&w->queue[w->n_queue], true), OK);
    w->n_queue++;
}

static inline bool source_next(void *ctx, struct tx *out)
{
    struct net *w = ctx;
    if (w->next == w->n_queue) return false;
    *out = w->queue[w->next++];
    return true;
}

static inline void source_result(void *ctx, const struct tx *tx, enum tx_verdict v)
{
    struct net *w = ctx;
    assert_memory_equal(&w->queue[w->next - 1].hash, &tx->hash, 32);
    w->result[w->next - 1] = v;
}

static inline enum status source_sign(void *ctx, uint8_t sig65[static 65], const hash32 *hash, uint64_t step)
{
    struct net *w = ctx;
    assert_int_equal(step, w->step);
    if (step <= w->last_signed[w->sign_key]) return E_CONFLICT;
    w->last_signed[w->sign_key] = step;
    if (w->sign_status != OK) return w->sign_status;
    w->n_signed++;
    return ec_sign(sig65, hash->b, &w->key[w->sign_key]);
}

static inline enum status source_keep(void *ctx, const struct key_promise *p, uint64_t step)
{
    struct net *w = ctx;
    assert_int_equal(step, w->step);
    assert_true(w->last_signed[w->sign_key] < step || w->keep_status != OK); /* first the promise, then the signature */
    if (w->keep_status == OK) w->kept[w->sign_key] = *p;
    return w->keep_status;
}

/* the key whose turn it is on a node, or KEYS: nobody of ours */
static inline size_t key_in_turn(struct net *w, size_t node)
{
    size_t i = 0;
    while (i < KEYS && !chain_is_proposer(w->node[node].chain, &w->addr[i], w->step))
        i++;
    return i;
}

/* propose on a node with a key, whoever's turn it is; *block is the arena's */
static inline enum status propose_as(bytes *block, struct net *w, size_t node, size_t key)
{
    struct proposal_source src = {.ctx = w, .next = source_next, .result = source_result, .sign = source_sign};
    struct buf out;
    if (w->has_store) src.keep = source_keep;
    buf_init(&out, BLOCK_LIMIT);
    w->next = 0;
    w->sign_key = key;
    enum status s = chain_propose(&out, w->node[node].chain, &w->addr[key], w->step, now_ms(w), 5000, &src, &w->err);
    w->is_empty_step = src.is_empty_step;
    if (s == OK) {
        *block = arena_copy(&w->arena, buf_view(&out));
        w->n_queue = 0;
    }
    buf_fini(&out);
    return s;
}

static inline bytes seal(struct net *w, size_t node)
{
    bytes block = BYTES_EMPTY;
    size_t key = key_in_turn(w, node);
    if (key == KEYS) fail_msg("nobody's turn in step %llu", (unsigned long long)w->step);
    enum status s = propose_as(&block, w, node, key);
    if (s != OK) fail_msg("propose: %s: %s", status_name(s), err_text(&w->err));
    return block;
}

static inline bytes seal_next(struct net *w, size_t node)
{
    w->step++;
    return seal(w, node);
}

static inline enum import_result import(struct net *w, size_t node, bytes block)
{
    enum import_result r = IMPORT_BAD;
    w->verdict = BLOCK_VALID;
    enum status s = chain_import(&r, &w->verdict, &w->retry_ms, w->node[node].chain, block, now_ms(w), &w->err);
    if (s != OK) fail_msg("import: %s: %s", status_name(s), err_text(&w->err));
    return r;
}

static inline void assert_refused(struct net *w, size_t node, bytes block, enum block_verdict want)
{
    assert_int_equal(import(w, node, block), IMPORT_BAD);
    assert_int_equal(w->verdict, want);
}

static inline void import_all(struct net *w, size_t sealer, bytes block)
{
    for (size_t i = 0; i < w->n_nodes; i++) {
        if (i == sealer) continue;
        enum import_result r = import(w, i, block);
        if (r != IMPORT_HEAD) fail_msg("node %zu: import gives %d: %s: %s", i, (int)r, block_verdict_text(w->verdict), err_text(&w->err));
    }
}

/* one step: whose turn it is seals on node `node`, all others import */
static inline bytes turn(struct net *w, size_t node)
{
    w->step++;
    bytes block = seal(w, node);
    import_all(w, node, block);
    return block;
}

/* --- looking */

static inline struct chain_head head_of(struct net *w, size_t node)
{
    struct chain_head h;
    chain_get_head(&h, w->node[node].chain);
    return h;
}

static inline hash32 hash_of(bytes block)
{
    struct arena a;
    struct block b;
    arena_init(&a, BLOCK_LIMIT);
    assert_int_equal(block_get(&b, &block, &a, NULL), OK);
    arena_fini(&a);
    return b.hash;
}

#define assert_hash_equal(x, y) assert_memory_equal((x).b, (y).b, 32)

static inline void assert_head(struct net *w, size_t node, bytes block)
{
    struct chain_head h = head_of(w, node);
    hash32 want = hash_of(block);
    assert_hash_equal(h.hash, want);
}

static inline u256 balance_of(struct net *w, size_t node, const address *a)
{
    struct kv_txn *txn;
    struct state *s;
    u256 v;
    assert_int_equal(kv_begin(&txn, w->node[node].kv, false), OK);
    assert_int_equal(state_open(&s, txn, STATE_LATEST), OK);
    assert_int_equal(state_get_balance(s, a, &v), OK);
    state_free(s);
    kv_abort(txn);
    return v;
}

/* keccak of a database's tables; those of state and canonical chain only, or all */
static inline hash32 digest_of(struct net *w, size_t node, bool all)
{
    static const unsigned tables[] = {TABLE_ACCOUNT, TABLE_STORAGE, TABLE_TRIE_ACCOUNT, TABLE_TRIE_STORAGE, TABLE_CANON, TABLE_TX, TABLE_CHANGES,
                                      TABLE_HIST_ACCOUNT, TABLE_HIST_STORAGE};
    struct buf b;
    struct kv_txn *txn;
    hash32 h;
    buf_init(&b, (size_t)64 << 20);
    assert_int_equal(kv_begin(&txn, w->node[node].kv, false), OK);
    for (unsigned i = 0; i < (all ? TABLE_N : COUNT_OF(tables)); i++) {
        struct kv_cursor *c;
        bytes k, v;
        assert_int_equal(kv_cursor_open(&c, txn, all ? i : tables[i]), OK);
        for (enum status s = kv_cursor_next(&k, &v, c); s == OK; s = kv_cursor_next(&k, &v, c)) {
            buf_printf(&b, "%u:%zu:%zu:", i, k.len, v.len);
            buf_put_bytes(&b, k);
            buf_put_bytes(&b, v);
        }
        kv_cursor_close(c);
    }
    kv_abort(txn);
    assert_int_equal(buf_status(&b), OK);
    keccak256(h.b, b.ptr, b.len);
    buf_fini(&b);
    return h;
}

/* the root of the state tables is that of the head's header: nothing half-written */
static inline void assert_state_is_heads(struct net *w, size_t node)
{
    struct chain_head h = head_of(w, node);
    struct kv_txn *txn;
    struct state *s;
    hash32 root;
    assert_int_equal(kv_begin(&txn, w->node[node].kv, false), OK);
    assert_int_equal(state_open(&s, txn, STATE_LATEST), OK);
    assert_int_equal(state_root(s, &root), OK);
    assert_hash_equal(root, h.state_root);
    state_free(s);
    kv_abort(txn);
}

/* validators of the next block, as indices of keys */
static inline void assert_set(struct net *w, size_t node, const size_t *keys, size_t n_keys)
{
    struct arena a;
    address *list;
    size_t n;
    arena_init(&a, 1 << 16);
    assert_int_equal(chain_validators(&list, &n, w->node[node].chain, &a), OK);
    assert_int_equal(n, n_keys);
    for (size_t i = 0; i < n; i++)
        assert_memory_equal(&list[i], &w->addr[keys[i]], 20);
    arena_fini(&a);
}

/* --- blocks that no honest node makes */

static inline struct block decode(struct net *w, bytes block)
{
    struct block b;
    assert_int_equal(block_get(&b, &block, &w->arena, &w->err), OK);
    return b;
}

static inline bytes encode(struct net *w, const struct block *b)
{
    struct buf out;
    buf_init(&out, BLOCK_LIMIT);
    block_put(&out, b);
    assert_int_equal(buf_status(&out), OK);
    bytes copy = arena_copy(&w->arena, buf_view(&out));
    buf_fini(&out);
    return copy;
}

/* sign a changed header anew with a key */
static inline bytes reseal(struct net *w, struct block *b, size_t key)
{
    hash32 h = header_aura_seal_hash(&b->header);
    assert_int_equal(ec_sign(b->header.signature, h.b, &w->key[key]), OK);
    return encode(w, b);
}

static inline size_t key_of(struct net *w, const address *a)
{
    size_t i = 0;
    while (i < KEYS && !address_eq(&w->addr[i], a))
        i++;
    return i;
}

#endif
