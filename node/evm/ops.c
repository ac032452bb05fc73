/* Opcodes that ask the host, or are too long for the loop. */
#include "lib/crypto/keccak.h"
#include "node/evm/evm_priv.h"

#define TRY(x)                                                                                     \
    do {                                                                                           \
        const enum evm_outcome try_o_ = (x);                                                       \
        if (unlikely(try_o_ != EVM_SUCCESS)) return try_o_;                                        \
    } while (0)

static inline enum evm_outcome charge(struct frame *f, int64_t gas)
{
    f->gas -= gas;
    return f->gas < 0 ? EVM_OUT_OF_GAS : EVM_SUCCESS;
}

/* SPEC(EIP-2929): the surcharge of a first access */
static enum evm_outcome charge_account(struct evm *e, struct frame *f, const address *a)
{
    if (e->sched->cold_account == 0) return EVM_SUCCESS;
    bool warm;
    HOST_TRY(e, warm_address, a, &warm);
    return warm ? EVM_SUCCESS : charge(f, e->sched->cold_account);
}

enum evm_outcome op_exp(struct evm *e, struct frame *f, u256 *sp)
{
    TRY(charge(f, e->sched->exp_byte * (int64_t)u256_byte_len(&sp[-1])));
    sp[-1] = u256_exp(sp[0], sp[-1]);
    return EVM_SUCCESS;
}

enum evm_outcome op_keccak256(struct evm *e, struct frame *f, u256 *sp)
{
    TRY(memory_need(e, f, &sp[0], &sp[-1]));
    const uint64_t len = sp[-1].w[0];
    TRY(charge(f, GAS_WORD_KECCAK * (int64_t)words_of(len)));
    uint8_t digest[32];
    keccak256(digest, len == 0 ? f->mem : f->mem + sp[0].w[0], len);
    sp[-1] = u256_from_be(digest);
    return EVM_SUCCESS;
}

enum evm_outcome op_balance(struct evm *e, struct frame *f, u256 *sp)
{
    const address a = word_to_address(&sp[0]);
    TRY(charge_account(e, f, &a));
    HOST_TRY(e, get_balance, &a, &sp[0]);
    return EVM_SUCCESS;
}

enum evm_outcome op_selfbalance(struct evm *e, struct frame *f, u256 *sp)
{
    HOST_TRY(e, get_balance, &f->self, &sp[1]);
    return EVM_SUCCESS;
}

/* SPEC(EIP-7702): these three see the designator itself, not the delegate's code. */
enum evm_outcome op_extcodesize(struct evm *e, struct frame *f, u256 *sp)
{
    const address a = word_to_address(&sp[0]);
    TRY(charge_account(e, f, &a));
    bytes code;
    hash32 hash;
    HOST_TRY(e, get_code, &a, &code, &hash);
    sp[0] = u256_from_u64(code.len);
    return EVM_SUCCESS;
}

enum evm_outcome op_extcodehash(struct evm *e, struct frame *f, u256 *sp)
{
    const address a = word_to_address(&sp[0]);
    TRY(charge_account(e, f, &a));
    bool empty;
    HOST_TRY(e, account_is_empty, &a, &empty); /* SPEC(EIP-1052): zero for an empty account as well as for an absent one */
    hash32 hash = {{0}};
    if (!empty) HOST_TRY(e, get_code_hash, &a, &hash);
    sp[0] = word_from_hash(&hash);
    return EVM_SUCCESS;
}

/* copy_padded: len bytes of src from off on, zeros behind its end */
static void copy_padded(uint8_t *dst, size_t len, bytes src, const u256 *off)
{
    const uint64_t o = u256_to_u64_sat(off);
    size_t have = 0;
    if (o < src.len) {
        have = src.len - (size_t)o < len ? src.len - (size_t)o : len;
        memcpy(dst, src.ptr + o, have);
    }
    memset(dst + have, 0, len - have);
}

enum evm_outcome op_copy(struct evm *e, struct frame *f, u256 *sp, bytes from)
{
    TRY(memory_need(e, f, &sp[0], &sp[-2]));
    const uint64_t len = sp[-2].w[0];
    TRY(charge(f, GAS_WORD_COPY * (int64_t)words_of(len)));
    if (len != 0) copy_padded(f->mem + sp[0].w[0], len, from, &sp[-1]);
    return EVM_SUCCESS;
}

enum evm_outcome op_extcodecopy(struct evm *e, struct frame *f, u256 *sp)
{
    const address a = word_to_address(&sp[0]);
    TRY(memory_need(e, f, &sp[-1], &sp[-3]));
    TRY(charge_account(e, f, &a));
    bytes code;
    hash32 hash;
    HOST_TRY(e, get_code, &a, &code, &hash);
    return op_copy(e, f, sp - 1, code);
}

enum evm_outcome op_returndatacopy(struct evm *e, struct frame *f, u256 *sp)
{
    const uint64_t off = u256_to_u64_sat(&sp[-1]), len = u256_to_u64_sat(&sp[-2]);
    if (off > e->ret_len || len > e->ret_len - off) return EVM_RETURNDATA_BOUNDS;
    return op_copy(e, f, sp, bytes_make(e->ret, e->ret_len));
}

enum evm_outcome op_mcopy(struct evm *e, struct frame *f, u256 *sp)
{
    TRY(memory_need(e, f, &sp[0], &sp[-2]));
    TRY(memory_need(e, f, &sp[-1], &sp[-2]));
    const uint64_t len = sp[-2].w[0];
    TRY(charge(f, GAS_WORD_COPY * (int64_t)words_of(len)));
    if (len != 0) memmove(f->mem + sp[0].w[0], f->mem + sp[-1].w[0], len);
    return EVM_SUCCESS;
}

enum evm_outcome op_blockhash(struct evm *e, struct frame *f, u256 *sp)
{
    (void)f;
    const uint64_t n = u256_to_u64_sat(&sp[0]), current = e->block->number;
    hash32 hash = {{0}};
    if (n < current && current - n <= 256) HOST_TRY(e, get_block_hash, n, &hash);
    sp[0] = word_from_hash(&hash);
    return EVM_SUCCESS;
}

enum evm_outcome op_sload(struct evm *e, struct frame *f, u256 *sp)
{
    const u256 key = sp[0];
    if (e->sched->cold_slot != 0) {
        bool warm;
        HOST_TRY(e, warm_slot, &f->self, &key, &warm);
        if (!warm) TRY(charge(f, e->sched->cold_slot));
    }
    HOST_TRY(e, get_storage, &f->self, &key, &sp[0]);
    return EVM_SUCCESS;
}

/* sstore_net: SPEC(EIP-1283, 2200, 2929, 3529): what the change from current to next costs when the transaction began with
 * original; the refund counter moves along. */
static int64_t sstore_net(struct evm *e, const u256 *original, const u256 *current, const u256 *next)
{
    const struct schedule *s = e->sched;
    if (u256_eq(current, next)) return s->sstore_dirty;
    const bool was_zero = u256_is_zero(original);
    if (u256_eq(original, current)) {
        if (was_zero) return s->sstore_set;
        if (u256_is_zero(next)) e->refund += s->refund_clear;
        return s->sstore_reset;
    }
    if (!was_zero) {
        if (u256_is_zero(current))
            e->refund -= s->refund_clear;
        else if (u256_is_zero(next))
            e->refund += s->refund_clear;
    }
    if (u256_eq(original, next)) e->refund += (was_zero ? s->sstore_set : s->sstore_reset) - s->sstore_dirty;
    return s->sstore_dirty;
}

enum evm_outcome op_sstore(struct evm *e, struct frame *f, u256 *sp)
{
    const struct schedule *s = e->sched;
    const u256 *key = &sp[0], *next = &sp[-1];
    if (f->is_static) return EVM_STATIC_VIOLATION;
    if (s->stipend_rule && f->gas <= GAS_CALL_STIPEND) return EVM_OUT_OF_GAS;
    if (s->cold_slot != 0) {
        bool warm;
        HOST_TRY(e, warm_slot, &f->self, key, &warm);
        if (!warm) TRY(charge(f, GAS_COLD_SLOT));
    }
    u256 current;
    HOST_TRY(e, get_storage, &f->self, key, &current);
    if (s->net_metering) {
        u256 original;
        HOST_TRY(e, get_original_storage, &f->self, key, &original);
        TRY(charge(f, sstore_net(e, &original, &current, next)));
    } else {
        const bool sets = u256_is_zero(&current) && !u256_is_zero(next);
        TRY(charge(f, sets ? s->sstore_set : s->sstore_reset));
        if (!u256_is_zero(&current) && u256_is_zero(next)) e->refund += s->refund_clear;
    }
    if (!u256_eq(&current, next)) HOST_TRY(e, set_storage, &f->self, key, next);
    return EVM_SUCCESS;
}

enum evm_outcome op_tload(struct evm *e, struct frame *f, u256 *sp)
{
    const u256 key = sp[0];
    HOST_TRY(e, get_transient, &f->self, &key, &sp[0]);
    return EVM_SUCCESS;
}

enum evm_outcome op_tstore(struct evm *e, struct frame *f, u256 *sp)
{
    if (f->is_static) return EVM_STATIC_VIOLATION;
    HOST_TRY(e, set_transient, &f->self, &sp[0], &sp[-1]);
    return EVM_SUCCESS;
}

enum evm_outcome op_log(struct evm *e, struct frame *f, u256 *sp, unsigned n_topics)
{
    if (f->is_static) return EVM_STATIC_VIOLATION;
    TRY(memory_need(e, f, &sp[0], &sp[-1]));
    const uint64_t len = sp[-1].w[0];
    TRY(charge(f, GAS_LOG_BYTE * (int64_t)len));
    hash32 topics[4];
    for (unsigned i = 0; i < n_topics; i++) u256_to_be(topics[i].b, &sp[-2 - (int)i]);
    HOST_TRY(e, emit_log, &f->self, topics, n_topics, bytes_make(len == 0 ? f->mem : f->mem + sp[0].w[0], len));
    return EVM_SUCCESS;
}

enum evm_outcome op_selfdestruct(struct evm *e, struct frame *f, u256 *sp)
{
    const struct rules *r = e->rules;
    if (f->is_static) return EVM_STATIC_VIOLATION;
    const address heir = word_to_address(&sp[0]);
    if (e->sched->cold_account != 0) {
        bool warm;
        HOST_TRY(e, warm_address, &heir, &warm);
        if (!warm) TRY(charge(f, GAS_COLD_ACCOUNT));
    }
    u256 balance;
    HOST_TRY(e, get_balance, &f->self, &balance);
    bool is_new = false;
    if (r->eip161) {
        if (!u256_is_zero(&balance)) HOST_TRY(e, account_is_empty, &heir, &is_new);
    } else if (r->eip150) {
        bool exists;
        HOST_TRY(e, account_exists, &heir, &exists);
        is_new = !exists;
    }
    if (is_new) TRY(charge(f, GAS_NEW_ACCOUNT));
    bool first;
    HOST_TRY(e, selfdestruct, &f->self, &heir, &first);
    if (first && !r->eip3529) e->refund += GAS_REFUND_SELFDESTRUCT;
    if (e->tracer != NULL) {
        trace_enter(e, OP_SELFDESTRUCT, &f->self, &heir, &f->self, &balance, 0, BYTES_EMPTY, e->top + 2);
        trace_leave(e, EVM_SUCCESS, 0);
    }
    return EVM_SUCCESS;
}

enum evm_outcome op_return(struct evm *e, struct frame *f, u256 *sp)
{
    TRY(memory_need(e, f, &sp[0], &sp[-1]));
    const uint64_t len = sp[-1].w[0];
    const enum status s = ret_set(e, len == 0 ? f->mem : f->mem + sp[0].w[0], len);
    return s == OK ? EVM_SUCCESS : evm_host_failed(e, s);
}
