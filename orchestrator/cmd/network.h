/* network.h: looking at a network from outside: the data API, the first block, who the validators are. Shared by deploy, control, govern. */
#ifndef ORCHESTRATOR_CMD_NETWORK_H
#define ORCHESTRATOR_CMD_NETWORK_H

#include "orchestrator/cmd/cmd.h"
#include "orchestrator/target/target.h"

/* network_info: what a member's data API says; strings borrow from doc */
struct network_info {
    json_t *doc;
    const char *spec_text;
    size_t n_bootnodes;
};
/** network_info_get: GET <data url>/networkinfo, form checked.  ret OK | E_NET... | E_DECODE (err) */
MUST_CHECK enum status network_info_get(struct network_info *out, const char *data_url, struct err *err);
void network_info_fini(struct network_info *i);
/** network_check_genesis: the genesis hash that a live node (rpc_url) reports is `want`.  ret OK | E_CONFLICT | E_NET */
MUST_CHECK enum status network_check_genesis(const char *rpc_url, const char *want, struct err *err);
/** network_rpc_of_data_url: "http://127.0.1.1:80/x" -> "http://127.0.1.1:8545" */
bool network_rpc_of_data_url(char dst[static 512], const char *data_url);
/** network_wait_block: until a node at rpc_url has a block > `above` (its number to *number), at most timeout_s; notes progress in the report */
MUST_CHECK enum status network_wait_block(uint64_t *number, const char *rpc_url, uint64_t above, unsigned timeout_s, struct report *r, struct err *err);
/** network_best_instance: the instance whose chain is the longest, by its own RPC; NULL: none answers (or none has an address). height may be NULL */
const struct target_instance *network_best_instance(uint64_t *height, const struct target *t);

#endif
