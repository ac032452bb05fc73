/* bls12_381_constants_priv.h: the numbers of BLS12-381, y^2 = x^3 + 4 over p = (x-1)^2 (x^4 - x^2 + 1) / 3 + x, order
 * x^4 - x^2 + 1, x = -0xd201000000010000. All field elements in Montgomery form; every table follows from p, x and xi = 1 + i
 * by the formula beside it; the generators are those of the draft of the pairing-friendly curves. */
#ifndef NODE_EVM_PRECOMPILE_BLS12_381_CONSTANTS_PRIV_H
#define NODE_EVM_PRECOMPILE_BLS12_381_CONSTANTS_PRIV_H

#define FP_N 6
#include "node/evm/precompile/field_types_priv.h"

#define BLS_X 0xd201000000010000u /* -x */

static UNUSED const struct fp fp_p = {{0xb9feffffffffaaab, 0x1eabfffeb153ffff, 0x6730d2a0f6b0f624,
                                       0x64774b84f38512bf, 0x4b1ba7b6434bacd7, 0x1a0111ea397fe69a}};
static UNUSED const uint64_t fp_n0 = 0x89f3fffcfffcfffd; /* -1/p mod 2^64 */
static UNUSED const struct fp fp_one = {{0x760900000002fffd, 0xebf4000bc40c0002, 0x5f48985753c758ba,
                                         0x77ce585370525745, 0x5c071a97a256ec6d,
                                         0x15f65ec3fa80e493}}; /* R = 2^384 mod p */
static UNUSED const struct fp fp_r2 = {{0xf4df1f341c341746, 0x0a76e6a609d104f1, 0x8de5476c4c95b6d5,
                                        0x67eb88a9939d83c0, 0x9a793e85b519952d,
                                        0x11988fe592cae3aa}}; /* R^2 mod p */
static UNUSED const struct fp fp_p_minus_2 = {{0xb9feffffffffaaa9, 0x1eabfffeb153ffff,
                                               0x6730d2a0f6b0f624, 0x64774b84f38512bf,
                                               0x4b1ba7b6434bacd7, 0x1a0111ea397fe69a}};
static UNUSED const struct scalar order = {
    {0xffffffff00000001, 0x53bda402fffe5bfe, 0x3339d80809a1d805, 0x73eda753299d7d48}};
/* frobenius_1[k] = xi^(k(p-1)/6), the coefficient of w^k under f -> f^p; _2 and _3 for p^2 (in Fp) and p^3 */
static UNUSED const struct fp2 frobenius_1[6] = {
    {{{0x760900000002fffd, 0xebf4000bc40c0002, 0x5f48985753c758ba, 0x77ce585370525745,
       0x5c071a97a256ec6d, 0x15f65ec3fa80e493}},
     {{0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
       0x0000000000000000, 0x0000000000000000}}},
    {{{0x07089552b319d465, 0xc6695f92b50a8313, 0x97e83cccd117228f, 0xa35baecab2dc29ee,
       0x1ce393ea5daace4d, 0x08f2220fb0fb66eb}},
     {{0xb2f66aad4ce5d646, 0x5842a06bfc497cec, 0xcf4895d42599d394, 0xc11b9cba40a8e8d0,
       0x2e3813cbe5a0de89, 0x110eefda88847faf}}},
    {{{0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
       0x0000000000000000, 0x0000000000000000}},
     {{0xcd03c9e48671f071, 0x5dab22461fcda5d2, 0x587042afd3851b95, 0x8eb60ebe01bacb9e,
       0x03f97d6e83d050d2, 0x18f0206554638741}}},
    {{{0x7bcfa7a25aa30fda, 0xdc17dec12a927e7c, 0x2f088dd86b4ebef1, 0xd1ca2087da74d4a7,
       0x2da2596696cebc1d, 0x0e2b7eedbbfd87d2}},
     {{0x7bcfa7a25aa30fda, 0xdc17dec12a927e7c, 0x2f088dd86b4ebef1, 0xd1ca2087da74d4a7,
       0x2da2596696cebc1d, 0x0e2b7eedbbfd87d2}}},
    {{{0x890dc9e4867545c3, 0x2af322533285a5d5, 0x50880866309b7e2c, 0xa20d1b8c7e881024,
       0x14e4f04fe2db9068, 0x14e56d3f1564853a}},
     {{0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
       0x0000000000000000, 0x0000000000000000}}},
    {{{0x82d83cf50dbce43f, 0xa2813e53df9d018f, 0xc6f0caa53c65e181, 0x7525cf528d50fe95,
       0x4a85ed50f4798a6b, 0x171da0fd6cf8eebd}},
     {{0x3726c30af242c66c, 0x7c2ac1aad1b6fe70, 0xa04007fbba4b14a2, 0xef517c3266341429,
       0x0095ba654ed2226b, 0x02e370eccc86f7dd}}},
};
static UNUSED const struct fp frobenius_2[6] = {
    {{0x760900000002fffd, 0xebf4000bc40c0002, 0x5f48985753c758ba, 0x77ce585370525745,
      0x5c071a97a256ec6d, 0x15f65ec3fa80e493}},
    {{0xecfb361b798dba3a, 0xc100ddb891865a2c, 0x0ec08ff1232bda8e, 0xd5c13cc6f1ca4721,
      0x47222a47bf7b5c04, 0x0110f184e51c5f59}},
    {{0x30f1361b798a64e8, 0xf3b8ddab7ece5a2a, 0x16a8ca3ac61577f7, 0xc26a2ff874fd029b,
      0x3636b76660701c6e, 0x051ba4ab241b6160}},
    {{0x43f5fffffffcaaae, 0x32b7fff2ed47fffd, 0x07e83a49a2e99d69, 0xeca8f3318332bb7a,
      0xef148d1ea0f4c069, 0x040ab3263eff0206}},
    {{0xcd03c9e48671f071, 0x5dab22461fcda5d2, 0x587042afd3851b95, 0x8eb60ebe01bacb9e,
      0x03f97d6e83d050d2, 0x18f0206554638741}},
    {{0x890dc9e4867545c3, 0x2af322533285a5d5, 0x50880866309b7e2c, 0xa20d1b8c7e881024,
      0x14e4f04fe2db9068, 0x14e56d3f1564853a}},
};
static UNUSED const struct fp2 frobenius_3[6] = {
    {{{0x760900000002fffd, 0xebf4000bc40c0002, 0x5f48985753c758ba, 0x77ce585370525745,
       0x5c071a97a256ec6d, 0x15f65ec3fa80e493}},
     {{0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
       0x0000000000000000, 0x0000000000000000}}},
    {{{0x3e2f585da55c9ad1, 0x4294213d86c18183, 0x382844c88b623732, 0x92ad2afd19103e18,
       0x1d794e4fac7cf0b9, 0x0bd592fc7d825ec8}},
     {{0x7bcfa7a25aa30fda, 0xdc17dec12a927e7c, 0x2f088dd86b4ebef1, 0xd1ca2087da74d4a7,
       0x2da2596696cebc1d, 0x0e2b7eedbbfd87d2}}},
    {{{0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
       0x0000000000000000, 0x0000000000000000}},
     {{0x760900000002fffd, 0xebf4000bc40c0002, 0x5f48985753c758ba, 0x77ce585370525745,
       0x5c071a97a256ec6d, 0x15f65ec3fa80e493}}},
    {{{0x3e2f585da55c9ad1, 0x4294213d86c18183, 0x382844c88b623732, 0x92ad2afd19103e18,
       0x1d794e4fac7cf0b9, 0x0bd592fc7d825ec8}},
     {{0x3e2f585da55c9ad1, 0x4294213d86c18183, 0x382844c88b623732, 0x92ad2afd19103e18,
       0x1d794e4fac7cf0b9, 0x0bd592fc7d825ec8}}},
    {{{0x43f5fffffffcaaae, 0x32b7fff2ed47fffd, 0x07e83a49a2e99d69, 0xeca8f3318332bb7a,
       0xef148d1ea0f4c069, 0x040ab3263eff0206}},
     {{0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
       0x0000000000000000, 0x0000000000000000}}},
    {{{0x7bcfa7a25aa30fda, 0xdc17dec12a927e7c, 0x2f088dd86b4ebef1, 0xd1ca2087da74d4a7,
       0x2da2596696cebc1d, 0x0e2b7eedbbfd87d2}},
     {{0x3e2f585da55c9ad1, 0x4294213d86c18183, 0x382844c88b623732, 0x92ad2afd19103e18,
       0x1d794e4fac7cf0b9, 0x0bd592fc7d825ec8}}},
};
/* psi(x, y) = (conj(x) psi_x, conj(y) psi_y): Frobenius seen on the twist */
static UNUSED const struct fp2 psi_x = {
    {{0x0000000000000000, 0x0000000000000000, 0x0000000000000000, 0x0000000000000000,
      0x0000000000000000, 0x0000000000000000}},
    {{0x890dc9e4867545c3, 0x2af322533285a5d5, 0x50880866309b7e2c, 0xa20d1b8c7e881024,
      0x14e4f04fe2db9068, 0x14e56d3f1564853a}}};
static UNUSED const struct fp2 psi_y = {
    {{0x3e2f585da55c9ad1, 0x4294213d86c18183, 0x382844c88b623732, 0x92ad2afd19103e18,
      0x1d794e4fac7cf0b9, 0x0bd592fc7d825ec8}},
    {{0x7bcfa7a25aa30fda, 0xdc17dec12a927e7c, 0x2f088dd86b4ebef1, 0xd1ca2087da74d4a7,
      0x2da2596696cebc1d, 0x0e2b7eedbbfd87d2}}};
static UNUSED const struct fp psi2_x = {{0xcd03c9e48671f071, 0x5dab22461fcda5d2, 0x587042afd3851b95,
                                         0x8eb60ebe01bacb9e, 0x03f97d6e83d050d2,
                                         0x18f0206554638741}};
/* 4, and 4 xi of the twist */
static UNUSED const struct fp g1_b = {{0xaa270000000cfff3, 0x53cc0032fc34000a, 0x478fe97a6b0a807f,
                                       0xb1d37ebee6ba24d7, 0x8ec9733bbf78ab2f, 0x09d645513d83de7e}};
static UNUSED const struct fp2 g2_b = {
    {{0xaa270000000cfff3, 0x53cc0032fc34000a, 0x478fe97a6b0a807f, 0xb1d37ebee6ba24d7,
      0x8ec9733bbf78ab2f, 0x09d645513d83de7e}},
    {{0xaa270000000cfff3, 0x53cc0032fc34000a, 0x478fe97a6b0a807f, 0xb1d37ebee6ba24d7,
      0x8ec9733bbf78ab2f, 0x09d645513d83de7e}}};
/* a cube root of 1: (x, y) -> (beta x, y) multiplies by -x^2 in the subgroup */
static UNUSED const struct fp g1_beta = {{0x30f1361b798a64e8, 0xf3b8ddab7ece5a2a,
                                          0x16a8ca3ac61577f7, 0xc26a2ff874fd029b,
                                          0x3636b76660701c6e, 0x051ba4ab241b6160}};
static UNUSED const struct fp g1_generator_x = {{0x5cb38790fd530c16, 0x7817fc679976fff5,
                                                 0x154f95c7143ba1c1, 0xf0ae6acdf3d0e747,
                                                 0xedce6ecc21dbf440, 0x120177419e0bfb75}};
static UNUSED const struct fp g1_generator_y = {{0xbaac93d50ce72271, 0x8c22631a7918fd8e,
                                                 0xdd595f13570725ce, 0x51ac582950405194,
                                                 0x0e1c8c3fad0059c0, 0x0bbc3efc5008a26a}};
static UNUSED const struct fp2 g2_generator_x = {
    {{0xf5f28fa202940a10, 0xb3f5fb2687b4961a, 0xa1a893b53e2ae580, 0x9894999d1a3caee9,
      0x6f67b7631863366b, 0x058191924350bcd7}},
    {{0xa5a9c0759e23f606, 0xaaa0c59dbccd60c3, 0x3bb17e18e2867806, 0x1b1ab6cc8541b367,
      0xc2b6ed0ef2158547, 0x11922a097360edf3}}};
static UNUSED const struct fp2 g2_generator_y = {
    {{0x4c730af860494c4a, 0x597cfa1f5e369c5a, 0xe7e6856caa0a635a, 0xbbefb5e96e0d495f,
      0x07d3a975f0ef25a2, 0x0083fd8e7e80dae5}},
    {{0xadc0fc92df64b05d, 0x18aa270a2b1461dc, 0x86adac6a3be4eba0, 0x79495c4ec93da33a,
      0xe7175850a43ccaed, 0x0b2bc2a163de1bf2}}};
static UNUSED const struct fp fp_sqrt_exponent = {
    {0xee7fbfffffffeaab, 0x07aaffffac54ffff, 0xd9cc34a83dac3d89, 0xd91dd2e13ce144af,
     0x92c6e9ed90d2eb35, 0x0680447a8e5ff9a6}}; /* (p + 1) / 4, plain */
static UNUSED const struct fp fp_half_p = {
    {0xdcff7fffffffd555, 0x0f55ffff58a9ffff, 0xb39869507b587b12, 0xb23ba5c279c2895f,
     0x258dd3db21a5d66b, 0x0d0088f51cbff34d}}; /* (p - 1) / 2, plain */

#endif
