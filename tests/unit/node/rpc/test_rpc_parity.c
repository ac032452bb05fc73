/* What the original had beside eth_*: which of it is served, what is never, subscriptions to methods. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/crypto/ecies.h"
#include "node/rpc/rpc_priv.h"
#include "tests/unit/node/rpc/rpc_fixture.h"

#include <cmocka.h>

static void discover_tells_each_parameter_and_what_is_never_served(void **state)
{
    struct fixture *f = *state;
    json_t *doc = ask(f, "rpc.discover", "[]"), *m, *schemas = json_object_get(json_object_get(doc, "components"), "schemas"), *p;
    size_t i, k, seen = 0;
    json_array_foreach(json_object_get(doc, "methods"), i, m)
    {
        json_array_foreach(json_object_get(m, "params"), k, p)
        {
            const char *ref = str_at(json_object_get(p, "schema"), "$ref");
            assert_string_not_equal(str_at(p, "name"), "");
            assert_memory_equal(ref, "#/components/schemas/", 21);
            if (!json_is_object(json_object_get(schemas, ref + 21))) fail_msg("%s: nobody says what %s is", str_at(m, "name"), ref);
        }
        if (strcmp(str_at(m, "name"), "eth_getStorageAt") != 0) continue;
        seen++;
        p = json_object_get(m, "params");
        assert_int_equal(json_array_size(p), 3);
        assert_string_equal(str_at(json_array_get(p, 1), "name"), "slot");
        assert_true(json_is_true(json_object_get(json_array_get(p, 1), "required")));
        assert_string_equal(str_at(json_array_get(p, 2), "name"), "block");
        assert_true(json_is_false(json_object_get(json_array_get(p, 2), "required")));
        assert_string_equal(str_at(json_object_get(json_array_get(p, 2), "schema"), "$ref"), "#/components/schemas/block");
    }
    assert_int_equal(seen, 1);
    assert_true(json_array_size(json_object_get(doc, "x-refused")) > 20);
    json_array_foreach(json_object_get(doc, "x-refused"), i, m) assert_true(strlen(str_at(m, "reason")) > 10);
    json_decref(doc);
}

static void what_is_never_served_says_why_and_what_instead(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *method, *says;
    } cases[] = {{"personal_unlockAccount", "sign in the client"}, {"eth_sendTransaction", "eth_sendRawTransaction"}, {"eth_signTypedData_v4", "sign in the client"},
                 {"parity_generateSecretPhrase", "must not travel over RPC"}, {"parity_phraseToAddress", "must not travel over RPC"}, {"parity_submitRawBlock", "blocks come from peers"},
                 {"parity_setEngineSignerSecret", "not over RPC"}, {"miner_start", "not over RPC"}, {"engine_newPayloadV4", "AuRa"}, {"parity_addReservedPeer", "does not serve parity_set"},
                 {"eth_nothing", "does not exist"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(ask_error(f, cases[i].method, "[]"), -32601);
        if (strstr(f->last_error, cases[i].says) == NULL) fail_msg("%s: %s", cases[i].method, f->last_error);
    }
    /* as the original answers on AuRa */
    assert_int_equal(ask_error(f, "eth_getWork", "[]"), -32004);
    assert_int_equal(ask_error(f, "parity_submitWorkDetail", "[\"0x0000000000000001\",\"" TOPIC "\",\"" TOPIC "\"]"), -32004);
    expect_json(f, "eth_submitWork", "[\"0x0000000000000001\",\"" TOPIC "\",\"" TOPIC "\"]", "false");
}

static void namespaces_have_parity_s_names_and_a_minus_takes_away(void **state)
{
    struct fixture *f = *state;
    struct rpc *mine = f->rpc;
    struct err err = {0};
    struct rpc_config rc = {.address = "127.0.0.1", .has_http = true, .namespaces = "safe,-aura,-txpool, traces,parity_pubsub,debug"};
    assert_int_equal(rpc_server_start(&f->rpc, &rc, f->chain, NULL, NULL, &err), OK);
    expect_json(f, "rpc_modules", "[]", "{\"web3\":\"1.0\",\"net\":\"1.0\",\"eth\":\"1.0\",\"parity\":\"1.0\",\"debug\":\"1.0\",\"trace\":\"1.0\",\"rpc\":\"1.0\"}");
    rpc_server_stop(f->rpc);
    f->rpc = mine;
}

static void a_message_is_sealed_for_who_owns_the_key(void **state)
{
    struct fixture *f = *state;
    uint8_t pub[64];
    char hex[129], params[300];
    struct buf sealed, plain;
    assert_int_equal(ec_public(pub, &f->key), OK);
    hex_put(hex, pub, sizeof pub);
    snprintf(params, sizeof params, "[\"0x%.128s\",\"0x68656c6c6f\"]", hex);
    json_t *r = ask(f, "parity_encryptMessage", params);
    buf_init(&sealed, 1000);
    buf_init(&plain, 1000);
    assert_int_equal(hex_get(&sealed, bytes_str(json_string_value(r))), OK);
    assert_int_equal(ecies_open(&plain, &f->key, buf_view(&sealed), BYTES_LIT("\0\0")), OK);
    assert_true(bytes_eq_str(buf_view(&plain), "hello"));
    json_decref(r);
    buf_fini(&sealed);
    buf_fini(&plain);
    assert_int_equal(ask_error(f, "parity_encryptMessage", "[\"0x1234\",\"0x\"]"), -32602);
    memset(hex, '1', 128);
    snprintf(params, sizeof params, "[\"0x%.128s\",\"0x\"]", hex);
    assert_int_equal(ask_error(f, "parity_encryptMessage", params), -32602);
}

/* ------------------------------------------------------------------ subscriptions to methods */

static json_t *ws_ask(int fd, const char *method, const char *params)
{
    char text[1000];
    snprintf(text, sizeof text, "{\"id\":1,\"method\":\"%s\",\"params\":%s}", method, params);
    ws_put(fd, text);
    return ws_get(fd);
}

static json_t *told(int fd, const char *id)
{
    json_t *n = ws_get(fd), *p = json_object_get(n, "params");
    assert_string_equal(str_at(n, "method"), "parity_subscription");
    assert_string_equal(str_at(p, "subscription"), id);
    json_incref(p);
    json_decref(n);
    return p;
}

static void a_watched_method_tells_at_once_and_when_its_answer_changes(void **state)
{
    struct fixture *f = *state;
    char id[100], hash[67];
    int fd = ws_dial(rpc_ws_port(f->rpc));
    json_t *r = ws_ask(fd, "parity_subscribe", "[\"eth_getBalance\",[\"" LOGGER "\",\"latest\"]]");
    snprintf(id, sizeof id, "%s", str_at(r, "result"));
    json_decref(r);
    r = told(fd, id);
    assert_string_equal(str_at(r, "result"), "0x0");
    json_decref(r);
    fixture_seal(f); /* nothing changes */
    send_tx(f, hash, TX_LEGACY, LOGGER, 7, TOPIC ZERO32);
    fixture_seal(f);
    r = told(fd, id);
    assert_string_equal(str_at(r, "result"), "0x7");
    json_decref(r);
    char params[120];
    snprintf(params, sizeof params, "[\"%s\"]", id);
    r = ws_ask(fd, "parity_unsubscribe", params);
    assert_true(json_is_true(json_object_get(r, "result")));
    json_decref(r);
    close(fd);
}

static void a_watched_method_that_fails_tells_its_error_once(void **state)
{
    struct fixture *f = *state;
    char id[100];
    int fd = ws_dial(rpc_http_port(f->rpc));
    json_t *r = ws_ask(fd, "parity_subscribe", "[\"eth_call\",[{\"to\":\"" REVERTER "\"},\"latest\"]]");
    snprintf(id, sizeof id, "%s", str_at(r, "result"));
    json_decref(r);
    r = told(fd, id);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(r, "error"), "code")), 3);
    json_decref(r);
    fixture_seal(f);
    r = ws_ask(fd, "eth_chainId", "[]"); /* and nothing before that */
    assert_string_equal(str_at(r, "result"), "0x2b");
    json_decref(r);
    close(fd);
}

static void what_acts_or_costs_too_much_can_t_be_watched(void **state)
{
    struct fixture *f = *state;
    static const char *const no[] = {"[\"eth_sendRawTransaction\",[\"0x\"]]", "[\"eth_newBlockFilter\",[]]", "[\"trace_block\",[\"latest\"]]", "[\"eth_simulateV1\",[{}]]", "[\"parity_subscribe\",[\"x\"]]",
                                     "[\"eth_blockNumber\",{}]", "[7]", "[\"personal_sign\"]", "[null]"};
    assert_int_equal(ask_error(f, "parity_subscribe", "[\"eth_blockNumber\",[]]"), -32601);
    int fd = ws_dial(rpc_ws_port(f->rpc));
    for (size_t i = 0; i < COUNT_OF(no); i++) {
        json_t *r = ws_ask(fd, "parity_subscribe", no[i]);
        const json_int_t code = json_integer_value(json_object_get(json_object_get(r, "error"), "code"));
        if (code != -32602 && code != -32601) fail_msg("%s: %lld", no[i], (long long)code);
        json_decref(r);
    }
    close(fd);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_new, fixture_free)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(discover_tells_each_parameter_and_what_is_never_served),
        TEST(what_is_never_served_says_why_and_what_instead),
        TEST(namespaces_have_parity_s_names_and_a_minus_takes_away),
        TEST(a_message_is_sealed_for_who_owns_the_key),
        TEST(a_watched_method_tells_at_once_and_when_its_answer_changes),
        TEST(a_watched_method_that_fails_tells_its_error_once),
        TEST(what_acts_or_costs_too_much_can_t_be_watched),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
