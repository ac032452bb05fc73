/* blocks.h: the block tables (node/store/tables.h): reads for everyone, on any transaction, from any thread. Results live in the arena given. */
#ifndef NODE_CHAIN_BLOCKS_H
#define NODE_CHAIN_BLOCKS_H

#include "lib/base/arena.h"
#include "lib/eth/header.h"
#include "lib/eth/receipt.h"
#include "node/store/kv.h"

/* where a transaction stands */
struct tx_location {
    uint64_t number;
    uint32_t index;
    hash32 block_hash;
};
struct block_meta {
    u256 td;
    uint64_t number;
    bool executed; /* on the canonical chain or once was: its state root was checked */
    bool invalid;  /* must never be canonical */
};

/* all: ret OK | E_NOT_FOUND | E_CORRUPT | E_IO | E_NOMEM */
MUST_CHECK enum status blocks_get_canonical_hash(hash32 *out, struct kv_txn *txn, uint64_t number);
MUST_CHECK enum status blocks_get_meta(struct block_meta *out, struct kv_txn *txn, const hash32 *hash);
MUST_CHECK enum status blocks_get_header(struct header *out, struct kv_txn *txn, const hash32 *hash, struct arena *a);
/** blocks_get_header_raw: RLP; view valid until the transaction ends */
MUST_CHECK enum status blocks_get_header_raw(bytes *out, struct kv_txn *txn, const hash32 *hash);
MUST_CHECK enum status blocks_get_body_raw(bytes *out, struct kv_txn *txn, const hash32 *hash);
/** blocks_get: header and body; senders recovered lazily by the caller (tx_recover) */
MUST_CHECK enum status blocks_get(struct block *out, struct kv_txn *txn, const hash32 *hash, struct arena *a);
/** blocks_get_receipts: with gas_used and contract_address filled in */
MUST_CHECK enum status blocks_get_receipts(struct receipt **out, size_t *n, struct kv_txn *txn, const hash32 *hash, struct arena *a);
/** blocks_get_receipts_raw: RLP list of receipts in network form, as eth/66 Receipts has it for one block */
MUST_CHECK enum status blocks_get_receipts_raw(bytes *out, struct kv_txn *txn, const hash32 *hash);
MUST_CHECK enum status blocks_get_tx_location(struct tx_location *out, struct kv_txn *txn, const hash32 *tx_hash);
/** blocks_get_head: number and hash of the canonical head; finalised: number of the last finalised block (0: genesis) */
MUST_CHECK enum status blocks_get_head(uint64_t *number, hash32 *hash, uint64_t *finalised, struct kv_txn *txn);

/* writes, by the importer only */
MUST_CHECK enum status blocks_put(struct kv_txn *txn, const struct block *b, const struct block_meta *meta);
MUST_CHECK enum status blocks_put_meta(struct kv_txn *txn, const hash32 *hash, const struct block_meta *meta);
/** blocks_put_receipts: with the senders of the block's transactions (recovered) beside them */
MUST_CHECK enum status blocks_put_receipts(struct kv_txn *txn, const struct block *b, const struct receipt *receipts, size_t n);
/** blocks_set_canonical: number -> hash and the transactions' index; blocks_unset_canonical: the reverse */
MUST_CHECK enum status blocks_set_canonical(struct kv_txn *txn, const struct block *b);
MUST_CHECK enum status blocks_unset_canonical(struct kv_txn *txn, const struct block *b);
MUST_CHECK enum status blocks_set_head(struct kv_txn *txn, uint64_t number, const hash32 *hash);
MUST_CHECK enum status blocks_set_finalised(struct kv_txn *txn, uint64_t number);

/* side blocks: those that are stored but were never executed (or turned out invalid), by number, so that they can be dropped */
MUST_CHECK enum status blocks_set_side(struct kv_txn *txn, uint64_t number, const hash32 *hash);
MUST_CHECK enum status blocks_unset_side(struct kv_txn *txn, uint64_t number, const hash32 *hash);
/** blocks_drop_sides: forget all up to a number; *n is counted down for each. cost: one seek when there is none */
MUST_CHECK enum status blocks_drop_sides(size_t *n, struct kv_txn *txn, uint64_t number);
MUST_CHECK enum status blocks_count_sides(size_t *n, struct kv_txn *txn);
/** blocks_drop_invalid: forget the side blocks that were found invalid, so that they are judged anew when they come again. */
MUST_CHECK enum status blocks_drop_invalid(struct kv_txn *txn);

#endif
