/* rlp.h: Recursive Length Prefix (Yellow Paper, appendix B).
 *
 * An item is a string of bytes or a list of items. Only the canonical form is read: the shortest header that fits, a byte
 * below 0x80 stands for itself, and integers have no leading zero.
 *
 *     "dog"            83 64 6f 67
 *     ["cat", "dog"]   c8 83 63 61 74 83 64 6f 67
 *     0                80          1024   82 04 00
 *
 * Reading moves through a `bytes`: each rlp_get_* takes one item from the front of *in and leaves *in behind it; on any
 * failure *in and the outputs are untouched. Nothing is allocated; views point into the input.
 *
 * Writing appends to a buf, whose sticky status the caller asks for once. A list whose length is not known beforehand is
 * opened and closed:
 *
 *     size_t l = rlp_list_open(&b);  rlp_put_u64(&b, 7);  rlp_put_string(&b, x);  rlp_list_close(&b, l);
 *
 * Caveat: rlp_list_close moves the payload by the header's length: O(payload) for lists over 55 bytes. */
#ifndef LIB_CODEC_RLP_H
#define LIB_CODEC_RLP_H

#include "lib/base/buf.h"
#include "lib/base/bytes.h"
#include "lib/base/status.h"

/* ------------------------------------------------------------------ read */

struct rlp_item {
    bytes payload; /* of the string or list, header excluded */
    bytes raw;     /* the whole encoding, header included */
    bool is_list;
};

/** rlp_get_item: one item of either kind.  ret OK | E_DECODE: truncated or not canonical */
MUST_CHECK enum status rlp_get_item(struct rlp_item *v, bytes *in);
/** rlp_get_string: view of one string.  ret OK | E_DECODE: also when it is a list */
MUST_CHECK enum status rlp_get_string(bytes *v, bytes *in);
/** rlp_get_list: view of one list's payload, to be read item by item until it is empty. */
MUST_CHECK enum status rlp_get_list(bytes *v, bytes *in);
/** rlp_get_u64: one canonical unsigned integer in [0, 2^64).
 *  ret OK | E_DECODE: truncated, a list, a leading zero, or over 8 bytes;  cost O(1) */
MUST_CHECK enum status rlp_get_u64(uint64_t *v, bytes *in);
/** rlp_get_uint: one canonical unsigned integer, as len big-endian bytes in dst, zero-padded in front.
 *  ret OK | E_DECODE: also when it needs more than len bytes */
MUST_CHECK enum status rlp_get_uint(uint8_t *dst, size_t len, bytes *in);
/** rlp_get_fixed: one string of exactly len bytes, copied (hashes, addresses, blooms). */
MUST_CHECK enum status rlp_get_fixed(uint8_t *dst, size_t len, bytes *in);
/** rlp_get_optional_fixed: a string of 0 or exactly len bytes; *has tells which; dst written only if it has. */
MUST_CHECK enum status rlp_get_optional_fixed(bool *has, uint8_t *dst, size_t len, bytes *in);
/** rlp_is_list: does the next item look like a list? false at the end of input. */
bool rlp_is_list(bytes in);
/** rlp_count_items: items in a list's payload.  ret OK | E_DECODE;  cost O(items) */
MUST_CHECK enum status rlp_count_items(size_t *n, bytes payload);
/** rlp_check: is `in` exactly one well-formed item, down to the leaves? Lists may be nested max_depth deep.
 *  ret OK | E_DECODE | E_LIMIT: nested deeper */
MUST_CHECK enum status rlp_check(bytes in, unsigned max_depth);

/* ----------------------------------------------------------------- write */

/** rlp_encode_u64: into dst; ret bytes written, 1..9 */
size_t rlp_encode_u64(uint8_t dst[static 9], uint64_t v);
/** rlp_encode_header: header of a string or list with payload_len bytes; ret bytes written, 1..9. For a string of one byte
 *  below 0x80 no header is due: use rlp_put_string. */
size_t rlp_encode_header(uint8_t dst[static 9], bool is_list, size_t payload_len);
/** rlp_header_len: bytes of header for a payload of that length (string of one small byte excepted). */
size_t rlp_header_len(size_t payload_len);

void rlp_put_u64(struct buf *b, uint64_t v);
void rlp_put_string(struct buf *b, bytes v);
/** rlp_put_uint: big-endian integer of any length; leading zeros are dropped. */
void rlp_put_uint(struct buf *b, bytes be);
/** rlp_put_raw: an item that is encoded already. */
void rlp_put_raw(struct buf *b, bytes encoded);
/** rlp_put_list_header: for a list whose payload length is known. */
void rlp_put_list_header(struct buf *b, size_t payload_len);
/** rlp_list_open: ret a mark for rlp_list_close; lists nest. */
size_t rlp_list_open(struct buf *b);
void rlp_list_close(struct buf *b, size_t mark);

#endif
