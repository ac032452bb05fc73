#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/codec/hex.h"
#include "lib/eth/bloom.h"

#include <cmocka.h>

static bool bit(const bloom *f, unsigned i)
{
    return f->b[255 - i / 8] >> i % 8 & 1;
}

/* the worked example of the Yellow Paper's definition: keccak256(0f572e52...) begins bd 2b 01 af cd 27 */
static void bloom_add_sets_the_three_bits_of_the_definition(void **state)
{
    (void)state;
    uint8_t addr[20];
    bloom f = {{0}};
    assert_int_equal(hex_get_fixed(addr, 20, bytes_str("0x0f572e5295c57f15886f9b263e2f6d2d6c7b5ec6")), OK);
    bloom_add(&f, bytes_make(addr, 20));
    unsigned want[] = {0xbd2b & 2047, 0x01af & 2047, 0xcd27 & 2047}, n = 0;
    for (unsigned i = 0; i < 2048; i++)
        n += bit(&f, i);
    assert_int_equal(n, 3);
    for (size_t i = 0; i < COUNT_OF(want); i++)
        assert_true(bit(&f, want[i]));
}

static void a_filter_holds_all_that_was_added_and_merged(void **state)
{
    (void)state;
    bloom all = {{0}};
    for (uint8_t i = 0; i < 50; i++) {
        bloom one = {{0}};
        assert_false(bloom_may_hold(&one, bytes_make(&i, 1)));
        bloom_add(&one, bytes_make(&i, 1));
        assert_true(bloom_may_hold(&one, bytes_make(&i, 1)));
        bloom_merge(&all, &one);
    }
    unsigned absent = 0;
    for (uint8_t i = 0; i < 100; i++) {
        if (i < 50)
            assert_true(bloom_may_hold(&all, bytes_make(&i, 1)));
        else
            absent += !bloom_may_hold(&all, bytes_make(&i, 1));
    }
    assert_true(absent > 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bloom_add_sets_the_three_bits_of_the_definition),
        cmocka_unit_test(a_filter_holds_all_that_was_added_and_merged),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
