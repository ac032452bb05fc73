#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* the source itself: the field tower and the groups are private to it, and are tested here too */
#include "node/evm/precompile/bls12_381.c"

#include "lib/base/rng.h"

#include <cmocka.h>

static struct rng_seeded rng;

static void unhex(uint8_t *dst, size_t len, const char *hex)
{
    assert_int_equal(strlen(hex), 2 * len);
    for (size_t i = 0; i < len; i++) {
        unsigned v = 0;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &v), 1);
        dst[i] = (uint8_t)v;
    }
}

/* n field elements of 48 bytes each, written as EIP-2537 has them: 64 bytes each */
static void unhex_fields(uint8_t *dst, size_t n, const char *const *hex)
{
    for (size_t i = 0; i < n; i++) {
        memset(dst + 64 * i, 0, 16);
        unhex(dst + 64 * i + 16, 48, hex[i]);
    }
}

static const char *const g1_hex[2] = {"17f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171b"
                                      "ac586c55e83ff97a1aeffb3af00adb22c6bb",
                                      "08b3f481e3aaa0f1a09e30ed741d8ae4fcf5e095d5d00af600db18cb2c04"
                                      "b3edd03cc744a2888ae40caa232946c5e7e1"};
static const char *const p1_hex[2] = {"112b98340eee2777cc3c14163dea3ec97977ac3dc5c70da32e6e87578f44"
                                      "912e902ccef9efe28d4a78b8999dfbca9426",
                                      "186b28d92356c4dfec4b5201ad099dbdede3781f8998ddf929b4cd775619"
                                      "2185ca7b8f4ef7088f813270ac3d48868a21"};
static const char *const g2_hex[4] = {"024aa2b2f08f0a91260805272dc51051c6e47ad4fa403b02b4510b647ae3"
                                      "d1770bac0326a805bbefd48056c8c121bdb8",
                                      "13e02b6052719f607dacd3a088274f65596bd0d09920b61ab5da61bbdc7f"
                                      "5049334cf11213945d57e5ac7d055d042b7e",
                                      "0ce5d527727d6e118cc9cdc6da2e351aadfd9baa8cbdd3a76d429a695160"
                                      "d12c923ac9cc3baca289e193548608b82801",
                                      "0606c4a02ea734cc32acd2b02bc28b99cb3e287e85a763af267492ab572e"
                                      "99ab3f370d275cec1da1aaa9075ff05f79be"};

/* map_fp_to_G1_bls.json of EIP-2537: u, x, y */
static const char *const map_g1[5][3] = {
    {"156c8a6a2c184569d69a76be144b5cdc5141d2d2ca4fe341f011e25e3969c55ad9e9b9ce2eb833c81a908e5fa4ac5"
     "f03",
     "184bb665c37ff561a89ec2122dd343f20e0f4cbcaec84e3c3052ea81d1834e192c426074b02ed3dca4e7676ce4ce4"
     "8ba",
     "04407b8d35af4dacc809927071fc0405218f1401a6d15af775810e4e460064bcc9468beeba82fdc751be70476c888"
     "bf3"},
    {"147e1ed29f06e4c5079b9d14fc89d2820d32419b990c1c7bb7dbea2a36a045124b31ffbde7c99329c05c559af1c6c"
     "c82",
     "009769f3ab59bfd551d53a5f846b9984c59b97d6842b20a2c565baa167945e3d026a3755b6345df8ec7e6acb6868a"
     "e6d",
     "1532c00cf61aa3d0ce3e5aa20c3b531a2abd2c770a790a2613818303c6b830ffc0ecf6c357af3317b9575c567f11c"
     "d2c"},
    {"04090815ad598a06897dd89bcda860f25837d54e897298ce31e6947378134d3761dc59a572154963e8c954919ecfa"
     "82d",
     "1974dbb8e6b5d20b84df7e625e2fbfecb2cdb5f77d5eae5fb2955e5ce7313cae8364bc2fff520a6c25619739c6bdc"
     "b6a",
     "15f9897e11c6441eaa676de141c8d83c37aab8667173cbe1dfd6de74d11861b961dccebcd9d289ac633455dfcc701"
     "3a3"},
    {"08dccd088ca55b8bfbc96fb50bb25c592faa867a8bb78d4e94a8cc2c92306190244532e91feba2b7fed977e3c3bb5"
     "a1f",
     "0a7a047c4a8397b3446450642c2ac64d7239b61872c9ae7a59707a8f4f950f101e766afe58223b3bff3a19a7f7540"
     "27c",
     "1383aebba1e4327ccff7cf9912bda0dbc77de048b71ef8c8a81111d71dc33c5e3aa6edee9cf6f5fe525d50cc50b77"
     "cc9"},
    {"0dd824886d2123a96447f6c56e3a3fa992fbfefdba17b6673f9f630ff19e4d326529db37e1c1be43f905bf9202e02"
     "78d",
     "0e7a16a975904f131682edbb03d9560d3e48214c9986bd50417a77108d13dc957500edf96462a3d01e62dc6cd468e"
     "f11",
     "0ae89e677711d05c30a48d6d75e76ca9fb70fe06c6dd6ff988683d89ccde29ac7d46c53bb97a59b1901abf1db6605"
     "2db"},
};

/* map_fp2_to_G2_bls.json of EIP-2537: u, x, y, each of two parts */
static const char *const map_g2[3][6] = {
    {"07355d25caf6e7f2f0cb2812ca0e513bd026ed09dda65b177500fa31714e09ea0ded3a078b526bed3307f804d4b93"
     "b04",
     "02829ce3c021339ccb5caf3e187f6370e1e2a311dec9b75363117063ab2015603ff52c3d3b98f19c2f65575e99e8b"
     "78c",
     "00e7f4568a82b4b7dc1f14c6aaa055edf51502319c723c4dc2688c7fe5944c213f510328082396515734b6612c4e7"
     "bb7",
     "126b855e9e69b1f691f816e48ac6977664d24d99f8724868a184186469ddfd4617367e94527d4b74fc86413483afb"
     "35b",
     "0caead0fd7b6176c01436833c79d305c78be307da5f6af6c133c47311def6ff1e0babf57a0fb5539fce7ee12407b0"
     "a42",
     "1498aadcf7ae2b345243e281ae076df6de84455d766ab6fcdaad71fab60abb2e8b980a440043cd305db09d283c895"
     "e3d"},
    {"138879a9559e24cecee8697b8b4ad32cced053138ab913b99872772dc753a2967ed50aabc907937aefb2439ba06cc"
     "50c",
     "0a1ae7999ea9bab1dcc9ef8887a6cb6e8f1e22566015428d220b7eec90ffa70ad1f624018a9ad11e78d588bd3617f"
     "9f2",
     "108ed59fd9fae381abfd1d6bce2fd2fa220990f0f837fa30e0f27914ed6e1454db0d1ee957b219f61da6ff8be0d64"
     "41f",
     "0296238ea82c6d4adb3c838ee3cb2346049c90b96d602d7bb1b469b905c9228be25c627bffee872def773d5b2a2eb"
     "57d",
     "033f90f6057aadacae7963b0a0b379dd46750c1c94a6357c99b65f63b79e321ff50fe3053330911c56b6ceea08fee"
     "656",
     "153606c417e59fb331b7ae6bce4fbf7c5190c33ce9402b5ebe2b70e44fca614f3f1382a3625ed5493843d0b0a652f"
     "c3f"},
    {"03f80ce4ff0ca2f576d797a3660e3f65b274285c054feccc3215c879e2c0589d376e83ede13f93c32f05da0f68fd6"
     "a10",
     "006488a837c5413746d868d1efb7232724da10eca410b07d8b505b9363bdccf0a1fc0029bad07d65b15ccfe6dd25e"
     "20d",
     "0ea4e7c33d43e17cc516a72f76437c4bf81d8f4eac69ac355d3bf9b71b8138d55dc10fd458be115afa798b55dac34"
     "be1",
     "1565c2f625032d232f13121d3cfb476f45275c303a037faa255f9da62000c2c864ea881e2bcddd111edc4a3c0da3e"
     "88d",
     "043b6f5fe4e52c839148dc66f2b3751e69a0f6ebb3d056d6465d50d4108543ecd956e10fa1640dfd9bc0030cc2558"
     "d28",
     "0f8991d2a1ad662e7b6f58ab787947f1fa607fce12dde171bc17903b012091b657e15333e11701edcf5b63ba2a561"
     "247"},
};

static void random_fp(struct fp *r)
{
    do {
        for (unsigned i = 0; i < FP_N; i++)
            r->l[i] = rng_next(&rng);
        r->l[FP_N - 1] &= ~0ull >> 3;
    } while (!fp_is_canonical(r));
}

static void random_fp12(struct fp12 *r)
{
    struct fp2 *const c[6] = FP12_COEFFICIENTS(r);
    for (unsigned k = 0; k < 6; k++) {
        random_fp(&c[k]->a);
        random_fp(&c[k]->b);
    }
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
    for (int turn = 0; turn < 5; turn++) {
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
        fp12_set_one(&t);
        for (unsigned i = 384; i-- > 0;) {
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
        fp12_inv(&t, &a);
        fp12_conj(&r, &a);
        fp12_mul(&a, &r, &t);
        fp12_frobenius_2(&t, &a);
        fp12_mul(&a, &a, &t);
        fp12_sqr(&l, &a);
        fp12_cyclotomic_sqr(&r, &a);
        assert_memory_equal(&l, &r, sizeof(l));
    }
}

static void the_sum_of_two_points_of_g1_is_known(void **state)
{
    (void)state;
    static const char *const sum[2] = {"0a40300ce2dec9888b60690e9a41d3004fda4886854573974fab73b046d"
                                       "3147ba5b7a5bde85279ffede1b45b3918d82d",
                                       "06d3d887e9f53b9ec4eb6cedf5607226754b07c01ace7834f57f3e7315f"
                                       "aefb739e59018e22c492006190fba4a870025"};
    static const char *const twice[2] = {"0572cbea904d67468808c8eb50a9450c9721db309128012543902d0ac"
                                         "358a62ae28f75bb8f1c7c42c39a8c5529bf0f4e",
                                         "166a9d8cabc673a322fda673779d8e3822ba3ecb8670e461f73bb9021"
                                         "d5fd76a4c56d9d4cd16bd1bba86881979749d28"};
    uint8_t in[256], out[128], want[128];
    unhex_fields(in, 2, g1_hex);
    unhex_fields(in + 128, 2, p1_hex);
    unhex_fields(want, 2, sum);
    assert_int_equal(pc_bls_g1_add(out, bytes_make(in, 256)), OK);
    assert_memory_equal(out, want, 128);
    unhex_fields(in + 128, 2, g1_hex);
    unhex_fields(want, 2, twice);
    assert_int_equal(pc_bls_g1_add(out, bytes_make(in, 256)), OK);
    assert_memory_equal(out, want, 128);
    memset(in + 128, 0, 128);
    assert_int_equal(pc_bls_g1_add(out, bytes_make(in, 256)), OK);
    assert_memory_equal(out, in, 128);
    memset(in, 0, 128);
    assert_int_equal(pc_bls_g1_add(out, bytes_make(in, 256)), OK);
    assert_memory_equal(out, in, 128);
}

/* msm_G1_bls.json, "bls_g1msm_multiple" and "..._unnormalized_scalar" */
static void the_multi_scalar_product_in_g1_is_known(void **state)
{
    (void)state;
    static const char *const k[7] = {
        "263dbd792f5b1be47ed85f8938c0f29586af0d3ac7b977f21c278fe1462040e3",
        "47b8192d77bf871b62e87859d653922725724a5c031afeabc60bcef5ff665138",
        "328388aff0d4a5b7dc9205abd374e7e98f3cd9f3418edb4eafda5fb16473d216",
        "263dbd792f5b1be47ed85f8938c0f29586af0d3ac7b977f21c278fe1462040e2",
        "47b8192d77bf871b62e87859d653922725724a5c031afeabc60bcef5ff665131",
        "328388aff0d4a5b7dc9205abd374e7e98f3cd9f3418edb4eafda5fb16473d211",
        "55b53c4669f19f0fc7431929bc0363d7d8fb432435fcde2635fdba334424e9f5",
    };
    static const char *const want_hex[2] = {"053fbdb09b6b5faa08bfe7b7069454247ad4d8bd57e90e2d2ebaa0"
                                            "4003dcf110aa83072c07f480ab2107cca2ccff6091",
                                            "1654537b7c96fe64d13906066679c3d45808cb666452b55d1b909c"
                                            "230cc4b423c3f932c58754b9b762dc49fcc825522c"};
    static const char *const big_hex[2] = {"0491d1b0ecd9bb917989f0e74f0dea0422eac4a873e5e2644f368df"
                                           "fb9a6e20fd6e10c1b77654d067c0618f6e5a7f79a",
                                           "17cd7061575d3e8034fcea62adaa1a3bc38dca4b50e4c5c01d04dd7"
                                           "8037c9cee914e17944ea99e7ad84278e5d49f36c4"};
    uint8_t in[7 * 160], out[128], want[128];
    for (size_t i = 0; i < 7; i++) {
        unhex_fields(in + 160 * i, 2, i == 0 ? g1_hex : i == 1 ? p1_hex : map_g1[i - 2] + 1);
        unhex(in + 160 * i + 128, 32, k[i]);
    }
    assert_int_equal(pc_bls_g1_msm(out, BYTES_OF(in)), OK);
    unhex_fields(want, 2, want_hex);
    assert_memory_equal(out, want, 128);
    unhex(in + 128, 32, "9a2b64cc58f8992cb21237914262ca9ada6cb13dc7b7d3f11c278fe0462040e4");
    assert_int_equal(pc_bls_g1_msm(out, bytes_make(in, 160)), OK);
    unhex_fields(want, 2, big_hex);
    assert_memory_equal(out, want, 128);
}

static void naive_g1(struct g1_jacobian *r, const struct g1_affine *p, const uint8_t k[static 32])
{
    g1_set_infinite(r);
    for (unsigned i = 0; i < 256; i++) {
        g1_double(r, r);
        if (k[i / 8] >> (7 - i % 8) & 1) g1_add_affine(r, r, p);
    }
}

static void naive_g2(struct g2_jacobian *r, const struct g2_affine *p, const uint8_t k[static 32])
{
    g2_set_infinite(r);
    for (unsigned i = 0; i < 256; i++) {
        g2_double(r, r);
        if (k[i / 8] >> (7 - i % 8) & 1) g2_add_affine(r, r, p);
    }
}

static void random_k(uint8_t k[static 32], int turn)
{
    for (unsigned i = 0; i < 4; i++)
        be64_put(k + 8 * i, turn % 7 == 0 ? ~0ull : turn % 5 == 0 ? 0 : rng_next(&rng));
    if (turn == 1)
        for (unsigned i = 0; i < 4; i++)
            be64_put(k + 8 * i, order.l[3 - i]);
    k[31] = (uint8_t)(k[31] + turn % 3);
}

/* More points than one batch holds, the same one twice, the point at infinity among them. */
static void multi_scalar_products_agree_with_adding_bit_by_bit(void **state)
{
    (void)state;
    enum { N = 35 };
    static uint8_t in[N * 288];
    uint8_t out[256], want[256];
    struct g1_affine p = {g1_generator_x, g1_generator_y, false};
    struct g2_affine q = {g2_generator_x, g2_generator_y, false};
    struct g1_jacobian sum1, one1;
    struct g2_jacobian sum2, one2;
    g1_set_infinite(&sum1);
    g2_set_infinite(&sum2);
    for (int i = 0; i < N; i++) {
        random_k(in + 160 * i + 128, i);
        memset(in + 160 * i, 0, 128);
        if (i % 9 != 4) {
            naive_g1(&one1, &p, in + 160 * i + 128);
            g1_add(&sum1, &sum1, &one1);
            bls_fp_put(in + 160 * i, &p.x), bls_fp_put(in + 160 * i + 64, &p.y);
            if (i % 4 == 0 && !g1_is_infinite(&one1)) g1_to_affine(&p, &one1);
        }
        if (i == 0 || i == 1 || i == 15 || i == 16 || i == N - 1) {
            assert_int_equal(pc_bls_g1_msm(out, bytes_make(in, 160 * (size_t)(i + 1))), OK);
            bls_g1_put(want, &sum1);
            assert_memory_equal(out, want, 128);
        }
    }
    for (int i = 0; i < N; i++) {
        random_k(in + 288 * i + 256, i);
        memset(in + 288 * i, 0, 256);
        if (i % 9 != 4) {
            naive_g2(&one2, &q, in + 288 * i + 256);
            g2_add(&sum2, &sum2, &one2);
            bls_fp_put(in + 288 * i, &q.x.a), bls_fp_put(in + 288 * i + 64, &q.x.b);
            bls_fp_put(in + 288 * i + 128, &q.y.a), bls_fp_put(in + 288 * i + 192, &q.y.b);
            if (i % 4 == 0 && !g2_is_infinite(&one2)) g2_to_affine(&q, &one2);
        }
        if (i == 0 || i == 1 || i == 4 || i == N - 1) {
            assert_int_equal(pc_bls_g2_msm(out, bytes_make(in, 288 * (size_t)(i + 1))), OK);
            bls_g2_put(want, &sum2);
            assert_memory_equal(out, want, 256);
        }
    }
    /* the sum in G2, by its own precompile: 2Q = Q + Q */
    uint8_t two[512];
    bls_g2_put(two, &sum2), bls_g2_put(two + 256, &sum2);
    assert_int_equal(pc_bls_g2_add(out, BYTES_OF(two)), OK);
    g2_double(&sum2, &sum2);
    bls_g2_put(want, &sum2);
    assert_memory_equal(out, want, 256);
    g2_neg(&one2, &sum2);
    bls_g2_put(two, &sum2), bls_g2_put(two + 256, &one2);
    assert_int_equal(pc_bls_g2_add(out, BYTES_OF(two)), OK);
    memset(want, 0, 256);
    assert_memory_equal(out, want, 256);
}

static void the_maps_give_the_points_of_eip_2537(void **state)
{
    (void)state;
    uint8_t in[128], out[256], want[256];
    for (size_t i = 0; i < COUNT_OF(map_g1); i++) {
        unhex_fields(in, 1, map_g1[i]);
        unhex_fields(want, 2, map_g1[i] + 1);
        assert_int_equal(pc_bls_map_fp_to_g1(out, bytes_make(in, 64)), OK);
        assert_memory_equal(out, want, 128);
    }
    for (size_t i = 0; i < COUNT_OF(map_g2); i++) {
        unhex_fields(in, 2, map_g2[i]);
        unhex_fields(want, 4, map_g2[i] + 2);
        assert_int_equal(pc_bls_map_fp2_to_g2(out, bytes_make(in, 128)), OK);
        assert_memory_equal(out, want, 256);
    }
}

static void the_maps_always_end_in_the_subgroup(void **state)
{
    (void)state;
    for (int turn = 0; turn < 40; turn++) {
        uint8_t in[128] = {0}, out[256];
        struct fp a, b;
        random_fp(&a);
        random_fp(&b);
        if (turn != 0) bls_fp_put(in, &a); /* 0 is an exceptional case of SWU */
        if (turn > 1) bls_fp_put(in + 64, &b);
        if (turn == 2) memset(in, 0, 64);
        struct g1_affine p;
        struct g2_affine q;
        assert_int_equal(pc_bls_map_fp_to_g1(out, bytes_make(in, 64)), OK);
        assert_true(g1_get(&p, out) && !p.infinite && bls_g1_is_in_subgroup(&p));
        assert_int_equal(pc_bls_map_fp2_to_g2(out, bytes_make(in, 128)), OK);
        assert_true(g2_get(&q, out) && !q.infinite && bls_g2_is_in_subgroup(&q));
    }
}

static void put_pair(uint8_t *dst, const struct g1_jacobian *p, const struct g2_jacobian *q)
{
    bls_g1_put(dst, p);
    bls_g2_put(dst + 128, q);
}

static int check(const uint8_t *in, size_t n_pairs)
{
    uint8_t out[32];
    assert_int_equal(pc_bls_pairing(out, bytes_make(in, 384 * n_pairs)), OK);
    for (unsigned i = 0; i < 31; i++)
        assert_int_equal(out[i], 0);
    return out[31];
}

static void the_pairing_is_bilinear_and_not_degenerate(void **state)
{
    (void)state;
    static uint8_t in[384 * 20];
    const struct g1_affine g = {g1_generator_x, g1_generator_y, false};
    const struct g2_affine h = {g2_generator_x, g2_generator_y, false};
    struct g1_jacobian p, p2, zero1;
    struct g2_jacobian q, q2, zero2;
    g1_set_infinite(&zero1);
    g2_set_infinite(&zero2);
    for (int turn = 0; turn < 4; turn++) {
        const uint64_t a = rng_next(&rng), b = rng_next(&rng);
        const uint128 ab = (uint128)a * b;
        const struct scalar k = {{(uint64_t)ab, (uint64_t)(ab >> 64)}};
        g1_from_affine(&p, &g);
        g1_mul_u64(&p, &p, a);
        g2_from_affine(&q, &h);
        g2_mul_u64(&q, &q, b);
        bls_g1_mul(&p2, &g, &k);
        g1_neg(&p2, &p2);
        g2_from_affine(&q2, &h);
        put_pair(in, &p, &q);
        assert_int_equal(check(in, 1), 0);
        put_pair(in + 384, &p2, &q2);
        assert_int_equal(check(in, 2), 1);
        put_pair(in + 768, &zero1, &q2);
        put_pair(in + 1152, &p2, &zero2);
        assert_int_equal(check(in, 4), 1);
        assert_int_equal(check(in + 768, 2), 1);
        g1_neg(&p2, &p2);
        put_pair(in + 384, &p2, &q2);
        assert_int_equal(check(in, 2), 0);
    }
    struct g1_jacobian sum;
    g1_set_infinite(&sum);
    for (unsigned i = 1; i < 20; i++) {
        g1_from_affine(&p, &g);
        g1_mul_u64(&p, &p, i);
        g1_add(&sum, &sum, &p);
        g2_from_affine(&q, &h);
        put_pair(in + 384 * (i - 1), &p, &q);
    }
    g1_neg(&sum, &sum);
    put_pair(in + 384 * 19, &sum, &q);
    assert_int_equal(check(in, 20), 1);
    assert_int_equal(check(in, 19), 0);
}

/* Each precompile with each fault that EIP-2537 names; what was in the output stays. */
static void every_malformed_input_is_refused(void **state)
{
    (void)state;
    uint8_t good1[128], good2[256], out[256];
    unhex_fields(good1, 2, g1_hex);
    unhex_fields(good2, 4, g2_hex);
    memset(out, 0x66, sizeof(out));
    for (int fault = 0; fault < 4; fault++) {
        uint8_t bad1[128], bad2[256], in[512] = {0};
        memcpy(bad1, good1, 128);
        memcpy(bad2, good2, 256);
        if (fault == 0) bad1[0] = bad2[192] = 0x10;     /* top bytes */
        if (fault == 1) bad1[79] = bad2[15] = 1;        /* top bytes, the last of them */
        if (fault == 2) bad1[127] ^= 1, bad2[255] ^= 1; /* off the curve */
        if (fault == 3) { /* p for 0, at a place where 0 would be fine */
            memset(bad1, 0, 128);
            memset(bad2, 0, 256);
            for (unsigned i = 0; i < 6; i++) {
                be64_put(bad1 + 16 + 8 * i, fp_p.l[5 - i]);
                be64_put(bad2 + 208 + 8 * i, fp_p.l[5 - i]);
            }
            memcpy(in, bad1, 64);
            assert_int_equal(pc_bls_map_fp_to_g1(out, bytes_make(in, 64)), E_INVALID);
            memset(in, 0, 64), memcpy(in + 64, bad1, 64);
            assert_int_equal(pc_bls_map_fp2_to_g2(out, bytes_make(in, 128)), E_INVALID);
        }
        memset(in, 0, sizeof(in));
        memcpy(in, bad1, 128);
        assert_int_equal(pc_bls_g1_add(out, bytes_make(in, 256)), E_INVALID);
        assert_int_equal(pc_bls_g1_msm(out, bytes_make(in, 160)), E_INVALID);
        assert_int_equal(pc_bls_pairing(out, bytes_make(in, 384)), E_INVALID);
        memset(in, 0, sizeof(in)), memcpy(in + 128, bad1, 128);
        assert_int_equal(pc_bls_g1_add(out, bytes_make(in, 256)), E_INVALID);
        memset(in, 0, sizeof(in)), memcpy(in, bad2, 256);
        assert_int_equal(pc_bls_g2_add(out, bytes_make(in, 512)), E_INVALID);
        assert_int_equal(pc_bls_g2_msm(out, bytes_make(in, 288)), E_INVALID);
        memset(in, 0, sizeof(in)), memcpy(in + 256, bad2, 256);
        assert_int_equal(pc_bls_g2_add(out, bytes_make(in, 512)), E_INVALID);
        memset(in, 0, sizeof(in)), memcpy(in + 128, bad2, 256);
        assert_int_equal(pc_bls_pairing(out, bytes_make(in, 384)), E_INVALID);
    }
    static uint8_t zeros[1000];
    for (size_t len = 0; len < sizeof(zeros); len++) {
        const bytes in = bytes_make(zeros, len);
        if (len != 256) assert_int_equal(pc_bls_g1_add(out, in), E_INVALID);
        if (len != 512) assert_int_equal(pc_bls_g2_add(out, in), E_INVALID);
        if (len == 0 || len % 160 != 0) assert_int_equal(pc_bls_g1_msm(out, in), E_INVALID);
        if (len == 0 || len % 288 != 0) assert_int_equal(pc_bls_g2_msm(out, in), E_INVALID);
        if (len == 0 || len % 384 != 0) assert_int_equal(pc_bls_pairing(out, in), E_INVALID);
        if (len != 64) assert_int_equal(pc_bls_map_fp_to_g1(out, in), E_INVALID);
        if (len != 128) assert_int_equal(pc_bls_map_fp2_to_g2(out, in), E_INVALID);
    }
    for (size_t i = 0; i < sizeof(out); i++)
        assert_int_equal(out[i], 0x66);
}

/* Points on the curve and outside the subgroup: add takes them, msm and pairing do not. */
static void points_outside_the_subgroup_are_refused_where_the_eip_says_so(void **state)
{
    (void)state;
    uint8_t in[512] = {0}, out[256];
    unsigned n = 0;
    struct fp x, yy, y, t;
    unhex(in + 16, 48,
          "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef01234567"
          "89abcdef");
    unhex(in + 80, 48,
          "193fb7cedb32b2c3adc06ec11a96bc0d661869316f5e4a577a9f7c179593987beb4fb2ee424dbb2f5dd891e2"
          "28b46c4a");
    assert_int_equal(pc_bls_g1_add(out, bytes_make(in, 256)), OK);
    assert_memory_equal(out, in, 128);
    assert_int_equal(pc_bls_g1_msm(out, bytes_make(in, 160)), E_INVALID);
    assert_int_equal(pc_bls_pairing(out, bytes_make(in, 384)), E_INVALID);
    for (uint64_t i = 1; n < 10; i++) { /* small x with a point */
        const struct fp plain = {{i}};
        fp_mul(&x, &plain, &fp_r2);
        fp_sqr(&yy, &x);
        fp_mul(&yy, &yy, &x);
        fp_add(&yy, &yy, &g1_b);
        fp_pow(&y, &yy, fp_sqrt_exponent.l, FP_N);
        fp_sqr(&t, &y);
        if (!fp_eq(&t, &yy)) continue;
        const struct g1_affine p = {x, y, false};
        uint8_t k[32];
        struct g1_jacobian check_order;
        for (unsigned j = 0; j < 4; j++)
            be64_put(k + 8 * j, order.l[3 - j]);
        naive_g1(&check_order, &p, k);
        assert_int_equal(bls_g1_is_in_subgroup(&p), g1_is_infinite(&check_order));
        n++;
    }
    /* on the twist: x = (i + i^2 sqrt(-1)) with y in Fp2 found through the norm */
    n = 0;
    for (uint64_t i = 1; n < 10 && i < 500; i++) {
        struct g2_affine q = {.infinite = false};
        struct fp2 rhs, root, again;
        const struct fp one = {{i}}, two = {{i * i}};
        fp_mul(&q.x.a, &one, &fp_r2);
        fp_mul(&q.x.b, &two, &fp_r2);
        fp2_sqr(&rhs, &q.x);
        fp2_mul(&rhs, &rhs, &q.x);
        fp2_add(&rhs, &rhs, &g2_b);
        fp_sqr(&t, &rhs.a);
        fp_sqr(&yy, &rhs.b);
        fp_add(&t, &t, &yy);
        fp_pow(&y, &t, fp_sqrt_exponent.l, FP_N);
        fp_add(&t, &rhs.a, &y);
        fp_half(&t, &t);
        fp_pow(&root.a, &t, fp_sqrt_exponent.l, FP_N);
        fp_double(&t, &root.a);
        fp_inv(&t, &t);
        fp_mul(&root.b, &rhs.b, &t);
        fp2_sqr(&again, &root);
        if (!fp2_eq(&again, &rhs)) continue;
        q.y = root;
        assert_true(g2_is_on_curve(&q));
        uint8_t k[32];
        struct g2_jacobian check_order;
        for (unsigned j = 0; j < 4; j++)
            be64_put(k + 8 * j, order.l[3 - j]);
        naive_g2(&check_order, &q, k);
        assert_int_equal(bls_g2_is_in_subgroup(&q), g2_is_infinite(&check_order));
        memset(in, 0, sizeof(in));
        bls_fp_put(in + 128, &q.x.a), bls_fp_put(in + 192, &q.x.b), bls_fp_put(in + 256, &q.y.a),
            bls_fp_put(in + 320, &q.y.b);
        assert_int_equal(pc_bls_pairing(out, bytes_make(in, 384)), E_INVALID);
        assert_int_equal(pc_bls_g2_msm(out, bytes_make(in + 128, 288)), E_INVALID);
        n++;
    }
    assert_int_equal(n, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fp_inv_agrees_with_fermat),
        cmocka_unit_test(fp_mul_has_two_forms_that_agree),
        cmocka_unit_test(the_tower_is_a_field_and_frobenius_raises_to_p),
        cmocka_unit_test(the_sum_of_two_points_of_g1_is_known),
        cmocka_unit_test(the_multi_scalar_product_in_g1_is_known),
        cmocka_unit_test(multi_scalar_products_agree_with_adding_bit_by_bit),
        cmocka_unit_test(the_maps_give_the_points_of_eip_2537),
        cmocka_unit_test(the_maps_always_end_in_the_subgroup),
        cmocka_unit_test(the_pairing_is_bilinear_and_not_degenerate),
        cmocka_unit_test(every_malformed_input_is_refused),
        cmocka_unit_test(points_outside_the_subgroup_are_refused_where_the_eip_says_so),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    rng_seed(&rng, 381);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
