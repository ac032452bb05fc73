#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/file.h"
#include "node/agent/send.h"
#include "node/agent/spool.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/poa-spool-XXXXXX");
    return mkdtemp(dir) == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    struct err err;
    return file_remove_tree(dir, &err) != OK;
}

static struct spool *open_spool(int *next)
{
    struct spool *s;
    struct err err = {0};
    json_t *cursors;
    assert_int_equal(spool_open(&s, &cursors, dir, 64 << 20, 0, &err), OK);
    *next = (int)json_integer_value(json_object_get(cursors, "next"));
    json_decref(cursors);
    return s;
}

/* one frame with one row: number i, padded */
static void append(struct spool *s, int i, size_t pad)
{
    struct err err = {0};
    char *text = malloc(pad + 1);
    memset(text, 'x', pad);
    text[pad] = '\0';
    json_t *cursors = json_pack("{s:i}", "next", i + 1), *rows = json_pack("[[i, {s:i, s:s}]]", i % 3, "i", i, "pad", text);
    assert_int_equal(spool_append(s, cursors, rows, &err), OK);
    json_decref(cursors);
    json_decref(rows);
    free(text);
}

/* read windows until all is sent; checks that rows come as they should, from `first` on; ret the next */
static int drain(struct spool *s, int first)
{
    struct err err = {0};
    struct spool_window w;
    enum status st;
    while ((st = spool_next(&w, s, 1000, &err)) == OK) {
        size_t i;
        const json_t *row;
        json_array_foreach(w.rows, i, row)
        {
            assert_int_equal(json_integer_value(json_object_get(json_array_get(row, 1), "i")), first);
            first++;
        }
        assert_true(json_array_size(w.rows) > 0);
        for (unsigned t = 0; t < 3; t++)
            assert_int_equal(spool_mark(s, &w, t, &err), OK);
        assert_int_equal(spool_finish(s, &w, &err), OK);
        spool_window_fini(&w);
    }
    assert_int_equal(st, E_NOT_FOUND);
    return first;
}

static size_t segments(void)
{
    size_t n = 0;
    DIR *d = opendir(dir);
    for (const struct dirent *e; (e = readdir(d)) != NULL;)
        n += strstr(e->d_name, ".seg") != NULL;
    closedir(d);
    return n;
}

static void what_goes_in_comes_out_in_order_across_segments(void **state)
{
    (void)state;
    int next;
    struct spool *s = open_spool(&next);
    assert_int_equal(next, 0);
    assert_int_equal(drain(s, 0), 0);
    for (int i = 0; i < 30; i++)
        append(s, i, 300000); /* 9 MB: three segments */
    assert_int_equal(segments(), 3);
    assert_true(spool_waiting_bytes(s) > 9000000);
    assert_int_equal(drain(s, 0), 30);
    assert_int_equal(segments(), 1);
    assert_true(spool_waiting_bytes(s) < 5000000);
    for (int i = 30; i < 40; i++)
        append(s, i, 10);
    assert_int_equal(drain(s, 30), 40);
    spool_close(s);
    s = open_spool(&next);
    assert_int_equal(next, 40);
    assert_int_equal(drain(s, 40), 40);
    spool_close(s);
}

static void a_torn_end_is_cut_off_at_any_byte(void **state)
{
    (void)state;
    int next;
    char path[100];
    struct stat st;
    struct spool *s = open_spool(&next);
    append(s, 0, 50);
    append(s, 1, 50);
    spool_close(s);
    (void)snprintf(path, sizeof path, "%s/000000000001.seg", dir);
    assert_int_equal(stat(path, &st), 0);
    struct buf whole;
    struct err err;
    buf_init(&whole, 1 << 20);
    assert_int_equal(file_read(&whole, path, &err), OK);
    const off_t half = st.st_size / 2;
    for (off_t cut = st.st_size; cut >= 0; cut -= 13) {
        assert_int_equal(file_write_atomic(path, bytes_make(whole.ptr, (size_t)cut), 0600, &err), OK);
        s = open_spool(&next);
        assert_int_equal(next, cut == st.st_size ? 2 : cut >= half ? 1 : 0);
        append(s, next, 7); /* and it goes on */
        spool_close(s);
        s = open_spool(&next);
        assert_int_equal(next, cut == st.st_size ? 3 : cut >= half ? 2 : 1);
        spool_close(s);
    }
    /* a bit that changed on the disk */
    whole.ptr[whole.len - 5] ^= 1;
    assert_int_equal(file_write_atomic(path, buf_view(&whole), 0600, &err), OK);
    s = open_spool(&next);
    assert_int_equal(next, 1);
    spool_close(s);
    buf_fini(&whole);
}

static void a_window_on_its_way_is_the_same_after_a_kill(void **state)
{
    (void)state;
    int next;
    struct err err = {0};
    struct spool_window w, again;
    char id[37], id_again[37];
    struct spool *s = open_spool(&next);
    for (int i = 0; i < 6; i++)
        append(s, i, 10);
    assert_int_equal(spool_next(&w, s, 200, &err), OK);
    assert_true(json_array_size(w.rows) >= 1 && json_array_size(w.rows) < 6);
    assert_int_equal(spool_mark(s, &w, 1, &err), OK);
    request_id(id, spool_name(s), w.segment, w.from, w.to, 2, 0);
    spool_close(s); /* as a kill does: nothing is written at the end */
    s = open_spool(&next);
    append(s, 6, 10);
    assert_int_equal(spool_next(&again, s, 100000, &err), OK); /* a larger limit changes nothing */
    assert_int_equal(again.from, w.from);
    assert_int_equal(again.to, w.to);
    assert_int_equal(again.done, 2);
    assert_true(json_equal(again.rows, w.rows));
    request_id(id_again, spool_name(s), again.segment, again.from, again.to, 2, 0);
    assert_string_equal(id, id_again);
    request_id(id_again, spool_name(s), again.segment, again.from, again.to, 1, 0);
    assert_string_not_equal(id, id_again);
    assert_int_equal(spool_finish(s, &again, &err), OK);
    size_t n = json_array_size(again.rows);
    spool_window_fini(&again);
    spool_window_fini(&w);
    assert_int_equal(drain(s, (int)n), 7);
    spool_close(s);
}

static void change(const char *name, size_t at, uint8_t bits)
{
    char path[100];
    uint8_t b;
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(pread(fd, &b, 1, (off_t)at), 1);
    b ^= bits;
    assert_int_equal(pwrite(fd, &b, 1, (off_t)at), 1);
    close(fd);
}

/* reads windows; ret a bit for each row that came; *damaged: how often it was told of damage */
static unsigned rows_that_come(struct spool *s, unsigned *damaged)
{
    struct err err = {0};
    struct spool_window w;
    enum status st;
    unsigned bits = 0;
    *damaged = 0;
    while ((st = spool_next(&w, s, 1000, &err)) == OK || st == E_CORRUPT) {
        size_t i;
        const json_t *row;
        *damaged += st == E_CORRUPT;
        if (st == E_CORRUPT) continue;
        json_array_foreach(w.rows, i, row) bits |= 1U << json_integer_value(json_object_get(json_array_get(row, 1), "i"));
        assert_int_equal(spool_finish(s, &w, &err), OK);
        spool_window_fini(&w);
    }
    assert_int_equal(st, E_NOT_FOUND);
    return bits;
}

static void what_the_disk_damaged_is_told_once_and_passed_over(void **state)
{
    (void)state;
    int next;
    unsigned damaged;
    struct spool *s = open_spool(&next);
    for (int i = 0; i < 3; i++)
        append(s, i, 2000000); /* the first segment is full with three of them */
    for (int i = 3; i < 6; i++)
        append(s, i, 50);
    change("000000000001.seg", 2100000, 4); /* in the second row */
    assert_int_equal(rows_that_come(s, &damaged), 1 | 8 | 16 | 32);
    assert_int_equal(damaged, 1);
    assert_int_equal(segments(), 1);
    append(s, 6, 50);
    change("000000000002.seg", 450, 4); /* in what is written on, in row 6 */
    append(s, 7, 50);
    assert_int_equal(rows_that_come(s, &damaged), 0);
    assert_int_equal(damaged, 1);
    append(s, 8, 50);
    assert_int_equal(rows_that_come(s, &damaged), 1 << 8);
    assert_int_equal(damaged, 0);
    spool_close(s);
}

/* who makes room by hand leaves sent.json behind: it must not pass over what is written after that */
static void segments_that_were_removed_by_hand(void **state)
{
    (void)state;
    int next;
    unsigned damaged;
    char path[100];
    struct spool *s = open_spool(&next);
    append(s, 0, 500);
    append(s, 1, 500);
    assert_int_equal(rows_that_come(s, &damaged), 3);
    spool_close(s);
    (void)snprintf(path, sizeof path, "%s/000000000001.seg", dir);
    assert_int_equal(unlink(path), 0);
    s = open_spool(&next);
    append(s, 2, 100);
    append(s, 3, 100);
    assert_int_equal(rows_that_come(s, &damaged), 12);
    assert_int_equal(damaged, 0);
    /* and a disk that came back as it was before */
    append(s, 4, 100);
    assert_int_equal(rows_that_come(s, &damaged), 16);
    spool_close(s);
    assert_int_equal(truncate(path, 150), 0);
    s = open_spool(&next);
    append(s, 5, 10);
    assert_int_equal(rows_that_come(s, &damaged), 32);
    spool_close(s);
}

static void a_disk_that_is_nearly_full_is_a_full_spool(void **state)
{
    (void)state;
    struct spool *s;
    struct err err = {0};
    json_t *cursors;
    assert_int_equal(spool_open(&s, &cursors, dir, 1 << 20, (uint64_t)1 << 60, &err), OK);
    json_decref(cursors);
    assert_true(spool_is_full(s));
    spool_close(s);
}

static void one_agent_a_spool(void **state)
{
    (void)state;
    int next;
    struct spool *s = open_spool(&next), *second = NULL;
    struct err err = {0};
    json_t *cursors = NULL;
    assert_int_equal(spool_open(&second, &cursors, dir, 1 << 20, 0, &err), E_BUSY);
    assert_null(second);
    assert_null(cursors);
    spool_close(s);
}

static void a_full_spool_says_so(void **state)
{
    (void)state;
    struct spool *s;
    struct err err = {0};
    json_t *cursors;
    assert_int_equal(spool_open(&s, &cursors, dir, 1000, 0, &err), OK);
    json_decref(cursors);
    assert_false(spool_is_full(s));
    append(s, 0, 1000);
    assert_true(spool_is_full(s));
    spool_close(s);
}

/* Signature of a fixed request, computed with another implementation (openssl dgst -sha256 -mac HMAC). The length is in bytes. */
static void the_signature_of_the_collector_api(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1000);
    assert_int_equal(collector_signature(&out, "ws", "MDEyMzQ1Njc4OWFiY2RlZg==", "Mon, 23 Nov 2026 09:32:52 GMT", 42), OK);
    assert_string_equal(buf_cstr(&out), "SharedKey ws:fhnDJdzsHUwRyj0B9FUjFbj/LR+cONB1D+SZJFY5uV0=");
    buf_clear(&out);
    assert_int_equal(collector_signature(&out, "ws", "no base64!", "x", 1), E_DECODE);
    assert_int_equal(out.len, 0);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_goes_in_comes_out_in_order_across_segments, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_torn_end_is_cut_off_at_any_byte, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_window_on_its_way_is_the_same_after_a_kill, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_the_disk_damaged_is_told_once_and_passed_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(segments_that_were_removed_by_hand, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_disk_that_is_nearly_full_is_a_full_spool, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_agent_a_spool, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_spool_says_so, set_up, tear_down),
        cmocka_unit_test(the_signature_of_the_collector_api),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
