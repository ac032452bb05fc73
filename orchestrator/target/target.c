#include "orchestrator/target/target.h"

#include "orchestrator/target/azure.h"
#include "orchestrator/target/local.h"
#include "orchestrator/target/ssh.h"

#include <strings.h>

const struct target_ops *target_find(const char *name)
{
    static const struct target_ops *const all[] = {&TARGET_LOCAL, &TARGET_SSH, &TARGET_AZURE};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        if (strcmp(all[i]->name, name) == 0) return all[i];
    return NULL;
}

enum status target_open(struct target *t, const struct target_env *env, struct err *err)
{
    const char *name = SETTING(env->settings, target);
    *t = (struct target){.ops = target_find(name),
                         .env = *env,
                         .member = (unsigned)SETTING_INT_OF(env->settings, member_id),
                         .rpc_port = 8545,
                         .ws_port = 8546,
                         .page_port = 80,
                         .low_ports = true};
    (void)snprintf(t->dir, sizeof t->dir, "%s", env->workspace_dir);
    (void)snprintf(t->bin_dir, sizeof t->bin_dir, "%s", env->bin_dir);
    if (t->ops == NULL) return err_set(err, E_UNSUPPORTED, "--target %s: this version runs no networks there", name);
    return t->ops->open(t, err);
}

void target_close(struct target *t)
{
    if (t->ops != NULL && t->ops->close != NULL) t->ops->close(t);
    t->self = NULL;
    t->ops = NULL;
}

/* "...-reg2" -> 2 */
unsigned target_region_of(const char *name)
{
    const char *at = NULL;
    for (const char *p = name; p != NULL && (p = strstr(p, "reg")) != NULL; p += 3)
        at = p;
    unsigned long r = at == NULL ? 0 : strtoul(at + 3, NULL, 10);
    return r >= 1 && r <= TARGET_REGIONS_MAX ? (unsigned)r : 0;
}

enum status target_add_scale_sets(struct target *t, const json_t *resources, struct err *err)
{
    size_t i;
    const json_t *res;
    t->n_instances = 0;
    json_array_foreach(resources, i, res)
    {
        const char *type = json_string_value(json_object_get(res, "type"));
        if (type == NULL || strcasecmp(type, "Microsoft.Compute/virtualMachineScaleSets") != 0) continue;
        json_int_t capacity = json_integer_value(json_object_get(json_object_get(res, "sku"), "capacity"));
        const char *name = json_string_value(json_object_get(res, "name")), *location = json_string_value(json_object_get(res, "location"));
        unsigned r = target_region_of(name);
        if (name == NULL || r == 0 || capacity < 1 || capacity > 15)
            return err_set(err, E_INVALID, "the template's scale set '%s' has no region (its name must end in reg1 to reg5) or a capacity outside 1 to 15", name == NULL ? "" : name);
        for (unsigned k = 0; k < (unsigned)capacity; k++) {
            if (t->n_instances == TARGET_INSTANCES_MAX) return err_set(err, E_LIMIT, "more than %d instances", TARGET_INSTANCES_MAX);
            struct target_instance *in = &t->instances[t->n_instances++];
            *in = (struct target_instance){.region = r, .index = k};
            (void)snprintf(in->name, sizeof in->name, "%.69s%06u", name, k % 1000000);
            (void)snprintf(in->location, sizeof in->location, "%.60s", location == NULL ? "" : location);
        }
    }
    if (t->n_instances == 0) return err_set(err, E_INVALID, "the template resolves to no scale set: nothing would run");
    return OK;
}

const struct target_instance *target_instance_find(const struct target *t, const char *what)
{
    size_t k = strlen(what);
    for (size_t i = 0; i < t->n_instances; i++) {
        const struct target_instance *in = &t->instances[i];
        size_t n = strlen(in->name);
        if (strcmp(in->name, what) == 0 || strcmp(in->address, what) == 0 || (k >= 3 && n > k && strcmp(in->name + n - k, what) == 0)) return in;
    }
    return NULL;
}

enum status target_reference(json_t **out, struct target *t, const char *id, struct err *err)
{
    json_t *p;
    (void)err;
    if (strcasestr(id, "/publicIPAddresses/") != NULL || strcasestr(id, "/loadBalancers/") != NULL) {
        unsigned r = target_region_of(id);
        const char *host = t->balancer[r == 0 ? 0 : r - 1];
        p = json_pack("{s:s, s:{s:s}}", "ipAddress", host, "dnsSettings", "fqdn", host);
    } else if (strcasestr(id, "/vaults/") != NULL) {
        p = json_pack("{s:s}", "vaultUri", t->store_url);
    } else if (strcasestr(id, "/storageAccounts/") != NULL) {
        p = json_pack("{s:{s:s}}", "primaryEndpoints", "blob", t->store_url);
    } else {
        p = json_object();
    }
    if (p == NULL) return E_NOMEM;
    *out = p;
    return OK;
}

/* strings of the store's own client */
enum status target_store_access(struct target *t, struct vault_access *out, struct err *err)
{
    struct target_store *st = &t->store;
    (void)err;
    (void)snprintf(st->token_uri, sizeof st->token_uri, "%s/poa/oauth2/v2.0/token", t->store_url);
    local_path(st->secret_file, t, LOCAL_ORCHESTRATOR_SECRET);
    local_path(st->ca_file, t, LOCAL_CA);
    *out = (struct vault_access){.url = t->store_url,
                                 .token_uri = st->token_uri,
                                 .client_id = LOCAL_ORCHESTRATOR_CLIENT,
                                 .client_secret_file = st->secret_file,
                                 .ca_file = st->ca_file};
    return OK;
}

/* a member page port other than 80 shows in the addresses, and an RPC port other than the template's */
enum status target_fix_ports(struct target *t, json_t *outputs, struct err *err)
{
    char url[200];
    (void)err;
    static const char *const pages[] = {"GOVERNANCE_DASHBOARD_URL", "CONSORTIUM_DATA_URL"};
    for (size_t i = 0; i < COUNT_OF(pages) && t->page_port != 80; i++) {
        (void)snprintf(url, sizeof url, "http://%s:%u", t->balancer[0], t->page_port);
        json_object_set_new(outputs, pages[i], json_string(url));
    }
    if (t->rpc_port != 8545) {
        (void)snprintf(url, sizeof url, "http://%s:%u", t->balancer[0], t->rpc_port);
        json_object_set_new(outputs, "ETHEREUM_RPC_ENDPOINT", json_string(url));
    }
    if (t->ws_port != 8546) {
        (void)snprintf(url, sizeof url, "ws://%s:%u", t->balancer[0], t->ws_port);
        json_object_set_new(outputs, "ETHEREUM_WS_ENDPOINT", json_string(url));
    }
    return OK;
}

const char *target_custom_data(const json_t *resources, const struct target_instance *in)
{
    size_t i;
    const json_t *res;
    json_array_foreach(resources, i, res)
    {
        const char *type = json_string_value(json_object_get(res, "type")), *name = json_string_value(json_object_get(res, "name"));
        if (type == NULL || strcasecmp(type, "Microsoft.Compute/virtualMachineScaleSets") != 0 || name == NULL) continue;
        if (strncmp(in->name, name, strlen(name)) != 0 || strlen(in->name) != strlen(name) + 6) continue;
        static const char *const path[] = {"properties", "virtualMachineProfile", "osProfile", "customData"};
        const json_t *o = res;
        for (size_t k = 0; k < COUNT_OF(path); k++)
            o = json_object_get(o, path[k]);
        return json_string_value(o);
    }
    return NULL;
}
