#include "node/rpc/tracers_priv.h"

#include "node/state/state.h"

enum { LOOK_EVERY = 4096 }; /* steps or calls between two looks at the clock */

const char *tracer_op_name(uint8_t op)
{
    static const char *const names[256] = {
#define X(number, name, gas, pops, pushes, since) [number] = #name,
#include "node/evm/opcodes.def"
#undef X
    };
    return names[op] != NULL ? names[op] : "INVALID";
}

void *tracer_take(struct tracer *t, size_t len)
{
    void *p = arena_zalloc(t->a, 1, len);
    if (p == NULL) t->failed = true;
    return p;
}

bytes tracer_keep(struct tracer *t, bytes b)
{
    if (b.len == 0) return BYTES_EMPTY;
    bytes copy = arena_copy(t->a, b);
    if (copy.ptr == NULL) t->failed = true;
    return copy;
}

/* ------------------------------------------------------------------ bounds */

bool tracer_look(struct tracer *t)
{
    if (t->failed || buf_status(t->c->out) != OK || (++t->n_looked % LOOK_EVERY == 0 && rpc_is_out_of_time(t->c->w))) {
        t->c->w->stop_run = true;
        evm_ask(t->c->w->evm);
    }
    return !t->c->w->stop_run;
}

bool tracer_fail(struct tracer *t, enum status s)
{
    struct rpc_call *c = t->c;
    c->w->stop_run = false;
    if (buf_status(c->out) != OK) return rpc_fail(c, RPC_LIMIT, "the trace is larger than %d bytes: ask for less", RPC_RESPONSE_MAX);
    if (t->failed || s == E_NOMEM) return rpc_fail(c, RPC_LIMIT, "the trace needs more than %d bytes of memory: ask for less", RPC_ARENA_MAX);
    return rpc_fail_status(c, s, "trace");
}

/* ------------------------------------------------------------------ what the EVM tells */

static void on_step(void *ctx, const struct evm_trace_step *s)
{
    struct tracer *t = ctx;
    if (!tracer_look(t)) return;
    switch (t->kind) {
    case TRACER_STRUCT_LOGS: steps_step(t, s); break;
    case TRACER_CALLS: calls_step(t, s); break;
    case TRACER_PRESTATE: prestate_step(t, s); break;
    case TRACER_PARITY:
        if ((t->wants & WANT_VM) != 0) vm_step(t, s);
        if ((t->wants & WANT_STATE) != 0) prestate_step(t, s);
        break;
    case TRACER_FLAT:
    case TRACER_SELECTORS:
    case TRACER_NOTHING: break;
    }
}

static void on_enter(void *ctx, const struct evm_trace_call *e)
{
    struct tracer *t = ctx;
    (void)tracer_look(t);
    switch (t->kind) {
    case TRACER_STRUCT_LOGS: t->depth = e->depth; break;
    case TRACER_CALLS:
    case TRACER_SELECTORS:
    case TRACER_FLAT: calls_enter(t, e); break;
    case TRACER_PRESTATE: prestate_enter(t, e); break;
    case TRACER_PARITY:
        if ((t->wants & WANT_TRACE) != 0) calls_enter(t, e);
        if ((t->wants & WANT_VM) != 0) vm_enter(t, e);
        if ((t->wants & WANT_STATE) != 0) prestate_enter(t, e);
        break;
    case TRACER_NOTHING: break;
    }
}

static void on_leave(void *ctx, enum evm_outcome outcome, uint64_t gas_used, bytes output)
{
    struct tracer *t = ctx;
    switch (t->kind) {
    case TRACER_STRUCT_LOGS: steps_leave(t, outcome); break;
    case TRACER_CALLS:
    case TRACER_SELECTORS:
    case TRACER_FLAT: calls_leave(t, outcome, gas_used, output); break;
    case TRACER_PARITY:
        if ((t->wants & WANT_TRACE) != 0) calls_leave(t, outcome, gas_used, output);
        if ((t->wants & WANT_VM) != 0) vm_leave(t, outcome);
        break;
    case TRACER_PRESTATE:
    case TRACER_NOTHING: break;
    }
}

/* a run that nobody asks for its steps is a fast one */
static bool wants_steps(const struct tracer *t)
{
    switch (t->kind) {
    case TRACER_STRUCT_LOGS:
    case TRACER_PRESTATE: return true;
    case TRACER_CALLS: return t->with_logs;
    case TRACER_PARITY: return (t->wants & (WANT_VM | WANT_STATE)) != 0;
    case TRACER_FLAT:
    case TRACER_SELECTORS:
    case TRACER_NOTHING: break;
    }
    return false;
}

static void set_hooks(struct tracer *t)
{
    t->hooks = (struct evm_tracer){.ctx = t, .step = wants_steps(t) ? on_step : NULL};
    if (t->kind != TRACER_NOTHING) {
        t->hooks.enter = on_enter;
        t->hooks.leave = on_leave;
    }
}

/* ------------------------------------------------------------------ the whole */

static bool flag(const json_t *o, const char *key)
{
    return json_is_true(json_object_get(o, key));
}

bool tracer_init(struct tracer *t, struct rpc_call *c, const json_t *config)
{
    *t = (struct tracer){.c = c, .a = c->a, .kind = TRACER_STRUCT_LOGS};
    if (config != NULL && !json_is_object(config)) return rpc_fail(c, RPC_BAD_PARAMS, "invalid trace configuration: wants an object");
    const json_t *name = json_object_get(config, "tracer"), *o = json_object_get(config, "tracerConfig"), *limit = json_object_get(config, "limit");
    static const struct {
        const char *name;
        enum tracer_kind kind;
    } known[] = {{"callTracer", TRACER_CALLS}, {"prestateTracer", TRACER_PRESTATE}, {"flatCallTracer", TRACER_FLAT}, {"4byteTracer", TRACER_SELECTORS}, {"noopTracer", TRACER_NOTHING}};
    if (json_is_string(name) && json_string_length(name) > 0) {
        size_t i = 0;
        while (i < COUNT_OF(known) && strcmp(known[i].name, json_string_value(name)) != 0)
            i++;
        if (i == COUNT_OF(known))
            return rpc_fail(c, RPC_SERVER, "tracer not found: there are callTracer, prestateTracer, flatCallTracer, 4byteTracer, noopTracer, and struct logs without a name");
        t->kind = known[i].kind;
    }
    if (limit != NULL && !json_is_null(limit) && !value_u64(&t->limit, c, limit, "limit")) return false;
    t->no_storage = flag(config, "disableStorage");
    t->no_stack = flag(config, "disableStack");
    t->with_memory = flag(config, "enableMemory");
    t->with_return_data = flag(config, "enableReturnData");
    t->only_top = flag(o, "onlyTopCall");
    t->with_logs = flag(o, "withLog");
    t->diff = flag(o, "diffMode");
    t->no_code = flag(o, "disableCode");
    t->no_slots = flag(o, "disableStorage");
    set_hooks(t);
    return true;
}

void tracer_init_flat(struct tracer *t, struct rpc_call *c)
{
    *t = (struct tracer){.c = c, .a = c->a, .kind = TRACER_FLAT};
    set_hooks(t);
}

void tracer_init_parity(struct tracer *t, struct rpc_call *c, unsigned wants)
{
    *t = (struct tracer){.c = c, .a = c->a, .kind = TRACER_PARITY, .wants = wants};
    set_hooks(t);
}

void tracer_init_touched(struct tracer *t, struct rpc_call *c)
{
    *t = (struct tracer){.c = c, .a = c->a, .kind = TRACER_PRESTATE};
    set_hooks(t);
    t->hooks.enter = NULL;
    t->hooks.leave = NULL;
}

const struct evm_tracer *tracer_hooks(const struct tracer *t)
{
    return &t->hooks;
}

void tracer_begin(struct tracer *t, struct state *s, uint64_t number)
{
    struct buf *b = t->c->out;
    t->state = s;
    t->number = number;
    t->failed = t->has_undone = t->is_step_open = t->is_vm_open = t->is_destroying = false;
    t->n_steps = t->n_marks = 0;
    t->n_logs = t->first_log;
    t->log_marks = t->with_logs && t->kind == TRACER_CALLS ? tracer_take(t, LOG_MARKS_MAX * sizeof *t->log_marks) : NULL;
    t->depth = 0;
    t->skip_depth = 0;
    t->touched = (struct touched_set){.list = NULL};
    t->root = t->at = NULL;
    t->vm = t->vm_spare = NULL;
    t->c->w->stop_run = false;
    if (t->kind == TRACER_PRESTATE || (t->wants & WANT_STATE) != 0) t->snapshot = state_snapshot(s);
    if (t->kind == TRACER_STRUCT_LOGS) {
        jo_open(b, '{');
        jo_key(b, "structLogs");
        jo_open(b, '[');
    }
    if (t->kind == TRACER_PARITY) {
        jo_open(b, '{');
        jo_key(b, "vmTrace"); /* written as it runs */
    }
}

static enum status put_parity(struct tracer *t, const struct tracer_facts *f)
{
    struct buf *b = t->c->out;
    enum status s = OK;
    if (!t->is_vm_open) jo_null(b);
    jo_key(b, "output");
    jo_data(b, f->result->output);
    jo_key(b, "trace");
    jo_open(b, '[');
    if ((t->wants & WANT_TRACE) != 0) tracer_put_flat(t, f, NULL, NULL);
    jo_close(b, ']');
    jo_key(b, "stateDiff");
    if ((t->wants & WANT_STATE) != 0) s = state_diff_put(t, f);
    else jo_null(b);
    if (t->hash != NULL) {
        jo_key(b, "transactionHash");
        jo_hash(b, t->hash);
    }
    jo_close(b, '}');
    return s;
}

bool tracer_end(struct tracer *t, const struct tracer_facts *f)
{
    struct buf *b = t->c->out;
    enum status s = t->failed ? E_NOMEM : OK;
    t->c->w->stop_run = false;
    if (s == OK) {
        switch (t->kind) {
        case TRACER_STRUCT_LOGS: steps_put(t, f); break;
        case TRACER_CALLS: calls_put(t, f); break;
        case TRACER_FLAT:
            jo_open(b, '[');
            tracer_put_flat(t, f, NULL, NULL);
            jo_close(b, ']');
            break;
        case TRACER_PARITY: s = put_parity(t, f); break;
        case TRACER_SELECTORS: selectors_put(t); break;
        case TRACER_PRESTATE: s = prestate_put(t, f); break;
        case TRACER_NOTHING:
            jo_open(b, '{');
            jo_close(b, '}');
            break;
        }
    }
    if (s == OK && t->failed) s = E_NOMEM;
    return s == OK || tracer_fail(t, s);
}
