/* tower_priv.h: the extension fields Fp2 = Fp(i), Fp6 = Fp2(v), Fp12 = Fp6(w) with i^2 = -1, v^3 = xi, w^2 = v, and the
 * cyclotomic subgroup of Fp12. A template over field_priv.h; the including file defines fp2_mul_xi and the frobenius tables. */
#ifndef NODE_EVM_PRECOMPILE_TOWER_PRIV_H
#define NODE_EVM_PRECOMPILE_TOWER_PRIV_H

#include "node/evm/precompile/field_priv.h"

/* ---- Fp2 ---- */

static inline bool fp2_is_zero(const struct fp2 *x)
{
    return fp_is_zero(&x->a) && fp_is_zero(&x->b);
}
static inline bool fp2_eq(const struct fp2 *x, const struct fp2 *y)
{
    return fp_eq(&x->a, &y->a) && fp_eq(&x->b, &y->b);
}
static inline void fp2_add(struct fp2 *r, const struct fp2 *x, const struct fp2 *y)
{
    fp_add(&r->a, &x->a, &y->a);
    fp_add(&r->b, &x->b, &y->b);
}
static inline void fp2_sub(struct fp2 *r, const struct fp2 *x, const struct fp2 *y)
{
    fp_sub(&r->a, &x->a, &y->a);
    fp_sub(&r->b, &x->b, &y->b);
}
static inline void fp2_double(struct fp2 *r, const struct fp2 *x)
{
    fp2_add(r, x, x);
}
static inline void fp2_neg(struct fp2 *r, const struct fp2 *x)
{
    fp_neg(&r->a, &x->a);
    fp_neg(&r->b, &x->b);
}
static inline void fp2_half(struct fp2 *r, const struct fp2 *x)
{
    fp_half(&r->a, &x->a);
    fp_half(&r->b, &x->b);
}
static inline void fp2_conj(struct fp2 *r, const struct fp2 *x)
{
    r->a = x->a;
    fp_neg(&r->b, &x->b);
}
static inline void fp2_mul_fp(struct fp2 *r, const struct fp2 *x, const struct fp *y)
{
    fp_mul(&r->a, &x->a, y);
    fp_mul(&r->b, &x->b, y);
}

/* Karatsuba: three products. */
static UNUSED HOT NOINLINE void fp2_mul(struct fp2 *r, const struct fp2 *x, const struct fp2 *y)
{
    struct fp aa, bb, sx, sy;
    fp_add(&sx, &x->a, &x->b);
    fp_add(&sy, &y->a, &y->b);
    fp_mul(&aa, &x->a, &y->a);
    fp_mul(&bb, &x->b, &y->b);
    fp_mul(&sx, &sx, &sy);
    fp_sub(&r->a, &aa, &bb);
    fp_sub(&sx, &sx, &aa);
    fp_sub(&r->b, &sx, &bb);
}

/* (a + b)(a - b) + 2ab i */
static UNUSED HOT NOINLINE void fp2_sqr(struct fp2 *r, const struct fp2 *x)
{
    struct fp s, d, ab;
    fp_add(&s, &x->a, &x->b);
    fp_sub(&d, &x->a, &x->b);
    fp_mul(&ab, &x->a, &x->b);
    fp_mul(&r->a, &s, &d);
    fp_double(&r->b, &ab);
}

static UNUSED void fp2_inv(struct fp2 *r, const struct fp2 *x)
{
    struct fp n, t;
    fp_sqr(&n, &x->a);
    fp_sqr(&t, &x->b);
    fp_add(&n, &n, &t);
    fp_inv(&n, &n);
    fp_mul(&r->a, &x->a, &n);
    fp_mul(&t, &x->b, &n);
    fp_neg(&r->b, &t);
}

static inline void fp2_mul_xi(struct fp2 *r, const struct fp2 *x); /* of the curve */

/* ---- Fp6 ---- */

static inline void fp6_add(struct fp6 *r, const struct fp6 *x, const struct fp6 *y)
{
    fp2_add(&r->a, &x->a, &y->a);
    fp2_add(&r->b, &x->b, &y->b);
    fp2_add(&r->c, &x->c, &y->c);
}
static inline void fp6_sub(struct fp6 *r, const struct fp6 *x, const struct fp6 *y)
{
    fp2_sub(&r->a, &x->a, &y->a);
    fp2_sub(&r->b, &x->b, &y->b);
    fp2_sub(&r->c, &x->c, &y->c);
}
static inline void fp6_neg(struct fp6 *r, const struct fp6 *x)
{
    fp2_neg(&r->a, &x->a);
    fp2_neg(&r->b, &x->b);
    fp2_neg(&r->c, &x->c);
}
static inline void fp6_mul_v(struct fp6 *r, const struct fp6 *x)
{
    struct fp2 t;
    fp2_mul_xi(&t, &x->c);
    r->c = x->b;
    r->b = x->a;
    r->a = t;
}

/* Karatsuba over three terms: six products. */
static UNUSED HOT NOINLINE void fp6_mul(struct fp6 *r, const struct fp6 *x, const struct fp6 *y)
{
    struct fp2 aa, bb, cc, s, t, u;
    fp2_mul(&aa, &x->a, &y->a);
    fp2_mul(&bb, &x->b, &y->b);
    fp2_mul(&cc, &x->c, &y->c);

    struct fp2 ra, rb, rc;
    fp2_add(&s, &x->b, &x->c);
    fp2_add(&t, &y->b, &y->c);
    fp2_mul(&u, &s, &t);
    fp2_sub(&u, &u, &bb);
    fp2_sub(&u, &u, &cc);
    fp2_mul_xi(&u, &u);
    fp2_add(&ra, &u, &aa);

    fp2_add(&s, &x->a, &x->b);
    fp2_add(&t, &y->a, &y->b);
    fp2_mul(&u, &s, &t);
    fp2_sub(&u, &u, &aa);
    fp2_sub(&u, &u, &bb);
    fp2_mul_xi(&s, &cc);
    fp2_add(&rb, &u, &s);

    fp2_add(&s, &x->a, &x->c);
    fp2_add(&t, &y->a, &y->c);
    fp2_mul(&u, &s, &t);
    fp2_sub(&u, &u, &aa);
    fp2_sub(&u, &u, &cc);
    fp2_add(&rc, &u, &bb);
    r->a = ra;
    r->b = rb;
    r->c = rc;
}

/* x * (a + b v) */
static UNUSED HOT void fp6_mul_ab(struct fp6 *r, const struct fp6 *x, const struct fp2 *a,
                                  const struct fp2 *b)
{
    struct fp2 aa, bb, s, t, u, rc;
    fp2_mul(&aa, &x->a, a);
    fp2_mul(&bb, &x->b, b);
    fp2_add(&s, &x->a, &x->b);
    fp2_add(&t, a, b);
    fp2_mul(&s, &s, &t);
    fp2_sub(&s, &s, &aa);
    fp2_sub(&s, &s, &bb);
    fp2_mul(&t, &x->c, b);
    fp2_mul_xi(&t, &t);
    fp2_mul(&u, &x->c, a);
    fp2_add(&rc, &u, &bb);
    fp2_add(&r->a, &aa, &t);
    r->b = s;
    r->c = rc;
}

/* x * (b v) */
static UNUSED void fp6_mul_b(struct fp6 *r, const struct fp6 *x, const struct fp2 *b)
{
    struct fp2 t, u;
    fp2_mul(&t, &x->c, b);
    fp2_mul_xi(&t, &t);
    fp2_mul(&u, &x->a, b);
    fp2_mul(&r->c, &x->b, b);
    r->a = t;
    r->b = u;
}

static UNUSED void fp6_inv(struct fp6 *r, const struct fp6 *x)
{
    struct fp2 a, b, c, t, n;
    fp2_sqr(&a, &x->a); /* a = x.a^2 - xi x.b x.c */
    fp2_mul(&t, &x->b, &x->c);
    fp2_mul_xi(&t, &t);
    fp2_sub(&a, &a, &t);
    fp2_sqr(&b, &x->c); /* b = xi x.c^2 - x.a x.b */
    fp2_mul_xi(&b, &b);
    fp2_mul(&t, &x->a, &x->b);
    fp2_sub(&b, &b, &t);
    fp2_sqr(&c, &x->b); /* c = x.b^2 - x.a x.c */
    fp2_mul(&t, &x->a, &x->c);
    fp2_sub(&c, &c, &t);
    fp2_mul(&n, &x->c, &b); /* n = x.a a + xi (x.c b + x.b c) */
    fp2_mul(&t, &x->b, &c);
    fp2_add(&n, &n, &t);
    fp2_mul_xi(&n, &n);
    fp2_mul(&t, &x->a, &a);
    fp2_add(&n, &n, &t);
    fp2_inv(&n, &n);
    fp2_mul(&r->a, &a, &n);
    fp2_mul(&r->b, &b, &n);
    fp2_mul(&r->c, &c, &n);
}

/* ---- Fp12 ---- */

static UNUSED void fp12_set_one(struct fp12 *r)
{
    memset(r, 0, sizeof(*r));
    r->a.a.a = fp_one;
}

static UNUSED bool fp12_is_one(const struct fp12 *x)
{
    struct fp12 one;
    fp12_set_one(&one);
    return memcmp(x, &one, sizeof(one)) == 0;
}

static UNUSED void fp12_conj(struct fp12 *r, const struct fp12 *x)
{
    r->a = x->a;
    fp6_neg(&r->b, &x->b);
}

static UNUSED HOT void fp12_mul(struct fp12 *r, const struct fp12 *x, const struct fp12 *y)
{
    struct fp6 aa, bb, s, t;
    fp6_mul(&aa, &x->a, &y->a);
    fp6_mul(&bb, &x->b, &y->b);
    fp6_add(&s, &x->a, &x->b);
    fp6_add(&t, &y->a, &y->b);
    fp6_mul(&s, &s, &t);
    fp6_sub(&s, &s, &aa);
    fp6_sub(&r->b, &s, &bb);
    fp6_mul_v(&bb, &bb);
    fp6_add(&r->a, &aa, &bb);
}

/* (a + b w)^2 = (a + b)(a + v b) - ab - v ab + 2ab w */
static UNUSED HOT void fp12_sqr(struct fp12 *r, const struct fp12 *x)
{
    struct fp6 ab, s, t;
    fp6_mul(&ab, &x->a, &x->b);
    fp6_mul_v(&t, &x->b);
    fp6_add(&t, &t, &x->a);
    fp6_add(&s, &x->a, &x->b);
    fp6_mul(&s, &s, &t);
    fp6_sub(&s, &s, &ab);
    fp6_mul_v(&t, &ab);
    fp6_sub(&r->a, &s, &t);
    fp6_add(&r->b, &ab, &ab);
}

static UNUSED void fp12_inv(struct fp12 *r, const struct fp12 *x)
{
    struct fp6 n, t;
    fp6_mul(&n, &x->a, &x->a);
    fp6_mul(&t, &x->b, &x->b);
    fp6_mul_v(&t, &t);
    fp6_sub(&n, &n, &t);
    fp6_inv(&n, &n);
    fp6_mul(&r->a, &x->a, &n);
    fp6_mul(&t, &x->b, &n);
    fp6_neg(&r->b, &t);
}

/* The six coefficients of x over Fp2 in the order of powers of w. */
#define FP12_COEFFICIENTS(x)                                                                       \
    {                                                                                              \
        &(x)->a.a, &(x)->b.a, &(x)->a.b, &(x)->b.b, &(x)->a.c, &(x)->b.c                           \
    }

/* x^p, x^(p^2), x^(p^3) */
static UNUSED void fp12_frobenius_1(struct fp12 *r, const struct fp12 *x)
{
    *r = *x;
    struct fp2 *const c[6] = FP12_COEFFICIENTS(r);
    for (unsigned k = 0; k < 6; k++) {
        fp2_conj(c[k], c[k]);
        if (k != 0) fp2_mul(c[k], c[k], &frobenius_1[k]);
    }
}
static UNUSED void fp12_frobenius_2(struct fp12 *r, const struct fp12 *x)
{
    *r = *x;
    struct fp2 *const c[6] = FP12_COEFFICIENTS(r);
    for (unsigned k = 1; k < 6; k++)
        fp2_mul_fp(c[k], c[k], &frobenius_2[k]);
}
static UNUSED void fp12_frobenius_3(struct fp12 *r, const struct fp12 *x)
{
    *r = *x;
    struct fp2 *const c[6] = FP12_COEFFICIENTS(r);
    for (unsigned k = 0; k < 6; k++) {
        fp2_conj(c[k], c[k]);
        if (k != 0) fp2_mul(c[k], c[k], &frobenius_3[k]);
    }
}

/* ra + rb y = (xa + xb y)^2 with y^2 = xi */
static inline void fp4_sqr(struct fp2 *ra, struct fp2 *rb, const struct fp2 *xa,
                           const struct fp2 *xb)
{
    struct fp2 aa, bb, s;
    fp2_sqr(&aa, xa);
    fp2_sqr(&bb, xb);
    fp2_add(&s, xa, xb);
    fp2_sqr(&s, &s);
    fp2_sub(&s, &s, &aa);
    fp2_sub(rb, &s, &bb);
    fp2_mul_xi(&bb, &bb);
    fp2_add(ra, &aa, &bb);
}

/* r = 3t - 2x, r = 3t + 2x */
static inline void triple_minus(struct fp2 *r, const struct fp2 *t, const struct fp2 *x)
{
    struct fp2 d;
    fp2_sub(&d, t, x);
    fp2_double(&d, &d);
    fp2_add(r, &d, t);
}
static inline void triple_plus(struct fp2 *r, const struct fp2 *t, const struct fp2 *x)
{
    struct fp2 d;
    fp2_add(&d, t, x);
    fp2_double(&d, &d);
    fp2_add(r, &d, t);
}

/* Squaring in the cyclotomic subgroup (Granger and Scott 2009): three squarings in Fp4. */
static UNUSED HOT void fp12_cyclotomic_sqr(struct fp12 *r, const struct fp12 *x)
{
    struct fp2 a0, a1, b0, b1, c0, c1;
    fp4_sqr(&a0, &a1, &x->a.a, &x->b.b);
    fp4_sqr(&b0, &b1, &x->b.a, &x->a.c);
    fp4_sqr(&c0, &c1, &x->a.b, &x->b.c);
    fp2_mul_xi(&c1, &c1);
    triple_minus(&r->a.a, &a0, &x->a.a);
    triple_minus(&r->a.b, &b0, &x->a.b);
    triple_minus(&r->a.c, &c0, &x->a.c);
    triple_plus(&r->b.a, &c1, &x->b.a);
    triple_plus(&r->b.b, &a1, &x->b.b);
    triple_plus(&r->b.c, &b1, &x->b.c);
}

/* x^e in the cyclotomic subgroup; e in signed odd digits of |d| < 8 from the highest down, the first of them positive. */
static UNUSED void fp12_cyclotomic_pow(struct fp12 *r, const struct fp12 *x, const int8_t *digits,
                                       unsigned n)
{
    struct fp12 odd[4], acc, t;
    odd[0] = *x;
    fp12_cyclotomic_sqr(&t, x);
    for (unsigned i = 1; i < 4; i++)
        fp12_mul(&odd[i], &odd[i - 1], &t);
    acc = odd[digits[0] / 2];
    for (unsigned i = 1; i < n; i++) {
        fp12_cyclotomic_sqr(&acc, &acc);
        if (digits[i] > 0) fp12_mul(&acc, &acc, &odd[digits[i] / 2]);
        if (digits[i] < 0) {
            fp12_conj(&t, &odd[-digits[i] / 2]);
            fp12_mul(&acc, &acc, &t);
        }
    }
    *r = acc;
}

#endif
