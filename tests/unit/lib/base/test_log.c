#include "lib/base/log.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { LIMIT = 64 << 10, WRITERS = 4, LINES = 2000 };

static char dir[] = "/tmp/poa-log-XXXXXX", path[64];

static int setup(void **state)
{
    (void)state;
    if (mkdtemp(dir) == NULL) return -1;
    (void)snprintf(path, sizeof path, "%s/below/x.log", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    char name[80];
    for (int i = 0; i <= LOG_KEEP; i++) {
        (void)snprintf(name, sizeof name, i ? "%s.%d" : "%s", path, i);
        (void)unlink(name);
    }
    (void)snprintf(name, sizeof name, "%s/below", dir);
    return rmdir(name) != 0 || rmdir(dir) != 0;
}

static void *write_lines(void *arg)
{
    for (int i = 0; i < LINES; i++)
        log_info("test", "writer=%d line=%d %0100d", (int)(intptr_t)arg, i, 0);
    return NULL;
}

static void a_file_that_cannot_be_made_is_an_error(void **state)
{
    (void)state;
    struct err err;
    assert_int_not_equal(log_open_file("/proc/none/x.log", LOG_LEVEL_INFO, LIMIT, &err), OK);
    assert_non_null(strstr(err_text(&err), "/proc/none"));
}

static void full_files_are_moved_away_and_no_line_is_torn_or_doubled(void **state)
{
    (void)state;
    struct err err;
    static uint8_t seen[WRITERS][LINES];
    assert_int_equal(log_open_file(path, LOG_LEVEL_INFO, LIMIT, &err), OK);
    pthread_t t[WRITERS];
    for (intptr_t i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, write_lines, (void *)i), 0);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(t[i], NULL);
    log_open(2, LOG_LEVEL_INFO);

    unsigned lines = 0, files = 0;
    for (int i = 0; i <= LOG_KEEP; i++) {
        char name[80], line[4096];
        (void)snprintf(name, sizeof name, i ? "%s.%d" : "%s", path, i);
        FILE *f = fopen(name, "r");
        assert_non_null(f);
        files++;
        struct stat st;
        assert_int_equal(fstat(fileno(f), &st), 0);
        assert_in_range(st.st_size, 0, LIMIT + WRITERS * 4096);
        if (i > 0) assert_in_range(st.st_size, LIMIT, LIMIT + WRITERS * 4096);
        while (fgets(line, sizeof line, f) != NULL) {
            int writer, number;
            const char *text = strstr(line, "writer=");
            assert_non_null(text);
            assert_int_equal(sscanf(text, "writer=%d line=%d", &writer, &number), 2);
            assert_int_equal(line[strlen(line) - 1], '\n');
            assert_int_equal(seen[writer][number]++, 0);
            lines++;
        }
        fclose(f);
    }
    assert_int_equal(files, LOG_KEEP + 1);
    assert_in_range(lines, 1, WRITERS * LINES - 1); /* the oldest file was dropped */
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_that_cannot_be_made_is_an_error),
        cmocka_unit_test(full_files_are_moved_away_and_no_line_is_torn_or_doubled),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
