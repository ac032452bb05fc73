/* backup.h: a deployment of the local or the ssh target as one sealed file, and back.
 *
 * What is in it: the workspace with its git history and the account made with it; the identity store (certificates, clients, key of its
 * database, the database as it stood at one instant); each instance's configuration, secret and journal of signed steps; one copy of the chain,
 * taken from the node with the highest block while it goes on (an LMDB snapshot), which on the way back every instance gets. Logs are left out.
 *
 * Of hosts over SSH the same, but as files that the target brought before (struct backup_brought): the store's own backup and its key, the nodes'
 * journals, one chain. Restored, they lie in local/restore of the workspace, from where the target brings them to its hosts.
 *
 * Nothing of it is readable without the key (archive.h). Only the header is: what network, when, how high.
 * A backup that is cut short leaves nothing behind, and so does a restoration: the file and the folder get their names when they are whole. */
#ifndef ORCHESTRATOR_BACKUP_BACKUP_H
#define ORCHESTRATOR_BACKUP_BACKUP_H

#include "orchestrator/backup/archive.h"
#include "orchestrator/target/local.h"
#include "orchestrator/workspace/workspace.h"

struct backup_info {
    char path[4096];
    uint64_t bytes, files, height;
    char genesis[67], created[24];
    json_int_t member;
    char target[8]; /* "local", "ssh" */
};

/* BACKUP_RESTORE: where they lie in a restored workspace; the chain is chain.mdb there */
#define BACKUP_RESTORE "local/restore"
struct backup_brought {
    const char *dir; /* relative to the workspace */
    uint64_t height;
};

/** backup_write: to: a file that does not exist yet, or a folder, where the file gets a name of its own. brought: NULL: all of it is local.
 *  ret OK | E_EXISTS | E_NOSPACE | ... */
MUST_CHECK enum status backup_write(struct backup_info *out, const char *to, const struct workspace *ws, const struct target *t,
                                    const struct backup_brought *brought, const struct archive_key *key, struct err *err);
/** backup_check_name: to be asked before long work: may backup_write write there?  ret OK | E_EXISTS | E_INVALID */
MUST_CHECK enum status backup_check_name(const char *to, struct err *err);

/** backup_check: read it to its end, write nothing. The reader is unlocked. */
MUST_CHECK enum status backup_check(struct backup_info *out, struct archive_reader *r, struct err *err);
/** backup_restore: dir: absolute; it must not be there, or be empty. local: its programs and member; its dir is `dir`. After OK the folder is a
 *  finished deployment that `up` starts; one of the ssh target has local/restore, and its hosts are untouched.  ret OK | E_EXISTS: something is there | E_CORRUPT: damaged, or its specification gives another genesis */
MUST_CHECK enum status backup_restore(struct backup_info *out, struct archive_reader *r, const char *dir, const struct target *local, struct err *err);
/** backup_get_info: what the header says; path and bytes of the file */
void backup_get_info(struct backup_info *out, const struct archive_reader *r, const char *path);
/** backup_find_chain: the database of the instance whose chain is the longest, and how long; false: there is none yet */
bool backup_find_chain(char folder[static 4300], uint64_t *height, const struct workspace *ws, const struct target *local);

#endif
