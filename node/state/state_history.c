/* What older blocks held, the way back, and readers of the whole. */
#include "node/state/state_priv.h"

#include "lib/codec/rlp.h"
#include "lib/crypto/keccak.h"

#define FLOOR_KEY BYTES_LIT("state.floor")

enum status history_floor(uint64_t *out, struct kv_txn *txn)
{
    bytes v;
    enum status st = kv_get(&v, txn, TABLE_META, FLOOR_KEY);
    if (st == OK && v.len != 8) return E_CORRUPT;
    if (st == OK) *out = be64_get(v.ptr);
    if (st == E_NOT_FOUND) *out = 0;
    return st == E_NOT_FOUND ? OK : st;
}

enum status history_set_floor(struct kv_txn *txn, uint64_t number)
{
    uint8_t v[8];
    be64_put(v, number);
    return kv_put(txn, TABLE_META, FLOOR_KEY, BYTES_OF(v));
}

/* first_after: the entry of the item with the lowest number above n: what the item was before that block, and so after n. An empty value is
 * an absent item. *in_latest: there is none, and the latest state still has it. */
static enum status first_after(bytes *value, bool *in_latest, struct kv_txn *txn, struct kv_cursor **cursor, unsigned history, bytes item, uint64_t n)
{
    uint8_t key[HIST_SLOT_LEN];
    bytes k, v;
    enum status st = OK;
    *in_latest = false;
    if (*cursor == NULL) st = kv_cursor_open(cursor, txn, history);
    if (st != OK) return st;
    memcpy(key, item.ptr, item.len);
    be64_put(key + item.len, n + 1);
    st = kv_cursor_seek(&k, &v, *cursor, bytes_make(key, item.len + 8));
    if (st == OK && k.len == item.len + 8 && memcmp(k.ptr, item.ptr, item.len) == 0) {
        if (v.len == 0) return E_NOT_FOUND;
        *value = v;
        return OK;
    }
    *in_latest = st == OK || st == E_NOT_FOUND;
    return st == OK ? E_NOT_FOUND : st;
}

enum status slot_get(bytes *value, struct kv_txn *txn, const hash32 *account, const hash32 *key)
{
    bytes rlp;
    enum status st = trie_get(&rlp, txn, TABLE_TRIE_STORAGE, BYTES_OF(*account), key);
    if (st != OK) return st;
    return rlp_get_string(value, &rlp) == OK && rlp.len == 0 ? OK : E_CORRUPT;
}

enum status history_account(bytes *rlp, struct state *s, struct account *a)
{
    bool in_latest;
    enum status st = first_after(rlp, &in_latest, s->txn, &s->hist_account, TABLE_HIST_ACCOUNT, BYTES_OF(a->addr), s->number);
    return in_latest ? trie_get(rlp, s->txn, TABLE_TRIE_ACCOUNT, BYTES_EMPTY, account_key(a)) : st;
}

enum status history_slot(bytes *value, struct state *s, struct slot *sl)
{
    uint8_t k[SLOT_KEY_LEN];
    bool in_latest;
    enum status st = first_after(value, &in_latest, s->txn, &s->hist_storage, TABLE_HIST_STORAGE, slot_key(k, &sl->account->addr, &sl->key), s->number);
    return in_latest ? slot_get(value, s->txn, account_key(sl->account), slot_trie_key(sl)) : st;
}

/* --- the list of changes */

struct change {
    address addr;
    bytes slots; /* RLP payload of 32-byte strings */
};

static enum status change_next(struct change *out, bytes *list)
{
    bytes entry;
    if (rlp_get_list(&entry, list) != OK || rlp_get_fixed(out->addr.b, 20, &entry) != OK || rlp_get_list(&out->slots, &entry) != OK)
        return E_CORRUPT;
    return OK;
}

/* read_changes: a copy, since the table is written to while it is walked; payload is the list's */
static enum status read_changes(struct buf *copy, bytes *payload, struct kv_txn *txn, uint64_t number)
{
    uint8_t key[8];
    bytes v;
    be64_put(key, number);
    enum status st = kv_get(&v, txn, TABLE_CHANGES, BYTES_OF(key));
    if (st != OK) return st;
    buf_put_bytes(copy, v);
    st = buf_status(copy);
    if (st != OK) return st;
    bytes in = buf_view(copy);
    return rlp_get_list(payload, &in) == OK ? OK : E_CORRUPT;
}

/* --- unwind */

/* put_back: take the history entry of an item; *old is a copy in a. Whether it exists goes into its table; the value is the trie's affair. */
static enum status put_back(bytes *old, struct kv_txn *txn, struct arena *a, unsigned history, bytes hist_key, unsigned table, bytes key)
{
    bytes v;
    enum status st = kv_get(&v, txn, history, hist_key);
    if (st != OK) return st == E_NOT_FOUND ? E_CORRUPT : st;
    *old = arena_copy(a, v);
    if (old->ptr == NULL) return E_NOMEM;
    st = kv_delete(txn, history, hist_key);
    if (st != OK) return st;
    return old->len == 0 ? kv_delete(txn, table, key) : kv_put(txn, table, key, BYTES_EMPTY);
}

static enum status apply(hash32 *root, struct kv_txn *txn, unsigned table, bytes prefix, const struct trie_update *up, size_t n)
{
    struct trie_dirty *d;
    enum status st = trie_apply(root, &d, txn, table, prefix, up, n);
    if (st != OK) return st;
    st = trie_write(txn, table, prefix, d);
    trie_dirty_free(d);
    return st;
}

static enum status unwind_slots(struct kv_txn *txn, struct arena *a, const struct change *c, uint64_t number, const hash32 *old_root,
                                const hash32 *account_key)
{
    size_t n;
    if (rlp_count_items(&n, c->slots) != OK) return E_CORRUPT;
    if (n == 0) return OK;
    struct trie_update *up = arena_zalloc(a, n, sizeof *up);
    if (up == NULL) return E_NOMEM;
    bytes in = c->slots;
    for (size_t i = 0; i < n; i++) {
        uint8_t key[SLOT_KEY_LEN], hist[HIST_SLOT_LEN];
        bytes old;
        memcpy(key, c->addr.b, 20);
        if (rlp_get_fixed(key + 20, 32, &in) != OK) return E_CORRUPT;
        enum status st = put_back(&old, txn, a, TABLE_HIST_STORAGE, hist_slot_key(hist, BYTES_OF(key), number), TABLE_STORAGE,
                                  BYTES_OF(key));
        if (st != OK) return st;
        keccak256(up[i].key.b, key + 20, 32);
        if (old.len == 0) continue;
        uint8_t *rlp = arena_alloc(a, old.len + 9);
        if (rlp == NULL) return E_NOMEM;
        size_t head = old.len == 1 && old.ptr[0] < 0x80 ? 0 : rlp_encode_header(rlp, false, old.len);
        memcpy(rlp + head, old.ptr, old.len);
        up[i].value = bytes_make(rlp, head + old.len);
    }
    hash32 root;
    enum status st = apply(&root, txn, TABLE_TRIE_STORAGE, BYTES_OF(*account_key), up, n);
    if (st != OK) return st;
    return hash_eq(&root, old_root) ? OK : E_CORRUPT;
}

enum status state_unwind(struct kv_txn *txn, uint64_t number)
{
    struct buf copy;
    struct arena a;
    bytes list;
    size_t n;
    uint8_t key[8];
    buf_init(&copy, SIZE_MAX / 2);
    arena_init(&a, SIZE_MAX);
    enum status st = read_changes(&copy, &list, txn, number);
    if (st == OK && rlp_count_items(&n, list) != OK) st = E_CORRUPT;
    if (st != OK) goto out;
    struct trie_update *up = arena_zalloc(&a, n + 1, sizeof *up);
    if (up == NULL) st = E_NOMEM;
    for (size_t i = 0; i < n && st == OK; i++) {
        struct change c;
        struct state_account old = {.storage_root = HASH_EMPTY_TRIE};
        uint8_t hist[HIST_ACCOUNT_LEN];
        st = change_next(&c, &list);
        if (st != OK) break;
        st = put_back(&up[i].value, txn, &a, TABLE_HIST_ACCOUNT, hist_account_key(hist, &c.addr, number), TABLE_ACCOUNT,
                      BYTES_OF(c.addr));
        if (st == OK && up[i].value.len != 0) st = account_decode(&old, up[i].value);
        keccak256(up[i].key.b, c.addr.b, 20);
        if (st == OK) st = unwind_slots(txn, &a, &c, number, &old.storage_root, &up[i].key);
    }
    hash32 root;
    if (st == OK) st = apply(&root, txn, TABLE_TRIE_ACCOUNT, BYTES_EMPTY, up, n);
    be64_put(key, number);
    if (st == OK) st = kv_delete(txn, TABLE_CHANGES, BYTES_OF(key));
out:
    buf_fini(&copy);
    arena_fini(&a);
    return st;
}

/* --- prune */

static enum status prune_block(struct kv_txn *txn, uint64_t number)
{
    struct buf copy;
    bytes list;
    buf_init(&copy, SIZE_MAX / 2);
    enum status st = read_changes(&copy, &list, txn, number);
    while (st == OK && list.len != 0) {
        struct change c;
        uint8_t hist[HIST_SLOT_LEN], key[SLOT_KEY_LEN];
        st = change_next(&c, &list);
        if (st == OK) st = kv_delete(txn, TABLE_HIST_ACCOUNT, hist_account_key(hist, &c.addr, number));
        while (st == OK && c.slots.len != 0) {
            memcpy(key, c.addr.b, 20);
            st = rlp_get_fixed(key + 20, 32, &c.slots) == OK ? OK : E_CORRUPT;
            if (st == OK) st = kv_delete(txn, TABLE_HIST_STORAGE, hist_slot_key(hist, BYTES_OF(key), number));
        }
    }
    uint8_t key[8];
    be64_put(key, number);
    if (st == OK) st = kv_delete(txn, TABLE_CHANGES, BYTES_OF(key));
    buf_fini(&copy);
    return st;
}

enum status state_prune(struct kv_txn *txn, uint64_t number)
{
    uint64_t floor;
    enum status st = history_floor(&floor, txn);
    if (st != OK || number <= floor) return st;
    for (;;) {
        struct kv_cursor *c;
        bytes k, v;
        uint64_t at = UINT64_MAX;
        st = kv_cursor_open(&c, txn, TABLE_CHANGES);
        if (st != OK) return st;
        st = kv_cursor_seek(&k, &v, c, BYTES_EMPTY);
        if (st == OK && k.len == 8) at = be64_get(k.ptr);
        kv_cursor_close(c);
        if (st != OK && st != E_NOT_FOUND) return st;
        if (at > number) break;
        st = prune_block(txn, at);
        if (st != OK) return st;
    }
    return history_set_floor(txn, number);
}

/* --- the whole, and proofs */

enum status state_prove_account(struct buf *out, size_t *n_nodes, struct kv_txn *txn, const address *a)
{
    hash32 key;
    keccak256(key.b, a->b, 20);
    return trie_prove(out, n_nodes, txn, TABLE_TRIE_ACCOUNT, BYTES_EMPTY, &key);
}

enum status state_prove_slot(struct buf *out, size_t *n_nodes, struct kv_txn *txn, const address *a, const u256 *slot)
{
    hash32 account, key;
    keccak256(account.b, a->b, 20);
    u256_to_be(key.b, slot);
    keccak256(key.b, key.b, 32);
    return trie_prove(out, n_nodes, txn, TABLE_TRIE_STORAGE, BYTES_OF(account), &key);
}

enum status state_dump(struct kv_txn *txn, enum status (*fn)(void *ctx, const address *a, const struct state_account *acc), void *ctx)
{
    struct kv_cursor *c;
    bytes k, v;
    enum status st = kv_cursor_open(&c, txn, TABLE_ACCOUNT);
    if (st != OK) return st;
    for (st = kv_cursor_seek(&k, &v, c, BYTES_EMPTY); st == OK; st = kv_cursor_next(&k, &v, c)) {
        address a;
        hash32 key;
        struct state_account acc;
        bytes rlp;
        if (k.len != sizeof a) {
            st = E_CORRUPT;
            break;
        }
        memcpy(&a, k.ptr, sizeof a);
        keccak256(key.b, a.b, sizeof a);
        st = trie_get(&rlp, txn, TABLE_TRIE_ACCOUNT, BYTES_EMPTY, &key);
        if (st == E_NOT_FOUND) st = E_CORRUPT;
        if (st == OK) st = account_decode(&acc, rlp);
        if (st == OK) st = fn(ctx, &a, &acc);
        if (st != OK) break;
    }
    kv_cursor_close(c);
    return st == E_NOT_FOUND ? OK : st;
}

enum status state_dump_storage(struct kv_txn *txn, const address *a, enum status (*fn)(void *ctx, const u256 *key, const u256 *value), void *ctx)
{
    struct kv_cursor *c;
    bytes k, v;
    hash32 account;
    keccak256(account.b, a->b, sizeof *a);
    enum status st = kv_cursor_open(&c, txn, TABLE_STORAGE);
    if (st != OK) return st;
    for (st = kv_cursor_seek(&k, &v, c, BYTES_OF(*a)); st == OK; st = kv_cursor_next(&k, &v, c)) {
        hash32 hash;
        bytes be;
        u256 value;
        if (k.len != SLOT_KEY_LEN || memcmp(k.ptr, a->b, sizeof *a) != 0) break;
        const u256 key = u256_from_be(k.ptr + sizeof *a);
        keccak256(hash.b, k.ptr + sizeof *a, 32);
        st = slot_get(&be, txn, &account, &hash);
        if (st == E_NOT_FOUND || (st == OK && u256_get_be(&value, be) != OK)) st = E_CORRUPT;
        if (st == OK) st = fn(ctx, &key, &value);
        if (st != OK) break;
    }
    kv_cursor_close(c);
    return st == E_NOT_FOUND ? OK : st;
}
