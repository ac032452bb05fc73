/* status.h: the one result type for the caller's world: I/O, bad bytes, limits. Rules of the chain have enums of their own. */
#ifndef LIB_BASE_STATUS_H
#define LIB_BASE_STATUS_H

#include "lib/base/attr.h"

enum status {
#define X(name, value, text) name = value,
#include "lib/base/status.def"
#undef X
};

/** status_name: "E_DECODE"; status_text: "malformed data". Static strings, never NULL. */
const char *status_name(enum status s);
const char *status_text(enum status s);
/** status_from_errno: the nearest status for an errno value (ENOENT -> E_NOT_FOUND, ENOSPC -> E_NOSPACE, else E_IO). */
enum status status_from_errno(int e);

#endif
