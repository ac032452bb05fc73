#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/rng.h"
#include "lib/codec/hex.h"

#include <cmocka.h>

static void data_of_any_length_reads_back(void **state)
{
    (void)state;
    struct rng_seeded r;
    rng_seed(&r, 7);
    for (size_t len = 0; len < 100; len++) {
        uint8_t raw[100], fixed[100];
        struct buf text, back;
        for (size_t i = 0; i < len; i++)
            raw[i] = (uint8_t)rng_next(&r);
        buf_init(&text, 1024);
        buf_init(&back, 1024);
        hex_append(&text, bytes_make(raw, len));
        assert_int_equal(text.len, 2 + 2 * len);
        for (size_t i = 2; i < text.len; i++) /* digits of both cases are read */
            if (text.ptr[i] >= 'a' && rng_below(&r, 2) == 0) text.ptr[i] = (uint8_t)(text.ptr[i] - 32);
        assert_int_equal(hex_get(&back, buf_view(&text)), OK);
        assert_true(bytes_eq(buf_view(&back), bytes_make(raw, len)));
        assert_int_equal(hex_get_fixed(fixed, len, buf_view(&text)), OK);
        assert_memory_equal(fixed, raw, len);
        assert_int_equal(hex_get_fixed(fixed, len, bytes_make(text.ptr + 2, text.len - 2)), OK);
        buf_fini(&text);
        buf_fini(&back);
    }
}

static void other_forms_are_refused_and_outputs_stay(void **state)
{
    (void)state;
    static const char *const forms[] = {"0x0", "0", "0xg0", "0x0g", "zz", "0x 1", "0x1 ", "-1", "0x0x00", "0x\xc3\xa9"};
    struct buf out;
    uint8_t fixed[2] = {5, 6};
    buf_init(&out, 16);
    buf_put_u8(&out, 9);
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        if (hex_get(&out, bytes_str(forms[i])) != E_DECODE) fail_msg("%s", forms[i]);
        assert_int_equal(hex_get_fixed(fixed, 1, bytes_str(forms[i])), E_DECODE);
    }
    assert_int_equal(hex_get_fixed(fixed, 2, bytes_str("0x00")), E_DECODE);
    assert_int_equal(hex_get_fixed(fixed, 2, bytes_str("0x000000")), E_DECODE);
    assert_true(out.len == 1 && out.ptr[0] == 9 && fixed[0] == 5 && fixed[1] == 6);
    assert_int_equal(hex_get(&out, bytes_str("0x000102030405060708090a0b0c0d0e0f")), E_LIMIT);
    buf_fini(&out);
}

static void quantities_are_read_in_their_one_form_only(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum status s;
        uint64_t v;
    } t[] = {
        {"0x0", OK, 0},
        {"0x1", OK, 1},
        {"0xFf", OK, 255},
        {"0xffffffffffffffff", OK, UINT64_MAX},
        {"0x10000000000000000", E_LIMIT, 0},
        {"0x", E_DECODE, 0},
        {"", E_DECODE, 0},
        {"0", E_DECODE, 0},
        {"1f", E_DECODE, 0},
        {"0x00", E_DECODE, 0},
        {"0x01", E_DECODE, 0},
        {"0xg", E_DECODE, 0},
        {"0x1 ", E_DECODE, 0},
        {"-0x1", E_DECODE, 0},
    };
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        uint64_t v = 77;
        if (hex_get_quantity(&v, bytes_str(t[i].text)) != t[i].s) fail_msg("%s", t[i].text);
        assert_true(v == (t[i].s == OK ? t[i].v : 77));
    }
}

static void quantities_read_back(void **state)
{
    (void)state;
    struct rng_seeded r;
    rng_seed(&r, 8);
    for (int i = 0; i < 10000; i++) {
        uint64_t v = rng_next(&r) >> rng_below(&r, 64), back;
        char text[19], want[24];
        size_t n = hex_put_quantity(text, i == 0 ? 0 : v);
        (void)snprintf(want, sizeof want, "0x%llx", (unsigned long long)(i == 0 ? 0 : v));
        assert_string_equal(text, want);
        assert_int_equal(n, strlen(want));
        assert_int_equal(hex_get_quantity(&back, bytes_str(text)), OK);
        assert_true(back == (i == 0 ? 0 : v));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(data_of_any_length_reads_back),
        cmocka_unit_test(other_forms_are_refused_and_outputs_stay),
        cmocka_unit_test(quantities_are_read_in_their_one_form_only),
        cmocka_unit_test(quantities_read_back),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
