/* world.c: the queue of events and the run. */
#include "lib/crypto/keccak.h"
#include "node/chain/genesis.h"
#include "tests/sim/sim.h"

enum { CALM_STEPS_EXTRA = 4, CHECK_LATE_MS = 400, PING_EVERY_MS = 5000 };

/* --------------------------------------------------------------- the queue */

static bool before(const struct event *a, const struct event *b)
{
    return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void sim_push(struct sim *sim, const struct event *e)
{
    if (sim->n_heap == sim->cap_heap) {
        sim->cap_heap = sim->cap_heap == 0 ? 1024 : 2 * sim->cap_heap;
        sim->heap = realloc(sim->heap, sim->cap_heap * sizeof *sim->heap);
        if (sim->heap == NULL) BUG("out of memory");
    }
    struct event own = *e;
    own.order = sim->order++;
    size_t i = sim->n_heap++;
    while (i > 0 && before(&own, &sim->heap[(i - 1) / 2])) {
        sim->heap[i] = sim->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    sim->heap[i] = own;
}

static struct event pop(struct sim *sim)
{
    const struct event top = sim->heap[0], last = sim->heap[--sim->n_heap];
    size_t i = 0;
    for (;;) {
        size_t c = 2 * i + 1;
        if (c >= sim->n_heap) break;
        if (c + 1 < sim->n_heap && before(&sim->heap[c + 1], &sim->heap[c])) c++;
        if (!before(&sim->heap[c], &last)) break;
        sim->heap[i] = sim->heap[c];
        i = c;
    }
    if (sim->n_heap > 0) sim->heap[i] = last;
    return top;
}

/* ------------------------------------------------------------------- small */

void sim_log(struct sim *sim, const char *fmt, ...)
{
    if (!sim->opt.verbose) return;
    va_list ap;
    va_start(ap, fmt);
    printf("%10.3f ", (double)(sim->now - sim->start) / 1000);
    vprintf(fmt, ap);
    putchar('\n');
    va_end(ap);
}

void sim_fail(struct sim *sim, const char *fmt, ...)
{
    if (sim->failed) return;
    va_list ap;
    va_start(ap, fmt);
    const int n = snprintf(sim->why, sizeof sim->why, "at %.3f s (step %llu): ", (double)(sim->now - sim->start) / 1000,
                           (unsigned long long)((sim->now - sim->start) / sim->step_ms));
    vsnprintf(sim->why + n, sizeof sim->why - (size_t)n, fmt, ap);
    va_end(ap);
    sim->failed = true;
    sim_log(sim, "FAILED %s", sim->why);
}

uint64_t sim_pick(struct sim *sim, uint64_t from, uint64_t to)
{
    return from >= to ? from : from + rng_below(&sim->rng, to - from + 1);
}

bool sim_chance(struct sim *sim, unsigned of_thousand)
{
    return rng_below(&sim->rng, 1000) < of_thousand;
}

/* ------------------------------------------------------------------ phases */

static size_t set_size(struct sim *sim)
{
    size_t most = 1;
    for (size_t i = 0; i < sim->n; i++) {
        if (!sim->node[i].is_up) continue;
        struct arena a;
        address *list;
        size_t n;
        arena_init(&a, 1 << 16);
        if (chain_validators(&list, &n, sim->node[i].chain, &a) == OK && n > most) most = n;
        arena_fini(&a);
    }
    return most;
}

static void after(struct sim *sim, enum event_kind kind, uint64_t ms, uint32_t gen)
{
    const struct event e = {.kind = kind, .at = sim->now + ms, .gen = gen};
    sim_push(sim, &e);
}

static void begin_faults(struct sim *sim)
{
    sim->is_calm = false;
    sim->phase_no++;
    sim_log(sim, "--- faults");
    faults_begin(sim);
    /* now and then longer than the history of states that a node keeps */
    const uint64_t steps = sim_chance(sim, 60) ? sim_pick(sim, 130, 260) : sim_pick(sim, 5, 40);
    after(sim, EV_HEAL, steps * sim->step_ms, 0);
    faults_next(sim);
}

static void begin_calm(struct sim *sim)
{
    sim->is_calm = true;
    sim->healed_at = sim->now;
    sim->stats->heals++;
    faults_heal(sim);
    sim->recovery = RECOVERING;
    /* a clock that ran ahead unnoticed has left its owner without a voice until that time comes: recovery is counted from then on */
    for (size_t i = 0; i < sim->n; i++) {
        const uint64_t at = aura_step_start_ms(&sim->spec.aura, sim->node[i].last_signed + 1);
        if (at > sim->healed_at) sim->healed_at = at;
        /* nor does who has lost its disk know how far its key has signed, until the lease of then has run out */
        const uint64_t until = aura_step_start_ms(&sim->spec.aura, aura_step_at(&sim->spec.aura, sim->node[i].keeper.record.until_ms) + 1);
        if (sim->node[i].forgot && until > sim->healed_at) sim->healed_at = until;
    }
    const uint64_t n = set_size(sim), wait = sim->healed_at - sim->now;
    sim_log(sim, "--- all heals; %llu validators", (unsigned long long)n);
    after(sim, EV_CHECK, wait + sim->step_ms + CHECK_LATE_MS, (uint32_t)sim->phase_no);
    after(sim, EV_PHASE, wait + (4 * n * (1 + sim->opt.empty_steps) + CALM_STEPS_EXTRA) * sim->step_ms, 0);
}

static void handle(struct sim *sim, struct event *e)
{
    struct validator *v = &sim->node[e->node];
    switch (e->kind) {
    case EV_NONE: break;
    case EV_MESSAGE: net_deliver(sim, e); break;
    case EV_GONE: net_on_gone(sim, e); break;
    case EV_DIAL: net_on_dial(sim, e); break;
    case EV_TIMEOUT: net_on_timeout(sim, e); break;
    case EV_PING:
        net_ping_all(sim, e->node);
        e->at += PING_EVERY_MS;
        sim_push(sim, e);
        break;
    case EV_TICK:
        if (v->is_up && e->gen == v->tick_gen) validator_tick(v);
        break;
    case EV_SEAL:
        if (v->is_up && e->gen == v->seal_gen) validator_seal(v);
        break;
    case EV_RESTART:
        if (!v->is_up) validator_boot(v);
        break;
    case EV_FAULT:
        if (!sim->is_calm && e->gen == (uint32_t)sim->phase_no) faults_next(sim);
        break;
    case EV_GOVERN:
        if (sim->opt.recover) recover_next(sim);
        govern_next(sim);
        break;
    case EV_HEAL: begin_calm(sim); break;
    case EV_CHECK:
        if (!sim->is_calm || e->gen != (uint32_t)sim->phase_no || sim->recovery == RECOVERED) break;
        keeper_give_up(sim, set_size(sim));
        check_recovered(sim, set_size(sim));
        after(sim, EV_CHECK, sim->step_ms, e->gen);
        break;
    case EV_PHASE: begin_faults(sim); break;
    case EV_STORE:
        if (e->gen == (uint32_t)v->keeper.gen) keeper_toggle(v, e->message == 1);
        break;
    }
}

/* --------------------------------------------------------------------- run */

static void mix(struct sim *sim, const struct event *e)
{
    uint64_t h = sim->digest ^ (e->at * 31 + e->kind * 7 + e->node * 3 + e->peer + e->message * 131U);
    if (e->packet != NULL && e->packet->len >= 8) h ^= le64_get(e->packet->data + e->packet->len - 8) + e->packet->len;
    sim->digest = (h ^ h >> 29) * 0x9e3779b97f4a7c15u;
}

static void open_world(struct sim *sim)
{
    struct err err = {0};
    struct genesis g;
    govern_init(sim);
    if (genesis_compute(&g, &sim->spec, &err) != OK) BUG("genesis");
    sim->genesis = g.hash;
    sim->step_ms = aura_step_duration_ms(&sim->spec.aura, 0);
    sim->start = sim->now = (1700000000000 / sim->step_ms) * sim->step_ms + sim_pick(sim, 0, sim->step_ms - 1);
    sim->first_step = aura_step_at(&sim->spec.aura, sim->now) - 2000;
    sim->n_steps = sim->opt.steps + 4000;
    sim->end = sim->now + sim->opt.steps * sim->step_ms;
    forkid_init(&sim->forks, &sim->spec, &sim->genesis, g.header.timestamp);
    check_init(sim);
    for (size_t i = 0; i < sim->n; i++)
        sim->node[i].drift_since = sim->now;
    for (size_t i = 0; i < sim->n && !sim->failed; i++)
        validator_boot(&sim->node[i]);
    for (size_t i = 0; i < sim->n; i++) {
        const struct event e = {.kind = EV_PING, .at = sim->now + sim_pick(sim, 0, PING_EVERY_MS), .node = (uint8_t)i};
        sim_push(sim, &e);
    }
    after(sim, EV_GOVERN, 3 * sim->step_ms, 0);
    begin_calm(sim);
}

bool sim_run(const struct sim_options *opt, struct sim_stats *stats, char *why, uint64_t *digest)
{
    struct sim *sim = calloc(1, sizeof *sim);
    if (sim == NULL) BUG("out of memory");
    sim->opt = *opt;
    sim->stats = stats;
    rng_seed(&sim->rng, opt->seed);
    rng_seed(&sim->store_rng, opt->seed ^ 0x5704e);
    wrap_seed(opt->seed);
    open_world(sim);
    while (!sim->failed && sim->n_heap > 0 && sim->heap[0].at < sim->end) {
        struct event e = pop(sim);
        sim->now = e.at;
        stats->events++;
        mix(sim, &e);
        handle(sim, &e);
    }
    stats->steps += (sim->now - sim->start) / sim->step_ms;
    if (sim->opt.recover && !sim->failed && sim->ruin != MENDED) sim_fail(sim, "the run ended before the set was mended: too few steps");
    const bool ok = !sim->failed;
    memcpy(why, sim->why, sizeof sim->why);
    *digest = sim->digest;
    for (size_t i = 0; i < sim->n; i++)
        validator_fini(&sim->node[i]);
    net_fini(sim);
    check_fini(sim);
    recover_fini(sim);
    chain_spec_fini(&sim->spec);
    free(sim->heap);
    free(sim);
    return ok;
}
