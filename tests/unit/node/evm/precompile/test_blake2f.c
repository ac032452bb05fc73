#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

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
        cmocka_unit_test(blake2f_refuses_other_lengths_and_flags),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
