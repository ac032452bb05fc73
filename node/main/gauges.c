/* gauges.c: what the metrics page says of this node, and the tally of who sealed. */
#include "lib/base/clock.h"
#include "node/aura/aura.h"
#include "node/main/node.h"

enum { READ_BACK_MAX = 1024, ARENA_MAX = 8 << 20 };

/* last sealed steps, from the head backwards until everybody was seen */
static void read_back(struct node *n, const struct chain_head *head, size_t n_set)
{
    struct kv_txn *txn;
    struct arena a;
    struct header h;
    hash32 hash = head->hash;
    size_t most = n_set * 4 < READ_BACK_MAX ? n_set * 4 : READ_BACK_MAX;
    if (kv_begin(&txn, n->kv, false) != OK) return;
    arena_init(&a, ARENA_MAX);
    for (size_t i = 0; i < most && blocks_get_header(&h, txn, &hash, &a) == OK && h.number > 0; i++) {
        tally_note_sealed(n->tally, &h.author, h.step);
        hash = h.parent_hash;
    }
    kv_abort(txn);
    arena_fini(&a);
}

static void collect(void *ctx, struct metrics_facts *f, struct arena *a)
{
    struct node *n = ctx;
    char *genesis = arena_alloc(a, 67);
    hash32 g = chain_genesis_hash(n->chain);
    if (genesis != NULL) hash_put(genesis, &g);
    *f = (struct metrics_facts){.version = POA_VERSION,
                                .name = n->cfg.hostname == NULL ? "" : n->cfg.hostname,
                                .genesis = genesis == NULL ? "" : genesis,
                                .network_id = n->spec.network_id,
                                .now_ms = clock_wall_ms(),
                                .max_peers = n->cfg.max_peers,
                                .db_bytes = kv_used_bytes(n->kv)};
    chain_get_head(&f->head, n->chain);
    if (n->spec.engine == ENGINE_AURA) {
        uint64_t next_ms;
        f->has_aura = true;
        chain_step_at(&f->step, &next_ms, n->chain, f->now_ms);
        f->step_ms = aura_step_duration_ms(&n->spec.aura, f->step);
        chain_get_epoch(&f->epoch, n->chain);
        f->is_validator = n->cfg.mode != IDENTITY_NONE;
        if (n->identity != NULL) {
            uint64_t total_us;
            identity_sign_counts(n->identity, &f->signed_n, &total_us);
            f->signed_ms = total_us / 1000;
        }
        f->lease_ms = n->cfg.mode == IDENTITY_FILE ? UINT64_MAX : n->identity != NULL ? identity_can_sign_ms(n->identity) : 0;
    }
    pthread_mutex_lock(&n->lock);
    f->peers = n->n_peers;
    for (size_t i = 0; i < n->n_peers; i++)
        f->inbound_peers += n->peers[i].inbound;
    f->bytes_in = n->counts.bytes_in;
    f->bytes_out = n->counts.bytes_out;
    f->messages_in = n->counts.messages_in;
    f->messages_out = n->counts.messages_out;
    f->is_syncing = n->sync.is_syncing;
    f->best_known = n->sync.highest_block;
    f->blocks_bad = n->sync.n_blocks_bad;
    f->blocks_early = n->sync.n_blocks_early;
    f->clock_peers = n->clock.n_measured;
    f->clock_ahead_ms = n->clock.ahead_ms > 0 ? (uint64_t)n->clock.ahead_ms : 0;
    f->clock_behind_ms = n->clock.ahead_ms < 0 ? (uint64_t)-n->clock.ahead_ms : 0;
    f->clock_is_off = n->clock.is_off;
    f->waits_promise = n->waits[0] != '\0';
    pthread_mutex_unlock(&n->lock);
    if (f->best_known < f->head.number) f->best_known = f->head.number;
    pool_count(n->pool, &f->pool_pending, &f->pool_queued);
    if (n->rpc != NULL) rpc_get_counts(&f->rpc_requests, &f->rpc_errors, &f->rpc_connections, n->rpc);
    tally_get_totals(&f->totals, n->tally);
    struct tally_validator *list;
    if (tally_get_validators(&list, &f->n_validators, n->tally, a) == OK) f->validators = list;
    metrics_read_process(&f->process);
}

void node_gauges_on_event(struct node *n, const struct chain_event *e)
{
    struct arena a;
    address *set = NULL;
    size_t n_set = 0;
    if (n->tally == NULL) return;
    arena_init(&a, ARENA_MAX);
    if (chain_validators(&set, &n_set, n->chain, &a) != OK) n_set = 0;
    tally_on_event(n->tally, e, set, n_set);
    arena_fini(&a);
}

enum status node_gauges_open(struct node *n, struct err *err)
{
    struct arena a;
    struct chain_head head;
    address *set = NULL;
    size_t n_set = 0;
    arena_init(&a, ARENA_MAX);
    chain_get_head(&head, n->chain);
    enum status s = n->spec.engine == ENGINE_AURA ? chain_validators(&set, &n_set, n->chain, &a) : OK;
    if (s == OK) s = tally_new(&n->tally, set, n_set, head.step);
    if (s == OK) read_back(n, &head, n_set);
    else s = err_set(err, s, "the tally of sealed steps: %s", status_text(s));
    arena_fini(&a);
    return s;
}

void node_gauges_start(struct node *n)
{
    if (n->cfg.metrics_port == 0) return;
    struct err err = {0};
    const struct metrics_config mc = {.address = n->cfg.has_rpc ? n->cfg.rpc_address : n->cfg.network_address,
                                      .port = n->cfg.metrics_port,
                                      .ctx = n,
                                      .collect = collect};
    /* a validator that can't be measured still validates */
    if (metrics_start(&n->metrics, &mc, &err) != OK) log_error("metrics", "%s; it goes on without", err_text(&err));
}

void node_gauges_stop(struct node *n)
{
    metrics_stop(n->metrics);
    n->metrics = NULL;
}
