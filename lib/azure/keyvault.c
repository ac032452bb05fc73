#include "lib/azure/keyvault.h"

#include "lib/codec/base64.h"
#include "lib/codec/json.h"
#include "lib/crypto/secp256k1.h"

#include <jansson.h>
#include <strings.h>

#define API "api-version=7.4"

enum { PATH_MAX_LEN = 2048, TAGS_MAX = 32 };

struct keyvault {
    struct azure_rest *rest;
};

enum status keyvault_new(struct keyvault **out, const struct azure_service_config *cfg, struct err *err)
{
    struct keyvault *v = calloc(1, sizeof *v);
    if (v == NULL) return err_set(err, E_NOMEM, "Key Vault: out of memory");
    enum status s = azure_rest_new(&v->rest, cfg, "Key Vault", AZURE_RESOURCE_VAULT, err);
    if (s != OK) {
        free(v);
        return s;
    }
    *out = v;
    return OK;
}

void keyvault_free(struct keyvault *v)
{
    if (v == NULL) return;
    azure_rest_free(v->rest);
    free(v);
}

static bool is_name(const char *s)
{
    size_t n = strlen(s);
    return n >= 1 && n <= 127 && strspn(s, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-") == n;
}

static enum status check_name(const char *name, struct err *err)
{
    if (is_name(name)) return OK;
    return err_set(err, E_INVALID, "\"%.140s\" is no name of a secret or key: 1 to 127 letters, digits and '-'", name);
}

/* Run a call and parse its JSON; the answer's bytes, which may be a secret, are wiped. doc may be NULL for 204. */
static enum status run(json_t **doc, struct keyvault *v, const struct azure_call *c, struct err *err)
{
    struct http_client_response resp;
    enum status s = azure_rest_do(&resp, v->rest, c, NULL, err);
    if (s != OK) return s;
    if (doc != NULL) {
        *doc = json_loadb(resp.body.len ? (const char *)resp.body.ptr : "", resp.body.len, 0, NULL);
        if (!json_is_object(*doc)) {
            json_decref(*doc);
            s = err_set(err, E_DECODE, "Key Vault %s: %s: the answer is no JSON object", azure_rest_base(v->rest), c->op);
        }
    }
    secret_wipe(resp.body.ptr, resp.body.len);
    http_client_response_fini(&resp);
    return s;
}

static uint64_t number_of(json_t *o, const char *key)
{
    json_t *v = json_object_get(o, key);
    return json_is_integer(v) && json_integer_value(v) > 0 ? (uint64_t)json_integer_value(v) : 0;
}

/* ---------------------------------------------------------------- one secret */

enum status keyvault_secret_set(char id[KEYVAULT_URI_MAX], struct keyvault *v, const char *name, bytes value, const char *content_type,
                                const struct keyvault_tag *tags, size_t n_tags, struct err *err)
{
    enum status s = check_name(name, err);
    if (s != OK) return s;
    if (value.len > KEYVAULT_SECRET_MAX) return err_set(err, E_LIMIT, "secret %s: over %d bytes", name, KEYVAULT_SECRET_MAX);
    json_t *o = json_object(), *t = json_object(), *doc = NULL;
    json_t *val = json_stringn(value.len ? (const char *)value.ptr : "", value.len);
    bool ok = val != NULL && json_object_set(o, "value", val) == 0;
    if (content_type) ok = json_object_set_new(o, "contentType", json_string(content_type)) == 0 && ok;
    for (size_t i = 0; i < n_tags; i++) ok = json_object_set_new(t, tags[i].name, json_string(tags[i].value)) == 0 && ok;
    ok = json_object_set(o, "tags", t) == 0 && ok;
    char *body = ok ? json_dumps(o, JSON_COMPACT) : NULL;
    char path[PATH_MAX_LEN], op[200];
    (void)snprintf(path, sizeof path, "/secrets/%s?" API, name);
    (void)snprintf(op, sizeof op, "set secret %s", name);
    if (body == NULL) {
        s = err_set(err, E_INVALID, "secret %s: value, content type and tags must be UTF-8", name);
    } else {
        const char *headers[] = {"Content-Type: application/json"};
        struct azure_call c = {.op = op, .permission = "secrets/set", .method = "PUT", .path = path, .headers = headers, .n_headers = 1,
                               .body = bytes_str(body), .has_body = true};
        s = run(&doc, v, &c, err);
    }
    if (s == OK && id != NULL) {
        if (strlen(json_text(doc, "id")) >= KEYVAULT_URI_MAX || *json_text(doc, "id") == 0)
            s = err_set(err, E_DECODE, "Key Vault %s: %s: the answer has no id", azure_rest_base(v->rest), op);
        else (void)snprintf(id, KEYVAULT_URI_MAX, "%s", json_text(doc, "id"));
    }
    if (body) secret_wipe(body, strlen(body));
    if (val) secret_wipe((void *)(uintptr_t)json_string_value(val), json_string_length(val));
    free(body);
    json_decref(val);
    json_decref(t);
    json_decref(o);
    json_decref(doc);
    return s;
}

static enum status get_path(struct buf *value, struct keyvault *v, const char *path, const char *op, struct err *err)
{
    json_t *doc;
    struct azure_call c = {.op = op, .permission = "secrets/get", .method = "GET", .path = path};
    enum status s = run(&doc, v, &c, err);
    if (s != OK) return s;
    json_t *val = json_object_get(doc, "value");
    if (!json_is_string(val)) {
        s = err_set(err, E_DECODE, "Key Vault %s: %s: the answer has no value", azure_rest_base(v->rest), op);
    } else {
        buf_put(value, json_string_value(val), json_string_length(val));
        secret_wipe((void *)(uintptr_t)json_string_value(val), json_string_length(val));
        s = buf_status(value);
        if (s != OK) s = err_set(err, s, "%s: value over %zu bytes", op, value->max);
    }
    json_decref(doc);
    return s;
}

enum status keyvault_secret_get(struct buf *value, struct keyvault *v, const char *name, const char *version, struct err *err)
{
    enum status s = check_name(name, err);
    if (s == OK && version != NULL) s = check_name(version, err);
    if (s != OK) return s;
    char path[PATH_MAX_LEN], op[200];
    (void)snprintf(path, sizeof path, "/secrets/%s%s%s?" API, name, version ? "/" : "", version ? version : "");
    (void)snprintf(op, sizeof op, "get secret %s", name);
    return get_path(value, v, path, op, err);
}

/* "https://vault[:port]/secrets/name[/version]" -> what follows folder ("/secrets/" or "/keys/") */
static bool split_uri(char name[128], char version[128], const char *uri, const char *folder, size_t *base_len)
{
    const char *host = strstr(uri, "://");
    const char *slash = host ? strchr(host + 3, '/') : NULL;
    if (slash == NULL || strncmp(slash, folder, strlen(folder)) != 0) return false;
    const char *p = slash + strlen(folder);
    size_t n = strcspn(p, "/");
    if (n == 0 || n > 127) return false;
    memcpy(name, p, n);
    name[n] = 0;
    p += n;
    version[0] = 0;
    if (*p == '/') {
        n = strlen(++p);
        if (n > 127) return false;
        memcpy(version, p, n + 1);
    }
    *base_len = (size_t)(slash - uri);
    return is_name(name) && (version[0] == 0 || is_name(version));
}

bool keyvault_secret_name(char name[128], const char *uri)
{
    char n[128], version[128];
    size_t base;
    if (!split_uri(n, version, uri, "/secrets/", &base)) return false;
    memcpy(name, n, sizeof n);
    return true;
}

/* name and version of a URI of this vault: a token is never sent elsewhere */
static enum status own_uri(char name[128], char version[128], struct keyvault *v, const char *uri, const char *folder, const char *what,
                           struct err *err)
{
    size_t base;
    if (!split_uri(name, version, uri, folder, &base)) return err_set(err, E_INVALID, "\"%.300s\" is no URI of a %s", uri, what);
    const char *own = azure_rest_base(v->rest);
    if (strlen(own) != base || strncasecmp(own, uri, base) != 0)
        return err_set(err, E_INVALID, "the %s %.300s is not in the vault %s", what, uri, own);
    return OK;
}

enum status keyvault_secret_get_uri(struct buf *value, struct keyvault *v, const char *uri, struct err *err)
{
    char name[128], version[128];
    enum status s = own_uri(name, version, v, uri, "/secrets/", "secret", err);
    return s == OK ? keyvault_secret_get(value, v, name, version[0] ? version : NULL, err) : s;
}

static enum status enable(struct keyvault *v, const char *what, const char *permission, const char *name, const char *version, bool enabled,
                          struct err *err)
{
    enum status s = check_name(name, err);
    if (s == OK && version != NULL) s = check_name(version, err);
    if (s != OK) return s;
    char path[PATH_MAX_LEN], op[200];
    (void)snprintf(path, sizeof path, "/%ss/%s/%s?" API, what, name, version ? version : "");
    (void)snprintf(op, sizeof op, "%s %s %s", enabled ? "enable" : "disable", what, name);
    const char *headers[] = {"Content-Type: application/json"};
    struct azure_call c = {.op = op, .permission = permission, .method = "PATCH", .path = path, .headers = headers, .n_headers = 1,
                           .body = bytes_str(enabled ? "{\"attributes\":{\"enabled\":true}}" : "{\"attributes\":{\"enabled\":false}}"),
                           .has_body = true};
    return run(NULL, v, &c, err);
}

enum status keyvault_secret_enable(struct keyvault *v, const char *name, const char *version, bool enabled, struct err *err)
{
    return enable(v, "secret", "secrets/set", name, version, enabled, err);
}

static enum status plain(struct keyvault *v, const char *method, const char *folder, const char *name, const char *tail, const char *verb,
                         const char *permission, struct err *err)
{
    enum status s = check_name(name, err);
    if (s != OK) return s;
    char path[PATH_MAX_LEN], op[200];
    (void)snprintf(path, sizeof path, "/%s/%s%s?" API, folder, name, tail);
    (void)snprintf(op, sizeof op, "%s secret %s", verb, name);
    struct azure_call c = {.op = op, .permission = permission, .method = method, .path = path, .has_body = strcmp(method, "POST") == 0};
    return run(NULL, v, &c, err);
}

enum status keyvault_secret_delete(struct keyvault *v, const char *name, struct err *err)
{
    return plain(v, "DELETE", "secrets", name, "", "delete", "secrets/delete", err);
}

enum status keyvault_secret_recover(struct keyvault *v, const char *name, struct err *err)
{
    return plain(v, "POST", "deletedsecrets", name, "/recover", "recover", "secrets/recover", err);
}

enum status keyvault_secret_purge(struct keyvault *v, const char *name, struct err *err)
{
    return plain(v, "DELETE", "deletedsecrets", name, "", "purge", "secrets/purge", err);
}

/* ---------------------------------------------------------------------- keys */

bool keyvault_key_name(char name[128], const char *uri)
{
    char n[128], version[128];
    size_t base;
    if (!split_uri(n, version, uri, "/keys/", &base)) return false;
    memcpy(name, n, sizeof n);
    return true;
}

enum status keyvault_key_enable(struct keyvault *v, const char *name, const char *version, bool enabled, struct err *err)
{
    return enable(v, "key", "keys/update", name, version, enabled, err);
}

static bool b64_get(uint8_t *dst, size_t len, const char *text)
{
    struct buf b;
    buf_init(&b, 256);
    bool good = base64_get(&b, bytes_str(text), true) == OK && b.len == len;
    if (good) memcpy(dst, b.ptr, len);
    buf_fini(&b);
    return good;
}

/* a POST or PUT with a JSON body, which is wiped */
static enum status send_json(json_t **doc, struct keyvault *v, const char *method, const char *path, const char *op, const char *permission,
                             struct buf *body, unsigned deadline_ms, struct err *err)
{
    const char *headers[] = {"Content-Type: application/json"};
    enum status s = buf_status(body);
    if (s != OK) return err_set(err, s, "%s: request too long", op);
    struct azure_call c = {.op = op, .permission = permission, .method = method, .path = path, .headers = headers, .n_headers = 1,
                           .body = buf_view(body), .has_body = true, .deadline_ms = deadline_ms};
    s = run(doc, v, &c, err);
    secret_wipe(body->ptr, body->len);
    return s;
}

/* id and public key of a key bundle */
static enum status take_key(char *id, uint8_t *pub, json_t *doc, const struct keyvault *v, const char *op, struct err *err)
{
    json_t *key = json_object_get(doc, "key");
    uint8_t xy[64];
    const char *kid = json_text(key, "kid"), *crv = json_text(key, "crv");
    if (strcmp(crv, "P-256K") != 0 || !b64_get(xy, 32, json_text(key, "x")) || !b64_get(xy + 32, 32, json_text(key, "y")))
        return err_set(err, E_INVALID, "Key Vault %s: %s: no key of the curve P-256K", azure_rest_base(v->rest), op);
    if (*kid == 0 || strlen(kid) >= KEYVAULT_URI_MAX) return err_set(err, E_DECODE, "Key Vault %s: %s: the answer has no kid", azure_rest_base(v->rest), op);
    if (id != NULL) (void)snprintf(id, KEYVAULT_URI_MAX, "%s", kid);
    if (pub != NULL) memcpy(pub, xy, sizeof xy);
    return OK;
}

enum status keyvault_key_import(char id[KEYVAULT_URI_MAX], struct keyvault *v, const char *name, const secret32 *key,
                                const struct keyvault_tag *tags, size_t n_tags, struct err *err)
{
    char path[PATH_MAX_LEN], op[200];
    uint8_t pub[64];
    json_t *doc = NULL, *t = json_object();
    struct buf body;
    enum status s = check_name(name, err);
    if (s == OK && ec_public(pub, key) != OK) s = err_set(err, E_INVALID, "key %s: no valid private key", name);
    buf_init(&body, 16 << 10);
    for (size_t i = 0; s == OK && i < n_tags; i++)
        if (json_object_set_new(t, tags[i].name, json_string(tags[i].value)) != 0) s = err_set(err, E_INVALID, "key %s: tags must be UTF-8", name);
    char *tag_text = json_dumps(t, JSON_COMPACT);
    if (s == OK && tag_text == NULL) s = E_NOMEM;
    if (s == OK) {
        (void)snprintf(path, sizeof path, "/keys/%s?" API, name);
        (void)snprintf(op, sizeof op, "import key %s", name);
        buf_put_str(&body, "{\"key\":{\"kty\":\"EC\",\"crv\":\"P-256K\",\"key_ops\":[\"sign\",\"verify\"],\"x\":\"");
        base64_append(&body, bytes_make(pub, 32), true);
        buf_put_str(&body, "\",\"y\":\"");
        base64_append(&body, bytes_make(pub + 32, 32), true);
        buf_put_str(&body, "\",\"d\":\"");
        base64_append(&body, bytes_make(key->b, 32), true);
        buf_printf(&body, "\"},\"tags\":%s}", tag_text);
        s = send_json(&doc, v, "PUT", path, op, "keys/import", &body, 0, err);
    }
    if (s == OK) s = take_key(id, NULL, doc, v, op, err);
    secret_wipe(body.ptr, body.len);
    buf_fini(&body);
    free(tag_text);
    json_decref(t);
    json_decref(doc);
    return s;
}

enum status keyvault_key_create(char id[KEYVAULT_URI_MAX], uint8_t pub[static 64], struct keyvault *v, const char *name, struct err *err)
{
    char path[PATH_MAX_LEN], op[200];
    json_t *doc = NULL;
    struct buf body;
    enum status s = check_name(name, err);
    if (s != OK) return s;
    buf_init(&body, 256);
    (void)snprintf(path, sizeof path, "/keys/%s/create?" API, name);
    (void)snprintf(op, sizeof op, "create key %s", name);
    buf_put_str(&body, "{\"kty\":\"EC\",\"crv\":\"P-256K\",\"key_ops\":[\"sign\",\"verify\"]}");
    s = send_json(&doc, v, "POST", path, op, "keys/create", &body, 0, err);
    if (s == OK) s = take_key(id, pub, doc, v, op, err);
    buf_fini(&body);
    json_decref(doc);
    return s;
}

enum status keyvault_key_get_uri(uint8_t pub[static 64], struct keyvault *v, const char *uri, struct err *err)
{
    char name[128], version[128], path[PATH_MAX_LEN], op[200];
    json_t *doc;
    enum status s = own_uri(name, version, v, uri, "/keys/", "key", err);
    if (s != OK) return s;
    (void)snprintf(path, sizeof path, "/keys/%s/%s?" API, name, version);
    (void)snprintf(op, sizeof op, "get key %s", name);
    struct azure_call c = {.op = op, .permission = "keys/get", .method = "GET", .path = path};
    s = run(&doc, v, &c, err);
    if (s != OK) return s;
    s = take_key(NULL, pub, doc, v, op, err);
    json_decref(doc);
    return s;
}

/* {"alg","value"} to a key's operation that answers {"kid","value"}; the document is the caller's */
static enum status wrap_call(json_t **doc, char op[200], struct keyvault *v, const char *uri, bool wrap, const char *algorithm, bytes value, struct err *err)
{
    char name[128], version[128], path[PATH_MAX_LEN];
    struct buf body;
    enum status s = own_uri(name, version, v, uri, "/keys/", "key", err);
    if (s != OK) return s;
    buf_init(&body, 8192);
    (void)snprintf(path, sizeof path, "/keys/%s/%s/%swrapkey?" API, name, version, wrap ? "" : "un");
    (void)snprintf(op, 200, "%swrap with key %s", wrap ? "" : "un", name);
    buf_printf(&body, "{\"alg\":\"%s\",\"value\":\"", algorithm);
    base64_append(&body, value, true);
    buf_put_str(&body, "\"}");
    s = send_json(doc, v, "POST", path, op, wrap ? "keys/wrapKey" : "keys/unwrapKey", &body, 0, err);
    buf_fini(&body);
    return s;
}

enum status keyvault_key_wrap_uri(char id[KEYVAULT_URI_MAX], struct buf *wrapped, struct keyvault *v, const char *uri, const char *algorithm, const secret32 *key,
                                  struct err *err)
{
    char op[200];
    json_t *doc = NULL;
    enum status s = wrap_call(&doc, op, v, uri, true, algorithm, bytes_make(key->b, sizeof key->b), err);
    if (s != OK) return s;
    const char *kid = json_text(doc, "kid"), *value = json_text(doc, "value");
    bool good = *kid != 0 && strlen(kid) < KEYVAULT_URI_MAX && *value != 0 && base64_get(wrapped, bytes_str(value), true) == OK;
    if (good) (void)snprintf(id, KEYVAULT_URI_MAX, "%s", kid);
    else s = err_set(err, E_DECODE, "Key Vault %s: %s: the answer has no kid and value", azure_rest_base(v->rest), op);
    json_decref(doc);
    return s;
}

enum status keyvault_key_unwrap_uri(secret32 *key, struct keyvault *v, const char *uri, const char *algorithm, bytes wrapped, struct err *err)
{
    char op[200];
    json_t *doc = NULL;
    enum status s = wrap_call(&doc, op, v, uri, false, algorithm, wrapped, err);
    if (s != OK) return s;
    const char *value = json_text(doc, "value");
    if (!b64_get(key->b, sizeof key->b, value)) s = err_set(err, E_DECODE, "Key Vault %s: %s: the answer is no key of 32 bytes", azure_rest_base(v->rest), op);
    secret_wipe((void *)(uintptr_t)value, strlen(value));
    json_decref(doc);
    return s;
}

enum status keyvault_key_sign_uri(uint8_t rs[static 64], struct keyvault *v, const char *uri, const uint8_t digest[static 32],
                                  unsigned deadline_ms, struct err *err)
{
    char name[128], version[128], path[PATH_MAX_LEN], op[200];
    json_t *doc = NULL;
    struct buf body;
    enum status s = own_uri(name, version, v, uri, "/keys/", "key", err);
    if (s != OK) return s;
    buf_init(&body, 256);
    (void)snprintf(path, sizeof path, "/keys/%s/%s/sign?" API, name, version);
    (void)snprintf(op, sizeof op, "sign with key %s", name);
    buf_put_str(&body, "{\"alg\":\"ES256K\",\"value\":\"");
    base64_append(&body, bytes_make(digest, 32), true);
    buf_put_str(&body, "\"}");
    s = send_json(&doc, v, "POST", path, op, "keys/sign", &body, deadline_ms, err);
    if (s == OK && !b64_get(rs, 64, json_text(doc, "value")))
        s = err_set(err, E_DECODE, "Key Vault %s: %s: the answer is no signature of 64 bytes", azure_rest_base(v->rest), op);
    buf_fini(&body);
    json_decref(doc);
    return s;
}

/* --------------------------------------------------------------------- lists */

/* folder: "/secrets/", or "/keys/", whose entries call their id kid */
static enum status give_item(json_t *o, const char *folder, keyvault_item_fn fn, void *ctx)
{
    struct keyvault_tag tags[TAGS_MAX];
    char name[128], version[128];
    size_t base;
    const char *id = json_text(o, strcmp(folder, "/keys/") == 0 ? "kid" : "id");
    char live[KEYVAULT_URI_MAX];
    /* an entry of the deleted list names itself by its old id or by .../deletedsecrets/name */
    const char *d = strstr(id, "/deletedsecrets/");
    if (d != NULL) (void)snprintf(live, sizeof live, "%.*s/secrets/%s", (int)(d - id), id, d + 16);
    else (void)snprintf(live, sizeof live, "%s", id);
    if (!split_uri(name, version, live, folder, &base)) return E_DECODE;
    json_t *a = json_object_get(o, "attributes"), *t = json_object_get(o, "tags"), *tv;
    struct keyvault_item it = {.name = name, .version = version, .id = id, .content_type = json_text(o, "contentType"),
                               .enabled = !json_is_false(json_object_get(a, "enabled")), .created_s = number_of(a, "created"),
                               .updated_s = number_of(a, "updated"), .deleted_s = number_of(o, "deletedDate"),
                               .purge_s = number_of(o, "scheduledPurgeDate"), .tags = tags};
    const char *tk;
    json_object_foreach(t, tk, tv)
    {
        if (it.n_tags < TAGS_MAX && json_is_string(tv)) tags[it.n_tags++] = (struct keyvault_tag){tk, json_string_value(tv)};
    }
    return fn(ctx, &it);
}

/* The service's own link to the next page; it must lead to the same vault, since the token goes there. */
static enum status next_path(char path[PATH_MAX_LEN], struct keyvault *v, const char *link, struct err *err)
{
    const char *own = azure_rest_base(v->rest), *own_host = strstr(own, "://") + 3;
    const char *host = strstr(link, "://");
    if (host != NULL && strlen(link) < PATH_MAX_LEN && strlen(own) < PATH_MAX_LEN) {
        host += 3;
        size_t n = strcspn(host, "/"), own_n = strcspn(own_host, "/");
        /* Azure writes the port out: https://myvault.vault.azure.net:443/... */
        if (n == own_n + 4 && strncmp(host + own_n, ":443", 4) == 0) n = own_n;
        if (n == own_n && strncasecmp(host, own_host, n) == 0 && strncmp(link, own, (size_t)(own_host - own)) == 0) {
            (void)snprintf(path, PATH_MAX_LEN, "%s", host + strcspn(host, "/"));
            return OK;
        }
    }
    return err_set(err, E_DECODE, "Key Vault %s: the list goes on at another place: %.200s", own, link);
}

static enum status walk(struct keyvault *v, const char *first, const char *folder, const char *op, const char *permission, keyvault_item_fn fn,
                        void *ctx, struct err *err)
{
    char path[PATH_MAX_LEN];
    (void)snprintf(path, sizeof path, "%s", first);
    for (;;) {
        json_t *doc, *o;
        size_t i;
        struct azure_call c = {.op = op, .permission = permission, .method = "GET", .path = path};
        enum status s = run(&doc, v, &c, err);
        if (s != OK) return s;
        json_array_foreach(json_object_get(doc, "value"), i, o)
        {
            if ((s = give_item(o, folder, fn, ctx)) != OK) break;
        }
        const char *link = json_text(doc, "nextLink");
        bool more = *link != 0;
        if (s != OK) s = err_set(err, s, "Key Vault %s: %s: %s", azure_rest_base(v->rest), op, status_text(s));
        else if (more) s = next_path(path, v, link, err);
        json_decref(doc);
        if (s != OK || !more) return s;
    }
}

enum status keyvault_secret_list(struct keyvault *v, keyvault_item_fn fn, void *ctx, struct err *err)
{
    return walk(v, "/secrets?" API, "/secrets/", "list secrets", "secrets/list", fn, ctx, err);
}

static enum status versions(struct keyvault *v, const char *folder, const char *name, const char *op, const char *permission, keyvault_item_fn fn,
                            void *ctx, struct err *err)
{
    enum status s = check_name(name, err);
    if (s != OK) return s;
    char path[PATH_MAX_LEN];
    (void)snprintf(path, sizeof path, "%s%s/versions?" API, folder, name);
    return walk(v, path, folder, op, permission, fn, ctx, err);
}

enum status keyvault_secret_versions(struct keyvault *v, const char *name, keyvault_item_fn fn, void *ctx, struct err *err)
{
    return versions(v, "/secrets/", name, "list versions of a secret", "secrets/list", fn, ctx, err);
}

enum status keyvault_key_versions(struct keyvault *v, const char *name, keyvault_item_fn fn, void *ctx, struct err *err)
{
    return versions(v, "/keys/", name, "list versions of a key", "keys/list", fn, ctx, err);
}

enum status keyvault_deleted_list(struct keyvault *v, keyvault_item_fn fn, void *ctx, struct err *err)
{
    return walk(v, "/deletedsecrets?" API, "/secrets/", "list deleted secrets", "secrets/list", fn, ctx, err);
}

enum status keyvault_probe(struct keyvault *v, unsigned deadline_ms, struct err *err)
{
    struct azure_call c = {.op = "probe", .method = "GET", .path = "/secrets?maxresults=1&" API, .deadline_ms = deadline_ms};
    struct http_client_response resp;
    enum status s = azure_rest_do(&resp, v->rest, &c, NULL, err);
    if (s == OK) http_client_response_fini(&resp);
    return s == E_DENIED ? OK : s;
}
