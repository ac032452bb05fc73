#include "node/main/chain_file.h"

#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/codec/rlp.h"
#include "node/chain/chain.h"
#include "node/store/tables.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    SPEC_MAX = 64 << 20,
    BLOCK_MAX = 32 << 20,
    AHEAD_MAX = 64,              /* blocks that are read before they are executed */
    AHEAD_BYTES_MAX = 128 << 20, /* of their RLP */
    THREADS_MAX = 16,
    READ_MIN = 1 << 16,
    ARENA_MAX = 512 << 20
};
#define MAP_BYTES ((uint64_t)1 << 40) /* address space of the database, not disk */

/* ------------------------------------------------------------- open and close */

struct opened {
    struct chain_spec spec;
    bool has_spec;
    struct kv *kv;
    struct chain *chain;
};

static enum status open_chain(struct opened *o, const struct node_config *cfg, const struct chain_config *cc, struct err *err)
{
    static const char *const tables[] = {
#define X(id, name) name,
        STORE_TABLES(X)
#undef X
    };
    char path[4096];
    struct buf text;
    if (cfg->chain == NULL) return err_set(err, E_INVALID, "chain: a file of the chain's specification is needed here");
    buf_init(&text, SPEC_MAX);
    enum status s = file_read(&text, cfg->chain, err);
    if (s == OK) s = chain_spec_parse(&o->spec, buf_view(&text), err);
    o->has_spec = s == OK;
    buf_fini(&text);
    if (s == OK) s = file_mkdirs(cfg->base_path, 0700, err);
    (void)snprintf(path, sizeof path, "%s/db", cfg->base_path);
    if (s == OK) s = kv_open_lmdb(&o->kv, path, tables, COUNT_OF(tables), MAP_BYTES, 0, err);
    if (s == OK) s = chain_open(&o->chain, o->kv, &o->spec, cc, err);
    return s;
}

static void close_chain(struct opened *o)
{
    chain_close(o->chain);
    if (o->kv != NULL) kv_close(o->kv);
    if (o->has_spec) chain_spec_fini(&o->spec);
}

/* ------------------------------------------------------------------- export */

static enum status write_all(int fd, bytes b, const char *path, struct err *err)
{
    while (b.len > 0) {
        ssize_t n = write(fd, b.ptr, b.len);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return err_set(err, status_from_errno(errno), "%s: cannot write: %s", path, strerror(errno));
        b = bytes_make(b.ptr + n, b.len - (size_t)n);
    }
    return OK;
}

static enum status put_block(struct buf *out, struct kv_txn *txn, uint64_t number)
{
    hash32 hash;
    bytes header, body, items;
    enum status s = blocks_get_canonical_hash(&hash, txn, number);
    if (s == OK) s = blocks_get_header_raw(&header, txn, &hash);
    if (s == OK) s = blocks_get_body_raw(&body, txn, &hash);
    if (s == OK && rlp_get_list(&items, &body) != OK) s = E_CORRUPT;
    if (s != OK) return s;
    rlp_put_list_header(out, header.len + items.len);
    rlp_put_raw(out, header);
    rlp_put_raw(out, items);
    return buf_status(out);
}

enum status chain_file_export(const struct node_config *cfg, const char *path, struct err *err)
{
    struct opened o = {0};
    struct chain_config cc = {.archive = true}; /* nothing is written, and so nothing pruned */
    struct kv_txn *txn = NULL;
    struct chain_head head;
    struct buf out;
    int fd = -1;
    buf_init(&out, BLOCK_MAX + READ_MIN);
    enum status s = open_chain(&o, cfg, &cc, err);
    if (s != OK) goto out;
    fd = strcmp(path, "-") == 0 ? dup(1) : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) {
        s = err_set(err, status_from_errno(errno), "%s: cannot open: %s", path, strerror(errno));
        goto out;
    }
    chain_get_head(&head, o.chain);
    s = kv_begin(&txn, o.kv, false);
    if (s != OK) {
        txn = NULL;
        goto out;
    }
    for (uint64_t n = 1; s == OK && n <= head.number; n++) {
        s = put_block(&out, txn, n);
        if (s != OK) s = err_set(err, s, "block %llu: %s", (unsigned long long)n, status_text(s));
        if (s == OK && (out.len >= READ_MIN || n == head.number)) {
            s = write_all(fd, buf_view(&out), path, err);
            buf_clear(&out);
        }
    }
out:
    kv_abort(txn);
    if (fd >= 0 && close(fd) != 0 && s == OK) s = err_set(err, status_from_errno(errno), "%s: %s", path, strerror(errno));
    buf_fini(&out);
    close_chain(&o);
    return s;
}

/* ------------------------------------------------------- import: blocks ahead */

struct known {
    hash32 hash;
    address sender;
};

/* one block on its way; owned by the reader, then by a thread that recovers, then by the one that executes */
struct ahead {
    uint8_t *rlp;
    size_t len;
    struct known *known; /* in the block's order; fewer if one does not recover: then the import finds out itself */
    size_t n_known, next_known;
    bool is_ready;
};

struct pipeline {
    pthread_mutex_t lock;
    pthread_cond_t more, ready;
    struct ahead ring[AHEAD_MAX];
    uint64_t read, taken, done; /* blocks read, given to threads, executed; read - done <= AHEAD_MAX */
    bool stop;
    uint64_t recover_ns;
    struct ahead *current; /* executed now: the executing thread's */
};

static uint64_t cpu_ns(void)
{
    struct timespec ts;
    return clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts) == 0 ? (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec : 0;
}

static void recover_block(struct ahead *a)
{
    struct arena arena;
    struct block b;
    bytes rest = bytes_make(a->rlp, a->len);
    arena_init(&arena, ARENA_MAX);
    if (block_get(&b, &rest, &arena, NULL) == OK && b.n_txs > 0) {
        struct tx **all = arena_zalloc(&arena, b.n_txs, sizeof *all);
        a->known = all != NULL ? calloc(b.n_txs, sizeof *a->known) : NULL;
        for (size_t i = 0; a->known != NULL && i < b.n_txs; i++)
            all[i] = &b.txs[i];
        if (a->known != NULL) tx_recover_many(all, b.n_txs, true);
        for (size_t i = 0; a->known != NULL && i < b.n_txs && b.txs[i].has_sender; i++)
            a->known[a->n_known++] = (struct known){b.txs[i].hash, b.txs[i].sender};
    }
    arena_fini(&arena);
}

static void *recover_thread(void *ctx)
{
    struct pipeline *p = ctx;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (!p->stop && p->taken == p->read)
            pthread_cond_wait(&p->more, &p->lock);
        if (p->stop) break;
        struct ahead *a = &p->ring[p->taken++ % AHEAD_MAX];
        pthread_mutex_unlock(&p->lock);
        const uint64_t from = cpu_ns();
        recover_block(a);
        const uint64_t took = cpu_ns() - from;
        pthread_mutex_lock(&p->lock);
        a->is_ready = true;
        p->recover_ns += took;
        pthread_cond_broadcast(&p->ready);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* SPEC(EIP-2): a high s is refused from Homestead on. What is recovered ahead has to be judged by the block's rules, so only low ones count. */
static bool known_sender(void *ctx, const hash32 *hash, address *out)
{
    struct pipeline *p = ctx;
    struct ahead *a = p->current;
    if (a == NULL || a->next_known >= a->n_known || !hash_eq(&a->known[a->next_known].hash, hash)) return false;
    *out = a->known[a->next_known++].sender;
    return true;
}

static void free_ahead(struct ahead *a)
{
    free(a->rlp);
    free(a->known);
    *a = (struct ahead){0};
}

/* ---------------------------------------------------------- import: the file */

struct source {
    int fd;
    const char *path;
    struct buf in;
    size_t pos;
    bool at_end;
};

static enum status fill(struct source *f, size_t want, struct err *err)
{
    if (f->pos > 0) {
        memmove(f->in.ptr, f->in.ptr + f->pos, f->in.len - f->pos);
        f->in.len -= f->pos;
        f->pos = 0;
    }
    while (!f->at_end && f->in.len < want) {
        uint8_t *p = buf_reserve(&f->in, READ_MIN);
        if (p == NULL) return err_set(err, E_NOMEM, "%s: out of memory", f->path);
        ssize_t n = read(f->fd, p, READ_MIN);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return err_set(err, status_from_errno(errno), "%s: cannot read: %s", f->path, strerror(errno));
        f->at_end = n == 0;
        f->in.len += (size_t)n;
    }
    return OK;
}

/* length of the RLP list at p, header included; 0: no list */
static uint64_t list_len(const uint8_t *p, size_t n)
{
    if (n < 1 || p[0] < 0xc0) return 0;
    if (p[0] <= 0xf7) return 1u + (p[0] - 0xc0u);
    size_t k = p[0] - 0xf7u;
    uint64_t len = 0;
    if (k > 4 || n < 1 + k) return 0;
    for (size_t i = 0; i < k; i++)
        len = len << 8 | p[1 + i];
    return 1 + k + len;
}

/* the next block of the file; len 0: it has ended */
static enum status read_block(struct ahead *a, struct source *f, struct err *err)
{
    enum status s = f->in.len - f->pos < 9 ? fill(f, 9, err) : OK;
    if (s != OK) return s;
    if (f->in.len == f->pos) return OK;
    uint64_t len = list_len(f->in.ptr + f->pos, f->in.len - f->pos);
    if (len == 0 || len > BLOCK_MAX) return err_set(err, E_DECODE, "%s: no block in RLP where one should be", f->path);
    if (f->in.len - f->pos < len) s = fill(f, (size_t)len, err);
    if (s != OK) return s;
    if (f->in.len - f->pos < len) return err_set(err, E_DECODE, "%s: ends within a block", f->path);
    a->rlp = malloc((size_t)len);
    if (a->rlp == NULL) return err_set(err, E_NOMEM, "%s: out of memory", f->path);
    memcpy(a->rlp, f->in.ptr + f->pos, (size_t)len);
    a->len = (size_t)len;
    f->pos += (size_t)len;
    return OK;
}

/* read until the ring is full */
static enum status read_ahead(struct pipeline *p, struct source *f, struct err *err)
{
    size_t held = 0;
    for (uint64_t i = p->done; i < p->read; i++)
        held += p->ring[i % AHEAD_MAX].len;
    while (p->read - p->done < AHEAD_MAX && held < AHEAD_BYTES_MAX) {
        struct ahead a = {0};
        enum status s = read_block(&a, f, err);
        if (s != OK || a.len == 0) return s;
        held += a.len;
        pthread_mutex_lock(&p->lock);
        p->ring[p->read++ % AHEAD_MAX] = a;
        pthread_cond_signal(&p->more);
        pthread_mutex_unlock(&p->lock);
    }
    return OK;
}

static enum status import_one(struct pipeline *p, struct chain *c, struct ahead *a, struct err *err)
{
    enum import_result result;
    enum block_verdict verdict;
    uint64_t retry_ms;
    p->current = a;
    enum status s = chain_import(&result, &verdict, &retry_ms, c, bytes_make(a->rlp, a->len), clock_wall_ms(), err);
    p->current = NULL;
    if (s != OK) return err_prefix(err, "import");
    switch (result) {
    case IMPORT_HEAD:
    case IMPORT_SIDE:
    case IMPORT_KNOWN: return OK;
    case IMPORT_ORPHAN: return err_set(err, E_INVALID, "a block's parent is unknown: the file does not go on from this chain");
    case IMPORT_EARLY: return err_set(err, E_INVALID, "a block is ahead of this machine's clock");
    case IMPORT_BAD: break;
    }
    if (err != NULL && err->text[0] != '\0') return err_prefix(err, "bad block");
    return err_set(err, E_INVALID, "bad block: %s", block_verdict_text(verdict));
}

/* recover_s: of all threads; cpu_s: of the executing one, which does the rest */
static void print_times(const struct chain *c, const struct pipeline *p, uint64_t took_ns, uint64_t wait_ns, uint64_t own_ns)
{
    struct chain_times t;
    struct rusage usage;
    chain_get_times(&t, c);
    const double s = 1e-9;
    long rss_kib = getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_maxrss : 0;
    printf("{\"blocks\":%llu,\"txs\":%llu,\"gas\":%llu,\"seconds\":%.4f,\"recover_s\":%.4f,\"wait_s\":%.4f,\"execute_s\":%.4f,\"root_s\":%.4f,\"commit_s\":%.4f,\"cpu_s\":%.4f,\"rss_mib\":%.1f}\n",
           (unsigned long long)t.blocks, (unsigned long long)t.txs, (unsigned long long)t.gas, (double)took_ns * s, (double)(p->recover_ns + t.recover_ns) * s,
           (double)wait_ns * s, (double)t.execute_ns * s, (double)t.root_ns * s, (double)t.commit_ns * s, (double)own_ns * s, (double)rss_kib / 1024);
}

static enum status run(struct pipeline *p, struct source *f, struct chain *c, struct err *err)
{
    uint64_t wait_ns = 0;
    const uint64_t began = clock_mono_ns(), own = cpu_ns();
    enum status s = read_ahead(p, f, err);
    while (s == OK && p->done < p->read) {
        struct ahead *a = &p->ring[p->done % AHEAD_MAX];
        const uint64_t from = clock_mono_ns();
        pthread_mutex_lock(&p->lock);
        while (!a->is_ready)
            pthread_cond_wait(&p->ready, &p->lock);
        pthread_mutex_unlock(&p->lock);
        wait_ns += clock_mono_ns() - from;
        s = import_one(p, c, a, err);
        free_ahead(a);
        p->done++;
        if (s == OK) s = read_ahead(p, f, err);
    }
    enum status kept = kv_sync(chain_kv(c)); /* also what came before a bad block */
    if (s == OK && kept != OK) s = err_set(err, kept, "the last blocks could not be written: %s", status_text(kept));
    if (s == OK) print_times(c, p, clock_mono_ns() - began, wait_ns, cpu_ns() - own);
    return s;
}

enum status chain_file_import(const struct node_config *cfg, const char *path, struct err *err)
{
    struct opened o = {0};
    struct pipeline *p = calloc(1, sizeof *p);
    struct source f = {.fd = -1, .path = path};
    pthread_t threads[THREADS_MAX];
    size_t n_threads = 0;
    if (p == NULL) return E_NOMEM;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->more, NULL);
    pthread_cond_init(&p->ready, NULL);
    buf_init(&f.in, BLOCK_MAX + 2 * READ_MIN);
    struct chain_config cc = {.archive = cfg->archive, .known_sender = known_sender, .listener_ctx = p};
    enum status s = open_chain(&o, cfg, &cc, err);
    if (s != OK) goto out;
    f.fd = strcmp(path, "-") == 0 ? dup(0) : open(path, O_RDONLY | O_CLOEXEC);
    if (f.fd < 0) {
        s = err_set(err, status_from_errno(errno), "%s: cannot open: %s", path, strerror(errno));
        goto out;
    }
    kv_set_bulk(o.kv);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    size_t want = cores < 1 ? 1 : cores > THREADS_MAX ? THREADS_MAX : (size_t)cores; /* the executing one waits for the disk now and then */
    while (n_threads < want && pthread_create(&threads[n_threads], NULL, recover_thread, p) == 0)
        n_threads++;
    s = n_threads == 0 ? err_set(err, E_NOMEM, "no thread can be started") : run(p, &f, o.chain, err);
out:
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_broadcast(&p->more);
    pthread_mutex_unlock(&p->lock);
    for (size_t i = 0; i < n_threads; i++)
        pthread_join(threads[i], NULL);
    for (size_t i = 0; i < AHEAD_MAX; i++)
        free_ahead(&p->ring[i]);
    if (f.fd >= 0) (void)close(f.fd);
    buf_fini(&f.in);
    pthread_cond_destroy(&p->ready);
    pthread_cond_destroy(&p->more);
    pthread_mutex_destroy(&p->lock);
    free(p);
    close_chain(&o);
    return s;
}
