/* rpc_aura.c: the authority's own view: steps, validator set, epoch, finality. */
#include "node/rpc/rpc_priv.h"

static bool put_validators(struct rpc_call *c)
{
    address *list;
    size_t n;
    enum status s = chain_validators(&list, &n, c->rpc->chain, c->a);
    if (s != OK) return rpc_fail_status(c, s, "validators");
    jo_open(c->out, '[');
    for (size_t i = 0; i < n; i++) jo_address(c->out, &list[i]);
    jo_close(c->out, ']');
    return true;
}

bool aura_get_validators(struct rpc_call *c)
{
    return put_validators(c);
}

static void put_u64(struct buf *b, const char *key, uint64_t v)
{
    jo_key(b, key);
    jo_u64(b, v);
}

bool aura_status(struct rpc_call *c)
{
    struct chain *chain = c->rpc->chain;
    const struct rpc_node *node = &c->rpc->node;
    struct chain_head head;
    struct chain_epoch epoch;
    struct buf *b = c->out;
    if (c->rpc->spec->engine != ENGINE_AURA) return rpc_fail(c, RPC_SERVER, "this chain's engine is not AuRa");
    chain_get_head(&head, chain);
    chain_get_epoch(&epoch, chain);
    uint64_t step, next_ms;
    chain_step_at(&step, &next_ms, chain, clock_wall_ms());
    jo_open(b, '{');
    put_u64(b, "step", step);
    put_u64(b, "nextStepAt", next_ms / 1000);
    jo_key(b, "head");
    jo_open(b, '{');
    put_u64(b, "number", head.number);
    jo_key(b, "hash");
    jo_hash(b, &head.hash);
    put_u64(b, "step", head.step);
    put_u64(b, "timestamp", head.timestamp);
    jo_close(b, '}');
    put_u64(b, "finalized", head.finalised);
    put_u64(b, "safe", head.safe);
    jo_key(b, "validators");
    if (!put_validators(c)) return false;
    jo_key(b, "epoch");
    jo_open(b, '{');
    put_u64(b, "startBlock", epoch.start_block);
    jo_key(b, "pendingSignalBlock");
    if (epoch.has_pending) jo_u64(b, epoch.pending_signal_block);
    else jo_null(b);
    put_u64(b, "signersSeen", epoch.signers_seen);
    put_u64(b, "signersNeeded", epoch.signers_needed);
    jo_close(b, '}');
    address me;
    jo_key(b, "author");
    if (node->author && node->author(node->ctx, &me)) jo_address(b, &me);
    else jo_null(b);
    jo_key(b, "sealing");
    jo_bool(b, node->is_sealing != NULL && node->is_sealing(node->ctx));
    jo_close(b, '}');
    return true;
}
