/* blob.h: containers, block blobs and leases of Azure Storage, or of poa-identity-store. One thread a client.
 *
 * Lease statuses: E_CONFLICT is definitive (someone else holds it, it was broken, the id is not that of the lease); E_NET, E_TIMEOUT and
 * E_AGAIN leave open whether the call worked: renew again, or acquire again with the same proposed id, which is then no conflict. */
#ifndef LIB_AZURE_BLOB_H
#define LIB_AZURE_BLOB_H

#include "lib/azure/rest.h"
#include "lib/base/buf.h"

enum { BLOB_NAME_MAX = 1024, BLOB_LEASE_ID_LEN = 36, BLOB_ETAG_MAX = 64 };

struct blob_store;

enum blob_lease_state { BLOB_LEASE_AVAILABLE, BLOB_LEASE_LEASED, BLOB_LEASE_EXPIRED, BLOB_LEASE_BREAKING, BLOB_LEASE_BROKEN };

struct blob_info {
    char name[BLOB_NAME_MAX + 1];
    char etag[BLOB_ETAG_MAX];
    uint64_t len;
    enum blob_lease_state lease_state;
};

struct blob_meta {
    const char *name, *value; /* name: letters, digits, '_' */
};

/* blob_conditions: NULL or zero members: none. if_none_match "*" means: only if there is no such blob. */
struct blob_conditions {
    const char *if_match, *if_none_match, *lease_id;
};

/* blob_info_fn: a status but OK ends the walk and is its result. */
typedef enum status (*blob_info_fn)(void *ctx, const struct blob_info *info);

MUST_CHECK enum status blob_store_new(struct blob_store **out, const struct azure_service_config *cfg, struct err *err);
void blob_store_free(struct blob_store *b);

/** blob_container_create: ret OK | E_EXISTS | E_CONFLICT: being deleted | as rest.h */
MUST_CHECK enum status blob_container_create(struct blob_store *b, const char *container, struct err *err);
/** blob_container_delete: ret OK | E_NOT_FOUND | as rest.h */
MUST_CHECK enum status blob_container_delete(struct blob_store *b, const char *container, struct err *err);

/** blob_put: create or replace.  ret OK | E_EXISTS: if_none_match "*" | E_CONFLICT: a condition or the lease | as rest.h */
MUST_CHECK enum status blob_put(struct blob_store *b, const char *container, const char *name, const char *content_type, bytes body,
                                const struct blob_meta *meta, size_t n_meta, const struct blob_conditions *cond, struct err *err);
/** blob_put_tagged: the same, and the new blob's ETag; "": the store told none. */
MUST_CHECK enum status blob_put_tagged(char etag[static BLOB_ETAG_MAX], struct blob_store *b, const char *container, const char *name,
                                       const char *content_type, bytes body, const struct blob_meta *meta, size_t n_meta,
                                       const struct blob_conditions *cond, struct err *err);
/** blob_get: append the content; info may be NULL. */
MUST_CHECK enum status blob_get(struct buf *out, struct blob_info *info, struct blob_store *b, const char *container, const char *name,
                                struct err *err);
MUST_CHECK enum status blob_head(struct blob_info *info, struct blob_store *b, const char *container, const char *name, struct err *err);
/** blob_head_meta: blob_head, and the value of one metadata item; "": there is none.  ret E_LIMIT: it is longer than cap - 1 | as blob_head */
MUST_CHECK enum status blob_head_meta(char *value, size_t cap, struct blob_info *info, struct blob_store *b, const char *container,
                                      const char *name, const char *meta_name, struct err *err);
MUST_CHECK enum status blob_delete(struct blob_store *b, const char *container, const char *name, const struct blob_conditions *cond,
                                   struct err *err);
/** blob_list: every blob whose name begins with prefix (NULL: all), in order of names. */
MUST_CHECK enum status blob_list(struct blob_store *b, const char *container, const char *prefix, blob_info_fn fn, void *ctx,
                                 struct err *err);

/** blob_lease_acquire: duration_s 15..60 or -1 (no end). proposed_id: a GUID, in 36 characters; also the id after OK.
 *  deadline_ms bounds the call with its retries; 0: that of the service. */
MUST_CHECK enum status blob_lease_acquire(struct blob_store *b, const char *container, const char *name, int duration_s,
                                          const char *proposed_id, unsigned deadline_ms, struct err *err);
MUST_CHECK enum status blob_lease_renew(struct blob_store *b, const char *container, const char *name, const char *lease_id,
                                        unsigned deadline_ms, struct err *err);
MUST_CHECK enum status blob_lease_release(struct blob_store *b, const char *container, const char *name, const char *lease_id,
                                          unsigned deadline_ms, struct err *err);
MUST_CHECK enum status blob_lease_change(struct blob_store *b, const char *container, const char *name, const char *lease_id,
                                         const char *proposed_id, unsigned deadline_ms, struct err *err);
/** blob_lease_break: period_s 0..60, or -1: the lease's own rest. remaining_s may be NULL. */
MUST_CHECK enum status blob_lease_break(unsigned *remaining_s, struct blob_store *b, const char *container, const char *name, int period_s,
                                        unsigned deadline_ms, struct err *err);
/** blob_lease_id_new: a random GUID (version 4). */
void blob_lease_id_new(char id[static BLOB_LEASE_ID_LEN + 1]);

#endif
