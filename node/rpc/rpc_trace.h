/* rpc_trace.h: what rpc_debug_trace.c and rpc_trace.c share. */
#ifndef NODE_RPC_RPC_TRACE_H
#define NODE_RPC_RPC_TRACE_H

#include "node/chain/replay.h"
#include "node/rpc/tracers.h"

/** rpc_replay_open: chain_replay_open, its troubles as errors of the request (then nothing is to be closed) */
bool rpc_replay_open(struct chain_replay *r, struct rpc_call *c, const struct block *b);
/** rpc_skip_to: run the transactions before that one, untraced */
bool rpc_skip_to(struct chain_replay *r, struct tracer *t, struct rpc_call *c, size_t index);
/** rpc_trace_next: the next transaction, traced and written; with a tracer that undoes it, run once more for those behind it, if it goes on */
bool rpc_trace_next(struct chain_replay *r, struct tracer *t, struct rpc_call *c, bool goes_on);
/** rpc_find_mined: the block of a mined transaction, and where in it. An unknown one is an error. */
bool rpc_find_mined(struct block *b, size_t *index, struct rpc_call *c, const hash32 *hash);

#endif
