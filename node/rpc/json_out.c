#include "node/rpc/json_out.h"

#include "lib/codec/hex.h"

static void sep(struct buf *b)
{
    if (b->len == 0) return;
    uint8_t last = b->ptr[b->len - 1];
    if (last != '{' && last != '[' && last != ':' && last != ',' && last != '\n') buf_put_u8(b, ',');
}

void jo_open(struct buf *b, char bracket)
{
    sep(b);
    buf_put_u8(b, (uint8_t)bracket);
}

void jo_close(struct buf *b, char bracket)
{
    buf_put_u8(b, (uint8_t)bracket);
}

void jo_key(struct buf *b, const char *key)
{
    size_t n = strlen(key);
    sep(b);
    uint8_t *p = buf_reserve(b, n + 3);
    if (p == NULL) return;
    p[0] = '"';
    memcpy(p + 1, key, n);
    p[n + 1] = '"';
    p[n + 2] = ':';
    b->len += n + 3;
}

/* length of a well-formed UTF-8 sequence at p (RFC 3629), or 0 */
static size_t utf8_len(const uint8_t *p, size_t left)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t n = p[0] < 0x80 ? 1 : (p[0] & 0xe0) == 0xc0 ? 2 : (p[0] & 0xf0) == 0xe0 ? 3 : (p[0] & 0xf8) == 0xf0 ? 4 : 0;
    if (n == 0 || n > left) return 0;
    if (n == 1) return 1;
    uint32_t v = p[0] & (0x7fU >> n);
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) return 0;
        v = v << 6 | (p[i] & 0x3f);
    }
    return v < least[n] || v > 0x10ffff || (v >= 0xd800 && v < 0xe000) ? 0 : n;
}

void jo_text(struct buf *b, bytes s)
{
    sep(b);
    buf_put_u8(b, '"');
    for (size_t i = 0; i < s.len;) {
        uint8_t ch = s.ptr[i];
        size_t n = utf8_len(s.ptr + i, s.len - i);
        if (n == 0) buf_put_u8(b, '?');
        else if (ch == '"' || ch == '\\') buf_put(b, (uint8_t[]){'\\', ch}, 2);
        else if (ch < 0x20 || ch == 0x7f) buf_printf(b, "\\u%04x", ch);
        else buf_put(b, s.ptr + i, n);
        i += n ? n : 1;
    }
    buf_put_u8(b, '"');
}

void jo_str(struct buf *b, const char *s)
{
    jo_text(b, bytes_str(s));
}

void jo_bool(struct buf *b, bool v)
{
    sep(b);
    buf_put_str(b, v ? "true" : "false");
}

void jo_null(struct buf *b)
{
    sep(b);
    buf_put(b, "null", 4);
}

void jo_dec(struct buf *b, uint64_t v)
{
    char t[20];
    size_t at = sizeof t;
    do t[--at] = (char)('0' + v % 10);
    while ((v /= 10) != 0);
    sep(b);
    buf_put(b, t + at, sizeof t - at);
}

void jo_u64(struct buf *b, uint64_t v)
{
    char t[19];
    size_t n = hex_put_quantity(t, v);
    sep(b);
    uint8_t *p = buf_reserve(b, n + 2);
    if (p == NULL) return;
    p[0] = '"';
    memcpy(p + 1, t, n);
    p[n + 1] = '"';
    b->len += n + 2;
}

void jo_u256(struct buf *b, const u256 *v)
{
    char t[67];
    size_t n = u256_put_hex(t, v);
    sep(b);
    buf_put_u8(b, '"');
    buf_put(b, t, n);
    buf_put_u8(b, '"');
}

void jo_data(struct buf *b, bytes v)
{
    sep(b);
    uint8_t *p = buf_reserve(b, 2 * v.len + 4);
    if (p == NULL) return;
    memcpy(p, "\"0x", 3);
    hex_put((char *)p + 3, v.ptr, v.len);
    p[2 * v.len + 3] = '"';
    b->len += 2 * v.len + 4;
}

void jo_hash(struct buf *b, const hash32 *h)
{
    jo_data(b, bytes_make(h->b, sizeof h->b));
}

void jo_address(struct buf *b, const address *a)
{
    jo_data(b, bytes_make(a->b, sizeof a->b));
}

void jo_raw(struct buf *b, bytes json)
{
    sep(b);
    buf_put_bytes(b, json);
}
