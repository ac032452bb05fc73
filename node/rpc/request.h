/* request.h: one JSON-RPC call as it came: pieces of the client's text, found in one pass and without an allocation.
 *
 * Only what nearly every client sends is read here: objects of known keys, strings of ASCII without escapes, whole numbers, little nesting.
 * Of anything else - and of every error - requests_get says false, and the caller has jansson read the text: so there is one place that knows
 * what an odd document means, and no two opinions on it. A plain call costs a tenth of a tree of it.
 *
 *     {"jsonrpc":"2.0","id":7,"method":"eth_getBalance","params":["0x...","latest"]}
 *     id 7    method eth_getBalance    args "0x..." and "latest", with their quotes */
#ifndef NODE_RPC_REQUEST_H
#define NODE_RPC_REQUEST_H

#include "lib/base/bytes.h"

enum { REQUEST_ARGS_MAX = 8, REQUEST_DEPTH_MAX = 32 };

struct request {
    bytes id;     /* JSON; empty: none, it is a notification */
    bytes method; /* without its quotes */
    bytes args[REQUEST_ARGS_MAX]; /* JSON of each parameter */
    size_t n_args;
};

/** requests_get: the call in text, or the calls of a batch; out has room for max.
 *  out   n, is_batch  written on true only
 *  ret   false: not plain, or no valid document, or an empty or too large batch
 *  cost  O(text) */
bool requests_get(struct request *out, size_t *n, bool *is_batch, size_t max, bytes text);

#endif
