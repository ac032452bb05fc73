/* fn_list.c: arrays and objects as collections, and the functions that take a lambda. */
#include "orchestrator/arm/arm_priv.h"

static enum status put_or_drop(json_t **out, json_t *v, enum status s)
{
    if (s == OK)
        *out = v;
    else
        json_decref(v);
    return s;
}

enum status fn_array(json_t **out, struct ev *e, const struct fn_call *c)
{
    (void)e;
    if (json_is_array(c->args[0])) return put_json(out, json_incref(c->args[0]));
    return put_json(out, json_pack("[O]", c->args[0]));
}

enum status fn_create_array(json_t **out, struct ev *e, const struct fn_call *c)
{
    (void)e;
    json_t *list = json_array();
    enum status s = list != NULL ? OK : E_NOMEM;
    for (size_t i = 0; s == OK && i < c->n; i++) {
        if (json_array_append(list, c->args[i]) != 0) s = E_NOMEM;
    }
    return put_or_drop(out, list, s);
}

enum status fn_contains(json_t **out, struct ev *e, const struct fn_call *c)
{
    json_t *in = c->args[0];
    const json_t *what = c->args[1];
    if (json_is_array(in)) {
        size_t i;
        json_t *v;
        json_array_foreach(in, i, v)
        {
            if (json_equal(v, what)) return put_json(out, json_true());
        }
        return put_json(out, json_false());
    }
    char *t = ev_text(what);
    if (t == NULL) return E_NOMEM;
    enum status s;
    if (json_is_object(in))
        s = put_json(out, json_boolean(ev_object_get(in, t) != NULL));
    else if (json_is_string(in))
        s = put_json(out, json_boolean(strstr(json_string_value(in), t) != NULL));
    else
        s = arg_wrong(e, c, 0, "an array, an object or a string");
    free(t);
    return s;
}

enum status fn_range(json_t **out, struct ev *e, const struct fn_call *c)
{
    int64_t from = 0, n = 0;
    enum status s = arg_int(&from, e, c, 0);
    if (s == OK) s = arg_int(&n, e, c, 1);
    if (s != OK) return s;
    if (n < 0 || n > ARM_RANGE_MAX || from > INT32_MAX - n || from < INT32_MIN)
        return ev_fail(e, E_INVALID,
                       "range(): 0 to 10,000 integers below 2,147,483,647 are allowed");
    json_t *list = json_array();
    if (list == NULL) s = E_NOMEM;
    for (int64_t i = 0; s == OK && i < n; i++) {
        if (json_array_append_new(list, json_integer(from + i)) != 0) s = E_NOMEM;
    }
    return put_or_drop(out, list, s);
}

static bool has_item(const json_t *list, const json_t *v)
{
    size_t i;
    json_t *x;
    json_array_foreach(list, i, x)
    {
        if (json_equal(x, v)) return true;
    }
    return false;
}

enum status fn_union(json_t **out, struct ev *e, const struct fn_call *c)
{
    const bool lists = json_is_array(c->args[0]);
    if (!lists && !json_is_object(c->args[0])) return arg_wrong(e, c, 0, "an array or an object");
    json_t *r = lists ? json_array() : json_object();
    enum status s = r != NULL ? OK : E_NOMEM;
    for (size_t i = 0; s == OK && i < c->n; i++) {
        json_t *a = c->args[i];
        if (json_typeof(a) != json_typeof(c->args[0])) {
            s = arg_wrong(e, c, i, lists ? "an array" : "an object");
        } else if (!lists) {
            json_t *copy = json_deep_copy(a); /* merging changes inner objects */
            if (copy == NULL || json_object_update_recursive(r, copy) != 0) s = E_NOMEM;
            json_decref(copy);
        } else {
            size_t k;
            json_t *v;
            json_array_foreach(a, k, v)
            {
                if (!has_item(r, v) && json_array_append(r, v) != 0) s = E_NOMEM;
            }
        }
    }
    return put_or_drop(out, r, s);
}

enum status fn_intersection(json_t **out, struct ev *e, const struct fn_call *c)
{
    const bool lists = json_is_array(c->args[0]);
    if (!lists && !json_is_object(c->args[0])) return arg_wrong(e, c, 0, "an array or an object");
    for (size_t i = 1; i < c->n; i++) {
        if (json_typeof(c->args[i]) != json_typeof(c->args[0]))
            return arg_wrong(e, c, i, lists ? "an array" : "an object");
    }
    json_t *r = lists ? json_array() : json_object();
    enum status s = r != NULL ? OK : E_NOMEM;
    const char *key;
    json_t *v;
    size_t k;
    if (s == OK && lists) {
        json_array_foreach(c->args[0], k, v)
        {
            bool all = !has_item(r, v);
            for (size_t i = 1; all && i < c->n; i++)
                all = has_item(c->args[i], v);
            if (all && json_array_append(r, v) != 0) s = E_NOMEM;
        }
    } else if (s == OK) {
        json_object_foreach(c->args[0], key, v)
        {
            bool all = true;
            for (size_t i = 1; all && i < c->n; i++)
                all = json_equal(json_object_get(c->args[i], key), v);
            if (all && json_object_set(r, key, v) != 0) s = E_NOMEM;
        }
    }
    return put_or_drop(out, r, s);
}

enum status fn_shallow_merge(json_t **out, struct ev *e, const struct fn_call *c)
{
    json_t *list = NULL, *r = json_object(), *v;
    enum status s = arg_array(&list, e, c, 0);
    size_t i;
    if (s == OK && r == NULL) s = E_NOMEM;
    if (s == OK) {
        json_array_foreach(list, i, v)
        {
            if (!json_is_object(v))
                s = ev_fail(e, E_INVALID, "shallowMerge(): %s among the objects", ev_type_name(v));
            else if (json_object_update(r, v) != 0)
                s = E_NOMEM;
        }
    }
    return put_or_drop(out, r, s);
}

enum status fn_flatten(json_t **out, struct ev *e, const struct fn_call *c)
{
    json_t *list = NULL, *r = json_array(), *v;
    enum status s = arg_array(&list, e, c, 0);
    size_t i;
    if (s == OK && r == NULL) s = E_NOMEM;
    if (s == OK) {
        json_array_foreach(list, i, v)
        {
            if (!json_is_array(v))
                s = ev_fail(e, E_INVALID, "flatten(): %s among the arrays", ev_type_name(v));
            else if (json_array_size(r) + json_array_size(v) > ARM_ITEMS_MAX)
                s = ev_fail(e, E_LIMIT, "flatten(): more than a million items");
            else if (json_array_extend(r, v) != 0)
                s = E_NOMEM;
        }
    }
    return put_or_drop(out, r, s);
}

/* --- lambdas: values go to the variables in order; map and filter give (item, index) ------------------------------ */

static enum status call_lambda(json_t **out, struct ev *e, const struct fn_call *c,
                               const struct expr *l, json_t *item, size_t i)
{
    json_t *index = json_integer((json_int_t)i);
    if (index == NULL) return E_NOMEM;
    json_t *const values[2] = {item, index};
    const enum status s = ev_lambda(out, e, l, values, 2);
    json_decref(index);
    (void)c;
    return s;
}

enum status fn_map(json_t **out, struct ev *e, const struct fn_call *c)
{
    json_t *list = NULL, *r = json_array(), *v;
    enum status s = arg_array(&list, e, c, 0);
    size_t i;
    json_array_foreach(list, i, v)
    {
        json_t *y = NULL;
        if (s == OK) s = call_lambda(&y, e, c, c->lambda, v, i);
        if (s == OK && json_array_append_new(r, y) != 0) s = E_NOMEM;
        if (s != OK) break;
    }
    return put_or_drop(out, r, s);
}

enum status fn_filter(json_t **out, struct ev *e, const struct fn_call *c)
{
    json_t *list = NULL, *r = json_array(), *v;
    enum status s = arg_array(&list, e, c, 0);
    size_t i;
    json_array_foreach(list, i, v)
    {
        json_t *y = NULL;
        if (s == OK) s = call_lambda(&y, e, c, c->lambda, v, i);
        if (s == OK && !json_is_boolean(y))
            s = ev_fail(e, E_INVALID, "filter(): the lambda must give a boolean, it gives %s",
                        ev_type_name(y));
        if (s == OK && json_is_true(y) && json_array_append(r, v) != 0) s = E_NOMEM;
        json_decref(y);
        if (s != OK) break;
    }
    return put_or_drop(out, r, s);
}

enum status fn_reduce(json_t **out, struct ev *e, const struct fn_call *c)
{
    json_t *list = NULL, *acc = json_incref(c->args[1]), *v;
    enum status s = arg_array(&list, e, c, 0);
    size_t i;
    json_array_foreach(list, i, v)
    {
        json_t *index = json_integer((json_int_t)i), *next = NULL;
        json_t *const values[3] = {acc, v, index};
        s = index != NULL ? ev_lambda(&next, e, c->lambda, values, 3) : E_NOMEM;
        json_decref(index);
        if (s != OK) break;
        json_decref(acc);
        acc = next;
    }
    return put_or_drop(out, acc, s);
}

enum status fn_map_values(json_t **out, struct ev *e, const struct fn_call *c)
{
    if (!json_is_object(c->args[0])) return arg_wrong(e, c, 0, "an object");
    json_t *r = json_object(), *v;
    const char *key;
    enum status s = r != NULL ? OK : E_NOMEM;
    json_object_foreach(c->args[0], key, v)
    {
        json_t *y = NULL;
        if (s == OK) s = call_lambda(&y, e, c, c->lambda, v, 0);
        if (s == OK && json_object_set_new(r, key, y) != 0) s = E_NOMEM;
        if (s != OK) break;
    }
    return put_or_drop(out, r, s);
}

/* a lambda's value as the name of a property */
static enum status lambda_key(char **out, struct ev *e, const struct fn_call *c,
                              const struct expr *l, json_t *item)
{
    json_t *key = NULL;
    enum status s = call_lambda(&key, e, c, l, item, 0);
    if (s != OK) return s;
    if (json_is_string(key) || json_is_integer(key)) {
        *out = ev_text(key);
        s = *out != NULL ? OK : E_NOMEM;
    } else {
        s = ev_fail(e, E_INVALID, "%s(): the key must be a string, it is %s", c->name,
                    ev_type_name(key));
    }
    json_decref(key);
    return s;
}

enum status fn_to_object(json_t **out, struct ev *e, const struct fn_call *c)
{
    /* with two lambdas, c->lambda is the call itself: eval_call */
    const bool two = strcasecmp(c->lambda->text, "lambda") != 0;
    const struct expr *key_of = two ? c->lambda->args[1] : c->lambda,
                      *value_of = two ? c->lambda->args[2] : NULL;
    json_t *list = NULL, *r = json_object(), *v;
    enum status s = arg_array(&list, e, c, 0);
    size_t i;
    json_array_foreach(list, i, v)
    {
        char *key = NULL;
        json_t *y = NULL;
        if (s == OK) s = lambda_key(&key, e, c, key_of, v);
        if (s == OK && value_of != NULL) s = call_lambda(&y, e, c, value_of, v, i);
        if (s == OK && json_object_set_new(r, key, y != NULL ? y : json_incref(v)) != 0)
            s = E_NOMEM;
        free(key);
        if (s != OK) break;
    }
    return put_or_drop(out, r, s);
}

enum status fn_group_by(json_t **out, struct ev *e, const struct fn_call *c)
{
    json_t *list = NULL, *r = json_object(), *v;
    enum status s = arg_array(&list, e, c, 0);
    size_t i;
    json_array_foreach(list, i, v)
    {
        char *key = NULL;
        if (s == OK) s = lambda_key(&key, e, c, c->lambda, v);
        if (s == OK && json_object_get(r, key) == NULL &&
            json_object_set_new(r, key, json_array()) != 0)
            s = E_NOMEM;
        if (s == OK && json_array_append(json_object_get(r, key), v) != 0) s = E_NOMEM;
        free(key);
        if (s != OK) break;
    }
    return put_or_drop(out, r, s);
}

/* less: the lambda's verdict that a comes before b */
static enum status is_before(bool *out, struct ev *e, const struct fn_call *c, json_t *a, json_t *b)
{
    json_t *const values[2] = {a, b};
    json_t *y = NULL;
    enum status s = ev_lambda(&y, e, c->lambda, values, 2);
    if (s != OK) return s;
    *out = json_is_true(y);
    if (!json_is_boolean(y))
        s = ev_fail(e, E_INVALID, "sort(): the lambda must give a boolean, it gives %s",
                    ev_type_name(y));
    json_decref(y);
    return s;
}

/* bottom-up merge sort: stable, and indifferent to a lambda that is no order */
enum status fn_sort(json_t **out, struct ev *e, const struct fn_call *c)
{
    json_t *list = NULL;
    enum status s = arg_array(&list, e, c, 0);
    if (s != OK) return s;
    const size_t n = json_array_size(list);
    json_t **a = calloc(n + 1, sizeof *a), **b = calloc(n + 1, sizeof *b);
    json_t *r = json_array();
    if (a == NULL || b == NULL || r == NULL) s = E_NOMEM;
    for (size_t i = 0; s == OK && i < n; i++)
        a[i] = json_array_get(list, i);
    for (size_t run = 1; s == OK && run < n; run *= 2) {
        for (size_t lo = 0; s == OK && lo < n; lo += 2 * run) {
            const size_t mid = lo + run < n ? lo + run : n,
                         hi = lo + 2 * run < n ? lo + 2 * run : n;
            size_t i = lo, k = mid;
            for (size_t at = lo; s == OK && at < hi; at++) {
                bool second = i >= mid;
                if (!second && k < hi) s = is_before(&second, e, c, a[k], a[i]);
                b[at] = second ? a[k++] : a[i++];
            }
        }
        json_t **t = a;
        a = b;
        b = t;
    }
    for (size_t i = 0; s == OK && i < n; i++) {
        if (json_array_append(r, a[i]) != 0) s = E_NOMEM;
    }
    free(a);
    free(b);
    return put_or_drop(out, r, s);
}

enum status fn_lambda_variables(json_t **out, struct ev *e, const struct fn_call *c)
{
    const char *name = NULL;
    const enum status s = arg_string(&name, e, c, 0);
    if (s != OK) return s;
    for (const struct lambda_var *v = e->lambdas; v != NULL; v = v->up) {
        if (strcasecmp(v->name, name) == 0) return put_json(out, json_incref(v->value));
    }
    return ev_fail(e, E_NOT_FOUND, "lambdaVariables(): no lambda() here has a variable '%s'", name);
}
