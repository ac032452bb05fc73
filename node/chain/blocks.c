#include "node/chain/blocks.h"

#include "lib/codec/rlp.h"
#include "node/store/tables.h"

/* value layouts:
 *   TABLE_TD        td(32) || number(8) || flags(1)
 *   TABLE_RECEIPTS  n(4) || sender(20) * n || RLP list of receipts in network form
 *   TABLE_TX        number(8) || index(4)
 *   TABLE_META      "head" -> number(8) || hash(32);  "final" -> number(8);  "side" || number(8) || hash(32) -> 1 */
enum { META_LEN = 41, FLAG_EXECUTED = 1, FLAG_INVALID = 2, BODY_MAX = 64 << 20, SIDE_LEN = 44 };

static const bytes KEY_HEAD = {(const uint8_t *)"head", 4};
static const bytes KEY_FINAL = {(const uint8_t *)"final", 5};

static bytes hash_bytes(const hash32 *h)
{
    return bytes_make(h->b, sizeof h->b);
}

enum status blocks_get_canonical_hash(hash32 *out, struct kv_txn *txn, uint64_t number)
{
    uint8_t key[8];
    bytes v;
    be64_put(key, number);
    enum status s = kv_get(&v, txn, TABLE_CANON, bytes_make(key, sizeof key));
    if (s != OK) return s;
    if (v.len != 32) return E_CORRUPT;
    memcpy(out->b, v.ptr, 32);
    return OK;
}

enum status blocks_get_meta(struct block_meta *out, struct kv_txn *txn, const hash32 *hash)
{
    bytes v;
    enum status s = kv_get(&v, txn, TABLE_TD, hash_bytes(hash));
    if (s != OK) return s;
    if (v.len != META_LEN) return E_CORRUPT;
    *out = (struct block_meta){.td = u256_from_be(v.ptr),
                               .number = be64_get(v.ptr + 32),
                               .executed = (v.ptr[40] & FLAG_EXECUTED) != 0,
                               .invalid = (v.ptr[40] & FLAG_INVALID) != 0};
    return OK;
}

enum status blocks_get_header_raw(bytes *out, struct kv_txn *txn, const hash32 *hash)
{
    return kv_get(out, txn, TABLE_HEADER, hash_bytes(hash));
}

enum status blocks_get_body_raw(bytes *out, struct kv_txn *txn, const hash32 *hash)
{
    return kv_get(out, txn, TABLE_BODY, hash_bytes(hash));
}

enum status blocks_get_header(struct header *out, struct kv_txn *txn, const hash32 *hash, struct arena *a)
{
    bytes raw;
    enum status s = blocks_get_header_raw(&raw, txn, hash);
    if (s != OK) return s;
    /* the database's memory may move under a write transaction: keep a copy, which the header borrows from */
    bytes copy = arena_copy(a, raw);
    if (copy.ptr == NULL) return E_NOMEM;
    return header_get(out, &copy, NULL) == OK ? OK : E_CORRUPT;
}

/* senders stored beside the receipts; empty if the block was never executed */
static enum status get_receipts_value(bytes *senders, bytes *list, struct kv_txn *txn, const hash32 *hash)
{
    bytes v;
    enum status s = kv_get(&v, txn, TABLE_RECEIPTS, hash_bytes(hash));
    if (s != OK) return s;
    if (v.len < 4) return E_CORRUPT;
    size_t n = be32_get(v.ptr);
    if (n > (v.len - 4) / 20) return E_CORRUPT;
    *senders = bytes_make(v.ptr + 4, n * 20);
    *list = bytes_make(v.ptr + 4 + n * 20, v.len - 4 - n * 20);
    return OK;
}

enum status blocks_get(struct block *out, struct kv_txn *txn, const hash32 *hash, struct arena *a)
{
    struct header h;
    enum status s = blocks_get_header(&h, txn, hash, a);
    if (s != OK) return s;
    bytes raw;
    s = blocks_get_body_raw(&raw, txn, hash);
    if (s != OK) return s;
    bytes copy = arena_copy(a, raw);
    if (copy.ptr == NULL) return E_NOMEM;
    struct block b;
    s = block_get_body(&b, &h, &copy, a, NULL);
    if (s != OK) return s == E_NOMEM ? s : E_CORRUPT;
    b.hash = *hash;
    bytes senders, list;
    s = get_receipts_value(&senders, &list, txn, hash);
    if (s == OK && senders.len == b.n_txs * 20) {
        for (size_t i = 0; i < b.n_txs; i++) {
            memcpy(b.txs[i].sender.b, senders.ptr + 20 * i, 20);
            b.txs[i].has_sender = true;
        }
    } else if (s != OK && s != E_NOT_FOUND) {
        return s;
    }
    *out = b;
    return OK;
}

enum status blocks_get_receipts_raw(bytes *out, struct kv_txn *txn, const hash32 *hash)
{
    bytes senders;
    return get_receipts_value(&senders, out, txn, hash);
}

enum status blocks_get_receipts(struct receipt **out, size_t *n_out, struct kv_txn *txn, const hash32 *hash, struct arena *a)
{
    struct block b;
    bytes list;
    size_t n;
    enum status s = blocks_get(&b, txn, hash, a);
    if (s == OK) s = blocks_get_receipts_raw(&list, txn, hash);
    if (s != OK) return s;
    bytes copy = arena_copy(a, list), items;
    if (copy.ptr == NULL) return E_NOMEM;
    if (rlp_get_list(&items, &copy) != OK || rlp_count_items(&n, items) != OK || n != b.n_txs) return E_CORRUPT;
    struct receipt *r = arena_zalloc(a, n + 1, sizeof *r);
    if (r == NULL) return E_NOMEM;
    uint64_t before = 0;
    for (size_t i = 0; i < n; i++) {
        /* network form: a typed receipt is wrapped in a string */
        struct rlp_item item;
        if (rlp_get_item(&item, &items) != OK) return E_CORRUPT;
        s = receipt_get(&r[i], item.is_list ? item.raw : item.payload, a);
        if (s != OK) return s == E_NOMEM ? s : E_CORRUPT;
        r[i].gas_used = r[i].cumulative_gas - before;
        before = r[i].cumulative_gas;
        if (!b.txs[i].has_to && b.txs[i].has_sender) {
            r[i].has_contract = true;
            r[i].contract_address = address_create(&b.txs[i].sender, b.txs[i].nonce);
        }
    }
    *out = r;
    *n_out = n;
    return OK;
}

enum status blocks_get_tx_location(struct tx_location *out, struct kv_txn *txn, const hash32 *tx_hash)
{
    bytes v;
    enum status s = kv_get(&v, txn, TABLE_TX, hash_bytes(tx_hash));
    if (s != OK) return s;
    if (v.len != 12) return E_CORRUPT;
    struct tx_location loc = {.number = be64_get(v.ptr), .index = be32_get(v.ptr + 8)};
    s = blocks_get_canonical_hash(&loc.block_hash, txn, loc.number);
    if (s == OK) *out = loc;
    return s;
}

enum status blocks_get_head(uint64_t *number, hash32 *hash, uint64_t *finalised, struct kv_txn *txn)
{
    bytes v;
    enum status s = kv_get(&v, txn, TABLE_META, KEY_HEAD);
    if (s != OK) return s;
    if (v.len != 40) return E_CORRUPT;
    uint64_t n = be64_get(v.ptr);
    hash32 h;
    memcpy(h.b, v.ptr + 8, 32);
    uint64_t f = 0;
    s = kv_get(&v, txn, TABLE_META, KEY_FINAL);
    if (s == OK && v.len != 8) return E_CORRUPT;
    if (s == OK) f = be64_get(v.ptr);
    else if (s != E_NOT_FOUND) return s;
    *number = n;
    *hash = h;
    *finalised = f;
    return OK;
}

/* ---------------------------------------------------------------- writes */

enum status blocks_put_meta(struct kv_txn *txn, const hash32 *hash, const struct block_meta *meta)
{
    uint8_t v[META_LEN];
    u256_to_be(v, &meta->td);
    be64_put(v + 32, meta->number);
    v[40] = (uint8_t)((meta->executed ? FLAG_EXECUTED : 0) | (meta->invalid ? FLAG_INVALID : 0));
    return kv_put(txn, TABLE_TD, hash_bytes(hash), bytes_make(v, sizeof v));
}

enum status blocks_put(struct kv_txn *txn, const struct block *b, const struct block_meta *meta)
{
    struct buf out;
    buf_init(&out, BODY_MAX);
    header_put(&out, &b->header);
    enum status s = buf_status(&out);
    if (s == OK) s = kv_put(txn, TABLE_HEADER, hash_bytes(&b->hash), buf_view(&out));
    buf_clear(&out);
    block_put_body(&out, b);
    if (s == OK) s = buf_status(&out);
    if (s == OK) s = kv_put(txn, TABLE_BODY, hash_bytes(&b->hash), buf_view(&out));
    if (s == OK) s = blocks_put_meta(txn, &b->hash, meta);
    buf_fini(&out);
    return s;
}

enum status blocks_put_receipts(struct kv_txn *txn, const struct block *b, const struct receipt *receipts, size_t n)
{
    struct buf out;
    buf_init(&out, BODY_MAX);
    uint8_t count[4];
    be32_put(count, (uint32_t)n);
    buf_put(&out, count, sizeof count);
    for (size_t i = 0; i < n; i++)
        buf_put(&out, b->txs[i].sender.b, 20);
    size_t mark = rlp_list_open(&out);
    for (size_t i = 0; i < n; i++)
        receipt_put_network(&out, &receipts[i]);
    rlp_list_close(&out, mark);
    enum status s = buf_status(&out);
    if (s == OK) s = kv_put(txn, TABLE_RECEIPTS, hash_bytes(&b->hash), buf_view(&out));
    buf_fini(&out);
    return s;
}

enum status blocks_set_canonical(struct kv_txn *txn, const struct block *b)
{
    uint8_t key[8], loc[12];
    be64_put(key, b->header.number);
    enum status s = kv_put(txn, TABLE_CANON, bytes_make(key, sizeof key), hash_bytes(&b->hash));
    be64_put(loc, b->header.number);
    for (size_t i = 0; s == OK && i < b->n_txs; i++) {
        be32_put(loc + 8, (uint32_t)i);
        s = kv_put(txn, TABLE_TX, hash_bytes(&b->txs[i].hash), bytes_make(loc, sizeof loc));
    }
    return s;
}

enum status blocks_unset_canonical(struct kv_txn *txn, const struct block *b)
{
    uint8_t key[8];
    be64_put(key, b->header.number);
    enum status s = kv_delete(txn, TABLE_CANON, bytes_make(key, sizeof key));
    for (size_t i = 0; s == OK && i < b->n_txs; i++)
        s = kv_delete(txn, TABLE_TX, hash_bytes(&b->txs[i].hash));
    return s;
}

enum status blocks_set_head(struct kv_txn *txn, uint64_t number, const hash32 *hash)
{
    uint8_t v[40];
    be64_put(v, number);
    memcpy(v + 8, hash->b, 32);
    return kv_put(txn, TABLE_META, KEY_HEAD, bytes_make(v, sizeof v));
}

enum status blocks_set_finalised(struct kv_txn *txn, uint64_t number)
{
    uint8_t v[8];
    be64_put(v, number);
    return kv_put(txn, TABLE_META, KEY_FINAL, bytes_make(v, sizeof v));
}

/* ----------------------------------------------------------- side blocks */

static bytes side_key(uint8_t key[static SIDE_LEN], uint64_t number, const hash32 *hash)
{
    memcpy(key, "side", 4);
    be64_put(key + 4, number);
    memcpy(key + 12, hash->b, 32);
    return bytes_make(key, SIDE_LEN);
}

static bool is_side_key(bytes key)
{
    return key.len == SIDE_LEN && memcmp(key.ptr, "side", 4) == 0;
}

enum status blocks_set_side(struct kv_txn *txn, uint64_t number, const hash32 *hash)
{
    uint8_t key[SIDE_LEN];
    return kv_put(txn, TABLE_META, side_key(key, number, hash), BYTES_LIT("\1"));
}

enum status blocks_unset_side(struct kv_txn *txn, uint64_t number, const hash32 *hash)
{
    uint8_t key[SIDE_LEN];
    return kv_delete(txn, TABLE_META, side_key(key, number, hash));
}

/* the first side block, E_NOT_FOUND if there is none */
static enum status first_side(uint64_t *number, hash32 *hash, struct kv_txn *txn)
{
    struct kv_cursor *cur;
    bytes k, v;
    enum status s = kv_cursor_open(&cur, txn, TABLE_META);
    if (s != OK) return s;
    s = kv_cursor_seek(&k, &v, cur, BYTES_LIT("side"));
    if (s == OK && !is_side_key(k)) s = E_NOT_FOUND;
    if (s == OK) {
        *number = be64_get(k.ptr + 4);
        memcpy(hash->b, k.ptr + 12, 32);
    }
    kv_cursor_close(cur);
    return s;
}

static enum status drop_side(struct kv_txn *txn, uint64_t number, const hash32 *hash)
{
    enum status s = blocks_unset_side(txn, number, hash);
    if (s == OK) s = kv_delete(txn, TABLE_HEADER, hash_bytes(hash));
    if (s == OK) s = kv_delete(txn, TABLE_BODY, hash_bytes(hash));
    if (s == OK) s = kv_delete(txn, TABLE_TD, hash_bytes(hash));
    return s;
}

enum status blocks_drop_sides(size_t *n, struct kv_txn *txn, uint64_t number)
{
    uint64_t at;
    hash32 hash;
    enum status s;
    while ((s = first_side(&at, &hash, txn)) == OK && at <= number) {
        s = drop_side(txn, at, &hash);
        if (s != OK) return s;
        if (*n > 0) --*n;
    }
    return s == E_NOT_FOUND ? OK : s;
}

enum status blocks_drop_invalid(struct kv_txn *txn)
{
    struct kv_cursor *cur;
    bytes k, v;
    struct buf found; /* number(8) || hash(32) each: nothing is written to a table while it is walked */
    enum status s = kv_cursor_open(&cur, txn, TABLE_META);
    if (s != OK) return s;
    buf_init(&found, 64 << 20);
    for (s = kv_cursor_seek(&k, &v, cur, BYTES_LIT("side")); s == OK && is_side_key(k); s = kv_cursor_next(&k, &v, cur)) {
        struct block_meta meta;
        hash32 hash;
        memcpy(hash.b, k.ptr + 12, 32);
        s = blocks_get_meta(&meta, txn, &hash);
        if (s != OK) break;
        if (meta.invalid) buf_put(&found, k.ptr + 4, 40);
    }
    kv_cursor_close(cur);
    if (s == E_NOT_FOUND) s = OK;
    if (s == OK) s = buf_status(&found);
    for (size_t i = 0; s == OK && i < found.len; i += 40) {
        hash32 hash;
        memcpy(hash.b, found.ptr + i + 8, 32);
        s = drop_side(txn, be64_get(found.ptr + i), &hash);
    }
    buf_fini(&found);
    return s;
}

enum status blocks_count_sides(size_t *n, struct kv_txn *txn)
{
    struct kv_cursor *cur;
    bytes k, v;
    size_t count = 0;
    enum status s = kv_cursor_open(&cur, txn, TABLE_META);
    if (s != OK) return s;
    for (s = kv_cursor_seek(&k, &v, cur, BYTES_LIT("side")); s == OK && is_side_key(k); s = kv_cursor_next(&k, &v, cur))
        count++;
    kv_cursor_close(cur);
    if (s != OK && s != E_NOT_FOUND) return s;
    *n = count;
    return OK;
}
