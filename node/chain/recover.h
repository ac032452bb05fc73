/* recover.h: senders of a block's transactions, recovered by a few threads at once: an ECDSA recovery takes longer than the transfer that it
 * authorises. The caller works along, so n threads more are n + 1 at work. */
#ifndef NODE_CHAIN_RECOVER_H
#define NODE_CHAIN_RECOVER_H

#include "lib/eth/tx.h"

struct recover_pool;

enum { RECOVER_THREADS_MAX = 64, RECOVER_MIN = 16 /* transactions from which on it pays to wake others */ };

/** recover_pool_new: n_threads in [0, RECOVER_THREADS_MAX]; fewer are started when the system gives no more. */
MUST_CHECK enum status recover_pool_new(struct recover_pool **out, unsigned n_threads);
void recover_pool_free(struct recover_pool *p);
/** recover_senders: set the senders of those that have none; low_s as in tx_recover. One call at a time.
 *  ret how many have none in the end: their signatures are bad */
size_t recover_senders(struct recover_pool *p, struct tx *txs, size_t n, bool low_s);

#endif
