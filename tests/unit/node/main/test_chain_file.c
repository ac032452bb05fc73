/* A chain goes into a file and comes out of it again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/file.h"
#include "node/main/chain_file.h"
#include "tests/unit/node/rpc/rpc_fixture.h"

#include <cmocka.h>
#include <fcntl.h>

struct folder {
    char path[64], spec[100], chain[100], again[100], a[100], b[100];
};

static void write_text(const char *path, bytes text)
{
    struct err err = {0};
    if (file_write_atomic(path, text, 0600, &err) != OK) fail_msg("%s", err_text(&err));
}

/* some blocks, with transactions, in the database of folder a */
static void make_chain(const struct folder *f, size_t n_blocks)
{
    struct fixture x = {.now_ms = 1700000000000};
    struct err err = {0};
    char db[120];
    struct chain_config cc = {.archive = true};
    x.key.b[31] = 1;
    pthread_mutex_init(&x.lock, NULL);
    snprintf(db, sizeof db, "%s/db", f->a);
    assert_int_equal(address_get(&x.rich, bytes_str(RICH)), OK);
    assert_int_equal(chain_spec_parse(&x.spec, bytes_str(SPEC), &err), OK);
    assert_int_equal(tables_open(&x.kv, db, 1 << 30, KV_NOSYNC, &err), OK);
    assert_int_equal(chain_open(&x.chain, x.kv, &x.spec, &cc, &err), OK);
    struct buf bytes_of[40];
    size_t n_bufs = 0;
    for (size_t b = 0; b < n_blocks; b++) {
        for (size_t i = 0; i < b % 4; i++) {
            struct tx tx = {.has_chain_id = true, .chain_id = 0x2b, .nonce = x.nonce++, .gas_limit = 100000, .has_to = true};
            assert_int_equal(address_get(&tx.to, bytes_str(CLEARER)), OK);
            buf_init(&bytes_of[n_bufs], 1 << 16);
            assert_int_equal(tx_sign(&tx, &bytes_of[n_bufs++], &x.key), OK);
            x.pool[x.n_pool++] = (struct rpc_pool_tx){.tx = tx};
        }
        fixture_seal(&x);
    }
    while (n_bufs > 0)
        buf_fini(&bytes_of[--n_bufs]);
    chain_close(x.chain);
    kv_close(x.kv);
    chain_spec_fini(&x.spec);
    pthread_mutex_destroy(&x.lock);
}

static int set_up(void **state)
{
    struct folder *f = calloc(1, sizeof *f);
    assert_non_null(f);
    strncpy(f->path, "/tmp/poa-chain-file-XXXXXX", sizeof f->path - 1);
    assert_non_null(mkdtemp(f->path));
    snprintf(f->spec, sizeof f->spec, "%s/spec.json", f->path);
    snprintf(f->chain, sizeof f->chain, "%s/chain.rlp", f->path);
    snprintf(f->again, sizeof f->again, "%s/again.rlp", f->path);
    snprintf(f->a, sizeof f->a, "%s/a", f->path);
    snprintf(f->b, sizeof f->b, "%s/b", f->path);
    write_text(f->spec, bytes_str(SPEC));
    make_chain(f, 20);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct folder *f = *state;
    struct err err = {0};
    if (file_remove_tree(f->path, &err) != OK) fail_msg("%s", err_text(&err));
    free(f);
    return 0;
}

static enum status take_in(const struct folder *f, const char *path, struct err *err)
{
    const struct node_config c = {.chain = f->spec, .base_path = f->b};
    /* the line of figures is for people: not into the test's output */
    fflush(stdout);
    int keep = dup(1), null = open("/dev/null", O_WRONLY);
    dup2(null, 1);
    enum status s = chain_file_import(&c, path, err);
    fflush(stdout);
    dup2(keep, 1);
    close(keep);
    close(null);
    return s;
}

static void give_out(const char *base, const struct folder *f, const char *path)
{
    const struct node_config c = {.chain = f->spec, .base_path = base};
    struct err err = {0};
    if (chain_file_export(&c, path, &err) != OK) fail_msg("%s", err_text(&err));
}

static void read_whole(struct buf *out, const char *path)
{
    struct err err = {0};
    buf_init(out, 1 << 24);
    if (file_read(out, path, &err) != OK) fail_msg("%s", err_text(&err));
}

static void what_was_exported_is_imported_and_exports_the_same(void **state)
{
    const struct folder *f = *state;
    struct err err = {0};
    struct buf one, two;
    give_out(f->a, f, f->chain);
    if (take_in(f, f->chain, &err) != OK) fail_msg("%s", err_text(&err));
    give_out(f->b, f, f->again);
    read_whole(&one, f->chain);
    read_whole(&two, f->again);
    assert_true(one.len > 1000);
    assert_int_equal(one.len, two.len);
    assert_memory_equal(one.ptr, two.ptr, one.len);
    assert_int_equal(take_in(f, f->chain, &err), OK); /* all known by now */
    buf_fini(&one);
    buf_fini(&two);
}

static void a_damaged_file_is_refused_with_its_reason_and_the_good_part_stays(void **state)
{
    const struct folder *f = *state;
    struct err err = {0};
    struct buf whole;
    give_out(f->a, f, f->chain);
    read_whole(&whole, f->chain);
    write_text(f->again, bytes_make(whole.ptr, whole.len - 7));
    assert_int_equal(take_in(f, f->again, &err), E_DECODE);
    assert_non_null(strstr(err_text(&err), "ends within a block"));
    whole.ptr[whole.len / 2] ^= 1;
    write_text(f->again, buf_view(&whole));
    assert_int_not_equal(take_in(f, f->again, &err), OK);
    assert_true(err_text(&err)[0] != '\0');
    write_text(f->again, BYTES_LIT("hello"));
    assert_int_equal(take_in(f, f->again, &err), E_DECODE);
    write_text(f->again, BYTES_LIT("\xfb\xff\xff\xff\xff"));
    assert_int_equal(take_in(f, f->again, &err), E_DECODE);
    assert_int_equal(take_in(f, "/nowhere/at/all", &err), E_NOT_FOUND);
    assert_int_equal(take_in(f, f->chain, &err), OK);
    buf_fini(&whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_exported_is_imported_and_exports_the_same, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_damaged_file_is_refused_with_its_reason_and_the_good_part_stays, set_up, tear_down),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
