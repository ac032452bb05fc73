/* pool.h: transactions that wait for a block.
 *
 * A transaction comes in by pool_add (from a client's RPC thread, from a peer, or back out of a block that left the chain), its sender
 * recovered and the rules of the chain checked (exec_tx_check). The pool keeps a copy. Per sender they are ordered by nonce: those that follow
 * the account's nonce without a gap are pending, the rest is queued until the gap closes. A block is built from pool_best: at each step the best
 * paying of all senders' first transactions, the older of two alike. After each change of the head, pool_on_head brings the senders' nonces.
 *
 * Bounds: transactions and bytes in all and per sender. A full pool makes room only for better: what pays more pushes out what pays
 * less, pending pushes out queued, and always the last nonce of a sender goes, so that no gap comes of it.
 *
 * Versions: an account's nonce, read from the state on another thread, may be out of date by the time it arrives here. So: read pool_version,
 * then the state, then call pool_add with that version; POOL_STALE means that the head moved meanwhile: do it again.
 *
 * Thread-safe: one mutex inside; no call does I/O. Every call is O(log n) unless it says otherwise. */
#ifndef NODE_POOL_POOL_H
#define NODE_POOL_POOL_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/eth/tx.h"

/* X(id, status, text): what became of a transaction; texts as clients of Ethereum know them */
#define POOL_VERDICTS(X)                                                                           \
    X(POOL_PENDING, OK, "pending")                                                                 \
    X(POOL_QUEUED, OK, "queued")                                                                   \
    X(POOL_STALE, E_AGAIN, "the chain's head moved, try again")                                    \
    X(POOL_KNOWN, E_EXISTS, "already known")                                                       \
    X(POOL_NONCE_TOO_LOW, E_INVALID, "nonce too low")                                              \
    X(POOL_NONCE_TOO_HIGH, E_LIMIT, "nonce too far in the future")                                 \
    X(POOL_UNDERPRICED, E_INVALID, "transaction underpriced")                                      \
    X(POOL_REPLACE_UNDERPRICED, E_INVALID, "replacement transaction underpriced")                  \
    X(POOL_NO_FUNDS, E_INVALID, "insufficient funds for gas * price + value")                      \
    X(POOL_GAS_LIMIT, E_INVALID, "exceeds block gas limit")                                        \
    X(POOL_TOO_LARGE, E_LIMIT, "oversized data")                                                   \
    X(POOL_SENDER_FULL, E_LIMIT, "too many transactions of this sender in the txpool")             \
    X(POOL_FULL, E_LIMIT, "txpool is full")

enum pool_verdict {
#define X(id, status, text) id,
    POOL_VERDICTS(X)
#undef X
};
const char *pool_verdict_text(enum pool_verdict v);
/** pool_verdict_status: OK for POOL_PENDING and POOL_QUEUED. */
enum status pool_verdict_status(enum pool_verdict v);

/* 0 of any: its default */
struct pool_limits {
    size_t max_txs;               /* 65536 */
    size_t max_bytes;             /* 64 MiB, our bookkeeping included */
    size_t max_queued;            /* 16384, part of max_txs */
    size_t max_per_sender;        /* 65536: in a permissioned network a busy sender is no attacker */
    size_t max_queued_per_sender; /* 4096 */
    size_t max_tx_bytes;          /* 300 KiB, Parity's maxTransactionSize */
    unsigned price_bump_percent;  /* 10: what a replacement must pay more; at least 1 wei more in any case */
    uint64_t queued_lifetime_ms;  /* 3 hours */
    u256 min_tip;                 /* in wei; below it nothing is taken */
};

struct pool_account {
    address addr;
    uint64_t nonce;
    u256 balance;
};

struct pool;

MUST_CHECK enum status pool_new(struct pool **out, const struct pool_limits *limits);
void pool_free(struct pool *p); /* NULL allowed; no pool_best may be left */

/** pool_version: grows with every pool_on_head. */
uint64_t pool_version(struct pool *p);
/** pool_add: take a transaction. in tx: has_sender, raw set, rules checked; copied. account: of the sender, as of `version`. now_ms: any
 *  clock that goes on evenly, the same as pool_expire's. */
MUST_CHECK enum pool_verdict pool_add(struct pool *p, const struct tx *tx, const struct pool_account *account, uint64_t version, uint64_t now_ms);
/** pool_on_head: the head moved. changed: accounts of all senders whose transactions came into or left the chain, as of the new head. What
 *  is mined or can't be paid any more goes. Transactions of blocks that left the chain are to be added again afterwards.
 *  cost O(changed), and the pending ones of a sender whose nonce went back */
void pool_on_head(struct pool *p, const struct pool_account *changed, size_t n, uint64_t block_gas_limit);
/** pool_remove: one that proved invalid; what followed it is queued. false: not there */
bool pool_remove(struct pool *p, const hash32 *hash);
/** pool_expire: drop what has been queued for longer than its lifetime; ret how many. cost O(pool) */
size_t pool_expire(struct pool *p, uint64_t now_ms);

/* ------------------------------------------------------------------- look */

bool pool_has(struct pool *p, const hash32 *hash);
/** pool_get: a copy, bytes in a.  ret OK | E_NOT_FOUND | E_NOMEM */
MUST_CHECK enum status pool_get(struct tx *out, struct pool *p, const hash32 *hash, struct arena *a);
/** pool_known_sender: sender of a transaction that is here: saves the recovery when it comes in a block. */
bool pool_known_sender(struct pool *p, const hash32 *hash, address *out);
/** pool_put: append as a block body has it; false: not there */
bool pool_put(struct pool *p, struct buf *out, const hash32 *hash);
/** pool_next_nonce: behind the sender's pending ones; state_nonce if it has none (or the pool knows less than that). */
uint64_t pool_next_nonce(struct pool *p, const address *sender, uint64_t state_nonce);
/** pool_max_txs: most that it holds */
size_t pool_max_txs(const struct pool *p);
void pool_count(struct pool *p, size_t *n_pending, size_t *n_queued);
/** pool_list: hashes of up to max pending transactions, each sender's in order of nonce; ret how many. cost O(max + senders) */
size_t pool_list(struct pool *p, hash32 *out, size_t max);

struct pool_item {
    struct tx tx;
    bool is_queued;
};
/** pool_content: copies in a, ordered by sender and nonce, at most max; of: that sender's only, or NULL.
 *  ret OK | E_NOMEM;  cost O(pool) */
MUST_CHECK enum status pool_content(struct pool_item **out, size_t *n, struct pool *p, const address *of, size_t max, struct arena *a);

/* ------------------------------------------------------------------ build */

/** pool_best: walks pending transactions for one block; the pool may change meanwhile. */
struct pool_best;
/** pool_best_new: base_fee of the block to build. cost O(senders) */
MUST_CHECK enum status pool_best_new(struct pool_best **out, struct pool *p, const u256 *base_fee);
/** pool_best_next: the best one that is left: highest tip at the base fee, then the older. *tx and its views are valid until the next
 *  call or pool_best_free. false: no more */
bool pool_best_next(struct pool_best *b, struct tx *tx);
/** pool_best_skip: the last one did not go in: nothing more of its sender. */
void pool_best_skip(struct pool_best *b);
void pool_best_free(struct pool_best *b); /* NULL allowed */

#endif
