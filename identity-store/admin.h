/* admin.h: what an administrator does to a store from the command line.
 *
 * A backup is one file, a snapshot of all tables in one read transaction, while the store runs or not:
 *
 *     "poa-identity-store backup 1\n"  { table(1) key length(4) value length(4) key value }*  255  mac(32)
 *     mac = HMAC-SHA256(data key, SHA-256(all before))
 *
 * Values in it are as sealed as in the database: it is worth nothing without the key-encryption key, and is checked against it before a
 * single record is restored.
 *
 * Leases given since the backup are unknown to a restored store. So each identity-<i>.json is restored as leased by nobody for a whole
 * lease: a node that held it learns at its next renewal that it lost it (409), and nobody else can take it before that node has stopped. */
#ifndef IDENTITY_STORE_ADMIN_H
#define IDENTITY_STORE_ADMIN_H

#include "identity-store/config.h"

struct admin_counts {
    uint64_t records, secrets, keys, blobs, audit_lines;
};

MUST_CHECK enum status admin_backup(struct admin_counts *out, const struct config *cfg, const char *path, struct err *err);
/** admin_restore: into a data_dir that has no database.  ret OK | E_EXISTS | E_CORRUPT | E_CRYPTO ... */
MUST_CHECK enum status admin_restore(struct admin_counts *out, const struct config *cfg, const char *path, struct err *err);
/** admin_verify: every record is decoded, every value unsealed, every content hashed, the audit chain walked.  ret OK | E_CORRUPT (err: where) */
MUST_CHECK enum status admin_verify(struct admin_counts *out, const struct config *cfg, struct err *err);
/** admin_rekey: the key-encryption key that the settings `to` name: a file (made when absent), a passphrase, a secret of another vault (likewise). */
MUST_CHECK enum status admin_rekey(const struct config *cfg, const struct config *to, struct err *err);

#endif
