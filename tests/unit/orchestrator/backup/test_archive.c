/* The sealed stream of a backup: what was put in comes out, and nothing that was changed does. */
#include "orchestrator/backup/archive.h"

#include "lib/base/file.h"
#include "lib/base/rng.h"
#include "lib/crypto/secp256k1.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/poa-archive-XXXXXX";

/* keys of a recipient make reading quick: no scrypt */
static secret32 secret;
static uint8_t pub[64];

static int setup(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    ec_secret_generate(&secret);
    if (fd < 0 || ec_public(pub, &secret) != OK) return -1;
    close(fd);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return unlink(path);
}

static size_t make(const struct archive_key *key, const char *const *names, const size_t *lens, size_t n, uint8_t fill)
{
    struct archive_writer *w = NULL;
    struct err err = {0};
    json_t *facts = json_pack("{s:s}", "what", "a test");
    int fd = open(path, O_RDWR | O_TRUNC);
    assert_true(fd >= 0);
    assert_int_equal(archive_create(&w, fd, facts, key, &err), OK);
    for (size_t i = 0; i < n; i++) {
        uint8_t *data = test_malloc(lens[i] + 1);
        memset(data, fill + (int)i, lens[i] + 1);
        assert_int_equal(archive_begin_file(w, names[i], 0640, &err), OK);
        assert_int_equal(archive_put(w, bytes_make(data, lens[i]), &err), OK);
        assert_int_equal(archive_end_file(w, &err), OK);
        test_free(data);
    }
    assert_int_equal(archive_finish(w, &err), OK);
    archive_writer_free(w);
    json_decref(facts);
    off_t size = lseek(fd, 0, SEEK_END);
    close(fd);
    return (size_t)size;
}

/* reads all; files: how many came whole */
static enum status read_all(const struct archive_key *key, size_t *files, uint64_t *total, struct err *err)
{
    struct archive_reader *r = NULL;
    char name[ARCHIVE_PATH_MAX + 1];
    unsigned mode;
    *files = 0;
    *total = 0;
    enum status s = archive_open(&r, path, err);
    if (s == OK) s = archive_unlock(r, key, err);
    while (s == OK && (s = archive_next(r, name, &mode, err)) == OK) {
        bytes piece = {NULL, 1};
        assert_int_equal(mode, 0640);
        while (s == OK && piece.len > 0) {
            s = archive_read(r, &piece, err);
            if (s == OK) *total += piece.len;
        }
        *files += s == OK;
    }
    archive_reader_free(r);
    return s == E_NOT_FOUND ? OK : s;
}

static const char *const NAMES[] = {"a", "b/c.json", "d-e_f@g+h/i"};

static void what_was_put_in_comes_out_at_every_size_around_a_chunk(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, ARCHIVE_CHUNK - 13, ARCHIVE_CHUNK - 12, ARCHIVE_CHUNK - 1, ARCHIVE_CHUNK, ARCHIVE_CHUNK + 1, 3 * ARCHIVE_CHUNK + 7};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        const size_t lens[] = {sizes[i], 5, sizes[COUNT_OF(sizes) - 1 - i]};
        struct err err = {0};
        size_t files;
        uint64_t total;
        make(&(struct archive_key){.recipient = pub}, NAMES, lens, 3, 'a');
        assert_int_equal(read_all(&(struct archive_key){.secret = &secret}, &files, &total, &err), OK);
        assert_int_equal(files, 3);
        assert_int_equal(total, lens[0] + lens[1] + lens[2]);
    }
}

static void a_passphrase_opens_it_and_another_does_not(void **state)
{
    (void)state;
    const size_t lens[] = {100};
    struct err err = {0};
    size_t files;
    uint64_t total;
    make(&(struct archive_key){.passphrase = BYTES_LIT("one")}, NAMES, lens, 1, 'a');
    assert_int_equal(read_all(&(struct archive_key){.passphrase = BYTES_LIT("one")}, &files, &total, &err), OK);
    assert_int_equal(files, 1);
    assert_int_equal(read_all(&(struct archive_key){.passphrase = BYTES_LIT("two")}, &files, &total, &err), E_DENIED);
    struct archive_writer *w = NULL;
    json_t *facts = json_object();
    assert_int_equal(archive_create(&w, -1, facts, &(struct archive_key){.passphrase = BYTES_LIT("")}, &err), E_INVALID);
    json_decref(facts);
}

/* without the fsync of file_write_atomic: it is written a thousand times */
static void write_file(bytes b)
{
    int fd = open(path, O_WRONLY | O_TRUNC);
    assert_int_equal(write(fd, b.ptr, b.len), b.len);
    close(fd);
}

static void no_byte_can_be_changed_and_no_end_cut_off(void **state)
{
    (void)state;
    const size_t lens[] = {300, 20, 0};
    size_t size = make(&(struct archive_key){.recipient = pub}, NAMES, lens, 3, 'a'), files;
    uint64_t total;
    struct buf good;
    buf_init(&good, 1 << 20);
    assert_int_equal(file_read(&good, path, NULL), OK);
    assert_int_equal(good.len, size);
    for (size_t i = 0; i < size; i++) {
        struct err err = {0};
        good.ptr[i] ^= 0x10;
        write_file(buf_view(&good));
        enum status s = read_all(&(struct archive_key){.secret = &secret}, &files, &total, &err);
        assert_true(s != OK && s != E_NOMEM);
        assert_true(err.text[0] != '\0');
        good.ptr[i] ^= 0x10;
    }
    for (size_t n = 0; n < size; n += 1 + n / 50) {
        struct err err = {0};
        write_file(bytes_make(good.ptr, n));
        enum status s = read_all(&(struct archive_key){.secret = &secret}, &files, &total, &err);
        assert_true(s == E_DECODE || s == E_CORRUPT);
    }
    buf_fini(&good);
}

static void equal_content_is_never_sealed_to_equal_bytes(void **state)
{
    (void)state;
    const size_t lens[] = {1000};
    struct buf a, b;
    buf_init(&a, 1 << 20);
    buf_init(&b, 1 << 20);
    make(&(struct archive_key){.recipient = pub}, NAMES, lens, 1, 'z');
    assert_int_equal(file_read(&a, path, NULL), OK);
    make(&(struct archive_key){.recipient = pub}, NAMES, lens, 1, 'z');
    assert_int_equal(file_read(&b, path, NULL), OK);
    assert_int_equal(a.len, b.len);
    assert_memory_not_equal(a.ptr + a.len - 900, b.ptr + b.len - 900, 900);
    assert_null(memmem(a.ptr, a.len, "zzzz", 4));
    buf_fini(&a);
    buf_fini(&b);
}

static void names_that_lead_out_of_the_folder_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "/etc/passwd", "../x", "a/../b", "a//b", "a/", "./a", "a/.", "..", "a b", "a\nb", "a\\b"};
    struct archive_writer *w = NULL;
    struct err err = {0};
    json_t *facts = json_object();
    int fd = open(path, O_RDWR | O_TRUNC);
    assert_int_equal(archive_create(&w, fd, facts, &(struct archive_key){.recipient = pub}, &err), OK);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(archive_begin_file(w, bad[i], 0600, &err), E_INVALID);
    assert_int_equal(archive_begin_file(w, ".git/objects/..a", 0600, &err), OK);
    archive_writer_free(w);
    json_decref(facts);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_put_in_comes_out_at_every_size_around_a_chunk),
        cmocka_unit_test(a_passphrase_opens_it_and_another_does_not),
        cmocka_unit_test(no_byte_can_be_changed_and_no_end_cut_off),
        cmocka_unit_test(equal_content_is_never_sealed_to_equal_bytes),
        cmocka_unit_test(names_that_lead_out_of_the_folder_are_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, setup, teardown);
}
