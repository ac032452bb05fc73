#include "node/aura/aura.h"

#include "lib/codec/abi.h"
#include "lib/codec/rlp.h"
#include "lib/crypto/keccak.h"
#include "lib/crypto/secp256k1.h"

/* keccak256("InitiateChange(bytes32,address[])") */
const hash32 AURA_INITIATE_CHANGE_TOPIC = {{0x55, 0x25, 0x2f, 0xa6, 0xee, 0xe4, 0x74, 0x1b, 0x4e, 0x24, 0xa7,
                                            0x4a, 0x70, 0xe9, 0xc1, 0x1f, 0xd2, 0xc2, 0x28, 0x1d, 0xf8, 0xd6,
                                            0xea, 0x13, 0x12, 0x6f, 0xf8, 0x45, 0xf7, 0x82, 0x5c, 0x89}};
const uint8_t AURA_GET_VALIDATORS[4] = {0xb7, 0xab, 0x4d, 0xb5};
const uint8_t AURA_FINALIZE_CHANGE[4] = {0x75, 0x28, 0x62, 0x11};
const uint8_t AURA_REPORT_BENIGN[4] = {0xd6, 0x9f, 0x13, 0xbb};
const uint8_t AURA_REPORT_MALICIOUS[4] = {0xc4, 0x76, 0xdd, 0x40};

enum { STEPS_AHEAD_MAX = 4 }; /* SPEC(aura.md B4): up to 4 steps ahead a block is early, not bad */

/* ------------------------------------------------------------ validators */

enum status validators_copy(struct validators *dst, const address *list, size_t n)
{
    address *copy = malloc(n == 0 ? 1 : n * sizeof *copy);
    if (copy == NULL) return E_NOMEM;
    if (n > 0) memcpy(copy, list, n * sizeof *copy);
    *dst = (struct validators){.list = copy, .n = n};
    return OK;
}

void validators_fini(struct validators *v)
{
    free(v->list);
    *v = (struct validators){0};
}

size_t validators_index(const struct validators *v, const address *a)
{
    size_t i = 0;
    while (i < v->n && !address_eq(&v->list[i], a))
        i++;
    return i;
}

bool validators_eq(const struct validators *a, const struct validators *b)
{
    return a->n == b->n && (a->n == 0 || memcmp(a->list, b->list, a->n * sizeof *a->list) == 0);
}

/* ----------------------------------------------------------------- steps */

/* one stretch of constant step duration; a change of duration takes effect at the next step boundary */
struct stretch {
    uint64_t step, start_s, duration_s;
};

/* the last stretch that begins at or before `limit`, measured in seconds (by_step: in steps) */
static struct stretch stretch_at(const struct aura_params *p, uint64_t limit, bool by_step)
{
    struct stretch s = {.step = 0, .start_s = 0, .duration_s = p->step_duration[0].value};
    for (size_t i = 1; i < p->n_step_duration; i++) {
        uint64_t steps = (p->step_duration[i].at - s.start_s + s.duration_s - 1) / s.duration_s;
        struct stretch next = {.step = s.step + steps,
                               .start_s = s.start_s + steps * s.duration_s,
                               .duration_s = p->step_duration[i].value};
        if ((by_step ? next.step : next.start_s) > limit) break;
        s = next;
    }
    return s;
}

uint64_t aura_step_at(const struct aura_params *p, uint64_t unix_ms)
{
    struct stretch s = stretch_at(p, unix_ms / 1000, false);
    return s.step + (unix_ms / 1000 - s.start_s) / s.duration_s;
}

uint64_t aura_step_start_ms(const struct aura_params *p, uint64_t step)
{
    struct stretch s = stretch_at(p, step, true);
    return (s.start_s + (step - s.step) * s.duration_s) * 1000;
}

uint64_t aura_step_duration_ms(const struct aura_params *p, uint64_t step)
{
    return stretch_at(p, step, true).duration_s * 1000;
}

const address *aura_proposer(const struct validators *v, uint64_t step)
{
    if (v->n == 0) BUG("a validator set is never empty here");
    return &v->list[step % v->n];
}

u256 aura_difficulty(uint64_t parent_step, uint64_t step, uint64_t n_empty_steps)
{
    u256 d = {{UINT64_MAX, UINT64_MAX, 0, 0}};
    d = u256_add(d, u256_from_u64(parent_step));
    d = u256_sub(d, u256_from_u64(step));
    return u256_add(d, u256_from_u64(n_empty_steps));
}

/* ----------------------------------------------------------- empty steps */

enum status aura_empty_steps_payload(bytes *out, const struct header *h)
{
    if (!h->has_empty_steps) {
        *out = BYTES_EMPTY;
        return OK;
    }
    bytes raw = h->empty_steps;
    return rlp_get_list(out, &raw);
}

enum status aura_empty_steps_next(struct empty_step *out, bool *done, bytes *payload)
{
    *done = payload->len == 0;
    if (*done) return OK;
    bytes rest = *payload, item;
    struct empty_step e;
    if (rlp_get_list(&item, &rest) != OK || rlp_get_fixed(e.signature, sizeof e.signature, &item) != OK ||
        rlp_get_u64(&e.step, &item) != OK || item.len != 0)
        return E_DECODE;
    *out = e;
    *payload = rest;
    return OK;
}

size_t aura_empty_steps_count(const struct header *h)
{
    bytes payload;
    size_t n;
    if (aura_empty_steps_payload(&payload, h) != OK || rlp_count_items(&n, payload) != OK) return 0;
    return n;
}

enum status aura_empty_step_signer(address *out, const struct empty_step *e, const hash32 *parent_hash)
{
    uint8_t msg[1 + 9 + 33], hash[32];
    size_t n = 1 + rlp_encode_u64(msg + 1, e->step);
    msg[n++] = 0xa0;
    memcpy(msg + n, parent_hash->b, 32);
    n += 32;
    msg[0] = (uint8_t)(0xc0 + n - 1);
    keccak256(hash, msg, n);
    return ec_recover_address(out->b, e->signature, hash);
}

/* ------------------------------------------------------------------ seal */

enum aura_verdict aura_check_form(const struct header *h, const struct aura_params *p, uint64_t clock_step)
{
    if (h->seal != SEAL_AURA) return AURA_BAD_FORM;
    if (h->has_empty_steps != (h->number >= p->empty_steps_transition)) return AURA_BAD_FORM;
    const u256 bound = {{UINT64_MAX, UINT64_MAX, 0, 0}};
    if (h->number >= p->validate_score_transition && !u256_lt(&h->difficulty, &bound)) return AURA_DIFFICULTY;
    if (h->step <= clock_step) return AURA_VALID;
    return h->step - clock_step <= STEPS_AHEAD_MAX ? AURA_EARLY : AURA_FUTURE;
}

static enum aura_verdict check_empty_step_order(const struct header *h, uint64_t parent_step, const struct aura_params *p)
{
    bytes payload;
    if (aura_empty_steps_payload(&payload, h) != OK) return AURA_EMPTY_STEPS;
    uint64_t last = parent_step;
    for (;;) {
        struct empty_step e;
        bool done;
        if (aura_empty_steps_next(&e, &done, &payload) != OK) return AURA_EMPTY_STEPS;
        if (done) return AURA_VALID;
        if (e.step <= parent_step || e.step >= h->step) return AURA_EMPTY_STEPS;
        if (h->number >= p->strict_empty_steps_transition && e.step <= last) return AURA_EMPTY_STEPS;
        last = e.step;
    }
}

enum aura_verdict aura_check_family(const struct header *h, const struct header *parent, const struct aura_params *p)
{
    uint64_t parent_step = parent->seal == SEAL_AURA ? parent->step : 0;
    if (h->step == parent_step) return AURA_DOUBLE_VOTE;
    if (h->step < parent_step && h->number >= p->validate_step_transition) return AURA_DOUBLE_VOTE;
    enum aura_verdict v = check_empty_step_order(h, parent_step, p);
    if (v != AURA_VALID) return v;
    if (h->number >= p->validate_score_transition) {
        u256 want = aura_difficulty(parent_step, h->step, aura_empty_steps_count(h));
        if (!u256_eq(&h->difficulty, &want)) return AURA_DIFFICULTY;
    }
    return AURA_VALID;
}

enum aura_verdict aura_check_signature(const struct header *h)
{
    hash32 msg = header_aura_seal_hash(h);
    address signer;
    if (ec_recover_address(signer.b, h->signature, msg.b) != OK) return AURA_SIGNATURE;
    return address_eq(&signer, &h->author) ? AURA_VALID : AURA_SIGNATURE;
}

enum aura_verdict aura_check_proposer(const struct header *h, const struct validators *v)
{
    if (v->n == 0 || !address_eq(aura_proposer(v, h->step), &h->author)) return AURA_NOT_PROPOSER;
    enum aura_verdict verdict = aura_check_signature(h);
    return verdict == AURA_VALID ? aura_check_turn(h, v) : verdict;
}

enum aura_verdict aura_check_turn(const struct header *h, const struct validators *v)
{
    if (v->n == 0 || !address_eq(aura_proposer(v, h->step), &h->author)) return AURA_NOT_PROPOSER;
    bytes payload;
    if (aura_empty_steps_payload(&payload, h) != OK) return AURA_EMPTY_STEPS;
    for (;;) {
        struct empty_step e;
        bool done;
        address signer;
        if (aura_empty_steps_next(&e, &done, &payload) != OK) return AURA_EMPTY_STEPS;
        if (done) return AURA_VALID;
        if (aura_empty_step_signer(&signer, &e, &h->parent_hash) != OK ||
            !address_eq(&signer, aura_proposer(v, e.step)))
            return AURA_EMPTY_STEPS;
    }
}

/* -------------------------------------------------------- validator sets */

const struct validator_set_spec *aura_set_spec_at(bool *first, const struct validator_set_spec *spec, uint64_t number)
{
    if (spec->kind != VALSET_MULTI) {
        *first = number == 0;
        return spec;
    }
    size_t i = spec->n_multi;
    while (i > 1 && spec->multi[i - 1].block > number + 1)
        i--;
    *first = spec->multi[i - 1].block == number;
    return &spec->multi[i - 1].set;
}

enum status aura_decode_address_list(struct validators *out, bytes abi)
{
    struct abi_reader r = abi_read(abi), items;
    size_t n;
    if (abi.len % ABI_WORD != 0 || abi_get_array(&items, &n, &r) != OK) return E_DECODE;
    address *list = malloc(n == 0 ? 1 : n * sizeof *list);
    if (list == NULL) return E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        if (abi_get_address(list[i].b, &items) != OK) {
            free(list);
            return E_DECODE;
        }
    }
    *out = (struct validators){.list = list, .n = n};
    return OK;
}

static enum status match_log(struct validators *out, const struct log_entry *log, const address *contract, const struct header *h)
{
    if (!address_eq(&log->addr, contract) || log->n_topics != 2 ||
        !hash_eq(&log->topics[0], &AURA_INITIATE_CHANGE_TOPIC) || !hash_eq(&log->topics[1], &h->parent_hash))
        return E_NOT_FOUND;
    enum status s = aura_decode_address_list(out, log->data);
    return s == E_DECODE ? E_NOT_FOUND : s;
}

enum status aura_find_signal(struct validators *out, const address *contract, const struct header *h,
                             const struct receipt *receipts, size_t n)
{
    bytes topic = BYTES_OF(AURA_INITIATE_CHANGE_TOPIC);
    if (!bloom_may_hold(&h->logs_bloom, topic) || !bloom_may_hold(&h->logs_bloom, bytes_make(contract->b, 20)))
        return E_NOT_FOUND;
    /* SPEC(aura.md B5): receipts from the last to the first, logs of one from the first on */
    for (size_t i = n; i-- > 0;) {
        for (size_t k = 0; k < receipts[i].n_logs; k++) {
            enum status s = match_log(out, &receipts[i].logs[k], contract, h);
            if (s != E_NOT_FOUND) return s;
        }
    }
    return E_NOT_FOUND;
}

uint64_t aura_gas_limit(uint64_t parent_gas_limit, uint64_t floor_target, uint64_t bound_divisor)
{
    uint64_t delta = parent_gas_limit / bound_divisor;
    delta = delta > 0 ? delta - 1 : 0;
    if (parent_gas_limit < floor_target) {
        uint64_t up = parent_gas_limit + delta;
        return up < floor_target ? up : floor_target;
    }
    uint64_t down = parent_gas_limit - delta;
    return down > floor_target ? down : floor_target;
}
