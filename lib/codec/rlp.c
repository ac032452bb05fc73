#include "lib/codec/rlp.h"

enum { STRING_SHORT = 0x80, STRING_LONG = 0xb7, LIST_SHORT = 0xc0, LIST_LONG = 0xf7, SHORT_MAX = 55 };

/* SPEC(Yellow Paper, appendix B): the length of a long form is big-endian, without leading zeros, and over 55 */
static bool get_long_len(size_t *len, const uint8_t *p, size_t avail, size_t len_of_len)
{
    if (avail < len_of_len || p[0] == 0) return false;
    uint64_t v = 0;
    for (size_t i = 0; i < len_of_len; i++)
        v = v << 8 | p[i];
    if (v <= SHORT_MAX || v > SIZE_MAX) return false;
    *len = (size_t)v;
    return true;
}

enum status rlp_get_item(struct rlp_item *v, bytes *in)
{
    if (in->len == 0) return E_DECODE;
    const uint8_t *p = in->ptr;
    uint8_t first = p[0];
    size_t avail = in->len - 1, header = 1, len = 0;
    bool is_list = first >= LIST_SHORT;

    if (first < STRING_SHORT) {
        header = 0;
        len = 1;
        avail = in->len;
    } else {
        uint8_t base = is_list ? LIST_SHORT : STRING_SHORT, longest = is_list ? LIST_LONG : STRING_LONG;
        if (first <= longest) {
            len = (size_t)(first - base);
        } else {
            size_t len_of_len = (size_t)(first - longest);
            if (!get_long_len(&len, p + 1, avail, len_of_len)) return E_DECODE;
            header += len_of_len;
            avail -= len_of_len;
        }
    }
    if (len > avail) return E_DECODE;
    if (first == STRING_SHORT + 1 && p[1] < STRING_SHORT) return E_DECODE; /* it stands for itself */

    *v = (struct rlp_item){.payload = {p + header, len}, .raw = {p, header + len}, .is_list = is_list};
    *in = bytes_make(p + header + len, in->len - header - len);
    return OK;
}

static enum status get_kind(bytes *v, bytes *in, bool is_list)
{
    struct rlp_item item;
    bytes rest = *in;
    if (rlp_get_item(&item, &rest) != OK || item.is_list != is_list) return E_DECODE;
    *v = item.payload;
    *in = rest;
    return OK;
}

enum status rlp_get_string(bytes *v, bytes *in)
{
    return get_kind(v, in, false);
}

enum status rlp_get_list(bytes *v, bytes *in)
{
    return get_kind(v, in, true);
}

enum status rlp_get_uint(uint8_t *dst, size_t len, bytes *in)
{
    bytes rest = *in, s;
    if (rlp_get_string(&s, &rest) != OK || s.len > len) return E_DECODE;
    if (s.len > 0 && s.ptr[0] == 0) return E_DECODE;
    memset(dst, 0, len - s.len);
    if (s.len > 0) memcpy(dst + len - s.len, s.ptr, s.len);
    *in = rest;
    return OK;
}

enum status rlp_get_u64(uint64_t *v, bytes *in)
{
    uint8_t be[8];
    enum status s = rlp_get_uint(be, sizeof be, in);
    if (s == OK) *v = be64_get(be);
    return s;
}

enum status rlp_get_fixed(uint8_t *dst, size_t len, bytes *in)
{
    bytes rest = *in, s;
    if (rlp_get_string(&s, &rest) != OK || s.len != len) return E_DECODE;
    if (len > 0) memcpy(dst, s.ptr, len);
    *in = rest;
    return OK;
}

enum status rlp_get_optional_fixed(bool *has, uint8_t *dst, size_t len, bytes *in)
{
    bytes rest = *in, s;
    if (rlp_get_string(&s, &rest) != OK || (s.len != 0 && s.len != len)) return E_DECODE;
    *has = s.len != 0;
    if (s.len != 0) memcpy(dst, s.ptr, len);
    *in = rest;
    return OK;
}

bool rlp_is_list(bytes in)
{
    return in.len > 0 && in.ptr[0] >= LIST_SHORT;
}

enum status rlp_count_items(size_t *n, bytes payload)
{
    struct rlp_item item;
    size_t count = 0;
    for (; payload.len > 0; count++)
        if (rlp_get_item(&item, &payload) != OK) return E_DECODE;
    *n = count;
    return OK;
}

enum status rlp_check(bytes in, unsigned max_depth)
{
    /* ends[d]: where the list that is open at depth d ends; no recursion, since depth is the sender's choice */
    enum { DEPTH_CAP = 1024 };
    const uint8_t *ends[DEPTH_CAP];
    unsigned depth = 0;
    struct rlp_item item;
    bytes rest = in;
    if (max_depth > DEPTH_CAP) max_depth = DEPTH_CAP;
    if (rlp_get_item(&item, &rest) != OK || rest.len != 0) return E_DECODE;
    if (!item.is_list) return OK;
    rest = item.payload;
    if (max_depth == 0) return E_LIMIT;
    ends[depth++] = rest.ptr + rest.len;
    while (depth > 0) {
        if (rest.len == 0) {
            const uint8_t *at = ends[--depth];
            if (depth > 0) rest = bytes_make(at, (size_t)(ends[depth - 1] - at));
            continue;
        }
        if (rlp_get_item(&item, &rest) != OK) return E_DECODE;
        if (!item.is_list) continue;
        if (depth == max_depth) return E_LIMIT;
        ends[depth++] = item.payload.ptr + item.payload.len;
        rest = item.payload;
    }
    return OK;
}

/* ----------------------------------------------------------------- write */

static size_t put_be_min(uint8_t dst[static 8], uint64_t v)
{
    uint8_t be[8];
    be64_put(be, v);
    size_t skip = v == 0 ? 8 : (size_t)__builtin_clzll(v) / 8;
    memcpy(dst, be + skip, 8 - skip);
    return 8 - skip;
}

size_t rlp_encode_u64(uint8_t dst[static 9], uint64_t v)
{
    if (v > 0 && v < STRING_SHORT) {
        dst[0] = (uint8_t)v;
        return 1;
    }
    size_t n = put_be_min(dst + 1, v);
    dst[0] = (uint8_t)(STRING_SHORT + n);
    return 1 + n;
}

size_t rlp_encode_header(uint8_t dst[static 9], bool is_list, size_t payload_len)
{
    unsigned base = is_list ? LIST_SHORT : STRING_SHORT;
    if (payload_len <= SHORT_MAX) {
        dst[0] = (uint8_t)(base + payload_len);
        return 1;
    }
    size_t n = put_be_min(dst + 1, payload_len);
    dst[0] = (uint8_t)(base + SHORT_MAX + n);
    return 1 + n;
}

size_t rlp_header_len(size_t payload_len)
{
    uint8_t scratch[9];
    return rlp_encode_header(scratch, true, payload_len);
}

void rlp_put_u64(struct buf *b, uint64_t v)
{
    uint8_t tmp[9];
    buf_put(b, tmp, rlp_encode_u64(tmp, v));
}

void rlp_put_string(struct buf *b, bytes v)
{
    if (v.len != 1 || v.ptr[0] >= STRING_SHORT) {
        uint8_t tmp[9];
        buf_put(b, tmp, rlp_encode_header(tmp, false, v.len));
    }
    buf_put_bytes(b, v);
}

void rlp_put_uint(struct buf *b, bytes be)
{
    while (be.len > 0 && be.ptr[0] == 0)
        be = bytes_make(be.ptr + 1, be.len - 1);
    rlp_put_string(b, be);
}

void rlp_put_raw(struct buf *b, bytes encoded)
{
    buf_put_bytes(b, encoded);
}

void rlp_put_list_header(struct buf *b, size_t payload_len)
{
    uint8_t tmp[9];
    buf_put(b, tmp, rlp_encode_header(tmp, true, payload_len));
}

size_t rlp_list_open(struct buf *b)
{
    return b->len;
}

void rlp_list_close(struct buf *b, size_t mark)
{
    if (b->status != OK) return;
    uint8_t tmp[9];
    size_t n = rlp_encode_header(tmp, true, b->len - mark);
    uint8_t *gap = buf_insert(b, mark, n);
    if (gap != NULL) memcpy(gap, tmp, n);
}
