#include "orchestrator/cmd/template.h"

#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/codec/json.h"
#include "orchestrator/arm/arm.h"

#include <strings.h>

enum { TEMPLATE_MAX = 4 << 20 };

static enum status load(json_t **out, void *arg, const char *path, struct err *err)
{
    const struct template_input *in = arg;
    char full[5000];
    if (strstr(path, "..") != NULL || path[0] == '/') return err_set(err, E_DENIED, "a template may only link to templates below its own folder, not '%s'", path);
    (void)snprintf(full, sizeof full, "%s/templates/%s", in->share_dir, path);
    struct buf b;
    buf_init(&b, TEMPLATE_MAX);
    enum status s = file_read(&b, full, err);
    if (s == OK) {
        s = json_parse(out, buf_view(&b), err);
        if (s != OK) s = err_prefix(err, "%s", full);
    }
    buf_fini(&b);
    return s;
}

static bool is_a(const char *id, const char *type)
{
    return strcasestr(id, type) != NULL;
}

static unsigned region_of_id(const char *id)
{
    const char *at = NULL;
    for (const char *p = id; (p = strstr(p, "reg")) != NULL; p += 3)
        at = p;
    unsigned r = at == NULL ? 1 : (unsigned)strtoul(at + 3, NULL, 10);
    return r >= 1 && r <= 5 ? r : 1;
}

/* what Azure would answer for a resource once it is there, for the local target's own */
static enum status reference(json_t **out, void *arg, const char *id, const char *api_version, bool full, struct err *err)
{
    const struct template_input *in = arg;
    json_t *p = NULL;
    (void)api_version;
    (void)err;
    if (is_a(id, "/publicIPAddresses/") || is_a(id, "/loadBalancers/")) {
        char host[16];
        local_lb_address(host, in->local, region_of_id(id));
        p = json_pack("{s:s, s:{s:s}}", "ipAddress", host, "dnsSettings", "fqdn", host);
    } else if (is_a(id, "/vaults/")) {
        p = json_pack("{s:s}", "vaultUri", in->local->store_url);
    } else if (is_a(id, "/storageAccounts/")) {
        p = json_pack("{s:{s:s}}", "primaryEndpoints", "blob", in->local->store_url);
    } else {
        p = json_object();
    }
    if (p == NULL) return E_NOMEM;
    if (!full) {
        *out = p;
        return OK;
    }
    *out = json_pack("{s:o, s:{s:s, s:s}, s:s}", "properties", p, "identity", "principalId", "00000000-0000-0000-0000-000000000000", "tenantId",
                     "00000000-0000-0000-0000-000000000000", "location", "local1");
    return *out == NULL ? E_NOMEM : OK;
}

static enum status list_keys(json_t **out, void *arg, const char *function, const char *id, const char *api_version, const json_t *body,
                             struct err *err)
{
    (void)arg;
    (void)api_version;
    (void)body;
    (void)out;
    return err_set(err, E_UNSUPPORTED, "%s of %s: the local target has no account keys", function, id);
}

static void set(json_t *params, const char *name, json_t *value_take)
{
    json_object_set_new(params, name, json_pack("{s:o}", "value", value_take));
}

static json_t *address_json(const address *a)
{
    char text[43];
    address_put_checksum(text, a);
    return json_string(text);
}

static json_t *make_parameters(const struct template_input *in)
{
    const struct settings *s = in->settings;
    json_t *p = json_object(), *list = json_array();
    char name[64], location[64], token_uri[128], ca[4096];
    set(p, "location", json_string(settings_location(s, 1, location)));
    set(p, "isJoiningExistingNetwork", json_boolean(in->is_join));
    set(p, "regionCount", json_integer((json_int_t)SETTING_INT_OF(s, regions)));
    for (unsigned r = 1; r <= SETTING_INT_OF(s, regions); r++) {
        (void)snprintf(name, sizeof name, "location_%u", r);
        set(p, name, json_string(settings_location(s, r, location)));
    }
    set(p, "authType", json_string(SETTING(s, auth_type)));
    set(p, "adminUsername", json_string(SETTING(s, vm_user)));
    set(p, "ethereumNetworkID", json_integer((json_int_t)in->network_id));
    set(p, "consortiumMemberId", json_integer((json_int_t)SETTING_INT_OF(s, member_id)));
    set(p, "ethereumAdminPublicKey", address_json(&in->admin));
    set(p, "deployUsingPublicIP", json_boolean(strcmp(SETTING(s, public_ip), "public") == 0));
    set(p, "numVLNodesRegion", json_integer((json_int_t)SETTING_INT_OF(s, nodes)));
    set(p, "vlNodeVMSize", json_string(SETTING(s, vm_size)));
    set(p, "vlStorageAccountType", json_string(strcmp(SETTING(s, storage), "Premium") == 0 ? "Premium_LRS" : "Standard_LRS"));
    set(p, "consortiumDataURL", json_string(SETTING(s, data_url)));
    set(p, "omsDeploy", json_boolean(strcmp(SETTING(s, monitor), "enable") == 0));
    set(p, "omsWorkspaceId", json_string(SETTING(s, workspace_id)));
    if (*SETTING(s, monitor_location) != '\0') set(p, "omsLocation", json_string(SETTING(s, monitor_location)));
    set(p, "emailAddress", json_string(SETTING(s, email)));
    set(p, "genesisHash", json_string(in->genesis_hash));
    for (size_t i = 0; i < in->n_validators; i++)
        json_array_append_new(list, address_json(&in->validators[i]));
    set(p, "validatorAddresses", list);
    set(p, "identityMode", json_string(SETTING(s, identity_mode)));
    /* each instance is its own client of the store: its managed identity on this machine */
    (void)snprintf(token_uri, sizeof token_uri, "%s/metadata/identity/oauth2/token", in->local->store_url);
    local_path(ca, in->local, LOCAL_CA);
    set(p, "token", json_pack("{s:s, s:s, s:s, s:s, s:s}", "kind", "msi", "uri", token_uri, "clientId", "{{instance.name}}", "secretFile",
                              "${POA_ROOT}/run/identity-secret", "caFile", ca));
    return p;
}

/* a member page port other than 80 shows in the addresses */
static void fix_page_port(json_t *outputs, const struct local_target *t)
{
    static const char *const keys[] = {"GOVERNANCE_DASHBOARD_URL", "CONSORTIUM_DATA_URL"};
    for (size_t i = 0; i < COUNT_OF(keys) && t->page_port != 80; i++) {
        char url[128], lb[16];
        local_lb_address(lb, t, 1);
        (void)snprintf(url, sizeof url, "http://%s:%u", lb, t->page_port);
        json_object_set_new(outputs, keys[i], json_string(url));
    }
}

enum status template_resolve(json_t **resources, json_t **outputs, const struct template_input *in, struct err *err)
{
    /* names derive from the resource group: on one machine each member has its own */
    char group[200];
    (void)snprintf(group, sizeof group, "%.90s-member%u", SETTING(in->settings, resource_group), in->local->member);
    struct arm_context ctx = {.subscription_id = "00000000-0000-0000-0000-000000000000",
                              .tenant_id = "00000000-0000-0000-0000-000000000000",
                              .resource_group = group,
                              .location = "local1",
                              .deployment_name = "mainTemplate",
                              .utc_now_s = clock_wall_ms() / 1000,
                              .arg = (void *)(uintptr_t)in,
                              .load = load,
                              .reference = reference,
                              .list = list_keys};
    json_t *tmpl = NULL, *params = make_parameters(in), *raw = NULL, *flat = NULL, *res = NULL;
    struct arm_plan *plan = NULL;
    enum status s = load(&tmpl, (void *)(uintptr_t)in, "mainTemplate.json", err);
    if (s == OK) s = arm_plan_new(&plan, tmpl, params, &ctx, err);
    if (s == OK) s = arm_plan_resources(&res, plan, err);
    if (s == OK) s = arm_plan_outputs(&raw, plan, err);
    if (s == OK) {
        const char *key;
        json_t *v;
        flat = json_object();
        json_object_foreach(raw, key, v) json_object_set(flat, key, json_object_get(v, "value"));
        fix_page_port(flat, in->local);
        *resources = json_incref(res);
        *outputs = json_incref(flat);
    } else {
        s = err_prefix(err, "templates/mainTemplate.json");
    }
    json_decref(flat);
    json_decref(raw);
    json_decref(res);
    arm_plan_free(plan);
    json_decref(params);
    json_decref(tmpl);
    return s;
}
