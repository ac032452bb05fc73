#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "node/agent/records.h"

#include <cmocka.h>

static const struct record_source source = {.provider = "http://127.0.0.1:8545", .host = "vl-1", .now_ms = 1795426372123};

static json_t *pending(const char *value, const char *price)
{
    json_t *tx = json_pack("{s:s, s:s, s:s, s:s}", "hash", "0x01", "value", value, "gasPrice", price, "nonce", "0x5");
    json_t *r = record_pending(&source, tx);
    json_decref(tx);
    return r;
}

static const char *text(const json_t *r, const char *key)
{
    return json_string_value(json_object_get(r, key));
}

static void amounts_are_exact_decimals(void **state)
{
    (void)state;
    static const struct {
        const char *wei, *ether, *gwei;
    } rows[] = {
        {"0x0", "0", "0"},
        {"0x1", "0.000000000000000001", "0.000000001"},
        {"0xde0b6b3a7640000", "1", "1000000000"},
        {"0x14d1120d7b160000", "1.5", "1500000000"},
        {"0x8ac7230489e80000", "10", "10000000000"},
        {"0x3b9aca00", "0.000000001", "1"},
        {"0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
         "115792089237316195423570985008687907853269984665640564039457.584007913129639935",
         "115792089237316195423570985008687907853269984665640564039457584007913.129639935"},
        {"0x", "", ""},
        {"12", "", ""},
        {"0xzz", "", ""},
        {"0x10000000000000000000000000000000000000000000000000000000000000000", "", ""},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        json_t *r = pending(rows[i].wei, rows[i].wei);
        assert_string_equal(text(r, "Value"), rows[i].ether);
        assert_string_equal(text(r, "GasPrice"), rows[i].gwei);
        json_decref(r);
    }
}

static void what_is_no_record_of_a_node_gives_none(void **state)
{
    (void)state;
    json_t *odd[] = {json_null(), json_array(), json_object(), json_pack("{s:i}", "hash", 5), json_string("x")};
    for (size_t i = 0; i < COUNT_OF(odd); i++) {
        assert_null(record_block(&source, odd[i]));
        assert_null(record_mined(&source, odd[i]));
        assert_null(record_pending(&source, odd[i]));
        json_decref(odd[i]);
    }
    assert_null(record_log(&source, BYTES_EMPTY));
}

static void a_block_of_another_client_has_author_or_miner(void **state)
{
    (void)state;
    json_t *b = json_pack("{s:s, s:s, s:s, s:s, s:s}", "hash", "0xaa", "number", "0x10", "author", "0xa1", "timestamp", "0x0", "extraData", "0x61006222c3a963");
    json_t *r = record_block(&source, b);
    assert_string_equal(text(r, "BlockMiner"), "0xa1");
    assert_string_equal(text(r, "ExtraData"), "ab\"c");
    assert_string_equal(text(r, "BlockTimestamp"), "1970-01-01T00:00:00.000Z");
    assert_string_equal(text(r, "TimeGenerated"), "2026-11-23T09:32:52.123Z");
    assert_int_equal(json_integer_value(json_object_get(r, "BlockNumber")), 16);
    json_decref(r);
    json_decref(b);
}

static void long_fields_are_cut_and_odd_bytes_made_text(void **state)
{
    (void)state;
    char *big = malloc(100001);
    memset(big, 'a', 100000);
    big[100000] = '\0';
    json_t *r = record_log(&source, bytes_make(big, 100000));
    assert_int_equal(strlen(text(r, "RawData")), 32000);
    json_decref(r);
    r = record_log(&source, bytes_make("a\xff\0b", 4));
    assert_string_equal(text(r, "RawData"), "a\\xff\\x00b");
    assert_string_equal(text(r, "TimeGenerated"), "2026-11-23T09:32:52.123Z");
    json_decref(r);
    /* zeroes that a power failure left in a file go through the spool, which is JSON without them */
    r = record_log(&source, bytes_make("\0\0x", 3));
    assert_string_equal(text(r, "RawData"), "\\x00\\x00x");
    json_decref(r);
    for (size_t i = 0; i + 1 < 100000; i += 2)
        memcpy(big + i, "\xc3\xa9", 2);
    r = record_log(&source, bytes_make(big + 1, 99999)); /* cut between characters */
    assert_memory_equal(text(r, "RawData"), "\\xa9\xc3\xa9", 6);
    assert_true(strlen(text(r, "RawData")) > 31990 && strlen(text(r, "RawData")) <= 32000);
    json_decref(r);
    r = record_log(&source, bytes_str("2020-01-02 03:04:05.678 INFO  x  y"));
    assert_string_equal(text(r, "TimeGenerated"), "2020-01-02T03:04:05.678Z");
    json_decref(r);
    free(big);
}

static void dialects(void **state)
{
    (void)state;
    struct node_stats n = {.block = 5, .syncing = true, .version = "v"};
    json_t *r = record_stats(&source, &n), *s = record_with_suffixes(r), *c = record_for_collector(r);
    assert_int_equal(json_integer_value(json_object_get(s, "BlockNumber_d")), 5);
    assert_true(json_is_true(json_object_get(s, "IsSyncing_b")));
    assert_string_equal(text(s, "ClientVersion_s"), "v");
    assert_non_null(text(s, "ListenerReceivedTimestamp_t"));
    assert_non_null(text(s, "TimeGenerated"));
    assert_null(json_object_get(c, "TimeGenerated"));
    assert_non_null(text(r, "TimeGenerated")); /* the record itself stays as it was */
    json_decref(r);
    json_decref(s);
    json_decref(c);
    r = record_log(&source, bytes_str("line"));
    c = record_for_collector(r);
    s = record_with_suffixes(r);
    assert_null(json_object_get(c, "RawData"));
    assert_string_equal(text(c, "Message"), "line");
    assert_non_null(text(c, "Timestamp"));
    assert_string_equal(text(s, "RawData"), "line");
    assert_string_equal(text(s, "Computer"), "vl-1");
    json_decref(r);
    json_decref(s);
    json_decref(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(amounts_are_exact_decimals),
        cmocka_unit_test(what_is_no_record_of_a_node_gives_none),
        cmocka_unit_test(a_block_of_another_client_has_author_or_miner),
        cmocka_unit_test(long_fields_are_cut_and_odd_bytes_made_text),
        cmocka_unit_test(dialects),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
