#include "node/metrics/metrics.h"

#include "lib/metrics/page.h"

enum { COLLECT_MAX = 4 << 20 };

/* ------------------------------------------------------------------ page */

static void gauge(struct exposition *e, const char *name, uint64_t v, const char *help)
{
    exposition_one(e, name, METRIC_GAUGE, NULL, v, help);
}

static void counter(struct exposition *e, const char *name, uint64_t v, const char *help)
{
    exposition_one(e, name, METRIC_COUNTER, NULL, v, help);
}

static void put_chain(struct exposition *e, const struct metrics_facts *f)
{
    uint64_t head_ms = f->head.timestamp * 1000;
    gauge(e, "ethereum_blockchain_height", f->head.number, "Number of the canonical head.");
    gauge(e, "ethereum_blockchain_finalized_block", f->head.finalised, "Number of the last block that is never undone.");
    gauge(e, "ethereum_blockchain_safe_block", f->head.safe, "Number of the last block that a majority of validators has built upon.");
    gauge(e, "ethereum_best_known_block_number", f->best_known, "Highest block that this node or one of its peers has.");
    gauge(e, "ethereum_blockchain_chain_head_timestamp", f->head.timestamp, "Unix time of the head.");
    gauge(e, "ethereum_blockchain_chain_head_transaction_count", f->totals.head_txs, "Transactions in the head.");
    gauge(e, "ethereum_blockchain_chain_head_gas_used", f->totals.head_gas_used, "Gas used by the head.");
    gauge(e, "ethereum_blockchain_chain_head_gas_limit", f->head.gas_limit, "Gas limit of the head.");
    exposition_one_ms(e, "poa_head_age_seconds", METRIC_GAUGE, f->now_ms > head_ms ? f->now_ms - head_ms : 0, "Time since the head's timestamp, by this node's clock.");
    gauge(e, "poa_syncing", f->is_syncing, "1 while this node catches up with its peers.");
    counter(e, "poa_imported_blocks", f->totals.blocks, "Blocks that joined the canonical chain, own ones too.");
    counter(e, "poa_imported_transactions", f->totals.txs, "Transactions of blocks that joined the canonical chain.");
    counter(e, "poa_sealed_blocks", f->totals.own_blocks, "Blocks that this node sealed.");
    counter(e, "poa_reorganisations", f->totals.reorgs, "Times that blocks left the canonical chain for a heavier branch.");
    counter(e, "poa_reorganised_blocks", f->totals.removed_blocks, "Blocks that left the canonical chain.");
    counter(e, "poa_bad_blocks", f->blocks_bad, "Blocks of peers that were refused for good.");
    counter(e, "poa_early_blocks", f->blocks_early, "Blocks of peers that came before their step by this node's clock.");
}

static void put_validators(struct exposition *e, const struct metrics_facts *f)
{
    struct {
        char who[43];
        struct metric_label label;
    } v;
    uint64_t in_set = 0;
    for (size_t i = 0; i < f->n_validators; i++)
        in_set += f->validators[i].in_set;
    gauge(e, "poa_validators", in_set, "Validators of the set in force.");
    static const struct {
        const char *name, *help;
        enum metric_kind kind;
    } families[] = {
        {"poa_validator_last_sealed_step", "Step of the validator's latest block; 0: none seen.", METRIC_GAUGE},
        {"poa_validator_in_set", "1 while the validator is of the set in force.", METRIC_GAUGE},
        {"poa_validator_sealed_blocks", "Blocks of the validator that joined the chain.", METRIC_COUNTER},
        {"poa_validator_missed_steps", "Steps of the validator that went by without its block.", METRIC_COUNTER},
    };
    for (size_t k = 0; k < COUNT_OF(families); k++) {
        exposition_family(e, families[k].name, families[k].kind, NULL, families[k].help);
        for (size_t i = 0; i < f->n_validators; i++) {
            const struct tally_validator *t = &f->validators[i];
            const uint64_t values[] = {t->last_step, t->in_set, t->sealed, t->missed};
            address_put(v.who, &t->who);
            v.label = (struct metric_label){"validator", v.who};
            exposition_sample(e, &v.label, 1, values[k]);
        }
    }
}

static void put_engine(struct exposition *e, const struct metrics_facts *f)
{
    if (!f->has_aura) return;
    gauge(e, "poa_step", f->step, "The step that this node's clock is in.");
    exposition_one_ms(e, "poa_step_duration_seconds", METRIC_GAUGE, f->step_ms, "How long a step lasts.");
    gauge(e, "poa_last_sealed_step", f->head.step, "Step of the head.");
    gauge(e, "poa_finality_signers_seen", f->epoch.signers_seen, "Distinct validators that have built on the oldest block that is not final.");
    gauge(e, "poa_finality_signers_needed", f->epoch.signers_needed, "Distinct validators that make a block final.");
    gauge(e, "poa_set_change_pending", f->epoch.has_pending, "1 while a change of the validator set waits for finality.");
    gauge(e, "poa_clock_peers_measured", f->clock_peers, "Peers whose clock is known.");
    exposition_one_ms(e, "poa_clock_ahead_seconds", METRIC_GAUGE, f->clock_ahead_ms, "How far this node's clock is ahead of its peers' (median); 0: it is not.");
    exposition_one_ms(e, "poa_clock_behind_seconds", METRIC_GAUGE, f->clock_behind_ms, "How far this node's clock is behind its peers' (median); 0: it is not.");
    gauge(e, "poa_promise_waiting", f->waits_promise, "1 while steps of this validator go by because of what its key has promised (its log says what).");
    gauge(e, "poa_clock_off", f->clock_is_off, "1 while the clock is apart from those of most peers by more than half a step: nothing is sealed.");
    put_validators(e, f);
    if (!f->is_validator) return;
    counter(e, "poa_seal_signatures", f->signed_n, "Seals signed.");
    exposition_one_ms(e, "poa_seal_signing_seconds", METRIC_COUNTER, f->signed_ms, "Time that signing them took, with the record on the disk, and the vault if it signs.");
    gauge(e, "poa_sealing", f->lease_ms > 0, "1 while this node may seal.");
    if (f->lease_ms != UINT64_MAX)
        exposition_one_ms(e, "poa_lease_remaining_seconds", METRIC_GAUGE, f->lease_ms, "For how long the lease of this node's identity is surely held; 0: it may not seal.");
}

static void put_rest(struct exposition *e, const struct metrics_facts *f)
{
    gauge(e, "ethereum_peer_count", f->peers, "Connected peers.");
    gauge(e, "ethereum_peer_limit", f->max_peers, "Peers that are allowed at most.");
    gauge(e, "poa_inbound_peers", f->inbound_peers, "Connected peers that dialled this node.");
    exposition_one(e, "poa_peer_received_bytes", METRIC_COUNTER, "bytes", f->bytes_in, "Bytes that came from peers.");
    exposition_one(e, "poa_peer_sent_bytes", METRIC_COUNTER, "bytes", f->bytes_out, "Bytes that went to peers.");
    counter(e, "poa_peer_received_messages", f->messages_in, "Messages that came from peers.");
    counter(e, "poa_peer_sent_messages", f->messages_out, "Messages that went to peers.");
    gauge(e, "txpool_pending", f->pool_pending, "Transactions that the next blocks can take.");
    gauge(e, "txpool_queued", f->pool_queued, "Transactions that wait for one with a lower nonce.");
    exposition_one(e, "poa_database_bytes", METRIC_GAUGE, "bytes", f->db_bytes, "Pages of the database that are in use.");
    counter(e, "poa_rpc_requests", f->rpc_requests, "JSON-RPC calls, each of a batch counted.");
    counter(e, "poa_rpc_errors", f->rpc_errors, "JSON-RPC calls that were answered with an error.");
    gauge(e, "poa_rpc_connections", f->rpc_connections, "Open connections of JSON-RPC clients.");
    exposition_one_ms(e, "poa_clock_seconds", METRIC_GAUGE, f->now_ms, "This node's clock.");
    metrics_put_process(e, &f->process);
}

static void put_all(struct exposition *e, const struct metrics_facts *f)
{
    char network[24];
    (void)snprintf(network, sizeof network, "%llu", (unsigned long long)f->network_id);
    const struct metric_label labels[] = {{"version", f->version}, {"name", f->name}, {"network", network}, {"genesis", f->genesis}};
    exposition_family(e, "poa_node", METRIC_INFO, NULL, "What runs here, and of which network it is.");
    exposition_sample(e, labels, COUNT_OF(labels), 1);
    put_chain(e, f);
    put_engine(e, f);
    put_rest(e, f);
}

void metrics_put(struct buf *out, const struct metrics_facts *f, bool is_openmetrics)
{
    struct exposition e;
    exposition_init(&e, out, is_openmetrics);
    put_all(&e, f);
    exposition_end(&e);
}

/* ---------------------------------------------------------------- server */

struct metrics {
    struct metrics_config cfg;
    struct metrics_page *page;
};

static void put(void *ctx, struct exposition *e)
{
    const struct metrics *m = ctx;
    struct arena a;
    struct metrics_facts f = {0};
    arena_init(&a, COLLECT_MAX);
    m->cfg.collect(m->cfg.ctx, &f, &a);
    put_all(e, &f);
    arena_fini(&a);
}

enum status metrics_start(struct metrics **out, const struct metrics_config *cfg, struct err *err)
{
    struct metrics *m = calloc(1, sizeof *m);
    if (m == NULL) return E_NOMEM;
    m->cfg = *cfg;
    const struct metrics_page_config pc = {.program = "poa-node", .address = cfg->address, .port = cfg->port, .ctx = m, .put = put};
    enum status s = metrics_page_start(&m->page, &pc, err);
    if (s != OK) {
        free(m);
        return s;
    }
    *out = m;
    return OK;
}

void metrics_stop(struct metrics *m)
{
    if (m == NULL) return;
    metrics_page_stop(m->page);
    free(m);
}

uint16_t metrics_port(const struct metrics *m)
{
    return metrics_page_port(m->page);
}
