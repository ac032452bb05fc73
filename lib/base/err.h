/* err.h: text beside a status. A function that can say more than its status takes `struct err *err` as its last argument;
 * NULL is allowed everywhere. The text is one line for a person: what was wrong, where, what is allowed, what to do next. */
#ifndef LIB_BASE_ERR_H
#define LIB_BASE_ERR_H

#include "lib/base/status.h"

struct err {
    enum status status;
    char text[1000];
};

/** err_set: store status and text (cut at the end if too long); ret the status, so that `return err_set(...)` reads well. */
PRINTF_LIKE(3, 4) enum status err_set(struct err *err, enum status s, const char *fmt, ...);
/** err_prefix: put "fmt: " before the text that stands; ret the status that stands. */
PRINTF_LIKE(2, 3) enum status err_prefix(struct err *err, const char *fmt, ...);
/** err_text: the text, or the status's own text if none was set. */
const char *err_text(const struct err *err);

#endif
