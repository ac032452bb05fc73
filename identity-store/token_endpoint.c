#include "identity-store/auth.h"

#include "identity-store/text.h"
#include "lib/codec/base64.h"
#include "lib/crypto/tls.h"

#include <jansson.h>
#include <strings.h>

enum { FORM_MAX = 16 << 10 };

/* OAuth2's errors, by the codes that Azure's issuer uses */
static void oauth_fail(struct call *c, int status, const char *error, int code, const char *text, const char *id)
{
    char date[32], full[400];
    utc_date_put(date, c->wall_ms);
    (void)snprintf(full, sizeof full, "AADSTS%d: %s%.64s", code, text, id);
    struct buf *b = &c->reply.body;
    buf_printf(b, "{\"error\":\"%s\",\"error_description\":", error);
    json_put_text(b, bytes_str(text_is_utf8(bytes_str(full)) ? full : text));
    buf_printf(b, ",\"error_codes\":[%d],\"timestamp\":\"%s\",\"trace_id\":\"%s\",\"correlation_id\":\"%s\"}", code, date, c->request_id,
               c->request_id);
    c->reply.status = status;
    c->reply.content_type = "application/json; charset=utf-8";
}

static void reply_json(struct call *c, json_t *doc)
{
    char *text = doc ? json_dumps(doc, JSON_COMPACT) : NULL;
    if (text) buf_put_str(&c->reply.body, text);
    c->reply.status = text ? 200 : 500;
    c->reply.content_type = "application/json; charset=utf-8";
    free(text);
    json_decref(doc);
}

/* "https://vault.azure.net/.default", "https://vault.azure.net/", "https://x.blob.core.windows.net": which of ours */
static bool audience_get(bool *is_vault, char *text)
{
    text[strcspn(text, " ")] = 0; /* of several scopes the first */
    size_t n = strlen(text);
    if (n > 9 && strcmp(text + n - 9, "/.default") == 0) text[n -= 9] = 0;
    while (n > 0 && text[n - 1] == '/') text[--n] = 0;
    *is_vault = strcasecmp(text, AUDIENCE_VAULT) == 0;
    static const char suffix[] = ".blob.core.windows.net";
    return *is_vault || strcasecmp(text, AUDIENCE_STORAGE) == 0 ||
           (strncasecmp(text, "https://", 8) == 0 && n > sizeof suffix + 7 && strcasecmp(text + n - (sizeof suffix - 1), suffix) == 0);
}

struct credentials {
    char id[CLIENT_ID_MAX + 1], secret[1024], audience[300];
};

/* id and secret from the form or HTTP Basic */
static bool basic_get(struct credentials *k, const char *header)
{
    struct buf b;
    buf_init(&b, sizeof k->secret + sizeof k->id);
    bool good = strncasecmp(header, "Basic ", 6) == 0 && base64_get(&b, bytes_str(header + 6), false) == OK;
    const char *text = good ? buf_cstr(&b) : "";
    const char *colon = strchr(text, ':');
    good = good && colon != NULL && (size_t)(colon - text) <= CLIENT_ID_MAX && strlen(colon + 1) < sizeof k->secret && strlen(text) == b.len;
    if (good) {
        /* both are form-encoded within (RFC 6749, 2.3.1) */
        struct buf form;
        buf_init(&form, FORM_MAX);
        buf_printf(&form, "i=%.*s&s=%s", (int)(colon - text), text, colon + 1);
        good = query_get(k->id, sizeof k->id, buf_view(&form), "i") && query_get(k->secret, sizeof k->secret, buf_view(&form), "s");
        secret_wipe(form.ptr, form.len);
        buf_fini(&form);
    }
    secret_wipe(b.ptr, b.len);
    buf_fini(&b);
    return good;
}

static const struct client *authenticate(struct auth *a, struct call *c, const struct credentials *k)
{
    bool known;
    const struct client *cl = auth_client_by_secret(&known, a, k->id, bytes_str(k->secret), c->rq.peer);
    (void)snprintf(c->client.id, sizeof c->client.id, "%s", known ? k->id : ""); /* for the audit log */
    if (cl != NULL) c->client.role = cl->role;
    else if (known) oauth_fail(c, 401, "invalid_client", 7000215, "Invalid client secret provided, or not from this address, for the app ", k->id);
    else oauth_fail(c, 400, "unauthorized_client", 700016, "There is no such application in this directory: ", k->id);
    return cl;
}

static void client_credentials(struct auth *a, struct call *c)
{
    struct credentials k = {0};
    char grant[64] = "";
    bool is_vault = false;
    bytes form = c->rq.body;
    const struct client *cl = NULL;
    const char *basic = call_request_header(c, "Authorization");
    bool has = query_get(k.id, sizeof k.id, form, "client_id") && query_get(k.secret, sizeof k.secret, form, "client_secret");
    if (!has && basic) has = basic_get(&k, basic);
    if (form.len > FORM_MAX || !query_get(grant, sizeof grant, form, "grant_type"))
        oauth_fail(c, 400, "invalid_request", 900144, "The request body must contain the following parameter: 'grant_type'.", "");
    else if (strcmp(grant, "client_credentials") != 0)
        oauth_fail(c, 400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type.", "");
    else if (!has) oauth_fail(c, 401, "invalid_client", 7000216, "'client_id' and 'client_secret' are required for this grant type.", "");
    else if (!query_get(k.audience, sizeof k.audience, form, "scope") && !query_get(k.audience, sizeof k.audience, form, "resource"))
        oauth_fail(c, 400, "invalid_request", 900144, "The request body must contain the following parameter: 'scope'.", "");
    else if (!audience_get(&is_vault, k.audience))
        oauth_fail(c, 400, "invalid_resource", 500011, "The resource principal was not found; this issuer knows " AUDIENCE_VAULT " and " AUDIENCE_STORAGE
                   ".", "");
    else cl = authenticate(a, c, &k);
    if (cl != NULL) {
        struct buf *b = &c->reply.body;
        buf_printf(b, "{\"token_type\":\"Bearer\",\"expires_in\":%u,\"ext_expires_in\":%u,\"access_token\":\"", a->cfg->token_s - 1, a->cfg->token_s - 1);
        enum status s = auth_issue(b, a, cl, is_vault, c->wall_ms / 1000);
        buf_put_str(b, "\"}");
        c->reply.status = s == OK ? 200 : 500;
        c->reply.content_type = "application/json; charset=utf-8";
    }
    secret_wipe(&k, sizeof k);
}

/* The metadata service's form. Its clients have no secret on a real machine; here each has one, in the header that App Service uses. */
static void managed_identity(struct auth *a, struct call *c)
{
    struct credentials k = {0};
    bool is_vault = false;
    const struct client *cl = NULL;
    const char *metadata = call_request_header(c, "Metadata"), *secret = call_request_header(c, "X-IDENTITY-HEADER");
    if (metadata == NULL || strcasecmp(metadata, "true") != 0 || call_request_header(c, "X-Forwarded-For") != NULL)
        oauth_fail(c, 400, "invalid_request", 900144, "Required metadata header not specified, or the request came through a proxy.", "");
    else if (!query_get(k.audience, sizeof k.audience, c->rq.query, "resource") || !audience_get(&is_vault, k.audience))
        oauth_fail(c, 400, "invalid_resource", 500011, "The resource principal was not found.", "");
    else if (secret == NULL || strlen(secret) >= sizeof k.secret || !query_get(k.id, sizeof k.id, c->rq.query, "client_id"))
        oauth_fail(c, 401, "invalid_client", 7000216, "client_id and the header X-IDENTITY-HEADER are required here.", "");
    else {
        (void)snprintf(k.secret, sizeof k.secret, "%s", secret);
        cl = authenticate(a, c, &k);
    }
    if (cl != NULL) {
        struct buf *b = &c->reply.body;
        uint64_t now_s = c->wall_ms / 1000;
        buf_put_str(b, "{\"access_token\":\"");
        enum status s = auth_issue(b, a, cl, is_vault, now_s);
        buf_printf(b, "\",\"client_id\":\"%s\",\"expires_in\":\"%u\",\"expires_on\":\"%llu\",\"ext_expires_in\":\"%u\",\"not_before\":\"%llu\",\"resource\":"
                   "\"%s\",\"token_type\":\"Bearer\"}", cl->id, a->cfg->token_s - 1, (unsigned long long)(now_s + a->cfg->token_s), a->cfg->token_s - 1,
                   (unsigned long long)now_s, is_vault ? AUDIENCE_VAULT : AUDIENCE_STORAGE);
        c->reply.status = s == OK ? 200 : 500;
        c->reply.content_type = "application/json; charset=utf-8";
    }
    secret_wipe(&k, sizeof k);
}

static void keys(struct auth *a, struct call *c)
{
    struct buf *b = &c->reply.body;
    buf_put_str(b, "{\"keys\":[");
    enum status s = tls_rsa_jwk(b, buf_view(&a->store->token_key_pem), a->store->token_kid, NULL);
    buf_put_str(b, "]}");
    c->reply.status = s == OK ? 200 : 500;
    c->reply.content_type = "application/json; charset=utf-8";
}

static void openid_configuration(struct auth *a, struct call *c)
{
    const char *i = a->cfg->issuer, *t = a->cfg->tenant;
    json_t *doc = json_object();
    json_object_set_new(doc, "issuer", json_sprintf("%s/%s/v2.0", i, t));
    json_object_set_new(doc, "token_endpoint", json_sprintf("%s/%s/oauth2/v2.0/token", i, t));
    json_object_set_new(doc, "authorization_endpoint", json_sprintf("%s/%s/oauth2/v2.0/authorize", i, t));
    json_object_set_new(doc, "jwks_uri", json_sprintf("%s/%s/discovery/v2.0/keys", i, t));
    json_object_set_new(doc, "token_endpoint_auth_methods_supported", json_pack("[s,s]", "client_secret_post", "client_secret_basic"));
    json_object_set_new(doc, "response_types_supported", json_pack("[s]", "token"));
    json_object_set_new(doc, "grant_types_supported", json_pack("[s]", "client_credentials"));
    json_object_set_new(doc, "subject_types_supported", json_pack("[s]", "public"));
    json_object_set_new(doc, "id_token_signing_alg_values_supported", json_pack("[s]", "RS256"));
    reply_json(c, doc);
}

static void health(struct auth *a, struct call *c)
{
    (void)a;
    buf_put_str(&c->reply.body, "ok\n");
    c->reply.status = 200;
    c->reply.content_type = "text/plain";
}

static void instance_discovery(struct auth *a, struct call *c)
{
    reply_json(c, json_pack("{s:o, s:s, s:[]}", "tenant_discovery_endpoint",
                            json_sprintf("%s/%s/v2.0/.well-known/openid-configuration", a->cfg->issuer, a->cfg->tenant), "api-version", "1.1",
                            "metadata"));
}

bool token_endpoint(struct auth *a, struct call *c, const char **op)
{
    static const struct {
        enum http_method method;
        const char *path; /* behind the tenant, or whole */
        void (*run)(struct auth *a, struct call *c);
        const char *op;
        bool whole;
    } paths[] = {
        {HTTP_GET, "/metadata/identity/oauth2/token", managed_identity, "token.issue", true},
        {HTTP_GET, "/healthz", health, NULL, true},
        {HTTP_HEAD, "/healthz", health, NULL, true},
        {HTTP_GET, "/common/discovery/instance", instance_discovery, NULL, true},
        {HTTP_POST, "/oauth2/v2.0/token", client_credentials, "token.issue", false},
        {HTTP_POST, "/oauth2/token", client_credentials, "token.issue", false},
        {HTTP_GET, "/discovery/v2.0/keys", keys, NULL, false},
        {HTTP_GET, "/discovery/keys", keys, NULL, false},
        {HTTP_GET, "/v2.0/.well-known/openid-configuration", openid_configuration, NULL, false},
        {HTTP_GET, "/.well-known/openid-configuration", openid_configuration, NULL, false},
    };
    const char *p = c->rq.path, *rest = "";
    size_t n = strlen(a->cfg->tenant);
    if (strncmp(p + 1, a->cfg->tenant, n) == 0) rest = p + 1 + n;
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        if (paths[i].method != c->rq.method || strcmp(paths[i].whole ? p : rest, paths[i].path) != 0) continue;
        *op = paths[i].op;
        paths[i].run(a, c);
        if (c->reply.status >= 200 && buf_status(&c->reply.body) != OK) {
            call_reset_reply(c);
            c->reply.status = 500;
        }
        return true;
    }
    return false;
}
