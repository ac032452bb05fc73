/* Networks in which everything happens: links break and come back, nodes fall silent, forks grow, imports fail for a while, blocks come
 * early. When it calms down and all are linked, all must agree on the heaviest chain, and no honest node may have been blamed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/node/sync/sim.h"

#include "lib/base/rng.h"

#include <cmocka.h>

static void unlink_both(struct sim *sim, size_t a, size_t b)
{
    if (!sim->node[a].linked[b]) return;
    sim->node[a].linked[b] = sim->node[b].linked[a] = false;
    sync_remove_peer(sim->node[a].sync, b + 1, sim->now);
    sync_remove_peer(sim->node[b].sync, a + 1, sim->now);
}

static void drop_in_flight(struct sim *sim, size_t a, size_t b)
{
    size_t n = 0;
    for (size_t i = 0; i < sim->n_queue; i++) {
        struct sim_message *m = &sim->queue[i];
        if ((m->from == a && m->to == b) || (m->from == b && m->to == a)) free(m->payload);
        else sim->queue[n++] = *m;
    }
    sim->n_queue = n;
}

/* What a silent node did not say is not said later: TCP loses nothing, so its connections end with the silence. */
static void set_silent(struct sim *sim, size_t i, bool silent)
{
    if (sim->node[i].silent && !silent) {
        for (size_t k = 0; k < sim->n; k++) {
            unlink_both(sim, i, k);
            drop_in_flight(sim, i, k);
        }
    }
    sim->node[i].silent = silent;
}

static void seal(struct sim *sim, struct rng_seeded *r, size_t i)
{
    struct sim_node *nd = &sim->node[i];
    char tag[24];
    if (nd->n_blocks > SIM_BLOCKS - 200) return;
    snprintf(tag, sizeof tag, "%zu %llx", i, (unsigned long long)rng_next(r));
    if (rng_below(r, 10) == 0) { /* it reaches the others before its time */
        struct buf b;
        buf_init(&b, 1 << 20);
        sim_make_block(&b, sim_head(nd), sim->now + rng_below(r, 400), (unsigned)rng_below(r, 4), 5, tag);
        const u256 td = u256_add(sim_head(nd)->td, u256_from_u64(5));
        sim_store(nd, buf_view(&b), &td);
        buf_fini(&b);
        sim_set_head(nd, nd->n_blocks - 1);
    } else {
        sim_mine(nd, (unsigned)rng_below(r, 4), 1 + rng_below(r, 20), tag);
    }
    struct sim_block *b = sim_head(nd);
    sync_announce_block(nd->sync, &b->hash, bytes_make(b->raw, b->raw_len), sim->now);
    nd->next_tick = 0;
}

static void chaos(uint64_t seed, unsigned version)
{
    struct sim *sim = calloc(1, sizeof *sim);
    struct rng_seeded r;
    assert_non_null(sim);
    rng_seed(&r, seed);
    sim_init(sim, 6);
    sim->version = version;
    for (unsigned round = 0; round < 150; round++) {
        const size_t a = (size_t)rng_below(&r, sim->n), b = (size_t)rng_below(&r, sim->n);
        switch (rng_below(&r, 8)) {
        case 0:
            if (a != b) {
                unlink_both(sim, a, b);
                drop_in_flight(sim, a, b);
            }
            break;
        case 1:
        case 2:
            if (a != b && !sim->node[a].linked[b]) {
                drop_in_flight(sim, a, b);
                sim_link(sim, a, b);
            }
            break;
        case 3: sim->node[a].fail_imports = (unsigned)rng_below(&r, 3); break;
        case 4:
            for (uint64_t k = rng_below(&r, 30); k > 0; k--) /* a burst, as after a partition */
                seal(sim, &r, a);
            break;
        case 5: set_silent(sim, a, rng_below(&r, 3) == 0); break;
        default: seal(sim, &r, a); break;
        }
        sim_run(sim, rng_below(&r, 120));
    }
    for (size_t i = 0; i < sim->n; i++) {
        set_silent(sim, i, false);
        sim->node[i].fail_imports = 0;
    }
    for (unsigned t = 0; t < 60; t++) {
        for (size_t i = 0; i < sim->n; i++)
            for (size_t k = i + 1; k < sim->n; k++)
                if (!sim->node[i].linked[k]) { /* as the dialler does */
                    drop_in_flight(sim, i, k);
                    sim_link(sim, i, k);
                }
        sim_run(sim, 1000);
        bool same = true;
        for (size_t i = 1; i < sim->n; i++)
            same = same && u256_eq(&sim_head(&sim->node[0])->td, &sim_head(&sim->node[i])->td);
        if (same) break;
    }
    for (size_t i = 0; i < sim->n; i++) {
        struct sim_node *nd = &sim->node[i];
        if (!u256_eq(&sim_head(&sim->node[0])->td, &sim_head(nd)->td))
            fail_msg("seed %llu eth/%u: node %zu is at %llu, node 0 at %llu", (unsigned long long)seed, version, i,
                     (unsigned long long)sim_head(nd)->number, (unsigned long long)sim_head(&sim->node[0])->number);
        struct sync_state st;
        sync_get_state(&st, nd->sync);
        if (st.n_blocks_bad != 0 || strncmp(nd->why, "malformed", 9) == 0)
            fail_msg("seed %llu eth/%u: node %zu blamed another: %s", (unsigned long long)seed, version, i, nd->why);
    }
    sim_fini(sim);
    free(sim);
}

static void after_any_chaos_all_agree_on_the_heaviest_chain(void **state)
{
    (void)state;
    static const unsigned versions[] = {63, 66, 68};
    const uint64_t first = getenv("SEED") != NULL ? strtoull(getenv("SEED"), NULL, 10) : 1;
    const uint64_t n = getenv("ROUNDS") != NULL ? strtoull(getenv("ROUNDS"), NULL, 10) : 12;
    print_message("# seeds %llu to %llu\n", (unsigned long long)first, (unsigned long long)(first + n - 1));
    for (uint64_t seed = first; seed < first + n; seed++)
        chaos(seed, versions[seed % COUNT_OF(versions)]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_any_chaos_all_agree_on_the_heaviest_chain),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
