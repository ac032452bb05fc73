/* What older blocks held, the way back, and readers of the whole. */
#include "node/state/state_priv.h"

#include "lib/codec/rlp.h"
#include "lib/crypto/keccak.h"

#define FLOOR_KEY BYTES_LIT("state.floor")
#define INDEX_KEY BYTES_LIT("state.index") /* number(8) || 1: is on, 0: was */

enum {
    WALK_MAX = SIEVE_BLOCKS, /* blocks whose rows one read goes through */
    PRUNE_MAX = 20000 /* rows at a time: LMDB takes 131,071 pages in one transaction */
};

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

/* first_or_last: of the blocks that have rows; is_old: it has the older form.  ret OK | E_NOT_FOUND: none has */
static enum status first_or_last(uint64_t *number, bool *is_old, struct kv_txn *txn, bool last)
{
    struct kv_cursor *c;
    bytes k, v;
    enum status st = kv_cursor_open(&c, txn, TABLE_CHANGES);
    if (st != OK) return st;
    st = last ? kv_cursor_last(&k, &v, c) : kv_cursor_seek(&k, &v, c, BYTES_EMPTY);
    if (st == OK && k.len < 8) st = E_CORRUPT;
    if (st == OK) {
        *number = be64_get(k.ptr);
        *is_old = k.len == 8;
    }
    kv_cursor_close(c);
    return st;
}

enum status history_open(struct state *s)
{
    uint64_t floor, newest;
    bool exists, is_on, is_old;
    enum status st = history_floor(&floor, s->txn);
    if (st == OK && s->number < floor) st = E_NOT_FOUND;
    if (st == OK) st = history_index(&exists, &is_on, &s->indexed_from, s->txn);
    if (st != OK) return st;
    st = first_or_last(&newest, &is_old, s->txn, true);
    if (st != OK) return st == E_NOT_FOUND ? OK : st;
    s->rows_end = newest < s->indexed_from ? newest + 1 : s->indexed_from;
    const uint64_t last = newest < s->indexed_from ? newest : s->indexed_from;
    return last > s->number && last - s->number > WALK_MAX ? E_NOT_FOUND : OK;
}

/* row_at: what block n has of the item; *next: the first block from n on that has any rows, if it has none of this one */
static enum status row_at(bytes *value, uint64_t *next, struct state *s, uint64_t n, bytes item)
{
    uint8_t key[ROW_MAX];
    bytes k, v, want = row_key(key, n, item);
    enum status st = kv_cursor_seek(&k, &v, s->hist_rows, want);
    if (st != OK) return st;
    if (bytes_eq(k, want)) {
        *value = v;
        return OK;
    }
    if (k.len < 8) return E_CORRUPT;
    *next = be64_get(k.ptr) > n ? be64_get(k.ptr) : n + 1;
    return E_NOT_FOUND;
}

/* row_after: what the first of the blocks in (after, until) that changed the item has of it.  ret OK | E_NOT_FOUND: none did
 * Where the sieve ends, the walk begins. */
static enum status row_after(bytes *value, struct state *s, bytes item, uint64_t until)
{
    struct sieved sieved;
    uint64_t n = s->number + 1, n_seeks = 0;
    enum status st = E_NOT_FOUND;
    if (until > s->rows_end) until = s->rows_end;
    if (n >= until) return E_NOT_FOUND;
    if (s->hist_rows == NULL) {
        st = kv_cursor_open(&s->hist_rows, s->txn, TABLE_CHANGES);
        if (st != OK) return st;
        st = E_NOT_FOUND;
    }
    uint64_t end = sieve_ask(&sieved, s, n, item);
    if (end > until) end = until;
    while (n < end && (n = sieve_next(&sieved, n, end)) < end && st == E_NOT_FOUND) {
        uint64_t next = n + 1;
        n_seeks++;
        st = row_at(value, &next, s, n, item);
        if (st == E_NOT_FOUND) n = next;
    }
    while (n < until && st == E_NOT_FOUND) {
        uint64_t next = until; /* there are no rows behind it */
        n_seeks++;
        st = row_at(value, &next, s, n, item);
        n = next;
    }
    if (s->sieve != NULL && n_seeks != 0) sieve_note_seeks(s, n_seeks);
    return st;
}

/* first_after: what the item was before the first block above s->number that changed it, and so after that one. An empty value is an absent item.
 * The index has the blocks of the older form and those of an archive, the rows all others. *in_latest: no block did, so the latest state has it. */
static enum status first_after(bytes *value, bool *in_latest, struct state *s, struct kv_cursor **cursor, unsigned index, bytes item)
{
    uint8_t key[HIST_SLOT_LEN], row[ROW_MAX];
    uint64_t until = s->indexed_from;
    bytes k, v, before;
    enum status st = OK;
    *in_latest = false;
    if (*cursor == NULL) st = kv_cursor_open(cursor, s->txn, index);
    if (st != OK) return st;
    memcpy(key, item.ptr, item.len);
    be64_put(key + item.len, s->number + 1);
    st = kv_cursor_seek(&k, &v, *cursor, bytes_make(key, item.len + 8));
    if (st != OK && st != E_NOT_FOUND) return st;
    const bool is_indexed = st == OK && k.len == item.len + 8 && memcmp(k.ptr, item.ptr, item.len) == 0;
    const uint64_t at = is_indexed ? be64_get(k.ptr + item.len) : UINT64_MAX;
    if (at < until) until = at;
    st = row_after(&before, s, item, until);
    if (st == E_NOT_FOUND && is_indexed) { /* the older form has the value here */
        before = v;
        st = v.len != 0 ? OK : kv_get(&before, s->txn, TABLE_CHANGES, row_key(row, at, item));
        if (st == E_NOT_FOUND) return st;
    }
    if (st == OK && before.len == 0) return E_NOT_FOUND;
    if (st == OK) *value = before;
    *in_latest = st == E_NOT_FOUND;
    return st;
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
    enum status st = first_after(rlp, &in_latest, s, &s->hist_account, TABLE_HIST_ACCOUNT, BYTES_OF(a->addr));
    return in_latest ? trie_get(rlp, s->txn, TABLE_TRIE_ACCOUNT, BYTES_EMPTY, account_key(a)) : st;
}

enum status history_slot(bytes *value, struct state *s, struct slot *sl)
{
    uint8_t k[SLOT_KEY_LEN];
    bool in_latest;
    enum status st = first_after(value, &in_latest, s, &s->hist_storage, TABLE_HIST_STORAGE, slot_key(k, &sl->account->addr, &sl->key));
    return in_latest ? slot_get(value, s->txn, account_key(sl->account), slot_trie_key(sl)) : st;
}

/* --- the rows of a block, account by account, each before its slots */

enum status history_note(struct kv_txn *txn, uint64_t number, bytes item, bytes before, bool is_indexed)
{
    uint8_t row[ROW_MAX], key[HIST_SLOT_LEN];
    const bool is_slot = item.len == SLOT_KEY_LEN;
    enum status st = kv_put(txn, TABLE_CHANGES, row_key(row, number, item), before);
    if (st != OK || !is_indexed) return st;
    memcpy(key, item.ptr, item.len);
    be64_put(key + item.len, number);
    return kv_put(txn, is_slot ? TABLE_HIST_STORAGE : TABLE_HIST_ACCOUNT, bytes_make(key, item.len + 8), BYTES_EMPTY);
}

void history_put_row(struct buf *out, bytes item, bytes before)
{
    const uint8_t len[2] = {(uint8_t)item.len, (uint8_t)before.len};
    buf_put(out, len, sizeof len);
    buf_put_bytes(out, item);
    buf_put_bytes(out, before);
}

struct row {
    bytes item, before;
};

static bool row_next(struct row *out, bytes *in)
{
    if (in->len < 2 || in->len < 2u + in->ptr[0] + in->ptr[1]) return false;
    out->item = bytes_make(in->ptr + 2, in->ptr[0]);
    out->before = bytes_make(in->ptr + 2 + in->ptr[0], in->ptr[1]);
    const size_t len = 2u + in->ptr[0] + in->ptr[1];
    *in = bytes_make(in->ptr + len, in->len - len);
    return true;
}

static enum status read_rows(struct buf *out, struct kv_txn *txn, uint64_t number)
{
    struct kv_cursor *c;
    uint8_t from[ROW_MAX];
    bytes k, v;
    enum status st = kv_cursor_open(&c, txn, TABLE_CHANGES);
    if (st != OK) return st;
    for (st = kv_cursor_seek(&k, &v, c, row_key(from, number, BYTES_EMPTY)); st == OK; st = kv_cursor_next(&k, &v, c)) {
        if (k.len < 8 || memcmp(k.ptr, from, 8) != 0) break;
        if ((k.len != 8 + sizeof(address) && k.len != 8 + SLOT_KEY_LEN) || v.len > ACCOUNT_RLP_MAX) {
            st = E_CORRUPT;
            break;
        }
        history_put_row(out, bytes_make(k.ptr + 8, k.len - 8), v);
    }
    kv_cursor_close(c);
    return st == OK || st == E_NOT_FOUND ? buf_status(out) : st;
}

/* take_rows: what a block changed goes from the history into out; *n is counted up */
static enum status take_rows(struct buf *out, size_t *n, struct kv_txn *txn, uint64_t number, bool has_index)
{
    enum status st = history_take_old(out, n, txn, number);
    if (st != E_NOT_FOUND) return st;
    st = read_rows(out, txn, number);
    bytes in = buf_view(out);
    struct row r;
    while (st == OK && row_next(&r, &in)) {
        uint8_t key[ROW_MAX];
        st = kv_delete(txn, TABLE_CHANGES, row_key(key, number, r.item));
        ++*n;
        if (st != OK || !has_index) continue;
        memcpy(key, r.item.ptr, r.item.len);
        be64_put(key + r.item.len, number);
        st = kv_delete(txn, r.item.len == SLOT_KEY_LEN ? TABLE_HIST_STORAGE : TABLE_HIST_ACCOUNT, bytes_make(key, r.item.len + 8));
    }
    return st;
}

/* --- unwind */

/* mark: whether the item exists, in its table; the value is the trie's affair */
static enum status mark(struct kv_txn *txn, const struct row *r)
{
    const unsigned table = r->item.len == SLOT_KEY_LEN ? TABLE_STORAGE : TABLE_ACCOUNT;
    return r->before.len == 0 ? kv_delete(txn, table, r->item) : kv_put(txn, table, r->item, BYTES_EMPTY);
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

/* the slots in front of *rows, which moves on to the next account */
static enum status unwind_slots(bytes *rows, struct kv_txn *txn, struct arena *a, const hash32 *old_root, const hash32 *account_key)
{
    struct row r;
    size_t n = 0;
    for (bytes in = *rows; row_next(&r, &in) && r.item.len == SLOT_KEY_LEN;) n++;
    if (n == 0) return OK;
    struct trie_update *up = arena_zalloc(a, n, sizeof *up);
    if (up == NULL) return E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        if (!row_next(&r, rows)) return E_CORRUPT;
        enum status st = mark(txn, &r);
        if (st != OK) return st;
        keccak256(up[i].key.b, r.item.ptr + sizeof(address), 32);
        if (r.before.len == 0) continue;
        uint8_t *rlp = arena_alloc(a, r.before.len + 9);
        if (rlp == NULL) return E_NOMEM;
        size_t head = r.before.len == 1 && r.before.ptr[0] < 0x80 ? 0 : rlp_encode_header(rlp, false, r.before.len);
        memcpy(rlp + head, r.before.ptr, r.before.len);
        up[i].value = bytes_make(rlp, head + r.before.len);
    }
    hash32 root;
    enum status st = apply(&root, txn, TABLE_TRIE_STORAGE, BYTES_OF(*account_key), up, n);
    if (st != OK) return st;
    return hash_eq(&root, old_root) ? OK : E_CORRUPT;
}

enum status state_unwind(struct kv_txn *txn, uint64_t number)
{
    struct buf rows;
    struct arena a;
    struct row r;
    uint64_t floor, from;
    bool has_index, is_on;
    size_t n = 0, n_accounts = 0;
    enum status st = history_floor(&floor, txn);
    if (st == OK && number <= floor) st = E_NOT_FOUND;
    if (st == OK) st = history_index(&has_index, &is_on, &from, txn);
    if (st != OK) return st;
    buf_init(&rows, SIZE_MAX / 2);
    arena_init(&a, SIZE_MAX);
    st = take_rows(&rows, &n, txn, number, has_index);
    struct trie_update *up = arena_zalloc(&a, n + 1, sizeof *up);
    if (st == OK && up == NULL) st = E_NOMEM;
    bytes in = buf_view(&rows);
    while (st == OK && row_next(&r, &in)) {
        struct state_account old = {.storage_root = HASH_EMPTY_TRIE};
        struct trie_update *u = &up[n_accounts++];
        if (r.item.len != sizeof(address)) st = E_CORRUPT;
        if (st == OK) st = mark(txn, &r);
        if (st == OK && r.before.len != 0) st = account_decode(&old, r.before);
        keccak256(u->key.b, r.item.ptr, r.item.len);
        u->value = r.before;
        if (st == OK) st = unwind_slots(&in, txn, &a, &old.storage_root, &u->key);
    }
    hash32 root;
    if (st == OK) st = apply(&root, txn, TABLE_TRIE_ACCOUNT, BYTES_EMPTY, up, n_accounts);
    buf_fini(&rows);
    arena_fini(&a);
    return st;
}

/* --- prune */

enum status state_prune(struct kv_txn *txn, uint64_t number)
{
    uint64_t floor, from, at;
    bool has_index, is_on, is_old;
    size_t n = 0;
    enum status st = history_floor(&floor, txn);
    if (st != OK || number <= floor) return st;
    st = history_index(&has_index, &is_on, &from, txn);
    while (st == OK && (st = first_or_last(&at, &is_old, txn, false)) == OK && at <= number) {
        struct buf rows;
        buf_init(&rows, SIZE_MAX / 2);
        st = take_rows(&rows, &n, txn, at, has_index);
        buf_fini(&rows);
        if (st == OK && n >= PRUNE_MAX) return history_set_floor(txn, at);
    }
    return st == OK || st == E_NOT_FOUND ? history_set_floor(txn, number) : st;
}

/* --- the archive's index */

enum status history_index(bool *exists, bool *is_on, uint64_t *from, struct kv_txn *txn)
{
    bytes v;
    enum status st = kv_get(&v, txn, TABLE_META, INDEX_KEY);
    if (st == OK && v.len != 9) return E_CORRUPT;
    *exists = st == OK;
    *is_on = st == OK && v.ptr[8] != 0;
    *from = *is_on ? be64_get(v.ptr) : UINT64_MAX;
    return st == E_NOT_FOUND ? OK : st;
}

enum status state_set_archive(struct kv_txn *txn, bool on, uint64_t head)
{
    bool exists, is_on, is_old = true;
    uint64_t from, newest;
    enum status st = history_index(&exists, &is_on, &from, txn);
    if (st != OK || on == is_on) return st;
    uint8_t v[9];
    /* the older form had an index always */
    st = first_or_last(&newest, &is_old, txn, true);
    if (st != OK && st != E_NOT_FOUND) return st;
    be64_put(v, is_old ? 0 : head + 1);
    v[8] = on;
    return kv_put(txn, TABLE_META, INDEX_KEY, BYTES_OF(v));
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
