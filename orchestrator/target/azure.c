#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/secret.h"
#include "orchestrator/target/azure_priv.h"

enum { GRANT_MS = 600000, VAULT_MS = 600000, SCRIPT_MAX = 1 << 20 };

struct azure *azure_of(struct target *t)
{
    return t->self;
}

enum status azure_get(json_t **out, struct azure *a, const char *op, struct err *err, const char *fmt, ...)
{
    char path[AZURE_PATH_MAX];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(path, sizeof path, fmt, ap);
    va_end(ap);
    struct azure_arm_call c = {.op = op, .method = "GET", .path = path};
    return azure_arm_do(out, a->arm, &c, err);
}

enum status azure_note(struct target *t, const char *key, json_t *value_take, struct err *err)
{
    if (t->env.record == NULL) {
        json_decref(value_take);
        return OK;
    }
    if (value_take == NULL || json_object_set_new(t->env.record, key, value_take) != 0) return err_set(err, E_NOMEM, "workspace: out of memory");
    return t->env.note == NULL ? OK : t->env.note(t->env.arg, err);
}

const char *azure_noted(const struct target *t, const char *key)
{
    return json_string_value(json_object_get(t->env.record, key));
}

/* ---------------------------------------------------------- open and close */

static enum status azure_open(struct target *t, struct err *err)
{
    struct azure *a = calloc(1, sizeof *a);
    if (a == NULL) return err_set(err, E_NOMEM, "Azure: out of memory");
    t->self = a;
    enum status s = azure_login_open(a, t->env.settings, err);
    const char *vault = azure_noted(t, "vault"), *blobs = azure_noted(t, "blobs");
    if (vault != NULL && blobs != NULL) {
        (void)snprintf(a->vault_url, sizeof a->vault_url, "%s", vault);
        (void)snprintf(a->blob_url, sizeof a->blob_url, "%s", blobs);
    }
    (void)snprintf(t->store_url, sizeof t->store_url, "%s", vault != NULL ? vault : "an Azure Key Vault");
    const json_t *hosts = json_object_get(t->env.record, "hosts");
    for (size_t r = 0; r < TARGET_REGIONS_MAX; r++) {
        const char *host = json_string_value(json_array_get(hosts, r));
        (void)snprintf(t->balancer[r], sizeof t->balancer[r], "%s", host != NULL ? host : "(named by Azure)");
    }
    return s;
}

static void azure_close(struct target *t)
{
    struct azure *a = azure_of(t);
    if (a == NULL) return;
    azure_machines_free(a->machines);
    azure_arm_free(a->arm);
    azure_token_source_free(a->tokens);
    json_decref(a->followed);
    free(a);
}

/* ------------------------------------------------------------- the template */

/* while our evaluator looks at the template (Azure evaluates it itself): names that Azure would give */
static enum status azure_reference(json_t **out, struct target *t, const char *id, struct err *err)
{
    const struct azure *a = azure_of(t);
    const char *name = strrchr(id, '/') == NULL ? id : strrchr(id, '/') + 1;
    char text[300];
    json_t *p;
    (void)err;
    if (strcasestr(id, "/publicIPAddresses/") != NULL) {
        (void)snprintf(text, sizeof text, "%.100s.%.60s.cloudapp.azure.com", name, a->location);
        p = json_pack("{s:s, s:{s:s}}", "ipAddress", "203.0.113.1", "dnsSettings", "fqdn", text);
    } else if (strcasestr(id, "/loadBalancers/") != NULL) {
        p = json_pack("{s:s}", "provisioningState", "Succeeded");
    } else if (strcasestr(id, "/vaults/") != NULL) {
        (void)snprintf(text, sizeof text, "https://%.100s.vault.azure.net/", name);
        p = json_pack("{s:s}", "vaultUri", text);
    } else if (strcasestr(id, "/storageAccounts/") != NULL) {
        (void)snprintf(text, sizeof text, "https://%.100s.blob.core.windows.net/", name);
        p = json_pack("{s:{s:s}}", "primaryEndpoints", "blob", text);
    } else if (strcasestr(id, "/workspaces/") != NULL) {
        p = json_pack("{s:s}", "customerId", "00000000-0000-0000-0000-000000000000");
    } else if (strcasestr(id, "/dataCollectionEndpoints/") != NULL) {
        p = json_pack("{s:{s:s}}", "logsIngestion", "endpoint", "https://example.ingest.monitor.azure.com");
    } else if (strcasestr(id, "/dataCollectionRules/") != NULL) {
        p = json_pack("{s:s}", "immutableId", "dcr-00000000000000000000000000000000");
    } else {
        p = json_object();
    }
    if (p == NULL) return E_NOMEM;
    *out = p;
    return OK;
}

static enum status set_text_file(json_t *params, const char *name, const char *file, struct err *err)
{
    struct buf b;
    buf_init(&b, SCRIPT_MAX);
    enum status s = file_read(&b, file, err);
    if (s == OK) {
        b.len = strcspn(buf_cstr(&b), "\r\n");
        json_object_set_new(params, name, json_pack("{s:s}", "value", buf_cstr(&b)));
    }
    buf_fini(&b);
    return s;
}

/* SPEC(STYLE 6): secure parameters are not among them: azure_deploy.c puts those into the request only */
static enum status azure_parameters(struct target *t, json_t *params, struct err *err)
{
    const struct settings *s = t->env.settings;
    struct azure *a = azure_of(t);
    enum status st = OK;
    if (t->env.workspace_dir[0] != '\0') st = azure_package_make(t, err);
    json_object_set_new(params, "nodePackageSha256", json_pack("{s:s}", "value", a->package_sha256));
    if (st == OK && strcmp(SETTING(s, auth_type), "password") != 0) st = set_text_file(params, "adminSSHKey", SETTING(s, ssh_key_file), err);
    if (st == OK && *SETTING(s, tx_permission) != '\0') st = set_text_file(params, "transactionPermissioningContract", SETTING(s, tx_permission), err);
    json_object_set_new(params, "deployerPrincipalId", json_pack("{s:s}", "value", a->principal));
    json_object_set_new(params, "consortiumMemberGatewayId", json_pack("{s:s}", "value", SETTING(s, gateway_id)));
    return st;
}

static enum status azure_take_resources(struct target *t, const json_t *resources, struct err *err)
{
    const json_t *noted = json_object_get(t->env.record, "scaleSets");
    return target_add_scale_sets(t, json_array_size(noted) > 0 ? noted : resources, err);
}

static enum status azure_outputs(struct target *t, json_t *outputs, struct err *err)
{
    (void)t;
    (void)outputs;
    (void)err;
    return OK;
}

static enum status azure_vault(struct target *t, struct vault_access *out, struct err *err)
{
    struct azure *a = azure_of(t);
    if (a->vault_url[0] == '\0') return err_set(err, E_NOT_FOUND, "the deployment in Azure has no vault yet: run the same `poa-deploy new` or `join` again");
    *out = (struct vault_access){.url = a->vault_url, .blob_url = a->blob_url, .tokens = a->tokens, .ca_file = a->ca_file[0] ? a->ca_file : NULL, .deadline_ms = VAULT_MS, .denied_retry_ms = GRANT_MS};
    return OK;
}

/* --------------------------------------------------------------- instances */

typedef enum status (*set_fn)(struct azure *a, const json_t *set, void *ctx, struct err *err);

static enum status each_set(struct target *t, set_fn fn, void *ctx, struct err *err)
{
    struct azure *a = azure_of(t);
    const json_t *sets = json_object_get(t->env.record, "scaleSets"), *v;
    size_t i;
    enum status s = azure_sign_in(t, err);
    if (s == OK && json_array_size(sets) == 0) s = err_set(err, E_NOT_FOUND, "this deployment is not finished: run the same `poa-deploy new` or `join` again");
    json_array_foreach(sets, i, v)
        if (s == OK) s = fn(a, v, ctx, err);
    return s;
}

static enum status add_programs(struct azure *a, const json_t *set, void *ctx, struct err *err)
{
    json_t *list = NULL, *v;
    size_t i;
    enum status s = azure_list_machines(&list, a, json_text(set, "name"), err);
    if (s != OK) return s;
    json_array_foreach(list, i, v)
        json_array_append_new(ctx, json_pack("{s:s, s:s, s:s, s:s}", "name", azure_machine_name(v), "state", azure_machine_power(v), "provisioning", json_text(json_object_get(v, "properties"), "provisioningState"),
                                             "address", ""));
    json_decref(list);
    return OK;
}

static enum status azure_programs(json_t **out, struct target *t, struct err *err)
{
    json_t *all = json_array();
    enum status s = each_set(t, add_programs, all, err);
    if (s == OK) *out = all;
    else json_decref(all);
    return s;
}

static enum status post_verb(struct azure *a, const json_t *set, void *ctx, struct err *err)
{
    char path[AZURE_PATH_MAX], op[160];
    (void)snprintf(path, sizeof path, "/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Compute/virtualMachineScaleSets/%s/%s?api-version=" AZURE_COMPUTE_API, a->subscription, a->group, json_text(set, "name"),
                   (const char *)ctx);
    (void)snprintf(op, sizeof op, "%s the machines of %.80s", (const char *)ctx, json_text(set, "name"));
    struct azure_arm_call c = {.op = op, .method = "POST", .path = path};
    return azure_arm_run(NULL, a->arm, &c, 1800000, NULL, NULL, err);
}

static enum status power(struct target *t, const char *verb, const char *wanted, bool *already, struct err *err)
{
    json_t *all = NULL, *v;
    size_t i;
    enum status s = azure_programs(&all, t, err);
    *already = s == OK;
    json_array_foreach(all, i, v)
        if (strcmp(json_text(v, "state"), wanted) != 0) *already = false;
    json_decref(all);
    if (s != OK || *already) return s;
    report_step(t->env.report, "%s the machines", verb);
    return each_set(t, post_verb, (void *)(uintptr_t)verb, err);
}

static enum status azure_up(struct target *t, bool *already, struct err *err)
{
    return power(t, "start", "running", already, err);
}

static enum status azure_down(struct target *t, bool *already, struct err *err)
{
    return power(t, "deallocate", "deallocated", already, err);
}

/* ----------------------------------------------------------- clear, destroy */

/* a deployment that is under way is gone on with, not cleared */
static enum status azure_clear(struct target *t, struct err *err)
{
    (void)t;
    (void)err;
    return OK;
}

/* someone else's resources in the group would go with it */
static enum status check_strangers(struct target *t, struct err *err)
{
    struct azure *a = azure_of(t);
    char path[AZURE_PATH_MAX], names[500] = "";
    json_t *list = NULL, *v;
    size_t i, n = 0;
    (void)snprintf(path, sizeof path, "/subscriptions/%s/resourceGroups/%s/resources?api-version=" AZURE_GROUPS_API, a->subscription, a->group);
    struct azure_arm_call c = {.op = "list the resources of the group", .method = "GET", .path = path};
    enum status s = azure_arm_list(&list, a->arm, &c, err);
    if (s != OK) return s;
    json_array_foreach(list, i, v)
    {
        /* connections of `gateway connect`, and what Azure adds below our own resources, carry no tag of ours */
        if (azure_is_ours(t, v) || strcasecmp(json_text(v, "type"), "Microsoft.Network/connections") == 0) continue;
        size_t k = strlen(names);
        if (n++ < 5) (void)snprintf(names + k, sizeof names - k, "%s%.70s", n > 1 ? ", " : "", json_text(v, "name"));
    }
    json_decref(list);
    if (n > 0)
        return err_set(err, E_CONFLICT, "resource group %s holds %zu resources that this deployment did not make (%s): move them to another group, then destroy again", a->group, n, names);
    return OK;
}

static enum status azure_destroy(struct target *t, json_t *stays, struct err *err)
{
    struct azure *a = azure_of(t);
    const struct settings *st = t->env.settings;
    char path[AZURE_PATH_MAX], text[700];
    const bool own_group = json_is_true(json_object_get(t->env.record, "groupCreated"));
    if (azure_noted(t, "deployment") == NULL && !own_group) return OK; /* nothing was begun */
    enum status s = azure_sign_in(t, err);
    if (s == OK) s = check_strangers(t, err);
    if (s == E_NOT_FOUND) return OK; /* the group is gone */
    if (s != OK) return s;
    json_t *doc = NULL;
    const char *name = azure_noted(t, "deployment");
    (void)snprintf(path, sizeof path, "/subscriptions/%s/resourcegroups/%s/providers/Microsoft.Resources/deployments/%s/cancel?api-version=" AZURE_DEPLOYMENTS_API, a->subscription, a->group,
                   name == NULL ? "none" : name);
    struct azure_arm_call stop = {.op = "cancel the deployment", .method = "POST", .path = path};
    if (name != NULL && azure_arm_do(NULL, a->arm, &stop, NULL) == OK) {
        report_step(t->env.report, "cancel the deployment that runs");
        IGNORE(azure_follow(NULL, t, name, false, NULL), "it ends as cancelled, which is what is waited for");
    }
    const char *host = strstr(a->vault_url, "://"), *vault = host == NULL ? "" : host + 3;
    (void)snprintf(path, sizeof path, "/subscriptions/%s/resourcegroups/%s?api-version=" AZURE_GROUPS_API, a->subscription, a->group);
    struct azure_arm_call del = {.op = "delete the resource group", .permission = "Microsoft.Resources/subscriptions/resourceGroups/delete", .method = "DELETE", .path = path};
    report_step(t->env.report, "delete the resource group %s%s", a->group, own_group ? "" : ", which was there before and holds nothing else");
    s = azure_arm_run(&doc, a->arm, &del, 0, NULL, NULL, err);
    json_decref(doc);
    if (s == E_NOT_FOUND) s = OK;
    if (s != OK) return s;
    if (*vault != '\0') {
        (void)snprintf(text, sizeof text, "the vault %.*s stays in soft delete for 7 days, with the validator keys: a new deployment to the same resource group brings it back; `az keyvault purge --name` ends it", (int)strcspn(vault, "/"),
                       vault);
        json_array_append_new(stays, json_string(text));
    }
    if (*SETTING(st, workspace_id) != '\0') {
        (void)snprintf(text, sizeof text, "the Log Analytics workspace %s stays: it was there before", SETTING(st, workspace_id));
        json_array_append_new(stays, json_string(text));
    }
    if (*SETTING(st, gateway_id) != '\0') {
        (void)snprintf(text, sizeof text, "the other member's connection to the gateway of this one stays: that member deletes it at %s", SETTING(st, gateway_id));
        json_array_append_new(stays, json_string(text));
    }
    return OK;
}

const struct target_ops TARGET_AZURE = {
    .name = "azure",
    .submits_template = true,
    .open = azure_open,
    .close = azure_close,
    .preflight = azure_preflight,
    .reference = azure_reference,
    .parameters = azure_parameters,
    .take_resources = azure_take_resources,
    .place = azure_place,
    .finish = azure_finish,
    .vault = azure_vault,
    .outputs = azure_outputs,
    .up = azure_up,
    .down = azure_down,
    .clear = azure_clear,
    .destroy = azure_destroy,
    .programs = azure_programs,
    .logs = azure_logs,
    .run = azure_run,
    .snapshot = azure_snapshot,
};
