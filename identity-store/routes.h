/* routes.h: which handler a request means. */
#ifndef IDENTITY_STORE_ROUTES_H
#define IDENTITY_STORE_ROUTES_H

#include "identity-store/call.h"

enum service { SERVICE_VAULT, SERVICE_BLOB };
enum node_policy { NODE_NO, NODE_SECRET, NODE_KEY, NODE_CONTAINER, NODE_PUT, NODE_LEASE };

struct route {
    enum service service;
    enum status (*run)(struct call *c);
    bool write;
    enum node_policy node;
    const char *audit;
};

/** route_find: sets c->route and the parts of the path.
 *  ret ERR_NONE | the error to answer; c->route then tells at least the service */
MUST_CHECK enum rest_error route_find(struct call *c);
/** route_service: vault or storage, by the path alone. */
enum service route_service(const char *path);

#endif
