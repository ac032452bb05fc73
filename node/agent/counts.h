/* counts.h: what the agent has done since its start, for its metrics page. Written by the reader's and the sender's thread, read by any. */
#ifndef NODE_AGENT_COUNTS_H
#define NODE_AGENT_COUNTS_H

#include "lib/metrics/exposition.h"
#include "node/agent/records.h"
#include "node/agent/spool.h"

#include <stdatomic.h>

struct agent_counts {
    /* the reader */
    atomic_ullong blocks, pauses, lost_logs;
    atomic_bool node_up, is_paused;
    /* the sender */
    atomic_ullong sent[TABLE_N], refused[TABLE_N]; /* records */
    atomic_ullong calls, failures, damaged_windows;
    atomic_ullong last_sent_ms; /* wall clock; 0: nothing yet */
};

/** agent_counts_put: all families; spool: what waits in it */
void agent_counts_put(struct exposition *e, struct agent_counts *c, struct spool *spool);

#endif
