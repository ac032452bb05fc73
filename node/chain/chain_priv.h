/* chain_priv.h: what the sources of struct chain share. */
#ifndef NODE_CHAIN_CHAIN_PRIV_H
#define NODE_CHAIN_CHAIN_PRIV_H

#include "node/aura/aura.h"
#include "node/chain/chain.h"

#include <pthread.h>

enum {
    BLOCK_MAX = 32 << 20,         /* bytes of one block in RLP that we look at: twice what a p2p message holds */
    BLOCK_ARENA_MAX = 512 << 20,  /* decoded block, receipts and logs of one import */
    HISTORY_BLOCKS = 128,         /* DESIGN.md section 4: recent history that is kept without --archive */
    CALL_GAS = 50000000,          /* SPEC(aura.md B9): gas of the reads of validator and permission contracts */
    RECENT_SEALS = 256            /* (step, author) pairs remembered to see two blocks in one step */
};

/* epoch: the validator set in force after a block, where it came from, and the finality window since */
struct epoch {
    uint64_t number; /* block that recorded the transition; the set rules from number + 1 */
    hash32 hash;
    struct finality fin; /* fin.set is the set */
};

struct recent_seal {
    uint64_t step;
    address author;
    hash32 hash;
};

struct chain {
    struct kv *kv;
    const struct chain_spec *spec;
    struct chain_config cfg;
    hash32 genesis_hash;
    struct evm *evm; /* of the importer's thread */

    pthread_mutex_t lock; /* guards head and epoch for readers on other threads; the importer alone writes them */
    struct chain_head head;
    struct epoch epoch;
    bool has_pending_signal;
    uint64_t pending_signal_block;

    uint64_t closed_step; /* no proposal in this step: the set changed in it */
    struct recent_seal recent[RECENT_SEALS];
    size_t n_recent;
};

/* --- engine.c: validator sets over the database */

void epoch_fini(struct epoch *e);
/** epoch_load: set and finality window as they stand after block (number, hash), whose ancestors are canonical. */
MUST_CHECK enum status epoch_load(struct epoch *out, struct chain *c, struct kv_txn *txn, uint64_t number, const hash32 *hash);
/** epoch_set_at: the set only. out->n may be 0 for a chain without validators (null engine). */
MUST_CHECK enum status epoch_set_at(struct validators *out, uint64_t *since, struct chain *c, struct kv_txn *txn, uint64_t number);
/** epoch_put: record a transition at a block. */
MUST_CHECK enum status epoch_put(struct kv_txn *txn, uint64_t number, const hash32 *hash, const struct validators *set);
/** engine_genesis_set: validators of block 1. s: genesis state */
MUST_CHECK enum status engine_genesis_set(struct validators *out, struct chain *c, struct state *s, const struct header *genesis,
                                          struct err *err);
/** engine_open_block: system calls at the start of a block: EIP-2935, EIP-210, finalizeChange. */
MUST_CHECK enum status engine_open_block(enum block_verdict *v, struct chain *c, struct exec_env *env, struct state *s,
                                         const struct header *h, const struct epoch *e);
/** engine_close_block: rewards. */
MUST_CHECK enum status engine_close_block(enum block_verdict *v, struct chain *c, struct exec_env *env, struct state *s,
                                          const struct header *h);
struct epoch_step {
    bool has_finals, changed_set, signalled;
    uint64_t finalised; /* greatest number that became final */
};
/** engine_after_block: signals, finality and transitions of a block that was executed; s: state after it; *e moves on to it. */
MUST_CHECK enum status engine_after_block(struct epoch_step *out, struct chain *c, struct kv_txn *txn, struct epoch *e, struct state *s,
                                          struct exec_env *env, const struct block *b, const struct receipt *receipts, size_t n);
/** engine_call_validators: getValidators() of a contract on a state. */
MUST_CHECK enum status engine_call_validators(struct validators *out, struct exec_env *env, struct state *s, const address *contract);

/* --- import.c */

/** block_env_init: rules and environment of a block for its execution on txn. */
void block_env_init(struct exec_env *env, struct chain *c, struct evm *evm, struct kv_txn *txn, const struct header *h);
/** chain_publish: after a commit: move head and epoch, tell the listener. Takes e. */
void chain_publish(struct chain *c, const struct chain_head *head, struct epoch *e_take, const struct chain_event *event);
/** chain_fill_head: head fields from a header. */
void chain_fill_head(struct chain_head *out, const struct chain *c, const struct header *h, const hash32 *hash, const u256 *td,
                     uint64_t finalised);
/** chain_finish_block: write an executed block: state, receipts, indices, epoch, head, pruning. Takes s. */
MUST_CHECK enum status chain_finish_block(struct chain_head *head, struct epoch_step *step, struct chain *c, struct kv_txn *txn,
                                          struct epoch *e, struct state *s_take, struct exec_env *env, const struct block *b,
                                          const struct receipt *receipts, const u256 *td, uint64_t finalised);
/** chain_roots: transactions root of a list. */
MUST_CHECK enum status chain_tx_root(hash32 *out, const struct tx *txs, size_t n, struct arena *a);
MUST_CHECK enum status chain_receipts_root(hash32 *root, bloom *filter, const struct receipt *receipts, size_t n, struct arena *a);

#endif
