#include "node/chain/execute.h"

enum {
    GAS_TX = 21000,
    GAS_CREATE = 32000,
    GAS_DATA_ZERO = 4,
    GAS_DATA_FRONTIER = 68,
    GAS_DATA_EIP2028 = 16,
    GAS_ACCESS_ADDRESS = 2400,
    GAS_ACCESS_KEY = 1900,
    GAS_INIT_WORD = 2,
    GAS_AUTH_EMPTY = 25000, /* EIP-7702: PER_EMPTY_ACCOUNT_COST */
    GAS_AUTH_BASE = 12500,  /* EIP-7702: PER_AUTH_BASE_COST */
    GAS_FLOOR_TOKEN = 10,   /* EIP-7623 */
    GAS_PER_BLOB = 1 << 17,
    BLOB_HASH_VERSION = 1,
    DELEGATION_LEN = 23 /* 0xef0100 || address */
};

static const uint8_t DELEGATION[3] = {0xef, 0x01, 0x00};

#define TRY(call)                                                                                  \
    do {                                                                                           \
        enum status try_ = (call);                                                                 \
        if (try_ != OK) return try_;                                                               \
    } while (0)

const char *tx_verdict_text(enum tx_verdict v)
{
    switch (v) {
#define X(id, text)                                                                                \
    case id: return text;
        TX_VERDICTS(X)
#undef X
    }
    return "unknown verdict";
}

/* --- gas before the first opcode */

bool exec_tx_intrinsic(uint64_t *gas, uint64_t *floor, const struct tx *tx, const struct rules *rules)
{
    size_t zeros = 0, addresses = 0, keys = 0;
    for (size_t i = 0; i < tx->data.len; i++) zeros += tx->data.ptr[i] == 0;
    const uint64_t others = tx->data.len - zeros;
    /* every factor is below 2^32 and every count below 2^40: no sum leaves 64 bits; data lengths beyond that cannot be in memory */
    if (tx->data.len > (size_t)1 << 40) return false;
    uint64_t g = GAS_TX + GAS_DATA_ZERO * zeros + (rules->eip2028 ? GAS_DATA_EIP2028 : GAS_DATA_FRONTIER) * others;
    if (!tx->has_to && rules->homestead) g += GAS_CREATE;
    if (!tx->has_to && rules->eip3860) g += GAS_INIT_WORD * ((tx->data.len + 31) / 32);
    if (tx->type != TX_LEGACY && tx->access_list.len != 0) {
        access_list_count(&addresses, &keys, tx->access_list);
        g += GAS_ACCESS_ADDRESS * addresses + GAS_ACCESS_KEY * keys;
    }
    if (tx->type == TX_SET_CODE) {
        bytes list = tx->auth_list;
        struct auth_tuple t;
        while (auth_list_next(&t, &list)) g += GAS_AUTH_EMPTY;
    }
    *gas = g;
    *floor = rules->eip7623 ? GAS_TX + GAS_FLOOR_TOKEN * (zeros + 4 * others) : 0;
    return true;
}

/* --- may it stand in the block? */

static size_t blob_count(const struct tx *tx)
{
    bytes list = tx->blob_hashes;
    hash32 h;
    size_t n = 0;
    while (hash_list_next(&h, &list)) n++;
    return n;
}

static enum tx_verdict check_blobs(const struct exec_env *env, const struct tx *tx)
{
    const uint64_t max = env->rules.eip7691 ? 9 : 6;
    const size_t n = blob_count(tx);
    bytes list = tx->blob_hashes;
    hash32 h;
    if (!tx->has_to) return TX_BLOB_CREATE;
    if (n == 0 || n > max) return TX_BLOB_COUNT;
    while (hash_list_next(&h, &list))
        if (h.b[0] != BLOB_HASH_VERSION) return TX_BLOB_VERSION;
    if (env->rules.fee_required && u256_lt(&tx->max_blob_fee, &env->block.blob_base_fee)) return TX_BLOB_FEE;
    if (env->blob_gas_used + n * GAS_PER_BLOB > max * GAS_PER_BLOB) return TX_GAS_LIMIT_REACHED;
    return TX_VALID;
}

/* check_form: what can be said without looking at the state */
static enum tx_verdict check_form(const struct exec_env *env, const struct tx *tx)
{
    const struct rules *r = &env->rules;
    bool known = true;
    switch (tx->type) {
    case TX_LEGACY: break;
    case TX_ACCESS_LIST: known = r->eip2930; break;
    case TX_DYNAMIC_FEE: known = r->eip1559; break;
    case TX_BLOB: known = r->eip4844; break;
    case TX_SET_CODE: known = r->eip7702; break;
    }
    if (!known) return TX_TYPE_NOT_SUPPORTED;
    if (!tx->has_sender) return TX_BAD_SIGNATURE;
    if (tx->has_chain_id && (tx->chain_id != r->chain_id || (tx->type == TX_LEGACY && !r->eip155))) return TX_CHAIN_ID;
    if (r->eip1559) {
        if (u256_lt(&tx->max_fee, &tx->max_priority)) return TX_TIP_ABOVE_FEE;
        if (r->fee_required && u256_lt(&tx->max_fee, &env->block.base_fee)) return TX_FEE_BELOW_BASE;
    }
    if (tx->type == TX_BLOB) {
        enum tx_verdict v = check_blobs(env, tx);
        if (v != TX_VALID) return v;
    }
    if (tx->type == TX_SET_CODE) {
        if (!tx->has_to) return TX_AUTH_CREATE;
        if (tx->auth_list.len == 0) return TX_AUTH_EMPTY;
    }
    if (!tx->has_to && r->eip3860 && tx->data.len > r->max_init_code_size) return TX_INIT_CODE_TOO_LARGE;
    uint64_t gas, floor;
    if (!exec_tx_intrinsic(&gas, &floor, tx, r) || gas > tx->gas_limit) return TX_INTRINSIC_GAS;
    if (floor > tx->gas_limit) return TX_FLOOR_GAS;
    if (env->gas_used > env->block.gas_limit || tx->gas_limit > env->block.gas_limit - env->gas_used) return TX_GAS_LIMIT_REACHED;
    return TX_VALID;
}

/* greatest_cost: value and all gas at the highest price that the sender agreed to; ret false when it leaves 256 bits */
static bool greatest_cost(u256 *out, const struct exec_env *env, const struct tx *tx)
{
    u256 cost = tx->value, part;
    if (env->rules.fee_required) {
        if (u256_mul_overflow(&part, tx->max_fee, u256_from_u64(tx->gas_limit))) return false;
        if (u256_add_carry(&cost, &cost, &part)) return false;
        if (tx->type == TX_BLOB) {
            if (u256_mul_overflow(&part, tx->max_blob_fee, u256_from_u64(blob_count(tx) * GAS_PER_BLOB))) return false;
            if (u256_add_carry(&cost, &cost, &part)) return false;
        }
    }
    *out = cost;
    return true;
}

static bool is_delegation(bytes code)
{
    return code.len == DELEGATION_LEN && memcmp(code.ptr, DELEGATION, sizeof DELEGATION) == 0;
}

enum status exec_tx_check(enum tx_verdict *v, struct exec_env *env, struct state *s, const struct tx *tx)
{
    enum tx_verdict form = check_form(env, tx);
    if (form != TX_VALID) {
        *v = form;
        return OK;
    }
    uint64_t nonce;
    u256 balance, cost;
    bytes code;
    TRY(state_get_nonce(s, &tx->sender, &nonce));
    TRY(state_get_balance(s, &tx->sender, &balance));
    TRY(state_get_code(s, &tx->sender, &code));
    if (env->rules.eip3607 && code.len != 0 && !(env->rules.eip7702 && is_delegation(code)))
        *v = TX_SENDER_HAS_CODE;
    else if (tx->nonce < nonce)
        *v = TX_NONCE_TOO_LOW;
    else if (tx->nonce > nonce)
        *v = TX_NONCE_TOO_HIGH;
    else if (tx->nonce == UINT64_MAX) /* SPEC(EIP-2681) */
        *v = TX_NONCE_MAX;
    else if (!greatest_cost(&cost, env, tx))
        *v = TX_VALUE_OVERFLOW;
    else if (u256_lt(&balance, &cost))
        *v = TX_INSUFFICIENT_FUNDS;
    else
        *v = TX_VALID;
    return OK;
}

/* --- the world of a message */

static void unmoved_precompile(const struct exec_env *env, const address *a, int *id, int *pricing, uint64_t *pa, uint64_t *pb)
{
    if (env->spec == NULL || !env->rules.precompiles_by_spec) {
        evm_precompile_by_rules(id, pricing, pa, pb, &env->rules, a);
        return;
    }
    const struct builtin_price *price;
    const struct spec_account *b = chain_spec_builtin(&price, env->spec, a, env->block.number);
    *id = BUILTIN_NONE;
    if (b == NULL) return;
    *id = (int)b->builtin;
    *pricing = (int)price->kind;
    *pa = price->a;
    *pb = price->b;
}

static void spec_precompile(void *ctx, const address *a, int *id, int *pricing, uint64_t *pa, uint64_t *pb)
{
    const struct exec_env *env = ctx;
    const struct exec_move *m = env->moves;
    while (m != NULL && !address_eq(&m->at, a))
        m = m->next;
    *id = BUILTIN_NONE;
    if (m == NULL || !m->is_gone) unmoved_precompile(env, m == NULL ? a : &m->as, id, pricing, pa, pb);
}

bool exec_is_precompile(const struct exec_env *env, const address *a)
{
    int id, pricing;
    uint64_t pa, pb;
    unmoved_precompile(env, a, &id, &pricing, &pa, &pb);
    return id != BUILTIN_NONE;
}

/* warm_precompiles: SPEC(EIP-2929): they are warm from the start */
static enum status warm_precompiles(struct exec_env *env, struct state *s)
{
    const struct rules *r = &env->rules;
    uint64_t mask = 0;
    if (env->spec == NULL || !r->precompiles_by_spec) {
        unsigned last = r->eip2537 ? 0x11 : r->eip4844 ? 0x0a : r->eip152 ? 9 : r->eip198 ? 8 : 4;
        mask = (UINT64_C(2) << last) - 2;
    } else {
        static const uint8_t zeros[12];
        for (size_t i = 0; i < env->spec->n_accounts; i++) {
            const struct spec_account *a = &env->spec->accounts[i];
            const struct builtin_price *price;
            if (memcmp(a->addr.b, zeros, sizeof zeros) != 0) break; /* ascending; builtins have small numbers */
            if (a->builtin == BUILTIN_NONE || chain_spec_builtin(&price, env->spec, &a->addr, env->block.number) == NULL) continue;
            const uint64_t n = be64_get(a->addr.b + 12);
            if (n < 64)
                mask |= UINT64_C(1) << n;
            else
                TRY(state_warm_address(s, &a->addr));
        }
    }
    state_set_warm_low(s, mask);
    return OK;
}

static const struct evm_host *host_for(struct exec_env *env, struct state *s)
{
    state_set_block_hash_fn(s, env->block_hash, env->block_hash_ctx);
    if ((env->spec == NULL || !env->rules.precompiles_by_spec) && env->moves == NULL) return state_host();
    state_set_precompile_fn(s, spec_precompile, env);
    return state_host_by_spec();
}

/* warm_start: SPEC(EIP-2929, EIP-3651): what a message finds accessed */
static enum status warm_start(struct exec_env *env, struct state *s, const address *sender, const address *to)
{
    if (!env->rules.eip2929) return OK;
    TRY(state_warm_address(s, sender));
    if (to != NULL) TRY(state_warm_address(s, to));
    if (env->rules.eip3651) TRY(state_warm_address(s, &env->block.author));
    return warm_precompiles(env, s);
}

static enum status warm_access_list(struct state *s, const struct tx *tx)
{
    bytes list = tx->access_list;
    struct access_entry e;
    while (access_list_next(&e, &list)) {
        hash32 key;
        TRY(state_warm_address(s, &e.addr));
        while (hash_list_next(&key, &e.keys)) {
            const u256 k = u256_from_be(key.b);
            TRY(state_warm_slot(s, &e.addr, &k));
        }
    }
    return OK;
}

/* authorize: SPEC(EIP-7702), "Behavior": a tuple that does not hold is passed over. *refund grows. */
static enum status authorize(int64_t *refund, struct exec_env *env, struct state *s, const struct tx *tx)
{
    bytes list = tx->auth_list;
    struct auth_tuple t;
    while (auth_list_next(&t, &list)) {
        const u256 chain_id = u256_from_u64(env->rules.chain_id);
        address authority;
        bytes code;
        struct state_account acc;
        bool exists;
        if (!u256_is_zero(&t.chain_id) && !u256_eq(&t.chain_id, &chain_id)) continue;
        if (t.nonce == UINT64_MAX || auth_recover(&authority, &t) != OK) continue;
        TRY(state_warm_address(s, &authority));
        TRY(state_get_code(s, &authority, &code));
        if (code.len != 0 && !is_delegation(code)) continue;
        TRY(state_get_account(s, &authority, &acc, &exists));
        if (acc.nonce != t.nonce) continue;
        if (exists) *refund += GAS_AUTH_EMPTY - GAS_AUTH_BASE;
        uint8_t designator[DELEGATION_LEN];
        memcpy(designator, DELEGATION, sizeof DELEGATION);
        memcpy(designator + sizeof DELEGATION, t.addr.b, sizeof t.addr.b);
        TRY(state_set_code(s, &authority, address_is_zero(&t.addr) ? BYTES_EMPTY : BYTES_OF(designator)));
        TRY(state_set_nonce(s, &authority, t.nonce + 1));
    }
    return OK;
}

static u256 times(const u256 *price, uint64_t n)
{
    return u256_mul(*price, u256_from_u64(n));
}

/* --- one transaction */

struct fees {
    u256 price; /* of one gas to the sender */
    u256 tip;   /* the author's part of it */
    u256 base;  /* the part that is burnt, or the collector's */
};

static struct fees fees_of(const struct exec_env *env, const struct tx *tx)
{
    struct fees f = {.price = tx->max_fee, .tip = tx->max_fee, .base = U256_ZERO};
    if (!env->rules.eip1559 || u256_lt(&tx->max_fee, &env->block.base_fee)) return f; /* below it only when fees are not required */
    f.price = tx_gas_price(tx, &env->block.base_fee);
    f.base = env->block.base_fee;
    f.tip = u256_sub(f.price, f.base);
    return f;
}

/* buy: the sender pays for all gas beforehand, and for blobs for good */
static enum status buy(struct exec_env *env, struct state *s, const struct tx *tx, const struct fees *f)
{
    u256 cost = times(&f->price, tx->gas_limit);
    if (tx->type == TX_BLOB) cost = u256_add(cost, times(&env->block.blob_base_fee, blob_count(tx) * GAS_PER_BLOB));
    if (!env->rules.fee_required) {
        u256 balance;
        TRY(state_get_balance(s, &tx->sender, &balance));
        if (u256_lt(&balance, &cost)) TRY(state_add_balance(s, &tx->sender, &cost)); /* in a call money is no object */
    }
    return state_sub_balance(s, &tx->sender, &cost);
}

/* settle: unused gas goes back, the fee to the author and the collector; ret the gas that is charged */
static enum status settle(uint64_t *used, struct exec_env *env, struct state *s, const struct tx *tx, const struct fees *f,
                          uint64_t gas_left, int64_t refund, uint64_t floor)
{
    uint64_t g = tx->gas_limit - gas_left;
    const uint64_t most = g / env->rules.max_refund_quotient;
    g -= refund < 0 ? 0 : (uint64_t)refund < most ? (uint64_t)refund : most;
    if (g < floor) g = floor; /* SPEC(EIP-7623) */
    const u256 back = times(&f->price, tx->gas_limit - g), fee = times(&f->tip, g), base = times(&f->base, g);
    if (!u256_is_zero(&back)) TRY(state_add_balance(s, &tx->sender, &back));
    TRY(state_add_balance(s, &env->block.author, &fee)); /* zero, too: it touches, and before EIP-161 creates */
    if (env->has_fee_collector && !u256_is_zero(&base)) TRY(state_add_balance(s, &env->fee_collector, &base));
    *used = g;
    return OK;
}

static enum status fill_receipt(struct receipt *r, struct exec_env *env, struct state *s, const struct tx *tx, bool ok, uint64_t used,
                                struct arena *a)
{
    struct receipt out = {.type = tx->type, .ok = ok, .gas_used = used, .cumulative_gas = env->gas_used + used};
    out.form = env->rules.eip658 ? RECEIPT_STATUS : env->rules.eip98 ? RECEIPT_BARE : RECEIPT_ROOT;
    if (out.form == RECEIPT_ROOT) TRY(state_root(s, &out.root));
    size_t n;
    const struct log_entry *logs = state_logs(s, &n);
    out.logs = arena_zalloc(a, n, sizeof *logs);
    if (out.logs == NULL) return E_NOMEM;
    out.n_logs = n;
    for (size_t i = 0; i < n; i++) {
        out.logs[i] = logs[i];
        out.logs[i].data = arena_copy(a, logs[i].data);
        if (out.logs[i].data.ptr == NULL) return E_NOMEM;
    }
    receipt_fill_bloom(&out);
    if (!tx->has_to) {
        out.has_contract = true;
        out.contract_address = address_create(&tx->sender, tx->nonce);
    }
    *r = out;
    return OK;
}

static enum status run_tx(struct receipt *receipt, struct evm_result *out, struct exec_env *env, struct state *s, const struct tx *tx,
                          struct arena *a)
{
    uint64_t intrinsic, floor, used;
    int64_t refund = 0;
    const struct fees fees = fees_of(env, tx);
    const size_t n_blobs = tx->type == TX_BLOB ? blob_count(tx) : 0;
    hash32 blobs[9];
    bytes list = tx->blob_hashes;
    if (n_blobs > COUNT_OF(blobs) || !exec_tx_intrinsic(&intrinsic, &floor, tx, &env->rules)) BUG("unchecked transaction");
    for (size_t i = 0; i < n_blobs && hash_list_next(&blobs[i], &list); i++) {
    }
    const struct evm_tx etx = {.origin = tx->sender, .gas_price = fees.price, .blob_hashes = blobs, .n_blob_hashes = n_blobs};
    struct evm_message msg = {.kind = tx->has_to ? EVM_CALL : EVM_CREATE, .sender = tx->sender, .recipient = tx->to, .code_address = tx->to,
                              .value = tx->value, .gas = tx->gas_limit - intrinsic, .input = tx->data};
    if (!tx->has_to) msg.recipient = msg.code_address = address_create(&tx->sender, tx->nonce);

    state_begin_tx(s, &env->rules);
    TRY(buy(env, s, tx, &fees));
    TRY(state_set_nonce(s, &tx->sender, tx->nonce + 1));
    TRY(warm_start(env, s, &tx->sender, &msg.recipient));
    if (env->rules.eip2930) TRY(warm_access_list(s, tx));
    if (tx->type == TX_SET_CODE) TRY(authorize(&refund, env, s, tx));

    evm_begin(env->evm, &env->rules, &env->block, &etx, host_for(env, s), s, env->tracer);
    evm_run(out, env->evm, &msg);
    if (out->outcome == EVM_HOST_FAILURE) return out->host_status;
    const bool ok = out->outcome == EVM_SUCCESS;
    if (ok) refund += out->refund;
    TRY(settle(&used, env, s, tx, &fees, out->gas_left, refund, floor));
    TRY(state_end_tx(s, NULL));
    TRY(fill_receipt(receipt, env, s, tx, ok, used, a));
    env->gas_used += used;
    env->blob_gas_used += n_blobs * GAS_PER_BLOB;
    return OK;
}

enum status exec_tx(enum tx_verdict *v, struct receipt *receipt, struct evm_result *out_result, struct exec_env *env, struct state *s,
                    const struct tx *tx, struct arena *a)
{
    enum tx_verdict verdict;
    struct evm_result result;
    TRY(exec_tx_check(&verdict, env, s, tx));
    if (verdict == TX_VALID) {
        TRY(run_tx(receipt, &result, env, s, tx, a));
        if (out_result != NULL) *out_result = result;
    }
    *v = verdict;
    return OK;
}

/* --- messages that are no transactions */

enum status exec_call(struct evm_result *out, struct exec_env *env, struct state *s, const struct evm_message *msg, const u256 *gas_price)
{
    const struct evm_tx etx = {.origin = msg->sender, .gas_price = *gas_price};
    struct evm_result result;
    state_begin_tx(s, &env->rules);
    TRY(warm_start(env, s, &msg->sender, &msg->recipient));
    evm_begin(env->evm, &env->rules, &env->block, &etx, host_for(env, s), s, env->tracer);
    evm_run(&result, env->evm, msg);
    if (result.outcome == EVM_HOST_FAILURE) return result.host_status;
    *out = result;
    return OK;
}

enum status exec_system_call(struct evm_result *out, struct exec_env *env, struct state *s, const address *to, bytes input)
{
    const struct evm_message msg = {.kind = EVM_CALL, .sender = ADDRESS_SYSTEM, .recipient = *to, .code_address = *to, .is_boundless = true,
                                    .input = input};
    const int snapshot = state_snapshot(s);
    struct evm_result result;
    state_begin_tx(s, &env->rules);
    /* Parity moves the value, zero, inside the call's checkpoint, and that creates an absent sender: it stays unless the call fails */
    TRY(state_require(s, &ADDRESS_SYSTEM));
    TRY(exec_call(&result, env, s, &msg, &U256_ZERO));
    if (result.outcome != EVM_SUCCESS) state_revert(s, snapshot);
    state_begin_tx(s, &env->rules); /* logs, marks and self-destructions are forgotten; nothing is cleaned up */
    *out = result;
    return OK;
}

enum status exec_protocol_call(struct evm_result *out, struct exec_env *env, struct state *s, const address *to, bytes input)
{
    enum { GAS_PROTOCOL_CALL = 30000000 };
    const struct evm_message msg = {.kind = EVM_CALL, .sender = ADDRESS_SYSTEM, .recipient = *to, .code_address = *to,
                                    .gas = GAS_PROTOCOL_CALL, .input = input, .no_transfer = true};
    const int snapshot = state_snapshot(s);
    struct evm_result result = {.outcome = EVM_SUCCESS};
    bytes code;
    TRY(state_get_code(s, to, &code));
    if (code.len != 0) {
        TRY(exec_call(&result, env, s, &msg, &U256_ZERO));
        if (result.outcome != EVM_SUCCESS) state_revert(s, snapshot);
        TRY(state_end_tx(s, NULL));
    }
    *out = result;
    return OK;
}

/* --- fees from block to block */

u256 exec_base_fee(const struct chain_spec *spec, const struct header *parent)
{
    const uint64_t denominator = spec != NULL && spec->base_fee_denominator != 0 ? spec->base_fee_denominator : 8;
    const uint64_t elasticity = spec != NULL && spec->elasticity_multiplier != 0 ? spec->elasticity_multiplier : 2;
    const u256 initial = spec != NULL ? spec->base_fee_initial : u256_from_u64(1000000000);
    if (!parent->has_base_fee) return initial;
    const u256 base = parent->base_fee;
    const uint64_t target = parent->gas_limit / elasticity;
    u256 fee = base, delta;
    if (target == 0 || parent->gas_used == target) {
        fee = base;
    } else if (parent->gas_used > target) {
        u256_divmod(&delta, NULL, times(&base, parent->gas_used - target), u256_from_u64(target));
        u256_divmod(&delta, NULL, delta, u256_from_u64(denominator));
        if (u256_is_zero(&delta)) delta = U256_ONE;
        fee = u256_add(base, delta);
    } else {
        u256_divmod(&delta, NULL, times(&base, target - parent->gas_used), u256_from_u64(target));
        u256_divmod(&delta, NULL, delta, u256_from_u64(denominator));
        fee = u256_sub(base, delta);
    }
    if (spec != NULL && spec->has_base_fee_min && parent->number + 1 >= spec->base_fee_min_transition && u256_lt(&fee, &spec->base_fee_min)) fee = spec->base_fee_min;
    return fee;
}

uint64_t exec_excess_blob_gas(const struct header *parent, bool eip7691)
{
    const uint64_t target = (eip7691 ? 6u : 3u) * (uint64_t)GAS_PER_BLOB;
    uint64_t sum;
    if (!parent->has_blob_gas) return 0;
    if (__builtin_add_overflow(parent->excess_blob_gas, parent->blob_gas_used, &sum)) return UINT64_MAX - target;
    return sum < target ? 0 : sum - target;
}

/* SPEC(EIP-4844): fake_exponential(1, excess, fraction) */
u256 exec_blob_base_fee(uint64_t excess_blob_gas, bool eip7691)
{
    const u256 fraction = u256_from_u64(eip7691 ? 5007716 : 3338477), excess = u256_from_u64(excess_blob_gas);
    u256 sum = U256_ZERO, term = fraction, out;
    for (uint64_t i = 1; !u256_is_zero(&term); i++) {
        if (u256_add_carry(&sum, &sum, &term)) return U256_MAX;
        if (u256_mul_overflow(&term, term, excess)) return U256_MAX;
        u256_divmod(&term, NULL, term, u256_mul(fraction, u256_from_u64(i)));
    }
    u256_divmod(&out, NULL, sum, fraction);
    return out;
}
