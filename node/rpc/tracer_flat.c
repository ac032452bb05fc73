/* tracer_flat.c: the tree of calls in Parity's flat form. */
#include "node/rpc/rpc_call.h"
#include "node/rpc/tracers_priv.h"

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
    if (traced_is_create(n)) {
        jo_key(b, "creationMethod");
        jo_str(b, n->op == OP_CREATE2 ? "create2" : "create");
    } else {
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

/* As Parity does: below the outermost, a call of a builtin that moves nothing leaves no trace, nor does one that can't begin */
static bool is_silent(const struct tracer *t, const struct traced_call *n)
{
    if (n == t->root || n->op == OP_SELFDESTRUCT) return false;
    if (n->outcome == EVM_DEPTH || n->outcome == EVM_BALANCE || n->outcome == EVM_NONCE_OVERFLOW) return true;
    if (traced_is_create(n)) return false;
    if (n->op != OP_DELEGATECALL && n->op != OP_STATICCALL && !u256_is_zero(&n->value)) return false;
    return rpc_is_precompile(t->c, &n->code_address, t->number);
}

static size_t count_children(const struct tracer *t, const struct traced_call *n)
{
    size_t k = 0;
    for (const struct traced_call *p = n->first; p != NULL; p = p->next)
        k += !is_silent(t, p);
    return k;
}

static void put_flat_call(struct tracer *t, const struct traced_call *n, const struct tracer_facts *f, const size_t *path, size_t depth)
{
    struct buf *b = t->c->out;
    const bool has_place = f->has_place && t->kind != TRACER_PARITY; /* what is replayed tells it beside the traces */
    jo_open(b, '{');
    put_action(b, n);
    if (has_place) {
        jo_key(b, "blockHash");
        jo_hash(b, f->block_hash);
        jo_key(b, "blockNumber");
        jo_dec(b, t->number);
    }
    put_result(b, n);
    jo_key(b, "subtraces");
    jo_dec(b, count_children(t, n));
    jo_key(b, "traceAddress");
    jo_open(b, '[');
    for (size_t i = 0; i < depth; i++)
        jo_dec(b, path[i]);
    jo_close(b, ']');
    if (has_place) {
        jo_key(b, "transactionHash");
        jo_hash(b, &f->tx->hash);
        jo_key(b, "transactionPosition");
        jo_dec(b, f->index);
    }
    jo_key(b, "type");
    jo_str(b, n->op == OP_SELFDESTRUCT ? "suicide" : traced_is_create(n) ? "create" : "call");
    jo_close(b, '}');
}

enum { FLAT_DEPTH_MAX = 1026 };

void tracer_put_flat(struct tracer *t, const struct tracer_facts *f, flat_filter filter, void *ctx)
{
    size_t path[FLAT_DEPTH_MAX] = {0}, depth = 0;
    for (const struct traced_call *n = t->root; n != NULL && buf_status(t->c->out) == OK;) {
        const bool silent = is_silent(t, n);
        if (!silent && (filter == NULL || filter(ctx, n, path, depth))) put_flat_call(t, n, f, path, depth);
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
        if (!is_silent(t, n)) path[depth - 1]++;
        n = n->next;
    }
}
