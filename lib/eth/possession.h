/* possession.h: proof that a node holds a validator's key: it signs a challenge of the asker's, before the validator is voted or added in.
 *
 *     asker: 32 random bytes -> GET /possession?challenge=0x... of the node's member pages (openapi.json "Possession")
 *     node:  signs the statement below -> asker: recovers the signer, which must be the validator's address
 *
 * What is signed is a sentence in the form of EIP-191 (0x19 "Ethereum Signed Message:\n" ...): by its first byte it is neither a block header's
 * seal nor a transaction, and it names its purpose, the chain and the challenge, so that no signature of it can serve for anything else. The
 * time and the head in it are the node's own word: the asker compares them with what it knows. */
#ifndef LIB_ETH_POSSESSION_H
#define LIB_ETH_POSSESSION_H

#include <jansson.h>

#include "lib/base/err.h"
#include "lib/eth/types.h"

struct possession {
    address validator;
    uint64_t chain_id;
    hash32 genesis, challenge;
    uint64_t time_ms; /* the node's clock, milliseconds since 1970 */
    uint64_t block;   /* its head */
    bool is_syncing;
};

/** possession_digest: what the key signs. */
hash32 possession_digest(const struct possession *p);
/** possession_put_json: the answer to a challenge.  ret OK | E_NOMEM */
MUST_CHECK enum status possession_put_json(json_t **out, const struct possession *p, const uint8_t sig65[static 65]);
/** possession_check_json: is it an answer to this challenge, signed by the key of `validator`?
 *  ret OK | E_DECODE: it has another form | E_CONFLICT: another validator's, or another challenge's | E_CRYPTO: the signature is someone else's */
MUST_CHECK enum status possession_check_json(struct possession *out, const json_t *doc, const address *validator, const hash32 *challenge,
                                             struct err *err);

#endif
