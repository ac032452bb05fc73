/* pack.c: a deployment into a backup. */
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "node/chain/blocks.h"
#include "node/store/kv.h"
#include "node/store/tables.h"
#include "orchestrator/backup/backup.h"
#include "orchestrator/backup/backup_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 256 << 10, DEPTH_MAX = 12, NAME_MAX_BYTES = 300 };

struct packer {
    const struct workspace *ws;
    const char *brought; /* a folder whose files are BACKUP_RESTORE's in the archive; NULL: none */
    struct archive_writer *w;
    uint64_t files;
    uint8_t *piece;
};

/* ------------------------------------------------------------------ files */

static enum status put_fd(struct packer *p, int fd, const char *name, unsigned mode, struct err *err)
{
    enum status s = archive_begin_file(p->w, name, mode, err);
    ssize_t n = 1;
    while (s == OK && n > 0) {
        n = read(fd, p->piece, PIECE);
        if (n < 0 && errno == EINTR) n = 1;
        else if (n < 0) s = err_set(err, status_from_errno(errno), "cannot read %s: %s", name, strerror(errno));
        else if (n > 0) s = archive_put(p->w, bytes_make(p->piece, (size_t)n), err);
    }
    if (s == OK) s = archive_end_file(p->w, err);
    if (s == OK) p->files++;
    return s;
}

/* a file of the workspace; one that is not there is left out */
static enum status put_file(struct packer *p, const char *name, struct err *err)
{
    char path[4096], as[ARCHIVE_PATH_MAX + 1];
    struct stat st;
    size_t n = p->brought == NULL ? 0 : strlen(p->brought);
    workspace_path(path, p->ws, name);
    if (n > 0 && strncmp(name, p->brought, n) == 0 && name[n] == '/') (void)snprintf(as, sizeof as, BACKUP_RESTORE "%s", name + n);
    else (void)snprintf(as, sizeof as, "%s", name);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT) return OK;
    if (fd < 0) return err_set(err, status_from_errno(errno), "cannot open %s: %s", path, strerror(errno));
    enum status s = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? put_fd(p, fd, as, st.st_mode & 0777, err) : OK;
    close(fd);
    return s;
}

static enum status put_tree(struct packer *p, const char *name, unsigned depth, struct err *err)
{
    char path[4096];
    workspace_path(path, p->ws, name);
    DIR *d = opendir(path);
    if (d == NULL && errno == ENOENT) return OK;
    if (d == NULL) return err_set(err, status_from_errno(errno), "cannot open %s: %s", path, strerror(errno));
    enum status s = depth > DEPTH_MAX ? err_set(err, E_LIMIT, "%s: folders are too deep", path) : OK;
    const struct dirent *e;
    while (s == OK && (e = readdir(d)) != NULL) {
        char below[ARCHIVE_PATH_MAX + NAME_MAX_BYTES];
        struct stat st;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        (void)snprintf(below, sizeof below, "%.*s/%s", ARCHIVE_PATH_MAX, name, e->d_name);
        if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) continue; /* gone meanwhile */
        if (S_ISDIR(st.st_mode)) s = put_tree(p, below, depth + 1, err);
        else if (S_ISREG(st.st_mode)) s = put_file(p, below, err);
    }
    closedir(d);
    return s;
}

/* --------------------------------------------------------------- databases */

struct copier {
    const char *path;
    int fd;
    enum status status;
    struct err err;
};

static void *copy_database(void *arg)
{
    struct copier *c = arg;
    c->status = kv_copy_lmdb(c->path, c->fd, &c->err);
    close(c->fd);
    return NULL;
}

/* the snapshot goes through a pipe: it needs no room on the disk beside the backup itself */
static enum status put_database(struct packer *p, const char *folder, const char *name, struct err *err)
{
    int ends[2];
    pthread_t thread;
    if (pipe2(ends, O_CLOEXEC) != 0) return err_set(err, status_from_errno(errno), "pipe: %s", strerror(errno));
    struct copier c = {.path = folder, .fd = ends[1]};
    if (pthread_create(&thread, NULL, copy_database, &c) != 0) {
        close(ends[0]);
        close(ends[1]);
        return err_set(err, E_NOMEM, "cannot start a thread");
    }
    enum status s = put_fd(p, ends[0], name, 0600, err);
    close(ends[0]); /* if we failed, the copier hears EPIPE */
    pthread_join(thread, NULL);
    if (c.status != OK && s == OK) {
        s = c.status;
        if (err != NULL) *err = c.err;
    }
    return s;
}

static enum status head_of(uint64_t *number, const char *folder)
{
    struct kv *kv = NULL;
    struct kv_txn *txn = NULL;
    hash32 hash;
    uint64_t finalised;
    enum status s = tables_open(&kv, folder, 1 << 20, KV_READONLY, NULL);
    if (s == OK) s = kv_begin(&txn, kv, false);
    if (s == OK) s = blocks_get_head(number, &hash, &finalised, txn);
    kv_abort(txn);
    if (kv != NULL) kv_close(kv);
    return s;
}

static void instance_folder(char dst[static 4300], const struct workspace *ws, const struct target_instance *in, const char *below)
{
    (void)snprintf(dst, 4300, "%s/local/instances/%s/%s", ws->dir, in->name, below);
}

bool backup_find_chain(char folder[static 4300], uint64_t *height, const struct workspace *ws, const struct target *local)
{
    bool any = false;
    for (size_t i = 0; i < local->n_instances; i++) {
        char path[4300];
        uint64_t n;
        instance_folder(path, ws, &local->instances[i], BACKUP_NODE_DB);
        if (head_of(&n, path) != OK || (any && n <= *height)) continue;
        any = true;
        *height = n;
        (void)snprintf(folder, 4300, "%s", path);
    }
    return any;
}

/* -------------------------------------------------------------------- all */

static enum status put_all(struct packer *p, const struct target *local, const char *chain, struct err *err)
{
    static const char *const files[] = {"consortium.yaml", "state.json", "spec.json", "contracts.json", "deployment.json", "outputs.json", ".gitignore",
                                        "local/haproxy.cfg", "local/launch.json", "local/store/ca.key", "local/store/ca.pem", "local/store/server.key",
                                        "local/store/server.pem", "local/store/clients.yaml", "local/store/store.yaml", "local/store/kek",
                                        "local/store/orchestrator-secret", "local/store/data/audit.log"};
    static const char *const trees[] = {".git", "admin", "local/monitor"};
    static const char *const state[] = {"run/identity-secret", "var/lib/poa/nodekey", "var/lib/poa/identity-lease.json"};
    char path[4300], name[ARCHIVE_PATH_MAX];
    enum status s = OK;
    for (size_t i = 0; s == OK && i < COUNT_OF(files); i++)
        s = put_file(p, files[i], err);
    for (size_t i = 0; s == OK && i < COUNT_OF(trees); i++)
        s = put_tree(p, trees[i], 0, err);
    (void)snprintf(path, sizeof path, "%s/local/store/data", p->ws->dir);
    if (s == OK) s = put_database(p, path, BACKUP_STORE_DATA, err);
    if (s == OK) s = put_database(p, chain, BACKUP_CHAIN, err);
    /* the journals after the chain: a step that they don't know yet is later than any block of it, and long over when it comes back */
    for (size_t i = 0; s == OK && i < local->n_instances; i++) {
        (void)snprintf(name, sizeof name, "local/instances/%s/etc", local->instances[i].name);
        s = put_tree(p, name, 0, err);
        for (size_t k = 0; s == OK && k < COUNT_OF(state); k++) {
            (void)snprintf(name, sizeof name, "local/instances/%s/%s", local->instances[i].name, state[k]);
            s = put_file(p, name, err);
        }
        (void)snprintf(name, sizeof name, "local/instances/%s/var/lib/poa/last-signed", local->instances[i].name);
        if (s == OK) s = put_file(p, name, err);
    }
    return s;
}

/* of hosts: what they run lies in one folder */
static enum status put_remote(struct packer *p, const struct target *t, struct err *err)
{
    static const char *const files[] = {"consortium.yaml", "state.json", "spec.json", "contracts.json", "deployment.json", "outputs.json", "known_hosts", ".gitignore",
                                        "local/store/ca.key", "local/store/ca.pem", "local/store/server.key", "local/store/server.pem", "local/store/clients.yaml",
                                        "local/store/orchestrator-secret"};
    static const char *const trees[] = {".git", "admin"};
    char name[ARCHIVE_PATH_MAX];
    enum status s = OK;
    for (size_t i = 0; s == OK && i < COUNT_OF(files); i++)
        s = put_file(p, files[i], err);
    for (size_t i = 0; s == OK && i < COUNT_OF(trees); i++)
        s = put_tree(p, trees[i], 0, err);
    for (size_t i = 0; s == OK && i < t->n_instances; i++) {
        (void)snprintf(name, sizeof name, "local/instances/%s/run/identity-secret", t->instances[i].name);
        s = put_file(p, name, err);
    }
    return s == OK ? put_tree(p, p->brought, 0, err) : s;
}

/* an unnamed file in the folder of `to`; where the file system has none: a name that is taken away again */
static int open_unnamed(char tmp[static 4300], const char *to)
{
    char dir[4096];
    const char *slash = strrchr(to, '/');
    (void)snprintf(dir, sizeof dir, "%.*s", slash == NULL ? 1 : slash == to ? 1 : (int)(slash - to), slash == NULL ? "." : to);
    tmp[0] = '\0';
    int fd = open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)) return fd;
    (void)snprintf(tmp, 4300, "%.4090s.tmp.%ld", to, (long)getpid());
    return open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static enum status give_name(int fd, const char *tmp, const char *to, struct err *err)
{
    char self[64], dir[4096];
    (void)snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    int r = tmp[0] == '\0' ? linkat(AT_FDCWD, self, AT_FDCWD, to, AT_SYMLINK_FOLLOW) : link(tmp, to);
    if (r != 0) return err_set(err, status_from_errno(errno), "cannot name the backup %s: %s", to, strerror(errno));
    const char *slash = strrchr(to, '/');
    (void)snprintf(dir, sizeof dir, "%.*s", slash == NULL ? 1 : slash == to ? 1 : (int)(slash - to), slash == NULL ? "." : to);
    int d = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d < 0 || fsync(d) != 0) IGNORE(d < 0, "the file itself is durable");
    if (d >= 0) close(d);
    return OK;
}

static enum status name_it(struct backup_info *out, const char *to, unsigned member, struct err *err)
{
    if (strlen(to) > 4000) return err_set(err, E_INVALID, "the name of the backup is too long");
    if (!file_is_dir(to)) (void)snprintf(out->path, sizeof out->path, "%s", to);
    else (void)snprintf(out->path, sizeof out->path, "%.3990s/poa-member%u-%.4s%.2s%.2sT%.2s%.2s%.2sZ.backup", to, member, out->created, out->created + 5, out->created + 8,
                        out->created + 11, out->created + 14, out->created + 17);
    if (file_exists(out->path)) return err_set(err, E_EXISTS, "%s exists already; a backup never replaces a file: give another name", out->path);
    return OK;
}

enum status backup_check_name(const char *to, struct err *err)
{
    struct backup_info info = {.created = "2000-01-01T00:00:00Z"};
    return name_it(&info, to, 0, err);
}

enum status backup_write(struct backup_info *out, const char *to, const struct workspace *ws, const struct target *local,
                         const struct backup_brought *brought, const struct archive_key *key, struct err *err)
{
    struct backup_info info = {.member = (json_int_t)local->member, .height = brought == NULL ? 0 : brought->height};
    struct packer p = {.ws = ws, .brought = brought == NULL ? NULL : brought->dir};
    char chain[4300] = "", tmp[4300] = "";
    const char *genesis = workspace_fact(ws, "genesisHash");
    struct stat st;
    clock_format_iso(info.created, clock_wall_ms() / 1000);
    (void)snprintf(info.genesis, sizeof info.genesis, "%s", genesis == NULL ? "" : genesis);
    enum status s = name_it(&info, to, local->member, err);
    if (s != OK) return s;
    if (brought == NULL && !backup_find_chain(chain, &info.height, ws, local)) return err_set(err, E_NOT_FOUND, "%s has no chain yet: none of its nodes was ever started", ws->dir);
    json_t *facts = json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:s}", "what", "deployment", "target", brought == NULL ? "local" : local->ops->name, "created", info.created, "genesisHash", info.genesis, "height",
                              (json_int_t)info.height, "memberId", info.member, "workspace", ws->dir);
    int fd = open_unnamed(tmp, info.path);
    p.piece = malloc(PIECE);
    if (fd < 0) s = err_set(err, status_from_errno(errno), "cannot write beside %s: %s", info.path, strerror(errno));
    if (s == OK && (p.piece == NULL || facts == NULL)) s = err_set(err, E_NOMEM, "no memory");
    if (s == OK) s = archive_create(&p.w, fd, facts, key, err);
    if (s == OK) s = brought == NULL ? put_all(&p, local, chain, err) : put_remote(&p, local, err);
    if (s == OK) s = archive_finish(p.w, err);
    if (s == OK) s = give_name(fd, tmp, info.path, err);
    if (s == OK && fstat(fd, &st) == 0) info.bytes = (uint64_t)st.st_size;
    if (tmp[0] != '\0') IGNORE(unlink(tmp), "the other name stays");
    if (fd >= 0) close(fd);
    archive_writer_free(p.w);
    free(p.piece);
    json_decref(facts);
    info.files = p.files;
    if (s == OK) *out = info;
    return s;
}
