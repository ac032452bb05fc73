/* deployment.h: a workspace and what the local target runs of it, read without taking the workspace's lock: for commands that only look, also
 * while another poa-deploy works there. */
#ifndef ORCHESTRATOR_DIAGNOSE_DEPLOYMENT_H
#define ORCHESTRATOR_DIAGNOSE_DEPLOYMENT_H

#include "orchestrator/settings/settings.h"
#include "orchestrator/target/local.h"
#include "orchestrator/target/target.h"
#include "orchestrator/workspace/workspace.h"

struct deployment {
    struct workspace ws; /* lock_fd -1 */
    struct target target;
    json_t *programs; /* as the keeper wrote it last; an empty array before */
    bool is_started;  /* its identities stand: the keeper may run it */
};

/** deployment_read_env: the same for a target anywhere; env's workspace_dir, settings and record are set here, it must live as long as d */
MUST_CHECK enum status deployment_read_env(struct deployment *d, const char *dir, const struct target_env *env, struct settings *settings, struct err *err);
/** deployment_is_local: its programs and files are on this machine */
bool deployment_is_local(const struct deployment *d);
/** deployment_read: settings: takes the workspace's file.  ret OK | E_NOT_FOUND: no workspace | E_CORRUPT, E_IO, E_INVALID */
MUST_CHECK enum status deployment_read(struct deployment *d, const char *dir, const char *bin_dir, struct settings *settings, struct err *err);
void deployment_close(struct deployment *d);
/** deployment_program: what programs.json says of one; NULL: it was never started */
const json_t *deployment_program(const struct deployment *d, const char *name);
/** deployment_log: the file that an instance writes (name of an instance), or the one with its standard output (any program) */
void deployment_log(char dst[static 4096], const struct deployment *d, const char *name);
void deployment_output(char dst[static 4096], const struct deployment *d, const char *name);

#endif
