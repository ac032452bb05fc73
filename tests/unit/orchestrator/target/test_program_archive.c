/* The archive that machines unpack: tar reads it, and the same programs give the same bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "lib/base/file.h"
#include "orchestrator/target/program_archive.h"

#include <cmocka.h>

static char dir[] = "/tmp/poa-archive-XXXXXX";

static void put(const char *name, const char *text)
{
    char path[200];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    *strrchr(path, '/') = '\0';
    assert_int_equal(file_mkdirs(path, 0755, NULL), OK);
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(file_write_atomic(path, bytes_str(text), 0644, NULL), OK);
}

static enum status make(struct buf *out, struct err *err)
{
    static const char *const programs[] = {"poa-a", "poa-b"};
    char bin[100], share[100];
    (void)snprintf(bin, sizeof bin, "%s/bin", dir);
    (void)snprintf(share, sizeof share, "%s/share", dir);
    const struct program_archive what = {.bin_dir = bin, .programs = programs, .n_programs = 2, .share_dir = share, .option = "--package", .level = 6};
    buf_init(out, PROGRAM_ARCHIVE_MAX);
    return program_archive_make(out, &what, err);
}

static void a_program_that_is_not_there_is_named(void **state)
{
    (void)state;
    struct buf b;
    struct err err = {0};
    put("bin/poa-a", "the first");
    assert_int_equal(make(&b, &err), E_NOT_FOUND);
    assert_non_null(strstr(err.text, "/bin/poa-b is missing"));
    assert_int_equal(b.len, 0);
    buf_fini(&b);
}

static void tar_unpacks_programs_and_pages(void **state)
{
    (void)state;
    struct buf b, again;
    char path[200], line[200], seen[1000] = "";
    put("bin/poa-a", "the first");
    put("bin/poa-b", "");
    put("share/web/index.html", "<html>");
    put("share/web/app.js", "1");
    put("share/web/.hidden", "no");
    assert_int_equal(make(&b, NULL), OK);
    assert_int_equal(make(&again, NULL), OK);
    assert_true(bytes_eq(buf_view(&b), buf_view(&again)));
    (void)snprintf(path, sizeof path, "%s/x.tar.gz", dir);
    assert_int_equal(file_write_atomic(path, buf_view(&b), 0600, NULL), OK);
    buf_fini(&b);
    buf_fini(&again);
    (void)snprintf(path, sizeof path, "tar --list --gzip --verbose --file %s/x.tar.gz | awk '{print $1, $2, $3, $6}'", dir);
    FILE *f = popen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL) (void)strncat(seen, line, sizeof seen - strlen(seen) - 1);
    assert_int_equal(pclose(f), 0);
    assert_string_equal(seen, "-rwxr-xr-x root/root 9 bin/poa-a\n-rwxr-xr-x root/root 0 bin/poa-b\n"
                              "-rw-r--r-- root/root 1 share/poa-deploy/web/app.js\n-rw-r--r-- root/root 6 share/poa-deploy/web/index.html\n");
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(dir) == NULL;
}

static int drop_folder(void **state)
{
    (void)state;
    return file_remove_tree(dir, NULL) != OK;
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_that_is_not_there_is_named),
        cmocka_unit_test(tar_unpacks_programs_and_pages),
    };
    return cmocka_run_group_tests_name("program_archive", tests, make_folder, drop_folder);
}
