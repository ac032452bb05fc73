/* config.h: poa-agent's configuration, a YAML file:
 *
 *     node:
 *       rpc: http://127.0.0.1:8545       # of the node to watch
 *       name: vl-abc-reg1000000          # Computer and ListenerHostName; default: this host's name
 *       log_file: /var/log/poa/poa-node.log   # absent: no ParityLog
 *       poll_ms: 1000
 *       from_block: latest               # where the first run begins: latest, or a number
 *       stats_s: 60                      # NodeStats that often; 0: none
 *     spool:
 *       dir: /var/lib/poa-agent
 *       max_mib: 256                     # what waits to be sent; when it is full, reading pauses
 *       min_free_mib: 64                 # of its disk: with less, reading pauses too; 0: that is not looked at
 *     send:
 *       api: ingestion                   # Logs Ingestion API; collector: HTTP Data Collector API (legacy)
 *       endpoint: https://x.ingest.monitor.azure.com   # collector: default https://<workspace_id>.ods.opinsights.azure.com
 *       rule: dcr-0123456789abcdef       # ingestion: immutable id of the data collection rule
 *       token: {kind: msi}               # ingestion: kind msi or client_credentials, token_uri, client_id, client_secret_file
 *       workspace_id: GUID               # collector
 *       shared_key_file: FILE            # collector: the workspace's primary key, base64
 *       interval_s: 5
 *       columns: plain                   # ingestion: suffixed writes BlockMiner_s, BlockNumber_d as the collector API names columns
 *       tables: [MinedBlock, MinedTransaction, PendingTransaction, ParityLog, NodeStats]
 *       ca_file: ca.pem                  # absent: the system's authorities
 *     log: {level: info, file: poa-agent.log}
 *     metrics: {address: 127.0.0.1, port: 9546}   # /metrics for Prometheus; absent: none
 */
#ifndef NODE_AGENT_CONFIG_H
#define NODE_AGENT_CONFIG_H

#include <jansson.h>

#include "lib/azure/token.h"
#include "lib/base/err.h"
#include "lib/base/log.h"
#include "node/agent/records.h"

enum agent_api { API_INGESTION, API_COLLECTOR };

struct agent_config {
    json_t *doc; /* the strings below live here */
    const char *rpc, *log_file;
    char name[256];
    uint64_t poll_ms, stats_s;
    bool from_latest;
    uint64_t from_block;
    const char *spool_dir;
    uint64_t spool_max, spool_min_free;
    enum agent_api api;
    const char *endpoint, *rule, *workspace_id, *ca_file;
    char shared_key[256]; /* base64; wiped in _fini */
    enum azure_token_kind token_kind;
    const char *token_uri, *client_id;
    char client_secret[1024]; /* wiped in _fini */
    uint64_t interval_s;
    bool suffixed;
    bool tables[TABLE_N];
    enum log_level log_level;
    const char *agent_log;
    const char *metrics_address; /* NULL: no metrics */
    uint16_t metrics_port;
};

/** agent_config_read: ret OK | E_NOT_FOUND, E_IO | E_DECODE | E_INVALID: err has the path of the key */
MUST_CHECK enum status agent_config_read(struct agent_config *out, const char *path, struct err *err);
void agent_config_fini(struct agent_config *c);

#endif
