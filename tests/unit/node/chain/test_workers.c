/* Senders by several threads: the same as one by one, whatever the number of threads and transactions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <stdatomic.h>

#include "node/chain/workers.h"
#include "tests/unit/node/chain/chain_fixture.h"

#include <cmocka.h>

enum { TXS = 100 };

static void fill(struct net *w, struct tx *txs, struct tx *want)
{
    w->spec.chain_id = 42;
    for (size_t i = 0; i < TXS; i++) {
        w->n_queue = 0;
        queue_tx(w, i % KEYS, i, &w->addr[0], U256_ONE, BYTES_EMPTY, 21000);
        txs[i] = want[i] = w->queue[0];
        txs[i].has_sender = false;
        txs[i].sender = (address){{0}};
    }
}

static void any_number_of_threads_finds_the_same_senders(void **state)
{
    (void)state;
    struct net *w = net_new();
    struct tx fresh[TXS], txs[TXS], want[TXS];
    fill(w, fresh, want);
    for (unsigned threads = 0; threads < 4; threads++) {
        struct workers *p;
        assert_int_equal(workers_new(&p, threads), OK);
        for (size_t n = 0; n <= TXS; n += n < 20 ? 1 : 16) {
            memcpy(txs, fresh, sizeof txs);
            assert_int_equal(workers_recover(p, txs, n, true), 0);
            for (size_t i = 0; i < TXS; i++) {
                assert_int_equal(txs[i].has_sender, i < n);
                if (i < n) assert_memory_equal(&txs[i].sender, &want[i].sender, 20);
            }
        }
        workers_free(p);
    }
    net_free(w);
}

static void bad_signatures_are_counted_and_known_senders_are_left_alone(void **state)
{
    (void)state;
    struct net *w = net_new();
    struct tx txs[TXS], want[TXS];
    struct workers *p;
    fill(w, txs, want);
    for (size_t i = 0; i < TXS; i += 10)
        txs[i].r = U256_ZERO;
    txs[5].has_sender = true; /* as the pool has told */
    txs[5].sender.b[0] = 0x77;
    assert_int_equal(workers_new(&p, 2), OK);
    assert_int_equal(workers_recover(p, txs, TXS, true), 10);
    assert_false(txs[10].has_sender);
    assert_true(txs[11].has_sender);
    assert_int_equal(txs[5].sender.b[0], 0x77);
    workers_free(p);
    workers_free(NULL);
    net_free(w);
}

struct job {
    struct worker_task task;
    atomic_int *n_run;
    bool was_run;
};

static void run_job(struct worker_task *t)
{
    struct job *j = (struct job *)t;
    j->was_run = true;
    atomic_fetch_add(j->n_run, 1);
}

static void tasks_are_done_once_when_they_are_waited_for_and_never_after_they_were_cancelled(void **state)
{
    (void)state;
    enum { JOBS = 200 };
    struct net *w = net_new();
    struct tx txs[TXS], want[TXS];
    for (unsigned threads = 0; threads < 4; threads++) {
        struct workers *p;
        struct job job[JOBS];
        atomic_int n_run = 0;
        int n_kept = 0;
        fill(w, txs, want);
        assert_int_equal(workers_new(&p, threads), OK);
        for (size_t i = 0; i < JOBS; i++) {
            job[i] = (struct job){.task.run = run_job, .n_run = &n_run};
            workers_begin(p, &job[i].task);
        }
        assert_int_equal(workers_recover(p, txs, TXS, true), 0); /* does not wait for them */
        for (size_t i = 0; i < JOBS; i++) {
            const size_t k = i * 7 % JOBS; /* in another order */
            if (i % 3 == 0) workers_cancel(p, &job[k].task);
            else workers_finish(p, &job[k].task);
            assert_true(i % 3 == 0 || job[k].was_run);
            n_kept += job[k].was_run;
        }
        workers_free(p);
        assert_int_equal(atomic_load(&n_run), n_kept);
    }
    net_free(w);
}

static void add_one(void *arg)
{
    ++*(int *)arg;
}

static void parts_are_each_run_once_before_it_returns_whatever_waits(void **state)
{
    (void)state;
    for (unsigned threads = 0; threads < 4; threads++) {
        struct workers *p;
        atomic_int n_run = 0;
        struct job job[20];
        assert_int_equal(workers_new(&p, threads), OK);
        for (int round = 0; round < 200; round++) {
            const size_t n_parts = (size_t)round % 17, n_jobs = (size_t)round % 21;
            int count[16] = {0};
            void *args[16];
            for (size_t i = 0; i < n_parts; i++) args[i] = &count[i];
            for (size_t i = 0; i < n_jobs; i++) {
                job[i] = (struct job){.task.run = run_job, .n_run = &n_run};
                workers_begin(p, &job[i].task);
            }
            workers_run(p, add_one, args, n_parts);
            for (size_t i = 0; i < 16; i++) assert_int_equal(count[i], i < n_parts);
            if (threads == 0) assert_int_equal(atomic_load(&n_run), 0); /* they were not what was waited for */
            for (size_t i = 0; i < n_jobs; i++) workers_finish(p, &job[i].task);
            assert_int_equal(atomic_exchange(&n_run, 0), (int)n_jobs);
        }
        workers_free(p);
    }
}

static void a_chain_with_threads_imports_the_same(void **state)
{
    (void)state;
    struct net *w = net_new();
    w->cfg.worker_threads = 2;
    net_open(w, 2, validators_list(w, 3), LONDON, "");
    for (uint64_t round = 0; round < 5; round++) {
        for (uint64_t i = 0; i < 50; i++)
            queue_tx(w, i % KEYS, round * 50 / KEYS + i / KEYS + (round * 50 % KEYS > i % KEYS ? 1 : 0), &w->addr[0], U256_ONE, BYTES_EMPTY, 21000);
        (void)turn(w, 0);
    }
    hash32 a = digest_of(w, 0, false), b = digest_of(w, 1, false);
    assert_hash_equal(a, b);
    net_free(w);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_number_of_threads_finds_the_same_senders),
        cmocka_unit_test(bad_signatures_are_counted_and_known_senders_are_left_alone),
        cmocka_unit_test(tasks_are_done_once_when_they_are_waited_for_and_never_after_they_were_cancelled),
        cmocka_unit_test(parts_are_each_run_once_before_it_returns_whatever_waits),
        cmocka_unit_test(a_chain_with_threads_imports_the_same),
    };
    return cmocka_run_group_tests_name("recover", tests, NULL, NULL);
}
