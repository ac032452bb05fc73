/* lane.h: where a request goes that takes long. A server thread serves many connections, so it gives one document RPC_TURN_MS; what is not done by
 * then goes on here, on threads that serve nobody else, while its connection waits and all others are served.
 *
 * A call that was cut short is made again from the start: whoever looks at the time (rpc_has_time, the EVM by its watcher) has only read until
 * then. The calls of a batch that are answered already stay as they are. Subscriptions belong to the server thread, so those of a batch are answered
 * there before the rest leaves (JSON-RPC 2.0, section 6: in any order). */
#ifndef NODE_RPC_LANE_H
#define NODE_RPC_LANE_H

#include "node/rpc/rpc_priv.h"

struct rpc_lane;

/** lane_new: n threads with a worker each, which rpc_worker_init makes */
MUST_CHECK enum status lane_new(struct rpc_lane **out, struct rpc *r, size_t n, struct err *err);
/** lane_stop: what runs and waits is answered with an error, the threads end; from then on lane_take says no. The servers must still be there. */
void lane_stop(struct rpc_lane *l);
void lane_free(struct rpc_lane *l); /* NULL allowed; stopped */
/** lane_take: of a server thread: the rest of a request. w->out, the answer so far, goes along. Of r and ws one is NULL; a WebSocket is held, text copied.
 *  ret false: nothing was taken, it is for the caller to go on */
bool lane_take(struct rpc_lane *l, struct rpc_worker *w, struct http_request *r, struct ws_conn *ws, bytes text, const struct rpc_progress *p);
/** lane_add_counts: calls, and those with an error, that ended here */
void lane_add_counts(uint64_t *calls, uint64_t *errors, const struct rpc_lane *l);

#endif
