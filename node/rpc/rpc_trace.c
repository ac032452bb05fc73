/* rpc_trace.c: trace_*: the calls of transactions in Parity's flat form. Nothing is stored for it: a block is run again. */
#include "node/rpc/rpc_trace.h"

#include "node/rpc/rpc_call.h"

struct wanted {
    const address *from, *to; /* NULL: any */
    size_t n_from, n_to;
    bool is_union; /* either of both will do; else both must */
    uint64_t after, count; /* left to skip, left to give */
};

static bool is_in(const address *list, size_t n, const address *a)
{
    for (size_t i = 0; i < n; i++)
        if (address_eq(&list[i], a)) return true;
    return list == NULL;
}

static bool matches(const struct wanted *w, const address *from, const address *to)
{
    const bool is_from = is_in(w->from, w->n_from, from), is_to = is_in(w->to, w->n_to, to);
    if (w->is_union && w->from != NULL && w->to != NULL) return is_from || is_to;
    return is_from && is_to;
}

/* of those that match, the ones behind `after`, `count` of them */
static bool is_wanted(struct wanted *w, const address *from, const address *to)
{
    if (!matches(w, from, to)) return false;
    if (w->after > 0) {
        w->after--;
        return false;
    }
    if (w->count == 0) return false;
    w->count--;
    return true;
}

static bool wants_call(void *ctx, const struct traced_call *n, const size_t *path, size_t depth)
{
    (void)path, (void)depth;
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

/* traces of a block, appended to the open array */
static bool put_block(struct rpc_call *c, const struct block *b, struct wanted *w)
{
    struct chain_replay r;
    struct tracer t;
    bool ok = true;
    tracer_init_flat(&t, c);
    if (b->n_txs > 0) {
        if (!rpc_replay_open(&r, c, b)) return false;
        while (ok && r.next < b->n_txs) {
            struct receipt receipt;
            struct evm_result result;
            const size_t i = r.next;
            if (!rpc_has_time(c)) {
                ok = false;
                break;
            }
            tracer_begin(&t, r.state, b->header.number);
            enum status s = chain_replay_next(&receipt, &result, &r, tracer_hooks(&t), c->a);
            if (s != OK || t.failed) {
                ok = tracer_fail(&t, s);
                break;
            }
            const struct tracer_facts f = {.tx = &b->txs[i], .receipt = &receipt, .result = &result, .block_hash = &b->hash, .index = i, .has_place = true};
            tracer_put_flat(&t, &f, w != NULL ? wants_call : NULL, w);
        }
        chain_replay_close(&r);
    }
    if (ok) put_reward(c, b, w);
    return ok;
}

/* the canonical block that parameter 0 names; *found false: there is none, and null is the answer */
static bool asked_block(bool *found, struct block *b, struct rpc_call *c)
{
    struct block_ref ref;
    if (!param_block(&ref, c, 0)) return false;
    *found = ref.found && !ref.is_pending;
    if (!*found) {
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
    bool ok = put_block(c, &b, NULL);
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

/* the flat traces of one mined transaction that the filter takes */
static bool put_mined(struct rpc_call *c, const struct block *b, size_t index, flat_filter keep, void *ctx)
{
    struct chain_replay r;
    struct tracer t;
    struct receipt receipt;
    struct evm_result result;
    tracer_init_flat(&t, c);
    if (!rpc_replay_open(&r, c, b)) return false;
    bool ok = rpc_skip_to(&r, &t, c, index);
    if (ok) {
        tracer_begin(&t, r.state, b->header.number);
        enum status s = chain_replay_next(&receipt, &result, &r, tracer_hooks(&t), c->a);
        ok = (s == OK && !t.failed) || tracer_fail(&t, s);
    }
    const struct tracer_facts f = {.tx = &b->txs[index], .receipt = &receipt, .result = &result, .block_hash = &b->hash, .index = index, .has_place = true};
    if (ok) tracer_put_flat(&t, &f, keep, ctx);
    chain_replay_close(&r);
    return ok;
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
    bool ok = put_mined(c, &b, index, NULL, NULL);
    jo_close(c->out, ']');
    return ok;
}

/* one trace by its address in the tree of calls; null when there is none */
struct by_path {
    uint64_t *path;
    size_t n;
};

static bool is_at(void *ctx, const struct traced_call *n, const size_t *path, size_t depth)
{
    const struct by_path *p = ctx;
    (void)n;
    if (depth != p->n) return false;
    for (size_t i = 0; i < depth; i++)
        if (path[i] != p->path[i]) return false;
    return true;
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
    const size_t mark = c->out->len;
    if (found && !put_mined(c, &b, index, is_at, &path)) return false;
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
    if ((v = json_field(o, "mode"))) {
        const char *mode = json_is_string(v) ? json_string_value(v) : "";
        w->is_union = strcmp(mode, "union") == 0;
        if (!w->is_union && strcmp(mode, "intersection") != 0) return rpc_fail(c, RPC_BAD_PARAMS, "invalid mode: wants \"intersection\" or \"union\"");
    }
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
        if (ok) ok = put_block(c, &b, &w);
    }
    if (ok && is_cut && w.count == 0) ok = rpc_fail(c, RPC_LIMIT, "more than %d traces: ask for less, or by after and count", RPC_TRACE_MAX);
    jo_close(c->out, ']');
    return ok;
}

/* ------------------------------------------------------------------ trace_call and trace_replay*: an object of what was asked for */

bool rpc_trace_types(unsigned *wants, struct rpc_call *c, const json_t *types)
{
    static const struct {
        const char *name;
        unsigned bit;
    } known[] = {{"trace", WANT_TRACE}, {"vmTrace", WANT_VM}, {"stateDiff", WANT_STATE}};
    *wants = 0;
    if (types != NULL && !json_is_array(types)) return rpc_fail(c, RPC_BAD_PARAMS, "invalid trace types: wants an array of \"trace\", \"vmTrace\", \"stateDiff\"");
    if (types == NULL) *wants = WANT_TRACE;
    for (size_t i = 0; i < json_array_size(types); i++) {
        const char *t = json_string_value(json_array_get(types, i));
        size_t k = 0;
        while (t != NULL && k < COUNT_OF(known) && strcmp(t, known[k].name) != 0)
            k++;
        if (t == NULL || k == COUNT_OF(known)) return rpc_fail(c, RPC_BAD_PARAMS, "invalid trace type: allowed are \"trace\", \"vmTrace\", \"stateDiff\"");
        *wants |= known[k].bit;
    }
    return true;
}

bool trace_call(struct rpc_call *c)
{
    struct tracer t;
    unsigned wants;
    if (!rpc_trace_types(&wants, c, param(c, 1))) return false;
    tracer_init_parity(&t, c, wants);
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
    unsigned wants;
    bytes raw;
    if (!param_bytes(&raw, c, 0) || !rpc_trace_types(&wants, c, param(c, 1))) return false;
    tracer_init_parity(&t, c, wants);
    return rpc_trace_raw(c, &t, raw);
}

bool trace_replay_transaction(struct rpc_call *c)
{
    struct block b;
    struct chain_replay r;
    struct tracer t;
    size_t index;
    bool found;
    unsigned wants;
    if (!rpc_trace_types(&wants, c, param(c, 1)) || !find(&found, &b, &index, c, 0)) return false;
    if (!found) {
        jo_null(c->out);
        return true;
    }
    tracer_init_parity(&t, c, wants);
    if (!rpc_replay_open(&r, c, &b)) return false;
    bool ok = rpc_skip_to(&r, &t, c, index) && rpc_trace_next(&r, &t, c, false);
    chain_replay_close(&r);
    return ok;
}

bool trace_replay_block_transactions(struct rpc_call *c)
{
    struct block b;
    struct chain_replay r;
    struct tracer t;
    bool found, ok = true;
    unsigned wants;
    if (!rpc_trace_types(&wants, c, param(c, 1)) || !asked_block(&found, &b, c)) return false;
    if (!found) return true;
    tracer_init_parity(&t, c, wants);
    jo_open(c->out, '[');
    if (b.n_txs > 0) {
        if (!rpc_replay_open(&r, c, &b)) return false;
        while (ok && r.next < b.n_txs) {
            t.hash = &b.txs[r.next].hash;
            ok = rpc_trace_next(&r, &t, c, r.next + 1 < b.n_txs);
        }
        chain_replay_close(&r);
    }
    jo_close(c->out, ']');
    return ok;
}
