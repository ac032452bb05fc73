#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/file.h"
#include "node/agent/tail.h"

#include <fcntl.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64], log_path[100], seen[1000];

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/poa-tail-XXXXXX");
    if (mkdtemp(dir) == NULL) return -1;
    (void)snprintf(log_path, sizeof log_path, "%s/node.log", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    struct err err;
    return file_remove_tree(dir, &err) != OK;
}

static void add(const char *text)
{
    int fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

/* as lib/base/log.h does it */
static void rotate(unsigned keep)
{
    char from[120], to[120];
    for (unsigned i = keep; i > 0; i--) {
        (void)snprintf(from, sizeof from, i == 1 ? "%s" : "%s.%u", log_path, i - 1);
        (void)snprintf(to, sizeof to, "%s.%u", log_path, i);
        (void)rename(from, to);
    }
}

static void take(void *ctx, bytes line)
{
    (void)ctx;
    const size_t n = strlen(seen);
    (void)snprintf(seen + n, sizeof seen - n, "%.*s ", (int)line.len, (const char *)line.ptr);
}

/* everything that is there, in a run of its own; *cursor goes on */
static bool run(json_t **cursor)
{
    struct tail *t;
    seen[0] = '\0';
    assert_int_equal(tail_new(&t, log_path, *cursor), OK);
    while (tail_read(t, 1 << 20, take, NULL)) {}
    const bool lost = tail_take_lost(t);
    json_decref(*cursor);
    *cursor = tail_cursor(t);
    tail_free(t);
    return lost;
}

static void a_log_that_was_moved_away_more_than_once_is_read_in_order(void **state)
{
    (void)state;
    json_t *cursor = NULL;
    add("one\n");
    assert_false(run(&cursor));
    assert_string_equal(seen, "one ");
    add("two\n");
    for (unsigned i = 3; i < 6; i++) {
        char text[20];
        rotate(4);
        (void)snprintf(text, sizeof text, "%u\n", i);
        add(text);
    }
    assert_false(run(&cursor));
    assert_string_equal(seen, "two 3 4 5 ");
    assert_false(run(&cursor));
    assert_string_equal(seen, "");
    json_decref(cursor);
}

static void moved_away_while_it_is_open(void **state)
{
    (void)state;
    struct tail *t;
    add("one\n");
    seen[0] = '\0';
    assert_int_equal(tail_new(&t, log_path, NULL), OK);
    assert_true(tail_read(t, 1 << 20, take, NULL));
    add("two\n");
    rotate(4);
    add("three\n");
    rotate(4);
    add("four\n");
    while (tail_read(t, 1 << 20, take, NULL)) {}
    assert_string_equal(seen, "one two three four ");
    assert_false(tail_take_lost(t));
    tail_free(t);
}

static void what_was_dropped_before_it_was_read_is_told(void **state)
{
    (void)state;
    json_t *cursor = NULL;
    add("one\n");
    assert_false(run(&cursor));
    for (unsigned i = 0; i < 6; i++) {
        char text[20];
        rotate(4);
        (void)snprintf(text, sizeof text, "line %u\n", i);
        add(text);
    }
    assert_true(run(&cursor));
    assert_string_equal(seen, "line 1 line 2 line 3 line 4 line 5 "); /* all that is kept */
    json_decref(cursor);
}

/* the cursor's inode belongs to another file now, which is longer than where it stood */
static void an_inode_that_was_given_to_another_file(void **state)
{
    (void)state;
    json_t *cursor = NULL;
    add("the first line of the first file\n");
    assert_false(run(&cursor));
    assert_int_equal(truncate(log_path, 0), 0);
    add("another first line, of another file\nand its second\n");
    assert_true(run(&cursor));
    assert_string_equal(seen, "another first line, of another file and its second ");
    json_decref(cursor);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_log_that_was_moved_away_more_than_once_is_read_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(moved_away_while_it_is_open, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_dropped_before_it_was_read_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_inode_that_was_given_to_another_file, set_up, tear_down),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
