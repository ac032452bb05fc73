/* The machine as its callers see it: the cache of translations, a host in trouble, a run that is told to end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/node/evm/evm_fixture.h"

static void translations_are_evicted_and_made_again(void **state)
{
    struct bench *b = *state;
    evm_free(b->evm);
    assert_int_equal(evm_new(&b->evm, 1), OK); /* a cache of one byte: each code pushes out those not running */
    char code[64];
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 40; i++) {
            snprintf(code, sizeof code, "61%04x", i * 3 + 1);
            assert_int_equal(eval(b, code).w[0], i * 3 + 1);
        }
    /* a code that runs stays, though the one it calls wants its place */
    set_account(b, &OTHER, unhex(b, "5f5f5f5f5f 73aa01000000000000000000000000000000000000 61ffff f1 5f52 60205ff3"), 0);
    assert_int_equal(eval(b, CALL_OTHER("f1", "5f", "61ffff") "50 5f51").w[0], 1);
}

static void every_fork_keeps_its_own_translations(void **state)
{
    struct bench *b = *state;
    for (int round = 0; round < 2; round++)
        for (int f = 0; f < FORK_N; f++) { /* more forks than schedules kept */
            reset(b, (enum fork)f);
            call_gas(b, "6000 54 00", 10000, BYTES_EMPTY);
            const uint64_t want = f >= FORK_BERLIN ? 2100 : f >= FORK_ISTANBUL ? 800 : f >= FORK_EIP150 ? 200 : 50;
            assert_int_equal(gas_used(b, 10000), 3 + want);
        }
}

static void host_trouble_ends_the_run_and_is_no_verdict(void **state)
{
    struct bench *b = *state;
    b->host->fail_with = E_IO;
    set_account(b, &OTHER, unhex(b, "5f54"), 0);
    call_gas(b, CALL_OTHER("f1", "5f", "61ffff"), 100000, BYTES_EMPTY);
    assert_int_equal(b->r.outcome, EVM_HOST_FAILURE);
    assert_int_equal(b->r.host_status, E_IO);
    b->host->fail_with = OK;
    call_gas(b, CALL_OTHER("f1", "5f", "61ffff"), 100000, BYTES_EMPTY);
    assert_int_equal(b->r.outcome, EVM_SUCCESS);
}

static bool at_the_third(void *ctx)
{
    return ++*(int *)ctx == 3;
}

static void a_run_ends_when_its_watcher_says_so(void **state)
{
    struct bench *b = *state;
    static const char *const endless[] = {"5b 6000 56", "5b 5f 5f52 5f51 56", "5b 5f5f5f5f 6004 5a fa 50 6000 56"}; /* one of them calls a precompile */
    for (size_t i = 0; i < COUNT_OF(endless); i++) {
        int n_asked = 0;
        evm_watch(b->evm, at_the_third, &n_asked);
        call_gas(b, endless[i], INT64_MAX, BYTES_EMPTY);
        assert_int_equal(b->r.outcome, EVM_HOST_FAILURE);
        assert_int_equal(b->r.host_status, E_CANCELLED);
        assert_int_equal(n_asked, 3);
    }
    int n_asked = 2;
    evm_watch(b->evm, at_the_third, &n_asked);
    evm_ask(b->evm);
    call_gas(b, "5b 6000 56", 1000, BYTES_EMPTY); /* some hundred jumps: nobody would ask yet */
    assert_int_equal(b->r.host_status, E_CANCELLED);
    evm_watch(b->evm, NULL, NULL);
    call_gas(b, "5b 6000 56", 1000, BYTES_EMPTY);
    assert_int_equal(b->r.outcome, EVM_OUT_OF_GAS);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        BENCH_TEST(translations_are_evicted_and_made_again),
        BENCH_TEST(every_fork_keeps_its_own_translations),
        BENCH_TEST(host_trouble_ends_the_run_and_is_no_verdict),
        BENCH_TEST(a_run_ends_when_its_watcher_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
