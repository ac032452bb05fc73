#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/rng.h"
#include "lib/codec/hex.h"
#include "lib/crypto/secp256k1.h"
#include "node/p2p/discv4.h"

#include <cmocka.h>

/* EIP-8, test vectors, RLPx Discovery Protocol: ping, ping of version 555, pong, findnode, neighbours */
static const char *const published[5] = {
    "e9614ccfd9fc3e74360018522d30e1419a143407ffcce748de3e22116b7e8dc92ff74788c0b6663aaa3d67d641936511c8f8d6ad8698b820a7cf9e1be7155e9a241f"
    "556658c55428ec0563514365799a4be2be5a685a80971ddcfa80cb422cdd0101ec04cb847f000001820cfa8215a8d79000000000000000000000000000000001820"
    "8ae820d058443b9a3550102",
    "577be4349c4dd26768081f58de4c6f375a7a22f3f7adda654d1428637412c3d7fe917cadc56d4e5e7ffae1dbe3efffb9849feb71b262de37977e7c7a44e677295680"
    "e9e38ab26bee2fcbae207fba3ff3d74069a50b902a82c9903ed37cc993c50001f83e82022bd79020010db83c4d001500000000abcdef12820cfa8215a8d79020010d"
    "b885a308d313198a2e037073488208ae82823a8443b9a355c5010203040531b9019afde696e582a78fa8d95ea13ce3297d4afb8ba6433e4154caa5ac6431af1b80ba"
    "76023fa4090c408f6b4bc3701562c031041d4702971d102c9ab7fa5eed4cd6bab8f7af956f7d565ee1917084a95398b6a21eac920fe3dd1345ec0a7ef39367ee69dd"
    "f092cbfe5b93e5e568ebc491983c09c76d922dc3",
    "09b2428d83348d27cdf7064ad9024f526cebc19e4958f0fdad87c15eb598dd61d08423e0bf66b2069869e1724125f820d851c136684082774f870e614d95a2855d00"
    "0f05d1648b2d5945470bc187c2d2216fbe870f43ed0909009882e176a46b0102f846d79020010db885a308d313198a2e037073488208ae82823aa0fbc914b16819237"
    "dcd8801d7e53f69e9719adecb3cc0e790c57e91ca4461c9548443b9a355c6010203c2040506a0c969a58f6f9095004c0177a6b47f451530cab38966a25cca5cb58f05"
    "5542124e",
    "c7c44041b9f7c7e41934417ebac9a8e1a4c6298f74553f2fcfdcae6ed6fe53163eb3d2b52e39fe91831b8a927bf4fc222c3902202027e5e9eb812195f95d20061ef5"
    "cd31d502e47ecb61183f74a504fe04c51e73df81f25c4d506b26db4517490103f84eb840ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd"
    "31387574077f301b421bc84df7266c44e9e6d569fc56be00812904767bf5ccd1fc7f8443b9a35582999983999999280dc62cc8255c73471e0a61da0c89acdc0e035e"
    "260add7fc0c04ad9ebf3919644c91cb247affc82b69bd2ca235c71eab8e49737c937a2c396",
    "c679fc8fe0b8b12f06577f2e802d34f6fa257e6137a995f6f4cbfc9ee50ed3710faf6e66f932c4c8d81d64343f429651328758b47d3dbc02c4042f0fff6946a50f4a"
    "49037a72bb550f3a7872363a83e1b9ee6469856c24eb4ef80b7535bcf99c0004f9015bf90150f84d846321163782115c82115db8403155e1427f85f10a5c9a775587"
    "7748041af1bcd8d474ec065eb33df57a97babf54bfd2103575fa829115d224c523596b401065a97f74010610fce76382c0bf32f84984010203040101b840312c5551"
    "2422cf9b8a4097e9a6ad79402e87a15ae909a4bfefa22398f03d20951933beea1e4dfa6f968212385e829f04c2d314fc2d4e255e0d3bc08792b069dbf8599020010d"
    "b83c4d001500000000abcdef12820d05820d05b84038643200b172dcfef857492156971f0e6aa2c538d8b74010f8e140811d53b98c765dd2d96126051913f44582e8"
    "c199ad7c6d6819e9a56483f637feaac9448aacf8599020010db885a308d313198a2e037073488203e78203e8b8408dcab8618c3253b558d459da53bd8fa68935a719"
    "aff8b811197101a4b2b47dd2d47295286fc00cc081bb542d760717d1bdd6bec2c37cd72eca367d6dd3b9df738443b9a355010203b525a138aa34383fec3d2719a0",
};

static void get_hex(struct buf *b, const char *hex)
{
    const size_t len = strlen(hex) / 2;
    buf_init(b, 2048);
    uint8_t *p = buf_reserve(b, len);
    assert_int_equal(OK, hex_get_fixed(p, len, bytes_str(hex)));
    b->len = len;
}

static void the_published_packets_are_read(void **state)
{
    (void)state;
    static const enum disc_type types[5] = {DISC_PING, DISC_PING, DISC_PONG, DISC_FINDNODE, DISC_NEIGHBOURS};
    secret32 key;
    uint8_t pub[64];
    assert_int_equal(OK, hex_get_fixed(key.b, 32, bytes_str("b71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291")));
    assert_int_equal(OK, ec_public(pub, &key));
    for (int i = 0; i < 5; i++) {
        struct buf b;
        struct disc_packet p;
        get_hex(&b, published[i]);
        assert_int_equal(OK, disc_packet_get(&p, buf_view(&b)));
        assert_int_equal(types[i], p.type);
        assert_memory_equal(pub, p.pub, 64);
        assert_int_equal(1136239445, p.expiration);
        if (i == 0) {
            assert_int_equal(4, p.from.ip_len);
            assert_memory_equal("\x7f\0\0\1", p.from.ip, 4);
            assert_int_equal(3322, p.from.udp);
            assert_int_equal(5544, p.from.tcp);
            assert_int_equal(2222, p.to.udp);
        }
        if (i == 4) {
            assert_int_equal(4, p.n_nodes);
            assert_memory_equal("\x63\x21\x16\x37", p.nodes[0].at.ip, 4);
            assert_int_equal(4444, p.nodes[0].at.udp);
            assert_int_equal(4445, p.nodes[0].at.tcp);
            assert_int_equal(16, p.nodes[2].at.ip_len);
        }
        buf_fini(&b);
    }
}

static void any_changed_byte_of_a_packet_is_noticed(void **state)
{
    (void)state;
    struct buf b;
    struct disc_packet p;
    get_hex(&b, published[0]);
    for (size_t i = 0; i < b.len; i++) {
        b.ptr[i] ^= 1;
        assert_int_not_equal(OK, disc_packet_get(&p, buf_view(&b)));
        b.ptr[i] ^= 1;
    }
    for (size_t cut = 0; cut < b.len; cut++)
        assert_int_not_equal(OK, disc_packet_get(&p, bytes_make(b.ptr, cut)));
    buf_fini(&b);
}

/* ---------------------------------------------------------------- a network of nodes in one process */

enum { NODES = 30, FLIGHT = 4096 };
struct net;
struct node {
    struct net *net;
    size_t index;
    struct discv4 *d;
    uint8_t pub[64];
    secret32 key;
    struct disc_endpoint at;
    bool dead;
    bool found[NODES];
    size_t n_sent, bytes_sent, bytes_got;
};
struct flight {
    size_t to;
    struct disc_endpoint from;
    size_t len;
    uint8_t data[DISC_PACKET_MAX];
};
struct net {
    struct node node[NODES];
    size_t n;
    uint64_t now;
    struct flight *flight;
    size_t n_flight;
};

static void net_send(void *ctx, const struct disc_endpoint *to, bytes packet)
{
    struct node *nd = ctx;
    struct net *net = nd->net;
    assert_true(packet.len <= DISC_PACKET_MAX);
    nd->n_sent++;
    nd->bytes_sent += packet.len;
    for (size_t i = 0; i < net->n; i++) {
        if (memcmp(net->node[i].at.ip, to->ip, 4) != 0 || net->node[i].at.udp != to->udp) continue;
        if (net->n_flight == FLIGHT) return;
        struct flight *f = &net->flight[net->n_flight++];
        f->to = i;
        f->from = nd->at;
        f->from.tcp = 0;
        f->len = packet.len;
        memcpy(f->data, packet.ptr, packet.len);
    }
}

static void net_found(void *ctx, const uint8_t pub[static 64], const struct disc_endpoint *at)
{
    struct node *nd = ctx;
    for (size_t i = 0; i < nd->net->n; i++)
        if (memcmp(nd->net->node[i].pub, pub, 64) == 0) {
            assert_int_equal(nd->net->node[i].at.tcp, at->tcp);
            nd->found[i] = true;
        }
}

static void net_init(struct net *net, size_t n)
{
    memset(net, 0, sizeof *net);
    net->n = n;
    net->now = 100000;
    net->flight = calloc(FLIGHT, sizeof *net->flight);
    assert_non_null(net->flight);
    for (size_t i = 0; i < n; i++) {
        struct node *nd = &net->node[i];
        nd->net = net;
        nd->index = i;
        ec_secret_generate(&nd->key);
        assert_int_equal(OK, ec_public(nd->pub, &nd->key));
        nd->at = (struct disc_endpoint){.ip = {10, 0, 0, (uint8_t)(i + 1)}, .ip_len = 4, .udp = 30300, .tcp = 30300};
        const struct discv4_ops ops = {.ctx = nd, .send = net_send, .found = net_found};
        assert_int_equal(OK, discv4_new(&nd->d, &nd->key, &nd->at, &ops, i));
    }
}

static void net_fini(struct net *net)
{
    for (size_t i = 0; i < net->n; i++)
        discv4_free(net->node[i].d);
    free(net->flight);
}

static uint64_t wall(const struct net *net)
{
    return 1700000000 + net->now / 1000;
}

static void net_run(struct net *net, uint64_t ms)
{
    struct flight *now_flying = calloc(FLIGHT, sizeof *now_flying);
    assert_non_null(now_flying);
    for (const uint64_t end = net->now + ms; net->now < end; net->now += 50) {
        const size_t n = net->n_flight;
        memcpy(now_flying, net->flight, n * sizeof *now_flying);
        net->n_flight = 0;
        for (size_t i = 0; i < n; i++) {
            struct node *to = &net->node[now_flying[i].to];
            if (to->dead) continue;
            to->bytes_got += now_flying[i].len;
            discv4_receive(to->d, &now_flying[i].from, bytes_make(now_flying[i].data, now_flying[i].len), net->now, wall(net));
        }
        for (size_t i = 0; i < net->n; i++)
            if (!net->node[i].dead) discv4_tick(net->node[i].d, net->now, wall(net));
    }
    free(now_flying);
}

static void all_nodes_are_found_through_one_boot_node(void **state)
{
    (void)state;
    struct net *net = calloc(1, sizeof *net);
    net_init(net, NODES);
    for (size_t i = 1; i < NODES; i++)
        discv4_add_boot(net->node[i].d, net->node[0].pub, &net->node[0].at);
    net_run(net, 60000);
    for (size_t i = 0; i < NODES; i++) {
        size_t n = 0;
        for (size_t k = 0; k < NODES; k++)
            n += net->node[i].found[k];
        assert_true(n >= 8);
    }
    net_fini(net);
    free(net);
}

static void a_dead_node_leaves_the_table_and_a_boot_node_comes_back(void **state)
{
    (void)state;
    struct net *net = calloc(1, sizeof *net);
    net_init(net, 2);
    discv4_add_boot(net->node[1].d, net->node[0].pub, &net->node[0].at);
    net_run(net, 3000);
    assert_int_equal(1, discv4_count(net->node[1].d, net->now));
    assert_int_equal(1, discv4_count(net->node[0].d, net->now));
    net->node[0].dead = true;
    net_run(net, 400000);
    assert_int_equal(0, discv4_count(net->node[1].d, net->now));
    net->node[0].dead = false;
    net_run(net, 70000);
    assert_int_equal(1, discv4_count(net->node[1].d, net->now));
    net_fini(net);
    free(net);
}

static void findnode_without_an_endpoint_proof_is_not_answered(void **state)
{
    (void)state;
    struct net *net = calloc(1, sizeof *net);
    net_init(net, 3);
    discv4_add_boot(net->node[1].d, net->node[0].pub, &net->node[0].at);
    net_run(net, 3000);
    net->node[1].dead = net->node[2].dead = true;
    const size_t before = net->node[0].n_sent;
    struct buf b;
    struct disc_packet p = {.type = DISC_FINDNODE, .expiration = wall(net) + 20};
    buf_init(&b, DISC_PACKET_MAX);
    assert_int_equal(OK, disc_packet_put(&b, &p, &net->node[2].key));
    discv4_receive(net->node[0].d, &net->node[2].at, buf_view(&b), net->now, wall(net));
    assert_int_equal(before, net->node[0].n_sent);
    buf_clear(&b);
    assert_int_equal(OK, disc_packet_put(&b, &p, &net->node[1].key)); /* proven, but from another address */
    discv4_receive(net->node[0].d, &net->node[2].at, buf_view(&b), net->now, wall(net));
    assert_int_equal(before, net->node[0].n_sent);
    discv4_receive(net->node[0].d, &net->node[1].at, buf_view(&b), net->now, wall(net));
    buf_fini(&b);
    net_fini(net);
    free(net);
}

static void expired_packets_and_unasked_pongs_are_ignored(void **state)
{
    (void)state;
    struct net *net = calloc(1, sizeof *net);
    net_init(net, 2);
    struct buf b;
    struct disc_packet p = {.type = DISC_PING, .from = net->node[1].at, .to = net->node[0].at, .expiration = wall(net) - 1};
    buf_init(&b, DISC_PACKET_MAX);
    assert_int_equal(OK, disc_packet_put(&b, &p, &net->node[1].key));
    discv4_receive(net->node[0].d, &net->node[1].at, buf_view(&b), net->now, wall(net));
    assert_int_equal(0, net->node[0].n_sent);
    struct disc_packet pong = {.type = DISC_PONG, .to = net->node[0].at, .expiration = wall(net) + 20};
    buf_clear(&b);
    assert_int_equal(OK, disc_packet_put(&b, &pong, &net->node[1].key));
    discv4_receive(net->node[0].d, &net->node[1].at, buf_view(&b), net->now, wall(net));
    assert_int_equal(0, discv4_count(net->node[0].d, net->now));
    assert_false(net->node[0].found[1]);
    buf_fini(&b);
    net_fini(net);
    free(net);
}

static void a_flood_from_one_address_is_answered_within_bounds(void **state)
{
    (void)state;
    struct net *net = calloc(1, sizeof *net);
    net_init(net, 2);
    net->node[1].dead = true;
    for (int i = 0; i < 500; i++) {
        struct buf b;
        secret32 key;
        ec_secret_generate(&key);
        struct disc_packet p = {.type = DISC_PING, .from = net->node[1].at, .to = net->node[0].at, .expiration = wall(net) + 20};
        buf_init(&b, DISC_PACKET_MAX);
        assert_int_equal(OK, disc_packet_put(&b, &p, &key));
        discv4_receive(net->node[0].d, &net->node[1].at, buf_view(&b), net->now, wall(net));
        buf_fini(&b);
    }
    assert_true(net->node[0].n_sent <= 40); /* 20 pongs, 20 pings */
    net_fini(net);
    free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_packets_are_read),
        cmocka_unit_test(any_changed_byte_of_a_packet_is_noticed),
        cmocka_unit_test(all_nodes_are_found_through_one_boot_node),
        cmocka_unit_test(a_dead_node_leaves_the_table_and_a_boot_node_comes_back),
        cmocka_unit_test(findnode_without_an_endpoint_proof_is_not_answered),
        cmocka_unit_test(expired_packets_and_unasked_pongs_are_ignored),
        cmocka_unit_test(a_flood_from_one_address_is_answered_within_bounds),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
