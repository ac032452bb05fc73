#include "lib/azure/xml_priv.h"

static const uint8_t *find(bytes in, const char *text)
{
    return in.len ? memmem(in.ptr, in.len, text, strlen(text)) : NULL;
}

static void skip_to(bytes *in, const uint8_t *p)
{
    in->len -= (size_t)(p - in->ptr);
    in->ptr = p;
}

/* the next start tag of that name; *in moves behind its '>' */
static bool next_start(bool *is_empty, bytes *in, const char *open, size_t open_len)
{
    for (;;) {
        const uint8_t *p = find(*in, open);
        if (p == NULL) return false;
        skip_to(in, p + open_len);
        if (in->len == 0) return false;
        /* not a longer name: <Name and <NameX */
        if (*in->ptr != '>' && *in->ptr != '/' && *in->ptr != ' ') continue;
        const uint8_t *end = memchr(in->ptr, '>', in->len);
        if (end == NULL) return false;
        *is_empty = end > in->ptr - 1 && end[-1] == '/';
        skip_to(in, end + 1);
        return true;
    }
}

bool xml_next(bytes *content, bytes *in, const char *name)
{
    char open[64], close[64];
    int open_len = snprintf(open, sizeof open, "<%s", name), close_len = snprintf(close, sizeof close, "</%s>", name);
    if (open_len >= (int)sizeof open || close_len >= (int)sizeof close) BUG("xml_next: long element name");
    bytes rest = *in;
    bool is_empty = false;
    if (!next_start(&is_empty, &rest, open, (size_t)open_len)) return false;
    if (is_empty) {
        *content = bytes_make(rest.ptr, 0);
        *in = rest;
        return true;
    }
    const uint8_t *end = find(rest, close);
    if (end == NULL) return false;
    *content = bytes_make(rest.ptr, (size_t)(end - rest.ptr));
    skip_to(&rest, end + close_len);
    *in = rest;
    return true;
}

static bool put_utf8(struct buf *out, unsigned long c)
{
    if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) return false;
    if (c < 0x80) {
        buf_put_u8(out, (uint8_t)c);
    } else if (c < 0x800) {
        buf_put_u8(out, (uint8_t)(0xc0 | c >> 6));
        buf_put_u8(out, (uint8_t)(0x80 | (c & 63)));
    } else if (c < 0x10000) {
        buf_put_u8(out, (uint8_t)(0xe0 | c >> 12));
        buf_put_u8(out, (uint8_t)(0x80 | (c >> 6 & 63)));
        buf_put_u8(out, (uint8_t)(0x80 | (c & 63)));
    } else {
        buf_put_u8(out, (uint8_t)(0xf0 | c >> 18));
        buf_put_u8(out, (uint8_t)(0x80 | (c >> 12 & 63)));
        buf_put_u8(out, (uint8_t)(0x80 | (c >> 6 & 63)));
        buf_put_u8(out, (uint8_t)(0x80 | (c & 63)));
    }
    return true;
}

/* "lt", "#65", "#x41" between & and ; */
static bool put_entity(struct buf *out, bytes e)
{
    static const struct {
        const char *name;
        char c;
    } known[] = {{"lt", '<'}, {"gt", '>'}, {"amp", '&'}, {"quot", '"'}, {"apos", '\''}};
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        if (bytes_eq_str(e, known[i].name)) {
            buf_put_u8(out, (uint8_t)known[i].c);
            return true;
        }
    }
    if (e.len < 2 || e.len > 8 || e.ptr[0] != '#') return false;
    char digits[9] = {0};
    memcpy(digits, e.ptr + 1, e.len - 1);
    bool hex = digits[0] == 'x';
    char *end;
    unsigned long c = strtoul(digits + (hex ? 1 : 0), &end, hex ? 16 : 10);
    return *end == 0 && put_utf8(out, c);
}

bool xml_text(char *dst, size_t cap, bytes in, const char *name)
{
    bytes t;
    if (cap == 0 || !xml_next(&t, &in, name)) return false;
    struct buf b;
    buf_init(&b, cap - 1);
    bool ok = true;
    while (ok && t.len > 0) {
        if (*t.ptr != '&') {
            buf_put_u8(&b, *t.ptr);
            skip_to(&t, t.ptr + 1);
            continue;
        }
        const uint8_t *end = memchr(t.ptr, ';', t.len);
        ok = end != NULL && put_entity(&b, bytes_make(t.ptr + 1, (size_t)(end - t.ptr - 1)));
        if (ok) skip_to(&t, end + 1);
    }
    ok = ok && buf_status(&b) == OK;
    if (ok) {
        if (b.len) memcpy(dst, b.ptr, b.len);
        dst[b.len] = 0;
    }
    buf_fini(&b);
    return ok;
}
