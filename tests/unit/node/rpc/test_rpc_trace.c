/* Traces: transactions run again, in geth's and in Parity's shapes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/node/rpc/rpc_fixture.h"

#include <cmocka.h>

static json_t *ask_tx(struct fixture *f, const char *method, const char *hash, const char *config)
{
    char params[300];
    snprintf(params, sizeof params, "[\"%s\"%s%s]", hash, config[0] ? "," : "", config);
    return ask(f, method, params);
}

static void struct_logs_name_each_opcode_with_gas_stack_and_storage(void **state)
{
    struct fixture *f = *state;
    char hash[67];
    send_tx(f, hash, TX_LEGACY, CLEARER, 0, "0x");
    fixture_seal(f);
    json_t *r = ask_tx(f, "debug_traceTransaction", hash, ""), *logs = json_object_get(r, "structLogs");
    assert_int_equal(json_array_size(logs), 4);
    static const char *const ops[] = {"PUSH1", "PUSH1", "SSTORE", "STOP"};
    uint64_t gas = 0;
    for (size_t i = 0; i < 4; i++) {
        const json_t *l = json_array_get(logs, i);
        assert_string_equal(str_at(l, "op"), ops[i]);
        assert_int_equal(json_integer_value(json_object_get(l, "depth")), 1);
        assert_int_equal(json_array_size(json_object_get(l, "stack")), i < 3 ? i : 0);
        if (i > 0) assert_int_equal(json_integer_value(json_object_get(l, "gas")), gas);
        gas = (uint64_t)(json_integer_value(json_object_get(l, "gas")) - json_integer_value(json_object_get(l, "gasCost")));
    }
    const json_t *store = json_array_get(logs, 2);
    assert_string_equal(str_at(json_object_get(store, "storage"), "0x" ZERO32), "0x" ZERO32);
    assert_int_equal(json_integer_value(json_object_get(store, "gasCost")), 5000);
    assert_true(json_is_false(json_object_get(r, "failed")));
    assert_string_equal(str_at(r, "returnValue"), "0x");
    json_t *receipt = ask_tx(f, "eth_getTransactionReceipt", hash, "");
    assert_int_equal(json_integer_value(json_object_get(r, "gas")), num_of(json_object_get(receipt, "gasUsed")));
    json_decref(receipt);
    json_decref(r);
    r = ask_tx(f, "debug_traceTransaction", hash, "{\"disableStack\":true,\"disableStorage\":true,\"limit\":2}");
    logs = json_object_get(r, "structLogs");
    assert_int_equal(json_array_size(logs), 2);
    assert_null(json_object_get(json_array_get(logs, 1), "stack"));
    json_decref(r);
}

static void call_tracer_nests_calls_and_tells_errors(void **state)
{
    struct fixture *f = *state;
    char hash[67], second[67];
    send_tx(f, hash, TX_LEGACY, CALLER, 0, "0x");
    send_tx(f, second, TX_LEGACY, REVERTER, 0, "0x");
    fixture_seal(f);
    json_t *r = ask_tx(f, "debug_traceTransaction", hash, "{\"tracer\":\"callTracer\"}");
    assert_string_equal(str_at(r, "type"), "CALL");
    assert_string_equal(str_at(r, "from"), RICH);
    assert_string_equal(str_at(r, "to"), CALLER);
    assert_string_equal(str_at(r, "gas"), "0x30d40");
    const json_t *calls = json_object_get(r, "calls");
    assert_int_equal(json_array_size(calls), 1);
    const json_t *inner = json_array_get(calls, 0);
    assert_string_equal(str_at(inner, "from"), CALLER);
    assert_string_equal(str_at(inner, "to"), HUNGRY);
    assert_null(json_object_get(inner, "calls"));
    json_decref(r);
    r = ask_tx(f, "debug_traceTransaction", hash, "{\"tracer\":\"callTracer\",\"tracerConfig\":{\"onlyTopCall\":true}}");
    assert_null(json_object_get(r, "calls"));
    json_decref(r);
    r = ask_tx(f, "debug_traceTransaction", second, "{\"tracer\":\"callTracer\"}");
    assert_string_equal(str_at(r, "error"), "execution reverted");
    assert_string_equal(str_at(r, "revertReason"), "no");
    json_decref(r);
}

static void call_tracer_gives_logs_when_asked(void **state)
{
    struct fixture *f = *state;
    char hash[67];
    send_tx(f, hash, TX_LEGACY, LOGGER, 0, "0x1111111111111111111111111111111111111111111111111111111111111111" ZERO32);
    fixture_seal(f);
    json_t *r = ask_tx(f, "debug_traceTransaction", hash, "{\"tracer\":\"callTracer\",\"tracerConfig\":{\"withLog\":true}}");
    const json_t *logs = json_object_get(r, "logs"), *log = json_array_get(logs, 0);
    assert_int_equal(json_array_size(logs), 1);
    assert_string_equal(str_at(log, "address"), LOGGER);
    assert_string_equal(str_at(log, "data"), "0x" ZERO32);
    assert_string_equal(json_string_value(json_array_get(json_object_get(log, "topics"), 0)), TOPIC);
    json_decref(r);
}

static const char *index_at(const json_t *frame, size_t i)
{
    return str_at(json_array_get(json_object_get(frame, "logs"), i), "index");
}

/* logs 0, then calls one that logs once, one that logs and reverts, then logs again */
#define LOG0 "60006000a0"
#define CALL(to) "6000600060006000600073" to "5af150"
#define TREE LOG0 CALL("00000000000000000000000000000000000a0001") CALL("00000000000000000000000000000000000c0002") LOG0

static void logs_of_a_traced_call_have_their_index_in_the_block(void **state)
{
    struct fixture *f = *state;
    char first[67], second[67];
    send_tx(f, first, TX_LEGACY, LOGGER, 0, TOPIC ZERO32);
    send_tx(f, second, TX_LEGACY, LOGGER, 0, TOPIC ZERO32);
    fixture_seal(f);
    json_t *r = ask_tx(f, "debug_traceTransaction", second, "{\"tracer\":\"callTracer\",\"tracerConfig\":{\"withLog\":true}}");
    assert_string_equal(index_at(r, 0), "0x1");
    json_decref(r);
    r = ask(f, "debug_traceBlockByNumber", "[\"0x1\",{\"tracer\":\"callTracer\",\"tracerConfig\":{\"withLog\":true}}]");
    for (size_t i = 0; i < 2; i++) assert_string_equal(index_at(json_object_get(json_array_get(r, i), "result"), 0), i == 0 ? "0x0" : "0x1");
    json_decref(r);
    /* what is not shown counts, what was undone does not */
    static const char with[] = "[{\"to\":\"0x00000000000000000000000000000000000c0001\"},\"latest\",{\"tracer\":\"callTracer\",\"tracerConfig\":{\"withLog\":true,\"onlyTopCall\":%s},\"stateOverrides\":{"
                               "\"0x00000000000000000000000000000000000c0001\":{\"code\":\"0x" TREE "\"},\"0x00000000000000000000000000000000000c0002\":{\"code\":\"0x" LOG0 "60006000fd\"}}}]";
    for (int top = 0; top < 2; top++) {
        char params[1000];
        snprintf(params, sizeof params, with, top ? "true" : "false");
        r = ask(f, "debug_traceCall", params);
        assert_int_equal(json_array_size(json_object_get(r, "logs")), 2);
        assert_string_equal(index_at(r, 0), "0x0");
        assert_string_equal(index_at(r, 1), "0x2");
        if (!top) assert_string_equal(index_at(json_array_get(json_object_get(r, "calls"), 0), 0), "0x1");
        json_decref(r);
    }
}

static void struct_logs_show_memory_by_words(void **state)
{
    struct fixture *f = *state;
    json_t *r = ask(f, "debug_traceCall", "[{\"to\":\"" PANICKER "\"},\"latest\",{\"enableMemory\":true}]");
    const json_t *logs = json_object_get(r, "structLogs"), *memory = json_object_get(json_array_get(logs, json_array_size(logs) - 1), "memory");
    assert_int_equal(json_array_size(memory), 2);
    assert_string_equal(json_string_value(json_array_get(memory, 0)), "0x4e487b71" "00000000000000000000000000000000000000000000000000000000");
    assert_null(json_object_get(json_array_get(logs, 0), "memory"));
    json_decref(r);
    assert_int_equal(ask_error(f, "debug_traceCall", "[{\"to\":\"" PANICKER "\"},\"latest\",{\"txIndex\":\"0x0\"}]"), -32602);
}

static void a_creation_tells_by_what_it_was_made(void **state)
{
    struct fixture *f = *state;
    json_t *r = ask(f, "trace_call", "[{\"data\":\"0x60006000600060006000f5\"},[\"trace\"]]"), *traces = json_object_get(r, "trace");
    assert_int_equal(json_array_size(traces), 2);
    for (size_t i = 0; i < 2; i++)
        assert_string_equal(str_at(json_object_get(json_array_get(traces, i), "action"), "creationMethod"), i == 0 ? "create" : "create2");
    json_decref(r);
}

static void prestate_tracer_tells_what_there_was_and_what_changed(void **state)
{
    struct fixture *f = *state;
    char hash[67], params[200];
    send_tx(f, hash, TX_LEGACY, CLEARER, 7, "0x");
    fixture_seal(f);
    json_t *r = ask_tx(f, "debug_traceTransaction", hash, "{\"tracer\":\"prestateTracer\"}");
    const json_t *c = json_object_get(r, CLEARER);
    assert_non_null(c);
    assert_string_equal(str_at(c, "balance"), "0x0");
    assert_string_equal(str_at(json_object_get(c, "storage"), "0x" ZERO32), "0x" "0000000000000000000000000000000000000000000000000000000000000001");
    assert_string_equal(str_at(c, "code"), "0x600060005500");
    assert_non_null(json_object_get(r, RICH));
    json_decref(r);
    r = ask_tx(f, "debug_traceTransaction", hash, "{\"tracer\":\"prestateTracer\",\"tracerConfig\":{\"diffMode\":true}}");
    const json_t *pre = json_object_get(r, "pre"), *post = json_object_get(r, "post");
    assert_string_equal(str_at(json_object_get(post, CLEARER), "balance"), "0x7");
    assert_null(json_object_get(json_object_get(post, CLEARER), "storage")); /* zero: gone */
    assert_non_null(json_object_get(json_object_get(pre, CLEARER), "storage"));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(post, RICH), "nonce")), f->nonce);
    json_decref(r);
    snprintf(params, sizeof params, "[{\"from\":\"" RICH "\",\"to\":\"" CLEARER "\"},\"latest\",{\"tracer\":\"prestateTracer\"}]");
    r = ask(f, "debug_traceCall", params);
    assert_string_equal(str_at(json_object_get(r, CLEARER), "balance"), "0x7");
    json_decref(r);
}

static void a_block_is_traced_transaction_by_transaction(void **state)
{
    struct fixture *f = *state;
    char a[67], b[67];
    static const char *const configs[] = {"", ",{\"tracer\":\"callTracer\"}", ",{\"tracer\":\"prestateTracer\",\"tracerConfig\":{\"diffMode\":true}}",
                                          ",{\"tracer\":\"noopTracer\"}", ",{\"tracer\":\"flatCallTracer\"}"};
    send_tx(f, a, TX_LEGACY, CLEARER, 1, "0x");
    send_tx(f, b, TX_LEGACY, CLEARER, 2, "0x");
    fixture_seal(f);
    for (size_t i = 0; i < COUNT_OF(configs); i++) {
        char params[200];
        snprintf(params, sizeof params, "[\"latest\"%s]", configs[i]);
        json_t *r = ask(f, "debug_traceBlockByNumber", params);
        assert_int_equal(json_array_size(r), 2);
        assert_string_equal(str_at(json_array_get(r, 0), "txHash"), a);
        assert_string_equal(str_at(json_array_get(r, 1), "txHash"), b);
        assert_non_null(json_object_get(json_array_get(r, 1), "result"));
        if (i == 2) { /* the second stands on the first */
            const json_t *two = json_object_get(json_array_get(r, 1), "result");
            assert_string_equal(str_at(json_object_get(json_object_get(two, "pre"), CLEARER), "balance"), "0x1");
            assert_string_equal(str_at(json_object_get(json_object_get(two, "post"), CLEARER), "balance"), "0x3");
        }
        json_decref(r);
    }
    assert_int_equal(ask_error(f, "debug_traceBlockByNumber", "[\"0x0\"]"), -32000);
    assert_int_equal(ask_error(f, "debug_traceBlockByNumber", "[\"latest\",{\"tracer\":\"magic\"}]"), -32000);
    assert_int_equal(ask_error(f, "debug_traceTransaction", "[\"" TOPIC "\"]"), -32000);
}

static void flat_traces_have_positions_in_the_tree(void **state)
{
    struct fixture *f = *state;
    char hash[67], params[200];
    send_tx(f, hash, TX_LEGACY, CALLER, 0, "0x");
    fixture_seal(f);
    json_t *r = ask_tx(f, "trace_transaction", hash, "");
    assert_int_equal(json_array_size(r), 2);
    const json_t *top = json_array_get(r, 0), *sub = json_array_get(r, 1);
    assert_int_equal(json_integer_value(json_object_get(top, "subtraces")), 1);
    assert_int_equal(json_array_size(json_object_get(top, "traceAddress")), 0);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(sub, "traceAddress"), 0)), 0);
    assert_string_equal(str_at(top, "transactionHash"), hash);
    assert_string_equal(str_at(top, "type"), "call");
    assert_string_equal(str_at(json_object_get(sub, "action"), "callType"), "call");
    assert_string_equal(str_at(json_object_get(sub, "action"), "to"), HUNGRY);
    assert_string_equal(str_at(json_object_get(top, "action"), "gas"), "0x2bb38"); /* less the transaction's own 21000 */
    snprintf(params, sizeof params, "[\"%s\",[\"0x0\"]]", hash);
    json_t *one = ask(f, "trace_get", params);
    assert_true(json_equal(one, json_array_get(r, 1)));
    json_decref(one);
    snprintf(params, sizeof params, "[\"%s\",[\"0x1\"]]", hash);
    expect_json(f, "trace_get", params, "null");
    json_t *block = ask(f, "trace_block", "[\"latest\"]");
    assert_true(json_equal(block, r));
    json_decref(block);
    json_decref(r);
    expect_json(f, "trace_transaction", "[\"" TOPIC "\"]", "null");
}

static void reverted_and_created_have_their_forms(void **state)
{
    struct fixture *f = *state;
    char bad[67], made[67];
    send_tx(f, bad, TX_LEGACY, REVERTER, 0, "0x");
    send_tx(f, made, TX_LEGACY, NULL, 0, "0x60016000f3"); /* one byte, a zero, of code */
    fixture_seal(f);
    json_t *r = ask_tx(f, "trace_transaction", bad, "");
    assert_string_equal(str_at(json_array_get(r, 0), "error"), "Reverted");
    assert_null(json_object_get(json_array_get(r, 0), "result"));
    json_decref(r);
    r = ask_tx(f, "trace_transaction", made, "");
    json_t *receipt = ask_tx(f, "eth_getTransactionReceipt", made, "");
    const json_t *t = json_array_get(r, 0), *result = json_object_get(t, "result");
    assert_string_equal(str_at(t, "type"), "create");
    assert_string_equal(str_at(json_object_get(t, "action"), "init"), "0x60016000f3");
    assert_string_equal(str_at(result, "address"), str_at(receipt, "contractAddress"));
    assert_string_equal(str_at(result, "code"), "0x00");
    json_decref(receipt);
    json_decref(r);
}

static void a_filter_chooses_by_address_and_pages(void **state)
{
    struct fixture *f = *state;
    char hash[67];
    for (int i = 0; i < 3; i++) {
        send_tx(f, hash, TX_LEGACY, CALLER, 0, "0x");
        fixture_seal(f);
    }
    json_t *r = ask(f, "trace_filter", "[{\"fromBlock\":\"0x1\",\"toBlock\":\"latest\",\"toAddress\":[\"" HUNGRY "\"]}]");
    const size_t all = json_array_size(r);
    assert_true(all >= 3);
    for (size_t i = 0; i < all; i++) assert_string_equal(str_at(json_object_get(json_array_get(r, i), "action"), "to"), HUNGRY);
    json_t *page = ask(f, "trace_filter", "[{\"fromBlock\":\"0x1\",\"toAddress\":[\"" HUNGRY "\"],\"after\":1,\"count\":1}]");
    assert_int_equal(json_array_size(page), 1);
    assert_true(json_equal(json_array_get(page, 0), json_array_get(r, 1)));
    json_decref(page);
    json_decref(r);
    expect_json(f, "trace_filter", "[{\"fromBlock\":\"0x1\",\"fromAddress\":[\"" HUNGRY "\"]}]", "[]");
    assert_int_equal(ask_error(f, "trace_filter", "[{\"fromAddress\":\"" HUNGRY "\"}]"), -32602);
    /* both, or either of both */
    expect_json(f, "trace_filter", "[{\"fromBlock\":\"0x1\",\"fromAddress\":[\"" RICH "\"],\"toAddress\":[\"" HUNGRY "\"]}]", "[]");
    expect_json(f, "trace_filter", "[{\"fromBlock\":\"0x1\",\"fromAddress\":[\"" RICH "\"],\"toAddress\":[\"" HUNGRY "\"],\"mode\":\"intersection\"}]", "[]");
    r = ask(f, "trace_filter", "[{\"fromBlock\":\"0x1\",\"fromAddress\":[\"" RICH "\"],\"toAddress\":[\"" HUNGRY "\"],\"mode\":\"union\"}]");
    assert_int_equal(json_array_size(r), all + 3);
    json_decref(r);
    assert_int_equal(ask_error(f, "trace_filter", "[{\"mode\":\"either\"}]"), -32602);
}

static void selectors_of_calls_are_counted_with_the_length_behind_them(void **state)
{
    struct fixture *f = *state;
    /* calls LOGGER twice with 0xaabbccdd and 28 bytes, a precompile with as much, and LOGGER with 3 bytes */
    static const char code[] = "0x63aabbccdd60e01b600052" /* in memory */
                               "6000600060206000600073" "00000000000000000000000000000000000a0001" "5af150"
                               "6000600060206000600073" "00000000000000000000000000000000000a0001" "5af150"
                               "600060006020600060006001" "5af150"
                               "6000600060036000600073" "00000000000000000000000000000000000a0001" "5af100";
    char params[1200];
    snprintf(params, sizeof params, "[{\"to\":\"0x00000000000000000000000000000000000c0001\",\"data\":\"0x11223344ff\"},\"latest\",{\"tracer\":\"4byteTracer\",\"stateOverrides\":{"
             "\"0x00000000000000000000000000000000000c0001\":{\"code\":\"%s\"}}}]", code);
    expect_json(f, "debug_traceCall", params, "{\"0x11223344-1\":1,\"0xaabbccdd-28\":2}");
    expect_json(f, "debug_traceCall", "[{\"to\":\"" LOGGER "\"},\"latest\",{\"tracer\":\"4byteTracer\"}]", "{}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(struct_logs_name_each_opcode_with_gas_stack_and_storage, fixture_new, fixture_free),
        cmocka_unit_test_setup_teardown(call_tracer_nests_calls_and_tells_errors, fixture_new, fixture_free),
        cmocka_unit_test_setup_teardown(call_tracer_gives_logs_when_asked, fixture_new, fixture_free),
        cmocka_unit_test_setup_teardown(selectors_of_calls_are_counted_with_the_length_behind_them, fixture_new, fixture_free),
        cmocka_unit_test_setup_teardown(logs_of_a_traced_call_have_their_index_in_the_block, fixture_new, fixture_free),
        cmocka_unit_test_setup_teardown(struct_logs_show_memory_by_words, fixture_new, fixture_free),
        cmocka_unit_test_setup_teardown(a_creation_tells_by_what_it_was_made, fixture_new, fixture_free),
        cmocka_unit_test_setup_teardown(prestate_tracer_tells_what_there_was_and_what_changed, fixture_new, fixture_free),
        cmocka_unit_test_setup_teardown(a_block_is_traced_transaction_by_transaction, fixture_new, fixture_free),
        cmocka_unit_test_setup_teardown(flat_traces_have_positions_in_the_tree, fixture_new, fixture_free),
        cmocka_unit_test_setup_teardown(reverted_and_created_have_their_forms, fixture_new, fixture_free),
        cmocka_unit_test_setup_teardown(a_filter_chooses_by_address_and_pages, fixture_new, fixture_free),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
