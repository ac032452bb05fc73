/* sealer.c: the timer of our steps. At the beginning of a step that is ours, and only while the lease of our identity surely holds and we
 * are not far behind our peers, a block is built, sealed, imported and announced. */
#include "lib/base/clock.h"
#include "lib/crypto/secp256k1.h"
#include "node/aura/aura.h"
#include "node/main/node.h"

enum { BLOCK_MAX = 32 << 20, RETRY_MS = 50, CLOCK_LOG_EVERY_MS = 30000 };

/* the pool as a source of the best transactions */
struct source {
    struct node *n;
    struct pool_best *best;
};

static bool next_tx(void *ctx, struct tx *out)
{
    struct source *s = ctx;
    return pool_best_next(s->best, out);
}

static void tx_result(void *ctx, const struct tx *tx, enum tx_verdict v)
{
    struct source *s = ctx;
    if (v == TX_VALID) return;
    pool_best_skip(s->best);
    /* not in this block, perhaps in the next */
    if (v == TX_GAS_LIMIT_REACHED || v == TX_NONCE_TOO_LOW || v == TX_NONCE_TOO_HIGH || v == TX_FEE_BELOW_BASE) return;
    log_debug("pool", "dropped a transaction: %s", tx_verdict_text(v));
    IGNORE(!pool_remove(s->n->pool, &tx->hash), "it may be gone");
}

static enum status sign(void *ctx, uint8_t sig65[static 65], const hash32 *hash, uint64_t step)
{
    struct source *s = ctx;
    struct node *n = s->n;
    if (n->cfg.mode != IDENTITY_FILE) return identity_sign(n->identity, sig65, hash->b, step);
    enum status st = journal_note(&n->journal, n->self.b, step, hash->b);
    return st == OK ? ec_sign(sig65, hash->b, &n->file_key) : st;
}

static enum status keep(void *ctx, const struct key_promise *p, uint64_t step)
{
    struct source *s = ctx;
    const enum status st = identity_keep(s->n->identity, p, aura_step_start_ms(&s->n->spec.aura, step));
    if (st == E_AGAIN)
        log_warn("engine", "step=%llu is sealed without a promise: the identity store does not answer in time, so the block counts for no finality but AuRa's own",
                 (unsigned long long)step);
    return st;
}

bool node_recall(struct node *n)
{
    struct key_promise p;
    bool forgot = false;
    if (n->cfg.mode == IDENTITY_FILE || n->is_recalled) return true;
    const enum status s = identity_recall(n->identity, &p);
    if (s != OK && s != E_NOT_FOUND) return false;
    const enum status r = chain_recall(&forgot, n->chain, &n->self, s == OK ? &p : NULL);
    if (r != OK) {
        log_error("engine", "Not sealing: cannot note what this key has promised reason=%s", status_name(r));
        return false;
    }
    if (forgot)
        log_warn("engine", "this disk is older than the last seal of its key: step=%llu promised=%llu; sealing begins when the chain contains that and the "
                 "lease of then is over", (unsigned long long)p.step, (unsigned long long)p.lock_number);
    struct key_promise own;
    if (chain_promise(&own, n->chain, &n->self) == OK) IGNORE(identity_keep(n->identity, &own, 0), "the first seal does it");
    n->is_recalled = true;
    return true;
}

/* a step that is let go by for what the key has promised: said at once, then now and then, and shown */
static void note_wait(struct node *n, uint64_t step, const char *why)
{
    const uint64_t now = clock_mono_ms();
    const bool is_new = why[0] != '\0' && n->waits[0] == '\0';
    pthread_mutex_lock(&n->lock);
    (void)snprintf(n->waits, sizeof n->waits, "%s", why);
    pthread_mutex_unlock(&n->lock);
    if (why[0] == '\0' || (!is_new && now - n->waits_logged_ms < CLOCK_LOG_EVERY_MS)) return;
    n->waits_logged_ms = now;
    log_warn("engine", "Not sealing step=%llu: %s", (unsigned long long)step, why);
}

static void propose(struct node *n, uint64_t step, uint64_t now_ms)
{
    struct chain_head head;
    struct source src = {.n = n};
    struct err err = {0};
    chain_get_head(&head, n->chain);
    enum status s = pool_best_new(&src.best, n->pool, &head.base_fee);
    if (s != OK) return;
    struct proposal_source ps = {.ctx = &src, .next = next_tx, .result = tx_result, .sign = sign, .keep = n->cfg.mode == IDENTITY_FILE ? NULL : keep};
    struct buf block;
    buf_init(&block, BLOCK_MAX);
    unsigned budget = (unsigned)(aura_step_duration_ms(&n->spec.aura, step) / 2);
    n->import_began_ns = clock_mono_ns();
    s = chain_propose(&block, n->chain, &n->self, step, now_ms, budget, &ps, &err);
    pool_best_free(src.best);
    note_wait(n, step, s == E_AGAIN ? err_text(&err) : "");
    if (s == OK && ps.is_empty_step) {
        log_info("engine", "Signed an empty step, for there are no transactions step=%llu", (unsigned long long)step);
        p2p_send_consensus(n->p2p, buf_view(&block));
    } else if (s == OK) {
        chain_get_head(&head, n->chain);
        p2p_announce_block(n->p2p, &head.hash, buf_view(&block));
    } else if (s == E_CONFLICT) {
        log_warn("engine", "Not preparing block; step=%llu or a later one was signed before", (unsigned long long)step);
    } else if (s == E_DENIED) {
        log_warn("engine", "Not preparing block; cannot sign. step=%llu: the lease of this identity is not surely held%s%s", (unsigned long long)step,
                 err.text[0] != '\0' ? ", and " : "", err.text);
    } else if (s != E_AGAIN && s != E_EXISTS) {
        log_error("engine", "no block for step=%llu reason=%s: %s", (unsigned long long)step, status_name(s), err_text(&err));
    }
    buf_fini(&block);
}

/* SPEC(user-pains.md 8): with a clock off by more than half a step we would seal in the steps of others, and one that runs ahead would sign
 * steps that are never ours again */
static bool clock_is_right(struct node *n, uint64_t step, uint64_t wall_ms)
{
    struct arena a;
    address *list;
    size_t n_validators = 0;
    arena_init(&a, 1 << 20);
    const enum status s = chain_validators(&list, &n_validators, n->chain, &a);
    arena_fini(&a);
    struct skew *skew = sync_skew(p2p_sync(n->p2p));
    struct skew_state st;
    const uint64_t now = clock_mono_ms(), limit = aura_step_duration_ms(&n->spec.aura, step) / 2;
    skew_clock(skew, wall_ms, now);
    skew_get(&st, skew, limit, now);
    if (s == OK && n_validators == 1) st.is_off = false; /* a lone validator's clock is the network's */
    pthread_mutex_lock(&n->lock);
    n->clock = st;
    n->clock_limit_ms = limit;
    pthread_mutex_unlock(&n->lock);
    if (n->has_self && st.is_off && (!n->clock_is_off || now - n->clock_logged_ms > CLOCK_LOG_EVERY_MS)) {
        log_error("engine", "Not sealing: this machine's clock is %lld ms %s those of %zu of %zu peers, and half a step is %llu ms: set the clock (is NTP running?)",
                  (long long)(st.ahead_ms < 0 ? -st.ahead_ms : st.ahead_ms), st.ahead_ms < 0 ? "behind" : "ahead of", st.n_apart, st.n_measured,
                  (unsigned long long)limit);
        n->clock_logged_ms = now;
    }
    if (n->has_self && !st.is_off && n->clock_is_off)
        log_info("engine", "Sealing again: this machine's clock agrees with those of its peers skew=%lldms", (long long)st.ahead_ms);
    n->clock_is_off = st.is_off;
    return !st.is_off;
}

static void on_seal_timer(uv_timer_t *t)
{
    struct node *n = t->data;
    uint64_t now = clock_wall_ms(), step, next;
    chain_step_at(&step, &next, n->chain, now);
    struct sync_state sync;
    sync_get_state(&sync, p2p_sync(n->p2p));
    /* far behind, a block of ours could only make a fork */
    const bool is_right = clock_is_right(n, step, now); /* also where nothing is sealed: it is shown */
    if (n->has_self && step >= n->first_step && !sync.is_behind && is_right && node_recall(n) &&
        chain_is_proposer(n->chain, &n->self, step)) propose(n, step, now);
    node_send_reports(n, sync.is_behind);
    node_send_randomness(n, sync.is_behind);
    node_schedule_seal(n);
}

void node_schedule_seal(struct node *n)
{
    if (n->spec.engine != ENGINE_AURA || n->p2p == NULL) return;
    uint64_t now = clock_wall_ms(), step, next;
    chain_step_at(&step, &next, n->chain, now);
    uv_update_time(&n->loop);
    uint64_t wait = next > now ? next - now : 1;
    if (uv_timer_start(&n->seal_timer, on_seal_timer, wait, 0) != 0) BUG("uv_timer_start");
}
