/* rpc_eth_logs.c: which logs a filter wants, and finding them. */
#include "node/rpc/rpc_priv.h"

#define LOOK_EVERY 16 /* blocks between two looks at the time */

/* ------------------------------------------------------------------ filters */

void log_filter_fini(struct log_filter *f)
{
    free(f->addresses);
    for (size_t i = 0; i < 4; i++) free(f->topics[i]);
    *f = (struct log_filter){0};
}

static bool parse_addresses(struct log_filter *f, struct rpc_call *c, const json_t *v)
{
    bool list = json_is_array(v);
    size_t n = list ? json_array_size(v) : 1;
    if (v == NULL || json_is_null(v) || n == 0) return true;
    if (n > RPC_LOG_ADDRESSES_MAX) return rpc_fail(c, RPC_BAD_PARAMS, "at most %d addresses are allowed", RPC_LOG_ADDRESSES_MAX);
    f->addresses = calloc(n, sizeof *f->addresses);
    if (f->addresses == NULL) return rpc_fail_status(c, E_NOMEM, "filter");
    for (; f->n_addresses < n; f->n_addresses++)
        if (!value_address(&f->addresses[f->n_addresses], c, list ? json_array_get(v, f->n_addresses) : v, "address")) return false;
    return true;
}

static bool parse_topics(struct log_filter *f, struct rpc_call *c, const json_t *v)
{
    if (v == NULL || json_is_null(v)) return true;
    if (!json_is_array(v) || json_array_size(v) > 4) return rpc_fail(c, RPC_BAD_PARAMS, "topics: wants an array of at most 4");
    f->n_positions = json_array_size(v);
    for (size_t i = 0; i < f->n_positions; i++) {
        const json_t *t = json_array_get(v, i);
        bool list = json_is_array(t);
        size_t n = list ? json_array_size(t) : json_is_null(t) ? 0 : 1;
        if (n > RPC_LOG_TOPICS_MAX) return rpc_fail(c, RPC_BAD_PARAMS, "at most %d topics are allowed at a position", RPC_LOG_TOPICS_MAX);
        bool any = n == 0;
        for (size_t k = 0; list && k < n; k++) any = any || json_is_null(json_array_get(t, k)); /* null among others: anything */
        if (any) continue;
        f->topics[i] = calloc(n, sizeof(hash32));
        if (f->topics[i] == NULL) return rpc_fail_status(c, E_NOMEM, "filter");
        for (; f->n_topics[i] < n; f->n_topics[i]++)
            if (!value_hash(&f->topics[i][f->n_topics[i]], c, list ? json_array_get(t, f->n_topics[i]) : t, "topic")) return false;
    }
    return true;
}

bool log_filter_parse(struct log_filter *out, struct rpc_call *c, const json_t *o)
{
    *out = (struct log_filter){0};
    if (o != NULL && !json_is_object(o)) return rpc_fail(c, RPC_BAD_PARAMS, "invalid filter: wants an object");
    if (parse_addresses(out, c, json_object_get(o, "address")) && parse_topics(out, c, json_object_get(o, "topics"))) return true;
    log_filter_fini(out);
    return false;
}

bool log_filter_matches(const struct log_filter *f, const struct log_entry *log)
{
    bool ok = f->n_addresses == 0;
    for (size_t i = 0; i < f->n_addresses && !ok; i++) ok = address_eq(&f->addresses[i], &log->addr);
    if (!ok || f->n_positions > log->n_topics) return false;
    for (size_t i = 0; i < f->n_positions; i++) {
        ok = f->n_topics[i] == 0;
        for (size_t k = 0; k < f->n_topics[i] && !ok; k++) ok = hash_eq(&f->topics[i][k], &log->topics[i]);
        if (!ok) return false;
    }
    return true;
}

bool log_filter_may_match(const struct log_filter *f, const bloom *b)
{
    bool ok = f->n_addresses == 0;
    for (size_t i = 0; i < f->n_addresses && !ok; i++) ok = bloom_may_hold(b, bytes_make(f->addresses[i].b, 20));
    for (size_t i = 0; i < f->n_positions && ok; i++) {
        ok = f->n_topics[i] == 0;
        for (size_t k = 0; k < f->n_topics[i] && !ok; k++) ok = bloom_may_hold(b, bytes_make(f->topics[i][k].b, 32));
    }
    return ok;
}

/* ------------------------------------------------------------------ blocks */

enum status block_bloom(bloom *out, uint64_t *number, struct kv_txn *txn, const hash32 *hash)
{
    bytes raw, in, v;
    enum status s = blocks_get_header_raw(&raw, txn, hash);
    if (s != OK) return s;
    if (rlp_get_list(&in, &raw) != OK) return E_CORRUPT;
    for (int i = 0; i < 6; i++)
        if (rlp_get_string(&v, &in) != OK) return E_CORRUPT;
    if (rlp_get_string(&v, &in) != OK || v.len != sizeof out->b) return E_CORRUPT;
    memcpy(out->b, v.ptr, v.len);
    if (rlp_get_string(&v, &in) != OK || rlp_get_u64(number, &in) != OK) return E_CORRUPT; /* difficulty, number */
    return OK;
}

enum status block_logs_load(struct block_logs *out, struct kv_txn *txn, const hash32 *hash, struct arena *a)
{
    enum status s = blocks_get(&out->block, txn, hash, a);
    if (s == OK) s = blocks_get_receipts(&out->receipts, &out->n, txn, hash, a);
    if (s == OK && out->n != out->block.n_txs) s = E_CORRUPT;
    return s;
}

void block_logs_match(const struct block_logs *b, const struct log_filter *f, bool removed, log_sink sink, void *ctx)
{
    size_t log_index = 0;
    for (size_t i = 0; i < b->n; i++) {
        for (size_t k = 0; k < b->receipts[i].n_logs; k++, log_index++) {
            const struct log_entry *log = &b->receipts[i].logs[k];
            if (!log_filter_matches(f, log)) continue;
            struct log_place p = {&b->block.hash, &b->block.txs[i].hash, b->block.header.number, i, log_index, k, b->block.header.timestamp, removed};
            sink(ctx, log, &p);
        }
    }
}

static void write_log(void *ctx, const struct log_entry *log, const struct log_place *p)
{
    struct log_writer *w = ctx;
    w->n++;
    if (w->n <= RPC_LOGS_MAX) json_put_log(w->out, log, p);
}

/* the same from the cache, whose logs are text already; runs of them are copied at once */
static bool write_cached(struct log_writer *w, struct rpc_call *c, const hash32 *hash, const struct log_filter *f)
{
    struct cached_block *e = cached_block_get(c, hash);
    if (e == NULL || !cached_block_receipts(e, c) || !cached_block_logs(e, c)) return false;
    size_t k = 0, from = 0, n_run = 0; /* a run of n_run logs, up to k */
    for (size_t i = 0; i <= e->block.n_txs; i++) {
        const size_t n = i < e->block.n_txs ? e->receipts[i].n_logs : 1; /* at the end: one that matches nothing */
        for (size_t j = 0; j < n; j++, k++) {
            if (i < e->block.n_txs && w->n < RPC_LOGS_MAX + 1 && log_filter_matches(f, &e->receipts[i].logs[j])) {
                if (n_run++ == 0) from = k;
                w->n++;
            } else if (n_run > 0) {
                const size_t at = e->log_at[from];
                jo_raw(w->out, bytes_make(e->logs + at, e->log_at[from + n_run] - at - 1));
                n_run = 0;
            }
        }
    }
    return true;
}

bool logs_of_block(struct log_writer *w, struct rpc_call *c, const hash32 *hash, const struct log_filter *f, bool removed, struct arena *tmp)
{
    bloom b;
    uint64_t number;
    enum status s = block_bloom(&b, &number, c->w->txn, hash);
    if (s != OK) return rpc_fail_status(c, s, "header");
    if (number < w->from || number > w->to || !log_filter_may_match(f, &b)) return true;
    if (w->is_cached && !removed) {
        if (!write_cached(w, c, hash, f)) return false;
    } else {
        struct block_logs logs;
        s = block_logs_load(&logs, c->w->txn, hash, tmp);
        if (s == OK) block_logs_match(&logs, f, removed, write_log, w);
        arena_reset(tmp);
        if (s != OK) return rpc_fail_status(c, s, "receipts");
    }
    if (w->n > RPC_LOGS_MAX)
        return rpc_fail(c, RPC_LIMIT, "query returns more than %d results; block %llu is as far as it got: ask for fewer blocks", RPC_LOGS_MAX,
                        (unsigned long long)number);
    return true;
}

/* ------------------------------------------------------------------ eth_getLogs */

static bool range_of(uint64_t *from, uint64_t *to, struct rpc_call *c, const json_t *o, bool is_open)
{
    struct block_ref head, a, b;
    if (!value_block(&head, c, NULL, "latest") || !value_block_number(&a, c, json_field(o, "fromBlock"), "fromBlock") || !value_block_number(&b, c, json_field(o, "toBlock"), "toBlock"))
        return false;
    *from = a.number;
    *to = b.number;
    if (a.number > b.number) return rpc_fail(c, RPC_BAD_PARAMS, "invalid block range params: fromBlock is after toBlock");
    /* blocks that are not there yet are no blocks without logs: who asks one node for what another has told of must not miss any */
    if (b.number > head.number && is_open) *to = head.number;
    else if (b.number > head.number) return rpc_fail(c, RPC_BAD_PARAMS, "block range extends beyond current head block, which is %llu", (unsigned long long)head.number);
    if (*to >= *from && *to - *from >= RPC_LOGS_BLOCKS_MAX)
        return rpc_fail(c, RPC_LIMIT, "a range of %llu blocks: at most %d are searched at once", (unsigned long long)(*to - *from + 1), RPC_LOGS_BLOCKS_MAX);
    return true;
}

static bool write_range(struct log_writer *w, struct rpc_call *c, const struct log_filter *f, uint64_t from, uint64_t to, struct arena *tmp)
{
    for (uint64_t n = from; n <= to; n++) {
        hash32 hash;
        if (n % LOOK_EVERY == 0 && !rpc_has_time(c)) return false;
        enum status s = blocks_get_canonical_hash(&hash, c->w->txn, n);
        if (s != OK) return rpc_fail_status(c, s, "block index");
        if (!logs_of_block(w, c, &hash, f, false, tmp)) return false;
    }
    return true;
}

bool logs_query(struct rpc_call *c, const struct log_filter *f, const json_t *o, bool is_open)
{
    const json_t *by_hash = json_field(o, "blockHash");
    struct arena tmp;
    struct log_writer w = {.out = c->out, .to = UINT64_MAX};
    arena_init(&tmp, RPC_ARENA_MAX);
    jo_open(c->out, '[');
    bool ok;
    if (by_hash != NULL) {
        struct block_ref ref;
        hash32 h;
        ok = value_hash(&h, c, by_hash, "blockHash") && value_block(&ref, c, by_hash, "blockHash");
        if (ok && (json_field(o, "fromBlock") != NULL || json_field(o, "toBlock") != NULL))
            ok = rpc_fail(c, RPC_BAD_PARAMS, "cannot specify both blockHash and fromBlock/toBlock, choose one or the other");
        if (ok && !ref.found) ok = rpc_fail(c, RPC_SERVER, "unknown block");
        w.is_cached = true;
        ok = ok && logs_of_block(&w, c, &ref.hash, f, false, &tmp);
    } else {
        uint64_t from, to;
        ok = range_of(&from, &to, c, o, is_open);
        w.is_cached = ok && to - from < RPC_CACHED_BLOCKS; /* a long walk would only push out what others ask for */
        ok = ok && write_range(&w, c, f, from, to, &tmp);
    }
    jo_close(c->out, ']');
    arena_fini(&tmp);
    return ok;
}

bool eth_get_logs(struct rpc_call *c)
{
    struct log_filter f;
    const json_t *o = param(c, 0);
    if (!log_filter_parse(&f, c, o)) return false;
    bool ok = logs_query(c, &f, o, false);
    log_filter_fini(&f);
    return ok;
}
