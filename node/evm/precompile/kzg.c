#include "lib/crypto/aead.h"
#include "node/evm/precompile/bls12_381_priv.h"
#include "node/evm/precompile/precompile.h"

/* [tau]G2 of the trusted setup that the KZG ceremony of 2023 made (the second of its g2_monomial points), in Montgomery form. */
static const struct fp2 tau_g2_x = {{{0x6120a2099b0379f9, 0xa2df815cb8210e4e, 0xcb57be5577bd3d4f,
                                      0x62da0ea89a0c93f8, 0x02e0ee16968e150d, 0x171f09aea833acd5}},
                                    {{0x11a3670749dfd455, 0x04991d7b3abffadc, 0x85446a8e14437f41,
                                      0x27174e7b4e76e3f2, 0x7bfa6dd397f60a20, 0x02fcc329ac07080f}}};
static const struct fp2 tau_g2_y = {{{0xaa130838793b2317, 0xe236dd220f891637, 0x6502782925760980,
                                      0xd05c25f60557ec89, 0x6095767a44064474, 0x185693917080d405}},
                                    {{0x549f9e175b03dc0a, 0x32c0c95a77106cfe, 0x64a74eae5705d080,
                                      0x53deeaf56659ed9e, 0x09a1d368508afb93, 0x12cf3a4525b5e9bd}}};

static bool plain_is_over_half(const struct fp *a)
{
    struct fp plain;
    fp_to_plain(&plain, a);
    for (unsigned i = FP_N; i-- > 0;)
        if (plain.l[i] != fp_half_p.l[i]) return plain.l[i] > fp_half_p.l[i];
    return false;
}

/* A point of G1 in 48 bytes: x big-endian with three flags above it: compressed (always 1), infinity, y over p/2. */
static bool g1_get_compressed(struct g1_affine *p, const uint8_t src[static 48])
{
    uint8_t x[48];
    const bool compressed = src[0] & 0x80, infinite = src[0] & 0x40, over_half = src[0] & 0x20;
    memcpy(x, src, sizeof(x));
    x[0] &= 0x1f;
    if (!compressed || !fp_get_be(&p->x, x)) return false;
    p->infinite = infinite;
    if (infinite) {
        p->y = p->x;
        return !over_half && fp_is_zero(&p->x);
    }
    struct fp yy, t;
    fp_sqr(&yy, &p->x);
    fp_mul(&yy, &yy, &p->x);
    fp_add(&yy, &yy, &g1_b);
    fp_pow(&p->y, &yy, fp_sqrt_exponent.l, FP_N);
    fp_sqr(&t, &p->y);
    if (!fp_eq(&t, &yy)) return false;
    if (plain_is_over_half(&p->y) != over_half) fp_neg(&p->y, &p->y);
    return bls_g1_is_in_subgroup(p);
}

static bool scalar_get_below_order(struct scalar *k, const uint8_t src[static 32])
{
    for (unsigned i = 0; i < 4; i++)
        k->l[3 - i] = be64_get(src + 8 * i);
    for (unsigned i = 4; i-- > 0;)
        if (k->l[i] != order.l[i]) return k->l[i] < order.l[i];
    return false;
}

/* The polynomial behind commitment C takes the value y at z if C - [y]G = [tau - z]W for the proof W, that is
 *     e(C - [y]G + [z]W, -G2) e(W, [tau]G2) = 1 */
static bool proof_holds(const struct g1_affine *c, const struct scalar *z, const struct scalar *y,
                        const struct g1_affine *w)
{
    struct g1_affine g = {g1_generator_x, g1_generator_y, false}, left;
    struct g2_affine minus_g2 = {g2_generator_x, g2_generator_y, false},
                     tau_g2 = {tau_g2_x, tau_g2_y, false};
    struct g1_jacobian sum, t;
    struct bls_miller m;
    bls_g1_mul(&sum, &g, y);
    g1_neg(&sum, &sum);
    bls_g1_mul(&t, w, z);
    g1_add(&sum, &sum, &t);
    g1_add_affine(&sum, &sum, c);
    g1_to_affine(&left, &sum);
    fp2_neg(&minus_g2.y, &minus_g2.y);
    bls_miller_init(&m);
    bls_miller_add(&m, &left, &minus_g2);
    bls_miller_add(&m, w, &tau_g2);
    return bls_miller_is_one(&m);
}

enum status pc_kzg_point_evaluation(uint8_t out[static 64], bytes in)
{
    /* SPEC(EIP-4844): versioned_hash(32) z(32) y(32) commitment(48) proof(48) */
    struct scalar z, y;
    struct g1_affine commitment, proof;
    uint8_t hash[32];
    if (in.len != 192) return E_INVALID;
    sha256(hash, in.ptr + 96, 48);
    hash[0] = 0x01;
    if (memcmp(hash, in.ptr, 32) != 0) return E_INVALID;
    if (!scalar_get_below_order(&z, in.ptr + 32) || !scalar_get_below_order(&y, in.ptr + 64))
        return E_INVALID;
    if (!g1_get_compressed(&commitment, in.ptr + 96) || !g1_get_compressed(&proof, in.ptr + 144))
        return E_INVALID;
    if (!proof_holds(&commitment, &z, &y, &proof)) return E_INVALID;
    memset(out, 0, 32);
    be64_put(out + 24, 4096); /* FIELD_ELEMENTS_PER_BLOB */
    for (unsigned i = 0; i < 4; i++)
        be64_put(out + 32 + 8 * i, order.l[3 - i]);
    return OK;
}
