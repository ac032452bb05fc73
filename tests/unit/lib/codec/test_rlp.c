#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/clock.h"
#include "lib/base/rng.h"
#include "lib/codec/hex.h"
#include "lib/codec/rlp.h"
#include "tests/unit/vectors.h"

#include <jansson.h>

#include <cmocka.h>

static struct buf unhex(const char *hex)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    assert_int_equal(hex_get(&b, bytes_str(hex)), OK);
    return b;
}

/* ------------------------------------- published vectors: RLPTests of the official Ethereum tests */

static void put_json(struct buf *out, json_t *v)
{
    if (json_is_integer(v)) {
        rlp_put_u64(out, (uint64_t)json_integer_value(v));
    } else if (json_is_string(v) && json_string_value(v)[0] == '#') { /* "#123...": an integer of any length, decimal */
        uint8_t be[64] = {0};
        for (const char *c = json_string_value(v) + 1; *c != '\0'; c++) {
            unsigned carry = (unsigned)(*c - '0');
            for (size_t i = sizeof be; i-- > 0; carry >>= 8) {
                carry += be[i] * 10u;
                be[i] = (uint8_t)carry;
            }
        }
        rlp_put_uint(out, bytes_make(be, sizeof be));
    } else if (json_is_string(v)) {
        rlp_put_string(out, bytes_make(json_string_value(v), json_string_length(v)));
    } else {
        size_t i, list = rlp_list_open(out);
        json_t *e;
        assert_true(json_is_array(v));
        json_array_foreach(v, i, e)
            put_json(out, e);
        rlp_list_close(out, list);
    }
}

static void writing_and_checking_pass_the_official_tests(void **state)
{
    (void)state;
    char path[512];
    const char *name;
    json_t *test;
    if (!vectors_find(path, sizeof path, "ethereum-tests/RLPTests/rlptest.json")) skip();
    json_t *doc = json_load_file(path, JSON_ALLOW_NUL, NULL);
    assert_non_null(doc);
    size_t n = 0;
    json_object_foreach(doc, name, test) {
        struct buf want = unhex(json_string_value(json_object_get(test, "out"))), got;
        buf_init(&got, 1 << 20);
        put_json(&got, json_object_get(test, "in"));
        if (!bytes_eq(buf_view(&got), buf_view(&want))) fail_msg("%s", name);
        assert_int_equal(rlp_check(buf_view(&want), 64), OK);
        buf_fini(&got);
        buf_fini(&want);
        n++;
    }
    assert_true(n > 20);
    json_decref(doc);
}

static void rlp_check_refuses_the_invalid_official_tests(void **state)
{
    (void)state;
    char path[512];
    const char *name;
    json_t *test;
    if (!vectors_find(path, sizeof path, "ethereum-tests/RLPTests/invalidRLPTest.json")) skip();
    json_t *doc = json_load_file(path, 0, NULL);
    assert_non_null(doc);
    size_t n = 0;
    json_object_foreach(doc, name, test) {
        struct buf raw = unhex(json_string_value(json_object_get(test, "out")));
        if (rlp_check(buf_view(&raw), 64) != E_DECODE) fail_msg("%s", name);
        buf_fini(&raw);
        n++;
    }
    assert_true(n > 10);
    json_decref(doc);
}

/* ----------------------------------------------- every rejected form; outputs are checked untouched */

static void every_reader_refuses_what_is_not_its_form_and_leaves_input_and_output(void **state)
{
    (void)state;
    enum { ITEM = 1, STRING = 2, LIST = 4, U64 = 8, UINT4 = 16, FIXED4 = 32, OPTIONAL4 = 64, ALL = 127 };
    static const struct {
        const char *hex, *why;
        unsigned refused_by;
    } t[] = {
        {"", "end of input", ALL},
        {"81", "short string without its byte", ALL},
        {"83646f", "short string cut", ALL},
        {"8100", "00 stands for itself", ALL},
        {"817f", "7f stands for itself", ALL},
        {"b8", "long string without length", ALL},
        {"b800", "length with a leading zero", ALL},
        {"b837", "long form of 55 bytes", ALL},
        {"b90038", "length of length too long", ALL},
        {"b838ff", "long string cut", ALL},
        {"bfffffffffffffffff", "length 2^64-1", ALL},
        {"bf0f000000000000021111", "length far over the input", ALL},
        {"c1", "list cut", ALL},
        {"f8", "long list without length", ALL},
        {"f800", "list length with a leading zero", ALL},
        {"f837", "long form of a list of 55 bytes", ALL},
        {"f838c0", "long list cut", ALL},
        {"ffffffffffffffffff", "list of 2^64-1", ALL},
        {"c0", "a list", STRING | U64 | UINT4 | FIXED4 | OPTIONAL4},
        {"c20102", "a list of two", STRING | U64 | UINT4 | FIXED4 | OPTIONAL4},
        {"00", "integer 0 written as 00", LIST | U64 | UINT4 | FIXED4 | OPTIONAL4},
        {"820001", "integer with a leading zero", LIST | U64 | UINT4 | FIXED4 | OPTIONAL4},
        {"80", "no bytes", LIST | FIXED4},
        {"05", "one byte", LIST | FIXED4 | OPTIONAL4},
        {"83010203", "three bytes", LIST | FIXED4 | OPTIONAL4},
        {"8401020304", "four bytes", LIST},
        {"8400000001", "four bytes with zeros in front", LIST | U64 | UINT4},
        {"850102030405", "five bytes", LIST | UINT4 | FIXED4 | OPTIONAL4},
        {"88ffffffffffffffff", "eight bytes", LIST | UINT4 | FIXED4 | OPTIONAL4},
        {"89010000000000000000", "nine bytes", LIST | U64 | UINT4 | FIXED4 | OPTIONAL4},
    };
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        struct buf raw = unhex(t[i].hex);
        uint8_t fixed[4];
        for (unsigned reader = ITEM; reader <= OPTIONAL4; reader *= 2) {
            bytes in = buf_view(&raw), before = in, v = {fixed, 99};
            struct rlp_item item = {.raw = v};
            uint64_t u = 99;
            bool has = true;
            memcpy(fixed, "abcd", 4);
            enum status s = reader == ITEM     ? rlp_get_item(&item, &in)
                            : reader == STRING ? rlp_get_string(&v, &in)
                            : reader == LIST   ? rlp_get_list(&v, &in)
                            : reader == U64    ? rlp_get_u64(&u, &in)
                            : reader == UINT4  ? rlp_get_uint(fixed, 4, &in)
                            : reader == FIXED4 ? rlp_get_fixed(fixed, 4, &in)
                                               : rlp_get_optional_fixed(&has, fixed, 4, &in);
            enum status want = t[i].refused_by & reader ? E_DECODE : OK;
            if (s != want) fail_msg("%s (%s): reader %u: %s", t[i].hex, t[i].why, reader, status_name(s));
            if (s == OK) {
                assert_int_equal(in.len, 0);
                continue;
            }
            assert_memory_equal(&in, &before, sizeof in);
            assert_memory_equal(fixed, "abcd", 4);
            assert_true(v.len == 99 && item.raw.len == 99 && u == 99 && has);
        }
        buf_fini(&raw);
    }
}

static void readers_give_the_values_of_well_formed_items(void **state)
{
    (void)state;
    struct buf raw = unhex("80" "05" "820400" "88ffffffffffffffff" "83646f67" "8401020304" "80" "c3010203" "8201ff");
    bytes in = buf_view(&raw), v;
    uint64_t u;
    uint8_t fixed[4];
    bool has;
    size_t n;
    struct rlp_item item;
    assert_int_equal(rlp_get_u64(&u, &in), OK);
    assert_int_equal(u, 0);
    assert_int_equal(rlp_get_u64(&u, &in), OK);
    assert_int_equal(u, 5);
    assert_int_equal(rlp_get_u64(&u, &in), OK);
    assert_int_equal(u, 1024);
    assert_int_equal(rlp_get_u64(&u, &in), OK);
    assert_true(u == UINT64_MAX);
    assert_int_equal(rlp_get_string(&v, &in), OK);
    assert_true(bytes_eq_str(v, "dog"));
    assert_int_equal(rlp_get_optional_fixed(&has, fixed, 4, &in), OK);
    assert_true(has && memcmp(fixed, "\1\2\3\4", 4) == 0);
    assert_int_equal(rlp_get_optional_fixed(&has, fixed, 4, &in), OK);
    assert_true(!has && memcmp(fixed, "\1\2\3\4", 4) == 0);
    assert_true(rlp_is_list(in));
    assert_int_equal(rlp_get_item(&item, &in), OK);
    assert_true(item.is_list && item.payload.len == 3 && item.raw.len == 4);
    assert_int_equal(rlp_count_items(&n, item.payload), OK);
    assert_int_equal(n, 3);
    assert_false(rlp_is_list(in));
    assert_int_equal(rlp_get_uint(fixed, 4, &in), OK);
    assert_memory_equal(fixed, "\0\0\1\377", 4);
    assert_int_equal(in.len, 0);
    assert_false(rlp_is_list(in));
    buf_fini(&raw);
}

static void rlp_check_bounds_the_depth_of_lists(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1 << 20);
    size_t open[600];
    for (size_t i = 0; i < COUNT_OF(open); i++)
        open[i] = rlp_list_open(&b);
    for (size_t i = COUNT_OF(open); i-- > 0;)
        rlp_list_close(&b, open[i]);
    assert_int_equal(rlp_check(buf_view(&b), COUNT_OF(open)), OK);
    assert_int_equal(rlp_check(buf_view(&b), COUNT_OF(open) - 1), E_LIMIT);
    assert_int_equal(rlp_check(buf_view(&b), 0), E_LIMIT);
    assert_int_equal(rlp_check(BYTES_LIT("\x83" "dog"), 0), OK);
    assert_int_equal(rlp_check(BYTES_LIT("\x83" "dogs"), 0), E_DECODE);
    assert_int_equal(rlp_check(BYTES_LIT("\xc2\xc1\x81"), 9), E_DECODE); /* inner list is well framed, its string is cut */
    buf_fini(&b);
}

static void a_failed_buffer_stays_failed_and_lists_close_harmlessly(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10);
    size_t list = rlp_list_open(&b);
    rlp_put_string(&b, BYTES_LIT("0123456789"));
    rlp_put_u64(&b, 7);
    rlp_list_close(&b, list);
    assert_int_equal(buf_status(&b), E_LIMIT);
    assert_true(b.len <= 10);
    buf_fini(&b);
}

/* ------------------------------------------------------------- properties over random input */

/* A second version of the encoder, by the text of the Yellow Paper: bottom up, copying. */
static struct buf naive_header(unsigned base, const struct buf *payload)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    if (payload->len < 56) {
        buf_put_u8(&out, (uint8_t)(base + payload->len));
    } else {
        uint8_t be[8];
        size_t skip = 0;
        be64_put(be, payload->len);
        while (be[skip] == 0)
            skip++;
        buf_put_u8(&out, (uint8_t)(base + 55 + (8 - skip)));
        buf_put(&out, be + skip, 8 - skip);
    }
    buf_put_bytes(&out, buf_view(payload));
    return out;
}

/* the same random tree written twice */
static struct buf random_tree(struct rng_seeded *r, struct buf *fast, unsigned depth)
{
    struct buf payload;
    buf_init(&payload, 1 << 20);
    if (depth == 0 || rng_below(r, 3) == 0) {
        size_t len = (size_t)(rng_below(r, 8) == 0 ? rng_below(r, 400) : rng_below(r, 5));
        for (size_t i = 0; i < len; i++)
            buf_put_u8(&payload, (uint8_t)rng_next(r));
        rlp_put_string(fast, buf_view(&payload));
        if (payload.len == 1 && payload.ptr[0] < 0x80) return payload;
        struct buf out = naive_header(0x80, &payload);
        buf_fini(&payload);
        return out;
    }
    size_t list = rlp_list_open(fast);
    for (uint64_t n = rng_below(r, 6); n > 0; n--) {
        struct buf child = random_tree(r, fast, depth - 1);
        buf_put_bytes(&payload, buf_view(&child));
        buf_fini(&child);
    }
    rlp_list_close(fast, list);
    struct buf out = naive_header(0xc0, &payload);
    buf_fini(&payload);
    return out;
}

/* read everything and write it again */
static void copy_items(struct buf *out, bytes in)
{
    while (in.len > 0) {
        struct rlp_item item;
        assert_int_equal(rlp_get_item(&item, &in), OK);
        if (!item.is_list) {
            rlp_put_string(out, item.payload);
            continue;
        }
        size_t list = rlp_list_open(out);
        copy_items(out, item.payload);
        rlp_list_close(out, list);
    }
}

static struct rng_seeded seeded(void)
{
    const char *text = getenv("POA_TEST_SEED");
    uint64_t seed = text != NULL ? strtoull(text, NULL, 10) : clock_wall_ms();
    print_message("# seed %llu (POA_TEST_SEED)\n", (unsigned long long)seed);
    struct rng_seeded r;
    rng_seed(&r, seed);
    return r;
}

static void random_trees_encode_as_the_naive_version_and_read_back(void **state)
{
    (void)state;
    struct rng_seeded r = seeded();
    struct buf fast, back;
    buf_init(&fast, 1 << 20);
    buf_init(&back, 1 << 20);
    for (int round = 0; round < 2000; round++) {
        buf_clear(&fast);
        buf_clear(&back);
        struct buf naive = random_tree(&r, &fast, 5);
        assert_true(bytes_eq(buf_view(&fast), buf_view(&naive)));
        assert_int_equal(rlp_check(buf_view(&fast), 8), OK);
        copy_items(&back, buf_view(&fast));
        assert_true(bytes_eq(buf_view(&fast), buf_view(&back)));
        if (fast.len > 1) assert_int_equal(rlp_check(bytes_make(fast.ptr, (size_t)rng_below(&r, fast.len)), 8), E_DECODE);
        buf_fini(&naive);
    }
    buf_fini(&fast);
    buf_fini(&back);
}

static void random_integers_read_back_in_their_shortest_form(void **state)
{
    (void)state;
    struct rng_seeded r = seeded();
    for (int round = 0; round < 20000; round++) {
        uint64_t v = rng_next(&r) >> rng_below(&r, 65) % 64, got = 0;
        uint8_t one[9], be[8];
        struct buf b;
        size_t n = rlp_encode_u64(one, v);
        bytes in = bytes_make(one, n);
        assert_int_equal(rlp_get_u64(&got, &in), OK);
        assert_true(got == v && in.len == 0);
        be64_put(be, v);
        buf_init(&b, 16);
        rlp_put_uint(&b, bytes_make(be, 8));
        assert_true(bytes_eq(buf_view(&b), bytes_make(one, n)));
        buf_fini(&b);
    }
}

static void headers_have_the_length_that_rlp_header_len_says(void **state)
{
    (void)state;
    static const size_t lens[] = {0, 1, 55, 56, 255, 256, 65535, 65536, 1 << 24, (size_t)1 << 32, SIZE_MAX};
    static const size_t want[] = {1, 1, 1, 2, 2, 3, 3, 4, 5, 6, 9};
    for (size_t i = 0; i < COUNT_OF(lens); i++) {
        uint8_t h[9];
        assert_int_equal(rlp_header_len(lens[i]), want[i]);
        assert_int_equal(rlp_encode_header(h, false, lens[i]), want[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writing_and_checking_pass_the_official_tests),
        cmocka_unit_test(rlp_check_refuses_the_invalid_official_tests),
        cmocka_unit_test(every_reader_refuses_what_is_not_its_form_and_leaves_input_and_output),
        cmocka_unit_test(readers_give_the_values_of_well_formed_items),
        cmocka_unit_test(rlp_check_bounds_the_depth_of_lists),
        cmocka_unit_test(a_failed_buffer_stays_failed_and_lists_close_harmlessly),
        cmocka_unit_test(random_trees_encode_as_the_naive_version_and_read_back),
        cmocka_unit_test(random_integers_read_back_in_their_shortest_form),
        cmocka_unit_test(headers_have_the_length_that_rlp_header_len_says),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
