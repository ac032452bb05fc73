#include "node/rpc/rpc.h"

#include "lib/base/log.h"
#include "node/rpc/lane.h"

#include <unistd.h>
#include <zlib.h>

#define GZIP_MIN 2048 /* below it a packet more or less decides nothing */
#define RPC_KEPT_OUT ((size_t)1 << 20) /* a larger answer takes its memory along */
#define LOOK_EVERY 16 /* calls of a batch between two looks at the time */
#define DEFAULT_NAMESPACES (1U << NS_WEB3 | 1U << NS_NET | 1U << NS_ETH | 1U << NS_PARITY | 1U << NS_TXPOOL | 1U << NS_TRACE | 1U << NS_RPC | 1U << NS_AURA)

/* ------------------------------------------------------------------ for the methods */

bool rpc_fail(struct rpc_call *c, int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    c->error = code;
    (void)vsnprintf(c->error_text, sizeof c->error_text, fmt, ap);
    va_end(ap);
    return false;
}

void rpc_begin(struct rpc_worker *w, unsigned turn_ms, unsigned max_ms)
{
    const uint64_t now = clock_mono_ms();
    w->due_ms = turn_ms == 0 ? 0 : now + turn_ms;
    w->late_ms = now + max_ms;
    w->max_ms = max_ms;
    w->is_due = w->is_late = false;
}

bool rpc_is_out_of_time(struct rpc_worker *w)
{
    if (w->is_due || w->is_late) return true;
    const uint64_t now = clock_mono_ms();
    w->is_due = w->due_ms != 0 && now >= w->due_ms;
    w->is_late = now >= w->late_ms || atomic_load_explicit(&w->rpc->is_stopping, memory_order_relaxed);
    return w->is_due || w->is_late;
}

static bool fail_for_time(struct rpc_call *c)
{
    if (atomic_load(&c->rpc->is_stopping)) return rpc_fail(c, RPC_SERVER, "the node is stopping");
    return rpc_fail(c, RPC_LIMIT, "the request took longer than %u ms: ask for less", c->w->max_ms);
}

bool rpc_has_time(struct rpc_call *c)
{
    return !rpc_is_out_of_time(c->w) || fail_for_time(c);
}

/* the EVM's watcher */
static bool is_run_over(void *ctx)
{
    struct rpc_worker *w = ctx;
    return w->stop_run || rpc_is_out_of_time(w);
}

bool rpc_fail_status(struct rpc_call *c, enum status s, const char *what)
{
    if (s == E_CANCELLED) return fail_for_time(c);
    return rpc_fail(c, RPC_INTERNAL, "%s: %s", what, status_text(s));
}

struct kv_txn *rpc_txn(struct rpc_call *c)
{
    if (c->w->txn == NULL) {
        enum status s = kv_begin(&c->w->txn, chain_kv(c->rpc->chain), false);
        if (s != OK) {
            c->w->txn = NULL;
            IGNORE(!rpc_fail_status(c, s, "database"), "it is always false");
        }
    }
    return c->w->txn;
}

void rpc_txn_end(struct rpc_worker *w)
{
    state_free(w->read_state);
    w->read_state = NULL;
    kv_abort(w->txn);
    w->txn = NULL;
    w->n_reads = 0;
}

void rpc_txn_refresh(struct rpc_worker *w)
{
    if (w->txn != NULL && (w->n_reads > RPC_READS_MAX || !kv_is_newest(w->txn))) rpc_txn_end(w);
}

/* ------------------------------------------------------------------ one call */

static void truncate_out(struct buf *b, size_t len)
{
    b->len = len;
    b->status = OK;
}

/* call_id: of a tree, or as text; neither: null */
struct call_id {
    const json_t *tree;
    bytes text;
};

static void put_id(struct buf *b, const struct call_id *id)
{
    const json_t *v = id == NULL ? NULL : id->tree;
    if (id != NULL && id->text.len > 0) {
        buf_put_bytes(b, id->text);
    } else if (v == NULL || json_is_null(v)) {
        buf_put(b, "null", 4);
    } else if (json_is_integer(v)) {
        buf_printf(b, "%lld", (long long)json_integer_value(v));
    } else if (json_is_string(v)) {
        jo_text(b, bytes_make(json_string_value(v), json_string_length(v)));
    } else {
        size_t n = json_dumpb(v, NULL, 0, JSON_ENCODE_ANY | JSON_COMPACT);
        uint8_t *p = buf_reserve(b, n);
        if (p == NULL) return;
        b->len += json_dumpb(v, (char *)p, n, JSON_ENCODE_ANY | JSON_COMPACT);
    }
}

static void put_head(struct buf *b, const struct call_id *id)
{
    jo_open(b, '{');
    buf_put(b, "\"jsonrpc\":\"2.0\",\"id\":", 21);
    put_id(b, id);
}

static void put_error(struct buf *b, const struct call_id *id, int code, const char *text, const bytes *data)
{
    put_head(b, id);
    jo_key(b, "error");
    jo_open(b, '{');
    jo_key(b, "code");
    buf_printf(b, "%d", code);
    jo_key(b, "message");
    jo_str(b, text);
    if (data) {
        jo_key(b, "data");
        jo_data(b, *data);
    }
    jo_close(b, '}');
    jo_close(b, '}');
}

/* a required one that is null is missing, too */
static bool is_null(const struct rpc_call *c, size_t i)
{
    return c->args != NULL ? c->args[i].ptr[0] == 'n' : json_is_null(json_array_get(c->params, i));
}

bool rpc_run(struct rpc_call *c)
{
    const struct rpc_entry *e = c->method;
    for (size_t i = 0; i < e->min; i++)
        if (i >= c->n_params || is_null(c, i)) return rpc_fail(c, RPC_BAD_PARAMS, "missing value for required argument %zu", i);
    if (c->n_params > e->max) return rpc_fail(c, RPC_BAD_PARAMS, "too many arguments, want at most %u", e->max);
    return e->m->fn(c);
}

static bool find_method(struct rpc_call *c, bytes name)
{
    const struct rpc_entry *e = rpc_table_find(&c->rpc->table, name);
    const bool is_served = e != NULL && (c->rpc->namespaces & 1U << e->m->ns) != 0;
    const char *why = e == NULL ? rpc_refusal_of(name) : NULL;
    const int len = (int)(name.len < 100 ? name.len : 100);
    c->method = e;
    if (is_served) return true;
    if (e != NULL)
        return rpc_fail(c, RPC_NO_METHOD, "the method %s does not exist/is not available: this port does not serve %s (rpc.apis of the node's configuration)", e->m->name,
                        rpc_namespace_name(e->m->ns));
    return rpc_fail(c, RPC_NO_METHOD, "the method %.*s does not exist/is not available%s%s", len, (const char *)name.ptr, why ? ": " : "", why ? why : "");
}

static bool run_method(struct rpc_call *c, bytes name)
{
    return find_method(c, name) && rpc_run(c);
}

static bool run_tree(struct rpc_call *c, const json_t *request)
{
    json_t *method = json_object_get(request, "method"), *version = json_object_get(request, "jsonrpc"),
           *params = json_object_get(request, "params");
    if (version != NULL && (!json_is_string(version) || strcmp(json_string_value(version), "2.0") != 0))
        return rpc_fail(c, RPC_INVALID_REQUEST, "jsonrpc must be \"2.0\"");
    if (!json_is_string(method)) return rpc_fail(c, RPC_INVALID_REQUEST, "invalid request: method must be a string");
    const bytes name = bytes_make(json_string_value(method), json_string_length(method));
    if (params != NULL && !json_is_array(params) && !json_is_null(params) && find_method(c, name))
        return rpc_fail(c, RPC_BAD_PARAMS, "invalid params: %s takes an array", json_string_value(method));
    c->params = json_is_array(params) ? params : NULL;
    c->n_params = c->params ? json_array_size(c->params) : 0;
    return run_method(c, name);
}

/* what a call gave becomes its answer */
static void finish_one(struct rpc_call *c, const struct call_id *id, size_t mark, bool ok, bool is_odd)
{
    struct rpc_worker *w = c->w;
    struct buf *out = c->out;
    atomic_fetch_add_explicit(&w->n_calls, 1, memory_order_relaxed);
    if (ok && buf_status(out) == E_NOMEM) ok = rpc_fail_status(c, E_NOMEM, "answer");
    if (ok && buf_status(out) != OK) ok = rpc_fail(c, RPC_LIMIT, "the answer is larger than %d bytes", RPC_RESPONSE_MAX);
    if (!ok) atomic_fetch_add_explicit(&w->n_errors, 1, memory_order_relaxed);
    if (id->tree == NULL && id->text.len == 0 && !is_odd) {
        truncate_out(out, mark); /* a notification */
    } else if (ok) {
        jo_close(out, '}');
    } else {
        truncate_out(out, mark);
        put_error(out, id, c->error, c->error_text, c->error_data);
    }
}

/* one call: of a tree, or (q, tree is NULL) of pieces of text.  ret false: its time on this thread was over, nothing was written */
static bool answer_one(struct rpc_worker *w, struct ws_conn *ws, json_t *tree, const struct request *q)
{
    struct buf *out = &w->out;
    if (tree != NULL && !json_is_object(tree)) {
        put_error(out, NULL, RPC_INVALID_REQUEST, "invalid request: not an object", NULL);
        return true;
    }
    const struct call_id id = {.tree = tree ? json_object_get(tree, "id") : NULL, .text = q ? q->id : BYTES_EMPTY};
    size_t mark = out->len;
    put_head(out, &id);
    buf_put(out, ",\"result\":", 10);
    struct rpc_call c = {.rpc = w->rpc, .w = w, .ws = ws, .out = out, .a = &w->arena};
    w->stop_run = false;
    if (q != NULL) {
        c.args = q->args;
        c.n_params = q->n_args;
    }
    bool ok = q != NULL ? run_method(&c, q->method) : run_tree(&c, tree);
    const bool is_cut = !ok && w->is_due;
    if (is_cut) truncate_out(out, mark);
    else finish_one(&c, &id, mark, ok, q == NULL && json_object_get(tree, "method") == NULL);
    for (size_t i = 0; q != NULL && i < q->n_args; i++) json_decref(c.loaded[i]);
    arena_reset(&w->arena);
    return !is_cut;
}
/* batch: trees, or the worker's requests */
struct batch {
    json_t *trees; /* NULL: requests */
    size_t n;
};

static json_t *batch_tree(const struct batch *b, size_t i)
{
    return b->trees ? json_array_get(b->trees, i) : NULL;
}

/* subscriptions are the server thread's */
static bool is_subscription(const struct rpc_worker *w, const struct batch *b, size_t i)
{
    static const char suffix[] = "subscribe";
    const json_t *name = b->trees ? json_object_get(json_array_get(b->trees, i), "method") : NULL;
    const bytes method = b->trees == NULL ? w->requests[i].method : bytes_make(json_string_value(name), json_string_length(name));
    return method.len >= sizeof suffix - 1 && memcmp(method.ptr + method.len - (sizeof suffix - 1), suffix, sizeof suffix - 1) == 0;
}

static bool answer_next(struct rpc_worker *w, struct ws_conn *ws, const struct batch *b, size_t i)
{
    json_t *tree = batch_tree(b, i);
    const struct request *q = b->trees ? NULL : &w->requests[i];
    if (w->out.len <= RPC_BATCH_RESPONSE_MAX && !w->is_late) return answer_one(w, ws, tree, q);
    const struct call_id id = {.tree = json_object_get(tree, "id"), .text = q ? q->id : BYTES_EMPTY};
    if (id.tree != NULL || id.text.len > 0) put_error(&w->out, &id, RPC_LIMIT, w->is_late ? "the batch took too long" : "the batch's answer is too large", NULL);
    return true;
}

static bool answer_batch(struct rpc_worker *w, struct ws_conn *ws, const struct batch *b, struct rpc_progress *p)
{
    struct buf *out = &w->out;
    const bool goes_on = p->is_begun;
    if (b->n == 0 || b->n > RPC_BATCH_MAX) {
        char text[80];
        if (b->n == 0) snprintf(text, sizeof text, "empty batch");
        else snprintf(text, sizeof text, "batch of %zu calls: at most %d are allowed", b->n, RPC_BATCH_MAX);
        put_error(out, NULL, RPC_INVALID_REQUEST, text, NULL);
        return true;
    }
    if (!goes_on) jo_open(out, '[');
    for (size_t i = p->next; i < b->n; i++) {
        if (goes_on && is_subscription(w, b, i)) continue; /* was answered before the rest left its thread */
        if (i % LOOK_EVERY == LOOK_EVERY - 1) (void)rpc_is_out_of_time(w); /* is_due, is_late */
        if (!w->is_due && answer_next(w, ws, b, i)) continue;
        *p = (struct rpc_progress){.is_begun = true, .next = i};
        w->is_due = false;
        for (size_t k = i; k < b->n; k++)
            if (is_subscription(w, b, k)) (void)answer_next(w, ws, b, k); /* never takes long */
        return false;
    }
    if (out->len == 1) buf_clear(out); /* notifications only */
    else jo_close(out, ']');
    return true;
}

static bool answer_doc(struct rpc_worker *w, struct ws_conn *ws, json_t *doc, const json_error_t *e, struct rpc_progress *p)
{
    bool ok = true;
    if (doc == NULL) {
        char text[300];
        snprintf(text, sizeof text, "parse error: %s", e->text);
        put_error(&w->out, NULL, RPC_PARSE, text, NULL);
    } else if (json_is_array(doc)) {
        ok = answer_batch(w, ws, &(struct batch){.trees = doc, .n = json_array_size(doc)}, p);
    } else {
        ok = answer_one(w, ws, doc, NULL);
    }
    json_decref(doc);
    return ok;
}

enum rpc_done rpc_answer(struct rpc_worker *w, struct ws_conn *ws, bytes document, struct rpc_progress *p)
{
    json_error_t e;
    size_t n;
    bool is_batch;
    if (p->is_whole) return RPC_ANSWERED;
    if (!p->is_begun) buf_clear(&w->out);
    rpc_txn_refresh(w);
    if (requests_get(w->requests, &n, &is_batch, RPC_BATCH_MAX, document)) {
        const bool ok = is_batch ? answer_batch(w, ws, &(struct batch){.n = n}, p) : answer_one(w, ws, NULL, w->requests);
        return ok ? RPC_ANSWERED : RPC_DUE;
    }
    json_t *doc = json_loadb(document.len ? (const char *)document.ptr : "", document.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);
    const bool is_json = doc != NULL;
    if (!answer_doc(w, ws, doc, &e, p)) return RPC_DUE;
    return is_json ? RPC_ANSWERED : RPC_NO_JSON;
}

static bool takes_gzip(const struct http_request *r)
{
    const char *takes = http_request_header(r, "Accept-Encoding");
    return takes != NULL && strstr(takes, "gzip") != NULL;
}

enum rpc_done rpc_serve(struct rpc_worker *w, struct http_request *r, struct ws_conn *ws, bytes document)
{
    struct rpc_progress p = {0};
    for (unsigned turn_ms = RPC_TURN_MS;; turn_ms = 0) {
        rpc_begin(w, turn_ms, w->rpc->max_request_ms);
        enum rpc_done done = rpc_answer(w, ws, document, &p);
        if (done != RPC_DUE && r != NULL && w->out.len > RPC_ZIP_HERE_MAX && takes_gzip(r) && turn_ms != 0) {
            p.is_whole = true;
            done = RPC_DUE;
        }
        /* else the lane is no more, or there is no memory: here, then */
        if (done != RPC_DUE || lane_take(w->rpc->lane, w, r, ws, document, &p)) return done;
    }
}

/* ------------------------------------------------------------------ HTTP and WebSocket */

static void respond_text(struct http_request *r, int status, const char *text, const struct http_header *h, size_t n)
{
    http_respond(r, status, "text/plain; charset=utf-8", bytes_str(text), h, n);
}

/* a large answer for a client that takes gzip: hex shrinks to a fraction. Level 1: the wire is to be spared, not the last byte. */
static bool zip(struct rpc_worker *w, const struct http_request *r)
{
    if (w->out.len < GZIP_MIN || !takes_gzip(r)) return false;
    z_stream z = {.next_in = w->out.ptr, .avail_in = (uInt)w->out.len};
    if (deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) return false;
    size_t cap = deflateBound(&z, w->out.len);
    uint8_t *p = malloc(cap);
    z.next_out = p;
    z.avail_out = (uInt)cap;
    bool ok = p != NULL && deflate(&z, Z_FINISH) == Z_STREAM_END;
    if (ok) {
        buf_fini(&w->out);
        buf_init(&w->out, RPC_RESPONSE_MAX);
        w->out.ptr = p;
        w->out.len = z.total_out;
        w->out.cap = cap;
    } else {
        free(p);
    }
    deflateEnd(&z);
    return ok;
}

void rpc_respond(struct rpc_worker *w, struct http_request *r)
{
    struct http_header headers[2];
    size_t n = 0;
    if (w->rpc->cors) headers[n++] = (struct http_header){"Access-Control-Allow-Origin", w->rpc->cors};
    if (zip(w, r)) headers[n++] = (struct http_header){"Content-Encoding", "gzip"};
    if (w->out.len > RPC_KEPT_OUT) {
        size_t len;
        uint8_t *p = buf_take(&w->out, &len);
        http_respond_take(r, 200, "application/json", p, len, headers, n);
    } else {
        http_respond(r, 200, w->out.len ? "application/json" : NULL, buf_view(&w->out), headers, n);
    }
}

static void on_request(void *ctx, struct http_request *r)
{
    struct rpc_worker *w = ctx;
    const char *cors = w->rpc->cors;
    struct http_header headers[5];
    size_t n = 0;
    if (cors) headers[n++] = (struct http_header){"Access-Control-Allow-Origin", cors};
    if (w->rpc->wants_token && http_request_method(r) != HTTP_OPTIONS &&
        !token_is_good(http_request_header(r, "Authorization"), &w->rpc->token_key, clock_wall_ms() / 1000)) {
        headers[n++] = (struct http_header){"WWW-Authenticate", "Bearer"};
        respond_text(r, 401, "This port wants a token: Authorization: Bearer <JWT, HS256, iat within a minute>\n", headers, n);
        return;
    }
    switch (http_request_method(r)) {
    case HTTP_POST:
        if (rpc_serve(w, r, NULL, http_request_body(r)) != RPC_DUE) rpc_respond(w, r); /* what is wrong stands in the answer */
        break;
    case HTTP_OPTIONS:
        if (cors) {
            const char *wanted = http_request_header(r, "Access-Control-Request-Headers");
            headers[n++] = (struct http_header){"Access-Control-Allow-Methods", "POST, GET, OPTIONS"};
            headers[n++] = (struct http_header){"Access-Control-Allow-Headers", wanted ? wanted : "Content-Type"};
            headers[n++] = (struct http_header){"Access-Control-Max-Age", "600"};
        }
        http_respond(r, 204, NULL, BYTES_EMPTY, headers, n);
        break;
    case HTTP_GET:
    case HTTP_HEAD:
        respond_text(r, 200, "JSON-RPC is served here: send requests by POST, or open a WebSocket.\n", headers, n);
        break;
    case HTTP_PUT:
    case HTTP_PATCH:
    case HTTP_DELETE:
        headers[n++] = (struct http_header){"Allow", "POST, GET, HEAD, OPTIONS"};
        respond_text(r, 405, "Method Not Allowed\n", headers, n);
        break;
    }
}

static bool on_ws_open(void *ctx, struct ws_conn *ws)
{
    const struct rpc_worker *w = ctx;
    return !w->rpc->wants_token || token_is_good(ws_request_header(ws, "Authorization"), &w->rpc->token_key, clock_wall_ms() / 1000);
}

static void on_ws_message(void *ctx, struct ws_conn *ws, bytes msg)
{
    struct rpc_worker *w = ctx;
    if (rpc_serve(w, NULL, ws, msg) == RPC_DUE) return;
    if (w->out.len > 0) IGNORE(ws_send(ws, buf_view(&w->out)), "a client that is gone or too slow is dropped by the server");
    if (w->out.cap > RPC_BODY_MAX) buf_fini(&w->out);
}

static void on_ws_close(void *ctx, struct ws_conn *ws)
{
    subs_close(ctx, ws);
}

static void on_turn_end(void *ctx)
{
    rpc_txn_end(ctx);
}

static void on_dropped(void *ctx, const char *peer, const char *reason, size_t unsent)
{
    (void)ctx;
    log_warn("rpc", "Closed a connection from=%s unsent=%zu reason=\"%s\"", *peer ? peer : "local", unsent, reason);
}

/* ------------------------------------------------------------------ news from other threads */

static void on_wake(void *ctx)
{
    struct rpc_worker *w = ctx;
    (void)pthread_mutex_lock(&w->lock);
    struct rpc_news *news = w->inbox;
    size_t n = w->n_inbox;
    w->inbox = NULL;
    w->n_inbox = w->cap_inbox = 0;
    hash32 *pending = w->pending_inbox;
    size_t n_pending = w->n_pending_inbox;
    w->pending_inbox = NULL;
    w->n_pending_inbox = 0;
    bool sync_news = w->sync_news;
    w->sync_news = false;
    (void)pthread_mutex_unlock(&w->lock);

    rpc_begin(w, 0, RPC_NEWS_MS_MAX);
    rpc_txn_refresh(w);
    for (size_t i = 0; i < n; i++) {
        subs_on_block(w, &news[i]);
        arena_reset(&w->arena);
    }
    if (n_pending) subs_on_pending(w, pending, n_pending);
    if (sync_news || n) subs_on_sync(w);
    subs_look(w, n > 0);
    rpc_txn_end(w);
    free(news);
    free(pending);
}

static bool inbox_put(struct rpc_worker *w, const struct rpc_news *n)
{
    if (w->n_inbox == w->cap_inbox) {
        size_t cap = w->cap_inbox ? 2 * w->cap_inbox : 16;
        struct rpc_news *p = realloc(w->inbox, cap * sizeof *p);
        if (p == NULL) return false;
        w->inbox = p;
        w->cap_inbox = cap;
    }
    w->inbox[w->n_inbox++] = *n;
    return true;
}

static void worker_chain_event(struct rpc_worker *w, const struct chain_event *e)
{
    if (w->server == NULL) return;
    (void)pthread_mutex_lock(&w->lock);
    bool ok = true;
    for (size_t i = 0; i < e->n_removed && ok; i++) ok = inbox_put(w, &(struct rpc_news){.hash = e->removed[i], .removed = true});
    for (size_t i = 0; i < e->n_added && ok; i++)
        ok = inbox_put(w, &(struct rpc_news){.hash = e->added[i].hash, .number = e->added[i].header.number});
    (void)pthread_mutex_unlock(&w->lock);
    http_server_wake(w->server);
}

void rpc_on_chain_event(struct rpc *r, const struct chain_event *e)
{
    filters_on_chain_event(r->filters, e);
    for (size_t i = 0; i < r->n_workers; i++) worker_chain_event(&r->workers[i], e);
}

static void worker_pending(struct rpc_worker *w, const hash32 *hashes, size_t n)
{
    if (w->server == NULL || atomic_load(&w->n_pending_listeners) == 0) return;
    (void)pthread_mutex_lock(&w->lock);
    if (w->pending_inbox == NULL) w->pending_inbox = calloc(RPC_PENDING_NEWS_MAX, sizeof(hash32));
    if (w->pending_inbox != NULL) {
        size_t room = RPC_PENDING_NEWS_MAX - w->n_pending_inbox;
        if (n > room) n = room; /* the server thread is behind: listeners miss some */
        if (n > 0) memcpy(w->pending_inbox + w->n_pending_inbox, hashes, n * sizeof(hash32));
        w->n_pending_inbox += n;
    }
    (void)pthread_mutex_unlock(&w->lock);
    http_server_wake(w->server);
}

void rpc_on_pending(struct rpc *r, const hash32 *hashes, size_t n)
{
    filters_on_pending(r->filters, hashes, n);
    for (size_t i = 0; i < r->n_workers; i++) worker_pending(&r->workers[i], hashes, n);
}

void rpc_on_sync(struct rpc *r)
{
    for (size_t i = 0; i < r->n_workers; i++) {
        struct rpc_worker *w = &r->workers[i];
        if (w->server == NULL) continue;
        (void)pthread_mutex_lock(&w->lock);
        w->sync_news = true;
        (void)pthread_mutex_unlock(&w->lock);
        http_server_wake(w->server);
    }
}

/* ------------------------------------------------------------------ start and stop */

static bool namespace_bits(uint32_t *out, bytes name)
{
    static const struct {
        const char *name;
        uint32_t bits;
    } also[] = { /* as Parity calls them; who changes the node is let in by name only */
        {"all", ((1U << NS_N) - 1) & ~(1U << NS_PARITY_SET)}, {"safe", DEFAULT_NAMESPACES}, {"pubsub", 1U << NS_ETH}, {"traces", 1U << NS_TRACE}, {"parity_pubsub", 1U << NS_PARITY},
        {"parity_transactions_pool", 1U << NS_TXPOOL}};
    for (size_t i = 0; i < COUNT_OF(also); i++) {
        if (!bytes_eq_str(name, also[i].name)) continue;
        *out = also[i].bits;
        return true;
    }
    for (unsigned i = 0; i < NS_N; i++) {
        if (!bytes_eq_str(name, rpc_namespace_name((enum rpc_namespace)i))) continue;
        *out = 1U << i;
        return true;
    }
    return false;
}

/* names by commas; one behind a minus is taken away */
static enum status parse_namespaces(uint32_t *out, const char *list, struct err *err)
{
    uint32_t mask = 0, bits;
    for (const char *p = list; *p; p += strspn(p, ", ")) {
        const bool is_less = *p == '-';
        p += is_less;
        const size_t n = strcspn(p, ", ");
        if (n > 0 && !namespace_bits(&bits, bytes_make(p, n)))
            return err_set(err, E_INVALID,
                           "'%.*s' is no API of this node: allowed are web3, net, eth, parity, txpool, debug, trace, admin, aura, rpc, parity_set, safe, or all (but parity_set); -NAME takes one away",
                           (int)n, p);
        if (n > 0) mask = is_less ? mask & ~bits : mask | bits;
        p += n;
    }
    *out = mask;
    return OK;
}

enum status rpc_worker_init(struct rpc_worker *w, struct rpc *r, struct err *err)
{
    w->rpc = r;
    arena_init(&w->arena, RPC_ARENA_MAX);
    buf_init(&w->out, RPC_RESPONSE_MAX);
    (void)pthread_mutex_init(&w->lock, NULL);
    w->requests = calloc(RPC_BATCH_MAX, sizeof *w->requests);
    enum status s = w->requests == NULL ? E_NOMEM : evm_new(&w->evm, 0);
    if (s != OK) return err_set(err, s, "RPC: %s", status_text(s));
    evm_watch(w->evm, is_run_over, w);
    return OK;
}

/* one thread of a port; first: the one that listens, NULL for itself */
static enum status worker_start(struct rpc_worker *w, struct rpc *r, uint16_t port, const struct rpc_worker *first, struct err *err)
{
    const struct rpc_config *cfg = &r->cfg;
    enum status s = rpc_worker_init(w, r, err);
    if (s != OK) return s;
    struct http_server_config hc = {.bind_address = cfg->address,
                                    .port = port,
                                    .first = first ? first->server : NULL,
                                    .nice = RPC_NICE,
                                    .max_body = cfg->max_body ? cfg->max_body : RPC_BODY_MAX,
                                    .max_connections = cfg->max_connections ? cfg->max_connections : 1024,
                                    .max_unsent = cfg->max_unsent ? cfg->max_unsent : RPC_UNSENT_MAX,
                                    .idle_timeout_s = cfg->idle_timeout_s ? cfg->idle_timeout_s : 120,
                                    .tls_cert_file = cfg->tls_cert_file,
                                    .tls_key_file = cfg->tls_key_file};
    struct http_handler h = {.ctx = w, .request = on_request, .ws_open = on_ws_open, .ws_message = on_ws_message, .ws_close = on_ws_close,
                             .wake = on_wake, .turn_end = on_turn_end, .dropped = on_dropped};
    s = http_server_start(&w->server, &hc, &h, err);
    return s == OK ? OK : err_prefix(err, "RPC");
}

static enum status ipc_start(struct rpc_worker *w, struct rpc *r, struct err *err)
{
    enum status s = rpc_worker_init(w, r, err);
    if (s != OK) return s;
    struct http_server_config hc = {.unix_path = r->cfg.ipc_path,
                                    .nice = RPC_NICE,
                                    .max_body = RPC_BODY_MAX,
                                    .max_connections = RPC_IPC_CLIENTS_MAX,
                                    .max_unsent = RPC_UNSENT_MAX};
    struct http_handler h = {.ctx = w, .ws_open = ipc_open, .stream = ipc_stream, .ws_close = on_ws_close, .wake = on_wake, .turn_end = on_turn_end, .dropped = on_dropped};
    s = http_server_start(&w->server, &hc, &h, err);
    return s == OK ? OK : err_prefix(err, "rpc.ipc_path");
}

void rpc_worker_fini(struct rpc_worker *w)
{
    http_server_stop(w->server);
    w->server = NULL;
    if (w->rpc == NULL) return;
    block_cache_fini(w);
    free(w->inbox);
    free(w->pending_inbox);
    evm_free(w->evm);
    free(w->requests);
    buf_fini(&w->out);
    arena_fini(&w->arena);
    (void)pthread_mutex_destroy(&w->lock);
}

void rpc_server_stop(struct rpc *r)
{
    if (r == NULL) return;
    atomic_store(&r->is_stopping, true);
    lane_stop(r->lane); /* it answers to the servers */
    for (size_t i = 0; i < r->n_workers; i++) rpc_worker_fini(&r->workers[i]); /* who listens comes before those who share */
    lane_free(r->lane);
    free(r->workers);
    filters_free(r->filters);
    rpc_table_fini(&r->table);
    free(r->client_version);
    free(r->node_name);
    free(r->cors);
    secret_fini(&r->token_key);
    free(r);
}

static enum status start_port(struct rpc *r, struct rpc_worker *of, uint16_t port, struct err *err)
{
    enum status s = OK;
    for (size_t i = 0; i < r->n_threads && s == OK; i++) s = worker_start(&of[i], r, port, i == 0 ? NULL : of, err);
    return s;
}

static enum status start_workers(struct rpc *r, struct err *err)
{
    const struct rpc_config *cfg = &r->cfg;
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    r->n_threads = cfg->threads ? cfg->threads : cores < 1 ? 1 : cores > RPC_THREADS_DEFAULT_MAX ? RPC_THREADS_DEFAULT_MAX : (size_t)cores;
    if (r->n_threads > RPC_THREADS_MAX) return err_set(err, E_INVALID, "rpc.threads: %zu are too many, at most %d are allowed", r->n_threads, RPC_THREADS_MAX);
    r->workers = calloc(2 * r->n_threads + 1, sizeof *r->workers);
    enum status s = r->workers == NULL ? err_set(err, E_NOMEM, "RPC: out of memory") : filters_new(&r->filters);
    if (s != OK) return s;
    r->n_workers = 2 * r->n_threads + 1;
    s = lane_new(&r->lane, r, r->n_threads, err);
    if (s == OK && cfg->has_http) s = start_port(r, r->workers, cfg->http_port, err);
    if (s == OK && cfg->has_ws) s = start_port(r, r->workers + r->n_threads, cfg->ws_port, err);
    if (s == OK && cfg->ipc_path != NULL) s = ipc_start(&r->workers[2 * r->n_threads], r, err);
    return s;
}

enum status rpc_server_start(struct rpc **out, const struct rpc_config *cfg, struct chain *chain, const struct rpc_pool *pool,
                             const struct rpc_node *node, struct err *err)
{
    struct rpc *r = calloc(1, sizeof *r);
    if (r == NULL) return E_NOMEM;
    r->cfg = *cfg;
    r->max_request_ms = 1000 * (cfg->max_request_s ? cfg->max_request_s : RPC_REQUEST_S_MAX);
    r->chain = chain;
    r->spec = chain_spec_of(chain);
    if (pool) r->pool = *pool;
    if (node) r->node = *node;
    r->client_version = strdup(cfg->client_version ? cfg->client_version : "poa-node");
    r->node_name = strdup(cfg->node_name ? cfg->node_name : "");
    r->cors = cfg->cors ? strdup(cfg->cors) : NULL;
    (void)snprintf(r->bound_to, sizeof r->bound_to, "%s", cfg->address ? cfg->address : "");
    enum status s = r->client_version && r->node_name && (r->cors || !cfg->cors) ? OK : E_NOMEM;
    if (s == OK) s = parse_namespaces(&r->namespaces, cfg->namespaces ? cfg->namespaces : "safe", err);
    if (s == OK) s = rpc_table_new(&r->table);
    r->wants_token = cfg->jwt_secret_file != NULL;
    if (s == OK && r->wants_token) s = token_key_read(&r->token_key, cfg->jwt_secret_file, err);
    if (s == OK) s = start_workers(r, err);
    /* the configuration's strings belong to the caller */
    r->cfg.address = r->cfg.namespaces = r->cfg.cors = r->cfg.tls_cert_file = r->cfg.tls_key_file = r->cfg.jwt_secret_file = r->cfg.ipc_path = NULL;
    r->cfg.client_version = r->client_version;
    r->cfg.node_name = r->node_name;
    if (s != OK) {
        rpc_server_stop(r);
        return s;
    }
    *out = r;
    return OK;
}

uint16_t rpc_http_port(const struct rpc *r)
{
    return r->workers[0].server ? http_server_port(r->workers[0].server) : 0;
}

uint16_t rpc_ws_port(const struct rpc *r)
{
    return r->workers[r->n_threads].server ? http_server_port(r->workers[r->n_threads].server) : 0;
}

void rpc_get_counts(uint64_t *calls, uint64_t *errors, uint64_t *connections, const struct rpc *r)
{
    *calls = *errors = *connections = 0;
    for (size_t i = 0; i < r->n_workers; i++) {
        const struct rpc_worker *w = &r->workers[i];
        *calls += atomic_load_explicit(&w->n_calls, memory_order_relaxed);
        *errors += atomic_load_explicit(&w->n_errors, memory_order_relaxed);
        if (w->server != NULL) *connections += http_server_connections(w->server);
    }
    lane_add_counts(calls, errors, r->lane);
}
