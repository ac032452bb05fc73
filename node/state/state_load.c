/* The two hash tables of a state, and what the database has of an account or a slot. The tables are salted, so that nobody can choose addresses
 * or slots that collide. */
#include "node/state/state_priv.h"

#include "lib/codec/rlp.h"
#include "lib/crypto/keccak.h"
#include "node/state/trie_priv.h"

void *state_table_new(size_t n)
{
    void *p = calloc(n, sizeof(void *));
    if (p == NULL) BUG("out of memory");
    return p;
}

static uint64_t address_hash(const struct state *s, const address *a)
{
    return state_mix(state_mix(le64_get(a->b) ^ s->salt, le64_get(a->b + 8)), le64_get(a->b + 12) ^ s->salt);
}

static uint64_t slot_hash(const struct account *a, const u256 *key)
{
    return state_mix(state_mix(key->w[0] ^ a->seed, key->w[1]), state_mix(key->w[2] ^ a->seed, key->w[3]));
}

static void grow_accounts(struct state *s)
{
    size_t mask = s->account_mask * 2 + 1;
    struct account **t = state_table_new(mask + 1);
    for (size_t i = 0; i <= s->account_mask; i++) {
        if (s->accounts[i] == NULL) continue;
        size_t at = s->accounts[i]->seed & mask;
        while (t[at] != NULL) at = (at + 1) & mask;
        t[at] = s->accounts[i];
    }
    free(s->accounts);
    s->accounts = t;
    s->account_mask = mask;
}

static void grow_slots(struct state *s)
{
    size_t mask = s->slot_mask * 2 + 1;
    struct slot **t = state_table_new(mask + 1);
    for (size_t i = 0; i <= s->slot_mask; i++) {
        if (s->slots[i] == NULL) continue;
        size_t at = s->slots[i]->hash & mask;
        while (t[at] != NULL) at = (at + 1) & mask;
        t[at] = s->slots[i];
    }
    free(s->slots);
    s->slots = t;
    s->slot_mask = mask;
}

bytes account_encode(uint8_t dst[static ACCOUNT_RLP_MAX], const struct state_account *a)
{
    uint8_t word[32], payload[ACCOUNT_RLP_MAX];
    bytes balance = trimmed_be(word, &a->balance);
    size_t n = rlp_encode_u64(payload, a->nonce);
    if (!(balance.len == 1 && balance.ptr[0] < 0x80)) n += rlp_encode_header(payload + n, false, balance.len);
    memcpy(payload + n, balance.ptr, balance.len);
    n += balance.len;
    payload[n++] = 0xa0;
    memcpy(payload + n, a->storage_root.b, 32);
    n += 32;
    payload[n++] = 0xa0;
    memcpy(payload + n, a->code_hash.b, 32);
    n += 32;
    size_t head = rlp_encode_header(dst, true, n);
    memcpy(dst + head, payload, n);
    return bytes_make(dst, head + n);
}

enum status account_decode(struct state_account *out, bytes rlp)
{
    bytes list;
    uint8_t balance[32];
    struct state_account a;
    if (rlp_get_list(&list, &rlp) != OK || rlp.len != 0 || rlp_get_u64(&a.nonce, &list) != OK ||
        rlp_get_uint(balance, 32, &list) != OK || rlp_get_fixed(a.storage_root.b, 32, &list) != OK ||
        rlp_get_fixed(a.code_hash.b, 32, &list) != OK || list.len != 0)
        return E_CORRUPT;
    a.balance = u256_from_be(balance);
    *out = a;
    return OK;
}

const hash32 *account_key(struct account *a)
{
    if (!a->hashed) keccak256(a->key.b, a->addr.b, 20);
    a->hashed = true;
    return &a->key;
}

const hash32 *slot_trie_key(struct slot *sl)
{
    if (!sl->hashed) {
        u256_to_be(sl->trie_key.b, &sl->key);
        keccak256(sl->trie_key.b, sl->trie_key.b, 32);
    }
    sl->hashed = true;
    return &sl->trie_key;
}

static enum status read_account(struct account *a, struct state *s)
{
    bytes rlp;
    enum status st;
    if (s->number != STATE_LATEST)
        st = history_account(&rlp, s, a);
    else if (s->cache != NULL)
        st = trie_find(&rlp, s->trie, account_key(a));
    else
        st = trie_get(&rlp, s->txn, TABLE_TRIE_ACCOUNT, BYTES_EMPTY, account_key(a));
    a->base = (struct state_account){.storage_root = HASH_EMPTY_TRIE, .code_hash = HASH_EMPTY_CODE};
    a->base_exists = st == OK;
    if (st == E_NOT_FOUND) return OK;
    return st == OK ? account_decode(&a->base, rlp) : st;
}

enum status state_load_account(struct account **out, struct state *s, const address *addr)
{
    if (s->last_account != NULL && address_eq(&s->last_account->addr, addr)) {
        *out = s->last_account;
        return OK;
    }
    const uint64_t hash = address_hash(s, addr);
    size_t at = hash & s->account_mask;
    for (; s->accounts[at] != NULL; at = (at + 1) & s->account_mask) {
        if (s->accounts[at]->seed == hash && address_eq(&s->accounts[at]->addr, addr)) {
            *out = s->last_account = s->accounts[at];
            return OK;
        }
    }
    struct account *a = arena_zalloc(&s->arena, 1, sizeof *a);
    if (a == NULL) return E_NOMEM;
    a->addr = *addr;
    enum status st = read_account(a, s);
    if (st != OK) return st;
    a->seed = hash;
    a->storage_root = a->base.storage_root;
    a->now.exists = a->base_exists;
    a->now.nonce = a->base.nonce;
    a->now.balance = a->base.balance;
    a->now.code_hash = a->base.code_hash;
    s->accounts[at] = a;
    if (++s->n_accounts * 2 > s->account_mask) grow_accounts(s);
    *out = s->last_account = a;
    return OK;
}

static enum status slot_of(struct slot **out, struct state *s, struct account *a, const u256 *key)
{
    if (s->last_slot != NULL && s->last_slot->account == a && u256_eq(&s->last_slot->key, key)) {
        *out = s->last_slot;
        return OK;
    }
    const uint64_t hash = slot_hash(a, key);
    size_t at = hash & s->slot_mask;
    for (; s->slots[at] != NULL; at = (at + 1) & s->slot_mask) {
        struct slot *sl = s->slots[at];
        if (sl->hash == hash && sl->account == a && u256_eq(&sl->key, key)) {
            *out = s->last_slot = sl;
            return OK;
        }
    }
    struct slot *sl = arena_zalloc(&s->arena, 1, sizeof *sl);
    if (sl == NULL) return E_NOMEM;
    sl->account = a;
    sl->key = *key;
    sl->hash = hash;
    sl->next = a->slots;
    a->slots = sl;
    s->slots[at] = sl;
    if (++s->n_slots * 2 > s->slot_mask) grow_slots(s);
    *out = s->last_slot = sl;
    return OK;
}

/* read_slot: from the latest state */
static enum status read_slot(bytes *value, struct state *s, struct slot *sl)
{
    struct account *a = sl->account;
    bytes rlp;
    /* a->trie of a later incarnation knows nothing of what the database holds */
    if (s->cache == NULL || a->trie_incarnation != 0) return slot_get(value, s->txn, account_key(a), slot_trie_key(sl));
    enum status st = a->trie != NULL ? OK : cache_open_storage(s, a, false);
    if (st == OK) st = trie_find(&rlp, a->trie, slot_trie_key(sl));
    if (st != OK) return st;
    return rlp_get_string(value, &rlp) == OK && rlp.len == 0 ? OK : E_CORRUPT;
}

enum status state_load_base(struct state *s, struct slot *sl)
{
    if (sl->base_loaded) return OK;
    struct account *a = sl->account;
    if (!hash_eq(&a->base.storage_root, &HASH_EMPTY_TRIE)) {
        bytes v;
        enum status st = s->number == STATE_LATEST ? read_slot(&v, s, sl) : history_slot(&v, s, sl);
        if (st == OK && u256_get_be(&sl->base, v) != OK) return E_CORRUPT;
        if (st != OK && st != E_NOT_FOUND) return st;
    }
    sl->base_loaded = true;
    if (sl->incarnation == 0) {
        sl->now = sl->base;
        if (a->trie_incarnation == 0) sl->rooted = sl->base;
    }
    return OK;
}

enum status state_load_slot(struct slot **out, struct state *s, const address *addr, const u256 *key)
{
    struct account *a;
    enum status st = state_load_account(&a, s, addr);
    return st == OK ? slot_of(out, s, a, key) : st;
}

enum status state_load_value(struct slot **out, struct state *s, const address *addr, const u256 *key)
{
    enum status st = state_load_slot(out, s, addr, key);
    return st == OK && (*out)->account->now.incarnation == 0 ? state_load_base(s, *out) : st;
}

enum status state_load_code(struct state *s, struct account *a)
{
    if (a->now.code.ptr != NULL) return OK;
    bytes code = BYTES_LIT("");
    if (!hash_eq(&a->now.code_hash, &HASH_EMPTY_CODE)) {
        enum status st = kv_get(&code, s->txn, TABLE_CODE, BYTES_OF(a->now.code_hash));
        if (st != OK) return st == E_NOT_FOUND ? E_CORRUPT : st;
        if (!s->borrow_views) {
            code = arena_copy(&s->arena, code);
            if (code.ptr == NULL) return E_NOMEM;
        }
    }
    a->now.code = code;
    return OK;
}
