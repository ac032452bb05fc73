/* state.h: accounts on top of a database snapshot: a journal of changes with snapshots and reverts, the root, the commit.
 *
 * A `struct state` is opened on a read view (the latest state, or the state after an older block by way of the history tables), is
 * changed by execution, gives its root, and is written into a write transaction, together with what undoes it. A state that is thrown
 * away has changed nothing: calls, gas estimates and proposals all run on one. Not thread-safe; many may live side by side.
 *
 * It is the EVM's host: state_host() with ctx = struct state *. */
#ifndef NODE_STATE_STATE_H
#define NODE_STATE_STATE_H

#include "lib/eth/receipt.h"
#include "lib/eth/types.h"
#include "node/evm/evm.h"
#include "node/store/kv.h"

#define STATE_LATEST UINT64_MAX

struct state;

struct state_account {
    uint64_t nonce;
    u256 balance;
    hash32 storage_root; /* as last committed; not kept up to date while executing */
    hash32 code_hash;
};

/** state_open: on txn (borrowed, read or write; must outlive the state), as it was after block `number` (STATE_LATEST: as it stands).
 *  ret OK | E_NOT_FOUND: history that far back is pruned, or more than some hundreds of blocks back and this is no archive */
MUST_CHECK enum status state_open(struct state **out, struct kv_txn *txn, uint64_t number);
void state_free(struct state *s);

/* --- a cache between blocks: nodes of the tries that were read or written lately. It belongs to one store and one thread. What stands in it is
 * known by its root: whatever happened to the database since (a commit that failed, blocks that were taken back), nothing stale is read. */
struct state_cache;
/** state_cache_new: max_bytes: what it holds between two states; while one lives, what that state touches comes on top. */
MUST_CHECK enum status state_cache_new(struct state_cache **out, size_t max_bytes);
void state_cache_free(struct state_cache *c); /* no state may have it; NULL allowed */
size_t state_cache_bytes(const struct state_cache *c);
/** state_open_cached: the latest state, with a cache (may be NULL), which has to outlive it. Of several states at once the first has the cache. */
MUST_CHECK enum status state_open_cached(struct state **out, struct kv_txn *txn, struct state_cache *cache);

/* --- a sieve for reads at older blocks: it tells in no time which of the latest blocks may have changed what is asked for, where a walk looks into each.
 * It belongs to one store, whose TABLE_CANON names the blocks, and to any threads; no bit of an answer comes from it. 4 MiB once it is used. */
struct state_sieve;
enum { STATE_SIEVE_PATIENCE = 1024 }; /* as much work as to take in a block or two */
/** state_sieve_new: patience: seeks that reads need before it takes in the blocks that were missing */
MUST_CHECK enum status state_sieve_new(struct state_sieve **out, uint64_t patience);
void state_sieve_free(struct state_sieve *v); /* no state may have it; NULL allowed */
/** state_sieve_seeks: that reads with it needed so far */
uint64_t state_sieve_seeks(struct state_sieve *v);
/** state_open_sieved: as state_open; the sieve (may be NULL) has to outlive the state. */
MUST_CHECK enum status state_open_sieved(struct state **out, struct kv_txn *txn, uint64_t number, struct state_sieve *sieve);

/** state_set_helpers: threads that help to hash its tries (node/state/trie.h); borrowed. */
struct trie_helpers;
void state_set_helpers(struct state *s, const struct trie_helpers *helpers);

/* --- direct access, outside the EVM; all journaled. Reading an absent account gives zeros. */
MUST_CHECK enum status state_get_account(struct state *s, const address *a, struct state_account *out, bool *exists);
MUST_CHECK enum status state_get_balance(struct state *s, const address *a, u256 *out);
MUST_CHECK enum status state_get_nonce(struct state *s, const address *a, uint64_t *out);
MUST_CHECK enum status state_get_code(struct state *s, const address *a, bytes *code); /* valid while s lives */
MUST_CHECK enum status state_get_code_hash(struct state *s, const address *a, hash32 *out); /* zero if absent */
MUST_CHECK enum status state_get_storage(struct state *s, const address *a, const u256 *key, u256 *out);
MUST_CHECK enum status state_set_nonce(struct state *s, const address *a, uint64_t nonce);
/** state_add_balance: creates the account if absent (even for 0: Parity's "require"); touches it for EIP-161. */
MUST_CHECK enum status state_add_balance(struct state *s, const address *a, const u256 *v);
/** state_sub_balance: E_INVALID if it has less. */
MUST_CHECK enum status state_sub_balance(struct state *s, const address *a, const u256 *v);
MUST_CHECK enum status state_set_code(struct state *s, const address *a, bytes code);
MUST_CHECK enum status state_set_storage(struct state *s, const address *a, const u256 *key, const u256 *v);
/** state_require: create the account, empty, if it does not exist (aura.md B6 "zero account", B5 system call side effect). */
MUST_CHECK enum status state_require(struct state *s, const address *a);

/* --- transactions */
/** state_begin_tx: forget warm sets, transient storage, logs, created and destroyed marks, original values. rules decide the details
 *  (EIP-161 touching, EIP-6780). */
void state_begin_tx(struct state *s, const struct rules *rules);
/** state_end_tx: delete destroyed accounts and, with EIP-161, touched empty ones. keep: an account never removed as empty (or NULL). */
MUST_CHECK enum status state_end_tx(struct state *s, const address *keep);
/** state_logs: of the transaction so far; entries valid until state_begin_tx. */
const struct log_entry *state_logs(const struct state *s, size_t *n);
int state_snapshot(struct state *s);
void state_revert(struct state *s, int snapshot);
MUST_CHECK enum status state_warm_address(struct state *s, const address *a);
/** state_set_warm_low: bit i: the address whose number is i (1..63) counts as warm from the start of every transaction (precompiles). */
void state_set_warm_low(struct state *s, uint64_t mask);
MUST_CHECK enum status state_warm_slot(struct state *s, const address *a, const u256 *key);

/** state_host: the EVM's view; ctx is the struct state. get_block_hash and precompile go through these two, set by the block executor. */
const struct evm_host *state_host(void);
/** state_host_by_spec: the same, with precompiles by state_set_precompile_fn instead of by rules. */
const struct evm_host *state_host_by_spec(void);
void state_set_block_hash_fn(struct state *s, enum status (*fn)(void *ctx, uint64_t number, hash32 *out), void *ctx);
void state_set_precompile_fn(struct state *s, void (*fn)(void *ctx, const address *a, int *id, int *pricing, uint64_t *pa, uint64_t *pb), void *ctx);

/* --- roots and commits */
/** state_root: root of the state as it stands. cost: O(what changed since the last state_root or open), nodes read once. */
MUST_CHECK enum status state_root(struct state *s, hash32 *root);
/** state_commit: write accounts, storage, code, trie nodes, history and the change list of block `number` into txn (a write transaction; may
 *  be the one the state was opened on). keep_history: whether undo data is written (false for genesis).  The state is done with afterwards. */
MUST_CHECK enum status state_commit(struct state *s, struct kv_txn *txn, uint64_t number, bool keep_history);
/** state_set_archive: from the block after `head` (the latest) on, does state_commit keep an index for reads however far back? Else such reads are
 *  for some hundreds of blocks only. Written down in txn; to be called before the first commit of a run. */
MUST_CHECK enum status state_set_archive(struct kv_txn *txn, bool on, uint64_t head);
/** state_unwind: take the latest state in txn from after block `number` back to before it, by its change list.  ret OK | E_NOT_FOUND */
MUST_CHECK enum status state_unwind(struct kv_txn *txn, uint64_t number);
/** state_prune: drop history of blocks <= number; of very much only a part at a time: the next call goes on. */
MUST_CHECK enum status state_prune(struct kv_txn *txn, uint64_t number);

/* --- proofs (EIP-1186), of the latest state only */
MUST_CHECK enum status state_prove_account(struct buf *out, size_t *n_nodes, struct kv_txn *txn, const address *a);
MUST_CHECK enum status state_prove_slot(struct buf *out, size_t *n_nodes, struct kv_txn *txn, const address *a, const u256 *key);

/** state_override: set balance/nonce/code/storage without journaling semantics, for eth_call overrides: plain setters above suffice. */

/** state_dump: call fn for every account of the latest state in address order (poa-evm, tests). */
MUST_CHECK enum status state_dump(struct kv_txn *txn, enum status (*fn)(void *ctx, const address *a, const struct state_account *acc), void *ctx);
/** state_dump_storage: call fn for every slot of an account in the latest state that is not zero, in the order of their keys. */
MUST_CHECK enum status state_dump_storage(struct kv_txn *txn, const address *a, enum status (*fn)(void *ctx, const u256 *key, const u256 *value), void *ctx);

#endif
