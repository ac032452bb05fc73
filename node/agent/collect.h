/* collect.h: from the node and its log into the spool.
 *
 *     blocks   every number from the cursor to the head; a branch that was left is followed back, and the blocks of the new one are taken in
 *     pending  the node's filter for new pending transactions; at the start also what is pending already, but for what was taken in before
 *     log      whole lines
 *     stats    now and then
 *
 * What is read in one turn goes into the spool as frames of at most a few hundred KiB, each with the cursors behind its last row. */
#ifndef NODE_AGENT_COLLECT_H
#define NODE_AGENT_COLLECT_H

#include "node/agent/config.h"
#include "node/agent/counts.h"
#include "node/agent/spool.h"

struct collector;

/** collector_new: cursors_take: as spool_open gave them */
MUST_CHECK enum status collector_new(struct collector **out, const struct agent_config *cfg, struct spool *spool, struct agent_counts *counts, json_t *cursors_take, struct err *err);
void collector_free(struct collector *c); /* NULL allowed */
/** collector_turn: read what is new, once. now_ms: monotonic.  ret OK | E_AGAIN: there is more at once | E_IO, E_NOSPACE, E_NOMEM: the spool
 *  can't take it (nothing is lost: it will be read again). Trouble with the node is logged here and is not an error. */
MUST_CHECK enum status collector_turn(struct collector *c, uint64_t now_ms, struct err *err);

#endif
