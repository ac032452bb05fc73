/* ecies.h: public-key encryption as RLPx and Parity have it: secp256k1, the concat KDF, AES-128-CTR, HMAC-SHA256.
 *
 *     0x04 || one-time public key (64) || IV (16) || ciphertext || HMAC (32) */
#ifndef LIB_CRYPTO_ECIES_H
#define LIB_CRYPTO_ECIES_H

#include "lib/base/buf.h"
#include "lib/base/secret.h"

#define ECIES_OVERHEAD (65 + 16 + 32)

/** ecies_seal, ecies_open: append ciphertext or plaintext; auth_data goes into the MAC only.
 *  ret OK | E_CRYPTO: pub is no point of the curve; not sealed for key, or not with auth_data | E_LIMIT, E_NOMEM: out */
MUST_CHECK enum status ecies_seal(struct buf *out, const uint8_t pub[static 64], bytes plain, bytes auth_data);
MUST_CHECK enum status ecies_open(struct buf *out, const secret32 *key, bytes sealed, bytes auth_data);

#endif
