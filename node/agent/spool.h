/* spool.h: what was read and is not sent yet, on disk. Written by one thread (the reader of node and log), read by another (the sender).
 *
 * Segments, <dir>/<number>.seg, are rows of frames: length (4 bytes, little-endian), the first 8 bytes of the payload's SHA-256, payload. A
 * payload is JSON: {"cursors": {...}, "rows": [[table, record], ...]}: records together with the cursors of what was read when they had been
 * taken in. A frame is whole or not there (a torn end is cut off at the start), so after a kill the reader goes on exactly behind the
 * records that are in the spool. Each frame has all cursors, so that old segments can go.
 *
 * The sender sends windows: frames [from, to) of one segment. <dir>/sent.json says which window is on its way, and which tables of it have
 * arrived; it is written before a window is sent, and after each table. A kill in between leads to the very same request again, with the
 * same id. Everything is fsynced before it counts.
 *
 * Bound: spool_is_full says when max bytes wait, or the disk has less than it is to keep free for others; the reader then pauses: nodes keep
 * blocks, log files keep lines. A frame that the disk has damaged is told once (E_CORRUPT) and passed over, with what stands behind it in its
 * segment; at the end of the last segment it is cut off, and its records are read again. */
#ifndef NODE_AGENT_SPOOL_H
#define NODE_AGENT_SPOOL_H

#include <jansson.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

struct spool;

/** spool_open: dir is made if absent; *cursors: a new object, empty on the first run. min_free: bytes of the disk, 0: it is not asked
 *  ret OK | E_BUSY: another agent has it | E_IO | E_CORRUPT: sent.json can't be read */
MUST_CHECK enum status spool_open(struct spool **out, json_t **cursors, const char *dir, uint64_t max_bytes, uint64_t min_free, struct err *err);
void spool_close(struct spool *s); /* NULL allowed */

/** spool_append: one frame; durable when it returns OK. cursors: all of them, as of after these rows.  ret OK | E_IO, E_NOSPACE | E_NOMEM */
MUST_CHECK enum status spool_append(struct spool *s, const json_t *cursors, const json_t *rows, struct err *err);
/** spool_is_full: for the thread that appends; once full, it is so until an eighth is free again */
bool spool_is_full(struct spool *s);
uint64_t spool_waiting_bytes(struct spool *s);

struct spool_window {
    uint64_t segment, from, to;
    uint64_t done; /* bit i: table i has arrived */
    json_t *rows;  /* array of [table, record]; spool_window_fini drops it */
};
/** spool_next: the window on its way, or a new one of at most max bytes (at least one frame).  ret OK | E_NOT_FOUND: all is sent | E_IO | E_CORRUPT: some
 *  bytes are passed over, the next call goes on behind them */
MUST_CHECK enum status spool_next(struct spool_window *out, struct spool *s, uint64_t max_bytes, struct err *err);
/** spool_mark: a table of the window has arrived */
MUST_CHECK enum status spool_mark(struct spool *s, struct spool_window *w, unsigned table, struct err *err);
/** spool_finish: all of the window has; segments that are done with are removed. */
MUST_CHECK enum status spool_finish(struct spool *s, const struct spool_window *w, struct err *err);
void spool_window_fini(struct spool_window *w);
/** spool_name: 16 random digits made with the spool: part of request ids */
const char *spool_name(const struct spool *s);

#endif
