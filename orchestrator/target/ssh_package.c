/* ssh_package.c: the programs as one file, known by its sha256; its way to a host goes on where it broke off. */
#include "lib/base/file.h"
#include "lib/codec/hex.h"
#include "lib/crypto/aead.h"
#include "orchestrator/target/ssh_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { PACKAGE_MAX = 256 << 20, PROGRAM_MAX = 128 << 20, BLOCK = 512 };

/* ------------------------------------------------------------- tar archive */

/* a file of a ustar archive: owner root, no time, so that the same files give the same bytes (POSIX.1-1988, pax "ustar") */
static enum status put_file(struct buf *tar, const char *name, unsigned mode, bytes data, struct err *err)
{
    char head[BLOCK] = {0};
    unsigned sum = 0;
    if (strlen(name) > 99) return err_set(err, E_LIMIT, "the name %s is too long for the package", name);
    (void)snprintf(head, 100, "%s", name);
    (void)snprintf(head + 100, 8, "%07o", mode);
    (void)snprintf(head + 108, 8, "%07o", 0);
    (void)snprintf(head + 116, 8, "%07o", 0);
    (void)snprintf(head + 124, 12, "%011zo", data.len);
    (void)snprintf(head + 136, 12, "%011o", 0);
    memset(head + 148, ' ', 8);
    head[156] = '0';
    memcpy(head + 257, "ustar\00000", 8);
    for (size_t i = 0; i < BLOCK; i++)
        sum += (uint8_t)head[i];
    (void)snprintf(head + 148, 8, "%06o", sum & 0777777);
    buf_put(tar, head, BLOCK);
    buf_put_bytes(tar, data);
    while (tar->status == OK && tar->len % BLOCK != 0)
        buf_put_u8(tar, 0);
    return buf_status(tar);
}

static enum status add_file(struct buf *tar, const char *path, const char *name, unsigned mode, struct err *err)
{
    struct buf data;
    buf_init(&data, PROGRAM_MAX);
    enum status s = file_read(&data, path, err);
    if (s == OK) s = put_file(tar, name, mode, buf_view(&data), err);
    buf_fini(&data);
    return s;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* the member page: plain files of one folder */
static enum status add_web(struct buf *tar, const char *dir, struct err *err)
{
    char *names[256];
    size_t n = 0;
    enum status s = OK;
    DIR *d = opendir(dir);
    if (d == NULL) return OK; /* a node without page files still serves the data API */
    for (struct dirent *e; n < COUNT_OF(names) && (e = readdir(d)) != NULL;)
        if (e->d_name[0] != '.' && e->d_type == DT_REG && (names[n] = strdup(e->d_name)) != NULL) n++;
    closedir(d);
    qsort(names, n, sizeof names[0], by_name);
    for (size_t i = 0; i < n; i++) {
        char path[5400], name[400];
        (void)snprintf(path, sizeof path, "%.4900s/%.300s", dir, names[i]);
        (void)snprintf(name, sizeof name, "share/poa-deploy/web/%.300s", names[i]);
        if (s == OK) s = add_file(tar, path, name, 0644, err);
        free(names[i]);
    }
    return s;
}

static enum status gzip(struct buf *out, bytes plain, struct err *err)
{
    z_stream z = {0};
    if (deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) return err_set(err, E_NOMEM, "no memory");
    size_t bound = deflateBound(&z, plain.len);
    uint8_t *to = buf_reserve(out, bound);
    enum status s = OK;
    if (to == NULL) s = err_set(err, E_LIMIT, "the programs are over %d MiB", PACKAGE_MAX >> 20);
    if (s == OK) {
        z.next_in = (Bytef *)(uintptr_t)plain.ptr;
        z.avail_in = (uInt)plain.len;
        z.next_out = to;
        z.avail_out = (uInt)bound;
        if (deflate(&z, Z_FINISH) != Z_STREAM_END) s = err_set(err, E_IO, "the programs cannot be packed");
        else out->len += z.total_out;
    }
    deflateEnd(&z);
    return s;
}

static enum status make_package(struct ssh_target *s, struct err *err)
{
    static const char *const programs[] = {"poa-agent", "poa-identity-store", "poa-node"};
    struct buf tar, packed;
    buf_init(&tar, PACKAGE_MAX);
    buf_init(&packed, PACKAGE_MAX);
    enum status st = OK;
    char path[5000], name[80];
    for (size_t i = 0; st == OK && i < COUNT_OF(programs); i++) {
        (void)snprintf(path, sizeof path, "%s/%s", s->t->bin_dir, programs[i]);
        (void)snprintf(name, sizeof name, "bin/%s", programs[i]);
        if (i > 0 || file_exists(path)) st = add_file(&tar, path, name, 0755, err);
    }
    /* in a build tree the page stands with its sources */
    (void)snprintf(path, sizeof path, "%s/web", s->t->env.share_dir);
    if (!file_is_dir(path)) (void)snprintf(path, sizeof path, "%s/node/member/web", s->t->env.share_dir);
    if (st == OK) st = add_web(&tar, path, err);
    static const uint8_t end[2 * BLOCK];
    buf_put(&tar, end, sizeof end);
    if (st == OK) st = buf_status(&tar);
    if (st == OK) st = gzip(&packed, buf_view(&tar), err);
    (void)snprintf(s->package, sizeof s->package, "%.3400s/local/package.tar.gz", s->t->dir);
    (void)snprintf(path, sizeof path, "%.3400s/local", s->t->dir);
    if (st == OK) st = file_mkdirs(path, 0700, err);
    if (st == OK) st = file_write_atomic(s->package, buf_view(&packed), 0644, err);
    buf_fini(&tar);
    buf_fini(&packed);
    return st;
}

enum status ssh_package_prepare(struct ssh_target *s, const char *file, const char *sha256_hex, struct err *err)
{
    enum status st = OK;
    if (file == NULL || *file == '\0') {
        st = make_package(s, err);
        s->package_is_deb = false;
    } else {
        size_t n = strlen(file);
        s->package_is_deb = n > 4 && strcmp(file + n - 4, ".deb") == 0;
        if (!s->package_is_deb && (n < 7 || strcmp(file + n - 7, ".tar.gz") != 0))
            return err_set(err, E_INVALID, "--package (hosts.package): '%s' ends neither in .deb nor in .tar.gz", file);
        (void)snprintf(s->package, sizeof s->package, "%s", file);
    }
    struct buf data;
    buf_init(&data, PACKAGE_MAX);
    if (st == OK) st = file_read(&data, s->package, err);
    if (st == OK) {
        uint8_t digest[32];
        sha256(digest, data.ptr, data.len);
        hex_put(s->package_sha256, digest, sizeof digest);
        s->package_sha256[64] = '\0';
        if (sha256_hex != NULL && *sha256_hex != '\0' && strcasecmp(sha256_hex, s->package_sha256) != 0)
            st = err_set(err, E_CRYPTO, "%s has the sha256 %s, but --package-sha256 (hosts.packageSha256) wants %s: it is not the package that was meant", s->package,
                         s->package_sha256, sha256_hex);
    }
    buf_fini(&data);
    return st;
}

/* ------------------------------------------------------------------ upload */

struct upload {
    int fd;
    off_t at, size;
    struct ssh_host *h;
};

static ssize_t read_upload(void *arg, uint8_t *dst, size_t n)
{
    struct upload *u = arg;
    ssize_t k = pread(u->fd, dst, n, u->at);
    if (k > 0) u->at += k;
    unsigned percent = u->size == 0 ? 100 : (unsigned)(u->at * 100 / u->size);
    atomic_store(&u->h->percent, percent == 0 ? 1 : percent);
    return k;
}

static enum status append(struct ssh_target *s, struct ssh_host *h, off_t from, struct err *err)
{
    struct stat st;
    char offset[24];
    struct upload u = {.fd = open(s->package, O_RDONLY | O_CLOEXEC), .at = from, .h = h};
    if (u.fd < 0 || fstat(u.fd, &st) != 0) return err_set(err, status_from_errno(errno), "cannot open %s: %s", s->package, strerror(errno));
    u.size = st.st_size;
    (void)snprintf(offset, sizeof offset, "%lld", (long long)from);
    const char *args[] = {s->package_sha256, offset, NULL};
    char *command = ssh_command(s, h, "append", args);
    struct buf out, complaint;
    buf_init(&out, 4096);
    buf_init(&complaint, 4096);
    const struct ssh_input input = {read_upload, &u};
    int code = 0;
    enum status r = command == NULL ? E_NOMEM : ssh_conn_run(h->conn, command, &input, &out, &complaint, &code, err);
    if (r == OK && code != 0) {
        const char *text = buf_cstr(&complaint);
        if (strstr(text, "No space") != NULL) r = err_set(err, E_NOSPACE, "%s: the disk is full: the package does not fit into /var/cache", h->address);
        else r = err_set(err, code == 3 ? E_CONFLICT : E_IO, "%s: the upload stopped with %d: %.300s", h->address, code, text);
    }
    free(command);
    buf_fini(&out);
    buf_fini(&complaint);
    close(u.fd);
    return r;
}

enum status ssh_package_upload(struct ssh_target *s, struct ssh_host *h, void *arg, struct err *err)
{
    (void)arg;
    enum status st = OK;
    for (int tries = 0; tries < 2; tries++) {
        struct buf answer;
        char state[16] = "", size[24] = "0";
        buf_init(&answer, 4096);
        st = ssh_verb(s, h, &answer, BYTES_EMPTY, err, "have", s->package_sha256, NULL);
        bool known = ssh_line(state, sizeof state, &answer, "state");
        IGNORE(!ssh_line(size, sizeof size, &answer, "size"), "there is no part");
        buf_fini(&answer);
        if (st != OK || !known) return st != OK ? st : err_set(err, E_DECODE, "%s: host.sh answers without a state", h->address);
        if (strcmp(state, "installed") == 0) break;
        st = append(s, h, (off_t)strtoll(size, NULL, 10), err);
        if (st == OK) st = ssh_verb(s, h, NULL, BYTES_EMPTY, err, "install", s->package_sha256, s->package_is_deb ? "deb" : "tar", NULL);
        /* a part that was not of this file: from the beginning, once */
        if (st != E_CONFLICT) break;
    }
    if (st == OK) (void)snprintf(h->release, sizeof h->release, "%s", s->package_sha256);
    return st;
}
