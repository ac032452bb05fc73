/* ssh.h: the ssh target: hosts that log one in over SSH become the instances of the scale sets.
 *
 *     hosts.nodes      in order: the first `nodes` of them are region 1, and so on; each runs poa-node under systemd
 *     hosts.store      runs poa-identity-store (default: the first host; in earnest one of its own: when it is down, nodes stop sealing)
 *     hosts.balancers  one a region, run HAProxy (default: the region's first host, with 18545 and 18546 as ports, since its node has 8545, 8546)
 *
 * Files: ssh_conn.c one connection (libssh2), its host key and log-in; ssh_hosts.c the list of hosts, and work on all of them at once; ssh_verb.c a
 * verb of templates/ssh/host.sh, which does everything that is done on a host; ssh_package.c the programs as one file, its upload; ssh_place.c what
 * `new` and `join` do; ssh_live.c what comes later; ssh_keep.c what a backup takes, and brings back.
 *
 * Host keys: hosts.hostKeys pins fingerprints; else known_hosts of the workspace; an unknown key is refused unless hosts.trustOnFirstUse. */
#ifndef ORCHESTRATOR_TARGET_SSH_H
#define ORCHESTRATOR_TARGET_SSH_H

#include "orchestrator/target/target.h"

/** the table of this target (target.h) */
extern const struct target_ops TARGET_SSH;

#endif
