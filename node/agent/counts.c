#include "node/agent/counts.h"

#include "lib/metrics/process.h"

static void put_tables(struct exposition *e, const char *name, const char *help, atomic_ullong *n)
{
    exposition_family(e, name, METRIC_COUNTER, NULL, help);
    for (unsigned t = 0; t < TABLE_N; t++) {
        const struct metric_label table = {"table", table_name((enum agent_table)t)};
        exposition_sample(e, &table, 1, atomic_load(&n[t]));
    }
}

void agent_counts_put(struct exposition *e, struct agent_counts *c, struct spool *spool)
{
    struct metrics_process process;
    exposition_one(e, "poa_agent_node_up", METRIC_GAUGE, NULL, atomic_load(&c->node_up), "1 while the node answers as it should.");
    exposition_one(e, "poa_agent_read_blocks", METRIC_COUNTER, NULL, atomic_load(&c->blocks), "Blocks that were read, those of branches that were left counted too.");
    exposition_one(e, "poa_agent_spool_bytes", METRIC_GAUGE, "bytes", spool_waiting_bytes(spool), "Size of the spool: what waits to be sent, and what was sent of segments that are not.");
    exposition_one(e, "poa_agent_reading_paused", METRIC_GAUGE, NULL, atomic_load(&c->is_paused), "1 while nothing is read because the spool or its disk is full.");
    exposition_one(e, "poa_agent_pauses", METRIC_COUNTER, NULL, atomic_load(&c->pauses), "How often reading has paused for that.");
    exposition_one(e, "poa_agent_lost_log_files", METRIC_COUNTER, NULL, atomic_load(&c->lost_logs), "How often the node's log was moved away for good before it was read.");
    put_tables(e, "poa_agent_sent_records", "Records that the service has taken.", c->sent);
    put_tables(e, "poa_agent_refused_records", "Records that the service refused for good; they are laid down beside the spool while there is room.", c->refused);
    exposition_one(e, "poa_agent_calls", METRIC_COUNTER, NULL, atomic_load(&c->calls), "Calls that the service has taken.");
    exposition_one(e, "poa_agent_failed_calls", METRIC_COUNTER, NULL, atomic_load(&c->failures), "Calls that failed after all their retries, and are made again.");
    exposition_one(e, "poa_agent_damaged_frames", METRIC_COUNTER, NULL, atomic_load(&c->damaged_windows), "Places of the spool that the disk has damaged, and that were passed over.");
    exposition_one_ms(e, "poa_agent_last_sent_timestamp_seconds", METRIC_GAUGE, atomic_load(&c->last_sent_ms), "When the service last took something; 0: not yet.");
    metrics_read_process(&process);
    metrics_put_process(e, &process);
}
