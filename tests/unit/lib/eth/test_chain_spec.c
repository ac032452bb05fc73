#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/codec/hex.h"
#include "lib/eth/chain_spec.h"
#include "tests/unit/vectors.h"

#include <jansson.h>

#include <cmocka.h>

/* A small valid spec; tests change one member each. */
static const char base_text[] =
    "{'name':'Test','engine':{'authorityRound':{'params':{'stepDuration':2,'validators':{'list':["
    "'0x0000000000000000000000000000000000000001']}}}},"
    "'params':{'networkID':'0x69','maximumExtraDataSize':'0x20','minGasLimit':'0x1388','gasLimitBoundDivisor':1024},"
    "'genesis':{'seal':{'authorityRound':{'step':'0x0','signature':'0x"
    "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000'}},"
    "'difficulty':'0x20000','gasLimit':'0x222222'},'accounts':{}}";

static json_t *load(const char *single_quoted)
{
    char *text = strdup(single_quoted);
    json_error_t e;
    assert_non_null(text);
    for (char *c = text; *c != '\0'; c++)
        if (*c == '\'') *c = '"';
    json_t *v = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &e);
    if (v == NULL) fail_msg("%s: %s", text, e.text);
    free(text);
    return v;
}

static const char *const names[] = {"E", "P", "G", "A"};
static const char *const paths[][4] = {{"engine", "authorityRound", "params"}, {"params"}, {"genesis"}, {"accounts"}};

/* where: "E.key" (engine's params), "P.key", "G.key", "A.key", or "key" at the top; value NULL removes it */
static void put(json_t *doc, const char *where, const char *value)
{
    json_t *at = doc;
    const char *key = where;
    if (where[0] != '\0' && where[1] == '.')
        for (size_t i = 0; i < COUNT_OF(names); i++)
            if (where[0] == names[i][0]) {
                for (size_t k = 0; k < 4 && paths[i][k] != NULL; k++)
                    at = json_object_get(at, paths[i][k]);
                key = where + 2;
            }
    if (value == NULL)
        assert_int_equal(json_object_del(at, key), 0);
    else
        assert_int_equal(json_object_set_new(at, key, load(value)), 0);
}

static enum status parse_doc(struct chain_spec *out, json_t *doc, struct err *err)
{
    char *text = json_dumps(doc, 0);
    assert_non_null(text);
    enum status s = chain_spec_parse(out, bytes_str(text), err);
    free(text);
    json_decref(doc);
    return s;
}

static struct chain_spec with(const char *where, const char *value)
{
    struct chain_spec spec;
    struct err err = {0};
    json_t *doc = load(base_text);
    if (where != NULL) put(doc, where, value);
    if (parse_doc(&spec, doc, &err) != OK) fail_msg("%s: %s", where, err_text(&err));
    return spec;
}

static address addr(const char *text)
{
    address a;
    assert_int_equal(address_get(&a, bytes_str(text)), OK);
    return a;
}

/* ---------------------------------------------------------------- defaults */

static void absent_keys_have_the_defaults_of_parity(void **state)
{
    (void)state;
    struct chain_spec s = with(NULL, NULL);
    assert_string_equal(s.name, "Test");
    assert_string_equal(s.data_dir, "Test");
    assert_string_equal(s.subprotocol, "eth");
    assert_int_equal(s.engine, ENGINE_AURA);
    assert_int_equal(s.network_id, 0x69);
    assert_int_equal(s.chain_id, 0x69);
    assert_int_equal(s.account_start_nonce, 0);
    assert_int_equal(s.maximum_extra_data_size, 32);
    assert_int_equal(s.min_gas_limit, 5000);
    assert_int_equal(s.gas_limit_bound_divisor, 1024);
    assert_false(s.has_max_code_size);
    assert_int_equal(s.max_transaction_size, 307200);
    assert_int_equal(s.eip210_gas, 1000000);
    assert_int_equal(s.eip210_contract.b[19], 0xf0);
    assert_int_equal(s.base_fee_initial.w[0], 1000000000);
    assert_int_equal(s.base_fee_denominator, 8);
    assert_int_equal(s.elasticity_multiplier, 2);
    assert_false(s.has_tx_permission_contract || s.has_node_permission_contract || s.has_registrar || s.has_fork_block);
    assert_false(s.has_fee_collector || s.has_base_fee_min);
#define X(field, key, def) assert_true(s.field == (uint64_t)(def));
    SPEC_TRANSITIONS(X)
#undef X
#define X(field, key) assert_true(s.field == TRANSITION_NEVER);
    SPEC_TIME_TRANSITIONS(X)
#undef X
    assert_int_equal(s.aura.n_step_duration, 1);
    assert_int_equal(s.aura.step_duration[0].at, 0);
    assert_int_equal(s.aura.step_duration[0].value, 2);
    assert_int_equal(s.aura.validators.kind, VALSET_LIST);
    assert_int_equal(s.aura.validators.n_list, 1);
    assert_false(s.aura.has_start_step || s.aura.immediate_transitions);
    assert_int_equal(s.aura.n_block_reward, 0);
    assert_int_equal(s.aura.validate_score_transition, 0);
    assert_int_equal(s.aura.validate_step_transition, 0);
    assert_true(s.aura.empty_steps_transition == TRANSITION_NEVER && s.aura.two_thirds_majority_transition == TRANSITION_NEVER);
    assert_true(s.genesis.seal_is_aura && s.genesis.step == 0 && s.genesis.gas_limit == 0x222222);
    assert_int_equal(s.genesis.difficulty.w[0], 0x20000);
    assert_int_equal(s.n_warnings, 0);
    chain_spec_fini(&s);
}

/* ------------------------------------------------------------ each key's effect */

static void every_transition_key_sets_its_field_in_each_form_of_a_number(void **state)
{
    (void)state;
    struct chain_spec s;
    char where[80];
#define X(field, key, def)                                                                         \
    (void)snprintf(where, sizeof where, "P.%s", key);                                              \
    s = with(where, "77");                                                                         \
    assert_true(s.field == 77);                                                                    \
    chain_spec_fini(&s);                                                                           \
    s = with(where, "'0x4d'");                                                                     \
    assert_true(s.field == 77);                                                                    \
    chain_spec_fini(&s);                                                                           \
    s = with(where, "'77'");                                                                       \
    assert_true(s.field == 77);                                                                    \
    chain_spec_fini(&s);                                                                           \
    s = with(where, "null");                                                                       \
    assert_true(s.field == (uint64_t)(def));                                                       \
    chain_spec_fini(&s);
    SPEC_TRANSITIONS(X)
#undef X
#define X(field, key)                                                                              \
    (void)snprintf(where, sizeof where, "P.%s", key);                                              \
    s = with(where, "'0x64b0f5a0'");                                                               \
    assert_true(s.field == 0x64b0f5a0);                                                            \
    chain_spec_fini(&s);
    SPEC_TIME_TRANSITIONS(X)
#undef X
}

static void every_other_key_of_params_sets_its_field(void **state)
{
    (void)state;
    struct chain_spec s;
    u256 want;
#define SETS(where, value, check)                                                                  \
    s = with((where), (value));                                                                    \
    assert_true(check);                                                                            \
    assert_int_equal(s.n_warnings, 0);                                                             \
    chain_spec_fini(&s)
    SETS("P.chainID", "5", s.chain_id == 5 && s.network_id == 0x69);
    SETS("P.chainID", "null", s.chain_id == 0x69);
    SETS("P.accountStartNonce", "'0x100000'", s.account_start_nonce == 0x100000);
    SETS("P.subprotocolName", "'exp'", strcmp(s.subprotocol, "exp") == 0);
    SETS("P.maxCodeSize", "24576", s.has_max_code_size && s.max_code_size == 24576);
    SETS("P.maxTransactionSize", "1000", s.max_transaction_size == 1000);
    SETS("P.transactionPermissionContract", "'0x0000000000000000000000000000000000000005'",
         s.has_tx_permission_contract && s.tx_permission_contract.b[19] == 5);
    SETS("P.nodePermissionContract", "'0x0000000000000000000000000000000000000006'",
         s.has_node_permission_contract && s.node_permission_contract.b[19] == 6);
    SETS("P.registrar", "'0000000000000000000000000000000000000007'", s.has_registrar && s.registrar.b[19] == 7);
    SETS("P.eip210ContractAddress", "'0x00000000000000000000000000000000000000aa'", s.eip210_contract.b[19] == 0xaa);
    SETS("P.eip210ContractCode", "'0x6001'", s.eip210_code.len == 2 && s.eip210_code.ptr[0] == 0x60);
    SETS("P.eip210ContractGas", "'9'", s.eip210_gas == 9);
    assert_int_equal(u256_get_hex(&want, bytes_str("0x123456789abcdef0123456789abcdef0")), OK);
    SETS("P.eip1559BaseFeeInitialValue", "'0x123456789abcdef0123456789abcdef0'", u256_eq(&s.base_fee_initial, &want));
    SETS("P.eip1559BaseFeeInitialValue", "0", u256_is_zero(&s.base_fee_initial));
    SETS("P.eip1559BaseFeeMaxChangeDenominator", "'0x10'", s.base_fee_denominator == 16);
    SETS("P.eip1559ElasticityMultiplier", "4", s.elasticity_multiplier == 4);
    SETS("P.eip1559BaseFeeMinValue", "7", s.has_base_fee_min && s.base_fee_min.w[0] == 7 && s.base_fee_min_transition == 0);
    SETS("P.eip1559FeeCollectorTransition", "7", s.fee_collector_transition == 7);
    SETS("dataDir", "'dir'", strcmp(s.data_dir, "dir") == 0 && strcmp(s.name, "Test") == 0);
    SETS("hardcodedSync", "{'header':'0x00','totalDifficulty':'1','CHTs':[]}", true);
    SETS("P.applyReward", "true", true);
    SETS("P.nonceCapIncrement", "'0x40'", true);
    SETS("P.remove_dust_contracts", "true", true);
    s = with("P.forkBlock", "'0x10'");
    assert_true(s.has_fork_block && s.fork_block == 16);
    assert_int_equal(s.n_warnings, 1);
    chain_spec_fini(&s);
}

static void every_key_of_the_engine_sets_its_field(void **state)
{
    (void)state;
    struct chain_spec s;
    SETS("E.stepDuration", "'5'", s.aura.step_duration[0].value == 5);
    SETS("E.stepDuration", "{'1000':9,'0':'0x3'}", s.aura.n_step_duration == 2 && s.aura.step_duration[0].value == 3 &&
                                                      s.aura.step_duration[1].at == 1000 && s.aura.step_duration[1].value == 9);
    SETS("E.startStep", "24", s.aura.has_start_step && s.aura.start_step == 24);
    SETS("E.validateScoreTransition", "'0x3e8'", s.aura.validate_score_transition == 1000);
    SETS("E.validateStepTransition", "150", s.aura.validate_step_transition == 150);
    SETS("E.immediateTransitions", "true", s.aura.immediate_transitions);
    SETS("E.blockReward", "'5000000'", s.aura.n_block_reward == 1 && s.aura.block_reward[0].value.w[0] == 5000000);
    SETS("E.blockReward", "{'0x64':7,'0':1}", s.aura.n_block_reward == 2 && s.aura.block_reward[1].at == 100 &&
                                                  s.aura.block_reward[1].value.w[0] == 7);
    SETS("E.maximumUncleCountTransition", "10", s.aura.maximum_uncle_count_transition == 10);
    SETS("E.maximumUncleCount", "5", s.aura.maximum_uncle_count == 5);
    SETS("E.emptyStepsTransition", "0", s.aura.empty_steps_transition == 1);
    SETS("E.emptyStepsTransition", "12", s.aura.empty_steps_transition == 12);
    SETS("E.maximumEmptySteps", "3", s.aura.maximum_empty_steps == 3);
    SETS("E.strictEmptyStepsTransition", "4", s.aura.strict_empty_steps_transition == 4);
    SETS("E.twoThirdsMajorityTransition", "9", s.aura.two_thirds_majority_transition == 9);
    SETS("E.posdaoTransition", "11", s.aura.posdao_transition == 11);
    SETS("E.blockRewardContractCode", "'0x6001'", s.aura.block_reward_contract_code.len == 2);
    SETS("E.blockRewardContractAddress", "'0x0000000000000000000000000000000000000042'",
         s.aura.n_block_reward_contract == 1 && s.aura.block_reward_contract[0].at == 0 && s.aura.block_reward_contract[0].value.b[19] == 0x42);
    SETS("E.blockRewardContractTransitions", "{'7':'0x0000000000000000000000000000000000000042'}",
         s.aura.n_block_reward_contract == 1 && s.aura.block_reward_contract[0].at == 7);
    SETS("E.randomnessContractAddress", "{'13391641':'0x8f2b78169B0970F11a762e56659Db52B59CBCf1B'}",
         s.aura.n_randomness_contract == 1 && s.aura.randomness_contract[0].at == 13391641 && s.aura.randomness_contract[0].value.b[0] == 0x8f);
    SETS("E.blockGasLimitContractTransitions", "{'10':'0x1000000000000000000000000000000000000001'}",
         s.aura.n_block_gas_limit_contract == 1 && s.aura.block_gas_limit_contract[0].value.b[0] == 0x10);
    SETS("E.rewriteBytecodeTransitions", "{'10':{'0x1000000000000000000000000000000000000001':'0x6000'}}",
         s.aura.n_rewrites == 1 && s.aura.rewrites[0].at == 10 && s.aura.rewrites[0].code.len == 2 && s.aura.rewrites[0].addr.b[0] == 0x10);
    SETS("E.validators", "{'safeContract':'0x0000000000000000000000000000000000000006'}",
         s.aura.validators.kind == VALSET_SAFE_CONTRACT && s.aura.validators.contract.b[19] == 6);
    SETS("E.validators", "{'contract':'0x0000000000000000000000000000000000000006'}", s.aura.validators.kind == VALSET_CONTRACT);
    SETS("E.validators",
         "{'multi':{'20':{'contract':'0x0000000000000000000000000000000000000006'},'0x0':{'list':['0x0000000000000000000000000000000000000009']},"
         "'3':{'safeContract':'0x0000000000000000000000000000000000000007'}}}",
         s.aura.validators.kind == VALSET_MULTI && s.aura.validators.n_multi == 3 && s.aura.validators.multi[0].block == 0 &&
             s.aura.validators.multi[0].set.kind == VALSET_LIST && s.aura.validators.multi[1].block == 3 &&
             s.aura.validators.multi[1].set.kind == VALSET_SAFE_CONTRACT && s.aura.validators.multi[2].block == 20);
    /* longer steps than Parity's 16 bits are cut, and say so */
    s = with("E.stepDuration", "70000");
    assert_int_equal(s.aura.step_duration[0].value, 65535);
    assert_int_equal(s.n_warnings, 1);
    assert_non_null(strstr(s.warnings[0], "engine.authorityRound.params.stepDuration: "));
    chain_spec_fini(&s);
}

static void the_reward_contracts_of_all_keys_make_one_list(void **state)
{
    (void)state;
    struct chain_spec s;
    struct err err = {0};
    json_t *doc = load(base_text);
    put(doc, "E.blockRewardContractAddress", "'0x0000000000000000000000000000000000000001'");
    put(doc, "E.blockRewardContractTransition", "10");
    put(doc, "E.blockRewardContractTransitions", "{'20':'0x0000000000000000000000000000000000000002'}");
    json_t *clash = json_deep_copy(doc);
    assert_int_equal(parse_doc(&s, doc, &err), OK);
    assert_int_equal(s.aura.n_block_reward_contract, 2);
    assert_int_equal(s.aura.block_reward_contract[0].at, 10);
    assert_int_equal(s.aura.block_reward_contract[1].at, 20);
    assert_int_equal(s.aura.block_reward_contract[1].value.b[19], 2);
    chain_spec_fini(&s);
    put(clash, "E.blockRewardContractTransition", "20");
    assert_int_equal(parse_doc(&s, clash, &err), E_INVALID);
    assert_non_null(strstr(err.text, "engine.authorityRound.params.blockRewardContractTransitions: "));
}

static void every_engine_of_parity_is_known(void **state)
{
    (void)state;
    struct chain_spec s;
    SETS("engine", "{'null':{'params':{}}}", s.engine == ENGINE_NULL);
    SETS("engine", "{'null':null}", s.engine == ENGINE_NULL);
    SETS("engine", "{'instantSeal':null}", s.engine == ENGINE_INSTANT_SEAL);
    SETS("engine", "{'instantSeal':{'params':{}}}", s.engine == ENGINE_INSTANT_SEAL);
    SETS("engine", "{'Ethash':{'params':{'minimumDifficulty':'0x20000'}}}", s.engine == ENGINE_ETHASH);
    SETS("engine", "{'clique':{'params':{'period':5,'epoch':30000}}}", s.engine == ENGINE_CLIQUE);
    SETS("engine", "{'basicAuthority':{'params':{'durationLimit':'0x0d','validators':{'list':['0x0000000000000000000000000000000000000001']}}}}",
         s.engine == ENGINE_BASIC_AUTHORITY && s.aura.validators.n_list == 1 && s.aura.step_duration[0].value == 13);
}

static void every_key_of_genesis_sets_its_field(void **state)
{
    (void)state;
    struct chain_spec s;
    SETS("G.author", "'0x0000000000000000000000000000000000000009'", s.genesis.author.b[19] == 9);
    SETS("G.timestamp", "'0x10'", s.genesis.timestamp == 16);
    SETS("G.gasUsed", "3", s.genesis.gas_used == 3);
    SETS("G.parentHash", "'0x0100000000000000000000000000000000000000000000000000000000000000'", s.genesis.parent_hash.b[0] == 1);
    SETS("G.extraData", "'0x010203'", s.genesis.extra.len == 3 && s.genesis.extra.ptr[2] == 3);
    SETS("G.extraData", "'0x'", s.genesis.extra.len == 0);
    SETS("G.baseFeePerGas", "'0x3b9aca00'", s.genesis.has_base_fee && s.genesis.base_fee.w[0] == 1000000000);
    SETS("G.stateRoot", "'0x0100000000000000000000000000000000000000000000000000000000000000'", true);
    SETS("G.transactionsRoot", "'0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421'", true);
    SETS("G.seal", "{'ethereum':{'nonce':'0x0000000000000042','mixHash':'0x0100000000000000000000000000000000000000000000000000000000000000'}}",
         s.genesis.seal_is_ethereum && !s.genesis.seal_is_aura && s.genesis.nonce[7] == 0x42 && s.genesis.mix_hash.b[0] == 1);
    SETS("G.seal", "{'generic':'0xc180'}", !s.genesis.seal_is_aura && s.genesis.seal_generic.len == 2);
    SETS("G.seal", "{'generic':'0x'}", s.genesis.seal_generic.len == 0);
    SETS("G.seal", "{'tendermint':{'round':'0x3','proposal':'0x"
                   "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
                   "','precommits':[]}}",
         s.genesis.seal_generic.len == 2 + 1 + 67 + 1 && s.genesis.seal_generic.ptr[2] == 3);
}

/* --------------------------------------------------------------- accounts */

static void accounts_are_sorted_and_hold_what_the_spec_gives(void **state)
{
    (void)state;
    struct chain_spec s = with("accounts", "{"
                                           "'0x00000000000000000000000000000000000000ff':{'balance':'1606938044258990275541962092341162602522202993782792835301376'},"
                                           "'0000000000000000000000000000000000000010':{'nonce':'0x100000','code':'0x6001','storage':{'0x1':'0x2','0':5}},"
                                           "'0x0000000000000000000000000000000000000002':{'balance':0,'constructor':'60ff','version':'0x0'}}");
    assert_int_equal(s.n_accounts, 3);
    const struct spec_account *a = s.accounts;
    assert_int_equal(a[0].addr.b[19], 2);
    assert_true(a[0].has_balance && u256_is_zero(&a[0].balance) && a[0].has_constructor && a[0].constructor.len == 2);
    assert_false(a[0].has_nonce || a[0].has_code || a[0].has_storage);
    assert_int_equal(a[1].addr.b[19], 0x10);
    assert_true(a[1].has_nonce && a[1].nonce.w[0] == 0x100000 && a[1].has_code && a[1].code.ptr[1] == 1 && a[1].has_storage);
    assert_int_equal(a[1].n_storage, 2);
    assert_int_equal(a[1].storage[0].key.b[31], 0);
    assert_int_equal(a[1].storage[0].value.b[31], 5);
    assert_int_equal(a[1].storage[1].value.b[31], 2);
    u256 want = u256_shl(U256_ONE, 200);
    assert_true(u256_eq(&a[2].balance, &want));
    chain_spec_fini(&s);
}

static void builtins_have_their_price_of_the_block_in_every_form(void **state)
{
    (void)state;
    static const struct {
        const char *builtin;
        uint64_t block;
        enum builtin_id id; /* BUILTIN_NONE: not active there */
        enum pricing_kind kind;
        uint64_t a, b;
    } t[] = {
        {"{'name':'ecrecover','pricing':{'linear':{'base':3000,'word':0}}}", 0, BUILTIN_ECRECOVER, PRICING_LINEAR, 3000, 0},
        {"{'name':'sha256','pricing':{'linear':{'base':'0x3c','word':'12'}}}", 9, BUILTIN_SHA256, PRICING_LINEAR, 60, 12},
        {"{'name':'modexp','activate_at':10,'pricing':{'modexp':{'divisor':20}}}", 9, BUILTIN_NONE, 0, 0, 0},
        {"{'name':'modexp','activate_at':10,'pricing':{'modexp':{'divisor':20}}}", 10, BUILTIN_MODEXP, PRICING_MODEXP, 20, 0},
        {"{'name':'modexp','pricing':{'0':{'price':{'modexp':{'divisor':20}}},'0x64':{'info':'EIP-2565','price':{'modexp2565':{}}}}}", 99,
         BUILTIN_MODEXP, PRICING_MODEXP, 20, 0},
        {"{'name':'modexp','pricing':{'0':{'price':{'modexp':{'divisor':20}}},'0x64':{'info':'EIP-2565','price':{'modexp2565':{}}}}}", 100,
         BUILTIN_MODEXP, PRICING_MODEXP, 3, 1},
        {"{'name':'alt_bn128_add','pricing':{'5':{'price':{'alt_bn128_const_operations':{'price':500}}}}}", 4, BUILTIN_NONE, 0, 0, 0},
        {"{'name':'alt_bn128_add','pricing':{'5':{'price':{'alt_bn128_const_operations':{'price':500}}}}}", 5, BUILTIN_BN_ADD, PRICING_BN_CONST, 500, 0},
        {"{'name':'alt_bn128_mul','pricing':{'linear':{'base':40000,'word':0}}}", 5, BUILTIN_BN_MUL, PRICING_LINEAR, 40000, 0},
        {"{'name':'alt_bn128_pairing','pricing':{'alt_bn128_pairing':{'base':100000,'pair':80000}}}", 0, BUILTIN_BN_PAIRING, PRICING_BN_PAIRING, 100000,
         80000},
        /* Parity 2.6 */
        {"{'name':'alt_bn128_mul','activate_at':2,'eip1108_transition':'0x7','pricing':{'alt_bn128_const_operations':{'price':40000,"
         "'eip1108_transition_price':6000}}}",
         6, BUILTIN_BN_MUL, PRICING_BN_CONST, 40000, 0},
        {"{'name':'alt_bn128_mul','activate_at':2,'eip1108_transition':'0x7','pricing':{'alt_bn128_const_operations':{'price':40000,"
         "'eip1108_transition_price':6000}}}",
         7, BUILTIN_BN_MUL, PRICING_BN_CONST, 6000, 0},
        {"{'name':'alt_bn128_pairing','eip1108_transition':3,'pricing':{'alt_bn128_pairing':{'base':100000,'pair':80000,"
         "'eip1108_transition_base':45000,'eip1108_transition_pair':34000}}}",
         3, BUILTIN_BN_PAIRING, PRICING_BN_PAIRING, 45000, 34000},
        {"{'name':'blake2_f','pricing':{'blake2_f':{'gas_per_round':1}}}", 0, BUILTIN_BLAKE2F, PRICING_BLAKE2F, 1, 0},
        {"{'name':'kzg_point_evaluation','pricing':{'fixed':{}}}", 0, BUILTIN_POINT_EVALUATION, PRICING_FIXED, 0, 0},
        {"{'name':'bls12_381_g1_add','pricing':{'fixed':{}}}", 0, BUILTIN_BLS_G1ADD, PRICING_FIXED, 0, 0},
        {"{'name':'bls12_381_g1_multiexp','pricing':{'bls12_g1_multiexp':{'base':12000}}}", 0, BUILTIN_BLS_G1MSM, PRICING_FIXED, 0, 0},
        {"{'name':'bls12_381_g1_msm','pricing':{'fixed':{}}}", 0, BUILTIN_BLS_G1MSM, PRICING_FIXED, 0, 0},
        {"{'name':'bls12_381_g2_add','pricing':{'bls12_const_operations':{'price':600}}}", 0, BUILTIN_BLS_G2ADD, PRICING_FIXED, 0, 0},
        {"{'name':'bls12_381_g2_msm','pricing':{'fixed':{}}}", 0, BUILTIN_BLS_G2MSM, PRICING_FIXED, 0, 0},
        {"{'name':'bls12_381_pairing','pricing':{'bls12_pairing':{'base':1,'pair':2}}}", 0, BUILTIN_BLS_PAIRING, PRICING_FIXED, 0, 0},
        {"{'name':'bls12_381_fp_to_g1','pricing':{'fixed':{}}}", 0, BUILTIN_BLS_MAP_FP, PRICING_FIXED, 0, 0},
        {"{'name':'bls12_381_fp2_to_g2','pricing':{'fixed':{}}}", 0, BUILTIN_BLS_MAP_FP2, PRICING_FIXED, 0, 0},
    };
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        char account[600];
        const struct builtin_price *p = NULL;
        address at = addr("0x0000000000000000000000000000000000000009"), other = addr("0x0000000000000000000000000000000000000008");
        (void)snprintf(account, sizeof account, "{'balance':'1','builtin':%s}", t[i].builtin);
        struct chain_spec s = with("A.0000000000000000000000000000000000000009", account);
        const struct spec_account *a = chain_spec_builtin(&p, &s, &at, t[i].block);
        if ((a != NULL) != (t[i].id != BUILTIN_NONE)) fail_msg("%s", t[i].builtin);
        if (a != NULL) {
            assert_int_equal(a->builtin, t[i].id);
            assert_int_equal(p->kind, t[i].kind);
            assert_int_equal(p->a, t[i].a);
            assert_int_equal(p->b, t[i].b);
        }
        assert_null(chain_spec_builtin(&p, &s, &other, t[i].block));
        assert_int_equal(s.n_warnings, 0);
        chain_spec_fini(&s);
    }
}

/* ------------------------------------------------------------------ errors */

static void every_wrong_value_is_an_error_with_its_path(void **state)
{
    (void)state;
#define EP "engine.authorityRound.params."
#define ADDR "'0x0000000000000000000000000000000000000001'"
    static const struct {
        const char *where, *value, *want;
    } t[] = {
        {"name", NULL, "name: is missing"},
        {"name", "null", "name: is required"},
        {"name", "5", "name: wants a string; here stands 5"},
        {"name", "''", "name: wants 1 to 63 characters"},
        {"name", "'0123456789012345678901234567890123456789012345678901234567890123'", "name: wants 1 to 63"},
        {"dataDir", "[]", "dataDir: wants a string; here stands an array"},
        {"engine", NULL, "engine: is missing"},
        {"engine", "{}", "engine: wants exactly one engine"},
        {"engine", "{'null':null,'clique':{}}", "engine: wants exactly one engine"},
        {"engine", "{'tendermint':{}}", "engine.tendermint: unknown engine"},
        {"engine", "{'authorityRound':{}}", "engine.authorityRound.params: is missing"},
        {"engine", "{'authorityRound':null}", "engine.authorityRound: wants an object; here stands null"},
        {"engine", "{'authorityRound':{'params':[]}}", "engine.authorityRound.params: wants an object"},
        {"E.stepDuration", NULL, EP "stepDuration: is missing"},
        {"E.stepDuration", "0", EP "stepDuration: must not be 0; here stands 0"},
        {"E.stepDuration", "'0x0'", EP "stepDuration: must not be 0"},
        {"E.stepDuration", "'fast'", EP "stepDuration: wants a number, \"0x...\" or a decimal string, of at most 64 bits; here stands \"fast\""},
        {"E.stepDuration", "-1", EP "stepDuration: wants a number"},
        {"E.stepDuration", "1.5", EP "stepDuration: wants a number"},
        {"E.stepDuration", "''", EP "stepDuration: wants a number"},
        {"E.stepDuration", "'0x10000000000000000'", EP "stepDuration: wants a number"},
        {"E.stepDuration", "{}", EP "stepDuration: wants the duration from timestamp 0 on"},
        {"E.stepDuration", "{'5':1}", EP "stepDuration: wants the duration from timestamp 0 on"},
        {"E.stepDuration", "{'0':1,'5':0}", EP "stepDuration.5: must not be 0"},
        {"E.stepDuration", "{'0':1,'x':2}", EP "stepDuration.x: wants a block number as key"},
        {"E.stepDuration", "{'0':1,'0x0':2}", EP "stepDuration.0"},
        {"E.validators", NULL, EP "validators: is missing"},
        {"E.validators", "{}", EP "validators: wants exactly one of"},
        {"E.validators", "{'list':[]}", EP "validators.list: wants at least one address"},
        {"E.validators", "{'list':{}}", EP "validators.list: wants an array"},
        {"E.validators", "{'list':[" ADDR ",'0x12']}", EP "validators.list[1]: wants \"0x\" and 40 hex digits; here stands \"0x12\""},
        {"E.validators", "{'list':[" ADDR "],'contract':" ADDR "}", EP "validators: wants exactly one of"},
        {"E.validators", "{'fancy':1}", EP "validators.fancy: unknown kind of set"},
        {"E.validators", "{'contract':7}", EP "validators.contract: wants \"0x\" and 40 hex digits; here stands 7"},
        {"E.validators", "{'safeContract':null}", EP "validators.safeContract: wants"},
        {"E.validators", "{'multi':{}}", EP "validators.multi: wants the set from block 0 on"},
        {"E.validators", "{'multi':{'1':{'list':[" ADDR "]}}}", EP "validators.multi: wants the set from block 0 on"},
        {"E.validators", "{'multi':{'0':{'multi':{}}}}", EP "validators.multi.0.multi: a multi set can't stand in another"},
        {"E.validators", "{'multi':{'0':{'list':['x']}}}", EP "validators.multi.0.list[0]: wants"},
        {"E.startStep", "true", EP "startStep: wants a number"},
        {"E.validateScoreTransition", "[]", EP "validateScoreTransition: wants a number"},
        {"E.validateStepTransition", "'x'", EP "validateStepTransition: wants a number"},
        {"E.immediateTransitions", "'true'", EP "immediateTransitions: wants true or false; here stands \"true\""},
        {"E.blockReward", "'0x10000000000000000000000000000000000000000000000000000000000000000'", EP "blockReward: wants a number"},
        {"E.blockReward", "{'0':'x'}", EP "blockReward.0: wants a number"},
        {"E.blockRewardContractAddress", "'0x'", EP "blockRewardContractAddress: wants"},
        {"E.blockRewardContractTransition", "'x'", EP "blockRewardContractTransition: wants"},
        {"E.blockRewardContractTransitions", "{'1':2}", EP "blockRewardContractTransitions.1: wants"},
        {"E.blockRewardContractCode", "'0x1'", EP "blockRewardContractCode: wants bytes in hex"},
        {"E.maximumUncleCount", "{}", EP "maximumUncleCount: wants a number"},
        {"E.maximumUncleCountTransition", "'-'", EP "maximumUncleCountTransition: wants a number"},
        {"E.emptyStepsTransition", "false", EP "emptyStepsTransition: wants a number"},
        {"E.maximumEmptySteps", "'z'", EP "maximumEmptySteps: wants a number"},
        {"E.strictEmptyStepsTransition", "'z'", EP "strictEmptyStepsTransition: wants a number"},
        {"E.twoThirdsMajorityTransition", "'z'", EP "twoThirdsMajorityTransition: wants a number"},
        {"E.posdaoTransition", "'z'", EP "posdaoTransition: wants a number"},
        {"E.randomnessContractAddress", ADDR, EP "randomnessContractAddress: wants an object"},
        {"E.blockGasLimitContractTransitions", "{'0':0}", EP "blockGasLimitContractTransitions.0: wants"},
        {"E.rewriteBytecodeTransitions", "{'0':{'x':'0x'}}", EP "rewriteBytecodeTransitions.0.x: wants an address as key"},
        {"E.rewriteBytecodeTransitions", "{'0':7}", EP "rewriteBytecodeTransitions.0: wants an object"},
        {"params", NULL, "params: is missing"},
        {"params", "[]", "params: wants an object"},
        {"P.networkID", NULL, "params.networkID: is missing"},
        {"P.networkID", "'#ETH_NETWORK_ID'", "params.networkID: wants a number, \"0x...\" or a decimal string, of at most 64 bits; here stands \"#ETH_NETWORK_ID\""},
        {"P.chainID", "'x'", "params.chainID: wants a number"},
        {"P.maximumExtraDataSize", NULL, "params.maximumExtraDataSize: is missing"},
        {"P.minGasLimit", NULL, "params.minGasLimit: is missing"},
        {"P.gasLimitBoundDivisor", NULL, "params.gasLimitBoundDivisor: is missing"},
        {"P.gasLimitBoundDivisor", "0", "params.gasLimitBoundDivisor: must not be 0"},
        {"P.subprotocolName", "'0123456789abcdef'", "params.subprotocolName: wants 1 to 15 characters"},
        {"P.maxCodeSize", "'z'", "params.maxCodeSize: wants a number"},
        {"P.maxTransactionSize", "'z'", "params.maxTransactionSize: wants a number"},
        {"P.transactionPermissionContract", "5", "params.transactionPermissionContract: wants"},
        {"P.nodePermissionContract", "'0x5'", "params.nodePermissionContract: wants"},
        {"P.registrar", "{}", "params.registrar: wants"},
        {"P.forkCanonHash", "'0x00'", "params.forkCanonHash: wants \"0x\" and 64 hex digits"},
        {"P.eip140Transition", "'0xg'", "params.eip140Transition: wants a number"},
        {"P.eip3651TransitionTimestamp", "'soon'", "params.eip3651TransitionTimestamp: wants a number"},
        {"P.eip1559BaseFeeMaxChangeDenominator", "0", "params.eip1559BaseFeeMaxChangeDenominator: must not be 0"},
        {"P.eip1559ElasticityMultiplier", "0", "params.eip1559ElasticityMultiplier: must not be 0"},
        {"P.eip1559BaseFeeInitialValue", "'x'", "params.eip1559BaseFeeInitialValue: wants a number"},
        {"P.eip1559FeeCollector", "1", "params.eip1559FeeCollector: wants"},
        {"P.eip210ContractCode", "'0xz0'", "params.eip210ContractCode: wants bytes in hex"},
        {"genesis", NULL, "genesis: is missing"},
        {"G.seal", NULL, "genesis.seal: is missing"},
        {"G.seal", "{}", "genesis.seal: wants exactly one of"},
        {"G.seal", "{'generic':'0x','ethereum':{}}", "genesis.seal: wants exactly one of"},
        {"G.seal", "{'authorityRound':{'step':0}}", "genesis.seal.authorityRound.signature: is missing"},
        {"G.seal", "{'authorityRound':{'step':0,'signature':'0x00'}}", "genesis.seal.authorityRound.signature: wants \"0x\" and 130 hex digits"},
        {"G.seal", "{'ethereum':{'nonce':'0x42'}}", "genesis.seal.ethereum.nonce: wants \"0x\" and 16 hex digits"},
        {"G.seal", "{'ethereum':{'nonce':'0x0000000000000042'}}", "genesis.seal.ethereum.mixHash: is missing"},
        {"G.seal", "{'generic':'0x80'}", "genesis.seal.generic: wants an RLP list"},
        {"G.seal", "{'generic':'0xc180c0'}", "genesis.seal.generic: wants an RLP list"},
        {"G.seal", "{'tendermint':{'round':0}}", "genesis.seal.tendermint.proposal: is missing"},
        {"G.difficulty", NULL, "genesis.difficulty: is missing"},
        {"G.difficulty", "'x'", "genesis.difficulty: wants a number"},
        {"G.gasLimit", "0", "genesis.gasLimit: must not be 0"},
        {"G.gasLimit", NULL, "genesis.gasLimit: is missing"},
        {"G.author", "'0x1'", "genesis.author: wants"},
        {"G.timestamp", "'now'", "genesis.timestamp: wants a number"},
        {"G.parentHash", "'0x'", "genesis.parentHash: wants"},
        {"G.extraData", "'0x0'", "genesis.extraData: wants bytes in hex"},
        {"G.stateRoot", "'0x0'", "genesis.stateRoot: wants"},
        {"G.transactionsRoot", "'0x0100000000000000000000000000000000000000000000000000000000000000'", "genesis.transactionsRoot: only the root of the empty trie"},
        {"accounts", NULL, "accounts: is missing"},
        {"accounts", "[]", "accounts: wants an object"},
        {"accounts", "{'0x12':{}}", "accounts.0x12: wants an address as key"},
        {"accounts", "{" ADDR ":5}", "accounts.0x0000000000000000000000000000000000000001: wants an object; here stands 5"},
        {"accounts", "{" ADDR ":{},'0000000000000000000000000000000000000001':{}}", "accounts: account 0x0000000000000000000000000000000000000001 stands twice"},
        {"A.0000000000000000000000000000000000000001", "{'balance':'1 ether'}", "accounts.0000000000000000000000000000000000000001.balance: wants a number"},
        {"A.0000000000000000000000000000000000000001", "{'nonce':'0x10000000000000000'}", ".nonce: wants a number"},
        {"A.0000000000000000000000000000000000000001", "{'code':'0x6'}", ".code: wants bytes in hex"},
        {"A.0000000000000000000000000000000000000001", "{'constructor':'#CONTRACT_BYTE_CODE'}", ".constructor: wants bytes in hex"},
        {"A.0000000000000000000000000000000000000001", "{'version':1}", ".version: account versions"},
        {"A.0000000000000000000000000000000000000001", "{'storage':{'x':1}}", ".storage.x: wants a number of at most 256 bits as key"},
        {"A.0000000000000000000000000000000000000001", "{'storage':{'1':'x'}}", ".storage.1: wants a number"},
        {"A.0000000000000000000000000000000000000001", "{'storage':{'1':1,'0x1':1}}", ".storage: a key stands twice"},
        {"A.0000000000000000000000000000000000000001", "{'builtin':{}}", ".builtin.name: is missing"},
        {"A.0000000000000000000000000000000000000001", "{'builtin':{'name':'ecrecover'}}", ".builtin.pricing: is missing"},
        {"A.0000000000000000000000000000000000000001", "{'builtin':{'name':'magic','pricing':{}}}", ".builtin.name: unknown builtin"},
        {"A.0000000000000000000000000000000000000001", "{'builtin':{'name':'sha256','pricing':{}}}", ".builtin.pricing: wants exactly one form"},
        {"A.0000000000000000000000000000000000000001", "{'builtin':{'name':'sha256','pricing':{'free':{}}}}", ".builtin.pricing.free: unknown pricing"},
        {"A.0000000000000000000000000000000000000001", "{'builtin':{'name':'sha256','pricing':{'linear':{'base':1}}}}", ".builtin.pricing.linear.word: is missing"},
        {"A.0000000000000000000000000000000000000001", "{'builtin':{'name':'sha256','pricing':{'blake2_f':{'gas_per_round':1}}}}", ".blake2_f: this pricing does not fit"},
        {"A.0000000000000000000000000000000000000001", "{'builtin':{'name':'modexp','pricing':{'modexp':{'divisor':0}}}}", ".modexp: the divisor must not be 0"},
        {"A.0000000000000000000000000000000000000001", "{'builtin':{'name':'modexp','pricing':{'0':{'info':'x'}}}}", ".pricing.0.price: is missing"},
        {"A.0000000000000000000000000000000000000001", "{'builtin':{'name':'modexp','pricing':{'0':{'price':{'linear':{'base':'x','word':0}}}}}}", ".pricing.0.price.linear.base: wants"},
        {"nodes", "{}", "nodes: wants an array"},
        {"nodes", "[5]", "nodes[0]: wants a string"},
    };
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        struct chain_spec s, before;
        struct err err = {0};
        memset(&s, 0xa5, sizeof s);
        before = s;
        json_t *doc = load(base_text);
        put(doc, t[i].where, t[i].value);
        enum status st = parse_doc(&s, doc, &err);
        if (st != E_INVALID || strstr(err.text, t[i].want) == NULL) fail_msg("%s %s: %s: %s", t[i].where, t[i].value, status_name(st), err.text);
        assert_memory_equal(&s, &before, sizeof s);
    }
}

static void text_that_is_no_json_object_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
        enum status s;
    } t[] = {
        {"", "line 1", E_DECODE},
        {"{", "line 1", E_DECODE},
        {"{\"name\":\"a\",\n\"name\":\"b\"}", "duplicate", E_DECODE},
        {"{} x", "end of file", E_DECODE},
        {"{\"name\":\"a\\u0000b\"}", "NUL", E_DECODE},
        {"[]", "(top): wants an object", E_INVALID},
        {"5", "(top): wants an object", E_INVALID},
    };
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        struct chain_spec s;
        struct err err = {0};
        enum status st = chain_spec_parse(&s, bytes_str(t[i].text), &err);
        if (st != t[i].s || strstr(err.text, t[i].want) == NULL) fail_msg("%s: %s %s", t[i].text, status_name(st), err.text);
    }
}

/* ---------------------------------------------------------------- warnings */

static void unknown_keys_and_keys_without_effect_are_warnings_with_their_path(void **state)
{
    (void)state;
    static const struct {
        const char *where, *value, *want;
    } t[] = {
        {"licence", "'MIT'", "licence: unknown key"},
        {"E.gasLimitBoundDivisor", "'0x400'", EP "gasLimitBoundDivisor: unknown key"},
        {"E.networkID", "'x'", EP "networkID: unknown key"},
        {"P.fancyTransition", "0", "params.fancyTransition: unknown key"},
        {"P.wasmActivationTransition", "0", "params.wasmActivationTransition: WebAssembly"},
        {"P.dustProtectionTransition", "5", "params.dustProtectionTransition: is not supported"},
        {"P.eip210Transition", "5", "params.eip210Transition: is not supported"},
        {"P.eip2537Transition", "5", "params.eip2537Transition: has no effect without"},
        {"P.eip2565Transition", "5", "params.eip2565Transition: has no effect without"},
        {"P.eip1559FeeCollector", ADDR, "params.eip1559FeeCollector: has no effect without eip1559FeeCollectorTransition"},
        {"P.forkBlock", "5", "params.forkBlock: has no effect without forkCanonHash"},
        {"P.eip86Transition", "5", "params.eip86Transition: EIP-86 was withdrawn"},
        {"G.hash", "5", "genesis.hash: unknown key"},
        {"A.0000000000000000000000000000000000000001", "{'wei':'1'}", "accounts.0000000000000000000000000000000000000001.wei: unknown key"},
        {"A.0000000000000000000000000000000000000001", "{'builtin':{'name':'sha256','pricing':{'linear':{'base':1,'word':2,'x':3}}}}", "pricing.linear.x: unknown key"},
        {"A.0000000000000000000000000000000000000001", "{'builtin':{'name':'sha256','y':1,'pricing':{'linear':{'base':1,'word':2}}}}", "builtin.y: unknown key"},
        {"nodes", "['enode://12@1.2.3.4:5']", "nodes[0]: enode URL: "},
    };
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        struct chain_spec s = with(t[i].where, t[i].value);
        if (s.n_warnings != 1 || strstr(s.warnings[0], t[i].want) == NULL)
            fail_msg("%s: %zu warnings, first: %s", t[i].where, s.n_warnings, s.n_warnings > 0 ? s.warnings[0] : "-");
        chain_spec_fini(&s);
    }
    /* never is never, however it is written */
    struct chain_spec s = with("P.wasmActivationTransition", "'0x7fffffffffffffff'");
    assert_int_equal(s.n_warnings, 0);
    chain_spec_fini(&s);
}

static void the_number_of_warnings_is_bounded(void **state)
{
    (void)state;
    struct chain_spec s;
    json_t *doc = load(base_text);
    for (int i = 0; i < 5000; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k%d", i);
        put(doc, key, "0");
    }
    assert_int_equal(parse_doc(&s, doc, NULL), OK);
    assert_true(s.n_warnings <= 200);
    assert_string_equal(s.warnings[s.n_warnings - 1], "further warnings are left out");
    chain_spec_fini(&s);
}

static void nodes_that_are_enode_urls_are_kept(void **state)
{
    (void)state;
    struct chain_spec s = with("nodes", "['enode://f11a0f80939b49a28bf99581da9b351a592ec1504b9d32a7dfda79b36510a891e96631239c4166e5c73368c21e9bb3241e7fd692"
                                        "9b899772e5a8fe9a7b7c3af6@45.77.52.149:30303','no']");
    assert_int_equal(s.n_nodes, 1);
    assert_int_equal(s.n_warnings, 1);
    chain_spec_fini(&s);
}

/* ------------------------------------------------------------------- rules */

static void rules_follow_the_transitions_and_the_sum_that_eip2200_is(void **state)
{
    (void)state;
    struct chain_spec s;
    struct rules r;
    struct err err = {0};
    json_t *doc = load(base_text);
    /* as on poacore: constantinople at 10, petersburg at 20, istanbul at 30, berlin at 40, london at 50 */
    static const char *const keys[][2] = {
        {"P.eip145Transition", "10"}, {"P.eip1014Transition", "10"}, {"P.eip1052Transition", "10"}, {"P.eip1283Transition", "10"},
        {"P.eip1283DisableTransition", "20"}, {"P.eip1283ReenableTransition", "30"}, {"P.eip1344Transition", "30"}, {"P.eip1706Transition", "30"},
        {"P.eip1884Transition", "30"}, {"P.eip2028Transition", "30"}, {"P.eip2929Transition", "40"}, {"P.eip2930Transition", "40"},
        {"P.eip1559Transition", "50"}, {"P.eip3198Transition", "50"}, {"P.eip3529Transition", "50"}, {"P.eip3541Transition", "50"},
        {"P.maxCodeSize", "1000"}, {"P.maxCodeSizeTransition", "5"}, {"P.eip3860TransitionTimestamp", "7000"}, {"P.eip98Transition", "0"},
        {"P.eip658Transition", "6"}, {"P.chainID", "99"},
    };
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        put(doc, keys[i][0], keys[i][1]);
    assert_int_equal(parse_doc(&s, doc, &err), OK);
    chain_spec_rules(&r, &s, 0, 0);
    assert_true(r.homestead && r.eip7 && r.eip150 && r.eip155 && r.eip160 && r.eip161 && r.fee_required && r.precompiles_by_spec);
    assert_false(r.eip170 || r.eip140 || r.eip145 || r.eip1283 || r.eip2200 || r.eip3860 || r.eip2718);
    assert_true(r.eip98 && !r.eip658);
    assert_int_equal(r.chain_id, 99);
    assert_int_equal(r.max_refund_quotient, 2);
    chain_spec_rules(&r, &s, 9, 6999);
    assert_true(r.eip170 && r.max_code_size == 1000 && r.eip658 && !r.eip98 && !r.eip1283 && !r.eip3860);
    chain_spec_rules(&r, &s, 10, 7000);
    assert_true(r.eip1283 && !r.eip2200 && r.eip145 && r.eip1014 && r.eip1052 && r.eip3860 && r.max_init_code_size == 2000);
    chain_spec_rules(&r, &s, 20, 0);
    assert_true(!r.eip1283 && !r.eip2200);
    chain_spec_rules(&r, &s, 30, 0);
    assert_true(r.eip2200 && !r.eip1283 && r.eip1706 && r.eip1884 && r.eip2028 && r.eip1344 && !r.eip2718);
    chain_spec_rules(&r, &s, 40, 0);
    assert_true(r.eip2929 && r.eip2930 && r.eip2718 && !r.eip1559);
    chain_spec_rules(&r, &s, 50, 0);
    assert_true(r.eip1559 && r.eip3198 && r.eip3529 && r.eip3541 && r.max_refund_quotient == 5 && !r.eip3607);
    chain_spec_fini(&s);
}

static void a_time_transition_switches_its_rule_as_a_number_does(void **state)
{
    (void)state;
    static const struct {
        const char *number_key, *time_key;
        size_t off;
    } t[] = {
#define T(eip, field) {"P." eip "Transition", "P." eip "TransitionTimestamp", offsetof(struct rules, field)}
        T("eip3651", eip3651), T("eip3855", eip3855), T("eip3860", eip3860), T("eip1153", eip1153), T("eip5656", eip5656),
        T("eip6780", eip6780), T("eip2537", eip2537), T("eip2935", eip2935), T("eip7623", eip7623), T("eip7702", eip7702),
#undef T
    };
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        struct rules r;
        struct chain_spec s = with(t[i].number_key, "100");
        chain_spec_rules(&r, &s, 99, UINT64_MAX - 1);
        assert_false(*((const bool *)&r + t[i].off));
        chain_spec_rules(&r, &s, 100, 0);
        assert_true(*((const bool *)&r + t[i].off));
        chain_spec_fini(&s);
        s = with(t[i].time_key, "100");
        chain_spec_rules(&r, &s, 1000000, 99);
        assert_false(*((const bool *)&r + t[i].off));
        chain_spec_rules(&r, &s, 0, 100);
        assert_true(*((const bool *)&r + t[i].off));
        chain_spec_fini(&s);
    }
}

/* -------------------------------------------------------------- all vectors */

static void check_file(void *ctx, const char *path)
{
    (void)ctx;
    struct buf text;
    struct chain_spec s;
    struct err err = {0};
    assert_true(vectors_read(&text, path));
    /* the placeholders of the original product's template stand for numbers and code */
    static const char *const placeholders[][2] = {
        {"#ETH_NETWORK_ID", "10101"}, {"#TRANSACTION_PERMISSION_CONTRACT", "0x6001"}, {"#CONTRACT_BYTE_CODE", "0x6002"}};
    for (size_t i = 0; i < COUNT_OF(placeholders); i++) {
        size_t from = strlen(placeholders[i][0]), to = strlen(placeholders[i][1]);
        for (char *p; (p = strstr(buf_cstr(&text), placeholders[i][0])) != NULL;) {
            size_t off = (size_t)((uint8_t *)p - text.ptr);
            memcpy(p, placeholders[i][1], to);
            memmove(p + to, p + from, text.len - off - from);
            text.len -= from - to;
        }
    }
    if (chain_spec_parse(&s, buf_view(&text), &err) != OK) fail_msg("%s: %s", path, err_text(&err));
    for (size_t i = 0; i < s.n_warnings; i++) {
        bool is_azure = strstr(path, "azure-poa-spec-template.json") != NULL;
        if (!is_azure) fail_msg("%s: %s", path, s.warnings[i]);
    }
    struct rules r;
    chain_spec_rules(&r, &s, 25000000, 0);
    chain_spec_fini(&s);
    buf_fini(&text);
}

static void every_spec_of_the_vectors_parses_without_a_warning(void **state)
{
    (void)state;
    char dir[512];
    if (!vectors_find(dir, sizeof dir, "chainspec")) skip();
    assert_true(vectors_each(dir, ".json", check_file, NULL) >= 14);
}

static struct chain_spec parse_vector(const char *name)
{
    char path[512];
    struct buf text;
    struct chain_spec s;
    struct err err = {0};
    if (!vectors_find(path, sizeof path, name)) skip();
    assert_true(vectors_read(&text, path));
    if (chain_spec_parse(&s, buf_view(&text), &err) != OK) fail_msg("%s: %s", path, err_text(&err));
    buf_fini(&text);
    return s;
}

static void the_spec_of_poasokol_says_what_it_says(void **state)
{
    (void)state;
    struct chain_spec s = parse_vector("chainspec/poasokol.json");
    struct rules r;
    const struct builtin_price *p;
    assert_string_equal(s.name, "POA Sokol");
    assert_string_equal(s.data_dir, "poasokol");
    assert_int_equal(s.network_id, 77);
    assert_int_equal(s.aura.validators.n_multi, 4);
    assert_int_equal(s.aura.validators.multi[1].block, 362296);
    assert_int_equal(s.aura.block_reward_contract[0].at, 4639000);
    assert_true(s.has_fee_collector && s.fee_collector_transition == 24114400);
    assert_int_equal(s.genesis.gas_limit, 0x663BE0);
    address pairing = addr("0x0000000000000000000000000000000000000008");
    assert_non_null(chain_spec_builtin(&p, &s, &pairing, 12095199));
    assert_int_equal(p->a, 100000);
    assert_non_null(chain_spec_builtin(&p, &s, &pairing, 12095200));
    assert_int_equal(p->b, 34000);
    chain_spec_rules(&r, &s, 7026399, 0);
    assert_true(r.eip1283 && !r.eip2200);
    chain_spec_rules(&r, &s, 7026400, 0);
    assert_true(!r.eip1283 && !r.eip2200);
    chain_spec_rules(&r, &s, 12095200, 0);
    assert_true(!r.eip1283 && r.eip2200);
    assert_false(r.eip170);
    chain_spec_fini(&s);
}

static void the_template_of_the_original_product_warns_of_its_misplaced_params(void **state)
{
    (void)state;
    char path[512];
    struct buf text;
    struct chain_spec s;
    struct err err = {0};
    if (!vectors_find(path, sizeof path, "chainspec/azure-poa-spec-template.json")) skip();
    assert_true(vectors_read(&text, path));
    assert_int_equal(chain_spec_parse(&s, buf_view(&text), &err), E_INVALID);
    assert_non_null(strstr(err.text, "params.networkID: "));
    buf_fini(&text);
    s = with("E.minGasLimit", "'0x2FAF080'");
    assert_int_equal(s.n_warnings, 1);
    assert_string_equal(s.warnings[0], "engine.authorityRound.params.minGasLimit: unknown key, ignored");
    chain_spec_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(absent_keys_have_the_defaults_of_parity),
        cmocka_unit_test(every_transition_key_sets_its_field_in_each_form_of_a_number),
        cmocka_unit_test(every_other_key_of_params_sets_its_field),
        cmocka_unit_test(every_key_of_the_engine_sets_its_field),
        cmocka_unit_test(the_reward_contracts_of_all_keys_make_one_list),
        cmocka_unit_test(every_engine_of_parity_is_known),
        cmocka_unit_test(every_key_of_genesis_sets_its_field),
        cmocka_unit_test(accounts_are_sorted_and_hold_what_the_spec_gives),
        cmocka_unit_test(builtins_have_their_price_of_the_block_in_every_form),
        cmocka_unit_test(every_wrong_value_is_an_error_with_its_path),
        cmocka_unit_test(text_that_is_no_json_object_is_refused),
        cmocka_unit_test(unknown_keys_and_keys_without_effect_are_warnings_with_their_path),
        cmocka_unit_test(the_number_of_warnings_is_bounded),
        cmocka_unit_test(nodes_that_are_enode_urls_are_kept),
        cmocka_unit_test(rules_follow_the_transitions_and_the_sum_that_eip2200_is),
        cmocka_unit_test(a_time_transition_switches_its_rule_as_a_number_does),
        cmocka_unit_test(every_spec_of_the_vectors_parses_without_a_warning),
        cmocka_unit_test(the_spec_of_poasokol_says_what_it_says),
        cmocka_unit_test(the_template_of_the_original_product_warns_of_its_misplaced_params),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
