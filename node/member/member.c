#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/codec/json.h"
#include "lib/net/http_server.h"
#include "node/member/member_priv.h"

#include <pthread.h>
#include <zlib.h>

enum { DOC_MAX = 64 << 20, FILE_MAX = 8 << 20, GZIP_MIN = 1024, PROOFS_A_SECOND = 20 };

struct member {
    struct member_config cfg;
    struct http_server *server;
    struct prober *prober;
    json_t *fixed;      /* members of /networkinfo that never change */
    json_t *network;    /* members of /governance that never change */
    char *governance;   /* /governance as of the contract's `version`; the server's thread's own */
    hash32 version;
    char *web_copy;
    uint64_t proof_second; /* of the server's thread, with n_proofs */
    unsigned n_proofs;

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
static uint64_t fingerprint(bytes text)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < text.len; i++)
        h = (h ^ text.ptr[i]) * 0x100000001b3u;
    return h;
}

static bool put_gzip(struct buf *out, bytes text)
{
    z_stream z = {0};
    if (deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) return false;
    size_t cap = deflateBound(&z, text.len);
    uint8_t *to = buf_reserve(out, cap);
    bool ok = to != NULL && text.len < FILE_MAX;
    if (ok) {
        z.next_in = (Bytef *)(uintptr_t)text.ptr;
        z.avail_in = (uInt)text.len;
        z.next_out = to;
        z.avail_out = (uInt)cap;
        ok = deflate(&z, Z_FINISH) == Z_STREAM_END;
        if (ok) out->len += z.total_out;
    }
    deflateEnd(&z);
    return ok;
}

/* 200 with an ETag, or 304; compressed for who takes it. more: further headers */
static void respond_doc(struct http_request *r, const char *type, bytes body, const struct http_header *more, size_t n_more)
{
    char etag[40], etag_gzip[40];
    struct http_header headers[12];
    size_t n = 0;
    uint64_t print = fingerprint(body);
    (void)snprintf(etag, sizeof etag, "\"%016llx\"", (unsigned long long)print);
    (void)snprintf(etag_gzip, sizeof etag_gzip, "\"%016llx-gzip\"", (unsigned long long)print);
    const char *have = http_request_header(r, "If-None-Match"), *takes = http_request_header(r, "Accept-Encoding");
    struct buf packed;
    buf_init(&packed, FILE_MAX * 2);
    bool is_same = have != NULL && (strcmp(have, etag) == 0 || strcmp(have, etag_gzip) == 0);
    bool is_packed = !is_same && takes != NULL && strstr(takes, "gzip") != NULL && body.len >= GZIP_MIN && put_gzip(&packed, body);
    headers[n++] = (struct http_header){"ETag", is_packed ? etag_gzip : is_same ? have : etag};
    headers[n++] = (struct http_header){"Cache-Control", "no-cache"};
    headers[n++] = (struct http_header){"Vary", "Accept-Encoding"};
    headers[n++] = (struct http_header){"Access-Control-Allow-Origin", "*"};
    headers[n++] = (struct http_header){"X-Content-Type-Options", "nosniff"};
    if (is_packed) headers[n++] = (struct http_header){"Content-Encoding", "gzip"};
    for (size_t i = 0; i < n_more && n < COUNT_OF(headers); i++)
        headers[n++] = more[i];
    if (is_same) http_respond(r, 304, NULL, BYTES_EMPTY, headers, n);
    else http_respond(r, 200, type, is_packed ? buf_view(&packed) : body, headers, n);
    buf_fini(&packed);
}

static void respond_json(struct http_request *r, const json_t *doc)
{
    char *text = json_dumps(doc, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
    if (text == NULL) respond_text(r, 500, "out of memory\n");
    else respond_doc(r, "application/json", bytes_str(text), NULL, 0);
    free(text);
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
    respond_json(r, doc);
    json_decref(doc);
}

/* a plain answer that something is not to be had now */
static void respond_error(struct http_request *r, int status, const char *text)
{
    static const struct http_header headers[] = {{"Access-Control-Allow-Origin", "*"}, {"Cache-Control", "no-store"}};
    json_t *doc = json_pack("{s:s}", "errorMessage", text);
    char *body = json_dumps(doc, 0);
    json_decref(doc);
    http_respond(r, status, "application/json", bytes_str(body == NULL ? "{}" : body), headers, COUNT_OF(headers));
    free(body);
}

static void serve_governance(struct member *m, struct http_request *r)
{
    struct member_contract contract = {0};
    struct err err = {0};
    void *snapshot = m->cfg.views.open == NULL ? NULL : m->cfg.views.open(m->cfg.ctx, &contract);
    if (snapshot == NULL) {
        respond_error(r, 503, "the chain's state cannot be read at present");
        return;
    }
    enum status s = OK;
    if (!contract.has_contract) s = err_set(&err, E_NOT_FOUND, "this network has no governance contract: its validators are a fixed list");
    if (s == OK && (m->governance == NULL || !hash_eq(&m->version, &contract.version))) {
        json_t *doc = NULL;
        s = governance_read(&doc, &m->cfg.views, snapshot, &contract.at, m->network, &err);
        char *text = s == OK ? json_dumps(doc, JSON_INDENT(1) | JSON_PRESERVE_ORDER) : NULL;
        json_decref(doc);
        if (s == OK && text == NULL) s = E_NOMEM;
        if (s == OK) {
            free(m->governance);
            m->governance = text;
            m->version = contract.version;
        }
    }
    m->cfg.views.close(snapshot);
    if (s == OK) respond_doc(r, "application/json", bytes_str(m->governance), NULL, 0);
    else respond_error(r, s == E_NOT_FOUND || s == E_DENIED ? 404 : 503, err.text[0] != '\0' ? err.text : status_text(s));
}

static void serve_nodes(struct member *m, struct http_request *r)
{
    json_t *live = m->cfg.live == NULL ? NULL : m->cfg.live(m->cfg.ctx);
    if (live == NULL) {
        respond_error(r, 503, "the node's state cannot be read at present");
        return;
    }
    pthread_mutex_lock(&m->lock);
    json_t *nodes = json_deep_copy(m->nodes);
    json_object_set_new(live, "errorMessage", json_string(m->error));
    pthread_mutex_unlock(&m->lock);
    nodes_add_self(nodes, json_object_get(live, "self"));
    if (m->prober != NULL) prober_see(m->prober, nodes);
    nodes_merge(live, nodes, m->prober);
    json_t *deployed = json_object_get(json_object_get(m->fixed, "addressList"), "addresses");
    json_object_set(live, "deployed", deployed == NULL ? json_null() : deployed);
    json_decref(nodes);
    respond_json(r, live);
    json_decref(live);
}

/* a signature costs something, with a vault a request of its own: so many a second for all askers together */
static bool may_prove(struct member *m)
{
    uint64_t second = clock_mono_ms() / 1000;
    if (second != m->proof_second) m->n_proofs = 0;
    m->proof_second = second;
    return m->n_proofs++ < PROOFS_A_SECOND;
}

static void serve_possession(struct member *m, struct http_request *r)
{
    struct possession p = {0};
    uint8_t sig[65];
    char text[80];
    json_t *doc = NULL;
    if (m->cfg.prove == NULL) {
        respond_text(r, 404, "not found\n");
        return;
    }
    if (!http_request_query_get(text, sizeof text, r, "challenge") || hash_get(&p.challenge, bytes_str(text)) != OK) {
        respond_error(r, 400, "ask with ?challenge=0x and 64 hexadecimal digits that you have chosen at random");
        return;
    }
    if (!may_prove(m)) {
        respond_error(r, 429, "too many proofs were asked for within this second");
        return;
    }
    enum status s = m->cfg.prove(m->cfg.ctx, sig, &p);
    if (s == OK) s = possession_put_json(&doc, &p, sig);
    char *body = s == OK ? json_dumps(doc, JSON_INDENT(1) | JSON_PRESERVE_ORDER) : NULL;
    static const struct http_header headers[] = {{"Access-Control-Allow-Origin", "*"}, {"Cache-Control", "no-store"}};
    if (body != NULL) http_respond(r, 200, "application/json", bytes_str(body), headers, COUNT_OF(headers));
    else respond_error(r, 503, s == E_DENIED ? "this node holds no validator's identity at present" : "the key cannot be used at present");
    free(body);
    json_decref(doc);
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

/* nothing but the page's own files, its data and the RPC endpoint at the host that it was asked from */
static void put_policy(char *dst, size_t cap, const struct member *m, const char *host)
{
    char name[260] = "", rpc[1300] = "";
    size_t n = 0;
    if (host != NULL && *host == '[') {
        n = strcspn(host, "]");
        if (host[n] == ']') n++;
    } else if (host != NULL) {
        n = strcspn(host, ":");
    }
    bool plain = n > 0 && n < sizeof name;
    for (size_t i = 0; plain && i < n; i++)
        plain = (host[i] >= 'a' && host[i] <= 'z') || (host[i] >= 'A' && host[i] <= 'Z') || (host[i] >= '0' && host[i] <= '9') || strchr(".-_:[]", host[i]) != NULL;
    if (plain) memcpy(name, host, n);
    if (plain && m->cfg.rpc_port != 0) {
        const unsigned h = m->cfg.rpc_port, w = m->cfg.ws_port;
        (void)snprintf(rpc, sizeof rpc, " http://%s:%u https://%s:%u ws://%s:%u wss://%s:%u", name, h, name, h, name, w, name, w);
    }
    (void)snprintf(dst, cap,
                   "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'%s; base-uri 'none'; form-action "
                   "'none'; frame-ancestors 'none'",
                   rpc);
}

static void serve_file(struct member *m, struct http_request *r, const char *path)
{
    char policy[1700];
    put_policy(policy, sizeof policy, m, http_request_header(r, "Host"));
    const struct http_header headers[] = {{"Content-Security-Policy", policy}, {"Referrer-Policy", "no-referrer"}};
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
    else respond_doc(r, type, buf_view(&b), headers, COUNT_OF(headers));
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
                                                  {"Access-Control-Allow-Headers", "*"},
                                                  {"Access-Control-Max-Age", "600"}};
        http_respond(r, 204, NULL, BYTES_EMPTY, cors, COUNT_OF(cors));
    } else if (method != HTTP_GET && method != HTTP_HEAD) {
        respond_text(r, 405, "only GET is served here\n");
    } else if (strcmp(path, "/networkinfo") == 0) {
        serve_networkinfo(m, r);
    } else if (strcmp(path, "/governance") == 0) {
        serve_governance(m, r);
    } else if (strcmp(path, "/nodes") == 0) {
        serve_nodes(m, r);
    } else if (strcmp(path, "/possession") == 0) {
        serve_possession(m, r);
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
    m->network = cfg->network == NULL ? json_object() : cfg->network(cfg->ctx);
    json_object_set_new(m->network, "rpcPort", json_integer(cfg->rpc_port));
    json_object_set_new(m->network, "wsPort", json_integer(cfg->ws_port));
    if (s == OK && cfg->live != NULL && cfg->rpc_port != 0) s = prober_start(&m->prober, cfg->rpc_port, cfg->port, err);
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
    prober_stop(m->prober);
    json_decref(m->nodes);
    json_decref(m->fixed);
    json_decref(m->network);
    free(m->governance);
    pthread_mutex_destroy(&m->lock);
    free(m->web_copy);
    free(m);
}

uint16_t member_port(const struct member *m)
{
    return http_server_port(m->server);
}
