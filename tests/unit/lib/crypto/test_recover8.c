/* Many signatures at once against one at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/rng.h"
#include "lib/crypto/recover8.h"
#include "lib/crypto/secp256k1.h"

#include <cmocka.h>

enum { MANY = 64 };

static const uint8_t ORDER[32] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe,
                                  0xba, 0xae, 0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41};

struct set {
    uint8_t sig[MANY][65], hash[MANY][32];
};

static void fill(uint8_t *dst, size_t len, struct rng_seeded *rng)
{
    for (size_t i = 0; i < len; i++)
        dst[i] = (uint8_t)rng_next(rng);
}

static void sign_all(struct set *s, struct rng_seeded *rng)
{
    for (size_t i = 0; i < MANY; i++) {
        secret32 key;
        fill(key.b, 32, rng);
        key.b[0] &= 0x7f;
        fill(s->hash[i], 32, rng);
        assert_int_equal(ec_sign(s->sig[i], s->hash[i], &key), OK);
    }
}

static void expect_same(const struct set *s, size_t n)
{
    uint8_t addr[MANY][20], want[20];
    bool ok[MANY];
    ec_recover_addresses(addr, ok, s->sig, s->hash, n);
    for (size_t i = 0; i < n; i++) {
        const bool good = ec_recover_address(want, s->sig[i], s->hash[i]) == OK;
        assert_int_equal(ok[i], good);
        if (good) assert_memory_equal(addr[i], want, 20);
    }
}

static void any_number_of_signatures_gives_the_addresses_of_one_at_a_time(void **state)
{
    (void)state;
    struct rng_seeded rng;
    struct set s;
    rng_seed(&rng, 1);
    sign_all(&s, &rng);
    for (size_t n = 0; n <= 20; n++)
        expect_same(&s, n);
    for (int round = 0; round < 20; round++) {
        sign_all(&s, &rng);
        expect_same(&s, MANY);
    }
}

static void random_bytes_recover_to_the_same_or_to_nothing(void **state)
{
    (void)state;
    struct rng_seeded rng;
    struct set s;
    rng_seed(&rng, 2);
    for (int round = 0; round < 20; round++) {
        for (size_t i = 0; i < MANY; i++) {
            fill(s.sig[i], 65, &rng);
            s.sig[i][64] &= 3;
            fill(s.hash[i], 32, &rng);
        }
        expect_same(&s, MANY);
    }
}

static void extremes_recover_to_the_same_or_to_nothing(void **state)
{
    (void)state;
    struct rng_seeded rng;
    struct set s;
    uint8_t edge[8][32] = {{0}};
    rng_seed(&rng, 3);
    edge[1][31] = 1;
    edge[2][31] = 2;
    memset(edge[3], 0xff, 32);
    memcpy(edge[4], ORDER, 32);
    memcpy(edge[5], ORDER, 32);
    edge[5][31]--;
    memcpy(edge[6], ORDER, 32);
    edge[6][31]++;
    edge[7][0] = 0x80;
    for (int round = 0; round < 60; round++) {
        sign_all(&s, &rng);
        for (size_t i = 0; i < MANY; i++) {
            const uint64_t r = rng_next(&rng);
            if (r & 1) memcpy(s.sig[i], edge[r >> 8 & 7], 32);
            if (r & 2) memcpy(s.sig[i] + 32, edge[r >> 16 & 7], 32);
            if (r & 4) memcpy(s.hash[i], edge[r >> 24 & 7], 32);
            if (r & 8) s.sig[i][64] = (uint8_t)(r >> 32 & 7);
            /* s R = z G: Q would be infinity, or 2 s R */
            if ((r & 0x30) == 0x30) memcpy(s.hash[i], s.sig[i] + 32, 32);
        }
        expect_same(&s, MANY);
    }
}

/* k = 1 gives R = G: the sum then meets equal and opposite points on its way */
static void a_nonce_of_one_meets_equal_points(void **state)
{
    (void)state;
    static const uint8_t gx[32] = {0x79, 0xbe, 0x66, 0x7e, 0xf9, 0xdc, 0xbb, 0xac, 0x55, 0xa0, 0x62, 0x95, 0xce, 0x87, 0x0b, 0x07,
                                   0x02, 0x9b, 0xfc, 0xdb, 0x2d, 0xce, 0x28, 0xd9, 0x59, 0xf2, 0x81, 0x5b, 0x16, 0xf8, 0x17, 0x98};
    struct set s = {0};
    for (size_t i = 0; i < MANY; i++) {
        memcpy(s.sig[i], gx, 32);
        s.sig[i][63] = (uint8_t)(1 + i / 8);
        s.hash[i][31] = (uint8_t)(i % 8 * (1 + i / 8));
        s.sig[i][64] = (uint8_t)(i & 1);
    }
    expect_same(&s, MANY);
}

static void it_is_the_path_that_this_processor_has(void **state)
{
    (void)state;
    if (!recover8_is_on()) {
        print_message("# eight at a time: not on this processor\n");
        return;
    }
    struct rng_seeded rng;
    struct set s;
    rng_seed(&rng, 4);
    sign_all(&s, &rng);
    const uint8_t *sigs[RECOVER8_N], *hashes[RECOVER8_N];
    uint8_t pub[RECOVER8_N][64];
    bool ok[RECOVER8_N];
    for (size_t i = 0; i < RECOVER8_N; i++) {
        sigs[i] = s.sig[i];
        hashes[i] = s.hash[i];
    }
    recover8(pub, ok, sigs, hashes);
    for (size_t i = 0; i < RECOVER8_N; i++)
        assert_true(ok[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_number_of_signatures_gives_the_addresses_of_one_at_a_time),
        cmocka_unit_test(random_bytes_recover_to_the_same_or_to_nothing),
        cmocka_unit_test(extremes_recover_to_the_same_or_to_nothing),
        cmocka_unit_test(a_nonce_of_one_meets_equal_points),
        cmocka_unit_test(it_is_the_path_that_this_processor_has),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
