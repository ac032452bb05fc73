#include "node/store/kv_priv.h"

static bool key_ok(const struct kv_txn *txn, unsigned table, bytes key)
{
    return table < txn->n_tables && key.len >= 1 && key.len <= KV_KEY_MAX;
}

void kv_close(struct kv *kv)
{
    if (kv != NULL) kv->ops->close(kv);
}

enum status kv_begin(struct kv_txn **out, struct kv *kv, bool write)
{
    return kv->ops->begin(out, kv, write);
}

enum status kv_commit(struct kv_txn *txn)
{
    return txn->ops->commit(txn);
}

void kv_abort(struct kv_txn *txn)
{
    if (txn != NULL) txn->ops->abort(txn);
}

bool kv_is_write(const struct kv_txn *txn)
{
    return txn->write;
}

bool kv_is_newest(const struct kv_txn *txn)
{
    return txn->ops->is_newest != NULL && txn->ops->is_newest(txn);
}

enum status kv_get(bytes *value, struct kv_txn *txn, unsigned table, bytes key)
{
    if (!key_ok(txn, table, key)) return E_INVALID;
    return txn->ops->get(value, txn, table, key);
}

enum status kv_put(struct kv_txn *txn, unsigned table, bytes key, bytes value)
{
    if (!key_ok(txn, table, key) || !txn->write) return E_INVALID;
    return txn->ops->put(txn, table, key, value);
}

enum status kv_delete(struct kv_txn *txn, unsigned table, bytes key)
{
    if (!key_ok(txn, table, key) || !txn->write) return E_INVALID;
    return txn->ops->del(txn, table, key);
}

enum status kv_cursor_open(struct kv_cursor **out, struct kv_txn *txn, unsigned table)
{
    if (table >= txn->n_tables) return E_INVALID;
    return txn->ops->cursor_open(out, txn, table);
}

void kv_cursor_close(struct kv_cursor *c)
{
    if (c != NULL) c->ops->cursor_close(c);
}

enum status kv_cursor_seek(bytes *key, bytes *value, struct kv_cursor *c, bytes at)
{
    if (at.len > KV_KEY_MAX) return E_INVALID;
    return c->ops->seek(key, value, c, at);
}

enum status kv_cursor_next(bytes *key, bytes *value, struct kv_cursor *c)
{
    return c->ops->next(key, value, c);
}

enum status kv_cursor_prev(bytes *key, bytes *value, struct kv_cursor *c)
{
    return c->ops->prev(key, value, c);
}

enum status kv_cursor_last(bytes *key, bytes *value, struct kv_cursor *c)
{
    return c->ops->last(key, value, c);
}

enum status kv_sync(struct kv *kv)
{
    return kv->ops->sync != NULL ? kv->ops->sync(kv) : OK;
}

uint64_t kv_used_bytes(struct kv *kv)
{
    return kv->ops->used_bytes(kv);
}

void kv_trim(struct kv *kv)
{
    if (kv->ops->trim != NULL) kv->ops->trim(kv);
}
