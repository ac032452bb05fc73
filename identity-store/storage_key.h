/* storage_key.h: the storage account's key: requests signed with it (Shared Key), and shared access signatures (SAS) made with it, for an
 * account or for a container or blob. Who signs with the key may do everything in storage; a SAS gives what it names. */
#ifndef IDENTITY_STORE_STORAGE_KEY_H
#define IDENTITY_STORE_STORAGE_KEY_H

#include "identity-store/call.h"

/** storage_key_read: the account key, base64, from a file that others cannot read.  ret OK | E_NOT_FOUND, E_IO | E_DENIED | E_DECODE */
MUST_CHECK enum status storage_key_read(struct buf *key, const char *path, struct err *err);
/** shared_key_check: an Authorization header "SharedKey account:signature".  ret ERR_NONE: c->client is set */
MUST_CHECK enum rest_error shared_key_check(struct call *c, bytes key, const char *authorization);
/** sas_check: a query with sig.  ret ERR_NONE: c->client is set, and c->create_only */
MUST_CHECK enum rest_error sas_check(struct call *c, bytes key);

#endif
