/* rpc_overrides.c: what a call finds that the chain does not have: accounts, precompiles and block otherwise than they are. */
#include "node/rpc/rpc_call.h"

static enum status set_balance(struct state *st, const address *a, const u256 *v)
{
    u256 have, diff;
    enum status s = state_get_balance(st, a, &have);
    if (s != OK) return s;
    if (u256_lt(v, &have)) {
        diff = u256_sub(have, *v);
        return state_sub_balance(st, a, &diff);
    }
    diff = u256_sub(*v, have);
    return state_add_balance(st, a, &diff);
}

static bool override_storage(struct rpc_call *c, struct state *st, const address *a, const json_t *slots)
{
    const char *k;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)slots, k, v)
    {
        u256 key, value;
        json_t *ks = json_string(k);
        bool ok = ks != NULL && value_u256(&key, c, ks, "storage override key") && value_u256(&value, c, v, "storage override value");
        json_decref(ks);
        if (!ok) return false;
        enum status s = state_set_storage(st, a, &key, &value);
        if (s != OK) return rpc_fail_status(c, s, "state override");
    }
    return true;
}

/* "state" replaces all slots: making the account anew clears them */
static enum status clear_storage(struct rpc_call *c, struct state *st, const address *a)
{
    uint64_t nonce;
    bytes code;
    enum status s = state_get_nonce(st, a, &nonce);
    if (s == OK) s = state_get_code(st, a, &code);
    if (s != OK) return s;
    bytes copy = arena_copy(c->a, code);
    if (copy.ptr == NULL) return E_NOMEM;
    s = state_host()->create_account(st, a, nonce);
    if (s == OK && copy.len > 0) s = state_set_code(st, a, copy);
    return s;
}

static bool override_account(struct rpc_call *c, struct state *st, const address *a, const json_t *o)
{
    const json_t *v, *diff = json_field(o, "stateDiff"), *full = json_field(o, "state");
    enum status s = OK;
    if (!json_is_object(o)) return rpc_fail(c, RPC_BAD_PARAMS, "state override: wants an object for each address");
    if ((full && !json_is_object(full)) || (diff && !json_is_object(diff))) return rpc_fail(c, RPC_BAD_PARAMS, "state override: state and stateDiff want objects of slots");
    if (full && diff) return rpc_fail(c, RPC_BAD_PARAMS, "account has both 'state' and 'stateDiff' overrides");
    if (full) s = clear_storage(c, st, a);
    if (s == OK && (v = json_field(o, "nonce"))) {
        uint64_t nonce;
        if (!value_u64(&nonce, c, v, "nonce override")) return false;
        s = state_set_nonce(st, a, nonce);
    }
    if (s == OK && (v = json_field(o, "balance"))) {
        u256 balance;
        if (!value_u256(&balance, c, v, "balance override")) return false;
        s = set_balance(st, a, &balance);
    }
    if (s == OK && (v = json_field(o, "code"))) {
        bytes code;
        if (!value_bytes(&code, c, v, "code override")) return false;
        s = state_set_code(st, a, code);
    }
    if (s != OK) return rpc_fail_status(c, s, "state override");
    if (full) return override_storage(c, st, a, full);
    return diff == NULL || override_storage(c, st, a, diff);
}

bool rpc_apply_overrides(struct rpc_call *c, struct state *st, const json_t *o)
{
    if (o == NULL) return true;
    if (!json_is_object(o)) return rpc_fail(c, RPC_BAD_PARAMS, "invalid state overrides: wants an object by address");
    const char *k;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)o, k, v)
    {
        address a;
        if (strlen(k) != 42 || address_get(&a, bytes_str(k)) != OK) return rpc_fail(c, RPC_BAD_PARAMS, "state override: '%.60s' is no address", k);
        if (!override_account(c, st, &a, v)) return false;
    }
    return true;
}

bool rpc_apply_block_overrides(struct rpc_call *c, struct exec_env *env, const json_t *o)
{
    const json_t *v;
    struct evm_block *b = &env->block;
    if (o == NULL) return true;
    if (!json_is_object(o)) return rpc_fail(c, RPC_BAD_PARAMS, "invalid block overrides: wants an object");
    if (json_field(o, "beaconRoot") || json_field(o, "parentBeaconBlockRoot")) return rpc_fail(c, RPC_BAD_PARAMS, "block override beaconRoot: this chain has no beacon chain");
    if (json_array_size(json_field(o, "withdrawals")) > 0) return rpc_fail(c, RPC_BAD_PARAMS, "block override withdrawals: this chain has none");
    if ((v = json_field(o, "number")) && !value_u64(&b->number, c, v, "block override number")) return false;
    if ((v = json_field(o, "time")) && !value_u64(&b->timestamp, c, v, "block override time")) return false;
    if ((v = json_field(o, "gasLimit")) && !value_u64(&b->gas_limit, c, v, "block override gasLimit")) return false;
    if ((v = json_field(o, "coinbase")) && !value_address(&b->author, c, v, "block override coinbase")) return false;
    if ((v = json_field(o, "feeRecipient")) && !value_address(&b->author, c, v, "block override feeRecipient")) return false;
    if ((v = json_field(o, "difficulty")) && !value_u256(&b->difficulty, c, v, "block override difficulty")) return false;
    if ((v = json_field(o, "prevRandao")) && !value_u256(&b->difficulty, c, v, "block override prevRandao")) return false;
    if ((v = json_field(o, "random")) && !value_u256(&b->difficulty, c, v, "block override random")) return false;
    if ((v = json_field(o, "baseFeePerGas")) && !value_u256(&b->base_fee, c, v, "block override baseFeePerGas")) return false;
    if ((v = json_field(o, "baseFee")) && !value_u256(&b->base_fee, c, v, "block override baseFee")) return false;
    if ((v = json_field(o, "blobBaseFee")) && !value_u256(&b->blob_base_fee, c, v, "block override blobBaseFee")) return false;
    return true;
}

/* ------------------------------------------------------------------ precompiles */

static bool add_move(struct rpc_call *c, struct exec_env *env, const struct exec_move *m)
{
    struct exec_move *p = arena_zalloc(c->a, 1, sizeof *p);
    if (p == NULL) return rpc_fail_status(c, E_NOMEM, "state override");
    *p = *m;
    p->next = env->moves;
    env->moves = p;
    return true;
}

static bool is_target(const struct exec_env *env, const address *to)
{
    for (const struct exec_move *m = env->moves; m != NULL; m = m->next)
        if (!m->is_gone && address_eq(&m->at, to)) return true;
    return false;
}

/* SPEC(execution APIs): a precompile goes before its place gets other code; where it goes to must not be overridden too */
static bool move_one(struct rpc_call *c, struct exec_env *env, const json_t *all, const address *from, const char *name, const json_t *target)
{
    address to;
    if (!value_address(&to, c, target, "movePrecompileToAddress")) return false;
    if (address_eq(&to, from)) return rpc_fail(c, RPC_MOVE_ITSELF, "MovePrecompileToAddress referenced itself in replacement: %s", name);
    if (!exec_is_precompile(env, from)) return rpc_fail(c, RPC_SERVER, "account %s is not a precompile", name);
    if (is_target(env, &to)) return rpc_fail(c, RPC_MOVE_TWICE, "Multiple MovePrecompileToAddress referencing the same address to replace");
    const char *k;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)all, k, v)
    {
        address other;
        if (address_get(&other, bytes_str(k)) == OK && address_eq(&other, &to)) return rpc_fail(c, RPC_MOVE_TWICE, "account %s is already overridden", k);
    }
    return add_move(c, env, &(struct exec_move){.at = to, .as = *from});
}

bool rpc_move_precompiles(struct rpc_call *c, struct exec_env *env, const json_t *o)
{
    const char *k;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)o, k, v)
    {
        address a;
        const json_t *target = json_field(v, "movePrecompileToAddress");
        if (address_get(&a, bytes_str(k)) != OK) return rpc_fail(c, RPC_BAD_PARAMS, "state override: '%.60s' is no address", k);
        if (target != NULL && !move_one(c, env, o, &a, k, target)) return false;
        /* code in its place runs instead of it, too */
        if ((target != NULL || json_field(v, "code") != NULL) && exec_is_precompile(env, &a) && !add_move(c, env, &(struct exec_move){.at = a, .is_gone = true})) return false;
    }
    return true;
}
