/* OpenSSL 3 calls its direct SHA-256 functions deprecated; the EVP way costs a fetch and an allocation a call, which is three
 * times the hash itself for the short inputs that we have. */
#define OPENSSL_SUPPRESS_DEPRECATED
/* OpenSSL first: its headers name parameters by words that lib/base/attr.h poisons. */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "lib/base/rng.h"
#include "lib/crypto/aead.h"

#include <limits.h>

enum { GCM_NONCE_LEN = 12, GCM_TAG_LEN = 16 };

void sha256(uint8_t dst[static 32], const void *data, size_t len)
{
    SHA256_CTX c;
    SHA256_Init(&c);
    if (len != 0) SHA256_Update(&c, data, len);
    SHA256_Final(dst, &c);
}

void hmac_sha256(uint8_t dst[static 32], bytes key, bytes data)
{
    static const uint8_t none[1];
    unsigned len = 0;
    uint8_t mac[EVP_MAX_MD_SIZE];
    if (key.len > INT_MAX) BUG("hmac_sha256: key over 2 GiB");
    const void *k = key.len != 0 ? key.ptr : none;
    const uint8_t *d = data.len != 0 ? data.ptr : none;
    if (HMAC(EVP_sha256(), k, (int)key.len, d, data.len, mac, &len) == NULL || len != 32)
        BUG("OpenSSL has no HMAC-SHA256");
    memcpy(dst, mac, 32);
}

static const EVP_CIPHER *ctr_by_key_len(size_t len)
{
    return len == 16 ? EVP_aes_128_ctr() : len == 32 ? EVP_aes_256_ctr() : NULL;
}

/* Feed any length through an EVP cipher whose interface counts in int. */
static bool cipher_run(EVP_CIPHER_CTX *c, uint8_t *dst, const uint8_t *src, size_t len)
{
    while (len != 0) {
        int step = len > (1u << 30) ? 1 << 30 : (int)len, n = 0;
        if (EVP_CipherUpdate(c, dst, &n, src, step) != 1 || n != step) return false;
        if (dst != NULL) dst += step;
        src += step;
        len -= (size_t)step;
    }
    return true;
}

enum status aes_ctr_xor(uint8_t *dst, bytes data, bytes key, const uint8_t iv[static 16])
{
    const EVP_CIPHER *cipher = ctr_by_key_len(key.len);
    if (cipher == NULL) return E_INVALID;
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    if (c == NULL) return E_NOMEM;
    enum status s = E_CRYPTO;
    if (EVP_EncryptInit_ex(c, cipher, NULL, key.ptr, iv) == 1 &&
        cipher_run(c, dst, data.ptr, data.len))
        s = OK;
    EVP_CIPHER_CTX_free(c);
    return s;
}

enum status aead_seal(struct buf *out, const secret32 *key, bytes plain, bytes aad)
{
    if (plain.len > SIZE_MAX - GCM_NONCE_LEN - GCM_TAG_LEN) return E_LIMIT;
    const size_t total = GCM_NONCE_LEN + plain.len + GCM_TAG_LEN;
    uint8_t *p = buf_reserve(out, total);
    if (p == NULL) return buf_status(out);
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    if (c == NULL) return E_NOMEM;
    enum status s = E_CRYPTO;
    int n = 0;
    uint8_t none[1];
    rng_fill(p, GCM_NONCE_LEN);
    if (EVP_EncryptInit_ex(c, EVP_aes_256_gcm(), NULL, key->b, p) != 1) goto out;
    if (!cipher_run(c, NULL, aad.ptr, aad.len)) goto out;
    if (!cipher_run(c, p + GCM_NONCE_LEN, plain.ptr, plain.len)) goto out;
    if (EVP_EncryptFinal_ex(c, none, &n) != 1) goto out;
    if (EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_GET_TAG, GCM_TAG_LEN, p + GCM_NONCE_LEN + plain.len) !=
        1)
        goto out;
    out->len += total;
    s = OK;
out:
    EVP_CIPHER_CTX_free(c);
    return s;
}

enum status aead_open(struct buf *out, const secret32 *key, bytes sealed, bytes aad)
{
    if (sealed.len < GCM_NONCE_LEN + GCM_TAG_LEN) return E_CRYPTO;
    const size_t len = sealed.len - GCM_NONCE_LEN - GCM_TAG_LEN;
    uint8_t *p = buf_reserve(out, len);
    if (p == NULL) return buf_status(out);
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    if (c == NULL) return E_NOMEM;
    enum status s = E_CRYPTO;
    int n = 0;
    uint8_t none[1], tag[GCM_TAG_LEN];
    memcpy(tag, sealed.ptr + sealed.len - GCM_TAG_LEN, GCM_TAG_LEN);
    if (EVP_DecryptInit_ex(c, EVP_aes_256_gcm(), NULL, key->b, sealed.ptr) != 1) goto out;
    if (!cipher_run(c, NULL, aad.ptr, aad.len)) goto out;
    if (!cipher_run(c, p, sealed.ptr + GCM_NONCE_LEN, len)) goto out;
    if (EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_AEAD_SET_TAG, GCM_TAG_LEN, tag) != 1) goto out;
    if (EVP_DecryptFinal_ex(c, none, &n) != 1) goto out;
    out->len += len;
    s = OK;
out:
    if (s != OK) secret_wipe(p, len);
    EVP_CIPHER_CTX_free(c);
    return s;
}

struct stream_cipher {
    EVP_CIPHER_CTX *c;
};

enum status stream_cipher_new(struct stream_cipher **out, const uint8_t key[static 32],
                              const uint8_t iv[static 16])
{
    struct stream_cipher *s = malloc(sizeof(*s));
    if (s == NULL) return E_NOMEM;
    s->c = EVP_CIPHER_CTX_new();
    if (s->c == NULL || EVP_EncryptInit_ex(s->c, EVP_aes_256_ctr(), NULL, key, iv) != 1) {
        stream_cipher_free(s);
        return E_NOMEM;
    }
    *out = s;
    return OK;
}

void stream_cipher_free(struct stream_cipher *s)
{
    if (s == NULL) return;
    EVP_CIPHER_CTX_free(s->c);
    free(s);
}

void stream_cipher_xor(struct stream_cipher *s, uint8_t *dst, const uint8_t *src, size_t len)
{
    if (!cipher_run(s->c, dst, src, len)) BUG("AES-256-CTR refuses input");
}

void aes256_ecb_block(uint8_t dst[static 16], const uint8_t src[static 16],
                      const uint8_t key[static 32])
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    uint8_t block[32];
    int n = 0;
    if (c == NULL || EVP_EncryptInit_ex(c, EVP_aes_256_ecb(), NULL, key, NULL) != 1 ||
        EVP_CIPHER_CTX_set_padding(c, 0) != 1 || EVP_EncryptUpdate(c, block, &n, src, 16) != 1 ||
        n != 16) {
        BUG("OpenSSL has no AES-256-ECB");
    }
    EVP_CIPHER_CTX_free(c);
    memcpy(dst, block, 16);
    secret_wipe(block, sizeof(block));
}
