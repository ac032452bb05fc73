/* tally.h: who sealed when, and who did not: counted from headers as blocks join the chain.
 *
 * A step between two blocks' steps belonged to validators[step mod n] of the set in force, who missed it. Steps that were counted once are
 * not counted again after a re-organisation; an empty step that a block carries was not missed. Counters begin at 0 with the process, as
 * Prometheus expects; the last sealed steps are read back from the chain at the start. Thread-safe: written by the importer, read by any. */
#ifndef NODE_METRICS_TALLY_H
#define NODE_METRICS_TALLY_H

#include "lib/base/arena.h"
#include "node/chain/chain.h"

struct tally;

struct tally_validator {
    address who;
    uint64_t last_step;      /* sealed; 0: none seen */
    uint64_t sealed, missed; /* since the start */
    bool in_set;
};

struct tally_totals {
    uint64_t blocks, txs, own_blocks; /* that joined the canonical chain since the start */
    uint64_t reorgs, removed_blocks;
    uint64_t head_txs, head_gas_used;
};

MUST_CHECK enum status tally_new(struct tally **out, const address *set, size_t n, uint64_t head_step);
void tally_free(struct tally *t); /* NULL allowed */
/** tally_note_sealed: a block of the past, while reading back: the latest step of each counts. */
void tally_note_sealed(struct tally *t, const address *who, uint64_t step);
/** tally_on_event: next set: of the block after the new head; n 0: unknown, as before */
void tally_on_event(struct tally *t, const struct chain_event *e, const address *set, size_t n);
void tally_get_totals(struct tally_totals *out, struct tally *t);
/** tally_get_validators: everyone ever seen, by address; copies in a.  ret OK | E_NOMEM */
MUST_CHECK enum status tally_get_validators(struct tally_validator **out, size_t *n, struct tally *t, struct arena *a);

#endif
