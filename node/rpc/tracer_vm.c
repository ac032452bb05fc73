/* tracer_vm.c: Parity's vmTrace: each operation with what it did.
 *
 *     {"code": "0x...", "ops": [{"pc": 0, "cost": 3, "sub": null, "ex": {"mem": null, "push": ["0x1"], "store": null, "used": 78997}}, ...]}
 *
 * `used` is the gas that is left behind it; `cost` has what a call or creation gives on; `push` the words that it left on the stack, those of DUP and
 * SWAP from the deepest that they reach; `mem` what it wrote, {"off", "data"} (MLOAD: what it read); `store` {"key", "val"}; `sub` the same for the
 * frame that it opened. An operation that fails has "ex": null; what is no operation, or finds too few words or too many, is not listed, nor is the
 * end of the code. So each is written once the next one in its frame shows what it did. */
#include "node/rpc/tracers_priv.h"
#include "node/state/state.h"

struct vm_frame {
    struct vm_frame *up; /* of a spare one: the next */
    bytes code;
    bool is_empty, is_open; /* nothing runs in it; its "ops" stand open in the answer */
    /* the operation in progress */
    bool has_op, is_op_open;
    uint8_t op;
    uint64_t pc, gas, cost;
    uint64_t mem_off, mem_len;
    u256 key, value;
};

static const struct {
    uint8_t pops, pushes;
} shape[256] = {
#define X(number, name, gas, pops, pushes, since) [number] = {pops, pushes},
#include "node/evm/opcodes.def"
#undef X
};

/* SPEC(EIP-7702): what runs where a designator stands */
static bytes code_at(struct tracer *t, const address *a)
{
    bytes code = BYTES_EMPTY;
    address delegate;
    if (state_get_code(t->state, a, &code) != OK) return BYTES_EMPTY; /* the run fails by it too */
    if (code.len != 3 + sizeof delegate.b || memcmp(code.ptr, "\xef\x01\x00", 3) != 0) return code;
    memcpy(delegate.b, code.ptr + 3, sizeof delegate.b);
    return state_get_code(t->state, &delegate, &code) == OK ? code : BYTES_EMPTY;
}

static void open_op(struct buf *b, struct vm_frame *f)
{
    jo_open(b, '{');
    jo_key(b, "pc");
    jo_dec(b, f->pc);
    jo_key(b, "cost");
    jo_dec(b, f->cost);
    jo_key(b, "sub");
    f->is_op_open = true;
}

static void open_frame(struct tracer *t, struct vm_frame *f)
{
    struct buf *b = t->c->out;
    if (f->up != NULL) open_op(b, f->up);
    else t->is_vm_open = true;
    jo_open(b, '{');
    jo_key(b, "code");
    jo_data(b, f->code);
    jo_key(b, "ops");
    jo_open(b, '[');
    f->is_open = true;
}

/* what stands on the stack and in memory behind it: after NULL: it ended its frame */
static void put_ex(struct tracer *t, const struct vm_frame *f, const struct evm_trace_step *after)
{
    struct buf *b = t->c->out;
    jo_open(b, '{');
    jo_key(b, "mem");
    if (after != NULL && f->mem_len > 0 && f->mem_off <= after->memory.len && f->mem_len <= after->memory.len - f->mem_off) {
        jo_open(b, '{');
        jo_key(b, "data");
        jo_data(b, bytes_make(after->memory.ptr + f->mem_off, f->mem_len));
        jo_key(b, "off");
        jo_dec(b, f->mem_off);
        jo_close(b, '}');
    } else {
        jo_null(b);
    }
    jo_key(b, "push");
    jo_open(b, '[');
    const size_t n = after != NULL && shape[f->op].pushes <= after->n_stack ? shape[f->op].pushes : 0;
    for (size_t i = 0; i < n; i++)
        jo_u256(b, &after->stack[after->n_stack - n + i]);
    jo_close(b, ']');
    jo_key(b, "store");
    if (f->op == OP_SSTORE) {
        jo_open(b, '{');
        jo_key(b, "key");
        jo_u256(b, &f->key);
        jo_key(b, "val");
        jo_u256(b, &f->value);
        jo_close(b, '}');
    } else {
        jo_null(b);
    }
    jo_key(b, "used");
    jo_dec(b, after != NULL ? after->gas : f->gas - f->cost);
    jo_close(b, '}');
}

static void close_op(struct tracer *t, struct vm_frame *f, bool is_done, const struct evm_trace_step *after)
{
    struct buf *b = t->c->out;
    if (!f->is_op_open) {
        open_op(b, f);
        jo_null(b); /* "sub" */
    }
    jo_key(b, "ex");
    if (is_done) put_ex(t, f, after);
    else jo_null(b);
    jo_close(b, '}');
    f->has_op = f->is_op_open = false;
}

/* the range of memory that it writes, by words from the top of the stack */
static void note_memory(struct vm_frame *f, const struct evm_trace_step *s, size_t off, size_t len)
{
    const u256 *top = &s->stack[s->n_stack - 1], *o = top - off, *n = top - len;
    if (!u256_is_u64(o) || !u256_is_u64(n)) return;
    f->mem_off = o->w[0];
    f->mem_len = n->w[0];
}

static void note_operands(struct vm_frame *f, const struct evm_trace_step *s)
{
    const u256 *top = &s->stack[s->n_stack - 1];
    f->mem_len = 0;
    switch (s->op) {
    case OP_MLOAD:
    case OP_MSTORE:
    case OP_MSTORE8:
        note_memory(f, s, 0, 0);
        f->mem_len = s->op == OP_MSTORE8 ? 1 : 32;
        return;
    case OP_CALLDATACOPY:
    case OP_CODECOPY:
    case OP_RETURNDATACOPY:
    case OP_MCOPY: note_memory(f, s, 0, 2); return;
    case OP_EXTCODECOPY: note_memory(f, s, 1, 3); return;
    case OP_CALL:
    case OP_CALLCODE: note_memory(f, s, 5, 6); return;
    case OP_DELEGATECALL:
    case OP_STATICCALL: note_memory(f, s, 4, 5); return;
    case OP_SSTORE:
        f->key = top[0];
        f->value = top[-1];
        return;
    default: return;
    }
}

void vm_step(struct tracer *t, const struct evm_trace_step *s)
{
    struct vm_frame *f = t->vm;
    if (f == NULL || buf_status(t->c->out) != OK) return;
    if (!f->is_open) open_frame(t, f);
    if (f->has_op) close_op(t, f, true, s);
    if (s->pc >= f->code.len) return;
    f->has_op = true;
    f->op = s->op;
    f->pc = s->pc;
    f->gas = s->gas;
    f->cost = s->cost;
    f->mem_len = 0;
    if (s->n_stack >= shape[s->op].pops) note_operands(f, s);
}

void vm_enter(struct tracer *t, const struct evm_trace_call *e)
{
    if (e->op == OP_SELFDESTRUCT) {
        t->is_destroying = true;
        return;
    }
    struct vm_frame *f = t->vm_spare;
    if (f != NULL) t->vm_spare = f->up;
    else f = tracer_take(t, sizeof *f);
    if (f == NULL) return;
    const bool is_create = e->op == OP_CREATE || e->op == OP_CREATE2;
    struct state_account acc;
    bool exists = true;
    *f = (struct vm_frame){.up = t->vm, .code = is_create ? tracer_keep(t, e->input) : code_at(t, &e->code_address)};
    if (!is_create && f->code.len == 0 && state_get_account(t->state, &e->code_address, &acc, &exists) != OK) exists = false;
    f->is_empty = !exists || (!is_create && rpc_is_precompile(t->c, &e->code_address, t->number));
    if (is_create && f->up != NULL) f->up->cost += e->gas;
    t->vm = f;
}

/* the last operation ended its frame, well or not: did it do its part */
static bool is_done(const struct vm_frame *f, enum evm_outcome outcome)
{
    if (f->cost > f->gas) return false;
    switch (f->op) {
    case OP_STOP:
    case OP_RETURN: /* what came of it as code is another matter */
    case OP_REVERT:
    case OP_JUMP: /* to a bad place */
    case OP_JUMPI: return true;
    default: return outcome == EVM_SUCCESS;
    }
}

void vm_leave(struct tracer *t, enum evm_outcome outcome)
{
    struct vm_frame *f = t->vm;
    if (t->is_destroying || f == NULL) {
        t->is_destroying = false;
        return;
    }
    const bool is_listed = outcome != EVM_INVALID_OPCODE && outcome != EVM_STACK_UNDERFLOW && outcome != EVM_STACK_OVERFLOW;
    const bool has_begun = outcome != EVM_DEPTH && outcome != EVM_BALANCE && outcome != EVM_NONCE_OVERFLOW && outcome != EVM_ADDRESS_COLLISION;
    if (f->has_op && is_listed) close_op(t, f, is_done(f, outcome), NULL);
    if (!f->is_open && !f->is_empty && has_begun) open_frame(t, f);
    if (f->is_open) {
        jo_close(t->c->out, ']');
        jo_close(t->c->out, '}');
    }
    t->vm = f->up;
    f->up = t->vm_spare;
    t->vm_spare = f;
}
