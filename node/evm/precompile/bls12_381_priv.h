/* bls12_381_priv.h: BLS12-381's fields and groups for the files of this folder that work on it. */
#ifndef NODE_EVM_PRECOMPILE_BLS12_381_PRIV_H
#define NODE_EVM_PRECOMPILE_BLS12_381_PRIV_H

#include "node/evm/precompile/bls12_381_constants_priv.h"
#include "node/evm/precompile/tower_priv.h"

/* xi = 1 + i */
static inline void fp2_mul_xi(struct fp2 *r, const struct fp2 *x)
{
    struct fp t;
    fp_sub(&t, &x->a, &x->b);
    fp_add(&r->b, &x->a, &x->b);
    r->a = t;
}

#define CURVE_F fp
#define CURVE_G g1
#include "node/evm/precompile/curve_priv.h"
#define CURVE_F fp2
#define CURVE_G g2
#include "node/evm/precompile/curve_priv.h"

/* psi, the Frobenius of the twist, in Jacobian coordinates: multiplies by x in the subgroup */
static UNUSED void g2_psi(struct g2_jacobian *r, const struct g2_jacobian *p)
{
    fp2_conj(&r->x, &p->x);
    fp2_mul(&r->x, &r->x, &psi_x);
    fp2_conj(&r->y, &p->y);
    fp2_mul(&r->y, &r->y, &psi_y);
    fp2_conj(&r->z, &p->z);
}

/** bls_fp_get: 64 bytes, the first 16 zero, the value below p. */
bool bls_fp_get(struct fp *r, const uint8_t src[static 64]);
/** bls_g1_put, bls_g2_put: 128 and 256 bytes; the point at infinity is all zeros. */
void bls_g1_put(uint8_t dst[static 128], const struct g1_jacobian *p);
void bls_g2_put(uint8_t dst[static 256], const struct g2_jacobian *p);
/** bls_g1_is_in_subgroup, bls_g2_is_in_subgroup: for points on the curve. */
bool bls_g1_is_in_subgroup(const struct g1_affine *p);
bool bls_g2_is_in_subgroup(const struct g2_affine *p);
/** bls_g1_mul: [k]p for p in the subgroup, any k. */
void bls_g1_mul(struct g1_jacobian *r, const struct g1_affine *p, const struct scalar *k);

/** bls_miller: a running product of Miller loops. add() takes pairs of points in the subgroups, is_one() closes it. */
struct bls_pair {
    struct g1_affine p;
    struct g2_affine q;
    struct g2_running t;
};
enum { BLS_PAIRS_MAX = 16 };
struct bls_miller {
    struct fp12 f;
    struct bls_pair pair[BLS_PAIRS_MAX];
    unsigned n;
};
void bls_miller_init(struct bls_miller *m);
void bls_miller_add(struct bls_miller *m, const struct g1_affine *p, const struct g2_affine *q);
bool bls_miller_is_one(struct bls_miller *m);

#endif
