/* buf.h: a growing byte buffer with a maximum given at birth. An append past the maximum, or without memory, sets a sticky
 * failure and changes nothing; the writer appends freely and asks once at the end (buf_status). */
#ifndef LIB_BASE_BUF_H
#define LIB_BASE_BUF_H

#include "lib/base/bytes.h"
#include "lib/base/status.h"

struct buf {
    uint8_t *ptr;
    size_t len, cap, max;
    enum status status; /* OK until an append failed */
};

/** buf_init: empty, allocates nothing; max is the most bytes it will ever hold. */
void buf_init(struct buf *b, size_t max);
void buf_fini(struct buf *b);
/** buf_clear: length 0, memory and maximum kept, failure forgotten. */
void buf_clear(struct buf *b);
/** buf_reserve: room for n more; ret a pointer to it (len not moved), or NULL and the sticky failure. */
uint8_t *buf_reserve(struct buf *b, size_t n);
void buf_put(struct buf *b, const void *ptr, size_t len);
void buf_put_u8(struct buf *b, uint8_t v);
void buf_put_bytes(struct buf *b, bytes v);
void buf_put_str(struct buf *b, const char *s);
PRINTF_LIKE(2, 3) void buf_printf(struct buf *b, const char *fmt, ...);
/** buf_insert: open a gap of n bytes at off (<= len); ret the gap, or NULL and the sticky failure. cost O(len - off) */
uint8_t *buf_insert(struct buf *b, size_t off, size_t n);
/** buf_consume: drop the first n (<= len) bytes. cost O(len - n) */
void buf_consume(struct buf *b, size_t n);
/** buf_view: what stands in it; valid until the next change. */
static inline bytes buf_view(const struct buf *b)
{
    return (bytes){b->ptr, b->len};
}
/** buf_cstr: the content with a NUL behind it (not counted in len); "" if it has failed. valid until the next change */
const char *buf_cstr(struct buf *b);
/** buf_take: the memory goes to the caller (free()), the buffer is empty again. NULL if empty. */
uint8_t *buf_take(struct buf *b, size_t *len);
MUST_CHECK static inline enum status buf_status(const struct buf *b)
{
    return b->status;
}

#endif
