#include "lib/codec/json.h"

#include "lib/codec/hex.h"

enum { SHOWN_MAX = 48, PATH_MAX_LEN = 400 };

enum status json_parse(json_t **out, bytes text, struct err *err)
{
    json_error_t e;
    /* jansson takes a NULL pointer for an error of ours, not for empty text */
    json_t *doc = json_loadb(text.len > 0 ? (const char *)text.ptr : "", text.len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
    if (doc == NULL) return err_set(err, E_DECODE, "JSON: line %d, column %d: %s", e.line, e.column, e.text);
    *out = doc;
    return OK;
}

const char *json_text(const json_t *o, const char *key)
{
    const char *t = json_string_value(json_object_get(o, key));
    return t == NULL ? "" : t;
}

struct json_at json_at_root(json_t *doc)
{
    return (struct json_at){.value = doc};
}

/* containers first; ret the length so far */
static size_t put_path(char *dst, size_t len, const struct json_at *at)
{
    if (at->up == NULL) return 0;
    size_t n = put_path(dst, len, at->up);
    if (n >= len) return n;
    int more = at->key == NULL ? snprintf(dst + n, len - n, "[%zu]", at->index)
                               : snprintf(dst + n, len - n, "%s%.100s", n > 0 ? "." : "", at->key);
    return more < 0 ? n : n + (size_t)more;
}

void json_at_path(char *dst, size_t len, const struct json_at *at)
{
    if (len == 0) return;
    dst[0] = '\0';
    IGNORE(put_path(dst, len, at), "cut at len");
    if (at->up == NULL) (void)snprintf(dst, len, "(top)");
}

/* the value as an error shows it; never long */
static void put_shown(char *dst, size_t len, const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        (void)snprintf(dst, len, "an object");
        break;
    case JSON_ARRAY:
        (void)snprintf(dst, len, "an array");
        break;
    case JSON_STRING: {
        const char *s = json_string_value(v);
        (void)snprintf(dst, len, "\"%.*s%s\"", SHOWN_MAX, s, strlen(s) > SHOWN_MAX ? "..." : "");
        break;
    }
    case JSON_INTEGER:
        (void)snprintf(dst, len, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
        break;
    case JSON_REAL:
        (void)snprintf(dst, len, "%g", json_real_value(v));
        break;
    case JSON_TRUE:
        (void)snprintf(dst, len, "true");
        break;
    case JSON_FALSE:
        (void)snprintf(dst, len, "false");
        break;
    case JSON_NULL:
        (void)snprintf(dst, len, "null");
        break;
    }
}

enum status json_at_fail(const struct json_at *at, struct err *err, const char *fmt, ...)
{
    if (err == NULL) return E_INVALID;
    char path[PATH_MAX_LEN], shown[SHOWN_MAX + 16], text[400];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    json_at_path(path, sizeof path, at);
    put_shown(shown, sizeof shown, at->value);
    return err_set(err, E_INVALID, "%s: %s; here stands %s", path, text, shown);
}

bool json_at_member(struct json_at *out, const struct json_at *at, const char *key)
{
    void *iter = json_object_iter_at(at->value, key);
    if (iter == NULL) return false;
    *out = (struct json_at){.value = json_object_iter_value(iter), .up = at, .key = json_object_iter_key(iter)};
    return true;
}

enum status json_at_need(struct json_at *out, const struct json_at *at, const char *key, struct err *err)
{
    enum status s = json_at_object(at, err);
    if (s != OK || json_at_member(out, at, key)) return s;
    if (err == NULL) return E_INVALID;
    char path[PATH_MAX_LEN];
    json_at_path(path, sizeof path, &(struct json_at){.value = at->value, .up = at, .key = key});
    return err_set(err, E_INVALID, "%s: is missing", path);
}

bool json_at_element(struct json_at *out, const struct json_at *at, size_t i)
{
    json_t *v = json_array_get(at->value, i);
    if (v == NULL) return false;
    *out = (struct json_at){.value = v, .up = at, .index = i};
    return true;
}

bool json_at_next(struct json_at *out, const struct json_at *at, void **iter)
{
    *iter = *iter == NULL ? json_object_iter(at->value) : json_object_iter_next(at->value, *iter);
    if (*iter == NULL) return false;
    *out = (struct json_at){.value = json_object_iter_value(*iter), .up = at, .key = json_object_iter_key(*iter)};
    return true;
}

bool json_at_is_null(const struct json_at *at)
{
    return json_is_null(at->value);
}

/* ----------------------------------------------------------------- readers */

enum status json_at_object(const struct json_at *at, struct err *err)
{
    return json_is_object(at->value) ? OK : json_at_fail(at, err, "wants an object");
}

enum status json_at_array(const struct json_at *at, struct err *err)
{
    return json_is_array(at->value) ? OK : json_at_fail(at, err, "wants an array");
}

enum status json_at_bool(bool *out, const struct json_at *at, struct err *err)
{
    if (!json_is_boolean(at->value)) return json_at_fail(at, err, "wants true or false");
    *out = json_is_true(at->value);
    return OK;
}

enum status json_at_text(const char **out, const struct json_at *at, struct err *err)
{
    if (!json_is_string(at->value)) return json_at_fail(at, err, "wants a string");
    *out = json_string_value(at->value);
    return OK;
}

/* v = v * base + digit over big-endian bytes; false when it leaves them */
static bool push_digit(uint8_t *v, size_t len, unsigned base, unsigned digit)
{
    unsigned carry = digit;
    for (size_t i = len; i-- > 0;) {
        carry += v[i] * base;
        v[i] = (uint8_t)carry;
        carry >>= 8;
    }
    return carry == 0;
}

bool json_uint_of_text(uint8_t *dst, size_t len, bytes text)
{
    enum { WIDEST = 32, DIGITS_MAX = 200 };
    uint8_t v[WIDEST] = {0};
    bool is_hex = text.len >= 2 && text.ptr[0] == '0' && (text.ptr[1] == 'x' || text.ptr[1] == 'X');
    unsigned base = is_hex ? 16 : 10;
    if (len > WIDEST || text.len == 0 || text.len > DIGITS_MAX) return false;
    for (size_t i = is_hex ? 2 : 0; i < text.len; i++) {
        int d = hex_digit(text.ptr[i]);
        if (d < 0 || d >= (int)base || !push_digit(v, len, base, (unsigned)d)) return false;
    }
    memcpy(dst, v, len);
    return true;
}

enum status json_at_uint(uint8_t *dst, size_t len, const struct json_at *at, struct err *err)
{
    static const char wants[] = "wants a number, \"0x...\" or a decimal string, of at most %zu bits";
    if (json_is_integer(at->value)) {
        json_int_t v = json_integer_value(at->value);
        uint8_t be[8];
        be64_put(be, (uint64_t)v);
        if (v < 0 || (len < 8 && (uint64_t)v >> (8 * len) != 0)) return json_at_fail(at, err, wants, 8 * len);
        memset(dst, 0, len);
        memcpy(dst + (len < 8 ? 0 : len - 8), be + (len < 8 ? 8 - len : 0), len < 8 ? len : 8);
        return OK;
    }
    if (json_is_string(at->value) && json_uint_of_text(dst, len, bytes_str(json_string_value(at->value)))) return OK;
    return json_at_fail(at, err, wants, 8 * len);
}

enum status json_at_u64(uint64_t *out, const struct json_at *at, struct err *err)
{
    uint8_t be[8] = {0};
    enum status s = json_at_uint(be, sizeof be, at, err);
    if (s == OK) *out = be64_get(be);
    return s;
}

enum status json_at_fixed(uint8_t *dst, size_t len, const struct json_at *at, struct err *err)
{
    if (json_is_string(at->value) && hex_get_fixed(dst, len, bytes_str(json_string_value(at->value))) == OK) return OK;
    return json_at_fail(at, err, "wants \"0x\" and %zu hex digits", 2 * len);
}

enum status json_at_bytes(struct buf *out, const struct json_at *at, struct err *err)
{
    if (!json_is_string(at->value)) return json_at_fail(at, err, "wants bytes in hex, \"0x...\"");
    enum status s = hex_get(out, bytes_str(json_string_value(at->value)));
    if (s == E_DECODE) return json_at_fail(at, err, "wants bytes in hex, \"0x...\"");
    return s == OK ? OK : err_set(err, s, "%s", status_text(s));
}

enum status json_at_choice(size_t *out, const struct json_at *at, const char *const *names, size_t n, struct err *err)
{
    const char *text = json_string_value(at->value);
    for (size_t i = 0; text != NULL && i < n; i++) {
        if (strcmp(text, names[i]) != 0) continue;
        *out = i;
        return OK;
    }
    char list[300];
    size_t len = 0;
    list[0] = '\0';
    for (size_t i = 0; i < n && len < sizeof list; i++) {
        int more = snprintf(list + len, sizeof list - len, "%s%s", i > 0 ? ", " : "", names[i]);
        if (more > 0) len += (size_t)more;
    }
    return json_at_fail(at, err, "wants one of %s", list);
}
