/* serve.c: what peers ask of a chain, see chain.h. Each answer has a snapshot of its own: any thread may ask. */
#include "lib/codec/rlp.h"
#include "node/chain/chain_priv.h"
#include "node/state/trie.h"

enum { BODY_ARENA_MAX = 64 << 20 };

enum status chain_find(uint64_t *number, u256 *td, struct chain *c, const hash32 *hash)
{
    struct kv_txn *txn;
    struct block_meta meta;
    enum status s = kv_begin(&txn, c->kv, false);
    if (s != OK) return s;
    s = blocks_get_meta(&meta, txn, hash);
    kv_abort(txn);
    if (s == OK && meta.invalid) s = E_NOT_FOUND;
    if (s != OK) return s;
    *number = meta.number;
    *td = meta.td;
    return OK;
}

enum status chain_find_canonical(hash32 *out, struct chain *c, uint64_t number)
{
    struct kv_txn *txn;
    enum status s = kv_begin(&txn, c->kv, false);
    if (s != OK) return s;
    s = blocks_get_canonical_hash(out, txn, number);
    kv_abort(txn);
    return s;
}

enum status chain_put_raw(struct buf *out, struct chain *c, const hash32 *hash, chain_get_raw *get)
{
    struct kv_txn *txn;
    bytes raw;
    enum status s = kv_begin(&txn, c->kv, false);
    if (s != OK) return s;
    s = get(&raw, txn, hash);
    if (s == OK) buf_put_bytes(out, raw);
    kv_abort(txn);
    return s == OK ? buf_status(out) : s;
}

enum status chain_body_tx_root(hash32 *out, bytes txs)
{
    struct arena a;
    size_t count;
    if (rlp_count_items(&count, txs) != OK) return E_DECODE;
    arena_init(&a, BODY_ARENA_MAX);
    bytes *values = arena_zalloc(&a, count + 1, sizeof *values);
    enum status s = values == NULL ? E_NOMEM : OK;
    for (size_t i = 0; s == OK && i < count; i++) {
        /* the trie holds the canonical form: a typed transaction stands in a body as a string */
        struct rlp_item item;
        s = rlp_get_item(&item, &txs);
        if (s == OK) values[i] = item.is_list ? item.raw : item.payload;
    }
    if (s == OK) s = trie_root_ordered(out, values, count);
    arena_fini(&a);
    return s;
}
