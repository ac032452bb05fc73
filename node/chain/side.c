/* side.c: which of two branches is followed (node/aura/commit.h): the one with the higher ballot; of equal ones the one on which a majority has
 * decided further; then the heavier. What is known of a side branch without executing it is kept along with it, so that a branch that grows
 * costs one step for each block. */
#include "node/chain/chain_priv.h"

static bool has_commits(const struct chain *c)
{
    return c->spec->engine == ENGINE_AURA && !c->spec->aura.immediate_transitions;
}

/* Our own empty step may have prepared a block, which shows in no block yet: who goes elsewhere then waits there for others who wait for it. */
static uint64_t our_ballot(const struct chain *c)
{
    hash32 at;
    struct kv_txn *txn;
    if (c->lock_step <= c->epoch.com.ballot || kv_begin(&txn, c->kv, false) != OK) return c->epoch.com.ballot;
    const bool here = blocks_get_canonical_hash(&at, txn, c->lock_number) == OK && hash_eq(&at, &c->lock_hash);
    kv_abort(txn);
    return here ? c->lock_step : c->epoch.com.ballot;
}

/* SPEC(aura.md B3): strictly greater total difficulty replaces; but first comes what the others sealed together */
bool side_is_better(const struct chain *c, const struct epoch *branch, const u256 *td)
{
    const struct epoch *ours = &c->epoch;
    const uint64_t ballot = has_commits(c) ? our_ballot(c) : 0;
    if (has_commits(c) && branch->com.ballot != ballot) return branch->com.ballot > ballot;
    if (has_commits(c) && branch->decided != ours->decided) return branch->decided > ours->decided;
    return u256_lt(&c->head.td, td);
}

void side_take(struct chain *c, struct epoch *e, const hash32 *tip)
{
    epoch_fini(&c->side);
    c->side = *e;
    *e = (struct epoch){0};
    c->side_tip = *tip;
    c->has_side = true;
}

/* headers of the branch that ends in `hash`, from fork + 1 on, through *e */
static enum status walk(bool *unsure, struct epoch *e, struct chain *c, struct kv_txn *txn, uint64_t number, const hash32 *hash, uint64_t fork)
{
    struct arena a;
    const size_t n = (size_t)(number - fork);
    hash32 at = *hash, *list = malloc((n + 1) * sizeof *list);
    enum status s = list == NULL ? E_NOMEM : OK;
    arena_init(&a, 1 << 20);
    for (size_t i = n; s == OK && i-- > 0;) {
        struct header h;
        list[i] = at;
        arena_reset(&a);
        s = blocks_get_header(&h, txn, &at, &a);
        if (s == OK) at = h.parent_hash;
    }
    for (size_t i = 0; s == OK && i < n; i++) {
        struct header h;
        arena_reset(&a);
        s = blocks_get_header(&h, txn, &list[i], &a);
        if (s == OK) s = engine_after_side_block(unsure, c, e, &h, &list[i]);
    }
    arena_fini(&a);
    free(list);
    return s;
}

enum status side_judge(bool *better, bool *unsure, struct chain *c, struct kv_txn *txn, const struct header *h, const hash32 *hash, const u256 *td,
                       uint64_t fork)
{
    enum status s = OK;
    *unsure = false;
    if (!has_commits(c)) {
        *better = u256_lt(&c->head.td, td);
        return OK;
    }
    if (!c->has_side || !hash_eq(&c->side_tip, &h->parent_hash)) {
        struct epoch e = {0};
        hash32 at;
        s = blocks_get_canonical_hash(&at, txn, fork);
        if (s == OK) s = epoch_load(&e, c, txn, fork, &at);
        if (s == OK) s = walk(unsure, &e, c, txn, h->number - 1, &h->parent_hash, fork);
        if (s == OK) side_take(c, &e, &h->parent_hash);
        epoch_fini(&e);
        if (s != OK) return s;
    }
    s = engine_after_side_block(unsure, c, &c->side, h, hash);
    c->has_side = s == OK && !*unsure; /* unsure: what execution finds takes its place */
    c->side_tip = *hash;
    *better = side_is_better(c, &c->side, td);
    return s;
}
