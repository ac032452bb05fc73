/* Each table is a treap whose nodes are shared between versions and counted. A transaction holds one reference to each root. A write
 * changes in place what no other version shares (count 1 all the way from its root) and copies the rest of the path. */
#include "node/store/kv_priv.h"

#include <pthread.h>
#include <stdatomic.h>

struct item {
    atomic_uint refs;
    size_t key_len, value_len;
    uint8_t data[]; /* key, then value */
};

struct node {
    atomic_uint refs;
    uint32_t prio; /* from the key: the same content always has the same shape */
    uint64_t front; /* the key's first bytes: most comparisons end here, without a look at the item */
    struct node *left, *right;
    struct item *item;
};

struct memory {
    struct kv base;
    pthread_mutex_t writer; /* held for the life of a write transaction */
    pthread_mutex_t lock;   /* guards root and used */
    uint64_t used;
    struct node *root[];
};

struct memory_txn {
    struct kv_txn base;
    struct memory *db;
    int64_t grown;
    struct node *root[];
};

struct memory_cursor {
    struct kv_cursor base;
    struct memory_txn *txn;
    unsigned table;
    enum { AT_START, AT_KEY, AT_END } where;
    size_t key_len;
    uint8_t key[KV_KEY_MAX];
};

static const struct kv_ops MEMORY_OPS;

static bytes item_key(const struct item *it)
{
    return bytes_make(it->data, it->key_len);
}

static bytes item_value(const struct item *it)
{
    return bytes_make(it->data + it->key_len, it->value_len);
}

static uint64_t front_of(bytes key)
{
    uint8_t first[8] = {0};
    if (key.len >= sizeof first) return be64_get(key.ptr);
    if (key.len > 0) memcpy(first, key.ptr, key.len);
    return be64_get(first);
}

static void item_drop(struct item *it)
{
    if (atomic_fetch_sub(&it->refs, 1) == 1) free(it);
}

static struct node *node_share(struct node *n)
{
    if (n != NULL) atomic_fetch_add(&n->refs, 1);
    return n;
}

static void node_drop(struct node *n)
{
    while (n != NULL && atomic_fetch_sub(&n->refs, 1) == 1) {
        struct node *right = n->right;
        node_drop(n->left);
        item_drop(n->item);
        free(n);
        n = right;
    }
}

static int compare(bytes key, uint64_t front, const struct node *n)
{
    if (front != n->front) return front < n->front ? -1 : 1;
    return bytes_cmp(key, item_key(n->item));
}

static struct node *node_new(void)
{
    struct node *n = calloc(1, sizeof *n);
    if (n == NULL) BUG("out of memory");
    atomic_init(&n->refs, 1);
    return n;
}

/* own: a node that only the caller's version holds, with the same content */
static struct node *own(struct node *n)
{
    if (atomic_load(&n->refs) == 1) return n;
    struct node *c = node_new();
    c->prio = n->prio;
    c->front = n->front;
    c->left = node_share(n->left);
    c->right = node_share(n->right);
    c->item = n->item;
    atomic_fetch_add(&c->item->refs, 1);
    node_drop(n);
    return c;
}

static uint32_t prio_of(bytes key)
{
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a, then mixed: only the spread matters */
    for (size_t i = 0; i < key.len; i++) h = (h ^ key.ptr[i]) * 0x100000001b3u;
    h ^= h >> 33;
    h *= 0xff51afd7ed558ccdu;
    return (uint32_t)(h >> 32);
}

static struct node *insert(struct node *n, struct item *it, uint32_t prio, uint64_t front, int64_t *grown)
{
    if (n == NULL) {
        n = node_new();
        n->prio = prio;
        n->front = front;
        n->item = it;
        return n;
    }
    n = own(n);
    int c = compare(item_key(it), front, n);
    if (c == 0) {
        *grown -= (int64_t)(n->item->key_len + n->item->value_len);
        item_drop(n->item);
        n->item = it;
        return n;
    }
    if (c < 0) {
        n->left = insert(n->left, it, prio, front, grown);
        if (n->left->prio <= n->prio) return n;
        struct node *top = n->left; /* rotate right */
        n->left = top->right;
        top->right = n;
        return top;
    }
    n->right = insert(n->right, it, prio, front, grown);
    if (n->right->prio <= n->prio) return n;
    struct node *top = n->right; /* rotate left */
    n->right = top->left;
    top->left = n;
    return top;
}

/* join: every key of a is below every key of b */
static struct node *join(struct node *a, struct node *b)
{
    if (a == NULL) return b;
    if (b == NULL) return a;
    if (a->prio > b->prio) {
        a = own(a);
        a->right = join(a->right, b);
        return a;
    }
    b = own(b);
    b->left = join(a, b->left);
    return b;
}

static struct node *removed(struct node *n, bytes key, uint64_t front, int64_t *grown)
{
    n = own(n);
    int c = compare(key, front, n);
    if (c < 0) {
        n->left = removed(n->left, key, front, grown);
        return n;
    }
    if (c > 0) {
        n->right = removed(n->right, key, front, grown);
        return n;
    }
    *grown -= (int64_t)(n->item->key_len + n->item->value_len);
    struct node *left = n->left, *right = n->right;
    n->left = n->right = NULL;
    node_drop(n);
    return join(left, right);
}

static const struct item *find(const struct node *n, bytes key)
{
    const uint64_t front = front_of(key);
    while (n != NULL) {
        int c = compare(key, front, n);
        if (c == 0) return n->item;
        n = c < 0 ? n->left : n->right;
    }
    return NULL;
}

/* find_above: the first item whose key is > key, or >= key; find_below: the last whose key is < key; any: the very last */
static const struct item *find_above(const struct node *n, bytes key, bool or_equal)
{
    const struct item *best = NULL;
    const uint64_t front = front_of(key);
    while (n != NULL) {
        int c = compare(key, front, n);
        if (c < 0 || (c == 0 && or_equal)) {
            best = n->item;
            n = n->left;
        } else {
            n = n->right;
        }
    }
    return best;
}

static const struct item *find_below(const struct node *n, bytes key, bool any)
{
    const struct item *best = NULL;
    const uint64_t front = front_of(key);
    while (n != NULL) {
        if (any || compare(key, front, n) > 0) {
            best = n->item;
            n = n->right;
        } else {
            n = n->left;
        }
    }
    return best;
}

enum status kv_open_memory(struct kv **out, size_t n_tables)
{
    if (n_tables == 0 || n_tables > 1000) return E_INVALID;
    struct memory *db = calloc(1, sizeof *db + n_tables * sizeof db->root[0]);
    if (db == NULL) return E_NOMEM;
    db->base = (struct kv){.ops = &MEMORY_OPS, .n_tables = n_tables};
    if (pthread_mutex_init(&db->writer, NULL) != 0 || pthread_mutex_init(&db->lock, NULL) != 0) {
        free(db);
        return E_NOMEM;
    }
    *out = &db->base;
    return OK;
}

static void memory_close(struct kv *kv)
{
    struct memory *db = (struct memory *)kv;
    for (size_t i = 0; i < kv->n_tables; i++) node_drop(db->root[i]);
    pthread_mutex_destroy(&db->writer);
    pthread_mutex_destroy(&db->lock);
    free(db);
}

static enum status memory_begin(struct kv_txn **out, struct kv *kv, bool write)
{
    struct memory *db = (struct memory *)kv;
    struct memory_txn *t = calloc(1, sizeof *t + kv->n_tables * sizeof t->root[0]);
    if (t == NULL) return E_NOMEM;
    t->base = (struct kv_txn){.ops = &MEMORY_OPS, .n_tables = kv->n_tables, .write = write};
    t->db = db;
    if (write) pthread_mutex_lock(&db->writer);
    pthread_mutex_lock(&db->lock);
    for (size_t i = 0; i < kv->n_tables; i++) t->root[i] = node_share(db->root[i]);
    pthread_mutex_unlock(&db->lock);
    *out = &t->base;
    return OK;
}

static void memory_end(struct memory_txn *t)
{
    for (size_t i = 0; i < t->base.n_tables; i++) node_drop(t->root[i]);
    if (t->base.write) pthread_mutex_unlock(&t->db->writer);
    free(t);
}

static void memory_abort(struct kv_txn *txn)
{
    memory_end((struct memory_txn *)txn);
}

static enum status memory_commit(struct kv_txn *txn)
{
    struct memory_txn *t = (struct memory_txn *)txn;
    if (txn->write) {
        pthread_mutex_lock(&t->db->lock);
        for (size_t i = 0; i < txn->n_tables; i++) {
            struct node *old = t->db->root[i];
            t->db->root[i] = t->root[i];
            t->root[i] = old; /* dropped below, outside the lock */
        }
        t->db->used += (uint64_t)t->grown;
        pthread_mutex_unlock(&t->db->lock);
    }
    memory_end(t);
    return OK;
}

static enum status memory_get(bytes *value, struct kv_txn *txn, unsigned table, bytes key)
{
    const struct item *it = find(((struct memory_txn *)txn)->root[table], key);
    if (it == NULL) return E_NOT_FOUND;
    *value = item_value(it);
    return OK;
}

static enum status memory_put(struct kv_txn *txn, unsigned table, bytes key, bytes value)
{
    struct memory_txn *t = (struct memory_txn *)txn;
    struct item *it = malloc(sizeof *it + key.len + value.len);
    if (it == NULL) return E_NOMEM;
    atomic_init(&it->refs, 1);
    it->key_len = key.len;
    it->value_len = value.len;
    memcpy(it->data, key.ptr, key.len);
    if (value.len != 0) memcpy(it->data + key.len, value.ptr, value.len);
    t->grown += (int64_t)(key.len + value.len);
    t->root[table] = insert(t->root[table], it, prio_of(key), front_of(key), &t->grown);
    return OK;
}

static enum status memory_del(struct kv_txn *txn, unsigned table, bytes key)
{
    struct memory_txn *t = (struct memory_txn *)txn;
    if (find(t->root[table], key) == NULL) return OK;
    t->root[table] = removed(t->root[table], key, front_of(key), &t->grown);
    return OK;
}

static enum status memory_cursor_open(struct kv_cursor **out, struct kv_txn *txn, unsigned table)
{
    struct memory_cursor *c = calloc(1, sizeof *c);
    if (c == NULL) return E_NOMEM;
    c->base.ops = &MEMORY_OPS;
    c->txn = (struct memory_txn *)txn;
    c->table = table;
    *out = &c->base;
    return OK;
}

static void memory_cursor_close(struct kv_cursor *c)
{
    free(c);
}

/* land: stand on it. The cursor remembers the key, not the node, so that writes between two moves do no harm. */
static enum status land(bytes *key, bytes *value, struct memory_cursor *c, const struct item *it)
{
    if (it == NULL) return E_NOT_FOUND;
    c->where = AT_KEY;
    c->key_len = it->key_len;
    memcpy(c->key, it->data, it->key_len);
    *key = item_key(it);
    *value = item_value(it);
    return OK;
}

static enum status memory_seek(bytes *key, bytes *value, struct kv_cursor *cur, bytes at)
{
    struct memory_cursor *c = (struct memory_cursor *)cur;
    const struct item *it = find_above(c->txn->root[c->table], at, true);
    if (it == NULL) c->where = AT_END;
    return land(key, value, c, it);
}

static enum status memory_next(bytes *key, bytes *value, struct kv_cursor *cur)
{
    struct memory_cursor *c = (struct memory_cursor *)cur;
    if (c->where == AT_END) return E_NOT_FOUND;
    bytes at = c->where == AT_START ? BYTES_EMPTY : bytes_make(c->key, c->key_len);
    return land(key, value, c, find_above(c->txn->root[c->table], at, false));
}

static enum status memory_prev(bytes *key, bytes *value, struct kv_cursor *cur)
{
    struct memory_cursor *c = (struct memory_cursor *)cur;
    const bool any = c->where != AT_KEY;
    return land(key, value, c, find_below(c->txn->root[c->table], bytes_make(c->key, c->key_len), any));
}

static enum status memory_last(bytes *key, bytes *value, struct kv_cursor *cur)
{
    struct memory_cursor *c = (struct memory_cursor *)cur;
    return land(key, value, c, find_below(c->txn->root[c->table], BYTES_EMPTY, true));
}

static uint64_t memory_used_bytes(struct kv *kv)
{
    struct memory *db = (struct memory *)kv;
    pthread_mutex_lock(&db->lock);
    uint64_t used = db->used;
    pthread_mutex_unlock(&db->lock);
    return used;
}

static const struct kv_ops MEMORY_OPS = {
    .close = memory_close,
    .begin = memory_begin,
    .commit = memory_commit,
    .abort = memory_abort,
    .get = memory_get,
    .put = memory_put,
    .del = memory_del,
    .cursor_open = memory_cursor_open,
    .cursor_close = memory_cursor_close,
    .seek = memory_seek,
    .next = memory_next,
    .prev = memory_prev,
    .last = memory_last,
    .used_bytes = memory_used_bytes,
};
