#include "node/store/kv_priv.h"

#include "lib/base/file.h"

#include <errno.h>
#include <lmdb.h>
#include <sys/mman.h>

struct lmdb {
    struct kv base;
    MDB_env *env;
    unsigned n_writes; /* the writer's own */
    MDB_dbi dbi[];
};

struct lmdb_txn {
    struct kv_txn base;
    struct lmdb *db;
    MDB_txn *txn;
    enum status failed; /* first failed write: the commit reports it */
};

struct lmdb_cursor {
    struct kv_cursor base;
    MDB_cursor *cur;
    bool past_end; /* a seek found nothing: LMDB leaves open where the cursor then stands */
};

enum {
    READER_CHECK_EVERY = 64,
    READERS_MAX = 512
};

static const struct kv_ops LMDB_OPS;

static enum status from_mdb(int rc)
{
    switch (rc) {
    case MDB_SUCCESS: return OK;
    case MDB_NOTFOUND: return E_NOT_FOUND;
    case MDB_MAP_FULL:
    case ENOSPC: return E_NOSPACE;
    case ENOMEM: return E_NOMEM;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH: return E_CORRUPT;
    case MDB_READERS_FULL: return E_BUSY;
    case ENOENT: return E_NOT_FOUND;
    case EACCES:
    case EROFS: return E_DENIED;
    default: return E_IO;
    }
}

static MDB_val to_val(bytes b)
{
    /* LMDB's API takes a mutable pointer, it does not write through it */
    return (MDB_val){b.len, (void *)(uintptr_t)b.ptr};
}

static bytes from_val(MDB_val v)
{
    return bytes_make(v.mv_data, v.mv_size);
}

static int open_tables(struct lmdb *db, const char *const *names, bool readonly)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(db->env, NULL, readonly ? MDB_RDONLY : 0, &txn);
    if (rc != 0) return rc;
    for (size_t i = 0; i < db->base.n_tables && rc == 0; i++)
        rc = mdb_dbi_open(txn, names[i], readonly ? 0 : MDB_CREATE, &db->dbi[i]);
    if (rc == 0) return mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return rc;
}

enum status kv_open_lmdb(struct kv **out, const char *path, const char *const *names, size_t n_tables, uint64_t map_bytes,
                         unsigned flags, struct err *err)
{
    const bool readonly = (flags & KV_READONLY) != 0;
    enum status s;
    if (n_tables == 0 || n_tables > 1000 || map_bytes > SIZE_MAX / 2)
        return err_set(err, E_INVALID, "%s: bad number of tables or map size", path);
    if (!readonly && (s = file_mkdirs(path, 0700, err)) != OK) return s;
    struct lmdb *db = calloc(1, sizeof *db + n_tables * sizeof db->dbi[0]);
    if (db == NULL) return err_set(err, E_NOMEM, "%s: out of memory", path);
    db->base = (struct kv){.ops = &LMDB_OPS, .n_tables = n_tables};

    /* NOTLS: a reader may begin on one thread and go on on another. NORDAHEAD: reads are random, the file may be larger than memory. */
    /* NOMETASYNC: the page that makes a commit the newest is synced along with the next one: half the syncs. The database stays whole. */
    unsigned mdb_flags = MDB_NOTLS | MDB_NORDAHEAD;
    if (!(flags & KV_DURABLE)) mdb_flags |= MDB_NOMETASYNC;
    if (readonly) mdb_flags |= MDB_RDONLY;
    if (flags & KV_NOSYNC) mdb_flags |= MDB_NOSYNC;
    int rc = mdb_env_create(&db->env);
    if (rc == 0) rc = mdb_env_set_maxdbs(db->env, (MDB_dbi)n_tables);
    if (rc == 0) rc = mdb_env_set_maxreaders(db->env, READERS_MAX);
    if (rc == 0) rc = mdb_env_set_mapsize(db->env, (size_t)map_bytes);
    if (rc == 0) rc = mdb_env_open(db->env, path, mdb_flags, 0600);
    int stale;
    if (rc == 0) rc = mdb_reader_check(db->env, &stale); /* slots of a killed process */
    if (rc == 0) rc = open_tables(db, names, readonly);
    if (rc != 0) {
        s = err_set(err, from_mdb(rc), "%s: cannot open the database: %s", path, mdb_strerror(rc));
        if (db->env != NULL) mdb_env_close(db->env);
        free(db);
        return s;
    }
    *out = &db->base;
    return OK;
}

enum status kv_copy_lmdb(const char *path, int fd, struct err *err)
{
    MDB_env *env = NULL;
    int stale, rc = mdb_env_create(&env);
    if (rc == 0) rc = mdb_env_set_maxreaders(env, READERS_MAX);
    if (rc == 0) rc = mdb_env_open(env, path, MDB_RDONLY | MDB_NOTLS, 0600);
    if (rc == 0) rc = mdb_reader_check(env, &stale);
    if (rc == 0) rc = mdb_env_copyfd2(env, fd, MDB_CP_COMPACT);
    if (env != NULL) mdb_env_close(env);
    return rc == 0 ? OK : err_set(err, from_mdb(rc), "%s: cannot copy the database: %s", path, mdb_strerror(rc));
}

static void lmdb_close(struct kv *kv)
{
    struct lmdb *db = (struct lmdb *)kv;
    mdb_env_close(db->env);
    free(db);
}

static enum status lmdb_begin(struct kv_txn **out, struct kv *kv, bool write)
{
    struct lmdb *db = (struct lmdb *)kv;
    struct lmdb_txn *t = calloc(1, sizeof *t);
    if (t == NULL) return E_NOMEM;
    *t = (struct lmdb_txn){.base = {.ops = &LMDB_OPS, .n_tables = kv->n_tables, .write = write}, .db = db};
    int rc = mdb_txn_begin(db->env, NULL, write ? 0 : MDB_RDONLY, &t->txn);
    if (rc != 0) {
        free(t);
        return from_mdb(rc);
    }
    /* another process that reads here (a backup) and was killed would hold back its snapshot's pages for as long as we run */
    int stale;
    if (write && ++db->n_writes % READER_CHECK_EVERY == 0) IGNORE(mdb_reader_check(db->env, &stale) != 0, "the next one does it");
    *out = &t->base;
    return OK;
}

static void lmdb_abort(struct kv_txn *txn)
{
    struct lmdb_txn *t = (struct lmdb_txn *)txn;
    mdb_txn_abort(t->txn);
    free(t);
}

static enum status lmdb_commit(struct kv_txn *txn)
{
    struct lmdb_txn *t = (struct lmdb_txn *)txn;
    enum status s = t->failed;
    if (s != OK) {
        lmdb_abort(txn);
        return s;
    }
    s = from_mdb(mdb_txn_commit(t->txn));
    free(t);
    return s;
}

/* LMDB numbers its commits */
static bool lmdb_is_newest(const struct kv_txn *txn)
{
    const struct lmdb_txn *t = (const struct lmdb_txn *)txn;
    MDB_envinfo info;
    return !t->base.write && mdb_env_info(t->db->env, &info) == 0 && info.me_last_txnid == mdb_txn_id(t->txn);
}

static enum status lmdb_get(bytes *value, struct kv_txn *txn, unsigned table, bytes key)
{
    struct lmdb_txn *t = (struct lmdb_txn *)txn;
    MDB_val k = to_val(key), v;
    int rc = mdb_get(t->txn, t->db->dbi[table], &k, &v);
    if (rc == 0) *value = from_val(v);
    return from_mdb(rc);
}

static enum status lmdb_put(struct kv_txn *txn, unsigned table, bytes key, bytes value)
{
    struct lmdb_txn *t = (struct lmdb_txn *)txn;
    MDB_val k = to_val(key), v = to_val(value);
    enum status s = from_mdb(mdb_put(t->txn, t->db->dbi[table], &k, &v, 0));
    if (s != OK && t->failed == OK) t->failed = s;
    return s;
}

static enum status lmdb_del(struct kv_txn *txn, unsigned table, bytes key)
{
    struct lmdb_txn *t = (struct lmdb_txn *)txn;
    MDB_val k = to_val(key);
    int rc = mdb_del(t->txn, t->db->dbi[table], &k, NULL);
    enum status s = rc == MDB_NOTFOUND ? OK : from_mdb(rc);
    if (s != OK && t->failed == OK) t->failed = s;
    return s;
}

static enum status lmdb_cursor_open(struct kv_cursor **out, struct kv_txn *txn, unsigned table)
{
    struct lmdb_txn *t = (struct lmdb_txn *)txn;
    struct lmdb_cursor *c = calloc(1, sizeof *c);
    if (c == NULL) return E_NOMEM;
    c->base.ops = &LMDB_OPS;
    int rc = mdb_cursor_open(t->txn, t->db->dbi[table], &c->cur);
    if (rc != 0) {
        free(c);
        return from_mdb(rc);
    }
    *out = &c->base;
    return OK;
}

static void lmdb_cursor_close(struct kv_cursor *c)
{
    struct lmdb_cursor *l = (struct lmdb_cursor *)c;
    mdb_cursor_close(l->cur);
    free(l);
}

static enum status move(bytes *key, bytes *value, struct kv_cursor *c, MDB_val k, MDB_cursor_op op)
{
    MDB_val v;
    struct lmdb_cursor *l = (struct lmdb_cursor *)c;
    int rc = mdb_cursor_get(l->cur, &k, &v, op);
    if (rc == 0) {
        l->past_end = false;
        *key = from_val(k);
        *value = from_val(v);
    }
    return from_mdb(rc);
}

static enum status lmdb_seek(bytes *key, bytes *value, struct kv_cursor *c, bytes at)
{
    if (at.len == 0) return move(key, value, c, (MDB_val){0}, MDB_FIRST);
    enum status s = move(key, value, c, to_val(at), MDB_SET_RANGE);
    if (s == E_NOT_FOUND) ((struct lmdb_cursor *)c)->past_end = true;
    return s;
}

static enum status lmdb_next(bytes *key, bytes *value, struct kv_cursor *c)
{
    if (((struct lmdb_cursor *)c)->past_end) return E_NOT_FOUND;
    return move(key, value, c, (MDB_val){0}, MDB_NEXT);
}

static enum status lmdb_prev(bytes *key, bytes *value, struct kv_cursor *c)
{
    return move(key, value, c, (MDB_val){0}, ((struct lmdb_cursor *)c)->past_end ? MDB_LAST : MDB_PREV);
}

static enum status lmdb_last(bytes *key, bytes *value, struct kv_cursor *c)
{
    return move(key, value, c, (MDB_val){0}, MDB_LAST);
}

/* pages that the list of free pages (database 0 of LMDB) holds; each of its entries begins with a count */
static uint64_t free_pages(MDB_env *env)
{
    MDB_txn *txn;
    MDB_cursor *cur;
    uint64_t n = 0;
    if (mdb_txn_begin(env, NULL, MDB_RDONLY, &txn) != 0) return 0;
    if (mdb_cursor_open(txn, 0, &cur) == 0) {
        MDB_val k, v;
        while (mdb_cursor_get(cur, &k, &v, MDB_NEXT) == 0) {
            size_t count = 0;
            if (v.mv_size >= sizeof count) memcpy(&count, v.mv_data, sizeof count);
            n += count;
        }
        mdb_cursor_close(cur);
    }
    mdb_txn_abort(txn);
    return n;
}

static uint64_t lmdb_used_bytes(struct kv *kv)
{
    struct lmdb *db = (struct lmdb *)kv;
    MDB_envinfo info;
    MDB_stat stat;
    if (mdb_env_info(db->env, &info) != 0 || mdb_env_stat(db->env, &stat) != 0) return 0;
    uint64_t pages = (uint64_t)info.me_last_pgno + 1, unused = free_pages(db->env);
    return (pages > unused ? pages - unused : 0) * stat.ms_psize;
}

static enum status lmdb_sync(struct kv *kv)
{
    struct lmdb *db = (struct lmdb *)kv;
    unsigned flags = 0;
    if (mdb_env_get_flags(db->env, &flags) == 0 && (flags & MDB_NOSYNC) != 0) return OK;
    return from_mdb(mdb_env_sync(db->env, 1));
}

/* LMDB does not say where its map is, the system does. The map is read only and shared: what is let go of is there again at the next look. */
static void lmdb_trim(struct kv *kv)
{
    const char *dir = NULL;
    char line[512], *file = NULL, *real = NULL;
    FILE *maps = fopen("/proc/self/maps", "re");
    if (mdb_env_get_path(((struct lmdb *)kv)->env, &dir) == 0 && asprintf(&file, "%s/data.mdb", dir) >= 0) real = realpath(file, NULL);
    while (maps != NULL && real != NULL && fgets(line, sizeof line, maps) != NULL) {
        unsigned long from, to;
        const char *path = strchr(line, '/');
        if (path == NULL || strncmp(path, real, strlen(real)) != 0 || path[strlen(real)] != '\n') continue;
        if (sscanf(line, "%lx-%lx r--s", &from, &to) == 2) (void)madvise((void *)(uintptr_t)from, to - from, MADV_DONTNEED);
    }
    if (maps != NULL) (void)fclose(maps);
    free(file);
    free(real);
}

static const struct kv_ops LMDB_OPS = {
    .close = lmdb_close,
    .begin = lmdb_begin,
    .commit = lmdb_commit,
    .abort = lmdb_abort,
    .is_newest = lmdb_is_newest,
    .get = lmdb_get,
    .put = lmdb_put,
    .del = lmdb_del,
    .cursor_open = lmdb_cursor_open,
    .cursor_close = lmdb_cursor_close,
    .seek = lmdb_seek,
    .next = lmdb_next,
    .prev = lmdb_prev,
    .last = lmdb_last,
    .sync = lmdb_sync,
    .used_bytes = lmdb_used_bytes,
    .trim = lmdb_trim,
};
