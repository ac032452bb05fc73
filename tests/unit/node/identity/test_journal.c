#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/file.h"
#include "lib/base/rng.h"
#include "node/identity/journal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
    char dir[64], file[96];
};

static int setup(void **state)
{
    struct place *p = calloc(1, sizeof *p);
    snprintf(p->dir, sizeof p->dir, "/tmp/poa-journal-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->file, sizeof p->file, "%s/last-signed", p->dir);
    *state = p;
    return 0;
}

static int teardown(void **state)
{
    struct place *p = *state;
    IGNORE(file_remove_tree(p->dir, NULL), "a folder of a test");
    free(p);
    return 0;
}

static const uint8_t A[20] = {1}, B[20] = {2}, H1[32] = {1}, H2[32] = {2};

static struct journal open_journal(const struct place *p)
{
    struct journal j;
    struct err err = {0};
    if (journal_open(&j, p->dir, &err) != OK) fail_msg("%s", err_text(&err));
    return j;
}

static void steps_only_go_up_for_each_address_also_after_a_restart(void **state)
{
    struct journal j = open_journal(*state);
    assert_int_equal(journal_note(&j, A, 0, H1), OK);
    assert_int_equal(journal_note(&j, A, 10, H1), OK);
    assert_int_equal(journal_note(&j, A, 10, H1), OK);
    assert_int_equal(journal_note(&j, A, 10, H2), E_CONFLICT);
    assert_int_equal(journal_note(&j, A, 9, H1), E_CONFLICT);
    assert_int_equal(journal_note(&j, B, 5, H2), OK);
    assert_int_equal(journal_note(&j, A, 11, H2), OK);
    journal_close(&j);
    j = open_journal(*state);
    assert_int_equal(journal_note(&j, A, 11, H1), E_CONFLICT);
    assert_int_equal(journal_note(&j, A, 11, H2), OK);
    assert_int_equal(journal_note(&j, B, 4, H2), E_CONFLICT);
    assert_int_equal(journal_note(&j, B, UINT64_MAX, H2), OK);
    journal_close(&j);
}

static void a_second_node_in_the_same_folder_is_refused(void **state)
{
    const struct place *p = *state;
    struct journal j = open_journal(p), k;
    struct err err = {0};
    assert_int_equal(journal_open(&k, p->dir, &err), E_BUSY);
    journal_close(&j);
}

/* The write of a slot may be cut anywhere, or leave rubbish: the state before it must come back, and no earlier one. */
static void a_torn_write_leaves_the_step_before(void **state)
{
    const struct place *p = *state;
    for (unsigned last = 2; last < 6; last++) {
        for (off_t cut = 0; cut < 96; cut += 5) {
            unlink(p->file);
            struct journal j = open_journal(p);
            for (uint64_t s = 1; s <= last; s++) assert_int_equal(journal_note(&j, A, s, H1), OK);
            journal_close(&j);
            /* the newest copy is the one written last: first, second, first, ... */
            off_t slot = last % 2 == 1 ? 0 : 96;
            uint8_t rubbish[96];
            rng_fill(rubbish, sizeof rubbish);
            int fd = open(p->file, O_RDWR);
            assert_int_equal(pwrite(fd, rubbish, (size_t)(96 - cut), slot + cut), 96 - cut);
            close(fd);
            j = open_journal(p);
            assert_int_equal(journal_note(&j, A, last - 2, H2), E_CONFLICT);
            assert_int_equal(journal_note(&j, A, last - 1, H2), E_CONFLICT);
            assert_int_equal(journal_note(&j, A, last, H2), OK); /* it had not been signed: the write did not end */
            journal_close(&j);
        }
    }
}

static void a_damaged_entry_stops_signing(void **state)
{
    const struct place *p = *state;
    struct journal j = open_journal(p);
    struct err err = {0};
    uint8_t zeros[192] = {0};
    assert_int_equal(journal_note(&j, A, 1, H1), OK);
    assert_int_equal(journal_note(&j, A, 2, H1), OK);
    assert_int_equal(journal_note(&j, B, 2, H1), OK);
    journal_close(&j);
    int fd = open(p->file, O_RDWR);
    assert_int_equal(pwrite(fd, zeros, sizeof zeros, 0), sizeof zeros);
    close(fd);
    assert_int_equal(journal_open(&j, p->dir, &err), E_CORRUPT);
    assert_non_null(strstr(err.text, "last-signed"));
}

static void the_file_is_private(void **state)
{
    const struct place *p = *state;
    struct journal j = open_journal(p);
    struct stat st;
    assert_int_equal(stat(p->file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    journal_close(&j);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(steps_only_go_up_for_each_address_also_after_a_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(a_second_node_in_the_same_folder_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_torn_write_leaves_the_step_before, setup, teardown),
        cmocka_unit_test_setup_teardown(a_damaged_entry_stops_signing, setup, teardown),
        cmocka_unit_test_setup_teardown(the_file_is_private, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
