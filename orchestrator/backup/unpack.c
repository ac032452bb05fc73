/* unpack.c: a backup into a folder. Everything is made in DIR.restoring beside it, which gets its name when it is whole; the paths of the old
 * folder that stand in some files become those of the new one on the way. */
#include "lib/base/file.h"
#include "lib/codec/json.h"
#include "node/chain/genesis.h"
#include "orchestrator/backup/backup.h"
#include "orchestrator/backup/backup_priv.h"
#include "orchestrator/target/local_move.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/fs.h>

enum { TEXT_MAX = LOCAL_TEXT_MAX, PIECE = 256 << 10 };

/* ------------------------------------------------------------------- files */

static enum status make_parent(const char *path, const char *name, struct err *err)
{
    char dir[5000];
    (void)snprintf(dir, sizeof dir, "%s", path);
    *strrchr(dir, '/') = '\0';
    /* admin/ and local/ are for the owner alone */
    return file_mkdirs(dir, strncmp(name, "admin/", 6) == 0 || strncmp(name, "local/", 6) == 0 ? 0700 : 0755, err);
}

static enum status take_file(struct archive_reader *r, const char *stage, const char *name, unsigned mode, const struct local_moved *m, struct err *err)
{
    char path[5000];
    bytes piece = {NULL, 1};
    struct buf text;
    (void)snprintf(path, sizeof path, "%s/%s", stage, name);
    buf_init(&text, TEXT_MAX);
    enum status s = make_parent(path, name, err);
    int fd = s != OK ? -1 : open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, (mode_t)(mode | 0600));
    if (s == OK && fd < 0) s = err_set(err, status_from_errno(errno), "cannot make %s: %s", path, strerror(errno));
    while (s == OK && piece.len > 0) {
        s = archive_read(r, &piece, err);
        if (s != OK || piece.len == 0) break;
        if (!local_has_paths(name)) {
            s = file_write_all(fd, piece, path, err);
        } else {
            buf_put_bytes(&text, piece);
            s = buf_status(&text);
        }
    }
    if (s == OK && local_has_paths(name)) {
        s = local_move_text(&text, name, m, err);
        if (s == OK) s = file_write_all(fd, buf_view(&text), path, err);
    }
    if (s == OK && fsync(fd) != 0) s = err_set(err, status_from_errno(errno), "cannot fsync %s: %s", path, strerror(errno));
    if (fd >= 0) close(fd);
    buf_fini(&text);
    return s;
}

/* the chain for one instance: shared blocks where the file system can, else a copy */
static enum status copy_chain(const char *from, const char *to, struct err *err)
{
    enum status s = OK;
    uint8_t *piece = malloc(PIECE);
    int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ssize_t n = 1;
    if (in < 0 || out < 0 || piece == NULL) s = err_set(err, status_from_errno(errno), "cannot copy %s to %s: %s", from, to, strerror(errno));
    if (s == OK && ioctl(out, FICLONE, in) != 0) {
        while (s == OK && n > 0) {
            n = read(in, piece, PIECE);
            if (n < 0) s = err_set(err, status_from_errno(errno), "cannot read %s: %s", from, strerror(errno));
            else s = file_write_all(out, bytes_make(piece, (size_t)n), to, err);
        }
    }
    if (s == OK && fsync(out) != 0) s = err_set(err, status_from_errno(errno), "cannot fsync %s: %s", to, strerror(errno));
    if (in >= 0) close(in);
    if (out >= 0) close(out);
    free(piece);
    return s;
}

static enum status give_chain(const char *stage, const struct target *found, struct err *err)
{
    char from[5000], to[5000];
    enum status s = OK;
    (void)snprintf(from, sizeof from, "%s/%s", stage, BACKUP_CHAIN);
    if (!file_exists(from)) return err_set(err, E_CORRUPT, "the backup holds no chain");
    for (size_t i = 0; s == OK && i < found->n_instances; i++) {
        (void)snprintf(to, sizeof to, "%s/local/instances/%s/%s", stage, found->instances[i].name, BACKUP_NODE_DB);
        s = file_mkdirs(to, 0700, err);
        (void)snprintf(to + strlen(to), sizeof to - strlen(to), "/data.mdb");
        if (s == OK) s = copy_chain(from, to, err);
        (void)snprintf(to, sizeof to, "%s/local/instances/%s/var/log/poa", stage, found->instances[i].name);
        if (s == OK) s = file_mkdirs(to, 0700, err);
    }
    if (s == OK && unlink(from) != 0) s = err_set(err, status_from_errno(errno), "cannot remove %s: %s", from, strerror(errno));
    return s;
}

/* ------------------------------------------------------------------ checks */

/* the network that the header names is the one that the specification makes */
static enum status check_genesis(const struct backup_info *info, const char *stage, struct err *err)
{
    char path[5000], hash[67];
    struct buf text;
    struct chain_spec spec;
    struct genesis g;
    (void)snprintf(path, sizeof path, "%s/spec.json", stage);
    buf_init(&text, 64 << 20);
    enum status s = file_read(&text, path, err);
    if (s == OK) s = chain_spec_parse(&spec, buf_view(&text), err);
    buf_fini(&text);
    if (s != OK) return err_prefix(err, "spec.json of the backup");
    s = genesis_compute(&g, &spec, err);
    if (s == OK) {
        hash_put(hash, &g.hash);
        if (strcasecmp(hash, info->genesis) != 0)
            s = err_set(err, E_CORRUPT, "the backup's header says genesis %s, but its specification gives %s: it is not of one network", info->genesis, hash);
    }
    chain_spec_fini(&spec);
    return s;
}

static enum status read_instances(struct target *found, const char *stage, struct err *err)
{
    char path[5000];
    struct buf text;
    json_t *resources = NULL;
    (void)snprintf(path, sizeof path, "%s/deployment.json", stage);
    buf_init(&text, TEXT_MAX);
    enum status s = file_read(&text, path, err);
    if (s == OK) s = json_parse(&resources, buf_view(&text), err);
    if (s == OK) s = local_add_resources(found, resources, err);
    json_decref(resources);
    buf_fini(&text);
    return s;
}

enum status backup_restore(struct backup_info *out, struct archive_reader *r, const char *dir, const struct target *local, struct err *err)
{
    struct target *found = malloc(sizeof *found); /* large */
    struct local_moved m;
    char stage[4200], name[ARCHIVE_PATH_MAX + 1];
    unsigned mode = 0;
    const char *old = json_string_value(json_object_get(archive_facts(r), "workspace"));
    struct backup_info info = *out;
    info.files = 0;
    if (found == NULL) return err_set(err, E_NOMEM, "no memory");
    *found = *local;
    (void)snprintf(stage, sizeof stage, "%.4000s.restoring", dir);
    local_moved_init(&m, old == NULL ? "" : old, dir, local);
    enum status s = OK;
    /* rmdir takes an empty folder only */
    if (rmdir(dir) != 0 && errno != ENOENT) s = err_set(err, E_EXISTS, "%s is not empty: a backup is restored to a folder that is not there, or is empty", dir);
    if (s == OK) s = file_remove_tree(stage, err); /* of a restoration that was cut short */
    if (s == OK) s = file_mkdirs(stage, 0755, err);
    if (s != OK) goto out;
    while ((s = archive_next(r, name, &mode, err)) == OK) {
        s = take_file(r, stage, name, mode, &m, err);
        if (s != OK) break;
        info.files++;
    }
    if (s == E_NOT_FOUND) s = OK;
    if (s == OK) s = check_genesis(&info, stage, err);
    /* hosts get theirs from local/restore */
    const bool is_local = strcmp(info.target, "local") == 0;
    if (s == OK && is_local) s = read_instances(found, stage, err);
    if (s == OK && is_local) s = give_chain(stage, found, err);
    if (s == OK && rename(stage, dir) != 0) s = err_set(err, status_from_errno(errno), "cannot name %s: %s", dir, strerror(errno));
    if (s != OK) IGNORE(file_remove_tree(stage, NULL) != OK, "already failing");
out:
    free(found);
    if (s == OK) *out = info;
    return s;
}
