#include "lib/crypto/keystore.h"

#include <jansson.h>

#include "lib/base/rng.h"
#include "lib/codec/hex.h"
#include "lib/crypto/aead.h"
#include "lib/crypto/kdf.h"
#include "lib/crypto/keccak.h"
#include "lib/crypto/secp256k1.h"

enum { KEYSTORE_JSON_MAX = 64 << 10, DERIVED_MAX = 64, SALT_MAX = 256 };

/* ---- writing ---- */

/* Bare hex digits: Web3 Secret Storage has no "0x". */
static void put_digits(struct buf *out, const uint8_t *src, size_t len)
{
    uint8_t *p = buf_reserve(out, 2 * len);
    if (p == NULL) return;
    hex_put((char *)p, src, len);
    out->len += 2 * len;
}

static void put_uuid(struct buf *out)
{
    static const uint8_t groups[] = {4, 2, 2, 2, 6};
    uint8_t id[16];
    rng_fill(id, sizeof(id));
    id[6] = (uint8_t)((id[6] & 0x0f) | 0x40); /* RFC 4122: version 4 */
    id[8] = (uint8_t)((id[8] & 0x3f) | 0x80);
    for (size_t i = 0, at = 0; i < COUNT_OF(groups); at += groups[i++]) {
        if (i != 0) buf_put_u8(out, '-');
        put_digits(out, id + at, groups[i]);
    }
}

static void mac_make(uint8_t mac[static 32], const uint8_t derived[static 32], bytes ciphertext)
{
    struct keccak k;
    keccak_init(&k, 32);
    keccak_update(&k, derived + 16, 16);
    keccak_update(&k, ciphertext.ptr, ciphertext.len);
    keccak_final(&k, mac);
}

enum status keystore_put(struct buf *json, const secret32 *key, bytes password,
                         enum keystore_cost cost)
{
    const bool light = cost == KEYSTORE_COST_LIGHT;
    const uint64_t n = light ? 4096 : 262144;
    const uint32_t r = 8, p = light ? 6 : 1;
    uint8_t pub[64], addr[20], salt[32], iv[16], derived[32], ciphertext[32], mac[32];
    enum status s = ec_public(pub, key);
    if (s != OK) return s;
    ec_address(addr, pub);
    rng_fill(salt, sizeof(salt));
    rng_fill(iv, sizeof(iv));
    s = kdf_scrypt(derived, sizeof(derived), password, BYTES_OF(salt), n, r, p);
    if (s != OK) goto out;
    s = aes_ctr_xor(ciphertext, BYTES_OF(key->b), bytes_make(derived, 16), iv);
    if (s != OK) goto out;
    mac_make(mac, derived, BYTES_OF(ciphertext));

    buf_put_str(json, "{\"address\":\"");
    put_digits(json, addr, sizeof(addr));
    buf_put_str(json, "\",\"crypto\":{\"cipher\":\"aes-128-ctr\",\"ciphertext\":\"");
    put_digits(json, ciphertext, sizeof(ciphertext));
    buf_put_str(json, "\",\"cipherparams\":{\"iv\":\"");
    put_digits(json, iv, sizeof(iv));
    buf_printf(
        json,
        "\"},\"kdf\":\"scrypt\",\"kdfparams\":{\"dklen\":32,\"n\":%u,\"p\":%u,\"r\":%u,\"salt\":\"",
        (unsigned)n, p, r);
    put_digits(json, salt, sizeof(salt));
    buf_put_str(json, "\"},\"mac\":\"");
    put_digits(json, mac, sizeof(mac));
    buf_put_str(json, "\"},\"id\":\"");
    put_uuid(json);
    buf_put_str(json, "\",\"version\":3}");
    s = buf_status(json);
out:
    secret_wipe(derived, sizeof(derived));
    return s;
}

/* ---- reading ---- */

static enum status bad(struct err *err, const char *field, const char *want)
{
    return err_set(err, E_DECODE, "keystore: field \"%s\" must be %s", field, want);
}

/* A string of at most max bytes in hex, "0x" allowed; ret E_DECODE with err set. */
static enum status get_hex(uint8_t *dst, size_t *len, size_t max, const json_t *in,
                           const char *field, struct err *err)
{
    const json_t *v = json_object_get(in, field);
    if (!json_is_string(v)) return bad(err, field, "a string of hex digits");
    bytes text = bytes_make(json_string_value(v), json_string_length(v));
    if (text.len >= 2 && text.ptr[0] == '0' && text.ptr[1] == 'x')
        text = bytes_make(text.ptr + 2, text.len - 2);
    if (text.len % 2 != 0 || text.len / 2 > max)
        return bad(err, field, "hex digits, two a byte, of the length that v3 has");
    if (hex_get_fixed(dst, text.len / 2, text) != OK) return bad(err, field, "hex digits");
    *len = text.len / 2;
    return OK;
}

static enum status get_fixed(uint8_t *dst, size_t len, const json_t *in, const char *field,
                             struct err *err)
{
    size_t got = 0;
    uint8_t tmp[32];
    if (len > sizeof(tmp)) BUG("keystore: field over 32 bytes");
    enum status s = get_hex(tmp, &got, len, in, field, err);
    if (s != OK) return s;
    if (got != len)
        return err_set(err, E_DECODE, "keystore: field \"%s\" must have %zu bytes, has %zu", field,
                       len, got);
    memcpy(dst, tmp, len);
    return OK;
}

static enum status get_count(uint32_t *out, const json_t *in, const char *field, struct err *err)
{
    const json_t *v = json_object_get(in, field);
    if (!json_is_integer(v) || json_integer_value(v) <= 0)
        return bad(err, field, "a positive integer");
    if (json_integer_value(v) > UINT32_MAX)
        return err_set(err, E_LIMIT, "keystore: \"%s\" is out of bounds", field);
    *out = (uint32_t)json_integer_value(v);
    return OK;
}

static enum status get_word(const json_t *in, const char *field, const char *want, struct err *err)
{
    const char *v = json_string_value(json_object_get(in, field));
    if (v == NULL) return bad(err, field, "a string");
    if (strcmp(v, want) != 0)
        return err_set(err, E_DECODE, "keystore: \"%s\" is \"%.40s\", only \"%s\" is known", field,
                       v, want);
    return OK;
}

static enum status kdf_failed(enum status s, struct err *err)
{
    if (s == E_INVALID)
        return err_set(
            err, E_DECODE,
            "keystore: field \"kdfparams\" holds values that the function does not allow");
    if (s == E_LIMIT)
        return err_set(err, E_LIMIT,
                       "keystore: \"kdfparams\" cost more memory or time than allowed");
    return err_set(err, s, "keystore: key derivation failed: %s", status_text(s));
}

static enum status derive(uint8_t derived[static DERIVED_MAX], const json_t *crypto, bytes password,
                          struct err *err)
{
    const char *kdf = json_string_value(json_object_get(crypto, "kdf"));
    const json_t *params = json_object_get(crypto, "kdfparams");
    if (kdf == NULL) return bad(err, "kdf", "a string");
    if (!json_is_object(params)) return bad(err, "kdfparams", "an object");
    uint8_t salt[SALT_MAX];
    size_t salt_len = 0;
    uint32_t len = 0;
    enum status s = get_hex(salt, &salt_len, sizeof(salt), params, "salt", err);
    if (s != OK) return s;
    s = get_count(&len, params, "dklen", err);
    if (s != OK) return s;
    if (len < 32 || len > DERIVED_MAX) return bad(err, "dklen", "from 32 to 64");
    if (strcmp(kdf, "scrypt") == 0) {
        uint32_t n = 0, r = 0, p = 0;
        if ((s = get_count(&n, params, "n", err)) != OK ||
            (s = get_count(&r, params, "r", err)) != OK ||
            (s = get_count(&p, params, "p", err)) != OK)
            return s;
        s = kdf_scrypt(derived, len, password, bytes_make(salt, salt_len), n, r, p);
    } else if (strcmp(kdf, "pbkdf2") == 0) {
        uint32_t rounds = 0;
        if ((s = get_count(&rounds, params, "c", err)) != OK ||
            (s = get_word(params, "prf", "hmac-sha256", err)) != OK)
            return s;
        s = kdf_pbkdf2_sha256(derived, len, password, bytes_make(salt, salt_len), rounds);
    } else {
        return err_set(err, E_DECODE,
                       "keystore: \"kdf\" is \"%.40s\", only \"scrypt\" and \"pbkdf2\" are known",
                       kdf);
    }
    return s == OK ? OK : kdf_failed(s, err);
}

static enum status address_matches(const json_t *root, const secret32 *key, struct err *err)
{
    uint8_t pub[64], addr[20], want[20];
    if (ec_public(pub, key) != OK)
        return err_set(err, E_DECODE, "keystore: holds no valid private key");
    const json_t *v = json_object_get(root, "address");
    if (v == NULL || json_is_null(v) || (json_is_string(v) && json_string_length(v) == 0))
        return OK; /* optional in v3 */
    enum status s = get_fixed(want, sizeof(want), root, "address", err);
    if (s != OK) return s;
    ec_address(addr, pub);
    if (memcmp(addr, want, sizeof(addr)) != 0)
        return err_set(err, E_DECODE,
                       "keystore: field \"address\" is not the address of the key inside");
    return OK;
}

static enum status open_root(secret32 *key, const json_t *root, bytes password, struct err *err)
{
    if (!json_is_object(root)) return err_set(err, E_DECODE, "keystore: not a JSON object");
    const json_t *version = json_object_get(root, "version");
    if (!json_is_integer(version) || json_integer_value(version) != 3)
        return bad(err, "version", "3");
    const json_t *crypto = json_object_get(root, "crypto");
    if (crypto == NULL) crypto = json_object_get(root, "Crypto"); /* old geth wrote it so */
    if (!json_is_object(crypto)) return bad(err, "crypto", "an object");

    uint8_t derived[DERIVED_MAX], ciphertext[32], mac[32], mac_want[32], iv[16];
    size_t len = 0;
    secret32 got = {{0}};
    enum status s = get_word(crypto, "cipher", "aes-128-ctr", err);
    if (s != OK) return s;
    const json_t *cipher_params = json_object_get(crypto, "cipherparams");
    if (!json_is_object(cipher_params)) return bad(err, "cipherparams", "an object");
    s = get_fixed(iv, sizeof(iv), cipher_params, "iv", err);
    if (s != OK) return s;
    s = get_hex(ciphertext, &len, sizeof(ciphertext), crypto, "ciphertext", err);
    if (s != OK) return s;
    if (len == 0) return bad(err, "ciphertext", "a key of up to 32 bytes");
    s = get_fixed(mac_want, sizeof(mac_want), crypto, "mac", err);
    if (s != OK) return s;
    s = derive(derived, crypto, password, err);
    if (s != OK) goto out;
    mac_make(mac, derived, bytes_make(ciphertext, len));
    if (!ct_eq(mac, mac_want, sizeof(mac))) {
        s = err_set(err, E_DENIED, "keystore: wrong password (the MAC does not match)");
        goto out;
    }
    /* Some old wallets dropped leading zero bytes of the key. */
    s = aes_ctr_xor(got.b + 32 - len, bytes_make(ciphertext, len), bytes_make(derived, 16), iv);
    if (s == OK) s = address_matches(root, &got, err);
    if (s == OK) *key = got;
out:
    secret_wipe(derived, sizeof(derived));
    secret_fini(&got);
    return s;
}

enum status keystore_get(secret32 *key, bytes json, bytes password, struct err *err)
{
    if (json.len > KEYSTORE_JSON_MAX) return err_set(err, E_DECODE, "keystore: file too long");
    json_error_t at;
    json_t *root = json_loadb(json.len != 0 ? (const char *)json.ptr : "", json.len,
                              JSON_REJECT_DUPLICATES, &at);
    if (root == NULL)
        return err_set(err, E_DECODE, "keystore: line %d, column %d: %s", at.line, at.column,
                       at.text);
    enum status s = open_root(key, root, password, err);
    json_decref(root);
    return s;
}
