#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/rng.h"
#include "lib/codec/hex.h"
#include "lib/crypto/keccak.h"
#include "lib/crypto/secp256k1.h"

#include <cmocka.h>

static void unhex(uint8_t *dst, size_t len, const char *hex)
{
    assert_int_equal(hex_get_fixed(dst, len, bytes_str(hex)), OK);
}

#define N_HEX "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"

static void ec_public_of_one_is_the_generator(void **state)
{
    (void)state;
    secret32 one = {{0}};
    one.b[31] = 1;
    uint8_t pub[64], want[64], addr[20], want_addr[20];
    assert_int_equal(ec_public(pub, &one), OK);
    unhex(want, 64,
          "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
          "483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8");
    assert_memory_equal(pub, want, 64);
    ec_address(addr, pub);
    unhex(want_addr, 20, "7e5f4552091a69125d5dfcb7b8c2659029395bdf");
    assert_memory_equal(addr, want_addr, 20);
}

static void ec_secret_check_holds_the_range(void **state)
{
    (void)state;
    secret32 k = {{0}};
    uint8_t pub[64];
    assert_int_equal(ec_secret_check(&k), E_INVALID);
    assert_int_equal(ec_public(pub, &k), E_INVALID);
    unhex(k.b, 32, N_HEX);
    assert_int_equal(ec_secret_check(&k), E_INVALID);
    k.b[31]--;
    assert_int_equal(ec_secret_check(&k), OK);
    for (int i = 0; i < 20; i++) {
        ec_secret_generate(&k);
        assert_int_equal(ec_secret_check(&k), OK);
    }
}

/* EIP-155's own example: key 0x46.., signing hash, r and s. */
static void ec_sign_gives_the_signature_of_eip_155(void **state)
{
    (void)state;
    secret32 k;
    memset(k.b, 0x46, 32);
    uint8_t hash[32], sig[65], want[64], addr[20], want_addr[20];
    unhex(hash, 32, "daf5a779ae972f972197303d7b574746c7ef83eadac0f2791ad23db92e4c8e53");
    assert_int_equal(ec_sign(sig, hash, &k), OK);
    unhex(want, 64,
          "28ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276"
          "67cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83");
    assert_memory_equal(sig, want, 64);
    assert_int_equal(sig[64], 0);
    assert_true(ec_sig_is_valid_low_s(sig));
    assert_int_equal(ec_recover_address(addr, sig, hash), OK);
    unhex(want_addr, 20, "9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f");
    assert_memory_equal(addr, want_addr, 20);
}

static void ec_recover_finds_the_signer_also_from_high_s(void **state)
{
    (void)state;
    uint8_t n[32];
    unhex(n, 32, N_HEX);
    for (int turn = 0; turn < 50; turn++) {
        secret32 k;
        uint8_t hash[32], sig[65], pub[64], got[64];
        ec_secret_generate(&k);
        rng_fill(hash, 32);
        assert_int_equal(ec_public(pub, &k), OK);
        assert_int_equal(ec_sign(sig, hash, &k), OK);
        assert_true(ec_sig_is_valid_low_s(sig));
        assert_int_equal(ec_recover(got, sig, hash), OK);
        assert_memory_equal(got, pub, 64);
        int borrow = 0;
        for (int i = 31; i >= 0; i--) {
            int d = n[i] - sig[32 + i] - borrow;
            borrow = d < 0;
            sig[32 + i] = (uint8_t)d;
        }
        sig[64] ^= 1;
        assert_false(ec_sig_is_valid_low_s(sig));
        memset(got, 0, 64);
        assert_int_equal(ec_recover(got, sig, hash), OK);
        assert_memory_equal(got, pub, 64);
    }
}

static void ec_recover_rejects_what_is_no_signature(void **state)
{
    (void)state;
    uint8_t hash[32] = {7}, sig[65], good[65], pub[64], addr[20];
    secret32 k;
    memset(k.b, 9, 32);
    assert_int_equal(ec_sign(good, hash, &k), OK);
    memset(pub, 0xaa, 64);
    memset(addr, 0xaa, 20);
    for (int form = 0; form < 6; form++) {
        memcpy(sig, good, 65);
        if (form == 0) sig[64] = 4;
        if (form == 1) memset(sig, 0, 32);
        if (form == 2) memset(sig + 32, 0, 32);
        if (form == 3) unhex(sig, 32, N_HEX);
        if (form == 4) unhex(sig + 32, 32, N_HEX);
        if (form == 5) { /* x = 5 is on no point of the curve */
            memset(sig, 0, 32);
            sig[31] = 5;
        }
        assert_int_equal(ec_recover(pub, sig, hash), E_CRYPTO);
        assert_int_equal(ec_recover_address(addr, sig, hash), E_CRYPTO);
        if (form != 0 && form != 5) assert_false(ec_sig_is_valid_low_s(sig));
    }
    for (int i = 0; i < 64; i++)
        assert_int_equal(pub[i], 0xaa);
    for (int i = 0; i < 20; i++)
        assert_int_equal(addr[i], 0xaa);
}

static void ec_sign_refuses_a_bad_key(void **state)
{
    (void)state;
    secret32 zero = {{0}};
    uint8_t hash[32] = {1}, sig[65];
    assert_int_equal(ec_sign(sig, hash, &zero), E_INVALID);
}

static void ec_sig_is_valid_low_s_draws_the_line_at_half_the_order(void **state)
{
    (void)state;
    uint8_t sig[65] = {0};
    sig[31] = 1;
    unhex(sig + 32, 32, "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0");
    assert_true(ec_sig_is_valid_low_s(sig));
    sig[63]++;
    assert_false(ec_sig_is_valid_low_s(sig));
}

static void ec_sig_complete_finds_the_recid_and_makes_s_low(void **state)
{
    (void)state;
    uint8_t n[32], zero[64] = {0};
    unhex(n, 32, N_HEX);
    for (int round = 0; round < 64; round++) {
        secret32 key;
        uint8_t pub[64], addr[20], hash[32], sig[65], rs[64], got[65], before[65];
        ec_secret_generate(&key);
        rng_fill(hash, sizeof hash);
        assert_int_equal(ec_public(pub, &key), OK);
        ec_address(addr, pub);
        assert_int_equal(ec_sign(sig, hash, &key), OK);
        memcpy(rs, sig, 64);
        if (round % 2 == 1) { /* as a vault may answer: the high twin of s */
            int borrow = 0;
            for (int i = 31; i >= 0; i--) {
                int d = n[i] - sig[32 + i] - borrow;
                borrow = d < 0;
                rs[32 + i] = (uint8_t)(d + (borrow ? 256 : 0));
            }
        }
        assert_int_equal(ec_sig_complete(got, rs, hash, addr), OK);
        assert_memory_equal(got, sig, 65);
        memset(before, 0xaa, 65);
        memcpy(got, before, 65);
        hash[0] ^= 1;
        assert_int_equal(ec_sig_complete(got, rs, hash, addr), E_CRYPTO);
        hash[0] ^= 1;
        addr[19] ^= 1;
        assert_int_equal(ec_sig_complete(got, rs, hash, addr), E_CRYPTO);
        assert_int_equal(ec_sig_complete(got, zero, hash, addr), E_CRYPTO);
        memset(rs, 0xff, 64);
        assert_int_equal(ec_sig_complete(got, rs, hash, addr), E_CRYPTO);
        assert_memory_equal(got, before, 65);
    }
}

static void ec_dh_agrees_from_both_sides(void **state)
{
    (void)state;
    secret32 a, b;
    uint8_t pa[64], pb[64], xa[32], xb[32];
    ec_secret_generate(&a);
    ec_secret_generate(&b);
    assert_int_equal(ec_public(pa, &a), OK);
    assert_int_equal(ec_public(pb, &b), OK);
    assert_int_equal(ec_dh(xa, pb, &a), OK);
    assert_int_equal(ec_dh(xb, pa, &b), OK);
    assert_memory_equal(xa, xb, 32);
    /* with the secret 1 the shared x is the other's own */
    secret32 one = {{0}};
    one.b[31] = 1;
    assert_int_equal(ec_dh(xa, pb, &one), OK);
    assert_memory_equal(xa, pb, 32);
    pb[63] ^= 1;
    memset(xa, 0x55, 32);
    assert_int_equal(ec_dh(xa, pb, &a), E_CRYPTO);
    assert_int_equal(xa[0], 0x55);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ec_public_of_one_is_the_generator),
        cmocka_unit_test(ec_secret_check_holds_the_range),
        cmocka_unit_test(ec_sign_gives_the_signature_of_eip_155),
        cmocka_unit_test(ec_recover_finds_the_signer_also_from_high_s),
        cmocka_unit_test(ec_recover_rejects_what_is_no_signature),
        cmocka_unit_test(ec_sign_refuses_a_bad_key),
        cmocka_unit_test(ec_sig_is_valid_low_s_draws_the_line_at_half_the_order),
        cmocka_unit_test(ec_sig_complete_finds_the_recid_and_makes_s_low),
        cmocka_unit_test(ec_dh_agrees_from_both_sides),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
