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
};

/** identities_generate: n fresh keys; identities_fini wipes them. */
void identities_generate(struct identities *out, size_t n);
void identities_fini(struct identities *id);

struct vault_access {
    const char *url;          /* vault and blob endpoint */
    const char *token_uri;
    const char *client_id, *client_secret_file, *ca_file;
};
/** identities_push: container poa-config; secret validator-<i> (tags address, enodePublicKey); blobs spec.json and contracts.json; last the
 *  blobs identity-<i>.json, so that a node that finds one finds everything. Can be repeated. progress may be NULL.
 *  ret OK | E_NET, E_TIMEOUT: the vault did not answer within deadline_ms | E_DENIED ... (err) */
MUST_CHECK enum status identities_push(const struct identities *id, const struct vault_access *access, bytes spec_json, bytes contracts_json,
                                       unsigned deadline_ms, struct err *err);

#endif
