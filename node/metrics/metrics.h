/* metrics.h: http://<address>:9545/metrics, for Prometheus and its like.
 *
 * How data walks: a scrape comes on the server's own thread -> collect (the program's callback) fills struct metrics_facts from what the
 * node knows -> metrics_put writes families and samples. Nothing is computed between two scrapes but the tally (tally.h).
 *
 * Names. What every Ethereum client has goes by the names that dashboards of the field know (ethereum_blockchain_height, ethereum_peer_count,
 * txpool_pending, process_*); what only this engine has begins with poa_. Base units, counters end in _total. Answers are in OpenMetrics 1.0
 * when the scraper accepts it, else in Prometheus' text format. */
#ifndef NODE_METRICS_METRICS_H
#define NODE_METRICS_METRICS_H

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/metrics/process.h"
#include "node/metrics/tally.h"

struct metrics_facts {
    const char *version, *name, *genesis; /* genesis: "0x..." */
    uint64_t network_id;
    uint64_t now_ms; /* wall clock */
    struct chain_head head;
    uint64_t best_known;
    bool has_aura;
    uint64_t step, step_ms;
    uint64_t clock_peers, clock_ahead_ms, clock_behind_ms; /* against the peers' clocks */
    bool clock_is_off, waits_promise; /* waits_promise: its steps go by for what its key has promised on another disk or branch */
    struct chain_epoch epoch;
    size_t peers, max_peers, inbound_peers;
    uint64_t bytes_in, bytes_out; /* of peers */
    uint64_t messages_in, messages_out;
    bool is_syncing;
    uint64_t blocks_bad, blocks_early;
    size_t pool_pending, pool_queued;
    bool is_validator; /* has or waits for an identity */
    uint64_t lease_ms; /* for so long it is surely held; UINT64_MAX: no lease is needed */
    uint64_t signed_n, signed_ms; /* signatures of seals, and the time that they took */
    uint64_t db_bytes;
    uint64_t rpc_requests, rpc_errors, rpc_connections;
    struct tally_totals totals;
    const struct tally_validator *validators;
    size_t n_validators;
    struct metrics_process process;
};

struct metrics_config {
    const char *address; /* IP literal */
    uint16_t port;       /* 0: any */
    void *ctx;
    /* collect: on the server's thread; what it allocates lives in a */
    void (*collect)(void *ctx, struct metrics_facts *out, struct arena *a);
};

struct metrics;
/** metrics_start: ret OK | E_BUSY: the port is taken | E_INVALID | E_IO */
MUST_CHECK enum status metrics_start(struct metrics **out, const struct metrics_config *cfg, struct err *err);
void metrics_stop(struct metrics *m); /* NULL allowed */
uint16_t metrics_port(const struct metrics *m);

/** metrics_put: the whole page */
void metrics_put(struct buf *out, const struct metrics_facts *f, bool is_openmetrics);

#endif
