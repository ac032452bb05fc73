#include "node/agent/tail.h"

#include "lib/base/log.h"
#include "lib/codec/hex.h"
#include "lib/crypto/aead.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MARK_BYTES = 64, CHUNK = 256 << 10 /* a line that is longer is given in pieces */ };

struct tail {
    char path[4096];
    int fd;
    uint64_t inode, offset;
    char mark[17];  /* of the cursor; "": none */
    bool has_place; /* inode and offset are of a run before, or of the open file */
    bool is_lost;
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
        const char *mark = json_string_value(json_object_get(cursor, "mark"));
        if (mark != NULL) (void)snprintf(t->mark, sizeof t->mark, "%.16s", mark);
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

/* of the first bytes of a file; n: as many as were there when it was made */
static void make_mark(char dst[static 17], int fd, uint64_t n)
{
    uint8_t head[MARK_BYTES], digest[32];
    const ssize_t k = pread(fd, head, n < MARK_BYTES ? (size_t)n : MARK_BYTES, 0);
    sha256(digest, head, k > 0 ? (size_t)k : 0);
    hex_put(dst, digest, 8);
    dst[16] = '\0';
}

json_t *tail_cursor(const struct tail *t)
{
    char mark[17];
    if (t->fd < 0) return json_pack("{s:I, s:I, s:s}", "inode", (json_int_t)t->inode, "offset", (json_int_t)t->offset, "mark", t->mark);
    make_mark(mark, t->fd, t->offset);
    return json_pack("{s:I, s:I, s:s}", "inode", (json_int_t)t->inode, "offset", (json_int_t)t->offset, "mark", mark);
}

bool tail_take_lost(struct tail *t)
{
    const bool lost = t->is_lost;
    t->is_lost = false;
    return lost;
}

/* the file itself, and the full ones that were moved away */
static void path_of(char dst[static 4200], const struct tail *t, unsigned age)
{
    if (age == 0) (void)snprintf(dst, 4200, "%s", t->path);
    else (void)snprintf(dst, 4200, "%s.%u", t->path, age);
}

/* resumes: only the file of the cursor */
static bool open_age(struct tail *t, unsigned age, bool resumes)
{
    struct stat st;
    char path[4200], mark[17];
    path_of(path, t, age);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    bool good = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    if (good && resumes) {
        make_mark(mark, fd, t->offset);
        good = (uint64_t)st.st_ino == t->inode && (t->mark[0] == '\0' || (uint64_t)st.st_size < t->offset || strcmp(mark, t->mark) == 0);
    }
    if (!good) {
        close(fd);
        return false;
    }
    if (!resumes || (uint64_t)st.st_size < t->offset) t->offset = 0;
    t->inode = (uint64_t)st.st_ino;
    t->fd = fd;
    t->mark[0] = '\0'; /* it is made of the open file */
    return true;
}

/* the oldest of those that are younger than `age` */
static bool open_younger(struct tail *t, unsigned age)
{
    while (age-- > 0)
        if (open_age(t, age, false)) return true;
    return false;
}

/* the file of the cursor, also when it has been moved away; if that has gone, what came after it; the first time the one that stands now */
static bool open_file(struct tail *t)
{
    bool opened = false;
    for (unsigned age = 0; t->has_place && !opened && age <= LOG_KEEP; age++)
        opened = open_age(t, age, true);
    if (!opened) {
        t->is_lost = t->has_place && (opened = open_younger(t, LOG_KEEP + 1));
        if (!t->has_place) opened = open_age(t, 0, false);
    }
    t->has_place = t->has_place || opened;
    return opened;
}

/* what stands at the path is another file now, or was cut */
static bool is_replaced(const struct tail *t)
{
    struct stat st;
    return stat(t->path, &st) == 0 && ((uint64_t)st.st_ino != t->inode || (uint64_t)st.st_size < t->offset);
}

/* the file that came after this one, which is read to its end */
static bool open_next(struct tail *t)
{
    char path[4200];
    struct stat st;
    unsigned age = 0;
    for (; age <= LOG_KEEP; age++) {
        path_of(path, t, age);
        if (stat(path, &st) == 0 && (uint64_t)st.st_ino == t->inode) break;
    }
    close(t->fd);
    t->fd = -1;
    if (age > LOG_KEEP) t->is_lost = true;
    return open_younger(t, age == 0 ? 1 : age); /* 0: it was cut */
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
        if (!open_next(t)) break;
    }
    return total > 0;
}
