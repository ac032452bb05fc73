/* precompile.h: the mathematics of the EVM's precompiled contracts (Yellow Paper appendix E and the EIPs named below), as pure
 * functions: call data in, return data out. No gas, no addresses, no forks: the EVM's table has those.
 * ECRECOVER, SHA256 and IDENTITY need nothing beyond lib/crypto.
 *
 * `in` is the whole call data. Where the EIP pads short call data by zeros and drops what is too long (modexp, bn254 add and
 * mul), the function does so; where it demands a length, another length is E_INVALID.
 * Each returns OK with out written, or E_INVALID, out untouched, for input on which the precompile fails (all gas is taken).
 * Thread-safe, no global state. Nothing here is constant time: no secret ever comes here. */
#ifndef NODE_EVM_PRECOMPILE_PRECOMPILE_H
#define NODE_EVM_PRECOMPILE_PRECOMPILE_H

#include "lib/base/buf.h"

/** pc_ripemd160 (0x03): 12 zero bytes and the digest. */
void pc_ripemd160(uint8_t out[static 32], bytes in);

/** pc_modexp (EIP-198): base^exp mod mod, mod.len bytes big-endian to out; the operands big-endian, of any length, also 0.
 *  x mod 0 is 0; 0^0 is 1 (mod mod). The caller bounds the lengths by the gas that they cost.
 *  ret OK | E_NOMEM
 */
MUST_CHECK enum status pc_modexp(uint8_t *out, bytes base, bytes exp, bytes mod);
/** pc_modexp_call (0x05): the same on call data: three lengths of 32 bytes, then the operands. Appends to out.
 *  ret OK | E_INVALID: a length over 2^32 - 1 | E_LIMIT: out's maximum | E_NOMEM
 *  cost copies what call data lacks: the caller has taken the gas for these lengths before
 */
MUST_CHECK enum status pc_modexp_call(struct buf *out, bytes in);

/** pc_bn254_add (0x06), pc_bn254_mul (0x07) (EIP-196), pc_bn254_pairing (0x08, EIP-197): out is 1 or 0 in 32 bytes.
 *  ret OK | E_INVALID: a coordinate not below p, a point off the curve or outside G2's subgroup, pairing length no multiple of 192
 */
MUST_CHECK enum status pc_bn254_add(uint8_t out[static 64], bytes in);
MUST_CHECK enum status pc_bn254_mul(uint8_t out[static 64], bytes in);
MUST_CHECK enum status pc_bn254_pairing(uint8_t out[static 32], bytes in);

/** pc_blake2f (0x09, EIP-152): ret OK | E_INVALID: length not 213, final flag neither 0 nor 1. cost: the rounds asked for */
MUST_CHECK enum status pc_blake2f(uint8_t out[static 64], bytes in);

/** pc_kzg_point_evaluation (0x0a, EIP-4844): ret OK | E_INVALID: bad form, or the proof does not hold */
MUST_CHECK enum status pc_kzg_point_evaluation(uint8_t out[static 64], bytes in);

/** pc_bls_*: BLS12-381 (EIP-2537): 0x0b add, 0x0c msm in G1; 0x0d add, 0x0e msm in G2; 0x0f pairing check; 0x10, 0x11 maps.
 *  ret OK | E_INVALID: wrong length (an empty msm or pairing too), a field element not below p or with its top 16 bytes not zero, a
 *      point off the curve, or (msm, pairing) outside the subgroup | E_NOMEM (msm only)
 */
MUST_CHECK enum status pc_bls_g1_add(uint8_t out[static 128], bytes in);
MUST_CHECK enum status pc_bls_g1_msm(uint8_t out[static 128], bytes in);
MUST_CHECK enum status pc_bls_g2_add(uint8_t out[static 256], bytes in);
MUST_CHECK enum status pc_bls_g2_msm(uint8_t out[static 256], bytes in);
MUST_CHECK enum status pc_bls_pairing(uint8_t out[static 32], bytes in);
MUST_CHECK enum status pc_bls_map_fp_to_g1(uint8_t out[static 128], bytes in);
MUST_CHECK enum status pc_bls_map_fp2_to_g2(uint8_t out[static 256], bytes in);

#endif
