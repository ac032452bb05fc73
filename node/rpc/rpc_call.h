/* rpc_call.h: what rpc_eth_call.c gives to traces. */
#ifndef NODE_RPC_RPC_CALL_H
#define NODE_RPC_RPC_CALL_H

#include "node/rpc/rpc_priv.h"

struct tracer;

/** rpc_revert_reason: Error(string) or Panic(uint256) in revert data, as text; false if it is neither */
bool rpc_revert_reason(char *dst, size_t cap, bytes data);
bool rpc_is_precompile(struct rpc_call *c, const address *a, uint64_t number);
/** rpc_trace_call: run the call object of parameter 0 on the block of parameter 1 under the tracer; the answer is written. */
bool rpc_trace_call(struct rpc_call *c, struct tracer *t, const json_t *overrides, const json_t *block_overrides);

#endif
