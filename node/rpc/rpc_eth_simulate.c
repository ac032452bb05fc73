/* rpc_eth_simulate.c: eth_simulateV1 (execution APIs): calls in blocks that are never made, each on top of what stood before it. Without
 * `validation` it is eth_call in a row: no fee is due, nonces are whatever is right, contracts may be senders. */
#include "node/rpc/rpc_call.h"
#include "node/rpc/tracers.h"

enum { SIM_BLOCKS_MAX = 256, SIM_CALLS_MAX = 5000 };

/* error codes of the specification */
enum {
    SIM_NONCE_LOW = -38010, SIM_NONCE_HIGH = -38011, SIM_FEE_LOW = -38012, SIM_INTRINSIC = -38013, SIM_FUNDS = -38014, SIM_BLOCK_GAS = -38015,
    SIM_NUMBERS = -38020, SIM_TIMES = -38021, SIM_SENDER_CODE = -38024, SIM_INIT_CODE = -38025, SIM_LIMIT = -38026
};

struct sim_call {
    enum evm_outcome outcome;
    bytes output;      /* in the request's arena */
    uint64_t most_gas; /* before refunds */
};

struct sim_block {
    struct block block;
    struct receipt *receipts;
    struct sim_call *calls;
    const json_t *spec; /* of blockStateCalls; NULL: an empty block between */
};

struct sim {
    struct rpc_call *c;
    struct state *state;
    struct header base;
    hash32 base_hash;
    struct sim_block *blocks;
    size_t n_blocks, n_calls;
    bool validation, transfers, full;
    uint64_t gas_left, step_s;
    enum status (*real_hash)(void *ctx, uint64_t number, hash32 *out);
    void *real_ctx;
};

enum { OP_CALLCODE = 0xf2, OP_DELEGATECALL = 0xf4 };

/* BLOCKHASH sees the blocks before, made or not */
static enum status block_hash(void *ctx, uint64_t number, hash32 *out)
{
    struct sim *m = ctx;
    if (number == m->base.number) {
        *out = m->base_hash;
        return OK;
    }
    for (size_t i = 0; i < m->n_blocks; i++) {
        if (m->blocks[i].block.header.number != number) continue;
        *out = m->blocks[i].block.hash;
        return OK;
    }
    return m->real_hash(m->real_ctx, number, out);
}

/* ---------------------------------------------------------------- transfers */

/* SPEC(execution-apis, traceTransfers): value that moves is shown as an ERC-20 Transfer of this address */
static const uint8_t ETHER[20] = {0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee};
static const uint8_t TRANSFER[32] = {0xdd, 0xf2, 0x52, 0xad, 0x1b, 0xe2, 0xc8, 0x9b, 0x69, 0xc2, 0xb0, 0x68, 0xfc, 0x37, 0x8d, 0xaa,
                                     0x95, 0x2b, 0xa7, 0xf1, 0x63, 0xc4, 0xa1, 0x16, 0x28, 0xf5, 0x5a, 0x4d, 0xf5, 0x23, 0xb3, 0xef};

struct log_list {
    struct log_entry *list;
    size_t n, cap;
    struct arena *a;
};

static bool add_log(struct log_list *l, const struct log_entry *e)
{
    if (l->n == l->cap) {
        size_t cap = l->cap == 0 ? 16 : 2 * l->cap;
        struct log_entry *p = arena_zalloc(l->a, cap, sizeof *p);
        if (p == NULL) return false;
        if (l->n > 0) memcpy(p, l->list, l->n * sizeof *p);
        l->list = p;
        l->cap = cap;
    }
    l->list[l->n++] = *e;
    return true;
}

static bool add_transfer(struct log_list *l, const struct traced_call *n)
{
    struct log_entry e = {.n_topics = 3};
    uint8_t *value = arena_alloc(l->a, 32);
    if (value == NULL) return false;
    memcpy(e.addr.b, ETHER, 20);
    memcpy(e.topics[0].b, TRANSFER, 32);
    memcpy(e.topics[1].b + 12, n->from.b, 20);
    memcpy(e.topics[2].b + 12, n->to.b, 20);
    u256_to_be(value, &n->value);
    e.data = bytes_make(value, 32);
    return add_log(l, &e);
}

/* the logs of a call and of those below it, in the order they came; what was reverted left none */
static bool collect(struct log_list *l, const struct traced_call *n, unsigned depth)
{
    if (n->outcome != EVM_SUCCESS || depth > 1100) return true;
    bool moves = n->op != OP_DELEGATECALL && n->op != OP_CALLCODE;
    if (moves && !u256_is_zero(&n->value) && !add_transfer(l, n)) return false;
    const struct traced_call *child = n->first;
    size_t passed = 0;
    for (const struct traced_log *log = n->logs; log != NULL; log = log->next) {
        struct log_entry e = {.addr = log->addr, .n_topics = (uint8_t)log->n_topics, .data = log->data};
        for (; child != NULL && passed < log->position; child = child->next, passed++)
            if (!collect(l, child, depth + 1)) return false;
        memcpy(e.topics, log->topics, sizeof e.topics);
        if (!add_log(l, &e)) return false;
    }
    for (; child != NULL; child = child->next)
        if (!collect(l, child, depth + 1)) return false;
    return true;
}

/* -------------------------------------------------------------------- calls */

static int code_of(enum tx_verdict v)
{
    if (v == TX_NONCE_TOO_LOW) return SIM_NONCE_LOW;
    if (v == TX_NONCE_TOO_HIGH || v == TX_NONCE_MAX) return SIM_NONCE_HIGH;
    if (v == TX_FEE_BELOW_BASE) return SIM_FEE_LOW;
    if (v == TX_INTRINSIC_GAS || v == TX_FLOOR_GAS) return SIM_INTRINSIC;
    if (v == TX_INSUFFICIENT_FUNDS || v == TX_VALUE_OVERFLOW) return SIM_FUNDS;
    if (v == TX_GAS_LIMIT_REACHED) return SIM_BLOCK_GAS;
    if (v == TX_SENDER_HAS_CODE) return SIM_SENDER_CODE;
    if (v == TX_INIT_CODE_TOO_LARGE) return SIM_INIT_CODE;
    return RPC_BAD_PARAMS;
}

static void put_run_error(struct buf *b, const struct sim_call *r)
{
    char reason[400], text[500];
    bool reverted = r->outcome == EVM_REVERT;
    if (!reverted) (void)snprintf(text, sizeof text, "%s", evm_outcome_text(r->outcome));
    else if (rpc_revert_reason(reason, sizeof reason, r->output)) (void)snprintf(text, sizeof text, "execution reverted: %s", reason);
    else (void)snprintf(text, sizeof text, "execution reverted");
    jo_key(b, "error");
    jo_open(b, '{');
    jo_key(b, "code");
    jo_raw(b, reverted ? BYTES_LIT("3") : BYTES_LIT("-32015"));
    jo_key(b, "message");
    jo_str(b, text);
    if (reverted) {
        jo_key(b, "data");
        jo_data(b, r->output);
    }
    jo_close(b, '}');
}

/* nobody signed it: its hash and place in the root are those of zeros for a signature */
static bool seal_tx(struct tx *tx, struct rpc_call *c)
{
    struct buf b;
    buf_init(&b, RPC_BODY_MAX);
    enum status s = tx_seal_unsigned(tx, &b);
    tx->raw = arena_copy(c->a, buf_view(&b));
    buf_fini(&b);
    if (s == OK && tx->raw.ptr == NULL) s = E_NOMEM;
    return s == OK || rpc_fail_status(c, s, "transaction");
}

static bool run_call(struct sim *m, struct sim_block *sb, struct exec_env *env, const json_t *o, size_t i)
{
    struct rpc_call *c = m->c;
    struct call_args args;
    struct tracer t = {.failed = false};
    enum tx_verdict verdict = TX_VALID;
    struct evm_result result;
    struct block *blk = &sb->block;
    if (!rpc_parse_call(&args, c, o)) return false;
    struct tx *tx = &blk->txs[i];
    *tx = args.tx;
    uint64_t room = env->block.gas_limit - env->gas_used;
    if (!args.has_gas) tx->gas_limit = room < m->gas_left ? room : m->gas_left;
    if (tx->gas_limit > room) return rpc_fail(c, SIM_BLOCK_GAS, "block gas limit reached: call %zu wants %llu, %llu are left", i, (unsigned long long)tx->gas_limit, (unsigned long long)room);
    if (tx->gas_limit > m->gas_left) return rpc_fail(c, SIM_LIMIT, "the calls of one request may use %llu gas together", (unsigned long long)m->base.gas_limit * 10);
    if (tx->type == TX_LEGACY && env->rules.eip1559 && json_field(o, "gasPrice") == NULL) tx->type = TX_DYNAMIC_FEE;
    if (tx->type == TX_DYNAMIC_FEE && !env->rules.eip1559) tx->type = TX_LEGACY;
    tx->has_chain_id = tx->type != TX_LEGACY || env->rules.eip155;
    if (m->validation && !args.has_price && env->rules.eip1559 && tx->type == TX_DYNAMIC_FEE) tx->max_fee = tx->max_priority = U256_ZERO;
    enum status s = OK;
    if (!args.has_nonce) s = state_get_nonce(m->state, &tx->sender, &tx->nonce);
    else if (!m->validation) s = state_set_nonce(m->state, &tx->sender, tx->nonce);
    if (s != OK) return rpc_fail_status(c, s, "state");
    if (!seal_tx(tx, c)) return false;
    if (m->transfers) {
        json_t *config = json_pack("{s:s, s:{s:b}}", "tracer", "callTracer", "tracerConfig", "withLog", 1);
        bool ok = config != NULL && tracer_init(&t, c, config);
        json_decref(config);
        if (!ok) return false;
        tracer_begin(&t, m->state, env->block.number);
        env->tracer = tracer_hooks(&t);
    }
    struct receipt *r = &sb->receipts[i];
    s = exec_tx(&verdict, r, &result, env, m->state, tx, c->a);
    env->tracer = NULL;
    if (s != OK) return m->transfers ? tracer_fail(&t, s) : rpc_fail_status(c, s, "execution");
    if (verdict != TX_VALID) return rpc_fail(c, code_of(verdict), "call %zu: %s", i, tx_verdict_text(verdict));
    if (result.outcome == EVM_HOST_FAILURE) return rpc_fail_status(c, result.host_status, "execution");
    m->gas_left -= r->gas_used < m->gas_left ? r->gas_used : m->gas_left;
    struct log_list logs = {.a = c->a};
    if (m->transfers) {
        if (t.failed || (t.root != NULL && !collect(&logs, t.root, 0))) return rpc_fail_status(c, E_NOMEM, "transfers");
        r->logs = logs.list;
        r->n_logs = logs.n;
    }
    const uint64_t used = tx->gas_limit - result.gas_left;
    sb->calls[i] = (struct sim_call){.outcome = result.outcome, .output = arena_copy(c->a, result.output), .most_gas = used > r->gas_used ? used : r->gas_used};
    return result.output.len == 0 || sb->calls[i].output.ptr != NULL || rpc_fail_status(c, E_NOMEM, "simulation");
}

/* ------------------------------------------------------------------- blocks */

static bool begin_block(struct sim *m, struct sim_block *sb, struct exec_env *env, const struct header *parent, const hash32 *parent_hash, uint64_t number)
{
    struct rpc_call *c = m->c;
    const json_t *o = sb->spec == NULL ? NULL : json_field(sb->spec, "blockOverrides");
    chain_call_env(env, c->rpc->chain, c->w->evm, c->w->txn, parent, true);
    m->real_hash = env->block_hash;
    m->real_ctx = env->block_hash_ctx;
    env->block_hash = block_hash;
    env->block_hash_ctx = m;
    env->block.number = number;
    env->block.timestamp = parent->timestamp + m->step_s;
    if (!m->validation && (o == NULL || (json_field(o, "baseFeePerGas") == NULL && json_field(o, "baseFee") == NULL))) env->block.base_fee = U256_ZERO;
    if (!rpc_apply_block_overrides(c, env, o)) return false;
    env->block.number = number;
    if (env->block.timestamp <= parent->timestamp)
        return rpc_fail(c, SIM_TIMES, "block timestamps must grow: block %llu has %llu, the one before it %llu", (unsigned long long)number,
                        (unsigned long long)env->block.timestamp, (unsigned long long)parent->timestamp);
    env->rules.fee_required = m->validation && env->rules.fee_required;
    if (!m->validation) env->rules.eip3607 = false;
    struct header *h = &sb->block.header;
    *h = (struct header){.parent_hash = *parent_hash, .uncles_hash = parent->uncles_hash, .author = env->block.author, .difficulty = env->block.difficulty, .number = number,
                         .gas_limit = env->block.gas_limit, .timestamp = env->block.timestamp, .seal = parent->seal, .has_base_fee = env->rules.eip1559,
                         .base_fee = env->block.base_fee, .has_withdrawals = parent->has_withdrawals, .withdrawals_root = parent->withdrawals_root,
                         .has_requests = parent->has_requests, .requests_hash = parent->requests_hash};
    return true;
}

static bool end_block(struct sim *m, struct sim_block *sb, struct exec_env *env)
{
    struct block *b = &sb->block;
    bloom filter = {{0}};
    enum status s = state_root(m->state, &b->header.state_root);
    if (s == OK) s = chain_tx_root(&b->header.tx_root, b->txs, b->n_txs, m->c->a);
    for (size_t i = 0; i < b->n_txs; i++)
        receipt_fill_bloom(&sb->receipts[i]);
    if (s == OK) s = chain_receipts_root(&b->header.receipts_root, &filter, sb->receipts, b->n_txs, m->c->a);
    if (s != OK) return rpc_fail_status(m->c, s, "roots");
    b->header.logs_bloom = filter;
    b->header.gas_used = env->gas_used;
    b->hash = header_hash(&b->header);
    return true;
}

static bool run_block(struct sim *m, struct sim_block *sb, const struct header *parent, const hash32 *parent_hash, uint64_t number)
{
    struct rpc_call *c = m->c;
    struct exec_env env;
    const json_t *calls = sb->spec == NULL ? NULL : json_field(sb->spec, "calls");
    if (calls != NULL && !json_is_array(calls)) return rpc_fail(c, RPC_BAD_PARAMS, "invalid calls: wants an array");
    size_t n = json_array_size(calls);
    m->n_calls += n;
    if (m->n_calls > SIM_CALLS_MAX) return rpc_fail(c, SIM_LIMIT, "at most %d calls", SIM_CALLS_MAX);
    sb->block.n_txs = n;
    sb->block.txs = arena_zalloc(c->a, n + 1, sizeof *sb->block.txs);
    sb->receipts = arena_zalloc(c->a, n + 1, sizeof *sb->receipts);
    sb->calls = arena_zalloc(c->a, n + 1, sizeof *sb->calls);
    if (sb->block.txs == NULL || sb->receipts == NULL || sb->calls == NULL) return rpc_fail_status(c, E_NOMEM, "simulation");
    if (!begin_block(m, sb, &env, parent, parent_hash, number)) return false;
    const json_t *overrides = sb->spec == NULL ? NULL : json_field(sb->spec, "stateOverrides");
    if (!rpc_apply_overrides(c, m->state, overrides) || !rpc_move_precompiles(c, &env, overrides)) return false;
    for (size_t i = 0; i < n; i++)
        if (!run_call(m, sb, &env, json_array_get(calls, i), i)) return false;
    return end_block(m, sb, &env);
}

static bool run_all(struct sim *m, const json_t *list)
{
    struct rpc_call *c = m->c;
    const struct header *parent = &m->base;
    const hash32 *parent_hash = &m->base_hash;
    size_t i;
    const json_t *spec;
    json_array_foreach(list, i, spec)
    {
        uint64_t number = parent->number + 1;
        if (!json_is_object(spec)) return rpc_fail(c, RPC_BAD_PARAMS, "invalid blockStateCalls: wants objects");
        const json_t *v = json_field(json_field(spec, "blockOverrides"), "number");
        if (v != NULL && !value_u64(&number, c, v, "block override number")) return false;
        if (number <= parent->number)
            return rpc_fail(c, SIM_NUMBERS, "block numbers must grow: %llu does not follow %llu", (unsigned long long)number, (unsigned long long)parent->number);
        /* SPEC: numbers left out are filled with empty blocks */
        if (number - m->base.number > SIM_BLOCKS_MAX) return rpc_fail(c, SIM_LIMIT, "at most %d blocks", SIM_BLOCKS_MAX);
        for (uint64_t at = parent->number + 1; at <= number; at++) {
            struct sim_block *sb = &m->blocks[m->n_blocks];
            sb->spec = at == number ? spec : NULL;
            if (!run_block(m, sb, parent, parent_hash, at)) return false;
            m->n_blocks++;
            parent = &sb->block.header;
            parent_hash = &sb->block.hash;
        }
    }
    return true;
}

/* ------------------------------------------------------------------- answer */

static void put_call(struct buf *out, const struct sim_block *sb, size_t i, size_t first_log)
{
    const struct receipt *r = &sb->receipts[i];
    const struct sim_call *call = &sb->calls[i];
    bool ok = call->outcome == EVM_SUCCESS;
    jo_open(out, '{');
    jo_key(out, "returnData");
    jo_data(out, ok ? call->output : BYTES_EMPTY);
    jo_key(out, "logs");
    jo_open(out, '[');
    for (size_t k = 0; k < r->n_logs; k++) {
        const struct log_place place = {.block_hash = &sb->block.hash, .tx_hash = &sb->block.txs[i].hash, .number = sb->block.header.number, .timestamp = sb->block.header.timestamp,
                                        .tx_index = i, .log_index = first_log + k, .tx_log_index = k};
        json_put_log(out, &r->logs[k], &place);
    }
    jo_close(out, ']');
    jo_key(out, "gasUsed");
    jo_u64(out, r->gas_used);
    jo_key(out, "maxUsedGas");
    jo_u64(out, call->most_gas);
    jo_key(out, "status");
    jo_str(out, ok ? "0x1" : "0x0");
    if (!ok) put_run_error(out, call);
    jo_close(out, '}');
}

static void put_block(struct sim *m, const struct sim_block *sb)
{
    struct buf *out = m->c->out, raw;
    size_t first_log = 0;
    buf_init(&raw, RPC_RESPONSE_MAX);
    block_put(&raw, &sb->block);
    const struct block_shape shape = {.full_txs = m->full, .size = raw.len};
    buf_fini(&raw);
    json_put_block(out, &sb->block, &shape);
    if (buf_status(out) != OK) return;
    out->len--; /* the object goes on */
    jo_key(out, "calls");
    jo_open(out, '[');
    for (size_t i = 0; i < sb->block.n_txs; i++) {
        put_call(out, sb, i, first_log);
        first_log += sb->receipts[i].n_logs;
    }
    jo_close(out, ']');
    jo_close(out, '}');
}

static bool flag(bool *out, struct rpc_call *c, const json_t *o, const char *key)
{
    const json_t *v = json_field(o, key);
    if (v != NULL && !json_is_boolean(v)) return rpc_fail(c, RPC_BAD_PARAMS, "invalid %s: wants true or false", key);
    *out = json_is_true(v);
    return true;
}

bool eth_simulate_v1(struct rpc_call *c)
{
    const json_t *o = param(c, 0), *list;
    struct sim m = {.c = c, .step_s = 1};
    struct block_ref at;
    if (!json_is_object(o)) return rpc_fail(c, RPC_BAD_PARAMS, "invalid argument 0: wants an object with blockStateCalls");
    list = json_field(o, "blockStateCalls");
    if (!json_is_array(list) || json_array_size(list) == 0) return rpc_fail(c, RPC_BAD_PARAMS, "invalid blockStateCalls: wants an array with at least one block");
    if (json_array_size(list) > SIM_BLOCKS_MAX) return rpc_fail(c, SIM_LIMIT, "at most %d blocks", SIM_BLOCKS_MAX);
    if (!flag(&m.validation, c, o, "validation") || !flag(&m.transfers, c, o, "traceTransfers") || !flag(&m.full, c, o, "returnFullTransactions")) return false;
    if (rpc_txn(c) == NULL || !param_block(&at, c, 1)) return false;
    if (!at.found || !at.is_canonical) return rpc_fail(c, RPC_SERVER, "header not found");
    enum status s = blocks_get_header(&m.base, c->w->txn, &at.hash, c->a);
    if (s != OK) return rpc_fail_status(c, s, "header");
    m.base_hash = at.hash;
    m.gas_left = m.base.gas_limit > UINT64_MAX / 10 ? UINT64_MAX : m.base.gas_limit * 10;
    if (c->rpc->spec->aura.n_step_duration > 0) m.step_s = c->rpc->spec->aura.step_duration[c->rpc->spec->aura.n_step_duration - 1].value;
    m.blocks = arena_zalloc(c->a, SIM_BLOCKS_MAX + 1, sizeof *m.blocks);
    if (m.blocks == NULL) return rpc_fail_status(c, E_NOMEM, "simulation");
    s = chain_state_at(&m.state, c->w->txn, c->rpc->chain, at.number);
    if (s == E_NOT_FOUND)
        return rpc_fail(c, RPC_SERVER, "missing trie node: the state of block %llu is pruned, only recent blocks have theirs (see --archive)", (unsigned long long)at.number);
    if (s != OK) return rpc_fail_status(c, s, "state");
    bool ok = run_all(&m, list);
    if (ok) {
        jo_open(c->out, '[');
        for (size_t i = 0; i < m.n_blocks; i++)
            put_block(&m, &m.blocks[i]);
        jo_close(c->out, ']');
    }
    state_free(m.state);
    return ok;
}
