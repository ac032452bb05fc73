/* node_rpc.h: JSON-RPC questions to the node. One thread. */
#ifndef NODE_AGENT_NODE_RPC_H
#define NODE_AGENT_NODE_RPC_H

#include <jansson.h>

#include "lib/base/err.h"

struct node_rpc;

MUST_CHECK enum status node_rpc_new(struct node_rpc **out, const char *url, struct err *err);
void node_rpc_free(struct node_rpc *c); /* NULL allowed */
/** node_rpc_call: params is an array, stolen; NULL: none. New reference in *result, JSON null allowed.
 *  ret OK | E_DENIED: the node answered with an error (err: its message) | E_NET, E_TIMEOUT, E_DECODE */
MUST_CHECK enum status node_rpc_call(json_t **result, struct node_rpc *c, const char *method, json_t *params_take, struct err *err);
MUST_CHECK enum status node_rpc_u64(uint64_t *out, struct node_rpc *c, const char *method, struct err *err);

#endif
