/* attr.h: compiler attributes, and the words that our C does not use. Included by every other header of lib/base. */
#ifndef LIB_BASE_ATTR_H
#define LIB_BASE_ATTR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define NORETURN __attribute__((noreturn))
#define UNUSED __attribute__((unused))
#define HOT __attribute__((hot))
#define COLD __attribute__((cold))
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

/** IGNORE: drop the result of a MUST_CHECK call on purpose; `why` is for the reader. */
#define IGNORE(call, why)                                                                          \
    do {                                                                                           \
        if (call) {                                                                                \
        }                                                                                          \
        (void)sizeof("" why);                                                                      \
    } while (0)

/** BUG: one of our own invariants does not hold: say where, and stop. Never used for what comes from outside. */
#define BUG(why) bug_abort(__FILE__, __LINE__, (why))
NORETURN COLD void bug_abort(const char *file, int line, const char *why);

#ifndef POA_NO_POISON
#undef sprintf /* macros under clang with _FORTIFY_SOURCE; what is poisoned must be none */
#undef vsprintf
#pragma GCC poison strcpy strcat sprintf vsprintf strtok atoi atol gets localtime rand srand
#endif

#endif
