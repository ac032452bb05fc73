/* The permutation runs over 25 locals; two rounds (A -> E -> A) a step, so that no lane is ever moved in memory. The same
 * body is compiled twice: once for any x86-64 or other machine, once with BMI (andn, rorx), chosen at run time. AVX-512 was tried in
 * two forms, planes in five 512-bit registers and lanes in 25 of 128 bits: slower, and no faster, on Zen 4. */
#include "lib/crypto/keccak.h"

#include "lib/base/secret.h"

static const uint64_t round_constants[24] = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000,
    0x000000000000808b, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
    0x000000000000008a, 0x0000000000000088, 0x0000000080008009, 0x000000008000000a,
    0x000000008000808b, 0x800000000000008b, 0x8000000000008089, 0x8000000000008003,
    0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
};

#define ROL(v, n) (((v) << (n)) | ((v) >> (64 - (n))))

/* One plane of rho, pi and chi. The five inputs are lanes of A that land in row y of E; d* are theta's column sums. */
#define PLANE(E, y, l0, d0, r0, l1, d1, r1, l2, d2, r2, l3, d3, r3, l4, d4, r4)                    \
    do {                                                                                           \
        b0 = ROL0(l0 ^ d0, r0);                                                                    \
        b1 = ROL(l1 ^ d1, r1);                                                                     \
        b2 = ROL(l2 ^ d2, r2);                                                                     \
        b3 = ROL(l3 ^ d3, r3);                                                                     \
        b4 = ROL(l4 ^ d4, r4);                                                                     \
        E##y##0 = b0 ^ (~b1 & b2);                                                                 \
        E##y##1 = b1 ^ (~b2 & b3);                                                                 \
        E##y##2 = b2 ^ (~b3 & b4);                                                                 \
        E##y##3 = b3 ^ (~b4 & b0);                                                                 \
        E##y##4 = b4 ^ (~b0 & b1);                                                                 \
    } while (0)
#define ROL0(v, n) ((n) == 0 ? (v) : ROL(v, (n) == 0 ? 1 : (n)))

/* The column sums of theta: d* is to be added to column *. */
#define THETA(A)                                                                                   \
    do {                                                                                           \
        c0 = A##00 ^ A##10 ^ A##20 ^ A##30 ^ A##40;                                                \
        c1 = A##01 ^ A##11 ^ A##21 ^ A##31 ^ A##41;                                                \
        c2 = A##02 ^ A##12 ^ A##22 ^ A##32 ^ A##42;                                                \
        c3 = A##03 ^ A##13 ^ A##23 ^ A##33 ^ A##43;                                                \
        c4 = A##04 ^ A##14 ^ A##24 ^ A##34 ^ A##44;                                                \
        d0 = c4 ^ ROL(c1, 1);                                                                      \
        d1 = c0 ^ ROL(c2, 1);                                                                      \
        d2 = c1 ^ ROL(c3, 1);                                                                      \
        d3 = c2 ^ ROL(c4, 1);                                                                      \
        d4 = c3 ^ ROL(c0, 1);                                                                      \
    } while (0)

/* A round from lanes Ayx to lanes Eyx. */
#define ROUND(A, E, rc)                                                                            \
    do {                                                                                           \
        THETA(A);                                                                                  \
        PLANE(E, 0, A##00, d0, 0, A##11, d1, 44, A##22, d2, 43, A##33, d3, 21, A##44, d4, 14);     \
        E##00 ^= (rc);                                                                             \
        PLANE(E, 1, A##03, d3, 28, A##14, d4, 20, A##20, d0, 3, A##31, d1, 45, A##42, d2, 61);     \
        PLANE(E, 2, A##01, d1, 1, A##12, d2, 6, A##23, d3, 25, A##34, d4, 8, A##40, d0, 18);       \
        PLANE(E, 3, A##04, d4, 27, A##10, d0, 36, A##21, d1, 10, A##32, d2, 15, A##43, d3, 56);    \
        PLANE(E, 4, A##02, d2, 62, A##13, d3, 55, A##24, d4, 39, A##30, d0, 41, A##41, d1, 2);     \
    } while (0)

#define LANES(X, F) /* F(lane, index) for all 25 */                                                \
    F(X##00, 0)                                                                                    \
    F(X##01, 1)                                                                                    \
    F(X##02, 2)                                                                                    \
    F(X##03, 3)                                                                                    \
    F(X##04, 4)                                                                                    \
    F(X##10, 5)                                                                                    \
    F(X##11, 6)                                                                                    \
    F(X##12, 7)                                                                                    \
    F(X##13, 8)                                                                                    \
    F(X##14, 9)                                                                                    \
    F(X##20, 10)                                                                                   \
    F(X##21, 11)                                                                                   \
    F(X##22, 12)                                                                                   \
    F(X##23, 13)                                                                                   \
    F(X##24, 14)                                                                                   \
    F(X##30, 15)                                                                                   \
    F(X##31, 16)                                                                                   \
    F(X##32, 17)                                                                                   \
    F(X##33, 18)                                                                                   \
    F(X##34, 19)                                                                                   \
    F(X##40, 20)                                                                                   \
    F(X##41, 21)                                                                                   \
    F(X##42, 22)                                                                                   \
    F(X##43, 23)                                                                                   \
    F(X##44, 24)
#define LOAD(lane, i)    uint64_t lane = s[i];
#define STORE(lane, i)   s[i] = lane;
#define DECLARE(lane, i) uint64_t lane;

/* digest_only: the caller reads lanes 0..3 and nothing else, so that most of the last round need not be done. */
static ALWAYS_INLINE void permute_body(uint64_t s[static 25], bool digest_only)
{
    LANES(a, LOAD)
    LANES(e, DECLARE)
    uint64_t b0, b1, b2, b3, b4, c0, c1, c2, c3, c4, d0, d1, d2, d3, d4;
    for (unsigned i = 0; i < (digest_only ? 22 : 24); i += 2) {
        ROUND(a, e, round_constants[i]);
        ROUND(e, a, round_constants[i + 1]);
    }
    if (!digest_only) {
        LANES(a, STORE)
        return;
    }
    ROUND(a, e, round_constants[22]);
    THETA(e);
    PLANE(a, 0, e00, d0, 0, e11, d1, 44, e22, d2, 43, e33, d3, 21, e44, d4, 14);
    s[0] = a00 ^ round_constants[23];
    s[1] = a01;
    s[2] = a02;
    s[3] = a03;
}

HOT static void permute_any(uint64_t s[static 25])
{
    permute_body(s, false);
}

HOT static void permute_last_any(uint64_t s[static 25])
{
    permute_body(s, true);
}

#if defined(__x86_64__)
HOT __attribute__((target("bmi,bmi2"))) static void permute_bmi(uint64_t s[static 25])
{
    permute_body(s, false);
}

HOT __attribute__((target("bmi,bmi2"))) static void permute_last_bmi(uint64_t s[static 25])
{
    permute_body(s, true);
}
#endif

static inline void permute(uint64_t s[static 25])
{
#if defined(__x86_64__)
    if (likely(__builtin_cpu_supports("bmi2"))) {
        permute_bmi(s);
        return;
    }
#endif
    permute_any(s);
}

/* Only s[0..3] are as after a permutation. */
static inline void permute_last(uint64_t s[static 25])
{
#if defined(__x86_64__)
    if (likely(__builtin_cpu_supports("bmi2"))) {
        permute_last_bmi(s);
        return;
    }
#endif
    permute_last_any(s);
}

/* Xor a whole block of rate bytes (a multiple of 8) into the state. */
static inline void absorb_block(uint64_t s[static 25], const uint8_t *p, unsigned rate)
{
    for (unsigned i = 0; i < rate / 8; i++)
        s[i] ^= le64_get(p + 8 * i);
    permute(s);
}

static inline void xor_byte(uint64_t s[static 25], unsigned at, uint8_t v)
{
    s[at / 8] ^= (uint64_t)v << (8 * (at % 8));
}

/* Xor len < rate bytes at the start of an empty block. */
static inline void absorb_tail(uint64_t s[static 25], const uint8_t *p, size_t len)
{
    size_t i = 0;
    for (; i + 8 <= len; i += 8)
        s[i / 8] ^= le64_get(p + i);
    size_t rest = len - i;
    if (rest != 0) {
        uint64_t last = 0;
        memcpy(&last, p + i, rest);
        s[i / 8] ^= last;
    }
}

void keccak_init(struct keccak *k, unsigned out_len)
{
    if (out_len != 32 && out_len != 64) BUG("keccak: output of 32 or 64 bytes only");
    memset(k, 0, sizeof(*k));
    k->rate = 200 - 2 * out_len;
}

void keccak_update(struct keccak *k, const void *data, size_t len)
{
    const uint8_t *p = data;
    while (len != 0 && k->pos != 0) {
        xor_byte(k->lane, k->pos++, *p++);
        len--;
        if (k->pos == k->rate) {
            permute(k->lane);
            k->pos = 0;
        }
    }
    for (; len >= k->rate; p += k->rate, len -= k->rate)
        absorb_block(k->lane, p, k->rate);
    if (len == 0) return;
    absorb_tail(k->lane, p, len);
    k->pos = (unsigned)len;
}

void keccak_final(struct keccak *k, uint8_t *out)
{
    xor_byte(k->lane, k->pos, 0x01);
    xor_byte(k->lane, k->rate - 1, 0x80);
    permute(k->lane);
    for (unsigned i = 0; i < (200 - k->rate) / 16; i++)
        le64_put(out + 8 * i, k->lane[i]);
}

void keccak_peek(const struct keccak *k, uint8_t *out)
{
    struct keccak copy = *k;
    keccak_final(&copy, out);
}

static ALWAYS_INLINE void one_shot(uint8_t *dst, const uint8_t *p, size_t len, unsigned rate,
                                   unsigned out_len)
{
    uint64_t s[25] = {0};
    for (; len >= rate; p += rate, len -= rate)
        absorb_block(s, p, rate);
    if (len != 0) absorb_tail(s, p, len);
    xor_byte(s, (unsigned)len, 0x01);
    s[rate / 8 - 1] ^= 0x8000000000000000;
    if (out_len == 32)
        permute_last(s);
    else
        permute(s);
    for (unsigned i = 0; i < out_len / 8; i++)
        le64_put(dst + 8 * i, s[i]);
}

HOT void keccak256(uint8_t dst[static 32], const void *data, size_t len)
{
    one_shot(dst, data, len, 136, 32);
}

void keccak512(uint8_t dst[static 64], const void *data, size_t len)
{
    one_shot(dst, data, len, 72, 64);
}
