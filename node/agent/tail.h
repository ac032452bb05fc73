/* tail.h: whole lines of a log file that grows and may be cut or replaced: moved to <path>.1, that to <path>.2 and so on (lib/base/log.h), as often
 * as it may be while nobody reads. The cursor is {"inode", "offset", "mark"}; mark: a digest of what the file begins with, since a file that was
 * removed leaves its inode to the next one. A file with the cursor's inode that is shorter than the cursor's offset was cut, and is read anew. */
#ifndef NODE_AGENT_TAIL_H
#define NODE_AGENT_TAIL_H

#include <jansson.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

struct tail;

/** tail_new: cursor: where an earlier run stopped, or NULL: the first run, from the file's beginning. */
MUST_CHECK enum status tail_new(struct tail **out, const char *path, const json_t *cursor);
void tail_free(struct tail *t); /* NULL allowed */
/** tail_read: fn for each whole line (without its end), up to about max bytes; ret true: there were some, and the cursor has moved */
bool tail_read(struct tail *t, size_t max, void (*fn)(void *ctx, bytes line), void *ctx);
/** tail_take_lost: the file of the cursor was not there any more: lines of it may be lost. Told once */
bool tail_take_lost(struct tail *t);
/** tail_cursor: behind the last line given; new reference */
json_t *tail_cursor(const struct tail *t);

#endif
