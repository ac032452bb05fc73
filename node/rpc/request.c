#include "node/rpc/request.h"

/* what is left of the text */
struct scan {
    const uint8_t *p, *end;
};

/* stands in a plain string as itself */
static inline bool is_plain(uint8_t ch)
{
    return ((uint8_t)(ch - 0x20) < 0x5f) & (ch != '"') & (ch != '\\');
}

static inline void skip_space(struct scan *s)
{
    while (s->p < s->end && *s->p <= ' ' && (*s->p == ' ' || *s->p == '\n' || *s->p == '\r' || *s->p == '\t')) s->p++;
}

static inline bool take(struct scan *s, char ch)
{
    skip_space(s);
    if (s->p == s->end || *s->p != (uint8_t)ch) return false;
    s->p++;
    return true;
}

/* printable ASCII without escapes; out is without the quotes */
static bool get_string(bytes *out, struct scan *s)
{
    if (!take(s, '"')) return false;
    const uint8_t *from = s->p;
    const uint8_t *p = from;
    while (p < s->end && is_plain(*p)) p++;
    s->p = p;
    if (p == s->end || *p != '"') return false;
    *out = bytes_make(from, (size_t)(p - from));
    s->p++;
    return true;
}

static bool skip_word(struct scan *s, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n) != 0) return false;
    s->p += n;
    return true;
}

/* at most 18 digits, which fit 64 bits; a fraction or exponent is left behind, where a comma or bracket should be */
static bool skip_number(struct scan *s)
{
    const uint8_t *from = s->p;
    while (s->p < s->end && *s->p >= '0' && *s->p <= '9') s->p++;
    return s->p - from <= 18 && s->p > from && (*from != '0' || s->p - from == 1);
}

static bool skip_value(struct scan *s, unsigned depth)
{
    bytes text;
    skip_space(s);
    if (s->p == s->end || depth > REQUEST_DEPTH_MAX) return false;
    switch (*s->p) {
    case '"': return get_string(&text, s);
    case 't': return skip_word(s, "true");
    case 'f': return skip_word(s, "false");
    case 'n': return skip_word(s, "null");
    case '[':
        s->p++;
        if (take(s, ']')) return true;
        do
            if (!skip_value(s, depth + 1)) return false;
        while (take(s, ','));
        return take(s, ']');
    case '{':
        s->p++;
        if (take(s, '}')) return true;
        do
            if (!get_string(&text, s) || !take(s, ':') || !skip_value(s, depth + 1)) return false;
        while (take(s, ','));
        return take(s, '}');
    default: return skip_number(s);
    }
}

static bool get_value(bytes *out, struct scan *s, unsigned depth)
{
    skip_space(s);
    const uint8_t *from = s->p;
    if (!skip_value(s, depth)) return false;
    *out = bytes_make(from, (size_t)(s->p - from));
    return true;
}

static bool get_args(struct request *r, struct scan *s)
{
    if (s->p < s->end && *s->p == 'n') return skip_word(s, "null");
    if (!take(s, '[')) return false;
    if (take(s, ']')) return true;
    do
        if (r->n_args == REQUEST_ARGS_MAX || !get_value(&r->args[r->n_args++], s, 1)) return false;
    while (take(s, ','));
    return take(s, ']');
}

enum { SEEN_VERSION = 1, SEEN_ID = 2, SEEN_METHOD = 4, SEEN_PARAMS = 8 };

static bool get_member(struct request *r, unsigned *seen, struct scan *s)
{
    bytes key, v;
    if (!get_string(&key, s) || !take(s, ':')) return false;
    skip_space(s);
    unsigned which = 0;
    bool ok;
    if (bytes_eq(key, BYTES_LIT("jsonrpc"))) {
        which = SEEN_VERSION;
        ok = get_string(&v, s) && bytes_eq(v, BYTES_LIT("2.0"));
    } else if (bytes_eq(key, BYTES_LIT("id"))) {
        which = SEEN_ID;
        ok = get_value(&r->id, s, 1) && (r->id.ptr[0] == '"' || r->id.ptr[0] == 'n' || (r->id.ptr[0] >= '0' && r->id.ptr[0] <= '9'));
    } else if (bytes_eq(key, BYTES_LIT("method"))) {
        which = SEEN_METHOD;
        ok = get_string(&r->method, s);
    } else if (bytes_eq(key, BYTES_LIT("params"))) {
        which = SEEN_PARAMS;
        ok = get_args(r, s);
    } else {
        ok = skip_value(s, 1);
    }
    if (!ok || (*seen & which) != 0) return false; /* a key that comes twice: which of them counts is jansson's to say */
    *seen |= which;
    return true;
}

static bool get_request(struct request *r, struct scan *s)
{
    unsigned seen = 0;
    *r = (struct request){0};
    if (!take(s, '{')) return false;
    do
        if (!get_member(r, &seen, s)) return false;
    while (take(s, ','));
    return take(s, '}') && (seen & SEEN_METHOD) != 0;
}

bool requests_get(struct request *out, size_t *n, bool *is_batch, size_t max, bytes text)
{
    if (text.len == 0) return false; /* its pointer may be NULL */
    struct scan s = {text.ptr, text.ptr + text.len};
    size_t got = 0;
    const bool batch = take(&s, '[');
    do
        if (got == max || !get_request(&out[got++], &s)) return false;
    while (batch && take(&s, ','));
    if (batch && !take(&s, ']')) return false;
    skip_space(&s);
    if (s.p != s.end) return false;
    *n = got;
    *is_batch = batch;
    return true;
}
