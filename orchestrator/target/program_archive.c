#include "orchestrator/target/program_archive.h"

#include "lib/base/file.h"

#include <dirent.h>
#include <sys/stat.h>
#include <zlib.h>

enum { BLOCK = 512, NAME_MAX_LEN = 99, PAGES_MAX = 256, PATH_CAP = 5000 };

static void put_header(struct buf *tar, const char *name, unsigned mode, size_t len)
{
    char h[BLOCK] = {0};
    unsigned sum = 0;
    (void)snprintf(h, NAME_MAX_LEN + 1, "%s", name);
    (void)snprintf(h + 100, 8, "%07o", mode);
    (void)snprintf(h + 108, 8, "%07o", 0); /* owner, group: 0 */
    (void)snprintf(h + 116, 8, "%07o", 0);
    (void)snprintf(h + 124, 12, "%011zo", len);
    (void)snprintf(h + 136, 12, "%011o", 0); /* time: 0 */
    memset(h + 148, ' ', 8);                 /* the sum is taken over blanks at its own place */
    h[156] = '0';
    memcpy(h + 257, "ustar\00000", 8);
    (void)snprintf(h + 265, 32, "root");
    (void)snprintf(h + 297, 32, "root");
    for (size_t i = 0; i < BLOCK; i++) sum += (uint8_t)h[i];
    (void)snprintf(h + 148, 8, "%06o", sum & 0777777);
    buf_put(tar, h, BLOCK);
}

static enum status add_file(struct buf *tar, const char *path, const char *name, unsigned mode, struct err *err)
{
    static const char zeros[BLOCK];
    struct buf data;
    if (strlen(name) > NAME_MAX_LEN) return err_set(err, E_LIMIT, "the name %s is too long for an archive", name);
    buf_init(&data, PROGRAM_ARCHIVE_MAX);
    enum status s = file_read(&data, path, err);
    if (s == OK) {
        put_header(tar, name, mode, data.len);
        buf_put_bytes(tar, buf_view(&data));
        buf_put(tar, zeros, (BLOCK - data.len % BLOCK) % BLOCK);
        s = buf_status(tar);
        if (s != OK) s = err_set(err, s, "the programs are over %d MiB", PROGRAM_ARCHIVE_MAX >> 20);
    }
    buf_fini(&data);
    return s;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* every plain file of one folder */
static enum status add_pages(struct buf *tar, const char *dir, struct err *err)
{
    char *names[PAGES_MAX], path[PATH_CAP], name[400];
    size_t n = 0;
    struct stat st;
    enum status s = OK;
    DIR *d = opendir(dir);
    if (d == NULL) return OK;
    for (struct dirent *e; n < PAGES_MAX && (e = readdir(d)) != NULL;) {
        (void)snprintf(path, sizeof path, "%.4000s/%s", dir, e->d_name);
        if (e->d_name[0] != '.' && stat(path, &st) == 0 && S_ISREG(st.st_mode) && (names[n] = strdup(e->d_name)) != NULL) n++;
    }
    closedir(d);
    qsort(names, n, sizeof *names, by_name);
    for (size_t i = 0; i < n; i++) {
        (void)snprintf(path, sizeof path, "%.4000s/%.300s", dir, names[i]);
        (void)snprintf(name, sizeof name, "share/poa-deploy/web/%.300s", names[i]);
        if (s == OK) s = add_file(tar, path, name, 0644, err);
        free(names[i]);
    }
    return s;
}

static enum status gzip(struct buf *out, bytes plain, int level, struct err *err)
{
    z_stream z = {0};
    /* 15 + 16: a gzip header, without name and time */
    if (deflateInit2(&z, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) return err_set(err, E_NOMEM, "no memory to pack the programs");
    const size_t bound = deflateBound(&z, plain.len);
    uint8_t *to = buf_reserve(out, bound);
    enum status s = OK;
    if (to == NULL) s = err_set(err, buf_status(out), "the programs are over %d MiB", PROGRAM_ARCHIVE_MAX >> 20);
    if (s == OK) {
        z.next_in = (Bytef *)(uintptr_t)plain.ptr;
        z.avail_in = (uInt)plain.len;
        z.next_out = to;
        z.avail_out = (uInt)bound;
        if (deflate(&z, Z_FINISH) != Z_STREAM_END) s = err_set(err, E_IO, "the programs cannot be packed");
        else out->len += bound - z.avail_out;
    }
    deflateEnd(&z);
    return s;
}

enum status program_archive_make(struct buf *out, const struct program_archive *what, struct err *err)
{
    static const uint8_t end[2 * BLOCK];
    struct buf tar;
    char path[PATH_CAP], name[80];
    enum status s = OK;
    buf_init(&tar, PROGRAM_ARCHIVE_MAX);
    for (size_t i = 0; s == OK && i < what->n_programs; i++) {
        (void)snprintf(path, sizeof path, "%.4000s/%s", what->bin_dir, what->programs[i]);
        (void)snprintf(name, sizeof name, "bin/%.70s", what->programs[i]);
        s = add_file(&tar, path, name, 0755, err);
        if (s == E_NOT_FOUND)
            s = err_set(err, s, "%s is missing: it goes to the machines, and belongs beside poa-deploy; build all programs with `make`, or give %s", path, what->option);
    }
    (void)snprintf(path, sizeof path, "%.4000s/web", what->share_dir);
    if (!file_is_dir(path)) (void)snprintf(path, sizeof path, "%.4000s/node/member/web", what->share_dir);
    if (s == OK) s = add_pages(&tar, path, err);
    if (s == OK) {
        buf_put(&tar, end, sizeof end);
        s = buf_status(&tar);
    }
    if (s == OK) s = gzip(out, buf_view(&tar), what->level, err);
    buf_fini(&tar);
    return s;
}
