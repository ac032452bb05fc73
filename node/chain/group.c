/* group.c: many blocks in one commit, see chain.h. The head, and with it everything that readers see, moves after the commit, once. */
#include "node/chain/import_priv.h"

enum {
    GROUP_MS = 200,         /* the thread has other things to do as well */
    GROUP_GAS = 100000000   /* LMDB takes 131,071 pages in one transaction; the costliest of gas, new slots, come to far less */
};

struct group {
    struct chain *c;
    struct import *list; /* of n_max */
    size_t n_max, n;     /* n: executed, and good */
    bool is_spoilt;      /* the transaction holds something of a block that is not */
    struct kv_txn *txn;
    struct chain_head head;
    struct epoch_step step;    /* of the last */
    struct receipt *receipts;
};

static void group_fini(struct group *g)
{
    kv_abort(g->txn);
    for (size_t i = 0; i < g->n_max; i++)
        arena_fini(&g->list[i].arena);
    free(g->list);
}

/* one more block; *is_next: it is executed, or the group is spoilt */
static enum status add(bool *is_next, struct group *g, struct chain_ahead *a, uint64_t now_ms)
{
    struct import *im = &g->list[g->n];
    enum import_result result;
    uint64_t retry_ms;
    bool settled;
    *im = (struct import){.c = g->c, .ahead = a, .now_ms = now_ms, .verdict = BLOCK_VALID};
    arena_init(&im->arena, BLOCK_ARENA_MAX);
    *is_next = false;
    chain_ahead_finish(g->c, a);
    enum status s = import_prepare(&settled, &result, &retry_ms, im, a->rlp, g->txn);
    if (s != OK || settled || im->verdict != BLOCK_VALID || !hash_eq(&im->block.header.parent_hash, &g->head.hash)) return s;
    *is_next = true;
    s = import_run_block(im, g->txn, &g->c->epoch, &im->block, &im->td, &g->head, &g->step, g->head.finalised, &g->receipts, &im->arena);
    g->is_spoilt = s != OK || im->verdict != BLOCK_VALID;
    return s;
}

/* execute up to n blocks in one transaction, not committed yet */
static enum status fill(struct group *g, struct chain_ahead *const *blocks, size_t n, uint64_t now_ms)
{
    const uint64_t until = clock_mono_ms() + GROUP_MS;
    uint64_t gas = 0;
    bool is_next = true;
    *g = (struct group){.c = g->c, .head = g->c->head, .n_max = n, .list = calloc(n, sizeof *g->list)};
    if (g->list == NULL) {
        g->n_max = 0;
        return E_NOMEM;
    }
    enum status s = kv_begin(&g->txn, g->c->kv, true);
    while (s == OK && g->n < n) {
        s = add(&is_next, g, blocks[g->n], now_ms);
        if (s != OK || !is_next || g->is_spoilt) break;
        gas += g->list[g->n].block.header.gas_used;
        g->n++;
        if (g->step.changed_set || gas >= GROUP_GAS || clock_mono_ms() >= until) break;
    }
    return s;
}

/* tell of what was committed */
static void publish(struct group *g, struct block *added, uint64_t now_ms)
{
    struct chain *c = g->c;
    const struct import *last = &g->list[g->n - 1];
    for (size_t i = 0; i < g->n; i++) {
        import_report_skipped(c, &g->list[i]);
        added[i] = g->list[i].block;
    }
    struct chain_event event = {.added = added,
                                .n_added = g->n,
                                .head_receipts = g->receipts,
                                .n_head_receipts = last->block.n_txs,
                                .finality_advanced = g->head.finalised != c->head.finalised};
    chain_publish(c, &g->head, g->step.changed_set, now_ms, &event);
    for (size_t i = 0; i < g->n && c->spec->engine == ENGINE_AURA; i++)
        chain_note_seal(c, &added[i].header);
}

static enum status commit(struct group *g, uint64_t now_ms)
{
    struct chain *c = g->c;
    struct block *added = calloc(g->n, sizeof *added);
    if (added == NULL) {
        c->is_stale = true;
        return E_NOMEM;
    }
    uint64_t clock = clock_mono_ns();
    enum status s = kv_commit(g->txn);
    g->txn = NULL;
    import_charge(&c->times.commit_ns, &clock);
    if (s == OK) publish(g, added, now_ms);
    else c->is_stale = true;
    free(added);
    return s;
}

/* --- side blocks: a branch that is fetched comes block by block, and is the lighter one up to its end */

/* one more side block into the transaction; *is_next: it is in. If not, nothing of it is, and it comes by itself. */
static enum status add_side(bool *is_next, struct import *im, struct chain_ahead *a, struct kv_txn *txn)
{
    struct chain *c = im->c;
    enum import_result result;
    uint64_t retry_ms, fork;
    bool settled, better, unsure;
    *is_next = false;
    chain_ahead_finish(c, a);
    if (!a->is_whole) return OK;
    enum status s = import_prepare(&settled, &result, &retry_ms, im, a->rlp, txn);
    if (s != OK || settled || im->verdict != BLOCK_VALID || hash_eq(&im->block.header.parent_hash, &c->head.hash)) return s;
    s = import_judge_side(&fork, &better, &unsure, im, txn);
    if (s != OK || im->verdict != BLOCK_VALID || better || unsure) return s;
    s = import_put_side(im, txn);
    *is_next = s == OK;
    if (s == OK) import_note_side(c, &im->block.hash, fork); /* the next one's fork is found by it */
    return s;
}

/* as many of the blocks in front as are side blocks, in one commit. *n_done: 0: the first is not one */
static enum status add_sides(size_t *n_done, struct chain *c, struct chain_ahead *const *blocks, size_t n, uint64_t now_ms)
{
    const uint64_t until = clock_mono_ms() + GROUP_MS;
    struct kv_txn *txn;
    size_t k = 0;
    bool is_next = true;
    enum status s = kv_begin(&txn, c->kv, true);
    if (s != OK) return s;
    while (s == OK && k < n && c->n_sides < SIDE_MAX && clock_mono_ms() < until) {
        struct import im = {.c = c, .ahead = blocks[k], .now_ms = now_ms, .verdict = BLOCK_VALID};
        arena_init(&im.arena, BLOCK_ARENA_MAX);
        s = add_side(&is_next, &im, blocks[k], txn);
        arena_fini(&im.arena);
        if (s != OK || !is_next) break;
        k++;
    }
    if (s == OK && k > 0)
        s = kv_commit(txn);
    else
        kv_abort(txn);
    if (s != OK) { /* what is known of the branch is of blocks that are not there */
        c->is_stale = true;
        c->has_side = false;
        c->next_fork = 0;
        return s;
    }
    for (size_t i = 0; i < k && c->spec->engine == ENGINE_AURA; i++)
        chain_note_seal(c, &blocks[i]->block.header);
    *n_done = k;
    return OK;
}

enum status chain_import_group(struct chain_imported *out, struct chain *c, struct chain_ahead *const *blocks, size_t n, uint64_t now_ms,
                               struct err *err)
{
    if (n > CHAIN_GROUP_MAX) n = CHAIN_GROUP_MAX;
    const size_t n_all = n;
    size_t n_sides = 0;
    bool is_head = true;
    chain_note_time(c, now_ms);
    if (err != NULL) err->text[0] = '\0';
    /* a block that is bad, or for which there is no room, takes those before it along: they are executed once more, without it */
    while (n > 1) {
        struct group g = {.c = c};
        enum status s = chain_refresh(c);
        if (s != OK) return s;
        s = fill(&g, blocks, n, now_ms);
        n = g.n;
        is_head = s != OK || g.is_spoilt || n > 0;
        const bool is_good = s == OK && !g.is_spoilt && n > 0;
        if (is_good) s = commit(&g, now_ms);
        else if (n > 0 || g.is_spoilt) c->is_stale = true;
        group_fini(&g);
        if (is_good && s == OK) *out = (struct chain_imported){.n = n, .result = IMPORT_HEAD};
        if (is_good) return s;
    }
    enum status s = is_head ? OK : add_sides(&n_sides, c, blocks, n_all, now_ms);
    if (s != OK || n_sides == 0) return s == OK ? import_one(out, c, BYTES_EMPTY, blocks[0], now_ms, err) : s;
    *out = (struct chain_imported){.n = n_sides, .result = IMPORT_SIDE};
    return OK;
}
