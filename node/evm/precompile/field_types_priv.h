/* field_types_priv.h: the types of the two pairing curves. FP_N (limbs) is defined by the including constants header. */
#ifndef NODE_EVM_PRECOMPILE_FIELD_TYPES_PRIV_H
#define NODE_EVM_PRECOMPILE_FIELD_TYPES_PRIV_H

#include "lib/base/bytes.h"

#ifndef FP_N
#error "define FP_N before the field templates"
#endif

__extension__ typedef unsigned __int128 uint128;

struct fp {
    uint64_t l[FP_N]; /* little-endian limbs, Montgomery form */
};
struct fp2 {
    struct fp a, b; /* a + b i, i^2 = -1 */
};
struct fp6 {
    struct fp2 a, b, c; /* a + b v + c v^2, v^3 = xi */
};
struct fp12 {
    struct fp6 a, b; /* a + b w, w^2 = v */
};
struct g2_running { /* a multiple of a point in a Miller loop, in homogeneous coordinates: (x/z, y/z) */
    struct fp2 x, y, z;
};
struct scalar {
    uint64_t l[4]; /* little-endian limbs, plain */
};

enum {
    WNAF_TABLE = 8, /* odd multiples 1, 3 .. 15 of a point */
    WNAF_LEN = 130, /* digits of a factor below 2^128 */
};

/* wnaf: e below 2^128 in signed odd digits of |d| < 16, any two of them at least five places apart; digits[i] stands for 2^i. */
static inline void wnaf(int8_t digits[static WNAF_LEN], uint64_t lo, uint64_t hi)
{
    uint128 e = (uint128)hi << 64 | lo;
    bool over = false; /* bit 128 */
    for (unsigned i = 0; i < WNAF_LEN; i++) {
        int d = 0;
        if (e & 1) {
            d = (int)(e & 31);
            if (d > 15) d -= 32;
            if (d >= 0) {
                e -= (unsigned)d;
            } else {
                e += (unsigned)-d;
                over = e < (unsigned)-d;
            }
        }
        digits[i] = (int8_t)d;
        e = e >> 1 | (uint128)over << 127;
        over = false;
    }
}

#endif
