/* Formatting without a chain. Each text is parsed back by jansson, so that it is JSON at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "lib/base/file.h"
#include "lib/codec/hex.h"
#include "lib/codec/rlp.h"
#include "node/rpc/rpc_json.h"

#include <cmocka.h>

static json_t *parse(struct buf *b)
{
    json_error_t e;
    assert_int_equal(buf_status(b), OK);
    json_t *doc = json_loadb((const char *)b->ptr, b->len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);
    if (doc == NULL) fail_msg("%s: %.*s", e.text, (int)b->len, (const char *)b->ptr);
    buf_clear(b);
    return doc;
}
static const char *at(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    if (!json_is_string(v)) fail_msg("%s is not a string", key);
    return json_string_value(v);
}

static void commas_set_themselves(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    jo_open(&b, '{');
    jo_key(&b, "a");
    jo_open(&b, '[');
    jo_u64(&b, 0);
    jo_u64(&b, 255);
    jo_null(&b);
    jo_bool(&b, true);
    jo_dec(&b, 12);
    jo_open(&b, '[');
    jo_close(&b, ']');
    jo_close(&b, ']');
    jo_key(&b, "b");
    jo_u256(&b, &U256_MAX);
    jo_key(&b, "c");
    jo_data(&b, BYTES_EMPTY);
    jo_close(&b, '}');
    assert_string_equal(buf_cstr(&b), "{\"a\":[\"0x0\",\"0xff\",null,true,12,[]],\"b\":\"0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff\",\"c\":\"0x\"}");
    buf_fini(&b);
}

static void strings_are_escaped_and_stay_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"plain", "\"plain\""}, {"q\"b\\", "\"q\\\"b\\\\\""}, {"\n\x01\x7f", "\"\\u000a\\u0001\\u007f\""}, {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""},
        {"\xff", "\"?\""}, {"\xc3", "\"?\""}, {"\xc0\x80", "\"??\""}, {"\xed\xa0\x80", "\"???\""}, {"\xf4\x90\x80\x80", "\"????\""}, {"", "\"\""},
    };
    struct buf b;
    buf_init(&b, 1000);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        buf_clear(&b);
        jo_str(&b, cases[i].in);
        assert_string_equal(buf_cstr(&b), cases[i].out);
        json_decref(parse(&b));
    }
    buf_fini(&b);
}

static void a_real_aura_header_is_shown_as_parity_does(void **state)
{
    (void)state;
    char path[600];
    const char *dir = getenv("POA_VECTORS");
    snprintf(path, sizeof path, "%s/chainspec/header.poacore.10940417.hex", dir ? dir : "../shared/vectors");
    if (!file_exists(path)) {
        print_message("# SKIP no vectors\n");
        skip();
    }
    struct buf text, raw, b;
    struct header h;
    buf_init(&text, 1 << 16), buf_init(&raw, 1 << 16), buf_init(&b, 1 << 16);
    assert_int_equal(file_read(&text, path, NULL), OK);
    while (text.len > 0 && text.ptr[text.len - 1] <= ' ') text.len--;
    raw.len = (text.len - (text.ptr[1] == 'x' ? 2 : 0)) / 2;
    size_t len = raw.len;
    raw.len = 0;
    assert_non_null(buf_reserve(&raw, len));
    assert_int_equal(hex_get_fixed(raw.ptr, len, buf_view(&text)), OK);
    bytes in = bytes_make(raw.ptr, len);
    assert_int_equal(header_get(&h, &in, NULL), OK);
    hash32 hash = header_hash(&h);
    json_put_header(&b, &h, &hash);
    json_t *doc = parse(&b);
    assert_string_equal(at(doc, "number"), "0xa6f001");
    assert_string_equal(at(doc, "difficulty"), "0xfffffffffffffffffffffffffffffffe");
    assert_string_equal(at(doc, "author"), at(doc, "miner"));
    char step[30];
    snprintf(step, sizeof step, "%llu", (unsigned long long)h.step);
    assert_string_equal(at(doc, "step"), step);
    json_t *fields = json_object_get(doc, "sealFields");
    assert_int_equal(json_array_size(fields), 2);
    /* the second field is the signature as an RLP string */
    assert_int_equal(strncmp(json_string_value(json_array_get(fields, 1)), "0xb841", 6), 0);
    assert_string_equal(json_string_value(json_array_get(fields, 1)) + 6, at(doc, "signature"));
    assert_null(json_object_get(doc, "nonce"));
    assert_null(json_object_get(doc, "baseFeePerGas"));
    json_decref(doc);
    buf_fini(&text), buf_fini(&raw), buf_fini(&b);
}

static void seals_of_other_kinds_and_later_fields_are_shown(void **state)
{
    (void)state;
    struct buf b, steps;
    buf_init(&b, 1 << 16), buf_init(&steps, 1000);
    struct header h = {.seal = SEAL_ETHASH, .nonce = {0, 0, 0, 0, 0, 0, 0, 0x42}, .has_base_fee = true, .base_fee = u256_from_u64(7), .has_withdrawals = true,
                       .has_blob_gas = true, .blob_gas_used = 1, .has_beacon_root = true, .has_requests = true};
    hash32 hash = {{1}};
    json_put_header(&b, &h, &hash);
    json_t *doc = parse(&b);
    assert_string_equal(at(doc, "nonce"), "0x0000000000000042");
    assert_int_equal(strlen(at(doc, "mixHash")), 66);
    assert_string_equal(at(doc, "baseFeePerGas"), "0x7");
    assert_string_equal(at(doc, "blobGasUsed"), "0x1");
    at(doc, "withdrawalsRoot"), at(doc, "parentBeaconBlockRoot"), at(doc, "requestsHash");
    json_decref(doc);

    uint8_t sig[65] = {0xab};
    size_t list = rlp_list_open(&steps), step = rlp_list_open(&steps);
    rlp_put_string(&steps, bytes_make(sig, 65));
    rlp_put_u64(&steps, 77);
    rlp_list_close(&steps, step);
    rlp_list_close(&steps, list);
    h = (struct header){.seal = SEAL_AURA, .step = 78, .has_empty_steps = true, .empty_steps = buf_view(&steps)};
    json_put_header(&b, &h, &hash);
    doc = parse(&b);
    assert_int_equal(json_array_size(json_object_get(doc, "sealFields")), 3);
    assert_string_equal(json_string_value(json_array_get(json_object_get(doc, "sealFields"), 0)), "0x4e");
    assert_int_equal(strncmp(at(doc, "emptySteps"), "[(ab00", 6), 0);
    assert_non_null(strstr(at(doc, "emptySteps"), ", 77)]"));
    json_decref(doc);

    h = (struct header){.seal = SEAL_GENERIC, .seal_raw = BYTES_LIT("\x01\xc0\x81\x80")};
    json_put_header(&b, &h, &hash);
    doc = parse(&b);
    assert_int_equal(json_array_size(json_object_get(doc, "sealFields")), 3);
    json_decref(doc);
    buf_fini(&b), buf_fini(&steps);
}

static void put_access_entry(struct buf *b)
{
    uint8_t a[20] = {9}, k[32] = {8};
    size_t e = rlp_list_open(b);
    rlp_put_string(b, bytes_make(a, 20));
    size_t keys = rlp_list_open(b);
    rlp_put_string(b, bytes_make(k, 32));
    rlp_list_close(b, keys);
    rlp_list_close(b, e);
}

static void transactions_of_all_types_have_their_fields(void **state)
{
    (void)state;
    struct buf b, access, auth, blobs;
    buf_init(&b, 1 << 16), buf_init(&access, 1000), buf_init(&auth, 1000), buf_init(&blobs, 1000);
    put_access_entry(&access);
    uint8_t a[20] = {7}, blob[32] = {1};
    size_t t = rlp_list_open(&auth);
    rlp_put_u64(&auth, 43), rlp_put_string(&auth, bytes_make(a, 20)), rlp_put_u64(&auth, 5), rlp_put_u64(&auth, 1), rlp_put_u64(&auth, 2), rlp_put_u64(&auth, 3);
    rlp_list_close(&auth, t);
    rlp_put_string(&blobs, bytes_make(blob, 32));
    hash32 block = {{3}};
    u256 base = u256_from_u64(10);
    struct tx_place place = {&block, 17, 2, &base, 1700000000};
    struct tx tx = {.has_chain_id = true, .chain_id = 43, .has_to = true, .has_sender = true, .y_parity = 1, .nonce = 4, .gas_limit = 21000,
                    .max_fee = u256_from_u64(50), .max_priority = u256_from_u64(50)};

    json_put_tx(&b, &tx, &place);
    json_t *doc = parse(&b);
    assert_string_equal(at(doc, "v"), "0x7a"); /* 35 + 2 * 43 + 1 */
    assert_string_equal(at(doc, "gasPrice"), "0x32");
    assert_null(json_object_get(doc, "maxFeePerGas"));
    assert_null(json_object_get(doc, "accessList"));
    assert_string_equal(at(doc, "blockNumber"), "0x11");
    json_decref(doc);
    tx.has_chain_id = false;
    tx.has_to = false;
    json_put_tx(&b, &tx, NULL);
    doc = parse(&b);
    assert_string_equal(at(doc, "v"), "0x1c");
    assert_true(json_is_null(json_object_get(doc, "chainId")));
    assert_true(json_is_null(json_object_get(doc, "to")));
    assert_true(json_is_null(json_object_get(doc, "blockHash")));
    at(doc, "creates");
    json_decref(doc);

    tx = (struct tx){.type = TX_SET_CODE, .has_chain_id = true, .chain_id = 43, .has_to = true, .y_parity = 1, .max_fee = u256_from_u64(50),
                     .max_priority = u256_from_u64(3), .access_list = buf_view(&access), .auth_list = buf_view(&auth)};
    json_put_tx(&b, &tx, &place);
    doc = parse(&b);
    assert_string_equal(at(doc, "type"), "0x4");
    assert_string_equal(at(doc, "gasPrice"), "0xd"); /* base fee + tip */
    assert_string_equal(at(doc, "yParity"), "0x1");
    assert_string_equal(at(doc, "v"), "0x1");
    json_t *list = json_object_get(doc, "accessList");
    assert_int_equal(json_array_size(json_object_get(json_array_get(list, 0), "storageKeys")), 1);
    assert_string_equal(at(json_array_get(json_object_get(doc, "authorizationList"), 0), "nonce"), "0x5");
    json_decref(doc);
    json_put_tx(&b, &tx, NULL);
    doc = parse(&b);
    assert_string_equal(at(doc, "gasPrice"), "0x32");
    json_decref(doc);

    tx.type = TX_BLOB;
    tx.auth_list = BYTES_EMPTY;
    tx.blob_hashes = buf_view(&blobs);
    tx.max_blob_fee = u256_from_u64(9);
    json_put_tx(&b, &tx, &place);
    doc = parse(&b);
    assert_string_equal(at(doc, "maxFeePerBlobGas"), "0x9");
    assert_int_equal(json_array_size(json_object_get(doc, "blobVersionedHashes")), 1);
    json_decref(doc);
    buf_fini(&b), buf_fini(&access), buf_fini(&auth), buf_fini(&blobs);
}

static void receipts_of_all_forms_have_their_fields(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1 << 16);
    struct tx tx = {.type = TX_DYNAMIC_FEE, .has_to = true, .max_fee = u256_from_u64(50), .max_priority = u256_from_u64(3)};
    struct block blk = {.header = {.number = 5, .has_base_fee = true, .base_fee = u256_from_u64(10)}, .txs = &tx, .n_txs = 1};
    struct log_entry logs[2] = {{.n_topics = 4, .data = BYTES_LIT("\x01")}, {.n_topics = 0}};
    struct receipt r = {.form = RECEIPT_STATUS, .ok = true, .gas_used = 21000, .cumulative_gas = 42000, .logs = logs, .n_logs = 2};
    json_put_receipt(&b, &blk, 0, &r, 6, NULL);
    json_t *doc = parse(&b);
    assert_string_equal(at(doc, "status"), "0x1");
    assert_string_equal(at(doc, "effectiveGasPrice"), "0xd");
    assert_string_equal(at(doc, "gasUsed"), "0x5208");
    json_t *log = json_array_get(json_object_get(doc, "logs"), 1);
    assert_string_equal(at(log, "logIndex"), "0x7");
    assert_string_equal(at(log, "transactionLogIndex"), "0x1");
    assert_int_equal(json_array_size(json_object_get(log, "topics")), 0);
    assert_true(json_is_null(json_object_get(doc, "contractAddress")));
    json_decref(doc);
    r = (struct receipt){.form = RECEIPT_ROOT, .has_contract = true};
    tx.has_to = false;
    json_put_receipt(&b, &blk, 0, &r, 0, NULL);
    doc = parse(&b);
    assert_int_equal(strlen(at(doc, "root")), 66);
    assert_null(json_object_get(doc, "status"));
    at(doc, "contractAddress");
    assert_true(json_is_null(json_object_get(doc, "to")));
    json_decref(doc);
    buf_fini(&b);
}

static void a_pending_block_has_no_hash_miner_or_seal(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1 << 16);
    struct tx tx = {.has_to = true};
    struct block blk = {.txs = &tx, .n_txs = 1};
    json_put_block(&b, &blk, &(struct block_shape){.is_pending = true, .full_txs = true});
    json_t *doc = parse(&b);
    assert_true(json_is_null(json_object_get(doc, "hash")));
    assert_true(json_is_null(json_object_get(doc, "miner")));
    assert_true(json_is_null(json_object_get(json_array_get(json_object_get(doc, "transactions"), 0), "blockHash")));
    assert_null(json_object_get(doc, "totalDifficulty"));
    json_decref(doc);
    buf_fini(&b);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commas_set_themselves),
        cmocka_unit_test(strings_are_escaped_and_stay_utf8),
        cmocka_unit_test(a_real_aura_header_is_shown_as_parity_does),
        cmocka_unit_test(seals_of_other_kinds_and_later_fields_are_shown),
        cmocka_unit_test(transactions_of_all_types_have_their_fields),
        cmocka_unit_test(receipts_of_all_forms_have_their_fields),
        cmocka_unit_test(a_pending_block_has_no_hash_miner_or_seal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
