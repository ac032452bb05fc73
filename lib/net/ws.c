#include <openssl/evp.h>
#include <openssl/sha.h>
#include <strings.h>

#include "lib/net/http_server_priv.h"

#define WS_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* RFC 6455, section 1.3 */

bool ws_is_handshake(const struct http_request *r)
{
    const char *u = http_request_header(r, "Upgrade");
    return u != NULL && strcasecmp(u, "websocket") == 0 && r->method == HTTP_GET;
}

/* ---------------------------------------------------------- wslay's callbacks */

static ssize_t on_wslay_recv(wslay_event_context_ptr ctx, uint8_t *dst, size_t cap, int flags, void *arg)
{
    (void)flags;
    struct conn *c = arg;
    /* the input that is being fed lies in c->in */
    size_t left = c->in.len - c->in_pos;
    if (left == 0 || c->pending) {
        wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    size_t n = left < cap ? left : cap;
    memcpy(dst, c->in.ptr + c->in_pos, n);
    c->in_pos += n;
    c->ws->n_fed += n;
    return (ssize_t)n;
}

static ssize_t on_wslay_send(wslay_event_context_ptr ctx, const uint8_t *data, size_t len, int flags, void *arg)
{
    (void)ctx, (void)flags;
    struct conn *c = arg;
    conn_append(c, data, len);
    return (ssize_t)len;
}

static void hand_out(struct conn *c, bytes message)
{
    if (c->server->handler.ws_message) c->server->handler.ws_message(c->server->handler.ctx, c->ws, message);
}

static void on_wslay_message(wslay_event_context_ptr ctx, const struct wslay_event_on_msg_recv_arg *m, void *arg)
{
    (void)ctx;
    struct conn *c = arg;
    if (wslay_is_ctrl_frame(m->opcode) || c->state != CONN_WS || !c->ws->is_open) return;
    c->ws->n_fed = 0;
    if (!c->pending) {
        hand_out(c, bytes_make(m->msg, m->msg_length));
        return;
    }
    /* held, and wslay had read on: its own buffer is small, so these are few */
    struct out_chunk *k = chunk_new(m->msg_length), **last = &c->ws->waiting;
    if (k == NULL) BUG("out of memory for a message");
    memcpy(k->ptr, m->msg, m->msg_length);
    k->len = m->msg_length;
    while (*last != NULL) last = &(*last)->next;
    *last = k;
}

/* ------------------------------------------------------------------ handshake */

static void refuse(struct conn *c, int status)
{
    http_respond(&c->req, status, "text/plain", BYTES_EMPTY, &(struct http_header){"Sec-WebSocket-Version", "13"}, 1);
}

static bool accept_key(char dst[static 32], const char *key)
{
    uint8_t sha[SHA_DIGEST_LENGTH], text[128];
    size_t n = strlen(key);
    if (n != 24) return false;
    memcpy(text, key, n);
    memcpy(text + n, WS_GUID, sizeof WS_GUID - 1);
    SHA1(text, n + sizeof WS_GUID - 1, sha);
    return EVP_EncodeBlock((unsigned char *)dst, sha, sizeof sha) == 28;
}

void ws_accept(struct conn *c)
{
    static const struct wslay_event_callbacks callbacks = {.recv_callback = on_wslay_recv,
                                                           .send_callback = on_wslay_send,
                                                           .on_msg_recv_callback = on_wslay_message};
    struct http_server *s = c->server;
    char key[32], text[256];
    const char *k = http_request_header(&c->req, "Sec-WebSocket-Key"), *v = http_request_header(&c->req, "Sec-WebSocket-Version");
    if (k == NULL || v == NULL || strcmp(v, "13") != 0 || !accept_key(key, k)) {
        refuse(c, v != NULL && strcmp(v, "13") != 0 ? 426 : 400);
        return;
    }
    c->pending = false;
    struct ws_conn *w = calloc(1, sizeof *w);
    char *path = strdup(http_request_path(&c->req));
    if (w == NULL || path == NULL || wslay_event_context_server_init(&w->ctx, &callbacks, c) != 0) {
        free(w);
        free(path);
        conn_kill(c);
        return;
    }
    w->conn = c;
    w->path = path;
    wslay_event_config_set_max_recv_msg_length(w->ctx, s->cfg.max_body);
    c->ws = w;
    /* the answer goes first, so that ws_open may send; taken back when it refuses */
    int n = snprintf(text, sizeof text,
                     "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %.28s\r\n\r\n", key);
    struct out_chunk *hello = chunk_new((size_t)n);
    if (hello == NULL) {
        conn_kill(c);
        return;
    }
    memcpy(hello->ptr, text, (size_t)n);
    hello->len = (size_t)n;
    conn_append_chunk(c, hello);
    c->state = CONN_WS;
    w->is_open = true;
    if (!s->handler.ws_open(s->handler.ctx, w)) {
        w->is_open = false;
        conn_kill(c);
        return;
    }
    buf_fini(&c->req.head);
    buf_fini(&c->req.body);
    /* a message may stand behind the handshake already: it arrives by ws_feed */
    c->in.max = s->cfg.max_body + READ_CHUNK;
    conn_want_flush(c);
}

void ws_open_stream(struct conn *c)
{
    struct http_server *s = c->server;
    struct ws_conn *w = calloc(1, sizeof *w);
    char *path = strdup("");
    if (w == NULL || path == NULL) {
        free(w);
        free(path);
        conn_kill(c);
        return;
    }
    *w = (struct ws_conn){.conn = c, .path = path, .is_stream = true, .is_open = true};
    c->ws = w;
    c->state = CONN_WS;
    c->in.max = s->cfg.max_body + READ_CHUNK;
    if (s->handler.ws_open == NULL || s->handler.stream == NULL || s->handler.ws_open(s->handler.ctx, w)) return;
    w->is_open = false;
    conn_kill(c);
}

/* ------------------------------------------------------------------- traffic */

static void stream_feed(struct conn *c)
{
    struct http_server *s = c->server;
    const size_t used = s->handler.stream(s->handler.ctx, c->ws, buf_view(&c->in));
    if (c->state != CONN_WS) return;
    if (used == SIZE_MAX) c->close_after_flush = true;
    else buf_consume(&c->in, used);
    if (c->in.len == 0 && c->in.cap > (size_t)2 * READ_CHUNK) buf_fini(&c->in);
    conn_want_flush(c);
}

static void finish_if_closed(struct conn *c)
{
    struct ws_conn *w = c->ws;
    if (c->state != CONN_WS) return;
    if (wslay_event_want_write(w->ctx) && wslay_event_send(w->ctx) != 0) {
        conn_kill(c);
        return;
    }
    if (!wslay_event_get_read_enabled(w->ctx)) c->close_after_flush = true;
}

void ws_feed(struct conn *c, const uint8_t *data, size_t len)
{
    buf_put(&c->in, data, len);
    if (buf_status(&c->in) != OK) {
        conn_kill(c);
        return;
    }
    if (c->ws->is_stream) {
        stream_feed(c);
        return;
    }
    c->ws->pinged = false;
    int r = wslay_event_recv(c->ws->ctx);
    if (c->state != CONN_WS) return; /* a handler's ws_send dropped it */
    if (r != 0) {
        conn_kill(c);
        return;
    }
    /* wslay takes all that there is, unless it is held */
    if (c->in_pos < c->in.len) {
        buf_consume(&c->in, c->in_pos);
    } else if (c->in.cap > (size_t)2 * READ_CHUNK) {
        buf_fini(&c->in);
    } else {
        buf_clear(&c->in);
    }
    c->in_pos = 0;
    finish_if_closed(c);
    conn_want_flush(c);
}

void ws_append(struct conn *c, struct out_chunk *k)
{
    if (c->out_len > 0 && c->out_len + k->len > WS_OUT_MAX) {
        chunks_free(k);
        conn_drop(c, WS_TOO_SLOW);
        return;
    }
    conn_append_chunk(c, k);
    conn_want_flush(c);
}

void ws_go_on(struct conn *c, struct out_chunk *k)
{
    c->pending = false;
    if (k != NULL && !c->close_after_flush) ws_append(c, k);
    else chunks_free(k);
    while (c->state == CONN_WS && !c->pending && !c->close_after_flush && c->ws->waiting != NULL) {
        struct out_chunk *next = c->ws->waiting;
        c->ws->waiting = next->next;
        next->next = NULL;
        hand_out(c, bytes_make(next->ptr, next->len));
        chunks_free(next);
    }
    if (c->state != CONN_WS || c->pending) return;
    if (c->in.len > 0 && !c->close_after_flush) ws_feed(c, NULL, 0);
    else conn_want_flush(c);
}

void ws_ping(struct conn *c)
{
    static const uint8_t frame[2] = {0x89, 0};
    c->ws->pinged = true;
    conn_append(c, frame, sizeof frame);
    conn_want_flush(c);
}

void ws_fini(struct conn *c)
{
    struct ws_conn *w = c->ws;
    if (w == NULL) return;
    struct http_server *s = c->server;
    if (w->is_open) {
        w->is_open = false;
        if (s->handler.ws_close) s->handler.ws_close(s->handler.ctx, w);
    }
    /* from here on no thread sends to it (ws_close's promise): forget what was posted before */
    (void)pthread_mutex_lock(&s->lock);
    struct mail **p = &s->mail_head;
    s->mail_tail = NULL;
    while (*p != NULL) {
        struct mail *m = *p;
        if (m->conn == c && !m->is_response) {
            *p = m->next;
            chunks_free(m->chunks);
            free(m);
        } else {
            s->mail_tail = m;
            p = &m->next;
        }
    }
    (void)pthread_mutex_unlock(&s->lock);
}

static struct out_chunk *frame_text(bytes text, bool is_stream)
{
    struct out_chunk *k = chunk_new(text.len + 10);
    if (k == NULL) return NULL;
    if (is_stream) {
        memcpy(k->ptr, text.ptr, text.len);
        k->ptr[text.len] = '\n';
        k->len = text.len + 1;
        return k;
    }
    uint8_t *p = k->ptr;
    *p++ = 0x81;
    if (text.len < 126) {
        *p++ = (uint8_t)text.len;
    } else if (text.len <= 0xffff) {
        *p++ = 126;
        *p++ = (uint8_t)(text.len >> 8);
        *p++ = (uint8_t)text.len;
    } else {
        *p++ = 127;
        be64_put(p, text.len);
        p += 8;
    }
    memcpy(p, text.ptr, text.len);
    k->len = (size_t)(p - k->ptr) + text.len;
    return k;
}

enum status ws_send(struct ws_conn *w, bytes text)
{
    struct conn *c = w->conn;
    struct http_server *s = c->server;
    bool own = server_is_own_thread(s);
    if (own && (c->state != CONN_WS || c->close_after_flush)) return E_CLOSED;
    struct out_chunk *k = frame_text(text.len ? text : BYTES_LIT(""), w->is_stream);
    if (k == NULL) return E_NOMEM;
    if (!own) {
        struct mail *m = calloc(1, sizeof *m);
        if (m == NULL) {
            chunks_free(k);
            return E_NOMEM;
        }
        m->conn = c;
        m->chunks = k;
        server_post(s, m);
        return OK;
    }
    if (c->out_len > 0 && c->out_len + k->len > WS_OUT_MAX) {
        chunks_free(k);
        /* not killed here: the caller may be walking its list of connections */
        c->close_after_flush = true;
        c->last_ms = 0;
        if (s->handler.dropped) s->handler.dropped(s->handler.ctx, c->peer, WS_TOO_SLOW, c->out_len);
        return E_LIMIT;
    }
    if (k->len <= OUT_CHUNK / 4) {
        conn_append(c, k->ptr, k->len);
        chunks_free(k);
    } else {
        conn_append_chunk(c, k);
    }
    conn_want_flush(c);
    return OK;
}

void ws_hold(struct ws_conn *w)
{
    w->conn->pending = true;
}

void ws_resume(struct ws_conn *w, bytes text)
{
    struct mail *m = calloc(1, sizeof *m);
    if (m == NULL) BUG("out of memory for an answer");
    *m = (struct mail){.conn = w->conn, .is_response = true};
    if (text.len > 0 && (m->chunks = frame_text(text, w->is_stream)) == NULL) BUG("out of memory for an answer");
    server_post(w->conn->server, m);
}

void ws_set_user(struct ws_conn *w, void *user)
{
    w->user = user;
}

void *ws_user(struct ws_conn *w)
{
    return w->user;
}

const char *ws_path(const struct ws_conn *w)
{
    return w->path;
}

const char *ws_request_header(const struct ws_conn *c, const char *name)
{
    return http_request_header(&c->conn->req, name);
}
