/* http_server_priv.h: the server's insides. One thread (http_server.c: loop, accept, time-outs, mail from other threads) owns all
 * connections; http_conn.c moves bytes (plain or TLS) and queues output; http_request.c turns bytes into requests by http_parser and
 * answers into bytes; ws.c does the same for WebSocket by wslay. A connection works on one request at a time: pipelined ones wait
 * in its input, and answers that were made in one turn of the loop leave in one system call. */
#ifndef LIB_NET_HTTP_SERVER_PRIV_H
#define LIB_NET_HTTP_SERVER_PRIV_H

/* http_parser has an enum of our names: its own get others */
#define http_method parser_method
#define HTTP_GET PARSER_GET
#define HTTP_HEAD PARSER_HEAD
#define HTTP_POST PARSER_POST
#define HTTP_PUT PARSER_PUT
#define HTTP_PATCH PARSER_PATCH
#define HTTP_DELETE PARSER_DELETE
#define HTTP_OPTIONS PARSER_OPTIONS
#include <http_parser.h>
#undef http_method
#undef HTTP_GET
#undef HTTP_HEAD
#undef HTTP_POST
#undef HTTP_PUT
#undef HTTP_PATCH
#undef HTTP_DELETE
#undef HTTP_OPTIONS

#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <wslay/wslay.h>

#include "lib/net/http_server.h"

/* limits, and why */
enum {
    HEAD_MAX = 16 * 1024,       /* request line and headers: common proxies pass at most that */
    HEADERS_N_MAX = 100,        /* each lookup is linear */
    READ_CHUNK = 64 * 1024,     /* one recv */
    OUT_CHUNK = 16 * 1024,      /* small answers share one */
    OUT_PARSE_MAX = 1 << 20,    /* pipelined requests wait while more output than this is unsent */
    WS_OUT_MAX = 32 << 20,      /* a subscriber that is further behind is dropped */
    DIRECT_MIN = 16 * 1024,     /* a longer answer goes to the socket from where it stands; only what does not fit there is copied */
    INPUT_SMALL = 64 << 10,     /* input of a connection that is not counted: nearly all requests */
    TELL_MIN = 4 << 20,         /* unsent bytes that the budget is asked about at once, not at the end of the turn */
    SPARE_CHUNKS = 64,          /* kept for the next answers */
    GROUP_MAX = 64,             /* threads of a port */
    DRAIN_MAX = 64 << 20,       /* bytes thrown away after an error answer, so that the client gets to read it */
    DRAIN_MS = 2000,
    BODY_MIN_RATE = 1024,       /* bytes a second that a slow body must reach beyond the idle time-out */
};

#define WS_TOO_SLOW "slow reader: too many messages wait for it"

struct out_chunk {
    struct out_chunk *next;
    uint8_t *ptr;
    size_t len, pos, cap;
};

struct header_ref {
    uint32_t name, value; /* offsets into head */
};

struct http_request {
    struct conn *conn;
    enum http_method method;
    struct buf head; /* url NUL (name NUL value NUL)* path NUL */
    struct buf body;
    struct header_ref headers[HEADERS_N_MAX];
    size_t n_headers;
    uint32_t url, query, path;
    bool in_value, head_done, keep_alive, is_http10, is_upgrade;
    int reject; /* status of an error answer, 0: none */
    uint64_t start_ms;
    bool started;
};

struct ws_conn {
    struct conn *conn;
    void *user;
    char *path;
    wslay_event_context_ptr ctx;
    size_t n_fed; /* bytes of the message that comes in, as wslay keeps them */
    struct out_chunk *waiting; /* messages that wslay had taken in when the connection was held */
    bool is_open, is_message, pinged, is_stream; /* is_stream: of a Unix socket, ctx is NULL */
};

enum conn_state { CONN_HTTP, CONN_WS, CONN_DRAIN, CONN_DEAD };

struct conn {
    struct http_server *server;
    struct conn *prev, *next;  /* all connections */
    struct conn *next_flush;   /* with output of this turn */
    struct conn *next_dead;
    int fd;
    uint32_t events; /* as epoll has them */
    enum conn_state state;
    SSL *ssl;
    bool ssl_wants_write;
    bool close_after_flush, drain_after_flush, in_flush_list, peer_done;
    bool pending;    /* the request was handed out and is not answered, or the WebSocket is held */
    bool knocked;    /* input came while it was pending: not listened to until then */
    bool orphan;     /* closed while pending: lives on until it is answered */
    uint64_t last_ms, drain_until_ms, drained;
    uint64_t sent_ms; /* the client last took something, or last had nothing to take */
    struct out_chunk *out_head, *out_tail;
    size_t out_len;
    struct buf in; /* input that waits for its turn */
    size_t in_pos;
    size_t n_input; /* bytes of input that the server counts */
    http_parser parser;
    struct http_request req;
    struct ws_conn *ws;
    char peer[48];
};

/* mail: what other threads ask of the loop */
struct mail {
    struct mail *next;
    struct conn *conn; /* NULL: a new connection, fd and from */
    int fd;
    struct sockaddr_storage from;
    bool is_response; /* to a request, or ends the hold of a WebSocket; else a WebSocket message */
    struct out_chunk *chunks;
    bool keep_alive;
};

/* group: the servers of one port */
struct group {
    pthread_mutex_t lock; /* members */
    struct http_server *member[GROUP_MAX]; /* NULL: stopped */
    size_t n, refs;
    atomic_size_t n_conns, unsent, n_input;
    size_t max_conns, max_unsent;
};

struct http_server {
    struct http_server_config cfg;
    struct group *group;
    size_t unsent, told_unsent; /* of our connections; what of it the group knows */
    size_t n_input, told_input; /* input, likewise */
    struct out_chunk *spare;
    size_t n_spare;
    char *unix_path; /* NULL: none */
    bool is_bound;   /* to unix_path */
    struct http_handler handler;
    int listen_fd, epoll_fd, event_fd;
    uint16_t port;
    pthread_t thread;
    bool has_thread;
    atomic_bool stop, wake;
    atomic_size_t n_conns;
    pthread_mutex_t lock; /* mail */
    struct mail *mail_head, *mail_tail;
    unsigned held; /* threads between http_server_hold and _release */
    struct conn *conns, *flush, *dead;
    SSL_CTX *tls;
    bool accept_paused;
    uint64_t now_ms, date_s;
    char date[32];
    uint8_t *scratch; /* READ_CHUNK */
};

/* http_conn.c */
void conn_append(struct conn *c, const void *data, size_t len);
void conn_append_chunk(struct conn *c, struct out_chunk *chunk_take);
/** conn_append_long: like conn_append, for DIRECT_MIN and more: first tries to get rid of it */
void conn_append_long(struct conn *c, const void *data, size_t len);
struct out_chunk *chunk_new(size_t cap);
void chunks_free(struct out_chunk *k);
void conn_want_flush(struct conn *c);
void conn_flush(struct conn *c);
void conn_read(struct conn *c);
void conn_kill(struct conn *c); /* close now; freed at the end of the turn */
void conn_update_events(struct conn *c);
void conn_error_close(struct conn *c); /* flush, then drain, then close */

/* http_request.c */
void request_init(struct conn *c);
void request_fini(struct conn *c);
/** http_feed: parse; ret bytes taken (the rest waits) */
size_t http_feed(struct conn *c, const uint8_t *data, size_t len);
/** http_resume: go on with input that waited */
void http_resume(struct conn *c);
void http_response_done(struct conn *c, bool keep_alive);

/* ws.c */
bool ws_is_handshake(const struct http_request *r);
void ws_accept(struct conn *c);
void ws_feed(struct conn *c, const uint8_t *data, size_t len);
void ws_ping(struct conn *c);
/** ws_append: a frame to be sent; a client that is too far behind is dropped instead. Takes k. */
void ws_append(struct conn *c, struct out_chunk *k);
/** ws_go_on: the hold is over; k is sent first, if the client is not too slow for it */
void ws_go_on(struct conn *c, struct out_chunk *k);
void ws_fini(struct conn *c);

/** ws_open_stream: a Unix socket's connection */
void ws_open_stream(struct conn *c);

/* group.c */
MUST_CHECK enum status group_join(struct http_server *s, struct err *err);
void group_leave(struct http_server *s); /* NULL group allowed */
/** group_choose: who is to have a new connection */
struct http_server *group_choose(struct http_server *s);
/** group_check_unsent: tell the group what waits here; over budget, the slowest readers are let go, the others' threads look after theirs */
void group_check_unsent(struct http_server *s);
/** group_check_input: the same for input: over budget, those whose request is not whole are let go, the largest first */
void group_check_input(struct http_server *s);
/** conn_count_input: after c has taken in or given back some */
void conn_count_input(struct conn *c);
/** conn_drop: kill, and tell the handler why */
void conn_drop(struct conn *c, const char *reason);

/* http_server.c */
void server_ring(struct http_server *s);
bool server_is_own_thread(const struct http_server *s);
void server_post(struct http_server *s, struct mail *m);
/** conn_bury: it counts no more, and is freed at the end of the turn */
void conn_bury(struct conn *c);

#endif
