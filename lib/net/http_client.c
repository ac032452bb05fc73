#include "lib/net/http_client.h"

#include <ctype.h>
#include <curl/curl.h>
#include <pthread.h>
#include <strings.h>

#define DEFAULT_MAX_BODY ((size_t)16 << 20)
#define MAX_HEADERS ((size_t)64 << 10)

struct http_client {
    CURL *curl;
    struct http_client_config cfg; /* strings are ours */
    size_t max_body;
};

/* one transfer */
struct transfer {
    struct http_client_response *resp;
    bool too_large;
};

static pthread_once_t global_once = PTHREAD_ONCE_INIT;
static void global_init(void)
{
    (void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

static bool copy_text(const char **dst, const char *src)
{
    if (src == NULL) {
        *dst = NULL;
        return true;
    }
    *dst = strdup(src);
    return *dst != NULL;
}

static void free_text(const char *s)
{
    free((void *)(uintptr_t)s);
}

enum status http_client_new(struct http_client **out, const struct http_client_config *cfg, struct err *err)
{
    static const struct http_client_config none;
    if (cfg == NULL) cfg = &none;
    pthread_once(&global_once, global_init);
    struct http_client *c = calloc(1, sizeof *c);
    if (c == NULL) return err_set(err, E_NOMEM, "HTTP client: out of memory");
    c->cfg = *cfg;
    bool ok = copy_text(&c->cfg.ca_file, cfg->ca_file);
    ok = copy_text(&c->cfg.client_cert_file, cfg->client_cert_file) && ok;
    ok = copy_text(&c->cfg.client_key_file, cfg->client_key_file) && ok;
    ok = copy_text(&c->cfg.user_agent, cfg->user_agent ? cfg->user_agent : "poa-deploy") && ok;
    if (c->cfg.connect_timeout_ms == 0) c->cfg.connect_timeout_ms = 5000;
    if (c->cfg.timeout_ms == 0) c->cfg.timeout_ms = 30000;
    c->max_body = cfg->max_body ? cfg->max_body : DEFAULT_MAX_BODY;
    c->curl = curl_easy_init();
    if (!ok || c->curl == NULL) {
        http_client_free(c);
        return err_set(err, E_NOMEM, "HTTP client: out of memory");
    }
    *out = c;
    return OK;
}

void http_client_free(struct http_client *c)
{
    if (c == NULL) return;
    if (c->curl) curl_easy_cleanup(c->curl);
    free_text(c->cfg.ca_file);
    free_text(c->cfg.client_cert_file);
    free_text(c->cfg.client_key_file);
    free_text(c->cfg.user_agent);
    free(c);
}

static size_t on_body(char *ptr, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    size_t len = size * n;
    buf_put(&t->resp->body, ptr, len);
    if (buf_status(&t->resp->body) != OK) {
        t->too_large = true;
        return 0;
    }
    return len;
}

static size_t on_header(char *ptr, size_t size, size_t n, void *arg)
{
    struct transfer *t = arg;
    size_t len = size * n;
    /* a status line begins a new set: after 100 Continue only the last one counts */
    if (len >= 5 && memcmp(ptr, "HTTP/", 5) == 0) {
        buf_clear(&t->resp->headers);
        return len;
    }
    if (len <= 2) return len;
    buf_put(&t->resp->headers, ptr, len);
    if (buf_status(&t->resp->headers) != OK) {
        t->too_large = true;
        return 0;
    }
    return len;
}

/* "https://host:port" of a URL, without user, path and query: an error names no secret */
static void url_origin(char *dst, size_t cap, const char *url)
{
    const char *p = strstr(url, "://");
    const char *start = p ? p + 3 : url;
    size_t n = strcspn(start, "/?#");
    for (size_t i = 0; i < n; i++) {
        if (start[i] == '@') {
            start += i + 1;
            n -= i + 1;
            break;
        }
    }
    (void)snprintf(dst, cap, "%.*s%.*s", p ? (int)(p + 3 - url) : 0, url, (int)n, start);
}

static enum status status_of_curl(CURLcode code)
{
    if (code == CURLE_OPERATION_TIMEDOUT) return E_TIMEOUT;
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CONNECT_ERROR || code == CURLE_SSL_CERTPROBLEM ||
        code == CURLE_SSL_CACERT_BADFILE || code == CURLE_SSL_CIPHER || code == CURLE_SSL_ISSUER_ERROR)
        return E_CRYPTO;
    if (code == CURLE_OUT_OF_MEMORY) return E_NOMEM;
    if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL) return E_INVALID;
    return E_NET;
}

static bool set_headers(struct curl_slist **list, const struct http_client_request *req)
{
    /* no "Expect: 100-continue": it costs a round trip for each body over 1 MiB */
    struct curl_slist *l = curl_slist_append(NULL, "Expect:");
    for (size_t i = 0; l != NULL && i < req->n_headers; i++) {
        struct curl_slist *next = curl_slist_append(l, req->headers[i]);
        if (next == NULL) {
            curl_slist_free_all(l);
            return false;
        }
        l = next;
    }
    *list = l;
    return l != NULL;
}

static void set_options(struct http_client *c, const struct http_client_request *req, struct transfer *t, char *errbuf)
{
    CURL *h = c->curl;
    curl_easy_reset(h); /* keeps connections and TLS sessions */
    curl_easy_setopt(h, CURLOPT_URL, req->url);
    curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h, CURLOPT_NOPROXY, "127.0.0.0/8,localhost,::1");
    curl_easy_setopt(h, CURLOPT_ERRORBUFFER, errbuf);
    curl_easy_setopt(h, CURLOPT_USERAGENT, c->cfg.user_agent);
    curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT_MS, (long)c->cfg.connect_timeout_ms);
    curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, (long)c->cfg.timeout_ms);
    curl_easy_setopt(h, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(h, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(h, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(h, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (c->cfg.ca_file) curl_easy_setopt(h, CURLOPT_CAINFO, c->cfg.ca_file);
    if (c->cfg.client_cert_file) curl_easy_setopt(h, CURLOPT_SSLCERT, c->cfg.client_cert_file);
    if (c->cfg.client_key_file) curl_easy_setopt(h, CURLOPT_SSLKEY, c->cfg.client_key_file);

    if (req->has_body) {
        curl_easy_setopt(h, CURLOPT_POST, 1L);
        curl_easy_setopt(h, CURLOPT_POSTFIELDS, req->body.len ? (const char *)req->body.ptr : "");
        curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->body.len);
    }
    if (strcmp(req->method, "HEAD") == 0) curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
    else curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, req->method);
}

enum status http_client_do(struct http_client_response *out, struct http_client *c, const struct http_client_request *req,
                           struct err *err)
{
    char origin[300], errbuf[CURL_ERROR_SIZE] = "";
    url_origin(origin, sizeof origin, req->url);
    struct http_client_response resp = {0};
    buf_init(&resp.body, c->max_body);
    buf_init(&resp.headers, MAX_HEADERS);
    struct transfer t = {.resp = &resp};
    struct curl_slist *headers = NULL;
    if (!set_headers(&headers, req)) return err_set(err, E_NOMEM, "%s %s: out of memory", req->method, origin);

    set_options(c, req, &t, errbuf);
    curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, headers);
    CURLcode code = curl_easy_perform(c->curl);
    enum status s = OK;
    if (t.too_large) {
        s = err_set(err, E_LIMIT, "%s %s: the answer is larger than the %zu bytes allowed", req->method, origin, c->max_body);
    } else if (code != CURLE_OK) {
        s = err_set(err, status_of_curl(code), "%s %s: %s", req->method, origin, errbuf[0] ? errbuf : curl_easy_strerror(code));
    } else {
        long status = 0;
        curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
        resp.status = (int)status;
        *out = resp;
    }
    curl_slist_free_all(headers);
    if (s != OK) http_client_response_fini(&resp);
    return s;
}

void http_client_response_fini(struct http_client_response *r)
{
    buf_fini(&r->body);
    buf_fini(&r->headers);
}

bool http_client_header(char *dst, size_t cap, const struct http_client_response *r, const char *name)
{
    size_t name_len = strlen(name);
    const char *p = (const char *)r->headers.ptr, *end = p + r->headers.len;
    while (p != NULL && p < end) {
        const char *eol = memchr(p, '\n', (size_t)(end - p));
        const char *next = eol ? eol + 1 : end;
        size_t len = (size_t)((eol ? eol : end) - p);
        if (len > name_len && p[name_len] == ':' && strncasecmp(p, name, name_len) == 0) {
            const char *v = p + name_len + 1, *v_end = p + len;
            while (v < v_end && (*v == ' ' || *v == '\t')) v++;
            while (v_end > v && isspace((unsigned char)v_end[-1])) v_end--;
            size_t n = (size_t)(v_end - v);
            if (n >= cap) return false;
            memcpy(dst, v, n);
            dst[n] = 0;
            return true;
        }
        p = next;
    }
    return false;
}
