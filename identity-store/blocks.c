#include "identity-store/blobs.h"

#include "identity-store/text.h"
#include "lib/codec/base64.h"
#include "lib/crypto/aead.h"

/* Blocks wait under sha256(container NUL blob) || id until a block list names them. All of them go when the list is committed. Blocks of a
 * blob that is never committed are dropped with the next commit of that blob. Committed blobs keep no blocks: a list may name
 * uncommitted ("Latest", "Uncommitted") ones only. */
enum { BLOCK_ID_MAX = 64, BLOCKS_MAX = 5000 };

static void block_key(struct record_key *k, const struct call *c, bytes id)
{
    struct record_key blob;
    key_of_blob(&blob, c->container, c->blob);
    sha256(k->ptr, blob.ptr, blob.len);
    k->len = 32;
    if (id.len) memcpy(k->ptr + 32, id.ptr, id.len);
    k->len += id.len;
}

/* base64 of 1 to 64 bytes */
static bool block_id_get(struct buf *id, const char *text)
{
    buf_clear(id);
    return base64_get(id, bytes_str(text), false) == OK && id->len >= 1 && id->len <= BLOCK_ID_MAX;
}

enum status block_put(struct call *c)
{
    struct found f;
    enum rest_error e;
    struct record_key k;
    struct buf id;
    char text[128], lease[LEASE_ID_LEN + 1];
    static const struct lease none;
    enum status s = blob_find(&f, &e, c, false);
    if (s != OK) return s;
    if (e == ERR_NONE) e = lease_header(lease, c);
    if (e == ERR_NONE) e = lease_check_write(f.exists ? &f.rec.lease : &none, lease, LEASE_OF_BLOB, c->now_ms);
    buf_init(&id, BLOCK_ID_MAX);
    if (e == ERR_NONE && (!query_get(text, sizeof text, c->rq.query, "blockid") || !block_id_get(&id, text))) e = ERR_BLOCK_ID;
    if (e == ERR_NONE) {
        block_key(&k, c, buf_view(&id));
        s = kv_put(c->txn, TABLE_BLOCK, key_view(&k), c->rq.body);
        c->reply.status = 201;
        call_header(c, "x-ms-request-server-encrypted", "true");
    } else {
        s = call_fail(c, e);
    }
    buf_fini(&id);
    return s;
}

/* <BlockList><Latest>id</Latest>...</BlockList> to the content */
static enum status gather(struct buf *content, enum rest_error *why, struct call *c)
{
    bytes in = c->rq.body;
    struct buf id;
    enum status s = OK;
    size_t n = 0;
    buf_init(&id, BLOCK_ID_MAX);
    *why = ERR_NONE;
    const char *p = in.len ? (const char *)in.ptr : "", *stop = p + in.len;
    if (memmem(p, in.len, "<BlockList", 10) == NULL) *why = ERR_XML;
    while (*why == ERR_NONE && s == OK) {
        static const char *const tags[] = {"<Latest>", "<Uncommitted>", "<Committed>"};
        const char *first = NULL;
        size_t tag_len = 0;
        for (size_t i = 0; i < COUNT_OF(tags); i++) {
            const char *at = memmem(p, (size_t)(stop - p), tags[i], strlen(tags[i]));
            if (at != NULL && (first == NULL || at < first)) {
                first = at;
                tag_len = strlen(tags[i]);
            }
        }
        if (first == NULL) break;
        p = first + tag_len;
        const char *close = memchr(p, '<', (size_t)(stop - p));
        char text[128];
        if (close == NULL || (size_t)(close - p) >= sizeof text) {
            *why = ERR_XML;
            break;
        }
        memcpy(text, p, (size_t)(close - p));
        text[close - p] = 0;
        p = close;
        struct record_key k;
        bytes block;
        if (!block_id_get(&id, text) || ++n > BLOCKS_MAX) {
            *why = ERR_BLOCK_LIST;
            break;
        }
        block_key(&k, c, buf_view(&id));
        s = kv_get(&block, c->txn, TABLE_BLOCK, key_view(&k));
        if (s == E_NOT_FOUND) {
            *why = ERR_BLOCK_LIST;
            s = OK;
        } else if (s == OK) {
            buf_put_bytes(content, block);
            if (buf_status(content) == E_LIMIT) *why = ERR_BODY_SIZE;
        }
    }
    buf_fini(&id);
    return s;
}

static enum status drop_blocks(struct call *c)
{
    struct record_key prefix;
    block_key(&prefix, c, BYTES_EMPTY);
    for (;;) {
        struct kv_cursor *cur;
        struct record_key k = {.len = 0};
        bytes key, value;
        enum status s = kv_cursor_open(&cur, c->txn, TABLE_BLOCK);
        if (s != OK) return s;
        s = kv_cursor_seek(&key, &value, cur, key_view(&prefix));
        if (s == OK && key.len > 32 && key.len <= sizeof k.ptr && memcmp(key.ptr, prefix.ptr, 32) == 0) {
            memcpy(k.ptr, key.ptr, key.len);
            k.len = key.len;
        }
        kv_cursor_close(cur);
        if (s == E_NOT_FOUND || (s == OK && k.len == 0)) return OK;
        if (s == OK) s = kv_delete(c->txn, TABLE_BLOCK, key_view(&k));
        if (s != OK) return s;
    }
}

enum status block_commit(struct call *c)
{
    struct found f;
    enum rest_error e;
    struct buf content;
    buf_init(&content, REPLY_MAX - (64 << 10)); /* what can be read back in one answer */
    enum status s = blob_find(&f, &e, c, false);
    if (s == OK && e == ERR_NONE) e = blob_check_write(c, &f);
    if (s == OK && e == ERR_NONE) s = gather(&content, &e, c);
    if (s == OK && e != ERR_NONE) {
        s = call_fail(c, e);
    } else if (s == OK) {
        s = blob_store_content(c, &f, buf_view(&content));
        if (s == OK && c->reply.status < 400) s = drop_blocks(c);
    }
    buf_fini(&content);
    return s;
}
