#include "identity-store/call.h"

#include "identity-store/routes.h"
#include "identity-store/text.h"
#include "lib/base/clock.h"

struct error_text {
    int http;
    const char *code, *inner, *message;
};

static const struct error_text ERRORS[] = {
    [ERR_NONE] = {200, "", NULL, ""},
#define X(id, http, code, inner, message) [id] = {http, code, inner, message},
#include "identity-store/errors.def"
#undef X
};

void call_init(struct call *c, struct store *store, const struct config *cfg)
{
    *c = (struct call){.store = store, .cfg = cfg, .name = "", .version = "", .container = "", .blob = "", .api = 74};
    arena_init(&c->arena, CALL_ARENA_MAX);
    buf_init(&c->reply.body, REPLY_MAX);
    c->now_ms = store_now_ms(store);
    c->wall_ms = clock_wall_ms();
    store_request_id(c->request_id, store);
}

void call_fini(struct call *c)
{
    secret_wipe(c->reply.body.ptr, c->reply.body.len);
    buf_fini(&c->reply.body);
    arena_fini(&c->arena);
}

void call_reset_reply(struct call *c)
{
    secret_wipe(c->reply.body.ptr, c->reply.body.len);
    buf_clear(&c->reply.body);
    c->reply.n_headers = 0;
    c->reply.status = 0;
    c->reply.content_type = NULL;
    c->reply.error = ERR_NONE;
    c->quiet = c->audited = false;
}

const char *rest_error_code(enum rest_error e)
{
    return ERRORS[e].code;
}

int rest_error_http(enum rest_error e)
{
    return ERRORS[e].http;
}

static void put_vault_error(struct buf *b, const struct error_text *e, const char *message)
{
    buf_printf(b, "{\"error\":{\"code\":\"%s\",\"message\":", e->code);
    json_put_text(b, bytes_str(message));
    if (e->inner) buf_printf(b, ",\"innererror\":{\"code\":\"%s\"}", e->inner);
    buf_put_str(b, "}}");
}

static void put_storage_error(struct call *c, const struct error_text *e, const char *message)
{
    char date[32];
    struct buf *b = &c->reply.body;
    utc_date_put(date, c->wall_ms);
    buf_printf(b, "\xef\xbb\xbf<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>%s</Code><Message>", e->code);
    xml_put_text(b, bytes_str(message));
    buf_printf(b, "\nRequestId:%s\nTime:%s</Message></Error>", c->request_id, date);
}

static enum status fail(struct call *c, enum rest_error id, const char *message)
{
    const struct error_text *e = &ERRORS[id];
    bool quiet = c->quiet;
    call_reset_reply(c);
    c->quiet = quiet;
    c->reply.status = e->http;
    c->reply.error = id;
    bool vault = c->route ? c->route->service == SERVICE_VAULT : route_service(c->rq.path ? c->rq.path : "/") == SERVICE_VAULT;
    if (!vault) call_header(c, "x-ms-error-code", e->code);
    if (e->http == 304) return OK;
    c->reply.content_type = vault ? "application/json; charset=utf-8" : "application/xml";
    if (vault) put_vault_error(&c->reply.body, e, message);
    else put_storage_error(c, e, message);
    return buf_status(&c->reply.body);
}

enum status call_fail(struct call *c, enum rest_error e)
{
    return fail(c, e, ERRORS[e].message);
}

enum status call_fail_text(struct call *c, enum rest_error e, const char *fmt, ...)
{
    char text[600];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    /* cut within a character: the answer must stay UTF-8 */
    size_t n = strlen(text);
    while (n > 0 && !text_is_utf8(bytes_make(text, n))) n--;
    text[n] = 0;
    return fail(c, e, text);
}

void call_header(struct call *c, const char *name, const char *value)
{
    if (c->reply.n_headers == REPLY_HEADERS_MAX || value == NULL) {
        c->reply.body.status = E_LIMIT; /* the answer as a whole has failed */
        return;
    }
    c->reply.headers[c->reply.n_headers++] = (struct http_header){name, value};
}

void call_headerf(struct call *c, const char *name, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    call_header(c, name, arena_strdup(&c->arena, text));
}

const char *call_request_header(const struct call *c, const char *name)
{
    return c->rq.header ? c->rq.header(c->rq.ctx, name) : NULL;
}

const char *call_base(struct call *c)
{
    const char *host = call_request_header(c, "Host");
    bool good = host != NULL && *host != 0 && strlen(host) < 300 &&
                strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]") == strlen(host);
    const char *base = good ? arena_printf(&c->arena, "%s://%s", c->cfg->tls_cert ? "https" : "http", host) : c->cfg->issuer;
    return base ? base : c->cfg->issuer;
}

enum status call_put_record(struct call *c, enum store_table t, const struct record_key *k, const struct blob_record *b)
{
    struct buf rec;
    buf_init(&rec, 64 << 10);
    blob_record_put(&rec, b);
    enum status s = buf_status(&rec);
    if (s == OK) s = kv_put(c->txn, t, key_view(k), buf_view(&rec));
    buf_fini(&rec);
    return s;
}
