/* tracers.h: what happened inside a transaction, recorded while it runs and written as debug_* and trace_* answer it.
 *
 *     struct tracer t;
 *     if (!tracer_init(&t, c, config)) return false;         the second parameter of debug_traceTransaction
 *     tracer_begin(&t, state);                               state: before the transaction
 *     ... run it with tracer_hooks(&t) ...
 *     if (!tracer_end(&t, &facts)) return false;             one JSON value is in c->out
 *
 * A prestate tracer undoes the transaction (t.has_undone): whoever goes on to the next one runs it again. */
#ifndef NODE_RPC_TRACERS_H
#define NODE_RPC_TRACERS_H

#include "node/rpc/rpc_priv.h"

enum tracer_kind { TRACER_STRUCT_LOGS, TRACER_CALLS, TRACER_PRESTATE, TRACER_FLAT, TRACER_NOTHING };

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

struct tracer {
    struct rpc_call *c;
    struct arena *a;
    enum tracer_kind kind;
    struct evm_tracer hooks;
    struct state *state;
    bool failed; /* out of memory */
    bool has_undone;
    /* struct logs */
    bool no_storage, no_stack, with_memory, with_return_data, is_step_open;
    uint64_t limit, n_steps;
    int depth, step_depth;
    struct traced_account *seen; /* slots that each contract touched */
    /* calls */
    bool only_top, with_logs;
    size_t skip_depth;
    struct traced_call *root, *at;
    uint64_t n_logs;
    bool wrapped; /* flat: in an object with the output beside it, as trace_call answers */
    const hash32 *wrap_hash; /* and the transaction's hash; or NULL */
    /* prestate */
    bool diff, no_code, no_slots;
    int snapshot;
    struct traced_account *accounts;
};

/* what is known of the transaction apart from its run */
struct tracer_facts {
    const struct tx *tx;
    const struct receipt *receipt;
    const struct evm_result *result;
    const address *author;
    /* the flat form only: where it stands */
    const hash32 *block_hash;
    uint64_t number;
    size_t index;
    bool has_place;
};

/** tracer_init: config: {tracer, tracerConfig, ...} or NULL.  ret false after rpc_fail: no such tracer */
bool tracer_init(struct tracer *t, struct rpc_call *c, const json_t *config);
/** tracer_init_flat: calls for the flat form, whatever the request says */
void tracer_init_flat(struct tracer *t, struct rpc_call *c);
const struct evm_tracer *tracer_hooks(const struct tracer *t);
void tracer_begin(struct tracer *t, struct state *s);
bool tracer_end(struct tracer *t, const struct tracer_facts *f);
/** tracer_put_flat: the calls as entries of an open array, each accepted by `keep` (NULL: all); *n counts them. */
typedef bool (*flat_filter)(void *ctx, const struct traced_call *call);
void tracer_put_flat(struct tracer *t, const struct tracer_facts *f, flat_filter keep, void *ctx);
/** traced_created: does the call make a contract */
bool traced_is_create(const struct traced_call *call);

#endif
