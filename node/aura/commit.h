/* commit.h: finality that no partition can turn into two: which blocks of a chain can never be undone by honest validators.
 *
 * AuRa's own finality (struct finality) is one round of signatures: a block is final once a majority has sealed on top of it. That decides,
 * as a function of the chain alone, when a set change takes effect, and it stays so. As a promise it is too weak: a validator that sealed on
 * one branch may find another heavier and seal there too, so that with an unlucky partition both branches gather a majority, and two blocks
 * of one height are "final". The node's promise (what a re-organisation never undoes, "finalized" in RPC) is therefore two rounds, as in
 * every protocol that is safe without a bound on delays:
 *
 *   confirm   a block D of validator v confirms an ancestor B (or itself) when v let no step of its own go by without a block of this
 *             chain since B: it cannot have sealed elsewhere in between. At least all of the last n - 1 steps are confirmed.
 *   prepared  B is prepared by the block that completes a quorum of validators whose blocks confirm B. Its step is its ballot: of two
 *             prepared blocks on different branches, every validator of both quorums confirmed the one of the lower step first.
 *   committed B is committed once a quorum of validators sealed blocks that confirm B, at or after the one that prepared it.
 *
 * What holds it together is the sealer (node/chain): who seals on a chain where B is prepared is locked on B: it seals on another branch only
 * if a block of a higher ballot is prepared there; and it does not seal a block that would confirm a step in which it sealed elsewhere. Both
 * are written down and synced before the seal leaves, so that no crash breaks them.
 * The quorum is that of the chain's own finality: more than half, or more than two thirds. At a change of the set the blocks of the new epoch
 * need, until the first of them is committed, a quorum of each set in force since the last commit as well (as far as its members are in the
 * new set): else the old set could commit one branch while the new one commits another.
 *
 * Why it is safe. Two quorums share an honest validator, as long as faults are crashes, or fewer than a third lie under two thirds. Let B be
 * committed and B' on another branch be prepared with the least ballot above B's. A validator v of both quorums confirmed B, knowing it
 * prepared, and confirmed B'. If it sealed for B first, it was locked, and nothing above B's ballot was prepared elsewhere to free it. If it
 * sealed for B' first, its seal for B confirmed a step in which it had sealed elsewhere. Neither is done; so there is no such B', and
 * what is prepared nowhere is committed nowhere. For a lower ballot the same with the parts of B and B' exchanged.
 *
 * What it does not cover: an epoch in which fewer than a quorum of an earlier set remain (more than half replaced in one change): there the
 * remaining ones must all agree, and the rest hangs on the chain's own one-round finality, which decides about sets as Parity's rule has it.
 *
 * What it costs after a change of the set: while fewer of those who stayed are up than an earlier set's quorum, nothing more is final until one comes
 * back or the set is changed once more; blocks and set changes go on meanwhile. A validator that sealed elsewhere lets a step go by.
 *
 * So that all find together again, a branch with a higher ballot goes before a heavier one. In a network without splits both are the same.
 * Against Parity: which blocks are valid and when a set changes is the same to the letter. Different are only free choices: which of two valid
 * branches is followed, whether a step of one's own is let go by, and what is called final.
 *
 *     3 validators, blocks of A B C A ...: B's prepares A's, C's commits it: finality is one block later than by the chain's own rule.
 *
 * Votes. A block whose extra data is COMMIT_FREE_EXTRA confirms nothing: its sealer could not keep its promise where a lost disk does not take it
 * (lib/eth/promise.h), so it makes none. In all else it is a block like any other.
 *
 * At a change of the set the window begins anew; the ballot goes on. Pure; steps are arguments. */
#ifndef NODE_AURA_COMMIT_H
#define NODE_AURA_COMMIT_H

#include "node/aura/aura.h"

#define COMMIT_FREE_EXTRA "poa-node/no promise"
/** commit_is_vote: does the header's seal count as its author's vote? */
bool commit_is_vote(const struct header *h);

struct commit_entry {
    hash32 hash;
    uint64_t number, step;
    bool is_prepared;
    uint64_t *votes; /* bits by validator: confirmed it, then: and sealed after it was prepared; malloc */
};
struct commit_last {
    uint64_t step, confirms; /* a validator's last block on this chain, and the least step that it confirms */
};

struct commit_before {
    struct validators set;
    uint64_t *mask; /* its members in the set in force, by their bits there; malloc */
    size_t n_common;
};

enum { COMMIT_BEFORE_MAX = 16 }; /* epochs in a row without a commit; beyond, the oldest is let go */

struct commit {
    struct validators set;
    uint64_t two_thirds_from, floor; /* floor: step of the block that began the epoch */
    struct commit_last *last;        /* by validator */
    struct commit_entry *entries;    /* ring of cap, from head: blocks since the last committed one */
    size_t head, len, cap;
    uint64_t ballot; /* step of the highest prepared block, 0: none */
    hash32 ballot_hash;
    uint64_t committed; /* number of the last block that was seen to be committed in this epoch, 0: none (joint_until tells if there was one) */
    struct commit_before *before; /* sets in force since the last commit before this epoch; malloc */
    size_t n_before;
    uint64_t joint_until; /* blocks up to that number need a quorum of each of them: UINT64_MAX until the first commit of the epoch */
};

/** commit_init: ballot goes on from the epoch before (0 and zeros at genesis). floor_step: of the block that began the epoch */
MUST_CHECK enum status commit_init(struct commit *c, const struct validators *set, uint64_t two_thirds_from, uint64_t floor_step, uint64_t ballot,
                                   const hash32 *ballot_hash);
void commit_fini(struct commit *c);
/** commit_add_before: an earlier set (see before); equal ones count once. */
MUST_CHECK enum status commit_add_before(struct commit *c, const struct validators *set);
/** commit_next: of the epoch that follows prev. */
MUST_CHECK enum status commit_next(struct commit *c, const struct commit *prev, const struct validators *set, uint64_t floor_step);
/** commit_push: append a block. A block by an unknown signer, or by NULL (no vote), confirms nothing.  ret OK | E_NOMEM */
MUST_CHECK enum status commit_push(struct commit *c, const hash32 *hash, uint64_t number, uint64_t step, const address *author);
/** commit_empty_step: a validator's empty step on the last block, as the next one holds it: a signature like that of a block. */
void commit_empty_step(struct commit *c, uint64_t step, const address *signer);
/** commit_confirms: the least step that a block of author in that step would confirm. */
uint64_t commit_confirms(const struct commit *c, const address *author, uint64_t step);
/** commit_ballot_with: ballot and its block as they would stand after a block of author in that step; *own: it is that block itself */
uint64_t commit_ballot_with(hash32 *hash, bool *own, const struct commit *c, uint64_t number, uint64_t step, const address *author);
/** commit_depth: how many steps back from the first block of a window its blocks must be pushed for it to be exact. */
uint64_t commit_depth(size_t n_validators);

#endif
