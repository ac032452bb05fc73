/* Frames: what CALL and CREATE mean, built on the host's primitives. */
#include "lib/crypto/keccak.h"
#include "node/evm/evm_priv.h"

#define TRY(x)                                                                                     \
    do {                                                                                           \
        const enum evm_outcome try_o_ = (x);                                                       \
        if (unlikely(try_o_ != EVM_SUCCESS)) return try_o_;                                        \
    } while (0)

/* opening: all that is known of a frame before it is there */
struct opening {
    enum opcode op; /* as the tracer sees it */
    address sender, self, code_address;
    u256 value;
    bool moves; /* value goes from sender to self (also 0: that touches self) */
    bool is_create, is_static;
    bytes input; /* call data, or init code */
    int64_t gas;
    u256 above; /* as in struct frame */
    uint64_t out_off, out_len;
    bool has_code; /* code is known already */
    bytes code;
    hash32 code_hash;
};

/* a boundless message: gas and above are one number; as much of it as 62 bits hold stands in gas, so that nothing runs dry but what would take
 * 2^62 gas between two calls */
static u256 whole_gas(int64_t gas, const u256 *above)
{
    return u256_add(u256_from_u64((uint64_t)gas), *above);
}

static void part_gas(int64_t *gas, u256 *above, const u256 *whole)
{
    const u256 most = u256_from_u64(UINT64_C(1) << 62);
    *gas = u256_lt(whole, &most) ? (int64_t)whole->w[0] : (int64_t)most.w[0];
    *above = u256_sub(*whole, u256_from_u64((uint64_t)*gas));
}

/* give_boundless: what a callee asks for (NULL: all) goes from f to the opening, all but a 64th at most. ret false: f has less (before EIP-150) */
static bool give_boundless(const struct evm *e, struct frame *f, struct opening *o, const u256 *asked)
{
    const u256 whole = whole_gas(f->gas, &f->above);
    u256 given = e->rules->eip150 ? u256_sub(whole, u256_shr(whole, 6)) : whole;
    if (asked != NULL && u256_lt(&given, asked) && !e->rules->eip150) return false;
    if (asked != NULL && u256_lt(asked, &given)) given = *asked;
    const u256 kept = u256_sub(whole, given);
    part_gas(&o->gas, &o->above, &given);
    part_gas(&f->gas, &f->above, &kept);
    return true;
}

/* settle: give the result of a call or creation to the frame that asked for it (index at). ret false if nobody did: the run is over */
static bool settle(struct evm *e, int at, bool is_create, const address *created, enum evm_outcome outcome, int64_t gas_left,
                   const u256 *above_left, uint64_t out_off, uint64_t out_len)
{
    if (outcome != EVM_SUCCESS && outcome != EVM_REVERT) e->ret_len = 0;
    e->top = at;
    if (at < 0) {
        e->outcome = outcome;
        e->gas_left = (uint64_t)gas_left;
        return false;
    }
    struct frame *f = &e->frames[at];
    f->gas += gas_left;
    if (unlikely(e->is_boundless)) {
        u256 whole = whole_gas(f->gas, &f->above);
        whole = u256_add(whole, *above_left);
        part_gas(&f->gas, &f->above, &whole);
    }
    if (is_create) {
        *f->sp = outcome == EVM_SUCCESS ? word_from_address(created) : U256_ZERO;
        if (outcome == EVM_SUCCESS) e->ret_len = 0; /* the output became code */
        return true;
    }
    *f->sp = outcome == EVM_SUCCESS ? U256_ONE : U256_ZERO;
    const size_t n = out_len < e->ret_len ? (size_t)out_len : e->ret_len;
    if (n != 0) memcpy(f->mem + out_off, e->ret, n);
    return true;
}

/* settle_now: it ended before a frame was made. */
static void settle_now(struct evm *e, const struct opening *o, enum evm_outcome outcome, int64_t gas_left)
{
    if (e->tracer != NULL) trace_leave(e, outcome, o->gas - gas_left);
    const bool is_lost = outcome != EVM_SUCCESS && outcome != EVM_DEPTH && outcome != EVM_BALANCE && outcome != EVM_NONCE_OVERFLOW;
    settle(e, e->top, o->is_create, &o->self, outcome, gas_left, is_lost ? &U256_ZERO : &o->above, o->out_off, o->out_len);
}

static enum evm_outcome push_frame(struct evm *e, const struct opening *o, int snapshot, struct evm_code *tr)
{
    const struct frame *up = e->top >= 0 ? &e->frames[e->top] : NULL;
    struct frame *f = &e->frames[++e->top];
    if (e->top >= e->top_high) e->top_high = e->top + 1;
    f->tr = tr;
    f->ip = &tr->insns[tr->start];
    f->bottom = f->sp = up != NULL ? up->sp : e->stack;
    f->gas = f->gas_at_start = o->gas;
    f->above = o->above;
    f->mem = up != NULL ? up->mem + up->mem_len : e->mem;
    f->mem_len = 0;
    f->code = o->is_create ? o->input : o->code;
    f->input = o->is_create ? BYTES_EMPTY : o->input;
    f->self = o->self;
    f->sender = o->sender;
    f->value = o->value;
    f->is_static = o->is_static;
    f->is_create = o->is_create;
    f->snapshot = snapshot;
    f->refund = e->refund;
    f->out_off = o->out_off;
    f->out_len = o->out_len;
    return EVM_SUCCESS;
}

/* may_start: depth and balance, which fail a call or creation at no cost */
static enum evm_outcome may_start(struct evm *e, const struct opening *o, enum evm_outcome *verdict)
{
    *verdict = EVM_SUCCESS;
    if (e->top >= EVM_DEPTH_MAX) {
        *verdict = EVM_DEPTH;
    } else if ((o->moves || o->op == OP_CALLCODE) && !u256_is_zero(&o->value)) {
        u256 balance;
        HOST_TRY(e, get_balance, &o->sender, &balance);
        if (u256_lt(&balance, &o->value)) *verdict = EVM_BALANCE;
    }
    return EVM_SUCCESS;
}

static void trace_opening(struct evm *e, const struct opening *o)
{
    if (e->tracer == NULL) return;
    trace_enter(e, (uint8_t)o->op, &o->sender, &o->self, &o->code_address, &o->value, o->gas, o->input, e->top + 2);
}

static enum evm_outcome run_precompile(struct evm *e, const struct opening *o, const struct precompile *p, int snapshot)
{
    int64_t gas = o->gas;
    const enum evm_outcome outcome = precompile_run(e, p, o->input, &gas);
    if (outcome == EVM_HOST_FAILURE) return outcome;
    if (outcome == EVM_SUCCESS) {
        settle_now(e, o, EVM_SUCCESS, gas);
        return EVM_SUCCESS;
    }
    /* One account is different: RIPEMD-160 (0x03) stays touched by a call that ran out of gas (mainnet, block 2,675,119). Touching
     * is the host's, and so is leaving that one mark alone on revert. */
    e->host->revert(e->ctx, snapshot);
    e->ret_len = 0;
    settle_now(e, o, outcome, 0);
    return EVM_SUCCESS;
}

static enum evm_outcome open_call(struct evm *e, struct opening *o)
{
    e->ret_len = 0;
    trace_opening(e, o);
    enum evm_outcome verdict;
    TRY(may_start(e, o, &verdict));
    if (verdict != EVM_SUCCESS) {
        settle_now(e, o, verdict, o->gas);
        return EVM_SUCCESS;
    }
    const int snapshot = e->host->snapshot(e->ctx);
    if (o->moves) HOST_TRY(e, transfer, &o->sender, &o->self, &o->value);
    struct precompile p;
    if (precompile_find(&p, e, &o->code_address)) return run_precompile(e, o, &p, snapshot);
    if (!o->has_code) HOST_TRY(e, get_code, &o->code_address, &o->code, &o->code_hash);
    if (o->code.len == 0) {
        settle_now(e, o, EVM_SUCCESS, o->gas);
        return EVM_SUCCESS;
    }
    struct evm_code *tr = code_acquire(e, o->code, &o->code_hash);
    if (tr == NULL) return evm_host_failed(e, E_NOMEM);
    return push_frame(e, o, snapshot, tr);
}

/* follow_delegation: SPEC(EIP-7702): a designator's target is accessed and its code runs; a designator there is not followed on. */
static enum evm_outcome follow_delegation(struct evm *e, struct opening *o, int64_t *gas)
{
    struct precompile p;
    if (precompile_find(&p, e, &o->code_address)) return EVM_SUCCESS;
    HOST_TRY(e, get_code, &o->code_address, &o->code, &o->code_hash);
    o->has_code = true;
    address delegate;
    if (!code_is_delegation(&delegate, o->code)) return EVM_SUCCESS;
    bool warm;
    HOST_TRY(e, warm_address, &delegate, &warm);
    if (gas != NULL) {
        *gas -= warm ? GAS_WARM : GAS_COLD_ACCOUNT;
        if (*gas < 0) return EVM_OUT_OF_GAS;
    }
    HOST_TRY(e, get_code, &delegate, &o->code, &o->code_hash);
    return EVM_SUCCESS;
}

/* makes_account: whether CALL pays for a new account (Yellow Paper: C_NEW; EIP-161) */
static enum evm_outcome makes_account(struct evm *e, const struct opening *o, bool *yes)
{
    *yes = false;
    if (o->op != OP_CALL) return EVM_SUCCESS;
    if (e->rules->eip161) {
        if (!u256_is_zero(&o->value)) HOST_TRY(e, account_is_empty, &o->self, yes);
        return EVM_SUCCESS;
    }
    bool exists;
    HOST_TRY(e, account_exists, &o->self, &exists);
    *yes = !exists;
    return EVM_SUCCESS;
}

/* split_gas: what a callee gets. SPEC(EIP-150): all but a 64th at most; before, what was asked for or nothing. */
static enum evm_outcome split_gas(const struct evm *e, struct frame *f, const u256 *asked, struct opening *o)
{
    if (unlikely(e->is_boundless)) return give_boundless(e, f, o, asked) ? EVM_SUCCESS : EVM_OUT_OF_GAS;
    const uint64_t want = u256_to_u64_sat(asked);
    const uint64_t most = (uint64_t)(e->rules->eip150 ? f->gas - f->gas / 64 : f->gas);
    if (want > most && !e->rules->eip150) return EVM_OUT_OF_GAS;
    o->gas = (int64_t)(want < most ? want : most);
    f->gas -= o->gas;
    return EVM_SUCCESS;
}

enum evm_outcome frame_call(struct evm *e, enum opcode op)
{
    struct frame *f = &e->frames[e->top];
    if (evm_must_end(e, EVM_CALL_TICKS)) return evm_host_failed(e, E_CANCELLED);
    const bool has_value = op == OP_CALL || op == OP_CALLCODE;
    const u256 asked = f->sp[0];
    const address to = word_to_address(&f->sp[-1]);
    const u256 *range = f->sp - (has_value ? 3 : 2); /* input offset, length, output offset, length */
    struct opening o = {.op = op, .sender = f->self, .self = f->self, .code_address = to, .is_static = f->is_static};
    switch ((int)op) {
    case OP_CALL:
        o.self = to;
        o.value = f->sp[-2];
        o.moves = true;
        if (f->is_static && !u256_is_zero(&o.value)) return EVM_STATIC_VIOLATION;
        break;
    case OP_CALLCODE: o.value = f->sp[-2]; break;
    case OP_DELEGATECALL:
        o.sender = f->sender;
        o.value = f->value;
        break;
    case OP_STATICCALL:
        o.self = to;
        o.moves = true; /* nothing, but it touches */
        o.is_static = true;
        break;
    default: BUG("no call");
    }
    TRY(memory_need(e, f, &range[0], &range[-1]));
    TRY(memory_need(e, f, &range[-2], &range[-3]));
    if (e->sched->cold_account != 0) {
        bool warm;
        HOST_TRY(e, warm_address, &to, &warm);
        if (!warm) f->gas -= e->sched->cold_account;
    }
    const bool pays = has_value && !u256_is_zero(&o.value);
    if (pays) f->gas -= GAS_CALL_VALUE;
    if (f->gas < 0) return EVM_OUT_OF_GAS;
    if (e->rules->eip7702) TRY(follow_delegation(e, &o, &f->gas));
    bool is_new;
    TRY(makes_account(e, &o, &is_new));
    if (is_new) f->gas -= GAS_NEW_ACCOUNT;
    if (f->gas < 0) return EVM_OUT_OF_GAS;
    TRY(split_gas(e, f, &asked, &o));
    if (pays) o.gas += GAS_CALL_STIPEND;
    if (!u256_is_zero(&range[-1])) o.input = bytes_make(f->mem + range[0].w[0], range[-1].w[0]);
    if (!u256_is_zero(&range[-3])) {
        o.out_off = range[-2].w[0];
        o.out_len = range[-3].w[0];
    }
    f->sp -= has_value ? 6 : 5;
    return open_call(e, &o);
}

/* start_create: the address is known and all that costs nothing has been checked. */
static enum evm_outcome start_create(struct evm *e, struct opening *o)
{
    bool warm;
    if (e->rules->eip2929) HOST_TRY(e, warm_address, &o->self, &warm); /* stays so even if the creation fails */
    uint64_t nonce;
    HOST_TRY(e, get_nonce, &o->self, &nonce);
    hash32 hash;
    HOST_TRY(e, get_code_hash, &o->self, &hash);
    bool has_storage;
    HOST_TRY(e, has_storage, &o->self, &has_storage);
    if (nonce != 0 || has_storage || !(hash_is_zero(&hash) || hash_eq(&hash, &HASH_EMPTY_CODE))) {
        settle_now(e, o, EVM_ADDRESS_COLLISION, 0);
        return EVM_SUCCESS;
    }
    const int snapshot = e->host->snapshot(e->ctx);
    HOST_TRY(e, create_account, &o->self, e->rules->account_start_nonce + (e->rules->eip161 ? 1 : 0));
    if (o->moves) HOST_TRY(e, transfer, &o->sender, &o->self, &o->value);
    struct evm_code *tr = code_acquire(e, o->input, NULL);
    if (tr == NULL) return evm_host_failed(e, E_NOMEM);
    return push_frame(e, o, snapshot, tr);
}

enum evm_outcome frame_create(struct evm *e, enum opcode op)
{
    struct frame *f = &e->frames[e->top];
    if (evm_must_end(e, EVM_CALL_TICKS)) return evm_host_failed(e, E_CANCELLED);
    if (f->is_static) return EVM_STATIC_VIOLATION;
    const u256 *sp = f->sp;
    TRY(memory_need(e, f, &sp[-1], &sp[-2]));
    const uint64_t len = sp[-2].w[0];
    int64_t per_word = op == OP_CREATE2 ? GAS_WORD_KECCAK : 0;
    if (e->rules->eip3860) {
        if (len > e->rules->max_init_code_size) return EVM_INIT_CODE_TOO_LARGE;
        per_word += GAS_WORD_INIT_CODE;
    }
    f->gas -= per_word * (int64_t)words_of(len);
    if (f->gas < 0) return EVM_OUT_OF_GAS;
    struct opening o = {.op = op, .sender = f->self, .value = sp[0], .moves = true, .is_create = true};
    if (len != 0) o.input = bytes_make(f->mem + sp[-1].w[0], len);
    hash32 salt;
    if (op == OP_CREATE2) u256_to_be(salt.b, &sp[-3]);
    f->sp -= op == OP_CREATE2 ? 3 : 2;
    o.gas = e->rules->eip150 ? f->gas - f->gas / 64 : f->gas;
    e->ret_len = 0;

    enum evm_outcome verdict;
    TRY(may_start(e, &o, &verdict));
    uint64_t nonce;
    HOST_TRY(e, get_nonce, &o.sender, &nonce);
    if (verdict == EVM_SUCCESS && nonce == UINT64_MAX) verdict = EVM_NONCE_OVERFLOW;
    if (verdict == EVM_SUCCESS) {
        HOST_TRY(e, set_nonce, &o.sender, nonce + 1);
        if (op == OP_CREATE2) {
            hash32 init_hash;
            keccak256(init_hash.b, o.input.ptr, o.input.len);
            o.self = address_create2(&o.sender, &salt, &init_hash);
        } else {
            o.self = address_create(&o.sender, nonce);
        }
    }
    if (unlikely(e->is_boundless))
        IGNORE(!give_boundless(e, f, &o, NULL), "all that there is can be given");
    else
        f->gas -= o.gas;
    o.code_address = o.self;
    trace_opening(e, &o);
    if (verdict != EVM_SUCCESS) {
        settle_now(e, &o, verdict, o.gas);
        return EVM_SUCCESS;
    }
    return start_create(e, &o);
}

bool frame_open_message(struct evm *e, const struct evm_message *msg)
{
    struct opening o = {.op = msg->kind == EVM_CREATE ? OP_CREATE : OP_CALL,
                        .sender = msg->sender,
                        .self = msg->recipient,
                        .code_address = msg->kind == EVM_CREATE ? msg->recipient : msg->code_address,
                        .value = msg->value,
                        .moves = !msg->no_transfer,
                        .is_create = msg->kind == EVM_CREATE,
                        .is_static = msg->is_static,
                        .input = msg->input,
                        .gas = msg->gas > INT64_MAX ? INT64_MAX : (int64_t)msg->gas};
    e->is_boundless = msg->is_boundless;
    if (msg->is_boundless) part_gas(&o.gas, &o.above, &U256_MAX);
    e->ret_len = 0;
    enum evm_outcome outcome = EVM_SUCCESS;
    if (o.is_create) {
        trace_opening(e, &o);
        enum evm_outcome verdict;
        outcome = may_start(e, &o, &verdict);
        if (outcome == EVM_SUCCESS && verdict != EVM_SUCCESS)
            settle_now(e, &o, verdict, o.gas);
        else if (outcome == EVM_SUCCESS)
            outcome = start_create(e, &o);
    } else {
        if (e->rules->eip7702) outcome = follow_delegation(e, &o, NULL);
        if (outcome == EVM_SUCCESS) outcome = open_call(e, &o);
    }
    if (outcome != EVM_SUCCESS) e->outcome = outcome;
    return outcome == EVM_SUCCESS && e->top >= 0;
}

/* deposit: the output of init code becomes code. Takes its gas from f->gas. */
static enum evm_outcome deposit(struct evm *e, struct frame *f)
{
    const struct rules *r = e->rules;
    if (r->eip170 && e->ret_len > r->max_code_size) return EVM_CODE_TOO_LARGE;
    if (r->eip3541 && e->ret_len != 0 && e->ret[0] == 0xef) return EVM_CODE_PREFIX;
    const int64_t cost = GAS_CODE_BYTE * (int64_t)e->ret_len;
    if (cost > f->gas) {
        if (r->homestead) return EVM_OUT_OF_GAS; /* SPEC(EIP-2) */
        e->ret_len = 0;                          /* Frontier: an account without code, nothing charged */
        return EVM_SUCCESS;
    }
    f->gas -= cost;
    if (e->ret_len != 0) HOST_TRY(e, set_code, &f->self, bytes_make(e->ret, e->ret_len));
    return EVM_SUCCESS;
}

bool frame_end(struct evm *e, enum evm_outcome outcome)
{
    struct frame *f = &e->frames[e->top];
    if (f->is_create && outcome == EVM_SUCCESS) outcome = deposit(e, f);
    if (outcome == EVM_HOST_FAILURE) {
        e->outcome = outcome;
        return false;
    }
    int64_t gas_left = f->gas;
    if (outcome != EVM_SUCCESS) {
        e->host->revert(e->ctx, f->snapshot);
        e->refund = f->refund;
        if (outcome != EVM_REVERT) {
            gas_left = 0;
            e->ret_len = 0;
        }
    }
    if (e->tracer != NULL) trace_leave(e, outcome, f->gas_at_start - gas_left);
    code_release(e, f->tr);
    const bool is_lost = outcome != EVM_SUCCESS && outcome != EVM_REVERT;
    return settle(e, e->top - 1, f->is_create, &f->self, outcome, gas_left, is_lost ? &U256_ZERO : &f->above, f->out_off, f->out_len);
}
