/* rpc_debug.c: blocks, receipts and transactions in their encodings. */
#include "node/rpc/rpc_priv.h"

static bool need_block(struct block_ref *ref, struct rpc_call *c)
{
    if (!param_block(ref, c, 0)) return false;
    if (ref->is_pending) return rpc_fail(c, RPC_SERVER, "the pending block is not sealed yet: it has no encoding");
    return ref->found || rpc_fail(c, RPC_SERVER, "block not found");
}

bool debug_get_raw_header(struct rpc_call *c)
{
    struct block_ref ref;
    bytes raw;
    if (!need_block(&ref, c)) return false;
    enum status s = blocks_get_header_raw(&raw, c->w->txn, &ref.hash);
    if (s != OK) return rpc_fail_status(c, s, "header");
    jo_data(c->out, raw);
    return true;
}

bool debug_get_raw_block(struct rpc_call *c)
{
    struct block_ref ref;
    bytes header, body, items;
    if (!need_block(&ref, c)) return false;
    enum status s = blocks_get_header_raw(&header, c->w->txn, &ref.hash);
    if (s == OK) s = blocks_get_body_raw(&body, c->w->txn, &ref.hash);
    if (s == OK) s = rlp_get_list(&items, &body);
    if (s != OK) return rpc_fail_status(c, s, "block");
    struct buf b;
    buf_init(&b, RPC_RESPONSE_MAX);
    rlp_put_list_header(&b, header.len + items.len);
    rlp_put_raw(&b, header);
    rlp_put_raw(&b, items);
    s = buf_status(&b);
    if (s == OK) jo_data(c->out, buf_view(&b));
    buf_fini(&b);
    return s == OK || rpc_fail_status(c, s, "block");
}

bool debug_get_raw_receipts(struct rpc_call *c)
{
    struct block_ref ref;
    bytes raw, items;
    struct rlp_item item;
    if (!need_block(&ref, c)) return false;
    enum status s = blocks_get_receipts_raw(&raw, c->w->txn, &ref.hash);
    if (s == OK) s = rlp_get_list(&items, &raw);
    if (s != OK) return rpc_fail_status(c, s, "receipts");
    jo_open(c->out, '[');
    while (items.len > 0) {
        if (rlp_get_item(&item, &items) != OK) return rpc_fail_status(c, E_CORRUPT, "receipts");
        jo_data(c->out, item.is_list ? item.raw : item.payload); /* typed ones are wrapped in a string */
    }
    jo_close(c->out, ']');
    return true;
}

bool debug_get_raw_transaction(struct rpc_call *c)
{
    hash32 hash;
    struct tx_location loc;
    struct block b;
    struct tx tx;
    const struct rpc_pool *p = &c->rpc->pool;
    if (!param_hash(&hash, c, 0)) return false;
    struct kv_txn *txn = rpc_txn(c);
    if (txn == NULL) return false;
    enum status s = blocks_get_tx_location(&loc, txn, &hash);
    if (s == OK) {
        if (!load_block(&b, c, &loc.block_hash)) return false;
        if (loc.index >= b.n_txs) s = E_CORRUPT;
        else jo_data(c->out, b.txs[loc.index].raw);
    } else if (s == E_NOT_FOUND) {
        s = OK;
        if (p->get && p->get(p->ctx, &tx, &hash, c->a)) jo_data(c->out, tx.raw);
        else jo_null(c->out);
    }
    return s == OK || rpc_fail_status(c, s, "transaction");
}

/* a refused block is not kept: nothing of it could be trusted to be shown */
bool debug_get_bad_blocks(struct rpc_call *c)
{
    jo_open(c->out, '[');
    jo_close(c->out, ']');
    return true;
}
