/* ssh_keep.c: what a backup and a chain file take from the hosts, and its way back. Everything runs on a host as the program's own user (verbs of
 * host.sh); what comes is written to a file of the workspace that is the owner's alone. */
#include "lib/base/file.h"
#include "orchestrator/target/ssh_priv.h"

#define NODE_PROGRAM "/opt/poa/current/bin/poa-node"

/* of a node, below /var/lib/poa */
static const char *const node_files[] = {"nodekey", "nodekey.json", "identity-lease.json", "last-signed"};
/* of the store: where it is there, how it is called in a backup */
static const struct {
    const char *path, *name;
} store_files[] = {{"/var/lib/poa-store/kek", "kek"}, {"/var/lib/poa-store/data/audit.log", "audit.log"}};

/* -------------------------------------------------------------------- come */

enum status ssh_pull_snapshot(struct ssh_target *s, struct ssh_host *h, const char *user, const char *program, const char *file, struct err *err)
{
    bool any = false;
    const char *const args[] = {user, program, NULL};
    enum status st = ssh_connect(s, h, err);
    if (st == OK) st = ssh_verb_get(s, h, file, &any, err, "snapshot", args);
    if (st == OK && !any) st = err_set(err, E_NOT_FOUND, "%s has no chain yet: was its node ever started?", h->address);
    return st;
}

enum status ssh_snapshot(struct target *t, const struct target_instance *in, const char *file, struct err *err)
{
    struct ssh_target *s = ssh_of(t);
    enum status st = err_set(err, E_NOT_FOUND, "there is no host with a node");
    for (size_t i = 0; i < s->n; i++) {
        struct ssh_host *h = &s->hosts[i];
        if ((h->roles & SSH_NODE) == 0 || (in != NULL && in != &t->instances[h->instance])) continue;
        st = ssh_pull_snapshot(s, h, "poa-node", NODE_PROGRAM, file, err);
        if (st == OK || in != NULL || (st != E_NET && st != E_TIMEOUT)) return st;
    }
    return st;
}

static enum status keep_file(struct ssh_target *s, struct ssh_host *h, const char *from, const char *to, struct err *err)
{
    const char *const args[] = {from, NULL};
    return ssh_verb_get(s, h, to, NULL, err, "kept", args);
}

static enum status keep_host(struct ssh_target *s, struct ssh_host *h, void *arg, struct err *err)
{
    const char *dir = arg;
    char to[5000], from[200];
    enum status st = OK;
    for (size_t i = 0; st == OK && (h->roles & SSH_STORE) != 0 && i < COUNT_OF(store_files); i++) {
        (void)snprintf(to, sizeof to, "%s/%s", dir, store_files[i].name);
        st = keep_file(s, h, store_files[i].path, to, err);
    }
    (void)snprintf(to, sizeof to, "%s/store.backup", dir);
    if (st == OK && (h->roles & SSH_STORE) != 0) st = ssh_verb_get(s, h, to, NULL, err, "store-backup", (const char *const[]){NULL});
    if (st != OK || (h->roles & SSH_NODE) == 0) return st;
    const char *name = s->t->instances[h->instance].name;
    (void)snprintf(to, sizeof to, "%s/%s", dir, name);
    st = file_mkdirs(to, 0700, err);
    for (size_t i = 0; st == OK && i < COUNT_OF(node_files); i++) {
        (void)snprintf(to, sizeof to, "%s/%s/%s", dir, name, node_files[i]);
        (void)snprintf(from, sizeof from, "/var/lib/poa/%s", node_files[i]);
        st = keep_file(s, h, from, to, err);
    }
    return st;
}

enum status ssh_keep(struct target *t, const char *dir, struct err *err)
{
    return ssh_each(ssh_of(t), SSH_STORE | SSH_NODE, keep_host, (void *)(uintptr_t)dir, err);
}

/* ---------------------------------------------------------------------- go */

/* a kept file to its place; one that was not there is left out */
static enum status put_kept(struct ssh_target *s, struct ssh_host *h, const char *from, const char *to, const char *user, struct err *err)
{
    char owner[140];
    (void)snprintf(owner, sizeof owner, "%s:%s", user, user);
    const char *args[] = {to, "600", owner, NULL};
    return file_exists(from) ? ssh_verb_put(s, h, from, 0, err, "put", args) : OK;
}

static enum status load_store(struct ssh_target *s, struct ssh_host *h, const char *dir, struct err *err)
{
    char from[5000];
    const char *none[] = {NULL};
    enum status st = ssh_verb(s, h, NULL, BYTES_EMPTY, err, "own", "/var/lib/poa-store", "700", "poa-store", NULL);
    (void)snprintf(from, sizeof from, "%s/kek", dir);
    if (st == OK) st = put_kept(s, h, from, "/var/lib/poa-store/kek", "poa-store", err);
    (void)snprintf(from, sizeof from, "%s/store.backup", dir);
    if (st == OK) st = ssh_verb_put(s, h, from, 0, err, "store-restore", none);
    (void)snprintf(from, sizeof from, "%s/audit.log", dir);
    return st == OK ? put_kept(s, h, from, "/var/lib/poa-store/data/audit.log", "poa-store", err) : st;
}

static enum status load_node(struct ssh_target *s, struct ssh_host *h, const char *dir, struct err *err)
{
    const char *name = s->t->instances[h->instance].name;
    char from[5000], to[200];
    enum status st = ssh_verb(s, h, NULL, BYTES_EMPTY, err, "own", "/var/lib/poa", "700", "poa-node", NULL);
    if (st == OK) st = ssh_verb(s, h, NULL, BYTES_EMPTY, err, "own", "/var/lib/poa/db", "700", "poa-node", NULL);
    /* SECURITY: the journal of signed steps before the chain: a node with a chain has what it signed */
    for (size_t i = 0; st == OK && i < COUNT_OF(node_files); i++) {
        (void)snprintf(from, sizeof from, "%s/%s/%s", dir, name, node_files[i]);
        (void)snprintf(to, sizeof to, "/var/lib/poa/%s", node_files[i]);
        st = put_kept(s, h, from, to, "poa-node", err);
    }
    (void)snprintf(from, sizeof from, "%s/chain.mdb", dir);
    return st == OK ? put_kept(s, h, from, "/var/lib/poa/db/data.mdb", "poa-node", err) : st;
}

static enum status load_host(struct ssh_target *s, struct ssh_host *h, void *arg, struct err *err)
{
    enum status st = OK;
    if ((h->roles & SSH_STORE) != 0) st = load_store(s, h, arg, err);
    if (st == OK && (h->roles & SSH_NODE) != 0) st = load_node(s, h, arg, err);
    return st;
}

enum status ssh_load(struct target *t, const char *dir, struct err *err)
{
    report_step(t->env.report, "bring the chain, the store's data and the journals to the hosts");
    enum status st = ssh_each(ssh_of(t), SSH_STORE | SSH_NODE, load_host, (void *)(uintptr_t)dir, err);
    if (st == OK && json_object_set_new(t->env.record, "restored", json_true()) != 0) st = E_NOMEM;
    return st == OK ? t->env.note(t->env.arg, err) : st;
}

/* SECURITY: two nodes must never sign by one key: what runs, or has data that no restoration of ours put there, is not touched */
static enum status check_empty(struct ssh_target *s, bool began, struct err *err)
{
    char names[300] = "";
    size_t n = 0;
    bool runs = false;
    for (size_t i = 0; i < s->n; i++) {
        const struct ssh_host *h = &s->hosts[i];
        if (!h->is_active && (!h->has_data || began)) continue;
        size_t k = strlen(names);
        runs = runs || h->is_active;
        if (n++ < 5) (void)snprintf(names + k, sizeof names - k, "%s%s", n > 1 ? ", " : "", h->address);
    }
    if (n == 0) return OK;
    return err_set(err, E_EXISTS,
                   "%s %s of this deployment (%zu host%s): the workspace is restored in %s, the hosts were left as they are. `poa-deploy up %s` goes on with what they have; to have the backup's instead, `poa-deploy destroy` them from a copy of the workspace first",
                   names, runs ? "run programs" : "hold data", n, n == 1 ? "" : "s", s->t->dir, s->t->dir);
}

enum status ssh_restore(struct target *t, const json_t *resources, const char *dir, struct err *err)
{
    struct ssh_target *s = ssh_of(t);
    bool already;
    enum status st = ssh_preflight(t, err);
    if (st != OK) return st;
    if (json_is_true(json_object_get(t->env.record, "restored"))) return ssh_up(t, &already, err); /* the run before this one was stopped at its very end */
    st = check_empty(s, json_is_true(json_object_get(t->env.record, "restoring")), err);
    if (st == OK && json_object_set_new(t->env.record, "restoring", json_true()) != 0) st = E_NOMEM;
    if (st == OK) st = t->env.note(t->env.arg, err);
    const struct target_job job = {.resources = resources, .restore_dir = dir};
    return st == OK ? ssh_place(t, &job, err) : st;
}

/* ------------------------------------------------------------------ import */

struct importing {
    const char *file, *spec;
};

static enum status import_host(struct ssh_target *s, struct ssh_host *h, void *arg, struct err *err)
{
    const struct importing *x = arg;
    static const char there[] = "/var/lib/poa/chain-spec.json";
    const char *args[] = {there, NULL}, *put[] = {there, "600", "poa-node:poa-node", NULL};
    enum status st = ssh_verb_put(s, h, x->spec, 0, err, "put", put);
    return st == OK ? ssh_verb_put(s, h, x->file, 0, err, "import", args) : st;
}

enum status ssh_import(struct target *t, const char *file, const char *spec_file, struct err *err)
{
    struct importing x = {file, spec_file};
    report_step(t->env.report, "import into %zu nodes", t->n_instances);
    return ssh_each(ssh_of(t), SSH_NODE, import_host, &x, err);
}
