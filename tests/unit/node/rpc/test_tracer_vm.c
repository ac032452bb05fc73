/* Parity's vmTrace, of small programs worked by hand. Each runs as init code, so a program needs no account. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/node/rpc/rpc_fixture.h"

#include <cmocka.h>

#define GAS 100000

/* what is left for a program of that many bytes: the creation's own 53000, 16 for a byte that is not zero and 4 for one that is (EIP-2028), 2 a word
 * (EIP-3860) */
static uint64_t gas_of(const char *code)
{
    uint64_t gas = GAS - 53000;
    const size_t n = strlen(code) / 2;
    for (size_t i = 0; i < n; i++)
        gas -= strncmp(code + 2 * i, "00", 2) == 0 ? 4 : 16;
    return gas - 2 * ((n + 31) / 32);
}

static json_t *trace(struct fixture *f, const char *code, const char *types)
{
    char params[2000];
    snprintf(params, sizeof params, "[{\"from\":\"" RICH "\",\"gas\":\"0x%x\",\"data\":\"0x%s\"},%s,\"latest\"]", GAS, code, types);
    return ask(f, "trace_call", params);
}

/* one operation as it should be; ex NULL: it failed. push, mem, store, sub: JSON */
struct op {
    uint64_t pc, cost;
    const char *push, *mem, *store, *sub;
    uint64_t back; /* gas that came back from what it opened */
    bool failed;
};

/* ops: n of them, the gas behind each told from its cost */
static void expect_ops(const json_t *vm, const char *code, const struct op *ops, size_t n)
{
    const json_t *list = json_object_get(vm, "ops");
    uint64_t gas = gas_of(code);
    char want_code[1000];
    snprintf(want_code, sizeof want_code, "0x%s", code);
    assert_string_equal(str_at(vm, "code"), want_code);
    assert_int_equal(json_object_size(vm), 2);
    for (size_t i = 0; i < n; i++) {
        char want[1000], *text = json_dumps(json_array_get(list, i), JSON_COMPACT | JSON_SORT_KEYS);
        gas -= ops[i].failed ? 0 : ops[i].cost - ops[i].back;
        size_t at = (size_t)snprintf(want, sizeof want, "{\"cost\":%llu,\"ex\":", (unsigned long long)ops[i].cost);
        if (ops[i].failed) at += (size_t)snprintf(want + at, sizeof want - at, "null");
        else
            at += (size_t)snprintf(want + at, sizeof want - at, "{\"mem\":%s,\"push\":[%s],\"store\":%s,\"used\":%llu}", ops[i].mem ? ops[i].mem : "null",
                                   ops[i].push ? ops[i].push : "", ops[i].store ? ops[i].store : "null", (unsigned long long)gas);
        snprintf(want + at, sizeof want - at, ",\"pc\":%llu,\"sub\":%s}", (unsigned long long)ops[i].pc, ops[i].sub ? ops[i].sub : "null");
        assert_non_null(text);
        assert_string_equal(text, want);
        free(text);
    }
    assert_int_equal(json_array_size(list), n);
}

static void expect_program(struct fixture *f, const char *code, const struct op *ops, size_t n)
{
    json_t *r = trace(f, code, "[\"vmTrace\"]");
    assert_true(json_is_null(json_object_get(r, "stateDiff")));
    assert_int_equal(json_array_size(json_object_get(r, "trace")), 0);
    expect_ops(json_object_get(r, "vmTrace"), code, ops, n);
    json_decref(r);
}
#define EXPECT(code, ...)                                                                          \
    do {                                                                                           \
        static const struct op ops[] = {__VA_ARGS__};                                              \
        expect_program(f, code, ops, COUNT_OF(ops));                                               \
    } while (0)

static void words_memory_and_storage_show_what_each_operation_did(void **state)
{
    struct fixture *f = *state;
    EXPECT("6001600055602a6000526001601ff3", {.pc = 0, .cost = 3, .push = "\"0x1\""}, {.pc = 2, .cost = 3, .push = "\"0x0\""},
           {.pc = 4, .cost = 22100, .store = "{\"key\":\"0x0\",\"val\":\"0x1\"}"}, {.pc = 5, .cost = 3, .push = "\"0x2a\""},
           {.pc = 7, .cost = 3, .push = "\"0x0\""},
           {.pc = 9, .cost = 6, .mem = "{\"data\":\"0x000000000000000000000000000000000000000000000000000000000000002a\",\"off\":0}"},
           {.pc = 10, .cost = 3, .push = "\"0x1\""}, {.pc = 12, .cost = 3, .push = "\"0x1f\""}, {.pc = 14, .cost = 0});
}

static void dup_and_swap_show_all_that_they_reach(void **state)
{
    struct fixture *f = *state;
    EXPECT("600160028190915b5050", {.pc = 0, .cost = 3, .push = "\"0x1\""}, {.pc = 2, .cost = 3, .push = "\"0x2\""},
           {.pc = 4, .cost = 3, .push = "\"0x1\",\"0x2\",\"0x1\""}, /* DUP2 */
           {.pc = 5, .cost = 3, .push = "\"0x1\",\"0x2\""},         /* SWAP1 */
           {.pc = 6, .cost = 3, .push = "\"0x2\",\"0x1\",\"0x1\""}, /* SWAP2 */
           {.pc = 7, .cost = 1}, {.pc = 8, .cost = 2}, {.pc = 9, .cost = 2}); /* and the end of the code is no operation */
}

static void a_load_and_a_copy_show_the_memory_and_none_of_no_length(void **state)
{
    struct fixture *f = *state;
    EXPECT("6020515060026000600039600060006020376001600153", {.pc = 0, .cost = 3, .push = "\"0x20\""},
           {.pc = 2, .cost = 9, .push = "\"0x0\"", .mem = "{\"data\":\"0x" ZERO32 "\",\"off\":32}"}, {.pc = 3, .cost = 2},
           {.pc = 4, .cost = 3, .push = "\"0x2\""}, {.pc = 6, .cost = 3, .push = "\"0x0\""}, {.pc = 8, .cost = 3, .push = "\"0x0\""},
           {.pc = 10, .cost = 6, .mem = "{\"data\":\"0x6020\",\"off\":0}"}, {.pc = 11, .cost = 3, .push = "\"0x0\""},
           {.pc = 13, .cost = 3, .push = "\"0x0\""}, {.pc = 15, .cost = 3, .push = "\"0x20\""}, {.pc = 17, .cost = 3},
           {.pc = 18, .cost = 3, .push = "\"0x1\""}, {.pc = 20, .cost = 3, .push = "\"0x1\""}, {.pc = 22, .cost = 3, .mem = "{\"data\":\"0x01\",\"off\":1}"});
}

static void an_operation_that_fails_has_no_ex_and_what_is_none_is_not_listed(void **state)
{
    struct fixture *f = *state;
    EXPECT("6001fe", {.pc = 0, .cost = 3, .push = "\"0x1\""});
    EXPECT("600101", {.pc = 0, .cost = 3, .push = "\"0x1\""}); /* ADD of one word */
    EXPECT("600156", {.pc = 0, .cost = 3, .push = "\"0x1\""}, {.pc = 2, .cost = 8}); /* JUMP did its part, the place is bad */
    EXPECT("60006000fd", {.pc = 0, .cost = 3, .push = "\"0x0\""}, {.pc = 2, .cost = 3, .push = "\"0x0\""}, {.pc = 4, .cost = 0});
    EXPECT("6001620f000052", {.pc = 0, .cost = 3, .push = "\"0x1\""}, {.pc = 2, .cost = 3, .push = "\"0xf0000\""},
           {.pc = 6, .cost = 3 + 3 * 30721 + 30721ull * 30721 / 512, .failed = true}); /* 30721 words of memory are too dear */
}

static void what_a_call_opens_stands_below_it(void **state)
{
    struct fixture *f = *state;
    /* CALL(gas 5000, CALLER...), which calls HUNGRY, which has too little gas and reverts with nothing; then CALLER does */
    json_t *r = trace(f, "60006000600060006000620a0005611388f1", "[\"trace\",\"vmTrace\"]");
    const json_t *ops = json_object_get(json_object_get(r, "vmTrace"), "ops"), *call = json_array_get(ops, 7), *sub = json_object_get(call, "sub");
    assert_int_equal(json_array_size(ops), 8);
    assert_int_equal(json_integer_value(json_object_get(call, "cost")), 2600 + 5000);
    const json_t *code = ask(f, "eth_getCode", "[\"" CALLER "\",\"latest\"]");
    assert_string_equal(str_at(sub, "code"), json_string_value(code));
    json_decref((json_t *)(uintptr_t)code);
    /* its own ops come down from the 5000 that it got, and CALLER's call of HUNGRY stands below again */
    const json_t *first = json_array_get(json_object_get(sub, "ops"), 0);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(first, "ex"), "used")) + json_integer_value(json_object_get(first, "cost")), 5000);
    bool deeper = false;
    size_t i;
    json_t *op;
    json_array_foreach(json_object_get(sub, "ops"), i, op)
    {
        if (!json_is_null(json_object_get(op, "sub"))) deeper = true;
    }
    assert_true(deeper);
    const json_t *push = json_object_get(json_object_get(call, "ex"), "push");
    assert_int_equal(json_array_size(push), 1);
    assert_string_equal(json_string_value(json_array_get(push, 0)), "0x0");
    assert_int_equal(json_array_size(json_object_get(r, "trace")), 3);
    json_decref(r);
}

/* a call without code: of an account that is there, of one that is not, of a builtin, and one that can't begin */
static void only_a_frame_that_began_stands_below_its_call(void **state)
{
    struct fixture *f = *state;
#define PUSHES {.pc = 0, .cost = 3, .push = "\"0x0\""}, {.pc = 2, .cost = 3, .push = "\"0x0\""}, {.pc = 4, .cost = 3, .push = "\"0x0\""}, \
               {.pc = 6, .cost = 3, .push = "\"0x0\""}, {.pc = 8, .cost = 3, .push = "\"0x0\""}
    /* RICH is the author, warm by EIP-3651, and what it did not use comes back */
    EXPECT("60006000600060006000737e5f4552091a69125d5dfcb7b8c2659029395bdf6000f1", PUSHES,
           {.pc = 10, .cost = 3, .push = "\"0x7e5f4552091a69125d5dfcb7b8c2659029395bdf\""}, {.pc = 31, .cost = 3, .push = "\"0x0\""},
           {.pc = 33, .cost = 100, .push = "\"0x1\"", .sub = "{\"code\":\"0x\",\"ops\":[]}"});
    EXPECT("60006000600060006000620bbbbb6000f1", PUSHES, {.pc = 10, .cost = 3, .push = "\"0xbbbbb\""}, {.pc = 14, .cost = 3, .push = "\"0x0\""},
           {.pc = 16, .cost = 2600, .push = "\"0x1\""});
    EXPECT("600060006000600060006001610fa0f1", PUSHES, {.pc = 10, .cost = 3, .push = "\"0x1\""}, {.pc = 12, .cost = 3, .push = "\"0xfa0\""},
           {.pc = 15, .cost = 4100, .push = "\"0x1\"", .back = 1000}); /* ecrecover takes 3000 of its 4000 */
    /* ten wei that the new contract does not have: all comes back, with the stipend */
    EXPECT("6000600060006000600a737e5f4552091a69125d5dfcb7b8c2659029395bdf6000f1", {.pc = 0, .cost = 3, .push = "\"0x0\""}, {.pc = 2, .cost = 3, .push = "\"0x0\""},
           {.pc = 4, .cost = 3, .push = "\"0x0\""}, {.pc = 6, .cost = 3, .push = "\"0x0\""}, {.pc = 8, .cost = 3, .push = "\"0xa\""},
           {.pc = 10, .cost = 3, .push = "\"0x7e5f4552091a69125d5dfcb7b8c2659029395bdf\""}, {.pc = 31, .cost = 3, .push = "\"0x0\""},
           {.pc = 33, .cost = 9100, .push = "\"0x0\"", .back = 2300});
    json_t *r = trace(f, "6000600060006000600a737e5f4552091a69125d5dfcb7b8c2659029395bdf6000f1", "[\"trace\"]");
    assert_int_equal(json_array_size(json_object_get(r, "trace")), 1); /* nor does it leave a trace */
    json_decref(r);
}

static void a_creation_costs_what_it_gives_on(void **state)
{
    struct fixture *f = *state;
    /* MSTORE8(0, STOP), CREATE(0, 0, 1): 63/64 of what is left go on, and all but nothing comes back */
    static const char program[] = "600060005360016000" "6000f0";
    const uint64_t left = gas_of(program) - 5 * 3 - 6 - 32002; /* five PUSH1s, MSTORE8 with its word; CREATE with its word of init code */
    const uint64_t given = left - left / 64;
    char sub[200];
    snprintf(sub, sizeof sub, "{\"code\":\"0x00\",\"ops\":[{\"cost\":0,\"ex\":{\"mem\":null,\"push\":[],\"store\":null,\"used\":%llu},\"pc\":0,\"sub\":null}]}", (unsigned long long)given);
    json_t *r = trace(f, program, "[\"vmTrace\"]"), *create = json_array_get(json_object_get(json_object_get(r, "vmTrace"), "ops"), 6);
    char *text = json_dumps(json_object_get(create, "sub"), JSON_COMPACT | JSON_SORT_KEYS);
    assert_non_null(text);
    assert_string_equal(text, sub);
    free(text);
    assert_int_equal(json_integer_value(json_object_get(create, "cost")), 32002 + given);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(create, "ex"), "used")), left);
    json_decref(r);
}

static void a_mined_transaction_shows_the_same_and_a_transfer_nothing(void **state)
{
    struct fixture *f = *state;
    char hash[67], transfer[67], params[200];
    send_tx(f, hash, TX_LEGACY, CLEARER, 0, "0x");
    send_tx(f, transfer, TX_LEGACY, "0x00000000000000000000000000000000000bbbbb", 1, "0x");
    fixture_seal(f);
    snprintf(params, sizeof params, "[\"%s\",[\"vmTrace\"]]", hash);
    json_t *r = ask(f, "trace_replayTransaction", params), *vm = json_object_get(r, "vmTrace"), *store = json_array_get(json_object_get(vm, "ops"), 2);
    assert_string_equal(str_at(vm, "code"), "0x600060005500");
    assert_int_equal(json_array_size(json_object_get(vm, "ops")), 4);
    assert_int_equal(json_integer_value(json_object_get(store, "cost")), 5000);
    assert_null(json_object_get(r, "transactionHash"));
    json_t *block = ask(f, "trace_replayBlockTransactions", "[\"latest\",[\"vmTrace\",\"stateDiff\",\"trace\"]]"), *one = json_array_get(block, 0), *two = json_array_get(block, 1);
    assert_int_equal(json_array_size(block), 2);
    assert_string_equal(str_at(one, "transactionHash"), hash);
    assert_string_equal(str_at(two, "transactionHash"), transfer);
    assert_true(json_equal(json_object_get(one, "vmTrace"), vm));
    assert_true(json_is_null(json_object_get(two, "vmTrace")));
    assert_int_equal(json_array_size(json_object_get(two, "trace")), 1);
    assert_null(json_object_get(json_array_get(json_object_get(two, "trace"), 0), "blockHash")); /* where it stands is not told again */
    json_decref(block);
    json_decref(r);
}

static void types_that_nobody_knows_are_refused_and_none_are_nothing(void **state)
{
    struct fixture *f = *state;
    json_t *r = trace(f, "00", "[]");
    assert_true(json_is_null(json_object_get(r, "vmTrace")));
    assert_true(json_is_null(json_object_get(r, "stateDiff")));
    assert_int_equal(json_array_size(json_object_get(r, "trace")), 0);
    assert_string_equal(str_at(r, "output"), "0x");
    json_decref(r);
    assert_int_equal(ask_error(f, "trace_call", "[{\"data\":\"0x00\"},[\"vmtrace\"]]"), -32602);
    assert_int_equal(ask_error(f, "trace_call", "[{\"data\":\"0x00\"},\"trace\"]"), -32602);
    assert_int_equal(ask_error(f, "trace_callMany", "[[[{\"data\":\"0x00\"},[7]]]]"), -32602);
}

static void a_trace_that_is_too_large_is_stopped_and_says_so(void **state)
{
    struct fixture *f = *state;
    /* sixteen words, then DUP16s and POPs in a loop: fifty million gas of it would be gigabytes */
    char params[600];
    static const char program[] = "6001600160016001600160016001600160016001600160016001600160016001"
                                  "5b8f8f8f8f50505050602056";
    snprintf(params, sizeof params, "[{\"from\":\"" RICH "\",\"gas\":\"0x2faf080\",\"data\":\"0x%s\"},[\"vmTrace\"]]", program);
    const uint64_t begin = clock_mono_ms();
    assert_int_equal(ask_error(f, "trace_call", params), -32005);
    assert_non_null(strstr(f->last_error, "larger than"));
    assert_true(clock_mono_ms() - begin < 20000);
    /* the next one runs as ever */
    expect_str(f, "eth_blockNumber", "[]", "0x0");
    json_t *r = trace(f, "00", "[\"trace\"]");
    json_decref(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(words_memory_and_storage_show_what_each_operation_did, fixture_new, fixture_free),
        cmocka_unit_test_setup_teardown(dup_and_swap_show_all_that_they_reach, fixture_new, fixture_free),
        cmocka_unit_test_setup_teardown(a_load_and_a_copy_show_the_memory_and_none_of_no_length, fixture_new, fixture_free),
        cmocka_unit_test_setup_teardown(an_operation_that_fails_has_no_ex_and_what_is_none_is_not_listed, fixture_new, fixture_free),
        cmocka_unit_test_setup_teardown(what_a_call_opens_stands_below_it, fixture_new, fixture_free),
        cmocka_unit_test_setup_teardown(only_a_frame_that_began_stands_below_its_call, fixture_new, fixture_free),
        cmocka_unit_test_setup_teardown(a_creation_costs_what_it_gives_on, fixture_new, fixture_free),
        cmocka_unit_test_setup_teardown(a_mined_transaction_shows_the_same_and_a_transfer_nothing, fixture_new, fixture_free),
        cmocka_unit_test_setup_teardown(types_that_nobody_knows_are_refused_and_none_are_nothing, fixture_new, fixture_free),
        cmocka_unit_test_setup_teardown(a_trace_that_is_too_large_is_stopped_and_says_so, fixture_new, fixture_free),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
