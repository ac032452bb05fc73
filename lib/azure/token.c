#include "lib/azure/token.h"

#include "lib/azure/token_priv.h"
#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/rng.h"
#include "lib/base/secret.h"
#include "lib/codec/hex.h"
#include "lib/codec/uri.h"
#include "lib/crypto/tls.h"
#include "lib/net/http_client.h"

#include <jansson.h>

#define IMDS_TOKEN_URI "http://169.254.169.254/metadata/identity/oauth2/token"

enum {
    RESOURCES_MAX = 6,
    TOKEN_MAX = 32 << 10,
    ASSERTION_S = 600,
    EARLY_S = 120, /* a token is renewed so long before its end; or at half its life if that is shorter */
};

struct kept {
    char *resource, *token; /* NULL: free */
    uint64_t until_ms;      /* monotonic */
};

struct azure_token_source {
    enum azure_token_kind kind;
    char *token_uri, *client_id, *client_secret, *credential_file, *az_program, *tenant_id;
    unsigned timeout_ms;
    char identity[160];
    struct http_client *http;
    struct kept kept[RESOURCES_MAX];
};

static void drop(struct kept *k)
{
    if (k->token) secret_wipe(k->token, strlen(k->token));
    free(k->token);
    free(k->resource);
    *k = (struct kept){0};
}

static bool is_client(enum azure_token_kind k)
{
    return k == AZURE_TOKEN_CLIENT || k == AZURE_TOKEN_CERTIFICATE || k == AZURE_TOKEN_FEDERATED;
}

static bool copy(char **dst, const char *text)
{
    *dst = text == NULL ? NULL : strdup(text);
    return text == NULL || *dst != NULL;
}

enum status azure_token_source_new(struct azure_token_source **out, const struct azure_token_config *cfg, struct err *err)
{
    bool needs_file = cfg->kind == AZURE_TOKEN_CERTIFICATE || cfg->kind == AZURE_TOKEN_FEDERATED;
    if (cfg->kind == AZURE_TOKEN_CLIENT && (cfg->token_uri == NULL || cfg->client_id == NULL || cfg->client_secret == NULL))
        return err_set(err, E_INVALID, "client credentials want a token URI, a client id and a client secret");
    if (needs_file && (cfg->token_uri == NULL || cfg->client_id == NULL || cfg->credential_file == NULL))
        return err_set(err, E_INVALID, "%s wants a token URI, a client id and a file", cfg->kind == AZURE_TOKEN_CERTIFICATE ? "a certificate" : "a workload identity");
    struct azure_token_source *s = calloc(1, sizeof *s);
    if (s == NULL) return err_set(err, E_NOMEM, "token source: out of memory");
    s->kind = cfg->kind;
    s->timeout_ms = cfg->timeout_ms ? cfg->timeout_ms : 10000;
    if (cfg->kind == AZURE_TOKEN_CLI) (void)snprintf(s->identity, sizeof s->identity, "the login of the az command");
    else if (cfg->client_id) (void)snprintf(s->identity, sizeof s->identity, "client %.140s", cfg->client_id);
    else (void)snprintf(s->identity, sizeof s->identity, "the managed identity of this machine");
    enum status st = OK;
    if (!copy(&s->token_uri, cfg->token_uri ? cfg->token_uri : IMDS_TOKEN_URI) || !copy(&s->client_id, cfg->client_id) ||
        !copy(&s->client_secret, cfg->client_secret) || !copy(&s->credential_file, cfg->credential_file) ||
        !copy(&s->az_program, cfg->az_program ? cfg->az_program : "az") || !copy(&s->tenant_id, cfg->tenant_id))
        st = err_set(err, E_NOMEM, "token source: out of memory");
    unsigned timeout = s->timeout_ms;
    struct http_client_config hc = {
        .ca_file = cfg->ca_file, .connect_timeout_ms = timeout < 5000 ? timeout : 5000, .timeout_ms = timeout, .max_body = 256 << 10};
    if (st == OK) st = http_client_new(&s->http, &hc, err);
    if (st != OK) {
        azure_token_source_free(s);
        return st;
    }
    *out = s;
    return OK;
}

void azure_token_source_free(struct azure_token_source *s)
{
    if (s == NULL) return;
    for (size_t i = 0; i < RESOURCES_MAX; i++) drop(&s->kept[i]);
    if (s->client_secret) secret_wipe(s->client_secret, strlen(s->client_secret));
    free(s->client_secret);
    free(s->client_id);
    free(s->token_uri);
    free(s->credential_file);
    free(s->az_program);
    free(s->tenant_id);
    http_client_free(s->http);
    free(s);
}

const char *azure_token_identity(const struct azure_token_source *s)
{
    return s->identity;
}

/* "expires_in" is a number (OAuth2) or a string (instance metadata) */
static uint64_t expires_in(json_t *doc)
{
    json_t *v = json_object_get(doc, "expires_in");
    if (json_is_integer(v) && json_integer_value(v) > 0) return (uint64_t)json_integer_value(v);
    if (json_is_string(v)) return strtoull(json_string_value(v), NULL, 10);
    v = json_object_get(doc, "expires_on"); /* the az command: seconds since the epoch */
    uint64_t now = clock_wall_ms() / 1000;
    if (json_is_integer(v) && json_integer_value(v) > (json_int_t)now) return (uint64_t)json_integer_value(v) - now;
    return 0;
}

static enum status keep(struct kept *k, const char *resource, bytes body, uint64_t asked_ms, struct err *err)
{
    json_t *doc = json_loadb(body.len ? (const char *)body.ptr : "", body.len, 0, NULL);
    const char *token = json_string_value(json_object_get(doc, "access_token"));
    if (token == NULL) token = json_string_value(json_object_get(doc, "accessToken")); /* the az command */
    enum status s = OK;
    if (token == NULL || *token == 0 || strlen(token) > TOKEN_MAX || strpbrk(token, "\r\n ") != NULL) {
        s = err_set(err, E_DECODE, "the token service's answer holds no access_token");
    } else {
        uint64_t life_s = expires_in(doc);
        if (life_s > 7 * 86400) life_s = 7 * 86400;
        k->token = strdup(token);
        k->resource = strdup(resource);
        k->until_ms = asked_ms + (life_s > 2 * EARLY_S ? life_s - EARLY_S : life_s / 2) * 1000;
        if (k->token == NULL || k->resource == NULL) {
            drop(k);
            s = err_set(err, E_NOMEM, "token: out of memory");
        }
    }
    json_decref(doc);
    return s;
}

static enum status refused(const struct azure_token_source *s, const struct http_client_response *r, struct err *err)
{
    char text[400] = "";
    json_t *doc = json_loadb(r->body.len ? (const char *)r->body.ptr : "", r->body.len, 0, NULL);
    const char *d = json_string_value(json_object_get(doc, "error_description"));
    const char *e = json_string_value(json_object_get(doc, "error"));
    (void)snprintf(text, sizeof text, "%s%s%.300s", e ? e : "", e && d ? ": " : "", d ? d : "");
    text[strcspn(text, "\r\n")] = 0;
    json_decref(doc);
    enum status st = r->status == 429 || r->status >= 500 || r->status == 408 || (s->kind == AZURE_TOKEN_MSI && r->status == 404) ? E_AGAIN
                                                                                                                                  : E_DENIED;
    const char *host = strstr(s->token_uri, "://");
    host = host ? host + 3 : s->token_uri;
    return err_set(err, st, "%.*s gives no token to %s: HTTP %d %s", (int)strcspn(host, "/?"), host, s->identity, r->status, text);
}

/* what proves who the client is: its secret, or an assertion */
static enum status put_proof(struct buf *body, const struct azure_token_source *s, struct err *err)
{
    struct buf file, jwt;
    buf_init(&file, 64 << 10);
    buf_init(&jwt, 64 << 10);
    enum status st = OK;
    if (s->kind == AZURE_TOKEN_CLIENT) {
        buf_put_str(body, "&client_secret=");
        uri_put(body, s->client_secret, false);
        return OK;
    }
    st = file_read(&file, s->credential_file, err);
    if (st == OK && s->kind == AZURE_TOKEN_CERTIFICATE) {
        uint64_t now = clock_wall_ms() / 1000;
        char id[33] = "";
        uint8_t raw[16];
        rng_fill(raw, sizeof raw);
        hex_put(id, raw, sizeof raw);
        id[32] = 0;
        json_t *claims = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "aud", s->token_uri, "iss", s->client_id, "sub", s->client_id, "jti", id, "nbf", (json_int_t)now,
                                   "exp", (json_int_t)(now + ASSERTION_S));
        char *text = claims ? json_dumps(claims, JSON_COMPACT) : NULL;
        st = text == NULL ? err_set(err, E_NOMEM, "assertion: out of memory") : jwt_sign_certificate(&jwt, buf_view(&file), bytes_str(text), err);
        if (st != OK) st = err_prefix(err, "%s", s->credential_file);
        free(text);
        json_decref(claims);
    } else if (st == OK) {
        while (file.len > 0 && (file.ptr[file.len - 1] == '\n' || file.ptr[file.len - 1] == '\r')) file.len--;
        buf_put_bytes(&jwt, buf_view(&file));
        st = buf_status(&jwt);
        if (st == OK && (jwt.len == 0 || strpbrk(buf_cstr(&jwt), " \r\n") != NULL)) st = err_set(err, E_DECODE, "%s holds no token", s->credential_file);
    }
    if (st == OK) {
        buf_put_str(body, "&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=");
        uri_put(body, buf_cstr(&jwt), false);
    }
    secret_wipe(file.ptr, file.cap);
    secret_wipe(jwt.ptr, jwt.cap);
    buf_fini(&file);
    buf_fini(&jwt);
    return st;
}

static enum status ask(struct azure_token_source *s, struct kept *k, const char *resource, struct err *err)
{
    struct buf url, body, secret_header;
    bool client = is_client(s->kind);
    enum status st = OK;
    if (s->kind == AZURE_TOKEN_CLI) {
        buf_init(&body, 256 << 10);
        st = token_cli_ask(&body, s->az_program, s->tenant_id, resource, s->timeout_ms * 6, err);
        if (st == OK) st = keep(k, resource, buf_view(&body), clock_mono_ms(), err);
        secret_wipe(body.ptr, body.cap);
        buf_fini(&body);
        return st;
    }
    buf_init(&url, 8 << 10);
    buf_init(&body, 256 << 10);
    buf_init(&secret_header, 8 << 10);
    const char *headers[3];
    size_t n = 0;
    buf_put_str(&url, s->token_uri);
    if (client) {
        buf_put_str(&body, "grant_type=client_credentials&client_id=");
        uri_put(&body, s->client_id, false);
        buf_put_str(&body, "&scope=");
        uri_put(&body, resource, false);
        uri_put(&body, "/.default", false);
        st = put_proof(&body, s, err);
        headers[n++] = "Content-Type: application/x-www-form-urlencoded";
    } else {
        buf_put_str(&url, strchr(s->token_uri, '?') ? "&" : "?");
        buf_put_str(&url, "api-version=2018-02-01&resource=");
        uri_put(&url, resource, false);
        if (s->client_id) {
            buf_put_str(&url, "&client_id=");
            uri_put(&url, s->client_id, false);
        }
        headers[n++] = "Metadata: true";
        if (s->client_secret) {
            buf_printf(&secret_header, "X-IDENTITY-HEADER: %s", s->client_secret);
            headers[n++] = buf_cstr(&secret_header);
        }
    }
    headers[n++] = "Accept: application/json";
    uint64_t asked_ms = clock_mono_ms();
    struct http_client_response resp;
    struct http_client_request rq = {.method = client ? "POST" : "GET", .url = buf_cstr(&url), .headers = headers,
                                     .n_headers = n, .body = buf_view(&body), .has_body = client};
    if (st == OK) {
        st = buf_status(&url) != OK || buf_status(&body) != OK || buf_status(&secret_header) != OK
                 ? err_set(err, E_LIMIT, "token request: client id or secret too long")
                 : http_client_do(&resp, s->http, &rq, err);
        if (st == OK) {
            st = resp.status == 200 ? keep(k, resource, buf_view(&resp.body), asked_ms, err) : refused(s, &resp, err);
            secret_wipe(resp.body.ptr, resp.body.len);
            http_client_response_fini(&resp);
        }
    }
    secret_wipe(body.ptr, body.len);
    secret_wipe(secret_header.ptr, secret_header.len);
    buf_fini(&body);
    buf_fini(&secret_header);
    buf_fini(&url);
    return st;
}

static struct kept *find(struct azure_token_source *s, const char *resource)
{
    for (size_t i = 0; i < RESOURCES_MAX; i++)
        if (s->kept[i].resource && strcmp(s->kept[i].resource, resource) == 0) return &s->kept[i];
    return NULL;
}

enum status azure_token_get(const char **token, struct azure_token_source *s, const char *resource, struct err *err)
{
    struct kept *k = find(s, resource);
    if (k == NULL || clock_mono_ms() >= k->until_ms) {
        if (k == NULL) {
            k = &s->kept[0];
            for (size_t i = 1; i < RESOURCES_MAX && k->resource != NULL; i++)
                if (s->kept[i].resource == NULL || s->kept[i].until_ms < k->until_ms) k = &s->kept[i];
        }
        drop(k);
        enum status st = ask(s, k, resource, err);
        if (st != OK) return st;
    }
    *token = k->token;
    return OK;
}

void azure_token_forget(struct azure_token_source *s, const char *resource)
{
    struct kept *k = find(s, resource);
    if (k != NULL) drop(k);
}
