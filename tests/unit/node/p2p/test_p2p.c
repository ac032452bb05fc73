#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/clock.h"
#include "lib/crypto/secp256k1.h"
#include "node/p2p/p2p.h"
#include "node/store/tables.h"
#include "tests/unit/node/sync/sim.h"

#include <arpa/inet.h>
#include <cmocka.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

/* Several nodes in one process, over loopback sockets; chains and pools are the simulator's. */
struct world {
    uv_loop_t loop;
    struct sim sim;
    struct p2p *p[8];
    secret32 key[8];
    char url[8][512];
    const uint8_t *denied;
};

static void log_line_to_tap(void *ctx, enum log_level level, const char *line)
{
    (void)ctx;
    if (getenv("VERBOSE") != NULL) print_message("# %d %s\n", level, line);
}

static struct p2p_config config_of(struct world *w, size_t i)
{
    return (struct p2p_config){.key = w->key[i], .bind_ip = "127.0.0.1", .client_id = "poa-node/test", .log = log_line_to_tap, .ctx = w};
}

static void start(struct world *w, size_t i, const struct p2p_config *cfg)
{
    struct sim_node *nd = &w->sim.node[i];
    struct sync_config sc = {.network_id = 7, .genesis = w->sim.genesis, .seed = i};
    forkid_init(&sc.forks, NULL, &sc.genesis, 0);
    const struct sync_ops ops = {.chain = nd, .get_head = sim_get_head, .has_block = sim_has_block, .get_meta = sim_get_meta,
        .get_canonical = sim_get_canonical, .put_header = sim_put_header, .put_body = sim_put_body, .put_receipts = sim_put_receipts,
        .tx_root = sim_tx_root, .import = sim_import, .prepare = sim_prepare, .forget = sim_forget, .import_chain = sim_import_chain, .pool = nd, .has_tx = sim_has_tx, .add_tx = sim_add_tx, .put_tx = sim_put_tx,
        .list_txs = sim_list_txs};
    struct err err = {0};
    if (p2p_new(&w->p[i], &w->loop, cfg, &sc, &ops, &err) != OK) fail_msg("%s", err.text);
    p2p_put_enode(w->url[i], w->p[i]);
}

static void world_init(struct world *w, size_t n)
{
    memset(w, 0, sizeof *w);
    assert_int_equal(0, uv_loop_init(&w->loop));
    sim_init(&w->sim, n);
    for (size_t i = 0; i < n; i++)
        ec_secret_generate(&w->key[i]);
}

static void start_all(struct world *w)
{
    for (size_t i = 0; i < w->sim.n; i++) {
        const struct p2p_config cfg = config_of(w, i);
        start(w, i, &cfg);
    }
}

static void stop(struct world *w, size_t i)
{
    p2p_stop(w->p[i]);
    w->p[i] = NULL;
}

static void world_fini(struct world *w)
{
    for (size_t i = 0; i < w->sim.n; i++)
        if (w->p[i] != NULL) stop(w, i);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    assert_int_equal(0, uv_loop_close(&w->loop));
    sim_fini(&w->sim);
}

static void wake(uv_timer_t *t)
{
    (void)t;
}

/* Run until cond holds, at most ms.  ret whether it does */
static bool run_until(struct world *w, bool (*cond)(struct world *w), unsigned ms)
{
    uv_timer_t t;
    const uint64_t end = clock_mono_ms() + ms;
    uv_timer_init(&w->loop, &t);
    uv_timer_start(&t, wake, 5, 5);
    bool ok = cond != NULL && cond(w);
    while (!ok && clock_mono_ms() < end) {
        uv_run(&w->loop, UV_RUN_ONCE);
        w->sim.now = clock_mono_ms();
        ok = cond != NULL && cond(w);
    }
    uv_close((uv_handle_t *)&t, NULL);
    uv_run(&w->loop, UV_RUN_NOWAIT);
    return ok;
}

static size_t n_peers(struct world *w, size_t i)
{
    struct p2p_counts c;
    p2p_get_counts(&c, w->p[i]);
    return c.connected;
}

static bool both_connected(struct world *w)
{
    return n_peers(w, 0) == 1 && n_peers(w, 1) == 1;
}

static bool heads_agree(struct world *w)
{
    for (size_t i = 1; i < w->sim.n; i++)
        if (!hash_eq(&sim_head(&w->sim.node[0])->hash, &sim_head(&w->sim.node[i])->hash)) return false;
    return true;
}

static bool is_ready(struct world *w)
{
    struct p2p_peer_info info;
    return p2p_get_peers(&info, 1, w->p[0]) == 1 && info.eth.ready;
}

static void two_nodes_connect_and_the_empty_one_catches_up(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 2);
    sim_mine_many(&w.sim.node[0], 700, 3, 10, "a");
    start_all(&w);
    assert_int_equal(OK, p2p_add_static(w.p[1], w.url[0], NULL));
    assert_true(run_until(&w, heads_agree, 5000));
    assert_true(is_ready(&w));
    struct p2p_peer_info info;
    assert_int_equal(1, p2p_get_peers(&info, 1, w.p[0]));
    assert_true(info.inbound);
    assert_false(info.is_static);
    assert_string_equal("poa-node/test", info.client);
    assert_string_equal("eth/63,eth/66,eth/67,eth/68", info.caps);
    assert_int_equal(68, info.eth.version);
    uint8_t pub[64];
    assert_int_equal(OK, ec_public(pub, &w.key[1]));
    assert_memory_equal(pub, info.pub, 64);
    assert_int_equal(1, p2p_get_peers(&info, 1, w.p[1]));
    assert_false(info.inbound);
    assert_true(info.is_static);
    assert_true(info.eth.has_number);
    assert_int_equal(700, info.eth.number);
    /* gossip */
    struct sim_block *b = sim_mine(&w.sim.node[1], 2, 10, "next");
    p2p_announce_block(w.p[1], &b->hash, bytes_make(b->raw, b->raw_len));
    assert_true(run_until(&w, heads_agree, 2000));
    struct p2p_counts c;
    p2p_get_counts(&c, w.p[1]);
    assert_int_equal(1, c.static_targets);
    assert_int_equal(1, c.static_connected);
    assert_true(c.bytes_in > 10000);
    world_fini(&w);
}

static bool tx_is_there(struct world *w)
{
    return w->sim.node[1].n_txs == 3;
}

static void transactions_and_large_blocks_pass(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 2);
    start_all(&w);
    assert_int_equal(OK, p2p_add_static(w.p[1], w.url[0], NULL));
    assert_true(run_until(&w, both_connected, 5000));
    for (uint64_t k = 0; k < 3; k++) {
        hash32 h = sim_new_tx(&w.sim.node[0], k, 100000);
        p2p_announce_tx(w.p[0], &h);
    }
    assert_true(run_until(&w, tx_is_there, 3000));
    struct buf b;
    buf_init(&b, 16 << 20);
    sim_make_block(&b, sim_head(&w.sim.node[0]), 0, 60000, 10, "large");
    struct sync_import r;
    assert_int_equal(OK, sim_import(&w.sim.node[0], &r, buf_view(&b)));
    struct sim_block *blk = sim_head(&w.sim.node[0]);
    assert_true(blk->raw_len > 500000);
    p2p_announce_block(w.p[0], &blk->hash, bytes_make(blk->raw, blk->raw_len));
    assert_true(run_until(&w, heads_agree, 3000));
    buf_fini(&b);
    world_fini(&w);
}

static void nodes_that_dial_each_other_end_with_one_connection(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) {
        struct world w;
        world_init(&w, 2);
        start_all(&w);
        assert_int_equal(OK, p2p_add_static(w.p[1], w.url[0], NULL));
        assert_int_equal(OK, p2p_add_static(w.p[0], w.url[1], NULL));
        assert_true(run_until(&w, both_connected, 5000));
        run_until(&w, NULL, 350);
        assert_true(both_connected(&w));
        struct p2p_peer_info a, b;
        assert_int_equal(1, p2p_get_peers(&a, 1, w.p[0]));
        assert_int_equal(1, p2p_get_peers(&b, 1, w.p[1]));
        assert_int_not_equal(a.inbound, b.inbound);
        assert_true(a.eth.ready && b.eth.ready);
        assert_true(a.is_static && b.is_static);
        world_fini(&w);
    }
}

static void a_node_with_another_id_is_not_connected_and_the_reason_is_told(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 3);
    const struct p2p_config c0 = config_of(&w, 0), c1 = config_of(&w, 1);
    start(&w, 0, &c0);
    start(&w, 1, &c1);
    struct enode e;
    char url[512], why[96];
    bool connected = true;
    assert_int_equal(OK, enode_get(&e, bytes_str(w.url[0]), NULL));
    assert_int_equal(OK, ec_public(e.pub, &w.key[2]));
    enode_put(url, &e);
    assert_int_equal(OK, p2p_add_static(w.p[1], url, NULL));
    run_until(&w, NULL, 300);
    assert_int_equal(0, n_peers(&w, 1));
    assert_true(p2p_static_state(&connected, why, w.p[1], e.pub));
    assert_false(connected);
    assert_true(strlen(why) > 0);
    assert_int_equal(OK, p2p_remove_static(w.p[1], url, true, NULL));
    assert_int_equal(E_NOT_FOUND, p2p_remove_static(w.p[1], url, true, NULL));
    assert_false(p2p_static_state(&connected, why, w.p[1], e.pub));
    world_fini(&w);
}

static void a_host_name_is_resolved(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 2);
    start_all(&w);
    struct enode e;
    char url[512];
    assert_int_equal(OK, enode_get(&e, bytes_str(w.url[0]), NULL));
    snprintf(e.host, sizeof e.host, "localhost");
    enode_put(url, &e);
    assert_int_equal(OK, p2p_add_static(w.p[1], url, NULL));
    assert_true(run_until(&w, both_connected, 5000));
    world_fini(&w);
}

static void a_node_that_comes_back_is_dialled_again(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 2);
    start_all(&w);
    const uint16_t port = p2p_port(w.p[0]);
    assert_int_equal(OK, p2p_add_static(w.p[1], w.url[0], NULL));
    assert_true(run_until(&w, both_connected, 5000));
    stop(&w, 0);
    run_until(&w, NULL, 100);
    assert_int_equal(0, n_peers(&w, 1));
    struct p2p_config cfg = config_of(&w, 0);
    cfg.port = port;
    start(&w, 0, &cfg);
    assert_true(run_until(&w, both_connected, 5000));
    world_fini(&w);
}

static bool first_has_two(struct world *w)
{
    return n_peers(w, 0) == 2;
}

static void the_limit_of_peers_holds_but_not_for_static_nodes(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 3);
    struct p2p_config c0 = config_of(&w, 0);
    c0.max_peers = 1;
    start(&w, 0, &c0);
    for (size_t i = 1; i < 3; i++) {
        const struct p2p_config c = config_of(&w, i);
        start(&w, i, &c);
        assert_int_equal(OK, p2p_add_static(w.p[i], w.url[0], NULL));
    }
    run_until(&w, NULL, 400);
    assert_int_equal(1, n_peers(&w, 0));
    for (size_t i = 1; i < 3; i++)
        assert_int_equal(OK, p2p_add_static(w.p[0], w.url[i], NULL));
    assert_true(run_until(&w, first_has_two, 5000));
    world_fini(&w);
}

static bool deny(void *ctx, const uint8_t pub[static 64])
{
    const struct world *w = ctx;
    return memcmp(pub, w->denied, 64) != 0;
}

static void a_node_that_is_not_allowed_is_turned_away(void **state)
{
    (void)state;
    struct world w;
    uint8_t pub[64];
    world_init(&w, 2);
    assert_int_equal(OK, ec_public(pub, &w.key[1]));
    w.denied = pub;
    struct p2p_config c0 = config_of(&w, 0);
    const struct p2p_config c1 = config_of(&w, 1);
    c0.allow = deny;
    start(&w, 0, &c0);
    start(&w, 1, &c1);
    assert_int_equal(OK, p2p_add_static(w.p[1], w.url[0], NULL));
    run_until(&w, NULL, 200);
    assert_int_equal(0, n_peers(&w, 0));
    assert_int_equal(0, n_peers(&w, 1));
    const uint8_t nobody[64] = {0};
    w.denied = nobody;
    assert_true(run_until(&w, both_connected, 5000));
    world_fini(&w);
}

static bool first_has_none(struct world *w)
{
    return n_peers(w, 0) == 0;
}

static void a_peer_that_is_no_longer_allowed_is_let_go(void **state)
{
    (void)state;
    struct world w;
    uint8_t pub[64];
    world_init(&w, 2);
    assert_int_equal(OK, ec_public(pub, &w.key[1]));
    const uint8_t nobody[64] = {0};
    w.denied = nobody;
    struct p2p_config c0 = config_of(&w, 0);
    const struct p2p_config c1 = config_of(&w, 1);
    c0.allow = deny;
    start(&w, 0, &c0);
    start(&w, 1, &c1);
    assert_int_equal(OK, p2p_add_static(w.p[1], w.url[0], NULL));
    assert_true(run_until(&w, both_connected, 5000));
    p2p_recheck(w.p[0]);
    run_until(&w, NULL, 50);
    assert_int_equal(1, n_peers(&w, 0));
    w.denied = pub;
    p2p_recheck(w.p[0]);
    assert_true(run_until(&w, first_has_none, 1000));
    run_until(&w, NULL, 700);
    assert_int_equal(0, n_peers(&w, 0));
    world_fini(&w);
}

static void reserved_only_means_static_nodes_and_nobody_else(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 2);
    start_all(&w);
    assert_int_equal(OK, p2p_add_static(w.p[1], w.url[0], NULL));
    assert_true(run_until(&w, both_connected, 5000));
    p2p_set_reserved_only(w.p[0], true);
    assert_true(run_until(&w, first_has_none, 1000));
    run_until(&w, NULL, 700);
    assert_int_equal(0, n_peers(&w, 0));
    assert_int_equal(OK, p2p_add_static(w.p[0], w.url[1], NULL));
    assert_true(run_until(&w, both_connected, 10000));
    world_fini(&w);
}

static unsigned long port_of(const char *url)
{
    return strtoul(strrchr(url, ':') + 1, NULL, 10);
}

static void those_who_call_do_not_take_all_places(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 4);
    struct p2p_config c0 = config_of(&w, 0);
    c0.max_peers = 2;
    c0.max_inbound = 1;
    start(&w, 0, &c0);
    for (size_t i = 1; i < 4; i++) {
        const struct p2p_config c = config_of(&w, i);
        start(&w, i, &c);
        if (i < 3) assert_int_equal(OK, p2p_add_static(w.p[i], w.url[0], NULL));
    }
    run_until(&w, NULL, 400);
    assert_int_equal(1, n_peers(&w, 0));
    /* the second place is for one that we dial */
    struct p2p_config again = config_of(&w, 0);
    const char *boot[] = {w.url[3]};
    stop(&w, 0);
    run_until(&w, NULL, 50);
    again.max_peers = 2;
    again.max_inbound = 1;
    again.port = (uint16_t)port_of(w.url[0]);
    again.boot_nodes = boot;
    again.n_boot_nodes = 1;
    start(&w, 0, &again);
    assert_true(run_until(&w, first_has_two, 10000));
    struct p2p_counts counts;
    p2p_get_counts(&counts, w.p[0]);
    assert_int_equal(1, counts.inbound);
    world_fini(&w);
}

static bool all_meshed(struct world *w)
{
    for (size_t i = 0; i < w->sim.n; i++)
        if (n_peers(w, i) != w->sim.n - 1) return false;
    return true;
}

static void nodes_find_each_other_through_a_boot_node(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 5);
    struct p2p_config c0 = config_of(&w, 0);
    c0.discovery = true;
    start(&w, 0, &c0);
    const char *boots[] = {w.url[0]};
    for (size_t i = 1; i < 5; i++) {
        struct p2p_config c = config_of(&w, i);
        c.discovery = true;
        c.boot_nodes = boots;
        c.n_boot_nodes = 1;
        start(&w, i, &c);
    }
    assert_true(run_until(&w, all_meshed, 15000));
    world_fini(&w);
}

static void peers_are_remembered_over_a_restart(void **state)
{
    (void)state;
    struct world w;
    struct kv *kv;
    world_init(&w, 2);
    assert_int_equal(OK, kv_open_memory(&kv, TABLE_N));
    const struct p2p_config c0 = config_of(&w, 0);
    struct p2p_config c1 = config_of(&w, 1);
    c1.kv = kv;
    start(&w, 0, &c0);
    start(&w, 1, &c1);
    assert_int_equal(OK, p2p_add_static(w.p[1], w.url[0], NULL));
    assert_true(run_until(&w, both_connected, 5000));
    stop(&w, 1);
    run_until(&w, NULL, 100);
    start(&w, 1, &c1); /* no static node this time */
    assert_true(run_until(&w, both_connected, 5000));
    stop(&w, 1);
    run_until(&w, NULL, 50);
    kv_close(kv);
    world_fini(&w);
}

static void junk_on_the_port_is_closed(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 1);
    start_all(&w);
    for (int kind = 0; kind < 4; kind++) {
        uint8_t junk[3000];
        memset(junk, kind == 0 ? 0 : kind == 1 ? 0xff : 0x04, sizeof junk);
        if (kind == 3) memcpy(junk, "GET / HTTP/1.1\r\n\r\n", 18);
        const int fd = socket(AF_INET, SOCK_STREAM, 0);
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(p2p_port(w.p[0]))};
        inet_pton(AF_INET, "127.0.0.1", &a.sin_addr);
        assert_int_equal(0, connect(fd, (struct sockaddr *)&a, sizeof a));
        assert_true(send(fd, junk, sizeof junk, MSG_NOSIGNAL) > 0);
        run_until(&w, NULL, 60);
        struct p2p_counts c;
        p2p_get_counts(&c, w.p[0]);
        assert_int_equal(0, c.handshaking);
        close(fd);
    }
    world_fini(&w);
}

static void wrong_settings_are_told(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, 1);
    const struct sync_config sc = {.network_id = 7};
    const struct sync_ops ops = {0};
    struct err err = {0};
    struct p2p *p = NULL;
    static const char *const bad_node[] = {"enode://abc@host:1"};
    struct p2p_config c = config_of(&w, 0);
    c.bind_ip = "no-address";
    assert_int_equal(E_INVALID, p2p_new(&p, &w.loop, &c, &sc, &ops, &err));
    assert_non_null(strstr(err.text, "no-address"));
    c = config_of(&w, 0);
    c.static_nodes = bad_node;
    c.n_static_nodes = 1;
    assert_int_equal(E_INVALID, p2p_new(&p, &w.loop, &c, &sc, &ops, &err));
    assert_non_null(strstr(err.text, "static node 1"));
    c = config_of(&w, 0);
    memset(c.key.b, 0, 32);
    assert_int_equal(E_INVALID, p2p_new(&p, &w.loop, &c, &sc, &ops, &err));
    assert_null(p);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_nodes_connect_and_the_empty_one_catches_up),
        cmocka_unit_test(transactions_and_large_blocks_pass),
        cmocka_unit_test(nodes_that_dial_each_other_end_with_one_connection),
        cmocka_unit_test(a_node_with_another_id_is_not_connected_and_the_reason_is_told),
        cmocka_unit_test(a_host_name_is_resolved),
        cmocka_unit_test(a_node_that_comes_back_is_dialled_again),
        cmocka_unit_test(the_limit_of_peers_holds_but_not_for_static_nodes),
        cmocka_unit_test(a_node_that_is_not_allowed_is_turned_away),
        cmocka_unit_test(a_peer_that_is_no_longer_allowed_is_let_go),
        cmocka_unit_test(reserved_only_means_static_nodes_and_nobody_else),
        cmocka_unit_test(those_who_call_do_not_take_all_places),
        cmocka_unit_test(nodes_find_each_other_through_a_boot_node),
        cmocka_unit_test(peers_are_remembered_over_a_restart),
        cmocka_unit_test(junk_on_the_port_is_closed),
        cmocka_unit_test(wrong_settings_are_told),
    };
    signal(SIGPIPE, SIG_IGN);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
