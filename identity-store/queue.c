#include "identity-store/queue.h"

#include "lib/base/clock.h"

#include <pthread.h>

enum { WAITING_MAX = 10000, BATCH_MAX = 512 };

struct queue {
    struct queue_config cfg;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct call *head, *tail;
    size_t n, wanted; /* to be woken by */
    bool stop;
    /* the thread's own */
    size_t expected;    /* so many calls were there a moment ago */
    uint64_t commit_us; /* of the last commit */
    struct queue_counts counts;
};

void call_internal_error(struct call *c, enum status s)
{
    enum rest_error e = s == E_NOSPACE ? ERR_NO_SPACE : ERR_INTERNAL;
    if (call_fail(c, e) == OK) return;
    c->reply.status = 500;
    c->reply.n_headers = 0;
}

static enum status commit(struct queue *q, struct kv_txn *txn, size_t n)
{
    uint64_t from_ns = clock_mono_ns();
    enum status s = kv_commit(txn);
    q->commit_us = (clock_mono_ns() - from_ns) / 1000;
    q->counts.commits++;
    q->counts.calls += n;
    q->counts.commit_us += q->commit_us;
    if (n > q->counts.largest) q->counts.largest = n;
    return s;
}

/* calls [0, n) in one transaction.  ret OK: committed, or nothing was to be written */
static enum status run_together(struct queue *q, struct call **calls, size_t n)
{
    struct kv_txn *txn;
    bool wrote = false;
    enum status s = kv_begin(&txn, q->cfg.store->kv, true);
    if (s != OK) return s;
    for (size_t i = 0; i < n && s == OK; i++) {
        struct call *c = calls[i];
        call_reset_reply(c);
        c->txn = txn;
        c->now_ms = store_now_ms(q->cfg.store);
        s = q->cfg.run(q->cfg.ctx, c);
        if (s == OK) s = buf_status(&c->reply.body);
        wrote = wrote || c->reply.status < 400;
        c->txn = NULL;
    }
    if (s == OK && wrote) {
        s = store_put_clock(q->cfg.store, txn);
        if (s == OK) s = q->cfg.before_commit(q->cfg.ctx, txn, calls, n);
        if (s == OK) return commit(q, txn, n);
    }
    kv_abort(txn);
    return s;
}

static void run_batch(struct queue *q, struct call **calls, size_t n)
{
    enum status s = run_together(q, calls, n);
    if (s != OK && n == 1) call_internal_error(calls[0], s);
    for (size_t i = 0; s != OK && n > 1 && i < n; i++) {
        enum status one = run_together(q, &calls[i], 1);
        if (one != OK) call_internal_error(calls[i], one);
    }
    q->cfg.done(q->cfg.ctx, calls, n);
}

/* until n calls are there, or it is to stop, or the time is over; under the lock */
static void wait_for(struct queue *q, size_t n, uint64_t us)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    uint64_t ns = (uint64_t)until.tv_nsec + us * 1000;
    until.tv_sec += (time_t)(ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    q->wanted = n;
    while (q->n < n && !q->stop)
        if (pthread_cond_timedwait(&q->more, &q->lock, &until) != 0) break;
}

static size_t take(struct queue *q, struct call **calls, bool *stop)
{
    uint64_t gather_us = q->commit_us / 2 < GATHER_MAX_US ? q->commit_us / 2 : GATHER_MAX_US;
    (void)pthread_mutex_lock(&q->lock);
    if (q->expected > 1 && q->n < q->expected) wait_for(q, q->expected, gather_us);
    if (q->n == 0) wait_for(q, 1, 1000000);
    size_t n = 0;
    while (n < BATCH_MAX && q->head != NULL) {
        calls[n++] = q->head;
        q->head = q->head->next;
    }
    if (q->head == NULL) q->tail = NULL;
    q->n -= n;
    q->expected = n;
    *stop = q->stop && q->head == NULL;
    (void)pthread_mutex_unlock(&q->lock);
    return n;
}

/* those that were just answered may come back, those that wait are there */
static void count_waiting(struct queue *q)
{
    (void)pthread_mutex_lock(&q->lock);
    q->expected += q->n;
    if (q->expected > BATCH_MAX) q->expected = BATCH_MAX;
    (void)pthread_mutex_unlock(&q->lock);
}

static void *loop(void *arg)
{
    struct queue *q = arg;
    struct call *calls[BATCH_MAX];
    uint64_t idle_ms = clock_mono_ms();
    for (bool stop = false; !stop;) {
        size_t n = take(q, calls, &stop);
        if (n > 0) run_batch(q, calls, n);
        if (n > 0) count_waiting(q);
        if (clock_mono_ms() - idle_ms >= 1000) {
            q->cfg.idle(q->cfg.ctx, &q->counts);
            q->counts = (struct queue_counts){0};
            idle_ms = clock_mono_ms();
        }
    }
    return NULL;
}

enum status queue_start(struct queue **out, const struct queue_config *cfg, struct err *err)
{
    struct queue *q = calloc(1, sizeof *q);
    if (q == NULL) return err_set(err, E_NOMEM, "queue: out of memory");
    pthread_condattr_t attr;
    q->cfg = *cfg;
    (void)pthread_mutex_init(&q->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&q->more, &attr);
    (void)pthread_condattr_destroy(&attr);
    if (pthread_create(&q->thread, NULL, loop, q) != 0) {
        free(q);
        return err_set(err, E_NOMEM, "queue: no thread");
    }
    *out = q;
    return OK;
}

bool queue_push(struct queue *q, struct call *c)
{
    (void)pthread_mutex_lock(&q->lock);
    bool good = !q->stop && q->n < WAITING_MAX;
    if (good) {
        c->next = NULL;
        if (q->tail) q->tail->next = c;
        else q->head = c;
        q->tail = c;
        q->n++;
        if (q->n >= q->wanted) (void)pthread_cond_signal(&q->more);
    }
    (void)pthread_mutex_unlock(&q->lock);
    return good;
}

void queue_stop(struct queue *q)
{
    if (q == NULL) return;
    (void)pthread_mutex_lock(&q->lock);
    q->stop = true;
    (void)pthread_cond_signal(&q->more);
    (void)pthread_mutex_unlock(&q->lock);
    (void)pthread_join(q->thread, NULL);
}

void queue_free(struct queue *q)
{
    if (q == NULL) return;
    (void)pthread_cond_destroy(&q->more);
    (void)pthread_mutex_destroy(&q->lock);
    free(q);
}
