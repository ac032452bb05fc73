/* send.h: from the spool to Azure Monitor, on a thread of its own.
 *
 *     Logs Ingestion API        POST {endpoint}/dataCollectionRules/{rule}/streams/Custom-{Table}_CL?api-version=2023-01-01, bearer token
 *     HTTP Data Collector API   POST {endpoint}/api/logs?api-version=2016-04-01, Log-Type: {Table}, SharedKey signature
 *
 * A window's rows go as one array a table, of less than 1 MB. Transient failures are retried for ever, with growing pauses or as Retry-After
 * asks; what the operator must mend (401, 403, 404) is tried again each half minute; a body that the service calls malformed (400, 413) is
 * laid down beside the spool (up to 64 MiB of such) and passed over, since it would never be taken. The same window is always sent under the same
 * x-ms-client-request-id, also after a kill. */
#ifndef NODE_AGENT_SEND_H
#define NODE_AGENT_SEND_H

#include "node/agent/config.h"
#include "node/agent/counts.h"
#include "node/agent/spool.h"

struct sender;
/** sender_start: ret OK | E_INVALID | E_NOMEM */
MUST_CHECK enum status sender_start(struct sender **out, const struct agent_config *cfg, struct spool *spool, struct agent_counts *counts, struct err *err);
/** sender_wake: there is something new to send */
void sender_wake(struct sender *s);
/** sender_stop: ends within a request's time; what is not sent stays in the spool. NULL allowed */
void sender_stop(struct sender *s);

/** collector_signature: "SharedKey {workspace}:{signature}" for a body of len bytes; date as in x-ms-date. key: base64
 *  ret OK | E_DECODE: the key is no base64 */
MUST_CHECK enum status collector_signature(struct buf *out, const char *workspace, const char *key, const char *date, size_t len);
/** request_id: a GUID made of the window's place and the table: the same for the same */
void request_id(char dst[static 37], const char *spool_name, uint64_t segment, uint64_t from, uint64_t to, unsigned table, unsigned part);

#endif
