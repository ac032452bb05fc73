/* What a tracer is told. */
#include "node/evm/evm_priv.h"

static int64_t range_cost(const struct frame *f, const u256 *off, const u256 *len)
{
    if (u256_is_zero(len)) return 0;
    const uint64_t o = u256_to_u64_sat(off), n = u256_to_u64_sat(len);
    return ((o | n) >> 42) != 0 ? INT64_MAX : memory_cost(f->mem_len, o + n);
}

static int64_t add_cost(int64_t a, int64_t b)
{
    return a > INT64_MAX - b ? INT64_MAX : a + b;
}

static int64_t copy_cost(const struct frame *f, const u256 *off, const u256 *len, int64_t per_word)
{
    const int64_t memory = range_cost(f, off, len);
    return memory == INT64_MAX ? memory : add_cost(memory, per_word * (int64_t)words_of(u256_to_u64_sat(len)));
}

/* cold_cost: what a first access would cost more; the look is undone. */
static int64_t cold_cost(struct evm *e, const u256 *word)
{
    if (e->sched->cold_account == 0) return 0;
    const address a = word_to_address(word);
    const int snapshot = e->host->snapshot(e->ctx);
    bool warm = true;
    IGNORE(HOST(e, warm_address, &a, &warm), "the opcode itself will fail by it");
    e->host->revert(e->ctx, snapshot);
    return warm ? 0 : e->sched->cold_account;
}

static int64_t slot_cost(struct evm *e, const struct frame *f, const u256 *key, int64_t surcharge)
{
    if (e->sched->cold_slot == 0) return 0;
    const int snapshot = e->host->snapshot(e->ctx);
    bool warm = true;
    IGNORE(HOST(e, warm_slot, &f->self, key, &warm), "the opcode itself will fail by it");
    e->host->revert(e->ctx, snapshot);
    return warm ? 0 : surcharge;
}

/* by_trial: what an operation of ops.c takes, found by doing it on a copy of its operands and undoing it */
static int64_t by_trial(struct evm *e, const struct frame *f, const u256 *sp, enum evm_outcome (*op)(struct evm *, struct frame *, u256 *))
{
    struct frame trial = *f;
    trial.gas = INT64_MAX / 2;
    u256 words[2] = {sp[-1], sp[0]};
    const int64_t refund = e->refund;
    const enum status status = e->host_status;
    const int snapshot = e->host->snapshot(e->ctx);
    const enum evm_outcome o = op(e, &trial, &words[1]);
    e->host->revert(e->ctx, snapshot);
    e->refund = refund;
    e->host_status = status;
    return o == EVM_SUCCESS ? INT64_MAX / 2 - trial.gas : 0;
}

static int64_t call_cost(struct evm *e, const struct frame *f, uint8_t op, const u256 *sp, int64_t gas)
{
    const bool has_value = op == OP_CALL || op == OP_CALLCODE;
    const u256 *range = sp - (has_value ? 3 : 2);
    const int64_t in = range_cost(f, &range[0], &range[-1]), out = range_cost(f, &range[-2], &range[-3]);
    int64_t cost = add_cost(in > out ? in : out, cold_cost(e, &sp[-1]));
    const address to = word_to_address(&sp[-1]);
    if (has_value && !u256_is_zero(&sp[-2])) cost = add_cost(cost, GAS_CALL_VALUE);
    bool is_new = false, exists = true;
    if (op == OP_CALL && e->rules->eip161) {
        if (!u256_is_zero(&sp[-2])) IGNORE(HOST(e, account_is_empty, &to, &is_new), "the opcode itself will fail by it");
    } else if (op == OP_CALL) {
        IGNORE(HOST(e, account_exists, &to, &exists), "the opcode itself will fail by it");
        is_new = !exists;
    }
    if (is_new) cost = add_cost(cost, GAS_NEW_ACCOUNT);
    if (e->rules->eip7702) {
        bytes code = BYTES_EMPTY;
        hash32 hash;
        address delegate;
        IGNORE(HOST(e, get_code, &to, &code, &hash), "the opcode itself will fail by it");
        if (code_is_delegation(&delegate, code)) {
            const u256 word = word_from_address(&delegate);
            cost = add_cost(cost, address_eq(&delegate, &to) ? GAS_WARM : GAS_WARM + cold_cost(e, &word));
        }
    }
    if (cost > gas - e->sched->op[op].gas) return cost;
    const int64_t left = gas - e->sched->op[op].gas - cost;
    const uint64_t want = u256_to_u64_sat(&sp[0]), most = (uint64_t)(e->rules->eip150 ? left - left / 64 : left);
    if (want > most && !e->rules->eip150) return want > INT64_MAX ? INT64_MAX : add_cost(cost, (int64_t)want);
    return add_cost(cost, (int64_t)(want < most ? want : most));
}

static int64_t selfdestruct_cost(struct evm *e, const struct frame *f, const u256 *heir_word)
{
    int64_t cost = e->sched->cold_account != 0 && cold_cost(e, heir_word) != 0 ? GAS_COLD_ACCOUNT : 0;
    const address heir = word_to_address(heir_word);
    bool is_new = false, exists = true;
    u256 balance = U256_ZERO;
    if (e->rules->eip161) {
        IGNORE(HOST(e, get_balance, &f->self, &balance), "the opcode itself will fail by it");
        if (!u256_is_zero(&balance)) IGNORE(HOST(e, account_is_empty, &heir, &is_new), "the opcode itself will fail by it");
    } else if (e->rules->eip150) {
        IGNORE(HOST(e, account_exists, &heir, &exists), "the opcode itself will fail by it");
        is_new = !exists;
    }
    if (is_new) cost += GAS_NEW_ACCOUNT;
    return cost;
}

/* dynamic_cost: what the opcode takes beyond its static gas; its operands are there. Calls: also what they give on, as debuggers
 * expect it. */
static int64_t dynamic_cost(struct evm *e, const struct frame *f, uint8_t op, const u256 *sp, int64_t gas)
{
    static const u256 word_len = {{32}};
    int64_t in, out;
    switch (op) {
    case OP_EXP: return e->sched->exp_byte * (int64_t)u256_byte_len(&sp[-1]);
    case OP_KECCAK256: return copy_cost(f, &sp[0], &sp[-1], GAS_WORD_KECCAK);
    case OP_CALLDATACOPY:
    case OP_CODECOPY:
    case OP_RETURNDATACOPY: return copy_cost(f, &sp[0], &sp[-2], GAS_WORD_COPY);
    case OP_MCOPY:
        in = copy_cost(f, &sp[0], &sp[-2], GAS_WORD_COPY);
        out = copy_cost(f, &sp[-1], &sp[-2], GAS_WORD_COPY);
        return in > out ? in : out;
    case OP_EXTCODECOPY: return add_cost(copy_cost(f, &sp[-1], &sp[-3], GAS_WORD_COPY), cold_cost(e, &sp[0]));
    case OP_BALANCE:
    case OP_EXTCODESIZE:
    case OP_EXTCODEHASH: return cold_cost(e, &sp[0]);
    case OP_MLOAD:
    case OP_MSTORE: return range_cost(f, &sp[0], &word_len);
    case OP_MSTORE8: return range_cost(f, &sp[0], &U256_ONE);
    case OP_SLOAD: return slot_cost(e, f, &sp[0], e->sched->cold_slot);
    case OP_SSTORE: return by_trial(e, f, sp, op_sstore);
    case OP_LOG0:
    case OP_LOG1:
    case OP_LOG2:
    case OP_LOG3:
    case OP_LOG4:
        in = range_cost(f, &sp[0], &sp[-1]);
        return in == INT64_MAX ? in : add_cost(in, GAS_LOG_BYTE * (int64_t)u256_to_u64_sat(&sp[-1]));
    case OP_RETURN:
    case OP_REVERT: return range_cost(f, &sp[0], &sp[-1]);
    case OP_CREATE:
    case OP_CREATE2:
        return copy_cost(f, &sp[-1], &sp[-2],
                         (op == OP_CREATE2 ? GAS_WORD_KECCAK : 0) + (e->rules->eip3860 ? GAS_WORD_INIT_CODE : 0));
    case OP_CALL:
    case OP_CALLCODE:
    case OP_DELEGATECALL:
    case OP_STATICCALL: return call_cost(e, f, op, sp, gas);
    case OP_SELFDESTRUCT: return selfdestruct_cost(e, f, &sp[0]);
    default: return 0;
    }
}

void trace_step(struct evm *e, const struct frame *f, uint64_t pc, uint8_t op, const u256 *sp, int64_t gas)
{
    if (e->tracer == NULL || e->tracer->step == NULL) return;
    const struct op_info *info = &e->sched->op[op];
    int64_t cost = info->gas;
    if (info->is_on && sp - f->bottom >= info->pops) cost = add_cost(cost, dynamic_cost(e, f, op, sp, gas));
    const struct evm_trace_step step = {
        .pc = pc,
        .gas = (uint64_t)gas,
        .cost = (uint64_t)cost,
        .op = op,
        .depth = e->top + 1,
        .stack = f->bottom + 1,
        .n_stack = (size_t)(sp - f->bottom),
        .memory = {f->mem, f->mem_len},
        .return_data = {e->ret, e->ret_len},
        .refund = e->refund,
        .self = f->self,
    };
    e->tracer->step(e->tracer->ctx, &step);
}

void trace_enter(struct evm *e, uint8_t op, const address *from, const address *to, const address *code, const u256 *value,
                 int64_t gas, bytes input, int depth)
{
    if (e->tracer->enter == NULL) return;
    const struct evm_trace_call call = {
        .op = op,
        .depth = depth,
        .from = *from,
        .to = *to,
        .code_address = *code,
        .value = *value,
        .gas = (uint64_t)gas,
        .input = input,
    };
    e->tracer->enter(e->tracer->ctx, &call);
}

void trace_leave(struct evm *e, enum evm_outcome outcome, int64_t gas_used)
{
    if (e->tracer->leave == NULL) return;
    e->tracer->leave(e->tracer->ctx, outcome, (uint64_t)gas_used, bytes_make(e->ret, e->ret_len));
}
