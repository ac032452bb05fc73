/* scope.c: one deployment: its parameters and variables (evaluated when first asked for, then kept unless a reference() or a
 * secret went in), user functions, outputs, and where its links lead. */
#include "lib/base/buf.h"
#include "orchestrator/arm/arm_priv.h"

enum status ev_for_scope(struct ev *e, struct arm_plan *p, struct scope *s, struct err *err)
{
    *e = (struct ev){
        .p = p, .scope = s, .frames = s != NULL && s->names != s ? s->frames : NULL, .err = err};
    return OK;
}

/* the key as it is spelled in obj */
static const char *find_key(const json_t *obj, const char *name)
{
    const char *k;
    json_t *v;
    json_object_foreach((json_t *)obj, k, v)
    {
        if (strcasecmp(k, name) == 0) return k;
    }
    return NULL;
}

static enum status level_of(enum scope_level *out, struct ev *e, const json_t *tmpl)
{
    const char *schema = json_string_value(json_object_get(tmpl, "$schema"));
    *out = LEVEL_RESOURCE_GROUP;
    if (schema == NULL) return OK;
    if (strcasestr(schema, "subscriptionDeploymentTemplate.json") != NULL) {
        *out = LEVEL_SUBSCRIPTION;
        return OK;
    }
    if (strcasestr(schema, "/deploymentTemplate.json") != NULL) return OK;
    return ev_fail(
        e, E_UNSUPPORTED,
        "$schema '%.120s': only templates for resource groups and subscriptions are supported",
        schema);
}

enum status scope_new(struct scope **out, struct ev *e, const json_t *tmpl, json_t *params_take,
                      struct scope *up, bool outer, const struct frame *frames, const char *name)
{
    struct arm_plan *p = e->p;
    enum status s = OK;
    struct scope *sc = arena_zalloc(&p->mem, 1, sizeof *sc);
    if (sc == NULL || params_take == NULL) s = E_NOMEM;
    if (s == OK && p->n_scopes == p->cap_scopes) {
        const size_t cap = p->cap_scopes == 0 ? 8 : p->cap_scopes * 2;
        struct scope **more = reallocarray(p->scopes, cap, sizeof *more);
        if (more == NULL) {
            s = E_NOMEM;
        } else {
            p->scopes = more;
            p->cap_scopes = cap;
        }
    }
    if (s != OK) {
        json_decref(params_take);
        return s;
    }
    p->scopes[p->n_scopes++] = sc;
    *sc = (struct scope){.up = up,
                         .frames = frames,
                         .tmpl = tmpl,
                         .params = params_take,
                         .param_memo = json_object(),
                         .var_memo = json_object(),
                         .busy = json_object(),
                         .end = SIZE_MAX};
    sc->names = outer && up != NULL ? up->names : sc;
    sc->depth = up != NULL ? up->depth + 1 : 0;
    sc->path = arena_strdup(&p->mem, p->path);
    sc->name = arena_strdup(&p->mem, name);
    sc->subscription_id = up != NULL ? up->subscription_id : p->ctx.subscription_id;
    sc->resource_group = up != NULL ? up->resource_group : p->ctx.resource_group;
    sc->uri = up != NULL ? up->uri : p->ctx.template_uri;
    if (sc->param_memo == NULL || sc->var_memo == NULL || sc->busy == NULL || sc->path == NULL ||
        sc->name == NULL)
        return E_NOMEM;
    if (!json_is_object(tmpl)) return ev_fail(e, E_INVALID, "a template must be a JSON object");
    s = level_of(&sc->level, e, tmpl);
    if (s == OK) *out = sc;
    return s;
}

void scope_free(struct scope *s)
{
    if (s == NULL) return;
    json_decref(s->params);
    json_decref(s->param_memo);
    json_decref(s->var_memo);
    json_decref(s->busy);
}

/* Evaluate v as a part of scope s: path and frames are those of the place where it is written. */
static enum status eval_at(json_t **out, struct ev *e, struct scope *s, const struct frame *frames,
                           json_t *fn_args, const json_t *v, bool literal, const char *kind,
                           const char *name)
{
    struct ev sub = {.p = e->p,
                     .scope = s,
                     .frames = frames,
                     .fn_args = fn_args,
                     .depth = e->depth + 1,
                     .err = e->err};
    if (sub.depth >= ARM_EVAL_DEPTH_MAX) return ev_fail(e, E_LIMIT, "nested too deeply");
    char *was = strdup(e->p->path);
    if (was == NULL) return E_NOMEM;
    const size_t was_len = e->p->path_len;
    ev_pop(e, 0);
    if (s->path[0] != 0) ev_push(e, "%s", s->path);
    ev_push(e, ".%s.%s", kind, name);
    const enum status r = literal ? put_json(out, json_incref((json_t *)v)) : ev_json(out, &sub, v);
    snprintf(e->p->path, sizeof e->p->path, "%s", was);
    e->p->path_len = was_len;
    free(was);
    return r;
}

/* --- parameters -------------------------------------------------------------------------------------------------- */

static bool is_secure(const json_t *decl)
{
    const char *type = json_string_value(json_object_get(decl, "type"));
    return type != NULL && strncasecmp(type, "secure", 6) == 0;
}

static enum status check_type(struct ev *e, const char *type, const json_t *v, const char *what)
{
    bool fits;
    if (type == NULL)
        return ev_fail(e, E_INVALID, "%s has no type", what);
    else if (strcasecmp(type, "string") == 0 || strcasecmp(type, "securestring") == 0)
        fits = json_is_string(v);
    else if (strcasecmp(type, "int") == 0)
        fits = json_is_integer(v);
    else if (strcasecmp(type, "bool") == 0)
        fits = json_is_boolean(v);
    else if (strcasecmp(type, "array") == 0)
        fits = json_is_array(v);
    else if (strcasecmp(type, "object") == 0 || strcasecmp(type, "secureObject") == 0)
        fits = json_is_object(v);
    else
        return ev_fail(e, E_INVALID, "unknown type '%.40s'", type);
    return fits ? OK
                : ev_fail(e, E_INVALID, "%s must be of type %s, it is %s", what, type,
                          ev_type_name(v));
}

static bool is_allowed(const json_t *allowed, const json_t *v)
{
    size_t i, k;
    json_t *a, *x;
    json_array_foreach(allowed, i, a)
    {
        if (json_equal(a, v)) return true;
        if (json_is_string(a) && json_is_string(v) &&
            strcasecmp(json_string_value(a), json_string_value(v)) == 0)
            return true;
    }
    if (!json_is_array(v)) return false;
    json_array_foreach(v, k, x)
    {
        if (!is_allowed(allowed, x)) return false;
    }
    return true;
}

static enum status check_value(struct ev *e, const json_t *decl, const json_t *v)
{
    enum status s = check_type(e, json_string_value(json_object_get(decl, "type")), v, "the value");
    if (s != OK) return s;
    const json_t *allowed = ev_object_get(decl, "allowedValues");
    if (allowed != NULL && !is_allowed(allowed, v)) {
        char *list = json_dumps(allowed, JSON_COMPACT | JSON_ENCODE_ANY);
        char *is = is_secure(decl) ? NULL : json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
        s = ev_fail(e, E_INVALID, "the value %.80s is not allowed; allowed are %.300s",
                    is != NULL ? is : "", list != NULL ? list : "");
        free(list);
        free(is);
        return s;
    }
    const json_t *lo = ev_object_get(decl, "minValue"), *hi = ev_object_get(decl, "maxValue");
    if (json_is_integer(v)) {
        const json_int_t n = json_integer_value(v);
        if (lo != NULL && n < json_integer_value(lo))
            return ev_fail(e, E_INVALID, "%lld is less than %lld", (long long)n,
                           (long long)json_integer_value(lo));
        if (hi != NULL && n > json_integer_value(hi))
            return ev_fail(e, E_INVALID, "%lld is more than %lld", (long long)n,
                           (long long)json_integer_value(hi));
    }
    lo = ev_object_get(decl, "minLength");
    hi = ev_object_get(decl, "maxLength");
    if (lo == NULL && hi == NULL) return OK;
    json_t *arg = (json_t *)v, *len = NULL;
    const struct fn_call c = {"length", &arg, 1, NULL};
    s = fn_length(&len, e, &c);
    if (s != OK) return s;
    const json_int_t n = json_integer_value(len);
    json_decref(len);
    if (lo != NULL && n < json_integer_value(lo))
        return ev_fail(e, E_INVALID, "the length %lld is less than %lld", (long long)n,
                       (long long)json_integer_value(lo));
    if (hi != NULL && n > json_integer_value(hi))
        return ev_fail(e, E_INVALID, "the length %lld is more than %lld", (long long)n,
                       (long long)json_integer_value(hi));
    return OK;
}

static enum status parameter_value(json_t **out, struct ev *e, struct scope *sc, const char *key,
                                   const json_t *decl)
{
    const json_t *given = ev_object_get(sc->params, key);
    if (given != NULL) {
        const json_t *v = json_is_object(given) ? ev_object_get(given, "value") : NULL;
        if (v != NULL)
            return eval_at(out, e, sc->up != NULL ? sc->up : sc, sc->frames, NULL, v,
                           sc->up == NULL, "parameters", key);
        if (json_is_object(given) && ev_object_get(given, "reference") != NULL)
            return ev_fail(
                e, E_UNSUPPORTED,
                "a value from a Key Vault can be had by Azure only; give the value itself");
        return ev_fail(e, E_INVALID, "must be given as {\"value\": ...}");
    }
    const json_t *dflt = ev_object_get(decl, "defaultValue");
    if (dflt == NULL) return ev_fail(e, E_INVALID, "a value is required, it has no default");
    return eval_at(out, e, sc, NULL, NULL, dflt, false, "parameters", key);
}

static enum status in_scope_parameter(json_t **out, struct ev *e, struct scope *sc,
                                      const char *name)
{
    struct arm_plan *p = e->p;
    const json_t *decls = ev_object_get(sc->tmpl, "parameters");
    const char *key = find_key(decls, name);
    if (key == NULL) return ev_fail(e, E_NOT_FOUND, "the template has no parameter '%s'", name);
    const json_t *decl = json_object_get(decls, key);
    if (is_secure(decl)) p->n_secure++;
    json_t *v = json_object_get(sc->param_memo, key);
    if (v != NULL) return put_json(out, json_incref(v));
    char busy[256];
    snprintf(busy, sizeof busy, "p %s", key);
    if (json_object_get(sc->busy, busy) != NULL)
        return ev_fail(e, E_INVALID, "parameter '%s' needs its own value", key);
    if (json_object_set_new(sc->busy, busy, json_true()) != 0) return E_NOMEM;
    const size_t refs = p->n_refs, secure = p->n_secure;
    enum status s = parameter_value(&v, e, sc, key, decl);
    json_object_del(sc->busy, busy);
    if (s == OK) s = check_value(e, decl, v);
    if (s == OK && refs == p->n_refs && secure == p->n_secure &&
        json_object_set(sc->param_memo, key, v) != 0)
        s = E_NOMEM;
    if (s == OK)
        *out = v;
    else
        json_decref(v);
    return s;
}

enum status scope_parameter(json_t **out, struct ev *e, const char *name)
{
    if (e->fn_args != NULL) {
        json_t *v = ev_object_get(e->fn_args, name);
        if (v == NULL)
            return ev_fail(e, E_NOT_FOUND, "the user function has no parameter '%s'", name);
        return put_json(out, json_incref(v));
    }
    if (e->scope == NULL) return ev_fail(e, E_NOT_FOUND, "there is no parameter '%s' here", name);
    return in_scope_parameter(out, e, e->scope->names, name);
}

enum status scope_check(struct ev *e, struct scope *sc)
{
    const struct {
        const char *section;
        size_t max;
    } limits[] = {{"parameters", ARM_PARAMETERS_MAX},
                  {"variables", ARM_VARIABLES_MAX},
                  {"outputs", ARM_OUTPUTS_MAX}};
    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        const json_t *v = ev_object_get(sc->tmpl, limits[i].section);
        if (v != NULL && !json_is_object(v))
            return ev_fail(e, E_INVALID, "%s must be an object", limits[i].section);
        if (json_object_size(v) > limits[i].max)
            return ev_fail(e, E_LIMIT, "%zu %s, %zu are allowed", json_object_size(v),
                           limits[i].section, limits[i].max);
    }
    if (sc->names != sc) return OK; /* outer scope: it has no parameters of its own */
    struct buf all;
    struct err one;
    buf_init(&all, 16 * 1024);
    struct err *was = e->err;
    e->err = &one;
    const json_t *decls = ev_object_get(sc->tmpl, "parameters");
    const char *key;
    json_t *v;
    enum status r = OK;
    json_object_foreach((json_t *)decls, key, v)
    {
        json_t *value = NULL;
        const size_t len = ev_push(e, ".parameters.%s", key);
        one = (struct err){.status = OK};
        enum status s;
        if (!json_is_object(v))
            s = ev_fail(e, E_INVALID, "a parameter's declaration must be an object");
        else
            s = in_scope_parameter(&value, e, sc, key);
        ev_pop(e, len);
        json_decref(value);
        if (s == OK || s == E_AGAIN) continue;
        r = s;
        buf_printf(&all, "%s%s", all.len > 0 ? "; " : "", err_text(&one));
    }
    json_object_foreach(sc->params, key, v)
    {
        if (decls != NULL && find_key(decls, key) != NULL) continue;
        r = E_INVALID;
        buf_printf(&all, "%s%s%sparameters.%s: the template has no such parameter",
                   all.len > 0 ? "; " : "", e->p->path, e->p->path_len > 0 ? "." : "", key);
    }
    e->err = was;
    if (r != OK) r = err_set(was, r, "%s", buf_cstr(&all));
    buf_fini(&all);
    return r;
}

/* --- variables, user functions ------------------------------------------------------------------------------------- */

static enum status variable_value(json_t **out, struct ev *e, struct scope *sc, const char *name,
                                  bool *found)
{
    const json_t *vars = ev_object_get(sc->tmpl, "variables");
    const char *key = find_key(vars, name);
    *found = true;
    if (key != NULL && strcasecmp(key, "copy") != 0)
        return eval_at(out, e, sc, NULL, NULL, json_object_get(vars, key), false, "variables", key);
    const json_t *loops = ev_object_get(vars, "copy");
    size_t i;
    json_t *loop;
    json_array_foreach(loops, i, loop)
    {
        const char *loop_name = json_string_value(json_object_get(loop, "name"));
        if (loop_name == NULL || strcasecmp(loop_name, name) != 0) continue;
        json_t *wrapped = json_pack("{s:[O]}", "copy", loop), *obj = NULL;
        if (wrapped == NULL) return E_NOMEM;
        const enum status s =
            eval_at(&obj, e, sc, NULL, NULL, wrapped, false, "variables", loop_name);
        json_decref(wrapped);
        if (s == OK) *out = json_incref(json_object_get(obj, loop_name));
        json_decref(obj);
        return s;
    }
    *found = false;
    return ev_fail(e, E_NOT_FOUND, "the template has no variable '%s'", name);
}

enum status scope_variable(json_t **out, struct ev *e, const char *name)
{
    if (e->fn_args != NULL) return ev_fail(e, E_INVALID, "a user function cannot use variables()");
    if (e->scope == NULL) return ev_fail(e, E_NOT_FOUND, "there is no variable '%s' here", name);
    struct scope *sc = e->scope->names;
    struct arm_plan *p = e->p;
    char busy[256], key[256];
    snprintf(busy, sizeof busy, "v %s", name);
    snprintf(key, sizeof key, "%s", name);
    for (size_t i = 0; key[i] != 0; i++) {
        if (key[i] >= 'A' && key[i] <= 'Z') busy[i + 2] = key[i] = (char)(key[i] + 32);
    }
    json_t *v = json_object_get(sc->var_memo, key);
    if (v != NULL) return put_json(out, json_incref(v));
    if (json_object_get(sc->busy, busy) != NULL)
        return ev_fail(e, E_INVALID, "variable '%s' needs its own value", name);
    if (json_object_set_new(sc->busy, busy, json_true()) != 0) return E_NOMEM;
    const size_t refs = p->n_refs, secure = p->n_secure;
    bool found = false;
    enum status s = variable_value(&v, e, sc, name, &found);
    json_object_del(sc->busy, busy);
    if (s == OK && refs == p->n_refs && secure == p->n_secure &&
        json_object_set(sc->var_memo, key, v) != 0) {
        json_decref(v);
        s = E_NOMEM;
    }
    if (s == OK) *out = v;
    return s;
}

static const json_t *find_function(const struct scope *sc, const char *ns, const char *name)
{
    const json_t *list = ev_object_get(sc->tmpl, "functions");
    size_t i;
    json_t *f;
    json_array_foreach(list, i, f)
    {
        const char *t = json_string_value(ev_object_get(f, "namespace"));
        if (t != NULL && strcasecmp(t, ns) == 0)
            return ev_object_get(ev_object_get(f, "members"), name);
    }
    return NULL;
}

enum status scope_user_function(json_t **out, struct ev *e, const char *ns, const char *name,
                                json_t **args, size_t n)
{
    const json_t *f = e->scope != NULL ? find_function(e->scope->names, ns, name) : NULL;
    if (f == NULL) return ev_fail(e, E_NOT_FOUND, "unknown function %s.%s()", ns, name);
    const json_t *params = ev_object_get(f, "parameters");
    if (json_array_size(params) != n)
        return ev_fail(e, E_INVALID, "%s.%s() takes %zu arguments, not %zu", ns, name,
                       json_array_size(params), n);
    json_t *values = json_object();
    enum status s = values != NULL ? OK : E_NOMEM;
    for (size_t i = 0; s == OK && i < n; i++) {
        const json_t *decl = json_array_get(params, i);
        const char *pname = json_string_value(ev_object_get(decl, "name"));
        if (pname == NULL)
            s = ev_fail(e, E_INVALID, "%s.%s(): parameter %zu has no name", ns, name, i + 1);
        if (s == OK)
            s = check_type(e, json_string_value(ev_object_get(decl, "type")), args[i], pname);
        if (s == OK && json_object_set(values, pname, args[i]) != 0) s = E_NOMEM;
    }
    const json_t *output = ev_object_get(f, "output"), *value = ev_object_get(output, "value");
    if (s == OK && value == NULL) s = ev_fail(e, E_INVALID, "%s.%s() has no output", ns, name);
    json_t *v = NULL;
    if (s == OK) s = eval_at(&v, e, e->scope, NULL, values, value, false, "functions", name);
    if (s == OK)
        s = check_type(e, json_string_value(ev_object_get(output, "type")), v,
                       "the user function's value");
    json_decref(values);
    if (s == OK)
        *out = v;
    else
        json_decref(v);
    return s;
}

/* --- outputs ------------------------------------------------------------------------------------------------------- */

static enum status output_value(json_t **out, struct ev *e, const json_t *decl)
{
    const json_t *copy = ev_object_get(decl, "copy");
    if (copy == NULL) {
        const json_t *v = ev_object_get(decl, "value");
        return v != NULL ? ev_json(out, e, v) : ev_fail(e, E_INVALID, "an output needs a value");
    }
    const json_t *input = ev_object_get(copy, "input");
    if (input == NULL) return ev_fail(e, E_INVALID, "copy of an output needs count and input");
    json_t *wrapped =
        json_pack("{s:[{s:s, s:O, s:O}]}", "copy", "name", "output", "count",
                  ev_object_get(copy, "count") != NULL ? ev_object_get(copy, "count") : json_null(),
                  "input", input);
    json_t *obj = NULL;
    if (wrapped == NULL) return E_NOMEM;
    const enum status s = ev_json(&obj, e, wrapped);
    json_decref(wrapped);
    if (s == OK) *out = json_incref(json_object_get(obj, "output"));
    json_decref(obj);
    return s;
}

/* refused: a value that a secret went into would stand readable in the deployment's history */
static enum status one_output(json_t *all, struct ev *e, const char *key, const json_t *decl)
{
    const json_t *condition = ev_object_get(decl, "condition");
    enum status s = OK;
    if (condition != NULL) {
        json_t *v = NULL;
        s = ev_json(&v, e, condition);
        if (s != OK) return s;
        const bool is_bool = json_is_boolean(v), skip = json_is_false(v);
        json_decref(v);
        if (!is_bool) return ev_fail(e, E_INVALID, "a condition must be a boolean");
        if (skip) return OK;
    }
    const char *type = json_string_value(ev_object_get(decl, "type"));
    const size_t secure = e->p->n_secure;
    json_t *v = NULL;
    if (type != NULL && strncasecmp(type, "secure", 6) == 0)
        return ev_fail(e, E_DENIED, "a secret must not be an output");
    s = output_value(&v, e, decl);
    if (s == OK && e->p->n_secure != secure)
        s = ev_fail(
            e, E_DENIED,
            "a secret (a secure parameter, or the result of list*()) must not go into an output");
    if (s == OK) s = check_type(e, type, v, "the output");
    if (s == OK &&
        json_object_set_new(all, key, json_pack("{s:s, s:O}", "type", type, "value", v)) != 0)
        s = E_NOMEM;
    json_decref(v);
    return s;
}

enum status scope_outputs(json_t **out, struct ev *e, struct scope *sc)
{
    struct ev sub;
    IGNORE(ev_for_scope(&sub, e->p, sc, e->err), "cannot fail");
    sub.depth = e->depth + 1;
    if (sub.depth >= ARM_EVAL_DEPTH_MAX)
        return ev_fail(e, E_LIMIT, "deployments refer to each other's outputs in a circle");
    json_t *all = json_object();
    char *was = strdup(e->p->path);
    const size_t was_len = e->p->path_len;
    enum status s = all != NULL && was != NULL ? OK : E_NOMEM;
    bool again = false;
    const char *key;
    json_t *decl;
    if (s == OK) {
        json_object_foreach(ev_object_get(sc->tmpl, "outputs"), key, decl)
        {
            ev_pop(e, 0);
            if (sc->path[0] != 0) ev_push(e, "%s", sc->path);
            ev_push(e, ".outputs.%s", key);
            s = one_output(all, &sub, key, decl);
            if (s == E_AGAIN) {
                again = true;
                s = OK;
            }
            if (s != OK) break;
        }
        snprintf(e->p->path, sizeof e->p->path, "%s", was);
        e->p->path_len = was_len;
    }
    free(was);
    if (s == OK && again) s = E_AGAIN;
    if (s == OK)
        *out = all;
    else
        json_decref(all);
    return s;
}

/* --- links --------------------------------------------------------------------------------------------------------- */

enum status scope_load_link(json_t **out, struct ev *e, const struct scope *s, const json_t *link,
                            const char **uri)
{
    struct arm_plan *p = e->p;
    const char *full = json_string_value(ev_object_get(link, "uri"));
    const char *rel = json_string_value(ev_object_get(link, "relativePath"));
    json_t *joined = NULL;
    if (full == NULL && rel == NULL)
        return ev_fail(e, E_UNSUPPORTED, "templateLink needs uri or relativePath");
    json_t *base = json_string(s->uri), *path = json_string(full != NULL ? full : rel);
    json_t *args[2] = {base, path};
    const struct fn_call c = {"uri", args, 2, NULL};
    enum status st = base != NULL && path != NULL ? fn_uri(&joined, e, &c) : E_NOMEM;
    json_decref(base);
    json_decref(path);
    if (st != OK) return st;
    full = arena_strdup(&p->mem, json_string_value(joined));
    json_decref(joined);
    if (full == NULL) return E_NOMEM;
    const char *slash = strrchr(p->ctx.template_uri, '/');
    const size_t root = slash != NULL ? (size_t)(slash - p->ctx.template_uri) + 1 : 0;
    if (strncmp(full, p->ctx.template_uri, root) != 0)
        return ev_fail(e, E_UNSUPPORTED,
                       "the link '%.120s' does not lead below the main template's folder", full);
    const size_t len = strcspn(full + root, "?#");
    const bytes name = arena_copy(&p->mem, bytes_make(full + root, len));
    if (name.ptr == NULL) return E_NOMEM;
    if (p->ctx.load == NULL)
        return ev_fail(e, E_UNSUPPORTED, "linked templates cannot be loaded here");
    struct err why = {.status = OK};
    json_t *tmpl = NULL;
    st = p->ctx.load(&tmpl, p->ctx.arg, (const char *)name.ptr, &why);
    if (st != OK)
        return ev_fail(e, st, "linked template '%s': %s", (const char *)name.ptr, err_text(&why));
    if (json_array_append_new(p->owned, tmpl) != 0) return E_NOMEM;
    *out = tmpl; /* borrowed: the plan owns it */
    *uri = full;
    return OK;
}
