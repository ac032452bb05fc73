/* keyvault.h: secrets and P-256K keys of an Azure Key Vault, or of poa-identity-store (same REST API, version 7.4). One thread a client. */
#ifndef LIB_AZURE_KEYVAULT_H
#define LIB_AZURE_KEYVAULT_H

#include "lib/azure/rest.h"
#include "lib/base/buf.h"
#include "lib/base/secret.h"

enum { KEYVAULT_SECRET_MAX = 25 * 1024, KEYVAULT_URI_MAX = 512 };

struct keyvault;

struct keyvault_tag {
    const char *name, *value;
};

/* keyvault_item: one entry of a list; strings live during the callback. Times are seconds since the epoch, 0: not set. */
struct keyvault_item {
    const char *name;
    const char *version; /* "" but in a list of versions */
    const char *id;      /* as the service gives it */
    const char *content_type;
    bool enabled;
    uint64_t created_s, updated_s, deleted_s, purge_s;
    const struct keyvault_tag *tags;
    size_t n_tags;
};
/* keyvault_item_fn: a status but OK ends the walk and is its result. */
typedef enum status (*keyvault_item_fn)(void *ctx, const struct keyvault_item *item);

MUST_CHECK enum status keyvault_new(struct keyvault **out, const struct azure_service_config *cfg, struct err *err);
void keyvault_free(struct keyvault *v);

/** keyvault_secret_set: a new version; id (may be NULL) gets its URI with version.
 *  ret OK | E_CONFLICT: the name is in soft delete (recover or purge it) | as rest.h */
MUST_CHECK enum status keyvault_secret_set(char id[KEYVAULT_URI_MAX], struct keyvault *v, const char *name, bytes value,
                                           const char *content_type, const struct keyvault_tag *tags, size_t n_tags, struct err *err);
/** keyvault_secret_get: append the value; version NULL: the current one. The caller wipes it. */
MUST_CHECK enum status keyvault_secret_get(struct buf *value, struct keyvault *v, const char *name, const char *version, struct err *err);
/** keyvault_secret_get_uri: by the URI that names it; it must be of this vault: a token is never sent elsewhere (else E_INVALID). */
MUST_CHECK enum status keyvault_secret_get_uri(struct buf *value, struct keyvault *v, const char *uri, struct err *err);
MUST_CHECK enum status keyvault_secret_list(struct keyvault *v, keyvault_item_fn fn, void *ctx, struct err *err);
MUST_CHECK enum status keyvault_secret_versions(struct keyvault *v, const char *name, keyvault_item_fn fn, void *ctx, struct err *err);
/** keyvault_secret_enable: switch one version (NULL: the current one) on or off. */
MUST_CHECK enum status keyvault_secret_enable(struct keyvault *v, const char *name, const char *version, bool enabled, struct err *err);
/** keyvault_secret_delete: all versions, into soft delete. */
MUST_CHECK enum status keyvault_secret_delete(struct keyvault *v, const char *name, struct err *err);
MUST_CHECK enum status keyvault_deleted_list(struct keyvault *v, keyvault_item_fn fn, void *ctx, struct err *err);
MUST_CHECK enum status keyvault_secret_recover(struct keyvault *v, const char *name, struct err *err);
MUST_CHECK enum status keyvault_secret_purge(struct keyvault *v, const char *name, struct err *err);
/* --- keys: EC, curve P-256K, ES256K. A public key is x||y. */

/** keyvault_key_import: a new version; keyvault_key_create: one that is made in the vault. id gets its URI with version.
 *  ret OK | E_CONFLICT: the name is in soft delete | as rest.h */
MUST_CHECK enum status keyvault_key_import(char id[KEYVAULT_URI_MAX], struct keyvault *v, const char *name, const secret32 *key,
                                           const struct keyvault_tag *tags, size_t n_tags, struct err *err);
MUST_CHECK enum status keyvault_key_create(char id[KEYVAULT_URI_MAX], uint8_t pub[static 64], struct keyvault *v, const char *name,
                                           struct err *err);
/** keyvault_key_get_uri: the public key by its URI, which must be of this vault (else E_INVALID). */
MUST_CHECK enum status keyvault_key_get_uri(uint8_t pub[static 64], struct keyvault *v, const char *uri, struct err *err);
/** keyvault_key_sign_uri: r||s over a digest; s may be high. deadline_ms 0: that of the service */
MUST_CHECK enum status keyvault_key_sign_uri(uint8_t rs[static 64], struct keyvault *v, const char *uri, const uint8_t digest[static 32],
                                             unsigned deadline_ms, struct err *err);
/** keyvault_key_wrap_uri: 32 bytes encrypted under a key of the vault. algorithm: RSA-OAEP-256, RSA-OAEP, A256KW, ...; id: the key's version that did it, as
 *  keyvault_key_unwrap_uri wants it; the bytes are appended to wrapped. */
MUST_CHECK enum status keyvault_key_wrap_uri(char id[KEYVAULT_URI_MAX], struct buf *wrapped, struct keyvault *v, const char *uri, const char *algorithm,
                                             const secret32 *key, struct err *err);
MUST_CHECK enum status keyvault_key_unwrap_uri(secret32 *key, struct keyvault *v, const char *uri, const char *algorithm, bytes wrapped, struct err *err);
/** keyvault_key_enable: switch one version on or off. */
MUST_CHECK enum status keyvault_key_enable(struct keyvault *v, const char *name, const char *version, bool enabled, struct err *err);
/** keyvault_key_versions: as keyvault_secret_versions; an item has no content type. */
MUST_CHECK enum status keyvault_key_versions(struct keyvault *v, const char *name, keyvault_item_fn fn, void *ctx, struct err *err);
/** keyvault_key_name: the name within a key URI, copied; false: not such a URI */
bool keyvault_key_name(char name[128], const char *uri);

/** keyvault_probe: does the vault answer at all? Needs no permission (a 401 or 403 is an answer too).  ret OK | E_NET | E_TIMEOUT | ... */
MUST_CHECK enum status keyvault_probe(struct keyvault *v, unsigned deadline_ms, struct err *err);
/** keyvault_secret_name: the name within a secret URI, copied; false: not such a URI */
bool keyvault_secret_name(char name[128], const char *uri);

#endif
