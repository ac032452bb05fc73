/* http_server.h: HTTP/1.1 and WebSocket server: keep-alive, pipelining, TLS, limits. One thread of its own per server
 * (http_server_start), which calls the handler with whole requests; a handler answers at once or keeps the request and answers
 * later from any thread.
 *
 * On epoll, http_parser, wslay and OpenSSL. libwebsockets 4.1.6 was tried first: two POSTs in one segment hang it, spinning,
 * for all its clients.
 *
 * Every byte of a client is bounded: head 16 KiB, body max_body, idle connections are closed, at most max_connections; and so are answers that
 * clients don't read: beyond half of max_unsent over all connections together those that take nothing are let go, beyond it the slowest; and so is
 * what comes in: beyond max_unsent those go whose request is not whole, the largest first.
 *
 * More than one thread on a port: a server that is started with `first` listens nowhere; the first one gives each new connection to that of
 * them which has the fewest. A connection stays with its thread, so its order is kept and no lock is held over it.
 *
 * On a Unix socket (unix_path) there is no HTTP: a connection is a ws_conn whose bytes go to handler.stream, and ws_send writes lines. */
#ifndef LIB_NET_HTTP_SERVER_H
#define LIB_NET_HTTP_SERVER_H

#include "lib/base/buf.h"
#include "lib/base/err.h"

struct http_server;
struct http_request; /* valid until it is answered */
struct ws_conn;

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_PATCH, HTTP_DELETE, HTTP_OPTIONS };

struct http_handler {
    void *ctx;
    /* request: body complete; must end (now or later) in exactly one http_respond. May be NULL: 404. */
    void (*request)(void *ctx, struct http_request *r);
    /* WebSocket, all NULL if not served. open: return false to refuse. message: one whole text or binary message. */
    bool (*ws_open)(void *ctx, struct ws_conn *c);
    void (*ws_message)(void *ctx, struct ws_conn *c, bytes msg);
    void (*ws_close)(void *ctx, struct ws_conn *c);
    /* wake: called on the server's thread after http_server_wake from any thread. May be NULL */
    void (*wake)(void *ctx);
    /* turn_end: called on the server's thread when it has no more requests at hand. May be NULL */
    void (*turn_end)(void *ctx);
    /* stream: bytes of a Unix socket's client, all that were not used before.  ret how many are used now; SIZE_MAX: close it when its answers are sent.
     * After ws_hold it is called again when that is over. */
    size_t (*stream)(void *ctx, struct ws_conn *c, bytes data);
    /* dropped: a client was let go for what it did not read, or not finish: reason names the limit, unsent is what was due to it. May be NULL */
    void (*dropped)(void *ctx, const char *peer, const char *reason, size_t unsent);
};

struct http_server_config {
    const char *bind_address; /* IP literal */
    uint16_t port;            /* 0: any, see http_server_port */
    size_t max_body, max_connections;
    unsigned idle_timeout_s;
    const char *tls_cert_file, *tls_key_file; /* NULL: plain */
    const char *tls_client_ca_file;           /* NULL: no client certificates asked */
    bool wipes; /* requests and answers are secrets: what has passed through a buffer that stays is wiped */
    const char *unix_path;      /* listen there instead, mode 0600; what a killed process left behind is taken away */
    struct http_server *first;  /* share the port of that one; its limits hold for all of them. Stop it before the others */
    size_t max_unsent;          /* bytes of answers that wait for their readers, and of requests that wait for their end, over all connections; 0: 1 GiB each */
    int nice;                   /* added to the thread's niceness: what else this process does goes first */
};

/** http_server_start: bind, start the thread.  ret OK | E_BUSY: port taken (err names address and port) | E_INVALID | E_IO */
MUST_CHECK enum status http_server_start(struct http_server **out, const struct http_server_config *cfg, const struct http_handler *h,
                                         struct err *err);
/** http_server_stop: stop accepting, drop connections, join the thread, free. Kept requests must have been answered or are dropped. */
void http_server_stop(struct http_server *s); /* NULL allowed */
uint16_t http_server_port(const struct http_server *s);
void http_server_wake(struct http_server *s);
/** http_server_connections: on this thread, with those that have gone while someone holds their request; http_server_unsent: bytes of answers that wait,
 *  of all that share the port */
size_t http_server_connections(const struct http_server *s);
size_t http_server_unsent(const struct http_server *s);
/** http_server_reload_tls: certificate, key and client authority (may be NULL) for connections from now on; on the server's thread (handler.wake), of a
 *  server that has TLS.  ret OK | E_INVALID: a file is no good, all stays as it was | E_NOMEM */
MUST_CHECK enum status http_server_reload_tls(struct http_server *s, const char *cert, const char *key, const char *client_ca, struct err *err);

enum http_method http_request_method(const struct http_request *r);
const char *http_method_name(enum http_method m);
/** http_request_path: decoded path without query; http_request_query: raw query (without '?'), "" if none */
const char *http_request_path(const struct http_request *r);
const char *http_request_query(const struct http_request *r);
/** http_request_query_get: decoded value of one query parameter into dst; false if absent or too long */
bool http_request_query_get(char *dst, size_t cap, const struct http_request *r, const char *name);
/** http_request_header: value of a header (any case of name) or NULL; valid while the request is */
const char *http_request_header(const struct http_request *r, const char *name);
/** http_request_header_at: the i-th header as it came; false past the last. For families of names such as x-ms-meta-*. */
bool http_request_header_at(const char **name, const char **value, const struct http_request *r, size_t i);
bytes http_request_body(const struct http_request *r);
/** http_request_server: the server that it came to. */
struct http_server *http_request_server(const struct http_request *r);
/** http_request_peer: "127.0.0.1" */
const char *http_request_peer(const struct http_request *r);

struct http_header {
    const char *name, *value;
};
/** http_respond: answer; copies everything. status e.g. 200; content_type NULL for none. From the handler or any other thread, once. */
void http_respond(struct http_request *r, int status, const char *content_type, bytes body, const struct http_header *headers,
                  size_t n_headers);
/** http_server_hold, http_server_release: answers that a thread of the caller's gives between the two leave together: the server's thread is woken
 *  once for all of them, not while they are being made. Always in pairs; nothing else waits. */
void http_server_hold(struct http_server *s);
void http_server_release(struct http_server *s);
/** http_respond_take: like http_respond, the body's memory (malloc) goes to the server: no copy of big answers. */
void http_respond_take(struct http_request *r, int status, const char *content_type, uint8_t *body, size_t len,
                       const struct http_header *headers, size_t n_headers);

/** ws_send: queue one text message; any thread, until ws_close has returned for it (a caller on another thread holds a lock that ws_close takes).
 *  ret OK | E_CLOSED | E_LIMIT: client too slow, connection is being dropped */
MUST_CHECK enum status ws_send(struct ws_conn *c, bytes text);
/** ws_hold: within ws_message or stream: no more of this connection's input is handed out until ws_resume, once, from any thread: it queues one text
 *  message, empty: none, and goes on. Until then c stays valid, also when the client has gone. */
void ws_hold(struct ws_conn *c);
void ws_resume(struct ws_conn *c, bytes text);
/** ws_user: a pointer of the handler's, NULL at open. */
void ws_set_user(struct ws_conn *c, void *user);
void *ws_user(struct ws_conn *c);
const char *ws_path(const struct ws_conn *c);
/** ws_request_header: a header of the handshake; within ws_open only */
const char *ws_request_header(const struct ws_conn *c, const char *name);

#endif
