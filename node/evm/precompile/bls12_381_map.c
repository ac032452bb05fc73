/* The maps of RFC 9380 from a field element to a point: simplified SWU (section 6.6.3) onto an isogenous curve, the isogeny, the
 * cofactor cleared (appendix G.3 for G2). */
#include "node/evm/precompile/bls12_381_isogeny_priv.h"
#include "node/evm/precompile/bls12_381_priv.h"
#include "node/evm/precompile/precompile.h"

/* r = sqrt(a); ret false, r untouched, if a is no square. p = 3 mod 4. */
static bool fp_sqrt(struct fp *r, const struct fp *a)
{
    struct fp s, t;
    fp_pow(&s, a, fp_sqrt_exponent.l, FP_N);
    fp_sqr(&t, &s);
    if (!fp_eq(&t, a)) return false;
    *r = s;
    return true;
}

/* (c + di)^2 = a + bi: c^2 = (a + n)/2 with n^2 = a^2 + b^2, d = b/2c. If (a + n)/2 is no square, (a - n)/2 is. */
static bool fp2_sqrt(struct fp2 *r, const struct fp2 *x)
{
    struct fp n, t, c;
    fp_sqr(&n, &x->a);
    fp_sqr(&t, &x->b);
    fp_add(&n, &n, &t);
    if (!fp_sqrt(&n, &n)) return false;
    fp_add(&t, &x->a, &n);
    fp_half(&t, &t);
    if (!fp_sqrt(&c, &t)) {
        fp_sub(&t, &x->a, &n);
        fp_half(&t, &t);
        if (!fp_sqrt(&c, &t)) return false;
    }
    if (fp_is_zero(&c)) { /* x = 0, or x = a with -a a square: (d i)^2 = -d^2 */
        struct fp minus;
        fp_neg(&minus, &x->a);
        r->a = c;
        return fp_sqrt(&r->b, &minus);
    }
    fp_double(&t, &c);
    fp_inv(&t, &t);
    fp_mul(&r->b, &x->b, &t);
    r->a = c;
    return true;
}

/* RFC 9380, section 4.1: the sign of a field element. */
static bool fp_sgn0(const struct fp *a)
{
    struct fp plain;
    fp_to_plain(&plain, a);
    return plain.l[0] & 1;
}

static bool fp2_sgn0(const struct fp2 *x)
{
    return fp_is_zero(&x->a) ? fp_sgn0(&x->b) : fp_sgn0(&x->a);
}

static inline void fp_set_one(struct fp *r)
{
    *r = fp_one;
}

static inline void fp2_set_one(struct fp2 *r)
{
    memset(r, 0, sizeof(*r));
    r->a = fp_one;
}

/* The same text for both fields: F is fp or fp2, N is 1 or 2 (the constants iso1_, iso2_). */
#define DEFINE_MAP(F, N)                                                                                    \
    static void iso##N##_rhs(struct F *r, const struct F *x) /* x^3 + a x + b */                            \
    {                                                                                                       \
        struct F t;                                                                                         \
        F##_sqr(&t, x);                                                                                     \
        F##_add(&t, &t, &iso##N##_a);                                                                       \
        F##_mul(&t, &t, x);                                                                                 \
        F##_add(r, &t, &iso##N##_b);                                                                        \
    }                                                                                                       \
    static void iso##N##_sswu(struct F *x, struct F *y, const struct F *u)                                  \
    {                                                                                                       \
        struct F zuu, t, one, minus_b, g;                                                                   \
        F##_set_one(&one);                                                                                  \
        F##_sqr(&zuu, u);                                                                                   \
        F##_mul(&zuu, &zuu, &iso##N##_z);                                                                   \
        F##_sqr(&t, &zuu);                                                                                  \
        F##_add(&t, &t, &zuu);                                                                              \
        F##_neg(&minus_b, &iso##N##_b);                                                                     \
        if (F##_is_zero(&t)) { /* x = b / (z a) */                                                          \
            F##_mul(&t, &iso##N##_z, &iso##N##_a);                                                          \
            F##_inv(&t, &t);                                                                                \
            F##_mul(x, &iso##N##_b, &t);                                                                    \
        } else { /* x = -b/a (1 + 1/t) = -b (1 + t) / (a t) */                                              \
            F##_mul(&g, &t, &iso##N##_a);                                                                   \
            F##_inv(&g, &g);                                                                                \
            F##_add(&t, &t, &one);                                                                          \
            F##_mul(&t, &t, &minus_b);                                                                      \
            F##_mul(x, &t, &g);                                                                             \
        }                                                                                                   \
        iso##N##_rhs(&g, x);                                                                                \
        if (!F##_sqrt(y, &g)) {                                                                             \
            F##_mul(x, x, &zuu);                                                                            \
            iso##N##_rhs(&g, x);                                                                            \
            if (!F##_sqrt(y, &g)) BUG("simplified SWU: neither value is a square");                         \
        }                                                                                                   \
        if (F##_sgn0(u) != F##_sgn0(y)) F##_neg(y, y);                                                      \
    }                                                                                                       \
    static void iso##N##_poly(struct F *r, const struct F *c, size_t n, const struct F *x)                  \
    {                                                                                                       \
        struct F acc = c[n - 1];                                                                            \
        for (size_t i = n - 1; i-- > 0;) {                                                                  \
            F##_mul(&acc, &acc, x);                                                                         \
            F##_add(&acc, &acc, &c[i]);                                                                     \
        }                                                                                                   \
        *r = acc;                                                                                           \
    }                                                                                                       \
    /* (xn/xd, y yn/yd) with z = xd yd; a denominator of 0 gives the point at infinity, as the RFC wants */ \
    static void iso##N##_apply(struct g##N##_jacobian *r, const struct F *x, const struct F *y)             \
    {                                                                                                       \
        struct F xn, xd, yn, yd, yd2, xd2;                                                                  \
        iso##N##_poly(&xn, iso##N##_x_num, COUNT_OF(iso##N##_x_num), x);                                    \
        iso##N##_poly(&xd, iso##N##_x_den, COUNT_OF(iso##N##_x_den), x);                                    \
        iso##N##_poly(&yn, iso##N##_y_num, COUNT_OF(iso##N##_y_num), x);                                    \
        iso##N##_poly(&yd, iso##N##_y_den, COUNT_OF(iso##N##_y_den), x);                                    \
        F##_mul(&r->z, &xd, &yd);                                                                           \
        F##_sqr(&yd2, &yd);                                                                                 \
        F##_sqr(&xd2, &xd);                                                                                 \
        F##_mul(&xn, &xn, &xd);                                                                             \
        F##_mul(&r->x, &xn, &yd2); /* xn xd yd^2 */                                                         \
        F##_mul(&yn, &yn, y);                                                                               \
        F##_mul(&yn, &yn, &xd2);                                                                            \
        F##_mul(&yn, &yn, &xd);                                                                             \
        F##_mul(&r->y, &yn, &yd2); /* y yn xd^3 yd^2 */                                                     \
    }

DEFINE_MAP(fp, 1)
DEFINE_MAP(fp2, 2)

enum status pc_bls_map_fp_to_g1(uint8_t out[static 128], bytes in)
{
    struct fp u, x, y;
    struct g1_jacobian p, q;
    if (in.len != 64 || !bls_fp_get(&u, in.ptr)) return E_INVALID;
    iso1_sswu(&x, &y, &u);
    iso1_apply(&p, &x, &y);
    g1_mul_u64(&q, &p, BLS_X); /* h_eff = 1 - x */
    g1_add(&q, &q, &p);
    bls_g1_put(out, &q);
    return OK;
}

/* [x] p */
static void g2_mul_x(struct g2_jacobian *r, const struct g2_jacobian *p)
{
    g2_mul_u64(r, p, BLS_X);
    g2_neg(r, r);
}

/* [x^2 - x - 1]P + [x - 1]psi(P) + psi^2([2]P) */
static void g2_clear_cofactor(struct g2_jacobian *r, const struct g2_jacobian *p)
{
    struct g2_jacobian xp, psi_p, t, minus;
    g2_mul_x(&xp, p);
    g2_psi(&psi_p, p);
    g2_double(&t, p);
    g2_psi(&t, &t);
    g2_psi(&t, &t);
    g2_neg(&minus, &psi_p);
    g2_add(&t, &t, &minus);
    g2_add(&psi_p, &psi_p, &xp);
    g2_mul_x(&psi_p, &psi_p); /* x (xP + psi(P)) */
    g2_add(&t, &t, &psi_p);
    g2_neg(&minus, &xp);
    g2_add(&t, &t, &minus);
    g2_neg(&minus, p);
    g2_add(r, &t, &minus);
}

enum status pc_bls_map_fp2_to_g2(uint8_t out[static 256], bytes in)
{
    struct fp2 u, x, y;
    struct g2_jacobian p;
    if (in.len != 128 || !bls_fp_get(&u.a, in.ptr) || !bls_fp_get(&u.b, in.ptr + 64))
        return E_INVALID;
    iso2_sswu(&x, &y, &u);
    iso2_apply(&p, &x, &y);
    g2_clear_cofactor(&p, &p);
    bls_g2_put(out, &p);
    return OK;
}
