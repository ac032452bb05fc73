/* rpc_trace.c: trace_*: the calls of transactions in Parity's flat form. Nothing is stored for it: a block is run again. */
#include "node/rpc/rpc_trace.h"

#include "node/rpc/rpc_call.h"

static const size_t ANY = SIZE_MAX;

struct wanted {
    const address *from, *to; /* NULL: any */
    size_t n_from, n_to;
    uint64_t after, count; /* left to skip, left to give */
};

static bool is_in(const address *list, size_t n, const address *a)
{
    for (size_t i = 0; i < n; i++)
        if (address_eq(&list[i], a)) return true;
    return list == NULL;
}

/* of those that match, the ones behind `after`, `count` of them */
static bool is_wanted(struct wanted *w, const address *from, const address *to)
{
    if (!is_in(w->from, w->n_from, from) || !is_in(w->to, w->n_to, to)) return false;
    if (w->after > 0) {
        w->after--;
        return false;
    }
    if (w->count == 0) return false;
    w->count--;
    return true;
}

static bool wants_call(void *ctx, const struct traced_call *n)
{
    return is_wanted(ctx, &n->from, &n->to);
}

/* SPEC: Parity shows the block's reward as a trace of its own */
static void put_reward(struct rpc_call *c, const struct block *b, struct wanted *w)
{
    const u256 reward = chain_block_reward(c->rpc->spec, b->header.number);
    struct buf *out = c->out;
    if (u256_is_zero(&reward) || b->header.number == 0) return;
    if (w != NULL && ((w->from != NULL && w->to == NULL) || !is_wanted(w, &b->header.author, &b->header.author))) return;
    jo_open(out, '{');
    jo_key(out, "action");
    jo_open(out, '{');
    jo_key(out, "author");
    jo_address(out, &b->header.author);
    jo_key(out, "rewardType");
    jo_str(out, "block");
    jo_key(out, "value");
    jo_u256(out, &reward);
    jo_close(out, '}');
    jo_key(out, "blockHash");
    jo_hash(out, &b->hash);
    jo_key(out, "blockNumber");
    jo_dec(out, b->header.number);
    jo_key(out, "result");
    jo_null(out);
    jo_key(out, "subtraces");
    jo_dec(out, 0);
    jo_key(out, "traceAddress");
    jo_open(out, '[');
    jo_close(out, ']');
    jo_key(out, "type");
    jo_str(out, "reward");
    jo_close(out, '}');
}

/* traces of one transaction, or of ANY, appended to the open array */
static bool put_block(struct rpc_call *c, const struct block *b, size_t index, struct wanted *w)
{
    struct chain_replay r;
    struct tracer t;
    bool ok = true;
    tracer_init_flat(&t, c);
    if (b->n_txs > 0) {
        if (!rpc_replay_open(&r, c, b)) return false;
        while (ok && r.next < b->n_txs && (index == ANY || r.next <= index)) {
            struct receipt receipt;
            struct evm_result result;
            const size_t i = r.next;
            const bool shown = index == ANY || i == index;
            if (shown) tracer_begin(&t, r.state);
            enum status s = chain_replay_next(&receipt, &result, &r, shown ? tracer_hooks(&t) : NULL, c->a);
            if (s == OK && t.failed) s = E_NOMEM;
            if (s != OK) {
                ok = rpc_fail_status(c, s, "trace");
                break;
            }
            const struct tracer_facts f = {.tx = &b->txs[i], .receipt = &receipt, .result = &result, .block_hash = &b->hash,
                                           .number = b->header.number, .index = i, .has_place = true};
            if (shown) tracer_put_flat(&t, &f, w != NULL ? wants_call : NULL, w);
        }
        chain_replay_close(&r);
    }
    if (ok && index == ANY) put_reward(c, b, w);
    return ok;
}

/* the canonical block that parameter 0 names; *found false: there is none, and null is the answer */
static bool asked_block(bool *found, struct block *b, struct rpc_call *c)
{
    struct block_ref ref;
    if (!param_block(&ref, c, 0)) return false;
    *found = ref.found;
    if (!ref.found) {
        jo_null(c->out);
        return true;
    }
    if (!ref.is_canonical)
        return rpc_fail(c, RPC_SERVER, "block %llu by that hash is not on the canonical chain: its state is not kept", (unsigned long long)ref.number);
    return load_block(b, c, &ref.hash);
}

bool trace_block(struct rpc_call *c)
{
    struct block b;
    bool found;
    if (!asked_block(&found, &b, c)) return false;
    if (!found) return true;
    jo_open(c->out, '[');
    bool ok = put_block(c, &b, ANY, NULL);
    jo_close(c->out, ']');
    return ok;
}

/* false: an error, or *found is false: no such transaction */
static bool find(bool *found, struct block *b, size_t *index, struct rpc_call *c, size_t param_index)
{
    hash32 hash;
    struct tx_location loc;
    struct kv_txn *txn = rpc_txn(c);
    if (txn == NULL || !param_hash(&hash, c, param_index)) return false;
    *found = blocks_get_tx_location(&loc, txn, &hash) != E_NOT_FOUND;
    return !*found || rpc_find_mined(b, index, c, &hash);
}

bool trace_transaction(struct rpc_call *c)
{
    struct block b;
    size_t index;
    bool found;
    if (!find(&found, &b, &index, c, 0)) return false;
    if (!found) {
        jo_null(c->out);
        return true;
    }
    jo_open(c->out, '[');
    bool ok = put_block(c, &b, index, NULL);
    jo_close(c->out, ']');
    return ok;
}

/* one trace by its address in the tree of calls; null when there is none */
struct by_path {
    uint64_t *path;
    size_t n;
};

static bool is_at(void *ctx, const struct traced_call *n)
{
    const struct by_path *p = ctx;
    for (size_t i = p->n; i-- > 0; n = n->parent) {
        if (n->parent == NULL) return false;
        uint64_t at = 0;
        for (const struct traced_call *s = n->parent->first; s != n; s = s->next)
            at++;
        if (at != p->path[i]) return false;
    }
    return n->parent == NULL;
}

bool trace_get(struct rpc_call *c)
{
    struct block b;
    size_t index;
    bool found;
    const json_t *list = param(c, 1);
    if (!json_is_array(list)) return rpc_fail(c, RPC_BAD_PARAMS, "invalid argument 1: wants an array of positions");
    struct by_path path = {.n = json_array_size(list)};
    path.path = arena_zalloc(c->a, path.n + 1, sizeof *path.path);
    if (path.path == NULL) return rpc_fail_status(c, E_NOMEM, "trace");
    for (size_t i = 0; i < path.n; i++)
        if (!value_u64(&path.path[i], c, json_array_get(list, i), "position")) return false;
    if (!find(&found, &b, &index, c, 0)) return false;
    size_t mark = c->out->len;
    struct chain_replay r;
    if (found) {
        struct tracer t;
        struct receipt receipt;
        struct evm_result result;
        enum status s = OK;
        tracer_init_flat(&t, c);
        if (!rpc_replay_open(&r, c, &b)) return false;
        while (s == OK && r.next <= index) {
            const bool last = r.next == index;
            if (last) tracer_begin(&t, r.state);
            s = chain_replay_next(&receipt, &result, &r, last ? tracer_hooks(&t) : NULL, c->a);
        }
        if (s == OK && t.failed) s = E_NOMEM;
        const struct tracer_facts f = {.tx = &b.txs[index], .receipt = &receipt, .result = &result, .block_hash = &b.hash, .number = b.header.number,
                                       .index = index, .has_place = true};
        if (s == OK) tracer_put_flat(&t, &f, is_at, &path);
        chain_replay_close(&r);
        if (s != OK) return rpc_fail_status(c, s, "trace");
    }
    if (c->out->len == mark) jo_null(c->out);
    return true;
}

static bool get_addresses(const address **out, size_t *n, struct rpc_call *c, const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    *out = NULL;
    *n = 0;
    if (v == NULL || json_is_null(v)) return true;
    if (!json_is_array(v)) return rpc_fail(c, RPC_BAD_PARAMS, "invalid %s: wants an array of addresses", key);
    const size_t count = json_array_size(v);
    if (count > RPC_LOG_ADDRESSES_MAX) return rpc_fail(c, RPC_LIMIT, "%s: at most %d addresses", key, RPC_LOG_ADDRESSES_MAX);
    if (count == 0) return true;
    address *list = arena_zalloc(c->a, count, sizeof *list);
    if (list == NULL) return rpc_fail_status(c, E_NOMEM, "trace");
    for (size_t i = 0; i < count; i++)
        if (!value_address(&list[i], c, json_array_get(v, i), key)) return false;
    *out = list;
    *n = count;
    return true;
}

static bool get_wanted(struct wanted *w, struct block_ref *from, struct block_ref *to, struct rpc_call *c)
{
    const json_t *o = param(c, 0), *v;
    *w = (struct wanted){.count = UINT64_MAX};
    if (!json_is_object(o)) return rpc_fail(c, RPC_BAD_PARAMS, "invalid argument 0: wants a filter object");
    if (!get_addresses(&w->from, &w->n_from, c, o, "fromAddress") || !get_addresses(&w->to, &w->n_to, c, o, "toAddress")) return false;
    if ((v = json_object_get(o, "after")) && !json_is_null(v) && !value_u64(&w->after, c, v, "after")) return false;
    if ((v = json_object_get(o, "count")) && !json_is_null(v) && !value_u64(&w->count, c, v, "count")) return false;
    v = json_object_get(o, "fromBlock");
    if (!value_block(from, c, json_is_null(v) ? NULL : v, "fromBlock")) return false;
    v = json_object_get(o, "toBlock");
    if (!value_block(to, c, json_is_null(v) ? NULL : v, "toBlock")) return false;
    if (!from->found) return rpc_fail(c, RPC_SERVER, "fromBlock not found");
    if (!to->found && !value_block(to, c, NULL, "toBlock")) return false;
    return true;
}

bool trace_filter(struct rpc_call *c)
{
    struct wanted w;
    struct block_ref from, to;
    size_t n_run = 0;
    bool ok = get_wanted(&w, &from, &to, c);
    const uint64_t most = w.count < RPC_TRACE_MAX ? w.count : RPC_TRACE_MAX;
    const bool is_cut = w.count > most;
    w.count = most + is_cut; /* one more than is given shows that there are too many */
    jo_open(c->out, '[');
    for (uint64_t n = from.number; ok && n <= to.number && w.count > 0; n++) {
        hash32 hash;
        struct block b;
        enum status s = blocks_get_canonical_hash(&hash, c->w->txn, n);
        if (s != OK) ok = rpc_fail_status(c, s, "block");
        if (ok) ok = load_block(&b, c, &hash);
        if (ok && b.n_txs > 0 && ++n_run > RPC_TRACE_BLOCKS_MAX)
            ok = rpc_fail(c, RPC_LIMIT, "the range has more than %d blocks with transactions: ask for less", RPC_TRACE_BLOCKS_MAX);
        if (ok) ok = put_block(c, &b, ANY, &w);
    }
    if (ok && is_cut && w.count == 0) ok = rpc_fail(c, RPC_LIMIT, "more than %d traces: ask for less, or by after and count", RPC_TRACE_MAX);
    jo_close(c->out, ']');
    return ok;
}

/* ------------------------------------------------------------------ trace_call and trace_replay*: an object with output and trace */

bool rpc_trace_types(struct rpc_call *c, const json_t *types)
{
    if (types == NULL) return true;
    if (!json_is_array(types)) return rpc_fail(c, RPC_BAD_PARAMS, "invalid trace types: wants an array, [\"trace\"]");
    for (size_t i = 0; i < json_array_size(types); i++) {
        const char *t = json_string_value(json_array_get(types, i));
        if (t != NULL && strcmp(t, "trace") == 0) continue;
        if (t != NULL && (strcmp(t, "vmTrace") == 0 || strcmp(t, "stateDiff") == 0))
            return rpc_fail(c, RPC_BAD_PARAMS, "%s is not made here: ask for \"trace\"; debug_traceTransaction has steps, its prestateTracer with diffMode the changes", t);
        return rpc_fail(c, RPC_BAD_PARAMS, "invalid trace type: allowed is \"trace\"");
    }
    return true;
}

bool trace_call(struct rpc_call *c)
{
    struct tracer t;
    if (!rpc_trace_types(c, param(c, 1))) return false;
    tracer_init_flat(&t, c);
    t.wrapped = true;
    return rpc_trace_call(c, &t, 2, NULL, NULL);
}

bool trace_call_many(struct rpc_call *c)
{
    if (!json_is_array(param(c, 0))) return rpc_fail(c, RPC_BAD_PARAMS, "invalid argument 0: wants an array of [call, types]");
    if (json_array_size(param(c, 0)) > RPC_BATCH_MAX) return rpc_fail(c, RPC_LIMIT, "at most %d calls", RPC_BATCH_MAX);
    return rpc_trace_calls(c, param(c, 0), 1);
}

bool trace_raw_transaction(struct rpc_call *c)
{
    struct tracer t;
    bytes raw;
    if (!param_bytes(&raw, c, 0) || !rpc_trace_types(c, param(c, 1))) return false;
    tracer_init_flat(&t, c);
    t.wrapped = true;
    return rpc_trace_raw(c, &t, raw);
}

static bool replay(struct rpc_call *c, const struct block *b, size_t index)
{
    struct chain_replay r;
    struct tracer t;
    bool ok = true;
    if (b->n_txs == 0) return true;
    if (!rpc_replay_open(&r, c, b)) return false;
    while (ok && r.next < b->n_txs && (index == ANY || r.next <= index)) {
        struct receipt receipt;
        struct evm_result result;
        const size_t i = r.next;
        const bool shown = index == ANY || i == index;
        tracer_init_flat(&t, c);
        t.wrapped = true;
        t.wrap_hash = index == ANY ? &b->txs[i].hash : NULL;
        if (shown) tracer_begin(&t, r.state);
        enum status s = chain_replay_next(&receipt, &result, &r, shown ? tracer_hooks(&t) : NULL, c->a);
        const struct tracer_facts f = {.tx = &b->txs[i], .receipt = &receipt, .result = &result, .author = &b->header.author, .number = b->header.number};
        if (s != OK) ok = rpc_fail_status(c, s, "trace");
        else if (shown) ok = tracer_end(&t, &f);
    }
    chain_replay_close(&r);
    return ok;
}

bool trace_replay_transaction(struct rpc_call *c)
{
    struct block b;
    size_t index;
    bool found;
    if (!rpc_trace_types(c, param(c, 1)) || !find(&found, &b, &index, c, 0)) return false;
    if (!found) {
        jo_null(c->out);
        return true;
    }
    return replay(c, &b, index);
}

bool trace_replay_block_transactions(struct rpc_call *c)
{
    struct block b;
    bool found;
    if (!rpc_trace_types(c, param(c, 1)) || !asked_block(&found, &b, c)) return false;
    if (!found) return true;
    jo_open(c->out, '[');
    bool ok = replay(c, &b, ANY);
    jo_close(c->out, ']');
    return ok;
}
