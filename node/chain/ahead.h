/* ahead.h: a block on its way into the chain: decoded, the roots of its lists compared, its author's signature and its senders recovered by the
 * threads of workers.h, while blocks before it are executed. Nothing of that depends on the state. It is help, never a verdict: what does not
 * fit here is looked at once more by the import, which says what is wrong. */
#ifndef NODE_CHAIN_AHEAD_H
#define NODE_CHAIN_AHEAD_H

#include "node/chain/chain_priv.h"

struct chain_ahead {
    struct worker_task task; /* first: see workers.h */
    const struct chain_spec *spec;
    struct arena arena;
    bytes rlp;       /* its copy, in the arena */
    bool is_counted; /* its cost is in chain_times */
    /* when the task is done */
    struct block block; /* valid if is_whole */
    bool is_whole;      /* it decodes, and the lists are those of the header */
    bool is_signed;     /* by the author of its header; whose turn it was is not looked at */
};

/** chain_ahead_finish: what is above is there when this returns. */
void chain_ahead_finish(struct chain *c, struct chain_ahead *a);

#endif
