#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* the source itself, for the trusted setup's point */
#include "node/evm/precompile/kzg.c"

#include <cmocka.h>

static void unhex(uint8_t *dst, size_t len, const char *hex)
{
    assert_int_equal(strlen(hex), 2 * len);
    for (size_t i = 0; i < len; i++) {
        unsigned v = 0;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &v), 1);
        dst[i] = (uint8_t)v;
    }
}

/* One polynomial at two places, proved under the setup of the ceremony. */
#define HASH "01e798154708fe7789429634053cbf9f99b619f9f084048927333fce637f549b"
#define COMMITMENT                                                                                 \
    "8f59a8d2a1a625a17f3fea0fe5eb8c896db3764f3185481bc22f91b4aaffcca25f26936857bc3a7c2539ea8ec3a9" \
    "52b7"
static const char good_hex[] =
    HASH "564c0a11a0f704f4fc3e8acfe0f8245f0ad1347b378fbf96e206da11a5d36306"
         "24d25032e67a7e6a4910df5834b8fe70e6bcfeeac0352434196bdf4b2485d5a1" COMMITMENT
         "873033e038326e87ed3e1276fd140253fa08e9fc25fb2d9a98527fc22a2c9612fbeafdad446cbc7bcdbdcd780"
         "af2c16a";
static const char good_too_hex[] =
    HASH "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000000"
         "1522a4a7f34e1ea350ae07c29c96c7e79655aa926122e95fe69fcbd932ca49e9" COMMITMENT
         "a62ad71d14c5719385c0686f1871430475bf3a00f0aa3f7b8dd99a9abc2160744faf0070725e00b60ad9a026a"
         "15b1a8c";

static void two_published_proofs_hold(void **state)
{
    (void)state;
    uint8_t in[192], out[64], want[64];
    unhex(want, 64,
          "0000000000000000000000000000000000000000000000000000000000001000"
          "73eda753299d7d483339d80809a1d80553bda402fffe5bfeffffffff00000001");
    unhex(in, 192, good_hex);
    assert_int_equal(pc_kzg_point_evaluation(out, BYTES_OF(in)), OK);
    assert_memory_equal(out, want, 64);
    memset(out, 0, 64);
    unhex(in, 192, good_too_hex);
    assert_int_equal(pc_kzg_point_evaluation(out, BYTES_OF(in)), OK);
    assert_memory_equal(out, want, 64);
}

/* With the commitment changed the versioned hash is made anew, so that the proof itself is what fails. */
static void rehash(uint8_t in[static 192])
{
    sha256(in, in + 96, 48);
    in[0] = 1;
}

static void a_changed_proof_is_refused(void **state)
{
    (void)state;
    uint8_t good[192], in[193] = {0}, out[64] = {0x44};
    unhex(good, 192, good_hex);
    for (size_t at = 0; at < 192; at += at < 96 ? 5 : 1) {
        memcpy(in, good, 192);
        in[at] ^= 1;
        assert_int_equal(pc_kzg_point_evaluation(out, bytes_make(in, 192)), E_INVALID);
        if (at >= 96 && at < 144) {
            rehash(in);
            assert_int_equal(pc_kzg_point_evaluation(out, bytes_make(in, 192)), E_INVALID);
        }
    }
    memcpy(in, good, 192);
    assert_int_equal(pc_kzg_point_evaluation(out, bytes_make(in, 191)), E_INVALID);
    assert_int_equal(pc_kzg_point_evaluation(out, bytes_make(in, 193)), E_INVALID);
    assert_int_equal(pc_kzg_point_evaluation(out, BYTES_EMPTY), E_INVALID);
    assert_int_equal(out[0], 0x44);
}

/* The polynomial that is y everywhere: commitment [y]G, proof at infinity. */
static void a_constant_polynomial_has_the_proof_at_infinity(void **state)
{
    (void)state;
    uint8_t in[192] = {0}, out[64];
    in[96] = in[144] = 0xc0;
    in[63] = 9;
    rehash(in);
    assert_int_equal(pc_kzg_point_evaluation(out, BYTES_OF(in)), OK);
    in[95] = 1; /* y = 1 with commitment 0 */
    assert_int_equal(pc_kzg_point_evaluation(out, BYTES_OF(in)), E_INVALID);
    unhex(in + 96, 48,
          "97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00a"
          "db22c6bb");
    rehash(in); /* y = 1 with commitment G */
    assert_int_equal(pc_kzg_point_evaluation(out, BYTES_OF(in)), OK);
    in[96] |= 0x20; /* -G */
    rehash(in);
    assert_int_equal(pc_kzg_point_evaluation(out, BYTES_OF(in)), E_INVALID);
}

static void malformed_points_and_scalars_are_refused(void **state)
{
    (void)state;
    static const char *const bad_points[] = {
        /* not compressed; infinity with sign; infinity with an x; x = p; no point has the x; outside the subgroup */
        "17f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb"
        "22c6bb",
        "e00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
        "000000",
        "c00000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
        "000001",
        "9a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffff"
        "ffaaab",
        "800000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
        "000001",
        "8123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789"
        "abcdef",
    };
    struct g1_affine p;
    uint8_t in[192] = {0}, out[64], point[48];
    for (size_t i = 0; i < COUNT_OF(bad_points); i++) {
        unhex(point, 48, bad_points[i]);
        assert_false(g1_get_compressed(&p, point));
        memset(in, 0, sizeof(in));
        in[96] = in[144] = 0xc0;
        memcpy(in + 96, point, 48);
        rehash(in);
        assert_int_equal(pc_kzg_point_evaluation(out, BYTES_OF(in)), E_INVALID);
        memset(in + 96, 0, 96);
        in[96] = 0xc0;
        memcpy(in + 144, point, 48);
        rehash(in);
        assert_int_equal(pc_kzg_point_evaluation(out, BYTES_OF(in)), E_INVALID);
    }
    for (unsigned at = 32; at <= 64; at += 32) { /* z, y = the order of the group: one too much */
        memset(in, 0, sizeof(in));
        in[96] = in[144] = 0xc0;
        rehash(in);
        for (unsigned i = 0; i < 4; i++)
            be64_put(in + at + 8 * i, order.l[3 - i]);
        assert_int_equal(pc_kzg_point_evaluation(out, BYTES_OF(in)), E_INVALID);
        in[at + 31] = 0; /* order - 1 is a fine z, and a wrong y */
        assert_int_equal(pc_kzg_point_evaluation(out, BYTES_OF(in)), at == 32 ? OK : E_INVALID);
    }
}

static void the_point_of_the_setup_is_in_the_subgroup(void **state)
{
    (void)state;
    const struct g2_affine tau = {tau_g2_x, tau_g2_y, false};
    assert_true(g2_is_on_curve(&tau));
    assert_true(bls_g2_is_in_subgroup(&tau));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_published_proofs_hold),
        cmocka_unit_test(a_changed_proof_is_refused),
        cmocka_unit_test(a_constant_polynomial_has_the_proof_at_infinity),
        cmocka_unit_test(malformed_points_and_scalars_are_refused),
        cmocka_unit_test(the_point_of_the_setup_is_in_the_subgroup),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
