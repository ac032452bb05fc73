#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/net/http_server_priv.h"

#include "lib/base/clock.h"

#define DEFAULT_MAX_BODY ((size_t)16 << 20)
#define DEFAULT_CONNECTIONS 1024
#define DEFAULT_IDLE_S 60
#define TURN_EVENTS 256
#define TICK_MS 500
#define DEFAULT_UNSENT ((size_t)1 << 30)

/* ------------------------------------------------------------------ life of a connection */

static void conn_free(struct conn *c)
{
    chunks_free(c->out_head);
    if (c->ssl) SSL_free(c->ssl);
    if (c->ws) {
        wslay_event_context_free(c->ws->ctx);
        chunks_free(c->ws->waiting);
        free(c->ws->path);
        free(c->ws);
    }
    request_fini(c);
    free(c);
}

void conn_bury(struct conn *c)
{
    atomic_fetch_sub(&c->server->n_conns, 1);
    atomic_fetch_sub(&c->server->group->n_conns, 1);
    c->server->n_input -= c->n_input;
    c->next_dead = c->server->dead;
    c->server->dead = c;
}

static void peer_text(char dst[static 48], const struct sockaddr_storage *sa)
{
    dst[0] = 0;
    if (sa->ss_family == AF_INET) inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)sa)->sin_addr, dst, 48);
    else if (sa->ss_family == AF_INET6) inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr, dst, 48);
}

/* makes room when full: the connection that has been idle the longest goes */
static bool evict_idle(struct http_server *s)
{
    struct conn *oldest = NULL;
    for (struct conn *c = s->conns; c != NULL; c = c->next)
        if (c->state == CONN_HTTP && !c->pending && !c->req.started && c->out_len == 0 && s->now_ms - c->last_ms >= 1000 &&
            (oldest == NULL || c->last_ms < oldest->last_ms))
            oldest = c;
    if (oldest == NULL) return false;
    conn_kill(oldest);
    return true;
}

/* a connection that is counted already */
static void conn_adopt(struct http_server *s, int fd, const struct sockaddr_storage *peer)
{
    struct conn *c = calloc(1, sizeof *c);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    bool ok = c != NULL;
    if (ok) {
        c->server = s;
        c->fd = fd;
        c->last_ms = c->sent_ms = s->now_ms;
        c->events = EPOLLIN;
        peer_text(c->peer, peer);
        request_init(c);
    }
    if (ok && s->tls != NULL) {
        c->ssl = SSL_new(s->tls);
        ok = c->ssl != NULL && SSL_set_fd(c->ssl, fd) == 1;
        if (ok) SSL_set_accept_state(c->ssl);
    }
    ok = ok && epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &e) == 0;
    if (!ok) {
        if (c != NULL) conn_free(c);
        (void)close(fd);
        atomic_fetch_sub(&s->n_conns, 1);
        atomic_fetch_sub(&s->group->n_conns, 1);
        return;
    }
    c->next = s->conns;
    if (s->conns) s->conns->prev = c;
    s->conns = c;
    if (s->unix_path != NULL) ws_open_stream(c);
}

static void conn_new(struct http_server *s, int fd, const struct sockaddr_storage *peer)
{
    struct http_server *to = group_choose(s);
    struct mail *m = to == s ? NULL : calloc(1, sizeof *m);
    if (m == NULL) to = s;
    atomic_fetch_add(&to->n_conns, 1);
    atomic_fetch_add(&s->group->n_conns, 1);
    if (to == s) {
        conn_adopt(s, fd, peer);
        return;
    }
    m->fd = fd;
    m->from = *peer;
    server_post(to, m);
}

static void listen_events(struct http_server *s, bool on)
{
    struct epoll_event e = {.events = on ? EPOLLIN : 0, .data.ptr = &s->listen_fd};
    if (epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, s->listen_fd, &e) == 0) s->accept_paused = !on;
}

static void accept_all(struct http_server *s)
{
    static const char full[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\nRetry-After: 1\r\n\r\n";
    for (int i = 0; i < 64; i++) {
        struct sockaddr_storage sa = {0};
        socklen_t len = sizeof sa;
        int fd = accept4(s->listen_fd, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            /* out of descriptors: the listener would stay readable and spin; look again at the next tick */
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) listen_events(s, false);
            return;
        }
        if (atomic_load(&s->group->n_conns) >= s->group->max_conns && !evict_idle(s)) {
            if (s->tls == NULL && s->unix_path == NULL) (void)!send(fd, full, sizeof full - 1, MSG_NOSIGNAL);
            (void)close(fd);
            continue;
        }
        int one = 1;
        if (s->unix_path == NULL) (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        conn_new(s, fd, &sa);
    }
}

/* ------------------------------------------------------------------ time */

static void check_timeouts(struct http_server *s)
{
    uint64_t idle_ms = (uint64_t)s->cfg.idle_timeout_s * 1000, now = s->now_ms;
    for (struct conn *c = s->conns, *next; c != NULL; c = next) {
        next = c->next;
        uint64_t quiet = now > c->last_ms ? now - c->last_ms : 0;
        switch (c->state) {
        case CONN_DRAIN:
            if (now >= c->drain_until_ms) conn_kill(c);
            break;
        case CONN_WS:
            if (c->pending || (c->ws->is_stream && !c->close_after_flush)) break; /* a local program may be silent as long as it likes */
            if (quiet >= 2 * idle_ms || (c->close_after_flush && quiet >= DRAIN_MS)) conn_kill(c);
            else if (quiet >= idle_ms && !c->ws->pinged) ws_ping(c);
            break;
        case CONN_HTTP:
            if (c->out_len > 0) {
                if (quiet >= idle_ms) conn_kill(c); /* does not read its answer */
            } else if (c->req.started) {
                /* a request must be whole within the idle time, plus what its body needs at the slowest rate that we bear */
                if (now - c->req.start_ms >= idle_ms + (uint64_t)c->req.body.len * 1000 / BODY_MIN_RATE) conn_kill(c);
            } else if (!c->pending && quiet >= idle_ms) {
                conn_kill(c);
            }
            break;
        case CONN_DEAD:
            break;
        }
    }
}

static void read_clock(struct http_server *s)
{
    s->now_ms = clock_mono_ms();
    uint64_t wall_s = clock_wall_ms() / 1000;
    if (wall_s != s->date_s) {
        s->date_s = wall_s;
        clock_format_rfc1123(s->date, wall_s);
    }
}

/* ------------------------------------------------------------------ mail */

bool server_is_own_thread(const struct http_server *s)
{
    return s->has_thread && pthread_equal(pthread_self(), s->thread);
}

void server_ring(struct http_server *s)
{
    uint64_t one = 1;
    (void)!write(s->event_fd, &one, sizeof one);
}

void server_post(struct http_server *s, struct mail *m)
{
    (void)pthread_mutex_lock(&s->lock);
    bool first = s->mail_head == NULL && s->held == 0;
    if (s->mail_tail) s->mail_tail->next = m;
    else s->mail_head = m;
    s->mail_tail = m;
    (void)pthread_mutex_unlock(&s->lock);
    if (first) server_ring(s);
}

void http_server_hold(struct http_server *s)
{
    (void)pthread_mutex_lock(&s->lock);
    s->held++;
    (void)pthread_mutex_unlock(&s->lock);
}

void http_server_release(struct http_server *s)
{
    (void)pthread_mutex_lock(&s->lock);
    bool now = --s->held == 0 && s->mail_head != NULL;
    (void)pthread_mutex_unlock(&s->lock);
    if (now) server_ring(s);
}

static struct mail *mail_take(struct http_server *s)
{
    (void)pthread_mutex_lock(&s->lock);
    struct mail *m = s->mail_head;
    if (m != NULL) {
        s->mail_head = m->next;
        if (s->mail_head == NULL) s->mail_tail = NULL;
    }
    (void)pthread_mutex_unlock(&s->lock);
    return m;
}

static void deliver(struct http_server *s, struct mail *m)
{
    struct conn *c = m->conn;
    if (c == NULL) {
        conn_adopt(s, m->fd, &m->from);
    } else if (m->is_response && c->state == CONN_DEAD) {
        c->pending = false;
        conn_bury(c);
    } else if (m->is_response && c->state == CONN_WS) {
        ws_go_on(c, m->chunks);
        m->chunks = NULL;
    } else if (m->is_response) {
        conn_append_chunk(c, m->chunks);
        m->chunks = NULL;
        http_response_done(c, m->keep_alive);
    } else if (c->state == CONN_WS && !c->close_after_flush) {
        ws_append(c, m->chunks);
        m->chunks = NULL;
    }
    chunks_free(m->chunks);
    free(m);
}

static void read_mail(struct http_server *s)
{
    uint64_t n;
    (void)!read(s->event_fd, &n, sizeof n);
    /* one at a time: a delivery may close a connection, which withdraws mail that is addressed to it */
    for (struct mail *m = mail_take(s); m != NULL; m = mail_take(s)) deliver(s, m);
    if (atomic_exchange(&s->wake, false) && s->handler.wake) s->handler.wake(s->handler.ctx);
}

/* ------------------------------------------------------------------ loop */

static bool input_waits(const struct conn *c)
{
    return c->state == CONN_HTTP && !c->pending && c->in_pos < c->in.len && c->out_len < OUT_PARSE_MAX && !c->close_after_flush &&
           !c->drain_after_flush;
}

static void end_turn(struct http_server *s)
{
    while (s->flush != NULL) {
        struct conn *c = s->flush;
        s->flush = c->next_flush;
        c->in_flush_list = false;
        for (;;) {
            if (input_waits(c)) http_resume(c);
            conn_flush(c);
            if (!input_waits(c)) break;
        }
        conn_count_input(c);
    }
    group_check_unsent(s);
    group_check_input(s);
    if (s->handler.turn_end) s->handler.turn_end(s->handler.ctx);
    while (s->dead != NULL) {
        struct conn *c = s->dead;
        s->dead = c->next_dead;
        conn_free(c);
    }
}

static void *loop(void *arg)
{
    struct http_server *s = arg;
    struct epoll_event events[TURN_EVENTS];
    uint64_t next_tick = 0;
    (void)pthread_mutex_lock(&s->lock);
    (void)pthread_mutex_unlock(&s->lock);
    /* Linux keeps a niceness for each thread; who == 0 is the one that asks */
    if (s->cfg.nice != 0) (void)setpriority(PRIO_PROCESS, 0, s->cfg.nice);
    while (!atomic_load(&s->stop)) {
        int n = epoll_wait(s->epoll_fd, events, TURN_EVENTS, TICK_MS);
        read_clock(s);
        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == &s->listen_fd) {
                accept_all(s);
            } else if (events[i].data.ptr == &s->event_fd) {
                read_mail(s);
            } else {
                struct conn *c = events[i].data.ptr;
                if (c->state == CONN_DEAD) continue;
                uint32_t ev = events[i].events;
                if (ev & (EPOLLERR | EPOLLHUP) && !(ev & EPOLLIN && c->events & EPOLLIN)) {
                    conn_kill(c);
                    continue;
                }
                if (ev & EPOLLOUT && c->out_len > 0) conn_want_flush(c);
                if (ev & EPOLLIN || (ev & EPOLLOUT && c->ssl_wants_write)) conn_read(c);
            }
        }
        if (s->now_ms >= next_tick) {
            next_tick = s->now_ms + TICK_MS;
            check_timeouts(s);
            if (s->accept_paused) listen_events(s, true);
        }
        end_turn(s);
    }
    while (s->conns != NULL) conn_kill(s->conns);
    end_turn(s);
    return NULL;
}

/* ------------------------------------------------------------------ start and stop */

static enum status parse_address(struct sockaddr_storage *sa, socklen_t *len, const struct http_server_config *cfg, struct err *err)
{
    const char *text = cfg->bind_address ? cfg->bind_address : "127.0.0.1";
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)sa;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)sa;
    memset(sa, 0, sizeof *sa);
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(cfg->port);
        *len = sizeof *v4;
        return OK;
    }
    if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(cfg->port);
        *len = sizeof *v6;
        return OK;
    }
    return err_set(err, E_INVALID, "'%s' is no IP address to listen on: give one like 127.0.0.1 or ::1", text);
}

static enum status open_unix_listener(struct http_server *s, struct err *err)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    struct stat st;
    const char *path = s->unix_path;
    if (strlen(path) >= sizeof sa.sun_path) return err_set(err, E_INVALID, "%s: a socket's path has at most %zu characters", path, sizeof sa.sun_path - 1);
    memcpy(sa.sun_path, path, strlen(path) + 1);
    /* what a process that was killed left behind is taken away; anything that is no socket stays */
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) IGNORE(unlink(path), "bind tells");
    s->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    mode_t old = umask(0177);
    s->is_bound = s->listen_fd >= 0 && bind(s->listen_fd, (struct sockaddr *)&sa, sizeof sa) == 0;
    const int e = errno;
    umask(old);
    if (!s->is_bound) return err_set(err, status_from_errno(e), "cannot listen on %s: %s", path, strerror(e));
    if (listen(s->listen_fd, 64) != 0) return err_set(err, status_from_errno(errno), "cannot listen on %s: %s", path, strerror(errno));
    return OK;
}

static enum status open_listener(struct http_server *s, struct err *err)
{
    if (s->unix_path != NULL) return open_unix_listener(s, err);
    if (s->cfg.first != NULL) {
        s->port = s->cfg.first->port;
        return OK;
    }
    struct sockaddr_storage sa;
    socklen_t len;
    const char *addr = s->cfg.bind_address ? s->cfg.bind_address : "127.0.0.1";
    enum status st = parse_address(&sa, &len, &s->cfg, err);
    if (st != OK) return st;
    s->listen_fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->listen_fd < 0) return err_set(err, status_from_errno(errno), "socket: %s", strerror(errno));
    int one = 1;
    (void)setsockopt(s->listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(s->listen_fd, (struct sockaddr *)&sa, len) != 0 || listen(s->listen_fd, 1024) != 0) {
        int e = errno;
        if (e == EADDRINUSE)
            return err_set(err, E_BUSY, "%s port %u is taken by another program: stop it or choose another port", addr, s->cfg.port);
        if (e == EACCES)
            return err_set(err, E_DENIED, "%s port %u: no permission to listen there (ports below 1024 need a privilege)", addr,
                           s->cfg.port);
        if (e == EADDRNOTAVAIL) return err_set(err, E_INVALID, "%s is no address of this machine", addr);
        return err_set(err, E_IO, "%s port %u: %s", addr, s->cfg.port, strerror(e));
    }
    len = sizeof sa;
    if (getsockname(s->listen_fd, (struct sockaddr *)&sa, &len) != 0) return err_set(err, E_IO, "getsockname: %s", strerror(errno));
    s->port = ntohs(sa.ss_family == AF_INET ? ((struct sockaddr_in *)(void *)&sa)->sin_port
                                            : ((struct sockaddr_in6 *)(void *)&sa)->sin6_port);
    return OK;
}

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in, unsigned in_len, void *arg)
{
    (void)ssl, (void)arg;
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_len, ours, sizeof ours - 1, in, in_len) != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static enum status tls_fail(struct err *err, const char *what, const char *file)
{
    char text[200];
    ERR_error_string_n(ERR_get_error(), text, sizeof text);
    return err_set(err, E_INVALID, "%s %s: %s", what, file, text);
}

static enum status fill_tls(SSL_CTX *tls, const char *cert, const char *key, const char *client_ca, struct err *err)
{
    SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION);
    SSL_CTX_set_options(tls, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_alpn_select_cb(tls, choose_alpn, NULL);
    if (SSL_CTX_use_certificate_chain_file(tls, cert) != 1) return tls_fail(err, "TLS certificate", cert);
    if (SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1) return tls_fail(err, "TLS key", key);
    if (SSL_CTX_check_private_key(tls) != 1) return tls_fail(err, "TLS key does not belong to the certificate", key);
    if (client_ca != NULL) {
        if (SSL_CTX_load_verify_locations(tls, client_ca, NULL) != 1) return tls_fail(err, "TLS client authority", client_ca);
        SSL_CTX_set_client_CA_list(tls, SSL_load_client_CA_file(client_ca));
        SSL_CTX_set_verify(tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
        static const unsigned char context[] = "poa";
        (void)SSL_CTX_set_session_id_context(tls, context, sizeof context - 1);
    }
    return OK;
}

enum status http_server_reload_tls(struct http_server *s, const char *cert, const char *key, const char *client_ca, struct err *err)
{
    ERR_clear_error();
    SSL_CTX *tls = SSL_CTX_new(TLS_server_method());
    if (tls == NULL) return err_set(err, E_NOMEM, "TLS: out of memory");
    enum status st = fill_tls(tls, cert, key, client_ca, err);
    if (st != OK) {
        SSL_CTX_free(tls);
        return st;
    }
    SSL_CTX_free(s->tls); /* connections that stand hold it as long as they need it */
    s->tls = tls;
    return OK;
}

static enum status open_tls(struct http_server *s, struct err *err)
{
    const struct http_server_config *cfg = &s->cfg;
    if (cfg->tls_cert_file == NULL && cfg->tls_key_file == NULL) return OK;
    if (cfg->tls_cert_file == NULL || cfg->tls_key_file == NULL)
        return err_set(err, E_INVALID, "TLS needs both a certificate and a key file");
    return http_server_reload_tls(s, cfg->tls_cert_file, cfg->tls_key_file, cfg->tls_client_ca_file, err);
}

static enum status open_loop(struct http_server *s, struct err *err)
{
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    s->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    struct epoll_event l = {.events = EPOLLIN, .data.ptr = &s->listen_fd}, v = {.events = EPOLLIN, .data.ptr = &s->event_fd};
    if (s->epoll_fd < 0 || s->event_fd < 0 || (s->listen_fd >= 0 && epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->listen_fd, &l) != 0) ||
        epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->event_fd, &v) != 0)
        return err_set(err, E_IO, "epoll: %s", strerror(errno));
    return OK;
}

static void server_free(struct http_server *s)
{
    if (s->is_bound) IGNORE(unlink(s->unix_path), "it is of no use any more");
    if (s->listen_fd >= 0) (void)close(s->listen_fd);
    if (s->epoll_fd >= 0) (void)close(s->epoll_fd);
    if (s->event_fd >= 0) (void)close(s->event_fd);
    for (struct mail *m = mail_take(s); m != NULL; m = mail_take(s)) {
        if (m->is_response) conn_free(m->conn);
        if (m->conn == NULL) (void)close(m->fd);
        chunks_free(m->chunks);
        free(m);
    }
    SSL_CTX_free(s->tls);
    group_leave(s);
    chunks_free(s->spare);
    (void)pthread_mutex_destroy(&s->lock);
    free(s->unix_path);
    free(s->scratch);
    free(s);
}

enum status http_server_start(struct http_server **out, const struct http_server_config *cfg, const struct http_handler *h,
                              struct err *err)
{
    struct http_server *s = calloc(1, sizeof *s);
    if (s == NULL) return err_set(err, E_NOMEM, "HTTP server: out of memory");
    s->cfg = *cfg;
    s->handler = *h;
    if (s->cfg.max_body == 0) s->cfg.max_body = DEFAULT_MAX_BODY;
    if (s->cfg.max_connections == 0) s->cfg.max_connections = DEFAULT_CONNECTIONS;
    if (s->cfg.idle_timeout_s == 0) s->cfg.idle_timeout_s = DEFAULT_IDLE_S;
    if (s->cfg.max_unsent == 0) s->cfg.max_unsent = DEFAULT_UNSENT;
    s->listen_fd = s->epoll_fd = s->event_fd = -1;
    (void)pthread_mutex_init(&s->lock, NULL);
    read_clock(s);
    s->scratch = malloc(READ_CHUNK);
    s->unix_path = cfg->unix_path ? strdup(cfg->unix_path) : NULL;
    enum status st = s->scratch && (s->unix_path || !cfg->unix_path) ? OK : err_set(err, E_NOMEM, "HTTP server: out of memory");
    if (st == OK) st = group_join(s, err);
    if (st == OK) st = open_tls(s, err);
    if (st == OK) st = open_listener(s, err);
    if (st == OK) st = open_loop(s, err);
    /* file names and the address belong to the caller: not used from here on */
    s->cfg.bind_address = s->cfg.tls_cert_file = s->cfg.tls_key_file = s->cfg.tls_client_ca_file = s->cfg.unix_path = NULL;
    if (st == OK) {
        s->has_thread = true;
        (void)pthread_mutex_lock(&s->lock); /* the thread waits for it, so that it finds its own id */
        int failed = pthread_create(&s->thread, NULL, loop, s);
        (void)pthread_mutex_unlock(&s->lock);
        if (failed) {
            s->has_thread = false;
            st = err_set(err, E_NOMEM, "HTTP server: no thread");
        }
    }
    if (st != OK) {
        server_free(s);
        return st;
    }
    *out = s;
    return OK;
}

void http_server_stop(struct http_server *s)
{
    if (s == NULL) return;
    atomic_store(&s->stop, true);
    server_ring(s);
    (void)pthread_join(s->thread, NULL);
    server_free(s);
}

uint16_t http_server_port(const struct http_server *s)
{
    return s->port;
}

void http_server_wake(struct http_server *s)
{
    if (!atomic_exchange(&s->wake, true)) server_ring(s);
}

size_t http_server_connections(const struct http_server *s)
{
    return atomic_load(&s->n_conns);
}
