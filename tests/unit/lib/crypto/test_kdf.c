#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/codec/hex.h"
#include "lib/crypto/aead.h"
#include "lib/crypto/kdf.h"

#include <cmocka.h>

static void unhex(uint8_t *dst, size_t len, const char *hex)
{
    assert_int_equal(hex_get_fixed(dst, len, bytes_str(hex)), OK);
}

static void kdf_scrypt_gives_the_keys_of_rfc_7914(void **state)
{
    (void)state;
    uint8_t got[64], want[64];
    assert_int_equal(kdf_scrypt(got, 64, BYTES_EMPTY, BYTES_EMPTY, 16, 1, 1), OK);
    unhex(want, 64,
          "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
          "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906");
    assert_memory_equal(got, want, 64);
    assert_int_equal(kdf_scrypt(got, 64, BYTES_LIT("password"), BYTES_LIT("NaCl"), 1024, 8, 16),
                     OK);
    unhex(want, 64,
          "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
          "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640");
    assert_memory_equal(got, want, 64);
}

static void kdf_scrypt_refuses_what_is_no_cost_or_too_much_of_it(void **state)
{
    (void)state;
    uint8_t got[32] = {0x5a}, untouched[32] = {0x5a};
    const bytes pass = BYTES_LIT("p"), salt = BYTES_LIT("s");
    static const struct {
        uint64_t n;
        uint32_t r, p;
        enum status want;
    } rows[] = {
        {0, 8, 1, E_INVALID},        {1, 8, 1, E_INVALID},        {3, 8, 1, E_INVALID},
        {1024, 0, 1, E_INVALID},     {1024, 8, 0, E_INVALID},     {(1 << 16) + 1, 1, 1, E_INVALID},
        {1 << 22, 8, 1, E_LIMIT},    {1ull << 63, 8, 1, E_LIMIT}, {2, 1u << 31, 1, E_LIMIT},
        {1024, 8, 1 << 20, E_LIMIT}, {2, 8, UINT32_MAX, E_LIMIT},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(kdf_scrypt(got, 32, pass, salt, rows[i].n, rows[i].r, rows[i].p),
                         rows[i].want);
    assert_memory_equal(got, untouched, 32);
}

static void kdf_pbkdf2_gives_known_keys(void **state)
{
    (void)state;
    uint8_t got[64], want[64];
    /* RFC 7914, section 11 */
    assert_int_equal(kdf_pbkdf2_sha256(got, 64, BYTES_LIT("passwd"), BYTES_LIT("salt"), 1), OK);
    unhex(want, 64,
          "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
          "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783");
    assert_memory_equal(got, want, 64);
    assert_int_equal(kdf_pbkdf2_sha256(got, 64, BYTES_LIT("Password"), BYTES_LIT("NaCl"), 80000),
                     OK);
    unhex(want, 64,
          "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"
          "a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d");
    assert_memory_equal(got, want, 64);
    assert_int_equal(kdf_pbkdf2_sha256(got, 64, BYTES_LIT("p"), BYTES_LIT("s"), 0), E_INVALID);
    assert_int_equal(kdf_pbkdf2_sha256(got, 64, BYTES_LIT("p"), BYTES_LIT("s"), UINT32_MAX),
                     E_LIMIT);
    assert_memory_equal(got, want, 64);
}

static void kdf_concat_is_sha256_of_counter_and_secret(void **state)
{
    (void)state;
    uint8_t z[36] = {0}, got[80], block[32];
    for (unsigned i = 0; i < 32; i++)
        z[4 + i] = (uint8_t)(i * 7);
    kdf_concat_sha256(got, sizeof(got), bytes_make(z + 4, 32));
    z[3] = 1;
    sha256(block, z, 36);
    assert_memory_equal(got, block, 32);
    z[3] = 2;
    sha256(block, z, 36);
    assert_memory_equal(got + 32, block, 32);
    z[3] = 3;
    sha256(block, z, 36);
    assert_memory_equal(got + 64, block, 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kdf_scrypt_gives_the_keys_of_rfc_7914),
        cmocka_unit_test(kdf_scrypt_refuses_what_is_no_cost_or_too_much_of_it),
        cmocka_unit_test(kdf_pbkdf2_gives_known_keys),
        cmocka_unit_test(kdf_concat_is_sha256_of_counter_and_secret),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
