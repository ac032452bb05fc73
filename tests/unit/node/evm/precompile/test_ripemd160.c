#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "node/evm/precompile/precompile.h"

#include <cmocka.h>

static void expect(bytes in, const char *hex)
{
    uint8_t out[32];
    char got[41];
    pc_ripemd160(out, in);
    for (unsigned i = 0; i < 12; i++)
        assert_int_equal(out[i], 0);
    for (unsigned i = 0; i < 20; i++)
        (void)snprintf(got + 2 * i, 3, "%02x", out[12 + i]);
    assert_string_equal(got, hex);
}

static void ripemd160_gives_the_digests_of_its_authors(void **state)
{
    (void)state;
    expect(BYTES_EMPTY, "9c1185a5c5e9fc54612808977ee8f548b2258d31");
    expect(BYTES_LIT("a"), "0bdc9d2d256b3ee9daae347be6f4dc835a467ffe");
    expect(BYTES_LIT("abc"), "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc");
    expect(BYTES_LIT("message digest"), "5d0689ef49d2fae572b881b123a85ffa21595f36");
    expect(BYTES_LIT("abcdefghijklmnopqrstuvwxyz"), "f71c27109c692c1b56bbdceb5b9d2865b3708dbc");
    expect(BYTES_LIT("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
           "12a053384a9c0c88e405a06c27dcf49ada62eb2b");
    expect(BYTES_LIT("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"),
           "b0e20b6e3116640286ed3a87a5713079b21f5189");
    expect(BYTES_LIT(
               "12345678901234567890123456789012345678901234567890123456789012345678901234567890"),
           "9b752e45573d4b39f4dbd3323cab82bf63326bfb");
}

static void ripemd160_of_a_million_letters(void **state)
{
    (void)state;
    uint8_t *p = malloc(1000000);
    assert_non_null(p);
    memset(p, 'a', 1000000);
    expect(bytes_make(p, 1000000), "52783243c1697bdbe16d37f97f68f08325dc1528");
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ripemd160_gives_the_digests_of_its_authors),
        cmocka_unit_test(ripemd160_of_a_million_letters),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
