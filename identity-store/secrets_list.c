#include "identity-store/secrets.h"

#include "identity-store/text.h"
#include "lib/codec/base64.h"

static enum status put_secret(struct call *c, const struct vault_page *p, bytes key, bytes value, bool *skip)
{
    struct secret_head h;
    struct secret_version v;
    (void)key;
    enum status s = secret_head_get(&h, value);
    if (s != OK) return s;
    char name[SECRET_NAME_MAX + 1];
    if (h.name.len >= sizeof name) return E_CORRUPT;
    memcpy(name, h.name.ptr, h.name.len);
    name[h.name.len] = 0;
    bool deleted = p->table == TABLE_DELETED;
    if (deleted && secret_is_purged(c, &h)) {
        *skip = true;
        return OK;
    }
    s = secret_version_find(&v, c, name, h.version);
    return s == OK ? secret_put_bundle(c, &h, h.version, &v, deleted ? BUNDLE_DELETED : 0) : s;
}

static enum status put_version(struct call *c, const struct vault_page *p, bytes key, bytes value, bool *skip)
{
    struct secret_version v;
    (void)skip;
    if (key.len != p->prefix.len + VERSION_LEN) return E_CORRUPT;
    enum status s = secret_version_get(&v, value);
    return s == OK ? secret_put_bundle(c, &p->head, key.ptr + p->prefix.len, &v, BUNDLE_VERSION) : s;
}

static bool in_prefix(const struct vault_page *p, bytes key)
{
    return key.len >= p->prefix.len && memcmp(key.ptr, p->prefix.ptr, p->prefix.len) == 0;
}

static void put_next_link(struct call *c, const struct vault_page *p, bytes key, uint64_t max)
{
    char version[32] = "7.4";
    struct buf *b = &c->reply.body;
    if (!query_get(version, sizeof version, c->rq.query, "api-version")) version[0] = 0;
    buf_printf(b, "\"%s/%s?api-version=%s&$skiptoken=", call_base(c), p->path, version);
    base64_append(b, key, true);
    buf_printf(b, "&maxresults=%llu\"", (unsigned long long)max);
}

static enum status page_options(uint64_t *max, struct record_key *from, struct call *c, const struct vault_page *p, bool *bad)
{
    char text[KEY_MAX * 2];
    *max = PAGE_MAX;
    *from = p->prefix;
    *bad = query_has(c->rq.query, "maxresults") &&
           (!query_get(text, sizeof text, c->rq.query, "maxresults") || !u64_get(max, text) || *max < 1 || *max > PAGE_MAX);
    if (*bad) return call_fail_text(c, ERR_VAULT_BAD_PARAMETER, "Invalid maxresults: 1 to %d", PAGE_MAX);
    if (!query_has(c->rq.query, "$skiptoken")) return OK;
    struct buf b;
    buf_init(&b, KEY_MAX);
    *bad = !query_get(text, sizeof text, c->rq.query, "$skiptoken") || base64_get(&b, bytes_str(text), true) != OK || b.len == 0 ||
           !in_prefix(p, buf_view(&b));
    if (!*bad) {
        memcpy(from->ptr, b.ptr, b.len);
        from->len = b.len;
    }
    buf_fini(&b);
    return *bad ? call_fail_text(c, ERR_VAULT_BAD_PARAMETER, "Invalid $skiptoken") : OK;
}

enum status vault_list(struct call *c, const struct vault_page *p)
{
    uint64_t max, n = 0;
    struct record_key from;
    bool bad, more = false;
    enum status s = page_options(&max, &from, c, p, &bad);
    if (s != OK || bad) return s;
    struct buf *b = &c->reply.body;
    struct kv_cursor *cur;
    bytes key, value;
    s = kv_cursor_open(&cur, c->txn, p->table);
    if (s != OK) return s;
    buf_put_str(b, "{\"value\":[");
    s = from.len ? kv_cursor_seek(&key, &value, cur, key_view(&from)) : kv_cursor_next(&key, &value, cur);
    for (; s == OK && in_prefix(p, key); s = kv_cursor_next(&key, &value, cur)) {
        if (n == max) {
            more = true;
            break;
        }
        bool skip = false;
        size_t before = b->len;
        if (n > 0) buf_put_u8(b, ',');
        s = p->put(c, p, key, value, &skip);
        if (s != OK) break;
        if (skip) b->len = before;
        else n++;
    }
    if (s == OK || s == E_NOT_FOUND) {
        buf_put_str(b, "],\"nextLink\":");
        if (more) put_next_link(c, p, key, max);
        else buf_put_str(b, "null");
        buf_put_u8(b, '}');
        c->reply.status = 200;
        c->reply.content_type = "application/json; charset=utf-8";
        s = buf_status(b);
    }
    kv_cursor_close(cur);
    return s;
}

enum status secret_list(struct call *c)
{
    struct vault_page p = {.table = TABLE_SECRET, .path = "secrets", .put = put_secret};
    return vault_list(c, &p);
}

enum status deleted_list(struct call *c)
{
    struct vault_page p = {.table = TABLE_DELETED, .path = "deletedsecrets", .put = put_secret};
    return vault_list(c, &p);
}

enum status secret_versions(struct call *c)
{
    struct vault_page p = {.table = TABLE_VERSION, .put = put_version};
    if (!secret_name_is_valid(c->name)) return call_fail_text(c, ERR_VAULT_BAD_PARAMETER, "The request URI contains an invalid name: %.200s", c->name);
    enum status s = secret_find(&p.head, c, TABLE_SECRET, c->name);
    if (s == E_NOT_FOUND) return call_fail_text(c, ERR_SECRET_NOT_FOUND, "A secret with (name/id) %s was not found in this key vault.", c->name);
    if (s != OK) return s;
    p.path = arena_printf(&c->arena, "secrets/%s/versions", c->name);
    if (p.path == NULL) return E_NOMEM;
    key_of_secret(&p.prefix, c->name);
    p.prefix.ptr[p.prefix.len++] = 0;
    return vault_list(c, &p);
}
