/* faults.c: what goes wrong, when. Each time of faults has a mixture of its own: which kinds, how often, how bad the network is. */
#include "tests/sim/sim.h"

enum { CALM_DELAY_MS = 10, CALM_JITTER_MS = 60 };

static void split(struct sim *sim, bool one_alone)
{
    uint64_t side = rng_next(&sim->rng);
    if (one_alone) side = 1ULL << rng_below(&sim->rng, sim->n);
    const enum cut_kind kind = (enum cut_kind)sim_pick(sim, CUT_RESET, CUT_DROP);
    sim_log(sim, "partition %llx kind %d", (unsigned long long)(side & ((1ULL << sim->n) - 1)), (int)kind);
    for (size_t a = 0; a < sim->n; a++) {
        for (size_t b = a + 1; b < sim->n; b++) {
            if ((side >> a & 1) != (side >> b & 1)) net_cut(sim, a, b, kind);
            else net_heal(sim, a, b);
        }
    }
}

static void heal_network(struct sim *sim)
{
    for (size_t a = 0; a < sim->n; a++)
        for (size_t b = a + 1; b < sim->n; b++)
            net_heal(sim, a, b);
}

static void restart_later(struct sim *sim, struct validator *v, uint64_t within_ms)
{
    const struct event e = {.kind = EV_RESTART, .at = sim->now + sim_pick(sim, 50, within_ms), .node = (uint8_t)v->index};
    sim_push(sim, &e);
}

static int64_t either_sign(struct sim *sim, uint64_t v)
{
    return sim_chance(sim, 500) ? (int64_t)v : -(int64_t)v;
}

/* half of all: what a bad clock does within a step; the rest: up to 30 s */
static void skew(struct sim *sim, struct validator *v)
{
    const uint64_t most = sim_chance(sim, 500) ? sim->step_ms : 30000;
    const int64_t by = either_sign(sim, sim_pick(sim, 0, most));
    sim_log(sim, "%zu clock off by %lld ms", v->index, (long long)by);
    validator_set_clock(v, by, v->drift_ppm);
}

void faults_begin(struct sim *sim)
{
    sim->mix = (uint32_t)rng_next(&sim->rng) & sim->opt.faults;
    sim->pace_ms = sim_pick(sim, sim->step_ms / 2, 8 * sim->step_ms);
    const bool lossy = sim_chance(sim, 250), slow = sim_chance(sim, 300);
    if (lossy && (sim->opt.faults >> FAULT_LOSSY & 1)) {
        sim->loss = (uint32_t)sim_pick(sim, 0, 1000);
        sim->twice = (uint32_t)sim_pick(sim, 0, 500);
        sim->late = (uint32_t)sim_pick(sim, 0, 500);
        sim->stats->faults[FAULT_LOSSY]++;
    }
    if (slow && (sim->opt.faults >> FAULT_SLOW & 1)) {
        sim->delay_ms = sim_pick(sim, 10, sim->step_ms);
        sim->jitter_ms = sim_pick(sim, 10, 2 * sim->step_ms);
        sim->stats->faults[FAULT_SLOW]++;
    }
    keeper_begin_faults(sim);
    sim_log(sim, "loss %u twice %u late %u of 10000, delay %llu to %llu ms", sim->loss, sim->twice, sim->late, (unsigned long long)sim->delay_ms,
            (unsigned long long)(sim->delay_ms + sim->jitter_ms));
}

static void one_fault(struct sim *sim, enum fault f)
{
    struct validator *v = &sim->node[rng_below(&sim->rng, sim->n)];
    const size_t a = (size_t)rng_below(&sim->rng, sim->n), b = (size_t)rng_below(&sim->rng, sim->n);
    sim->stats->faults[f]++;
    switch (f) {
    case FAULT_CRASH:
        if (v->is_up) kv_fault_crash(v->kv, (unsigned)sim_pick(sim, 0, 4), sim_chance(sim, 500), NULL, NULL);
        break;
    case FAULT_KILL:
    case FAULT_DISK_LOST:
        if (!v->is_up) break;
        validator_die(v);
        if (f == FAULT_DISK_LOST) validator_lose_disk(v);
        restart_later(sim, v, 12 * sim->step_ms);
        break;
    case FAULT_DISK_FULL: kv_fault_fail(v->kv, (unsigned)sim_pick(sim, 1, 5), sim_chance(sim, 500) ? E_NOSPACE : E_IO); break;
    case FAULT_PARTITION: split(sim, false); break;
    case FAULT_ISOLATE: split(sim, true); break;
    case FAULT_CUT:
        if (a != b) net_cut(sim, a, b, (enum cut_kind)sim_pick(sim, CUT_RESET, CUT_DROP));
        break;
    case FAULT_CALM: heal_network(sim); break;
    case FAULT_SKEW: skew(sim, v); break;
    case FAULT_DRIFT: validator_set_clock(v, v->skew_ms, either_sign(sim, sim_pick(sim, 0, 5000))); break;
    case FAULT_LOSSY:
    case FAULT_SLOW:
    case FAULT_EQUIVOCATE:
    case FAULT_WITHHOLD:
    case FAULT_LOST:
    case FAULT_TWICE:
    case FAULT_LATE:
    case FAULT_CLOCK_STOP:
    case FAULT_GOVERN:
    case FAULT_SPEND:
    case FAULT_DESTROY:
    case FAULT_STORE:
    case FAULT_FREE:
    case FAULT_GIVEN_UP:
    case FAULT_N: break;
    }
}

void faults_next(struct sim *sim)
{
    const enum fault f = (enum fault)sim_pick(sim, FAULT_CRASH, FAULT_DRIFT);
    if (sim->mix >> f & 1) one_fault(sim, f);
    const struct event e = {.kind = EV_FAULT, .at = sim->now + sim_pick(sim, 1, sim->pace_ms), .gen = (uint32_t)sim->phase_no};
    sim_push(sim, &e);
}

void faults_heal(struct sim *sim)
{
    sim->loss = sim->twice = sim->late = 0;
    sim->delay_ms = CALM_DELAY_MS;
    sim->jitter_ms = CALM_JITTER_MS;
    heal_network(sim);
    keeper_heal(sim);
    for (size_t i = 0; i < sim->n; i++) {
        struct validator *v = &sim->node[i];
        if (v->is_up) kv_fault_revive(v->kv);
        else restart_later(sim, v, 500);
        validator_set_clock(v, either_sign(sim, sim_pick(sim, 0, 100)), 0);
    }
}
