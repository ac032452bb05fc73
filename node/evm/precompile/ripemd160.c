/* RIPEMD-160 (Dobbertin, Bosselaers, Preneel 1996). Ours, since OpenSSL 3 has it in the legacy provider only. */
#include "node/evm/precompile/precompile.h"

/* Order of message words and amounts of rotation, left line and right line, five rounds of sixteen steps. */
static const uint8_t word_left[80] = {
    0,  1, 2,  3, 4,  5,  6, 7,  8,      9,  10, 11, 12, 13, 14, 15, /**/ 7, 4,  13, 1,
    10, 6, 15, 3, 12, 0,  9, 5,  2,      14, 11, 8,  3,  10, 14, 4,  9,      15, 8,  1,
    2,  7, 0,  6, 13, 11, 5, 12, /**/ 1, 9,  11, 10, 0,  8,  12, 4,  13,     3,  7,  15,
    14, 5, 6,  2, 4,  0,  5, 9,  7,      12, 2,  10, 14, 1,  3,  8,  11,     6,  15, 13,
};
static const uint8_t word_right[80] = {
    5,  14, 7,  0,  9,  2,  11, 4,  13,     6, 15, 8, 1,  10, 3,  12, /**/ 6, 11, 3, 7,
    0,  13, 5,  10, 14, 15, 8,  12, 4,      9, 1,  2, 15, 5,  1,  3,  7,      14, 6, 9,
    11, 8,  12, 2,  10, 0,  4,  13, /**/ 8, 6, 4,  1, 3,  11, 15, 0,  5,      12, 2, 13,
    9,  7,  10, 14, 12, 15, 10, 4,  1,      5, 8,  7, 6,  2,  13, 14, 0,      3,  9, 11,
};
static const uint8_t turn_left[80] = {
    11, 14, 15, 12, 5, 8,  7,  9,  11,      13, 14, 15, 6,  7,  9,  8,  /**/ 7, 6,  8,  13,
    11, 9,  7,  15, 7, 12, 15, 9,  11,      7,  13, 12, 11, 13, 6,  7,  14,     9,  13, 15,
    14, 8,  13, 6,  5, 12, 7,  5,  /**/ 11, 12, 14, 15, 14, 15, 9,  8,  9,      14, 5,  6,
    8,  6,  5,  12, 9, 15, 5,  11, 6,       8,  13, 12, 5,  12, 13, 14, 11,     8,  5,  6,
};
static const uint8_t turn_right[80] = {
    8,  9,  9,  11, 13, 15, 15, 5, 7,       7,  8,  11, 14, 14, 12, 6,  /**/ 9, 13, 15, 7,
    12, 8,  9,  11, 7,  7,  12, 7, 6,       15, 13, 11, 9,  7,  15, 11, 8,      6,  6,  14,
    12, 13, 5,  14, 13, 13, 7,  5, /**/ 15, 5,  8,  11, 14, 14, 6,  14, 6,      9,  12, 9,
    12, 5,  15, 8,  8,  5,  12, 9, 12,      5,  14, 6,  8,  13, 6,  5,  15,     13, 11, 11,
};
static const uint32_t add_left[5] = {0, 0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xa953fd4e};
static const uint32_t add_right[5] = {0x50a28be6, 0x5c4dd124, 0x6d703ef3, 0x7a6d76e9, 0};

static inline uint32_t rol(uint32_t v, unsigned n)
{
    return v << n | v >> (32 - n);
}

static ALWAYS_INLINE uint32_t mix(unsigned which, uint32_t x, uint32_t y, uint32_t z)
{
    return which == 0   ? x ^ y ^ z
           : which == 1 ? (x & y) | (~x & z)
           : which == 2 ? (x | ~y) ^ z
           : which == 3 ? (x & z) | (y & ~z)
                        : x ^ (y | ~z);
}

static ALWAYS_INLINE void line_round(uint32_t v[static 5], unsigned which, uint32_t add,
                                     const uint8_t *word, const uint8_t *turn,
                                     const uint32_t m[static 16])
{
#pragma GCC unroll 16
    for (unsigned i = 0; i < 16; i++) {
        const uint32_t t =
            rol(v[0] + mix(which, v[1], v[2], v[3]) + m[word[i]] + add, turn[i]) + v[4];
        v[0] = v[4];
        v[4] = v[3];
        v[3] = rol(v[2], 10);
        v[2] = v[1];
        v[1] = t;
    }
}

static void block(uint32_t h[static 5], const uint8_t *src)
{
    uint32_t m[16], l[5], r[5];
    memcpy(m, src, 64);
    memcpy(l, h, sizeof(l));
    memcpy(r, h, sizeof(r));
#pragma GCC unroll 5
    for (unsigned k = 0; k < 5; k++) {
        line_round(l, k, add_left[k], word_left + 16 * k, turn_left + 16 * k, m);
        line_round(r, 4 - k, add_right[k], word_right + 16 * k, turn_right + 16 * k, m);
    }
    const uint32_t t = h[1] + l[2] + r[3];
    h[1] = h[2] + l[3] + r[4];
    h[2] = h[3] + l[4] + r[0];
    h[3] = h[4] + l[0] + r[1];
    h[4] = h[0] + l[1] + r[2];
    h[0] = t;
}

void pc_ripemd160(uint8_t out[static 32], bytes in)
{
    uint32_t h[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    uint8_t last[128] = {0};
    size_t at = 0;
    for (; in.len - at >= 64; at += 64)
        block(h, in.ptr + at);
    const size_t rest = in.len - at, last_len = rest < 56 ? 64 : 128;
    if (rest != 0) memcpy(last, in.ptr + at, rest);
    last[rest] = 0x80;
    le64_put(last + last_len - 8, (uint64_t)in.len * 8);
    block(h, last);
    if (last_len == 128) block(h, last + 64);
    memset(out, 0, 12);
    memcpy(out + 12, h, 20);
}
