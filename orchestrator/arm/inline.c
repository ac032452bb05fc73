/* inline.c: one template out of many: each link replaced by the template behind it. */
#include "orchestrator/arm/arm_priv.h"

static const char *const ARTIFACTS[] = {"_artifactsLocation", "_artifactsLocationSasToken"};

/* is the name used in any expression of v? */
static bool mentions(const json_t *v, const char *name)
{
    const char *key;
    json_t *x;
    size_t i;
    if (json_is_string(v)) {
        char quoted[64];
        snprintf(quoted, sizeof quoted, "'%s'", name);
        return expr_is(json_string_value(v)) && strcasestr(json_string_value(v), quoted) != NULL;
    }
    json_object_foreach((json_t *)v, key, x)
    {
        if (mentions(x, name)) return true;
    }
    json_array_foreach(v, i, x)
    {
        if (mentions(x, name)) return true;
    }
    return false;
}

/* Drop the artifacts parameters that nothing uses any more, here and where they are handed in. */
static void drop_artifacts(json_t *tmpl, json_t *given)
{
    json_t *params = ev_object_get(tmpl, "parameters");
    for (size_t i = COUNT_OF(ARTIFACTS); i-- > 0;) {
        json_t *decl = json_incref(json_object_get(params, ARTIFACTS[i]));
        if (decl == NULL) continue;
        json_object_del(params, ARTIFACTS[i]);
        if (mentions(tmpl, ARTIFACTS[i]))
            IGNORE(json_object_set(params, ARTIFACTS[i], decl), "it stood there before");
        else
            json_object_del(given, ARTIFACTS[i]);
        json_decref(decl);
    }
}

static enum status inline_resources(struct ev *e, struct scope *s, json_t *tmpl);

static enum status inline_one(struct ev *e, struct scope *s, json_t *resource)
{
    json_t *props = ev_object_get(resource, "properties"),
           *link = ev_object_get(props, "templateLink");
    const char *type = json_string_value(ev_object_get(resource, "type"));
    if (type == NULL || strcasecmp(type, "Microsoft.Resources/deployments") != 0) return OK;
    json_t *v = NULL, *loaded = NULL, *body = NULL;
    const char *uri = s->uri;
    enum status st = OK;
    bool outer = false;
    if (link != NULL) {
        st = ev_json(&v, e, link);
        if (st == OK) st = scope_load_link(&loaded, e, s, v, &uri);
        json_decref(v);
        if (st != OK) return st;
        body = json_deep_copy(loaded);
        if (body == NULL) return E_NOMEM;
        json_object_del(props, "templateLink");
        if (json_object_set_new(props, "expressionEvaluationOptions",
                                json_pack("{s:s}", "scope", "inner")) != 0 ||
            json_object_set_new(props, "template", body) != 0)
            return E_NOMEM;
    } else {
        body = ev_object_get(props, "template");
        const char *how = json_string_value(
            ev_object_get(ev_object_get(props, "expressionEvaluationOptions"), "scope"));
        outer = how == NULL || strcasecmp(how, "inner") != 0;
    }
    if (s->depth + 1 >= ARM_NESTING_MAX)
        return ev_fail(e, E_LIMIT, "deployments are nested more than 5 deep");
    json_t *given = ev_object_get(props, "parameters");
    struct scope *inner = NULL;
    st = scope_new(&inner, e, body, given != NULL ? json_incref(given) : json_object(), s, outer,
                   NULL, "nested");
    if (st != OK) return st;
    inner->uri = uri;
    struct ev sub;
    IGNORE(ev_for_scope(&sub, e->p, inner, e->err), "cannot fail");
    st = inline_resources(&sub, inner, body);
    if (st == OK && !outer) drop_artifacts(body, given);
    return st;
}

static enum status inline_resources(struct ev *e, struct scope *s, json_t *tmpl)
{
    json_t *list = ev_object_get(tmpl, "resources"), *r;
    size_t i;
    const char *key;
    enum status st = OK;
    json_array_foreach(list, i, r)
    {
        const size_t len = ev_push(e, ".resources[%zu]", i);
        if (st == OK) st = inline_one(e, s, r);
        if (st == OK) ev_pop(e, len);
    }
    json_object_foreach(list, key, r)
    {
        if (st == OK) st = inline_one(e, s, r);
    }
    return st;
}

enum status arm_inline(json_t **out, const json_t *tmpl, const json_t *params,
                       const struct arm_context *ctx, struct err *err)
{
    struct arm_plan *p = NULL;
    enum status s = plan_open(&p, ctx, err);
    if (s != OK) return s;
    struct ev e = {.p = p, .err = err};
    const json_t *given =
        ev_object_get(params, "$schema") != NULL ? ev_object_get(params, "parameters") : params;
    json_t *copy = json_deep_copy(tmpl);
    s = copy != NULL ? OK : E_NOMEM;
    if (s == OK)
        s = scope_new(&p->main, &e, copy,
                      given != NULL ? json_incref((json_t *)given) : json_object(), NULL, false,
                      NULL, p->ctx.deployment_name);
    if (s == OK) {
        IGNORE(ev_for_scope(&e, p, p->main, err), "cannot fail");
        s = inline_resources(&e, p->main, copy);
    }
    if (s == OK) drop_artifacts(copy, NULL);
    arm_plan_free(p);
    if (s == OK)
        *out = copy;
    else
        json_decref(copy);
    return s;
}
