/* gather_priv.h: an RLP list put together from views, so that a header or transaction is hashed or appended without building it
 * first. Small values are encoded into `small`, long ones stay where they are; what was borrowed must outlive the gather. */
#ifndef LIB_ETH_GATHER_PRIV_H
#define LIB_ETH_GATHER_PRIV_H

#include "lib/base/buf.h"
#include "lib/codec/rlp.h"
#include "lib/crypto/keccak.h"
#include "lib/eth/types.h"

/* A header has at most 21 items; each is at most a prefix and a view. */
enum { GATHER_PIECES = 48, GATHER_SMALL = 1024 };

struct gather {
    bytes piece[GATHER_PIECES];
    size_t n, total, used;
    uint8_t small[GATHER_SMALL];
};

static inline void gather_init(struct gather *g)
{
    g->n = g->total = g->used = 0;
}

static inline void gather_view(struct gather *g, bytes v)
{
    if (v.len == 0) return;
    if (g->n == GATHER_PIECES) BUG("gather: too many pieces");
    g->piece[g->n++] = v;
    g->total += v.len;
}

/* bytes that were written at small + used: joined to the piece before when that ends there */
static inline void gather_small(struct gather *g, size_t len)
{
    const uint8_t *at = g->small + g->used;
    g->used += len;
    if (g->n > 0 && g->piece[g->n - 1].ptr + g->piece[g->n - 1].len == at) {
        g->piece[g->n - 1].len += len;
        g->total += len;
    } else {
        gather_view(g, bytes_make(at, len));
    }
}

static inline uint8_t *gather_room(struct gather *g, size_t len)
{
    if (GATHER_SMALL - g->used < len) BUG("gather: too many small items");
    return g->small + g->used;
}

static inline void gather_u64(struct gather *g, uint64_t v)
{
    gather_small(g, rlp_encode_u64(gather_room(g, 9), v));
}

static inline void gather_string(struct gather *g, bytes v)
{
    uint8_t *p = gather_room(g, 64);
    size_t n = 0;
    if (v.len != 1 || v.ptr[0] >= 0x80) n = rlp_encode_header(p, false, v.len);
    if (v.len <= 32) { /* short: copied, so that it joins its neighbours */
        if (v.len > 0) memcpy(p + n, v.ptr, v.len);
        gather_small(g, n + v.len);
    } else {
        gather_small(g, n);
        gather_view(g, v);
    }
}

static inline void gather_u256(struct gather *g, const u256 *v)
{
    uint8_t be[32];
    u256_to_be(be, v);
    size_t skip = 0;
    while (skip < 32 && be[skip] == 0)
        skip++;
    gather_string(g, bytes_make(be + skip, 32 - skip));
}

/** gather_list: a list whose payload is encoded already. */
static inline void gather_list(struct gather *g, bytes payload)
{
    gather_small(g, rlp_encode_header(gather_room(g, 9), true, payload.len));
    gather_view(g, payload);
}

static inline void gather_put(struct buf *out, const struct gather *g)
{
    rlp_put_list_header(out, g->total);
    for (size_t i = 0; i < g->n; i++)
        buf_put_bytes(out, g->piece[i]);
}

/** gather_hash: keccak256(prefix || list). */
static inline hash32 gather_hash(const struct gather *g, bytes prefix)
{
    struct keccak k;
    hash32 h;
    uint8_t head[9];
    keccak_init(&k, 32);
    keccak_update(&k, prefix.ptr, prefix.len);
    keccak_update(&k, head, rlp_encode_header(head, true, g->total));
    for (size_t i = 0; i < g->n; i++)
        keccak_update(&k, g->piece[i].ptr, g->piece[i].len);
    keccak_final(&k, h.b);
    return h;
}

#endif
