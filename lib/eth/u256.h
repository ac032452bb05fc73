/* u256.h: 256-bit unsigned integers modulo 2^256, four 64-bit limbs, least significant first. The arithmetic of the EVM
 * (Yellow Paper, appendix H) and of wei and difficulty. Inline where it pays; straight-line code, no allocation. */
#ifndef LIB_ETH_U256_H
#define LIB_ETH_U256_H

#include "lib/base/bytes.h"
#include "lib/base/status.h"

__extension__ typedef unsigned __int128 u128;

typedef struct {
    uint64_t w[4];
} u256;

#define U256_ZERO ((u256){{0, 0, 0, 0}})
#define U256_ONE ((u256){{1, 0, 0, 0}})
#define U256_MAX ((u256){{UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX}})

static inline u256 u256_from_u64(uint64_t v)
{
    return (u256){{v, 0, 0, 0}};
}
static inline bool u256_is_zero(const u256 *a)
{
    return (a->w[0] | a->w[1] | a->w[2] | a->w[3]) == 0;
}
static inline bool u256_eq(const u256 *a, const u256 *b)
{
    return ((a->w[0] ^ b->w[0]) | (a->w[1] ^ b->w[1]) | (a->w[2] ^ b->w[2]) | (a->w[3] ^ b->w[3])) == 0;
}
/** u256_is_u64: fits one word. */
static inline bool u256_is_u64(const u256 *a)
{
    return (a->w[1] | a->w[2] | a->w[3]) == 0;
}
/** u256_to_u64_sat: the value, or UINT64_MAX when it does not fit. */
static inline uint64_t u256_to_u64_sat(const u256 *a)
{
    return u256_is_u64(a) ? a->w[0] : UINT64_MAX;
}
static inline u256 u256_from_be(const uint8_t be[static 32])
{
    return (u256){{be64_get(be + 24), be64_get(be + 16), be64_get(be + 8), be64_get(be)}};
}
static inline void u256_to_be(uint8_t be[static 32], const u256 *a)
{
    be64_put(be, a->w[3]);
    be64_put(be + 8, a->w[2]);
    be64_put(be + 16, a->w[1]);
    be64_put(be + 24, a->w[0]);
}
/* Carries through four limbs: compilers make poor code of the portable form. */
#if defined(__x86_64__)
static inline bool u256_lt(const u256 *a, const u256 *b)
{
    uint64_t t0 = a->w[0], t1 = a->w[1], t2 = a->w[2], t3 = a->w[3];
    bool below;
    __asm__("cmpq %[b0], %[t0]\n\tsbbq %[b1], %[t1]\n\tsbbq %[b2], %[t2]\n\tsbbq %[b3], %[t3]"
            : "=@ccc"(below), [t1] "+&r"(t1), [t2] "+&r"(t2), [t3] "+&r"(t3)
            : [t0] "r"(t0), [b0] "rm"(b->w[0]), [b1] "rm"(b->w[1]), [b2] "rm"(b->w[2]), [b3] "rm"(b->w[3]));
    return below;
}
#else
static inline bool u256_lt(const u256 *a, const u256 *b)
{
    u128 d = (u128)a->w[0] - b->w[0];
    d = (u128)a->w[1] - b->w[1] - (uint64_t)(d >> 127);
    d = (u128)a->w[2] - b->w[2] - (uint64_t)(d >> 127);
    d = (u128)a->w[3] - b->w[3] - (uint64_t)(d >> 127);
    return (uint64_t)(d >> 127) != 0;
}
#endif
static inline int u256_cmp(const u256 *a, const u256 *b)
{
    return u256_lt(a, b) ? -1 : u256_lt(b, a) ? 1 : 0;
}
/** u256_add_carry / u256_sub_borrow: dst may be a or b; ret true when it left 256 bits. */
#if defined(__x86_64__)
#define U256_CHAIN(first, rest)                                                                    \
    uint64_t t0 = a->w[0], t1 = a->w[1], t2 = a->w[2], t3 = a->w[3];                               \
    bool out;                                                                                      \
    __asm__(first " %[b0], %[t0]\n\t" rest " %[b1], %[t1]\n\t" rest " %[b2], %[t2]\n\t" rest " %[b3], %[t3]"     \
            : "=@ccc"(out), [t0] "+&r"(t0), [t1] "+&r"(t1), [t2] "+&r"(t2), [t3] "+&r"(t3)         \
            : [b0] "rm"(b->w[0]), [b1] "rm"(b->w[1]), [b2] "rm"(b->w[2]), [b3] "rm"(b->w[3]));     \
    *dst = (u256){{t0, t1, t2, t3}};                                                               \
    return out
static inline bool u256_add_carry(u256 *dst, const u256 *a, const u256 *b)
{
    U256_CHAIN("addq", "adcq");
}
static inline bool u256_sub_borrow(u256 *dst, const u256 *a, const u256 *b)
{
    U256_CHAIN("subq", "sbbq");
}
#undef U256_CHAIN
#else
static inline bool u256_add_carry(u256 *dst, const u256 *a, const u256 *b)
{
    u128 t = (u128)a->w[0] + b->w[0];
    uint64_t w0 = (uint64_t)t;
    t = (u128)a->w[1] + b->w[1] + (uint64_t)(t >> 64);
    uint64_t w1 = (uint64_t)t;
    t = (u128)a->w[2] + b->w[2] + (uint64_t)(t >> 64);
    uint64_t w2 = (uint64_t)t;
    t = (u128)a->w[3] + b->w[3] + (uint64_t)(t >> 64);
    *dst = (u256){{w0, w1, w2, (uint64_t)t}};
    return (uint64_t)(t >> 64) != 0;
}
static inline bool u256_sub_borrow(u256 *dst, const u256 *a, const u256 *b)
{
    u128 t = (u128)a->w[0] - b->w[0];
    uint64_t w0 = (uint64_t)t;
    t = (u128)a->w[1] - b->w[1] - (uint64_t)(t >> 127);
    uint64_t w1 = (uint64_t)t;
    t = (u128)a->w[2] - b->w[2] - (uint64_t)(t >> 127);
    uint64_t w2 = (uint64_t)t;
    t = (u128)a->w[3] - b->w[3] - (uint64_t)(t >> 127);
    *dst = (u256){{w0, w1, w2, (uint64_t)t}};
    return (uint64_t)(t >> 127) != 0;
}
#endif
static inline u256 u256_add(u256 a, u256 b)
{
    u256 r;
    if (u256_add_carry(&r, &a, &b)) {
    }
    return r;
}
static inline u256 u256_sub(u256 a, u256 b)
{
    u256 r;
    if (u256_sub_borrow(&r, &a, &b)) {
    }
    return r;
}

/** u256_mul: the product modulo 2^256. */
static inline u256 u256_mul(u256 a, u256 b)
{
    u128 t = (u128)a.w[0] * b.w[0];
    const uint64_t r0 = (uint64_t)t;
    u128 u = (u128)a.w[0] * b.w[1] + (uint64_t)(t >> 64);
    u128 v = (u128)a.w[1] * b.w[0] + (uint64_t)u;
    const uint64_t r1 = (uint64_t)v;
    t = (u128)a.w[0] * b.w[2] + (uint64_t)(u >> 64);
    u = (u128)a.w[1] * b.w[1] + (uint64_t)(v >> 64) + (uint64_t)t;
    v = (u128)a.w[2] * b.w[0] + (uint64_t)u;
    const uint64_t r2 = (uint64_t)v;
    const uint64_t r3 = a.w[0] * b.w[3] + a.w[1] * b.w[2] + a.w[2] * b.w[1] + a.w[3] * b.w[0] + (uint64_t)(t >> 64) +
                        (uint64_t)(u >> 64) + (uint64_t)(v >> 64);
    return (u256){{r0, r1, r2, r3}};
}
/** u256_mul_overflow: ret true when the product left 256 bits (dst holds it modulo 2^256). */
bool u256_mul_overflow(u256 *dst, u256 a, u256 b);
/** u256_divmod: quotient and remainder, either may be NULL; division by zero gives 0 and 0, as the EVM has it. */
void u256_divmod(u256 *q, u256 *r, u256 a, u256 b);
/** u256_*_to: the same operations on words in place: dst may be any operand. For loops that keep words in memory. */
void u256_div_to(u256 *dst, const u256 *a, const u256 *b);
void u256_mod_to(u256 *dst, const u256 *a, const u256 *b);
void u256_sdiv_to(u256 *dst, const u256 *a, const u256 *b);
void u256_smod_to(u256 *dst, const u256 *a, const u256 *b);
void u256_addmod_to(u256 *dst, const u256 *a, const u256 *b, const u256 *m);
void u256_mulmod_to(u256 *dst, const u256 *a, const u256 *b, const u256 *m);
static inline u256 u256_div(u256 a, u256 b)
{
    u256_div_to(&a, &a, &b);
    return a;
}
static inline u256 u256_sdiv(u256 a, u256 b)
{
    u256_sdiv_to(&a, &a, &b);
    return a;
}
static inline u256 u256_smod(u256 a, u256 b)
{
    u256_smod_to(&a, &a, &b);
    return a;
}
static inline u256 u256_addmod(u256 a, u256 b, u256 m)
{
    u256_addmod_to(&a, &a, &b, &m);
    return a;
}
static inline u256 u256_mulmod(u256 a, u256 b, u256 m)
{
    u256_mulmod_to(&a, &a, &b, &m);
    return a;
}
u256 u256_exp(u256 base, u256 e);
/** u256_shl, _shr, _sar: n >= 256 gives 0 (or all sign bits). */
static inline u256 u256_shl(u256 a, uint64_t n)
{
    if (n >= 256) return U256_ZERO;
    const unsigned s = (unsigned)n % 64, inv = 63 - s;
    const uint64_t w0 = a.w[0] << s;
    const uint64_t w1 = (a.w[1] << s) | ((a.w[0] >> 1) >> inv);
    const uint64_t w2 = (a.w[2] << s) | ((a.w[1] >> 1) >> inv);
    const uint64_t w3 = (a.w[3] << s) | ((a.w[2] >> 1) >> inv);
    if (n < 64) return (u256){{w0, w1, w2, w3}};
    if (n < 128) return (u256){{0, w0, w1, w2}};
    if (n < 192) return (u256){{0, 0, w0, w1}};
    return (u256){{0, 0, 0, w0}};
}
static inline u256 u256_shift_right_fill(u256 a, uint64_t n, uint64_t fill)
{
    if (n >= 256) return (u256){{fill, fill, fill, fill}};
    const unsigned s = (unsigned)n % 64, inv = 63 - s;
    const uint64_t w3 = (a.w[3] >> s) | ((fill << 1) << inv);
    const uint64_t w2 = (a.w[2] >> s) | ((a.w[3] << 1) << inv);
    const uint64_t w1 = (a.w[1] >> s) | ((a.w[2] << 1) << inv);
    const uint64_t w0 = (a.w[0] >> s) | ((a.w[1] << 1) << inv);
    if (n < 64) return (u256){{w0, w1, w2, w3}};
    if (n < 128) return (u256){{w1, w2, w3, fill}};
    if (n < 192) return (u256){{w2, w3, fill, fill}};
    return (u256){{w3, fill, fill, fill}};
}
static inline u256 u256_shr(u256 a, uint64_t n)
{
    return u256_shift_right_fill(a, n, 0);
}
static inline u256 u256_sar(u256 a, uint64_t n)
{
    return u256_shift_right_fill(a, n, 0 - (a.w[3] >> 63));
}
/** u256_bit_len: 0 for 0, else index of the highest bit + 1. */
unsigned u256_bit_len(const u256 *a);
static inline unsigned u256_byte_len(const u256 *a)
{
    return (u256_bit_len(a) + 7) / 8;
}

/** u256_get_be: up to 32 big-endian bytes.  ret OK | E_LIMIT */
MUST_CHECK enum status u256_get_be(u256 *out, bytes be);
/** u256_get_hex: QUANTITY-like hex ("0x" optional, leading zeros allowed); u256_get_dec: decimal digits.  ret OK | E_DECODE | E_LIMIT */
MUST_CHECK enum status u256_get_hex(u256 *out, bytes text);
MUST_CHECK enum status u256_get_dec(u256 *out, bytes text);
/** u256_put_hex: QUANTITY with NUL, ret length; u256_put_dec likewise. */
size_t u256_put_hex(char dst[static 67], const u256 *a);
size_t u256_put_dec(char dst[static 79], const u256 *a);

#endif
