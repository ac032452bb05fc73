/* pairing_priv.h: what Miller loops over a twist share: T, a running multiple of Q, and the lines through it. A template over tower_priv.h and
 * curve_priv.h; the including file defines fp2_mul_b. Which coefficient goes to which part of Fp12 is the twist's affair, and so the curve's file's. */
#ifndef NODE_EVM_PRECOMPILE_PAIRING_PRIV_H
#define NODE_EVM_PRECOMPILE_PAIRING_PRIV_H

#include "node/evm/precompile/tower_priv.h"

/* a line, up to a factor that the final exponentiation removes: constant + x X + y Y, to be taken at P = (X, Y) */
struct line {
    struct fp2 constant, x, y;
};

static inline void fp2_mul_b(struct fp2 *r, const struct fp2 *x); /* by the b of the twist y^2 = x^3 + b */

static inline void g2_running_start(struct g2_running *t, const struct g2_affine *q)
{
    t->x = q->x;
    t->y = q->y;
    memset(&t->z, 0, sizeof(t->z));
    t->z.a = fp_one;
}

/* T = 2T; l: the tangent at the T before */
static UNUSED void g2_running_double(struct line *l, struct g2_running *m)
{
    struct fp2 a, b, c, e, g, h, j, t, u;
    fp2_mul(&a, &m->x, &m->y);
    fp2_half(&a, &a);
    fp2_sqr(&b, &m->y);
    fp2_sqr(&c, &m->z);
    fp2_double(&t, &c);
    fp2_add(&t, &t, &c);
    fp2_mul_b(&e, &t); /* 3b z^2 */
    fp2_double(&t, &e);
    fp2_add(&t, &t, &e); /* 3e */
    fp2_add(&g, &b, &t);
    fp2_half(&g, &g);
    fp2_add(&h, &m->y, &m->z);
    fp2_sqr(&h, &h);
    fp2_add(&u, &b, &c);
    fp2_sub(&h, &h, &u); /* 2yz */
    fp2_sqr(&j, &m->x);
    fp2_sub(&u, &b, &t);
    fp2_mul(&m->x, &a, &u);
    fp2_sqr(&g, &g);
    fp2_sqr(&t, &e);
    fp2_double(&u, &t);
    fp2_add(&t, &u, &t);
    fp2_sub(&m->y, &g, &t);
    fp2_mul(&m->z, &b, &h);
    fp2_sub(&l->constant, &e, &b);
    fp2_double(&t, &j);
    fp2_add(&l->x, &j, &t);
    fp2_neg(&l->y, &h);
}

/* T = T + Q; l: the line through both */
static UNUSED void g2_running_add(struct line *l, struct g2_running *m, const struct g2_affine *q)
{
    struct fp2 theta, lambda, c, d, e, g, h, t;
    fp2_mul(&t, &q->y, &m->z);
    fp2_sub(&theta, &m->y, &t);
    fp2_mul(&t, &q->x, &m->z);
    fp2_sub(&lambda, &m->x, &t);
    fp2_sqr(&c, &theta);
    fp2_sqr(&d, &lambda);
    fp2_mul(&e, &lambda, &d);
    fp2_mul(&c, &m->z, &c);
    fp2_mul(&g, &m->x, &d);
    fp2_double(&t, &g);
    fp2_add(&h, &e, &c);
    fp2_sub(&h, &h, &t);
    fp2_mul(&m->x, &lambda, &h);
    fp2_sub(&g, &g, &h);
    fp2_mul(&g, &theta, &g);
    fp2_mul(&t, &e, &m->y);
    fp2_sub(&m->y, &g, &t);
    fp2_mul(&m->z, &m->z, &e);
    fp2_mul(&g, &theta, &q->x);
    fp2_mul(&t, &lambda, &q->y);
    fp2_sub(&l->constant, &g, &t);
    fp2_neg(&l->x, &theta);
    l->y = lambda;
}

/* r = f^((p^6 - 1) (p^2 + 1)): the easy part of the final exponentiation; r is in the cyclotomic subgroup */
static UNUSED void fp12_easy_part(struct fp12 *r, const struct fp12 *f)
{
    struct fp12 t;
    fp12_inv(&t, f);
    fp12_conj(r, f);
    fp12_mul(r, r, &t); /* f^(p^6 - 1) */
    fp12_frobenius_2(&t, r);
    fp12_mul(r, r, &t);
}

#endif
