/* Parity's stateDiff: what came, went and changed; and geth's prestateTracer where they share their way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/codec/rlp.h"
#include "lib/crypto/keccak.h"
#include "tests/unit/node/rpc/rpc_fixture.h"

#include <cmocka.h>

#define WORD(last) "0x00000000000000000000000000000000000000000000000000000000000000" last

static json_t *replay_block(struct fixture *f, const char *types)
{
    char params[100];
    snprintf(params, sizeof params, "[\"latest\",%s]", types);
    return ask(f, "trace_replayBlockTransactions", params);
}

static void expect_diff(const json_t *diff, const char *who, const char *want)
{
    char *text = json_dumps(json_object_get(diff, who), JSON_COMPACT | JSON_SORT_KEYS);
    if (text == NULL || strcmp(text, want) != 0) fail_msg("%s: %s, wanted %s", who, text, want);
    free(text);
}

static void a_transfer_changes_a_nonce_and_two_balances(void **state)
{
    struct fixture *f = *state;
    char hash[67];
    send_tx(f, hash, TX_LEGACY, CLEARER, 7, "0x");
    send_tx(f, hash, TX_LEGACY, "0x00000000000000000000000000000000000bbbbb", 9, "0x");
    fixture_seal(f);
    json_t *r = replay_block(f, "[\"stateDiff\"]"), *one = json_object_get(json_array_get(r, 0), "stateDiff"), *two = json_object_get(json_array_get(r, 1), "stateDiff");
    assert_int_equal(json_object_size(one), 2);
    assert_true(json_is_null(json_object_get(json_array_get(r, 0), "vmTrace")));
    expect_diff(one, RICH, "{\"balance\":{\"*\":{\"from\":\"0xd3c21bcecceda1000000\",\"to\":\"0xd3c21bcecceda0fffff9\"}},\"code\":\"=\",\"nonce\":{\"*\":{\"from\":\"0x0\",\"to\":\"0x1\"}},\"storage\":{}}");
    expect_diff(one, CLEARER, "{\"balance\":{\"*\":{\"from\":\"0x0\",\"to\":\"0x7\"}},\"code\":\"=\",\"nonce\":\"=\",\"storage\":{\"" WORD("00") "\":{\"*\":{\"from\":\"" WORD("01") "\",\"to\":\"" WORD("00") "\"}}}}");
    /* the second stands on the first, and makes an account */
    expect_diff(two, RICH, "{\"balance\":{\"*\":{\"from\":\"0xd3c21bcecceda0fffff9\",\"to\":\"0xd3c21bcecceda0fffff0\"}},\"code\":\"=\",\"nonce\":{\"*\":{\"from\":\"0x1\",\"to\":\"0x2\"}},\"storage\":{}}");
    expect_diff(two, "0x00000000000000000000000000000000000bbbbb", "{\"balance\":{\"+\":\"0x9\"},\"code\":{\"+\":\"0x\"},\"nonce\":{\"+\":\"0x0\"},\"storage\":{}}");
    assert_int_equal(json_object_size(two), 2);
    json_decref(r);
}

static void a_new_contract_is_born_with_its_code_and_slots(void **state)
{
    struct fixture *f = *state;
    char hash[67];
    send_tx(f, hash, TX_LEGACY, NULL, 3, "0x6001600055600060015560026002556000600255602a6000526001601ff3"); /* slot 0: 1; 1 and 2: nothing that stays */
    fixture_seal(f);
    json_t *r = replay_block(f, "[\"stateDiff\",\"trace\"]"), *one = json_array_get(r, 0), *diff = json_object_get(one, "stateDiff");
    const char *made = str_at(json_object_get(json_array_get(json_object_get(one, "trace"), 0), "result"), "address");
    expect_diff(diff, made, "{\"balance\":{\"+\":\"0x3\"},\"code\":{\"+\":\"0x2a\"},\"nonce\":{\"+\":\"0x1\"},\"storage\":{\"" WORD("00") "\":{\"+\":\"" WORD("01") "\"}}}");
    assert_int_equal(json_object_size(diff), 2);
    json_decref(r);
}

static void a_contract_that_destroys_itself_is_gone_with_what_it_had(void **state)
{
    struct fixture *f = *state;
    char hash[67], params[150];
    send_tx(f, hash, TX_LEGACY, DOOMED, 0, "0x");
    fixture_seal(f);
    snprintf(params, sizeof params, "[\"%s\",[\"stateDiff\",\"vmTrace\",\"trace\"]]", hash);
    json_t *r = ask(f, "trace_replayTransaction", params), *diff = json_object_get(r, "stateDiff");
    expect_diff(diff, DOOMED, "{\"balance\":{\"-\":\"0x5\"},\"code\":{\"-\":\"0x600060015533ff\"},\"nonce\":{\"-\":\"0x0\"},\"storage\":{\"" WORD("01") "\":{\"-\":\"" WORD("09") "\"}}}");
    expect_diff(diff, RICH, "{\"balance\":{\"*\":{\"from\":\"0xd3c21bcecceda1000000\",\"to\":\"0xd3c21bcecceda1000005\"}},\"code\":\"=\",\"nonce\":{\"*\":{\"from\":\"0x0\",\"to\":\"0x1\"}},\"storage\":{}}");
    const json_t *ops = json_object_get(json_object_get(r, "vmTrace"), "ops"), *last = json_array_get(ops, 4);
    assert_int_equal(json_array_size(ops), 5);
    assert_true(json_is_object(json_object_get(last, "ex")));
    assert_true(json_is_null(json_object_get(last, "sub"))); /* its trace has an entry, but no frame */
    assert_int_equal(json_array_size(json_object_get(r, "trace")), 2);
    json_decref(r);
}

static void what_was_undone_is_no_change(void **state)
{
    struct fixture *f = *state;
    char hash[67];
    send_tx(f, hash, TX_LEGACY, REVERTER, 5, "0x");
    fixture_seal(f);
    json_t *r = replay_block(f, "[\"stateDiff\"]"), *diff = json_object_get(json_array_get(r, 0), "stateDiff");
    assert_int_equal(json_object_size(diff), 1);
    expect_diff(diff, RICH, "{\"balance\":\"=\",\"code\":\"=\",\"nonce\":{\"*\":{\"from\":\"0x0\",\"to\":\"0x1\"}},\"storage\":{}}");
    json_decref(r);
}

static void calls_on_top_of_one_another_each_tell_their_own_change(void **state)
{
    struct fixture *f = *state;
    static const char one[] = "[{\"from\":\"" RICH "\",\"to\":\"" CLEARER "\",\"value\":\"0x1\"},[\"stateDiff\",\"trace\"]]";
    char params[700];
    snprintf(params, sizeof params, "[[%s,[{\"from\":\"" RICH "\",\"to\":\"" CLEARER "\"},[\"vmTrace\"]],%s]]", one, one);
    json_t *r = ask(f, "trace_callMany", params);
    assert_int_equal(json_array_size(r), 3);
    expect_diff(json_object_get(json_array_get(r, 0), "stateDiff"), CLEARER, "{\"balance\":{\"*\":{\"from\":\"0x0\",\"to\":\"0x1\"}},\"code\":\"=\",\"nonce\":\"=\",\"storage\":{\"" WORD("00") "\":{\"*\":{\"from\":\"" WORD("01") "\",\"to\":\"" WORD("00") "\"}}}}");
    expect_diff(json_object_get(json_array_get(r, 2), "stateDiff"), CLEARER, "{\"balance\":{\"*\":{\"from\":\"0x1\",\"to\":\"0x2\"}},\"code\":\"=\",\"nonce\":\"=\",\"storage\":{}}");
    expect_diff(json_object_get(json_array_get(r, 2), "stateDiff"), RICH, "{\"balance\":{\"*\":{\"from\":\"0xd3c21bcecceda0ffffff\",\"to\":\"0xd3c21bcecceda0fffffe\"}},\"code\":\"=\",\"nonce\":{\"*\":{\"from\":\"0x2\",\"to\":\"0x3\"}},\"storage\":{}}");
    json_decref(r);
}

static void a_signed_transaction_tells_its_change_without_being_sent(void **state)
{
    struct fixture *f = *state;
    struct tx tx = {.type = TX_DYNAMIC_FEE, .has_chain_id = true, .chain_id = 0x2b, .gas_limit = 60000, .value = u256_from_u64(4), .has_to = true};
    struct buf raw, params;
    buf_init(&raw, 1 << 16), buf_init(&params, 1 << 17);
    assert_int_equal(address_get(&tx.to, bytes_str(CLEARER)), OK);
    assert_int_equal(tx_sign(&tx, &raw, &f->key), OK);
    buf_put_str(&params, "[\"");
    hex_append(&params, buf_view(&raw));
    buf_put_str(&params, "\",[\"stateDiff\"]]");
    json_t *r = ask(f, "trace_rawTransaction", buf_cstr(&params));
    expect_diff(json_object_get(r, "stateDiff"), CLEARER, "{\"balance\":{\"*\":{\"from\":\"0x0\",\"to\":\"0x4\"}},\"code\":\"=\",\"nonce\":\"=\",\"storage\":{\"" WORD("00") "\":{\"*\":{\"from\":\"" WORD("01") "\",\"to\":\"" WORD("00") "\"}}}}");
    json_decref(r);
    expect_str(f, "eth_getBalance", "[\"" CLEARER "\",\"latest\"]", "0x0");
    buf_fini(&raw), buf_fini(&params);
}

/* EIP-7702: who signed an authorisation changes, though no opcode touches it; and its code runs where the designator stands */
static void an_authorisation_changes_who_signed_it(void **state)
{
    struct fixture *f = *state;
    secret32 key = f->key;
    uint8_t pub[64], digest[32], hash[32], sig[65];
    key.b[31] = 2; /* of another account, which is not there yet */
    struct buf b;
    buf_init(&b, 200);
    buf_put_u8(&b, 0x05);
    address to;
    assert_int_equal(address_get(&to, bytes_str(CLEARER)), OK);
    const size_t list = rlp_list_open(&b);
    rlp_put_u64(&b, 0x2b);
    rlp_put_string(&b, bytes_make(to.b, 20));
    rlp_put_u64(&b, 0);
    rlp_list_close(&b, list);
    keccak256(hash, b.ptr, b.len);
    assert_int_equal(ec_sign(sig, hash, &key), OK);
    assert_int_equal(ec_public(pub, &key), OK);
    keccak256(digest, pub, sizeof pub);
    char who[43] = "0x", params[900], r_text[67], s_text[67];
    hex_put(who + 2, digest + 12, 20);
    const u256 r_word = u256_from_be(sig), s_word = u256_from_be(sig + 32);
    r_text[u256_put_hex(r_text, &r_word)] = 0;
    s_text[u256_put_hex(s_text, &s_word)] = 0;
    snprintf(params, sizeof params, "[{\"from\":\"" RICH "\",\"to\":\"%s\",\"authorizationList\":[{\"chainId\":\"0x2b\",\"address\":\"" CLEARER "\",\"nonce\":\"0x0\",\"yParity\":\"0x%x\",\"r\":\"%s\",\"s\":\"%s\"}]},"
             "[\"stateDiff\",\"vmTrace\"],\"latest\"]", who, sig[64], r_text, s_text);
    json_t *got = ask(f, "trace_call", params);
    expect_diff(json_object_get(got, "stateDiff"), who, "{\"balance\":{\"+\":\"0x0\"},\"code\":{\"+\":\"0xef010000000000000000000000000000000000000a0004\"},\"nonce\":{\"+\":\"0x1\"},\"storage\":{}}");
    const json_t *vm = json_object_get(got, "vmTrace");
    assert_string_equal(str_at(vm, "code"), "0x600060005500");
    assert_int_equal(json_array_size(json_object_get(vm, "ops")), 4);
    json_decref(got);
    buf_fini(&b);
}

/* each written twice; a list of them would be walked for each */
static void two_thousand_slots_of_one_call_are_all_told(void **state)
{
    struct fixture *f = *state;
    /* for i = 2000 down to 1: slot i becomes i, twice */
    static const char call[] = "[{\"from\":\"" RICH "\",\"gas\":\"0x2faf080\",\"data\":\"0x6107d05b808055808055600190038060035700\"},[\"stateDiff\"]]";
    json_t *r = ask(f, "trace_call", call), *diff = json_object_get(r, "stateDiff");
    size_t n = 0;
    const char *key;
    json_t *v;
    json_object_foreach(diff, key, v)
    {
        if (n < json_object_size(json_object_get(v, "storage"))) n = json_object_size(json_object_get(v, "storage"));
    }
    assert_int_equal(n, 2000);
    json_decref(r);
    r = ask(f, "eth_createAccessList", "[{\"from\":\"" RICH "\",\"gas\":\"0x2faf080\",\"data\":\"0x6107d05b808055808055600190038060035700\"}]");
    assert_int_equal(json_array_size(json_object_get(r, "accessList")), 1);
    assert_int_equal(json_array_size(json_object_get(json_array_get(json_object_get(r, "accessList"), 0), "storageKeys")), 2000);
    json_decref(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_transfer_changes_a_nonce_and_two_balances, fixture_new, fixture_free),
        cmocka_unit_test_setup_teardown(a_new_contract_is_born_with_its_code_and_slots, fixture_new, fixture_free),
        cmocka_unit_test_setup_teardown(a_contract_that_destroys_itself_is_gone_with_what_it_had, fixture_new, fixture_free),
        cmocka_unit_test_setup_teardown(what_was_undone_is_no_change, fixture_new, fixture_free),
        cmocka_unit_test_setup_teardown(calls_on_top_of_one_another_each_tell_their_own_change, fixture_new, fixture_free),
        cmocka_unit_test_setup_teardown(a_signed_transaction_tells_its_change_without_being_sent, fixture_new, fixture_free),
        cmocka_unit_test_setup_teardown(an_authorisation_changes_who_signed_it, fixture_new, fixture_free),
        cmocka_unit_test_setup_teardown(two_thousand_slots_of_one_call_are_all_told, fixture_new, fixture_free),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
