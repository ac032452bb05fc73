/* Catching up, from one peer and from several, honest or not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/node/sync/sim.h"

#include <cmocka.h>

/* ---------------------------------------------------------------- catching up */

static void an_empty_node_catches_up_over_every_version(void **state)
{
    (void)state;
    static const unsigned versions[] = {63, 65, 66, 68};
    for (size_t v = 0; v < COUNT_OF(versions); v++) {
        struct sim sim;
        sim_init(&sim, 2);
        sim.version = versions[v];
        sim_mine_many(&sim.node[0], 1000, 3, 10, "a");
        sim_link(&sim, 0, 1);
        sim_run_to_same_head(&sim, 1500, 0, 1);
        assert_int_equal(1000, sim.node[1].n_imports);
        assert_int_equal(0, sim.node[0].n_dropped + sim.node[1].n_dropped);
        struct sync_state st;
        sync_get_state(&st, sim.node[1].sync);
        assert_false(st.is_syncing);
        assert_int_equal(1000, st.n_blocks_imported);
        sim_fini(&sim);
    }
}

static void is_syncing_tells_how_far(void **state)
{
    (void)state;
    struct sim sim;
    sim_init(&sim, 2);
    sim_mine_many(&sim.node[0], 2000, 1, 10, "a");
    sim_link(&sim, 0, 1);
    sim_run(&sim, 60);
    struct sync_state st;
    sync_get_state(&st, sim.node[1].sync);
    assert_true(st.is_syncing);
    assert_int_equal(0, st.starting_block);
    assert_int_equal(2000, st.highest_block);
    assert_true(st.current_block < 2000);
    sim_run_to_same_head(&sim, 3000, 0, 1);
    sim_fini(&sim);
}

static void bodies_come_from_several_peers(void **state)
{
    (void)state;
    struct sim sim;
    sim_init(&sim, 4);
    sim_mine_many(&sim.node[0], 1500, 2, 10, "a");
    for (size_t i = 1; i < 3; i++)
        sim_copy_chain(&sim.node[i], &sim.node[0]);
    for (size_t i = 0; i < 3; i++)
        sim_link(&sim, i, 3);
    sim_run_to_same_head(&sim, 2500, 0, 3);
    for (size_t i = 0; i < 3; i++)
        assert_true(sim.node[i].n_bodies_asked > 100);
    sim_fini(&sim);
}

/* ret virtual milliseconds until node 0, fresh, has all of a chain of 4,000 blocks from the others; extra_ms: of each of them */
static uint64_t time_to_sync(const uint64_t *extra_ms, size_t n, unsigned *n_dropped)
{
    struct sim sim;
    sim_init(&sim, n + 1);
    sim_mine_many(&sim.node[1], 4000, 2, 10, "a");
    for (size_t i = 2; i <= n; i++)
        sim_copy_chain(&sim.node[i], &sim.node[1]);
    for (size_t i = 1; i <= n; i++) {
        sim_link(&sim, i, 0); /* its Status is on its way */
        sim.node[i].extra_ms = extra_ms[i - 1];
    }
    const uint64_t began = sim.now;
    while (sim_head(&sim.node[0])->number < 4000 && sim.now < began + 120000)
        sim_run(&sim, 10);
    assert_int_equal(4000, sim_head(&sim.node[0])->number);
    assert_same_head(&sim, 0, 1);
    *n_dropped = 0;
    for (size_t i = 0; i <= n; i++)
        *n_dropped += sim.node[i].n_dropped;
    const uint64_t took = sim.now - began;
    sim_fini(&sim);
    return took;
}

static void three_peers_far_away_are_quicker_than_one(void **state)
{
    (void)state;
    unsigned dropped;
    const uint64_t one = time_to_sync((uint64_t[]){100}, 1, &dropped), three = time_to_sync((uint64_t[]){100, 100, 100}, 3, &dropped);
    print_message("# %llu ms from one, %llu from three\n", (unsigned long long)one, (unsigned long long)three);
    assert_true(three * 4 < one * 3);
}

static void a_slow_peer_is_routed_around_wherever_it_stands(void **state)
{
    (void)state;
    unsigned dropped;
    const uint64_t quick = time_to_sync((uint64_t[]){20, 20}, 2, &dropped);
    for (size_t at = 0; at < 3; at++) {
        uint64_t extra_ms[3] = {20, 20, 20};
        extra_ms[at] = 2000;
        const uint64_t took = time_to_sync(extra_ms, 3, &dropped);
        print_message("# %llu ms without it, %llu with it as number %zu\n", (unsigned long long)quick, (unsigned long long)took, at);
        assert_true(took < quick + 3000); /* it may be the first that is asked */
        assert_int_equal(0, dropped);    /* slow is no crime */
    }
    /* and alone it is good enough */
    assert_true(time_to_sync((uint64_t[]){2000}, 1, &dropped) < 120000);
    assert_int_equal(0, dropped);
}

static void blocks_are_imported_in_groups_but_for_the_last(void **state)
{
    (void)state;
    struct sim sim;
    sim_init(&sim, 2);
    sim_mine_many(&sim.node[0], 1000, 1, 10, "a");
    sim_link(&sim, 0, 1);
    sim_run_to_same_head(&sim, 3000, 0, 1);
    assert_true(sim.node[1].largest_group > 8);
    assert_int_equal(999, sim.node[1].group_from); /* by itself */
    sim.node[1].largest_group = 0;
    sim_mine_many(&sim.node[0], 5, 1, 10, "b"); /* a few behind: at the head each one is kept by itself */
    sim_announce(&sim, 0, sim_head(&sim.node[0]));
    sim_run_to_same_head(&sim, 3000, 0, 1);
    assert_int_equal(1, sim.node[1].largest_group);
    sim_fini(&sim);
}

static void a_bad_block_in_a_group_costs_its_giver_alone(void **state)
{
    (void)state;
    struct sim sim;
    sim_init(&sim, 3);
    sim_mine_many(&sim.node[0], 100, 1, 10, "a");
    sim_copy_chain(&sim.node[1], &sim.node[0]);
    sim_mine_many(&sim.node[1], 1, 1, 10, "BAD");
    sim_mine_many(&sim.node[1], 300, 1, 10, "c");
    sim_mine_many(&sim.node[0], 200, 1, 10, "b");
    sim_link(&sim, 1, 2);
    sim_link(&sim, 0, 2);
    sim_run_to_same_head(&sim, 5000, 0, 2);
    assert_let_go(&sim, 2, 1, 0);
    sim_fini(&sim);
}

static void a_fork_is_left_for_the_heavier_chain(void **state)
{
    (void)state;
    static const unsigned common[] = {0, 1, 17, 100, 399};
    for (size_t c = 0; c < COUNT_OF(common); c++) {
        struct sim sim;
        sim_init(&sim, 2);
        sim_mine_many(&sim.node[0], common[c], 2, 10, "common");
        sim_copy_chain(&sim.node[1], &sim.node[0]);
        sim_mine_many(&sim.node[0], 400 - common[c], 1, 10, "a");
        sim_mine_many(&sim.node[1], 300, 1, 20, "b");
        sim_link(&sim, 0, 1);
        sim_run(&sim, 2500);
        const size_t heavier = (400 - common[c]) * 10 > 6000 ? 0 : 1;
        assert_same_head(&sim, 0, 1);
        assert_int_equal(heavier == 1 ? common[c] + 300 : 400, sim_head(&sim.node[0])->number);
        assert_int_equal(0, sim.node[0].n_dropped + sim.node[1].n_dropped);
        sim_fini(&sim);
    }
}

static void a_heavier_chain_from_before_finality_is_not_followed_nor_punished(void **state)
{
    (void)state;
    struct sim sim;
    sim_init(&sim, 2);
    sim_mine_many(&sim.node[0], 100, 0, 10, "a");
    sim_mine_many(&sim.node[1], 100, 0, 20, "b");
    sim.node[0].finalised = 50;
    sim_link(&sim, 0, 1);
    sim_run(&sim, 20000);
    assert_int_equal(0, sim.node[0].n_imports);
    assert_int_equal(1, n_linked(&sim, 0));
    sim_fini(&sim);
}

static void a_silent_peer_is_replaced_and_let_go(void **state)
{
    (void)state;
    struct sim sim;
    sim_init(&sim, 3);
    sim_mine_many(&sim.node[0], 500, 1, 10, "a");
    sim_copy_chain(&sim.node[1], &sim.node[0]);
    sim_mine(&sim.node[0], 0, 10, "heaviest");
    sim.node[0].silent = true;
    sim_link(&sim, 0, 2);
    sim_link(&sim, 1, 2);
    sim_run_to_same_head(&sim, 15000, 1, 2);
    sim_run(&sim, 90000);
    assert_let_go(&sim, 2, 0, 1);
    sim_fini(&sim);
}

static void a_peer_with_wrong_bodies_is_let_go_and_others_serve(void **state)
{
    (void)state;
    struct sim sim;
    sim_init(&sim, 3);
    for (int i = 0; i < 300; i++)
        sim_mine(&sim.node[0], 2, 10, "a");
    sim_copy_chain(&sim.node[1], &sim.node[0]);
    sim.node[0].swaps_bodies = true;
    sim_link(&sim, 0, 2);
    sim_link(&sim, 1, 2);
    sim_run_to_same_head(&sim, 20000, 1, 2);
    assert_let_go(&sim, 2, 0, 1);
    sim_fini(&sim);
}

static void the_peer_of_an_invalid_chain_is_let_go_and_another_followed(void **state)
{
    (void)state;
    struct sim sim;
    sim_init(&sim, 3);
    sim_mine_many(&sim.node[0], 50, 1, 10, "a");
    sim_copy_chain(&sim.node[1], &sim.node[0]);
    sim_copy_chain(&sim.node[2], &sim.node[0]);
    sim_mine_many(&sim.node[0], 20, 0, 10, "BAD");
    sim_mine_many(&sim.node[1], 10, 1, 10, "b");
    sim_link(&sim, 0, 2);
    sim_link(&sim, 1, 2);
    sim_run_to_same_head(&sim, 5000, 1, 2);
    assert_let_go(&sim, 2, 0, 1);
    sim_fini(&sim);
}

static void our_own_trouble_is_nobodys_fault(void **state)
{
    (void)state;
    struct sim sim;
    sim_init(&sim, 2);
    sim_mine_many(&sim.node[0], 300, 1, 10, "a");
    sim.node[1].fail_imports = 3;
    sim_link(&sim, 0, 1);
    sim_run_to_same_head(&sim, 6000, 0, 1);
    sim.node[1].fail_imports = 2;
    sim_announce(&sim, 0, sim_mine(&sim.node[0], 0, 10, "next"));
    sim_run_to_same_head(&sim, 6000, 0, 1);
    assert_int_equal(0, sim.node[1].n_dropped);
    sim_fini(&sim);
}

/* Both sides seal while apart; after the link all agree on the heaviest, however many there are. */
static void a_healed_partition_agrees_on_one_chain(void **state)
{
    (void)state;
    struct sim sim;
    sim_init(&sim, 6);
    sim_mine_many(&sim.node[0], 30, 1, 10, "common");
    for (size_t i = 1; i < 6; i++)
        sim_copy_chain(&sim.node[i], &sim.node[0]);
    for (size_t i = 0; i < 6; i++)
        sim_mine_many(&sim.node[i], 5 + (unsigned)i, 1, 10, i < 3 ? "left" : "right");
    sim_link_all(&sim);
    sim_run(&sim, 4000);
    for (size_t i = 0; i < 5; i++)
        assert_same_head(&sim, i, 5);
    sim_fini(&sim);
}

static void a_promise_of_difficulty_that_is_not_kept_does_not_stop_us(void **state)
{
    (void)state;
    struct sim sim;
    sim_init(&sim, 3);
    sim_mine_many(&sim.node[1], 50, 1, 10, "a");
    sim_link(&sim, 1, 2);
    /* node 0 claims a head that it doesn't have */
    sim.node[0].blocks[0].td = u256_shl(u256_from_u64(1), 250);
    const hash32 real = sim.node[0].blocks[0].hash;
    sim.node[0].blocks[0].hash.b[3] ^= 0x55;
    sim_link(&sim, 0, 2);
    sim.node[0].blocks[0].hash = real;
    sim_run_to_same_head(&sim, 6000, 1, 2);
    sim_fini(&sim);
}

static void a_chain_of_headers_without_bodies_stops_no_sealer_and_its_giver_goes(void **state)
{
    (void)state;
    struct sim sim;
    struct sync_state st;
    sim_init(&sim, 2);
    sim_mine_many(&sim.node[1], 20, 1, 10, "a");
    sim_copy_chain(&sim.node[0], &sim.node[1]);
    sim_mine_many(&sim.node[0], 3000, 1, 10, "b");
    sim.node[0].withholds_bodies = true;
    sim_link(&sim, 0, 1);
    uint64_t behind = 0, all = 0;
    for (; sim.node[1].linked[0] && all < 400; all++) {
        sim_run(&sim, 1000);
        sync_get_state(&st, sim.node[1].sync);
        behind += st.is_behind;
    }
    assert_false(sim.node[1].linked[0]);
    assert_in_range(behind, 0, 4);
    assert_string_equal(sim.node[1].why, "promises a chain that it never gives");
    sync_get_state(&st, sim.node[1].sync);
    assert_false(st.is_behind);
    sim_fini(&sim);
}

static void a_chain_that_is_given_is_no_time_to_seal(void **state)
{
    (void)state;
    struct sim sim;
    struct sync_state st;
    sim_init(&sim, 2);
    sim_mine_many(&sim.node[0], 3000, 1, 10, "a");
    sim_link(&sim, 0, 1);
    do { /* from the promise to the last blocks */
        sim_run(&sim, 2);
        sync_get_state(&st, sim.node[1].sync);
        assert_int_equal(st.is_behind, st.is_syncing);
    } while (sim_head(&sim.node[1])->number < 2980 && sim.now < 200000);
    assert_in_range(sim_head(&sim.node[1])->number, 2980, 3000);
    sim_fini(&sim);
}

/* --- headers from several peers: where answers take long */

enum { LONG = 4000, THIN = 100 };

/* a chain of empty blocks at node 1, and the first n of the nodes behind it have it too, all behind thin lines; the rest are to be filled */
static void thin_lines(struct sim *sim, size_t n_nodes, size_t n)
{
    sim_init(sim, n_nodes);
    sim_mine_many(&sim->node[1], LONG, 0, 10, "a");
    for (size_t i = 2; i <= n; i++)
        sim_copy_chain(&sim->node[i], &sim->node[1]);
    for (size_t i = 1; i < n_nodes; i++)
        sim->node[i].bytes_ms = THIN;
}

/* ret virtual milliseconds until node 0 has all of it */
static uint64_t fetch_it(struct sim *sim, uint64_t at_most)
{
    const uint64_t began = sim->now;
    for (size_t i = 1; i < sim->n; i++)
        sim_link(sim, i, 0);
    while (sim_head(&sim->node[0])->number < LONG && sim->now < began + at_most)
        sim_run(sim, 10);
    assert_same_head(sim, 0, 1);
    return sim->now - began;
}

static void thin_lines_share_the_headers(void **state)
{
    (void)state;
    uint64_t took[4];
    for (size_t n = 1; n < COUNT_OF(took); n++) {
        struct sim sim;
        thin_lines(&sim, n + 1, n);
        took[n] = fetch_it(&sim, 200000);
        print_message("# %zu peers: %llu ms\n", n, (unsigned long long)took[n]);
        for (size_t i = 0; i <= n; i++)
            assert_int_equal(0, sim.node[i].n_dropped);
        sim_fini(&sim);
    }
    assert_true(took[2] * 5 < took[1] * 4);
    assert_true(took[3] * 3 < took[1] * 2);
}

/* who is on another branch, or falls silent, costs some time, and its connection only if it says nothing for long */
static void a_peer_without_the_headers_of_that_chain_costs_bounded_time(void **state)
{
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        struct sim sim;
        thin_lines(&sim, 4, 2);
        if (kind == 0) sim_mine_many(&sim.node[3], LONG, 0, 9, "b"); /* as long, but lighter */
        else sim_copy_chain(&sim.node[3], &sim.node[1]);
        sim.node[3].silent = kind == 1;
        if (kind == 2) sim.node[3].extra_ms = 4000;
        const uint64_t took = fetch_it(&sim, 100000);
        print_message("# kind %d: %llu ms\n", kind, (unsigned long long)took);
        assert_true(took < 60000);
        assert_true(sim.node[0].linked[1] && sim.node[0].linked[2]);
        if (kind != 1) assert_true(sim.node[0].linked[3]);
        sim_fini(&sim);
    }
}

/* the skeleton's giver goes, or its chain is bad: it alone is blamed, whoever sent the headers */
static void who_gives_the_skeleton_vouches_for_all_of_it(void **state)
{
    (void)state;
    struct sim sim;
    thin_lines(&sim, 5, 2);
    for (size_t i = 3; i < 5; i++) { /* 4 promises most: 3 has its headers but says nothing of a heavier chain */
        sim_mine_many(&sim.node[i], 1500, 0, 11, "c");
        if (i == 3) continue;
        sim_mine(&sim.node[i], 0, 11, "BAD");
        sim_mine_many(&sim.node[i], 2300, 0, 11, "d");
    }
    (void)fetch_it(&sim, 300000);
    sim_run(&sim, 10000);
    assert_same_head(&sim, 0, 1);
    assert_false(sim.node[0].linked[4]);
    for (size_t i = 1; i < 4; i++)
        assert_true(sim.node[0].linked[i]);
    sim_fini(&sim);
}

/* whoever goes, whenever: the others finish it */
static void a_giver_of_headers_that_goes_leaves_the_rest_to_others(void **state)
{
    (void)state;
    for (size_t gone = 1; gone < 4; gone++) {
        for (uint64_t after = 300; after < 12000; after += 1700) {
            struct sim sim;
            thin_lines(&sim, 4, 3);
            for (size_t i = 1; i < 4; i++)
                sim_link(&sim, i, 0);
            sim_run(&sim, after);
            sync_remove_peer(sim.node[0].sync, gone + 1, sim.now);
            sim.node[0].linked[gone] = false;
            sync_remove_peer(sim.node[gone].sync, 1, sim.now);
            sim.node[gone].linked[0] = false;
            for (uint64_t end = sim.now + 100000; sim_head(&sim.node[0])->number < LONG && sim.now < end;)
                sim_run(&sim, 10);
            assert_same_head(&sim, 0, 1);
            assert_int_equal(2, n_linked(&sim, 0));
            sim_fini(&sim);
        }
    }
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_node_catches_up_over_every_version),
        cmocka_unit_test(is_syncing_tells_how_far),
        cmocka_unit_test(bodies_come_from_several_peers),
        cmocka_unit_test(three_peers_far_away_are_quicker_than_one),
        cmocka_unit_test(a_slow_peer_is_routed_around_wherever_it_stands),
        cmocka_unit_test(blocks_are_imported_in_groups_but_for_the_last),
        cmocka_unit_test(a_bad_block_in_a_group_costs_its_giver_alone),
        cmocka_unit_test(a_fork_is_left_for_the_heavier_chain),
        cmocka_unit_test(a_heavier_chain_from_before_finality_is_not_followed_nor_punished),
        cmocka_unit_test(a_silent_peer_is_replaced_and_let_go),
        cmocka_unit_test(a_peer_with_wrong_bodies_is_let_go_and_others_serve),
        cmocka_unit_test(the_peer_of_an_invalid_chain_is_let_go_and_another_followed),
        cmocka_unit_test(our_own_trouble_is_nobodys_fault),
        cmocka_unit_test(a_healed_partition_agrees_on_one_chain),
        cmocka_unit_test(a_promise_of_difficulty_that_is_not_kept_does_not_stop_us),
        cmocka_unit_test(a_chain_of_headers_without_bodies_stops_no_sealer_and_its_giver_goes),
        cmocka_unit_test(a_chain_that_is_given_is_no_time_to_seal),
        cmocka_unit_test(thin_lines_share_the_headers),
        cmocka_unit_test(a_peer_without_the_headers_of_that_chain_costs_bounded_time),
        cmocka_unit_test(who_gives_the_skeleton_vouches_for_all_of_it),
        cmocka_unit_test(a_giver_of_headers_that_goes_leaves_the_rest_to_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
