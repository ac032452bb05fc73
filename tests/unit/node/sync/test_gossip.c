/* Blocks and transactions that are told of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/node/sync/sim.h"

#include <cmocka.h>

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
    sim_announce(&sim, 0, sim_mine(&sim.node[0], 2, 10, "x"));
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
        sim_run_to_same_head(&sim, 300, 0, 1);
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
    sim_announce(&sim, 0, sim_mine(&sim.node[0], 1, 10, "seen"));
    sim_run_to_same_head(&sim, 500, 0, 1);
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

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
