#include <strings.h>

#include "lib/net/http_server_priv.h"

#include "lib/base/clock.h"
#include "lib/base/secret.h"
#include "lib/codec/hex.h"

static const char *reason(int status)
{
    switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 206: return "Partial Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 416: return "Range Not Satisfiable";
    case 426: return "Upgrade Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 507: return "Insufficient Storage";
    default: return "Status";
    }
}

/* ------------------------------------------------- http_parser's callbacks; a value but 0 stops the parser */

static struct http_request *req_of(http_parser *p)
{
    return &((struct conn *)p->data)->req;
}

static int reject(struct http_request *r, int status)
{
    if (r->reject == 0) r->reject = status;
    return -1; /* not 1: from on_headers_complete that would only skip the body */
}

static int put_head(struct http_request *r, const char *at, size_t len)
{
    buf_put(&r->head, at, len);
    return buf_status(&r->head) == OK ? 0 : reject(r, 431);
}

static int end_text(struct http_request *r)
{
    return put_head(r, "", 1);
}

static int on_begin(http_parser *p)
{
    struct conn *c = p->data;
    struct http_request *r = &c->req;
    buf_clear(&r->head);
    buf_clear(&r->body);
    r->n_headers = 0;
    r->url = r->query = r->path = 0;
    r->in_value = r->head_done = r->is_upgrade = false;
    r->reject = 0;
    r->started = true;
    r->start_ms = c->server->now_ms;
    return 0;
}

static int on_url(http_parser *p, const char *at, size_t len)
{
    return put_head(req_of(p), at, len);
}

static int on_field(http_parser *p, const char *at, size_t len)
{
    struct http_request *r = req_of(p);
    if (r->head_done) return 0; /* trailers of a chunked body are not kept */
    if (r->in_value || r->n_headers == 0) {
        if (end_text(r) != 0) return -1;
        if (r->n_headers == HEADERS_N_MAX) return reject(r, 431);
        r->headers[r->n_headers++] = (struct header_ref){.name = (uint32_t)r->head.len};
        r->in_value = false;
    }
    return put_head(r, at, len);
}

static int on_value(http_parser *p, const char *at, size_t len)
{
    struct http_request *r = req_of(p);
    if (r->head_done) return 0;
    if (!r->in_value) {
        if (end_text(r) != 0) return -1;
        r->headers[r->n_headers - 1].value = (uint32_t)r->head.len;
        r->in_value = true;
    }
    return put_head(r, at, len);
}

/* percent-decode src[0..len) to the end of dst; false: malformed, or a NUL */
static bool put_decoded(struct buf *dst, const char *src, size_t len, bool plus_is_space)
{
    for (size_t i = 0; i < len; i++) {
        char ch = src[i];
        if (ch == '+' && plus_is_space) {
            ch = ' ';
        } else if (ch == '%') {
            int hi = i + 2 < len ? hex_digit((uint8_t)src[i + 1]) : -1, lo = i + 2 < len ? hex_digit((uint8_t)src[i + 2]) : -1;
            if (hi < 0 || lo < 0) return false;
            ch = (char)(hi * 16 + lo);
            if (ch == 0) return false;
            i += 2;
        }
        buf_put_u8(dst, (uint8_t)ch);
    }
    return true;
}

/* splits the request target into path (decoded) and query (raw) */
static int split_target(struct http_request *r)
{
    struct http_parser_url u;
    http_parser_url_init(&u);
    const char *url = (const char *)r->head.ptr;
    size_t len = strlen(url);
    if (strcmp(url, "*") == 0) {
        r->path = 0;
        r->query = (uint32_t)len;
        return 0;
    }
    if (http_parser_parse_url(url, len, 0, &u) != 0 || !(u.field_set & 1 << UF_PATH)) return reject(r, 400);
    char path[HEAD_MAX]; /* head may move while it grows */
    size_t path_len = u.field_data[UF_PATH].len;
    memcpy(path, url + u.field_data[UF_PATH].off, path_len);
    r->query = u.field_set & 1 << UF_QUERY ? (uint32_t)u.field_data[UF_QUERY].off : (uint32_t)len;
    if (u.field_set & 1 << UF_FRAGMENT) r->head.ptr[u.field_data[UF_FRAGMENT].off - 1] = 0;
    r->path = (uint32_t)r->head.len;
    if (!put_decoded(&r->head, path, path_len, false)) return reject(r, 400);
    return end_text(r);
}

static bool method_from_parser(enum http_method *out, unsigned m)
{
    switch (m) {
    case PARSER_DELETE: *out = HTTP_DELETE; return true;
    case PARSER_GET: *out = HTTP_GET; return true;
    case PARSER_HEAD: *out = HTTP_HEAD; return true;
    case PARSER_POST: *out = HTTP_POST; return true;
    case PARSER_PUT: *out = HTTP_PUT; return true;
    case PARSER_OPTIONS: *out = HTTP_OPTIONS; return true;
    case PARSER_PATCH: *out = HTTP_PATCH; return true;
    default: return false;
    }
}

static int on_head(http_parser *p)
{
    struct conn *c = p->data;
    struct http_request *r = &c->req;
    if (end_text(r) != 0) return -1;
    r->head_done = true;
    r->is_http10 = p->http_major == 1 && p->http_minor == 0;
    r->keep_alive = http_should_keep_alive(p) != 0;
    if (p->http_major != 1) return reject(r, 400);
    if (!method_from_parser(&r->method, p->method)) return reject(r, 501);
    if (!r->is_http10 && http_request_header(r, "Host") == NULL) return reject(r, 400);
    if (split_target(r) != 0) return -1;
    bool chunked = p->uses_transfer_encoding;
    if (!chunked && p->content_length != UINT64_MAX && p->content_length > c->server->cfg.max_body) return reject(r, 413);

    /* an upgrade that we do not know (h2c) is an ordinary request */
    r->is_upgrade = p->upgrade && c->server->handler.ws_open != NULL && ws_is_handshake(r);
    p->upgrade = r->is_upgrade;
    const char *expect = http_request_header(r, "Expect");
    if (expect != NULL && strcasecmp(expect, "100-continue") == 0 && !r->is_http10) {
        conn_append(c, "HTTP/1.1 100 Continue\r\n\r\n", 25);
        conn_want_flush(c);
    }
    return 0;
}

static int on_body(http_parser *p, const char *at, size_t len)
{
    struct http_request *r = req_of(p);
    buf_put(&r->body, at, len);
    return buf_status(&r->body) == OK ? 0 : reject(r, buf_status(&r->body) == E_LIMIT ? 413 : 503);
}

static int on_complete(http_parser *p)
{
    http_parser_pause(p, 1); /* so that execute returns here, with the next request unread */
    return 0;
}

static const http_parser_settings settings = {
    .on_message_begin = on_begin,
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_headers_complete = on_head,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

/* --------------------------------------------------------------------- flow */

void request_init(struct conn *c)
{
    http_parser_init(&c->parser, HTTP_REQUEST);
    c->parser.data = c;
    c->req.conn = c;
    buf_init(&c->req.head, HEAD_MAX);
    buf_init(&c->req.body, c->server->cfg.max_body);
    buf_init(&c->in, (size_t)2 * READ_CHUNK);
}

void request_fini(struct conn *c)
{
    buf_fini(&c->req.head);
    buf_fini(&c->req.body);
    buf_fini(&c->in);
}

static void respond_error(struct conn *c, int status)
{
    char text[256];
    const char *why = reason(status);
    int n = snprintf(text, sizeof text, "HTTP/1.1 %d %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s\n",
                     status, why, strlen(why) + 1, why);
    conn_append(c, text, (size_t)n);
    conn_error_close(c);
}

static void dispatch(struct conn *c)
{
    struct http_server *s = c->server;
    c->req.started = false;
    c->pending = true;
    c->knocked = false;
    if (c->req.is_upgrade) ws_accept(c);
    else if (s->handler.request) s->handler.request(s->handler.ctx, &c->req);
    else http_respond(&c->req, 404, "text/plain", BYTES_LIT("Not Found\n"), NULL, 0);
}

size_t http_feed(struct conn *c, const uint8_t *data, size_t len)
{
    size_t taken = 0;
    while (taken < len && c->state == CONN_HTTP && !c->pending && !c->drain_after_flush && !c->close_after_flush) {
        if (c->out_len >= OUT_PARSE_MAX) break;
        taken += http_parser_execute(&c->parser, &settings, (const char *)data + taken, len - taken);
        enum http_errno e = HTTP_PARSER_ERRNO(&c->parser);
        if (e == HPE_PAUSED) {
            http_parser_pause(&c->parser, 0);
            dispatch(c);
        } else if (e != HPE_OK) {
            int status = c->req.reject ? c->req.reject : e == HPE_INVALID_METHOD ? 501 : e == HPE_HEADER_OVERFLOW ? 431 : 400;
            respond_error(c, status);
            return len;
        }
    }
    return taken;
}

void http_resume(struct conn *c)
{
    while (c->state == CONN_HTTP && !c->pending && c->in_pos < c->in.len) {
        size_t n = http_feed(c, c->in.ptr + c->in_pos, c->in.len - c->in_pos);
        if (n == 0) break;
        c->in_pos += n;
    }
    if (c->state == CONN_WS && c->in_pos < c->in.len) {
        struct buf rest = c->in;
        size_t pos = c->in_pos;
        buf_init(&c->in, rest.max);
        c->in_pos = 0;
        ws_feed(c, rest.ptr + pos, rest.len - pos);
        buf_fini(&rest);
    } else if (c->in.len > 0 && c->in_pos == c->in.len) {
        buf_fini(&c->in);
        c->in_pos = 0;
    }
}

void http_response_done(struct conn *c, bool keep_alive)
{
    c->pending = false;
    if (c->server->cfg.wipes) {
        secret_wipe(c->req.head.ptr, c->req.head.len);
        secret_wipe(c->req.body.ptr, c->req.body.len);
    }
    /* what one big request grew is given back */
    if (c->req.body.cap > OUT_CHUNK) buf_fini(&c->req.body);
    if (!keep_alive) {
        if (c->in_pos < c->in.len) conn_error_close(c);
        else c->close_after_flush = true;
    }
    conn_want_flush(c);
}

/* ----------------------------------------------------------------- requests */

enum http_method http_request_method(const struct http_request *r)
{
    return r->method;
}

const char *http_method_name(enum http_method m)
{
    static const char *const names[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
    return names[m];
}

const char *http_request_path(const struct http_request *r)
{
    return (const char *)r->head.ptr + r->path;
}

const char *http_request_query(const struct http_request *r)
{
    return (const char *)r->head.ptr + r->query;
}

bool http_request_query_get(char *dst, size_t cap, const struct http_request *r, const char *name)
{
    bool found = false;
    struct buf key;
    buf_init(&key, HEAD_MAX);
    const char *p = http_request_query(r);
    while (*p != 0 && !found) {
        size_t len = strcspn(p, "&"), key_len = strcspn(p, "&=");
        buf_clear(&key);
        if (put_decoded(&key, p, key_len, true) && strcmp(buf_cstr(&key), name) == 0) {
            size_t skip = key_len < len ? key_len + 1 : key_len;
            buf_clear(&key);
            if (put_decoded(&key, p + skip, len - skip, true) && key.len < cap) {
                memcpy(dst, buf_cstr(&key), key.len);
                dst[key.len] = 0;
                found = true;
            }
            break;
        }
        p += len;
        if (*p == '&') p++;
    }
    buf_fini(&key);
    return found;
}

const char *http_request_header(const struct http_request *r, const char *name)
{
    for (size_t i = 0; i < r->n_headers; i++)
        if (strcasecmp((const char *)r->head.ptr + r->headers[i].name, name) == 0)
            return r->headers[i].value ? (const char *)r->head.ptr + r->headers[i].value : "";
    return NULL;
}

bool http_request_header_at(const char **name, const char **value, const struct http_request *r, size_t i)
{
    if (i >= r->n_headers) return false;
    *name = (const char *)r->head.ptr + r->headers[i].name;
    *value = r->headers[i].value ? (const char *)r->head.ptr + r->headers[i].value : "";
    return true;
}

bytes http_request_body(const struct http_request *r)
{
    return buf_view(&r->body);
}

struct http_server *http_request_server(const struct http_request *r)
{
    return r->conn->server;
}

const char *http_request_peer(const struct http_request *r)
{
    return r->conn->peer;
}

/* ------------------------------------------------------------------ answers */

/* output that goes straight to the connection, or into chunks for the loop's mail */
struct sink {
    struct conn *conn; /* NULL: into chunk */
    struct out_chunk *chunk;
};

static void sink_put(struct sink *k, const void *data, size_t len)
{
    if (k->conn != NULL) {
        conn_append(k->conn, data, len);
    } else {
        memcpy(k->chunk->ptr + k->chunk->len, data, len);
        k->chunk->len += len;
    }
}

static void sink_str(struct sink *k, const char *s)
{
    sink_put(k, s, strlen(s));
}

static size_t dec_text(char dst[static 24], size_t v)
{
    char tmp[24];
    size_t n = 0;
    do tmp[n++] = (char)('0' + v % 10);
    while ((v /= 10) != 0);
    for (size_t i = 0; i < n; i++) dst[i] = tmp[n - 1 - i];
    return n;
}

static void put_response_head(struct sink *k, const struct http_request *r, int status, const char *content_type, size_t len,
                              const struct http_header *headers, size_t n_headers, const char *date)
{
    char num[24];
    bool has_length = status != 204 && status != 304 && status >= 200;
    if (status == 200) {
        sink_put(k, "HTTP/1.1 200 OK\r\n", 17);
    } else {
        sink_put(k, "HTTP/1.1 ", 9);
        sink_put(k, num, dec_text(num, (size_t)status));
        sink_put(k, " ", 1);
        sink_str(k, reason(status));
        sink_put(k, "\r\n", 2);
    }
    if (content_type) {
        sink_put(k, "Content-Type: ", 14);
        sink_str(k, content_type);
        sink_put(k, "\r\n", 2);
    }
    if (has_length) {
        sink_put(k, "Content-Length: ", 16);
        sink_put(k, num, dec_text(num, len));
        sink_put(k, "\r\n", 2);
    }
    sink_put(k, "Date: ", 6);
    sink_str(k, date);
    if (!r->keep_alive) sink_put(k, "\r\nConnection: close", 19);
    else if (r->is_http10) sink_put(k, "\r\nConnection: keep-alive", 24);
    sink_put(k, "\r\n", 2);
    for (size_t i = 0; i < n_headers; i++) {
        sink_str(k, headers[i].name);
        sink_put(k, ": ", 2);
        sink_str(k, headers[i].value);
        sink_put(k, "\r\n", 2);
    }
    sink_put(k, "\r\n", 2);
}

static size_t response_head_bound(const char *content_type, const struct http_header *headers, size_t n_headers)
{
    size_t n = 320 + (content_type ? strlen(content_type) : 0);
    for (size_t i = 0; i < n_headers; i++) n += strlen(headers[i].name) + strlen(headers[i].value) + 4;
    return n;
}

static void respond(struct http_request *r, int status, const char *content_type, const uint8_t *body, size_t len, uint8_t *taken,
                    const struct http_header *headers, size_t n_headers)
{
    struct conn *c = r->conn;
    struct http_server *s = c->server;
    bool own = server_is_own_thread(s), has_body = status != 204 && status != 304 && r->method != HTTP_HEAD;
    struct out_chunk *big = NULL;
    struct mail *m = NULL;
    if (taken != NULL && has_body && len > OUT_CHUNK) {
        big = chunk_new(0);
        if (big != NULL) {
            big->ptr = taken;
            big->len = big->cap = len;
            taken = NULL;
        }
    }
    size_t inline_len = has_body && big == NULL ? len : 0;
    struct sink k = {.conn = own ? c : NULL};
    if (!own) {
        m = calloc(1, sizeof *m);
        k.chunk = chunk_new(response_head_bound(content_type, headers, n_headers) + inline_len);
        if (m == NULL || k.chunk == NULL) BUG("out of memory for a small answer");
    }
    if (!own || c->state != CONN_DEAD) {
        char date[32];
        if (!own) clock_format_rfc1123(date, clock_wall_ms() / 1000);
        put_response_head(&k, r, status, content_type, len, headers, n_headers, own ? s->date : date);
        if (inline_len >= DIRECT_MIN && own) conn_append_long(c, body, inline_len);
        else if (inline_len) sink_put(&k, body, inline_len);
    }
    free(taken);
    if (own) {
        if (c->state == CONN_DEAD) {
            chunks_free(big);
            c->pending = false;
            if (c->orphan) conn_bury(c);
            return;
        }
        if (big) conn_append_chunk(c, big);
        http_response_done(c, r->keep_alive);
        if (s->unsent - s->told_unsent < SIZE_MAX / 2 && s->unsent - s->told_unsent > TELL_MIN) {
            /* many large answers in one turn: those that a client takes at once don't wait */
            conn_flush(c);
            group_check_unsent(s);
        }
        return;
    }
    k.chunk->next = big;
    m->conn = c;
    m->is_response = true;
    m->keep_alive = r->keep_alive;
    m->chunks = k.chunk;
    server_post(s, m);
}

void http_respond(struct http_request *r, int status, const char *content_type, bytes body, const struct http_header *headers,
                  size_t n_headers)
{
    respond(r, status, content_type, body.ptr, body.len, NULL, headers, n_headers);
}

void http_respond_take(struct http_request *r, int status, const char *content_type, uint8_t *body, size_t len,
                       const struct http_header *headers, size_t n_headers)
{
    respond(r, status, content_type, body, len, body, headers, n_headers);
}
