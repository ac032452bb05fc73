#include "lib/base/buf.h"

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max, .status = OK};
}

void buf_fini(struct buf *b)
{
    free(b->ptr);
    *b = (struct buf){.max = b->max, .status = OK};
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->status = OK;
}

uint8_t *buf_reserve(struct buf *b, size_t n)
{
    if (b->status != OK) return NULL;
    if (n > b->max - b->len) {
        b->status = E_LIMIT;
        return NULL;
    }
    size_t need = b->len + n;
    if (need > b->cap || b->ptr == NULL) {
        size_t cap = b->cap < 64 ? 64 : b->cap;
        while (cap < need)
            cap = cap > b->max / 2 ? b->max : cap * 2;
        uint8_t *p = realloc(b->ptr, cap);
        if (p == NULL) {
            b->status = E_NOMEM;
            return NULL;
        }
        b->ptr = p;
        b->cap = cap;
    }
    return b->ptr + b->len;
}

void buf_put(struct buf *b, const void *ptr, size_t len)
{
    uint8_t *p = buf_reserve(b, len);
    if (p == NULL || len == 0) return;
    memcpy(p, ptr, len);
    b->len += len;
}

void buf_put_u8(struct buf *b, uint8_t v)
{
    buf_put(b, &v, 1);
}

void buf_put_bytes(struct buf *b, bytes v)
{
    buf_put(b, v.ptr, v.len);
}

void buf_put_str(struct buf *b, const char *s)
{
    buf_put(b, s, strlen(s));
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n >= 0) {
        uint8_t *p = buf_reserve(b, (size_t)n + 1);
        if (p != NULL) {
            (void)vsnprintf((char *)p, (size_t)n + 1, fmt, again);
            b->len += (size_t)n;
        }
    }
    va_end(again);
}

uint8_t *buf_insert(struct buf *b, size_t off, size_t n)
{
    if (off > b->len) BUG("buf_insert past the end");
    if (buf_reserve(b, n) == NULL) return NULL;
    memmove(b->ptr + off + n, b->ptr + off, b->len - off);
    b->len += n;
    return b->ptr + off;
}

void buf_consume(struct buf *b, size_t n)
{
    if (n > b->len) BUG("buf_consume past the end");
    if (n == 0) return;
    memmove(b->ptr, b->ptr + n, b->len - n);
    b->len -= n;
}

const char *buf_cstr(struct buf *b)
{
    uint8_t *p = buf_reserve(b, 1);
    if (p == NULL) return "";
    *p = 0;
    return (const char *)b->ptr;
}

uint8_t *buf_take(struct buf *b, size_t *len)
{
    uint8_t *p = b->ptr;
    if (len != NULL) *len = b->len;
    *b = (struct buf){.max = b->max, .status = OK};
    return p;
}
