/* Announced hashes of blocks, and transactions. */
#include "node/sync/sync_priv.h"

/* ================================================================ hashes of blocks */

static struct announced *announced_find(struct sync *s, const hash32 *hash)
{
    for (size_t i = 0; i < s->n_announced; i++)
        if (hash_eq(&s->announced[i].hash, hash)) return &s->announced[i];
    return NULL;
}

static void announced_remove(struct sync *s, struct announced *a)
{
    free(a->header);
    for (unsigned i = 0; i < a->n_peers; i++) {
        struct peer *p = peer_find(s, a->peers[i]);
        if (p != NULL && p->n_announced > 0) p->n_announced--;
    }
    *a = s->announced[--s->n_announced];
}

void announce_forget(struct sync *s, const hash32 *hash)
{
    struct announced *a = announced_find(s, hash);
    if (a != NULL) announced_remove(s, a);
}

void announce_fini(struct sync *s)
{
    for (size_t i = 0; i < s->n_announced; i++)
        free(s->announced[i].header);
    s->n_announced = 0;
}

static void announce_add(struct sync *s, struct peer *p, const hash32 *hash, uint64_t number, uint64_t now)
{
    struct announced *a = announced_find(s, hash);
    if (p->n_announced >= ANNOUNCED_A_PEER) return;
    if (a == NULL) {
        if (s->n_announced == ANNOUNCED) return;
        a = &s->announced[s->n_announced++];
        *a = (struct announced){.hash = *hash, .number = number, .since = now, .due = now + ANNOUNCE_WAIT_MS};
    }
    for (unsigned i = 0; i < a->n_peers; i++)
        if (a->peers[i] == p->id) return;
    if (a->n_peers == ANNOUNCE_PEERS) return;
    a->peers[a->n_peers++] = p->id;
    p->n_announced++;
}

void announce_on_hashes(struct sync *s, struct peer *p, bytes payload, uint64_t now)
{
    bytes list, pair;
    size_t n = 0;
    struct sync_head head;
    if (rlp_get_list(&list, &payload) != OK) goto malformed;
    s->ops.get_head(s->ops.chain, &head);
    while (list.len > 0) {
        hash32 hash;
        uint64_t number;
        if (rlp_get_list(&pair, &list) != OK || eth_hash_get(&hash, &pair) != OK || rlp_get_u64(&number, &pair) != OK) goto malformed;
        if (++n > HASHES_A_MESSAGE) {
            peer_drop(s, p, DISCONNECT_BREACH, "too many block hashes");
            return;
        }
        seen_add(&p->blocks, s->key, &hash);
        const bool known = s->ops.has_block(s->ops.chain, &hash);
        if (p->has_number && number > p->number) { /* a head of unknown number came with its difficulty: that stays */
            p->head = hash;
            p->number = number;
            uint64_t num;
            u256 td;
            if (known && s->ops.get_meta(s->ops.chain, &num, &td, &hash) == OK && u256_lt(&p->td, &td)) p->td = td;
        }
        if (known || seen_has(&s->bad, s->key, &hash)) continue;
        if (number + NEAR_BLOCKS < head.number || number <= head.finalised) continue;
        if (number > head.number + NEAR_BLOCKS) p->unsynced = true;
        else announce_add(s, p, &hash, number, now);
    }
    if (p->unsynced) fetch_maybe_start(s, now);
    return;
malformed:
    peer_drop(s, p, DISCONNECT_BREACH, "malformed NewBlockHashes");
}

void announce_on_timeout(struct sync *s, struct peer *p, const struct request *r, uint64_t now)
{
    (void)p;
    struct announced *a = announced_find(s, r->hashes != NULL ? &r->hashes[0] : &r->hash);
    if (a == NULL) return;
    a->state = a->header == NULL ? ANN_WAIT : ANN_GOT_HEADER;
    a->due = now;
    a->next_peer++;
}

/* Header and body are here: it goes the way of a NewBlock. */
static void announced_import(struct sync *s, struct peer *p, struct announced *a, bytes body_payload, uint64_t now)
{
    struct buf b;
    struct header h;
    bytes in = {a->header, a->header_len};
    const hash32 hash = a->hash;
    buf_init(&b, MESSAGE_MAX);
    rlp_put_list_header(&b, a->header_len + body_payload.len);
    rlp_put_raw(&b, in);
    rlp_put_raw(&b, body_payload);
    hash32 parent = {{0}};
    uint64_t number = a->number;
    if (header_get(&h, &in, NULL) == OK) {
        parent = h.parent_hash;
        number = h.number;
    }
    announced_remove(s, a);
    if (buf_status(&b) == OK && !seen_has(&s->bad, s->key, &hash) && !s->ops.has_block(s->ops.chain, &hash))
        gossip_import(s, p->id, buf_view(&b), &hash, &parent, number, now);
    buf_fini(&b);
}

void announce_on_header(struct sync *s, struct peer *p, const struct request *r, bytes list, uint64_t now)
{
    struct announced *a = announced_find(s, &r->hash);
    struct rlp_item item;
    struct header h;
    hash32 hash;
    bytes in = list;
    if (a == NULL || a->state != ANN_HEADER) return;
    a->state = ANN_WAIT;
    a->due = now;
    a->next_peer++;
    if (list.len == 0) return;
    if (rlp_get_item(&item, &in) != OK || header_get(&h, &list, NULL) != OK) {
        peer_drop(s, p, DISCONNECT_BREACH, "malformed header");
        return;
    }
    keccak256(hash.b, item.raw.ptr, item.raw.len);
    if (!hash_eq(&hash, &r->hash)) {
        peer_fault(s, p, "header is not the one asked for", now);
        return;
    }
    a->header = malloc(item.raw.len);
    if (a->header == NULL) return;
    memcpy(a->header, item.raw.ptr, item.raw.len);
    a->header_len = item.raw.len;
    a->state = ANN_GOT_HEADER;
    a->next_peer--; /* who had the header has the body */
    if (header_has_empty_body(&h)) announced_import(s, p, a, BYTES_LIT("\xc0\xc0"), now);
}

void announce_on_body(struct sync *s, struct peer *p, const struct request *r, bytes list, uint64_t now)
{
    struct announced *a = announced_find(s, &r->hashes[0]);
    struct rlp_item item;
    struct header h;
    struct body_id id;
    if (a == NULL || a->state != ANN_BODY) return;
    a->state = ANN_GOT_HEADER;
    a->due = now;
    a->next_peer++;
    if (list.len == 0) return;
    bytes head = {a->header, a->header_len};
    if (rlp_get_item(&item, &list) != OK || !item.is_list || header_get(&h, &head, NULL) != OK ||
        !body_identify(&id, s, item.payload) || !body_is_of(&id, &h)) {
        peer_drop(s, p, DISCONNECT_BREACH, "a body that was not asked for");
        return;
    }
    announced_import(s, p, a, item.payload, now);
}

static struct peer *announcer(struct sync *s, struct announced *a, enum request_kind kind)
{
    for (unsigned i = 0; i < a->n_peers; i++) {
        struct peer *p = peer_find(s, a->peers[(a->next_peer + i) % a->n_peers]);
        if (p != NULL && p->ready && !p->req[kind].active) return p;
    }
    return NULL;
}

void announce_tick(struct sync *s, uint64_t now)
{
    for (size_t i = 0; i < s->n_announced;) {
        struct announced *a = &s->announced[i];
        if (now > a->since + ANNOUNCE_GIVE_UP_MS || s->ops.has_block(s->ops.chain, &a->hash)) {
            announced_remove(s, a);
            continue;
        }
        i++;
        if (now < a->due || a->state == ANN_HEADER || a->state == ANN_BODY) continue;
        if (a->state == ANN_WAIT) {
            struct peer *p = announcer(s, a, REQ_HEADERS);
            if (p == NULL) continue;
            const struct eth_get_headers g = {.by_hash = true, .hash = a->hash, .amount = 1};
            a->state = ANN_HEADER;
            peer_ask_headers(s, p, FOR_ANNOUNCED, &g, now);
        } else {
            struct peer *p = announcer(s, a, REQ_BODIES);
            hash32 *one = p == NULL ? NULL : malloc(sizeof *one);
            if (one == NULL) continue;
            *one = a->hash;
            a->state = ANN_BODY;
            peer_ask_hashes(s, p, REQ_BODIES, FOR_ANNOUNCED, one, NULL, 1, now);
        }
    }
}

/* ================================================================ transactions */

enum { WANT_PLACES = 2 * TX_WANTS, TX_RETRY_MS = 50 };

static size_t want_place(const struct sync *s, const hash32 *h)
{
    return (size_t)((le64_get(h->b + 16) ^ s->key) * 0x9e3779b97f4a7c15u >> 32) % WANT_PLACES;
}

static struct tx_want *want_find(struct sync *s, const hash32 *h)
{
    if (s->wants == NULL) return NULL;
    for (size_t i = want_place(s, h); s->wants[i].used; i = (i + 1) % WANT_PLACES)
        if (hash_eq(&s->wants[i].hash, h)) return &s->wants[i];
    return NULL;
}

static void want_remove(struct sync *s, struct tx_want *w)
{
    size_t hole = (size_t)(w - s->wants);
    for (size_t i = (hole + 1) % WANT_PLACES; s->wants[i].used; i = (i + 1) % WANT_PLACES) {
        const size_t home = want_place(s, &s->wants[i].hash);
        if ((i + WANT_PLACES - home) % WANT_PLACES < (i + WANT_PLACES - hole) % WANT_PLACES) continue; /* may not go before its home */
        s->wants[hole] = s->wants[i];
        hole = i;
    }
    s->wants[hole].used = false;
    s->n_wants--;
}

static void want_add(struct sync *s, struct peer *p, const hash32 *h, uint64_t now)
{
    if (s->wants == NULL) s->wants = calloc(WANT_PLACES, sizeof *s->wants);
    if (s->wants == NULL) return;
    struct tx_want *w = want_find(s, h);
    if (w == NULL) {
        if (s->n_wants >= TX_WANTS) return;
        size_t i = want_place(s, h);
        while (s->wants[i].used)
            i = (i + 1) % WANT_PLACES;
        w = &s->wants[i];
        *w = (struct tx_want){.used = true, .hash = *h, .due = now + TX_WAIT_MS};
        if (s->n_wants++ == 0 || w->due < s->wants_due) s->wants_due = w->due;
    }
    if (w->n_peers < TX_WANT_PEERS) w->peers[w->n_peers++] = p->id;
}

static bool is_far_behind(const struct sync *s)
{
    struct sync_state st;
    sync_get_state(&st, s);
    return st.is_syncing;
}

/* Canonical form of one transaction as lists of the network have it. */
static bool canonical_of(bytes *out, const struct rlp_item *item)
{
    *out = item->is_list ? item->raw : item->payload;
    return item->is_list || (item->payload.len > 1 && item->payload.ptr[0] < 0x80);
}

static void take_txs(struct sync *s, struct peer *p, bytes list, uint64_t now)
{
    const bool ignore = is_far_behind(s);
    while (list.len > 0 && !p->dead) {
        struct rlp_item item;
        bytes tx;
        hash32 hash;
        if (rlp_get_item(&item, &list) != OK || !canonical_of(&tx, &item)) {
            peer_drop(s, p, DISCONNECT_BREACH, "malformed transaction");
            return;
        }
        s->count.n_txs_received++;
        if (ignore) continue;
        keccak256(hash.b, tx.ptr, tx.len);
        seen_add(&p->txs, s->key, &hash);
        struct tx_want *w = want_find(s, &hash);
        if (w != NULL) want_remove(s, w);
        if (s->ops.has_tx(s->ops.pool, &hash)) continue;
        switch (s->ops.add_tx(s->ops.pool, tx, &hash)) {
        case SYNC_TX_ADDED:
            s->count.n_txs_added++;
            sync_announce_tx(s, &hash, now);
            break;
        case SYNC_TX_KNOWN:
        case SYNC_TX_REFUSED: break;
        case SYNC_TX_BAD: peer_fault(s, p, "sends invalid transactions", now); break;
        }
    }
}

void txs_on_list(struct sync *s, struct peer *p, bytes payload, uint64_t now)
{
    bytes list;
    if (rlp_get_list(&list, &payload) != OK) {
        peer_drop(s, p, DISCONNECT_BREACH, "malformed Transactions");
        return;
    }
    take_txs(s, p, list, now);
}

void txs_on_pooled(struct sync *s, struct peer *p, bytes list, uint64_t now)
{
    take_txs(s, p, list, now);
}

/* Whoever was asked answered, perhaps without some: those are asked of others, or not wanted any more. */
static void wants_unask(struct sync *s, struct peer *p, const struct request *r, uint64_t now)
{
    for (size_t i = 0; i < r->n; i++) {
        struct tx_want *w = want_find(s, &r->hashes[i]);
        if (w == NULL) continue;
        unsigned n = 0;
        for (unsigned k = 0; k < w->n_peers; k++)
            if (w->peers[k] != p->id) w->peers[n++] = w->peers[k];
        w->n_peers = (uint8_t)n;
        w->asked = false;
        w->due = now;
        s->wants_due = now;
        if (n == 0) want_remove(s, w);
    }
}

void txs_on_timeout(struct sync *s, struct peer *p, const struct request *r, uint64_t now)
{
    wants_unask(s, p, r, now);
}

void txs_on_hashes(struct sync *s, struct peer *p, bytes payload, uint64_t now)
{
    bytes list, types = BYTES_EMPTY, sizes = BYTES_EMPTY;
    size_t n = 0, n_sizes = 0;
    if (rlp_get_list(&list, &payload) != OK) goto malformed;
    if (p->version >= 68) {
        bytes hashes;
        if (rlp_get_string(&types, &list) != OK || rlp_get_list(&sizes, &list) != OK || rlp_get_list(&hashes, &list) != OK) goto malformed;
        if (rlp_count_items(&n_sizes, sizes) != OK || n_sizes != types.len || hashes.len != 33 * n_sizes) goto malformed;
        list = hashes;
    }
    if (list.len > (size_t)TX_HASHES_A_MESSAGE * 33) {
        peer_drop(s, p, DISCONNECT_BREACH, "too many transaction hashes");
        return;
    }
    const bool ignore = is_far_behind(s);
    while (list.len > 0) {
        hash32 h;
        if (eth_hash_get(&h, &list) != OK) goto malformed;
        n++;
        seen_add(&p->txs, s->key, &h);
        if (!ignore && !s->ops.has_tx(s->ops.pool, &h)) want_add(s, p, &h, now);
    }
    return;
malformed:
    peer_drop(s, p, DISCONNECT_BREACH, "malformed NewPooledTransactionHashes");
}

static struct peer *want_peer(struct sync *s, struct tx_want *w)
{
    unsigned n = 0;
    struct peer *found = NULL;
    for (unsigned k = 0; k < w->n_peers; k++) {
        struct peer *p = peer_find(s, w->peers[k]);
        if (p == NULL) continue;
        w->peers[n++] = p->id;
        if (found == NULL && p->ready && !p->req[REQ_POOLED].active) found = p;
    }
    w->n_peers = (uint8_t)n;
    return found;
}

static void wants_tick(struct sync *s, uint64_t now)
{
    if (s->n_wants == 0 || now < s->wants_due) return;
    for (size_t round = 0; round < s->n_peers; round++) { /* each round fills one peer's question */
        struct peer *target = NULL;
        hash32 *hashes = NULL;
        size_t n = 0;
        uint64_t next = UINT64_MAX; /* the table is large and mostly empty: not looked through before something is due */
        for (size_t i = 0; i < WANT_PLACES && n < POOLED_ASK; i++) {
            struct tx_want *w = &s->wants[i];
            if (!w->used || w->asked) continue;
            if (now < w->due) {
                if (w->due < next) next = w->due;
                continue;
            }
            struct peer *p = want_peer(s, w);
            if (w->n_peers == 0 || s->ops.has_tx(s->ops.pool, &w->hash)) {
                want_remove(s, w);
                continue;
            }
            if (hashes == NULL && p != NULL) hashes = malloc(POOLED_ASK * sizeof *hashes);
            if (p == NULL || hashes == NULL || (target != NULL && p != target)) {
                if (now + TX_RETRY_MS < next) next = now + TX_RETRY_MS;
                continue;
            }
            target = p;
            hashes[n++] = w->hash;
            w->asked = true;
        }
        s->wants_due = n == POOLED_ASK || next < now + TX_RETRY_MS ? now + TX_RETRY_MS : next;
        if (target == NULL) return;
        peer_ask_hashes(s, target, REQ_POOLED, FOR_NOTHING, hashes, NULL, n, now);
    }
}

/* ---------------------------------------------------------------- our announcements */

void sync_announce_tx(struct sync *s, const hash32 *hash, uint64_t now_ms)
{
    if (seen_has(&s->tx_seen, s->key, hash) || s->n_tx_out >= TX_OUT) return;
    if (s->n_tx_out == s->cap_tx_out) {
        const size_t cap = s->cap_tx_out == 0 ? 256 : 2 * s->cap_tx_out;
        hash32 *more = realloc(s->tx_out, cap * sizeof *more);
        if (more == NULL) return;
        s->tx_out = more;
        s->cap_tx_out = cap;
    }
    seen_add(&s->tx_seen, s->key, hash);
    if (s->n_tx_out == 0) s->tx_out_due = now_ms + TX_FLUSH_MS;
    s->tx_out[s->n_tx_out++] = *hash;
}

struct tx_view {
    hash32 hash;
    size_t off, len; /* in the blob; network form */
    uint32_t size;   /* canonical */
    uint8_t type;
};

static size_t gather_txs(struct sync *s, struct tx_view *out, struct buf *blob, const hash32 *hashes, size_t n)
{
    size_t got = 0;
    for (size_t i = 0; i < n; i++) {
        const size_t off = blob->len;
        struct rlp_item item;
        bytes in, tx;
        if (!s->ops.put_tx(s->ops.pool, blob, &hashes[i]) || buf_status(blob) != OK) continue;
        in = bytes_make(blob->ptr + off, blob->len - off);
        if (rlp_get_item(&item, &in) != OK || !canonical_of(&tx, &item)) continue;
        out[got++] = (struct tx_view){.hash = hashes[i], .off = off, .len = blob->len - off, .size = (uint32_t)tx.len,
                                      .type = item.is_list ? 0 : tx.ptr[0]};
    }
    return got;
}

static void send_whole(struct sync *s, struct peer *p, const struct tx_view *v, size_t n, const struct buf *blob)
{
    for (size_t i = 0; i < n;) {
        struct buf b;
        buf_init(&b, MESSAGE_MAX);
        const size_t l = rlp_list_open(&b);
        for (; i < n && b.len < TX_MESSAGE_BYTES; i++) {
            if (seen_has(&p->txs, s->key, &v[i].hash)) continue;
            seen_add(&p->txs, s->key, &v[i].hash);
            rlp_put_raw(&b, bytes_make(blob->ptr + v[i].off, v[i].len));
        }
        const bool any = b.len > l;
        rlp_list_close(&b, l);
        if (any) peer_send(s, p, ETH_TRANSACTIONS, &b);
        else buf_fini(&b);
    }
}

static void send_hashes(struct sync *s, struct peer *p, const struct tx_view *v, size_t n)
{
    for (size_t i = 0; i < n;) {
        struct buf types, sizes, hashes, b;
        size_t k = 0;
        buf_init(&types, TX_HASHES_SEND);
        buf_init(&sizes, TX_HASHES_SEND * 9);
        buf_init(&hashes, TX_HASHES_SEND * 33);
        for (; i < n && k < TX_HASHES_SEND; i++) {
            if (seen_has(&p->txs, s->key, &v[i].hash)) continue;
            seen_add(&p->txs, s->key, &v[i].hash);
            buf_put_u8(&types, v[i].type);
            rlp_put_u64(&sizes, v[i].size);
            eth_hash_put(&hashes, &v[i].hash);
            k++;
        }
        buf_init(&b, 64 + TX_HASHES_SEND * 43);
        if (p->version >= 68) {
            const size_t l = rlp_list_open(&b);
            rlp_put_string(&b, buf_view(&types));
            rlp_put_list_header(&b, sizes.len);
            rlp_put_raw(&b, buf_view(&sizes));
            rlp_put_list_header(&b, hashes.len);
            rlp_put_raw(&b, buf_view(&hashes));
            rlp_list_close(&b, l);
        } else {
            rlp_put_list_header(&b, hashes.len);
            rlp_put_raw(&b, buf_view(&hashes));
        }
        buf_fini(&types);
        buf_fini(&sizes);
        buf_fini(&hashes);
        if (k > 0) peer_send(s, p, ETH_NEW_POOLED_TX_HASHES, &b);
        else buf_fini(&b);
    }
}

static void flush_txs(struct sync *s)
{
    const size_t n_hashes = s->n_tx_out;
    struct buf blob;
    size_t n_ready = 0;
    buf_init(&blob, 64 << 20);
    struct tx_view *v = malloc(n_hashes * sizeof *v);
    s->n_tx_out = 0;
    if (v == NULL) return;
    for (size_t i = 0; i < s->n_peers; i++)
        n_ready += s->peers[i]->ready;
    const size_t n = n_ready == 0 ? 0 : gather_txs(s, v, &blob, s->tx_out, n_hashes);
    size_t whole = 0, left = n_ready;
    while (whole * whole < n_ready)
        whole++;
    if (whole < FULL_TX_PEERS) whole = FULL_TX_PEERS;
    for (size_t i = 0; i < s->n_peers && n > 0; i++) {
        struct peer *p = s->peers[i];
        if (!p->ready) continue;
        const bool pick = whole > 0 && rng_below(&s->rng, left) < whole;
        left--;
        if (pick) whole--;
        if (peer_is_choked(s, p)) continue;
        if (pick || !eth_has_pooled_txs(p->version)) send_whole(s, p, v, n, &blob);
        else send_hashes(s, p, v, n);
    }
    free(v);
    buf_fini(&blob);
}

void txs_to_new_peer(struct sync *s, struct peer *p)
{
    hash32 *hashes = malloc(TX_LIST_NEW_PEER * sizeof *hashes);
    struct tx_view *v = malloc(TX_LIST_NEW_PEER * sizeof *v);
    struct buf blob;
    buf_init(&blob, 64 << 20);
    if (hashes != NULL && v != NULL) {
        const size_t n_hashes = s->ops.list_txs(s->ops.pool, hashes, TX_LIST_NEW_PEER);
        const size_t n = gather_txs(s, v, &blob, hashes, n_hashes);
        if (n > 0 && eth_has_pooled_txs(p->version)) send_hashes(s, p, v, n);
        else if (n > 0) send_whole(s, p, v, n, &blob);
    }
    buf_fini(&blob);
    free(v);
    free(hashes);
}

void txs_tick(struct sync *s, uint64_t now)
{
    if (s->n_tx_out > 0 && now >= s->tx_out_due) flush_txs(s);
    wants_tick(s, now);
}
