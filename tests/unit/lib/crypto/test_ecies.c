#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/crypto/ecies.h"
#include "lib/crypto/secp256k1.h"

#include <cmocka.h>

static void ecies_opens_only_with_the_right_key_and_data(void **state)
{
    (void)state;
    secret32 key, other;
    uint8_t pub[64];
    struct buf sealed, plain;
    ec_secret_generate(&key);
    ec_secret_generate(&other);
    assert_int_equal(OK, ec_public(pub, &key));
    buf_init(&sealed, 1024);
    buf_init(&plain, 1024);
    assert_int_equal(OK, ecies_seal(&sealed, pub, BYTES_LIT("text"), BYTES_LIT("data")));
    assert_int_equal(4 + ECIES_OVERHEAD, sealed.len);
    assert_int_equal(E_CRYPTO, ecies_open(&plain, &other, buf_view(&sealed), BYTES_LIT("data")));
    assert_int_equal(E_CRYPTO, ecies_open(&plain, &key, buf_view(&sealed), BYTES_LIT("date")));
    assert_int_equal(E_CRYPTO, ecies_open(&plain, &key, bytes_make(sealed.ptr, 20), BYTES_LIT("data")));
    assert_int_equal(0, plain.len);
    assert_int_equal(OK, ecies_open(&plain, &key, buf_view(&sealed), BYTES_LIT("data")));
    assert_true(bytes_eq_str(buf_view(&plain), "text"));
    buf_fini(&sealed);
    buf_fini(&plain);
}

static void nothing_is_sealed_for_what_is_no_point(void **state)
{
    (void)state;
    uint8_t pub[64];
    struct buf sealed;
    memset(pub, 0x11, sizeof pub);
    buf_init(&sealed, 1024);
    assert_int_equal(E_CRYPTO, ecies_seal(&sealed, pub, BYTES_LIT("text"), BYTES_EMPTY));
    assert_int_equal(0, sealed.len);
    buf_fini(&sealed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ecies_opens_only_with_the_right_key_and_data),
        cmocka_unit_test(nothing_is_sealed_for_what_is_no_point),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
