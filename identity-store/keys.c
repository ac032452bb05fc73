/* keys.c: keys of the vault: EC P-256K, in software, never given out: create, import, get, update, lists, soft delete, rotate, sign and verify
 * with ES256K. Record and life cycle are those of secrets; the private key is sealed like a secret's value. */
#include "identity-store/secrets.h"

#include "lib/base/rng.h"
#include "lib/codec/base64.h"
#include "lib/codec/hex.h"
#include "lib/crypto/secp256k1.h"

#define JSON_TYPE "application/json; charset=utf-8"

enum { RECORD_MAX = 64 << 10 };

static enum status not_found(struct call *c)
{
    return call_fail_text(c, ERR_KEY_NOT_FOUND,
                          "A key with (name/id) %.127s%s%.64s was not found in this key vault. If you recently deleted this key you may be able to "
                          "recover it using the correct recovery command.",
                          c->name, *c->version ? "/" : "", c->version);
}

static enum status bad(struct call *c, const char *what)
{
    return call_fail_text(c, ERR_VAULT_BAD_PARAMETER, "%s", what);
}

static bool name_is_good(struct call *c, enum status *s)
{
    if (secret_name_is_valid(c->name)) return true;
    *s = call_fail_text(c, ERR_VAULT_BAD_PARAMETER, "The request URI contains an invalid name: %.200s", c->name);
    return false;
}

/* ------------------------------------------------------------------ tables */

static enum status find_version(struct key_version *out, struct call *c, const char *name, const uint8_t version[VERSION_LEN])
{
    struct record_key k;
    bytes v;
    key_of_version(&k, name, version);
    enum status s = kv_get(&v, c->txn, TABLE_KEY_VERSION, key_view(&k));
    return s == OK ? key_version_get(out, v) : s;
}

static enum status put_version(struct call *c, const uint8_t version[VERSION_LEN], const struct key_version *kv)
{
    struct record_key k;
    struct buf b;
    buf_init(&b, RECORD_MAX);
    key_of_version(&k, c->name, version);
    key_version_put(&b, kv);
    enum status s = buf_status(&b);
    if (s == OK) s = kv_put(c->txn, TABLE_KEY_VERSION, key_view(&k), buf_view(&b));
    buf_fini(&b);
    return s;
}

/* head and version that c->name and c->version mean; ret E_NOT_FOUND */
static enum status find_named(struct secret_head *h, uint8_t version[VERSION_LEN], struct key_version *k, struct call *c)
{
    enum status s = secret_find(h, c, TABLE_KEY, c->name);
    if (s != OK) return s;
    memcpy(version, h->version, VERSION_LEN);
    if (*c->version && !secret_version_id_get(version, c->version)) return E_NOT_FOUND;
    return find_version(k, c, c->name, version);
}

/* what a sealed private key is bound to: no secret of the same name opens with it */
static void seal_about(struct record_key *about, const char *name, const uint8_t version[VERSION_LEN])
{
    static const char tag[] = "key";
    struct record_key k;
    key_of_version(&k, name, version);
    memcpy(about->ptr, tag, sizeof tag);
    memcpy(about->ptr + sizeof tag, k.ptr, k.len);
    about->len = sizeof tag + k.len;
}

/* views into the table end with the first write */
static void own(struct call *c, struct secret_head *h, struct key_version *k)
{
    h->name = arena_copy(&c->arena, h->name);
    k->pub = arena_copy(&c->arena, k->pub);
    k->v.tags = arena_copy(&c->arena, k->v.tags);
    k->v.sealed = arena_copy(&c->arena, k->v.sealed);
    k->v.content_type = BYTES_EMPTY;
}

/* ------------------------------------------------------------------ output */

static void put_kid(struct call *c, const struct secret_head *h, const uint8_t *version)
{
    char hex[2 * VERSION_LEN + 1] = "";
    if (version != NULL) hex_put(hex, version, VERSION_LEN);
    hex[version != NULL ? 2 * VERSION_LEN : 0] = 0;
    buf_printf(&c->reply.body, "\"kid\":\"%s/keys/%.*s%s%s\"", call_base(c), (int)h->name.len, (const char *)h->name.ptr, version ? "/" : "", hex);
}

/* version NULL: an id without version */
static enum status put_bundle(struct call *c, const struct secret_head *h, const uint8_t *version, const struct key_version *k, unsigned what)
{
    struct buf *b = &c->reply.body;
    buf_put_u8(b, '{');
    if (what & BUNDLE_VALUE) {
        buf_put_str(b, "\"key\":{");
        put_kid(c, h, version);
        buf_printf(b, ",\"kty\":\"EC\",\"key_ops\":[%s%s%s],\"crv\":\"P-256K\",\"x\":\"", k->ops & KEY_OP_SIGN ? "\"sign\"" : "",
                   k->ops == (KEY_OP_SIGN | KEY_OP_VERIFY) ? "," : "", k->ops & KEY_OP_VERIFY ? "\"verify\"" : "");
        base64_append(b, bytes_make(k->pub.ptr, 32), true);
        buf_put_str(b, "\",\"y\":\"");
        base64_append(b, bytes_make(k->pub.ptr + 32, 32), true);
        buf_put_str(b, "\"}");
    } else {
        put_kid(c, h, version);
    }
    buf_put_u8(b, ',');
    vault_put_attributes(c, &k->v, c->api >= 73 ? ",\"exportable\":false" : "");
    enum status s = vault_put_tags(b, k->v.tags);
    if (s != OK) return s;
    if (what & BUNDLE_DELETED)
        buf_printf(b, ",\"recoveryId\":\"%s/deletedkeys/%.*s\",\"deletedDate\":%llu,\"scheduledPurgeDate\":%llu", call_base(c), (int)h->name.len,
                   (const char *)h->name.ptr, (unsigned long long)h->deleted_s, (unsigned long long)h->purge_s);
    buf_put_u8(b, '}');
    return buf_status(b);
}

static enum status reply_bundle(struct call *c, const struct secret_head *h, const uint8_t version[VERSION_LEN], const struct key_version *k,
                                unsigned what)
{
    c->reply.status = 200;
    c->reply.content_type = JSON_TYPE;
    return put_bundle(c, h, version, k, what | BUNDLE_VALUE);
}

enum status key_put_bundle(struct call *c, const struct secret_head *h, const uint8_t version[VERSION_LEN], const struct key_version *k)
{
    return reply_bundle(c, h, version, k, BUNDLE_VERSION);
}

/* ------------------------------------------------------------------- input */

/* ret NULL, or what is wrong; absent: *ops stays */
static const char *read_ops(uint64_t *ops, json_t *list)
{
    json_t *v;
    size_t i;
    if (list == NULL || json_is_null(list)) return NULL;
    if (!json_is_array(list)) return "key_ops wants a list";
    uint64_t got = 0;
    json_array_foreach(list, i, v)
    {
        const char *t = json_string_value(v);
        if (t != NULL && strcmp(t, "sign") == 0) got |= KEY_OP_SIGN;
        else if (t != NULL && strcmp(t, "verify") == 0) got |= KEY_OP_VERIFY;
        else return "key_ops: a key of type EC can do sign and verify";
    }
    *ops = got;
    return NULL;
}

static const char *check_type(json_t *kty, json_t *crv)
{
    const char *t = json_string_value(kty), *v = json_string_value(crv);
    if (t == NULL || strcmp(t, "EC") != 0) return "kty: this vault has software keys of type EC only";
    if (v == NULL || (strcmp(v, "P-256K") != 0 && strcmp(v, "SECP256K1") != 0)) return "crv: this vault has the curve P-256K only";
    return NULL;
}

static bool b64_32(uint8_t out[32], json_t *text)
{
    struct buf b;
    buf_init(&b, 64);
    bool good = json_is_string(text) && base64_get(&b, bytes_make(json_string_value(text), json_string_length(text)), true) == OK && b.len == 32;
    if (good) memcpy(out, b.ptr, 32);
    if (b.ptr != NULL) secret_wipe(b.ptr, b.cap);
    buf_fini(&b);
    return good;
}

static const char *read_jwk(secret32 *key, uint8_t pub[64], uint64_t *ops, json_t *jwk)
{
    uint8_t xy[64];
    if (!json_is_object(jwk)) return "key wants an object";
    const char *wrong = check_type(json_object_get(jwk, "kty"), json_object_get(jwk, "crv"));
    if (wrong == NULL) wrong = read_ops(ops, json_object_get(jwk, "key_ops"));
    if (wrong != NULL) return wrong;
    json_t *d = json_object_get(jwk, "d");
    bool good = b64_32(key->b, d) && ec_secret_check(key) == OK && ec_public(pub, key) == OK;
    if (json_is_string(d)) secret_wipe((void *)(uintptr_t)json_string_value(d), json_string_length(d));
    if (!good) return "key.d wants a private key of P-256K: 32 bytes in base64url";
    if (!b64_32(xy, json_object_get(jwk, "x")) || !b64_32(xy + 32, json_object_get(jwk, "y")) || memcmp(xy, pub, 64) != 0)
        return "key.x and key.y want the public key that belongs to key.d";
    return NULL;
}

/* ---------------------------------------------------------------- handlers */

static enum status add_version(struct call *c, struct secret_head *h, const secret32 *key, struct key_version *k)
{
    struct record_key about;
    struct buf sealed;
    uint8_t pub[64];
    buf_init(&sealed, 128);
    rng_fill(h->version, VERSION_LEN);
    if (ec_public(pub, key) != OK) BUG("a key that was not checked");
    seal_about(&about, c->name, h->version);
    enum status s = store_seal(&sealed, c->store, bytes_make(key->b, 32), key_view(&about));
    k->v.sealed = buf_view(&sealed);
    k->v.created_s = k->v.updated_s = c->wall_ms / 1000;
    k->pub = bytes_make(pub, 64);
    if (s == OK) s = put_version(c, h->version, k);
    if (s == OK) s = secret_put_head(c, TABLE_KEY, c->name, h);
    if (s == OK) s = reply_bundle(c, h, h->version, k, BUNDLE_VERSION);
    buf_fini(&sealed);
    return s;
}

/* a new version of a key that may not exist yet */
static enum status make(struct call *c, const struct vault_input *in, const secret32 *key, uint64_t ops)
{
    struct secret_head h;
    struct record_key rk;
    bytes old;
    enum status s = secret_find(&h, c, TABLE_KEY_DELETED, c->name);
    if (s == OK)
        return call_fail_text(c, ERR_KEY_DELETED, "Key %s is currently in a deleted but recoverable state, and its name cannot be reused; in this "
                              "state, the key can only be recovered or purged.", c->name);
    if (s != E_NOT_FOUND) return s;
    s = secret_find(&h, c, TABLE_KEY, c->name);
    if (s == OK) h.name = arena_copy(&c->arena, h.name);
    else if (s != E_NOT_FOUND) return s;
    else {
        h = (struct secret_head){.name = bytes_str(c->name)};
        /* one that is past its retention but not swept yet gives its name up now */
        key_of_secret(&rk, c->name);
        s = kv_get(&old, c->txn, TABLE_KEY_DELETED, key_view(&rk));
        if (s == OK) s = secret_drop_versions(c->txn, TABLE_KEY_VERSION, c->name);
        if (s == OK) s = kv_delete(c->txn, TABLE_KEY_DELETED, key_view(&rk));
        if (s != OK && s != E_NOT_FOUND) return s;
    }
    struct key_version k = {.v = {.enabled = in->enabled, .nbf_s = in->nbf_s, .exp_s = in->exp_s, .tags = buf_view(&in->tags)}, .ops = ops};
    return add_version(c, &h, key, &k);
}

static enum status create_or_import(struct call *c, bool import)
{
    struct vault_input in;
    secret32 key = {0};
    uint8_t pub[64];
    uint64_t ops = KEY_OP_SIGN | KEY_OP_VERIFY;
    enum status s;
    if (!name_is_good(c, &s)) return s;
    const char *wrong = vault_input_get(&in, c->rq.body);
    if (wrong == NULL && import) {
        if (json_is_true(json_object_get(in.doc, "hsm"))) wrong = "hsm: this vault has software keys only";
        else wrong = read_jwk(&key, pub, &ops, json_object_get(in.doc, "key"));
    } else if (wrong == NULL) {
        wrong = check_type(json_object_get(in.doc, "kty"), json_object_get(in.doc, "crv"));
        if (wrong == NULL) wrong = read_ops(&ops, json_object_get(in.doc, "key_ops"));
        ec_secret_generate(&key);
    }
    s = wrong != NULL ? bad(c, wrong) : make(c, &in, &key, ops);
    secret_fini(&key);
    vault_input_fini(&in);
    return s;
}

enum status key_create(struct call *c)
{
    return create_or_import(c, false);
}

enum status key_import(struct call *c)
{
    return create_or_import(c, true);
}

enum status key_rotate(struct call *c)
{
    struct secret_head h;
    struct key_version k;
    uint8_t version[VERSION_LEN];
    secret32 key;
    enum status s;
    if (!name_is_good(c, &s)) return s;
    s = find_named(&h, version, &k, c);
    if (s != OK) return s == E_NOT_FOUND ? not_found(c) : s;
    own(c, &h, &k);
    k.v.enabled = true;
    k.v.nbf_s = 0;
    s = key_policy_expiry(&k.v.exp_s, c);
    ec_secret_generate(&key);
    if (s == OK) s = add_version(c, &h, &key, &k);
    secret_fini(&key);
    return s;
}

enum status key_get(struct call *c)
{
    struct secret_head h;
    struct key_version k;
    uint8_t version[VERSION_LEN];
    enum status s;
    if (!name_is_good(c, &s)) return s;
    s = find_named(&h, version, &k, c);
    if (s != OK) return s == E_NOT_FOUND ? not_found(c) : s;
    return reply_bundle(c, &h, version, &k, BUNDLE_VERSION);
}

enum status key_update(struct call *c)
{
    struct secret_head h;
    struct key_version k;
    struct vault_input in;
    uint8_t version[VERSION_LEN];
    enum status s;
    if (!name_is_good(c, &s)) return s;
    const char *wrong = vault_input_get(&in, c->rq.body);
    uint64_t ops = UINT64_MAX;
    if (wrong == NULL) wrong = read_ops(&ops, json_object_get(in.doc, "key_ops"));
    s = wrong != NULL ? bad(c, wrong) : find_named(&h, version, &k, c);
    if (wrong == NULL && s == E_NOT_FOUND) s = not_found(c);
    else if (wrong == NULL && s == OK) {
        own(c, &h, &k);
        if (ops != UINT64_MAX) k.ops = ops;
        if (in.has_tags) k.v.tags = buf_view(&in.tags);
        if (in.has_enabled) k.v.enabled = in.enabled;
        if (in.has_nbf) k.v.nbf_s = in.nbf_s;
        if (in.has_exp) k.v.exp_s = in.exp_s;
        k.v.updated_s = c->wall_ms / 1000;
        s = put_version(c, version, &k);
        if (s == OK) s = reply_bundle(c, &h, version, &k, BUNDLE_VERSION);
    }
    vault_input_fini(&in);
    return s;
}

/* between TABLE_KEY and TABLE_KEY_DELETED */
static enum status move(struct call *c, enum store_table from, enum store_table to)
{
    struct secret_head h;
    struct key_version k;
    struct record_key rk;
    bool deleted = to == TABLE_KEY_DELETED;
    enum status s;
    if (!name_is_good(c, &s)) return s;
    s = secret_find(&h, c, from, c->name);
    if (s == E_NOT_FOUND) return not_found(c);
    if (s == OK) s = find_version(&k, c, c->name, h.version);
    if (s != OK) return s;
    h.name = arena_copy(&c->arena, h.name);
    h.deleted_s = deleted ? c->wall_ms / 1000 : 0;
    h.purge_s = deleted ? h.deleted_s + (uint64_t)c->cfg->soft_delete_days * 86400 : 0;
    s = reply_bundle(c, &h, h.version, &k, deleted ? BUNDLE_DELETED : 0);
    if (s == OK) s = secret_put_head(c, to, c->name, &h);
    key_of_secret(&rk, c->name);
    if (s == OK) s = kv_delete(c->txn, from, key_view(&rk));
    return s;
}

enum status key_delete(struct call *c)
{
    return move(c, TABLE_KEY, TABLE_KEY_DELETED);
}

enum status deleted_key_recover(struct call *c)
{
    return move(c, TABLE_KEY_DELETED, TABLE_KEY);
}

enum status deleted_key_get(struct call *c)
{
    struct secret_head h;
    struct key_version k;
    enum status s;
    if (!name_is_good(c, &s)) return s;
    s = secret_find(&h, c, TABLE_KEY_DELETED, c->name);
    if (s == E_NOT_FOUND) return not_found(c);
    if (s == OK) s = find_version(&k, c, c->name, h.version);
    return s == OK ? reply_bundle(c, &h, h.version, &k, BUNDLE_DELETED) : s;
}

enum status deleted_key_purge(struct call *c)
{
    struct secret_head h;
    struct record_key rk;
    enum status s;
    if (!name_is_good(c, &s)) return s;
    if (c->cfg->purge_protection) return call_fail(c, ERR_PURGE_PROTECTED);
    s = secret_find(&h, c, TABLE_KEY_DELETED, c->name);
    if (s == E_NOT_FOUND) return not_found(c);
    if (s == OK) s = secret_drop_versions(c->txn, TABLE_KEY_VERSION, c->name);
    key_of_secret(&rk, c->name);
    if (s == OK) s = kv_delete(c->txn, TABLE_KEY_DELETED, key_view(&rk));
    c->reply.status = 204;
    return s;
}

/* ------------------------------------------------------------------- lists */

static enum status list_key(struct call *c, const struct vault_page *p, bytes key, bytes value, bool *skip)
{
    struct secret_head h;
    struct key_version k;
    (void)key;
    bool deleted = p->table == TABLE_KEY_DELETED;
    enum status s = secret_head_get(&h, value);
    if (s != OK) return s;
    if (deleted && secret_is_purged(c, &h)) {
        *skip = true;
        return OK;
    }
    const char *name = arena_printf(&c->arena, "%.*s", (int)h.name.len, (const char *)h.name.ptr);
    if (name == NULL) return E_NOMEM;
    s = find_version(&k, c, name, h.version);
    return s == OK ? put_bundle(c, &h, NULL, &k, deleted ? BUNDLE_DELETED : 0) : s;
}

static enum status list_version(struct call *c, const struct vault_page *p, bytes key, bytes value, bool *skip)
{
    struct key_version k;
    (void)skip;
    if (key.len != p->prefix.len + VERSION_LEN) return E_CORRUPT;
    enum status s = key_version_get(&k, value);
    return s == OK ? put_bundle(c, &p->head, key.ptr + p->prefix.len, &k, 0) : s;
}

enum status key_list(struct call *c)
{
    struct vault_page p = {.table = TABLE_KEY, .path = "keys", .put = list_key};
    return vault_list(c, &p);
}

enum status deleted_key_list(struct call *c)
{
    struct vault_page p = {.table = TABLE_KEY_DELETED, .path = "deletedkeys", .put = list_key};
    return vault_list(c, &p);
}

enum status key_versions(struct call *c)
{
    struct vault_page p = {.table = TABLE_KEY_VERSION, .put = list_version};
    enum status s;
    if (!name_is_good(c, &s)) return s;
    s = secret_find(&p.head, c, TABLE_KEY, c->name);
    if (s == E_NOT_FOUND) return not_found(c);
    if (s != OK) return s;
    p.path = arena_printf(&c->arena, "keys/%s/versions", c->name);
    if (p.path == NULL) return E_NOMEM;
    key_of_secret(&p.prefix, c->name);
    p.prefix.ptr[p.prefix.len++] = 0;
    return vault_list(c, &p);
}

/* -------------------------------------------------------------------- use */

struct use {
    struct secret_head h;
    struct key_version k;
    uint8_t version[VERSION_LEN], digest[32], rs[64];
};

/* ret NULL, or what is wrong with the body */
static const char *read_use(struct use *u, json_t *doc, bool verify)
{
    const char *alg = json_string_value(json_object_get(doc, "alg"));
    json_t *sig = json_object_get(doc, "value");
    if (!json_is_object(doc)) return "The request body is no JSON object";
    if (alg == NULL || (strcmp(alg, "ES256K") != 0 && strcmp(alg, "ECDSA256") != 0)) return "Key and signing algorithm are incompatible. Key is on curve P-256K and supports algorithm ES256K";
    if (!b64_32(u->digest, json_object_get(doc, verify ? "digest" : "value"))) return "Invalid length of the digest: ES256K wants 32 bytes in base64url";
    if (!verify) return NULL;
    struct buf b;
    buf_init(&b, 128);
    bool good = json_is_string(sig) && base64_get(&b, bytes_make(json_string_value(sig), json_string_length(sig)), true) == OK && b.len == 64;
    if (good) memcpy(u->rs, b.ptr, 64);
    buf_fini(&b);
    return good ? NULL : "Invalid length of the signature: ES256K wants 64 bytes in base64url";
}

/* the key, if it may be used so; *s: the status of the reply that stands else */
static bool use_begin(struct use *u, enum status *s, struct call *c, uint64_t op)
{
    bool verify = op == KEY_OP_VERIFY;
    if (!name_is_good(c, s)) return false;
    bytes body = c->rq.body;
    json_t *doc = json_loadb(body.len ? (const char *)body.ptr : "", body.len, JSON_REJECT_DUPLICATES, NULL);
    const char *wrong = read_use(u, doc, verify);
    json_decref(doc);
    uint64_t now_s = c->wall_ms / 1000;
    enum rest_error e = ERR_NONE;
    if (wrong != NULL) {
        *s = bad(c, wrong);
        return false;
    }
    *s = find_named(&u->h, u->version, &u->k, c);
    if (*s == E_NOT_FOUND) *s = not_found(c);
    else if (*s == OK) {
        if (!u->k.v.enabled) e = ERR_KEY_DISABLED;
        else if ((u->k.ops & op) == 0) e = ERR_KEY_OPERATION;
        else if (!verify && u->k.v.nbf_s > now_s) e = ERR_KEY_NOT_YET_VALID;
        else if (!verify && u->k.v.exp_s != 0 && u->k.v.exp_s <= now_s) e = ERR_KEY_EXPIRED;
        else return true;
        *s = call_fail(c, e);
    }
    return false;
}

static enum status open_key(secret32 *key, struct call *c, const struct use *u)
{
    struct record_key about;
    struct buf plain;
    buf_init(&plain, 64);
    seal_about(&about, c->name, u->version);
    enum status s = store_unseal(&plain, c->store, u->k.v.sealed, key_view(&about));
    if (s == E_CRYPTO || (s == OK && plain.len != 32)) s = E_CORRUPT;
    if (s == OK) memcpy(key->b, plain.ptr, 32);
    if (plain.ptr != NULL) secret_wipe(plain.ptr, plain.cap);
    buf_fini(&plain);
    return s;
}

enum status key_sign(struct call *c)
{
    struct use u;
    secret32 key;
    uint8_t sig[65];
    enum status s;
    if (!use_begin(&u, &s, c, KEY_OP_SIGN)) return s;
    s = open_key(&key, c, &u);
    if (s != OK) return s;
    s = ec_sign(sig, u.digest, &key);
    secret_fini(&key);
    if (s != OK) return E_CORRUPT;
    struct buf *b = &c->reply.body;
    buf_put_u8(b, '{');
    put_kid(c, &u.h, u.version);
    buf_put_str(b, ",\"value\":\"");
    base64_append(b, bytes_make(sig, 64), true);
    buf_put_str(b, "\"}");
    c->reply.status = 200;
    c->reply.content_type = JSON_TYPE;
    return buf_status(b);
}

/* what keys of type EC cannot do; a key that is not there is said first */
enum status key_no_such_use(struct call *c)
{
    struct use u;
    enum status s;
    if (!name_is_good(c, &s)) return s;
    s = find_named(&u.h, u.version, &u.k, c);
    if (s != OK) return s == E_NOT_FOUND ? not_found(c) : s;
    return call_fail(c, ERR_KEY_OPERATION);
}

enum status key_verify(struct call *c)
{
    struct use u;
    uint8_t sig[65], who[20];
    enum status s;
    if (!use_begin(&u, &s, c, KEY_OP_VERIFY)) return s;
    ec_address(who, u.k.pub.ptr);
    bool good = ec_sig_complete(sig, u.rs, u.digest, who) == OK;
    buf_printf(&c->reply.body, "{\"value\":%s}", good ? "true" : "false");
    c->reply.status = 200;
    c->reply.content_type = JSON_TYPE;
    return buf_status(&c->reply.body);
}
