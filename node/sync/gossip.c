/* Whole blocks: from peers to the chain, and on to the others. */
#include "node/sync/sync_priv.h"

bool verdict_is_nobodys(enum block_verdict v)
{
    return v == BLOCK_FUTURE || v == BLOCK_PAST_FINALITY;
}

bool verdict_is_of_body(enum block_verdict v)
{
    return v == BLOCK_TX_ROOT || v == BLOCK_UNCLES || v == BLOCK_WITHDRAWALS || v == BLOCK_MALFORMED;
}

/* ---------------------------------------------------------------- held blocks */

static void held_remove(struct sync *s, bool is_early, size_t i)
{
    struct held *list = is_early ? s->early : s->orphans;
    size_t *n = is_early ? &s->n_early : &s->n_orphans, *total = is_early ? &s->early_bytes : &s->orphan_bytes;
    struct peer *p = peer_find(s, list[i].peer);
    if (p != NULL) {
        if (is_early) p->n_early--;
        else p->n_orphans--;
    }
    *total -= list[i].len;
    list[i] = list[--*n];
}

static bool is_held(const struct sync *s, const hash32 *hash)
{
    for (size_t i = 0; i < s->n_orphans; i++)
        if (hash_eq(&s->orphans[i].hash, hash)) return true;
    for (size_t i = 0; i < s->n_early; i++)
        if (hash_eq(&s->early[i].hash, hash)) return true;
    return false;
}

static void hold(struct sync *s, bool is_early, uint64_t peer, bytes block, const hash32 *hash, const hash32 *parent, uint64_t number,
                 uint64_t due, uint64_t since)
{
    struct held *list = is_early ? s->early : s->orphans;
    size_t *n = is_early ? &s->n_early : &s->n_orphans, *total = is_early ? &s->early_bytes : &s->orphan_bytes;
    const size_t max = is_early ? EARLY : ORPHANS, max_bytes = is_early ? EARLY_BYTES : ORPHAN_BYTES;
    struct peer *p = peer_find(s, peer);
    if (is_held(s, hash) || block.len > max_bytes) return;
    if (p != NULL && (is_early ? p->n_early >= EARLY_A_PEER : p->n_orphans >= ORPHANS_A_PEER)) return;
    while (*n > 0 && (*n >= max || *total + block.len > max_bytes)) { /* the oldest goes */
        size_t oldest = 0;
        for (size_t i = 1; i < *n; i++)
            if (list[i].since < list[oldest].since) oldest = i;
        free(list[oldest].raw);
        held_remove(s, is_early, oldest);
    }
    uint8_t *raw = malloc(block.len);
    if (raw == NULL) return;
    memcpy(raw, block.ptr, block.len);
    list[(*n)++] = (struct held){.raw = raw, .len = block.len, .hash = *hash, .parent = *parent, .number = number, .peer = peer,
                                 .due = due, .since = since};
    *total += block.len;
    if (p != NULL) {
        if (is_early) p->n_early++;
        else p->n_orphans++;
    }
}

void gossip_on_peer_gone(struct sync *s, struct peer *p)
{
    for (size_t i = 0; i < s->n_orphans; i++)
        if (s->orphans[i].peer == p->id) s->orphans[i].peer = 0;
    for (size_t i = 0; i < s->n_early; i++)
        if (s->early[i].peer == p->id) s->early[i].peer = 0;
    fetch_on_peer_gone(s, p);
}

/* ---------------------------------------------------------------- pass on */

static void send_hash(struct sync *s, struct peer *p, const hash32 *hash, uint64_t number)
{
    struct buf b;
    buf_init(&b, 128);
    const size_t l = rlp_list_open(&b), i = rlp_list_open(&b);
    eth_hash_put(&b, hash);
    rlp_put_u64(&b, number);
    rlp_list_close(&b, i);
    rlp_list_close(&b, l);
    seen_add(&p->blocks, s->key, hash);
    peer_send(s, p, ETH_NEW_BLOCK_HASHES, &b);
}

void gossip_hash_to_all(struct sync *s, const hash32 *hash, uint64_t number)
{
    for (size_t i = 0; i < s->n_peers; i++) {
        struct peer *p = s->peers[i];
        if (p->ready && !seen_has(&p->blocks, s->key, hash) && !hash_eq(&p->head, hash)) send_hash(s, p, hash, number);
    }
}

static size_t square_root_up(size_t n)
{
    size_t r = 0;
    while (r * r < n)
        r++;
    return r;
}

void gossip_propagate(struct sync *s, const hash32 *hash, uint64_t number, const u256 *td, bytes block, uint64_t now)
{
    (void)now;
    size_t n_ready = 0, left = 0;
    for (size_t i = 0; i < s->n_peers; i++) {
        if (!s->peers[i]->ready) continue;
        n_ready++;
        if (!seen_has(&s->peers[i]->blocks, s->key, hash)) left++;
    }
    if (left == 0) return;
    size_t whole = n_ready <= FULL_GOSSIP_PEERS ? left : square_root_up(n_ready);
    if (whole > left) whole = left;
    struct buf b;
    buf_init(&b, MESSAGE_MAX);
    const size_t l = rlp_list_open(&b);
    rlp_put_raw(&b, block);
    eth_u256_put(&b, td);
    rlp_list_close(&b, l);
    if (buf_status(&b) != OK) whole = 0;
    for (size_t i = 0; i < s->n_peers && left > 0; i++) {
        struct peer *p = s->peers[i];
        if (!p->ready || seen_has(&p->blocks, s->key, hash)) continue;
        const bool pick = whole > 0 && rng_below(&s->rng, left) < whole; /* exactly `whole` of the rest are picked */
        left--;
        if (!pick) {
            send_hash(s, p, hash, number);
            continue;
        }
        whole--;
        seen_add(&p->blocks, s->key, hash);
        s->ops.send(s->ops.net, p->id, ETH_NEW_BLOCK, buf_view(&b));
    }
    buf_fini(&b);
}

/* ---------------------------------------------------------------- import */

void gossip_connect_orphans(struct sync *s, const hash32 *parent, uint64_t now)
{
    for (size_t i = 0; i < s->n_orphans;) {
        if (!hash_eq(&s->orphans[i].parent, parent)) {
            i++;
            continue;
        }
        const struct held h = s->orphans[i];
        held_remove(s, false, i);
        gossip_import(s, h.peer, bytes_make(h.raw, h.len), &h.hash, &h.parent, h.number, now);
        free(h.raw);
        i = 0; /* the list has changed */
    }
}

void gossip_import(struct sync *s, uint64_t peer, bytes block, const hash32 *hash, const hash32 *parent, uint64_t number, uint64_t now)
{
    struct sync_import r = {.result = IMPORT_KNOWN};
    struct peer *p = peer_find(s, peer);
    if (now < s->import_blocked_until || s->ops.import(s->ops.chain, &r, block) != OK) {
        if (now >= s->import_blocked_until) s->import_blocked_until = now + 1000;
        hold(s, true, peer, block, hash, parent, number, s->import_blocked_until, now);
        return;
    }
    u256 td;
    uint64_t n;
    switch (r.result) {
    case IMPORT_HEAD:
    case IMPORT_SIDE:
        s->count.n_blocks_imported++;
        if (p != NULL) p->fruitless = 0;
        announce_forget(s, hash);
        if (s->ops.get_meta(s->ops.chain, &n, &td, hash) == OK) gossip_propagate(s, hash, number, &td, block, now);
        gossip_connect_orphans(s, hash, now);
        break;
    case IMPORT_KNOWN:
        gossip_connect_orphans(s, hash, now);
        break;
    case IMPORT_ORPHAN:
        hold(s, false, peer, block, hash, parent, number, 0, now);
        if (p != NULL) fetch_start_with(s, p, hash, number, now);
        break;
    case IMPORT_EARLY:
        s->count.n_blocks_early++;
        if (r.retry_in_ms > EARLY_MAX_MS) r.retry_in_ms = EARLY_MAX_MS;
        hold(s, true, peer, block, hash, parent, number, now + r.retry_in_ms + 1, now);
        break;
    case IMPORT_BAD:
        if (verdict_is_nobodys(r.verdict)) {
            s->count.n_blocks_future += r.verdict == BLOCK_FUTURE;
            if (p != NULL) p->cooldown = now + 5000;
            break;
        }
        s->count.n_blocks_bad++;
        if (!verdict_is_of_body(r.verdict)) seen_add(&s->bad, s->key, hash);
        if (p != NULL) peer_drop(s, p, DISCONNECT_BREACH, block_verdict_text(r.verdict));
        break;
    }
}

void gossip_on_new_block(struct sync *s, struct peer *p, bytes payload, uint64_t now)
{
    bytes list, body, in = payload;
    struct rlp_item block, head_item;
    struct header h;
    u256 td;
    if (rlp_get_list(&list, &in) != OK || rlp_get_item(&block, &list) != OK || !block.is_list || eth_u256_get(&td, &list) != OK) {
        peer_drop(s, p, DISCONNECT_BREACH, "malformed NewBlock");
        return;
    }
    body = block.payload;
    bytes head_in = block.payload;
    if (rlp_get_item(&head_item, &body) != OK || header_get(&h, &head_in, NULL) != OK) {
        peer_drop(s, p, DISCONNECT_BREACH, "malformed block");
        return;
    }
    hash32 hash;
    keccak256(hash.b, head_item.raw.ptr, head_item.raw.len);
    seen_add(&p->blocks, s->key, &hash);
    p->last = hash;
    p->last_number = h.number;
    if (u256_lt(&p->td, &td) || (p->has_number && h.number > p->number)) {
        p->head = hash;
        p->number = h.number;
        p->has_number = true;
    }
    if (u256_lt(&p->td, &td)) p->td = td;
    if (s->ops.has_block(s->ops.chain, &hash)) {
        announce_forget(s, &hash);
        return;
    }
    if (seen_has(&s->bad, s->key, &hash) || is_held(s, &hash)) return;
    struct sync_head head;
    s->ops.get_head(s->ops.chain, &head);
    if (h.number + NEAR_BLOCKS < head.number || h.number <= head.finalised) return;
    if (h.number > head.number + NEAR_BLOCKS) {
        p->unsynced = true;
        fetch_maybe_start(s, now);
        return;
    }
    /* a body that is not the header's must not reach the chain under the header's hash */
    struct body_id id;
    if (!body_identify(&id, s, body) || !body_is_of(&id, &h)) {
        peer_drop(s, p, DISCONNECT_BREACH, "body is not of the header");
        return;
    }
    announce_forget(s, &hash);
    gossip_import(s, p->id, block.raw, &hash, &h.parent_hash, h.number, now);
}

void gossip_tick(struct sync *s, uint64_t now)
{
    for (;;) { /* lowest number first: a child may be early with its parent */
        size_t best = s->n_early;
        for (size_t i = 0; i < s->n_early; i++)
            if (now >= s->early[i].due && (best == s->n_early || s->early[i].number < s->early[best].number)) best = i;
        if (best == s->n_early) break;
        const struct held h = s->early[best];
        held_remove(s, true, best);
        if (now < h.since + EARLY_MAX_MS)
            gossip_import(s, h.peer, bytes_make(h.raw, h.len), &h.hash, &h.parent, h.number, now);
        for (size_t i = 0; i < s->n_early; i++) /* held again: keeps its age */
            if (hash_eq(&s->early[i].hash, &h.hash)) s->early[i].since = h.since;
        free(h.raw);
        if (now < s->import_blocked_until) break;
    }
    for (size_t i = 0; i < s->n_orphans;) {
        if (now < s->orphans[i].since + EARLY_MAX_MS) {
            i++;
            continue;
        }
        free(s->orphans[i].raw);
        held_remove(s, false, i);
    }
}
