/* doctor_azure.h: what is wrong with a network in Azure: asked of the resource manager (machines), the vault's blobs (who holds which identity), the chain
 * (over the balancer) and, when `ssh allow` has opened the way, of each machine's systemd and log. */
#ifndef ORCHESTRATOR_CMD_DOCTOR_AZURE_H
#define ORCHESTRATOR_CMD_DOCTOR_AZURE_H

#include "orchestrator/cmd/cmd.h"
#include "orchestrator/diagnose/diagnose.h"

/** doctor_azure: findings, the weightiest first. *n: how many of at most max; 0: healthy, which `well` then says in a line.
 *  ret OK | what keeps it from looking at all: no log-in, no such deployment */
MUST_CHECK enum status doctor_azure(struct diag_finding *out, size_t max, size_t *n, char well[static 400], struct cli *c, struct deployment *d, struct err *err);
/** doctor_azure_break_lease: as diagnose_break_lease, of the deployment's storage account */
MUST_CHECK enum status doctor_azure_break_lease(struct deployment *d, const char *blob, struct err *err);

#endif
