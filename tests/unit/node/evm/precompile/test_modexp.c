#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/bn.h>

#include "lib/base/rng.h"
#include "node/evm/precompile/precompile.h"

#include <cmocka.h>

static void unhex(uint8_t *dst, size_t len, const char *hex)
{
    assert_int_equal(strlen(hex), 2 * len);
    for (size_t i = 0; i < len; i++) {
        unsigned v = 0;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &v), 1);
        dst[i] = (uint8_t)v;
    }
}

static void modexp_gives_the_results_of_eip_198(void **state)
{
    (void)state;
    uint8_t in[97 + 64] = {0}, want[32] = {0};
    struct buf out;
    buf_init(&out, 1000);
    /* 3^(p-1) mod p for the p of secp256k1 */
    in[31] = 1, in[63] = 32, in[95] = 32, in[96] = 3;
    unhex(in + 97, 32, "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2e");
    unhex(in + 129, 32, "fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f");
    want[31] = 1;
    assert_int_equal(pc_modexp_call(&out, BYTES_OF(in)), OK);
    assert_true(bytes_eq(buf_view(&out), BYTES_OF(want)));
    /* no base: 0^(p-1) */
    buf_clear(&out);
    in[31] = 0;
    memmove(in + 96, in + 97, 64);
    want[31] = 0;
    assert_int_equal(pc_modexp_call(&out, bytes_make(in, 160)), OK);
    assert_true(bytes_eq(buf_view(&out), BYTES_OF(want)));
    /* 3^0xffff mod 2^255 from call data that is short of the modulus' end */
    buf_clear(&out);
    memset(in, 0, sizeof(in));
    in[31] = 1, in[63] = 2, in[95] = 32, in[96] = 3, in[97] = 0xff, in[98] = 0xff, in[99] = 0x80;
    unhex(want, 32, "3b01b01ac41f2d6e917c6d6a221ce793802469026d9ab7578fa2e79e4da6aaab");
    assert_int_equal(pc_modexp_call(&out, bytes_make(in, 100)), OK);
    assert_true(bytes_eq(buf_view(&out), BYTES_OF(want)));
    buf_fini(&out);
}

static void modexp_call_bounds_the_lengths(void **state)
{
    (void)state;
    uint8_t in[96] = {0};
    struct buf out;
    buf_init(&out, 64);
    assert_int_equal(pc_modexp_call(&out, BYTES_EMPTY), OK);
    assert_int_equal(out.len, 0);
    memset(in + 32, 0xff, 32); /* an exponent of 2^256 - 1 bytes, no modulus: EIP-198's own case */
    assert_int_equal(pc_modexp_call(&out, BYTES_OF(in)), OK);
    assert_int_equal(out.len, 0);
    in[95] = 1;
    assert_int_equal(pc_modexp_call(&out, BYTES_OF(in)), E_INVALID);
    memset(in, 0, sizeof(in));
    in[90] = 1;
    assert_int_equal(pc_modexp_call(&out, BYTES_OF(in)), E_INVALID);
    in[90] = 0, in[95] = 65;
    assert_int_equal(pc_modexp_call(&out, BYTES_OF(in)), E_LIMIT);
    buf_clear(&out);
    in[95] = 33; /* a modulus that is not there is 0 */
    assert_int_equal(pc_modexp_call(&out, BYTES_OF(in)), OK);
    assert_int_equal(out.len, 33);
    for (size_t i = 0; i < 33; i++)
        assert_int_equal(out.ptr[i], 0);
    buf_fini(&out);
}

/* The second version: square and multiply with division, for any modulus. */
static void naive(uint8_t *out, bytes base, bytes exp, bytes mod)
{
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *b = BN_bin2bn(base.ptr, (int)base.len, NULL),
           *m = BN_bin2bn(mod.ptr, (int)mod.len, NULL), *r = BN_new();
    memset(out, 0, mod.len);
    if (!BN_is_zero(m)) {
        BN_one(r);
        BN_mod(r, r, m, ctx);
        for (size_t i = 0; i < 8 * exp.len; i++) {
            BN_mod_mul(r, r, r, m, ctx);
            if (exp.ptr[i / 8] >> (7 - i % 8) & 1) BN_mod_mul(r, r, b, m, ctx);
        }
        BN_bn2binpad(r, out, (int)mod.len);
    }
    BN_free(b), BN_free(m), BN_free(r);
    BN_CTX_free(ctx);
}

static void modexp_agrees_with_a_naive_version(void **state)
{
    (void)state;
    struct rng_seeded rng;
    rng_seed(&rng, 198);
    for (int turn = 0; turn < 3000; turn++) {
        uint8_t b[80], e[40], m[80], out[80], want[80];
        const size_t nb = rng_below(&rng, 70), ne = rng_below(&rng, 12),
                     nm = 1 + rng_below(&rng, turn % 3 ? 12 : 70);
        for (size_t i = 0; i < 80; i++) {
            b[i] = (uint8_t)rng_next(&rng);
            m[i] = (uint8_t)rng_next(&rng);
            if (i < 40) e[i] = (uint8_t)rng_next(&rng);
        }
        if (turn % 4 == 0) /* even moduli, powers of two, zero */
            for (size_t i = rng_below(&rng, nm + 1); i < nm; i++)
                m[i] = 0;
        if (turn % 16 == 1) memset(m, 0, nm - 1);
        if (turn % 32 == 0 && nm > 1)
            memset(m, 0, nm), m[rng_below(&rng, nm)] = (uint8_t)(1 << rng_below(&rng, 8));
        if (turn % 9 == 0) b[nb != 0 ? nb - 1 : 0] &= 0xf0;
        if (turn % 10 == 0) memset(e, 0, rng_below(&rng, 12));
        if (turn % 11 == 0) memset(b, 0, nb);
        assert_int_equal(pc_modexp(out, bytes_make(b, nb), bytes_make(e, ne), bytes_make(m, nm)),
                         OK);
        naive(want, bytes_make(b, nb), bytes_make(e, ne), bytes_make(m, nm));
        assert_memory_equal(out, want, nm);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(modexp_gives_the_results_of_eip_198),
        cmocka_unit_test(modexp_call_bounds_the_lengths),
        cmocka_unit_test(modexp_agrees_with_a_naive_version),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
