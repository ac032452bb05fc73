/* The loop. One handler per kind of instruction; each ends by jumping to the next one's (threaded dispatch). The top of the stack, the
 * gas left and the instruction pointer are locals; they are written to the frame only where code outside of this file reads them.
 * run() is one function, and long, because computed gotos can't leave a function; its cases are independent of each other. */
#include "node/evm/evm_priv.h"

#pragma GCC diagnostic ignored "-Wpedantic" /* labels as values */

/* copy_word: limb by limb. What is copied was mostly just written limb by limb, and wider loads would have to wait until those
 * stores have left the store buffer. */
static ALWAYS_INLINE void copy_word(u256 *dst, const u256 *src)
{
    const uint64_t w0 = src->w[0], w1 = src->w[1], w2 = src->w[2], w3 = src->w[3];
    dst->w[0] = w0;
    dst->w[1] = w1;
    dst->w[2] = w2;
    dst->w[3] = w3;
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

static ALWAYS_INLINE void divide(u256 *dst, const u256 *a, const u256 *b)
{
    if (u256_is_u64(a) && u256_is_u64(b))
        *dst = u256_from_u64(b->w[0] == 0 ? 0 : a->w[0] / b->w[0]);
    else
        u256_div_to(dst, a, b);
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

/* link_jump: a static jump is resolved when it is first reached, and rewritten. */
static void link_jump(struct evm *e, struct evm_code *tr, const struct insn *ip, const void *const *labels, const struct insn *bad)
{
    const uint32_t jump = ip->pair.a, pc = ip->pair.b;
    const struct insn *to = code_entry(e, tr, pc);
    struct insn *at = &tr->insns[ip - tr->insns];
    at->handler = labels[jump];
    at->ptr = to != NULL ? to : bad;
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
/* CHECK_BLOCK: ip is at a block's head */
#define CHECK_BLOCK()                                                                              \
    do {                                                                                           \
        gas -= ip->block.gas;                                                                      \
        const int64_t height_ = (const char *)sp - (const char *)f->bottom;                        \
        const int64_t below_ = height_ - ip->block.need;                                           \
        const int64_t above_ = (int64_t)(EVM_STACK_MAX * sizeof *sp) - height_ - ip->block.grow;   \
        if (unlikely((gas | below_ | above_) < 0)) goto block_failed;                              \
    } while (0)
/* ENTER_BLOCK: go on behind the head of the block at ip */
#define ENTER_BLOCK()                                                                              \
    do {                                                                                           \
        CHECK_BLOCK();                                                                             \
        NEXT();                                                                                    \
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
    op_DUP##n : copy_word(&sp[1], &sp[1 - (n)]);                                                   \
    sp++;                                                                                          \
    NEXT();
#define SWAP(n)                                                                                    \
    op_SWAP##n:                                                                                    \
    {                                                                                              \
        const uint64_t w0 = sp->w[0], w1 = sp->w[1], w2 = sp->w[2], w3 = sp->w[3];                 \
        copy_word(sp, &sp[-(n)]);                                                                  \
        sp[-(n)].w[0] = w0;                                                                        \
        sp[-(n)].w[1] = w1;                                                                        \
        sp[-(n)].w[2] = w2;                                                                        \
        sp[-(n)].w[3] = w3;                                                                        \
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
    static const struct insn bad_jump = {.handler = &&h_BAD_JUMP};
    static const u256 word_len = {{32}};
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

h_BLOCK:
    CHECK_BLOCK();
    NEXT();
h_STEP:
    OUT(check_step(e, f, ip->u, sp));
    NEXT();

    BINARY(ADD, u256_add(*a, *b))
    BINARY(MUL, u256_mul(*a, *b))
    BINARY(SUB, u256_sub(*a, *b))
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
    divide(&sp[-1], &sp[0], &sp[-1]);
    sp--;
    NEXT();
op_MOD:
    u256_mod_to(&sp[-1], &sp[0], &sp[-1]);
    sp--;
    NEXT();
op_SDIV:
    u256_sdiv_to(&sp[-1], &sp[0], &sp[-1]);
    sp--;
    NEXT();
op_SMOD:
    u256_smod_to(&sp[-1], &sp[0], &sp[-1]);
    sp--;
    NEXT();
op_ADDMOD:
    u256_addmod_to(&sp[-2], &sp[0], &sp[-1], &sp[-2]);
    sp -= 2;
    NEXT();
op_MULMOD:
    u256_mulmod_to(&sp[-2], &sp[0], &sp[-1], &sp[-2]);
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
    PUSH(GASLIMIT, unlikely(e->is_boundless) ? U256_MAX : u256_from_u64(e->block->gas_limit))
    PUSH(CHAINID, u256_from_u64(e->block->chain_id))
    PUSH(BASEFEE, e->block->base_fee)
    PUSH(BLOBBASEFEE, e->block->blob_base_fee)
    PUSH(MSIZE, u256_from_u64(f->mem_len))
    PUSH(GAS, unlikely(e->is_boundless) ? u256_add(f->above, u256_from_u64((uint64_t)gas)) : u256_from_u64((uint64_t)gas))
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
    if (!IN_MEMORY(sp, 32)) OUT(memory_need(e, f, sp, &word_len));
    sp[0] = u256_from_be(f->mem + sp->w[0]);
    NEXT();
op_MSTORE:
    if (!IN_MEMORY(sp, 32)) OUT(memory_need(e, f, sp, &word_len));
    u256_to_be(f->mem + sp->w[0], &sp[-1]);
    sp -= 2;
    NEXT();
op_MSTORE8:
    if (!IN_MEMORY(sp, 1)) OUT(memory_need(e, f, sp, &U256_ONE));
    f->mem[sp->w[0]] = (uint8_t)sp[-1].w[0];
    sp -= 2;
    NEXT();

h_PUSH:
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

    /* --- joined opcodes */
#define X(name, expr)                                                                              \
    h_##name:                                                                                      \
    {                                                                                              \
        const u256 *a = sp, *b = sp - 1;                                                           \
        sp[-1] = word_from_bool(expr);                                                             \
        sp--;                                                                                      \
        NEXT();                                                                                    \
    }
    X(NOT_LT, !u256_lt(a, b))
    X(NOT_GT, !u256_lt(b, a))
    X(NOT_SLT, !signed_lt(*a, *b))
    X(NOT_SGT, !signed_lt(*b, *a))
    X(NOT_EQ, !u256_eq(a, b))
#undef X
h_NOT_ISZERO:
    sp[0] = word_from_bool(!u256_is_zero(sp));
    NEXT();
h_PUSH_ADD:
    sp[0] = u256_add(sp[0], u256_from_u64(ip->u));
    NEXT();
h_PUSH_AND:
    sp[0] = u256_from_u64(sp->w[0] & ip->u);
    NEXT();
h_PUSH_EQ:
    sp[0] = word_from_bool(((sp->w[0] ^ ip->u) | sp->w[1] | sp->w[2] | sp->w[3]) == 0);
    NEXT();
h_PUSH_SHL:
    sp[0] = u256_shl(sp[0], ip->u);
    NEXT();
h_PUSH_SHR:
    sp[0] = u256_shr(sp[0], ip->u);
    NEXT();
h_PUSH_MLOAD:
    if (unlikely(ip->u + 32 > f->mem_len)) OUT(memory_grow(e, f, ip->u + 32));
    sp[1] = u256_from_be(f->mem + ip->u);
    sp++;
    NEXT();
h_PUSH_MSTORE:
    if (unlikely(ip->u + 32 > f->mem_len)) OUT(memory_grow(e, f, ip->u + 32));
    u256_to_be(f->mem + ip->u, sp);
    sp--;
    NEXT();
h_AND_WIDE: {
    u256 mask;
    memcpy(&mask, ip + 1, sizeof mask);
    for (unsigned i = 0; i < 4; i++) sp->w[i] &= mask.w[i];
    ip += 3;
    DISPATCH();
}
h_POPS:
    sp -= ip->u;
    NEXT();
h_POP_UNDER:
    copy_word(sp - ip->u, sp);
    sp--;
    NEXT();
h_PUSH_DUP:
    sp[1] = u256_from_u64(ip->pair.b);
    copy_word(&sp[2], sp + 2 - ip->pair.a);
    sp += 2;
    NEXT();
h_DUP_PUSH:
    copy_word(&sp[1], sp + 1 - ip->pair.a);
    sp[2] = u256_from_u64(ip->pair.b);
    sp += 2;
    NEXT();
h_PUSH_PUSH:
    sp[1] = u256_from_u64(ip->pair.a);
    sp[2] = u256_from_u64(ip->pair.b);
    sp += 2;
    NEXT();
h_POP_PUSH:
    sp[0] = u256_from_u64(ip->u);
    NEXT();
#define X(name, expr)                                                                              \
    h_##name:                                                                                      \
    {                                                                                              \
        const u256 *a = sp + 1 - ip->u, *b = sp;                                                   \
        *sp = (expr);                                                                              \
        NEXT();                                                                                    \
    }
    X(DUP_ADD, u256_add(*a, *b))
    X(DUP_SUB, u256_sub(*a, *b))
    X(DUP_MUL, u256_mul(*a, *b))
    X(DUP_AND, ((u256){{a->w[0] & b->w[0], a->w[1] & b->w[1], a->w[2] & b->w[2], a->w[3] & b->w[3]}}))
#undef X
h_DUP_DIV:
    divide(sp, sp + 1 - ip->u, sp);
    NEXT();
h_DUP_MLOAD: {
    const u256 *off = sp + 1 - ip->u;
    if (!IN_MEMORY(off, 32)) OUT(memory_need(e, f, off, &word_len));
    sp[1] = u256_from_be(f->mem + off->w[0]);
    sp++;
    NEXT();
}
h_DUP_MSTORE: {
    const u256 *off = sp + 1 - ip->u;
    if (!IN_MEMORY(off, 32)) OUT(memory_need(e, f, off, &word_len));
    u256_to_be(f->mem + off->w[0], sp);
    sp--;
    NEXT();
}

    /* --- jumps */
h_JUMPI_EXACT:
    if (u256_is_zero(&sp[-1])) {
        sp -= 2;
        NEXT();
    }
    sp[-1] = sp[0];
    sp--;
h_JUMP_EXACT:
    ip = u256_is_u64(sp) ? code_entry(e, f->tr, sp->w[0]) : NULL;
    sp--;
    if (ip == NULL) FAIL(EVM_BAD_JUMP);
    if (evm_must_end(e, 1)) goto cancelled;
    DISPATCH();
op_JUMPI:
    if (u256_is_zero(&sp[-1])) {
        sp -= 2;
        ip++;
        ENTER_BLOCK();
    }
    copy_word(&sp[-1], sp);
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
    if (evm_must_end(e, 1)) goto cancelled;
    ENTER_BLOCK();
}
h_LINK:
    link_jump(e, f->tr, ip, labels, &bad_jump);
    DISPATCH();
h_BAD_JUMP:
    FAIL(EVM_BAD_JUMP);
/* TAKE: jump to where the instruction points; a loop must go back somewhere */
#define TAKE()                                                                                     \
    do {                                                                                           \
        const struct insn *to_ = ip->ptr;                                                          \
        if (to_ <= ip && evm_must_end(e, 1)) goto cancelled;                                       \
        ip = to_;                                                                                  \
        if (unlikely(ip == &bad_jump)) DISPATCH();                                                 \
        ENTER_BLOCK();                                                                             \
    } while (0)
#define JUMPI(name, pops, condition)                                                               \
    h_JUMPI_##name:                                                                                \
    {                                                                                              \
        const u256 *a UNUSED = sp, *b UNUSED = sp - 1;                                             \
        const bool yes = (condition);                                                              \
        sp -= (pops);                                                                              \
        if (yes) TAKE();                                                                           \
        ip++;                                                                                      \
        ENTER_BLOCK();                                                                             \
    }
    JUMPI(TO, 1, !u256_is_zero(a))
    JUMPI(ISZERO, 1, u256_is_zero(a))
    JUMPI(NOT_ISZERO, 1, !u256_is_zero(a))
    JUMPI(LT, 2, u256_lt(a, b))
    JUMPI(GT, 2, u256_lt(b, a))
    JUMPI(SLT, 2, signed_lt(*a, *b))
    JUMPI(SGT, 2, signed_lt(*b, *a))
    JUMPI(EQ, 2, u256_eq(a, b))
    JUMPI(NOT_LT, 2, !u256_lt(a, b))
    JUMPI(NOT_GT, 2, !u256_lt(b, a))
    JUMPI(NOT_SLT, 2, !signed_lt(*a, *b))
    JUMPI(NOT_SGT, 2, !signed_lt(*b, *a))
    JUMPI(NOT_EQ, 2, !u256_eq(a, b))
h_JUMP_TO:
    TAKE();
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

block_failed: { /* of gas and stack, what is short; too little gas is told first */
    const int64_t height = (const char *)sp - (const char *)f->bottom;
    FAIL(gas < 0 ? EVM_OUT_OF_GAS : height < ip->block.need ? EVM_STACK_UNDERFLOW : EVM_STACK_OVERFLOW);
}
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
