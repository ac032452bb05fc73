/* recover8.c: eight public keys at once out of signatures, in the lanes of AVX-512 with its 52-bit multipliers (IFMA). Verification only: times
 * depend on what is computed, and nothing here is secret.
 *
 * Q = u1 G + u2 R with u1 = -z / r, u2 = s / r (SEC 1, 4.1.6). All lanes walk the same path:
 *   - u2 is split by the curve's endomorphism into two halves of 130 bits, both made odd, so that their signed digits of 5 bits are odd and never
 *     zero (26 of each); R's odd multiples up to 31 R stand in a table with one common Z, so that every addition is a mixed one;
 *   - u1 is cut into two halves of 128 bits with signed digits of 10 bits over tables of multiples of G and of 2^128 G, made once;
 *   - an addition of equal or opposite points, which the formulas do not know, leaves Z = 0 for good: such a lane, like every other that is not
 *     plain, is left to libsecp256k1.
 *
 * A field element is five limbs of 52 bits. "Tight": limbs below 2^52, value below 2^260; every product wants tight factors and gives a value
 * below 2^256 + 2^76, which may be above p. Sums are made limb by limb and brought into form by carry(); differences add a multiple of p first,
 * one more than what is taken away needs. */
#include "lib/crypto/recover8.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <pthread.h>
#include <secp256k1.h>

__extension__ typedef unsigned __int128 u128_t;

#define LANES RECOVER8_N
#define IFMA __attribute__((target("avx512f,avx512dq,avx512vl,avx512ifma")))
#define IFMA_INLINE IFMA __attribute__((always_inline)) static inline
/* short loops over limbs must become straight-line code, or each limb goes through memory */
#if defined(__clang__)
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

enum { WINDOW = 5, DIGITS = 26, ODD = 16, G_WINDOW = 10, G_DIGITS = 13, G_ENTRIES = 512, LIMBS = 5 };
#define LIMB_MASK UINT64_C(0xfffffffffffff)
#define FOLD UINT64_C(0x1000003d1) /* 2^256 mod p */

/* without optimisation the intrinsics are macros with conversions of their own */
#pragma GCC diagnostic ignored "-Wsign-conversion"

typedef struct {
    __m512i l[LIMBS];
} fe;

typedef struct {
    uint64_t w[4]; /* little-endian */
} num;

struct affine {
    uint64_t x[LIMBS], y[LIMBS];
};

static struct affine *g_table; /* 1..512 times G, then times 2^128 G */

/* ------------------------------------------------------- numbers of one lane */

static const num N = {{UINT64_C(0xbfd25e8cd0364141), UINT64_C(0xbaaedce6af48a03b), UINT64_C(0xfffffffffffffffe), UINT64_C(0xffffffffffffffff)}};
static const num P = {{UINT64_C(0xfffffffefffffc2f), UINT64_C(0xffffffffffffffff), UINT64_C(0xffffffffffffffff), UINT64_C(0xffffffffffffffff)}};
/* 2^256 - n */
static const uint64_t N_FOLD[3] = {UINT64_C(0x402da1732fc9bebf), UINT64_C(0x4551231950b75fc4), 1};

static num num_get(const uint8_t be[static 32])
{
    num v;
    for (int i = 0; i < 4; i++) {
        uint64_t w = 0;
        for (int k = 0; k < 8; k++)
            w = w << 8 | be[8 * (3 - i) + k];
        v.w[i] = w;
    }
    return v;
}

static void num_put(uint8_t be[static 32], const num *v)
{
    for (int i = 0; i < 32; i++)
        be[i] = (uint8_t)(v->w[3 - i / 8] >> (8 * (7 - i % 8)));
}

static bool num_is_zero(const num *v)
{
    return (v->w[0] | v->w[1] | v->w[2] | v->w[3]) == 0;
}

static bool num_lt(const num *a, const num *b)
{
    UNROLL
    for (int i = 3; i >= 0; i--)
        if (a->w[i] != b->w[i]) return a->w[i] < b->w[i];
    return false;
}

static uint64_t num_add(num *out, const num *a, const num *b)
{
    u128_t c = 0;
    UNROLL
    for (int i = 0; i < 4; i++) {
        c += (u128_t)a->w[i] + b->w[i];
        out->w[i] = (uint64_t)c;
        c >>= 64;
    }
    return (uint64_t)c;
}

static uint64_t num_sub(num *out, const num *a, const num *b)
{
    uint64_t borrow = 0;
    UNROLL
    for (int i = 0; i < 4; i++) {
        const u128_t d = (u128_t)a->w[i] - b->w[i] - borrow;
        out->w[i] = (uint64_t)d;
        borrow = (uint64_t)(d >> 64) & 1;
    }
    return borrow;
}

/* out[0..na + nb) = a * b */
__attribute__((always_inline)) static inline void mul_wide(uint64_t *out, const uint64_t *a, int na, const uint64_t *b, int nb)
{
    UNROLL
    for (int i = 0; i < na + nb; i++)
        out[i] = 0;
    UNROLL
    for (int i = 0; i < na; i++) {
        uint64_t carry = 0;
        UNROLL
        for (int k = 0; k < nb; k++) {
            const u128_t t = (u128_t)a[i] * b[k] + out[i + k] + carry;
            out[i + k] = (uint64_t)t;
            carry = (uint64_t)(t >> 64);
        }
        out[i + nb] = carry;
    }
}

/* a * b mod n: what stands above 2^256 comes down times 2^256 mod n, of 129 bits, three times */
static num mul_n(const num *a, const num *b)
{
    uint64_t t[8], h[7], top[4];
    num r;
    mul_wide(t, a->w, 4, b->w, 4);
    mul_wide(h, t + 4, 4, N_FOLD, 3); /* below 2^385 */
    num low = {{t[0], t[1], t[2], t[3]}}, part = {{h[0], h[1], h[2], h[3]}};
    uint64_t carry = num_add(&low, &low, &part);
    uint64_t high[3] = {h[4], h[5], h[6]};
    for (int i = 0; i < 3 && carry != 0; i++)
        carry = __builtin_add_overflow(high[i], carry, &high[i]);
    uint64_t h2[6];
    mul_wide(h2, high, 3, N_FOLD, 3); /* high is below 2^130: below 2^259 */
    part = (num){{h2[0], h2[1], h2[2], h2[3]}};
    carry = num_add(&r, &low, &part);
    const uint64_t last = h2[4] + carry; /* a few */
    mul_wide(top, &last, 1, N_FOLD, 3);
    part = (num){{top[0], top[1], top[2], top[3]}};
    if (num_add(&r, &r, &part) != 0) {
        part = (num){{N_FOLD[0], N_FOLD[1], N_FOLD[2], 0}};
        (void)num_add(&r, &r, &part);
    }
    while (!num_lt(&r, &N))
        (void)num_sub(&r, &r, &N);
    return r;
}

/* a^(n - 2), four bits at a time */
static num inverse_n(const num *a)
{
    num table[16] = {{{1}}}, r = {{1}}, e, two = {{2}};
    (void)num_sub(&e, &N, &two);
    for (int i = 1; i < 16; i++)
        table[i] = mul_n(&table[i - 1], a);
    for (int i = 63; i >= 0; i--) {
        for (int k = 0; k < 4 && i != 63; k++)
            r = mul_n(&r, &r);
        r = mul_n(&r, &table[e.w[i / 16] >> (4 * (i % 16)) & 15]);
    }
    return r;
}

/* ------------------------------------------- the endomorphism's split of a scalar */

/* two's complement of 192 bits is room enough: |k| < 2^131 throughout */
typedef struct {
    uint64_t w[3];
} half;

static const half A1 = {{UINT64_C(0xe86c90e49284eb15), UINT64_C(0x3086d221a7d46bcd), 0}};
static const half B1_NEG = {{UINT64_C(0x6f547fa90abfe4c3), UINT64_C(0xe4437ed6010e8828), 0}};
static const half A2 = {{UINT64_C(0x57c1108d9d44cfd8), UINT64_C(0x14ca50f7a8e2f3f6), 1}};
/* 2^384 b2 / n and -2^384 b1 / n, rounded */
static const num G1 = {{UINT64_C(0xe893209a45dbb031), UINT64_C(0x3daa8a1471e8ca7f), UINT64_C(0xe86c90e49284eb15), UINT64_C(0x3086d221a7d46bcd)}};
static const num G2 = {{UINT64_C(0x1571b4ae8ac47f71), UINT64_C(0x221208ac9df506c6), UINT64_C(0x6f547fa90abfe4c4), UINT64_C(0xe4437ed6010e8828)}};

static half half_add(half a, half b)
{
    u128_t c = 0;
    for (int i = 0; i < 3; i++) {
        c += (u128_t)a.w[i] + b.w[i];
        a.w[i] = (uint64_t)c;
        c >>= 64;
    }
    return a;
}

static half half_neg(half a)
{
    const half one = {{1, 0, 0}};
    for (int i = 0; i < 3; i++)
        a.w[i] = ~a.w[i];
    return half_add(a, one);
}

static bool half_is_neg(const half *a)
{
    return a->w[2] >> 63 != 0;
}

/* the low 192 bits of a * b: enough, since the sum that they go into is small */
static half half_mul(const half *a, const half *b)
{
    half r = {{0}};
    for (int i = 0; i < 3; i++) {
        uint64_t carry = 0;
        for (int k = 0; i + k < 3; k++) {
            const u128_t t = (u128_t)a->w[i] * b->w[k] + r.w[i + k] + carry;
            r.w[i + k] = (uint64_t)t;
            carry = (uint64_t)(t >> 64);
        }
    }
    return r;
}

/* round(k g / 2^384) */
static half mul_shift(const num *k, const num *g)
{
    uint64_t t[8];
    mul_wide(t, k->w, 4, g->w, 4);
    half r = {{t[6], t[7], 0}};
    const half one = {{t[5] >> 63, 0, 0}};
    return half_add(r, one);
}

/* k = k1 + k2 lambda mod n, both odd: multiples of the lattice's vectors (a1, b1) and (a2, b2), whose parities are (1, 1) and (0, 1), set them right */
static void split(half *k1, half *k2, const num *k)
{
    const half c1 = mul_shift(k, &G1), c2 = mul_shift(k, &G2);
    half low = {{k->w[0], k->w[1], k->w[2]}};
    half r1 = half_add(low, half_neg(half_add(half_mul(&c1, &A1), half_mul(&c2, &A2))));
    half r2 = half_add(half_mul(&c1, &B1_NEG), half_neg(half_mul(&c2, &A1)));
    if ((r1.w[0] & 1) == 0) { /* (a1, b1) the way that keeps k1 small */
        const bool down = !half_is_neg(&r1);
        r1 = half_add(r1, down ? half_neg(A1) : A1);
        r2 = half_add(r2, down ? B1_NEG : half_neg(B1_NEG));
    }
    if ((r2.w[0] & 1) == 0) { /* (a2, b2) */
        const bool down = !half_is_neg(&r2);
        r1 = half_add(r1, down ? half_neg(A2) : A2);
        r2 = half_add(r2, down ? half_neg(A1) : A1);
    }
    *k1 = r1;
    *k2 = r2;
}

/* odd digits, lowest first: k = sum d[i] 32^i; table index (|d| - 1) / 2 and sign.  ret false: too long */
static bool odd_digits(uint8_t index[static DIGITS], uint8_t negative[static DIGITS], half k)
{
    const bool neg = half_is_neg(&k);
    if (neg) k = half_neg(k);
    for (int i = 0; i < DIGITS; i++) {
        int d = i + 1 < DIGITS ? (int)(k.w[0] & 63) - 32 : (int)(k.w[0] & 63);
        /* (k - d) / 32 */
        k.w[0] -= (uint64_t)(k.w[0] & 63);
        if (i + 1 < DIGITS) {
            const half up = {{32, 0, 0}};
            k = half_add(k, up);
            for (int w = 0; w < 3; w++)
                k.w[w] = k.w[w] >> WINDOW | (w < 2 ? k.w[w + 1] << (64 - WINDOW) : 0);
        } else if ((k.w[0] | k.w[1] | k.w[2]) != 0 || d > 31) {
            return false;
        }
        const bool minus = d < 0;
        index[i] = (uint8_t)((minus ? -d : d) >> 1);
        negative[i] = (uint8_t)(minus != neg);
    }
    return true;
}

/* signed digits of 10 bits of the 128 bits v: |d| <= 512 */
static void g_digits(int16_t d[static G_DIGITS], const uint64_t v[static 2])
{
    int carry = 0;
    for (int i = 0; i < G_DIGITS; i++) {
        const int bit = i * G_WINDOW, w = bit / 64, o = bit % 64;
        uint64_t raw = v[w] >> o;
        if (o > 64 - G_WINDOW && w == 0) raw |= v[1] << (64 - o);
        int x = (int)(raw & 1023) + carry;
        carry = x > 512;
        d[i] = (int16_t)(carry ? x - 1024 : x);
    }
}

/* ------------------------------------------------------------------ the field */

static void limbs_of(uint64_t l[static LIMBS], const num *v)
{
    l[0] = v->w[0] & LIMB_MASK;
    l[1] = (v->w[0] >> 52 | v->w[1] << 12) & LIMB_MASK;
    l[2] = (v->w[1] >> 40 | v->w[2] << 24) & LIMB_MASK;
    l[3] = (v->w[2] >> 28 | v->w[3] << 36) & LIMB_MASK;
    l[4] = v->w[3] >> 16;
}

/* canonical value of a tight one */
static num num_of(const uint64_t l[static LIMBS])
{
    num v = {{l[0] | l[1] << 52, l[1] >> 12 | l[2] << 40, l[2] >> 24 | l[3] << 28, l[3] >> 36 | l[4] << 16}};
    const u128_t t = (u128_t)(l[4] >> 48) * FOLD;
    const num part = {{(uint64_t)t, (uint64_t)(t >> 64), 0, 0}}, fold = {{FOLD, 0, 0, 0}};
    if (num_add(&v, &v, &part) != 0) (void)num_add(&v, &v, &fold);
    if (!num_lt(&v, &P)) (void)num_sub(&v, &v, &P);
    return v;
}

IFMA_INLINE __m512i all(uint64_t v)
{
    return _mm512_set1_epi64((long long)v);
}

IFMA_INLINE fe fe_all(const uint64_t l[static LIMBS])
{
    fe r;
    UNROLL
    for (int i = 0; i < LIMBS; i++)
        r.l[i] = all(l[i]);
    return r;
}

/* limbs may be negative, the value not */
IFMA_INLINE fe carry(fe a)
{
    const __m512i mask = all(LIMB_MASK);
    UNROLL
    for (int i = 0; i + 1 < LIMBS; i++) {
        a.l[i + 1] = _mm512_add_epi64(a.l[i + 1], _mm512_srai_epi64(a.l[i], 52));
        a.l[i] = _mm512_and_si512(a.l[i], mask);
    }
    return a;
}

/* the ten columns of a product, brought down: see the head */
IFMA_INLINE fe reduce(__m512i c[static 10])
{
    const __m512i mask = all(LIMB_MASK), zero = _mm512_setzero_si512(), fold260 = all(FOLD << 4);
    UNROLL
    for (int i = 5; i < 9; i++) {
        c[i + 1] = _mm512_add_epi64(c[i + 1], _mm512_srli_epi64(c[i], 52));
        c[i] = _mm512_and_si512(c[i], mask);
    }
    __m512i top = _mm512_madd52hi_epu64(zero, c[9], fold260);
    UNROLL
    for (int i = 0; i < LIMBS; i++) {
        c[i] = _mm512_madd52lo_epu64(c[i], c[i + 5], fold260);
        if (i + 1 < LIMBS) c[i + 1] = _mm512_madd52hi_epu64(c[i + 1], c[i + 5], fold260);
    }
    UNROLL
    for (int i = 0; i < 4; i++) {
        c[i + 1] = _mm512_add_epi64(c[i + 1], _mm512_srli_epi64(c[i], 52));
        c[i] = _mm512_and_si512(c[i], mask);
    }
    const __m512i q = _mm512_add_epi64(_mm512_slli_epi64(top, 4), _mm512_srli_epi64(c[4], 48));
    fe r;
    r.l[4] = _mm512_and_si512(c[4], all(LIMB_MASK >> 4));
    r.l[0] = _mm512_madd52lo_epu64(c[0], q, all(FOLD));
    r.l[1] = _mm512_madd52hi_epu64(c[1], q, all(FOLD));
    r.l[2] = c[2];
    r.l[3] = c[3];
    return carry(r);
}

IFMA static fe mul(fe a, fe b)
{
    __m512i c[10];
    UNROLL
    for (int i = 0; i < 10; i++)
        c[i] = _mm512_setzero_si512();
    UNROLL
    for (int i = 0; i < LIMBS; i++) {
        UNROLL
        for (int k = 0; k < LIMBS; k++) {
            c[i + k] = _mm512_madd52lo_epu64(c[i + k], a.l[i], b.l[k]);
            c[i + k + 1] = _mm512_madd52hi_epu64(c[i + k + 1], a.l[i], b.l[k]);
        }
    }
    return reduce(c);
}

IFMA static fe sqr(fe a)
{
    __m512i c[10];
    UNROLL
    for (int i = 0; i < 10; i++)
        c[i] = _mm512_setzero_si512();
    /* each pair once, then doubled, then the squares */
    UNROLL
    for (int i = 0; i < LIMBS; i++) {
        UNROLL
        for (int k = i + 1; k < LIMBS; k++) {
            c[i + k] = _mm512_madd52lo_epu64(c[i + k], a.l[i], a.l[k]);
            c[i + k + 1] = _mm512_madd52hi_epu64(c[i + k + 1], a.l[i], a.l[k]);
        }
    }
    UNROLL
    for (int i = 1; i < 10; i++)
        c[i] = _mm512_add_epi64(c[i], c[i]);
    UNROLL
    for (int i = 0; i < LIMBS; i++) {
        c[2 * i] = _mm512_madd52lo_epu64(c[2 * i], a.l[i], a.l[i]);
        c[2 * i + 1] = _mm512_madd52hi_epu64(c[2 * i + 1], a.l[i], a.l[i]);
    }
    return reduce(c);
}

IFMA_INLINE fe sqr_n(fe a, int n)
{
    for (int i = 0; i < n; i++)
        a = sqr(a);
    return a;
}

/* limb by limb, without carry */
IFMA_INLINE fe add(fe a, fe b)
{
    UNROLL
    for (int i = 0; i < LIMBS; i++)
        a.l[i] = _mm512_add_epi64(a.l[i], b.l[i]);
    return a;
}

IFMA_INLINE fe sub(fe a, fe b)
{
    UNROLL
    for (int i = 0; i < LIMBS; i++)
        a.l[i] = _mm512_sub_epi64(a.l[i], b.l[i]);
    return a;
}

IFMA_INLINE fe shift_left(fe a, unsigned n)
{
    UNROLL
    for (int i = 0; i < LIMBS; i++)
        a.l[i] = _mm512_slli_epi64(a.l[i], n);
    return a;
}

/* a + k p */
IFMA_INLINE fe plus_p(fe a, uint64_t k)
{
    a.l[0] = _mm512_add_epi64(a.l[0], all(k * (LIMB_MASK + 1 - FOLD)));
    UNROLL
    for (int i = 1; i < 4; i++)
        a.l[i] = _mm512_add_epi64(a.l[i], all(k * LIMB_MASK));
    a.l[4] = _mm512_add_epi64(a.l[4], all(k * (LIMB_MASK >> 4)));
    return a;
}

IFMA_INLINE fe choose(__mmask8 m, fe a, fe b) /* m: b */
{
    UNROLL
    for (int i = 0; i < LIMBS; i++)
        a.l[i] = _mm512_mask_blend_epi64(m, a.l[i], b.l[i]);
    return a;
}

/* a^(2^223 - 1) and what comes on the way: both exponents, (p + 1) / 4 and p - 2, begin with 223 ones and a zero */
IFMA static fe ones_223(fe *two, fe *twenty_two, fe a)
{
    const fe x2 = mul(sqr(a), a), x3 = mul(sqr(x2), a), x6 = mul(sqr_n(x3, 3), x3), x9 = mul(sqr_n(x6, 3), x3), x11 = mul(sqr_n(x9, 2), x2);
    const fe x22 = mul(sqr_n(x11, 11), x11), x44 = mul(sqr_n(x22, 22), x22), x88 = mul(sqr_n(x44, 44), x44), x176 = mul(sqr_n(x88, 88), x88);
    const fe x220 = mul(sqr_n(x176, 44), x44);
    *two = x2;
    *twenty_two = x22;
    return mul(sqr_n(x220, 3), x3);
}

/* a root if there is one */
IFMA static fe root(fe a)
{
    fe x2, x22, t = ones_223(&x2, &x22, a);
    t = mul(sqr_n(t, 23), x22);
    t = mul(sqr_n(t, 6), x2);
    return sqr_n(t, 2);
}

IFMA static fe invert(fe a)
{
    fe x2, x22, t = ones_223(&x2, &x22, a);
    t = mul(sqr_n(t, 23), x22);
    t = mul(sqr_n(t, 5), a);
    t = mul(sqr_n(t, 3), x2);
    return mul(sqr_n(t, 2), a);
}

/* ------------------------------------------------------------------ the curve */

typedef struct {
    fe x, y, z; /* Jacobian: x / z^2, y / z^3. In multiples of 2^256: x and y up to 10, z up to 3; of 16 there is room */
} point;

IFMA static point twice(point a)
{
    const fe s = sqr(a.y), xs = mul(a.x, s), xx = sqr(a.x);
    const fe l = carry(add(add(xx, xx), xx));
    point r;
    r.x = carry(plus_p(sub(sqr(l), shift_left(xs, 3)), 9));
    const fe d = carry(plus_p(sub(shift_left(xs, 2), r.x), 11));
    r.y = carry(plus_p(sub(mul(l, d), shift_left(sqr(s), 3)), 9));
    r.z = carry(shift_left(mul(a.y, a.z), 1));
    return r;
}

/* a + (x, y), which is affine; *h: by what z grew */
IFMA static point add_affine(fe *h, point a, fe x, fe y)
{
    const fe zz = sqr(a.z), u = mul(x, zz), s = mul(mul(y, a.z), zz);
    *h = carry(plus_p(sub(u, a.x), 11));
    const fe r = carry(plus_p(sub(s, a.y), 11));
    const fe hh = sqr(*h), hhh = mul(hh, *h), v = mul(a.x, hh);
    point o;
    o.x = carry(plus_p(sub(sub(sqr(r), hhh), add(v, v)), 4));
    const fe d = carry(plus_p(sub(v, o.x), 6));
    o.y = carry(plus_p(sub(mul(r, d), mul(a.y, hhh)), 2));
    o.z = mul(a.z, *h);
    return o;
}

/* y or -y; y of up to 2 p */
IFMA_INLINE fe signed_y(fe y, __mmask8 negative)
{
    const fe zero = {{_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()}};
    return choose(negative, y, carry(plus_p(sub(zero, y), 3)));
}

struct odd_table {
    uint64_t x[ODD][LIMBS][LANES], y[ODD][LIMBS][LANES];
};

IFMA_INLINE void keep(uint64_t dst[LIMBS][LANES], fe a)
{
    UNROLL
    for (int i = 0; i < LIMBS; i++)
        _mm512_storeu_si512(dst[i], a.l[i]);
}

IFMA_INLINE fe view(uint64_t src[LIMBS][LANES])
{
    fe r;
    UNROLL
    for (int i = 0; i < LIMBS; i++)
        r.l[i] = _mm512_loadu_si512(src[i]);
    return r;
}

/* odd multiples of (x, y), affine on the isomorphic curve with factor *z, which they share */
IFMA static void build(struct odd_table *t, fe *z, fe x, fe y)
{
    const fe one = {{all(1), _mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()}};
    fe grown[ODD];
    const point p = {x, y, one}, d = twice(p);
    /* where 2P is affine */
    const fe dzz = sqr(d.z);
    point at = {mul(x, dzz), mul(y, mul(dzz, d.z)), one};
    keep(t->x[0], at.x);
    keep(t->y[0], at.y);
    for (int i = 1; i < ODD; i++) {
        at = add_affine(&grown[i], at, d.x, d.y);
        keep(t->x[i], at.x);
        keep(t->y[i], at.y);
    }
    /* all to the z of the last */
    fe f = one;
    for (int i = ODD - 2; i >= 0; i--) {
        f = mul(f, grown[i + 1]);
        const fe ff = sqr(f);
        keep(t->x[i], mul(view(t->x[i]), ff));
        keep(t->y[i], mul(view(t->y[i]), mul(ff, f)));
    }
    *z = mul(at.z, d.z);
}

struct digits {
    uint8_t index[2][DIGITS][LANES], negative[2][DIGITS][LANES];
    int16_t g[2][G_DIGITS][LANES];
};

IFMA_INLINE __mmask8 mask_of(const uint8_t flags[static LANES])
{
    unsigned m = 0;
    for (unsigned i = 0; i < LANES; i++)
        m |= (unsigned)(flags[i] != 0) << i;
    return (__mmask8)m;
}

/* each lane's own entry */
IFMA_INLINE void pick(fe *x, fe *y, const struct odd_table *t, const uint8_t index[static LANES])
{
    const __m512i lane = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
    const __m512i at = _mm512_add_epi64(_mm512_mullo_epi64(_mm512_cvtepu8_epi64(_mm_loadl_epi64((const __m128i *)(const void *)index)), all(LIMBS * LANES)), lane);
    UNROLL
    for (int i = 0; i < LIMBS; i++) {
        x->l[i] = _mm512_i64gather_epi64(at, &t->x[0][i][0], 8);
        y->l[i] = _mm512_i64gather_epi64(at, &t->y[0][i][0], 8);
    }
}

/* G's multiple by a digit, brought onto the curve of z; zero: *none has the lane's bit */
IFMA_INLINE void pick_g(fe *x, fe *y, __mmask8 *none, const struct affine *table, const int16_t d[static LANES], const fe *zz, const fe *zzz)
{
    const __m512i v = _mm512_cvtepi16_epi64(_mm_loadu_si128((const __m128i *)(const void *)d)), zero = _mm512_setzero_si512();
    const __mmask8 negative = _mm512_cmplt_epi64_mask(v, zero);
    *none = _mm512_cmpeq_epi64_mask(v, zero);
    const __m512i at = _mm512_mullo_epi64(_mm512_max_epi64(_mm512_sub_epi64(_mm512_abs_epi64(v), all(1)), zero), all(2 * LIMBS));
    fe gx, gy;
    UNROLL
    for (int i = 0; i < LIMBS; i++) {
        gx.l[i] = _mm512_i64gather_epi64(at, &table[0].x[i], 8);
        gy.l[i] = _mm512_i64gather_epi64(at, &table[0].y[i], 8);
    }
    *x = mul(gx, *zz);
    *y = signed_y(mul(gy, *zzz), negative);
}

/* u1 G + u2 (x, y) as Jacobian coordinates */
IFMA static point combine(fe x, fe y, const struct digits *d)
{
    static const num BETA = {{UINT64_C(0xc1396c28719501ee), UINT64_C(0x9cf0497512f58995), UINT64_C(0x6e64479eac3434e9), UINT64_C(0x7ae96a2b657c0710)}};
    struct odd_table t;
    uint64_t limbs[LIMBS];
    fe z, tx, ty, h;
    point at;
    build(&t, &z, x, y);
    limbs_of(limbs, &BETA);
    const fe beta = fe_all(limbs), zz = sqr(z), zzz = mul(zz, z);
    const fe one = {{all(1), _mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()}};
    for (int i = DIGITS - 1; i >= 0; i--) {
        if (i == DIGITS - 1) {
            pick(&tx, &ty, &t, d->index[0][i]);
            at = (point){tx, signed_y(ty, mask_of(d->negative[0][i])), one};
        } else {
            for (int k = 0; k < WINDOW; k++)
                at = twice(at);
            pick(&tx, &ty, &t, d->index[0][i]);
            at = add_affine(&h, at, tx, signed_y(ty, mask_of(d->negative[0][i])));
        }
        pick(&tx, &ty, &t, d->index[1][i]);
        at = add_affine(&h, at, mul(tx, beta), signed_y(ty, mask_of(d->negative[1][i])));
        for (int g = 0; g < 2 && i % 2 == 0; g++) {
            __mmask8 none;
            pick_g(&tx, &ty, &none, g_table + g * G_ENTRIES, d->g[g][i / 2], &zz, &zzz);
            const point sum = add_affine(&h, at, tx, ty);
            at.x = choose(none, sum.x, at.x);
            at.y = choose(none, sum.y, at.y);
            at.z = choose(none, sum.z, at.z);
        }
    }
    at.z = mul(at.z, z);
    return at;
}

/* ------------------------------------------------------------------ eight lanes */

struct lanes {
    num x[LANES]; /* of R */
    uint8_t odd[LANES];
    struct digits digits;
    uint8_t plain[LANES];
};

/* x of R, and the digits of u1 and u2; what is not plain is left to others */
static void prepare(struct lanes *l, const uint8_t *const sig65[static LANES], const uint8_t *const hash32[static LANES])
{
    num r[LANES], s[LANES], run[LANES + 1] = {{{1}}};
    for (int i = 0; i < LANES; i++) {
        const uint8_t id = sig65[i][64];
        r[i] = num_get(sig65[i]);
        s[i] = num_get(sig65[i] + 32);
        l->plain[i] = id <= 3 && !num_is_zero(&r[i]) && num_lt(&r[i], &N) && !num_is_zero(&s[i]) && num_lt(&s[i], &N);
        l->odd[i] = id & 1;
        l->x[i] = r[i];
        if (l->plain[i] && id >= 2) l->plain[i] = num_add(&l->x[i], &r[i], &N) == 0 && num_lt(&l->x[i], &P);
        if (!l->plain[i]) r[i] = s[i] = l->x[i] = (num){{1}}; /* x = 1 is on the curve */
        run[i + 1] = mul_n(&run[i], &r[i]);
    }
    num inverse = inverse_n(&run[LANES]);
    for (int i = LANES - 1; i >= 0; i--) {
        const num own = mul_n(&inverse, &run[i]);
        inverse = mul_n(&inverse, &r[i]);
        num z = num_get(hash32[i]), u1;
        if (!num_lt(&z, &N)) (void)num_sub(&z, &z, &N);
        u1 = mul_n(&z, &own);
        if (!num_is_zero(&u1)) (void)num_sub(&u1, &N, &u1);
        const num u2 = mul_n(&s[i], &own);
        half k[2];
        uint8_t index[2][DIGITS] = {{0}}, negative[2][DIGITS] = {{0}};
        int16_t g[2][G_DIGITS];
        split(&k[0], &k[1], &u2);
        for (int h = 0; h < 2; h++) {
            if (!odd_digits(index[h], negative[h], k[h])) l->plain[i] = 0;
            g_digits(g[h], &u1.w[2 * h]);
            for (int n = 0; n < DIGITS; n++) {
                l->digits.index[h][n][i] = index[h][n];
                l->digits.negative[h][n][i] = negative[h][n];
            }
            for (int n = 0; n < G_DIGITS; n++)
                l->digits.g[h][n][i] = g[h][n];
        }
    }
}

IFMA static fe load_all(const num v[static LANES])
{
    uint64_t t[LIMBS][LANES];
    for (int i = 0; i < LANES; i++) {
        uint64_t l[LIMBS];
        limbs_of(l, &v[i]);
        for (int k = 0; k < LIMBS; k++)
            t[k][i] = l[k];
    }
    return view(t);
}

IFMA static void store_all(num v[static LANES], fe a)
{
    uint64_t t[LIMBS][LANES];
    keep(t, a);
    for (int i = 0; i < LANES; i++) {
        uint64_t l[LIMBS];
        for (int k = 0; k < LIMBS; k++)
            l[k] = t[k][i];
        v[i] = num_of(l);
    }
}

IFMA static void run_lanes(uint8_t (*pub)[64], bool ok[static LANES], struct lanes *l)
{
    num y[LANES], check[LANES], want[LANES], z[LANES], out_x[LANES], out_y[LANES];
    const fe x = load_all(l->x);
    const fe seven = {{all(7), _mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()}};
    const fe cube = carry(add(mul(sqr(x), x), seven)), r = root(cube);
    store_all(y, r);
    store_all(check, sqr(r));
    store_all(want, cube);
    uint8_t flip[LANES];
    for (int i = 0; i < LANES; i++) {
        if (memcmp(&check[i], &want[i], sizeof check[i]) != 0) l->plain[i] = 0; /* no point has this x */
        flip[i] = (uint8_t)((y[i].w[0] & 1) != l->odd[i]);
    }
    const point q = combine(x, signed_y(load_all(y), mask_of(flip)), &l->digits);
    store_all(z, q.z);
    const fe i1 = invert(q.z), i2 = sqr(i1);
    store_all(out_x, mul(q.x, i2));
    store_all(out_y, mul(q.y, mul(i2, i1)));
    for (int i = 0; i < LANES; i++) {
        ok[i] = l->plain[i] && !num_is_zero(&z[i]);
        num_put(pub[i], &out_x[i]);
        num_put(pub[i] + 32, &out_y[i]);
    }
}

/* ---------------------------------------------------------------- the tables of G */

static bool put_entry(struct affine *out, const secp256k1_context *ctx, const secp256k1_pubkey *p)
{
    uint8_t full[65];
    size_t len = sizeof full;
    if (!secp256k1_ec_pubkey_serialize(ctx, full, &len, p, SECP256K1_EC_UNCOMPRESSED)) return false;
    const num x = num_get(full + 1), y = num_get(full + 33);
    limbs_of(out->x, &x);
    limbs_of(out->y, &y);
    return true;
}

static bool fill_table(struct affine *out, const secp256k1_context *ctx, const uint8_t factor[static 32])
{
    secp256k1_pubkey base, at;
    if (!secp256k1_ec_pubkey_create(ctx, &base, factor)) return false;
    at = base;
    for (int i = 0; i < G_ENTRIES; i++) {
        if (!put_entry(&out[i], ctx, &at)) return false;
        /* the sum of a point and itself is a doubling, which combine does too */
        const secp256k1_pubkey *const two[] = {&at, &base};
        secp256k1_pubkey next;
        if (!secp256k1_ec_pubkey_combine(ctx, &next, two, 2)) return false;
        at = next;
    }
    return true;
}

static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static void make_tables(void)
{
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512ifma"))
        return;
    static const uint8_t one[32] = {[31] = 1}, high[32] = {[15] = 1};
    const secp256k1_context *ctx = secp256k1_context_static;
    secp256k1_context *own = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
    struct affine *t = calloc(2 * G_ENTRIES, sizeof *t);
    if (own != NULL) ctx = own;
    if (t != NULL && own != NULL && fill_table(t, ctx, one) && fill_table(t + G_ENTRIES, ctx, high)) g_table = t;
    else free(t);
    if (own != NULL) secp256k1_context_destroy(own);
}

bool recover8_is_on(void)
{
    pthread_once(&table_once, make_tables);
    return g_table != NULL;
}

void recover8(uint8_t (*pub)[64], bool ok[static RECOVER8_N], const uint8_t *const sig65[static RECOVER8_N], const uint8_t *const hash32[static RECOVER8_N])
{
    struct lanes l;
    prepare(&l, sig65, hash32);
    run_lanes(pub, ok, &l);
}

#else

bool recover8_is_on(void)
{
    return false;
}

void recover8(uint8_t (*pub)[64], bool ok[static RECOVER8_N], const uint8_t *const sig65[static RECOVER8_N], const uint8_t *const hash32[static RECOVER8_N])
{
    (void)pub, (void)sig65, (void)hash32;
    for (int i = 0; i < RECOVER8_N; i++)
        ok[i] = false;
}

#endif
