#include "identity-store/records.h"

#include "lib/codec/rlp.h"

static void put_text(struct buf *out, const char *s)
{
    rlp_put_string(out, bytes_str(s));
}

static enum status get_text(char *dst, size_t cap, bytes *in)
{
    bytes v;
    enum status s = rlp_get_string(&v, in);
    if (s != OK || v.len >= cap) return E_CORRUPT;
    if (v.len) memcpy(dst, v.ptr, v.len);
    dst[v.len] = 0;
    return OK;
}

#define GET(call)                                                                                  \
    if ((call) != OK) return E_CORRUPT

void secret_head_put(struct buf *out, const struct secret_head *h)
{
    size_t l = rlp_list_open(out);
    rlp_put_string(out, h->name);
    rlp_put_string(out, bytes_make(h->version, VERSION_LEN));
    rlp_put_u64(out, h->deleted_s);
    rlp_put_u64(out, h->purge_s);
    rlp_list_close(out, l);
}

enum status secret_head_get(struct secret_head *out, bytes in)
{
    struct secret_head h;
    bytes l;
    GET(rlp_get_list(&l, &in));
    GET(rlp_get_string(&h.name, &l));
    GET(rlp_get_fixed(h.version, VERSION_LEN, &l));
    GET(rlp_get_u64(&h.deleted_s, &l));
    GET(rlp_get_u64(&h.purge_s, &l));
    *out = h;
    return OK;
}

static void put_list(struct buf *out, bytes payload)
{
    rlp_put_list_header(out, payload.len);
    buf_put_bytes(out, payload);
}

void secret_version_put(struct buf *out, const struct secret_version *v)
{
    size_t l = rlp_list_open(out);
    rlp_put_u64(out, v->enabled);
    rlp_put_u64(out, v->nbf_s);
    rlp_put_u64(out, v->exp_s);
    rlp_put_u64(out, v->created_s);
    rlp_put_u64(out, v->updated_s);
    rlp_put_string(out, v->content_type);
    put_list(out, v->tags);
    rlp_put_string(out, v->sealed);
    rlp_list_close(out, l);
}

enum status secret_version_get(struct secret_version *out, bytes in)
{
    struct secret_version v;
    uint64_t enabled;
    bytes l;
    GET(rlp_get_list(&l, &in));
    GET(rlp_get_u64(&enabled, &l));
    GET(rlp_get_u64(&v.nbf_s, &l));
    GET(rlp_get_u64(&v.exp_s, &l));
    GET(rlp_get_u64(&v.created_s, &l));
    GET(rlp_get_u64(&v.updated_s, &l));
    GET(rlp_get_string(&v.content_type, &l));
    GET(rlp_get_list(&v.tags, &l));
    GET(rlp_get_string(&v.sealed, &l));
    v.enabled = enabled != 0;
    *out = v;
    return OK;
}

void key_version_put(struct buf *out, const struct key_version *k)
{
    struct buf v;
    buf_init(&v, out->max);
    secret_version_put(&v, &k->v);
    if (buf_status(&v) != OK) out->status = v.status;
    size_t l = rlp_list_open(out);
    rlp_put_string(out, buf_view(&v));
    rlp_put_u64(out, k->ops);
    rlp_put_string(out, k->pub);
    rlp_list_close(out, l);
    buf_fini(&v);
}

enum status key_version_get(struct key_version *out, bytes in)
{
    struct key_version k;
    bytes l, v;
    GET(rlp_get_list(&l, &in));
    GET(rlp_get_string(&v, &l));
    GET(secret_version_get(&k.v, v));
    GET(rlp_get_u64(&k.ops, &l));
    GET(rlp_get_string(&k.pub, &l));
    if (k.pub.len != 64) return E_CORRUPT;
    *out = k;
    return OK;
}

void blob_record_put(struct buf *out, const struct blob_record *b)
{
    size_t l = rlp_list_open(out);
    rlp_put_u64(out, b->etag);
    rlp_put_u64(out, b->created_ms);
    rlp_put_u64(out, b->modified_ms);
    rlp_put_u64(out, b->len);
    rlp_put_string(out, b->content_type);
    rlp_put_string(out, b->content_encoding);
    rlp_put_string(out, b->content_language);
    rlp_put_string(out, b->content_disposition);
    rlp_put_string(out, b->cache_control);
    rlp_put_string(out, b->md5);
    put_list(out, b->meta);
    size_t lease = rlp_list_open(out);
    rlp_put_u64(out, (uint64_t)b->lease.state);
    put_text(out, b->lease.id);
    rlp_put_u64(out, (uint64_t)(b->lease.duration_s + 1)); /* -1 is no canonical integer */
    rlp_put_u64(out, b->lease.end_ms);
    put_text(out, b->lease.holder);
    rlp_list_close(out, lease);
    rlp_list_close(out, l);
}

static enum status get_lease(struct lease *out, bytes in)
{
    struct lease e = {0};
    uint64_t state, duration;
    GET(rlp_get_u64(&state, &in));
    GET(get_text(e.id, sizeof e.id, &in));
    GET(rlp_get_u64(&duration, &in));
    GET(rlp_get_u64(&e.end_ms, &in));
    GET(get_text(e.holder, sizeof e.holder, &in));
    if (state > LEASE_BROKEN || duration > LEASE_MAX_S + 1) return E_CORRUPT;
    e.state = (enum lease_state)state;
    e.duration_s = (int32_t)duration - 1;
    *out = e;
    return OK;
}

enum status blob_record_get(struct blob_record *out, bytes in)
{
    struct blob_record b;
    bytes l, lease;
    GET(rlp_get_list(&l, &in));
    GET(rlp_get_u64(&b.etag, &l));
    GET(rlp_get_u64(&b.created_ms, &l));
    GET(rlp_get_u64(&b.modified_ms, &l));
    GET(rlp_get_u64(&b.len, &l));
    GET(rlp_get_string(&b.content_type, &l));
    GET(rlp_get_string(&b.content_encoding, &l));
    GET(rlp_get_string(&b.content_language, &l));
    GET(rlp_get_string(&b.content_disposition, &l));
    GET(rlp_get_string(&b.cache_control, &l));
    GET(rlp_get_string(&b.md5, &l));
    GET(rlp_get_list(&b.meta, &l));
    GET(rlp_get_list(&lease, &l));
    GET(get_lease(&b.lease, lease));
    if (b.md5.len != 0 && b.md5.len != 16) return E_CORRUPT;
    *out = b;
    return OK;
}

/* -------------------------------------------------------------------- keys */

static void key_start(struct record_key *k)
{
    k->len = 0;
}

static void key_add(struct record_key *k, const void *ptr, size_t len)
{
    if (len > sizeof k->ptr - k->len) BUG("a name that was not checked");
    memcpy(k->ptr + k->len, ptr, len);
    k->len += len;
}

static void key_end_part(struct record_key *k)
{
    key_add(k, "", 1);
}

void key_of_secret(struct record_key *k, const char *name)
{
    key_start(k);
    for (const char *p = name; *p; p++) {
        char c = *p >= 'A' && *p <= 'Z' ? (char)(*p - 'A' + 'a') : *p;
        key_add(k, &c, 1);
    }
}

void key_of_version(struct record_key *k, const char *name, const uint8_t version[VERSION_LEN])
{
    key_of_secret(k, name);
    key_end_part(k);
    key_add(k, version, VERSION_LEN);
}

void key_of_container(struct record_key *k, const char *container)
{
    key_start(k);
    key_add(k, container, strlen(container));
}

void key_of_blob(struct record_key *k, const char *container, const char *blob)
{
    key_of_container(k, container);
    key_end_part(k);
    key_add(k, blob, strlen(blob));
}

void key_of_holder(struct record_key *k, const char *client, const char *container, const char *blob)
{
    key_start(k);
    key_add(k, client, strlen(client));
    key_end_part(k);
    key_add(k, container, strlen(container));
    key_end_part(k);
    key_add(k, blob, strlen(blob));
}
