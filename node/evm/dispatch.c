/* The loop. One handler per kind of instruction; each ends by jumping to the next one's (threaded dispatch). The top of the stack, the
 * gas left and the instruction pointer are locals; they are written to the frame only where code outside of this file reads them. */
#include "node/evm/evm_priv.h"

#pragma GCC diagnostic ignored "-Wpedantic" /* labels as values */

static ALWAYS_INLINE void store_be(uint8_t *dst, const u256 *v)
{
    u256_to_be(dst, v);
}

static ALWAYS_INLINE void sign_extend(u256 *x, const u256 *k)
{
    if (!u256_is_u64(k) || k->w[0] >= 31) return;
    const unsigned limb = (unsigned)k->w[0] / 8, shift = 56 - 8 * ((unsigned)k->w[0] % 8);
    const int64_t v = (int64_t)(x->w[limb] << shift) >> shift;
    const uint64_t fill = (uint64_t)(v >> 63);
    x->w[limb] = (uint64_t)v;
    for (unsigned i = limb + 1; i < 4; i++) x->w[i] = fill;
}

static ALWAYS_INLINE bool signed_lt(u256 a, u256 b)
{
    a.w[3] ^= (uint64_t)1 << 63;
    b.w[3] ^= (uint64_t)1 << 63;
    return u256_lt(&a, &b);
}

static ALWAYS_INLINE u256 word_from_bool(bool b)
{
    return (u256){{b, 0, 0, 0}};
}

static void load_call_data(u256 *word, bytes input)
{
    const uint64_t off = u256_to_u64_sat(word);
    if (off >= input.len) {
        *word = U256_ZERO;
    } else if (input.len - off >= 32) {
        *word = u256_from_be(input.ptr + off);
    } else {
        uint8_t padded[32] = {0};
        memcpy(padded, input.ptr + off, input.len - off);
        *word = u256_from_be(padded);
    }
}

/* check_step: exact mode: gas and stack of one opcode, in the order in which they are to fail */
static enum evm_outcome check_step(struct evm *e, struct frame *f, uint64_t pc, const u256 *sp)
{
    const uint8_t op = pc < f->code.len ? f->code.ptr[pc] : (uint8_t)OP_STOP;
    const struct op_info *info = &e->sched->op[op];
    trace_step(e, f, pc, op, sp, f->gas);
    if (!info->is_on) return EVM_INVALID_OPCODE;
    const int64_t height = sp - f->bottom;
    if (height < info->pops) return EVM_STACK_UNDERFLOW;
    if (height + info->pushes - info->pops > EVM_STACK_MAX) return EVM_STACK_OVERFLOW;
    f->gas -= info->gas;
    return f->gas < 0 ? EVM_OUT_OF_GAS : EVM_SUCCESS;
}

/* A range of 32 bytes (or n) at a word's offset lies in memory already. */
#define IN_MEMORY(off, n)                                                                          \
    likely((((off)->w[1] | (off)->w[2] | (off)->w[3] | (off)->w[0] >> 42) == 0) &&                 \
           (off)->w[0] + (n) <= f->mem_len)

#define DISPATCH() goto *ip->handler
#define NEXT()                                                                                     \
    do {                                                                                           \
        ip++;                                                                                      \
        DISPATCH();                                                                                \
    } while (0)
#define FAIL(o)                                                                                    \
    do {                                                                                           \
        outcome = (o);                                                                             \
        goto ended;                                                                                \
    } while (0)
/* OUT: an operation outside; sees and moves the gas in the frame */
#define OUT(call)                                                                                  \
    do {                                                                                           \
        f->gas = gas;                                                                              \
        outcome = (call);                                                                          \
        gas = f->gas;                                                                              \
        if (unlikely(outcome != EVM_SUCCESS)) goto ended;                                          \
    } while (0)
#define BINARY(name, expr)                                                                         \
    op_##name:                                                                                     \
    {                                                                                              \
        const u256 *a = sp, *b = sp - 1;                                                           \
        sp[-1] = (expr);                                                                           \
        sp--;                                                                                      \
        NEXT();                                                                                    \
    }
#define PUSH(name, expr)                                                                           \
    op_##name:                                                                                     \
    {                                                                                              \
        sp[1] = (expr);                                                                            \
        sp++;                                                                                      \
        NEXT();                                                                                    \
    }
/* OUTSIDE: an opcode of ops.c that leaves the stack `moves` words higher */
#define OUTSIDE(name, fn, moves)                                                                   \
    op_##name : OUT(fn);                                                                           \
    sp += (moves);                                                                                 \
    NEXT();
#define DUP(n)                                                                                     \
    op_DUP##n : sp[1] = sp[1 - (n)];                                                               \
    sp++;                                                                                          \
    NEXT();
#define SWAP(n)                                                                                    \
    op_SWAP##n:                                                                                    \
    {                                                                                              \
        const u256 tmp = sp[0];                                                                    \
        sp[0] = sp[-(n)];                                                                          \
        sp[-(n)] = tmp;                                                                            \
        NEXT();                                                                                    \
    }
/* FRAME: opcodes that may enter another frame */
#define FRAME(name, fn)                                                                            \
    op_##name : f->ip = ip + 1;                                                                    \
    f->sp = sp;                                                                                    \
    OUT(fn(e, OP_##name));                                                                         \
    goto enter;
#define TIMES_16(M) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9) M(10) M(11) M(12) M(13) M(14) M(15) M(16)

/* run: e NULL gives the table of handlers, else runs. */
static HOT const void *const *run(struct evm *e)
{
#define DUP_LABEL(n) [OP_DUP##n] = &&op_DUP##n,
#define SWAP_LABEL(n) [OP_SWAP##n] = &&op_SWAP##n,
#define L(name) [OP_##name] = &&op_##name
#define X(name) [H_##name] = &&h_##name,
    static const void *const labels[H_N] = {
        L(STOP), L(ADD), L(MUL), L(SUB), L(DIV), L(SDIV), L(MOD), L(SMOD), L(ADDMOD), L(MULMOD), L(EXP),
        L(SIGNEXTEND), L(LT), L(GT), L(SLT), L(SGT), L(EQ), L(ISZERO), L(AND), L(OR), L(XOR), L(NOT), L(BYTE),
        L(SHL), L(SHR), L(SAR), L(KECCAK256), L(ADDRESS), L(BALANCE), L(ORIGIN), L(CALLER), L(CALLVALUE),
        L(CALLDATALOAD), L(CALLDATASIZE), L(CALLDATACOPY), L(CODESIZE), L(CODECOPY), L(GASPRICE), L(EXTCODESIZE),
        L(EXTCODECOPY), L(RETURNDATASIZE), L(RETURNDATACOPY), L(EXTCODEHASH), L(BLOCKHASH), L(COINBASE),
        L(TIMESTAMP), L(NUMBER), L(PREVRANDAO), L(GASLIMIT), L(CHAINID), L(SELFBALANCE), L(BASEFEE), L(BLOBHASH),
        L(BLOBBASEFEE), L(POP), L(MLOAD), L(MSTORE), L(MSTORE8), L(SLOAD), L(SSTORE), L(JUMP), L(JUMPI), L(MSIZE),
        L(GAS), L(TLOAD), L(TSTORE), L(MCOPY), TIMES_16(DUP_LABEL) TIMES_16(SWAP_LABEL) L(LOG0), L(LOG1), L(LOG2),
        L(LOG3), L(LOG4), L(CREATE), L(CALL), L(CALLCODE), L(RETURN), L(DELEGATECALL), L(CREATE2), L(STATICCALL),
        L(REVERT), L(INVALID), L(SELFDESTRUCT),
        EVM_HANDLERS(X)
    };
#undef X
    if (e == NULL) return labels;

    enum evm_outcome outcome;
    const struct insn *ip;
    u256 *sp;
    int64_t gas;
    struct frame *f;

enter:
    f = &e->frames[e->top];
    ip = f->ip;
    sp = f->sp;
    gas = f->gas;
    DISPATCH();

h_BLOCK: {
    gas -= ip->block.gas;
    const int64_t height = (const char *)sp - (const char *)f->bottom;
    const int64_t below = height - ip->block.need, above = (int64_t)(EVM_STACK_MAX * sizeof *sp) - height - ip->block.grow;
    if (unlikely((gas | below | above) < 0))
        FAIL(gas < 0 ? EVM_OUT_OF_GAS : below < 0 ? EVM_STACK_UNDERFLOW : EVM_STACK_OVERFLOW);
    NEXT();
}
h_STEP:
    OUT(check_step(e, f, ip->u, sp));
    NEXT();

    BINARY(ADD, u256_add(*a, *b))
    BINARY(MUL, u256_mul(*a, *b))
    BINARY(SUB, u256_sub(*a, *b))
    BINARY(SDIV, u256_sdiv(*a, *b))
    BINARY(SMOD, u256_smod(*a, *b))
    BINARY(LT, word_from_bool(u256_lt(a, b)))
    BINARY(GT, word_from_bool(u256_lt(b, a)))
    BINARY(SLT, word_from_bool(signed_lt(*a, *b)))
    BINARY(SGT, word_from_bool(signed_lt(*b, *a)))
    BINARY(EQ, word_from_bool(u256_eq(a, b)))
    BINARY(AND, ((u256){{a->w[0] & b->w[0], a->w[1] & b->w[1], a->w[2] & b->w[2], a->w[3] & b->w[3]}}))
    BINARY(OR, ((u256){{a->w[0] | b->w[0], a->w[1] | b->w[1], a->w[2] | b->w[2], a->w[3] | b->w[3]}}))
    BINARY(XOR, ((u256){{a->w[0] ^ b->w[0], a->w[1] ^ b->w[1], a->w[2] ^ b->w[2], a->w[3] ^ b->w[3]}}))
    BINARY(SHL, u256_shl(*b, u256_to_u64_sat(a)))
    BINARY(SHR, u256_shr(*b, u256_to_u64_sat(a)))
    BINARY(SAR, u256_sar(*b, u256_to_u64_sat(a)))
op_DIV:
    u256_divmod(&sp[-1], NULL, sp[0], sp[-1]);
    sp--;
    NEXT();
op_MOD:
    u256_divmod(NULL, &sp[-1], sp[0], sp[-1]);
    sp--;
    NEXT();
op_ADDMOD:
    sp[-2] = u256_addmod(sp[0], sp[-1], sp[-2]);
    sp -= 2;
    NEXT();
op_MULMOD:
    sp[-2] = u256_mulmod(sp[0], sp[-1], sp[-2]);
    sp -= 2;
    NEXT();
op_SIGNEXTEND:
    sign_extend(&sp[-1], &sp[0]);
    sp--;
    NEXT();
op_ISZERO:
    sp[0] = word_from_bool(u256_is_zero(&sp[0]));
    NEXT();
op_NOT:
    sp[0] = (u256){{~sp->w[0], ~sp->w[1], ~sp->w[2], ~sp->w[3]}};
    NEXT();
op_BYTE: {
    const uint64_t i = u256_to_u64_sat(&sp[0]);
    const uint64_t v = i < 32 ? (sp[-1].w[3 - i / 8] >> (8 * (7 - i % 8))) & 0xff : 0;
    sp[-1] = u256_from_u64(v);
    sp--;
    NEXT();
}
    OUTSIDE(EXP, op_exp(e, f, sp), -1)
    OUTSIDE(KECCAK256, op_keccak256(e, f, sp), -1)

    PUSH(ADDRESS, word_from_address(&f->self))
    PUSH(ORIGIN, word_from_address(&e->tx->origin))
    PUSH(CALLER, word_from_address(&f->sender))
    PUSH(CALLVALUE, f->value)
    PUSH(CALLDATASIZE, u256_from_u64(f->input.len))
    PUSH(CODESIZE, u256_from_u64(f->code.len))
    PUSH(GASPRICE, e->tx->gas_price)
    PUSH(RETURNDATASIZE, u256_from_u64(e->ret_len))
    PUSH(COINBASE, word_from_address(&e->block->author))
    PUSH(TIMESTAMP, u256_from_u64(e->block->timestamp))
    PUSH(NUMBER, u256_from_u64(e->block->number))
    PUSH(PREVRANDAO, e->block->difficulty)
    PUSH(GASLIMIT, u256_from_u64(e->block->gas_limit))
    PUSH(CHAINID, u256_from_u64(e->block->chain_id))
    PUSH(BASEFEE, e->block->base_fee)
    PUSH(BLOBBASEFEE, e->block->blob_base_fee)
    PUSH(MSIZE, u256_from_u64(f->mem_len))
    PUSH(GAS, u256_from_u64((uint64_t)gas))
op_CALLDATALOAD:
    load_call_data(sp, f->input);
    NEXT();
op_BLOBHASH: {
    const uint64_t i = u256_to_u64_sat(&sp[0]);
    sp[0] = i < e->tx->n_blob_hashes ? word_from_hash(&e->tx->blob_hashes[i]) : U256_ZERO;
    NEXT();
}
    OUTSIDE(BALANCE, op_balance(e, f, sp), 0)
    OUTSIDE(SELFBALANCE, op_selfbalance(e, f, sp), 1)
    OUTSIDE(EXTCODESIZE, op_extcodesize(e, f, sp), 0)
    OUTSIDE(EXTCODEHASH, op_extcodehash(e, f, sp), 0)
    OUTSIDE(EXTCODECOPY, op_extcodecopy(e, f, sp), -4)
    OUTSIDE(CALLDATACOPY, op_copy(e, f, sp, f->input), -3)
    OUTSIDE(CODECOPY, op_copy(e, f, sp, f->code), -3)
    OUTSIDE(RETURNDATACOPY, op_returndatacopy(e, f, sp), -3)
    OUTSIDE(MCOPY, op_mcopy(e, f, sp), -3)
    OUTSIDE(BLOCKHASH, op_blockhash(e, f, sp), 0)
    OUTSIDE(SLOAD, op_sload(e, f, sp), 0)
    OUTSIDE(SSTORE, op_sstore(e, f, sp), -2)
    OUTSIDE(TLOAD, op_tload(e, f, sp), 0)
    OUTSIDE(TSTORE, op_tstore(e, f, sp), -2)
    OUTSIDE(LOG0, op_log(e, f, sp, 0), -2)
    OUTSIDE(LOG1, op_log(e, f, sp, 1), -3)
    OUTSIDE(LOG2, op_log(e, f, sp, 2), -4)
    OUTSIDE(LOG3, op_log(e, f, sp, 3), -5)
    OUTSIDE(LOG4, op_log(e, f, sp, 4), -6)

op_POP:
    sp--;
    NEXT();
op_MLOAD:
    if (!IN_MEMORY(sp, 32)) OUT(memory_need(e, f, sp, &(u256){{32}}));
    sp[0] = u256_from_be(f->mem + sp->w[0]);
    NEXT();
op_MSTORE:
    if (!IN_MEMORY(sp, 32)) OUT(memory_need(e, f, sp, &(u256){{32}}));
    store_be(f->mem + sp->w[0], &sp[-1]);
    sp -= 2;
    NEXT();
op_MSTORE8:
    if (!IN_MEMORY(sp, 1)) OUT(memory_need(e, f, sp, &U256_ONE));
    f->mem[sp->w[0]] = (uint8_t)sp[-1].w[0];
    sp -= 2;
    NEXT();

h_PUSH_WORD:
    sp[1] = u256_from_u64(ip->u);
    sp++;
    NEXT();
h_PUSH_WIDE:
    memcpy(&sp[1], ip + 1, sizeof *sp);
    sp++;
    ip += 3;
    DISPATCH();
    TIMES_16(DUP)
    TIMES_16(SWAP)

op_JUMPI:
    if (u256_is_zero(&sp[-1])) {
        sp -= 2;
        NEXT();
    }
    sp[-1] = sp[0];
    sp--;
op_JUMP: {
    const uint64_t pc = u256_to_u64_sat(sp--);
    const struct evm_code *tr = f->tr;
    if (unlikely(pc >= tr->text.len)) FAIL(EVM_BAD_JUMP);
    const uint32_t at = tr->entry[pc];
    if (likely(at > 1)) {
        ip = &tr->insns[at];
    } else {
        ip = code_entry(e, f->tr, pc);
        if (ip == NULL) FAIL(EVM_BAD_JUMP);
    }
    if (unlikely(*e->cancel)) goto cancelled;
    DISPATCH();
}
    /* A static jump is resolved when it is first taken, and rewritten. */
h_JUMPI_LINK:
    if (u256_is_zero(sp)) {
        sp--;
        NEXT();
    }
h_JUMP_LINK: {
    const struct insn *to = code_entry(e, f->tr, ip->u);
    if (to == NULL) FAIL(EVM_BAD_JUMP);
    struct insn *at = &f->tr->insns[ip - f->tr->insns];
    at->handler = labels[ip->handler == &&h_JUMP_LINK ? H_JUMP_TO : H_JUMPI_TO];
    at->ptr = to;
    DISPATCH();
}
h_JUMPI_TO:
    if (u256_is_zero(sp)) {
        sp--;
        NEXT();
    }
    sp--;
h_JUMP_TO: {
    const struct insn *to = ip->ptr;
    if (to <= ip && unlikely(*e->cancel)) goto cancelled;
    ip = to;
    DISPATCH();
}
h_GOTO:
    ip = ip->ptr;
    DISPATCH();

    FRAME(CREATE, frame_create)
    FRAME(CALL, frame_call)
    FRAME(CALLCODE, frame_call)
    FRAME(DELEGATECALL, frame_call)
    FRAME(CREATE2, frame_create)
    FRAME(STATICCALL, frame_call)
op_RETURN:
    OUT(op_return(e, f, sp));
    FAIL(EVM_SUCCESS);
op_REVERT:
    OUT(op_return(e, f, sp));
    FAIL(EVM_REVERT);
op_STOP:
    e->ret_len = 0;
    FAIL(EVM_SUCCESS);
op_SELFDESTRUCT:
    OUT(op_selfdestruct(e, f, sp));
    e->ret_len = 0;
    FAIL(EVM_SUCCESS);
op_INVALID:
    FAIL(EVM_INVALID_OPCODE);

cancelled:
    outcome = evm_host_failed(e, E_CANCELLED);
ended:
    f->gas = gas;
    if (frame_end(e, outcome)) goto enter;
    return NULL;
}

void dispatch_run(struct evm *e)
{
    if (run(e) != NULL) BUG("the loop returned a table");
}

const void *const *dispatch_labels(void)
{
    return run(NULL);
}
