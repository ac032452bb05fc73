#include "identity-store/routes.h"

#include "identity-store/text.h"

enum level { LEVEL_ACCOUNT, LEVEL_CONTAINER, LEVEL_BLOB };

struct vault_entry {
    enum http_method method;
    const char *path;
    struct route route;
};

struct blob_entry {
    enum http_method method;
    enum level level;
    const char *restype, *comp;
    struct route route;
};

static const struct vault_entry VAULT_ROUTES[] = {
#define VAULT(m, p, fn, w, n, a) {HTTP_##m, p, {SERVICE_VAULT, fn, w, n, a}},
#define BLOB(...)
#include "identity-store/routes.def"
#undef VAULT
#undef BLOB
};

static const struct blob_entry BLOB_ROUTES[] = {
#define VAULT(...)
#define BLOB(m, l, r, comp, fn, w, n, a) {HTTP_##m, LEVEL_##l, r, comp, {SERVICE_BLOB, fn, w, n, a}},
#include "identity-store/routes.def"
#undef VAULT
#undef BLOB
};

static const struct route NO_VAULT_ROUTE = {.service = SERVICE_VAULT}, NO_BLOB_ROUTE = {.service = SERVICE_BLOB};

static bool begins_with_part(const char *path, const char *part)
{
    size_t n = strlen(part);
    return path[0] == '/' && strncmp(path + 1, part, n) == 0 && (path[1 + n] == 0 || path[1 + n] == '/');
}

enum service route_service(const char *path)
{
    bool vault = begins_with_part(path, "secrets") || begins_with_part(path, "deletedsecrets") || begins_with_part(path, "keys") ||
                 begins_with_part(path, "deletedkeys");
    return vault ? SERVICE_VAULT : SERVICE_BLOB;
}

/* ------------------------------------------------------------------ vault */

enum { PARTS_MAX = 4 };

/* "/a/b/c" or "/a/b/" to parts in the arena; ret their number, or 0: too many, or an empty one within, but for the version in
 * /keys/name//sign: the current one */
static size_t split(const char *parts[PARTS_MAX], struct call *c)
{
    char *p = arena_strdup(&c->arena, c->rq.path + 1);
    size_t n = 0;
    while (p != NULL && *p) {
        size_t len = strcspn(p, "/");
        if (n == PARTS_MAX || (len == 0 && n != 2)) return 0;
        parts[n++] = p;
        if (p[len] == 0) break;
        p[len] = 0;
        p += len + 1;
    }
    return n;
}

static bool fits(const char *pattern, const char *const *parts, size_t n, const char *wild[2])
{
    size_t w = 0;
    for (size_t i = 0; i < n; i++) {
        size_t len = strcspn(pattern, "/");
        if (len == 0) return false;
        if (strncmp(pattern, "{}", len) == 0) wild[w++] = parts[i];
        else if (strlen(parts[i]) != len || strncmp(pattern, parts[i], len) != 0) return false;
        pattern += len;
        if (*pattern == '/') pattern++;
    }
    return *pattern == 0;
}

/* 0: not one of the documented ones. What differs: recoverableDays from 7.1; rotation and its policies, exportable from 7.3. */
static unsigned api_version(const char *v)
{
    static const char *const older[] = {"2015-06-01", "2016-10-01"}, *const newer[] = {"2025-06-01-preview", "2025-06-01", "2025-07-01"};
    if (v[0] == '7' && v[1] == '.' && v[2] >= '0' && v[2] <= '6') {
        const char *rest = v + 3;
        if (strncmp(rest, "-preview", 8) == 0) {
            rest += 8;
            if (rest[0] == '.' && rest[1] >= '1' && rest[1] <= '9') rest += 2;
        }
        return *rest == 0 ? 70 + (unsigned)(v[2] - '0') : 0;
    }
    for (size_t i = 0; i < COUNT_OF(older); i++)
        if (strcmp(v, older[i]) == 0) return 60;
    for (size_t i = 0; i < COUNT_OF(newer); i++)
        if (strcmp(v, newer[i]) == 0) return 80;
    return 0;
}

static bool method_get(enum http_method *out, const char *name)
{
    static const enum http_method all[] = {HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_PATCH, HTTP_DELETE};
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        if (strcmp(http_method_name(all[i]), name) == 0) {
            *out = all[i];
            return true;
        }
    }
    return false;
}

static enum rest_error find_vault(struct call *c)
{
    const char *parts[PARTS_MAX], *wild[2] = {"", ""};
    char version[32];
    enum http_method m = c->rq.method;
    const char *override = call_request_header(c, "X-HTTP-METHOD");
    c->route = &NO_VAULT_ROUTE;
    if (m == HTTP_POST && override != NULL && !method_get(&m, override)) return ERR_METHOD;
    size_t n = split(parts, c);
    bool path_known = false;
    for (size_t i = 0; i < COUNT_OF(VAULT_ROUTES); i++) {
        const struct vault_entry *e = &VAULT_ROUTES[i];
        const char *w[2] = {"", ""};
        if (n == 0 || !fits(e->path, parts, n, w)) continue;
        path_known = true;
        if (e->method != m) continue;
        c->route = &e->route;
        memcpy(wild, w, sizeof wild);
        break;
    }
    if (c->route == &NO_VAULT_ROUTE) return path_known ? ERR_METHOD : ERR_NO_ROUTE;
    c->name = wild[0];
    c->version = wild[1];
    if (!query_get(version, sizeof version, c->rq.query, "api-version")) return ERR_API_VERSION_MISSING;
    c->api = api_version(version);
    if (c->api == 0) return ERR_API_VERSION;
    bool since_73 = c->route->run == key_rotate || c->route->run == key_policy_get || c->route->run == key_policy_set;
    return since_73 && c->api < 73 ? ERR_NO_ROUTE : ERR_NONE;
}

/* ---------------------------------------------------------------- storage */

static bool is_container_name(const char *s)
{
    size_t n = strlen(s);
    if (strcmp(s, "$root") == 0 || strcmp(s, "$web") == 0) return true;
    if (n < 3 || n > CONTAINER_NAME_MAX || strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") != n) return false;
    return s[0] != '-' && s[n - 1] != '-' && strstr(s, "--") == NULL;
}

static enum rest_error check_names(const struct call *c)
{
    if (c->container[0] == 0) return ERR_NONE;
    size_t n = strlen(c->container);
    if (n < 3 || n > CONTAINER_NAME_MAX) return ERR_NAME_LENGTH;
    if (!is_container_name(c->container)) return ERR_INVALID_NAME;
    if (strlen(c->blob) > BLOB_NAME_BYTES_MAX) return ERR_NAME_LENGTH;
    if (!text_is_utf8(bytes_str(c->blob))) return ERR_INVALID_NAME;
    return ERR_NONE;
}

static enum rest_error find_blob(struct call *c)
{
    const char *p = c->rq.path + 1;
    char restype[32] = "", comp[32] = "";
    c->route = &NO_BLOB_ROUTE;
    c->container = c->blob = "";
    size_t account = strlen(c->cfg->account);
    if (strncmp(p, c->cfg->account, account) == 0 && (p[account] == '/' || p[account] == 0)) {
        c->has_account = true;
        p += account + (p[account] == '/');
    }
    enum level level = LEVEL_ACCOUNT;
    if (*p != 0) {
        size_t n = strcspn(p, "/");
        char *name = arena_printf(&c->arena, "%.*s", (int)(n < 1000 ? n : 1000), p);
        if (name == NULL) return ERR_INTERNAL;
        c->container = name;
        level = LEVEL_CONTAINER;
        if (p[n] == '/' && p[n + 1] != 0) {
            c->blob = p + n + 1;
            level = LEVEL_BLOB;
        }
    }
    if (query_has(c->rq.query, "restype") && !query_get(restype, sizeof restype, c->rq.query, "restype")) return ERR_INVALID_QUERY;
    if (query_has(c->rq.query, "comp") && !query_get(comp, sizeof comp, c->rq.query, "comp")) return ERR_INVALID_QUERY;
    for (size_t i = 0; i < COUNT_OF(BLOB_ROUTES); i++) {
        const struct blob_entry *e = &BLOB_ROUTES[i];
        if (e->method != c->rq.method || e->level != level || strcmp(e->restype, restype) != 0 || strcmp(e->comp, comp) != 0) continue;
        c->route = &e->route;
        break;
    }
    if (c->route == &NO_BLOB_ROUTE) return *comp ? ERR_INVALID_QUERY : ERR_METHOD;
    if (query_has(c->rq.query, "snapshot") || query_has(c->rq.query, "versionid")) return ERR_UNSUPPORTED_QUERY;
    return check_names(c);
}

enum rest_error route_find(struct call *c)
{
    c->name = c->version = c->container = c->blob = "";
    return route_service(c->rq.path) == SERVICE_VAULT ? find_vault(c) : find_blob(c);
}
