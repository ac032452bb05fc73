/* abi.h: Solidity's contract ABI (version 2): arguments of calls, return values, reasons of reverts.
 *
 * A tuple is a head of 32-byte words, one for each static value or offset of a dynamic one, then the tails. Writing f(address,uint256[]):
 *
 *     struct abi_writer w = abi_begin(&out, 2);         (lib/eth/abi_call.h puts the selector in front)
 *     abi_put_address(&w, addr.b);
 *     abi_put_words(&w, values, n);
 *     abi_end(&w);                                      then ask buf_status(&out)
 *
 * Reading (bool,address[],string) out of return data:
 *
 *     struct abi_reader r = abi_read(data), list;
 *     if (abi_get_bool(&ok, &r) != OK || abi_get_array(&list, &n, &r) != OK || abi_get_bytes(&text, &r) != OK) ...
 *     for (size_t i = 0; i < n; i++)
 *         if (abi_get_address(addr.b, &list) != OK) ...
 *
 * Reading is strict: values fill their type exactly (a bool is 0 or 1, an address has 12 zero bytes in front), offsets and lengths stay
 * within the data. Padding behind bytes is not looked at, as Solidity itself does. On failure outputs are untouched. Nothing is
 * allocated; views point into the data. A word is 32 bytes big-endian. */
#ifndef LIB_CODEC_ABI_H
#define LIB_CODEC_ABI_H

#include "lib/base/buf.h"
#include "lib/base/bytes.h"
#include "lib/base/status.h"

enum { ABI_WORD = 32 };

/* ------------------------------------------------------------------- write */

struct abi_writer {
    struct buf *out;
    size_t base; /* where the tuple begins in out: offsets count from here */
    size_t head; /* head words written */
    size_t n;    /* head words in all */
};

/** abi_begin: a tuple of n values; n puts must follow, then abi_end. Each value counts one, whatever its type. */
struct abi_writer abi_begin(struct buf *out, size_t n);
/** abi_end: all n values were put (else it is our bug: aborts). */
void abi_end(struct abi_writer *w);

void abi_put_word(struct abi_writer *w, const uint8_t word[static 32]); /* uint256, bytes32 */
void abi_put_u64(struct abi_writer *w, uint64_t v);                     /* any uintN */
void abi_put_bool(struct abi_writer *w, bool v);
void abi_put_address(struct abi_writer *w, const uint8_t addr[static 20]);
/** abi_put_fixed: bytesN: left-aligned, len in [1, 32] */
void abi_put_fixed(struct abi_writer *w, bytes v);
/** abi_put_bytes: dynamic bytes, or a string. */
void abi_put_bytes(struct abi_writer *w, bytes v);
/** abi_put_words: uint256[] or bytes32[] from n words, one behind the other; abi_put_addresses: address[] from n times 20 bytes;
 *  abi_put_u64s: uintN[]. NULL for none. */
void abi_put_words(struct abi_writer *w, const uint8_t *words, size_t n);
void abi_put_addresses(struct abi_writer *w, const uint8_t *addrs, size_t n);
void abi_put_u64s(struct abi_writer *w, const uint64_t *values, size_t n);
/** abi_put_array: an array of n elements of any type: put them to the writer that it returns, abi_end that, then go on with w. */
struct abi_writer abi_put_array(struct abi_writer *w, size_t n);
/** abi_put_tuple: a tuple of n values with at least one dynamic one (a static one's values are put in line). */
struct abi_writer abi_put_tuple(struct abi_writer *w, size_t n);

/* -------------------------------------------------------------------- read */

struct abi_reader {
    bytes data; /* from the tuple's beginning to the end of all */
    size_t at;  /* of the next head word */
};

struct abi_reader abi_read(bytes data);
MUST_CHECK enum status abi_get_word(uint8_t word[static 32], struct abi_reader *r);
/** abi_get_u64: uintN that fits 64 bits.  ret OK | E_DECODE (also: it does not) */
MUST_CHECK enum status abi_get_u64(uint64_t *v, struct abi_reader *r);
MUST_CHECK enum status abi_get_bool(bool *v, struct abi_reader *r);
MUST_CHECK enum status abi_get_address(uint8_t addr[static 20], struct abi_reader *r);
/** abi_get_bytes: view of dynamic bytes or a string (not checked to be UTF-8). */
MUST_CHECK enum status abi_get_bytes(bytes *v, struct abi_reader *r);
/** abi_get_array: n elements follow in *elements; n is checked against the data: n * 32 bytes are there. */
MUST_CHECK enum status abi_get_array(struct abi_reader *elements, size_t *n, struct abi_reader *r);
/** abi_get_tuple: a dynamic tuple. */
MUST_CHECK enum status abi_get_tuple(struct abi_reader *values, struct abi_reader *r);

/** abi_put_revert_reason: append the text of Error(string), or "panic: ... (0x11)" of Panic(uint256), that a call reverted with; bytes
 *  that are no printable UTF-8 become '?'. false: it is neither, nothing was appended. */
bool abi_put_revert_reason(struct buf *out, bytes data);

#endif
