/* The root of a state and its way into the database. */
#include "node/state/state_priv.h"

#include "lib/codec/rlp.h"
#include "lib/crypto/keccak.h"

/* a growing array of trie updates whose values stand in one buffer */
struct updates {
    struct trie_update *item;
    size_t n, cap;
    struct buf values; /* reserved beforehand: views into it stay put */
};

static enum status updates_init(struct updates *u, size_t n, size_t value_max)
{
    *u = (struct updates){.cap = n};
    buf_init(&u->values, SIZE_MAX / 2);
    u->item = calloc(n + 1, sizeof *u->item);
    if (u->item == NULL || n > SIZE_MAX / 4 / value_max || buf_reserve(&u->values, n * value_max + 1) == NULL) return E_NOMEM;
    return OK;
}

static void updates_fini(struct updates *u)
{
    free(u->item);
    buf_fini(&u->values);
}

static void updates_add(struct updates *u, const hash32 *key, bytes value)
{
    struct trie_update *up = &u->item[u->n++];
    up->key = *key;
    up->value = bytes_make(u->values.ptr + u->values.len, value.len);
    buf_put_bytes(&u->values, value);
}

static void add_slot(struct updates *u, struct slot *sl, const u256 *v)
{
    uint8_t be[32], rlp[33];
    const hash32 *key = slot_trie_key(sl);
    bytes value = trimmed_be(be, v);
    if (value.len == 0) {
        updates_add(u, key, BYTES_EMPTY);
        return;
    }
    size_t head = value.len == 1 && value.ptr[0] < 0x80 ? 0 : rlp_encode_header(rlp, false, value.len);
    memcpy(rlp + head, value.ptr, value.len);
    updates_add(u, key, bytes_make(rlp, head + value.len));
}

/* root_storage: bring a->storage_root up to date */
static enum status root_storage(struct state *s, struct account *a)
{
    const uint32_t incarnation = a->now.incarnation;
    const bool anew = a->trie_incarnation != incarnation; /* wiped since, or a wipe was reverted */
    struct updates u;
    size_t n = 0;
    for (struct slot *sl = a->slots; anew && sl != NULL; sl = sl->next) n++;
    for (struct slot *sl = a->unrooted_slots; !anew && sl != NULL; sl = sl->next_unrooted) n++;
    enum status st = n == 0 ? OK : updates_init(&u, n, 33);
    if (st != OK) goto out;
    if (anew) {
        a->trie = NULL;
        a->trie_incarnation = incarnation;
        a->storage_root = incarnation == 0 ? a->base.storage_root : HASH_EMPTY_TRIE;
        for (struct slot *sl = a->slots; sl != NULL; sl = sl->next) {
            const u256 *v = slot_current(sl);
            if (incarnation == 0 && !sl->base_loaded) continue;
            if (!u256_eq(v, incarnation == 0 ? &sl->base : &U256_ZERO)) add_slot(&u, sl, v);
            sl->rooted = *v;
        }
    } else {
        for (struct slot *sl = a->unrooted_slots; sl != NULL; sl = sl->next_unrooted) {
            const u256 *v = slot_current(sl);
            if ((incarnation == 0 && !sl->base_loaded) || u256_eq(v, &sl->rooted)) continue;
            add_slot(&u, sl, v);
            sl->rooted = *v;
        }
    }
    if (n != 0 && u.n != 0) {
        st = buf_status(&u.values);
        if (st == OK && a->trie == NULL) st = cache_open_storage(s, a, incarnation != 0);
        if (st == OK) st = trie_change(a->trie, u.item, u.n);
        if (st == OK) st = trie_get_root(&a->storage_root, a->trie, s->helpers);
    }
    for (struct slot *sl = a->unrooted_slots; sl != NULL; sl = sl->next_unrooted) sl->is_unrooted = false;
    a->unrooted_slots = NULL;
out:
    if (n != 0) updates_fini(&u);
    return st;
}

static struct state_account latest(const struct account *a)
{
    return (struct state_account){
        .nonce = a->now.nonce, .balance = a->now.balance, .storage_root = a->storage_root, .code_hash = a->now.code_hash};
}

enum status state_root(struct state *s, hash32 *root)
{
    if (s->number != STATE_LATEST) return E_UNSUPPORTED; /* the trie's table holds the latest trie only */
    struct updates u;
    enum status st = updates_init(&u, s->unrooted.n, ACCOUNT_RLP_MAX);
    if (st == OK && s->trie == NULL) st = trie_open(&s->trie, &s->arena, s->txn, TABLE_TRIE_ACCOUNT, BYTES_EMPTY, false);
    for (size_t i = 0; i < s->unrooted.n && st == OK; i++) {
        struct account *a = s->unrooted.item[i];
        uint8_t rlp[ACCOUNT_RLP_MAX];
        st = root_storage(s, a);
        if (st != OK) break;
        const struct state_account acc = latest(a);
        updates_add(&u, account_key(a), a->now.exists ? account_encode(rlp, &acc) : BYTES_EMPTY);
    }
    if (st == OK) st = buf_status(&u.values);
    if (st == OK) st = trie_change(s->trie, u.item, u.n);
    if (st == OK) st = trie_get_root(root, s->trie, s->helpers);
    if (st == OK) {
        for (size_t i = 0; i < s->unrooted.n; i++) ((struct account *)s->unrooted.item[i])->is_unrooted = false;
        s->unrooted.n = 0;
    }
    updates_fini(&u);
    return st;
}

/* --- commit */

struct commit {
    struct state *s;
    struct kv_txn *txn;
    uint64_t number;
    bool history, is_indexed;
};

static enum status delete_prefix(struct kv_txn *txn, unsigned table, bytes prefix)
{
    for (;;) {
        struct kv_cursor *c;
        uint8_t key[128];
        bytes k, v;
        enum status st = kv_cursor_open(&c, txn, table);
        if (st != OK) return st;
        st = kv_cursor_seek(&k, &v, c, prefix);
        const bool mine = st == OK && k.len <= sizeof key && k.len >= prefix.len && memcmp(k.ptr, prefix.ptr, prefix.len) == 0;
        if (mine) memcpy(key, k.ptr, k.len);
        kv_cursor_close(c);
        if (st != OK && st != E_NOT_FOUND) return st;
        if (!mine) return OK;
        st = kv_delete(txn, table, bytes_make(key, k.len));
        if (st != OK) return st;
    }
}

/* change_slot: history, and whether there is one (the new value itself goes into the trie) */
static enum status change_slot(struct commit *c, bytes key, bytes before, bool is_zero)
{
    enum status st = OK;
    if (c->history) st = history_note(c->txn, c->number, key, before, c->is_indexed);
    if (st != OK) return st;
    if (is_zero) return kv_delete(c->txn, TABLE_STORAGE, key);
    return before.len == 0 ? kv_put(c->txn, TABLE_STORAGE, key, BYTES_EMPTY) : OK;
}

/* wipe_storage: every slot that the database has of the account goes */
static enum status wipe_storage(struct commit *c, struct account *a)
{
    enum status st = OK;
    for (struct slot *sl = a->slots; sl != NULL && st == OK; sl = sl->next) st = state_load_base(c->s, sl);
    while (st == OK) {
        struct kv_cursor *cur;
        uint8_t key[SLOT_KEY_LEN], value[32];
        hash32 trie_key;
        bytes k, v;
        st = kv_cursor_open(&cur, c->txn, TABLE_STORAGE);
        if (st != OK) return st;
        st = kv_cursor_seek(&k, &v, cur, BYTES_OF(a->addr));
        const bool mine = st == OK && k.len == SLOT_KEY_LEN && memcmp(k.ptr, a->addr.b, 20) == 0;
        if (mine) memcpy(key, k.ptr, SLOT_KEY_LEN);
        kv_cursor_close(cur);
        if (st == E_NOT_FOUND || (st == OK && !mine)) break;
        if (st != OK) return st;
        keccak256(trie_key.b, key + 20, 32);
        st = slot_get(&v, c->txn, account_key(a), &trie_key);
        if (st != OK || v.len > sizeof value) return st == OK || st == E_NOT_FOUND ? E_CORRUPT : st;
        memcpy(value, v.ptr, v.len);
        st = change_slot(c, BYTES_OF(key), bytes_make(value, v.len), true);
    }
    if (st != OK && st != E_NOT_FOUND) return st;
    return delete_prefix(c->txn, TABLE_TRIE_STORAGE, BYTES_OF(*account_key(a)));
}

static enum status commit_slots(struct commit *c, struct account *a)
{
    const bool wiped = a->now.incarnation != 0 && !hash_eq(&a->base.storage_root, &HASH_EMPTY_TRIE);
    enum status st = wiped ? wipe_storage(c, a) : OK;
    for (struct slot *sl = a->slots; sl != NULL && st == OK; sl = sl->next) {
        const u256 *v = slot_current(sl);
        uint8_t key[SLOT_KEY_LEN], be[32];
        bytes k = slot_key(key, &a->addr, &sl->key);
        if (a->now.incarnation == 0) {
            if (sl->base_loaded && !u256_eq(v, &sl->base)) st = change_slot(c, k, trimmed_be(be, &sl->base), u256_is_zero(v));
        } else if (!u256_is_zero(v)) {
            if (!wiped || u256_is_zero(&sl->base))
                st = change_slot(c, k, BYTES_EMPTY, false);
            else /* its old value went into the history with the wipe */
                st = kv_put(c->txn, TABLE_STORAGE, k, BYTES_EMPTY);
        }
    }
    if (st == OK && a->trie != NULL) st = trie_store(c->txn, a->trie);
    return st;
}

static enum status commit_account(struct commit *c, struct account *a)
{
    uint8_t rlp[ACCOUNT_RLP_MAX], old[ACCOUNT_RLP_MAX];
    const struct state_account acc = latest(a);
    bytes now = a->now.exists ? account_encode(rlp, &acc) : BYTES_EMPTY;
    bytes before = a->base_exists ? account_encode(old, &a->base) : BYTES_EMPTY;
    if (bytes_eq(now, before)) return OK; /* the storage root is part of it: no slot differs either */
    enum status st = c->history ? history_note(c->txn, c->number, BYTES_OF(a->addr), before, c->is_indexed) : OK;
    if (st == OK) st = commit_slots(c, a);
    if (st != OK) return st;
    if (!a->now.exists) return kv_delete(c->txn, TABLE_ACCOUNT, BYTES_OF(a->addr));
    if (!a->base_exists) st = kv_put(c->txn, TABLE_ACCOUNT, BYTES_OF(a->addr), BYTES_EMPTY);
    if (st != OK || hash_eq(&acc.code_hash, &a->base.code_hash) || hash_eq(&acc.code_hash, &HASH_EMPTY_CODE)) return st;
    if (a->now.code.ptr == NULL) return OK; /* as it was loaded: the table has it */
    return kv_put(c->txn, TABLE_CODE, BYTES_OF(acc.code_hash), a->now.code);
}

static int by_address(const void *a, const void *b)
{
    return memcmp(&(*(struct account *const *)a)->addr, &(*(struct account *const *)b)->addr, 20);
}

enum status state_commit(struct state *s, struct kv_txn *txn, uint64_t number, bool keep_history)
{
    hash32 root;
    bool exists;
    uint64_t from;
    struct commit c = {.s = s, .txn = txn, .number = number, .history = keep_history};
    enum status st = state_root(s, &root);
    if (st == OK) st = history_index(&exists, &c.is_indexed, &from, txn);
    if (st != OK) return st;
    if (s->changed.n != 0) qsort(s->changed.item, s->changed.n, sizeof *s->changed.item, by_address);
    for (size_t i = 0; i < s->changed.n && st == OK; i++) st = commit_account(&c, s->changed.item[i]);
    if (st == OK) st = trie_store(txn, s->trie);
    return st == OK && !keep_history ? history_set_floor(txn, number) : st;
}
