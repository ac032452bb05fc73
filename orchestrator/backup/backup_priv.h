/* backup_priv.h: where things stand in a backup, for those who write and who read it. */
#ifndef ORCHESTRATOR_BACKUP_BACKUP_PRIV_H
#define ORCHESTRATOR_BACKUP_BACKUP_PRIV_H

#define BACKUP_CHAIN "chain.mdb" /* beside the workspace's own files: the one copy of the chain */
#define BACKUP_STORE_DATA "local/store/data/data.mdb"
#define BACKUP_NODE_DB "var/lib/poa/db"

#endif
