/* execute.h: transactions and blocks on a state: what changes, what it costs, what receipts say. Pure over a `struct state`. */
#ifndef NODE_CHAIN_EXECUTE_H
#define NODE_CHAIN_EXECUTE_H

#include "lib/base/arena.h"
#include "lib/eth/chain_spec.h"
#include "lib/eth/header.h"
#include "lib/eth/receipt.h"
#include "node/evm/evm.h"
#include "node/state/state.h"

/* X(id, text): why a transaction can't be in a block (the block would be invalid); TX_VALID is 0 */
#define TX_VERDICTS(X)                                                                             \
    X(TX_VALID, "valid")                                                                           \
    X(TX_NONCE_TOO_LOW, "nonce too low")                                                           \
    X(TX_NONCE_TOO_HIGH, "nonce too high")                                                         \
    X(TX_NONCE_MAX, "nonce has max value")                                                         \
    X(TX_INSUFFICIENT_FUNDS, "insufficient funds for gas * price + value")                         \
    X(TX_INTRINSIC_GAS, "intrinsic gas too low")                                                   \
    X(TX_FLOOR_GAS, "gas below the calldata floor")                                                \
    X(TX_GAS_LIMIT_REACHED, "gas limit reached")                                                   \
    X(TX_TYPE_NOT_SUPPORTED, "transaction type not supported")                                     \
    X(TX_FEE_BELOW_BASE, "max fee per gas less than block base fee")                               \
    X(TX_TIP_ABOVE_FEE, "max priority fee per gas higher than max fee per gas")                    \
    X(TX_SENDER_HAS_CODE, "sender not an eoa")                                                     \
    X(TX_INIT_CODE_TOO_LARGE, "max initcode size exceeded")                                        \
    X(TX_CHAIN_ID, "invalid chain id")                                                             \
    X(TX_BAD_SIGNATURE, "invalid sender")                                                          \
    X(TX_BLOB_COUNT, "bad number of blobs")                                                        \
    X(TX_BLOB_VERSION, "bad version of a blob hash")                                               \
    X(TX_BLOB_CREATE, "blob transaction must not create")                                          \
    X(TX_BLOB_FEE, "max fee per blob gas less than block blob gas fee")                            \
    X(TX_AUTH_EMPTY, "empty authorization list")                                                   \
    X(TX_AUTH_CREATE, "set code transaction must not create")                                      \
    X(TX_VALUE_OVERFLOW, "gas * price + value is over 256 bits")                                   \
    X(TX_NOT_PERMITTED, "sender not permitted for this type of transaction")                       \
    X(TX_TOO_LARGE, "transaction too large")

enum tx_verdict {
#define X(id, text) id,
    TX_VERDICTS(X)
#undef X
};
const char *tx_verdict_text(enum tx_verdict v);

/** exec_move: a call's override (movePrecompileToAddress): at `at` stands what stood at `as`, or nothing (is_gone). */
struct exec_move {
    address at, as;
    bool is_gone;
    const struct exec_move *next;
};

/** exec_env: all that the transactions of one block share. */
struct exec_env {
    struct evm *evm;
    struct rules rules;
    struct evm_block block;
    const struct chain_spec *spec; /* NULL: precompiles by rules (official tests) */
    enum status (*block_hash)(void *ctx, uint64_t number, hash32 *out);
    void *block_hash_ctx;
    uint64_t gas_used;      /* so far in this block */
    uint64_t blob_gas_used;
    const struct evm_tracer *tracer; /* or NULL */
    const struct exec_move *moves;   /* of precompiles; NULL but for calls that ask for it */
    bool has_fee_collector;
    address fee_collector; /* base fee goes there instead of being burnt */
};

/** exec_is_precompile: before any moves */
bool exec_is_precompile(const struct exec_env *env, const address *a);
/** exec_tx_intrinsic: gas due before the first opcode, and the EIP-7623 floor (0 without it).  ret false on overflow */
bool exec_tx_intrinsic(uint64_t *gas, uint64_t *floor, const struct tx *tx, const struct rules *rules);
/** exec_tx_check: verdict on a transaction against rules and state, without running it. */
MUST_CHECK enum status exec_tx_check(enum tx_verdict *v, struct exec_env *env, struct state *s, const struct tx *tx);
/** exec_tx: check and run it. On *v == TX_VALID the receipt is filled (logs in a) and env->gas_used grows; otherwise nothing changed.
 *  out_result may be NULL; its output is valid until the next run.  ret OK | our own trouble */
MUST_CHECK enum status exec_tx(enum tx_verdict *v, struct receipt *receipt, struct evm_result *out_result, struct exec_env *env,
                               struct state *s, const struct tx *tx, struct arena *a);
/** exec_call: a message without a transaction's rules (eth_call, permission and validator contract reads): no nonce, no fee, no
 *  intrinsic gas; changes stay in s (throw it away). msg.gas as given. */
MUST_CHECK enum status exec_call(struct evm_result *out, struct exec_env *env, struct state *s, const struct evm_message *msg,
                                 const u256 *gas_price);
/** exec_system_call: aura.md B5 "System call": sender and origin ADDRESS_SYSTEM, value 0, not a transaction; creates the system account
 *  as Parity does; 2^256-1 gas, which GAS counts down from and GASLIMIT shows; state changes are kept on success; logs and refunds dropped; no touched cleanup. out->outcome tells of failure. */
MUST_CHECK enum status exec_system_call(struct evm_result *out, struct exec_env *env, struct state *s, const address *to, bytes input);

/** exec_protocol_call: a system call as later EIPs have it (4788, 2935, 7002, 7251): 30,000,000 gas, no value moves, the caller is not
 *  created; nothing happens when there is no code. A failure undoes what it did; out->outcome tells of it. */
MUST_CHECK enum status exec_protocol_call(struct evm_result *out, struct exec_env *env, struct state *s, const address *to, bytes input);

/** exec_base_fee: base fee of the child of a block (EIP-1559, with the spec's denominators and minimum). */
u256 exec_base_fee(const struct chain_spec *spec, const struct header *parent);
/** exec_excess_blob_gas, exec_blob_base_fee: EIP-4844. */
uint64_t exec_excess_blob_gas(const struct header *parent, bool eip7691);
u256 exec_blob_base_fee(uint64_t excess_blob_gas, bool eip7691);

#endif
