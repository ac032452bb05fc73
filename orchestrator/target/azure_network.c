#include "lib/base/clock.h"
#include "lib/base/secret.h"
#include "orchestrator/target/azure_priv.h"

/* -------------------------------------------------------------------- ssh */

static enum status set_rule(struct azure *a, const char *nsg_id, const char *nsg, const char *access, bool *changed, struct err *err)
{
    char path[AZURE_PATH_MAX], op[160];
    json_t *rule = NULL;
    (void)snprintf(path, sizeof path, "%.1500s/securityRules/allow-ssh?api-version=" AZURE_NETWORK_API, nsg_id);
    (void)snprintf(op, sizeof op, "set the rule allow-ssh of %.80s", nsg);
    struct azure_arm_call get = {.op = op, .permission = "Microsoft.Network/networkSecurityGroups/securityRules/read", .method = "GET", .path = path};
    enum status s = azure_arm_do(&rule, a->arm, &get, err);
    if (s == E_NOT_FOUND) return err_set(err, s, "%s has no rule allow-ssh: was it taken away by hand? It is not a network security group of this deployment any more", nsg);
    if (s != OK) return s;
    json_t *props = json_object_get(rule, "properties");
    *changed = strcmp(json_text(props, "access"), access) != 0;
    if (*changed) {
        json_object_set_new(props, "access", json_string(access));
        json_object_del(props, "provisioningState");
        json_t *body = json_pack("{s:O}", "properties", props);
        struct azure_arm_call put = {.op = op, .permission = "Microsoft.Network/networkSecurityGroups/securityRules/write", .method = "PUT", .path = path, .body = body};
        s = azure_arm_run(NULL, a->arm, &put, 600000, NULL, NULL, err);
        json_decref(body);
    }
    json_decref(rule);
    return s;
}

enum status azure_ssh_access(struct target *t, bool allow, size_t *rules, size_t *changed, struct err *err)
{
    struct azure *a = azure_of(t);
    json_t *list = NULL, *v;
    size_t i;
    *rules = *changed = 0;
    enum status s = azure_sign_in(t, err);
    if (s == OK) s = azure_list_nsgs(&list, t, err);
    if (s != OK) return s;
    json_array_foreach(list, i, v)
    {
        bool one = false;
        if (s != OK) continue;
        report_step(t->env.report, "%s SSH in %s", allow ? "allow" : "deny", json_text(v, "name"));
        s = set_rule(a, json_text(v, "id"), json_text(v, "name"), allow ? "Allow" : "Deny", &one, err);
        *rules += 1;
        *changed += one;
    }
    json_decref(list);
    if (s == OK && *rules == 0) s = err_set(err, E_NOT_FOUND, "resource group %s has no network security group of member %u", a->group, t->member);
    return s;
}

/* ---------------------------------------------------------------- gateway */

static enum status own_gateway(char id[static AZURE_ID_MAX], char location[static 64], struct target *t, struct err *err)
{
    struct azure *a = azure_of(t);
    json_t *list = NULL, *v;
    size_t i;
    char best[AZURE_ID_MAX] = "";
    enum status s = azure_list_own(&list, t, "Microsoft.Network/virtualNetworkGateways", "VPN gateways", err);
    if (s != OK) return s;
    json_array_foreach(list, i, v)
    {
        const char *name = json_text(v, "name"), *tail = strstr(name, "-reg");
        if (best[0] != '\0' && (tail == NULL || strcmp(tail, "-reg1") != 0)) continue;
        (void)snprintf(best, sizeof best, "%s", json_text(v, "id"));
        (void)snprintf(location, 64, "%s", json_text(v, "location"));
    }
    json_decref(list);
    if (best[0] == '\0')
        return err_set(err, E_NOT_FOUND, "resource group %s has no VPN gateway: a network of public addresses needs no connection, and a private one has its gateway when the deployment is done", a->group);
    memcpy(id, best, sizeof best);
    return OK;
}

enum status azure_gateway_connect(struct target *t, const char *other_gateway_id, const char *name, const char *shared_key, struct err *err)
{
    struct azure *a = azure_of(t);
    char mine[AZURE_ID_MAX], location[64], path[AZURE_PATH_MAX];
    enum status s = azure_sign_in(t, err);
    if (s == OK) s = own_gateway(mine, location, t, err);
    if (s != OK) return s;
    if (strcasecmp(mine, other_gateway_id) == 0) return err_set(err, E_INVALID, "%s is the own gateway: give that of the other member", other_gateway_id);
    json_t *body = json_pack("{s:s, s:{s:s, s:s, s:b, s:{s:s}, s:{s:s}}}", "location", location, "properties", "connectionType", "Vnet2Vnet", "sharedKey", shared_key, "enableBgp", 1,
                             "virtualNetworkGateway1", "id", mine, "virtualNetworkGateway2", "id", other_gateway_id);
    if (body == NULL) return err_set(err, E_NOMEM, "connection: out of memory");
    (void)snprintf(path, sizeof path, "/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Network/connections/%s?api-version=" AZURE_NETWORK_API, a->subscription, a->group, name);
    struct azure_arm_call put = {.op = "create the connection", .permission = "Microsoft.Network/connections/write", .method = "PUT", .path = path, .body = body};
    report_step(t->env.report, "connect %s to %s", strrchr(mine, '/') + 1, strrchr(other_gateway_id, '/') + 1);
    s = azure_arm_run(NULL, a->arm, &put, 1800000, NULL, NULL, err);
    const char *key = json_text(json_object_get(body, "properties"), "sharedKey");
    secret_wipe((char *)(uintptr_t)key, strlen(key));
    json_decref(body);
    return s;
}

/* -------------------------------------------------------- traffic manager */

enum status azure_traffic_manager(json_t **outputs, struct target *t, const json_t *tmpl, const char *name, const char *dns_label, const char *routing, struct err *err)
{
    struct azure *a = azure_of(t);
    json_t *list = NULL, *v, *ids = json_array(), *doc = NULL;
    size_t i;
    char path[AZURE_PATH_MAX], deployment[65];
    enum status s = azure_sign_in(t, err);
    (void)snprintf(path, sizeof path, "/subscriptions/%s/resourceGroups/%s/resources?api-version=" AZURE_GROUPS_API "&$filter=resourceType%%20eq%%20%%27Microsoft.Network%%2FpublicIPAddresses%%27",
                   a->subscription, a->group);
    struct azure_arm_call get = {.op = "list the public addresses", .method = "GET", .path = path};
    if (s == OK) s = azure_arm_list(&list, a->arm, &get, err);
    for (int r = 1; s == OK && r <= TARGET_REGIONS_MAX; r++) {
        char tail[24];
        (void)snprintf(tail, sizeof tail, "-lbpip-reg%d", r);
        json_array_foreach(list, i, v)
            if (azure_is_member(t, v) && strstr(json_text(v, "name"), tail) != NULL) json_array_append_new(ids, json_string(json_text(v, "id")));
    }
    if (s == OK && json_array_size(ids) == 0)
        s = err_set(err, E_NOT_FOUND, "resource group %s has no public address of a load balancer: Traffic Manager serves networks with public addresses", a->group);
    json_t *body = s == OK ? json_pack("{s:{s:s, s:O, s:{s:{s:s}, s:{s:s}, s:{s:s}, s:{s:O}, s:{s:{s:s}}}}}", "properties", "mode", "Incremental", "template", tmpl, "parameters", "profileName",
                                       "value", name, "dnsName", "value", dns_label, "routingMethod", "value", routing, "publicAddressIds", "value", ids, "tags", "value", "created-by",
                                       "poa-deploy")
                           : NULL;
    if (s == OK && body == NULL) s = err_set(err, E_NOMEM, "traffic manager: out of memory");
    (void)snprintf(deployment, sizeof deployment, "poa-traffic-%.50s", name);
    (void)snprintf(path, sizeof path, "/subscriptions/%s/resourcegroups/%s/providers/Microsoft.Resources/deployments/%s?api-version=" AZURE_DEPLOYMENTS_API, a->subscription, a->group, deployment);
    struct azure_fault fault = {0};
    struct azure_arm_call put = {.op = "create the Traffic Manager profile", .permission = "Microsoft.Network/trafficManagerProfiles/write", .method = "PUT", .path = path, .body = body, .fault = &fault};
    if (s == OK) {
        report_step(t->env.report, "create the Traffic Manager profile %s over %zu regions", name, json_array_size(ids));
        s = azure_arm_do(NULL, a->arm, &put, err);
        if (s == E_CONFLICT && strcmp(fault.code, "DeploymentActive") == 0) s = OK;
    }
    if (s == OK) s = azure_follow(&doc, t, deployment, false, err);
    if (s == OK) {
        const char *key;
        const json_t *made = json_object_get(json_object_get(doc, "properties"), "outputs");
        *outputs = json_object();
        json_object_foreach((json_t *)(uintptr_t)made, key, v) json_object_set(*outputs, key, json_object_get(v, "value"));
    }
    json_decref(doc);
    json_decref(body);
    json_decref(ids);
    json_decref(list);
    return s;
}
