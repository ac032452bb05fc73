#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "orchestrator/diagnose/spec_diff.h"

#include <cmocka.h>

static bool diff(struct spec_diff *d, const char *ours, const char *theirs)
{
    json_t *a = json_loads(ours, JSON_DECODE_ANY, NULL), *b = json_loads(theirs, JSON_DECODE_ANY, NULL);
    const bool yes = spec_differs(d, a, b);
    json_decref(a);
    json_decref(b);
    return yes;
}

static void what_is_the_same_in_another_order_does_not_differ(void **state)
{
    (void)state;
    struct spec_diff d;
    assert_false(diff(&d, "{\"a\":{\"b\":1,\"c\":[1,2]}}", "{\"a\":{\"c\":[1,2],\"b\":1}}"));
    assert_string_equal(d.path, "");
    assert_string_equal(d.theirs, "");
}

static void the_first_difference_is_told_by_its_path(void **state)
{
    (void)state;
    static const struct {
        const char *ours, *theirs, *path, *our_value, *their_value;
    } rows[] = {
        {"{\"a\":1,\"params\":{\"x\":\"0x0\",\"y\":2}}", "{\"a\":1,\"params\":{\"x\":\"0x5\",\"y\":3}}", "params.x", "\"0x0\"", "\"0x5\""},
        {"{\"params\":{\"eip1Transition\":0}}", "{\"params\":{}}", "params.eip1Transition", "0", "nothing"},
        {"{\"params\":{}}", "{\"params\":{\"z\":true}}", "params.z", "nothing", "true"},
        {"{\"n\":[1,{\"k\":2}]}", "{\"n\":[1,{\"k\":3}]}", "n[1].k", "2", "3"},
        {"{\"n\":[1]}", "{\"n\":[1,2]}", "n[1]", "nothing", "2"},
        {"{\"v\":{\"list\":[]}}", "{\"v\":{\"multi\":{}}}", "v.list", "[]", "nothing"},
        {"{}", "[]", "", "{}", "[]"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct spec_diff d;
        assert_true(diff(&d, rows[i].ours, rows[i].theirs));
        assert_string_equal(d.path, rows[i].path);
        assert_string_equal(d.ours, rows[i].our_value);
        assert_string_equal(d.theirs, rows[i].their_value);
    }
}

static void long_names_and_values_and_deep_nests_are_cut(void **state)
{
    (void)state;
    char a[2000], b[2000], name[300];
    struct spec_diff d;
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    snprintf(a, sizeof a, "{\"%s\":{\"%s\":{\"k\":\"%s\"}}}", name, name, name);
    snprintf(b, sizeof b, "{\"%s\":{\"%s\":{\"k\":1}}}", name, name);
    assert_true(diff(&d, a, b));
    assert_true(strlen(d.path) < sizeof d.path);
    json_t *x = json_integer(1), *y = json_integer(2);
    for (int i = 0; i < 1000; i++) {
        json_t *ox = json_object(), *oy = json_object();
        json_object_set_new(ox, "k", x);
        json_object_set_new(oy, "k", y);
        x = ox, y = oy;
    }
    assert_true(spec_differs(&d, x, y));
    assert_string_equal(d.ours + strlen(d.ours) - 3, "...");
    json_decref(x);
    json_decref(y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_the_same_in_another_order_does_not_differ), cmocka_unit_test(the_first_difference_is_told_by_its_path),
                                       cmocka_unit_test(long_names_and_values_and_deep_nests_are_cut)};
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
