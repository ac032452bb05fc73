/* promise.h: what a validator's key has promised by its seals, as it is kept beside the identity in the identity store, so that a lost disk
 * forgets nothing (node/aura/commit.h, node/chain/promise.c).
 *
 * The rule. Before a seal leaves, one of two things holds:
 *   kept  the record below is in the store with this seal's step, parent and lock: then the block counts as its key's vote;
 *   free  the store does not answer in time, but a record from before says that the key may sign up to this step (until_ms, renewed with the lease
 *         and never further ahead than that lasts): then the block says in its extra data that it is no vote (commit.h, COMMIT_FREE_EXTRA).
 * So no step is missed for the store as long as the lease lasts, and what counts is always in the store. A node whose own note (in its database) is
 * older than the record takes the record for its note, until it seals anew: it signs only after until_ms, and seals only where commit.h allows it to who made those seals.
 *
 * Why it is enough. commit.h's proof uses of a validator: one signature a step; no vote for steps in which it voted elsewhere (last vote: step, parent);
 * no vote against its lock. All votes are in the record, by the order: record, then signature. Free blocks are no votes, so that only their steps
 * matter, and those are at most until_ms. The record is written under the identity's lease, and by its ETag: who lost the lease cannot replace it.
 * A record whose seal was never made (a crash in between) only promises more than is needed: the step is let go by. For a validator that decides alone
 * the promise is the block itself: the same disk, which is known by `writer`, may make another one if the database is not older than `before`.
 *
 * As text, for a blob's metadata: "1.<step>.<before>.<until_ms>.<writer>.<parent>.<empty>.<lock step>.<lock number>.<lock hash>", numbers decimal, the rest hex. */
#ifndef LIB_ETH_PROMISE_H
#define LIB_ETH_PROMISE_H

#include "lib/base/err.h"
#include "lib/eth/types.h"

enum { PROMISE_WRITER_LEN = 16, PROMISE_TEXT_MAX = 400 };
#define PROMISE_META "promise" /* name of the metadata */

struct key_promise {
    uint64_t step;     /* of the last vote; 0: the key is new, it has signed nothing */
    uint64_t before;   /* the last step that this disk knew of then */
    uint64_t until_ms; /* free seals may have been made up to the step of that time */
    uint8_t writer[PROMISE_WRITER_LEN]; /* the database that wrote it */
    hash32 parent;     /* of the block with that vote, or the block that it is an empty step on */
    bool is_empty_step;
    uint64_t lock_step, lock_number; /* node/aura/commit.h; 0: none */
    hash32 lock_hash;  /* zero: the block of that number and step by the key itself */
};

/** promise_put_text: with a NUL. */
void promise_put_text(char dst[static PROMISE_TEXT_MAX], const struct key_promise *p);
/** promise_get_text: strict.  ret OK | E_DECODE */
MUST_CHECK enum status promise_get_text(struct key_promise *out, const char *text);

#endif
