#include "node/agent/send.h"

#include "lib/azure/rest.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/codec/base64.h"
#include "lib/codec/hex.h"
#include "lib/crypto/aead.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/stat.h>

enum {
    WINDOW_BYTES = 700 << 10, /* of frames; a table's array of it is below the service's 1 MB, with what suffixes add */
    BODY_MAX = 960 << 10,
    CALL_MS = 600000,         /* one call with its retries: as long as Retry-After may ask */
    ATTEMPT_MS = 30000,
    MEND_PAUSE_MS = 30000,
    PAUSE_MS = 5000,
    REFUSED_MAX = 64 << 20,   /* of refused bodies that are kept */
};

struct sender {
    const struct agent_config *cfg;
    struct spool *spool;
    struct agent_counts *counts;
    struct azure_token_source *tokens;
    struct azure_rest *rest;
    pthread_t thread;
    bool has_thread, woken;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    atomic_bool stop;
    char last_trouble[300];
};

/* ---------------------------------------------------------------- requests */

enum status collector_signature(struct buf *out, const char *workspace, const char *key, const char *date, size_t len)
{
    struct buf raw, text;
    uint8_t mac[32];
    buf_init(&raw, 1024);
    buf_init(&text, 1024);
    enum status s = base64_get(&raw, bytes_str(key), false);
    /* the length is that of the bytes, not of the characters */
    buf_printf(&text, "POST\n%zu\napplication/json\nx-ms-date:%s\n/api/logs", len, date);
    if (s == OK) {
        hmac_sha256(mac, buf_view(&raw), buf_view(&text));
        buf_printf(out, "SharedKey %s:", workspace);
        base64_append(out, bytes_make(mac, sizeof mac), false);
        s = buf_status(out);
    }
    if (raw.ptr != NULL) secret_wipe(raw.ptr, raw.cap);
    buf_fini(&raw);
    buf_fini(&text);
    return s;
}

void request_id(char dst[static 37], const char *spool_name, uint64_t segment, uint64_t from, uint64_t to, unsigned table, unsigned part)
{
    char text[200], hex[65];
    uint8_t digest[32];
    int n = snprintf(text, sizeof text, "%s/%llu/%llu-%llu/%u.%u", spool_name, (unsigned long long)segment, (unsigned long long)from, (unsigned long long)to,
                     table, part);
    sha256(digest, text, (size_t)n);
    digest[6] = (uint8_t)((digest[6] & 0x0f) | 0x80); /* version 8: made by a rule of one's own */
    digest[8] = (uint8_t)((digest[8] & 0x3f) | 0x80);
    hex_put(hex, digest, sizeof digest);
    (void)snprintf(dst, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
}

static enum status post_ingestion(struct sender *s, enum agent_table t, const char *id, bytes body, struct azure_fault *fault, struct err *err)
{
    char path[400], id_line[80];
    (void)snprintf(path, sizeof path, "/dataCollectionRules/%.200s/streams/Custom-%s_CL?api-version=2023-01-01", s->cfg->rule, table_name(t));
    (void)snprintf(id_line, sizeof id_line, "x-ms-client-request-id: %s", id);
    const char *const headers[] = {"Content-Type: application/json", id_line};
    const struct azure_call c = {.op = table_name(t), .permission = "Monitoring Metrics Publisher", .method = "POST", .path = path, .headers = headers,
                                 .n_headers = COUNT_OF(headers), .body = body, .has_body = true};
    struct http_client_response r;
    enum status st = azure_rest_do(&r, s->rest, &c, fault, err);
    if (st == OK) http_client_response_fini(&r);
    return st;
}

static enum status post_collector(struct sender *s, enum agent_table t, const char *id, bytes body, struct azure_fault *fault, struct err *err)
{
    char date[32], date_line[64], type_line[64], id_line[80], time_line[80];
    struct buf auth;
    buf_init(&auth, 1024);
    clock_format_rfc1123(date, clock_wall_ms() / 1000);
    buf_put_str(&auth, "Authorization: ");
    enum status st = collector_signature(&auth, s->cfg->workspace_id, s->cfg->shared_key, date, body.len);
    (void)snprintf(date_line, sizeof date_line, "x-ms-date: %s", date);
    (void)snprintf(type_line, sizeof type_line, "Log-Type: %s", table_name(t));
    (void)snprintf(id_line, sizeof id_line, "x-ms-client-request-id: %s", id);
    (void)snprintf(time_line, sizeof time_line, "time-generated-field: %s", t == TABLE_PARITY_LOG ? "Timestamp" : "ListenerReceivedTimestamp");
    const char *const headers[] = {"Content-Type: application/json", date_line, type_line, id_line, time_line, buf_cstr(&auth)};
    /* the signed date must be less than 15 minutes old: a call with its retries ends before */
    const struct azure_call c = {.op = table_name(t), .method = "POST", .path = "/api/logs?api-version=2016-04-01", .headers = headers,
                                 .n_headers = COUNT_OF(headers), .body = body, .has_body = true};
    struct http_client_response r;
    if (st != OK) st = err_set(err, E_INVALID, "send.shared_key_file: the key is no base64");
    else st = azure_rest_do(&r, s->rest, &c, fault, err);
    if (st == OK) http_client_response_fini(&r);
    if (auth.ptr != NULL) secret_wipe(auth.ptr, auth.cap);
    buf_fini(&auth);
    return st;
}

/* ----------------------------------------------------------------- windows */

static void rest_for(struct sender *s, uint64_t ms)
{
    const struct timespec at = clock_wall_in(ms);
    pthread_mutex_lock(&s->lock);
    while (!s->woken && !atomic_load(&s->stop))
        if (pthread_cond_timedwait(&s->wake, &s->lock, &at) != 0) break;
    s->woken = false;
    pthread_mutex_unlock(&s->lock);
}

/* pauses after trouble are not shortened by news */
static void pause_for(struct sender *s, uint64_t ms)
{
    uint64_t end = clock_mono_ms() + ms;
    while (!atomic_load(&s->stop) && clock_mono_ms() < end)
        clock_sleep_ms(50);
}

static void tell(struct sender *s, const struct err *err)
{
    if (strncmp(s->last_trouble, err_text(err), sizeof s->last_trouble - 1) == 0) return;
    (void)snprintf(s->last_trouble, sizeof s->last_trouble, "%s", err_text(err));
    log_warn("send", "%s; %llu KiB wait", err_text(err), (unsigned long long)(spool_waiting_bytes(s->spool) / 1024));
}

/* bytes of the bodies that were laid down */
static uint64_t refused_bytes(const struct sender *s)
{
    uint64_t n = 0;
    struct stat st;
    char path[4400];
    DIR *d = opendir(s->cfg->spool_dir);
    for (const struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        if (strncmp(e->d_name, "refused-", 8) != 0) continue;
        (void)snprintf(path, sizeof path, "%s/%s", s->cfg->spool_dir, e->d_name);
        if (stat(path, &st) == 0) n += (uint64_t)st.st_size;
    }
    if (d != NULL) closedir(d);
    return n;
}

static void lay_aside(struct sender *s, enum agent_table t, const char *id, bytes body, size_t n, const struct err *why)
{
    char path[4200];
    struct err err = {0};
    (void)snprintf(path, sizeof path, "%s/refused-%s-%s.json", s->cfg->spool_dir, table_name(t), id);
    atomic_fetch_add(&s->counts->refused[t], n);
    if (refused_bytes(s) + body.len > REFUSED_MAX)
        log_error("send", "refused for good and dropped, %s x %zu (%d MiB of such are kept in %s already): %s", table_name(t), n, REFUSED_MAX >> 20, s->cfg->spool_dir, err_text(why));
    else if (file_write_atomic(path, body, 0600, &err) != OK)
        log_error("send", "refused for good and dropped, %s x %zu (%s): %s", table_name(t), n, err_text(&err), err_text(why));
    else log_error("send", "refused for good, laid down as %s: %s", path, err_text(why));
}

/* one request of n records until it has been taken, or refused for good.  ret OK | E_CANCELLED */
static enum status deliver(struct sender *s, enum agent_table t, const char *id, bytes body, size_t n)
{
    for (;;) {
        struct err err = {0};
        struct azure_fault fault = {0};
        enum status st = s->cfg->api == API_INGESTION ? post_ingestion(s, t, id, body, &fault, &err) : post_collector(s, t, id, body, &fault, &err);
        if (atomic_load(&s->stop) && st != OK) return E_CANCELLED;
        if (st == OK && s->last_trouble[0] != '\0') log_info("send", "it is taken again");
        if (st == OK) {
            s->last_trouble[0] = '\0';
            atomic_fetch_add(&s->counts->calls, 1);
            atomic_fetch_add(&s->counts->sent[t], n);
            atomic_store(&s->counts->last_sent_ms, clock_wall_ms());
            return OK;
        }
        if (fault.http_status == 400 || fault.http_status == 413) {
            lay_aside(s, t, id, body, n, &err);
            return OK;
        }
        atomic_fetch_add(&s->counts->failures, 1);
        tell(s, &err);
        const uint64_t pause = azure_is_transient(st) ? PAUSE_MS : MEND_PAUSE_MS;
        pause_for(s, fault.retry_after_ms > pause ? fault.retry_after_ms : pause);
        if (atomic_load(&s->stop)) return E_CANCELLED;
    }
}

static json_t *dress(const struct sender *s, const json_t *record)
{
    if (s->cfg->api == API_COLLECTOR) return record_for_collector(record);
    return s->cfg->suffixed ? record_with_suffixes(record) : json_incref((json_t *)(uintptr_t)record);
}

/* a table's rows, in arrays that the service takes.  ret OK | E_CANCELLED */
static enum status send_table(struct sender *s, const struct spool_window *w, enum agent_table t)
{
    struct buf body;
    size_t i;
    const json_t *row;
    unsigned part = 0;
    size_t n_rows = 0;
    enum status st = OK;
    char id[37];
    buf_init(&body, BODY_MAX + (4 << 20));
    json_array_foreach(w->rows, i, row)
    {
        if (json_integer_value(json_array_get(row, 0)) != (json_int_t)t) continue;
        json_t *record = dress(s, json_array_get(row, 1));
        char *text = json_dumps(record, JSON_COMPACT);
        json_decref(record);
        if (text == NULL) continue;
        size_t n = strlen(text);
        if (body.len > 0 && body.len + n + 2 > BODY_MAX) {
            buf_put_u8(&body, ']');
            request_id(id, spool_name(s->spool), w->segment, w->from, w->to, (unsigned)t, part++);
            st = deliver(s, t, id, buf_view(&body), n_rows);
            buf_clear(&body);
            n_rows = 0;
        }
        buf_put_u8(&body, body.len == 0 ? '[' : ',');
        buf_put(&body, text, n);
        free(text);
        n_rows++;
        if (st != OK) break;
    }
    if (st == OK && body.len > 0) {
        buf_put_u8(&body, ']');
        request_id(id, spool_name(s->spool), w->segment, w->from, w->to, (unsigned)t, part);
        st = deliver(s, t, id, buf_view(&body), n_rows);
    }
    buf_fini(&body);
    return st;
}

/* ret OK: there may be more | E_NOT_FOUND: all is sent | E_CANCELLED | E_IO... */
static enum status send_window(struct sender *s, struct err *err)
{
    struct spool_window w;
    enum status st = spool_next(&w, s->spool, WINDOW_BYTES, err);
    if (st != OK) return st;
    for (unsigned t = 0; st == OK && t < TABLE_N; t++) {
        if (w.done >> t & 1) continue;
        st = send_table(s, &w, (enum agent_table)t);
        if (st == OK) st = spool_mark(s->spool, &w, t, err);
    }
    if (st == OK) st = spool_finish(s->spool, &w, err);
    spool_window_fini(&w);
    return st;
}

static void *run(void *arg)
{
    struct sender *s = arg;
    while (!atomic_load(&s->stop)) {
        struct err err = {0};
        enum status st = send_window(s, &err);
        if (st == E_CANCELLED) break;
        if (st == E_NOT_FOUND) {
            rest_for(s, s->cfg->interval_s * 1000);
            pause_for(s, s->cfg->interval_s * 1000); /* gather a while: few calls, not many small ones */
        } else if (st == E_CORRUPT) {
            log_error("spool", "%s", err_text(&err));
            atomic_fetch_add(&s->counts->damaged_windows, 1);
        } else if (st != OK) {
            tell(s, &err);
            pause_for(s, PAUSE_MS);
        }
    }
    return NULL;
}

/* --------------------------------------------------------------------- life */

enum status sender_start(struct sender **out, const struct agent_config *cfg, struct spool *spool, struct agent_counts *counts, struct err *err)
{
    struct sender *s = calloc(1, sizeof *s);
    if (s == NULL) return err_set(err, E_NOMEM, "out of memory");
    s->cfg = cfg;
    s->spool = spool;
    s->counts = counts;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->wake, NULL);
    const struct azure_token_config tc = {.kind = cfg->token_kind,
                                          .token_uri = cfg->token_uri,
                                          .client_id = cfg->client_id,
                                          .client_secret = cfg->client_secret[0] == '\0' ? NULL : cfg->client_secret,
                                          .ca_file = cfg->ca_file};
    enum status st = cfg->api == API_INGESTION ? azure_token_source_new(&s->tokens, &tc, err) : OK;
    const struct azure_service_config sc = {.base_uri = cfg->endpoint, .ca_file = cfg->ca_file, .tokens = s->tokens, .deadline_ms = CALL_MS,
                                            .attempt_ms = ATTEMPT_MS, .cancel = &s->stop};
    if (st == OK) st = azure_rest_new(&s->rest, &sc, "Azure Monitor", AZURE_RESOURCE_MONITOR, err);
    if (st == OK && pthread_create(&s->thread, NULL, run, s) != 0) st = err_set(err, E_NOMEM, "no thread for sending");
    s->has_thread = st == OK;
    if (st != OK) {
        sender_stop(s);
        return st;
    }
    *out = s;
    return OK;
}

void sender_wake(struct sender *s)
{
    pthread_mutex_lock(&s->lock);
    s->woken = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
}

void sender_stop(struct sender *s)
{
    if (s == NULL) return;
    atomic_store(&s->stop, true);
    sender_wake(s);
    if (s->has_thread) pthread_join(s->thread, NULL);
    azure_rest_free(s->rest);
    azure_token_source_free(s->tokens);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
