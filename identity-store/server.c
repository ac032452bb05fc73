#include "identity-store/server.h"

#include "identity-store/audit.h"
#include "identity-store/auth.h"
#include "identity-store/policy.h"
#include "identity-store/queue.h"
#include "identity-store/routes.h"
#include "identity-store/secrets.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/metrics/page.h"
#include "lib/metrics/process.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#define TARGET "store"

enum { MAX_CONNECTIONS = 4096, IDLE_TIMEOUT_S = 120, SWEEP_EVERY_S = 600, STOP_GRACE_MS = 20, RESIDENT_MAX = 24 << 20, CLASSES = 6 };

struct server {
    const struct config *cfg;
    struct store store;
    struct auth auth;
    struct audit audit;
    struct queue *queue;
    struct http_server *http;
    struct metrics_page *metrics;
    atomic_ullong answers[CLASSES]; /* by the first digit of their status */
    atomic_bool stopping;
    uint64_t swept_ms; /* queue's thread */
    atomic_bool reload;
    pthread_t key_thread; /* makes the token key of a new database; no request is looked at before it stands */
    bool has_key_thread;
    struct call *waiting, **waiting_end; /* for it, in their order; server's thread */
};

/* ------------------------------------------------------------------ requests */

static const char *get_header(const void *ctx, const char *name)
{
    return http_request_header(ctx, name);
}

static bool get_header_at(const char **name, const char **value, const void *ctx, size_t i)
{
    return http_request_header_at(name, value, ctx, i);
}

static struct call *call_new(struct server *s, struct http_request *r)
{
    struct call *c = malloc(sizeof *c);
    if (c == NULL) return NULL;
    call_init(c, &s->store, s->cfg);
    c->http = r;
    c->rq = (struct request){.method = http_request_method(r), .path = http_request_path(r), .query = bytes_str(http_request_query(r)),
                             .body = http_request_body(r), .peer = http_request_peer(r), .ctx = r, .header = get_header,
                             .header_at = get_header_at};
    return c;
}

static void common_headers(struct call *c)
{
    const char *client_id = call_request_header(c, "x-ms-client-request-id"), *version = call_request_header(c, "x-ms-version");
    call_header(c, "x-ms-request-id", c->request_id);
    if (client_id && *client_id && strlen(client_id) <= 1024) call_header(c, "x-ms-client-request-id", client_id);
    if (version && *version && strlen(version) <= 32) call_header(c, "x-ms-version", version);
    call_header(c, "X-Content-Type-Options", "nosniff");
    if (c->route == NULL || c->route->service == SERVICE_VAULT) call_header(c, "Cache-Control", "no-store");
}

static void answer(struct server *s, struct call *c)
{
    common_headers(c);
    if (buf_status(&c->reply.body) != OK) call_internal_error(c, E_LIMIT);
    const unsigned class = (unsigned)c->reply.status / 100;
    atomic_fetch_add(&s->answers[class < CLASSES ? class : 0], 1);
    http_respond(c->http, c->reply.status, c->reply.content_type, buf_view(&c->reply.body), c->reply.headers, c->reply.n_headers);
    call_fini(c);
    free(c);
}

static const char *object_of(struct call *c)
{
    const char *o;
    if (c->route && c->route->service == SERVICE_VAULT && *c->name)
        o = arena_printf(&c->arena, "%s%s%s", c->name, *c->version ? "/" : "", c->version);
    else if (c->route && *c->container) o = arena_printf(&c->arena, "%s%s%s", c->container, *c->blob ? "/" : "", c->blob);
    else o = c->rq.path;
    return o ? o : "";
}

/* one line for what happened; false: it is worth none */
static bool event_of(struct audit_event *e, struct call *c, const char *op)
{
    int st = c->reply.status;
    bool denied = st == 401 || st == 403;
    if (!denied && (op == NULL || c->quiet)) return false;
    const char *action = op && strcmp(op, "blob.lease") == 0 ? call_request_header(c, "x-ms-lease-action") : NULL;
    const char *name = op ? op : c->route && c->route->service == SERVICE_VAULT ? "secret" : "blob";
    if (action) name = arena_printf(&c->arena, "%s.%.16s", op, action);
    *e = (struct audit_event){.client = c->client.id, .role = role_name(c->client.role), .peer = c->rq.peer, .op = name ? name : "", .status = st,
                              .object = object_of(c), .error = rest_error_code(c->reply.error), .request_id = c->request_id};
    return true;
}

/* a request whose line cannot be written is not answered with a secret */
static void audit(struct server *s, struct call *c, const char *op)
{
    struct audit_event e;
    if (c->audited || !event_of(&e, c, op)) return;
    enum status w = audit_write(&s->audit, &e, 1);
    if (w == OK) return;
    log_error(TARGET, "the audit log cannot be written: %s", status_text(w));
    if (c->route && !c->route->write) call_internal_error(c, w == E_NOSPACE ? E_NOSPACE : E_IO);
}

static enum status run(void *ctx, struct call *c)
{
    (void)ctx;
    bool allowed;
    enum status s = policy_check(&allowed, c);
    if (s != OK) return s;
    return allowed ? c->route->run(c) : policy_deny(c);
}

static void done(void *ctx, struct call **calls, size_t n)
{
    struct server *s = ctx;
    struct http_server *http = http_request_server(calls[0]->http); /* s->http may not be written yet */
    http_server_hold(http);
    for (size_t i = 0; i < n; i++) {
        struct call *c = calls[i];
        if (c->reply.status >= 500) log_error(TARGET, "%s %s: %s", http_method_name(c->rq.method), c->rq.path, rest_error_code(c->reply.error));
        audit(s, c, c->route->audit);
        answer(s, c);
    }
    http_server_release(http);
}

static void run_read(struct server *s, struct call *c)
{
    enum status st = kv_begin(&c->txn, s->store.kv, false);
    if (st == OK) {
        st = run(s, c);
        if (st == OK) st = buf_status(&c->reply.body);
        kv_abort(c->txn);
        c->txn = NULL;
    }
    if (st != OK) {
        log_error(TARGET, "%s %s: %s", http_method_name(c->rq.method), c->rq.path, status_name(st));
        call_internal_error(c, st);
    }
    audit(s, c, c->route->audit);
    answer(s, c);
}

static void handle(struct server *s, struct call *c)
{
    const char *op = NULL;
    if (token_endpoint(&s->auth, c, &op)) {
        audit(s, c, op);
        answer(s, c);
        return;
    }
    enum rest_error e = route_find(c);
    /* who is not known learns nothing of what is here */
    if (!auth_identify(&s->auth, c)) {
        audit(s, c, NULL);
        answer(s, c);
        return;
    }
    if (e != ERR_NONE) {
        IGNORE(call_fail(c, e), "answer() looks at the body");
        answer(s, c);
        return;
    }
    if (!c->route->write) {
        run_read(s, c);
        return;
    }
    if (queue_push(s->queue, c)) return;
    IGNORE(call_fail(c, atomic_load(&s->stopping) ? ERR_STOPPING : ERR_BUSY), "answer() looks at the body");
    call_header(c, "Retry-After", "1");
    answer(s, c);
}

static void on_request(void *ctx, struct http_request *r)
{
    struct server *s = ctx;
    struct call *c = call_new(s, r);
    if (c == NULL) {
        http_respond(r, 503, NULL, BYTES_EMPTY, NULL, 0);
        return;
    }
    if (atomic_load(&s->store.has_token_key) && s->waiting == NULL) {
        handle(s, c);
        return;
    }
    c->next = NULL;
    *s->waiting_end = c;
    s->waiting_end = &c->next;
}

static void handle_waiting(struct server *s)
{
    struct call *c = s->waiting;
    s->waiting = NULL;
    s->waiting_end = &s->waiting;
    while (c != NULL) {
        struct call *next = c->next;
        handle(s, c);
        c = next;
    }
}

static void reload(struct server *s)
{
    struct err err = {0};
    enum status st = auth_reload(&s->auth, &err);
    if (st == OK) log_info(TARGET, "clients read anew: n=%zu", s->auth.clients.n);
    else log_error(TARGET, "clients not changed: %s", err_text(&err));
    if (s->cfg->tls_cert == NULL) return;
    err = (struct err){0};
    st = http_server_reload_tls(s->http, s->cfg->tls_cert, s->cfg->tls_key, s->cfg->tls_client_ca, &err);
    if (st == OK) log_info(TARGET, "certificates read anew");
    else log_error(TARGET, "certificates not changed: %s", err_text(&err));
}

static void on_wake(void *ctx)
{
    struct server *s = ctx;
    if (atomic_load(&s->store.has_token_key)) handle_waiting(s);
    if (atomic_exchange(&s->reload, false)) reload(s);
}

static void *make_token_key(void *arg)
{
    struct server *s = arg;
    struct err err = {0};
    if (store_make_token_key(&s->store, &err) == OK) http_server_wake(s->http);
    else log_error(TARGET, "no token can be issued: %s", err_text(&err));
    return NULL;
}

/* ---------------------------------------------------------------- queue's thread */

/* the lines of what is about to be committed */
static enum status audit_batch(struct server *s, struct call **calls, size_t n)
{
    struct audit_event *events = calloc(n, sizeof *events);
    size_t n_events = 0;
    if (events == NULL) return E_NOMEM;
    for (size_t i = 0; i < n; i++)
        if (event_of(&events[n_events], calls[i], calls[i]->route->audit)) n_events++;
    enum status st = audit_write(&s->audit, events, n_events);
    for (size_t i = 0; i < n; i++) calls[i]->audited = st == OK;
    free(events);
    return st;
}

static enum status before_commit(void *ctx, struct kv_txn *txn, struct call **calls, size_t n)
{
    struct server *s = ctx;
    uint8_t rec[40];
    enum status st = audit_batch(s, calls, n);
    if (st != OK) return st;
    struct audit_head h = audit_head_now(&s->audit);
    be64_put(rec, h.seq);
    memcpy(rec + 8, h.hash, 32);
    return kv_put(txn, TABLE_META, bytes_str("audit"), bytes_make(rec, sizeof rec));
}

/* keys whose policy wants another version; a loop that ends, since the new version is not due */
static void rotate_keys(struct server *s)
{
    char name[SECRET_NAME_MAX + 1], request_id[37];
    enum status st;
    while (!atomic_load(&s->stopping) && (st = key_rotate_due(name, &s->store, s->cfg, clock_wall_ms() / 1000)) != E_NOT_FOUND) {
        if (st != OK) {
            log_error(TARGET, "rotation of keys by their policies: %s", status_text(st));
            return;
        }
        store_request_id(request_id, &s->store);
        struct audit_event e = {.client = "rotation-policy", .role = "", .peer = "", .op = "key.rotate", .status = 200, .object = name, .error = "",
                                .request_id = request_id};
        IGNORE(audit_write(&s->audit, &e, 1), "the next request's line tells");
        log_info(TARGET, "key rotated by its policy: %s", name);
    }
}

static void sweep(struct server *s)
{
    size_t n = 0;
    rotate_keys(s);
    enum status st = secrets_sweep(&n, &s->store, clock_wall_ms() / 1000);
    if (st != OK) log_error(TARGET, "purge of deleted secrets: %s", status_text(st));
    else if (n > 0) log_info(TARGET, "purged deleted secrets past their retention: n=%zu", n);
    s->swept_ms = clock_mono_ms();
}

/* the database's file counts as our memory as far as it has been read: more of it than this is let go of, and read again when it is wanted */
static void bound_memory(struct server *s)
{
    struct buf b;
    unsigned long all = 0, resident = 0;
    buf_init(&b, 256);
    if (file_read(&b, "/proc/self/statm", NULL) == OK && sscanf(buf_cstr(&b), "%lu %lu", &all, &resident) == 2 &&
        (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE) > RESIDENT_MAX)
        kv_trim(s->store.kv);
    buf_fini(&b);
}

static void idle(void *ctx, const struct queue_counts *n)
{
    struct server *s = ctx;
    if (n->commits > 0)
        log_debug(TARGET, "writes=%llu commits=%llu largest_batch=%zu mean_commit_us=%llu", (unsigned long long)n->calls, (unsigned long long)n->commits, n->largest,
                  (unsigned long long)(n->commit_us / n->commits));
    audit_sync(&s->audit);
    bound_memory(s);
    if (clock_mono_ms() - s->swept_ms >= (uint64_t)SWEEP_EVERY_S * 1000) sweep(s);
}

/* ------------------------------------------------------------------ life */

static enum status open_audit(struct server *s, struct err *err)
{
    struct kv_txn *txn;
    struct audit_head known;
    bytes v;
    enum status st = kv_begin(&txn, s->store.kv, false);
    if (st != OK) return err_set(err, st, "%s: %s", s->cfg->data_dir, status_text(st));
    st = kv_get(&v, txn, TABLE_META, bytes_str("audit"));
    bool has = st == OK && v.len == 40;
    if (has) {
        known.seq = be64_get(v.ptr);
        memcpy(known.hash, v.ptr + 8, 32);
    }
    kv_abort(txn);
    return audit_open(&s->audit, s->cfg->data_dir, has ? &known : NULL, err);
}

static enum status start(struct server *s, struct err *err)
{
    const struct config *cfg = s->cfg;
    struct store_options o = {.data_dir = cfg->data_dir, .kek_file = cfg->kek_file, .passphrase_file = cfg->kek_passphrase_file, .kek_vault = &cfg->kek_vault,
                              .max_bytes = cfg->max_bytes};
    enum status st = store_open(&s->store, &o, err);
    if (st != OK) return st;
    st = auth_open(&s->auth, cfg, &s->store, err);
    if (st == OK) st = open_audit(s, err);
    if (st != OK) return st;
    sweep(s);
    struct queue_config qc = {.store = &s->store, .ctx = s, .run = run, .done = done, .before_commit = before_commit, .idle = idle};
    st = queue_start(&s->queue, &qc, err);
    if (st != OK) return st;
    struct http_handler h = {.ctx = s, .request = on_request, .wake = on_wake};
    struct http_server_config hc = {.bind_address = cfg->address, .port = cfg->port, .max_body = BODY_MAX, .max_connections = MAX_CONNECTIONS,
                                    .idle_timeout_s = IDLE_TIMEOUT_S, .tls_cert_file = cfg->tls_cert, .tls_key_file = cfg->tls_key,
                                    .tls_client_ca_file = cfg->tls_client_ca, .wipes = true};
    st = http_server_start(&s->http, &hc, &h, err);
    if (st != OK || atomic_load(&s->store.has_token_key)) return st;
    s->has_key_thread = pthread_create(&s->key_thread, NULL, make_token_key, s) == 0;
    return s->has_key_thread ? OK : err_set(err, E_NOMEM, "no thread");
}

/* ------------------------------------------------------------------- metrics */

static void put_metrics(void *ctx, struct exposition *e)
{
    struct server *s = ctx;
    struct metrics_process process;
    static const char *const names[CLASSES] = {NULL, NULL, "2xx", "3xx", "4xx", "5xx"};
    exposition_family(e, "poa_store_answers", METRIC_COUNTER, NULL, "Requests that were answered, by the class of the answer.");
    for (unsigned i = 0; i < CLASSES; i++) {
        const struct metric_label class = {"class", names[i]};
        if (names[i] != NULL) exposition_sample(e, &class, 1, atomic_load(&s->answers[i]));
    }
    exposition_one(e, "poa_database_bytes", METRIC_GAUGE, "bytes", kv_used_bytes(s->store.kv), "Pages of the database that are in use.");
    exposition_one(e, "poa_store_database_limit_bytes", METRIC_GAUGE, "bytes", s->cfg->max_bytes, "Its size at the most (max_bytes).");
    exposition_one_ms(e, "poa_clock_seconds", METRIC_GAUGE, clock_wall_ms(), "This program's clock.");
    metrics_read_process(&process);
    metrics_put_process(e, &process);
}

static enum status start_metrics(struct server *s, struct err *err)
{
    const struct metrics_page_config pc = {.program = "poa-identity-store", .address = s->cfg->metrics_address, .port = s->cfg->metrics_port, .ctx = s, .put = put_metrics};
    return s->cfg->metrics_address[0] == '\0' ? OK : metrics_page_start(&s->metrics, &pc, err);
}

enum status server_start(struct server **out, const struct config *cfg, struct err *err)
{
    struct server *s = calloc(1, sizeof *s);
    if (s == NULL) return err_set(err, E_NOMEM, "out of memory");
    s->cfg = cfg;
    s->audit.fd = -1;
    s->waiting_end = &s->waiting;
    enum status st = start(s, err);
    if (st == OK) st = start_metrics(s, err);
    if (st != OK) {
        server_stop(s);
        return st;
    }
    *out = s;
    return OK;
}

void server_stop(struct server *s)
{
    if (s == NULL) return;
    atomic_store(&s->stopping, true);
    metrics_page_stop(s->metrics);
    if (s->has_key_thread) (void)pthread_join(s->key_thread, NULL);
    queue_stop(s->queue);
    if (s->http) {
        clock_sleep_ms(STOP_GRACE_MS); /* for the last answers to leave */
        http_server_stop(s->http);
    }
    for (struct call *c = s->waiting, *next; c != NULL; c = next) {
        next = c->next;
        call_fini(c);
        free(c);
    }
    queue_free(s->queue);
    audit_close(&s->audit);
    auth_close(&s->auth);
    store_close(&s->store);
    free(s);
}

void server_reload(struct server *s)
{
    atomic_store(&s->reload, true);
    http_server_wake(s->http);
}

uint16_t server_port(const struct server *s)
{
    return http_server_port(s->http);
}
