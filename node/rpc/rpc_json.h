/* rpc_json.h: blocks, transactions, receipts and logs as JSON-RPC shows them. Knows no chain and no database.
 *
 * The shape is that of the execution API specification, plus what Parity adds on an AuRa chain (reference/aura.md B13): author beside
 * miner, sealFields, step (decimal) and signature (hex without 0x). As Parity does, blocks with an AuRa seal have neither nonce nor mixHash:
 * ethers, viem and web3 take their absence for null. */
#ifndef NODE_RPC_RPC_JSON_H
#define NODE_RPC_RPC_JSON_H

#include "lib/eth/header.h"
#include "lib/eth/receipt.h"
#include "node/rpc/json_out.h"

/* where a mined transaction stands; NULL in its place means pending */
struct tx_place {
    const hash32 *block_hash;
    uint64_t number;
    size_t index;
    const u256 *base_fee; /* NULL before EIP-1559 */
    uint64_t timestamp;   /* of the block */
};

struct block_shape {
    bool full_txs;
    bool is_pending;   /* hash, miner and seal are not known: null */
    size_t size;       /* of the block's RLP */
    const u256 *td;    /* NULL: left out */
};

/** json_put_header: an object with the header's fields, as newHeads sends it. */
void json_put_header(struct buf *b, const struct header *h, const hash32 *hash);
/** json_put_block: senders must have been recovered when full_txs. */
void json_put_block(struct buf *b, const struct block *blk, const struct block_shape *shape);
/** json_put_uncle: like a block without transactions. */
void json_put_uncle(struct buf *b, const struct header *h);
void json_put_tx(struct buf *b, const struct tx *tx, const struct tx_place *place);

struct log_place {
    const hash32 *block_hash, *tx_hash;
    uint64_t number;
    size_t tx_index, log_index, tx_log_index;
    uint64_t timestamp; /* of the block */
    bool removed;
};
void json_put_log(struct buf *b, const struct log_entry *log, const struct log_place *place);
/** json_put_receipt: of transaction i of blk (sender recovered); first_log: logs of the transactions before it. */
void json_put_receipt(struct buf *b, const struct block *blk, size_t i, const struct receipt *r, size_t first_log,
                      const u256 *blob_base_fee);

#endif
