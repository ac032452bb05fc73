#include "node/sync/sync_priv.h"

const char *disconnect_reason_text(unsigned code)
{
    switch (code) {
#define X(id, number, text)                                                                        \
    case number: return text;
        DISCONNECT_REASONS(X)
#undef X
    default: return "unknown reason";
    }
}

enum status sync_new(struct sync **out, const struct sync_config *cfg, const struct sync_ops *ops)
{
    struct sync *s = calloc(1, sizeof *s);
    if (s == NULL) return E_NOMEM;
    s->cfg = *cfg;
    s->ops = *ops;
    if (s->cfg.max_peers == 0 || s->cfg.max_peers > SYNC_PEERS_MAX) s->cfg.max_peers = SYNC_PEERS_MAX;
    rng_seed(&s->rng, cfg->seed);
    s->key = rng_next(&s->rng);
    seen_init(&s->bad, BAD_BLOCKS);
    seen_init(&s->tx_seen, KNOWN_TXS);
    *out = s;
    return OK;
}

void sync_free(struct sync *s)
{
    if (s == NULL) return;
    fetch_reset(s);
    for (size_t i = 0; i < s->n_peers; i++)
        peer_free(s->peers[i]);
    for (size_t i = 0; i < s->n_orphans; i++)
        free(s->orphans[i].raw);
    for (size_t i = 0; i < s->n_early; i++)
        free(s->early[i].raw);
    announce_fini(s);
    seen_fini(&s->bad);
    seen_fini(&s->tx_seen);
    free(s->wants);
    free(s->tx_out);
    free(s);
}

/* Every public call that may reach peers runs between these: peers that were dropped inside are freed at the end of the outermost. */
static void enter(struct sync *s, uint64_t now)
{
    s->depth++;
    s->now = now;
}

static void leave(struct sync *s)
{
    if (--s->depth == 0) peer_reap(s);
}

/* ---------------------------------------------------------------- status */

static void send_status(struct sync *s, struct peer *p)
{
    struct sync_head head;
    struct buf b;
    s->ops.get_head(s->ops.chain, &head);
    struct eth_status st = {.version = p->version, .network_id = s->cfg.network_id, .td = head.td, .head = head.hash,
                            .genesis = s->cfg.genesis, .has_fork_id = eth_has_fork_id(p->version)};
    forkid_at(&st.fork_id, &s->cfg.forks, head.number, head.timestamp);
    buf_init(&b, 512);
    eth_status_put(&b, &st);
    peer_send(s, p, ETH_STATUS, &b);
}

static void on_status(struct sync *s, struct peer *p, bytes payload, uint64_t now)
{
    struct eth_status st;
    struct sync_head head;
    if (p->ready) {
        peer_drop(s, p, DISCONNECT_BREACH, "a second Status");
        return;
    }
    if (eth_status_get(&st, payload) != OK || st.version != p->version || st.has_fork_id != eth_has_fork_id(p->version)) {
        peer_drop(s, p, DISCONNECT_BREACH, "malformed Status");
        return;
    }
    p->network_id = st.network_id;
    if (st.network_id != s->cfg.network_id) {
        peer_drop(s, p, DISCONNECT_USELESS, "another network id");
        return;
    }
    if (!hash_eq(&st.genesis, &s->cfg.genesis)) {
        peer_drop(s, p, DISCONNECT_USELESS, "another genesis block");
        return;
    }
    s->ops.get_head(s->ops.chain, &head);
    if (st.has_fork_id && !forkid_is_compatible(&s->cfg.forks, &st.fork_id, head.number, head.timestamp)) {
        p->fork_mismatch = true;
        if (s->cfg.strict_fork_id) {
            peer_drop(s, p, DISCONNECT_USELESS, "incompatible fork id");
            return;
        }
    }
    p->ready = true;
    p->td = st.td;
    p->head = st.head;
    seen_add(&p->blocks, s->key, &st.head);
    u256 td;
    p->has_number = s->ops.get_meta(s->ops.chain, &p->number, &td, &st.head) == OK;
    txs_to_new_peer(s, p);
    s->look_again = 0;
    fetch_maybe_start(s, now);
}

/* ---------------------------------------------------------------- messages */

static void on_answer(struct sync *s, struct peer *p, enum request_kind kind, bytes payload, uint64_t now)
{
    uint64_t id;
    bytes list;
    if (eth_request_get(&id, &list, p->version, payload) != OK) {
        peer_drop(s, p, DISCONNECT_BREACH, "malformed answer");
        return;
    }
    struct request r = p->req[kind];
    if (!r.active || (eth_has_request_id(p->version) && r.id != id)) {
        peer_fault(s, p, "answers what was not asked", now); /* or too late */
        return;
    }
    p->req[kind] = (struct request){0};
    p->timeouts = 0;
    if (kind != REQ_POOLED) peer_note_answer(p, &r, now);
    switch (kind) {
    case REQ_HEADERS:
        if (r.purpose == FOR_ANNOUNCED) announce_on_header(s, p, &r, list, now);
        else fetch_on_headers(s, p, &r, list, now);
        break;
    case REQ_BODIES:
        if (r.purpose == FOR_ANNOUNCED) announce_on_body(s, p, &r, list, now);
        else fetch_on_bodies(s, p, &r, list, now);
        break;
    case REQ_POOLED:
        txs_on_pooled(s, p, list, now);
        txs_on_timeout(s, p, &r, now); /* what was left out */
        break;
    case REQ_N: break;
    }
    request_clear(&r);
}

static void dispatch(struct sync *s, struct peer *p, unsigned message, bytes payload, uint64_t now)
{
    if (message == ETH_STATUS) {
        on_status(s, p, payload, now);
        return;
    }
    if (!p->ready) {
        peer_drop(s, p, DISCONNECT_BREACH, "a message before Status");
        return;
    }
    switch (message) {
    case ETH_NEW_BLOCK_HASHES: announce_on_hashes(s, p, payload, now); return;
    case ETH_NEW_BLOCK: gossip_on_new_block(s, p, payload, now); return;
    case ETH_TRANSACTIONS: txs_on_list(s, p, payload, now); return;
    case ETH_BLOCK_HEADERS: on_answer(s, p, REQ_HEADERS, payload, now); return;
    case ETH_BLOCK_BODIES: on_answer(s, p, REQ_BODIES, payload, now); return;
    case ETH_GET_BLOCK_HEADERS:
    case ETH_GET_BLOCK_BODIES:
    case ETH_GET_RECEIPTS: serve(s, p, message, payload, now); return;
    case ETH_GET_NODE_DATA:
        if (p->version < 67) serve(s, p, message, payload, now);
        else peer_drop(s, p, DISCONNECT_BREACH, "GetNodeData is no message of this version");
        return;
    case ETH_NODE_DATA:
    case ETH_RECEIPTS: peer_fault(s, p, "answers what was not asked", now); return;
    case ETH_NEW_POOLED_TX_HASHES:
    case ETH_GET_POOLED_TXS:
    case ETH_POOLED_TXS: break;
    default: peer_drop(s, p, DISCONNECT_BREACH, "an unknown message"); return;
    }
    if (!eth_has_pooled_txs(p->version)) peer_drop(s, p, DISCONNECT_BREACH, "an unknown message");
    else if (message == ETH_NEW_POOLED_TX_HASHES) txs_on_hashes(s, p, payload, now);
    else if (message == ETH_GET_POOLED_TXS) serve(s, p, message, payload, now);
    else on_answer(s, p, REQ_POOLED, payload, now);
}

void sync_receive(struct sync *s, uint64_t peer, unsigned message, bytes payload, uint64_t now_ms)
{
    struct peer *p = peer_find(s, peer);
    if (p == NULL) return;
    enter(s, now_ms);
    if (payload.len > MESSAGE_MAX) peer_drop(s, p, DISCONNECT_BREACH, "message over 16 MiB");
    else dispatch(s, p, message, payload, now_ms);
    leave(s);
    /* the next question goes out at once, imports wait for the tick */
    if (s->depth == 0 && s->fetch.state == FETCH_CHAIN && (message == ETH_BLOCK_HEADERS || message == ETH_BLOCK_BODIES)) {
        enter(s, now_ms);
        fetch_ask(s, now_ms);
        leave(s);
    }
}

/* ---------------------------------------------------------------- peers and time */

enum status sync_add_peer(struct sync *s, uint64_t peer, unsigned version, uint64_t now_ms)
{
    if (version < ETH_VERSION_MIN || version > ETH_VERSION_MAX || peer == 0) return E_INVALID;
    if (peer_find(s, peer) != NULL) return E_EXISTS;
    if (s->n_peers >= s->cfg.max_peers) return E_LIMIT;
    struct peer *p = calloc(1, sizeof *p);
    if (p == NULL) return E_NOMEM;
    p->id = peer;
    p->version = version;
    p->added_ms = p->tokens_at = p->faults_at = now_ms;
    p->tokens_milli = (uint64_t)SERVE_BURST * 1000;
    p->next_id = rng_next(&s->rng) >> 33;
    seen_init(&p->blocks, KNOWN_BLOCKS);
    seen_init(&p->txs, KNOWN_TXS);
    enter(s, now_ms);
    s->peers[s->n_peers++] = p;
    send_status(s, p);
    leave(s);
    return OK;
}

void sync_remove_peer(struct sync *s, uint64_t peer, uint64_t now_ms)
{
    struct peer *p = peer_find(s, peer);
    if (p == NULL) return;
    enter(s, now_ms);
    p->dead = true;
    p->ready = false;
    leave(s);
}

uint64_t sync_tick(struct sync *s, uint64_t now_ms)
{
    enter(s, now_ms);
    for (size_t i = 0; i < s->n_peers; i++)
        peer_check_timeouts(s, s->peers[i], now_ms);
    gossip_tick(s, now_ms);
    fetch_run(s, now_ms);
    announce_tick(s, now_ms);
    txs_tick(s, now_ms);
    leave(s);
    return sync_next_ms(s, now_ms);
}

static uint64_t until(uint64_t due, uint64_t now)
{
    return due > now ? due - now : 0;
}

uint64_t sync_next_ms(const struct sync *s, uint64_t now_ms)
{
    uint64_t next = 1000;
    if (fetch_wants_turn(s, now_ms)) return 0;
    if (s->n_announced > 0 || s->n_wants > 0 || s->fetch.state != FETCH_IDLE) next = 50;
    for (size_t i = 0; i < s->n_early; i++)
        if (until(s->early[i].due, now_ms) < next) next = until(s->early[i].due, now_ms);
    if (s->n_tx_out > 0 && until(s->tx_out_due, now_ms) < next) next = until(s->tx_out_due, now_ms);
    return next;
}

void sync_announce_block(struct sync *s, const hash32 *hash, bytes block, uint64_t now_ms)
{
    uint64_t number;
    u256 td;
    enter(s, now_ms);
    if (s->ops.get_meta(s->ops.chain, &number, &td, hash) == OK) gossip_propagate(s, hash, number, &td, block, now_ms);
    gossip_connect_orphans(s, hash, now_ms);
    leave(s);
}

void sync_nudge(struct sync *s, uint64_t now_ms)
{
    enter(s, now_ms);
    s->look_again = 0;
    fetch_maybe_start(s, now_ms);
    leave(s);
}

struct skew *sync_skew(struct sync *s)
{
    return &s->skew;
}

void sync_get_state(struct sync_state *out, const struct sync *s)
{
    struct sync_head head;
    *out = s->count;
    s->ops.get_head(s->ops.chain, &head);
    out->n_peers = s->n_peers;
    out->n_ready = 0;
    for (size_t i = 0; i < s->n_peers; i++)
        out->n_ready += s->peers[i]->ready;
    out->current_block = out->highest_block = out->starting_block = head.number;
    if (s->fetch.state == FETCH_IDLE) return;
    out->starting_block = s->fetch.starting;
    if (s->fetch.target_number > head.number) out->highest_block = s->fetch.target_number;
    out->is_syncing = s->fetch.target_number > head.number + 8;
    const struct fetch *f = &s->fetch;
    const bool grows = f->imported > 0 && s->now < f->progress_at + GROWTH_MS, fresh = !f->is_doubtful && s->now < f->began + PROMISE_MS;
    out->is_behind = out->is_syncing && (grows || fresh);
}

bool sync_get_peer(struct sync_peer_info *out, const struct sync *s, uint64_t peer)
{
    const struct peer *p = peer_find(s, peer);
    if (p == NULL) return false;
    *out = (struct sync_peer_info){.ready = p->ready, .version = p->version, .head = p->head, .td = p->td, .has_number = p->has_number,
                                   .number = p->number, .fork_id_mismatch = p->fork_mismatch, .network_id = p->network_id};
    return true;
}
