/* Catching up: head -> common ancestor -> headers of one peer's chain, bodies from all -> import in order. */
#include "node/sync/sync_priv.h"

/* ---------------------------------------------------------------- bodies and headers */

/* transactions, uncles and perhaps withdrawals, one behind the other: as in a block behind its header, and in a body */
bool body_identify(struct body_id *out, const struct sync *s, bytes payload)
{
    struct rlp_item txs, uncles, withdrawals;
    struct body_id id = {0};
    if (rlp_get_item(&txs, &payload) != OK || rlp_get_item(&uncles, &payload) != OK || !txs.is_list || !uncles.is_list) return false;
    if (payload.len > 0) {
        if (rlp_get_item(&withdrawals, &payload) != OK || !withdrawals.is_list || payload.len > 0) return false;
        id.has_withdrawals = true;
    }
    keccak256(id.uncles_hash.b, uncles.raw.ptr, uncles.raw.len);
    if (txs.payload.len == 0) {
        id.tx_root = HASH_EMPTY_TRIE;
        id.has_tx_root = true;
    } else if (s->ops.tx_root != NULL) {
        if (s->ops.tx_root(s->ops.chain, &id.tx_root, txs.payload) != OK) return false;
        id.has_tx_root = true;
    }
    *out = id;
    return true;
}

bool body_is_of(const struct body_id *id, const struct header *h)
{
    return (!id->has_tx_root || hash_eq(&id->tx_root, &h->tx_root)) && hash_eq(&id->uncles_hash, &h->uncles_hash) &&
           id->has_withdrawals == h->has_withdrawals;
}

bool header_has_empty_body(const struct header *h)
{
    return hash_eq(&h->tx_root, &HASH_EMPTY_TRIE) && hash_eq(&h->uncles_hash, &HASH_EMPTY_UNCLES) && !h->has_withdrawals;
}

void fetch_pop(struct sync *s)
{
    struct fetch *f = &s->fetch;
    struct slot *sl = fetch_slot(f, 0);
    f->body_bytes -= sl->body_len + sl->header_len;
    if (sl->prepared != NULL) {
        f->prepared_bytes -= sl->body_len + sl->header_len;
        s->ops.forget(s->ops.chain, sl->prepared);
    }
    free(sl->header);
    free(sl->body);
    *sl = (struct slot){0};
    f->first = (f->first + 1) % WINDOW;
    f->n--;
    f->base++;
}

void fetch_reset(struct sync *s)
{
    struct fetch *f = &s->fetch;
    while (f->n > 0)
        fetch_pop(s);
    free(f->slots);
    segments_reset(f);
    for (size_t i = 0; i < s->n_peers; i++) /* what is still under way is for nothing */
        for (int k = 0; k < REQ_N; k++)
            if (s->peers[i]->req[k].active && s->peers[i]->req[k].purpose != FOR_ANNOUNCED && k != REQ_POOLED)
                s->peers[i]->req[k].purpose = FOR_NOTHING;
    *f = (struct fetch){0};
}

void fetch_give_up(struct sync *s, struct peer *p, uint64_t cooldown_ms, uint64_t now)
{
    if (p != NULL) p->cooldown = now + cooldown_ms;
    fetch_reset(s);
    s->look_again = now;
}

/* It promised a heavier chain and did not give it: it is asked again later, and in the end it goes. */
static void give_up_on(struct sync *s, struct peer *p, uint64_t cooldown_ms, uint64_t now)
{
    const bool fruitless = p != NULL && s->fetch.imported == 0;
    fetch_give_up(s, p, cooldown_ms, now);
    if (fruitless && ++p->fruitless >= FRUITLESS_MAX) peer_drop(s, p, DISCONNECT_USELESS, "promises a chain that it never gives");
}

/* A peer that has not what it said: its chain may be a lighter one by now, that more have sealed (node/aura/commit.h). What it sent last tells. */
static bool take_last(struct sync *s, struct peer *p)
{
    if (p->last_number == 0 || hash_eq(&p->head, &p->last)) return false;
    p->head = p->last;
    p->number = p->last_number;
    p->has_number = true;
    p->td = U256_ZERO;
    p->unsynced = !s->ops.has_block(s->ops.chain, &p->last);
    return true;
}

/* ---------------------------------------------------------------- whom to follow */

static struct peer *best_peer(struct sync *s, uint64_t now)
{
    struct sync_head head;
    struct peer *best = NULL;
    s->ops.get_head(s->ops.chain, &head);
    for (size_t i = 0; i < s->n_peers; i++) {
        struct peer *p = s->peers[i];
        if (!p->ready || now < p->cooldown || p->req[REQ_HEADERS].active) continue;
        if (!u256_lt(&head.td, &p->td) && !p->unsynced) continue;
        if (s->ops.has_block(s->ops.chain, &p->head)) {
            p->unsynced = false;
            continue;
        }
        if (seen_has(&s->bad, s->key, &p->head)) continue;
        if (best == NULL || u256_lt(&best->td, &p->td) || (u256_eq(&best->td, &p->td) && p->answer_ms < best->answer_ms)) best = p;
    }
    return best;
}

static void ask_ancestor(struct sync *s, struct peer *p, uint64_t from, uint64_t amount, uint64_t now)
{
    const struct eth_get_headers g = {.number = from, .amount = amount};
    peer_ask_headers(s, p, FOR_ANCESTOR, &g, now);
}

static void begin_ancestor(struct sync *s, struct peer *p, uint64_t now)
{
    struct fetch *f = &s->fetch;
    struct sync_head head;
    s->ops.get_head(s->ops.chain, &head);
    const uint64_t top = head.number < f->target_number ? head.number : f->target_number;
    if (top < head.finalised) { /* nothing that we could follow */
        p->unsynced = false;
        fetch_give_up(s, p, 30000, now);
        return;
    }
    f->state = FETCH_ANCESTOR;
    f->first_probe = true;
    f->lo = head.finalised;
    f->starting = head.number;
    f->hi = top >= f->lo + ANCESTOR_ASK ? top - ANCESTOR_ASK + 1 : f->lo;
    if (s->ops.get_canonical(s->ops.chain, &f->link, f->lo) != OK) {
        fetch_give_up(s, p, 1000, now);
        return;
    }
    ask_ancestor(s, p, f->hi, top - f->hi + 1, now);
}

static void fetch_begin(struct sync *s, struct peer *p, const hash32 *target, uint64_t number, uint64_t now)
{
    s->fetch = (struct fetch){.peer = p->id, .target = *target, .target_number = number, .progress_at = now, .began = now,
                              .is_doubtful = p->fruitless > 0};
    for (size_t i = 0; i < s->n_peers; i++) { /* those of this one it may have */
        struct peer *other = s->peers[i];
        if (other->lacks_bodies) other->bodies_cooldown = 0;
        other->lacks_bodies = false;
    }
}

void fetch_start_with(struct sync *s, struct peer *p, const hash32 *target, uint64_t number, uint64_t now)
{
    p->unsynced = true;
    if (s->fetch.state != FETCH_IDLE || !p->ready || now < p->cooldown || p->req[REQ_HEADERS].active) return;
    fetch_begin(s, p, target, number, now);
    begin_ancestor(s, p, now);
}

void fetch_maybe_start(struct sync *s, uint64_t now)
{
    if (s->fetch.state != FETCH_IDLE || now < s->look_again || now < s->import_blocked_until) return;
    struct peer *p = best_peer(s, now);
    if (p == NULL) {
        s->look_again = now + 200;
        return;
    }
    fetch_begin(s, p, &p->head, p->number, now);
    if (p->has_number) {
        begin_ancestor(s, p, now);
    } else {
        const struct eth_get_headers g = {.by_hash = true, .hash = p->head, .amount = 1};
        s->fetch.state = FETCH_HEAD;
        peer_ask_headers(s, p, FOR_HEAD, &g, now);
    }
}

static void begin_chain(struct sync *s, uint64_t ancestor, const hash32 *link)
{
    struct fetch *f = &s->fetch;
    if (f->slots == NULL) f->slots = calloc(WINDOW, sizeof *f->slots);
    if (f->slots == NULL) {
        fetch_reset(s);
        return;
    }
    f->state = FETCH_CHAIN;
    f->base = ancestor + 1;
    f->link = *link;
    f->headers_done = false;
    f->progress_at = s->now;
}

/* ---------------------------------------------------------------- headers */

static void on_head(struct sync *s, struct peer *p, const struct request *r, bytes list, uint64_t now)
{
    struct rlp_item item;
    struct header h;
    hash32 hash;
    bytes in = list;
    if (list.len == 0) { /* it moved on since it told us */
        fetch_give_up(s, p, take_last(s, p) ? 0 : 2000, now);
        return;
    }
    if (rlp_get_item(&item, &in) != OK || header_get(&h, &list, NULL) != OK) {
        peer_drop(s, p, DISCONNECT_BREACH, "malformed header");
        return;
    }
    keccak256(hash.b, item.raw.ptr, item.raw.len);
    if (!hash_eq(&hash, &r->hash)) {
        peer_fault(s, p, "header is not the one asked for", now);
        fetch_give_up(s, p, 5000, now);
        return;
    }
    if (hash_eq(&p->head, &hash)) {
        p->number = h.number;
        p->has_number = true;
    }
    s->fetch.target_number = h.number;
    begin_ancestor(s, p, now);
}

static void on_ancestor(struct sync *s, struct peer *p, const struct request *r, bytes list, uint64_t now)
{
    struct fetch *f = &s->fetch;
    bool found = false;
    uint64_t n = 0;
    while (list.len > 0) {
        struct rlp_item item;
        struct header h;
        bytes in = list;
        if (rlp_get_item(&item, &in) != OK || header_get(&h, &list, NULL) != OK) {
            peer_drop(s, p, DISCONNECT_BREACH, "malformed header");
            return;
        }
        if (n >= r->amount || h.number != r->from + n) {
            peer_fault(s, p, "headers are not those asked for", now);
            fetch_give_up(s, p, 5000, now);
            return;
        }
        hash32 hash;
        keccak256(hash.b, item.raw.ptr, item.raw.len);
        if (s->ops.has_block(s->ops.chain, &hash)) {
            found = true;
            f->lo = h.number;
            f->link = hash;
        }
        n++;
    }
    if (n == 0) {
        if (take_last(s, p)) fetch_give_up(s, p, 0, now);
        else give_up_on(s, p, 3000, now);
        return;
    }
    if (f->first_probe && !found && r->from == f->lo) { /* differs where no re-organisation reaches */
        if (r->from == 0) {
            peer_drop(s, p, DISCONNECT_USELESS, "another genesis block");
            return;
        }
        p->unsynced = false;
        fetch_give_up(s, p, 60000, now);
        return;
    }
    if (!found) f->hi = r->from;
    if ((f->first_probe && found) || f->hi - f->lo <= 1) {
        begin_chain(s, f->lo, &f->link);
        return;
    }
    f->first_probe = false;
    ask_ancestor(s, p, f->lo + (f->hi - f->lo) / 2, 1, now);
}

static void mislinked(struct sync *s, struct peer *p, uint64_t now)
{
    /* its chain may have been re-organised under us; if not even the first fits, it forks off before our finality */
    peer_fault(s, p, "headers don't link", now);
    fetch_give_up(s, p, s->fetch.imported > 0 ? 500 : 10000, now);
}

void fetch_take_headers(struct sync *s, struct peer *p, uint64_t from, uint64_t amount, bytes list, uint64_t now)
{
    struct fetch *f = &s->fetch;
    if (from != f->base + f->n) return; /* an answer from before a change of peers */
    uint64_t n = 0;
    while (list.len > 0) {
        struct rlp_item item;
        struct header h;
        bytes in = list;
        if (rlp_get_item(&item, &in) != OK || header_get(&h, &list, NULL) != OK || n >= amount) {
            peer_drop(s, p, DISCONNECT_BREACH, "malformed headers");
            return;
        }
        if (h.number != from + n) {
            peer_fault(s, p, "headers are not those asked for", now);
            fetch_give_up(s, p, 5000, now);
            return;
        }
        if (!hash_eq(&h.parent_hash, &f->link)) {
            if (n > 0) peer_drop(s, p, DISCONNECT_BREACH, "headers don't link among themselves");
            else mislinked(s, p, now);
            return;
        }
        struct slot sl = {.header_peer = p->id, .header_len = item.raw.len, .gas_used = h.gas_used};
        keccak256(sl.hash.b, item.raw.ptr, item.raw.len);
        if (seen_has(&s->bad, s->key, &sl.hash)) { /* not its fault that it believes another's block; nothing to gain here */
            p->unsynced = false;
            f->headers_done = true;
            p->cooldown = now + 60000;
            break;
        }
        sl.header = malloc(item.raw.len);
        if (sl.header == NULL) break;
        memcpy(sl.header, item.raw.ptr, item.raw.len);
        if (header_has_empty_body(&h)) sl.state = SLOT_READY;
        f->link = sl.hash;
        f->body_bytes += sl.header_len;
        *fetch_slot(f, f->n++) = sl;
        n++;
    }
    if (n < amount) f->headers_done = true;
    if (f->base + f->n - 1 > f->target_number) f->target_number = f->base + f->n - 1;
    if (f->headers_done && f->n == 0 && f->imported == 0) give_up_on(s, p, 10000, now);
}

void fetch_on_headers(struct sync *s, struct peer *p, const struct request *r, bytes list, uint64_t now)
{
    if (p->id != s->fetch.peer && r->purpose != FOR_SEGMENT) return;
    switch (r->purpose) {
    case FOR_HEAD:
        if (s->fetch.state == FETCH_HEAD) on_head(s, p, r, list, now);
        break;
    case FOR_ANCESTOR:
        if (s->fetch.state == FETCH_ANCESTOR) on_ancestor(s, p, r, list, now);
        break;
    case FOR_CHAIN:
        if (s->fetch.state == FETCH_CHAIN) fetch_take_headers(s, p, r->from, r->amount, list, now);
        break;
    case FOR_SKELETON:
        if (s->fetch.state == FETCH_CHAIN) segments_on_skeleton(s, p, r, list, now);
        break;
    case FOR_SEGMENT:
        if (s->fetch.state == FETCH_CHAIN) segments_on_headers(s, p, r, list, now);
        break;
    case FOR_NOTHING:
    case FOR_ANNOUNCED: break;
    }
}

/* ---------------------------------------------------------------- bodies */

/* The slot that a request's entry i was for, if it still waits for that peer. */
static struct slot *asked_slot(struct fetch *f, const struct peer *p, const struct request *r, size_t i)
{
    if (f->state != FETCH_CHAIN || r->numbers == NULL || r->numbers[i] < f->base || r->numbers[i] >= f->base + f->n) return NULL;
    struct slot *sl = fetch_slot(f, (size_t)(r->numbers[i] - f->base));
    return sl->state == SLOT_ASKED && sl->body_peer == p->id && hash_eq(&sl->hash, &r->hashes[i]) ? sl : NULL;
}

static void unask(struct fetch *f, const struct peer *p, const struct request *r)
{
    for (size_t i = 0; i < r->n; i++) {
        struct slot *sl = asked_slot(f, p, r, i);
        if (sl != NULL) sl->state = SLOT_NEED;
    }
}

static bool slot_take_body(struct fetch *f, struct slot *sl, const struct body_id *id, bytes raw)
{
    struct header h;
    bytes in = {sl->header, sl->header_len};
    if (header_get(&h, &in, NULL) != OK || !body_is_of(id, &h)) return false;
    sl->body = malloc(raw.len);
    if (sl->body == NULL) return false;
    memcpy(sl->body, raw.ptr, raw.len);
    sl->body_len = raw.len;
    sl->state = SLOT_READY;
    f->body_bytes += raw.len;
    return true;
}

void fetch_on_bodies(struct sync *s, struct peer *p, const struct request *r, bytes list, uint64_t now)
{
    struct fetch *f = &s->fetch;
    if (r->purpose != FOR_CHAIN || f->state != FETCH_CHAIN) return;
    size_t at = 0, got = 0, stale = 0;
    for (size_t i = 0; i < r->n; i++) /* came from another in the meantime */
        stale += asked_slot(f, p, r, i) == NULL;
    while (list.len > 0) {
        struct rlp_item item;
        struct body_id id;
        if (rlp_get_item(&item, &list) != OK || !item.is_list || !body_identify(&id, s, item.payload)) {
            unask(f, p, r);
            peer_drop(s, p, DISCONNECT_BREACH, "malformed body");
            return;
        }
        size_t i = at;
        for (; i < r->n; i++) { /* bodies come in the order asked, some may be left out */
            struct slot *sl = asked_slot(f, p, r, i);
            if (sl != NULL && slot_take_body(f, sl, &id, item.raw)) break;
        }
        if (i < r->n) {
            at = i + 1;
        } else if (stale > 0) {
            stale--;
        } else {
            unask(f, p, r);
            peer_drop(s, p, DISCONNECT_BREACH, "a body that was not asked for");
            return;
        }
        got++;
    }
    unask(f, p, r);
    if (got == 0) {
        p->bodies_cooldown = now + 5000;
        p->lacks_bodies = true;
        peer_fault(s, p, "has no bodies", now);
    }
}

/* how many bodies to ask one peer for */
static size_t share(const struct sync *s)
{
    const struct fetch *f = &s->fetch;
    size_t need = 0, ready = 0;
    for (size_t i = 0; i < f->n; i++)
        need += f->slots[(f->first + i) % WINDOW].state == SLOT_NEED;
    for (size_t i = 0; i < s->n_peers; i++)
        ready += s->peers[i]->ready;
    const size_t each = need / (ready + (ready == 0));
    return each < BODIES_ASK_MIN ? BODIES_ASK_MIN : each > BODIES_ASK ? BODIES_ASK : each;
}

/* the next slots from `from` on that this peer is to be asked for; what another one lets us wait for is asked of this one too */
static size_t choose(size_t *out, size_t max, struct sync *s, const struct peer *p, size_t from, uint64_t now)
{
    struct fetch *f = &s->fetch;
    const uint64_t patience = peer_patience(s);
    size_t n = 0;
    for (size_t i = from; i < f->n && n < max; i++) {
        const struct slot *sl = fetch_slot(f, i);
        if (sl->state == SLOT_READY) continue;
        if (sl->state == SLOT_ASKED && (sl->body_peer == p->id || now < sl->asked_at + patience)) continue;
        if (i > 0 && f->body_bytes > WINDOW_BODY_BYTES) break;
        if (p->has_number && p->number < f->base + i && p->id != f->peer) break;
        out[n++] = i;
    }
    return n;
}

static void ask_bodies(struct sync *s, struct peer *p, uint64_t now)
{
    struct fetch *f = &s->fetch;
    size_t list[BODIES_ASK], n = 0;
    const size_t max = share(s);
    if (peer_is_slow(s, p)) n = choose(list, max, s, p, f->n / 2, now); /* what is needed last, if there is a choice */
    if (n == 0) n = choose(list, max, s, p, 0, now);
    if (n == 0) return;
    hash32 *hashes = malloc(n * sizeof *hashes);
    uint64_t *numbers = malloc(n * sizeof *numbers);
    if (hashes == NULL || numbers == NULL) {
        free(hashes);
        free(numbers);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        struct slot *sl = fetch_slot(f, list[i]);
        hashes[i] = sl->hash;
        numbers[i] = f->base + list[i];
        sl->state = SLOT_ASKED;
        sl->body_peer = p->id;
        sl->asked_at = now;
    }
    peer_ask_hashes(s, p, REQ_BODIES, FOR_CHAIN, hashes, numbers, n, now);
}

/* ---------------------------------------------------------------- trouble */

void fetch_on_timeout(struct sync *s, struct peer *p, const struct request *r, uint64_t now)
{
    if (r->hashes != NULL) {
        unask(&s->fetch, p, r);
        p->bodies_cooldown = now + 5000;
        return;
    }
    if (r->purpose == FOR_SEGMENT) p->segments_cooldown = now + 10000;
    if (p->id != s->fetch.peer || r->purpose == FOR_NOTHING) return;
    p->cooldown = p->bodies_cooldown = now + 10000;
    if (s->fetch.state == FETCH_CHAIN) s->fetch.peer = 0; /* another may go on with it */
    else give_up_on(s, p, 10000, now);
}

void fetch_on_peer_gone(struct sync *s, struct peer *p)
{
    struct fetch *f = &s->fetch;
    if (f->state == FETCH_IDLE) return;
    if (p->req[REQ_BODIES].active) unask(f, p, &p->req[REQ_BODIES]);
    if (f->peer != p->id) return;
    f->peer = 0;
    if (f->state != FETCH_CHAIN) {
        fetch_reset(s);
        s->look_again = 0;
    }
}

/* ---------------------------------------------------------------- turns */

bool fetch_wants_turn(const struct sync *s, uint64_t now)
{
    const struct fetch *f = &s->fetch;
    return f->state == FETCH_CHAIN && f->n > 0 && f->slots[f->first].state == SLOT_READY && now >= f->paused_until &&
           now >= s->import_blocked_until;
}

static void finish(struct sync *s, uint64_t now)
{
    struct peer *p = peer_find(s, s->fetch.peer);
    struct sync_head head;
    const uint64_t imported = s->fetch.imported;
    s->ops.get_head(s->ops.chain, &head);
    if (p != NULL) {
        if (s->ops.has_block(s->ops.chain, &p->head)) p->unsynced = false;
        else if (imported == 0) { /* it promised more than it has */
            peer_fault(s, p, "its chain is not what it claims", now);
            give_up_on(s, p, 10000, now);
            return;
        }
    }
    fetch_reset(s);
    s->look_again = now;
    if (imported > 0) gossip_hash_to_all(s, &head.hash, head.number);
}

static void ask_headers(struct sync *s, uint64_t now)
{
    struct fetch *f = &s->fetch;
    struct peer *p = peer_find(s, f->peer);
    if (p == NULL || !p->ready) {
        p = best_peer(s, now);
        if (p == NULL) {
            f->headers_done = true; /* what is here is imported, then we look again */
            return;
        }
        segments_reset(f); /* of another one's chain */
        f->peer = p->id;
        f->target = p->head;
    } else if (f->n_segments == 0 && p->req[REQ_HEADERS].active && f->n < HEADERS_ASK && now > p->req[REQ_HEADERS].asked_at + peer_patience(s)) {
        struct peer *other = best_peer(s, now); /* the answer, if it comes, is ignored then */
        if (other != NULL && !peer_is_slow(s, other)) {
            p = other;
            f->peer = p->id;
        }
    }
    if (f->n_segments > 0) {
        segments_ask(s, now);
        return;
    }
    if (p->req[REQ_HEADERS].active || f->n + HEADERS_ASK > WINDOW || f->body_bytes > WINDOW_BODY_BYTES || segments_begin(s, p, now)) return;
    const struct eth_get_headers g = {.number = f->base + f->n, .amount = HEADERS_ASK};
    peer_ask_headers(s, p, FOR_CHAIN, &g, now);
}

void fetch_ask(struct sync *s, uint64_t now)
{
    struct fetch *f = &s->fetch;
    if (!f->headers_done) ask_headers(s, now);
    for (size_t i = 0; i < s->n_peers; i++) {
        struct peer *p = s->peers[i];
        if (p->ready && !p->req[REQ_BODIES].active && now >= p->bodies_cooldown && !peer_is_choked(s, p)) ask_bodies(s, p, now);
    }
}

/* Nobody has the body of the next block: its header's giver left with that fork, or made it up. */
static bool is_stuck(const struct sync *s, uint64_t now)
{
    const struct fetch *f = &s->fetch;
    if (f->n == 0 || f->slots[f->first].state != SLOT_NEED) return false;
    for (size_t i = 0; i < s->n_peers; i++) {
        const struct peer *p = s->peers[i];
        if (p->ready && (p->req[REQ_BODIES].active || now >= p->bodies_cooldown)) return false;
    }
    return true;
}

/* is there another one to begin with, of whom nothing speaks against it? */
static bool has_quicker(struct sync *s, uint64_t now)
{
    const struct peer *other = best_peer(s, now);
    return other != NULL && other->answer_ms < PATIENCE_FIRST_MS;
}

bool fetch_run(struct sync *s, uint64_t now)
{
    struct fetch *f = &s->fetch;
    if (f->state == FETCH_IDLE) {
        fetch_maybe_start(s, now);
        return false;
    }
    if (f->state != FETCH_CHAIN) {
        struct peer *p = peer_find(s, f->peer);
        if (p == NULL || now > f->progress_at + 60000) give_up_on(s, p, 5000, now);
        else if (p->req[REQ_HEADERS].active && now > p->req[REQ_HEADERS].asked_at + PATIENCE_FIRST_MS && has_quicker(s, now)) fetch_give_up(s, p, 5000, now);
        return false;
    }
    fetch_prepare(s);
    fetch_ask(s, now); /* the others look for it while we import */
    fetch_import(s, now);
    if (f->state != FETCH_CHAIN) return false;
    if (now > f->progress_at + 60000 && now >= s->import_blocked_until) {
        give_up_on(s, peer_find(s, f->peer), 10000, now);
        return false;
    }
    if (!fetch_wants_turn(s, now)) fetch_ask(s, now);
    if (is_stuck(s, now)) {
        give_up_on(s, peer_find(s, fetch_slot(f, 0)->header_peer), 5000, now);
        return false;
    }
    if (f->headers_done && f->n == 0) finish(s, now);
    return fetch_wants_turn(s, now);
}
