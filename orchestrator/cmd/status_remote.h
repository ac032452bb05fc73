/* status_remote.h: status of a deployment whose machines a cloud keeps: what the cloud says of them, and the chain as the balancer's RPC shows it. */
#ifndef ORCHESTRATOR_CMD_STATUS_REMOTE_H
#define ORCHESTRATOR_CMD_STATUS_REMOTE_H

#include "orchestrator/cmd/cmd.h"

/** status_is_remote: is c->dir such a deployment? Looks at its consortium.yaml only. */
bool status_is_remote(const struct cli *c);
/** status_remote: a new document, with "healthy"; NULL after cli_fail, *code says why */
json_t *status_remote(struct cli *c, bool *healthy, enum exit_code *code);
/** status_remote_put: the document as text */
void status_remote_put(struct buf *b, const json_t *doc);

#endif
