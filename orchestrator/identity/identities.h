/* identities.h: validator keys on their way from memory to the vault: made here, written as secrets and identity blobs, then wiped. They are
 * never on disk outside the vault. */
#ifndef ORCHESTRATOR_IDENTITY_IDENTITIES_H
#define ORCHESTRATOR_IDENTITY_IDENTITIES_H

#include "lib/base/err.h"
#include "lib/base/secret.h"
#include "lib/eth/types.h"

enum { IDENTITIES_MAX = 75 };

struct identities {
    secret32 keys[IDENTITIES_MAX];
    address addresses[IDENTITIES_MAX];
    size_t n;
    char (*uris)[512]; /* NULL, or for each: where the vault has its key already (identities_adopt) */
};

/** identities_generate: n fresh keys; identities_fini wipes them. */
void identities_generate(struct identities *out, size_t n);
void identities_fini(struct identities *id);

struct vault_access {
    const char *url;          /* of the vault */
    const char *token_uri;
    const char *client_id, *client_secret_file, *ca_file;
    /* Azure's own services: the blobs have an address of their own, tokens come from elsewhere, and a grant takes its time */
    const char *blob_url;              /* of the blobs; NULL: the same as the vault's */
    struct azure_token_source *tokens; /* borrowed; NULL: of token_uri, client_id, client_secret_file */
    unsigned deadline_ms, denied_retry_ms; /* 0: what the call says; 0: a 403 is final */
};
/** identities_adopt: what an earlier run has put into the vault: OK when it has a key (secret, or with sign a key of the vault's own) for each of the
 *  n addresses wanted, in their order; ids then has the addresses and URIs, no keys.
 *  ret OK | E_NOT_FOUND: not all of them | as identities_push */
MUST_CHECK enum status identities_adopt(struct identities *id, const struct vault_access *access, const address *wanted, size_t n, bool sign,
                                        struct err *err);
/** identities_push: container poa-config; secret validator-<i> (tags address, enodePublicKey), or with sign the vault's key validator-<i>, all of them; then blobs spec.json and
 *  contracts.json; last the blobs identity-<i>.json, so that a node that finds one finds everything. Can be repeated with the same identities: a blob that a node
 *  holds already stays as it is.
 *  ret OK | E_NET, E_TIMEOUT: the vault did not answer within deadline_ms | E_DENIED ... (err) */
MUST_CHECK enum status identities_push(const struct identities *id, const struct vault_access *access, bytes spec_json, bytes contracts_json,
                                       bool sign, unsigned deadline_ms, struct err *err);

/** identities_put_spec: another spec.json for the nodes that start from now on.  ret as identities_push */
MUST_CHECK enum status identities_put_spec(const struct vault_access *access, bytes spec_json, unsigned deadline_ms, struct err *err);

/* --- rotation of one identity (reference: DESIGN.md section 3): a new key beside the old one, and the hand-over of the leased blob */

struct identity_state {
    address who;
    char secret_uri[512]; /* of the secret, or of the vault's key */
};
/** identities_read: what blob identity-<index>.json says now.  ret OK | E_NOT_FOUND: no such identity | ... */
MUST_CHECK enum status identities_read(struct identity_state *out, const struct vault_access *access, unsigned index, struct err *err);
/** identities_add_key: a fresh key as a new version of secret validator-<index>, or of the vault's key if the identity is one that the vault signs for; the old version stays readable until identities_retire. */
MUST_CHECK enum status identities_add_key(struct identity_state *out, const struct vault_access *access, unsigned index, struct err *err);
/** identities_hand_over: take the lease from the node that holds it, write the new identity into the blob, give the lease free. The node loses its
 *  lease definitively and leases the blob again, as the new identity. Can be repeated. */
MUST_CHECK enum status identities_hand_over(const struct identity_state *next, const struct vault_access *access, unsigned index, struct err *err);
/** identities_retire: disable the version that secret_uri names; it stays in the vault. OK also when it is disabled already. */
MUST_CHECK enum status identities_retire(const char *secret_uri, const struct vault_access *access, struct err *err);

#endif
