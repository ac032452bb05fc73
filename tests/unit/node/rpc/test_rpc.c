/* The whole server, from HTTP to the chain and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "node/rpc/rpc_priv.h"
#include "tests/unit/node/rpc/rpc_fixture.h"

#include <cmocka.h>

#define WORD0 "0000000000000000000000000000000000000000000000000000000000000000"
#define WORD5 "0000000000000000000000000000000000000000000000000000000000000005"

/* ------------------------------------------------------------------ JSON-RPC itself */

static int error_code(struct fixture *f, const char *body)
{
    json_t *doc = post(f, body);
    int code = (int)json_integer_value(json_object_get(json_object_get(doc, "error"), "code"));
    json_decref(doc);
    return code;
}

static void errors_of_form_have_the_codes_of_json_rpc(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(error_code(f, "{"), -32700);
    assert_int_equal(error_code(f, ""), -32700);
    assert_int_equal(error_code(f, "{\"id\":1} x"), -32700);
    assert_int_equal(error_code(f, "1"), -32600);
    assert_int_equal(error_code(f, "[]"), -32600);
    assert_int_equal(error_code(f, "{\"id\":1}"), -32600);
    assert_int_equal(error_code(f, "{\"id\":1,\"method\":7}"), -32600);
    assert_int_equal(error_code(f, "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"eth_chainId\"}"), -32600);
    assert_int_equal(error_code(f, "{\"id\":1,\"method\":\"eth_nothing\"}"), -32601);
    assert_int_equal(error_code(f, "{\"id\":1,\"method\":\"personal_unlockAccount\",\"params\":[]}"), -32601);
    assert_int_equal(error_code(f, "{\"id\":1,\"method\":\"eth_chainId\",\"params\":{\"a\":1}}"), -32602);
    assert_int_equal(error_code(f, "{\"id\":1,\"method\":\"eth_chainId\",\"params\":[1]}"), -32602);
    assert_int_equal(error_code(f, "{\"id\":1,\"method\":\"eth_getBalance\",\"params\":[]}"), -32602);
    assert_int_equal(error_code(f, "{\"id\":1,\"method\":\"eth_getBalance\",\"params\":[\"0x12\"]}"), -32602);
    assert_int_equal(error_code(f, "{\"id\":1,\"method\":\"eth_getBalance\",\"params\":[\"" RICH "\",\"sometime\"]}"), -32602);
    assert_int_equal(error_code(f, "{\"id\":1,\"method\":\"eth_getBalance\",\"params\":[\"" RICH "\",\"0x1000\"]}"), -32000);
    assert_int_equal(error_code(f, "{\"id\":1,\"method\":\"eth_subscribe\",\"params\":[\"newHeads\"]}"), -32601);
    assert_int_equal(error_code(f, "{\"id\":1,\"method\":\"eth_sendRawTransaction\",\"params\":[\"0x1234\"]}"), -32000);
}

static void an_id_of_any_type_comes_back(void **state)
{
    struct fixture *f = *state;
    static const char *const ids[] = {"1", "-5", "\"a\\\"b\\u00e9\"", "null", "1.5", "[1,{\"a\":null}]", "true"};
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        char body[200];
        snprintf(body, sizeof body, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"method\":\"eth_chainId\"}", ids[i]);
        json_t *doc = post(f, body), *want = json_loads(ids[i], JSON_DECODE_ANY, NULL);
        assert_true(json_equal(json_object_get(doc, "id"), want));
        assert_string_equal(str_at(doc, "result"), "0x2b");
        json_decref(doc);
        json_decref(want);
    }
}

static void batches_answer_in_order_and_notifications_not_at_all(void **state)
{
    struct fixture *f = *state;
    json_t *doc = post(f, "[{\"id\":1,\"method\":\"eth_chainId\"},{\"method\":\"eth_chainId\"},7,{\"id\":\"x\",\"method\":\"no\"},{\"id\":2,\"method\":\"net_version\"}]");
    assert_int_equal(json_array_size(doc), 4);
    assert_string_equal(str_at(json_array_get(doc, 0), "result"), "0x2b");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(json_array_get(doc, 1), "error"), "code")), -32600);
    assert_string_equal(str_at(json_array_get(doc, 2), "id"), "x");
    assert_string_equal(str_at(json_array_get(doc, 3), "result"), "42");
    json_decref(doc);
    assert_null(post(f, "{\"jsonrpc\":\"2.0\",\"method\":\"eth_chainId\"}"));
    assert_null(post(f, "[{\"jsonrpc\":\"2.0\",\"method\":\"eth_chainId\"}]"));
    struct buf b;
    buf_init(&b, 1 << 20);
    for (int n = 1000; n <= 1001; n++) {
        buf_clear(&b);
        for (int i = 0; i < n; i++) buf_printf(&b, "%c{\"id\":%d,\"method\":\"eth_chainId\"}", i ? ',' : '[', i);
        buf_put_u8(&b, ']');
        doc = post(f, buf_cstr(&b));
        if (n == 1000) assert_int_equal(json_array_size(doc), 1000);
        else assert_int_equal(json_integer_value(json_object_get(json_object_get(doc, "error"), "code")), -32600);
        json_decref(doc);
    }
    buf_fini(&b);
}

static void only_enabled_namespaces_are_served(void **state)
{
    struct fixture *f = *state;
    struct rpc *r;
    struct err err = {0};
    struct rpc_config rc = {.address = "127.0.0.1", .has_http = true, .namespaces = "web3, net"};
    assert_int_equal(rpc_server_start(&r, &rc, f->chain, NULL, NULL, &err), OK);
    struct rpc *mine = f->rpc;
    f->rpc = r;
    assert_int_equal(ask_error(f, "eth_chainId", "[]"), -32601);
    expect_str(f, "net_version", "[]", "42");
    f->rpc = mine;
    rc.http_port = rpc_http_port(r);
    struct rpc *second;
    assert_int_equal(rpc_server_start(&second, &rc, f->chain, NULL, NULL, &err), E_BUSY);
    rpc_server_stop(r);
    rc.namespaces = "eth,personal";
    assert_int_equal(rpc_server_start(&r, &rc, f->chain, NULL, NULL, &err), E_INVALID);
    assert_non_null(strstr(err.text, "personal"));
}

static void browsers_are_answered_their_preflight(void **state)
{
    struct fixture *f = *state;
    char url[100], v[100];
    struct http_client_response r;
    snprintf(url, sizeof url, "http://127.0.0.1:%u/", rpc_http_port(f->rpc));
    assert_int_equal(http_client_do(&r, f->client, &(struct http_client_request){.method = "OPTIONS", .url = url}, NULL), OK);
    assert_int_equal(r.status, 204);
    assert_true(http_client_header(v, sizeof v, &r, "Access-Control-Allow-Origin"));
    assert_string_equal(v, "*");
    http_client_response_fini(&r);
    assert_int_equal(http_client_do(&r, f->client, &(struct http_client_request){.method = "GET", .url = url}, NULL), OK);
    assert_int_equal(r.status, 200);
    http_client_response_fini(&r);
    assert_int_equal(http_client_do(&r, f->client, &(struct http_client_request){.method = "PUT", .url = url}, NULL), OK);
    assert_int_equal(r.status, 405);
    http_client_response_fini(&r);
}

/* ------------------------------------------------------------------ small questions */

static void small_questions_have_their_answers(void **state)
{
    struct fixture *f = *state;
    expect_str(f, "web3_clientVersion", "[]", "poa-node/v1.2.3/linux-x86_64");
    expect_str(f, "web3_sha3", "[\"0x68656c6c6f20776f726c64\"]", "0x47173285a8d7341e5e972fc677286384f802f8ef42a5ec5f03bbfa254cb01fad");
    expect_str(f, "net_peerCount", "[]", "0x1");
    expect_json(f, "net_listening", "[]", "true");
    expect_str(f, "eth_protocolVersion", "[]", "66");
    expect_json(f, "eth_syncing", "[]", "false");
    expect_str(f, "eth_blockNumber", "[]", "0x0");
    expect_str(f, "eth_gasPrice", "[]", "0x0");
    expect_str(f, "eth_maxPriorityFeePerGas", "[]", "0x0");
    expect_json(f, "eth_accounts", "[]", "[]");
    expect_str(f, "eth_coinbase", "[]", "0x0000000000000000000000000000000000000000");
    expect_json(f, "eth_mining", "[]", "false");
    expect_str(f, "eth_hashrate", "[]", "0x0");
    expect_str(f, "eth_getBalance", "[\"" RICH "\",\"latest\"]", "0xd3c21bcecceda1000000");
    expect_str(f, "eth_getBalance", "[\"" RICH "\"]", "0xd3c21bcecceda1000000");
    expect_str(f, "eth_getTransactionCount", "[\"" RICH "\",\"earliest\"]", "0x0");
    expect_str(f, "eth_getCode", "[\"" CLEARER "\",\"safe\"]", "0x600060005500");
    expect_str(f, "eth_getCode", "[\"" RICH "\",\"finalized\"]", "0x");
    expect_str(f, "eth_getStorageAt", "[\"" CLEARER "\",\"0x0\",\"latest\"]", "0x0000000000000000000000000000000000000000000000000000000000000001");
    expect_str(f, "eth_getStorageAt", "[\"" CLEARER "\",\"0x" WORD0 "\",{\"blockNumber\":\"0x0\"}]",
               "0x0000000000000000000000000000000000000000000000000000000000000001");
    expect_str(f, "parity_chain", "[]", "RpcTest");
    expect_str(f, "parity_mode", "[]", "active");
    expect_str(f, "parity_nodeName", "[]", "n1");
    expect_json(f, "parity_chainStatus", "[]", "{\"blockGap\":null}");
    expect_json(f, "parity_netPort", "[]", "30300");
    expect_json(f, "parity_versionInfo", "[]",
                "{\"hash\":\"0x0000000000000000000000000000000000000000\",\"track\":\"unknown\",\"version\":{\"major\":1,\"minor\":2,\"patch\":3}}");
    expect_json(f, "txpool_status", "[]", "{\"pending\":\"0x0\",\"queued\":\"0x0\"}");
    expect_json(f, "aura_getValidators", "[]", "[\"" RICH "\"]");
    json_t *r = ask(f, "aura_status", "[]");
    assert_true(json_is_object(json_object_get(r, "epoch")));
    const json_t *clock = json_object_get(r, "clock");
    assert_string_equal(str_at(clock, "peersMeasured"), "0x3");
    assert_string_equal(str_at(clock, "peersApart"), "0x2");
    assert_string_equal(str_at(clock, "aheadMs"), "0x0");
    assert_string_equal(str_at(clock, "behindMs"), "0x5dc");
    assert_string_equal(str_at(clock, "limitMs"), "0x3e8");
    assert_true(json_is_true(json_object_get(clock, "isOff")));
    assert_non_null(json_object_get(r, "safe"));
    json_decref(r);
    r = ask(f, "parity_netPeers", "[]");
    assert_int_equal(json_array_size(json_object_get(r, "peers")), 1);
    json_decref(r);
    r = ask(f, "admin_peers", "[]");
    assert_int_equal(json_array_size(json_object_get(json_array_get(r, 0), "caps")), 2);
    /* keccak of key 1's public key: its end is RICH */
    assert_string_equal(str_at(json_array_get(r, 0), "id") + 24, &RICH[2]);
    json_decref(r);
    r = ask(f, "admin_nodeInfo", "[]");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(r, "ports"), "listener")), 30300);
    json_decref(r);
    r = ask(f, "rpc_modules", "[]");
    assert_string_equal(str_at(r, "eth"), "1.0");
    json_decref(r);
    r = ask(f, "rpc_discover", "[]");
    assert_true(json_array_size(json_object_get(r, "methods")) > 80);
    json_decref(r);
}

/* ------------------------------------------------------------------ blocks and transactions */

static void a_sealed_block_shows_its_aura_fields(void **state)
{
    struct fixture *f = *state;
    fixture_seal(f);
    json_t *b = ask(f, "eth_getBlockByNumber", "[\"latest\",false]");
    assert_string_equal(str_at(b, "number"), "0x1");
    assert_string_equal(str_at(b, "author"), RICH);
    assert_string_equal(str_at(b, "miner"), RICH);
    assert_string_equal(str_at(b, "extraData"), "0x74657374");
    assert_string_equal(str_at(b, "baseFeePerGas"), "0x0");
    assert_null(json_object_get(b, "nonce"));
    assert_null(json_object_get(b, "mixHash"));
    assert_int_equal(json_array_size(json_object_get(b, "sealFields")), 2);
    assert_int_equal(strlen(str_at(b, "signature")), 130);
    assert_int_equal(strtoull(str_at(b, "step"), NULL, 10), f->now_ms / 2000);
    assert_int_equal(json_array_size(json_object_get(b, "transactions")), 0);
    char params[200];
    snprintf(params, sizeof params, "[\"%s\",true]", str_at(b, "hash"));
    json_t *same = ask(f, "eth_getBlockByHash", params);
    assert_true(json_equal(b, same));
    json_decref(same);
    /* the raw block hashes to it, and its length is its size */
    json_t *raw = ask(f, "debug_getRawBlock", "[\"latest\"]"), *head = ask(f, "debug_getRawHeader", "[\"0x1\"]");
    assert_int_equal((strlen(json_string_value(raw)) - 2) / 2, num_of(json_object_get(b, "size")));
    snprintf(params, sizeof params, "%s", str_at(b, "hash"));
    char *body;
    assert_true(asprintf(&body, "[\"%s\"]", json_string_value(head)) > 0);
    expect_str(f, "web3_sha3", body, params);
    free(body);
    json_decref(raw);
    json_decref(head);
    json_decref(b);
    expect_json(f, "eth_getBlockByNumber", "[\"0x2\",false]", "null");
    expect_json(f, "eth_getBlockByHash", "[\"" TOPIC "\",false]", "null");
    expect_str(f, "eth_getUncleCountByBlockNumber", "[\"0x1\"]", "0x0");
    expect_json(f, "eth_getUncleByBlockNumberAndIndex", "[\"0x1\",\"0x0\"]", "null");
    b = ask(f, "eth_getBlockByNumber", "[\"pending\",false]");
    assert_string_equal(str_at(b, "number"), "0x2");
    assert_true(json_is_null(json_object_get(b, "hash")));
    json_decref(b);
}

static void a_transaction_is_pending_then_mined_with_its_receipt(void **state)
{
    struct fixture *f = *state;
    char hash[3][67], params[300];
    send_tx(f, hash[0], TX_LEGACY, REVERTER, 0, "0x");
    send_tx(f, hash[1], TX_DYNAMIC_FEE, LOGGER, 0, TOPIC WORD5);
    send_tx(f, hash[2], TX_ACCESS_LIST, NULL, 0, "0x600160005560006000f3");
    expect_str(f, "eth_getTransactionCount", "[\"" RICH "\",\"pending\"]", "0x3");
    expect_str(f, "eth_getTransactionCount", "[\"" RICH "\",\"latest\"]", "0x0");
    expect_str(f, "parity_nextNonce", "[\"" RICH "\"]", "0x3");
    snprintf(params, sizeof params, "[\"%s\"]", hash[1]);
    expect_json(f, "eth_getTransactionReceipt", params, "null");
    json_t *t = ask(f, "eth_getTransactionByHash", params);
    assert_true(json_is_null(json_object_get(t, "blockHash")));
    assert_string_equal(str_at(t, "from"), RICH);
    assert_string_equal(str_at(t, "type"), "0x2");
    json_decref(t);
    t = ask(f, "txpool_content", "[]");
    assert_int_equal(json_object_size(json_object_get(json_object_get(t, "pending"), "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf")), 3);
    json_decref(t);
    t = ask(f, "txpool_inspect", "[]");
    json_decref(t);
    t = ask(f, "parity_pendingTransactions", "[2]");
    assert_int_equal(json_array_size(t), 2);
    json_decref(t);

    fixture_seal(f);
    expect_str(f, "eth_getTransactionCount", "[\"" RICH "\",\"latest\"]", "0x3");
    t = ask(f, "eth_getTransactionByHash", params);
    assert_string_equal(str_at(t, "blockNumber"), "0x1");
    assert_string_equal(str_at(t, "transactionIndex"), "0x1");
    assert_true(json_is_array(json_object_get(t, "accessList")));
    json_t *same = ask(f, "eth_getTransactionByBlockNumberAndIndex", "[\"0x1\",\"0x1\"]");
    assert_true(json_equal(t, same));
    json_decref(same);
    json_decref(t);
    expect_json(f, "eth_getTransactionByBlockNumberAndIndex", "[\"0x1\",\"0x9\"]", "null");
    expect_str(f, "eth_getBlockTransactionCountByNumber", "[\"0x1\"]", "0x3");

    json_t *r = ask(f, "eth_getTransactionReceipt", params);
    assert_string_equal(str_at(r, "status"), "0x1");
    assert_string_equal(str_at(r, "effectiveGasPrice"), "0x0");
    json_t *log = json_array_get(json_object_get(r, "logs"), 0);
    assert_string_equal(str_at(log, "address"), LOGGER);
    assert_string_equal(str_at(log, "data"), "0x" WORD5);
    assert_string_equal(str_at(log, "logIndex"), "0x0");
    assert_string_equal(str_at(json_array_get(json_object_get(r, "logs"), 0), "transactionHash"), hash[1]);
    json_decref(r);
    snprintf(params, sizeof params, "[\"%s\"]", hash[0]);
    r = ask(f, "eth_getTransactionReceipt", params);
    assert_string_equal(str_at(r, "status"), "0x0");
    assert_true(json_is_null(json_object_get(r, "contractAddress")));
    json_decref(r);
    snprintf(params, sizeof params, "[\"%s\"]", hash[2]);
    r = ask(f, "eth_getTransactionReceipt", params);
    const char *created = str_at(r, "contractAddress");
    json_t *tx = ask(f, "eth_getTransactionByHash", params);
    assert_string_equal(str_at(tx, "creates"), created);
    json_decref(tx);
    json_t *all = ask(f, "eth_getBlockReceipts", "[\"latest\"]");
    assert_int_equal(json_array_size(all), 3);
    assert_true(json_equal(json_array_get(all, 2), r));
    json_decref(all);
    json_decref(r);
    r = ask(f, "debug_getRawReceipts", "[\"latest\"]");
    assert_int_equal(json_array_size(r), 3);
    assert_int_equal(strncmp(json_string_value(json_array_get(r, 1)), "0x02", 4), 0);
    json_decref(r);
    r = ask(f, "debug_getRawTransaction", params);
    assert_int_equal(strncmp(json_string_value(r), "0x01", 4), 0);
    json_decref(r);
    json_t *b = ask(f, "eth_getBlockByNumber", "[\"0x1\",true]");
    assert_int_equal(json_array_size(json_object_get(b, "transactions")), 3);
    json_decref(b);
}

static void fee_history_covers_the_blocks_asked_for(void **state)
{
    struct fixture *f = *state;
    char hash[67];
    fixture_seal(f);
    send_tx(f, hash, TX_DYNAMIC_FEE, LOGGER, 0, TOPIC WORD5);
    fixture_seal(f);
    json_t *h = ask(f, "eth_feeHistory", "[\"0x5\",\"latest\",[0,50.5,100]]");
    assert_string_equal(str_at(h, "oldestBlock"), "0x0");
    assert_int_equal(json_array_size(json_object_get(h, "baseFeePerGas")), 4);
    assert_int_equal(json_array_size(json_object_get(h, "gasUsedRatio")), 3);
    assert_int_equal(json_array_size(json_object_get(h, "reward")), 3);
    assert_int_equal(json_array_size(json_array_get(json_object_get(h, "reward"), 2)), 3);
    assert_true(json_real_value(json_array_get(json_object_get(h, "gasUsedRatio"), 2)) > 0);
    json_decref(h);
    assert_int_equal(ask_error(f, "eth_feeHistory", "[\"0x5\",\"latest\",[50,20]]"), -32602);
}

/* ------------------------------------------------------------------ calls */

static void calls_return_data_and_tell_why_they_reverted(void **state)
{
    struct fixture *f = *state;
    expect_str(f, "eth_call", "[{\"to\":\"" CLEARER "\"},\"latest\"]", "0x");
    assert_int_equal(ask_error(f, "eth_call", "[{\"to\":\"" REVERTER "\",\"from\":\"" RICH "\"},\"latest\"]"), 3);
    assert_string_equal(f->last_error, "execution reverted: no");
    assert_int_equal(strncmp(f->last_data, "0x08c379a0", 10), 0);
    assert_int_equal(strlen(f->last_data), 202);
    assert_int_equal(ask_error(f, "eth_call", "[{\"to\":\"" PANICKER "\"}]"), 3);
    assert_string_equal(f->last_error, "execution reverted: arithmetic underflow or overflow");
    assert_int_equal(ask_error(f, "eth_call", "[{\"to\":\"" LOGGER "\",\"gas\":\"0x5300\"}]"), -32000);
    assert_string_equal(f->last_error, "out of gas");
    assert_int_equal(ask_error(f, "eth_call", "[{\"to\":\"" LOGGER "\",\"value\":\"0x1\"}]"), -32000);
    assert_non_null(strstr(f->last_error, "insufficient funds"));
    assert_int_equal(ask_error(f, "eth_call", "[{\"to\":\"" LOGGER "\",\"data\":\"0x1\"}]"), -32602);
    assert_int_equal(ask_error(f, "eth_call", "[{\"to\":\"" LOGGER "\",\"gasPrice\":\"0x1\",\"maxFeePerGas\":\"0x1\"}]"), -32602);
    /* creation gives the code that would stand */
    expect_str(f, "eth_call", "[{\"from\":\"" RICH "\",\"data\":\"0x60fe60005360016000f3\"},\"latest\"]", "0xfe");
    /* contracts may be senders; nothing of it stays */
    expect_str(f, "eth_call", "[{\"from\":\"" LOGGER "\",\"to\":\"" CLEARER "\"},\"pending\"]", "0x");
    expect_str(f, "eth_getStorageAt", "[\"" CLEARER "\",\"0x0\",\"latest\"]", "0x0000000000000000000000000000000000000000000000000000000000000001");
    json_t *r = ask(f, "parity_call", "[[{\"to\":\"" CLEARER "\"},{\"data\":\"0x60fe60005360016000f3\"}],\"latest\"]");
    assert_string_equal(json_string_value(json_array_get(r, 1)), "0xfe");
    json_decref(r);
}

static void overrides_change_what_a_call_sees(void **state)
{
    struct fixture *f = *state;
    /* code that returns: slot 0, balance of itself, block number */
    static const char code[] = "0x60005460005247602052436040526060" "6000f3";
    char params[900];
    snprintf(params, sizeof params, "[{\"to\":\"" CLEARER "\"},\"latest\",{\"" CLEARER "\":{\"code\":\"%s\",\"balance\":\"0x5\"}},{\"number\":\"0x7\"}]", code);
    expect_str(f, "eth_call", params,
               "0x0000000000000000000000000000000000000000000000000000000000000001" WORD5 "0000000000000000000000000000000000000000000000000000000000000007");
    snprintf(params, sizeof params, "[{\"to\":\"" CLEARER "\"},\"latest\",{\"" CLEARER "\":{\"code\":\"%s\",\"stateDiff\":{\"0x" WORD0 "\":\"0x" WORD5 "\"}}}]", code);
    expect_str(f, "eth_call", params, "0x" WORD5 WORD0 WORD0);
    snprintf(params, sizeof params, "[{\"to\":\"" CLEARER "\"},\"latest\",{\"" CLEARER "\":{\"code\":\"%s\",\"state\":{}}}]", code);
    expect_str(f, "eth_call", params, "0x" WORD0 WORD0 WORD0);
    assert_int_equal(ask_error(f, "eth_call", "[{\"to\":\"" CLEARER "\"},\"latest\",{\"0x12\":{}}]"), -32602);
    assert_int_equal(ask_error(f, "eth_call", "[{\"to\":\"" CLEARER "\"},\"latest\",{\"" CLEARER "\":{\"state\":{},\"stateDiff\":{}}}]"), -32602);
}

static void estimates_are_the_least_gas_that_does(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *call;
        uint64_t want; /* 0: only that it is the least */
    } cases[] = {
        {"\"to\":\"" RICH "\"", 21000},
        {"\"to\":\"" RICH "\",\"value\":\"0x1\"", 21000},
        {"\"to\":\"" LOGGER "\",\"data\":\"" TOPIC WORD5 "\"", 0},
        {"\"to\":\"" CLEARER "\"", 0}, /* gets a refund afterwards */
        {"\"to\":\"" HUNGRY "\"", 121003}, /* looks at its gas: 21000 + 2 for GAS itself + 100001 */
        {"\"to\":\"" CALLER "\"", 0}, /* 63/64 */
        {"\"data\":\"0x60fe60005360016000f3\"", 0},
        {"\"to\":\"" LOGGER "\",\"data\":\"" TOPIC WORD5 "\",\"maxFeePerGas\":\"0x5\"", 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char params[500];
        snprintf(params, sizeof params, "[{\"from\":\"" RICH "\",%s}]", cases[i].call);
        json_t *r = ask(f, "eth_estimateGas", params);
        uint64_t gas = num_of(r);
        json_decref(r);
        if (cases[i].want) assert_int_equal(gas, cases[i].want);
        snprintf(params, sizeof params, "[{\"from\":\"" RICH "\",%s,\"gas\":\"0x%llx\"},\"latest\"]", cases[i].call, (unsigned long long)gas);
        r = ask(f, "eth_call", params);
        json_decref(r);
        snprintf(params, sizeof params, "[{\"from\":\"" RICH "\",%s,\"gas\":\"0x%llx\"},\"latest\"]", cases[i].call, (unsigned long long)gas - 1);
        int code = ask_error(f, "eth_call", params);
        assert_true(code == -32000 || code == 3);
    }
    assert_int_equal(ask_error(f, "eth_estimateGas", "[{\"to\":\"" REVERTER "\"}]"), 3);
    assert_int_equal(ask_error(f, "eth_estimateGas", "[{\"to\":\"" HUNGRY "\",\"gas\":\"0xc350\"}]"), 3);
    assert_int_equal(ask_error(f, "eth_estimateGas", "[{\"to\":\"" LOGGER "\",\"data\":\"" TOPIC WORD5 "\",\"gas\":\"0x5300\"}]"), -32000);
    assert_non_null(strstr(f->last_error, "gas required exceeds allowance"));
    assert_int_equal(ask_error(f, "eth_estimateGas", "[{\"from\":\"" LOGGER "\",\"to\":\"" RICH "\",\"gasPrice\":\"0x1\"}]"), -32000);
}

static void an_access_list_names_what_a_call_touches(void **state)
{
    struct fixture *f = *state;
    json_t *r = ask(f, "eth_createAccessList", "[{\"from\":\"" RICH "\",\"to\":\"" CALLER "\"},\"latest\"]");
    json_t *list = json_object_get(r, "accessList");
    assert_int_equal(json_array_size(list), 1);
    assert_string_equal(str_at(json_array_get(list, 0), "address"), HUNGRY);
    json_decref(r);
    r = ask(f, "eth_createAccessList", "[{\"from\":\"" RICH "\",\"to\":\"" CLEARER "\"}]");
    list = json_object_get(r, "accessList");
    assert_int_equal(json_array_size(list), 1);
    assert_string_equal(json_string_value(json_array_get(json_object_get(json_array_get(list, 0), "storageKeys"), 0)), "0x" WORD0);
    assert_true(num_of(json_object_get(r, "gasUsed")) > 21000);
    json_decref(r);
}

static void proofs_show_accounts_and_slots_of_the_latest_state(void **state)
{
    struct fixture *f = *state;
    json_t *p = ask(f, "eth_getProof", "[\"" CLEARER "\",[\"0x0\",\"0x5\"],\"latest\"]");
    assert_true(json_array_size(json_object_get(p, "accountProof")) > 0);
    json_t *slots = json_object_get(p, "storageProof");
    assert_int_equal(json_array_size(slots), 2);
    assert_string_equal(str_at(json_array_get(slots, 0), "value"), "0x1");
    assert_string_equal(str_at(json_array_get(slots, 1), "value"), "0x0");
    /* the first node hashes to the state root */
    json_t *b = ask(f, "eth_getBlockByNumber", "[\"latest\",false]");
    char *params;
    assert_true(asprintf(&params, "[\"%s\"]", json_string_value(json_array_get(json_object_get(p, "accountProof"), 0))) > 0);
    expect_str(f, "web3_sha3", params, str_at(b, "stateRoot"));
    free(params);
    json_decref(b);
    json_decref(p);
    fixture_seal(f);
    assert_int_equal(ask_error(f, "eth_getProof", "[\"" CLEARER "\",[],\"0x0\"]"), -32000);
}

/* ------------------------------------------------------------------ logs, filters, subscriptions */

static size_t n_logs(struct fixture *f, const char *filter)
{
    json_t *r = ask(f, "eth_getLogs", filter);
    size_t n = json_array_size(r);
    json_decref(r);
    return n;
}

static void logs_are_found_by_block_address_and_topic(void **state)
{
    struct fixture *f = *state;
    char hash[67], text[300];
    static const char other[] = "0x2222222222222222222222222222222222222222222222222222222222222222";
    send_tx(f, hash, TX_LEGACY, LOGGER, 0, TOPIC WORD5);
    fixture_seal(f);
    fixture_seal(f);
    snprintf(text, sizeof text, "%s" WORD5, other);
    send_tx(f, hash, TX_LEGACY, LOGGER, 0, TOPIC WORD0);
    send_tx(f, hash, TX_LEGACY, LOGGER, 0, text);
    fixture_seal(f);
    assert_int_equal(n_logs(f, "[{\"fromBlock\":\"0x0\"}]"), 3);
    assert_int_equal(n_logs(f, "[{}]"), 2);
    assert_int_equal(n_logs(f, "[{\"fromBlock\":\"0x0\",\"toBlock\":\"0x2\"}]"), 1);
    assert_int_equal(n_logs(f, "[{\"fromBlock\":\"earliest\",\"toBlock\":\"0x3\"}]"), 3);
    assert_int_equal(n_logs(f, "[{\"fromBlock\":\"0x0\",\"address\":\"" LOGGER "\"}]"), 3);
    assert_int_equal(n_logs(f, "[{\"fromBlock\":\"0x0\",\"address\":[\"" CALLER "\",\"" LOGGER "\"]}]"), 3);
    assert_int_equal(n_logs(f, "[{\"fromBlock\":\"0x0\",\"address\":\"" CALLER "\"}]"), 0);
    assert_int_equal(n_logs(f, "[{\"fromBlock\":\"0x0\",\"topics\":[\"" TOPIC "\"]}]"), 2);
    assert_int_equal(n_logs(f, "[{\"fromBlock\":\"0x0\",\"topics\":[null]}]"), 3);
    assert_int_equal(n_logs(f, "[{\"fromBlock\":\"0x0\",\"topics\":[null,null]}]"), 0);
    snprintf(text, sizeof text, "[{\"fromBlock\":\"0x0\",\"topics\":[[\"" TOPIC "\",\"%s\"]]}]", other);
    assert_int_equal(n_logs(f, text), 3);
    json_t *b = ask(f, "eth_getBlockByNumber", "[\"0x3\",false]");
    snprintf(text, sizeof text, "[{\"blockHash\":\"%s\"}]", str_at(b, "hash"));
    json_decref(b);
    json_t *logs = ask(f, "eth_getLogs", text);
    assert_int_equal(json_array_size(logs), 2);
    assert_string_equal(str_at(json_array_get(logs, 1), "logIndex"), "0x1");
    assert_string_equal(str_at(json_array_get(logs, 1), "transactionLogIndex"), "0x0");
    json_decref(logs);
    assert_int_equal(ask_error(f, "eth_getLogs", "[{\"blockHash\":\"" TOPIC "\"}]"), -32000);
    assert_int_equal(ask_error(f, "eth_getLogs", "[{\"fromBlock\":\"0x2\",\"toBlock\":\"0x1\"}]"), -32602);
    assert_int_equal(ask_error(f, "eth_getLogs", "[{\"topics\":[\"0x1\"]}]"), -32602);
}

static void poll(char *dst, struct fixture *f, const char *method, const char *params)
{
    json_t *r = ask(f, method, params);
    snprintf(dst, 100, "[\"%s\"]", json_string_value(r));
    json_decref(r);
}

static size_t changes(struct fixture *f, const char *id)
{
    json_t *r = ask(f, "eth_getFilterChanges", id);
    size_t n = json_array_size(r);
    json_decref(r);
    return n;
}

/* the server's thread hears of a block a moment after it was sealed */
static size_t changes_soon(struct fixture *f, const char *id)
{
    for (int i = 0; i < 1000; i++) {
        size_t n = changes(f, id);
        if (n > 0) return n;
        clock_sleep_ms(1);
    }
    return 0;
}

static void filters_give_what_came_since_the_last_poll(void **state)
{
    struct fixture *f = *state;
    char blocks[100], logs[100], pending[100], hash[67];
    poll(blocks, f, "eth_newBlockFilter", "[]");
    poll(logs, f, "eth_newFilter", "[{\"address\":\"" LOGGER "\"}]");
    poll(pending, f, "eth_newPendingTransactionFilter", "[]");
    assert_int_equal(changes(f, blocks), 0);
    send_tx(f, hash, TX_LEGACY, LOGGER, 0, TOPIC WORD5);
    assert_int_equal(changes_soon(f, pending), 1);
    fixture_seal(f);
    assert_int_equal(changes_soon(f, blocks), 1);
    assert_int_equal(changes_soon(f, logs), 1);
    assert_int_equal(changes(f, blocks), 0);
    assert_int_equal(changes(f, logs), 0);
    json_t *all = ask(f, "eth_getFilterLogs", logs);
    assert_int_equal(json_array_size(all), 1);
    json_decref(all);
    assert_int_equal(ask_error(f, "eth_getFilterLogs", blocks), -32000);
    expect_json(f, "eth_uninstallFilter", blocks, "true");
    expect_json(f, "eth_uninstallFilter", blocks, "false");
    assert_int_equal(ask_error(f, "eth_getFilterChanges", blocks), -32000);
    assert_int_equal(ask_error(f, "eth_getFilterChanges", "[\"zz\"]"), -32000);
}

static void logs_of_a_block_that_left_the_chain_come_again_as_removed(void **state)
{
    struct fixture *f = *state;
    char logs[100], blocks[100], hash[67];
    int fd = ws_dial(rpc_http_port(f->rpc));
    ws_put(fd, "{\"id\":1,\"method\":\"eth_subscribe\",\"params\":[\"logs\",{}]}");
    json_decref(ws_get(fd));
    poll(logs, f, "eth_newFilter", "[{}]");
    poll(blocks, f, "eth_newBlockFilter", "[]");
    send_tx(f, hash, TX_LEGACY, LOGGER, 0, TOPIC WORD5);
    fixture_seal(f);
    assert_int_equal(changes_soon(f, logs), 1);
    assert_int_equal(changes_soon(f, blocks), 1);
    json_decref(ws_get(fd));
    struct chain_head head;
    chain_get_head(&head, f->chain);
    rpc_on_chain_event(f->rpc, &(struct chain_event){.removed = &head.hash, .n_removed = 1});
    json_t *n = ws_get(fd);
    assert_true(json_is_true(json_object_get(json_object_get(json_object_get(n, "params"), "result"), "removed")));
    json_decref(n);
    json_t *again = ask(f, "eth_getFilterChanges", logs);
    assert_int_equal(json_array_size(again), 1);
    assert_true(json_is_true(json_object_get(json_array_get(again, 0), "removed")));
    json_decref(again);
    assert_int_equal(changes(f, blocks), 0);
    close(fd);
}

static void receipts_one_by_one_equal_those_of_the_block(void **state)
{
    struct fixture *f = *state;
    char hash[7][6][67], params[100];
    for (int b = 0; b < 7; b++) {
        for (int i = 0; i < 6; i++) send_tx(f, hash[b][i], TX_LEGACY, i % 2 ? LOGGER : RICH, 0, i % 2 ? TOPIC WORD5 : "0x");
        fixture_seal(f);
    }
    /* more blocks than a server thread keeps decoded, in turns */
    for (int i = 0; i < 6; i++) {
        for (int b = 0; b < 7; b++) {
            snprintf(params, sizeof params, "[\"0x%x\"]", b + 1);
            json_t *all = ask(f, "eth_getBlockReceipts", params);
            snprintf(params, sizeof params, "[\"%s\"]", hash[b][i]);
            json_t *one = ask(f, "eth_getTransactionReceipt", params), *tx = ask(f, "eth_getTransactionByHash", params);
            assert_true(json_equal(one, json_array_get(all, (size_t)i)));
            assert_string_equal(str_at(tx, "blockHash"), str_at(one, "blockHash"));
            if (i == 5) assert_string_equal(str_at(json_array_get(json_object_get(one, "logs"), 0), "logIndex"), "0x2");
            json_decref(all);
            json_decref(one);
            json_decref(tx);
        }
    }
}

/* each connection may be another thread's */
static void a_filter_is_found_by_every_connection_of_both_ports(void **state)
{
    struct fixture *f = *state;
    char blocks[100], text[200];
    poll(blocks, f, "eth_newBlockFilter", "[]");
    for (int i = 0; i < 12; i++) {
        int fd = ws_dial(i % 2 ? rpc_http_port(f->rpc) : rpc_ws_port(f->rpc));
        if (i % 3 == 0) fixture_seal(f);
        snprintf(text, sizeof text, "{\"id\":1,\"method\":\"eth_getFilterChanges\",\"params\":%s}", blocks);
        ws_put(fd, text);
        json_t *r = ws_get(fd);
        assert_int_equal(json_array_size(json_object_get(r, "result")), i % 3 == 0); /* one place in the ring for all */
        json_decref(r);
        close(fd);
    }
}

/* ------------------------------------------------------------------ the Unix socket */

static int ipc_dial(const struct fixture *f)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    struct timeval tv = {10, 0};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(sa.sun_path, sizeof sa.sun_path, "%s", f->ipc_path);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
    assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    return fd;
}
static void ipc_put(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}
static json_t *ipc_get(int fd)
{
    char line[20000];
    for (size_t n = 0; n < sizeof line; n++) {
        assert_int_equal(recv(fd, line + n, 1, 0), 1);
        if (line[n] != '\n') continue;
        json_t *doc = json_loadb(line, n, JSON_DECODE_ANY, NULL);
        assert_non_null(doc);
        return doc;
    }
    fail_msg("a line without end");
    return NULL;
}

static void the_unix_socket_has_subscriptions_and_filters(void **state)
{
    struct fixture *f = *state;
    char id[100], filter[100], hash[67], text[300];
    int fd = ipc_dial(f), other = ipc_dial(f);
    /* documents without anything between them, as geth's clients send them */
    ipc_put(fd, "{\"id\":1,\"method\":\"eth_subscribe\",\"params\":[\"newHeads\"]}{\"id\":2,\"method\":\"eth_newBlockFilter\"}[{\"id\":3,\"method\":\"eth_subscribe\",\"params\":[\"newPen");
    json_t *r = ipc_get(fd);
    snprintf(id, sizeof id, "%s", str_at(r, "result"));
    json_decref(r);
    r = ipc_get(fd);
    snprintf(filter, sizeof filter, "[\"%s\"]", str_at(r, "result"));
    json_decref(r);
    ipc_put(fd, "dingTransactions\"]}]");
    r = ipc_get(fd);
    assert_int_equal(json_array_size(r), 1);
    json_decref(r);
    send_tx(f, hash, TX_LEGACY, LOGGER, 0, TOPIC WORD5);
    r = ipc_get(fd);
    assert_string_equal(str_at(json_object_get(r, "params"), "result"), hash);
    json_decref(r);
    fixture_seal(f);
    r = ipc_get(fd);
    assert_string_equal(str_at(json_object_get(r, "params"), "subscription"), id);
    assert_string_equal(str_at(json_object_get(json_object_get(r, "params"), "result"), "miner"), RICH);
    json_decref(r);
    assert_int_equal(changes(f, filter), 1); /* over HTTP: one table for all */
    snprintf(text, sizeof text, " {\"id\":\"}\\\"{\",\"method\":\"eth_unsubscribe\",\"params\":[\"%s\"]}\r\n", id);
    ipc_put(other, text); /* another connection's */
    r = ipc_get(other);
    assert_non_null(json_object_get(r, "error"));
    assert_string_equal(str_at(r, "id"), "}\"{");
    json_decref(r);
    ipc_put(fd, text);
    r = ipc_get(fd);
    assert_true(json_is_true(json_object_get(r, "result")));
    json_decref(r);
    /* where no document can be told, the answer says so and the connection ends */
    ipc_put(other, "[1,2}{\"id\":1}");
    r = ipc_get(other);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(r, "error"), "code")), -32700);
    json_decref(r);
    char end;
    assert_true(recv(other, &end, 1, 0) <= 0);
    close(fd);
    close(other);
}

static void a_document_ends_where_its_brackets_and_strings_close(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t len;
    } cases[] = {
        {"{}", 2}, {"{}{", 2}, {"[{\"a\":\"]}\"}] x", 12}, {"\"a\\\"b\"c", 6}, {"5 ", 1}, {"true{", 1}, {"5", 1}, {"{\"a", 0}, {"[\"\\\\\"]", 6}, {"}", 1}, {"x\ny", 1}, {"[[[]]", 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct json_split whole = {0}, bytewise = {0};
        const size_t len = strlen(cases[i].text);
        assert_int_equal(json_split_end(&whole, bytes_str(cases[i].text)), cases[i].len);
        size_t got = 0;
        for (size_t n = 1; n <= len && got == 0; n++) got = json_split_end(&bytewise, bytes_make(cases[i].text, n));
        assert_int_equal(got, cases[i].len);
    }
}

static void too_many_filters_are_refused(void **state)
{
    struct fixture *f = *state;
    struct buf b;
    buf_init(&b, 1 << 20);
    for (int round = 0; round < 2; round++) {
        buf_clear(&b);
        for (int i = 0; i < 600; i++) buf_printf(&b, "%c{\"id\":%d,\"method\":\"eth_newFilter\",\"params\":[{\"topics\":[\"" TOPIC "\"]}]}", i ? ',' : '[', i);
        buf_put_u8(&b, ']');
        json_t *doc = post(f, buf_cstr(&b));
        size_t refused = 0;
        for (size_t i = 0; i < 600; i++) refused += json_object_get(json_array_get(doc, i), "error") != NULL;
        assert_int_equal(refused, round == 0 ? 0 : 1200 - 1024);
        json_decref(doc);
    }
    buf_fini(&b);
}

static void check_subscriptions(struct fixture *f, uint16_t port)
{
    static const char *const subs[] = {"[\"newHeads\"]", "[\"logs\",{\"topics\":[\"" TOPIC "\"]}]", "[\"logs\",{\"address\":\"" CALLER "\"}]",
                                       "[\"newPendingTransactions\"]", "[\"newPendingTransactions\",true]"};
    char ids[5][50], text[300], hash[67];
    int fd = ws_dial(port);
    for (int i = 0; i < 5; i++) {
        snprintf(text, sizeof text, "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"eth_subscribe\",\"params\":%s}", i, subs[i]);
        ws_put(fd, text);
        json_t *r = ws_get(fd);
        snprintf(ids[i], sizeof ids[i], "%s", str_at(r, "result"));
        json_decref(r);
    }
    send_tx(f, hash, TX_LEGACY, LOGGER, 0, TOPIC WORD5);
    bool seen[5] = {0};
    for (int i = 0; i < 2; i++) {
        json_t *n = ws_get(fd), *p = json_object_get(n, "params");
        bool full = strcmp(str_at(p, "subscription"), ids[4]) == 0;
        assert_string_equal(full ? str_at(json_object_get(p, "result"), "hash") : str_at(p, "result"), hash);
        seen[full ? 4 : 3] = true;
        json_decref(n);
    }
    assert_true(seen[3] && seen[4]);
    fixture_seal(f);
    for (int i = 0; i < 2; i++) {
        json_t *n = ws_get(fd), *p = json_object_get(n, "params"), *r = json_object_get(p, "result");
        assert_string_equal(str_at(n, "method"), "eth_subscription");
        if (strcmp(str_at(p, "subscription"), ids[0]) == 0) {
            seen[0] = true;
            assert_string_equal(str_at(r, "miner"), RICH);
        } else {
            assert_string_equal(str_at(p, "subscription"), ids[1]);
            assert_string_equal(str_at(r, "transactionHash"), hash);
            seen[1] = true;
        }
        json_decref(n);
    }
    assert_true(seen[0] && seen[1]);
    snprintf(text, sizeof text, "{\"id\":9,\"method\":\"eth_unsubscribe\",\"params\":[\"%s\"]}", ids[0]);
    ws_put(fd, text);
    json_t *r = ws_get(fd);
    assert_true(json_is_true(json_object_get(r, "result")));
    json_decref(r);
    ws_put(fd, "{\"id\":10,\"method\":\"eth_subscribe\",\"params\":[\"nothing\"]}");
    r = ws_get(fd);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(r, "error"), "code")), -32602);
    json_decref(r);
    ws_put(fd, "[{\"id\":1,\"method\":\"eth_chainId\"}]");
    r = ws_get(fd);
    assert_int_equal(json_array_size(r), 1);
    json_decref(r);
    close(fd);
}

static void subscriptions_tell_of_heads_logs_and_pending_transactions_on_both_ports(void **state)
{
    struct fixture *f = *state;
    check_subscriptions(f, rpc_http_port(f->rpc));
    check_subscriptions(f, rpc_ws_port(f->rpc));
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_new, fixture_free)

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        TEST(errors_of_form_have_the_codes_of_json_rpc),
        TEST(an_id_of_any_type_comes_back),
        TEST(batches_answer_in_order_and_notifications_not_at_all),
        TEST(only_enabled_namespaces_are_served),
        TEST(browsers_are_answered_their_preflight),
        TEST(small_questions_have_their_answers),
        TEST(a_sealed_block_shows_its_aura_fields),
        TEST(a_transaction_is_pending_then_mined_with_its_receipt),
        TEST(fee_history_covers_the_blocks_asked_for),
        TEST(calls_return_data_and_tell_why_they_reverted),
        TEST(overrides_change_what_a_call_sees),
        TEST(estimates_are_the_least_gas_that_does),
        TEST(an_access_list_names_what_a_call_touches),
        TEST(proofs_show_accounts_and_slots_of_the_latest_state),
        TEST(logs_are_found_by_block_address_and_topic),
        TEST(filters_give_what_came_since_the_last_poll),
        TEST(logs_of_a_block_that_left_the_chain_come_again_as_removed),
        TEST(receipts_one_by_one_equal_those_of_the_block),
        TEST(a_filter_is_found_by_every_connection_of_both_ports),
        TEST(the_unix_socket_has_subscriptions_and_filters),
        cmocka_unit_test(a_document_ends_where_its_brackets_and_strings_close),
        TEST(too_many_filters_are_refused),
        TEST(subscriptions_tell_of_heads_logs_and_pending_transactions_on_both_ports),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
