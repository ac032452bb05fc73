#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "node/metrics/tally.h"

#include <cmocka.h>

static address who(uint8_t b)
{
    address a = {{0}};
    a.b[19] = b;
    return a;
}

static void seal(struct tally *t, uint8_t by, uint64_t step, size_t n_removed)
{
    struct block b = {0};
    hash32 gone[4] = {{{0}}};
    b.header.author = who(by);
    b.header.step = step;
    b.n_txs = 3;
    struct chain_event e = {.added = &b, .n_added = 1, .removed = gone, .n_removed = n_removed};
    tally_on_event(t, &e, NULL, 0);
}

static struct tally_validator get(struct tally *t, uint8_t of)
{
    struct arena a;
    struct tally_validator *list, found = {0};
    size_t n;
    address want = who(of);
    arena_init(&a, 1 << 16);
    assert_int_equal(tally_get_validators(&list, &n, t, &a), OK);
    for (size_t i = 0; i < n; i++)
        if (address_eq(&list[i].who, &want)) found = list[i];
    arena_fini(&a);
    return found;
}

static void a_step_that_goes_by_was_missed_by_its_proposer(void **state)
{
    (void)state;
    const address set[] = {who(10), who(11), who(12)};
    struct tally *t;
    assert_int_equal(tally_new(&t, set, 3, 99), OK); /* step 99 is 10's */
    seal(t, 11, 100, 0);
    assert_int_equal(get(t, 10).missed + get(t, 11).missed + get(t, 12).missed, 0);
    seal(t, 10, 102, 0); /* 101 was 12's */
    assert_int_equal(get(t, 12).missed, 1);
    assert_int_equal(get(t, 10).last_step, 102);
    assert_int_equal(get(t, 10).sealed, 1);
    tally_free(t);
}

static void a_long_gap_is_counted_by_rounds(void **state)
{
    (void)state;
    const address set[] = {who(1), who(2), who(3)};
    struct tally *t;
    assert_int_equal(tally_new(&t, set, 3, 300), OK);
    seal(t, 3, 300 + 3000000002, 0); /* 3000000001 steps went by */
    assert_int_equal(get(t, 1).missed, 1000000000);
    assert_int_equal(get(t, 2).missed, 1000000001); /* 301 mod 3 is 1 */
    assert_int_equal(get(t, 3).missed, 1000000000);
    tally_free(t);
}

static void a_reorganisation_counts_no_step_twice(void **state)
{
    (void)state;
    const address set[] = {who(1), who(2)};
    struct tally *t;
    struct tally_totals totals;
    assert_int_equal(tally_new(&t, set, 2, 10), OK);
    seal(t, 1, 14, 0); /* 11, 12, 13 missed */
    assert_int_equal(get(t, 2).missed, 2);
    assert_int_equal(get(t, 1).missed, 1);
    seal(t, 2, 13, 1); /* another branch */
    seal(t, 1, 16, 0); /* 15 missed */
    assert_int_equal(get(t, 2).missed, 3);
    assert_int_equal(get(t, 1).missed, 1);
    tally_get_totals(&totals, t);
    assert_int_equal(totals.blocks, 3);
    assert_int_equal(totals.txs, 9);
    assert_int_equal(totals.reorgs, 1);
    assert_int_equal(totals.removed_blocks, 1);
    tally_free(t);
}

static void a_new_set_takes_over_with_the_next_step(void **state)
{
    (void)state;
    const address set[] = {who(1), who(2)}, next[] = {who(3)};
    struct tally *t;
    assert_int_equal(tally_new(&t, set, 2, 10), OK);
    struct block b = {0};
    b.header.author = who(2);
    b.header.step = 11;
    struct chain_event e = {.added = &b, .n_added = 1};
    tally_on_event(t, &e, next, 1);
    assert_false(get(t, 1).in_set);
    assert_true(get(t, 3).in_set);
    seal(t, 3, 20, 0);
    assert_int_equal(get(t, 3).missed, 8);
    assert_int_equal(get(t, 1).missed, 0);
    tally_free(t);
}

static void nothing_is_missed_before_the_first_block(void **state)
{
    (void)state;
    const address set[] = {who(1), who(2)};
    struct tally *t;
    assert_int_equal(tally_new(&t, set, 2, 0), OK);
    seal(t, 1, 880000000, 0);
    assert_int_equal(get(t, 1).missed + get(t, 2).missed, 0);
    tally_note_sealed(t, &set[1], 879999999);
    tally_note_sealed(t, &set[1], 5);
    assert_int_equal(get(t, 2).last_step, 879999999);
    tally_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_that_goes_by_was_missed_by_its_proposer), cmocka_unit_test(a_long_gap_is_counted_by_rounds),
        cmocka_unit_test(a_reorganisation_counts_no_step_twice),          cmocka_unit_test(a_new_set_takes_over_with_the_next_step),
        cmocka_unit_test(nothing_is_missed_before_the_first_block),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
