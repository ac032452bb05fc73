#include "lib/azure/blob.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/rng.h"
#include "lib/codec/hex.h"
#include "orchestrator/target/azure_priv.h"

#define DEPLOYMENT_TYPE "Microsoft.Resources/deployments"

enum { FOLLOW_PAUSE_MS = 5000, GRANT_MS = 600000, TEXT_FILE_MAX = 64 << 10, NESTED_MAX = 5 };

static void deployment_path(char dst[static AZURE_PATH_MAX], const struct azure *a, const char *name, const char *rest)
{
    (void)snprintf(dst, AZURE_PATH_MAX, "/subscriptions/%s/resourcegroups/%s/providers/" DEPLOYMENT_TYPE "/%s%s?api-version=" AZURE_DEPLOYMENTS_API, a->subscription, a->group, name, rest);
}

/* ------------------------------------------------------------- parameters */

static enum status set_secret(json_t *params, const char *name, const char *file, struct err *err)
{
    struct buf b;
    buf_init(&b, TEXT_FILE_MAX);
    enum status s = file_read(&b, file, err);
    if (s == OK) {
        b.len = strcspn(buf_cstr(&b), "\r\n");
        json_object_set_new(params, name, json_pack("{s:s}", "value", buf_cstr(&b)));
    }
    if (b.ptr != NULL) secret_wipe(b.ptr, b.cap);
    buf_fini(&b);
    return s;
}

/* what is submitted: the job's parameters, and the secure ones, which are in no other document of ours */
static enum status make_body(json_t **out, struct target *t, const json_t *tmpl, const json_t *parameters, bool with_secrets, struct err *err)
{
    const struct settings *s = t->env.settings;
    struct azure *a = azure_of(t);
    json_t *params = json_deep_copy(parameters);
    enum status st = OK;
    if (with_secrets) {
        if (strcmp(SETTING(s, auth_type), "password") == 0) st = set_secret(params, "adminPassword", SETTING(s, vm_password_file), err);
        if (st == OK && *SETTING(s, connection_key_file) != '\0') st = set_secret(params, "connectionSharedKey", SETTING(s, connection_key_file), err);
        if (st == OK && *SETTING(s, workspace_key_file) != '\0') st = set_secret(params, "omsPrimaryKey", SETTING(s, workspace_key_file), err);
        if (a->recover_vault) json_object_set_new(params, "keyVaultCreateMode", json_pack("{s:s}", "value", "recover"));
    }
    json_t *doc = st == OK ? json_pack("{s:{s:s, s:O, s:O}}", "properties", "mode", "Incremental", "template", tmpl, "parameters", params) : NULL;
    json_decref(params);
    if (st == OK && doc == NULL) st = err_set(err, E_NOMEM, "deployment: out of memory");
    if (st == OK) *out = doc;
    return st;
}

/* --------------------------------------------------------- what it will do */

static void show_changes(struct target *t, const json_t *changes)
{
    static const char *const kinds[] = {"Create", "Modify", "Delete", "Deploy", "NoChange", "Unsupported"};
    size_t n[COUNT_OF(kinds)] = {0}, i;
    const json_t *v;
    json_array_foreach(changes, i, v)
        for (size_t k = 0; k < COUNT_OF(kinds); k++) n[k] += strcmp(json_text(v, "changeType"), kinds[k]) == 0;
    report_line(t->env.report, "what Azure will do: create %zu resources, change %zu, leave %zu as they are", n[0], n[1] + n[3], n[4]);
    json_array_foreach(changes, i, v)
    {
        const char *kind = json_text(v, "changeType"), *id = strstr(json_text(v, "resourceId"), "/providers/");
        if (strcmp(kind, "Modify") == 0 || strcmp(kind, "Delete") == 0) report_line(t->env.report, "  %s %s", kind, id == NULL ? "" : id + 11);
    }
}

static enum status what_if(json_t **changes, struct target *t, const char *name, const json_t *body, struct err *err)
{
    struct azure *a = azure_of(t);
    char path[AZURE_PATH_MAX];
    json_t *doc = NULL;
    deployment_path(path, a, name, "/whatIf");
    struct azure_arm_call c = {.op = "ask what the deployment would change", .permission = "Microsoft.Resources/deployments/whatIf/action", .method = "POST", .path = path, .body = body};
    enum status s = azure_arm_run(&doc, a->arm, &c, 600000, NULL, NULL, err);
    if (s != OK) return s;
    if (strcmp(json_text(doc, "status"), "Succeeded") != 0) {
        char text[700];
        azure_arm_error_text(text, sizeof text, json_object_get(doc, "error"));
        s = err_set(err, E_INVALID, "Azure cannot say what the deployment would change: %s", text);
    } else {
        *changes = json_incref(json_object_get(json_object_get(doc, "properties"), "changes"));
        if (*changes == NULL) *changes = json_array();
    }
    json_decref(doc);
    return s;
}

static enum status validate(struct target *t, const char *name, const json_t *body, struct err *err)
{
    struct azure *a = azure_of(t);
    char path[AZURE_PATH_MAX];
    json_t *doc = NULL;
    deployment_path(path, a, name, "/validate");
    struct azure_arm_call c = {.op = "validate the template", .permission = "Microsoft.Resources/deployments/validate/action", .method = "POST", .path = path, .body = body};
    enum status s = azure_arm_run(&doc, a->arm, &c, 600000, NULL, NULL, err);
    const json_t *e = s == OK ? json_object_get(doc, "error") : NULL;
    if (json_is_object(e)) {
        char text[800];
        azure_arm_error_text(text, sizeof text, e);
        s = err_set(err, E_INVALID, "Azure refuses the template: %s", text);
    }
    json_decref(doc);
    return s;
}

/* ------------------------------------------------------------------ follow */

static json_t *deployment_state(enum status *s, struct azure *a, const char *name, uint64_t *pause_ms, struct err *err)
{
    char path[AZURE_PATH_MAX];
    json_t *doc = NULL;
    deployment_path(path, a, name, "");
    struct azure_arm_call c = {.op = "look at the deployment", .permission = "Microsoft.Resources/deployments/read", .method = "GET", .path = path, .pause_ms = pause_ms};
    *s = azure_arm_do(&doc, a->arm, &c, err);
    return doc;
}

static enum status operations(json_t **out, struct azure *a, const char *name, struct err *err)
{
    char path[AZURE_PATH_MAX];
    /* SPEC(Deployment Operations - List): this path alone has no provider in it */
    (void)snprintf(path, sizeof path, "/subscriptions/%s/resourcegroups/%s/deployments/%s/operations?api-version=" AZURE_DEPLOYMENTS_API, a->subscription, a->group, name);
    struct azure_arm_call c = {.op = "list the operations of the deployment", .permission = "Microsoft.Resources/deployments/operations/read", .method = "GET", .path = path};
    return azure_arm_list(out, a->arm, &c, err);
}

struct progress {
    size_t done, running;
    char now[100];        /* one that is at work */
    char failed[900];     /* what failed, and why */
};

static void tell(struct target *t, const json_t *op, const char *state, const char *type, const char *name)
{
    struct azure *a = azure_of(t);
    const char *id = json_text(op, "id");
    if (a->followed == NULL) a->followed = json_object();
    if (strcmp(state, "Running") == 0 || json_object_get(a->followed, id) != NULL) return;
    json_object_set_new(a->followed, id, json_true());
    bool part = strcasecmp(type, DEPLOYMENT_TYPE) == 0;
    if (part || strcasecmp(type, "Microsoft.Compute/virtualMachineScaleSets") == 0 || strcmp(state, "Succeeded") != 0)
        report_line(t->env.report, "%s: %s %s (%s)", strcmp(state, "Succeeded") == 0 ? "done" : state, part ? "part" : type, name, json_text(json_object_get(op, "properties"), "duration"));
}

static enum status look(struct progress *p, struct target *t, const char *name, int depth, struct err *err)
{
    json_t *list = NULL, *op;
    size_t i;
    enum status s = operations(&list, azure_of(t), name, err);
    if (s != OK) return s;
    json_array_foreach(list, i, op)
    {
        const json_t *props = json_object_get(op, "properties"), *target = json_object_get(props, "targetResource");
        const char *state = json_text(props, "provisioningState"), *type = json_text(target, "resourceType"), *what = json_text(target, "resourceName");
        if (*type == '\0') continue; /* the evaluation of outputs */
        tell(t, op, state, type, what);
        bool part = strcasecmp(type, DEPLOYMENT_TYPE) == 0, failed = strcmp(state, "Failed") == 0;
        if (part && depth < NESTED_MAX && strcmp(state, "Succeeded") != 0) {
            s = look(p, t, what, depth + 1, err);
            if (s != OK) break;
        }
        if (part) continue;
        if (strcmp(state, "Succeeded") == 0) p->done++;
        else if (failed) {
            char text[600];
            size_t n = strlen(p->failed);
            const json_t *message = json_object_get(props, "statusMessage");
            azure_arm_error_text(text, sizeof text, json_object_get(message, "error"));
            if (n + 20 < sizeof p->failed) (void)snprintf(p->failed + n, sizeof p->failed - n, "%s%s %s: %.600s", n > 0 ? "; " : "", type, what, text);
        } else {
            p->running++;
            (void)snprintf(p->now, sizeof p->now, "%.99s", what);
        }
    }
    json_decref(list);
    return s;
}

static bool is_over(const char *state)
{
    return strcmp(state, "Succeeded") == 0 || strcmp(state, "Failed") == 0 || strcmp(state, "Canceled") == 0;
}

enum status azure_follow(json_t **out, struct target *t, const char *name, bool until_stores, struct err *err)
{
    struct azure *a = azure_of(t);
    uint64_t start = clock_mono_ms();
    for (;;) {
        uint64_t pause = FOLLOW_PAUSE_MS;
        struct progress p = {.done = 0};
        enum status s;
        json_t *doc = deployment_state(&s, a, name, &pause, err);
        if (s != OK) return s;
        const char *state = json_text(json_object_get(doc, "properties"), "provisioningState");
        bool over = is_over(state);
        s = look(&p, t, name, 0, err);
        if (s == OK && over && strcmp(state, "Succeeded") != 0) {
            char text[600];
            azure_arm_error_text(text, sizeof text, json_object_get(json_object_get(doc, "properties"), "error"));
            s = err_set(err, E_DENIED, "deployment %s ended as %s: %s; when that is mended, run the same command again: what stands is kept", name, state, p.failed[0] ? p.failed : text);
        }
        if (s == OK && over) {
            if (out != NULL) *out = doc;
            else json_decref(doc);
            return until_stores ? azure_find_stores(a, err) : OK;
        }
        json_decref(doc);
        if (s != OK) return s;
        report_note(t->env.report, "%zu resources stand, %zu at work%s%s", p.done, p.running, p.now[0] ? ", such as " : "", p.now);
        if (until_stores) {
            s = azure_find_stores(a, err);
            if (s != E_AGAIN) return s;
        }
        uint64_t waited = clock_mono_ms() - start;
        if (waited > (uint64_t)DEPLOYMENT_TIMEOUT_S * 1000)
            return err_set(err, E_TIMEOUT, "deployment %s is not done after %llu minutes; it goes on in Azure: run the same command again to go on waiting", name, (unsigned long long)(waited / 60000));
        clock_sleep_ms(pause);
    }
}

/* an output of one part of the deployment; "" while there is none */
static enum status part_output(char *dst, size_t cap, struct azure *a, const char *part, const char *output, struct err *err)
{
    enum status s;
    json_t *doc = deployment_state(&s, a, part, NULL, err);
    dst[0] = '\0';
    if (s == E_NOT_FOUND) return OK;
    if (s != OK) return s;
    const json_t *props = json_object_get(doc, "properties");
    if (strcmp(json_text(props, "provisioningState"), "Succeeded") == 0) (void)snprintf(dst, cap, "%s", json_text(json_object_get(json_object_get(props, "outputs"), output), "value"));
    json_decref(doc);
    return OK;
}

enum status azure_find_stores(struct azure *a, struct err *err)
{
    char vault[256], blobs[256];
    enum status s = part_output(vault, sizeof vault, a, "keyVaultDeploy", "vaultUri", err);
    if (s == OK) s = part_output(blobs, sizeof blobs, a, "storageDeploy", "blobEndpoint", err);
    if (s != OK) return s;
    if (vault[0] == '\0' || blobs[0] == '\0') return E_AGAIN;
    (void)snprintf(a->vault_url, sizeof a->vault_url, "%.*s", (int)(strlen(vault) - (vault[strlen(vault) - 1] == '/')), vault);
    (void)snprintf(a->blob_url, sizeof a->blob_url, "%.*s", (int)(strlen(blobs) - (blobs[strlen(blobs) - 1] == '/')), blobs);
    return OK;
}

/* ------------------------------------------------------------------- place */

static enum status ensure_group(struct target *t, struct err *err)
{
    struct azure *a = azure_of(t);
    char path[AZURE_PATH_MAX];
    (void)snprintf(path, sizeof path, "/subscriptions/%s/resourcegroups/%s?api-version=" AZURE_GROUPS_API, a->subscription, a->group);
    struct azure_arm_call get = {.op = "look for the resource group", .method = "GET", .path = path};
    enum status s = azure_arm_do(NULL, a->arm, &get, err);
    if (s != E_NOT_FOUND) return s;
    report_step(t->env.report, "create the resource group %s in %s", a->group, a->location);
    json_t *body = json_pack("{s:s, s:{s:s}}", "location", a->location, "tags", "created-by", "poa-deploy");
    struct azure_arm_call put = {.op = "create the resource group", .permission = "Microsoft.Resources/subscriptions/resourceGroups/write", .method = "PUT", .path = path, .body = body};
    s = azure_arm_do(NULL, a->arm, &put, err);
    json_decref(body);
    if (s == OK) s = azure_note(t, "groupCreated", json_true(), err);
    return s;
}

/* SPEC(deployments): one of the same name that is at work already answers 409 DeploymentActive: that is ours, from a connection that broke */
static enum status put_deployment(struct target *t, const char *name, const json_t *body, struct err *err)
{
    struct azure *a = azure_of(t);
    char path[AZURE_PATH_MAX];
    struct azure_fault fault = {0};
    deployment_path(path, a, name, "");
    struct azure_arm_call c = {.op = "begin the deployment", .permission = "Microsoft.Resources/deployments/write", .method = "PUT", .path = path, .body = body, .fault = &fault};
    enum status s = azure_arm_do(NULL, a->arm, &c, err);
    return s == E_CONFLICT && strcmp(fault.code, "DeploymentActive") == 0 ? OK : s;
}

static enum status begin(struct target *t, const struct target_job *job, struct err *err)
{
    char name[65] = "", id[9] = "";
    const char *noted = azure_noted(t, "deployment");
    json_t *body = NULL, *changes = NULL;
    enum status s = ensure_group(t, err);
    if (noted != NULL) {
        (void)snprintf(name, sizeof name, "%s", noted);
    } else {
        uint8_t raw[4];
        rng_fill(raw, sizeof raw);
        hex_put(id, raw, sizeof raw);
        id[8] = '\0';
        (void)snprintf(name, sizeof name, "poa-member%u-%s", t->member, id);
    }
    if (s == OK) s = make_body(&body, t, job->tmpl, job->parameters, true, err);
    /* names first: a vault in soft delete shows in the what-if, and makes the validation fail */
    if (s == OK) {
        report_step(t->env.report, "ask Azure what the deployment will do");
        s = what_if(&changes, t, name, body, err);
    }
    if (s == OK) s = azure_check_names(t, changes, err);
    if (s == OK) {
        show_changes(t, changes);
        if (azure_of(t)->recover_vault) {
            report_line(t->env.report, "the vault %s of an earlier deployment is in soft delete: it is brought back", azure_of(t)->vault_name);
            json_decref(body);
            body = NULL;
            s = make_body(&body, t, job->tmpl, job->parameters, true, err);
        }
    }
    if (s == OK) {
        report_step(t->env.report, "validate the template");
        s = validate(t, name, body, err);
    }
    if (s == OK) s = azure_note(t, "deployment", json_string(name), err);
    if (s == OK) {
        report_step(t->env.report, "begin the deployment %s", name);
        s = put_deployment(t, name, body, err);
    }
    if (s == OK) azure_of(t)->submitted = true;
    json_decref(changes);
    json_decref(body);
    return s;
}

/* at work, or done well */
static enum status is_standing(bool *out, struct azure *a, const char *name, struct err *err)
{
    enum status s;
    json_t *doc = deployment_state(&s, a, name, NULL, err);
    const char *state = json_text(json_object_get(doc, "properties"), "provisioningState");
    *out = s == OK && strcmp(state, "Failed") != 0 && strcmp(state, "Canceled") != 0;
    json_decref(doc);
    return s == E_NOT_FOUND ? OK : s;
}

enum status azure_place(struct target *t, const struct target_job *job, struct err *err)
{
    struct azure *a = azure_of(t);
    const char *name = azure_noted(t, "deployment");
    if (job->tmpl == NULL || job->parameters == NULL) BUG("the Azure target submits a template, and got none");
    enum status s = azure_sign_in(t, err);
    bool stands = false;
    if (s == OK && name != NULL) s = is_standing(&stands, a, name, err);
    if (s == OK && stands) report_step(t->env.report, "go on with the deployment %s", name);
    if (s == OK && !stands) s = begin(t, job, err);
    name = azure_noted(t, "deployment");
    if (s == OK) {
        report_step(t->env.report, "wait for the vault and the storage account");
        s = azure_follow(NULL, t, name, true, err);
        if (s == E_AGAIN) s = err_set(err, E_NOT_FOUND, "deployment %s is done, but made no vault and no storage account: is it of another template?", name);
    }
    if (s == OK) s = azure_note(t, "vault", json_string(a->vault_url), err);
    if (s == OK) s = azure_note(t, "blobs", json_string(a->blob_url), err);
    if (s == OK) s = azure_package_upload(t, err);
    return s;
}

/* ------------------------------------------------------------------ finish */

static enum status note_scale_sets(struct target *t, struct err *err)
{
    json_t *list = NULL, *v, *sets = json_array();
    size_t i;
    enum status s = azure_list_own(&list, t, "Microsoft.Compute/virtualMachineScaleSets", "scale sets", err);
    if (s == OK) {
        json_array_foreach(list, i, v)
            json_array_append_new(sets, json_pack("{s:s, s:s, s:s, s:{s:I}}", "type", "Microsoft.Compute/virtualMachineScaleSets", "name", json_text(v, "name"), "location", json_text(v, "location"), "sku",
                                                  "capacity", (json_int_t)SETTING_INT_OF(t->env.settings, nodes)));
        s = azure_note(t, "scaleSets", json_incref(sets), err);
        if (s == OK && json_array_size(sets) > 0) s = target_add_scale_sets(t, sets, err);
    }
    json_decref(sets);
    json_decref(list);
    return s;
}

/* what the run knows better than a deployment that an earlier run has put */
static bool is_ours(const char *output)
{
    static const char *const keys[] = {"GENESIS_HASH", "NETWORK_ID", "ADMIN_ADDRESS", "VALIDATOR_ADDRESSES"};
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (strcmp(output, keys[i]) == 0) return true;
    return false;
}

static bool says_otherwise(const json_t *deployment, const json_t *parameters)
{
    const json_t *theirs = json_object_get(json_object_get(json_object_get(deployment, "properties"), "parameters"), "genesisHash");
    return strcasecmp(json_text(theirs, "value"), json_text(json_object_get(parameters, "genesisHash"), "value")) != 0;
}

enum status azure_finish(struct target *t, const struct target_job *job, json_t *outputs, struct err *err)
{
    struct azure *a = azure_of(t);
    const char *name = azure_noted(t, "deployment"), *key;
    json_t *doc = NULL, *v, *body = NULL;
    if (name == NULL) return err_set(err, E_NOT_FOUND, "the workspace names no deployment in Azure");
    enum status s = azure_sign_in(t, err);
    /* one that has failed since is put again: what stands is kept */
    if (s == OK && job != NULL && !a->submitted) {
        bool stands = false;
        s = is_standing(&stands, a, name, err);
        if (s == OK && !stands) s = begin(t, job, err);
        name = azure_noted(t, "deployment"); /* noted anew */
    }
    if (s == OK) {
        report_step(t->env.report, "wait for the deployment%s", strcmp(SETTING(t->env.settings, public_ip), "private") == 0 ? "; VPN gateways take 45 minutes" : "");
        s = azure_follow(&doc, t, name, false, err);
    }
    if (s == OK && job != NULL && says_otherwise(doc, job->parameters)) {
        json_decref(doc);
        doc = NULL;
        report_step(t->env.report, "put the deployment once more, with the identities that are in the vault");
        s = make_body(&body, t, job->tmpl, job->parameters, true, err);
        if (s == OK) s = put_deployment(t, name, body, err);
        if (s == OK) s = azure_follow(&doc, t, name, false, err);
        json_decref(body);
    }
    if (s != OK) return s;
    const json_t *made = json_object_get(json_object_get(doc, "properties"), "outputs");
    json_object_foreach((json_t *)(uintptr_t)made, key, v)
        if (!is_ours(key) || json_object_get(outputs, key) == NULL) json_object_set(outputs, key, json_object_get(v, "value"));
    const json_t *hosts = json_object_get(outputs, "REGION_HOSTS");
    for (size_t i = 0; i < json_array_size(hosts) && i < TARGET_REGIONS_MAX; i++)
        (void)snprintf(t->balancer[i], sizeof t->balancer[i], "%s", json_string_value(json_array_get(hosts, i)));
    s = azure_note(t, "hosts", json_deep_copy(hosts), err);
    json_decref(doc);
    if (s == OK) s = note_scale_sets(t, err);
    return s;
}
