/* http_client.h: HTTP(S) requests by libcurl, blocking, with a deadline. One client keeps its connections alive; not thread-safe (one a thread). */
#ifndef LIB_NET_HTTP_CLIENT_H
#define LIB_NET_HTTP_CLIENT_H

#include "lib/base/buf.h"
#include "lib/base/err.h"

struct http_client;

struct http_client_config {
    const char *ca_file;     /* NULL: the system's authorities */
    const char *client_cert_file, *client_key_file; /* NULL: none */
    unsigned connect_timeout_ms, timeout_ms; /* 0: 5000, 30000 */
    size_t max_body;         /* 0: 16 MiB */
    const char *user_agent;  /* NULL: "poa-deploy" */
};

struct http_client_request {
    const char *method; /* "GET" */
    const char *url;
    const char *const *headers; /* "Name: value", n_headers of them */
    size_t n_headers;
    bytes body;
    bool has_body;
};

struct http_client_response {
    int status;
    struct buf body;
    struct buf headers; /* raw lines "Name: value\r\n" */
};

MUST_CHECK enum status http_client_new(struct http_client **out, const struct http_client_config *cfg, struct err *err);
void http_client_free(struct http_client *c);
/** http_client_do: ret OK: an answer of any status came | E_NET | E_TIMEOUT | E_CRYPTO: TLS | E_LIMIT (err says what, with host and port) */
MUST_CHECK enum status http_client_do(struct http_client_response *out, struct http_client *c, const struct http_client_request *req,
                                      struct err *err);
void http_client_response_fini(struct http_client_response *r);
/** http_client_header: value of a response header copied to dst; false if absent or too long */
bool http_client_header(char *dst, size_t cap, const struct http_client_response *r, const char *name);

#endif
