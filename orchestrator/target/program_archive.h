/* program_archive.h: the programs of a machine as one gzipped tar archive (POSIX.1-1988, "ustar"):
 *
 *     bin/poa-node ...              mode 0755
 *     share/poa-deploy/web/...      the member's pages, 0644; left out where there are none: a node without them still serves its data
 *
 * Owner, times and order are fixed: the same programs give the same bytes, and so the same SHA-256, by which the archive is known. */
#ifndef ORCHESTRATOR_TARGET_PROGRAM_ARCHIVE_H
#define ORCHESTRATOR_TARGET_PROGRAM_ARCHIVE_H

#include "lib/base/buf.h"
#include "lib/base/err.h"

enum { PROGRAM_ARCHIVE_MAX = 256 << 20 }; /* bytes, packed or not */

struct program_archive {
    const char *bin_dir;         /* where the programs stand */
    const char *const *programs; /* their names */
    size_t n_programs;
    const char *share_dir; /* the pages are its web/, or node/member/web/ in a tree of sources */
    const char *option;    /* for messages: the option that names a package made elsewhere */
    int level;             /* of the compression, 1 to 9 */
};

/** program_archive_make: append it to out.  ret OK | E_NOT_FOUND: a program is not there | E_LIMIT: over PROGRAM_ARCHIVE_MAX | E_IO, E_NOMEM */
MUST_CHECK enum status program_archive_make(struct buf *out, const struct program_archive *what, struct err *err);

#endif
