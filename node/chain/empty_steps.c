/* empty_steps.c: empty steps that were heard, and our own (node/aura/empty_steps.h). */
#include "lib/codec/rlp.h"
#include "node/chain/chain_priv.h"

enum { STEPS_AHEAD = 4, STEPS_BEHIND = 128 };

static bool is_active(const struct chain *c, uint64_t number)
{
    return c->spec->engine == ENGINE_AURA && number >= c->spec->aura.empty_steps_transition;
}

enum status chain_add_empty_step(struct chain *c, bytes message, uint64_t now_ms)
{
    struct heard_step one;
    const struct validators *set = &c->epoch.fin.set;
    if (!is_active(c, c->head.number + 1)) return E_AGAIN; /* we may be behind */
    enum status s = empty_step_get_message(&one, message);
    if (s != OK) return E_INVALID;
    if (chain_refresh(c) != OK) return E_AGAIN; /* a failed commit may have left the set ahead of the head */
    const uint64_t now_step = aura_step_at(&c->spec->aura, now_ms);
    if (one.e.step > now_step + STEPS_AHEAD || one.e.step + STEPS_BEHIND < now_step) return E_AGAIN;
    if (set->n == 0 || !address_eq(aura_proposer(set, one.e.step), &one.signer))
        /* on a block that is not our head another set may rule */
        return hash_eq(&one.parent, &c->head.hash) && one.e.step > c->head.step ? E_INVALID : E_AGAIN;
    empty_steps_drop(&c->empty, c->head.step > STEPS_BEHIND ? c->head.step - STEPS_BEHIND : 0);
    s = empty_steps_add(&c->empty, &one);
    return s == E_LIMIT ? E_AGAIN : s;
}

enum status empty_steps_for(size_t *n, struct header *h, const struct chain *c, uint64_t parent_step, struct arena *a)
{
    struct buf b;
    *n = 0;
    if (!is_active(c, h->number)) return OK;
    buf_init(&b, (EMPTY_STEPS_MAX + 1) * EMPTY_STEP_MESSAGE_MAX);
    *n = empty_steps_put(&b, &c->empty, &h->parent_hash, parent_step, h->step, &c->epoch.fin.set);
    h->has_empty_steps = true;
    h->empty_steps = arena_copy(a, buf_view(&b));
    const enum status s = buf_status(&b) == OK && h->empty_steps.ptr != NULL ? OK : E_NOMEM;
    buf_fini(&b);
    return s;
}

/* Not for who sealed elsewhere last: what its signature prepares here must be seen by all at once, and only a block is sure to be. Else two could
 * each wait on the other's branch, bound by signatures that no block carries. */
bool empty_steps_is_due(const struct chain *c, const struct header *h, size_t n_txs, size_t n_known)
{
    return is_active(c, h->number) && n_txs == 0 && c->sealed_here && n_known < c->spec->aura.maximum_empty_steps;
}

enum status empty_steps_sign(struct buf *message, struct chain *c, const address *me, uint64_t step, struct proposal_source *src)
{
    struct heard_step one = {.e = {.step = step}, .parent = c->head.hash, .signer = *me};
    struct key_promise next;
    struct kv_txn *txn = NULL;
    hash32 hash;
    enum status s = src->keep == NULL ? OK : kv_begin(&txn, c->kv, false);
    if (src->keep != NULL && s == OK) {
        s = promise_next(&next, c, txn, me, step, VOTE_EMPTY_STEP);
        kv_abort(txn);
        if (s == OK) s = src->keep(src->ctx, &next, step);
    }
    if (s != OK) return s;
    empty_step_hash(&hash, step, &one.parent);
    s = src->sign(src->ctx, one.e.signature, &hash, step);
    if (s == OK) s = kv_begin(&txn, c->kv, true);
    if (s != OK) return s;
    s = promise_note_seal(c, txn, me, step, VOTE_EMPTY_STEP);
    if (s == OK) s = kv_commit(txn);
    else kv_abort(txn);
    if (s == OK) s = kv_sync(c->kv); /* before anyone hears of it */
    if (s != OK) return s;
    IGNORE(empty_steps_add(&c->empty, &one), "then it stands in nobody's next block");
    empty_step_put_message(message, &one.e, &one.parent);
    return buf_status(message);
}
