/* json.h: reading JSON (jansson's json_t) with errors that carry the path of the value at fault.
 *
 * A `struct json_at` is a value and how one came to it: a link to the `json_at` of its container, on the caller's stack. Every reader
 * takes one and, on failure, writes "path: what is wanted; what stands there":
 *
 *     struct json_at root = json_at_root(doc), params, step;
 *     uint64_t v;
 *     if (json_at_member(&params, &root, "params") && json_at_member(&step, &params, "stepDuration"))
 *         s = json_at_u64(&v, &step, &err);
 *         // E_INVALID, "params.stepDuration: wants a number, \"0x...\" or a decimal string; here stands \"fast\""
 *
 * Outputs are untouched unless OK. A child borrows from its container: both end together. The document must outlive them. */
#ifndef LIB_CODEC_JSON_H
#define LIB_CODEC_JSON_H

#include "lib/base/buf.h"
#include "lib/base/bytes.h"
#include "lib/base/err.h"

#include <jansson.h>

struct json_at {
    json_t *value; /* borrowed, never NULL */
    const struct json_at *up; /* NULL at the root */
    const char *key; /* in an object; NULL: index in an array */
    size_t index;
};

/** json_parse: text to a document of any kind; a duplicate key is an error, as is anything behind the value.
 *  ret OK | E_DECODE: err has line and column;  owns: json_decref */
MUST_CHECK enum status json_parse(json_t **out, bytes text, struct err *err);
/** json_text: the string under a key; "" when there is none, or it is no string. Borrowed from o, which may be NULL. */
const char *json_text(const json_t *o, const char *key);

struct json_at json_at_root(json_t *doc);
/** json_at_path: "a.b[3].c" of a value, cut at len; the root is "(top)". */
void json_at_path(char *dst, size_t len, const struct json_at *at);
/** json_at_fail: set "path: text; here stands <value>" and return E_INVALID. */
PRINTF_LIKE(3, 4) enum status json_at_fail(const struct json_at *at, struct err *err, const char *fmt, ...);

/** json_at_member: the member of an object; false when there is none or `at` is no object. A null member is there. */
bool json_at_member(struct json_at *out, const struct json_at *at, const char *key);
/** json_at_need: the same, E_INVALID "path: key is missing" when there is none. */
MUST_CHECK enum status json_at_need(struct json_at *out, const struct json_at *at, const char *key, struct err *err);
/** json_at_element: the i-th of an array; false past its end or when `at` is no array. */
bool json_at_element(struct json_at *out, const struct json_at *at, size_t i);
/** json_at_next: walk an object's members in their order; *iter begins as NULL; false at the end. */
bool json_at_next(struct json_at *out, const struct json_at *at, void **iter);
bool json_at_is_null(const struct json_at *at);

/* ----------------------------------------------------------------- readers */

/** json_at_object, json_at_array: is it one?  ret OK | E_INVALID */
MUST_CHECK enum status json_at_object(const struct json_at *at, struct err *err);
MUST_CHECK enum status json_at_array(const struct json_at *at, struct err *err);
MUST_CHECK enum status json_at_bool(bool *out, const struct json_at *at, struct err *err);
/** json_at_text: a string, NUL-terminated (no NUL inside); valid as long as the document. */
MUST_CHECK enum status json_at_text(const char **out, const struct json_at *at, struct err *err);
/** json_at_uint: unsigned integer as a JSON number, "0x..." (leading zeros allowed, "0x" is 0) or decimal digits in a string, to len
 *  big-endian bytes.  ret OK | E_INVALID: other form, negative, does not fit */
MUST_CHECK enum status json_at_uint(uint8_t *dst, size_t len, const struct json_at *at, struct err *err);
MUST_CHECK enum status json_at_u64(uint64_t *out, const struct json_at *at, struct err *err);
/** json_at_fixed: hex of exactly len bytes, "0x" optional. */
MUST_CHECK enum status json_at_fixed(uint8_t *dst, size_t len, const struct json_at *at, struct err *err);
/** json_at_bytes: append bytes given in hex of any length, "0x" optional.  ret also out's own failure */
MUST_CHECK enum status json_at_bytes(struct buf *out, const struct json_at *at, struct err *err);
/** json_at_choice: which of n names the string is.  ret OK | E_INVALID: err lists them */
MUST_CHECK enum status json_at_choice(size_t *out, const struct json_at *at, const char *const *names, size_t n, struct err *err);

/** json_uint_of_text: what json_at_uint takes in a string, without a document: keys of maps by block number. false: other form */
bool json_uint_of_text(uint8_t *dst, size_t len, bytes text);

#endif
