#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/clock.h"
#include "lib/base/rng.h"
#include "lib/codec/abi.h"
#include "lib/codec/hex.h"

#include <cmocka.h>

static struct buf unhex(const char *hex)
{
    struct buf b;
    buf_init(&b, 1 << 16);
    assert_int_equal(hex_get(&b, bytes_str(hex)), OK);
    return b;
}

#define W(low) "00000000000000000000000000000000000000000000000000000000000000" low

static void assert_hex(struct buf *got, const char *hex)
{
    struct buf want = unhex(hex);
    assert_int_equal(buf_status(got), OK);
    assert_int_equal(got->len, want.len);
    assert_memory_equal(got->ptr, want.ptr, want.len);
    buf_fini(&want);
    buf_clear(got);
}

/* examples of the ABI specification in Solidity's documentation, and GithubWikiTest of the official ABITests */
static void the_examples_of_the_specification_are_written_and_read(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1 << 16);

    struct abi_writer w = abi_begin(&out, 2); /* baz(uint32,bool) with 69, true */
    abi_put_u64(&w, 69);
    abi_put_bool(&w, true);
    abi_end(&w);
    assert_hex(&out, W("45") W("01"));

    static const uint64_t one_two_three[] = {1, 2, 3};
    w = abi_begin(&out, 3); /* sam(bytes,bool,uint256[]) with "dave", true, [1,2,3] */
    abi_put_bytes(&w, BYTES_LIT("dave"));
    abi_put_bool(&w, true);
    abi_put_u64s(&w, one_two_three, 3);
    abi_end(&w);
    assert_hex(&out, W("60") W("01") W("a0") W("04") "6461766500000000000000000000000000000000000000000000000000000000" W("03") W("01")
                         W("02") W("03"));

    static const uint64_t list[] = {0x456, 0x789};
    w = abi_begin(&out, 4); /* f(uint256,uint32[],bytes10,bytes) */
    abi_put_u64(&w, 0x123);
    abi_put_u64s(&w, list, 2);
    abi_put_fixed(&w, BYTES_LIT("1234567890"));
    abi_put_bytes(&w, BYTES_LIT("Hello, world!"));
    abi_end(&w);
    static const char f[] = "0000000000000000000000000000000000000000000000000000000000000123" W("80")
        "3132333435363738393000000000000000000000000000000000000000000000" W("e0") W("02")
        "0000000000000000000000000000000000000000000000000000000000000456" "0000000000000000000000000000000000000000000000000000000000000789"
        W("0d") "48656c6c6f2c20776f726c642100000000000000000000000000000000000000";
    assert_hex(&out, f);
    struct buf raw = unhex(f);
    struct abi_reader r = abi_read(buf_view(&raw)), elements;
    uint64_t v;
    size_t n;
    uint8_t word[32];
    bytes text;
    assert_int_equal(abi_get_u64(&v, &r), OK);
    assert_int_equal(v, 0x123);
    assert_int_equal(abi_get_array(&elements, &n, &r), OK);
    assert_int_equal(n, 2);
    assert_int_equal(abi_get_u64(&v, &elements), OK);
    assert_int_equal(v, 0x456);
    assert_int_equal(abi_get_u64(&v, &elements), OK);
    assert_int_equal(v, 0x789);
    assert_int_equal(abi_get_word(word, &r), OK);
    assert_memory_equal(word, "1234567890\0", 11);
    assert_int_equal(abi_get_bytes(&text, &r), OK);
    assert_true(bytes_eq_str(text, "Hello, world!"));
    buf_fini(&raw);

    /* g(uint256[][],string[]) with [[1,2],[3]], ["one","two","three"] */
    w = abi_begin(&out, 2);
    struct abi_writer outer = abi_put_array(&w, 2), strings;
    abi_put_u64s(&outer, one_two_three, 2);
    abi_put_u64s(&outer, one_two_three + 2, 1);
    abi_end(&outer);
    strings = abi_put_array(&w, 3);
    abi_put_bytes(&strings, BYTES_LIT("one"));
    abi_put_bytes(&strings, BYTES_LIT("two"));
    abi_put_bytes(&strings, BYTES_LIT("three"));
    abi_end(&strings);
    abi_end(&w);
    static const char g[] = W("40") "0000000000000000000000000000000000000000000000000000000000000140" W("02") W("40") W("a0") W("02") W("01") W("02")
        W("01") W("03") W("03") W("60") W("a0") W("e0") W("03") "6f6e650000000000000000000000000000000000000000000000000000000000"
        W("03") "74776f0000000000000000000000000000000000000000000000000000000000" W("05")
        "7468726565000000000000000000000000000000000000000000000000000000";
    assert_hex(&out, g);
    raw = unhex(g);
    r = abi_read(buf_view(&raw));
    struct abi_reader inner;
    size_t m;
    assert_int_equal(abi_get_array(&elements, &n, &r), OK);
    assert_int_equal(n, 2);
    assert_int_equal(abi_get_array(&inner, &m, &elements), OK);
    assert_int_equal(m, 2);
    assert_int_equal(abi_get_array(&inner, &m, &elements), OK);
    assert_int_equal(m, 1);
    assert_int_equal(abi_get_u64(&v, &inner), OK);
    assert_int_equal(v, 3);
    assert_int_equal(abi_get_array(&elements, &n, &r), OK);
    assert_int_equal(n, 3);
    assert_int_equal(abi_get_bytes(&text, &elements), OK);
    assert_int_equal(abi_get_bytes(&text, &elements), OK);
    assert_int_equal(abi_get_bytes(&text, &elements), OK);
    assert_true(bytes_eq_str(text, "three"));
    buf_fini(&raw);
    buf_fini(&out);
}

static void readers_refuse_what_is_not_their_type_and_leave_all_as_it_was(void **state)
{
    (void)state;
    enum { WORD = 1, U64 = 2, BOOL = 4, ADDRESS = 8, BYTES = 16, ARRAY = 32, TUPLE = 64, ALL = 127 };
    static const struct {
        const char *hex, *why;
        unsigned refused_by;
    } t[] = {
        {"", "no data", ALL},
        {"00000000000000000000000000000000000000000000000000000000000001", "31 bytes", ALL},
        {W("02"), "2 is no bool, no offset with room", BOOL | BYTES | ARRAY},
        {"0000000000000000000000000000000000000000000000010000000000000000", "2^64", U64 | BOOL | BYTES | ARRAY | TUPLE},
        {"0000000000000000000000010000000000000000000000000000000000000000", "2^160", U64 | BOOL | ADDRESS | BYTES | ARRAY | TUPLE},
        {"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", "2^256-1", U64 | BOOL | ADDRESS | BYTES | ARRAY | TUPLE},
        {W("20"), "offset at the end", BOOL | BYTES | ARRAY},
        {W("21"), "offset past the end", BOOL | BYTES | ARRAY | TUPLE},
        {W("20") W("01"), "length 1, no data", BOOL | BYTES | ARRAY},
        {W("20") W("20") W("00"), "32 elements, one word", BOOL | ARRAY},
        {W("20") W("02") W("00"), "two elements, one word", BOOL | ARRAY},
        {W("20") "000000000000000000000000000000000000000000000000ffffffffffffffff" W("00"), "length 2^64-1", BOOL | BYTES | ARRAY},
        {W("20") "0000000000000000000000000000000000000000000000010000000000000000" W("00"), "length 2^64", BOOL | BYTES | ARRAY},
        {W("00"), "offset 0: the head itself, empty", 0},
        {W("20") W("00"), "empty", BOOL},
    };
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        struct buf raw = unhex(t[i].hex);
        for (unsigned reader = WORD; reader <= TUPLE; reader *= 2) {
            struct abi_reader r = abi_read(buf_view(&raw)), before = r, elements = {.at = 99};
            uint8_t word[32];
            uint64_t v = 99;
            bool flag = true;
            size_t n = 99;
            bytes text = {word, 99};
            memset(word, 0xa5, sizeof word);
            enum status s = reader == WORD      ? abi_get_word(word, &r)
                            : reader == U64     ? abi_get_u64(&v, &r)
                            : reader == BOOL    ? abi_get_bool(&flag, &r)
                            : reader == ADDRESS ? abi_get_address(word, &r)
                            : reader == BYTES   ? abi_get_bytes(&text, &r)
                            : reader == ARRAY   ? abi_get_array(&elements, &n, &r)
                                                : abi_get_tuple(&elements, &r);
            enum status want = t[i].refused_by & reader ? E_DECODE : OK;
            if (s != want) fail_msg("%s: reader %u: %s", t[i].why, reader, status_name(s));
            if (s == OK) continue;
            assert_memory_equal(&r, &before, sizeof r);
            assert_true(v == 99 && flag && n == 99 && text.len == 99 && elements.at == 99 && word[0] == 0xa5);
        }
        buf_fini(&raw);
    }
}

static void a_writer_without_room_fails_and_writes_nowhere(void **state)
{
    (void)state;
    uint8_t addrs[5 * 20] = {0};
    for (size_t max = 0; max < 400; max += 16) {
        struct buf out;
        buf_init(&out, max);
        struct abi_writer w = abi_begin(&out, 4);
        abi_put_u64(&w, 1);
        abi_put_addresses(&w, addrs, 5);
        abi_put_bytes(&w, BYTES_LIT("some text"));
        abi_put_fixed(&w, BYTES_LIT("x"));
        abi_end(&w);
        assert_int_equal(buf_status(&out), max < 32 * 12 ? E_LIMIT : OK);
        buf_fini(&out);
    }
}

static void reasons_of_reverts_are_text_that_can_be_shown(void **state)
{
    (void)state;
    static const struct {
        const char *hex, *want;
    } t[] = {
        {"08c379a0" W("20") W("0c") "6e6f20766f7465206c656674" "0000000000000000000000000000000000000000", "no vote left"},
        {"08c379a0" W("20") W("05") "c3a9ff0a78" "000000000000000000000000000000000000000000000000000000", "\xc3\xa9??x"},
        {"08c379a0" W("20") W("00"), ""},
        {"08c379a0" W("20") W("05") "c3a9", NULL},
        {"08c379a0", NULL},
        {"08c379", NULL},
        {"", NULL},
        {"4e487b71" W("11"), "panic: arithmetic underflow or overflow (0x11)"},
        {"4e487b71" W("77"), "panic: unknown code (0x77)"},
        {"4e487b71", NULL},
        {"12345678" W("11"), NULL},
    };
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        struct buf raw = unhex(t[i].hex), out;
        buf_init(&out, 1024);
        bool ok = abi_put_revert_reason(&out, buf_view(&raw));
        assert_int_equal(ok, t[i].want != NULL);
        assert_string_equal(buf_cstr(&out), t[i].want != NULL ? t[i].want : "");
        buf_fini(&raw);
        buf_fini(&out);
    }
}

static void random_tuples_read_back(void **state)
{
    (void)state;
    const char *env = getenv("POA_TEST_SEED");
    uint64_t seed = env != NULL ? strtoull(env, NULL, 10) : clock_wall_ms();
    print_message("# seed %llu (POA_TEST_SEED)\n", (unsigned long long)seed);
    struct rng_seeded rng;
    rng_seed(&rng, seed);
    struct buf out;
    buf_init(&out, 1 << 20);
    for (int round = 0; round < 2000; round++) {
        uint8_t kinds[8], blob[200], addrs[5 * 20];
        uint64_t values[8];
        size_t n = (size_t)rng_below(&rng, 9), lens[8];
        for (size_t i = 0; i < sizeof blob; i++)
            blob[i] = (uint8_t)rng_next(&rng);
        memcpy(addrs, blob, sizeof addrs);
        buf_clear(&out);
        buf_put_u8(&out, 0x55); /* a tuple need not begin at 0 */
        struct abi_writer w = abi_begin(&out, n);
        for (size_t i = 0; i < n; i++) {
            kinds[i] = (uint8_t)rng_below(&rng, 5);
            values[i] = rng_next(&rng);
            lens[i] = (size_t)rng_below(&rng, kinds[i] == 3 ? 200 : 6);
            if (kinds[i] == 0) abi_put_u64(&w, values[i]);
            if (kinds[i] == 1) abi_put_bool(&w, values[i] & 1);
            if (kinds[i] == 2) abi_put_address(&w, addrs);
            if (kinds[i] == 3) abi_put_bytes(&w, bytes_make(blob, lens[i]));
            if (kinds[i] == 4) abi_put_addresses(&w, addrs, lens[i]);
        }
        abi_end(&w);
        assert_int_equal(buf_status(&out), OK);
        assert_int_equal(out.len % 32, 1);
        struct abi_reader r = abi_read(bytes_make(out.ptr + 1, out.len - 1)), list;
        for (size_t i = 0; i < n; i++) {
            uint64_t v;
            bool flag;
            uint8_t addr[20];
            bytes b;
            size_t count;
            if (kinds[i] == 0) {
                assert_int_equal(abi_get_u64(&v, &r), OK);
                assert_true(v == values[i]);
            } else if (kinds[i] == 1) {
                assert_int_equal(abi_get_bool(&flag, &r), OK);
                assert_int_equal(flag, values[i] & 1);
            } else if (kinds[i] == 2) {
                assert_int_equal(abi_get_address(addr, &r), OK);
                assert_memory_equal(addr, addrs, 20);
            } else if (kinds[i] == 3) {
                assert_int_equal(abi_get_bytes(&b, &r), OK);
                assert_true(bytes_eq(b, bytes_make(blob, lens[i])));
            } else {
                assert_int_equal(abi_get_array(&list, &count, &r), OK);
                assert_int_equal(count, lens[i]);
                for (size_t k = 0; k < count; k++) {
                    assert_int_equal(abi_get_address(addr, &list), OK);
                    assert_memory_equal(addr, addrs + 20 * k, 20);
                }
            }
        }
    }
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_examples_of_the_specification_are_written_and_read),
        cmocka_unit_test(readers_refuse_what_is_not_their_type_and_leave_all_as_it_was),
        cmocka_unit_test(a_writer_without_room_fails_and_writes_nowhere),
        cmocka_unit_test(reasons_of_reverts_are_text_that_can_be_shown),
        cmocka_unit_test(random_tuples_read_back),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
