#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/codec/base64.h"

#include <cmocka.h>

static void base64_gives_the_examples_of_rfc_4648(void **state)
{
    (void)state;
    static const char *const rows[][3] = {
        {"", "", ""},
        {"f", "Zg==", "Zg"},
        {"fo", "Zm8=", "Zm8"},
        {"foo", "Zm9v", "Zm9v"},
        {"foob", "Zm9vYg==", "Zm9vYg"},
        {"fooba", "Zm9vYmE=", "Zm9vYmE"},
        {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
        {"\xfb\xff\xbf", "+/+/", "-_-_"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (int url = 0; url < 2; url++) {
            struct buf out;
            buf_init(&out, 100);
            base64_append(&out, bytes_str(rows[i][0]), url);
            assert_true(bytes_eq_str(buf_view(&out), rows[i][1 + url]));
            buf_clear(&out);
            assert_int_equal(base64_get(&out, bytes_str(rows[i][1 + url]), url), OK);
            assert_true(bytes_eq_str(buf_view(&out), rows[i][0]));
            buf_fini(&out);
            buf_init(&out, strlen(rows[i][0])); /* what fits exactly fits */
            assert_int_equal(base64_get(&out, bytes_str(rows[i][1 + url]), url), OK);
            buf_fini(&out);
        }
    }
}

static void base64_get_rejects_every_other_form(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "Z", "Zg",    "Zg=",  "Zg===", "Zh==",  "Zm9=", "Z===",  "====",
        "=", "Zm9v=", "Zm 9", "-_-_",  "Zm9\n", "Zg=g", "Zm9v\n"};
    static const char *const bad_url[] = {"Z",    "Zg==", "Zh",   "Zm9",
                                          "+/+/", "Zm8=", "Zm 9", "Zm9vY"};
    struct buf out;
    buf_init(&out, 100);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(base64_get(&out, bytes_str(bad[i]), false), E_DECODE);
    for (size_t i = 0; i < COUNT_OF(bad_url); i++)
        assert_int_equal(base64_get(&out, bytes_str(bad_url[i]), true), E_DECODE);
    assert_int_equal(out.len, 0);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_gives_the_examples_of_rfc_4648),
        cmocka_unit_test(base64_get_rejects_every_other_form),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
