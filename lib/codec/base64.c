#include "lib/codec/base64.h"

void base64_append(struct buf *out, bytes b, bool url)
{
    static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static const char for_url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *digits = url ? for_url : standard;
    const size_t room = b.len < SIZE_MAX / 2 ? (b.len + 2) / 3 * 4 : SIZE_MAX;
    uint8_t *p = buf_reserve(out, room);
    if (p == NULL) return;
    const uint8_t *start = p;
    size_t i = 0;
    for (; i + 3 <= b.len; i += 3) {
        uint32_t v = (uint32_t)b.ptr[i] << 16 | (uint32_t)b.ptr[i + 1] << 8 | b.ptr[i + 2];
        for (int shift = 18; shift >= 0; shift -= 6)
            *p++ = (uint8_t)digits[v >> shift & 63];
    }
    if (b.len - i == 1) {
        *p++ = (uint8_t)digits[b.ptr[i] >> 2];
        *p++ = (uint8_t)digits[(b.ptr[i] & 3) << 4];
    } else if (b.len - i == 2) {
        *p++ = (uint8_t)digits[b.ptr[i] >> 2];
        *p++ = (uint8_t)digits[(b.ptr[i] & 3) << 4 | b.ptr[i + 1] >> 4];
        *p++ = (uint8_t)digits[(b.ptr[i + 1] & 15) << 2];
    }
    while (!url && (p - start) % 4 != 0)
        *p++ = '=';
    out->len += (size_t)(p - start);
}

static int base64_digit(uint8_t c, bool url)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    if (c == (url ? '-' : '+')) return 62;
    if (c == (url ? '_' : '/')) return 63;
    return -1;
}

enum status base64_get(struct buf *out, bytes text, bool url)
{
    size_t n = text.len;
    if (!url) {
        if (n % 4 != 0) return E_DECODE;
        if (n != 0 && text.ptr[n - 1] == '=') n--;
        if (n != 0 && n != text.len && text.ptr[n - 1] == '=') n--;
    }
    if (n % 4 == 1) return E_DECODE;
    uint8_t *p = buf_reserve(out, n / 4 * 3 + (n % 4 == 0 ? 0 : n % 4 - 1));
    if (p == NULL) return buf_status(out);
    uint32_t v = 0;
    unsigned n_bits = 0;
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        int d = base64_digit(text.ptr[i], url);
        if (d < 0) return E_DECODE;
        v = v << 6 | (uint32_t)d;
        n_bits += 6;
        if (n_bits >= 8) {
            n_bits -= 8;
            p[len++] = (uint8_t)(v >> n_bits);
        }
    }
    if ((v & ((1u << n_bits) - 1)) != 0)
        return E_DECODE; /* bits past the last byte: not the one canonical form */
    out->len += len;
    return OK;
}
