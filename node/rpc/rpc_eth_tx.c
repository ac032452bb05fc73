/* rpc_eth_tx.c: transactions and receipts. */
#include "node/rpc/rpc_priv.h"

bool rpc_pool_content(struct rpc_pool_tx **out, size_t *n, struct rpc_call *c, const address *of)
{
    const struct rpc_pool *p = &c->rpc->pool;
    *out = NULL;
    *n = 0;
    if (p->content == NULL) return true;
    enum status s = p->content(p->ctx, out, n, RPC_POOL_ANSWER_MAX, of, c->a);
    return s == OK || rpc_fail_status(c, s, "pool");
}

bool eth_send_raw_transaction(struct rpc_call *c)
{
    bytes raw;
    hash32 hash;
    struct err err = {0};
    const struct rpc_pool *p = &c->rpc->pool;
    if (!param_bytes(&raw, c, 0)) return false;
    if (p->add == NULL) return rpc_fail(c, RPC_SERVER, "this node takes no transactions");
    enum status s = p->add(p->ctx, &hash, raw, &err);
    if (s != OK) {
        int code = s == E_NOMEM || s == E_IO || s == E_CORRUPT ? RPC_INTERNAL : RPC_SERVER;
        return rpc_fail(c, code, "%s", err.text[0] ? err.text : status_text(s));
    }
    jo_hash(c->out, &hash);
    return true;
}

static void put_mined(struct rpc_call *c, const struct block *b, size_t i)
{
    const struct header *h = &b->header;
    struct tx_place place = {&b->hash, h->number, i, h->has_base_fee ? &h->base_fee : NULL, h->timestamp};
    json_put_tx(c->out, &b->txs[i], &place);
}

/* found false: no such transaction in a canonical block */
static bool find_mined(bool *found, struct tx_location *loc, struct rpc_call *c, const hash32 *hash)
{
    struct kv_txn *txn = rpc_txn(c);
    if (txn == NULL) return false;
    enum status s = blocks_get_tx_location(loc, txn, hash);
    *found = s == OK;
    return s == OK || s == E_NOT_FOUND || rpc_fail_status(c, s, "transaction index");
}

bool eth_get_transaction_by_hash(struct rpc_call *c)
{
    hash32 hash;
    struct tx_location loc;
    struct block b;
    struct tx tx;
    bool found;
    const struct rpc_pool *p = &c->rpc->pool;
    if (!param_hash(&hash, c, 0) || !find_mined(&found, &loc, c, &hash)) return false;
    if (found) {
        if (!load_block(&b, c, &loc.block_hash)) return false;
        if (loc.index >= b.n_txs) return rpc_fail_status(c, E_CORRUPT, "transaction index");
        put_mined(c, &b, loc.index);
    } else if (p->get && p->get(p->ctx, &tx, &hash, c->a)) {
        json_put_tx(c->out, &tx, NULL);
    } else {
        jo_null(c->out);
    }
    return true;
}

/* as the pending block lists them */
static bool put_pending_at(struct rpc_call *c, uint64_t index)
{
    struct rpc_pool_tx *list;
    size_t n, i = 0;
    if (!rpc_pool_content(&list, &n, c, NULL)) return false;
    for (; i < n; i++)
        if (!list[i].queued && index-- == 0) break;
    if (i < n) json_put_tx(c->out, &list[i].tx, NULL);
    else jo_null(c->out);
    return true;
}

bool eth_get_transaction_by_block_and_index(struct rpc_call *c)
{
    struct block_ref ref;
    struct block b;
    uint64_t index;
    if (!param_block(&ref, c, 0) || !param_u64(&index, c, 1)) return false;
    if (ref.is_pending) return put_pending_at(c, index);
    if (ref.found && !load_block(&b, c, &ref.hash)) return false;
    if (!ref.found || index >= b.n_txs) jo_null(c->out);
    else put_mined(c, &b, (size_t)index);
    return true;
}

/* ------------------------------------------------------------------ receipts */

static void put_receipt(struct rpc_call *c, const struct cached_block *e, size_t i)
{
    const struct block *b = &e->block;
    u256 blob_fee = U256_ZERO;
    bool blobs = b->txs[i].type == TX_BLOB && b->header.has_blob_gas;
    if (blobs) {
        struct rules rules;
        chain_spec_rules(&rules, c->rpc->spec, b->header.number, b->header.timestamp);
        blob_fee = exec_blob_base_fee(b->header.excess_blob_gas, rules.eip7691);
    }
    json_put_receipt(c->out, b, i, &e->receipts[i], e->first_log[i], blobs ? &blob_fee : NULL);
}

static struct cached_block *load_with_receipts(struct rpc_call *c, const hash32 *hash)
{
    struct cached_block *e = cached_block_get(c, hash);
    return e != NULL && cached_block_receipts(e, c) ? e : NULL;
}

bool eth_get_transaction_receipt(struct rpc_call *c)
{
    hash32 hash;
    struct tx_location loc;
    bool found;
    if (!param_hash(&hash, c, 0) || !find_mined(&found, &loc, c, &hash)) return false;
    if (!found) {
        jo_null(c->out);
        return true;
    }
    const struct cached_block *e = load_with_receipts(c, &loc.block_hash);
    if (e == NULL) return false;
    if (loc.index >= e->block.n_txs) return rpc_fail_status(c, E_CORRUPT, "transaction index");
    put_receipt(c, e, loc.index);
    return true;
}

bool eth_get_block_receipts(struct rpc_call *c)
{
    struct block_ref ref;
    if (!param_block(&ref, c, 0)) return false;
    if (!ref.found || ref.is_pending) { /* what was not run yet has no receipts */
        jo_null(c->out);
        return true;
    }
    const struct cached_block *e = load_with_receipts(c, &ref.hash);
    if (e == NULL) return false;
    jo_open(c->out, '[');
    for (size_t i = 0; i < e->block.n_txs; i++) put_receipt(c, e, i);
    jo_close(c->out, ']');
    return true;
}
