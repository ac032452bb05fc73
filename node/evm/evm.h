/* evm.h: the Ethereum virtual machine (Yellow Paper, section 9 and appendix H), Frontier to Prague by rules.h.
 *
 * One call of evm_run executes one message (the outermost call or creation of a transaction, or a system call) and all calls below
 * it. Frames are iterative: no C recursion, whatever the depth. Memory of stacks and frames is pooled in `struct evm` and kept between
 * runs; no opcode allocates.
 *
 * The EVM sees the world only through `struct evm_host`: primitive reads and writes of accounts, with snapshots. What CALL and CREATE
 * mean (value transfer, nonce, 63/64, precompiles, code deposit, warm sets on revert) is the EVM's own affair, built on these.
 * What a transaction means (intrinsic gas, buying gas, refunds, the author's fee, access lists, authorisations) is node/chain's.
 *
 * A host function that fails for our own trouble (disk, memory) returns a status; the run ends at once with EVM_HOST_FAILURE and
 * that status in result.host_status: it must never become a verdict on a block. */
#ifndef NODE_EVM_EVM_H
#define NODE_EVM_EVM_H

#include "lib/base/arena.h"
#include "lib/eth/rules.h"
#include "lib/eth/types.h"

/* X(id, text): how a message ended */
#define EVM_OUTCOMES(X)                                                                            \
    X(EVM_SUCCESS, "success")                                                                      \
    X(EVM_REVERT, "execution reverted")                                                            \
    X(EVM_OUT_OF_GAS, "out of gas")                                                                \
    X(EVM_INVALID_OPCODE, "invalid opcode")                                                        \
    X(EVM_STACK_UNDERFLOW, "stack underflow")                                                      \
    X(EVM_STACK_OVERFLOW, "stack limit reached")                                                   \
    X(EVM_BAD_JUMP, "invalid jump destination")                                                    \
    X(EVM_STATIC_VIOLATION, "write protection")                                                    \
    X(EVM_RETURNDATA_BOUNDS, "return data out of bounds")                                          \
    X(EVM_DEPTH, "max call depth exceeded")                                                        \
    X(EVM_BALANCE, "insufficient balance for transfer")                                            \
    X(EVM_NONCE_OVERFLOW, "nonce overflow")                                                        \
    X(EVM_ADDRESS_COLLISION, "contract address collision")                                         \
    X(EVM_CODE_TOO_LARGE, "max code size exceeded")                                                \
    X(EVM_INIT_CODE_TOO_LARGE, "max initcode size exceeded")                                       \
    X(EVM_CODE_PREFIX, "invalid code: must not begin with 0xef")                                   \
    X(EVM_PRECOMPILE_FAILURE, "precompile failure")                                                \
    X(EVM_HOST_FAILURE, "host failure")

enum evm_outcome {
#define X(id, text) id,
    EVM_OUTCOMES(X)
#undef X
};
const char *evm_outcome_text(enum evm_outcome o);

/** evm_code: contract code with its analysis, reference-counted and cached by hash by the host's code cache (evm_code_cache). */
struct evm_code;

/** evm_host: the world. ctx is passed back. Addresses and keys are borrowed for the call. `warm` out-parameters tell whether the item
 *  had been accessed before in this transaction (EIP-2929) and mark it accessed. Every change is undone by revert to an older snapshot,
 *  also warm marks, transient storage, logs, refunds are the EVM's. */
struct evm_host {
    enum status (*account_exists)(void *ctx, const address *a, bool *exists); /* present in the trie; before EIP-161 an empty one may be */
    enum status (*account_is_empty)(void *ctx, const address *a, bool *empty); /* EIP-161: absent, or nonce 0, balance 0, no code */
    enum status (*get_balance)(void *ctx, const address *a, u256 *out);
    enum status (*get_nonce)(void *ctx, const address *a, uint64_t *out);
    enum status (*set_nonce)(void *ctx, const address *a, uint64_t nonce);
    /* transfer: sub from, add to; creates `to` when absent (also for value 0 when touch is what the rules want). from has enough. */
    enum status (*transfer)(void *ctx, const address *from, const address *to, const u256 *value);
    enum status (*get_code)(void *ctx, const address *a, bytes *code, hash32 *code_hash); /* view valid until the run ends */
    enum status (*get_code_hash)(void *ctx, const address *a, hash32 *out); /* zero if absent, keccak("") if no code */
    enum status (*set_code)(void *ctx, const address *a, bytes code);
    enum status (*has_storage)(void *ctx, const address *a, bool *has); /* EIP-7610: storage root is not empty */
    enum status (*get_storage)(void *ctx, const address *a, const u256 *key, u256 *out);
    /* set_storage: also gives the value before (current) and that at the start of the transaction (original) */
    enum status (*set_storage)(void *ctx, const address *a, const u256 *key, const u256 *value);
    enum status (*get_original_storage)(void *ctx, const address *a, const u256 *key, u256 *out);
    enum status (*get_transient)(void *ctx, const address *a, const u256 *key, u256 *out);
    enum status (*set_transient)(void *ctx, const address *a, const u256 *key, const u256 *value);
    enum status (*warm_address)(void *ctx, const address *a, bool *was_warm);
    enum status (*warm_slot)(void *ctx, const address *a, const u256 *key, bool *was_warm);
    /* create_account: make `a` a fresh contract: nonce as given (EIP-161: 1), balance kept, storage cleared, marked created in this tx */
    enum status (*create_account)(void *ctx, const address *a, uint64_t nonce);
    /* selfdestruct: move the whole balance to heir and mark a destroyed (with EIP-6780 only if created in this tx: the host knows);
     * *first tells whether it was not marked before (refund of old rules) */
    enum status (*selfdestruct)(void *ctx, const address *a, const address *heir, bool *first);
    enum status (*emit_log)(void *ctx, const address *a, const hash32 *topics, size_t n_topics, bytes data);
    enum status (*get_block_hash)(void *ctx, uint64_t number, hash32 *out); /* number is within [current - 256, current) */
    /* snapshot / revert: snapshots are ever-growing ints; revert undoes all since. No commit is needed. */
    int (*snapshot)(void *ctx);
    void (*revert)(void *ctx, int snapshot);
    /* precompile: what stands at that address in this block: *id is 0 for none; else as enum builtin_id with its price. NULL: by rules. */
    void (*precompile)(void *ctx, const address *a, int *id, int *pricing, uint64_t *price_a, uint64_t *price_b);
};

/** evm_block: environment of the block (Yellow Paper: I_H). */
struct evm_block {
    uint64_t number, timestamp, gas_limit;
    address author;
    u256 difficulty; /* or PREVRANDAO when rules.eip4399 */
    u256 base_fee, blob_base_fee;
    uint64_t chain_id;
};

struct evm_tx {
    address origin;
    u256 gas_price;
    const hash32 *blob_hashes;
    size_t n_blob_hashes;
};

enum evm_kind { EVM_CALL, EVM_CREATE };

/** evm_message: the outermost message. For EVM_CREATE `recipient` is the address to create (the caller computed it), input is the init
 *  code; value is moved by the EVM, the sender's nonce is the caller's affair. */
struct evm_message {
    enum evm_kind kind;
    bool is_static;
    address sender, recipient;
    address code_address; /* EVM_CALL: whose code runs; normally = recipient */
    u256 value;
    uint64_t gas; /* at most 2^63-1 */
    bool is_boundless; /* gas does not count: it has 2^256-1, which is what GAS counts down from and GASLIMIT shows (Parity's calls by the system) */
    bytes input;
    bool no_transfer; /* ActionValue::Apparent: VALUE shows value, nothing moves */
};

struct evm_result {
    enum evm_outcome outcome;
    enum status host_status; /* with EVM_HOST_FAILURE */
    uint64_t gas_left;
    int64_t refund; /* counter at the end of a successful run; may be negative inside, never at the end */
    bytes output;   /* return or revert data; valid until the next run or evm_free */
};

/** evm_tracer: optional; every field may be NULL. step is called before each opcode. Running with a tracer is slower. */
struct evm_trace_step {
    uint64_t pc, gas, cost;
    uint8_t op;
    int depth; /* 1 is the outermost */
    const u256 *stack; /* n_stack words, top last */
    size_t n_stack;
    bytes memory;
    bytes return_data;
    int64_t refund;
    address self;
};
struct evm_trace_call {
    uint8_t op; /* CALL, CALLCODE, DELEGATECALL, STATICCALL, CREATE, CREATE2, SELFDESTRUCT; outermost: CALL or CREATE */
    int depth;
    address from, to, code_address;
    u256 value;
    uint64_t gas;
    bytes input;
};
struct evm_tracer {
    void *ctx;
    void (*step)(void *ctx, const struct evm_trace_step *s);
    void (*enter)(void *ctx, const struct evm_trace_call *c);
    void (*leave)(void *ctx, enum evm_outcome outcome, uint64_t gas_used, bytes output);
};

/** evm_precompile_by_rules: what stands at an address where no host says otherwise; *id is 0 for none */
void evm_precompile_by_rules(int *id, int *pricing, uint64_t *price_a, uint64_t *price_b, const struct rules *rules, const address *a);

struct evm;
/** evm_new: pooled memory for runs of one thread. cache_bytes bounds the analysis cache (0: default 16 MiB). */
MUST_CHECK enum status evm_new(struct evm **out, size_t cache_bytes);
void evm_free(struct evm *e);
/** evm_begin: set what stays for all messages of a block or transaction. Pointers are borrowed until the next evm_begin. */
void evm_begin(struct evm *e, const struct rules *rules, const struct evm_block *block, const struct evm_tx *tx,
               const struct evm_host *host, void *host_ctx, const struct evm_tracer *tracer);
void evm_run(struct evm_result *out, struct evm *e, const struct evm_message *msg);
/** evm_watch: is_over is asked now and then, in each thousand jumps or sixteen calls; true ends the run as EVM_HOST_FAILURE/E_CANCELLED. NULL: never. */
void evm_watch(struct evm *e, bool (*is_over)(void *ctx), void *ctx);
/** evm_ask: is_over is asked at the next jump back or call, whenever that is. From a tracer's functions. */
void evm_ask(struct evm *e);

#endif
