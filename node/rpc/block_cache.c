/* block_cache.c: a server thread's last decoded blocks. A client that asks for the receipts of a block one transaction at a time would
 * else make us decode the block once for each of them. A block never changes under its hash, so nothing here is ever stale. */
#include "node/rpc/rpc_priv.h"

void block_cache_fini(struct rpc_worker *w)
{
    for (size_t i = 0; i < RPC_CACHED_BLOCKS; i++)
        if (w->cache[i].is_used) arena_fini(&w->cache[i].arena);
}

static struct cached_block *find(struct rpc_worker *w, const hash32 *hash)
{
    for (size_t i = 0; i < RPC_CACHED_BLOCKS; i++)
        if (w->cache[i].is_valid && hash_eq(&w->cache[i].block.hash, hash)) return &w->cache[i];
    return NULL;
}

/* the place that was used longest ago, emptied */
static struct cached_block *take_oldest(struct rpc_worker *w)
{
    struct cached_block *e = &w->cache[0];
    for (size_t i = 1; i < RPC_CACHED_BLOCKS; i++)
        if (w->cache[i].last_use < e->last_use) e = &w->cache[i];
    struct arena arena = e->arena;
    if (e->is_used) arena_reset(&arena);
    else arena_init(&arena, RPC_ARENA_MAX);
    *e = (struct cached_block){.arena = arena, .is_used = true};
    return e;
}

static enum status load(struct cached_block *e, struct kv_txn *txn, const hash32 *hash)
{
    enum status s = blocks_get(&e->block, txn, hash, &e->arena);
    for (size_t i = 0; s == OK && i < e->block.n_txs; i++)
        if (!e->block.txs[i].has_sender) s = tx_recover(&e->block.txs[i], false);
    return s;
}

struct cached_block *cached_block_get(struct rpc_call *c, const hash32 *hash)
{
    struct rpc_worker *w = c->w;
    struct cached_block *e = find(w, hash);
    if (e == NULL) {
        struct kv_txn *txn = rpc_txn(c);
        if (txn == NULL) return NULL;
        e = take_oldest(w);
        enum status s = load(e, txn, hash);
        if (s != OK) {
            IGNORE(!rpc_fail_status(c, s, "block"), "it is always false");
            return NULL;
        }
        e->is_valid = true;
    }
    e->last_use = ++w->cache_clock;
    return e;
}

bool cached_block_receipts(struct cached_block *e, struct rpc_call *c)
{
    if (e->receipts != NULL) return true;
    struct kv_txn *txn = rpc_txn(c);
    if (txn == NULL) return false;
    size_t n;
    struct receipt *receipts;
    enum status s = blocks_get_receipts(&receipts, &n, txn, &e->block.hash, &e->arena);
    if (s == OK && n != e->block.n_txs) s = E_CORRUPT;
    size_t *first_log = s == OK ? arena_zalloc(&e->arena, n + 1, sizeof *first_log) : NULL;
    if (s == OK && first_log == NULL) s = E_NOMEM;
    if (s != OK) return rpc_fail_status(c, s, "receipts");
    for (size_t i = 0; i < n; i++) first_log[i + 1] = first_log[i] + receipts[i].n_logs;
    e->receipts = receipts;
    e->first_log = first_log;
    return true;
}

bool load_block(struct block *out, struct rpc_call *c, const hash32 *hash)
{
    struct cached_block *e = cached_block_get(c, hash);
    if (e != NULL) *out = e->block;
    return e != NULL;
}
