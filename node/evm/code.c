/* Translation of bytecode, block by block as blocks are reached, and the cache of translations. */
#include "node/evm/evm_priv.h"

/* At most a check and an operation per byte, a check and a GOTO per stretch, and a closing STOP; pages are taken as they fill. */
#define INSNS_MAX(len) (3 * (len) + 8)
#define BLOCK_GAS_MAX ((uint32_t)1 << 30)

bool code_is_delegation(address *to, bytes code)
{
    static const uint8_t prefix[3] = {0xef, 0x01, 0x00};
    if (code.len != EVM_DELEGATION_LEN || memcmp(code.ptr, prefix, sizeof prefix) != 0) return false;
    memcpy(to->b, code.ptr + sizeof prefix, sizeof to->b);
    return true;
}

/* --- translation */

struct translator {
    const struct evm *e;
    struct evm_code *c;
    uint64_t pc;
    uint32_t block; /* index of the open block's BLOCK */
    uint32_t gas;
    int64_t height, need, grow; /* words, relative to the height at the block's begin */
    unsigned last;              /* handler of the block's last instruction, at n_insns - 1; 0: none that may be joined */
};

static struct insn *emit(struct translator *t, unsigned handler)
{
    struct insn *i = &t->c->insns[t->c->n_insns++];
    i->handler = t->e->labels[handler];
    i->u = 0;
    return i;
}

static void open_block(struct translator *t)
{
    t->block = t->c->n_insns;
    emit(t, H_BLOCK);
    t->gas = 0;
    t->height = t->need = t->grow = 0;
    t->last = 0;
}

/* limits are kept in bytes of stack, which fit 16 bits once cut to just over what a stack holds */
static uint16_t stack_bytes(int64_t words)
{
    return (uint16_t)(32 * (words > EVM_STACK_MAX ? EVM_STACK_MAX + 1 : words));
}

static void close_block(struct translator *t)
{
    struct insn *i = &t->c->insns[t->block];
    i->block.gas = t->gas;
    i->block.need = stack_bytes(t->need);
    i->block.grow = stack_bytes(t->grow);
}

static void count_op(struct translator *t, const struct op_info *info)
{
    t->gas += info->gas;
    if (info->pops - t->height > t->need) t->need = info->pops - t->height;
    t->height += info->pushes - info->pops;
    if (t->height > t->grow) t->grow = t->height;
}

static bool is_push(uint8_t op)
{
    return (uint8_t)(op - OP_PUSH1) < 32;
}

static bool ends_code_path(uint8_t op)
{
    return op == OP_STOP || op == OP_JUMP || op == OP_RETURN || op == OP_REVERT || op == OP_SELFDESTRUCT;
}

/* What looks at the gas left must come last in its block; after JUMPI another block begins anyway. */
static bool ends_block(uint8_t op)
{
    return op == OP_JUMPI || op == OP_GAS || op == OP_SSTORE || op == OP_CREATE || op == OP_CALL || op == OP_CALLCODE ||
           op == OP_DELEGATECALL || op == OP_CREATE2 || op == OP_STATICCALL;
}

/* push_value: the operand of the PUSH at pc; code that ends too early reads as zeros. */
static u256 push_value(bytes text, uint64_t pc)
{
    const size_t n = (size_t)(text.ptr[pc] - OP_PUSH1) + 1;
    const size_t have = text.len - pc - 1 < n ? text.len - pc - 1 : n;
    uint8_t be[32] = {0};
    memcpy(be + 32 - n, text.ptr + pc + 1, have);
    return u256_from_be(be);
}

/* --- joining of neighbours: fewer, larger steps. Gas and stack have been counted for each opcode by itself. */

static struct insn *last_insn(struct translator *t)
{
    return &t->c->insns[t->c->n_insns - 1];
}

static void set_last(struct translator *t, unsigned handler)
{
    last_insn(t)->handler = t->e->labels[handler];
    t->last = handler;
}

static void append(struct translator *t, unsigned handler, uint64_t u)
{
    emit(t, handler)->u = u;
    t->last = t->c->is_exact ? 0 : handler;
}

static bool is_dup(unsigned handler)
{
    return handler >= OP_DUP1 && handler <= OP_DUP16;
}

static unsigned negated(unsigned handler)
{
    switch (handler) {
    case OP_LT: return H_NOT_LT;
    case OP_GT: return H_NOT_GT;
    case OP_SLT: return H_NOT_SLT;
    case OP_SGT: return H_NOT_SGT;
    case OP_EQ: return H_NOT_EQ;
    case OP_ISZERO: return H_NOT_ISZERO;
    case H_NOT_ISZERO: return OP_ISZERO;
    default: return 0;
    }
}

/* with_jumpi: JUMPI right behind a comparison */
static unsigned with_jumpi(unsigned handler)
{
    switch (handler) {
#define X(name)                                                                                    \
    case OP_##name: return H_JUMPI_##name;                                                         \
    case H_NOT_##name: return H_JUMPI_NOT_##name;
        X(LT)
        X(GT)
        X(SLT)
        X(SGT)
        X(EQ)
        X(ISZERO)
#undef X
    default: return H_JUMPI_TO;
    }
}

/* push_with, dup_with: PUSH or DUP and the operation behind it */
static unsigned push_with(uint8_t op, uint64_t value)
{
    switch (op) {
    case OP_ADD: return H_PUSH_ADD;
    case OP_AND: return H_PUSH_AND;
    case OP_EQ: return H_PUSH_EQ;
    case OP_SHL: return H_PUSH_SHL;
    case OP_SHR: return H_PUSH_SHR;
    case OP_MLOAD: return value >> 31 == 0 ? H_PUSH_MLOAD : 0;
    case OP_MSTORE: return value >> 31 == 0 ? H_PUSH_MSTORE : 0;
    default: return 0;
    }
}

static unsigned dup_with(uint8_t op)
{
    switch (op) {
    case OP_ADD: return H_DUP_ADD;
    case OP_SUB: return H_DUP_SUB;
    case OP_MUL: return H_DUP_MUL;
    case OP_DIV: return H_DUP_DIV;
    case OP_AND: return H_DUP_AND;
    case OP_MLOAD: return H_DUP_MLOAD;
    case OP_MSTORE: return H_DUP_MSTORE;
    default: return 0;
    }
}

/* split: take the second half off the last pair, since it goes better with op; it becomes the last instruction. */
static void split(struct translator *t, uint8_t op)
{
    const struct insn pair = *last_insn(t);
    switch (t->last) {
    case H_DUP_PUSH:
        if (push_with(op, pair.pair.b) == 0) return;
        set_last(t, OP_DUP1 + pair.pair.a - 1);
        append(t, H_PUSH, pair.pair.b);
        break;
    case H_PUSH_PUSH:
        if (push_with(op, pair.pair.b) == 0) return;
        last_insn(t)->u = pair.pair.a;
        set_last(t, H_PUSH);
        append(t, H_PUSH, pair.pair.b);
        break;
    case H_POP_PUSH:
        if (push_with(op, pair.u) == 0) return;
        set_last(t, OP_POP);
        append(t, H_PUSH, pair.u);
        break;
    case H_PUSH_DUP:
        if (dup_with(op) == 0) return;
        last_insn(t)->u = pair.pair.b;
        set_last(t, H_PUSH);
        append(t, OP_DUP1 + pair.pair.a - 1, 0);
        break;
    default: break;
    }
}

static bool join(struct translator *t, uint8_t op)
{
    struct insn *i = last_insn(t);
    unsigned joined = 0;
    if (op == OP_ISZERO) {
        joined = negated(t->last);
    } else if (op == OP_POP && t->last == OP_POP) {
        joined = H_POPS;
        i->u = 2;
    } else if (op == OP_POP && t->last == H_POPS) {
        joined = H_POPS;
        i->u++;
    } else if (op == OP_POP && t->last >= OP_SWAP1 && t->last <= OP_SWAP16) {
        joined = H_POP_UNDER;
        i->u = t->last - OP_SWAP1 + 1;
    } else if (t->last == H_PUSH && is_dup(op) && i->u >> 32 == 0) {
        joined = H_PUSH_DUP;
        i->pair.b = (uint32_t)i->u;
        i->pair.a = op - (uint32_t)OP_DUP1 + 1;
    } else if (t->last == H_PUSH) {
        joined = push_with(op, i->u);
    } else if (is_dup(t->last)) {
        joined = dup_with(op);
        if (joined != 0) i->u = t->last - OP_DUP1 + 1;
    }
    if (joined == 0) return false;
    set_last(t, joined);
    return true;
}

static void append_or_join(struct translator *t, uint8_t op)
{
    split(t, op);
    if (t->last == 0 || !join(t, op)) append(t, op, 0);
}

static void append_push(struct translator *t, uint64_t v)
{
    struct insn *i = last_insn(t);
    if (t->last == H_PUSH && (i->u | v) >> 32 == 0) {
        i->pair.a = (uint32_t)i->u;
        i->pair.b = (uint32_t)v;
        set_last(t, H_PUSH_PUSH);
    } else if (is_dup(t->last) && v >> 32 == 0) {
        i->pair.a = t->last - OP_DUP1 + 1;
        i->pair.b = (uint32_t)v;
        set_last(t, H_DUP_PUSH);
    } else if (t->last == OP_POP) {
        i->u = v;
        set_last(t, H_POP_PUSH);
    } else {
        append(t, H_PUSH, v);
    }
}

/* emit_push: the PUSH at pc, together with what follows it where that is known to pay. ret the opcode that ended it */
static uint8_t emit_push(struct translator *t)
{
    struct evm_code *c = t->c;
    const bytes text = c->text;
    const uint8_t op = text.ptr[t->pc];
    const u256 v = push_value(text, t->pc);
    t->pc += (uint64_t)(op - OP_PUSH1) + 2;
    const uint8_t next = t->pc < text.len && !c->is_exact ? text.ptr[t->pc] : (uint8_t)OP_INVALID;
    if (next == OP_JUMP || next == OP_JUMPI) {
        count_op(t, &t->e->sched->op[next]);
        unsigned jump = H_JUMP_TO;
        if (next == OP_JUMPI) {
            jump = with_jumpi(t->last);
            if (jump != H_JUMPI_TO) c->n_insns--; /* the comparison goes into the jump */
        }
        struct insn *i = emit(t, H_LINK);
        i->pair.a = jump;
        i->pair.b = (uint32_t)(u256_is_u64(&v) && v.w[0] < UINT32_MAX ? v.w[0] : UINT32_MAX);
        t->pc++;
        return next;
    }
    if (u256_is_u64(&v)) {
        append_push(t, v.w[0]);
        return op;
    }
    const bool is_mask = next == OP_AND;
    emit(t, is_mask ? H_AND_WIDE : H_PUSH_WIDE);
    memcpy(&c->insns[c->n_insns], &v, sizeof v);
    c->n_insns += (uint32_t)(sizeof v / sizeof(struct insn));
    t->last = 0;
    if (!is_mask) return op;
    count_op(t, &t->e->sched->op[OP_AND]);
    t->pc++;
    return OP_AND;
}

static uint8_t emit_op(struct translator *t, uint8_t op)
{
    if (is_push(op)) return emit_push(t);
    if (op == OP_PC)
        append_push(t, t->pc);
    else if (op == OP_PUSH0)
        append_push(t, 0);
    else if (t->c->is_exact && (op == OP_JUMP || op == OP_JUMPI))
        emit(t, op == OP_JUMP ? H_JUMP_EXACT : H_JUMPI_EXACT);
    else if (op != OP_JUMPDEST)
        append_or_join(t, op);
    t->pc++;
    return op;
}

/* translate_block: from t->pc to the end of the block. ret false when nothing follows it */
static bool translate_block(struct translator *t)
{
    struct evm_code *c = t->c;
    open_block(t);
    if (t->pc < c->text.len && c->entry[t->pc] != 0) c->entry[t->pc] = t->block;
    for (bool first = true;; first = false) {
        if (t->pc >= c->text.len) {
            emit(t, OP_STOP);
            return false;
        }
        const uint8_t op = c->text.ptr[t->pc];
        const struct op_info *info = &t->e->sched->op[op];
        if (!info->is_on) {
            emit(t, OP_INVALID);
            return false;
        }
        if (!first && (op == OP_JUMPDEST || t->gas > BLOCK_GAS_MAX)) return true;
        count_op(t, info);
        const uint8_t last = emit_op(t, op);
        if (ends_code_path(last)) return false;
        if (ends_block(last)) return true;
    }
}

static void translate_exact(struct translator *t)
{
    struct evm_code *c = t->c;
    for (;;) {
        const bool past_end = t->pc >= c->text.len;
        if (!past_end && c->entry[t->pc] > 1) {
            emit(t, H_GOTO)->ptr = &c->insns[c->entry[t->pc]];
            return;
        }
        if (!past_end && c->entry[t->pc] == 1) c->entry[t->pc] = c->n_insns;
        emit(t, H_STEP)->u = t->pc;
        const uint8_t op = past_end ? (uint8_t)OP_STOP : c->text.ptr[t->pc];
        if (past_end || !t->e->sched->op[op].is_on) {
            emit(t, past_end ? OP_STOP : OP_INVALID);
            return;
        }
        if (ends_code_path(emit_op(t, op))) return;
    }
}

/* translate: from pc on, as far as control may fall through. ret the index of its first instruction */
static uint32_t translate(const struct evm *e, struct evm_code *c, uint64_t pc)
{
    struct translator t = {.e = e, .c = c, .pc = pc};
    const uint32_t start = c->n_insns;
    if (c->is_exact) {
        translate_exact(&t);
        return start;
    }
    for (;;) {
        const bool goes_on = translate_block(&t);
        close_block(&t);
        if (!goes_on) return start;
        if (t.pc < c->text.len && c->entry[t.pc] > 1) break;
    }
    /* A JUMPI that is not taken goes on at a block's head without looking what stands there: so one of no cost stands before GOTO. */
    open_block(&t);
    close_block(&t);
    emit(&t, H_GOTO)->ptr = &c->insns[c->entry[t.pc]];
    return start;
}

const struct insn *code_entry(const struct evm *e, struct evm_code *c, uint64_t pc)
{
    if (pc >= c->text.len || c->entry[pc] == 0) return NULL;
    if (c->entry[pc] == 1) translate(e, c, pc);
    return &c->insns[c->entry[pc]];
}

/* --- objects and cache */

static void code_free(struct evm_code *c)
{
    if (c == NULL) return;
    free(c->entry);
    free(c->insns);
    free(c);
}

static struct evm_code *code_new(const struct evm *e, bytes text)
{
    struct evm_code *c = calloc(1, sizeof *c);
    if (c == NULL) return NULL;
    c->entry = calloc(text.len + 1, sizeof *c->entry);
    c->insns = malloc(INSNS_MAX(text.len) * sizeof *c->insns);
    if (c->entry == NULL || c->insns == NULL) {
        code_free(c);
        return NULL;
    }
    c->text = text;
    c->schedule = e->sched_index;
    c->is_exact = e->tracer != NULL && e->tracer->step != NULL;
    for (size_t pc = 0; pc < text.len; pc++) {
        const uint8_t op = text.ptr[pc];
        if (op == OP_JUMPDEST)
            c->entry[pc] = 1;
        else if (is_push(op))
            pc += (size_t)(op - OP_PUSH1) + 1;
    }
    c->n_insns = 2; /* 0 and 1 mean something else in entry */
    c->start = translate(e, c, 0);
    return c;
}

static size_t code_cost(const struct evm_code *c)
{
    return sizeof *c + c->text.len * sizeof *c->entry + c->n_insns * sizeof *c->insns;
}

static struct evm_code **bucket_of(struct evm *e, const hash32 *hash)
{
    return &e->bucket[le64_get(hash->b) % EVM_CODE_BUCKETS];
}

static void lru_remove(struct evm *e, struct evm_code *c)
{
    *(c->newer != NULL ? &c->newer->older : &e->newest) = c->older;
    *(c->older != NULL ? &c->older->newer : &e->oldest) = c->newer;
}

static void lru_push(struct evm *e, struct evm_code *c)
{
    c->newer = NULL;
    c->older = e->newest;
    *(e->newest != NULL ? &e->newest->newer : &e->oldest) = c;
    e->newest = c;
}

static void evict(struct evm *e, struct evm_code *c)
{
    struct evm_code **at = bucket_of(e, &c->hash);
    while (*at != c) at = &(*at)->chain;
    *at = c->chain;
    lru_remove(e, c);
    e->cache_used -= c->cost;
    code_free(c);
}

struct evm_code *code_acquire(struct evm *e, bytes text, const hash32 *hash)
{
    if (hash == NULL) {
        struct evm_code *c = code_new(e, text);
        if (c != NULL) c->refs = 1;
        return c;
    }
    const bool exact = e->tracer != NULL && e->tracer->step != NULL;
    struct evm_code **bucket = bucket_of(e, hash);
    for (struct evm_code *c = *bucket; c != NULL; c = c->chain) {
        if (c->schedule != e->sched_index || c->is_exact != exact || !hash_eq(&c->hash, hash)) continue;
        c->refs++;
        c->text = text; /* same bytes, but the old view may be gone */
        if (c != e->newest) {
            lru_remove(e, c);
            lru_push(e, c);
        }
        return c;
    }
    for (struct evm_code *c = e->oldest; c != NULL && e->cache_used > e->cache_max;) {
        struct evm_code *next = c->newer;
        if (c->refs == 0) evict(e, c);
        c = next;
    }
    struct evm_code *c = code_new(e, text);
    if (c == NULL) return NULL;
    c->hash = *hash;
    c->is_cached = true;
    c->refs = 1;
    c->cost = code_cost(c);
    e->cache_used += c->cost;
    c->chain = *bucket;
    *bucket = c;
    lru_push(e, c);
    return c;
}

void code_release(struct evm *e, struct evm_code *c)
{
    c->refs--;
    if (!c->is_cached) {
        code_free(c);
        return;
    }
    const size_t cost = code_cost(c); /* it may have grown while it ran */
    e->cache_used += cost - c->cost;
    c->cost = cost;
}

void code_cache_fini(struct evm *e)
{
    while (e->oldest != NULL) evict(e, e->oldest);
}
