/* The top level, params and genesis of a spec; what they mean for a block. Engine and accounts have files of their own. */
#include "lib/eth/chain_spec.h"

#include "lib/codec/rlp.h"
#include "lib/crypto/keccak.h"
#include "lib/eth/chain_spec_priv.h"
#include "lib/eth/enode.h"

enum { WARNINGS_MAX = 200 };

/* ----------------------------------------------------------------- reader */

enum status spec_nomem(struct spec_reader *r)
{
    return err_set(r->err, E_NOMEM, "chain spec: out of memory");
}

void spec_warn(struct spec_reader *r, const struct json_at *at, const char *fmt, ...)
{
    struct chain_spec *s = r->spec;
    if (s->n_warnings == WARNINGS_MAX) return;
    if (s->n_warnings == r->cap_warnings) {
        size_t cap = r->cap_warnings == 0 ? 16 : 2 * r->cap_warnings;
        char **more = arena_zalloc(r->a, cap, sizeof *more);
        if (more == NULL) return;
        if (s->n_warnings > 0) memcpy(more, s->warnings, s->n_warnings * sizeof *more);
        s->warnings = more;
        r->cap_warnings = cap;
    }
    char path[400], text[400];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    json_at_path(path, sizeof path, at);
    char *line = s->n_warnings == WARNINGS_MAX - 1 ? arena_strdup(r->a, "further warnings are left out")
                                                   : arena_printf(r->a, "%s: %s", path, text);
    if (line != NULL) s->warnings[s->n_warnings++] = line;
}

enum status spec_u256(u256 *out, struct spec_reader *r, const struct json_at *at)
{
    uint8_t be[32];
    enum status s = json_at_uint(be, sizeof be, at, r->err);
    if (s == OK) *out = u256_from_be(be);
    return s;
}

enum status spec_address(address *out, struct spec_reader *r, const struct json_at *at)
{
    return json_at_fixed(out->b, sizeof out->b, at, r->err);
}

enum status spec_bytes(bytes *out, struct spec_reader *r, const struct json_at *at)
{
    struct buf b;
    buf_init(&b, SIZE_MAX / 2); /* half of the text's length, which is in memory already */
    enum status s = json_at_bytes(&b, at, r->err);
    if (s == OK) {
        bytes copy = arena_copy(r->a, buf_view(&b));
        if (copy.ptr == NULL)
            s = spec_nomem(r);
        else
            *out = copy;
    }
    buf_fini(&b);
    return s;
}

static int entry_cmp(const void *a, const void *b)
{
    const struct spec_entry *x = a, *y = b;
    return x->at < y->at ? -1 : x->at > y->at;
}

enum status spec_map(struct spec_entry **out, size_t *n, struct spec_reader *r, const struct json_at *at)
{
    enum status s = json_at_object(at, r->err);
    if (s != OK) return s;
    size_t count = json_object_size(at->value), i = 0;
    struct spec_entry *e = arena_zalloc(r->a, count, sizeof *e);
    if (e == NULL) return spec_nomem(r);
    void *iter = NULL;
    for (struct json_at v; json_at_next(&v, at, &iter); i++) {
        uint8_t be[8];
        if (!json_uint_of_text(be, sizeof be, bytes_str(v.key)))
            return json_at_fail(&v, r->err, "wants a block number as key, not \"%.40s\"", v.key);
        e[i] = (struct spec_entry){.at = be64_get(be), .value = v};
    }
    qsort(e, count, sizeof *e, entry_cmp);
    for (i = 1; i < count; i++)
        if (e[i].at == e[i - 1].at) return json_at_fail(&e[i].value, r->err, "this number stands twice");
    *out = e;
    *n = count;
    return OK;
}

static enum status read_field(struct spec_reader *r, void *base, const struct json_at *at, const struct spec_field *f)
{
    void *dst = (uint8_t *)base + f->off;
    switch (f->kind) {
    case FIELD_U64:
        return json_at_u64(dst, at, r->err);
    case FIELD_U256:
        return spec_u256(dst, r, at);
    case FIELD_BOOL:
        return json_at_bool(dst, at, r->err);
    case FIELD_ADDRESS:
        return spec_address(dst, r, at);
    case FIELD_HASH:
        return json_at_fixed(dst, sizeof(hash32), at, r->err);
    case FIELD_BYTES:
        return spec_bytes(dst, r, at);
    case FIELD_CALL:
        return f->call(r, base, at);
    case FIELD_IGNORED:
        return OK;
    }
    BUG("field kind");
}

enum status spec_fields(struct spec_reader *r, void *base, const struct json_at *at, const struct spec_field *fields, size_t n)
{
    enum status s = json_at_object(at, r->err);
    void *iter = NULL;
    struct json_at v;
    while (s == OK && json_at_next(&v, at, &iter)) {
        size_t i = 0;
        while (i < n && strcmp(fields[i].key, v.key) != 0)
            i++;
        if (i == n) {
            spec_warn(r, &v, "unknown key, ignored");
            continue;
        }
        if (json_at_is_null(&v)) continue;
        s = read_field(r, base, &v, &fields[i]);
        if (s == OK && fields[i].has_off != NO_FLAG) *(bool *)((uint8_t *)base + fields[i].has_off) = true;
    }
    for (size_t i = 0; s == OK && i < n; i++) {
        if (!fields[i].required) continue;
        s = json_at_need(&v, at, fields[i].key, r->err);
        if (s == OK && json_at_is_null(&v)) s = json_at_fail(&v, r->err, "is required");
    }
    return s;
}

/* ----------------------------------------------------------------- params */

static enum status get_divisor(struct spec_reader *r, uint64_t *out, const struct json_at *at)
{
    uint64_t v;
    enum status s = json_at_u64(&v, at, r->err);
    if (s != OK) return s;
    if (v == 0) return json_at_fail(at, r->err, "must not be 0");
    *out = v;
    return OK;
}

static enum status read_gas_divisor(struct spec_reader *r, void *base, const struct json_at *at)
{
    return get_divisor(r, &((struct chain_spec *)base)->gas_limit_bound_divisor, at);
}

static enum status read_fee_denominator(struct spec_reader *r, void *base, const struct json_at *at)
{
    return get_divisor(r, &((struct chain_spec *)base)->base_fee_denominator, at);
}

static enum status read_elasticity(struct spec_reader *r, void *base, const struct json_at *at)
{
    return get_divisor(r, &((struct chain_spec *)base)->elasticity_multiplier, at);
}

/* text into an array of len with its NUL */
static enum status get_text(char *dst, size_t len, struct spec_reader *r, const struct json_at *at)
{
    const char *text;
    enum status s = json_at_text(&text, at, r->err);
    if (s != OK) return s;
    if (text[0] == '\0' || strlen(text) >= len) return json_at_fail(at, r->err, "wants 1 to %zu characters", len - 1);
    memcpy(dst, text, strlen(text) + 1);
    return OK;
}

static enum status read_subprotocol(struct spec_reader *r, void *base, const struct json_at *at)
{
    struct chain_spec *s = base;
    return get_text(s->subprotocol, sizeof s->subprotocol, r, at);
}

/* CREATE2 in Parity 1.10, before it had its EIP's number */
static enum status read_eip86(struct spec_reader *r, void *base, const struct json_at *at)
{
    uint64_t v;
    (void)base;
    enum status s = json_at_u64(&v, at, r->err);
    if (s == OK && v < INT64_MAX) spec_warn(r, at, "EIP-86 was withdrawn and is not supported: ignored");
    return s;
}

#define AT(field) offsetof(struct chain_spec, field)
#define KEY_IGNORED(name)                                                                          \
    {                                                                                              \
        .key = (name), .kind = FIELD_IGNORED, .has_off = NO_FLAG                                   \
    }

static enum status read_params(struct spec_reader *r, void *base, const struct json_at *at)
{
    static const struct spec_field fields[] = {
#define X(field, name, def) {.key = (name), .kind = FIELD_U64, .off = AT(field), .has_off = NO_FLAG},
        SPEC_TRANSITIONS(X)
#undef X
#define X(field, name) {.key = (name), .kind = FIELD_U64, .off = AT(field), .has_off = NO_FLAG},
        SPEC_TIME_TRANSITIONS(X)
#undef X
        {.key = "networkID", .kind = FIELD_U64, .required = true, .off = AT(network_id), .has_off = NO_FLAG},
        {.key = "chainID", .kind = FIELD_U64, .off = AT(chain_id), .has_off = NO_FLAG},
        {.key = "maximumExtraDataSize", .kind = FIELD_U64, .required = true, .off = AT(maximum_extra_data_size), .has_off = NO_FLAG},
        {.key = "minGasLimit", .kind = FIELD_U64, .required = true, .off = AT(min_gas_limit), .has_off = NO_FLAG},
        {.key = "gasLimitBoundDivisor", .kind = FIELD_CALL, .required = true, .has_off = NO_FLAG, .call = read_gas_divisor},
        {.key = "accountStartNonce", .kind = FIELD_U64, .off = AT(account_start_nonce), .has_off = NO_FLAG},
        {.key = "subprotocolName", .kind = FIELD_CALL, .has_off = NO_FLAG, .call = read_subprotocol},
        {.key = "maxCodeSize", .kind = FIELD_U64, .off = AT(max_code_size), .has_off = AT(has_max_code_size)},
        {.key = "maxTransactionSize", .kind = FIELD_U64, .off = AT(max_transaction_size), .has_off = NO_FLAG},
        {.key = "transactionPermissionContract", .kind = FIELD_ADDRESS, .off = AT(tx_permission_contract), .has_off = AT(has_tx_permission_contract)},
        {.key = "nodePermissionContract", .kind = FIELD_ADDRESS, .off = AT(node_permission_contract), .has_off = AT(has_node_permission_contract)},
        {.key = "registrar", .kind = FIELD_ADDRESS, .off = AT(registrar), .has_off = AT(has_registrar)},
        {.key = "forkBlock", .kind = FIELD_U64, .off = AT(fork_block), .has_off = AT(has_fork_block)},
        {.key = "forkCanonHash", .kind = FIELD_HASH, .off = AT(fork_canon_hash), .has_off = NO_FLAG},
        {.key = "eip210ContractAddress", .kind = FIELD_ADDRESS, .off = AT(eip210_contract), .has_off = NO_FLAG},
        {.key = "eip210ContractCode", .kind = FIELD_BYTES, .off = AT(eip210_code), .has_off = NO_FLAG},
        {.key = "eip210ContractGas", .kind = FIELD_U64, .off = AT(eip210_gas), .has_off = NO_FLAG},
        {.key = "eip1559BaseFeeInitialValue", .kind = FIELD_U256, .off = AT(base_fee_initial), .has_off = NO_FLAG},
        {.key = "eip1559BaseFeeMaxChangeDenominator", .kind = FIELD_CALL, .has_off = NO_FLAG, .call = read_fee_denominator},
        {.key = "eip1559ElasticityMultiplier", .kind = FIELD_CALL, .has_off = NO_FLAG, .call = read_elasticity},
        {.key = "eip1559BaseFeeMinValue", .kind = FIELD_U256, .off = AT(base_fee_min), .has_off = AT(has_base_fee_min)},
        {.key = "eip1559BaseFeeMinValueTransition", .kind = FIELD_U64, .off = AT(base_fee_min_transition), .has_off = NO_FLAG},
        {.key = "eip1559FeeCollector", .kind = FIELD_ADDRESS, .off = AT(fee_collector), .has_off = AT(has_fee_collector)},
        {.key = "eip1559FeeCollectorTransition", .kind = FIELD_U64, .off = AT(fee_collector_transition), .has_off = NO_FLAG},
        {.key = "eip86Transition", .kind = FIELD_CALL, .has_off = NO_FLAG, .call = read_eip86},
        KEY_IGNORED("nonceCapIncrement"), /* these two matter only with dust protection, of which we warn */
        KEY_IGNORED("removeDustContracts"),
        KEY_IGNORED("remove_dust_contracts"),
        KEY_IGNORED("applyReward"), /* of engines that we don't run */
        KEY_IGNORED("wasmVersion"), /* of wasm, of which we warn */
        KEY_IGNORED("validateServiceTransactionsTransition"), /* of pools, not of blocks */
    };
    return spec_fields(r, base, at, fields, COUNT_OF(fields));
}

/* ---------------------------------------------------------------- genesis */

#undef AT
#define AT(field) offsetof(struct spec_genesis, field)

static enum status read_signature(struct spec_reader *r, void *base, const struct json_at *at)
{
    struct spec_genesis *g = base;
    return json_at_fixed(g->signature, sizeof g->signature, at, r->err);
}

static enum status read_aura_seal(struct spec_reader *r, void *base, const struct json_at *at)
{
    static const struct spec_field fields[] = {
        {.key = "step", .kind = FIELD_U64, .required = true, .off = AT(step), .has_off = NO_FLAG},
        {.key = "signature", .kind = FIELD_CALL, .required = true, .has_off = NO_FLAG, .call = read_signature},
    };
    return spec_fields(r, base, at, fields, COUNT_OF(fields));
}

static enum status read_nonce(struct spec_reader *r, void *base, const struct json_at *at)
{
    struct spec_genesis *g = base;
    return json_at_fixed(g->nonce, sizeof g->nonce, at, r->err);
}

static enum status read_ethereum_seal(struct spec_reader *r, void *base, const struct json_at *at)
{
    static const struct spec_field fields[] = {
        {.key = "mixHash", .kind = FIELD_HASH, .required = true, .off = AT(mix_hash), .has_off = NO_FLAG},
        {.key = "nonce", .kind = FIELD_CALL, .required = true, .has_off = NO_FLAG, .call = read_nonce},
    };
    return spec_fields(r, base, at, fields, COUNT_OF(fields));
}

static enum status read_generic_seal(struct spec_reader *r, void *base, const struct json_at *at)
{
    struct spec_genesis *g = base;
    bytes seal;
    enum status s = spec_bytes(&seal, r, at);
    if (s != OK) return s;
    if (seal.len > 0 && (!rlp_is_list(seal) || rlp_check(seal, 16) != OK)) return json_at_fail(at, r->err, "wants an RLP list in hex, as \"0xc180\"");
    g->seal_generic = seal;
    return OK;
}

/* Tendermint's seal as the RLP list that it is: [round, proposal, [precommit...]] */
static enum status read_tendermint_seal(struct spec_reader *r, void *base, const struct json_at *at)
{
    struct spec_genesis *g = base;
    struct json_at v;
    struct buf b;
    uint64_t round;
    uint8_t sig[65];
    buf_init(&b, 1 << 16);
    size_t list = rlp_list_open(&b);
    enum status s = json_at_need(&v, at, "round", r->err);
    if (s == OK) s = json_at_u64(&round, &v, r->err);
    if (s == OK) rlp_put_u64(&b, round);
    if (s == OK) s = json_at_need(&v, at, "proposal", r->err);
    if (s == OK) s = json_at_fixed(sig, sizeof sig, &v, r->err);
    if (s == OK) rlp_put_string(&b, bytes_make(sig, sizeof sig));
    if (s == OK) s = json_at_need(&v, at, "precommits", r->err);
    if (s == OK) s = json_at_array(&v, r->err);
    if (s == OK) {
        struct json_at e;
        size_t votes = rlp_list_open(&b);
        for (size_t i = 0; s == OK && json_at_element(&e, &v, i); i++) {
            s = json_at_fixed(sig, sizeof sig, &e, r->err);
            if (s == OK) rlp_put_string(&b, bytes_make(sig, sizeof sig));
        }
        rlp_list_close(&b, votes);
    }
    rlp_list_close(&b, list);
    if (s == OK && buf_status(&b) != OK) s = json_at_fail(at, r->err, "is too long");
    if (s == OK) {
        g->seal_generic = arena_copy(r->a, buf_view(&b));
        if (g->seal_generic.ptr == NULL) s = spec_nomem(r);
    }
    buf_fini(&b);
    return s;
}

static enum status read_seal(struct spec_reader *r, void *base, const struct json_at *at)
{
    static const struct spec_field fields[] = {
        {.key = "authorityRound", .kind = FIELD_CALL, .has_off = AT(seal_is_aura), .call = read_aura_seal},
        {.key = "ethereum", .kind = FIELD_CALL, .has_off = AT(seal_is_ethereum), .call = read_ethereum_seal},
        {.key = "generic", .kind = FIELD_CALL, .has_off = NO_FLAG, .call = read_generic_seal},
        {.key = "tendermint", .kind = FIELD_CALL, .has_off = NO_FLAG, .call = read_tendermint_seal},
    };
    enum status s = json_at_object(at, r->err);
    if (s != OK) return s;
    size_t n = 0;
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        n += json_object_get(at->value, fields[i].key) != NULL;
    if (n != 1) return json_at_fail(at, r->err, "wants exactly one of authorityRound, ethereum, generic, tendermint");
    return spec_fields(r, base, at, fields, COUNT_OF(fields));
}

static enum status read_gas_limit(struct spec_reader *r, void *base, const struct json_at *at)
{
    return get_divisor(r, &((struct spec_genesis *)base)->gas_limit, at);
}

/* Nobody's genesis has transactions: another root than the empty one would give another hash than the one that was meant. */
static enum status read_empty_root(struct spec_reader *r, void *base, const struct json_at *at)
{
    hash32 h;
    (void)base;
    enum status s = json_at_fixed(h.b, sizeof h.b, at, r->err);
    if (s == OK && !hash_eq(&h, &HASH_EMPTY_TRIE)) return json_at_fail(at, r->err, "only the root of the empty trie can stand in a genesis");
    return s;
}

static enum status read_state_root(struct spec_reader *r, void *base, const struct json_at *at)
{
    hash32 h;
    (void)base;
    return json_at_fixed(h.b, sizeof h.b, at, r->err); /* computed from the accounts, as Parity does */
}

static enum status read_genesis(struct spec_reader *r, void *base, const struct json_at *at)
{
    static const struct spec_field fields[] = {
        {.key = "seal", .kind = FIELD_CALL, .required = true, .has_off = NO_FLAG, .call = read_seal},
        {.key = "difficulty", .kind = FIELD_U256, .required = true, .off = AT(difficulty), .has_off = NO_FLAG},
        {.key = "gasLimit", .kind = FIELD_CALL, .required = true, .has_off = NO_FLAG, .call = read_gas_limit},
        {.key = "author", .kind = FIELD_ADDRESS, .off = AT(author), .has_off = NO_FLAG},
        {.key = "timestamp", .kind = FIELD_U64, .off = AT(timestamp), .has_off = NO_FLAG},
        {.key = "parentHash", .kind = FIELD_HASH, .off = AT(parent_hash), .has_off = NO_FLAG},
        {.key = "gasUsed", .kind = FIELD_U64, .off = AT(gas_used), .has_off = NO_FLAG},
        {.key = "extraData", .kind = FIELD_BYTES, .off = AT(extra), .has_off = NO_FLAG},
        {.key = "baseFeePerGas", .kind = FIELD_U256, .off = AT(base_fee), .has_off = AT(has_base_fee)},
        {.key = "transactionsRoot", .kind = FIELD_CALL, .has_off = NO_FLAG, .call = read_empty_root},
        {.key = "receiptsRoot", .kind = FIELD_CALL, .has_off = NO_FLAG, .call = read_empty_root},
        {.key = "stateRoot", .kind = FIELD_CALL, .has_off = NO_FLAG, .call = read_state_root},
    };
    return spec_fields(r, &((struct chain_spec *)base)->genesis, at, fields, COUNT_OF(fields));
}
#undef AT

/* -------------------------------------------------------------- top level */

static enum status read_name(struct spec_reader *r, void *base, const struct json_at *at)
{
    struct chain_spec *s = base;
    return get_text(s->name, sizeof s->name, r, at);
}

static enum status read_data_dir(struct spec_reader *r, void *base, const struct json_at *at)
{
    struct chain_spec *s = base;
    return get_text(s->data_dir, sizeof s->data_dir, r, at);
}

static enum status read_nodes(struct spec_reader *r, void *base, const struct json_at *at)
{
    struct chain_spec *s = base;
    enum status st = json_at_array(at, r->err);
    if (st != OK) return st;
    s->nodes = arena_zalloc(r->a, json_array_size(at->value), sizeof *s->nodes);
    if (s->nodes == NULL) return spec_nomem(r);
    struct json_at e;
    for (size_t i = 0; json_at_element(&e, at, i); i++) {
        const char *text;
        struct enode node;
        struct err why = {0};
        st = json_at_text(&text, &e, r->err);
        if (st != OK) return st;
        if (enode_get(&node, bytes_str(text), &why) != OK) {
            spec_warn(r, &e, "%s: left out", err_text(&why));
            continue;
        }
        s->nodes[s->n_nodes] = arena_strdup(r->a, text);
        if (s->nodes[s->n_nodes] == NULL) return spec_nomem(r);
        s->n_nodes++;
    }
    return OK;
}

static enum status read_top(struct spec_reader *r, const struct json_at *root)
{
    /* accounts come last: warnings about builtins look at params */
    static const struct spec_field fields[] = {
        {.key = "name", .kind = FIELD_CALL, .required = true, .has_off = NO_FLAG, .call = read_name},
        {.key = "dataDir", .kind = FIELD_CALL, .has_off = NO_FLAG, .call = read_data_dir},
        {.key = "engine", .kind = FIELD_CALL, .required = true, .has_off = NO_FLAG, .call = spec_engine},
        {.key = "params", .kind = FIELD_CALL, .required = true, .has_off = NO_FLAG, .call = read_params},
        {.key = "genesis", .kind = FIELD_CALL, .required = true, .has_off = NO_FLAG, .call = read_genesis},
        {.key = "accounts", .kind = FIELD_CALL, .required = true, .has_off = NO_FLAG, .call = spec_accounts},
        {.key = "nodes", .kind = FIELD_CALL, .has_off = NO_FLAG, .call = read_nodes},
        KEY_IGNORED("hardcodedSync"),
    };
    return spec_fields(r, r->spec, root, fields, COUNT_OF(fields));
}

static void set_defaults(struct chain_spec *s, size_t text_len)
{
    *s = (struct chain_spec){
        .max_transaction_size = 300 * 1024,
        .base_fee_initial = u256_from_u64(1000000000),
        .base_fee_denominator = 8,
        .elasticity_multiplier = 2,
        .fee_collector_transition = TRANSITION_NEVER,
        .eip210_contract = {{[19] = 0xf0}},
        .eip210_gas = 1000000,
#define X(field, key, def) .field = (def),
        SPEC_TRANSITIONS(X)
#undef X
#define X(field, key) .field = TRANSITION_NEVER,
        SPEC_TIME_TRANSITIONS(X)
#undef X
    };
    memcpy(s->subprotocol, "eth", 4);
    /* text gives at most half its length in bytes, or a few words for each value */
    arena_init(&s->arena, 16 * text_len + ((size_t)1 << 20));
}

static bool has_builtin(const struct chain_spec *s, enum builtin_id id)
{
    for (size_t i = 0; i < s->n_accounts; i++)
        if (s->accounts[i].builtin == id) return true;
    return false;
}

static bool is_set(uint64_t transition)
{
    return transition < INT64_MAX; /* specs write 0x7fffffffffffffff and its like for never */
}

static void warn_param(struct spec_reader *r, const struct json_at *params, const char *key, const char *text)
{
    spec_warn(r, &(struct json_at){.value = params->value, .up = params, .key = key}, "%s", text);
}

/* what only shows when all is read */
static void check_whole(struct spec_reader *r, const struct json_at *root)
{
    struct chain_spec *s = r->spec;
    struct json_at p;
    if (!json_at_member(&p, root, "params")) return;
    if (is_set(s->wasm_activation)) warn_param(r, &p, "wasmActivationTransition", "WebAssembly contracts are not supported: they will not run");
    if (is_set(s->dust_protection)) warn_param(r, &p, "dustProtectionTransition", "is not supported: ignored");
    if (is_set(s->eip210)) warn_param(r, &p, "eip210Transition", "is not supported: ignored");
    if (is_set(s->eip2315)) warn_param(r, &p, "eip2315Transition", "was withdrawn and is not supported: ignored");
    if (s->has_fee_collector && s->fee_collector_transition == TRANSITION_NEVER)
        warn_param(r, &p, "eip1559FeeCollector", "has no effect without eip1559FeeCollectorTransition");
    if ((is_set(s->eip2537) || is_set(s->eip2537_time)) && !has_builtin(s, BUILTIN_BLS_G1ADD))
        warn_param(r, &p, "eip2537Transition", "has no effect without bls12_381_* builtins in accounts");
    if (is_set(s->eip2565) && !has_builtin(s, BUILTIN_MODEXP))
        warn_param(r, &p, "eip2565Transition", "has no effect without a modexp builtin in accounts");
    if (s->has_fork_block && hash_is_zero(&s->fork_canon_hash)) warn_param(r, &p, "forkBlock", "has no effect without forkCanonHash");
}

enum status chain_spec_parse(struct chain_spec *out, bytes json, struct err *err)
{
    json_t *doc = NULL;
    enum status s = json_parse(&doc, json, err);
    if (s != OK) return s;
    struct chain_spec spec;
    set_defaults(&spec, json.len);
    struct spec_reader r = {.spec = &spec, .a = &spec.arena, .err = err};
    struct json_at root = json_at_root(doc), p, id;
    s = read_top(&r, &root);
    if (s == OK) {
        if (spec.data_dir[0] == '\0') memcpy(spec.data_dir, spec.name, sizeof spec.data_dir);
        if (json_at_member(&p, &root, "params") && (!json_at_member(&id, &p, "chainID") || json_at_is_null(&id))) spec.chain_id = spec.network_id;
        check_whole(&r, &root);
        keccak256(spec.digest.b, json.ptr, json.len);
        *out = spec;
    } else {
        arena_fini(&spec.arena);
    }
    json_decref(doc);
    return s;
}

void chain_spec_fini(struct chain_spec *spec)
{
    arena_fini(&spec->arena);
}

/* ------------------------------------------------------- what is in force */

/* SPEC(aura.md B7): Parity has no switch for Homestead's rules: they always hold for its engines but Ethash */
void chain_spec_rules(struct rules *out, const struct chain_spec *spec, uint64_t number, uint64_t timestamp)
{
#define ON(field) (number >= spec->field)
#define ON_OR_TIME(field) (number >= spec->field || timestamp >= spec->field##_time)
#define TIME(field) (timestamp >= spec->field##_time)
    struct rules r = {
        .homestead = true,
        .eip7 = true,
        .eip150 = ON(eip150),
        .eip155 = ON(eip155),
        .eip160 = ON(eip160),
        .eip161 = ON(eip161abc),
        .eip170 = spec->has_max_code_size && ON(max_code_size_at),
        .eip140 = ON(eip140),
        .eip211 = ON(eip211),
        .eip214 = ON(eip214),
        .eip658 = ON(eip658),
        .eip145 = ON(eip145),
        .eip1014 = ON(eip1014),
        .eip1052 = ON(eip1052),
        .eip1283 = (ON(eip1283) && !ON(eip1283_disable)) || ON(eip1283_reenable),
        .eip1706 = ON(eip1706),
        .eip1344 = ON(eip1344),
        .eip1884 = ON(eip1884),
        .eip2028 = ON(eip2028),
        .eip2565 = ON(eip2565),
        .eip2929 = ON(eip2929),
        .eip2930 = ON(eip2930),
        .eip1559 = ON(eip1559),
        .eip3198 = ON(eip3198),
        .eip3529 = ON(eip3529),
        .eip3541 = ON(eip3541),
        .eip3607 = ON(eip3607),
        .eip3651 = ON_OR_TIME(eip3651),
        .eip3855 = ON_OR_TIME(eip3855),
        .eip3860 = ON_OR_TIME(eip3860),
        .eip4895 = TIME(eip4895),
        .eip1153 = ON_OR_TIME(eip1153),
        .eip4788 = TIME(eip4788),
        .eip4844 = TIME(eip4844),
        .eip7516 = TIME(eip4844), /* the two have one switch in Nethermind's specs */
        .eip5656 = ON_OR_TIME(eip5656),
        .eip6780 = ON_OR_TIME(eip6780),
        .eip2537 = ON_OR_TIME(eip2537),
        .eip2935 = ON_OR_TIME(eip2935),
        .eip6110 = TIME(eip6110),
        .eip7002 = TIME(eip7002),
        .eip7251 = TIME(eip7251),
        .eip7623 = ON_OR_TIME(eip7623),
        .eip7702 = ON_OR_TIME(eip7702),
        .fee_required = true,
        .precompiles_by_spec = true,
        .max_code_size = spec->max_code_size,
        .account_start_nonce = spec->account_start_nonce,
        .chain_id = spec->chain_id,
        .max_refund_quotient = ON(eip3529) ? 5 : 2,
    };
    /* EIP-2200 is not a switch of Parity's: it is the sum of three, 2200Advance standing in for the third on some chains */
    r.eip2200 = ON(eip2200) || (r.eip1283 && r.eip1706 && (r.eip1884 || ON(eip2200_advance)));
    if (r.eip2200) r.eip1283 = false;
    r.eip98 = ON(eip98) && !r.eip658;
    r.eip2718 = r.eip2930 || r.eip1559 || r.eip4844 || r.eip7702;
    r.eip7685 = r.eip6110 || r.eip7002 || r.eip7251;
    r.max_init_code_size = 2 * (spec->has_max_code_size && spec->max_code_size < UINT64_MAX / 2 ? spec->max_code_size : 24576);
#undef ON
#undef ON_OR_TIME
#undef TIME
    *out = r;
}

const struct spec_account *chain_spec_builtin(const struct builtin_price **price, const struct chain_spec *spec, const address *addr,
                                              uint64_t number)
{
    /* asked at every call: nearly all are of addresses far above the last builtin's */
    size_t low = 0, high = spec->builtins_end != 0 ? spec->builtins_end : spec->n_accounts;
    if (high == 0 || memcmp(addr->b, spec->accounts[high - 1].addr.b, sizeof addr->b) > 0) return NULL;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = memcmp(addr->b, spec->accounts[mid].addr.b, sizeof addr->b);
        if (c == 0) {
            const struct spec_account *a = &spec->accounts[mid];
            size_t n = a->n_prices;
            while (n > 0 && a->prices[n - 1].at > number)
                n--;
            if (a->builtin == BUILTIN_NONE || n == 0) return NULL;
            *price = &a->prices[n - 1];
            return a;
        }
        if (c < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}
