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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
