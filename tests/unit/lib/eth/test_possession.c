#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/crypto/secp256k1.h"
#include "lib/eth/possession.h"

#include <cmocka.h>

static secret32 key;
static struct possession p;

static json_t *proof(void)
{
    uint8_t pub[64], sig[65];
    json_t *doc = NULL;
    for (size_t i = 0; i < sizeof key.b; i++)
        key.b[i] = (uint8_t)(i + 1);
    assert_int_equal(ec_public(pub, &key), OK);
    p = (struct possession){.chain_id = 77, .genesis = {{1}}, .challenge = {{2}}, .time_ms = 1800000000000, .block = 12};
    ec_address(p.validator.b, pub);
    hash32 digest = possession_digest(&p);
    assert_int_equal(ec_sign(sig, digest.b, &key), OK);
    assert_int_equal(possession_put_json(&doc, &p, sig), OK);
    return doc;
}

static void a_proof_of_the_key_is_taken_and_says_what_was_signed(void **state)
{
    (void)state;
    json_t *doc = proof();
    struct possession got;
    assert_int_equal(possession_check_json(&got, doc, &p.validator, &p.challenge, NULL), OK);
    assert_true(got.chain_id == 77 && got.time_ms == p.time_ms && got.block == 12 && !got.is_syncing && hash_eq(&got.genesis, &p.genesis));
    json_decref(doc);
}

static void every_changed_member_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *key, *json;
        enum status want;
    } t[] = {
        {"address", "\"0x00000000000000000000000000000000000000aa\"", E_CONFLICT},
        {"challenge", "\"0x0300000000000000000000000000000000000000000000000000000000000000\"", E_CONFLICT},
        {"genesisHash", "\"0x0300000000000000000000000000000000000000000000000000000000000000\"", E_CRYPTO},
        {"chainId", "78", E_CRYPTO},
        {"timeMs", "1800000000001", E_CRYPTO},
        {"block", "13", E_CRYPTO},
        {"syncing", "true", E_CRYPTO},
        {"address", "5", E_DECODE},
        {"address", "\"0xaa\"", E_DECODE},
        {"signature", "\"0x\"", E_DECODE},
        {"signature", "null", E_DECODE},
        {"timeMs", "-1", E_DECODE},
        {"timeMs", "\"12\"", E_DECODE},
        {"block", "null", E_DECODE},
        {"syncing", "0", E_DECODE},
        {"genesisHash", "\"0x00\"", E_DECODE},
    };
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        json_t *doc = proof();
        struct possession got = {.block = 99};
        struct err err = {0};
        json_object_set_new(doc, t[i].key, json_loads(t[i].json, JSON_DECODE_ANY, NULL));
        if (possession_check_json(&got, doc, &p.validator, &p.challenge, &err) != t[i].want) fail_msg("%s = %s: %s", t[i].key, t[i].json, err.text);
        assert_true(got.block == 99 && err.text[0] != '\0');
        json_decref(doc);
    }
    struct possession got;
    assert_int_equal(possession_check_json(&got, NULL, &p.validator, &p.challenge, NULL), E_DECODE);
}

static void another_key_proves_nothing(void **state)
{
    (void)state;
    json_t *doc = proof();
    uint8_t sig[65];
    char text[133] = "0x";
    struct possession got;
    secret32 other = key;
    other.b[31] ^= 1;
    hash32 digest = possession_digest(&p);
    assert_int_equal(ec_sign(sig, digest.b, &other), OK);
    for (size_t i = 0; i < 65; i++)
        (void)snprintf(text + 2 + 2 * i, 3, "%02x", sig[i]);
    json_object_set_new(doc, "signature", json_string(text));
    assert_int_equal(possession_check_json(&got, doc, &p.validator, &p.challenge, NULL), E_CRYPTO);
    json_decref(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_proof_of_the_key_is_taken_and_says_what_was_signed),
        cmocka_unit_test(every_changed_member_is_refused),
        cmocka_unit_test(another_key_proves_nothing),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
