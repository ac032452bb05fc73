#include "lib/base/guess.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char *guess(const char *typed)
{
    static const char *const words[] = {"new", "status", "destroy", "admin list", "admin propose", "up", "--nodes", "--hosts"};
    struct guess g = guess_start(typed);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        guess_offer(&g, words[i]);
    return g.best;
}

static void a_word_with_few_wrong_letters_is_the_nearest(void **state)
{
    (void)state;
    assert_string_equal(guess("statsu"), "status");  /* swapped */
    assert_string_equal(guess("staus"), "status");   /* gone */
    assert_string_equal(guess("sstatus"), "status"); /* too many */
    assert_string_equal(guess("xp"), "up");          /* changed */
    assert_string_equal(guess("--node"), "--nodes");
    assert_string_equal(guess("admin prpose"), "admin propose");
    assert_string_equal(guess("status"), "status");
}

static void a_word_that_is_far_from_all_is_nobodys(void **state)
{
    (void)state;
    char longest[2000];
    memset(longest, 's', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_null(guess(""));
    assert_null(guess("xyzzy"));
    assert_null(guess("frobnicate"));
    assert_null(guess(longest));
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_word_with_few_wrong_letters_is_the_nearest),
        cmocka_unit_test(a_word_that_is_far_from_all_is_nobodys),
    };
    return cmocka_run_group_tests_name("guess", tests, NULL, NULL);
}
