/* rpc_eth_subscribe.c: subscriptions over WebSocket and the Unix socket: eth_subscribe's newHeads, logs, newPendingTransactions, syncing, and
 * parity_subscribe (rpc_parity_watch.c). */
#include "lib/base/rng.h"
#include "node/rpc/rpc_priv.h"

enum sub_kind { SUB_HEADS, SUB_LOGS, SUB_PENDING, SUB_SYNCING, SUB_WATCH };

struct sub {
    char id[40];
    enum sub_kind kind;
    bool full; /* SUB_PENDING: whole transactions */
    struct log_filter logs;
    struct watch *watch; /* SUB_WATCH */
};

/* one connection's subscriptions */
struct rpc_subs {
    struct rpc_subs *next;
    struct ws_conn *ws;
    struct json_split split; /* of a Unix socket's stream */
    struct sub *list;
    size_t n, cap;
};

/* a watched answer may be of the pool */
static bool wants_pending(const struct sub *s)
{
    return s->kind == SUB_PENDING || s->kind == SUB_WATCH;
}

static void sub_remove(struct rpc_worker *w, struct rpc_subs *s, size_t i)
{
    if (wants_pending(&s->list[i])) atomic_fetch_sub(&w->n_pending_listeners, 1);
    if (s->list[i].kind == SUB_WATCH) w->n_watches--;
    watch_free(s->list[i].watch);
    log_filter_fini(&s->list[i].logs);
    s->list[i] = s->list[--s->n];
}

void subs_close(struct rpc_worker *w, struct ws_conn *ws)
{
    struct rpc_subs *s = ws_user(ws);
    if (s == NULL) return;
    while (s->n > 0) sub_remove(w, s, 0);
    for (struct rpc_subs **p = &w->subs; *p != NULL; p = &(*p)->next) {
        if (*p != s) continue;
        *p = s->next;
        break;
    }
    ws_set_user(ws, NULL);
    free(s->list);
    free(s);
}

/* NULL: no memory */
static struct rpc_subs *subs_of(struct rpc_worker *w, struct ws_conn *ws)
{
    struct rpc_subs *s = ws_user(ws);
    if (s != NULL) return s;
    s = calloc(1, sizeof *s);
    if (s == NULL) return NULL;
    s->ws = ws;
    s->next = w->subs;
    w->subs = s;
    ws_set_user(ws, s);
    return s;
}

struct json_split *subs_split(struct rpc_worker *w, struct ws_conn *ws)
{
    struct rpc_subs *s = subs_of(w, ws);
    return s == NULL ? NULL : &s->split;
}

static bool make_room(struct rpc_subs *s)
{
    if (s->n < s->cap) return true;
    const size_t cap = s->cap == 0 ? 1 : 2 * s->cap; /* nearly all have one */
    struct sub *p = reallocarray(s->list, cap, sizeof *p);
    if (p == NULL) return false;
    s->list = p;
    s->cap = cap;
    return true;
}

/* ------------------------------------------------------------------ methods */

static bool parse_sub(struct sub *out, struct rpc_call *c)
{
    const json_t *kind = param(c, 0), *arg = param(c, 1);
    const char *k = json_is_string(kind) ? json_string_value(kind) : "";
    *out = (struct sub){0};
    if (strcmp(k, "newHeads") == 0) {
        out->kind = SUB_HEADS;
    } else if (strcmp(k, "logs") == 0) {
        out->kind = SUB_LOGS;
        return log_filter_parse(&out->logs, c, arg);
    } else if (strcmp(k, "newPendingTransactions") == 0) {
        out->kind = SUB_PENDING;
        return param_bool(&out->full, c, 1, false);
    } else if (strcmp(k, "syncing") == 0) {
        out->kind = SUB_SYNCING;
    } else {
        return rpc_fail(c, RPC_BAD_PARAMS, "no \"%.60s\" subscription: there are newHeads, logs, newPendingTransactions, syncing", k);
    }
    return true;
}

static void sub_fini(struct sub *s)
{
    log_filter_fini(&s->logs);
    watch_free(s->watch);
}

/* the connection's from now on, its id is the answer; what it holds is taken */
static bool sub_add(struct rpc_call *c, struct sub *sub)
{
    struct rpc_worker *w = c->w;
    struct rpc_subs *s = subs_of(w, c->ws);
    if (s == NULL || s->n == RPC_SUBSCRIPTIONS_MAX || !make_room(s)) {
        sub_fini(sub);
        if (s == NULL || s->n < RPC_SUBSCRIPTIONS_MAX) return rpc_fail_status(c, E_NOMEM, "subscription");
        return rpc_fail(c, RPC_LIMIT, "too many subscriptions: at most %d on a connection", RPC_SUBSCRIPTIONS_MAX);
    }
    uint64_t id[2];
    rng_fill(id, sizeof id);
    snprintf(sub->id, sizeof sub->id, "0x%llx%016llx", (unsigned long long)(id[0] | 1ULL << 60), (unsigned long long)id[1]);
    if (wants_pending(sub)) atomic_fetch_add(&w->n_pending_listeners, 1);
    if (sub->kind == SUB_WATCH) w->n_watches++;
    s->list[s->n++] = *sub;
    jo_str(c->out, sub->id);
    return true;
}

static bool has_socket(struct rpc_call *c)
{
    return c->ws != NULL || rpc_fail(c, RPC_NO_METHOD, "notifications not supported: subscribe over WebSocket or the Unix socket");
}

bool eth_subscribe(struct rpc_call *c)
{
    struct sub sub;
    return has_socket(c) && parse_sub(&sub, c) && sub_add(c, &sub);
}

bool parity_subscribe(struct rpc_call *c)
{
    struct sub sub = {.kind = SUB_WATCH};
    if (!has_socket(c)) return false;
    if (c->w->n_watches == RPC_WATCHES_MAX) return rpc_fail(c, RPC_LIMIT, "too many subscriptions to methods: use eth_subscribe, or ask again later");
    if (!watch_new(&sub.watch, c) || !sub_add(c, &sub)) return false;
    c->w->has_new_watch = true;
    http_server_wake(c->w->server); /* what it is now is told behind this answer */
    return true;
}

bool eth_unsubscribe(struct rpc_call *c)
{
    const json_t *id = param(c, 0);
    struct rpc_subs *s = c->ws ? ws_user(c->ws) : NULL;
    if (!json_is_string(id)) return rpc_fail(c, RPC_BAD_PARAMS, "invalid subscription id");
    for (size_t i = 0; s != NULL && i < s->n; i++) {
        if (strcmp(s->list[i].id, json_string_value(id)) != 0) continue;
        sub_remove(c->w, s, i);
        jo_bool(c->out, true);
        return true;
    }
    return rpc_fail(c, RPC_SERVER, "subscription not found");
}

/* ------------------------------------------------------------------ sending */

/* the envelope around a result that is JSON already; of a watch it is the member with its name */
static void notify(struct rpc_worker *w, const struct rpc_subs *s, const struct sub *sub, bytes result)
{
    struct buf *b = &w->out;
    buf_clear(b);
    buf_put_str(b, "{\"jsonrpc\":\"2.0\",\"method\":\"");
    buf_put_str(b, sub->kind == SUB_WATCH ? "parity_subscription" : "eth_subscription");
    buf_put_str(b, "\",\"params\":{\"subscription\":\"");
    buf_put_str(b, sub->id);
    buf_put_str(b, sub->kind == SUB_WATCH ? "\"," : "\",\"result\":");
    buf_put_bytes(b, result);
    buf_put(b, "}}", 2);
    if (buf_status(b) == OK) IGNORE(ws_send(s->ws, buf_view(b)), "a client that is gone or too slow is dropped by the server");
}

struct log_notice {
    struct rpc_worker *w;
    const struct rpc_subs *subs;
    const struct sub *sub;
    struct buf json;
};

static void notify_log(void *ctx, const struct log_entry *log, const struct log_place *place)
{
    struct log_notice *n = ctx;
    buf_clear(&n->json);
    json_put_log(&n->json, log, place);
    if (buf_status(&n->json) == OK) notify(n->w, n->subs, n->sub, buf_view(&n->json));
}

static bool begin_txn(struct rpc_worker *w)
{
    if (w->txn != NULL) return true;
    if (kv_begin(&w->txn, chain_kv(w->rpc->chain), false) == OK) return true;
    w->txn = NULL;
    return false;
}

void subs_on_block(struct rpc_worker *w, const struct rpc_news *n)
{
    struct buf head;
    struct header h;
    struct block_logs logs;
    bool has_logs = false;
    bloom filter;
    uint64_t number;
    if (w->subs == NULL || !begin_txn(w)) return;
    /* a block that we cannot read is told to nobody; the importer reports a damaged database */
    if (block_bloom(&filter, &number, w->txn, &n->hash) != OK || blocks_get_header(&h, w->txn, &n->hash, &w->arena) != OK) return;
    buf_init(&head, 1 << 20);
    json_put_header(&head, &h, &n->hash);
    struct log_notice notice = {.w = w};
    buf_init(&notice.json, RPC_RESPONSE_MAX);
    for (struct rpc_subs *s = w->subs; s != NULL; s = s->next) {
        for (size_t i = 0; i < s->n; i++) {
            const struct sub *sub = &s->list[i];
            if (sub->kind == SUB_HEADS && !n->removed) notify(w, s, sub, buf_view(&head));
            if (sub->kind != SUB_LOGS || !log_filter_may_match(&sub->logs, &filter)) continue;
            if (!has_logs && block_logs_load(&logs, w->txn, &n->hash, &w->arena) != OK) continue;
            has_logs = true;
            notice.subs = s;
            notice.sub = sub;
            block_logs_match(&logs, &sub->logs, n->removed, notify_log, &notice);
        }
    }
    buf_fini(&notice.json);
    buf_fini(&head);
}

static void put_pending(struct buf *b, struct rpc_worker *w, const hash32 *h, bool full)
{
    struct tx tx;
    const struct rpc_pool *p = &w->rpc->pool;
    buf_clear(b);
    if (!full) {
        jo_hash(b, h);
    } else if (p->get && p->get(p->ctx, &tx, h, &w->arena)) {
        json_put_tx(b, &tx, NULL);
    }
    arena_reset(&w->arena);
}

void subs_on_pending(struct rpc_worker *w, const hash32 *h, size_t n)
{
    struct buf b;
    buf_init(&b, RPC_RESPONSE_MAX);
    for (struct rpc_subs *s = w->subs; s != NULL; s = s->next) {
        for (size_t i = 0; i < s->n; i++) {
            if (s->list[i].kind != SUB_PENDING) continue;
            for (size_t k = 0; k < n; k++) {
                put_pending(&b, w, &h[k], s->list[i].full);
                if (b.len > 0) notify(w, s, &s->list[i], buf_view(&b));
            }
        }
    }
    buf_fini(&b);
}

void subs_on_sync(struct rpc_worker *w)
{
    const struct rpc_node *n = &w->rpc->node;
    uint64_t starting = 0, highest = 0;
    bool syncing = n->syncing && n->syncing(n->ctx, &starting, &highest);
    if (syncing == w->was_syncing) return;
    w->was_syncing = syncing;
    struct buf b;
    buf_init(&b, 1000);
    jo_open(&b, '{');
    jo_key(&b, "syncing");
    jo_bool(&b, syncing);
    if (syncing) {
        struct chain_head head;
        chain_get_head(&head, w->rpc->chain);
        jo_key(&b, "status");
        jo_open(&b, '{');
        jo_key(&b, "startingBlock");
        jo_u64(&b, starting);
        jo_key(&b, "currentBlock");
        jo_u64(&b, head.number);
        jo_key(&b, "highestBlock");
        jo_u64(&b, highest);
        jo_close(&b, '}');
    }
    jo_close(&b, '}');
    for (struct rpc_subs *s = w->subs; s != NULL; s = s->next)
        for (size_t i = 0; i < s->n; i++)
            if (s->list[i].kind == SUB_SYNCING) notify(w, s, &s->list[i], buf_view(&b));
    buf_fini(&b);
}

enum { LOOK_MS = 500 };

void subs_look(struct rpc_worker *w, bool has_block)
{
    const uint64_t now = clock_mono_ms();
    struct buf b;
    if (w->n_watches == 0 || (!has_block && !w->has_new_watch && now - w->looked_ms < LOOK_MS)) return;
    w->has_new_watch = false;
    w->looked_ms = now;
    rpc_txn_refresh(w);
    buf_init(&b, RPC_BATCH_RESPONSE_MAX);
    for (struct rpc_subs *s = w->subs; s != NULL; s = s->next)
        for (size_t i = 0; i < s->n; i++)
            if (s->list[i].kind == SUB_WATCH && watch_look(&b, w, s->list[i].watch)) notify(w, s, &s->list[i], buf_view(&b));
    buf_fini(&b);
}
