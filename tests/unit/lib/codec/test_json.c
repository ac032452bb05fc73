#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/codec/json.h"

#include <cmocka.h>

static json_t *parse(const char *text)
{
    json_t *doc = NULL;
    struct err err = {0};
    if (json_parse(&doc, bytes_str(text), &err) != OK) fail_msg("%s: %s", text, err.text);
    return doc;
}

static void json_parse_refuses_what_is_no_single_value_and_says_where(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } t[] = {
        {"", "line 1, column 0: "}, {"{", "line 1, column 1: "}, {"{\"a\":1,\n \"a\":2}", "line 2, column 4: duplicate"},
        {"1 2", "end of file expected"}, {"'a'", "invalid token"}, {"{\"a\":99999999999999999999}", "too big integer"},
        {"\"\xff\"", "unable to decode byte 0xff"}, {"[1,]", "line 1"},
    };
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        json_t *doc = NULL;
        struct err err = {0};
        assert_int_equal(json_parse(&doc, bytes_str(t[i].text), &err), E_DECODE);
        assert_null(doc);
        if (strstr(err.text, t[i].want) == NULL) fail_msg("%s: %s", t[i].text, err.text);
    }
    json_t *doc = NULL;
    assert_int_equal(json_parse(&doc, BYTES_EMPTY, NULL), E_DECODE);
}

static void errors_carry_the_path_and_what_stands_there(void **state)
{
    (void)state;
    json_t *doc = parse("{\"a\":{\"b\":[1,{\"c d\":\"text\"}]},\"n\":null}");
    struct json_at root = json_at_root(doc), a, b, e, c, none;
    struct err err = {0};
    char path[64];
    uint64_t v = 7;
    assert_true(json_at_member(&a, &root, "a") && json_at_member(&b, &a, "b") && json_at_element(&e, &b, 1) && json_at_member(&c, &e, "c d"));
    json_at_path(path, sizeof path, &c);
    assert_string_equal(path, "a.b[1].c d");
    json_at_path(path, sizeof path, &root);
    assert_string_equal(path, "(top)");
    json_at_path(path, 6, &c);
    assert_string_equal(path, "a.b[1");
    assert_int_equal(json_at_u64(&v, &c, &err), E_INVALID);
    assert_string_equal(err.text, "a.b[1].c d: wants a number, \"0x...\" or a decimal string, of at most 64 bits; here stands \"text\"");
    assert_int_equal(v, 7);
    assert_int_equal(json_at_need(&none, &a, "z", &err), E_INVALID);
    assert_string_equal(err.text, "a.z: is missing");
    assert_int_equal(json_at_need(&none, &b, "z", &err), E_INVALID);
    assert_string_equal(err.text, "a.b: wants an object; here stands an array");
    assert_false(json_at_member(&none, &b, "z") || json_at_element(&none, &a, 0) || json_at_element(&none, &b, 2));
    assert_true(json_at_member(&none, &root, "n") && json_at_is_null(&none));
    assert_int_equal(json_at_u64(&v, &c, NULL), E_INVALID);
    json_decref(doc);
}

static void numbers_are_taken_in_three_forms(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t len;
        bool ok;
        uint64_t low;
    } t[] = {
        {"5", 8, true, 5},          {"\"5\"", 8, true, 5},          {"\"0x5\"", 8, true, 5},      {"\"0X0005\"", 8, true, 5},
        {"\"0x\"", 8, true, 0},     {"\"005\"", 8, true, 5},        {"255", 1, true, 255},        {"256", 1, false, 0},
        {"\"255\"", 1, true, 255},  {"\"256\"", 1, false, 0},       {"\"0x100\"", 1, false, 0},   {"-1", 8, false, 0},
        {"1.0", 8, false, 0},       {"true", 8, false, 0},          {"null", 8, false, 0},        {"[]", 8, false, 0},
        {"\"\"", 8, false, 0},      {"\"-1\"", 8, false, 0},        {"\" 1\"", 8, false, 0},      {"\"1e3\"", 8, false, 0},
        {"\"0xg\"", 8, false, 0},   {"\"1f\"", 8, false, 0},        {"9223372036854775807", 8, true, INT64_MAX},
        {"\"18446744073709551615\"", 8, true, UINT64_MAX},          {"\"18446744073709551616\"", 8, false, 0},
        {"\"18446744073709551616\"", 9, true, 0},                   {"\"0xffffffffffffffff\"", 8, true, UINT64_MAX},
        {"\"115792089237316195423570985008687907853269984665640564039457584007913129639935\"", 32, true, UINT64_MAX},
        {"\"115792089237316195423570985008687907853269984665640564039457584007913129639936\"", 32, false, 0},
    };
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        json_t *doc = parse(t[i].text);
        struct json_at at = json_at_root(doc);
        uint8_t be[32], before[32];
        memset(be, 0xa5, sizeof be);
        memcpy(before, be, sizeof be);
        enum status s = json_at_uint(be, t[i].len, &at, NULL);
        if (s != (t[i].ok ? OK : E_INVALID)) fail_msg("%s in %zu bytes", t[i].text, t[i].len);
        if (s == OK) {
            uint8_t low[8] = {0};
            size_t n = t[i].len < 8 ? t[i].len : 8;
            memcpy(low + 8 - n, be + t[i].len - n, n);
            assert_true(be64_get(low) == t[i].low);
            assert_memory_equal(be + t[i].len, before, sizeof be - t[i].len);
        } else {
            assert_memory_equal(be, before, sizeof be);
        }
        json_decref(doc);
    }
}

static void the_other_readers_take_their_type_only(void **state)
{
    (void)state;
    static const char *const names[] = {"local", "ssh", "azure"};
    json_t *doc = parse("{\"b\":true,\"s\":\"ssh\",\"h\":\"0x0102\",\"odd\":\"0x012\",\"o\":{},\"a\":[]}");
    struct json_at root = json_at_root(doc), b, s, h, odd, o, a;
    struct err err = {0};
    bool flag = false;
    const char *text = NULL;
    uint8_t two[2];
    size_t choice = 9;
    struct buf out;
    buf_init(&out, 3);
    assert_true(json_at_member(&b, &root, "b") && json_at_member(&s, &root, "s") && json_at_member(&h, &root, "h"));
    assert_true(json_at_member(&odd, &root, "odd") && json_at_member(&o, &root, "o") && json_at_member(&a, &root, "a"));
    assert_int_equal(json_at_bool(&flag, &b, &err), OK);
    assert_true(flag);
    assert_int_equal(json_at_bool(&flag, &s, &err), E_INVALID);
    assert_int_equal(json_at_text(&text, &s, &err), OK);
    assert_string_equal(text, "ssh");
    assert_int_equal(json_at_text(&text, &b, &err), E_INVALID);
    assert_string_equal(err.text, "b: wants a string; here stands true");
    assert_int_equal(json_at_fixed(two, 2, &h, &err), OK);
    assert_true(two[0] == 1 && two[1] == 2);
    assert_int_equal(json_at_fixed(two, 3, &h, &err), E_INVALID);
    assert_string_equal(err.text, "h: wants \"0x\" and 6 hex digits; here stands \"0x0102\"");
    assert_int_equal(json_at_bytes(&out, &h, &err), OK);
    assert_int_equal(json_at_bytes(&out, &odd, &err), E_INVALID);
    assert_int_equal(json_at_bytes(&out, &o, &err), E_INVALID);
    assert_int_equal(out.len, 2);
    assert_int_equal(json_at_bytes(&out, &h, &err), E_LIMIT);
    assert_int_equal(json_at_choice(&choice, &s, names, COUNT_OF(names), &err), OK);
    assert_int_equal(choice, 1);
    assert_int_equal(json_at_choice(&choice, &h, names, COUNT_OF(names), &err), E_INVALID);
    assert_string_equal(err.text, "h: wants one of local, ssh, azure; here stands \"0x0102\"");
    assert_int_equal(json_at_choice(&choice, &o, names, COUNT_OF(names), &err), E_INVALID);
    assert_int_equal(json_at_object(&o, &err), OK);
    assert_int_equal(json_at_object(&a, &err), E_INVALID);
    assert_int_equal(json_at_array(&a, &err), OK);
    assert_int_equal(json_at_array(&o, &err), E_INVALID);
    buf_fini(&out);
    json_decref(doc);
}

static void json_at_next_walks_members_in_their_order(void **state)
{
    (void)state;
    json_t *doc = parse("{\"z\":1,\"a\":2,\"m\":3}");
    struct json_at root = json_at_root(doc), v;
    void *iter = NULL;
    char order[8] = "";
    for (size_t n = 0; json_at_next(&v, &root, &iter); n++)
        order[n] = v.key[0];
    assert_string_equal(order, "zam");
    json_decref(doc);
}

static void long_values_are_shown_short(void **state)
{
    (void)state;
    char text[3000];
    struct err err = {0};
    bool flag;
    memset(text, 'x', sizeof text - 1);
    text[0] = text[sizeof text - 2] = '"';
    text[sizeof text - 1] = '\0';
    json_t *doc = parse(text);
    struct json_at root = json_at_root(doc);
    assert_int_equal(json_at_bool(&flag, &root, &err), E_INVALID);
    assert_true(strlen(err.text) < 120);
    json_decref(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_parse_refuses_what_is_no_single_value_and_says_where),
        cmocka_unit_test(errors_carry_the_path_and_what_stands_there),
        cmocka_unit_test(numbers_are_taken_in_three_forms),
        cmocka_unit_test(the_other_readers_take_their_type_only),
        cmocka_unit_test(json_at_next_walks_members_in_their_order),
        cmocka_unit_test(long_values_are_shown_short),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
