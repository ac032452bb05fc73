/* call.h: one request on its way through the store, and what handlers share.
 *
 *     server thread: route_find -> auth (token, client) -> reads run here; writes go to the queue
 *     queue thread:  many writes in one transaction, one fsync, then all the answers
 *
 * A handler runs inside c->txn: policy_check, then route->run. It gives OK when c->reply stands, whatever its HTTP status; another status
 * is our own trouble (disk, memory): the transaction is thrown away and the answer is 500 or 507. A reply of 400 or more means that the
 * handler wrote nothing. */
#ifndef IDENTITY_STORE_CALL_H
#define IDENTITY_STORE_CALL_H

#include "identity-store/clients.h"
#include "identity-store/config.h"
#include "identity-store/errors.h"
#include "identity-store/records.h"
#include "identity-store/store.h"
#include "lib/base/arena.h"
#include "lib/net/http_server.h"

enum {
    REPLY_HEADERS_MAX = 64,
    BODY_MAX = 8 << 20,        /* of a request: a chain spec with a thousand accounts is far below */
    REPLY_MAX = 32 << 20,
    CALL_ARENA_MAX = 1 << 20,
};

struct request {
    enum http_method method;
    const char *path; /* decoded */
    bytes query;      /* raw, without '?' */
    bytes body;
    const char *peer;
    const void *ctx;
    const char *(*header)(const void *ctx, const char *name); /* NULL: absent */
    bool (*header_at)(const char **name, const char **value, const void *ctx, size_t i);
};

struct reply {
    int status;
    const char *content_type; /* NULL: none */
    struct buf body;
    struct http_header headers[REPLY_HEADERS_MAX];
    size_t n_headers;
    enum rest_error error;
};

struct route;

struct call {
    struct request rq;
    struct http_request *http; /* NULL in tests */
    struct store *store;
    const struct config *cfg;
    const struct route *route;
    struct client client; /* a copy: the registry may be read anew while the call waits */
    struct kv_txn *txn;
    uint64_t now_ms;  /* lease clock */
    uint64_t wall_ms; /* for people: created, updated, Last-Modified */
    const char *name, *version;    /* vault */
    const char *container, *blob;  /* storage; "" where absent */
    unsigned api;                  /* vault: 10 times the api-version, so 74; 60: older, 80: those of 2025 */
    bool has_account;              /* the path began with the account's name */
    bool create_only;              /* a SAS that may make a blob, not replace one */
    bool quiet;                    /* not worth a line in the audit log */
    bool audited;                  /* its line stands there */
    struct arena arena;            /* lives until the answer is sent */
    char request_id[37];
    struct reply reply;
    struct call *next;
};

void call_init(struct call *c, struct store *store, const struct config *cfg);
void call_fini(struct call *c);
/** call_reset_reply: as if no handler had run (a batch is tried again). */
void call_reset_reply(struct call *c);

/** call_fail: the reply is that error, in the service's form; ret OK, so that `return call_fail(c, ERR_X)` ends a handler. */
enum status call_fail(struct call *c, enum rest_error e);
/** call_fail_text: with a message of our own instead of the error's. */
PRINTF_LIKE(3, 4) enum status call_fail_text(struct call *c, enum rest_error e, const char *fmt, ...);
const char *rest_error_code(enum rest_error e);
int rest_error_http(enum rest_error e);

void call_header(struct call *c, const char *name, const char *value); /* value must live as long as the call: arena or static */
PRINTF_LIKE(3, 4) void call_headerf(struct call *c, const char *name, const char *fmt, ...);
const char *call_request_header(const struct call *c, const char *name); /* NULL: absent */
/** call_base: "https://host:port" as the client wrote it, in the arena. */
const char *call_base(struct call *c);

/* Encode and store a record. */
MUST_CHECK enum status call_put_record(struct call *c, enum store_table t, const struct record_key *k, const struct blob_record *b);

/* Handlers of routes.def */
#define VAULT(method, path, fn, ...) enum status fn(struct call *c);
#define BLOB(method, level, restype, comp, fn, ...) enum status fn(struct call *c);
#include "identity-store/routes.def"
#undef VAULT
#undef BLOB

#endif
