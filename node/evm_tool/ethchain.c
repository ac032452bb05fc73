#include "node/evm_tool/ethchain.h"

#include "lib/codec/rlp.h"
#include "lib/crypto/keccak.h"
#include "node/chain/requests.h"
#include "node/state/trie.h"

enum { UNCLES_MAX = 2, UNCLE_DEPTH = 7 };

/* member: a block that is known and valid */
struct member {
    struct member *parent, *older; /* older: the one imported before */
    struct block block;
    hash32 hash;
    u256 td; /* with its own difficulty */
    enum fork fork;
};

struct ethchain {
    struct kv_txn *txn;
    struct evm *evm;
    struct network network;
    struct member *newest, *head;
    struct member *at; /* whose state the database has */
    struct arena arena;
};

#define TRY(call)                                                                                  \
    do {                                                                                           \
        enum status try_ = (call);                                                                 \
        if (try_ != OK) return try_;                                                               \
    } while (0)

static struct member *find(struct ethchain *c, const hash32 *hash)
{
    struct member *m = c->newest;
    while (m != NULL && !hash_eq(&m->hash, hash)) m = m->older;
    return m;
}

static void add(struct ethchain *c, struct member *m)
{
    m->older = c->newest;
    c->newest = m;
}

enum status ethchain_open(struct ethchain **out, struct kv_txn *txn, struct evm *evm, const struct network *network, bytes genesis)
{
    struct ethchain *c = calloc(1, sizeof *c);
    if (c == NULL) return E_NOMEM;
    *c = (struct ethchain){.txn = txn, .evm = evm, .network = *network};
    arena_init(&c->arena, SIZE_MAX);
    struct member *m = arena_zalloc(&c->arena, 1, sizeof *m);
    enum status st = m == NULL ? E_NOMEM : OK;
    genesis = arena_copy(&c->arena, genesis);
    if (st == OK) st = header_get(&m->block.header, &genesis, NULL);
    if (st != OK) {
        ethchain_close(c);
        return st;
    }
    m->hash = header_hash(&m->block.header);
    m->td = m->block.header.difficulty;
    m->fork = network_fork(network, 0, m->block.header.timestamp, &U256_ZERO);
    add(c, m);
    c->head = c->at = m;
    *out = c;
    return OK;
}

void ethchain_close(struct ethchain *c)
{
    if (c == NULL) return;
    arena_fini(&c->arena);
    free(c);
}

const struct header *ethchain_head(const struct ethchain *c, hash32 *hash)
{
    *hash = c->head->hash;
    return &c->head->block.header;
}

/* --- verification before execution */

static enum status tx_root(hash32 *root, struct arena *a, const struct block *b)
{
    bytes *raw = arena_zalloc(a, b->n_txs, sizeof *raw);
    if (raw == NULL) return E_NOMEM;
    for (size_t i = 0; i < b->n_txs; i++) raw[i] = b->txs[i].raw;
    return trie_root_ordered(root, raw, b->n_txs);
}

static enum status withdrawals_root(hash32 *root, struct arena *a, const struct block *b)
{
    bytes *raw = arena_zalloc(a, b->n_withdrawals, sizeof *raw);
    enum status st = raw == NULL ? E_NOMEM : OK;
    for (size_t i = 0; i < b->n_withdrawals && st == OK; i++) {
        const struct withdrawal *w = &b->withdrawals[i];
        struct buf buf;
        buf_init(&buf, 100);
        size_t list = rlp_list_open(&buf);
        rlp_put_u64(&buf, w->index);
        rlp_put_u64(&buf, w->validator);
        rlp_put_string(&buf, BYTES_OF(w->addr));
        rlp_put_u64(&buf, w->amount_gwei);
        rlp_list_close(&buf, list);
        raw[i] = arena_copy(a, buf_view(&buf));
        st = raw[i].ptr == NULL ? E_NOMEM : buf_status(&buf);
        buf_fini(&buf);
    }
    return st == OK ? trie_root_ordered(root, raw, b->n_withdrawals) : st;
}

/* check_uncles: Yellow Paper 4.3.2 and 11.1: kin within six generations, no ancestor, none named before */
static const char *check_uncles(struct ethchain *c, const struct member *m)
{
    const struct block *b = &m->block;
    if (b->n_uncles == 0) return NULL;
    if (m->fork >= FORK_PARIS) return "uncles after the merge";
    if (b->n_uncles > UNCLES_MAX) return "too many uncles";
    for (size_t i = 0; i < b->n_uncles; i++) {
        const struct header *u = &b->uncles[i];
        const hash32 hash = header_hash(u);
        const struct member *of = NULL; /* its parent, an ancestor of ours */
        if (hash_eq(&hash, &m->hash)) return "an uncle is the block itself";
        for (size_t j = 0; j < i; j++) {
            const hash32 other = header_hash(&b->uncles[j]);
            if (hash_eq(&hash, &other)) return "the same uncle twice";
        }
        const struct member *p = m->parent;
        for (int depth = 0; p != NULL && depth < UNCLE_DEPTH; depth++, p = p->parent) {
            if (hash_eq(&p->hash, &hash)) return "an uncle is an ancestor";
            for (size_t j = 0; j < p->block.n_uncles; j++) {
                const hash32 named = header_hash(&p->block.uncles[j]);
                if (hash_eq(&named, &hash)) return "an uncle was named before";
            }
            if (depth > 0 && hash_eq(&p->hash, &u->parent_hash)) of = p;
        }
        if (of == NULL) return "an uncle's parent is no ancestor near enough";
        const enum fork f = network_fork(&c->network, u->number, u->timestamp, &of->td);
        if (f >= FORK_PARIS) return "an uncle from after the merge";
        const char *bad = ethrules_check_header(u, &of->block.header, &c->network, f, of->fork);
        if (bad != NULL) return bad;
    }
    return NULL;
}

/* --- execution */

struct ancestors {
    const struct member *parent;
};

static enum status ancestor_hash(void *ctx, uint64_t number, hash32 *out)
{
    const struct member *m = ((const struct ancestors *)ctx)->parent;
    while (m != NULL && m->block.header.number > number) m = m->parent;
    *out = m != NULL && m->block.header.number == number ? m->hash : (hash32){{0}};
    return OK;
}

static enum status drain_dao(struct state *s)
{
    static const char *const ACCOUNTS[] = {
#define X(a) a,
#include "node/evm_tool/dao.def"
#undef X
    };
    address heir, a;
    u256 balance;
    TRY(address_get(&heir, BYTES_LIT("bf4ed7b27f1d666546e30d74d50d173d20bca754")));
    for (size_t i = 0; i < COUNT_OF(ACCOUNTS); i++) {
        TRY(address_get(&a, bytes_str(ACCOUNTS[i])));
        TRY(state_get_balance(s, &a, &balance));
        TRY(state_require(s, &a));
        TRY(state_sub_balance(s, &a, &balance));
        TRY(state_add_balance(s, &heir, &balance));
    }
    return OK;
}

static enum status begin_block(struct ethchain *c, struct exec_env *env, struct state *s, const struct member *m)
{
    static const address BEACON_ROOTS = {{0x00, 0x0f, 0x3d, 0xf6, 0xd7, 0x32, 0x80, 0x7e, 0xf1, 0x31,
                                          0x9f, 0xb7, 0xb8, 0xbb, 0x85, 0x22, 0xd0, 0xbe, 0xac, 0x02}};
    const u256 number = u256_from_u64(m->block.header.number);
    struct evm_result result;
    if (c->network.dao && u256_eq(&number, &c->network.at)) TRY(drain_dao(s));
    TRY(requests_begin_block(env, s, &m->block.header.parent_hash));
    if (!env->rules.eip4788) return OK;
    return exec_protocol_call(&result, env, s, &BEACON_ROOTS, BYTES_OF(m->block.header.beacon_root)); /* a failure is nothing */
}

static enum status end_block(struct exec_env *env, struct state *s, const struct member *m)
{
    const struct block *b = &m->block;
    const u256 reward = ethrules_block_reward(m->fork);
    state_begin_tx(s, &env->rules);
    for (size_t i = 0; i < b->n_withdrawals && env->rules.eip4895; i++) {
        const u256 wei = u256_mul(u256_from_u64(b->withdrawals[i].amount_gwei), u256_from_u64(1000000000));
        TRY(state_add_balance(s, &b->withdrawals[i].addr, &wei));
    }
    if (!u256_is_zero(&reward)) {
        u256 own = reward, part;
        for (size_t i = 0; i < b->n_uncles; i++) {
            u256_divmod(&part, NULL, u256_mul(reward, u256_from_u64(b->uncles[i].number + 8 - b->header.number)), u256_from_u64(8));
            TRY(state_add_balance(s, &b->uncles[i].author, &part));
            own = u256_add(own, u256_shr(reward, 5));
        }
        TRY(state_add_balance(s, &b->header.author, &own));
    }
    return state_end_tx(s, NULL);
}

static enum status check_result(const char **bad, struct exec_env *env, struct state *s, const struct header *h,
                                const struct receipt *receipts, size_t n, struct arena *a)
{
    bloom filter = {{0}};
    hash32 root;
    bytes *raw = arena_zalloc(a, n, sizeof *raw);
    if (raw == NULL) return E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        struct buf buf;
        buf_init(&buf, SIZE_MAX / 2);
        receipt_put(&buf, &receipts[i]);
        raw[i] = arena_copy(a, buf_view(&buf));
        enum status st = raw[i].ptr == NULL ? E_NOMEM : buf_status(&buf);
        buf_fini(&buf);
        TRY(st);
        bloom_merge(&filter, &receipts[i].filter);
    }
    TRY(trie_root_ordered(&root, raw, n));
    *bad = NULL;
    if (env->gas_used != h->gas_used)
        *bad = "gas used mismatch";
    else if (env->rules.eip4844 && env->blob_gas_used != h->blob_gas_used)
        *bad = "blob gas mismatch";
    else if (!hash_eq(&root, &h->receipts_root))
        *bad = "receipts root mismatch";
    else if (memcmp(&filter, &h->logs_bloom, sizeof filter) != 0)
        *bad = "logs bloom mismatch";
    if (*bad != NULL) return OK;
    TRY(state_root(s, &root));
    if (!hash_eq(&root, &h->state_root)) *bad = "state root mismatch";
    return OK;
}

/* execute: m on the state of its parent, which the database has */
static enum status execute(const char **bad, struct ethchain *c, struct member *m, struct arena *a)
{
    const struct header *h = &m->block.header;
    struct ancestors ancestors = {m->parent};
    struct exec_env env = {
        .evm = c->evm, .block_hash = ancestor_hash, .block_hash_ctx = &ancestors,
        .block = {.number = h->number, .timestamp = h->timestamp, .gas_limit = h->gas_limit, .author = h->author,
                  .difficulty = h->difficulty, .base_fee = h->base_fee, .chain_id = c->network.chain_id},
    };
    rules_from_fork(&env.rules, m->fork);
    env.rules.chain_id = c->network.chain_id;
    if (env.rules.eip4399) env.block.difficulty = u256_from_be(h->mix_hash.b);
    if (env.rules.eip4844) env.block.blob_base_fee = exec_blob_base_fee(h->excess_blob_gas, env.rules.eip7691);
    struct receipt *receipts = arena_zalloc(a, m->block.n_txs, sizeof *receipts);
    struct state *s;
    if (receipts == NULL) return E_NOMEM;
    TRY(state_open(&s, c->txn, STATE_LATEST));
    *bad = NULL;
    enum status st = begin_block(c, &env, s, m);
    for (size_t i = 0; i < m->block.n_txs && st == OK && *bad == NULL; i++) {
        enum tx_verdict v;
        struct tx *tx = &m->block.txs[i];
        if (!tx->has_sender && tx_recover(tx, env.rules.homestead) != OK) {
            *bad = "a transaction's sender cannot be recovered";
            break;
        }
        st = exec_tx(&v, &receipts[i], NULL, &env, s, tx, a);
        if (st == OK && v != TX_VALID) *bad = tx_verdict_text(v);
    }
    if (st == OK && *bad == NULL) st = end_block(&env, s, m);
    if (st == OK && *bad == NULL && env.rules.eip7685) {
        hash32 requests;
        st = requests_collect(&requests, bad, &env, s, receipts, m->block.n_txs, NULL);
        if (st == OK && *bad == NULL && !hash_eq(&requests, &h->requests_hash)) *bad = "requests hash mismatch";
    }
    if (st == OK && *bad == NULL) st = check_result(bad, &env, s, h, receipts, m->block.n_txs, a);
    if (st == OK && *bad == NULL) st = state_commit(s, c->txn, h->number, true);
    if (st == OK && *bad == NULL) c->at = m;
    state_free(s);
    return st;
}

/* move_to: bring the database to the state after m: back to the common ancestor, then forward over m's branch */
static enum status move_to(struct ethchain *c, struct member *m)
{
    struct member *from = c->at, *to = m;
    while (from != to) {
        if (from->block.header.number >= to->block.header.number) {
            TRY(state_unwind(c->txn, from->block.header.number));
            from = c->at = from->parent;
        } else {
            to = to->parent;
        }
        if (from == NULL || to == NULL) return E_CORRUPT;
    }
    while (c->at != m) {
        struct member *next = m;
        struct arena a;
        const char *bad;
        while (next->parent != c->at) next = next->parent;
        arena_init(&a, SIZE_MAX);
        enum status st = execute(&bad, c, next, &a);
        arena_fini(&a);
        if (st != OK) return st;
        if (bad != NULL) return E_CORRUPT; /* it was valid before */
    }
    return OK;
}

static enum status verify(const char **bad, struct ethchain *c, struct member *m, struct arena *a)
{
    const struct header *h = &m->block.header;
    hash32 root;
    *bad = ethrules_check_header(h, &m->parent->block.header, &c->network, m->fork, m->parent->fork);
    if (*bad == NULL) *bad = check_uncles(c, m);
    if (*bad != NULL) return OK;
    TRY(tx_root(&root, a, &m->block));
    if (!hash_eq(&root, &h->tx_root)) {
        *bad = "transactions root mismatch";
        return OK;
    }
    if (h->has_withdrawals) {
        TRY(withdrawals_root(&root, a, &m->block));
        if (!hash_eq(&root, &h->withdrawals_root)) {
            *bad = "withdrawals root mismatch";
            return OK;
        }
    }
    TRY(move_to(c, m->parent));
    return execute(bad, c, m, a);
}

enum status ethchain_import(const char **bad, struct ethchain *c, bytes block)
{
    struct arena a; /* of the import alone */
    struct member *m = arena_zalloc(&c->arena, 1, sizeof *m);
    bytes in = arena_copy(&c->arena, block);
    if (m == NULL || in.ptr == NULL) return E_NOMEM;
    if (block_get(&m->block, &in, &c->arena, NULL) != OK || in.len != 0) {
        *bad = "malformed block";
        return OK;
    }
    uint8_t uncles_hash[32];
    m->hash = m->block.hash;
    keccak256(uncles_hash, m->block.uncles_raw.ptr, m->block.uncles_raw.len);
    *bad = NULL;
    if (find(c, &m->hash) != NULL) return OK;
    m->parent = find(c, &m->block.header.parent_hash);
    if (m->parent == NULL)
        *bad = "parent unknown";
    else if (memcmp(uncles_hash, m->block.header.uncles_hash.b, 32) != 0)
        *bad = "uncles hash mismatch";
    if (*bad != NULL) return OK;
    m->fork = network_fork(&c->network, m->block.header.number, m->block.header.timestamp, &m->parent->td);
    m->td = u256_add(m->parent->td, m->block.header.difficulty);
    arena_init(&a, SIZE_MAX);
    enum status st = verify(bad, c, m, &a);
    arena_fini(&a);
    if (st != OK || *bad != NULL) return st;
    add(c, m);
    /* from the terminal total difficulty on, the consensus layer chooses: what it hands over last is the head */
    const bool chosen = c->network.by == SWITCH_TD && !u256_lt(&m->td, &c->network.at);
    if (m->fork >= FORK_PARIS || chosen || u256_lt(&c->head->td, &m->td)) c->head = m;
    return OK;
}
