/* requests.h: what a block asks of the consensus layer (EIP-7685): deposits out of its logs (EIP-6110), withdrawals (EIP-7002) and
 * consolidations (EIP-7251) out of the queues of two contracts, and the hash that the header has of them. */
#ifndef NODE_CHAIN_REQUESTS_H
#define NODE_CHAIN_REQUESTS_H

#include "node/chain/execute.h"

/** requests_collect: at the end of a block, behind its transactions and withdrawals: empty both queues by a system call and hash all requests.
 *  deposit_contract: NULL for that of the main network.
 *  out hash   sha256 over the sha256 of each kind that has any; of nothing when there is none
 *  out bad    NULL, or why the block is invalid: a contract is missing, its call failed, a deposit's log has another form
 *  ret  OK | our own trouble */
MUST_CHECK enum status requests_collect(hash32 *hash, const char **bad, struct exec_env *env, struct state *s,
                                        const struct receipt *receipts, size_t n, const address *deposit_contract);
/** requests_begin_block: SPEC(EIP-2935): the history contract is told the parent's hash; nothing happens without it. */
MUST_CHECK enum status requests_begin_block(struct exec_env *env, struct state *s, const hash32 *parent);

#endif
