/* import_priv.h: what import.c (rules of the header, fork choice, re-orgs), import_run.c (execution of a block, its way into the database) and
 * group.c (many blocks in one commit) share of one import. */
#ifndef NODE_CHAIN_IMPORT_PRIV_H
#define NODE_CHAIN_IMPORT_PRIV_H

#include "lib/base/clock.h"
#include "node/chain/ahead.h"

/* import: what one block's import works on */
struct import {
    struct chain *c;
    const struct chain_ahead *ahead; /* or NULL: what is known of it already */
    struct arena arena;
    struct block block;
    struct header parent;
    struct block_meta parent_meta;
    u256 td;
    uint64_t now_ms;
    enum block_verdict verdict;
    struct err *err;
};

static inline enum status import_bad(struct import *im, enum block_verdict v)
{
    im->verdict = v;
    return OK;
}

/* the time since *from goes to a stage; the next stage begins */
static inline void import_charge(uint64_t *stage_ns, uint64_t *from_ns)
{
    const uint64_t now = clock_mono_ns();
    *stage_ns += now - *from_ns;
    *from_ns = now;
}

/* import_from_aura: the engine's verdict as the chain's */
enum block_verdict import_from_aura(enum aura_verdict v);
/** import_prepare: everything up to the point where it is known on what the block builds; *result is set when that settles it. */
MUST_CHECK enum status import_prepare(bool *settled, enum import_result *result, uint64_t *retry_ms, struct import *im, bytes rlp, struct kv_txn *txn);
/* import_gas_limit_in_bounds: SPEC(aura.md B4): strict at both ends */
bool import_gas_limit_in_bounds(const struct chain *c, const struct header *h, const struct header *parent);
/** import_run_block: execute b on the latest state in txn, which is that of its parent, and write it; *e is the epoch at the parent and moves on.
 *  On a bad verdict txn is to be aborted. Receipts in a. */
MUST_CHECK enum status import_run_block(struct import *im, struct kv_txn *txn, struct epoch *e, struct block *b, const u256 *td,
                                        struct chain_head *head, struct epoch_step *step, uint64_t finalised, struct receipt **receipts_out,
                                        struct arena *a);
/** import_report_skipped: validators that let a step go by before the block; before a set that it changed is shown. */
void import_report_skipped(struct chain *c, const struct import *im);
/** import_judge_side: a block whose parent is not the head: *fork, where its branch leaves the chain, and whether the branch comes before the chain with
 *  it; unsure: only execution can tell. A verdict that is bad is im's. */
MUST_CHECK enum status import_judge_side(uint64_t *fork, bool *better, bool *unsure, struct import *im, struct kv_txn *txn);
/** import_put_side: into txn; import_note_side: after its commit. */
MUST_CHECK enum status import_put_side(struct import *im, struct kv_txn *txn);
void import_note_side(struct chain *c, const hash32 *hash, uint64_t fork);
/** import_one: a block by itself: rlp, or ahead if that is not NULL */
MUST_CHECK enum status import_one(struct chain_imported *out, struct chain *c, bytes rlp, struct chain_ahead *ahead, uint64_t now_ms, struct err *err);

#endif
