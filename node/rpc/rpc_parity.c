/* rpc_parity.c: what tools of Parity networks ask for (reference/aura.md B13). */
#include "lib/eth/enode.h"
#include "node/rpc/rpc_priv.h"

static bool get_enode(char dst[static 512], struct rpc_call *c)
{
    const struct rpc_node *n = &c->rpc->node;
    return n->enode != NULL && n->enode(n->ctx, dst);
}

bool parity_enode(struct rpc_call *c)
{
    char text[512];
    if (!get_enode(text, c)) return rpc_fail(c, RPC_SERVER, "Network is disabled or not yet up.");
    jo_str(c->out, text);
    return true;
}

bool parity_net_port(struct rpc_call *c)
{
    char text[512];
    struct enode e = {.tcp_port = 30300};
    if (get_enode(text, c) && enode_get(&e, bytes_str(text), NULL) != OK) e.tcp_port = 30300;
    jo_dec(c->out, e.tcp_port);
    return true;
}

static void put_caps(struct buf *b, const char *caps)
{
    jo_open(b, '[');
    while (*caps) {
        size_t n = strcspn(caps, ",");
        if (n > 0) jo_text(b, bytes_make(caps, n));
        caps += n;
        if (*caps == ',') caps++;
    }
    jo_close(b, ']');
}

static void put_peer(struct buf *b, const struct rpc_peer *p)
{
    jo_open(b, '{');
    jo_key(b, "id");
    jo_str(b, p->id);
    jo_key(b, "name");
    jo_str(b, p->client);
    jo_key(b, "caps");
    put_caps(b, p->caps);
    jo_key(b, "network");
    jo_open(b, '{');
    jo_key(b, "remoteAddress");
    jo_str(b, p->remote);
    jo_key(b, "localAddress");
    jo_str(b, p->local);
    jo_close(b, '}');
    jo_key(b, "protocols");
    jo_open(b, '{');
    jo_key(b, "eth");
    jo_open(b, '{');
    jo_key(b, "version");
    jo_dec(b, p->eth_version);
    jo_key(b, "difficulty");
    jo_u256(b, &p->td);
    jo_key(b, "head");
    char head[67];
    hash_put(head, &p->head);
    jo_str(b, head + 2); /* Parity shows it without 0x */
    jo_close(b, '}');
    jo_key(b, "pip");
    jo_null(b);
    jo_close(b, '}');
    jo_close(b, '}');
}

bool parity_net_peers(struct rpc_call *c)
{
    const struct rpc_node *n = &c->rpc->node;
    size_t max = n->peer_count ? n->peer_count(n->ctx) + 16 : 0, count = 0;
    struct rpc_peer *peers = arena_zalloc(c->a, max + 1, sizeof *peers);
    if (peers == NULL) return rpc_fail_status(c, E_NOMEM, "peers");
    if (n->peers) count = n->peers(n->ctx, peers, max);
    struct buf *b = c->out;
    jo_open(b, '{');
    jo_key(b, "active");
    jo_dec(b, count);
    jo_key(b, "connected");
    jo_dec(b, count);
    jo_key(b, "max");
    jo_dec(b, n->max_peers);
    jo_key(b, "peers");
    jo_open(b, '[');
    for (size_t i = 0; i < count; i++) put_peer(b, &peers[i]);
    jo_close(b, ']');
    jo_close(b, '}');
    return true;
}

bool parity_chain(struct rpc_call *c)
{
    jo_str(c->out, c->rpc->spec->name);
    return true;
}

bool parity_version_info(struct rpc_call *c)
{
    unsigned major = 0, minor = 0, patch = 0;
    const char *v = strstr(c->rpc->client_version, "/v");
    if (v != NULL && sscanf(v, "/v%u.%u.%u", &major, &minor, &patch) < 1) major = minor = patch = 0;
    struct buf *b = c->out;
    jo_open(b, '{');
    jo_key(b, "hash");
    jo_str(b, "0x0000000000000000000000000000000000000000");
    jo_key(b, "track");
    jo_str(b, "unknown");
    jo_key(b, "version");
    jo_open(b, '{');
    jo_key(b, "major");
    jo_dec(b, major);
    jo_key(b, "minor");
    jo_dec(b, minor);
    jo_key(b, "patch");
    jo_dec(b, patch);
    jo_close(b, '}');
    jo_close(b, '}');
    return true;
}

bool parity_next_nonce(struct rpc_call *c)
{
    address a;
    struct state *st;
    uint64_t nonce;
    bool pending;
    if (!param_address(&a, c, 0) || !param_state(&st, NULL, &pending, c, 1)) return false;
    enum status s = state_get_nonce(st, &a, &nonce);
    state_free(st);
    if (s != OK) return rpc_fail_status(c, s, "state");
    if (c->rpc->pool.next_nonce) nonce = c->rpc->pool.next_nonce(c->rpc->pool.ctx, &a, nonce);
    jo_u64(c->out, nonce);
    return true;
}

enum { SHOW_PENDING = 1, SHOW_QUEUED = 2 };

static bool put_pool(struct rpc_call *c, int show, bool full, size_t limit)
{
    struct rpc_pool_tx *list;
    size_t n;
    if (!rpc_pool_content(&list, &n, c, NULL)) return false;
    jo_open(c->out, '[');
    for (size_t i = 0; i < n && limit > 0; i++) {
        if (!(show & (list[i].queued ? SHOW_QUEUED : SHOW_PENDING))) continue;
        if (full) json_put_tx(c->out, &list[i].tx, NULL);
        else jo_hash(c->out, &list[i].tx.hash);
        limit--;
    }
    jo_close(c->out, ']');
    return true;
}

bool parity_pending_transactions(struct rpc_call *c)
{
    uint64_t limit = SIZE_MAX;
    json_t *v = param(c, 0);
    if (v != NULL && !value_u64(&limit, c, v, "limit")) return false;
    return put_pool(c, SHOW_PENDING, true, (size_t)limit);
}

bool parity_all_transactions(struct rpc_call *c)
{
    return put_pool(c, SHOW_PENDING | SHOW_QUEUED, true, SIZE_MAX);
}

bool parity_all_transaction_hashes(struct rpc_call *c)
{
    return put_pool(c, SHOW_PENDING | SHOW_QUEUED, false, SIZE_MAX);
}

bool parity_future_transactions(struct rpc_call *c)
{
    return put_pool(c, SHOW_QUEUED, true, SIZE_MAX);
}

bool parity_unsigned_count(struct rpc_call *c)
{
    jo_dec(c->out, 0);
    return true;
}

bool parity_chain_status(struct rpc_call *c)
{
    jo_open(c->out, '{');
    jo_key(c->out, "blockGap");
    jo_null(c->out);
    jo_close(c->out, '}');
    return true;
}

bool parity_mode(struct rpc_call *c)
{
    jo_str(c->out, "active");
    return true;
}

bool parity_node_name(struct rpc_call *c)
{
    jo_str(c->out, c->rpc->node_name);
    return true;
}

bool parity_node_kind(struct rpc_call *c)
{
    jo_open(c->out, '{');
    jo_key(c->out, "availability");
    jo_str(c->out, "public");
    jo_key(c->out, "capability");
    jo_str(c->out, "full");
    jo_close(c->out, '}');
    return true;
}

bool parity_min_gas_price(struct rpc_call *c)
{
    u256 least = U256_ZERO;
    if (c->rpc->pool.min_gas_price) c->rpc->pool.min_gas_price(c->rpc->pool.ctx, &least);
    jo_u256(c->out, &least);
    return true;
}

bool parity_registry_address(struct rpc_call *c)
{
    if (c->rpc->spec->has_registrar) jo_address(c->out, &c->rpc->spec->registrar);
    else jo_null(c->out);
    return true;
}

/* ------------------------------------------------------------------ what a tool may ask once: constants of this node and its configuration */

bool parity_transactions_limit(struct rpc_call *c)
{
    jo_dec(c->out, c->rpc->pool.max_txs);
    return true;
}

/* SPEC(aura.md B13): RLP [version, client, compiler, system] */
bool parity_extra_data(struct rpc_call *c)
{
    struct buf b;
    buf_init(&b, 256);
    size_t list = rlp_list_open(&b);
    rlp_put_uint(&b, BYTES_LIT("\x01"));
    rlp_put_string(&b, BYTES_LIT("poa-node"));
    rlp_put_string(&b, BYTES_LIT("C17"));
    rlp_put_string(&b, BYTES_LIT("li"));
    rlp_list_close(&b, list);
    jo_data(c->out, buf_view(&b));
    buf_fini(&b);
    return true;
}

static bool put_gas_limit(struct rpc_call *c)
{
    struct chain_head head;
    struct header h;
    struct kv_txn *txn = rpc_txn(c);
    if (txn == NULL) return false;
    chain_get_head(&head, c->rpc->chain);
    enum status s = blocks_get_header(&h, txn, &head.hash, c->a);
    if (s != OK) return rpc_fail_status(c, s, "header");
    jo_u64(c->out, h.gas_limit);
    return true;
}

/* the gas limit stands where it is: floor and ceiling are the head's */
bool parity_gas_floor_target(struct rpc_call *c)
{
    return put_gas_limit(c);
}

bool parity_gas_ceil_target(struct rpc_call *c)
{
    return put_gas_limit(c);
}

bool parity_dev_logs(struct rpc_call *c)
{
    jo_open(c->out, '[');
    jo_close(c->out, ']');
    return true;
}

bool parity_dev_logs_levels(struct rpc_call *c)
{
    jo_str(c->out, "");
    return true;
}

bool parity_rpc_settings(struct rpc_call *c)
{
    struct buf *b = c->out;
    jo_open(b, '{');
    jo_key(b, "enabled");
    jo_bool(b, true);
    jo_key(b, "interface");
    jo_str(b, c->rpc->bound_to);
    jo_key(b, "port");
    jo_dec(b, rpc_http_port(c->rpc));
    jo_close(b, '}');
    return true;
}

bool parity_ws_url(struct rpc_call *c)
{
    char text[512], url[600];
    struct enode e;
    uint16_t port = rpc_ws_port(c->rpc) ? rpc_ws_port(c->rpc) : rpc_http_port(c->rpc);
    if (!get_enode(text, c) || enode_get(&e, bytes_str(text), NULL) != OK) return rpc_fail(c, RPC_SERVER, "Network is disabled or not yet up.");
    snprintf(url, sizeof url, "%.500s:%u", e.host, port);
    jo_str(c->out, url);
    return true;
}

bool parity_consensus_capability(struct rpc_call *c)
{
    jo_str(c->out, "capable");
    return true;
}

bool parity_releases_info(struct rpc_call *c)
{
    jo_null(c->out);
    return true;
}

bool parity_list_accounts(struct rpc_call *c)
{
    jo_null(c->out); /* as Parity answers without fat database: accounts can't be listed */
    return true;
}

bool parity_list_storage_keys(struct rpc_call *c)
{
    address a;
    if (!param_address(&a, c, 0)) return false;
    jo_null(c->out);
    return true;
}

bool parity_local_transactions(struct rpc_call *c)
{
    jo_open(c->out, '{');
    jo_close(c->out, '}');
    return true;
}

bool parity_pending_transactions_stats(struct rpc_call *c)
{
    struct rpc_pool_tx *list;
    size_t n;
    if (!rpc_pool_content(&list, &n, c, NULL)) return false;
    jo_open(c->out, '{');
    for (size_t i = 0; i < n; i++) {
        char hash[67];
        if (list[i].queued) continue;
        hash_put(hash, &list[i].tx.hash);
        jo_key(c->out, hash);
        jo_open(c->out, '{');
        jo_key(c->out, "firstSeen");
        jo_null(c->out);
        jo_key(c->out, "propagatedTo");
        jo_open(c->out, '{');
        jo_close(c->out, '}');
        jo_close(c->out, '}');
    }
    jo_close(c->out, '}');
    return true;
}

static void put_health(struct buf *b, const char *key, bool ok, const char *text, uint64_t details)
{
    jo_key(b, key);
    jo_open(b, '{');
    jo_key(b, "status");
    jo_str(b, ok ? "ok" : "needsAttention");
    jo_key(b, "message");
    jo_str(b, ok ? "" : text);
    jo_key(b, "details");
    jo_dec(b, details);
    jo_close(b, '}');
}

bool parity_node_health(struct rpc_call *c)
{
    const struct rpc_node *n = &c->rpc->node;
    struct buf *b = c->out;
    uint64_t starting = 0, highest = 0, peers = n->peer_count ? n->peer_count(n->ctx) : 0;
    bool syncing = n->syncing != NULL && n->syncing(n->ctx, &starting, &highest);
    jo_open(b, '{');
    put_health(b, "peers", peers > 0, "no peers", peers);
    put_health(b, "sync", !syncing, "the node is behind its peers", highest);
    jo_close(b, '}');
    return true;
}

/* SPEC(Parity): an error while something is amiss, else null */
bool parity_node_status(struct rpc_call *c)
{
    const struct rpc_node *n = &c->rpc->node;
    uint64_t starting, highest;
    if (n->syncing != NULL && n->syncing(n->ctx, &starting, &highest)) return rpc_fail(c, RPC_SERVER, "Node is still syncing.");
    if (n->peer_count != NULL && n->peer_count(n->ctx) == 0) return rpc_fail(c, RPC_SERVER, "Node is not connected to any peers.");
    jo_null(c->out);
    return true;
}

/* the prices of the newest transactions in ten equal ranges; null without any */
bool parity_gas_price_histogram(struct rpc_call *c)
{
    enum { BLOCKS = 100, PRICES = 100, RANGES = 10 };
    struct chain_head head;
    struct kv_txn *txn = rpc_txn(c);
    u256 low = U256_ZERO, high = U256_ZERO, *prices = arena_zalloc(c->a, PRICES, sizeof *prices);
    uint64_t counts[RANGES] = {0};
    size_t n = 0;
    if (txn == NULL || prices == NULL) return txn != NULL && rpc_fail_status(c, E_NOMEM, "histogram");
    chain_get_head(&head, c->rpc->chain);
    for (uint64_t k = head.number, last = head.number > BLOCKS ? head.number - BLOCKS : 0; k > last && n < PRICES; k--) {
        hash32 hash;
        struct block b;
        if (blocks_get_canonical_hash(&hash, txn, k) != OK || !load_block(&b, c, &hash)) return rpc_fail_status(c, E_CORRUPT, "block");
        for (size_t i = 0; i < b.n_txs && n < PRICES; i++) {
            const u256 *p = &b.txs[i].max_fee;
            if (n == 0 || u256_lt(p, &low)) low = *p;
            if (n == 0 || u256_lt(&high, p)) high = *p;
            prices[n++] = *p;
        }
    }
    if (n == 0) return rpc_fail(c, RPC_SERVER, "Not enough data");
    u256 width, ten = u256_from_u64(RANGES), one = u256_from_u64(1);
    u256_divmod(&width, NULL, u256_add(u256_sub(high, low), ten), ten);
    if (u256_is_zero(&width)) width = one;
    jo_open(c->out, '{');
    jo_key(c->out, "bucketBounds");
    jo_open(c->out, '[');
    u256 at = low;
    for (int i = 0; i <= RANGES; i++, at = u256_add(at, width))
        jo_u256(c->out, &at);
    jo_close(c->out, ']');
    for (size_t i = 0; i < n; i++) {
        u256 k;
        u256_divmod(&k, NULL, u256_sub(prices[i], low), width);
        counts[k.w[0] < RANGES ? k.w[0] : RANGES - 1]++;
    }
    jo_key(c->out, "counts");
    jo_open(c->out, '[');
    for (int i = 0; i < RANGES; i++)
        jo_dec(c->out, counts[i]);
    jo_close(c->out, ']');
    jo_close(c->out, '}');
    return true;
}
