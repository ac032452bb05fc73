/* chain.h: the chain of one network: genesis, import, fork choice, finality, proposals. One importer thread calls the functions that
 * change it (open, import, propose, close); any thread reads the database on its own transactions (chain_kv, blocks.h) and the
 * head by chain_get_head.
 *
 * A commit is one database transaction: block, state, receipts, indices and head move together; kill -9 at any instant leaves the
 * state before or after a block, or a group of blocks that can be had again (chain_import_group). Time is an argument everywhere. */
#ifndef NODE_CHAIN_CHAIN_H
#define NODE_CHAIN_CHAIN_H

#include "lib/eth/promise.h"
#include "node/chain/blocks.h"
#include "node/chain/execute.h"
#include "node/store/kv.h"

struct chain;

/* X(id, text): why a block is refused for good */
#define BLOCK_VERDICTS(X)                                                                          \
    X(BLOCK_VALID, "valid")                                                                        \
    X(BLOCK_MALFORMED, "malformed RLP")                                                            \
    X(BLOCK_BAD_SEAL_FORM, "wrong seal fields")                                                    \
    X(BLOCK_GAS_USED_OVER_LIMIT, "gas used exceeds gas limit")                                     \
    X(BLOCK_GAS_LIMIT, "gas limit out of bounds")                                                  \
    X(BLOCK_EXTRA_TOO_LONG, "extra data too long")                                                 \
    X(BLOCK_TIMESTAMP, "timestamp not after the parent's")                                         \
    X(BLOCK_FUTURE, "timestamp or step too far in the future")                                     \
    X(BLOCK_NUMBER, "number is not parent + 1")                                                    \
    X(BLOCK_TX_ROOT, "transactions root mismatch")                                                 \
    X(BLOCK_UNCLES, "uncles not allowed or their hash mismatches")                                 \
    X(BLOCK_DIFFICULTY, "wrong difficulty")                                                        \
    X(BLOCK_STEP, "step not after the parent's")                                                   \
    X(BLOCK_NOT_PROPOSER, "author is not the step's proposer")                                     \
    X(BLOCK_SIGNATURE, "signature is not the author's")                                            \
    X(BLOCK_EMPTY_STEPS, "bad empty steps")                                                        \
    X(BLOCK_BASE_FEE, "wrong base fee")                                                            \
    X(BLOCK_FIELDS, "fields that the rules do not have, or lacks some")                            \
    X(BLOCK_TX_INVALID, "invalid transaction")                                                     \
    X(BLOCK_GAS_USED, "gas used mismatch")                                                         \
    X(BLOCK_STATE_ROOT, "state root mismatch")                                                     \
    X(BLOCK_RECEIPTS_ROOT, "receipts root mismatch")                                               \
    X(BLOCK_BLOOM, "logs bloom mismatch")                                                          \
    X(BLOCK_SYSTEM_CALL, "system call failed")                                                     \
    X(BLOCK_BAD_PARENT, "descends from an invalid block")                                          \
    X(BLOCK_PAST_FINALITY, "forks off before a finalised block")                                   \
    X(BLOCK_WITHDRAWALS, "withdrawals root mismatch")                                              \
    X(BLOCK_BLOB_GAS, "blob gas mismatch")

enum block_verdict {
#define X(id, text) id,
    BLOCK_VERDICTS(X)
#undef X
};
const char *block_verdict_text(enum block_verdict v);

enum import_result {
    IMPORT_HEAD,      /* it is the new head (by extension or re-org) */
    IMPORT_SIDE,      /* kept, not the heaviest */
    IMPORT_KNOWN,
    IMPORT_ORPHAN,    /* parent unknown: get it first */
    IMPORT_EARLY,     /* its step is a little ahead of our clock: import again at *retry_ms */
    IMPORT_BAD        /* see verdict */
};

struct chain_head {
    uint64_t number, timestamp, gas_limit, step;
    uint64_t finalised; /* never undone (node/aura/commit.h) */
    uint64_t safe;      /* final by AuRa's own rule: a majority has sealed on it; at least `finalised` */
    hash32 hash;
    hash32 state_root;
    u256 td;
    bool has_base_fee;
    u256 base_fee; /* of the next block */
};

/** chain_event: what one import or proposal did to the canonical chain; passed to the listener on the importer's thread, after the commit. */
struct chain_event {
    const struct block *added; /* ascending; the last is the new head */
    size_t n_added;
    const hash32 *removed; /* descending: hashes of blocks that left the chain */
    size_t n_removed;
    const struct receipt *head_receipts; /* of the last added */
    size_t n_head_receipts;
    bool is_own; /* sealed here */
    bool finality_advanced;
};

/** misbehaviour seen while verifying, for reportBenign / reportMalicious and the log */
struct chain_report {
    bool malicious;
    address validator;
    uint64_t block;
    const char *what;
};

enum { CHAIN_CACHE_BYTES = 32 << 20 };
#define CHAIN_NO_CACHE SIZE_MAX

struct chain_config {
    bool archive;           /* keep all history; else 128 blocks */
    uint64_t gas_floor_target, gas_ceil_target; /* 0: the spec's minGasLimit */
    bytes extra_data;       /* of own blocks */
    size_t cache_bytes;     /* of the state between blocks (state_cache_new); 0: CHAIN_CACHE_BYTES; CHAIN_NO_CACHE: none */
    unsigned worker_threads; /* beside the importer's (node/chain/workers.h); 0: none */
    /* known_sender: sender of a transaction that was recovered before (by the pool); may be NULL. Saves a recovery. */
    bool (*known_sender)(void *ctx, const hash32 *tx_hash, address *out);
    void *listener_ctx; /* first argument of all three */
    void (*on_event)(void *ctx, const struct chain_event *e);
    void (*on_report)(void *ctx, const struct chain_report *r);
};

/** chain_open: make or check block 0, load head and epochs. kv and spec are borrowed.
 *  ret OK | E_CONFLICT: the database is of another genesis (err has both hashes) | E_CORRUPT | ... */
MUST_CHECK enum status chain_open(struct chain **out, struct kv *kv, const struct chain_spec *spec, const struct chain_config *cfg,
                                  struct err *err);
void chain_close(struct chain *c);
struct kv *chain_kv(struct chain *c);
const struct chain_spec *chain_spec_of(const struct chain *c);
hash32 chain_genesis_hash(const struct chain *c);
/** chain_history_blocks: behind the head, of which the state is kept; 0: of all (archive). */
uint64_t chain_history_blocks(const struct chain *c);
/** chain_get_head: thread-safe copy. */
void chain_get_head(struct chain_head *out, struct chain *c);

/** chain_import: one block in RLP [header, txs, uncles]. now_ms: wall clock.
 *  out verdict (with IMPORT_BAD), retry_ms (with IMPORT_EARLY); err: text for the log.  ret OK | our own trouble (nothing changed) */
MUST_CHECK enum status chain_import(enum import_result *result, enum block_verdict *verdict, uint64_t *retry_ms, struct chain *c,
                                    bytes block_rlp, uint64_t now_ms, struct err *err);

/* --- blocks that come many at a time, from a file or from peers that are ahead */

/* chain_ahead: a block that waits for its turn; meanwhile all that can be verified without the state is, by other threads */
struct chain_ahead;
/** chain_ahead_new: in the order in which they will be imported. The block is copied.  cost: of the threads; without any, of the import */
MUST_CHECK enum status chain_ahead_new(struct chain_ahead **out, struct chain *c, bytes block_rlp);
void chain_ahead_free(struct chain *c, struct chain_ahead *a); /* NULL allowed */

enum { CHAIN_GROUP_MAX = 64 /* blocks of one commit */ };

struct chain_imported {
    size_t n; /* blocks, from the front, that this is about: with IMPORT_HEAD or _SIDE at least one, else exactly one; 0 when it failed */
    enum import_result result;
    enum block_verdict verdict; /* with IMPORT_BAD */
    uint64_t retry_ms;          /* with IMPORT_EARLY */
};
/** chain_import_group: as many of the n blocks as extend the head one after the other, in ONE commit: the disk is waited for once. For blocks
 *  that can be had again only: a kill before the commit loses the whole group, and readers see its last block or none of it. A group ends
 *  where the validator set changes, after some 200 ms or 100 Mgas, and before whatever is not plainly the next block: that comes at the
 *  front of a later call, alone, as by chain_import. Blocks of a branch that is not the better one yet are stored in the same way, in one commit up to
 *  the one that makes it better.  n >= 1.  ret OK | our own trouble (nothing changed) */
MUST_CHECK enum status chain_import_group(struct chain_imported *out, struct chain *c, struct chain_ahead *const *blocks, size_t n,
                                          uint64_t now_ms, struct err *err);

/** chain_times: what imports on the head took since chain_open, by stage, in nanoseconds; the importer's own */
struct chain_times {
    uint64_t ahead_ns; /* of other threads' CPU, for chain_ahead */
    uint64_t wait_ns;  /* for them */
    uint64_t recover_ns; /* senders */
    uint64_t execute_ns;
    uint64_t root_ns;   /* of transactions, receipts and state */
    uint64_t commit_ns; /* writing and syncing the database */
    uint64_t blocks, txs, gas;
};
void chain_get_times(struct chain_times *out, const struct chain *c);

/* --- sealing */
/** chain_next_step: the step that now_ms is in, when the next begins (wall ms), and whether `me` proposes in it on top of the head. */
void chain_step_at(uint64_t *step, uint64_t *next_step_ms, struct chain *c, uint64_t now_ms);
bool chain_is_proposer(struct chain *c, const address *me, uint64_t step);
/** chain_validators: of the block after the head; copied into a; ret E_NOMEM | OK */
MUST_CHECK enum status chain_validators(address **out, size_t *n, struct chain *c, struct arena *a);

struct proposal_source {
    void *ctx;
    /* next: the next best transaction (sender recovered), or false: no more. accepted tells how the one before went. */
    bool (*next)(void *ctx, struct tx *out);
    void (*result)(void *ctx, const struct tx *tx, enum tx_verdict v);
    /* sign: seal hash -> signature r||s||recid; called last. It is the fence: it makes the step durable before it gives a signature away, and gives
     * E_CONFLICT for a step that is not after the last one, E_DENIED when the lease is gone (node/identity/journal.h). */
    enum status (*sign)(void *ctx, uint8_t sig65[static 65], const hash32 *hash, uint64_t step);
    /* keep: called before sign; NULL: there is no place but the disk. Puts p beside the identity (lib/eth/promise.h; until_ms is its own to set).
     * ret OK: it is kept | E_AGAIN: it is not, but the step is covered: the block is made one that is no vote | else: no block, with that status */
    enum status (*keep)(void *ctx, const struct key_promise *p, uint64_t step);
    bool is_empty_step; /* out: there were no transactions: an empty step's message was appended instead of a block (node/aura/empty_steps.h) */
};
/** chain_propose: build on the head, seal for `step`, import as own; the sealed block's RLP is appended to out.
 *  budget_ms: stop adding transactions after that long.  ret OK | E_AGAIN: not our turn or head moved | what sign gave | ... */
MUST_CHECK enum status chain_propose(struct buf *out, struct chain *c, const address *author, uint64_t step, uint64_t now_ms,
                                     unsigned budget_ms, struct proposal_source *src, struct err *err);

/** chain_recall: before the first proposal of a key whose identity is kept in a store: what stands beside it there (NULL: nothing, its past is not
 *  known). A database that is older than that takes it for its own note.
 *  ret OK: *forgot: it was older, and the key had signed | E_UNSUPPORTED: no such engine | ... */
MUST_CHECK enum status chain_recall(bool *forgot, struct chain *c, const address *me, const struct key_promise *p);
/** chain_promise: the database's note, to be kept beside the identity.  ret OK | E_NOT_FOUND: it has none, or what was recalled is newer | ... */
MUST_CHECK enum status chain_promise(struct key_promise *out, struct chain *c, const address *me);

/** chain_add_empty_step: a message that was heard; the importer's thread.
 *  ret OK: it is new, and worth passing on | E_EXISTS | E_AGAIN: of no use here now, for which nobody is to blame | E_INVALID: nobody honest sends it */
MUST_CHECK enum status chain_add_empty_step(struct chain *c, bytes message, uint64_t now_ms);

/* --- for calls (any thread; own transaction, own evm) */
/** chain_call_env: environment to run calls on top of block `h` as if in its child (pending=true) or in it (false). */
void chain_call_env(struct exec_env *env, struct chain *c, struct evm *evm, struct kv_txn *txn, const struct header *h, bool pending);
/** chain_state_at: state after block number (canonical). ret E_NOT_FOUND when pruned */
MUST_CHECK enum status chain_state_at(struct state **out, struct kv_txn *txn, struct chain *c, uint64_t number);

/** chain_tx_permitted: may the transaction (sender known) stand in the next block by the spec's permission contract? *v becomes
 *  TX_NOT_PERMITTED if not, else it is left alone. s: the latest state on txn, unchanged on return. Any thread. cost: nothing when the spec
 *  has no such contract; else one or two calls for each sender and block */
MUST_CHECK enum status chain_tx_permitted(enum tx_verdict *v, struct chain *c, struct kv_txn *txn, struct state *s, const struct tx *tx);

/* --- governance views, for status pages */
struct chain_epoch {
    uint64_t start_block; /* where the current set's transition was recorded */
    bool has_pending;
    uint64_t pending_signal_block;
    size_t signers_seen, signers_needed; /* toward finality of the oldest unfinalised block */
    size_t earlier_sets; /* whose quorum the first block of this epoch that is final needs as well (node/aura/commit.h); 0: there is one */
    uint64_t ballot, decided;            /* which branch is followed: the higher ballot, then the further decided, then the heavier (side.c) */
};
void chain_get_epoch(struct chain_epoch *out, struct chain *c);

/* --- what peers ask for; any thread */
/** chain_find: a block that is known and not invalid: its number and total difficulty.  ret OK | E_NOT_FOUND | E_IO */
MUST_CHECK enum status chain_find(uint64_t *number, u256 *td, struct chain *c, const hash32 *hash);
/** chain_find_canonical: the hash of a block of the head's branch.  ret OK | E_NOT_FOUND | E_IO */
MUST_CHECK enum status chain_find_canonical(hash32 *out, struct chain *c, uint64_t number);
/** chain_put_raw: append what one of blocks_get_header_raw, _body_raw, _receipts_raw has.  ret OK | E_NOT_FOUND | E_LIMIT: out is full | E_IO */
typedef enum status chain_get_raw(bytes *out, struct kv_txn *txn, const hash32 *hash);
MUST_CHECK enum status chain_put_raw(struct buf *out, struct chain *c, const hash32 *hash, chain_get_raw *get);
/** chain_body_tx_root: root of the transactions of a body; txs: the items of its list.  ret OK | E_DECODE | E_NOMEM */
MUST_CHECK enum status chain_body_tx_root(hash32 *out, bytes txs);

/** chain_tx_root, chain_receipts_root: of a block's lists; filter: the union of the receipts' */
MUST_CHECK enum status chain_tx_root(hash32 *out, const struct tx *txs, size_t n, struct arena *a);
MUST_CHECK enum status chain_receipts_root(hash32 *root, bloom *filter, const struct receipt *receipts, size_t n, struct arena *a);

#endif
