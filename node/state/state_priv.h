/* state_priv.h: the objects behind a struct state.
 *
 * Accounts and slots are loaded on first use into arena memory and found through two hash tables; they never move, so that the journal
 * and the lists point at them. "Per transaction" marks are stamps: a mark counts when it equals s->tx.
 *
 * An account's storage is wiped in O(1) by giving it a fresh incarnation number: a slot's value counts only when its incarnation is the
 * account's, else it is zero. Incarnation 0 is what the database holds. */
#ifndef NODE_STATE_STATE_PRIV_H
#define NODE_STATE_STATE_PRIV_H

#include "lib/base/arena.h"
#include "node/state/state.h"
#include "node/state/trie.h"
#include "node/store/tables.h"

/* the fields that the journal saves and restores */
struct account_fields {
    u256 balance;
    uint64_t nonce;
    hash32 code_hash;
    bytes code; /* ptr NULL: not loaded */
    uint32_t incarnation;
    uint32_t touched_tx, destroyed_tx, created_tx;
    bool exists;
};

struct account {
    address addr;
    bool hashed; /* key is valid */
    bool base_exists;
    bool is_changed;      /* in s->changed */
    bool is_unrooted;     /* in s->unrooted */
    uint32_t warm_tx;
    uint32_t mark;        /* 1 + index of its newest entry in the journal, 0: none */
    uint32_t trie_incarnation;
    uint64_t seed;        /* hash of the address in the table */
    struct account_fields now;
    struct state_account base; /* in the database */
    hash32 storage_root;  /* at the last state_root, or base */
    hash32 key;           /* keccak(addr) */
    struct slot *slots;   /* all that are loaded */
    struct slot *unrooted_slots;
    struct trie *trie;    /* of the storage; NULL until it changes, or with a cache until it is read */
};

struct slot {
    struct account *account;
    struct slot *next, *next_unrooted;
    u256 key;
    u256 now, base, original, rooted, transient;
    uint64_t hash;
    uint32_t incarnation, original_incarnation;
    uint32_t original_tx, warm_tx, transient_tx;
    uint32_t mark;
    bool base_loaded, is_unrooted, hashed;
    hash32 trie_key; /* keccak(key), if hashed */
};

enum entry_kind { ENTRY_ACCOUNT, ENTRY_SLOT, ENTRY_WARM_ACCOUNT, ENTRY_WARM_SLOT, ENTRY_TRANSIENT, ENTRY_LOG };

struct entry {
    uint8_t kind;
    uint32_t mark; /* of the object, before */
    uint32_t word; /* incarnation, stamp or number of logs before */
    uint32_t tx;
    void *object;
    u256 value;
};

/* a growing array of pointers or entries */
struct list {
    void **item;
    size_t n, cap;
};

struct state {
    struct kv_txn *txn;
    uint64_t number; /* STATE_LATEST, or the block whose state is read */
    struct arena arena;
    bool borrow_views; /* a read transaction's views live long enough */

    struct account **accounts;
    size_t n_accounts, account_mask;
    struct slot **slots;
    size_t n_slots, slot_mask;
    uint64_t salt;
    struct account *last_account;
    struct slot *last_slot;

    struct entry *journal;
    size_t n_journal, cap_journal, snapshot_len;
    struct account_fields *saved; /* one for each ENTRY_ACCOUNT */
    size_t n_saved, cap_saved;

    uint32_t tx, incarnations;
    uint32_t ripemd_tx; /* the transaction in which 0x03 was touched for good */
    bool eip161, eip6780;
    uint64_t start_nonce;
    uint64_t warm_low; /* bit i: address i is always warm */
    struct list touched, destroyed, changed, unrooted;
    struct log_entry *logs;
    size_t n_logs, cap_logs;

    struct state_cache *cache; /* NULL: it has none, or another state has it */
    const struct trie_helpers *helpers; /* or NULL */
    struct trie *trie; /* of accounts; NULL until a root is asked for, unless there is a cache */
    struct kv_cursor *hist_account, *hist_storage, *hist_rows;
    uint64_t indexed_from; /* blocks from here on are in the index of an archive */
    uint64_t rows_end;     /* rows of blocks below it are looked at; 0: of none */
    struct state_sieve *sieve; /* or NULL */
    uint64_t sieve_age, sieved_end; /* as of that age, the rows of blocks below sieved_end are in the sieve */

    enum status (*block_hash)(void *ctx, uint64_t number, hash32 *out);
    void *block_hash_ctx;
    void (*precompile)(void *ctx, const address *a, int *id, int *pricing, uint64_t *pa, uint64_t *pb);
    void *precompile_ctx;
};

enum { ACCOUNT_RLP_MAX = 128, SLOT_KEY_LEN = 52, HIST_SLOT_LEN = 60, HIST_ACCOUNT_LEN = 28, ROW_MAX = 60 };

/** state_mix: two words into one, for salted tables */
static inline uint64_t state_mix(uint64_t a, uint64_t b)
{
    u128 p = (u128)(a ^ 0x9e3779b97f4a7c15u) * (b ^ 0xe7037ed1a0b428dbu);
    return (uint64_t)p ^ (uint64_t)(p >> 64);
}
/** state_table_new: n empty places */
void *state_table_new(size_t n);
/** state_load_account, state_load_slot: the object, from the table or the database; what a slot holds is not read yet (state_load_value). */
MUST_CHECK enum status state_load_account(struct account **out, struct state *s, const address *a);
MUST_CHECK enum status state_load_slot(struct slot **out, struct state *s, const address *a, const u256 *key);
/** account_key, slot_trie_key: their places in the tries, hashed once. */
const hash32 *account_key(struct account *a);
const hash32 *slot_trie_key(struct slot *sl);
/** state_load_base: read what the database has for the slot, if that has not been done. */
MUST_CHECK enum status state_load_base(struct state *s, struct slot *sl);
/** state_load_value: a slot whose slot_current can be asked for */
MUST_CHECK enum status state_load_value(struct slot **out, struct state *s, const address *a, const u256 *key);
/** state_load_code: a->now.code is valid after OK. */
MUST_CHECK enum status state_load_code(struct state *s, struct account *a);
/** slot_current: value of a slot whose base is loaded if it can count. */
static inline const u256 *slot_current(const struct slot *sl)
{
    static const u256 zero;
    return sl->incarnation == sl->account->now.incarnation ? &sl->now : &zero;
}

/** cache_take: s->trie and s->cache, if no other state has it. */
MUST_CHECK enum status cache_take(struct state *s, struct state_cache *c);
/** cache_open_storage: a->trie, from the cache if there is one that has it. blank: as for trie_open */
MUST_CHECK enum status cache_open_storage(struct state *s, struct account *a, bool blank);
/** cache_give_back: when the state ends. */
void cache_give_back(struct state *s);

/** account_encode: RLP as the table and the trie have it; ret the bytes in dst */
bytes account_encode(uint8_t dst[static ACCOUNT_RLP_MAX], const struct state_account *a);
MUST_CHECK enum status account_decode(struct state_account *out, bytes rlp);

/** struct sieved: the blocks that may have changed an item, by number modulo SIEVE_BLOCKS */
enum { SIEVE_BLOCKS = 512 };
struct sieved {
    uint64_t bits[SIEVE_BLOCKS / 64];
};
/** sieve_ask: ret the end of the blocks from `from` on that the sieve knows for the chain of s; `from`, with out untouched: it knows of none. */
uint64_t sieve_ask(struct sieved *out, struct state *s, uint64_t from, bytes item);
/** sieve_next: ret the first of [from, end) that may have changed it, or end */
uint64_t sieve_next(const struct sieved *v, uint64_t from, uint64_t end);
/** sieve_note_seeks: n more seeks were needed; after many the sieve takes in what it has not yet of the blocks that s looks at. s has its sieve and
 *  its cursor of rows, which moves. */
void sieve_note_seeks(struct state *s, uint64_t n);

/** history_account, history_slot: what the database held after block s->number. E_NOT_FOUND: absent, or zero. */
MUST_CHECK enum status history_account(bytes *rlp, struct state *s, struct account *a);
MUST_CHECK enum status history_slot(bytes *value, struct state *s, struct slot *sl);
/** slot_get: what the latest storage trie has: big-endian without leading zeros.  ret OK | E_NOT_FOUND: zero | ... */
MUST_CHECK enum status slot_get(bytes *value, struct kv_txn *txn, const hash32 *account, const hash32 *key);
/** history_note: what an account or a slot (item: as in the keys of their tables) was before block `number`. is_indexed: in an archive */
MUST_CHECK enum status history_note(struct kv_txn *txn, uint64_t number, bytes item, bytes before, bool is_indexed);
/** history_put_row: append one to rows; history_take_old: those of a block in the older form (history_old.c).  ret OK | E_NOT_FOUND: it has not */
void history_put_row(struct buf *out, bytes item, bytes before);
MUST_CHECK enum status history_take_old(struct buf *out, size_t *n, struct kv_txn *txn, uint64_t number);
/** history_index: blocks from *from on are in the index; *is_on: those to come will be. *exists: there is or was one */
MUST_CHECK enum status history_index(bool *exists, bool *is_on, uint64_t *from, struct kv_txn *txn);
/** history_open: for a state after block s->number.  ret OK | E_NOT_FOUND: pruned, or too many blocks back */
MUST_CHECK enum status history_open(struct state *s);
/** history_floor: the oldest block whose state can be read. */
MUST_CHECK enum status history_floor(uint64_t *out, struct kv_txn *txn);
MUST_CHECK enum status history_set_floor(struct kv_txn *txn, uint64_t number);

static inline bytes slot_key(uint8_t dst[static SLOT_KEY_LEN], const address *a, const u256 *key)
{
    memcpy(dst, a->b, 20);
    u256_to_be(dst + 20, key);
    return bytes_make(dst, SLOT_KEY_LEN);
}
static inline bytes row_key(uint8_t dst[static ROW_MAX], uint64_t number, bytes item)
{
    be64_put(dst, number);
    if (item.len != 0) memcpy(dst + 8, item.ptr, item.len);
    return bytes_make(dst, 8 + item.len);
}
/** trimmed_be: a word without its leading zeros */
static inline bytes trimmed_be(uint8_t dst[static 32], const u256 *v)
{
    u256_to_be(dst, v);
    size_t n = u256_byte_len(v);
    return bytes_make(dst + 32 - n, n);
}

#endif
