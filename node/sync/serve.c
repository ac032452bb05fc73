/* Answers to requests: from the chain's tables and the pool, bounded in items, bytes and rate. */
#include "node/sync/sync_priv.h"

static bool next_by_number(struct sync *s, hash32 *hash, uint64_t *number, const struct eth_get_headers *g)
{
    const uint64_t step = g->skip + 1;
    if (step == 0) return false;
    if (g->reverse) {
        if (*number < step) return false;
        *number -= step;
    } else {
        if (*number > UINT64_MAX - step) return false;
        *number += step;
    }
    return s->ops.get_canonical(s->ops.chain, hash, *number) == OK;
}

/* One header, appended; its parent to *parent. */
static bool put_header(struct sync *s, struct buf *out, hash32 *parent, const hash32 *hash)
{
    const size_t before = out->len;
    if (s->ops.put_header(s->ops.chain, out, hash) != OK || buf_status(out) != OK) return false;
    bytes raw = {out->ptr + before, out->len - before}, list;
    return rlp_get_list(&list, &raw) == OK && eth_hash_get(parent, &list) == OK;
}

/* Off the canonical chain only the way up is defined: by parents. */
static bool walk_up(struct sync *s, hash32 *hash, const hash32 *parent, uint64_t skip, unsigned *steps)
{
    *hash = *parent;
    for (uint64_t i = 0; i < skip; i++) {
        struct buf tmp;
        hash32 up;
        if (++*steps > SERVE_WALK) return false;
        buf_init(&tmp, 1 << 20);
        const bool ok = put_header(s, &tmp, &up, hash);
        buf_fini(&tmp);
        if (!ok) return false;
        *hash = up;
    }
    return true;
}

static void put_headers(struct sync *s, struct buf *out, const struct eth_get_headers *g)
{
    hash32 hash = g->hash, canon, parent;
    uint64_t number = g->number;
    unsigned steps = 0;
    bool canonical = true;
    if (g->by_hash) {
        u256 td;
        if (s->ops.get_meta(s->ops.chain, &number, &td, &hash) != OK) return;
        canonical = s->ops.get_canonical(s->ops.chain, &canon, number) == OK && hash_eq(&canon, &hash);
    } else if (s->ops.get_canonical(s->ops.chain, &hash, number) != OK) {
        return;
    }
    const uint64_t max = g->amount < HEADERS_SERVE ? g->amount : HEADERS_SERVE;
    for (uint64_t i = 0; i < max && out->len < SERVE_BYTES; i++) {
        const size_t before = out->len;
        if (!put_header(s, out, &parent, &hash)) {
            out->len = before;
            return;
        }
        if (i + 1 == max) return;
        if (canonical) {
            if (!next_by_number(s, &hash, &number, g)) return;
        } else if (!g->reverse || g->skip >= SERVE_WALK || !walk_up(s, &hash, &parent, g->skip, &steps)) {
            return;
        }
    }
}

typedef enum status (*put_fn)(void *ctx, struct buf *out, const hash32 *hash);

static void put_by_hash(struct buf *out, bytes hashes, put_fn put, void *ctx, size_t max)
{
    hash32 h;
    for (size_t i = 0; i < max && hashes.len > 0 && out->len < SERVE_BYTES; i++) {
        if (eth_hash_get(&h, &hashes) != OK) return;
        const size_t before = out->len;
        if (put(ctx, out, &h) != OK) out->len = before;
    }
}

static void put_pooled(struct sync *s, struct buf *out, bytes hashes)
{
    hash32 h;
    for (size_t i = 0; i < POOLED_SERVE && hashes.len > 0 && out->len < SERVE_BYTES; i++) {
        if (eth_hash_get(&h, &hashes) != OK) return;
        const size_t before = out->len;
        if (!s->ops.put_tx(s->ops.pool, out, &h)) out->len = before;
    }
}

/* A list of hashes, all of 32 bytes? */
static bool hashes_ok(bytes list)
{
    hash32 h;
    while (list.len > 0)
        if (eth_hash_get(&h, &list) != OK) return false;
    return true;
}

void serve(struct sync *s, struct peer *p, unsigned message, bytes payload, uint64_t now)
{
    uint64_t id;
    bytes list;
    struct eth_get_headers g = {0};
    if (eth_request_get(&id, &list, p->version, payload) != OK ||
        (message == ETH_GET_BLOCK_HEADERS ? eth_get_headers_get(&g, list) != OK : !hashes_ok(list))) {
        peer_drop(s, p, DISCONNECT_BREACH, "malformed request");
        return;
    }
    if (!peer_take_token(p, now) || peer_is_choked(s, p)) {
        peer_fault(s, p, "asks too much", now);
        return;
    }
    struct buf b;
    buf_init(&b, MESSAGE_MAX);
    const size_t mark = eth_request_open(&b, p->version, id);
    const size_t l = rlp_list_open(&b);
    unsigned answer;
    if (message == ETH_GET_BLOCK_HEADERS) {
        answer = ETH_BLOCK_HEADERS;
        put_headers(s, &b, &g);
    } else if (message == ETH_GET_BLOCK_BODIES) {
        answer = ETH_BLOCK_BODIES;
        put_by_hash(&b, list, s->ops.put_body, s->ops.chain, BODIES_SERVE);
    } else if (message == ETH_GET_RECEIPTS) {
        answer = ETH_RECEIPTS;
        put_by_hash(&b, list, s->ops.put_receipts, s->ops.chain, RECEIPTS_SERVE);
    } else if (message == ETH_GET_POOLED_TXS) {
        answer = ETH_POOLED_TXS;
        put_pooled(s, &b, list);
    } else { /* state by node hash is not kept in that form: nothing is found */
        answer = ETH_NODE_DATA;
    }
    rlp_list_close(&b, l);
    eth_request_close(&b, p->version, mark);
    peer_send(s, p, answer, &b);
}
