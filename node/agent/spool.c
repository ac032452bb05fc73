#include "node/agent/spool.h"

#include "lib/base/file.h"
#include "lib/base/rng.h"
#include "lib/codec/hex.h"
#include "lib/codec/json.h"
#include "lib/crypto/aead.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { HEAD = 12, FRAME_MAX = 32 << 20, SEGMENT_BYTES = 4 << 20, SENT_MAX = 4096 };

struct spool {
    char dir[3000];
    char name[17];
    int lock_fd, fd; /* fd: of the segment that is written */
    uint64_t max_bytes, min_free;
    bool is_full;
    /* under lock; frames before `end` of the last segment are durable */
    pthread_mutex_t lock;
    uint64_t first, last, end; /* segments; end: bytes of the last */
    uint64_t waiting;          /* bytes of all segments that stand */
    /* the sender's own */
    uint64_t segment, sent; /* everything before has arrived */
    uint64_t to, done;      /* the window on its way: [sent, to); to == sent: none */
};

static void segment_path(char dst[static 3100], const struct spool *s, uint64_t number)
{
    (void)snprintf(dst, 3100, "%s/%012llu.seg", s->dir, (unsigned long long)number);
}

/* ------------------------------------------------------------------ frames */

static void checksum(uint8_t sum[static 8], bytes payload)
{
    uint8_t digest[32];
    sha256(digest, payload.ptr, payload.len);
    memcpy(sum, digest, 8);
}

static bool read_exactly(int fd, void *dst, size_t n, uint64_t at)
{
    uint8_t *p = dst;
    while (n > 0) {
        ssize_t k = pread(fd, p, n, (off_t)at);
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) return false;
        p += k;
        at += (uint64_t)k;
        n -= (size_t)k;
    }
    return true;
}

/* one frame's payload, appended; false: there is no whole one at that place */
static bool read_frame(struct buf *out, int fd, uint64_t at, uint64_t end)
{
    uint8_t head[HEAD], sum[8];
    if (end - at < HEAD || !read_exactly(fd, head, HEAD, at)) return false;
    uint32_t len = 0;
    for (unsigned i = 0; i < 4; i++)
        len |= (uint32_t)head[i] << (8 * i);
    if (len == 0 || len > FRAME_MAX || end - at - HEAD < len) return false;
    size_t before = out->len;
    uint8_t *p = buf_reserve(out, len);
    if (p == NULL || !read_exactly(fd, p, len, at + HEAD)) return false;
    checksum(sum, bytes_make(p, len));
    if (memcmp(sum, head + 4, 8) != 0) return false;
    out->len = before + len;
    return true;
}

static enum status write_frame(int fd, uint64_t at, bytes payload, const char *path, struct err *err)
{
    uint8_t head[HEAD];
    const uint32_t len = (uint32_t)payload.len;
    for (unsigned i = 0; i < 4; i++)
        head[i] = (uint8_t)(len >> (8 * i));
    checksum(head + 4, payload);
    const bytes parts[] = {bytes_make(head, HEAD), payload};
    for (size_t k = 0; k < COUNT_OF(parts); k++) {
        for (size_t done = 0; done < parts[k].len;) {
            ssize_t n = pwrite(fd, parts[k].ptr + done, parts[k].len - done, (off_t)at);
            if (n < 0 && errno == EINTR) continue;
            if (n <= 0) return err_set(err, n < 0 ? status_from_errno(errno) : E_IO, "cannot write %s: %s", path, strerror(errno));
            done += (size_t)n;
            at += (uint64_t)n;
        }
    }
    if (fdatasync(fd) != 0) return err_set(err, status_from_errno(errno), "cannot sync %s: %s", path, strerror(errno));
    return OK;
}

/* -------------------------------------------------------------------- open */

static enum status save_sent(struct spool *s, struct err *err)
{
    char path[3100], text[300];
    (void)snprintf(path, sizeof path, "%s/sent.json", s->dir);
    int n = snprintf(text, sizeof text, "{\"name\": \"%s\", \"segment\": %llu, \"from\": %llu, \"to\": %llu, \"done\": %llu}\n", s->name,
                     (unsigned long long)s->segment, (unsigned long long)s->sent, (unsigned long long)s->to, (unsigned long long)s->done);
    return file_write_atomic(path, bytes_make(text, (size_t)n), 0600, err);
}

static enum status load_sent(struct spool *s, struct err *err)
{
    char path[3100];
    (void)snprintf(path, sizeof path, "%s/sent.json", s->dir);
    if (!file_exists(path)) {
        uint8_t raw[8];
        rng_fill(raw, sizeof raw);
        hex_put(s->name, raw, sizeof raw);
        s->segment = 1;
        return save_sent(s, err);
    }
    struct buf text;
    json_t *doc = NULL;
    uint64_t v[4] = {0};
    static const char *const keys[] = {"segment", "from", "to", "done"};
    buf_init(&text, SENT_MAX);
    enum status st = file_read(&text, path, err);
    if (st == OK) st = json_parse(&doc, buf_view(&text), err);
    struct json_at root = json_at_root(doc), at;
    const char *name = NULL;
    if (st == OK) st = json_at_need(&at, &root, "name", err);
    if (st == OK) st = json_at_text(&name, &at, err);
    for (size_t i = 0; st == OK && i < COUNT_OF(keys); i++) {
        st = json_at_need(&at, &root, keys[i], err);
        if (st == OK) st = json_at_u64(&v[i], &at, err);
    }
    if (st == OK) {
        (void)snprintf(s->name, sizeof s->name, "%.16s", name);
        s->segment = v[0];
        s->sent = v[1];
        s->to = v[2];
        s->done = v[3];
    } else {
        st = err_prefix(err, "%s", path);
    }
    json_decref(doc);
    buf_fini(&text);
    return st;
}

/* which segments stand, and how much is in them */
static void scan_folder(struct spool *s)
{
    char path[3100];
    struct stat st;
    DIR *d = opendir(s->dir);
    s->first = UINT64_MAX;
    s->last = 0;
    for (const struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
        char *end;
        unsigned long long n = strtoull(e->d_name, &end, 10);
        if (end == e->d_name || strcmp(end, ".seg") != 0) continue;
        segment_path(path, s, n);
        if (stat(path, &st) == 0) s->waiting += (uint64_t)st.st_size;
        if (n < s->first) s->first = n;
        if (n > s->last) s->last = n;
    }
    if (d != NULL) closedir(d);
}

/* whole frames of the last segment; what is behind them was torn by a kill. The last of them has the cursors. */
static enum status recover(struct spool *s, json_t **cursors, struct err *err)
{
    char path[3100];
    struct stat st;
    struct buf frame;
    buf_init(&frame, FRAME_MAX);
    segment_path(path, s, s->last);
    s->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    enum status r = s->fd < 0 || fstat(s->fd, &st) != 0 ? err_set(err, status_from_errno(errno), "cannot open %s: %s", path, strerror(errno)) : OK;
    while (r == OK) {
        buf_clear(&frame);
        if (!read_frame(&frame, s->fd, s->end, (uint64_t)st.st_size)) break;
        json_t *doc = NULL;
        IGNORE(json_parse(&doc, buf_view(&frame), NULL), "the sender tells of it");
        json_t *c = json_object_get(doc, "cursors");
        if (json_is_object(c)) {
            json_decref(*cursors);
            *cursors = json_incref(c);
        }
        json_decref(doc);
        s->end += HEAD + frame.len;
    }
    if (r == OK && (uint64_t)st.st_size > s->end) {
        s->waiting -= (uint64_t)st.st_size - s->end;
        if (ftruncate(s->fd, (off_t)s->end) != 0 || fsync(s->fd) != 0) r = err_set(err, status_from_errno(errno), "cannot cut %s: %s", path, strerror(errno));
    }
    buf_fini(&frame);
    return r;
}

/* sent.json may speak of more than there is: segments were removed by hand, or a disk of before came back. What is written next is not sent yet. */
static enum status fit_sent(struct spool *s, struct err *err)
{
    bool fits = s->segment >= s->first && (s->segment < s->last || (s->segment == s->last && s->sent <= s->end && s->to <= s->end));
    if (fits) return OK;
    if (s->segment < s->first) { /* a kill between the last byte sent and the removal of its segment */
        s->segment = s->first;
        s->sent = 0;
    } else {
        s->segment = s->last;
        if (s->sent > s->end) s->sent = s->end;
    }
    s->to = s->done = 0;
    return save_sent(s, err);
}

/* a segment was begun, but a kill came before its first frame: the one before has the cursors */
static enum status recover_any(struct spool *s, json_t **cursors, struct err *err)
{
    enum status r = recover(s, cursors, err);
    if (r != OK || s->end > 0 || s->last <= s->first) return r;
    close(s->fd);
    char path[3100];
    segment_path(path, s, s->last);
    if (unlink(path) != 0) return err_set(err, E_IO, "cannot remove %s", path);
    s->last--;
    return recover(s, cursors, err);
}

enum status spool_open(struct spool **out, json_t **cursors, const char *dir, uint64_t max_bytes, uint64_t min_free, struct err *err)
{
    struct spool *s = calloc(1, sizeof *s);
    if (s == NULL) return err_set(err, E_NOMEM, "out of memory");
    char path[3100];
    s->lock_fd = s->fd = -1;
    s->max_bytes = max_bytes;
    s->min_free = min_free;
    (void)snprintf(s->dir, sizeof s->dir, "%.2900s", dir);
    (void)snprintf(path, sizeof path, "%s/lock", s->dir);
    pthread_mutex_init(&s->lock, NULL);
    json_t *c = json_object();
    enum status r = file_mkdirs(s->dir, 0700, err);
    if (r == OK) s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (r == OK && s->lock_fd < 0) r = err_set(err, status_from_errno(errno), "cannot open %s: %s", path, strerror(errno));
    if (r == OK && flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0) r = err_set(err, E_BUSY, "another poa-agent uses the spool %s", s->dir);
    if (r == OK) r = load_sent(s, err);
    if (r == OK) {
        scan_folder(s);
        if (s->last == 0) s->first = s->last = s->segment;
        r = recover_any(s, &c, err);
    }
    if (r == OK) r = fit_sent(s, err);
    if (r != OK) {
        json_decref(c);
        spool_close(s);
        return r;
    }
    *out = s;
    *cursors = c;
    return OK;
}

void spool_close(struct spool *s)
{
    if (s == NULL) return;
    if (s->fd >= 0) close(s->fd);
    if (s->lock_fd >= 0) close(s->lock_fd);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

const char *spool_name(const struct spool *s)
{
    return s->name;
}

/* ------------------------------------------------------------------ append */

static enum status sync_folder(const struct spool *s, struct err *err)
{
    int fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0) close(fd);
    return good ? OK : err_set(err, E_IO, "cannot sync %s", s->dir);
}

/* a new segment when the last one is large enough */
static enum status roll(struct spool *s, struct err *err)
{
    if (s->end < SEGMENT_BYTES && s->end > 0) return OK;
    if (s->end == 0) return sync_folder(s, err);
    char path[3100];
    segment_path(path, s, s->last + 1);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return err_set(err, status_from_errno(errno), "cannot make %s: %s", path, strerror(errno));
    enum status r = sync_folder(s, err);
    if (r != OK) {
        close(fd);
        return r;
    }
    close(s->fd);
    s->fd = fd;
    pthread_mutex_lock(&s->lock);
    s->last++;
    s->end = 0;
    pthread_mutex_unlock(&s->lock);
    return OK;
}

enum status spool_append(struct spool *s, const json_t *cursors, const json_t *rows, struct err *err)
{
    char path[3100];
    enum status r = roll(s, err);
    if (r != OK) return r;
    json_t *doc = json_pack("{s:O, s:O}", "cursors", cursors, "rows", rows);
    char *text = doc == NULL ? NULL : json_dumps(doc, JSON_COMPACT);
    json_decref(doc);
    if (text == NULL) return err_set(err, E_NOMEM, "out of memory");
    size_t len = strlen(text);
    segment_path(path, s, s->last);
    r = len > FRAME_MAX ? err_set(err, E_LIMIT, "a frame of %zu bytes", len) : write_frame(s->fd, s->end, bytes_make(text, len), path, err);
    free(text);
    if (r != OK) return r;
    pthread_mutex_lock(&s->lock);
    s->end += HEAD + len;
    s->waiting += HEAD + len;
    pthread_mutex_unlock(&s->lock);
    return OK;
}

uint64_t spool_waiting_bytes(struct spool *s)
{
    pthread_mutex_lock(&s->lock);
    uint64_t n = s->waiting;
    pthread_mutex_unlock(&s->lock);
    return n;
}

bool spool_is_full(struct spool *s)
{
    struct statvfs disk;
    const uint64_t waiting = spool_waiting_bytes(s), slack = s->is_full ? 8 : 0; /* once full, until an eighth is free again */
    const bool known = s->min_free > 0 && statvfs(s->dir, &disk) == 0;
    const uint64_t free = known ? (uint64_t)disk.f_bavail * disk.f_frsize : UINT64_MAX;
    s->is_full = waiting >= s->max_bytes - (slack == 0 ? 0 : s->max_bytes / slack) || free < s->min_free + (slack == 0 ? 0 : s->min_free / slack);
    return s->is_full;
}

/* -------------------------------------------------------------------- send */

static uint64_t end_of(struct spool *s, int fd)
{
    struct stat st;
    pthread_mutex_lock(&s->lock);
    uint64_t end = s->end;
    bool is_last = s->segment == s->last;
    pthread_mutex_unlock(&s->lock);
    if (is_last) return end;
    return fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static enum status add_rows(json_t *rows, bytes frame, struct err *err)
{
    json_t *doc = NULL;
    enum status r = json_parse(&doc, frame, err);
    if (r == OK) json_array_extend(rows, json_object_get(doc, "rows"));
    json_decref(doc);
    return r;
}

/* frames from `sent` up to `limit` (a place, or as many bytes of them) */
static enum status collect(struct spool_window *w, struct spool *s, int fd, uint64_t end, uint64_t max_bytes, struct err *err)
{
    struct buf frame;
    enum status r = OK;
    uint64_t at = s->sent;
    bool again = s->to > s->sent;
    buf_init(&frame, FRAME_MAX);
    while (r == OK && at < (again ? s->to : end)) {
        buf_clear(&frame);
        if (!read_frame(&frame, fd, at, end)) {
            if (at == s->sent) w->to = end;
            if (at == s->sent) r = err_set(err, E_CORRUPT, "segment %llu of the spool is damaged at byte %llu: %llu bytes of it can't be sent", (unsigned long long)s->segment, (unsigned long long)at, (unsigned long long)(end - at));
            break; /* what stands before it is sent */
        }
        if (!again && at > s->sent && at + HEAD + frame.len - s->sent > max_bytes) break;
        r = add_rows(w->rows, buf_view(&frame), err);
        if (r == E_DECODE && at > s->sent) { /* what stands before it is sent */
            r = OK;
            break;
        }
        if (r == E_DECODE) r = err_set(err, E_CORRUPT, "segment %llu of the spool has no records at byte %llu: %zu bytes of it can't be sent", (unsigned long long)s->segment, (unsigned long long)at, frame.len);
        at += HEAD + frame.len;
    }
    buf_fini(&frame);
    if (r != E_CORRUPT || w->to < at) w->to = at;
    return r;
}

/* all of the segment has arrived: it goes, if it is not the one that is written */
static bool drop_segment(struct spool *s, struct err *err)
{
    char path[3100];
    struct stat st;
    pthread_mutex_lock(&s->lock);
    bool is_old = s->segment < s->last && s->end > 0; /* an empty one behind it has no cursors yet */
    pthread_mutex_unlock(&s->lock);
    if (!is_old) return false;
    segment_path(path, s, s->segment);
    uint64_t len = stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
    s->segment++;
    s->sent = s->to = s->done = 0;
    if (save_sent(s, err) != OK) return false;
    IGNORE(unlink(path), "it is passed over at the next start");
    pthread_mutex_lock(&s->lock);
    s->waiting -= len < s->waiting ? len : s->waiting;
    s->first = s->segment;
    pthread_mutex_unlock(&s->lock);
    return true;
}

enum status spool_next(struct spool_window *out, struct spool *s, uint64_t max_bytes, struct err *err)
{
    for (;;) {
        char path[3100];
        segment_path(path, s, s->segment);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0) {
            if (errno == ENOENT && drop_segment(s, err)) continue;
            return errno == ENOENT ? E_NOT_FOUND : err_set(err, status_from_errno(errno), "cannot open %s: %s", path, strerror(errno));
        }
        uint64_t end = end_of(s, fd);
        if (s->sent >= end) {
            close(fd);
            if (drop_segment(s, err)) continue;
            return E_NOT_FOUND;
        }
        struct spool_window w = {.segment = s->segment, .from = s->sent, .done = s->to > s->sent ? s->done : 0, .rows = json_array()};
        enum status r = collect(&w, s, fd, end, max_bytes, err);
        close(fd);
        if (r == E_CORRUPT) { /* told once; what follows goes on */
            s->sent = w.to;
            s->to = s->done = 0;
            IGNORE(save_sent(s, NULL), "it is found again after a start");
        } else if (r == OK && s->to != w.to) {
            const uint64_t to = s->to, done = s->done;
            s->to = w.to;
            s->done = w.done = 0;
            r = save_sent(s, err);
            if (r != OK) { /* not sent before it is written down */
                s->to = to;
                s->done = done;
            }
        }
        if (r != OK) {
            spool_window_fini(&w);
            return r;
        }
        *out = w;
        return OK;
    }
}

enum status spool_mark(struct spool *s, struct spool_window *w, unsigned table, struct err *err)
{
    w->done |= (uint64_t)1 << table;
    s->done = w->done;
    return save_sent(s, err);
}

enum status spool_finish(struct spool *s, const struct spool_window *w, struct err *err)
{
    s->sent = s->to = w->to;
    s->done = 0;
    return save_sent(s, err);
}

void spool_window_fini(struct spool_window *w)
{
    json_decref(w->rows);
    w->rows = NULL;
}
