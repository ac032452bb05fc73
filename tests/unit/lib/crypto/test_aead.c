#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/rng.h"
#include "lib/codec/hex.h"
#include "lib/crypto/aead.h"

#include <cmocka.h>

static void unhex(uint8_t *dst, size_t len, const char *hex)
{
    assert_int_equal(hex_get_fixed(dst, len, bytes_str(hex)), OK);
}

static void sha256_gives_the_digests_of_fips_180(void **state)
{
    (void)state;
    uint8_t got[32], want[32];
    sha256(got, "abc", 3);
    unhex(want, 32, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_memory_equal(got, want, 32);
    sha256(got, NULL, 0);
    unhex(want, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_memory_equal(got, want, 32);
}

static void hmac_sha256_gives_the_digests_of_rfc_4231(void **state)
{
    (void)state;
    uint8_t key[20], got[32], want[32];
    memset(key, 0x0b, 20);
    hmac_sha256(got, bytes_make(key, 20), BYTES_LIT("Hi There"));
    unhex(want, 32, "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    assert_memory_equal(got, want, 32);
    hmac_sha256(got, BYTES_LIT("Jefe"), BYTES_LIT("what do ya want for nothing?"));
    unhex(want, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    assert_memory_equal(got, want, 32);
    hmac_sha256(got, BYTES_EMPTY, BYTES_EMPTY);
    unhex(want, 32, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
    assert_memory_equal(got, want, 32);
}

/* NIST SP 800-38A, F.5.1 and F.5.5 */
static void aes_ctr_xor_gives_the_text_of_sp_800_38a(void **state)
{
    (void)state;
    uint8_t key[32], iv[16], plain[64], got[64], want[64];
    unhex(iv, 16, "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
    unhex(plain, 64,
          "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
          "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710");
    unhex(key, 16, "2b7e151628aed2a6abf7158809cf4f3c");
    unhex(want, 64,
          "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"
          "5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee");
    assert_int_equal(aes_ctr_xor(got, bytes_make(plain, 64), bytes_make(key, 16), iv), OK);
    assert_memory_equal(got, want, 64);
    unhex(key, 32, "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4");
    unhex(want, 64,
          "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5"
          "2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6");
    memcpy(got, plain, 64);
    assert_int_equal(aes_ctr_xor(got, bytes_make(got, 64), bytes_make(key, 32), iv), OK);
    assert_memory_equal(got, want, 64);
    assert_int_equal(aes_ctr_xor(got, bytes_make(got, 64), bytes_make(key, 24), iv), E_INVALID);

    struct stream_cipher *c = NULL;
    assert_int_equal(stream_cipher_new(&c, key, iv), OK);
    stream_cipher_xor(c, got, plain, 5);
    stream_cipher_xor(c, got + 5, plain + 5, 30);
    stream_cipher_xor(c, got + 35, plain + 35, 29);
    stream_cipher_free(c);
    assert_memory_equal(got, want, 64);
}

static void aes256_ecb_block_gives_the_block_of_fips_197(void **state)
{
    (void)state;
    uint8_t key[32], block[16], want[16];
    unhex(key, 32, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
    unhex(block, 16, "00112233445566778899aabbccddeeff");
    unhex(want, 16, "8ea2b7ca516745bfeafc49904b496089");
    aes256_ecb_block(block, block, key);
    assert_memory_equal(block, want, 16);
}

static void aead_open_gives_back_what_was_sealed_and_nothing_else(void **state)
{
    (void)state;
    secret32 key;
    rng_fill(key.b, 32);
    for (size_t len = 0; len < 70; len += 23) {
        uint8_t plain[70];
        rng_fill(plain, sizeof(plain));
        struct buf sealed, opened;
        buf_init(&sealed, 1000);
        buf_init(&opened, 1000);
        assert_int_equal(aead_seal(&sealed, &key, bytes_make(plain, len), BYTES_LIT("place")), OK);
        assert_int_equal(sealed.len, len + 28);
        assert_int_equal(aead_open(&opened, &key, buf_view(&sealed), BYTES_LIT("place")), OK);
        assert_true(bytes_eq(buf_view(&opened), bytes_make(plain, len)));
        buf_clear(&opened);
        assert_int_equal(aead_open(&opened, &key, buf_view(&sealed), BYTES_LIT("plac")), E_CRYPTO);
        for (size_t at = 0; at < sealed.len; at++) {
            sealed.ptr[at] ^= 1;
            assert_int_equal(aead_open(&opened, &key, buf_view(&sealed), BYTES_LIT("place")),
                             E_CRYPTO);
            sealed.ptr[at] ^= 1;
        }
        for (size_t cut = 0; cut < sealed.len; cut++)
            assert_int_equal(
                aead_open(&opened, &key, bytes_make(sealed.ptr, cut), BYTES_LIT("place")),
                E_CRYPTO);
        key.b[0] ^= 1;
        assert_int_equal(aead_open(&opened, &key, buf_view(&sealed), BYTES_LIT("place")), E_CRYPTO);
        assert_int_equal(opened.len, 0);
        key.b[0] ^= 1;
        buf_fini(&sealed);
        buf_fini(&opened);
    }
}

static void aead_seal_says_when_the_buffer_is_too_small(void **state)
{
    (void)state;
    secret32 key = {{1}};
    struct buf out;
    buf_init(&out, 30);
    assert_int_equal(aead_seal(&out, &key, BYTES_LIT("three"), BYTES_EMPTY), E_LIMIT);
    assert_int_equal(out.len, 0);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha256_gives_the_digests_of_fips_180),
        cmocka_unit_test(hmac_sha256_gives_the_digests_of_rfc_4231),
        cmocka_unit_test(aes_ctr_xor_gives_the_text_of_sp_800_38a),
        cmocka_unit_test(aes256_ecb_block_gives_the_block_of_fips_197),
        cmocka_unit_test(aead_open_gives_back_what_was_sealed_and_nothing_else),
        cmocka_unit_test(aead_seal_says_when_the_buffer_is_too_small),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
