/* rules.h: which EIPs are in force for one block. Parity's specs switch them one by one; named forks are presets.
 * A rule is a flag, so that a table of opcodes or gas can be derived from the flags alone. */
#ifndef LIB_ETH_RULES_H
#define LIB_ETH_RULES_H

#include "lib/base/bytes.h"
#include "lib/base/status.h"

/* X(field, what): one flag each, in the order of their history */
#define RULES_FLAGS(X)                                                                             \
    X(homestead, "EIP-2: contract creation 53000, failed code deposit is out of gas, low s")       \
    X(eip7, "DELEGATECALL")                                                                        \
    X(eip150, "gas costs for IO-heavy operations, 63/64 rule")                                     \
    X(eip155, "replay protection: chain id in v")                                                  \
    X(eip160, "EXP byte costs 50")                                                                 \
    X(eip161, "state clearing; new contracts begin with nonce 1")                                  \
    X(eip170, "code size limit (rules.max_code_size)")                                             \
    X(eip140, "REVERT")                                                                            \
    X(eip196_197, "bn254 precompiles at 6, 7, 8 (named forks)")                                    \
    X(eip198, "modexp precompile at 5 (named forks)")                                              \
    X(eip211, "RETURNDATASIZE, RETURNDATACOPY")                                                    \
    X(eip214, "STATICCALL")                                                                        \
    X(eip658, "receipt has a status")                                                              \
    X(eip98, "receipt has neither root nor status (Parity)")                                       \
    X(eip145, "SHL SHR SAR")                                                                       \
    X(eip1014, "CREATE2")                                                                          \
    X(eip1052, "EXTCODEHASH")                                                                      \
    X(eip1283, "net gas metering, first form")                                                     \
    X(eip1706, "SSTORE fails at or below the call stipend")                                        \
    X(eip152, "blake2f precompile at 9 (named forks)")                                             \
    X(eip1108, "bn254 repriced")                                                                   \
    X(eip1344, "CHAINID")                                                                          \
    X(eip1884, "SLOAD 800, BALANCE 700, EXTCODEHASH 700; SELFBALANCE")                             \
    X(eip2028, "calldata byte 16")                                                                 \
    X(eip2200, "net gas metering with SLOAD 800 and the stipend rule")                             \
    X(eip2565, "modexp repriced")                                                                  \
    X(eip2718, "typed transactions")                                                               \
    X(eip2929, "cold and warm access")                                                             \
    X(eip2930, "access lists (type 1)")                                                            \
    X(eip1559, "base fee, type 2")                                                                 \
    X(eip3198, "BASEFEE")                                                                          \
    X(eip3529, "refund at most a fifth, none for SELFDESTRUCT")                                    \
    X(eip3541, "no new code beginning with 0xef")                                                  \
    X(eip3607, "no transactions from accounts with code")                                          \
    X(eip4399, "PREVRANDAO in place of DIFFICULTY")                                                \
    X(eip3651, "warm coinbase")                                                                    \
    X(eip3855, "PUSH0")                                                                            \
    X(eip3860, "init code limit and 2 gas a word")                                                 \
    X(eip4895, "withdrawals")                                                                      \
    X(eip1153, "TLOAD TSTORE")                                                                     \
    X(eip4788, "beacon root contract, parentBeaconBlockRoot")                                      \
    X(eip4844, "blobs: type 3, BLOBHASH, point evaluation")                                        \
    X(eip5656, "MCOPY")                                                                            \
    X(eip6780, "SELFDESTRUCT only in the creating transaction")                                    \
    X(eip7516, "BLOBBASEFEE")                                                                      \
    X(eip2537, "BLS12-381 precompiles")                                                            \
    X(eip2935, "block hash history contract")                                                      \
    X(eip6110, "deposit requests")                                                                 \
    X(eip7002, "withdrawal requests")                                                              \
    X(eip7251, "consolidation requests")                                                           \
    X(eip7623, "calldata floor 10/40")                                                             \
    X(eip7685, "requestsHash")                                                                     \
    X(eip7691, "blob target 6, maximum 9")                                                         \
    X(eip7702, "set-code transactions (type 4)")                                                   \
    X(dust_protection, "Parity: nonce of new accounts grows with the block (unused, must be off)") \
    X(fee_required, "base fee and balance checks as on Ethereum; off only inside calls")           \
    X(precompiles_by_spec, "precompiles come from the spec's builtins, not from the flags")

struct rules {
#define X(field, what) bool field;
    RULES_FLAGS(X)
#undef X
    uint64_t max_code_size;      /* valid with eip170; 24576 on Ethereum */
    uint64_t max_init_code_size; /* valid with eip3860; 2 * max_code_size */
    uint64_t max_refund_quotient;/* 2, or 5 from EIP-3529 */
    uint64_t account_start_nonce;
    uint64_t chain_id;
};

/* Named forks, oldest first; each is the one before plus its EIPs. */
#define RULES_FORKS(X)                                                                             \
    X(FRONTIER, "Frontier")                                                                        \
    X(HOMESTEAD, "Homestead")                                                                      \
    X(EIP150, "EIP150")                                                                            \
    X(EIP158, "EIP158")                                                                            \
    X(BYZANTIUM, "Byzantium")                                                                      \
    X(CONSTANTINOPLE, "Constantinople")                                                            \
    X(PETERSBURG, "ConstantinopleFix")                                                             \
    X(ISTANBUL, "Istanbul")                                                                        \
    X(BERLIN, "Berlin")                                                                            \
    X(LONDON, "London")                                                                            \
    X(PARIS, "Merge")                                                                              \
    X(SHANGHAI, "Shanghai")                                                                        \
    X(CANCUN, "Cancun")                                                                            \
    X(PRAGUE, "Prague")

enum fork {
#define X(id, name) FORK_##id,
    RULES_FORKS(X)
#undef X
        FORK_N
};

/** fork_parse: a fork's name as the official tests spell it, or in lower case, or "Petersburg", "Paris".  ret OK | E_NOT_FOUND */
MUST_CHECK enum status fork_parse(enum fork *out, const char *name);
const char *fork_name(enum fork f);
/** rules_from_fork: the preset; chain_id 1, account_start_nonce 0. */
void rules_from_fork(struct rules *out, enum fork f);

#endif
