/* types.h: the small values of Ethereum that are copied. */
#ifndef LIB_ETH_TYPES_H
#define LIB_ETH_TYPES_H

#include "lib/base/bytes.h"
#include "lib/base/status.h"
#include "lib/eth/u256.h"

typedef struct {
    uint8_t b[20];
} address;

typedef struct {
    uint8_t b[32];
} hash32;

static inline bool address_eq(const address *a, const address *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}
static inline bool hash_eq(const hash32 *a, const hash32 *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}
static inline bool address_is_zero(const address *a)
{
    static const address zero;
    return address_eq(a, &zero);
}
static inline bool hash_is_zero(const hash32 *a)
{
    static const hash32 zero;
    return hash_eq(a, &zero);
}

extern const hash32 HASH_EMPTY_CODE;   /* keccak256("") */
extern const hash32 HASH_EMPTY_TRIE;   /* keccak256(rlp("")): root of the empty trie */
extern const hash32 HASH_EMPTY_UNCLES; /* keccak256(rlp([])) */
extern const address ADDRESS_SYSTEM;   /* 0xffff...fffe: sender of AuRa's system calls and EIP-4788's */

/** address_get: 40 hex digits, "0x" optional, checksum not looked at.  ret OK | E_DECODE */
MUST_CHECK enum status address_get(address *out, bytes text);
/** address_get_typed: of what a person typed: 0x and 40 hex digits; in mixed case the checksum (EIP-55) must be right.
 *  ret OK | E_DECODE | E_CRYPTO: by its checksum a digit is mistyped */
MUST_CHECK enum status address_get_typed(address *out, bytes text);
/** address_put: "0x" + 40 lower-case digits + NUL */
void address_put(char dst[static 43], const address *a);
/** address_put_checksum: mixed case by EIP-55 */
void address_put_checksum(char dst[static 43], const address *a);
MUST_CHECK enum status hash_get(hash32 *out, bytes text);
void hash_put(char dst[static 67], const hash32 *h);
/** address_create: of CREATE: keccak(rlp([sender, nonce]))[12:] */
address address_create(const address *sender, uint64_t nonce);
/** address_create2: EIP-1014: keccak(0xff || sender || salt || code_hash)[12:] */
address address_create2(const address *sender, const hash32 *salt, const hash32 *init_code_hash);

#endif
