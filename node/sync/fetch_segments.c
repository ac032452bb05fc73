/* Catching up, headers from several peers. The one whose chain is followed says where every HEADERS_ASKth header stands (a skeleton); what lies between
 * is a segment, which any peer may give: its headers must link among themselves and end in the skeleton's. Nobody but the skeleton's giver can
 * therefore bring headers of another chain into the fetch, and he vouches for all of them, as if he had sent each.
 *
 * Done where one line is the bottleneck: answers that take long. Elsewhere the import is, and the next headers are there before it needs them. */
#include "node/sync/sync_priv.h"

void segments_reset(struct fetch *f)
{
    for (size_t i = 0; i < f->n_segments; i++)
        free(f->segments[i].raw);
    f->n_segments = 0;
}

static bool may_help(const struct sync *s, const struct peer *p, uint64_t last, uint64_t now)
{
    return p->ready && !p->dead && now >= p->segments_cooldown && !peer_is_choked(s, p) && (p->id == s->fetch.peer || !p->has_number || p->number >= last);
}

/* how many segments are worth a skeleton: 0: this is not the time for one */
static uint64_t wanted(const struct sync *s, const struct peer *lead, uint64_t now)
{
    const struct fetch *f = &s->fetch;
    const uint64_t from = f->base + f->n;
    uint64_t k = (WINDOW - f->n) / HEADERS_ASK, left = from <= f->target_number ? (f->target_number - from + 1) / HEADERS_ASK : 0;
    size_t helpers = 0;
    if (f->no_segments || lead->answer_ms < SEGMENTS_FROM_MS) return 0;
    for (size_t i = 0; i < s->n_peers; i++)
        helpers += s->peers[i] != lead && may_help(s, s->peers[i], from + HEADERS_ASK, now);
    if (k > left) k = left;
    if (k > SEGMENTS) k = SEGMENTS;
    return helpers == 0 || k < 2 ? 0 : k;
}

bool segments_begin(struct sync *s, struct peer *lead, uint64_t now)
{
    const struct fetch *f = &s->fetch;
    const struct eth_get_headers g = {.number = f->base + f->n + HEADERS_ASK - 1, .amount = wanted(s, lead, now), .skip = HEADERS_ASK - 1};
    if (g.amount == 0) return false;
    peer_ask_headers(s, lead, FOR_SKELETON, &g, now);
    return true;
}

void segments_on_skeleton(struct sync *s, struct peer *p, const struct request *r, bytes list, uint64_t now)
{
    struct fetch *f = &s->fetch;
    if (f->n_segments > 0 || r->from != f->base + f->n + HEADERS_ASK - 1) return;
    size_t n = 0;
    while (list.len > 0) {
        struct rlp_item item;
        struct header h;
        bytes in = list;
        if (rlp_get_item(&item, &in) != OK || header_get(&h, &list, NULL) != OK || n >= r->amount || n >= SEGMENTS) {
            peer_drop(s, p, DISCONNECT_BREACH, "malformed headers");
            return;
        }
        if (h.number != r->from + n * HEADERS_ASK) {
            peer_fault(s, p, "headers are not those asked for", now);
            fetch_give_up(s, p, 5000, now);
            return;
        }
        f->segments[n] = (struct segment){.from = h.number - HEADERS_ASK + 1};
        keccak256(f->segments[n++].end.b, item.raw.ptr, item.raw.len);
    }
    f->n_segments = n;
    f->no_segments = n == 0; /* it has fewer than it said: they come one behind the other */
}

/* is somebody at it? */
static bool is_asked(const struct sync *s, const struct segment *g, uint64_t now)
{
    const struct peer *p = peer_find(s, g->peer);
    const struct request *r = p == NULL ? NULL : &p->req[REQ_HEADERS];
    return r != NULL && r->active && r->purpose == FOR_SEGMENT && r->from == g->from && now < g->asked_at + SEGMENT_PATIENCE_MS;
}

void segments_ask(struct sync *s, uint64_t now)
{
    struct fetch *f = &s->fetch;
    for (size_t i = 0; i < s->n_peers; i++) {
        struct peer *p = s->peers[i];
        struct segment *next = NULL;
        for (size_t k = 0; k < f->n_segments && !p->req[REQ_HEADERS].active; k++) {
            struct segment *g = &f->segments[k];
            if (g->raw != NULL || is_asked(s, g, now) || !may_help(s, p, g->from + HEADERS_ASK - 1, now)) continue;
            if (next == NULL || peer_is_slow(s, p)) next = g; /* of a slow one what is needed last */
        }
        if (next == NULL) continue;
        const struct eth_get_headers q = {.number = next->from, .amount = HEADERS_ASK};
        next->peer = p->id;
        next->asked_at = now;
        peer_ask_headers(s, p, FOR_SEGMENT, &q, now);
    }
}

/* it can't, or would not: another one is asked; the one whose chain it is has nothing to say for itself */
static void refuse(struct sync *s, struct peer *p, const char *why, uint64_t now)
{
    p->segments_cooldown = now + 10000;
    peer_fault(s, p, why, now);
    if (p->id == s->fetch.peer) fetch_give_up(s, p, 5000, now);
}

void segments_on_headers(struct sync *s, struct peer *p, const struct request *r, bytes list, uint64_t now)
{
    struct fetch *f = &s->fetch;
    struct segment *g = NULL;
    const bytes whole = list;
    hash32 hash = {{0}};
    uint64_t n = 0;
    for (size_t k = 0; k < f->n_segments; k++)
        if (f->segments[k].from == r->from && f->segments[k].raw == NULL) g = &f->segments[k];
    if (g == NULL) return; /* another one was quicker */
    for (; list.len > 0; n++) {
        struct rlp_item item;
        struct header h;
        bytes in = list;
        if (rlp_get_item(&item, &in) != OK || header_get(&h, &list, NULL) != OK || n >= HEADERS_ASK) {
            peer_drop(s, p, DISCONNECT_BREACH, "malformed headers");
            return;
        }
        if (h.number != g->from + n) {
            refuse(s, p, "headers are not those asked for", now);
            return;
        }
        if (n > 0 && !hash_eq(&h.parent_hash, &hash)) {
            peer_drop(s, p, DISCONNECT_BREACH, "headers don't link among themselves");
            return;
        }
        keccak256(hash.b, item.raw.ptr, item.raw.len);
    }
    if (n != HEADERS_ASK || !hash_eq(&hash, &g->end)) {
        refuse(s, p, "has not the headers of the chain that is fetched", now);
        return;
    }
    if (whole.len > SEGMENT_BYTES) { /* such large ones are taken one answer at a time */
        f->no_segments = true;
        segments_reset(f);
        return;
    }
    g->raw = malloc(whole.len);
    if (g->raw == NULL) return;
    memcpy(g->raw, whole.ptr, whole.len);
    g->len = whole.len;
    while (f->state == FETCH_CHAIN && f->n_segments > 0 && f->segments[0].raw != NULL) {
        const struct segment front = f->segments[0];
        memmove(f->segments, f->segments + 1, --f->n_segments * sizeof f->segments[0]);
        struct peer *lead = peer_find(s, f->peer);
        if (lead != NULL) fetch_take_headers(s, lead, front.from, HEADERS_ASK, bytes_make(front.raw, front.len), now);
        free(front.raw);
        if (lead == NULL || f->headers_done) segments_reset(f);
    }
}
