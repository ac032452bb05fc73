#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "node/aura/commit.h"

#include <cmocka.h>

enum { KEYS = 7, NEVER = -1 };

static struct validators set_of(size_t n)
{
    static address list[KEYS];
    for (size_t i = 0; i < n; i++)
        list[i] = (address){{(uint8_t)(i + 1)}};
    return (struct validators){.list = list, .n = n};
}

static void begin(struct commit *c, size_t n, bool two_thirds)
{
    const struct validators set = set_of(n);
    const hash32 none = {{0}};
    assert_int_equal(commit_init(c, &set, two_thirds ? 0 : UINT64_MAX, 0, 0, &none), OK);
}

/* the block of the step's proposer; its hash begins with the step */
static void push(struct commit *c, uint64_t number, uint64_t step)
{
    const hash32 hash = {{(uint8_t)step}};
    assert_int_equal(commit_push(c, &hash, number, step, &c->set.list[step % c->set.n]), OK);
}

static void when_all_seal_a_block_is_committed_after_two_rounds_of_a_quorum(void **state)
{
    (void)state;
    static const struct {
        size_t n, lag;
        bool two_thirds;
    } table[] = {{1, 0, false}, {2, 2, false}, {3, 2, false}, {4, 4, false}, {5, 4, false}, {7, 6, false}, {4, 4, true}, {7, 8, true}};
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct commit c;
        begin(&c, table[i].n, table[i].two_thirds);
        for (uint64_t k = 1; k < 40; k++) {
            push(&c, k, 100 + k);
            const uint64_t want = k > table[i].lag ? k - table[i].lag : 0;
            if (c.committed != want) fail_msg("%zu validators: after block %llu %llu is committed", table[i].n, (unsigned long long)k, (unsigned long long)c.committed);
        }
        commit_fini(&c);
    }
}

static void a_minority_commits_nothing(void **state)
{
    (void)state;
    struct commit c;
    begin(&c, 4, false);
    for (uint64_t k = 1; k < 100; k++)
        push(&c, k, 100 + 4 * (k / 2) + k % 2);
    assert_int_equal(c.committed, 0);
    assert_int_equal(c.ballot, 0);
    commit_fini(&c);
}

static void who_let_a_step_of_its_own_go_by_confirms_only_what_came_after(void **state)
{
    (void)state;
    struct commit c;
    begin(&c, 3, false);
    push(&c, 1, 102); /* of validator 0 */
    assert_int_equal(commit_confirms(&c, &c.set.list[0], 105), 100); /* no step between: as far as its block before */
    assert_int_equal(commit_confirms(&c, &c.set.list[0], 108), 106); /* 105 went by: it may have sealed elsewhere then */
    assert_int_equal(commit_confirms(&c, &c.set.list[1], 109), 107);
    push(&c, 2, 108);
    push(&c, 3, 109); /* confirms 108, not 102 */
    assert_int_equal(c.ballot, 108);
    hash32 hash;
    bool own;
    assert_int_equal(commit_ballot_with(&hash, &own, &c, 4, 110, &c.set.list[2]), 109);
    assert_int_equal(hash.b[0], 109);
    assert_false(own);
    assert_int_equal(c.ballot, 108); /* asked, not pushed */
    commit_fini(&c);
}

static void what_an_earlier_epoch_sealed_is_not_confirmed_and_the_ballot_goes_on(void **state)
{
    (void)state;
    struct commit c;
    const struct validators set = set_of(3);
    const hash32 old = {{9}};
    assert_int_equal(commit_init(&c, &set, UINT64_MAX, 200, 150, &old), OK);
    assert_int_equal(commit_confirms(&c, &set.list[0], 201), 201);
    push(&c, 1, 201);
    assert_int_equal(c.ballot, 150);
    assert_memory_equal(&c.ballot_hash, &old, sizeof old);
    push(&c, 2, 202);
    assert_int_equal(c.ballot, 201);
    commit_fini(&c);
}

static void a_stranger_confirms_nothing_and_an_empty_step_does(void **state)
{
    (void)state;
    struct commit c;
    const address stranger = {{99}};
    const hash32 hash = {{7}};
    begin(&c, 3, false);
    push(&c, 1, 102);
    assert_int_equal(commit_push(&c, &hash, 2, 103, &stranger), OK);
    assert_int_equal(c.ballot, 0);
    commit_empty_step(&c, 104, &c.set.list[2]);
    assert_int_equal(c.ballot, 102);
    commit_fini(&c);
}

static void a_block_without_a_promise_confirms_nothing_and_is_a_step_let_go_by(void **state)
{
    (void)state;
    struct commit c;
    const hash32 hash = {{9}};
    struct header h = {.extra = BYTES_LIT(COMMIT_FREE_EXTRA)};
    assert_false(commit_is_vote(&h));
    h.extra.len--;
    assert_true(commit_is_vote(&h));
    begin(&c, 3, false);
    push(&c, 1, 102);
    push(&c, 2, 103);
    assert_int_equal(c.ballot, 102);
    assert_int_equal(commit_push(&c, &hash, 3, 105, NULL), OK); /* of the one that made 102 */
    assert_int_equal(c.ballot, 102);
    assert_int_equal(c.committed, 0);
    assert_int_equal(commit_confirms(&c, &c.set.list[0], 108), 106); /* not 103, as if 105 were a vote */
    push(&c, 4, 106);
    push(&c, 5, 108);
    assert_int_equal(c.ballot, 106);
    assert_int_equal(c.committed, 0); /* it confirms no more than 106 */
    push(&c, 6, 109);
    assert_int_equal(c.committed, 4); /* and with it all that stands before, a block without a promise too */
    commit_fini(&c);
}

/* the block of a validator, by its place in the set in force, in its next step after `step`, which is returned */
static uint64_t push_of(struct commit *c, uint64_t number, uint64_t step, size_t v)
{
    const hash32 hash = {{(uint8_t)number, 1}};
    do
        step++;
    while (step % c->set.n != v);
    assert_int_equal(commit_push(c, &hash, number, step, &c->set.list[v]), OK);
    return step;
}

static void replacing_one_of_three_takes_both_that_stay_until_the_first_commit(void **state)
{
    (void)state;
    struct commit old, c;
    address list[3] = {{{1}}, {{2}}, {{4}}};
    const struct validators next = {.list = list, .n = 3};
    uint64_t number = 10, step = 200;
    begin(&old, 3, false);
    assert_int_equal(commit_next(&c, &old, &next, step), OK);
    commit_fini(&old);
    for (int i = 0; i < 6; i++) /* two of three, but only one of the old three: the other two may go another way */
        step = push_of(&c, number++, step, i % 2 == 0 ? 0 : 2);
    assert_int_equal(c.ballot, 0);
    assert_int_equal(c.committed, 0);
    for (int i = 0; i < 9 && c.committed == 0; i++)
        step = push_of(&c, number++, step, (size_t)i % 3);
    assert_true(c.committed > 10);
    const uint64_t first = c.committed;
    for (int i = 0; i < 6; i++)
        step = push_of(&c, number++, step, i % 2 == 0 ? 0 : 2);
    assert_true(c.committed > first + 3); /* from then on the new set alone decides */
    commit_fini(&c);
}

static void a_set_in_whose_time_nothing_was_committed_hands_the_earlier_ones_on(void **state)
{
    (void)state;
    struct commit a, b, c, d;
    address list[5] = {{{1}}, {{2}}, {{3}}, {{4}}, {{5}}};
    const struct validators four = {.list = list, .n = 4}, five = {.list = list, .n = 5}, new_ones = {.list = list + 2, .n = 3};
    begin(&a, 3, false);
    assert_int_equal(commit_next(&b, &a, &four, 300), OK);
    assert_int_equal(commit_next(&c, &b, &five, 310), OK);
    assert_int_equal(c.n_before, 2);
    uint64_t number = 20, step = 310;
    for (int i = 0; i < 12; i++) /* the last three: a quorum of five, none of the first three */
        step = push_of(&c, number++, step, 2 + (size_t)i % 3);
    assert_int_equal(c.committed, 0);
    for (int i = 0; i < 15; i++)
        step = push_of(&c, number++, step, (size_t)i % 5);
    assert_true(c.committed > 30);
    assert_int_equal(commit_next(&d, &c, &new_ones, step), OK); /* something was committed by five: only they are asked */
    assert_int_equal(d.n_before, 1);
    assert_int_equal(d.before[0].set.n, 5);
    assert_int_equal(d.before[0].n_common, 3);
    commit_fini(&d);
    c.committed = 0; /* as it is loaded: the window holds no commit, but there was one */
    assert_int_equal(commit_next(&d, &c, &new_ones, step), OK);
    assert_int_equal(d.n_before, 1);
    commit_fini(&d);
    assert_int_equal(commit_next(&d, &c, &five, step), OK); /* the same list again needs no second quorum */
    assert_int_equal(d.n_before, 0);
    commit_fini(&d);
    commit_fini(&a);
    commit_fini(&b);
    commit_fini(&c);
}

static void where_fewer_than_a_quorum_stay_all_of_them_must_agree(void **state)
{
    (void)state;
    struct commit a, b;
    address list[3] = {{{3}}, {{8}}, {{9}}};
    const struct validators next = {.list = list, .n = 3};
    begin(&a, 3, false);
    assert_int_equal(commit_next(&b, &a, &next, 300), OK);
    uint64_t number = 20, step = 300;
    for (int i = 0; i < 8; i++)
        step = push_of(&b, number++, step, 1 + (size_t)i % 2);
    assert_int_equal(b.committed, 0);
    for (int i = 0; i < 6; i++)
        step = push_of(&b, number++, step, (size_t)i % 2);
    assert_true(b.committed > 20);
    commit_fini(&a);
    commit_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(when_all_seal_a_block_is_committed_after_two_rounds_of_a_quorum),
        cmocka_unit_test(a_minority_commits_nothing),
        cmocka_unit_test(who_let_a_step_of_its_own_go_by_confirms_only_what_came_after),
        cmocka_unit_test(what_an_earlier_epoch_sealed_is_not_confirmed_and_the_ballot_goes_on),
        cmocka_unit_test(a_block_without_a_promise_confirms_nothing_and_is_a_step_let_go_by),
        cmocka_unit_test(a_stranger_confirms_nothing_and_an_empty_step_does),
        cmocka_unit_test(replacing_one_of_three_takes_both_that_stay_until_the_first_commit),
        cmocka_unit_test(a_set_in_whose_time_nothing_was_committed_hands_the_earlier_ones_on),
        cmocka_unit_test(where_fewer_than_a_quorum_stay_all_of_them_must_agree),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
