/* node.c: a node's life: identity -> spec -> database -> chain -> pool -> peers -> RPC and pages -> steps, until it is told to stop. */
#include "node/main/node.h"

#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/rng.h"
#include "lib/codec/hex.h"
#include "lib/crypto/keccak.h"
#include "lib/crypto/secp256k1.h"
#include "node/aura/aura.h"
#include "node/rpc/rpc_json.h"
#include "node/store/tables.h"

#include <fcntl.h>
#include <malloc.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SPEC_MAX = 64 << 20,
    TICK_MS = 250,
    TX_MS = 10, /* transactions are announced that long after they came in, at most */
    INFORM_MS = 30000,
    SPEC_WAIT_MS = 10000,
    SPEC_PAUSE_MS = 250,
    RECENT_BEHIND = 10, /* SPEC(original-product.md A5): recentBlock is 10 behind the head */
};
#define MAP_BYTES ((uint64_t)1 << 40) /* address space of the database, not disk */

/* -------------------------------------------------------------- identity */

static void on_acquired(void *ctx, const uint8_t who[20], const secret32 *node_key)
{
    struct node *n = ctx;
    char text[43];
    address a;
    memcpy(a.b, who, sizeof a.b);
    address_put_checksum(text, &a);
    log_info("identity", "acquired address=%s", text);
    pthread_mutex_lock(&n->lock);
    if (n->has_self && !address_eq(&n->self, &a)) {
        n->restart = true; /* a node is one identity for its life: another one begins with a fresh process */
    } else if (n->has_self) {
        n->again = true;
    } else {
        n->self = a;
        if (node_key != NULL) n->node_key = *node_key;
        n->has_self = true;
    }
    pthread_mutex_unlock(&n->lock);
    uv_async_send(&n->wake);
}

static void on_lost(void *ctx, enum identity_loss why)
{
    (void)ctx;
    switch (why) {
    case IDENTITY_LOST_TAKEN: log_warn("identity", "lost: the lease is someone else's now"); break;
    case IDENTITY_LOST_EXPIRED: log_warn("identity", "lost: the store could not be reached until the lease's end"); break;
    case IDENTITY_LOST_STOPPED: break;
    }
}

static void on_trouble(void *ctx, const char *text)
{
    (void)ctx;
    log_warn("identity", "%s", text);
}

static enum status load_key_file(struct node *n, struct err *err)
{
    struct stat st;
    if (stat(n->cfg.key_file, &st) != 0) return err_set(err, E_NOT_FOUND, "identity.key_file: cannot open %s", n->cfg.key_file);
    if ((st.st_mode & 077) != 0) return err_set(err, E_DENIED, "identity.key_file: %s can be read by others; chmod 600 it", n->cfg.key_file);
    struct buf text;
    buf_init(&text, 256);
    enum status s = file_read(&text, n->cfg.key_file, err);
    while (s == OK && text.len > 0 && text.ptr[text.len - 1] <= ' ')
        text.len--;
    if (s == OK && (hex_get_fixed(n->file_key.b, 32, buf_view(&text)) != OK || ec_secret_check(&n->file_key) != OK))
        s = err_set(err, E_INVALID, "identity.key_file: %s holds no private key (64 hexadecimal digits)", n->cfg.key_file);
    uint8_t pub[64];
    if (s == OK) s = ec_public(pub, &n->file_key);
    if (s == OK) {
        ec_address(n->self.b, pub);
        identity_node_key(&n->node_key, &n->file_key);
        n->has_self = true;
    }
    if (text.ptr != NULL) secret_wipe(text.ptr, text.cap);
    buf_fini(&text);
    return s == OK ? journal_open(&n->journal, n->cfg.base_path, err) : s;
}

/* how the store is reached; *secret holds what cfg borrows: wipe it with store_secret_fini */
static enum status store_config(struct identity_config *out, struct buf *secret, const struct node_config *c, struct err *err)
{
    buf_init(secret, 4096);
    const enum status s = c->client_secret_file == NULL ? OK : file_read(secret, c->client_secret_file, err);
    while (s == OK && secret->len > 0 && secret->ptr[secret->len - 1] <= ' ')
        secret->len--;
    const bool msi = c->token_kind == NULL || strcmp(c->token_kind, "msi") == 0;
    *out = (struct identity_config){.vault_uri = c->vault_uri,
                                    .blob_uri = c->blob_uri,
                                    .container = c->container,
                                    .token = {.kind = msi ? AZURE_TOKEN_MSI : AZURE_TOKEN_CLIENT,
                                              .token_uri = c->token_uri,
                                              .client_id = c->client_id,
                                              .client_secret = s == OK && secret->len > 0 ? buf_cstr(secret) : NULL,
                                              .ca_file = c->ca_file},
                                    .ca_file = c->ca_file,
                                    .hostname = c->hostname,
                                    .region = c->region,
                                    .sign = c->mode == IDENTITY_SIGN,
                                    .lease_s = c->lease_s,
                                    .base_path = c->base_path};
    return s;
}

static void store_secret_fini(struct buf *secret)
{
    if (secret->ptr != NULL) secret_wipe(secret->ptr, secret->cap);
    buf_fini(secret);
}

static enum status start_identity(struct node *n, struct err *err)
{
    struct buf secret;
    struct identity_config ic;
    enum status s = store_config(&ic, &secret, &n->cfg, err);
    struct identity_callbacks cb = {.ctx = n, .on_acquired = on_acquired, .on_lost = on_lost, .on_trouble = on_trouble};
    if (s == OK) s = identity_start(&n->identity, &ic, &cb, err);
    store_secret_fini(&secret);
    return s;
}

/* An observer's specification. A young store may not have it yet; whoever keeps this process starts it again if it takes too long. */
static enum status fetch_spec(struct node *n, struct err *err)
{
    struct buf secret;
    struct identity_config ic;
    const uint64_t until = clock_mono_ms() + SPEC_WAIT_MS;
    enum status s = store_config(&ic, &secret, &n->cfg, err);
    const enum status ready = s;
    while (ready == OK) {
        buf_clear(&n->spec_text);
        buf_clear(&n->contracts_text);
        s = identity_fetch_blob(&n->spec_text, &ic, "spec.json", SPEC_WAIT_MS, err);
        if (s == OK) s = identity_fetch_blob(&n->contracts_text, &ic, "contracts.json", SPEC_WAIT_MS, err);
        if (s == OK || clock_mono_ms() >= until) break;
        clock_sleep_ms(SPEC_PAUSE_MS);
    }
    store_secret_fini(&secret);
    return s;
}

/* ------------------------------------------------------------------ boot */

static enum status load_spec(struct node *n, struct err *err)
{
    enum status s;
    if (n->cfg.chain != NULL) {
        s = file_read(&n->spec_text, n->cfg.chain, err);
    } else if (n->identity == NULL) {
        s = fetch_spec(n, err);
    } else {
        s = identity_get_blob(n->identity, &n->spec_text, "spec.json", err);
        if (s == OK) s = identity_get_blob(n->identity, &n->contracts_text, "contracts.json", err);
    }
    if (s == OK) s = chain_spec_parse(&n->spec, buf_view(&n->spec_text), err);
    if (s != OK) return err_prefix(err, "chain specification");
    n->has_spec = true;
    for (size_t i = 0; i < n->spec.n_warnings; i++)
        log_warn("spec", "%s", n->spec.warnings[i]);
    return OK;
}

/* one a processor beside the loop's own, but a node is not alone on its machine */
static unsigned worker_threads(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 2 ? 0 : n > 4 ? 3 : (unsigned)n - 1;
}

static enum status open_chain(struct node *n, struct err *err)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/db", n->cfg.base_path);
    enum status s = tables_open(&n->kv, path, MAP_BYTES, 0, err);
    struct chain_config cc = {.archive = n->cfg.archive,
                              .cache_bytes = n->cfg.cache_bytes,
                              .gas_floor_target = n->cfg.gas_floor_target,
                              .extra_data = BYTES_LIT(NODE_CLIENT),
                              .worker_threads = worker_threads(),
                              .known_sender = node_known_sender,
                              .listener_ctx = n,
                              .on_event = node_on_event,
                              .on_report = node_on_report};
    struct pool_limits limits = {0};
    if (s == OK) s = chain_open(&n->chain, n->kv, &n->spec, &cc, err);
    (void)malloc_trim(0); /* what a specification with many accounts took to read and to execute */
    if (s == OK) s = pool_new(&n->pool, &limits);
    if (s == OK) s = submit_new(&n->submit);
    if (s != OK) return s;
    struct chain_head head;
    char genesis[67];
    hash32 g = chain_genesis_hash(n->chain);
    chain_get_head(&head, n->chain);
    hash_put(genesis, &g);
    log_info("chain", "Configured for %s using AuthorityRound engine genesis=%s head=%llu", n->spec.name, genesis, (unsigned long long)head.number);
    return OK;
}

static void p2p_log(void *ctx, enum log_level level, const char *line)
{
    (void)ctx;
    log_line(level, "p2p", "%s", line);
}

static enum status on_consensus(void *ctx, bytes message)
{
    struct node *n = ctx;
    return chain_add_empty_step(n->chain, message, clock_wall_ms());
}

static enum status start_peers(struct node *n, struct err *err)
{
    struct sync_ops ops;
    struct sync_config sc = {.network_id = n->spec.network_id, .genesis = chain_genesis_hash(n->chain)};
    forkid_init(&sc.forks, &n->spec, &sc.genesis, n->spec.genesis.timestamp);
    rng_fill(&sc.seed, sizeof sc.seed);
    node_sync_ops(&ops, n);
    struct p2p_config pc = {.key = n->node_key,
                            .bind_ip = n->cfg.network_address,
                            .port = n->cfg.network_port,
                            .advertised_ip = n->cfg.public_address,
                            .max_peers = n->cfg.max_peers,
                            .max_inbound = n->cfg.max_inbound,
                            .reserved_only = n->cfg.reserved_only,
                            .static_nodes = n->cfg.reserved,
                            .n_static_nodes = n->cfg.n_reserved,
                            .allow = node_gate_allows,
                            .boot_nodes = n->cfg.bootnodes,
                            .n_boot_nodes = n->cfg.n_bootnodes,
                            .discovery = n->cfg.discovery,
                            .client_id = NODE_CLIENT,
                            .kv = n->kv,
                            .on_consensus = n->spec.engine == ENGINE_AURA && n->spec.aura.empty_steps_transition != UINT64_MAX ? on_consensus : NULL,
                            .log = p2p_log,
                            .ctx = n};
    uint8_t own[64];
    enum status s = ec_public(own, &n->node_key);
    if (s == OK) s = node_gate_open(n, own, err);
    if (s == OK) s = p2p_new(&n->p2p, &n->loop, &pc, &sc, &ops, err);
    secret_fini(&pc.key);
    if (s != OK) return s;
    p2p_put_enode(n->enode, n->p2p);
    log_info("p2p", "Public node URL: %s", n->enode);
    return OK;
}

static void recent_block(void *ctx, struct buf *out)
{
    struct node *n = ctx;
    struct kv_txn *txn;
    struct arena a;
    struct block b;
    struct block_meta meta;
    uint64_t number, finalised;
    hash32 hash;
    if (kv_begin(&txn, n->kv, false) != OK) return;
    arena_init(&a, 64 << 20);
    enum status s = blocks_get_head(&number, &hash, &finalised, txn);
    uint64_t at = number > RECENT_BEHIND ? number - RECENT_BEHIND : number > 0 ? 1 : 0;
    if (s == OK) s = blocks_get_canonical_hash(&hash, txn, at);
    if (s == OK) s = blocks_get(&b, txn, &hash, &a);
    if (s == OK) s = blocks_get_meta(&meta, txn, &hash);
    if (s == OK) {
        struct block_shape shape = {.td = &meta.td};
        json_put_block(out, &b, &shape);
    }
    kv_abort(txn);
    arena_fini(&a);
}

/* well: the head is younger than ten steps of the whole set could take at worst */
static bool health(void *ctx, struct buf *out)
{
    struct node *n = ctx;
    struct chain_head h;
    chain_get_head(&h, n->chain);
    uint64_t now = clock_wall_ms() / 1000, age = now > h.timestamp ? now - h.timestamp : 0;
    buf_printf(out, ",\"block\":%llu,\"headAgeSeconds\":%llu,\"finalised\":%llu", (unsigned long long)h.number, (unsigned long long)age,
               (unsigned long long)h.finalised);
    return h.number > 0 && age < 10 * aura_step_duration_ms(&n->spec.aura, h.step) / 1000 + 60;
}

static enum status start_services(struct node *n, struct err *err)
{
    struct rpc_pool pool;
    struct rpc_node node;
    node_rpc_tables(&pool, &node, n);
    enum status s = OK;
    if (n->cfg.has_rpc) {
        struct rpc_config rc = {.address = n->cfg.rpc_address,
                                .http_port = n->cfg.rpc_port,
                                .ws_port = n->cfg.ws_port,
                                .has_http = true,
                                .has_ws = true,
                                .namespaces = n->cfg.rpc_apis,
                                .cors = n->cfg.rpc_cors,
                                .max_connections = n->cfg.rpc_connections,
                                .max_unsent = n->cfg.rpc_max_unsent,
                                .threads = n->cfg.rpc_threads,
                                .max_request_s = n->cfg.rpc_max_request_s,
                                .jwt_secret_file = n->cfg.rpc_jwt_file,
                                .ipc_path = n->cfg.rpc_ipc_path,
                                .client_version = NODE_CLIENT,
                                .node_name = n->cfg.hostname};
        s = rpc_server_start(&n->rpc, &rc, n->chain, &pool, &node, err);
    }
    if (s == OK && n->cfg.has_member) {
        char web_dir[4096];
        struct member_config mc = {.address = n->cfg.member_address,
                                   .port = n->cfg.member_port,
                                   .web_dir = node_web_dir(web_dir, n->cfg.web_dir),
                                   .spec_json = buf_view(&n->spec_text),
                                   .contracts_json = buf_view(&n->contracts_text),
                                   .ctx = n,
                                   .recent_block = recent_block,
                                   .health = health,
                                   .views = node_member_views(),
                                   .network = node_network_json,
                                   .live = node_live_json,
                                   .prove = node_prove,
                                   .rpc_port = n->cfg.has_rpc ? n->cfg.rpc_port : 0,
                                   .ws_port = n->cfg.has_rpc ? n->cfg.ws_port : 0};
        s = member_start(&n->member, &mc, err);
    }
    return s;
}

static enum status boot(struct node *n, struct err *err)
{
    enum status s = n->cfg.mode == IDENTITY_NONE || n->cfg.mode == IDENTITY_SIGN ? node_load_key(n, err) : OK;
    if (s == OK) s = load_spec(n, err);
    if (s == OK) s = open_chain(n, err);
    if (s == OK) s = node_gauges_open(n, err);
    if (s == OK) s = start_peers(n, err);
    if (s == OK) s = start_services(n, err);
    if (s == OK) node_gauges_start(n);
    if (s == OK) s = node_finder_start(n, err);
    if (s != OK) return s;
    /* SPEC(user-pains.md 9): whoever held this identity before, on a disk that is not here, may have sealed in the step that runs now. A
     * chain that has blocks already gives it a past; at genesis there is none. */
    struct chain_head head;
    chain_get_head(&head, n->chain);
    if (node_config_leases(&n->cfg) && head.number > 0) n->first_step = aura_step_at(&n->spec.aura, clock_wall_ms()) + 1;
    if (n->has_self && n->spec.engine == ENGINE_AURA) (void)node_recall(n);
    node_schedule_seal(n);
    return OK;
}

/* ------------------------------------------------------------------ loop */

static void stop_loop(struct node *n)
{
    uv_stop(&n->loop);
}

static void on_signal(uv_signal_t *h, int number)
{
    log_info("node", "stopping signal=%d", number);
    stop_loop(h->data);
}

static void on_wake(uv_async_t *h);

static void on_tx_timer(uv_timer_t *t)
{
    struct node *n = t->data;
    on_wake(&n->wake);
}

/* take what other threads left, act on it outside the lock */
static void on_wake(uv_async_t *h)
{
    struct node *n = h->data;
    hash32 *txs = NULL;
    char *peers[PENDING_PEERS_MAX];
    bool leaving[PENDING_PEERS_MAX];
    pthread_mutex_lock(&n->lock);
    size_t n_txs = n->n_new_txs, n_peers = n->n_new_peers;
    if (n_txs > 0) {
        txs = malloc(n_txs * sizeof *txs);
        if (txs != NULL) memcpy(txs, n->new_txs, n_txs * sizeof *txs);
    }
    memcpy(peers, n->new_peers, n_peers * sizeof *peers);
    memcpy(leaving, n->is_leaving, n_peers * sizeof *leaving);
    const enum reserved_wish wish = n->reserved_wish;
    n->reserved_wish = RESERVED_AS_IS;
    n->n_new_txs = n->n_new_peers = 0;
    bool restart = n->restart, again = n->again;
    n->again = false;
    n->has_tx_timer = n_txs > 0;
    pthread_mutex_unlock(&n->lock);

    if (n_txs > 0 && uv_timer_start(&n->tx_timer, on_tx_timer, TX_MS, 0) != 0) BUG("uv_timer_start");
    for (size_t i = 0; txs != NULL && n->p2p != NULL && i < n_txs; i++)
        p2p_announce_tx(n->p2p, &txs[i]);
    if (txs != NULL && n->rpc != NULL) rpc_on_pending(n->rpc, txs, n_txs);
    free(txs);
    for (size_t i = 0; i < n_peers; i++) {
        struct err err = {0};
        if (n->p2p != NULL && leaving[i]) IGNORE(p2p_remove_static(n->p2p, peers[i], false, NULL), "it was none");
        else /* our own enode is in every list */
        if (n->p2p != NULL && strncmp(peers[i], n->enode, 9 + 128) != 0 && p2p_add_static(n->p2p, peers[i], &err) != OK)
            log_debug("p2p", "not a peer: %s", err_text(&err));
        free(peers[i]);
    }
    /* as at the boot: another node may have had the identity in between, and may have sealed in the step that runs now */
    if (again) n->is_recalled = false;
    if (again && n->chain != NULL) n->first_step = aura_step_at(&n->spec.aura, clock_wall_ms()) + 1;
    if (n->p2p != NULL && wish != RESERVED_AS_IS) p2p_set_reserved_only(n->p2p, wish == RESERVED_ONLY);
    if (restart || (n->has_self && n->chain == NULL)) stop_loop(n); /* node_run goes on from there */
}

/* our address has left the set: the identity is handed over, if this was a rotation, within moments */
static void watch_set(struct node *n)
{
    struct arena a;
    address *list;
    size_t count;
    if (n->identity == NULL || n->chain == NULL || !n->has_self) return;
    arena_init(&a, 1 << 20);
    if (chain_validators(&list, &count, n->chain, &a) == OK) {
        bool in = false;
        for (size_t i = 0; i < count; i++) in = in || address_eq(&list[i], &n->self);
        if (n->was_in_set && !in) identity_hurry(n->identity);
        n->was_in_set = in;
    }
    arena_fini(&a);
}

static void on_tick(uv_timer_t *t)
{
    struct node *n = t->data;
    static const size_t max = SYNC_PEERS_MAX;
    bool was, is;
    pthread_mutex_lock(&n->lock);
    was = n->sync.is_syncing;
    n->n_peers = p2p_get_peers(n->peers, max, n->p2p);
    sync_get_state(&n->sync, p2p_sync(n->p2p));
    p2p_get_counts(&n->counts, n->p2p);
    is = n->sync.is_syncing;
    size_t peers = n->n_peers;
    pthread_mutex_unlock(&n->lock);
    if (was != is && n->rpc != NULL) rpc_on_sync(n->rpc);
    watch_set(n);
    node_gate_tick(n);
    uint64_t now = clock_mono_ms();
    if (now - n->informed_ms >= INFORM_MS) {
        /* SPEC(aura.md B12): the guide's query reads the number of peers from this line */
        struct p2p_counts c;
        p2p_get_counts(&c, n->p2p);
        log_info("sync", "Syncing with peers: %zu active, %zu confirmed, %zu total", peers, peers, c.connected);
        n->informed_ms = now;
        (void)pool_expire(n->pool, now);
    }
}

static enum status init_loop(struct node *n)
{
    if (uv_loop_init(&n->loop) != 0) return E_NOMEM;
    n->loop_open = true;
    uv_signal_init(&n->loop, &n->on_term);
    uv_signal_init(&n->loop, &n->on_int);
    uv_timer_init(&n->loop, &n->seal_timer);
    uv_timer_init(&n->loop, &n->tick_timer);
    uv_timer_init(&n->loop, &n->tx_timer);
    uv_async_init(&n->loop, &n->wake, on_wake);
    n->on_term.data = n->on_int.data = n->seal_timer.data = n->tick_timer.data = n->tx_timer.data = n->wake.data = n;
    if (uv_signal_start(&n->on_term, on_signal, SIGTERM) != 0 || uv_signal_start(&n->on_int, on_signal, SIGINT) != 0) return E_IO;
    return OK;
}

static void shut_down(struct node *n)
{
    /* outside in: no new requests, then no new facts, then the chain */
    node_finder_stop(n);
    node_gauges_stop(n);
    rpc_server_stop(n->rpc);
    member_stop(n->member);
    if (n->identity != NULL) identity_stop(n->identity, true);
    if (n->p2p != NULL) p2p_stop(n->p2p);
    if (n->loop_open) {
        uv_close((uv_handle_t *)&n->on_term, NULL);
        uv_close((uv_handle_t *)&n->on_int, NULL);
        uv_close((uv_handle_t *)&n->seal_timer, NULL);
        uv_close((uv_handle_t *)&n->tick_timer, NULL);
        uv_close((uv_handle_t *)&n->tx_timer, NULL);
        uv_close((uv_handle_t *)&n->wake, NULL);
        uv_run(&n->loop, UV_RUN_DEFAULT);
        IGNORE(uv_loop_close(&n->loop), "the process ends");
    }
    node_gate_close(n);
    submit_free(n->submit);
    pool_free(n->pool);
    tally_free(n->tally);
    evm_free(n->random_evm);
    chain_close(n->chain);
    if (n->kv != NULL) kv_close(n->kv);
    if (n->has_spec) chain_spec_fini(&n->spec);
    for (size_t i = 0; i < n->n_new_peers; i++)
        free(n->new_peers[i]);
    free(n->new_txs);
    buf_fini(&n->spec_text);
    buf_fini(&n->contracts_text);
    if (n->cfg.mode == IDENTITY_FILE) journal_close(&n->journal);
    secret_fini(&n->file_key);
    secret_fini(&n->node_key);
    pthread_cond_destroy(&n->finder_wake);
    pthread_mutex_destroy(&n->lock);
}

enum status node_run(struct node *n, struct err *err)
{
    buf_init(&n->spec_text, SPEC_MAX);
    buf_init(&n->contracts_text, SPEC_MAX);
    pthread_mutex_init(&n->lock, NULL);
    pthread_cond_init(&n->finder_wake, NULL);
    n->new_txs = malloc(TX_QUEUE_MAX * sizeof *n->new_txs);
    n->informed_ms = clock_mono_ms();
    n->journal.fd = -1;
    enum status s = n->new_txs == NULL ? E_NOMEM : file_mkdirs(n->cfg.base_path, 0700, err);
    if (s == OK) s = init_loop(n);
    log_info("node", "Starting %s", NODE_CLIENT);
    bool waiting = node_config_leases(&n->cfg);
    if (s == OK && n->cfg.mode == IDENTITY_FILE) s = load_key_file(n, err);
    if (s == OK && waiting) {
        log_info("identity", "waiting for a free identity at %s", n->cfg.blob_uri);
        s = start_identity(n, err);
        if (s == OK) uv_run(&n->loop, UV_RUN_DEFAULT);
        if (s == OK && !n->has_self) goto out; /* told to stop before one was free */
    }
    if (s == OK) s = boot(n, err);
    if (s == OK && uv_timer_start(&n->tick_timer, on_tick, TICK_MS, TICK_MS) != 0) s = E_IO;
    if (s == OK) uv_run(&n->loop, UV_RUN_DEFAULT);
out:
    shut_down(n);
    return s;
}
