/* rpc_eth_call.c: running transactions that nobody signed: eth_call, eth_estimateGas, eth_createAccessList. Each run is a whole transaction
 * on a state that is thrown away, under the block's rules less those that protect senders: no fee is due, a contract may be sender, and
 * the nonce is whatever is right. */
#include "node/rpc/rpc_call.h"
#include "node/rpc/tracers_priv.h"

#define ACCESS_ROUNDS_MAX 16 /* a list that still changes the path after that many runs never settles */

struct run {
    enum tx_verdict verdict;
    struct evm_result result;
    struct receipt receipt;
};

/* what stays the same over all runs of one request */
struct call_env {
    struct call_args args;
    struct block_ref at;
    struct header header;
    const json_t *overrides, *block_overrides;
    uint64_t gas_limit; /* most that a run may have */
    struct state *state; /* of the last run: its result may view it */
    struct tracer *tracer; /* told of the state before the run; or NULL */
    bool goes_on;          /* a run begins with what the one before it left */
    address author;        /* of the block, in the last run */
};

/* ------------------------------------------------------------------ the call object */

static bool put_access_list(struct buf *out, struct rpc_call *c, const json_t *list)
{
    if (!json_is_array(list)) return rpc_fail(c, RPC_BAD_PARAMS, "invalid accessList: wants an array");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *e = json_array_get(list, i), *keys = json_object_get(e, "storageKeys");
        address a;
        if (!value_address(&a, c, json_object_get(e, "address"), "accessList address")) return false;
        size_t entry = rlp_list_open(out);
        rlp_put_string(out, bytes_make(a.b, 20));
        size_t inner = rlp_list_open(out);
        for (size_t k = 0; k < json_array_size(keys); k++) {
            hash32 key;
            if (!value_hash(&key, c, json_array_get(keys, k), "storageKeys")) return false;
            rlp_put_string(out, bytes_make(key.b, 32));
        }
        rlp_list_close(out, inner);
        rlp_list_close(out, entry);
    }
    return true;
}

static void put_uint(struct buf *out, const u256 *v)
{
    uint8_t be[32];
    u256_to_be(be, v);
    rlp_put_uint(out, bytes_make(be, 32));
}

static bool put_auth_list(struct buf *out, struct rpc_call *c, const json_t *list)
{
    if (!json_is_array(list)) return rpc_fail(c, RPC_BAD_PARAMS, "invalid authorizationList: wants an array");
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *e = json_array_get(list, i), *y = json_object_get(e, "yParity");
        u256 chain_id, nonce, parity, r, s;
        address a;
        if (y == NULL) y = json_object_get(e, "v");
        if (!value_u256(&chain_id, c, json_object_get(e, "chainId"), "authorization chainId") ||
            !value_address(&a, c, json_object_get(e, "address"), "authorization address") ||
            !value_u256(&nonce, c, json_object_get(e, "nonce"), "authorization nonce") || !value_u256(&parity, c, y, "authorization yParity") ||
            !value_u256(&r, c, json_object_get(e, "r"), "authorization r") || !value_u256(&s, c, json_object_get(e, "s"), "authorization s"))
            return false;
        size_t entry = rlp_list_open(out);
        put_uint(out, &chain_id);
        rlp_put_string(out, bytes_make(a.b, 20));
        put_uint(out, &nonce);
        put_uint(out, &parity);
        put_uint(out, &r);
        put_uint(out, &s);
        rlp_list_close(out, entry);
    }
    return true;
}

/* a list of the call object as RLP payload in the request's arena */
static bool parse_list(bytes *out, struct rpc_call *c, const json_t *list, bool (*put)(struct buf *, struct rpc_call *, const json_t *))
{
    struct buf b;
    buf_init(&b, RPC_BODY_MAX);
    bool ok = put(&b, c, list);
    if (ok && buf_status(&b) != OK) ok = rpc_fail_status(c, buf_status(&b), "parameters");
    if (ok) {
        *out = arena_copy(c->a, buf_view(&b));
        if (out->ptr == NULL) ok = rpc_fail_status(c, E_NOMEM, "parameters");
    }
    buf_fini(&b);
    return ok;
}

static bool parse_fees(struct call_args *a, struct rpc_call *c, const json_t *o)
{
    const json_t *price = json_field(o, "gasPrice"), *max = json_field(o, "maxFeePerGas"), *tip = json_field(o, "maxPriorityFeePerGas");
    if (price && (max || tip)) return rpc_fail(c, RPC_BAD_PARAMS, "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified");
    struct tx *tx = &a->tx;
    if (price) {
        if (!value_u256(&tx->max_fee, c, price, "gasPrice")) return false;
        tx->max_priority = tx->max_fee;
    }
    if (max && !value_u256(&tx->max_fee, c, max, "maxFeePerGas")) return false;
    if (tip && !value_u256(&tx->max_priority, c, tip, "maxPriorityFeePerGas")) return false;
    if (tip && !max) tx->max_fee = tx->max_priority;
    if (u256_lt(&tx->max_fee, &tx->max_priority)) return rpc_fail(c, RPC_BAD_PARAMS, "maxFeePerGas is less than maxPriorityFeePerGas");
    a->has_price = !u256_is_zero(&tx->max_fee);
    a->price = tx->max_fee;
    if (max || tip) tx->type = TX_DYNAMIC_FEE;
    return true;
}

static bool put_hashes(struct buf *out, struct rpc_call *c, const json_t *list)
{
    hash32 h;
    if (!json_is_array(list)) return rpc_fail(c, RPC_BAD_PARAMS, "invalid blobVersionedHashes: wants an array");
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (!value_hash(&h, c, json_array_get(list, i), "blobVersionedHashes")) return false;
        rlp_put_string(out, BYTES_OF(h.b));
    }
    return true;
}

static bool parse_blobs(struct tx *tx, struct rpc_call *c, const json_t *o)
{
    const json_t *hashes = json_field(o, "blobVersionedHashes"), *fee = json_field(o, "maxFeePerBlobGas");
    if (fee && !value_u256(&tx->max_blob_fee, c, fee, "maxFeePerBlobGas")) return false;
    if (hashes == NULL) return true;
    tx->type = TX_BLOB; /* which is refused where the chain has none */
    return parse_list(&tx->blob_hashes, c, hashes, put_hashes);
}

bool rpc_parse_call(struct call_args *a, struct rpc_call *c, const json_t *o)
{
    *a = (struct call_args){0};
    struct tx *tx = &a->tx;
    if (!json_is_object(o)) return rpc_fail(c, RPC_BAD_PARAMS, "invalid argument 0: wants a call object");
    const json_t *v, *data = json_field(o, "input"), *data2 = json_field(o, "data");
    if ((v = json_field(o, "from")) && !value_address(&tx->sender, c, v, "from")) return false;
    tx->has_sender = true;
    if ((v = json_field(o, "to"))) {
        if (!value_address(&tx->to, c, v, "to")) return false;
        tx->has_to = true;
    }
    if ((v = json_field(o, "gas"))) {
        if (!value_u64(&tx->gas_limit, c, v, "gas")) return false;
        a->has_gas = tx->gas_limit != 0;
    }
    if ((v = json_field(o, "value")) && !value_u256(&tx->value, c, v, "value")) return false;
    if ((v = json_field(o, "nonce"))) {
        if (!value_u64(&tx->nonce, c, v, "nonce")) return false;
        a->has_nonce = true;
    }
    if (data && !value_bytes(&tx->data, c, data, "input")) return false;
    if (data2) {
        bytes other;
        if (!value_bytes(&other, c, data2, "data")) return false;
        if (data && !bytes_eq(other, tx->data)) return rpc_fail(c, RPC_BAD_PARAMS, "data and input are both set and not equal; use input");
        tx->data = other;
    }
    if (!parse_fees(a, c, o)) return false;
    if ((v = json_field(o, "accessList"))) {
        if (!parse_list(&tx->access_list, c, v, put_access_list)) return false;
        if (tx->type == TX_LEGACY) tx->type = TX_ACCESS_LIST;
    }
    if ((v = json_field(o, "authorizationList")) && json_array_size(v) > 0) {
        if (!parse_list(&tx->auth_list, c, v, put_auth_list)) return false;
        tx->type = TX_SET_CODE;
    }
    if (!parse_blobs(tx, c, o)) return false;
    tx->chain_id = c->rpc->spec->chain_id;
    tx->has_chain_id = true;
    if ((v = json_field(o, "chainId"))) {
        uint64_t id;
        if (!value_u64(&id, c, v, "chainId")) return false;
        if (id != tx->chain_id)
            return rpc_fail(c, RPC_BAD_PARAMS, "chainId does not match node's (have=%llu, want=%llu)", (unsigned long long)id, (unsigned long long)tx->chain_id);
    }
    return true;
}

/* ------------------------------------------------------------------ one run */

static bool call_begin(struct call_env *e, struct rpc_call *c, size_t block_arg)
{
    struct kv_txn *txn = rpc_txn(c);
    if (txn == NULL || !param_block(&e->at, c, block_arg)) return false;
    if (!e->at.found) return rpc_fail(c, RPC_SERVER, "header not found");
    if (!e->at.is_canonical) return rpc_fail(c, RPC_SERVER, "the block is not on the canonical chain: its state is not kept");
    enum status s = blocks_get_header(&e->header, txn, &e->at.hash, c->a);
    if (s != OK) return rpc_fail_status(c, s, "header");
    /* a run never has more than a block could give it: that also bounds its time */
    e->gas_limit = e->header.gas_limit;
    return true;
}

static void call_end(struct call_env *e)
{
    state_free(e->state);
    e->state = NULL;
}

static bool open_call_state(struct call_env *e, struct rpc_call *c)
{
    if (e->goes_on && e->state != NULL) return true;
    call_end(e);
    enum status s = chain_state_at(&e->state, c->w->txn, c->rpc->chain, e->at.number);
    if (s == E_NOT_FOUND) {
        e->state = NULL;
        return rpc_fail(c, RPC_SERVER, "missing trie node: the state of block %llu is pruned, only recent blocks have theirs (see --archive)",
                        (unsigned long long)e->at.number);
    }
    if (s != OK) {
        e->state = NULL;
        return rpc_fail_status(c, s, "state");
    }
    return rpc_apply_overrides(c, e->state, e->overrides);
}

static bool call_run(struct run *out, struct call_env *e, struct rpc_call *c, uint64_t gas, const struct evm_tracer *tracer)
{
    if (!open_call_state(e, c)) return false;
    struct exec_env env;
    chain_call_env(&env, c->rpc->chain, c->w->evm, c->w->txn, &e->header, e->at.is_pending);
    if (!rpc_apply_block_overrides(c, &env, e->block_overrides)) return false;
    if (!rpc_move_precompiles(c, &env, e->overrides)) return false;
    env.rules.fee_required = false;
    env.rules.eip3607 = false; /* contracts are asked what they would do as senders */
    if (!e->args.has_price) env.block.base_fee = U256_ZERO;
    if (u256_is_zero(&e->args.tx.max_blob_fee)) env.block.blob_base_fee = U256_ZERO;
    if (env.block.gas_limit < gas) env.block.gas_limit = gas;
    env.tracer = tracer;
    struct tx tx = e->args.tx;
    tx.gas_limit = gas;
    if (tx.type == TX_DYNAMIC_FEE && !env.rules.eip1559) tx.type = TX_LEGACY;
    tx.has_chain_id = tx.type != TX_LEGACY || env.rules.eip155;
    enum status s = OK;
    if (!e->args.has_nonce) s = state_get_nonce(e->state, &tx.sender, &tx.nonce);
    else s = state_set_nonce(e->state, &tx.sender, tx.nonce);
    *out = (struct run){0};
    if (tracer != NULL && e->tracer != NULL) tracer_begin(e->tracer, e->state, env.block.number);
    e->author = env.block.author;
    e->args.tx.nonce = tx.nonce;
    if (s == OK) s = exec_tx(&out->verdict, &out->receipt, &out->result, &env, e->state, &tx, c->a);
    if (s != OK) return e->tracer != NULL ? tracer_fail(e->tracer, s) : rpc_fail_status(c, s, "execution");
    if (out->verdict == TX_VALID && out->result.outcome == EVM_HOST_FAILURE) return rpc_fail_status(c, out->result.host_status, "execution");
    return true;
}

static const char *panic_text(uint64_t code)
{
    /* Solidity's documentation, "Panic via assert and Error via require" */
    switch (code) {
    case 0x00: return "generic panic";
    case 0x01: return "assert(false)";
    case 0x11: return "arithmetic underflow or overflow";
    case 0x12: return "division or modulo by zero";
    case 0x21: return "enum overflow";
    case 0x22: return "invalid encoded storage byte array accessed";
    case 0x31: return "out-of-bounds array access; popping on an empty array";
    case 0x32: return "out-of-bounds access of an array or bytesN";
    case 0x41: return "out of memory";
    case 0x51: return "uninitialized function";
    default: return "unknown panic";
    }
}

bool rpc_revert_reason(char *dst, size_t cap, bytes data)
{
    if (data.len >= 68 && memcmp(data.ptr, "\x08\xc3\x79\xa0", 4) == 0) {
        u256 off = u256_from_be(data.ptr + 4);
        if (!u256_is_u64(&off) || off.w[0] > data.len - 36) return false;
        const uint8_t *p = data.ptr + 4 + off.w[0];
        size_t left = data.len - 4 - (size_t)off.w[0];
        u256 len = u256_from_be(p);
        if (!u256_is_u64(&len) || len.w[0] > left - 32) return false;
        size_t n = len.w[0] < cap - 1 ? (size_t)len.w[0] : cap - 1;
        memcpy(dst, p + 32, n);
        dst[n] = 0;
        return true;
    }
    if (data.len == 36 && memcmp(data.ptr, "\x4e\x48\x7b\x71", 4) == 0) {
        u256 code = u256_from_be(data.ptr + 4);
        snprintf(dst, cap, "%s", panic_text(u256_to_u64_sat(&code)));
        return true;
    }
    return false;
}

/* a run that did not succeed, as the error of the request */
static bool fail_run(struct rpc_call *c, const struct run *r)
{
    if (r->verdict != TX_VALID) return rpc_fail(c, RPC_SERVER, "%s", tx_verdict_text(r->verdict));
    if (r->result.outcome != EVM_REVERT) return rpc_fail(c, RPC_SERVER, "%s", evm_outcome_text(r->result.outcome));
    bytes *data = arena_alloc(c->a, sizeof *data);
    if (data == NULL) return rpc_fail_status(c, E_NOMEM, "execution");
    *data = arena_copy(c->a, r->result.output);
    char reason[400];
    c->error_data = data;
    if (rpc_revert_reason(reason, sizeof reason, *data)) return rpc_fail(c, RPC_REVERTED, "execution reverted: %s", reason);
    return rpc_fail(c, RPC_REVERTED, "execution reverted");
}

static bool succeeded(const struct run *r)
{
    return r->verdict == TX_VALID && r->result.outcome == EVM_SUCCESS;
}

/* ------------------------------------------------------------------ methods */

static bool run_eth_call(struct rpc_call *c, const json_t *o, size_t block_arg, const json_t *overrides, const json_t *block_overrides)
{
    struct call_env e = {.overrides = overrides, .block_overrides = block_overrides};
    struct run r;
    bool ok = rpc_parse_call(&e.args, c, o) && call_begin(&e, c, block_arg);
    if (ok) {
        uint64_t gas = e.args.has_gas && e.args.tx.gas_limit < e.gas_limit ? e.args.tx.gas_limit : e.gas_limit;
        ok = call_run(&r, &e, c, gas, NULL);
    }
    if (ok && !succeeded(&r)) ok = fail_run(c, &r);
    if (ok) jo_data(c->out, r.result.output);
    call_end(&e);
    return ok;
}

bool eth_call(struct rpc_call *c)
{
    return run_eth_call(c, param(c, 0), 1, param(c, 2), param(c, 3));
}

bool parity_call(struct rpc_call *c)
{
    const json_t *calls = param(c, 0);
    if (!json_is_array(calls)) return rpc_fail(c, RPC_BAD_PARAMS, "invalid argument 0: wants an array of calls");
    jo_open(c->out, '[');
    for (size_t i = 0; i < json_array_size(calls); i++)
        if (!run_eth_call(c, json_array_get(calls, i), 1, NULL, NULL)) return false;
    jo_close(c->out, ']');
    return true;
}

/* most gas that the sender could pay for at the price given */
static bool cap_by_balance(uint64_t *hi, struct call_env *e, struct rpc_call *c)
{
    u256 balance, gas;
    if (!e->args.has_price) return true;
    if (!open_call_state(e, c)) return false;
    enum status s = state_get_balance(e->state, &e->args.tx.sender, &balance);
    if (s != OK) return rpc_fail_status(c, s, "state");
    if (u256_lt(&balance, &e->args.tx.value)) return rpc_fail(c, RPC_SERVER, "insufficient funds for transfer");
    u256_divmod(&gas, NULL, u256_sub(balance, e->args.tx.value), e->args.price);
    if (u256_to_u64_sat(&gas) < *hi) *hi = u256_to_u64_sat(&gas);
    return true;
}

/* The least gas limit with which the transaction succeeds. What a run used (before refunds) is nearly always the answer; a run that looks at
 * its own gas, or calls that keep back a 64th, need more: then the gap is halved until it is closed. */
static bool search_gas(uint64_t *out, struct call_env *e, struct rpc_call *c, uint64_t hi, const struct run *first)
{
    struct run r;
    uint64_t lo = first->receipt.gas_used > 0 ? first->receipt.gas_used - 1 : 0; /* surely too little */
    uint64_t used = hi - first->result.gas_left;
    if (used < first->receipt.gas_used) used = first->receipt.gas_used; /* SPEC(EIP-7623): the floor */
    bool guessed = false;
    while (hi - lo > 1) {
        uint64_t mid = lo + (hi - lo) / 2;
        if (!guessed && used > lo && used < hi) mid = used;
        else if (hi == used && used - 1 > lo) mid = used - 1;
        else if (guessed && lo >= used && lo - used < used / 32 && lo + used / 32 + 5000 < hi) mid = lo + used / 32 + 5000;
        guessed = true;
        if (!call_run(&r, e, c, mid, NULL)) return false;
        if (succeeded(&r)) hi = mid;
        else lo = mid;
    }
    *out = hi;
    return true;
}

bool eth_estimate_gas(struct rpc_call *c)
{
    struct call_env e = {.overrides = param(c, 2), .block_overrides = param(c, 3)};
    struct run r;
    uint64_t hi = 0, gas = 0;
    bool ok = rpc_parse_call(&e.args, c, param(c, 0)) && call_begin(&e, c, 1);
    if (ok) {
        hi = e.args.has_gas && e.args.tx.gas_limit >= 21000 && e.args.tx.gas_limit < e.gas_limit ? e.args.tx.gas_limit : e.gas_limit;
        ok = cap_by_balance(&hi, &e, c) && call_run(&r, &e, c, hi, NULL);
    }
    if (ok && !succeeded(&r)) {
        bool too_little = r.verdict == TX_INTRINSIC_GAS || r.verdict == TX_FLOOR_GAS ||
                          (r.verdict == TX_VALID && r.result.outcome == EVM_OUT_OF_GAS);
        ok = too_little ? rpc_fail(c, RPC_SERVER, "gas required exceeds allowance (%llu)", (unsigned long long)hi) : fail_run(c, &r);
    }
    ok = ok && search_gas(&gas, &e, c, hi, &r);
    if (ok) jo_u64(c->out, gas);
    call_end(&e);
    return ok;
}

/* ------------------------------------------------------------------ access lists */

static bool is_precompile(const address *a)
{
    for (size_t i = 0; i < 18; i++)
        if (a->b[i] != 0) return false;
    return (a->b[18] == 0 && a->b[19] > 0 && a->b[19] <= 0x11) || (a->b[18] == 1 && a->b[19] == 0);
}

bool rpc_is_precompile(struct rpc_call *c, const address *a, uint64_t number)
{
    const struct builtin_price *price;
    struct rules rules;
    if (chain_spec_builtin(&price, c->rpc->spec, a, number) != NULL) return true;
    chain_spec_rules(&rules, c->rpc->spec, number, 0);
    return !rules.precompiles_by_spec && is_precompile(a);
}

/* addresses that are warm anyway are listed only for their slots */
static bool is_listed(const struct traced_account *p, const struct call_args *args, const address *to)
{
    if (p->n_slots > 0) return true;
    return !is_precompile(&p->addr) && !address_eq(&p->addr, &args->tx.sender) && !address_eq(&p->addr, to);
}

static void put_touched_rlp(struct buf *b, const struct traced_account *list, const struct call_args *args, const address *to)
{
    for (const struct traced_account *p = list; p != NULL; p = p->next) {
        if (!is_listed(p, args, to)) continue;
        size_t entry = rlp_list_open(b);
        rlp_put_string(b, bytes_make(p->addr.b, 20));
        size_t keys = rlp_list_open(b);
        for (const struct traced_slot *slot = p->slots; slot != NULL; slot = slot->next) {
            uint8_t be[32];
            u256_to_be(be, &slot->key);
            rlp_put_string(b, bytes_make(be, 32));
        }
        rlp_list_close(b, keys);
        rlp_list_close(b, entry);
    }
}

static bool settle_access_list(struct run *r, struct tracer *t, struct call_env *e, struct rpc_call *c, uint64_t gas, const address *to)
{
    for (int round = 0; round < ACCESS_ROUNDS_MAX; round++) {
        const size_t before = t->touched.n_accounts + t->touched.n_slots;
        if (!rpc_has_time(c)) return false;
        if (!call_run(r, e, c, gas, tracer_hooks(t))) return c->w->stop_run ? tracer_fail(t, E_CANCELLED) : false;
        if (t->failed) return tracer_fail(t, E_NOMEM);
        if (t->touched.n_accounts + t->touched.n_slots == before && round > 0) return true;
        struct buf b;
        buf_init(&b, 64 << 20);
        put_touched_rlp(&b, t->touched.list, &e->args, to);
        e->args.tx.access_list = arena_copy(c->a, buf_view(&b));
        buf_fini(&b);
        if (e->args.tx.access_list.ptr == NULL) return rpc_fail_status(c, E_NOMEM, "access list");
        if (e->args.tx.type == TX_LEGACY) e->args.tx.type = TX_ACCESS_LIST;
    }
    return true;
}

bool eth_create_access_list(struct rpc_call *c)
{
    struct call_env e = {.overrides = param(c, 2)};
    struct tracer t;
    struct run r;
    struct rules rules;
    tracer_init_touched(&t, c);
    bool ok = rpc_parse_call(&e.args, c, param(c, 0)) && call_begin(&e, c, 1);
    address to = e.args.tx.to;
    if (ok) {
        chain_spec_rules(&rules, c->rpc->spec, e.header.number + (e.at.is_pending ? 1 : 0), e.header.timestamp);
        if (!rules.eip2930) ok = rpc_fail(c, RPC_SERVER, "access lists are not part of this chain's rules");
    }
    if (ok && !e.args.tx.has_to) {
        uint64_t nonce = e.args.tx.nonce;
        ok = open_call_state(&e, c);
        if (ok && !e.args.has_nonce) {
            enum status s = state_get_nonce(e.state, &e.args.tx.sender, &nonce);
            if (s != OK) ok = rpc_fail_status(c, s, "state");
        }
        to = address_create(&e.args.tx.sender, nonce);
    }
    if (ok) {
        uint64_t gas = e.args.has_gas && e.args.tx.gas_limit < e.gas_limit ? e.args.tx.gas_limit : e.gas_limit;
        ok = settle_access_list(&r, &t, &e, c, gas, &to);
    }
    if (ok && r.verdict != TX_VALID) ok = fail_run(c, &r);
    if (ok) {
        struct buf *b = c->out;
        jo_open(b, '{');
        jo_key(b, "accessList");
        jo_open(b, '[');
        for (const struct traced_account *p = t.touched.list; p != NULL; p = p->next) {
            if (!is_listed(p, &e.args, &to)) continue;
            jo_open(b, '{');
            jo_key(b, "address");
            jo_address(b, &p->addr);
            jo_key(b, "storageKeys");
            jo_open(b, '[');
            for (const struct traced_slot *slot = p->slots; slot != NULL; slot = slot->next) {
                uint8_t be[32];
                u256_to_be(be, &slot->key);
                jo_data(b, bytes_make(be, 32));
            }
            jo_close(b, ']');
            jo_close(b, '}');
        }
        jo_close(b, ']');
        if (r.result.outcome != EVM_SUCCESS) {
            jo_key(b, "error");
            jo_str(b, evm_outcome_text(r.result.outcome));
        }
        jo_key(b, "gasUsed");
        jo_u64(b, r.receipt.gas_used);
        jo_close(b, '}');
    }
    call_end(&e);
    return ok;
}

/* ------------------------------------------------------------------ traces */

static bool trace_run(struct call_env *e, struct rpc_call *c, struct tracer *t)
{
    struct run r;
    uint64_t gas = e->args.has_gas && e->args.tx.gas_limit < e->gas_limit ? e->args.tx.gas_limit : e->gas_limit;
    e->tracer = t;
    if (!call_run(&r, e, c, gas, tracer_hooks(t))) return false;
    if (r.verdict != TX_VALID) return fail_run(c, &r);
    e->args.tx.gas_limit = gas;
    const struct tracer_facts facts = {.tx = &e->args.tx, .receipt = &r.receipt, .result = &r.result, .author = &e->author};
    if (!tracer_end(t, &facts)) return false;
    return !e->goes_on || !t->has_undone || call_run(&r, e, c, gas, NULL);
}

bool rpc_trace_calls(struct rpc_call *c, const json_t *calls, size_t block_arg)
{
    struct call_env e = {.goes_on = true};
    bool ok = call_begin(&e, c, block_arg);
    jo_open(c->out, '[');
    for (size_t i = 0; ok && i < json_array_size(calls); i++) {
        const json_t *pair = json_array_get(calls, i);
        struct tracer t;
        unsigned wants;
        ok = rpc_has_time(c) && rpc_trace_types(&wants, c, json_array_get(pair, 1)) && rpc_parse_call(&e.args, c, json_array_get(pair, 0));
        if (!ok) break;
        tracer_init_parity(&t, c, wants);
        ok = trace_run(&e, c, &t);
    }
    jo_close(c->out, ']');
    call_end(&e);
    return ok;
}

bool rpc_trace_raw(struct rpc_call *c, struct tracer *t, bytes raw)
{
    struct call_env e = {.tracer = t};
    struct err err = {0};
    struct kv_txn *txn = rpc_txn(c);
    if (txn == NULL) return false;
    enum status s = tx_get(&e.args.tx, raw, &err);
    if (s == OK) s = tx_recover(&e.args.tx, true);
    if (s != OK) return rpc_fail(c, RPC_BAD_PARAMS, "invalid transaction: %s", err.text[0] ? err.text : status_text(s));
    e.args.has_gas = e.args.has_nonce = true;
    e.args.has_price = !u256_is_zero(&e.args.tx.max_fee);
    e.args.price = e.args.tx.max_fee;
    bool ok = call_begin(&e, c, SIZE_MAX) && trace_run(&e, c, t);
    call_end(&e);
    return ok;
}

bool rpc_trace_call(struct rpc_call *c, struct tracer *t, size_t block_arg, const json_t *overrides, const json_t *block_overrides)
{
    struct call_env e = {.overrides = overrides, .block_overrides = block_overrides};
    bool ok = rpc_parse_call(&e.args, c, param(c, 0)) && call_begin(&e, c, block_arg) && trace_run(&e, c, t);
    call_end(&e);
    return ok;
}
