#include "lib/base/status.h"

#include <errno.h>

const char *status_name(enum status s)
{
    switch (s) {
#define X(name, value, text) \
    case name: return #name;
#include "lib/base/status.def"
#undef X
    }
    return "E_UNKNOWN";
}

const char *status_text(enum status s)
{
    switch (s) {
#define X(name, value, text) \
    case name: return text;
#include "lib/base/status.def"
#undef X
    }
    return "unknown status";
}

enum status status_from_errno(int e)
{
    switch (e) {
    case 0: return OK;
    case ENOMEM: return E_NOMEM;
    case ENOENT: return E_NOT_FOUND;
    case EEXIST: return E_EXISTS;
    case EACCES:
    case EPERM: return E_DENIED;
    case ENOSPC:
    case EDQUOT: return E_NOSPACE;
    case ETIMEDOUT: return E_TIMEOUT;
    case EADDRINUSE:
    case EBUSY: return E_BUSY;
    case EAGAIN: return E_AGAIN;
    case ECONNREFUSED:
    case ECONNRESET:
    case EHOSTUNREACH:
    case ENETUNREACH: return E_NET;
    default: return E_IO;
    }
}

void bug_abort(const char *file, int line, const char *why)
{
    fprintf(stderr, "BUG %s:%d: %s\n", file, line, why);
    abort();
}
