#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/file.h"
#include "lib/codec/hex.h"
#include "lib/crypto/keystore.h"
#include "lib/crypto/secp256k1.h"

#include <jansson.h>

#include <cmocka.h>

static void unhex(uint8_t *dst, size_t len, const char *hex)
{
    assert_int_equal(hex_get_fixed(dst, len, bytes_str(hex)), OK);
}

static void a_key_comes_back_under_its_password_only(void **state)
{
    (void)state;
    secret32 key, got = {{0}};
    struct err err;
    struct buf json;
    buf_init(&json, 4096);
    ec_secret_generate(&key);
    assert_int_equal(keystore_put(&json, &key, BYTES_LIT("correct horse"), KEYSTORE_COST_LIGHT),
                     OK);
    assert_int_equal(keystore_get(&got, buf_view(&json), BYTES_LIT("correct horsf"), &err),
                     E_DENIED);
    assert_int_equal(got.b[0] | got.b[31], 0);
    assert_int_equal(keystore_get(&got, buf_view(&json), BYTES_LIT("correct horse"), &err), OK);
    assert_memory_equal(got.b, key.b, 32);

    /* every field that v3 names, in the form it names */
    json_t *root = json_loadb((const char *)json.ptr, json.len, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(root, "version")), 3);
    uint8_t pub[64], addr[20], want[20];
    assert_int_equal(ec_public(pub, &key), OK);
    ec_address(want, pub);
    unhex(addr, 20, json_string_value(json_object_get(root, "address")));
    assert_memory_equal(addr, want, 20);
    const char *id = json_string_value(json_object_get(root, "id"));
    assert_int_equal(strlen(id), 36);
    assert_int_equal(id[14], '4');
    assert_int_equal(json_integer_value(json_object_get(
                         json_object_get(json_object_get(root, "crypto"), "kdfparams"), "n")),
                     4096);
    json_decref(root);
    buf_fini(&json);
}

static void keystore_put_refuses_a_key_that_is_none(void **state)
{
    (void)state;
    secret32 zero = {{0}};
    struct buf json;
    buf_init(&json, 4096);
    assert_int_equal(keystore_put(&json, &zero, BYTES_LIT("x"), KEYSTORE_COST_LIGHT), E_INVALID);
    assert_int_equal(json.len, 0);
    buf_fini(&json);
}

/* The document "python_generated_test_with_odd_iv" of the official tests, changed field by field below. */
static json_t *good(void)
{
    return json_pack("{s:i, s:{s:s, s:{s:s}, s:s, s:s, s:{s:i, s:i, s:s, s:s}, s:s}}", "version", 3,
                     "crypto", "cipher", "aes-128-ctr", "cipherparams", "iv",
                     "514ccc8c4fb3e60e5538e0cf1e27c233", "ciphertext",
                     "ee75456c006b1e468133c5d2a916bacd3cf515ced4d9b021b5c59978007d1e87", "kdf",
                     "pbkdf2", "kdfparams", "dklen", 32, "c", 262144, "prf", "hmac-sha256", "salt",
                     "504490577620f64f43d73f29479c2cf0", "mac",
                     "196815708465de9af7504144a1360d08874fc3c30bb0e648ce88fbc36830d35d");
}

static enum status open_json(secret32 *key, json_t *doc, struct err *err)
{
    char *text = json_dumps(doc, 0);
    enum status s = keystore_get(key, bytes_str(text), BYTES_LIT("foo"), err);
    free(text);
    return s;
}

static void keystore_get_names_the_field_that_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *where, *field, *value; /* value: JSON text, NULL to remove the field */
        enum status want;
    } rows[] = {
        {"", "version", "1", E_DECODE},
        {"", "version", "\"3\"", E_DECODE},
        {"", "version", NULL, E_DECODE},
        {"", "crypto", NULL, E_DECODE},
        {"", "crypto", "[]", E_DECODE},
        {"", "address", "\"00\"", E_DECODE},
        {"", "address", "\"0x0000000000000000000000000000000000000001\"", E_DECODE},
        {"crypto", "cipher", "\"aes-256-gcm\"", E_DECODE},
        {"crypto", "cipher", NULL, E_DECODE},
        {"crypto", "ciphertext", "\"\"", E_DECODE},
        {"crypto", "ciphertext", "\"zz\"", E_DECODE},
        {"crypto", "ciphertext", "\"abc\"", E_DECODE},
        {"crypto", "ciphertext",
         "\"ee75456c006b1e468133c5d2a916bacd3cf515ced4d9b021b5c59978007d1e8700\"", E_DECODE},
        {"crypto", "mac", "\"1968\"", E_DECODE},
        {"crypto", "mac", "\"196815708465de9af7504144a1360d08874fc3c30bb0e648ce88fbc36830d35e\"",
         E_DENIED},
        {"crypto", "kdf", "\"argon2\"", E_DECODE},
        {"crypto", "kdf", "7", E_DECODE},
        {"crypto", "kdf", "\"scrypt\"", E_DECODE},
        {"crypto", "kdfparams", "null", E_DECODE},
        {"crypto", "cipherparams", NULL, E_DECODE},
        {"cipherparams", "iv", "\"514c\"", E_DECODE},
        {"kdfparams", "prf", "\"hmac-sha512\"", E_DECODE},
        {"kdfparams", "c", "0", E_DECODE},
        {"kdfparams", "c", "-1", E_DECODE},
        {"kdfparams", "c", "1.5", E_DECODE},
        {"kdfparams", "c", "4000000000", E_LIMIT},
        {"kdfparams", "c", "9000000000000", E_LIMIT},
        {"kdfparams", "dklen", "31", E_DECODE},
        {"kdfparams", "dklen", "65", E_DECODE},
        {"kdfparams", "salt", "5", E_DECODE},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        json_t *doc = good(), *at = doc;
        if (*rows[i].where != 0) at = json_object_get(doc, "crypto");
        if (*rows[i].where != 0 && strcmp(rows[i].where, "crypto") != 0)
            at = json_object_get(at, rows[i].where);
        if (rows[i].value == NULL)
            json_object_del(at, rows[i].field);
        else
            json_object_set_new(at, rows[i].field,
                                json_loads(rows[i].value, JSON_DECODE_ANY, NULL));
        secret32 key = {{0xaa}}, untouched = key;
        struct err err = {0};
        assert_int_equal(open_json(&key, doc, &err), rows[i].want);
        if (rows[i].want == E_DECODE &&
            strcmp(rows[i].value != NULL ? rows[i].value : "", "\"scrypt\"") != 0)
            assert_non_null(strstr(err.text, rows[i].field));
        assert_memory_equal(key.b, untouched.b, 32);
        json_decref(doc);
    }
}

static void keystore_get_rejects_what_is_no_json_object(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "", "{", "[]", "3", "null", "{} x", "{\"version\":3,\"version\":3}"};
    secret32 key;
    struct err err;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_int_equal(keystore_get(&key, bytes_str(texts[i]), BYTES_LIT("x"), &err), E_DECODE);
    assert_int_equal(keystore_get(&key, BYTES_EMPTY, BYTES_LIT("x"), NULL), E_DECODE);
}

/* Scrypt parameters as an attacker would send them: refused before any memory is taken. */
static void keystore_get_bounds_the_cost_of_scrypt(void **state)
{
    (void)state;
    json_t *doc = good(), *crypto = json_object_get(doc, "crypto");
    json_object_set_new(crypto, "kdf", json_string("scrypt"));
    json_object_set_new(crypto, "kdfparams",
                        json_pack("{s:i, s:I, s:i, s:i, s:s}", "dklen", 32, "n",
                                  (json_int_t)1 << 30, "r", 8, "p", 1, "salt", "00"));
    secret32 key;
    struct err err;
    assert_int_equal(open_json(&key, doc, &err), E_LIMIT);
    json_object_set_new(json_object_get(crypto, "kdfparams"), "n", json_integer(1000));
    assert_int_equal(open_json(&key, doc, &err), E_DECODE);
    json_decref(doc);
}

static void the_official_documents_open(void **state)
{
    (void)state;
    const char *root = getenv("POA_VECTORS");
    char command[4096];
    (void)snprintf(command, sizeof(command),
                   "tar -xJOf '%s/ethereum-tests.tar.xz' --occurrence=1 "
                   "ethereum-tests/KeyStoreTests/basic_tests.json 2>/dev/null",
                   root != NULL ? root : "../shared/vectors");
    FILE *in = popen(command, "r");
    json_t *cases = in != NULL ? json_loadf(in, 0, NULL) : NULL;
    if (in != NULL) pclose(in);
    if (cases == NULL) skip();
    const char *name;
    json_t *one;
    size_t n = 0;
    json_object_foreach(cases, name, one)
    {
        secret32 key, want;
        struct err err = {0};
        char *text = json_dumps(json_object_get(one, "json"), 0);
        unhex(want.b, 32, json_string_value(json_object_get(one, "priv")));
        assert_int_equal(
            keystore_get(&key, bytes_str(text),
                         bytes_str(json_string_value(json_object_get(one, "password"))), &err),
            OK);
        assert_memory_equal(key.b, want.b, 32);
        free(text);
        n++;
    }
    assert_true(n >= 5);
    json_decref(cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_comes_back_under_its_password_only),
        cmocka_unit_test(keystore_put_refuses_a_key_that_is_none),
        cmocka_unit_test(keystore_get_names_the_field_that_is_wrong),
        cmocka_unit_test(keystore_get_rejects_what_is_no_json_object),
        cmocka_unit_test(keystore_get_bounds_the_cost_of_scrypt),
        cmocka_unit_test(the_official_documents_open),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
