/* secrets.h: what the handlers of secrets and keys share. */
#ifndef IDENTITY_STORE_SECRETS_H
#define IDENTITY_STORE_SECRETS_H

#include "identity-store/call.h"

#include <jansson.h>

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
/** secret_drop_versions: all of them out of the table (TABLE_VERSION or TABLE_KEY_VERSION, then also the rotation policy). */
MUST_CHECK enum status secret_drop_versions(struct kv_txn *txn, enum store_table table, const char *name);
bool secret_name_is_valid(const char *name);
bool secret_version_id_get(uint8_t out[VERSION_LEN], const char *text);

/* vault_input: the body of a request, as far as secrets and keys have it in common */
struct vault_input {
    json_t *doc;
    const char *value; /* NULL: none */
    size_t value_len;
    const char *content_type; /* NULL: not mentioned */
    bool has_enabled, enabled, has_nbf, has_exp, has_tags;
    uint64_t nbf_s, exp_s;
    struct buf tags;
};
/** vault_input_get: ret NULL, or what is wrong; vault_input_fini in both cases */
const char *vault_input_get(struct vault_input *in, bytes body);
void vault_input_fini(struct vault_input *in);
/** vault_put_attributes, vault_put_tags: "attributes":{...} and ,"tags":{...} to the reply */
void vault_put_attributes(struct call *c, const struct secret_version *v, const char *more);
MUST_CHECK enum status vault_put_tags(struct buf *b, bytes tags);

/* vault_page: one page of a list. The skip token is the key of the page's first entry, so that the next page is one seek, and entries
 * that come or go meanwhile move nothing. */
struct vault_page {
    enum store_table table;
    const char *path;         /* for nextLink */
    struct record_key prefix; /* versions: name NUL */
    struct secret_head head;  /* versions: of the secret */
    enum status (*put)(struct call *c, const struct vault_page *p, bytes key, bytes value, bool *skip);
};
MUST_CHECK enum status vault_list(struct call *c, const struct vault_page *p);

/** key_put_bundle: as secret_put_bundle for a key. */
MUST_CHECK enum status key_put_bundle(struct call *c, const struct secret_head *h, const uint8_t version[VERSION_LEN], const struct key_version *k);

/** secret_bundle: the reply {value?, id, attributes, tags, ...}. version NULL: an id without version. deleted: adds recoveryId and dates. */
enum { BUNDLE_VALUE = 1, BUNDLE_VERSION = 2, BUNDLE_DELETED = 4 };
MUST_CHECK enum status secret_put_bundle(struct call *c, const struct secret_head *h, const uint8_t version[VERSION_LEN],
                                         const struct secret_version *v, unsigned what);

/** key_rotate_due: a new version of one key whose rotation policy wants it by now.  ret OK: name | E_NOT_FOUND: there is none */
MUST_CHECK enum status key_rotate_due(char name[SECRET_NAME_MAX + 1], struct store *st, const struct config *cfg, uint64_t now_s);
/** key_policy_check: is this a record of TABLE_KEY_POLICY?  ret OK | E_CORRUPT */
MUST_CHECK enum status key_policy_check(bytes value);
/** key_policy_expiry: when a version that is made now by rotation expires, by the key's policy; 0: never */
MUST_CHECK enum status key_policy_expiry(uint64_t *exp_s, struct call *c);

/** secrets_sweep: purge secrets and keys: what has been deleted for longer than the retention; ret number purged through n. */
MUST_CHECK enum status secrets_sweep(size_t *n, struct store *st, uint64_t now_s);

#endif
