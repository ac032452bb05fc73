#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/rng.h"
#include "lib/codec/hex.h"
#include "lib/crypto/keccak.h"

#include <cmocka.h>

static void expect256(const char *text, const char *hex)
{
    uint8_t want[32], got[32];
    assert_int_equal(hex_get_fixed(want, 32, bytes_str(hex)), OK);
    keccak256(got, text, strlen(text));
    assert_memory_equal(got, want, 32);
}

/* A second version, straight from the definition of Keccak-f[1600]: slow, with the state as a 5x5 array. */
static uint64_t rol(uint64_t v, unsigned n)
{
    return n == 0 ? v : v << n | v >> (64 - n);
}

static unsigned lfsr_bit(uint8_t *lfsr)
{
    unsigned bit = *lfsr & 1u;
    *lfsr = (uint8_t)(*lfsr & 0x80 ? (*lfsr << 1) ^ 0x71 : *lfsr << 1);
    return bit;
}

static void naive_permute(uint64_t a[5][5])
{
    uint8_t lfsr = 1;
    for (unsigned round = 0; round < 24; round++) {
        uint64_t c[5], b[5][5];
        for (unsigned x = 0; x < 5; x++)
            c[x] = a[x][0] ^ a[x][1] ^ a[x][2] ^ a[x][3] ^ a[x][4];
        for (unsigned x = 0; x < 5; x++)
            for (unsigned y = 0; y < 5; y++)
                a[x][y] ^= c[(x + 4) % 5] ^ rol(c[(x + 1) % 5], 1);
        memset(b, 0, sizeof(b));
        unsigned x = 1, y = 0;
        b[0][0] = a[0][0];
        for (unsigned t = 0; t < 24; t++) {
            b[y][(2 * x + 3 * y) % 5] = rol(a[x][y], (t + 1) * (t + 2) / 2 % 64);
            unsigned next = (2 * x + 3 * y) % 5;
            x = y;
            y = next;
        }
        for (unsigned i = 0; i < 5; i++)
            for (unsigned j = 0; j < 5; j++)
                a[i][j] = b[i][j] ^ (~b[(i + 1) % 5][j] & b[(i + 2) % 5][j]);
        for (unsigned j = 0; j < 7; j++)
            if (lfsr_bit(&lfsr)) a[0][0] ^= 1ull << ((1u << j) - 1);
    }
}

static void naive_keccak(uint8_t *out, size_t out_len, const uint8_t *data, size_t len)
{
    const size_t rate = 200 - 2 * out_len;
    uint64_t a[5][5] = {{0}};
    size_t n_blocks = len / rate + 1;
    for (size_t block = 0; block < n_blocks; block++) {
        for (size_t i = 0; i < rate; i++) {
            size_t at = block * rate + i;
            uint8_t v = at < len ? data[at] : 0;
            if (at == len) v ^= 0x01;
            if (at == n_blocks * rate - 1) v ^= 0x80;
            a[i / 8 % 5][i / 40] ^= (uint64_t)v << (8 * (i % 8));
        }
        naive_permute(a);
    }
    for (size_t i = 0; i < out_len; i++)
        out[i] = (uint8_t)(a[i / 8 % 5][i / 40] >> (8 * (i % 8)));
}

static void keccak256_gives_the_published_digests(void **state)
{
    (void)state;
    expect256("", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
    expect256("abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45");
    expect256("testing", "5f16f4c7f149ac4f9510d9cf8cf384038ad348b3bcdc01915f95de12df9d1b02");
    expect256("transfer(address,uint256)",
              "a9059cbb2ab09eb219583f4a59a5d0623ade346d962bcd4e46b11da047c9049b");
    uint8_t got[32], want[32], empty_list = 0xc0, empty_string = 0x80;
    keccak256(got, &empty_list, 1);
    assert_int_equal(
        hex_get_fixed(
            want, 32,
            bytes_str("1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347")),
        OK);
    assert_memory_equal(got, want, 32);
    keccak256(got, &empty_string, 1);
    assert_int_equal(
        hex_get_fixed(
            want, 32,
            bytes_str("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421")),
        OK);
    assert_memory_equal(got, want, 32);
}

static void keccak512_gives_the_published_digest_of_nothing(void **state)
{
    (void)state;
    uint8_t got[64], want[64];
    keccak512(got, NULL, 0);
    assert_int_equal(
        hex_get_fixed(
            want, 64,
            bytes_str("0eab42de4c3ceb9235fc91acffe746b29c29a8c366b7c60e4e67c466f36a4304"
                      "c00fa9caf9d87976ba469bcbe06713b435f091ef2769fb160cdab33d3670680e")),
        OK);
    assert_memory_equal(got, want, 64);
}

static void keccak_agrees_with_a_naive_version_at_every_length(void **state)
{
    (void)state;
    uint8_t data[700], got[64], want[64];
    struct rng_seeded rng;
    rng_seed(&rng, 1);
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)rng_next(&rng);
    for (size_t len = 0; len <= 420; len++) {
        keccak256(got, data + len % 9, len);
        naive_keccak(want, 32, data + len % 9, len);
        assert_memory_equal(got, want, 32);
        keccak512(got, data + len % 9, len);
        naive_keccak(want, 64, data + len % 9, len);
        assert_memory_equal(got, want, 64);
    }
}

static void keccak_in_pieces_agrees_with_one_shot(void **state)
{
    (void)state;
    uint8_t data[1000], got[64], want[64];
    struct rng_seeded rng;
    rng_seed(&rng, 2);
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)rng_next(&rng);
    for (int turn = 0; turn < 400; turn++) {
        size_t len = rng_below(&rng, sizeof(data) + 1), at = 0;
        unsigned out_len = turn % 2 ? 32 : 64;
        struct keccak k;
        keccak_init(&k, out_len);
        while (at < len) {
            size_t step = rng_below(&rng, 300);
            if (step > len - at) step = len - at;
            keccak_update(&k, data + at, step);
            at += step;
            if (step % 3 == 0) {
                keccak_peek(&k, got);
                naive_keccak(want, out_len, data, at);
                assert_memory_equal(got, want, out_len);
            }
        }
        keccak_final(&k, got);
        naive_keccak(want, out_len, data, len);
        assert_memory_equal(got, want, out_len);
    }
}

static void keccak256_may_write_over_its_input(void **state)
{
    (void)state;
    uint8_t data[32] = {1, 2, 3}, want[32];
    keccak256(want, data, 32);
    keccak256(data, data, 32);
    assert_memory_equal(data, want, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keccak256_gives_the_published_digests),
        cmocka_unit_test(keccak512_gives_the_published_digest_of_nothing),
        cmocka_unit_test(keccak_agrees_with_a_naive_version_at_every_length),
        cmocka_unit_test(keccak_in_pieces_agrees_with_one_shot),
        cmocka_unit_test(keccak256_may_write_over_its_input),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
