#include "identity-store/blobs.h"

/* names that the other services' paths begin with */
static bool is_reserved(const struct call *c)
{
    static const char *const words[] = {"secrets", "deletedsecrets", "metadata", "common", "organizations", "healthz"};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (strcmp(c->container, words[i]) == 0) return true;
    return strcmp(c->container, c->cfg->account) == 0 || strcmp(c->container, c->cfg->tenant) == 0;
}

enum status container_create(struct call *c)
{
    struct found f;
    enum rest_error e;
    struct buf meta;
    if (is_reserved(c)) return call_fail_text(c, ERR_INVALID_NAME, "The name %s is taken by the service itself.", c->container);
    buf_init(&meta, META_PAYLOAD_MAX);
    enum status s = container_find(&f, &e, c);
    e = s == OK && f.exists ? ERR_CONTAINER_EXISTS : meta_from_headers(&meta, c);
    if (s == OK && e == ERR_NONE) {
        struct blob_record r = {.created_ms = c->wall_ms, .meta = buf_view(&meta)};
        blob_touch(c, &r);
        s = call_put_record(c, TABLE_CONTAINER, &f.key, &r);
        c->reply.status = 201;
        record_headers(c, &r);
    } else if (s == OK) {
        s = call_fail(c, e);
    }
    buf_fini(&meta);
    return s;
}

typedef enum rest_error (*lease_check)(const struct lease *l, const char *id, enum lease_target target, uint64_t now_ms);

/* the call's container, if the lease that the call names is as check wants it */
static enum status find_leased(struct found *f, enum rest_error *why, struct call *c, lease_check check)
{
    char id[LEASE_ID_LEN + 1];
    enum status s = container_find(f, why, c);
    if (s == OK && *why == ERR_NONE) *why = lease_header(id, c);
    if (s == OK && *why == ERR_NONE) *why = check(&f->rec.lease, id, LEASE_OF_CONTAINER, c->now_ms);
    return s;
}

enum status container_properties(struct call *c)
{
    struct found f;
    enum rest_error e;
    enum status s = find_leased(&f, &e, c, lease_check_read);
    if (s != OK) return s;
    if (e != ERR_NONE) return call_fail(c, e);
    c->reply.status = 200;
    record_headers(c, &f.rec);
    lease_headers(c, &f.rec.lease);
    call_header(c, "x-ms-has-immutability-policy", "false");
    call_header(c, "x-ms-has-legal-hold", "false");
    return meta_to_headers(c, f.rec.meta);
}

enum status container_set_metadata(struct call *c)
{
    struct found f;
    enum rest_error e;
    struct buf meta;
    buf_init(&meta, META_PAYLOAD_MAX);
    enum status s = find_leased(&f, &e, c, lease_check_read);
    if (s == OK && e == ERR_NONE) e = conditions_check(c, &f.rec, CONDITION_WRITE);
    if (s == OK && e == ERR_NONE) e = meta_from_headers(&meta, c);
    if (s == OK && e == ERR_NONE) {
        f.rec.meta = buf_view(&meta);
        f.rec.etag = store_next_etag(c->store);
        f.rec.modified_ms = c->wall_ms;
        s = call_put_record(c, TABLE_CONTAINER, &f.key, &f.rec);
        c->reply.status = 200;
        record_headers(c, &f.rec);
    } else if (s == OK) {
        s = call_fail(c, e);
    }
    buf_fini(&meta);
    return s;
}

enum status container_lease(struct call *c)
{
    struct found f;
    struct lease_request q;
    enum rest_error e;
    enum status s = container_find(&f, &e, c);
    if (s != OK) return s;
    if (e == ERR_NONE) e = lease_request_get(&q, c);
    if (e == ERR_NONE) e = conditions_check(c, &f.rec, CONDITION_WRITE);
    if (e == ERR_NONE) e = lease_act(&f.rec.lease, &q, c->now_ms);
    if (e != ERR_NONE) return call_fail(c, e);
    c->quiet = q.action == LEASE_RENEW;
    s = blob_own(c, &f.rec);
    if (s == OK) s = call_put_record(c, TABLE_CONTAINER, &f.key, &f.rec);
    lease_reply(c, &q, &f.rec);
    return s;
}

/* delete every key of a table that begins with prefix */
static enum status drop_prefix(struct kv_txn *txn, enum store_table t, bytes prefix)
{
    for (;;) {
        struct kv_cursor *cur;
        uint8_t copy[KEY_MAX];
        bytes key, value;
        enum status s = kv_cursor_open(&cur, txn, t);
        if (s != OK) return s;
        s = kv_cursor_seek(&key, &value, cur, prefix);
        bool ours = s == OK && key.len <= sizeof copy && key.len >= prefix.len && memcmp(key.ptr, prefix.ptr, prefix.len) == 0;
        size_t n = ours ? key.len : 0;
        if (ours) memcpy(copy, key.ptr, n);
        kv_cursor_close(cur);
        if (s == E_NOT_FOUND || (s == OK && !ours)) return OK;
        if (s == OK) s = kv_delete(txn, t, bytes_make(copy, n));
        if (s != OK) return s;
    }
}

enum status container_drop(struct call *c, const char *container)
{
    struct record_key k;
    key_of_blob(&k, container, "");
    enum status s = drop_prefix(c->txn, TABLE_BLOB, key_view(&k));
    if (s == OK) s = drop_prefix(c->txn, TABLE_DATA, key_view(&k));
    return s;
}

enum status container_delete(struct call *c)
{
    struct found f;
    enum rest_error e;
    enum status s = find_leased(&f, &e, c, lease_check_write);
    if (s != OK) return s;
    if (e == ERR_NONE) e = conditions_check(c, &f.rec, CONDITION_WRITE);
    if (e != ERR_NONE) return call_fail(c, e);
    s = container_drop(c, c->container);
    if (s == OK) s = kv_delete(c->txn, TABLE_CONTAINER, key_view(&f.key));
    c->reply.status = 202;
    return s;
}

enum status service_properties(struct call *c)
{
    c->reply.status = 200;
    c->reply.content_type = "application/xml";
    buf_put_str(&c->reply.body, "<?xml version=\"1.0\" encoding=\"utf-8\"?><StorageServiceProperties><DefaultServiceVersion>2021-12-02"
                                "</DefaultServiceVersion></StorageServiceProperties>");
    return buf_status(&c->reply.body);
}
