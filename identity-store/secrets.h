/* secrets.h: what the secret handlers share. */
#ifndef IDENTITY_STORE_SECRETS_H
#define IDENTITY_STORE_SECRETS_H

#include "identity-store/call.h"

enum {
    SECRET_VALUE_MAX = 25 * 1024,
    CONTENT_TYPE_MAX = 255,
    TAGS_MAX = 15,
    TAG_MAX = 256,
    BACKUP_VERSIONS_MAX = 500,
    PAGE_MAX = 25,
};

/** secret_find: head of a live (or deleted) secret, purged ones excluded.  ret OK | E_NOT_FOUND | E_CORRUPT, E_IO */
MUST_CHECK enum status secret_find(struct secret_head *out, struct call *c, enum store_table table, const char *name);
MUST_CHECK enum status secret_version_find(struct secret_version *out, struct call *c, const char *name, const uint8_t version[VERSION_LEN]);
bool secret_is_purged(const struct call *c, const struct secret_head *h);
/** secret_put_head, secret_put_version: encode and store. */
MUST_CHECK enum status secret_put_head(struct call *c, enum store_table table, const char *name, const struct secret_head *h);
MUST_CHECK enum status secret_put_version(struct call *c, const char *name, const uint8_t version[VERSION_LEN],
                                          const struct secret_version *v);
/** secret_drop_versions: all of them out of the table. */
MUST_CHECK enum status secret_drop_versions(struct kv_txn *txn, const char *name);
bool secret_name_is_valid(const char *name);

/** secret_bundle: the reply {value?, id, attributes, tags, ...}. version NULL: an id without version. deleted: adds recoveryId and dates. */
enum { BUNDLE_VALUE = 1, BUNDLE_VERSION = 2, BUNDLE_DELETED = 4 };
MUST_CHECK enum status secret_put_bundle(struct call *c, const struct secret_head *h, const uint8_t version[VERSION_LEN],
                                         const struct secret_version *v, unsigned what);

/** secrets_sweep: purge what has been deleted for longer than the retention; ret number purged through n. */
MUST_CHECK enum status secrets_sweep(size_t *n, struct store *s, uint64_t now_s);

#endif
