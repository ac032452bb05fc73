/* text.h: small text work of the REST services: JSON and XML escapes, queries, forms, dates. */
#ifndef IDENTITY_STORE_TEXT_H
#define IDENTITY_STORE_TEXT_H

#include "lib/base/buf.h"

/** json_put_text: a JSON string with its quotes; the text is UTF-8 (checked when it came in). */
void json_put_text(struct buf *out, bytes text);
/** xml_put_text: text with entities for what XML reserves; other control characters become '?'. */
void xml_put_text(struct buf *out, bytes text);
/** xml_put_element: <name>text</name>, or <name /> when empty */
void xml_put_element(struct buf *out, const char *name, const char *text);
/** query_get: decoded value of one parameter of a raw query or form; false: absent, malformed or longer than cap-1 */
bool query_get(char *dst, size_t cap, bytes query, const char *name);
/** query_has: does the parameter stand there, with or without a value? */
bool query_has(bytes query, const char *name);
/** text_is_utf8: well formed, and without NUL */
bool text_is_utf8(bytes text);
/** u64_get: decimal digits only, no sign, no overflow */
bool u64_get(uint64_t *out, const char *text);
/** http_date_get: RFC 1123 date to seconds since the epoch; false: another form */
bool http_date_get(uint64_t *unix_s, const char *text);
/** utc_date_put: "2026-11-23T09:32:52.1234567Z" as storage's errors have it */
void utc_date_put(char dst[static 32], uint64_t unix_ms);

#endif
