/* validator.c: one node: what node/main/{node,glue,sealer}.c do, on virtual time and without threads. */
#include "lib/codec/rlp.h"
#include "lib/crypto/secp256k1.h"
#include "node/store/tables.h"
#include "tests/sim/sim.h"

enum { BLOCK_BYTES = 1 << 20, STALE_TRIES = 4, TICK_MAX_MS = 1000, TIMER_LATE_MS = 15, NEVER_BUDGET_MS = 1000000000 };

uint64_t validator_wall(const struct validator *v)
{
    const int64_t true_ms = (int64_t)v->sim->now;
    const int64_t run = (int64_t)(v->sim->now - v->drift_since);
    return (uint64_t)(true_ms + v->skew_ms + run * v->drift_ppm / 1000000);
}

void validator_set_clock(struct validator *v, int64_t skew_ms, int64_t drift_ppm)
{
    v->skew_ms = skew_ms;
    v->drift_ppm = drift_ppm;
    v->drift_since = v->sim->now;
    if (v->is_up) validator_schedule_seal(v);
}

/* ------------------------------------------------------------------ pool */

/* rules and state against a transaction, and what the pool wants to know of its sender */
static enum status check_tx(enum tx_verdict *verdict, struct pool_account *account, struct validator *v, const struct tx *tx)
{
    struct kv_txn *txn = NULL;
    struct state *state = NULL;
    struct exec_env env;
    struct header h;
    struct arena a;
    uint64_t number, finalised;
    hash32 hash;
    arena_init(&a, 1 << 20);
    enum status s = kv_begin(&txn, v->kv, false);
    if (s == OK) s = blocks_get_head(&number, &hash, &finalised, txn);
    if (s == OK) s = blocks_get_header(&h, txn, &hash, &a);
    if (s == OK) s = state_open(&state, txn, STATE_LATEST);
    if (s == OK) {
        chain_call_env(&env, v->chain, NULL, txn, &h, true);
        s = exec_tx_check(verdict, &env, state, tx);
    }
    if (s == OK) {
        account->addr = tx->sender;
        s = state_get_nonce(state, &tx->sender, &account->nonce);
        if (s == OK) s = state_get_balance(state, &tx->sender, &account->balance);
    }
    state_free(state);
    kv_abort(txn);
    arena_fini(&a);
    return s;
}

static enum sync_tx submit(struct validator *v, bytes raw)
{
    struct tx tx;
    if (tx_get(&tx, raw, NULL) != OK) return SYNC_TX_BAD;
    if (pool_has(v->pool, &tx.hash)) return SYNC_TX_KNOWN;
    if (tx_recover(&tx, true) != OK) return SYNC_TX_BAD;
    for (int i = 0; i < STALE_TRIES; i++) {
        struct pool_account account;
        enum tx_verdict verdict;
        uint64_t version = pool_version(v->pool);
        if (check_tx(&verdict, &account, v, &tx) != OK) return SYNC_TX_REFUSED;
        if (verdict != TX_VALID && verdict != TX_NONCE_TOO_HIGH) return SYNC_TX_REFUSED;
        const enum pool_verdict p = pool_add(v->pool, &tx, &account, version, v->sim->now);
        if (p == POOL_STALE) continue;
        if (p == POOL_KNOWN) return SYNC_TX_KNOWN;
        return pool_verdict_status(p) == OK ? SYNC_TX_ADDED : SYNC_TX_REFUSED;
    }
    return SYNC_TX_REFUSED;
}

bool validator_submit(struct validator *v, bytes raw)
{
    struct tx tx;
    if (!v->is_up || tx_get(&tx, raw, NULL) != OK || submit(v, raw) != SYNC_TX_ADDED) return false;
    sync_announce_tx(v->sync, &tx.hash, v->sim->now);
    validator_touch(v);
    return true;
}

/* accounts whose transactions came into or left the chain, as they stand now */
static void update_pool(struct validator *v, const struct chain_event *e)
{
    struct kv_txn *txn = NULL;
    struct state *state = NULL;
    struct arena a;
    arena_init(&a, 64 << 20);
    size_t n_txs = 0, m = 0;
    struct block *removed = arena_zalloc(&a, e->n_removed + 1, sizeof *removed);
    enum status s = kv_begin(&txn, v->kv, false);
    if (s == OK) s = state_open(&state, txn, STATE_LATEST);
    for (size_t i = 0; s == OK && i < e->n_removed; i++) {
        s = blocks_get(&removed[i], txn, &e->removed[i], &a);
        if (s == OK) n_txs += removed[i].n_txs;
    }
    for (size_t i = 0; i < e->n_added; i++)
        n_txs += e->added[i].n_txs;
    struct pool_account *list = arena_zalloc(&a, n_txs + 1, sizeof *list);
    for (size_t i = 0; s == OK && i < e->n_added + e->n_removed; i++) {
        const struct block *b = i < e->n_added ? &e->added[i] : &removed[i - e->n_added];
        for (size_t t = 0; s == OK && t < b->n_txs; t++) {
            struct tx tx = b->txs[t];
            if (!tx.has_sender) s = tx_recover(&tx, true);
            list[m].addr = tx.sender;
            if (s == OK) s = state_get_nonce(state, &tx.sender, &list[m].nonce);
            if (s == OK) s = state_get_balance(state, &tx.sender, &list[m].balance);
            m++;
        }
    }
    state_free(state);
    kv_abort(txn);
    if (s == OK) pool_on_head(v->pool, list, m, e->added[e->n_added - 1].header.gas_limit);
    for (size_t i = 0; s == OK && i < e->n_removed; i++)
        for (size_t t = 0; t < removed[i].n_txs; t++)
            (void)submit(v, removed[i].txs[t].raw);
    arena_fini(&a);
}

static void on_event(void *ctx, const struct chain_event *e)
{
    struct validator *v = ctx;
    v->sim->stats->reorgs += e->n_removed > 0;
    update_pool(v, e);
}

static bool known_sender(void *ctx, const hash32 *hash, address *out)
{
    const struct validator *v = ctx;
    return pool_known_sender(v->pool, hash, out);
}

/* ------------------------------------------------------------ sync: out */

static void op_send(void *net, uint64_t peer, unsigned message, bytes payload)
{
    struct validator *v = net;
    if (!kv_fault_is_dead(v->kv)) net_send(v->sim, v->index, (size_t)peer - 1, message, payload);
}

static void op_disconnect(void *net, uint64_t peer, enum disconnect_reason reason, const char *why)
{
    struct validator *v = net;
    if (kv_fault_is_dead(v->kv)) return;
    sim_log(v->sim, "%zu drops %zu: %s (%s)", v->index, (size_t)peer - 1, why, disconnect_reason_text(reason));
    check_blame(v, (size_t)peer - 1, reason, why);
    net_break(v->sim, v->index, (size_t)peer - 1, false, true, 50);
}

static void op_get_head(void *ctx, struct sync_head *out)
{
    struct validator *v = ctx;
    struct chain_head h;
    chain_get_head(&h, v->chain);
    *out = (struct sync_head){.number = h.number, .timestamp = h.timestamp, .finalised = h.finalised, .hash = h.hash, .td = h.td};
}

static enum status op_get_meta(void *ctx, uint64_t *number, u256 *td, const hash32 *hash)
{
    struct validator *v = ctx;
    return chain_find(number, td, v->chain, hash);
}

static bool op_has_block(void *ctx, const hash32 *hash)
{
    uint64_t number;
    u256 td;
    return op_get_meta(ctx, &number, &td, hash) == OK;
}

static enum status op_get_canonical(void *ctx, hash32 *out, uint64_t number)
{
    struct validator *v = ctx;
    return chain_find_canonical(out, v->chain, number);
}

static enum status op_put_header(void *ctx, struct buf *out, const hash32 *hash)
{
    struct validator *v = ctx;
    return chain_put_raw(out, v->chain, hash, blocks_get_header_raw);
}

static enum status op_put_body(void *ctx, struct buf *out, const hash32 *hash)
{
    struct validator *v = ctx;
    return chain_put_raw(out, v->chain, hash, blocks_get_body_raw);
}

static enum status op_put_receipts(void *ctx, struct buf *out, const hash32 *hash)
{
    struct validator *v = ctx;
    return chain_put_raw(out, v->chain, hash, blocks_get_receipts_raw);
}

static enum status op_tx_root(void *ctx, hash32 *out, bytes txs)
{
    (void)ctx;
    return chain_body_tx_root(out, txs);
}

static const char *result_name(enum import_result r)
{
    static const char *const names[] = {"head", "side", "known", "orphan", "early", "bad"};
    return names[r];
}

static enum status op_import(void *ctx, struct sync_import *out, bytes block)
{
    struct validator *v = ctx;
    struct err err = {0};
    uint64_t retry_ms = 0;
    const uint64_t now = validator_wall(v);
    const enum status s = chain_import(&out->result, &out->verdict, &retry_ms, v->chain, block, now, &err);
    v->sim->stats->imports++;
    if (s != OK) {
        sim_log(v->sim, "%zu import fails: %s %s", v->index, status_name(s), err_text(&err));
        return s;
    }
    if (v->sim->opt.verbose) {
        struct chain_head h;
        chain_get_head(&h, v->chain);
        sim_log(v->sim, "%zu imports: %s%s%s, head %llu %02x%02x final %llu", v->index, result_name(out->result), out->result == IMPORT_BAD ? " " : "",
                out->result == IMPORT_BAD ? block_verdict_text(out->verdict) : "", (unsigned long long)h.number, h.hash.b[0], h.hash.b[1],
                (unsigned long long)h.finalised);
    }
    if (out->result == IMPORT_EARLY) out->retry_in_ms = retry_ms > now ? retry_ms - now : 1;
    return OK;
}

static void *op_prepare(void *ctx, bytes block)
{
    struct validator *v = ctx;
    struct chain_ahead *a = NULL;
    return chain_ahead_new(&a, v->chain, block) == OK ? a : NULL;
}

static void op_forget(void *ctx, void *prepared)
{
    struct validator *v = ctx;
    chain_ahead_free(v->chain, prepared);
}

static enum status op_import_chain(void *ctx, struct sync_import *out, size_t *n_done, void *const *prepared, size_t n)
{
    struct validator *v = ctx;
    struct err err = {0};
    struct chain_imported r = {0};
    struct chain_ahead *list[CHAIN_GROUP_MAX];
    const uint64_t now = validator_wall(v);
    if (n > CHAIN_GROUP_MAX) n = CHAIN_GROUP_MAX;
    for (size_t i = 0; i < n; i++)
        list[i] = prepared[i];
    const enum status s = chain_import_group(&r, v->chain, list, n, now, &err);
    v->sim->stats->imports += s == OK ? r.n : 1;
    if (s != OK) {
        sim_log(v->sim, "%zu import of %zu fails: %s %s", v->index, n, status_name(s), err_text(&err));
        return s;
    }
    if (v->sim->opt.verbose) {
        struct chain_head h;
        chain_get_head(&h, v->chain);
        sim_log(v->sim, "%zu imports %zu: %s%s%s, head %llu %02x%02x final %llu", v->index, r.n, result_name(r.result), r.result == IMPORT_BAD ? " " : "",
                r.result == IMPORT_BAD ? block_verdict_text(r.verdict) : "", (unsigned long long)h.number, h.hash.b[0], h.hash.b[1],
                (unsigned long long)h.finalised);
    }
    *n_done = r.n;
    *out = (struct sync_import){.result = r.result, .verdict = r.verdict};
    if (r.result == IMPORT_EARLY) out->retry_in_ms = r.retry_ms > now ? r.retry_ms - now : 1;
    return OK;
}

static bool op_has_tx(void *ctx, const hash32 *hash)
{
    const struct validator *v = ctx;
    return pool_has(v->pool, hash);
}

static enum sync_tx op_add_tx(void *ctx, bytes canonical, const hash32 *hash)
{
    (void)hash;
    return submit(ctx, canonical);
}

static bool op_put_tx(void *ctx, struct buf *out, const hash32 *hash)
{
    const struct validator *v = ctx;
    return pool_put(v->pool, out, hash);
}

static size_t op_list_txs(void *ctx, hash32 *out, size_t max)
{
    const struct validator *v = ctx;
    return pool_list(v->pool, out, max);
}

static void sync_start(struct validator *v)
{
    const struct sync_ops ops = {.net = v, .send = op_send, .disconnect = op_disconnect, .chain = v, .get_head = op_get_head,
                                 .has_block = op_has_block, .get_meta = op_get_meta, .get_canonical = op_get_canonical,
                                 .put_header = op_put_header, .put_body = op_put_body, .put_receipts = op_put_receipts,
                                 .tx_root = op_tx_root, .import = op_import, .prepare = op_prepare, .forget = op_forget,
                                 .import_chain = op_import_chain, .pool = v, .has_tx = op_has_tx, .add_tx = op_add_tx,
                                 .put_tx = op_put_tx, .list_txs = op_list_txs};
    const struct sync_config cfg = {.network_id = v->sim->spec.network_id, .genesis = v->sim->genesis, .forks = v->sim->forks,
                                    .max_peers = NODES_MAX, .seed = rng_next(&v->sim->rng)};
    if (sync_new(&v->sync, &cfg, &ops) != OK) BUG("sync_new");
}

/* ----------------------------------------------------------------- life */

void validator_init(struct validator *v, struct sim *sim, size_t index)
{
    *v = (struct validator){.sim = sim, .index = index, .drift_since = sim->now, .spec = &sim->spec};
    uint8_t pub[64];
    for (size_t i = 0; i < sizeof v->key.b; i++)
        v->key.b[i] = (uint8_t)(i * 7 + index + 1);
    if (ec_public(pub, &v->key) != OK) BUG("key");
    ec_address(v->self.b, pub);
    v->keeper.has_record = true; /* as it was made: it has signed nothing */
    if (kv_open_memory(&v->disk, TABLE_N) != OK || kv_open_fault(&v->kv, v->disk) != OK || evm_new(&v->evm, 1 << 20) != OK) BUG("out of memory");
}

static void stop(struct validator *v)
{
    sync_free(v->sync);
    pool_free(v->pool);
    chain_close(v->chain);
    v->sync = NULL;
    v->pool = NULL;
    v->chain = NULL;
    v->is_up = false;
    v->tick_gen++;
    v->seal_gen++;
}

void validator_fini(struct validator *v)
{
    stop(v);
    evm_free(v->evm);
    if (v->kv != NULL) kv_close(v->kv);
    if (v->disk != NULL) kv_close(v->disk);
    free(v->signed_steps);
}

void validator_boot(struct validator *v)
{
    struct sim *sim = v->sim;
    struct err err = {0};
    if (v->is_gone) return;
    kv_fault_revive(v->kv);
    const struct chain_config cfg = {.known_sender = known_sender, .listener_ctx = v, .on_event = on_event};
    if (pool_new(&v->pool, NULL) != OK) BUG("pool_new");
    const enum status s = chain_open(&v->chain, v->kv, v->spec, &cfg, &err);
    if (s != OK) {
        sim_fail(sim, "node %zu cannot open its chain: %s %s", v->index, status_name(s), err_text(&err));
        return;
    }
    sync_start(v);
    v->is_up = true;
    v->tick_at = 0;
    /* as node/main does: whoever held this identity before may have sealed in the step that runs now */
    struct chain_head head;
    chain_get_head(&head, v->chain);
    v->first_step = v->lost_disk ? aura_step_at(&sim->spec.aura, validator_wall(v)) + 1 : 0;
    v->lost_disk = false;
    sim_log(sim, "%zu up, head %llu final %llu", v->index, (unsigned long long)head.number, (unsigned long long)head.finalised);
    check_reopened(v);
    for (size_t k = 0; k < sim->n; k++)
        if (k != v->index) net_dial(sim, v->index, k, sim_pick(sim, 10, 600));
    validator_schedule_seal(v);
    validator_touch(v);
}

void validator_die(struct validator *v)
{
    struct sim *sim = v->sim;
    if (!v->is_up) return;
    const bool power = sim_chance(sim, 300); /* nobody is left to end the connections */
    keeper_died(v);
    sim_log(sim, "%zu down%s", v->index, power ? ", peers are not told" : "");
    kv_fault_kill(v->kv);
    stop(v);
    for (size_t k = 0; k < sim->n; k++)
        if (k != v->index) net_break(sim, v->index, k, false, true, power ? 15000 : 50);
}

void validator_lose_disk(struct validator *v)
{
    kv_close(v->kv);
    kv_close(v->disk);
    if (kv_open_memory(&v->disk, TABLE_N) != OK || kv_open_fault(&v->kv, v->disk) != OK) BUG("out of memory");
    v->seen_final = 0;
    v->lost_disk = v->forgot = true;
    v->journal = 0;
}

void validator_touch(struct validator *v)
{
    struct sim *sim = v->sim;
    if (!v->is_up) return;
    if (kv_fault_is_dead(v->kv)) {
        validator_die(v);
        const struct event e = {.kind = EV_RESTART, .at = sim->now + sim_pick(sim, 100, 12 * sim->step_ms), .node = (uint8_t)v->index};
        sim_push(sim, &e);
        return;
    }
    uint64_t in = sync_next_ms(v->sync, sim->now);
    if (in > TICK_MAX_MS) in = TICK_MAX_MS;
    const uint64_t at = sim->now + (in == 0 ? 1 : in);
    if (v->tick_at > sim->now && v->tick_at <= at) return;
    v->tick_at = at;
    const struct event e = {.kind = EV_TICK, .at = at, .node = (uint8_t)v->index, .gen = ++v->tick_gen};
    sim_push(sim, &e);
}

void validator_ping(struct validator *v, size_t to)
{
    struct buf b;
    buf_init(&b, 64);
    skew_put_ping(&b, validator_wall(v));
    net_send(v->sim, v->index, to, MESSAGE_PING, buf_view(&b));
    buf_fini(&b);
}

static void on_clock(struct validator *v, size_t from, unsigned message, bytes payload)
{
    struct buf b;
    const uint64_t wall = validator_wall(v);
    if (message == MESSAGE_PONG) {
        skew_clock(sync_skew(v->sync), wall, v->sim->now);
        skew_on_pong(sync_skew(v->sync), from + 1, payload, wall, v->sim->now);
        return;
    }
    buf_init(&b, 64);
    skew_put_pong(&b, payload, wall);
    net_send(v->sim, v->index, from, MESSAGE_PONG, buf_view(&b));
    buf_fini(&b);
}

static void send_consensus(struct validator *v, bytes message, size_t but)
{
    for (size_t k = 0; k < v->sim->n; k++)
        if (k != v->index && k != but) net_send(v->sim, v->index, k, MESSAGE_CONSENSUS, message);
}

void validator_receive(struct validator *v, size_t from, unsigned message, bytes payload)
{
    if (message == MESSAGE_CONSENSUS) { /* as node/p2p/consensus.c has it */
        const enum status s = chain_add_empty_step(v->chain, payload, validator_wall(v));
        if (s == OK) send_consensus(v, payload, from);
        if (s == E_INVALID) check_blame_consensus(v, from);
        return;
    }
    if (message >= MESSAGE_PING) {
        on_clock(v, from, message, payload);
        return;
    }
    sync_receive(v->sync, from + 1, message, payload, v->sim->now);
    check_node(v);
    validator_touch(v);
}

void validator_tick(struct validator *v)
{
    v->tick_at = 0;
    (void)sync_tick(v->sync, v->sim->now);
    check_node(v);
    validator_touch(v);
}

/* ----------------------------------------------------------------- seal */

struct source {
    struct validator *v;
    struct pool_best *best;
};

static bool next_tx(void *ctx, struct tx *out)
{
    struct source *s = ctx;
    return pool_best_next(s->best, out);
}

static void tx_result(void *ctx, const struct tx *tx, enum tx_verdict verdict)
{
    struct source *s = ctx;
    if (verdict == TX_VALID) return;
    pool_best_skip(s->best);
    if (verdict == TX_GAS_LIMIT_REACHED || verdict == TX_NONCE_TOO_LOW || verdict == TX_NONCE_TOO_HIGH || verdict == TX_FEE_BELOW_BASE) return;
    IGNORE(!pool_remove(s->v->pool, &tx->hash), "it may be gone");
}

static enum status sign(void *ctx, uint8_t sig65[static 65], const hash32 *hash, uint64_t step)
{
    const struct source *s = ctx;
    if (kv_fault_is_dead(s->v->kv)) return E_DENIED;
    if (step <= s->v->journal) return E_CONFLICT; /* it stands beside the database, and is durable before the signature */
    s->v->journal = step;
    check_signature(s->v, step, hash);
    return ec_sign(sig65, hash->b, &s->v->key);
}

static enum status keep(void *ctx, const struct key_promise *p, uint64_t step)
{
    const struct source *s = ctx;
    return keeper_keep(s->v, p, step);
}

static void send_block(struct validator *v, size_t to, bytes block, const u256 *td)
{
    struct buf b;
    buf_init(&b, 2 * BLOCK_BYTES);
    const size_t l = rlp_list_open(&b);
    rlp_put_raw(&b, block);
    eth_u256_put(&b, td);
    rlp_list_close(&b, l);
    if (buf_status(&b) == OK) net_send(v->sim, v->index, to, ETH_NEW_BLOCK, buf_view(&b));
    buf_fini(&b);
}

/* another block of the same step: the same but for its extra data */
static void make_twin(struct buf *out, struct validator *v, bytes block)
{
    struct arena a;
    struct block b;
    arena_init(&a, 16 << 20);
    if (block_get(&b, &block, &a, NULL) != OK) BUG("own block");
    b.header.extra = BYTES_LIT("twin");
    const hash32 msg = header_aura_seal_hash(&b.header);
    if (ec_sign(b.header.signature, msg.b, &v->key) != OK) BUG("ec_sign");
    b.hash = header_hash(&b.header);
    block_put(out, &b);
    arena_fini(&a);
}

/* a Byzantine sealer: tells one thing to some and another to the rest, or nothing to some */
static void announce_byzantine(struct validator *v, bytes block, const u256 *td)
{
    struct sim *sim = v->sim;
    struct buf twin;
    buf_init(&twin, BLOCK_BYTES);
    const bool equivocate = sim_chance(sim, 700);
    if (equivocate) {
        sim->stats->faults[FAULT_EQUIVOCATE]++;
        make_twin(&twin, v, block);
        struct sync_import r;
        IGNORE(op_import(v, &r, buf_view(&twin)), "it lies about it either way");
    } else {
        sim->stats->faults[FAULT_WITHHOLD]++;
    }
    const uint64_t side = rng_next(&sim->rng);
    sim_log(sim, "%zu %s", v->index, equivocate ? "seals two blocks" : "keeps its block from some");
    for (size_t k = 0; k < sim->n; k++) {
        if (k == v->index) continue;
        if (side >> k & 1) send_block(v, k, block, td);
        else if (equivocate) send_block(v, k, buf_view(&twin), td);
    }
    buf_fini(&twin);
}

static size_t carried(bytes raw)
{
    struct arena a;
    struct block b;
    arena_init(&a, 16 << 20);
    if (block_get(&b, &raw, &a, NULL) != OK) BUG("own block");
    const size_t n = aura_empty_steps_count(&b.header);
    arena_fini(&a);
    return n;
}

static void propose(struct validator *v, uint64_t step, uint64_t now_ms)
{
    struct sim *sim = v->sim;
    struct chain_head head;
    struct source src = {.v = v};
    struct err err = {0};
    chain_get_head(&head, v->chain);
    if (pool_best_new(&src.best, v->pool, &head.base_fee) != OK) return;
    struct proposal_source ps = {.ctx = &src, .next = next_tx, .result = tx_result, .sign = sign, .keep = keep};
    struct buf block;
    buf_init(&block, BLOCK_BYTES);
    const enum status s = chain_propose(&block, v->chain, &v->self, step, now_ms, NEVER_BUDGET_MS, &ps, &err);
    pool_best_free(src.best);
    if (s == OK && ps.is_empty_step) {
        sim->stats->empty_steps++;
        sim_log(sim, "%zu signs the empty step %llu", v->index, (unsigned long long)step);
        send_consensus(v, buf_view(&block), v->index);
    } else if (s == OK) {
        chain_get_head(&head, v->chain);
        sim->stats->empty_carried += carried(buf_view(&block));
        sim->stats->blocks++;
        sim_log(sim, "%zu seals %llu %02x%02x step %llu final %llu", v->index, (unsigned long long)head.number, head.hash.b[0], head.hash.b[1],
                (unsigned long long)step, (unsigned long long)head.finalised);
        if (v->is_byzantine && !sim->is_calm && sim_chance(sim, 600)) announce_byzantine(v, buf_view(&block), &head.td);
        else sync_announce_block(v->sync, &head.hash, buf_view(&block), sim->now);
    } else {
        sim_log(sim, "%zu no block for step %llu: %s %s", v->index, (unsigned long long)step, status_name(s), err_text(&err));
    }
    buf_fini(&block);
}

static bool clock_is_right(struct validator *v, uint64_t wall_ms)
{
    struct arena a;
    address *list;
    size_t n = 0;
    arena_init(&a, 1 << 16);
    if (chain_validators(&list, &n, v->chain, &a) != OK) BUG("out of memory");
    arena_fini(&a);
    if (n == 1) return true; /* a lone validator's clock is the network's */
    struct skew_state st;
    skew_clock(sync_skew(v->sync), wall_ms, v->sim->now);
    skew_get(&st, sync_skew(v->sync), v->sim->step_ms / 2, v->sim->now);
    if (st.is_off != v->clock_is_off)
        sim_log(v->sim, "%zu %s: its clock is ahead by %lld ms of %zu of %zu", v->index, st.is_off ? "stops sealing" : "seals again",
                (long long)st.ahead_ms, st.n_apart, st.n_measured);
    v->sim->stats->faults[FAULT_CLOCK_STOP] += st.is_off && !v->clock_is_off;
    v->clock_is_off = st.is_off;
    return !st.is_off;
}

void validator_seal(struct validator *v)
{
    const uint64_t now = validator_wall(v);
    uint64_t step, next;
    chain_step_at(&step, &next, v->chain, now);
    struct sync_state st;
    sync_get_state(&st, v->sync);
    const bool is_ours = step >= v->first_step && chain_is_proposer(v->chain, &v->self, step);
    if (is_ours && st.is_behind) sim_log(v->sim, "%zu lets step %llu go by: it is behind", v->index, (unsigned long long)step);
    else if (clock_is_right(v, now) && is_ours && keeper_may_seal(v)) propose(v, step, now);
    check_node(v);
    validator_schedule_seal(v);
    validator_touch(v);
}

void validator_schedule_seal(struct validator *v)
{
    if (!v->is_up) return;
    const uint64_t now = validator_wall(v);
    uint64_t step, next;
    chain_step_at(&step, &next, v->chain, now);
    const struct event e = {.kind = EV_SEAL, .at = v->sim->now + (next > now ? next - now : 1) + sim_pick(v->sim, 0, TIMER_LATE_MS),
                            .node = (uint8_t)v->index, .gen = ++v->seal_gen};
    sim_push(v->sim, &e);
}
