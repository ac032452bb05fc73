#include "lib/base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { LEN = 3 << 20 };

struct reading {
    int fd;
    size_t len, n_wrong;
};

/* a pipe to its end, in odd pieces */
static void *read_pipe(void *arg)
{
    struct reading *r = arg;
    uint8_t piece[777];
    for (ssize_t n; (n = read(r->fd, piece, sizeof piece)) > 0;)
        for (ssize_t i = 0; i < n; i++, r->len++) r->n_wrong += piece[i] != (uint8_t)(r->len * 7);
    return NULL;
}

static void file_write_all_writes_more_than_a_pipe_takes_at_once(void **state)
{
    (void)state;
    int ends[2];
    pthread_t reader;
    uint8_t *data = malloc(LEN);
    assert_non_null(data);
    for (size_t i = 0; i < LEN; i++) data[i] = (uint8_t)(i * 7);
    assert_int_equal(pipe(ends), 0);
    struct reading r = {.fd = ends[0]};
    assert_int_equal(pthread_create(&reader, NULL, read_pipe, &r), 0);
    assert_int_equal(file_write_all(ends[1], bytes_make(data, LEN), "the pipe", NULL), OK);
    close(ends[1]);
    pthread_join(reader, NULL);
    close(ends[0]);
    free(data);
    assert_int_equal(r.len, LEN);
    assert_int_equal(r.n_wrong, 0);
}

static void file_write_all_names_what_cannot_be_written(void **state)
{
    (void)state;
    struct err err = {0};
    const int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    if (fd < 0) skip();
    assert_int_equal(file_write_all(fd, bytes_str("x"), "the journal", &err), E_NOSPACE);
    assert_int_equal(errno, ENOSPC);
    assert_string_equal(err.text, "cannot write the journal: No space left on device");
    close(fd);
}

static void file_write_atomic_replaces_content_and_mode(void **state)
{
    (void)state;
    char dir[] = "/tmp/poa-file-XXXXXX", path[64];
    struct buf b;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/x", dir);
    assert_int_equal(file_write_atomic(path, bytes_str("first"), 0644, NULL), OK);
    assert_int_equal(file_write_atomic(path, bytes_str("second"), 0600, NULL), OK);
    buf_init(&b, 6);
    assert_int_equal(file_read(&b, path, NULL), OK);
    assert_true(bytes_eq_str(buf_view(&b), "second"));
    buf_fini(&b);
    buf_init(&b, 5);
    assert_int_equal(file_read(&b, path, NULL), E_LIMIT);
    buf_fini(&b);
    assert_int_equal(access(path, X_OK), -1);
    assert_int_equal(file_remove_tree(dir, NULL), OK);
    assert_false(file_exists(dir));
    assert_int_equal(file_remove_tree(dir, NULL), OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_write_all_writes_more_than_a_pipe_takes_at_once),
        cmocka_unit_test(file_write_all_names_what_cannot_be_written),
        cmocka_unit_test(file_write_atomic_replaces_content_and_mode),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
