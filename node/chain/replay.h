/* replay.h: a canonical block run again, transaction by transaction, on the state before it: for traces. Any thread, on a transaction and EVM of its
 * own; nothing is kept.
 *
 *     struct chain_replay r;
 *     s = chain_replay_open(&r, chain, evm, txn, &block);
 *     while (s == OK && r.next < block.n_txs) s = chain_replay_next(&receipt, &result, &r, tracer, arena);
 *     chain_replay_close(&r); */
#ifndef NODE_CHAIN_REPLAY_H
#define NODE_CHAIN_REPLAY_H

#include "node/chain/chain.h"

struct chain_replay {
    const struct block *block; /* borrowed; its senders are known */
    struct state *state;
    struct exec_env env;
    size_t next; /* transaction */
};

/** chain_replay_open: the state before the block's first transaction: its parent's, and what the engine does at a block's start.
 *  ret OK | E_NOT_FOUND: the parent's state is pruned | E_INVALID: block 0 */
MUST_CHECK enum status chain_replay_open(struct chain_replay *out, struct chain *c, struct evm *evm, struct kv_txn *txn, const struct block *b);
/** chain_replay_next: run the next transaction. tracer: or NULL; the result's output lives until the next run.  ret OK | E_CORRUPT: it is not
 *  valid, which no stored block's is */
MUST_CHECK enum status chain_replay_next(struct receipt *receipt, struct evm_result *result, struct chain_replay *r, const struct evm_tracer *tracer,
                                         struct arena *a);
void chain_replay_close(struct chain_replay *r); /* also after a failed open */
/** chain_block_reward: what the block's author got by the spec; zero too where a contract decides. */
u256 chain_block_reward(const struct chain_spec *spec, uint64_t number);

#endif
