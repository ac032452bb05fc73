/* azure_priv.h: the Azure target's own state, shared by its files:
 *
 *     azure_login.c      settings and environment -> token source, resource manager, who and where we are
 *     azure_preflight.c  regions, sizes, quota, permissions, names: everything that can be known beforehand
 *     azure_deploy.c     validate, what-if, create, follow; one named deployment, the same one after a stop at any instant
 *     azure_list.c       what the resource manager lists of this deployment: resources, machines and their state
 *     azure_package.c    the node's programs as one archive, pinned by its hash
 *     azure_network.c    SSH rules, VPN connections, Traffic Manager
 *     azure_machines.c   the machines over SSH: logs, commands, units */
#ifndef ORCHESTRATOR_TARGET_AZURE_PRIV_H
#define ORCHESTRATOR_TARGET_AZURE_PRIV_H

#include "lib/azure/arm.h"
#include "lib/codec/json.h"
#include "orchestrator/target/azure.h"

enum { AZURE_PATH_MAX = 2048, AZURE_ID_MAX = 600, DEPLOYMENT_TIMEOUT_S = 2 * 3600 };

#define AZURE_DEPLOYMENTS_API "2025-04-01"
#define AZURE_GROUPS_API "2025-04-01"
#define AZURE_NETWORK_API "2025-05-01"
#define AZURE_COMPUTE_API "2025-04-01"

struct azure {
    struct azure_token_source *tokens;
    struct azure_arm *arm;
    char endpoint[400], authority[400], ca_file[4096], token_uri[700];
    char subscription[37], tenant[130], principal[37];
    char group[91], location[64];
    char vault_url[256], blob_url[256], vault_name[64];
    bool signed_in, recover_vault;
    bool guessed; /* nothing named a login: this machine's managed identity is tried */
    bool submitted; /* this run has put the deployment, so its parameters are ours */
    char package[4200], package_sha256[65];
    const json_t *tmpl, *parameters; /* of the job */
    struct azure_machines *machines; /* of `logs`, whose streams go on by them */
    json_t *followed;                /* set: operations already told, by their id and state */
};

struct azure *azure_of(struct target *t);
/** azure_get, azure_call: one call by a path that is formatted; out may be NULL. */
PRINTF_LIKE(5, 6) MUST_CHECK enum status azure_get(json_t **out, struct azure *a, const char *op, struct err *err, const char *fmt, ...);
/** azure_sign_in: tokens, resource manager, subscription; once. */
MUST_CHECK enum status azure_sign_in(struct target *t, struct err *err);
MUST_CHECK enum status azure_login_open(struct azure *a, const struct settings *s, struct err *err);
MUST_CHECK enum status azure_preflight(struct target *t, struct err *err);
/** azure_check_vault: by the what-if's resources: is the name of the vault, or of the storage account, held by something deleted or foreign? */
MUST_CHECK enum status azure_check_names(struct target *t, const json_t *changes, struct err *err);
MUST_CHECK enum status azure_place(struct target *t, const struct target_job *job, struct err *err);
MUST_CHECK enum status azure_finish(struct target *t, const struct target_job *job, json_t *outputs, struct err *err);
/** azure_find_stores: addresses of vault and blobs, from the deployment's parts; E_AGAIN: not yet */
MUST_CHECK enum status azure_find_stores(struct azure *a, struct err *err);
/** azure_package_make: the archive to upload: its path and hash. */
MUST_CHECK enum status azure_package_make(struct target *t, struct err *err);
MUST_CHECK enum status azure_package_upload(struct target *t, struct err *err);
/** azure_run_deployment: put one deployment of a template and follow it; what it ended with. */
MUST_CHECK enum status azure_follow(json_t **out, struct target *t, const char *name, bool until_stores, struct err *err);
/** azure_is_member: does the resource carry this member's tag? azure_is_ours: that, or the one of what `poa-deploy` makes beside the template. */
bool azure_is_member(const struct target *t, const json_t *resource);
bool azure_is_ours(const struct target *t, const json_t *resource);
/** azure_list_own: this member's resources of one type ("Microsoft.Network/loadBalancers") in the group, in short form; what: their name in messages.
 *  azure_list_nsgs: its network security groups, whole, rules included.  owns: json_decref */
MUST_CHECK enum status azure_list_own(json_t **out, struct target *t, const char *type, const char *what, struct err *err);
MUST_CHECK enum status azure_list_nsgs(json_t **out, struct target *t, struct err *err);
/** azure_list_machines: of a scale set, each with its instance view.  owns: json_decref */
MUST_CHECK enum status azure_list_machines(json_t **out, struct azure *a, const char *scale_set, struct err *err);
/** azure_machine_name, azure_machine_power ("running", "deallocated", ..., "unknown"): of one of those; borrowed */
const char *azure_machine_name(const json_t *vm);
const char *azure_machine_power(const json_t *vm);
void azure_machines_free(struct azure_machines *m);
MUST_CHECK enum status azure_logs(struct target *t, const char *dir, const char *instance, uint64_t since_ms, bool follow, struct err *err);
MUST_CHECK enum status azure_snapshot(struct target *t, const struct target_instance *in, const char *file, struct err *err);
MUST_CHECK enum status azure_run(struct target *t, const struct target_run *r, struct err *err);
/** azure_note: keep a fact in the workspace's record, durably. */
MUST_CHECK enum status azure_note(struct target *t, const char *key, json_t *value_take, struct err *err);
const char *azure_noted(const struct target *t, const char *key);

#endif
