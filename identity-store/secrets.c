#include "identity-store/secrets.h"

#include "identity-store/text.h"
#include "lib/base/rng.h"
#include "lib/codec/hex.h"
#include "lib/codec/rlp.h"

#define JSON_TYPE "application/json; charset=utf-8"

bool secret_name_is_valid(const char *name)
{
    size_t n = strlen(name);
    return n >= 1 && n <= SECRET_NAME_MAX && strspn(name, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-") == n;
}

/* ------------------------------------------------------------------ tables */

bool secret_is_purged(const struct call *c, const struct secret_head *h)
{
    return h->purge_s != 0 && h->purge_s <= c->wall_ms / 1000;
}

enum status secret_find(struct secret_head *out, struct call *c, enum store_table table, const char *name)
{
    struct record_key k;
    bytes v;
    key_of_secret(&k, name);
    enum status s = kv_get(&v, c->txn, table, key_view(&k));
    if (s != OK) return s;
    struct secret_head h;
    s = secret_head_get(&h, v);
    if (s == OK && (table == TABLE_DELETED || table == TABLE_KEY_DELETED) && secret_is_purged(c, &h)) return E_NOT_FOUND;
    if (s == OK) *out = h;
    return s;
}

enum status secret_version_find(struct secret_version *out, struct call *c, const char *name, const uint8_t version[VERSION_LEN])
{
    struct record_key k;
    bytes v;
    key_of_version(&k, name, version);
    enum status s = kv_get(&v, c->txn, TABLE_VERSION, key_view(&k));
    return s == OK ? secret_version_get(out, v) : s;
}

enum status secret_put_head(struct call *c, enum store_table table, const char *name, const struct secret_head *h)
{
    struct record_key k;
    struct buf b;
    buf_init(&b, 1024);
    key_of_secret(&k, name);
    secret_head_put(&b, h);
    enum status s = buf_status(&b);
    if (s == OK) s = kv_put(c->txn, table, key_view(&k), buf_view(&b));
    buf_fini(&b);
    return s;
}

enum status secret_put_version(struct call *c, const char *name, const uint8_t version[VERSION_LEN], const struct secret_version *v)
{
    struct record_key k;
    struct buf b;
    buf_init(&b, 128 << 10);
    key_of_version(&k, name, version);
    secret_version_put(&b, v);
    enum status s = buf_status(&b);
    if (s == OK) s = kv_put(c->txn, TABLE_VERSION, key_view(&k), buf_view(&b));
    buf_fini(&b);
    return s;
}

enum status secret_drop_versions(struct kv_txn *txn, enum store_table table, const char *name)
{
    struct record_key prefix;
    key_of_secret(&prefix, name);
    prefix.ptr[prefix.len++] = 0;
    for (;;) {
        struct kv_cursor *cur;
        struct record_key k = {.len = 0};
        bytes key, value;
        enum status s = kv_cursor_open(&cur, txn, table);
        if (s != OK) return s;
        s = kv_cursor_seek(&key, &value, cur, key_view(&prefix));
        bool ours = s == OK && key.len <= sizeof k.ptr && key.len > prefix.len && memcmp(key.ptr, prefix.ptr, prefix.len) == 0;
        if (ours) {
            memcpy(k.ptr, key.ptr, key.len);
            k.len = key.len;
        }
        kv_cursor_close(cur);
        if (s == E_NOT_FOUND || (s == OK && !ours)) break;
        if (s == OK) s = kv_delete(txn, table, key_view(&k));
        if (s != OK) return s;
    }
    prefix.len--;
    return table == TABLE_KEY_VERSION ? kv_delete(txn, TABLE_KEY_POLICY, key_view(&prefix)) : OK;
}

/* ------------------------------------------------------------------ output */

void vault_put_attributes(struct call *c, const struct secret_version *v, const char *more)
{
    struct buf *b = &c->reply.body;
    buf_printf(b, "\"attributes\":{\"enabled\":%s", v->enabled ? "true" : "false");
    if (v->nbf_s) buf_printf(b, ",\"nbf\":%llu", (unsigned long long)v->nbf_s);
    if (v->exp_s) buf_printf(b, ",\"exp\":%llu", (unsigned long long)v->exp_s);
    buf_printf(b, ",\"created\":%llu,\"updated\":%llu,\"recoveryLevel\":\"%s%s\"", (unsigned long long)v->created_s, (unsigned long long)v->updated_s,
               c->cfg->soft_delete_days < 90 ? "CustomizedRecoverable" : "Recoverable", c->cfg->purge_protection ? "" : "+Purgeable");
    if (c->api >= 71) buf_printf(b, ",\"recoverableDays\":%u", c->cfg->soft_delete_days);
    buf_put_str(b, more);
    buf_put_u8(b, '}');
}

enum status vault_put_tags(struct buf *b, bytes tags)
{
    bool first = true;
    buf_put_str(b, ",\"tags\":{");
    while (tags.len > 0) {
        bytes k, v;
        if (rlp_get_string(&k, &tags) != OK || rlp_get_string(&v, &tags) != OK) return E_CORRUPT;
        if (!first) buf_put_u8(b, ',');
        first = false;
        json_put_text(b, k);
        buf_put_u8(b, ':');
        json_put_text(b, v);
    }
    buf_put_u8(b, '}');
    return OK;
}

enum status secret_put_bundle(struct call *c, const struct secret_head *h, const uint8_t version[VERSION_LEN],
                              const struct secret_version *v, unsigned what)
{
    struct buf *b = &c->reply.body;
    const char *base = call_base(c);
    char hex[2 * VERSION_LEN + 1], name[SECRET_NAME_MAX + 1];
    if (h->name.len >= sizeof name) return E_CORRUPT;
    memcpy(name, h->name.ptr, h->name.len);
    name[h->name.len] = 0;
    hex_put(hex, version, VERSION_LEN);
    hex[2 * VERSION_LEN] = 0;
    buf_put_u8(b, '{');
    if (what & BUNDLE_VALUE) {
        struct record_key k;
        struct buf plain;
        buf_init(&plain, SECRET_VALUE_MAX);
        key_of_version(&k, name, version);
        enum status s = store_unseal(&plain, c->store, v->sealed, key_view(&k));
        if (s == OK) {
            buf_put_str(b, "\"value\":");
            json_put_text(b, buf_view(&plain));
            buf_put_u8(b, ',');
        }
        secret_wipe(plain.ptr, plain.len);
        buf_fini(&plain);
        if (s != OK) return s == E_CRYPTO ? E_CORRUPT : s;
    }
    if (v->content_type.len) {
        buf_put_str(b, "\"contentType\":");
        json_put_text(b, v->content_type);
        buf_put_u8(b, ',');
    }
    buf_printf(b, "\"id\":\"%s/secrets/%s%s%s\",", base, name, what & BUNDLE_VERSION ? "/" : "", what & BUNDLE_VERSION ? hex : "");
    vault_put_attributes(c, v, "");
    enum status s = vault_put_tags(b, v->tags);
    if (s != OK) return s;
    if (what & BUNDLE_DELETED)
        buf_printf(b, ",\"recoveryId\":\"%s/deletedsecrets/%s\",\"deletedDate\":%llu,\"scheduledPurgeDate\":%llu", base, name,
                   (unsigned long long)h->deleted_s, (unsigned long long)h->purge_s);
    buf_put_u8(b, '}');
    return buf_status(b);
}

static enum status reply_bundle(struct call *c, const struct secret_head *h, const uint8_t version[VERSION_LEN],
                                const struct secret_version *v, unsigned what)
{
    c->reply.status = 200;
    c->reply.content_type = JSON_TYPE;
    return secret_put_bundle(c, h, version, v, what);
}

static enum status not_found(struct call *c)
{
    return call_fail_text(c, ERR_SECRET_NOT_FOUND,
                          "A secret with (name/id) %.127s%s%.64s was not found in this key vault. If you recently deleted this secret you may be "
                          "able to recover it using the correct recovery command.",
                          c->name, *c->version ? "/" : "", c->version);
}

static enum status bad_name(struct call *c)
{
    return call_fail_text(c, ERR_VAULT_BAD_PARAMETER, "The request URI contains an invalid name: %.200s", c->name);
}

/* --------------------------------------------------------- bodies of requests */

void vault_input_fini(struct vault_input *in)
{
    if (in->value) secret_wipe((void *)(uintptr_t)in->value, in->value_len);
    json_decref(in->doc);
    buf_fini(&in->tags);
}

static const char *read_time(bool *has, uint64_t *out, json_t *attributes, const char *key)
{
    json_t *v = json_object_get(attributes, key);
    if (v == NULL || json_is_null(v)) return NULL;
    if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > 253402300799) return "attributes.nbf and .exp are Unix times";
    *has = true;
    *out = (uint64_t)json_integer_value(v);
    return NULL;
}

static const char *read_tags(struct vault_input *in, json_t *tags)
{
    const char *k;
    json_t *v;
    if (tags == NULL || json_is_null(tags)) return NULL;
    if (!json_is_object(tags) || json_object_size(tags) > TAGS_MAX) return "tags: at most 15 names with text";
    in->has_tags = true;
    json_object_foreach(tags, k, v)
    {
        if (!json_is_string(v) || strlen(k) > TAG_MAX || json_string_length(v) > TAG_MAX) return "tags: names and values of at most 256 characters";
        rlp_put_string(&in->tags, bytes_str(k));
        rlp_put_string(&in->tags, bytes_make(json_string_value(v), json_string_length(v)));
    }
    return buf_status(&in->tags) == OK ? NULL : "tags: too large";
}

const char *vault_input_get(struct vault_input *in, bytes body)
{
    *in = (struct vault_input){.enabled = true};
    buf_init(&in->tags, 32 << 10);
    in->doc = json_loadb(body.len ? (const char *)body.ptr : "", body.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    if (!json_is_object(in->doc)) return "The request body is no JSON object";
    json_t *value = json_object_get(in->doc, "value"), *type = json_object_get(in->doc, "contentType");
    json_t *attributes = json_object_get(in->doc, "attributes"), *enabled = json_object_get(attributes, "enabled");
    if (value != NULL && !json_is_null(value)) {
        if (!json_is_string(value)) return "value wants a text";
        in->value = json_string_value(value);
        in->value_len = json_string_length(value);
        if (in->value_len > SECRET_VALUE_MAX) return "The value is larger than 25 KB";
    }
    if (type != NULL && !json_is_null(type)) {
        if (!json_is_string(type) || json_string_length(type) > CONTENT_TYPE_MAX) return "contentType: a text of at most 255 characters";
        in->content_type = json_string_value(type);
    }
    if (attributes != NULL && !json_is_null(attributes) && !json_is_object(attributes)) return "attributes wants an object";
    if (enabled != NULL && !json_is_null(enabled)) {
        if (!json_is_boolean(enabled)) return "attributes.enabled: true or false";
        in->has_enabled = true;
        in->enabled = json_is_true(enabled);
    }
    const char *wrong = read_time(&in->has_nbf, &in->nbf_s, attributes, "nbf");
    if (wrong == NULL) wrong = read_time(&in->has_exp, &in->exp_s, attributes, "exp");
    return wrong ? wrong : read_tags(in, json_object_get(in->doc, "tags"));
}

/* ---------------------------------------------------------------- handlers */

static enum status set_version(struct call *c, const struct vault_input *in, struct secret_head *h, bool is_new)
{
    struct record_key k;
    struct buf sealed;
    buf_init(&sealed, SECRET_VALUE_MAX + 64);
    if (is_new) *h = (struct secret_head){.name = bytes_str(c->name)};
    else h->name = arena_copy(&c->arena, h->name); /* a view into the table does not outlive the writes */
    rng_fill(h->version, VERSION_LEN);
    key_of_version(&k, c->name, h->version);
    enum status s = store_seal(&sealed, c->store, bytes_make(in->value, in->value_len), key_view(&k));
    uint64_t now_s = c->wall_ms / 1000;
    struct secret_version v = {.enabled = in->enabled, .nbf_s = in->nbf_s, .exp_s = in->exp_s, .created_s = now_s, .updated_s = now_s,
                               .content_type = in->content_type ? bytes_str(in->content_type) : BYTES_EMPTY, .tags = buf_view(&in->tags),
                               .sealed = buf_view(&sealed)};
    if (s == OK) s = secret_put_version(c, c->name, h->version, &v);
    if (s == OK) s = secret_put_head(c, TABLE_SECRET, c->name, h);
    if (s == OK) s = reply_bundle(c, h, h->version, &v, BUNDLE_VALUE | BUNDLE_VERSION);
    buf_fini(&sealed);
    return s;
}

enum status secret_set(struct call *c)
{
    struct secret_head h;
    struct vault_input in;
    if (!secret_name_is_valid(c->name)) return bad_name(c);
    const char *wrong = vault_input_get(&in, c->rq.body);
    if (wrong == NULL && in.value == NULL) wrong = "The request body has no value";
    enum status s;
    if (wrong != NULL) {
        s = call_fail_text(c, ERR_VAULT_BAD_PARAMETER, "%s", wrong);
        vault_input_fini(&in);
        return s;
    }
    s = secret_find(&h, c, TABLE_DELETED, c->name);
    if (s == OK) {
        s = call_fail_text(c, ERR_SECRET_DELETED, "Secret %s is currently in a deleted but recoverable state, and its name cannot be reused; in "
                           "this state, the secret can only be recovered or purged.", c->name);
    } else if (s == E_NOT_FOUND) {
        /* one that is past its retention but not swept yet gives its name up now */
        struct record_key k;
        s = secret_find(&h, c, TABLE_SECRET, c->name);
        bool is_new = s == E_NOT_FOUND;
        bytes old;
        key_of_secret(&k, c->name);
        if (is_new && kv_get(&old, c->txn, TABLE_DELETED, key_view(&k)) == OK) {
            s = secret_drop_versions(c->txn, TABLE_VERSION, c->name);
            if (s == OK) s = kv_delete(c->txn, TABLE_DELETED, key_view(&k));
            if (s != OK) is_new = false;
        }
        if (s == OK || is_new) s = set_version(c, &in, &h, is_new);
    }
    vault_input_fini(&in);
    return s;
}

bool secret_version_id_get(uint8_t out[VERSION_LEN], const char *text)
{
    return strlen(text) == 2 * VERSION_LEN && hex_get_fixed(out, VERSION_LEN, bytes_str(text)) == OK;
}

/* head and version that c->name and c->version mean; ret E_NOT_FOUND */
static enum status find_named(struct secret_head *h, uint8_t version[VERSION_LEN], struct secret_version *v, struct call *c)
{
    enum status s = secret_find(h, c, TABLE_SECRET, c->name);
    if (s != OK) return s;
    memcpy(version, h->version, VERSION_LEN);
    if (*c->version && !secret_version_id_get(version, c->version)) return E_NOT_FOUND;
    return secret_version_find(v, c, c->name, version);
}

enum status secret_get(struct call *c)
{
    struct secret_head h;
    struct secret_version v;
    uint8_t version[VERSION_LEN];
    if (!secret_name_is_valid(c->name)) return bad_name(c);
    enum status s = find_named(&h, version, &v, c);
    if (s == E_NOT_FOUND) return not_found(c);
    if (s != OK) return s;
    if (!v.enabled) return call_fail(c, ERR_SECRET_DISABLED);
    return reply_bundle(c, &h, version, &v, BUNDLE_VALUE | BUNDLE_VERSION);
}

enum status secret_update(struct call *c)
{
    struct secret_head h;
    struct secret_version v;
    struct vault_input in;
    uint8_t version[VERSION_LEN];
    if (!secret_name_is_valid(c->name)) return bad_name(c);
    const char *wrong = vault_input_get(&in, c->rq.body);
    enum status s = OK;
    if (wrong != NULL) s = call_fail_text(c, ERR_VAULT_BAD_PARAMETER, "%s", wrong);
    else if (in.value != NULL) s = call_fail_text(c, ERR_VAULT_BAD_PARAMETER, "The value of a secret cannot be updated: set a new version");
    else {
        s = find_named(&h, version, &v, c);
        if (s == E_NOT_FOUND) {
            s = not_found(c);
        } else if (s == OK) {
            /* views into the table end with the write */
            h.name = arena_copy(&c->arena, h.name);
            v.sealed = arena_copy(&c->arena, v.sealed);
            v.tags = in.has_tags ? buf_view(&in.tags) : arena_copy(&c->arena, v.tags);
            v.content_type = in.content_type ? bytes_str(in.content_type) : arena_copy(&c->arena, v.content_type);
            if (in.has_enabled) v.enabled = in.enabled;
            if (in.has_nbf) v.nbf_s = in.nbf_s;
            if (in.has_exp) v.exp_s = in.exp_s;
            v.updated_s = c->wall_ms / 1000;
            s = secret_put_version(c, c->name, version, &v);
            if (s == OK) s = reply_bundle(c, &h, version, &v, BUNDLE_VERSION);
        }
    }
    vault_input_fini(&in);
    return s;
}

enum status secret_delete(struct call *c)
{
    struct secret_head h;
    struct secret_version v;
    struct record_key k;
    if (!secret_name_is_valid(c->name)) return bad_name(c);
    enum status s = secret_find(&h, c, TABLE_SECRET, c->name);
    if (s == E_NOT_FOUND) return not_found(c);
    if (s == OK) s = secret_version_find(&v, c, c->name, h.version);
    if (s != OK) return s;
    h.deleted_s = c->wall_ms / 1000;
    h.purge_s = h.deleted_s + (uint64_t)c->cfg->soft_delete_days * 86400;
    h.name = arena_copy(&c->arena, h.name);
    s = reply_bundle(c, &h, h.version, &v, BUNDLE_VERSION | BUNDLE_DELETED);
    if (s == OK) s = secret_put_head(c, TABLE_DELETED, c->name, &h);
    key_of_secret(&k, c->name);
    if (s == OK) s = kv_delete(c->txn, TABLE_SECRET, key_view(&k));
    return s;
}

enum status deleted_get(struct call *c)
{
    struct secret_head h;
    struct secret_version v;
    if (!secret_name_is_valid(c->name)) return bad_name(c);
    enum status s = secret_find(&h, c, TABLE_DELETED, c->name);
    if (s == E_NOT_FOUND) return not_found(c);
    if (s == OK) s = secret_version_find(&v, c, c->name, h.version);
    return s == OK ? reply_bundle(c, &h, h.version, &v, BUNDLE_VERSION | BUNDLE_DELETED) : s;
}

enum status deleted_purge(struct call *c)
{
    struct secret_head h;
    struct record_key k;
    if (!secret_name_is_valid(c->name)) return bad_name(c);
    if (c->cfg->purge_protection) return call_fail(c, ERR_PURGE_PROTECTED);
    enum status s = secret_find(&h, c, TABLE_DELETED, c->name);
    if (s == E_NOT_FOUND) return not_found(c);
    if (s == OK) s = secret_drop_versions(c->txn, TABLE_VERSION, c->name);
    key_of_secret(&k, c->name);
    if (s == OK) s = kv_delete(c->txn, TABLE_DELETED, key_view(&k));
    c->reply.status = 204;
    return s;
}

enum status deleted_recover(struct call *c)
{
    struct secret_head h;
    struct secret_version v;
    struct record_key k;
    if (!secret_name_is_valid(c->name)) return bad_name(c);
    enum status s = secret_find(&h, c, TABLE_DELETED, c->name);
    if (s == E_NOT_FOUND) return not_found(c);
    if (s == OK) s = secret_version_find(&v, c, c->name, h.version);
    if (s != OK) return s;
    h.name = arena_copy(&c->arena, h.name);
    h.deleted_s = h.purge_s = 0;
    s = reply_bundle(c, &h, h.version, &v, BUNDLE_VERSION);
    if (s == OK) s = secret_put_head(c, TABLE_SECRET, c->name, &h);
    key_of_secret(&k, c->name);
    if (s == OK) s = kv_delete(c->txn, TABLE_DELETED, key_view(&k));
    return s;
}

/* -------------------------------------------------------------------- sweep */

static enum status find_due(char name[SECRET_NAME_MAX + 1], struct kv_txn *txn, enum store_table table, uint64_t now_s)
{
    struct kv_cursor *cur;
    bytes key, value;
    enum status s = kv_cursor_open(&cur, txn, table);
    if (s != OK) return s;
    while ((s = kv_cursor_next(&key, &value, cur)) == OK) {
        struct secret_head h;
        s = secret_head_get(&h, value);
        if (s != OK) break;
        if (h.purge_s > now_s || key.len > SECRET_NAME_MAX) continue;
        memcpy(name, key.ptr, key.len);
        name[key.len] = 0;
        break;
    }
    kv_cursor_close(cur);
    return s;
}

/* ret E_NOT_FOUND: no more of them */
static enum status sweep_table(size_t *n, struct kv_txn *txn, enum store_table deleted, enum store_table versions, uint64_t now_s)
{
    char name[SECRET_NAME_MAX + 1];
    enum status s;
    while ((s = find_due(name, txn, deleted, now_s)) == OK) {
        struct record_key k;
        key_of_secret(&k, name);
        s = secret_drop_versions(txn, versions, name);
        if (s == OK) s = kv_delete(txn, deleted, key_view(&k));
        if (s != OK) break;
        ++*n;
    }
    return s;
}

enum status secrets_sweep(size_t *n, struct store *st, uint64_t now_s)
{
    struct kv_txn *txn;
    size_t swept = 0;
    enum status s = kv_begin(&txn, st->kv, true);
    if (s != OK) return s;
    s = sweep_table(&swept, txn, TABLE_DELETED, TABLE_VERSION, now_s);
    if (s == E_NOT_FOUND) s = sweep_table(&swept, txn, TABLE_KEY_DELETED, TABLE_KEY_VERSION, now_s);
    if (s == E_NOT_FOUND && swept > 0) s = kv_commit(txn);
    else {
        kv_abort(txn);
        if (s == E_NOT_FOUND) s = OK;
    }
    if (s == OK) *n = swept;
    return s;
}
