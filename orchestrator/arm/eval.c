/* eval.c: trees to values. A value that cannot be known yet (E_AGAIN) does not stop the evaluation of its neighbours, so that
 * planning sees every reference() there is. */
#include "orchestrator/arm/arm_priv.h"

enum status ev_fail(struct ev *e, enum status s, const char *fmt, ...)
{
    if (e->err == NULL) return s;
    char text[600];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    const char *path = e->p->path_len > 0 ? e->p->path : "template";
    if (e->text == NULL) return err_set(e->err, s, "%s: %s", path, text);
    const bool cut = strlen(e->text) > 160;
    return err_set(e->err, s, "%s: %s; in expression '%.160s%s' at position %u", path, text,
                   e->text, cut ? "..." : "", (unsigned)e->pos + 1);
}

size_t ev_push(struct ev *e, const char *fmt, ...)
{
    struct arm_plan *p = e->p;
    const size_t was = p->path_len;
    va_list ap;
    va_start(ap, fmt);
    const int n = vsnprintf(p->path + was, sizeof p->path - was, fmt, ap);
    va_end(ap);
    if (n > 0)
        p->path_len = was + (size_t)n < sizeof p->path ? was + (size_t)n : sizeof p->path - 1;
    if (was == 0 && p->path_len > 0 && p->path[0] == '.') {
        memmove(p->path, p->path + 1, p->path_len);
        p->path_len--;
    }
    return was;
}

void ev_pop(struct ev *e, size_t len)
{
    e->p->path_len = len;
    e->p->path[len] = 0;
}

json_t *ev_object_get(const json_t *obj, const char *key)
{
    if (!json_is_object(obj)) return NULL;
    json_t *v = json_object_get(obj, key);
    if (v != NULL) return v;
    const char *k;
    json_object_foreach((json_t *)obj, k, v)
    {
        if (strcasecmp(k, key) == 0) return v;
    }
    return NULL;
}

const char *ev_type_name(const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "a string";
    case JSON_INTEGER: return "an integer";
    case JSON_REAL: return "a number with a fraction";
    case JSON_TRUE:
    case JSON_FALSE: return "a boolean";
    case JSON_NULL: return "null";
    }
    return "unknown";
}

static int put_bounded(const char *text, size_t len, void *arg)
{
    struct buf *b = arg;
    buf_put(b, text, len);
    return buf_status(b) == OK
               ? 0
               : -1; /* stops the printing: values may share parts, and so be far longer as text */
}

char *ev_text(const json_t *v)
{
    if (json_is_string(v)) return strdup(json_string_value(v));
    if (json_is_boolean(v)) return strdup(json_is_true(v) ? "True" : "False");
    if (json_is_null(v)) return strdup("");
    struct buf b;
    buf_init(&b, ARM_STRING_MAX);
    char *text = json_dump_callback(v, put_bounded, &b, JSON_COMPACT | JSON_ENCODE_ANY) == 0
                     ? strdup(buf_cstr(&b))
                     : NULL;
    buf_fini(&b);
    return text;
}

const struct fn *fn_find(const char *name)
{
    static const struct fn table[] = {
#define FN(name, min, max, kind, call) {name, min, max, kind, call},
#include "orchestrator/arm/fn.def"
#undef FN
    };
    size_t lo = 0, hi = COUNT_OF(table);
    while (lo < hi) {
        const size_t mid = (lo + hi) / 2;
        const int c = strcasecmp(name, table[mid].name);
        if (c == 0) return &table[mid];
        if (c < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    /* listKeys, listAccountSas, ...: any operation of a provider */
    if (strncasecmp(name, "list", 4) == 0 && name[4] != 0 && strcmp(name, "list*") != 0)
        return fn_find("list*");
    return NULL;
}

/* --- arguments --------------------------------------------------------------------------------------------------- */

enum status arg_wrong(struct ev *e, const struct fn_call *c, size_t i, const char *wanted)
{
    return ev_fail(e, E_INVALID, "%s(): argument %zu must be %s, it is %s", c->name, i + 1, wanted,
                   ev_type_name(c->args[i]));
}

enum status arg_string(const char **out, struct ev *e, const struct fn_call *c, size_t i)
{
    if (!json_is_string(c->args[i])) return arg_wrong(e, c, i, "a string");
    *out = json_string_value(c->args[i]);
    return OK;
}

enum status arg_int(int64_t *out, struct ev *e, const struct fn_call *c, size_t i)
{
    if (!json_is_integer(c->args[i])) return arg_wrong(e, c, i, "an integer");
    *out = json_integer_value(c->args[i]);
    return OK;
}

enum status arg_bool(bool *out, struct ev *e, const struct fn_call *c, size_t i)
{
    if (!json_is_boolean(c->args[i])) return arg_wrong(e, c, i, "a boolean");
    *out = json_is_true(c->args[i]);
    return OK;
}

enum status arg_array(json_t **out, struct ev *e, const struct fn_call *c, size_t i)
{
    if (!json_is_array(c->args[i])) return arg_wrong(e, c, i, "an array");
    *out = c->args[i];
    return OK;
}

enum status put_json(json_t **out, json_t *fresh)
{
    if (fresh == NULL) return E_NOMEM;
    *out = fresh;
    return OK;
}

enum status put_text(json_t **out, struct ev *e, bytes text)
{
    if (text.len > ARM_STRING_MAX)
        return ev_fail(e, E_LIMIT, "the text is longer than a template may be");
    json_t *v = text.len == 0 ? json_string("") : json_stringn((const char *)text.ptr, text.len);
    if (v == NULL || memchr(json_string_value(v), 0, text.len) != NULL) {
        json_decref(v);
        return ev_fail(e, E_INVALID, "the text is not UTF-8");
    }
    return put_json(out, v);
}

/* --- trees ------------------------------------------------------------------------------------------------------- */

static void free_args(json_t **args, size_t n)
{
    for (size_t i = 0; i < n; i++)
        json_decref(args[i]);
    free(args);
}

/* eval_args: E_AGAIN only once all arguments were looked at */
static enum status eval_args(json_t ***out, struct ev *e, struct expr *const *args, size_t n)
{
    json_t **v = calloc(n + 1, sizeof *v);
    if (v == NULL) return E_NOMEM;
    bool again = false;
    for (size_t i = 0; i < n; i++) {
        const enum status s = ev_expr(&v[i], e, args[i]);
        if (s == E_AGAIN) {
            again = true;
        } else if (s != OK) {
            free_args(v, n);
            return s;
        }
    }
    if (again) {
        free_args(v, n);
        return E_AGAIN;
    }
    *out = v;
    return OK;
}

static enum status eval_special(json_t **out, struct ev *e, const struct expr *x)
{
    const bool is_if = strcasecmp(x->text, "if") == 0, is_and = strcasecmp(x->text, "and") == 0;
    if (!is_if && !is_and && strcasecmp(x->text, "or") != 0)
        return ev_fail(
            e, E_INVALID,
            "lambda() stands only as the last argument of filter, map, reduce, sort, toObject");
    bool last = is_and, again = false;
    for (size_t i = 0; i < (is_if ? 1 : x->n); i++) {
        json_t *v = NULL;
        const enum status s = ev_expr(&v, e, x->args[i]);
        if (s == E_AGAIN) {
            again = true;
            continue;
        }
        if (s != OK) return s;
        const bool is_bool = json_is_boolean(v);
        const char *type = ev_type_name(v);
        last = json_is_true(v);
        json_decref(v);
        e->pos = x->pos;
        if (!is_bool)
            return ev_fail(e, E_INVALID, "%s(): argument %zu must be a boolean, it is %s", x->text,
                           i + 1, type);
        if (!is_if && last != is_and)
            return put_json(out, json_boolean(last)); /* decided, whatever follows */
    }
    if (!is_if) return again ? E_AGAIN : put_json(out, json_boolean(last));
    if (!again) return ev_expr(out, e, x->args[last ? 1 : 2]);
    /* the branch is open: look at both for what they refer to */
    for (size_t i = 1; i <= 2; i++) {
        json_t *v = NULL;
        const enum status s = ev_expr(&v, e, x->args[i]);
        if (s == OK) json_decref(v);
    }
    return E_AGAIN;
}

arm_fn fn_if, fn_and, fn_lambda_alone;
/* The table needs a function for each name; these are never called: eval_special takes them. */
enum status fn_if(json_t **out, struct ev *e, const struct fn_call *c)
{
    (void)out;
    return ev_fail(e, E_INVALID, "%s() cannot be called so", c->name);
}
enum status fn_and(json_t **out, struct ev *e, const struct fn_call *c)
{
    return fn_if(out, e, c);
}
enum status fn_lambda_alone(json_t **out, struct ev *e, const struct fn_call *c)
{
    return fn_if(out, e, c);
}

static enum status check_call(struct ev *e, const struct expr *x, const struct fn **out)
{
    const struct fn *f = fn_find(x->text);
    e->pos = x->pos;
    if (f == NULL) return ev_fail(e, E_INVALID, "unknown function %s()", x->text);
    if (x->n < f->min || x->n > f->max) {
        if (f->min == f->max)
            return ev_fail(e, E_INVALID, "%s() takes %zu argument%s, not %zu", f->name, f->min,
                           f->min == 1 ? "" : "s", x->n);
        return ev_fail(e, E_INVALID, "%s() takes %zu to %zu arguments, not %zu", f->name, f->min,
                       f->max, x->n);
    }
    *out = f;
    return OK;
}

static bool is_lambda(const struct expr *x)
{
    return x->kind == EXPR_CALL && x->ns == NULL && strcasecmp(x->text, "lambda") == 0;
}

static enum status check_lambda(struct ev *e, const struct fn *f, const struct expr *x)
{
    const struct expr *l = x->args[x->n - 1];
    /* toObject(array, keys) has a lambda as its second and, if given, third argument */
    for (size_t i = strcasecmp(f->name, "toObject") == 0 ? 1 : x->n - 1; i < x->n; i++) {
        l = x->args[i];
        e->pos = l->pos;
        if (!is_lambda(l))
            return ev_fail(e, E_INVALID, "%s(): argument %zu must be a lambda()", f->name, i + 1);
        for (size_t k = 0; k + 1 < l->n; k++) {
            if (l->args[k]->kind != EXPR_STRING)
                return ev_fail(e, E_INVALID,
                               "lambda(): the variable names must be 'literal' strings");
        }
    }
    return OK;
}

static enum status eval_call(json_t **out, struct ev *e, const struct expr *x)
{
    json_t **args = NULL;
    enum status s;
    if (x->ns != NULL) {
        s = eval_args(&args, e, x->args, x->n);
        if (s != OK) return s;
        e->pos = x->pos;
        s = scope_user_function(out, e, x->ns, x->text, args, x->n);
        free_args(args, x->n);
        return s;
    }
    const struct fn *f = NULL;
    s = check_call(e, x, &f);
    if (s != OK) return s;
    if (f->kind == FN_SPECIAL) return eval_special(out, e, x);
    size_t n = x->n;
    struct fn_call c = {.name = x->text};
    if (f->kind == FN_LAMBDA) {
        s = check_lambda(e, f, x);
        if (s != OK) return s;
        n = strcasecmp(f->name, "toObject") == 0 ? 1 : n - 1;
        c.lambda = x->args[x->n - 1];
        if (n + 1 < x->n)
            c.lambda = x; /* toObject with two lambdas finds them in the call itself */
    }
    s = eval_args(&args, e, x->args, n);
    if (s != OK) return s;
    c.args = args;
    c.n = n;
    e->pos = x->pos;
    s = f->call(out, e, &c);
    free_args(args, n);
    return s;
}

static enum status eval_property(json_t **out, struct ev *e, const struct expr *x)
{
    json_t *base = NULL;
    enum status s = ev_expr(&base, e, x->base);
    if (s != OK && s != E_AGAIN) return s;
    json_t *sub = NULL;
    if (x->kind == EXPR_INDEX) {
        const enum status t = ev_expr(&sub, e, x->sub);
        if (t != OK && s == OK) s = t;
        if (t != OK && t != E_AGAIN) s = t;
    }
    if (s != OK) goto out;
    e->pos = x->pos;
    json_t *v = NULL;
    if (x->kind == EXPR_PROPERTY || json_is_string(sub)) {
        const char *name = x->kind == EXPR_PROPERTY ? x->text : json_string_value(sub);
        if (json_is_object(base)) {
            v = ev_object_get(base, name);
            if (v == NULL && !x->safe)
                s = ev_fail(e, E_NOT_FOUND, "the object has no property '%s'", name);
        } else if (!(x->safe && json_is_null(base))) {
            s = ev_fail(e, E_INVALID, "property '%s' of %s", name, ev_type_name(base));
        }
    } else if (json_is_integer(sub)) {
        const json_int_t i = json_integer_value(sub);
        if (json_is_array(base)) {
            if (i >= 0) v = json_array_get(base, (size_t)i);
            if (v == NULL && !x->safe)
                s = ev_fail(e, E_NOT_FOUND, "index %lld of an array of %zu", (long long)i,
                            json_array_size(base));
        } else if (!(x->safe && json_is_null(base))) {
            s = ev_fail(e, E_INVALID, "index %lld of %s", (long long)i, ev_type_name(base));
        }
    } else {
        s = ev_fail(e, E_INVALID, "an index must be an integer or a string, it is %s",
                    ev_type_name(sub));
    }
    if (s == OK) *out = v != NULL ? json_incref(v) : json_null();
out:
    json_decref(base);
    json_decref(sub);
    return s;
}

enum status ev_expr(json_t **out, struct ev *e, const struct expr *x)
{
    if (e->depth >= ARM_EVAL_DEPTH_MAX) return ev_fail(e, E_LIMIT, "nested too deeply");
    e->depth++;
    enum status s = E_INVALID;
    switch (x->kind) {
    case EXPR_STRING: s = put_json(out, json_string(x->text)); break;
    case EXPR_INT: s = put_json(out, json_integer(x->num)); break;
    case EXPR_CALL: s = eval_call(out, e, x); break;
    case EXPR_PROPERTY:
    case EXPR_INDEX: s = eval_property(out, e, x); break;
    }
    e->depth--;
    return s;
}

enum status ev_lambda(json_t **out, struct ev *e, const struct expr *lambda, json_t *const *values,
                      size_t n)
{
    if (lambda->n == 0 || lambda->n - 1 > n)
        return ev_fail(e, E_INVALID, "lambda() has %zu variables here, %zu at most are allowed",
                       lambda->n - 1, n);
    struct lambda_var v[4];
    const struct lambda_var *top = e->lambdas, *was = e->lambdas;
    for (size_t i = 0; i + 1 < lambda->n && i < COUNT_OF(v); i++) {
        v[i] = (struct lambda_var){lambda->args[i]->text, values[i], top};
        top = &v[i];
    }
    e->lambdas = top;
    const enum status s = ev_expr(out, e, lambda->args[lambda->n - 1]);
    e->lambdas = was;
    return s;
}

/* --- JSON -------------------------------------------------------------------------------------------------------- */

static enum status parse_text(struct expr **out, struct ev *e, struct arena *a, const char *text)
{
    uint32_t pos = 0;
    const char *why = "";
    const enum status s = expr_parse(out, a, text + 1, strlen(text) - 2, &pos, &why);
    if (s == OK) return OK;
    const char *was = e->text;
    e->text = text;
    e->pos = pos;
    ev_fail(e, s, "%s", why);
    e->text = was;
    return s;
}

static enum status ev_string(json_t **out, struct ev *e, const json_t *v)
{
    const char *text = json_string_value(v);
    const size_t len = strlen(text);
    if (!expr_is(text)) {
        /* "[[x]" is the text "[x]" */
        if (len >= 2 && text[0] == '[' && text[1] == '[' && text[len - 1] == ']')
            return put_json(out, json_string(text + 1));
        return put_json(out, json_incref((json_t *)v));
    }
    struct arena a;
    arena_init(&a, ARM_ARENA_MAX);
    struct expr *x = NULL;
    enum status s = parse_text(&x, e, &a, text);
    if (s == OK) {
        const char *was = e->text;
        const uint32_t pos = e->pos;
        e->text = text;
        s = ev_expr(out, e, x);
        e->text = was;
        e->pos = pos;
    }
    arena_fini(&a);
    return s;
}

enum status ev_copy_count(size_t *out, struct ev *e, const json_t *count)
{
    json_t *v = NULL;
    if (count == NULL) return ev_fail(e, E_INVALID, "a copy loop needs a count");
    const enum status s = ev_json(&v, e, count);
    if (s != OK) return s;
    const json_int_t n = json_is_integer(v) ? json_integer_value(v) : -1;
    const char *type = ev_type_name(v);
    json_decref(v);
    if (n < 0)
        return ev_fail(e, E_INVALID, "the count of a copy loop must be an integer from 0, it is %s",
                       type);
    if (n > ARM_RESOURCES_MAX)
        return ev_fail(e, E_LIMIT, "the count of a copy loop is %lld, 800 are allowed",
                       (long long)n);
    *out = (size_t)n;
    return OK;
}

/* One {"name", "count", "input"} of a property copy: obj[name] = [input evaluated count times] */
static enum status ev_property_loop(json_t *obj, struct ev *e, const json_t *loop)
{
    const char *name = json_string_value(json_object_get(loop, "name"));
    const json_t *input = json_object_get(loop, "input");
    if (name == NULL || input == NULL)
        return ev_fail(e, E_INVALID, "a copy loop needs name, count and input");
    size_t n = 0;
    enum status s = ev_copy_count(&n, e, json_object_get(loop, "count"));
    if (s != OK) return s;
    json_t *list = json_array();
    if (list == NULL) return E_NOMEM;
    bool again = false;
    const struct frame *was = e->frames;
    for (size_t i = 0; i < n && (s == OK || s == E_AGAIN); i++) {
        const struct frame f = {name, (int64_t)i, was};
        const size_t len = ev_push(e, ".%s[%zu]", name, i);
        e->frames = &f;
        json_t *v = NULL;
        s = ev_json(&v, e, input);
        e->frames = was;
        ev_pop(e, len);
        if (s == E_AGAIN) again = true;
        if (s == OK && json_array_append_new(list, v) != 0) s = E_NOMEM;
    }
    if (s == OK && again) s = E_AGAIN;
    if (s == OK && json_object_set(obj, name, list) != 0) s = E_NOMEM;
    json_decref(list);
    return s;
}

/* a property "copy" is a loop only where it is a list of {name, count, input} */
static bool is_property_loop(const json_t *v)
{
    if (!json_is_array(v) || json_array_size(v) == 0) return false;
    size_t i;
    json_t *x;
    json_array_foreach(v, i, x)
    {
        if (json_object_get(x, "name") == NULL || json_object_get(x, "count") == NULL) return false;
    }
    return true;
}

static enum status ev_key(char **out, struct ev *e, const char *key)
{
    if (key[0] != '[') {
        *out = strdup(key);
        return *out != NULL ? OK : E_NOMEM;
    }
    json_t *text = json_string(key), *v = NULL;
    if (text == NULL) return E_NOMEM;
    enum status s = ev_string(&v, e, text);
    json_decref(text);
    if (s != OK) return s;
    if (json_is_string(v)) {
        *out = strdup(json_string_value(v));
        s = *out != NULL ? OK : E_NOMEM;
    } else {
        s = ev_fail(e, E_INVALID, "the name of a property must be a string, it is %s",
                    ev_type_name(v));
    }
    json_decref(v);
    return s;
}

static enum status ev_object(json_t **out, struct ev *e, const json_t *v)
{
    json_t *obj = json_object();
    if (obj == NULL) return E_NOMEM;
    bool again = false;
    enum status s = OK;
    const char *key;
    json_t *x;
    json_object_foreach((json_t *)v, key, x)
    {
        if (strcasecmp(key, "copy") == 0 && is_property_loop(x)) {
            size_t i;
            json_t *loop;
            json_array_foreach(x, i, loop)
            {
                s = ev_property_loop(obj, e, loop);
                if (s == E_AGAIN) again = true;
                if (s != OK && s != E_AGAIN) goto out;
            }
            continue;
        }
        char *name = NULL;
        json_t *y = NULL;
        const size_t len = ev_push(e, ".%s", key);
        s = ev_key(&name, e, key);
        if (s == OK) s = ev_json(&y, e, x);
        if (s == OK && json_object_set_new(obj, name, y) != 0) s = E_NOMEM;
        free(name);
        ev_pop(e, len);
        if (s == E_AGAIN) again = true;
        if (s != OK && s != E_AGAIN) goto out;
    }
    s = again ? E_AGAIN : OK;
out:
    if (s == OK)
        *out = obj;
    else
        json_decref(obj);
    return s;
}

enum status ev_json(json_t **out, struct ev *e, const json_t *v)
{
    if (json_is_string(v)) return ev_string(out, e, v);
    if (!json_is_object(v) && !json_is_array(v)) return put_json(out, json_incref((json_t *)v));
    if (e->depth >= ARM_EVAL_DEPTH_MAX) return ev_fail(e, E_LIMIT, "nested too deeply");
    e->depth++;
    enum status s = OK;
    if (json_is_object(v)) {
        s = ev_object(out, e, v);
        e->depth--;
        return s;
    }
    json_t *list = json_array();
    bool again = false;
    if (list == NULL) s = E_NOMEM;
    for (size_t i = 0; s == OK && i < json_array_size(v); i++) {
        json_t *y = NULL;
        const size_t len = ev_push(e, "[%zu]", i);
        s = ev_json(&y, e, json_array_get(v, i));
        ev_pop(e, len);
        if (s == OK && json_array_append_new(list, y) != 0) s = E_NOMEM;
        if (s == E_AGAIN) {
            again = true;
            s = OK;
        }
    }
    e->depth--;
    if (s == OK && again) s = E_AGAIN;
    if (s == OK)
        *out = list;
    else
        json_decref(list);
    return s;
}

/* --- the check before anything is evaluated ---------------------------------------------------------------------- */

static enum status check_tree(struct ev *e, const struct expr *x)
{
    enum status s = OK;
    if (x->kind == EXPR_PROPERTY || x->kind == EXPR_INDEX) {
        s = check_tree(e, x->base);
        if (s == OK && x->sub != NULL) s = check_tree(e, x->sub);
        return s;
    }
    if (x->kind != EXPR_CALL) return OK;
    if (x->ns == NULL) {
        const struct fn *f = NULL;
        s = check_call(e, x, &f);
        if (s == OK && f->kind == FN_LAMBDA) s = check_lambda(e, f, x);
    }
    for (size_t i = 0; s == OK && i < x->n; i++)
        s = check_tree(e, x->args[i]);
    return s;
}

enum status ev_check_static(struct ev *e, const json_t *v)
{
    enum status s = OK;
    if (json_is_string(v) && expr_is(json_string_value(v))) {
        struct arena a;
        arena_init(&a, ARM_ARENA_MAX);
        struct expr *x = NULL;
        const char *was = e->text;
        s = parse_text(&x, e, &a, json_string_value(v));
        e->text = json_string_value(v);
        if (s == OK) s = check_tree(e, x);
        e->text = was;
        arena_fini(&a);
        return s;
    }
    if (e->depth >= ARM_EVAL_DEPTH_MAX) return ev_fail(e, E_LIMIT, "nested too deeply");
    e->depth++;
    const char *key;
    json_t *x;
    size_t i;
    if (json_is_object(v)) {
        json_object_foreach((json_t *)v, key, x)
        {
            if (s != OK || strcasecmp(key, "metadata") == 0 || strcasecmp(key, "comments") == 0)
                continue;
            const size_t len = ev_push(e, ".%s", key);
            s = ev_check_static(e, x);
            ev_pop(e, len);
        }
    } else if (json_is_array(v)) {
        json_array_foreach(v, i, x)
        {
            if (s != OK) break;
            const size_t len = ev_push(e, "[%zu]", i);
            s = ev_check_static(e, x);
            ev_pop(e, len);
        }
    }
    e->depth--;
    return s;
}
