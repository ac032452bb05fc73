/* The accounts of a spec: balances, code and builtins with their prices. */
#include "lib/eth/chain_spec_priv.h"

/* ----------------------------------------------------------------- prices */

/* one form of pricing: its key, and the keys of its one or two numbers */
static const struct pricing_form {
    const char *key;
    enum pricing_kind kind;
    const char *a, *b;
    uint64_t fixed_a, fixed_b; /* where a key is NULL */
} pricing_forms[] = {
    {"linear", PRICING_LINEAR, "base", "word", 0, 0},
    {"modexp", PRICING_MODEXP, "divisor", NULL, 0, 0},
    {"modexp2565", PRICING_MODEXP, NULL, NULL, 3, 1}, /* SPEC(EIP-2565) */
    {"alt_bn128_const_operations", PRICING_BN_CONST, "price", NULL, 0, 0},
    {"alt_bn128_pairing", PRICING_BN_PAIRING, "base", "pair", 0, 0},
    {"blake2_f", PRICING_BLAKE2F, "gas_per_round", NULL, 0, 0},
    /* OpenEthereum's names for drafts of EIP-2537, and ours: gas is the EIP's own */
    {"bls12_const_operations", PRICING_FIXED, NULL, NULL, 0, 0},
    {"bls12_g1_multiexp", PRICING_FIXED, NULL, NULL, 0, 0},
    {"bls12_g2_multiexp", PRICING_FIXED, NULL, NULL, 0, 0},
    {"bls12_pairing", PRICING_FIXED, NULL, NULL, 0, 0},
    {"fixed", PRICING_FIXED, NULL, NULL, 0, 0},
};

/* what a builtin is called, and the pricing besides linear and fixed that fits it */
static const struct {
    const char *name;
    enum builtin_id id;
    enum pricing_kind own;
} builtins[] = {
    {"ecrecover", BUILTIN_ECRECOVER, PRICING_LINEAR},
    {"sha256", BUILTIN_SHA256, PRICING_LINEAR},
    {"ripemd160", BUILTIN_RIPEMD160, PRICING_LINEAR},
    {"identity", BUILTIN_IDENTITY, PRICING_LINEAR},
    {"modexp", BUILTIN_MODEXP, PRICING_MODEXP},
    {"alt_bn128_add", BUILTIN_BN_ADD, PRICING_BN_CONST},
    {"alt_bn128_mul", BUILTIN_BN_MUL, PRICING_BN_CONST},
    {"alt_bn128_pairing", BUILTIN_BN_PAIRING, PRICING_BN_PAIRING},
    {"blake2_f", BUILTIN_BLAKE2F, PRICING_BLAKE2F},
    {"kzg_point_evaluation", BUILTIN_POINT_EVALUATION, PRICING_FIXED},
    {"bls12_381_g1_add", BUILTIN_BLS_G1ADD, PRICING_FIXED},
    {"bls12_381_g1_multiexp", BUILTIN_BLS_G1MSM, PRICING_FIXED},
    {"bls12_381_g1_msm", BUILTIN_BLS_G1MSM, PRICING_FIXED},
    {"bls12_381_g2_add", BUILTIN_BLS_G2ADD, PRICING_FIXED},
    {"bls12_381_g2_multiexp", BUILTIN_BLS_G2MSM, PRICING_FIXED},
    {"bls12_381_g2_msm", BUILTIN_BLS_G2MSM, PRICING_FIXED},
    {"bls12_381_pairing", BUILTIN_BLS_PAIRING, PRICING_FIXED},
    {"bls12_381_fp_to_g1", BUILTIN_BLS_MAP_FP, PRICING_FIXED},
    {"bls12_381_fp2_to_g2", BUILTIN_BLS_MAP_FP2, PRICING_FIXED},
};

static bool fits(enum builtin_id id, enum pricing_kind kind)
{
    if (kind == PRICING_LINEAR || kind == PRICING_FIXED) return true;
    for (size_t i = 0; i < COUNT_OF(builtins); i++)
        if (builtins[i].id == id && builtins[i].own == kind) return true;
    return false;
}

static bool starts_with(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

static enum status get_price(struct builtin_price *out, struct spec_reader *r, const struct json_at *at, enum builtin_id id)
{
    enum status s = json_at_object(at, r->err);
    if (s != OK) return s;
    struct json_at form, v;
    void *iter = NULL;
    if (json_object_size(at->value) != 1 || !json_at_next(&form, at, &iter)) return json_at_fail(at, r->err, "wants exactly one form of pricing");
    const struct pricing_form *f = NULL;
    for (size_t i = 0; i < COUNT_OF(pricing_forms); i++)
        if (strcmp(pricing_forms[i].key, form.key) == 0) f = &pricing_forms[i];
    if (f == NULL)
        return json_at_fail(&form, r->err, "unknown pricing: wants linear, modexp, modexp2565, alt_bn128_const_operations, "
                                           "alt_bn128_pairing, blake2_f, fixed or a map of block numbers");
    if (!fits(id, f->kind)) return json_at_fail(&form, r->err, "this pricing does not fit the builtin");
    struct builtin_price p = {.kind = f->kind, .a = f->fixed_a, .b = f->fixed_b};
    s = json_at_object(&form, r->err);
    if (s == OK && f->a != NULL) {
        s = json_at_need(&v, &form, f->a, r->err);
        if (s == OK) s = json_at_u64(&p.a, &v, r->err);
    }
    if (s == OK && f->b != NULL) {
        s = json_at_need(&v, &form, f->b, r->err);
        if (s == OK) s = json_at_u64(&p.b, &v, r->err);
    }
    if (s == OK && f->kind == PRICING_MODEXP && p.a == 0) s = json_at_fail(&form, r->err, "the divisor must not be 0");
    if (s != OK) return s;
    for (iter = NULL; json_at_next(&v, &form, &iter);)
        if ((f->a == NULL || strcmp(v.key, f->a) != 0) && (f->b == NULL || strcmp(v.key, f->b) != 0) && f->kind != PRICING_FIXED &&
            !starts_with(v.key, "eip1108_transition_"))
            spec_warn(r, &v, "unknown key, ignored");
    *out = p;
    return OK;
}

/* {block: {info, price}} */
static enum status get_price_map(struct spec_account *acc, struct spec_reader *r, const struct json_at *at)
{
    struct spec_entry *e;
    size_t n;
    enum status s = spec_map(&e, &n, r, at);
    if (s != OK) return s;
    acc->prices = arena_zalloc(r->a, n, sizeof *acc->prices);
    if (acc->prices == NULL) return spec_nomem(r);
    for (size_t i = 0; i < n; i++) {
        struct json_at price, other;
        void *iter = NULL;
        s = json_at_need(&price, &e[i].value, "price", r->err);
        if (s == OK) s = get_price(&acc->prices[i], r, &price, acc->builtin);
        if (s != OK) return s;
        acc->prices[i].at = e[i].at;
        while (json_at_next(&other, &e[i].value, &iter))
            if (strcmp(other.key, "price") != 0 && strcmp(other.key, "info") != 0) spec_warn(r, &other, "unknown key, ignored");
    }
    acc->n_prices = n;
    return OK;
}

/* Parity 2.6's way to reprice bn254: eip1108_transition beside the pricing, and its numbers inside it */
static enum status get_eip1108(struct spec_account *acc, struct spec_reader *r, const struct json_at *builtin, const struct json_at *pricing)
{
    struct json_at at, form, v;
    void *iter = NULL;
    if (!json_at_member(&at, builtin, "eip1108_transition") || json_at_is_null(&at)) return OK;
    struct builtin_price p = acc->prices[0];
    enum status s = json_at_u64(&p.at, &at, r->err);
    if (s != OK || !json_at_next(&form, pricing, &iter)) return s;
    if (json_at_member(&v, &form, "eip1108_transition_price") || json_at_member(&v, &form, "eip1108_transition_base"))
        s = json_at_u64(&p.a, &v, r->err);
    if (s == OK && json_at_member(&v, &form, "eip1108_transition_pair")) s = json_at_u64(&p.b, &v, r->err);
    if (s != OK) return s;
    if (p.at <= acc->prices[0].at)
        acc->prices[0] = (struct builtin_price){.at = acc->prices[0].at, .kind = p.kind, .a = p.a, .b = p.b};
    else
        acc->prices[acc->n_prices++] = p;
    return OK;
}

static bool is_block_map(const struct json_at *pricing)
{
    struct json_at first;
    void *iter = NULL;
    uint8_t be[8];
    return json_is_object(pricing->value) && json_at_next(&first, pricing, &iter) &&
           json_uint_of_text(be, sizeof be, bytes_str(first.key));
}

static enum status get_builtin_name(struct spec_account *acc, struct spec_reader *r, const struct json_at *at)
{
    const char *name;
    enum status s = json_at_text(&name, at, r->err);
    if (s != OK) return s;
    for (size_t i = 0; i < COUNT_OF(builtins); i++) {
        if (strcmp(builtins[i].name, name) != 0) continue;
        acc->builtin = builtins[i].id;
        return OK;
    }
    return json_at_fail(at, r->err, "unknown builtin: wants ecrecover, sha256, ripemd160, identity, modexp, alt_bn128_*, blake2_f, "
                                    "kzg_point_evaluation or bls12_381_*");
}

static enum status read_builtin(struct spec_reader *r, void *base, const struct json_at *at)
{
    struct spec_account *acc = base;
    struct json_at name, pricing, activate;
    enum status s = json_at_need(&name, at, "name", r->err);
    if (s == OK) s = get_builtin_name(acc, r, &name);
    if (s == OK) s = json_at_need(&pricing, at, "pricing", r->err);
    if (s != OK) return s;
    bool has_activate = json_at_member(&activate, at, "activate_at") && !json_at_is_null(&activate);
    struct json_at other;
    void *iter = NULL;
    while (json_at_next(&other, at, &iter))
        if (strcmp(other.key, "name") != 0 && strcmp(other.key, "pricing") != 0 && strcmp(other.key, "activate_at") != 0 &&
            strcmp(other.key, "eip1108_transition") != 0)
            spec_warn(r, &other, "unknown key, ignored");
    if (is_block_map(&pricing)) {
        if (has_activate) spec_warn(r, &activate, "has no effect beside a map of prices");
        return get_price_map(acc, r, &pricing);
    }
    acc->prices = arena_zalloc(r->a, 2, sizeof *acc->prices);
    if (acc->prices == NULL) return spec_nomem(r);
    s = get_price(&acc->prices[0], r, &pricing, acc->builtin);
    if (s == OK && has_activate) s = json_at_u64(&acc->prices[0].at, &activate, r->err);
    if (s != OK) return s;
    acc->n_prices = 1;
    return get_eip1108(acc, r, at, &pricing);
}

/* --------------------------------------------------------------- accounts */

static int slot_cmp(const void *a, const void *b)
{
    return memcmp(((const struct spec_slot *)a)->key.b, ((const struct spec_slot *)b)->key.b, sizeof(hash32));
}

static enum status read_storage(struct spec_reader *r, void *base, const struct json_at *at)
{
    struct spec_account *acc = base;
    enum status s = json_at_object(at, r->err);
    if (s != OK) return s;
    size_t n = json_object_size(at->value), i = 0;
    struct spec_slot *slots = arena_zalloc(r->a, n, sizeof *slots);
    if (slots == NULL) return spec_nomem(r);
    void *iter = NULL;
    for (struct json_at v; json_at_next(&v, at, &iter); i++) {
        if (!json_uint_of_text(slots[i].key.b, sizeof slots[i].key.b, bytes_str(v.key)))
            return json_at_fail(&v, r->err, "wants a number of at most 256 bits as key");
        s = json_at_uint(slots[i].value.b, sizeof slots[i].value.b, &v, r->err);
        if (s != OK) return s;
    }
    qsort(slots, n, sizeof *slots, slot_cmp);
    for (i = 1; i < n; i++)
        if (slot_cmp(&slots[i], &slots[i - 1]) == 0) return json_at_fail(at, r->err, "a key stands twice, in two forms");
    acc->storage = slots;
    acc->n_storage = n;
    return OK;
}

static enum status read_nonce(struct spec_reader *r, void *base, const struct json_at *at)
{
    uint64_t v;
    enum status s = json_at_u64(&v, at, r->err);
    if (s == OK) ((struct spec_account *)base)->nonce = u256_from_u64(v);
    return s;
}

static enum status read_version(struct spec_reader *r, void *base, const struct json_at *at)
{
    uint64_t v;
    (void)base;
    enum status s = json_at_u64(&v, at, r->err);
    if (s == OK && v != 0) return json_at_fail(at, r->err, "account versions (EIP-1702) are not supported: wants 0");
    return s;
}

#define AT(field) offsetof(struct spec_account, field)

static enum status get_account(struct spec_account *acc, struct spec_reader *r, const struct json_at *at)
{
    static const struct spec_field fields[] = {
        {.key = "balance", .kind = FIELD_U256, .off = AT(balance), .has_off = AT(has_balance)},
        {.key = "nonce", .kind = FIELD_CALL, .has_off = AT(has_nonce), .call = read_nonce},
        {.key = "code", .kind = FIELD_BYTES, .off = AT(code), .has_off = AT(has_code)},
        {.key = "storage", .kind = FIELD_CALL, .has_off = AT(has_storage), .call = read_storage},
        {.key = "constructor", .kind = FIELD_BYTES, .off = AT(constructor), .has_off = AT(has_constructor)},
        {.key = "builtin", .kind = FIELD_CALL, .has_off = NO_FLAG, .call = read_builtin},
        {.key = "version", .kind = FIELD_CALL, .has_off = NO_FLAG, .call = read_version},
    };
    if (address_get(&acc->addr, bytes_str(at->key)) != OK) return json_at_fail(at, r->err, "wants an address as key: 40 hex digits, 0x or not");
    return spec_fields(r, acc, at, fields, COUNT_OF(fields));
}

static int account_cmp(const void *a, const void *b)
{
    return memcmp(((const struct spec_account *)a)->addr.b, ((const struct spec_account *)b)->addr.b, sizeof(address));
}

enum status spec_accounts(struct spec_reader *r, void *base, const struct json_at *at)
{
    struct chain_spec *spec = base;
    enum status s = json_at_object(at, r->err);
    if (s != OK) return s;
    size_t n = json_object_size(at->value), i = 0;
    struct spec_account *list = arena_zalloc(r->a, n, sizeof *list);
    if (list == NULL) return spec_nomem(r);
    void *iter = NULL;
    for (struct json_at v; json_at_next(&v, at, &iter); i++) {
        s = get_account(&list[i], r, &v);
        if (s != OK) return s;
    }
    qsort(list, n, sizeof *list, account_cmp);
    for (i = 1; i < n; i++) {
        if (account_cmp(&list[i], &list[i - 1]) != 0) continue;
        char text[43];
        address_put(text, &list[i].addr);
        return json_at_fail(at, r->err, "account %s stands twice, in two forms", text);
    }
    spec->accounts = list;
    spec->n_accounts = n;
    spec->builtins_end = n > 0 ? 1 : 0;
    for (i = 0; i < n; i++)
        if (list[i].builtin != BUILTIN_NONE) spec->builtins_end = i + 1;
    return OK;
}
