/* rpc_client.h: JSON-RPC calls to an Ethereum node, ours or another's. */
#ifndef ORCHESTRATOR_GOVERN_RPC_CLIENT_H
#define ORCHESTRATOR_GOVERN_RPC_CLIENT_H

#include <jansson.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/eth/types.h"

struct rpc_client;

MUST_CHECK enum status rpc_client_new(struct rpc_client **out, const char *url, unsigned timeout_ms, struct err *err);
void rpc_client_free(struct rpc_client *c);
/** rpc_client_call: params is an array, stolen. New reference in *result (JSON null allowed).
 *  ret OK | E_DENIED: the node answered with an error (err: its message, with the revert's reason) | E_NET, E_TIMEOUT, E_DECODE */
MUST_CHECK enum status rpc_client_call(json_t **result, struct rpc_client *c, const char *method, json_t *params_take, struct err *err);
/** rpc_client_batch: many calls in few requests: calls is an array of [method, params], stolen; *results has their results in order.
 *  ret as rpc_client_call: the first error of a call is the error of all */
MUST_CHECK enum status rpc_client_batch(json_t **results, struct rpc_client *c, json_t *calls_take, struct err *err);
/** rpc_client_u64: a call whose result is a QUANTITY. */
MUST_CHECK enum status rpc_client_u64(uint64_t *out, struct rpc_client *c, const char *method, json_t *params_take, struct err *err);
/** rpc_client_get_json: plain HTTP GET of a JSON document (the data API). */
MUST_CHECK enum status rpc_client_get_json(json_t **out, const char *url, unsigned timeout_ms, struct err *err);

#endif
