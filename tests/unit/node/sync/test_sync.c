#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/node/sync/sim.h"

#include <cmocka.h>

static void assert_same_head(struct sim *sim, size_t a, size_t b)
{
    assert_int_equal(sim_head(&sim->node[a])->number, sim_head(&sim->node[b])->number);
    assert_true(hash_eq(&sim_head(&sim->node[a])->hash, &sim_head(&sim->node[b])->hash));
}

static size_t n_linked(const struct sim *sim, size_t i)
{
    size_t n = 0;
    for (size_t k = 0; k < sim->n; k++)
        n += sim->node[i].linked[k];
    return n;
}

/* ---------------------------------------------------------------- status */

static void status_of_another_network_or_genesis_ends_the_connection(void **state)
{
    (void)state;
    for (int kind = 0; kind < 5; kind++) {
        struct sim sim;
        sim_init(&sim, 2);
        sim.node[0].linked[1] = true;
        assert_int_equal(OK, sync_add_peer(sim.node[0].sync, 2, 68, sim.now));
        struct eth_status st = {.version = 68, .network_id = 7, .td = u256_from_u64(1), .head = sim.genesis, .genesis = sim.genesis,
                                .has_fork_id = true};
        struct forkid_table f;
        forkid_init(&f, NULL, &sim.genesis, 0);
        forkid_at(&st.fork_id, &f, 0, 0);
        if (kind == 1) st.network_id = 8;
        if (kind == 2) st.genesis.b[5] ^= 1;
        if (kind == 3) st.version = 67;
        if (kind == 4) st.has_fork_id = false;
        struct buf b;
        buf_init(&b, 512);
        eth_status_put(&b, &st);
        sim_inject(&sim, 1, 0, ETH_STATUS, buf_view(&b));
        struct sync_peer_info info;
        assert_int_equal(kind == 0, sync_get_peer(&info, sim.node[0].sync, 2));
        assert_int_equal(kind == 0 ? 0 : 1, sim.node[0].n_dropped);
        if (kind == 0) {
            assert_true(info.ready);
            assert_false(info.fork_id_mismatch);
            sim_inject(&sim, 1, 0, ETH_STATUS, buf_view(&b)); /* once is enough */
            assert_int_equal(1, sim.node[0].n_dropped);
        }
        buf_fini(&b);
        sim_fini(&sim);
    }
}

static void a_peer_without_status_is_let_go(void **state)
{
    (void)state;
    struct sim sim;
    sim_init(&sim, 2);
    sim.node[0].linked[1] = sim.node[1].linked[0] = true;
    assert_int_equal(OK, sync_add_peer(sim.node[0].sync, 2, 68, sim.now));
    assert_int_equal(E_EXISTS, sync_add_peer(sim.node[0].sync, 2, 68, sim.now));
    assert_int_equal(E_INVALID, sync_add_peer(sim.node[0].sync, 3, 62, sim.now));
    sim_run(&sim, 9000);
    assert_int_equal(0, sim.node[0].n_dropped);
    sim_run(&sim, 3000);
    assert_int_equal(1, sim.node[0].n_dropped);
    sim_fini(&sim);
}

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
        sim_run(&sim, 1500);
        assert_same_head(&sim, 0, 1);
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
    sim_run(&sim, 3000);
    assert_same_head(&sim, 0, 1);
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
    sim_run(&sim, 2500);
    assert_same_head(&sim, 0, 3);
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
    sim_run(&sim, 3000);
    assert_same_head(&sim, 0, 1);
    assert_true(sim.node[1].largest_group > 8);
    assert_int_equal(999, sim.node[1].group_from); /* by itself */
    sim.node[1].largest_group = 0;
    sim_mine_many(&sim.node[0], 5, 1, 10, "b"); /* a few behind: at the head each one is kept by itself */
    const struct sim_block *b = sim_head(&sim.node[0]);
    sync_announce_block(sim.node[0].sync, &b->hash, bytes_make(b->raw, b->raw_len), sim.now);
    sim_run(&sim, 3000);
    assert_same_head(&sim, 0, 1);
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
    sim_run(&sim, 5000);
    assert_same_head(&sim, 0, 2);
    assert_false(sim.node[2].linked[1]);
    assert_true(sim.node[2].linked[0]);
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
    sim_run(&sim, 15000);
    assert_same_head(&sim, 1, 2);
    sim_run(&sim, 90000);
    assert_false(sim.node[2].linked[0]);
    assert_true(sim.node[2].linked[1]);
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
    sim_run(&sim, 20000);
    assert_same_head(&sim, 1, 2);
    assert_false(sim.node[2].linked[0]);
    assert_true(sim.node[2].linked[1]);
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
    sim_run(&sim, 5000);
    assert_same_head(&sim, 1, 2);
    assert_false(sim.node[2].linked[0]);
    assert_true(sim.node[2].linked[1]);
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
    sim_run(&sim, 6000);
    assert_same_head(&sim, 0, 1);
    sim.node[1].fail_imports = 2;
    struct sim_block *b = sim_mine(&sim.node[0], 0, 10, "next");
    sync_announce_block(sim.node[0].sync, &b->hash, bytes_make(b->raw, b->raw_len), sim.now);
    sim_run(&sim, 6000);
    assert_same_head(&sim, 0, 1);
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

/* ---------------------------------------------------------------- gossip of blocks */

static void a_sealed_block_reaches_all_and_is_imported_once(void **state)
{
    (void)state;
    struct sim sim;
    sim_init(&sim, 6);
    for (size_t i = 0; i < 6; i++)
        sim_link(&sim, i, (i + 1) % 6); /* a ring */
    sim_run(&sim, 50);
    for (unsigned k = 0; k < 20; k++) {
        struct sim_block *b = sim_mine(&sim.node[k % 6], k % 3, 10, "x");
        sync_announce_block(sim.node[k % 6].sync, &b->hash, bytes_make(b->raw, b->raw_len), sim.now);
        sim_run(&sim, 100);
        for (size_t i = 0; i < 6; i++)
            assert_same_head(&sim, k % 6, i);
    }
    unsigned imports = 0;
    for (size_t i = 0; i < 6; i++)
        imports += sim.node[i].n_imports;
    assert_int_equal(20 * 5, imports);
    sim_fini(&sim);
}

static void in_a_large_network_whole_blocks_go_to_the_square_root(void **state)
{
    (void)state;
    struct sim sim;
    sim_init(&sim, 22);
    sim_link_all(&sim);
    sim_run(&sim, 50);
    struct sim_block *b = sim_mine(&sim.node[0], 2, 10, "x");
    sync_announce_block(sim.node[0].sync, &b->hash, bytes_make(b->raw, b->raw_len), sim.now);
    assert_int_equal(5, sim.node[0].n_new_block_sent); /* 21 peers */
    assert_int_equal(16, sim.node[0].n_hash_sent);
    sim_run(&sim, 500);
    for (size_t i = 1; i < 22; i++)
        assert_same_head(&sim, 0, i);
    sim_fini(&sim);
}

static void a_block_known_by_hash_only_is_asked_for(void **state)
{
    (void)state;
    for (unsigned n_txs = 0; n_txs < 3; n_txs += 2) {
        struct sim sim;
        sim_init(&sim, 2);
        sim_link(&sim, 0, 1);
        sim_run(&sim, 50);
        struct sim_block *b = sim_mine(&sim.node[0], n_txs, 10, "x");
        struct buf m;
        buf_init(&m, 256);
        const size_t l = rlp_list_open(&m), i = rlp_list_open(&m);
        eth_hash_put(&m, &b->hash);
        rlp_put_u64(&m, b->number);
        rlp_list_close(&m, i);
        rlp_list_close(&m, l);
        sim_inject(&sim, 0, 1, ETH_NEW_BLOCK_HASHES, buf_view(&m));
        sim_run(&sim, 300);
        assert_same_head(&sim, 0, 1);
        buf_fini(&m);
        sim_fini(&sim);
    }
}

static void put_new_block(struct buf *out, bytes block, const u256 *td)
{
    const size_t l = rlp_list_open(out);
    rlp_put_raw(out, block);
    eth_u256_put(out, td);
    rlp_list_close(out, l);
}

static void a_block_without_its_parent_makes_us_catch_up(void **state)
{
    (void)state;
    struct sim sim;
    sim_init(&sim, 2);
    sim_link(&sim, 0, 1);
    sim_run(&sim, 50);
    sim_mine_many(&sim.node[0], 9, 1, 10, "missed");
    struct sim_block *b = sim_mine(&sim.node[0], 1, 10, "seen");
    sync_announce_block(sim.node[0].sync, &b->hash, bytes_make(b->raw, b->raw_len), sim.now);
    sim_run(&sim, 500);
    assert_same_head(&sim, 0, 1);
    assert_int_equal(0, sim.node[1].n_dropped);
    sim_fini(&sim);
}

static void an_early_block_is_held_until_its_time(void **state)
{
    (void)state;
    struct sim sim;
    sim_init(&sim, 3);
    sim_link(&sim, 0, 1);
    sim_link(&sim, 1, 2);
    sim_run(&sim, 50);
    struct buf block, m;
    buf_init(&block, 8192);
    buf_init(&m, 8192);
    sim_make_block(&block, sim_head(&sim.node[1]), sim.now + 1500, 1, 10, "early");
    const u256 td = u256_from_u64(11);
    put_new_block(&m, buf_view(&block), &td);
    sim_inject(&sim, 0, 1, ETH_NEW_BLOCK, buf_view(&m));
    sim_run(&sim, 1400);
    assert_int_equal(0, sim_head(&sim.node[1])->number);
    sim_run(&sim, 300);
    assert_int_equal(1, sim_head(&sim.node[1])->number);
    assert_int_equal(1, sim_head(&sim.node[2])->number); /* passed on then */
    assert_int_equal(0, sim.node[1].n_dropped);
    buf_fini(&block);
    buf_fini(&m);
    sim_fini(&sim);
}

static void a_block_far_in_the_future_is_dropped_but_not_its_sender(void **state)
{
    (void)state;
    struct sim sim;
    sim_init(&sim, 2);
    sim_link(&sim, 0, 1);
    sim_run(&sim, 50);
    struct buf block, m;
    buf_init(&block, 8192);
    buf_init(&m, 8192);
    sim_make_block(&block, sim_head(&sim.node[1]), sim.now + 500000, 1, 10, "far");
    const u256 td = u256_from_u64(11);
    put_new_block(&m, buf_view(&block), &td);
    for (int i = 0; i < 3; i++) {
        sim_inject(&sim, 0, 1, ETH_NEW_BLOCK, buf_view(&m));
        sim_run(&sim, 1000);
    }
    assert_int_equal(0, sim_head(&sim.node[1])->number);
    assert_int_equal(0, sim.node[1].n_dropped);
    struct sync_state st;
    sync_get_state(&st, sim.node[1].sync);
    assert_int_equal(3, st.n_blocks_future);
    buf_fini(&block);
    buf_fini(&m);
    sim_fini(&sim);
}

static void only_the_first_sender_of_a_bad_block_is_let_go(void **state)
{
    (void)state;
    struct sim sim;
    sim_init(&sim, 4);
    for (size_t i = 0; i < 3; i++)
        sim_link(&sim, i, 3);
    sim_run(&sim, 50);
    struct buf block, m;
    buf_init(&block, 8192);
    buf_init(&m, 8192);
    sim_make_block(&block, sim_head(&sim.node[3]), 0, 1, 10, "BAD");
    const u256 td = u256_from_u64(11);
    put_new_block(&m, buf_view(&block), &td);
    for (size_t i = 0; i < 3; i++)
        sim_inject(&sim, i, 3, ETH_NEW_BLOCK, buf_view(&m));
    sim_run(&sim, 200);
    assert_int_equal(1, sim.node[3].n_dropped);
    assert_int_equal(1, sim.node[3].n_imports);
    assert_false(sim.node[3].linked[0]);
    assert_int_equal(2, n_linked(&sim, 3));
    buf_fini(&block);
    buf_fini(&m);
    sim_fini(&sim);
}

static void a_body_that_is_not_the_headers_does_not_reach_the_chain(void **state)
{
    (void)state;
    struct sim sim;
    sim_init(&sim, 3);
    sim_link(&sim, 0, 2);
    sim_link(&sim, 1, 2);
    sim_run(&sim, 50);
    struct buf block, forged, m;
    buf_init(&block, 8192);
    buf_init(&forged, 8192);
    buf_init(&m, 8192);
    sim_make_block(&block, sim_head(&sim.node[2]), 0, 2, 10, "good");
    bytes in = buf_view(&block), inner;
    struct rlp_item head;
    assert_int_equal(OK, rlp_get_list(&inner, &in));
    assert_int_equal(OK, rlp_get_item(&head, &inner));
    const size_t l = rlp_list_open(&forged);
    rlp_put_raw(&forged, head.raw);
    rlp_put_list_header(&forged, 0);
    rlp_put_list_header(&forged, 0);
    rlp_list_close(&forged, l);
    const u256 td = u256_from_u64(11);
    put_new_block(&m, buf_view(&forged), &td);
    sim_inject(&sim, 0, 2, ETH_NEW_BLOCK, buf_view(&m));
    assert_false(sim.node[2].linked[0]);
    assert_int_equal(0, sim.node[2].n_imports);
    buf_clear(&m);
    put_new_block(&m, buf_view(&block), &td); /* the true one is still welcome */
    sim_inject(&sim, 1, 2, ETH_NEW_BLOCK, buf_view(&m));
    assert_int_equal(1, sim_head(&sim.node[2])->number);
    buf_fini(&block);
    buf_fini(&forged);
    buf_fini(&m);
    sim_fini(&sim);
}

/* ---------------------------------------------------------------- transactions */

static void transactions_reach_all_and_are_added_once(void **state)
{
    (void)state;
    static const unsigned versions[] = {63, 66, 68};
    for (size_t v = 0; v < COUNT_OF(versions); v++) {
        struct sim sim;
        sim_init(&sim, 7);
        sim.version = versions[v];
        sim_link_all(&sim);
        sim_run(&sim, 50);
        for (uint64_t k = 0; k < 300; k++) {
            sim_new_tx(&sim.node[k % 7], k, 100);
            if (k % 50 == 0) sim_run(&sim, 20);
        }
        sim_run(&sim, 3000);
        for (size_t i = 0; i < 7; i++) {
            assert_int_equal(300, sim.node[i].n_txs);
            assert_int_equal(300, sim.node[i].n_tx_adds);
            assert_int_equal(0, sim.node[i].n_dropped);
        }
        sim_fini(&sim);
    }
}

static void a_new_peer_learns_what_stands_in_the_pool(void **state)
{
    (void)state;
    static const unsigned versions[] = {63, 68};
    for (size_t v = 0; v < COUNT_OF(versions); v++) {
        struct sim sim;
        sim_init(&sim, 2);
        sim.version = versions[v];
        for (uint64_t k = 0; k < 1000; k++)
            sim_new_tx(&sim.node[0], k, 900);
        sim_run(&sim, 50);
        sim_link(&sim, 0, 1);
        sim_run(&sim, 3000);
        assert_int_equal(1000, sim.node[1].n_txs);
        sim_fini(&sim);
    }
}

static void an_announced_transaction_is_asked_of_another_when_the_first_is_silent(void **state)
{
    (void)state;
    struct sim sim;
    sim_init(&sim, 3);
    sim_link(&sim, 0, 2);
    sim_link(&sim, 1, 2);
    sim_run(&sim, 50);
    sim.node[0].silent = true;
    sim.node[2].linked[1] = false; /* node 1 gets it quietly */
    hash32 h = sim_new_tx(&sim.node[1], 1, 50);
    sim_run(&sim, 100);
    sim.node[2].linked[1] = true;
    assert_int_equal(0, sim.node[2].n_txs);
    struct buf m;
    buf_init(&m, 256);
    const uint8_t type = 2;
    const size_t l = rlp_list_open(&m);
    rlp_put_string(&m, bytes_make(&type, 1));
    rlp_put_list_header(&m, 1);
    rlp_put_u64(&m, 60);
    rlp_put_list_header(&m, 33);
    eth_hash_put(&m, &h);
    rlp_list_close(&m, l);
    sim_inject(&sim, 0, 2, ETH_NEW_POOLED_TX_HASHES, buf_view(&m));
    sim_inject(&sim, 1, 2, ETH_NEW_POOLED_TX_HASHES, buf_view(&m));
    sim_run(&sim, 8000);
    assert_int_equal(1, sim.node[2].n_txs);
    buf_fini(&m);
    sim_fini(&sim);
}

/* ---------------------------------------------------------------- serving */

struct capture {
    unsigned id;
    struct buf b;
};

static void ask(struct sim *sim, size_t from, size_t to, unsigned message, bytes list, struct capture *out)
{
    struct buf m;
    buf_init(&m, 1 << 20);
    const size_t mark = eth_request_open(&m, 68, 77);
    rlp_put_raw(&m, list);
    eth_request_close(&m, 68, mark);
    const size_t before = sim->n_queue;
    sim_inject(sim, from, to, message, buf_view(&m));
    buf_fini(&m);
    buf_init(&out->b, 16 << 20);
    assert_int_equal(before + 1, sim->n_queue);
    const struct sim_message *a = &sim->queue[before];
    uint64_t id;
    bytes answer;
    assert_int_equal(OK, eth_request_get(&id, &answer, 68, bytes_make(a->payload, a->len)));
    assert_int_equal(77, id);
    out->id = a->id;
    buf_put_bytes(&out->b, answer);
    free(a->payload);
    sim->n_queue--;
}

static void get_headers_are_served_in_all_directions(void **state)
{
    (void)state;
    struct sim sim;
    sim_init(&sim, 2);
    sim_mine_many(&sim.node[0], 100, 0, 10, "a");
    sim_copy_chain(&sim.node[1], &sim.node[0]);
    sim_link(&sim, 0, 1);
    sim_run(&sim, 100);
    static const struct {
        uint64_t number, amount, skip;
        bool reverse, by_hash;
        size_t n;
        uint64_t first, last;
    } cases[] = {
        {0, 3, 0, false, false, 3, 0, 2},     {10, 4, 9, false, true, 4, 10, 40},   {50, 3, 19, true, false, 3, 50, 10},
        {50, 100, 9, true, true, 6, 50, 0},   {99, 10, 0, false, false, 2, 99, 100}, {101, 1, 0, false, false, 0, 0, 0},
        {5, 2, UINT64_MAX, false, false, 1, 5, 5}, {5, 2, UINT64_MAX - 1, true, true, 1, 5, 5}, {5, 0, 0, false, false, 0, 0, 0},
        {1, 100000, 0, false, false, 100, 1, 100},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct eth_get_headers g = {.by_hash = cases[i].by_hash, .number = cases[i].number, .amount = cases[i].amount,
                                    .skip = cases[i].skip, .reverse = cases[i].reverse};
        if (g.by_hash) g.hash = sim.node[0].blocks[sim.node[0].canon[g.number] - 1].hash;
        struct buf m;
        struct capture c;
        buf_init(&m, 256);
        eth_get_headers_put(&m, &g);
        ask(&sim, 1, 0, ETH_GET_BLOCK_HEADERS, buf_view(&m), &c);
        buf_fini(&m);
        assert_int_equal(ETH_BLOCK_HEADERS, c.id);
        bytes list = buf_view(&c.b);
        size_t n = 0;
        struct header h = {0};
        while (list.len > 0) {
            assert_int_equal(OK, header_get(&h, &list, NULL));
            if (n++ == 0) assert_int_equal(cases[i].first, h.number);
        }
        assert_int_equal(cases[i].n, n);
        if (n > 0) assert_int_equal(cases[i].last, h.number);
        buf_fini(&c.b);
    }
    sim_fini(&sim);
}

static void headers_off_the_canonical_chain_are_served_upwards(void **state)
{
    (void)state;
    struct sim sim;
    sim_init(&sim, 2);
    sim_mine_many(&sim.node[0], 10, 0, 10, "a");
    struct sim_block *side = sim_head(&sim.node[0]);
    const hash32 side_hash = side->hash;
    sim_set_head(&sim.node[0], 5);
    sim_mine_many(&sim.node[0], 10, 0, 20, "b");
    sim_copy_chain(&sim.node[1], &sim.node[0]);
    sim_link(&sim, 0, 1);
    sim_run(&sim, 100);
    struct eth_get_headers g = {.by_hash = true, .hash = side_hash, .amount = 3, .skip = 1, .reverse = true};
    struct buf m;
    struct capture c;
    buf_init(&m, 256);
    eth_get_headers_put(&m, &g);
    ask(&sim, 1, 0, ETH_GET_BLOCK_HEADERS, buf_view(&m), &c);
    bytes list = buf_view(&c.b);
    for (uint64_t want = 10; want >= 6; want -= 2) {
        struct header h;
        assert_int_equal(OK, header_get(&h, &list, NULL));
        assert_int_equal(want, h.number);
    }
    assert_int_equal(0, list.len);
    buf_fini(&c.b);
    buf_fini(&m);
    sim_fini(&sim);
}

static void bodies_receipts_and_pooled_are_served_without_the_unknown(void **state)
{
    (void)state;
    struct sim sim;
    sim_init(&sim, 2);
    sim_mine_many(&sim.node[0], 10, 2, 10, "a");
    sim_copy_chain(&sim.node[1], &sim.node[0]);
    hash32 tx = sim_new_tx(&sim.node[0], 4, 30);
    sim_link(&sim, 0, 1);
    sim_run(&sim, 1000);
    struct buf m;
    struct capture c;
    const hash32 unknown = {{9}};
    size_t n;
    buf_init(&m, 1024);
    rlp_put_list_header(&m, 33 * 4);
    eth_hash_put(&m, &sim.node[0].blocks[3].hash);
    eth_hash_put(&m, &unknown);
    eth_hash_put(&m, &sim.node[0].blocks[4].hash);
    eth_hash_put(&m, &tx);
    ask(&sim, 1, 0, ETH_GET_BLOCK_BODIES, buf_view(&m), &c);
    assert_int_equal(ETH_BLOCK_BODIES, c.id);
    assert_int_equal(OK, rlp_count_items(&n, buf_view(&c.b)));
    assert_int_equal(2, n);
    buf_fini(&c.b);
    ask(&sim, 1, 0, ETH_GET_RECEIPTS, buf_view(&m), &c);
    assert_int_equal(ETH_RECEIPTS, c.id);
    assert_int_equal(2, c.b.len);
    buf_fini(&c.b);
    ask(&sim, 1, 0, ETH_GET_POOLED_TXS, buf_view(&m), &c);
    assert_int_equal(ETH_POOLED_TXS, c.id);
    assert_int_equal(OK, rlp_count_items(&n, buf_view(&c.b)));
    assert_int_equal(1, n);
    buf_fini(&c.b);
    buf_fini(&m);
    sim_fini(&sim);
}

static void a_flood_of_requests_is_not_all_answered(void **state)
{
    (void)state;
    struct sim sim;
    sim_init(&sim, 2);
    sim_link(&sim, 0, 1);
    sim_run(&sim, 100);
    struct buf m;
    const struct eth_get_headers g = {.number = 0, .amount = 1};
    buf_init(&m, 64);
    const size_t mark = eth_request_open(&m, 68, 1);
    eth_get_headers_put(&m, &g);
    eth_request_close(&m, 68, mark);
    for (int i = 0; i < 20000 && sim.node[0].linked[1]; i++)
        sim_inject(&sim, 1, 0, ETH_GET_BLOCK_HEADERS, buf_view(&m));
    assert_false(sim.node[0].linked[1]);
    assert_true(sim.n_queue < 2000);
    buf_fini(&m);
    sim_fini(&sim);
}

/* ---------------------------------------------------------------- misbehaviour */

static void malformed_messages_end_the_connection(void **state)
{
    (void)state;
    static const uint8_t junk[] = {0x80}, deep[] = {0xc1, 0xc1}, strings[] = {0xc3, 0x82, 1, 2};
    static const unsigned ids[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 15, 11, 12, 99};
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        for (int kind = 0; kind < 3; kind++) {
            struct sim sim;
            sim_init(&sim, 2);
            sim_link(&sim, 0, 1);
            sim_run(&sim, 50);
            const bytes in = kind == 0 ? bytes_make(junk, 1) : kind == 1 ? bytes_make(deep, 2) : bytes_make(strings, 4);
            sim_inject(&sim, 0, 1, ids[i], in);
            const bool legal = ids[i] == ETH_TRANSACTIONS && kind == 2; /* a typed transaction, for the pool to judge */
            assert_int_equal(!legal, sim.node[1].n_dropped);
            sim_fini(&sim);
        }
    }
}

static void lists_over_the_limits_end_the_connection(void **state)
{
    (void)state;
    struct sim sim;
    sim_init(&sim, 3);
    sim_link(&sim, 0, 2);
    sim_link(&sim, 1, 2);
    sim_run(&sim, 50);
    struct buf m;
    buf_init(&m, 8 << 20);
    const size_t outer = rlp_list_open(&m);
    for (unsigned i = 0; i < 600; i++) {
        hash32 h = {{1}};
        be32_put(h.b + 4, i);
        const size_t l = rlp_list_open(&m);
        eth_hash_put(&m, &h);
        rlp_put_u64(&m, 3);
        rlp_list_close(&m, l);
    }
    rlp_list_close(&m, outer);
    sim_inject(&sim, 0, 2, ETH_NEW_BLOCK_HASHES, buf_view(&m));
    assert_false(sim.node[2].linked[0]);
    buf_clear(&m);
    const size_t n = 70000;
    const size_t l = rlp_list_open(&m);
    uint8_t *types = calloc(1, n);
    rlp_put_string(&m, bytes_make(types, n));
    rlp_put_list_header(&m, n);
    for (size_t i = 0; i < n; i++)
        rlp_put_u64(&m, 100);
    rlp_put_list_header(&m, 33 * n);
    for (size_t i = 0; i < n; i++) {
        hash32 h = {{2}};
        be32_put(h.b + 4, (uint32_t)i);
        eth_hash_put(&m, &h);
    }
    rlp_list_close(&m, l);
    sim_inject(&sim, 1, 2, ETH_NEW_POOLED_TX_HASHES, buf_view(&m));
    assert_false(sim.node[2].linked[1]);
    free(types);
    buf_fini(&m);
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
    sim_run(&sim, 6000);
    assert_same_head(&sim, 1, 2);
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

static void random_bytes_are_survived(void **state)
{
    (void)state;
    const uint64_t seed = getenv("SEED") != NULL ? strtoull(getenv("SEED"), NULL, 10) : 12345;
    struct {
        uint64_t x;
    } r = {seed};
    print_message("# seed %llu\n", (unsigned long long)seed);
    struct sim sim;
    sim_init(&sim, 2);
    sim_mine_many(&sim.node[0], 20, 2, 10, "a");
    sim_link(&sim, 0, 1);
    for (int i = 0; i < 20000; i++) {
        uint8_t raw[64];
        for (size_t k = 0; k < sizeof raw; k++) {
            r.x = r.x * 6364136223846793005u + 1442695040888963407u;
            raw[k] = (uint8_t)(r.x >> 56);
        }
        const size_t len = raw[0] % sizeof raw;
        if (len > 2) raw[2] = (uint8_t)(0xc0 + len - 3);
        sim_inject(&sim, 0, 1, raw[1] % 18, bytes_make(raw + 2, len > 2 ? len - 2 : 0));
        if (!sim.node[1].linked[0]) {
            sync_remove_peer(sim.node[0].sync, 2, sim.now);
            sim.node[0].linked[1] = false;
            sim_link(&sim, 0, 1);
            if (i % 16 == 0) sim_run(&sim, 10);
        }
    }
    sim_run(&sim, 3000);
    sim_fini(&sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_of_another_network_or_genesis_ends_the_connection),
        cmocka_unit_test(a_peer_without_status_is_let_go),
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
        cmocka_unit_test(a_sealed_block_reaches_all_and_is_imported_once),
        cmocka_unit_test(in_a_large_network_whole_blocks_go_to_the_square_root),
        cmocka_unit_test(a_block_known_by_hash_only_is_asked_for),
        cmocka_unit_test(a_block_without_its_parent_makes_us_catch_up),
        cmocka_unit_test(an_early_block_is_held_until_its_time),
        cmocka_unit_test(a_block_far_in_the_future_is_dropped_but_not_its_sender),
        cmocka_unit_test(only_the_first_sender_of_a_bad_block_is_let_go),
        cmocka_unit_test(a_body_that_is_not_the_headers_does_not_reach_the_chain),
        cmocka_unit_test(transactions_reach_all_and_are_added_once),
        cmocka_unit_test(a_new_peer_learns_what_stands_in_the_pool),
        cmocka_unit_test(an_announced_transaction_is_asked_of_another_when_the_first_is_silent),
        cmocka_unit_test(get_headers_are_served_in_all_directions),
        cmocka_unit_test(headers_off_the_canonical_chain_are_served_upwards),
        cmocka_unit_test(bodies_receipts_and_pooled_are_served_without_the_unknown),
        cmocka_unit_test(a_flood_of_requests_is_not_all_answered),
        cmocka_unit_test(malformed_messages_end_the_connection),
        cmocka_unit_test(lists_over_the_limits_end_the_connection),
        cmocka_unit_test(a_promise_of_difficulty_that_is_not_kept_does_not_stop_us),
        cmocka_unit_test(a_chain_of_headers_without_bodies_stops_no_sealer_and_its_giver_goes),
        cmocka_unit_test(a_chain_that_is_given_is_no_time_to_seal),
        cmocka_unit_test(random_bytes_are_survived),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
