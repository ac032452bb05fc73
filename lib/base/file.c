#include "lib/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_CAP = 4096 };

static enum status fail(struct err *err, const char *what, const char *path)
{
    int e = errno;
    return err_set(err, status_from_errno(e), "%s %s: %s", what, path, strerror(e));
}

enum status file_read(struct buf *out, const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fail(err, "cannot open", path);
    enum status s = OK;
    for (;;) {
        size_t room = out->max - out->len;
        size_t want = room < 65536 ? room + (room == 0) : 65536;
        uint8_t one;
        uint8_t *p = room == 0 ? &one : buf_reserve(out, want);
        if (p == NULL) {
            s = err_set(err, out->status, "cannot read %s: %s", path, status_text(out->status));
            break;
        }
        ssize_t n = read(fd, p, want);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            s = fail(err, "cannot read", path);
            break;
        }
        if (n == 0) break;
        if (room == 0) {
            s = err_set(err, E_LIMIT, "%s is larger than %zu bytes", path, out->max);
            break;
        }
        out->len += (size_t)n;
    }
    close(fd);
    return s;
}

enum status file_write_all(int fd, bytes data, const char *path, struct err *err)
{
    while (data.len > 0) {
        ssize_t n = write(fd, data.ptr, data.len);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return fail(err, "cannot write", path);
        data = bytes_make(data.ptr + n, data.len - (size_t)n);
    }
    return OK;
}

static enum status sync_parent(const char *path, struct err *err)
{
    char dir[PATH_CAP];
    const char *slash = strrchr(path, '/');
    size_t n = slash == NULL ? 0 : (size_t)(slash - path);
    (void)snprintf(dir, sizeof dir, "%.*s", (int)(n == 0 ? 1 : n), slash == NULL ? "." : n == 0 ? "/" : path);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return fail(err, "cannot open", dir);
    int r = fsync(fd);
    enum status s = r == 0 ? OK : fail(err, "cannot fsync", dir);
    close(fd);
    return s;
}

enum status file_write_atomic(const char *path, bytes data, unsigned mode, struct err *err)
{
    char tmp[PATH_CAP];
    int n = snprintf(tmp, sizeof tmp, "%s.tmp.%ld", path, (long)getpid());
    if (n < 0 || (size_t)n >= sizeof tmp) return err_set(err, E_LIMIT, "path too long: %s", path);
    IGNORE(unlink(tmp), "usually not there");
    int fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, (mode_t)mode);
    if (fd < 0) return fail(err, "cannot create", tmp);
    enum status s = OK;
    if (fchmod(fd, (mode_t)mode) != 0) s = fail(err, "cannot set the mode of", tmp);
    if (s == OK) s = file_write_all(fd, data, tmp, err);
    if (s == OK && fsync(fd) != 0) s = fail(err, "cannot fsync", tmp);
    if (close(fd) != 0 && s == OK) s = fail(err, "cannot close", tmp);
    if (s == OK && rename(tmp, path) != 0) s = fail(err, "cannot rename to", path);
    if (s != OK) {
        IGNORE(unlink(tmp), "already failing");
        return s;
    }
    return sync_parent(path, err);
}

bool file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

bool file_is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

enum status file_mkdirs(const char *path, unsigned mode, struct err *err)
{
    char p[PATH_CAP];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof p) return err_set(err, E_INVALID, "bad folder path '%s'", path);
    memcpy(p, path, len + 1);
    for (size_t i = 1; i <= len; i++) {
        if (p[i] != '/' && p[i] != '\0') continue;
        char keep = p[i];
        p[i] = '\0';
        if (mkdir(p, (mode_t)mode) != 0 && errno != EEXIST) return fail(err, "cannot create folder", p);
        if (keep == '\0' && !file_is_dir(p)) return err_set(err, E_EXISTS, "%s stands in the way and is no folder", p);
        p[i] = keep;
    }
    return OK;
}

static int remove_one(const char *path, const struct stat *st UNUSED, int type UNUSED, struct FTW *ftw UNUSED)
{
    return remove(path);
}

enum status file_remove_tree(const char *path, struct err *err)
{
    struct stat st;
    if (lstat(path, &st) != 0) return errno == ENOENT ? OK : fail(err, "cannot stat", path);
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0) return fail(err, "cannot remove", path);
    return OK;
}
