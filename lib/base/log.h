/* log.h: one line an event: `2026-11-23 09:32:52.123 INFO  sync  text key=value`. Only programs (main.c and the layers just
 * under it) log; libraries return. Thread-safe: a line is one write(2). Never pass a secret. */
#ifndef LIB_BASE_LOG_H
#define LIB_BASE_LOG_H

#include "lib/base/err.h"

enum { LOG_KEEP = 4, LOG_FILE_BYTES = 32 << 20 /* what max_bytes is where nobody says otherwise */ };

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG, LOG_LEVEL_TRACE };

/** log_open: fd to write to (default 2) and the most detailed level that is written. */
void log_open(int fd, enum log_level level);
/** log_open_file: lines go to the end of a file (made with mode 0640, its folder with 0750). A file that has grown past max_bytes is moved to
 *  <path>.1, that to <path>.2 and so on up to LOG_KEEP, the oldest is dropped: a log takes (LOG_KEEP + 1) times max_bytes at the most. `path` is
 *  copied. Once in a process.  ret OK | E_IO, E_DENIED, E_LIMIT */
MUST_CHECK enum status log_open_file(const char *path, enum log_level level, uint64_t max_bytes, struct err *err);
bool log_level_parse(enum log_level *out, const char *name);
bool log_is_on(enum log_level level);
PRINTF_LIKE(3, 4) void log_line(enum log_level level, const char *target, const char *fmt, ...);

#define log_error(target, ...) log_line(LOG_LEVEL_ERROR, (target), __VA_ARGS__)
#define log_warn(target, ...) log_line(LOG_LEVEL_WARN, (target), __VA_ARGS__)
#define log_info(target, ...) log_line(LOG_LEVEL_INFO, (target), __VA_ARGS__)
#define log_debug(target, ...)                                                                     \
    do {                                                                                           \
        if (log_is_on(LOG_LEVEL_DEBUG)) log_line(LOG_LEVEL_DEBUG, (target), __VA_ARGS__);          \
    } while (0)
#define log_trace(target, ...)                                                                     \
    do {                                                                                           \
        if (log_is_on(LOG_LEVEL_TRACE)) log_line(LOG_LEVEL_TRACE, (target), __VA_ARGS__);          \
    } while (0)

#endif
