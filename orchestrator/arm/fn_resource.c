/* fn_resource.c: what the deployment knows: parameters, variables, loops, scopes, resource ids, and state by callback. */
#include "orchestrator/arm/arm_priv.h"

enum status fn_parameters(json_t **out, struct ev *e, const struct fn_call *c)
{
    const char *name = NULL;
    const enum status s = arg_string(&name, e, c, 0);
    return s == OK ? scope_parameter(out, e, name) : s;
}

enum status fn_variables(json_t **out, struct ev *e, const struct fn_call *c)
{
    const char *name = NULL;
    const enum status s = arg_string(&name, e, c, 0);
    return s == OK ? scope_variable(out, e, name) : s;
}

enum status fn_copy_index(json_t **out, struct ev *e, const struct fn_call *c)
{
    const char *name = NULL;
    int64_t offset = 0;
    enum status s = OK;
    if (c->n > 0 && json_is_string(c->args[0])) s = arg_string(&name, e, c, 0);
    if (s == OK && c->n > (name != NULL)) s = arg_int(&offset, e, c, name != NULL);
    if (s == OK && c->n == 2 && name == NULL) s = arg_wrong(e, c, 0, "the name of a loop");
    if (s != OK) return s;
    const struct frame *f = e->frames;
    while (f != NULL && name != NULL && strcasecmp(f->name, name) != 0)
        f = f->up;
    if (f == NULL)
        return ev_fail(e, E_INVALID, "copyIndex(): no copy loop%s%s%s is running here",
                       name != NULL ? " '" : "", name != NULL ? name : "", name != NULL ? "'" : "");
    return put_json(out, json_integer(f->index + offset));
}

enum status fn_environment(json_t **out, struct ev *e, const struct fn_call *c)
{
    (void)c;
    const json_t *given = e->p->ctx.environment;
    return put_json(out, given != NULL ? json_incref((json_t *)given) : arm_environment_public());
}

json_t *arm_environment_public(void)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:{s:s, s:[s, s], s:s, s:s},"
                     " s:{s:s, s:s, s:s, s:s, s:s, s:s}}",
                     "name", "AzureCloud", "gallery", "https://gallery.azure.com/", "graph",
                     "https://graph.windows.net/", "portal", "https://portal.azure.com",
                     "graphAudience", "https://graph.windows.net/", "activeDirectoryDataLake",
                     "https://datalake.azure.net/", "batch", "https://batch.core.windows.net/",
                     "resourceManager", "https://management.azure.com/", "sqlManagement",
                     "https://management.core.windows.net:8443/", "authentication", "loginEndpoint",
                     "https://login.microsoftonline.com/", "audiences",
                     "https://management.core.windows.net/", "https://management.azure.com/",
                     "tenant", "common", "identityProvider", "AAD", "suffixes", "acrLoginServer",
                     ".azurecr.io", "keyvaultDns", ".vault.azure.net", "storage",
                     "core.windows.net", "sqlServerHostname", ".database.windows.net",
                     "azureDatalakeStoreFileSystem", "azuredatalakestore.net",
                     "azureFrontDoorEndpointSuffix", "azurefd.net");
}

enum status fn_subscription(json_t **out, struct ev *e, const struct fn_call *c)
{
    (void)c;
    const char *id = e->scope != NULL ? e->scope->subscription_id : e->p->ctx.subscription_id;
    char full[128];
    snprintf(full, sizeof full, "/subscriptions/%.64s", id);
    return put_json(out, json_pack("{s:s, s:s, s:s, s:s}", "id", full, "subscriptionId", id,
                                   "tenantId", e->p->ctx.tenant_id, "displayName", id));
}

enum status fn_tenant(json_t **out, struct ev *e, const struct fn_call *c)
{
    (void)c;
    char id[96];
    snprintf(id, sizeof id, "/tenants/%.64s", e->p->ctx.tenant_id);
    return put_json(out, json_pack("{s:s, s:s}", "id", id, "tenantId", e->p->ctx.tenant_id));
}

enum status fn_resource_group(json_t **out, struct ev *e, const struct fn_call *c)
{
    (void)c;
    const struct scope *s = e->scope;
    if (s != NULL && s->level == LEVEL_SUBSCRIPTION)
        return ev_fail(e, E_INVALID,
                       "resourceGroup(): a deployment to a subscription has no resource group");
    const char *name = s != NULL ? s->resource_group : e->p->ctx.resource_group;
    char id[320];
    snprintf(id, sizeof id, "/subscriptions/%.64s/resourceGroups/%.100s",
             s != NULL ? s->subscription_id : e->p->ctx.subscription_id, name);
    return put_json(out,
                    json_pack("{s:s, s:s, s:s, s:s, s:{}, s:{s:s}}", "id", id, "name", name, "type",
                              "Microsoft.Resources/resourceGroups", "location", e->p->ctx.location,
                              "tags", "properties", "provisioningState", "Succeeded"));
}

/* The evaluated template is not given back as properties.template: nobody needs it, and it may hold secrets. */
enum status fn_deployment(json_t **out, struct ev *e, const struct fn_call *c)
{
    (void)c;
    const struct scope *s = e->scope != NULL ? e->scope->names : NULL;
    const char *name = s != NULL ? s->name : e->p->ctx.deployment_name;
    json_t *version = s != NULL ? json_object_get(s->tmpl, "contentVersion") : NULL;
    json_t *v =
        json_pack("{s:s, s:{s:{s:s}, s:s, s:s, s:{s:o}}}", "name", name, "properties",
                  "templateLink", "uri", s != NULL ? s->uri : e->p->ctx.template_uri, "mode",
                  "Incremental", "provisioningState", "Accepted", "template", "contentVersion",
                  version != NULL ? json_incref(version) : json_string("1.0.0.0"));
    if (v != NULL && s != NULL && s->level == LEVEL_SUBSCRIPTION &&
        json_object_set_new(v, "location", json_string(e->p->ctx.location)) != 0) {
        json_decref(v);
        v = NULL;
    }
    return put_json(out, v);
}

/* --- ids ------------------------------------------------------------------------------------------------------------ */

/* prefix "/providers/" namespace { "/" type "/" name }; names[] one for each part of the type behind the namespace */
static enum status put_id(json_t **out, struct ev *e, const struct fn_call *c, const char *prefix,
                          const char *type, const char *const *names, size_t n)
{
    struct buf b;
    buf_init(&b, 16 * 1024);
    const char *at = type + strcspn(type, "/");
    buf_printf(&b, "%s/providers/", prefix);
    buf_put(&b, type, (size_t)(at - type));
    size_t used = 0;
    enum status s = OK;
    while (*at == '/' && used < n) {
        const size_t len = 1 + strcspn(at + 1, "/");
        if (len == 1) break;
        buf_put(&b, at, len);
        buf_printf(&b, "/%s", names[used++]);
        at += len;
    }
    if (*at != 0 || used != n || n == 0)
        s = ev_fail(e, E_INVALID,
                    "%s(): type '%.120s' and %zu name%s do not match: one name is needed for each "
                    "part behind the first",
                    c->name, type, n, n == 1 ? "" : "s");
    if (s == OK) s = buf_status(&b);
    if (s == OK) s = put_text(out, e, buf_view(&b));
    buf_fini(&b);
    return s;
}

/* all arguments from `from` on are strings; ret them in the plan's memory */
static enum status strings_from(const char ***out, size_t *n, struct ev *e, const struct fn_call *c,
                                size_t from)
{
    const char **list = calloc(c->n + 1, sizeof *list);
    if (list == NULL) return E_NOMEM;
    *n = 0;
    for (size_t i = from; i < c->n; i++) {
        const enum status s = arg_string(&list[*n], e, c, i);
        if (s != OK) {
            free(list);
            return s;
        }
        ++*n;
    }
    *out = list;
    return OK;
}

static enum status id_of(json_t **out, struct ev *e, const struct fn_call *c, int most_before_type,
                         bool in_group, bool in_subscription)
{
    const char **t = NULL;
    size_t n = 0;
    enum status s = strings_from(&t, &n, e, c, 0);
    if (s != OK) return s;
    size_t at = 0;
    while (at < n && strchr(t[at], '/') == NULL)
        at++;
    if (at >= n || at > (size_t)most_before_type) {
        free(t);
        return ev_fail(e, E_INVALID,
                       "%s(): a type like Microsoft.Network/virtualNetworks is missing", c->name);
    }
    const struct scope *sc = e->scope;
    const char *sub = sc != NULL ? sc->subscription_id : e->p->ctx.subscription_id;
    const char *group = sc != NULL ? sc->resource_group : e->p->ctx.resource_group;
    if (at == 2) sub = t[0];
    if (at >= 1) {
        if (in_group)
            group = t[at - 1];
        else
            sub = t[0];
    }
    if (in_group && at == 0 && sc != NULL && sc->level == LEVEL_SUBSCRIPTION) in_group = false;
    char prefix[400] = "";
    if (in_group)
        snprintf(prefix, sizeof prefix, "/subscriptions/%.80s/resourceGroups/%.200s", sub, group);
    else if (in_subscription)
        snprintf(prefix, sizeof prefix, "/subscriptions/%.80s", sub);
    s = put_id(out, e, c, prefix, t[at], t + at + 1, n - at - 1);
    free(t);
    return s;
}

enum status fn_resource_id(json_t **out, struct ev *e, const struct fn_call *c)
{
    return id_of(out, e, c, 2, true, true);
}
enum status fn_subscription_resource_id(json_t **out, struct ev *e, const struct fn_call *c)
{
    return id_of(out, e, c, 1, false, true);
}
enum status fn_tenant_resource_id(json_t **out, struct ev *e, const struct fn_call *c)
{
    return id_of(out, e, c, 0, false, false);
}

enum status fn_extension_resource_id(json_t **out, struct ev *e, const struct fn_call *c)
{
    const char **t = NULL;
    size_t n = 0;
    enum status s = strings_from(&t, &n, e, c, 0);
    if (s != OK) return s;
    s = put_id(out, e, c, t[0], t[1], t + 2, n - 2);
    free(t);
    return s;
}

const char *scope_resource_id(struct arm_plan *p, const struct scope *s, const char *type,
                              const char *name)
{
    size_t slashes_t = 0, slashes_n = 0;
    for (const char *c = type; *c != 0; c++)
        slashes_t += *c == '/';
    for (const char *c = name; *c != 0; c++)
        slashes_n += *c == '/';
    if (slashes_t != slashes_n + 1) return NULL;
    struct buf b;
    buf_init(&b, 16 * 1024);
    buf_printf(&b, "/subscriptions/%s", s->subscription_id);
    const bool is_group = strcasecmp(type, "Microsoft.Resources/resourceGroups") == 0;
    if (is_group) buf_printf(&b, "/resourceGroups/%s", name);
    if (s->level == LEVEL_RESOURCE_GROUP && !is_group)
        buf_printf(&b, "/resourceGroups/%s", s->resource_group);
    if (!is_group) {
        const char *at = type + strcspn(type, "/");
        buf_put_str(&b, "/providers/");
        buf_put(&b, type, (size_t)(at - type));
        while (*at == '/') {
            const size_t len = 1 + strcspn(at + 1, "/"), nlen = strcspn(name, "/");
            buf_put(&b, at, len);
            buf_put_u8(&b, '/');
            buf_put(&b, name, nlen);
            at += len;
            name += nlen + (name[nlen] == '/');
        }
    }
    const char *id = buf_status(&b) == OK ? arena_strdup(&p->mem, buf_cstr(&b)) : NULL;
    buf_fini(&b);
    return id;
}

/* --- state ---------------------------------------------------------------------------------------------------------- */

/* What a name or id stands for. *node SIZE_MAX: an id of something outside of the template. */
static enum status find_target(size_t *node, struct ev *e, const struct fn_call *c)
{
    struct arm_plan *p = e->p;
    const char *name = NULL;
    enum status s = arg_string(&name, e, c, 0);
    if (s != OK) return s;
    p->n_refs++;
    if (e->scope == NULL || p->phase == PHASE_LAYOUT) {
        if (name[0] == '/' && e->scope == NULL) {
            *node = SIZE_MAX;
            return OK;
        }
        return ev_fail(e, E_AGAIN, "%s() cannot be known before the deployment has begun", c->name);
    }
    bool many = false;
    size_t at = plan_find(p, e->scope, name, &many);
    if (many)
        return ev_fail(e, E_INVALID,
                       "%s('%.120s'): several resources have that name; use resourceId()", c->name,
                       name);
    if (at == SIZE_MAX && name[0] != '/')
        return ev_fail(e, E_NOT_FOUND,
                       "%s('%.120s'): the template has no resource of that name; use resourceId()",
                       c->name, name);
    if (at != SIZE_MAX && p->nodes[at].dropped)
        return ev_fail(e, E_NOT_FOUND, "%s('%.120s'): the condition of that resource is false",
                       c->name, name);
    if (at != SIZE_MAX && p->nodes[at].kind == NODE_START) at = p->nodes[at].inner->end;
    if (at != SIZE_MAX && p->phase == PHASE_ORDER && p->current != SIZE_MAX)
        plan_add_dep(p, p->current, at);
    *node = at;
    return OK;
}

static enum status deployment_state(json_t **out, struct ev *e, struct scope *inner, bool full)
{
    json_t *outputs = NULL;
    const enum status s = scope_outputs(&outputs, e, inner);
    if (s != OK) return s;
    json_t *v = json_pack("{s:o, s:s, s:s}", "outputs", outputs, "provisioningState", "Succeeded",
                          "mode", "Incremental");
    if (v != NULL && full)
        v = json_pack("{s:s, s:s, s:s, s:o}", "id", inner->id, "name", inner->name, "type",
                      "Microsoft.Resources/deployments", "properties", v);
    return put_json(out, v);
}

static enum status answered(struct ev *e, const struct fn_call *c, enum status s, bool planned,
                            const char *id, const struct err *why)
{
    if (s == OK) return OK;
    if (s == E_NOT_FOUND && planned && e->p->phase == PHASE_ORDER) s = E_AGAIN;
    if (s == E_AGAIN) return ev_fail(e, s, "%s(): %.160s does not exist yet", c->name, id);
    return ev_fail(e, s, "%s(): %.160s: %s", c->name, id, err_text(why));
}

enum status fn_reference(json_t **out, struct ev *e, const struct fn_call *c)
{
    struct arm_plan *p = e->p;
    size_t at = SIZE_MAX;
    const char *version = NULL, *how = "Properties";
    enum status s = OK;
    if (c->n > 1 && !json_is_null(c->args[1])) s = arg_string(&version, e, c, 1);
    if (s == OK && c->n > 2) s = arg_string(&how, e, c, 2);
    if (s == OK) s = find_target(&at, e, c);
    if (s != OK) return s;
    const bool full = strcasecmp(how, "Full") == 0;
    if (!full && strcasecmp(how, "Properties") != 0)
        return ev_fail(e, E_INVALID,
                       "reference(): argument 3 is 'Full' or 'Properties', not '%.40s'", how);
    const char *id = json_string_value(c->args[0]);
    if (at != SIZE_MAX) {
        const struct node *n = &p->nodes[at];
        if (n->kind != NODE_RESOURCE) return deployment_state(out, e, n->inner, full);
        id = n->id;
        if (version == NULL) version = json_string_value(ev_object_get(n->raw, "apiVersion"));
    }
    struct err why = {.status = OK};
    s = p->ctx.reference != NULL ? p->ctx.reference(out, p->ctx.arg, id, version, full, &why)
                                 : E_AGAIN;
    return answered(e, c, s, at != SIZE_MAX, id, &why);
}

/* SPEC(references): the instances of a resource loop, in its order, as reference() gives each */
enum status fn_references(json_t **out, struct ev *e, const struct fn_call *c)
{
    struct arm_plan *p = e->p;
    const char *loop, *how = "Properties";
    enum status s = arg_string(&loop, e, c, 0);
    if (s == OK && c->n > 1) s = arg_string(&how, e, c, 1);
    if (s != OK) return s;
    const bool full = strcasecmp(how, "Full") == 0;
    if (!full && strcasecmp(how, "Properties") != 0)
        return ev_fail(e, E_INVALID,
                       "references(): argument 2 is 'Full' or 'Properties', not '%.40s'", how);
    p->n_refs++;
    if (e->scope == NULL || p->phase == PHASE_LAYOUT)
        return ev_fail(e, E_AGAIN, "references() cannot be known before the deployment has begun");
    json_t *all = json_array();
    size_t found = 0;
    bool again = false;
    for (size_t i = 0; s == OK && i < p->n_nodes; i++) {
        const struct node *n = &p->nodes[i];
        if (n->kind != NODE_RESOURCE || n->scope != e->scope || n->loop == NULL) continue;
        if (strcasecmp(n->loop, loop) != 0 &&
            (n->symbol == NULL || strcasecmp(n->symbol, loop) != 0))
            continue;
        found++;
        if (n->dropped) continue;
        if (p->phase == PHASE_ORDER && p->current != SIZE_MAX) plan_add_dep(p, p->current, i);
        struct err why = {.status = OK};
        json_t *one = NULL;
        s = p->ctx.reference != NULL
                ? p->ctx.reference(&one, p->ctx.arg, n->id,
                                   json_string_value(ev_object_get(n->raw, "apiVersion")), full, &why)
                : E_AGAIN;
        again = again || (s == E_AGAIN && p->phase != PHASE_RUN);
        s = answered(e, c, s, true, n->id, &why);
        if (s == E_AGAIN && p->phase != PHASE_RUN) s = OK;
        if (s == OK && one != NULL && json_array_append_new(all, one) != 0) s = E_NOMEM;
    }
    if (s == OK && found == 0)
        s = ev_fail(e, E_NOT_FOUND, "references(): the template has no resource loop '%.120s'", loop);
    if (s == OK && again) s = E_AGAIN;
    if (s == OK) *out = all;
    else json_decref(all);
    return s;
}

enum status fn_list(json_t **out, struct ev *e, const struct fn_call *c)
{
    struct arm_plan *p = e->p;
    size_t at = SIZE_MAX;
    const char *version = NULL;
    enum status s = OK;
    if (c->n > 1 && !json_is_null(c->args[1])) s = arg_string(&version, e, c, 1);
    if (s == OK) s = find_target(&at, e, c);
    if (s != OK) return s;
    p->n_secure++;
    const char *id = at != SIZE_MAX && p->nodes[at].kind == NODE_RESOURCE
                         ? p->nodes[at].id
                         : json_string_value(c->args[0]);
    struct err why = {.status = OK};
    s = p->ctx.list != NULL
            ? p->ctx.list(out, p->ctx.arg, c->name, id, version, c->n > 2 ? c->args[2] : NULL, &why)
            : E_AGAIN;
    return answered(e, c, s, at != SIZE_MAX, id, &why);
}

/* Which zones a region has only Azure knows: the first ones of three. */
enum status fn_pick_zones(json_t **out, struct ev *e, const struct fn_call *c)
{
    int64_t n = 1, offset = 0;
    enum status s = OK;
    if (c->n > 3) s = arg_int(&n, e, c, 3);
    if (s == OK && c->n > 4) s = arg_int(&offset, e, c, 4);
    if (s != OK) return s;
    if (n < 1 || offset < 0 || n > 3 || offset > 2 || n + offset > 3)
        return ev_fail(e, E_INVALID, "pickZones(): a region has three zones");
    json_t *list = json_array();
    for (int64_t i = 0; list != NULL && i < n; i++) {
        const char text[2] = {(char)('1' + offset + i), 0};
        if (json_array_append_new(list, json_string(text)) != 0) return E_NOMEM;
    }
    return put_json(out, list);
}

enum status fn_not_here(json_t **out, struct ev *e, const struct fn_call *c)
{
    (void)out;
    if (strcasecmp(c->name, "providers") == 0)
        return ev_fail(e, E_UNSUPPORTED, "providers() is deprecated: write the API version");
    return ev_fail(e, E_UNSUPPORTED,
                   "%s() is not for deployments to resource groups or subscriptions", c->name);
}
