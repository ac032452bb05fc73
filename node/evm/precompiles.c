/* Precompiled contracts: where they are, what they cost, and the call of the mathematics in precompile/. */
#include "lib/crypto/aead.h"
#include "lib/crypto/secp256k1.h"
#include "node/evm/evm_priv.h"
#include "node/evm/precompile/precompile.h"

/* SPEC(EIP-2537): discounts of multi-scalar multiplication, in thousandths, for 1, 2, 3... pairs */
static const uint16_t msm_discount_g1[128] = {
    1000, 949, 848, 797, 764, 750, 738, 728, 719, 712, 705, 698, 692, 687, 682, 677, 673, 669, 665, 661, 658, 654,
    651, 648, 645, 642, 640, 637, 635, 632, 630, 627, 625, 623, 621, 619, 617, 615, 613, 611, 609, 608, 606, 604,
    603, 601, 599, 598, 596, 595, 593, 592, 591, 589, 588, 586, 585, 584, 582, 581, 580, 579, 577, 576, 575, 574,
    573, 572, 570, 569, 568, 567, 566, 565, 564, 563, 562, 561, 560, 559, 558, 557, 556, 555, 554, 553, 552, 551,
    550, 549, 548, 547, 547, 546, 545, 544, 543, 542, 541, 540, 540, 539, 538, 537, 536, 536, 535, 534, 533, 532,
    532, 531, 530, 529, 528, 528, 527, 526, 525, 525, 524, 523, 522, 522, 521, 520, 520, 519,
};
static const uint16_t msm_discount_g2[128] = {
    1000, 1000, 923, 884, 855, 832, 812, 796, 782, 770, 759, 749, 740, 732, 724, 717, 711, 704, 699, 693, 688, 683,
    679, 674, 670, 666, 663, 659, 655, 652, 649, 646, 643, 640, 637, 634, 632, 629, 627, 624, 622, 620, 618, 615,
    613, 611, 609, 607, 606, 604, 602, 600, 598, 597, 595, 593, 592, 590, 589, 587, 586, 584, 583, 582, 580, 579,
    578, 576, 575, 574, 573, 571, 570, 569, 568, 567, 566, 565, 563, 562, 561, 560, 559, 558, 557, 556, 555, 554,
    553, 552, 552, 551, 550, 549, 548, 547, 546, 545, 545, 544, 543, 542, 541, 541, 540, 539, 538, 537, 537, 536,
    535, 535, 534, 533, 532, 532, 531, 530, 530, 529, 528, 528, 527, 526, 526, 525, 524, 524,
};

/* by_rules: the named forks' precompiles at 0x01..0x11; ids are in the order of the addresses. */
static bool by_rules(struct precompile *out, const struct rules *r, const address *a)
{
    static const uint8_t zero[19];
    if (memcmp(a->b, zero, sizeof zero) != 0) return false;
    const int id = a->b[19];
    bool on = false;
    *out = (struct precompile){.id = id, .pricing = PRICING_LINEAR};
    switch (id) {
    case BUILTIN_ECRECOVER:
        out->a = 3000;
        return true;
    case BUILTIN_SHA256:
        out->a = 60;
        out->b = 12;
        return true;
    case BUILTIN_RIPEMD160:
        out->a = 600;
        out->b = 120;
        return true;
    case BUILTIN_IDENTITY:
        out->a = 15;
        out->b = 3;
        return true;
    case BUILTIN_MODEXP:
        *out = (struct precompile){id, PRICING_MODEXP, r->eip2565 ? 3 : 20, r->eip2565};
        return r->eip198;
    case BUILTIN_BN_ADD:
        *out = (struct precompile){id, PRICING_BN_CONST, r->eip1108 ? 150 : 500, 0};
        return r->eip196_197;
    case BUILTIN_BN_MUL:
        *out = (struct precompile){id, PRICING_BN_CONST, r->eip1108 ? 6000 : 40000, 0};
        return r->eip196_197;
    case BUILTIN_BN_PAIRING:
        *out = (struct precompile){id, PRICING_BN_PAIRING, r->eip1108 ? 45000 : 100000, r->eip1108 ? 34000 : 80000};
        return r->eip196_197;
    case BUILTIN_BLAKE2F:
        *out = (struct precompile){id, PRICING_BLAKE2F, 1, 0};
        return r->eip152;
    case BUILTIN_POINT_EVALUATION: on = r->eip4844; break;
    default: on = id >= BUILTIN_BLS_G1ADD && id <= BUILTIN_BLS_MAP_FP2 && r->eip2537; break;
    }
    out->pricing = PRICING_FIXED;
    return on;
}

bool precompile_find(struct precompile *out, const struct evm *e, const address *a)
{
    if (e->host->precompile == NULL) return by_rules(out, e->rules, a);
    int id = 0;
    e->host->precompile(e->ctx, a, &id, &out->pricing, &out->a, &out->b);
    out->id = id;
    return id != BUILTIN_NONE;
}

void evm_precompile_by_rules(int *id, int *pricing, uint64_t *price_a, uint64_t *price_b, const struct rules *rules, const address *a)
{
    struct precompile p = {.id = BUILTIN_NONE};
    *id = by_rules(&p, rules, a) ? p.id : BUILTIN_NONE;
    *pricing = p.pricing;
    *price_a = p.a;
    *price_b = p.b;
}

/* --- prices; UINT64_MAX is more than any gas */

static uint64_t saturate(u128 v)
{
    return v > UINT64_MAX ? UINT64_MAX : (uint64_t)v;
}

/* input_word: 32 bytes of call data, zeros behind its end */
static u256 input_word(bytes in, uint64_t off)
{
    uint8_t be[32] = {0};
    if (off < in.len) memcpy(be, in.ptr + off, in.len - off < 32 ? in.len - off : 32);
    return u256_from_be(be);
}

/* modexp_price: SPEC(EIP-198, EIP-2565) */
static uint64_t modexp_price(const struct precompile *p, bytes in)
{
    const uint64_t least = p->b != 0 ? 200 : 0;
    const u256 wide[3] = {input_word(in, 0), input_word(in, 32), input_word(in, 64)};
    const uint64_t base_len = u256_to_u64_sat(&wide[0]), exp_len = u256_to_u64_sat(&wide[1]), mod_len = u256_to_u64_sat(&wide[2]);
    const uint64_t x = base_len > mod_len ? base_len : mod_len;
    if (x == 0) return least;
    if (x >> 32 != 0 || exp_len >> 56 != 0) return UINT64_MAX;
    u256 head = U256_ZERO; /* of the exponent */
    if (base_len < in.len) head = input_word(in, 96 + base_len);
    if (exp_len < 32) head = u256_shr(head, 8 * (32 - exp_len));
    const unsigned bits = u256_bit_len(&head);
    u128 steps = (exp_len > 32 ? 8 * (u128)(exp_len - 32) : 0) + (bits == 0 ? 0 : bits - 1);
    if (steps == 0) steps = 1;
    u128 complexity;
    if (p->b != 0) {
        const u128 words = (x + 7) / 8;
        complexity = words * words;
    } else if (x <= 64) {
        complexity = (u128)x * x;
    } else if (x <= 1024) {
        complexity = (u128)x * x / 4 + 96 * (u128)x - 3072;
    } else {
        complexity = (u128)x * x / 16 + 480 * (u128)x - 199680;
    }
    const uint64_t price = saturate(complexity * steps / (p->a == 0 ? 1 : p->a));
    return price < least ? least : price;
}

static uint64_t msm_price(uint64_t pairs, uint64_t each, const uint16_t discount[static 128])
{
    if (pairs == 0) return 0; /* it will fail anyway */
    return saturate((u128)pairs * each * discount[(pairs > 128 ? 128 : pairs) - 1] / 1000);
}

static uint64_t fixed_price(int id, size_t len)
{
    switch (id) {
    case BUILTIN_POINT_EVALUATION: return 50000;
    case BUILTIN_BLS_G1ADD: return 375;
    case BUILTIN_BLS_G1MSM: return msm_price(len / 160, 12000, msm_discount_g1);
    case BUILTIN_BLS_G2ADD: return 600;
    case BUILTIN_BLS_G2MSM: return msm_price(len / 288, 22500, msm_discount_g2);
    case BUILTIN_BLS_PAIRING: return 37700 + 32600 * (uint64_t)(len / 384);
    case BUILTIN_BLS_MAP_FP: return 5500;
    case BUILTIN_BLS_MAP_FP2: return 23800;
    default: return UINT64_MAX;
    }
}

static uint64_t price_of(const struct precompile *p, bytes in)
{
    switch ((enum pricing_kind)p->pricing) {
    case PRICING_LINEAR: return saturate(p->a + (u128)p->b * words_of(in.len));
    case PRICING_MODEXP: return modexp_price(p, in);
    case PRICING_BN_CONST: return p->a;
    case PRICING_BN_PAIRING: return saturate(p->a + (u128)p->b * (in.len / 192));
    case PRICING_BLAKE2F: return in.len < 4 ? 0 : saturate((u128)p->a * be32_get(in.ptr));
    case PRICING_FIXED: return fixed_price(p->id, in.len);
    }
    return UINT64_MAX;
}

/* --- calls */

/* ecrecover: no output, and no failure, for a signature of nobody */
static size_t ecrecover(uint8_t out[static 32], bytes in)
{
    uint8_t data[128] = {0}, sig[65];
    if (in.len != 0) memcpy(data, in.ptr, in.len < sizeof data ? in.len : sizeof data);
    for (unsigned i = 32; i < 63; i++)
        if (data[i] != 0) return 0;
    if (data[63] != 27 && data[63] != 28) return 0;
    memcpy(sig, data + 64, 64);
    sig[64] = data[63] - 27;
    memset(out, 0, 12);
    return ec_recover_address(out + 12, sig, data) == OK ? 32 : 0;
}

static enum evm_outcome modexp(struct evm *e, bytes in)
{
    const u256 base_len = input_word(in, 0), mod_len = input_word(in, 64);
    if (u256_is_zero(&base_len) && u256_is_zero(&mod_len)) { /* whatever length the exponent claims */
        e->ret_len = 0;
        return EVM_SUCCESS;
    }
    struct buf out;
    buf_init(&out, EVM_MEMORY_MAX);
    enum status s = pc_modexp_call(&out, in);
    if (s == OK) s = ret_set(e, out.ptr, out.len);
    buf_fini(&out);
    return s == OK ? EVM_SUCCESS : evm_host_failed(e, s); /* its gas was paid: that we cannot is our trouble */
}

enum evm_outcome precompile_run(struct evm *e, const struct precompile *p, bytes in, int64_t *gas)
{
    const uint64_t price = price_of(p, in);
    if (price > (uint64_t)*gas) return EVM_OUT_OF_GAS;
    *gas -= (int64_t)price;
    uint8_t out[256];
    size_t len = 32;
    enum status s = OK;
    switch ((enum builtin_id)p->id) {
    case BUILTIN_NONE: len = 0; break;
    case BUILTIN_ECRECOVER: len = ecrecover(out, in); break;
    case BUILTIN_SHA256: sha256(out, in.ptr, in.len); break;
    case BUILTIN_RIPEMD160: pc_ripemd160(out, in); break;
    case BUILTIN_IDENTITY:
        s = ret_set(e, in.ptr, in.len);
        return s == OK ? EVM_SUCCESS : evm_host_failed(e, s);
    case BUILTIN_MODEXP: return modexp(e, in);
    case BUILTIN_BN_ADD:
        s = pc_bn254_add(out, in);
        len = 64;
        break;
    case BUILTIN_BN_MUL:
        s = pc_bn254_mul(out, in);
        len = 64;
        break;
    case BUILTIN_BN_PAIRING: s = pc_bn254_pairing(out, in); break;
    case BUILTIN_BLAKE2F:
        s = pc_blake2f(out, in);
        len = 64;
        break;
    case BUILTIN_POINT_EVALUATION:
        s = pc_kzg_point_evaluation(out, in);
        len = 64;
        break;
    case BUILTIN_BLS_G1ADD:
        s = pc_bls_g1_add(out, in);
        len = 128;
        break;
    case BUILTIN_BLS_G1MSM:
        s = pc_bls_g1_msm(out, in);
        len = 128;
        break;
    case BUILTIN_BLS_G2ADD:
        s = pc_bls_g2_add(out, in);
        len = 256;
        break;
    case BUILTIN_BLS_G2MSM:
        s = pc_bls_g2_msm(out, in);
        len = 256;
        break;
    case BUILTIN_BLS_PAIRING: s = pc_bls_pairing(out, in); break;
    case BUILTIN_BLS_MAP_FP:
        s = pc_bls_map_fp_to_g1(out, in);
        len = 128;
        break;
    case BUILTIN_BLS_MAP_FP2:
        s = pc_bls_map_fp2_to_g2(out, in);
        len = 256;
        break;
    }
    if (s == E_INVALID) return EVM_PRECOMPILE_FAILURE;
    if (s == OK) s = ret_set(e, out, len);
    return s == OK ? EVM_SUCCESS : evm_host_failed(e, s);
}
