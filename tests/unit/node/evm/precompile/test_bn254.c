#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/bn.h>

/* the source itself: the field tower and the groups are private to it, and are tested here too */
#include "node/evm/precompile/bn254.c"

#include "lib/base/rng.h"

#include <cmocka.h>

static struct rng_seeded rng;

static void unhex(uint8_t *dst, size_t len, const char *hex)
{
    for (size_t i = 0; i < len; i++) {
        unsigned v = 0;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &v), 1);
        dst[i] = (uint8_t)v;
    }
    assert_int_equal(strlen(hex), 2 * len);
}

static void random_fp(struct fp *r)
{
    do {
        for (unsigned i = 0; i < FP_N; i++)
            r->l[i] = rng_next(&rng);
        r->l[FP_N - 1] &= ~0ull >> 2;
        if (rng_below(&rng, 8) == 0) *r = (struct fp){{rng_below(&rng, 3)}};
    } while (!fp_is_canonical(r));
}

static void random_fp2(struct fp2 *r)
{
    random_fp(&r->a);
    random_fp(&r->b);
}

static void random_fp12(struct fp12 *r)
{
    struct fp2 *const c[6] = FP12_COEFFICIENTS(r);
    for (unsigned k = 0; k < 6; k++)
        random_fp2(c[k]);
}

/* A square root for p = 3 mod 4, by BN; ret false if there is none. */
static bool fp_sqrt_bn(struct fp *r, const struct fp *a)
{
    uint8_t be[32];
    BN_CTX *ctx = BN_CTX_new();
    fp_put_be(be, a);
    BIGNUM *x = BN_bin2bn(be, 32, NULL), *p = BN_new();
    for (unsigned i = 0; i < 4; i++)
        be64_put(be + 8 * i, fp_p.l[3 - i]);
    BN_bin2bn(be, 32, p);
    BIGNUM *s = BN_mod_sqrt(NULL, x, p, ctx);
    bool ok = s != NULL;
    if (ok) {
        BN_bn2binpad(s, be, 32);
        assert_true(fp_get_be(r, be));
    }
    BN_free(x), BN_free(p), BN_free(s);
    BN_CTX_free(ctx);
    return ok;
}

static bool fp2_sqrt_bn(struct fp2 *r, const struct fp2 *x)
{
    /* a + bi = (c + di)^2: c^2 = (a + sqrt(a^2 + b^2)) / 2, d = b / 2c */
    struct fp n, t, c;
    fp_sqr(&n, &x->a);
    fp_sqr(&t, &x->b);
    fp_add(&n, &n, &t);
    if (!fp_sqrt_bn(&n, &n)) return false;
    fp_add(&t, &x->a, &n);
    fp_half(&t, &t);
    if (!fp_sqrt_bn(&c, &t)) {
        fp_sub(&t, &x->a, &n);
        fp_half(&t, &t);
        if (!fp_sqrt_bn(&c, &t)) return false;
    }
    struct fp2 root;
    root.a = c;
    fp_double(&t, &c);
    fp_inv(&t, &t);
    fp_mul(&root.b, &x->b, &t);
    struct fp2 check;
    fp2_sqr(&check, &root);
    if (!fp2_eq(&check, x)) return false;
    *r = root;
    return true;
}

/* Any point of the twist, almost never in the subgroup. */
static void random_twist_point(struct g2_affine *q)
{
    struct fp2 rhs;
    do {
        random_fp2(&q->x);
        fp2_sqr(&rhs, &q->x);
        fp2_mul(&rhs, &rhs, &q->x);
        fp2_add(&rhs, &rhs, &g2_b);
    } while (!fp2_sqrt_bn(&q->y, &rhs));
    q->infinite = false;
    assert_true(g2_is_on_curve(q));
}

static void g2_mul_dec(struct g2_jacobian *r, const struct g2_jacobian *p, const char *decimal)
{
    BIGNUM *e = NULL;
    BN_dec2bn(&e, decimal);
    struct g2_jacobian acc;
    g2_set_infinite(&acc);
    for (int i = BN_num_bits(e); i-- > 0;) {
        g2_double(&acc, &acc);
        if (BN_is_bit_set(e, i)) g2_add(&acc, &acc, p);
    }
    *r = acc;
    BN_free(e);
}

static const char g2_generator_hex[] =
    "198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2"
    "1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed"
    "090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b"
    "12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa";
static const char order_dec[] =
    "21888242871839275222246405745257275088548364400416034343698204186575808495617";

static void g2_generator(struct g2_affine *q)
{
    uint8_t be[128];
    unhex(be, 128, g2_generator_hex);
    assert_true(g2_get(q, be));
}

static void fp_mul_and_inv_agree_with_bignum(void **state)
{
    (void)state;
    uint8_t be[32], want[32];
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *p = BN_new(), *x = BN_new(), *y = BN_new(), *z = BN_new();
    BN_dec2bn(&p, "21888242871839275222246405745257275088696311157297823662689037894645226208583");
    for (int turn = 0; turn < 300; turn++) {
        struct fp a, b, r;
        random_fp(&a);
        random_fp(&b);
        fp_put_be(be, &a);
        BN_bin2bn(be, 32, x);
        fp_put_be(be, &b);
        BN_bin2bn(be, 32, y);
        for (int op = 0; op < 5; op++) {
            if (op == 0) fp_mul(&r, &a, &b), BN_mod_mul(z, x, y, p, ctx);
            if (op == 1) fp_add(&r, &a, &b), BN_mod_add(z, x, y, p, ctx);
            if (op == 2) fp_sub(&r, &a, &b), BN_mod_sub(z, x, y, p, ctx);
            if (op == 3) {
                if (fp_is_zero(&a)) continue;
                fp_inv(&r, &a);
                BN_mod_inverse(z, x, p, ctx);
            }
            if (op == 4) {
                fp_half(&r, &a);
                fp_double(&r, &r);
                BN_copy(z, x);
            }
            BN_bn2binpad(z, want, 32);
            fp_put_be(be, &r);
            assert_memory_equal(be, want, 32);
        }
    }
    BN_free(p), BN_free(x), BN_free(y), BN_free(z);
    BN_CTX_free(ctx);
}

static void fp_inv_agrees_with_fermat(void **state)
{
    (void)state;
    for (int turn = 0; turn < 2000; turn++) {
        struct fp a, l, r;
        random_fp(&a);
        if (turn < 100) a = (struct fp){{(uint64_t)turn}};
        if (turn >= 100 && turn < 200) {
            a = fp_p;
            a.l[0] -= (uint64_t)turn - 99;
        }
        if (turn >= 200 && turn < 200 + 64 * FP_N - 4) { /* a single bit, a run of ones */
            const unsigned bit = (unsigned)turn - 200;
            a = (struct fp){{0}};
            a.l[bit / 64] = 1ull << (bit % 64);
            if (bit % 3 == 0)
                for (unsigned i = 0; i < bit / 64; i++)
                    a.l[i] = ~0ull;
        }
        if (!fp_is_canonical(&a)) continue;
        fp_inv(&l, &a);
        fp_pow(&r, &a, fp_p_minus_2.l, FP_N);
        assert_memory_equal(&l, &r, sizeof(l));
    }
}

/* The assembly and the plain C form of the product. */
static void fp_mul_has_two_forms_that_agree(void **state)
{
    (void)state;
    for (int turn = 0; turn < 20000; turn++) {
        struct fp a, b, l, r;
        random_fp(&a);
        random_fp(&b);
        if (turn % 5 == 0) a = fp_p, a.l[0] -= 1 + (uint64_t)turn % 7;
        if (turn % 7 == 0) b = fp_p, b.l[0] -= 1 + (uint64_t)turn % 3;
        if (turn % 11 == 0) b = (struct fp){{(uint64_t)turn % 2}};
        fp_mul(&l, &a, &b);
        fp_mul_any(&r, &a, &b);
        assert_memory_equal(&l, &r, sizeof(l));
        assert_true(fp_is_canonical(&l));
    }
}

static void the_tower_is_a_field_and_frobenius_raises_to_p(void **state)
{
    (void)state;
    for (int turn = 0; turn < 10; turn++) {
        struct fp12 a, b, c, l, r, t;
        random_fp12(&a);
        random_fp12(&b);
        random_fp12(&c);
        fp12_mul(&l, &a, &b);
        fp12_mul(&l, &l, &c);
        fp12_mul(&r, &b, &c);
        fp12_mul(&r, &a, &r);
        assert_memory_equal(&l, &r, sizeof(l));
        fp12_sqr(&l, &a);
        fp12_mul(&r, &a, &a);
        assert_memory_equal(&l, &r, sizeof(l));
        fp12_inv(&l, &a);
        fp12_mul(&l, &l, &a);
        assert_true(fp12_is_one(&l));
        /* a^p by squaring and multiplying */
        fp12_set_one(&t);
        for (unsigned i = 256; i-- > 0;) {
            fp12_sqr(&t, &t);
            if (fp_p.l[i / 64] >> (i % 64) & 1) fp12_mul(&t, &t, &a);
        }
        fp12_frobenius_1(&l, &a);
        assert_memory_equal(&l, &t, sizeof(l));
        fp12_frobenius_1(&l, &l);
        fp12_frobenius_2(&r, &a);
        assert_memory_equal(&l, &r, sizeof(l));
        fp12_frobenius_1(&l, &l);
        fp12_frobenius_3(&r, &a);
        assert_memory_equal(&l, &r, sizeof(l));
        fp12_frobenius_3(&l, &l);
        fp12_conj(&r, &a);
        assert_memory_equal(&l, &r, sizeof(l));
        /* into the cyclotomic subgroup */
        fp12_inv(&t, &a);
        fp12_mul(&a, &r, &t);
        fp12_frobenius_2(&t, &a);
        fp12_mul(&a, &a, &t);
        fp12_sqr(&l, &a);
        fp12_cyclotomic_sqr(&r, &a);
        assert_memory_equal(&l, &r, sizeof(l));
    }
}

static void add_gives_the_known_sums(void **state)
{
    (void)state;
    uint8_t in[128] = {0}, out[64], want[64];
    in[31] = in[95] = 1;
    in[63] = in[127] = 2;
    unhex(want, 64,
          "030644e72e131a029b85045b68181585d97816a916871ca8d3c208c16d87cfd3"
          "15ed738c0e0a7c92e7845f96b2ae9c0a68a6a449e3538fc7ff3ebf7a5a18a2c4");
    assert_int_equal(pc_bn254_add(out, bytes_make(in, 128)), OK);
    assert_memory_equal(out, want, 64);
    /* P + 0 with call data cut off; 0 + 0 of no call data; too much call data */
    assert_int_equal(pc_bn254_add(out, bytes_make(in, 64)), OK);
    assert_memory_equal(out, in, 64);
    memset(want, 0, 64);
    assert_int_equal(pc_bn254_add(out, BYTES_EMPTY), OK);
    assert_memory_equal(out, want, 64);
    uint8_t longer[200] = {0};
    memcpy(longer, in, 64);
    memset(longer + 128, 0xff, 72);
    assert_int_equal(pc_bn254_add(out, bytes_make(longer, 200)), OK);
    assert_memory_equal(out, in, 64);
    /* P + -P */
    for (unsigned i = 0; i < 4; i++)
        be64_put(in + 96 + 8 * i, fp_p.l[3 - i]);
    in[127] = (uint8_t)(in[127] - 2);
    assert_int_equal(pc_bn254_add(out, bytes_make(in, 128)), OK);
    assert_memory_equal(out, want, 64);
}

/* EIP-196 test data "cdetrio": a random point times a random scalar */
static void mul_gives_a_known_product(void **state)
{
    (void)state;
    uint8_t in[96], out[64], want[64];
    unhex(in, 96,
          "2bd3e6d0f3b142924f5ca7b49ce5b9d54c4703d7ae5648e61d02268b1a0a9fb7"
          "21611ce0a6af85915e2f1d70300909ce2e49dfad4a4619c8390cae66cefdb204"
          "00000000000000000000000000000000000000000000000011138ce750fa15c2");
    unhex(want, 64,
          "070a8d6a982153cae4be29d434e8faef8a47b274a053f5a4ee2a6c9c13c31e5c"
          "031b8ce914eba3a9ffb989f9cdd5b0f01943074bf4f0f315690ec3cec6981afc");
    assert_int_equal(pc_bn254_mul(out, bytes_make(in, 96)), OK);
    assert_memory_equal(out, want, 64);
}

static void mul_agrees_with_adding_bit_by_bit(void **state)
{
    (void)state;
    struct g1_affine g = {.x = fp_one, .infinite = false};
    fp_double(&g.y, &fp_one);
    for (int turn = 0; turn < 60; turn++) {
        uint8_t in[96], out[64], want[64], k[32];
        for (unsigned i = 0; i < 4; i++)
            be64_put(k + 8 * i, turn % 7 == 0 ? ~0ull : turn % 5 == 0 ? 0 : rng_next(&rng));
        if (turn == 1)
            for (unsigned i = 0; i < 4; i++)
                be64_put(k + 8 * i, order.l[3 - i]);
        k[31] = (uint8_t)(k[31] + turn % 11);
        struct g1_jacobian acc;
        g1_set_infinite(&acc);
        for (unsigned i = 0; i < 256; i++) {
            g1_double(&acc, &acc);
            if (k[i / 8] >> (7 - i % 8) & 1) g1_add_affine(&acc, &acc, &g);
        }
        g1_put(want, &acc);
        fp_put_be(in, &g.x);
        fp_put_be(in + 32, &g.y);
        memcpy(in + 64, k, 32);
        assert_int_equal(pc_bn254_mul(out, bytes_make(in, 96)), OK);
        assert_memory_equal(out, want, 64);
        if (!g1_is_infinite(&acc)) g1_to_affine(&g, &acc);
    }
}

static void coordinates_not_below_p_and_points_off_the_curve_are_refused(void **state)
{
    (void)state;
    uint8_t in[192] = {0}, out[64] = {0x77};
    for (unsigned at = 0; at < 2; at++) { /* p for 0 */
        memset(in, 0, sizeof(in));
        for (unsigned i = 0; i < 4; i++)
            be64_put(in + 32 * at + 8 * i, fp_p.l[3 - i]);
        assert_int_equal(pc_bn254_add(out, bytes_make(in, 128)), E_INVALID);
        assert_int_equal(pc_bn254_mul(out, bytes_make(in, 96)), E_INVALID);
        assert_int_equal(pc_bn254_pairing(out, bytes_make(in, 192)), E_INVALID);
    }
    memset(in, 0, sizeof(in));
    in[31] = 1;
    in[63] = 3;
    assert_int_equal(pc_bn254_add(out, bytes_make(in, 128)), E_INVALID);
    assert_int_equal(pc_bn254_mul(out, bytes_make(in, 64)), E_INVALID);
    assert_int_equal(pc_bn254_pairing(out, bytes_make(in, 192)), E_INVALID);
    in[63] = 2;
    in[191] = 1; /* Q off the twist */
    assert_int_equal(pc_bn254_pairing(out, bytes_make(in, 192)), E_INVALID);
    for (unsigned at = 2; at < 6; at++) {
        memset(in, 0, sizeof(in));
        for (unsigned i = 0; i < 4; i++)
            be64_put(in + 32 * at + 8 * i, fp_p.l[3 - i]);
        assert_int_equal(pc_bn254_pairing(out, bytes_make(in, 192)), E_INVALID);
    }
    for (size_t len = 1; len < 192; len += 19)
        assert_int_equal(pc_bn254_pairing(out, bytes_make(in, len)), E_INVALID);
    assert_int_equal(out[0], 0x77);
}

/* A point outside the subgroup is a point inside plus one whose order divides the cofactor; the test is linear, so it is sound
 * if it refuses a point of each prime order in the cofactor 10069 * 5864401 * 1875725156269 * 19762...8909. */
static void the_subgroup_test_refuses_every_part_of_the_cofactor(void **state)
{
    (void)state;
    static const char *const others[4][3] = {
        {"5864401", "1875725156269", "197620364512881247228717050342013327560683201906968909"},
        {"10069", "1875725156269", "197620364512881247228717050342013327560683201906968909"},
        {"10069", "5864401", "197620364512881247228717050342013327560683201906968909"},
        {"10069", "5864401", "1875725156269"},
    };
    static const char *const primes[4] = {"10069", "5864401", "1875725156269",
                                          "197620364512881247228717050342013327560683201906968909"};
    struct g2_affine q, g;
    struct g2_jacobian t, u;
    g2_generator(&g);
    for (unsigned i = 0; i < 4; i++) {
        do {
            random_twist_point(&q);
            g2_from_affine(&t, &q);
            g2_mul_dec(&t, &t, order_dec);
            for (unsigned j = 0; j < 3; j++)
                g2_mul_dec(&t, &t, others[i][j]);
        } while (g2_is_infinite(&t));
        g2_mul_dec(&u, &t, primes[i]);
        assert_true(g2_is_infinite(&u));
        g2_to_affine(&q, &t);
        assert_false(g2_is_in_subgroup(&q));
        g2_add_affine(&t, &t, &g);
        g2_to_affine(&q, &t);
        assert_false(g2_is_in_subgroup(&q));
    }
    for (unsigned i = 0; i < 5; i++) {
        random_twist_point(&q);
        assert_false(g2_is_in_subgroup(&q));
        uint8_t in[192] = {0}, out[32];
        fp_put_be(in + 64, &q.x.b), fp_put_be(in + 96, &q.x.a), fp_put_be(in + 128, &q.y.b),
            fp_put_be(in + 160, &q.y.a);
        assert_int_equal(pc_bn254_pairing(out, bytes_make(in, 192)), E_INVALID);
    }
    g2_from_affine(&t, &g);
    g2_mul_dec(&u, &t, "123456789123456789123456789123456789");
    g2_to_affine(&q, &u);
    assert_true(g2_is_in_subgroup(&q));
    g2_mul_dec(&u, &t, order_dec);
    assert_true(g2_is_infinite(&u));
}

static void put_pair(uint8_t *dst, const struct g1_jacobian *p, const struct g2_jacobian *q)
{
    g1_put(dst, p);
    struct g2_affine a;
    g2_to_affine(&a, q);
    fp_put_be(dst + 64, &a.x.b), fp_put_be(dst + 96, &a.x.a), fp_put_be(dst + 128, &a.y.b),
        fp_put_be(dst + 160, &a.y.a);
}

static int check(const uint8_t *in, size_t n_pairs)
{
    uint8_t out[32];
    assert_int_equal(pc_bn254_pairing(out, bytes_make(in, 192 * n_pairs)), OK);
    for (unsigned i = 0; i < 31; i++)
        assert_int_equal(out[i], 0);
    return out[31];
}

static void the_pairing_is_bilinear_and_not_degenerate(void **state)
{
    (void)state;
    uint8_t in[192 * 40];
    struct g1_affine g = {.x = fp_one, .infinite = false};
    struct g2_affine h;
    fp_double(&g.y, &fp_one);
    g2_generator(&h);
    struct g1_jacobian p, p2, zero1;
    struct g2_jacobian q, q2, zero2;
    g1_set_infinite(&zero1);
    g2_set_infinite(&zero2);
    assert_int_equal(check(in, 0), 1);
    for (int turn = 0; turn < 4; turn++) {
        const uint64_t a = rng_next(&rng), b = rng_next(&rng);
        const uint128 ab = (uint128)a * b;
        uint64_t k[4] = {(uint64_t)ab, (uint64_t)(ab >> 64)};
        /* e([a]G, [b]H) e(-[ab]G, H) == 1 */
        g1_from_affine(&p, &g);
        g1_mul_u64(&p, &p, a);
        g2_from_affine(&q, &h);
        g2_mul_u64(&q, &q, b);
        g1_mul(&p2, &g, k);
        g1_neg(&p2, &p2);
        g2_from_affine(&q2, &h);
        put_pair(in, &p, &q);
        assert_int_equal(check(in, 1), 0);
        put_pair(in + 192, &p2, &q2);
        assert_int_equal(check(in, 2), 1);
        /* infinite partners change nothing */
        put_pair(in + 384, &zero1, &q2);
        put_pair(in + 576, &p2, &zero2);
        assert_int_equal(check(in, 4), 1);
        g1_neg(&p2, &p2);
        put_pair(in + 192, &p2, &q2);
        assert_int_equal(check(in, 2), 0);
    }
    /* more pairs than are worked on at once: sum of i = 1..39, against -780 */
    struct g1_jacobian sum;
    g1_set_infinite(&sum);
    for (unsigned i = 1; i < 40; i++) {
        g1_from_affine(&p, &g);
        g1_mul_u64(&p, &p, i);
        g1_add(&sum, &sum, &p);
        g2_from_affine(&q, &h);
        put_pair(in + 192 * (i - 1), &p, &q);
    }
    g1_neg(&sum, &sum);
    put_pair(in + 192 * 39, &sum, &q);
    assert_int_equal(check(in, 40), 1);
    assert_int_equal(check(in, 39), 0);
}

/* A pairing check published with EIP-197's first implementations ("jeff1"). */
static void a_published_pairing_check_holds(void **state)
{
    (void)state;
    uint8_t in[384];
    unhex(in, 384,
          "1c76476f4def4bb94541d57ebba1193381ffa7aa76ada664dd31c16024c43f59"
          "3034dd2920f673e204fee2811c678745fc819b55d3e9d294e45c9b03a76aef41"
          "209dd15ebff5d46c4bd888e51a93cf99a7329636c63514396b4a452003a35bf7"
          "04bf11ca01483bfa8b34b43561848d28905960114c8ac04049af4b6315a41678"
          "2bb8324af6cfc93537a2ad1a445cfd0ca2a71acd7ac41fadbf933c2a51be344d"
          "120a2a4cf30c1bf9845f20c6fe39e07ea2cce61f0c9bb048165fe5e4de877550"
          "111e129f1cf1097710d41c4ac70fcdfa5ba2023c6ff1cbeac322de49d1b6df7c"
          "2032c61a830e3c17286de9462bf242fca2883585b93870a73853face6a6bf411"
          "198e9393920d483a7260bfb731fb5d25f1aa493335a9e71297e485b7aef312c2"
          "1800deef121f1e76426a00665e5c4479674322d4f75edadd46debd5cd992f6ed"
          "090689d0585ff075ec9e99ad690c3395bc4b313370b38ef355acdadcd122975b"
          "12c85ea5db8c6deb4aab71808dcb408fe3d1e7690c43d37b4ce6cc0166fa7daa");
    assert_int_equal(check(in, 2), 1);
    assert_int_equal(check(in, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fp_mul_and_inv_agree_with_bignum),
        cmocka_unit_test(fp_inv_agrees_with_fermat),
        cmocka_unit_test(fp_mul_has_two_forms_that_agree),
        cmocka_unit_test(the_tower_is_a_field_and_frobenius_raises_to_p),
        cmocka_unit_test(add_gives_the_known_sums),
        cmocka_unit_test(mul_gives_a_known_product),
        cmocka_unit_test(mul_agrees_with_adding_bit_by_bit),
        cmocka_unit_test(coordinates_not_below_p_and_points_off_the_curve_are_refused),
        cmocka_unit_test(the_subgroup_test_refuses_every_part_of_the_cofactor),
        cmocka_unit_test(the_pairing_is_bilinear_and_not_degenerate),
        cmocka_unit_test(a_published_pairing_check_holds),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    rng_seed(&rng, 254);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
