#include "node/sync/sync_priv.h"

/* ---------------------------------------------------------------- seen */

void seen_init(struct seen *s, uint32_t max)
{
    *s = (struct seen){.max = max};
}

void seen_fini(struct seen *s)
{
    free(s->slot[0]);
    free(s->slot[1]);
    *s = (struct seen){.max = s->max};
}

/* A keyed fingerprint: hashes are uniform already, the key keeps a peer from choosing colliding places. */
static uint64_t seen_print(uint64_t key, const hash32 *h)
{
    uint64_t v = (le64_get(h->b) ^ key) * 0x9e3779b97f4a7c15u;
    v ^= le64_get(h->b + 8) + (v >> 29);
    v *= 0xbf58476d1ce4e5b9u;
    v ^= v >> 32;
    return v == 0 ? 1 : v;
}

static bool table_has(const uint64_t *slot, uint32_t cap, uint64_t v)
{
    if (cap == 0) return false;
    for (uint32_t i = (uint32_t)v & (cap - 1);; i = (i + 1) & (cap - 1)) {
        if (slot[i] == v) return true;
        if (slot[i] == 0) return false;
    }
}

static void table_insert(uint64_t *slot, uint32_t cap, uint64_t v)
{
    uint32_t i = (uint32_t)v & (cap - 1);
    while (slot[i] != 0)
        i = (i + 1) & (cap - 1);
    slot[i] = v;
}

bool seen_has(const struct seen *s, uint64_t key, const hash32 *h)
{
    const uint64_t v = seen_print(key, h);
    return table_has(s->slot[0], s->cap[0], v) || table_has(s->slot[1], s->cap[1], v);
}

void seen_add(struct seen *s, uint64_t key, const hash32 *h)
{
    const uint64_t v = seen_print(key, h);
    if (table_has(s->slot[0], s->cap[0], v)) return;
    if (s->n[0] >= s->max) { /* the young generation is full: it becomes the old one */
        free(s->slot[1]);
        s->slot[1] = s->slot[0];
        s->cap[1] = s->cap[0];
        s->n[1] = s->n[0];
        s->slot[0] = NULL;
        s->cap[0] = s->n[0] = 0;
    }
    if (s->n[0] * 2 >= s->cap[0]) {
        const uint32_t cap = s->cap[0] == 0 ? 64 : s->cap[0] * 2;
        uint64_t *slot = calloc(cap, sizeof *slot);
        if (slot == NULL) return; /* forgetting is allowed */
        for (uint32_t i = 0; i < s->cap[0]; i++)
            if (s->slot[0][i] != 0) table_insert(slot, cap, s->slot[0][i]);
        free(s->slot[0]);
        s->slot[0] = slot;
        s->cap[0] = cap;
    }
    table_insert(s->slot[0], s->cap[0], v);
    s->n[0]++;
}

/* ---------------------------------------------------------------- peers */

struct peer *peer_find(const struct sync *s, uint64_t id)
{
    if (id == 0) return NULL;
    for (size_t i = 0; i < s->n_peers; i++)
        if (s->peers[i]->id == id && !s->peers[i]->dead) return s->peers[i];
    return NULL;
}

void peer_free(struct peer *p)
{
    if (p == NULL) return;
    for (int i = 0; i < REQ_N; i++)
        request_clear(&p->req[i]);
    seen_fini(&p->blocks);
    seen_fini(&p->txs);
    free(p);
}

void peer_drop(struct sync *s, struct peer *p, enum disconnect_reason reason, const char *why)
{
    if (p->dead) return;
    p->dead = true;
    p->ready = false;
    s->ops.disconnect(s->ops.net, p->id, reason, why);
}

void peer_fault(struct sync *s, struct peer *p, const char *why, uint64_t now)
{
    /* faults fade: one is forgiven every ten seconds */
    const uint64_t forgiven = (now - p->faults_at) / 10000;
    if (forgiven > 0) {
        p->faults = p->faults > forgiven ? p->faults - (unsigned)forgiven : 0;
        p->faults_at = now;
    }
    if (++p->faults >= FAULTS_MAX) peer_drop(s, p, DISCONNECT_USELESS, why);
}

void peer_reap(struct sync *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n_peers; i++) {
        struct peer *p = s->peers[i];
        if (p->dead) {
            gossip_on_peer_gone(s, p);
            skew_peer_gone(&s->skew, p->id);
            peer_free(p);
        } else {
            s->peers[n++] = p;
        }
    }
    s->n_peers = n;
}

bool peer_is_choked(const struct sync *s, const struct peer *p)
{
    return s->ops.queued != NULL && s->ops.queued(s->ops.net, p->id) > QUEUED_MAX;
}

bool peer_take_token(struct peer *p, uint64_t now)
{
    const uint64_t max = (uint64_t)SERVE_BURST * 1000;
    uint64_t gained = now > p->tokens_at ? now - p->tokens_at : 0;
    if (gained > 1000000) gained = 1000000;
    p->tokens_milli += gained * SERVE_RATE;
    if (p->tokens_milli > max) p->tokens_milli = max;
    p->tokens_at = now;
    if (p->tokens_milli < 1000) return false;
    p->tokens_milli -= 1000;
    return true;
}

/* ---------------------------------------------------------------- requests */

void request_clear(struct request *r)
{
    free(r->hashes);
    free(r->numbers);
    *r = (struct request){0};
}

void peer_send(struct sync *s, struct peer *p, unsigned message, struct buf *b)
{
    if (buf_status(b) == OK && !p->dead) s->ops.send(s->ops.net, p->id, message, buf_view(b));
    buf_fini(b);
}

void peer_ask_headers(struct sync *s, struct peer *p, enum purpose why, const struct eth_get_headers *g, uint64_t now)
{
    struct request *r = &p->req[REQ_HEADERS];
    request_clear(r);
    *r = (struct request){.active = true, .purpose = why, .id = ++p->next_id, .deadline = now + HEADERS_TIMEOUT_MS,
                          .asked_at = now, .from = g->number, .amount = g->amount, .hash = g->hash};
    struct buf b;
    buf_init(&b, 256);
    const size_t mark = eth_request_open(&b, p->version, r->id);
    eth_get_headers_put(&b, g);
    eth_request_close(&b, p->version, mark);
    peer_send(s, p, ETH_GET_BLOCK_HEADERS, &b);
}

void peer_ask_hashes(struct sync *s, struct peer *p, enum request_kind kind, enum purpose why, hash32 *hashes_take, uint64_t *numbers_take,
                     size_t n, uint64_t now)
{
    struct request *r = &p->req[kind];
    request_clear(r);
    *r = (struct request){.active = true, .purpose = why, .id = ++p->next_id,
                          .deadline = now + (kind == REQ_BODIES ? BODIES_TIMEOUT_MS : POOLED_TIMEOUT_MS),
                          .asked_at = now, .hashes = hashes_take, .numbers = numbers_take, .n = n};
    struct buf b;
    buf_init(&b, 64 + n * 33);
    const size_t mark = eth_request_open(&b, p->version, r->id);
    rlp_put_list_header(&b, n * 33);
    for (size_t i = 0; i < n; i++)
        eth_hash_put(&b, &hashes_take[i]);
    eth_request_close(&b, p->version, mark);
    peer_send(s, p, kind == REQ_BODIES ? ETH_GET_BLOCK_BODIES : ETH_GET_POOLED_TXS, &b);
}

void peer_note_answer(struct peer *p, const struct request *r, uint64_t now)
{
    const uint64_t took = now > r->asked_at ? now - r->asked_at : 1;
    p->answer_ms = p->answer_ms == 0 ? took : (3 * p->answer_ms + took + 3) / 4;
}

static uint64_t quickest(const struct sync *s)
{
    uint64_t ms = 0;
    for (size_t i = 0; i < s->n_peers; i++) {
        const struct peer *p = s->peers[i];
        if (p->ready && p->answer_ms > 0 && (ms == 0 || p->answer_ms < ms)) ms = p->answer_ms;
    }
    return ms;
}

uint64_t peer_patience(const struct sync *s)
{
    const uint64_t ms = 4 * quickest(s);
    return ms == 0 || ms > PATIENCE_MAX_MS ? PATIENCE_MAX_MS : ms < PATIENCE_MIN_MS ? PATIENCE_MIN_MS : ms;
}

bool peer_is_slow(const struct sync *s, const struct peer *p)
{
    return p->answer_ms > peer_patience(s);
}

void peer_check_timeouts(struct sync *s, struct peer *p, uint64_t now)
{
    if (p->dead) return;
    if (!p->ready) {
        if (now >= p->added_ms + STATUS_TIMEOUT_MS) peer_drop(s, p, DISCONNECT_TIMEOUT, "no Status");
        return;
    }
    for (int k = 0; k < REQ_N && !p->dead; k++) {
        struct request *r = &p->req[k];
        if (!r->active || now < r->deadline) continue;
        struct request old = *r;
        *r = (struct request){0};
        p->timeouts++;
        peer_note_answer(p, &old, now);
        if (k == REQ_POOLED) {
            txs_on_timeout(s, p, &old, now);
        } else if (old.purpose == FOR_ANNOUNCED) {
            announce_on_timeout(s, p, &old, now);
        } else {
            fetch_on_timeout(s, p, &old, now);
        }
        request_clear(&old);
        if (p->timeouts >= TIMEOUTS_MAX) peer_drop(s, p, DISCONNECT_USELESS, "too many requests timed out");
    }
}
