/* conditions.h: conditional headers, ETags, lease headers and metadata headers, as blobs and containers share them. */
#ifndef IDENTITY_STORE_CONDITIONS_H
#define IDENTITY_STORE_CONDITIONS_H

#include "identity-store/call.h"

enum condition_use { CONDITION_READ, CONDITION_WRITE };

/** conditions_check: If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since against a record; NULL: there is none. */
enum rest_error conditions_check(const struct call *c, const struct blob_record *b, enum condition_use use);
/** lease_header: x-ms-lease-id in canonical form, "" if absent; ERR_INVALID_HEADER if it is no GUID */
enum rest_error lease_header(char dst[static LEASE_ID_LEN + 1], const struct call *c);
/** lease_request_get: the lease operation that the headers ask for. Strings of out are in the arena. */
enum rest_error lease_request_get(struct lease_request *out, struct call *c);
/** lease_reply: status and headers of a lease operation that went through. */
void lease_reply(struct call *c, const struct lease_request *q, const struct blob_record *b);
/** meta_from_headers: append x-ms-meta-* as a list's payload, names in lower case and in order; META_PAYLOAD_MAX bytes at the most. */
enum { META_PAYLOAD_MAX = 32 << 10 };
enum rest_error meta_from_headers(struct buf *out, const struct call *c);
/** meta_to_headers: the other way. */
enum status meta_to_headers(struct call *c, bytes meta);
/** record_headers: ETag, Last-Modified */
void record_headers(struct call *c, const struct blob_record *b);
/** lease_headers: x-ms-lease-status, -state, -duration */
void lease_headers(struct call *c, const struct lease *l);

#endif
