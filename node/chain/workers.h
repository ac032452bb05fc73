/* workers.h: the threads beside the importer's: most of a block's work can go on beside its execution. An ECDSA recovery takes longer than the
 * transfer that it authorises.
 *
 * They do three things. Senders of one block's transactions, now: the caller works along, so n threads more are n + 1 at work. Parts of a root,
 * now, in the same way. And tasks, ahead of their turn (ahead.h): whatever is begun by no thread when it is waited for, the waiting one does
 * itself, and while it waits for one that is begun it does the next; so all of it works without any thread, too. What is waited for goes before
 * tasks. */
#ifndef NODE_CHAIN_WORKERS_H
#define NODE_CHAIN_WORKERS_H

#include "lib/eth/tx.h"

struct workers;

enum { WORKERS_MAX = 64, WORKERS_SENDERS_MIN = 16 /* transactions from which on it pays to wake others */ };

/** workers_new: n_threads in [0, WORKERS_MAX]; fewer are started when the system gives no more. */
MUST_CHECK enum status workers_new(struct workers **out, unsigned n_threads);
/** workers_free: no task may be begun or waited for. */
void workers_free(struct workers *p);
/** workers_recover: set the senders of those that have none; low_s as in tx_recover. One call at a time.
 *  ret how many have none in the end: their signatures are bad */
size_t workers_recover(struct workers *p, struct tx *txs, size_t n, bool low_s);

/* a task: first member of what it works on; zeroed but for run. Its owner's, once it is finished or cancelled. */
struct worker_task {
    void (*run)(struct worker_task *t); /* any thread */
    struct worker_task *next, *prev;
    enum { TASK_NEW, TASK_QUEUED, TASK_RUNNING, TASK_DONE } state; /* from workers_begin on the pool's */
    uint64_t cpu_ns; /* that it took */
};
/** workers_begin: a thread takes it when it has nothing else to do, in the order of the calls. */
void workers_begin(struct workers *p, struct worker_task *t);
/** workers_finish: it is done when this returns. */
void workers_finish(struct workers *p, struct worker_task *t);
/** workers_run: job(args[i]) for each i < n (<= 16), which go before all tasks, by the caller and whoever has time; all are done when it returns.
 *  For node/state/trie.h; ctx is the pool. */
void workers_run(void *ctx, void (*job)(void *arg), void *const *args, size_t n);
/** workers_cancel: it is done, or will never be. */
void workers_cancel(struct workers *p, struct worker_task *t);

#endif
