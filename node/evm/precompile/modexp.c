/* OpenSSL first: its headers name parameters by words that lib/base/attr.h poisons. */
#include <openssl/bn.h>

#include "node/evm/precompile/precompile.h"

#include <limits.h>

static bytes without_leading_zeros(bytes b)
{
    while (b.len != 0 && b.ptr[0] == 0)
        b = bytes_make(b.ptr + 1, b.len - 1);
    return b;
}

static BIGNUM *number(bytes b)
{
    return b.len <= INT_MAX / 16 ? BN_bin2bn(b.ptr, (int)b.len, NULL) : NULL;
}

/* r = base^exp mod 2^n_bits: square and multiply, cut to n_bits after each step. */
static bool exp_mod_power_of_two(BIGNUM *r, const BIGNUM *base, const BIGNUM *exp, int n_bits,
                                 BN_CTX *ctx)
{
    BIGNUM *b = BN_dup(base);
    bool ok =
        b != NULL && (BN_num_bits(b) <= n_bits || BN_mask_bits(b, n_bits) == 1) && BN_one(r) == 1;
    for (int i = BN_num_bits(exp); ok && i-- > 0;) {
        ok = BN_sqr(r, r, ctx) == 1 && (BN_num_bits(r) <= n_bits || BN_mask_bits(r, n_bits) == 1);
        if (ok && BN_is_bit_set(exp, i))
            ok = BN_mul(r, r, b, ctx) == 1 &&
                 (BN_num_bits(r) <= n_bits || BN_mask_bits(r, n_bits) == 1);
        if (ok && BN_is_zero(r)) break; /* an even base soon runs out of low bits */
    }
    BN_free(b);
    return ok;
}

/* An even modulus is odd * 2^k: one power modulo each part, joined by the Chinese remainder theorem, since Montgomery's product, which
 * OpenSSL is fast with, needs an odd modulus. */
static bool exp_mod_even(BIGNUM *r, const BIGNUM *base, const BIGNUM *exp, const BIGNUM *mod,
                         BN_CTX *ctx)
{
    int k = 0;
    while (!BN_is_bit_set(mod, k))
        k++;
    BIGNUM *odd = BN_new(), *power = BN_new(), *x = BN_new(), *y = BN_new(), *inverse = BN_new();
    bool ok = odd != NULL && power != NULL && x != NULL && y != NULL && inverse != NULL &&
              BN_rshift(odd, mod, k) == 1 && BN_set_bit(power, k) == 1 &&
              exp_mod_power_of_two(y, base, exp, k, ctx);
    if (ok && BN_is_one(odd)) {
        ok = BN_copy(r, y) != NULL;
    } else if (ok) {
        /* r = x + odd * ((y - x) / odd mod 2^k) */
        ok = BN_mod_exp(x, base, exp, odd, ctx) == 1 &&
             BN_mod_inverse(inverse, odd, power, ctx) != NULL &&
             BN_mod_sub(y, y, x, power, ctx) == 1 && BN_mod_mul(y, y, inverse, power, ctx) == 1 &&
             BN_mul(y, y, odd, ctx) == 1 && BN_add(r, x, y) == 1;
    }
    BN_free(odd);
    BN_free(power);
    BN_free(x);
    BN_free(y);
    BN_free(inverse);
    return ok;
}

enum status pc_modexp(uint8_t *out, bytes base, bytes exp, bytes mod)
{
    const size_t out_len = mod.len;
    base = without_leading_zeros(base);
    exp = without_leading_zeros(exp);
    mod = without_leading_zeros(mod);
    if (out_len == 0) return OK;
    if (mod.len == 0 || (mod.len == 1 && mod.ptr[0] == 1)) { /* modulo 0 and modulo 1 */
        memset(out, 0, out_len);
        return OK;
    }
    if (exp.len == 0 || base.len == 0) { /* x^0 = 1, also for x = 0; 0^y = 0 */
        memset(out, 0, out_len);
        out[out_len - 1] = exp.len == 0;
        return OK;
    }
    enum status s = E_NOMEM;
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *b = number(base), *e = number(exp), *m = number(mod), *r = BN_new();
    if (ctx == NULL || b == NULL || e == NULL || m == NULL || r == NULL) goto out;
    if (BN_is_odd(m) ? BN_mod_exp(r, b, e, m, ctx) != 1 : !exp_mod_even(r, b, e, m, ctx)) goto out;
    if (out_len > INT_MAX || BN_bn2binpad(r, out, (int)out_len) < 0) goto out;
    s = OK;
out:
    BN_free(b);
    BN_free(e);
    BN_free(m);
    BN_free(r);
    BN_CTX_free(ctx);
    return s;
}

/* A length of 32 bytes at off of the call data; past its end all is zero. ret false: over 2^32 - 1 */
static bool length_get(size_t *len, bytes in, size_t off)
{
    uint8_t word[32] = {0};
    if (off < in.len) memcpy(word, in.ptr + off, in.len - off < 32 ? in.len - off : 32);
    for (unsigned i = 0; i < 28; i++)
        if (word[i] != 0) return false;
    *len = be32_get(word + 28);
    return true;
}

/* len bytes at off of the call data, with zeros for what it lacks; *owned is to be freed. */
static bool operand_get(bytes *out, uint8_t **owned, bytes in, uint64_t off, size_t len)
{
    const size_t have = off >= in.len ? 0 : in.len - (size_t)off < len ? in.len - (size_t)off : len;
    *owned = NULL;
    if (have == 0) *out = BYTES_EMPTY; /* the number 0 */
    if (have == len && len != 0) *out = bytes_make(in.ptr + off, len);
    if (have == 0 || have == len) return true;
    *owned = calloc(1, len);
    if (*owned == NULL) return false;
    memcpy(*owned, in.ptr + off, have);
    *out = bytes_make(*owned, len);
    return true;
}

enum status pc_modexp_call(struct buf *out, bytes in)
{
    size_t base_len = 0, exp_len = 0, mod_len = 0;
    if (!length_get(&mod_len, in, 64)) return E_INVALID;
    if (mod_len == 0) return OK; /* whatever the other lengths are: nothing has so many digits */
    if (!length_get(&base_len, in, 0) || !length_get(&exp_len, in, 32)) return E_INVALID;
    uint8_t *base_mem = NULL, *exp_mem = NULL, *mod_mem = NULL;
    bytes base, exp, mod;
    enum status s = E_NOMEM;
    if (!operand_get(&base, &base_mem, in, 96, base_len)) goto out;
    if (!operand_get(&exp, &exp_mem, in, 96 + (uint64_t)base_len, exp_len)) goto out;
    if (!operand_get(&mod, &mod_mem, in, 96 + (uint64_t)base_len + exp_len, mod_len)) goto out;
    uint8_t *p = buf_reserve(out, mod_len);
    if (p == NULL) {
        s = buf_status(out);
        goto out;
    }
    if (mod.len == 0) { /* modulus wholly past the end: 0 */
        memset(p, 0, mod_len);
        s = OK;
    } else {
        s = pc_modexp(p, base, exp, mod);
    }
    if (s == OK) out->len += mod_len;
out:
    free(base_mem);
    free(exp_mem);
    free(mod_mem);
    return s;
}
