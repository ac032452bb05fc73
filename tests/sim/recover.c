/* recover.c: half of the validators or more are destroyed. The others go on sealing, nothing is final; an admin takes the lost ones out, which waits.
 * Then every node is started anew by a specification that changes the set at one block, as spec_json_recover writes it. */
#include "tests/sim/sim.h"

enum { AHEAD_BLOCKS = 25, SETTLED_BLOCKS = 8, WITHIN_STEPS = 10 };

bool recover_is_stuck(const struct sim *sim)
{
    return sim->ruin == DESTROYED || sim->ruin == PLANNED;
}

void recover_fini(struct sim *sim)
{
    validators_fini(&sim->left);
}

static uint64_t highest_final(struct sim *sim)
{
    uint64_t most = 0;
    for (size_t i = 0; i < sim->n; i++)
        if (!sim->node[i].is_gone && sim->node[i].seen_final > most) most = sim->node[i].seen_final;
    return most;
}

static void destroy(struct sim *sim)
{
    size_t left = (sim->n - 1) / 2; /* of 2: 0 would be no network */
    if (left == 0) left = 1;
    for (size_t gone = 0; gone < sim->n - left;) {
        struct validator *v = &sim->node[rng_below(&sim->rng, sim->n)];
        if (v->is_gone) continue;
        if (v->is_up) validator_die(v);
        v->is_gone = true;
        gone++;
        sim_log(sim, "%zu is destroyed", v->index);
    }
    /* what was final for the lost ones alone is lost with them: no rule can bring it back */
    for (uint64_t n = highest_final(sim) + 1; n < sim->cap_final; n++)
        sim->final[n] = (hash32){{0}};
    sim->stats->faults[FAULT_DESTROY]++;
    sim->ruin = DESTROYED;
}

static struct validator *some_left(struct sim *sim)
{
    for (size_t i = 0; i < sim->n; i++)
        if (!sim->node[i].is_gone && sim->node[i].is_up && !kv_fault_is_dead(sim->node[i].kv)) return &sim->node[i];
    return NULL;
}

/* (active, id, signal block, new set, ...) */
static bool read_change(bool *active, uint64_t *block, struct validators *set, struct validator *v)
{
    struct arena a;
    bytes out;
    uint64_t id;
    size_t n;
    arena_init(&a, 1 << 20);
    enum status s = check_call(&out, v, "getChangeInfo()", &a);
    struct abi_reader r = abi_read(s == OK ? out : BYTES_EMPTY), list;
    if (s == OK && (abi_get_bool(active, &r) != OK || abi_get_u64(&id, &r) != OK || abi_get_u64(block, &r) != OK || abi_get_array(&list, &n, &r) != OK))
        s = E_DECODE;
    address *items = s == OK ? malloc((n + 1) * sizeof *items) : NULL;
    for (size_t i = 0; s == OK && i < n; i++)
        s = abi_get_address(items[i].b, &list);
    arena_fini(&a);
    if (s != OK) free(items);
    else *set = (struct validators){.list = items, .n = n};
    return s == OK;
}

static void take_out(struct sim *sim, struct validator *v)
{
    address lost[NODES_MAX];
    struct buf in;
    size_t n = 0;
    for (size_t i = 0; i < sim->n; i++)
        if (sim->node[i].is_gone) lost[n++] = sim->node[i].self;
    buf_init(&in, 1 << 12);
    struct abi_writer w = abi_call_begin(&in, "removeValidators(address[])");
    abi_put_addresses(&w, lost[0].b, n);
    abi_end(&w);
    govern_send_call(sim, v, &sim->admin[0], buf_view(&in), "the lost ones' removal");
    buf_fini(&in);
}

/* does every node that is left have that change behind some blocks? Nothing is final: it could yet be undone on one of them */
static bool is_settled(struct sim *sim, uint64_t block, uint64_t *highest)
{
    *highest = 0;
    for (size_t i = 0; i < sim->n; i++) {
        struct validator *v = &sim->node[i];
        struct chain_head h;
        struct validators set;
        bool active;
        uint64_t at;
        if (v->is_gone) continue;
        if (!v->is_up || kv_fault_is_dead(v->kv) || !read_change(&active, &at, &set, v)) return false;
        validators_fini(&set);
        chain_get_head(&h, v->chain);
        if (!active || at != block || h.number < at + SETTLED_BLOCKS) return false;
        if (h.number > *highest) *highest = h.number;
    }
    return true;
}

static void plan(struct sim *sim, struct validators *set_take, uint64_t highest)
{
    validators_fini(&sim->left);
    sim->left = *set_take;
    *set_take = (struct validators){0};
    sim->change_block = highest + AHEAD_BLOCKS;
    sim->rules[0] = (struct validator_set_at){.block = 0, .set = sim->spec.aura.validators};
    sim->rules[1] = (struct validator_set_at){.block = sim->change_block, .set = {.kind = VALSET_LIST, .list = sim->left.list, .n_list = sim->left.n}};
    sim->rules[2] = (struct validator_set_at){.block = sim->change_block + 2, .set = sim->spec.aura.validators};
    sim->next_spec = sim->spec;
    sim->next_spec.aura.validators = (struct validator_set_spec){.kind = VALSET_MULTI, .multi = sim->rules, .n_multi = 3};
    sim_log(sim, "the set changes at block %llu", (unsigned long long)sim->change_block);
    for (size_t i = 0; i < sim->n; i++) {
        struct validator *v = &sim->node[i];
        if (v->is_gone) continue;
        v->spec = &sim->next_spec; /* from its next start on */
        if (v->is_up) validator_die(v);
        const struct event e = {.kind = EV_RESTART, .at = sim->now + sim_pick(sim, 100, WITHIN_STEPS * sim->step_ms), .node = (uint8_t)i};
        sim_push(sim, &e);
    }
    if (sim->healed_at < sim->now + WITHIN_STEPS * sim->step_ms) sim->healed_at = sim->now + WITHIN_STEPS * sim->step_ms; /* when all are up again */
    sim->ruin = PLANNED;
}

static void go_on(struct sim *sim, struct validator *v)
{
    struct validators set = {0};
    bool active = false;
    uint64_t block = 0, highest;
    if (!read_change(&active, &block, &set, v)) return;
    if (!active) {
        sim->stuck_final = 0;
        take_out(sim, v);
    } else if (set.n == (sim->n - 1) / 2 + (sim->n == 2) && is_settled(sim, block, &highest) && sim->is_calm) {
        plan(sim, &set, highest);
    }
    validators_fini(&set);
    /* what was sealed before the loss may still become known; then it is over */
    const uint64_t final = highest_final(sim);
    if (sim->stuck_final != 0 && sim->stuck_final == final) sim->stats->checks[CHECK_STUCK]++;
    else if (sim->stuck_final != 0 && ++sim->stuck_checks > 8) sim_fail(sim, "block %llu is final with most validators gone", (unsigned long long)final);
    sim->stuck_final = final;
}

static bool is_mended(struct sim *sim)
{
    for (size_t i = 0; i < sim->n; i++) {
        const struct validator *v = &sim->node[i];
        if (!v->is_gone && v->seen_final <= sim->change_block + 2) return false;
    }
    return true;
}

void recover_next(struct sim *sim)
{
    struct validator *v = some_left(sim);
    switch (sim->ruin) {
    case WHOLE:
        if (sim->phase_no >= 3) destroy(sim);
        break;
    case DESTROYED:
        if (v != NULL) go_on(sim, v);
        break;
    case PLANNED:
        if (!is_mended(sim)) break;
        sim->ruin = MENDED;
        sim->stats->checks[CHECK_RECOVERED]++;
        sim_log(sim, "mended: blocks are final again");
        break;
    case MENDED: break;
    }
}
