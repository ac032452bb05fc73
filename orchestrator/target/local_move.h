/* local_move.h: a workspace of the local target in another folder than the one it was made in: restored from a backup, or moved by its owner. Some of
 * its files name the folder: the configurations of the programs, the keeper's list, the cloud-init document of the resources. */
#ifndef ORCHESTRATOR_TARGET_LOCAL_MOVE_H
#define ORCHESTRATOR_TARGET_LOCAL_MOVE_H

#include "orchestrator/target/local.h"

enum { LOCAL_TEXT_MAX = 32 << 20 };

struct local_moved {
    char from[4200], to[4200]; /* with "/local/" behind */
    const struct target *local;
};

/** local_moved_init: from and to: absolute; local: its programs are those that the list for the keeper will name; NULL: those that it names */
void local_moved_init(struct local_moved *m, const char *from, const char *to, const struct target *local);
/** local_has_paths: does the file of that name in a workspace name the folder? */
bool local_has_paths(const char *name);
/** local_move_text: the content of such a file, for the new folder */
MUST_CHECK enum status local_move_text(struct buf *text, const char *name, const struct local_moved *m, struct err *err);
/** local_is_same: two names of one folder; that of a folder which is gone is another one */
bool local_is_same(const char *dir, const char *other);
/** local_follow: if the workspace's folder was moved since its files were written, write them for where it is now; what still runs is stopped before.
 *  Killed at any point, the next call does the rest. */
MUST_CHECK enum status local_follow(struct target *t, struct err *err);

#endif
