/* field_priv.h: arithmetic in a prime field of FP_N 64-bit limbs, in Montgomery form (a is kept as a * 2^(64 FP_N) mod p, always
 * below p). A template: the including file's constants header defines FP_N, fp_p, fp_n0, fp_one, fp_r2, fp_p_minus_2 between
 * field_types_priv.h and this. The top limb of p must leave its two highest bits free. Nothing here is constant time:
 * precompiles see public data only. Results may be written over operands. */
#ifndef NODE_EVM_PRECOMPILE_FIELD_PRIV_H
#define NODE_EVM_PRECOMPILE_FIELD_PRIV_H

#include "node/evm/precompile/field_types_priv.h"

#if defined(__x86_64__)
#include <immintrin.h>
static inline unsigned char add_carry(unsigned char c, uint64_t a, uint64_t b, uint64_t *out)
{
    unsigned long long r;
    c = _addcarry_u64(c, a, b, &r);
    *out = r;
    return c;
}
static inline unsigned char sub_borrow(unsigned char c, uint64_t a, uint64_t b, uint64_t *out)
{
    unsigned long long r;
    c = _subborrow_u64(c, a, b, &r);
    *out = r;
    return c;
}
#else
static inline unsigned char add_carry(unsigned char c, uint64_t a, uint64_t b, uint64_t *out)
{
    uint128 t = (uint128)a + b + c;
    *out = (uint64_t)t;
    return (unsigned char)(t >> 64);
}
static inline unsigned char sub_borrow(unsigned char c, uint64_t a, uint64_t b, uint64_t *out)
{
    uint128 t = (uint128)a - b - c;
    *out = (uint64_t)t;
    return (unsigned char)(t >> 64 & 1);
}
#endif

#define UNROLL _Pragma("GCC unroll 8")

static inline bool fp_is_zero(const struct fp *a)
{
    uint64_t any = 0;
    UNROLL for (unsigned i = 0; i < FP_N; i++) any |= a->l[i];
    return any == 0;
}

static inline bool fp_eq(const struct fp *a, const struct fp *b)
{
    uint64_t any = 0;
    UNROLL for (unsigned i = 0; i < FP_N; i++) any |= a->l[i] ^ b->l[i];
    return any == 0;
}

/* r = t - p if that is not negative, else t; for t < 2p. */
static ALWAYS_INLINE void fp_reduce_once(struct fp *r, const uint64_t t[static FP_N])
{
    uint64_t s[FP_N];
    unsigned char borrow = 0;
    UNROLL for (unsigned i = 0; i < FP_N; i++) borrow = sub_borrow(borrow, t[i], fp_p.l[i], &s[i]);
    UNROLL for (unsigned i = 0; i < FP_N; i++) r->l[i] = borrow ? t[i] : s[i];
}

static ALWAYS_INLINE void fp_add(struct fp *r, const struct fp *a, const struct fp *b)
{
    uint64_t t[FP_N];
    unsigned char carry = 0;
    UNROLL for (unsigned i = 0; i < FP_N; i++) carry = add_carry(carry, a->l[i], b->l[i], &t[i]);
    fp_reduce_once(r, t);
}

static ALWAYS_INLINE void fp_double(struct fp *r, const struct fp *a)
{
    fp_add(r, a, a);
}

static ALWAYS_INLINE void fp_sub(struct fp *r, const struct fp *a, const struct fp *b)
{
    uint64_t t[FP_N];
    unsigned char borrow = 0, carry = 0;
    UNROLL for (unsigned i = 0; i < FP_N; i++) borrow = sub_borrow(borrow, a->l[i], b->l[i], &t[i]);
    const uint64_t mask = 0 - (uint64_t)borrow;
    UNROLL for (unsigned i = 0; i < FP_N; i++) carry = add_carry(carry, t[i], fp_p.l[i] & mask, &r->l[i]);
}

static inline void fp_neg(struct fp *r, const struct fp *a)
{
    const struct fp zero = {{0}};
    fp_sub(r, &zero, a);
}

/* Half of a: (a or a + p) / 2, whichever is even. */
static inline void fp_half(struct fp *r, const struct fp *a)
{
    const uint64_t mask = 0 - (a->l[0] & 1);
    uint64_t t[FP_N];
    unsigned char carry = 0;
    UNROLL for (unsigned i = 0; i < FP_N; i++) carry = add_carry(carry, a->l[i], fp_p.l[i] & mask, &t[i]);
    UNROLL for (unsigned i = 0; i + 1 < FP_N; i++) r->l[i] = t[i] >> 1 | t[i + 1] << 63;
    r->l[FP_N - 1] = t[FP_N - 1] >> 1;
}

/* Montgomery product, operand scanning (CIOS). As p leaves its top bit free, no step overflows into a further limb. */
static UNUSED HOT NOINLINE void fp_mul(struct fp *r, const struct fp *a, const struct fp *b)
{
    uint64_t t[FP_N] = {0};
    UNROLL for (unsigned i = 0; i < FP_N; i++)
    {
        const uint64_t bi = b->l[i];
        uint128 x = (uint128)a->l[0] * bi + t[0];
        const uint64_t m = (uint64_t)x * fp_n0;
        uint128 y = (uint128)m * fp_p.l[0] + (uint64_t)x;
        UNROLL for (unsigned j = 1; j < FP_N; j++)
        {
            x = (uint128)a->l[j] * bi + t[j] + (uint64_t)(x >> 64);
            y = (uint128)m * fp_p.l[j] + (uint64_t)x + (uint64_t)(y >> 64);
            t[j - 1] = (uint64_t)y;
        }
        t[FP_N - 1] = (uint64_t)(x >> 64) + (uint64_t)(y >> 64);
    }
    fp_reduce_once(r, t);
}

static inline void fp_sqr(struct fp *r, const struct fp *a)
{
    fp_mul(r, a, a);
}

/* r = a^e for e of n limbs, windows of four bits. */
static UNUSED void fp_pow(struct fp *r, const struct fp *a, const uint64_t *e, unsigned n)
{
    struct fp power[16], acc = fp_one;
    power[0] = fp_one;
    for (unsigned i = 1; i < 16; i++)
        fp_mul(&power[i], &power[i - 1], a);
    bool started = false;
    for (unsigned i = 16 * n; i-- > 0;) {
        if (started)
            for (unsigned j = 0; j < 4; j++)
                fp_sqr(&acc, &acc);
        const unsigned digit = e[i / 16] >> (4 * (i % 16)) & 15;
        if (digit == 0) continue;
        fp_mul(&acc, &acc, &power[digit]);
        started = true;
    }
    *r = acc;
}

/* r = 1/a, and 0 for 0. */
static UNUSED void fp_inv(struct fp *r, const struct fp *a)
{
    fp_pow(r, a, fp_p_minus_2.l, FP_N);
}

static UNUSED bool fp_is_canonical(const struct fp *plain)
{
    for (unsigned i = FP_N; i-- > 0;)
        if (plain->l[i] != fp_p.l[i]) return plain->l[i] < fp_p.l[i];
    return false;
}

/* From and to 8*FP_N big-endian bytes; ret false for a value that is not below p. */
static UNUSED bool fp_get_be(struct fp *r, const uint8_t src[static 8 * FP_N])
{
    struct fp plain;
    for (unsigned i = 0; i < FP_N; i++)
        plain.l[FP_N - 1 - i] = be64_get(src + 8 * i);
    if (!fp_is_canonical(&plain)) return false;
    fp_mul(r, &plain, &fp_r2);
    return true;
}

static inline void fp_to_plain(struct fp *r, const struct fp *a)
{
    const struct fp plain_one = {{1}};
    fp_mul(r, a, &plain_one);
}

static UNUSED void fp_put_be(uint8_t dst[static 8 * FP_N], const struct fp *a)
{
    struct fp plain;
    fp_to_plain(&plain, a);
    for (unsigned i = 0; i < FP_N; i++)
        be64_put(dst + 8 * i, plain.l[FP_N - 1 - i]);
}

#endif
