/* field_priv.h: arithmetic in a prime field of FP_N 64-bit limbs, in Montgomery form (a is kept as a * 2^(64 FP_N) mod p, always
 * below p). A template: the including file's constants header defines FP_N, fp_p, fp_n0, fp_one, fp_r2, fp_p_minus_2 between
 * field_types_priv.h and this. The top limb of p must leave its two highest bits free. Nothing here is constant time:
 * precompiles see public data only. Results may be written over operands. */
#ifndef NODE_EVM_PRECOMPILE_FIELD_PRIV_H
#define NODE_EVM_PRECOMPILE_FIELD_PRIV_H

#include "node/evm/precompile/cpu_priv.h"
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

/* s = t if take, else s. By hand, since compilers make a branch of it, which is mispredicted every other time. */
static ALWAYS_INLINE void fp_select(uint64_t s[static FP_N], const uint64_t t[static FP_N],
                                    unsigned char take)
{
#if defined(__x86_64__) && FP_N == 4
    __asm__("testb %[take], %[take]\n\tcmovne %[t0], %[s0]\n\tcmovne %[t1], %[s1]\n\tcmovne %[t2], "
            "%[s2]\n\tcmovne %[t3], %[s3]"
            : [s0] "+&r"(s[0]), [s1] "+&r"(s[1]), [s2] "+&r"(s[2]), [s3] "+&r"(s[3])
            : [take] "q"(take), [t0] "rm"(t[0]), [t1] "rm"(t[1]), [t2] "rm"(t[2]), [t3] "rm"(t[3])
            : "cc");
#elif defined(__x86_64__)
    __asm__("testb %[take], %[take]\n\tcmovne %[t0], %[s0]\n\tcmovne %[t1], %[s1]\n\tcmovne %[t2], "
            "%[s2]\n\t"
            "cmovne %[t3], %[s3]\n\tcmovne %[t4], %[s4]\n\tcmovne %[t5], %[s5]"
            : [s0] "+&r"(s[0]), [s1] "+&r"(s[1]), [s2] "+&r"(s[2]), [s3] "+&r"(s[3]),
              [s4] "+&r"(s[4]), [s5] "+&r"(s[5])
            : [take] "q"(take), [t0] "rm"(t[0]), [t1] "rm"(t[1]), [t2] "rm"(t[2]), [t3] "rm"(t[3]),
              [t4] "rm"(t[4]), [t5] "rm"(t[5])
            : "cc");
#else
    const uint64_t mask = 0 - (uint64_t)take;
    for (unsigned i = 0; i < FP_N; i++)
        s[i] ^= (s[i] ^ t[i]) & mask;
#endif
}

/* r = t - p if that is not negative, else t; for t < 2p. */
static ALWAYS_INLINE void fp_reduce_once(struct fp *r, const uint64_t t[static FP_N])
{
    uint64_t s[FP_N];
    unsigned char borrow = 0;
    UNROLL for (unsigned i = 0; i < FP_N; i++) borrow = sub_borrow(borrow, t[i], fp_p.l[i], &s[i]);
    fp_select(s, t, borrow);
    UNROLL for (unsigned i = 0; i < FP_N; i++) r->l[i] = s[i];
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
    UNROLL for (unsigned i = 0; i < FP_N; i++) carry =
        add_carry(carry, t[i], fp_p.l[i] & mask, &r->l[i]);
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
    UNROLL for (unsigned i = 0; i < FP_N; i++) carry =
        add_carry(carry, a->l[i], fp_p.l[i] & mask, &t[i]);
    UNROLL for (unsigned i = 0; i + 1 < FP_N; i++) r->l[i] = t[i] >> 1 | t[i + 1] << 63;
    r->l[FP_N - 1] = t[FP_N - 1] >> 1;
}

/* Montgomery product, operand scanning (CIOS). As p leaves its top bit free, no step overflows into a further limb. */
static ALWAYS_INLINE void fp_mul_any(struct fp *r, const struct fp *a, const struct fp *b)
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

#if defined(__x86_64__) &&                                                                         \
    defined(__OPTIMIZE__) /* without optimisation the operands do not fit the registers */
#define FP_MUL_HAS_ADX 1
/* t += v * k by MULX with the two carry chains of ADCX and ADOX. t has FP_N + 1 limbs and starts at limb i of a ring, so that
 * the division by 2^64 after a row is a change of names: after the second of a row's two calls t[i] is 0. */
#define T_AT(i, n) t[((i) + (n)) % (FP_N + 1)]
#if FP_N == 4
#define ROW(i, v, k)                                                                               \
    __asm__("xorl %k[lo], %k[lo]\n\t"                                                              \
            "mulx %[v0], %[lo], %[hi]\n\tadcx %[lo], %[t0]\n\tadox %[hi], %[t1]\n\t"               \
            "mulx %[v1], %[lo], %[hi]\n\tadcx %[lo], %[t1]\n\tadox %[hi], %[t2]\n\t"               \
            "mulx %[v2], %[lo], %[hi]\n\tadcx %[lo], %[t2]\n\tadox %[hi], %[t3]\n\t"               \
            "mulx %[v3], %[lo], %[hi]\n\tadcx %[lo], %[t3]\n\tadox %[hi], %[t4]\n\t"               \
            "movl $0, %k[lo]\n\tadcx %[lo], %[t4]"                                                 \
            : [lo] "=&r"(lo), [hi] "=&r"(hi), [t0] "+&r"(T_AT(i, 0)), [t1] "+&r"(T_AT(i, 1)),      \
              [t2] "+&r"(T_AT(i, 2)), [t3] "+&r"(T_AT(i, 3)), [t4] "+&r"(T_AT(i, 4))               \
            : "d"(k), [v0] "m"((v)->l[0]), [v1] "m"((v)->l[1]), [v2] "m"((v)->l[2]),               \
              [v3] "m"((v)->l[3])                                                                  \
            : "cc")
#else
#define ROW(i, v, k)                                                                               \
    __asm__("xorl %k[lo], %k[lo]\n\t"                                                              \
            "mulx %[v0], %[lo], %[hi]\n\tadcx %[lo], %[t0]\n\tadox %[hi], %[t1]\n\t"               \
            "mulx %[v1], %[lo], %[hi]\n\tadcx %[lo], %[t1]\n\tadox %[hi], %[t2]\n\t"               \
            "mulx %[v2], %[lo], %[hi]\n\tadcx %[lo], %[t2]\n\tadox %[hi], %[t3]\n\t"               \
            "mulx %[v3], %[lo], %[hi]\n\tadcx %[lo], %[t3]\n\tadox %[hi], %[t4]\n\t"               \
            "mulx %[v4], %[lo], %[hi]\n\tadcx %[lo], %[t4]\n\tadox %[hi], %[t5]\n\t"               \
            "mulx %[v5], %[lo], %[hi]\n\tadcx %[lo], %[t5]\n\tadox %[hi], %[t6]\n\t"               \
            "movl $0, %k[lo]\n\tadcx %[lo], %[t6]"                                                 \
            : [lo] "=&r"(lo), [hi] "=&r"(hi), [t0] "+&r"(T_AT(i, 0)), [t1] "+&r"(T_AT(i, 1)),      \
              [t2] "+&r"(T_AT(i, 2)), [t3] "+&r"(T_AT(i, 3)), [t4] "+&r"(T_AT(i, 4)),              \
              [t5] "+&r"(T_AT(i, 5)), [t6] "+&r"(T_AT(i, 6))                                       \
            : "d"(k), [v0] "m"((v)->l[0]), [v1] "m"((v)->l[1]), [v2] "m"((v)->l[2]),               \
              [v3] "m"((v)->l[3]), [v4] "m"((v)->l[4]), [v5] "m"((v)->l[5])                        \
            : "cc")
#endif

static ALWAYS_INLINE void fp_mul_adx(struct fp *r, const struct fp *a, const struct fp *b)
{
    uint64_t t[FP_N + 1] = {0}, s[FP_N], lo, hi;
    UNROLL for (unsigned i = 0; i < FP_N; i++)
    {
        ROW(i, a, b->l[i]);
        ROW(i, &fp_p, T_AT(i, 0) * fp_n0);
    }
    UNROLL for (unsigned i = 0; i < FP_N; i++) s[i] = T_AT(FP_N, i);
    fp_reduce_once(r, s);
}
#endif

static UNUSED HOT NOINLINE void fp_mul(struct fp *r, const struct fp *a, const struct fp *b)
{
#if defined(FP_MUL_HAS_ADX)
    if (likely(pc_cpu_has_adx)) {
        fp_mul_adx(r, a, b);
        return;
    }
#endif
    fp_mul_any(r, a, b);
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

/* ---- inversion: Bernstein and Yang, "Fast constant-time gcd computation and modular inversion" (2019), in its variable-time form:
 * batches of 62 division steps on the low words of f and g give a 2x2 matrix, which is then applied to f, g and to d, e with
 * d a = f, e a = g mod p. Numbers are signed, in limbs of 62 bits, the top one with the sign. ---- */
enum { FP_N62 = (64 * FP_N + 61) / 62 };
#define MASK62 (~0ull >> 2)
__extension__ typedef __int128 int128;

struct fp_signed {
    int64_t l[FP_N62];
};
struct fp_steps {
    int64_t u, v, q, r;
};

static inline void fp_to_signed(struct fp_signed *r, const struct fp *a)
{
    for (unsigned i = 0; i < FP_N62; i++) {
        const unsigned bit = 62 * i, word = bit / 64, shift = bit % 64;
        uint64_t v = word < FP_N ? a->l[word] >> shift : 0;
        if (shift > 2 && word + 1 < FP_N) v |= a->l[word + 1] << (64 - shift);
        r->l[i] = (int64_t)(v & MASK62);
    }
}

/* For values in [0, 2^(64 FP_N)) with limbs in [0, 2^62). */
static inline void fp_from_signed(struct fp *r, const struct fp_signed *a)
{
    memset(r, 0, sizeof(*r));
    for (unsigned i = 0; i < FP_N62; i++) {
        const unsigned bit = 62 * i, word = bit / 64, shift = bit % 64;
        const uint64_t v = (uint64_t)a->l[i];
        if (word < FP_N) r->l[word] |= v << shift;
        if (shift > 2 && word + 1 < FP_N) r->l[word + 1] |= v >> (64 - shift);
    }
}

/* 62 division steps from the low words; eta is minus the paper's delta. */
static inline int64_t fp_division_steps(struct fp_steps *t, int64_t eta, uint64_t f, uint64_t g)
{
    uint64_t u = 1, v = 0, q = 0, r = 1;
    int left = 62;
    for (;;) {
        const int zeros = __builtin_ctzll(g | ~0ull << left);
        g >>= zeros;
        u <<= zeros;
        v <<= zeros;
        eta -= zeros;
        left -= zeros;
        if (left == 0) break;
        if (eta < 0) {
            uint64_t x;
            eta = -eta;
            x = f, f = g, g = 0 - x;
            x = u, u = q, q = 0 - x;
            x = v, v = r, r = 0 - x;
        }
        /* w f cancels as many low bits of g as eta and the steps left allow, up to six: f (f^2 - 2) is -1/f mod 64 */
        const int limit = eta + 1 > left ? left : (int)eta + 1;
        const uint64_t w = f * g * (f * f - 2) & ~0ull >> (64 - limit) & 63;
        g += f * w;
        q += u * w;
        r += v * w;
    }
    *t = (struct fp_steps){(int64_t)u, (int64_t)v, (int64_t)q, (int64_t)r};
    return eta;
}

/* (f, g) = (u f + v g, q f + r g) / 2^62 */
static inline void fp_update_fg(struct fp_signed *f, struct fp_signed *g, const struct fp_steps *t)
{
    int128 cf = (int128)t->u * f->l[0] + (int128)t->v * g->l[0];
    int128 cg = (int128)t->q * f->l[0] + (int128)t->r * g->l[0];
    cf >>= 62;
    cg >>= 62;
    for (unsigned i = 1; i < FP_N62; i++) {
        cf += (int128)t->u * f->l[i] + (int128)t->v * g->l[i];
        cg += (int128)t->q * f->l[i] + (int128)t->r * g->l[i];
        f->l[i - 1] = (int64_t)((uint64_t)cf & MASK62);
        g->l[i - 1] = (int64_t)((uint64_t)cg & MASK62);
        cf >>= 62;
        cg >>= 62;
    }
    f->l[FP_N62 - 1] = (int64_t)cf;
    g->l[FP_N62 - 1] = (int64_t)cg;
}

/* (d, e) = (u d + v e, q d + r e) / 2^62 mod p: a multiple of p makes the division exact. Both stay in (-2p, p). */
static inline void fp_update_de(struct fp_signed *d, struct fp_signed *e, const struct fp_steps *t,
                                const struct fp_signed *p)
{
    const int64_t sd = d->l[FP_N62 - 1] >> 63, se = e->l[FP_N62 - 1] >> 63;
    int64_t md = (t->u & sd) + (t->v & se), me = (t->q & sd) + (t->r & se);
    int128 cd = (int128)t->u * d->l[0] + (int128)t->v * e->l[0];
    int128 ce = (int128)t->q * d->l[0] + (int128)t->r * e->l[0];
    const uint64_t p_inverse = 0 - fp_n0;
    md -= (int64_t)((p_inverse * (uint64_t)cd + (uint64_t)md) & MASK62);
    me -= (int64_t)((p_inverse * (uint64_t)ce + (uint64_t)me) & MASK62);
    cd += (int128)p->l[0] * md;
    ce += (int128)p->l[0] * me;
    cd >>= 62;
    ce >>= 62;
    for (unsigned i = 1; i < FP_N62; i++) {
        cd += (int128)t->u * d->l[i] + (int128)t->v * e->l[i] + (int128)p->l[i] * md;
        ce += (int128)t->q * d->l[i] + (int128)t->r * e->l[i] + (int128)p->l[i] * me;
        d->l[i - 1] = (int64_t)((uint64_t)cd & MASK62);
        e->l[i - 1] = (int64_t)((uint64_t)ce & MASK62);
        cd >>= 62;
        ce >>= 62;
    }
    d->l[FP_N62 - 1] = (int64_t)cd;
    e->l[FP_N62 - 1] = (int64_t)ce;
}

/* a = (negate ? -a : a) + add p, carried into limbs of 62 bits again */
static inline void fp_signed_fix(struct fp_signed *a, bool negate, bool add,
                                 const struct fp_signed *p)
{
    int64_t carry = 0;
    for (unsigned i = 0; i < FP_N62; i++) {
        carry += (negate ? -a->l[i] : a->l[i]) + (add ? p->l[i] : 0);
        if (i + 1 < FP_N62) {
            a->l[i] = (int64_t)((uint64_t)carry & MASK62);
            carry >>= 62;
        } else {
            a->l[i] = carry;
        }
    }
}

/* r = 1/a, and 0 for 0. */
static UNUSED void fp_inv(struct fp *r, const struct fp *a)
{
    struct fp_signed p, f, g, d = {{0}}, e = {{1}};
    fp_to_signed(&p, &fp_p);
    fp_to_signed(&g, a);
    f = p;
    int64_t eta = -1;
    for (;;) {
        struct fp_steps t;
        int64_t any = 0;
        for (unsigned i = 0; i < FP_N62; i++)
            any |= g.l[i];
        if (any == 0) break;
        eta = fp_division_steps(&t, eta, (uint64_t)f.l[0] | (uint64_t)f.l[1] << 62,
                                (uint64_t)g.l[0] | (uint64_t)g.l[1] << 62);
        fp_update_de(&d, &e, &t, &p);
        fp_update_fg(&f, &g, &t);
    }
    /* f is 1 or -1 (or p, for a = 0, where d is still 0), d in (-2p, p) is 1/a up to that sign */
    if (d.l[FP_N62 - 1] < 0) fp_signed_fix(&d, false, true, &p);
    fp_signed_fix(&d, f.l[FP_N62 - 1] < 0, false, &p);
    if (d.l[FP_N62 - 1] < 0) fp_signed_fix(&d, false, true, &p);
    struct fp plain;
    fp_from_signed(&plain, &d);
    fp_mul(&plain, &plain, &fp_r2); /* 1/(a R), times R^2 twice, each over R */
    fp_mul(r, &plain, &fp_r2);
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
