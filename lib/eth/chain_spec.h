/* chain_spec.h: Parity's chain specification (reference/aura.md B7), read into one struct.
 *
 * Every key listed there is taken, also those of OpenEthereum 3.3.5 and Nethermind's names for later forks. An unknown key is a
 * warning by its JSON path; a wrong type or value is an error with its path, what stands there and what is allowed. Numbers may be
 * JSON numbers, "0x..." or decimal strings. A transition that is absent is TRANSITION_NEVER or its default.
 *
 * Transitions by time (Nethermind's eip4844TransitionTimestamp and its kind) are kept beside those by number. */
#ifndef LIB_ETH_CHAIN_SPEC_H
#define LIB_ETH_CHAIN_SPEC_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/eth/rules.h"
#include "lib/eth/types.h"

#define TRANSITION_NEVER UINT64_MAX

enum engine_kind { ENGINE_NULL, ENGINE_AURA, ENGINE_BASIC_AUTHORITY, ENGINE_INSTANT_SEAL, ENGINE_ETHASH, ENGINE_CLIQUE };

enum validator_set_kind { VALSET_LIST, VALSET_SAFE_CONTRACT, VALSET_CONTRACT, VALSET_MULTI };

struct validator_set_spec {
    enum validator_set_kind kind;
    address *list; /* VALSET_LIST */
    size_t n_list;
    address contract; /* VALSET_SAFE_CONTRACT, VALSET_CONTRACT */
    struct validator_set_at *multi; /* VALSET_MULTI, ascending by block, first is 0 */
    size_t n_multi;
};
struct validator_set_at {
    uint64_t block;
    struct validator_set_spec set; /* never VALSET_MULTI */
};

/* a map from a block number (or timestamp) to a number or an address, ascending */
struct at_u64 {
    uint64_t at, value;
};
struct at_u256 {
    uint64_t at;
    u256 value;
};
struct at_address {
    uint64_t at;
    address value;
};

/* OpenEthereum, Nethermind: code of an account that is replaced at the start of a block */
struct rewrite_code {
    uint64_t at;
    address addr;
    bytes code;
};

struct aura_params {
    struct at_u64 *step_duration; /* seconds; n >= 1; first at 0 */
    size_t n_step_duration;
    struct validator_set_spec validators;
    bool has_start_step;
    uint64_t start_step;
    uint64_t validate_score_transition, validate_step_transition;
    bool immediate_transitions;
    struct at_u256 *block_reward; /* n may be 0: no reward */
    size_t n_block_reward;
    struct at_address *block_reward_contract; /* by blockRewardContractAddress + Transition and ...Transitions */
    size_t n_block_reward_contract;
    bytes block_reward_contract_code; /* if not empty: used instead of an address, from blockRewardContractTransition on */
    uint64_t block_reward_contract_code_at;
    uint64_t maximum_uncle_count_transition, maximum_uncle_count;
    uint64_t empty_steps_transition, maximum_empty_steps, strict_empty_steps_transition;
    uint64_t two_thirds_majority_transition;
    struct at_address *randomness_contract, *block_gas_limit_contract;
    size_t n_randomness_contract, n_block_gas_limit_contract;
    uint64_t posdao_transition;
    struct rewrite_code *rewrites; /* ascending by at: rewriteBytecodeTransitions, rewriteBytecode */
    size_t n_rewrites;
};

enum builtin_id { BUILTIN_NONE, BUILTIN_ECRECOVER, BUILTIN_SHA256, BUILTIN_RIPEMD160, BUILTIN_IDENTITY, BUILTIN_MODEXP,
    BUILTIN_BN_ADD, BUILTIN_BN_MUL, BUILTIN_BN_PAIRING, BUILTIN_BLAKE2F, BUILTIN_POINT_EVALUATION,
    BUILTIN_BLS_G1ADD, BUILTIN_BLS_G1MSM, BUILTIN_BLS_G2ADD, BUILTIN_BLS_G2MSM, BUILTIN_BLS_PAIRING, BUILTIN_BLS_MAP_FP, BUILTIN_BLS_MAP_FP2 };
enum pricing_kind { PRICING_LINEAR /* a=base b=word */, PRICING_MODEXP /* a=divisor, b=1 for EIP-2565 */, PRICING_BN_CONST /* a=price */,
    PRICING_BN_PAIRING /* a=base b=pair */, PRICING_BLAKE2F /* a=per round */, PRICING_FIXED /* by the EIP itself */ };

struct builtin_price {
    uint64_t at; /* active from this block on */
    enum pricing_kind kind;
    uint64_t a, b;
};
struct spec_slot {
    hash32 key, value;
};
struct spec_account {
    address addr;
    bool has_balance, has_nonce, has_code, has_storage, has_constructor;
    u256 balance;
    u256 nonce; /* fits 64 bits, checked */
    bytes code, constructor;
    struct spec_slot *storage;
    size_t n_storage;
    enum builtin_id builtin; /* BUILTIN_NONE if it is none */
    struct builtin_price *prices; /* ascending by at */
    size_t n_prices;
};

/* X(field, "key", default): transitions by block number */
#define SPEC_TRANSITIONS(X)                                                                        \
    X(eip150, "eip150Transition", 0)                                                               \
    X(eip160, "eip160Transition", 0)                                                               \
    X(eip161abc, "eip161abcTransition", 0)                                                         \
    X(eip161d, "eip161dTransition", 0)                                                             \
    X(eip98, "eip98Transition", TRANSITION_NEVER)                                                  \
    X(eip155, "eip155Transition", 0)                                                               \
    X(validate_chain_id, "validateChainIdTransition", 0)                                           \
    X(validate_receipts, "validateReceiptsTransition", 0)                                          \
    X(eip140, "eip140Transition", TRANSITION_NEVER)                                                \
    X(eip210, "eip210Transition", TRANSITION_NEVER)                                                \
    X(eip211, "eip211Transition", TRANSITION_NEVER)                                                \
    X(eip214, "eip214Transition", TRANSITION_NEVER)                                                \
    X(eip145, "eip145Transition", TRANSITION_NEVER)                                                \
    X(eip658, "eip658Transition", TRANSITION_NEVER)                                                \
    X(eip1052, "eip1052Transition", TRANSITION_NEVER)                                              \
    X(eip1283, "eip1283Transition", TRANSITION_NEVER)                                              \
    X(eip1283_disable, "eip1283DisableTransition", TRANSITION_NEVER)                               \
    X(eip1283_reenable, "eip1283ReenableTransition", TRANSITION_NEVER)                             \
    X(eip1014, "eip1014Transition", TRANSITION_NEVER)                                              \
    X(eip1706, "eip1706Transition", TRANSITION_NEVER)                                              \
    X(eip1344, "eip1344Transition", TRANSITION_NEVER)                                              \
    X(eip1884, "eip1884Transition", TRANSITION_NEVER)                                              \
    X(eip2028, "eip2028Transition", TRANSITION_NEVER)                                              \
    X(eip2200_advance, "eip2200AdvanceTransition", TRANSITION_NEVER)                               \
    X(eip2200, "eip2200Transition", TRANSITION_NEVER)                                              \
    X(eip2565, "eip2565Transition", TRANSITION_NEVER)                                              \
    X(eip2315, "eip2315Transition", TRANSITION_NEVER)                                              \
    X(eip2929, "eip2929Transition", TRANSITION_NEVER)                                              \
    X(eip2930, "eip2930Transition", TRANSITION_NEVER)                                              \
    X(eip1559, "eip1559Transition", TRANSITION_NEVER)                                              \
    X(eip3198, "eip3198Transition", TRANSITION_NEVER)                                              \
    X(eip3529, "eip3529Transition", TRANSITION_NEVER)                                              \
    X(eip3541, "eip3541Transition", TRANSITION_NEVER)                                              \
    X(eip3607, "eip3607Transition", TRANSITION_NEVER)                                              \
    X(eip3651, "eip3651Transition", TRANSITION_NEVER)                                              \
    X(eip3855, "eip3855Transition", TRANSITION_NEVER)                                              \
    X(eip3860, "eip3860Transition", TRANSITION_NEVER)                                              \
    X(eip1153, "eip1153Transition", TRANSITION_NEVER)                                              \
    X(eip5656, "eip5656Transition", TRANSITION_NEVER)                                              \
    X(eip6780, "eip6780Transition", TRANSITION_NEVER)                                              \
    X(eip2537, "eip2537Transition", TRANSITION_NEVER)                                              \
    X(eip2935, "eip2935Transition", TRANSITION_NEVER)                                              \
    X(eip7623, "eip7623Transition", TRANSITION_NEVER)                                              \
    X(eip7702, "eip7702Transition", TRANSITION_NEVER)                                              \
    X(dust_protection, "dustProtectionTransition", TRANSITION_NEVER)                               \
    X(wasm_activation, "wasmActivationTransition", TRANSITION_NEVER)                               \
    X(wasm_disable, "wasmDisableTransition", TRANSITION_NEVER)                                     \
    X(kip4, "kip4Transition", TRANSITION_NEVER)                                                    \
    X(kip6, "kip6Transition", TRANSITION_NEVER)                                                    \
    X(tx_permission, "transactionPermissionContractTransition", 0)                                 \
    X(max_code_size_at, "maxCodeSizeTransition", 0)

/* X(field, "key"): transitions by timestamp (Nethermind's names), never if absent */
#define SPEC_TIME_TRANSITIONS(X)                                                                   \
    X(eip3651_time, "eip3651TransitionTimestamp")                                                  \
    X(eip3855_time, "eip3855TransitionTimestamp")                                                  \
    X(eip3860_time, "eip3860TransitionTimestamp")                                                  \
    X(eip4895_time, "eip4895TransitionTimestamp")                                                  \
    X(eip1153_time, "eip1153TransitionTimestamp")                                                  \
    X(eip4788_time, "eip4788TransitionTimestamp")                                                  \
    X(eip4844_time, "eip4844TransitionTimestamp")                                                  \
    X(eip5656_time, "eip5656TransitionTimestamp")                                                  \
    X(eip6780_time, "eip6780TransitionTimestamp")                                                  \
    X(eip2537_time, "eip2537TransitionTimestamp")                                                  \
    X(eip2935_time, "eip2935TransitionTimestamp")                                                  \
    X(eip6110_time, "eip6110TransitionTimestamp")                                                  \
    X(eip7002_time, "eip7002TransitionTimestamp")                                                  \
    X(eip7251_time, "eip7251TransitionTimestamp")                                                  \
    X(eip7623_time, "eip7623TransitionTimestamp")                                                  \
    X(eip7702_time, "eip7702TransitionTimestamp")

struct spec_genesis {
    u256 difficulty;
    uint64_t gas_limit, timestamp, gas_used;
    address author;
    hash32 parent_hash;
    bytes extra;
    bool seal_is_aura, seal_is_ethereum; /* else generic */
    uint64_t step;
    uint8_t signature[65];
    hash32 mix_hash;
    uint8_t nonce[8];
    bytes seal_generic; /* raw RLP list */
    bool has_base_fee;
    u256 base_fee;
};

struct chain_spec {
    char name[64], data_dir[64];
    enum engine_kind engine;
    struct aura_params aura;    /* ENGINE_AURA; ENGINE_BASIC_AUTHORITY: validators, and durationLimit as step_duration */
    uint64_t network_id, chain_id;
    char subprotocol[16];
    uint64_t account_start_nonce, maximum_extra_data_size, min_gas_limit, gas_limit_bound_divisor;
    bool has_max_code_size;
    uint64_t max_code_size, max_transaction_size;
    bool has_tx_permission_contract, has_node_permission_contract, has_registrar;
    address tx_permission_contract, node_permission_contract, registrar;
    bool has_fork_block;
    uint64_t fork_block;
    hash32 fork_canon_hash;
    address eip210_contract;
    bytes eip210_code;
    uint64_t eip210_gas;
    /* EIP-1559 on a chain of ours: eip1559BaseFeeInitialValue (default 1 gwei), eip1559BaseFeeMaxChangeDenominator 8,
     * eip1559ElasticityMultiplier 2, eip1559BaseFeeMinValue; a network with base fee 0 sets initial and keeps it 0 */
    u256 base_fee_initial, base_fee_min;
    bool has_base_fee_min;
    uint64_t base_fee_denominator, elasticity_multiplier;
    bool has_fee_collector;
    address fee_collector; /* eip1559FeeCollector */
    uint64_t fee_collector_transition; /* eip1559FeeCollectorTransition, never if absent */
    uint64_t base_fee_min_transition;  /* eip1559BaseFeeMinValueTransition, 0 if absent */
#define X(field, key, def) uint64_t field;
    SPEC_TRANSITIONS(X)
#undef X
#define X(field, key) uint64_t field;
    SPEC_TIME_TRANSITIONS(X)
#undef X
    struct spec_genesis genesis;
    struct spec_account *accounts; /* ascending by address */
    size_t n_accounts;
    size_t builtins_end; /* behind the last of them that is a builtin; 0: not known */
    char **nodes; /* enode URLs */
    size_t n_nodes;
    char **warnings; /* one line each */
    size_t n_warnings;
    hash32 digest;         /* keccak256 of the text: equal texts are one spec; zero: made by hand */
    struct arena arena; /* all the above but digest lives here */
};

/** chain_spec_parse: read a spec from JSON text.  ret OK | E_DECODE: no JSON | E_INVALID: err has the JSON path
 *  owns: release with chain_spec_fini */
MUST_CHECK enum status chain_spec_parse(struct chain_spec *out, bytes json, struct err *err);
void chain_spec_fini(struct chain_spec *spec);
/** chain_spec_rules: what is in force in the block with that number and timestamp. */
void chain_spec_rules(struct rules *out, const struct chain_spec *spec, uint64_t number, uint64_t timestamp);
/** Names of builtins in a spec: ecrecover sha256 ripemd160 identity modexp alt_bn128_add alt_bn128_mul alt_bn128_pairing blake2_f
 *  kzg_point_evaluation bls12_381_g1_add bls12_381_g1_multiexp (or _g1_msm) bls12_381_g2_add bls12_381_g2_multiexp (or _g2_msm)
 *  bls12_381_pairing bls12_381_fp_to_g1 bls12_381_fp2_to_g2. Pricing: linear{base,word} modexp{divisor} modexp2565{}
 *  alt_bn128_const_operations{price} alt_bn128_pairing{base,pair} blake2_f{gas_per_round} fixed{} (the EIP's own gas, as for
 *  bls12_const_operations, bls12_g1_multiexp, bls12_g2_multiexp, bls12_pairing), or a map block -> {info, price}. */
/** chain_spec_builtin: the precompile at an address in that block, or NULL; *price is the price in force. */
const struct spec_account *chain_spec_builtin(const struct builtin_price **price, const struct chain_spec *spec, const address *addr,
                                              uint64_t number);
/** aura_step_duration_at etc. live in node/aura. */

#endif
