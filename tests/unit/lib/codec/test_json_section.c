#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lib/codec/json_section.h"

#include <cmocka.h>

static const struct json_section known[] = {{"", " chain log max "}, {"log", " level file "}, {NULL, NULL}};

static json_t *parse(const char *text)
{
    json_t *doc = json_loads(text, 0, NULL);
    assert_non_null(doc);
    return doc;
}

static void a_key_that_nobody_knows_is_named_with_those_that_there_are(void **state)
{
    (void)state;
    static const struct {
        const char *text, *path;
    } bad[] = {{"{\"chian\":1}", "chian"}, {"{\"log\":{\"colour\":1}}", "log.colour"}, {"{\"cha\":1}", "cha"}, {"{\"chain log\":1}", "chain log"}, {"{\"\":1}", ""}, {"{\"log\":[]}", "log"}, {"{\"log\":{\"chain\":1}}", "log.chain"}};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct err err = {0};
        struct json_at log;
        bool has = false;
        json_t *doc = parse(bad[i].text);
        struct json_at root = json_at_root(doc);
        enum status s = json_section_check(known, &root, "", &err);
        if (s == OK) s = json_section_get(&log, &has, known, &root, "log", &err);
        assert_int_not_equal(s, OK);
        assert_non_null(strstr(err.text, bad[i].path));
        json_decref(doc);
    }
}

static void what_is_absent_or_null_stays_as_it_was(void **state)
{
    (void)state;
    json_t *doc = parse("{\"log\":null,\"chain\":null,\"max\":null}");
    struct json_at root = json_at_root(doc), log;
    const char *text = "default";
    uint64_t n = 7;
    bool has = true;
    assert_int_equal(json_section_check(known, &root, "", NULL), OK);
    assert_int_equal(json_section_get(&log, &has, known, &root, "log", NULL), OK);
    assert_false(has);
    assert_int_equal(json_section_text(&text, &root, "chain", NULL), OK);
    assert_int_equal(json_section_text(&text, &root, "file", NULL), OK);
    assert_string_equal(text, "default");
    assert_int_equal(json_section_number(&n, &root, "max", 1, 9, NULL), OK);
    assert_int_equal(n, 7);
    json_decref(doc);
}

static void numbers_keep_their_bounds_and_texts_are_texts(void **state)
{
    (void)state;
    json_t *doc = parse("{\"max\":10,\"chain\":5,\"log\":{\"level\":\"warn\",\"file\":\"\"}}");
    struct json_at root = json_at_root(doc), log;
    struct err err = {0};
    const char *text = NULL;
    uint64_t n = 7;
    bool has = false;
    assert_int_equal(json_section_number(&n, &root, "max", 1, 9, &err), E_INVALID);
    assert_non_null(strstr(err.text, "1 to 9"));
    assert_int_equal(n, 7);
    assert_int_equal(json_section_number(&n, &root, "max", 1, 10, NULL), OK);
    assert_int_equal(n, 10);
    assert_int_not_equal(json_section_text(&text, &root, "chain", NULL), OK);
    assert_null(text);
    assert_int_equal(json_section_get(&log, &has, known, &root, "log", NULL), OK);
    assert_true(has);
    assert_int_equal(json_section_text(&text, &log, "level", NULL), OK);
    assert_string_equal(text, "warn");
    assert_int_equal(json_section_need(text, "log.level", NULL), OK);
    assert_int_equal(json_section_text(&text, &log, "file", NULL), OK);
    assert_int_equal(json_section_need(text, "log.file", &err), E_INVALID);
    assert_int_equal(json_section_need(NULL, "log.file", &err), E_INVALID);
    assert_string_equal(err.text, "log.file: is missing");
    json_decref(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_key_that_nobody_knows_is_named_with_those_that_there_are), cmocka_unit_test(what_is_absent_or_null_stays_as_it_was),
                                       cmocka_unit_test(numbers_keep_their_bounds_and_texts_are_texts)};
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
