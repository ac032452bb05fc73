#include "lib/eth/promise.h"

#include "lib/codec/hex.h"

#include <inttypes.h>

void promise_put_text(char dst[static PROMISE_TEXT_MAX], const struct key_promise *p)
{
    char writer[2 * PROMISE_WRITER_LEN + 1] = "", parent[65] = "", lock[65] = "";
    hex_put(writer, p->writer, sizeof p->writer);
    hex_put(parent, p->parent.b, 32);
    hex_put(lock, p->lock_hash.b, 32);
    (void)snprintf(dst, PROMISE_TEXT_MAX, "1.%" PRIu64 ".%" PRIu64 ".%" PRIu64 ".%s.%s.%d.%" PRIu64 ".%" PRIu64 ".%s", p->step, p->before, p->until_ms, writer,
                   parent, p->is_empty_step, p->lock_step, p->lock_number, lock);
}

/* the text up to the next '.' or the end */
static bool next_part(bytes *part, const char **at, bool last)
{
    const size_t n = strcspn(*at, ".");
    if ((*at)[n] != (last ? '\0' : '.')) return false;
    *part = bytes_make((const uint8_t *)*at, n);
    *at += n + (last ? 0 : 1);
    return true;
}

static bool get_number(uint64_t *out, const char **at)
{
    bytes part;
    uint64_t v = 0;
    if (!next_part(&part, at, false) || part.len == 0 || (part.len > 1 && part.ptr[0] == '0')) return false;
    for (size_t i = 0; i < part.len; i++) {
        if (part.ptr[i] < '0' || part.ptr[i] > '9') return false;
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, (uint64_t)(part.ptr[i] - '0'), &v)) return false;
    }
    *out = v;
    return true;
}

static bool get_hex(uint8_t *out, size_t len, const char **at, bool last)
{
    bytes part;
    return next_part(&part, at, last) && part.len == 2 * len && hex_get_fixed(out, len, part) == OK;
}

enum status promise_get_text(struct key_promise *out, const char *text)
{
    struct key_promise p = {0};
    const char *at = text;
    uint64_t version, empty;
    const bool good = get_number(&version, &at) && version == 1 && get_number(&p.step, &at) && get_number(&p.before, &at) && get_number(&p.until_ms, &at) &&
                      get_hex(p.writer, sizeof p.writer, &at, false) && get_hex(p.parent.b, 32, &at, false) &&
                      get_number(&empty, &at) && empty <= 1 && get_number(&p.lock_step, &at) &&
                      get_number(&p.lock_number, &at) && get_hex(p.lock_hash.b, 32, &at, true);
    if (!good) return E_DECODE;
    p.is_empty_step = empty == 1;
    *out = p;
    return OK;
}
