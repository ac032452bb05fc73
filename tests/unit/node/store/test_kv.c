/* One suite, run against both stores. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/file.h"
#include "lib/base/rng.h"
#include "node/store/kv.h"

#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TABLES = 3 };
static const char *const NAMES[TABLES] = {"a", "b", "c"};

struct fixture {
    bool lmdb;
    char dir[64];
    struct kv *kv;
};

static void open_store(struct fixture *f, uint64_t map_bytes)
{
    struct err err = {0};
    if (f->lmdb)
        assert_int_equal(kv_open_lmdb(&f->kv, f->dir, NAMES, TABLES, map_bytes, KV_NOSYNC, &err), OK);
    else
        assert_int_equal(kv_open_memory(&f->kv, TABLES), OK);
}

static int setup(void **state, bool lmdb)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->lmdb = lmdb;
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/test-kv-XXXXXX");
    if (mkdtemp(f->dir) == NULL) return -1;
    open_store(f, 16 << 20);
    *state = f;
    return 0;
}
static int setup_lmdb(void **state)
{
    return setup(state, true);
}
static int setup_memory(void **state)
{
    return setup(state, false);
}
static int teardown(void **state)
{
    struct fixture *f = *state;
    kv_close(f->kv);
    int rc = file_remove_tree(f->dir, NULL) == OK ? 0 : -1;
    free(f);
    return rc;
}

static struct kv_txn *begin(struct fixture *f, bool write)
{
    struct kv_txn *t;
    assert_int_equal(kv_begin(&t, f->kv, write), OK);
    return t;
}

static void put(struct kv_txn *t, unsigned table, const char *k, const char *v)
{
    assert_int_equal(kv_put(t, table, bytes_str(k), bytes_str(v)), OK);
}

static void expect(struct kv_txn *t, unsigned table, const char *k, const char *v)
{
    bytes got;
    if (v == NULL) {
        assert_int_equal(kv_get(&got, t, table, bytes_str(k)), E_NOT_FOUND);
        return;
    }
    assert_int_equal(kv_get(&got, t, table, bytes_str(k)), OK);
    assert_true(bytes_eq_str(got, v));
}

static void a_commit_shows_and_an_abort_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct kv_txn *t = begin(f, true);
    put(t, 0, "k", "one");
    put(t, 1, "k", "");
    expect(t, 0, "k", "one");
    assert_int_equal(kv_commit(t), OK);
    t = begin(f, true);
    put(t, 0, "k", "two");
    assert_int_equal(kv_delete(t, 1, BYTES_LIT("k")), OK);
    assert_int_equal(kv_delete(t, 1, BYTES_LIT("absent")), OK);
    kv_abort(t);
    t = begin(f, false);
    expect(t, 0, "k", "one");
    expect(t, 1, "k", "");
    expect(t, 2, "k", NULL);
    kv_abort(t);
    kv_abort(NULL);
}

static void a_reader_keeps_the_moment_it_began(void **state)
{
    struct fixture *f = *state;
    struct kv_txn *w = begin(f, true);
    for (int i = 0; i < 200; i++) {
        char k[16];
        (void)snprintf(k, sizeof k, "key%03d", i);
        put(w, 0, k, "old");
    }
    assert_int_equal(kv_commit(w), OK);
    struct kv_txn *r = begin(f, false);
    bytes view;
    assert_int_equal(kv_get(&view, r, 0, BYTES_LIT("key007")), OK);
    w = begin(f, true);
    for (int i = 0; i < 200; i += 2) {
        char k[16];
        (void)snprintf(k, sizeof k, "key%03d", i);
        put(w, 0, k, "new");
    }
    assert_int_equal(kv_delete(w, 0, BYTES_LIT("key007")), OK);
    expect(r, 0, "key000", "old");
    assert_int_equal(kv_commit(w), OK);
    expect(r, 0, "key000", "old");
    expect(r, 0, "key007", "old");
    assert_true(bytes_eq_str(view, "old"));
    struct kv_txn *r2 = begin(f, false);
    expect(r2, 0, "key000", "new");
    expect(r2, 0, "key001", "old");
    expect(r2, 0, "key007", NULL);
    kv_abort(r);
    expect(r2, 0, "key000", "new");
    kv_abort(r2);
}

static void a_cursor_walks_in_order_both_ways(void **state)
{
    struct fixture *f = *state;
    struct kv_txn *t = begin(f, true);
    bytes k, v;
    struct kv_cursor *c;
    assert_int_equal(kv_cursor_open(&c, t, 0), OK);
    assert_int_equal(kv_cursor_last(&k, &v, c), E_NOT_FOUND);
    assert_int_equal(kv_cursor_seek(&k, &v, c, BYTES_EMPTY), E_NOT_FOUND);
    kv_cursor_close(c);
    put(t, 0, "b", "2");
    put(t, 0, "bb", "3");
    put(t, 0, "a", "1");
    put(t, 0, "\xff", "4");
    assert_int_equal(kv_cursor_open(&c, t, 0), OK);
    assert_int_equal(kv_cursor_next(&k, &v, c), OK);
    assert_true(bytes_eq_str(k, "a") && bytes_eq_str(v, "1"));
    assert_int_equal(kv_cursor_seek(&k, &v, c, BYTES_LIT("aa")), OK);
    assert_true(bytes_eq_str(k, "b"));
    assert_int_equal(kv_cursor_next(&k, &v, c), OK);
    assert_true(bytes_eq_str(k, "bb"));
    assert_int_equal(kv_cursor_next(&k, &v, c), OK);
    assert_true(bytes_eq_str(k, "\xff"));
    assert_int_equal(kv_cursor_next(&k, &v, c), E_NOT_FOUND);
    assert_int_equal(kv_cursor_last(&k, &v, c), OK);
    assert_true(bytes_eq_str(v, "4"));
    assert_int_equal(kv_cursor_prev(&k, &v, c), OK);
    assert_true(bytes_eq_str(v, "3"));
    assert_int_equal(kv_cursor_seek(&k, &v, c, BYTES_LIT("\xff\xff")), E_NOT_FOUND);
    assert_int_equal(kv_cursor_next(&k, &v, c), E_NOT_FOUND);
    assert_int_equal(kv_cursor_prev(&k, &v, c), OK);
    assert_true(bytes_eq_str(v, "4"));
    assert_int_equal(kv_cursor_seek(&k, &v, c, BYTES_EMPTY), OK);
    assert_true(bytes_eq_str(v, "1"));
    assert_int_equal(kv_cursor_prev(&k, &v, c), E_NOT_FOUND);
    kv_cursor_close(c);
    kv_abort(t);
}

static void what_is_out_of_bounds_is_refused(void **state)
{
    struct fixture *f = *state;
    uint8_t big[512] = {1};
    bytes v = BYTES_LIT("untouched");
    struct kv_txn *t = begin(f, true);
    assert_int_equal(kv_put(t, 0, BYTES_EMPTY, BYTES_EMPTY), E_INVALID);
    assert_int_equal(kv_put(t, 0, bytes_make(big, 512), BYTES_EMPTY), E_INVALID);
    assert_int_equal(kv_put(t, 0, bytes_make(big, 511), BYTES_EMPTY), OK);
    assert_int_equal(kv_put(t, TABLES, BYTES_LIT("x"), BYTES_EMPTY), E_INVALID);
    assert_int_equal(kv_get(&v, t, 0, BYTES_EMPTY), E_INVALID);
    assert_true(bytes_eq_str(v, "untouched"));
    assert_true(kv_is_write(t));
    kv_abort(t);
    t = begin(f, false);
    assert_false(kv_is_write(t));
    assert_int_equal(kv_put(t, 0, BYTES_LIT("x"), BYTES_EMPTY), E_INVALID);
    assert_int_equal(kv_delete(t, 0, BYTES_LIT("x")), E_INVALID);
    kv_abort(t);
}

/* against a plain array of 256 optional values */
static void random_writes_agree_with_a_plain_array(void **state)
{
    struct fixture *f = *state;
    const uint64_t seed = 20260101;
    print_message("# seed %llu\n", (unsigned long long)seed);
    struct rng_seeded rng;
    rng_seed(&rng, seed);
    int model[256], saved[256];
    for (int i = 0; i < 256; i++) model[i] = -1;
    for (int round = 0; round < 60; round++) {
        struct kv_txn *t = begin(f, true);
        memcpy(saved, model, sizeof model);
        for (int i = 0; i < 100; i++) {
            uint8_t k[2] = {(uint8_t)rng_below(&rng, 256), 7};
            if (rng_below(&rng, 3) == 0) {
                assert_int_equal(kv_delete(t, 2, BYTES_OF(k)), OK);
                model[k[0]] = -1;
            } else {
                uint8_t v[40];
                size_t len = (size_t)rng_below(&rng, sizeof v);
                memset(v, (int)len, sizeof v);
                assert_int_equal(kv_put(t, 2, BYTES_OF(k), bytes_make(v, len)), OK);
                model[k[0]] = (int)len;
            }
        }
        if (rng_below(&rng, 4) == 0) {
            kv_abort(t);
            memcpy(model, saved, sizeof model);
        } else {
            assert_int_equal(kv_commit(t), OK);
        }
        t = begin(f, false);
        struct kv_cursor *c;
        bytes k, v;
        assert_int_equal(kv_cursor_open(&c, t, 2), OK);
        enum status s = kv_cursor_seek(&k, &v, c, BYTES_EMPTY);
        for (int i = 0; i < 256; i++) {
            if (model[i] < 0) continue;
            assert_int_equal(s, OK);
            assert_int_equal(k.ptr[0], i);
            assert_int_equal(v.len, model[i]);
            s = kv_cursor_next(&k, &v, c);
        }
        assert_int_equal(s, E_NOT_FOUND);
        kv_cursor_close(c);
        kv_abort(t);
    }
    assert_true(kv_used_bytes(f->kv) > 0);
}

struct reader_job {
    struct fixture *f;
    struct kv_txn *txn;
    bool ok;
};

static void *read_elsewhere(void *arg)
{
    struct reader_job *j = arg;
    bytes v;
    j->ok = kv_get(&v, j->txn, 0, BYTES_LIT("k")) == OK && bytes_eq_str(v, "v");
    kv_abort(j->txn);
    return NULL;
}

static void a_reader_may_end_on_another_thread_while_a_writer_writes(void **state)
{
    struct fixture *f = *state;
    struct kv_txn *w = begin(f, true);
    put(w, 0, "k", "v");
    assert_int_equal(kv_commit(w), OK);
    for (int i = 0; i < 50; i++) {
        struct reader_job j = {.f = f, .txn = begin(f, false)};
        struct kv_txn *second = begin(f, false); /* two readers of one thread */
        pthread_t th;
        assert_int_equal(pthread_create(&th, NULL, read_elsewhere, &j), 0);
        w = begin(f, true);
        for (int k = 0; k < 20; k++) {
            char key[16];
            (void)snprintf(key, sizeof key, "x%d", k);
            put(w, 0, key, "y");
        }
        assert_int_equal(kv_commit(w), OK);
        assert_int_equal(pthread_join(th, NULL), 0);
        assert_true(j.ok);
        kv_abort(second);
    }
}

static void lmdb_keeps_data_over_a_close_and_says_when_it_is_full(void **state)
{
    struct fixture *f = *state;
    struct kv_txn *t = begin(f, true);
    put(t, 0, "k", "kept");
    assert_int_equal(kv_commit(t), OK);
    kv_close(f->kv);
    open_store(f, 1 << 20);
    t = begin(f, true);
    expect(t, 0, "k", "kept");
    static uint8_t big[100000];
    enum status s = OK;
    for (int i = 0; i < 20 && s == OK; i++) {
        uint8_t k = (uint8_t)i;
        s = kv_put(t, 1, BYTES_OF(k), bytes_make(big, sizeof big));
    }
    assert_int_equal(s, E_NOSPACE);
    assert_int_equal(kv_commit(t), E_NOSPACE);
    t = begin(f, false);
    expect(t, 0, "k", "kept");
    kv_abort(t);
    kv_close(f->kv);
    struct err err = {0};
    assert_int_equal(kv_open_lmdb(&f->kv, f->dir, NAMES, TABLES, 1 << 20, KV_READONLY, &err), OK);
    assert_int_equal(kv_begin(&t, f->kv, true) == OK, 0);
}

/* LMDB makes a commit the newest by a write through a descriptor that is synced with each write, or leaves that to the next sync */
static unsigned synced_writes;
ssize_t pwrite(int fd, const void *ptr, size_t len, off_t at)
{
    synced_writes += (fcntl(fd, F_GETFL) & O_DSYNC) != 0;
    return syscall(SYS_pwrite64, fd, ptr, len, at);
}

static unsigned synced_by_a_commit(const struct fixture *f, unsigned flags)
{
    struct kv *kv;
    struct kv_txn *t;
    char dir[96];
    struct err err = {0};
    (void)snprintf(dir, sizeof dir, "%s/%u", f->dir, flags);
    assert_int_equal(kv_open_lmdb(&kv, dir, NAMES, TABLES, 1 << 20, flags, &err), OK);
    synced_writes = 0;
    assert_int_equal(kv_begin(&t, kv, true), OK);
    assert_int_equal(kv_put(t, 0, bytes_str("k"), bytes_str("v")), OK);
    assert_int_equal(kv_commit(t), OK);
    kv_trim(kv); /* what is mapped is let go of; it is there again when it is looked at */
    assert_int_equal(kv_begin(&t, kv, false), OK);
    expect(t, 0, "k", "v");
    kv_abort(t);
    kv_close(kv);
    return synced_writes;
}

static void a_reader_is_the_newest_until_something_is_committed(void **state)
{
    struct fixture *f = *state;
    struct kv_txn *r, *w;
    assert_int_equal(kv_begin(&r, f->kv, false), OK);
    assert_true(kv_is_newest(r));
    assert_int_equal(kv_begin(&w, f->kv, true), OK);
    put(w, 0, "a", "1");
    assert_true(kv_is_newest(r)); /* not committed yet */
    assert_false(kv_is_newest(w));
    kv_abort(w);
    assert_true(kv_is_newest(r));
    assert_int_equal(kv_begin(&w, f->kv, true), OK);
    put(w, 0, "a", "1");
    assert_int_equal(kv_commit(w), OK);
    assert_false(kv_is_newest(r));
    kv_abort(r);
    assert_int_equal(kv_begin(&r, f->kv, false), OK);
    assert_true(kv_is_newest(r));
    expect(r, 0, "a", "1");
    kv_abort(r);
}

static void a_durable_commit_is_the_newest_on_the_disk_when_it_returns(void **state)
{
    assert_int_equal(synced_by_a_commit(*state, KV_DURABLE), 1);
    assert_int_equal(synced_by_a_commit(*state, 0), 0);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
#define BOTH(t)                                                                                    \
    {#t " (lmdb)", t, setup_lmdb, teardown, NULL},                                                 \
    {                                                                                              \
        #t " (memory)", t, setup_memory, teardown, NULL                                            \
    }
    const struct CMUnitTest tests[] = {
        BOTH(a_commit_shows_and_an_abort_leaves_nothing),
        BOTH(a_reader_keeps_the_moment_it_began),
        BOTH(a_cursor_walks_in_order_both_ways),
        BOTH(what_is_out_of_bounds_is_refused),
        BOTH(random_writes_agree_with_a_plain_array),
        BOTH(a_reader_may_end_on_another_thread_while_a_writer_writes),
        cmocka_unit_test_setup_teardown(a_reader_is_the_newest_until_something_is_committed, setup_lmdb, teardown),
        cmocka_unit_test_setup_teardown(a_durable_commit_is_the_newest_on_the_disk_when_it_returns, setup_lmdb, teardown),
        cmocka_unit_test_setup_teardown(lmdb_keeps_data_over_a_close_and_says_when_it_is_full, setup_lmdb, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
