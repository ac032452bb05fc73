/* tracers.h: what happened inside a transaction, recorded while it runs and written as debug_* and trace_* answer it.
 *
 *     struct tracer t;
 *     if (!tracer_init(&t, c, config)) return false;         the second parameter of debug_traceTransaction
 *     tracer_begin(&t, state, number);                       state: before the transaction; number: its block's
 *     ... run it with tracer_hooks(&t); a run that fails: tracer_fail(&t, status)
 *     if (!tracer_end(&t, &facts)) return false;             one JSON value is in c->out
 *
 * Tracers that tell what there was before undo the transaction (t.has_undone): whoever goes on to the next one runs it again. A run stops
 * when the answer is full, or the request has traced for RPC_TRACE_MS_MAX. */
#ifndef NODE_RPC_TRACERS_H
#define NODE_RPC_TRACERS_H

#include "node/rpc/rpc_priv.h"

enum tracer_kind { TRACER_STRUCT_LOGS, TRACER_CALLS, TRACER_PRESTATE, TRACER_FLAT, TRACER_PARITY, TRACER_SELECTORS, TRACER_NOTHING };

/* what trace_call and its like are asked for */
enum { WANT_TRACE = 1, WANT_VM = 2, WANT_STATE = 4 };

/* one call, creation or self-destruction; in the arena of the request */
struct traced_call {
    struct traced_call *parent, *first, *last, *next; /* children, then sibling */
    size_t n_children;
    uint8_t op;
    address from, to, code_address;
    u256 value;
    uint64_t gas, gas_used;
    bytes input, output;
    enum evm_outcome outcome;
    struct traced_log *logs, *last_log;
};

struct traced_log {
    struct traced_log *next;
    address addr;
    size_t n_topics;
    hash32 topics[4];
    bytes data;
    uint64_t index;
    size_t position; /* calls of the frame before it */
};

struct traced_account;
struct traced_slot;
struct vm_frame;

/* accounts and slots, each once; found by hash */
struct touched_set {
    struct traced_account *list; /* newest first */
    struct traced_account **accounts;
    struct traced_slot **slots;
    size_t n_accounts, cap_accounts, n_slots, cap_slots;
    uint64_t salt[5];
};

struct tracer {
    struct rpc_call *c;
    struct arena *a;
    enum tracer_kind kind;
    struct evm_tracer hooks;
    struct state *state;
    uint64_t number;
    bool failed; /* out of memory */
    bool has_undone;
    uint32_t n_looked; /* steps and calls since the clock was looked at */
    /* struct logs */
    bool no_storage, no_stack, with_memory, with_return_data, is_step_open;
    uint64_t limit, n_steps;
    int depth, step_depth;
    /* calls */
    bool only_top, with_logs;
    size_t skip_depth;
    struct traced_call *root, *at;
    uint64_t n_logs, first_log; /* of the block, so far; before the transaction */
    uint64_t *log_marks;        /* n_logs when each open call began: one that fails takes its logs along */
    size_t n_marks;
    /* Parity's objects: WANT_* */
    unsigned wants;
    const hash32 *hash; /* the transaction's, in the object; or NULL */
    struct vm_frame *vm, *vm_spare;
    bool is_vm_open, is_destroying;
    /* prestate, stateDiff; of struct logs: slots that each contract touched */
    bool diff, no_code, no_slots;
    int snapshot;
    struct touched_set touched;
};

/* what is known of the transaction apart from its run */
struct tracer_facts {
    const struct tx *tx;
    const struct receipt *receipt;
    const struct evm_result *result;
    const address *author;
    /* the flat form only: where it stands */
    const hash32 *block_hash;
    size_t index;
    bool has_place;
};

/** tracer_init: config: {tracer, tracerConfig, ...} or NULL.  ret false after rpc_fail: no such tracer */
bool tracer_init(struct tracer *t, struct rpc_call *c, const json_t *config);
/** tracer_init_flat: calls for the flat form, whatever the request says */
void tracer_init_flat(struct tracer *t, struct rpc_call *c);
/** tracer_init_parity: an object with output, stateDiff, trace and vmTrace; those of `wants` are filled */
void tracer_init_parity(struct tracer *t, struct rpc_call *c, unsigned wants);
/** tracer_init_touched: accounts and slots that the opcodes of its runs, however many, touched are in t->touched; no tracer_begin, no tracer_end */
void tracer_init_touched(struct tracer *t, struct rpc_call *c);
const struct evm_tracer *tracer_hooks(const struct tracer *t);
void tracer_begin(struct tracer *t, struct state *s, uint64_t number);
bool tracer_end(struct tracer *t, const struct tracer_facts *f);
/** tracer_fail: the run, or what there is of its trace, did not come off.  ret false, always */
bool tracer_fail(struct tracer *t, enum status s);
/** tracer_put_flat: the calls as entries of an open array, each accepted by `keep` (NULL: all). path: its traceAddress */
typedef bool (*flat_filter)(void *ctx, const struct traced_call *call, const size_t *path, size_t depth);
void tracer_put_flat(struct tracer *t, const struct tracer_facts *f, flat_filter keep, void *ctx);
/** traced_created: does the call make a contract */
bool traced_is_create(const struct traced_call *call);

#endif
