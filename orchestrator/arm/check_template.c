/* check_template.c: the rules of templates and parameter files. Most look at text: a template's expressions are short, and a
 * rule is about how they are written, not about what they give. */
#include "orchestrator/arm/check_priv.h"

#define SECRET_CALL "(^|[^a-z0-9_])list[a-z0-9_]+ *\\("

/* --- tools ----------------------------------------------------------------------------------------------------------- */

static bool is_secure_type(const json_t *decl)
{
    return strncasecmp(text_of(ev_object_get(decl, "type")), "secure", 6) == 0;
}

/* does the expression use parameters('name')? */
static bool uses(const char *text, const char *function, const char *name)
{
    char call[200];
    snprintf(call, sizeof call, "%s('%.150s')", function, name);
    for (const char *p = text; *p != 0; p++) {
        /* blanks inside of the call do not matter */
        const char *a = p, *b = call;
        while (*b != 0) {
            while (*a == ' ')
                a++;
            if (*a == 0 || (*a | 32) != (*b | 32)) break;
            a++;
            b++;
        }
        if (*b == 0) return true;
    }
    return false;
}

/* a secure parameter of tmpl in the expression, or the result of list*() */
static bool has_secret(const char *text, const json_t *tmpl)
{
    const char *k;
    json_t *decl;
    if (matches(text, SECRET_CALL)) return true;
    json_object_foreach(ev_object_get(tmpl, "parameters"), k, decl)
    {
        if (is_secure_type(decl) && uses(text, "parameters", k)) return true;
    }
    return false;
}

static bool has_secret_below(struct check *c, const char *path, const char *key, const json_t *v,
                             void *arg)
{
    (void)path;
    (void)key;
    bool *hit = arg;
    if (is_expr(v) && has_secret(text_of(v), c->doc)) *hit = true;
    return !*hit;
}

static bool is_type(const json_t *resource, const char *type)
{
    return strcasecmp(text_of(ev_object_get(resource, "type")), type) == 0;
}

/* --- rules of strings anywhere ---------------------------------------------------------------------------------------- */

static bool command_at(struct check *c, const char *path, const char *key, const json_t *v,
                       void *arg)
{
    (void)arg;
    if (key == NULL || strcasecmp(key, "commandToExecute") != 0) return true;
    if (!ends_with(path, ".protectedSettings.commandToExecute") && has_secret(text_of(v), c->doc))
        found(c, path, "a command with a secret must stand in protectedSettings");
    return true;
}
static void rule_command(struct check *c)
{
    walk(c, "", c->doc, command_at, NULL);
}

static bool host_at(struct check *c, const char *path, const char *key, const json_t *v, void *arg)
{
    (void)arg;
    static const char *const hosts[] = {"management.azure.com",
                                        "management.core.windows.net",
                                        "gallery.azure.com",
                                        "graph.windows.net",
                                        "database.windows.net",
                                        "core.windows.net",
                                        "login.microsoftonline.com",
                                        "vault.azure.net",
                                        "azuredatalakestore.net",
                                        "azuredatalakeanalytics.net",
                                        "api.loganalytics.io",
                                        "api.loganalytics.iov1",
                                        "region.asazure.windows.net",
                                        "api.applicationinsights.io",
                                        "batch.core.windows.net",
                                        "datalake.azure.net",
                                        "azurewebsites.net",
                                        "trafficmanager.net",
                                        "azurecr.io",
                                        "ods.opinsights.azure.com",
                                        "monitor.azure.com",
                                        "portal.azure.com",
                                        "cloudapp.azure.com"};
    if (key != NULL && (strcasecmp(key, "metadata") == 0 || strcasecmp(key, "$schema") == 0 ||
                        strcasecmp(key, "comments") == 0))
        return false;
    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        const char *at = strcasestr(text_of(v), hosts[i]);
        if (at == NULL || strcasestr(text_of(v), "https://schema.management") != NULL) continue;
        found(c, path, "the host %s is written out: take it from environment() or reference()",
              hosts[i]);
        break;
    }
    return true;
}
static void rule_hosts(struct check *c)
{
    walk(c, "", c->doc, host_at, NULL);
}

static bool expr_at(struct check *c, const char *path, const char *key, const json_t *v, void *arg)
{
    const char *const *rule = arg; /* expression, reason */
    (void)key;
    if (is_expr(v) && matches(text_of(v), rule[0])) found(c, path, "%s", rule[1]);
    return true;
}

static void rule_dynamic_variable(struct check *c)
{
    const char *rule[] = {"variables\\( *concat *\\(",
                          "variables(concat(...)): use an object or an array and an index"};
    walk(c, "", c->doc, expr_at, rule);
}
static void rule_providers(struct check *c)
{
    const char *rule[] = {"(^|[^a-z0-9_])providers *\\(",
                          "providers() is not permitted: write the API version"};
    walk(c, "", c->doc, expr_at, rule);
}
static void rule_resource_id(struct check *c)
{
    const char *rule[] = {
        "resourceId *\\( *(subscription\\(\\)\\.subscriptionId|resourceGroup\\(\\)\\.name|concat "
        "*\\()",
        "resourceId() knows subscription and resource group itself, and takes a type, not "
        "concat()"};
    walk(c, "", c->doc, expr_at, rule);
}

static bool identity_at(struct check *c, const char *path, const char *key, const json_t *v,
                        void *arg)
{
    (void)key;
    (void)arg;
    if (strncasecmp(text_of(v), "ManagedIdentityExtensionFor", 27) == 0)
        found(c, path, "the managed identity extension is retired: identities need none");
    return true;
}
static void rule_identity_extension(struct check *c)
{
    walk(c, "resources", ev_object_get(c->doc, "resources"), identity_at, NULL);
}

static bool id_at(struct check *c, const char *path, const char *key, const json_t *v, void *arg)
{
    (void)arg;
    if (key != NULL && (strcasecmp(key, "parameters") == 0 || strcasecmp(key, "outputs") == 0 ||
                        strcasecmp(key, "metadata") == 0))
        return false;
    const bool is_id = key != NULL && (strcmp(key, "id") == 0 || ends_with(key, "ResourceId"));
    if (!is_id || !json_is_string(v)) return true;
    if (!is_expr(v) && text_of(v)[0] == '/')
        found(c, path, "an id is written out: use resourceId()");
    else if (is_expr(v) &&
             !matches(
                 text_of(v),
                 "(resourceId|parameters|variables|reference|lambdaVariables|createObject) *\\("))
        found(c, path, "an id must come from resourceId(), a parameter, a variable or reference()");
    else if (is_expr(v) && matches(text_of(v), "^\\[ *(concat|format) *\\(.*providers/"))
        found(c, path, "an id is put together from text: use resourceId()");
    return true;
}
static void rule_ids(struct check *c)
{
    walk(c, "resources", ev_object_get(c->doc, "resources"), id_at, NULL);
}

static bool uri_at(struct check *c, const char *path, const char *key, const json_t *v, void *arg)
{
    (void)arg;
    if (key != NULL && strcasecmp(key, "metadata") == 0) return false;
    if (key != NULL && (ends_with(key, "uri") || ends_with(key, "url")) && is_expr(v) &&
        matches(text_of(v), "^\\[ *(concat|format) *\\("))
        found(c, path, "an address is put together from text: use uri()");
    return true;
}
static void rule_uris(struct check *c)
{
    walk(c, "", c->doc, uri_at, NULL);
}

static bool is_blank_allowed(const char *path, const char *key)
{
    static const char *const names[] = {
        "resources",         "outputs",    "variables",      "parameters",
        "functions",         "properties", "template",       "defaultValue",
        "accessPolicies",    "value",      "promotionCode",  "inputs",
        "notEquals",         "clientId",   "allowedCallers", "settings",
        "protectedSettings", "tags",       "secretFile",     "caFile"};
    if (key == NULL) return strstr(path, "cloudInit[") != NULL; /* lines of text may be empty */
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strcasecmp(key, names[i]) == 0) return true;
    }
    return false;
}
static bool blank_at(struct check *c, const char *path, const char *key, const json_t *v, void *arg)
{
    (void)arg;
    const bool blank = json_is_null(v) || (json_is_string(v) && json_string_length(v) == 0) ||
                       (json_is_array(v) && json_array_size(v) == 0) ||
                       (json_is_object(v) && json_object_size(v) == 0);
    if (blank && !is_blank_allowed(path, key)) found(c, path, "is empty");
    return true;
}
static void rule_blanks(struct check *c)
{
    walk(c, "", c->doc, blank_at, NULL);
}

static bool literal_at(struct check *c, const char *path, const char *key, const json_t *v,
                       void *arg)
{
    const char *name = arg;
    if (key != NULL && strcasecmp(key, name) == 0 && json_is_string(v)) {
        const char *t = text_of(v);
        const char *quote = strchr(t, '\'');
        char variable[100] = "";
        if (matches(t, "^\\[ *variables\\('[^']*'\\) *\\]$") && quote != NULL)
            snprintf(variable, sizeof variable, "%.*s", (int)strcspn(quote + 1, "'"), quote + 1);
        const json_t *value =
            variable[0] != 0 ? ev_object_get(ev_object_get(c->doc, "variables"), variable) : NULL;
        if (!is_expr(v) || (json_is_string(value) && !is_expr(value)))
            found(c, path, "%s must not be a literal", name);
    }
    return true;
}
static void rule_admin_password(struct check *c)
{
    char name[] = "adminPassword";
    walk(c, "resources", ev_object_get(c->doc, "resources"), literal_at, name);
}
static void rule_admin_username(struct check *c)
{
    char name[] = "adminUsername";
    walk(c, "resources", ev_object_get(c->doc, "resources"), literal_at, name);
}

static bool image_at(struct check *c, const char *path, const char *key, const json_t *v, void *arg)
{
    const bool *preview = arg;
    if (key == NULL || strcasecmp(key, "imageReference") != 0 || !json_is_object(v)) return true;
    const char *k;
    json_t *x;
    json_object_foreach((json_t *)v, k, x)
    {
        if (*preview && strcasestr(text_of(x), "preview") != NULL)
            found(c, path, "%s '%.80s' is a preview", k, text_of(x));
        if (!*preview && strcasecmp(k, "version") == 0 && !is_expr(x) &&
            strcasecmp(text_of(x), "latest") != 0)
            found(c, path, "the version is '%.40s', not latest", text_of(x));
    }
    return true;
}
static void rule_image_version(struct check *c)
{
    bool preview = false;
    walk(c, "", c->doc, image_at, &preview);
}
static void rule_image_preview(struct check *c)
{
    bool preview = true;
    walk(c, "", c->doc, image_at, &preview);
}

/* --- rules of declarations --------------------------------------------------------------------------------------------- */

static void rule_schema(struct check *c)
{
    const char *s = text_of(ev_object_get(c->doc, "$schema"));
    if (!matches(s, "^https?://schema\\.management\\.azure\\.com/schemas/((2015-01-01|2019-04-01)/"
                    "deploymentTemplate|"
                    "(2018-05-01/subscription|2019-08-01/tenant|2019-08-01/"
                    "managementGroup)DeploymentTemplate)\\.json#?$"))
        found(c, "$schema", "'%.150s' is not a current schema of templates", s);
    else if (strstr(s, "2015-01-01") != NULL)
        found(c, "$schema", "the schema of 2015-01-01 is being phased out: use 2019-04-01");
}

static void each_parameter(struct check *c,
                           void (*fn)(struct check *, const char *, const char *, const json_t *))
{
    const char *k;
    json_t *decl;
    char path[300];
    json_object_foreach(ev_object_get(c->doc, "parameters"), k, decl)
    {
        snprintf(path, sizeof path, "parameters.%.200s", k);
        fn(c, path, k, decl);
    }
}

static void min_max_of(struct check *c, const char *path, const char *name, const json_t *decl)
{
    static const char *const keys[] = {"minValue", "maxValue", "minLength", "maxLength"};
    (void)name;
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        const json_t *v = ev_object_get(decl, keys[i]);
        if (v != NULL && !json_is_integer(v))
            found(c, path, "%s must be a number, it is %s", keys[i], ev_type_name(v));
    }
}
static void rule_min_max(struct check *c)
{
    each_parameter(c, min_max_of);
}

static void password_of(struct check *c, const char *path, const char *name, const json_t *decl)
{
    if (strcasestr(name, "password") != NULL && !is_secure_type(decl))
        found(c, path, "a parameter for a password must be securestring");
}
static void rule_password(struct check *c)
{
    each_parameter(c, password_of);
}

static void secure_default_of(struct check *c, const char *path, const char *name,
                              const json_t *decl)
{
    const json_t *v = ev_object_get(decl, "defaultValue");
    (void)name;
    if (!is_secure_type(decl) || v == NULL) return;
    const bool empty = (json_is_string(v) && json_string_length(v) == 0) ||
                       (json_is_object(v) && json_object_size(v) == 0);
    if (!empty && strcasestr(text_of(v), "newGuid(") == NULL)
        found(c, path, "a secure parameter must have no default but an empty one, or newGuid()");
}
static void rule_secure_default(struct check *c)
{
    each_parameter(c, secure_default_of);
}

struct use {
    const char *function, *name,
        *own; /* own: path of the declaration itself, which does not count */
    bool hit;
};
static bool use_at(struct check *c, const char *path, const char *key, const json_t *v, void *arg)
{
    struct use *u = arg;
    (void)c;
    (void)key;
    if (u->own[0] != 0 && strcmp(path, u->own) == 0) return false;
    if (is_expr(v) && uses(text_of(v), u->function, u->name)) u->hit = true;
    if (key != NULL && key[0] == '[' && uses(key, u->function, u->name)) u->hit = true;
    return !u->hit;
}

static void parameter_used(struct check *c, const char *path, const char *name, const json_t *decl)
{
    struct use u = {"parameters", name, path, false};
    (void)decl;
    walk(c, "", c->doc, use_at, &u);
    if (!u.hit) found(c, path, "the parameter is used nowhere");
}
static void rule_parameters_used(struct check *c)
{
    each_parameter(c, parameter_used);
}

static void variable_used(struct check *c, const char *path, const char *name)
{
    struct use u = {"variables", name, path, false};
    walk(c, "", c->doc, use_at, &u);
    if (!u.hit) found(c, path, "the variable is used nowhere");
}
static void rule_variables_used(struct check *c)
{
    const char *k;
    json_t *v, *loop;
    size_t i;
    char path[300];
    json_object_foreach(ev_object_get(c->doc, "variables"), k, v)
    {
        snprintf(path, sizeof path, "variables.%.200s", k);
        if (strcasecmp(k, "copy") != 0) variable_used(c, path, k);
        if (strcasecmp(k, "copy") == 0) {
            json_array_foreach(v, i, loop)
            {
                snprintf(path, sizeof path, "variables.copy[%zu]", i);
                variable_used(c, path, text_of(ev_object_get(loop, "name")));
            }
        }
    }
}

static void rule_artifacts(struct check *c)
{
    const json_t *params = ev_object_get(c->doc, "parameters");
    const json_t *where = ev_object_get(params, "_artifactsLocation"),
                 *token = ev_object_get(params, "_artifactsLocationSasToken");
    if (where == NULL && token == NULL) return;
    if (where == NULL || token == NULL) {
        found(c, "parameters",
              "_artifactsLocation and _artifactsLocationSasToken must both be there");
        return;
    }
    if (strcasecmp(text_of(ev_object_get(where, "type")), "string") != 0)
        found(c, "parameters._artifactsLocation", "must be of type string");
    if (strcasecmp(text_of(ev_object_get(token, "type")), "securestring") != 0)
        found(c, "parameters._artifactsLocationSasToken", "must be of type securestring");
    const json_t *d = ev_object_get(where, "defaultValue"),
                 *t = ev_object_get(token, "defaultValue");
    if (c->is_main &&
        !matches(text_of(d), "^(\\[ *deployment\\(\\)\\.properties\\.templateLink\\.uri "
                             "*\\]|https://raw\\.githubusercontent\\.com/.*)$"))
        found(c, "parameters._artifactsLocation",
              "the default must be [deployment().properties.templateLink.uri]");
    if (c->is_main && (t == NULL || !json_is_string(t) || json_string_length(t) != 0))
        found(c, "parameters._artifactsLocationSasToken", "the default must be \"\"");
    if (!c->is_main && (d != NULL || t != NULL))
        found(c, "parameters._artifactsLocation", "a linked template must be given it: no default");
}

/* --- rules of resources ------------------------------------------------------------------------------------------------- */

static void depends_on_of(struct check *c, const char *path, const json_t *r, const json_t *tmpl,
                          void *arg)
{
    const json_t *list = ev_object_get(r, "dependsOn");
    size_t i;
    json_t *v;
    (void)tmpl;
    (void)arg;
    if (list == NULL) return;
    if (!json_is_array(list) && !is_expr(list)) found(c, path, "dependsOn must be an array");
    json_array_foreach(list, i, v)
    {
        char at[1100];
        snprintf(at, sizeof at, "%s.dependsOn[%zu]", path, i);
        if (matches(text_of(v), "^\\[ *concat *\\("))
            found(c, at, "dependsOn must not be put together by concat(): use resourceId()");
        if (matches(text_of(v), "^\\[ *if *\\("))
            found(c, at,
                  "dependsOn must not be conditional: a resource that is not deployed is left out "
                  "by itself");
    }
}
static void rule_depends_on(struct check *c)
{
    walk_resources(c, "", c->doc, depends_on_of, NULL);
}

static void debug_of(struct check *c, const char *path, const json_t *r, const json_t *tmpl,
                     void *arg)
{
    const json_t *d = ev_object_get(ev_object_get(r, "properties"), "debugSetting");
    (void)tmpl;
    (void)arg;
    if (d != NULL && strcasecmp(text_of(ev_object_get(d, "detailLevel")), "none") != 0)
        found(
            c, path,
            "debugSetting writes requests and answers, secrets too, into the deployment's history");
}
static void rule_debug(struct check *c)
{
    walk_resources(c, "", c->doc, debug_of, NULL);
}

static void location_of(struct check *c, const char *path, const json_t *r, const json_t *tmpl,
                        void *arg)
{
    const json_t *v = ev_object_get(r, "location");
    (void)tmpl;
    (void)arg;
    if (v == NULL) return;
    if (!is_expr(v) && strcasecmp(text_of(v), "global") != 0)
        found(c, path, "the location '%.60s' is written out: use a parameter", text_of(v));
    else if (is_expr(v) && strcasestr(text_of(v), "resourceGroup().location") != NULL)
        found(c, path, "resourceGroup().location may only be the default of a parameter");
}
static void rule_location(struct check *c)
{
    const json_t *decl = ev_object_get(ev_object_get(c->doc, "parameters"), "location"),
                 *d = ev_object_get(decl, "defaultValue");
    if (decl != NULL && ev_object_get(decl, "allowedValues") != NULL)
        found(c, "parameters.location", "must not have allowedValues");
    if (d != NULL &&
        !matches(text_of(d), "^(\\[ *(resourceGroup|deployment)\\(\\)\\.location *\\]|global)$"))
        found(c, "parameters.location", "the default must be [resourceGroup().location]");
    if (!c->is_main && d != NULL)
        found(c, "parameters.location", "a linked template must be given its location: no default");
    walk_resources(c, "", c->doc, location_of, NULL);
}

static void has_location_of(struct check *c, const char *path, const json_t *r, const json_t *tmpl,
                            void *arg)
{
    static const char *const without[] = {"Microsoft.Resources/deployments",
                                          "Microsoft.Authorization/",
                                          "Microsoft.Network/trafficManagerProfiles"};
    const char *type = text_of(ev_object_get(r, "type"));
    const char *slash = strchr(type, '/');
    (void)tmpl;
    (void)arg;
    if (slash == NULL || strchr(slash + 1, '/') != NULL || ev_object_get(r, "location") != NULL)
        return;
    for (size_t i = 0; i < COUNT_OF(without); i++) {
        if (strncasecmp(type, without[i], strlen(without[i])) == 0) return;
    }
    found(c, path, "%.100s has no location", type);
}
static void rule_has_location(struct check *c)
{
    walk_resources(c, "", c->doc, has_location_of, NULL);
}

/* A plain name in dependsOn that two resources of the template have. */
static void ambiguous_of(struct check *c, const char *path, const json_t *r, const json_t *tmpl,
                         void *arg)
{
    size_t i, k;
    json_t *dep, *other;
    (void)arg;
    json_array_foreach(ev_object_get(r, "dependsOn"), i, dep)
    {
        size_t n = 0;
        if (matches(text_of(dep), "resourceId *\\(")) continue;
        json_array_foreach(ev_object_get(tmpl, "resources"), k, other)
        {
            n += strcasecmp(text_of(ev_object_get(other, "name")), text_of(dep)) == 0;
        }
        if (n > 1)
            found(c, path, "dependsOn '%.120s': %zu resources have that name; use resourceId()",
                  text_of(dep), n);
    }
}
static void rule_ambiguous(struct check *c)
{
    walk_resources(c, "", c->doc, ambiguous_of, NULL);
}

static void nested_of(struct check *c, const char *path, const json_t *r, const json_t *tmpl,
                      void *arg)
{
    const bool *types = arg;
    const json_t *props = ev_object_get(r, "properties"), *inner = ev_object_get(props, "template");
    if (!is_type(r, "Microsoft.Resources/deployments") || inner == NULL) return;
    const char *scope =
        text_of(ev_object_get(ev_object_get(props, "expressionEvaluationOptions"), "scope"));
    const bool is_inner = strcasecmp(scope, "inner") == 0;
    const char *k;
    json_t *decl;
    if (*types) {
        json_object_foreach(ev_object_get(inner, "parameters"), k, decl)
        {
            const char *value = text_of(
                ev_object_get(ev_object_get(ev_object_get(props, "parameters"), k), "value"));
            const char *o, *type = text_of(ev_object_get(decl, "type"));
            json_t *outer;
            json_object_foreach(ev_object_get(tmpl, "parameters"), o, outer)
            {
                char whole[300];
                snprintf(whole, sizeof whole, "[parameters('%.200s')]", o);
                if (strcasecmp(value, whole) == 0 &&
                    strcasecmp(type, text_of(ev_object_get(outer, "type"))) != 0)
                    found(c, path,
                          "parameter '%.80s' is %.20s outside and %.20s in the nested template", k,
                          text_of(ev_object_get(outer, "type")), type);
            }
        }
        return;
    }
    if (is_inner) return;
    json_object_foreach(ev_object_get(inner, "parameters"), k, decl)
    {
        if (is_secure_type(decl))
            found(c, path,
                  "the secure parameter '%.80s' of a nested template needs "
                  "expressionEvaluationOptions.scope inner",
                  k);
    }
    bool secret = false;
    walk(c, path, ev_object_get(inner, "resources"), has_secret_below, &secret);
    if (secret)
        found(c, path,
              "a secret in a nested template of outer scope stands readable in the deployment's "
              "history");
}
static void rule_nested_types(struct check *c)
{
    bool types = true;
    walk_resources(c, "", c->doc, nested_of, &types);
}
static void rule_nested_secure(struct check *c)
{
    bool types = false;
    walk_resources(c, "", c->doc, nested_of, &types);
}

static bool vm_size_at(struct check *c, const char *path, const char *key, const json_t *v,
                       void *arg)
{
    (void)arg;
    if (key != NULL && strcasecmp(key, "vmSize") == 0 && !is_expr(v) && json_is_string(v))
        found(c, path, "the size of a machine must be a parameter");
    return true;
}
static void vm_sku_of(struct check *c, const char *path, const json_t *r, const json_t *tmpl,
                      void *arg)
{
    const json_t *name = ev_object_get(ev_object_get(r, "sku"), "name");
    (void)tmpl;
    (void)arg;
    if (is_type(r, "Microsoft.Compute/virtualMachineScaleSets") && name != NULL && !is_expr(name))
        found(c, path, "the size of a scale set's machines must be a parameter");
}
static void rule_vm_size(struct check *c)
{
    walk(c, "resources", ev_object_get(c->doc, "resources"), vm_size_at, NULL);
    walk_resources(c, "", c->doc, vm_sku_of, NULL);
}

static void rule_outputs(struct check *c)
{
    const char *k;
    json_t *o;
    json_object_foreach(ev_object_get(c->doc, "outputs"), k, o)
    {
        char path[300];
        bool secret = false;
        snprintf(path, sizeof path, "outputs.%.200s", k);
        if (is_secure_type(o)) found(c, path, "a secret must not be an output");
        walk(c, path, o, has_secret_below, &secret);
        if (secret)
            found(c, path, "a secure parameter or list*() in an output");
        else if (strcasestr(k, "password") != NULL)
            found(c, path, "an output is named for a password");
    }
}

/* --- API versions --------------------------------------------------------------------------------------------------------- */

/* Types whose newest stable version is older than the limit; looked up on 2026-11-23. */
static const struct {
    const char *type, *version;
} NEWEST[] = {{"Microsoft.Authorization/roleAssignments", "2022-04-01"},
              {"Microsoft.Authorization/roleDefinitions", "2022-04-01"},
              {"Microsoft.Insights/actionGroups", "2023-01-01"},
              {"Microsoft.Insights/dataCollectionEndpoints", "2024-03-11"},
              {"Microsoft.Insights/dataCollectionRules", "2024-03-11"},
              {"Microsoft.Insights/dataCollectionRuleAssociations", "2024-03-11"},
              {"Microsoft.Insights/scheduledQueryRules", "2023-12-01"},
              {"Microsoft.Insights/workbooks", "2023-06-01"},
              {"Microsoft.Network/trafficManagerProfiles", "2022-04-01"}};

static bool is_newest(const char *type, const char *version)
{
    for (size_t i = 0; i < COUNT_OF(NEWEST); i++) {
        if (strncasecmp(type, NEWEST[i].type, strlen(NEWEST[i].type)) == 0 &&
            strcmp(version, NEWEST[i].version) == 0)
            return true;
    }
    return false;
}

static void check_version(struct check *c, const char *path, const char *type, const char *version)
{
    struct tm t = {0};
    if (!matches(version, "^[0-9]{4}-[0-9]{2}-[0-9]{2}(-[a-z]+)?$")) {
        found(c, path, "the API version '%.40s' must be a literal date", version);
        return;
    }
    if (strlen(version) > 10)
        found(c, path, "the API version %.40s of %.80s is a preview", version, type);
    if (strptime(version, "%Y-%m-%d", &t) == NULL) return;
    const int64_t days = ((int64_t)c->now_s - (int64_t)timegm(&t)) / 86400;
    if (days > 730 && !is_newest(type, version))
        found(c, path, "the API version %.40s of %.80s is %lld days old, 730 are allowed", version,
              type, (long long)days);
}

static void version_of(struct check *c, const char *path, const json_t *r, const json_t *tmpl,
                       void *arg)
{
    (void)tmpl;
    (void)arg;
    const json_t *v = ev_object_get(r, "apiVersion");
    if (v == NULL)
        found(c, path, "apiVersion is missing");
    else
        check_version(c, path, text_of(ev_object_get(r, "type")), text_of(v));
}
static void rule_versions(struct check *c)
{
    walk_resources(c, "", c->doc, version_of, NULL);
}

/* reference(...), list*(...): the type is in a resourceId() before the version */
static void call_versions(struct check *c, const char *path, const struct expr *x)
{
    if (x->kind != EXPR_CALL) {
        if (x->base != NULL) call_versions(c, path, x->base);
        if (x->sub != NULL) call_versions(c, path, x->sub);
        return;
    }
    const bool asks = x->ns == NULL && x->n >= 2 &&
                      (strcasecmp(x->text, "reference") == 0 ||
                       (strncasecmp(x->text, "list", 4) == 0 && x->text[4] != 0));
    if (asks && x->args[1]->kind == EXPR_STRING) {
        const char *type = "";
        const struct expr *id = x->args[0];
        for (size_t i = 0; id->kind == EXPR_CALL && i < id->n; i++) {
            if (id->args[i]->kind == EXPR_STRING && strchr(id->args[i]->text, '/') != NULL)
                type = id->args[i]->text;
        }
        check_version(c, path, type, x->args[1]->text);
    }
    for (size_t i = 0; i < x->n; i++)
        call_versions(c, path, x->args[i]);
}
static bool reference_at(struct check *c, const char *path, const char *key, const json_t *v,
                         void *arg)
{
    (void)key;
    (void)arg;
    if (!is_expr(v)) return true;
    struct arena a;
    struct expr *x = NULL;
    uint32_t pos = 0;
    const char *why = NULL;
    arena_init(&a, ARM_ARENA_MAX);
    if (expr_parse(&x, &a, text_of(v) + 1, strlen(text_of(v)) - 2, &pos, &why) == OK)
        call_versions(c, path, x);
    arena_fini(&a);
    return true;
}
static void rule_reference_versions(struct check *c)
{
    walk(c, "", c->doc, reference_at, NULL);
}

/* --- parameter files -------------------------------------------------------------------------------------------------------- */

static void params_version(struct check *c)
{
    if (!json_is_string(json_object_get(c->doc, "contentVersion")))
        found(c, "contentVersion", "is missing");
}
static void params_parameters(struct check *c)
{
    if (!json_is_object(json_object_get(c->doc, "parameters")))
        found(c, "parameters", "is missing");
}
static void params_schema(struct check *c)
{
    if (!matches(text_of(json_object_get(c->doc, "$schema")),
                 "^https://schema\\.management\\.azure\\.com/schemas/(2015-01-01|2019-04-01)/"
                 "deploymentParameters\\.json#?$"))
        found(c, "$schema", "is not that of parameter files");
}
static void params_value(struct check *c)
{
    const char *k;
    json_t *v;
    char path[300];
    json_object_foreach(json_object_get(c->doc, "parameters"), k, v)
    {
        snprintf(path, sizeof path, "parameters.%.200s", k);
        if (json_object_get(v, "value") == NULL && json_object_get(v, "reference") == NULL)
            found(c, path, "has neither value nor reference");
    }
}

#define RULE_template(name, fn) {name, fn},
#define RULE_parameters(name, fn)
#define RULE_ui(name, fn)
#define RULE_all(name, fn)
#define RULE(name, kind, fn, help) RULE_##kind(name, fn)
const struct check_rule TEMPLATE_RULES[] = {
#include "orchestrator/arm/rules.def"
    {NULL, NULL},
};
#undef RULE_template
#undef RULE_parameters
#define RULE_template(name, fn)
#define RULE_parameters(name, fn) {name, fn},
const struct check_rule PARAMETERS_RULES[] = {
#include "orchestrator/arm/rules.def"
    {NULL, NULL},
};
