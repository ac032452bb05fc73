/* OpenSSL first: its headers name parameters by words that lib/base/attr.h poisons. */
#include <openssl/evp.h>

#include "lib/crypto/aead.h"
#include "lib/crypto/kdf.h"

#include <limits.h>

enum {
    SCRYPT_MEM_MAX = 512 << 20,
    /* n*r*p: 32 times the cost of a standard keystore, half a minute of one core; more is an attack or a mistake */
    SCRYPT_WORK_MAX = 1 << 26,
    PBKDF2_ROUNDS_MAX = 1 << 26,
};

/* ---- scrypt. Ours, since OpenSSL refuses n >= 2^(16 r), which wallets have written (n 262144 with r 1). ----
 * A 64-byte Salsa20 block is kept as its four diagonals, so that one vector holds one step of all four quarter rounds:
 *     a = x0 x5 x10 x15    b = x4 x9 x14 x3    c = x8 x13 x2 x7    d = x12 x1 x6 x11 */
typedef uint32_t quad __attribute__((vector_size(16)));
struct salsa_block {
    quad a, b, c, d;
};

static const uint8_t diagonal_of[16] = {0, 5, 10, 15, 4, 9, 14, 3, 8, 13, 2, 7, 12, 1, 6, 11};

#define QUAD_ROL(v, n)  (((v) << (n)) | ((v) >> (32 - (n))))
#define LANES_LEFT_1(v) __builtin_shufflevector(v, v, 1, 2, 3, 0)
#define LANES_LEFT_2(v) __builtin_shufflevector(v, v, 2, 3, 0, 1)
#define LANES_LEFT_3(v) __builtin_shufflevector(v, v, 3, 0, 1, 2)

static inline void salsa_round(struct salsa_block *x)
{
    x->b ^= QUAD_ROL(x->a + x->d, 7);
    x->c ^= QUAD_ROL(x->b + x->a, 9);
    x->d ^= QUAD_ROL(x->c + x->b, 13);
    x->a ^= QUAD_ROL(x->d + x->c, 18);
    /* columns become rows, and rows columns */
    quad b = x->b;
    x->b = LANES_LEFT_1(x->d);
    x->c = LANES_LEFT_2(x->c);
    x->d = LANES_LEFT_3(b);
}

/* x = Salsa20/8(x ^ in) */
static inline void salsa_xor(struct salsa_block *x, const struct salsa_block *in)
{
    struct salsa_block y = {x->a ^ in->a, x->b ^ in->b, x->c ^ in->c, x->d ^ in->d};
    *x = y;
    for (unsigned i = 0; i < 8; i++)
        salsa_round(&y);
    x->a += y.a;
    x->b += y.b;
    x->c += y.c;
    x->d += y.d;
}

/* out = scryptBlockMix(in ^ with), of 2r blocks; with may be NULL; in is overwritten by in ^ with. */
static void block_mix(struct salsa_block *out, struct salsa_block *in,
                      const struct salsa_block *with, size_t r)
{
    if (with != NULL) {
        for (size_t i = 0; i < 2 * r; i++) {
            in[i].a ^= with[i].a;
            in[i].b ^= with[i].b;
            in[i].c ^= with[i].c;
            in[i].d ^= with[i].d;
        }
    }
    struct salsa_block x = in[2 * r - 1];
    for (size_t i = 0; i < 2 * r; i++) {
        salsa_xor(&x, &in[i]);
        out[i / 2 + (i % 2) * r] = x;
    }
}

static void block_load(struct salsa_block *dst, const uint8_t *src)
{
    uint32_t w[16], v[16];
    memcpy(w, src, 64);
    for (size_t i = 0; i < 16; i++)
        v[i] = w[diagonal_of[i]];
    memcpy(dst, v, 64);
}

static void block_store(uint8_t *dst, const struct salsa_block *src)
{
    uint32_t w[16], v[16];
    memcpy(v, src, 64);
    for (size_t i = 0; i < 16; i++)
        w[diagonal_of[i]] = v[i];
    memcpy(dst, w, 64);
}

/* scryptROMix of RFC 7914 on one lane of 128*r bytes; table has n lanes, tmp two. */
static void rom_mix(uint8_t *lane, uint64_t n, size_t r, struct salsa_block *table,
                    struct salsa_block *tmp)
{
    struct salsa_block *x = tmp, *y = tmp + 2 * r;
    for (size_t i = 0; i < 2 * r; i++)
        block_load(&x[i], lane + 64 * i);
    memcpy(table, x, 128 * r);
    for (uint64_t i = 0; i + 1 < n; i++)
        block_mix(table + (i + 1) * 2 * r, table + i * 2 * r, NULL, r);
    block_mix(x, table + (n - 1) * 2 * r, NULL, r);
    for (uint64_t i = 0; i < n; i++) {
        const uint64_t j = x[2 * r - 1].a[0] & (n - 1);
        block_mix(y, x, table + j * 2 * r, r);
        struct salsa_block *swap = x;
        x = y;
        y = swap;
    }
    for (size_t i = 0; i < 2 * r; i++)
        block_store(lane + 64 * i, &x[i]);
}

enum status kdf_scrypt(uint8_t *dst, size_t len, bytes password, bytes salt, uint64_t n, uint32_t r,
                       uint32_t p)
{
    if (n < 2 || (n & (n - 1)) != 0 || r == 0 || p == 0 || len == 0) return E_INVALID;
    if (n > SCRYPT_MEM_MAX / 128 || r > SCRYPT_MEM_MAX / 128 || n * r > SCRYPT_MEM_MAX / 128)
        return E_LIMIT;
    if (p > SCRYPT_WORK_MAX || n * r * p > SCRYPT_WORK_MAX) return E_LIMIT;
    const size_t lane_len = 128 * (size_t)r, lanes_len = lane_len * p;
    enum status s = E_NOMEM;
    uint8_t *lanes = malloc(lanes_len);
    struct salsa_block *table = aligned_alloc(64, lane_len * n),
                       *tmp = aligned_alloc(64, 2 * lane_len);
    if (lanes == NULL || table == NULL || tmp == NULL) goto out;
    s = kdf_pbkdf2_sha256(lanes, lanes_len, password, salt, 1);
    if (s != OK) goto out;
    for (uint32_t i = 0; i < p; i++)
        rom_mix(lanes + i * lane_len, n, r, table, tmp);
    s = kdf_pbkdf2_sha256(dst, len, password, bytes_make(lanes, lanes_len), 1);
out:
    if (lanes != NULL) secret_wipe(lanes, lanes_len);
    if (tmp != NULL) secret_wipe(tmp, 2 * lane_len);
    if (table != NULL) secret_wipe(table, lane_len * n);
    free(lanes);
    free(table);
    free(tmp);
    return s;
}

enum status kdf_pbkdf2_sha256(uint8_t *dst, size_t len, bytes password, bytes salt, uint32_t rounds)
{
    if (rounds == 0 || len == 0) return E_INVALID;
    if (rounds > PBKDF2_ROUNDS_MAX || password.len > INT_MAX || salt.len > INT_MAX || len > INT_MAX)
        return E_LIMIT;
    const char *pass = password.len != 0 ? (const char *)password.ptr : "";
    const uint8_t *s = salt.len != 0 ? salt.ptr : (const uint8_t *)"";
    if (PKCS5_PBKDF2_HMAC(pass, (int)password.len, s, (int)salt.len, (int)rounds, EVP_sha256(),
                          (int)len, dst) != 1)
        return E_NOMEM;
    return OK;
}

void kdf_concat_sha256(uint8_t *dst, size_t len, bytes z)
{
    uint8_t block[4 + 256], hash[32];
    if (z.len > sizeof(block) - 4) BUG("kdf_concat_sha256: shared secret over 256 bytes");
    if (z.len != 0) memcpy(block + 4, z.ptr, z.len);
    for (uint32_t counter = 1; len != 0; counter++) {
        be32_put(block, counter);
        sha256(hash, block, 4 + z.len);
        size_t step = len < 32 ? len : 32;
        memcpy(dst, hash, step);
        dst += step;
        len -= step;
    }
    secret_wipe(block, sizeof(block));
    secret_wipe(hash, sizeof(hash));
}
