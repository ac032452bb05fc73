#include "node/member/member.h"

#include "lib/base/file.h"
#include "lib/codec/json.h"
#include "lib/net/http_server.h"

#include <pthread.h>

enum { DOC_MAX = 64 << 20, FILE_MAX = 8 << 20 };

struct member {
    struct member_config cfg;
    struct http_server *server;
    json_t *fixed; /* members that never change */
    char *web_copy;

    pthread_mutex_t lock; /* guards nodes and error */
    json_t *nodes;        /* last good list */
    char error[300];
};

void member_set_nodes(struct member *m, const json_t *nodes, const char *error)
{
    pthread_mutex_lock(&m->lock);
    if (nodes != NULL) {
        json_decref(m->nodes);
        m->nodes = json_deep_copy(nodes);
        (void)snprintf(m->error, sizeof m->error, "%s", json_array_size(nodes) == 0 ? "Couldn't find any active nodes\n" : "");
    } else {
        (void)snprintf(m->error, sizeof m->error, "the identity store does not answer: %.200s\n", error);
    }
    pthread_mutex_unlock(&m->lock);
}

/* ------------------------------------------------------------------ pages */

static void respond_text(struct http_request *r, int status, const char *text)
{
    http_respond(r, status, "text/plain; charset=utf-8", bytes_str(text), NULL, 0);
}

/* FNV-1a: names a version of the document, nothing depends on its strength */
static uint64_t fingerprint(const char *text)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (; *text != '\0'; text++)
        h = (h ^ (uint8_t)*text) * 0x100000001b3u;
    return h;
}

static void serve_networkinfo(struct member *m, struct http_request *r)
{
    json_t *doc = json_copy(m->fixed), *bootnodes = json_array(), *recent = NULL;
    pthread_mutex_lock(&m->lock);
    json_t *nodes = json_deep_copy(m->nodes);
    json_object_set_new(doc, "errorMessage", json_string(m->error));
    pthread_mutex_unlock(&m->lock);
    size_t i;
    json_t *node;
    json_array_foreach(nodes, i, node)
    {
        const char *enode = json_string_value(json_object_get(node, "enodeUrl"));
        if (enode != NULL && *enode != '\0') json_array_append_new(bootnodes, json_string(enode));
    }
    json_object_set_new(doc, "bootnodes", bootnodes);
    json_object_set_new(doc, "nodeMetadata", nodes);
    if (m->cfg.recent_block != NULL) {
        struct buf b;
        buf_init(&b, DOC_MAX);
        m->cfg.recent_block(m->cfg.ctx, &b);
        if (buf_status(&b) == OK && b.len > 0 && json_parse(&recent, buf_view(&b), NULL) == OK)
            json_object_set_new(doc, "recentBlock", recent);
        buf_fini(&b);
    }
    char *text = json_dumps(doc, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
    json_decref(doc);
    if (text == NULL) {
        respond_text(r, 500, "out of memory\n");
        return;
    }
    char etag[32];
    (void)snprintf(etag, sizeof etag, "\"%016llx\"", (unsigned long long)fingerprint(text));
    const struct http_header headers[] = {{"ETag", etag}, {"Cache-Control", "no-cache"}, {"Access-Control-Allow-Origin", "*"}};
    const char *have = http_request_header(r, "If-None-Match");
    if (have != NULL && strcmp(have, etag) == 0) http_respond(r, 304, NULL, BYTES_EMPTY, headers, COUNT_OF(headers));
    else http_respond(r, 200, "application/json", bytes_str(text), headers, COUNT_OF(headers));
    free(text);
}

static void serve_health(struct member *m, struct http_request *r)
{
    struct buf b;
    buf_init(&b, 4096);
    size_t mark = b.len;
    bool well = m->cfg.health == NULL || m->cfg.health(m->cfg.ctx, &b);
    struct buf doc;
    buf_init(&doc, 8192);
    buf_printf(&doc, "{\"status\":\"%s\"", well ? "ok" : "unwell");
    buf_put(&doc, b.ptr + mark, b.len - mark);
    buf_put_str(&doc, "}\n");
    http_respond(r, well ? 200 : 503, "application/json", buf_view(&doc), NULL, 0);
    buf_fini(&doc);
    buf_fini(&b);
}

static const struct {
    const char *ending, *type;
} types[] = {{".html", "text/html; charset=utf-8"}, {".js", "text/javascript; charset=utf-8"}, {".css", "text/css; charset=utf-8"},
             {".svg", "image/svg+xml"},             {".json", "application/json"},             {".ico", "image/x-icon"}};

static void serve_file(struct member *m, struct http_request *r, const char *path)
{
    static const struct http_header headers[] = {
        {"Content-Security-Policy", "default-src 'self'; connect-src *; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
        {"X-Content-Type-Options", "nosniff"},
        {"Referrer-Policy", "no-referrer"},
        {"Cache-Control", "no-cache"}};
    char full[4096];
    const char *type = NULL;
    if (strcmp(path, "/") == 0) path = "/index.html";
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        size_t n = strlen(path), k = strlen(types[i].ending);
        if (n > k && strcmp(path + n - k, types[i].ending) == 0) type = types[i].type;
    }
    /* names are letters, digits, '-', '_', '.' and '/', without "..": nothing else is a file of ours */
    bool plain = m->web_copy != NULL && type != NULL && strstr(path, "..") == NULL && strlen(path) < 200;
    for (const char *p = path; plain && *p != '\0'; p++)
        plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || strchr("-_./", *p) != NULL;
    struct buf b;
    buf_init(&b, FILE_MAX);
    if (plain) (void)snprintf(full, sizeof full, "%s%s", m->web_copy, path);
    if (!plain || file_read(&b, full, NULL) != OK) respond_text(r, 404, "not found\n");
    else http_respond(r, 200, type, buf_view(&b), headers, COUNT_OF(headers));
    buf_fini(&b);
}

static void on_request(void *ctx, struct http_request *r)
{
    struct member *m = ctx;
    const char *path = http_request_path(r);
    enum http_method method = http_request_method(r);
    if (method == HTTP_OPTIONS) {
        static const struct http_header cors[] = {{"Access-Control-Allow-Origin", "*"},
                                                  {"Access-Control-Allow-Methods", "GET, HEAD, OPTIONS"},
                                                  {"Access-Control-Max-Age", "600"}};
        http_respond(r, 204, NULL, BYTES_EMPTY, cors, COUNT_OF(cors));
    } else if (method != HTTP_GET && method != HTTP_HEAD) {
        respond_text(r, 405, "only GET is served here\n");
    } else if (strcmp(path, "/networkinfo") == 0) {
        serve_networkinfo(m, r);
    } else if (strcmp(path, "/health") == 0) {
        serve_health(m, r);
    } else {
        serve_file(m, r, path);
    }
}

/* ------------------------------------------------------------------- life */

static enum status make_fixed(struct member *m, struct err *err)
{
    json_t *contracts = NULL;
    enum status s = OK;
    if (m->cfg.contracts_json.len > 0) {
        s = json_parse(&contracts, m->cfg.contracts_json, err);
        if (s != OK) return err_prefix(err, "contracts.json");
    }
    m->fixed = json_object();
    json_object_set_new(m->fixed, "majorVersion", json_integer(0));
    json_object_set_new(m->fixed, "minorVersion", json_integer(1));
    static const char *const from_contracts[] = {"valSetContract", "adminContract", "adminContractABI"};
    for (size_t i = 0; i < COUNT_OF(from_contracts); i++) {
        json_t *v = json_object_get(contracts, from_contracts[i]);
        json_object_set_new(m->fixed, from_contracts[i], json_is_string(v) ? json_incref(v) : json_string(""));
    }
    json_t *list = json_object_get(contracts, "addressList");
    if (json_is_object(list)) json_object_set(m->fixed, "addressList", list);
    json_object_set_new(m->fixed, "paritySpec", json_stringn((const char *)m->cfg.spec_json.ptr, m->cfg.spec_json.len));
    json_decref(contracts);
    return OK;
}

enum status member_start(struct member **out, const struct member_config *cfg, struct err *err)
{
    struct member *m = calloc(1, sizeof *m);
    if (m == NULL) return E_NOMEM;
    m->cfg = *cfg;
    m->nodes = json_array();
    pthread_mutex_init(&m->lock, NULL);
    m->web_copy = cfg->web_dir == NULL ? NULL : strdup(cfg->web_dir);
    (void)snprintf(m->error, sizeof m->error, "Couldn't find any active nodes\n");
    enum status s = make_fixed(m, err);
    struct http_server_config sc = {.bind_address = cfg->address, .port = cfg->port, .max_body = 4096, .max_connections = 256, .idle_timeout_s = 30};
    struct http_handler h = {.ctx = m, .request = on_request};
    if (s == OK) s = http_server_start(&m->server, &sc, &h, err);
    if (s != OK) {
        member_stop(m);
        return s;
    }
    *out = m;
    return OK;
}

void member_stop(struct member *m)
{
    if (m == NULL) return;
    if (m->server != NULL) http_server_stop(m->server);
    json_decref(m->nodes);
    json_decref(m->fixed);
    pthread_mutex_destroy(&m->lock);
    free(m->web_copy);
    free(m);
}

uint16_t member_port(const struct member *m)
{
    return http_server_port(m->server);
}
