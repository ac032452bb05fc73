/* The engine of a spec: AuRa's parameters and the forms of validator sets. */
#include "lib/eth/chain_spec_priv.h"

/* ------------------------------------------------------------- small maps */

static enum status get_address_map(struct at_address **out, size_t *n, struct spec_reader *r, const struct json_at *at)
{
    struct spec_entry *e;
    size_t count;
    enum status s = spec_map(&e, &count, r, at);
    if (s != OK) return s;
    struct at_address *m = arena_zalloc(r->a, count, sizeof *m);
    if (m == NULL) return spec_nomem(r);
    for (size_t i = 0; i < count; i++) {
        m[i].at = e[i].at;
        s = spec_address(&m[i].value, r, &e[i].value);
        if (s != OK) return s;
    }
    *out = m;
    *n = count;
    return OK;
}

/* by timestamp or block: {"0": v, "100": w}, or v alone, which holds from 0 on; *one is the caller's place for that */
static enum status get_schedule(struct spec_entry **out, size_t *n, struct spec_entry *one, struct spec_reader *r, const struct json_at *at)
{
    if (json_is_object(at->value)) return spec_map(out, n, r, at);
    *one = (struct spec_entry){.at = 0, .value = *at};
    *out = one;
    *n = 1;
    return OK;
}

static enum status read_step_duration(struct spec_reader *r, void *base, const struct json_at *at)
{
    enum { STEP_MAX_S = 65535 };
    struct aura_params *p = base;
    struct spec_entry one, *e;
    size_t n;
    enum status s = get_schedule(&e, &n, &one, r, at);
    if (s != OK) return s;
    if (n == 0 || e[0].at != 0) return json_at_fail(at, r->err, "wants the duration from timestamp 0 on, as key \"0\"");
    struct at_u64 *m = arena_zalloc(r->a, n, sizeof *m);
    if (m == NULL) return spec_nomem(r);
    for (size_t i = 0; i < n; i++) {
        m[i].at = e[i].at;
        s = json_at_u64(&m[i].value, &e[i].value, r->err);
        if (s != OK) return s;
        if (m[i].value == 0) return json_at_fail(&e[i].value, r->err, "must not be 0");
        if (m[i].value > STEP_MAX_S) {
            spec_warn(r, &e[i].value, "is over %d seconds and was cut to that", STEP_MAX_S);
            m[i].value = STEP_MAX_S;
        }
    }
    p->step_duration = m;
    p->n_step_duration = n;
    return OK;
}

static enum status read_block_reward(struct spec_reader *r, void *base, const struct json_at *at)
{
    struct aura_params *p = base;
    struct spec_entry one, *e;
    size_t n;
    enum status s = get_schedule(&e, &n, &one, r, at);
    if (s != OK) return s;
    struct at_u256 *m = arena_zalloc(r->a, n, sizeof *m);
    if (m == NULL) return spec_nomem(r);
    for (size_t i = 0; i < n; i++) {
        m[i].at = e[i].at;
        s = spec_u256(&m[i].value, r, &e[i].value);
        if (s != OK) return s;
    }
    p->block_reward = m;
    p->n_block_reward = n;
    return OK;
}

static enum status read_randomness(struct spec_reader *r, void *base, const struct json_at *at)
{
    struct aura_params *p = base;
    return get_address_map(&p->randomness_contract, &p->n_randomness_contract, r, at);
}

static enum status read_gas_limit_contracts(struct spec_reader *r, void *base, const struct json_at *at)
{
    struct aura_params *p = base;
    return get_address_map(&p->block_gas_limit_contract, &p->n_block_gas_limit_contract, r, at);
}

/* {block: {address: code}} */
static enum status read_rewrites(struct spec_reader *r, void *base, const struct json_at *at)
{
    struct aura_params *p = base;
    struct spec_entry *e;
    size_t n, total = 0;
    enum status s = spec_map(&e, &n, r, at);
    for (size_t i = 0; s == OK && i < n; i++) {
        s = json_at_object(&e[i].value, r->err);
        total += json_object_size(e[i].value.value);
    }
    if (s != OK) return s;
    struct rewrite_code *m = arena_zalloc(r->a, total, sizeof *m);
    if (m == NULL) return spec_nomem(r);
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        void *iter = NULL;
        for (struct json_at v; json_at_next(&v, &e[i].value, &iter); k++) {
            m[k].at = e[i].at;
            if (address_get(&m[k].addr, bytes_str(v.key)) != OK) return json_at_fail(&v, r->err, "wants an address as key");
            s = spec_bytes(&m[k].code, r, &v);
            if (s != OK) return s;
        }
    }
    p->rewrites = m;
    p->n_rewrites = total;
    return OK;
}

/* ------------------------------------------------------------- validators */

static enum status get_list(struct validator_set_spec *out, struct spec_reader *r, const struct json_at *at)
{
    enum status s = json_at_array(at, r->err);
    if (s != OK) return s;
    size_t n = json_array_size(at->value);
    if (n == 0) return json_at_fail(at, r->err, "wants at least one address");
    address *list = arena_zalloc(r->a, n, sizeof *list);
    if (list == NULL) return spec_nomem(r);
    struct json_at e;
    for (size_t i = 0; json_at_element(&e, at, i); i++) {
        s = spec_address(&list[i], r, &e);
        if (s != OK) return s;
    }
    *out = (struct validator_set_spec){.kind = VALSET_LIST, .list = list, .n_list = n};
    return OK;
}

static enum status get_validators(struct validator_set_spec *out, struct spec_reader *r, const struct json_at *at, bool is_nested);

static enum status get_multi(struct validator_set_spec *out, struct spec_reader *r, const struct json_at *at)
{
    struct spec_entry *e;
    size_t n;
    enum status s = spec_map(&e, &n, r, at);
    if (s != OK) return s;
    if (n == 0 || e[0].at != 0) return json_at_fail(at, r->err, "wants the set from block 0 on, as key \"0\"");
    struct validator_set_at *m = arena_zalloc(r->a, n, sizeof *m);
    if (m == NULL) return spec_nomem(r);
    for (size_t i = 0; i < n; i++) {
        m[i].block = e[i].at;
        s = get_validators(&m[i].set, r, &e[i].value, true);
        if (s != OK) return s;
    }
    *out = (struct validator_set_spec){.kind = VALSET_MULTI, .multi = m, .n_multi = n};
    return OK;
}

static enum status get_validators(struct validator_set_spec *out, struct spec_reader *r, const struct json_at *at, bool is_nested)
{
    enum status s = json_at_object(at, r->err);
    if (s != OK) return s;
    struct json_at v;
    struct validator_set_spec set = {.kind = VALSET_LIST};
    if (json_object_size(at->value) != 1) return json_at_fail(at, r->err, "wants exactly one of list, safeContract, contract, multi");
    if (json_at_member(&v, at, "list")) {
        s = get_list(&set, r, &v);
    } else if (json_at_member(&v, at, "safeContract") || json_at_member(&v, at, "contract")) {
        set.kind = strcmp(v.key, "contract") == 0 ? VALSET_CONTRACT : VALSET_SAFE_CONTRACT;
        s = spec_address(&set.contract, r, &v);
    } else if (json_at_member(&v, at, "multi")) {
        s = is_nested ? json_at_fail(&v, r->err, "a multi set can't stand in another") : get_multi(&set, r, &v);
    } else {
        void *iter = NULL;
        if (json_at_next(&v, at, &iter)) s = json_at_fail(&v, r->err, "unknown kind of set: wants list, safeContract, contract or multi");
    }
    if (s == OK) *out = set;
    return s;
}

static enum status read_validators(struct spec_reader *r, void *base, const struct json_at *at)
{
    return get_validators(&((struct aura_params *)base)->validators, r, at, false);
}

/* ------------------------------------------------------------------- AuRa */

/* the keys of the reward contract make one list */
static enum status gather_reward_contracts(struct spec_reader *r, const struct json_at *params)
{
    struct aura_params *p = &r->spec->aura;
    struct json_at v;
    struct at_address first = {0}, *map = NULL;
    size_t n = 0;
    bool has_first = json_at_member(&v, params, "blockRewardContractAddress") && !json_at_is_null(&v);
    enum status s = has_first ? spec_address(&first.value, r, &v) : OK;
    if (s == OK && json_at_member(&v, params, "blockRewardContractTransition") && !json_at_is_null(&v)) s = json_at_u64(&first.at, &v, r->err);
    p->block_reward_contract_code_at = first.at;
    if (s == OK && json_at_member(&v, params, "blockRewardContractTransitions") && !json_at_is_null(&v)) s = get_address_map(&map, &n, r, &v);
    if (s != OK) return s;
    if (has_first && n > 0 && first.at >= map[0].at)
        return json_at_fail(&v, r->err, "wants every block behind blockRewardContractTransition (%llu)", (unsigned long long)first.at);
    p->block_reward_contract = arena_zalloc(r->a, n + 1, sizeof *map);
    if (p->block_reward_contract == NULL) return spec_nomem(r);
    if (has_first) p->block_reward_contract[p->n_block_reward_contract++] = first;
    for (size_t i = 0; i < n; i++)
        p->block_reward_contract[p->n_block_reward_contract++] = map[i];
    return OK;
}

#define AT(field) offsetof(struct aura_params, field)
#define U64(name, field)                                                                           \
    {                                                                                              \
        .key = (name), .kind = FIELD_U64, .off = AT(field), .has_off = NO_FLAG                     \
    }

static enum status read_aura(struct spec_reader *r, const struct json_at *params)
{
    static const struct spec_field fields[] = {
        {.key = "stepDuration", .kind = FIELD_CALL, .required = true, .has_off = NO_FLAG, .call = read_step_duration},
        {.key = "validators", .kind = FIELD_CALL, .required = true, .has_off = NO_FLAG, .call = read_validators},
        {.key = "startStep", .kind = FIELD_U64, .off = AT(start_step), .has_off = AT(has_start_step)},
        U64("validateScoreTransition", validate_score_transition),
        U64("validateStepTransition", validate_step_transition),
        {.key = "immediateTransitions", .kind = FIELD_BOOL, .off = AT(immediate_transitions), .has_off = NO_FLAG},
        {.key = "blockReward", .kind = FIELD_CALL, .has_off = NO_FLAG, .call = read_block_reward},
        U64("maximumUncleCountTransition", maximum_uncle_count_transition),
        U64("maximumUncleCount", maximum_uncle_count),
        U64("emptyStepsTransition", empty_steps_transition),
        U64("maximumEmptySteps", maximum_empty_steps),
        U64("strictEmptyStepsTransition", strict_empty_steps_transition),
        U64("twoThirdsMajorityTransition", two_thirds_majority_transition),
        U64("posdaoTransition", posdao_transition),
        {.key = "blockRewardContractCode", .kind = FIELD_BYTES, .off = AT(block_reward_contract_code), .has_off = NO_FLAG},
        {.key = "randomnessContractAddress", .kind = FIELD_CALL, .has_off = NO_FLAG, .call = read_randomness},
        {.key = "blockGasLimitContractTransitions", .kind = FIELD_CALL, .has_off = NO_FLAG, .call = read_gas_limit_contracts},
        {.key = "rewriteBytecodeTransitions", .kind = FIELD_CALL, .has_off = NO_FLAG, .call = read_rewrites},
        {.key = "rewriteBytecode", .kind = FIELD_CALL, .has_off = NO_FLAG, .call = read_rewrites},
        /* gather_reward_contracts reads these */
        {.key = "blockRewardContractAddress", .kind = FIELD_IGNORED, .has_off = NO_FLAG},
        {.key = "blockRewardContractTransition", .kind = FIELD_IGNORED, .has_off = NO_FLAG},
        {.key = "blockRewardContractTransitions", .kind = FIELD_IGNORED, .has_off = NO_FLAG},
    };
    struct aura_params *p = &r->spec->aura;
    *p = (struct aura_params){
        .empty_steps_transition = TRANSITION_NEVER,
        .two_thirds_majority_transition = TRANSITION_NEVER,
        .posdao_transition = TRANSITION_NEVER,
    };
    enum status s = spec_fields(r, p, params, fields, COUNT_OF(fields));
    if (s == OK) s = gather_reward_contracts(r, params);
    if (s == OK && p->empty_steps_transition == 0) p->empty_steps_transition = 1; /* SPEC(aura.md B7): max(v, 1) */
    return s;
}

static enum status read_basic_authority(struct spec_reader *r, const struct json_at *params)
{
    static const struct spec_field fields[] = {
        {.key = "durationLimit", .kind = FIELD_CALL, .required = true, .has_off = NO_FLAG, .call = read_step_duration},
        {.key = "validators", .kind = FIELD_CALL, .required = true, .has_off = NO_FLAG, .call = read_validators},
    };
    return spec_fields(r, &r->spec->aura, params, fields, COUNT_OF(fields));
}

/* ----------------------------------------------------------------- engine */

/* engines whose parameters are taken as they are: we read their specs, but do not run them */
static enum status read_nothing(struct spec_reader *r, const struct json_at *params)
{
    return json_at_object(params, r->err);
}

enum status spec_engine(struct spec_reader *r, void *base, const struct json_at *at)
{
    static const struct {
        const char *key;
        enum engine_kind kind;
        bool wants_params;
        enum status (*read)(struct spec_reader *r, const struct json_at *params);
    } engines[] = {
        {"authorityRound", ENGINE_AURA, true, read_aura},
        {"basicAuthority", ENGINE_BASIC_AUTHORITY, true, read_basic_authority},
        {"null", ENGINE_NULL, false, read_nothing},
        {"NullEngine", ENGINE_NULL, false, read_nothing},
        {"instantSeal", ENGINE_INSTANT_SEAL, false, read_nothing},
        {"Ethash", ENGINE_ETHASH, true, read_nothing},
        {"ethash", ENGINE_ETHASH, true, read_nothing},
        {"clique", ENGINE_CLIQUE, true, read_nothing},
    };
    (void)base;
    enum status s = json_at_object(at, r->err);
    if (s != OK) return s;
    struct json_at engine, params;
    void *iter = NULL;
    if (json_object_size(at->value) != 1 || !json_at_next(&engine, at, &iter)) return json_at_fail(at, r->err, "wants exactly one engine");
    size_t i = 0;
    while (i < COUNT_OF(engines) && strcmp(engines[i].key, engine.key) != 0)
        i++;
    if (i == COUNT_OF(engines))
        return json_at_fail(&engine, r->err, "unknown engine: wants authorityRound, basicAuthority, clique, Ethash, instantSeal or null");
    r->spec->engine = engines[i].kind;
    if (json_at_is_null(&engine) && !engines[i].wants_params) return OK;
    s = json_at_object(&engine, r->err);
    if (s != OK) return s;
    if (!json_at_member(&params, &engine, "params"))
        return engines[i].wants_params ? json_at_need(&params, &engine, "params", r->err) : OK;
    struct json_at other;
    for (iter = NULL; json_at_next(&other, &engine, &iter);)
        if (strcmp(other.key, "params") != 0) spec_warn(r, &other, "unknown key, ignored");
    return engines[i].read(r, &params);
}
