#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/eth/units.h"

#include <cmocka.h>

static void units_get_wei_reads_numbers_with_units(void **state)
{
    (void)state;
    static const struct {
        const char *text, *wei;
    } t[] = {
        {"0", "0"},
        {"1000", "1000"},
        {"1000 wei", "1000"},
        {"20 gwei", "20000000000"},
        {"20gwei", "20000000000"},
        {"1.5 ether", "1500000000000000000"},
        {"0.000000000000000001 ether", "1"},
        {"1.5000000000000000000000 ether", "1500000000000000000"},
        {"1.0", "1"},
        {"007", "7"},
        {"115792089237316195423570985008687907853269984665640564039457584007913129639935",
         "115792089237316195423570985008687907853269984665640564039457584007913129639935"},
    };
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        u256 v;
        char got[79];
        assert_int_equal(units_get_wei(&v, bytes_str(t[i].text)), OK);
        u256_put_dec(got, &v);
        assert_string_equal(got, t[i].wei);
    }
}

static void units_get_wei_refuses_every_other_form(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum status s;
    } t[] = {
        {"", E_DECODE},          {" ", E_DECODE},          {".5 ether", E_DECODE},   {"1. ether", E_DECODE},
        {"1.2.3 ether", E_DECODE}, {"-1", E_DECODE},         {"+1", E_DECODE},         {"1e18", E_DECODE},
        {"1 Ether", E_DECODE},   {"1 finney", E_DECODE},   {"1 ether ", E_DECODE},   {"0x10", E_DECODE},
        {"1.5", E_LIMIT},        {"1.5 wei", E_LIMIT},     {"0.0000000001 gwei", E_LIMIT},
        {"115792089237316195423570985008687907853269984665640564039457584007913129639936", E_LIMIT},
        {"115792089237316195423570985008687907853269984665640564039458 ether", E_LIMIT},
    };
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        u256 v = u256_from_u64(77);
        if (units_get_wei(&v, bytes_str(t[i].text)) != t[i].s) fail_msg("%s", t[i].text);
        assert_true(u256_is_u64(&v) && v.w[0] == 77);
    }
}

static void units_put_ether_is_exact_and_short(void **state)
{
    (void)state;
    static const struct {
        const char *wei, *want;
    } t[] = {
        {"0", "0"},
        {"1", "0.000000000000000001"},
        {"1000000000000000000", "1"},
        {"1500000000000000000", "1.5"},
        {"100000000000000000", "0.1"},
        {"12345000000000000000000", "12345"},
        {"115792089237316195423570985008687907853269984665640564039457584007913129639935",
         "115792089237316195423570985008687907853269984665640564039457.584007913129639935"},
    };
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        u256 v, back;
        char got[100], with_unit[120];
        assert_int_equal(u256_get_dec(&v, bytes_str(t[i].wei)), OK);
        assert_int_equal(units_put_ether(got, &v), strlen(t[i].want));
        assert_string_equal(got, t[i].want);
        (void)snprintf(with_unit, sizeof with_unit, "%s ether", got);
        assert_int_equal(units_get_wei(&back, bytes_str(with_unit)), OK);
        assert_true(u256_eq(&v, &back));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_get_wei_reads_numbers_with_units),
        cmocka_unit_test(units_get_wei_refuses_every_other_form),
        cmocka_unit_test(units_put_ether_is_exact_and_short),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
