#include "node/main/chain_file.h"

#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/codec/rlp.h"
#include "node/chain/chain.h"
#include "node/store/tables.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    SPEC_MAX = 64 << 20,
    BLOCK_MAX = 32 << 20,
    AHEAD_MAX = 3 * CHAIN_GROUP_MAX, /* blocks that are read before they are executed */
    AHEAD_BYTES_MAX = 16 << 20,      /* of their RLP; decoded they are several times as large */
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
    if (s == OK) s = tables_open(&o->kv, path, MAP_BYTES, 0, err);
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
    const struct chain_config cc = {.archive = cfg->archive};
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
            s = file_write_all(fd, buf_view(&out), path, err);
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

enum status chain_file_snapshot(const struct node_config *cfg, const char *path, struct err *err)
{
    char folder[4096];
    (void)snprintf(folder, sizeof folder, "%s/db", cfg->base_path);
    int fd = strcmp(path, "-") == 0 ? dup(1) : open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return err_set(err, status_from_errno(errno), "%s: cannot open: %s", path, strerror(errno));
    enum status s = kv_copy_lmdb(folder, fd, err);
    if (close(fd) != 0 && s == OK) s = err_set(err, status_from_errno(errno), "%s: %s", path, strerror(errno));
    return s;
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

/* the next block of the file; *rlp in f's memory, empty: it has ended */
static enum status read_block(bytes *rlp, struct source *f, struct err *err)
{
    *rlp = BYTES_EMPTY;
    enum status s = f->in.len - f->pos < 9 ? fill(f, 9, err) : OK;
    if (s != OK) return s;
    if (f->in.len == f->pos) return OK;
    uint64_t len = list_len(f->in.ptr + f->pos, f->in.len - f->pos);
    if (len == 0 || len > BLOCK_MAX) return err_set(err, E_DECODE, "%s: no block in RLP where one should be", f->path);
    if (f->in.len - f->pos < len) s = fill(f, (size_t)len, err);
    if (s != OK) return s;
    if (f->in.len - f->pos < len) return err_set(err, E_DECODE, "%s: ends within a block", f->path);
    *rlp = bytes_make(f->in.ptr + f->pos, (size_t)len);
    f->pos += (size_t)len;
    return OK;
}

/* blocks that were read and wait, the next one in front */
struct waiting {
    struct chain_ahead *list[AHEAD_MAX];
    size_t len[AHEAD_MAX], n, n_bytes;
};

static void drop_front(struct waiting *w, struct chain *c, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        chain_ahead_free(c, w->list[i]);
        w->n_bytes -= w->len[i];
    }
    w->n -= n;
    memmove(w->list, w->list + n, w->n * sizeof w->list[0]);
    memmove(w->len, w->len + n, w->n * sizeof w->len[0]);
}

static enum status read_ahead(struct waiting *w, struct chain *c, struct source *f, struct err *err)
{
    while (w->n < AHEAD_MAX && w->n_bytes < AHEAD_BYTES_MAX) {
        bytes rlp;
        enum status s = read_block(&rlp, f, err);
        if (s != OK || rlp.len == 0) return s;
        s = chain_ahead_new(&w->list[w->n], c, rlp);
        if (s != OK) return err_set(err, s, "%s: %s", f->path, status_text(s));
        w->len[w->n++] = rlp.len;
        w->n_bytes += rlp.len;
    }
    return OK;
}

static enum status import_some(size_t *n, struct waiting *w, struct chain *c, struct err *err)
{
    struct chain_imported r;
    enum status s = chain_import_group(&r, c, w->list, w->n, clock_wall_ms(), err);
    if (s != OK) return err_prefix(err, "import");
    *n = r.n;
    switch (r.result) {
    case IMPORT_HEAD:
    case IMPORT_SIDE:
    case IMPORT_KNOWN: return OK;
    case IMPORT_ORPHAN: return err_set(err, E_INVALID, "a block's parent is unknown: the file does not go on from this chain");
    case IMPORT_EARLY: return err_set(err, E_INVALID, "a block is ahead of this machine's clock");
    case IMPORT_BAD: break;
    }
    if (err != NULL && err->text[0] != '\0') return err_prefix(err, "bad block");
    return err_set(err, E_INVALID, "bad block: %s", block_verdict_text(r.verdict));
}

static uint64_t cpu_ns(void)
{
    struct timespec ts;
    return clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts) == 0 ? (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec : 0;
}

/* recover_s: of all threads; cpu_s: of the executing one, which does the rest */
static void print_times(const struct chain *c, uint64_t took_ns, uint64_t own_ns)
{
    struct chain_times t;
    struct rusage usage;
    chain_get_times(&t, c);
    const double s = 1e-9;
    long rss_kib = getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_maxrss : 0;
    printf("{\"blocks\":%llu,\"txs\":%llu,\"gas\":%llu,\"seconds\":%.4f,\"recover_s\":%.4f,\"wait_s\":%.4f,\"execute_s\":%.4f,\"root_s\":%.4f,\"commit_s\":%.4f,\"cpu_s\":%.4f,\"rss_mib\":%.1f}\n",
           (unsigned long long)t.blocks, (unsigned long long)t.txs, (unsigned long long)t.gas, (double)took_ns * s, (double)(t.ahead_ns + t.recover_ns) * s,
           (double)t.wait_ns * s, (double)t.execute_ns * s, (double)t.root_ns * s, (double)t.commit_ns * s, (double)own_ns * s, (double)rss_kib / 1024);
}

static enum status run(struct source *f, struct chain *c, struct err *err)
{
    struct waiting *w = calloc(1, sizeof *w);
    if (w == NULL) return E_NOMEM;
    const uint64_t began = clock_mono_ns(), own = cpu_ns();
    struct err read_err = {0};
    enum status s = OK, read = read_ahead(w, c, f, &read_err);
    while (s == OK && w->n > 0) {
        size_t n = 0;
        s = import_some(&n, w, c, err);
        drop_front(w, c, n);
        if (s == OK && read == OK) read = read_ahead(w, c, f, &read_err);
    }
    drop_front(w, c, w->n);
    free(w);
    if (s == OK && read != OK) s = err_set(err, read, "%s", err_text(&read_err)); /* what came before it is in */
    enum status kept = kv_sync(chain_kv(c)); /* also what came before a bad block */
    if (s == OK && kept != OK) s = err_set(err, kept, "the last blocks could not be written: %s", status_text(kept));
    if (s == OK) print_times(c, clock_mono_ns() - began, cpu_ns() - own);
    return s;
}

enum status chain_file_import(const struct node_config *cfg, const char *path, struct err *err)
{
    struct opened o = {0};
    struct source f = {.fd = -1, .path = path};
    buf_init(&f.in, BLOCK_MAX + 2 * READ_MIN);
    const long cores = sysconf(_SC_NPROCESSORS_ONLN); /* the executing one waits for the disk now and then */
    const struct chain_config cc = {.archive = cfg->archive, .cache_bytes = cfg->cache_bytes, .worker_threads = cores < 1 ? 1 : cores > THREADS_MAX ? THREADS_MAX : (unsigned)cores};
    enum status s = open_chain(&o, cfg, &cc, err);
    if (s != OK) goto out;
    f.fd = strcmp(path, "-") == 0 ? dup(0) : open(path, O_RDONLY | O_CLOEXEC);
    if (f.fd < 0) {
        s = err_set(err, status_from_errno(errno), "%s: cannot open: %s", path, strerror(errno));
        goto out;
    }
    s = run(&f, o.chain, err);
out:
    if (f.fd >= 0) (void)close(f.fd);
    buf_fini(&f.in);
    close_chain(&o);
    return s;
}
