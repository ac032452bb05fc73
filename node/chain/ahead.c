#include "node/chain/ahead.h"

#include "lib/base/clock.h"
#include "lib/crypto/keccak.h"

/* Transactions of eleven bytes each, which nobody could have signed, are forty times as large when they are decoded: of those many at once
 * would be too much. Usual ones come to five times. */
enum { DECODED_FACTOR = 16, DECODED_MIN = 64 << 10, DECODED_MAX = 32 << 20 };

static size_t arena_max(size_t len)
{
    const size_t decoded = len > DECODED_MAX / DECODED_FACTOR ? DECODED_MAX : DECODED_FACTOR * len;
    return len + (decoded < DECODED_MIN ? DECODED_MIN : decoded);
}

static bool is_whole(struct chain_ahead *a)
{
    struct block *b = &a->block;
    bytes rest = a->rlp;
    hash32 root, uncles;
    if (block_get(b, &rest, &a->arena, NULL) != OK || rest.len != 0) return false;
    if (chain_tx_root(&root, b->txs, b->n_txs, &a->arena) != OK) return false;
    keccak256(uncles.b, b->uncles_raw.ptr, b->uncles_raw.len);
    return hash_eq(&root, &b->header.tx_root) && hash_eq(&uncles, &b->header.uncles_hash);
}

static void recover_all(struct chain_ahead *a)
{
    struct block *b = &a->block;
    struct rules rules;
    struct tx **all = arena_zalloc(&a->arena, b->n_txs + 1, sizeof *all);
    if (all == NULL) return;
    for (size_t i = 0; i < b->n_txs; i++)
        all[i] = &b->txs[i];
    chain_spec_rules(&rules, a->spec, b->header.number, b->header.timestamp);
    tx_recover_many(all, b->n_txs, rules.homestead);
}

static void run(struct worker_task *t)
{
    struct chain_ahead *a = (struct chain_ahead *)t;
    a->is_whole = is_whole(a);
    if (!a->is_whole) return;
    a->is_signed = a->spec->engine == ENGINE_AURA && aura_check_signature(&a->block.header) == AURA_VALID;
    if (a->is_signed || a->spec->engine != ENGINE_AURA) recover_all(a); /* else it is bad: no more work for it */
}

enum status chain_ahead_new(struct chain_ahead **out, struct chain *c, bytes block_rlp)
{
    if (block_rlp.len > BLOCK_MAX) return E_LIMIT;
    struct chain_ahead *a = calloc(1, sizeof *a);
    if (a == NULL) return E_NOMEM;
    a->task.run = run;
    a->spec = c->spec;
    arena_init(&a->arena, arena_max(block_rlp.len));
    a->rlp = arena_copy(&a->arena, block_rlp);
    if (a->rlp.ptr == NULL) {
        arena_fini(&a->arena);
        free(a);
        return E_NOMEM;
    }
    workers_begin(c->workers, &a->task);
    *out = a;
    return OK;
}

void chain_ahead_finish(struct chain *c, struct chain_ahead *a)
{
    const uint64_t from = clock_mono_ns();
    workers_finish(c->workers, &a->task);
    if (a->is_counted) return;
    a->is_counted = true;
    c->times.ahead_ns += a->task.cpu_ns;
    c->times.wait_ns += clock_mono_ns() - from;
}

void chain_ahead_free(struct chain *c, struct chain_ahead *a)
{
    if (a == NULL) return;
    workers_cancel(c->workers, &a->task);
    arena_fini(&a->arena);
    free(a);
}
