/* chain_priv.h: what the sources of struct chain share. */
#ifndef NODE_CHAIN_CHAIN_PRIV_H
#define NODE_CHAIN_CHAIN_PRIV_H

#include "node/aura/aura.h"
#include "node/aura/commit.h"
#include "node/aura/empty_steps.h"
#include "node/chain/chain.h"
#include "node/chain/workers.h"
#include "node/chain/tx_filter.h"
#include "node/state/trie.h"

#include <pthread.h>

enum {
    BLOCK_MAX = 32 << 20,         /* bytes of one block in RLP that we look at: twice what a p2p message holds */
    BLOCK_ARENA_MAX = 512 << 20,  /* decoded block, receipts and logs of one import */
    HISTORY_BLOCKS = 128,         /* DESIGN.md section 4: recent history that is kept without --archive */
    CALL_GAS = 50000000,          /* SPEC(aura.md B9): gas of the reads of validator and permission contracts */
    RECENT_SEALS = 256,           /* (step, author) pairs remembered to see two blocks in one step */
    RECENT_FORKS = 256,           /* side blocks whose fork is remembered: a branch that grows is not walked back for each block */
    RECENT_BAD = 256,             /* hashes of refused blocks */
    REORG_MAX = 65536,            /* blocks of a side branch that one re-org executes: a day of a halved network with steps of 2 s */
    SIDE_MAX = REORG_MAX          /* side blocks kept; what fell behind the finalised block is dropped at once */
};

/* epoch: the validator set in force after a block, where it came from, and the finality window since */
struct epoch {
    uint64_t number; /* block that recorded the transition; the set rules from number + 1 */
    hash32 hash;
    struct finality fin; /* fin.set is the set */
    struct commit com;   /* what can never be undone */
    uint64_t majority;   /* last block that is final by one round; 0: not known yet */
    uint64_t decided;    /* the same, or the block behind which a change of the set took effect, if that is later */
    bool has_pending;    /* a change was signalled in the window and waits for finality */
    uint64_t pending_signal_block;
};

struct recent_seal {
    uint64_t step;
    address author;
    hash32 hash; /* that was signed */
};

/* what a signature of a step is for node/aura/commit.h */
enum vote_kind { VOTE_BLOCK, VOTE_NONE, VOTE_EMPTY_STEP };

/* seal_note: what a key has promised by its seals (promise.c) */
struct seal_note {
    bool has_seal; /* also of a key that is known to be new: then all is 0 */
    bool is_empty_step; /* the last one was an empty step on `parent` */
    uint64_t step, until, lock_step, lock_number;
    hash32 parent, lock_hash; /* lock_hash: zero: this key's own block of that number and step, which was final by its seal alone */
};

struct recent_fork {
    hash32 hash; /* of a side block */
    uint64_t fork; /* its last canonical ancestor */
};

struct recent_bad {
    hash32 hash;
    enum block_verdict verdict;
};

/* chain_view: what readers on other threads see of the epoch */
struct chain_view {
    struct validators set;
    struct chain_epoch epoch;
};

struct chain {
    struct kv *kv;
    const struct chain_spec *spec;
    struct chain_config cfg;
    hash32 genesis_hash;
    struct evm *evm; /* of the importer's thread */
    struct state_cache *cache; /* of the importer's thread; NULL: none is wanted */
    struct state_sieve *sieve; /* of readers at older blocks, on any thread */
    struct workers *workers;
    struct trie_helpers helpers; /* the same threads, for roots */
    struct tx_filter *filter; /* NULL: the spec has no permission contract */

    pthread_mutex_t lock; /* guards head, view and closed_step for readers on other threads; the importer alone writes them */
    struct chain_head head;
    struct chain_view view;
    uint64_t closed_step; /* no proposal in this step: the set changed in it */

    /* the importer's own */
    struct epoch epoch; /* at the head; moves along with it, so that a window that grows is not read again for each block */
    uint64_t first_step; /* when this run began, by the first call that told the time; 0: none yet */
    struct empty_steps empty;  /* heard, for the next block of ours */
    uint64_t lock_step, lock_number; /* of the last note of ours, if its lock is a block of others: see side.c */
    hash32 lock_hash;
    bool sealed_here; /* the last signature of the key that promise_may_seal was asked about is for this chain */
    struct seal_note recalled; /* of the key recalled_by: what stood beside its identity, or here if that was newer */
    address recalled_by;
    size_t n_sides;     /* side blocks in the database */
    struct epoch side;  /* as it stands after side_tip, a side block: a branch that grows is not walked back for each block */
    hash32 side_tip;
    bool has_side;
    struct chain_times times;
    bool is_stale;      /* a failed commit left epoch and n_sides ahead of the database: load them again */
    struct recent_seal seals[RECENT_SEALS];
    struct recent_fork forks[RECENT_FORKS];
    struct recent_bad bad[RECENT_BAD];
    size_t next_seal, next_fork, next_bad; /* rings: taken modulo their length */
};

/* --- engine.c: validator sets over the database */

void epoch_fini(struct epoch *e);
/** epoch_load: set and finality window as they stand after block (number, hash), whose ancestors are canonical. */
MUST_CHECK enum status epoch_load(struct epoch *out, struct chain *c, struct kv_txn *txn, uint64_t number, const hash32 *hash);
/** epoch_set_at: the set only. out->n may be 0 for a chain without validators (null engine). */
MUST_CHECK enum status epoch_set_at(struct validators *out, uint64_t *since, struct chain *c, struct kv_txn *txn, uint64_t number);
/** epoch_begin: *e becomes the epoch that begins after a block; not written. */
MUST_CHECK enum status epoch_begin(struct epoch *e, const struct chain *c, const struct header *h, const hash32 *hash, const struct validators *set);
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
/** engine_after_side_block: the same for a block that is not executed, as far as its header tells. *unsure: set when a block became final that
 *  may have signalled a change: only execution tells the sets from there on. */
MUST_CHECK enum status engine_after_side_block(bool *unsure, const struct chain *c, struct epoch *e, const struct header *h, const hash32 *hash);
/** engine_has_gas_limit: does a contract say the gas limit of the block with that number? */
bool engine_has_gas_limit(const struct chain *c, uint64_t number);
/** engine_gas_limit: what it says; env, s: of the parent (s is left as it was). *has: false when the call fails: then the usual bounds hold. */
MUST_CHECK enum status engine_gas_limit(uint64_t *limit, bool *has, struct chain *c, struct exec_env *env, struct state *s, uint64_t number);
/** engine_call_validators: getValidators() of a contract on a state. */
MUST_CHECK enum status engine_call_validators(struct validators *out, struct exec_env *env, struct state *s, const address *contract);

/* --- promise.c: what is never undone, and what our seals have promised (node/aura/commit.h) */

/** promise_load: e->com as it stands after block (number, hash); e->number and e->hash are set. */
MUST_CHECK enum status promise_load(struct epoch *e, struct chain *c, struct kv_txn *txn, const struct validators *set, uint64_t number,
                                    const hash32 *hash);
/** promise_push: one more block. */
MUST_CHECK enum status promise_push(struct commit *com, const struct header *h, const hash32 *hash);
/** promise_put_epoch: what the epoch that begins at a block inherits. com: of that epoch */
MUST_CHECK enum status promise_put_epoch(struct kv_txn *txn, const hash32 *at, const struct commit *com);
/** promise_put_first_commit: by block (number, hash) the epoch that began at block `epoch` has its first commit. */
MUST_CHECK enum status promise_put_first_commit(struct kv_txn *txn, const hash32 *epoch, uint64_t number, const hash32 *hash);
/** promise_may_seal: may `me` seal in that step on the head, or would that break a promise of its seals so far (node/aura/commit.h)?
 *  ret OK | E_EXISTS: signed in that step or later | E_AGAIN: it waits for the others to decide (err) */
MUST_CHECK enum status promise_may_seal(struct chain *c, struct kv_txn *txn, const address *me, uint64_t step, struct err *err);
/** promise_note_seal: write down that it has, in the transaction of the block, whose parent (or, of an empty step, the block itself) c->epoch and
 *  c->head are at. */
MUST_CHECK enum status promise_note_seal(struct chain *c, struct kv_txn *txn, const address *me, uint64_t step, enum vote_kind kind);
/** promise_next: what that seal will promise. ret OK | E_NOT_FOUND: there was no chain_recall | ... */
MUST_CHECK enum status promise_next(struct key_promise *out, struct chain *c, struct kv_txn *txn, const address *me, uint64_t step, enum vote_kind kind);

/* --- empty_steps.c */

/** empty_steps_for: what was heard for this header, whose parent is the head, and how many. Nothing where the chain has none. */
MUST_CHECK enum status empty_steps_for(size_t *n, struct header *h, const struct chain *c, uint64_t parent_step, struct arena *a);
/** empty_steps_is_due: is it to be an empty step instead of that block? */
bool empty_steps_is_due(const struct chain *c, const struct header *h, size_t n_txs, size_t n_known);
/** empty_steps_sign: ours on the head.  ret OK | E_AGAIN: what it promises cannot be kept now | as src's */
MUST_CHECK enum status empty_steps_sign(struct buf *message, struct chain *c, const address *me, uint64_t step, struct proposal_source *src);

/* --- side.c: the fork choice */

/** side_judge: does the branch that ends in (h, hash), not stored yet, come before our chain? fork: number of its last canonical block.
 *  td: of the branch.  out *unsure: its sets are not known without execution: the answer is void */
MUST_CHECK enum status side_judge(bool *better, bool *unsure, struct chain *c, struct kv_txn *txn, const struct header *h, const hash32 *hash,
                                  const u256 *td, uint64_t fork);
/** side_is_better: the rule itself. */
bool side_is_better(const struct chain *c, const struct epoch *branch, const u256 *td);
/** side_take: the branch that ends in tip was executed, and stays a side branch. *e is emptied. */
void side_take(struct chain *c, struct epoch *e, const hash32 *tip);

/* --- chain.c */

/** chain_note_time: see first_step. */
void chain_note_time(struct chain *c, uint64_t now_ms);
/** chain_refresh: epoch and n_sides from the database if they are stale. */
MUST_CHECK enum status chain_refresh(struct chain *c);
/** chain_permitted: chain_tx_permitted for the child of a block that is known. s: state after it */
MUST_CHECK enum status chain_permitted(bool *out, struct chain *c, struct kv_txn *txn, struct state *s, const struct header *parent,
                                       const hash32 *parent_hash, const struct tx *tx);
/** chain_parent_gas_limit: what the bounds of a child's gas limit are taken from. */
uint64_t chain_parent_gas_limit(const struct chain_spec *spec, const struct header *child, const struct header *parent);

/* --- import.c */

/** chain_note_seal: two blocks of one author in one step are reported. */
void chain_note_seal(struct chain *c, const struct header *h);
/** chain_has_seal_from: was a block of author seen that is of that step or later, on whatever branch? */
bool chain_has_seal_from(const struct chain *c, const address *author, uint64_t step);
/** chain_publish: after a commit: move the head, show the epoch, tell the listener. changed_set: as of epoch_step. */
void chain_publish(struct chain *c, const struct chain_head *head, bool changed_set, uint64_t now_ms, const struct chain_event *event);
/** chain_show_epoch: copy what readers may see of c->epoch. */
void chain_show_epoch(struct chain *c);

/* --- import_run.c */

/** block_env_init: rules and environment of a block for its execution on txn. */
void block_env_init(struct exec_env *env, struct chain *c, struct evm *evm, struct kv_txn *txn, const struct header *h);
/** chain_fill_head: head fields from a header. majority: last block that is final by one round */
void chain_fill_head(struct chain_head *out, const struct chain *c, const struct header *h, const hash32 *hash, const u256 *td,
                     uint64_t finalised, uint64_t majority);
/** chain_finish_block: write an executed block: state, receipts, indices, epoch, head, pruning. Takes s. */
MUST_CHECK enum status chain_finish_block(struct chain_head *head, struct epoch_step *step, struct chain *c, struct kv_txn *txn,
                                          struct epoch *e, struct state *s_take, struct exec_env *env, const struct block *b,
                                          const struct receipt *receipts, const u256 *td, uint64_t finalised);

#endif
