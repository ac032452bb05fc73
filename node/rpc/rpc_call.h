/* rpc_call.h: what rpc_eth_call.c gives to traces. */
#ifndef NODE_RPC_RPC_CALL_H
#define NODE_RPC_RPC_CALL_H

#include "node/chain/execute.h"
#include "node/rpc/rpc_priv.h"

struct tracer;

/** rpc_revert_reason: Error(string) or Panic(uint256) in revert data, as text; false if it is neither */
bool rpc_revert_reason(char *dst, size_t cap, bytes data);
/* call_args: a call object */
struct call_args {
    struct tx tx;
    bool has_gas, has_price, has_nonce;
    u256 price;
};
/* all: false after rpc_fail */
bool rpc_parse_call(struct call_args *a, struct rpc_call *c, const json_t *o);
bool rpc_apply_overrides(struct rpc_call *c, struct state *st, const json_t *o);
bool rpc_apply_block_overrides(struct rpc_call *c, struct exec_env *env, const json_t *o);
/** rpc_move_precompiles: of the same state overrides (NULL: none) */
bool rpc_move_precompiles(struct rpc_call *c, struct exec_env *env, const json_t *o);

/** rpc_trace_call: run the call object of parameter 0 on the block of parameter block_arg under the tracer; the answer is written. */
bool rpc_trace_call(struct rpc_call *c, struct tracer *t, size_t block_arg, const json_t *overrides, const json_t *block_overrides);
/** rpc_trace_calls: pairs of call object and types, one on top of the other; an array of wrapped traces is written. */
bool rpc_trace_calls(struct rpc_call *c, const json_t *calls, size_t block_arg);
/** rpc_trace_raw: a signed transaction on the latest block, without sending it */
bool rpc_trace_raw(struct rpc_call *c, struct tracer *t, bytes raw);
/** rpc_trace_types: ["trace", "vmTrace", "stateDiff"] of trace_call and its like, as WANT_*; NULL: the calls */
bool rpc_trace_types(unsigned *wants, struct rpc_call *c, const json_t *types);

#endif
