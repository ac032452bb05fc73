/* plan.c: resources. Three phases: LAYOUT walks the template and makes a node for each resource that will be; ORDER collects
 * what each waits for (dependsOn, and every reference() met by a first evaluation); RUN evaluates for good.
 * A nested deployment is two nodes, its start and its end: what it deploys stands between them, who waits for it waits for its
 * end. Only plain resources go into the flat list. */
#include "orchestrator/arm/arm_priv.h"

#define DEPLOYMENT_TYPE "Microsoft.Resources/deployments"

enum status plan_open(struct arm_plan **out, const struct arm_context *ctx, struct err *err)
{
    if (ctx->subscription_id == NULL || ctx->tenant_id == NULL || ctx->resource_group == NULL ||
        ctx->location == NULL || ctx->deployment_name == NULL)
        return err_set(
            err, E_INVALID,
            "template: the context lacks a subscription, tenant, resource group, location or name");
    struct arm_plan *p = calloc(1, sizeof *p);
    if (p == NULL) return E_NOMEM;
    p->ctx = *ctx;
    if (p->ctx.template_uri == NULL) p->ctx.template_uri = ARM_TEMPLATE_URI;
    arena_init(&p->mem, ARM_ARENA_MAX);
    p->current = SIZE_MAX;
    p->owned = json_array();
    if (p->owned == NULL) {
        arm_plan_free(p);
        return E_NOMEM;
    }
    *out = p;
    return OK;
}

void arm_plan_free(struct arm_plan *p)
{
    if (p == NULL) return;
    for (size_t i = 0; i < p->n_scopes; i++)
        scope_free(p->scopes[i]);
    for (size_t i = 0; i < p->n_nodes; i++)
        free(p->nodes[i].deps);
    free(p->scopes);
    free(p->nodes);
    free(p->order);
    json_decref(p->owned);
    arena_fini(&p->mem);
    free(p);
}

void plan_add_dep(struct arm_plan *p, size_t node, size_t dep)
{
    struct node *n = &p->nodes[node];
    for (size_t i = 0; i < n->n_deps; i++) {
        if (n->deps[i] == dep) return;
    }
    if (n->n_deps == n->cap_deps) {
        const size_t cap = n->cap_deps == 0 ? 4 : n->cap_deps * 2;
        size_t *more = reallocarray(n->deps, cap, sizeof *more);
        if (more == NULL) BUG("out of memory for a list of dependencies");
        n->deps = more;
        n->cap_deps = cap;
    }
    n->deps[n->n_deps++] = dep;
}

size_t plan_find(const struct arm_plan *p, const struct scope *s, const char *key, bool *many)
{
    size_t found = SIZE_MAX;
    *many = false;
    for (size_t i = 0; i < p->n_nodes; i++) {
        const struct node *n = &p->nodes[i];
        if (n->kind == NODE_END) continue;
        if (key[0] == '/') {
            if (n->id != NULL && strcasecmp(n->id, key) == 0 &&
                (found == SIZE_MAX || p->nodes[found].dropped))
                found = i;
        } else if (n->scope == s && ((n->name != NULL && strcasecmp(n->name, key) == 0) ||
                                     (n->symbol != NULL && strcasecmp(n->symbol, key) == 0))) {
            /* of two with one name, one with a true condition is meant */
            if (found == SIZE_MAX || p->nodes[found].dropped)
                found = i;
            else if (!n->dropped)
                *many = true;
        }
    }
    return found;
}

/* --- layout -------------------------------------------------------------------------------------------------------- */

static enum status node_add(size_t *out, struct ev *e, struct node n)
{
    struct arm_plan *p = e->p;
    if (n.kind == NODE_RESOURCE && !n.dropped && ++p->n_resources > ARM_RESOURCES_MAX)
        return ev_fail(e, E_LIMIT, "more than 800 resources");
    if (p->n_nodes == p->cap_nodes) {
        const size_t cap = p->cap_nodes == 0 ? 32 : p->cap_nodes * 2;
        struct node *more = reallocarray(p->nodes, cap, sizeof *more);
        if (more == NULL) return E_NOMEM;
        p->nodes = more;
        p->cap_nodes = cap;
    }
    n.path = arena_strdup(&p->mem, p->path);
    if (n.path == NULL) return E_NOMEM;
    *out = p->n_nodes;
    p->nodes[p->n_nodes++] = n;
    return OK;
}

/* a property that must be a string, evaluated, in the plan's memory */
static enum status string_of(const char **out, struct ev *e, const json_t *obj, const char *key)
{
    const json_t *raw = ev_object_get(obj, key);
    json_t *v = NULL;
    const size_t len = ev_push(e, ".%s", key);
    enum status s = raw != NULL ? ev_json(&v, e, raw) : ev_fail(e, E_INVALID, "is missing");
    if (s == OK && (!json_is_string(v) || json_string_length(v) == 0))
        s = ev_fail(e, E_INVALID, "must be a string that is not empty, it is %s", ev_type_name(v));
    if (s == OK) {
        *out = arena_strdup(&e->p->mem, json_string_value(v));
        if (*out == NULL) s = E_NOMEM;
    }
    json_decref(v);
    ev_pop(e, len);
    return s;
}

static enum status condition_of(bool *out, struct ev *e, const json_t *raw)
{
    const json_t *c = ev_object_get(raw, "condition");
    *out = true;
    if (c == NULL) return OK;
    json_t *v = NULL;
    const size_t len = ev_push(e, ".condition");
    enum status s = ev_json(&v, e, c);
    if (s == OK && !json_is_boolean(v))
        s = ev_fail(e, E_INVALID, "must be a boolean, it is %s", ev_type_name(v));
    if (s == OK) *out = json_is_true(v);
    json_decref(v);
    ev_pop(e, len);
    return s;
}

static enum status layout(struct ev *e, struct scope *s, const json_t *resources, const char *type,
                          const char *name, const struct frame *frames);

/* The id of a resource, its `scope` property considered: an extension of another resource. */
static enum status id_for(const char **out, struct ev *e, const struct scope *s, const json_t *raw,
                          const char *type, const char *name)
{
    struct arm_plan *p = e->p;
    const char *plain = scope_resource_id(p, s, type, name);
    if (plain == NULL)
        return ev_fail(
            e, E_INVALID,
            "type '%.120s' and name '%.120s' do not match: a name has one part less than its type",
            type, name);
    *out = plain;
    if (ev_object_get(raw, "scope") == NULL) return OK;
    const char *base = NULL;
    const enum status st = string_of(&base, e, raw, "scope");
    if (st != OK) return st;
    const char *tail = strstr(plain, "/providers/");
    if (tail == NULL) tail = "";
    *out = base[0] == '/' ? arena_printf(&p->mem, "%s%s", strcmp(base, "/") == 0 ? "" : base, tail)
                          : arena_printf(&p->mem, "%.*s/providers/%s%s", (int)(tail - plain), plain,
                                         base, tail);
    return *out != NULL ? OK : E_NOMEM;
}

/* What a deployment resource deploys: its template, and whether expressions see the outer deployment. */
static enum status inner_template(const json_t **tmpl, bool *outer, const char **uri, struct ev *e,
                                  const json_t *props)
{
    const json_t *inline_tmpl = ev_object_get(props, "template"),
                 *link = ev_object_get(props, "templateLink");
    const json_t *mode = ev_object_get(props, "mode");
    if (mode != NULL && json_is_string(mode) &&
        strcasecmp(json_string_value(mode), "Incremental") != 0)
        return ev_fail(e, E_INVALID, "the mode of a nested deployment must be Incremental");
    if ((inline_tmpl == NULL) == (link == NULL))
        return ev_fail(e, E_INVALID, "a deployment needs either template or templateLink");
    if (ev_object_get(props, "parametersLink") != NULL)
        return ev_fail(e, E_UNSUPPORTED, "parametersLink is not supported: give parameters");
    enum status s = OK;
    json_t *v = NULL;
    if (link != NULL) {
        *outer = false;
        const size_t len = ev_push(e, ".templateLink");
        s = ev_json(&v, e, link);
        json_t *loaded = NULL;
        if (s == OK) s = scope_load_link(&loaded, e, e->scope, v, uri);
        if (s == OK) *tmpl = loaded;
        ev_pop(e, len);
        json_decref(v);
        return s;
    }
    *tmpl = inline_tmpl;
    *outer = true;
    const json_t *options = ev_object_get(props, "expressionEvaluationOptions");
    if (options == NULL) return OK;
    s = ev_json(&v, e, options);
    if (s != OK) return s;
    const char *scope = json_string_value(ev_object_get(v, "scope"));
    if (scope == NULL || (strcasecmp(scope, "inner") != 0 && strcasecmp(scope, "outer") != 0))
        s = ev_fail(e, E_INVALID, "expressionEvaluationOptions.scope must be inner or outer");
    else
        *outer = strcasecmp(scope, "outer") == 0;
    json_decref(v);
    return s;
}

static enum status layout_deployment(struct ev *e, struct scope *s, struct node n)
{
    struct arm_plan *p = e->p;
    const json_t *props = ev_object_get(n.raw, "properties"), *tmpl = NULL;
    bool outer = true;
    const char *uri = s->uri;
    size_t start = 0, end = 0;
    if (!json_is_object(props)) return ev_fail(e, E_INVALID, "a deployment needs properties");
    if (s->depth + 1 >= ARM_NESTING_MAX)
        return ev_fail(e, E_LIMIT, "deployments are nested more than 5 deep");
    const json_t *params = ev_object_get(props, "parameters");
    if (params != NULL && !json_is_object(params))
        return ev_fail(e, E_INVALID, "parameters must be an object");
    const size_t len = ev_push(e, ".properties");
    enum status st = inner_template(&tmpl, &outer, &uri, e, props);
    if (st != OK) return st;
    if (outer && json_object_size(params) > 0)
        return ev_fail(e, E_INVALID,
                       "a deployment that is evaluated in the outer scope takes no parameters");
    ev_push(e, ".template");
    if (uri != s->uri) st = ev_check_static(e, tmpl);
    struct scope *inner = NULL;
    if (st == OK)
        st = scope_new(&inner, e, tmpl,
                       params != NULL ? json_incref((json_t *)params) : json_object(), s, outer,
                       n.frames, n.name);
    if (st != OK) return st;
    inner->uri = uri;
    inner->id = n.id;
    const char *where = NULL;
    if (ev_object_get(n.raw, "resourceGroup") != NULL) {
        st = string_of(&where, e, n.raw, "resourceGroup");
        inner->resource_group = where;
        inner->level = LEVEL_RESOURCE_GROUP;
    }
    if (st == OK && ev_object_get(n.raw, "subscriptionId") != NULL) {
        st = string_of(&where, e, n.raw, "subscriptionId");
        inner->subscription_id = where;
    }
    n.inner = inner;
    n.kind = NODE_START;
    if (st == OK) st = node_add(&start, e, n);
    n.kind = NODE_END;
    struct ev sub;
    if (st == OK) {
        IGNORE(ev_for_scope(&sub, p, inner, e->err), "cannot fail");
        sub.depth = e->depth;
        st = scope_check(&sub, inner);
    }
    /* the end is known before what is in it: its index goes into the scope */
    if (st == OK) st = node_add(&end, e, n);
    if (st != OK) return st;
    inner->end = end;
    plan_add_dep(p, end, start);
    st = layout(&sub, inner, ev_object_get(tmpl, "resources"), NULL, NULL, sub.frames);
    if (st == OK) ev_pop(e, len);
    return st;
}

static enum status layout_one(struct ev *e, struct scope *s, const json_t *raw, const char *up_type,
                              const char *up_name, const struct frame *frames, const char *loop,
                              const char *symbol)
{
    struct arm_plan *p = e->p;
    struct node n = {.kind = NODE_RESOURCE,
                     .scope = s,
                     .raw = raw,
                     .loop = loop,
                     .symbol = symbol,
                     .frames = frames};
    const struct frame *was = e->frames;
    bool wanted = true;
    size_t at = 0;
    e->frames = frames;
    enum status st = string_of(&n.type, e, raw, "type");
    if (st == OK) st = condition_of(&wanted, e, raw);
    if (st == OK) {
        st = string_of(&n.name, e, raw, "name");
        if (st == OK && up_type != NULL && strchr(n.type, '.') == NULL) {
            n.type = arena_printf(&p->mem, "%s/%s", up_type, n.type);
            n.name = arena_printf(&p->mem, "%s/%s", up_name, n.name);
            if (n.type == NULL || n.name == NULL) st = E_NOMEM;
        }
        if (st == OK) st = id_for(&n.id, e, s, raw, n.type, n.name);
        if (st == OK && ev_object_get(raw, "apiVersion") == NULL)
            st = ev_fail(e, E_INVALID, "apiVersion is missing");
    }
    bool many = false;
    const size_t twin = st == OK && wanted ? plan_find(p, s, n.id, &many) : SIZE_MAX;
    if (twin != SIZE_MAX && !p->nodes[twin].dropped)
        st = ev_fail(e, E_EXISTS,
                     "the resource %.200s stands in the template twice (also at %.100s)", n.id,
                     p->nodes[twin].path);
    n.dropped = !wanted;
    if (st == OK && wanted && strcasecmp(n.type, DEPLOYMENT_TYPE) == 0)
        st = layout_deployment(e, s, n);
    else if (st == OK)
        st = node_add(&at, e, n);
    const json_t *children = ev_object_get(raw, "resources");
    if (st == OK && wanted && children != NULL) st = layout(e, s, children, n.type, n.name, frames);
    e->frames = was;
    return st;
}

static enum status layout_loop(struct ev *e, struct scope *s, const json_t *raw, const char *type,
                               const char *name, const struct frame *frames, const char *symbol)
{
    const json_t *copy = ev_object_get(raw, "copy");
    if (copy == NULL) return layout_one(e, s, raw, type, name, frames, NULL, symbol);
    const char *loop = json_string_value(ev_object_get(copy, "name"));
    const struct frame *was = e->frames;
    size_t n = 0;
    const size_t len = ev_push(e, ".copy");
    e->frames = frames;
    enum status st = loop == NULL ? ev_fail(e, E_INVALID, "a copy loop needs a name")
                                  : ev_copy_count(&n, e, ev_object_get(copy, "count"));
    e->frames = was;
    if (st != OK) return st;
    ev_pop(e, len);
    const char *mode = json_string_value(ev_object_get(copy, "mode"));
    const bool serial = mode != NULL && strcasecmp(mode, "serial") == 0;
    const json_t *size = ev_object_get(copy, "batchSize");
    const size_t batch = json_is_integer(size) && json_integer_value(size) > 0
                             ? (size_t)json_integer_value(size)
                             : 1;
    struct arm_plan *p = e->p;
    size_t before = p->n_nodes, batch_from = p->n_nodes;
    for (size_t i = 0; st == OK && i < n; i++) {
        struct frame *f = arena_alloc(&p->mem, sizeof *f);
        if (f == NULL) return E_NOMEM;
        *f = (struct frame){loop, (int64_t)i, frames};
        const size_t inner = ev_push(e, "(%zu)", i);
        const size_t first = p->n_nodes;
        if (serial && i % batch == 0) {
            before = batch_from;
            batch_from = first;
        }
        st = layout_one(e, s, raw, type, name, f, loop, symbol);
        if (st != OK) break;
        ev_pop(e, inner);
        /* serial: all of this batch wait for all of the one before */
        for (size_t k = first; serial && k < p->n_nodes; k++) {
            for (size_t b = before; i >= batch && b < batch_from; b++) {
                if (p->nodes[k].scope != s || p->nodes[b].scope != s ||
                    p->nodes[k].kind == NODE_END)
                    continue;
                if (p->nodes[b].kind != NODE_START) plan_add_dep(p, k, b);
            }
        }
    }
    return st;
}

static enum status layout(struct ev *e, struct scope *s, const json_t *resources, const char *type,
                          const char *name, const struct frame *frames)
{
    size_t i;
    json_t *raw;
    const char *symbol;
    enum status st = OK;
    if (resources == NULL && type == NULL) return ev_fail(e, E_INVALID, "resources is missing");
    if (json_is_array(resources)) {
        json_array_foreach(resources, i, raw)
        {
            const size_t len = ev_push(e, ".resources[%zu]", i);
            st = json_is_object(raw) ? layout_loop(e, s, raw, type, name, frames, NULL)
                                     : ev_fail(e, E_INVALID, "a resource must be an object");
            if (st != OK) return st;
            ev_pop(e, len);
        }
        return OK;
    }
    if (!json_is_object(resources)) return ev_fail(e, E_INVALID, "resources must be an array");
    json_object_foreach((json_t *)resources, symbol, raw)
    {
        const size_t len = ev_push(e, ".resources.%s", symbol);
        if (json_is_true(ev_object_get(raw, "existing")))
            st = ev_fail(e, E_UNSUPPORTED,
                         "existing resources are not supported: use reference() with an id");
        else
            st = json_is_object(raw) ? layout_loop(e, s, raw, type, name, frames, symbol)
                                     : ev_fail(e, E_INVALID, "a resource must be an object");
        if (st != OK) return st;
        ev_pop(e, len);
    }
    return OK;
}

/* --- order --------------------------------------------------------------------------------------------------------- */

static void enter_node(struct ev *e, struct arm_plan *p, const struct node *n, struct err *err)
{
    IGNORE(ev_for_scope(e, p, n->scope, err), "cannot fail");
    e->frames = n->frames;
    snprintf(p->path, sizeof p->path, "%s", n->path);
    p->path_len = strlen(p->path);
}

/* All that a dependsOn entry stands for: a resource by id or name, or a copy loop by name. */
static enum status add_named_deps(struct ev *e, size_t node, const char *name)
{
    struct arm_plan *p = e->p;
    const struct scope *s = p->nodes[node].scope;
    bool many = false, loop = false;
    size_t at = plan_find(p, s, name, &many);
    if (at != SIZE_MAX && !many) {
        const struct node *n = &p->nodes[at];
        if (n->dropped) return OK;
        if (n->symbol == NULL || n->loop == NULL || strcasecmp(n->symbol, name) != 0) {
            plan_add_dep(p, node, n->kind == NODE_START ? n->inner->end : at);
            return OK;
        }
    }
    for (size_t i = 0; i < p->n_nodes; i++) {
        const struct node *n = &p->nodes[i];
        if (n->scope != s || n->loop == NULL || n->kind == NODE_START) continue;
        if (strcasecmp(n->loop, name) != 0 &&
            (n->symbol == NULL || strcasecmp(n->symbol, name) != 0))
            continue;
        loop = true;
        if (!n->dropped) plan_add_dep(p, node, i);
    }
    if (loop) return OK;
    if (many)
        return ev_fail(e, E_INVALID,
                       "dependsOn: several resources are named '%.120s'; use resourceId()", name);
    /* a loop of no iterations leaves no node */
    const json_t *resources = ev_object_get(s->tmpl, "resources");
    size_t i;
    json_t *raw;
    json_array_foreach(resources, i, raw)
    {
        const char *n = json_string_value(ev_object_get(ev_object_get(raw, "copy"), "name"));
        if (n != NULL && strcasecmp(n, name) == 0) return OK;
    }
    return ev_fail(e, E_NOT_FOUND, "dependsOn: the template has no resource or copy loop '%.200s'",
                   name);
}

static enum status explicit_deps(struct ev *e, size_t node)
{
    const json_t *raw = ev_object_get(e->p->nodes[node].raw, "dependsOn");
    if (raw == NULL) return OK;
    json_t *list = NULL;
    const size_t len = ev_push(e, ".dependsOn");
    enum status s = ev_json(&list, e, raw);
    if (s == OK && !json_is_array(list)) s = ev_fail(e, E_INVALID, "must be an array");
    for (size_t i = 0; s == OK && i < json_array_size(list); i++) {
        const json_t *v = json_array_get(list, i);
        s = json_is_string(v) ? add_named_deps(e, node, json_string_value(v))
                              : ev_fail(e, E_INVALID, "must be an array of strings");
    }
    json_decref(list);
    if (s == OK) ev_pop(e, len);
    return s;
}

static bool is_plan_only(const char *key)
{
    static const char *const keys[] = {"copy",      "condition", "comments", "dependsOn",
                                       "resources", "metadata",  "existing"};
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        if (strcasecmp(key, keys[i]) == 0) return true;
    }
    return false;
}

static enum status eval_resource(json_t **out, struct ev *e, const struct node *n)
{
    json_t *obj = json_pack("{s:s, s:n, s:s, s:s, s:[]}", "type", n->type, "apiVersion", "name",
                            n->name, "id", n->id, "dependsOn");
    const char *key;
    json_t *raw;
    bool again = false;
    enum status s = obj != NULL ? OK : E_NOMEM;
    if (s == OK) {
        json_object_foreach((json_t *)n->raw, key, raw)
        {
            if (is_plan_only(key) || strcasecmp(key, "type") == 0 || strcasecmp(key, "name") == 0)
                continue;
            json_t *v = NULL;
            const size_t len = ev_push(e, ".%s", key);
            s = ev_json(&v, e, raw);
            if (s == OK &&
                json_object_set_new(obj, strcasecmp(key, "apiVersion") == 0 ? "apiVersion" : key,
                                    v) != 0)
                s = E_NOMEM;
            if (s == E_AGAIN) {
                again = true;
                s = OK;
            }
            if (s != OK) break;
            ev_pop(e, len);
        }
    }
    if (s == OK && again) s = E_AGAIN;
    if (s == OK)
        *out = obj;
    else
        json_decref(obj);
    return s;
}

/* the first evaluation: for what it refers to, and so that mistakes show before anything is created */
static enum status implicit_deps(struct ev *e, size_t node)
{
    struct arm_plan *p = e->p;
    const struct node n = p->nodes[node];
    json_t *v = NULL;
    enum status s = OK;
    p->current = node;
    if (n.kind == NODE_RESOURCE) {
        s = eval_resource(&v, e, &n);
        json_decref(v);
    } else {
        const char *key;
        json_t *given;
        json_object_foreach(n.inner->params, key, given)
        {
            v = NULL;
            const size_t len = ev_push(e, ".properties.parameters.%s", key);
            s = ev_json(&v, e, given);
            json_decref(v);
            if (s != OK && s != E_AGAIN) break;
            ev_pop(e, len);
        }
    }
    p->current = SIZE_MAX;
    return s == E_AGAIN ? OK : s;
}

static enum status collect_deps(struct arm_plan *p, struct err *err)
{
    for (size_t i = 0; i < p->n_nodes; i++) {
        struct ev e;
        const struct node n = p->nodes[i];
        if (n.dropped) continue;
        if (n.scope->end != SIZE_MAX) {
            plan_add_dep(p, n.scope->end, i);
            if (n.kind != NODE_END)
                plan_add_dep(p, i, p->nodes[n.scope->end].deps[0]); /* the start: the end's first */
        }
        if (n.kind == NODE_END) continue;
        enter_node(&e, p, &n, err);
        enum status s = explicit_deps(&e, i);
        if (s == OK) s = implicit_deps(&e, i);
        if (s != OK) return s;
    }
    return OK;
}

struct walk {
    struct arm_plan *p;
    uint8_t *color; /* 0 new, 1 on the stack, 2 done */
    size_t *stack;
    size_t n;
};

static enum status cycle_error(const struct walk *w, size_t again, struct err *err)
{
    struct buf b;
    buf_init(&b, 900);
    size_t from = 0;
    while (from < w->n && w->stack[from] != again)
        from++;
    const char *last = "", *first = NULL;
    /* the stack goes from who waits to what it waits for */
    for (size_t i = from; i < w->n; i++) {
        const char *name = w->p->nodes[w->stack[i]].name;
        if (first == NULL) first = name;
        if (strcmp(name, last) != 0) buf_printf(&b, "%s%s", b.len > 0 ? " -> " : "", name);
        last = name;
    }
    buf_printf(&b, " -> %s", first != NULL ? first : "");
    err_set(err, E_INVALID, "%s: the resources wait for each other in a circle: %.700s",
            w->p->nodes[again].path, buf_status(&b) == OK ? buf_cstr(&b) : "(too long to print)");
    buf_fini(&b);
    return E_INVALID;
}

static enum status visit(struct walk *w, size_t i, struct err *err)
{
    if (w->color[i] == 2) return OK;
    if (w->color[i] == 1) return cycle_error(w, i, err);
    w->color[i] = 1;
    w->stack[w->n++] = i;
    struct node *n = &w->p->nodes[i];
    for (size_t k = 0; k < n->n_deps; k++) {
        const enum status s = visit(w, n->deps[k], err);
        if (s != OK) return s;
    }
    w->n--;
    w->color[i] = 2;
    if (n->kind == NODE_RESOURCE && !n->dropped) {
        n->rank = w->p->n_order;
        w->p->order[w->p->n_order++] = i;
    }
    return OK;
}

static enum status put_in_order(struct arm_plan *p, struct err *err)
{
    struct walk w = {.p = p,
                     .color = calloc(p->n_nodes + 1, 1),
                     .stack = calloc(p->n_nodes + 1, sizeof(size_t))};
    p->order = calloc(p->n_nodes + 1, sizeof *p->order);
    enum status s = w.color != NULL && w.stack != NULL && p->order != NULL ? OK : E_NOMEM;
    for (size_t i = 0; s == OK && i < p->n_nodes; i++)
        s = visit(&w, i, err);
    free(w.color);
    free(w.stack);
    return s;
}

enum status arm_plan_new(struct arm_plan **out, const json_t *tmpl, const json_t *params,
                         const struct arm_context *ctx, struct err *err)
{
    struct arm_plan *p = NULL;
    enum status s = plan_open(&p, ctx, err);
    if (s != OK) return s;
    struct ev e = {.p = p, .err = err};
    const json_t *file =
        ev_object_get(params, "$schema") != NULL || ev_object_get(params, "contentVersion") != NULL
            ? ev_object_get(params, "parameters")
            : NULL;
    if (file == NULL) file = params;
    if (json_dumpb(tmpl, NULL, 0, JSON_COMPACT) > ARM_TEMPLATE_MAX)
        s = ev_fail(&e, E_LIMIT, "the template is larger than 4 MB");
    else if (file != NULL && !json_is_object(file))
        s = ev_fail(&e, E_INVALID, "parameters must be an object");
    if (s == OK) s = ev_check_static(&e, tmpl);
    if (s == OK)
        s = scope_new(&p->main, &e, tmpl,
                      file != NULL ? json_incref((json_t *)file) : json_object(), NULL, false, NULL,
                      p->ctx.deployment_name);
    if (s == OK) {
        IGNORE(ev_for_scope(&e, p, p->main, err), "cannot fail");
        s = scope_check(&e, p->main);
    }
    if (s == OK) s = layout(&e, p->main, ev_object_get(tmpl, "resources"), NULL, NULL, NULL);
    p->phase = PHASE_ORDER;
    if (s == OK) s = collect_deps(p, err);
    if (s == OK) s = put_in_order(p, err);
    if (s == OK) {
        /* outputs too, as far as they can be known */
        json_t *v = NULL;
        ev_pop(&e, 0);
        s = scope_outputs(&v, &e, p->main);
        json_decref(v);
        if (s == E_AGAIN) s = OK;
    }
    p->phase = PHASE_RUN;
    if (s == OK)
        *out = p;
    else
        arm_plan_free(p);
    return s;
}

/* --- run ------------------------------------------------------------------------------------------------------------ */

size_t arm_plan_count(const struct arm_plan *p)
{
    return p->n_order;
}

const char *arm_plan_id(const struct arm_plan *p, size_t i)
{
    return p->nodes[p->order[i]].id;
}

const char *arm_plan_type(const struct arm_plan *p, size_t i)
{
    return p->nodes[p->order[i]].type;
}

/* the resources that node i waits for, through starts and ends of deployments */
static void mark_deps(const struct arm_plan *p, size_t i, uint8_t *seen)
{
    const struct node *n = &p->nodes[i];
    for (size_t k = 0; k < n->n_deps; k++) {
        const size_t d = n->deps[k];
        if (seen[d]) continue;
        seen[d] = 1;
        if (p->nodes[d].kind != NODE_RESOURCE || p->nodes[d].dropped) mark_deps(p, d, seen);
    }
}

static enum status list_deps(json_t *list, const struct arm_plan *p, size_t node)
{
    uint8_t *seen = calloc(p->n_nodes + 1, 1);
    if (seen == NULL) return E_NOMEM;
    mark_deps(p, node, seen);
    enum status s = OK;
    for (size_t i = 0; i < p->n_order && s == OK; i++) {
        if (seen[p->order[i]] &&
            json_array_append_new(list, json_string(p->nodes[p->order[i]].id)) != 0)
            s = E_NOMEM;
    }
    free(seen);
    return s;
}

enum status arm_plan_resource(json_t **out, struct arm_plan *p, size_t i, struct err *err)
{
    if (i >= p->n_order) BUG("arm_plan_resource: index past the end");
    struct ev e;
    json_t *v = NULL;
    const struct node *n = &p->nodes[p->order[i]];
    enter_node(&e, p, n, err);
    enum status s = eval_resource(&v, &e, n);
    if (s == OK) s = list_deps(json_object_get(v, "dependsOn"), p, p->order[i]);
    if (s == OK)
        *out = v;
    else
        json_decref(v);
    return s;
}

enum status arm_plan_resources(json_t **out, struct arm_plan *p, struct err *err)
{
    json_t *list = json_array();
    enum status s = list != NULL ? OK : E_NOMEM;
    for (size_t i = 0; s == OK && i < p->n_order; i++) {
        json_t *v = NULL;
        s = arm_plan_resource(&v, p, i, err);
        if (s == OK && json_array_append_new(list, v) != 0) s = E_NOMEM;
    }
    if (s == OK)
        *out = list;
    else
        json_decref(list);
    return s;
}

enum status arm_plan_outputs(json_t **out, struct arm_plan *p, struct err *err)
{
    struct ev e = {.p = p, .scope = p->main, .err = err};
    ev_pop(&e, 0);
    return scope_outputs(out, &e, p->main);
}

size_t arm_plan_deployments(const struct arm_plan *p)
{
    return p->n_scopes;
}

const char *arm_plan_deployment_name(const struct arm_plan *p, size_t deployment)
{
    return p->scopes[deployment]->name;
}

size_t arm_plan_deployment_of(const struct arm_plan *p, size_t i)
{
    size_t k = 0;
    while (p->scopes[k] != p->nodes[p->order[i]].scope)
        k++;
    return k;
}

size_t arm_plan_deployment_up(const struct arm_plan *p, size_t deployment)
{
    size_t k = 0;
    if (deployment == 0) return 0;
    while (p->scopes[k] != p->scopes[deployment]->up)
        k++;
    return k;
}

enum status arm_plan_deployment_outputs(json_t **out, struct arm_plan *p, size_t deployment,
                                        struct err *err)
{
    struct ev e = {.p = p, .scope = p->scopes[deployment], .err = err};
    ev_pop(&e, 0);
    return scope_outputs(out, &e, p->scopes[deployment]);
}

enum status arm_plan_parameter(json_t **out, struct arm_plan *p, const char *name, struct err *err)
{
    struct ev e = {.p = p, .scope = p->main, .err = err};
    ev_pop(&e, 0);
    return scope_parameter(out, &e, name);
}

enum status arm_eval(json_t **out, const json_t *value, const struct arm_context *ctx,
                     struct err *err)
{
    struct arm_plan *p = NULL;
    enum status s = plan_open(&p, ctx, err);
    if (s != OK) return s;
    struct ev e = {.p = p, .err = err};
    p->phase = PHASE_RUN;
    s = ev_json(out, &e, value);
    arm_plan_free(p);
    return s;
}
