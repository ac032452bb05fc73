#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/codec/rlp.h"
#include "node/sync/skew.h"

#include <cmocka.h>

enum { WALL = 1700000000, LIMIT = 1000 };

/* one exchange with a peer behind us by `ahead`; the path takes go and back ms */
static void exchange(struct skew *s, uint64_t peer, int64_t ahead, uint64_t go, uint64_t back, uint64_t now)
{
    struct buf ping, pong;
    buf_init(&ping, 64);
    buf_init(&pong, 64);
    skew_put_ping(&ping, now);
    skew_put_pong(&pong, buf_view(&ping), (uint64_t)((int64_t)(now + go) - ahead));
    skew_clock(s, now + go + back, now + go + back);
    skew_on_pong(s, peer, buf_view(&pong), now + go + back, now + go + back);
    buf_fini(&ping);
    buf_fini(&pong);
}

static struct skew_state state_at(struct skew *s, uint64_t now)
{
    struct skew_state st;
    skew_get(&st, s, LIMIT, now);
    return st;
}

static void a_clock_ahead_of_most_is_off_and_one_that_agrees_with_most_is_not(void **state)
{
    (void)state;
    struct skew s = {0};
    exchange(&s, 1, 5000, 20, 20, WALL);
    exchange(&s, 2, 5010, 30, 10, WALL);
    exchange(&s, 3, 0, 10, 10, WALL);
    struct skew_state st = state_at(&s, WALL + 100);
    assert_true(st.is_off); /* two against us, one and ourselves for us */
    assert_int_equal(st.n_apart, 2);
    assert_int_equal(st.n_measured, 3);
    exchange(&s, 4, 3, 10, 10, WALL);
    st = state_at(&s, WALL + 100);
    assert_false(st.is_off);
    assert_in_range(st.ahead_ms, 0, 20);
}

static void of_two_clocks_apart_neither_is_trusted(void **state)
{
    (void)state;
    struct skew s = {0};
    assert_false(state_at(&s, WALL).is_off); /* alone: who would know */
    exchange(&s, 1, -3000, 5, 5, WALL);
    struct skew_state st = state_at(&s, WALL + 10);
    assert_true(st.is_off);
    assert_int_equal(st.ahead_ms, -3000);
}

static void what_a_peer_that_left_showed_counts_until_another_is_measured(void **state)
{
    (void)state;
    struct skew s = {0};
    exchange(&s, 1, 9000, 5, 5, WALL);
    skew_peer_gone(&s, 1);
    assert_true(state_at(&s, WALL + 300000).is_off);
    exchange(&s, 2, 10, 5, 5, WALL + 300000);
    assert_false(state_at(&s, WALL + 300100).is_off);
    exchange(&s, 3, 9000, 5, 5, WALL + 300000);
    skew_peer_gone(&s, 2);
    skew_peer_gone(&s, 3);
    exchange(&s, 4, 10, 5, 5, WALL + 300000);
    assert_false(state_at(&s, WALL + 300100).is_off);
    skew_peer_gone(&s, 4);
    assert_false(state_at(&s, WALL + 310000 + SKEW_GONE_MS).is_off);
    assert_int_equal(s.n, 0);
}

static void a_slow_path_is_no_skew(void **state)
{
    (void)state;
    struct skew s = {0};
    exchange(&s, 1, 0, 8000, 10, WALL); /* looks like 4 s, may be 4 s wrong */
    assert_false(state_at(&s, WALL + 9000).is_off);
    exchange(&s, 1, 2500, 8000, 10, WALL + 20000);
    assert_false(state_at(&s, WALL + 29000).is_off);
}

static void a_jump_of_our_own_clock_is_seen_at_once_and_so_is_its_repair(void **state)
{
    (void)state;
    struct skew s = {0};
    exchange(&s, 1, 0, 10, 10, WALL);
    exchange(&s, 2, 0, 10, 10, WALL);
    skew_clock(&s, WALL + 2000 + 30000, WALL + 2000);
    assert_true(state_at(&s, WALL + 2000).is_off);
    assert_in_range(state_at(&s, WALL + 2000).ahead_ms, 29900, 30100);
    skew_clock(&s, WALL + 4000, WALL + 4000);
    assert_false(state_at(&s, WALL + 4000).is_off);
}

static void measurements_are_forgotten_after_a_minute(void **state)
{
    (void)state;
    struct skew s = {0};
    exchange(&s, 1, 9000, 10, 10, WALL);
    assert_true(state_at(&s, WALL + 59000).is_off);
    assert_false(state_at(&s, WALL + SKEW_FRESH_MS + 100).is_off);
    assert_int_equal(s.n, 0);
}

static void an_answer_without_times_or_with_nonsense_is_ignored(void **state)
{
    (void)state;
    static const char *const forms[] = {"", "\xc0", "\x80", "\xc1\x01", "\xc2\x01\x81", "\xc2\x01\x02", "\xff"};
    struct skew s = {0};
    for (size_t i = 0; i < COUNT_OF(forms); i++)
        skew_on_pong(&s, 1, bytes_str(forms[i]), WALL, WALL);
    assert_int_equal(s.n, 0);
    struct buf pong;
    buf_init(&pong, 64);
    skew_put_pong(&pong, BYTES_LIT("\xc0"), WALL); /* other clients' Ping */
    assert_true(bytes_eq(buf_view(&pong), BYTES_LIT("\xc0")));
    buf_fini(&pong);
}

static void no_more_peers_are_kept_than_there_is_room_for(void **state)
{
    (void)state;
    struct skew s = {0};
    for (uint64_t p = 1; p <= SKEW_PEERS + 10; p++)
        exchange(&s, p, 0, 1, 1, WALL);
    assert_int_equal(s.n, SKEW_PEERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clock_ahead_of_most_is_off_and_one_that_agrees_with_most_is_not),
        cmocka_unit_test(of_two_clocks_apart_neither_is_trusted),
        cmocka_unit_test(what_a_peer_that_left_showed_counts_until_another_is_measured),
        cmocka_unit_test(a_slow_path_is_no_skew),
        cmocka_unit_test(a_jump_of_our_own_clock_is_seen_at_once_and_so_is_its_repair),
        cmocka_unit_test(measurements_are_forgotten_after_a_minute),
        cmocka_unit_test(an_answer_without_times_or_with_nonsense_is_ignored),
        cmocka_unit_test(no_more_peers_are_kept_than_there_is_room_for),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
