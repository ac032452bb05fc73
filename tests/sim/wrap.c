/* wrap.c: the linker sends some calls of the code under test here (module.mk, --wrap).
 *
 * rng_fill, which seeds hash tables, must depend on the seed alone. Signatures are ideal ones: ec_sign writes the signer's address and a keyed
 * check of the digest, recovery reads it back; an altered digest or signature gives another address, as with real ones. Nobody here forges;
 * what libsecp256k1 does is tested elsewhere, and without it the simulation runs several times as many steps. genesis_compute is a pure function of
 * the spec that each restart computes anew: it is remembered; so are digests, which all nodes take of the same bytes. All this needs memory of its own that no argument can reach: the one exception
 * to the rule of no globals. */
#include "lib/crypto/keccak.h"
#include "lib/crypto/secp256k1.h"
#include "node/chain/genesis.h"
#include "tests/sim/sim.h"

enum { SIGNERS = 64, MARK = 11, DIGESTS = 1 << 16 };

static struct {
    struct rng_seeded rng;
    struct signer {
        secret32 key;
        uint8_t addr[20];
    } signer[SIGNERS];
    size_t n_signers;
    const struct chain_spec *spec; /* NULL: no genesis is remembered */
    struct genesis genesis;
    struct digest {
        uint64_t print[2]; /* of length and content; 0: empty */
        uint8_t hash[32];
    } digest[DIGESTS];
} wrap;

static const uint8_t mark[MARK] = "poa-sim sig";

void __wrap_rng_fill(void *dst, size_t len);
void __wrap_keccak256(uint8_t out[static 32], const void *data, size_t len);
void __real_keccak256(uint8_t out[static 32], const void *data, size_t len);
enum status __wrap_ec_sign(uint8_t sig65[static 65], const uint8_t hash[static 32], const secret32 *key);
enum status __wrap_ec_recover_address(uint8_t addr[static 20], const uint8_t sig65[static 65], const uint8_t hash[static 32]);
enum status __real_ec_recover_address(uint8_t addr[static 20], const uint8_t sig65[static 65], const uint8_t hash[static 32]);
void __wrap_ec_recover_addresses(uint8_t (*addr)[20], bool *ok, const uint8_t (*sig65)[65], const uint8_t (*hash)[32], size_t n);
enum status __wrap_genesis_compute(struct genesis *out, const struct chain_spec *spec, struct err *err);
enum status __real_genesis_compute(struct genesis *out, const struct chain_spec *spec, struct err *err);

void wrap_seed(uint64_t seed)
{
    rng_seed(&wrap.rng, seed);
    wrap.spec = NULL;
}

void __wrap_rng_fill(void *dst, size_t len)
{
    uint8_t *p = dst;
    while (len > 0) {
        uint64_t v = rng_next(&wrap.rng);
        size_t n = len < 8 ? len : 8;
        memcpy(p, &v, n);
        p += n;
        len -= n;
    }
}

/* -------------------------------------------------------------- signatures */

static const struct signer *signer_of(const secret32 *key)
{
    for (size_t i = 0; i < wrap.n_signers; i++)
        if (memcmp(&wrap.signer[i].key, key, sizeof *key) == 0) return &wrap.signer[i];
    if (wrap.n_signers == SIGNERS) return NULL;
    struct signer *s = &wrap.signer[wrap.n_signers];
    uint8_t pub[64];
    s->key = *key;
    if (ec_public(pub, key) != OK) return NULL;
    ec_address(s->addr, pub);
    wrap.n_signers++;
    return s;
}

/* 32 bytes that depend on all of the digest and the address; small enough for an s that counts as low */
static void check_of(uint8_t out[static 32], const uint8_t hash[static 32], const uint8_t addr[static 20])
{
    uint64_t h = le64_get(addr) ^ le64_get(addr + 12);
    for (size_t i = 0; i < 4; i++) {
        h = (h ^ le64_get(hash + 8 * i)) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    for (size_t i = 0; i < 4; i++) {
        h = (h ^ h >> 31) * 0xbf58476d1ce4e5b9u;
        memcpy(out + 8 * i, &h, 8);
    }
    out[0] = 1;
}

enum status __wrap_ec_sign(uint8_t sig65[static 65], const uint8_t hash[static 32], const secret32 *key)
{
    const struct signer *s = signer_of(key);
    if (s == NULL) return E_INVALID;
    sig65[0] = 1;
    memcpy(sig65 + 1, s->addr, 20);
    memcpy(sig65 + 21, mark, MARK);
    check_of(sig65 + 32, hash, s->addr);
    sig65[64] = 0;
    return OK;
}

enum status __wrap_ec_recover_address(uint8_t addr[static 20], const uint8_t sig65[static 65], const uint8_t hash[static 32])
{
    uint8_t want[32];
    if (memcmp(sig65 + 21, mark, MARK) != 0) return __real_ec_recover_address(addr, sig65, hash);
    check_of(want, hash, sig65 + 1);
    if (memcmp(want, sig65 + 32, 32) == 0 && sig65[64] == 0) memcpy(addr, sig65 + 1, 20);
    else memcpy(addr, want + 1, 20);
    return OK;
}

void __wrap_ec_recover_addresses(uint8_t (*addr)[20], bool *ok, const uint8_t (*sig65)[65], const uint8_t (*hash)[32], size_t n)
{
    for (size_t i = 0; i < n; i++)
        ok[i] = __wrap_ec_recover_address(addr[i], sig65[i], hash[i]) == OK;
}

/* ----------------------------------------------------------------- genesis */

enum status __wrap_genesis_compute(struct genesis *out, const struct chain_spec *spec, struct err *err)
{
    if (wrap.spec != spec) {
        const enum status s = __real_genesis_compute(&wrap.genesis, spec, err);
        if (s != OK) return s;
        wrap.spec = spec;
    }
    *out = wrap.genesis;
    return OK;
}

/* ----------------------------------------------------------------- digests */

__extension__ typedef unsigned __int128 u128;

static uint64_t fold(uint64_t a, uint64_t b)
{
    const u128 m = (u128)a * b;
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/* 128 bits, by which two inputs of one run are never taken for each other */
static void print_of(uint64_t out[static 2], const uint8_t *p, size_t len)
{
    uint64_t a = 0x9e3779b97f4a7c15u ^ len, b = 0xd1b54a32d192ed03u + len;
    for (; len >= 16; p += 16, len -= 16) {
        const uint64_t x = le64_get(p), y = le64_get(p + 8);
        a = fold(a ^ x, 0xbf58476d1ce4e5b9u ^ y);
        b = fold(b + y, 0x94d049bb133111ebu + x) ^ a;
    }
    uint8_t rest[16] = {0};
    if (len > 0) memcpy(rest, p, len);
    const uint64_t x = le64_get(rest), y = le64_get(rest + 8);
    out[0] = fold(a ^ x, 0xa0761d6478bd642fu ^ y) | 1;
    out[1] = fold(b + y, 0xe7037ed1a0b428dbu + x) ^ a;
}

void __wrap_keccak256(uint8_t out[static 32], const void *data, size_t len)
{
    uint64_t print[2];
    print_of(print, data, len);
    struct digest *d = &wrap.digest[(print[0] >> 20 ^ print[1]) % DIGESTS];
    if (d->print[0] != print[0] || d->print[1] != print[1]) {
        __real_keccak256(d->hash, data, len);
        memcpy(d->print, print, sizeof print);
    }
    memcpy(out, d->hash, 32);
}
