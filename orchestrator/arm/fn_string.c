/* fn_string.c: text. Lengths and positions count Unicode characters (Azure counts UTF-16 units: the same for all but emoji and
 * the like). startsWith, endsWith, indexOf ignore case, contains and replace do not, as documented. */
#include "lib/base/rng.h"
#include "lib/codec/base64.h"
#include "lib/codec/hex.h"
#include "lib/codec/uri.h"
#include "lib/crypto/keccak.h"
#include "orchestrator/arm/arm_priv.h"

static size_t chars_of(const char *s)
{
    size_t n = 0;
    for (; *s != 0; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

/* past n characters, or at the end */
static const char *char_at(const char *s, size_t n)
{
    while (*s != 0 && n > 0) {
        s++;
        while (((unsigned char)*s & 0xc0) == 0x80)
            s++;
        n--;
    }
    return s;
}

static enum status put_buf(json_t **out, struct ev *e, struct buf *b)
{
    enum status s = buf_status(b);
    if (s == E_LIMIT) s = ev_fail(e, E_LIMIT, "the text is longer than a template may be");
    if (s == OK) s = put_text(out, e, buf_view(b));
    buf_fini(b);
    return s;
}

enum status fn_concat(json_t **out, struct ev *e, const struct fn_call *c)
{
    if (json_is_array(c->args[0])) {
        json_t *list = json_array();
        enum status s = list != NULL ? OK : E_NOMEM;
        for (size_t i = 0; s == OK && i < c->n; i++) {
            json_t *part = NULL;
            s = arg_array(&part, e, c, i);
            if (s == OK && json_array_size(list) + json_array_size(part) > ARM_ITEMS_MAX)
                s = ev_fail(e, E_LIMIT, "concat(): more than a million items");
            if (s == OK && json_array_extend(list, part) != 0) s = E_NOMEM;
        }
        if (s == OK)
            *out = list;
        else
            json_decref(list);
        return s;
    }
    struct buf b;
    buf_init(&b, ARM_STRING_MAX);
    for (size_t i = 0; i < c->n; i++) {
        if (json_is_array(c->args[i]) || json_is_object(c->args[i]) || json_is_null(c->args[i])) {
            buf_fini(&b);
            return arg_wrong(e, c, i, "a string (or all must be arrays)");
        }
        char *t = ev_text(c->args[i]);
        if (t != NULL) buf_put_str(&b, t);
        free(t);
    }
    return put_buf(out, e, &b);
}

/* one {index[,width][:format]} of format(); at behind '{' */
static const char *format_item(struct buf *b, struct ev *e, const struct fn_call *c, const char *at)
{
    char *end = NULL;
    if (*at < '0' || *at > '9') return NULL;
    const unsigned long i = strtoul(at, &end, 10);
    long width = 0;
    if (*end == ',') width = strtol(end + 1, &end, 10);
    const char *spec = NULL;
    size_t spec_len = 0;
    if (*end == ':') {
        spec = end + 1;
        spec_len = strcspn(spec, "}");
        end = (char *)spec + spec_len;
    }
    if (*end != '}' || width > 10000 || width < -10000) return NULL;
    if (i + 1 >= c->n) {
        ev_fail(e, E_INVALID, "format(): {%lu} but only %zu values are given", i, c->n - 1);
        return NULL;
    }
    const json_t *v = c->args[i + 1];
    char num[64];
    char *text = NULL;
    if (spec_len == 0) {
        text = ev_text(v);
    } else if (json_is_integer(v) && spec_len <= 3 && strchr("DdXx", spec[0]) != NULL) {
        char digits[4] = {0};
        memcpy(digits, spec + 1, spec_len - 1);
        const int width_digits = (int)strtol(digits, NULL, 10);
        const long long n = json_integer_value(v);
        if (spec[0] == 'X')
            snprintf(num, sizeof num, "%0*llX", width_digits, (unsigned long long)n);
        else if (spec[0] == 'x')
            snprintf(num, sizeof num, "%0*llx", width_digits, (unsigned long long)n);
        else
            snprintf(num, sizeof num, "%s%0*llu", n < 0 ? "-" : "", width_digits,
                     n < 0 ? 0ULL - (unsigned long long)n : (unsigned long long)n);
        text = strdup(num);
    } else {
        ev_fail(e, E_UNSUPPORTED,
                "format(): the format '%.*s' of {%lu} is not supported (D, X, x of integers are)",
                (int)(spec_len < 40 ? spec_len : 40), spec, i);
        return NULL;
    }
    if (text == NULL) {
        ev_fail(e, E_LIMIT, "format(): a value is longer than a template may be");
        return NULL;
    }
    const long pad = labs(width) - (long)chars_of(text);
    for (long k = 0; width > 0 && k < pad; k++)
        buf_put_u8(b, ' ');
    buf_put_str(b, text);
    for (long k = 0; width < 0 && k < pad; k++)
        buf_put_u8(b, ' ');
    free(text);
    return end + 1;
}

enum status fn_format(json_t **out, struct ev *e, const struct fn_call *c)
{
    const char *f = NULL;
    enum status s = arg_string(&f, e, c, 0);
    if (s != OK) return s;
    struct buf b;
    buf_init(&b, ARM_STRING_MAX);
    const char *at = f;
    if (e->err != NULL) e->err->status = OK;
    while (*at != 0) {
        if ((at[0] == '{' && at[1] == '{') || (at[0] == '}' && at[1] == '}')) {
            buf_put_u8(&b, (uint8_t)*at);
            at += 2;
        } else if (*at == '{' || *at == '}') {
            const char *next = *at == '{' ? format_item(&b, e, c, at + 1) : NULL;
            if (next == NULL) {
                buf_fini(&b);
                if (e->err != NULL && e->err->status != OK) return e->err->status;
                return ev_fail(e, E_INVALID, "format(): a wrong placeholder at %zu of the format",
                               (size_t)(at - f));
            }
            at = next;
        } else {
            buf_put_u8(&b, (uint8_t)*at++);
        }
    }
    return put_buf(out, e, &b);
}

enum status fn_base64(json_t **out, struct ev *e, const struct fn_call *c)
{
    const char *t = NULL;
    const enum status s = arg_string(&t, e, c, 0);
    if (s != OK) return s;
    struct buf b;
    buf_init(&b, ARM_STRING_MAX);
    base64_append(&b, bytes_str(t), false);
    return put_buf(out, e, &b);
}

static enum status decode64(struct buf *b, struct ev *e, const struct fn_call *c, const char *t)
{
    buf_init(b, ARM_STRING_MAX);
    if (base64_get(b, bytes_str(t), false) == OK &&
        (b->len == 0 || memchr(b->ptr, 0, b->len) == NULL))
        return OK;
    buf_fini(b);
    return ev_fail(e, E_DECODE, "%s(): not the base64 of a text", c->name);
}

enum status fn_base64_to_string(json_t **out, struct ev *e, const struct fn_call *c)
{
    const char *t = NULL;
    struct buf b;
    enum status s = arg_string(&t, e, c, 0);
    if (s == OK) s = decode64(&b, e, c, t);
    return s == OK ? put_buf(out, e, &b) : s;
}

enum status fn_base64_to_json(json_t **out, struct ev *e, const struct fn_call *c)
{
    json_t *text = NULL;
    enum status s = fn_base64_to_string(&text, e, c);
    if (s != OK) return s;
    const struct fn_call inner = {"base64ToJson", &text, 1, NULL};
    s = fn_json(out, e, &inner);
    json_decref(text);
    return s;
}

enum status fn_data_uri(json_t **out, struct ev *e, const struct fn_call *c)
{
    char *t = ev_text(c->args[0]);
    if (t == NULL) return E_NOMEM;
    struct buf b;
    buf_init(&b, ARM_STRING_MAX);
    buf_put_str(&b, "data:text/plain;charset=utf8;base64,");
    base64_append(&b, bytes_str(t), false);
    free(t);
    return put_buf(out, e, &b);
}

enum status fn_data_uri_to_string(json_t **out, struct ev *e, const struct fn_call *c)
{
    const char *t = NULL;
    enum status s = arg_string(&t, e, c, 0);
    if (s != OK) return s;
    const char *comma = strchr(t, ',');
    if (strncasecmp(t, "data:", 5) != 0 || comma == NULL)
        return ev_fail(e, E_DECODE, "dataUriToString(): not a data URI");
    if (comma - t < 7 || strncasecmp(comma - 7, ";base64", 7) != 0) {
        json_t *raw = json_string(comma + 1);
        const struct fn_call inner = {"dataUriToString", &raw, 1, NULL};
        s = raw != NULL ? fn_uri_component_to_string(out, e, &inner) : E_NOMEM;
        json_decref(raw);
        return s;
    }
    struct buf b;
    s = decode64(&b, e, c, comma + 1);
    return s == OK ? put_buf(out, e, &b) : s;
}

enum status fn_starts_with(json_t **out, struct ev *e, const struct fn_call *c)
{
    const char *t = NULL, *part = NULL;
    enum status s = arg_string(&t, e, c, 0);
    if (s == OK) s = arg_string(&part, e, c, 1);
    if (s != OK) return s;
    const size_t n = strlen(t), m = strlen(part);
    const char *from = strcasecmp(c->name, "startsWith") == 0 ? t : t + (m <= n ? n - m : 0);
    return put_json(out, json_boolean(m <= n && strncasecmp(from, part, m) == 0));
}

static enum status index_in_array(json_t **out, const struct fn_call *c, bool last)
{
    json_int_t found = -1;
    size_t i;
    json_t *v;
    json_array_foreach(c->args[0], i, v)
    {
        if (json_equal(v, c->args[1]) && (last || found < 0)) found = (json_int_t)i;
    }
    return put_json(out, json_integer(found));
}

enum status fn_index_of(json_t **out, struct ev *e, const struct fn_call *c)
{
    const bool last = strncasecmp(c->name, "last", 4) == 0;
    if (json_is_array(c->args[0])) return index_in_array(out, c, last);
    const char *t = NULL, *part = NULL;
    enum status s = arg_string(&t, e, c, 0);
    if (s == OK) s = arg_string(&part, e, c, 1);
    if (s != OK) return s;
    const char *found = NULL;
    for (const char *at = t; (at = strcasestr(at, part)) != NULL; at++) {
        found = at;
        if (!last || *at == 0) break;
    }
    json_int_t n = -1;
    if (found != NULL) {
        n = 0;
        for (const char *at = t; at < found; at++)
            n += ((unsigned char)*at & 0xc0) != 0x80;
    }
    return put_json(out, json_integer(n));
}

enum status fn_case(json_t **out, struct ev *e, const struct fn_call *c)
{
    const char *t = NULL;
    enum status s = arg_string(&t, e, c, 0);
    if (s != OK) return s;
    const bool up = strcasecmp(c->name, "toUpper") == 0;
    struct buf b;
    buf_init(&b, ARM_STRING_MAX);
    for (; *t != 0; t++) {
        char ch = *t;
        if (up && ch >= 'a' && ch <= 'z') ch = (char)(ch - 32);
        if (!up && ch >= 'A' && ch <= 'Z') ch = (char)(ch + 32);
        buf_put_u8(&b, (uint8_t)ch);
    }
    return put_buf(out, e, &b);
}

enum status fn_trim(json_t **out, struct ev *e, const struct fn_call *c)
{
    const char *t = NULL;
    enum status s = arg_string(&t, e, c, 0);
    if (s != OK) return s;
    static const char blanks[] = " \t\r\n\v\f";
    t += strspn(t, blanks);
    size_t n = strlen(t);
    while (n > 0 && strchr(blanks, t[n - 1]) != NULL)
        n--;
    return put_text(out, e, bytes_make(t, n));
}

enum status fn_pad_left(json_t **out, struct ev *e, const struct fn_call *c)
{
    if (!json_is_string(c->args[0]) && !json_is_integer(c->args[0]))
        return arg_wrong(e, c, 0, "a string or an integer");
    int64_t total = 0;
    const char *pad = " ";
    enum status s = arg_int(&total, e, c, 1);
    if (s == OK && c->n == 3) s = arg_string(&pad, e, c, 2);
    if (s != OK) return s;
    if (total < 0 || total > ARM_STRING_MAX || chars_of(pad) != 1)
        return ev_fail(e, E_INVALID, "padLeft(): a length from 0 and one character are needed");
    char *t = ev_text(c->args[0]);
    if (t == NULL) return E_NOMEM;
    struct buf b;
    buf_init(&b, ARM_STRING_MAX);
    for (int64_t n = (int64_t)chars_of(t); n < total; n++)
        buf_put_str(&b, pad);
    buf_put_str(&b, t);
    free(t);
    return put_buf(out, e, &b);
}

enum status fn_replace(json_t **out, struct ev *e, const struct fn_call *c)
{
    const char *t = NULL, *old = NULL, *with = NULL;
    enum status s = arg_string(&t, e, c, 0);
    if (s == OK) s = arg_string(&old, e, c, 1);
    if (s == OK) s = arg_string(&with, e, c, 2);
    if (s != OK) return s;
    if (*old == 0) return ev_fail(e, E_INVALID, "replace(): argument 2 is empty");
    struct buf b;
    buf_init(&b, ARM_STRING_MAX);
    for (;;) {
        const char *hit = strstr(t, old);
        if (hit == NULL) break;
        buf_put(&b, t, (size_t)(hit - t));
        buf_put_str(&b, with);
        t = hit + strlen(old);
    }
    buf_put_str(&b, t);
    return put_buf(out, e, &b);
}

enum status fn_split(json_t **out, struct ev *e, const struct fn_call *c)
{
    const char *t = NULL;
    enum status s = arg_string(&t, e, c, 0);
    if (s != OK) return s;
    json_t *delims = c->args[1], *list = json_array();
    if (list == NULL) return E_NOMEM;
    const size_t n = json_is_array(delims) ? json_array_size(delims) : 1;
    for (size_t i = 0; i < n; i++) {
        const json_t *d = json_is_array(delims) ? json_array_get(delims, i) : delims;
        if (!json_is_string(d) || json_string_length(d) == 0) {
            json_decref(list);
            return ev_fail(
                e, E_INVALID,
                "split(): the delimiter must be a string that is not empty, or an array of such");
        }
    }
    const char *from = t, *at = t;
    while (s == OK && *at != 0) {
        size_t hit = 0;
        for (size_t i = 0; i < n && hit == 0; i++) {
            const json_t *d = json_is_array(delims) ? json_array_get(delims, i) : delims;
            const size_t len = json_string_length(d);
            if (strncmp(at, json_string_value(d), len) == 0) hit = len;
        }
        if (hit == 0) {
            at++;
            continue;
        }
        if (json_array_append_new(list, json_stringn(from, (size_t)(at - from))) != 0) s = E_NOMEM;
        at += hit;
        from = at;
    }
    if (s == OK && json_array_append_new(list, json_string(from)) != 0) s = E_NOMEM;
    if (s == OK)
        *out = list;
    else
        json_decref(list);
    return s;
}

enum status fn_join(json_t **out, struct ev *e, const struct fn_call *c)
{
    json_t *list = NULL;
    const char *sep = NULL;
    enum status s = arg_array(&list, e, c, 0);
    if (s == OK) s = arg_string(&sep, e, c, 1);
    if (s != OK) return s;
    struct buf b;
    buf_init(&b, ARM_STRING_MAX);
    size_t i;
    json_t *v;
    json_array_foreach(list, i, v)
    {
        if (i > 0) buf_put_str(&b, sep);
        char *t = ev_text(v);
        if (t == NULL) {
            buf_fini(&b);
            return ev_fail(e, E_LIMIT, "join(): an item is longer than a template may be");
        }
        buf_put_str(&b, t);
        free(t);
    }
    return put_buf(out, e, &b);
}

enum status fn_substring(json_t **out, struct ev *e, const struct fn_call *c)
{
    const char *t = NULL;
    int64_t from = 0, n = 0;
    enum status s = arg_string(&t, e, c, 0);
    if (s == OK) s = arg_int(&from, e, c, 1);
    if (s != OK) return s;
    const int64_t len = (int64_t)chars_of(t);
    n = len - from;
    if (c->n == 3) s = arg_int(&n, e, c, 2);
    if (s != OK) return s;
    if (from < 0 || from > len || n < 0 || n > len - from)
        return ev_fail(e, E_INVALID, "substring(): %lld characters from %lld of a string of %lld",
                       (long long)n, (long long)from, (long long)len);
    const char *a = char_at(t, (size_t)from), *b = char_at(a, (size_t)n);
    return put_text(out, e, bytes_make(a, (size_t)(b - a)));
}

enum status fn_skip_take(json_t **out, struct ev *e, const struct fn_call *c)
{
    const bool is_skip = strcasecmp(c->name, "skip") == 0;
    int64_t n = 0;
    const enum status s = arg_int(&n, e, c, 1);
    if (s != OK) return s;
    if (n < 0) n = 0;
    if (json_is_string(c->args[0])) {
        const char *t = json_string_value(c->args[0]), *cut = char_at(t, (size_t)n);
        return is_skip ? put_text(out, e, bytes_str(cut))
                       : put_text(out, e, bytes_make(t, (size_t)(cut - t)));
    }
    if (!json_is_array(c->args[0])) return arg_wrong(e, c, 0, "an array or a string");
    json_t *list = json_array();
    if (list == NULL) return E_NOMEM;
    size_t i;
    json_t *v;
    json_array_foreach(c->args[0], i, v)
    {
        if (((int64_t)i >= n) == is_skip && json_array_append(list, v) != 0) {
            json_decref(list);
            return E_NOMEM;
        }
    }
    *out = list;
    return OK;
}

static enum status end_char(json_t **out, struct ev *e, const char *t, bool first)
{
    const size_t n = chars_of(t);
    if (n == 0) return put_json(out, json_string(""));
    const char *a = first ? t : char_at(t, n - 1);
    return put_text(out, e, bytes_make(a, (size_t)(char_at(a, 1) - a)));
}

static enum status end_of(json_t **out, struct ev *e, const struct fn_call *c, bool first)
{
    if (json_is_string(c->args[0])) return end_char(out, e, json_string_value(c->args[0]), first);
    if (!json_is_array(c->args[0])) return arg_wrong(e, c, 0, "an array or a string");
    const size_t n = json_array_size(c->args[0]);
    if (n == 0) return put_json(out, json_null());
    return put_json(out, json_incref(json_array_get(c->args[0], first ? 0 : n - 1)));
}

enum status fn_first(json_t **out, struct ev *e, const struct fn_call *c)
{
    return end_of(out, e, c, true);
}
enum status fn_last(json_t **out, struct ev *e, const struct fn_call *c)
{
    return end_of(out, e, c, false);
}

enum status fn_length(json_t **out, struct ev *e, const struct fn_call *c)
{
    const json_t *v = c->args[0];
    if (json_is_string(v))
        return put_json(out, json_integer((json_int_t)chars_of(json_string_value(v))));
    if (json_is_array(v)) return put_json(out, json_integer((json_int_t)json_array_size(v)));
    if (json_is_object(v)) return put_json(out, json_integer((json_int_t)json_object_size(v)));
    return arg_wrong(e, c, 0, "an array, a string or an object");
}

enum status fn_empty(json_t **out, struct ev *e, const struct fn_call *c)
{
    const json_t *v = c->args[0];
    if (json_is_null(v)) return put_json(out, json_true());
    if (json_is_string(v)) return put_json(out, json_boolean(json_string_length(v) == 0));
    if (json_is_array(v)) return put_json(out, json_boolean(json_array_size(v) == 0));
    if (json_is_object(v)) return put_json(out, json_boolean(json_object_size(v) == 0));
    return arg_wrong(e, c, 0, "an array, a string or an object");
}

/* --- names derived from text -------------------------------------------------------------------------------------- */

static enum status digest(uint8_t dst[32], struct ev *e, const struct fn_call *c,
                          const char *domain)
{
    struct keccak k;
    keccak_init(&k, 32);
    keccak_update(&k, domain, strlen(domain));
    for (size_t i = 0; i < c->n; i++) {
        const char *t = NULL;
        const enum status s = arg_string(&t, e, c, i);
        if (s != OK) return s;
        keccak_update(&k, t,
                      strlen(t) + 1); /* with its NUL, so that ("ab","c") and ("a","bc") differ */
    }
    keccak_final(&k, dst);
    return OK;
}

enum status fn_unique_string(json_t **out, struct ev *e, const struct fn_call *c)
{
    uint8_t d[32];
    const enum status s = digest(d, e, c, "uniqueString");
    if (s != OK) return s;
    char text[14] = {0};
    uint64_t v = be64_get(d);
    for (int i = 12; i >= 0; i--, v >>= 5)
        text[i] = "abcdefghijklmnopqrstuvwxyz234567"[v & 31];
    return put_json(out, json_string(text));
}

static enum status put_guid(json_t **out, uint8_t g[16], unsigned version)
{
    g[6] = (uint8_t)((g[6] & 0x0f) | (version << 4));
    g[8] = (uint8_t)((g[8] & 0x3f) | 0x80);
    char t[40];
    snprintf(t, sizeof t, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
             g[0], g[1], g[2], g[3], g[4], g[5], g[6], g[7], g[8], g[9], g[10], g[11], g[12], g[13],
             g[14], g[15]);
    return put_json(out, json_string(t));
}

enum status fn_guid(json_t **out, struct ev *e, const struct fn_call *c)
{
    uint8_t d[32];
    const enum status s = digest(d, e, c, "guid");
    return s == OK ? put_guid(out, d, 5) : s;
}

enum status fn_new_guid(json_t **out, struct ev *e, const struct fn_call *c)
{
    (void)c;
    uint8_t g[16];
    if (e->p->ctx.new_guid != NULL)
        e->p->ctx.new_guid(g, e->p->ctx.arg);
    else
        rng_fill(g, sizeof g);
    return put_guid(out, g, 4);
}

/* --- addresses ----------------------------------------------------------------------------------------------------- */

enum status fn_uri_component(json_t **out, struct ev *e, const struct fn_call *c)
{
    const char *t = NULL;
    const enum status s = arg_string(&t, e, c, 0);
    if (s != OK) return s;
    struct buf b;
    buf_init(&b, ARM_STRING_MAX);
    uri_put(&b, t, false);
    return put_buf(out, e, &b);
}

enum status fn_uri_component_to_string(json_t **out, struct ev *e, const struct fn_call *c)
{
    const char *t = NULL;
    const enum status s = arg_string(&t, e, c, 0);
    if (s != OK) return s;
    struct buf b;
    buf_init(&b, ARM_STRING_MAX);
    for (; *t != 0; t++) {
        const int hi = *t == '%' ? hex_digit((uint8_t)t[1]) : -1, lo = hi >= 0 ? hex_digit((uint8_t)t[2]) : -1;
        if (lo >= 0 && (hi > 0 || lo > 0)) {
            buf_put_u8(&b, (uint8_t)(hi * 16 + lo));
            t += 2;
        } else {
            buf_put_u8(&b, (uint8_t)*t);
        }
    }
    return put_buf(out, e, &b);
}

/* RFC 3986, 5.2.4: path is "/a/b/../c", in place */
static void remove_dot_segments(char *path)
{
    char *dst = path;
    const char *src = path;
    while (*src != 0) {
        const size_t n = 1 + strcspn(src + 1, "/");
        const bool end = src[n] == 0;
        if (n == 2 && src[1] == '.') {
            if (end) *dst++ = '/';
        } else if (n == 3 && src[1] == '.' && src[2] == '.') {
            while (dst > path && *--dst != '/') {
            }
            if (end) *dst++ = '/';
        } else {
            memmove(dst, src, n);
            dst += n;
        }
        src += n;
    }
    *dst = 0;
}

enum status fn_uri(json_t **out, struct ev *e, const struct fn_call *c)
{
    const char *base = NULL, *rel = NULL;
    enum status s = arg_string(&base, e, c, 0);
    if (s == OK) s = arg_string(&rel, e, c, 1);
    if (s != OK) return s;
    const char *colon = strstr(rel, "://");
    if (colon != NULL && strcspn(rel, "/?#") > (size_t)(colon - rel))
        return put_json(out, json_string(rel));
    const char *host = strstr(base, "://");
    if (host == NULL) return ev_fail(e, E_INVALID, "uri(): the base '%.80s' is not absolute", base);
    host += 3;
    const size_t root = (size_t)(host - base) + strcspn(host, "/?#"); /* scheme and host */
    size_t keep = root + strcspn(base + root, "?#");                  /* without query */
    while (keep > root && base[keep - 1] != '/')
        keep--;
    struct buf b;
    buf_init(&b, ARM_STRING_MAX);
    if (rel[0] == '/') {
        keep = root;
    } else {
        buf_put(&b, base + root, keep - root);
        if (keep == root) buf_put_u8(&b, '/');
    }
    const size_t path_len = strcspn(rel, "?#");
    buf_put(&b, rel, path_len);
    char *path = strdup(buf_cstr(&b));
    buf_clear(&b);
    if (path == NULL) return E_NOMEM;
    remove_dot_segments(path);
    buf_put(&b, base, root);
    buf_put_str(&b, path);
    buf_put_str(&b, rel + path_len);
    free(path);
    return put_buf(out, e, &b);
}
