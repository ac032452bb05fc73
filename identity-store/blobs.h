/* blobs.h: what blob, container and block handlers share. */
#ifndef IDENTITY_STORE_BLOBS_H
#define IDENTITY_STORE_BLOBS_H

#include "identity-store/conditions.h"

/* found: a record of the call's blob or container; strings are views into the table */
struct found {
    struct record_key key;
    struct blob_record rec;
    bool exists;
};

/** blob_find: *why tells what is missing (container or blob); with need false a missing blob is fine.  ret OK | E_CORRUPT, E_IO */
MUST_CHECK enum status blob_find(struct found *out, enum rest_error *why, struct call *c, bool need);
MUST_CHECK enum status container_find(struct found *out, enum rest_error *why, struct call *c);
/** blob_check_write: lease and conditions of a write to f. */
enum rest_error blob_check_write(struct call *c, const struct found *f);
/** blob_touch: a write went through: new ETag and time, a lease that ran out is gone. */
void blob_touch(struct call *c, struct blob_record *r);
/** blob_own: copies of the record's strings in the arena, so that they outlive a write. */
MUST_CHECK enum status blob_own(struct call *c, struct blob_record *r);
/** holder_set, holder_clear: keep TABLE_HOLDER in step with a lease. */
MUST_CHECK enum status holder_set(struct call *c, const char *client, const char *blob);
MUST_CHECK enum status holder_clear(struct call *c, const char *client, const char *blob);
/** blob_content_headers: the properties that a write sets, by headers named x-ms-blob-<name> or (put) plain <name>. */
MUST_CHECK enum status blob_content_headers(struct call *c, struct blob_record *r, bool plain_too);
/** blob_store_content: the common end of put and block list: content, record, reply 201. old: what stood there. */
MUST_CHECK enum status blob_store_content(struct call *c, struct found *f, bytes content);
/** container_drop: everything of a container out of the tables. */
MUST_CHECK enum status container_drop(struct call *c, const char *container);

#endif
