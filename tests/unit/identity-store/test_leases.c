#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "identity-store/leases.h"
#include "lib/base/rng.h"

#include <cmocka.h>

static const char A[] = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa", B[] = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb", C[] = "cccccccc-cccc-4ccc-8ccc-cccccccccccc";
enum { T0 = 1000000 };

static struct lease_request acquire(const char *id, int32_t duration_s)
{
    return (struct lease_request){.action = LEASE_ACQUIRE, .id = "", .proposed = id, .duration_s = duration_s, .period_s = -1, .holder = "me"};
}

static struct lease_request act(enum lease_action a, const char *id)
{
    return (struct lease_request){.action = a, .id = id, .proposed = "", .period_s = -1, .holder = "me"};
}

static struct lease_request change(const char *id, const char *proposed)
{
    return (struct lease_request){.action = LEASE_CHANGE, .id = id, .proposed = proposed, .period_s = -1, .holder = "me"};
}

static struct lease_request break_in(int32_t period_s)
{
    return (struct lease_request){.action = LEASE_BREAK, .id = "", .proposed = "", .period_s = period_s, .holder = "me"};
}

static void must(struct lease *l, struct lease_request q, uint64_t now)
{
    assert_int_equal(lease_act(l, &q, now), ERR_NONE);
}

/* a lease of id A, 30 s from T0 on, in that state at T0 + 60 s; breaking: until T0 + 80 s */
static const uint64_t NOW = T0 + 60000;
static struct lease make(enum lease_state s)
{
    struct lease l = {.state = LEASE_AVAILABLE};
    if (s == LEASE_AVAILABLE) return l;
    bool timed = s == LEASE_EXPIRED;
    must(&l, acquire(A, timed ? 30 : LEASE_INFINITE), T0);
    if (s == LEASE_BREAKING) must(&l, break_in(20), NOW);
    if (s == LEASE_BROKEN) must(&l, break_in(0), NOW);
    if (s == LEASE_LEASED) must(&l, acquire(A, 30), NOW);
    assert_int_equal(lease_state_at(&l, NOW), s);
    return l;
}

enum { STATES = 5 };

struct row {
    const char *what;
    struct lease_request q;
    enum rest_error want[STATES]; /* available leased breaking broken expired */
    enum lease_state then[STATES]; /* where ERR_NONE */
};

#define NOTHING ERR_NONE
#define MISMATCH ERR_LEASE_ID_MISMATCH
#define ABSENT ERR_LEASE_NOT_PRESENT

static void every_cell_of_the_table_is_as_documented(void **state)
{
    (void)state;
    const struct row rows[] = {
        {"acquire, same id", acquire(A, 15), {NOTHING, NOTHING, ERR_LEASE_BREAKING_ACQUIRE, NOTHING, NOTHING},
         {LEASE_LEASED, LEASE_LEASED, 0, LEASE_LEASED, LEASE_LEASED}},
        {"acquire, other id", acquire(B, 15), {NOTHING, ERR_LEASE_ALREADY_PRESENT, ERR_LEASE_ALREADY_PRESENT, NOTHING, NOTHING},
         {LEASE_LEASED, 0, 0, LEASE_LEASED, LEASE_LEASED}},
        {"renew, right id", act(LEASE_RENEW, A), {MISMATCH, NOTHING, ERR_LEASE_BROKEN_RENEW, ERR_LEASE_BROKEN_RENEW, NOTHING},
         {0, LEASE_LEASED, 0, 0, LEASE_LEASED}},
        {"renew, other id", act(LEASE_RENEW, B), {MISMATCH, MISMATCH, MISMATCH, MISMATCH, MISMATCH}, {0}},
        {"change, right id", change(A, B), {ABSENT, NOTHING, ERR_LEASE_BREAKING_CHANGE, ABSENT, ABSENT}, {0, LEASE_LEASED, 0, 0, 0}},
        {"change, done already", change(C, A), {ABSENT, NOTHING, ERR_LEASE_BREAKING_CHANGE, ABSENT, ABSENT}, {0, LEASE_LEASED, 0, 0, 0}},
        {"change, other id", change(B, C), {ABSENT, MISMATCH, MISMATCH, ABSENT, ABSENT}, {0}},
        {"release, right id", act(LEASE_RELEASE, A), {MISMATCH, NOTHING, NOTHING, NOTHING, NOTHING}, {0}},
        {"release, other id", act(LEASE_RELEASE, B), {MISMATCH, MISMATCH, MISMATCH, MISMATCH, MISMATCH}, {0}},
        {"break, no period", break_in(-1), {ABSENT, NOTHING, NOTHING, NOTHING, NOTHING}, {0, LEASE_BREAKING, LEASE_BREAKING, LEASE_BROKEN, LEASE_BROKEN}},
        {"break, period 0", break_in(0), {ABSENT, NOTHING, NOTHING, NOTHING, NOTHING}, {0, LEASE_BROKEN, LEASE_BROKEN, LEASE_BROKEN, LEASE_BROKEN}},
        {"break, period 10", break_in(10), {ABSENT, NOTHING, NOTHING, NOTHING, NOTHING}, {0, LEASE_BREAKING, LEASE_BREAKING, LEASE_BROKEN, LEASE_BROKEN}},
    };
    static const enum lease_state states[STATES] = {LEASE_AVAILABLE, LEASE_LEASED, LEASE_BREAKING, LEASE_BROKEN, LEASE_EXPIRED};
    for (size_t r = 0; r < COUNT_OF(rows); r++) {
        for (size_t s = 0; s < STATES; s++) {
            struct lease l = make(states[s]), before = l;
            enum rest_error got = lease_act(&l, &rows[r].q, NOW);
            if (got != rows[r].want[s]) fail_msg("%s on %s: %d, want %d", rows[r].what, lease_state_name(states[s]), got, rows[r].want[s]);
            if (got != ERR_NONE) assert_memory_equal(&l, &before, sizeof l);
            else if (lease_state_at(&l, NOW) != rows[r].then[s])
                fail_msg("%s on %s: then %s", rows[r].what, lease_state_name(states[s]), lease_state_name(lease_state_at(&l, NOW)));
        }
    }
}

static void writes_want_the_id_of_a_locked_lease_only(void **state)
{
    (void)state;
    static const struct {
        enum lease_state s;
        enum rest_error none, right, wrong;
    } rows[] = {
        {LEASE_AVAILABLE, NOTHING, ERR_LEASE_ABSENT_BLOB, ERR_LEASE_ABSENT_BLOB},
        {LEASE_LEASED, ERR_LEASE_ID_MISSING, NOTHING, ERR_LEASE_MISMATCH_BLOB},
        {LEASE_BREAKING, ERR_LEASE_ID_MISSING, NOTHING, ERR_LEASE_MISMATCH_BLOB},
        {LEASE_BROKEN, NOTHING, ERR_LEASE_ABSENT_BLOB, ERR_LEASE_ABSENT_BLOB},
        {LEASE_EXPIRED, NOTHING, ERR_LEASE_ABSENT_BLOB, ERR_LEASE_ABSENT_BLOB},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct lease l = make(rows[i].s);
        assert_int_equal(lease_check_write(&l, "", LEASE_OF_BLOB, NOW), rows[i].none);
        assert_int_equal(lease_check_write(&l, A, LEASE_OF_BLOB, NOW), rows[i].right);
        assert_int_equal(lease_check_write(&l, B, LEASE_OF_BLOB, NOW), rows[i].wrong);
        assert_int_equal(lease_check_read(&l, "", LEASE_OF_BLOB, NOW), NOTHING);
    }
    struct lease l = make(LEASE_LEASED);
    assert_int_equal(lease_check_write(&l, B, LEASE_OF_CONTAINER, NOW), ERR_LEASE_MISMATCH_CONTAINER);
    l = make(LEASE_EXPIRED);
    assert_int_equal(lease_check_write(&l, A, LEASE_OF_CONTAINER, NOW), ERR_LEASE_ABSENT_CONTAINER);
}

static void an_expired_lease_is_renewed_unless_the_blob_was_written(void **state)
{
    (void)state;
    struct lease l = make(LEASE_EXPIRED);
    struct lease_request renew = act(LEASE_RENEW, A);
    lease_on_write(&l, NOW);
    assert_int_equal(lease_act(&l, &renew, NOW), MISMATCH);
    l = make(LEASE_LEASED);
    lease_on_write(&l, NOW); /* a write under the lease leaves it */
    assert_int_equal(lease_act(&l, &renew, NOW), NOTHING);
}

static void a_lease_ends_to_the_millisecond_and_renewal_restarts_it(void **state)
{
    (void)state;
    struct lease l = {0};
    must(&l, acquire(A, 15), T0);
    assert_int_equal(lease_state_at(&l, T0 + 14999), LEASE_LEASED);
    assert_int_equal(lease_state_at(&l, T0 + 15000), LEASE_EXPIRED);
    must(&l, act(LEASE_RENEW, A), T0 + 10000);
    assert_int_equal(lease_state_at(&l, T0 + 24999), LEASE_LEASED);
    assert_int_equal(lease_remaining_s(&l, T0 + 24001), 1);
    must(&l, acquire(A, LEASE_INFINITE), T0 + 20000);
    assert_int_equal(lease_state_at(&l, UINT64_MAX - 1), LEASE_LEASED);
    assert_int_equal(lease_remaining_s(&l, T0), 0);
}

static void a_break_waits_for_the_shorter_of_rest_and_period_and_only_ever_gets_shorter(void **state)
{
    (void)state;
    struct lease l = {0};
    must(&l, acquire(A, 30), T0);
    must(&l, break_in(60), T0 + 10000);
    assert_int_equal(lease_remaining_s(&l, T0 + 10000), 20);
    must(&l, break_in(5), T0 + 10000);
    assert_int_equal(lease_remaining_s(&l, T0 + 10000), 5);
    must(&l, break_in(50), T0 + 10000);
    assert_int_equal(lease_remaining_s(&l, T0 + 10000), 5);
    must(&l, break_in(-1), T0 + 10000);
    assert_int_equal(lease_remaining_s(&l, T0 + 10000), 5);
    assert_int_equal(lease_state_at(&l, T0 + 15000), LEASE_BROKEN);
    l = (struct lease){0};
    must(&l, acquire(A, LEASE_INFINITE), T0);
    must(&l, break_in(-1), T0);
    assert_int_equal(lease_state_at(&l, T0), LEASE_BROKEN);
    l = (struct lease){0};
    must(&l, acquire(A, LEASE_INFINITE), T0);
    must(&l, break_in(60), T0);
    assert_int_equal(lease_remaining_s(&l, T0), 60);
    assert_int_equal(lease_state_at(&l, T0 + 60000), LEASE_BROKEN);
}

static void the_holder_is_who_acquired_it(void **state)
{
    (void)state;
    struct lease l = {0};
    must(&l, acquire(A, 15), T0);
    assert_string_equal(l.holder, "me");
    struct lease_request q = act(LEASE_RENEW, A);
    q.holder = "other";
    must(&l, q, T0);
    q = change(A, B);
    q.holder = "other";
    must(&l, q, T0);
    assert_string_equal(l.holder, "me");
    q = acquire(C, 15);
    q.holder = "other";
    must(&l, q, T0 + 20000);
    assert_string_equal(l.holder, "other");
}

static void ids_are_read_in_every_form_and_nothing_else(void **state)
{
    (void)state;
    char id[LEASE_ID_LEN + 1] = "untouched";
    static const char *const good[] = {"AAAAAAAA-AAAA-4AAA-8AAA-AAAAAAAAAAAA", "aaaaaaaaaaaa4aaa8aaaaaaaaaaaaaaa", "{aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa}",
                                       "(aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa)"};
    static const char *const bad[] = {"", "x", "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaa", "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaag", "aaaaaaaaa-aaa-4aaa-8aaa-aaaaaaaaaaaa",
                                      "{aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa", "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaaa"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_false(lease_id_get(id, bad[i]));
        assert_string_equal(id, "untouched");
    }
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_true(lease_id_get(id, good[i]));
        assert_string_equal(id, A);
    }
}

/* Whatever is asked of it in whatever order: at no instant do two ids pass for the lease's, and nobody but its holder's id gets through
 * while it is locked. */
static void a_random_walk_never_lets_a_second_id_in(void **state)
{
    (void)state;
    struct rng_seeded r;
    static const char *const ids[] = {A, B, C};
    uint64_t seed;
    rng_fill(&seed, sizeof seed);
    const char *given = getenv("POA_SEED");
    if (given) seed = strtoull(given, NULL, 10);
    print_message("# POA_SEED=%llu\n", (unsigned long long)seed);
    rng_seed(&r, seed);
    struct lease l = {0};
    uint64_t now = T0;
    for (int i = 0; i < 200000; i++) {
        now += rng_below(&r, 9000);
        struct lease before = l;
        bool locked = lease_is_locked(&l, now);
        const char *id = ids[rng_below(&r, 3)], *proposed = ids[rng_below(&r, 3)];
        struct lease_request q = {.action = (enum lease_action)rng_below(&r, 5), .id = id, .proposed = proposed, .holder = "h",
                                  .duration_s = rng_below(&r, 8) == 0 ? LEASE_INFINITE : 15 + (int32_t)rng_below(&r, 46),
                                  .period_s = (int32_t)rng_below(&r, 62) - 1};
        enum rest_error e = lease_act(&l, &q, now);
        if (e != ERR_NONE) assert_memory_equal(&before, &l, sizeof l);
        if (locked && e == ERR_NONE && strcmp(before.id, l.id) != 0) {
            /* the id of a locked lease changes only by release, or by change with the right id */
            bool released = q.action == LEASE_RELEASE && strcmp(id, before.id) == 0;
            bool changed = q.action == LEASE_CHANGE && strcmp(id, before.id) == 0;
            assert_true(released || changed);
        }
        unsigned pass = 0;
        for (size_t k = 0; k < 3; k++) pass += lease_check_write(&l, ids[k], LEASE_OF_BLOB, now) == ERR_NONE;
        assert_int_equal(pass, lease_is_locked(&l, now) ? 1 : 0);
    }
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cell_of_the_table_is_as_documented),
        cmocka_unit_test(writes_want_the_id_of_a_locked_lease_only),
        cmocka_unit_test(an_expired_lease_is_renewed_unless_the_blob_was_written),
        cmocka_unit_test(a_lease_ends_to_the_millisecond_and_renewal_restarts_it),
        cmocka_unit_test(a_break_waits_for_the_shorter_of_rest_and_period_and_only_ever_gets_shorter),
        cmocka_unit_test(the_holder_is_who_acquired_it),
        cmocka_unit_test(ids_are_read_in_every_form_and_nothing_else),
        cmocka_unit_test(a_random_walk_never_lets_a_second_id_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
