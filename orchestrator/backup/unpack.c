/* unpack.c: a backup into a folder. Everything is made in DIR.restoring beside it, which gets its name when it is whole; the paths of the old
 * folder that stand in some files become those of the new one on the way. */
#include "lib/base/file.h"
#include "lib/codec/base64.h"
#include "lib/codec/json.h"
#include "node/chain/genesis.h"
#include "orchestrator/backup/backup.h"
#include "orchestrator/backup/backup_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/fs.h>

enum { TEXT_MAX = 32 << 20, PIECE = 256 << 10 };

/* ------------------------------------------------------------------- paths */

struct moved {
    char from[4200], to[4200]; /* with "/local/" behind */
    const struct target *local;
};

/* each `from` in text by `to`; a new string, NULL without memory */
static char *replace(const char *text, const struct moved *m)
{
    struct buf b;
    size_t n = strlen(m->from);
    buf_init(&b, 2 * (size_t)TEXT_MAX);
    for (const char *p = text, *at; p != NULL; p = at == NULL ? NULL : at + n) {
        at = strstr(p, m->from);
        if (at == NULL) buf_put_str(&b, p);
        else buf_put(&b, p, (size_t)(at - p));
        if (at != NULL) buf_put_str(&b, m->to);
    }
    buf_put_u8(&b, 0);
    if (buf_status(&b) == OK) return (char *)buf_take(&b, &n);
    buf_fini(&b);
    return NULL;
}

/* customData of a scale set: the cloud-init document in base64 */
static enum status move_custom_data(json_t *resource, const struct moved *m, struct err *err)
{
    json_t *os = json_object_get(json_object_get(json_object_get(resource, "properties"), "virtualMachineProfile"), "osProfile");
    const char *data = json_string_value(json_object_get(os, "customData"));
    struct buf plain, again;
    if (data == NULL) return OK;
    buf_init(&plain, TEXT_MAX);
    buf_init(&again, 2 * (size_t)TEXT_MAX);
    enum status s = base64_get(&plain, bytes_str(data), false);
    char *text = s == OK ? replace(buf_cstr(&plain), m) : NULL;
    if (s != OK) s = err_set(err, E_CORRUPT, "deployment.json of the backup: customData is no base64");
    else if (text == NULL) s = err_set(err, E_NOMEM, "no memory");
    if (s == OK) {
        base64_append(&again, bytes_str(text), false);
        buf_put_u8(&again, 0);
        s = buf_status(&again);
    }
    if (s == OK && json_object_set_new(os, "customData", json_string((const char *)again.ptr)) != 0) s = err_set(err, E_NOMEM, "no memory");
    free(text);
    buf_fini(&plain);
    buf_fini(&again);
    return s;
}

/* the programs of this machine in the list for the keeper */
static void move_program(json_t *program, const struct target *local)
{
    json_t *argv = json_object_get(program, "argv");
    const char *word = json_string_value(json_array_get(argv, 0)), *slash = word == NULL ? NULL : strrchr(word, '/');
    char path[5000];
    if (slash == NULL) return;
    if (strcmp(slash, "/haproxy") == 0) (void)snprintf(path, sizeof path, "%s", local->haproxy);
    else (void)snprintf(path, sizeof path, "%s%s", local->bin_dir, slash);
    if (strncmp(slash, "/poa-", 5) == 0 || strcmp(slash, "/haproxy") == 0) json_array_set_new(argv, 0, json_string(path));
}

static enum status move_json(struct buf *text, const char *name, const struct moved *m, struct err *err)
{
    json_t *doc = NULL, *v;
    size_t i;
    enum status s = json_parse(&doc, buf_view(text), err);
    if (s != OK) return err_prefix(err, "%s of the backup", name);
    if (strcmp(name, "deployment.json") == 0) {
        json_array_foreach(doc, i, v) if (s == OK) s = move_custom_data(v, m, err);
    } else {
        json_array_foreach(json_object_get(doc, "programs"), i, v) move_program(v, m->local);
    }
    char *out = json_dumps(doc, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    buf_clear(text);
    if (out != NULL) buf_put_str(text, out);
    if (s == OK && out == NULL) s = err_set(err, E_NOMEM, "no memory");
    free(out);
    json_decref(doc);
    return s == OK ? buf_status(text) : s;
}

static bool has_paths(const char *name)
{
    const char *slash = strrchr(name, '/');
    size_t n = slash == NULL ? 0 : (size_t)(slash - name);
    if (strcmp(name, "deployment.json") == 0 || strcmp(name, "local/launch.json") == 0) return true;
    if (strncmp(name, "local/monitor/", 14) == 0) return true;
    return strncmp(name, "local/instances/", 16) == 0 && n > 4 && strncmp(slash - 4, "/etc", 4) == 0;
}

static enum status move_text(struct buf *text, const char *name, const struct moved *m, struct err *err)
{
    char *moved = replace(buf_cstr(text), m);
    if (moved == NULL) return err_set(err, E_NOMEM, "no memory");
    buf_clear(text);
    buf_put_str(text, moved);
    free(moved);
    enum status s = buf_status(text);
    const char *dot = strrchr(name, '.');
    if (s == OK && (strcmp(name, "deployment.json") == 0 || (dot != NULL && strcmp(name, "local/launch.json") == 0))) s = move_json(text, name, m, err);
    return s;
}

/* ------------------------------------------------------------------- files */

static enum status make_parent(const char *path, const char *name, struct err *err)
{
    char dir[5000];
    (void)snprintf(dir, sizeof dir, "%s", path);
    *strrchr(dir, '/') = '\0';
    /* admin/ and local/ are for the owner alone */
    return file_mkdirs(dir, strncmp(name, "admin/", 6) == 0 || strncmp(name, "local/", 6) == 0 ? 0700 : 0755, err);
}

static enum status take_file(struct archive_reader *r, const char *stage, const char *name, unsigned mode, const struct moved *m, struct err *err)
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
        if (!has_paths(name)) {
            s = file_write_all(fd, piece, path, err);
        } else {
            buf_put_bytes(&text, piece);
            s = buf_status(&text);
        }
    }
    if (s == OK && has_paths(name)) {
        s = move_text(&text, name, m, err);
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
    struct moved m = {.local = local};
    char stage[4200], name[ARCHIVE_PATH_MAX + 1];
    unsigned mode = 0;
    const char *old = json_string_value(json_object_get(archive_facts(r), "workspace"));
    struct backup_info info = *out;
    info.files = 0;
    if (found == NULL) return err_set(err, E_NOMEM, "no memory");
    *found = *local;
    (void)snprintf(stage, sizeof stage, "%.4000s.restoring", dir);
    (void)snprintf(m.from, sizeof m.from, "%.4000s/local/", old == NULL ? "" : old);
    (void)snprintf(m.to, sizeof m.to, "%.4000s/local/", dir);
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
