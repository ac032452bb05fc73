/* ssh.c: the table, and what is known without asking a host. */
#include "lib/base/file.h"
#include "orchestrator/target/local.h"
#include "orchestrator/target/ssh_priv.h"

#include <libssh2.h>

static const char *or_null(const char *text)
{
    return *text != '\0' ? text : NULL;
}

static enum status read_script(struct ssh_target *s, struct err *err)
{
    char path[5000];
    struct buf b;
    buf_init(&b, SSH_SCRIPT_MAX);
    (void)snprintf(path, sizeof path, "%s/templates/ssh/host.sh", s->t->env.share_dir);
    enum status st = file_read(&b, path, err);
    if (st == OK && (s->script = strdup(buf_cstr(&b))) == NULL) st = err_set(err, E_NOMEM, "no memory");
    buf_fini(&b);
    return st;
}

enum status ssh_target_new(struct ssh_target **out, struct target *t, struct err *err)
{
    const struct settings *set = t->env.settings;
    struct ssh_target *s = calloc(1, sizeof *s);
    if (s == NULL || libssh2_init(0) != 0) {
        free(s);
        return err_set(err, E_NOMEM, "no memory");
    }
    s->t = t;
    pthread_mutex_init(&s->known_lock, NULL);
    if (t->dir[0] != '\0') (void)snprintf(s->known_hosts, sizeof s->known_hosts, "%s/known_hosts", t->dir);
    bool by_password = strcmp(SETTING(set, auth_type), "password") == 0;
    s->login = (struct ssh_login){.key_file = or_null(SETTING(set, identity_file)),
                                  .password_file = by_password ? or_null(SETTING(set, vm_password_file)) : NULL,
                                  .pins = or_null(SETTING(set, host_keys)),
                                  .known_hosts = s->known_hosts,
                                  .trust_new = strcmp(SETTING(set, trust_first), "true") == 0,
                                  .known_lock = &s->known_lock};
    enum status st = read_script(s, err);
    if (st == OK) *out = s;
    else ssh_target_free(s);
    return st;
}

void ssh_target_free(struct ssh_target *s)
{
    if (s == NULL) return;
    for (size_t i = 0; i < s->n; i++)
        ssh_conn_close(s->hosts[i].conn);
    pthread_mutex_destroy(&s->known_lock);
    free(s->script);
    free(s);
    libssh2_exit();
}

static enum status open_ssh(struct target *t, struct err *err)
{
    struct ssh_target *s = NULL;
    enum status st = ssh_target_new(&s, t, err);
    t->self = s;
    return st == OK ? ssh_hosts_parse(s, t->env.settings, err) : st;
}

static void close_ssh(struct target *t)
{
    ssh_target_free(t->self);
}

static enum status plan(struct target *t, json_t *doc, struct err *err)
{
    const struct ssh_target *s = t->self;
    json_t *hosts = json_array(), *warnings = json_object_get(doc, "warnings");
    char text[300];
    (void)err;
    for (size_t i = 0; i < s->n; i++) {
        const struct ssh_host *h = &s->hosts[i];
        const char *units[4];
        json_t *runs = json_array();
        ssh_units(units, h);
        for (size_t k = 0; units[k] != NULL; k++)
            json_array_append_new(runs, json_string(units[k]));
        json_array_append_new(hosts, json_pack("{s:s, s:s, s:i, s:o}", "address", h->address, "user", h->user, "port", (int)h->port, "runs", runs));
        if ((h->roles & (SSH_STORE | SSH_NODE)) == (SSH_STORE | SSH_NODE)) {
            (void)snprintf(text, sizeof text, "the identity store runs beside a node on %s: while that host is down, no node can renew its lease, and all stop sealing within a minute; --store-host gives it a host of its own", h->address);
            json_array_append_new(warnings, json_string(text));
        }
    }
    if (t->rpc_port != 8545) {
        (void)snprintf(text, sizeof text, "the load balancer runs beside a node, whose ports 8545 and 8546 are: it answers RPC at %u and WebSocket at %u; --balancers gives it a host of its own", t->rpc_port, t->ws_port);
        json_array_append_new(warnings, json_string(text));
    }
    return json_object_set_new(doc, "hosts", hosts) == 0 ? OK : E_NOMEM;
}

/* a node logs in at the store as its instance; SECURITY: its secret is in a file that the node's user alone reads */
static enum status parameters(struct target *t, json_t *params, struct err *err)
{
    char token_uri[400];
    (void)err;
    (void)snprintf(token_uri, sizeof token_uri, "%s/metadata/identity/oauth2/token", t->store_url);
    json_t *token = json_pack("{s:{s:s, s:s, s:s, s:s, s:s}}", "value", "kind", "msi", "uri", token_uri, "clientId", "{{instance.name}}", "secretFile",
                              "/etc/poa/identity-secret", "caFile", "/etc/poa/ca.pem");
    return json_object_set_new(params, "token", token) == 0 ? OK : E_NOMEM;
}

static enum status take_resources(struct target *t, const json_t *resources, struct err *err)
{
    struct ssh_target *s = t->self;
    enum status st = target_add_scale_sets(t, resources, err);
    size_t nodes = 0;
    if (st != OK) return st;
    for (size_t i = 0; i < s->n; i++)
        nodes += (s->hosts[i].roles & SSH_NODE) != 0;
    if (nodes != t->n_instances) return err_set(err, E_INVALID, "the template makes %zu instances, but %zu hosts are named", t->n_instances, nodes);
    for (size_t i = 0; i < s->n; i++) {
        struct ssh_host *h = &s->hosts[i];
        if ((h->roles & SSH_NODE) == 0) continue;
        (void)snprintf(t->instances[h->instance].address, sizeof t->instances[0].address, "%s", h->address);
    }
    return OK;
}

/* no NAT: the first host is logged in to as it is */
static enum status outputs(struct target *t, json_t *doc, struct err *err)
{
    const struct ssh_target *s = t->self;
    const struct ssh_host *h = &s->hosts[0];
    char text[200];
    if (h->port == 22) (void)snprintf(text, sizeof text, "ssh %s@%s", h->user, h->address);
    else (void)snprintf(text, sizeof text, "ssh -p %u %s@%s", h->port, h->user, h->address);
    json_object_set_new(doc, "SSH_TO_FIRST_VL_NODE_REGION1", json_string(text));
    return target_fix_ports(t, doc, err);
}

const struct target_ops TARGET_SSH = {
    .name = "ssh",
    .open = open_ssh,
    .close = close_ssh,
    .preflight = ssh_preflight,
    .plan = plan,
    .reference = target_reference,
    .parameters = parameters,
    .take_resources = take_resources,
    .place = ssh_place,
    .vault = target_store_access,
    .outputs = outputs,
    .up = ssh_up,
    .down = ssh_down,
    .clear = ssh_clear,
    .destroy = ssh_destroy,
    .programs = ssh_programs,
    .logs = ssh_logs,
    .run = ssh_run,
    .upgrade = ssh_upgrade,
    .snapshot = ssh_snapshot,
    .keep = ssh_keep,
    .restore = ssh_restore,
    .import = ssh_import,
};
