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
    put_u64(b, "earlierSets", epoch.earlier_sets);
    jo_close(b, '}');
    address me;
    jo_key(b, "author");
    if (node->author && node->author(node->ctx, &me)) jo_address(b, &me);
    else jo_null(b);
    jo_key(b, "sealing");
    jo_bool(b, node->is_sealing != NULL && node->is_sealing(node->ctx));
    struct rpc_clock clock;
    jo_key(b, "clock");
    if (node->clock != NULL && node->clock(node->ctx, &clock)) {
        jo_open(b, '{');
        put_u64(b, "peersMeasured", clock.n_measured);
        put_u64(b, "peersApart", clock.n_apart);
        put_u64(b, "aheadMs", clock.ahead_ms > 0 ? (uint64_t)clock.ahead_ms : 0);
        put_u64(b, "behindMs", clock.ahead_ms < 0 ? (uint64_t)-clock.ahead_ms : 0);
        put_u64(b, "limitMs", clock.limit_ms);
        jo_key(b, "isOff");
        jo_bool(b, clock.is_off);
        jo_close(b, '}');
    } else {
        jo_null(b);
    }
    jo_close(b, '}');
    return true;
}

/* aura_getMissedSteps(blocks = 100, block = latest): for the blocks up to that one and the set in force: who sealed how many, and whose steps
 * went by without a block */
bool aura_get_missed_steps(struct rpc_call *c)
{
    enum { WALK_MAX = 10000 };
    uint64_t want = 100, first = 0, last = 0, later = 0;
    struct block_ref ref;
    struct chain_epoch epoch;
    address *set;
    size_t n;
    if (c->rpc->spec->engine != ENGINE_AURA) return rpc_fail(c, RPC_SERVER, "this chain's engine is not AuRa");
    if (param(c, 0) != NULL && !param_u64(&want, c, 0)) return false;
    if (want == 0 || want > WALK_MAX) return rpc_fail(c, RPC_LIMIT, "invalid argument 0: 1 to %d blocks", WALK_MAX);
    if (!param_block(&ref, c, 1)) return false;
    if (!ref.found || !ref.is_canonical) return rpc_fail(c, RPC_SERVER, "header not found");
    struct kv_txn *txn = rpc_txn(c);
    chain_get_epoch(&epoch, c->rpc->chain);
    enum status s = chain_validators(&set, &n, c->rpc->chain, c->a);
    if (s != OK) return rpc_fail_status(c, s, "validators");
    uint64_t *sealed = arena_zalloc(c->a, n + 1, sizeof *sealed), *missed = arena_zalloc(c->a, n + 1, sizeof *missed), *newest = arena_zalloc(c->a, n + 1, sizeof *newest);
    if (sealed == NULL || missed == NULL || newest == NULL) return rpc_fail_status(c, E_NOMEM, "missed steps");
    /* counted back to where the set in force began: before it, steps were others' */
    for (uint64_t k = ref.number, left = want; n > 0 && left > 0 && k > 0 && k >= epoch.start_block; k--, left--) {
        hash32 hash;
        struct header h;
        s = blocks_get_canonical_hash(&hash, txn, k);
        if (s == OK) s = blocks_get_header(&h, txn, &hash, c->a);
        if (s != OK) return rpc_fail_status(c, s, "header");
        if (last == 0) last = h.step;
        const uint64_t gap = later > h.step ? later - h.step - 1 : 0, rounds = gap / n;
        for (size_t i = 0; i < n; i++)
            missed[i] += rounds;
        for (uint64_t step = h.step + 1 + rounds * n; gap > 0 && step < later; step++)
            missed[step % n]++;
        for (size_t i = 0; i < n; i++) {
            if (!address_eq(&set[i], &h.author)) continue;
            sealed[i]++;
            if (newest[i] == 0) newest[i] = h.step;
        }
        first = later = h.step;
    }
    struct buf *b = c->out;
    jo_open(b, '{');
    put_u64(b, "firstStep", first);
    put_u64(b, "lastStep", last);
    jo_key(b, "validators");
    jo_open(b, '[');
    for (size_t i = 0; i < n; i++) {
        jo_open(b, '{');
        jo_key(b, "address");
        jo_address(b, &set[i]);
        put_u64(b, "sealed", sealed[i]);
        put_u64(b, "missed", missed[i]);
        jo_key(b, "lastSealedStep");
        if (newest[i] != 0) jo_u64(b, newest[i]);
        else jo_null(b);
        jo_close(b, '}');
    }
    jo_close(b, ']');
    jo_close(b, '}');
    return true;
}
