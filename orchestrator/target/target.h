/* target.h: where a network runs: this machine, hosts over SSH, Azure. One interface, one table of functions for each (target_find); a command
 * knows no target by name.
 *
 * How `new` and `join` walk through it (cmd_deploy.c):
 *
 *     target_open      programs found, addresses named; no traffic yet, nothing changed
 *     preflight        everything that can be known beforehand: hosts, ports, disk, quota, permissions; changes nothing
 *     reference, parameters   what the template asks of this target while our evaluator resolves it (local, ssh), or what is submitted (azure)
 *     take_resources   resolved resources -> instances
 *     place            everything stands when it returns, and the vault answers; instances may wait for their identities by now
 *     vault            how the orchestrator reaches that vault: the command puts the identities in
 *     outputs          what only the target knows of the outputs
 *
 * Later commands open the target from the workspace (its consortium.yaml, deployment.json) and call programs, logs, run, upgrade, up, down,
 * destroy. Each function can be repeated: it finds out what stands, and does what is left. A function that a target has no use for is
 * NULL: the command says so by the target's name. Wait only as long as `cancelled` (if set) says false. */
#ifndef ORCHESTRATOR_TARGET_TARGET_H
#define ORCHESTRATOR_TARGET_TARGET_H

#include <jansson.h>

#include "lib/base/err.h"
#include "orchestrator/identity/identities.h"
#include "orchestrator/report/report.h"
#include "orchestrator/settings/settings.h"

/* what preflights say, so that the doctor knows it again in the workspace's record of what stopped a run */
#define SAYS_VAULT_HELD " is held by a deleted vault"
#define SAYS_QUOTA "quota in "

enum { TARGET_INSTANCES_MAX = 75, TARGET_REGIONS_MAX = 5, TARGET_STORE_PORT = 8443 };

struct target_instance {
    char name[80];    /* "vl-abc123-reg1000000" */
    char address[16]; /* where its RPC is asked: IPv4 */
    char location[64];
    unsigned region, index;
};

/* what a target is opened with; all is borrowed and outlives it */
struct target_env {
    const char *workspace_dir; /* "" while only a plan is made */
    const char *bin_dir, *exe, *share_dir;
    const struct settings *settings;
    struct report *report;
    json_t *record; /* what this target noted about itself ("target" in state.json), object; may be added to, `note` makes it durable */
    enum status (*note)(void *arg, struct err *err); /* may be NULL */
    void *arg;
    bool force; /* destroy: go on without hosts that do not answer */
};

struct target;

/* what `place` works from */
struct target_job {
    const json_t *resources;  /* resolved by our evaluator; NULL for a target that submits the template */
    const json_t *tmpl, *parameters; /* of mainTemplate.json, self-contained */
    const char *deployment_name;
    size_t n_validators;
    const char *restore_dir; /* NULL, or: what `keep` brought goes there before anything starts */
};

struct target_upgrade {
    const char *package; /* file: .deb or .tar.gz; local: also a folder of programs; NULL: the programs beside this one */
    const char *sha256;  /* pinned, may be NULL */
    const char *instance; /* only this one (target_instance_find); NULL: all */
    /** gate: one instance runs again: OK when it is well, so that the next may stop. err tells why not */
    enum status (*gate)(void *arg, const struct target_instance *in, struct err *err);
    void *arg;
};

struct target_run {
    const char *command;  /* one shell command */
    const char *instance; /* name, end of a name, or address; NULL: all */
    /** result: one instance's answer, called from one thread; code -1: it could not be asked (err in text) */
    void (*result)(void *arg, const struct target_instance *in, int code, bytes text);
    void *arg;
};

struct target_ops {
    const char *name;
    bool submits_template; /* azure: the service evaluates the template */
    enum status (*open)(struct target *t, struct err *err);
    void (*close)(struct target *t); /* also after a failed open */
    enum status (*preflight)(struct target *t, struct err *err);
    /** plan: add to the plan what stands where (new members), and "warnings" */
    enum status (*plan)(struct target *t, json_t *plan, struct err *err);
    /** reference: arm.h's reference(), properties of a resource of this id. New reference */
    enum status (*reference)(json_t **out, struct target *t, const char *id, struct err *err);
    /** parameters: set the target's own parameters of mainTemplate.json: {"name": {"value": ...}} */
    enum status (*parameters)(struct target *t, json_t *params, struct err *err);
    enum status (*take_resources)(struct target *t, const json_t *resources, struct err *err);
    enum status (*place)(struct target *t, const struct target_job *job, struct err *err);
    /** finish: NULL where everything stands after place; else wait for the rest, once the identities are in the vault, and set the outputs that only
     *  the service knows. */
    enum status (*finish)(struct target *t, const struct target_job *job, json_t *outputs, struct err *err);
    /** vault: strings live as long as t */
    enum status (*vault)(struct target *t, struct vault_access *out, struct err *err);
    enum status (*outputs)(struct target *t, json_t *outputs, struct err *err);
    /** up, down: *already: it was so before */
    enum status (*up)(struct target *t, bool *already, struct err *err);
    enum status (*down)(struct target *t, bool *already, struct err *err);
    /** clear: take away what a half-made deployment left (its keys were never in use) */
    enum status (*clear)(struct target *t, struct err *err);
    /** destroy: all of it; stays: a text for each thing that stays, and why */
    enum status (*destroy)(struct target *t, json_t *stays, struct err *err);
    /** programs: [{name, pid, starts, startedMs, state, address}]; an instance that does not answer: {name, error}. New reference */
    enum status (*programs)(json_t **out, struct target *t, struct err *err);
    /** logs: bring what programs wrote since since_ms into files DIR/<name>.log; follow: go on appending until the process ends */
    enum status (*logs)(struct target *t, const char *dir, const char *instance, uint64_t since_ms, bool follow, struct err *err);
    enum status (*run)(struct target *t, const struct target_run *r, struct err *err);
    /** snapshot: the chain's database of an instance (NULL: any that answers), as it is now, to a new file */
    enum status (*snapshot)(struct target *t, const struct target_instance *in, const char *file, struct err *err);
    /** keep: what a backup takes beside workspace and chain: the store and each instance's journal, as files below dir */
    enum status (*keep)(struct target *t, const char *dir, struct err *err);
    /** restore: place the deployment anew, with what keep brought and the chain (chain.mdb) in dir; nothing of it may stand there */
    enum status (*restore)(struct target *t, const json_t *resources, const char *dir, struct err *err);
    /** import: a file of blocks into each instance; none of them may run. spec_file: of the workspace */
    enum status (*import)(struct target *t, const char *file, const char *spec_file, struct err *err);
    /** upgrade: one instance after the other, each held by the gate; *changed counts those that had something else before */
    enum status (*upgrade)(struct target *t, const struct target_upgrade *u, size_t *changed, struct err *err);
};

/* where the clients of a store of ours find what they log in with (target_store_access) */
struct target_store {
    char token_uri[400], secret_file[4096], ca_file[4096];
};

struct target {
    const struct target_ops *ops;
    struct target_env env;
    void *self; /* the target's own, made by open, freed by close */
    char dir[3500], bin_dir[4096]; /* of env, copied */
    char haproxy[256]; /* local: the program */
    unsigned member;
    bool low_ports;
    char store_address[16], store_url[256];
    char balancer[TARGET_REGIONS_MAX][128]; /* host of region r at [r - 1] */
    uint16_t rpc_port, ws_port, page_port;  /* of the balancers: 8545, 8546, 80 */
    struct target_instance instances[TARGET_INSTANCES_MAX];
    size_t n_instances;
    struct target_store store;
};

/** target_find: NULL: there is no such target */
const struct target_ops *target_find(const char *name);
/** target_open: by the setting `target`. Close it also after a failure. */
MUST_CHECK enum status target_open(struct target *t, const struct target_env *env, struct err *err);
void target_close(struct target *t);
/** target_add_scale_sets: what every take_resources begins with: scale sets -> names, regions, indexes; addresses are the target's */
MUST_CHECK enum status target_add_scale_sets(struct target *t, const json_t *resources, struct err *err);
/** target_reference, target_store_access, target_fix_ports: reference, vault and outputs of a target whose vault is our own identity store
 *  (local, ssh): certificates and secrets of it lie in local/store of the workspace */
MUST_CHECK enum status target_reference(json_t **out, struct target *t, const char *id, struct err *err);
MUST_CHECK enum status target_store_access(struct target *t, struct vault_access *out, struct err *err);
MUST_CHECK enum status target_fix_ports(struct target *t, json_t *outputs, struct err *err);
/** target_custom_data: base64 of the cloud-init document of an instance's scale set; NULL: none */
const char *target_custom_data(const json_t *resources, const struct target_instance *in);
/** target_region_of: "...-reg2" -> 2; 0: none */
unsigned target_region_of(const char *name);
/** target_instance_find: by name, by the end of a name (3 characters or more), by address; NULL: none */
const struct target_instance *target_instance_find(const struct target *t, const char *what);

#endif
