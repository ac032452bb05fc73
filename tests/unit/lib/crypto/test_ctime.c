/* Secrets decide neither a branch nor an address: secret bytes are marked undefined, and memcheck reports whoever branches on what comes from
 * them, or indexes by it. Runs itself under valgrind; skipped without it, and under sanitizers, which cannot run there.
 *
 * libsecp256k1 branches where its authors have shown that nothing secret is told (was the nonce in range?), and marks those places for this very
 * check only in builds of its own; so errors whose innermost frame is in the library do not count, those in our code around it do. What the
 * library gives out (a signature, a public key, whether it worked) is public: the two functions in between say so to memcheck. */
#include <dlfcn.h>
#include <secp256k1_recovery.h>

#include "lib/base/buf.h"
#include "lib/base/file.h"
#include "lib/base/secret.h"
#include "lib/crypto/aead.h"
#include "lib/crypto/keccak.h"
#include "lib/crypto/secp256k1.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define WHY_NOT "a build with sanitizers does not run under valgrind"
#elif !__has_include(<valgrind/memcheck.h>)
#define WHY_NOT "valgrind is not installed (scripts/bootstrap test)"
#endif

#ifdef WHY_NOT
int main(void)
{
    puts("1..0 # SKIP " WHY_NOT);
    return 0;
}
#else
#include <valgrind/memcheck.h>

static uint8_t secret[64];
static volatile uint8_t table[256];
static volatile unsigned sink;

static void hide(void *p, size_t len)
{
    VALGRIND_MAKE_MEM_UNDEFINED(p, len);
}

static void show(void *p, size_t len)
{
    VALGRIND_MAKE_MEM_DEFINED(p, len);
}

int secp256k1_ecdsa_sign_recoverable(const secp256k1_context *c, secp256k1_ecdsa_recoverable_signature *sig, const unsigned char *hash, const unsigned char *key,
                                     secp256k1_nonce_function nonce, const void *data)
{
    int (*real)(const secp256k1_context *, secp256k1_ecdsa_recoverable_signature *, const unsigned char *, const unsigned char *, secp256k1_nonce_function,
                const void *);
    void *at = dlsym(RTLD_NEXT, "secp256k1_ecdsa_sign_recoverable");
    memcpy(&real, &at, sizeof real);
    int r = real(c, sig, hash, key, nonce, data);
    show(&r, sizeof r);
    show(sig, sizeof *sig);
    return r;
}

int secp256k1_ec_pubkey_create(const secp256k1_context *c, secp256k1_pubkey *pub, const unsigned char *key)
{
    int (*real)(const secp256k1_context *, secp256k1_pubkey *, const unsigned char *);
    void *at = dlsym(RTLD_NEXT, "secp256k1_ec_pubkey_create");
    memcpy(&real, &at, sizeof real);
    int r = real(c, pub, key);
    show(&r, sizeof r);
    show(pub, sizeof *pub);
    return r;
}

/* ---- three that must be found: else the test itself is broken */

static void a_branch_on_a_secret(void)
{
    if (secret[3] & 1) sink++;
}

static void an_address_from_a_secret(void)
{
    sink += table[secret[3]];
}

static void an_early_end_of_a_comparison(void)
{
    for (size_t i = 0; i < 32 && secret[i] == secret[32 + i]; i++) sink++;
}

/* ---- those that must be clean */

static void ct_eq_compares_without_telling_where(void)
{
    bool same = ct_eq(secret, secret + 32, 32);
    show(&same, sizeof same);
    sink += same;
}

/* the store's check of a client's secret: its hash against the registered one */
static void the_hash_of_a_client_secret_is_compared(void)
{
    uint8_t h[32], registered[32] = {1};
    sha256(h, secret, sizeof secret);
    bool same = ct_eq(h, registered, sizeof h);
    show(&same, sizeof same);
    sink += same;
}

/* Shared Key and SAS: the MAC under the account's key against what was sent */
static void a_mac_under_a_secret_key_is_compared(void)
{
    uint8_t mac[32], sent[32] = {1};
    hmac_sha256(mac, bytes_make(secret, sizeof secret), BYTES_LIT("GET\n/account/container"));
    bool same = ct_eq(mac, sent, sizeof mac);
    show(&same, sizeof same);
    sink += same;
}

static void a_value_is_sealed_under_the_data_key(void)
{
    secret32 key;
    struct buf b;
    memcpy(key.b, secret, 32);
    buf_init(&b, 256);
    enum status s = aead_seal(&b, &key, bytes_make(secret, sizeof secret), BYTES_LIT("about"));
    show(&s, sizeof s);
    sink += (unsigned)s;
    buf_fini(&b);
    secret_fini(&key);
}

static void keccak_of_a_secret(void)
{
    uint8_t h[32];
    keccak256(h, secret, sizeof secret);
    show(h, sizeof h);
    sink += h[0];
}

static void a_seal_is_signed(void)
{
    secret32 key;
    uint8_t sig[65], hash[32] = {7};
    memcpy(key.b, secret, 32);
    enum status s = ec_sign(sig, hash, &key);
    show(&s, sizeof s);
    show(sig, sizeof sig);
    sink += sig[0] + (unsigned)s;
    secret_fini(&key);
}

static void the_public_key_is_made(void)
{
    secret32 key;
    uint8_t pub[64];
    memcpy(key.b, secret, 32);
    enum status s = ec_public(pub, &key);
    show(&s, sizeof s);
    show(pub, sizeof pub);
    sink += pub[0] + (unsigned)s;
    secret_fini(&key);
}

static void a_secret_is_wiped(void)
{
    uint8_t copy[64];
    memcpy(copy, secret, sizeof copy);
    secret_wipe(copy, sizeof copy);
    sink += copy[0];
}

static const struct {
    const char *name;
    void (*run)(void);
    bool leaks;
} cases[] = {
#define X(f, leaks) {#f, f, leaks},
    X(a_branch_on_a_secret, true) X(an_address_from_a_secret, true) X(an_early_end_of_a_comparison, true)
    X(ct_eq_compares_without_telling_where, false) X(the_hash_of_a_client_secret_is_compared, false) X(a_mac_under_a_secret_key_is_compared, false)
    X(a_value_is_sealed_under_the_data_key, false) X(keccak_of_a_secret, false) X(a_seal_is_signed, false) X(the_public_key_is_made, false)
    X(a_secret_is_wiped, false)
#undef X
};

static const char SUPPRESS[] = "{\n   cond\n   Memcheck:Cond\n   obj:*/libsecp256k1.so*\n}\n{\n   value\n   Memcheck:Value8\n   obj:*/libsecp256k1.so*\n}\n";

static int again_under_valgrind(char *self)
{
    char path[] = "/tmp/poa-ctime-XXXXXX", option[64];
    int fd = mkstemp(path);
    if (fd < 0 || write(fd, SUPPRESS, sizeof SUPPRESS - 1) != (ssize_t)sizeof SUPPRESS - 1) return 1;
    (void)close(fd);
    (void)snprintf(option, sizeof option, "--suppressions=%s", path);
    (void)setenv("POA_CTIME_SUPPRESSIONS", path, 1);
    (void)execlp("valgrind", "valgrind", "--quiet", "--track-origins=yes", option, self, (char *)NULL);
    (void)unlink(path);
    puts("1..0 # SKIP valgrind is not installed (scripts/bootstrap test)");
    return 0;
}

int main(int argc, char **argv)
{
    (void)argc;
    if (!RUNNING_ON_VALGRIND) return again_under_valgrind(argv[0]);
    const char *suppressions = getenv("POA_CTIME_SUPPRESSIONS");
    if (suppressions != NULL) (void)unlink(suppressions);
    size_t failed = 0;
    memset(secret, 0x42, sizeof secret);
    (void)setvbuf(stdout, NULL, _IOLBF, 0);
    a_seal_is_signed(); /* the library's context is made before any of it counts */
    printf("1..%zu\n", COUNT_OF(cases));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        unsigned before = VALGRIND_COUNT_ERRORS;
        hide(secret, sizeof secret);
        cases[i].run();
        show(secret, sizeof secret);
        bool leaks = VALGRIND_COUNT_ERRORS != before, good = leaks == cases[i].leaks;
        printf("%sok %zu - %s%s\n", good ? "" : "not ", i + 1, cases[i].name, cases[i].leaks ? ": is found" : "");
        failed += !good;
    }
    return failed == 0 ? 0 : 1;
}
#endif
