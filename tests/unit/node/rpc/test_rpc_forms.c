/* The execution APIs to the letter: what parameters may be, null and pending, fields that tools look for, errors that they match on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "node/rpc/rpc_priv.h"
#include "tests/unit/node/rpc/rpc_fixture.h"

#include <cmocka.h>

#define WORD1 "0x0000000000000000000000000000000000000000000000000000000000000001"
#define ECRECOVER "0x0000000000000000000000000000000000000001"
#define ELSEWHERE "0x00000000000000000000000000000000000c0001"

/* an error of that code whose text has `says` */
static void expect_error(struct fixture *f, const char *method, const char *params, int code, const char *says)
{
    const int got = ask_error(f, method, params);
    if (got != code || strstr(f->last_error, says) == NULL) fail_msg("%s %s: %d %s", method, params, got, f->last_error);
}

static void a_block_is_named_by_number_or_hash_as_the_method_says(void **state)
{
    struct fixture *f = *state;
    char hash[70], params[300];
    json_t *b = ask(f, "eth_getBlockByNumber", "[\"0x0\"]");
    snprintf(hash, sizeof hash, "%s", str_at(b, "hash"));
    json_decref(b);
    static const char *const by_number[] = {"eth_getBlockByNumber", "eth_getHeaderByNumber", "eth_getBlockTransactionCountByNumber", "eth_getUncleCountByBlockNumber"};
    static const char *const by_hash[] = {"eth_getBlockByHash", "eth_getHeaderByHash", "eth_getBlockTransactionCountByHash", "eth_getUncleCountByBlockHash"};
    for (size_t i = 0; i < COUNT_OF(by_number); i++) {
        snprintf(params, sizeof params, "[\"%s\"]", hash);
        expect_error(f, by_number[i], params, -32602, "no hash");
        json_decref(ask(f, by_hash[i], params));
        json_decref(ask(f, by_number[i], "[\"0x0\"]"));
        json_decref(ask(f, by_number[i], "[\"pending\"]"));
        expect_error(f, by_hash[i], "[\"0x0\"]", -32602, "64 hex digits");
        expect_error(f, by_hash[i], "[\"latest\"]", -32602, "64 hex digits");
        expect_error(f, by_number[i], "[null]", -32602, "missing value for required argument 0");
        expect_error(f, by_number[i], "[]", -32602, "missing value for required argument 0");
    }
    snprintf(params, sizeof params, "[\"" RICH "\",{\"blockHash\":\"%s\",\"requireCanonical\":true}]", hash);
    json_decref(ask(f, "eth_getBalance", params));
    snprintf(params, sizeof params, "[{\"blockHash\":\"%s\"}]", hash);
    expect_error(f, "eth_getBlockByNumber", params, -32602, "no hash");
    json_decref(ask(f, "eth_getBlockReceipts", params));
    expect_error(f, "eth_getBalance", "[\"" RICH "\",{\"blockHash\":\"" WORD1 "\",\"blockNumber\":\"0x0\"}]", -32602, "either blockHash or blockNumber");
    json_decref(ask(f, "eth_getBalance", "[\"" RICH "\",null]"));
}

static void storage_keys_are_up_to_32_bytes_and_come_back_in_their_form(void **state)
{
    struct fixture *f = *state;
    expect_str(f, "eth_getStorageAt", "[\"" CLEARER "\",\"0x\"]", WORD1);
    expect_str(f, "eth_getStorageAt", "[\"" CLEARER "\",\"0x0\",\"latest\"]", WORD1);
    expect_str(f, "eth_getStorageAt", "[\"" CLEARER "\",\"0x000\"]", WORD1);
    expect_error(f, "eth_getStorageAt", "[\"" CLEARER "\",\"0xasdf\"]", -32602, "unable to decode storage key");
    expect_error(f, "eth_getStorageAt", "[\"" CLEARER "\",\"" WORD1 "0\"]", -32602, "unable to decode storage key");
    expect_error(f, "eth_getBalance", "[\"" RICH "\",\"0x0" ZERO32 "\"]", -32602, "");
    json_t *p = ask(f, "eth_getProof", "[\"" CLEARER "\",[\"0x00\",\"" WORD1 "\"],\"latest\"]"), *slots = json_object_get(p, "storageProof");
    assert_string_equal(str_at(json_array_get(slots, 0), "key"), "0x0");
    assert_string_equal(str_at(json_array_get(slots, 1), "key"), WORD1);
    json_decref(p);
}

static void logs_and_transactions_have_the_time_of_their_block(void **state)
{
    struct fixture *f = *state;
    char hash[67], params[100];
    send_tx(f, hash, TX_LEGACY, LOGGER, 0, TOPIC ZERO32);
    snprintf(params, sizeof params, "[\"%s\"]", hash);
    json_t *tx = ask(f, "eth_getTransactionByHash", params);
    assert_true(json_is_null(json_object_get(tx, "blockTimestamp")));
    json_decref(tx);
    fixture_seal(f);
    json_t *b = ask(f, "eth_getBlockByNumber", "[\"latest\"]"), *logs = ask(f, "eth_getLogs", "[{}]"), *receipt = ask(f, "eth_getTransactionReceipt", params);
    tx = ask(f, "eth_getTransactionByHash", params);
    assert_string_equal(str_at(tx, "blockTimestamp"), str_at(b, "timestamp"));
    assert_string_equal(str_at(json_array_get(logs, 0), "blockTimestamp"), str_at(b, "timestamp"));
    assert_string_equal(str_at(json_array_get(json_object_get(receipt, "logs"), 0), "blockTimestamp"), str_at(b, "timestamp"));
    json_decref(b), json_decref(logs), json_decref(receipt), json_decref(tx);
}

static void log_ranges_that_can_t_be_are_errors(void **state)
{
    struct fixture *f = *state;
    fixture_seal(f);
    expect_error(f, "eth_getLogs", "[{\"fromBlock\":\"0x1\",\"toBlock\":\"0x0\"}]", -32602, "invalid block range params");
    expect_error(f, "eth_getLogs", "[{\"fromBlock\":\"0x9\"}]", -32602, "invalid block range params");
    expect_error(f, "eth_getLogs", "[{\"fromBlock\":\"0x0\",\"toBlock\":\"0x2\"}]", -32602, "block range extends beyond current head block");
    expect_error(f, "eth_getLogs", "[{\"fromBlock\":\"0x8\",\"toBlock\":\"0x9\"}]", -32602, "block range extends beyond current head block");
    expect_error(f, "eth_getLogs", "[{\"blockHash\":\"" WORD1 "\",\"fromBlock\":\"0x0\"}]", -32602, "both blockHash and fromBlock/toBlock");
    expect_error(f, "eth_getLogs", "[{\"blockHash\":\"" WORD1 "\",\"toBlock\":\"0x0\"}]", -32602, "both blockHash and fromBlock/toBlock");
    expect_error(f, "eth_getLogs", "[{\"blockHash\":\"" WORD1 "\"}]", -32000, "unknown block");
    expect_error(f, "eth_getLogs", "[{\"blockHash\":\"latest\"}]", -32602, "64 hex digits");
    expect_error(f, "eth_getLogs", "[{\"fromBlock\":\"" WORD1 "\"}]", -32602, "no hash");
    expect_json(f, "eth_getLogs", "[{\"fromBlock\":null,\"toBlock\":null,\"address\":null,\"topics\":null,\"blockHash\":null}]", "[]");
    expect_error(f, "eth_newFilter", "[{\"fromBlock\":\"0x5\",\"toBlock\":\"0x2\"}]", -32602, "invalid block range params");
    /* a filter looks ahead */
    json_t *id = ask(f, "eth_newFilter", "[{\"fromBlock\":\"0x0\",\"toBlock\":\"0x99\"}]");
    char params[100];
    snprintf(params, sizeof params, "[\"%s\"]", json_string_value(id));
    expect_json(f, "eth_getFilterLogs", params, "[]");
    json_decref(id);
    expect_json(f, "eth_uninstallFilter", "[\"no filter\"]", "false");
}

static void the_pending_block_has_no_receipts_and_no_encoding(void **state)
{
    struct fixture *f = *state;
    char hash[67];
    fixture_seal(f);
    expect_json(f, "eth_getTransactionByBlockNumberAndIndex", "[\"pending\",\"0x0\"]", "null");
    send_tx(f, hash, TX_LEGACY, LOGGER, 0, TOPIC ZERO32);
    json_t *tx = ask(f, "eth_getTransactionByBlockNumberAndIndex", "[\"pending\",\"0x0\"]");
    assert_string_equal(str_at(tx, "hash"), hash);
    assert_true(json_is_null(json_object_get(tx, "blockHash")));
    json_decref(tx);
    expect_json(f, "eth_getTransactionByBlockNumberAndIndex", "[\"pending\",\"0x1\"]", "null");
    expect_json(f, "eth_getBlockReceipts", "[\"pending\"]", "null");
    expect_json(f, "trace_block", "[\"pending\"]", "null");
    json_t *h = ask(f, "eth_getHeaderByNumber", "[\"pending\"]");
    assert_string_equal(str_at(h, "number"), "0x2");
    assert_true(json_is_null(json_object_get(h, "hash")));
    json_decref(h);
    expect_error(f, "debug_getRawBlock", "[\"pending\"]", -32000, "not sealed");
    expect_error(f, "debug_traceBlockByNumber", "[\"pending\"]", -32000, "debug_traceCall");
    /* a filter that wants transactions whole */
    json_t *id = ask(f, "eth_newPendingTransactionFilter", "[true]");
    char params[100];
    snprintf(params, sizeof params, "[\"%s\"]", json_string_value(id));
    send_tx(f, hash, TX_LEGACY, LOGGER, 0, TOPIC ZERO32);
    json_t *list = ask(f, "eth_getFilterChanges", params);
    assert_int_equal(json_array_size(list), 1);
    assert_string_equal(str_at(json_array_get(list, 0), "hash"), hash);
    json_decref(id);
    json_decref(list);
    expect_error(f, "eth_newPendingTransactionFilter", "[5]", -32602, "true or false");
}

static void fee_history_of_nothing_is_empty_and_blobs_are_zero_without_them(void **state)
{
    struct fixture *f = *state;
    fixture_seal(f);
    expect_json(f, "eth_feeHistory", "[\"0x0\",\"latest\",[50]]",
                "{\"oldestBlock\":\"0x0\",\"baseFeePerGas\":[],\"gasUsedRatio\":[],\"baseFeePerBlobGas\":[],\"blobGasUsedRatio\":[],\"reward\":[]}");
    expect_json(f, "eth_feeHistory", "[2,\"latest\",[]]",
                "{\"oldestBlock\":\"0x0\",\"baseFeePerGas\":[\"0x0\",\"0x0\",\"0x0\"],\"gasUsedRatio\":[0,0],\"baseFeePerBlobGas\":[\"0x0\",\"0x0\",\"0x0\"],\"blobGasUsedRatio\":[0,0]}");
    expect_error(f, "eth_feeHistory", "[\"0x1\",\"0x99\",[]]", -32000, "request beyond head block");
    expect_error(f, "eth_feeHistory", "[\"0x1\",\"latest\",[101]]", -32602, "0 to 100");
    expect_str(f, "eth_baseFee", "[]", "0x0");
}

static void a_call_object_is_of_this_chain_and_its_rules(void **state)
{
    struct fixture *f = *state;
    expect_str(f, "eth_call", "[{\"to\":\"" LOGGER "\",\"chainId\":\"0x2b\"}]", "0x");
    expect_error(f, "eth_call", "[{\"to\":\"" LOGGER "\",\"chainId\":\"0x1\"}]", -32602, "chainId does not match node's (have=1, want=43)");
    expect_error(f, "eth_call", "[{\"to\":\"" LOGGER "\",\"blobVersionedHashes\":[\"" WORD1 "\"]}]", -32000, "transaction type not supported");
    expect_str(f, "eth_call", "[{\"to\":\"" LOGGER "\",\"blobVersionedHashes\":null,\"maxFeePerBlobGas\":null}]", "0x");
    expect_error(f, "eth_call", "[{\"from\":\"" LOGGER "\",\"to\":\"" RICH "\",\"value\":\"0x1\"}]", -32000, "insufficient funds");
    expect_error(f, "eth_call", "[{\"to\":\"" LOGGER "\",\"gasPrice\":\"0x1\",\"maxFeePerGas\":\"0x1\"}]", -32602, "both gasPrice and");
    expect_error(f, "eth_call", "[{\"to\":\"" LOGGER "\",\"data\":\"0x01\",\"input\":\"0x02\"}]", -32602, "not equal");
    expect_error(f, "eth_call", "[{\"to\":\"" LOGGER "\",\"data\":\"0x0\"}]", -32602, "pairs of hex digits");
    expect_error(f, "eth_call", "[{\"to\":\"" LOGGER "\"},\"latest\",[]]", -32602, "state overrides");
    expect_error(f, "eth_call", "[{\"to\":\"" LOGGER "\"},\"latest\",{\"" RICH "\":5}]", -32602, "wants an object for each address");
    expect_error(f, "eth_call", "[{\"to\":\"" LOGGER "\"},\"latest\",{\"" RICH "\":{\"state\":5}}]", -32602, "objects of slots");
    expect_error(f, "eth_call", "[{\"to\":\"" LOGGER "\"},\"latest\",{\"" RICH "\":{\"state\":{},\"stateDiff\":{}}}]", -32602, "both 'state' and 'stateDiff'");
    expect_error(f, "eth_call", "[{\"to\":\"" LOGGER "\"},\"latest\",{},5]", -32602, "block overrides");
    expect_error(f, "eth_call", "[{\"to\":\"" LOGGER "\"},\"latest\",{},{\"beaconRoot\":\"" WORD1 "\"}]", -32602, "no beacon chain");
    expect_error(f, "eth_call", "[{\"to\":\"" LOGGER "\"},\"0x99\"]", -32000, "header not found");
}

/* a valid signature's four words, and who made it, by key 1 over 32 zeros */
static void recover_input(struct fixture *f, char dst[static 259])
{
    uint8_t hash[32] = {0}, sig[65], v[32] = {0};
    assert_int_equal(ec_sign(sig, hash, &f->key), OK);
    v[31] = (uint8_t)(27 + sig[64]);
    memcpy(dst, "0x", 2);
    hex_put(dst + 2, hash, 32);
    hex_put(dst + 66, v, 32);
    hex_put(dst + 130, sig, 64);
    dst[258] = 0;
}

static void a_precompile_is_moved_and_its_place_takes_code(void **state)
{
    struct fixture *f = *state;
    char input[260], params[1000];
    static const char rich_word[] = "0x000000000000000000000000" "7e5f4552091a69125d5dfcb7b8c2659029395bdf";
    recover_input(f, input);
    snprintf(params, sizeof params, "[{\"to\":\"" ECRECOVER "\",\"data\":\"%s\"},\"latest\"]", input);
    expect_str(f, "eth_call", params, rich_word);
    snprintf(params, sizeof params, "[{\"to\":\"" ELSEWHERE "\",\"data\":\"%s\"},\"latest\",{\"" ECRECOVER "\":{\"movePrecompileToAddress\":\"" ELSEWHERE "\"}}]", input);
    expect_str(f, "eth_call", params, rich_word);
    snprintf(params, sizeof params, "[{\"to\":\"" ECRECOVER "\",\"data\":\"%s\"},\"latest\",{\"" ECRECOVER "\":{\"movePrecompileToAddress\":\"" ELSEWHERE "\"}}]", input);
    expect_str(f, "eth_call", params, "0x");
    /* code in its place: the number 1 */
    snprintf(params, sizeof params, "[{\"to\":\"" ECRECOVER "\",\"data\":\"%s\"},\"latest\",{\"" ECRECOVER "\":{\"code\":\"0x600160005260206000f3\"}}]", input);
    expect_str(f, "eth_call", params, WORD1);
    snprintf(params, sizeof params, "[{\"blockStateCalls\":[{\"stateOverrides\":{\"" ECRECOVER "\":{\"movePrecompileToAddress\":\"" ELSEWHERE "\"}},\"calls\":[{\"to\":\"" ELSEWHERE "\",\"data\":\"%s\"}]}]}]", input);
    json_t *r = ask(f, "eth_simulateV1", params), *call = json_array_get(json_object_get(json_array_get(r, 0), "calls"), 0);
    assert_string_equal(str_at(call, "returnData"), rich_word);
    assert_true(num_of(json_object_get(call, "maxUsedGas")) >= num_of(json_object_get(call, "gasUsed")));
    json_decref(r);
    expect_error(f, "eth_call", "[{\"to\":\"" LOGGER "\"},\"latest\",{\"" ECRECOVER "\":{\"movePrecompileToAddress\":\"" ECRECOVER "\"}}]", -38022, "referenced itself");
    expect_error(f, "eth_call", "[{\"to\":\"" LOGGER "\"},\"latest\",{\"" RICH "\":{\"movePrecompileToAddress\":\"" ELSEWHERE "\"}}]", -32000, "is not a precompile");
    expect_error(f, "eth_call", "[{\"to\":\"" LOGGER "\"},\"latest\",{\"" ECRECOVER "\":{\"movePrecompileToAddress\":\"" ELSEWHERE "\"},\"" ELSEWHERE "\":{\"balance\":\"0x1\"}}]", -38023,
                 "already overridden");
}

/* ------------------------------------------------------------------ eth_config */

/* the fixture's chain with other rules, in place of it */
struct other_chain {
    struct chain_spec spec;
    struct kv *kv;
    struct chain *chain;
    struct rpc *mine;
};

static void other_open(struct other_chain *o, struct fixture *f, const char *rule, const char *with)
{
    struct err err = {0};
    struct buf text;
    const char *at = strstr(SPEC, rule);
    assert_non_null(at);
    buf_init(&text, 1 << 20);
    buf_put(&text, SPEC, (size_t)(at - SPEC));
    buf_put_str(&text, with);
    buf_put_str(&text, at + strlen(rule));
    if (chain_spec_parse(&o->spec, buf_view(&text), &err) != OK) fail_msg("spec: %s", err_text(&err));
    buf_fini(&text);
    assert_int_equal(kv_open_memory(&o->kv, TABLE_N), OK);
    if (chain_open(&o->chain, o->kv, &o->spec, &(struct chain_config){.archive = true}, &err) != OK) fail_msg("chain: %s", err_text(&err));
    o->mine = f->rpc;
    const struct rpc_config rc = {.address = "127.0.0.1", .has_http = true};
    assert_int_equal(rpc_server_start(&f->rpc, &rc, o->chain, NULL, NULL, &err), OK);
}

static void other_close(struct other_chain *o, struct fixture *f)
{
    rpc_server_stop(f->rpc);
    f->rpc = o->mine;
    chain_close(o->chain);
    kv_close(o->kv);
    chain_spec_fini(&o->spec);
}

static void config_tells_the_rules_now_and_those_whose_time_is_known(void **state)
{
    struct fixture *f = *state;
    struct other_chain o;
    json_t *c = ask(f, "eth_config", "[]"), *current = json_object_get(c, "current");
    assert_true(json_is_null(json_object_get(c, "next")) && json_is_null(json_object_get(c, "last")));
    assert_int_equal(json_integer_value(json_object_get(current, "activationTime")), 0);
    assert_true(json_is_null(json_object_get(current, "blobSchedule")));
    assert_string_equal(str_at(current, "chainId"), "0x2b");
    assert_int_equal(strlen(str_at(current, "forkId")), 10);
    assert_int_equal(json_object_size(json_object_get(current, "precompiles")), 1);
    assert_string_equal(str_at(json_object_get(current, "precompiles"), "ECREC"), ECRECOVER);
    assert_int_equal(json_object_size(json_object_get(current, "systemContracts")), 0);
    json_decref(c);
    /* a fork to come by its time, with the history contract */
    other_open(&o, f, "\"eip7702Transition\":\"0x0\"", "\"eip7702TransitionTimestamp\":\"0x7ffffff0\",\"eip2935TransitionTimestamp\":\"0x7fffffff\"");
    c = ask(f, "eth_config", "[]");
    const json_t *next = json_object_get(c, "next"), *last = json_object_get(c, "last");
    current = json_object_get(c, "current");
    assert_int_equal(json_integer_value(json_object_get(next, "activationTime")), 0x7ffffff0);
    assert_int_equal(json_integer_value(json_object_get(last, "activationTime")), 0x7fffffff);
    assert_string_not_equal(str_at(next, "forkId"), str_at(current, "forkId"));
    assert_string_not_equal(str_at(last, "forkId"), str_at(next, "forkId"));
    assert_int_equal(json_object_size(json_object_get(next, "systemContracts")), 0);
    assert_string_equal(str_at(json_object_get(last, "systemContracts"), "HISTORY_STORAGE_ADDRESS"), "0x0000f90827f1c53a10cb7a02335b175320002935");
    json_decref(c);
    other_close(&o, f);
    /* one by its number: when that will be nobody knows */
    other_open(&o, f, "\"eip7702Transition\":\"0x0\"", "\"eip7702Transition\":\"0x99\"");
    c = ask(f, "eth_config", "[]");
    assert_true(json_is_null(json_object_get(c, "next")) && json_is_null(json_object_get(c, "last")));
    json_decref(c);
    other_close(&o, f);
}

static void capabilities_tell_how_far_back_each_question_goes(void **state)
{
    struct fixture *f = *state;
    fixture_seal(f);
    fixture_seal(f);
    json_t *c = ask(f, "eth_capabilities", "[]"), *b = ask(f, "eth_getBlockByNumber", "[\"latest\"]");
    assert_string_equal(str_at(json_object_get(c, "head"), "number"), "0x2");
    assert_string_equal(str_at(json_object_get(c, "head"), "hash"), str_at(b, "hash"));
    assert_string_equal(str_at(json_object_get(c, "state"), "oldestBlock"), "0x0");
    assert_null(json_object_get(json_object_get(c, "state"), "deleteStrategy"));
    assert_string_equal(str_at(json_object_get(c, "stateproofs"), "oldestBlock"), "0x2");
    json_decref(b);
    json_decref(c);
}

static void a_simulated_transaction_is_signed_by_nobody(void **state)
{
    struct fixture *f = *state;
    json_t *r = ask(f, "eth_simulateV1", "[{\"blockStateCalls\":[{\"calls\":[{\"from\":\"" LOGGER "\",\"to\":\"" RICH "\"}]}],\"returnFullTransactions\":true}]");
    const json_t *tx = json_array_get(json_object_get(json_array_get(r, 0), "transactions"), 0);
    assert_string_equal(str_at(tx, "from"), LOGGER);
    assert_string_equal(str_at(tx, "type"), "0x2");
    static const char *const zero[] = {"r", "s", "v", "yParity"};
    for (size_t i = 0; i < COUNT_OF(zero); i++) assert_string_equal(str_at(tx, zero[i]), "0x0");
    json_decref(r);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_new, fixture_free)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_block_is_named_by_number_or_hash_as_the_method_says),
        TEST(storage_keys_are_up_to_32_bytes_and_come_back_in_their_form),
        TEST(logs_and_transactions_have_the_time_of_their_block),
        TEST(log_ranges_that_can_t_be_are_errors),
        TEST(the_pending_block_has_no_receipts_and_no_encoding),
        TEST(fee_history_of_nothing_is_empty_and_blobs_are_zero_without_them),
        TEST(a_call_object_is_of_this_chain_and_its_rules),
        TEST(a_precompile_is_moved_and_its_place_takes_code),
        TEST(capabilities_tell_how_far_back_each_question_goes),
        TEST(a_simulated_transaction_is_signed_by_nobody),
        TEST(config_tells_the_rules_now_and_those_whose_time_is_known),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
