/* rpc_eth_filter.c: filters that clients poll. One table for all server threads, since a client's next poll may come to another thread; beside it
 * rings of the chain's latest changes and of pending transactions: a filter is a place in one of them. The lock is held for looking up and for
 * copying out of a ring, never while something is read or written. */
#include "lib/base/rng.h"
#include "node/rpc/rpc_priv.h"

enum filter_kind { FILTER_LOGS, FILTER_BLOCKS, FILTER_PENDING };

struct rpc_filter {
    uint64_t id[2];
    enum filter_kind kind;
    bool full; /* FILTER_PENDING: whole transactions */
    size_t refs;      /* the table's, and that of each call that polls */
    uint64_t next;    /* place in the ring */
    uint64_t used_ms; /* last polled */
    struct log_filter logs;
    uint64_t from, to; /* FILTER_LOGS: bounds on block numbers */
    json_t *query;     /* FILTER_LOGS: as given, for eth_getFilterLogs */
};

struct rpc_filters {
    pthread_mutex_t lock; /* guards all below */
    struct rpc_filter *list[RPC_FILTERS_MAX];
    size_t n;
    /* rings: entry i of all time stands at i % MAX while i + MAX > n; made with the first filter that needs them */
    struct rpc_news *news;
    uint64_t n_news;
    hash32 *pending;
    uint64_t n_pending;
};

enum status filters_new(struct rpc_filters **out)
{
    struct rpc_filters *f = calloc(1, sizeof *f);
    if (f == NULL) return E_NOMEM;
    (void)pthread_mutex_init(&f->lock, NULL);
    *out = f;
    return OK;
}

static void lock(struct rpc_filters *f)
{
    (void)pthread_mutex_lock(&f->lock);
}

static void unlock(struct rpc_filters *f)
{
    (void)pthread_mutex_unlock(&f->lock);
}

/* under the lock */
static void unref(struct rpc_filter *f)
{
    if (--f->refs > 0) return;
    log_filter_fini(&f->logs);
    json_decref(f->query);
    free(f);
}

static void remove_at(struct rpc_filters *t, size_t i)
{
    struct rpc_filter *f = t->list[i];
    t->list[i] = t->list[--t->n];
    unref(f);
}

void filters_free(struct rpc_filters *f)
{
    if (f == NULL) return;
    while (f->n > 0) remove_at(f, f->n - 1);
    free(f->news);
    free(f->pending);
    (void)pthread_mutex_destroy(&f->lock);
    free(f);
}

static void push_news(struct rpc_filters *f, const struct rpc_news *n)
{
    if (f->news != NULL) f->news[f->n_news % RPC_NEWS_MAX] = *n;
    f->n_news++;
}

void filters_on_chain_event(struct rpc_filters *f, const struct chain_event *e)
{
    lock(f);
    for (size_t i = 0; i < e->n_removed; i++) push_news(f, &(struct rpc_news){.hash = e->removed[i], .removed = true});
    for (size_t i = 0; i < e->n_added; i++) push_news(f, &(struct rpc_news){.hash = e->added[i].hash, .number = e->added[i].header.number});
    unlock(f);
}

void filters_on_pending(struct rpc_filters *f, const hash32 *hashes, size_t n)
{
    lock(f);
    for (size_t i = 0; i < n && f->pending != NULL; i++) f->pending[f->n_pending++ % RPC_PENDING_NEWS_MAX] = hashes[i];
    unlock(f);
}

static void drop_expired(struct rpc_filters *t)
{
    uint64_t now = clock_mono_ms();
    for (size_t i = t->n; i-- > 0;)
        if (now - t->list[i]->used_ms > RPC_FILTER_TTL_MS) remove_at(t, i);
}

/* into the table; under the lock */
static enum status insert(struct rpc_filters *t, struct rpc_filter *f)
{
    drop_expired(t);
    if (t->n == RPC_FILTERS_MAX) return E_LIMIT;
    if (t->news == NULL) t->news = calloc(RPC_NEWS_MAX, sizeof *t->news);
    if (t->pending == NULL && f->kind == FILTER_PENDING) t->pending = calloc(RPC_PENDING_NEWS_MAX, sizeof *t->pending);
    if (t->news == NULL || (t->pending == NULL && f->kind == FILTER_PENDING)) return E_NOMEM;
    f->next = f->kind == FILTER_PENDING ? t->n_pending : t->n_news;
    t->list[t->n++] = f;
    return OK;
}

/* takes what o holds */
static bool filter_add(struct rpc_call *c, const struct rpc_filter *o)
{
    struct rpc_filters *t = c->rpc->filters;
    struct rpc_filter *f = malloc(sizeof *f);
    if (f == NULL) {
        struct log_filter logs = o->logs;
        log_filter_fini(&logs);
        json_decref(o->query);
        return rpc_fail_status(c, E_NOMEM, "filter");
    }
    *f = *o;
    /* an id can't be guessed: nobody polls another's filter */
    rng_fill(f->id, sizeof f->id);
    f->id[0] |= 1ULL << 60;
    f->refs = 1;
    f->used_ms = clock_mono_ms();
    char id[40];
    snprintf(id, sizeof id, "0x%llx%016llx", (unsigned long long)f->id[0], (unsigned long long)f->id[1]);
    lock(t);
    const enum status s = insert(t, f);
    if (s != OK) unref(f);
    unlock(t);
    if (s == E_LIMIT) return rpc_fail(c, RPC_LIMIT, "too many filters: remove some by eth_uninstallFilter, or use eth_subscribe");
    if (s != OK) return rpc_fail_status(c, s, "filter");
    jo_str(c->out, id);
    return true;
}

static bool filter_id(u256 *id, struct rpc_call *c)
{
    json_t *v = param(c, 0);
    return (v != NULL && value_u256(id, c, v, "filter id")) || rpc_fail(c, RPC_BAD_PARAMS, "invalid filter id");
}

/* under the lock */
static bool find(size_t *at, struct rpc_filters *t, const u256 *id)
{
    drop_expired(t);
    for (size_t i = 0; i < t->n; i++) {
        const struct rpc_filter *f = t->list[i];
        if (f->id[0] != id->w[1] || f->id[1] != id->w[0]) continue;
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
    if (!value_block_number(&ref, c, v, "block bound")) return false;
    *out = ref.number;
    return true;
}

bool eth_new_filter(struct rpc_call *c)
{
    json_t *o = param(c, 0);
    struct rpc_filter f = {.kind = FILTER_LOGS};
    if (!bound(&f.from, c, json_object_get(o, "fromBlock"), 0) || !bound(&f.to, c, json_object_get(o, "toBlock"), UINT64_MAX)) return false;
    if (f.from > f.to) return rpc_fail(c, RPC_BAD_PARAMS, "invalid block range params: fromBlock is after toBlock");
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
    struct rpc_filter f = {.kind = FILTER_PENDING};
    return param_bool(&f.full, c, 0, false) && filter_add(c, &f);
}

/* ------------------------------------------------------------------ poll */

/* changes: what a ring has for one poll, copied */
struct changes {
    struct rpc_filter *filter; /* held */
    struct rpc_news *news;
    hash32 *pending;
    size_t n;
};

/* under the lock: the filter's place moves on, whatever becomes of the answer: a failure would come again */
static enum status take_changes(struct changes *out, struct rpc_filters *t, struct rpc_filter *f)
{
    const bool pending = f->kind == FILTER_PENDING;
    const uint64_t n = pending ? t->n_pending : t->n_news, max = pending ? RPC_PENDING_NEWS_MAX : RPC_NEWS_MAX;
    const uint64_t first = n > max && f->next < n - max ? n - max : f->next;
    out->n = (size_t)(n - first);
    if (pending) out->pending = calloc(out->n + 1, sizeof *out->pending);
    else out->news = calloc(out->n + 1, sizeof *out->news);
    if (out->pending == NULL && out->news == NULL) return E_NOMEM;
    for (size_t i = 0; i < out->n; i++) {
        if (pending) out->pending[i] = t->pending[(first + i) % max];
        else out->news[i] = t->news[(first + i) % max];
    }
    f->next = n;
    f->used_ms = clock_mono_ms();
    f->refs++;
    out->filter = f;
    return OK;
}

static bool put_log_changes(struct rpc_call *c, const struct changes *ch)
{
    const struct rpc_filter *f = ch->filter;
    struct arena tmp;
    struct log_writer writer = {.out = c->out, .from = f->from, .to = f->to, .is_cached = true};
    bool ok = rpc_txn(c) != NULL;
    arena_init(&tmp, RPC_ARENA_MAX);
    for (size_t i = 0; ok && i < ch->n; i++) ok = logs_of_block(&writer, c, &ch->news[i].hash, &f->logs, ch->news[i].removed, &tmp);
    arena_fini(&tmp);
    return ok;
}

static bool put_changes(struct rpc_call *c, const struct changes *ch)
{
    bool ok = true;
    jo_open(c->out, '[');
    switch (ch->filter->kind) {
    case FILTER_LOGS: ok = put_log_changes(c, ch); break;
    case FILTER_BLOCKS:
        for (size_t i = 0; i < ch->n; i++)
            if (!ch->news[i].removed) jo_hash(c->out, &ch->news[i].hash);
        break;
    case FILTER_PENDING:
        for (size_t i = 0; i < ch->n; i++) {
            struct tx tx;
            const struct rpc_pool *p = &c->rpc->pool;
            if (!ch->filter->full) jo_hash(c->out, &ch->pending[i]);
            else if (p->get != NULL && p->get(p->ctx, &tx, &ch->pending[i], c->a)) json_put_tx(c->out, &tx, NULL); /* those that are still there */
        }
        break;
    }
    jo_close(c->out, ']');
    return ok;
}

static void let_go(struct rpc_filters *t, struct rpc_filter *f)
{
    lock(t);
    unref(f);
    unlock(t);
}

bool eth_get_filter_changes(struct rpc_call *c)
{
    struct rpc_filters *t = c->rpc->filters;
    struct changes ch = {0};
    u256 id;
    size_t at;
    if (!filter_id(&id, c)) return rpc_fail(c, RPC_SERVER, "filter not found");
    lock(t);
    const enum status s = find(&at, t, &id) ? take_changes(&ch, t, t->list[at]) : E_NOT_FOUND;
    unlock(t);
    if (s == E_NOT_FOUND) return rpc_fail(c, RPC_SERVER, "filter not found");
    if (s != OK) return rpc_fail_status(c, s, "filter");
    const bool ok = put_changes(c, &ch);
    let_go(t, ch.filter);
    free(ch.news);
    free(ch.pending);
    return ok;
}

bool eth_get_filter_logs(struct rpc_call *c)
{
    struct rpc_filters *t = c->rpc->filters;
    struct rpc_filter *f = NULL;
    u256 id;
    size_t at;
    if (!filter_id(&id, c)) return rpc_fail(c, RPC_SERVER, "filter not found");
    lock(t);
    if (find(&at, t, &id)) {
        f = t->list[at];
        f->used_ms = clock_mono_ms();
        f->refs++;
    }
    unlock(t);
    if (f == NULL) return rpc_fail(c, RPC_SERVER, "filter not found");
    const bool ok = f->kind == FILTER_LOGS ? logs_query(c, &f->logs, f->query, true) : rpc_fail(c, RPC_SERVER, "filter is not one for logs");
    let_go(t, f);
    return ok;
}

bool eth_uninstall_filter(struct rpc_call *c)
{
    struct rpc_filters *t = c->rpc->filters;
    u256 id;
    size_t at;
    if (!filter_id(&id, c)) { /* whatever it is, there is no filter of that name */
        c->error = 0;
        jo_bool(c->out, false);
        return true;
    }
    lock(t);
    const bool found = find(&at, t, &id);
    if (found) remove_at(t, at);
    unlock(t);
    jo_bool(c->out, found);
    return true;
}
