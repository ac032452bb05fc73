/* kv_fault.h: a store over another one whose commits can be made to fail, for tests and simulation: a full disk for a while, or the death of
 * the process at the n-th commit from now, before or after it became durable. What was committed stands in the store below, which is
 * borrowed: after a death the owner frees everything above, calls kv_fault_revive and opens again from the last committed state.
 *
 *     kv_open_memory(&disk, TABLE_N);  kv_open_fault(&kv, disk);
 *     kv_fault_crash(kv, 3, true, died, ctx);    the fourth commit reaches the disk, its caller hears E_IO, and nothing goes on from there */
#ifndef NODE_STORE_KV_FAULT_H
#define NODE_STORE_KV_FAULT_H

#include "node/store/kv.h"

/** kv_open_fault: under is borrowed; kv_close of the result leaves it open. One thread. */
MUST_CHECK enum status kv_open_fault(struct kv **out, struct kv *under);
/** kv_fault_fail: the next n commits of write transactions give s, and nothing is written. */
void kv_fault_fail(struct kv *kv, unsigned n, enum status s);
/** kv_fault_crash: the store dies at the commit after `skip` more; durable: with its data. died (may be NULL) is called at that moment. A dead
 *  store gives E_IO for every begin and commit. */
void kv_fault_crash(struct kv *kv, unsigned skip, bool durable, void (*died)(void *ctx), void *ctx);
/** kv_fault_kill: dies now. */
void kv_fault_kill(struct kv *kv);
bool kv_fault_is_dead(const struct kv *kv);
void kv_fault_revive(struct kv *kv);
/** kv_fault_commits: commits of write transactions that reached the store below. */
uint64_t kv_fault_commits(const struct kv *kv);

#endif
