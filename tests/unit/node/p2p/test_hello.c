#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/rng.h"
#include "lib/codec/hex.h"
#include "node/p2p/hello.h"

#include <cmocka.h>

/* EIP-8, test vectors: Hello of version 22 with items behind it */
static void the_published_hello_is_read(void **state)
{
    (void)state;
    static const char text[] =
        "f87137916b6e6574682f76302e39312f706c616e39cdc5836574683dc6846d6f726b1682270fb840fda1cff674c90c9a197539fe3dfb53086ace64f83ed7c6eabec7"
        "41f7f381cc803e52ab2cd55d5569bce4347107a310dfd5f88a010cd2ffd1005ca406f1842877c883666f6f836261720304";
    uint8_t raw[256];
    struct p2p_hello h;
    const size_t len = strlen(text) / 2;
    assert_int_equal(OK, hex_get_fixed(raw, len, bytes_str(text)));
    assert_int_equal(OK, hello_get(&h, bytes_make(raw, len)));
    assert_int_equal(55, h.version);
    assert_string_equal("kneth/v0.91/plan9", h.client);
    assert_int_equal(2, h.n_caps);
    assert_string_equal("eth", h.caps[0].name);
    assert_int_equal(61, h.caps[0].version);
    assert_string_equal("mork", h.caps[1].name);
    assert_int_equal(22, h.caps[1].version);
    assert_int_equal(9999, h.port);
    assert_int_equal(0xfd, h.pub[0]);
    assert_int_equal(0, hello_eth_version(&h));
    for (size_t cut = 0; cut < len; cut++)
        assert_int_equal(E_DECODE, hello_get(&h, bytes_make(raw, cut)));
}

static void a_hello_comes_back_as_it_was_put(void **state)
{
    (void)state;
    struct p2p_hello in = {.version = 5, .client = "poa-node/v1", .port = 30300, .pub = {1, 2, 3}}, out;
    struct buf b;
    hello_add_eth(&in);
    buf_init(&b, 4096);
    hello_put(&b, &in);
    assert_int_equal(OK, hello_get(&out, buf_view(&b)));
    assert_string_equal(in.client, out.client);
    assert_int_equal(in.n_caps, out.n_caps);
    assert_int_equal(30300, out.port);
    assert_memory_equal(in.pub, out.pub, 64);
    assert_int_equal(68, hello_eth_version(&out));
    buf_fini(&b);
}

static void a_client_name_is_made_printable(void **state)
{
    (void)state;
    struct p2p_hello in = {.version = 5, .client = "a\nb\x1b[31m"}, out;
    struct buf b;
    buf_init(&b, 4096);
    hello_put(&b, &in);
    assert_int_equal(OK, hello_get(&out, buf_view(&b)));
    assert_string_equal("a?b?[31m", out.client);
    buf_fini(&b);
}

static void the_highest_common_eth_version_is_taken(void **state)
{
    (void)state;
    const struct p2p_hello a = {.n_caps = 3, .caps = {{"eth", 62}, {"eth", 66}, {"snap", 68}}};
    const struct p2p_hello b = {.n_caps = 2, .caps = {{"eth", 63}, {"par", 2}}};
    const struct p2p_hello c = {.n_caps = 2, .caps = {{"eth", 69}, {"les", 68}}};
    assert_int_equal(66, hello_eth_version(&a));
    assert_int_equal(63, hello_eth_version(&b));
    assert_int_equal(0, hello_eth_version(&c));
}

static void disconnect_reasons_are_read_in_both_forms(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 16);
    disconnect_put(&b, 0x10);
    assert_int_equal(0x10, disconnect_get(buf_view(&b)));
    assert_int_equal(4, disconnect_get(BYTES_LIT("\x04")));
    assert_int_equal(0, disconnect_get(BYTES_LIT("\xc0")));
    assert_int_equal(0, disconnect_get(BYTES_EMPTY));
    assert_int_equal(0, disconnect_get(BYTES_LIT("\xc3\x82\xff\xff")));
    buf_fini(&b);
}

static void messages_come_back_with_and_without_compression(void **state)
{
    (void)state;
    for (size_t len = 0; len < 3000; len = len * 3 + 1) {
        for (int snappy = 0; snappy < 2; snappy++) {
            uint8_t raw[3000];
            struct buf b, tmp;
            unsigned id;
            bytes got;
            rng_fill(raw, sizeof raw);
            buf_init(&b, 1 << 16);
            buf_init(&tmp, P2P_MESSAGE_MAX);
            assert_int_equal(OK, message_put(&b, (unsigned)len % 300, bytes_make(raw, len), snappy == 1));
            assert_int_equal(OK, message_get(&id, &got, &tmp, buf_view(&b), snappy == 1));
            assert_int_equal(len % 300, id);
            assert_int_equal(len, got.len);
            assert_memory_equal(raw, got.ptr, len);
            buf_fini(&b);
            buf_fini(&tmp);
        }
    }
}

static void a_compressed_bomb_is_refused_by_the_length_that_it_says(void **state)
{
    (void)state;
    /* id 0x10, then a Snappy stream that says it unpacks to 2^32-1 bytes, one that says 16 MiB + 1, and one that lies */
    struct buf tmp;
    unsigned id = 99;
    bytes got = BYTES_EMPTY;
    buf_init(&tmp, P2P_MESSAGE_MAX);
    assert_int_equal(E_LIMIT, message_get(&id, &got, &tmp, BYTES_LIT("\x10\xff\xff\xff\xff\x0f\x00"), true));
    assert_int_equal(E_LIMIT, message_get(&id, &got, &tmp, BYTES_LIT("\x10\x81\x80\x80\x08\x00"), true));
    assert_int_equal(0, tmp.cap);
    assert_int_equal(E_DECODE, message_get(&id, &got, &tmp, BYTES_LIT("\x10\x05\x00" "a"), true));
    assert_int_equal(E_DECODE, message_get(&id, &got, &tmp, BYTES_LIT("\x10"), true));
    assert_int_equal(E_DECODE, message_get(&id, &got, &tmp, BYTES_EMPTY, true));
    assert_int_equal(99, id);
    buf_fini(&tmp);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_hello_is_read),
        cmocka_unit_test(a_hello_comes_back_as_it_was_put),
        cmocka_unit_test(a_client_name_is_made_printable),
        cmocka_unit_test(the_highest_common_eth_version_is_taken),
        cmocka_unit_test(disconnect_reasons_are_read_in_both_forms),
        cmocka_unit_test(messages_come_back_with_and_without_compression),
        cmocka_unit_test(a_compressed_bomb_is_refused_by_the_length_that_it_says),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
