#include "lib/azure/rest.h"

#include "lib/azure/xml_priv.h"
#include "lib/base/clock.h"
#include "lib/base/secret.h"

#include <jansson.h>

enum {
    DEADLINE_MS = 60000,
    ATTEMPT_MS = 15000,
    PAUSE_FIRST_MS = 200,
    PAUSE_MAX_MS = 16000, /* the vault's own advice ends there: 1, 2, 4, 8, 16 s */
    RETRY_AFTER_MAX_MS = 3600000,
    SKEW_MIN_S = 240,     /* signatures and tokens are refused when their time is some minutes off */
    HEADERS_MAX = 32,
    BODY_MAX = 64 << 20,
};

struct azure_rest {
    struct azure_service_config cfg; /* base_uri is ours, ca_file is not kept */
    char *base_uri;
    const char *service, *resource; /* static strings */
    struct http_client *http;
    struct rng_seeded jitter;
};

enum status azure_rest_new(struct azure_rest **out, const struct azure_service_config *cfg, const char *service, const char *resource,
                           struct err *err)
{
    if (cfg->base_uri == NULL || (strncmp(cfg->base_uri, "https://", 8) != 0 && strncmp(cfg->base_uri, "http://", 7) != 0))
        return err_set(err, E_INVALID, "%s: \"%s\" is no http(s) URI", service, cfg->base_uri ? cfg->base_uri : "");
    struct azure_rest *r = calloc(1, sizeof *r);
    if (r == NULL) return err_set(err, E_NOMEM, "%s: out of memory", service);
    r->cfg = *cfg;
    r->base_uri = strdup(cfg->base_uri);
    r->service = service;
    r->resource = resource;
    if (r->cfg.deadline_ms == 0) r->cfg.deadline_ms = DEADLINE_MS;
    if (r->cfg.attempt_ms == 0) r->cfg.attempt_ms = ATTEMPT_MS;
    uint64_t seed;
    rng_fill(&seed, sizeof seed);
    rng_seed(&r->jitter, seed);
    struct http_client_config hc = {.ca_file = cfg->ca_file, .timeout_ms = r->cfg.attempt_ms, .max_body = BODY_MAX,
                                    .connect_timeout_ms = r->cfg.attempt_ms < 5000 ? r->cfg.attempt_ms : 5000};
    enum status s = r->base_uri == NULL ? err_set(err, E_NOMEM, "%s: out of memory", service) : http_client_new(&r->http, &hc, err);
    if (s != OK) {
        azure_rest_free(r);
        return s;
    }
    size_t n = strlen(r->base_uri);
    while (n > 8 && r->base_uri[n - 1] == '/') r->base_uri[--n] = 0;
    *out = r;
    return OK;
}

void azure_rest_free(struct azure_rest *r)
{
    if (r == NULL) return;
    http_client_free(r->http);
    free(r->base_uri);
    free(r);
}

const char *azure_rest_base(const struct azure_rest *r)
{
    return r->base_uri;
}

bool azure_is_transient(enum status s)
{
    return s == E_NET || s == E_TIMEOUT || s == E_AGAIN;
}

/* --------------------------------------------------------------- answers */

static enum status status_of_http(int status)
{
    if (status >= 200 && status < 300) return OK;
    switch (status) {
    case 401:
    case 403: return E_DENIED;
    case 404:
    case 410: return E_NOT_FOUND;
    case 409:
    case 412: return E_CONFLICT;
    case 408:
    case 429: return E_AGAIN;
    default: return status >= 500 ? E_AGAIN : E_INVALID;
    }
}

/* The service's code and message: {"error":{...}} of vaults and ARM, <Error> of storage, and its header when there is no body. */
static void read_fault(struct azure_fault *f, char *message, size_t cap, const struct http_client_response *r)
{
    *f = (struct azure_fault){.http_status = r->status};
    message[0] = 0;
    bytes body = buf_view(&r->body);
    json_t *doc = json_loadb(body.len ? (const char *)body.ptr : "", body.len, 0, NULL);
    json_t *e = json_object_get(doc, "error");
    if (json_is_object(e)) {
        const char *code = json_string_value(json_object_get(e, "code")), *text = json_string_value(json_object_get(e, "message"));
        const char *inner = json_string_value(json_object_get(json_object_get(e, "innererror"), "code"));
        (void)snprintf(f->code, sizeof f->code, "%s", inner ? inner : code ? code : "");
        (void)snprintf(message, cap, "%s", text ? text : "");
    } else if (xml_text(f->code, sizeof f->code, body, "Code")) {
        if (!xml_text(message, cap, body, "Message")) message[0] = 0;
    } else if (!http_client_header(f->code, sizeof f->code, r, "x-ms-error-code")) {
        f->code[0] = 0;
    }
    message[strcspn(message, "\r\n")] = 0;
    json_decref(doc);
}

/* the name is that of something that was deleted and is kept: back with it, or away for good */
static void offer_recovery(char *hint, size_t cap, const struct azure_rest *r, const struct azure_call *c)
{
    bool is_key = strncmp(c->path, "/keys/", 6) == 0;
    const char *name = c->path + (is_key ? 6 : strncmp(c->path, "/secrets/", 9) == 0 ? 9 : 0), *word = is_key ? "key" : "secret";
    char uri[200];
    (void)snprintf(uri, sizeof uri, "%.100s/deleted%ss/%.*s", r->base_uri, word, (int)strcspn(name, "/?"), name);
    (void)snprintf(hint, cap, "; it was deleted and is kept for now: recover it (`az keyvault %s recover --id %s`), or purge it for good (`az keyvault %s purge --id %s`), "
                   "then try again", word, uri, word, uri);
}

/* ahead_s: by so much this machine's clock is ahead of the service's */
static enum status explain(const struct azure_rest *r, const struct azure_call *c, const struct azure_fault *f, const char *message, int64_t ahead_s,
                           enum status s, struct err *err)
{
    char hint[640] = "";
    const char *who = r->cfg.tokens ? azure_token_identity(r->cfg.tokens) : "nobody (no token)";
    if ((f->http_status == 401 || f->http_status == 403) && (ahead_s >= SKEW_MIN_S || ahead_s <= -SKEW_MIN_S))
        (void)snprintf(hint, sizeof hint, "; this machine's clock is %lld s %s the service's: set it right first (NTP)", (long long)(ahead_s < 0 ? -ahead_s : ahead_s),
                       ahead_s < 0 ? "behind" : "ahead of");
    else if (f->http_status == 403 && c->permission)
        (void)snprintf(hint, sizeof hint, "; grant %s the permission %s on %s (a new grant takes some minutes to work), or let its address "
                       "through the firewall", who, c->permission, r->base_uri);
    else if (f->http_status == 401)
        (void)snprintf(hint, sizeof hint, "; the service does not accept the token of %s: check tenant, client id and secret", who);
    else if (f->http_status == 409 && strcmp(f->code, "ObjectIsDeletedButRecoverable") == 0) offer_recovery(hint, sizeof hint, r, c);
    else if (f->http_status == 429) (void)snprintf(hint, sizeof hint, "; it is being throttled");
    return err_set(err, s, "%s %s: %s as %s: HTTP %d %s%s%.300s%s", r->service, r->base_uri, c->op, who, f->http_status, f->code,
                   message[0] ? ": " : "", message, hint);
}

/* an HTTP date; 0: it is none */
static uint64_t date_of(const struct http_client_response *r, const char *name)
{
    char text[64];
    struct tm tm = {0};
    const char *end = http_client_header(text, sizeof text, r, name) ? strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm) : NULL;
    const time_t t = end != NULL && *end == 0 ? timegm(&tm) : 0;
    return t > 0 ? (uint64_t)t : 0;
}

uint64_t azure_retry_after_ms(const struct http_client_response *r)
{
    static const struct {
        const char *name;
        unsigned unit_ms;
    } forms[] = {{"Retry-After", 1000}, {"retry-after-ms", 1}, {"x-ms-retry-after-ms", 1}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        char text[32], *end;
        if (!http_client_header(text, sizeof text, r, forms[i].name)) continue;
        unsigned long v = strtoul(text, &end, 10);
        if (end != text && *end == 0) return v > RETRY_AFTER_MAX_MS / forms[i].unit_ms ? RETRY_AFTER_MAX_MS : (uint64_t)v * forms[i].unit_ms;
    }
    const uint64_t until = date_of(r, "Retry-After"), theirs = date_of(r, "Date"), now = theirs > 0 ? theirs : clock_wall_ms() / 1000;
    if (until <= now) return 0;
    return until - now > RETRY_AFTER_MAX_MS / 1000 ? RETRY_AFTER_MAX_MS : (until - now) * 1000;
}

/* --------------------------------------------------------------- one attempt */

static enum status attempt(struct http_client_response *out, struct azure_rest *r, const struct azure_call *c, struct err *err)
{
    const char *headers[HEADERS_MAX + 1];
    struct buf auth, url;
    buf_init(&auth, 64 << 10);
    buf_init(&url, 16 << 10);
    size_t n = 0;
    if (c->n_headers > HEADERS_MAX) BUG("azure_rest_do: too many headers");
    for (; n < c->n_headers; n++) headers[n] = c->headers[n];
    enum status s = OK;
    if (r->cfg.tokens) {
        const char *token = NULL;
        s = azure_token_get(&token, r->cfg.tokens, r->resource, err);
        if (s == OK) {
            buf_put_str(&auth, "Authorization: Bearer ");
            buf_put_str(&auth, token);
            headers[n++] = buf_cstr(&auth);
        }
    }
    if (strncmp(c->path, "http://", 7) != 0 && strncmp(c->path, "https://", 8) != 0) buf_put_str(&url, r->base_uri);
    buf_put_str(&url, c->path);
    if (s == OK && (buf_status(&auth) != OK || buf_status(&url) != OK)) s = err_set(err, E_LIMIT, "%s: request too long", c->op);
    if (s == OK) {
        struct http_client_request rq = {.method = c->method, .url = buf_cstr(&url), .headers = headers, .n_headers = n, .body = c->body,
                                         .has_body = c->has_body};
        s = http_client_do(out, r->http, &rq, err);
    }
    secret_wipe(auth.ptr, auth.len);
    buf_fini(&auth);
    buf_fini(&url);
    return s;
}

static bool is_cancelled(const struct azure_rest *r)
{
    return r->cfg.cancel && atomic_load(r->cfg.cancel);
}

/* false: the deadline or the cancellation came first */
static bool pause_for(struct azure_rest *r, uint64_t ms, uint64_t deadline_ms)
{
    uint64_t now = clock_mono_ms(), end = now + ms;
    if (end >= deadline_ms) return false;
    while (now < end) {
        if (is_cancelled(r)) return false;
        uint64_t left = end - now;
        clock_sleep_ms(left < 50 ? left : 50);
        now = clock_mono_ms();
    }
    return !is_cancelled(r);
}

enum status azure_rest_do(struct http_client_response *out, struct azure_rest *r, const struct azure_call *c, struct azure_fault *fault,
                          struct err *err)
{
    const uint64_t start = clock_mono_ms(), deadline = start + (c->deadline_ms ? c->deadline_ms : r->cfg.deadline_ms);
    struct azure_fault f = {0};
    uint64_t backoff = PAUSE_FIRST_MS;
    bool token_renewed = false;
    enum status s;
    for (;;) {
        if (is_cancelled(r)) return err_set(err, E_CANCELLED, "%s %s: %s: cancelled", r->service, r->base_uri, c->op);
        uint64_t asked_ms = 0;
        struct http_client_response resp;
        s = attempt(&resp, r, c, err);
        f = (struct azure_fault){0};
        if (s == OK) {
            s = status_of_http(resp.status);
            if (s == OK) {
                *out = resp;
                return OK;
            }
            char message[512];
            read_fault(&f, message, sizeof message, &resp);
            asked_ms = azure_retry_after_ms(&resp);
            if (c->fault_body != NULL) {
                buf_clear(c->fault_body);
                buf_put_bytes(c->fault_body, buf_view(&resp.body));
            }
            const uint64_t theirs = date_of(&resp, "Date");
            s = explain(r, c, &f, message, theirs == 0 ? 0 : (int64_t)(clock_wall_ms() / 1000) - (int64_t)theirs, s, err);
            http_client_response_fini(&resp);
            if (f.http_status == 401 && r->cfg.tokens && !token_renewed) {
                azure_token_forget(r->cfg.tokens, r->resource);
                token_renewed = true;
                continue;
            }
        } else if (err != NULL) {
            s = err_prefix(err, "%s: %s", r->service, c->op);
        }
        bool again = azure_is_transient(s) || (f.http_status == 403 && clock_mono_ms() - start < r->cfg.denied_retry_ms);
        if (!again) break;
        uint64_t jittered = backoff / 2 + rng_below(&r->jitter, backoff);
        if (!pause_for(r, asked_ms > jittered ? asked_ms : jittered, deadline)) {
            if (is_cancelled(r)) s = err_set(err, E_CANCELLED, "%s %s: %s: cancelled", r->service, r->base_uri, c->op);
            f.retry_after_ms = asked_ms;
            break;
        }
        backoff = backoff * 2 > PAUSE_MAX_MS ? PAUSE_MAX_MS : backoff * 2;
    }
    if (fault) *fault = f;
    return s;
}
