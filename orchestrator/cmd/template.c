#include "orchestrator/cmd/template.h"

#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/codec/json.h"
#include "orchestrator/arm/arm.h"

enum { TEMPLATE_MAX = 4 << 20 };

enum status template_load(json_t **out, const char *share_dir, const char *path, struct err *err)
{
    char full[5000];
    if (strstr(path, "..") != NULL || path[0] == '/') return err_set(err, E_DENIED, "a template may only link to templates below its own folder, not '%s'", path);
    (void)snprintf(full, sizeof full, "%s/templates/%s", share_dir, path);
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

static enum status load(json_t **out, void *arg, const char *path, struct err *err)
{
    const struct template_input *in = arg;
    return template_load(out, in->share_dir, path, err);
}

/* what Azure would answer for a resource once it is there, by the target */
static enum status reference(json_t **out, void *arg, const char *id, const char *api_version, bool full, struct err *err)
{
    const struct template_input *in = arg;
    json_t *p = NULL;
    char location[64];
    (void)api_version;
    enum status s = in->target->ops->reference(&p, in->target, id, err);
    if (s != OK || !full) {
        if (s == OK) *out = p;
        return s;
    }
    *out = json_pack("{s:o, s:{s:s, s:s}, s:s}", "properties", p, "identity", "principalId", "00000000-0000-0000-0000-000000000000", "tenantId",
                     "00000000-0000-0000-0000-000000000000", "location", settings_location(in->settings, 1, location));
    return *out == NULL ? E_NOMEM : OK;
}

static enum status list_keys(json_t **out, void *arg, const char *function, const char *id, const char *api_version, const json_t *body,
                             struct err *err)
{
    (void)arg;
    (void)api_version;
    (void)body;
    (void)out;
    return err_set(err, E_UNSUPPORTED, "%s of %s: this target has no account keys", function, id);
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
    char name[64], location[64];
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
    return p;
}

enum status template_resolve(json_t **resources, json_t **outputs, const struct template_input *in, struct err *err)
{
    /* names derive from the resource group: on one machine each member has its own */
    char group[200], location[64];
    if (in->target->ops->submits_template) (void)snprintf(group, sizeof group, "%.90s", SETTING(in->settings, resource_group));
    else (void)snprintf(group, sizeof group, "%.90s-member%u", SETTING(in->settings, resource_group), in->target->member);
    settings_location(in->settings, 1, location);
    struct arm_context ctx = {.subscription_id = "00000000-0000-0000-0000-000000000000",
                              .tenant_id = "00000000-0000-0000-0000-000000000000",
                              .resource_group = group,
                              .location = location,
                              .deployment_name = "mainTemplate",
                              .utc_now_s = clock_wall_ms() / 1000,
                              .arg = (void *)(uintptr_t)in,
                              .load = load,
                              .reference = reference,
                              .list = list_keys};
    json_t *tmpl = NULL, *params = make_parameters(in), *raw = NULL, *flat = NULL, *res = NULL;
    struct arm_plan *plan = NULL;
    enum status s = in->target->ops->parameters(in->target, params, err);
    if (s == OK) s = load(&tmpl, (void *)(uintptr_t)in, "mainTemplate.json", err);
    if (s == OK) s = arm_plan_new(&plan, tmpl, params, &ctx, err);
    if (s == OK) s = arm_plan_resources(&res, plan, err);
    if (s == OK) s = arm_plan_outputs(&raw, plan, err);
    if (s == OK) {
        const char *key;
        json_t *v;
        flat = json_object();
        json_object_foreach(raw, key, v) json_object_set(flat, key, json_object_get(v, "value"));
        s = in->target->ops->outputs(in->target, flat, err);
    }
    if (s == OK) {
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

enum status template_submission(json_t **tmpl, json_t **params, const struct template_input *in, struct err *err)
{
    struct arm_context ctx = {.subscription_id = "00000000-0000-0000-0000-000000000000",
                              .tenant_id = "00000000-0000-0000-0000-000000000000",
                              .resource_group = SETTING(in->settings, resource_group),
                              .location = "",
                              .deployment_name = "mainTemplate",
                              .utc_now_s = clock_wall_ms() / 1000,
                              .arg = (void *)(uintptr_t)in,
                              .load = load};
    json_t *main_template = NULL, *given = make_parameters(in), *one = NULL;
    enum status s = in->target->ops->parameters(in->target, given, err);
    if (s == OK) s = load(&main_template, ctx.arg, "mainTemplate.json", err);
    if (s == OK) s = arm_inline(&one, main_template, given, &ctx, err);
    if (s == OK) {
        *tmpl = one;
        *params = json_incref(given);
    } else {
        s = err_prefix(err, "templates/mainTemplate.json");
    }
    json_decref(main_template);
    json_decref(given);
    return s;
}
