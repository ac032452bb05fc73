/* secp256k1.h: ECDSA over secp256k1, as Ethereum uses it, by libsecp256k1. Thread-safe: one shared context, read only.
 * Public keys are 64 bytes x||y big-endian (no 0x04). Signatures are r(32)||s(32)||recid(1), recid 0..3, s low on signing. */
#ifndef LIB_CRYPTO_SECP256K1_H
#define LIB_CRYPTO_SECP256K1_H

#include "lib/base/secret.h"

/** ec_secret_generate: a uniform valid secret key. */
void ec_secret_generate(secret32 *out);
/** ec_secret_check: 0 < key < n.  ret OK | E_INVALID */
MUST_CHECK enum status ec_secret_check(const secret32 *key);
/** ec_public: ret OK | E_INVALID (bad key) */
MUST_CHECK enum status ec_public(uint8_t pub[static 64], const secret32 *key);
/** ec_address: last 20 bytes of keccak256(pub) */
void ec_address(uint8_t addr[static 20], const uint8_t pub[static 64]);
/** ec_sign: deterministic (RFC 6979), low s.  ret OK | E_INVALID */
MUST_CHECK enum status ec_sign(uint8_t sig65[static 65], const uint8_t hash[static 32], const secret32 *key);
/** ec_recover: sig65 with recid 0..3; high s accepted.  ret OK | E_CRYPTO: no such point, r or s out of range */
MUST_CHECK enum status ec_recover(uint8_t pub[static 64], const uint8_t sig65[static 65], const uint8_t hash[static 32]);
/** ec_recover_address: the address straight away. */
MUST_CHECK enum status ec_recover_address(uint8_t addr[static 20], const uint8_t sig65[static 65], const uint8_t hash[static 32]);
/** ec_recover_addresses: n signatures, as ec_recover_address for each; ok[i] tells which addr[i] was written. */
void ec_recover_addresses(uint8_t (*addr)[20], bool *ok, const uint8_t (*sig65)[65], const uint8_t (*hash32)[32], size_t n);
/** ec_sig_is_low_s: s <= n/2 (EIP-2), and r, s in [1, n) */
bool ec_sig_is_valid_low_s(const uint8_t sig65[static 65]);
/** ec_sig_complete: r||s of a signer that tells no recid (ES256K of a vault) to a signature as above: low s, and the recid under which
 *  it recovers to the address; so it also verifies.  ret OK | E_CRYPTO: no signature over hash by that address */
MUST_CHECK enum status ec_sig_complete(uint8_t sig65[static 65], const uint8_t rs[static 64], const uint8_t hash[static 32],
                                       const uint8_t addr[static 20]);
/** ec_dh: x coordinate of secret * pub (ECIES of RLPx).  ret OK | E_CRYPTO: pub is no point */
MUST_CHECK enum status ec_dh(uint8_t x[static 32], const uint8_t pub[static 64], const secret32 *key);

#endif
