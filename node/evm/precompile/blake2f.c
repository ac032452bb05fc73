/* The compression function of BLAKE2b (RFC 7693, section 3.2) with the number of rounds as an argument. */
#include "node/evm/precompile/precompile.h"

static const uint64_t iv[8] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};
static const uint8_t sigma[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
    {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
    {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
    {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
    {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
    {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

#define ROR(v, n) ((v) >> (n) | (v) << (64 - (n)))
#define G(a, b, c, d, x, y)                                                                        \
    do {                                                                                           \
        a += b + (x);                                                                              \
        d = ROR(d ^ a, 32);                                                                        \
        c += d;                                                                                    \
        b = ROR(b ^ c, 24);                                                                        \
        a += b + (y);                                                                              \
        d = ROR(d ^ a, 16);                                                                        \
        c += d;                                                                                    \
        b = ROR(b ^ c, 63);                                                                        \
    } while (0)

/* One round; the order of words is known at compile time, so that the state stays in registers. */
#define ROUND(s)                                                                                   \
    do {                                                                                           \
        G(v0, v4, v8, v12, m[sigma[s][0]], m[sigma[s][1]]);                                        \
        G(v1, v5, v9, v13, m[sigma[s][2]], m[sigma[s][3]]);                                        \
        G(v2, v6, v10, v14, m[sigma[s][4]], m[sigma[s][5]]);                                       \
        G(v3, v7, v11, v15, m[sigma[s][6]], m[sigma[s][7]]);                                       \
        G(v0, v5, v10, v15, m[sigma[s][8]], m[sigma[s][9]]);                                       \
        G(v1, v6, v11, v12, m[sigma[s][10]], m[sigma[s][11]]);                                     \
        G(v2, v7, v8, v13, m[sigma[s][12]], m[sigma[s][13]]);                                      \
        G(v3, v4, v9, v14, m[sigma[s][14]], m[sigma[s][15]]);                                      \
    } while (0)

enum status pc_blake2f(uint8_t out[static 64], bytes in)
{
    /* SPEC(EIP-152): rounds(4, big-endian) h(64) m(128) t(16) f(1), words little-endian */
    if (in.len != 213 || in.ptr[212] > 1) return E_INVALID;
    uint32_t rounds = be32_get(in.ptr);
    uint64_t h[8], m[16];
    for (unsigned i = 0; i < 8; i++)
        h[i] = le64_get(in.ptr + 4 + 8 * i);
    for (unsigned i = 0; i < 16; i++)
        m[i] = le64_get(in.ptr + 68 + 8 * i);
    uint64_t v0 = h[0], v1 = h[1], v2 = h[2], v3 = h[3], v4 = h[4], v5 = h[5], v6 = h[6], v7 = h[7];
    uint64_t v8 = iv[0], v9 = iv[1], v10 = iv[2], v11 = iv[3];
    uint64_t v12 = iv[4] ^ le64_get(in.ptr + 196), v13 = iv[5] ^ le64_get(in.ptr + 204);
    uint64_t v14 = in.ptr[212] ? ~iv[6] : iv[6], v15 = iv[7];
    for (; rounds >= 10; rounds -= 10) {
        ROUND(0);
        ROUND(1);
        ROUND(2);
        ROUND(3);
        ROUND(4);
        ROUND(5);
        ROUND(6);
        ROUND(7);
        ROUND(8);
        ROUND(9);
    }
    if (rounds > 0) ROUND(0);
    if (rounds > 1) ROUND(1);
    if (rounds > 2) ROUND(2);
    if (rounds > 3) ROUND(3);
    if (rounds > 4) ROUND(4);
    if (rounds > 5) ROUND(5);
    if (rounds > 6) ROUND(6);
    if (rounds > 7) ROUND(7);
    if (rounds > 8) ROUND(8);
    const uint64_t low[8] = {v0, v1, v2, v3, v4, v5, v6, v7},
                   high[8] = {v8, v9, v10, v11, v12, v13, v14, v15};
    for (unsigned i = 0; i < 8; i++)
        le64_put(out + 8 * i, h[i] ^ low[i] ^ high[i]);
    return OK;
}
