#include "lib/base/log.h"

#include "lib/base/clock.h"
#include "lib/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* The one process-wide state of lib/: where lines go. Set once by main(), read by all threads. */
static _Atomic int log_fd = 2;
static _Atomic int log_max = LOG_LEVEL_INFO;
static char log_path[4096]; /* "": no file of ours */
static uint64_t log_max_bytes;
static _Atomic uint64_t log_bytes; /* in the file now */
static pthread_mutex_t log_turning = PTHREAD_MUTEX_INITIALIZER;

static const char names[][6] = {"ERROR", "WARN", "INFO", "DEBUG", "TRACE"};

void log_open(int fd, enum log_level level)
{
    log_fd = fd;
    log_max = (int)level;
}

enum { LOG_FILE_FLAGS = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, LOG_FILE_MODE = 0640 };

enum status log_open_file(const char *path, enum log_level level, uint64_t max_bytes, struct err *err)
{
    char dir[sizeof log_path];
    if (strlen(path) >= sizeof log_path - 8) return err_set(err, E_LIMIT, "a log's path has at most %zu characters", sizeof log_path - 9);
    (void)snprintf(dir, sizeof dir, "%s", path);
    char *slash = strrchr(dir, '/');
    if (slash != NULL && slash != dir) {
        *slash = '\0';
        enum status s = file_mkdirs(dir, 0750, err);
        if (s != OK) return s;
    }
    int fd = open(path, LOG_FILE_FLAGS, LOG_FILE_MODE);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0) return err_set(err, status_from_errno(errno), "cannot open %s: %s", path, strerror(errno));
    memcpy(log_path, path, strlen(path) + 1);
    log_max_bytes = max_bytes;
    log_bytes = (uint64_t)st.st_size;
    log_open(fd, level);
    return OK;
}

/* Moves the full file away and opens the next under the same descriptor, so that a thread in the middle of its line writes to one of the two.
 * What fails is tried again one file's size later: a log that grows on is better than none. */
static void turn(void)
{
    pthread_mutex_lock(&log_turning); /* others who found it full wait, so that it grows by a line of each at the most */
    if (log_bytes > log_max_bytes) {
        char from[sizeof log_path + 16], to[sizeof log_path + 16];
        for (int i = LOG_KEEP; i > 0; i--) {
            (void)snprintf(from, sizeof from, "%s.%d", log_path, i - 1);
            if (i == 1) (void)snprintf(from, sizeof from, "%s", log_path);
            (void)snprintf(to, sizeof to, "%s.%d", log_path, i);
            (void)rename(from, to);
        }
        int fd = open(log_path, LOG_FILE_FLAGS, LOG_FILE_MODE);
        if (fd >= 0) {
            (void)dup3(fd, log_fd, O_CLOEXEC);
            close(fd);
        }
        log_bytes = 0;
    }
    pthread_mutex_unlock(&log_turning);
}

bool log_level_parse(enum log_level *out, const char *name)
{
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strcasecmp(name, names[i]) == 0) {
            *out = (enum log_level)i;
            return true;
        }
    }
    return false;
}

bool log_is_on(enum log_level level)
{
    return (int)level <= log_max;
}

void log_line(enum log_level level, const char *target, const char *fmt, ...)
{
    if (!log_is_on(level)) return;
    char line[4096];
    uint64_t ms = clock_wall_ms();
    time_t t = (time_t)(ms / 1000);
    struct tm tm = {0};
    if (gmtime_r(&t, &tm) == NULL) return;
    size_t n = strftime(line, 32, "%Y-%m-%d %H:%M:%S", &tm);
    int k = snprintf(line + n, 128, ".%03u %-5s %-8s ", (unsigned)(ms % 1000), names[level], target);
    if (k > 0) n += (size_t)k < 128 ? (size_t)k : 127;
    va_list ap;
    va_start(ap, fmt);
    k = vsnprintf(line + n, sizeof line - n - 1, fmt, ap);
    va_end(ap);
    if (k > 0) n += (size_t)k < sizeof line - n - 1 ? (size_t)k : sizeof line - n - 2;
    /* one event is one line: text from outside must not forge a second one */
    for (size_t i = 0; i < n; i++)
        if (line[i] == '\n' || line[i] == '\r' || line[i] == '\x1b') line[i] = ' ';
    line[n++] = '\n';
    ssize_t w = write(log_fd, line, n); /* where it fails there is nowhere left to complain to */
    if (w > 0 && log_max_bytes > 0 && atomic_fetch_add(&log_bytes, (uint64_t)w) + (uint64_t)w > log_max_bytes) turn(); /* clang 14 takes no += here */
}
