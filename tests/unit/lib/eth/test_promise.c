#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/eth/promise.h"

#include <cmocka.h>

static const char one[] = "1.7.5.18446744073709551615.000102030405060708090a0b0c0d0e0f."
                          "1111111111111111111111111111111111111111111111111111111111111111.1.6.41."
                          "2222222222222222222222222222222222222222222222222222222222222222";

static void a_promise_is_read_as_it_was_written(void **state)
{
    (void)state;
    struct key_promise p = {0};
    char text[PROMISE_TEXT_MAX];
    assert_int_equal(promise_get_text(&p, one), OK);
    assert_int_equal(p.step, 7);
    assert_int_equal(p.before, 5);
    assert_true(p.until_ms == UINT64_MAX);
    assert_int_equal(p.writer[15], 15);
    assert_int_equal(p.parent.b[31], 0x11);
    assert_true(p.is_empty_step);
    assert_int_equal(p.lock_step, 6);
    assert_int_equal(p.lock_number, 41);
    assert_int_equal(p.lock_hash.b[0], 0x22);
    promise_put_text(text, &p);
    assert_string_equal(text, one);
    memset(&p, 0xff, sizeof p); /* the longest there is */
    p.is_empty_step = true;
    promise_put_text(text, &p);
    assert_int_equal(promise_get_text(&p, text), OK);
}

/* each with one character changed, left out or doubled is another promise or none, and one that is refused leaves the output alone */
static void what_is_damaged_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "1", "2.7.5.1", "1.7.5.1.00", "x", "1.07.5.1."};
    const struct key_promise mark = {.step = 77};
    struct key_promise p = mark;
    char text[PROMISE_TEXT_MAX], back[PROMISE_TEXT_MAX];
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(promise_get_text(&p, bad[i]), E_DECODE);
    for (size_t i = 0; i < sizeof one; i++) {
        for (int kind = 0; kind < 3; kind++) {
            p = mark;
            if (kind == 0) snprintf(text, sizeof text, "%.*s%s", (int)i, one, one[i] == 0 ? "0" : one + i + 1);
            if (kind == 1) snprintf(text, sizeof text, "%.*s%c%s", (int)i, one, one[i] == 0 ? '0' : one[i], one + i);
            if (kind == 2) snprintf(text, sizeof text, "%.*s%c%s", (int)i, one, one[i] == '-' ? '.' : '-', one[i] == 0 ? "" : one + i + 1);
            if (promise_get_text(&p, text) == OK) {
                promise_put_text(back, &p);
                assert_string_equal(back, text);
            } else {
                assert_memory_equal(&p, &mark, sizeof p);
            }
            if (kind == 2) assert_int_equal(p.step, 77);
        }
    }
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_promise_is_read_as_it_was_written),
        cmocka_unit_test(what_is_damaged_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
