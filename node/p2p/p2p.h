/* p2p.h: the sockets under node/sync: RLPx connections (devp2p), the list of whom to dial, discovery (discv4). One thread: the loop's.
 *
 * How data walks: a connection (conn.c) is accepted, or dialled for a target (dial.c); RLPx handshake, Hello, then it is a peer of the sync:
 * frames in -> sync_receive; sync_ops.send -> frames out. Two timers: the sync's own, and housekeeping four times a second.
 *
 * Static nodes are dialled for ever, every few seconds, their host names resolved anew at each try; they are exempt from the limit of
 * peers. Other nodes (boot nodes, those that discovery or the last run found) are dialled while there is room; boot nodes and who was a
 * peer lately as often as static ones. A connection is given up after 12 seconds without a byte, so that a healed wire is used soon.
 *
 * The program must ignore SIGPIPE (libuv writes by write(2)).
 *
 * Two connections with one node: when both began within ten seconds (both dialled), the one dialled by the larger node id stays, which both
 * ends find alike; else the new one stays, since nobody dials a node that it holds a live connection with. */
#ifndef NODE_P2P_P2P_H
#define NODE_P2P_P2P_H

#include "lib/base/log.h"
#include "lib/eth/enode.h"
#include "node/p2p/hello.h"
#include "node/store/kv.h"
#include "node/sync/sync.h"

#include <uv.h>

struct p2p;

struct p2p_config {
    secret32 key;              /* of the node */
    const char *bind_ip;       /* NULL: 0.0.0.0; "::" takes both families */
    uint16_t port;             /* TCP and UDP; 0: any free one (see p2p_port) */
    const char *advertised_ip; /* of our enode; NULL: bind_ip, or 127.0.0.1 when that is a wildcard */
    size_t max_peers;          /* 0: 50; static nodes come on top */
    size_t max_inbound;        /* of them; 0: two thirds: strangers that call can't take all places from those that we look for */
    bool reserved_only;        /* only static nodes */
    const char *const *static_nodes; /* enode URLs */
    size_t n_static_nodes;
    const char *const *boot_nodes;
    size_t n_boot_nodes;
    bool discovery;
    const char *client_id;     /* "poa-node/v1.0.0/linux-x86_64" */
    struct kv *kv;             /* TABLE_PEERS is kept there; NULL: nodes found are forgotten at the end */
    /* allow: may a node with that public key connect? NULL: all may. Called at each handshake and dial. */
    bool (*allow)(void *ctx, const uint8_t pub[static 64]);
    /* on_consensus: a message of the engine's came (consensus.c). NULL: the chain has none, and the capability is not offered.
     * ret OK: it is new: pass it on | E_INVALID: the sender's fault | else: nothing comes of it */
    enum status (*on_consensus)(void *ctx, bytes message);
    /* log: one line for the log; NULL: none */
    void (*log)(void *ctx, enum log_level level, const char *line);
    void *ctx;
};

/** p2p_new: listen, and begin to dial. sync_ops: chain and pool parts filled in; net parts are set here.
 *  err: which address or which enode.  ret OK | E_INVALID | E_IO | E_NOMEM */
MUST_CHECK enum status p2p_new(struct p2p **out, uv_loop_t *loop, const struct p2p_config *cfg, const struct sync_config *sync_cfg,
                               const struct sync_ops *ops, struct err *err);
/** p2p_stop: tell the peers, close all handles; frees itself when the loop has run the closing callbacks. The sync is gone at once. */
void p2p_stop(struct p2p *p);

/** p2p_sync: for sync_get_state and sync_get_peer; lives until p2p_stop. */
struct sync *p2p_sync(struct p2p *p);
void p2p_announce_block(struct p2p *p, const hash32 *hash, bytes block);
/** p2p_send_consensus: an engine's message of our own. */
void p2p_send_consensus(struct p2p *p, bytes message);
void p2p_announce_tx(struct p2p *p, const hash32 *hash);

uint16_t p2p_port(const struct p2p *p);
/** p2p_put_enode: our own URL */
size_t p2p_put_enode(char dst[static 512], const struct p2p *p);
/** p2p_add_static: from now on; also when it is a known node already: it becomes static, with that host.  ret OK | E_DECODE | E_LIMIT */
MUST_CHECK enum status p2p_add_static(struct p2p *p, const char *enode_url, struct err *err);
/** p2p_remove_static: no longer dialled; a connection that stands goes on unless drop.  ret OK | E_NOT_FOUND | E_DECODE */
MUST_CHECK enum status p2p_remove_static(struct p2p *p, const char *enode_url, bool drop, struct err *err);

/** p2p_set_reserved_only: static nodes alone may be connected from now on (others are let go), or again all. */
void p2p_set_reserved_only(struct p2p *p, bool only);
/** p2p_recheck: what cfg.allow says may have changed: peers that it no longer allows are let go. */
void p2p_recheck(struct p2p *p);

struct p2p_peer_info {
    uint64_t id; /* as sync_get_peer takes it */
    uint8_t pub[64];
    char client[128];
    char caps[160]; /* "eth/66,eth/68" */
    char remote[64], local[64]; /* "127.1.1.10:30300", "[::1]:30300" */
    bool inbound, is_static;
    uint64_t connected_ms; /* how long */
    struct sync_peer_info eth;
};
/** p2p_get_peers: ret how many were written, at most max */
size_t p2p_get_peers(struct p2p_peer_info *out, size_t max, const struct p2p *p);

struct p2p_counts {
    size_t connected, max_peers; /* peers past the Hello */
    size_t inbound, handshaking, targets, static_targets, static_connected, discovered;
    uint64_t bytes_in, bytes_out;
    uint64_t messages_in, messages_out; /* pings, too */
};
void p2p_get_counts(struct p2p_counts *out, const struct p2p *p);

/** p2p_static_state: for diagnosis: is the static node connected; if not, why the last try failed ("" if none was made). false: not static */
bool p2p_static_state(bool *connected, char why[static 96], const struct p2p *p, const uint8_t pub[static 64]);

#endif
