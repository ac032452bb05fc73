/* rpc.h: JSON-RPC 2.0 over HTTP and WebSocket: the node's public face.
 *
 * A request walks: lib/net's server thread -> rpc.c (parse, batch, look up in methods.def) -> the method's function in rpc_<namespace>.c,
 * which reads on a database snapshot and writes its answer straight into the response. What takes long leaves the server thread for the lane
 * (lane.h), so that nobody waits for another's trace. Each server thread (several share a port) has
 * its own EVM and memory, so no read waits for the importer or for another thread; and they run at a lower weight than it. News of the chain come by rpc_on_chain_event, and
 * each server thread turns them into what its subscribers and filters asked for.
 *
 * What is not the chain's (pool, peers, signer) is reached through two tables of callbacks, wired by main.c. They are called on server
 * threads and must be thread-safe. */
#ifndef NODE_RPC_RPC_H
#define NODE_RPC_RPC_H

#include "lib/base/arena.h"
#include "node/chain/chain.h"

struct rpc;

struct rpc_pool_tx {
    struct tx tx; /* sender recovered */
    bool queued;  /* not executable yet: a nonce before it is missing */
};

/* rpc_pool: pending transactions; every pointer may be NULL (no pool: nothing is pending, sending is refused) */
struct rpc_pool {
    void *ctx;
    /* add: a transaction of a client in canonical form. ret OK | E_EXISTS | E_DECODE | E_INVALID | E_DENIED | E_LIMIT...; err is the answer's text */
    enum status (*add)(void *ctx, hash32 *hash, bytes raw, struct err *err);
    /* get: a copy in a */
    bool (*get)(void *ctx, struct tx *out, const hash32 *hash, struct arena *a);
    /* next_nonce: after the sender's executable transactions; state_nonce if it has none */
    uint64_t (*next_nonce)(void *ctx, const address *sender, uint64_t state_nonce);
    /* content: at most max, ordered by sender and nonce; of: only this sender, or NULL */
    enum status (*content)(void *ctx, struct rpc_pool_tx **out, size_t *n, size_t max, const address *of, struct arena *a);
    void (*count)(void *ctx, size_t *pending, size_t *queued);
    /* min_gas_price: below it nothing is taken. */
    void (*min_gas_price)(void *ctx, u256 *out);
    size_t max_txs; /* most that it holds */
};

struct rpc_peer {
    char id[131];     /* hex of the public key */
    char client[128]; /* "poa-node/..." */
    char caps[128];   /* "eth/66,eth/67" */
    char remote[64], local[64];
    char enode[512];
    bool inbound, is_static;
    unsigned eth_version;
    u256 td;
    hash32 head;
    uint64_t head_number;
};

/* this machine's clock against those of the peers (node/sync/skew.h) */
struct rpc_clock {
    size_t n_measured, n_apart; /* peers; those further apart than the limit */
    int64_t ahead_ms;           /* median; negative: behind */
    uint64_t limit_ms;          /* half a step: a validator seals nothing beyond it */
    bool is_off;
};

/* rpc_node: what the node knows of itself and of others; every pointer may be NULL */
struct rpc_node {
    void *ctx;
    size_t (*peer_count)(void *ctx);
    size_t (*peers)(void *ctx, struct rpc_peer *out, size_t max);
    size_t max_peers;
    bool (*enode)(void *ctx, char dst[static 512]);
    bool (*syncing)(void *ctx, uint64_t *starting, uint64_t *highest); /* false: in step with its peers */
    bool (*author)(void *ctx, address *out);    /* the validator's address, if it is one */
    bool (*is_sealing)(void *ctx);
    bool (*clock)(void *ctx, struct rpc_clock *out); /* false: not measured yet */
    bool (*reserve)(void *ctx, const char *enode, bool add); /* a reserved peer from now on, or no more; false: not now */
    void (*reserved_only)(void *ctx, bool only);
};

struct rpc_config {
    const char *address;   /* IP literal for both ports */
    uint16_t http_port;    /* HTTP and WebSocket; 0: any */
    bool has_http, has_ws; /* which ports to open */
    uint16_t ws_port;      /* WebSocket (and HTTP); 0: any */
    const char *namespaces;/* "web3,net,eth" or "all"; NULL: web3,net,eth,parity,txpool,trace,rpc,aura */
    const char *cors;      /* Access-Control-Allow-Origin, "*" or one origin; NULL: none */
    size_t max_body, max_connections; /* 0: 5 MiB, 1024 */
    unsigned idle_timeout_s;          /* 0: 120 */
    const char *tls_cert_file, *tls_key_file;
    unsigned threads;      /* of each port, and as many for long requests; 0: as many as there are cores, up to 4 */
    unsigned max_request_s; /* one request works no longer: the rest gets errors; 0: 20 */
    size_t max_unsent;     /* bytes of answers that wait for their readers, over all connections of a port; 0: 256 MiB */
    const char *ipc_path;        /* a Unix socket beside the ports, mode 0600; NULL: none */
    const char *jwt_secret_file; /* 32 bytes in hex: every request and WebSocket needs a token signed by it (HS256, iat within a minute); NULL: none */
    const char *client_version; /* "poa-node/v1.0.0/linux-x86_64" */
    const char *node_name;      /* NULL: "" */
};

/** rpc_server_start: open the ports and serve. chain, pool and node are borrowed (pool and node: the tables are copied, their ctx is not).
 *  ret OK | E_BUSY: a port is taken | E_INVALID: unknown namespace, bad address | ... */
MUST_CHECK enum status rpc_server_start(struct rpc **out, const struct rpc_config *cfg, struct chain *chain, const struct rpc_pool *pool,
                                        const struct rpc_node *node, struct err *err);
void rpc_server_stop(struct rpc *r); /* NULL allowed */
uint16_t rpc_http_port(const struct rpc *r);
uint16_t rpc_ws_port(const struct rpc *r);
/** rpc_get_counts: calls since the start (each of a batch), those answered with an error, connections now. Any thread. */
void rpc_get_counts(uint64_t *calls, uint64_t *errors, uint64_t *connections, const struct rpc *r);

/** rpc_on_chain_event: from chain_config.on_event; takes the hashes and returns at once. */
void rpc_on_chain_event(struct rpc *r, const struct chain_event *e);
/** rpc_on_pending: transactions that came into the pool; cheap when nobody listens. Any thread. */
void rpc_on_pending(struct rpc *r, const hash32 *hashes, size_t n);
/** rpc_on_sync: syncing began or ended. Any thread. */
void rpc_on_sync(struct rpc *r);

#endif
