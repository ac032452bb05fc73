/* module: node/chain */
/* Input as a program: two nodes of a network of five validators seal, exchange blocks in any order, also damaged ones, signal changes of the set,
 * and restart. Held throughout: a branch is only left for a better one, what is final stays, the state is the head's, and a restart finds all as it was. */
#include "lib/crypto/secp256k1.h"
#include "node/aura/aura.h"
#include "node/chain/chain.h"
#include "node/store/tables.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum { NODES = 2, KEYS = 5, BLOCKS_MAX = 24, OPS_MAX = 48, FIRST_STEP = 1000000 };

static void check(bool ok)
{
    if (!ok) abort();
}

/* CONTRACT: calls with data emit it as InitiateChange, others give the list of the keys 1..5 */
#define CONTRACT "0x0000000000000000000000000000000000002002"
#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"
static const char SPEC[] =
    "{\"name\":\"f\",\"engine\":{\"authorityRound\":{\"params\":{\"stepDuration\":2,\"validators\":{\"multi\":{\"0\":{\"list\":["
    "\"0x7e5f4552091a69125d5dfcb7b8c2659029395bdf\",\"0x2b5ad5c4795c026514f8317c7a215e218dccd6cf\",\"0x6813eb9362372eef6200f3b1dbc3f819671cba69\"]},"
    "\"3\":{\"safeContract\":\"" CONTRACT "\"}}}}}},"
    "\"params\":{\"networkID\":1,\"gasLimitBoundDivisor\":1024,\"maximumExtraDataSize\":32,\"minGasLimit\":5000,\"eip140Transition\":0,"
    "\"eip658Transition\":0},"
    "\"genesis\":{\"seal\":{\"authorityRound\":{\"step\":0,\"signature\":\"0x" ZEROS ZEROS "00\"}},\"difficulty\":1,\"gasLimit\":5000000},"
    "\"accounts\":{\"0x7e5f4552091a69125d5dfcb7b8c2659029395bdf\":{\"balance\":\"0xffffffffffffffffffff\"},"
    "\"" CONTRACT "\":{\"balance\":\"0\",\"code\":\"0x"
    "3660041460375736600060003760014303407f55252fa6eee4741b4e24a74a70e9c11fd2c2281df8d6ea13126ff845f7825c"
    "89366000a25b6100e060466000396100e06000f3000000000000000000000000000000000000000000000000000000000000"
    "002000000000000000000000000000000000000000000000000000000000000000050000000000000000000000007e5f4552"
    "091a69125d5dfcb7b8c2659029395bdf0000000000000000000000002b5ad5c4795c026514f8317c7a215e218dccd6cf0000"
    "000000000000000000006813eb9362372eef6200f3b1dbc3f819671cba690000000000000000000000001eff47bc3a10a45d"
    "4b230b5d10e37751fe6aa718000000000000000000000000e1ab8145f7e55dc933d51a18c793f901a3a0b276"
    "\"}}}";

struct node {
    struct kv *kv;
    struct chain *chain;
    struct chain_head head; /* as last seen */
    struct chain_epoch epoch;
};

struct world {
    struct chain_spec spec;
    secret32 key[KEYS];
    address addr[KEYS];
    struct node node[NODES];
    uint64_t step;
    bytes block[BLOCKS_MAX];
    size_t n_blocks, key_in_turn;
    struct tx tx;
    bool has_tx;
    struct arena arena;
};

static uint64_t now_ms(const struct world *w)
{
    return w->step * 2000 + 500;
}

static void open_node(struct world *w, struct node *n)
{
    struct chain_config cfg = {0};
    check(chain_open(&n->chain, n->kv, &w->spec, &cfg, NULL) == OK);
    /* it has run for long: a key without a seal need not watch first */
    enum import_result r;
    enum block_verdict v;
    uint64_t retry;
    check(chain_import(&r, &v, &retry, n->chain, BYTES_EMPTY, (FIRST_STEP - 1000) * 2000, NULL) == OK);
}

static void check_node(struct node *n)
{
    struct chain_head h;
    struct kv_txn *txn;
    struct state *s = NULL;
    hash32 root, at;
    chain_get_head(&h, n->chain);
    struct chain_epoch e;
    chain_get_epoch(&e, n->chain);
    if (e.ballot != n->epoch.ballot) check(e.ballot > n->epoch.ballot);
    else if (e.decided != n->epoch.decided) check(e.decided > n->epoch.decided);
    else check(!u256_lt(&h.td, &n->head.td));
    n->epoch = e;
    check(h.finalised >= n->head.finalised && h.finalised <= h.number);
    check(kv_begin(&txn, n->kv, false) == OK && state_open(&s, txn, STATE_LATEST) == OK && state_root(s, &root) == OK);
    check(hash_eq(&root, &h.state_root));
    check(blocks_get_canonical_hash(&at, txn, h.number) == OK && hash_eq(&at, &h.hash));
    check(blocks_get_canonical_hash(&at, txn, h.number + 1) == E_NOT_FOUND);
    state_free(s);
    kv_abort(txn);
    n->head = h;
}

static hash32 final_hash(struct node *n)
{
    struct kv_txn *txn;
    hash32 h = {{0}};
    check(kv_begin(&txn, n->kv, false) == OK && blocks_get_canonical_hash(&h, txn, n->head.finalised) == OK);
    kv_abort(txn);
    return h;
}

static void deliver(struct world *w, struct node *n, bytes block)
{
    enum import_result r;
    enum block_verdict v;
    uint64_t retry, finalised = n->head.finalised;
    hash32 before = final_hash(n), after;
    struct kv_txn *txn;
    check(chain_import(&r, &v, &retry, n->chain, block, now_ms(w), NULL) == OK);
    check_node(n);
    check(kv_begin(&txn, n->kv, false) == OK && blocks_get_canonical_hash(&after, txn, finalised) == OK);
    kv_abort(txn);
    check(hash_eq(&before, &after));
}

static bool next_tx(void *ctx, struct tx *out)
{
    struct world *w = ctx;
    bool has = w->has_tx;
    if (has) *out = w->tx;
    w->has_tx = false;
    return has;
}

static void tx_result(void *ctx, const struct tx *tx, enum tx_verdict v)
{
    (void)ctx;
    (void)tx;
    (void)v;
}

static enum status sign(void *ctx, uint8_t sig65[static 65], const hash32 *hash, uint64_t step)
{
    struct world *w = ctx;
    (void)step;
    return ec_sign(sig65, hash->b, &w->key[w->key_in_turn]);
}

/* a transaction of key 0 that signals a set of n keys from `first` on */
static void make_tx(struct world *w, struct node *n, size_t first, size_t count)
{
    uint8_t data[32 * (2 + KEYS)] = {0};
    uint64_t nonce = 0;
    struct kv_txn *txn;
    struct state *s = NULL;
    struct buf b;
    check(kv_begin(&txn, n->kv, false) == OK && state_open(&s, txn, STATE_LATEST) == OK);
    check(state_get_nonce(s, &w->addr[0], &nonce) == OK);
    state_free(s);
    kv_abort(txn);
    data[31] = 32;
    data[63] = (uint8_t)count;
    for (size_t i = 0; i < count; i++)
        memcpy(data + 64 + 32 * i + 12, w->addr[(first + i) % KEYS].b, 20);
    struct tx tx = {.type = TX_LEGACY, .nonce = nonce, .gas_limit = 200000, .has_to = true, .data = bytes_make(data, 64 + 32 * count)};
    check(address_get(&tx.to, BYTES_LIT(CONTRACT)) == OK);
    buf_init(&b, 4096);
    check(tx_sign(&tx, &b, &w->key[0]) == OK);
    check(tx_get(&w->tx, arena_copy(&w->arena, tx.raw), NULL) == OK && tx_recover(&w->tx, true) == OK);
    buf_fini(&b);
    w->has_tx = true;
}

static void seal(struct world *w, struct node *n)
{
    struct proposal_source src = {.ctx = w, .next = next_tx, .result = tx_result, .sign = sign};
    struct buf out;
    for (w->key_in_turn = 0; w->key_in_turn < KEYS; w->key_in_turn++)
        if (chain_is_proposer(n->chain, &w->addr[w->key_in_turn], w->step)) break;
    if (w->key_in_turn == KEYS || w->n_blocks == BLOCKS_MAX) return;
    buf_init(&out, 1 << 20);
    enum status s = chain_propose(&out, n->chain, &w->addr[w->key_in_turn], w->step, now_ms(w), 1000, &src, NULL);
    check(s == OK || s == E_AGAIN); /* E_AGAIN: what the key sealed on another branch forbids it here */
    if (s == OK) w->block[w->n_blocks++] = arena_copy(&w->arena, buf_view(&out));
    buf_fini(&out);
    check_node(n);
}

/* a block with one byte of its header changed, sealed anew by its author or not */
static void deliver_damaged(struct world *w, struct node *n, bytes block, uint8_t where, uint8_t what)
{
    bytes copy = arena_copy(&w->arena, block);
    struct block b;
    uint8_t *p = (uint8_t *)(uintptr_t)copy.ptr;
    p[copy.len * where / 256] ^= what;
    bytes in = copy;
    if ((what & 1) != 0 && block_get(&b, &in, &w->arena, NULL) == OK && b.header.seal == SEAL_AURA) {
        hash32 h = header_aura_seal_hash(&b.header);
        struct buf out;
        for (size_t i = 0; i < KEYS; i++)
            if (address_eq(&w->addr[i], &b.header.author)) check(ec_sign(b.header.signature, h.b, &w->key[i]) == OK);
        buf_init(&out, 1 << 20);
        block_put(&out, &b);
        if (buf_status(&out) == OK) copy = arena_copy(&w->arena, buf_view(&out));
        buf_fini(&out);
    }
    deliver(w, n, copy);
}

static void restart(struct world *w, struct node *n)
{
    struct chain_epoch before, after;
    struct chain_head h;
    address *a, *b;
    size_t n_a, n_b;
    chain_get_epoch(&before, n->chain);
    check(chain_validators(&a, &n_a, n->chain, &w->arena) == OK);
    chain_close(n->chain);
    open_node(w, n);
    chain_get_epoch(&after, n->chain);
    check(chain_validators(&b, &n_b, n->chain, &w->arena) == OK);
    chain_get_head(&h, n->chain);
    check(n_a == n_b && memcmp(a, b, n_a * sizeof *a) == 0);
    check(before.start_block == after.start_block && before.has_pending == after.has_pending && before.signers_seen == after.signers_seen);
    check(before.signers_needed == after.signers_needed && (!before.has_pending || before.pending_signal_block == after.pending_signal_block));
    check(hash_eq(&h.hash, &n->head.hash) && h.finalised == n->head.finalised);
}

static void run(struct world *w, const uint8_t *data, size_t len)
{
    for (size_t op = 0; op < OPS_MAX && len >= 3; op++, data += 3, len -= 3) {
        struct node *n = &w->node[data[1] % NODES];
        size_t i = w->n_blocks == 0 ? 0 : data[2] % w->n_blocks;
        switch (data[0] % 8) {
        case 0:
        case 1:
        case 2:
            w->step += 1 + data[2] % 4;
            seal(w, n);
            break;
        case 3:
            w->step++;
            make_tx(w, n, data[2] % KEYS, 1 + (data[2] >> 4) % KEYS);
            seal(w, n);
            break;
        case 4:
            if (w->n_blocks > 0) deliver(w, n, w->block[i]);
            break;
        case 5:
            for (size_t k = 0; k < w->n_blocks; k++)
                deliver(w, n, w->block[k]);
            break;
        case 6: restart(w, n); break;
        case 7:
            if (w->n_blocks > 0) deliver_damaged(w, n, w->block[i], data[1], data[2] | 1);
            break;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct world w;
#ifdef FUZZ_REPLAY
    static unsigned runs; /* replay.c is made for fuzzers that are a hundred times as fast */
    if (runs++ % 16 != 0 && runs > 16) return 0;
#endif
    w = (struct world){.step = FIRST_STEP};
    if (len == 0) return 0;
    arena_init(&w.arena, 64 << 20);
    check(chain_spec_parse(&w.spec, bytes_str(SPEC), NULL) == OK);
    for (size_t i = 0; i < KEYS; i++) {
        uint8_t pub[64];
        w.key[i].b[31] = (uint8_t)(i + 1);
        check(ec_public(pub, &w.key[i]) == OK);
        ec_address(w.addr[i].b, pub);
    }
    for (size_t i = 0; i < NODES; i++) {
        check(kv_open_memory(&w.node[i].kv, TABLE_N) == OK);
        open_node(&w, &w.node[i]);
        chain_get_head(&w.node[i].head, w.node[i].chain);
    }
    run(&w, data, len);
    for (size_t i = 0; i < NODES; i++) {
        restart(&w, &w.node[i]);
        chain_close(w.node[i].chain);
        kv_close(w.node[i].kv);
    }
    chain_spec_fini(&w.spec);
    arena_fini(&w.arena);
    return 0;
}
