#include "node/agent/tail.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 256 << 10 }; /* a line that is longer is given in pieces */

struct tail {
    char path[4096];
    int fd;
    uint64_t inode, offset;
    bool has_place; /* inode and offset are of a run before, or of the open file */
    uint8_t *data;
};

enum status tail_new(struct tail **out, const char *path, const json_t *cursor)
{
    struct tail *t = calloc(1, sizeof *t);
    if (t == NULL) return E_NOMEM;
    t->data = malloc(CHUNK);
    t->fd = -1;
    (void)snprintf(t->path, sizeof t->path, "%s", path);
    if (json_is_object(cursor)) {
        t->has_place = true;
        t->inode = (uint64_t)json_integer_value(json_object_get(cursor, "inode"));
        t->offset = (uint64_t)json_integer_value(json_object_get(cursor, "offset"));
    }
    if (t->data == NULL) {
        tail_free(t);
        return E_NOMEM;
    }
    *out = t;
    return OK;
}

void tail_free(struct tail *t)
{
    if (t == NULL) return;
    if (t->fd >= 0) close(t->fd);
    free(t->data);
    free(t);
}

json_t *tail_cursor(const struct tail *t)
{
    return json_pack("{s:I, s:I}", "inode", (json_int_t)t->inode, "offset", (json_int_t)t->offset);
}

static bool open_at(struct tail *t, const char *path, bool only_if_same)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (only_if_same && (uint64_t)st.st_ino != t->inode)) {
        close(fd);
        return false;
    }
    if (!t->has_place || (uint64_t)st.st_ino != t->inode || (uint64_t)st.st_size < t->offset) t->offset = 0;
    t->inode = (uint64_t)st.st_ino;
    t->has_place = true;
    t->fd = fd;
    return true;
}

/* the file of the cursor, also when it has been moved away; else the one that stands now */
static bool open_file(struct tail *t)
{
    char rotated[4200];
    (void)snprintf(rotated, sizeof rotated, "%s.1", t->path);
    if (t->has_place && (open_at(t, t->path, true) || open_at(t, rotated, true))) return true;
    t->has_place = false;
    return open_at(t, t->path, false);
}

/* what stands at the path is another file now, or was cut */
static bool is_replaced(const struct tail *t)
{
    struct stat st;
    return stat(t->path, &st) == 0 && ((uint64_t)st.st_ino != t->inode || (uint64_t)st.st_size < t->offset);
}

/* ret bytes of whole lines given */
static size_t give(struct tail *t, void (*fn)(void *ctx, bytes line), void *ctx)
{
    ssize_t n = pread(t->fd, t->data, CHUNK, (off_t)t->offset);
    size_t len = n > 0 ? (size_t)n : 0, done = 0;
    while (done < len) {
        const uint8_t *nl = memchr(t->data + done, '\n', len - done);
        if (nl == NULL && (done > 0 || len < CHUNK)) break;
        size_t end = nl == NULL ? len : (size_t)(nl - t->data), cut = end;
        while (cut > done && t->data[cut - 1] == '\r')
            cut--;
        fn(ctx, bytes_make(t->data + done, cut - done));
        done = end + (nl != NULL);
    }
    t->offset += done;
    return done;
}

bool tail_read(struct tail *t, size_t max, void (*fn)(void *ctx, bytes line), void *ctx)
{
    size_t total = 0;
    if (t->fd < 0 && !open_file(t)) return false;
    while (total < max) {
        size_t n = give(t, fn, ctx);
        total += n;
        if (n > 0) continue;
        if (!is_replaced(t)) break;
        close(t->fd);
        t->fd = -1;
        t->has_place = false;
        if (!open_file(t)) break;
    }
    return total > 0;
}
