/* wire.h: the messages of the eth protocol, versions 63 to 68 (devp2p caps/eth): numbers, status, and the envelope with request ids that
 * eth/66 brought. Messages are RLP lists. */
#ifndef NODE_SYNC_WIRE_H
#define NODE_SYNC_WIRE_H

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/eth/types.h"
#include "node/sync/forkid.h"

/* X(id, code, "name") */
#define ETH_MESSAGES(X)                                                                            \
    X(ETH_STATUS, 0x00, "Status")                                                                  \
    X(ETH_NEW_BLOCK_HASHES, 0x01, "NewBlockHashes")                                                \
    X(ETH_TRANSACTIONS, 0x02, "Transactions")                                                      \
    X(ETH_GET_BLOCK_HEADERS, 0x03, "GetBlockHeaders")                                              \
    X(ETH_BLOCK_HEADERS, 0x04, "BlockHeaders")                                                     \
    X(ETH_GET_BLOCK_BODIES, 0x05, "GetBlockBodies")                                                \
    X(ETH_BLOCK_BODIES, 0x06, "BlockBodies")                                                       \
    X(ETH_NEW_BLOCK, 0x07, "NewBlock")                                                             \
    X(ETH_NEW_POOLED_TX_HASHES, 0x08, "NewPooledTransactionHashes")                                \
    X(ETH_GET_POOLED_TXS, 0x09, "GetPooledTransactions")                                           \
    X(ETH_POOLED_TXS, 0x0a, "PooledTransactions")                                                  \
    X(ETH_GET_NODE_DATA, 0x0d, "GetNodeData")                                                      \
    X(ETH_NODE_DATA, 0x0e, "NodeData")                                                             \
    X(ETH_GET_RECEIPTS, 0x0f, "GetReceipts")                                                       \
    X(ETH_RECEIPTS, 0x10, "Receipts")

enum eth_message {
#define X(id, code, name) id = code,
    ETH_MESSAGES(X)
#undef X
};
#define ETH_MESSAGE_N 0x11 /* numbers that the capability takes, in every version spoken here */

#define ETH_VERSION_MIN 63
#define ETH_VERSION_MAX 68

/** eth_message_name: "Status", or "unknown" */
const char *eth_message_name(unsigned code);
static inline bool eth_has_fork_id(unsigned version) { return version >= 64; }
static inline bool eth_has_pooled_txs(unsigned version) { return version >= 65; }
static inline bool eth_has_request_id(unsigned version) { return version >= 66; }

struct eth_status {
    uint64_t version, network_id;
    u256 td;
    hash32 head, genesis;
    bool has_fork_id;
    struct forkid fork_id;
};
void eth_status_put(struct buf *out, const struct eth_status *st);
/** eth_status_get: trailing items are allowed.  ret OK | E_DECODE */
MUST_CHECK enum status eth_status_get(struct eth_status *out, bytes in);

/** eth_request_open: begin [id, payload] or payload alone; ret a mark for eth_request_close. The payload is one list put between. */
size_t eth_request_open(struct buf *out, unsigned version, uint64_t id);
void eth_request_close(struct buf *out, unsigned version, size_t mark);
/** eth_request_get: id (0 before eth/66) and the payload of the list within.  ret OK | E_DECODE */
MUST_CHECK enum status eth_request_get(uint64_t *id, bytes *list, unsigned version, bytes in);

struct eth_get_headers {
    bool by_hash;
    hash32 hash;
    uint64_t number;
    uint64_t amount, skip;
    bool reverse;
};
void eth_get_headers_put(struct buf *out, const struct eth_get_headers *g);
/** eth_get_headers_get: from the list's payload */
MUST_CHECK enum status eth_get_headers_get(struct eth_get_headers *out, bytes list);

void eth_u256_put(struct buf *out, const u256 *v);
MUST_CHECK enum status eth_u256_get(u256 *out, bytes *in);
MUST_CHECK enum status eth_hash_get(hash32 *out, bytes *in);
void eth_hash_put(struct buf *out, const hash32 *h);

#endif
