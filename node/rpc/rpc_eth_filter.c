/* rpc_eth_filter.c: filters that clients poll. A server thread keeps a ring of the chain's latest changes; a filter is a place in it. */
#include "lib/base/rng.h"
#include "node/rpc/rpc_priv.h"

enum filter_kind { FILTER_LOGS, FILTER_BLOCKS, FILTER_PENDING };

struct rpc_filter {
    uint64_t id[2];
    enum filter_kind kind;
    uint64_t next;    /* place in the ring */
    uint64_t used_ms; /* last polled */
    struct log_filter logs;
    uint64_t from, to; /* FILTER_LOGS: bounds on block numbers */
    json_t *query;     /* FILTER_LOGS: as given, for eth_getFilterLogs */
};

void news_push(struct rpc_worker *w, const struct rpc_news *n)
{
    if (w->news != NULL) w->news[w->n_news % RPC_NEWS_MAX] = *n;
    w->n_news++;
}

void pending_push(struct rpc_worker *w, const hash32 *h)
{
    if (w->pending != NULL) w->pending[w->n_pending % RPC_PENDING_NEWS_MAX] = *h;
    w->n_pending++;
}

static void filter_remove(struct rpc_worker *w, size_t i)
{
    struct rpc_filter *f = &w->filters[i];
    if (f->kind == FILTER_PENDING) atomic_fetch_sub(&w->n_pending_listeners, 1);
    log_filter_fini(&f->logs);
    json_decref(f->query);
    w->filters[i] = w->filters[--w->n_filters];
}

void filters_fini(struct rpc_worker *w)
{
    while (w->n_filters > 0) filter_remove(w, 0);
    free(w->filters);
    w->filters = NULL;
}

static void drop_expired(struct rpc_worker *w)
{
    uint64_t now = clock_mono_ms();
    for (size_t i = w->n_filters; i-- > 0;)
        if (now - w->filters[i].used_ms > RPC_FILTER_TTL_MS) filter_remove(w, i);
}

/* takes f */
static bool filter_add(struct rpc_call *c, struct rpc_filter *f)
{
    struct rpc_worker *w = c->w;
    if (w->server == NULL) { /* the socket of the owner's: it hears no news */
        log_filter_fini(&f->logs);
        json_decref(f->query);
        return rpc_fail(c, RPC_SERVER, "this connection has no filters: ask over HTTP or WebSocket");
    }
    drop_expired(w);
    if (w->filters == NULL) w->filters = calloc(RPC_FILTERS_MAX, sizeof *w->filters);
    if (w->news == NULL) w->news = calloc(RPC_NEWS_MAX, sizeof *w->news);
    if (w->pending == NULL && f->kind == FILTER_PENDING) w->pending = calloc(RPC_PENDING_NEWS_MAX, sizeof *w->pending);
    bool memory = w->filters && w->news && (w->pending || f->kind != FILTER_PENDING);
    if (!memory || w->n_filters == RPC_FILTERS_MAX) {
        log_filter_fini(&f->logs);
        json_decref(f->query);
        if (!memory) return rpc_fail_status(c, E_NOMEM, "filter");
        return rpc_fail(c, RPC_LIMIT, "too many filters: remove some by eth_uninstallFilter, or use eth_subscribe");
    }
    /* an id can't be guessed: nobody polls another's filter */
    rng_fill(f->id, sizeof f->id);
    f->id[0] |= 1ULL << 60;
    f->used_ms = clock_mono_ms();
    f->next = f->kind == FILTER_PENDING ? w->n_pending : w->n_news;
    if (f->kind == FILTER_PENDING) atomic_fetch_add(&w->n_pending_listeners, 1);
    w->filters[w->n_filters++] = *f;
    char id[40];
    snprintf(id, sizeof id, "0x%llx%016llx", (unsigned long long)f->id[0], (unsigned long long)f->id[1]);
    jo_str(c->out, id);
    return true;
}

static bool find_filter(size_t *at, struct rpc_call *c)
{
    u256 id;
    json_t *v = param(c, 0);
    if (v == NULL || !value_u256(&id, c, v, "filter id")) return rpc_fail(c, RPC_BAD_PARAMS, "invalid filter id");
    drop_expired(c->w);
    for (size_t i = 0; i < c->w->n_filters; i++) {
        const struct rpc_filter *f = &c->w->filters[i];
        if (f->id[0] != id.w[1] || f->id[1] != id.w[0]) continue;
        *at = i;
        return true;
    }
    return false;
}

/* ------------------------------------------------------------------ new */

static bool bound(uint64_t *out, struct rpc_call *c, const json_t *v, uint64_t otherwise)
{
    struct block_ref ref;
    *out = otherwise;
    /* latest and pending mean: from now on, without end */
    if (v == NULL || json_is_null(v)) return true;
    if (json_is_string(v) && (strcmp(json_string_value(v), "latest") == 0 || strcmp(json_string_value(v), "pending") == 0)) return true;
    if (!value_block(&ref, c, v, "block bound")) return false;
    *out = ref.number;
    return true;
}

bool eth_new_filter(struct rpc_call *c)
{
    json_t *o = param(c, 0);
    struct rpc_filter f = {.kind = FILTER_LOGS};
    if (!bound(&f.from, c, json_object_get(o, "fromBlock"), 0) || !bound(&f.to, c, json_object_get(o, "toBlock"), UINT64_MAX)) return false;
    if (f.from > f.to) return rpc_fail(c, RPC_BAD_PARAMS, "invalid block range: fromBlock is after toBlock");
    if (!log_filter_parse(&f.logs, c, o)) return false;
    f.query = json_incref(o);
    return filter_add(c, &f);
}

bool eth_new_block_filter(struct rpc_call *c)
{
    return filter_add(c, &(struct rpc_filter){.kind = FILTER_BLOCKS});
}

bool eth_new_pending_filter(struct rpc_call *c)
{
    return filter_add(c, &(struct rpc_filter){.kind = FILTER_PENDING});
}

/* ------------------------------------------------------------------ poll */

static bool put_log_changes(struct rpc_call *c, struct rpc_filter *f, uint64_t first)
{
    struct rpc_worker *w = c->w;
    struct arena tmp;
    struct log_writer writer = {.out = c->out, .from = f->from, .to = f->to};
    bool ok = rpc_txn(c) != NULL;
    arena_init(&tmp, RPC_ARENA_MAX);
    for (uint64_t i = first; ok && i < w->n_news; i++) {
        const struct rpc_news *n = &w->news[i % RPC_NEWS_MAX];
        ok = logs_of_block(&writer, c, &n->hash, &f->logs, n->removed, &tmp);
    }
    arena_fini(&tmp);
    return ok;
}

bool eth_get_filter_changes(struct rpc_call *c)
{
    struct rpc_worker *w = c->w;
    size_t at;
    if (!find_filter(&at, c)) return rpc_fail(c, RPC_SERVER, "filter not found");
    struct rpc_filter *f = &w->filters[at];
    uint64_t n = f->kind == FILTER_PENDING ? w->n_pending : w->n_news, max = f->kind == FILTER_PENDING ? RPC_PENDING_NEWS_MAX : RPC_NEWS_MAX;
    uint64_t first = n > max && f->next < n - max ? n - max : f->next;
    jo_open(c->out, '[');
    bool ok = true;
    switch (f->kind) {
    case FILTER_LOGS: ok = put_log_changes(c, f, first); break;
    case FILTER_BLOCKS:
        for (uint64_t i = first; i < n; i++)
            if (!w->news[i % max].removed) jo_hash(c->out, &w->news[i % max].hash);
        break;
    case FILTER_PENDING:
        for (uint64_t i = first; i < n; i++) jo_hash(c->out, &w->pending[i % max]);
        break;
    }
    jo_close(c->out, ']');
    f->used_ms = clock_mono_ms();
    f->next = n; /* also after a failure, which would come again */
    return ok;
}

bool eth_get_filter_logs(struct rpc_call *c)
{
    size_t at;
    if (!find_filter(&at, c)) return rpc_fail(c, RPC_SERVER, "filter not found");
    struct rpc_filter *f = &c->w->filters[at];
    f->used_ms = clock_mono_ms();
    if (f->kind != FILTER_LOGS) return rpc_fail(c, RPC_SERVER, "filter is not one for logs");
    return logs_query(c, &f->logs, f->query);
}

bool eth_uninstall_filter(struct rpc_call *c)
{
    size_t at;
    bool found = find_filter(&at, c);
    if (!found && c->error == RPC_BAD_PARAMS) return false;
    if (found) filter_remove(c->w, at);
    jo_bool(c->out, found);
    return true;
}
