/* rpc_eth.c: the eth namespace's small questions: chain, fees, accounts, state. */
#include "node/rpc/rpc_priv.h"

bool eth_chain_id(struct rpc_call *c)
{
    jo_u64(c->out, c->rpc->spec->chain_id);
    return true;
}

bool eth_protocol_version(struct rpc_call *c)
{
    jo_str(c->out, "66"); /* decimal, as Parity has it (aura.md B13) */
    return true;
}

static bool get_head(uint64_t *number, hash32 *hash, struct rpc_call *c)
{
    uint64_t finalised;
    struct kv_txn *txn = rpc_txn(c);
    if (txn == NULL) return false;
    enum status s = blocks_get_head(number, hash, &finalised, txn);
    return s == OK || rpc_fail_status(c, s, "head");
}

bool eth_syncing(struct rpc_call *c)
{
    const struct rpc_node *n = &c->rpc->node;
    uint64_t starting, highest, head;
    hash32 hash;
    if (n->syncing == NULL || !n->syncing(n->ctx, &starting, &highest)) {
        jo_bool(c->out, false);
        return true;
    }
    if (!get_head(&head, &hash, c)) return false;
    struct buf *b = c->out;
    jo_open(b, '{');
    jo_key(b, "startingBlock");
    jo_u64(b, starting);
    jo_key(b, "currentBlock");
    jo_u64(b, head);
    jo_key(b, "highestBlock");
    jo_u64(b, highest);
    jo_key(b, "warpChunksAmount");
    jo_null(b);
    jo_key(b, "warpChunksProcessed");
    jo_null(b);
    jo_close(b, '}');
    return true;
}

bool eth_block_number(struct rpc_call *c)
{
    uint64_t head;
    hash32 hash;
    if (!get_head(&head, &hash, c)) return false;
    jo_u64(c->out, head);
    return true;
}

/* ------------------------------------------------------------------ fees */

bool next_block_base_fee(u256 *out, struct rpc_call *c)
{
    uint64_t number;
    hash32 hash;
    struct header h;
    struct rules rules;
    if (!get_head(&number, &hash, c)) return false;
    enum status s = blocks_get_header(&h, c->w->txn, &hash, c->a);
    if (s != OK) return rpc_fail_status(c, s, "header");
    chain_spec_rules(&rules, c->rpc->spec, number + 1, h.timestamp + 1);
    *out = rules.eip1559 ? exec_base_fee(c->rpc->spec, &h) : U256_ZERO;
    return true;
}

bool eth_gas_price(struct rpc_call *c)
{
    u256 fee, least = U256_ZERO;
    if (!next_block_base_fee(&fee, c)) return false;
    if (c->rpc->pool.min_gas_price) c->rpc->pool.min_gas_price(c->rpc->pool.ctx, &least);
    jo_u256(c->out, u256_lt(&fee, &least) ? &least : &fee);
    return true;
}

bool eth_max_priority_fee(struct rpc_call *c)
{
    /* what the pool asks for beyond the base fee */
    u256 fee, least = U256_ZERO;
    if (!next_block_base_fee(&fee, c)) return false;
    if (c->rpc->pool.min_gas_price) c->rpc->pool.min_gas_price(c->rpc->pool.ctx, &least);
    u256 tip = u256_lt(&fee, &least) ? u256_sub(least, fee) : U256_ZERO;
    jo_u256(c->out, &tip);
    return true;
}

bool eth_base_fee(struct rpc_call *c)
{
    u256 fee;
    if (!next_block_base_fee(&fee, c)) return false;
    jo_u256(c->out, &fee);
    return true;
}

bool eth_blob_base_fee(struct rpc_call *c)
{
    uint64_t number;
    hash32 hash;
    struct header h;
    struct rules rules;
    if (!get_head(&number, &hash, c)) return false;
    enum status s = blocks_get_header(&h, c->w->txn, &hash, c->a);
    if (s != OK) return rpc_fail_status(c, s, "header");
    chain_spec_rules(&rules, c->rpc->spec, number + 1, h.timestamp + 1);
    u256 fee = U256_ZERO;
    if (rules.eip4844) fee = exec_blob_base_fee(exec_excess_blob_gas(&h, rules.eip7691), rules.eip7691);
    jo_u256(c->out, &fee);
    return true;
}

struct tip_at {
    u256 tip;
    uint64_t gas;
};

static int by_tip(const void *a, const void *b)
{
    return u256_cmp(&((const struct tip_at *)a)->tip, &((const struct tip_at *)b)->tip);
}

/* the tips at the wanted percentiles of a block's gas */
static bool put_rewards(struct buf *out, struct rpc_call *c, const hash32 *hash, const double *percentiles, size_t n)
{
    jo_open(out, '[');
    struct cached_block *e = cached_block_get(c, hash);
    if (e == NULL || !cached_block_receipts(e, c)) return false;
    const struct block b = e->block;
    struct tip_at *tips = arena_zalloc(c->a, b.n_txs + 1, sizeof *tips);
    if (tips == NULL) return rpc_fail_status(c, E_NOMEM, "fee history");
    u256 base = b.header.has_base_fee ? b.header.base_fee : U256_ZERO;
    for (size_t i = 0; i < b.n_txs; i++) {
        if (!tx_effective_tip(&tips[i].tip, &b.txs[i], &base)) tips[i].tip = U256_ZERO;
        tips[i].gas = e->receipts[i].gas_used;
    }
    qsort(tips, b.n_txs, sizeof *tips, by_tip);
    size_t at = 0;
    uint64_t sum = b.n_txs > 0 ? tips[0].gas : 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t want = (uint64_t)((double)b.header.gas_used * percentiles[i] / 100.0);
        while (at + 1 < b.n_txs && sum < want) sum += tips[++at].gas;
        jo_u256(out, &tips[at].tip); /* the array has one more item, zero, for a block without transactions */
    }
    jo_close(out, ']');
    return true;
}

static bool parse_percentiles(double **out, size_t *n, struct rpc_call *c, const json_t *v)
{
    *n = 0;
    if (v == NULL) return true;
    if (!json_is_array(v) || json_array_size(v) > 100) return rpc_fail(c, RPC_BAD_PARAMS, "reward percentiles: wants an array of at most 100 numbers");
    double *p = arena_zalloc(c->a, json_array_size(v) + 1, sizeof *p);
    if (p == NULL) return rpc_fail_status(c, E_NOMEM, "fee history");
    for (size_t i = 0; i < json_array_size(v); i++) {
        const json_t *x = json_array_get(v, i);
        p[i] = json_number_value(x);
        if (!json_is_number(x) || !(p[i] >= 0 && p[i] <= 100) || (i > 0 && p[i] < p[i - 1]))
            return rpc_fail(c, RPC_BAD_PARAMS, "reward percentiles: wants numbers from 0 to 100 in ascending order");
    }
    *out = p;
    *n = json_array_size(v);
    return true;
}

/* the shortest text that reads back as the same double */
static void put_ratio(struct buf *b, uint64_t part, uint64_t whole)
{
    char text[40] = "0";
    const double v = whole > 0 ? (double)part / (double)whole : 0.0;
    for (int digits = 15; v > 0 && digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v) break;
    }
    buf_printf(b, "%s%s", b->len > 0 ? "," : "", text);
}

/* the answer's lists, each as text */
struct fee_lists {
    struct buf fees, blob_fees, ratios, blob_ratios, rewards;
};

enum { GAS_PER_BLOB = 131072 }; /* SPEC(EIP-4844) */

static void add_block(struct fee_lists *l, const struct chain_spec *spec, const struct header *h)
{
    struct rules rules;
    u256 blob_fee = U256_ZERO;
    chain_spec_rules(&rules, spec, h->number, h->timestamp);
    if (h->has_blob_gas) blob_fee = exec_blob_base_fee(h->excess_blob_gas, rules.eip7691);
    jo_u256(&l->fees, h->has_base_fee ? &h->base_fee : &U256_ZERO);
    jo_u256(&l->blob_fees, &blob_fee);
    put_ratio(&l->ratios, h->gas_used, h->gas_limit);
    put_ratio(&l->blob_ratios, h->has_blob_gas ? h->blob_gas_used : 0, (rules.eip7691 ? 9 : 6) * GAS_PER_BLOB);
}

/* what the block behind the last will ask for is known already */
static void add_next(struct fee_lists *l, const struct chain_spec *spec, const struct header *h)
{
    struct rules rules;
    chain_spec_rules(&rules, spec, h->number + 1, h->timestamp + 1);
    const u256 fee = rules.eip1559 ? exec_base_fee(spec, h) : U256_ZERO;
    const u256 blob_fee = rules.eip4844 ? exec_blob_base_fee(exec_excess_blob_gas(h, rules.eip7691), rules.eip7691) : U256_ZERO;
    jo_u256(&l->fees, &fee);
    jo_u256(&l->blob_fees, &blob_fee);
}

static void put_list(struct buf *b, const char *key, const struct buf *list)
{
    jo_key(b, key);
    jo_open(b, '[');
    buf_put_bytes(b, buf_view(list));
    jo_close(b, ']');
}

static bool fill_lists(struct fee_lists *l, struct rpc_call *c, uint64_t first, uint64_t count, const double *percentiles, size_t n_percentiles)
{
    struct header h;
    for (uint64_t n = first; n < first + count; n++) {
        hash32 hash;
        if (n_percentiles && !rpc_has_time(c)) return false;
        enum status s = blocks_get_canonical_hash(&hash, c->w->txn, n);
        if (s == OK) s = blocks_get_header(&h, c->w->txn, &hash, c->a);
        if (s != OK) return rpc_fail_status(c, s, "header");
        add_block(l, c->rpc->spec, &h);
        if (n_percentiles && !put_rewards(&l->rewards, c, &hash, percentiles, n_percentiles)) return false;
    }
    if (count > 0) add_next(l, c->rpc->spec, &h);
    return true;
}

bool eth_fee_history(struct rpc_call *c)
{
    uint64_t count;
    struct block_ref last;
    double *percentiles = NULL;
    size_t n_percentiles;
    struct fee_lists l;
    struct buf *b = c->out;
    if (!param_u64(&count, c, 0) || !param_block(&last, c, 1) || !parse_percentiles(&percentiles, &n_percentiles, c, param(c, 2))) return false;
    if (!last.found) return rpc_fail(c, RPC_SERVER, "request beyond head block");
    if (count > RPC_FEE_HISTORY_MAX) count = RPC_FEE_HISTORY_MAX;
    if (count > last.number + 1) count = last.number + 1;
    const uint64_t first = count > 0 ? last.number + 1 - count : 0;
    struct buf *const all[] = {&l.fees, &l.blob_fees, &l.ratios, &l.blob_ratios, &l.rewards};
    for (size_t i = 0; i < COUNT_OF(all); i++) buf_init(all[i], RPC_RESPONSE_MAX);
    const bool ok = fill_lists(&l, c, first, count, percentiles, n_percentiles);
    jo_open(b, '{');
    jo_key(b, "oldestBlock");
    jo_u64(b, first);
    put_list(b, "baseFeePerGas", &l.fees);
    put_list(b, "gasUsedRatio", &l.ratios);
    put_list(b, "baseFeePerBlobGas", &l.blob_fees);
    put_list(b, "blobGasUsedRatio", &l.blob_ratios);
    if (n_percentiles) put_list(b, "reward", &l.rewards);
    jo_close(b, '}');
    for (size_t i = 0; i < COUNT_OF(all); i++) buf_fini(all[i]);
    return ok;
}

/* ------------------------------------------------------------------ the node itself */

bool eth_accounts(struct rpc_call *c)
{
    jo_open(c->out, '[');
    jo_close(c->out, ']');
    return true;
}

bool eth_coinbase(struct rpc_call *c)
{
    const struct rpc_node *n = &c->rpc->node;
    address a = {{0}};
    if (n->author == NULL || !n->author(n->ctx, &a)) memset(&a, 0, sizeof a);
    jo_address(c->out, &a);
    return true;
}

bool eth_mining(struct rpc_call *c)
{
    const struct rpc_node *n = &c->rpc->node;
    jo_bool(c->out, n->is_sealing != NULL && n->is_sealing(n->ctx));
    return true;
}

bool eth_hashrate(struct rpc_call *c)
{
    jo_u64(c->out, 0);
    return true;
}

/* steps are sealed by signature: there is no work to be had, and none that would be taken; code and words are the original's */
bool eth_get_work(struct rpc_call *c)
{
    return rpc_fail(c, RPC_NO_WORK, "External work is only required for Proof of Work engines.");
}

bool eth_submit_work(struct rpc_call *c)
{
    jo_bool(c->out, false);
    return true;
}

/* ------------------------------------------------------------------ state */

bool eth_get_balance(struct rpc_call *c)
{
    address a;
    struct state *st;
    bool pending;
    u256 v;
    if (!param_address(&a, c, 0) || !param_read_state(&st, &pending, c, 1)) return false;
    enum status s = state_get_balance(st, &a, &v);
    if (s != OK) return rpc_fail_status(c, s, "state");
    jo_u256(c->out, &v);
    return true;
}

bool eth_get_transaction_count(struct rpc_call *c)
{
    address a;
    struct state *st;
    bool pending;
    uint64_t nonce;
    if (!param_address(&a, c, 0) || !param_read_state(&st, &pending, c, 1)) return false;
    enum status s = state_get_nonce(st, &a, &nonce);
    if (s != OK) return rpc_fail_status(c, s, "state");
    if (pending && c->rpc->pool.next_nonce) nonce = c->rpc->pool.next_nonce(c->rpc->pool.ctx, &a, nonce);
    jo_u64(c->out, nonce);
    return true;
}

bool eth_get_code(struct rpc_call *c)
{
    address a;
    struct state *st;
    bool pending;
    bytes code;
    if (!param_address(&a, c, 0) || !param_read_state(&st, &pending, c, 1)) return false;
    enum status s = state_get_code(st, &a, &code);
    if (s == OK) jo_data(c->out, code);
    return s == OK || rpc_fail_status(c, s, "state");
}

static void put_word(struct buf *b, const u256 *v)
{
    uint8_t be[32];
    u256_to_be(be, v);
    jo_data(b, BYTES_OF(be));
}

bool eth_get_storage_at(struct rpc_call *c)
{
    address a;
    u256 key, v;
    struct state *st;
    bool pending;
    bool is_word;
    if (!param_address(&a, c, 0) || !value_slot(&key, &is_word, c, param(c, 1), "argument 1") || !param_read_state(&st, &pending, c, 2)) return false;
    enum status s = state_get_storage(st, &a, &key, &v);
    if (s != OK) return rpc_fail_status(c, s, "state");
    put_word(c->out, &v);
    return true;
}

/* a proof's nodes, each an RLP string behind the other, as an array of hex */
static bool put_nodes(struct rpc_call *c, struct buf *nodes, enum status s)
{
    if (s != OK) return rpc_fail_status(c, s, "proof");
    bytes rest = buf_view(nodes), node;
    jo_open(c->out, '[');
    while (rest.len > 0) {
        if (rlp_get_string(&node, &rest) != OK) return rpc_fail_status(c, E_CORRUPT, "proof");
        jo_data(c->out, node);
    }
    jo_close(c->out, ']');
    return true;
}

static bool put_slot_proof(struct rpc_call *c, struct buf *nodes, struct state *st, const address *a, const json_t *k)
{
    struct buf *b = c->out;
    u256 key, v;
    size_t n;
    bool is_word;
    if (!value_slot(&key, &is_word, c, k, "storage key")) return false;
    enum status s = state_get_storage(st, a, &key, &v);
    if (s != OK) return rpc_fail_status(c, s, "state");
    jo_open(b, '{');
    jo_key(b, "key");
    if (is_word) put_word(b, &key); /* as it was asked for; else a quantity */
    else jo_u256(b, &key);
    jo_key(b, "value");
    jo_u256(b, &v);
    jo_key(b, "proof");
    buf_clear(nodes);
    s = state_prove_slot(nodes, &n, c->w->txn, a, &key);
    if (!put_nodes(c, nodes, s)) return false;
    jo_close(b, '}');
    return true;
}

static bool put_proof(struct rpc_call *c, struct buf *nodes, struct state *st, const address *a, const json_t *keys)
{
    struct buf *b = c->out;
    struct state_account acc;
    bool exists;
    size_t n;
    enum status s = state_get_account(st, a, &acc, &exists);
    if (s != OK) return rpc_fail_status(c, s, "state");
    if (!exists) acc = (struct state_account){.storage_root = HASH_EMPTY_TRIE, .code_hash = HASH_EMPTY_CODE};
    jo_open(b, '{');
    jo_key(b, "address");
    jo_address(b, a);
    jo_key(b, "accountProof");
    s = state_prove_account(nodes, &n, c->w->txn, a);
    if (!put_nodes(c, nodes, s)) return false;
    jo_key(b, "balance");
    jo_u256(b, &acc.balance);
    jo_key(b, "nonce");
    jo_u64(b, acc.nonce);
    jo_key(b, "codeHash");
    jo_hash(b, &acc.code_hash);
    jo_key(b, "storageHash");
    jo_hash(b, &acc.storage_root);
    jo_key(b, "storageProof");
    jo_open(b, '[');
    for (size_t i = 0; i < json_array_size(keys); i++)
        if (!put_slot_proof(c, nodes, st, a, json_array_get(keys, i))) return false;
    jo_close(b, ']');
    jo_close(b, '}');
    return true;
}

bool eth_get_proof(struct rpc_call *c)
{
    address a;
    struct block_ref ref;
    uint64_t head;
    hash32 head_hash;
    json_t *keys = param(c, 1);
    if (!param_address(&a, c, 0) || !param_block(&ref, c, 2) || !get_head(&head, &head_hash, c)) return false;
    if (!json_is_array(keys) || json_array_size(keys) > RPC_PROOF_KEYS_MAX)
        return rpc_fail(c, RPC_BAD_PARAMS, "invalid argument 1: wants an array of at most %d storage keys", RPC_PROOF_KEYS_MAX);
    if (!ref.found) return rpc_fail(c, RPC_SERVER, "header not found");
    if (!hash_eq(&ref.hash, &head_hash))
        return rpc_fail(c, RPC_SERVER, "proofs are kept for the latest block only, which is %llu", (unsigned long long)head);
    struct state *st;
    enum status s = chain_state_at(&st, c->w->txn, c->rpc->chain, head);
    if (s != OK) return rpc_fail_status(c, s, "state");
    struct buf nodes;
    buf_init(&nodes, 1 << 24);
    bool ok = put_proof(c, &nodes, st, &a, keys);
    buf_fini(&nodes);
    state_free(st);
    return ok;
}
