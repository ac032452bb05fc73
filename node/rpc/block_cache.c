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

static struct cached_block *oldest_but(struct rpc_worker *w, const struct cached_block *but)
{
    struct cached_block *e = NULL;
    for (size_t i = 0; i < RPC_CACHED_BLOCKS; i++)
        if (&w->cache[i] != but && w->cache[i].is_used && (e == NULL || w->cache[i].last_use < e->last_use)) e = &w->cache[i];
    return e;
}

/* large blocks: few of them. One that is in use stays. */
static void keep_small(struct rpc_worker *w, const struct cached_block *in_use)
{
    size_t sum = 0;
    for (size_t i = 0; i < RPC_CACHED_BLOCKS; i++)
        if (w->cache[i].is_used && &w->cache[i] != in_use) sum += w->cache[i].arena.used;
    for (struct cached_block *e; sum > RPC_CACHE_MAX && (e = oldest_but(w, in_use)) != NULL;) {
        sum -= e->arena.used;
        arena_fini(&e->arena);
        *e = (struct cached_block){0};
    }
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
        keep_small(w, e);
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

bool cached_block_logs(struct cached_block *e, struct rpc_call *c)
{
    if (e->logs != NULL) return true;
    const struct block *b = &e->block;
    const size_t n = e->first_log[b->n_txs];
    struct buf text;
    buf_init(&text, RPC_RESPONSE_MAX);
    size_t *at = arena_zalloc(&e->arena, n + 1, sizeof *at), k = 0;
    for (size_t i = 0; at != NULL && i < b->n_txs; i++) {
        for (size_t j = 0; j < e->receipts[i].n_logs; j++) {
            const struct log_place p = {&b->hash, &b->txs[i].hash, b->header.number, i, k, j, b->header.timestamp, false};
            at[k++] = text.len;
            json_put_log(&text, &e->receipts[i].logs[j], &p);
            buf_put_u8(&text, ',');
        }
    }
    uint8_t *copy = at != NULL && buf_status(&text) == OK ? arena_alloc(&e->arena, text.len + 1) : NULL;
    if (copy != NULL) {
        at[n] = text.len;
        if (text.len > 0) memcpy(copy, text.ptr, text.len);
        e->log_at = at;
        e->logs = copy;
    }
    buf_fini(&text);
    return copy != NULL || rpc_fail_status(c, E_NOMEM, "logs");
}

bool load_block(struct block *out, struct rpc_call *c, const hash32 *hash)
{
    struct cached_block *e = cached_block_get(c, hash);
    if (e != NULL) *out = e->block;
    return e != NULL;
}
