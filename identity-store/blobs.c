/* OpenSSL first: its headers name parameters by words that lib/base/attr.h poisons. */
#include <openssl/evp.h>

#include "identity-store/blobs.h"

#include "identity-store/text.h"
#include "lib/base/clock.h"
#include "lib/codec/base64.h"

/* ------------------------------------------------------------------ finding */

static enum status find(struct found *out, struct call *c, enum store_table t)
{
    bytes v;
    enum status s = kv_get(&v, c->txn, t, key_view(&out->key));
    out->exists = s == OK;
    if (s == E_NOT_FOUND) return OK;
    return s == OK ? blob_record_get(&out->rec, v) : s;
}

enum status container_find(struct found *out, enum rest_error *why, struct call *c)
{
    key_of_container(&out->key, c->container);
    enum status s = find(out, c, TABLE_CONTAINER);
    *why = s == OK && !out->exists ? ERR_CONTAINER_NOT_FOUND : ERR_NONE;
    return s;
}

enum status blob_find(struct found *out, enum rest_error *why, struct call *c, bool need)
{
    key_of_blob(&out->key, c->container, c->blob);
    enum status s = find(out, c, TABLE_BLOB);
    *why = ERR_NONE;
    if (s != OK || out->exists) return s;
    struct found container;
    s = container_find(&container, why, c);
    if (s == OK && *why == ERR_NONE && need) *why = ERR_BLOB_NOT_FOUND;
    return s;
}

enum rest_error blob_check_write(struct call *c, const struct found *f)
{
    static const struct lease none;
    char id[LEASE_ID_LEN + 1];
    enum rest_error e = lease_header(id, c);
    if (e == ERR_NONE) e = lease_check_write(f->exists ? &f->rec.lease : &none, id, LEASE_OF_BLOB, c->now_ms);
    return e == ERR_NONE ? conditions_check(c, f->exists ? &f->rec : NULL, CONDITION_WRITE) : e;
}

void blob_touch(struct call *c, struct blob_record *r)
{
    r->etag = store_next_etag(c->store);
    r->modified_ms = c->wall_ms;
    lease_on_write(&r->lease, c->now_ms);
}

enum status blob_own(struct call *c, struct blob_record *r)
{
    bytes *const all[] = {&r->content_type, &r->content_encoding, &r->content_language, &r->content_disposition, &r->cache_control, &r->md5,
                          &r->meta};
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        *all[i] = arena_copy(&c->arena, *all[i]);
        if (all[i]->ptr == NULL) return E_NOMEM;
    }
    return OK;
}

enum status holder_set(struct call *c, const char *client, const char *blob)
{
    struct record_key k;
    key_of_holder(&k, client, c->container, blob);
    return kv_put(c->txn, TABLE_HOLDER, key_view(&k), BYTES_LIT("1"));
}

enum status holder_clear(struct call *c, const char *client, const char *blob)
{
    struct record_key k;
    if (*client == 0) return OK;
    key_of_holder(&k, client, c->container, blob);
    return kv_delete(c->txn, TABLE_HOLDER, key_view(&k));
}

/* ------------------------------------------------------------------ writing */

static enum status take_header(bytes *out, struct call *c, const char *name, const char *plain)
{
    const char *v = call_request_header(c, name);
    if (v == NULL && plain != NULL) v = call_request_header(c, plain);
    if (v == NULL) return OK;
    *out = arena_copy(&c->arena, bytes_str(v));
    return out->ptr ? OK : E_NOMEM;
}

enum status blob_content_headers(struct call *c, struct blob_record *r, bool plain_too)
{
    const struct {
        bytes *to;
        const char *name, *plain;
    } all[] = {
        {&r->content_type, "x-ms-blob-content-type", plain_too ? "Content-Type" : NULL},
        {&r->content_encoding, "x-ms-blob-content-encoding", plain_too ? "Content-Encoding" : NULL},
        {&r->content_language, "x-ms-blob-content-language", plain_too ? "Content-Language" : NULL},
        {&r->content_disposition, "x-ms-blob-content-disposition", NULL},
        {&r->cache_control, "x-ms-blob-cache-control", plain_too ? "Cache-Control" : NULL},
    };
    enum status s = OK;
    for (size_t i = 0; i < COUNT_OF(all) && s == OK; i++) {
        *all[i].to = BYTES_EMPTY;
        s = take_header(all[i].to, c, all[i].name, all[i].plain);
    }
    return s;
}

static bool md5(uint8_t out[16], bytes b)
{
    unsigned n = 16;
    return EVP_Digest(b.len ? (const void *)b.ptr : "", b.len, out, &n, EVP_md5(), NULL) == 1 && n == 16;
}

/* a header with the base64 of 16 bytes */
static enum rest_error md5_header(bool *has, uint8_t out[16], const struct call *c, const char *name)
{
    const char *v = call_request_header(c, name);
    *has = v != NULL && *v != 0;
    if (!*has) return ERR_NONE;
    struct buf b;
    buf_init(&b, 16);
    bool good = base64_get(&b, bytes_str(v), false) == OK && b.len == 16;
    if (good) memcpy(out, b.ptr, 16);
    buf_fini(&b);
    return good ? ERR_NONE : ERR_INVALID_MD5;
}

static void md5_reply(struct call *c, const char *name, bytes digest)
{
    struct buf b;
    buf_init(&b, 32);
    base64_append(&b, digest, false);
    call_headerf(c, name, "%s", buf_cstr(&b));
    buf_fini(&b);
}

/* what the client says the content hashes to; *digest is the content's own, or the one the client wants kept */
static enum rest_error check_md5(uint8_t digest[16], const struct call *c, bytes content)
{
    uint8_t said[16], kept[16];
    bool has_said, has_kept;
    if (!md5(digest, content)) return ERR_INTERNAL;
    enum rest_error e = md5_header(&has_said, said, c, "Content-MD5");
    if (e == ERR_NONE) e = md5_header(&has_kept, kept, c, "x-ms-blob-content-md5");
    if (e != ERR_NONE) return e;
    if (has_said && memcmp(said, digest, 16) != 0) return ERR_MD5;
    if (has_kept && c->rq.body.len == content.len && memcmp(kept, digest, 16) != 0) return ERR_MD5;
    return ERR_NONE;
}

enum status blob_store_content(struct call *c, struct found *f, bytes content)
{
    struct record_key k = f->key;
    struct blob_record r = f->exists ? f->rec : (struct blob_record){.created_ms = c->wall_ms};
    struct buf meta;
    uint8_t digest[16];
    buf_init(&meta, META_PAYLOAD_MAX);
    enum rest_error e = meta_from_headers(&meta, c);
    if (e == ERR_NONE) e = check_md5(digest, c, content);
    enum status s = OK;
    if (e != ERR_NONE) {
        s = call_fail(c, e);
        goto out;
    }
    s = blob_content_headers(c, &r, true);
    if (s == OK && r.content_type.len == 0) r.content_type = BYTES_LIT("application/octet-stream");
    r.meta = buf_view(&meta);
    r.md5 = bytes_make(digest, 16);
    r.len = content.len;
    blob_touch(c, &r);
    if (s == OK) s = call_put_record(c, TABLE_BLOB, &k, &r);
    if (s == OK) s = kv_put(c->txn, TABLE_DATA, key_view(&k), content);
    c->reply.status = 201;
    record_headers(c, &r);
    md5_reply(c, "Content-MD5", r.md5);
    call_header(c, "x-ms-request-server-encrypted", "true");
out:
    buf_fini(&meta);
    return s;
}

enum status blob_put(struct call *c)
{
    struct found f;
    enum rest_error e;
    const char *type = call_request_header(c, "x-ms-blob-type");
    if (type == NULL) return call_fail(c, ERR_MISSING_HEADER);
    if (strcmp(type, "BlockBlob") != 0) return call_fail(c, ERR_BLOB_TYPE);
    enum status s = blob_find(&f, &e, c, false);
    if (s != OK) return s;
    if (e == ERR_NONE) e = blob_check_write(c, &f);
    return e != ERR_NONE ? call_fail(c, e) : blob_store_content(c, &f, c->rq.body);
}

enum status blob_delete(struct call *c)
{
    struct found f;
    enum rest_error e;
    enum status s = blob_find(&f, &e, c, true);
    if (s != OK) return s;
    if (e == ERR_NONE) e = blob_check_write(c, &f);
    if (e != ERR_NONE) return call_fail(c, e);
    char holder[LEASE_HOLDER_MAX + 1];
    memcpy(holder, f.rec.lease.holder, sizeof holder);
    s = holder_clear(c, holder, c->blob);
    if (s == OK) s = kv_delete(c->txn, TABLE_BLOB, key_view(&f.key));
    if (s == OK) s = kv_delete(c->txn, TABLE_DATA, key_view(&f.key));
    c->reply.status = 202;
    call_header(c, "x-ms-delete-type-permanent", "true");
    return s;
}

/* metadata and properties: the record changes, the content stays */
static enum status change_record(struct call *c, bool meta_not_properties)
{
    struct found f;
    enum rest_error e;
    struct buf meta;
    buf_init(&meta, META_PAYLOAD_MAX);
    enum status s = blob_find(&f, &e, c, true);
    if (s == OK && e == ERR_NONE) e = blob_check_write(c, &f);
    if (s == OK && e == ERR_NONE && meta_not_properties) e = meta_from_headers(&meta, c);
    if (s == OK && e == ERR_NONE) {
        s = blob_own(c, &f.rec);
        if (meta_not_properties) f.rec.meta = buf_view(&meta);
        else if (s == OK) s = blob_content_headers(c, &f.rec, false);
        blob_touch(c, &f.rec);
        if (s == OK) s = call_put_record(c, TABLE_BLOB, &f.key, &f.rec);
        c->reply.status = 200;
        record_headers(c, &f.rec);
    } else if (s == OK) {
        s = call_fail(c, e);
    }
    buf_fini(&meta);
    return s;
}

enum status blob_set_metadata(struct call *c)
{
    return change_record(c, true);
}

enum status blob_set_properties(struct call *c)
{
    return change_record(c, false);
}

/* ------------------------------------------------------------------ reading */

static enum status optional_header(struct call *c, const char *name, bytes v)
{
    if (v.len == 0) return OK;
    const char *text = arena_printf(&c->arena, "%.*s", (int)v.len, (const char *)v.ptr);
    if (text == NULL) return E_NOMEM;
    call_header(c, name, text);
    return OK;
}

static enum status property_headers(struct call *c, const struct blob_record *r)
{
    char date[32];
    record_headers(c, r);
    clock_format_rfc1123(date, r->created_ms / 1000);
    call_headerf(c, "x-ms-creation-time", "%s", date);
    call_header(c, "x-ms-blob-type", "BlockBlob");
    call_header(c, "x-ms-server-encrypted", "true");
    call_header(c, "Accept-Ranges", "bytes");
    lease_headers(c, &r->lease);
    enum status s = optional_header(c, "Content-Encoding", r->content_encoding);
    if (s == OK) s = optional_header(c, "Content-Language", r->content_language);
    if (s == OK) s = optional_header(c, "Content-Disposition", r->content_disposition);
    if (s == OK) s = optional_header(c, "Cache-Control", r->cache_control);
    return s == OK ? meta_to_headers(c, r->meta) : s;
}

/* the range that is asked for: "bytes=a-b" or "bytes=a-"; has false: the whole */
static bool range_get(bool *has, uint64_t *from, uint64_t *to, const struct call *c)
{
    const char *v = call_request_header(c, "x-ms-range");
    if (v == NULL || *v == 0) v = call_request_header(c, "Range");
    *has = v != NULL && *v != 0;
    if (!*has) return true;
    char first[24], last[24] = "";
    const char *dash = strchr(v, '-');
    if (strncmp(v, "bytes=", 6) != 0 || dash == NULL) return false;
    size_t n = (size_t)(dash - v) - 6;
    if (n >= sizeof first || strlen(dash + 1) >= sizeof last) return false;
    memcpy(first, v + 6, n);
    first[n] = 0;
    memcpy(last, dash + 1, strlen(dash + 1) + 1);
    *to = UINT64_MAX - 1;
    return u64_get(from, first) && (last[0] == 0 || u64_get(to, last)) && *from <= *to;
}

static enum rest_error check_read(struct call *c, const struct found *f)
{
    char id[LEASE_ID_LEN + 1];
    enum rest_error e = lease_header(id, c);
    if (e == ERR_NONE) e = lease_check_read(&f->rec.lease, id, LEASE_OF_BLOB, c->now_ms);
    return e == ERR_NONE ? conditions_check(c, &f->rec, CONDITION_READ) : e;
}

enum status blob_get(struct call *c)
{
    struct found f;
    enum rest_error e;
    bytes content;
    bool ranged = false;
    uint64_t from = 0, to = 0;
    enum status s = blob_find(&f, &e, c, true);
    if (s != OK) return s;
    if (e == ERR_NONE) e = check_read(c, &f);
    if (e == ERR_NONE && !range_get(&ranged, &from, &to, c)) e = ERR_INVALID_HEADER;
    if (e == ERR_NONE && ranged && c->rq.method == HTTP_GET && from >= f.rec.len) e = ERR_RANGE;
    if (e != ERR_NONE) return call_fail(c, e);
    s = kv_get(&content, c->txn, TABLE_DATA, key_view(&f.key));
    if (s == OK && content.len != f.rec.len) s = E_CORRUPT;
    if (s != OK) return s == E_NOT_FOUND ? E_CORRUPT : s;
    s = property_headers(c, &f.rec);
    c->reply.status = 200;
    if (ranged && c->rq.method == HTTP_GET) {
        if (to >= f.rec.len) to = f.rec.len - 1;
        c->reply.status = 206;
        call_headerf(c, "Content-Range", "bytes %llu-%llu/%llu", (unsigned long long)from, (unsigned long long)to, (unsigned long long)f.rec.len);
        if (f.rec.md5.len) md5_reply(c, "x-ms-blob-content-md5", f.rec.md5);
        content = bytes_make(content.ptr + from, to - from + 1);
    } else if (f.rec.md5.len) {
        md5_reply(c, "Content-MD5", f.rec.md5);
    }
    c->reply.content_type = arena_printf(&c->arena, "%.*s", (int)f.rec.content_type.len, (const char *)f.rec.content_type.ptr);
    buf_put_bytes(&c->reply.body, content); /* HEAD: the server sends its length only */
    return s == OK ? buf_status(&c->reply.body) : s;
}

enum status blob_properties(struct call *c)
{
    struct found f;
    enum rest_error e;
    enum status s = blob_find(&f, &e, c, true);
    if (s != OK) return s;
    if (e == ERR_NONE) e = check_read(c, &f);
    if (e != ERR_NONE) return call_fail(c, e);
    c->reply.status = 200;
    record_headers(c, &f.rec);
    return meta_to_headers(c, f.rec.meta);
}

/* -------------------------------------------------------------------- lease */

enum status blob_lease(struct call *c)
{
    struct found f;
    struct lease_request q;
    enum rest_error e;
    enum status s = blob_find(&f, &e, c, true);
    if (s != OK) return s;
    if (e == ERR_NONE) e = lease_request_get(&q, c);
    if (e == ERR_NONE) e = conditions_check(c, &f.rec, CONDITION_WRITE);
    struct lease before = f.rec.lease;
    if (e == ERR_NONE) e = lease_act(&f.rec.lease, &q, c->now_ms);
    if (e != ERR_NONE) return call_fail(c, e);
    c->quiet = q.action == LEASE_RENEW;
    s = blob_own(c, &f.rec);
    if (s == OK) s = call_put_record(c, TABLE_BLOB, &f.key, &f.rec);
    bool moved = strcmp(before.holder, f.rec.lease.holder) != 0;
    if (s == OK && moved) s = holder_clear(c, before.holder, c->blob);
    if (s == OK && moved && f.rec.lease.holder[0]) s = holder_set(c, f.rec.lease.holder, c->blob);
    lease_reply(c, &q, &f.rec);
    return s;
}
