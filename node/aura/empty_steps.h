/* empty_steps.h: a proposer that has no transactions signs its step instead of a block, and the next block carries those signatures in its seal
 * (aura.md B1; spec keys emptyStepsTransition, maximumEmptySteps). They sign the block that they stand on as blocks do: for finality of both kinds
 * (aura.h, commit.h), for the difficulty and for rewards.
 *
 *     what is signed   keccak(rlp([step, hash of the block]))
 *     message          rlp([signature(65), [step, hash of the block]])      105 to 112 bytes, and never over EMPTY_STEP_MESSAGE_MAX
 *     in the seal      rlp([[signature(65), step]...]), steps ascending
 *
 * struct empty_steps is what a node has heard and may put into its own next block. It is bounded: a validator has one place for each step of its own
 * on each of few blocks, and the lowest steps go first. */
#ifndef NODE_AURA_EMPTY_STEPS_H
#define NODE_AURA_EMPTY_STEPS_H

#include "node/aura/aura.h"

enum { EMPTY_STEPS_MAX = 256, EMPTY_STEPS_A_STEP = 4, EMPTY_STEP_MESSAGE_MAX = 128 };

struct heard_step {
    struct empty_step e;
    hash32 parent;
    address signer;
};

struct empty_steps {
    struct heard_step list[EMPTY_STEPS_MAX];
    size_t n;
};

/** empty_step_hash: what is signed. */
void empty_step_hash(hash32 *out, uint64_t step, const hash32 *parent);
void empty_step_put_message(struct buf *out, const struct empty_step *e, const hash32 *parent);
/** empty_step_get_message: strict; the signer is recovered.  ret OK | E_DECODE | E_CRYPTO: no such signature */
MUST_CHECK enum status empty_step_get_message(struct heard_step *out, bytes message);

/** empty_steps_add: ret OK: it is new | E_EXISTS: it was heard before | E_LIMIT: too many for that step, or older than all that are kept */
MUST_CHECK enum status empty_steps_add(struct empty_steps *p, const struct heard_step *one);
/** empty_steps_put: the list for the seal of a block in `step` on parent: those of the steps between, each by its proposer in set. ret how many */
size_t empty_steps_put(struct buf *out, const struct empty_steps *p, const hash32 *parent, uint64_t parent_step, uint64_t step,
                       const struct validators *set);
/** empty_steps_drop: those of steps up to that one. */
void empty_steps_drop(struct empty_steps *p, uint64_t step);

#endif
