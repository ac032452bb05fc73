/* log.h: one line an event: `2026-11-23 09:32:52.123 INFO  sync  text key=value`. Only programs (main.c and the layers just
 * under it) log; libraries return. Thread-safe: a line is one write(2). Never pass a secret. */
#ifndef LIB_BASE_LOG_H
#define LIB_BASE_LOG_H

#include "lib/base/attr.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG, LOG_LEVEL_TRACE };

/** log_open: fd to write to (default 2) and the most detailed level that is written. */
void log_open(int fd, enum log_level level);
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
