/* queue.h: the thread that writes. It takes all calls that wait, runs them in one transaction, commits (fsync), and only then answers them:
 * the cost of a commit is shared by those who came while the one before was under way. Clients that wait for their answers before they ask again
 * would fall into two halves that take turns, each paying for whole commits: so after a batch that was answered the next one is given a moment (half
 * of what a commit took, GATHER_MAX_US at most) for as many as were there before to come back. Whoever is alone never waits. When anything in a batch goes wrong that is our own
 * trouble, the batch is rolled back and its calls are run one by one, so that one cannot spoil another's. */
#ifndef IDENTITY_STORE_QUEUE_H
#define IDENTITY_STORE_QUEUE_H

#include "identity-store/call.h"

struct queue;

enum { GATHER_MAX_US = 2000 };

/* since the last time that was idle */
struct queue_counts {
    uint64_t calls, commits, commit_us;
    size_t largest; /* batch */
};

struct queue_config {
    struct store *store;
    void *ctx;
    /* run: policy and handler, inside c->txn. before_commit: more to write. done: audit, answer, free. idle: about once a second. */
    enum status (*run)(void *ctx, struct call *c);
    enum status (*before_commit)(void *ctx, struct kv_txn *txn, struct call **calls, size_t n);
    void (*done)(void *ctx, struct call **calls, size_t n);
    void (*idle)(void *ctx, const struct queue_counts *since);
};

MUST_CHECK enum status queue_start(struct queue **out, const struct queue_config *cfg, struct err *err);
/** queue_push: ret false: stopping, or too many wait: the call stays the caller's */
bool queue_push(struct queue *q, struct call *c);
/** queue_stop: finish what waits, then end. */
void queue_stop(struct queue *q);
/** queue_free: once nobody can push any more. */
void queue_free(struct queue *q);
/** call_internal_error: the reply for our own trouble. */
void call_internal_error(struct call *c, enum status s);

#endif
