/* local.h: the local target: resolved resources -> processes on this machine.
 *
 *     scale set   -> instances: cloud-init document applied below local/instances/<name>/, started by the keeper
 *     load balancer -> HAProxy on 127.<m>.<r>.1, one instance for the member, configured from the resolved rules
 *     vault and storage account -> poa-identity-store on 127.<m>.0.2:8443, with a CA, certificates and a client for each instance
 *
 * Addresses by DESIGN.md section 5: region r of member m lives in 127.m.r.0/24. */
#ifndef ORCHESTRATOR_TARGET_LOCAL_H
#define ORCHESTRATOR_TARGET_LOCAL_H

#include <jansson.h>

#include "orchestrator/target/target.h"

enum { LOCAL_STORE_PORT = TARGET_STORE_PORT, LOCAL_INSTANCES_MAX = TARGET_INSTANCES_MAX };

/** the table of this target (target.h) */
extern const struct target_ops TARGET_LOCAL;

/** local_init: find programs, name addresses.  ret OK | E_NOT_FOUND: a program is missing (err names the package) */
MUST_CHECK enum status local_init(struct target *t, const char *workspace_dir, const char *bin_dir, unsigned member, struct err *err);
void local_lb_address(char dst[static 16], const struct target *t, unsigned region);
/** local_check_ports: everything that will be listened on is free.  ret OK | E_BUSY: err names address, port and what it is for */
MUST_CHECK enum status local_check_ports(struct target *t, unsigned regions, unsigned nodes, struct err *err);
/** local_check_other: no other network of this machine has the addresses of this one: a restored backup, or one of the same member id, would
 *  seal by the same keys, or mix with it.  ret OK | E_BUSY: err names its workspace */
MUST_CHECK enum status local_check_other(const struct target *t, struct err *err);
/** local_add_resources: read scale sets from the resolved resources into instances. */
MUST_CHECK enum status local_add_resources(struct target *t, const json_t *resources, struct err *err);
/** local_write_store: CA, certificate, clients and configuration of the identity store; keeps what stands. */
MUST_CHECK enum status local_write_store(struct target *t, struct err *err);
/** local_write_clients: certificates, and clients of the store with their secrets, in local/store; loopback: nodes come from there, else from their
 *  own addresses. Keeps what stands. */
MUST_CHECK enum status local_write_clients(struct target *t, bool loopback, struct err *err);
/** local_write_launch: instances' files, haproxy.cfg and launch.json for the keeper. web_dir: the governance page, may be NULL */
MUST_CHECK enum status local_write_launch(struct target *t, const json_t *resources, struct err *err);
/** local_upgrade: target.h's upgrade: the nodes one after the other, then the identity store, then the keeper. The keeper must run. */
MUST_CHECK enum status local_upgrade(struct target *t, const struct target_upgrade *u, size_t *changed, struct err *err);
/** local_ca_file, local_orchestrator_secret_file: paths for our own clients of the store */
void local_path(char dst[static 4096], const struct target *t, const char *name);
#define LOCAL_PROMETHEUS "prometheus"
#define LOCAL_AGENT_PREFIX "agent-" /* before the name of its instance */
#define LOCAL_CA "store/ca.pem"
#define LOCAL_ORCHESTRATOR_SECRET "store/orchestrator-secret"
#define LOCAL_ORCHESTRATOR_CLIENT "orchestrator"

#endif
