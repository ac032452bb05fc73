/* A tracer sees what the machine does, and changes nothing of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/node/evm/evm_fixture.h"

struct trace {
    uint64_t gas_sum;
    size_t steps, enters, leaves;
    uint64_t pcs[64];
    int max_depth;
    uint64_t last_gas, last_cost;
    bool gas_ok;
};
static void on_step(void *ctx, const struct evm_trace_step *s)
{
    struct trace *t = ctx;
    /* within one frame the gas of a step is that of the step before less its cost */
    if (t->steps != 0 && s->depth == t->max_depth && s->pc != 0 && t->last_gas - t->last_cost != s->gas) t->gas_ok = false;
    if (t->steps < COUNT_OF(t->pcs)) t->pcs[t->steps] = s->pc;
    t->steps++;
    t->last_gas = s->gas;
    t->last_cost = s->cost;
    if (s->depth > t->max_depth) t->max_depth = s->depth;
}
static void on_enter(void *ctx, const struct evm_trace_call *c)
{
    struct trace *t = ctx;
    assert_true(c->depth >= 1);
    t->enters++;
}
static void on_leave(void *ctx, enum evm_outcome outcome, uint64_t used, bytes output)
{
    struct trace *t = ctx;
    (void)outcome;
    (void)output;
    t->gas_sum += used;
    t->leaves++;
}

static void a_tracer_sees_each_step_with_its_cost(void **state)
{
    struct bench *b = *state;
    static const char *const codes[] = {
        "6001 6002 01 5f52 6003 5f 55 5f 54 50 60205f 20 50 6008 60ff 0a 50 61 0100 51 50 5f5fa0 6040 5f 6080 37 33 31 50 5f 5f fd",
        "6001 5f55 5f5f55 5f5f5ff0 50 73bb03000000000000000000000000000000000000 3b 50 6020 5f 60c0 5e 00",
    };
    struct trace t = {.gas_ok = true};
    b->tracer = (struct evm_tracer){.ctx = &t, .step = on_step, .enter = on_enter, .leave = on_leave};
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        b->trace = false;
        reset(b, FORK_PRAGUE);
        call_gas(b, codes[i], 200000, BYTES_EMPTY);
        const uint64_t plain = gas_used(b, 200000);
        const enum evm_outcome outcome = b->r.outcome;
        t = (struct trace){.gas_ok = true};
        b->trace = true;
        reset(b, FORK_PRAGUE);
        call_gas(b, codes[i], 200000, BYTES_EMPTY);
        assert_int_equal(gas_used(b, 200000), plain);
        assert_int_equal(b->r.outcome, outcome);
        if (i == 0) assert_true(t.gas_ok);
        assert_int_equal(t.enters, t.leaves);
        assert_true(t.steps > 10);
    }
    /* a loop is seen once per turn, and a call is stepped into */
    t = (struct trace){.gas_ok = true};
    call_gas(b, "6003 5b 6001 90 03 80 6002 57 00", 10000, BYTES_EMPTY);
    assert_int_equal(t.steps, 1 + 3 * 7 + 1);
    t = (struct trace){.gas_ok = true};
    set_account(b, &OTHER, unhex(b, "6001 50"), 0);
    call_gas(b, CALL_OTHER("f1", "5f", "61ffff"), 100000, BYTES_EMPTY);
    assert_int_equal(t.max_depth, 2);
    assert_int_equal(t.enters, 2);
    assert_int_equal(t.leaves, 2);
    assert_int_equal(t.steps, 8 + 1 + 3);
}

static void random_code_ends_alike_with_and_without_a_tracer(void **state)
{
    struct bench *b = *state;
    uint64_t seed = 0x9e3779b97f4a7c15u;
    struct trace t = {.gas_ok = true};
    b->tracer = (struct evm_tracer){.ctx = &t, .step = on_step};
    for (int i = 0; i < 3000; i++) {
        char code[2 * 96 + 1];
        for (size_t k = 0; k + 2 < sizeof code; k += 2) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            const unsigned pick = (unsigned)(seed >> 33);
            /* mostly pushes of small numbers, so that operations find operands */
            unsigned op = pick % 3 == 0 ? 0x60 : (pick >> 8) & 0xff;
            if (op == 0x60 && k + 4 < sizeof code) {
                snprintf(code + k, 5, "60%02x", (pick >> 16) % 96);
                k += 2;
                continue;
            }
            snprintf(code + k, 3, "%02x", op);
        }
        code[sizeof code - 1] = '\0';
        enum evm_outcome outcome[2];
        uint64_t left[2];
        int64_t refund[2];
        for (int k = 0; k < 2; k++) {
            b->trace = k == 1;
            reset(b, (enum fork)(i % FORK_N));
            call_gas(b, code, 60000, BYTES_EMPTY);
            outcome[k] = b->r.outcome;
            left[k] = b->r.gas_left;
            refund[k] = b->r.refund;
        }
        /* a block that can't end well may be told for another reason; the verdict is the same */
        assert_int_equal(outcome[0] == EVM_SUCCESS, outcome[1] == EVM_SUCCESS);
        assert_int_equal(outcome[0] == EVM_REVERT, outcome[1] == EVM_REVERT);
        assert_int_equal(left[0], left[1]);
        assert_int_equal(refund[0], refund[1]);
    }
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        BENCH_TEST(a_tracer_sees_each_step_with_its_cost),
        BENCH_TEST(random_code_ends_alike_with_and_without_a_tracer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
