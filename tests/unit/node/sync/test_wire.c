#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/codec/hex.h"
#include "lib/codec/rlp.h"
#include "node/sync/wire.h"

#include <cmocka.h>

static void status_comes_back_as_it_was_put(void **state)
{
    (void)state;
    for (unsigned version = 63; version <= 68; version++) {
        struct eth_status in = {.version = version, .network_id = 10101, .head = {{1, 2}}, .genesis = {{3}},
                                .has_fork_id = eth_has_fork_id(version), .fork_id = {.hash = {1, 0, 0, 4}, .next = 77}};
        in.td = u256_shl(u256_from_u64(5), 200); /* AuRa's difficulty is over 2^128 */
        if (!in.has_fork_id) in.fork_id = (struct forkid){.next = 0};
        struct eth_status out = {0};
        struct buf b;
        buf_init(&b, 1024);
        eth_status_put(&b, &in);
        assert_int_equal(OK, eth_status_get(&out, buf_view(&b)));
        assert_int_equal(in.version, out.version);
        assert_int_equal(in.network_id, out.network_id);
        assert_true(u256_eq(&in.td, &out.td));
        assert_true(hash_eq(&in.head, &out.head));
        assert_true(hash_eq(&in.genesis, &out.genesis));
        assert_int_equal(in.has_fork_id, out.has_fork_id);
        assert_memory_equal(in.fork_id.hash, out.fork_id.hash, 4);
        assert_int_equal(in.fork_id.next, out.fork_id.next);
        for (size_t cut = 0; cut < b.len; cut++)
            assert_int_equal(E_DECODE, eth_status_get(&out, bytes_make(b.ptr, cut)));
        buf_fini(&b);
    }
}

/* EIP-2481, test vectors: GetBlockHeaders with request id 1111 */
static void get_headers_has_the_published_form(void **state)
{
    (void)state;
    static const char *const want[] = {
        "e8820457e4a000000000000000000000000000000000000000000000000000000000deadc0de050580",
        "ca820457c682270f050580",
    };
    const struct eth_get_headers ask[] = {
        {.by_hash = true, .hash = {{[28] = 0xde, 0xad, 0xc0, 0xde}}, .amount = 5, .skip = 5},
        {.number = 9999, .amount = 5, .skip = 5},
    };
    for (size_t i = 0; i < 2; i++) {
        struct buf b;
        uint8_t raw[128];
        uint64_t id;
        bytes list;
        struct eth_get_headers got;
        buf_init(&b, 256);
        const size_t mark = eth_request_open(&b, 66, 1111);
        eth_get_headers_put(&b, &ask[i]);
        eth_request_close(&b, 66, mark);
        assert_int_equal(strlen(want[i]) / 2, b.len);
        assert_int_equal(OK, hex_get_fixed(raw, b.len, bytes_str(want[i])));
        assert_memory_equal(raw, b.ptr, b.len);
        assert_int_equal(OK, eth_request_get(&id, &list, 66, buf_view(&b)));
        assert_int_equal(1111, id);
        assert_int_equal(OK, eth_get_headers_get(&got, list));
        assert_int_equal(ask[i].by_hash, got.by_hash);
        assert_int_equal(ask[i].number, got.number);
        assert_true(hash_eq(&ask[i].hash, &got.hash));
        assert_int_equal(5, got.amount);
        assert_int_equal(5, got.skip);
        assert_false(got.reverse);
        buf_fini(&b);
    }
}

static void requests_before_eth66_have_no_id(void **state)
{
    (void)state;
    struct buf b;
    uint64_t id = 9;
    bytes list;
    const struct eth_get_headers g = {.number = 3, .amount = 1, .reverse = true};
    struct eth_get_headers got;
    buf_init(&b, 64);
    eth_request_close(&b, 63, eth_request_open(&b, 63, 5));
    assert_int_equal(0, b.len);
    eth_get_headers_put(&b, &g);
    assert_int_equal(OK, eth_request_get(&id, &list, 63, buf_view(&b)));
    assert_int_equal(0, id);
    assert_int_equal(OK, eth_get_headers_get(&got, list));
    assert_true(got.reverse);
    buf_fini(&b);
}

static void malformed_requests_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"c0", "80", "c105", "c20580", "c3058080", "c483ffffff", "c7058405050580c0"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        uint8_t raw[16];
        const size_t len = strlen(bad[i]) / 2;
        uint64_t id = 42;
        bytes list = BYTES_EMPTY;
        struct eth_get_headers g = {.number = 42};
        assert_int_equal(OK, hex_get_fixed(raw, len, bytes_str(bad[i])));
        if (eth_request_get(&id, &list, 66, bytes_make(raw, len)) != OK) {
            assert_int_equal(42, id);
            continue;
        }
        assert_int_equal(E_DECODE, eth_get_headers_get(&g, list));
        assert_int_equal(42, g.number);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_comes_back_as_it_was_put),
        cmocka_unit_test(get_headers_has_the_published_form),
        cmocka_unit_test(requests_before_eth66_have_no_id),
        cmocka_unit_test(malformed_requests_are_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
