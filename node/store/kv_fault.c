#include "node/store/kv_fault.h"

#include "node/store/kv_priv.h"

struct fault {
    struct kv base;
    struct kv *under;
    bool is_dead, is_armed, durable;
    unsigned skip, n_fail;
    enum status fail_with;
    void (*died)(void *ctx);
    void *ctx;
    uint64_t n_commits;
};

struct fault_txn {
    struct kv_txn base;
    struct fault *db;
    struct kv_txn *under;
};

static const struct kv_ops FAULT_OPS;

enum status kv_open_fault(struct kv **out, struct kv *under)
{
    struct fault *f = calloc(1, sizeof *f);
    if (f == NULL) return E_NOMEM;
    f->base = (struct kv){.ops = &FAULT_OPS, .n_tables = under->n_tables};
    f->under = under;
    *out = &f->base;
    return OK;
}

static struct fault *fault_of(struct kv *kv)
{
    if (kv->ops != &FAULT_OPS) BUG("not a store with faults");
    return (struct fault *)kv;
}

void kv_fault_fail(struct kv *kv, unsigned n, enum status s)
{
    struct fault *f = fault_of(kv);
    f->n_fail = n;
    f->fail_with = s;
}

void kv_fault_crash(struct kv *kv, unsigned skip, bool durable, void (*died)(void *ctx), void *ctx)
{
    struct fault *f = fault_of(kv);
    f->is_armed = true;
    f->skip = skip;
    f->durable = durable;
    f->died = died;
    f->ctx = ctx;
}

void kv_fault_kill(struct kv *kv)
{
    fault_of(kv)->is_dead = true;
}

bool kv_fault_is_dead(const struct kv *kv)
{
    return ((const struct fault *)kv)->is_dead;
}

void kv_fault_revive(struct kv *kv)
{
    struct fault *f = fault_of(kv);
    f->is_dead = f->is_armed = false;
    f->n_fail = 0;
}

uint64_t kv_fault_commits(const struct kv *kv)
{
    return ((const struct fault *)kv)->n_commits;
}

static void fault_close(struct kv *kv)
{
    free(kv);
}

static enum status fault_begin(struct kv_txn **out, struct kv *kv, bool write)
{
    struct fault *f = (struct fault *)kv;
    if (f->is_dead) return E_IO;
    struct fault_txn *t = calloc(1, sizeof *t);
    if (t == NULL) return E_NOMEM;
    const enum status s = kv_begin(&t->under, f->under, write);
    if (s != OK) {
        free(t);
        return s;
    }
    t->base = (struct kv_txn){.ops = &FAULT_OPS, .n_tables = kv->n_tables, .write = write};
    t->db = f;
    *out = &t->base;
    return OK;
}

static enum status fault_commit(struct kv_txn *txn)
{
    struct fault_txn *t = (struct fault_txn *)txn;
    struct fault *f = t->db;
    struct kv_txn *under = t->under;
    free(t);
    if (!kv_is_write(under)) return kv_commit(under);
    const bool dies = !f->is_dead && f->is_armed && f->skip == 0;
    if (f->is_armed && f->skip > 0) f->skip--;
    enum status s = f->is_dead || (dies && !f->durable) ? E_IO : OK;
    if (s == OK && !dies && f->n_fail > 0) {
        f->n_fail--;
        s = f->fail_with;
    }
    if (s == OK) {
        s = kv_commit(under);
        f->n_commits += s == OK;
    } else {
        kv_abort(under);
    }
    if (!dies) return s;
    f->is_dead = true;
    f->is_armed = false;
    if (f->died != NULL) f->died(f->ctx);
    return E_IO;
}

static void fault_abort(struct kv_txn *txn)
{
    kv_abort(((struct fault_txn *)txn)->under);
    free(txn);
}

static enum status fault_get(bytes *value, struct kv_txn *txn, unsigned table, bytes key)
{
    return kv_get(value, ((struct fault_txn *)txn)->under, table, key);
}

static enum status fault_put(struct kv_txn *txn, unsigned table, bytes key, bytes value)
{
    return kv_put(((struct fault_txn *)txn)->under, table, key, value);
}

static enum status fault_del(struct kv_txn *txn, unsigned table, bytes key)
{
    return kv_delete(((struct fault_txn *)txn)->under, table, key);
}

/* the cursor is that of the store below: its calls need nothing from here */
static enum status fault_cursor_open(struct kv_cursor **out, struct kv_txn *txn, unsigned table)
{
    return kv_cursor_open(out, ((struct fault_txn *)txn)->under, table);
}

static uint64_t fault_used_bytes(struct kv *kv)
{
    return kv_used_bytes(((struct fault *)kv)->under);
}

static enum status fault_sync(struct kv *kv)
{
    return kv_sync(((struct fault *)kv)->under);
}

static const struct kv_ops FAULT_OPS = {
    .close = fault_close,
    .begin = fault_begin,
    .commit = fault_commit,
    .abort = fault_abort,
    .get = fault_get,
    .put = fault_put,
    .del = fault_del,
    .cursor_open = fault_cursor_open,
    .sync = fault_sync,
    .used_bytes = fault_used_bytes,
};
