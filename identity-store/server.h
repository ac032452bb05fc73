/* server.h: the store as a running service: database, clients, audit log, queue, HTTP server.
 *
 *     request -> token endpoint? -> route -> token -> read: now, on the server's thread, on a snapshot
 *                                                  -> write: queue.h
 *             -> audit line -> answer */
#ifndef IDENTITY_STORE_SERVER_H
#define IDENTITY_STORE_SERVER_H

#include "identity-store/config.h"

struct server;

/** server_start: cfg must outlive it.  ret OK | as store_open, clients_read, http_server_start */
MUST_CHECK enum status server_start(struct server **out, const struct config *cfg, struct err *err);
/** server_stop: answers what waits, then ends. */
void server_stop(struct server *s);
/** server_reload: read the clients file and the certificates anew, on the server's thread; the result is logged. */
void server_reload(struct server *s);
uint16_t server_port(const struct server *s);

#endif
