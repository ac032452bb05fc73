/* rest.h: one call of an Azure REST service: authorised, retried, with errors that say who did what where.
 *
 * Transient failures (no connection, time-out, 408, 429, 5xx) are retried with growing, jittered pauses, or the pause that Retry-After
 * asks for, until the deadline; what is left then is E_NET, E_TIMEOUT or E_AGAIN. Definitive answers come back at once:
 *
 *     409, 412   E_CONFLICT      404   E_NOT_FOUND      401 (after a new token), 403   E_DENIED      other 4xx   E_INVALID
 *
 * 403 alone may be given a time of its own (denied_retry_ms): a grant takes minutes to reach every front end of a real vault. */
#ifndef LIB_AZURE_REST_H
#define LIB_AZURE_REST_H

#include "lib/azure/token.h"
#include "lib/base/rng.h"
#include "lib/net/http_client.h"

#include <stdatomic.h>

/* azure_service_config: what keyvault_new and blob_store_new take. */
struct azure_service_config {
    const char *base_uri;              /* "https://127.0.0.2:8443"; a path is kept, a trailing '/' dropped */
    const char *ca_file;               /* NULL: the system's authorities */
    struct azure_token_source *tokens; /* borrowed; NULL: calls carry no token */
    unsigned deadline_ms;              /* of a call with all its retries; 0: 60000 */
    unsigned attempt_ms;               /* of one attempt; 0: 15000 */
    unsigned denied_retry_ms;          /* 403 is retried for so long; 0: not */
    const atomic_bool *cancel;         /* true ends pauses and retries: E_CANCELLED; NULL: never */
};

struct azure_rest;

/* azure_fault: what the service said when a call failed; all zero when it said nothing. */
struct azure_fault {
    int http_status;
    char code[64]; /* "LeaseAlreadyPresent", "SecretNotFound" */
    uint64_t retry_after_ms; /* the pause that it asked for, where that goes past the deadline; 0: none */
};

struct azure_call {
    const char *op;         /* for messages: "get secret validator-0" */
    const char *permission; /* for messages on 403: "secrets/get"; may be NULL */
    const char *method, *path; /* path is appended to base_uri, query included; an absolute URL is taken as it is */
    const char *const *headers;
    size_t n_headers;
    bytes body;
    bool has_body;
    unsigned deadline_ms; /* 0: that of the service */
    struct buf *fault_body; /* NULL, or initialised: gets the body of the last answer that was a failure */
};

MUST_CHECK enum status azure_rest_new(struct azure_rest **out, const struct azure_service_config *cfg, const char *service,
                                      const char *resource, struct err *err);
void azure_rest_free(struct azure_rest *r);
/** azure_rest_do: ret OK: 2xx, out is the caller's to end | as above | E_CANCELLED | E_CRYPTO: TLS.  fault may be NULL */
MUST_CHECK enum status azure_rest_do(struct http_client_response *out, struct azure_rest *r, const struct azure_call *c,
                                     struct azure_fault *fault, struct err *err);
const char *azure_rest_base(const struct azure_rest *r);
/** azure_is_transient: worth another try: E_NET, E_TIMEOUT, E_AGAIN */
bool azure_is_transient(enum status s);
/** azure_retry_after_ms: the pause that an answer asks for (Retry-After in seconds or as a date, retry-after-ms), an hour at the most; 0: none */
uint64_t azure_retry_after_ms(const struct http_client_response *r);

#endif
