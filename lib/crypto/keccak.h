/* keccak.h: Keccak-256 and Keccak-512 with the original padding 0x01 (Ethereum's; not SHA-3 of FIPS 202, which pads 0x06).
 *     keccak256("") = c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470 */
#ifndef LIB_CRYPTO_KECCAK_H
#define LIB_CRYPTO_KECCAK_H

#include "lib/base/bytes.h"

struct keccak {
    uint64_t lane[25];
    unsigned pos, rate; /* bytes absorbed of the current block; block length 136 or 72 */
};

/** keccak_init: out_len is 32 or 64 */
void keccak_init(struct keccak *k, unsigned out_len);
void keccak_update(struct keccak *k, const void *data, size_t len);
/** keccak_final: writes out_len bytes; the state may go on afterwards only by keccak_init. */
void keccak_final(struct keccak *k, uint8_t *out);
/** keccak_peek: digest of what was absorbed so far, the state goes on (the RLPx frame MAC needs that). */
void keccak_peek(const struct keccak *k, uint8_t *out);

/** keccak256: one shot; the hot path of hashing addresses, slots and trie nodes. dst may overlap data. */
void keccak256(uint8_t dst[static 32], const void *data, size_t len);
void keccak512(uint8_t dst[static 64], const void *data, size_t len);

#endif
