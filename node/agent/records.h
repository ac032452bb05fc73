/* records.h: what is sent: rows of the tables that the product's dashboards and the guide's queries know (original-product.md A7). */
#ifndef NODE_AGENT_RECORDS_H
#define NODE_AGENT_RECORDS_H

#include <jansson.h>

#include "lib/base/bytes.h"
#include "lib/base/status.h"

enum agent_table { TABLE_MINED_BLOCK, TABLE_MINED_TRANSACTION, TABLE_PENDING_TRANSACTION, TABLE_PARITY_LOG, TABLE_NODE_STATS, TABLE_N };
/** table_name: "MinedBlock": the Log-Type; the table is MinedBlock_CL, the stream Custom-MinedBlock_CL */
const char *table_name(enum agent_table t);

struct record_source {
    const char *provider, *host; /* the node's RPC URL, its name */
    uint64_t now_ms;
};

/* all: a new object, NULL: not the shape that a node answers with */
json_t *record_block(const struct record_source *s, const json_t *block);
json_t *record_mined(const struct record_source *s, const json_t *receipt);
json_t *record_pending(const struct record_source *s, const json_t *tx);
/** record_log: one line; its time is the line's own when it begins with one. NULL: no text. Bytes that are
 *  no UTF-8 and control characters are written \xNN: a log of after a power failure holds zeroes */
json_t *record_log(const struct record_source *s, bytes line);

struct node_stats {
    uint64_t block, head_age_s, peers, pending, queued;
    bool syncing, sealing;
    const char *version;
};
json_t *record_stats(const struct record_source *s, const struct node_stats *n);

/** record_with_suffixes: a new object with column names as the collector API makes them: _s text, _d number, _b bool, _t date; TimeGenerated,
 *  Computer and RawData stay. */
json_t *record_with_suffixes(const json_t *record);
/** record_for_collector: a new object without the names that the collector API reserves: TimeGenerated goes, RawData becomes Message. */
json_t *record_for_collector(const json_t *record);

#endif
