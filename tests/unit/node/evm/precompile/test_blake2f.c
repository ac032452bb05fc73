#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/rng.h"
#include "node/evm/precompile/precompile.h"

#include <cmocka.h>

static void unhex(uint8_t *dst, size_t len, const char *hex)
{
    assert_int_equal(strlen(hex), 2 * len);
    for (size_t i = 0; i < len; i++) {
        unsigned v = 0;
        assert_int_equal(sscanf(hex + 2 * i, "%2x", &v), 1);
        dst[i] = (uint8_t)v;
    }
}

/* The state that all of EIP-152's examples start from; the message is "abc", three bytes were counted. */
static const char state_hex[] = "48c9bdf267e6096a3ba7ca8485ae67bb2bf894fe72f36e3cf1361d5f3af54fa5"
                                "d182e6ad7f520e511f6c3e2b8c68059b6bbd41fbabd9831f79217e1319cde05b";

static void blake2f_gives_the_results_of_eip_152(void **state)
{
    (void)state;
    static const struct {
        const char *rounds, *flag, *want;
    } rows[] = {
        {"00000000", "01",
         "08c9bcf367e6096a3ba7ca8485ae67bb2bf894fe72f36e3cf1361d5f3af54fa5"
         "d282e6ad7f520e511f6c3e2b8c68059b9442be0454267ce079217e1319cde05b"},
        {"0000000c", "01",
         "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
         "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923"},
        {"0000000c", "00",
         "75ab69d3190a562c51aef8d88f1c2775876944407270c42c9844252c26d28752"
         "98743e7f6d5ea2f2d3e8d226039cd31b4e426ac4f2d3d666a610c2116fde4735"},
        {"00000001", "01",
         "b63a380cb2897d521994a85234ee2c181b5f844d2c624c002677e9703449d2fb"
         "a551b3a8333bcdf5f2f7e08993d53923de3d64fcc68c034e717b9293fed7a421"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        uint8_t in[213] = {0}, out[64], want[64];
        unhex(in, 4, rows[i].rounds);
        unhex(in + 4, 64, state_hex);
        memcpy(in + 68, "abc", 3);
        in[196] = 3;
        unhex(in + 212, 1, rows[i].flag);
        unhex(want, 64, rows[i].want);
        assert_int_equal(pc_blake2f(out, BYTES_OF(in)), OK);
        assert_memory_equal(out, want, 64);
    }
}

/* The second version: RFC 7693 word for word, the schedule looked up round by round. */
static void naive(uint8_t out[static 64], const uint8_t in[static 213])
{
    static const char schedule[10][17] = {
        "0123456789abcdef", "ea489fd61c02b753", "b8c052fdae367194", "7931dcbe265a40f8",
        "905724afe1bc683d", "2c6a0b834d75fe19", "c51fed4a0763928b", "db7ec13950f4862a",
        "6fe9b308c2d714a5", "a2847615fb9e3cd0"};
    static const uint64_t iv64[8] = {
        0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
        0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
    };
    static const uint8_t quads[8][4] = {{0, 4, 8, 12},  {1, 5, 9, 13},  {2, 6, 10, 14},
                                        {3, 7, 11, 15}, {0, 5, 10, 15}, {1, 6, 11, 12},
                                        {2, 7, 8, 13},  {3, 4, 9, 14}};
    static const unsigned turns[4] = {32, 24, 16, 63};
    uint64_t v[16];
    for (unsigned i = 0; i < 8; i++) {
        v[i] = le64_get(in + 4 + 8 * i);
        v[8 + i] = iv64[i];
    }
    v[12] ^= le64_get(in + 196);
    v[13] ^= le64_get(in + 204);
    if (in[212]) v[14] = ~v[14];
    for (uint32_t round = 0; round < be32_get(in); round++) {
        for (unsigned i = 0; i < 8; i++) {
            uint64_t *a = &v[quads[i][0]], *b = &v[quads[i][1]], *c = &v[quads[i][2]],
                     *d = &v[quads[i][3]];
            for (unsigned half = 0; half < 2; half++) {
                const char digit = schedule[round % 10][2 * i + half];
                const unsigned word = (unsigned)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
                *a += *b + le64_get(in + 68 + 8 * word);
                *d ^= *a;
                *d = *d >> turns[2 * half] | *d << (64 - turns[2 * half]);
                *c += *d;
                *b ^= *c;
                *b = *b >> turns[2 * half + 1] | *b << (64 - turns[2 * half + 1]);
            }
        }
    }
    for (unsigned i = 0; i < 8; i++)
        le64_put(out + 8 * i, le64_get(in + 4 + 8 * i) ^ v[i] ^ v[8 + i]);
}

static void blake2f_agrees_with_a_naive_version_at_every_count_of_rounds(void **state)
{
    (void)state;
    struct rng_seeded rng;
    rng_seed(&rng, 152);
    for (uint32_t rounds = 0; rounds < 45; rounds++) {
        uint8_t in[213], out[64], want[64];
        for (size_t i = 0; i < 212; i++)
            in[i] = (uint8_t)rng_next(&rng);
        be32_put(in, rounds);
        in[212] = rounds & 1;
        assert_int_equal(pc_blake2f(out, BYTES_OF(in)), OK);
        naive(want, in);
        assert_memory_equal(out, want, 64);
    }
}

static void blake2f_refuses_other_lengths_and_flags(void **state)
{
    (void)state;
    uint8_t in[215] = {0}, out[64] = {0x33};
    assert_int_equal(pc_blake2f(out, BYTES_EMPTY), E_INVALID);
    assert_int_equal(pc_blake2f(out, bytes_make(in, 212)), E_INVALID);
    assert_int_equal(pc_blake2f(out, bytes_make(in, 214)), E_INVALID);
    in[212] = 2;
    assert_int_equal(pc_blake2f(out, bytes_make(in, 213)), E_INVALID);
    assert_int_equal(out[0], 0x33);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blake2f_gives_the_results_of_eip_152),
        cmocka_unit_test(blake2f_agrees_with_a_naive_version_at_every_count_of_rounds),
        cmocka_unit_test(blake2f_refuses_other_lengths_and_flags),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
