#include "identity-store/text.h"

#include "lib/base/clock.h"
#include "lib/codec/hex.h"

void json_put_text(struct buf *out, bytes t)
{
    buf_put_u8(out, '"');
    size_t from = 0;
    for (size_t i = 0; i < t.len; i++) {
        uint8_t c = t.ptr[i];
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        buf_put(out, t.ptr + from, i - from);
        from = i + 1;
        if (c == '"') buf_put(out, "\\\"", 2);
        else if (c == '\\') buf_put(out, "\\\\", 2);
        else if (c == '\n') buf_put(out, "\\n", 2);
        else if (c == '\r') buf_put(out, "\\r", 2);
        else if (c == '\t') buf_put(out, "\\t", 2);
        else buf_printf(out, "\\u%04x", c);
    }
    buf_put(out, t.ptr + from, t.len - from);
    buf_put_u8(out, '"');
}

void xml_put_text(struct buf *out, bytes t)
{
    for (size_t i = 0; i < t.len; i++) {
        uint8_t c = t.ptr[i];
        if (c == '&') buf_put_str(out, "&amp;");
        else if (c == '<') buf_put_str(out, "&lt;");
        else if (c == '>') buf_put_str(out, "&gt;");
        else if (c == '"') buf_put_str(out, "&quot;");
        else if (c < 0x20 && c != '\t' && c != '\n' && c != '\r') buf_put_u8(out, '?');
        else buf_put_u8(out, c);
    }
}

void xml_put_element(struct buf *out, const char *name, const char *text)
{
    if (*text == 0) {
        buf_printf(out, "<%s />", name);
        return;
    }
    buf_printf(out, "<%s>", name);
    xml_put_text(out, bytes_str(text));
    buf_printf(out, "</%s>", name);
}

/* decode in[0..len) to dst; false: malformed, a NUL, or too long */
static bool decode(char *dst, size_t cap, const uint8_t *in, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        uint8_t c = in[i];
        if (c == '+') {
            c = ' ';
        } else if (c == '%') {
            if (i + 2 >= len) return false;
            int hi = hex_digit(in[i + 1]), lo = hex_digit(in[i + 2]);
            if (hi < 0 || lo < 0) return false;
            c = (uint8_t)(hi * 16 + lo);
            i += 2;
        }
        if (c == 0 || n + 1 >= cap) return false;
        dst[n++] = (char)c;
    }
    dst[n] = 0;
    return true;
}

static bool find_param(bytes *value, bytes query, const char *name)
{
    size_t i = 0;
    while (i < query.len) {
        const uint8_t *p = query.ptr + i, *amp = memchr(p, '&', query.len - i);
        size_t len = amp ? (size_t)(amp - p) : query.len - i;
        const uint8_t *eq = len ? memchr(p, '=', len) : NULL;
        size_t key_len = eq ? (size_t)(eq - p) : len;
        char key[64];
        if (decode(key, sizeof key, p, key_len) && strcmp(key, name) == 0) {
            *value = eq ? bytes_make(eq + 1, len - key_len - 1) : BYTES_EMPTY;
            return true;
        }
        i += len + 1;
    }
    return false;
}

bool query_get(char *dst, size_t cap, bytes query, const char *name)
{
    bytes v;
    if (!find_param(&v, query, name)) return false;
    char *tmp = malloc(cap);
    bool ok = tmp != NULL && decode(tmp, cap, v.ptr, v.len);
    if (ok) memcpy(dst, tmp, strlen(tmp) + 1);
    free(tmp);
    return ok;
}

bool query_has(bytes query, const char *name)
{
    bytes v;
    return find_param(&v, query, name);
}

bool text_is_utf8(bytes t)
{
    for (size_t i = 0; i < t.len;) {
        uint8_t c = t.ptr[i];
        size_t n = c < 0x80 ? 1 : c >= 0xc2 && c < 0xe0 ? 2 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xf0 && c < 0xf5 ? 4 : 0;
        if (c == 0 || n == 0 || n > t.len - i) return false;
        for (size_t k = 1; k < n; k++)
            if ((t.ptr[i + k] & 0xc0) != 0x80) return false;
        uint8_t d = n > 1 ? t.ptr[i + 1] : 0;
        if ((c == 0xe0 && d < 0xa0) || (c == 0xed && d > 0x9f) || (c == 0xf0 && d < 0x90) || (c == 0xf4 && d > 0x8f)) return false;
        i += n;
    }
    return true;
}

bool u64_get(uint64_t *out, const char *text)
{
    uint64_t v = 0;
    if (*text == 0) return false;
    for (const char *p = text; *p; p++) {
        if (*p < '0' || *p > '9') return false;
        if (__builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, (uint64_t)(*p - '0'), &v)) return false;
    }
    *out = v;
    return true;
}

bool http_date_get(uint64_t *unix_s, const char *text)
{
    struct tm tm = {0};
    const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    if (end == NULL || *end != 0) return false;
    time_t t = timegm(&tm);
    if (t < 0) return false;
    *unix_s = (uint64_t)t;
    return true;
}

void utc_date_put(char dst[static 32], uint64_t unix_ms)
{
    char iso[24];
    clock_format_iso(iso, unix_ms / 1000);
    (void)snprintf(dst, 32, "%.19s.%03u0000Z", iso, (unsigned)(unix_ms % 1000));
}
