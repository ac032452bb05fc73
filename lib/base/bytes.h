/* bytes.h: borrowed bytes: pointer and count, the only form in which untrusted input reaches a parser. */
#ifndef LIB_BASE_BYTES_H
#define LIB_BASE_BYTES_H

#include "lib/base/attr.h"

typedef struct {
    const uint8_t *ptr; /* may be NULL when len is 0 */
    size_t len;
} bytes;

#define BYTES_EMPTY ((bytes){NULL, 0})
/** BYTES_LIT: the bytes of a string literal, without its NUL. */
#define BYTES_LIT(s) ((bytes){(const uint8_t *)("" s), sizeof(s) - 1})
/** BYTES_OF: an array or struct as bytes. */
#define BYTES_OF(x) ((bytes){(const uint8_t *)&(x), sizeof(x)})

static inline bytes bytes_make(const void *ptr, size_t len)
{
    return (bytes){(const uint8_t *)ptr, len};
}
static inline bytes bytes_str(const char *s)
{
    return (bytes){(const uint8_t *)s, strlen(s)};
}
static inline bool bytes_eq(bytes a, bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}
static inline bool bytes_eq_str(bytes a, const char *s)
{
    return bytes_eq(a, bytes_str(s));
}
/** bytes_cmp: like memcmp, a shorter prefix first. */
int bytes_cmp(bytes a, bytes b);

/* Big-endian and little-endian words in unaligned memory. */
static inline uint64_t be64_get(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return __builtin_bswap64(v);
}
static inline void be64_put(uint8_t *p, uint64_t v)
{
    v = __builtin_bswap64(v);
    memcpy(p, &v, 8);
}
static inline uint32_t be32_get(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, 4);
    return __builtin_bswap32(v);
}
static inline void be32_put(uint8_t *p, uint32_t v)
{
    v = __builtin_bswap32(v);
    memcpy(p, &v, 4);
}
static inline uint64_t le64_get(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}
static inline void le64_put(uint8_t *p, uint64_t v)
{
    memcpy(p, &v, 8);
}

#endif
