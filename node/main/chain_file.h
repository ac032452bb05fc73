/* chain_file.h: a chain as a file: its blocks [header, txs, uncles] in RLP one after the other, from block 1 on, as geth's export has them. For
 * moving a chain without peers, and for measuring imports. No node may run on the same base_path, but for a snapshot.
 *
 * An import runs as a pipeline: threads decode blocks and recover senders ahead of the one that executes. What it took is printed as one line of
 * JSON on stdout: {"blocks","txs","gas","seconds","recover_s","wait_s","execute_s","root_s","commit_s","rss_mib"}; recover_s is CPU time of the
 * threads, wait_s how long execution waited for them. */
#ifndef NODE_MAIN_CHAIN_FILE_H
#define NODE_MAIN_CHAIN_FILE_H

#include "node/main/config.h"

MUST_CHECK enum status chain_file_export(const struct node_config *cfg, const char *path, struct err *err);
/** chain_file_import: ret OK | E_INVALID: a block was refused (err says which and why; those before it stay) | ... */
MUST_CHECK enum status chain_file_import(const struct node_config *cfg, const char *path, struct err *err);

/** chain_file_snapshot: the database itself, as a data.mdb, as it is at one instant; a node may go on writing it. path "-": stdout.
 *  ret OK | E_EXISTS: a file of that name stands | E_IO: no database, or it cannot be written */
MUST_CHECK enum status chain_file_snapshot(const struct node_config *cfg, const char *path, struct err *err);

#endif
