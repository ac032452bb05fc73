/* pool_priv.h: what pool.c and pool_best.c share. */
#ifndef NODE_POOL_POOL_PRIV_H
#define NODE_POOL_POOL_PRIV_H

#include "node/pool/pool.h"

#include <pthread.h>

struct rng_seeded;
struct sender;

/* one transaction; its raw bytes follow it in memory, tx's views point there */
struct entry {
    struct tx tx;
    struct sender *sender; /* NULL: no longer in the pool, only borrowed by a pool_best */
    struct entry *hash_next;      /* chain of the bucket */
    struct entry *left, *right;   /* treap by nonce: the sender's */
    uint64_t priority;            /* of the treap: random, highest on top */
    uint64_t arrival, arrived_ms; /* ordinal, and time */
    u256 price;                   /* min(max_fee, max_priority): what it pays when the base fee is 0 */
    u256 cost;                    /* max_fee * gas + value (+ blobs), saturated */
    size_t bytes;                 /* of memory */
    unsigned refs;                /* the pool's one, and those of pool_best */
};

struct sender {
    address addr;
    struct sender *hash_next;
    struct entry *root; /* never NULL outside a call */
    struct entry *last; /* highest nonce: the next to be pushed out */
    size_t n, n_pending;
    uint64_t nonce; /* of the account; pending ones have nonce .. nonce + n_pending - 1 */
    u256 max_cost;  /* no entry's cost is above it */
    size_t heap_at; /* place in pool.heap */
};

struct table {
    void **bucket;
    size_t n, cap; /* items; buckets: a power of two */
};

struct pool {
    pthread_mutex_t lock;
    struct pool_limits limits;
    struct table entries, senders;
    struct sender **heap; /* whose last transaction goes first when room is needed: on top */
    size_t heap_cap;
    size_t bytes, n_pending;
    uint64_t version, arrivals, gas_limit, seed[2];
    struct rng_seeded *rng;
};

struct sender *pool_find_sender(const struct pool *p, const address *addr);
struct entry *pool_find_nonce(const struct sender *s, uint64_t nonce);
void pool_unref(struct entry *e);

#endif
