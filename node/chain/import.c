/* import.c: verification and fork choice of blocks that come from elsewhere (reference/aura.md B3, B4). Their execution is in import_run.c. */
#include "lib/codec/rlp.h"
#include "lib/crypto/keccak.h"
#include "node/chain/import_priv.h"

enum {
    AHEAD_OK_S = 15,     /* SPEC(aura.md B4): a timestamp this far ahead of the clock is taken as it is */
    AHEAD_EARLY_S = 150  /* up to here the block is early; beyond, it is bad */
};

const char *block_verdict_text(enum block_verdict v)
{
    switch (v) {
#define X(id, text) \
    case id: return text;
        BLOCK_VERDICTS(X)
#undef X
    }
    return "unknown";
}

enum block_verdict import_from_aura(enum aura_verdict v)
{
    switch (v) {
    case AURA_VALID:
    case AURA_EARLY: return BLOCK_VALID;
    case AURA_BAD_FORM: return BLOCK_BAD_SEAL_FORM;
    case AURA_FUTURE: return BLOCK_FUTURE;
    case AURA_DOUBLE_VOTE: return BLOCK_STEP;
    case AURA_DIFFICULTY: return BLOCK_DIFFICULTY;
    case AURA_NOT_PROPOSER: return BLOCK_NOT_PROPOSER;
    case AURA_SIGNATURE: return BLOCK_SIGNATURE;
    case AURA_EMPTY_STEPS: return BLOCK_EMPTY_STEPS;
    }
    BUG("aura verdict");
}

static void report(struct chain *c, bool malicious, const address *who, uint64_t number, const char *what)
{
    struct chain_report r = {.malicious = malicious, .validator = *who, .block = number, .what = what};
    if (c->cfg.on_report != NULL) c->cfg.on_report(c->cfg.listener_ctx, &r);
}

/* ------------------------------------------------------------- the header */

/* SPEC(aura.md B4) generic rules that need the block alone. *retry_ms: set when it is only early */
static enum block_verdict check_basic(const struct chain *c, const struct block *b, uint64_t now_ms, uint64_t *retry_ms)
{
    const struct header *h = &b->header;
    const struct chain_spec *spec = c->spec;
    if (h->gas_used > h->gas_limit) return BLOCK_GAS_USED_OVER_LIMIT;
    if (h->gas_limit < spec->min_gas_limit && !engine_has_gas_limit(c, h->number)) return BLOCK_GAS_LIMIT;
    if (h->extra.len > spec->maximum_extra_data_size) return BLOCK_EXTRA_TOO_LONG;
    uint64_t now_s = now_ms / 1000;
    if (h->timestamp > now_s + AHEAD_EARLY_S) return BLOCK_FUTURE;
    if (h->timestamp > now_s + AHEAD_OK_S) *retry_ms = (h->timestamp - AHEAD_OK_S) * 1000;
    struct rules rules;
    chain_spec_rules(&rules, spec, h->number, h->timestamp);
    if (h->has_base_fee != rules.eip1559) return BLOCK_FIELDS;
    if (h->has_withdrawals != rules.eip4895 || h->has_blob_gas != rules.eip4844 || h->has_beacon_root != rules.eip4788 ||
        h->has_requests != rules.eip7685)
        return BLOCK_FIELDS;
    if (spec->engine == ENGINE_AURA) {
        uint64_t clock_step = aura_step_at(&spec->aura, now_ms);
        enum aura_verdict v = aura_check_form(h, &spec->aura, clock_step);
        if (v == AURA_EARLY) {
            uint64_t at = aura_step_start_ms(&spec->aura, h->step);
            if (at > *retry_ms) *retry_ms = at;
        } else if (v != AURA_VALID) {
            return import_from_aura(v);
        }
        if (b->n_uncles != 0) return BLOCK_UNCLES; /* maximumUncleCount is 0 wherever its transition is 0 */
    }
    return BLOCK_VALID;
}

void chain_get_times(struct chain_times *out, const struct chain *c)
{
    *out = c->times;
}

static enum status check_roots(struct import *im)
{
    const struct block *b = &im->block;
    hash32 root, uncles;
    uint64_t clock = clock_mono_ns();
    enum status s = chain_tx_root(&root, b->txs, b->n_txs, &im->arena);
    import_charge(&im->c->times.root_ns, &clock);
    if (s != OK) return s;
    if (!hash_eq(&root, &b->header.tx_root)) return import_bad(im, BLOCK_TX_ROOT);
    keccak256(uncles.b, b->uncles_raw.ptr, b->uncles_raw.len);
    if (!hash_eq(&uncles, &b->header.uncles_hash)) return import_bad(im, BLOCK_UNCLES);
    return OK;
}

bool import_gas_limit_in_bounds(const struct chain *c, const struct header *h, const struct header *p)
{
    uint64_t limit = chain_parent_gas_limit(c->spec, h, p), delta = limit / c->spec->gas_limit_bound_divisor;
    return h->gas_limit > limit - delta && h->gas_limit < limit + delta && h->gas_limit >= c->spec->min_gas_limit;
}

static enum block_verdict check_parent(const struct chain *c, const struct header *h, const struct header *p)
{
    if (h->number != p->number + 1) return BLOCK_NUMBER;
    if (h->timestamp <= p->timestamp) return BLOCK_TIMESTAMP;
    if (!engine_has_gas_limit(c, h->number) && !import_gas_limit_in_bounds(c, h, p)) return BLOCK_GAS_LIMIT;
    if (h->has_base_fee) {
        u256 want = exec_base_fee(c->spec, p);
        if (!u256_eq(&want, &h->base_fee)) return BLOCK_BASE_FEE;
    }
    if (c->spec->engine == ENGINE_AURA) return import_from_aura(aura_check_family(h, p, &c->spec->aura));
    return BLOCK_VALID;
}

/* two blocks of one author in one step: reported, accepted (SPEC aura.md B4). What counts is the hash that was signed: the signature itself, and
 * with it the block's hash, could be altered by others. */
void chain_note_seal(struct chain *c, const struct header *h)
{
    hash32 sealed = header_aura_seal_hash(h), *hash = &sealed;
    for (size_t i = 0; i < RECENT_SEALS && i < c->next_seal; i++) {
        struct recent_seal *r = &c->seals[i];
        if (r->step == h->step && address_eq(&r->author, &h->author)) {
            if (!hash_eq(&r->hash, hash)) report(c, true, &h->author, h->number, "two blocks in one step");
            return;
        }
    }
    c->seals[c->next_seal++ % RECENT_SEALS] = (struct recent_seal){.step = h->step, .author = h->author, .hash = *hash};
}

bool chain_has_seal_from(const struct chain *c, const address *author, uint64_t step)
{
    for (size_t i = 0; i < RECENT_SEALS && i < c->next_seal; i++)
        if (c->seals[i].step >= step && address_eq(&c->seals[i].author, author)) return true;
    return false;
}

/* a side block's fork from a former import; forks do not move but by a re-org, which forgets them all */
static bool known_fork(uint64_t *fork, const struct chain *c, const hash32 *hash)
{
    for (size_t i = 0; i < RECENT_FORKS && i < c->next_fork; i++) {
        if (!hash_eq(&c->forks[i].hash, hash)) continue;
        *fork = c->forks[i].fork;
        return true;
    }
    return false;
}

/* Refused for what its hash stands for: the same again is refused without a look. Not so what a clock or a damaged body causes. */
static bool is_lasting(enum block_verdict v)
{
    return v != BLOCK_VALID && v != BLOCK_MALFORMED && v != BLOCK_FUTURE && v != BLOCK_TX_ROOT && v != BLOCK_UNCLES && v != BLOCK_WITHDRAWALS &&
           v != BLOCK_PAST_FINALITY;
}

static enum block_verdict known_bad(const struct chain *c, const hash32 *hash)
{
    for (size_t i = 0; i < RECENT_BAD && i < c->next_bad; i++)
        if (hash_eq(&c->bad[i].hash, hash)) return c->bad[i].verdict;
    return BLOCK_VALID;
}

static void note_bad(struct chain *c, const hash32 *hash, enum block_verdict v)
{
    if (is_lasting(v) && known_bad(c, hash) == BLOCK_VALID) c->bad[c->next_bad++ % RECENT_BAD] = (struct recent_bad){.hash = *hash, .verdict = v};
}

/* the number where the branch of im->parent leaves the canonical chain; deep: parent itself is not canonical. A branch that left it before the
 * finalised block may be gone from the database in part: it is bad whatever it is. */
static enum status find_fork(uint64_t *fork, bool *deep, struct import *im, struct kv_txn *txn)
{
    hash32 at = im->block.header.parent_hash;
    uint64_t n = im->parent.number;
    struct arena a;
    arena_init(&a, 1 << 20);
    enum status s = OK;
    *deep = known_fork(fork, im->c, &at);
    if (*deep) return OK;
    for (;;) {
        hash32 canonical;
        if (n < im->c->head.finalised) {
            s = import_bad(im, BLOCK_PAST_FINALITY);
            break;
        }
        s = blocks_get_canonical_hash(&canonical, txn, n);
        if (s != OK && s != E_NOT_FOUND) break;
        if (s == OK && hash_eq(&canonical, &at)) {
            *fork = n;
            break;
        }
        *deep = true;
        if (n <= im->c->head.finalised) { /* another block at that height: it may have been dropped already, its children may not */
            s = import_bad(im, BLOCK_PAST_FINALITY);
            break;
        }
        struct header h;
        arena_reset(&a);
        s = n == 0 ? E_CORRUPT : blocks_get_header(&h, txn, &at, &a);
        if (s != OK) break;
        at = h.parent_hash;
        n--;
    }
    arena_fini(&a);
    return s;
}

/* the seal of a block whose parent is not the head: by the set at the fork. Further up an unexecuted branch the set may have changed in a way
 * that only execution shows: then the author's own signature must do until the branch is executed, and nothing is said of its empty steps. */
static enum status check_side_seal(struct import *im, struct kv_txn *txn, uint64_t fork, bool deep)
{
    struct validators set;
    uint64_t since;
    enum status s = epoch_set_at(&set, &since, im->c, txn, fork);
    if (s != OK) return s;
    enum aura_verdict v = aura_check_proposer(&im->block.header, &set);
    if ((v == AURA_NOT_PROPOSER || v == AURA_EMPTY_STEPS) && deep && im->c->spec->aura.validators.kind != VALSET_LIST)
        v = aura_check_signature(&im->block.header);
    validators_fini(&set);
    return import_bad(im, import_from_aura(v));
}

void chain_show_epoch(struct chain *c)
{
    const struct finality *f = &c->epoch.fin;
    struct validators set = {0}, old = {0};
    bool is_same = validators_eq(&c->view.set, &f->set);
    if (!is_same && validators_copy(&set, f->set.list, f->set.n) != OK) BUG("out of memory");
    pthread_mutex_lock(&c->lock);
    if (!is_same) {
        old = c->view.set;
        c->view.set = set;
    }
    c->view.epoch = (struct chain_epoch){.start_block = c->epoch.number,
                                         .has_pending = c->epoch.has_pending,
                                         .pending_signal_block = c->epoch.pending_signal_block,
                                         .signers_seen = f->n_distinct,
                                         .signers_needed = finality_needed(f),
                                         .ballot = c->epoch.com.ballot,
                                         .decided = c->epoch.decided,
                                         .earlier_sets = c->epoch.com.joint_until == UINT64_MAX ? c->epoch.com.n_before : 0};
    pthread_mutex_unlock(&c->lock);
    validators_fini(&old);
}

void chain_publish(struct chain *c, const struct chain_head *head, bool changed_set, uint64_t now_ms, const struct chain_event *event)
{
    pthread_mutex_lock(&c->lock);
    c->head = *head;
    /* SPEC(aura.md B2): at a change of the set a step may have two proposers: the new set waits for the next step */
    if (changed_set && c->spec->engine == ENGINE_AURA) {
        const uint64_t step = aura_step_at(&c->spec->aura, now_ms);
        /* not so for a block that comes late, or by a clock that runs ahead: it would close a step that is still to come */
        c->closed_step = step <= head->step + 1 ? step : UINT64_MAX;
    }
    pthread_mutex_unlock(&c->lock);
    chain_show_epoch(c);
    if (c->cfg.on_event != NULL) c->cfg.on_event(c->cfg.listener_ctx, event);
}

/* SPEC(aura.md B4): benign, unless empty steps tell of it */
void import_report_skipped(struct chain *c, const struct import *im)
{
    const struct header *h = &im->block.header, *p = &im->parent;
    if (c->cfg.on_report == NULL || c->spec->engine != ENGINE_AURA || aura_empty_steps_count(h) > 0 || p->number == 0) return;
    const struct validators *set = &c->view.set; /* it is not shown yet if this block changed it */
    address first = {{0}};
    for (uint64_t step = p->step + 1; step < h->step && set->n > 0; step++) {
        const address *skipped = aura_proposer(set, step);
        if (step != p->step + 1 && address_eq(skipped, &first)) break;
        if (step == p->step + 1) first = *skipped;
        report(c, false, skipped, h->number, "skipped its step");
    }
}

static enum status import_on_head(enum import_result *result, struct import *im)
{
    struct chain *c = im->c;
    struct kv_txn *txn = NULL;
    struct chain_head head;
    struct epoch_step step;
    struct receipt *receipts = NULL;
    uint64_t before = c->head.finalised;
    enum status s = kv_begin(&txn, c->kv, true);
    if (s != OK) return s;
    s = import_run_block(im, txn, &c->epoch, &im->block, &im->td, &head, &step, c->head.finalised, &receipts, &im->arena);
    if (s == OK && im->verdict == BLOCK_VALID) {
        uint64_t clock = clock_mono_ns();
        s = kv_commit(txn);
        txn = NULL;
        import_charge(&c->times.commit_ns, &clock);
    }
    kv_abort(txn);
    if (s != OK) {
        c->is_stale = true;
    } else if (im->verdict == BLOCK_VALID) {
        import_report_skipped(c, im); /* by the set that was in force, so before the new one is shown */
        struct chain_event event = {.added = &im->block,
                                    .n_added = 1,
                                    .head_receipts = receipts,
                                    .n_head_receipts = im->block.n_txs,
                                    .finality_advanced = head.finalised != before};
        chain_publish(c, &head, step.changed_set, im->now_ms, &event);
        *result = IMPORT_HEAD;
    }
    return s;
}

/* ------------------------------------------------------------ side branches */

enum status import_put_side(struct import *im, struct kv_txn *txn)
{
    const struct block_meta meta = {.td = im->td, .number = im->block.header.number};
    enum status s = blocks_put(txn, &im->block, &meta);
    return s == OK ? blocks_set_side(txn, meta.number, &im->block.hash) : s;
}

void import_note_side(struct chain *c, const hash32 *hash, uint64_t fork)
{
    c->n_sides++;
    c->forks[c->next_fork++ % RECENT_FORKS] = (struct recent_fork){.hash = *hash, .fork = fork};
}

static enum status store_side(struct import *im, uint64_t fork)
{
    struct chain *c = im->c;
    struct kv_txn *txn;
    if (c->n_sides >= SIDE_MAX) return OK; /* not kept: who is on such a branch has to come back to ours, or we to theirs by hand */
    enum status s = kv_begin(&txn, c->kv, true);
    if (s != OK) return s;
    s = import_put_side(im, txn);
    if (s != OK) {
        kv_abort(txn);
        return s;
    }
    s = kv_commit(txn);
    if (s == OK) import_note_side(c, &im->block.hash, fork);
    return s;
}

/* the blocks of a branch from a bad one on; all but the last are side blocks already */
static enum status mark_invalid(struct chain *c, const struct block *list, size_t n)
{
    struct kv_txn *txn;
    enum status s = kv_begin(&txn, c->kv, true);
    if (s != OK) return s;
    for (size_t i = 0; s == OK && i < n; i++) {
        struct block_meta meta = {.number = list[i].header.number, .invalid = true};
        s = blocks_put_meta(txn, &list[i].hash, &meta);
        if (s == OK) s = blocks_set_side(txn, meta.number, &list[i].hash);
    }
    if (s != OK) {
        kv_abort(txn);
        return s;
    }
    c->is_stale = true; /* the count of side blocks */
    return kv_commit(txn);
}

/* blocks of the branch that ends in im->block, ascending, from fork + 1 on; in the arena */
static enum status load_branch(struct block **out, size_t *n_out, struct import *im, struct kv_txn *txn, uint64_t fork)
{
    uint64_t n64 = im->block.header.number - fork;
    if (n64 > REORG_MAX) return E_LIMIT;
    size_t n = (size_t)n64;
    struct block *list = arena_zalloc(&im->arena, n, sizeof *list);
    if (list == NULL) return E_NOMEM;
    list[n - 1] = im->block;
    for (size_t i = n - 1; i-- > 0;) {
        const hash32 *hash = &list[i + 1].header.parent_hash;
        struct block_meta meta;
        enum status s = blocks_get_meta(&meta, txn, hash);
        if (s == OK) s = blocks_get(&list[i], txn, hash, &im->arena);
        if (s != OK) return s;
        if (meta.invalid) im->verdict = BLOCK_BAD_PARENT;
    }
    *out = list;
    *n_out = n;
    return OK;
}

/* undo canonical blocks down to fork; their hashes, descending, in the arena */
static enum status unwind_to(hash32 **removed, size_t *n_removed, struct import *im, struct kv_txn *txn, uint64_t fork)
{
    uint64_t head = im->c->head.number;
    hash32 *list = arena_zalloc(&im->arena, (size_t)(head - fork) + 1, sizeof *list);
    if (list == NULL) return E_NOMEM;
    size_t k = 0;
    struct arena a;
    arena_init(&a, BLOCK_ARENA_MAX);
    enum status s = OK;
    for (uint64_t n = head; n > fork && s == OK; n--) {
        struct block b;
        arena_reset(&a);
        s = blocks_get_canonical_hash(&list[k], txn, n);
        if (s == OK) s = blocks_get(&b, txn, &list[k], &a);
        if (s == OK) s = state_unwind(txn, n);
        if (s == OK) s = blocks_unset_canonical(txn, &b);
        k++;
    }
    arena_fini(&a);
    *removed = list;
    *n_removed = k;
    return s;
}

/* execute a branch on the state of its fork. *n_done: how many were, the last one with a verdict if that is bad */
static enum status execute_branch(size_t *n_done, struct import *im, struct kv_txn *txn, struct epoch *e, struct block *branch, size_t n,
                                  u256 td, struct chain_head *head, bool *changed_set, struct receipt **receipts, struct arena *a)
{
    enum status s = OK;
    size_t i = 0;
    while (s == OK && im->verdict == BLOCK_VALID && i < n) {
        struct block *b = &branch[i++];
        struct epoch_step step;
        td = u256_add(td, b->header.difficulty);
        arena_reset(a);
        s = import_run_block(im, txn, e, b, &td, head, &step, head->finalised, receipts, a);
        if (s != OK || im->verdict != BLOCK_VALID) break;
        *changed_set |= step.changed_set;
        s = blocks_unset_side(txn, b->header.number, &b->hash);
    }
    *n_done = i;
    return s;
}

/* what reorganise builds in its transaction */
struct reorg {
    struct block *branch;
    hash32 *removed;
    size_t n_branch, n_removed, n_done;
    struct epoch epoch;
    struct chain_head head;
    bool changed_set;
    struct receipt *receipts; /* of the last block, in the arena */
    struct arena arena;
};

static enum status build_reorg(struct reorg *r, struct import *im, struct kv_txn *txn, uint64_t fork)
{
    hash32 hash;
    struct block_meta meta;
    enum status s = load_branch(&r->branch, &r->n_branch, im, txn, fork);
    if (s != OK || im->verdict != BLOCK_VALID) return s;
    s = unwind_to(&r->removed, &r->n_removed, im, txn, fork);
    if (s == OK) s = blocks_get_canonical_hash(&hash, txn, fork);
    if (s == OK) s = blocks_get_meta(&meta, txn, &hash);
    if (s == OK) s = epoch_load(&r->epoch, im->c, txn, fork, &hash);
    if (s != OK) return s;
    return execute_branch(&r->n_done, im, txn, &r->epoch, r->branch, r->n_branch, meta.td, &r->head, &r->changed_set, &r->receipts, &r->arena);
}

/* the branch of im->block comes before the chain: all of it in one transaction, or nothing of it. unsure: whether it does shows when it is executed */
static enum status reorganise(enum import_result *result, struct import *im, uint64_t fork, bool unsure)
{
    struct chain *c = im->c;
    struct kv_txn *txn = NULL;
    struct reorg r = {.head = c->head};
    uint64_t before = c->head.finalised;
    arena_init(&r.arena, BLOCK_ARENA_MAX);
    enum status s = kv_begin(&txn, c->kv, true);
    if (s == OK) s = build_reorg(&r, im, txn, fork);
    const bool stays = s == OK && im->verdict == BLOCK_VALID && unsure && !side_is_better(c, &r.epoch, &im->td);
    if (s == OK && im->verdict == BLOCK_VALID && !stays) {
        s = kv_commit(txn);
        txn = NULL;
    }
    kv_abort(txn);
    if (stays) {
        side_take(c, &r.epoch, &im->block.hash);
        *result = IMPORT_SIDE;
        c->is_stale = true; /* the count of side blocks */
        s = store_side(im, fork);
    } else if (s == OK && im->verdict != BLOCK_VALID) {
        if (r.n_done > 0) note_bad(c, &r.branch[r.n_done - 1].hash, im->verdict);
        if (r.n_done > 0 && r.n_done < r.n_branch) im->verdict = BLOCK_BAD_PARENT; /* the fault is further down */
        size_t first = r.n_done > 0 ? r.n_done - 1 : r.n_branch - 1;
        s = mark_invalid(c, r.branch + first, r.n_branch - first);
    } else if (s == OK) {
        epoch_fini(&c->epoch);
        c->epoch = r.epoch;
        r.epoch = (struct epoch){0};
        c->next_fork = 0;
        c->is_stale = true; /* the count of side blocks */
        struct chain_event event = {.added = r.branch,
                                    .n_added = r.n_branch,
                                    .removed = r.removed,
                                    .n_removed = r.n_removed,
                                    .head_receipts = r.receipts,
                                    .n_head_receipts = im->block.n_txs,
                                    .finality_advanced = r.head.finalised != before};
        chain_publish(c, &r.head, r.changed_set, im->now_ms, &event);
        *result = IMPORT_HEAD;
    } else if (s == E_NOT_FOUND || s == E_LIMIT || s == E_NOMEM) {
        /* what it would take to go back that far is pruned, or it is too much at once: the branch stays a side branch */
        *result = IMPORT_SIDE;
        c->is_stale = true;
        c->has_side = unsure; /* that cannot be told */
        s = store_side(im, fork);
    }
    if (s != OK) c->is_stale = true;
    epoch_fini(&r.epoch);
    arena_fini(&r.arena);
    return s;
}

enum status import_judge_side(uint64_t *fork, bool *better, bool *unsure, struct import *im, struct kv_txn *txn)
{
    bool deep = false;
    *fork = 0;
    *better = *unsure = false;
    enum status s = find_fork(fork, &deep, im, txn);
    if (s == OK && im->verdict == BLOCK_VALID && *fork < im->c->head.finalised) im->verdict = BLOCK_PAST_FINALITY;
    if (s == OK && im->verdict == BLOCK_VALID && im->c->spec->engine == ENGINE_AURA) s = check_side_seal(im, txn, *fork, deep);
    if (s == OK && im->verdict == BLOCK_VALID)
        s = side_judge(better, unsure, im->c, txn, &im->block.header, &im->block.hash, &im->td, *fork);
    return s;
}

static enum status import_on_side(enum import_result *result, struct import *im)
{
    struct kv_txn *txn;
    uint64_t fork;
    bool better, unsure;
    enum status s = kv_begin(&txn, im->c->kv, false);
    if (s != OK) return s;
    s = import_judge_side(&fork, &better, &unsure, im, txn);
    kv_abort(txn);
    if (s != OK || im->verdict != BLOCK_VALID) return s;
    if (better || unsure) return reorganise(result, im, fork, unsure);
    *result = IMPORT_SIDE;
    return store_side(im, fork);
}

/* ---------------------------------------------------------------- import */

/* The signature does not cover the step (SPEC aura.md B1: the bare hash), but the difficulty that it covers tells it: difference to the
 * parent's. Without this anyone could move the step of an honest block. */
static bool is_step_signed(const struct import *im)
{
    const struct header *h = &im->block.header;
    struct kv_txn *txn;
    struct header parent;
    struct arena a;
    if (kv_begin(&txn, im->c->kv, false) != OK) return false;
    arena_init(&a, 1 << 20);
    bool yes = blocks_get_header(&parent, txn, &h->parent_hash, &a) == OK;
    if (yes) {
        u256 want = aura_difficulty(parent.seal == SEAL_AURA ? parent.step : 0, h->step, aura_empty_steps_count(h));
        yes = u256_eq(&want, &h->difficulty) && aura_check_signature(h) == AURA_VALID;
    }
    kv_abort(txn);
    arena_fini(&a);
    return yes;
}

/* SPEC(aura.md B4): who sealed a block that the rules of steps refuse is reported. Only what a validator has signed is held against it. */
static void report_bad(const struct import *im)
{
    const struct header *h = &im->block.header;
    enum block_verdict v = im->verdict;
    if (v != BLOCK_STEP && v != BLOCK_FUTURE && v != BLOCK_NOT_PROPOSER) return;
    if (im->c->cfg.on_report == NULL || h->seal != SEAL_AURA) return;
    if (validators_index(&im->c->view.set, &h->author) == im->c->view.set.n || !is_step_signed(im)) return;
    report(im->c, v == BLOCK_STEP, &h->author, h->number, block_verdict_text(v));
}

static enum status decode(struct import *im, bytes rlp)
{
    if (im->ahead != NULL && im->ahead->is_whole) {
        im->block = im->ahead->block;
        return OK;
    }
    if (rlp.len > BLOCK_MAX) return import_bad(im, BLOCK_MALFORMED);
    bytes rest = rlp;
    enum status s = block_get(&im->block, &rest, &im->arena, im->err);
    if (s == E_NOMEM) return s;
    return s != OK || rest.len != 0 ? import_bad(im, BLOCK_MALFORMED) : OK;
}

enum status import_prepare(bool *settled, enum import_result *result, uint64_t *retry_ms, struct import *im, bytes rlp, struct kv_txn *txn)
{
    struct block_meta meta;
    *settled = true;
    *result = IMPORT_BAD;
    enum status s = decode(im, rlp);
    if (s != OK || im->verdict != BLOCK_VALID) return s;
    s = blocks_get_meta(&meta, txn, &im->block.hash);
    if (s == OK) {
        *result = meta.invalid ? IMPORT_BAD : IMPORT_KNOWN;
        if (meta.invalid) {
            enum block_verdict why = known_bad(im->c, &im->block.hash);
            im->verdict = why != BLOCK_VALID ? why : BLOCK_BAD_PARENT;
        }
        return OK;
    }
    uint64_t early_ms = 0;
    if (s == E_NOT_FOUND) im->verdict = known_bad(im->c, &im->block.hash);
    if (im->verdict == BLOCK_VALID && known_bad(im->c, &im->block.header.parent_hash) != BLOCK_VALID) im->verdict = BLOCK_BAD_PARENT;
    if (s == E_NOT_FOUND && im->verdict != BLOCK_VALID) return OK;
    if (s == E_NOT_FOUND) {
        s = OK;
        im->verdict = check_basic(im->c, &im->block, im->now_ms, &early_ms);
        if (im->verdict == BLOCK_VALID && (im->ahead == NULL || !im->ahead->is_whole)) s = check_roots(im);
    }
    if (s == OK && im->verdict == BLOCK_VALID && early_ms != 0) {
        *result = IMPORT_EARLY;
        *retry_ms = early_ms;
        return OK;
    }
    if (s == OK && im->verdict == BLOCK_VALID) {
        s = blocks_get_meta(&im->parent_meta, txn, &im->block.header.parent_hash);
        if (s == E_NOT_FOUND) {
            *result = IMPORT_ORPHAN;
            return OK;
        }
        if (s == OK && im->parent_meta.invalid) im->verdict = BLOCK_BAD_PARENT;
        if (s == OK && im->verdict == BLOCK_VALID) {
            s = blocks_get_header(&im->parent, txn, &im->block.header.parent_hash, &im->arena);
            if (s == OK) im->verdict = check_parent(im->c, &im->block.header, &im->parent);
        }
    }
    if (s == OK && im->verdict == BLOCK_VALID) {
        im->td = u256_add(im->parent_meta.td, im->block.header.difficulty);
        *settled = false;
    }
    return s;
}

enum status import_one(struct chain_imported *out, struct chain *c, bytes rlp, struct chain_ahead *ahead, uint64_t now_ms, struct err *err)
{
    struct import im = {.c = c, .ahead = ahead, .now_ms = now_ms, .verdict = BLOCK_VALID, .err = err};
    struct kv_txn *txn = NULL;
    chain_note_time(c, now_ms);
    if (err != NULL) err->text[0] = '\0';
    if (ahead != NULL) chain_ahead_finish(c, ahead);
    arena_init(&im.arena, BLOCK_ARENA_MAX);
    struct chain_imported r = {.n = 1, .result = IMPORT_BAD};
    bool settled;
    enum status s = kv_begin(&txn, c->kv, false);
    if (s == OK) s = import_prepare(&settled, &r.result, &r.retry_ms, &im, ahead != NULL ? ahead->rlp : rlp, txn);
    kv_abort(txn);
    if (s == OK && !settled) {
        bool on_head = hash_eq(&im.block.header.parent_hash, &c->head.hash);
        s = chain_refresh(c);
        if (s == OK) s = on_head ? import_on_head(&r.result, &im) : import_on_side(&r.result, &im);
        if (s == OK && im.verdict == BLOCK_VALID && c->spec->engine == ENGINE_AURA) chain_note_seal(c, &im.block.header);
    }
    if (s == OK && im.verdict != BLOCK_VALID) {
        r.result = IMPORT_BAD;
        r.verdict = im.verdict;
        if (err != NULL && err->text[0] == '\0')
            IGNORE(err_set(err, E_INVALID, "%s", block_verdict_text(im.verdict)), "only text");
        note_bad(c, &im.block.hash, im.verdict);
        report_bad(&im);
    }
    arena_fini(&im.arena);
    if (s == OK) *out = r;
    return s;
}

enum status chain_import(enum import_result *result, enum block_verdict *verdict, uint64_t *retry_ms, struct chain *c, bytes block_rlp,
                         uint64_t now_ms, struct err *err)
{
    struct chain_imported r;
    enum status s = import_one(&r, c, block_rlp, NULL, now_ms, err);
    if (s != OK) return s;
    *result = r.result;
    *verdict = r.verdict;
    if (r.result == IMPORT_EARLY) *retry_ms = r.retry_ms;
    return OK;
}
