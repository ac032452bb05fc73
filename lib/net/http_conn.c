#include <errno.h>
#include <openssl/err.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/net/http_server_priv.h"

#include "lib/base/secret.h"

/* ------------------------------------------------------------ output */

struct out_chunk *chunk_new(size_t cap)
{
    struct out_chunk *k = malloc(sizeof *k + cap);
    if (k == NULL) return NULL;
    *k = (struct out_chunk){.ptr = (uint8_t *)(k + 1), .cap = cap};
    return k;
}

/* one for small answers */
static struct out_chunk *chunk_take(struct http_server *s)
{
    struct out_chunk *k = s->spare;
    if (k == NULL) return chunk_new(OUT_CHUNK);
    s->spare = k->next;
    s->n_spare--;
    k->next = NULL;
    k->len = k->pos = 0;
    return k;
}

static void chunk_free(struct out_chunk *k)
{
    if (k->ptr != (uint8_t *)(k + 1)) free(k->ptr);
    free(k);
}

void chunks_free(struct out_chunk *k)
{
    while (k != NULL) {
        struct out_chunk *next = k->next;
        chunk_free(k);
        k = next;
    }
}

/* one that is sent: the next answer of whichever connection takes it, while it is still in the cache */
static void chunk_put_back(struct http_server *s, struct out_chunk *k)
{
    if (k->cap != OUT_CHUNK || s->n_spare == SPARE_CHUNKS) {
        chunk_free(k);
        return;
    }
    if (s->cfg.wipes) secret_wipe(k->ptr, k->len);
    k->next = s->spare;
    s->spare = k;
    s->n_spare++;
}

static void out_grew(struct conn *c, size_t n)
{
    if (c->out_len == 0) c->sent_ms = c->server->now_ms;
    c->out_len += n;
    c->server->unsent += n;
}

static void out_consume(struct conn *c, size_t n)
{
    c->out_len -= n;
    c->server->unsent -= n;
    while (n > 0) {
        struct out_chunk *k = c->out_head;
        size_t left = k->len - k->pos;
        if (n < left) {
            k->pos += n;
            return;
        }
        n -= left;
        c->out_head = k->next;
        if (c->out_head == NULL) c->out_tail = NULL;
        chunk_put_back(c->server, k);
    }
}

/* to the output of a connection that lives */
static void link_chunks(struct conn *c, struct out_chunk *k)
{
    for (struct out_chunk *p = k; p != NULL; p = p->next) {
        out_grew(c, p->len);
        if (c->out_tail) c->out_tail->next = p;
        else c->out_head = p;
        c->out_tail = p;
    }
}

void conn_append_chunk(struct conn *c, struct out_chunk *k)
{
    if (c->state == CONN_DEAD) chunks_free(k);
    else link_chunks(c, k);
}

void conn_append(struct conn *c, const void *data, size_t len)
{
    const uint8_t *p = data;
    while (len > 0 && c->state != CONN_DEAD) {
        struct out_chunk *t = c->out_tail;
        if (t == NULL || t->len == t->cap) {
            t = len > OUT_CHUNK ? chunk_new(len) : chunk_take(c->server);
            if (t == NULL) BUG("out of memory for an answer");
            link_chunks(c, t);
        }
        size_t n = t->cap - t->len < len ? t->cap - t->len : len;
        memcpy(t->ptr + t->len, p, n);
        t->len += n;
        out_grew(c, n);
        p += n;
        len -= n;
    }
}

void conn_append_long(struct conn *c, const void *data, size_t len)
{
    struct iovec iov[8];
    size_t n = 0, sent = 0, before = c->out_len;
    struct out_chunk *k = c->out_head;
    for (; k != NULL && n < COUNT_OF(iov) - 1; k = k->next)
        if (k->len > k->pos) iov[n++] = (struct iovec){k->ptr + k->pos, k->len - k->pos};
    if (k == NULL && c->ssl == NULL && c->state != CONN_DEAD) {
        iov[n++] = (struct iovec){(void *)(uintptr_t)data, len};
        struct msghdr msg = {.msg_iov = iov, .msg_iovlen = n};
        ssize_t r = sendmsg(c->fd, &msg, MSG_NOSIGNAL);
        if (r > 0) { /* of an error the next flush hears */
            sent = (size_t)r;
            out_consume(c, sent < before ? sent : before);
            sent -= sent < before ? sent : before;
            c->last_ms = c->sent_ms = c->server->now_ms;
        }
    }
    if (sent < len) conn_append(c, (const uint8_t *)data + sent, len - sent);
}

void conn_want_flush(struct conn *c)
{
    if (c->in_flush_list || c->state == CONN_DEAD) return;
    c->in_flush_list = true;
    c->next_flush = c->server->flush;
    c->server->flush = c;
}

/* ret bytes written, 0: would block, -1: broken */
static ssize_t write_some(struct conn *c)
{
    if (c->ssl == NULL) {
        struct iovec iov[16];
        int n = 0;
        for (struct out_chunk *k = c->out_head; k != NULL && n < 16; k = k->next)
            if (k->len > k->pos) iov[n++] = (struct iovec){k->ptr + k->pos, k->len - k->pos};
        struct msghdr msg = {.msg_iov = iov, .msg_iovlen = (size_t)n};
        /* nearly all answers are one piece: that is the cheaper call */
        ssize_t r = n == 1 ? send(c->fd, iov[0].iov_base, iov[0].iov_len, MSG_NOSIGNAL) : sendmsg(c->fd, &msg, MSG_NOSIGNAL);
        if (r < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
        return r;
    }
    struct out_chunk *k = c->out_head;
    while (k->len == k->pos) k = k->next;
    size_t done = 0, left = k->len - k->pos;
    ERR_clear_error();
    int r = SSL_write_ex(c->ssl, k->ptr + k->pos, left, &done);
    if (r == 1) return (ssize_t)done;
    int e = SSL_get_error(c->ssl, r);
    if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE) return 0;
    return -1;
}

static void start_drain(struct conn *c)
{
    c->state = CONN_DRAIN;
    c->drain_until_ms = c->server->now_ms + DRAIN_MS;
    buf_fini(&c->in);
    c->in_pos = 0;
    if (c->ssl) (void)SSL_shutdown(c->ssl);
    (void)shutdown(c->fd, SHUT_WR);
}

void conn_flush(struct conn *c)
{
    if (c->state == CONN_DEAD) return;
    while (c->out_len > 0) {
        ssize_t n = write_some(c);
        if (n < 0) {
            conn_kill(c);
            return;
        }
        if (n == 0) break;
        out_consume(c, (size_t)n);
        c->last_ms = c->sent_ms = c->server->now_ms;
    }
    if (c->out_len == 0) {
        if (c->drain_after_flush && c->state != CONN_DRAIN) {
            start_drain(c);
        } else if (c->close_after_flush) {
            if (c->ssl) (void)SSL_shutdown(c->ssl);
            conn_kill(c);
            return;
        }
    }
    conn_update_events(c);
}

void conn_error_close(struct conn *c)
{
    c->drain_after_flush = true;
    conn_want_flush(c);
}

/* ------------------------------------------------------------- input */

static bool wants_input(const struct conn *c)
{
    if (c->state == CONN_DRAIN) return true;
    if (c->drain_after_flush || c->close_after_flush || c->peer_done) return false;
    if (c->state == CONN_WS) return !c->pending && c->out_len < OUT_PARSE_MAX;
    return !c->pending && c->in.len == c->in_pos && c->out_len < OUT_PARSE_MAX;
}

void conn_update_events(struct conn *c)
{
    if (c->state == CONN_DEAD) return;
    uint32_t ev = 0;
    /* most requests are answered before the client says more: to stop listening for that time would cost two system calls for each of them */
    bool stays = c->pending && !c->knocked && (c->events & EPOLLIN) != 0 && c->state == CONN_HTTP && !c->peer_done;
    if (wants_input(c) || stays) ev |= EPOLLIN;
    if (c->out_len > 0 || c->ssl_wants_write) ev |= EPOLLOUT;
    if (ev == c->events) return;
    struct epoll_event e = {.events = ev, .data.ptr = c};
    if (epoll_ctl(c->server->epoll_fd, EPOLL_CTL_MOD, c->fd, &e) != 0) {
        conn_kill(c);
        return;
    }
    c->events = ev;
}

/* ret bytes, 0: end of stream, -1: would block, -2: broken */
static ssize_t read_some(struct conn *c, uint8_t *dst, size_t cap)
{
    if (c->ssl == NULL) {
        ssize_t n = recv(c->fd, dst, cap, 0);
        if (n < 0) return errno == EAGAIN || errno == EINTR ? -1 : -2;
        return n;
    }
    size_t done = 0;
    ERR_clear_error();
    int r = SSL_read_ex(c->ssl, dst, cap, &done);
    if (r == 1) return (ssize_t)done;
    int e = SSL_get_error(c->ssl, r);
    c->ssl_wants_write = e == SSL_ERROR_WANT_WRITE;
    if (e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE) return -1;
    return e == SSL_ERROR_ZERO_RETURN ? 0 : -2;
}

static void on_end_of_stream(struct conn *c)
{
    c->peer_done = true;
    if (c->state == CONN_DRAIN || c->out_len == 0) {
        if (!c->pending) conn_kill(c);
    } else {
        c->close_after_flush = true;
    }
}

static void on_input(struct conn *c, const uint8_t *data, size_t len)
{
    c->last_ms = c->server->now_ms;
    if (c->state == CONN_DRAIN) {
        c->drained += len;
        if (c->drained > DRAIN_MAX) conn_kill(c);
    } else if (c->state == CONN_WS) {
        ws_feed(c, data, len);
    } else {
        size_t taken = http_feed(c, data, len);
        if (taken == len || c->state == CONN_DEAD || c->drain_after_flush || c->close_after_flush) return;
        if (c->state == CONN_WS) {
            ws_feed(c, data + taken, len - taken);
            return;
        }
        buf_put(&c->in, data + taken, len - taken);
        if (buf_status(&c->in) != OK) conn_kill(c);
    }
}

void conn_read(struct conn *c)
{
    if (c->pending) c->knocked = true;
    /* TLS may hold decrypted bytes that epoll knows nothing of: read until it would block, or until input has to wait */
    for (int turns = 0; turns < 16 && c->state != CONN_DEAD && wants_input(c); turns++) {
        ssize_t n = read_some(c, c->server->scratch, READ_CHUNK);
        if (n == -1) break;
        if (n == -2) {
            conn_kill(c);
            return;
        }
        if (n == 0) {
            on_end_of_stream(c);
            break;
        }
        on_input(c, c->server->scratch, (size_t)n);
        if (c->server->cfg.wipes) secret_wipe(c->server->scratch, (size_t)n);
        if (c->ssl == NULL && n < READ_CHUNK) break;
        if (c->ssl != NULL && turns == 15 && SSL_pending(c->ssl) > 0) turns = 0;
    }
    if (c->state != CONN_DEAD) conn_want_flush(c); /* also sets what to wait for */
}

void conn_kill(struct conn *c)
{
    if (c->state == CONN_DEAD) return;
    struct http_server *s = c->server;
    enum conn_state was = c->state;
    c->state = CONN_DEAD;
    if (was == CONN_WS || c->ws != NULL) ws_fini(c);
    (void)epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
    (void)close(c->fd);
    c->fd = -1;
    if (c->prev) c->prev->next = c->next;
    else s->conns = c->next;
    if (c->next) c->next->prev = c->prev;
    c->prev = c->next = NULL;
    s->unsent -= c->out_len; /* nobody reads it any more */
    c->out_len = 0;
    chunks_free(c->out_head);
    c->out_head = c->out_tail = NULL;
    if (c->pending) {
        c->orphan = true; /* someone holds its request; it counts, and is there, until that is answered */
        return;
    }
    conn_bury(c);
}
