#include "lib/crypto/ecies.h"

#include "lib/base/rng.h"
#include "lib/crypto/aead.h"
#include "lib/crypto/kdf.h"
#include "lib/crypto/secp256k1.h"

static enum status ecies_keys(uint8_t enc[static 16], uint8_t mac[static 32], const uint8_t pub[static 64], const secret32 *key)
{
    uint8_t z[32], k[32];
    const enum status s = ec_dh(z, pub, key);
    if (s != OK) return s;
    kdf_concat_sha256(k, sizeof k, bytes_make(z, sizeof z));
    memcpy(enc, k, 16);
    sha256(mac, k + 16, 16);
    secret_wipe(z, sizeof z);
    secret_wipe(k, sizeof k);
    return OK;
}

static enum status ecies_tag(uint8_t tag[static 32], const uint8_t mac[static 32], bytes iv_and_text, bytes auth_data)
{
    struct buf b;
    buf_init(&b, iv_and_text.len + auth_data.len);
    buf_put_bytes(&b, iv_and_text);
    buf_put_bytes(&b, auth_data);
    const enum status s = buf_status(&b);
    if (s == OK) hmac_sha256(tag, bytes_make(mac, 32), buf_view(&b));
    buf_fini(&b);
    return s;
}

enum status ecies_seal(struct buf *out, const uint8_t pub[static 64], bytes plain, bytes auth_data)
{
    uint8_t enc[16], mac[32], tag[32];
    secret32 once;
    const size_t total = plain.len + ECIES_OVERHEAD;
    uint8_t *p = buf_reserve(out, total);
    if (p == NULL) return buf_status(out);
    ec_secret_generate(&once);
    p[0] = 0x04;
    enum status s = ec_public(p + 1, &once);
    if (s == OK) s = ecies_keys(enc, mac, pub, &once);
    secret_fini(&once);
    if (s != OK) return s;
    uint8_t *iv = p + 65, *text = iv + 16;
    rng_fill(iv, 16);
    s = aes_ctr_xor(text, plain, bytes_make(enc, 16), iv);
    if (s == OK) s = ecies_tag(tag, mac, bytes_make(iv, 16 + plain.len), auth_data);
    if (s == OK) {
        memcpy(text + plain.len, tag, 32);
        out->len += total;
    }
    secret_wipe(enc, sizeof enc);
    secret_wipe(mac, sizeof mac);
    return s;
}

enum status ecies_open(struct buf *out, const secret32 *key, bytes sealed, bytes auth_data)
{
    uint8_t enc[16], mac[32], tag[32];
    if (sealed.len < ECIES_OVERHEAD || sealed.ptr[0] != 0x04) return E_CRYPTO;
    const size_t len = sealed.len - ECIES_OVERHEAD;
    const uint8_t *iv = sealed.ptr + 65;
    if (ecies_keys(enc, mac, sealed.ptr + 1, key) != OK) return E_CRYPTO;
    enum status s = ecies_tag(tag, mac, bytes_make(iv, 16 + len), auth_data);
    if (s == OK && !ct_eq(tag, iv + 16 + len, 32)) s = E_CRYPTO;
    uint8_t *p = s == OK ? buf_reserve(out, len) : NULL;
    if (s == OK && p == NULL) s = buf_status(out);
    if (s == OK) s = aes_ctr_xor(p, bytes_make(iv + 16, len), bytes_make(enc, 16), iv);
    if (s == OK) out->len += len;
    secret_wipe(enc, sizeof enc);
    secret_wipe(mac, sizeof mac);
    return s;
}
