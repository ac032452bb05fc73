/* sync.h: what to ask of whom, and what to announce. Pure over a table of peers: messages and time come in by function calls, actions go
 * out through struct sync_ops. No socket, no clock, no thread: node/p2p drives it in a node, a simulator in tests.
 *
 * How data walks: sync_add_peer sends our Status; the peer's Status is checked (network, genesis, fork id) and the peer becomes ready.
 *
 *   gossip    NewBlock -> import -> pass on (whole to all of up to 16 peers, else to the square root of them, hashes to the rest).
 *             NewBlockHashes -> wait a moment for the whole block -> ask for header and body. Parent unknown -> kept as an orphan, catch up.
 *             A block whose time has not come is kept and imported again at its time: a small clock skew costs nobody the connection.
 *   catch up  the peer of the highest total difficulty gives headers (after a search for the common ancestor, from 16 near the top down by
 *             halves); bodies come from all peers in parallel, checked against the header before they count; what stands in front is prepared
 *             (verified as far as that goes without the state, by other threads) and imported in order, a group in each tick, so that the
 *             loop stays responsive. A peer that lets others wait is routed around: they are asked for the same, and for the headers.
 *   txs       whole to the square root of the peers, hashes to the rest; unknown hashes are asked for after a moment, from one peer at a time.
 *
 * Blame: a peer is let go for what only it can have done: malformed messages, lists over the limits, a block that is invalid (the first
 * sender, not those who repeat it), answers that don't fit the question. Time-outs in a row let it go as useless. Blocks from the
 * future, or on a fork from before our finality, are not held against anyone: our own clock or history may be the wrong one.
 *
 * Everything is bounded (sync_priv.h); times are milliseconds of a monotonic clock. */
#ifndef NODE_SYNC_SYNC_H
#define NODE_SYNC_SYNC_H

#include "lib/base/buf.h"
#include "lib/eth/header.h"
#include "node/chain/chain.h"
#include "node/sync/forkid.h"
#include "node/sync/skew.h"
#include "node/sync/wire.h"

/* X(id, code, "text"): reasons of a Disconnect message (devp2p) */
#define DISCONNECT_REASONS(X)                                                                      \
    X(DISCONNECT_REQUESTED, 0x00, "disconnect requested")                                          \
    X(DISCONNECT_NETWORK, 0x01, "network error")                                                   \
    X(DISCONNECT_BREACH, 0x02, "breach of protocol")                                               \
    X(DISCONNECT_USELESS, 0x03, "useless peer")                                                    \
    X(DISCONNECT_TOO_MANY, 0x04, "too many peers")                                                 \
    X(DISCONNECT_ALREADY, 0x05, "already connected")                                               \
    X(DISCONNECT_VERSION, 0x06, "incompatible p2p protocol version")                               \
    X(DISCONNECT_NULL_ID, 0x07, "invalid node identity")                                           \
    X(DISCONNECT_QUITTING, 0x08, "client quitting")                                                \
    X(DISCONNECT_UNEXPECTED_ID, 0x09, "unexpected identity")                                       \
    X(DISCONNECT_SELF, 0x0a, "connected to self")                                                  \
    X(DISCONNECT_TIMEOUT, 0x0b, "timeout")                                                         \
    X(DISCONNECT_SUBPROTOCOL, 0x10, "subprotocol error")

enum disconnect_reason {
#define X(id, code, text) id = code,
    DISCONNECT_REASONS(X)
#undef X
};
const char *disconnect_reason_text(unsigned code);

struct sync_head {
    uint64_t number, timestamp, finalised;
    hash32 hash;
    u256 td;
};

struct sync_import {
    enum import_result result;
    enum block_verdict verdict; /* with IMPORT_BAD */
    uint64_t retry_in_ms;       /* with IMPORT_EARLY */
};

enum sync_tx {
    SYNC_TX_ADDED,
    SYNC_TX_KNOWN,
    SYNC_TX_REFUSED, /* not now, not by our rules: nobody's fault */
    SYNC_TX_BAD      /* can never be valid: the sender's fault */
};

/* Calls out. None may call back into the sync, but for sync_announce_tx and sync_announce_block. */
struct sync_ops {
    void *net;
    void (*send)(void *net, uint64_t peer, unsigned message, bytes payload);
    /* queued: bytes that wait to be sent to the peer; NULL: never any */
    size_t (*queued)(void *net, uint64_t peer);
    /* disconnect: the sync has forgotten the peer already; sync_remove_peer for it later does nothing. why: for the log */
    void (*disconnect)(void *net, uint64_t peer, enum disconnect_reason reason, const char *why);

    void *chain;
    void (*get_head)(void *chain, struct sync_head *out);
    bool (*has_block)(void *chain, const hash32 *hash);
    enum status (*get_meta)(void *chain, uint64_t *number, u256 *td, const hash32 *hash);
    enum status (*get_canonical)(void *chain, hash32 *out, uint64_t number);
    /* put_*: append what stands in the tables: header RLP; body [txs, uncles(, withdrawals)]; list of receipts as eth/66 has it */
    enum status (*put_header)(void *chain, struct buf *out, const hash32 *hash);
    enum status (*put_body)(void *chain, struct buf *out, const hash32 *hash);
    enum status (*put_receipts)(void *chain, struct buf *out, const hash32 *hash);
    /* tx_root: root of the transactions trie; txs: payload of a body's list of transactions. NULL: import finds out */
    enum status (*tx_root)(void *chain, hash32 *out, bytes txs);
    /* import: ret OK | our own trouble: nothing changed, it is tried again later */
    enum status (*import)(void *chain, struct sync_import *out, bytes block);
    /* prepare: a block that import_chain will get, in its order; NULL: not now. forget: is called for each one once */
    void *(*prepare)(void *chain, bytes block);
    void (*forget)(void *chain, void *prepared);
    /* import_chain: blocks one behind the other. *n_done: how many of them, from the front, *out is about: with IMPORT_HEAD or _SIDE at
     * least one, else one; 0 when it fails. Many at once only while there are many more to come: they may be lost together, and can be had again */
    enum status (*import_chain)(void *chain, struct sync_import *out, size_t *n_done, void *const *prepared, size_t n);

    void *pool;
    bool (*has_tx)(void *pool, const hash32 *hash);
    /* add_tx: canonical form; hash is known to be its keccak */
    enum sync_tx (*add_tx)(void *pool, bytes canonical, const hash32 *hash);
    /* put_tx: append as a block body has it; false: not in the pool */
    bool (*put_tx)(void *pool, struct buf *out, const hash32 *hash);
    /* list_txs: hashes of up to max transactions of the pool; ret their number */
    size_t (*list_txs)(void *pool, hash32 *out, size_t max);
};

struct sync_config {
    uint64_t network_id;
    hash32 genesis;
    struct forkid_table forks;
    bool strict_fork_id; /* an incompatible fork id ends the connection; else it is only noted in sync_peer_info */
    size_t max_peers;    /* at most SYNC_PEERS_MAX; 0: that */
    uint64_t seed;       /* of the choices at random and the sets of known hashes */
};

#define SYNC_PEERS_MAX 256

struct sync;

MUST_CHECK enum status sync_new(struct sync **out, const struct sync_config *cfg, const struct sync_ops *ops);
void sync_free(struct sync *s);

/** sync_add_peer: a connection with that eth version stands; our Status is sent.  ret OK | E_LIMIT | E_EXISTS | E_INVALID (version) */
MUST_CHECK enum status sync_add_peer(struct sync *s, uint64_t peer, unsigned version, uint64_t now_ms);
void sync_remove_peer(struct sync *s, uint64_t peer, uint64_t now_ms);
/** sync_receive: one message, without the capability's offset. Unknown peers are ignored. */
void sync_receive(struct sync *s, uint64_t peer, unsigned message, bytes payload, uint64_t now_ms);
/** sync_tick: do what is due.  ret milliseconds until it wants to be called again, 0: at once (after a turn of the loop) */
uint64_t sync_tick(struct sync *s, uint64_t now_ms);
/** sync_next_ms: as sync_tick's result, to be asked after the other calls: they may have made something due. */
uint64_t sync_next_ms(const struct sync *s, uint64_t now_ms);

/** sync_announce_block: a block that came by another way than a peer (sealed here); it is in the chain already. */
void sync_announce_block(struct sync *s, const hash32 *hash, bytes block, uint64_t now_ms);
/** sync_announce_tx: a transaction came into the pool: pass it on to peers who don't know it. Queued until the tick. Those that
 *  came through add_tx are announced by the sync itself; once more does no harm. */
void sync_announce_tx(struct sync *s, const hash32 *hash, uint64_t now_ms);
/** sync_nudge: the chain's head moved without the sync (tests, imports by other ways): look again whether to catch up. */
void sync_nudge(struct sync *s, uint64_t now_ms);

struct sync_state {
    bool is_syncing; /* catching up, more than a few blocks behind */
    bool is_behind;  /* and it comes to something: a peer's word alone counts for seconds only. Not the time to seal. */
    uint64_t starting_block, current_block, highest_block;
    size_t n_peers, n_ready;
    uint64_t n_blocks_imported, n_blocks_bad, n_blocks_future, n_blocks_early;
    uint64_t n_txs_received, n_txs_added;
};
void sync_get_state(struct sync_state *out, const struct sync *s);

/** sync_skew: the measurements of clocks; whoever drives the connections sends the Pings and brings the Pongs. A peer's go with it. */
struct skew *sync_skew(struct sync *s);

struct sync_peer_info {
    bool ready;
    unsigned version;
    hash32 head;
    u256 td;
    bool has_number;
    uint64_t number;
    bool fork_id_mismatch;
    uint64_t network_id;
};
/** sync_get_peer: ret false: no such peer */
bool sync_get_peer(struct sync_peer_info *out, const struct sync *s, uint64_t peer);

#endif
