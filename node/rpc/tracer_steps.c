/* tracer_steps.c: the struct logger: each opcode with gas, stack, memory and the slots of its contract, as geth writes them. */
#include "node/rpc/tracers_priv.h"
#include "node/state/state.h"

/* SPEC(execution APIs, StructLog): words of memory and storage are 32 bytes with 0x; those of the stack are quantities */
static void hex_word(char dst[static 67], const u256 *w)
{
    uint8_t be[32];
    u256_to_be(be, w);
    memcpy(dst, "0x", 2);
    hex_put(dst + 2, be, 32);
    dst[66] = 0;
}

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
    struct traced_account *a = touched_account(t, &s->self);
    struct traced_slot *slot = a != NULL ? touched_slot(t, a, key) : NULL;
    if (slot == NULL) return;
    if (s->op == OP_SSTORE) slot->after = s->stack[s->n_stack - 2];
    else if (state_get_storage(t->state, &s->self, key, &slot->after) != OK) return;
    jo_key(b, "storage");
    jo_open(b, '{');
    for (const struct traced_slot *p = a->slots; p != NULL; p = p->next) {
        char k[67], v[67];
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
    for (size_t i = 0; i + 32 <= memory.len; i += 32)
        jo_data(b, bytes_make(memory.ptr + i, 32));
    jo_close(b, ']');
}

void steps_step(struct tracer *t, const struct evm_trace_step *s)
{
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
    jo_str(b, tracer_op_name(s->op));
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

void steps_leave(struct tracer *t, enum evm_outcome outcome)
{
    /* the step that broke its frame */
    if (t->is_step_open && t->step_depth == t->depth && outcome != EVM_SUCCESS && outcome != EVM_REVERT) {
        jo_key(t->c->out, "error");
        jo_str(t->c->out, evm_outcome_text(outcome));
    }
    t->depth--;
}

void steps_put(struct tracer *t, const struct tracer_facts *f)
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
