#include "lib/base/file.h"
#include "lib/codec/abi.h"
#include "lib/codec/hex.h"
#include "lib/codec/json.h"
#include "lib/eth/rules.h"
#include "lib/eth/units.h"
#include "orchestrator/genesis/genesis.h"

enum { CONSTRUCTOR_MAX = 1 << 20 };

/* Transitions that a fork adds: EIPs that make sense without a beacon chain (no withdrawals, blobs, requests). The names are Parity's,
 * OpenEthereum's and, from Shanghai on, Nethermind's. Istanbul's net gas metering is EIP-1283 + EIP-1706 + EIP-1884. */
static const struct {
    enum fork since;
    const char *key;
} transitions[] = {
    {FORK_FRONTIER, "eip150Transition"},     {FORK_FRONTIER, "eip155Transition"},      {FORK_FRONTIER, "eip160Transition"},
    {FORK_FRONTIER, "eip161abcTransition"},  {FORK_FRONTIER, "eip161dTransition"},     {FORK_FRONTIER, "validateChainIdTransition"},
    {FORK_FRONTIER, "validateReceiptsTransition"},
    {FORK_BYZANTIUM, "eip140Transition"},    {FORK_BYZANTIUM, "eip211Transition"},     {FORK_BYZANTIUM, "eip214Transition"},
    {FORK_BYZANTIUM, "eip658Transition"},    {FORK_ISTANBUL, "eip145Transition"},      {FORK_ISTANBUL, "eip1014Transition"},
    {FORK_ISTANBUL, "eip1052Transition"},    {FORK_ISTANBUL, "eip1283Transition"},     {FORK_ISTANBUL, "eip1706Transition"},
    {FORK_ISTANBUL, "eip1344Transition"},    {FORK_ISTANBUL, "eip1884Transition"},     {FORK_ISTANBUL, "eip2028Transition"},
    {FORK_BERLIN, "eip2565Transition"},      {FORK_BERLIN, "eip2929Transition"},       {FORK_BERLIN, "eip2930Transition"},
    {FORK_LONDON, "eip1559Transition"},      {FORK_LONDON, "eip3198Transition"},       {FORK_LONDON, "eip3529Transition"},
    {FORK_LONDON, "eip3541Transition"},      {FORK_LONDON, "eip3607Transition"},       {FORK_SHANGHAI, "eip3651Transition"},
    {FORK_SHANGHAI, "eip3855Transition"},    {FORK_SHANGHAI, "eip3860Transition"},     {FORK_CANCUN, "eip1153Transition"},
    {FORK_CANCUN, "eip5656Transition"},      {FORK_CANCUN, "eip6780Transition"},       {FORK_PRAGUE, "eip2537Transition"},
    {FORK_PRAGUE, "eip2935Transition"},      {FORK_PRAGUE, "eip7623Transition"},       {FORK_PRAGUE, "eip7702Transition"},
};

static void set_text(json_t *o, const char *key, const char *value)
{
    json_object_set_new(o, key, json_string(value));
}

static void set_quantity(json_t *o, const char *key, uint64_t v)
{
    char text[19];
    hex_put_quantity(text, v);
    set_text(o, key, text);
}

static json_t *make_params(const struct spec_plan *p, enum fork fork, bool azure_2018, bool has_permission)
{
    json_t *o = json_object();
    uint64_t network = SETTING_INT_OF(p->settings, network_id);
    set_text(o, "gasLimitBoundDivisor", "0x400");
    set_text(o, "maximumExtraDataSize", "0x2a");
    set_quantity(o, "minGasLimit", SETTING_INT_OF(p->settings, gas_limit));
    set_quantity(o, "networkID", network);
    if (has_permission) set_text(o, "transactionPermissionContract", azure_2018 ? "0x0000000000000000000000000000000000000005" : PERMISSION_CONTRACT_ADDRESS);
    if (azure_2018) {
        static const char *const four[] = {"eip140Transition", "eip211Transition", "eip214Transition", "eip658Transition"};
        for (size_t i = 0; i < COUNT_OF(four); i++)
            set_text(o, four[i], "0x0");
    } else {
        set_quantity(o, "chainID", network);
        set_text(o, "accountStartNonce", "0x0");
        for (size_t i = 0; i < COUNT_OF(transitions); i++)
            if (transitions[i].since <= fork) set_text(o, transitions[i].key, "0x0");
        if (fork >= FORK_LONDON) {
            /* A base fee of zero that stays zero: the formula raises a fee by at least 1 when a block uses more gas than its target, so the
             * target must be the whole block: elasticity 1 (SPEC EIP-1559) */
            set_text(o, "eip1559BaseFeeInitialValue", "0x0");
            set_text(o, "eip1559ElasticityMultiplier", "0x1");
            set_text(o, "eip1559BaseFeeMaxChangeDenominator", "0x8");
        }
    }
    json_object_set_new(o, "maxCodeSize", json_integer(49152));
    set_text(o, "maxCodeSizeTransition", "0x0");
    return o;
}

static json_t *linear(uint64_t base, uint64_t word)
{
    return json_pack("{s:{s:I, s:I}}", "linear", "base", (json_int_t)base, "word", (json_int_t)word);
}

static void add_builtin(json_t *accounts, unsigned at, const char *name, json_t *pricing)
{
    char key[43];
    address a = {{0}};
    a.b[19] = (uint8_t)at;
    address_put(key, &a);
    json_object_set_new(accounts, key, json_pack("{s:s, s:{s:s, s:o}}", "balance", "1", "builtin", "name", name, "pricing", pricing));
}

static json_t *bn_const(uint64_t price)
{
    return json_pack("{s:{s:I}}", "alt_bn128_const_operations", "price", (json_int_t)price);
}

static void add_builtins(json_t *accounts, enum fork fork, bool four_only)
{
    add_builtin(accounts, 1, "ecrecover", linear(3000, 0));
    add_builtin(accounts, 2, "sha256", linear(60, 12));
    add_builtin(accounts, 3, "ripemd160", linear(600, 120));
    add_builtin(accounts, 4, "identity", linear(15, 3));
    if (four_only) return;
    bool istanbul = fork >= FORK_ISTANBUL;
    if (fork >= FORK_BERLIN) add_builtin(accounts, 5, "modexp", json_pack("{s:{}}", "modexp2565"));
    else add_builtin(accounts, 5, "modexp", json_pack("{s:{s:i}}", "modexp", "divisor", 20));
    add_builtin(accounts, 6, "alt_bn128_add", bn_const(istanbul ? 150 : 500));
    add_builtin(accounts, 7, "alt_bn128_mul", bn_const(istanbul ? 6000 : 40000));
    add_builtin(accounts, 8, "alt_bn128_pairing",
                json_pack("{s:{s:i, s:i}}", "alt_bn128_pairing", "base", istanbul ? 45000 : 100000, "pair", istanbul ? 34000 : 80000));
    if (istanbul) add_builtin(accounts, 9, "blake2_f", json_pack("{s:{s:i}}", "blake2_f", "gas_per_round", 1));
    if (fork < FORK_PRAGUE) return;
    static const char *const bls[] = {"bls12_381_g1_add", "bls12_381_g1_msm", "bls12_381_g2_add",    "bls12_381_g2_msm",
                                      "bls12_381_pairing", "bls12_381_fp_to_g1", "bls12_381_fp2_to_g2"};
    static const char *const pricing[] = {"bls12_const_operations", "bls12_g1_multiexp", "bls12_const_operations", "bls12_g2_multiexp",
                                          "bls12_pairing",          "bls12_const_operations", "bls12_const_operations"};
    for (unsigned i = 0; i < COUNT_OF(bls); i++)
        add_builtin(accounts, 0x0b + i, bls[i], json_pack("{s:{}}", pricing[i]));
}

static enum status add_allocations(json_t *accounts, const struct settings *s, struct err *err)
{
    char *copy = strdup(SETTING(s, alloc)), *save = NULL;
    if (copy == NULL) return E_NOMEM;
    enum status st = OK;
    for (char *item = strtok_r(copy, ",", &save); st == OK && item != NULL; item = strtok_r(NULL, ",", &save)) {
        char *eq = strchr(item, '='), key[43], text[67];
        address a;
        u256 wei;
        if (eq == NULL || address_get(&a, bytes_make(item, (size_t)(eq - item))) != OK || units_get_wei(&wei, bytes_str(eq + 1)) != OK)
            BUG("an allocation was not checked");
        address_put(key, &a);
        if (json_object_get(accounts, key) != NULL)
            st = err_set(err, E_INVALID, "--alloc (ethereum.alloc): %s is named twice, or is one of the network's own accounts", key);
        u256_put_hex(text, &wei);
        json_object_set_new(accounts, key, json_pack("{s:s}", "balance", text));
    }
    free(copy);
    return st;
}

/* creation code followed by the ABI of (address admin, address[] validators, uint256 capacity, string alias) */
static enum status make_constructor(json_t **out, const struct spec_plan *p, struct err *err)
{
    struct buf code, text;
    buf_init(&code, CONSTRUCTOR_MAX);
    buf_init(&text, 2 * CONSTRUCTOR_MAX + 3);
    enum status s = hex_get(&code, bytes_str(p->artifact->bytecode));
    struct abi_writer w = abi_begin(&code, 4);
    abi_put_address(&w, p->admin.b);
    abi_put_addresses(&w, (const uint8_t *)p->validators, p->n_validators);
    abi_put_u64(&w, p->capacity);
    abi_put_bytes(&w, bytes_str(SETTING(p->settings, alias)));
    abi_end(&w);
    if (s == OK) s = buf_status(&code);
    if (s != OK) s = err_set(err, s, "building the governance contract's constructor: %s", status_text(s));
    hex_append(&text, buf_view(&code));
    if (s == OK) s = buf_status(&text);
    if (s == OK) *out = json_stringn((const char *)text.ptr, text.len);
    buf_fini(&text);
    buf_fini(&code);
    return s;
}

static enum status add_contracts(json_t *accounts, const struct spec_plan *p, bool azure_2018, struct err *err)
{
    json_t *constructor = NULL;
    enum status s = make_constructor(&constructor, p, err);
    if (s != OK) return s;
    json_object_set_new(accounts, azure_2018 ? "0x0000000000000000000000000000000000000006" : ADMIN_CONTRACT_ADDRESS,
                        json_pack("{s:s, s:o}", "balance", "0", "constructor", constructor));
    const char *file = SETTING(p->settings, tx_permission);
    if (*file == '\0') return OK;
    struct buf text, code;
    buf_init(&text, 4 * CONSTRUCTOR_MAX);
    buf_init(&code, CONSTRUCTOR_MAX);
    s = file_read(&text, file, err);
    while (s == OK && text.len > 0 && text.ptr[text.len - 1] <= ' ')
        text.len--;
    if (s == OK && (hex_get(&code, buf_view(&text)) != OK || code.len == 0))
        s = err_set(err, E_INVALID, "--tx-permission (ethereum.transactionPermissionContract): %s must hold the bytecode as hexadecimal digits", file);
    buf_clear(&text);
    hex_append(&text, buf_view(&code));
    if (s == OK)
        json_object_set_new(accounts, azure_2018 ? "0x0000000000000000000000000000000000000005" : PERMISSION_CONTRACT_ADDRESS,
                            json_pack("{s:s, s:o}", "balance", "0", "constructor", json_stringn((const char *)text.ptr, text.len)));
    buf_fini(&code);
    buf_fini(&text);
    return s;
}

/* SPEC(EIP-2935): the history contract's code and nonce; without it the system call at the start of a block has nowhere to go */
static void add_history_contract(json_t *accounts)
{
    json_object_set_new(accounts, "0x0000f90827f1c53a10cb7a02335b175320002935",
                        json_pack("{s:s, s:s, s:s}", "balance", "0", "nonce", "0x1", "code",
                                  "0x3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f35600143038111604257611fff81430311604257"
                                  "611fff9006545f5260205ff35b5f5ffd5b5f35611fff60014303065500"));
}

enum status spec_json_make(struct buf *out, const struct spec_plan *p, struct err *err)
{
    enum fork fork;
    bool azure_2018 = strcmp(SETTING(p->settings, compat), "azure-2018") == 0;
    if (fork_parse(&fork, SETTING(p->settings, evm)) != OK) BUG("the setting evm names no fork");
    json_t *params = make_params(p, fork, azure_2018, *SETTING(p->settings, tx_permission) != '\0');
    json_t *accounts = json_object();
    add_builtins(accounts, fork, azure_2018);
    if (!azure_2018 && fork >= FORK_PRAGUE) add_history_contract(accounts);
    enum status s = add_contracts(accounts, p, azure_2018, err);
    if (s == OK) s = add_allocations(accounts, p->settings, err);

    char zeros[2 + 130 + 1] = "0x", gas[19], time_text[19];
    memset(zeros + 2, '0', 130);
    hex_put_quantity(gas, SETTING_INT_OF(p->settings, gas_limit));
    hex_put_quantity(time_text, p->genesis_time);
    json_t *genesis = json_pack("{s:{s:{s:s, s:s}}, s:s, s:s}", "seal", "authorityRound", "step", "0x0", "signature", zeros, "difficulty", "0x20000",
                                "gasLimit", gas);
    if (p->genesis_time != 0) set_text(genesis, "timestamp", time_text);
    if (!azure_2018 && fork >= FORK_LONDON) set_text(genesis, "baseFeePerGas", "0x0");
    json_t *engine = json_pack("{s:{s:{s:s, s:{s:s}}}}", "authorityRound", "params", "stepDuration", SETTING(p->settings, step), "validators",
                               "safeContract", azure_2018 ? "0x0000000000000000000000000000000000000006" : ADMIN_CONTRACT_ADDRESS);
    if (!azure_2018) {
        json_t *ep = json_object_get(json_object_get(engine, "authorityRound"), "params");
        static const char *const zero[] = {"validateScoreTransition", "validateStepTransition", "maximumUncleCountTransition", "maximumUncleCount", "blockReward"};
        for (size_t i = 0; i < COUNT_OF(zero); i++)
            set_text(ep, zero[i], "0x0");
    }
    json_t *doc = json_pack("{s:s, s:o, s:o, s:o, s:o}", "name", "PoA", "engine", engine, "params", params, "genesis", genesis, "accounts", accounts);
    char *text = doc == NULL ? NULL : json_dumps(doc, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    json_decref(doc);
    if (s == OK && text == NULL) s = err_set(err, E_NOMEM, "no memory for the chain specification");
    if (s == OK) {
        buf_put_str(out, text);
        buf_put_u8(out, '\n');
        s = buf_status(out);
    }
    free(text);
    return s;
}

static enum status contract_of(address *out, const json_t *set)
{
    static const char *const keys[] = {"safeContract", "contract"};
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        const char *text = json_string_value(json_object_get(set, keys[i]));
        if (text != NULL) return address_get(out, bytes_str(text));
    }
    return E_NOT_FOUND;
}

enum status spec_json_contract_address(address *out, const json_t *spec)
{
    json_t *params = json_object_get(json_object_get(json_object_get(spec, "engine"), "authorityRound"), "params");
    json_t *set = json_object_get(params, "validators"), *multi = json_object_get(set, "multi"), *one;
    if (multi == NULL) return contract_of(out, set);
    enum status s = E_NOT_FOUND;
    unsigned long long best = 0;
    const char *key;
    json_object_foreach(multi, key, one)
    {
        address a;
        unsigned long long at = strtoull(key, NULL, 0);
        if (contract_of(&a, one) == OK && (s != OK || at >= best)) {
            *out = a;
            best = at;
            s = OK;
        }
    }
    return s;
}
