#include "lib/base/log.h"

#include "lib/base/clock.h"

#include <stdatomic.h>
#include <strings.h>
#include <unistd.h>

/* The one process-wide state of lib/: where lines go. Set once by main(), read by all threads. */
static _Atomic int log_fd = 2;
static _Atomic int log_max = LOG_LEVEL_INFO;

static const char names[][6] = {"ERROR", "WARN", "INFO", "DEBUG", "TRACE"};

void log_open(int fd, enum log_level level)
{
    log_fd = fd;
    log_max = (int)level;
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
    ssize_t w = write(log_fd, line, n);
    (void)w; /* nowhere left to complain to */
}
