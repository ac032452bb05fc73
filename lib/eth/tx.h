/* tx.h: transactions of type 0 (legacy), 1 (EIP-2930), 2 (EIP-1559), 3 (EIP-4844), 4 (EIP-7702): decode, encode, sign, recover.
 *
 * A decoded `struct tx` borrows its `raw`, data and lists from the input: the input must outlive it (copy it into the arena
 * of the block or pool entry first). Lists are kept as their RLP payload and walked by the *_next functions, since most
 * transactions have none. */
#ifndef LIB_ETH_TX_H
#define LIB_ETH_TX_H

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/secret.h"
#include "lib/eth/types.h"

enum tx_type { TX_LEGACY = 0, TX_ACCESS_LIST = 1, TX_DYNAMIC_FEE = 2, TX_BLOB = 3, TX_SET_CODE = 4 };

struct tx {
    enum tx_type type;
    bool has_chain_id; /* legacy: protected by EIP-155; typed: always */
    bool has_to;       /* false: contract creation */
    bool has_sender;   /* sender is valid */
    uint8_t y_parity;  /* 0 or 1 */
    uint64_t chain_id;
    uint64_t nonce;
    uint64_t gas_limit;
    u256 max_fee;      /* legacy and type 1: gasPrice */
    u256 max_priority; /* legacy and type 1: gasPrice */
    u256 max_blob_fee; /* type 3 */
    u256 value;
    u256 r, s;
    address to;
    address sender;
    hash32 hash;
    bytes data;
    bytes access_list; /* RLP payload of the list (header excluded); empty if none */
    bytes auth_list;   /* type 4, likewise */
    bytes blob_hashes; /* type 3: RLP payload of 32-byte strings */
    bytes raw;         /* canonical form: legacy RLP list, or type byte || list */
};

/** tx_get: decode one transaction from its canonical form (as eth_sendRawTransaction takes it); `in` holds exactly that.
 *  Checks form only: canonical RLP, ranges of fields (nonce < 2^64-1, EIP-2681; y parity; chain id fits 64 bits; legacy v is 27, 28
 *  or >= 35), lists well-formed (addresses 20 bytes, keys 32). Does not recover the sender.
 *  ret OK | E_DECODE (err names the field) | E_UNSUPPORTED (unknown type) */
MUST_CHECK enum status tx_get(struct tx *out, bytes in, struct err *err);
/** tx_get_network: one transaction from a block body or a p2p list: a legacy list, or a string that holds type || list. */
MUST_CHECK enum status tx_get_network(struct tx *out, bytes *in, struct err *err);
/** tx_put_network: raw as it stands in a block body. */
void tx_put_network(struct buf *out, const struct tx *tx);
/** tx_recover: set sender (and has_sender). low_s: refuse s > n/2 (EIP-2).  ret OK | E_CRYPTO;  thread-safe */
MUST_CHECK enum status tx_recover(struct tx *tx, bool low_s);
/** tx_recover_many: tx_recover for n transactions, several at a time where the processor can; has_sender tells which succeeded. */
void tx_recover_many(struct tx *const *txs, size_t n, bool low_s);
/** tx_signing_hash: what the sender signed. */
hash32 tx_signing_hash(const struct tx *tx);
/** tx_sign: fill y_parity, r, s, sender, hash and append the canonical form to out; tx->raw then views out's memory (valid until out
 *  changes). All other fields of tx are the input; access_list etc. as RLP payload. has_chain_id decides EIP-155 for legacy. */
MUST_CHECK enum status tx_sign(struct tx *tx, struct buf *out, const secret32 *key);
/** tx_sign_with: the same with a signature over tx_signing_hash that was made elsewhere.  ret E_CRYPTO: it is none */
MUST_CHECK enum status tx_sign_with(struct tx *tx, struct buf *out, const uint8_t sig65[static 65]);
/** tx_seal_unsigned: the same without any signature: r and s are 0; tx->sender stays. Nobody takes it: for what is only shown. */
MUST_CHECK enum status tx_seal_unsigned(struct tx *tx, struct buf *out);
/** tx_effective_tip: min(max_priority, max_fee - base_fee); false when max_fee < base_fee. */
bool tx_effective_tip(u256 *tip, const struct tx *tx, const u256 *base_fee);
/** tx_gas_price: what one gas costs the sender: base_fee + tip. max_fee must be >= base_fee. */
u256 tx_gas_price(const struct tx *tx, const u256 *base_fee);

struct access_entry {
    address addr;
    bytes keys; /* RLP payload of 32-byte strings */
};
/** access_list_next: walk tx->access_list; false at its end. The form was checked by tx_get. */
bool access_list_next(struct access_entry *out, bytes *list);
/** hash_list_next: walk a payload of 32-byte strings. */
bool hash_list_next(hash32 *out, bytes *list);

struct auth_tuple {
    u256 chain_id;
    address addr;
    uint64_t nonce;
    u256 y_parity; /* kept wide: a bad value makes the tuple void, not the transaction */
    u256 r, s;
};
bool auth_list_next(struct auth_tuple *out, bytes *list);
/** auth_recover: authority of a tuple (EIP-7702: keccak(0x05 || rlp([chain_id, address, nonce]))).  ret OK | E_CRYPTO */
MUST_CHECK enum status auth_recover(address *out, const struct auth_tuple *t);
/** access_list_count: addresses and keys, for intrinsic gas. */
void access_list_count(size_t *n_addresses, size_t *n_keys, bytes list);

#endif
