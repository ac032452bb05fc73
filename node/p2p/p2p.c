#include "node/p2p/p2p_priv.h"

#include "lib/crypto/secp256k1.h"

#include <arpa/inet.h>

void p2p_log(struct p2p *p, enum log_level level, const char *fmt, ...)
{
    char line[512];
    va_list ap;
    if (p->cfg.log == NULL) return;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    p->cfg.log(p->cfg.ctx, level, line);
}

bool p2p_is_allowed(const struct p2p *p, const uint8_t pub[static 64])
{
    if (p->cfg.reserved_only) {
        const struct target *t = target_find(p, pub);
        if (t == NULL || t->kind != TARGET_STATIC) return false;
    }
    return p->cfg.allow == NULL || p->cfg.allow(p->cfg.ctx, pub);
}

/* ---------------------------------------------------------------- addresses */

/* IPv4 in IPv6's clothes is IPv4. */
static bool endpoint_of(struct disc_endpoint *out, const struct sockaddr *sa)
{
    *out = (struct disc_endpoint){.ip_len = 4};
    if (sa->sa_family == AF_INET) {
        const struct sockaddr_in *a = (const struct sockaddr_in *)sa;
        memcpy(out->ip, &a->sin_addr, 4);
        out->udp = ntohs(a->sin_port);
        return true;
    }
    if (sa->sa_family != AF_INET6) return false;
    const struct sockaddr_in6 *a = (const struct sockaddr_in6 *)sa;
    const uint8_t *ip = a->sin6_addr.s6_addr;
    out->udp = ntohs(a->sin6_port);
    if (memcmp(ip, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) == 0) {
        memcpy(out->ip, ip + 12, 4);
    } else {
        memcpy(out->ip, ip, 16);
        out->ip_len = 16;
    }
    return true;
}

static void ip_text(char out[48], const struct disc_endpoint *e)
{
    if (inet_ntop(e->ip_len == 4 ? AF_INET : AF_INET6, e->ip, out, 46) == NULL) out[0] = '\0';
}

static bool ip_get(struct disc_endpoint *out, const char *text)
{
    *out = (struct disc_endpoint){.ip_len = 4};
    if (inet_pton(AF_INET, text, out->ip) == 1) return true;
    out->ip_len = 16;
    return inet_pton(AF_INET6, text, out->ip) == 1;
}

void address_text(char full[64], char host[48], const struct sockaddr *sa)
{
    struct disc_endpoint e;
    char ip[48] = "";
    if (endpoint_of(&e, sa)) ip_text(ip, &e);
    if (full != NULL) snprintf(full, 64, strchr(ip, ':') != NULL ? "[%s]:%u" : "%s:%u", ip, e.udp);
    if (host != NULL) snprintf(host, 48, "%s", ip);
}

static bool sockaddr_of(struct sockaddr_storage *out, const char *ip, uint16_t port)
{
    return uv_ip4_addr(ip, port, (struct sockaddr_in *)out) == 0 || uv_ip6_addr(ip, port, (struct sockaddr_in6 *)out) == 0;
}

/* ---------------------------------------------------------------- the sync */

static void net_send(void *net, uint64_t peer, unsigned message, bytes payload)
{
    struct conn *c = conn_find(net, peer);
    if (c != NULL && c->state == CONN_READY) conn_send(c, P2P_CAP_OFFSET + message, payload);
}

static size_t net_queued(void *net, uint64_t peer)
{
    const struct conn *c = conn_find(net, peer);
    return c == NULL ? 0 : uv_stream_get_write_queue_size((const uv_stream_t *)&c->tcp);
}

static void net_disconnect(void *net, uint64_t peer, enum disconnect_reason reason, const char *why)
{
    struct conn *c = conn_find(net, peer);
    if (c != NULL) conn_disconnect(c, reason, why);
}

static void on_sync_timer(uv_timer_t *t)
{
    struct p2p *p = t->data;
    p->sync_due = UINT64_MAX;
    if (p->stopping) return;
    p->in_sync = true;
    const uint64_t now = clock_mono_ms();
    const uint64_t next = sync_tick(p->sync, now);
    p->in_sync = false;
    p->sync_due = now + next;
    uv_timer_start(&p->sync_timer, on_sync_timer, next, 0);
}

void p2p_arm_sync(struct p2p *p)
{
    if (p->stopping || p->in_sync) return;
    const uint64_t now = clock_mono_ms(), next = sync_next_ms(p->sync, now);
    if (now + next >= p->sync_due) return;
    p->sync_due = now + next;
    uv_timer_start(&p->sync_timer, on_sync_timer, next, 0);
}

struct sync *p2p_sync(struct p2p *p)
{
    return p->sync;
}

void p2p_announce_block(struct p2p *p, const hash32 *hash, bytes block)
{
    if (p->stopping) return;
    sync_announce_block(p->sync, hash, block, clock_mono_ms());
    p2p_arm_sync(p);
}

void p2p_announce_tx(struct p2p *p, const hash32 *hash)
{
    if (p->stopping) return;
    sync_announce_tx(p->sync, hash, clock_mono_ms());
    p2p_arm_sync(p);
}

/* ---------------------------------------------------------------- discovery */

static void disc_send(void *ctx, const struct disc_endpoint *to, bytes packet)
{
    struct p2p *p = ctx;
    struct sockaddr_storage ss;
    char ip[48];
    ip_text(ip, to);
    if (!p->has_udp || p->stopping || !sockaddr_of(&ss, ip, to->udp)) return;
    uv_buf_t v = uv_buf_init((char *)(uintptr_t)packet.ptr, (unsigned)packet.len);
    IGNORE(uv_udp_try_send(&p->udp, &v, 1, (struct sockaddr *)&ss), "datagrams may get lost");
}

static void disc_found(void *ctx, const uint8_t pub[static 64], const struct disc_endpoint *at)
{
    struct p2p *p = ctx;
    struct enode e = {.tcp_port = at->tcp, .udp_port = at->udp};
    char ip[48];
    if (at->tcp == 0) return;
    memcpy(e.pub, pub, 64);
    ip_text(ip, at);
    snprintf(e.host, sizeof e.host, "%s", ip);
    IGNORE(target_add(p, &e, TARGET_FOUND), "full: there are enough others");
    struct target *t = target_find(p, pub);
    if (t != NULL && !t->is_busy && !t->is_refused && t->conn == NULL) t->next_ms = 0; /* it has just answered */
}

/* Discovery itself is open: who is not allowed is not dialled. Else a flood of datagrams would be a flood of calls of a contract. */
static bool disc_allow(void *ctx, const uint8_t pub[static 64])
{
    struct p2p *p = ctx;
    return !p->cfg.reserved_only || p2p_is_allowed(p, pub);
}

static void on_udp_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *out)
{
    struct p2p *p = h->data;
    (void)suggested;
    *out = uv_buf_init((char *)p->udp_rx, sizeof p->udp_rx);
}

static void on_udp(uv_udp_t *u, ssize_t n, const uv_buf_t *b, const struct sockaddr *from, unsigned flags)
{
    struct p2p *p = u->data;
    struct disc_endpoint e;
    if (n <= 0 || from == NULL || (flags & UV_UDP_PARTIAL) != 0 || !endpoint_of(&e, from)) return;
    discv4_receive(p->disc, &e, bytes_make(b->base, (size_t)n), clock_mono_ms(), clock_wall_ms() / 1000);
}

/* Nodes that were configured with an address; those with a name join when they are connected. */
static void disc_add(struct p2p *p, const struct target *t, const char *ip)
{
    struct disc_endpoint e;
    if (p->disc == NULL || t->enode.udp_port == 0 || !ip_get(&e, ip)) return;
    e.udp = t->enode.udp_port;
    e.tcp = t->enode.tcp_port;
    discv4_add_boot(p->disc, t->enode.pub, &e);
}

static void disc_add_targets(struct p2p *p)
{
    for (size_t i = 0; i < p->n_targets; i++) {
        const struct target *t = p->targets[i];
        if (t->kind == TARGET_FOUND) continue;
        const struct conn *c = conn_find_pub(p, t->enode.pub);
        disc_add(p, t, c != NULL && !c->inbound ? c->host : t->enode.host);
    }
}

/* ---------------------------------------------------------------- housekeeping */

static void on_tick(uv_timer_t *t)
{
    struct p2p *p = t->data;
    const uint64_t now = clock_mono_ms();
    if (p->stopping) return;
    conn_tick(p, now);
    dial_tick(p, now);
    if (p->disc != NULL) {
        disc_add_targets(p);
        discv4_tick(p->disc, now, clock_wall_ms() / 1000);
    }
    if (now >= p->save_at) {
        p->save_at = now + SAVE_EVERY_MS;
        peers_db_save(p);
    }
    p2p_arm_sync(p);
}

static void on_connection(uv_stream_t *s, int status)
{
    struct p2p *p = s->data;
    if (status == 0 && !p->stopping) conn_accept(p);
}

/* ---------------------------------------------------------------- birth and end */

static void p2p_free(struct p2p *p)
{
    buf_fini(&p->inflate);
    secret_fini(&p->cfg.key);
    free(p);
}

void p2p_handle_closed(struct p2p *p)
{
    if (--p->n_handles == 0 && p->stopping) p2p_free(p);
}

static void on_handle_closed(uv_handle_t *h)
{
    p2p_handle_closed(h->data);
}

static enum status add_enodes(struct p2p *p, const char *const *urls, size_t n, enum target_kind kind, const char *what, struct err *err)
{
    for (size_t i = 0; i < n; i++) {
        struct enode e;
        enum status s = enode_get(&e, bytes_str(urls[i]), err);
        if (s != OK) return err_prefix(err, "%s %zu \"%.140s\"", what, i + 1, urls[i]), E_INVALID;
        s = target_add(p, &e, kind);
        if (s != OK) return err_set(err, s, "too many %ss: at most %d", what, kind == TARGET_STATIC ? STATIC_TARGETS : TARGETS);
    }
    return OK;
}

static enum status listen_tcp(struct p2p *p, struct err *err)
{
    struct sockaddr_storage ss;
    int len = sizeof ss;
    if (!sockaddr_of(&ss, p->bind_ip, p->cfg.port))
        return err_set(err, E_INVALID, "p2p address \"%s\" is no IP address", p->bind_ip);
    int r = uv_tcp_bind(&p->listener, (struct sockaddr *)&ss, 0);
    if (r == 0) r = uv_listen((uv_stream_t *)&p->listener, 128, on_connection);
    if (r == 0) r = uv_tcp_getsockname(&p->listener, (struct sockaddr *)&ss, &len);
    if (r != 0) return err_set(err, E_IO, "p2p port %u on %s: %s", p->cfg.port, p->bind_ip, uv_strerror(r));
    p->port = ntohs(ss.ss_family == AF_INET ? ((struct sockaddr_in *)&ss)->sin_port : ((struct sockaddr_in6 *)&ss)->sin6_port);
    return OK;
}

static enum status start_discovery(struct p2p *p, struct err *err)
{
    struct sockaddr_storage ss;
    struct disc_endpoint self;
    if (!sockaddr_of(&ss, p->bind_ip, p->port)) return E_INVALID;
    int r = uv_udp_init(p->loop, &p->udp);
    if (r != 0) return err_set(err, E_IO, "discovery: %s", uv_strerror(r));
    p->udp.data = p;
    p->has_udp = true;
    p->n_handles++;
    r = uv_udp_bind(&p->udp, (struct sockaddr *)&ss, 0);
    if (r == 0) r = uv_udp_recv_start(&p->udp, on_udp_alloc, on_udp);
    if (r != 0) return err_set(err, E_IO, "discovery port %u (UDP) on %s: %s", p->port, p->bind_ip, uv_strerror(r));
    if (!ip_get(&self, p->advertised_ip)) self = (struct disc_endpoint){.ip_len = 4};
    self.udp = self.tcp = p->port;
    const struct discv4_ops ops = {.ctx = p, .send = disc_send, .found = disc_found, .allow = disc_allow};
    return discv4_new(&p->disc, &p->cfg.key, &self, &ops, rng_next(&p->rng));
}

static bool is_wildcard(const char *ip)
{
    return strcmp(ip, "0.0.0.0") == 0 || strcmp(ip, "::") == 0;
}

static void set_texts(struct p2p *p, const struct p2p_config *cfg)
{
    snprintf(p->bind_ip, sizeof p->bind_ip, "%s", cfg->bind_ip != NULL ? cfg->bind_ip : "0.0.0.0");
    const char *adv = cfg->advertised_ip != NULL ? cfg->advertised_ip : is_wildcard(p->bind_ip) ? "127.0.0.1" : p->bind_ip;
    snprintf(p->advertised_ip, sizeof p->advertised_ip, "%s", adv);
    snprintf(p->client_id, sizeof p->client_id, "%s", cfg->client_id != NULL ? cfg->client_id : "poa-node");
    p->cfg.bind_ip = p->bind_ip;
    p->cfg.advertised_ip = p->advertised_ip;
    p->cfg.client_id = p->client_id;
    p->cfg.static_nodes = p->cfg.boot_nodes = NULL; /* the caller's lists are not kept */
}

enum status p2p_new(struct p2p **out, uv_loop_t *loop, const struct p2p_config *cfg, const struct sync_config *sync_cfg,
                    const struct sync_ops *ops, struct err *err)
{
    struct p2p *p = calloc(1, sizeof *p);
    uint64_t seed;
    if (p == NULL) return E_NOMEM;
    p->loop = loop;
    p->cfg = *cfg;
    p->n_handles = 1; /* held by this function until the handles stand */
    p->sync_due = UINT64_MAX;
    if (p->cfg.max_peers == 0) p->cfg.max_peers = MAX_PEERS_DEFAULT;
    if (p->cfg.max_inbound == 0) p->cfg.max_inbound = (2 * p->cfg.max_peers + 2) / 3;
    set_texts(p, cfg);
    buf_init(&p->inflate, P2P_MESSAGE_MAX);
    rng_fill(&seed, sizeof seed);
    rng_seed(&p->rng, seed);
    p->listener.data = p->sync_timer.data = p->tick_timer.data = p;
    if (uv_tcp_init(loop, &p->listener) != 0) {
        p2p_free(p);
        return err_set(err, E_IO, "p2p: no socket");
    }
    IGNORE(uv_timer_init(loop, &p->sync_timer), "never fails");
    IGNORE(uv_timer_init(loop, &p->tick_timer), "never fails");
    p->n_handles = 3;
    struct sync_ops full = *ops;
    full.net = p;
    full.send = net_send;
    full.queued = net_queued;
    full.disconnect = net_disconnect;
    enum status s = ec_public(p->pub, &p->cfg.key);
    if (s != OK) err_set(err, s, "the node key is no valid secret key");
    if (s == OK) s = sync_new(&p->sync, sync_cfg, &full);
    if (s == OK) s = listen_tcp(p, err);
    if (s == OK && cfg->discovery) s = start_discovery(p, err);
    if (s == OK) s = add_enodes(p, cfg->static_nodes, cfg->n_static_nodes, TARGET_STATIC, "static node", err);
    if (s == OK) s = add_enodes(p, cfg->boot_nodes, cfg->n_boot_nodes, TARGET_BOOT, "boot node", err);
    if (s != OK) {
        p2p_stop(p);
        return s;
    }
    peers_db_load(p);
    p->save_at = clock_mono_ms() + SAVE_EVERY_MS;
    uv_timer_start(&p->tick_timer, on_tick, 1, TICK_MS);
    uv_timer_start(&p->sync_timer, on_sync_timer, 100, 0);
    *out = p;
    return OK;
}

void p2p_stop(struct p2p *p)
{
    if (p == NULL || p->stopping) return;
    peers_db_save(p);
    p->stopping = true;
    for (size_t i = 0; i < p->n_conns; i++) {
        struct conn *c = p->conns[i];
        if (c->state == CONN_READY) {
            struct buf b;
            buf_init(&b, 16);
            disconnect_put(&b, DISCONNECT_QUITTING);
            conn_send(c, P2P_DISCONNECT, buf_view(&b));
            buf_fini(&b);
        }
    }
    sync_free(p->sync);
    p->sync = NULL;
    for (size_t i = 0; i < p->n_conns; i++)
        conn_close(p->conns[i], "stopping");
    dial_fini(p);
    discv4_free(p->disc);
    p->disc = NULL;
    uv_close((uv_handle_t *)&p->listener, on_handle_closed);
    uv_close((uv_handle_t *)&p->sync_timer, on_handle_closed);
    uv_close((uv_handle_t *)&p->tick_timer, on_handle_closed);
    if (p->has_udp) uv_close((uv_handle_t *)&p->udp, on_handle_closed);
}

/* ---------------------------------------------------------------- for others */

uint16_t p2p_port(const struct p2p *p)
{
    return p->port;
}

size_t p2p_put_enode(char dst[static 512], const struct p2p *p)
{
    struct enode e = {.tcp_port = p->port, .udp_port = p->port};
    memcpy(e.pub, p->pub, 64);
    snprintf(e.host, sizeof e.host, "%s", p->advertised_ip);
    return enode_put(dst, &e);
}

enum status p2p_add_static(struct p2p *p, const char *enode_url, struct err *err)
{
    struct enode e;
    enum status s = enode_get(&e, bytes_str(enode_url), err);
    if (s == OK) s = target_add(p, &e, TARGET_STATIC);
    if (s == OK && !p->stopping) dial_tick(p, clock_mono_ms());
    return s;
}

enum status p2p_remove_static(struct p2p *p, const char *enode_url, bool drop, struct err *err)
{
    struct enode e;
    const enum status s = enode_get(&e, bytes_str(enode_url), err);
    if (s != OK) return s;
    struct target *t = target_find(p, e.pub);
    if (t == NULL || t->kind != TARGET_STATIC) return E_NOT_FOUND;
    target_remove(p, t);
    struct conn *c = conn_find_pub(p, e.pub);
    if (drop && c != NULL) conn_disconnect(c, DISCONNECT_REQUESTED, "removed by the operator");
    return OK;
}

void p2p_recheck(struct p2p *p)
{
    for (size_t i = 0; i < p->n_conns && !p->stopping; i++) { /* closing ones stay in the list for now */
        struct conn *c = p->conns[i];
        if (c->state == CONN_READY && !p2p_is_allowed(p, c->pub)) conn_disconnect(c, DISCONNECT_USELESS, "its node id is no longer allowed");
    }
}

void p2p_set_reserved_only(struct p2p *p, bool only)
{
    p->cfg.reserved_only = only;
    p2p_recheck(p);
}

size_t p2p_get_peers(struct p2p_peer_info *out, size_t max, const struct p2p *p)
{
    size_t n = 0;
    const uint64_t now = clock_mono_ms();
    for (size_t i = 0; i < p->n_conns && n < max; i++) {
        const struct conn *c = p->conns[i];
        if (c->state != CONN_READY) continue;
        struct p2p_peer_info *o = &out[n++];
        const struct target *t = target_find(p, c->pub);
        *o = (struct p2p_peer_info){.id = c->id, .inbound = c->inbound, .is_static = t != NULL && t->kind == TARGET_STATIC,
                                    .connected_ms = now - c->opened_ms};
        memcpy(o->pub, c->pub, 64);
        memcpy(o->client, c->hello.client, sizeof o->client);
        memcpy(o->remote, c->remote, sizeof o->remote);
        memcpy(o->local, c->local, sizeof o->local);
        size_t at = 0;
        for (size_t k = 0; k < c->hello.n_caps && at + 24 < sizeof o->caps; k++)
            at += (size_t)snprintf(o->caps + at, sizeof o->caps - at, "%s%s/%u", k == 0 ? "" : ",", c->hello.caps[k].name,
                                   c->hello.caps[k].version);
        IGNORE(!sync_get_peer(&o->eth, p->sync, c->id), "then it is all zero");
    }
    return n;
}

void p2p_get_counts(struct p2p_counts *out, const struct p2p *p)
{
    *out = (struct p2p_counts){.max_peers = p->cfg.max_peers, .targets = p->n_targets, .bytes_in = p->bytes_in, .bytes_out = p->bytes_out,
                              .messages_in = p->messages_in, .messages_out = p->messages_out};
    for (size_t i = 0; i < p->n_conns; i++) {
        const struct conn *c = p->conns[i];
        out->connected += c->state == CONN_READY;
        out->inbound += c->state == CONN_READY && c->inbound;
        out->handshaking += c->state < CONN_READY;
    }
    for (size_t i = 0; i < p->n_targets; i++) {
        if (p->targets[i]->kind != TARGET_STATIC) continue;
        out->static_targets++;
        out->static_connected += conn_find_pub(p, p->targets[i]->enode.pub) != NULL;
    }
    if (p->disc != NULL) out->discovered = discv4_count(p->disc, clock_mono_ms());
}

bool p2p_static_state(bool *connected, char why[static 96], const struct p2p *p, const uint8_t pub[static 64])
{
    const struct target *t = target_find(p, pub);
    if (t == NULL || t->kind != TARGET_STATIC) return false;
    *connected = conn_find_pub(p, pub) != NULL;
    snprintf(why, 96, "%s", *connected ? "" : t->why);
    return true;
}
