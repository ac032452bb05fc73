/* tracers_priv.h: what the files of the tracers share: tracers.c chooses, and asks the others, one for each form. */
#ifndef NODE_RPC_TRACERS_PRIV_H
#define NODE_RPC_TRACERS_PRIV_H

#include "node/rpc/tracers.h"

enum { LOG_MARKS_MAX = 1100 }; /* calls nest 1024 deep; a self-destruction counts as one */

enum {
    OP_STOP = 0x00, OP_BALANCE = 0x31, OP_CALLDATACOPY = 0x37, OP_CODECOPY = 0x39, OP_EXTCODESIZE = 0x3b, OP_EXTCODECOPY = 0x3c,
    OP_RETURNDATACOPY = 0x3e, OP_EXTCODEHASH = 0x3f, OP_MLOAD = 0x51, OP_MSTORE = 0x52, OP_MSTORE8 = 0x53, OP_SLOAD = 0x54, OP_SSTORE = 0x55,
    OP_JUMP = 0x56, OP_JUMPI = 0x57, OP_MCOPY = 0x5e, OP_LOG0 = 0xa0, OP_LOG4 = 0xa4, OP_CREATE = 0xf0, OP_CALL = 0xf1, OP_CALLCODE = 0xf2,
    OP_RETURN = 0xf3, OP_DELEGATECALL = 0xf4, OP_CREATE2 = 0xf5, OP_STATICCALL = 0xfa, OP_REVERT = 0xfd, OP_SELFDESTRUCT = 0xff
};

struct traced_slot {
    struct traced_slot *next, *chain; /* of the account; of the hash */
    const struct traced_account *owner;
    u256 key, before, after;
};

struct traced_account {
    struct traced_account *next, *chain;
    address addr;
    struct traced_slot *slots, *last_slot;
    size_t n_slots;
    /* prestate, stateDiff */
    u256 balance, balance_after;
    uint64_t nonce, nonce_after;
    bytes code, code_after; /* the state's */
    bool exists, exists_after;
};

/* ------------------------------------------------------------------ tracers.c */
const char *tracer_op_name(uint8_t op);
/** tracer_take: zeroed memory of the request; NULL, and t->failed, when there is none */
void *tracer_take(struct tracer *t, size_t len);
bytes tracer_keep(struct tracer *t, bytes b);
/** tracer_look: at every step and call: false: the run is to stop, since the answer is full or the time is up */
bool tracer_look(struct tracer *t);

/* ------------------------------------------------------------------ tracer_touched.c: NULL, and t->failed, without memory */
struct traced_account *touched_account(struct tracer *t, const address *a);
struct traced_slot *touched_slot(struct tracer *t, struct traced_account *a, const u256 *key);
/** touched_read: what each of them has now.  after: or before */
MUST_CHECK enum status touched_read(struct tracer *t, bool after);
bool touched_differs(const struct traced_account *a);

/* ------------------------------------------------------------------ tracer_steps.c */
void steps_step(struct tracer *t, const struct evm_trace_step *s);
void steps_leave(struct tracer *t, enum evm_outcome outcome);
void steps_put(struct tracer *t, const struct tracer_facts *f);

/* ------------------------------------------------------------------ tracer_calls.c */
void calls_enter(struct tracer *t, const struct evm_trace_call *e);
void calls_leave(struct tracer *t, enum evm_outcome outcome, uint64_t gas_used, bytes output);
void calls_step(struct tracer *t, const struct evm_trace_step *s);
/* 4byteTracer: {"0xa9059cbb-64": times, ...}: selectors of the calls and the bytes behind them */
void selectors_put(struct tracer *t);
void calls_put(struct tracer *t, const struct tracer_facts *f);

/* ------------------------------------------------------------------ tracer_state.c */
void prestate_step(struct tracer *t, const struct evm_trace_step *s);
void prestate_enter(struct tracer *t, const struct evm_trace_call *e);
MUST_CHECK enum status prestate_put(struct tracer *t, const struct tracer_facts *f);
MUST_CHECK enum status state_diff_put(struct tracer *t, const struct tracer_facts *f);

/* ------------------------------------------------------------------ tracer_vm.c */
void vm_step(struct tracer *t, const struct evm_trace_step *s);
void vm_enter(struct tracer *t, const struct evm_trace_call *e);
void vm_leave(struct tracer *t, enum evm_outcome outcome);

#endif
