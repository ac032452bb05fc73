/* rpc_parity_set.c: changes of the node while it runs; a namespace of its own that is on only where the configuration names it. */
#include "lib/eth/enode.h"
#include "node/rpc/rpc_priv.h"

static bool reserve(struct rpc_call *c, bool add)
{
    const struct rpc_node *n = &c->rpc->node;
    const char *url = json_string_value(param(c, 0));
    struct enode e;
    struct err err = {0};
    if (n->reserve == NULL) return rpc_fail(c, RPC_SERVER, "Network is disabled or not yet up.");
    if (url == NULL) return rpc_fail(c, RPC_BAD_PARAMS, "invalid argument 0: wants an enode URL");
    if (enode_get(&e, bytes_str(url), &err) != OK) return rpc_fail(c, RPC_BAD_PARAMS, "invalid argument 0: %s", err_text(&err));
    if (!n->reserve(n->ctx, url, add)) return rpc_fail(c, RPC_SERVER, "too many peers are added at once, try again");
    jo_bool(c->out, true);
    return true;
}

bool parity_add_reserved_peer(struct rpc_call *c)
{
    return reserve(c, true);
}

bool parity_remove_reserved_peer(struct rpc_call *c)
{
    return reserve(c, false);
}

static bool others(struct rpc_call *c, bool only)
{
    const struct rpc_node *n = &c->rpc->node;
    if (n->reserved_only == NULL) return rpc_fail(c, RPC_SERVER, "Network is disabled or not yet up.");
    n->reserved_only(n->ctx, only);
    jo_bool(c->out, true);
    return true;
}

bool parity_drop_non_reserved_peers(struct rpc_call *c)
{
    return others(c, true);
}

bool parity_accept_non_reserved_peers(struct rpc_call *c)
{
    return others(c, false);
}
