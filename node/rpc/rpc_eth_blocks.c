/* rpc_eth_blocks.c: blocks, headers, uncles. */
#include "node/rpc/rpc_priv.h"

#define PENDING_TXS_MAX 5000 /* shown in the pending block */

/* A look at the next block's header: on top of the head. Roots and seal are not known yet. */
static bool pending_header(struct header *h, struct rpc_call *c, const hash32 *head)
{
    struct header parent;
    enum status s = blocks_get_header(&parent, c->w->txn, head, c->a);
    if (s != OK) return rpc_fail_status(c, s, "header");
    *h = parent;
    uint64_t now_s = clock_wall_ms() / 1000;
    h->number++;
    h->parent_hash = *head;
    h->timestamp = now_s > parent.timestamp ? now_s : parent.timestamp + 1;
    h->gas_used = 0;
    h->uncles_hash = HASH_EMPTY_UNCLES;
    h->tx_root = h->receipts_root = h->state_root = (hash32){{0}};
    h->logs_bloom = (bloom){{0}};
    h->extra = BYTES_EMPTY;
    if (!next_block_base_fee(&h->base_fee, c)) return false;
    struct rules rules;
    chain_spec_rules(&rules, c->rpc->spec, h->number, h->timestamp);
    h->has_base_fee = rules.eip1559;
    return true;
}

/* with what the pool would offer */
static bool put_pending_block(struct rpc_call *c, const hash32 *head, bool full)
{
    struct rpc_pool_tx *pool;
    size_t n;
    struct block b = {.uncles_raw = BYTES_LIT("\xc0")};
    if (!pending_header(&b.header, c, head) || !rpc_pool_content(&pool, &n, c, NULL)) return false;
    b.txs = arena_zalloc(c->a, n + 1, sizeof *b.txs);
    if (b.txs == NULL) return rpc_fail_status(c, E_NOMEM, "pending block");
    for (size_t i = 0; i < n && b.n_txs < PENDING_TXS_MAX; i++)
        if (!pool[i].queued) b.txs[b.n_txs++] = pool[i].tx;
    struct block_shape shape = {.full_txs = full, .is_pending = true};
    json_put_block(c->out, &b, &shape);
    return true;
}

bool eth_get_block(struct rpc_call *c)
{
    struct block_ref ref;
    struct block b;
    struct block_meta meta;
    bool full;
    if (!param_block(&ref, c, 0) || !param_bool(&full, c, 1, false)) return false;
    if (!ref.found) {
        jo_null(c->out);
        return true;
    }
    if (ref.is_pending) return put_pending_block(c, &ref.hash, full);
    enum status s = blocks_get_meta(&meta, c->w->txn, &ref.hash);
    if (s != OK) return rpc_fail_status(c, s, "block index");
    if (!load_block(&b, c, &ref.hash)) return false;
    struct block_shape shape = {.full_txs = full, .size = block_rlp_size(c, &ref.hash), .td = &meta.td};
    json_put_block(c->out, &b, &shape);
    return true;
}

bool eth_get_header(struct rpc_call *c)
{
    struct block_ref ref;
    struct header h;
    if (!param_block(&ref, c, 0)) return false;
    if (!ref.found) {
        jo_null(c->out);
        return true;
    }
    if (ref.is_pending) {
        if (!pending_header(&h, c, &ref.hash)) return false;
        json_put_header(c->out, &h, NULL);
        return true;
    }
    enum status s = blocks_get_header(&h, c->w->txn, &ref.hash, c->a);
    if (s != OK) return rpc_fail_status(c, s, "header");
    json_put_header(c->out, &h, &ref.hash);
    return true;
}

bool eth_get_block_transaction_count(struct rpc_call *c)
{
    struct block_ref ref;
    bytes body, items, txs;
    size_t n;
    if (!param_block(&ref, c, 0)) return false;
    if (!ref.found) {
        jo_null(c->out);
        return true;
    }
    if (ref.is_pending) {
        struct rpc_pool_tx *pool;
        if (!rpc_pool_content(&pool, &n, c, NULL)) return false;
        size_t ready = 0;
        for (size_t i = 0; i < n; i++) ready += !pool[i].queued;
        jo_u64(c->out, ready);
        return true;
    }
    enum status s = blocks_get_body_raw(&body, c->w->txn, &ref.hash);
    if (s == OK && (rlp_get_list(&items, &body) != OK || rlp_get_list(&txs, &items) != OK || rlp_count_items(&n, txs) != OK)) s = E_CORRUPT;
    if (s != OK) return rpc_fail_status(c, s, "block");
    jo_u64(c->out, n);
    return true;
}

bool eth_get_uncle_count(struct rpc_call *c)
{
    struct block_ref ref;
    struct block b;
    if (!param_block(&ref, c, 0)) return false;
    if (!ref.found) {
        jo_null(c->out);
        return true;
    }
    if (!load_block(&b, c, &ref.hash)) return false;
    jo_u64(c->out, ref.is_pending ? 0 : b.n_uncles);
    return true;
}

bool eth_get_uncle(struct rpc_call *c)
{
    struct block_ref ref;
    struct block b;
    uint64_t index;
    if (!param_block(&ref, c, 0) || !param_u64(&index, c, 1)) return false;
    if (ref.found && !load_block(&b, c, &ref.hash)) return false;
    if (!ref.found || ref.is_pending || index >= b.n_uncles) jo_null(c->out);
    else json_put_uncle(c->out, &b.uncles[index]);
    return true;
}
