/* kdf.h: key derivation: scrypt (RFC 7914), PBKDF2-HMAC-SHA256 (RFC 8018), the concat KDF of ECIES (NIST SP 800-56A). */
#ifndef LIB_CRYPTO_KDF_H
#define LIB_CRYPTO_KDF_H

#include "lib/base/secret.h"

/** kdf_scrypt: n a power of two; memory 128*n*r bytes, at most 512 MiB.  ret OK | E_INVALID | E_LIMIT | E_NOMEM */
MUST_CHECK enum status kdf_scrypt(uint8_t *dst, size_t len, bytes password, bytes salt, uint64_t n, uint32_t r, uint32_t p);
MUST_CHECK enum status kdf_pbkdf2_sha256(uint8_t *dst, size_t len, bytes password, bytes salt, uint32_t rounds);
/** kdf_concat_sha256: sha256(counter32be || z) blocks. */
void kdf_concat_sha256(uint8_t *dst, size_t len, bytes z);

#endif
