/* rpc_admin.c: admin_nodeInfo, admin_peers, admin_addPeer, admin_removePeer, in geth's shape. */
#include "lib/crypto/keccak.h"
#include "lib/eth/enode.h"
#include "node/rpc/rpc_priv.h"

static void put_str(struct buf *b, const char *key, const char *v)
{
    jo_key(b, key);
    jo_str(b, v);
}

bool admin_node_info(struct rpc_call *c)
{
    const struct rpc_node *n = &c->rpc->node;
    char text[512], id[65] = "";
    struct enode e = {0};
    struct buf *b = c->out;
    struct chain_head head;
    chain_get_head(&head, c->rpc->chain);
    jo_open(b, '{');
    if (n->enode && n->enode(n->ctx, text) && enode_get(&e, bytes_str(text), NULL) == OK) {
        uint8_t h[32];
        keccak256(h, e.pub, sizeof e.pub);
        hex_put(id, h, 32);
        id[64] = 0;
        put_str(b, "enode", text);
        put_str(b, "id", id);
        put_str(b, "ip", e.host);
        char listen[300];
        snprintf(listen, sizeof listen, "%s:%u", e.host, e.tcp_port);
        put_str(b, "listenAddr", listen);
    }
    put_str(b, "name", c->rpc->client_version);
    jo_key(b, "ports");
    jo_open(b, '{');
    jo_key(b, "discovery");
    jo_dec(b, e.udp_port);
    jo_key(b, "listener");
    jo_dec(b, e.tcp_port);
    jo_close(b, '}');
    jo_key(b, "protocols");
    jo_open(b, '{');
    jo_key(b, "eth");
    jo_open(b, '{');
    jo_key(b, "network");
    jo_dec(b, c->rpc->spec->network_id);
    jo_key(b, "difficulty");
    char td[79];
    size_t len = u256_put_dec(td, &head.td);
    jo_raw(b, bytes_make(td, len));
    hash32 genesis = chain_genesis_hash(c->rpc->chain);
    jo_key(b, "genesis");
    jo_hash(b, &genesis);
    jo_key(b, "head");
    jo_hash(b, &head.hash);
    jo_close(b, '}');
    jo_close(b, '}');
    jo_close(b, '}');
    return true;
}

/* geth's: the hash of the public key, which is what p->id has */
static void put_node_id(struct buf *b, const char *pub_hex)
{
    uint8_t pub[64], h[32];
    char id[65];
    if (hex_get_fixed(pub, sizeof pub, bytes_str(pub_hex)) == OK) {
        keccak256(h, pub, sizeof pub);
        hex_put(id, h, 32);
        id[64] = 0;
    } else {
        id[0] = 0; /* not known yet */
    }
    put_str(b, "id", id);
}

bool admin_peers(struct rpc_call *c)
{
    const struct rpc_node *n = &c->rpc->node;
    size_t max = n->peer_count ? n->peer_count(n->ctx) + 16 : 0, count = 0;
    struct rpc_peer *peers = arena_zalloc(c->a, max + 1, sizeof *peers);
    if (peers == NULL) return rpc_fail_status(c, E_NOMEM, "peers");
    if (n->peers) count = n->peers(n->ctx, peers, max);
    struct buf *b = c->out;
    jo_open(b, '[');
    for (size_t i = 0; i < count; i++) {
        const struct rpc_peer *p = &peers[i];
        jo_open(b, '{');
        put_str(b, "enode", p->enode);
        put_node_id(b, p->id);
        put_str(b, "name", p->client);
        jo_key(b, "caps");
        jo_open(b, '[');
        for (const char *s = p->caps; *s;) {
            size_t len = strcspn(s, ",");
            if (len > 0) jo_text(b, bytes_make(s, len));
            s += len;
            if (*s == ',') s++;
        }
        jo_close(b, ']');
        jo_key(b, "network");
        jo_open(b, '{');
        put_str(b, "localAddress", p->local);
        put_str(b, "remoteAddress", p->remote);
        jo_key(b, "inbound");
        jo_bool(b, p->inbound);
        jo_key(b, "trusted");
        jo_bool(b, false);
        jo_key(b, "static");
        jo_bool(b, p->is_static);
        jo_close(b, '}');
        jo_key(b, "protocols");
        jo_open(b, '{');
        jo_key(b, "eth");
        jo_open(b, '{');
        jo_key(b, "version");
        jo_dec(b, p->eth_version);
        jo_close(b, '}');
        jo_close(b, '}');
        jo_close(b, '}');
    }
    jo_close(b, ']');
    return true;
}

static bool reserve(struct rpc_call *c, bool add)
{
    const struct rpc_node *n = &c->rpc->node;
    const char *text = json_string_value(param(c, 0));
    struct enode e;
    struct err err = {0};
    if (text == NULL) return rpc_fail(c, RPC_BAD_PARAMS, "invalid argument 0: wants an enode URL");
    if (enode_get(&e, bytes_str(text), &err) != OK) return rpc_fail(c, RPC_BAD_PARAMS, "invalid enode: %s", err_text(&err));
    jo_bool(c->out, n->reserve != NULL && n->reserve(n->ctx, text, add));
    return true;
}

bool admin_add_peer(struct rpc_call *c)
{
    return reserve(c, true);
}

bool admin_remove_peer(struct rpc_call *c)
{
    return reserve(c, false);
}
