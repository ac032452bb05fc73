/* Subgroup tests: Scott, "A note on group membership tests for G1, G2 and GT on BLS pairing-friendly curves" (2021). Final
 * exponentiation: Hayashida, Hayasaka, Teruya, "Efficient Final Exponentiation via Cyclotomic Structure" (2020). */
#include "node/evm/precompile/bls12_381_priv.h"
#include "node/evm/precompile/pairing_priv.h"
#include "node/evm/precompile/precompile.h"

/* ---- encoding ---- */

bool bls_fp_get(struct fp *r, const uint8_t src[static 64])
{
    for (unsigned i = 0; i < 16; i++)
        if (src[i] != 0) return false;
    return fp_get_be(r, src + 16);
}

static void bls_fp_put(uint8_t dst[static 64], const struct fp *a)
{
    memset(dst, 0, 16);
    fp_put_be(dst + 16, a);
}

static bool g1_get(struct g1_affine *p, const uint8_t src[static 128])
{
    if (!bls_fp_get(&p->x, src) || !bls_fp_get(&p->y, src + 64)) return false;
    p->infinite = fp_is_zero(&p->x) && fp_is_zero(&p->y);
    return g1_is_on_curve(p);
}

static bool g2_get(struct g2_affine *p, const uint8_t src[static 256])
{
    if (!bls_fp_get(&p->x.a, src) || !bls_fp_get(&p->x.b, src + 64) ||
        !bls_fp_get(&p->y.a, src + 128) || !bls_fp_get(&p->y.b, src + 192))
        return false;
    p->infinite = fp2_is_zero(&p->x) && fp2_is_zero(&p->y);
    return g2_is_on_curve(p);
}

void bls_g1_put(uint8_t dst[static 128], const struct g1_jacobian *p)
{
    struct g1_affine a;
    g1_to_affine(&a, p);
    bls_fp_put(dst, &a.x);
    bls_fp_put(dst + 64, &a.y);
}

void bls_g2_put(uint8_t dst[static 256], const struct g2_jacobian *p)
{
    struct g2_affine a;
    g2_to_affine(&a, p);
    bls_fp_put(dst, &a.x.a);
    bls_fp_put(dst + 64, &a.x.b);
    bls_fp_put(dst + 128, &a.y.a);
    bls_fp_put(dst + 192, &a.y.b);
}

/* ---- subgroups ---- */

/* (beta x, y) == [-x^2] P */
bool bls_g1_is_in_subgroup(const struct g1_affine *p)
{
    struct g1_jacobian q, t;
    g1_from_affine(&q, p);
    g1_mul_u64(&t, &q, BLS_X);
    g1_mul_u64(&t, &t, BLS_X);
    g1_neg(&t, &t);
    fp_mul(&q.x, &q.x, &g1_beta);
    return g1_eq(&q, &t);
}

/* psi(P) == [x] P */
bool bls_g2_is_in_subgroup(const struct g2_affine *p)
{
    struct g2_jacobian q, t;
    g2_from_affine(&q, p);
    g2_mul_u64(&t, &q, BLS_X);
    g2_neg(&t, &t);
    g2_psi(&q, &q);
    return g2_eq(&q, &t);
}

/* ---- multiplication ---- */

/* k mod order in base -x: four digits below 2^64. */
static void scalar_digits(uint64_t d[static 4], const struct scalar *k)
{
    struct scalar v = *k;
    for (;;) { /* 2^256 is less than 3 times the order */
        struct scalar t;
        unsigned char borrow = 0;
        for (unsigned i = 0; i < 4; i++)
            borrow = sub_borrow(borrow, v.l[i], order.l[i], &t.l[i]);
        if (borrow) break;
        v = t;
    }
    for (unsigned i = 0; i < 4; i++) {
        uint64_t rest = 0;
        for (unsigned j = 4; j-- > 0;) {
            const uint128 t = (uint128)rest << 64 | v.l[j];
            v.l[j] = (uint64_t)(t / BLS_X);
            rest = (uint64_t)(t % BLS_X);
        }
        d[i] = rest;
    }
}

/* The endomorphism splits a factor in two halves of 128 bits: [k]P = [d0 + d1 |x|]P - [d2 + d3 |x|](beta x, y). */
static void g1_tables(struct g1_jacobian t[2][WNAF_TABLE], int8_t digits[2][WNAF_LEN],
                      const struct g1_affine *p, const struct scalar *k)
{
    uint64_t d[4];
    struct g1_jacobian q;
    g1_from_affine(&q, p);
    g1_odd_multiples(t[0], &q);
    for (unsigned i = 0; i < WNAF_TABLE; i++) {
        fp_mul(&t[1][i].x, &t[0][i].x, &g1_beta);
        fp_neg(&t[1][i].y, &t[0][i].y);
        t[1][i].z = t[0][i].z;
    }
    scalar_digits(d, k);
    for (unsigned i = 0; i < 2; i++) {
        const uint128 half = (uint128)d[2 * i + 1] * BLS_X + d[2 * i];
        wnaf(digits[i], (uint64_t)half, (uint64_t)(half >> 64));
    }
}

void bls_g1_mul(struct g1_jacobian *r, const struct g1_affine *p, const struct scalar *k)
{
    struct g1_jacobian tables[2][WNAF_TABLE];
    int8_t digits[2][WNAF_LEN];
    if (p->infinite) {
        g1_set_infinite(r);
        return;
    }
    g1_tables(tables, digits, p, k);
    g1_mul_interleaved(r, (const struct g1_jacobian(*)[WNAF_TABLE])tables,
                       (const int8_t(*)[WNAF_LEN])digits, 2);
}

/* psi splits a factor in four of 64 bits: [k]P = [d0]P - [d1]psi(P) + [d2]psi^2(P) - [d3]psi^3(P), as psi(P) = -[|x|]P. */
static void g2_tables(struct g2_jacobian t[4][WNAF_TABLE], int8_t digits[4][WNAF_LEN],
                      const struct g2_affine *p, const struct scalar *k)
{
    uint64_t d[4];
    struct g2_jacobian q;
    g2_from_affine(&q, p);
    g2_odd_multiples(t[0], &q);
    scalar_digits(d, k);
    wnaf(digits[0], d[0], 0);
    for (unsigned i = 1; i < 4; i++) {
        for (unsigned j = 0; j < WNAF_TABLE; j++) {
            g2_psi(&t[i][j], &t[i - 1][j]);
            g2_neg(&t[i][j], &t[i][j]);
        }
        wnaf(digits[i], d[i], 0);
    }
}

static void scalar_get(struct scalar *k, const uint8_t src[static 32])
{
    for (unsigned i = 0; i < 4; i++)
        k->l[3 - i] = be64_get(src + 8 * i);
}

/* Points whose multiples are summed up in one go, sharing the doublings. Bounded by the stack. */
enum { G1_BATCH = 16, G2_BATCH = 4 };

enum status pc_bls_g1_msm(uint8_t out[static 128], bytes in)
{
    if (in.len == 0 || in.len % 160 != 0) return E_INVALID;
    struct g1_jacobian tables[2 * G1_BATCH][WNAF_TABLE], sum, part;
    int8_t digits[2 * G1_BATCH][WNAF_LEN];
    unsigned n = 0;
    g1_set_infinite(&sum);
    for (size_t at = 0; at < in.len; at += 160) {
        struct g1_affine p;
        struct scalar k;
        if (!g1_get(&p, in.ptr + at) || !bls_g1_is_in_subgroup(&p)) return E_INVALID;
        scalar_get(&k, in.ptr + at + 128);
        if (!p.infinite) {
            g1_tables(tables + 2 * n, digits + 2 * n, &p, &k);
            n++;
        }
        if (n == G1_BATCH || at + 160 == in.len) {
            g1_mul_interleaved(&part, (const struct g1_jacobian(*)[WNAF_TABLE])tables,
                               (const int8_t(*)[WNAF_LEN])digits, 2 * n);
            g1_add(&sum, &sum, &part);
            n = 0;
        }
    }
    bls_g1_put(out, &sum);
    return OK;
}

enum status pc_bls_g2_msm(uint8_t out[static 256], bytes in)
{
    if (in.len == 0 || in.len % 288 != 0) return E_INVALID;
    struct g2_jacobian tables[4 * G2_BATCH][WNAF_TABLE], sum, part;
    int8_t digits[4 * G2_BATCH][WNAF_LEN];
    unsigned n = 0;
    g2_set_infinite(&sum);
    for (size_t at = 0; at < in.len; at += 288) {
        struct g2_affine p;
        struct scalar k;
        if (!g2_get(&p, in.ptr + at) || !bls_g2_is_in_subgroup(&p)) return E_INVALID;
        scalar_get(&k, in.ptr + at + 256);
        if (!p.infinite) {
            g2_tables(tables + 4 * n, digits + 4 * n, &p, &k);
            n++;
        }
        if (n == G2_BATCH || at + 288 == in.len) {
            g2_mul_interleaved(&part, (const struct g2_jacobian(*)[WNAF_TABLE])tables,
                               (const int8_t(*)[WNAF_LEN])digits, 4 * n);
            g2_add(&sum, &sum, &part);
            n = 0;
        }
    }
    bls_g2_put(out, &sum);
    return OK;
}

/* ---- addition; SPEC(EIP-2537): no subgroup test here ---- */

enum status pc_bls_g1_add(uint8_t out[static 128], bytes in)
{
    struct g1_affine p, q;
    struct g1_jacobian sum;
    if (in.len != 256 || !g1_get(&p, in.ptr) || !g1_get(&q, in.ptr + 128)) return E_INVALID;
    g1_from_affine(&sum, &p);
    g1_add_affine(&sum, &sum, &q);
    bls_g1_put(out, &sum);
    return OK;
}

enum status pc_bls_g2_add(uint8_t out[static 256], bytes in)
{
    struct g2_affine p, q;
    struct g2_jacobian sum;
    if (in.len != 512 || !g2_get(&p, in.ptr) || !g2_get(&q, in.ptr + 256)) return E_INVALID;
    g2_from_affine(&sum, &p);
    g2_add_affine(&sum, &sum, &q);
    bls_g2_put(out, &sum);
    return OK;
}

/* ---- pairing ---- */

/* xi is 1 + i, and the twist's b is 4 xi */
static inline void fp2_mul_b(struct fp2 *r, const struct fp2 *x)
{
    fp2_mul_xi(r, x);
    fp2_double(r, r);
    fp2_double(r, r);
}

/* f *= the line at P: constant + x xP v + y yP v w, as the twist is of type M */
static void line_multiply(struct fp12 *f, struct line *l, const struct g1_affine *p)
{
    fp2_mul_fp(&l->x, &l->x, &p->x);
    fp2_mul_fp(&l->y, &l->y, &p->y);
    struct fp6 aa, bb, s;
    struct fp2 sum;
    fp6_mul_ab(&aa, &f->a, &l->constant, &l->x);
    fp6_mul_b(&bb, &f->b, &l->y);
    fp2_add(&sum, &l->x, &l->y);
    fp6_add(&s, &f->a, &f->b);
    fp6_mul_ab(&s, &s, &l->constant, &sum);
    fp6_sub(&s, &s, &aa);
    fp6_sub(&f->b, &s, &bb);
    fp6_mul_v(&bb, &bb);
    fp6_add(&f->a, &aa, &bb);
}

/* The pairs that wait, multiplied into f. The sign of x is left out: the inverse of a product is 1 when the product is. */
static void miller_flush(struct bls_miller *m)
{
    struct fp12 g;
    fp12_set_one(&g);
    for (unsigned i = 63; i-- > 0;) {
        fp12_sqr(&g, &g);
        for (unsigned k = 0; k < m->n; k++) {
            struct bls_pair *e = &m->pair[k];
            struct line l;
            g2_running_double(&l, &e->t);
            line_multiply(&g, &l, &e->p);
            if ((BLS_X >> i & 1) == 0) continue;
            g2_running_add(&l, &e->t, &e->q);
            line_multiply(&g, &l, &e->p);
        }
    }
    fp12_mul(&m->f, &m->f, &g);
    m->n = 0;
}

void bls_miller_init(struct bls_miller *m)
{
    fp12_set_one(&m->f);
    m->n = 0;
}

void bls_miller_add(struct bls_miller *m, const struct g1_affine *p, const struct g2_affine *q)
{
    if (p->infinite || q->infinite) return; /* such a pair gives 1 */
    struct bls_pair *e = &m->pair[m->n++];
    e->p = *p;
    e->q = *q;
    g2_running_start(&e->t, q);
    if (m->n == BLS_PAIRS_MAX) miller_flush(m);
}

/* f^x in the cyclotomic subgroup */
static void pow_x(struct fp12 *r, const struct fp12 *f)
{
    struct fp12 acc = *f;
    for (unsigned i = 63; i-- > 0;) {
        fp12_cyclotomic_sqr(&acc, &acc);
        if (BLS_X >> i & 1) fp12_mul(&acc, &acc, f);
    }
    fp12_conj(r, &acc);
}

/* f^(3 (p^12 - 1) / order); 3 is prime to the order. The hard part is (x-1)^2 (x+p) (x^2+p^2-1) + 3. */
static void final_exponentiation(struct fp12 *r, const struct fp12 *f)
{
    struct fp12 m, t, a, b;
    fp12_easy_part(&m, f);
    pow_x(&a, &m);
    fp12_conj(&t, &m);
    fp12_mul(&a, &a, &t); /* x - 1 */
    pow_x(&b, &a);
    fp12_conj(&t, &a);
    fp12_mul(&a, &b, &t); /* (x - 1)^2 */
    pow_x(&b, &a);
    fp12_frobenius_1(&t, &a);
    fp12_mul(&a, &b, &t); /* ... (x + p) */
    pow_x(&b, &a);
    pow_x(&b, &b);
    fp12_frobenius_2(&t, &a);
    fp12_mul(&b, &b, &t);
    fp12_conj(&t, &a);
    fp12_mul(&b, &b, &t); /* ... (x^2 + p^2 - 1) */
    fp12_cyclotomic_sqr(&t, &m);
    fp12_mul(&t, &t, &m);
    fp12_mul(r, &b, &t);
}

bool bls_miller_is_one(struct bls_miller *m)
{
    if (m->n != 0) miller_flush(m);
    if (fp12_is_one(&m->f)) return true;
    struct fp12 r;
    final_exponentiation(&r, &m->f);
    return fp12_is_one(&r);
}

enum status pc_bls_pairing(uint8_t out[static 32], bytes in)
{
    if (in.len == 0 || in.len % 384 != 0) return E_INVALID;
    struct bls_miller m;
    bls_miller_init(&m);
    for (size_t at = 0; at < in.len; at += 384) {
        struct g1_affine p;
        struct g2_affine q;
        if (!g1_get(&p, in.ptr + at) || !g2_get(&q, in.ptr + at + 128)) return E_INVALID;
        if (!bls_g1_is_in_subgroup(&p) || !bls_g2_is_in_subgroup(&q)) return E_INVALID;
        bls_miller_add(&m, &p, &q);
    }
    memset(out, 0, 32);
    out[31] = bls_miller_is_one(&m);
    return OK;
}
