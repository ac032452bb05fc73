#include "lib/crypto/secp256k1.h"

#include <secp256k1.h>
#include <secp256k1_ecdh.h>
#include <secp256k1_recovery.h>

#include "lib/base/rng.h"
#include "lib/crypto/keccak.h"

#include <pthread.h>

/* One context for the process, made on first use, blinded against side channels, read only from then on. */
static pthread_once_t shared_once = PTHREAD_ONCE_INIT;
static secp256k1_context *shared_context;

static void shared_make(void)
{
    secp256k1_context *c = secp256k1_context_create(SECP256K1_CONTEXT_NONE);
    uint8_t seed[32];
    rng_fill(seed, sizeof(seed));
    if (c == NULL || !secp256k1_context_randomize(c, seed)) BUG("libsecp256k1 gives no context");
    secret_wipe(seed, sizeof(seed));
    shared_context = c;
}

static const secp256k1_context *ctx(void)
{
    pthread_once(&shared_once, shared_make);
    return shared_context;
}

static void pub_put(uint8_t pub[static 64], const secp256k1_pubkey *point)
{
    uint8_t full[65];
    size_t len = sizeof(full);
    secp256k1_ec_pubkey_serialize(ctx(), full, &len, point, SECP256K1_EC_UNCOMPRESSED);
    memcpy(pub, full + 1, 64);
}

void ec_secret_generate(secret32 *out)
{
    do {
        rng_fill(out->b, sizeof(out->b));
    } while (!secp256k1_ec_seckey_verify(ctx(), out->b));
}

enum status ec_secret_check(const secret32 *key)
{
    return secp256k1_ec_seckey_verify(ctx(), key->b) ? OK : E_INVALID;
}

enum status ec_public(uint8_t pub[static 64], const secret32 *key)
{
    secp256k1_pubkey point;
    if (!secp256k1_ec_pubkey_create(ctx(), &point, key->b)) return E_INVALID;
    pub_put(pub, &point);
    return OK;
}

void ec_address(uint8_t addr[static 20], const uint8_t pub[static 64])
{
    uint8_t hash[32];
    keccak256(hash, pub, 64);
    memcpy(addr, hash + 12, 20);
}

enum status ec_sign(uint8_t sig65[static 65], const uint8_t hash[static 32], const secret32 *key)
{
    secp256k1_ecdsa_recoverable_signature sig;
    if (!secp256k1_ecdsa_sign_recoverable(ctx(), &sig, hash, key->b, NULL, NULL)) return E_INVALID;
    int recid = 0;
    secp256k1_ecdsa_recoverable_signature_serialize_compact(ctx(), sig65, &recid, &sig);
    sig65[64] = (uint8_t)recid;
    return OK;
}

enum status ec_recover(uint8_t pub[static 64], const uint8_t sig65[static 65],
                       const uint8_t hash[static 32])
{
    secp256k1_ecdsa_recoverable_signature sig;
    secp256k1_pubkey point;
    if (sig65[64] > 3) return E_CRYPTO;
    if (!secp256k1_ecdsa_recoverable_signature_parse_compact(ctx(), &sig, sig65, sig65[64]))
        return E_CRYPTO;
    if (!secp256k1_ecdsa_recover(ctx(), &point, &sig, hash)) return E_CRYPTO;
    pub_put(pub, &point);
    return OK;
}

enum status ec_recover_address(uint8_t addr[static 20], const uint8_t sig65[static 65],
                               const uint8_t hash[static 32])
{
    uint8_t pub[64];
    enum status s = ec_recover(pub, sig65, hash);
    if (s != OK) return s;
    ec_address(addr, pub);
    return OK;
}

void ec_recover_addresses(uint8_t (*addr)[20], bool *ok, const uint8_t (*sig65)[65], const uint8_t (*hash32)[32], size_t n)
{
    for (size_t i = 0; i < n; i++)
        ok[i] = ec_recover_address(addr[i], sig65[i], hash32[i]) == OK;
}

bool ec_sig_is_valid_low_s(const uint8_t sig65[static 65])
{
    static const uint8_t zero[32];
    static const uint8_t n[32] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xfe, 0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48,
        0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
    };
    static const uint8_t half_n[32] = {
        0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0x5d, 0x57, 0x6e, 0x73, 0x57, 0xa4,
        0x50, 0x1d, 0xdf, 0xe9, 0x2f, 0x46, 0x68, 0x1b, 0x20, 0xa0,
    };
    const uint8_t *r = sig65, *s = sig65 + 32;
    return memcmp(r, zero, 32) != 0 && memcmp(s, zero, 32) != 0 && memcmp(r, n, 32) < 0 &&
           memcmp(s, half_n, 32) <= 0;
}

/* The hash step of libsecp256k1's ECDH, made to keep the bare x coordinate, which is what ECIES wants. */
static int keep_x(unsigned char *output, const unsigned char *x32, const unsigned char *y32,
                  void *data)
{
    (void)y32;
    (void)data;
    memcpy(output, x32, 32);
    return 1;
}

enum status ec_sig_complete(uint8_t sig65[static 65], const uint8_t rs[static 64], const uint8_t hash[static 32], const uint8_t addr[static 20])
{
    secp256k1_ecdsa_signature sig;
    uint8_t full[65], who[20];
    if (!secp256k1_ecdsa_signature_parse_compact(ctx(), &sig, rs)) return E_CRYPTO;
    (void)secp256k1_ecdsa_signature_normalize(ctx(), &sig, &sig);
    (void)secp256k1_ecdsa_signature_serialize_compact(ctx(), full, &sig);
    for (uint8_t recid = 0; recid < 4; recid++) {
        full[64] = recid;
        if (ec_recover_address(who, full, hash) != OK || memcmp(who, addr, 20) != 0) continue;
        memcpy(sig65, full, sizeof full);
        return OK;
    }
    return E_CRYPTO;
}

enum status ec_dh(uint8_t x[static 32], const uint8_t pub[static 64], const secret32 *key)
{
    uint8_t full[65] = {0x04}, shared[32];
    memcpy(full + 1, pub, 64);
    secp256k1_pubkey point;
    if (!secp256k1_ec_pubkey_parse(ctx(), &point, full, sizeof(full))) return E_CRYPTO;
    if (!secp256k1_ecdh(ctx(), shared, &point, key->b, keep_x, NULL)) return E_CRYPTO;
    memcpy(x, shared, 32);
    secret_wipe(shared, sizeof(shared));
    return OK;
}
