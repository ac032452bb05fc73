/* azure_machines.c: the machines themselves, over SSH: each is a host of the ssh target's (ssh_priv.h), which does the work, behind a port of its region's
 * load balancer.
 *
 *     allow-ssh of the network security groups    denied: the error says what opens it
 *     scale sets -> machines, their power state   one that does not run is left out, with a word
 *     NAT rule of the balancer -> port            asked for each machine: Azure gives ports out by itself
 *     host key                                    asked of the machine through Azure's Run Command, once, and noted in known_hosts: what then answers at the port
 *                                                 is that machine */
#include "lib/base/file.h"
#include "orchestrator/target/azure_priv.h"
#include "orchestrator/target/ssh_priv.h"

#include <arpa/inet.h>
#include <netdb.h>

enum { RUN_COMMAND_MS = 300000, KNOWN_MAX = 1 << 20, KEY_LINE_MAX = 800 };

struct azure_machines {
    struct target inner; /* what the ssh target's functions see: hosts with the role of a node */
    struct ssh_target *ssh;
    char key_file[4200];
    char vm_id[TARGET_INSTANCES_MAX][AZURE_ID_MAX];
    size_t n_away; /* machines that do not run */
};

void azure_machines_free(struct azure_machines *m)
{
    if (m == NULL) return;
    ssh_target_free(m->ssh);
    free(m);
}

/* ------------------------------------------------------------- is it open? */

static bool denies_ssh(const json_t *nsg)
{
    size_t i;
    const json_t *rule;
    json_array_foreach(json_object_get(json_object_get(nsg, "properties"), "securityRules"), i, rule)
        if (strcmp(json_text(rule, "name"), "allow-ssh") == 0) return strcmp(json_text(json_object_get(rule, "properties"), "access"), "Allow") != 0;
    return true;
}

static enum status check_open(struct target *t, struct err *err)
{
    json_t *list = NULL, *v;
    size_t i, closed = 0;
    enum status s = azure_sign_in(t, err);
    if (s == OK) s = azure_list_nsgs(&list, t, err);
    if (s != OK) return s;
    json_array_foreach(list, i, v)
        closed += denies_ssh(v);
    json_decref(list);
    if (closed == 0) return OK;
    return err_set(err, E_DENIED, "SSH to the machines is closed (the rule allow-ssh of their network security groups): `poa-deploy ssh allow %s` opens it, `poa-deploy ssh deny %s` closes it again", t->dir, t->dir);
}

bool azure_ssh_is_closed(struct target *t)
{
    return check_open(t, NULL) == E_DENIED;
}

/* ------------------------------------------------------------------- ports */

/* the balancer of a region: its resource id */
static enum status find_balancer(char id[static AZURE_ID_MAX], struct target *t, unsigned region, struct err *err)
{
    json_t *list = NULL, *v;
    size_t i;
    enum status s = azure_list_own(&list, t, "Microsoft.Network/loadBalancers", "load balancers", err);
    if (s != OK) return s;
    id[0] = '\0';
    json_array_foreach(list, i, v)
        if (target_region_of(json_text(v, "name")) == region) (void)snprintf(id, AZURE_ID_MAX, "%s", json_text(v, "id"));
    json_decref(list);
    return id[0] != '\0' ? OK : err_set(err, E_NOT_FOUND, "resource group %s has no load balancer of region %u: was it taken away by hand?", azure_of(t)->group, region);
}

/* SPEC(Load Balancers - List Inbound Nat Rule Port Mappings): of one network interface's configuration; ours are named in templates/nested/vmss.json */
static enum status find_port(uint16_t *port, struct azure *a, const char *balancer_id, const char *vm_id, const char *name, struct err *err)
{
    char path[AZURE_PATH_MAX], ip[AZURE_ID_MAX + 80];
    json_t *doc = NULL, *v;
    size_t i;
    (void)snprintf(path, sizeof path, "%s/backendAddressPools/validators/queryInboundNatRulePortMapping?api-version=" AZURE_NETWORK_API, balancer_id);
    (void)snprintf(ip, sizeof ip, "%s/networkInterfaces/nic/ipConfigurations/ipconfig", vm_id);
    json_t *body = json_pack("{s:{s:s}}", "ipConfiguration", "id", ip);
    struct azure_arm_call c = {.op = "ask for a machine's SSH port", .permission = "Microsoft.Network/loadBalancers/backendAddressPools/queryInboundNatRulePortMapping/action", .method = "POST", .path = path, .body = body};
    enum status s = azure_arm_run(&doc, a->arm, &c, 60000, NULL, NULL, err);
    json_decref(body);
    if (s != OK) return s;
    json_int_t found = 0;
    json_array_foreach(json_object_get(doc, "inboundNatRulePortMappings"), i, v)
        if (json_integer_value(json_object_get(v, "backendPort")) == 22) found = json_integer_value(json_object_get(v, "frontendPort"));
    json_decref(doc);
    if (found < 1 || found > 65535) return err_set(err, E_NOT_FOUND, "%s has no SSH port at its region's load balancer: is it still being made?", name);
    *port = (uint16_t)found;
    return OK;
}

static enum status resolve(char ip[static 16], const char *host, struct err *err)
{
    struct addrinfo hint = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *list = NULL;
    int e = getaddrinfo(host, NULL, &hint, &list);
    if (e != 0) return err_set(err, E_NET, "the load balancer's name %s is not found: %s", host, gai_strerror(e));
    const struct sockaddr_in *sa = (const struct sockaddr_in *)(const void *)list->ai_addr;
    bool ok = inet_ntop(AF_INET, &sa->sin_addr, ip, 16) != NULL;
    freeaddrinfo(list);
    return ok ? OK : err_set(err, E_NET, "the load balancer's name %s has no IPv4 address", host);
}

/* ---------------------------------------------------------------- host keys */

static bool is_known(const struct ssh_target *s, const struct ssh_host *h)
{
    char want[60];
    struct buf b;
    buf_init(&b, KNOWN_MAX);
    (void)snprintf(want, sizeof want, "[%s]:%u ", h->address, h->port);
    bool yes = file_read(&b, s->known_hosts, NULL) == OK;
    const char *text = buf_cstr(&b), *at = yes ? strstr(text, want) : NULL;
    yes = at != NULL && (at == text || at[-1] == '\n');
    buf_fini(&b);
    return yes;
}

/* the line of an OpenSSH public key in what Run Command answers */
static bool key_line(char dst[static KEY_LINE_MAX], const char *message)
{
    static const char *const types[] = {"ssh-ed25519 ", "ecdsa-sha2-nistp256 "};
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        const char *at = strstr(message, types[i]);
        if (at == NULL) continue;
        size_t type = strlen(types[i]), body = strspn(at + type, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=");
        if (body < 40 || type + body >= KEY_LINE_MAX) continue;
        (void)snprintf(dst, KEY_LINE_MAX, "%.*s", (int)(type + body), at);
        return true;
    }
    return false;
}

/* SECURITY: the key comes over TLS from the resource manager, which has it from the agent in the machine: nobody between here and there chooses it */
static enum status learn_key(struct azure_machines *m, struct target *t, const struct ssh_host *h, struct err *err)
{
    struct azure *a = azure_of(t);
    const struct target_instance *in = &m->inner.instances[h->instance];
    char path[AZURE_PATH_MAX], line[KEY_LINE_MAX] = "";
    json_t *doc = NULL, *v;
    size_t i;
    report_step(t->env.report, "ask %s for its host key, through Azure", in->name);
    (void)snprintf(path, sizeof path, "%s/runCommand?api-version=" AZURE_COMPUTE_API, m->vm_id[h->instance]);
    json_t *body = json_pack("{s:s, s:[s]}", "commandId", "RunShellScript", "script", "cat /etc/ssh/ssh_host_ed25519_key.pub");
    struct azure_arm_call c = {.op = "ask a machine for its host key", .permission = "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/runCommand/action", .method = "POST", .path = path, .body = body};
    enum status s = azure_arm_run(&doc, a->arm, &c, RUN_COMMAND_MS, NULL, NULL, err);
    json_decref(body);
    if (s == OK)
        json_array_foreach(json_object_get(doc, "value"), i, v)
            if (line[0] == '\0') IGNORE(!key_line(line, json_text(v, "message")), "the next part may have it");
    json_decref(doc);
    if (s == OK && line[0] == '\0') s = err_set(err, E_DECODE, "Azure's answer has no public key in it");
    if (s != OK)
        return err_prefix(err, "the host key of %s could not be asked for through Azure (write it into %s/known_hosts yourself, from `ssh-keyscan -p %u %s`, and go on)", in->name, t->dir, h->port, h->address);
    struct buf b;
    buf_init(&b, KNOWN_MAX);
    if (file_exists(m->ssh->known_hosts)) s = file_read(&b, m->ssh->known_hosts, err);
    if (s == OK && b.len > 0 && b.ptr[b.len - 1] != '\n') buf_put_u8(&b, '\n');
    buf_printf(&b, "[%s]:%u %s\n", h->address, h->port, line);
    if (s == OK) s = buf_status(&b);
    if (s == OK) s = file_write_atomic(m->ssh->known_hosts, buf_view(&b), 0644, err);
    buf_fini(&b);
    return s;
}

/* ---------------------------------------------------------------- machines */

static bool is_wanted(const char *name, const char *wanted)
{
    size_t n = strlen(name), k = wanted == NULL ? 0 : strlen(wanted);
    return wanted == NULL || strcmp(name, wanted) == 0 || (k >= 3 && n > k && strcmp(name + n - k, wanted) == 0);
}

static enum status add_machine(struct azure_machines *m, struct target *t, const json_t *vm, const char *name, const char *balancer_id, const char *ip, unsigned region, struct err *err)
{
    const struct settings *set = t->env.settings;
    struct ssh_target *s = m->ssh;
    if (s->n == TARGET_INSTANCES_MAX) return err_set(err, E_LIMIT, "more than %d machines", TARGET_INSTANCES_MAX);
    size_t k = s->n;
    struct ssh_host *h = &s->hosts[k];
    *h = (struct ssh_host){.roles = SSH_NODE, .instance = k};
    (void)snprintf(h->user, sizeof h->user, "%.64s", SETTING(set, vm_user));
    (void)snprintf(h->address, sizeof h->address, "%s", ip);
    m->inner.instances[k] = (struct target_instance){.region = region, .index = (unsigned)k};
    (void)snprintf(m->inner.instances[k].name, sizeof m->inner.instances[k].name, "%.79s", name);
    if ((size_t)snprintf(m->vm_id[k], sizeof m->vm_id[k], "%s", json_text(vm, "id")) >= sizeof m->vm_id[k]) return err_set(err, E_LIMIT, "the resource id of %s is too long", name);
    enum status st = find_port(&h->port, azure_of(t), balancer_id, m->vm_id[k], name, err);
    if (st != OK) return st;
    m->inner.n_instances = ++s->n;
    return is_known(s, h) ? OK : learn_key(m, t, h, err);
}

static enum status add_set(struct azure_machines *m, struct target *t, const json_t *set, const char *wanted, struct err *err)
{
    json_t *list = NULL, *v;
    size_t i;
    char balancer[AZURE_ID_MAX] = "", ip[16] = "";
    const char *set_name = json_text(set, "name");
    const unsigned region = target_region_of(set_name);
    enum status s = region == 0 ? err_set(err, E_CORRUPT, "state.json: the scale set '%s' has no region", set_name) : azure_list_machines(&list, azure_of(t), set_name, err);
    json_array_foreach(list, i, v)
    {
        const char *name = azure_machine_name(v), *power = azure_machine_power(v);
        if (s != OK || !is_wanted(name, wanted)) continue;
        if (strcmp(power, "running") != 0) {
            report_warn(t->env.report, "%s is %s: it is left out (`poa-deploy up %s` starts it)", name, power, t->dir);
            m->n_away++;
            continue;
        }
        if (balancer[0] == '\0') s = find_balancer(balancer, t, region, err);
        if (s == OK && ip[0] == '\0') s = resolve(ip, t->balancer[region - 1], err);
        if (s == OK) s = add_machine(m, t, v, name, balancer, ip, region, err);
    }
    json_decref(list);
    return s;
}

/* --ssh-key-file names the public half: its sister is the key, if it is there */
static void choose_key(struct azure_machines *m, const struct settings *set)
{
    const char *pub = SETTING(set, ssh_key_file);
    size_t n = strlen(pub);
    if (m->ssh->login.key_file != NULL || m->ssh->login.password_file != NULL || n < 5 || strcmp(pub + n - 4, ".pub") != 0) return;
    (void)snprintf(m->key_file, sizeof m->key_file, "%.*s", (int)(n - 4), pub);
    if (file_exists(m->key_file)) m->ssh->login.key_file = m->key_file;
}

static enum status open_machines(struct azure_machines **out, struct target *t, const char *wanted, struct err *err)
{
    const json_t *sets = json_object_get(t->env.record, "scaleSets"), *v;
    size_t i;
    if (json_array_size(sets) == 0) return err_set(err, E_NOT_FOUND, "this deployment is not finished: run the same `poa-deploy new` or `join` again");
    enum status s = check_open(t, err);
    if (s != OK) return s;
    struct azure_machines *m = calloc(1, sizeof *m);
    if (m == NULL) return err_set(err, E_NOMEM, "no memory");
    m->inner.env = t->env;
    (void)snprintf(m->inner.dir, sizeof m->inner.dir, "%s", t->dir);
    s = ssh_target_new(&m->ssh, &m->inner, err);
    m->inner.self = m->ssh;
    if (s == OK) choose_key(m, t->env.settings);
    json_array_foreach(sets, i, v)
        if (s == OK) s = add_set(m, t, v, wanted, err);
    if (s == OK && m->ssh->n == 0)
        s = m->n_away > 0 ? err_set(err, E_NET, "no machine runs: `poa-deploy up %s` starts them", t->dir)
                          : err_set(err, E_INVALID, "--instance: there is no '%s': give the name of a machine, or its end (`poa-deploy status %s` lists them)", wanted == NULL ? "" : wanted, t->dir);
    if (s == OK) *out = m;
    else azure_machines_free(m);
    return s;
}

/* those of a private network answer from inside alone */
static enum status hint(struct target *t, enum status s, struct err *err)
{
    bool far = s == E_NET || s == E_TIMEOUT;
    if (far && strcmp(SETTING(t->env.settings, public_ip), "private") == 0) return err_prefix(err, "the machines are in a private network: run this from inside, or through its VPN gateway");
    return s;
}

enum status azure_logs(struct target *t, const char *dir, const char *instance, uint64_t since_ms, bool follow, struct err *err)
{
    struct azure *a = azure_of(t);
    azure_machines_free(a->machines);
    a->machines = NULL;
    enum status s = open_machines(&a->machines, t, instance, err); /* kept: what follows goes on by it */
    if (s == OK) s = ssh_logs(&a->machines->inner, dir, NULL, since_ms, follow, err);
    return hint(t, s, err);
}

enum status azure_run(struct target *t, const struct target_run *r, struct err *err)
{
    struct azure_machines *m = NULL;
    struct target_run all = *r;
    enum status s = open_machines(&m, t, r->instance, err);
    all.instance = NULL; /* the others are not among them */
    if (s == OK) s = ssh_run(&m->inner, &all, err);
    azure_machines_free(m);
    return hint(t, s, err);
}

enum status azure_units(json_t **out, struct target *t, struct err *err)
{
    struct azure_machines *m = NULL;
    enum status s = open_machines(&m, t, NULL, err);
    if (s == OK) s = ssh_programs(out, &m->inner, err);
    azure_machines_free(m);
    return hint(t, s, err);
}

enum status azure_snapshot(struct target *t, const struct target_instance *in, const char *file, struct err *err)
{
    struct azure_machines *m = NULL;
    if (in == NULL && t->n_instances > 0) in = &t->instances[0]; /* behind the balancer nobody is asked how far it is */
    enum status s = open_machines(&m, t, in == NULL ? NULL : in->name, err);
    if (s == OK) s = ssh_pull_snapshot(m->ssh, &m->ssh->hosts[0], "poa", "/usr/local/bin/poa-node", file, err);
    azure_machines_free(m);
    return hint(t, s, err);
}
