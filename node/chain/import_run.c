/* import_run.c: roots, senders, execution of a block, and its way into the database. */
#include "node/chain/import_priv.h"
#include "node/state/trie.h"

enum status chain_tx_root(hash32 *out, const struct tx *txs, size_t n, struct arena *a)
{
    bytes *values = arena_zalloc(a, n + 1, sizeof *values);
    if (values == NULL) return E_NOMEM;
    for (size_t i = 0; i < n; i++)
        values[i] = txs[i].raw;
    return trie_root_ordered(out, values, n);
}

enum status chain_receipts_root(hash32 *root, bloom *filter, const struct receipt *receipts, size_t n, struct arena *a)
{
    bytes *values = arena_zalloc(a, n + 1, sizeof *values);
    size_t *ends = arena_zalloc(a, n + 1, sizeof *ends);
    if (values == NULL || ends == NULL) return E_NOMEM;
    bloom sum = {{0}};
    struct buf b;
    buf_init(&b, BLOCK_ARENA_MAX);
    for (size_t i = 0; i < n; i++) {
        receipt_put(&b, &receipts[i]);
        ends[i] = b.len;
        bloom_merge(&sum, &receipts[i].filter);
    }
    enum status s = buf_status(&b);
    for (size_t i = 0; i < n; i++) {
        size_t from = i == 0 ? 0 : ends[i - 1];
        values[i] = bytes_make(b.ptr + from, ends[i] - from);
    }
    if (s == OK) s = trie_root_ordered(root, values, n);
    if (s == OK) *filter = sum;
    buf_fini(&b);
    return s;
}

static enum status lookup_block_hash(void *ctx, uint64_t number, hash32 *out)
{
    enum status s = blocks_get_canonical_hash(out, ctx, number);
    if (s == E_NOT_FOUND) {
        *out = (hash32){{0}};
        s = OK;
    }
    return s;
}

void block_env_init(struct exec_env *env, struct chain *c, struct evm *evm, struct kv_txn *txn, const struct header *h)
{
    *env = (struct exec_env){.evm = evm, .spec = c->spec, .block_hash = lookup_block_hash, .block_hash_ctx = txn};
    chain_spec_rules(&env->rules, c->spec, h->number, h->timestamp);
    env->block = (struct evm_block){.number = h->number,
                                    .timestamp = h->timestamp,
                                    .gas_limit = h->gas_limit,
                                    .author = h->author,
                                    .difficulty = h->difficulty,
                                    .base_fee = h->has_base_fee ? h->base_fee : U256_ZERO,
                                    .chain_id = c->spec->chain_id};
    env->has_fee_collector = c->spec->has_fee_collector && h->number >= c->spec->fee_collector_transition;
    env->fee_collector = c->spec->fee_collector;
}

static enum status set_senders(struct import *im, struct block *b)
{
    struct rules rules;
    chain_spec_rules(&rules, im->c->spec, b->header.number, b->header.timestamp);
    const struct chain_config *cfg = &im->c->cfg;
    for (size_t i = 0; i < b->n_txs; i++) {
        struct tx *tx = &b->txs[i];
        if (tx->has_sender) continue;
        if (cfg->known_sender != NULL && cfg->known_sender(cfg->listener_ctx, &tx->hash, &tx->sender)) tx->has_sender = true;
    }
    return workers_recover(im->c->workers, b->txs, b->n_txs, rules.homestead) == 0 ? OK : import_bad(im, BLOCK_TX_INVALID);
}

static enum status check_permissions(struct import *im, struct kv_txn *txn, struct state *s, const struct header *parent, const struct block *b)
{
    bool permitted = true;
    size_t i = 0;
    enum status st = OK;
    for (; st == OK && permitted && i < b->n_txs; i++)
        st = chain_permitted(&permitted, im->c, txn, s, parent, &b->header.parent_hash, &b->txs[i]);
    if (st != OK || permitted) return st;
    char hash[67];
    hash_put(hash, &b->txs[i - 1].hash);
    IGNORE(err_set(im->err, E_INVALID, "transaction %zu (%s): %s", i - 1, hash, tx_verdict_text(TX_NOT_PERMITTED)), "only text");
    return import_bad(im, BLOCK_TX_INVALID);
}

/* what contracts say of a block: SPEC(aura.md B4): on the state of its parent, which is the latest in txn */
static enum status check_by_contracts(struct import *im, struct kv_txn *txn, const struct block *b, struct arena *a)
{
    struct chain *c = im->c;
    bool by_filter = b->n_txs > 0 && tx_filter_is_active(c->spec, b->header.number), by_limit = engine_has_gas_limit(c, b->header.number);
    if (!by_filter && !by_limit) return OK;
    struct state *s = NULL;
    struct header parent;
    enum status st = blocks_get_header(&parent, txn, &b->header.parent_hash, a);
    if (st == OK) st = state_open(&s, txn, STATE_LATEST);
    if (st == OK && by_limit) {
        struct exec_env env;
        uint64_t limit;
        bool has;
        block_env_init(&env, c, c->evm, txn, &parent);
        st = engine_gas_limit(&limit, &has, c, &env, s, b->header.number);
        if (st == OK && (has ? b->header.gas_limit != limit : !import_gas_limit_in_bounds(c, &b->header, &parent))) st = import_bad(im, BLOCK_GAS_LIMIT);
    }
    if (st == OK && im->verdict == BLOCK_VALID && by_filter) st = check_permissions(im, txn, s, &parent, b);
    state_free(s);
    return st;
}

/* run the transactions of a block on s; receipts in the arena */
static enum status run_transactions(struct import *im, struct exec_env *env, struct state *s, const struct block *b,
                                    struct receipt *receipts, struct arena *a)
{
    for (size_t i = 0; i < b->n_txs; i++) {
        enum tx_verdict v;
        enum status st = exec_tx(&v, &receipts[i], NULL, env, s, &b->txs[i], a);
        if (st != OK) return st;
        if (v != TX_VALID) {
            char hash[67];
            hash_put(hash, &b->txs[i].hash);
            IGNORE(err_set(im->err, E_INVALID, "transaction %zu (%s): %s", i, hash, tx_verdict_text(v)), "only text");
            return import_bad(im, BLOCK_TX_INVALID);
        }
    }
    return OK;
}

static enum status check_results(struct import *im, const struct exec_env *env, struct state *s, const struct block *b,
                                 const struct receipt *receipts, struct arena *a)
{
    const struct header *h = &b->header;
    hash32 root;
    bloom filter;
    if (env->gas_used != h->gas_used) return import_bad(im, BLOCK_GAS_USED);
    enum status st = chain_receipts_root(&root, &filter, receipts, b->n_txs, a);
    if (st != OK) return st;
    if (h->number >= im->c->spec->validate_receipts && !hash_eq(&root, &h->receipts_root)) return import_bad(im, BLOCK_RECEIPTS_ROOT);
    if (memcmp(&filter, &h->logs_bloom, sizeof filter) != 0) return import_bad(im, BLOCK_BLOOM);
    st = state_root(s, &root);
    if (st != OK) return st;
    if (!hash_eq(&root, &h->state_root)) return import_bad(im, BLOCK_STATE_ROOT);
    return OK;
}

void chain_fill_head(struct chain_head *out, const struct chain *c, const struct header *h, const hash32 *hash, const u256 *td,
                     uint64_t finalised, uint64_t majority)
{
    *out = (struct chain_head){.number = h->number,
                               .timestamp = h->timestamp,
                               .gas_limit = h->gas_limit,
                               .step = h->seal == SEAL_AURA ? h->step : 0,
                               .finalised = finalised,
                               .safe = majority > finalised ? majority : finalised,
                               .hash = *hash,
                               .state_root = h->state_root,
                               .td = *td};
    struct rules next;
    chain_spec_rules(&next, c->spec, h->number + 1, h->timestamp + 1);
    out->has_base_fee = next.eip1559;
    if (next.eip1559) out->base_fee = exec_base_fee(c->spec, h);
}

enum status chain_finish_block(struct chain_head *head, struct epoch_step *step, struct chain *c, struct kv_txn *txn, struct epoch *e,
                               struct state *s_take, struct exec_env *env, const struct block *b, const struct receipt *receipts,
                               const u256 *td, uint64_t finalised)
{
    struct block_meta meta = {.td = *td, .number = b->header.number, .executed = true};
    /* the sets are read from the state before its commit ends it */
    enum status st = engine_after_block(step, c, txn, e, s_take, env, b, receipts, b->n_txs);
    if (st == OK) st = state_commit(s_take, txn, b->header.number, true);
    state_free(s_take);
    if (st == OK) st = blocks_put(txn, b, &meta);
    if (st == OK) st = blocks_put_receipts(txn, b, receipts, b->n_txs);
    if (st == OK) st = blocks_set_canonical(txn, b);
    if (st == OK) st = blocks_set_head(txn, b->header.number, &b->hash);
    if (st == OK && step->has_finals && step->finalised > finalised) {
        finalised = step->finalised;
        st = blocks_set_finalised(txn, finalised);
    }
    if (st == OK && step->has_finals) st = blocks_drop_sides(&c->n_sides, txn, finalised);
    const bool has_finality = c->spec->engine == ENGINE_AURA && !c->spec->aura.immediate_transitions;
    if (st == OK && !c->cfg.archive && b->header.number > HISTORY_BLOCKS) {
        /* While nothing becomes final, as in a network that fell apart, the way back to the fork must stay open (user-pains.md 4) */
        uint64_t keep = b->header.number - HISTORY_BLOCKS;
        if (has_finality && finalised < keep) keep = finalised;
        st = state_prune(txn, keep);
    }
    if (st == OK) chain_fill_head(head, c, &b->header, &b->hash, td, finalised, has_finality ? e->majority : finalised);
    return st;
}

enum status import_run_block(struct import *im, struct kv_txn *txn, struct epoch *e, struct block *b, const u256 *td,
                                     struct chain_head *head, struct epoch_step *step, uint64_t finalised, struct receipt **receipts_out,
                                     struct arena *a)
{
    struct chain *c = im->c;
    struct state *s = NULL;
    struct exec_env env;
    if (c->spec->engine == ENGINE_AURA) {
        const bool is_signed = im->ahead != NULL && b == &im->block && im->ahead->is_signed;
        enum aura_verdict v = (is_signed ? aura_check_turn : aura_check_proposer)(&b->header, &e->fin.set);
        if (v != AURA_VALID) return import_bad(im, import_from_aura(v));
    }
    struct chain_times *times = &c->times;
    uint64_t clock = clock_mono_ns();
    enum status st = set_senders(im, b);
    import_charge(&times->recover_ns, &clock);
    if (st == OK && im->verdict == BLOCK_VALID) st = check_by_contracts(im, txn, b, a);
    if (st != OK || im->verdict != BLOCK_VALID) return st;
    struct receipt *receipts = arena_zalloc(a, b->n_txs + 1, sizeof *receipts);
    if (receipts == NULL) return E_NOMEM;
    st = state_open_cached(&s, txn, c->cache);
    if (st != OK) return st;
    state_set_helpers(s, &c->helpers);
    block_env_init(&env, c, c->evm, txn, &b->header);
    st = engine_open_block(&im->verdict, c, &env, s, &b->header, e);
    if (st == OK && im->verdict == BLOCK_VALID) st = run_transactions(im, &env, s, b, receipts, a);
    if (st == OK && im->verdict == BLOCK_VALID) st = engine_close_block(&im->verdict, c, &env, s, &b->header);
    import_charge(&times->execute_ns, &clock);
    if (st == OK && im->verdict == BLOCK_VALID) st = check_results(im, &env, s, b, receipts, a);
    import_charge(&times->root_ns, &clock);
    if (st != OK || im->verdict != BLOCK_VALID) {
        state_free(s);
        return st;
    }
    *receipts_out = receipts;
    st = chain_finish_block(head, step, c, txn, e, s, &env, b, receipts, td, finalised);
    import_charge(&times->commit_ns, &clock);
    times->blocks++;
    times->txs += b->n_txs;
    times->gas += b->header.gas_used;
    return st;
}
