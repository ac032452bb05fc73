#include "identity-store/secrets.h"

#include "lib/codec/base64.h"
#include "lib/codec/rlp.h"

#include <jansson.h>

/* A backup of a secret or key is its head and every version as they stand in the tables, sealed as a whole under the data key: only this store
 * opens it. */
enum { BACKUP_MAX = 20 << 20 };

struct kind {
    const char *about; /* a backup of one kind is none of the other */
    enum store_table live, deleted, versions;
    enum rest_error none, exists;
    const char *word;
};

static const struct kind SECRETS = {"secret backup 1", TABLE_SECRET, TABLE_DELETED, TABLE_VERSION, ERR_SECRET_NOT_FOUND, ERR_SECRET_EXISTS, "secret"},
                         KEYS = {"key backup 1", TABLE_KEY, TABLE_KEY_DELETED, TABLE_KEY_VERSION, ERR_KEY_NOT_FOUND, ERR_KEY_EXISTS, "key"};

static enum status put_versions(struct buf *out, size_t *n, struct call *c, const struct kind *kind)
{
    struct record_key prefix;
    struct kv_cursor *cur;
    bytes key, value;
    key_of_secret(&prefix, c->name);
    prefix.ptr[prefix.len++] = 0;
    enum status s = kv_cursor_open(&cur, c->txn, kind->versions);
    if (s != OK) return s;
    s = kv_cursor_seek(&key, &value, cur, key_view(&prefix));
    for (*n = 0; s == OK && key.len == prefix.len + VERSION_LEN && memcmp(key.ptr, prefix.ptr, prefix.len) == 0;
         s = kv_cursor_next(&key, &value, cur)) {
        rlp_put_string(out, bytes_make(key.ptr + prefix.len, VERSION_LEN));
        rlp_put_string(out, value);
        ++*n;
    }
    kv_cursor_close(cur);
    return s == OK || s == E_NOT_FOUND ? buf_status(out) : s;
}

static enum status backup(struct call *c, const struct kind *kind)
{
    struct secret_head h;
    if (!secret_name_is_valid(c->name)) return call_fail(c, ERR_VAULT_BAD_PARAMETER);
    enum status s = secret_find(&h, c, kind->live, c->name);
    if (s == E_NOT_FOUND) return call_fail_text(c, kind->none, "A %s with (name/id) %s was not found in this key vault.", kind->word, c->name);
    if (s != OK) return s;
    struct buf plain, sealed;
    size_t n = 0;
    buf_init(&plain, BACKUP_MAX);
    buf_init(&sealed, BACKUP_MAX + 64);
    size_t l = rlp_list_open(&plain);
    rlp_put_string(&plain, h.name);
    rlp_put_string(&plain, bytes_make(h.version, VERSION_LEN));
    s = put_versions(&plain, &n, c, kind);
    if (s == OK) rlp_list_close(&plain, l);
    if (s == OK) s = store_seal(&sealed, c->store, buf_view(&plain), bytes_str(kind->about));
    if (s == OK && n > BACKUP_VERSIONS_MAX) {
        s = call_fail(c, ERR_SECRET_VERSIONS);
    } else if (s == OK) {
        buf_put_str(&c->reply.body, "{\"value\":\"");
        base64_append(&c->reply.body, buf_view(&sealed), true);
        buf_put_str(&c->reply.body, "\"}");
        c->reply.status = 200;
        c->reply.content_type = "application/json; charset=utf-8";
        s = buf_status(&c->reply.body);
    }
    buf_fini(&plain);
    buf_fini(&sealed);
    return s;
}

enum status secret_backup(struct call *c)
{
    return backup(c, &SECRETS);
}

enum status key_backup(struct call *c)
{
    return backup(c, &KEYS);
}

/* a secret's version stands in k->v */
static enum status get_version(struct key_version *k, const struct kind *kind, bytes value)
{
    return kind == &KEYS ? key_version_get(k, value) : secret_version_get(&k->v, value);
}

/* the whole of a backup to the tables; ret E_DECODE: not well formed, E_EXISTS: the name is in use */
static enum status restore(struct call *c, const struct kind *kind, bytes plain)
{
    bytes l, name, version, value;
    struct secret_head h = {0}, other;
    struct key_version v, current = {0};
    bool has_current = false;
    if (rlp_get_list(&l, &plain) != OK || rlp_get_string(&name, &l) != OK || rlp_get_fixed(h.version, VERSION_LEN, &l) != OK) return E_DECODE;
    char *text = arena_printf(&c->arena, "%.*s", (int)name.len, (const char *)name.ptr);
    if (text == NULL || !secret_name_is_valid(text)) return E_DECODE;
    h.name = bytes_str(text);
    c->name = text;
    enum status s = secret_find(&other, c, kind->live, text);
    if (s == E_NOT_FOUND) s = secret_find(&other, c, kind->deleted, text);
    if (s != E_NOT_FOUND) return s == OK ? E_EXISTS : s;
    s = secret_drop_versions(c->txn, kind->versions, text); /* of one that is past its retention */
    while (s == OK && l.len > 0) {
        struct record_key k;
        if (rlp_get_string(&version, &l) != OK || version.len != VERSION_LEN || rlp_get_string(&value, &l) != OK ||
            get_version(&v, kind, value) != OK)
            return E_DECODE;
        key_of_version(&k, text, version.ptr);
        s = kv_put(c->txn, kind->versions, key_view(&k), value);
        if (memcmp(version.ptr, h.version, VERSION_LEN) == 0) {
            current = v;
            has_current = true;
        }
    }
    if (s != OK) return s;
    if (!has_current) return E_DECODE;
    s = secret_put_head(c, kind->live, text, &h);
    if (s != OK) return s;
    if (kind == &KEYS) return key_put_bundle(c, &h, h.version, &current);
    c->reply.status = 200;
    c->reply.content_type = "application/json; charset=utf-8";
    return secret_put_bundle(c, &h, h.version, &current.v, BUNDLE_VERSION);
}

static enum status restore_body(struct call *c, const struct kind *kind)
{
    struct buf sealed, plain;
    bytes body = c->rq.body;
    json_t *doc = json_loadb(body.len ? (const char *)body.ptr : "", body.len, 0, NULL);
    json_t *value = json_object_get(doc, "value");
    buf_init(&sealed, BACKUP_MAX + 64);
    buf_init(&plain, BACKUP_MAX);
    enum status s = E_DECODE;
    if (json_is_string(value)) s = base64_get(&sealed, bytes_make(json_string_value(value), json_string_length(value)), true);
    if (s == OK) s = store_unseal(&plain, c->store, buf_view(&sealed), bytes_str(kind->about));
    bool opened = s == OK;
    if (s == OK) s = restore(c, kind, buf_view(&plain));
    if (s == E_EXISTS) s = call_fail(c, kind->exists);
    else if (!opened) s = call_fail_text(c, ERR_VAULT_BAD_PARAMETER, "The backup is malformed or not of this vault");
    json_decref(doc);
    buf_fini(&sealed);
    buf_fini(&plain);
    return s;
}

enum status secret_restore(struct call *c)
{
    return restore_body(c, &SECRETS);
}

enum status key_restore(struct call *c)
{
    return restore_body(c, &KEYS);
}
