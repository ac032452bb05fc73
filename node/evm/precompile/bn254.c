/* The optimal ate pairing on bn254 follows Aranha, Karabina, Longa, Gebotys, Lopez: "Faster Explicit Formulas for Computing
 * Pairings over Ordinary Curves" (2011); the final exponentiation Fuentes-Castaneda, Knapp, Rodriguez-Henriquez (2011). */
#include "node/evm/precompile/bn254_constants_priv.h"
#include "node/evm/precompile/precompile.h"
#include "node/evm/precompile/tower_priv.h"

/* xi = 9 + i */
static inline void fp2_mul_xi(struct fp2 *r, const struct fp2 *x)
{
    struct fp a, b;
    fp_double(&a, &x->a);
    fp_double(&a, &a);
    fp_double(&a, &a);
    fp_add(&a, &a, &x->a);
    fp_sub(&a, &a, &x->b);
    fp_double(&b, &x->b);
    fp_double(&b, &b);
    fp_double(&b, &b);
    fp_add(&b, &b, &x->b);
    fp_add(&r->b, &b, &x->a);
    r->a = a;
}

#define CURVE_F fp
#define CURVE_G g1
#include "node/evm/precompile/curve_priv.h"
#define CURVE_F fp2
#define CURVE_G g2
#include "node/evm/precompile/curve_priv.h"

#include "node/evm/precompile/pairing_priv.h"

#define BN_X 0x44e992b44a6909f1u

/* ---- encoding ---- */

static bool g1_get(struct g1_affine *p, const uint8_t src[static 64])
{
    if (!fp_get_be(&p->x, src) || !fp_get_be(&p->y, src + 32)) return false;
    p->infinite = fp_is_zero(&p->x) && fp_is_zero(&p->y);
    return g1_is_on_curve(p);
}

static void g1_put(uint8_t dst[static 64], const struct g1_jacobian *p)
{
    struct g1_affine a;
    g1_to_affine(&a, p);
    fp_put_be(dst, &a.x);
    fp_put_be(dst + 32, &a.y);
}

/* psi, the Frobenius of the twist, in Jacobian coordinates */
static void g2_psi(struct g2_jacobian *r, const struct g2_jacobian *p)
{
    fp2_conj(&r->x, &p->x);
    fp2_mul(&r->x, &r->x, &psi_x);
    fp2_conj(&r->y, &p->y);
    fp2_mul(&r->y, &r->y, &psi_y);
    fp2_conj(&r->z, &p->z);
}

/* [x+1]Q + psi([x]Q) + psi^2([x]Q) == psi^3([2x]Q) holds in the subgroup of prime order and nowhere else on this twist (El
 * Housni, Guillevic, Piellard: "Co-factor clearing and subgroup membership testing on pairing-friendly curves", 2022). */
static bool g2_is_in_subgroup(const struct g2_affine *q)
{
    struct g2_jacobian xq, sum, t;
    g2_from_affine(&t, q);
    g2_mul_u64(&xq, &t, BN_X);
    g2_add(&sum, &xq, &t);
    g2_psi(&t, &xq);
    g2_add(&sum, &sum, &t);
    g2_psi(&t, &t);
    g2_add(&sum, &sum, &t);
    g2_psi(&t, &t);
    g2_double(&t, &t);
    return g2_eq(&sum, &t);
}

/* SPEC(EIP-197): an element of Fp2 is encoded with its imaginary part first. */
static bool g2_get(struct g2_affine *q, const uint8_t src[static 128])
{
    if (!fp_get_be(&q->x.b, src) || !fp_get_be(&q->x.a, src + 32) ||
        !fp_get_be(&q->y.b, src + 64) || !fp_get_be(&q->y.a, src + 96))
        return false;
    q->infinite = fp2_is_zero(&q->x) && fp2_is_zero(&q->y);
    return q->infinite || (g2_is_on_curve(q) && g2_is_in_subgroup(q));
}

/* Call data, cut or filled up by zeros to len bytes. */
static void padded(uint8_t *dst, size_t len, bytes in)
{
    const size_t have = in.len < len ? in.len : len;
    if (have != 0) memcpy(dst, in.ptr, have);
    memset(dst + have, 0, len - have);
}

/* ---- addition, multiplication ---- */

enum status pc_bn254_add(uint8_t out[static 64], bytes in)
{
    uint8_t data[128];
    struct g1_affine p, q;
    struct g1_jacobian sum;
    padded(data, sizeof(data), in);
    if (!g1_get(&p, data) || !g1_get(&q, data + 64)) return E_INVALID;
    g1_from_affine(&sum, &p);
    g1_add_affine(&sum, &sum, &q);
    g1_put(out, &sum);
    return OK;
}

/* r += a * b, of four limbs, what goes over is dropped */
static void limbs_mul_add(uint64_t r[static 4], const uint64_t *a, unsigned na, const uint64_t *b,
                          unsigned nb)
{
    for (unsigned i = 0; i < na; i++) {
        uint64_t carry = 0;
        for (unsigned j = 0; i + j < 4; j++) {
            const uint128 t = (uint128)a[i] * (j < nb ? b[j] : 0) + r[i + j] + carry;
            r[i + j] = (uint64_t)t;
            carry = (uint64_t)(t >> 64);
        }
    }
}

/* bits 256.. of a * b */
static void limbs_mul_high(uint64_t r[static 4], const uint64_t a[static 4], const uint64_t *b,
                           unsigned nb)
{
    uint64_t t[8] = {0};
    for (unsigned i = 0; i < nb; i++) {
        uint64_t carry = 0;
        for (unsigned j = 0; j < 4; j++) {
            const uint128 v = (uint128)b[i] * a[j] + t[i + j] + carry;
            t[i + j] = (uint64_t)v;
            carry = (uint64_t)(v >> 64);
        }
        t[i + 4] = carry;
    }
    memcpy(r, t + 4, 4 * sizeof(*r));
}

static void limbs_sub(uint64_t r[static 4], const uint64_t a[static 4], const uint64_t b[static 4])
{
    unsigned char borrow = 0;
    for (unsigned i = 0; i < 4; i++)
        borrow = sub_borrow(borrow, a[i], b[i], &r[i]);
}

/* The endomorphism multiplies by lambda; its lattice of short vectors (u, v), u + v lambda = 0 mod the order, has the basis
 * (glv_a, -glv_x), (glv_x, glv_b) with glv_x = 2x + 1. glv_g1 and glv_g2 are 2^256 glv_b / order and 2^256 glv_x / order. */
static const uint64_t glv_a[4] = {0x8211bbeb7d4f1128, 0x6f4d8248eeb859fc};
static const uint64_t glv_b[4] = {0x0be4e1541221250b, 0x6f4d8248eeb859fd};
static const uint64_t glv_x[1] = {0x89d3256894d213e3};
static const uint64_t glv_g1[3] = {0x5398fd0300ff6565, 0x4ccef014a773d2d2, 0x0000000000000002};
static const uint64_t glv_g2[2] = {0xd91d232ec7e0b3d7, 0x0000000000000002};

/* k = k1 + k2 lambda; 0 <= k1 < 2^128, |k2| < 2^128, ret whether k2 is negative. The rounding goes down and may be off by one, which
 * the bounds allow: k1 < 2 (glv_a + glv_x), |k2| < 2 glv_b, both below 2^128. */
static bool glv_split(uint64_t k1[static 4], uint64_t k2[static 4], const uint64_t k[static 4])
{
    uint64_t c1[4], c2[4], t[4] = {0}, u[4] = {0}, v[4] = {0};
    limbs_mul_high(c1, k, glv_g1, COUNT_OF(glv_g1));
    limbs_mul_high(c2, k, glv_g2, COUNT_OF(glv_g2));
    limbs_mul_add(t, c1, 4, glv_a, 2);
    limbs_mul_add(t, c2, 4, glv_x, 1);
    limbs_sub(k1, k, t);
    limbs_mul_add(u, c1, 4, glv_x, 1);
    limbs_mul_add(v, c2, 4, glv_b, 2);
    limbs_sub(k2, u, v);
    if (k2[3] >> 63 == 0) return false;
    static const uint64_t zero[4];
    limbs_sub(k2, zero, k2);
    return true;
}

static void scalar_reduce(uint64_t k[static 4])
{
    for (;;) { /* 2^256 is less than 6 times the order */
        uint64_t t[4];
        unsigned char borrow = 0;
        for (unsigned i = 0; i < 4; i++)
            borrow = sub_borrow(borrow, k[i], order.l[i], &t[i]);
        if (borrow) return;
        memcpy(k, t, sizeof(t));
    }
}

static void g1_mul(struct g1_jacobian *r, const struct g1_affine *p, const uint64_t k[static 4])
{
    uint64_t k1[4], k2[4];
    struct g1_jacobian tables[2][WNAF_TABLE];
    int8_t digits[2][WNAF_LEN];
    const bool negative = glv_split(k1, k2, k);
    g1_from_affine(r, p);
    if (p->infinite) return;
    g1_odd_multiples(tables[0], r);
    for (unsigned i = 0; i < WNAF_TABLE; i++) {
        fp_mul(&tables[1][i].x, &tables[0][i].x, &glv_beta);
        tables[1][i].y = tables[0][i].y;
        if (negative) fp_neg(&tables[1][i].y, &tables[0][i].y);
        tables[1][i].z = tables[0][i].z;
    }
    wnaf(digits[0], k1[0], k1[1]);
    wnaf(digits[1], k2[0], k2[1]);
    g1_mul_interleaved(r, (const struct g1_jacobian(*)[WNAF_TABLE])tables,
                       (const int8_t(*)[WNAF_LEN])digits, 2);
}

enum status pc_bn254_mul(uint8_t out[static 64], bytes in)
{
    uint8_t data[96];
    struct g1_affine p;
    struct g1_jacobian r;
    padded(data, sizeof(data), in);
    if (!g1_get(&p, data)) return E_INVALID;
    uint64_t k[4];
    for (unsigned i = 0; i < 4; i++)
        k[3 - i] = be64_get(data + 64 + 8 * i);
    scalar_reduce(k);
    g1_mul(&r, &p, k);
    g1_put(out, &r);
    return OK;
}

/* ---- pairing ---- */

struct miller { /* a pair in the Miller loop */
    struct g1_affine p;
    struct g2_affine q, minus_q;
    struct g2_running t;
};

static inline void fp2_mul_b(struct fp2 *r, const struct fp2 *x)
{
    fp2_mul(r, x, &g2_b);
}

/* f *= the line at P: y yP + x xP w + constant w^3, as the twist is of type D */
static void line_multiply(struct fp12 *f, struct line *l, const struct g1_affine *p)
{
    fp2_mul_fp(&l->y, &l->y, &p->y);
    fp2_mul_fp(&l->x, &l->x, &p->x);
    struct fp6 aa, bb, s;
    struct fp2 sum;
    fp2_mul(&aa.a, &f->a.a, &l->y);
    fp2_mul(&aa.b, &f->a.b, &l->y);
    fp2_mul(&aa.c, &f->a.c, &l->y);
    fp6_mul_ab(&bb, &f->b, &l->x, &l->constant);
    fp2_add(&sum, &l->y, &l->x);
    fp6_add(&s, &f->a, &f->b);
    fp6_mul_ab(&s, &s, &sum, &l->constant);
    fp6_sub(&s, &s, &aa);
    fp6_sub(&f->b, &s, &bb);
    fp6_mul_v(&bb, &bb);
    fp6_add(&f->a, &aa, &bb);
}

static void miller_double(struct fp12 *f, struct miller *m)
{
    struct line l;
    g2_running_double(&l, &m->t);
    line_multiply(f, &l, &m->p);
}

static void miller_add(struct fp12 *f, struct miller *m, const struct g2_affine *q)
{
    struct line l;
    g2_running_add(&l, &m->t, q);
    line_multiply(f, &l, &m->p);
}

/* The digits of 6x + 2 in non-adjacent form, and those of x in windows of four bits, highest first. */
static const int8_t loop_digits[] = {1, 0,  -1, 0, 1,  0, 0,  0,  -1, 0, -1, 0, 0,  0,  -1, 0, 1,
                                     0, -1, 0,  0, -1, 0, 0,  0,  0,  0, 1,  0, 0,  -1, 0,  1, 0,
                                     0, -1, 0,  0, 0,  0, -1, 0,  1,  0, 0,  0, -1, 0,  -1, 0, 0,
                                     1, 0,  0,  0, -1, 0, 0,  -1, 0,  1, 0,  1, 0,  0,  0};
static const int8_t x_digits[] = {1, 0, 0, 0, 0, 0, 5, 0, 0,  0, 0,  -3, 0,  0, 0,  3,
                                  0, 0, 0, 0, 5, 0, 0, 0, -5, 0, 0,  0,  -3, 0, 0,  0,
                                  1, 0, 0, 0, 0, 5, 0, 0, 0,  0, 7,  0,  0,  0, -7, 0,
                                  0, 0, 0, 0, 0, 5, 0, 0, 0,  0, -1, 0,  0,  0, 1};

/* Pairs that are worked on at once; the squarings of f are shared among them. */
enum { MILLER_BATCH = 16 };

static void miller_start(struct miller *m)
{
    g2_running_start(&m->t, &m->q);
    m->minus_q = m->q;
    fp2_neg(&m->minus_q.y, &m->q.y);
}

/* The two last lines of the loop: through psi(Q) and -psi^2(Q). */
static void miller_end(struct fp12 *f, struct miller *m)
{
    struct g2_affine q1, q2;
    memset(&q1, 0, sizeof(q1));
    memset(&q2, 0, sizeof(q2));
    fp2_conj(&q1.x, &m->q.x);
    fp2_mul(&q1.x, &q1.x, &psi_x);
    fp2_conj(&q1.y, &m->q.y);
    fp2_mul(&q1.y, &q1.y, &psi_y);
    fp2_mul_fp(&q2.x, &m->q.x, &psi2_x);
    q2.y = m->q.y; /* psi^2 negates y, and so does the minus */
    miller_add(f, m, &q1);
    miller_add(f, m, &q2);
}

/* f *= the product of the Miller loops of n pairs */
static void miller_run(struct fp12 *f, struct miller *m, unsigned n)
{
    struct fp12 g;
    fp12_set_one(&g);
    for (unsigned k = 0; k < n; k++)
        miller_start(&m[k]);
    for (size_t i = 1; i < COUNT_OF(loop_digits); i++) {
        if (i != 1) fp12_sqr(&g, &g);
        for (unsigned k = 0; k < n; k++) {
            miller_double(&g, &m[k]);
            if (loop_digits[i] != 0)
                miller_add(&g, &m[k], loop_digits[i] > 0 ? &m[k].q : &m[k].minus_q);
        }
    }
    for (unsigned k = 0; k < n; k++)
        miller_end(&g, &m[k]);
    fp12_mul(f, f, &g);
}

static void pow_x(struct fp12 *r, const struct fp12 *f)
{
    fp12_cyclotomic_pow(r, f, x_digits, COUNT_OF(x_digits));
}

/* f^((p^12 - 1) / order * 2x(6x^2 + 3x + 1)); the factor is prime to the order */
static void final_exponentiation(struct fp12 *r, const struct fp12 *f)
{
    struct fp12 m, a, b, c, e;
    fp12_easy_part(&m, f);
    pow_x(&a, &m);
    fp12_cyclotomic_sqr(&a, &a); /* 2x */
    fp12_cyclotomic_sqr(&b, &a);
    fp12_mul(&b, &b, &a); /* 6x */
    pow_x(&c, &b);        /* 6x^2 */
    fp12_cyclotomic_sqr(&e, &c);
    pow_x(&e, &e); /* 12x^3 */
    fp12_mul(&b, &b, &c);
    fp12_mul(&b, &b, &e); /* 6x + 6x^2 + 12x^3: the coefficient of p^2 */
    fp12_conj(&a, &a);
    fp12_mul(&a, &a, &b); /* 4x + 6x^2 + 12x^3: of p */
    fp12_mul(&c, &c, &b);
    fp12_mul(&c, &c, &m); /* 1 + 6x + 12x^2 + 12x^3: of 1 */
    fp12_conj(&m, &m);
    fp12_mul(&m, &m, &a); /* -1 + 4x + 6x^2 + 12x^3: of p^3 */
    fp12_frobenius_1(&a, &a);
    fp12_frobenius_2(&b, &b);
    fp12_frobenius_3(&m, &m);
    fp12_mul(&a, &a, &b);
    fp12_mul(&c, &c, &m);
    fp12_mul(r, &a, &c);
}

enum status pc_bn254_pairing(uint8_t out[static 32], bytes in)
{
    if (in.len % 192 != 0) return E_INVALID;
    struct miller batch[MILLER_BATCH];
    struct fp12 f;
    unsigned n = 0;
    fp12_set_one(&f);
    for (size_t at = 0; at < in.len; at += 192) {
        struct miller *m = &batch[n];
        if (!g1_get(&m->p, in.ptr + at) || !g2_get(&m->q, in.ptr + at + 64)) return E_INVALID;
        if (m->p.infinite || m->q.infinite) continue; /* such a pair gives 1 */
        if (++n < MILLER_BATCH) continue;
        miller_run(&f, batch, n);
        n = 0;
    }
    if (n != 0) miller_run(&f, batch, n);
    if (!fp12_is_one(&f)) final_exponentiation(&f, &f);
    memset(out, 0, 32);
    out[31] = fp12_is_one(&f);
    return OK;
}
