#include "lib/codec/hex.h"

static const char digits[] = "0123456789abcdef";

static bytes without_prefix(bytes t)
{
    if (t.len >= 2 && t.ptr[0] == '0' && (t.ptr[1] == 'x' || t.ptr[1] == 'X'))
        return bytes_make(t.ptr + 2, t.len - 2);
    return t;
}

void hex_put(char *dst, const uint8_t *src, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        dst[2 * i] = digits[src[i] >> 4];
        dst[2 * i + 1] = digits[src[i] & 15];
    }
}

void hex_append(struct buf *out, bytes b)
{
    buf_put(out, "0x", 2);
    uint8_t *p = b.len > SIZE_MAX / 2 ? NULL : buf_reserve(out, 2 * b.len);
    if (p == NULL) return;
    hex_put((char *)p, b.ptr, b.len);
    out->len += 2 * b.len;
}

/* digits only; len is exact */
static bool decode(uint8_t *dst, size_t len, const uint8_t *src)
{
    int bad = 0;
    for (size_t i = 0; i < len; i++) {
        int hi = hex_digit(src[2 * i]), lo = hex_digit(src[2 * i + 1]);
        bad |= hi | lo;
        dst[i] = (uint8_t)((unsigned)hi << 4 | ((unsigned)lo & 15u));
    }
    return bad >= 0;
}

enum status hex_get_fixed(uint8_t *dst, size_t len, bytes text)
{
    bytes t = without_prefix(text);
    if (t.len != 2 * len) return E_DECODE;
    int bad = 0;
    for (size_t i = 0; i < t.len; i++) bad |= hex_digit(t.ptr[i]);
    if (bad < 0) return E_DECODE;
    IGNORE(!decode(dst, len, t.ptr), "digits were checked");
    return OK;
}

enum status hex_get(struct buf *out, bytes text)
{
    bytes t = without_prefix(text);
    if (t.len % 2 != 0) return E_DECODE;
    uint8_t *p = buf_reserve(out, t.len / 2);
    if (p == NULL) return out->status;
    if (!decode(p, t.len / 2, t.ptr)) return E_DECODE;
    out->len += t.len / 2;
    return OK;
}

enum status hex_get_quantity(uint64_t *v, bytes text)
{
    if (text.len < 3 || text.ptr[0] != '0' || (text.ptr[1] != 'x' && text.ptr[1] != 'X')) return E_DECODE;
    if (text.ptr[2] == '0' && text.len > 3) return E_DECODE;
    uint64_t r = 0;
    for (size_t i = 2; i < text.len; i++) {
        int d = hex_digit(text.ptr[i]);
        if (d < 0) return E_DECODE;
        if (r >> 60 != 0) return E_LIMIT;
        r = r << 4 | (uint64_t)d;
    }
    *v = r;
    return OK;
}

size_t hex_put_quantity(char dst[static 19], uint64_t v)
{
    size_t n = 2, len = v == 0 ? 1 : (size_t)(67 - __builtin_clzll(v)) / 4;
    dst[0] = '0';
    dst[1] = 'x';
    for (size_t i = len; i-- > 0;)
        dst[n++] = digits[v >> (4 * i) & 15];
    dst[n] = '\0';
    return n;
}
