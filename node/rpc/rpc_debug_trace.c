/* rpc_debug_trace.c: debug_trace*: transactions run again under a tracer, in geth's shapes. */
#include "node/chain/replay.h"
#include "node/rpc/rpc_call.h"
#include "node/rpc/rpc_trace.h"

bool rpc_replay_open(struct chain_replay *r, struct rpc_call *c, const struct block *b)
{
    enum status s = chain_replay_open(r, c->rpc->chain, c->w->evm, rpc_txn(c), b);
    if (s == OK) return true;
    chain_replay_close(r);
    if (s == E_INVALID) return rpc_fail(c, RPC_SERVER, "genesis is not traceable");
    if (s == E_NOT_FOUND)
        return rpc_fail(c, RPC_SERVER, "missing trie node: the state before block %llu is pruned, only recent blocks have theirs (see --archive)",
                        (unsigned long long)b->header.number);
    return rpc_fail_status(c, s, "trace");
}

bool rpc_trace_next(struct chain_replay *r, struct tracer *t, struct rpc_call *c, bool goes_on)
{
    struct receipt receipt;
    struct evm_result result;
    const struct tx *tx = &r->block->txs[r->next];
    const struct tracer_facts facts = {.tx = tx,
                                       .receipt = &receipt,
                                       .result = &result,
                                       .author = &r->block->header.author,
                                       .block_hash = &r->block->hash,
                                       .index = r->next,
                                       .has_place = true};
    const uint64_t gas_used = r->env.gas_used;
    if (!rpc_has_time(c)) return false;
    tracer_begin(t, r->state, r->block->header.number);
    enum status s = chain_replay_next(&receipt, &result, r, tracer_hooks(t), c->a);
    if (s != OK) return tracer_fail(t, s);
    if (!tracer_end(t, &facts)) return false;
    t->first_log += receipt.n_logs;
    if (!t->has_undone || !goes_on) return true;
    r->next--;
    r->env.gas_used = gas_used;
    s = chain_replay_next(&receipt, &result, r, NULL, c->a);
    return s == OK || rpc_fail_status(c, s, "trace");
}

bool rpc_skip_to(struct chain_replay *r, struct tracer *t, struct rpc_call *c, size_t index)
{
    struct receipt receipt;
    struct evm_result result;
    while (r->next < index) {
        if (!rpc_has_time(c)) return false;
        enum status s = chain_replay_next(&receipt, &result, r, NULL, c->a);
        if (s != OK) return rpc_fail_status(c, s, "trace");
        t->first_log += receipt.n_logs;
    }
    return true;
}

bool rpc_find_mined(struct block *b, size_t *index, struct rpc_call *c, const hash32 *hash)
{
    struct tx_location loc;
    struct kv_txn *txn = rpc_txn(c);
    if (txn == NULL) return false;
    enum status s = blocks_get_tx_location(&loc, txn, hash);
    if (s == E_NOT_FOUND) return rpc_fail(c, RPC_SERVER, "transaction not found");
    if (s != OK) return rpc_fail_status(c, s, "transaction index");
    if (!load_block(b, c, &loc.block_hash)) return false;
    *index = loc.index;
    return loc.index < b->n_txs || rpc_fail_status(c, E_CORRUPT, "transaction index");
}

bool debug_trace_transaction(struct rpc_call *c)
{
    hash32 hash;
    struct block b;
    size_t index;
    struct tracer t;
    struct chain_replay r;
    if (!param_hash(&hash, c, 0) || !tracer_init(&t, c, param(c, 1)) || !rpc_find_mined(&b, &index, c, &hash)) return false;
    if (!rpc_replay_open(&r, c, &b)) return false;
    bool ok = rpc_skip_to(&r, &t, c, index) && rpc_trace_next(&r, &t, c, false);
    chain_replay_close(&r);
    return ok;
}

bool debug_trace_call(struct rpc_call *c)
{
    struct tracer t;
    const json_t *config = param(c, 2);
    if (!tracer_init(&t, c, config)) return false;
    if (json_field(config, "txIndex")) return rpc_fail(c, RPC_BAD_PARAMS, "txIndex: a call is traced on top of a whole block");
    return rpc_trace_call(c, &t, 1, json_object_get(config, "stateOverrides"), json_object_get(config, "blockOverrides"));
}

bool debug_trace_block(struct rpc_call *c)
{
    struct block_ref ref;
    struct block b;
    struct tracer t;
    struct chain_replay r;
    if (!param_block(&ref, c, 0) || !tracer_init(&t, c, param(c, 1))) return false;
    if (!ref.found) return rpc_fail(c, RPC_SERVER, "block not found");
    if (ref.is_pending) return rpc_fail(c, RPC_SERVER, "the pending block is not sealed yet: trace its transactions by debug_traceCall");
    if (!ref.is_canonical)
        return rpc_fail(c, RPC_SERVER, "block %llu by that hash is not on the canonical chain: its state is not kept", (unsigned long long)ref.number);
    if (!load_block(&b, c, &ref.hash) || !rpc_replay_open(&r, c, &b)) return false;
    struct buf *out = c->out;
    bool ok = true;
    jo_open(out, '[');
    while (ok && r.next < b.n_txs) {
        const size_t i = r.next;
        jo_open(out, '{');
        jo_key(out, "txHash");
        jo_hash(out, &b.txs[i].hash);
        jo_key(out, "result");
        ok = rpc_trace_next(&r, &t, c, i + 1 < b.n_txs);
        jo_close(out, '}');
    }
    jo_close(out, ']');
    chain_replay_close(&r);
    return ok;
}
