/* trie.h: the Modified Merkle-Patricia trie (Yellow Paper, appendix D) over a table of nodes keyed by path.
 *
 * Nodes live under prefix || path (path is one nibble a byte; the root, whose path is empty, stands under prefix || 0x10), so that an
 * update touches each changed node once and stale nodes are overwritten in place: the table holds exactly the latest trie. A node
 * whose RLP is shorter than 32 bytes stands inside its parent and has no entry, except the root. */
#ifndef NODE_STATE_TRIE_H
#define NODE_STATE_TRIE_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/eth/types.h"
#include "node/store/kv.h"

/** trie_root_ordered: root of the trie { rlp(i) -> values[i] }: transactions and receipts roots. No storage used. */
MUST_CHECK enum status trie_root_ordered(hash32 *root, const bytes *values, size_t n);
/** trie_root_pairs: root of a trie of n key/value pairs in any order (keys distinct); secure: keys are hashed first. For tests and genesis. */
struct trie_pair {
    bytes key, value;
};
MUST_CHECK enum status trie_root_pairs(hash32 *root, const struct trie_pair *pairs, size_t n, bool secure);

/** trie_get: the value of a key (hashed) in the trie in (txn, table, prefix): a view of the entry that holds it.
 *  ret OK | E_NOT_FOUND | E_CORRUPT: a node is missing or damaged | E_IO;  cost: one or two searches of the table, however deep the trie is */
MUST_CHECK enum status trie_get(bytes *value, struct kv_txn *txn, unsigned table, bytes prefix, const hash32 *key);

/* --- a trie that is changed step by step, its root asked for in between, and written at the end. Nodes are read from the table as they are
 * needed and kept in the arena, which must outlive the trie; there is nothing to close. */
struct trie;
struct trie_update;
/** trie_open: the trie in (txn, table, prefix); txn and prefix are borrowed. blank: begin with the empty trie and never read the table
 *  (its entries under prefix must be deleted before trie_store). prefix: 0..32 bytes.  ret OK | E_NOMEM */
MUST_CHECK enum status trie_open(struct trie **out, struct arena *a, struct kv_txn *txn, unsigned table, bytes prefix, bool blank);
/** trie_change: put and delete; keys distinct, in any order; values are copied.  ret OK | E_CORRUPT: a node is missing | E_NOMEM | E_IO */
MUST_CHECK enum status trie_change(struct trie *t, const struct trie_update *updates, size_t n);
/* trie_helpers: other threads that may help. run: job(args[i]) for each i < n, n <= 16, in any order, on any threads; all are done when it returns. */
struct trie_helpers {
    void *ctx;
    void (*run)(void *ctx, void (*job)(void *arg), void *const *args, size_t n);
};
enum { TRIE_HELP_MIN = 128 /* keys changed since the last root, from which on it pays to wake another: 1.15 times as fast with one more thread, 1.5 times from 256 on */ };
/** trie_get_root: helpers: of whom there is enough to do for several; or NULL.  cost: O(nodes changed since the last call) */
MUST_CHECK enum status trie_get_root(hash32 *root, struct trie *t, const struct trie_helpers *helpers);
/** trie_store: write what changed; trie_get_root must have been called after the last change. On OK the trie may go on from there. */
MUST_CHECK enum status trie_store(struct kv_txn *txn, struct trie *t);

struct trie_update {
    hash32 key;  /* hashed key */
    bytes value; /* RLP value; empty: delete */
};
/* --- the same in one go */
/** trie_dirty: changed nodes that an update left, to be written by trie_write. */
struct trie_dirty;
/** trie_apply: apply updates (sorted or not; distinct keys) to the trie whose nodes stand in (txn, table, prefix); new root to *root.
 *  Reads only; changed and deleted nodes are collected in *dirty (may be NULL: only the root is wanted). */
MUST_CHECK enum status trie_apply(hash32 *root, struct trie_dirty **dirty, struct kv_txn *txn, unsigned table, bytes prefix,
                                  const struct trie_update *updates, size_t n);
MUST_CHECK enum status trie_write(struct kv_txn *txn, unsigned table, bytes prefix, const struct trie_dirty *dirty);
void trie_dirty_free(struct trie_dirty *d);
/** trie_prove: nodes from the root to key, each as an RLP string appended to out (EIP-1186). */
MUST_CHECK enum status trie_prove(struct buf *out, size_t *n_nodes, struct kv_txn *txn, unsigned table, bytes prefix, const hash32 *key);
/** trie_check_proof: value that a proof shows under root for key; absent: *value is empty.  ret OK | E_CRYPTO */
MUST_CHECK enum status trie_check_proof(bytes *value, const hash32 *root, const hash32 *key, const bytes *nodes, size_t n);

#endif
