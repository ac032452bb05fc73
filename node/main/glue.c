/* glue.c: the chain and the pool as the sync, the RPC server and the importer see them. */
#include "lib/base/clock.h"
#include "node/chain/chain.h"
#include "node/main/node.h"

enum { LOG_IMPORT_EVERY_MS = 1000 };

/* ------------------------------------------------------- sync: the chain */

static void get_head(void *ctx, struct sync_head *out)
{
    struct node *n = ctx;
    struct chain_head h;
    chain_get_head(&h, n->chain);
    *out = (struct sync_head){.number = h.number, .timestamp = h.timestamp, .finalised = h.finalised, .hash = h.hash, .td = h.td};
}

static enum status get_meta(void *ctx, uint64_t *number, u256 *td, const hash32 *hash)
{
    struct node *n = ctx;
    return chain_find(number, td, n->chain, hash);
}

static bool has_block(void *ctx, const hash32 *hash)
{
    uint64_t number;
    u256 td;
    return get_meta(ctx, &number, &td, hash) == OK;
}

static enum status get_canonical(void *ctx, hash32 *out, uint64_t number)
{
    struct node *n = ctx;
    return chain_find_canonical(out, n->chain, number);
}

static enum status put_header(void *ctx, struct buf *out, const hash32 *hash)
{
    struct node *n = ctx;
    return chain_put_raw(out, n->chain, hash, blocks_get_header_raw);
}

static enum status put_body(void *ctx, struct buf *out, const hash32 *hash)
{
    struct node *n = ctx;
    return chain_put_raw(out, n->chain, hash, blocks_get_body_raw);
}

static enum status put_receipts(void *ctx, struct buf *out, const hash32 *hash)
{
    struct node *n = ctx;
    return chain_put_raw(out, n->chain, hash, blocks_get_receipts_raw);
}

static enum status tx_root(void *ctx, hash32 *out, bytes txs)
{
    (void)ctx;
    return chain_body_tx_root(out, txs);
}

static enum status imported(enum status s, struct sync_import *out, uint64_t retry_ms, uint64_t now, const struct err *err)
{
    if (s != OK) {
        log_error("chain", "import failed reason=%s: %s", status_name(s), err_text(err));
        return s;
    }
    if (out->result == IMPORT_BAD) log_warn("chain", "bad block reason=\"%s\" %s", block_verdict_text(out->verdict), err_text(err));
    if (out->result == IMPORT_EARLY) out->retry_in_ms = retry_ms > now ? retry_ms - now : 1;
    return OK;
}

static enum status import_block(void *ctx, struct sync_import *out, bytes block)
{
    struct node *n = ctx;
    struct err err = {0};
    uint64_t retry_ms = 0, now = clock_wall_ms();
    n->import_began_ns = clock_mono_ns();
    const enum status s = chain_import(&out->result, &out->verdict, &retry_ms, n->chain, block, now, &err);
    return imported(s, out, retry_ms, now, &err);
}

static void *prepare(void *ctx, bytes block)
{
    struct node *n = ctx;
    struct chain_ahead *a = NULL;
    return chain_ahead_new(&a, n->chain, block) == OK ? a : NULL;
}

static void forget(void *ctx, void *prepared)
{
    struct node *n = ctx;
    chain_ahead_free(n->chain, prepared);
}

static enum status import_chain(void *ctx, struct sync_import *out, size_t *n_done, void *const *prepared, size_t count)
{
    struct node *n = ctx;
    struct err err = {0};
    struct chain_imported r;
    struct chain_ahead *list[CHAIN_GROUP_MAX];
    const uint64_t now = clock_wall_ms();
    if (count > CHAIN_GROUP_MAX) count = CHAIN_GROUP_MAX;
    for (size_t i = 0; i < count; i++)
        list[i] = prepared[i];
    n->import_began_ns = clock_mono_ns();
    const enum status s = chain_import_group(&r, n->chain, list, count, now, &err);
    if (s == OK) {
        *n_done = r.n;
        *out = (struct sync_import){.result = r.result, .verdict = r.verdict};
    }
    return imported(s, out, r.retry_ms, now, &err);
}

/* -------------------------------------------------------- sync: the pool */

static bool has_tx(void *ctx, const hash32 *hash)
{
    struct node *n = ctx;
    return pool_has(n->pool, hash);
}

static enum sync_tx add_tx(void *ctx, bytes canonical, const hash32 *hash)
{
    struct node *n = ctx;
    struct err err = {0};
    hash32 h = *hash;
    enum status s = node_submit(&h, n, canonical, &err);
    if (s == OK && n->rpc != NULL) rpc_on_pending(n->rpc, &h, 1);
    if (s == OK) return SYNC_TX_ADDED;
    if (s == E_EXISTS) return SYNC_TX_KNOWN;
    return s == E_DECODE || s == E_CRYPTO ? SYNC_TX_BAD : SYNC_TX_REFUSED;
}

static bool put_tx(void *ctx, struct buf *out, const hash32 *hash)
{
    struct node *n = ctx;
    return pool_put(n->pool, out, hash);
}

static size_t list_txs(void *ctx, hash32 *out, size_t max)
{
    struct node *n = ctx;
    return pool_list(n->pool, out, max);
}

void node_sync_ops(struct sync_ops *out, struct node *n)
{
    *out = (struct sync_ops){.chain = n,
                             .get_head = get_head,
                             .has_block = has_block,
                             .get_meta = get_meta,
                             .get_canonical = get_canonical,
                             .put_header = put_header,
                             .put_body = put_body,
                             .put_receipts = put_receipts,
                             .tx_root = tx_root,
                             .import = import_block,
                             .prepare = prepare,
                             .forget = forget,
                             .import_chain = import_chain,
                             .pool = n,
                             .has_tx = has_tx,
                             .add_tx = add_tx,
                             .put_tx = put_tx,
                             .list_txs = list_txs};
}

/* -------------------------------------------------------- chain: listener */

bool node_known_sender(void *ctx, const hash32 *hash, address *out)
{
    struct node *n = ctx;
    return n->pool != NULL && pool_known_sender(n->pool, hash, out);
}

static int cmp_address(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(address));
}

/* the senders whose transactions came into or left the chain, with what they have now */
static enum status changed_accounts(struct pool_account **out, size_t *n_out, struct node *n, const struct chain_event *e,
                                    const struct block *removed, size_t n_removed, struct arena *a)
{
    size_t n_txs = 0, k = 0;
    for (size_t i = 0; i < e->n_added; i++)
        n_txs += e->added[i].n_txs;
    for (size_t i = 0; i < n_removed; i++)
        n_txs += removed[i].n_txs;
    address *who = arena_zalloc(a, n_txs + 1, sizeof *who);
    struct pool_account *list = arena_zalloc(a, n_txs + 1, sizeof *list);
    if (who == NULL || list == NULL) return E_NOMEM;
    for (size_t i = 0; i < e->n_added + n_removed; i++) {
        const struct block *b = i < e->n_added ? &e->added[i] : &removed[i - e->n_added];
        for (size_t t = 0; t < b->n_txs; t++)
            if (b->txs[t].has_sender) who[k++] = b->txs[t].sender;
    }
    qsort(who, k, sizeof *who, cmp_address);
    struct kv_txn *txn = NULL;
    struct state *state = NULL;
    size_t m = 0;
    enum status s = k == 0 ? OK : kv_begin(&txn, n->kv, false);
    if (s == OK && k > 0) s = state_open(&state, txn, STATE_LATEST);
    for (size_t i = 0; s == OK && i < k; i++) {
        if (i > 0 && address_eq(&who[i], &who[i - 1])) continue;
        list[m].addr = who[i];
        s = state_get_nonce(state, &who[i], &list[m].nonce);
        if (s == OK) s = state_get_balance(state, &who[i], &list[m].balance);
        m++;
    }
    state_free(state);
    kv_abort(txn);
    if (s == OK) {
        *out = list;
        *n_out = m;
    }
    return s;
}

static enum status load_removed(struct block **out, struct node *n, const struct chain_event *e, struct arena *a)
{
    struct block *list = arena_zalloc(a, e->n_removed + 1, sizeof *list);
    if (list == NULL) return E_NOMEM;
    struct kv_txn *txn = NULL;
    enum status s = e->n_removed == 0 ? OK : kv_begin(&txn, n->kv, false);
    for (size_t i = 0; s == OK && i < e->n_removed; i++)
        s = blocks_get(&list[i], txn, &e->removed[i], a);
    kv_abort(txn);
    if (s == OK) *out = list;
    return s;
}

static void update_pool(struct node *n, const struct chain_event *e)
{
    struct arena a;
    arena_init(&a, 512 << 20);
    struct block *removed = NULL;
    struct pool_account *changed = NULL;
    size_t n_changed = 0;
    enum status s = load_removed(&removed, n, e, &a);
    if (s == OK) s = changed_accounts(&changed, &n_changed, n, e, removed, e->n_removed, &a);
    if (s == OK) pool_on_head(n->pool, changed, n_changed, e->added[e->n_added - 1].header.gas_limit);
    submit_on_head(n->submit);
    if (s != OK) log_error("pool", "cannot follow the head reason=%s", status_name(s));
    /* what left the chain waits again, unless the new branch has it */
    for (size_t i = 0; s == OK && i < e->n_removed; i++) {
        for (size_t t = 0; t < removed[i].n_txs; t++) {
            hash32 hash;
            IGNORE(node_submit(&hash, n, removed[i].txs[t].raw, NULL), "it may be in the new branch, or no longer valid");
        }
    }
    arena_fini(&a);
}

/* SPEC(aura.md B12): at most one line a second, the others summed up in the next */
static void log_import(struct node *n, const struct chain_event *e)
{
    const struct block *b = &e->added[e->n_added - 1];
    char hash[67];
    size_t before = 0; /* transactions of those before the last */
    for (size_t i = 0; i + 1 < e->n_added; i++)
        before += e->added[i].n_txs;
    hash_put(hash, &b->hash);
    if (e->n_removed > 0) log_warn("chain", "re-organisation removed=%zu added=%zu head=%llu", e->n_removed, e->n_added, (unsigned long long)b->header.number);
    uint64_t now = clock_mono_ms();
    if (!e->is_own && now - n->logged_import_ms < LOG_IMPORT_EVERY_MS) {
        n->quiet_blocks += e->n_added;
        n->quiet_txs += before + b->n_txs;
        return;
    }
    n->quiet_blocks += e->n_added - 1;
    n->quiet_txs += before;
    char more[100] = "";
    if (n->quiet_blocks > 0) (void)snprintf(more, sizeof more, " + another %zu block(s) containing %zu tx(s)", n->quiet_blocks, n->quiet_txs);
    char bytes_text[40] = "";
    if (!e->is_own) (void)snprintf(bytes_text, sizeof bytes_text, ", %zu.%02zu KiB", b->raw.len / 1024, b->raw.len % 1024 * 100 / 1024);
    log_info("chain", "%s #%llu %.6s…%s (%zu txs, %llu.%02llu Mgas, %llu ms%s)%s", e->is_own ? "Sealed" : "Imported",
             (unsigned long long)b->header.number, hash, hash + 62, b->n_txs, (unsigned long long)(b->header.gas_used / 1000000),
             (unsigned long long)(b->header.gas_used % 1000000 / 10000), (unsigned long long)((clock_mono_ns() - n->import_began_ns) / 1000000),
             bytes_text, more);
    n->logged_import_ms = now;
    n->quiet_blocks = n->quiet_txs = 0;
}

void node_on_event(void *ctx, const struct chain_event *e)
{
    struct node *n = ctx;
    log_import(n, e);
    node_gauges_on_event(n, e);
    node_gate_on_head(n);
    update_pool(n, e);
    if (n->rpc != NULL) rpc_on_chain_event(n->rpc, e);
    node_schedule_seal(n);
}

/* --------------------------------------------------------------- RPC */

static enum status rpc_add(void *ctx, hash32 *hash, bytes raw, struct err *err)
{
    return node_add_tx(hash, ctx, raw, err);
}

enum status node_add_tx(hash32 *hash, struct node *n, bytes raw, struct err *err)
{
    enum status s = node_submit(hash, n, raw, err);
    if (s != OK) return s;
    pthread_mutex_lock(&n->lock);
    bool wake = n->n_new_txs == 0 && !n->has_tx_timer;
    if (n->n_new_txs < TX_QUEUE_MAX) n->new_txs[n->n_new_txs++] = *hash;
    pthread_mutex_unlock(&n->lock);
    if (wake) uv_async_send(&n->wake);
    return OK;
}

static bool rpc_get(void *ctx, struct tx *out, const hash32 *hash, struct arena *a)
{
    struct node *n = ctx;
    return pool_get(out, n->pool, hash, a) == OK;
}

static uint64_t rpc_next_nonce(void *ctx, const address *sender, uint64_t state_nonce)
{
    struct node *n = ctx;
    return pool_next_nonce(n->pool, sender, state_nonce);
}

static enum status rpc_content(void *ctx, struct rpc_pool_tx **out, size_t *n_out, size_t max, const address *of, struct arena *a)
{
    struct node *n = ctx;
    struct pool_item *items;
    size_t k;
    enum status s = pool_content(&items, &k, n->pool, of, max, a);
    if (s != OK) return s;
    struct rpc_pool_tx *list = arena_zalloc(a, k + 1, sizeof *list);
    if (list == NULL) return E_NOMEM;
    for (size_t i = 0; i < k; i++)
        list[i] = (struct rpc_pool_tx){.tx = items[i].tx, .queued = items[i].is_queued};
    *out = list;
    *n_out = k;
    return OK;
}

static void rpc_count(void *ctx, size_t *pending, size_t *queued)
{
    struct node *n = ctx;
    pool_count(n->pool, pending, queued);
}

static void rpc_min_gas_price(void *ctx, u256 *out)
{
    (void)ctx;
    *out = U256_ZERO;
}

static size_t peer_count(void *ctx)
{
    struct node *n = ctx;
    pthread_mutex_lock(&n->lock);
    size_t k = n->n_peers;
    pthread_mutex_unlock(&n->lock);
    return k;
}

static size_t list_peers(void *ctx, struct rpc_peer *out, size_t max)
{
    struct node *n = ctx;
    pthread_mutex_lock(&n->lock);
    size_t k = n->n_peers < max ? n->n_peers : max;
    for (size_t i = 0; i < k; i++) {
        const struct p2p_peer_info *p = &n->peers[i];
        struct rpc_peer *r = &out[i];
        *r = (struct rpc_peer){.inbound = p->inbound, .is_static = p->is_static, .eth_version = p->eth.version, .td = p->eth.td, .head = p->eth.head, .head_number = p->eth.number};
        for (size_t b = 0; b < 64; b++)
            (void)snprintf(r->id + 2 * b, 3, "%02x", p->pub[b]);
        (void)snprintf(r->client, sizeof r->client, "%.127s", p->client);
        (void)snprintf(r->caps, sizeof r->caps, "%.127s", p->caps);
        (void)snprintf(r->remote, sizeof r->remote, "%.63s", p->remote);
        (void)snprintf(r->local, sizeof r->local, "%.63s", p->local);
        (void)snprintf(r->enode, sizeof r->enode, "enode://%s@%s", r->id, r->remote);
    }
    pthread_mutex_unlock(&n->lock);
    return k;
}

static bool own_enode(void *ctx, char dst[static 512])
{
    struct node *n = ctx;
    pthread_mutex_lock(&n->lock);
    memcpy(dst, n->enode, sizeof n->enode);
    pthread_mutex_unlock(&n->lock);
    return dst[0] != '\0';
}

static bool syncing(void *ctx, uint64_t *starting, uint64_t *highest)
{
    struct node *n = ctx;
    pthread_mutex_lock(&n->lock);
    bool yes = n->sync.is_syncing;
    *starting = n->sync.starting_block;
    *highest = n->sync.highest_block;
    pthread_mutex_unlock(&n->lock);
    return yes;
}

static bool reserve(void *ctx, const char *enode, bool add)
{
    struct node *n = ctx;
    char *copy = strdup(enode);
    pthread_mutex_lock(&n->lock);
    const bool room = copy != NULL && n->n_new_peers < PENDING_PEERS_MAX;
    if (room) {
        n->is_leaving[n->n_new_peers] = !add;
        n->new_peers[n->n_new_peers++] = copy;
    }
    pthread_mutex_unlock(&n->lock);
    if (room) uv_async_send(&n->wake);
    else free(copy);
    return room;
}

static void reserved_only(void *ctx, bool only)
{
    struct node *n = ctx;
    pthread_mutex_lock(&n->lock);
    n->reserved_wish = only ? RESERVED_ONLY : RESERVED_AND_OTHERS;
    pthread_mutex_unlock(&n->lock);
    uv_async_send(&n->wake);
}

static bool author(void *ctx, address *out)
{
    struct node *n = ctx;
    if (n->has_self) *out = n->self;
    return n->has_self;
}

static bool is_sealing(void *ctx)
{
    struct node *n = ctx;
    pthread_mutex_lock(&n->lock);
    const bool is_off = n->clock.is_off;
    pthread_mutex_unlock(&n->lock);
    return n->has_self && !is_off;
}

static bool rpc_clock_of(void *ctx, struct rpc_clock *out)
{
    struct node *n = ctx;
    pthread_mutex_lock(&n->lock);
    *out = (struct rpc_clock){.n_measured = n->clock.n_measured, .n_apart = n->clock.n_apart, .ahead_ms = n->clock.ahead_ms,
                              .limit_ms = n->clock_limit_ms, .is_off = n->clock.is_off};
    pthread_mutex_unlock(&n->lock);
    return out->limit_ms != 0;
}

void node_rpc_tables(struct rpc_pool *pool, struct rpc_node *node, struct node *n)
{
    *pool = (struct rpc_pool){.ctx = n,
                              .add = rpc_add,
                              .get = rpc_get,
                              .next_nonce = rpc_next_nonce,
                              .content = rpc_content,
                              .count = rpc_count,
                              .max_txs = pool_max_txs(n->pool),
                              .min_gas_price = rpc_min_gas_price};
    *node = (struct rpc_node){.ctx = n,
                              .peer_count = peer_count,
                              .peers = list_peers,
                              .max_peers = n->cfg.max_peers,
                              .enode = own_enode,
                              .syncing = syncing,
                              .author = author,
                              .is_sealing = is_sealing,
                              .clock = rpc_clock_of,
                              .reserve = reserve,
                              .reserved_only = reserved_only};
}
