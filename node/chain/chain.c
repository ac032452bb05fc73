/* chain.c: opening a chain, its head, and proposals of our own. Imports are in import.c. */
#include "node/chain/chain.h"

#include "lib/base/clock.h"
#include "node/chain/chain_priv.h"
#include "node/chain/genesis.h"
#include "node/store/tables.h"

/* ------------------------------------------------------------------ open */

#define FORM_KEY BYTES_LIT("schema")
#define SPEC_DIGEST_KEY BYTES_LIT("spec.digest")

static enum status write_genesis(struct chain *c, struct kv_txn *txn, struct err *err)
{
    struct genesis g;
    struct state *state = NULL;
    struct validators set = {0};
    enum status s = genesis_build(&g, c->spec, txn, err);
    if (s != OK) return s;
    struct block b = {.header = g.header, .hash = g.hash, .uncles_raw = {(const uint8_t *)"\xc0", 1}};
    struct block_meta meta = {.td = g.header.difficulty, .executed = true};
    s = state_open(&state, txn, STATE_LATEST);
    if (s == OK) s = engine_genesis_set(&set, c, state, &g.header, err);
    state_free(state);
    if (s == OK) s = epoch_put(txn, 0, &g.hash, &set);
    if (s == OK) s = blocks_put(txn, &b, &meta);
    if (s == OK) s = blocks_put_receipts(txn, &b, NULL, 0);
    if (s == OK) s = blocks_set_canonical(txn, &b);
    if (s == OK) s = blocks_set_head(txn, 0, &g.hash);
    validators_fini(&set);
    return s;
}

/* META "spec.digest": a byte for this program's reading of specs || digest of the text whose genesis the database holds. The same text is
 * not executed again at every start: with a million accounts that takes longer than all the rest. */
enum { SPEC_READING = 1, SPEC_NOTE_LEN = 1 + sizeof(hash32) };

static bytes spec_note(uint8_t dst[static SPEC_NOTE_LEN], const struct chain_spec *spec)
{
    dst[0] = SPEC_READING;
    memcpy(dst + 1, spec->digest.b, sizeof spec->digest);
    return bytes_make(dst, SPEC_NOTE_LEN);
}

static enum status note_spec(struct chain *c, struct kv_txn *txn)
{
    uint8_t note[SPEC_NOTE_LEN];
    if (hash_is_zero(&c->spec->digest)) return OK;
    return kv_put(txn, TABLE_META, SPEC_DIGEST_KEY, spec_note(note, c->spec));
}

static enum status check_genesis(struct chain *c, struct kv_txn *txn, struct err *err)
{
    struct genesis g;
    hash32 have;
    uint8_t note[SPEC_NOTE_LEN];
    bytes noted;
    enum status s = kv_get(&noted, txn, TABLE_META, SPEC_DIGEST_KEY);
    if (s == OK && !hash_is_zero(&c->spec->digest) && bytes_eq(noted, spec_note(note, c->spec))) return OK;
    if (s == OK || s == E_NOT_FOUND) s = blocks_get_canonical_hash(&have, txn, 0);
    if (s == OK) s = genesis_compute(&g, c->spec, err);
    if (s != OK) return s;
    if (hash_eq(&have, &g.hash)) return note_spec(c, txn);
    char a[67], b[67];
    hash_put(a, &have);
    hash_put(b, &g.hash);
    return err_set(err, E_CONFLICT, "the database holds a chain with genesis %s, but the chain spec gives %s: use another base_path, or the spec this database was made with", a, b);
}

/* META "schema": the form of the tables, a byte. 1, or none: before the history by blocks (node/state/history_old.c), which is read as it stands. */
enum { DATABASE_FORM = 2 };

static enum status check_form(struct kv_txn *txn, struct err *err)
{
    const uint8_t ours = DATABASE_FORM;
    bytes v;
    enum status s = kv_get(&v, txn, TABLE_META, FORM_KEY);
    if (s == OK && v.len != 1) return E_CORRUPT;
    if (s == OK && v.ptr[0] > ours)
        return err_set(err, E_UNSUPPORTED, "the database has form %u, but this program knows those up to %u: run the version that wrote it, or a later one",
                       (unsigned)v.ptr[0], (unsigned)ours);
    if (s != OK && s != E_NOT_FOUND) return s;
    return s == OK && v.ptr[0] == ours ? OK : kv_put(txn, TABLE_META, FORM_KEY, bytes_make(&ours, 1));
}

static enum status load_head(struct chain *c, struct kv_txn *txn)
{
    uint64_t number, finalised;
    hash32 hash;
    struct header h;
    struct block_meta meta;
    struct arena a;
    arena_init(&a, 1 << 20);
    enum status s = blocks_get_head(&number, &hash, &finalised, txn);
    if (s == OK) s = blocks_get_header(&h, txn, &hash, &a);
    if (s == OK) s = blocks_get_meta(&meta, txn, &hash);
    if (s == OK) s = epoch_load(&c->epoch, c, txn, number, &hash);
    if (s == OK) s = blocks_count_sides(&c->n_sides, txn);
    if (s == OK) {
        chain_fill_head(&c->head, c, &h, &hash, &meta.td, finalised, c->epoch.majority);
        chain_show_epoch(c);
    }
    arena_fini(&a);
    return s;
}

void chain_note_time(struct chain *c, uint64_t now_ms)
{
    if (c->first_step == 0 && c->spec->engine == ENGINE_AURA) c->first_step = aura_step_at(&c->spec->aura, now_ms);
}

enum status chain_refresh(struct chain *c)
{
    if (!c->is_stale) return OK;
    struct kv_txn *txn;
    struct epoch e;
    size_t n_sides;
    enum status s = kv_begin(&txn, c->kv, false);
    if (s != OK) return s;
    s = epoch_load(&e, c, txn, c->head.number, &c->head.hash);
    if (s == OK) {
        epoch_fini(&c->epoch);
        c->epoch = e;
        s = blocks_count_sides(&n_sides, txn);
    }
    kv_abort(txn);
    if (s != OK) return s;
    c->n_sides = n_sides;
    c->is_stale = false;
    return OK;
}

enum status chain_open(struct chain **out, struct kv *kv, const struct chain_spec *spec, const struct chain_config *cfg,
                       struct err *err)
{
    struct chain *c = calloc(1, sizeof *c);
    if (c == NULL) return E_NOMEM;
    c->kv = kv;
    c->spec = spec;
    c->cfg = *cfg;
    c->closed_step = UINT64_MAX;
    pthread_mutex_init(&c->lock, NULL);
    if (err != NULL) err->text[0] = '\0';

    struct kv_txn *txn = NULL;
    uint64_t number, finalised;
    hash32 hash;
    enum status s = evm_new(&c->evm, 0);
    if (s == OK && cfg->cache_bytes != CHAIN_NO_CACHE) s = state_cache_new(&c->cache, cfg->cache_bytes == 0 ? CHAIN_CACHE_BYTES : cfg->cache_bytes);
    if (s == OK) s = state_sieve_new(&c->sieve, STATE_SIEVE_PATIENCE);
    if (s == OK) s = workers_new(&c->workers, cfg->worker_threads);
    c->helpers = (struct trie_helpers){.ctx = c->workers, .run = workers_run};
    if (s == OK && spec->has_tx_permission_contract) s = tx_filter_new(&c->filter);
    if (s == OK) s = kv_begin(&txn, kv, true);
    if (s == OK) s = check_form(txn, err);
    if (s != OK) goto out;
    s = blocks_get_head(&number, &hash, &finalised, txn);
    if (s == E_NOT_FOUND) {
        number = 0;
        s = write_genesis(c, txn, err);
        if (s == OK) s = note_spec(c, txn);
    } else if (s == OK) {
        s = check_genesis(c, txn, err);
    }
    if (s == OK) s = state_set_archive(txn, cfg->archive, number);
    if (s == OK) s = blocks_get_canonical_hash(&c->genesis_hash, txn, 0);
    /* what was invalid may have been so by a wrong spec, which has been put right since */
    if (s == OK) s = blocks_drop_invalid(txn);
    if (s == OK) s = load_head(c, txn);
    if (s == OK) {
        s = kv_commit(txn);
        txn = NULL;
    }
out:
    kv_abort(txn);
    if (s != OK) {
        if (err != NULL && err->text[0] == '\0') IGNORE(err_set(err, s, "opening the chain: %s", status_text(s)), "only text");
        chain_close(c);
        return s;
    }
    *out = c;
    return OK;
}

void chain_close(struct chain *c)
{
    if (c == NULL) return;
    epoch_fini(&c->epoch);
    epoch_fini(&c->side);
    validators_fini(&c->view.set);
    evm_free(c->evm);
    tx_filter_free(c->filter);
    state_cache_free(c->cache);
    state_sieve_free(c->sieve);
    workers_free(c->workers);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

struct kv *chain_kv(struct chain *c)
{
    return c->kv;
}

const struct chain_spec *chain_spec_of(const struct chain *c)
{
    return c->spec;
}

uint64_t chain_history_blocks(const struct chain *c)
{
    return c->cfg.archive ? 0 : HISTORY_BLOCKS;
}

hash32 chain_genesis_hash(const struct chain *c)
{
    return c->genesis_hash;
}

void chain_get_head(struct chain_head *out, struct chain *c)
{
    pthread_mutex_lock(&c->lock);
    *out = c->head;
    pthread_mutex_unlock(&c->lock);
}

void chain_get_epoch(struct chain_epoch *out, struct chain *c)
{
    pthread_mutex_lock(&c->lock);
    *out = c->view.epoch;
    pthread_mutex_unlock(&c->lock);
}

enum status chain_validators(address **out, size_t *n, struct chain *c, struct arena *a)
{
    pthread_mutex_lock(&c->lock);
    const struct validators *set = &c->view.set;
    address *list = arena_zalloc(a, set->n + 1, sizeof *list);
    if (list != NULL && set->n > 0) memcpy(list, set->list, set->n * sizeof *list);
    size_t count = set->n;
    pthread_mutex_unlock(&c->lock);
    if (list == NULL) return E_NOMEM;
    *out = list;
    *n = count;
    return OK;
}

void chain_call_env(struct exec_env *env, struct chain *c, struct evm *evm, struct kv_txn *txn, const struct header *h, bool pending)
{
    struct header child = *h;
    if (pending) {
        child.number++;
        child.timestamp++;
        struct rules rules;
        chain_spec_rules(&rules, c->spec, child.number, child.timestamp);
        child.has_base_fee = rules.eip1559;
        if (rules.eip1559) child.base_fee = exec_base_fee(c->spec, h);
    }
    block_env_init(env, c, evm, txn, &child);
}

enum status chain_state_at(struct state **out, struct kv_txn *txn, struct chain *c, uint64_t number)
{
    uint64_t head, finalised;
    hash32 hash;
    enum status s = blocks_get_head(&head, &hash, &finalised, txn);
    if (s != OK) return s;
    if (number > head) return E_NOT_FOUND;
    return state_open_sieved(out, txn, number == head ? STATE_LATEST : number, c->sieve);
}

enum status chain_permitted(bool *out, struct chain *c, struct kv_txn *txn, struct state *s, const struct header *parent,
                            const hash32 *parent_hash, const struct tx *tx)
{
    struct exec_env env;
    block_env_init(&env, c, NULL, txn, parent);
    return tx_filter_check(out, c->filter, &env, s, parent_hash, tx);
}

enum status chain_tx_permitted(enum tx_verdict *v, struct chain *c, struct kv_txn *txn, struct state *s, const struct tx *tx)
{
    if (!c->spec->has_tx_permission_contract) return OK;
    uint64_t number, finalised;
    hash32 hash;
    struct header h;
    struct arena a;
    bool permitted = true;
    arena_init(&a, 1 << 20);
    enum status st = blocks_get_head(&number, &hash, &finalised, txn);
    if (st == OK && tx_filter_is_active(c->spec, number + 1)) {
        st = blocks_get_header(&h, txn, &hash, &a);
        if (st == OK) st = chain_permitted(&permitted, c, txn, s, &h, &hash, tx);
    }
    arena_fini(&a);
    if (st == OK && !permitted) *v = TX_NOT_PERMITTED;
    return st;
}

/* --------------------------------------------------------------- sealing */

void chain_step_at(uint64_t *step, uint64_t *next_step_ms, struct chain *c, uint64_t now_ms)
{
    const struct aura_params *p = &c->spec->aura;
    *step = aura_step_at(p, now_ms);
    *next_step_ms = aura_step_start_ms(p, *step + 1);
}

bool chain_is_proposer(struct chain *c, const address *me, uint64_t step)
{
    pthread_mutex_lock(&c->lock);
    const struct validators *set = &c->view.set;
    bool yes = set->n > 0 && step > c->head.step && step != c->closed_step && address_eq(aura_proposer(set, step), me);
    pthread_mutex_unlock(&c->lock);
    return yes;
}

/* SPEC(EIP-1559): the first block with a base fee may be `elasticity` times as large as its parent, so that its target is the old limit */
uint64_t chain_parent_gas_limit(const struct chain_spec *spec, const struct header *child, const struct header *parent)
{
    uint64_t limit = parent->gas_limit;
    if (child->has_base_fee && !parent->has_base_fee && __builtin_mul_overflow(limit, spec->elasticity_multiplier, &limit)) limit = UINT64_MAX / 2;
    return limit;
}

/* proposal: a block in the making */
struct proposal {
    struct chain *c;
    struct arena arena;
    struct block block;
    struct header parent;
    struct tx *txs;
    struct receipt *receipts;
    size_t n, cap, n_empty; /* n_empty: empty steps that it carries */
    struct exec_env env;
    struct state *state;
    struct state *parent_state; /* what the permission contract is asked on */
    struct kv_txn *txn;
    u256 td;
};

static enum status begin_header(struct proposal *p, struct kv_txn *txn, const address *author, uint64_t step, uint64_t now_ms)
{
    struct chain *c = p->c;
    struct block_meta meta;
    enum status s = blocks_get_header(&p->parent, txn, &c->head.hash, &p->arena);
    if (s == OK) s = blocks_get_meta(&meta, txn, &c->head.hash);
    if (s != OK) return s;
    const struct chain_spec *spec = c->spec;
    uint64_t now_s = now_ms / 1000;
    uint64_t floor = c->cfg.gas_floor_target > spec->min_gas_limit ? c->cfg.gas_floor_target : spec->min_gas_limit;
    struct header *h = &p->block.header;
    *h = (struct header){.parent_hash = c->head.hash,
                         .uncles_hash = HASH_EMPTY_UNCLES,
                         .author = *author,
                         .number = p->parent.number + 1,
                         .timestamp = now_s > p->parent.timestamp ? now_s : p->parent.timestamp + 1,
                         .extra = c->cfg.extra_data,
                         .seal = SEAL_AURA,
                         .step = step};
    if (h->extra.len > spec->maximum_extra_data_size) h->extra.len = (size_t)spec->maximum_extra_data_size;
    uint64_t parent_step = p->parent.seal == SEAL_AURA ? p->parent.step : 0;
    s = empty_steps_for(&p->n_empty, h, c, parent_step, &p->arena);
    if (s != OK) return s;
    h->difficulty = aura_difficulty(parent_step, step, p->n_empty);
    struct rules rules;
    chain_spec_rules(&rules, spec, h->number, h->timestamp);
    h->has_base_fee = rules.eip1559;
    if (rules.eip1559) h->base_fee = exec_base_fee(spec, &p->parent);
    h->gas_limit = aura_gas_limit(chain_parent_gas_limit(spec, h, &p->parent), floor, spec->gas_limit_bound_divisor);
    p->block.uncles_raw = bytes_make("\xc0", 1);
    p->td = u256_add(meta.td, h->difficulty);
    return OK;
}

static enum status grow(struct proposal *p)
{
    if (p->n < p->cap) return OK;
    size_t cap = p->cap == 0 ? 256 : p->cap * 2;
    struct tx *txs = arena_zalloc(&p->arena, cap, sizeof *txs);
    struct receipt *receipts = arena_zalloc(&p->arena, cap, sizeof *receipts);
    if (txs == NULL || receipts == NULL) return E_NOMEM;
    if (p->n > 0) {
        memcpy(txs, p->txs, p->n * sizeof *txs);
        memcpy(receipts, p->receipts, p->n * sizeof *receipts);
    }
    p->txs = txs;
    p->receipts = receipts;
    p->cap = cap;
    return OK;
}

/* a contract's word on the gas limit, if it has one */
static enum status ask_gas_limit(struct proposal *p)
{
    struct header *h = &p->block.header;
    if (!engine_has_gas_limit(p->c, h->number)) return OK;
    struct exec_env env;
    uint64_t limit;
    bool has;
    block_env_init(&env, p->c, p->c->evm, p->txn, &p->parent);
    enum status s = engine_gas_limit(&limit, &has, p->c, &env, p->state, h->number);
    if (s == OK && has) h->gas_limit = limit;
    return s;
}

/* take transactions until the source is dry, the gas is used up, or the time is */
static enum status fill(struct proposal *p, struct proposal_source *src, uint64_t deadline_ms)
{
    struct tx tx;
    const uint64_t gas_limit = p->block.header.gas_limit;
    while (p->env.gas_used + 21000 <= gas_limit && clock_mono_ms() < deadline_ms && src->next(src->ctx, &tx)) {
        enum status s = grow(p);
        if (s != OK) return s;
        /* the pool may drop its copy at any moment: what goes into the block is ours */
        bytes raw = arena_copy(&p->arena, tx.raw);
        struct tx own;
        if (raw.ptr == NULL) return E_NOMEM;
        s = tx_get(&own, raw, NULL);
        if (s != OK) BUG("a pooled transaction does not decode");
        own.sender = tx.sender;
        own.has_sender = true;
        enum tx_verdict v = TX_NOT_PERMITTED;
        bool permitted = true;
        if (p->parent_state != NULL)
            s = chain_permitted(&permitted, p->c, p->txn, p->parent_state, &p->parent, &p->block.header.parent_hash, &own);
        if (s == OK && permitted) s = exec_tx(&v, &p->receipts[p->n], NULL, &p->env, p->state, &own, &p->arena);
        if (s != OK) return s;
        if (v == TX_VALID) p->txs[p->n++] = own;
        src->result(src->ctx, &own, v);
    }
    return OK;
}

static enum status finish_header(struct proposal *p)
{
    struct header *h = &p->block.header;
    p->block.txs = p->txs;
    p->block.n_txs = p->n;
    h->gas_used = p->env.gas_used;
    enum status s = chain_tx_root(&h->tx_root, p->txs, p->n, &p->arena);
    if (s == OK) s = chain_receipts_root(&h->receipts_root, &h->logs_bloom, p->receipts, p->n, &p->arena);
    if (s == OK) s = state_root(p->state, &h->state_root);
    return s;
}

static enum status commit_own(struct proposal *p, uint64_t now_ms)
{
    struct chain *c = p->c;
    struct kv_txn *txn = NULL;
    struct chain_head head;
    struct epoch_step step;
    uint64_t before = c->head.finalised;
    enum status s = kv_begin(&txn, c->kv, true);
    if (s == OK) s = promise_note_seal(c, txn, &p->block.header.author, p->block.header.step, commit_is_vote(&p->block.header) ? VOTE_BLOCK : VOTE_NONE); /* by the epoch at the parent */
    if (s == OK) {
        struct state *state = p->state;
        p->state = NULL;
        p->env.block_hash_ctx = txn;
        s = chain_finish_block(&head, &step, c, txn, &c->epoch, state, &p->env, &p->block, p->receipts, &p->td, c->head.finalised);
    }
    if (s == OK) {
        s = kv_commit(txn);
        txn = NULL;
    }
    kv_abort(txn);
    enum status synced = s == OK ? kv_sync(c->kv) : s; /* before anyone hears of it */
    if (s != OK) {
        c->is_stale = true;
    } else {
        chain_note_seal(c, &p->block.header);
        struct chain_event event = {.added = &p->block,
                                    .n_added = 1,
                                    .head_receipts = p->receipts,
                                    .n_head_receipts = p->n,
                                    .is_own = true,
                                    .finality_advanced = head.finalised != before};
        chain_publish(c, &head, step.changed_set, now_ms, &event);
    }
    return synced;
}

/* what this seal promises goes where no lost disk takes it, or the seal promises nothing */
static enum status keep_promise(struct proposal *p, struct proposal_source *src, uint64_t step, struct err *err)
{
    struct key_promise next;
    const bytes free_extra = BYTES_LIT(COMMIT_FREE_EXTRA);
    enum status s = promise_next(&next, p->c, p->txn, &p->block.header.author, step, VOTE_BLOCK);
    if (s == OK) s = src->keep(src->ctx, &next, step);
    if (s == OK) return OK;
    if (s != E_AGAIN || p->c->spec->maximum_extra_data_size < free_extra.len)
        return err_set(err, s == E_AGAIN ? E_DENIED : s, "what this seal promises cannot be kept beside the identity");
    p->block.header.extra = free_extra;
    return OK;
}

enum status chain_propose(struct buf *out, struct chain *c, const address *author, uint64_t step, uint64_t now_ms, unsigned budget_ms,
                          struct proposal_source *src, struct err *err)
{
    if (c->spec->engine != ENGINE_AURA) return err_set(err, E_UNSUPPORTED, "this chain's engine does not seal here");
    if (!chain_is_proposer(c, author, step)) return err_set(err, E_AGAIN, "not the proposer of step %llu", (unsigned long long)step);
    uint64_t deadline = clock_mono_ms() + budget_ms;
    chain_note_time(c, now_ms);
    struct proposal p = {.c = c};
    arena_init(&p.arena, BLOCK_ARENA_MAX);
    struct kv_txn *txn = NULL;
    enum block_verdict v = BLOCK_VALID;
    enum status s = chain_refresh(c);
    if (s == OK) s = kv_begin(&txn, c->kv, false);
    if (s == OK) s = promise_may_seal(c, txn, author, step, err);
    if (s == OK) s = begin_header(&p, txn, author, step, now_ms);
    p.txn = txn;
    if (s == OK) s = state_open_cached(&p.state, txn, c->cache);
    if (s == OK) state_set_helpers(p.state, &c->helpers);
    if (s == OK && tx_filter_is_active(c->spec, p.block.header.number)) s = state_open(&p.parent_state, txn, STATE_LATEST);
    if (s == OK) s = ask_gas_limit(&p);
    if (s == OK) s = grow(&p);
    if (s != OK) goto out;
    block_env_init(&p.env, c, c->evm, txn, &p.block.header);
    s = engine_open_block(&v, c, &p.env, p.state, &p.block.header, &c->epoch);
    if (s == OK && v == BLOCK_VALID) s = fill(&p, src, deadline);
    if (s == OK && v == BLOCK_VALID) s = engine_close_block(&v, c, &p.env, p.state, &p.block.header);
    src->is_empty_step = s == OK && v == BLOCK_VALID && empty_steps_is_due(c, &p.block.header, p.n, p.n_empty);
    if (src->is_empty_step) {
        s = empty_steps_sign(out, c, author, step, src);
        src->is_empty_step = s == OK;
        if (s != E_AGAIN) goto out; /* E_AGAIN: a block can say that it promises nothing, an empty step cannot */
        s = OK;
    }
    if (s == OK && v != BLOCK_VALID) s = err_set(err, E_INVALID, "cannot build a block: %s", block_verdict_text(v));
    if (s == OK) s = finish_header(&p);
    if (s != OK) goto out;
    if (src->keep != NULL) s = keep_promise(&p, src, step, err);
    if (s != OK) goto out;
    hash32 seal_hash = header_aura_seal_hash(&p.block.header);
    s = src->sign(src->ctx, p.block.header.signature, &seal_hash, step);
    if (s != OK) goto out;
    p.block.hash = header_hash(&p.block.header);
    s = commit_own(&p, now_ms);
    if (s == OK) {
        block_put(out, &p.block);
        s = buf_status(out);
    }
out:
    state_free(p.state);
    state_free(p.parent_state);
    kv_abort(txn);
    arena_fini(&p.arena);
    return s;
}
