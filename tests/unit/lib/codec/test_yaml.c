#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/file.h"
#include "lib/codec/yaml.h"

#include <unistd.h>

#include <cmocka.h>

static void yaml_becomes_the_json_that_one_expects(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *json;
    } t[] = {
        {"", "null"},
        {"# only a comment\n", "null"},
        {"---\n", "null"},
        {"a: 1\nb: -5\nc: 0\n", "{\"a\":1,\"b\":-5,\"c\":0}"},
        {"a: 9223372036854775807\nb: 9223372036854775808\n", "{\"a\":9223372036854775807,\"b\":\"9223372036854775808\"}"},
        {"t: true\nf: False\nn: null\nm: ~\ne:\n", "{\"t\":true,\"f\":false,\"n\":null,\"m\":null,\"e\":null}"},
        {"y: yes\nn: no\non: on\n", "{\"y\":\"yes\",\"n\":\"no\",\"on\":\"on\"}"},
        {"q: '1'\nd: \"true\"\ns: !!str 5\nx: ! 6\n", "{\"q\":\"1\",\"d\":\"true\",\"s\":\"5\",\"x\":\"6\"}"},
        {"addr: 0x0000000000000000000000000000000000001006\nmode: 0644\nf: 1.10\no: 0o17\np: +5\nz: -0\nminus: '-'\n",
         "{\"addr\":\"0x0000000000000000000000000000000000001006\",\"mode\":\"0644\",\"f\":\"1.10\",\"o\":\"0o17\",\"p\":\"+5\",\"z\":\"-0\","
         "\"minus\":\"-\"}"},
        {"- a\n- [1, two, {k: v}]\n-\n  - x\n", "[\"a\",[1,\"two\",{\"k\":\"v\"}],[\"x\"]]"},
        {"text: |\n  line 1\n  line 2\nfold: >\n  a\n  b\n", "{\"text\":\"line 1\\nline 2\\n\",\"fold\":\"a b\\n\"}"},
        {"{\"json\": [true, null, \"\\u00e9\"]}", "{\"json\":[true,null,\"\xc3\xa9\"]}"},
        {"1: one\ntrue: two\n", "{\"1\":\"one\",\"true\":\"two\"}"},
        {"#cloud-config\nruncmd:\n  - [sh, -c, 'exit 0']\n", "{\"runcmd\":[[\"sh\",\"-c\",\"exit 0\"]]}"},
        {"a: {}\nb: []\nc: ''\n", "{\"a\":{},\"b\":[],\"c\":\"\"}"},
        {"just text\n", "\"just text\""},
    };
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        json_t *got = NULL, *want = json_loads(t[i].json, JSON_DECODE_ANY, NULL);
        struct err err = {0};
        assert_non_null(want);
        if (yaml_get(&got, bytes_str(t[i].yaml), &err) != OK) fail_msg("%s: %s", t[i].yaml, err.text);
        if (!json_equal(got, want)) fail_msg("%s: %s", t[i].yaml, json_dumps(got, JSON_ENCODE_ANY));
        json_decref(got);
        json_decref(want);
    }
}

static void what_is_refused_is_refused_with_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *want;
    } t[] = {
        {"a: 1\nb: 2\na: 3\n", "line 3, column 1: this key stands twice"},
        {"x:\n  a: 1\n  a: 1\n", "line 3, column 3: this key stands twice"},
        {"a: &x 1\n", "line 1, column 4: anchors are not allowed"},
        {"a: &x [1]\n", "anchors are not allowed"},
        {"a: &x {b: 1}\n", "anchors are not allowed"},
        {"a: *x\n", "aliases are not allowed"},
        {"&k a: 1\n", "anchors are not allowed"},
        {"<<: {a: 1}\n", "merge keys are not allowed"},
        {"a: !!int '5'\n", "tags are not allowed"},
        {"a: !thing {}\n", "tags are not allowed"},
        {"a: !!python/object:os.system []\n", "tags are not allowed"},
        {"--- 1\n--- 2\n", "more than one document"},
        {"? [a]\n: 1\n", "a key must be a scalar"},
        {"a: \"x\\0y\"\n", "NUL is not allowed"},
        {"\"x\\0y\": 1\n", "NUL is not allowed"},
        {"a: [1, 2\n", "line 2"},
        {"a: 'x\n", "line"},
        {"a: b: c\n", "line 1"},
        {"\tb: 1\n", "line 1"},
        {"a: \xff\xfe\n", "byte"},
        {"a: \x01\n", "byte"},
    };
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        json_t *got = NULL;
        struct err err = {0};
        if (yaml_get(&got, bytes_str(t[i].yaml), &err) != E_DECODE) fail_msg("%s", t[i].yaml);
        if (strstr(err.text, t[i].want) == NULL) fail_msg("%s: %s", t[i].yaml, err.text);
        assert_null(got);
    }
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    char text[2 * 5000 + 1];
    json_t *got = NULL;
    for (size_t depth = 60; depth <= 5000; depth += 4940) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        assert_int_equal(yaml_get(&got, bytes_make(text, 2 * depth), NULL), depth == 60 ? OK : E_DECODE);
    }
    json_decref(got);
}

static void a_file_is_read_within_its_bound_and_named_in_errors(void **state)
{
    (void)state;
    char dir[] = "/tmp/poa-yaml-XXXXXX", path[64];
    json_t *got = NULL;
    struct err err = {0};
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/x.yaml", dir);
    assert_int_equal(yaml_get_file(&got, path, &err), E_NOT_FOUND);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(file_write_atomic(path, BYTES_LIT("a: [1, 2]\n"), 0600, NULL), OK);
    assert_int_equal(yaml_get_file(&got, path, &err), OK);
    assert_int_equal(json_array_size(json_object_get(got, "a")), 2);
    json_decref(got);
    got = NULL;
    assert_int_equal(file_write_atomic(path, BYTES_LIT("a: [1,\n"), 0600, NULL), OK);
    assert_int_equal(yaml_get_file(&got, path, &err), E_DECODE);
    assert_int_equal(strncmp(err.text, path, strlen(path)), 0);
    assert_non_null(strstr(err.text, "line "));
    const size_t len = (4 << 20) + 1;
    char *big = malloc(len);
    assert_non_null(big);
    memset(big, '#', len);
    assert_int_equal(file_write_atomic(path, bytes_make(big, len), 0600, NULL), OK);
    assert_int_equal(yaml_get_file(&got, path, &err), E_LIMIT);
    assert_null(got);
    free(big);
    assert_int_equal(file_remove_tree(dir, NULL), OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(yaml_becomes_the_json_that_one_expects),
        cmocka_unit_test(what_is_refused_is_refused_with_its_line),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(a_file_is_read_within_its_bound_and_named_in_errors),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
