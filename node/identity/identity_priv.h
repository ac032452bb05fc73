/* identity_priv.h: the insides of node/identity. remote.c speaks to vault and blob store; identity.c holds the state and decides. */
#ifndef NODE_IDENTITY_IDENTITY_PRIV_H
#define NODE_IDENTITY_IDENTITY_PRIV_H

#include "lib/azure/blob.h"
#include "lib/azure/identity_doc.h"
#include "lib/azure/keyvault.h"
#include "lib/eth/promise.h"
#include "node/identity/identity.h"
#include "node/identity/journal.h"

#include <pthread.h>
#include <stdatomic.h>

/* settings: identity_config with strings of our own */
struct settings {
    char *vault_uri, *blob_uri, *container, *ca_file, *hostname, *region, *base_path;
    char *token_uri, *client_id, *client_secret;
    enum azure_token_kind token_kind;
    bool sign;
    unsigned lease_s, renew_ms, margin_ms;
};

/* remote: one set of clients; used by one thread at a time */
struct remote {
    struct azure_token_source *tokens;
    struct keyvault *vault;
    struct blob_store *blobs;
};

/* held: what a successful search gives */
struct held {
    char blob[BLOB_NAME_MAX + 1];
    char lease_id[BLOB_LEASE_ID_LEN + 1];
    struct identity_doc doc;
    secret32 key;     /* zero when the vault signs */
    bool has_promise;
    struct key_promise promise; /* what stood beside it */
    uint64_t sent_ms; /* monotonic, when the request that made the lease good was sent */
};

MUST_CHECK enum status settings_copy(struct settings *out, const struct identity_config *cfg, struct err *err);
void settings_fini(struct settings *s);
MUST_CHECK enum status remote_open(struct remote *out, const struct settings *s, const atomic_bool *cancel, unsigned deadline_ms,
                                   struct err *err);
void remote_close(struct remote *r);

/** remote_names: names of all identity blobs, ordered by index, in the arena-like buf (NUL-separated).  free_only: not leased now */
MUST_CHECK enum status remote_names(struct buf *names, size_t *n, struct remote *r, const struct settings *s, bool free_only, struct err *err);
/** remote_take: lease one blob under lease_id and read its document and key.
 *  ret OK | E_CONFLICT: someone else has it | E_INVALID, E_DECODE, E_DENIED, E_NOT_FOUND: document or key is no good; the lease was given back
 *      | transient */
MUST_CHECK enum status remote_take(struct held *out, struct remote *r, const struct settings *s, const char *blob, const char *lease_id,
                                   bool renew_first, struct err *err);

#endif
