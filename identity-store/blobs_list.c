#include "identity-store/blobs.h"

#include "identity-store/text.h"
#include "lib/base/clock.h"
#include "lib/codec/base64.h"
#include "lib/codec/rlp.h"

enum { LIST_MAX = 5000, PREFIX_MAX = BLOB_NAME_BYTES_MAX };

struct options {
    char prefix[PREFIX_MAX + 1], delimiter[16], marker[KEY_MAX * 2];
    uint64_t max;
    bool has_max, with_meta;
};

static enum rest_error options_get(struct options *o, struct call *c)
{
    char text[128];
    *o = (struct options){.max = LIST_MAX};
    bytes q = c->rq.query;
    if (query_has(q, "prefix") && !query_get(o->prefix, sizeof o->prefix, q, "prefix")) return ERR_INVALID_QUERY;
    if (query_has(q, "delimiter") && !query_get(o->delimiter, sizeof o->delimiter, q, "delimiter")) return ERR_INVALID_QUERY;
    if (query_has(q, "marker") && !query_get(o->marker, sizeof o->marker, q, "marker")) return ERR_INVALID_QUERY;
    if (query_has(q, "include") && query_get(text, sizeof text, q, "include")) o->with_meta = strstr(text, "metadata") != NULL;
    o->has_max = query_has(q, "maxresults");
    if (o->has_max) {
        if (!query_get(text, sizeof text, q, "maxresults") || !u64_get(&o->max, text)) return ERR_INVALID_QUERY;
        if (o->max == 0) return ERR_OUT_OF_RANGE_QUERY;
        if (o->max > LIST_MAX) o->max = LIST_MAX;
    }
    return ERR_NONE;
}

static void put_head(struct call *c, const struct options *o, const char *container)
{
    struct buf *b = &c->reply.body;
    buf_put_str(b, "<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ServiceEndpoint=\"");
    xml_put_text(b, bytes_str(call_base(c)));
    buf_printf(b, "/%s%s\"", c->has_account ? c->cfg->account : "", c->has_account ? "/" : "");
    if (container) buf_printf(b, " ContainerName=\"%s\"", container);
    buf_put_u8(b, '>');
    xml_put_element(b, "Prefix", o->prefix);
    xml_put_element(b, "Marker", o->marker);
    if (o->has_max) buf_printf(b, "<MaxResults>%llu</MaxResults>", (unsigned long long)o->max);
    if (o->delimiter[0]) xml_put_element(b, "Delimiter", o->delimiter);
}

static void put_bytes_element(struct buf *b, const char *name, bytes v)
{
    if (v.len == 0) {
        buf_printf(b, "<%s />", name);
        return;
    }
    buf_printf(b, "<%s>", name);
    xml_put_text(b, v);
    buf_printf(b, "</%s>", name);
}

static void put_lease(struct buf *b, const struct call *c, const struct lease *l)
{
    enum lease_state s = lease_state_at(l, c->now_ms);
    buf_printf(b, "<LeaseStatus>%s</LeaseStatus><LeaseState>%s</LeaseState>", lease_is_locked(l, c->now_ms) ? "locked" : "unlocked",
               lease_state_name(s));
    if (s == LEASE_LEASED) buf_printf(b, "<LeaseDuration>%s</LeaseDuration>", l->duration_s == LEASE_INFINITE ? "infinite" : "fixed");
}

static enum status put_meta(struct buf *b, bytes meta)
{
    if (meta.len == 0) {
        buf_put_str(b, "<Metadata />");
        return OK;
    }
    buf_put_str(b, "<Metadata>");
    while (meta.len > 0) {
        bytes k, v;
        if (rlp_get_string(&k, &meta) != OK || rlp_get_string(&v, &meta) != OK) return E_CORRUPT;
        buf_printf(b, "<%.*s>", (int)k.len, (const char *)k.ptr);
        xml_put_text(b, v);
        buf_printf(b, "</%.*s>", (int)k.len, (const char *)k.ptr);
    }
    buf_put_str(b, "</Metadata>");
    return OK;
}

static enum status put_blob(struct call *c, const struct options *o, bytes name, bytes value)
{
    struct blob_record r;
    struct buf *b = &c->reply.body;
    char date[32];
    enum status s = blob_record_get(&r, value);
    if (s != OK) return s;
    buf_put_str(b, "<Blob><Name>");
    xml_put_text(b, name);
    clock_format_rfc1123(date, r.created_ms / 1000);
    buf_printf(b, "</Name><Properties><Creation-Time>%s</Creation-Time>", date);
    clock_format_rfc1123(date, r.modified_ms / 1000);
    buf_printf(b, "<Last-Modified>%s</Last-Modified><Etag>0x%llX</Etag><Content-Length>%llu</Content-Length>", date,
               (unsigned long long)r.etag, (unsigned long long)r.len);
    put_bytes_element(b, "Content-Type", r.content_type);
    put_bytes_element(b, "Content-Encoding", r.content_encoding);
    put_bytes_element(b, "Content-Language", r.content_language);
    buf_put_str(b, "<Content-MD5>");
    base64_append(b, r.md5, false);
    buf_put_str(b, "</Content-MD5>");
    put_bytes_element(b, "Cache-Control", r.cache_control);
    put_bytes_element(b, "Content-Disposition", r.content_disposition);
    buf_put_str(b, "<BlobType>BlockBlob</BlobType>");
    put_lease(b, c, &r.lease);
    buf_put_str(b, "<ServerEncrypted>true</ServerEncrypted></Properties>");
    if (o->with_meta && (s = put_meta(b, r.meta)) != OK) return s;
    buf_put_str(b, "</Blob>");
    return buf_status(b);
}

static enum status end(struct call *c, const char *list, bytes next)
{
    struct buf *b = &c->reply.body;
    buf_printf(b, "</%s>", list);
    if (next.len) {
        buf_put_str(b, "<NextMarker>");
        base64_append(b, next, true);
        buf_put_str(b, "</NextMarker>");
    } else {
        buf_put_str(b, "<NextMarker />");
    }
    buf_put_str(b, "</EnumerationResults>");
    c->reply.status = 200;
    c->reply.content_type = "application/xml";
    return buf_status(b);
}

/* where the list begins: the marker is base64 of the name that comes next */
static bool start_key(struct record_key *k, const struct options *o, const char *container)
{
    char name[KEY_MAX + 1];
    size_t n = 0;
    if (o->marker[0]) {
        struct buf b;
        buf_init(&b, BLOB_NAME_BYTES_MAX);
        bool good = base64_get(&b, bytes_str(o->marker), true) == OK && b.len > 0 && text_is_utf8(buf_view(&b));
        if (good) {
            memcpy(name, b.ptr, b.len);
            n = b.len;
        }
        buf_fini(&b);
        if (!good) return false;
    } else {
        n = strlen(o->prefix);
        memcpy(name, o->prefix, n);
    }
    name[n] = 0;
    if (container) key_of_blob(k, container, name);
    else key_of_container(k, name);
    return true;
}

static bool has_prefix(bytes name, const char *prefix)
{
    size_t n = strlen(prefix);
    return name.len >= n && memcmp(name.ptr, prefix, n) == 0;
}

/* "a/b/c" with prefix "a/" and delimiter "/" folds to "a/b/"; ret its length, 0: not folded */
static size_t folded_len(bytes name, const struct options *o)
{
    size_t d = strlen(o->delimiter), p = strlen(o->prefix);
    if (d == 0) return 0;
    const uint8_t *at = memmem(name.ptr + p, name.len - p, o->delimiter, d);
    return at ? (size_t)(at - name.ptr) + d : 0;
}

/* go past all names that begin with the folded one, in one seek */
static enum status skip_folded(bytes *key, bytes *value, struct kv_cursor *cur, bytes container_key, const char *folded)
{
    struct record_key k;
    size_t n = strlen(folded);
    memcpy(k.ptr, container_key.ptr, container_key.len);
    memcpy(k.ptr + container_key.len, folded, n);
    k.len = container_key.len + n;
    while (k.len > container_key.len && k.ptr[k.len - 1] == 0xff) k.len--;
    if (k.len > container_key.len) k.ptr[k.len - 1]++;
    return kv_cursor_seek(key, value, cur, key_view(&k));
}

static enum status walk_blobs(struct call *c, const struct options *o, struct kv_cursor *cur, const struct record_key *from)
{
    struct record_key base;
    struct buf *b = &c->reply.body;
    bytes key, value, next = BYTES_EMPTY;
    uint64_t n = 0;
    key_of_blob(&base, c->container, "");
    enum status s = kv_cursor_seek(&key, &value, cur, key_view(from));
    while (s == OK && key.len > base.len && memcmp(key.ptr, base.ptr, base.len) == 0) {
        bytes name = bytes_make(key.ptr + base.len, key.len - base.len);
        if (!has_prefix(name, o->prefix)) break;
        if (n++ == o->max) {
            next = name;
            break;
        }
        size_t fold = folded_len(name, o);
        if (fold > 0) {
            char folded[BLOB_NAME_BYTES_MAX + 1];
            memcpy(folded, name.ptr, fold);
            folded[fold] = 0;
            buf_put_str(b, "<BlobPrefix>");
            xml_put_element(b, "Name", folded);
            buf_put_str(b, "</BlobPrefix>");
            s = skip_folded(&key, &value, cur, key_view(&base), folded);
            continue;
        }
        s = put_blob(c, o, name, value);
        if (s == OK) s = kv_cursor_next(&key, &value, cur);
        else return s;
    }
    return s == OK || s == E_NOT_FOUND ? end(c, "Blobs", next) : s;
}

enum status blob_list(struct call *c)
{
    struct found f;
    struct options o;
    struct record_key from;
    struct kv_cursor *cur;
    enum rest_error e;
    enum status s = container_find(&f, &e, c);
    if (s != OK) return s;
    if (e == ERR_NONE) e = options_get(&o, c);
    if (e == ERR_NONE && !start_key(&from, &o, c->container)) e = ERR_INVALID_QUERY;
    if (e != ERR_NONE) return call_fail(c, e);
    put_head(c, &o, c->container);
    buf_put_str(&c->reply.body, "<Blobs>");
    s = kv_cursor_open(&cur, c->txn, TABLE_BLOB);
    if (s != OK) return s;
    s = walk_blobs(c, &o, cur, &from);
    kv_cursor_close(cur);
    return s;
}

static enum status put_container(struct call *c, const struct options *o, bytes name, bytes value)
{
    struct blob_record r;
    struct buf *b = &c->reply.body;
    char date[32];
    enum status s = blob_record_get(&r, value);
    if (s != OK) return s;
    clock_format_rfc1123(date, r.modified_ms / 1000);
    buf_put_str(b, "<Container><Name>");
    xml_put_text(b, name);
    buf_printf(b, "</Name><Properties><Last-Modified>%s</Last-Modified><Etag>\"0x%llX\"</Etag>", date, (unsigned long long)r.etag);
    put_lease(b, c, &r.lease);
    buf_put_str(b, "<HasImmutabilityPolicy>false</HasImmutabilityPolicy><HasLegalHold>false</HasLegalHold></Properties>");
    if (o->with_meta && (s = put_meta(b, r.meta)) != OK) return s;
    buf_put_str(b, "</Container>");
    return buf_status(b);
}

enum status container_list(struct call *c)
{
    struct options o;
    struct record_key from;
    struct kv_cursor *cur;
    bytes key, value, next = BYTES_EMPTY;
    uint64_t n = 0;
    enum rest_error e = options_get(&o, c);
    if (e == ERR_NONE && !start_key(&from, &o, NULL)) e = ERR_INVALID_QUERY;
    if (e != ERR_NONE) return call_fail(c, e);
    put_head(c, &o, NULL);
    buf_put_str(&c->reply.body, "<Containers>");
    enum status s = kv_cursor_open(&cur, c->txn, TABLE_CONTAINER);
    if (s != OK) return s;
    s = from.len ? kv_cursor_seek(&key, &value, cur, key_view(&from)) : kv_cursor_next(&key, &value, cur);
    while (s == OK && has_prefix(key, o.prefix)) {
        if (n++ == o.max) {
            next = key;
            break;
        }
        s = put_container(c, &o, key, value);
        if (s != OK) break;
        s = kv_cursor_next(&key, &value, cur);
    }
    if (s == OK || s == E_NOT_FOUND) s = end(c, "Containers", next);
    kv_cursor_close(cur);
    return s;
}
