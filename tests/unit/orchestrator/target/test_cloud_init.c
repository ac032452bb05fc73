/* User data as a process boots from it: tokens, files below the instance's folder, commands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/file.h"
#include "orchestrator/target/cloud_init.h"

#include <cmocka.h>

static const struct instance_token TOKENS[] = {{"instance.index", "3"}, {"instance.name", "vl-3"}, {"instance.empty", ""}};

static enum status expand(struct buf *out, const char *text, struct err *err)
{
    buf_init(out, 1 << 16);
    return cloud_init_expand(out, bytes_str(text), "/r", TOKENS, COUNT_OF(TOKENS), err);
}

static void tokens_and_the_root_are_replaced(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want;
    } cases[] = {
        {"", ""},
        {"plain { } {x} $ {", "plain { } {x} $ {"},
        {"a: {{instance.index}}", "a: 3"},
        {"{{ instance.name }}{{instance.index}}", "vl-33"},
        {"[{{instance.empty}}]", "[]"},
        {"${POA_ROOT}/etc/${OTHER}/${POA_ROOT", "/r/etc/${OTHER}/${POA_ROOT"},
        {"{{instance.name}}/${POA_ROOT}", "vl-3//r"},
        {"# {{unknown}} ${POA_ROOT}\na: {{instance.index}}\n#{{", "# {{unknown}} ${POA_ROOT}\na: 3\n#{{"}, /* lines of comment are left */
        {"a: 1 # {{instance.index}}", "a: 1 # 3"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf out;
        struct err err = {0};
        if (expand(&out, cases[i].text, &err) != OK) fail_msg("%s: %s", cases[i].text, err_text(&err));
        assert_string_equal(buf_cstr(&out), cases[i].want);
        buf_fini(&out);
    }
}

static void an_unknown_or_open_token_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
        enum status status;
    } cases[] = {
        {"a: {{instance.colour}}", "instance.colour", E_INVALID},
        {"a: {{}}", "unknown token", E_INVALID},
        {"a: {{instance.index", "without", E_DECODE},
        {"a: {{instance.inde}}", "instance.inde", E_INVALID},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf out;
        struct err err = {0};
        assert_int_equal(expand(&out, cases[i].text, &err), cases[i].status);
        assert_non_null(strstr(err_text(&err), cases[i].why));
        buf_fini(&out);
    }
}

/* --- applying */

struct root {
    char path[64];
    struct err err;
    json_t *argv;
};

static void root_open(struct root *r)
{
    *r = (struct root){.path = "/tmp/poa-cloud-init-XXXXXX"};
    assert_non_null(mkdtemp(r->path));
}

static enum status apply(struct root *r, const char *yaml)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    assert_int_equal(cloud_init_expand(&out, bytes_str(yaml), r->path, TOKENS, COUNT_OF(TOKENS), &r->err), OK);
    enum status s = cloud_init_apply(&r->argv, buf_view(&out), r->path, &r->err);
    buf_fini(&out);
    return s;
}

static void root_close(struct root *r)
{
    json_decref(r->argv);
    assert_int_equal(file_remove_tree(r->path, NULL), OK);
}

static bool below(struct root *r, const char *name, char dst[static 256])
{
    (void)snprintf(dst, 256, "%s/%s", r->path, name);
    return file_exists(dst);
}

static void files_are_written_and_the_last_command_is_given_back(void **state)
{
    (void)state;
    struct root r;
    char path[256];
    struct buf text;
    struct stat st;
    root_open(&r);
    enum status s = apply(&r, "#cloud-config\n"
                              "write_files:\n"
                              "- path: ${POA_ROOT}/etc/deep/a.conf\n"
                              "  permissions: \"0600\"\n"
                              "  content: |\n"
                              "    index: {{instance.index}}\n"
                              "    root: ${POA_ROOT}\n"
                              "- path: ${POA_ROOT}/b.bin\n"
                              "  encoding: b64\n"
                              "  content: AAEC/w==\n"
                              "- {path: '${POA_ROOT}/c', content: 'x', encoding: text/plain}\n"
                              "packages: [ignored]\n"
                              "runcmd:\n"
                              "- [mkdir, -p, '${POA_ROOT}/var/lib']\n"
                              "- [cp, '${POA_ROOT}/c', '${POA_ROOT}/var/lib/d']\n"
                              "- [poa-node, --config, '${POA_ROOT}/etc/deep/a.conf', '{{instance.name}}']\n");
    if (s != OK) fail_msg("%s", err_text(&r.err));
    assert_true(below(&r, "etc/deep/a.conf", path));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    buf_init(&text, 1000);
    assert_int_equal(file_read(&text, path, &r.err), OK);
    char want[200];
    (void)snprintf(want, sizeof want, "index: 3\nroot: %s\n", r.path);
    assert_string_equal(buf_cstr(&text), want);
    buf_clear(&text);
    assert_true(below(&r, "b.bin", path));
    assert_int_equal(file_read(&text, path, &r.err), OK);
    assert_int_equal(text.len, 4);
    assert_memory_equal(text.ptr, "\0\1\2\xff", 4);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0644);
    assert_true(below(&r, "var/lib/d", path)); /* the commands before the last have run, in order */
    assert_int_equal(json_array_size(r.argv), 4);
    assert_string_equal(json_string_value(json_array_get(r.argv, 0)), "poa-node");
    assert_string_equal(json_string_value(json_array_get(r.argv, 3)), "vl-3");
    buf_fini(&text);
    root_close(&r);
}

#define RUN "runcmd: [[program]]\n"

static void nothing_is_written_outside_the_instances_folder(void **state)
{
    (void)state;
    static const char *const paths[] = {"/tmp/poa-cloud-init-outside", "${POA_ROOT}-beside/x", "${POA_ROOT}/../poa-cloud-init-outside", "etc/x",
                                        "${POA_ROOT}/a/../../poa-cloud-init-outside", "${POA_ROOT}"};
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        struct root r;
        char yaml[400];
        root_open(&r);
        (void)snprintf(yaml, sizeof yaml, "write_files:\n- {path: '%s', content: x}\n" RUN, paths[i]);
        assert_int_equal(apply(&r, yaml), E_DENIED);
        assert_non_null(strstr(err_text(&r.err), "outside"));
        assert_null(r.argv);
        root_close(&r);
    }
    assert_false(file_exists("/tmp/poa-cloud-init-outside"));
}

static void what_is_malformed_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *why;
        enum status status;
    } cases[] = {
        {"write_files: []\n", "runcmd is missing", E_INVALID},
        {"runcmd: []\n", "runcmd is missing", E_INVALID},
        {"runcmd: [program]\n", "list of 1 to", E_INVALID},
        {"runcmd: [[]]\n", "list of 1 to", E_INVALID},
        {"runcmd: [[a, 1]]\n", "list of 1 to", E_INVALID},
        {"write_files: [{content: x}]\n" RUN, "lacks path or content", E_INVALID},
        {"write_files: [{path: '${POA_ROOT}/x'}]\n" RUN, "lacks path or content", E_INVALID},
        {"write_files: [{path: '${POA_ROOT}/x', content: x, encoding: gzip}]\n" RUN, "gzip", E_UNSUPPORTED},
        {"runcmd: [['false'], [program]]\n", "'false' failed with 1", E_IO},
        {"runcmd: [[/no/such/program], [program]]\n", "failed with 127", E_IO},
        {"runcmd: [\n", "", E_DECODE},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct root r;
        root_open(&r);
        enum status s = apply(&r, cases[i].yaml);
        if (s != cases[i].status) fail_msg("%s: %s: %s", cases[i].yaml, status_name(s), err_text(&r.err));
        assert_non_null(strstr(err_text(&r.err), cases[i].why));
        assert_null(r.argv);
        root_close(&r);
    }
}

static void a_command_that_fails_stops_those_behind_it(void **state)
{
    (void)state;
    struct root r;
    char path[256];
    root_open(&r);
    assert_int_equal(apply(&r, "runcmd: [['false'], [touch, '${POA_ROOT}/made'], [program]]\n"), E_IO);
    assert_false(below(&r, "made", path));
    root_close(&r);
}

static void bad_base64_writes_no_file(void **state)
{
    (void)state;
    struct root r;
    char path[256];
    root_open(&r);
    assert_int_not_equal(apply(&r, "write_files: [{path: '${POA_ROOT}/x', content: '!!!', encoding: b64}]\n" RUN), OK);
    assert_false(below(&r, "x", path));
    root_close(&r);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_and_the_root_are_replaced),
        cmocka_unit_test(an_unknown_or_open_token_is_named),
        cmocka_unit_test(files_are_written_and_the_last_command_is_given_back),
        cmocka_unit_test(nothing_is_written_outside_the_instances_folder),
        cmocka_unit_test(what_is_malformed_is_told),
        cmocka_unit_test(a_command_that_fails_stops_those_behind_it),
        cmocka_unit_test(bad_base64_writes_no_file),
    };
    return cmocka_run_group_tests_name("cloud_init", tests, NULL, NULL);
}
