/* aead.h: symmetric primitives by OpenSSL: hashes, MACs, AES. */
#ifndef LIB_CRYPTO_AEAD_H
#define LIB_CRYPTO_AEAD_H

#include "lib/base/buf.h"
#include "lib/base/secret.h"

void sha256(uint8_t dst[static 32], const void *data, size_t len);
/** hmac_sha256: key and data of any length. */
void hmac_sha256(uint8_t dst[static 32], bytes key, bytes data);
/** aes_ctr_xor: AES-CTR with key of 16 or 32 bytes, 16-byte big-endian initial counter; dst may be data (in place). */
MUST_CHECK enum status aes_ctr_xor(uint8_t *dst, bytes data, bytes key, const uint8_t iv[static 16]);

/** aead_seal: AES-256-GCM; appends nonce(12) || ciphertext || tag(16) to out, fresh random nonce; aad may be empty. */
MUST_CHECK enum status aead_seal(struct buf *out, const secret32 *key, bytes plain, bytes aad);
/** aead_open: appends the plaintext; ret OK | E_CRYPTO: not sealed by that key and aad. */
MUST_CHECK enum status aead_open(struct buf *out, const secret32 *key, bytes sealed, bytes aad);

/** stream_cipher: a running AES-256-CTR, as the RLPx frame cipher is. */
struct stream_cipher;
MUST_CHECK enum status stream_cipher_new(struct stream_cipher **out, const uint8_t key[static 32], const uint8_t iv[static 16]);
void stream_cipher_free(struct stream_cipher *c);
void stream_cipher_xor(struct stream_cipher *c, uint8_t *dst, const uint8_t *src, size_t len);
/** aes256_ecb_block: one block, for the RLPx MAC. */
void aes256_ecb_block(uint8_t dst[static 16], const uint8_t src[static 16], const uint8_t key[static 32]);

#endif
