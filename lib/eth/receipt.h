/* receipt.h: receipts and logs (Yellow Paper 4.3.1, EIP-658, EIP-2718). Logs live in the arena of the block. */
#ifndef LIB_ETH_RECEIPT_H
#define LIB_ETH_RECEIPT_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/eth/bloom.h"
#include "lib/eth/tx.h"

struct log_entry {
    address addr;
    uint8_t n_topics; /* 0..4 */
    hash32 topics[4];
    bytes data;
};

enum receipt_form { RECEIPT_ROOT, RECEIPT_STATUS, RECEIPT_BARE /* Parity, eip98: three fields */ };

struct receipt {
    enum tx_type type;
    enum receipt_form form;
    bool ok;             /* RECEIPT_STATUS */
    hash32 root;         /* RECEIPT_ROOT: state root after the transaction */
    uint64_t gas_used;   /* of this transaction alone; not part of the RLP */
    uint64_t cumulative_gas;
    bloom filter;
    struct log_entry *logs;
    size_t n_logs;
    bool has_contract;   /* contract_address is set; not part of the RLP */
    address contract_address;
};

/** receipt_put: consensus form: type byte (unless legacy) || list, as the receipts trie has it. */
void receipt_put(struct buf *out, const struct receipt *r);
/** receipt_put_network: as an item of an eth Receipts message: typed ones wrapped in a string. */
void receipt_put_network(struct buf *out, const struct receipt *r);
/** receipt_get: from consensus form, logs allocated in a.  ret OK | E_DECODE | E_NOMEM */
MUST_CHECK enum status receipt_get(struct receipt *out, bytes in, struct arena *a);
/** receipt_fill_bloom: filter = union over logs. */
void receipt_fill_bloom(struct receipt *r);

#endif
