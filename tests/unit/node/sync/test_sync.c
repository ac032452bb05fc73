/* Status, what is served, and what ends a connection. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/node/sync/sim.h"

#include <cmocka.h>

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
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_of_another_network_or_genesis_ends_the_connection),
        cmocka_unit_test(a_peer_without_status_is_let_go),
        cmocka_unit_test(get_headers_are_served_in_all_directions),
        cmocka_unit_test(headers_off_the_canonical_chain_are_served_upwards),
        cmocka_unit_test(bodies_receipts_and_pooled_are_served_without_the_unknown),
        cmocka_unit_test(a_flood_of_requests_is_not_all_answered),
        cmocka_unit_test(malformed_messages_end_the_connection),
        cmocka_unit_test(lists_over_the_limits_end_the_connection),
        cmocka_unit_test(random_bytes_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
