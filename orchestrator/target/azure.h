/* azure.h: the Azure target: the template is submitted to the resource manager, which evaluates it itself.
 *
 *     preflight  subscription, regions, machine sizes, quota, permissions
 *     place      package made; resource group; validate; what-if shown; names checked; deployment put under a name that is noted first; followed until
 *                vault and storage stand; package uploaded. Run again: the same deployment is found and followed
 *     (the command puts the identities into the vault; instances wait for package and identity by now)
 *     finish     followed to its end; its outputs. A deployment that was put with other parameters (its run was killed before the identities were in
 *                the vault) is put once more under the same name, so that its record tells the truth
 *     destroy    the resource group; says what stays: the vault in soft delete, a workspace of someone else
 *
 * No secret is in the template, in a plain parameter, or in an output: the machines' password and the shared keys go in secure parameters, which the
 * service does not keep; validator keys go to the vault only. */
#ifndef ORCHESTRATOR_TARGET_AZURE_H
#define ORCHESTRATOR_TARGET_AZURE_H

#include "orchestrator/target/target.h"

extern const struct target_ops TARGET_AZURE;

/** azure_ssh_access: set the rule allow-ssh of every network security group of the deployment; rules: how many there are.
 *  *changed: how many were otherwise. */
MUST_CHECK enum status azure_ssh_access(struct target *t, bool allow, size_t *rules, size_t *changed, struct err *err);
/** azure_units: what systemd of each machine that runs says of its node, over SSH: as target.h's programs. New reference.
 *  ret OK | E_DENIED: SSH is closed, or the log-in is refused | E_NET, E_TIMEOUT, E_CRYPTO: no machine was reached, a host key is wrong */
MUST_CHECK enum status azure_units(json_t **out, struct target *t, struct err *err);
/** azure_ssh_is_closed: do the rules deny it? false also when they could not be read */
bool azure_ssh_is_closed(struct target *t);
/** azure_gateway_connect: a connection from region 1's gateway to another one, with the key that both ends share (wiped by the caller). */
MUST_CHECK enum status azure_gateway_connect(struct target *t, const char *other_gateway_id, const char *name, const char *shared_key, struct err *err);
/** azure_traffic_manager: deploy tmpl (templates/trafficManager.json) over the public addresses of all regions; outputs: its own. New reference. */
MUST_CHECK enum status azure_traffic_manager(json_t **outputs, struct target *t, const json_t *tmpl, const char *name, const char *dns_label, const char *routing,
                                             struct err *err);

#endif
