/* kv_priv.h: the table of functions behind each form of store. The first member of every kv, txn and cursor names its form. */
#ifndef NODE_STORE_KV_PRIV_H
#define NODE_STORE_KV_PRIV_H

#include "node/store/kv.h"

struct kv_ops {
    void (*close)(struct kv *kv);
    enum status (*begin)(struct kv_txn **out, struct kv *kv, bool write);
    enum status (*commit)(struct kv_txn *txn);
    void (*abort)(struct kv_txn *txn);
    bool (*is_newest)(const struct kv_txn *txn); /* NULL: it can't be told */
    enum status (*get)(bytes *value, struct kv_txn *txn, unsigned table, bytes key);
    enum status (*put)(struct kv_txn *txn, unsigned table, bytes key, bytes value);
    enum status (*del)(struct kv_txn *txn, unsigned table, bytes key);
    enum status (*cursor_open)(struct kv_cursor **out, struct kv_txn *txn, unsigned table);
    void (*cursor_close)(struct kv_cursor *c);
    enum status (*seek)(bytes *key, bytes *value, struct kv_cursor *c, bytes at);
    enum status (*next)(bytes *key, bytes *value, struct kv_cursor *c);
    enum status (*prev)(bytes *key, bytes *value, struct kv_cursor *c);
    enum status (*last)(bytes *key, bytes *value, struct kv_cursor *c);
    enum status (*sync)(struct kv *kv); /* NULL: there is no disk */
    uint64_t (*used_bytes)(struct kv *kv);
    void (*trim)(struct kv *kv); /* NULL: nothing is mapped */
};

struct kv {
    const struct kv_ops *ops;
    size_t n_tables;
};
struct kv_txn {
    const struct kv_ops *ops;
    size_t n_tables;
    bool write;
};
struct kv_cursor {
    const struct kv_ops *ops;
};

enum { KV_KEY_MAX = 511 };

#endif
