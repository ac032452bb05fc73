#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/rng.h"
#include "lib/eth/u256.h"

#include <cmocka.h>

static u256 hex(const char *s)
{
    u256 v;
    assert_int_equal(u256_get_hex(&v, bytes_str(s)), OK);
    return v;
}

static void assert_u256(u256 got, u256 want)
{
    char a[67], b[67];
    u256_put_hex(a, &got);
    u256_put_hex(b, &want);
    assert_string_equal(a, b);
}

/* a random number whose limbs are now full, now tiny, now at their edges, so that rare branches are met */
static u256 any(struct rng_seeded *r)
{
    u256 v;
    for (int i = 0; i < 4; i++) {
        switch (rng_below(r, 6)) {
        case 0: v.w[i] = 0; break;
        case 1: v.w[i] = UINT64_MAX; break;
        case 2: v.w[i] = rng_below(r, 4); break;
        case 3: v.w[i] = (uint64_t)1 << rng_below(r, 64); break;
        default: v.w[i] = rng_next(r); break;
        }
    }
    for (uint64_t n = rng_below(r, 8); n > 4; n--) v.w[n - 4] = 0;
    return v;
}

/* --- naive second versions: bit by bit */
static u256 naive_mulmod_bits(u256 a, u256 b, u256 m)
{
    u256 r = U256_ZERO;
    if (u256_is_zero(&m)) return r;
    for (int i = 255; i >= 0; i--) {
        for (int k = 0; k < 2; k++) { /* r = 2r, then r + a */
            if (k == 1 && !((b.w[i / 64] >> (i % 64)) & 1)) break;
            u256 s;
            u256 x = k == 0 ? r : a;
            const bool c = u256_add_carry(&s, &r, &x);
            if (c || !u256_lt(&s, &m)) s = u256_sub(s, m);
            r = s;
        }
    }
    return r;
}

static void naive_divmod(u256 *q, u256 *r, u256 a, u256 b)
{
    *q = *r = U256_ZERO;
    if (u256_is_zero(&b)) return;
    for (int i = 255; i >= 0; i--) {
        const bool top = r->w[3] >> 63;
        *r = u256_add(*r, *r);
        r->w[0] |= (a.w[i / 64] >> (i % 64)) & 1;
        if (top || !u256_lt(r, &b)) {
            *r = u256_sub(*r, b);
            q->w[i / 64] |= (uint64_t)1 << (i % 64);
        }
    }
}

static void u256_divmod_agrees_with_long_division(void **state)
{
    (void)state;
    struct rng_seeded r;
    rng_seed(&r, 1);
    for (int i = 0; i < 20000; i++) {
        const u256 a = any(&r), b = any(&r);
        u256 q, m, q2, m2;
        u256_divmod(&q, &m, a, b);
        naive_divmod(&q2, &m2, a, b);
        assert_u256(q, q2);
        assert_u256(m, m2);
    }
}

static void u256_mul_agrees_with_the_whole_product(void **state)
{
    (void)state;
    struct rng_seeded r;
    rng_seed(&r, 2);
    for (int i = 0; i < 20000; i++) {
        const u256 a = any(&r), b = any(&r);
        u256 p;
        const bool over = u256_mul_overflow(&p, a, b);
        assert_u256(u256_mul(a, b), p);
        u256 q;
        u256_divmod(&q, NULL, U256_MAX, a);
        assert_int_equal(over, !u256_is_zero(&a) && u256_lt(&q, &b));
    }
}

static void u256_addmod_and_mulmod_agree_with_bitwise_versions(void **state)
{
    (void)state;
    struct rng_seeded r;
    rng_seed(&r, 3);
    for (int i = 0; i < 4000; i++) {
        const u256 a = any(&r), b = any(&r), m = any(&r);
        u256 ar, br;
        u256_divmod(NULL, &ar, a, m);
        u256_divmod(NULL, &br, b, m);
        assert_u256(u256_mulmod(a, b, m), naive_mulmod_bits(ar, b, m));
        u256 s;
        const bool c = u256_add_carry(&s, &ar, &br);
        if (!u256_is_zero(&m) && (c || !u256_lt(&s, &m))) s = u256_sub(s, m);
        if (u256_is_zero(&m)) s = U256_ZERO;
        assert_u256(u256_addmod(a, b, m), s);
    }
}

static void u256_division_by_zero_is_zero(void **state)
{
    (void)state;
    u256 q = U256_ONE, m = U256_ONE;
    u256_divmod(&q, &m, u256_from_u64(5), U256_ZERO);
    assert_true(u256_is_zero(&q) && u256_is_zero(&m));
    assert_u256(u256_sdiv(U256_MAX, U256_ZERO), U256_ZERO);
    assert_u256(u256_smod(U256_MAX, U256_ZERO), U256_ZERO);
    assert_u256(u256_addmod(U256_MAX, U256_MAX, U256_ZERO), U256_ZERO);
    assert_u256(u256_mulmod(U256_MAX, U256_MAX, U256_ZERO), U256_ZERO);
}

static void u256_signed_division_truncates_towards_zero(void **state)
{
    (void)state;
    const u256 m7 = u256_sub(U256_ZERO, u256_from_u64(7)), m3 = u256_sub(U256_ZERO, u256_from_u64(3));
    const u256 m2 = u256_sub(U256_ZERO, u256_from_u64(2)), m1 = U256_MAX;
    assert_u256(u256_sdiv(m7, u256_from_u64(3)), m2);
    assert_u256(u256_sdiv(u256_from_u64(7), m3), m2);
    assert_u256(u256_sdiv(m7, m3), u256_from_u64(2));
    assert_u256(u256_smod(m7, u256_from_u64(3)), m1);
    assert_u256(u256_smod(u256_from_u64(7), m3), U256_ONE);
    const u256 min = u256_shl(U256_ONE, 255);
    assert_u256(u256_sdiv(min, m1), min); /* the one overflow */
}

static void u256_shifts_agree_with_doubling_and_halving(void **state)
{
    (void)state;
    struct rng_seeded r;
    rng_seed(&r, 4);
    for (int i = 0; i < 200; i++) {
        const u256 a = any(&r);
        u256 l = a, h = a, s = a;
        for (uint64_t n = 0; n <= 260; n++) {
            assert_u256(u256_shl(a, n), l);
            assert_u256(u256_shr(a, n), h);
            assert_u256(u256_sar(a, n), s);
            l = u256_add(l, l);
            u256_divmod(&h, NULL, h, u256_from_u64(2));
            const bool neg = s.w[3] >> 63;
            u256_divmod(&s, NULL, s, u256_from_u64(2));
            if (neg) s.w[3] |= (uint64_t)1 << 63;
        }
        assert_u256(u256_shl(a, UINT64_MAX), U256_ZERO);
    }
}

static void u256_exp_is_repeated_multiplication(void **state)
{
    (void)state;
    struct rng_seeded r;
    rng_seed(&r, 5);
    for (int i = 0; i < 50; i++) {
        const u256 a = i == 0 ? u256_from_u64(2) : any(&r);
        u256 p = U256_ONE;
        for (uint64_t n = 0; n < 70; n++) {
            assert_u256(u256_exp(a, u256_from_u64(n)), p);
            p = u256_mul(p, a);
        }
    }
    assert_u256(u256_exp(U256_ZERO, U256_ZERO), U256_ONE);
    assert_u256(u256_exp(u256_from_u64(3), U256_MAX),
                hex("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"));
}

static void u256_text_round_trips(void **state)
{
    (void)state;
    struct rng_seeded r;
    rng_seed(&r, 6);
    for (int i = 0; i < 2000; i++) {
        const u256 a = any(&r);
        char h[67], d[79];
        u256 b;
        const size_t n_h = u256_put_hex(h, &a), n_d = u256_put_dec(d, &a);
        assert_int_equal(n_h, strlen(h));
        assert_int_equal(n_d, strlen(d));
        assert_int_equal(u256_get_hex(&b, bytes_str(h)), OK);
        assert_true(u256_eq(&a, &b));
        assert_int_equal(u256_get_dec(&b, bytes_str(d)), OK);
        assert_true(u256_eq(&a, &b));
        uint8_t be[32];
        u256_to_be(be, &a);
        assert_int_equal(u256_get_be(&b, bytes_make(be, 32)), OK);
        assert_true(u256_eq(&a, &b));
    }
    char d[79];
    assert_int_equal(u256_put_dec(d, &U256_MAX), 78);
    assert_string_equal(d, "115792089237316195423570985008687907853269984665640564039457584007913129639935");
    assert_int_equal(u256_put_dec(d, &U256_ZERO), 1);
    assert_string_equal(d, "0");
    const u256 e19 = u256_from_u64(10000000000000000000u);
    u256_put_dec(d, &e19);
    assert_string_equal(d, "10000000000000000000");
}

static void u256_get_rejects_bad_text_and_leaves_the_output_alone(void **state)
{
    (void)state;
    u256 v = u256_from_u64(77);
    assert_int_equal(u256_get_hex(&v, bytes_str("0x")), E_DECODE);
    assert_int_equal(u256_get_hex(&v, bytes_str("")), E_DECODE);
    assert_int_equal(u256_get_hex(&v, bytes_str("0x1g")), E_DECODE);
    assert_int_equal(u256_get_hex(&v, bytes_str("0x10000000000000000000000000000000000000000000000000000000000000000")),
                     E_LIMIT);
    assert_int_equal(u256_get_dec(&v, bytes_str("")), E_DECODE);
    assert_int_equal(u256_get_dec(&v, bytes_str("-1")), E_DECODE);
    assert_int_equal(u256_get_dec(&v, bytes_str("115792089237316195423570985008687907853269984665640564039457584007913129639936")),
                     E_LIMIT);
    uint8_t be[33] = {0};
    assert_int_equal(u256_get_be(&v, bytes_make(be, 33)), E_LIMIT);
    assert_int_equal(v.w[0], 77);
    assert_int_equal(u256_get_hex(&v, bytes_str("0x0000000000000000000000000000000000000000000000000000000000000000000a")), OK);
    assert_int_equal(v.w[0], 10);
}

static void u256_bit_len_counts_from_the_highest_bit(void **state)
{
    (void)state;
    assert_int_equal(u256_bit_len(&U256_ZERO), 0);
    for (unsigned i = 0; i < 256; i++) {
        const u256 a = u256_shl(U256_ONE, i);
        assert_int_equal(u256_bit_len(&a), i + 1);
        assert_int_equal(u256_byte_len(&a), i / 8 + 1);
    }
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(u256_divmod_agrees_with_long_division),
        cmocka_unit_test(u256_mul_agrees_with_the_whole_product),
        cmocka_unit_test(u256_addmod_and_mulmod_agree_with_bitwise_versions),
        cmocka_unit_test(u256_division_by_zero_is_zero),
        cmocka_unit_test(u256_signed_division_truncates_towards_zero),
        cmocka_unit_test(u256_shifts_agree_with_doubling_and_halving),
        cmocka_unit_test(u256_exp_is_repeated_multiplication),
        cmocka_unit_test(u256_text_round_trips),
        cmocka_unit_test(u256_get_rejects_bad_text_and_leaves_the_output_alone),
        cmocka_unit_test(u256_bit_len_counts_from_the_highest_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
