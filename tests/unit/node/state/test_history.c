/* Reads at older blocks: what was, and at what cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/file.h"
#include "lib/base/rng.h"
#include "node/state/state.h"
#include "node/store/tables.h"

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>

static address addr_of(size_t i)
{
    return (address){{(uint8_t)(i + 1), [18] = (uint8_t)(i >> 8), [19] = (uint8_t)i}};
}

static u256 get_balance(struct state *s, size_t i)
{
    const address a = addr_of(i);
    u256 v;
    assert_int_equal(state_get_balance(s, &a, &v), OK);
    return v;
}

static u256 get_slot(struct state *s, size_t i, uint64_t key)
{
    const address a = addr_of(i);
    const u256 k = u256_from_u64(key);
    u256 v;
    assert_int_equal(state_get_storage(s, &a, &k, &v), OK);
    return v;
}

/* name_block: branch: so that blocks of one number have different names */
static void name_block(struct kv_txn *txn, uint64_t number, uint64_t branch)
{
    uint8_t key[8], hash[32] = {0};
    be64_put(key, number);
    be64_put(hash, number);
    be64_put(hash + 8, branch);
    assert_int_equal(kv_put(txn, TABLE_CANON, BYTES_OF(key), BYTES_OF(hash)), OK);
}

/* --- a chain of blocks that each change some accounts and slots: all that they held is known */

enum { N = 40, SLOTS = 4, LONG = 1400 };

struct block_state {
    uint64_t balance[N], slot[N][SLOTS];
};
struct world {
    struct block_state at[LONG + 1];
    uint64_t head, branch;
    struct rng_seeded r;
};

/* grow: one block more, of changes that are all different; account 0 never changes after the first */
static void grow(struct world *w, struct kv_txn *txn)
{
    struct state *s;
    const uint64_t n = ++w->head;
    struct block_state *b = &w->at[n];
    *b = w->at[n - 1];
    assert_int_equal(state_open(&s, txn, STATE_LATEST), OK);
    for (uint64_t k = n == 1 ? N : rng_below(&w->r, 5); k > 0; k--) {
        const size_t i = n == 1 ? (size_t)k - 1 : 1 + (size_t)rng_below(&w->r, N - 1);
        const address a = addr_of(i);
        const u256 v = u256_from_u64(n * 1000 + w->branch), key = u256_from_u64(rng_below(&w->r, SLOTS));
        assert_int_equal(state_add_balance(s, &a, &v), OK);
        b->balance[i] += v.w[0];
        const u256 value = rng_below(&w->r, 3) == 0 ? U256_ZERO : v;
        assert_int_equal(state_set_storage(s, &a, &key, &value), OK);
        b->slot[i][key.w[0]] = value.w[0];
    }
    assert_int_equal(state_commit(s, txn, n, true), OK);
    state_free(s);
    name_block(txn, n, w->branch);
}

/* go_back: n blocks are taken back, and those to come are of another branch */
static void go_back(struct world *w, struct kv_txn *txn, uint64_t n)
{
    for (; n > 0; n--) {
        uint8_t key[8];
        be64_put(key, w->head);
        assert_int_equal(kv_delete(txn, TABLE_CANON, BYTES_OF(key)), OK);
        assert_int_equal(state_unwind(txn, w->head--), OK);
    }
    w->branch++;
}

static void expect_block(const struct world *w, struct kv_txn *txn, struct state_sieve *sieve, uint64_t n, size_t accounts)
{
    struct state *s;
    assert_int_equal(state_open_sieved(&s, txn, n, sieve), OK);
    for (size_t i = 0; i < accounts; i++) {
        assert_int_equal(get_balance(s, i).w[0], w->at[n].balance[i]);
        for (uint64_t k = 0; k < SLOTS; k++) assert_int_equal(get_slot(s, i, k).w[0], w->at[n].slot[i][k]);
    }
    state_free(s);
}

static void open_store(struct kv **kv, char *dir)
{
    if (dir == NULL) {
        assert_int_equal(kv_open_memory(kv, TABLE_N), OK);
        return;
    }
    assert_non_null(mkdtemp(dir));
    assert_int_equal(tables_open(kv, dir, 64 << 20, KV_NOSYNC, NULL), OK);
}

/* without an index a read walks from block to block: it is bounded. An archive reads all that came since it is one. */
static void how_far_back_reads_go_is_bounded_but_in_an_archive(void **state)
{
    (void)state;
    enum { HEAD = 700, ARCHIVE_FROM = 620 };
    for (int kind = 0; kind < 3; kind++) { /* none, an archive from the start, one since block ARCHIVE_FROM */
        struct kv *kv;
        struct kv_txn *txn;
        struct state *s;
        u256 v = U256_ONE;
        const address changing = addr_of(1), early = addr_of(2);
        assert_int_equal(kv_open_memory(&kv, TABLE_N), OK);
        assert_int_equal(kv_begin(&txn, kv, true), OK);
        for (uint64_t n = 0; n <= HEAD; n++) {
            if (n == 1) assert_int_equal(state_set_archive(txn, kind == 1, 0), OK);
            if (n == ARCHIVE_FROM) assert_int_equal(state_set_archive(txn, kind != 0, n - 1), OK);
            assert_int_equal(state_open(&s, txn, STATE_LATEST), OK);
            assert_int_equal(state_add_balance(s, &changing, &v), OK);
            if (n == 300) assert_int_equal(state_add_balance(s, &early, &v), OK);
            assert_int_equal(state_commit(s, txn, n, n != 0), OK);
            state_free(s);
        }
        static const uint64_t AT[] = {10, 107, 150, 299, 300, 301, 500, 618, 619, 620, 650, 699, 700};
        for (size_t i = 0; i < COUNT_OF(AT); i++) {
            /* the rows of the blocks above, up to the head or to where the index begins, are walked */
            const uint64_t end = kind == 0 ? HEAD : kind == 1 ? 0 : ARCHIVE_FROM;
            const bool reads = end <= AT[i] || end - AT[i] <= 512;
            assert_int_equal(state_open(&s, txn, AT[i]), reads ? OK : E_NOT_FOUND);
            if (!reads) continue;
            assert_int_equal(state_get_balance(s, &changing, &v), OK);
            assert_int_equal(v.w[0], AT[i] + 1);
            assert_int_equal(state_get_balance(s, &early, &v), OK);
            assert_int_equal(v.w[0], AT[i] >= 300);
            state_free(s);
            v = U256_ONE;
        }
        /* what is pruned is not read */
        assert_int_equal(state_prune(txn, 640), OK);
        assert_int_equal(state_open(&s, txn, 639), E_NOT_FOUND);
        assert_int_equal(state_open(&s, txn, 640), OK);
        assert_int_equal(state_get_balance(s, &changing, &v), OK);
        assert_int_equal(v.w[0], 641);
        state_free(s);
        assert_int_equal(state_unwind(txn, HEAD), OK);
        kv_abort(txn);
        kv_close(kv);
    }
}

/* so many reads that the sieve takes the blocks in, in a store that was an archive for a while */
static void many_reads_far_back_see_what_was(void **state)
{
    (void)state;
    enum { HEAD = 60, MANY = 200 };
    static uint64_t want[HEAD + 1][MANY];
    struct rng_seeded r;
    for (uint64_t archive_at = 0; archive_at <= 60; archive_at += 20) { /* on for ten blocks; 0: never */
        struct kv *kv;
        struct kv_txn *txn;
        struct state *s;
        u256 v;
        rng_seed(&r, 5 + archive_at);
        memset(want, 0, sizeof want);
        assert_int_equal(kv_open_memory(&kv, TABLE_N), OK);
        assert_int_equal(kv_begin(&txn, kv, true), OK);
        for (uint64_t n = 0; n <= HEAD; n++) {
            if (n != 0) memcpy(want[n], want[n - 1], sizeof want[n]);
            if (archive_at != 0) assert_int_equal(state_set_archive(txn, n >= archive_at && n < archive_at + 10, n == 0 ? 0 : n - 1), OK);
            assert_int_equal(state_open(&s, txn, STATE_LATEST), OK);
            for (int k = 0; k < 20; k++) {
                const size_t i = (size_t)rng_below(&r, MANY);
                address a = {{0xaa}};
                be64_put(a.b + 12, i);
                v = u256_from_u64(n + 1);
                assert_int_equal(state_add_balance(s, &a, &v), OK);
                want[n][i] += n + 1;
                assert_int_equal(state_set_storage(s, &a, &v, &v), OK);
            }
            assert_int_equal(state_commit(s, txn, n, n != 0), OK);
            state_free(s);
            name_block(txn, n, 0);
        }
        assert_int_equal(kv_commit(txn), OK);
        assert_int_equal(kv_begin(&txn, kv, false), OK);
        struct state_sieve *sieve;
        assert_int_equal(state_sieve_new(&sieve, 300), OK);
        for (uint64_t n = 0; n <= HEAD; n++) {
            assert_int_equal(state_open_sieved(&s, txn, n, sieve), OK);
            for (uint64_t i = 0; i < MANY; i++) {
                address a = {{0xaa}};
                be64_put(a.b + 12, i);
                assert_int_equal(state_get_balance(s, &a, &v), OK);
                assert_int_equal(v.w[0], want[n][i]);
                for (uint64_t b = n > 0 ? n - 1 : 0; b <= n + 1 && b <= HEAD; b++) {
                    const u256 key = u256_from_u64(b + 1);
                    const bool was_set = b <= n && want[b][i] != (b == 0 ? 0 : want[b - 1][i]);
                    assert_int_equal(state_get_storage(s, &a, &key, &v), OK);
                    assert_int_equal(v.w[0], was_set ? b + 1 : 0);
                }
            }
            state_free(s);
        }
        state_sieve_free(sieve);
        kv_abort(txn);
        kv_close(kv);
    }
}

/* so long a chain that the sieve's columns are given to later blocks twice and more; branches that come and go, also while nobody reads; snapshots of
 * before beside those of after */
static void a_sieve_follows_a_long_chain_and_its_branches(void **state)
{
    (void)state;
    const char *env = getenv("SEED");
    const uint64_t seed = env != NULL ? strtoull(env, NULL, 10) : 3;
    print_message("# seed %llu\n", (unsigned long long)seed);
    static struct world w, before, committed;
    for (uint64_t run = 0; run < 3; run++) {
        struct kv *kv;
        struct kv_txn *txn, *reader = NULL;
        struct state_sieve *sieve;
        memset(&w, 0, sizeof w);
        rng_seed(&w.r, seed + run);
        open_store(&kv, NULL);
        assert_int_equal(state_sieve_new(&sieve, run == 0 ? 0 : 200), OK);
        while (w.head < LONG) {
            const uint64_t kind = rng_below(&w.r, 12);
            uint64_t n = kind == 0 ? 1 + rng_below(&w.r, 150) : 1 + rng_below(&w.r, 20);
            if (reader == NULL && rng_below(&w.r, 3) == 0) {
                assert_int_equal(kv_begin(&reader, kv, false), OK);
                before = w;
            }
            committed = w;
            assert_int_equal(kv_begin(&txn, kv, true), OK);
            if (kind < 3 && w.head > 100) go_back(&w, txn, 1 + rng_below(&w.r, kind == 1 ? 90 : 6));
            while (n-- > 0 && w.head < LONG) grow(&w, txn);
            if (kind == 4) { /* it comes to nothing: what was read of it may stay, and does no harm */
                for (int k = 0; k < 5; k++) expect_block(&w, txn, sieve, w.head - rng_below(&w.r, 3 < w.head ? 3 : w.head), 6);
                kv_abort(txn);
                committed.branch = w.branch + 1;
                committed.r = w.r;
                w = committed;
            } else {
                assert_int_equal(kv_commit(txn), OK);
            }
            assert_int_equal(kv_begin(&txn, kv, false), OK);
            for (int k = 0; k < 4; k++) {
                const uint64_t back = rng_below(&w.r, rng_below(&w.r, 4) == 0 ? 513 : 130);
                if (back <= w.head) expect_block(&w, txn, sieve, w.head - back, 6);
                if (reader != NULL && back <= before.head) expect_block(&before, reader, sieve, before.head - back, 6);
            }
            kv_abort(txn);
            if (rng_below(&w.r, 3) != 0) continue;
            kv_abort(reader);
            reader = NULL;
        }
        kv_abort(reader);
        state_sieve_free(sieve);
        kv_close(kv);
    }
}

/* at 128 blocks back the walk of one read took 128 seeks */
static void a_read_far_back_looks_into_no_block_that_has_nothing_of_it(void **state)
{
    (void)state;
    enum { HEAD = 300, BACK = 128 };
    static struct world w;
    struct kv *kv;
    struct kv_txn *txn;
    struct state_sieve *sieve;
    struct state *s;
    memset(&w, 0, sizeof w);
    rng_seed(&w.r, 1);
    open_store(&kv, NULL);
    assert_int_equal(state_sieve_new(&sieve, STATE_SIEVE_PATIENCE), OK);
    assert_int_equal(kv_begin(&txn, kv, true), OK);
    while (w.head < HEAD) grow(&w, txn);
    assert_int_equal(kv_commit(txn), OK);
    uint64_t last = 0;
    for (uint64_t round = 0; round < 30; round++) {
        assert_int_equal(kv_begin(&txn, kv, false), OK);
        for (int k = 0; k < 20; k++) {
            assert_int_equal(state_open_sieved(&s, txn, w.head - BACK, sieve), OK);
            assert_int_equal(get_balance(s, 0).w[0], w.at[1].balance[0]);
            state_free(s);
        }
        kv_abort(txn);
        const uint64_t seeks = state_sieve_seeks(sieve) - last;
        last += seeks;
        if (round == 0) assert_in_range(seeks, STATE_SIEVE_PATIENCE / 2, STATE_SIEVE_PATIENCE + BACK); /* until it has them all */
        else assert_in_range(seeks, 0, 20 * (round + 1)); /* blocks that came since, one a round, are looked into until they are many */
        assert_int_equal(kv_begin(&txn, kv, true), OK);
        grow(&w, txn);
        assert_int_equal(kv_commit(txn), OK);
    }
    assert_true(last < 5 * STATE_SIEVE_PATIENCE);
    /* an account that did change is found in as many seeks as it takes to find one row */
    assert_int_equal(kv_begin(&txn, kv, false), OK);
    for (int k = 0; k < 2000; k++) expect_block(&w, txn, sieve, w.head - BACK, 2);
    last = state_sieve_seeks(sieve);
    expect_block(&w, txn, sieve, w.head - BACK, N);
    assert_in_range(state_sieve_seeks(sieve) - last, N / 2, N * (SLOTS + 1) + 10);
    kv_abort(txn);
    state_sieve_free(sieve);
    kv_close(kv);
}

/* blocks without a name in the table, and states that have a sieve of no use: the walk remains */
static void a_sieve_takes_in_no_block_that_has_no_name(void **state)
{
    (void)state;
    static struct world w;
    struct kv *kv;
    struct kv_txn *txn;
    struct state_sieve *sieve;
    uint8_t key[8];
    uint64_t seeks[3];
    memset(&w, 0, sizeof w);
    rng_seed(&w.r, 2);
    open_store(&kv, NULL);
    assert_int_equal(state_sieve_new(&sieve, 0), OK);
    assert_int_equal(kv_begin(&txn, kv, true), OK);
    while (w.head < 60) grow(&w, txn);
    be64_put(key, 40);
    assert_int_equal(kv_delete(txn, TABLE_CANON, BYTES_OF(key)), OK);
    for (int round = 0; round < 3; round++) {
        if (round == 1) assert_int_equal(kv_put(txn, TABLE_CANON, BYTES_OF(key), BYTES_LIT("too short")), OK);
        if (round == 2) name_block(txn, 40, 9);
        for (uint64_t n = 30; n <= 60; n++) expect_block(&w, txn, sieve, n, N);
        const uint64_t before = state_sieve_seeks(sieve);
        for (uint64_t n = 30; n <= 60; n++) expect_block(&w, txn, sieve, n, N);
        seeks[round] = state_sieve_seeks(sieve) - before;
    }
    assert_in_range(seeks[0], 3 * seeks[2], UINT64_MAX);
    assert_in_range(seeks[1], 3 * seeks[2], UINT64_MAX);
    kv_abort(txn);
    state_sieve_free(sieve);
    kv_close(kv);
}

struct readers {
    struct kv *kv;
    struct state_sieve *sieve;
    _Atomic bool is_over;
    _Atomic unsigned n_reads;
};

/* reader: account 1 + b of block n holds what the block's number, in each branch, tells */
static void *reader_main(void *ctx)
{
    struct readers *t = ctx;
    while (!atomic_load(&t->is_over)) {
        struct kv_txn *txn;
        struct state *s;
        bytes v;
        if (kv_begin(&txn, t->kv, false) != OK) break;
        const uint64_t head = kv_get(&v, txn, TABLE_META, BYTES_LIT("test.head")) == OK ? be64_get(v.ptr) : 0;
        bool is_good = head != 0;
        for (uint64_t back = 1; back < 120 && back < head && is_good; back += 7) {
            is_good = state_open_sieved(&s, txn, head - back, t->sieve) == OK;
            if (!is_good) break;
            is_good = get_balance(s, 0).w[0] == head - back && get_slot(s, 0, (head - back) % SLOTS).w[0] == head - back && get_balance(s, 1).w[0] == 1;
            state_free(s);
            atomic_fetch_add(&t->n_reads, 1);
        }
        kv_abort(txn);
        if (!is_good) break;
    }
    atomic_store(&t->is_over, true); /* if it was not: something is bad */
    return NULL;
}

static void many_threads_read_through_one_sieve_while_blocks_come_and_go(void **state)
{
    (void)state;
    char dir[] = "/tmp/test-history-XXXXXX";
    enum { THREADS = 3, ROUNDS = 900 };
    struct readers t = {0};
    pthread_t thread[THREADS];
    struct rng_seeded r;
    uint64_t head = 0;
    rng_seed(&r, 4);
    open_store(&t.kv, dir);
    assert_int_equal(state_sieve_new(&t.sieve, 50), OK);
    for (uint64_t round = 0; (round < ROUNDS || atomic_load(&t.n_reads) < 3000) && !atomic_load(&t.is_over); round++) {
        struct kv_txn *txn;
        struct state *s;
        uint8_t number[8];
        const address a = addr_of(0), still = addr_of(1);
        assert_int_equal(kv_begin(&txn, t.kv, true), OK);
        for (uint64_t back = head > 10 && rng_below(&r, 4) == 0 ? 1 + rng_below(&r, 3) : 0; back > 0; back--) assert_int_equal(state_unwind(txn, head--), OK);
        const u256 now = u256_from_u64(++head), key = u256_from_u64(head % SLOTS);
        assert_int_equal(state_open(&s, txn, STATE_LATEST), OK);
        assert_int_equal(state_add_balance(s, &a, &U256_ONE), OK);
        assert_int_equal(state_set_storage(s, &a, &key, &now), OK);
        if (head == 1) assert_int_equal(state_add_balance(s, &still, &U256_ONE), OK);
        assert_int_equal(state_commit(s, txn, head, true), OK);
        state_free(s);
        name_block(txn, head, round);
        be64_put(number, head);
        assert_int_equal(kv_put(txn, TABLE_META, BYTES_LIT("test.head"), BYTES_OF(number)), OK);
        assert_int_equal(kv_commit(txn), OK);
        for (size_t i = 0; round == 0 && i < THREADS; i++) assert_int_equal(pthread_create(&thread[i], NULL, reader_main, &t), 0);
    }
    const bool was_good = !atomic_exchange(&t.is_over, true);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(thread[i], NULL), 0);
    }
    assert_true(was_good);
    state_sieve_free(t.sieve);
    kv_close(t.kv);
    assert_int_equal(file_remove_tree(dir, NULL), OK);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(how_far_back_reads_go_is_bounded_but_in_an_archive),
        cmocka_unit_test(many_reads_far_back_see_what_was),
        cmocka_unit_test(a_sieve_follows_a_long_chain_and_its_branches),
        cmocka_unit_test(a_read_far_back_looks_into_no_block_that_has_nothing_of_it),
        cmocka_unit_test(a_sieve_takes_in_no_block_that_has_no_name),
        cmocka_unit_test(many_threads_read_through_one_sieve_while_blocks_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
