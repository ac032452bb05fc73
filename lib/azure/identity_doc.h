/* identity_doc.h: the blob identity-<i>.json, one for each validator key, and the devp2p key that belongs to it.
 *
 *     {"secretUri": "https://vault/secrets/validator-0/<version>", "address": "0x...", "enodeUrl": "", "hostname": "", "region": ""}
 *
 * or "keyUri": "https://vault/keys/validator-0/<version>" instead of secretUri: then the vault signs and nobody reads the key.
 *
 * The orchestrator writes it with the key; the node that leases it fills in where it can be reached. */
#ifndef LIB_AZURE_IDENTITY_DOC_H
#define LIB_AZURE_IDENTITY_DOC_H

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/secret.h"

#define IDENTITY_BLOB_PREFIX "identity-"
#define IDENTITY_CONTAINER "poa-config"
enum { IDENTITY_DOC_MAX = 8192 };

struct identity_doc {
    char secret_uri[512], key_uri[512]; /* one of them is "" */
    uint8_t address[20];
    char enode_url[512]; /* "" until a node has it */
    char hostname[256];
    char region[64];
};

/** identity_doc_get: strict: all five members and no other, secretUri (or keyUri) and address well formed.  ret OK | E_DECODE | E_INVALID (err: field) */
MUST_CHECK enum status identity_doc_get(struct identity_doc *out, bytes json, struct err *err);
void identity_doc_put(struct buf *json, const struct identity_doc *doc);
/** identity_blob_index: i of "identity-<i>.json" (decimal, no leading zero); false: another name */
bool identity_blob_index(unsigned *i, const char *blob_name);
/** identity_blob_name: "identity-<i>.json" */
void identity_blob_name(char dst[static 32], unsigned i);

/** identity_node_key: the devp2p key of an identity: keccak256(validator_key || "devp2p"), hashed again until it is a valid key; so who
 *  has the validator key knows the enode's public key before any node runs. Not the other way round. */
void identity_node_key(secret32 *out, const secret32 *validator_key);

#endif
