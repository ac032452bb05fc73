#include "lib/base/err.h"

enum status err_set(struct err *err, enum status s, const char *fmt, ...)
{
    if (err == NULL) return s;
    va_list ap;
    va_start(ap, fmt);
    /* an argument may be the old text itself, so format beside it */
    char tmp[sizeof err->text];
    (void)vsnprintf(tmp, sizeof tmp, fmt, ap);
    va_end(ap);
    memcpy(err->text, tmp, sizeof tmp);
    err->status = s;
    return s;
}

enum status err_prefix(struct err *err, const char *fmt, ...)
{
    if (err == NULL) return E_INVALID;
    char head[sizeof err->text / 2];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(head, sizeof head, fmt, ap);
    va_end(ap);
    return err_set(err, err->status, "%s: %.*s", head, (int)(sizeof err->text / 2), err_text(err));
}

const char *err_text(const struct err *err)
{
    return err->text[0] != '\0' ? err->text : status_text(err->status);
}
