/* keystore.h: Web3 Secret Storage v3: a private key in JSON under a password (scrypt or pbkdf2, aes-128-ctr, keccak MAC). */
#ifndef LIB_CRYPTO_KEYSTORE_H
#define LIB_CRYPTO_KEYSTORE_H

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/secret.h"

enum keystore_cost { KEYSTORE_COST_STANDARD /* scrypt n 262144 */, KEYSTORE_COST_LIGHT /* n 4096, p 6 */ };

/** keystore_put: append the JSON document. */
MUST_CHECK enum status keystore_put(struct buf *json, const secret32 *key, bytes password, enum keystore_cost cost);
/** keystore_get: ret OK | E_DECODE: no keystore v3 (err says which field) | E_DENIED: wrong password | E_LIMIT: cost out of bounds */
MUST_CHECK enum status keystore_get(secret32 *key, bytes json, bytes password, struct err *err);

#endif
