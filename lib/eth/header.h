/* header.h: block headers with every seal that Parity's specs know, and blocks.
 *
 * RLP: 13 base fields, then the seal's items, then the fields that later EIPs appended (baseFeePerGas, withdrawalsRoot,
 * blobGasUsed, excessBlobGas, parentBeaconBlockRoot, requestsHash). The seal is told from its first item when decoding: a
 * string of 32 bytes is a mixHash (ethash and post-merge, followed by the 8-byte nonce); a string of up to 8 bytes followed by
 * one of 65 is AuRa's step and signature, then the list of empty steps if the next item is a list. Anything else is generic.
 *
 * A decoded header borrows extra and seal bytes from the input. */
#ifndef LIB_ETH_HEADER_H
#define LIB_ETH_HEADER_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/eth/bloom.h"
#include "lib/eth/tx.h"
#include "lib/eth/types.h"

enum seal_kind { SEAL_ETHASH, SEAL_AURA, SEAL_GENERIC };

struct header {
    hash32 parent_hash, uncles_hash;
    address author;
    hash32 state_root, tx_root, receipts_root;
    bloom logs_bloom;
    u256 difficulty;
    uint64_t number, gas_limit, gas_used, timestamp;
    bytes extra;

    enum seal_kind seal;
    hash32 mix_hash;      /* SEAL_ETHASH */
    uint8_t nonce[8];     /* SEAL_ETHASH */
    uint64_t step;        /* SEAL_AURA */
    uint8_t signature[65];/* SEAL_AURA: r || s || recid 0/1 */
    bool has_empty_steps; /* SEAL_AURA: a 16th item stands */
    bytes empty_steps;    /* its raw RLP list, header included */
    bytes seal_raw;       /* SEAL_GENERIC: the items' raw RLP, one behind the other */

    bool has_base_fee, has_withdrawals, has_blob_gas, has_beacon_root, has_requests;
    u256 base_fee;
    hash32 withdrawals_root;
    uint64_t blob_gas_used, excess_blob_gas;
    hash32 beacon_root;
    hash32 requests_hash;
};

/** header_put: the whole header as an RLP list. */
void header_put(struct buf *out, const struct header *h);
/** header_put_bare: without the seal's items (with the later fields): what AuRa signs is keccak of it (aura.md B1). */
void header_put_bare(struct buf *out, const struct header *h);
/** header_get: take one header from *in.  ret OK | E_DECODE (err names the field) */
MUST_CHECK enum status header_get(struct header *out, bytes *in, struct err *err);
hash32 header_hash(const struct header *h);
/** header_aura_seal_hash: keccak(bare), or keccak(keccak(bare) || empty_steps) when it has empty steps. */
hash32 header_aura_seal_hash(const struct header *h);

struct withdrawal {
    uint64_t index, validator;
    address addr;
    uint64_t amount_gwei;
};

struct block {
    struct header header;
    hash32 hash;
    struct tx *txs;
    size_t n_txs;
    struct header *uncles;
    size_t n_uncles;
    bytes uncles_raw; /* RLP list of uncles, header included */
    struct withdrawal *withdrawals; /* valid when header.has_withdrawals */
    size_t n_withdrawals;
    bytes raw; /* the whole block RLP, if decoded */
};

/** block_get: [header, txs, uncles(, withdrawals)] from the front of *in; arrays in a; hash computed; senders not recovered. */
MUST_CHECK enum status block_get(struct block *out, bytes *in, struct arena *a, struct err *err);
/** block_get_body: [txs, uncles(, withdrawals)] beside a header that is known. */
MUST_CHECK enum status block_get_body(struct block *out, const struct header *h, bytes *in, struct arena *a, struct err *err);
void block_put(struct buf *out, const struct block *b);
void block_put_body(struct buf *out, const struct block *b);

#endif
