/* genesis.h: settings -> a Parity-format chain specification with the governance contract's constructor in it (DESIGN.md section 5 "Chain
 * rules of a new network", reference/original-product.md A2). Every transition is written out, so that nothing depends on a client's
 * defaults. */
#ifndef ORCHESTRATOR_GENESIS_GENESIS_H
#define ORCHESTRATOR_GENESIS_GENESIS_H

#include <jansson.h>

#include "lib/base/buf.h"
#include "lib/eth/types.h"
#include "orchestrator/settings/settings.h"

#define ADMIN_CONTRACT_ADDRESS "0x0000000000000000000000000000000000001006"
#define PERMISSION_CONTRACT_ADDRESS "0x0000000000000000000000000000000000001005"

/** artifact: a compiled contract as scripts/compile-contracts leaves it. */
struct artifact {
    json_t *doc;          /* owns the strings */
    const char *bytecode; /* "0x..." creation code */
    char *abi_text;       /* compact JSON; malloc */
    char *set_source, *admin_source; /* Solidity text; malloc */
};
/** artifact_load: from <share>/orchestrator/contracts, or <share>/contracts when installed. */
MUST_CHECK enum status artifact_load(struct artifact *out, const char *share_dir, struct err *err);
void artifact_fini(struct artifact *a);
/** artifact_contracts_json: what the blob contracts.json holds; addresses: the member's validators, or NULL */
json_t *artifact_contracts_json(const struct artifact *a, const address *addresses, size_t n);

struct spec_plan {
    const struct settings *settings;
    const struct artifact *artifact;
    address admin;
    const address *validators;
    size_t n_validators;
    uint64_t capacity;
    uint64_t genesis_time; /* seconds; 0 is allowed */
};
/** spec_json_make: the specification's text appended to out.  ret OK | E_INVALID (err) */
MUST_CHECK enum status spec_json_make(struct buf *out, const struct spec_plan *p, struct err *err);
/** spec_json_contract_address: engine.authorityRound.params.validators.{safeContract|contract} of a spec document, also inside multi
 *  (the last one). E_NOT_FOUND: validators by list */
MUST_CHECK enum status spec_json_contract_address(address *out, const json_t *spec);

/** spec_json_recover: write into a spec document the coordinated change of validators that brings a network back whose set can't reach finality:
 *
 *     "validators": {"multi": {"0": as before, "N": {"list": [...]}, "N+2": the contract}}
 *
 *  From block N + 1 on the list seals, whatever was final before. With keeps_contract the contract goes on from there: block N + 1 begins an epoch
 *  under the rule of N + 2 (reference: Parity's multi looks one block ahead), so that clients call finalizeChange() in it, which puts the change in
 *  force that the contract has in flight; block N + 2 reads it. So the list must be that change's. Without it the list rules for good.
 *  The genesis block is the same. Every member must run the same document before block N.
 *  ret OK | E_INVALID: the document is not of that form, or it changes the validators at or after N already (err) */
MUST_CHECK enum status spec_json_recover(json_t *spec, uint64_t block, const address *list, size_t n, bool keeps_contract, struct err *err);

#endif
