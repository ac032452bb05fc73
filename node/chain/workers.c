#include "node/chain/workers.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

enum { CHUNK = 16 }; /* transactions that a thread takes at a time: some 250 us of work */

struct workers {
    pthread_mutex_t lock;
    pthread_cond_t wake, idle, done;
    pthread_t threads[WORKERS_MAX];
    unsigned n_threads;
    /* under the lock */
    bool stop;
    struct worker_task *first, *last; /* queued */
    uint64_t job;    /* its number: a thread works on each one once */
    bool is_open;    /* the job: there is work in it still */
    unsigned n_busy; /* threads at the job */
    /* the job */
    struct tx *txs;
    size_t n;
    bool low_s;
    atomic_size_t next, n_bad;
};

static void work(struct workers *p)
{
    for (;;) {
        size_t i = atomic_fetch_add(&p->next, CHUNK);
        if (i >= p->n) return;
        size_t end = p->n - i < CHUNK ? p->n : i + CHUNK;
        struct tx *some[CHUNK];
        size_t n = 0, n_bad = 0;
        for (; i < end; i++)
            if (!p->txs[i].has_sender) some[n++] = &p->txs[i];
        tx_recover_many(some, n, p->low_s);
        for (size_t k = 0; k < n; k++)
            n_bad += !some[k]->has_sender;
        if (n_bad > 0) atomic_fetch_add(&p->n_bad, n_bad);
    }
}

static uint64_t cpu_ns(void)
{
    struct timespec ts;
    return clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts) == 0 ? (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec : 0;
}

/* under the lock */
static void unqueue(struct workers *p, struct worker_task *t)
{
    if (t->prev != NULL) t->prev->next = t->next;
    else p->first = t->next;
    if (t->next != NULL) t->next->prev = t->prev;
    else p->last = t->prev;
    t->next = t->prev = NULL;
}

/* under the lock, which is given up meanwhile */
static void run_task(struct workers *p, struct worker_task *t)
{
    unqueue(p, t);
    t->state = TASK_RUNNING;
    pthread_mutex_unlock(&p->lock);
    const uint64_t from = cpu_ns();
    t->run(t);
    const uint64_t took = cpu_ns() - from;
    pthread_mutex_lock(&p->lock);
    t->cpu_ns = took;
    t->state = TASK_DONE;
    pthread_cond_broadcast(&p->done);
}

static void *run(void *arg)
{
    struct workers *p = arg;
    uint64_t done = 0;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (!p->stop && !(p->is_open && p->job != done) && p->first == NULL)
            pthread_cond_wait(&p->wake, &p->lock);
        if (p->stop) break;
        if (!p->is_open || p->job == done) {
            run_task(p, p->first);
            continue;
        }
        done = p->job;
        p->n_busy++;
        pthread_mutex_unlock(&p->lock);
        work(p);
        pthread_mutex_lock(&p->lock);
        if (--p->n_busy == 0) pthread_cond_signal(&p->idle);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

enum status workers_new(struct workers **out, unsigned n_threads)
{
    struct workers *p = calloc(1, sizeof *p);
    if (p == NULL) return E_NOMEM;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->idle, NULL);
    pthread_cond_init(&p->done, NULL);
    sigset_t all, old; /* signals are the main thread's affair */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    while (p->n_threads < n_threads && p->n_threads < WORKERS_MAX &&
           pthread_create(&p->threads[p->n_threads], NULL, run, p) == 0)
        p->n_threads++;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    *out = p;
    return OK;
}

void workers_free(struct workers *p)
{
    if (p == NULL) return;
    pthread_mutex_lock(&p->lock);
    p->stop = true;
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->n_threads; i++)
        pthread_join(p->threads[i], NULL);
    pthread_cond_destroy(&p->wake);
    pthread_cond_destroy(&p->idle);
    pthread_cond_destroy(&p->done);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

size_t workers_recover(struct workers *p, struct tx *txs, size_t n, bool low_s)
{
    size_t missing = 0;
    for (size_t i = 0; i < n; i++)
        missing += !txs[i].has_sender;
    if (missing == 0) return 0;
    bool together = p->n_threads > 0 && missing >= WORKERS_SENDERS_MIN;
    pthread_mutex_lock(&p->lock);
    p->txs = txs;
    p->n = n;
    p->low_s = low_s;
    atomic_store(&p->next, 0);
    atomic_store(&p->n_bad, 0);
    if (together) {
        p->job++;
        p->is_open = true;
        pthread_cond_broadcast(&p->wake);
    }
    pthread_mutex_unlock(&p->lock);
    work(p);
    pthread_mutex_lock(&p->lock);
    p->is_open = false; /* whoever is at a task still need not come any more */
    while (p->n_busy > 0)
        pthread_cond_wait(&p->idle, &p->lock);
    pthread_mutex_unlock(&p->lock);
    return atomic_load(&p->n_bad);
}

void workers_begin(struct workers *p, struct worker_task *t)
{
    pthread_mutex_lock(&p->lock);
    t->state = TASK_QUEUED;
    t->next = NULL;
    t->prev = p->last;
    if (p->last != NULL) p->last->next = t;
    else p->first = t;
    p->last = t;
    if (p->n_threads > 0) pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

void workers_finish(struct workers *p, struct worker_task *t)
{
    pthread_mutex_lock(&p->lock);
    if (t->state == TASK_QUEUED) run_task(p, t);
    while (t->state == TASK_RUNNING) {
        if (p->first != NULL) run_task(p, p->first); /* which would be waited for next */
        else pthread_cond_wait(&p->done, &p->lock);
    }
    pthread_mutex_unlock(&p->lock);
}

struct call {
    struct worker_task task; /* first */
    void (*job)(void *arg);
    void *arg;
};

static void run_call(struct worker_task *t)
{
    struct call *c = (struct call *)t;
    c->job(c->arg);
}

void workers_run(void *ctx, void (*job)(void *arg), void *const *args, size_t n)
{
    struct workers *p = ctx;
    struct call calls[16];
    pthread_mutex_lock(&p->lock);
    for (size_t i = n; i-- > 0;) { /* at the front, the first of them first */
        calls[i] = (struct call){.task = {.run = run_call, .state = TASK_QUEUED, .next = p->first}, .job = job, .arg = args[i]};
        if (p->first != NULL) p->first->prev = &calls[i].task;
        else p->last = &calls[i].task;
        p->first = &calls[i].task;
    }
    if (p->n_threads > 0) pthread_cond_broadcast(&p->wake);
    for (size_t i = 0; i < n; i++)
        if (calls[i].task.state == TASK_QUEUED) run_task(p, &calls[i].task);
    for (size_t i = 0; i < n; i++) /* nothing else is begun meanwhile: it would take longer than what is left */
        while (calls[i].task.state == TASK_RUNNING) pthread_cond_wait(&p->done, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

void workers_cancel(struct workers *p, struct worker_task *t)
{
    pthread_mutex_lock(&p->lock);
    if (t->state == TASK_QUEUED) {
        unqueue(p, t);
        t->state = TASK_NEW;
    }
    while (t->state == TASK_RUNNING)
        pthread_cond_wait(&p->done, &p->lock);
    pthread_mutex_unlock(&p->lock);
}
