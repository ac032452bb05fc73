/* rpc_net.c: net, web3 and rpc_modules: who and what this node is. */
#include "lib/crypto/keccak.h"
#include "node/rpc/rpc_priv.h"

bool web3_client_version(struct rpc_call *c)
{
    jo_str(c->out, c->rpc->client_version);
    return true;
}

bool web3_sha3(struct rpc_call *c)
{
    bytes data;
    hash32 h;
    if (!param_bytes(&data, c, 0)) return false;
    keccak256(h.b, data.ptr, data.len);
    jo_hash(c->out, &h);
    return true;
}

bool net_version(struct rpc_call *c)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)c->rpc->spec->network_id);
    jo_str(c->out, text);
    return true;
}

bool net_peer_count(struct rpc_call *c)
{
    const struct rpc_node *n = &c->rpc->node;
    jo_u64(c->out, n->peer_count ? n->peer_count(n->ctx) : 0);
    return true;
}

bool net_listening(struct rpc_call *c)
{
    const struct rpc_node *n = &c->rpc->node;
    char enode[512];
    jo_bool(c->out, n->enode != NULL && n->enode(n->ctx, enode));
    return true;
}

bool rpc_modules(struct rpc_call *c)
{
    jo_open(c->out, '{');
    for (unsigned i = 0; i < NS_N; i++) {
        if (!(c->rpc->namespaces & 1U << i)) continue;
        jo_key(c->out, rpc_namespace_name((enum rpc_namespace)i));
        jo_str(c->out, "1.0");
    }
    jo_close(c->out, '}');
    return true;
}
