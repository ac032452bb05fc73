/* aura.h: the Authority Round engine's rules as pure functions (reference: Parity 2.7.2's authority-round): blocks in, verdicts out. No
 * clock, no database, no network: time and sets are arguments. node/chain applies them; the simulator and the tests call them as they are.
 *
 *   step(t)      = t / stepDuration, t in seconds since the epoch
 *   proposer(s)  = validators[s mod n]
 *   difficulty   = 2^128 - 1 + parent step - step + empty steps included
 *
 * A block of a set's validator is final once more than half (or two thirds) of the set have signed it or a descendant of it, see
 * struct finality. A set change is signalled by a block, applied when that block is final, and rules from the next block on. */
#ifndef NODE_AURA_AURA_H
#define NODE_AURA_AURA_H

#include "lib/eth/chain_spec.h"
#include "lib/eth/header.h"
#include "lib/eth/receipt.h"

/* a validator set in force: order matters */
struct validators {
    address *list; /* malloc */
    size_t n;
};
MUST_CHECK enum status validators_copy(struct validators *dst, const address *list, size_t n);
void validators_fini(struct validators *v);
/** validators_index: position, or n if absent */
size_t validators_index(const struct validators *v, const address *a);
bool validators_eq(const struct validators *a, const struct validators *b);

/* ------------------------------------------------------------------ steps */
uint64_t aura_step_at(const struct aura_params *p, uint64_t unix_ms);
/** aura_step_start_ms: wall time at which a step begins */
uint64_t aura_step_start_ms(const struct aura_params *p, uint64_t step);
uint64_t aura_step_duration_ms(const struct aura_params *p, uint64_t step);
const address *aura_proposer(const struct validators *v, uint64_t step);
/** aura_difficulty: see above; wraps modulo 2^256 as Parity does */
u256 aura_difficulty(uint64_t parent_step, uint64_t step, uint64_t n_empty_steps);

/* ------------------------------------------------------------------- seal */
enum aura_verdict {
    AURA_VALID,
    AURA_BAD_FORM,       /* seal fields: count or kind */
    AURA_EARLY,          /* step is up to 4 ahead of the clock's */
    AURA_FUTURE,         /* further ahead */
    AURA_DOUBLE_VOTE,    /* step not after the parent's */
    AURA_DIFFICULTY,
    AURA_NOT_PROPOSER,
    AURA_SIGNATURE,
    AURA_EMPTY_STEPS
};

/** aura_check_form: arity by emptyStepsTransition, the difficulty bound, and the step against the clock's step. */
enum aura_verdict aura_check_form(const struct header *h, const struct aura_params *p, uint64_t clock_step);
/** aura_check_family: against the parent: step order, empty steps' order, difficulty.  genesis as parent has its own step (0). */
enum aura_verdict aura_check_family(const struct header *h, const struct header *parent, const struct aura_params *p);
/** aura_check_proposer: author and signer against the set; empty steps' signatures too. cost: one recovery, plus one an empty step */
enum aura_verdict aura_check_proposer(const struct header *h, const struct validators *v);
/** aura_check_turn: the same for a header that aura_check_signature has passed already. */
enum aura_verdict aura_check_turn(const struct header *h, const struct validators *v);
/** aura_check_signature: signer is the author; no set needed. */
enum aura_verdict aura_check_signature(const struct header *h);

struct empty_step {
    uint64_t step;
    uint8_t signature[65];
};
/** aura_empty_steps_next: walk a payload of [signature, step] items.  ret OK | E_DECODE; *done at the end */
MUST_CHECK enum status aura_empty_steps_next(struct empty_step *out, bool *done, bytes *payload);
/** aura_empty_steps_payload: the list's payload of a header (empty if it has none). */
MUST_CHECK enum status aura_empty_steps_payload(bytes *out, const struct header *h);
size_t aura_empty_steps_count(const struct header *h);
/** aura_empty_step_signer: recover keccak(rlp([step, parent_hash])) */
MUST_CHECK enum status aura_empty_step_signer(address *out, const struct empty_step *e, const hash32 *parent_hash);

/* -------------------------------------------------------- validator sets */
/** aura_set_spec_at: the set rule for the block after `number` (Parity's Multi: greatest key <= number + 1); *first: its key == number. */
const struct validator_set_spec *aura_set_spec_at(bool *first, const struct validator_set_spec *spec, uint64_t number);
/** aura_find_signal: does a block signal a change: a log InitiateChange(parent hash, list) of that contract. Receipts are looked at from the
 *  last to the first, the logs within one from the first on. The list is malloc'ed into *out.
 *  ret OK | E_NOT_FOUND: no signal | E_NOMEM */
MUST_CHECK enum status aura_find_signal(struct validators *out, const address *contract, const struct header *h,
                                        const struct receipt *receipts, size_t n);
extern const hash32 AURA_INITIATE_CHANGE_TOPIC;
/** aura_decode_address_list: return data of getValidators(), strict bounds */
MUST_CHECK enum status aura_decode_address_list(struct validators *out, bytes abi);
/* selectors */
extern const uint8_t AURA_GET_VALIDATORS[4], AURA_FINALIZE_CHANGE[4], AURA_REPORT_BENIGN[4], AURA_REPORT_MALICIOUS[4];

/** aura_gas_limit: of the next block (aura.md B8). */
uint64_t aura_gas_limit(uint64_t parent_gas_limit, uint64_t floor_target, uint64_t bound_divisor);

/* --------------------------------------------------------------- finality */
/** finality: the rolling window over the chain since the last set change. Each entry is a block with its signers; while more than half
 *  (or 2/3) of the set have signed entries of the window, the front is final and leaves it.
 *  Example, 3 validators: blocks by A A B -> with B's block 2 of 3 have signed: both of A's blocks become final, B's stays. */
struct finality_entry {
    hash32 hash;
    uint64_t number;
    uint32_t *signers; /* indices into the set, malloc */
    size_t n_signers;
};
struct finality {
    struct validators set;
    uint32_t *counts; /* signatures in the window, by validator */
    size_t n_distinct;
    struct finality_entry *entries; /* ring of cap, from head */
    size_t head, len, cap;
    uint64_t two_thirds_from; /* twoThirdsMajorityTransition */
};
MUST_CHECK enum status finality_init(struct finality *f, const struct validators *set, uint64_t two_thirds_from);
void finality_fini(struct finality *f);
/** finality_push: append the new head; blocks that become final are appended to finals (caller gives room for len + 1 hashes).
 *  parent_signers: authors of empty steps in this block, which sign its parent. ret OK | E_INVALID: a signer is not of the set | E_NOMEM */
MUST_CHECK enum status finality_push(struct finality *f, const hash32 *hash, uint64_t number, const address *author,
                                     const address *parent_signers, size_t n_parent_signers, hash32 *finals, uint64_t *final_numbers,
                                     size_t *n_finals);
/** finality_push_front: build backwards at start-up: put an ancestor in front; *full: it is final already, so stop (it was not put). */
MUST_CHECK enum status finality_push_front(struct finality *f, const hash32 *hash, uint64_t number, const address *author,
                                           const address *empty_signers, size_t n_empty_signers, bool *full);
/** finality_needed: distinct signers that make the front final, given the set's size */
size_t finality_needed(const struct finality *f);

#endif
