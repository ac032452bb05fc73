/* One TCP connection: RLPx handshake, Hello, then messages to and from the sync. */
#include "lib/codec/rlp.h"
#include "lib/crypto/secp256k1.h"
#include "node/p2p/p2p_priv.h"

struct conn *conn_find(const struct p2p *p, uint64_t id)
{
    for (size_t i = 0; i < p->n_conns; i++)
        if (p->conns[i]->id == id) return p->conns[i];
    return NULL;
}

struct conn *conn_find_pub(const struct p2p *p, const uint8_t pub[static 64])
{
    for (size_t i = 0; i < p->n_conns; i++) {
        struct conn *c = p->conns[i];
        if (c->state == CONN_READY && memcmp(c->pub, pub, 64) == 0) return c;
    }
    return NULL;
}

/* ---------------------------------------------------------------- birth and end */

static struct conn *conn_new(struct p2p *p, bool inbound)
{
    if (p->n_conns == CONNS_MAX) return NULL;
    struct conn *c = calloc(1, sizeof *c);
    if (c == NULL) return NULL;
    if (uv_tcp_init(p->loop, &c->tcp) != 0) {
        free(c);
        return NULL;
    }
    c->p = p;
    c->id = ++p->next_id;
    c->inbound = inbound;
    c->opened_ms = c->last_rx_ms = clock_mono_ms();
    c->deadline_ms = c->opened_ms + DIAL_TIMEOUT_MS;
    p->conns[p->n_conns++] = c;
    p->n_handles++;
    return c;
}

static void on_closed(uv_handle_t *h)
{
    struct conn *c = (struct conn *)h;
    struct p2p *p = c->p;
    for (size_t i = 0; i < p->n_conns; i++)
        if (p->conns[i] == c) {
            p->conns[i] = p->conns[--p->n_conns];
            break;
        }
    if (c->has_rlpx) rlpx_fini(&c->rlpx);
    free(c->rx);
    free(c);
    p2p_handle_closed(p);
}

/* No longer a peer; the target may be dialled again. */
static void conn_leave(struct conn *c, const char *why)
{
    struct p2p *p = c->p;
    const uint64_t now = clock_mono_ms();
    const bool was_ready = c->state == CONN_READY;
    c->state = CONN_CLOSING;
    c->deadline_ms = now + CLOSE_WAIT_MS;
    if (was_ready && p->sync != NULL) {
        sync_remove_peer(p->sync, c->id, now);
        p2p_arm_sync(p);
        p2p_log(p, LOG_LEVEL_INFO, "peer gone node=%s client=\"%s\" after_s=%llu why=\"%s\"", c->remote, c->hello.client,
                (unsigned long long)((now - c->opened_ms) / 1000), why);
    } else {
        p2p_log(p, LOG_LEVEL_DEBUG, "connection ended node=%s inbound=%d why=\"%s\"", c->remote, c->inbound, why);
    }
    struct target *t = c->target != NULL ? c->target : was_ready ? target_find(p, c->pub) : NULL;
    if (t != NULL && was_ready) {
        t->seen_ms = now;
        t->is_refused = c->is_refused;
        if (now > c->opened_ms + STABLE_MS) t->fails = 0;
    }
    if (c->target != NULL) {
        t->conn = NULL;
        c->target = NULL;
        target_failed(t, p, why, now);
    }
}

void conn_close(struct conn *c, const char *why)
{
    if (c->state != CONN_CLOSING) conn_leave(c, why);
    if (c->handle_closing) return;
    c->handle_closing = true;
    uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
    (void)req;
    (void)status; /* the other end closes, or the deadline does */
}

/* Will it be the same the next time? */
static bool is_lasting(unsigned reason)
{
    return reason == DISCONNECT_BREACH || reason == DISCONNECT_USELESS || reason == DISCONNECT_TOO_MANY || reason == DISCONNECT_VERSION ||
           reason == DISCONNECT_UNEXPECTED_ID || reason == DISCONNECT_SUBPROTOCOL;
}

void conn_disconnect(struct conn *c, enum disconnect_reason reason, const char *why)
{
    if (c->state == CONN_CLOSING) return;
    c->is_refused = is_lasting(reason);
    if (c->state == CONN_HELLO || c->state == CONN_READY) {
        struct buf b;
        buf_init(&b, 16);
        disconnect_put(&b, reason);
        conn_send(c, P2P_DISCONNECT, buf_view(&b));
        buf_fini(&b);
        if (c->state == CONN_CLOSING) return;
        conn_leave(c, why);
        if (uv_shutdown(&c->shutdown, (uv_stream_t *)&c->tcp, on_shutdown) == 0) return;
    }
    conn_close(c, why);
}

/* ---------------------------------------------------------------- write */

struct write {
    uv_write_t req;
    uint8_t *data;
};

static void on_written(uv_write_t *req, int status)
{
    struct write *w = (struct write *)req;
    struct conn *c = req->data;
    free(w->data);
    free(w);
    if (status < 0 && status != UV_ECANCELED) conn_close(c, uv_strerror(status));
}

static void conn_write(struct conn *c, struct buf *b)
{
    size_t len, sent = 0;
    uint8_t *data = buf_take(b, &len);
    if (data == NULL) return;
    c->p->bytes_out += len;
    uv_buf_t v = uv_buf_init((char *)data, (unsigned)len);
    if (uv_stream_get_write_queue_size((uv_stream_t *)&c->tcp) == 0) {
        const int n = uv_try_write((uv_stream_t *)&c->tcp, &v, 1);
        if (n > 0) sent = (size_t)n;
    }
    if (sent == len) {
        free(data);
        return;
    }
    struct write *w = malloc(sizeof *w);
    if (w == NULL) abort();
    w->data = data;
    w->req.data = c;
    v = uv_buf_init((char *)data + sent, (unsigned)(len - sent));
    if (uv_write(&w->req, (uv_stream_t *)&c->tcp, &v, 1, on_written) != 0) {
        free(data);
        free(w);
        conn_close(c, "write failed");
    }
}

void conn_send(struct conn *c, unsigned id, bytes data)
{
    struct buf message, frame;
    if (c->handle_closing || (c->state != CONN_READY && c->state != CONN_HELLO)) return;
    if (uv_stream_get_write_queue_size((uv_stream_t *)&c->tcp) > WRITE_QUEUE_MAX) {
        conn_close(c, "does not read what it asks for");
        return;
    }
    buf_init(&message, (P2P_MESSAGE_MAX << 1));
    buf_init(&frame, (P2P_MESSAGE_MAX << 1));
    const bool snappy = c->state == CONN_READY && c->hello.version >= 5;
    enum status s = message_put(&message, id, data, snappy);
    if (s == OK) s = rlpx_put_frame(&c->rlpx, &frame, buf_view(&message));
    if (s == OK) c->p->messages_out++;
    if (s == OK) conn_write(c, &frame);
    else p2p_log(c->p, LOG_LEVEL_WARN, "message not sent node=%s id=%u len=%zu: %s", c->remote, id, data.len, status_text(s));
    buf_fini(&message);
    buf_fini(&frame);
}

static void send_hello(struct conn *c)
{
    struct p2p_hello h = {.version = P2P_VERSION, .port = c->p->port};
    struct buf b;
    snprintf(h.client, sizeof h.client, "%s", c->p->client_id);
    memcpy(h.pub, c->p->pub, 64);
    hello_add_eth(&h);
    consensus_add_cap(&h, c->p);
    buf_init(&b, P2P_HELLO_MAX);
    hello_put(&b, &h);
    c->state = CONN_HELLO;
    conn_send(c, P2P_HELLO, buf_view(&b));
    buf_fini(&b);
}

/* ---------------------------------------------------------------- Hello */

static size_t count_ready(const struct p2p *p, bool inbound_only)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n_conns; i++) {
        if (p->conns[i]->state != CONN_READY || (inbound_only && !p->conns[i]->inbound)) continue;
        const struct target *t = target_find(p, p->conns[i]->pub);
        n += t == NULL || t->kind != TARGET_STATIC;
    }
    return n;
}

/* Of two connections with one node: does the new one stay? */
static bool new_one_stays(const struct conn *c, const struct conn *old)
{
    if (c->inbound == old->inbound || c->opened_ms > old->opened_ms + CROSSED_MS) return true;
    const bool we_are_larger = memcmp(c->p->pub, c->pub, 64) > 0;
    return c->inbound != we_are_larger; /* the one that the larger id dialled */
}

static void on_hello(struct conn *c, bytes data)
{
    struct p2p *p = c->p;
    if (hello_get(&c->hello, data) != OK) {
        conn_disconnect(c, DISCONNECT_BREACH, "malformed Hello");
        return;
    }
    if (memcmp(c->hello.pub, c->pub, 64) != 0) {
        conn_disconnect(c, DISCONNECT_UNEXPECTED_ID, "its Hello has another node id");
        return;
    }
    c->eth_version = hello_eth_version(&c->hello);
    if (c->eth_version == 0) {
        conn_disconnect(c, DISCONNECT_USELESS, "no eth version in common");
        return;
    }
    struct conn *old = conn_find_pub(p, c->pub);
    if (old != NULL) {
        if (!new_one_stays(c, old)) {
            if (c->target != NULL) target_worked(c->target);
            conn_disconnect(c, DISCONNECT_ALREADY, "already connected");
            return;
        }
        conn_disconnect(old, DISCONNECT_ALREADY, "replaced by a newer connection");
    }
    struct target *t = target_find(p, c->pub);
    const bool is_full = count_ready(p, false) >= p->cfg.max_peers || (c->inbound && count_ready(p, true) >= p->cfg.max_inbound);
    if ((t == NULL || t->kind != TARGET_STATIC) && is_full) {
        conn_disconnect(c, DISCONNECT_TOO_MANY, "too many peers");
        return;
    }
    c->state = CONN_READY;
    c->deadline_ms = UINT64_MAX;
    if (c->target != NULL) target_worked(c->target);
    p->has_news = true;
    p2p_log(p, LOG_LEVEL_INFO, "peer connected node=%s client=\"%s\" eth=%u inbound=%d", c->remote, c->hello.client, c->eth_version,
            c->inbound);
    const enum status s = sync_add_peer(p->sync, c->id, c->eth_version, clock_mono_ms());
    if (s != OK) conn_disconnect(c, DISCONNECT_TOO_MANY, status_text(s));
    p2p_arm_sync(p);
}

/* ---------------------------------------------------------------- messages */

static void on_disconnect_message(struct conn *c, bytes data)
{
    const unsigned reason = disconnect_get(data);
    char why[96];
    snprintf(why, sizeof why, "it said: %s", disconnect_reason_text(reason));
    c->is_refused = is_lasting(reason);
    if (c->target != NULL && (reason == DISCONNECT_TOO_MANY || reason == DISCONNECT_USELESS)) c->target->fails += 3;
    conn_close(c, why);
}

/* Ping or Pong with the times that node/sync/skew.h wants; data: the Ping's that is answered */
static void send_clock(struct conn *c, unsigned id, bytes data)
{
    struct buf b;
    buf_init(&b, 64);
    if (id == P2P_PING) skew_put_ping(&b, clock_wall_ms());
    else skew_put_pong(&b, data, clock_wall_ms());
    conn_send(c, id, buf_status(&b) == OK ? buf_view(&b) : BYTES_LIT("\xc0"));
    buf_fini(&b);
}

static void on_message(struct conn *c, unsigned id, bytes data)
{
    struct p2p *p = c->p;
    if (id == P2P_DISCONNECT) {
        on_disconnect_message(c, data);
    } else if (c->state == CONN_HELLO) {
        if (id == P2P_HELLO) on_hello(c, data);
        else conn_disconnect(c, DISCONNECT_BREACH, "a message before Hello");
    } else if (id == P2P_PING) {
        send_clock(c, P2P_PONG, data);
    } else if (id == P2P_PONG) {
        const uint64_t wall = clock_wall_ms(), now = clock_mono_ms();
        skew_clock(sync_skew(p->sync), wall, now);
        skew_on_pong(sync_skew(p->sync), c->id, data, wall, now);
    } else if (id >= CONSENSUS_OFFSET && consensus_is_shared(c)) {
        consensus_receive(c, id, data);
    } else if (id >= P2P_CAP_OFFSET) {
        sync_receive(p->sync, c->id, id - P2P_CAP_OFFSET, data, clock_mono_ms());
        p2p_arm_sync(p);
    } else if (id == P2P_HELLO) {
        conn_disconnect(c, DISCONNECT_BREACH, "a second Hello");
    }
}

/* One frame, if it is all here.  ret E_AGAIN: not yet */
static enum status take_frame(struct conn *c)
{
    struct p2p *p = c->p;
    bytes payload, data;
    size_t used, need;
    unsigned id;
    const size_t max = c->state == CONN_HELLO ? P2P_HELLO_MAX : RLPX_FRAME_MAX;
    enum status s = rlpx_get_frame(&c->rlpx, &payload, &used, &need, c->rx + c->rx_at, c->rx_len, max);
    c->rx_at += used;
    c->rx_len -= used;
    c->rx_need = s == E_AGAIN ? need : 0;
    if (s != OK) return s;
    s = message_get(&id, &data, &p->inflate, payload, c->state == CONN_READY && c->hello.version >= 5);
    if (s == E_DECODE && c->state == CONN_READY && message_get(&id, &data, &p->inflate, payload, false) == OK && id < P2P_CAP_OFFSET)
        s = OK; /* some send the base protocol's messages uncompressed all along */
    if (s != OK) {
        conn_disconnect(c, DISCONNECT_BREACH, "malformed message");
        return OK;
    }
    p->messages_in++;
    on_message(c, id, data);
    if (p->inflate.cap > RX_KEEP) {
        const size_t keep = p->inflate.max;
        buf_fini(&p->inflate);
        buf_init(&p->inflate, keep);
    }
    return OK;
}

static enum status take_auth(struct conn *c)
{
    struct buf out;
    size_t used = 0;
    enum status s = rlpx_get_auth(&c->rlpx, &used, bytes_make(c->rx + c->rx_at, c->rx_len));
    if (s != OK) return s;
    c->rx_at += used;
    c->rx_len -= used;
    memcpy(c->pub, c->rlpx.remote_pub, 64);
    c->has_pub = true;
    if (memcmp(c->pub, c->p->pub, 64) == 0 || !p2p_is_allowed(c->p, c->pub)) {
        conn_close(c, "its node id is not allowed");
        return OK;
    }
    buf_init(&out, 4096);
    s = rlpx_put_ack(&c->rlpx, &out);
    if (s == OK) {
        conn_write(c, &out);
        if (c->state != CONN_CLOSING) send_hello(c);
    }
    buf_fini(&out);
    return s;
}

static enum status take_ack(struct conn *c)
{
    size_t used = 0;
    const enum status s = rlpx_get_ack(&c->rlpx, &used, bytes_make(c->rx + c->rx_at, c->rx_len));
    if (s != OK) return s;
    c->rx_at += used;
    c->rx_len -= used;
    send_hello(c);
    return OK;
}

static void process(struct conn *c)
{
    enum status s = OK;
    while (s == OK && c->state != CONN_CLOSING) {
        switch (c->state) {
        case CONN_AUTH: s = take_auth(c); break;
        case CONN_ACK: s = take_ack(c); break;
        case CONN_HELLO:
        case CONN_READY: s = take_frame(c); break;
        case CONN_CONNECTING:
        case CONN_CLOSING: return;
        }
    }
    if (s == OK || s == E_AGAIN || c->state == CONN_CLOSING) return;
    if (s == E_LIMIT && c->state == CONN_READY) conn_disconnect(c, DISCONNECT_BREACH, "message too large");
    else conn_close(c, c->state == CONN_READY ? "bad frame" : "handshake failed: not its key, or no devp2p node");
}

/* ---------------------------------------------------------------- read */

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *out)
{
    struct conn *c = (struct conn *)h;
    (void)suggested;
    if (c->rx_at > 0 && (c->rx_len == 0 || c->rx_at > c->rx_cap / 2 || c->rx_at + c->rx_need > c->rx_cap)) {
        memmove(c->rx, c->rx + c->rx_at, c->rx_len);
        c->rx_at = 0;
    }
    if (c->rx_len == 0 && c->rx_cap > RX_KEEP && c->rx_need < RX_KEEP) {
        free(c->rx);
        c->rx = NULL;
        c->rx_cap = 0;
    }
    size_t want = c->state == CONN_READY ? 16384 : RLPX_HANDSHAKE_MAX + 2;
    if (want < c->rx_need) want = c->rx_need; /* bounded by the frame's limit */
    if (want < c->rx_len + 1) want = c->rx_len + 4096;
    if (c->rx_cap < c->rx_at + want) {
        const size_t cap = c->rx_at + want;
        uint8_t *more = realloc(c->rx, cap);
        if (more == NULL) {
            *out = uv_buf_init(NULL, 0);
            return;
        }
        c->rx = more;
        c->rx_cap = cap;
    }
    *out = uv_buf_init((char *)c->rx + c->rx_at + c->rx_len, (unsigned)(c->rx_cap - c->rx_at - c->rx_len));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *b)
{
    struct conn *c = (struct conn *)stream;
    (void)b;
    if (n < 0) {
        conn_close(c, n == UV_EOF ? "closed by the other end" : uv_strerror((int)n));
        return;
    }
    if (n == 0 || c->state == CONN_CLOSING) return;
    c->p->bytes_in += (uint64_t)n;
    c->last_rx_ms = clock_mono_ms();
    c->rx_len += (size_t)n;
    process(c);
}

static void local_text(struct conn *c)
{
    struct sockaddr_storage ss;
    int len = sizeof ss;
    if (uv_tcp_getsockname(&c->tcp, (struct sockaddr *)&ss, &len) == 0) address_text(c->local, NULL, (struct sockaddr *)&ss);
}

/* ---------------------------------------------------------------- accept and dial */

static bool is_loopback_ip(const char *ip)
{
    return strncmp(ip, "127.", 4) == 0 || strcmp(ip, "::1") == 0;
}

void conn_accept(struct p2p *p)
{
    struct conn *c = conn_new(p, true);
    struct sockaddr_storage ss;
    int len = sizeof ss;
    size_t pending = 0, same = 0;
    if (c == NULL) { /* full: take it off the queue and close it */
        uv_tcp_t *t = malloc(sizeof *t);
        if (t == NULL || uv_tcp_init(p->loop, t) != 0) {
            free(t);
            return;
        }
        IGNORE(uv_accept((uv_stream_t *)&p->listener, (uv_stream_t *)t), "it is closed either way");
        uv_close((uv_handle_t *)t, (uv_close_cb)free);
        return;
    }
    if (uv_accept((uv_stream_t *)&p->listener, (uv_stream_t *)&c->tcp) != 0 ||
        uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&ss, &len) != 0) {
        conn_close(c, "accept failed");
        return;
    }
    address_text(c->remote, c->host, (struct sockaddr *)&ss);
    local_text(c);
    for (size_t i = 0; i < p->n_conns; i++) {
        const struct conn *o = p->conns[i];
        if (!o->inbound || o->state == CONN_READY || o == c) continue;
        pending++;
        same += strcmp(o->host, c->host) == 0;
    }
    if (pending >= HANDSHAKES_IN || (same >= HANDSHAKES_A_HOST && !is_loopback_ip(c->host))) {
        conn_close(c, "too many handshakes at once");
        return;
    }
    uv_tcp_nodelay(&c->tcp, 1);
    uv_tcp_keepalive(&c->tcp, 1, 60);
    rlpx_init(&c->rlpx, &p->cfg.key, NULL);
    c->has_rlpx = true;
    c->state = CONN_AUTH;
    if (uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) != 0) conn_close(c, "read failed");
}

static void on_connected(uv_connect_t *req, int status)
{
    struct conn *c = req->data;
    struct buf out;
    if (c->state == CONN_CLOSING) return;
    if (status < 0) {
        conn_close(c, uv_strerror(status));
        return;
    }
    local_text(c);
    uv_tcp_nodelay(&c->tcp, 1);
    uv_tcp_keepalive(&c->tcp, 1, 60);
    rlpx_init(&c->rlpx, &c->p->cfg.key, c->pub);
    c->has_rlpx = true;
    c->state = CONN_ACK;
    buf_init(&out, 4096);
    if (rlpx_put_auth(&c->rlpx, &out) != OK) conn_close(c, "its node id is no public key");
    else conn_write(c, &out);
    buf_fini(&out);
    if (c->state != CONN_CLOSING && uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) != 0) conn_close(c, "read failed");
}

enum status conn_dial(struct p2p *p, struct target *t, const struct sockaddr *sa)
{
    struct conn *c = conn_new(p, false);
    struct sockaddr_storage from;
    if (c == NULL) return E_LIMIT;
    memcpy(c->pub, t->enode.pub, 64);
    c->has_pub = true;
    c->target = t;
    t->conn = c;
    address_text(c->remote, c->host, sa);
    /* the other end sees the address that we listen on: one machine may hold many nodes on loopback addresses */
    if (sa->sa_family == AF_INET && uv_ip4_addr(p->bind_ip, 0, (struct sockaddr_in *)&from) == 0 &&
        ((struct sockaddr_in *)&from)->sin_addr.s_addr != 0 && is_loopback_ip(p->bind_ip) == is_loopback_ip(c->host))
        IGNORE(uv_tcp_bind(&c->tcp, (struct sockaddr *)&from, 0), "then the kernel chooses");
    c->connect.data = c;
    const int r = uv_tcp_connect(&c->connect, &c->tcp, sa, on_connected);
    if (r != 0) conn_close(c, uv_strerror(r)); /* the target has been told */
    return OK;
}

/* Nothing came for too long. What came while this process stood still is not read yet. */
static bool is_silent(const struct conn *c, uint64_t now)
{
    const bool busy = uv_stream_get_write_queue_size((const uv_stream_t *)&c->tcp) > 0;
    return now > c->last_rx_ms + (busy ? SILENT_BUSY_MS : SILENT_MS);
}

void conn_tick(struct p2p *p, uint64_t now)
{
    const uint64_t late = p->ticked_ms != 0 && now > p->ticked_ms + 4 * (uint64_t)TICK_MS ? now - p->ticked_ms : 0;
    p->ticked_ms = now;
    for (size_t i = 0; i < p->n_conns; i++) {
        struct conn *c = p->conns[i];
        if (c->handle_closing) continue;
        c->last_rx_ms += late;
        if (c->state == CONN_READY) {
            if (is_silent(c, now)) {
                conn_disconnect(c, DISCONNECT_TIMEOUT, "silent for too long");
            } else if (now > c->ping_ms + PING_EVERY_MS) {
                c->ping_ms = now;
                send_clock(c, P2P_PING, BYTES_EMPTY);
            }
        } else if (now >= c->deadline_ms) {
            conn_close(c, c->state == CONN_CONNECTING ? "no answer to connect" : "handshake took too long");
        }
    }
}
