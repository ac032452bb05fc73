#include "orchestrator/target/azure_priv.h"

#include <ctype.h>

enum { PROBLEMS_MAX = 12 };

/* every problem that is found is told, in one text */
struct problems {
    struct buf text;
    size_t n;
};

PRINTF_LIKE(2, 3) static void problem(struct problems *p, const char *fmt, ...)
{
    char line[900];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    if (p->n++ >= PROBLEMS_MAX) return;
    if (p->text.len > 0) buf_put_str(&p->text, "; ");
    buf_put_str(&p->text, line);
}

/* ---------------------------------------------------------------- regions */

static enum status check_locations(struct problems *p, struct target *t, struct err *err)
{
    struct azure *a = azure_of(t);
    json_t *doc = NULL, *v;
    enum status s = azure_get(&doc, a, "list the regions", err, "/subscriptions/%s/locations?api-version=2022-12-01", a->subscription);
    if (s != OK) return s;
    for (unsigned r = 1; r <= SETTING_INT_OF(t->env.settings, regions); r++) {
        char location[64];
        size_t i;
        bool found = false;
        settings_location(t->env.settings, r, location);
        json_array_foreach(json_object_get(doc, "value"), i, v) found = found || strcasecmp(json_text(v, "name"), location) == 0;
        if (!found) problem(p, "--locations: the subscription has no region '%s' (az account list-locations names them, e.g. westeurope)", location);
    }
    json_decref(doc);
    return OK;
}

/* -------------------------------------------------------- sizes and quota */

struct size_facts {
    bool found, restricted, premium;
    char family[64], reason[64];
    json_int_t cores;
};

static enum status find_size(struct size_facts *out, struct azure *a, const char *location, const char *size, struct err *err)
{
    json_t *list = NULL, *v, *c;
    size_t i, k;
    char path[400];
    (void)snprintf(path, sizeof path, "/subscriptions/%s/providers/Microsoft.Compute/skus?api-version=2021-07-01&$filter=location%%20eq%%20%%27%s%%27", a->subscription, location);
    struct azure_arm_call call = {.op = "list the machine sizes", .permission = "Microsoft.Compute/skus/read", .method = "GET", .path = path};
    enum status s = azure_arm_list(&list, a->arm, &call, err);
    if (s != OK) return s;
    *out = (struct size_facts){.found = false};
    json_array_foreach(list, i, v)
    {
        if (strcmp(json_text(v, "resourceType"), "virtualMachines") != 0 || strcasecmp(json_text(v, "name"), size) != 0) continue;
        out->found = true;
        (void)snprintf(out->family, sizeof out->family, "%s", json_text(v, "family"));
        json_array_foreach(json_object_get(v, "capabilities"), k, c)
        {
            if (strcmp(json_text(c, "name"), "vCPUs") == 0) out->cores = strtoll(json_text(c, "value"), NULL, 10);
            if (strcmp(json_text(c, "name"), "PremiumIO") == 0) out->premium = strcasecmp(json_text(c, "value"), "True") == 0;
        }
        json_array_foreach(json_object_get(v, "restrictions"), k, c)
        {
            if (strcmp(json_text(c, "type"), "Location") != 0) continue;
            out->restricted = true;
            (void)snprintf(out->reason, sizeof out->reason, "%s", json_text(c, "reasonCode"));
        }
    }
    json_decref(list);
    return OK;
}

static void check_quota(struct problems *p, const json_t *usages, const char *name, json_int_t need, const char *location, const char *what)
{
    size_t i;
    const json_t *u;
    json_array_foreach(usages, i, u)
    {
        if (strcasecmp(json_text(json_object_get(u, "name"), "value"), name) != 0) continue;
        json_int_t used = json_integer_value(json_object_get(u, "currentValue")), limit = json_integer_value(json_object_get(u, "limit"));
        if (used + need > limit)
            problem(p, SAYS_QUOTA "%s: %lld %s are needed, and %lld of %lld are left; ask for more under Quotas in the portal, or take fewer or smaller machines", location,
                    (long long)need, what, (long long)(limit - used), (long long)limit);
    }
}

static bool first_use(const struct settings *s, unsigned region, const char *location, unsigned *times)
{
    char other[64];
    *times = 0;
    bool first = true;
    for (unsigned r = 1; r <= SETTING_INT_OF(s, regions); r++) {
        if (strcasecmp(settings_location(s, r, other), location) != 0) continue;
        if (r < region) first = false;
        (*times)++;
    }
    return first;
}

static enum status check_compute(struct problems *p, struct target *t, struct err *err)
{
    struct azure *a = azure_of(t);
    const struct settings *s = t->env.settings;
    const char *size = SETTING(s, vm_size);
    enum status st = OK;
    for (unsigned r = 1; st == OK && r <= SETTING_INT_OF(s, regions); r++) {
        char location[64], what[120];
        unsigned times;
        struct size_facts f;
        json_t *compute = NULL, *network = NULL;
        settings_location(s, r, location);
        if (!first_use(s, r, location, &times)) continue;
        for (char *c = location; *c != '\0'; c++) *c = (char)tolower((unsigned char)*c);
        st = find_size(&f, a, location, size, err);
        if (st != OK) break;
        if (!f.found) {
            problem(p, "--vm-size: %s is not offered in %s (az vm list-skus --location %s names what is)", size, location, location);
            continue;
        }
        if (f.restricted) problem(p, "--vm-size: %s cannot be used in %s by this subscription (%s): take another size or region", size, location, f.reason);
        if (strcmp(SETTING(s, storage), "Premium") == 0 && !f.premium) problem(p, "--vm-size: %s takes no Premium disks: take a DS or FS size, or --storage Standard", size);
        json_int_t machines = (json_int_t)SETTING_INT_OF(s, nodes) * times;
        st = azure_get(&compute, a, "read the compute quota", err, "/subscriptions/%s/providers/Microsoft.Compute/locations/%s/usages?api-version=2024-07-01", a->subscription, location);
        if (st == OK)
            st = azure_get(&network, a, "read the network quota", err, "/subscriptions/%s/providers/Microsoft.Network/locations/%s/usages?api-version=" AZURE_NETWORK_API, a->subscription, location);
        if (st == OK) {
            check_quota(p, json_object_get(compute, "value"), "cores", machines * f.cores, location, "cores");
            (void)snprintf(what, sizeof what, "cores of the family %s", f.family);
            check_quota(p, json_object_get(compute, "value"), f.family, machines * f.cores, location, what);
            /* one for each balancer, and each machine has its own */
            json_int_t addresses = strcmp(SETTING(s, public_ip), "public") == 0 ? machines + times : times;
            check_quota(p, json_object_get(network, "value"), "PublicIPAddresses", addresses, location, "public addresses");
        }
        json_decref(compute);
        json_decref(network);
    }
    return st;
}

/* ------------------------------------------------------------ permissions */

/* SPEC(role definitions): '*' stands for anything; case does not matter */
static bool action_matches(const char *pattern, const char *action)
{
    if (*pattern == '*') {
        do {
            if (action_matches(pattern + 1, action)) return true;
        } while (*action++ != '\0');
        return false;
    }
    if (*pattern == '\0' || *action == '\0') return *pattern == *action;
    return tolower((unsigned char)*pattern) == tolower((unsigned char)*action) && action_matches(pattern + 1, action + 1);
}

static bool any_matches(const json_t *patterns, const char *action)
{
    size_t i;
    const json_t *v;
    json_array_foreach(patterns, i, v)
        if (json_is_string(v) && action_matches(json_string_value(v), action)) return true;
    return false;
}

static enum status check_permissions(struct problems *p, struct target *t, bool group_stands, struct err *err)
{
    static const char *const needed[] = {"Microsoft.Resources/deployments/write",       "Microsoft.Resources/deployments/validate/action",
                                         "Microsoft.Authorization/roleAssignments/write", "Microsoft.Compute/virtualMachineScaleSets/write",
                                         "Microsoft.Network/virtualNetworks/write",      "Microsoft.Network/loadBalancers/write",
                                         "Microsoft.KeyVault/vaults/write",              "Microsoft.Storage/storageAccounts/write"};
    struct azure *a = azure_of(t);
    json_t *doc = NULL, *v;
    char group[120] = "";
    if (group_stands) (void)snprintf(group, sizeof group, "/resourceGroups/%s", a->group);
    enum status s = azure_get(&doc, a, "read the own permissions", err, "/subscriptions/%s%s/providers/Microsoft.Authorization/permissions?api-version=2022-04-01", a->subscription, group);
    if (s != OK) return s;
    struct buf lacking;
    bool roles = false;
    buf_init(&lacking, 4096);
    for (size_t k = 0; k < COUNT_OF(needed) + !group_stands; k++) {
        const char *action = k < COUNT_OF(needed) ? needed[k] : "Microsoft.Resources/subscriptions/resourceGroups/write";
        bool ok = false;
        size_t i;
        json_array_foreach(json_object_get(doc, "value"), i, v)
            ok = ok || (any_matches(json_object_get(v, "actions"), action) && !any_matches(json_object_get(v, "notActions"), action));
        if (!ok) buf_printf(&lacking, "%s%s", lacking.len > 0 ? ", " : "", action + strlen("Microsoft."));
        roles = roles || (!ok && strstr(action, "roleAssignments") != NULL);
    }
    if (lacking.len > 0)
        problem(p, "%s may not do this on %s %s: %s%s", azure_token_identity(a->tokens), group_stands ? "resource group" : "subscription", group_stands ? a->group : a->subscription, buf_cstr(&lacking),
                roles ? " (roleAssignments/write is not in the role Contributor: it takes Owner, or User Access Administrator beside it)" : "");
    buf_fini(&lacking);
    json_decref(doc);
    return OK;
}

static enum status check_providers(struct target *t, struct err *err)
{
    static const char *const all[] = {"Microsoft.Compute", "Microsoft.Network", "Microsoft.KeyVault", "Microsoft.Storage", "Microsoft.OperationalInsights", "Microsoft.Insights"};
    struct azure *a = azure_of(t);
    size_t n = strcmp(SETTING(t->env.settings, monitor), "enable") == 0 ? COUNT_OF(all) : 4;
    enum status s = OK;
    for (size_t i = 0; s == OK && i < n; i++) {
        json_t *doc = NULL;
        s = azure_get(&doc, a, "look at a resource provider", err, "/subscriptions/%s/providers/%s?api-version=" AZURE_GROUPS_API, a->subscription, all[i]);
        if (s == OK && strcmp(json_text(doc, "registrationState"), "NotRegistered") == 0) {
            char path[200], op[120];
            (void)snprintf(path, sizeof path, "/subscriptions/%s/providers/%s/register?api-version=" AZURE_GROUPS_API, a->subscription, all[i]);
            (void)snprintf(op, sizeof op, "register the resource provider %s", all[i]);
            struct azure_arm_call c = {.op = op, .permission = "*/register/action", .method = "POST", .path = path};
            report_step(t->env.report, "%s", op);
            s = azure_arm_do(NULL, a->arm, &c, err);
        }
        json_decref(doc);
    }
    return s;
}

/* a deployment of an earlier run is under way: what it needs is taken already. One that someone has deleted has taken its vault along */
static enum status look_again(struct azure *a, const char *deployment, struct err *err)
{
    enum status s = azure_get(NULL, a, "look at the deployment", err, "/subscriptions/%s/resourcegroups/%s/providers/Microsoft.Resources/deployments/%s?api-version=" AZURE_DEPLOYMENTS_API,
                              a->subscription, a->group, deployment);
    if (s != E_NOT_FOUND) return s;
    a->vault_url[0] = a->blob_url[0] = '\0';
    return OK;
}

enum status azure_preflight(struct target *t, struct err *err)
{
    struct azure *a = azure_of(t);
    struct problems p = {.n = 0};
    json_t *group = NULL;
    report_step(t->env.report, "look at the subscription: regions, sizes, quota, permissions");
    enum status s = azure_sign_in(t, err);
    if (s != OK) return s;
    if (azure_noted(t, "deployment") != NULL) return look_again(a, azure_noted(t, "deployment"), err);
    buf_init(&p.text, 8192);
    s = azure_get(&group, a, "look for the resource group", err, "/subscriptions/%s/resourceGroups/%s?api-version=" AZURE_GROUPS_API, a->subscription, a->group);
    bool stands = s == OK;
    if (s == E_NOT_FOUND) s = OK;
    if (s == OK && strcmp(json_text(json_object_get(group, "properties"), "provisioningState"), "Deleting") == 0)
        problem(&p, "resource group %s is being deleted: wait until it is gone, or name another one (--resource-group)", a->group);
    json_decref(group);
    if (s == OK) s = check_locations(&p, t, err);
    if (s == OK) s = check_permissions(&p, t, stands, err);
    if (s == OK && p.n == 0) s = check_compute(&p, t, err);
    if (s == OK && p.n > 0) s = err_set(err, E_DENIED, "Azure cannot take this deployment: %s", buf_cstr(&p.text));
    if (s == OK) s = check_providers(t, err);
    buf_fini(&p.text);
    return s;
}

/* ------------------------------------------------------------------ names */

static enum status check_vault(struct azure *a, const char *id, const char *name, const char *change, struct err *err)
{
    json_t *doc = NULL;
    enum status s = azure_get(&doc, a, "look for the vault among the deleted ones", err, "/subscriptions/%s/providers/Microsoft.KeyVault/locations/%s/deletedVaults/%s?api-version=2024-11-01",
                              a->subscription, a->location, name);
    if (s == OK) {
        const json_t *p = json_object_get(doc, "properties");
        if (strcasecmp(json_text(p, "vaultId"), id) == 0) a->recover_vault = true;
        else
            s = err_set(err, E_CONFLICT, "the vault's name %s" SAYS_VAULT_HELD " of another resource group (%s) until %s: purge it (az keyvault purge --name %s), or take another --resource-group", name,
                        json_text(p, "vaultId"), json_text(p, "scheduledPurgeDate"), name);
        json_decref(doc);
        return s;
    }
    if (s != E_NOT_FOUND) return s;
    if (strcmp(change, "Create") != 0) return OK;
    json_t *body = json_pack("{s:s, s:s}", "name", name, "type", "Microsoft.KeyVault/vaults");
    char path[200];
    (void)snprintf(path, sizeof path, "/subscriptions/%s/providers/Microsoft.KeyVault/checkNameAvailability?api-version=2024-11-01", a->subscription);
    struct azure_arm_call c = {.op = "check the vault's name", .method = "POST", .path = path, .body = body};
    s = azure_arm_do(&doc, a->arm, &c, err);
    if (s == OK && json_is_false(json_object_get(doc, "nameAvailable")))
        s = err_set(err, E_CONFLICT, "the vault's name %s is taken by someone else (%s): take another --resource-group, the names derive from it", name, json_text(doc, "message"));
    json_decref(body);
    json_decref(doc);
    return s;
}

static enum status check_account(struct azure *a, const char *name, struct err *err)
{
    json_t *doc = NULL, *body = json_pack("{s:s, s:s}", "name", name, "type", "Microsoft.Storage/storageAccounts");
    char path[200];
    (void)snprintf(path, sizeof path, "/subscriptions/%s/providers/Microsoft.Storage/checkNameAvailability?api-version=2025-01-01", a->subscription);
    struct azure_arm_call c = {.op = "check the storage account's name", .method = "POST", .path = path, .body = body};
    enum status s = azure_arm_do(&doc, a->arm, &c, err);
    if (s == OK && json_is_false(json_object_get(doc, "nameAvailable")))
        s = err_set(err, E_CONFLICT, "the storage account's name %s is taken by someone else: take another --resource-group, the names derive from it", name);
    json_decref(body);
    json_decref(doc);
    return s;
}

enum status azure_check_names(struct target *t, const json_t *changes, struct err *err)
{
    struct azure *a = azure_of(t);
    enum status s = OK;
    size_t i;
    const json_t *v;
    json_array_foreach(changes, i, v)
    {
        const char *id = json_text(v, "resourceId"), *change = json_text(v, "changeType"), *slash = strrchr(id, '/');
        if (s != OK || slash == NULL || strcmp(change, "Ignore") == 0) continue;
        size_t up = (size_t)(slash - id);
        if (up > 26 && strncasecmp(slash - strlen("/Microsoft.KeyVault/vaults"), "/Microsoft.KeyVault/vaults", 26) == 0) {
            (void)snprintf(a->vault_name, sizeof a->vault_name, "%s", slash + 1);
            s = check_vault(a, id, slash + 1, change, err);
        } else if (azure_noted(t, "deployment") == NULL && strcmp(change, "Create") != 0 && strcasestr(id, "/Microsoft.Compute/virtualMachineScaleSets/") != NULL) {
            s = err_set(err, E_EXISTS, "resource group %s holds machines of another deployment already (%s): take another --resource-group, or destroy that one from its own workspace", a->group, slash + 1);
        } else if (up > 34 && strncasecmp(slash - strlen("/Microsoft.Storage/storageAccounts"), "/Microsoft.Storage/storageAccounts", 34) == 0 && strcmp(change, "Create") == 0) {
            s = check_account(a, slash + 1, err);
        }
    }
    return s;
}
