#include "node/sync/wire.h"

#include "lib/codec/rlp.h"

const char *eth_message_name(unsigned code)
{
    switch (code) {
#define X(id, number, name)                                                                        \
    case number: return name;
        ETH_MESSAGES(X)
#undef X
    default: return "unknown";
    }
}

void eth_u256_put(struct buf *out, const u256 *v)
{
    uint8_t be[32];
    u256_to_be(be, v);
    rlp_put_uint(out, bytes_make(be, sizeof be));
}

enum status eth_u256_get(u256 *out, bytes *in)
{
    uint8_t be[32];
    const enum status s = rlp_get_uint(be, sizeof be, in);
    if (s == OK) *out = u256_from_be(be);
    return s;
}

enum status eth_hash_get(hash32 *out, bytes *in)
{
    return rlp_get_fixed(out->b, sizeof out->b, in);
}

void eth_hash_put(struct buf *out, const hash32 *h)
{
    rlp_put_string(out, bytes_make(h->b, sizeof h->b));
}

void eth_status_put(struct buf *out, const struct eth_status *st)
{
    const size_t l = rlp_list_open(out);
    rlp_put_u64(out, st->version);
    rlp_put_u64(out, st->network_id);
    eth_u256_put(out, &st->td);
    eth_hash_put(out, &st->head);
    eth_hash_put(out, &st->genesis);
    if (st->has_fork_id) {
        const size_t f = rlp_list_open(out);
        rlp_put_string(out, bytes_make(st->fork_id.hash, sizeof st->fork_id.hash));
        rlp_put_u64(out, st->fork_id.next);
        rlp_list_close(out, f);
    }
    rlp_list_close(out, l);
}

enum status eth_status_get(struct eth_status *out, bytes in)
{
    struct eth_status st = {0};
    bytes l, f;
    enum status s;
    if ((s = rlp_get_list(&l, &in)) != OK) return s;
    if ((s = rlp_get_u64(&st.version, &l)) != OK) return s;
    if ((s = rlp_get_u64(&st.network_id, &l)) != OK) return s;
    if ((s = eth_u256_get(&st.td, &l)) != OK) return s;
    if ((s = eth_hash_get(&st.head, &l)) != OK) return s;
    if ((s = eth_hash_get(&st.genesis, &l)) != OK) return s;
    if (rlp_is_list(l)) {
        if ((s = rlp_get_list(&f, &l)) != OK) return s;
        if ((s = rlp_get_fixed(st.fork_id.hash, sizeof st.fork_id.hash, &f)) != OK) return s;
        if ((s = rlp_get_u64(&st.fork_id.next, &f)) != OK) return s;
        st.has_fork_id = true;
    }
    *out = st;
    return OK;
}

size_t eth_request_open(struct buf *out, unsigned version, uint64_t id)
{
    if (!eth_has_request_id(version)) return 0;
    const size_t mark = rlp_list_open(out);
    rlp_put_u64(out, id);
    return mark;
}

void eth_request_close(struct buf *out, unsigned version, size_t mark)
{
    if (eth_has_request_id(version)) rlp_list_close(out, mark);
}

enum status eth_request_get(uint64_t *id, bytes *list, unsigned version, bytes in)
{
    bytes outer, inner;
    uint64_t v = 0;
    enum status s = rlp_get_list(&outer, &in);
    if (s != OK) return s;
    if (!eth_has_request_id(version)) {
        *id = 0;
        *list = outer;
        return OK;
    }
    if ((s = rlp_get_u64(&v, &outer)) != OK) return s;
    if ((s = rlp_get_list(&inner, &outer)) != OK) return s;
    *id = v;
    *list = inner;
    return OK;
}

void eth_get_headers_put(struct buf *out, const struct eth_get_headers *g)
{
    const size_t l = rlp_list_open(out);
    if (g->by_hash) eth_hash_put(out, &g->hash);
    else rlp_put_u64(out, g->number);
    rlp_put_u64(out, g->amount);
    rlp_put_u64(out, g->skip);
    rlp_put_u64(out, g->reverse);
    rlp_list_close(out, l);
}

enum status eth_get_headers_get(struct eth_get_headers *out, bytes list)
{
    struct eth_get_headers g = {0};
    uint64_t reverse;
    bytes peek = list, v;
    enum status s = rlp_get_string(&v, &peek);
    if (s != OK) return s;
    g.by_hash = v.len == sizeof g.hash.b;
    s = g.by_hash ? eth_hash_get(&g.hash, &list) : rlp_get_u64(&g.number, &list);
    if (s != OK) return s;
    if ((s = rlp_get_u64(&g.amount, &list)) != OK) return s;
    if ((s = rlp_get_u64(&g.skip, &list)) != OK) return s;
    if ((s = rlp_get_u64(&reverse, &list)) != OK) return s;
    if (reverse > 1) return E_DECODE;
    g.reverse = reverse == 1;
    *out = g;
    return OK;
}
