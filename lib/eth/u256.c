#include "lib/eth/u256.h"

#include "lib/codec/hex.h"

/* Division is Knuth's algorithm D (TAOCP 4.3.1) with quotient digits by a precomputed reciprocal, after Moeller and Granlund,
 * "Improved division by invariant integers" (algorithms 4, 5 and 6 there). */

/* reciprocal_2by1: floor((2^128 - 1) / d) - 2^64, d normalised. */
static inline uint64_t reciprocal_2by1(uint64_t d)
{
#if defined(__x86_64__)
    uint64_t quot, rem;
    __asm__("divq %4" : "=a"(quot), "=d"(rem) : "0"(UINT64_MAX), "1"(~d), "r"(d) : "cc");
    return quot;
#else
    return (uint64_t)((((u128)~d << 64) | UINT64_MAX) / d);
#endif
}

static inline uint64_t reciprocal_3by2(uint64_t d1, uint64_t d0)
{
    uint64_t v = reciprocal_2by1(d1);
    uint64_t p = d1 * v + d0;
    if (p < d0) {
        v--;
        if (p >= d1) {
            v--;
            p -= d1;
        }
        p -= d1;
    }
    const u128 t = (u128)v * d0;
    p += (uint64_t)(t >> 64);
    if (p < (uint64_t)(t >> 64)) {
        v--;
        if ((((u128)p << 64) | (uint64_t)t) >= (((u128)d1 << 64) | d0)) v--;
    }
    return v;
}

/* (u1, u0) / d with u1 < d; v is the reciprocal of d. */
static inline uint64_t div_2by1(uint64_t *rem, uint64_t u1, uint64_t u0, uint64_t d, uint64_t v)
{
    const u128 q = (u128)v * u1 + (((u128)u1 << 64) | u0);
    uint64_t q1 = (uint64_t)(q >> 64) + 1;
    uint64_t r = u0 - q1 * d;
    if (r > (uint64_t)q) {
        q1--;
        r += d;
    }
    if (unlikely(r >= d)) {
        q1++;
        r -= d;
    }
    *rem = r;
    return q1;
}

/* (u2, u1, u0) / (d1, d0) with (u2, u1) < (d1, d0); v is the reciprocal of (d1, d0). */
static inline uint64_t div_3by2(u128 *rem, uint64_t u2, uint64_t u1, uint64_t u0, uint64_t d1, uint64_t d0, uint64_t v)
{
    const u128 d = ((u128)d1 << 64) | d0;
    const u128 q = (u128)v * u2 + (((u128)u2 << 64) | u1);
    uint64_t q1 = (uint64_t)(q >> 64);
    const uint64_t r1 = u1 - q1 * d1;
    u128 r = (((u128)r1 << 64) | u0) - (u128)d0 * q1 - d;
    q1++;
    if ((uint64_t)(r >> 64) >= (uint64_t)q) {
        q1--;
        r += d;
    }
    if (unlikely(r >= d)) {
        q1++;
        r -= d;
    }
    *rem = r;
    return q1;
}

/* Loops over limbs, whose count is mostly a constant after inlining. */
#define UNROLL _Pragma("GCC unroll 8")

/* u[0..n) -= q * v[0..n); ret what is to be taken from the limb above. */
static ALWAYS_INLINE uint64_t sub_mul(uint64_t *u, const uint64_t *v, unsigned n, uint64_t q)
{
    uint64_t carry = 0;
    UNROLL for (unsigned i = 0; i < n; i++) {
        const u128 p = (u128)q * v[i] + carry;
        const uint64_t lo = (uint64_t)p;
        carry = (uint64_t)(p >> 64) + (u[i] < lo);
        u[i] -= lo;
    }
    return carry;
}

static ALWAYS_INLINE uint64_t add_limbs(uint64_t *u, const uint64_t *v, unsigned n)
{
    uint64_t carry = 0;
    UNROLL for (unsigned i = 0; i < n; i++) {
        const u128 t = (u128)u[i] + v[i] + carry;
        u[i] = (uint64_t)t;
        carry = (uint64_t)(t >> 64);
    }
    return carry;
}

/* div_norm: u[0..m+n) by v[0..n), n >= 2, v normalised, u[m+n-1] < 2^63 or the top n limbs below v. The quotient goes to q[0..m), the
 * remainder stays in u[0..n). */
static ALWAYS_INLINE void div_norm(uint64_t *q, uint64_t *u, unsigned m, const uint64_t *v, unsigned n)
{
    const uint64_t d1 = v[n - 1], d0 = v[n - 2], recip = reciprocal_3by2(d1, d0);
    for (unsigned j = m; j-- > 0;) {
        const uint64_t u2 = u[j + n], u1 = u[j + n - 1], u0 = u[j + n - 2];
        uint64_t digit;
        if (unlikely(u2 == d1 && u1 == d0)) { /* the digit is the greatest one */
            digit = UINT64_MAX;
            u[j + n] = u2 - sub_mul(u + j, v, n, digit);
        } else {
            u128 rem;
            digit = div_3by2(&rem, u2, u1, u0, d1, d0, recip);
            const uint64_t borrow = sub_mul(u + j, v, n - 2, digit);
            const bool below = rem < borrow;
            rem -= borrow;
            u[j + n - 2] = (uint64_t)rem;
            u[j + n - 1] = (uint64_t)(rem >> 64);
            if (unlikely(below)) {
                digit--;
                if (add_limbs(u + j, v, n)) {
                }
            }
            u[j + n] = 0;
        }
        q[j] = digit;
    }
}

static inline unsigned count_limbs(const uint64_t *w, unsigned n)
{
    while (n > 0 && w[n - 1] == 0) n--;
    return n;
}

/* shift_limbs: dst[0..n] = src[0..n) << s, 0 <= s < 64 */
static ALWAYS_INLINE void shift_limbs(uint64_t *dst, const uint64_t *src, unsigned n, unsigned s)
{
    uint64_t carry = 0;
    UNROLL for (unsigned i = 0; i < n; i++) {
        dst[i] = (src[i] << s) | carry;
        carry = (src[i] >> 1) >> (63 - s);
    }
    dst[n] = carry;
}

/* div_by: a[0..na) by b of n >= 2 limbs, na >= n; q gets na + 1 - n limbs. n is a constant where it matters for speed. */
static ALWAYS_INLINE void div_by(uint64_t *q, u256 *r, const uint64_t *a, unsigned na, const u256 *b, unsigned n)
{
    uint64_t u[10], v[5];
    const unsigned s = (unsigned)__builtin_clzll(b->w[n - 1]);
    shift_limbs(v, b->w, n, s);
    shift_limbs(u, a, na, s); /* na + 1 limbs, the top one below v's */
    div_norm(q, u, na + 1 - n, v, n);
    *r = U256_ZERO;
    UNROLL for (unsigned i = 0; i < n; i++) {
        r->w[i] = u[i] >> s;
        if (i + 1 < n) r->w[i] |= (u[i + 1] << 1) << (63 - s);
    }
}

static void div_limbs(uint64_t *q, u256 *r, const uint64_t *a, unsigned na, const u256 *b, unsigned n)
{
    if (n == 4)
        div_by(q, r, a, na, b, 4);
    else if (n == 3)
        div_by(q, r, a, na, b, 3);
    else
        div_by(q, r, a, na, b, 2);
}

/* div_word: a[0..n) by one limb d; q gets n limbs. ret the remainder */
static inline uint64_t div_word(uint64_t *q, const uint64_t *a, unsigned n, uint64_t d)
{
    const unsigned s = (unsigned)__builtin_clzll(d);
    const uint64_t norm = d << s, recip = reciprocal_2by1(norm);
    uint64_t rem = s == 0 ? 0 : a[n - 1] >> (64 - s);
    for (unsigned i = n; i-- > 0;) {
        uint64_t w = a[i] << s;
        if (s != 0 && i > 0) w |= a[i - 1] >> (64 - s);
        q[i] = div_2by1(&rem, rem, w, norm, recip);
    }
    return rem >> s;
}

/* mod_limbs: the remainder of up to 8 limbs by b (not zero) */
static void mod_limbs(u256 *r, const uint64_t *a, unsigned na, const u256 *b)
{
    uint64_t quot[9];
    const unsigned n = count_limbs(b->w, 4);
    na = count_limbs(a, na);
    *r = U256_ZERO;
    if (na < n) {
        memcpy(r->w, a, na * sizeof *a);
    } else if (n == 1) {
        r->w[0] = na == 0 ? 0 : div_word(quot, a, na, b->w[0]);
    } else {
        div_limbs(quot, r, a, na, b, n);
    }
}

/* power_of_two: the exponent if b is one, else -1; b has n limbs. Compilers write shifts as divisions. */
static inline int power_of_two(const u256 *b, unsigned n)
{
    const uint64_t top = b->w[n - 1];
    if ((top & (top - 1)) != 0) return -1;
    uint64_t low = 0;
    for (unsigned i = 0; i + 1 < n; i++) low |= b->w[i];
    return low != 0 ? -1 : (int)(64 * (n - 1)) + __builtin_ctzll(top);
}

static inline void divmod(u256 *q, u256 *r, const u256 *a, const u256 *b)
{
    *q = *r = U256_ZERO;
    const unsigned n = count_limbs(b->w, 4), na = count_limbs(a->w, 4);
    if (n == 0) return;
    if (na < n) {
        *r = *a;
        return;
    }
    const int shift = power_of_two(b, n);
    if (shift >= 0) {
        *q = u256_shr(*a, (uint64_t)shift);
        const u256 mask = u256_sub(*b, U256_ONE);
        for (unsigned i = 0; i < 4; i++) r->w[i] = a->w[i] & mask.w[i];
    } else if (n == 1 && na == 1) {
        q->w[0] = a->w[0] / b->w[0];
        r->w[0] = a->w[0] % b->w[0];
    } else if (n == 1) {
        r->w[0] = div_word(q->w, a->w, na, b->w[0]);
    } else {
        div_limbs(q->w, r, a->w, na, b, n);
    }
}

void u256_divmod(u256 *q, u256 *r, u256 a, u256 b)
{
    u256 quot, rem;
    divmod(&quot, &rem, &a, &b);
    if (q != NULL) *q = quot;
    if (r != NULL) *r = rem;
}

void u256_div_to(u256 *dst, const u256 *a, const u256 *b)
{
    u256 q, r;
    divmod(&q, &r, a, b);
    *dst = q;
}

void u256_mod_to(u256 *dst, const u256 *a, const u256 *b)
{
    u256 q, r;
    divmod(&q, &r, a, b);
    *dst = r;
}

static inline bool is_negative(const u256 *a)
{
    return a->w[3] >> 63 != 0;
}

static inline u256 negate(u256 a)
{
    return u256_sub(U256_ZERO, a);
}

void u256_sdiv_to(u256 *dst, const u256 *a, const u256 *b)
{
    const bool neg_a = is_negative(a), neg_b = is_negative(b);
    const u256 x = neg_a ? negate(*a) : *a, y = neg_b ? negate(*b) : *b;
    u256 q, r;
    divmod(&q, &r, &x, &y);
    *dst = neg_a != neg_b ? negate(q) : q;
}

void u256_smod_to(u256 *dst, const u256 *a, const u256 *b)
{
    const bool neg_a = is_negative(a);
    const u256 x = neg_a ? negate(*a) : *a, y = is_negative(b) ? negate(*b) : *b;
    u256 q, r;
    divmod(&q, &r, &x, &y);
    *dst = neg_a ? negate(r) : r;
}

void u256_addmod_to(u256 *dst, const u256 *pa, const u256 *pb, const u256 *m)
{
    if (u256_is_zero(m)) {
        *dst = U256_ZERO;
        return;
    }
    u256 s, d, a = *pa, b = *pb;
    if (m->w[3] != 0 && a.w[3] <= m->w[3] && b.w[3] <= m->w[3]) { /* both below 2m: no division */
        if (!u256_sub_borrow(&d, &a, m)) a = d;
        if (!u256_sub_borrow(&d, &b, m)) b = d;
        const bool carry = u256_add_carry(&s, &a, &b);
        const bool below = u256_sub_borrow(&d, &s, m);
        *dst = carry || !below ? d : s;
        return;
    }
    uint64_t sum[5];
    sum[4] = u256_add_carry(&s, &a, &b);
    memcpy(sum, s.w, sizeof s.w);
    mod_limbs(&d, sum, 5, m);
    *dst = d;
}

/* mul_full: the whole product */
static inline void mul_full(uint64_t p[static 8], const u256 *a, const u256 *b)
{
    memset(p, 0, 8 * sizeof *p);
    UNROLL for (unsigned i = 0; i < 4; i++) {
        uint64_t carry = 0;
        UNROLL for (unsigned j = 0; j < 4; j++) {
            const u128 t = (u128)a->w[i] * b->w[j] + p[i + j] + carry;
            p[i + j] = (uint64_t)t;
            carry = (uint64_t)(t >> 64);
        }
        p[i + 4] = carry;
    }
}

bool u256_mul_overflow(u256 *dst, u256 a, u256 b)
{
    uint64_t p[8];
    mul_full(p, &a, &b);
    memcpy(dst->w, p, sizeof dst->w);
    return (p[4] | p[5] | p[6] | p[7]) != 0;
}

void u256_mulmod_to(u256 *dst, const u256 *a, const u256 *b, const u256 *m)
{
    u256 r = U256_ZERO;
    if (!u256_is_zero(m)) {
        uint64_t p[8];
        mul_full(p, a, b);
        mod_limbs(&r, p, 8, m);
    }
    *dst = r;
}

u256 u256_exp(u256 base, u256 e)
{
    if (base.w[0] == 2 && u256_is_u64(&base)) return u256_shl(U256_ONE, u256_to_u64_sat(&e));
    u256 r = U256_ONE;
    const unsigned n = u256_bit_len(&e);
    for (unsigned i = n; i-- > 0;) {
        r = u256_mul(r, r);
        if ((e.w[i / 64] >> (i % 64)) & 1) r = u256_mul(r, base);
    }
    return r;
}

unsigned u256_bit_len(const u256 *a)
{
    for (unsigned i = 4; i-- > 0;)
        if (a->w[i] != 0) return 64 * i + 64 - (unsigned)__builtin_clzll(a->w[i]);
    return 0;
}

enum status u256_get_be(u256 *out, bytes be)
{
    if (be.len > 32) return E_LIMIT;
    uint8_t b[32] = {0};
    if (be.len != 0) memcpy(b + 32 - be.len, be.ptr, be.len);
    *out = u256_from_be(b);
    return OK;
}

enum status u256_get_hex(u256 *out, bytes text)
{
    if (text.len >= 2 && text.ptr[0] == '0' && (text.ptr[1] == 'x' || text.ptr[1] == 'X')) {
        text.ptr += 2;
        text.len -= 2;
    }
    if (text.len == 0) return E_DECODE;
    for (size_t i = 0; i < text.len; i++)
        if (hex_digit(text.ptr[i]) < 0) return E_DECODE;
    u256 v = U256_ZERO;
    for (size_t i = 0; i < text.len; i++) {
        if (v.w[3] >> 60 != 0) return E_LIMIT;
        v = u256_shl(v, 4);
        v.w[0] |= (uint64_t)hex_digit(text.ptr[i]);
    }
    *out = v;
    return OK;
}

enum status u256_get_dec(u256 *out, bytes text)
{
    if (text.len == 0) return E_DECODE;
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < '0' || text.ptr[i] > '9') return E_DECODE;
    u256 v = U256_ZERO;
    for (size_t i = 0; i < text.len; i++) {
        const u256 digit = u256_from_u64((uint64_t)(text.ptr[i] - '0'));
        if (u256_mul_overflow(&v, v, u256_from_u64(10)) || u256_add_carry(&v, &v, &digit)) return E_LIMIT;
    }
    *out = v;
    return OK;
}

size_t u256_put_hex(char dst[static 67], const u256 *a)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned bits = u256_bit_len(a);
    const unsigned n = bits == 0 ? 1 : (bits + 3) / 4;
    dst[0] = '0';
    dst[1] = 'x';
    for (unsigned i = 0; i < n; i++) {
        const unsigned at = 4 * (n - 1 - i);
        dst[2 + i] = digits[(a->w[at / 64] >> (at % 64)) & 15];
    }
    dst[2 + n] = '\0';
    return 2 + (size_t)n;
}

size_t u256_put_dec(char dst[static 79], const u256 *a)
{
    const uint64_t chunk = 10000000000000000000u; /* 10^19, the greatest power in a word */
    char text[100];
    size_t at = sizeof text;
    u256 v = *a;
    do {
        u256 rem;
        u256_divmod(&v, &rem, v, u256_from_u64(chunk));
        uint64_t part = rem.w[0];
        const bool last = u256_is_zero(&v);
        for (unsigned i = 0; i < 19 && (!last || part != 0); i++) {
            text[--at] = (char)('0' + part % 10);
            part /= 10;
        }
    } while (!u256_is_zero(&v));
    if (at == sizeof text) text[--at] = '0';
    const size_t len = sizeof text - at;
    memcpy(dst, text + at, len);
    dst[len] = '\0';
    return len;
}
