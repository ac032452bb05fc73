#include "identity-store/audit.h"

#include "identity-store/text.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/codec/hex.h"
#include "lib/crypto/aead.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINE_MAX_LEN = 4096, FILE_MAX_LEN = 64 << 20, HASH_TAIL_LEN = 9 + 64 + 2 /* ,"hash":"..."} */ };

static void line_hash(uint8_t out[32], const uint8_t before[32], bytes body)
{
    uint8_t in[32 + LINE_MAX_LEN];
    if (body.len > LINE_MAX_LEN) BUG("audit line");
    memcpy(in, before, 32);
    memcpy(in + 32, body.ptr, body.len);
    sha256(out, in, 32 + body.len);
}

static void put_member(struct buf *b, const char *name, const char *v, size_t max)
{
    size_t n = strnlen(v, max);
    while (n > 0 && !text_is_utf8(bytes_make(v, n))) n--;
    buf_put(b, ",\"", 2);
    buf_put_str(b, name);
    buf_put(b, "\":", 2);
    json_put_text(b, bytes_make(v, n));
}

static void put_number(struct buf *b, uint64_t v)
{
    char digits[24];
    size_t n = sizeof digits;
    do digits[--n] = (char)('0' + v % 10);
    while ((v /= 10) != 0);
    buf_put(b, digits + n, sizeof digits - n);
}

/* the line that follows the head, which becomes the line's own */
static void put_line(struct buf *b, struct audit_head *head, const char *time, const struct audit_event *e)
{
    char hex[64];
    size_t from = b->len;
    buf_put_str(b, "{\"seq\":");
    put_number(b, ++head->seq);
    buf_put_str(b, ",\"time\":\"");
    buf_put_str(b, time);
    buf_put_u8(b, '"');
    put_member(b, "client", e->client, 64);
    put_member(b, "role", e->role, 16);
    put_member(b, "peer", e->peer, 48);
    put_member(b, "op", e->op, 32);
    put_member(b, "object", e->object, 400);
    buf_put_str(b, ",\"status\":");
    put_number(b, (uint64_t)(e->status > 0 ? e->status : 0));
    put_member(b, "error", e->error, 64);
    put_member(b, "request_id", e->request_id, 40);
    if (buf_status(b) != OK) return;
    line_hash(head->hash, head->hash, bytes_make(b->ptr + from, b->len - from));
    hex_put(hex, head->hash, 32);
    buf_put_str(b, ",\"hash\":\"");
    buf_put(b, hex, sizeof hex);
    buf_put_str(b, "\"}\n");
}

/* lines to the open file, all or none; the caller holds the lock */
static enum status append(struct audit *a, const struct audit_event *e, size_t n)
{
    struct buf b;
    char time[32];
    struct audit_head head = {.seq = a->seq};
    memcpy(head.hash, a->hash, 32);
    buf_init(&b, n * LINE_MAX_LEN);
    IGNORE(buf_reserve(&b, n * 400) == NULL, "room for usual lines at once; the status tells");
    utc_date_put(time, clock_wall_ms());
    for (size_t i = 0; i < n; i++) put_line(&b, &head, time, &e[i]);
    enum status s = buf_status(&b);
    if (s == OK) s = file_write_all(a->fd, buf_view(&b), "audit.log", NULL);
    if (s != OK) {
        if (ftruncate(a->fd, (off_t)a->len) != 0) s = E_IO; /* no half line stays */
    } else {
        a->seq = head.seq;
        memcpy(a->hash, head.hash, 32);
        a->len += b.len;
        a->dirty = true;
    }
    buf_fini(&b);
    return s;
}

static enum status note(struct audit *a, const char *op, const char *object)
{
    struct audit_event e = {"", "", "", op, object, "", "", 0};
    return append(a, &e, 1);
}

static void rotate(struct audit *a)
{
    char *old = NULL;
    if (asprintf(&old, "%.*s-%020llu.log", (int)(strlen(a->path) - 4), a->path, (unsigned long long)a->seq) < 0) return;
    (void)fdatasync(a->fd);
    int dir_ok = rename(a->path, old);
    free(old);
    if (dir_ok != 0) return; /* goes on in the old file */
    int fd = open(a->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0) return;
    (void)close(a->fd);
    a->fd = fd;
    a->len = 0;
    IGNORE(note(a, "audit.continue", "the lines before stand in the file with this number"), "the next line fails if this one did");
}

enum status audit_write(struct audit *a, const struct audit_event *e, size_t n)
{
    if (a->fd < 0 || n == 0) return OK;
    (void)pthread_mutex_lock(&a->lock);
    enum status s = append(a, e, n);
    if (s == OK && a->len >= a->max_len) rotate(a);
    (void)pthread_mutex_unlock(&a->lock);
    return s;
}

void audit_sync(struct audit *a)
{
    (void)pthread_mutex_lock(&a->lock);
    bool dirty = a->dirty;
    int fd = dirty && a->fd >= 0 ? dup(a->fd) : -1; /* so that readers need not wait for the disk */
    a->dirty = false;
    (void)pthread_mutex_unlock(&a->lock);
    if (fd >= 0) {
        (void)fdatasync(fd);
        (void)close(fd);
    }
}

struct audit_head audit_head_now(struct audit *a)
{
    struct audit_head h;
    (void)pthread_mutex_lock(&a->lock);
    h.seq = a->seq;
    memcpy(h.hash, a->hash, 32);
    (void)pthread_mutex_unlock(&a->lock);
    return h;
}

/* ------------------------------------------------------------------ reading */

static bool parse_line(uint64_t *seq, uint8_t hash[32], bytes line)
{
    static const char head[] = "{\"seq\":", tail[] = ",\"hash\":\"";
    if (line.len < sizeof head + HASH_TAIL_LEN || memcmp(line.ptr, head, sizeof head - 1) != 0) return false;
    const uint8_t *t = line.ptr + line.len - HASH_TAIL_LEN;
    if (memcmp(t, tail, sizeof tail - 1) != 0 || memcmp(t + HASH_TAIL_LEN - 2, "\"}", 2) != 0) return false;
    char digits[24];
    size_t n = 0;
    for (const uint8_t *p = line.ptr + sizeof head - 1; *p >= '0' && *p <= '9' && n < 20; p++) digits[n++] = (char)*p;
    digits[n] = 0;
    return u64_get(seq, digits) && hex_get_fixed(hash, 32, bytes_make(t + sizeof tail - 1, 64)) == OK;
}

/* The end of the file: head of its last whole line; bytes behind that are cut off. */
static enum status read_tail(struct audit *a, bool *cut)
{
    struct stat st;
    uint8_t tail[2 * LINE_MAX_LEN];
    *cut = false;
    if (fstat(a->fd, &st) != 0) return E_IO;
    size_t n = st.st_size < (off_t)sizeof tail ? (size_t)st.st_size : sizeof tail;
    if (n == 0) return OK;
    off_t at = st.st_size - (off_t)n;
    if (pread(a->fd, tail, n, at) != (ssize_t)n) return E_IO;
    size_t end = n;
    while (end > 0 && tail[end - 1] != '\n') end--;
    size_t start = end > 0 ? end - 1 : 0;
    while (start > 0 && tail[start - 1] != '\n') start--;
    a->len = (uint64_t)at + end;
    if (end < n) {
        *cut = true;
        if (ftruncate(a->fd, (off_t)a->len) != 0) return E_IO;
    }
    if (end == 0) return OK;
    return parse_line(&a->seq, a->hash, bytes_make(tail + start, end - 1 - start)) ? OK : E_CORRUPT;
}

enum status audit_open(struct audit *out, const char *data_dir, const struct audit_head *known, struct err *err)
{
    struct audit a = {.fd = -1, .max_len = FILE_MAX_LEN};
    bool cut = false;
    if (asprintf(&a.path, "%s/audit.log", data_dir) < 0) return err_set(err, E_NOMEM, "audit log: out of memory");
    a.fd = open(a.path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (a.fd < 0) {
        enum status s = err_set(err, status_from_errno(errno), "%s: %s", a.path, strerror(errno));
        free(a.path);
        return s;
    }
    (void)pthread_mutex_init(&a.lock, NULL);
    enum status s = read_tail(&a, &cut);
    bool bad_tail = s == E_CORRUPT;
    bool gap = known != NULL && (bad_tail || a.seq < known->seq || (a.seq == known->seq && memcmp(a.hash, known->hash, 32) != 0));
    if (gap) {
        a.seq = known->seq;
        memcpy(a.hash, known->hash, 32);
    }
    if (bad_tail) s = OK;
    if (s == OK && cut) s = note(&a, "audit.repair", "a line that was not written to its end was cut off");
    if (s == OK && (gap || bad_tail)) s = note(&a, "audit.gap", "lines that were written before are missing here");
    if (s != OK) {
        err_set(err, s, "%s: %s", a.path, status_text(s));
        audit_close(&a);
        return s;
    }
    *out = a;
    return OK;
}

void audit_close(struct audit *a)
{
    if (a->path == NULL) return;
    if (a->fd >= 0) {
        (void)fdatasync(a->fd);
        (void)close(a->fd);
    }
    (void)pthread_mutex_destroy(&a->lock);
    free(a->path);
    *a = (struct audit){.fd = -1};
}

enum status audit_verify(uint64_t *n, const char *path, struct err *err)
{
    struct buf b;
    buf_init(&b, (size_t)2 * FILE_MAX_LEN);
    enum status s = file_read(&b, path, err);
    uint8_t before[32] = {0};
    uint64_t lines = 0, last_seq = 0;
    bool joined = false; /* is `before` known? not for the first line of a file that continues another */
    size_t at = 0;
    while (s == OK && at < b.len) {
        const uint8_t *p = b.ptr + at, *nl = memchr(p, '\n', b.len - at);
        size_t len = nl ? (size_t)(nl - p) : b.len - at;
        uint64_t seq;
        uint8_t hash[32], want[32];
        if (nl == NULL || len > LINE_MAX_LEN || !parse_line(&seq, hash, bytes_make(p, len))) {
            s = err_set(err, E_CORRUPT, "%s: line %llu is no line of an audit log", path, (unsigned long long)lines + 1);
            break;
        }
        if (seq == 1) joined = true;
        line_hash(want, before, bytes_make(p, len - HASH_TAIL_LEN));
        bool gap = memmem(p, len, "\"op\":\"audit.gap\"", 16) != NULL;
        if (gap) s = err_set(err, E_CORRUPT, "%s: line %llu: lines before it are missing", path, (unsigned long long)lines + 1);
        else if (joined && (memcmp(want, hash, 32) != 0 || seq != last_seq + 1))
            s = err_set(err, E_CORRUPT, "%s: line %llu (seq %llu) was changed, or lines before it are missing", path,
                        (unsigned long long)lines + 1, (unsigned long long)seq);
        memcpy(before, hash, 32);
        last_seq = seq;
        joined = true;
        at += len + 1;
        if (s == OK) lines++;
    }
    buf_fini(&b);
    if (s == OK) *n = lines;
    return s;
}
