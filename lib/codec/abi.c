#include "lib/codec/abi.h"

#include "lib/base/utf8.h"

/* ------------------------------------------------------------------- write */

struct abi_writer abi_begin(struct buf *out, size_t n)
{
    struct abi_writer w = {.out = out, .base = out->len, .n = n};
    uint8_t *p = n > SIZE_MAX / ABI_WORD ? NULL : buf_reserve(out, n * ABI_WORD);
    if (p != NULL) {
        memset(p, 0, n * ABI_WORD);
        out->len += n * ABI_WORD;
    }
    return w;
}

void abi_end(struct abi_writer *w)
{
    if (w->head != w->n) BUG("abi_end: not all values were put");
}

/* the next word of the head; scratch when out has failed, so that writers need not ask */
static uint8_t *head_word(struct abi_writer *w, uint8_t scratch[static ABI_WORD])
{
    if (w->head == w->n) BUG("abi: more values than announced");
    size_t at = w->base + ABI_WORD * w->head++;
    return w->out->status == OK ? w->out->ptr + at : scratch;
}

void abi_put_word(struct abi_writer *w, const uint8_t word[static 32])
{
    uint8_t scratch[ABI_WORD];
    memcpy(head_word(w, scratch), word, ABI_WORD);
}

void abi_put_u64(struct abi_writer *w, uint64_t v)
{
    uint8_t scratch[ABI_WORD];
    be64_put(head_word(w, scratch) + 24, v);
}

void abi_put_bool(struct abi_writer *w, bool v)
{
    abi_put_u64(w, v ? 1 : 0);
}

void abi_put_address(struct abi_writer *w, const uint8_t addr[static 20])
{
    uint8_t scratch[ABI_WORD];
    memcpy(head_word(w, scratch) + 12, addr, 20);
}

void abi_put_fixed(struct abi_writer *w, bytes v)
{
    uint8_t scratch[ABI_WORD];
    if (v.len == 0 || v.len > ABI_WORD) BUG("abi_put_fixed: length");
    memcpy(head_word(w, scratch), v.ptr, v.len);
}

/* a dynamic value: its offset in the head, its tail at the end of out with the length (or count) in front */
static void open_tail(struct abi_writer *w)
{
    abi_put_u64(w, w->out->len - w->base);
}

static void put_length(struct buf *out, size_t n)
{
    uint8_t word[ABI_WORD] = {0};
    be64_put(word + 24, n);
    buf_put(out, word, sizeof word);
}

void abi_put_bytes(struct abi_writer *w, bytes v)
{
    static const uint8_t zeros[ABI_WORD];
    open_tail(w);
    put_length(w->out, v.len);
    buf_put_bytes(w->out, v);
    buf_put(w->out, zeros, (ABI_WORD - v.len % ABI_WORD) % ABI_WORD);
}

struct abi_writer abi_put_array(struct abi_writer *w, size_t n)
{
    open_tail(w);
    put_length(w->out, n);
    return abi_begin(w->out, n);
}

struct abi_writer abi_put_tuple(struct abi_writer *w, size_t n)
{
    open_tail(w);
    return abi_begin(w->out, n);
}

void abi_put_words(struct abi_writer *w, const uint8_t *words, size_t n)
{
    struct abi_writer list = abi_put_array(w, n);
    for (size_t i = 0; i < n; i++)
        abi_put_word(&list, words + ABI_WORD * i);
    abi_end(&list);
}

void abi_put_addresses(struct abi_writer *w, const uint8_t *addrs, size_t n)
{
    struct abi_writer list = abi_put_array(w, n);
    for (size_t i = 0; i < n; i++)
        abi_put_address(&list, addrs + 20 * i);
    abi_end(&list);
}

void abi_put_u64s(struct abi_writer *w, const uint64_t *values, size_t n)
{
    struct abi_writer list = abi_put_array(w, n);
    for (size_t i = 0; i < n; i++)
        abi_put_u64(&list, values[i]);
    abi_end(&list);
}

/* -------------------------------------------------------------------- read */

struct abi_reader abi_read(bytes data)
{
    return (struct abi_reader){.data = data};
}

static const uint8_t *peek_word(const struct abi_reader *r)
{
    if (r->data.len - r->at < ABI_WORD) return NULL;
    return r->data.ptr + r->at;
}

enum status abi_get_word(uint8_t word[static 32], struct abi_reader *r)
{
    const uint8_t *p = peek_word(r);
    if (p == NULL) return E_DECODE;
    memcpy(word, p, ABI_WORD);
    r->at += ABI_WORD;
    return OK;
}

static bool is_zero(const uint8_t *p, size_t len)
{
    uint8_t any = 0;
    for (size_t i = 0; i < len; i++)
        any |= p[i];
    return any == 0;
}

enum status abi_get_u64(uint64_t *v, struct abi_reader *r)
{
    const uint8_t *p = peek_word(r);
    if (p == NULL || !is_zero(p, 24)) return E_DECODE;
    *v = be64_get(p + 24);
    r->at += ABI_WORD;
    return OK;
}

enum status abi_get_bool(bool *v, struct abi_reader *r)
{
    struct abi_reader rest = *r;
    uint64_t n;
    if (abi_get_u64(&n, &rest) != OK || n > 1) return E_DECODE;
    *v = n == 1;
    *r = rest;
    return OK;
}

enum status abi_get_address(uint8_t addr[static 20], struct abi_reader *r)
{
    const uint8_t *p = peek_word(r);
    if (p == NULL || !is_zero(p, 12)) return E_DECODE;
    memcpy(addr, p + 12, 20);
    r->at += ABI_WORD;
    return OK;
}

/* the tail that the next head word points to */
static enum status get_tail(struct abi_reader *tail, struct abi_reader *r)
{
    uint64_t offset;
    if (abi_get_u64(&offset, r) != OK || offset > r->data.len) return E_DECODE;
    *tail = abi_read(bytes_make(r->data.ptr + offset, r->data.len - (size_t)offset));
    return OK;
}

enum status abi_get_bytes(bytes *v, struct abi_reader *r)
{
    struct abi_reader rest = *r, tail;
    uint64_t len;
    if (get_tail(&tail, &rest) != OK || abi_get_u64(&len, &tail) != OK || len > tail.data.len - tail.at) return E_DECODE;
    *v = bytes_make(tail.data.ptr + tail.at, (size_t)len);
    *r = rest;
    return OK;
}

enum status abi_get_array(struct abi_reader *elements, size_t *n, struct abi_reader *r)
{
    struct abi_reader rest = *r, tail;
    uint64_t count;
    if (get_tail(&tail, &rest) != OK || abi_get_u64(&count, &tail) != OK || count > (tail.data.len - tail.at) / ABI_WORD) return E_DECODE;
    *elements = abi_read(bytes_make(tail.data.ptr + tail.at, tail.data.len - tail.at));
    *n = (size_t)count;
    *r = rest;
    return OK;
}

enum status abi_get_tuple(struct abi_reader *values, struct abi_reader *r)
{
    struct abi_reader rest = *r, tail;
    if (get_tail(&tail, &rest) != OK) return E_DECODE;
    *values = tail;
    *r = rest;
    return OK;
}

/* ----------------------------------------------------------------- reverts */

static const char *panic_text(uint64_t code)
{
    switch (code) {
    case 0x01:
        return "assertion failed";
    case 0x11:
        return "arithmetic underflow or overflow";
    case 0x12:
        return "division or modulo by zero";
    case 0x21:
        return "enum out of range";
    case 0x22:
        return "malformed storage byte array";
    case 0x31:
        return "pop of an empty array";
    case 0x32:
        return "array index out of bounds";
    case 0x41:
        return "too much memory";
    case 0x51:
        return "call of an uninitialised function";
    }
    return "unknown code";
}

static void put_printable(struct buf *out, bytes text)
{
    for (size_t i = 0; i < text.len;) {
        size_t n = utf8_len(text.ptr + i, text.len - i);
        if (n == 0)
            buf_put_u8(out, '?');
        else
            buf_put(out, text.ptr + i, n);
        i += n == 0 ? 1 : n;
    }
}

bool abi_put_revert_reason(struct buf *out, bytes data)
{
    static const uint8_t error_string[4] = {0x08, 0xc3, 0x79, 0xa0}, panic_uint[4] = {0x4e, 0x48, 0x7b, 0x71};
    if (data.len < 4) return false;
    struct abi_reader r = abi_read(bytes_make(data.ptr + 4, data.len - 4));
    bytes text;
    uint64_t code;
    if (memcmp(data.ptr, error_string, 4) == 0 && abi_get_bytes(&text, &r) == OK) {
        put_printable(out, text);
        return true;
    }
    if (memcmp(data.ptr, panic_uint, 4) == 0 && abi_get_u64(&code, &r) == OK) {
        buf_printf(out, "panic: %s (0x%llx)", panic_text(code), (unsigned long long)code);
        return true;
    }
    return false;
}
