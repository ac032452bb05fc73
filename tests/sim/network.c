/* network.c: connections. A connection is TCP: in order and complete while it lives, unless a fault of the path makes it lose, repeat or
 * re-order messages (worse than TCP ever is; the sync must bear it). */
#include "tests/sim/sim.h"

enum { DIAL_MIN_MS = 200, DIAL_MAX_MS = 2500, GONE_MS = 50, PING_MIN_MS = 8000, PING_MAX_MS = 20000, STALL_MAX = 4096 };

static struct link *link_of(struct sim *sim, size_t a, size_t b)
{
    return a < b ? &sim->link[a][b] : &sim->link[b][a];
}

static void packet_drop(struct packet *p)
{
    if (p != NULL && --p->refs == 0) free(p);
}

static void drop_stalled(struct link *l)
{
    for (size_t i = 0; i < l->n_stalled; i++)
        packet_drop(l->stalled[i].packet);
    l->n_stalled = 0;
}

static void stall(struct link *l, const struct event *e)
{
    if (l->n_stalled == STALL_MAX) { /* the peer's window is full: what comes later is lost with the connection */
        packet_drop(e->packet);
        return;
    }
    if (l->n_stalled == l->cap_stalled) {
        l->cap_stalled = l->cap_stalled == 0 ? 64 : 2 * l->cap_stalled;
        l->stalled = realloc(l->stalled, l->cap_stalled * sizeof *l->stalled);
        if (l->stalled == NULL) BUG("out of memory");
    }
    l->stalled[l->n_stalled++] = *e;
}

static void schedule(struct sim *sim, struct link *l, struct event *e, bool in_order)
{
    const size_t dir = e->node > e->peer; /* peer is the sender; 0: the lower number sends */
    e->at = sim->now + sim->delay_ms + sim_pick(sim, 0, sim->jitter_ms);
    if (in_order) {
        if (e->at < l->last_arrival[dir]) e->at = l->last_arrival[dir];
        l->last_arrival[dir] = e->at;
    } else {
        e->at += sim_pick(sim, 0, 2000);
    }
    sim_push(sim, e);
}

void net_send(struct sim *sim, size_t from, size_t to, unsigned message, bytes payload)
{
    struct link *l = link_of(sim, from, to);
    if (!l->is_up) return;
    sim->stats->messages++;
    sim->stats->bytes += payload.len;
    if (sim->opt.verbose && message < MESSAGE_PING) sim_log(sim, "%zu > %zu %s %zu", from, to, eth_message_name(message), payload.len);
    bool in_order = true, twice = false;
    if (message != ETH_STATUS) {
        if (sim->loss > 0 && rng_below(&sim->rng, 10000) < sim->loss) {
            sim->stats->faults[FAULT_LOST]++;
            l->has_gap = true;
            return;
        }
        twice = sim->twice > 0 && rng_below(&sim->rng, 10000) < sim->twice;
        in_order = sim->late == 0 || rng_below(&sim->rng, 10000) >= sim->late;
    }
    if (l->cut == CUT_DROP) {
        sim->stats->faults[FAULT_LOST]++;
        return;
    }
    sim->stats->faults[FAULT_TWICE] += twice;
    sim->stats->faults[FAULT_LATE] += !in_order;
    struct packet *p = malloc(sizeof *p + payload.len);
    if (p == NULL) BUG("out of memory");
    *p = (struct packet){.refs = 1U + twice, .len = payload.len};
    if (payload.len > 0) memcpy(p->data, payload.ptr, payload.len);
    struct event e = {.kind = EV_MESSAGE, .node = (uint8_t)to, .peer = (uint8_t)from, .gen = l->conn, .message = message, .packet = p};
    for (unsigned i = 0; i < 1U + twice; i++) {
        if (l->cut == CUT_STALL) stall(l, &e);
        else schedule(sim, l, &e, in_order && i == 0);
    }
}

void net_deliver(struct sim *sim, struct event *e)
{
    struct link *l = link_of(sim, e->node, e->peer);
    struct validator *v = &sim->node[e->node];
    if (l->is_up && l->conn == e->gen && v->is_up) {
        if (l->cut == CUT_STALL) {
            stall(l, e);
            return;
        }
        if (l->cut != CUT_DROP) validator_receive(v, e->peer, e->message, bytes_make(e->packet->data, e->packet->len));
        else sim->stats->faults[FAULT_LOST]++;
    }
    packet_drop(e->packet);
}

void net_break(struct sim *sim, size_t a, size_t b, bool tell_a, bool tell_b, uint64_t within_ms)
{
    struct link *l = link_of(sim, a, b);
    if (!l->is_up) return;
    l->is_up = false;
    drop_stalled(l);
    struct event e = {.kind = EV_GONE, .at = sim->now + sim_pick(sim, 1, within_ms), .gen = l->conn};
    if (tell_a) {
        e.node = (uint8_t)a;
        e.peer = (uint8_t)b;
        sim_push(sim, &e);
    }
    if (tell_b) {
        e.node = (uint8_t)b;
        e.peer = (uint8_t)a;
        sim_push(sim, &e);
    }
    net_dial(sim, a, b, GONE_MS + sim_pick(sim, DIAL_MIN_MS, DIAL_MAX_MS));
}

void net_dial(struct sim *sim, size_t a, size_t b, uint64_t delay_ms)
{
    struct link *l = link_of(sim, a, b);
    if (l->dialing || l->is_up) return;
    l->dialing = true;
    const struct event e = {.kind = EV_DIAL, .at = sim->now + delay_ms, .node = (uint8_t)a, .peer = (uint8_t)b};
    sim_push(sim, &e);
}

void net_on_dial(struct sim *sim, const struct event *e)
{
    static const unsigned versions[] = {63, 66, 68};
    struct link *l = link_of(sim, e->node, e->peer);
    struct validator *a = &sim->node[e->node], *b = &sim->node[e->peer];
    l->dialing = false;
    if (l->is_up || !a->is_up || !b->is_up) return; /* a node that boots dials all by itself */
    if (l->cut != CUT_NONE) {
        net_dial(sim, e->node, e->peer, sim_pick(sim, DIAL_MIN_MS, DIAL_MAX_MS));
        return;
    }
    l->is_up = true;
    l->conn++;
    l->has_gap = false;
    l->last_arrival[0] = l->last_arrival[1] = 0;
    const unsigned version = versions[(sim->opt.seed + e->node + e->peer) % COUNT_OF(versions)];
    sync_remove_peer(a->sync, b->index + 1, sim->now); /* each may not have heard yet that the connection before ended */
    sync_remove_peer(b->sync, a->index + 1, sim->now);
    const enum status s = sync_add_peer(a->sync, b->index + 1, version, sim->now), t = sync_add_peer(b->sync, a->index + 1, version, sim->now);
    if (s != OK || t != OK) BUG("sync_add_peer");
    sim_log(sim, "%zu-%zu connected", a->index, b->index);
    validator_ping(a, b->index);
    validator_ping(b, a->index);
    validator_touch(a);
    validator_touch(b);
}

void net_ping_all(struct sim *sim, size_t from)
{
    for (size_t k = 0; k < sim->n; k++)
        if (k != from && sim->node[from].is_up && link_of(sim, from, k)->is_up) validator_ping(&sim->node[from], k);
}

void net_cut(struct sim *sim, size_t a, size_t b, enum cut_kind kind)
{
    struct link *l = link_of(sim, a, b);
    if (l->cut != CUT_NONE) return;
    if (kind == CUT_RESET) net_break(sim, a, b, true, true, GONE_MS);
    l->cut = kind;
    if (!l->is_up) return;
    const struct event e = {.kind = EV_TIMEOUT, .at = sim->now + sim_pick(sim, PING_MIN_MS, PING_MAX_MS), .node = (uint8_t)a, .peer = (uint8_t)b,
                            .gen = l->conn};
    sim_push(sim, &e); /* pings go unanswered */
}

void net_on_timeout(struct sim *sim, const struct event *e)
{
    const struct link *l = link_of(sim, e->node, e->peer);
    if (l->is_up && l->conn == e->gen && l->cut != CUT_NONE) net_break(sim, e->node, e->peer, true, true, GONE_MS);
}

void net_on_gone(struct sim *sim, const struct event *e)
{
    const struct link *l = link_of(sim, e->node, e->peer);
    struct validator *v = &sim->node[e->node];
    if (!v->is_up || l->conn != e->gen || l->is_up) return;
    sync_remove_peer(v->sync, (uint64_t)e->peer + 1, sim->now);
    validator_touch(v);
}

void net_heal(struct sim *sim, size_t a, size_t b)
{
    struct link *l = link_of(sim, a, b);
    if (l->cut == CUT_DROP || (l->has_gap && sim->loss == 0)) net_break(sim, a, b, true, true, GONE_MS);
    l->cut = CUT_NONE;
    for (size_t i = 0; i < l->n_stalled; i++)
        schedule(sim, l, &l->stalled[i], true);
    l->n_stalled = 0;
}

void net_fini(struct sim *sim)
{
    for (size_t a = 0; a < sim->n; a++) {
        for (size_t b = a + 1; b < sim->n; b++) {
            drop_stalled(&sim->link[a][b]);
            free(sim->link[a][b].stalled);
        }
    }
    for (size_t i = 0; i < sim->n_heap; i++)
        packet_drop(sim->heap[i].packet);
}
