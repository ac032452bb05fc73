/* curve_priv.h: points of y^2 = x^3 + b over a field F, a template that is included once per group with
 *     CURVE_F   the field: fp or fp2           CURVE_G   the group's prefix: g1 or g2
 * Points are affine (with a flag for the point at infinity) or Jacobian (x/z^2, y/z^3; z = 0 is infinity). */
#define CURVE_CAT2(a, b) a##_##b
#define CURVE_CAT(a, b)  CURVE_CAT2(a, b)
#define F                struct CURVE_F
#define f_(name)         CURVE_CAT(CURVE_F, name)
#define g_(name)         CURVE_CAT(CURVE_G, name)
#define AFFINE           struct g_(affine)
#define JACOBIAN         struct g_(jacobian)

AFFINE
{
    F x, y;
    bool infinite;
};
JACOBIAN
{
    F x, y, z;
};

static inline bool g_(is_infinite)(const JACOBIAN *p)
{
    return f_(is_zero)(&p->z);
}

static inline void g_(set_infinite)(JACOBIAN *p)
{
    memset(p, 0, sizeof(*p));
}

/* y^2 == x^3 + b; the point at infinity is on the curve. */
static UNUSED bool g_(is_on_curve)(const AFFINE *p)
{
    if (p->infinite) return true;
    F left, right;
    f_(sqr)(&left, &p->y);
    f_(sqr)(&right, &p->x);
    f_(mul)(&right, &right, &p->x);
    f_(add)(&right, &right, &g_(b));
    return f_(eq)(&left, &right);
}

static UNUSED void g_(from_affine)(JACOBIAN *r, const AFFINE *p)
{
    if (p->infinite) {
        g_(set_infinite)(r);
        return;
    }
    r->x = p->x;
    r->y = p->y;
    memset(&r->z, 0, sizeof(r->z));
    memcpy(&r->z, &fp_one, sizeof(fp_one)); /* 1 of Fp2 has the 1 of Fp as its first half */
}

static UNUSED void g_(to_affine)(AFFINE *r, const JACOBIAN *p)
{
    if (g_(is_infinite)(p)) {
        memset(r, 0, sizeof(*r));
        r->infinite = true;
        return;
    }
    F i, ii;
    f_(inv)(&i, &p->z);
    f_(sqr)(&ii, &i);
    f_(mul)(&r->x, &p->x, &ii);
    f_(mul)(&ii, &ii, &i);
    f_(mul)(&r->y, &p->y, &ii);
    r->infinite = false;
}

/* dbl-2009-l of the Explicit-Formulas Database */
static UNUSED HOT void g_(double)(JACOBIAN *r, const JACOBIAN *p)
{
    F a, b, c, d, e, f;
    f_(sqr)(&a, &p->x);
    f_(sqr)(&b, &p->y);
    f_(sqr)(&c, &b);
    f_(add)(&d, &p->x, &b);
    f_(sqr)(&d, &d);
    f_(sub)(&d, &d, &a);
    f_(sub)(&d, &d, &c);
    f_(double)(&d, &d);
    f_(double)(&e, &a);
    f_(add)(&e, &e, &a);
    f_(sqr)(&f, &e);
    f_(mul)(&a, &p->y, &p->z);
    f_(double)(&r->z, &a);
    f_(double)(&a, &d);
    f_(sub)(&r->x, &f, &a);
    f_(sub)(&d, &d, &r->x);
    f_(mul)(&d, &d, &e);
    f_(double)(&c, &c);
    f_(double)(&c, &c);
    f_(double)(&c, &c);
    f_(sub)(&r->y, &d, &c);
}

/* madd-2007-bl, with the cases that it leaves out */
static UNUSED HOT void g_(add_affine)(JACOBIAN *r, const JACOBIAN *p, const AFFINE *q)
{
    if (q->infinite) {
        *r = *p;
        return;
    }
    if (g_(is_infinite)(p)) {
        g_(from_affine)(r, q);
        return;
    }
    F zz, u, s, h, hh, i, j, v, t;
    f_(sqr)(&zz, &p->z);
    f_(mul)(&u, &q->x, &zz);
    f_(mul)(&s, &q->y, &p->z);
    f_(mul)(&s, &s, &zz);
    f_(sub)(&h, &u, &p->x);
    f_(sub)(&s, &s, &p->y);
    if (f_(is_zero)(&h)) {
        if (f_(is_zero)(&s))
            g_(double)(r, p);
        else
            g_(set_infinite)(r);
        return;
    }
    f_(double)(&s, &s);
    f_(sqr)(&hh, &h);
    f_(double)(&i, &hh);
    f_(double)(&i, &i);
    f_(mul)(&j, &h, &i);
    f_(mul)(&v, &p->x, &i);
    f_(add)(&t, &p->z, &h);
    f_(sqr)(&t, &t);
    f_(sub)(&t, &t, &zz);
    f_(sub)(&r->z, &t, &hh);
    f_(mul)(&t, &p->y, &j);
    f_(double)(&t, &t);
    f_(sqr)(&u, &s);
    f_(sub)(&u, &u, &j);
    f_(sub)(&u, &u, &v);
    f_(sub)(&r->x, &u, &v);
    f_(sub)(&v, &v, &r->x);
    f_(mul)(&v, &v, &s);
    f_(sub)(&r->y, &v, &t);
}

/* add-2007-bl, with the cases that it leaves out */
static UNUSED HOT void g_(add)(JACOBIAN *r, const JACOBIAN *p, const JACOBIAN *q)
{
    if (g_(is_infinite)(q)) {
        *r = *p;
        return;
    }
    if (g_(is_infinite)(p)) {
        *r = *q;
        return;
    }
    F zz1, zz2, u1, u2, s1, s2, h, i, j, v, t;
    f_(sqr)(&zz1, &p->z);
    f_(sqr)(&zz2, &q->z);
    f_(mul)(&u1, &p->x, &zz2);
    f_(mul)(&u2, &q->x, &zz1);
    f_(mul)(&s1, &p->y, &q->z);
    f_(mul)(&s1, &s1, &zz2);
    f_(mul)(&s2, &q->y, &p->z);
    f_(mul)(&s2, &s2, &zz1);
    f_(sub)(&h, &u2, &u1);
    f_(sub)(&s2, &s2, &s1);
    if (f_(is_zero)(&h)) {
        if (f_(is_zero)(&s2))
            g_(double)(r, p);
        else
            g_(set_infinite)(r);
        return;
    }
    f_(double)(&s2, &s2);
    f_(double)(&i, &h);
    f_(sqr)(&i, &i);
    f_(mul)(&j, &h, &i);
    f_(mul)(&v, &u1, &i);
    f_(add)(&t, &p->z, &q->z);
    f_(sqr)(&t, &t);
    f_(sub)(&t, &t, &zz1);
    f_(sub)(&t, &t, &zz2);
    f_(mul)(&r->z, &t, &h);
    f_(mul)(&t, &s1, &j);
    f_(double)(&t, &t);
    f_(sqr)(&u1, &s2);
    f_(sub)(&u1, &u1, &j);
    f_(sub)(&u1, &u1, &v);
    f_(sub)(&r->x, &u1, &v);
    f_(sub)(&v, &v, &r->x);
    f_(mul)(&v, &v, &s2);
    f_(sub)(&r->y, &v, &t);
}

static UNUSED void g_(neg)(JACOBIAN *r, const JACOBIAN *p)
{
    r->x = p->x;
    f_(neg)(&r->y, &p->y);
    r->z = p->z;
}

static UNUSED bool g_(eq)(const JACOBIAN *p, const JACOBIAN *q)
{
    if (g_(is_infinite)(p) || g_(is_infinite)(q)) return g_(is_infinite)(p) && g_(is_infinite)(q);
    F zz1, zz2, l, r;
    f_(sqr)(&zz1, &p->z);
    f_(sqr)(&zz2, &q->z);
    f_(mul)(&l, &p->x, &zz2);
    f_(mul)(&r, &q->x, &zz1);
    if (!f_(eq)(&l, &r)) return false;
    f_(mul)(&l, &p->y, &zz2);
    f_(mul)(&l, &l, &q->z);
    f_(mul)(&r, &q->y, &zz1);
    f_(mul)(&r, &r, &p->z);
    return f_(eq)(&l, &r);
}

/* [e]p for a 64-bit e, bit by bit: for the sparse parameters of the curves. */
static UNUSED void g_(mul_u64)(JACOBIAN *r, const JACOBIAN *p, uint64_t e)
{
    JACOBIAN acc;
    g_(set_infinite)(&acc);
    for (unsigned i = 64; i-- > 0;) {
        g_(double)(&acc, &acc);
        if (e >> i & 1) g_(add)(&acc, &acc, p);
    }
    *r = acc;
}

/* out[i] = affine form of in[i], none of them infinite, by a single inversion (Montgomery's trick). n <= 64 */
static UNUSED void g_(batch_to_affine)(AFFINE *out, const JACOBIAN *in, unsigned n)
{
    F before[64], all, t, tt;
    all = in[0].z;
    for (unsigned i = 1; i < n; i++) {
        before[i] = all;
        f_(mul)(&all, &all, &in[i].z);
    }
    f_(inv)(&all, &all);
    for (unsigned i = n; i-- > 0;) {
        t = all;
        if (i != 0) {
            f_(mul)(&t, &all, &before[i]);
            f_(mul)(&all, &all, &in[i].z);
        }
        f_(sqr)(&tt, &t);
        f_(mul)(&out[i].x, &in[i].x, &tt);
        f_(mul)(&tt, &tt, &t);
        f_(mul)(&out[i].y, &in[i].y, &tt);
        out[i].infinite = false;
    }
}

/* t[i] = [2i+1]p */
static UNUSED void g_(odd_multiples)(JACOBIAN t[static WNAF_TABLE], const JACOBIAN *p)
{
    JACOBIAN twice;
    g_(double)(&twice, p);
    t[0] = *p;
    for (unsigned i = 1; i < WNAF_TABLE; i++)
        g_(add)(&t[i], &t[i - 1], &twice);
}

/* Sum of n multiples, interleaved: digits[k] are the signed digits of the k-th factor, tables[k] the odd multiples of its point. */
static UNUSED void g_(mul_interleaved)(JACOBIAN *r, const JACOBIAN (*tables)[WNAF_TABLE],
                                       const int8_t (*digits)[WNAF_LEN], unsigned n)
{
    JACOBIAN acc, minus;
    g_(set_infinite)(&acc);
    for (unsigned i = WNAF_LEN; i-- > 0;) {
        if (!g_(is_infinite)(&acc)) g_(double)(&acc, &acc);
        for (unsigned k = 0; k < n; k++) {
            const int d = digits[k][i];
            if (d > 0) {
                g_(add)(&acc, &acc, &tables[k][d / 2]);
            } else if (d < 0) {
                g_(neg)(&minus, &tables[k][-d / 2]);
                g_(add)(&acc, &acc, &minus);
            }
        }
    }
    *r = acc;
}

#undef CURVE_CAT2
#undef CURVE_CAT
#undef F
#undef f_
#undef g_
#undef AFFINE
#undef JACOBIAN
#undef CURVE_F
#undef CURVE_G
