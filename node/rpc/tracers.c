#include "node/rpc/tracers.h"

#include "node/rpc/rpc_call.h"

enum {
    OP_BALANCE = 0x31, OP_EXTCODESIZE = 0x3b, OP_EXTCODECOPY = 0x3c, OP_EXTCODEHASH = 0x3f, OP_SLOAD = 0x54, OP_SSTORE = 0x55, OP_LOG0 = 0xa0,
    OP_LOG4 = 0xa4, OP_CREATE = 0xf0, OP_CALL = 0xf1, OP_CALLCODE = 0xf2, OP_DELEGATECALL = 0xf4, OP_CREATE2 = 0xf5, OP_STATICCALL = 0xfa,
    OP_SELFDESTRUCT = 0xff,
    FLAT_DEPTH_MAX = 1026
};

struct traced_slot {
    struct traced_slot *next;
    u256 key, before, after;
};

struct traced_account {
    struct traced_account *next;
    address addr;
    struct traced_slot *slots, *last_slot;
    /* prestate */
    u256 balance, balance_after;
    uint64_t nonce, nonce_after;
    bytes code, code_after;
    bool exists, exists_after;
};

static const char *op_name(uint8_t op)
{
    static const char *const names[256] = {
#define X(number, name, gas, pops, pushes, since) [number] = #name,
#include "node/evm/opcodes.def"
#undef X
    };
    return names[op] != NULL ? names[op] : "INVALID";
}

static void *take(struct tracer *t, size_t len)
{
    void *p = arena_zalloc(t->a, 1, len);
    if (p == NULL) t->failed = true;
    return p;
}

static bytes keep(struct tracer *t, bytes b)
{
    if (b.len == 0) return BYTES_EMPTY;
    bytes copy = arena_copy(t->a, b);
    if (copy.ptr == NULL) t->failed = true;
    return copy;
}

static address word_address(const u256 *w)
{
    uint8_t be[32];
    address a;
    u256_to_be(be, w);
    memcpy(a.b, be + 12, sizeof a.b);
    return a;
}

static void hex_word(char dst[static 65], const u256 *w)
{
    uint8_t be[32];
    u256_to_be(be, w);
    hex_put(dst, be, 32);
    dst[64] = 0;
}

/* ------------------------------------------------------ accounts and slots that were touched */

static struct traced_account *account_of(struct tracer *t, struct traced_account **list, const address *a)
{
    for (struct traced_account *p = *list; p != NULL; p = p->next)
        if (address_eq(&p->addr, a)) return p;
    struct traced_account *p = take(t, sizeof *p);
    if (p == NULL) return NULL;
    p->addr = *a;
    p->next = *list;
    *list = p;
    return p;
}

static struct traced_slot *slot_of(struct tracer *t, struct traced_account *a, const u256 *key)
{
    for (struct traced_slot *p = a->slots; p != NULL; p = p->next)
        if (u256_eq(&p->key, key)) return p;
    struct traced_slot *p = take(t, sizeof *p);
    if (p == NULL) return NULL;
    p->key = *key;
    if (a->last_slot != NULL) a->last_slot->next = p;
    else a->slots = p;
    a->last_slot = p;
    return p;
}

/* ------------------------------------------------------------- struct logs */

static void close_step(struct tracer *t)
{
    if (t->is_step_open) jo_close(t->c->out, '}');
    t->is_step_open = false;
}

/* slots that the contract has read or written so far, this step's among them */
static void put_step_storage(struct tracer *t, const struct evm_trace_step *s)
{
    struct buf *b = t->c->out;
    const u256 *key = &s->stack[s->n_stack - 1];
    struct traced_account *a = account_of(t, &t->seen, &s->self);
    struct traced_slot *slot = a != NULL ? slot_of(t, a, key) : NULL;
    if (slot == NULL) return;
    if (s->op == OP_SSTORE) slot->after = s->stack[s->n_stack - 2];
    else if (state_get_storage(t->state, &s->self, key, &slot->after) != OK) return;
    jo_key(b, "storage");
    jo_open(b, '{');
    for (const struct traced_slot *p = a->slots; p != NULL; p = p->next) {
        char k[65], v[65];
        hex_word(k, &p->key);
        hex_word(v, &p->after);
        jo_key(b, k);
        jo_str(b, v);
    }
    jo_close(b, '}');
}

static void put_memory(struct buf *b, bytes memory)
{
    jo_key(b, "memory");
    jo_open(b, '[');
    for (size_t i = 0; i + 32 <= memory.len; i += 32) {
        char word[65];
        hex_put(word, memory.ptr + i, 32);
        word[64] = 0;
        jo_str(b, word);
    }
    jo_close(b, ']');
}

static void struct_step(void *ctx, const struct evm_trace_step *s)
{
    struct tracer *t = ctx;
    struct buf *b = t->c->out;
    close_step(t);
    if ((t->limit != 0 && t->n_steps >= t->limit) || buf_status(b) != OK) return;
    t->n_steps++;
    t->step_depth = s->depth;
    t->is_step_open = true;
    jo_open(b, '{');
    jo_key(b, "pc");
    jo_dec(b, s->pc);
    jo_key(b, "op");
    jo_str(b, op_name(s->op));
    jo_key(b, "gas");
    jo_dec(b, s->gas);
    jo_key(b, "gasCost");
    jo_dec(b, s->cost);
    jo_key(b, "depth");
    jo_dec(b, (uint64_t)s->depth);
    if (s->refund > 0) {
        jo_key(b, "refund");
        jo_dec(b, (uint64_t)s->refund);
    }
    if (!t->no_stack) {
        jo_key(b, "stack");
        jo_open(b, '[');
        for (size_t i = 0; i < s->n_stack; i++)
            jo_u256(b, &s->stack[i]);
        jo_close(b, ']');
    }
    if (t->with_memory && s->memory.len > 0) put_memory(b, s->memory);
    if (t->with_return_data && s->return_data.len > 0) {
        jo_key(b, "returnData");
        jo_data(b, s->return_data);
    }
    if (!t->no_storage && ((s->op == OP_SLOAD && s->n_stack >= 1) || (s->op == OP_SSTORE && s->n_stack >= 2))) put_step_storage(t, s);
}

static void struct_enter(void *ctx, const struct evm_trace_call *call)
{
    struct tracer *t = ctx;
    t->depth = call->depth;
}

static void struct_leave(void *ctx, enum evm_outcome outcome, uint64_t gas_used, bytes output)
{
    (void)gas_used, (void)output;
    struct tracer *t = ctx;
    /* the step that broke its frame */
    if (t->is_step_open && t->step_depth == t->depth && outcome != EVM_SUCCESS && outcome != EVM_REVERT) {
        jo_key(t->c->out, "error");
        jo_str(t->c->out, evm_outcome_text(outcome));
    }
    t->depth--;
}

static void put_struct_end(struct tracer *t, const struct tracer_facts *f)
{
    struct buf *b = t->c->out;
    close_step(t);
    jo_close(b, ']');
    jo_key(b, "gas");
    jo_dec(b, f->receipt->gas_used);
    jo_key(b, "failed");
    jo_bool(b, f->result->outcome != EVM_SUCCESS);
    jo_key(b, "returnValue");
    jo_data(b, f->result->output);
    jo_close(b, '}');
}

/* ------------------------------------------------------------------- calls */

bool traced_is_create(const struct traced_call *call)
{
    return call->op == OP_CREATE || call->op == OP_CREATE2;
}

static void call_enter(void *ctx, const struct evm_trace_call *e)
{
    struct tracer *t = ctx;
    if (t->failed || t->skip_depth > 0 || (t->only_top && t->root != NULL)) {
        t->skip_depth++;
        return;
    }
    struct traced_call *n = take(t, sizeof *n);
    if (n == NULL) {
        t->skip_depth++;
        return;
    }
    *n = (struct traced_call){.parent = t->at, .op = e->op, .from = e->from, .to = e->to, .code_address = e->code_address, .value = e->value,
                              .gas = e->gas, .input = keep(t, e->input)};
    if (e->op == OP_DELEGATECALL) n->from = e->to; /* shown: who delegates, and to what code */
    if (e->op == OP_DELEGATECALL || e->op == OP_CALLCODE) n->to = e->code_address;
    if (t->at == NULL) {
        t->root = n;
    } else {
        if (t->at->last != NULL) t->at->last->next = n;
        else t->at->first = n;
        t->at->last = n;
        t->at->n_children++;
    }
    t->at = n;
}

static void call_leave(void *ctx, enum evm_outcome outcome, uint64_t gas_used, bytes output)
{
    struct tracer *t = ctx;
    if (t->skip_depth > 0) {
        t->skip_depth--;
        return;
    }
    struct traced_call *n = t->at;
    n->outcome = outcome;
    n->gas_used = gas_used;
    n->output = keep(t, output);
    t->at = n->parent;
}

static void call_step(void *ctx, const struct evm_trace_step *s)
{
    struct tracer *t = ctx;
    if (s->op < OP_LOG0 || s->op > OP_LOG4 || t->at == NULL || t->skip_depth > 0) return;
    const size_t n = s->op - OP_LOG0;
    if (s->n_stack < n + 2) return;
    const u256 *top = &s->stack[s->n_stack - 1];
    if (s->cost > s->gas || !u256_is_u64(&top[0]) || !u256_is_u64(&top[-1])) return; /* it will fail */
    struct traced_log *l = take(t, sizeof *l);
    if (l == NULL) return;
    l->addr = s->self;
    l->n_topics = n;
    for (size_t i = 0; i < n; i++)
        u256_to_be(l->topics[i].b, &top[-2 - (ptrdiff_t)i]);
    const uint64_t from = top[0].w[0], len = top[-1].w[0];
    uint8_t *data = len == 0 ? NULL : take(t, (size_t)len); /* memory that it grows into is zero */
    if (data != NULL && from < s->memory.len) memcpy(data, s->memory.ptr + from, s->memory.len - from < len ? s->memory.len - from : (size_t)len);
    if (data != NULL) l->data = bytes_make(data, (size_t)len);
    l->position = t->at->n_children;
    if (t->at->last_log != NULL) t->at->last_log->next = l;
    else t->at->logs = l;
    t->at->last_log = l;
}

static void put_call_logs(struct tracer *t, const struct traced_call *n)
{
    struct buf *b = t->c->out;
    jo_key(b, "logs");
    jo_open(b, '[');
    for (const struct traced_log *l = n->logs; l != NULL; l = l->next) {
        jo_open(b, '{');
        jo_key(b, "address");
        jo_address(b, &l->addr);
        jo_key(b, "topics");
        jo_open(b, '[');
        for (size_t i = 0; i < l->n_topics; i++)
            jo_hash(b, &l->topics[i]);
        jo_close(b, ']');
        jo_key(b, "data");
        jo_data(b, l->data);
        jo_key(b, "index");
        jo_u64(b, t->n_logs++);
        jo_key(b, "position");
        jo_u64(b, l->position);
        jo_close(b, '}');
    }
    jo_close(b, ']');
}

static void open_call(struct tracer *t, const struct traced_call *n, const struct tracer_facts *f, bool is_reverted)
{
    struct buf *b = t->c->out;
    const bool is_root = n == t->root, ok = n->outcome == EVM_SUCCESS;
    jo_open(b, '{');
    jo_key(b, "from");
    jo_address(b, &n->from);
    jo_key(b, "gas");
    jo_u64(b, is_root ? f->tx->gas_limit : n->gas);
    jo_key(b, "gasUsed");
    jo_u64(b, is_root ? f->receipt->gas_used : n->gas_used);
    if (ok || !traced_is_create(n)) {
        jo_key(b, "to");
        jo_address(b, &n->to);
    }
    jo_key(b, "input");
    jo_data(b, n->input);
    if (n->output.len > 0 && (ok || n->outcome == EVM_REVERT)) {
        jo_key(b, "output");
        jo_data(b, n->output);
    }
    if (!ok) {
        char reason[400];
        jo_key(b, "error");
        jo_str(b, evm_outcome_text(n->outcome));
        if (n->outcome == EVM_REVERT && rpc_revert_reason(reason, sizeof reason, n->output)) {
            jo_key(b, "revertReason");
            jo_str(b, reason);
        }
    }
    if (t->with_logs && n->logs != NULL && !is_reverted) put_call_logs(t, n);
    if (n->op != OP_STATICCALL) {
        jo_key(b, "value");
        jo_u256(b, &n->value);
    }
    jo_key(b, "type");
    jo_str(b, op_name(n->op));
    if (n->first != NULL) {
        jo_key(b, "calls");
        jo_open(b, '[');
    }
}

/* iterative: calls nest a thousand deep */
static void put_calls(struct tracer *t, const struct tracer_facts *f)
{
    struct buf *b = t->c->out;
    size_t reverted = 0; /* how many of the calls that are open did not succeed */
    for (const struct traced_call *n = t->root; n != NULL;) {
        reverted += n->outcome != EVM_SUCCESS;
        open_call(t, n, f, reverted > 0);
        if (n->first != NULL) {
            n = n->first;
            continue;
        }
        for (;;) {
            jo_close(b, '}');
            reverted -= n->outcome != EVM_SUCCESS;
            if (n == t->root) return;
            if (n->next != NULL) {
                n = n->next;
                break;
            }
            n = n->parent;
            jo_close(b, ']');
        }
    }
}

/* ------------------------------------------------------------ Parity's flat form */

static const char *flat_error(enum evm_outcome o)
{
    switch (o) {
    case EVM_REVERT: return "Reverted";
    case EVM_OUT_OF_GAS:
    case EVM_CODE_TOO_LARGE:
    case EVM_INIT_CODE_TOO_LARGE: return "Out of gas";
    case EVM_INVALID_OPCODE:
    case EVM_CODE_PREFIX: return "Bad instruction";
    case EVM_STACK_UNDERFLOW: return "Stack underflow";
    case EVM_STACK_OVERFLOW: return "Out of stack";
    case EVM_BAD_JUMP: return "Bad jump destination";
    case EVM_STATIC_VIOLATION: return "Mutable Call In Static Context";
    case EVM_RETURNDATA_BOUNDS: return "Out of bounds";
    case EVM_PRECOMPILE_FAILURE: return "Built-in failed";
    case EVM_SUCCESS:
    case EVM_DEPTH:
    case EVM_BALANCE:
    case EVM_NONCE_OVERFLOW:
    case EVM_ADDRESS_COLLISION:
    case EVM_HOST_FAILURE: break;
    }
    return evm_outcome_text(o);
}

static const char *call_type(uint8_t op)
{
    return op == OP_CALLCODE ? "callcode" : op == OP_DELEGATECALL ? "delegatecall" : op == OP_STATICCALL ? "staticcall" : "call";
}

static void put_action(struct buf *b, const struct traced_call *n)
{
    jo_key(b, "action");
    jo_open(b, '{');
    if (n->op == OP_SELFDESTRUCT) {
        jo_key(b, "address");
        jo_address(b, &n->from);
        jo_key(b, "balance");
        jo_u256(b, &n->value);
        jo_key(b, "refundAddress");
        jo_address(b, &n->to);
        jo_close(b, '}');
        return;
    }
    if (!traced_is_create(n)) {
        jo_key(b, "callType");
        jo_str(b, call_type(n->op));
    }
    jo_key(b, "from");
    jo_address(b, &n->from);
    jo_key(b, "gas");
    jo_u64(b, n->gas);
    jo_key(b, traced_is_create(n) ? "init" : "input");
    jo_data(b, n->input);
    if (!traced_is_create(n)) {
        jo_key(b, "to");
        jo_address(b, &n->to);
    }
    jo_key(b, "value");
    jo_u256(b, &n->value);
    jo_close(b, '}');
}

static void put_result(struct buf *b, const struct traced_call *n)
{
    if (n->outcome != EVM_SUCCESS) {
        jo_key(b, "error");
        jo_str(b, flat_error(n->outcome));
        return;
    }
    jo_key(b, "result");
    if (n->op == OP_SELFDESTRUCT) {
        jo_null(b);
        return;
    }
    jo_open(b, '{');
    if (traced_is_create(n)) {
        jo_key(b, "address");
        jo_address(b, &n->to);
        jo_key(b, "code");
        jo_data(b, n->output);
    }
    jo_key(b, "gasUsed");
    jo_u64(b, n->gas_used);
    if (!traced_is_create(n)) {
        jo_key(b, "output");
        jo_data(b, n->output);
    }
    jo_close(b, '}');
}

/* As Parity does: a call of a builtin that moves nothing, below the outermost, leaves no trace */
static bool is_silent(const struct tracer *t, const struct traced_call *n, const struct tracer_facts *f)
{
    if (n == t->root || n->op == OP_SELFDESTRUCT || traced_is_create(n)) return false;
    if (n->op != OP_DELEGATECALL && n->op != OP_STATICCALL && !u256_is_zero(&n->value)) return false;
    return rpc_is_precompile(t->c, &n->code_address, f->number);
}

static size_t count_children(const struct tracer *t, const struct traced_call *n, const struct tracer_facts *f)
{
    size_t k = 0;
    for (const struct traced_call *p = n->first; p != NULL; p = p->next)
        k += !is_silent(t, p, f);
    return k;
}

static void put_flat_call(struct tracer *t, const struct traced_call *n, const struct tracer_facts *f, const size_t *path, size_t depth)
{
    struct buf *b = t->c->out;
    jo_open(b, '{');
    put_action(b, n);
    if (f->has_place) {
        jo_key(b, "blockHash");
        jo_hash(b, f->block_hash);
        jo_key(b, "blockNumber");
        jo_dec(b, f->number);
    }
    put_result(b, n);
    jo_key(b, "subtraces");
    jo_dec(b, count_children(t, n, f));
    jo_key(b, "traceAddress");
    jo_open(b, '[');
    for (size_t i = 0; i < depth; i++)
        jo_dec(b, path[i]);
    jo_close(b, ']');
    if (f->has_place) {
        jo_key(b, "transactionHash");
        jo_hash(b, &f->tx->hash);
        jo_key(b, "transactionPosition");
        jo_dec(b, f->index);
    }
    jo_key(b, "type");
    jo_str(b, n->op == OP_SELFDESTRUCT ? "suicide" : traced_is_create(n) ? "create" : "call");
    jo_close(b, '}');
}

void tracer_put_flat(struct tracer *t, const struct tracer_facts *f, flat_filter filter, void *ctx)
{
    size_t path[FLAT_DEPTH_MAX] = {0}, depth = 0;
    for (const struct traced_call *n = t->root; n != NULL && buf_status(t->c->out) == OK;) {
        const bool silent = is_silent(t, n, f);
        if (!silent && (filter == NULL || filter(ctx, n))) put_flat_call(t, n, f, path, depth);
        if (n->first != NULL && !silent && depth + 1 < FLAT_DEPTH_MAX) {
            path[depth++] = 0;
            n = n->first;
            continue;
        }
        while (n != t->root && n->next == NULL) {
            n = n->parent;
            depth--;
        }
        if (n == t->root) return;
        if (!is_silent(t, n, f)) path[depth - 1]++;
        n = n->next;
    }
}

/* ---------------------------------------------------------------- prestate */

static void touch(struct tracer *t, const address *a)
{
    (void)account_of(t, &t->accounts, a);
}

static void prestate_step(void *ctx, const struct evm_trace_step *s)
{
    struct tracer *t = ctx;
    size_t back;
    switch (s->op) {
    case OP_SLOAD:
    case OP_SSTORE: {
        struct traced_account *a = s->n_stack >= 1 ? account_of(t, &t->accounts, &s->self) : NULL;
        if (a != NULL) (void)slot_of(t, a, &s->stack[s->n_stack - 1]);
        return;
    }
    case OP_BALANCE:
    case OP_EXTCODESIZE:
    case OP_EXTCODECOPY:
    case OP_EXTCODEHASH:
    case OP_SELFDESTRUCT: back = 1; break;
    case OP_CALL:
    case OP_CALLCODE:
    case OP_DELEGATECALL:
    case OP_STATICCALL: back = 2; break;
    default: return;
    }
    if (s->n_stack < back) return;
    address a = word_address(&s->stack[s->n_stack - back]);
    touch(t, &a);
}

static void prestate_enter(void *ctx, const struct evm_trace_call *e)
{
    struct tracer *t = ctx;
    touch(t, &e->from);
    touch(t, &e->to);
    touch(t, &e->code_address);
}

static enum status read_account(struct tracer *t, struct traced_account *a, bool after)
{
    struct state_account acc;
    bool exists;
    bytes code;
    enum status s = state_get_account(t->state, &a->addr, &acc, &exists);
    if (s == OK) s = state_get_code(t->state, &a->addr, &code);
    if (s != OK) return s;
    *(after ? &a->exists_after : &a->exists) = exists;
    *(after ? &a->balance_after : &a->balance) = acc.balance;
    *(after ? &a->nonce_after : &a->nonce) = acc.nonce;
    *(after ? &a->code_after : &a->code) = keep(t, code);
    for (struct traced_slot *p = a->slots; s == OK && p != NULL; p = p->next)
        s = state_get_storage(t->state, &a->addr, &p->key, after ? &p->after : &p->before);
    return s;
}

static void put_slots(struct tracer *t, const struct traced_account *a, bool after)
{
    struct buf *b = t->c->out;
    bool any = false;
    for (const struct traced_slot *p = a->slots; p != NULL && !t->no_slots; p = p->next) {
        const bool differs = !u256_eq(&p->before, &p->after);
        if (t->diff && (!differs || u256_is_zero(after ? &p->after : &p->before))) continue;
        char k[67] = "0x", v[67] = "0x";
        hex_word(k + 2, &p->key);
        hex_word(v + 2, after ? &p->after : &p->before);
        if (!any) {
            jo_key(b, "storage");
            jo_open(b, '{');
        }
        any = true;
        jo_key(b, k);
        jo_str(b, v);
    }
    if (any) jo_close(b, '}');
}

static bool account_differs(const struct traced_account *a)
{
    if (!u256_eq(&a->balance, &a->balance_after) || a->nonce != a->nonce_after || !bytes_eq(a->code, a->code_after)) return true;
    for (const struct traced_slot *p = a->slots; p != NULL; p = p->next)
        if (!u256_eq(&p->before, &p->after)) return true;
    return false;
}

static void put_prestate_account(struct tracer *t, const struct traced_account *a, bool after)
{
    struct buf *b = t->c->out;
    char key[43];
    address_put(key, &a->addr);
    jo_key(b, key);
    jo_open(b, '{');
    /* after: what changed; before: what there was */
    const bool all = !after;
    const u256 *balance = after ? &a->balance_after : &a->balance;
    const uint64_t nonce = after ? a->nonce_after : a->nonce;
    const bytes code = after ? a->code_after : a->code;
    if (all || !u256_eq(&a->balance, &a->balance_after)) {
        jo_key(b, "balance");
        jo_u256(b, balance);
    }
    if (code.len > 0 && !t->no_code && (all || !bytes_eq(a->code, a->code_after))) {
        jo_key(b, "code");
        jo_data(b, code);
    }
    if (nonce > 0 && (all || a->nonce != a->nonce_after)) {
        jo_key(b, "nonce");
        jo_dec(b, nonce);
    }
    put_slots(t, a, after);
    jo_close(b, '}');
}

static enum status put_prestate(struct tracer *t, const struct tracer_facts *f)
{
    struct buf *b = t->c->out;
    enum status s = OK;
    touch(t, &f->tx->sender);
    if (f->tx->has_to) touch(t, &f->tx->to);
    if (f->author != NULL) touch(t, f->author);
    for (struct traced_account *a = t->accounts; s == OK && a != NULL; a = a->next)
        s = read_account(t, a, true);
    state_revert(t->state, t->snapshot);
    t->has_undone = true;
    for (struct traced_account *a = t->accounts; s == OK && a != NULL; a = a->next)
        s = read_account(t, a, false);
    if (s != OK) return s;
    jo_open(b, '{');
    if (t->diff) {
        jo_key(b, "pre");
        jo_open(b, '{');
    }
    for (const struct traced_account *a = t->accounts; a != NULL; a = a->next)
        if (!t->diff || (a->exists && account_differs(a))) put_prestate_account(t, a, false);
    if (t->diff) {
        jo_close(b, '}');
        jo_key(b, "post");
        jo_open(b, '{');
        for (const struct traced_account *a = t->accounts; a != NULL; a = a->next)
            if (a->exists_after && account_differs(a)) put_prestate_account(t, a, true);
        jo_close(b, '}');
    }
    jo_close(b, '}');
    return OK;
}

/* ------------------------------------------------------------------- the whole */

static bool flag(const json_t *o, const char *key)
{
    return json_is_true(json_object_get(o, key));
}

static void set_hooks(struct tracer *t)
{
    t->hooks = (struct evm_tracer){.ctx = t};
    switch (t->kind) {
    case TRACER_STRUCT_LOGS:
        t->hooks.step = struct_step;
        t->hooks.enter = struct_enter;
        t->hooks.leave = struct_leave;
        break;
    case TRACER_CALLS:
    case TRACER_FLAT:
        t->hooks.enter = call_enter;
        t->hooks.leave = call_leave;
        if (t->with_logs) t->hooks.step = call_step;
        break;
    case TRACER_PRESTATE:
        t->hooks.step = prestate_step;
        t->hooks.enter = prestate_enter;
        break;
    case TRACER_NOTHING: break;
    }
}

bool tracer_init(struct tracer *t, struct rpc_call *c, const json_t *config)
{
    *t = (struct tracer){.c = c, .a = c->a, .kind = TRACER_STRUCT_LOGS};
    if (config != NULL && !json_is_object(config)) return rpc_fail(c, RPC_BAD_PARAMS, "invalid trace configuration: wants an object");
    const json_t *name = json_object_get(config, "tracer"), *o = json_object_get(config, "tracerConfig"), *limit = json_object_get(config, "limit");
    static const struct {
        const char *name;
        enum tracer_kind kind;
    } known[] = {{"callTracer", TRACER_CALLS}, {"prestateTracer", TRACER_PRESTATE}, {"flatCallTracer", TRACER_FLAT}, {"noopTracer", TRACER_NOTHING}};
    if (json_is_string(name) && json_string_length(name) > 0) {
        size_t i = 0;
        while (i < COUNT_OF(known) && strcmp(known[i].name, json_string_value(name)) != 0)
            i++;
        if (i == COUNT_OF(known))
            return rpc_fail(c, RPC_SERVER, "tracer not found: there are callTracer, prestateTracer, flatCallTracer, noopTracer, and struct logs without a name");
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

const struct evm_tracer *tracer_hooks(const struct tracer *t)
{
    return &t->hooks;
}

void tracer_begin(struct tracer *t, struct state *s)
{
    t->state = s;
    t->failed = t->has_undone = t->is_step_open = false;
    t->n_steps = t->n_logs = 0;
    t->depth = 0;
    t->skip_depth = 0;
    t->seen = t->accounts = NULL;
    t->root = t->at = NULL;
    if (t->kind == TRACER_PRESTATE) t->snapshot = state_snapshot(s);
    if (t->kind == TRACER_STRUCT_LOGS) {
        jo_open(t->c->out, '{');
        jo_key(t->c->out, "structLogs");
        jo_open(t->c->out, '[');
    }
}

bool tracer_end(struct tracer *t, const struct tracer_facts *f)
{
    struct buf *b = t->c->out;
    enum status s = t->failed ? E_NOMEM : OK;
    if (s == OK) {
        switch (t->kind) {
        case TRACER_STRUCT_LOGS: put_struct_end(t, f); break;
        case TRACER_CALLS: put_calls(t, f); break;
        case TRACER_FLAT:
            if (t->wrapped) {
                jo_open(b, '{');
                jo_key(b, "output");
                jo_data(b, f->result->output);
                jo_key(b, "stateDiff");
                jo_null(b);
                jo_key(b, "trace");
            }
            jo_open(b, '[');
            tracer_put_flat(t, f, NULL, NULL);
            jo_close(b, ']');
            if (t->wrapped && t->wrap_hash != NULL) {
                jo_key(b, "transactionHash");
                jo_hash(b, t->wrap_hash);
            }
            if (t->wrapped) {
                jo_key(b, "vmTrace");
                jo_null(b);
                jo_close(b, '}');
            }
            break;
        case TRACER_PRESTATE: s = put_prestate(t, f); break;
        case TRACER_NOTHING:
            jo_open(b, '{');
            jo_close(b, '}');
            break;
        }
    }
    if (s == OK && t->failed) s = E_NOMEM;
    return s == OK || rpc_fail_status(t->c, s, "trace");
}
