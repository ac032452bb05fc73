/* azure_package.c: the node's programs as a gzipped tar archive. Owner, times and order are fixed, so that the same programs give the same hash. */
#include "lib/azure/blob.h"
#include "lib/base/file.h"
#include "lib/codec/hex.h"
#include "lib/crypto/aead.h"
#include "orchestrator/target/azure_priv.h"

#include <dirent.h>
#include <sys/stat.h>
#include <zlib.h>

enum { PACKAGE_MAX = 256 << 20, BLOCK = 512, NAMES_MAX = 256, UPLOAD_MS = 1800000, GRANT_MS = 600000 };
#define CONTAINER "poa-config"

/* SPEC(POSIX.1-1988 ustar) */
static void put_file(struct buf *tar, const char *name, bytes data, unsigned mode)
{
    char h[BLOCK] = {0};
    unsigned sum = 0;
    (void)snprintf(h, 100, "%s", name);
    (void)snprintf(h + 100, 8, "%07o", mode & 07777);
    (void)snprintf(h + 108, 8, "%07o", 0);
    (void)snprintf(h + 116, 8, "%07o", 0);
    (void)snprintf(h + 124, 12, "%011llo", (unsigned long long)data.len);
    (void)snprintf(h + 136, 12, "%011o", 0);
    memset(h + 148, ' ', 8);
    h[156] = '0';
    memcpy(h + 257, "ustar\0" "00", 8);
    (void)snprintf(h + 265, 32, "root");
    (void)snprintf(h + 297, 32, "root");
    for (size_t i = 0; i < BLOCK; i++) sum += (unsigned char)h[i];
    (void)snprintf(h + 148, 8, "%06o", sum);
    static const char zero[BLOCK];
    buf_put(tar, h, BLOCK);
    buf_put_bytes(tar, data);
    buf_put(tar, zero, (BLOCK - data.len % BLOCK) % BLOCK);
}

static enum status add(struct buf *tar, const char *name, const char *path, unsigned mode, struct err *err)
{
    struct buf b;
    buf_init(&b, PACKAGE_MAX);
    enum status s = file_read(&b, path, err);
    if (s == OK) put_file(tar, name, buf_view(&b), mode);
    buf_fini(&b);
    return s == OK && buf_status(tar) != OK ? err_set(err, E_LIMIT, "the node package is over %d MB", PACKAGE_MAX >> 20) : s;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* the member's pages: every file of one folder */
static enum status add_folder(struct buf *tar, const char *prefix, const char *dir, struct err *err)
{
    char *names[NAMES_MAX];
    size_t n = 0;
    DIR *d = opendir(dir);
    if (d == NULL) return OK;
    for (struct dirent *e; n < NAMES_MAX && (e = readdir(d)) != NULL;) {
        char path[5000];
        struct stat st;
        (void)snprintf(path, sizeof path, "%.4000s/%s", dir, e->d_name);
        if (e->d_name[0] != '.' && stat(path, &st) == 0 && S_ISREG(st.st_mode)) names[n++] = strdup(e->d_name);
    }
    closedir(d);
    qsort(names, n, sizeof *names, by_name);
    enum status s = OK;
    for (size_t i = 0; i < n; i++) {
        char path[5000], name[400];
        (void)snprintf(path, sizeof path, "%.4000s/%s", dir, names[i]);
        (void)snprintf(name, sizeof name, "%s/%.200s", prefix, names[i]);
        if (s == OK && strlen(name) < 100) s = add(tar, name, path, 0644, err);
        free(names[i]);
    }
    return s;
}

static enum status squeeze(struct buf *out, bytes in, struct err *err)
{
    z_stream z = {0};
    /* 15 + 16: a gzip header, without name and time */
    if (deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) return err_set(err, E_NOMEM, "node package: out of memory");
    size_t bound = deflateBound(&z, in.len);
    uint8_t *p = buf_reserve(out, bound);
    enum status s = p == NULL ? err_set(err, E_LIMIT, "the node package is too large") : OK;
    if (s == OK) {
        z.next_in = (uint8_t *)(uintptr_t)in.ptr;
        z.avail_in = (uInt)in.len;
        z.next_out = p;
        z.avail_out = (uInt)bound;
        if (deflate(&z, Z_FINISH) != Z_STREAM_END) s = err_set(err, E_IO, "the node package cannot be compressed");
        else out->len += bound - z.avail_out;
    }
    deflateEnd(&z);
    return s;
}

static enum status build(struct buf *out, struct target *t, struct err *err)
{
    static const char *const programs[] = {"poa-agent", "poa-node"};
    struct buf tar;
    char path[5000], web[5000];
    enum status s = OK;
    buf_init(&tar, PACKAGE_MAX);
    for (size_t i = 0; s == OK && i < COUNT_OF(programs); i++) {
        char name[64];
        (void)snprintf(path, sizeof path, "%s/%s", t->bin_dir, programs[i]);
        (void)snprintf(name, sizeof name, "bin/%s", programs[i]);
        s = add(&tar, name, path, 0755, err);
        if (s == E_NOT_FOUND) s = err_set(err, s, "%s is missing: it goes to the machines, and belongs beside poa-deploy; build all programs with `make`, or give --node-package", path);
    }
    (void)snprintf(web, sizeof web, "%s/web", t->env.share_dir);
    if (!file_is_dir(web)) (void)snprintf(web, sizeof web, "%s/node/member/web", t->env.share_dir);
    if (s == OK) s = add_folder(&tar, "share/poa-deploy/web", web, err);
    if (s == OK) {
        static const char end[2 * BLOCK];
        buf_put(&tar, end, sizeof end);
        s = buf_status(&tar);
    }
    if (s == OK) s = squeeze(out, buf_view(&tar), err);
    buf_fini(&tar);
    return s;
}

static enum status read_package(struct buf *out, struct target *t, struct err *err)
{
    const char *given = SETTING(t->env.settings, az_package);
    return *given != '\0' ? file_read(out, given, err) : build(out, t, err);
}

enum status azure_package_make(struct target *t, struct err *err)
{
    struct azure *a = azure_of(t);
    struct buf b;
    uint8_t digest[32];
    if (a->package_sha256[0] != '\0') return OK;
    buf_init(&b, PACKAGE_MAX);
    enum status s = read_package(&b, t, err);
    if (s == OK) {
        sha256(digest, b.ptr, b.len);
        hex_put(a->package_sha256, digest, sizeof digest);
        a->package_sha256[64] = '\0';
        (void)snprintf(a->package, sizeof a->package, "poa-node-%s.tar.gz", a->package_sha256);
    }
    buf_fini(&b);
    return s;
}

/* what the deployment has pinned: the archive of this run, or the one that an earlier run has made and noted */
enum status azure_package_upload(struct target *t, struct err *err)
{
    struct azure *a = azure_of(t);
    struct buf b;
    struct blob_store *store = NULL;
    struct blob_info info;
    enum status s = azure_package_make(t, err);
    if (s != OK) return s;
    struct azure_service_config sc = {.base_uri = a->blob_url, .ca_file = a->ca_file[0] ? a->ca_file : NULL, .tokens = a->tokens, .deadline_ms = UPLOAD_MS, .attempt_ms = UPLOAD_MS / 3, .denied_retry_ms = GRANT_MS};
    report_step(t->env.report, "upload the node package");
    s = blob_store_new(&store, &sc, err);
    if (s != OK) return s;
    buf_init(&b, PACKAGE_MAX);
    s = blob_head(&info, store, CONTAINER, a->package, err);
    if (s == E_NOT_FOUND) {
        s = read_package(&b, t, err);
        struct blob_conditions once = {.if_none_match = "*"};
        if (s == OK) s = blob_put(store, CONTAINER, a->package, "application/gzip", buf_view(&b), NULL, 0, &once, err);
        if (s == E_EXISTS) s = OK;
    }
    buf_fini(&b);
    blob_store_free(store);
    return s;
}
