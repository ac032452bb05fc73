/* check.c: what must hold. All of it is looked at after every event that moved a head; the rest at healing. */
#include "node/state/state.h"
#include "node/store/tables.h"
#include "tests/sim/sim.h"

void check_init(struct sim *sim)
{
    sim->cap_final = (size_t)sim->opt.steps * 2 + 1000;
    sim->final = calloc(sim->cap_final, sizeof *sim->final);
    sim->final_by = calloc(sim->cap_final, 1);
    sim->cap_known = 1024;
    sim->known = calloc(sim->cap_known, sizeof *sim->known);
    if (sim->final == NULL || sim->final_by == NULL || sim->known == NULL) BUG("out of memory");
    for (size_t i = 0; i < sim->n; i++) {
        sim->node[i].signed_steps = calloc(sim->n_steps, sizeof(uint64_t));
        if (sim->node[i].signed_steps == NULL) BUG("out of memory");
    }
}

void check_fini(struct sim *sim)
{
    free(sim->final);
    free(sim->final_by);
    free(sim->known);
}

void check_signature(struct validator *v, uint64_t step, const hash32 *seal_hash)
{
    struct sim *sim = v->sim;
    if (step < sim->first_step || step - sim->first_step >= sim->n_steps) return;
    uint64_t *was = &v->signed_steps[step - sim->first_step];
    const uint64_t print = le64_get(seal_hash->b) | 1;
    sim->stats->checks[CHECK_SIGN]++;
    if (*was != 0 && *was != print) sim_fail(sim, "node %zu signs two blocks in step %llu", v->index, (unsigned long long)step);
    *was = print;
    if (step > v->last_signed) v->last_signed = step;
}

/* ------------------------------------------------------------------ heads */

static enum status canonical(hash32 *out, struct validator *v, uint64_t number)
{
    struct kv_txn *txn;
    enum status s = kv_begin(&txn, v->kv, false);
    if (s != OK) return s;
    s = blocks_get_canonical_hash(out, txn, number);
    kv_abort(txn);
    return s;
}

static void check_final(struct validator *v, const struct chain_head *h)
{
    struct sim *sim = v->sim;
    if (h->finalised < v->seen_final) {
        sim_fail(sim, "node %zu: finality went back from %llu to %llu", v->index, (unsigned long long)v->seen_final, (unsigned long long)h->finalised);
        return;
    }
    for (uint64_t n = v->seen_final + 1; n <= h->finalised && n < sim->cap_final; n++) {
        hash32 hash;
        if (canonical(&hash, v, n) != OK) {
            sim_fail(sim, "node %zu has no block %llu, which it says is final", v->index, (unsigned long long)n);
            return;
        }
        sim->stats->checks[CHECK_FINAL]++;
        if (hash_is_zero(&sim->final[n])) {
            sim->final[n] = hash;
            sim->final_by[n] = (uint8_t)v->index;
            sim->stats->finals++;
        } else if (!hash_eq(&sim->final[n], &hash)) {
            sim_fail(sim, "conflict: block %llu is final as %02x%02x at node %u and as %02x%02x at node %zu", (unsigned long long)n, sim->final[n].b[0],
                     sim->final[n].b[1], sim->final_by[n], hash.b[0], hash.b[1], v->index);
            return;
        }
    }
    v->seen_final = h->finalised;
}

static void grow_known(struct sim *sim)
{
    const size_t cap = sim->cap_known * 2;
    struct known_block *more = calloc(cap, sizeof *more);
    if (more == NULL) BUG("out of memory");
    for (size_t i = 0; i < sim->cap_known; i++) {
        if (!sim->known[i].used) continue;
        size_t at = le64_get(sim->known[i].hash.b) % cap;
        while (more[at].used)
            at = (at + 1) % cap;
        more[at] = sim->known[i];
    }
    free(sim->known);
    sim->known = more;
    sim->cap_known = cap;
}

static uint64_t set_print(const address *list, size_t n)
{
    uint64_t p = n + 1;
    for (size_t i = 0; i < n; i++)
        p = (p ^ le64_get(list[i].b) ^ le64_get(list[i].b + 8)) * 0x9e3779b97f4a7c15u;
    return p;
}

static uint64_t set_of(struct validator *v)
{
    struct arena a;
    address *list;
    size_t n;
    arena_init(&a, 1 << 16);
    if (chain_validators(&list, &n, v->chain, &a) != OK) BUG("out of memory");
    const uint64_t p = set_print(list, n);
    arena_fini(&a);
    return p;
}

void check_blame_consensus(struct validator *v, size_t peer)
{
    v->sim->stats->checks[CHECK_BLAME]++;
    sim_fail(v->sim, "node %zu blames node %zu for an empty step", v->index, peer);
}

static void check_epoch(struct validator *v, const struct chain_head *h)
{
    struct sim *sim = v->sim;
    struct chain_epoch e;
    chain_get_epoch(&e, v->chain);
    const uint64_t set = set_of(v);
    sim->stats->checks[CHECK_EPOCH]++;
    if (sim->n_known * 2 >= sim->cap_known) grow_known(sim);
    size_t at = le64_get(h->hash.b) % sim->cap_known;
    for (; sim->known[at].used; at = (at + 1) % sim->cap_known) {
        const struct known_block *k = &sim->known[at];
        if (!hash_eq(&k->hash, &h->hash)) continue;
        if (k->epoch_start != e.start_block || k->set != set)
            sim_fail(sim, "at block %llu node %zu has a set since block %llu, another has one since %llu%s", (unsigned long long)h->number, v->index,
                     (unsigned long long)e.start_block, (unsigned long long)k->epoch_start, k->set == set ? "" : ", and the sets differ");
        else if (k->ballot != e.ballot) /* a function of the chain, whether a node followed it or loaded it */
            sim_fail(sim, "at block %llu node %zu has the ballot %llu, another one %llu", (unsigned long long)h->number, v->index,
                     (unsigned long long)e.ballot, (unsigned long long)k->ballot);
        return;
    }
    sim->known[at] = (struct known_block){.hash = h->hash, .epoch_start = e.start_block, .set = set, .ballot = e.ballot, .used = true};
    sim->n_known++;
    if (e.start_block == h->number && h->number > 0) {
        sim->stats->transitions++;
        sim->changed_at = sim->now;
        sim_log(sim, "%zu: a new set rules after block %llu", v->index, (unsigned long long)h->number);
    }
}

static void check_root(struct validator *v, const struct chain_head *h)
{
    struct kv_txn *txn = NULL;
    struct state *s = NULL;
    hash32 root;
    enum status st = kv_begin(&txn, v->kv, false);
    if (st == OK) st = state_open(&s, txn, STATE_LATEST);
    if (st == OK) st = state_root(s, &root);
    state_free(s);
    kv_abort(txn);
    v->sim->stats->checks[CHECK_ROOT]++;
    if (st != OK || !hash_eq(&root, &h->state_root))
        sim_fail(v->sim, "node %zu: the state is not that of its head %llu", v->index, (unsigned long long)h->number);
}

void check_node(struct validator *v)
{
    struct chain_head h;
    if (kv_fault_is_dead(v->kv)) return;
    chain_get_head(&h, v->chain);
    if (hash_eq(&h.hash, &v->seen_head) && h.finalised == v->seen_final) return;
    v->seen_head = h.hash;
    if (!v->is_byzantine) check_final(v, &h);
    check_epoch(v, &h);
    if (h.hash.b[31] % 8 == 0) check_root(v, &h);
}

void check_reopened(struct validator *v)
{
    struct chain_head h;
    chain_get_head(&h, v->chain);
    v->sim->stats->checks[CHECK_REOPEN]++;
    v->seen_head = (hash32){{0}};
    hash32 hash;
    if (h.finalised > h.number || canonical(&hash, v, h.number) != OK || !hash_eq(&hash, &h.hash))
        sim_fail(v->sim, "node %zu opens with head %llu, final %llu", v->index, (unsigned long long)h.number, (unsigned long long)h.finalised);
    check_root(v, &h);
    check_node(v);
}

void check_blame(struct validator *v, size_t peer, enum disconnect_reason reason, const char *why)
{
    struct sim *sim = v->sim;
    sim->stats->checks[CHECK_BLAME]++;
    for (int k = BLOCK_MALFORMED; k <= BLOCK_BLOB_GAS; k++)
        if (strcmp(why, block_verdict_text((enum block_verdict)k)) == 0)
            sim_fail(sim, "node %zu blames node %zu for a block: %s", v->index, peer, why);
    if (reason == DISCONNECT_BREACH && sim->is_calm && sim->now > sim->healed_at + 5000)
        sim_fail(sim, "node %zu finds node %zu in breach: %s", v->index, peer, why);
}

/* ---------------------------------------------------------------- recovery */

static enum status header_step(uint64_t *step, struct validator *v, uint64_t number)
{
    struct kv_txn *txn;
    struct header h;
    hash32 hash;
    struct arena a;
    arena_init(&a, 1 << 20);
    enum status s = kv_begin(&txn, v->kv, false);
    if (s == OK) {
        s = blocks_get_canonical_hash(&hash, txn, number);
        if (s == OK) s = blocks_get_header(&h, txn, &hash, &a);
        if (s == OK) *step = h.step;
        kv_abort(txn);
    }
    arena_fini(&a);
    return s;
}

/* do all have the same block at the lowest of their heads (or finalised blocks), sealed after all healed? */
static bool all_have_new(struct sim *sim, bool final)
{
    uint64_t least = UINT64_MAX, step;
    hash32 first, other;
    for (size_t i = 0; i < sim->n; i++) {
        struct chain_head h;
        if (sim->node[i].is_gone) continue;
        if (!sim->node[i].is_up) return false;
        chain_get_head(&h, sim->node[i].chain);
        const uint64_t n = final ? h.finalised : h.number;
        if (n < least) least = n;
    }
    const uint64_t healed_step = aura_step_at(&sim->spec.aura, sim->healed_at);
    struct validator *one = &sim->node[0];
    while (one->is_gone)
        one++;
    if (header_step(&step, one, least) != OK || step < healed_step) return false;
    if (canonical(&first, one, least) != OK) return false;
    for (size_t i = 0; i < sim->n; i++)
        if (!sim->node[i].is_gone && (canonical(&other, &sim->node[i], least) != OK || !hash_eq(&first, &other))) return false;
    return true;
}

enum status check_call(bytes *out, struct validator *v, const char *signature, struct arena *a)
{
    struct kv_txn *txn = NULL;
    struct state *state = NULL;
    struct exec_env env;
    struct evm_result r = {0};
    struct header h;
    struct buf in;
    uint64_t number, finalised;
    hash32 hash;
    buf_init(&in, 256);
    struct abi_writer w = abi_call_begin(&in, signature);
    abi_end(&w);
    enum status s = kv_begin(&txn, v->kv, false);
    if (s == OK) s = blocks_get_head(&number, &hash, &finalised, txn);
    if (s == OK) s = blocks_get_header(&h, txn, &hash, a);
    if (s == OK) s = state_open(&state, txn, STATE_LATEST);
    if (s == OK) {
        chain_call_env(&env, v->chain, v->evm, txn, &h, true);
        const struct evm_message m = {.kind = EVM_CALL, .recipient = v->sim->contract, .code_address = v->sim->contract, .gas = 50000000, .input = buf_view(&in)};
        s = exec_call(&r, &env, state, &m, &U256_ZERO);
    }
    if (s == OK && r.outcome != EVM_SUCCESS) s = E_INVALID;
    if (s == OK) *out = arena_copy(a, r.output);
    state_free(state);
    kv_abort(txn);
    buf_fini(&in);
    return s;
}

/* the contract's list is the one that clients seal by, once no change is on its way */
static void check_contract(struct validator *v)
{
    struct sim *sim = v->sim;
    struct arena a;
    bytes out;
    bool in_flight = true;
    struct chain_epoch e;
    struct chain_head h;
    struct validators set;
    arena_init(&a, 1 << 20);
    chain_get_epoch(&e, v->chain);
    chain_get_head(&h, v->chain);
    enum status s = check_call(&out, v, "isChangeInFlight()", &a);
    if (s == OK) {
        struct abi_reader r = abi_read(out);
        s = abi_get_bool(&in_flight, &r);
    }
    if (s == OK && !in_flight && h.number > e.start_block) {
        sim->stats->checks[CHECK_CONTRACT]++;
        s = check_call(&out, v, "getValidators()", &a);
        if (s == OK) s = aura_decode_address_list(&set, out);
        if (s == OK) {
            if (set_print(set.list, set.n) != set_of(v))
                sim_fail(sim, "node %zu at block %llu seals by another set than the contract's", v->index, (unsigned long long)h.number);
            validators_fini(&set);
        }
    }
    if (s != OK) sim_fail(sim, "node %zu: calling the contract: %s", v->index, status_name(s));
    arena_fini(&a);
}

/* The first commit of an epoch needs the quorum of earlier sets as well. Where all of those who stayed must agree, one of them that lets its step
 * go by, for what it sealed elsewhere, costs a round. */
static bool needs_earlier_sets(struct sim *sim)
{
    for (size_t i = 0; i < sim->n; i++) {
        struct chain_epoch e;
        if (!sim->node[i].is_up) continue;
        chain_get_epoch(&e, sim->node[i].chain);
        if (e.earlier_sets > 0) return true;
    }
    return false;
}

void check_recovered(struct sim *sim, uint64_t n)
{
    const uint64_t steps = sim->now > sim->healed_at ? (sim->now - sim->healed_at) / sim->step_ms : 0;
    struct sim_stats *st = sim->stats;
    if (sim->recovery == RECOVERING && all_have_new(sim, false)) {
        sim->recovery = GOT_BLOCK;
        sim->block_at = steps;
        st->checks[CHECK_BLOCK]++;
        st->recover_block_steps += steps;
        if (steps > st->worst_block_steps) st->worst_block_steps = steps;
    }
    if (sim->recovery == GOT_BLOCK && recover_is_stuck(sim)) {
        sim->recovery = RECOVERED;
        return;
    }
    if (sim->recovery == GOT_BLOCK && all_have_new(sim, true)) {
        sim->recovery = RECOVERED;
        st->checks[CHECK_FINALITY]++;
        st->recover_final_steps += steps - sim->block_at;
        if (steps - sim->block_at > st->worst_final_steps) st->worst_final_steps = steps - sim->block_at;
        sim_log(sim, "recovered: block after %llu steps, final after %llu", (unsigned long long)sim->block_at, (unsigned long long)steps);
        for (size_t i = 0; i < sim->n && !sim->failed; i++)
            if (!sim->node[i].is_gone) check_contract(&sim->node[i]);
    }
    const uint64_t turns = 2 * n * (1 + sim->opt.empty_steps); /* without transactions a block comes after so many empty steps */
    if (sim->recovery == RECOVERING && steps > turns) sim_fail(sim, "no common new block within %llu steps of healing", (unsigned long long)turns);
    /* a set change begins a new window: the bound is for each set */
    const uint64_t since = sim->changed_at > sim->healed_at ? (sim->changed_at - sim->healed_at) / sim->step_ms : 0;
    const uint64_t from = since > sim->block_at ? since : sim->block_at;
    const uint64_t bound = turns * (needs_earlier_sets(sim) ? 2 : 1);
    if (sim->recovery == GOT_BLOCK && steps > from + bound)
        sim_fail(sim, "no new finality within %llu steps of the first block or the last set change", (unsigned long long)bound);
}
