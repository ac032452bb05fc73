/* ssh_verb.c: one verb of host.sh: how it gets there, what it is given, what came of it. */
#include "lib/base/file.h"
#include "orchestrator/target/ssh_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COMMAND_MAX = 40 << 10, COMPLAINT_MAX = 16 << 10 };

static void quote(struct buf *b, const char *text)
{
    buf_put_u8(b, '\'');
    for (; *text != '\0'; text++) {
        if (*text == '\'') buf_put_str(b, "'\\''");
        else buf_put_u8(b, (uint8_t)*text);
    }
    buf_put_u8(b, '\'');
}

char *ssh_command(const struct ssh_target *s, const struct ssh_host *h, const char *verb, const char *const *args)
{
    struct buf b;
    buf_init(&b, COMMAND_MAX);
    buf_put_str(&b, strcmp(h->user, "root") == 0 ? "exec sh -c " : "exec sudo -n sh -c ");
    quote(&b, s->script);
    buf_put_str(&b, " poa-host ");
    quote(&b, verb);
    for (; *args != NULL; args++) {
        buf_put_u8(&b, ' ');
        quote(&b, *args);
    }
    const char *text = buf_cstr(&b);
    char *copy = b.status == OK ? strdup(text) : NULL;
    buf_fini(&b);
    return copy;
}

/* the last line of what a command complained */
static void last_line(char dst[static 400], struct buf *text)
{
    while (text->len > 0 && (text->ptr[text->len - 1] == '\n' || text->ptr[text->len - 1] == '\r'))
        text->len--;
    const char *all = buf_cstr(text), *nl = strrchr(all, '\n');
    (void)snprintf(dst, 400, "%.399s", nl == NULL ? all : nl + 1);
}

static enum status verdict(const struct ssh_host *h, const char *verb, int code, struct buf *complaint, struct err *err)
{
    char text[400];
    if (code == 0) return OK;
    last_line(text, complaint);
    if (code == 3) return err_set(err, E_CONFLICT, "%s: %s: %s", h->address, verb, text);
    if (strstr(text, "sudo:") != NULL)
        return err_set(err, E_DENIED, "%s: %s may not become root without a password (%s): log in as root, or allow `%s ALL=(ALL) NOPASSWD: ALL` in /etc/sudoers.d", h->address, h->user, text, h->user);
    if (strstr(text, "No space left") != NULL) return err_set(err, E_NOSPACE, "%s: the disk is full: %s", h->address, text);
    return err_set(err, E_IO, "%s: %s failed with %d: %s", h->address, verb, code, text);
}

/* where what a verb answers goes */
struct sink {
    ssh_write write;
    void *arg;
};

static enum status run(struct ssh_target *s, struct ssh_host *h, const struct ssh_input *in, const struct sink *to, struct err *err, const char *verb, const char *const *args)
{
    struct buf complaint;
    int code = 0;
    char *command = ssh_command(s, h, verb, args);
    if (command == NULL) return err_set(err, E_LIMIT, "templates/ssh/host.sh is too long for one command");
    buf_init(&complaint, COMPLAINT_MAX);
    enum status st = ssh_conn_run_to(h->conn, command, in, to->write, to->arg, &complaint, &code, err);
    if (st == OK) st = verdict(h, verb, code, &complaint, err);
    buf_fini(&complaint);
    free(command);
    return st;
}

/* ------------------------------------------------------------- from memory */

struct memory {
    bytes left;
};

static ssize_t read_memory(void *arg, uint8_t *dst, size_t n)
{
    struct memory *m = arg;
    if (n > m->left.len) n = m->left.len;
    if (n > 0) memcpy(dst, m->left.ptr, n);
    m->left = bytes_make(m->left.ptr + n, m->left.len - n);
    return (ssize_t)n;
}

static bool keep(void *arg, bytes piece)
{
    struct buf *out = arg;
    if (out == NULL) return true;
    buf_put_bytes(out, piece);
    if (buf_status(out) == OK) return true;
    errno = EFBIG;
    return false;
}

enum status ssh_verb(struct ssh_target *s, struct ssh_host *h, struct buf *out, bytes in, struct err *err, const char *verb, ...)
{
    const char *args[40];
    size_t n = 0;
    va_list ap;
    va_start(ap, verb);
    do {
        args[n] = va_arg(ap, const char *);
    } while (args[n++] != NULL && n < COUNT_OF(args));
    va_end(ap);
    args[n - 1] = NULL;
    struct memory m = {in};
    const struct ssh_input input = {read_memory, &m};
    return run(s, h, &input, &(struct sink){keep, out}, err, verb, args);
}

bool ssh_line(char *dst, size_t cap, const struct buf *answer, const char *key)
{
    size_t k = strlen(key);
    for (size_t at = 0; at < answer->len;) {
        const uint8_t *line = answer->ptr + at, *nl = memchr(line, '\n', answer->len - at);
        size_t n = nl == NULL ? answer->len - at : (size_t)(nl - line);
        if (n > k && memcmp(line, key, k) == 0 && line[k] == '=') {
            (void)snprintf(dst, cap, "%.*s", (int)(n - k - 1), (const char *)line + k + 1);
            return true;
        }
        at += n + 1;
    }
    return false;
}

/* --------------------------------------------------------------- from files */

struct sending {
    int fd;
    off_t at, len;
    struct ssh_host *h;
};

static ssize_t read_file(void *arg, uint8_t *dst, size_t n)
{
    struct sending *u = arg;
    ssize_t k = pread(u->fd, dst, n, u->at);
    if (k > 0) u->at += k;
    unsigned percent = u->len == 0 ? 100 : (unsigned)(u->at * 100 / u->len);
    atomic_store(&u->h->percent, percent == 0 ? 1 : percent);
    return k;
}

enum status ssh_verb_put(struct ssh_target *s, struct ssh_host *h, const char *file, off_t from, struct err *err, const char *verb, const char *const *args)
{
    struct stat st;
    struct sending u = {.fd = open(file, O_RDONLY | O_CLOEXEC), .at = from, .h = h};
    enum status r = u.fd < 0 || fstat(u.fd, &st) != 0 ? err_set(err, status_from_errno(errno), "cannot open %s: %s", file, strerror(errno)) : OK;
    if (r == OK) {
        u.len = st.st_size;
        const struct ssh_input input = {read_file, &u};
        r = run(s, h, &input, &(struct sink){keep, NULL}, err, verb, args);
    }
    if (u.fd >= 0) close(u.fd);
    return r;
}

static bool write_file(void *arg, bytes piece)
{
    return file_write_all(*(int *)arg, piece, "", NULL) == OK;
}

enum status ssh_verb_get(struct ssh_target *s, struct ssh_host *h, const char *file, bool *has, struct err *err, const char *verb, const char *const *args)
{
    struct stat st = {0};
    int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) return err_set(err, status_from_errno(errno), "cannot make %s: %s", file, strerror(errno));
    enum status r = run(s, h, NULL, &(struct sink){write_file, &fd}, err, verb, args);
    if (r == OK && (fsync(fd) != 0 || fstat(fd, &st) != 0)) r = err_set(err, status_from_errno(errno), "cannot write %s: %s", file, strerror(errno));
    if (r == OK && has != NULL) *has = st.st_size > 0;
    close(fd);
    if (r != OK || st.st_size == 0) IGNORE(unlink(file) != 0, "a part of nothing");
    return r;
}
