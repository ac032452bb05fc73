/* OpenSSL first: its headers name parameters by words that lib/base/attr.h poisons. */
#include <openssl/ssl.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "tests/bench/http_load/load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { IN_MAX = 256 << 10, OUT_MAX = 1 << 20, LEASE_MAX = 64, BUCKET_US = 10, BUCKETS = 1 << 20 }; /* the last bucket: ten seconds and more */

struct line {
    int fd;
    SSL *ssl;
    unsigned number;
    uint64_t sent, answered; /* steps */
    uint64_t at_us[LOAD_DEPTH_MAX];
    char lease[LEASE_MAX];
    struct buf in, out;
    size_t out_pos;
    bool wants_write;
};

struct load {
    const struct load_config *cfg;
    struct load_result *result;
    struct err *err;
    int epoll_fd;
    SSL_CTX *tls;
    struct line *lines;
    uint32_t *times[LOAD_STEPS_MAX];
    uint64_t end_us;
    unsigned open;
};

static uint64_t now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* ------------------------------------------------------------------- asking */

static void put_filled(struct buf *out, const char *text, const struct load *l, const struct line *c)
{
    uint64_t round = c->sent / l->cfg->n_steps;
    for (const char *p = text; *p;) {
        const char *brace = strchr(p, '{');
        size_t n = brace ? (size_t)(brace - p) : strlen(p);
        buf_put(out, p, n);
        p += n;
        if (brace == NULL) break;
        if (strncmp(p, "{c}", 3) == 0) buf_printf(out, "%u", c->number);
        else if (strncmp(p, "{n}", 3) == 0) buf_printf(out, "%llu", (unsigned long long)round);
        else if (strncmp(p, "{k}", 3) == 0) buf_printf(out, "%llu", (unsigned long long)((c->number * 7919 + round * 104729) % l->cfg->keys));
        else if (strncmp(p, "{lease}", 7) == 0) buf_put_str(out, c->lease);
        else {
            buf_put_u8(out, (uint8_t)*p++); /* a brace of its own */
            continue;
        }
        p = strchr(p, '}') + 1;
    }
}

static void ask(struct load *l, struct line *c, struct buf *body)
{
    const struct load_step *s = &l->cfg->steps[c->sent % l->cfg->n_steps];
    buf_clear(body);
    put_filled(body, s->body, l, c);
    put_filled(&c->out, s->head, l, c);
    buf_printf(&c->out, "Content-Length: %zu\r\n\r\n", body->len);
    buf_put_bytes(&c->out, buf_view(body));
    c->at_us[c->sent++ % LOAD_DEPTH_MAX] = now_us();
}

/* the bytes of one answer, 0: not all there */
static size_t answer_len(const uint8_t **head_end, bytes in)
{
    const uint8_t *end = memmem(in.ptr, in.len, "\r\n\r\n", 4);
    if (end == NULL) return 0;
    size_t len = 0, head = (size_t)(end - in.ptr) + 4;
    bool chunked = false;
    for (const uint8_t *p = in.ptr; p < end;) {
        const char *h = (const char *)p;
        if (strncasecmp(h, "content-length:", 15) == 0) len = strtoull(h + 15, NULL, 10);
        if (strncasecmp(h, "transfer-encoding: chunked", 26) == 0) chunked = true;
        const uint8_t *nl = memchr(p, '\n', (size_t)(end + 2 - p));
        if (nl == NULL) break;
        p = nl + 1;
    }
    *head_end = end;
    if (chunked) {
        const uint8_t *last = memmem(in.ptr + head, in.len - head, "0\r\n\r\n", 5);
        return last ? (size_t)(last - in.ptr) + 5 : 0;
    }
    return in.len >= head + len ? head + len : 0;
}

static void note_lease(struct line *c, bytes head)
{
    for (const uint8_t *p = head.ptr, *end = head.ptr + head.len; p < end;) {
        const uint8_t *nl = memchr(p, '\n', (size_t)(end - p));
        size_t n = (size_t)((nl ? nl : end) - p);
        if (n > 15 && strncasecmp((const char *)p, "x-ms-lease-id: ", 15) == 0) {
            size_t v = 15;
            while (v < n && p[v] != '\r') v++;
            if (v - 15 < LEASE_MAX) {
                memcpy(c->lease, p + 15, v - 15);
                c->lease[v - 15] = 0;
            }
            return;
        }
        p = nl ? nl + 1 : end;
    }
}

/* what has come in to answers */
static enum status take_answers(struct load *l, struct line *c)
{
    size_t pos = 0;
    while (pos < c->in.len) {
        const uint8_t *head_end;
        bytes in = bytes_make(c->in.ptr + pos, c->in.len - pos);
        size_t n = answer_len(&head_end, in);
        if (n == 0) break;
        size_t step = c->answered % l->cfg->n_steps;
        unsigned status = in.len > 12 ? (unsigned)strtoul((const char *)in.ptr + 9, NULL, 10) : 0;
        if (c->answered == c->sent || status != l->cfg->steps[step].status)
            return err_set(l->err, E_INVALID, "step %zu: %.*s", step, (int)(n < 600 ? n : 600), (const char *)in.ptr);
        note_lease(c, bytes_make(in.ptr, (size_t)(head_end - in.ptr)));
        uint64_t took = (now_us() - c->at_us[c->answered++ % LOAD_DEPTH_MAX]) / BUCKET_US;
        l->times[step][took < BUCKETS ? took : BUCKETS - 1]++;
        l->result->requests++;
        pos += n;
    }
    buf_consume(&c->in, pos);
    return OK;
}

/* -------------------------------------------------------------------- bytes */

/* ret bytes, 0: would block, -1: broken */
static ssize_t move(struct line *c, bool out, uint8_t *p, size_t len)
{
    if (c->ssl == NULL) {
        ssize_t n = out ? send(c->fd, p, len, MSG_NOSIGNAL) : recv(c->fd, p, len, 0);
        if (n < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
        return n == 0 ? -1 : n;
    }
    size_t n = 0;
    int r = out ? SSL_write_ex(c->ssl, p, len, &n) : SSL_read_ex(c->ssl, p, len, &n);
    if (r == 1) return (ssize_t)n;
    int e = SSL_get_error(c->ssl, r);
    return e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static enum status flush(struct load *l, struct line *c)
{
    if (buf_status(&c->out) != OK) return err_set(l->err, E_NOMEM, "out of memory");
    while (c->out_pos < c->out.len) {
        ssize_t n = move(c, true, c->out.ptr + c->out_pos, c->out.len - c->out_pos);
        if (n < 0) return err_set(l->err, E_IO, "connection %u is broken", c->number);
        if (n == 0) break;
        c->out_pos += (size_t)n;
    }
    bool waits = c->out_pos < c->out.len;
    if (!waits) {
        buf_clear(&c->out);
        c->out_pos = 0;
    }
    if (waits == c->wants_write) return OK;
    c->wants_write = waits;
    struct epoll_event e = {.events = EPOLLIN | (waits ? (uint32_t)EPOLLOUT : 0), .data.ptr = c};
    return epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, c->fd, &e) == 0 ? OK : err_set(l->err, E_IO, "epoll: %s", strerror(errno));
}

static enum status turn(struct load *l, struct line *c, uint32_t events, struct buf *body)
{
    while (events & EPOLLIN) {
        enum { CHUNK = 64 << 10 };
        uint8_t *p = buf_reserve(&c->in, CHUNK);
        if (p == NULL) return err_set(l->err, E_LIMIT, "an answer of more than %d bytes", IN_MAX);
        ssize_t n = move(c, false, p, CHUNK);
        if (n < 0) return err_set(l->err, E_IO, "connection %u is closed", c->number);
        if (n == 0) break;
        c->in.len += (size_t)n;
        enum status s = take_answers(l, c);
        if (s != OK) return s;
        if (c->ssl == NULL && n < CHUNK) break;
    }
    if (now_us() < l->end_us) {
        while (c->sent - c->answered < l->cfg->depth) ask(l, c, body);
    } else if (c->sent == c->answered && c->fd >= 0) {
        (void)epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, c->fd, NULL);
        l->open--;
        return OK;
    }
    return flush(l, c);
}

/* --------------------------------------------------------------------- life */

static enum status connect_line(struct load *l, struct line *c, unsigned number)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(l->cfg->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    c->number = number;
    buf_init(&c->in, IN_MAX);
    buf_init(&c->out, OUT_MAX);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&sa, sizeof sa) != 0) return err_set(l->err, E_IO, "connect: %s", strerror(errno));
    (void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (l->tls != NULL) {
        c->ssl = SSL_new(l->tls);
        if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1 || SSL_connect(c->ssl) != 1) return err_set(l->err, E_IO, "TLS: no handshake");
    }
    (void)fcntl(c->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, c->fd, &e) != 0) return err_set(l->err, E_IO, "epoll: %s", strerror(errno));
    l->open++;
    return OK;
}

static enum status open_all(struct load *l)
{
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    l->lines = calloc(l->cfg->connections, sizeof *l->lines);
    if (l->lines == NULL) return err_set(l->err, E_NOMEM, "out of memory");
    for (unsigned i = 0; i < l->cfg->connections; i++) l->lines[i].fd = -1;
    for (size_t i = 0; i < l->cfg->n_steps; i++)
        if ((l->times[i] = calloc(BUCKETS, sizeof *l->times[i])) == NULL) return err_set(l->err, E_NOMEM, "out of memory");
    if (l->cfg->ca_file != NULL) {
        l->tls = SSL_CTX_new(TLS_client_method());
        if (l->tls == NULL || SSL_CTX_load_verify_locations(l->tls, l->cfg->ca_file, NULL) != 1) return err_set(l->err, E_IO, "%s: no authority", l->cfg->ca_file);
        SSL_CTX_set_verify(l->tls, SSL_VERIFY_PEER, NULL);
        SSL_CTX_set_mode(l->tls, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    }
    for (unsigned i = 0; i < l->cfg->connections; i++) {
        enum status s = connect_line(l, &l->lines[i], i);
        if (s != OK) return s;
    }
    return OK;
}

static void close_all(struct load *l)
{
    for (unsigned i = 0; l->lines != NULL && i < l->cfg->connections; i++) {
        struct line *c = &l->lines[i];
        SSL_free(c->ssl);
        if (c->fd >= 0) (void)close(c->fd);
        buf_fini(&c->in);
        buf_fini(&c->out);
    }
    free(l->lines);
    for (size_t i = 0; i < LOAD_STEPS_MAX; i++) free(l->times[i]);
    SSL_CTX_free(l->tls);
    if (l->epoll_fd >= 0) (void)close(l->epoll_fd);
}

static double at(const uint32_t *times, double share)
{
    uint64_t n = 0, seen = 0;
    for (size_t i = 0; i < BUCKETS; i++) n += times[i];
    for (size_t i = 0; i < BUCKETS; i++) {
        seen += times[i];
        if (n > 0 && (double)seen >= share * (double)n) return (double)(i + 1) * BUCKET_US / 1000;
    }
    return 0;
}

static enum status run(struct load *l)
{
    struct epoll_event events[64];
    struct buf body;
    enum status s = open_all(l);
    buf_init(&body, OUT_MAX);
    const uint64_t began = now_us();
    l->end_us = began + (uint64_t)(l->cfg->seconds * 1e6);
    for (unsigned i = 0; s == OK && i < l->cfg->connections; i++) s = turn(l, &l->lines[i], 0, &body);
    while (s == OK && l->open > 0) {
        int n = epoll_wait(l->epoll_fd, events, 64, 30000);
        if (n == 0) s = err_set(l->err, E_IO, "no answer for half a minute");
        for (int i = 0; i < n && s == OK; i++) s = turn(l, events[i].data.ptr, events[i].events, &body);
    }
    l->result->seconds = (double)(now_us() - began) / 1e6;
    buf_fini(&body);
    return s;
}

enum status load_run(struct load_result *out, const struct load_config *cfg, struct err *err)
{
    struct load_result r = {0};
    struct load l = {.cfg = cfg, .result = &r, .err = err, .epoll_fd = -1};
    (void)signal(SIGPIPE, SIG_IGN);
    enum status s = run(&l);
    for (size_t i = 0; s == OK && i < cfg->n_steps; i++) {
        r.steps[i].p50_ms = at(l.times[i], 0.5);
        r.steps[i].p99_ms = at(l.times[i], 0.99);
        r.steps[i].max_ms = at(l.times[i], 1);
    }
    close_all(&l);
    if (s == OK) *out = r;
    return s;
}
