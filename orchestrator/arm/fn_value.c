/* fn_value.c: numbers, logic, comparison, and what makes or tests a single value. */
#include <errno.h>

#include "orchestrator/arm/arm_priv.h"

enum status fn_constant(json_t **out, struct ev *e, const struct fn_call *c)
{
    (void)e;
    const char first = c->name[0];
    return put_json(out, first == 't' || first == 'T'   ? json_true()
                         : first == 'f' || first == 'F' ? json_false()
                                                        : json_null());
}

enum status fn_not(json_t **out, struct ev *e, const struct fn_call *c)
{
    bool v = false;
    const enum status s = arg_bool(&v, e, c, 0);
    return s == OK ? put_json(out, json_boolean(!v)) : s;
}

enum status fn_bool(json_t **out, struct ev *e, const struct fn_call *c)
{
    const json_t *v = c->args[0];
    if (json_is_boolean(v)) return put_json(out, json_incref(c->args[0]));
    if (json_is_integer(v)) return put_json(out, json_boolean(json_integer_value(v) != 0));
    const char *t = json_is_string(v) ? json_string_value(v) : "";
    if (strcasecmp(t, "true") == 0 || strcmp(t, "1") == 0) return put_json(out, json_true());
    if (strcasecmp(t, "false") == 0 || strcmp(t, "0") == 0) return put_json(out, json_false());
    return ev_fail(e, E_INVALID, "bool(): neither true nor false");
}

enum status fn_int(json_t **out, struct ev *e, const struct fn_call *c)
{
    const json_t *v = c->args[0];
    if (json_is_integer(v)) return put_json(out, json_incref(c->args[0]));
    if (json_is_real(v)) {
        const double d = json_real_value(v);
        if (d > -9.2e18 && d < 9.2e18) return put_json(out, json_integer((json_int_t)d));
        return ev_fail(e, E_INVALID, "int(): the number does not fit 64 bits");
    }
    if (!json_is_string(v)) return arg_wrong(e, c, 0, "a string or an integer");
    const char *t = json_string_value(v);
    char *end = NULL;
    errno = 0;
    const long long n = strtoll(t, &end, 10);
    if (errno != 0 || end == t || *end != 0 || *t == ' ' || *t == '\t' || *t == '\n')
        return ev_fail(e, E_INVALID, "int(): '%.40s' is not an integer", t);
    return put_json(out, json_integer(n));
}

enum status fn_float(json_t **out, struct ev *e, const struct fn_call *c)
{
    const json_t *v = c->args[0];
    if (json_is_number(v)) return put_json(out, json_real(json_number_value(v)));
    if (!json_is_string(v)) return arg_wrong(e, c, 0, "a string or an integer");
    const char *t = json_string_value(v);
    char *end = NULL;
    const double d = strtod(t, &end);
    if (end == t || *end != 0 || !(d > -1e300 && d < 1e300))
        return ev_fail(e, E_INVALID, "float(): '%.40s' is not a number", t);
    return put_json(out, json_real(d));
}

enum status fn_arith(json_t **out, struct ev *e, const struct fn_call *c)
{
    int64_t a = 0, b = 0, r = 0;
    enum status s = arg_int(&a, e, c, 0);
    if (s == OK) s = arg_int(&b, e, c, 1);
    if (s != OK) return s;
    bool over = false;
    if (strcasecmp(c->name, "add") == 0) {
        over = __builtin_add_overflow(a, b, &r);
    } else if (strcasecmp(c->name, "sub") == 0) {
        over = __builtin_sub_overflow(a, b, &r);
    } else if (strcasecmp(c->name, "mul") == 0) {
        over = __builtin_mul_overflow(a, b, &r);
    } else {
        if (b == 0) return ev_fail(e, E_INVALID, "%s(): division by zero", c->name);
        over = a == INT64_MIN && b == -1;
        if (!over) r = strcasecmp(c->name, "div") == 0 ? a / b : a % b;
    }
    if (over) return ev_fail(e, E_INVALID, "%s(): the result does not fit 64 bits", c->name);
    return put_json(out, json_integer(r));
}

enum status fn_min_max(json_t **out, struct ev *e, const struct fn_call *c)
{
    const bool is_max = strcasecmp(c->name, "max") == 0;
    const bool one_list = c->n == 1 && json_is_array(c->args[0]);
    const size_t n = one_list ? json_array_size(c->args[0]) : c->n;
    int64_t best = 0;
    if (n == 0) return ev_fail(e, E_INVALID, "%s(): the array is empty", c->name);
    for (size_t i = 0; i < n; i++) {
        const json_t *v = one_list ? json_array_get(c->args[0], i) : c->args[i];
        if (!json_is_integer(v))
            return ev_fail(e, E_INVALID, "%s(): %s among the integers", c->name, ev_type_name(v));
        const int64_t x = json_integer_value(v);
        if (i == 0 || (is_max ? x > best : x < best)) best = x;
    }
    return put_json(out, json_integer(best));
}

enum status fn_equals(json_t **out, struct ev *e, const struct fn_call *c)
{
    (void)e;
    const json_t *a = c->args[0], *b = c->args[1];
    bool same = json_equal(a, b) != 0;
    if (!same && json_is_number(a) && json_is_number(b)) {
        const double d = json_number_value(a) - json_number_value(b);
        same = (json_is_real(a) || json_is_real(b)) && !(d < 0) && !(d > 0);
    }
    return put_json(out, json_boolean(same));
}

enum status fn_compare(json_t **out, struct ev *e, const struct fn_call *c)
{
    int order = 0;
    if (json_is_integer(c->args[0]) && json_is_integer(c->args[1])) {
        const int64_t a = json_integer_value(c->args[0]), b = json_integer_value(c->args[1]);
        order = a < b ? -1 : a > b;
    } else if (json_is_number(c->args[0]) && json_is_number(c->args[1])) {
        const double a = json_number_value(c->args[0]), b = json_number_value(c->args[1]);
        order = a < b ? -1 : a > b;
    } else if (json_is_string(c->args[0]) && json_is_string(c->args[1])) {
        order = strcmp(json_string_value(c->args[0]), json_string_value(c->args[1]));
    } else {
        return ev_fail(e, E_INVALID, "%s(): two integers or two strings are needed, not %s and %s",
                       c->name, ev_type_name(c->args[0]), ev_type_name(c->args[1]));
    }
    const bool greater = strncasecmp(c->name, "greater", 7) == 0;
    const bool or_equal = strcasestr(c->name, "Equals") != NULL;
    return put_json(out, json_boolean(order == 0 ? or_equal : greater == (order > 0)));
}

enum status fn_coalesce(json_t **out, struct ev *e, const struct fn_call *c)
{
    (void)e;
    for (size_t i = 0; i < c->n; i++) {
        if (!json_is_null(c->args[i])) return put_json(out, json_incref(c->args[i]));
    }
    return put_json(out, json_null());
}

enum status fn_json(json_t **out, struct ev *e, const struct fn_call *c)
{
    const char *t = NULL;
    const enum status s = arg_string(&t, e, c, 0);
    if (s != OK) return s;
    json_error_t je;
    json_t *v = json_loads(t, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &je);
    if (v == NULL) return ev_fail(e, E_DECODE, "json(): %s at %d", je.text, je.position);
    return put_json(out, v);
}

enum status fn_string(json_t **out, struct ev *e, const struct fn_call *c)
{
    char *t = ev_text(c->args[0]);
    if (t == NULL)
        return ev_fail(e, E_LIMIT, "string(): the text is longer than a template may be");
    const enum status s = put_text(out, e, bytes_str(t));
    free(t);
    return s;
}

enum status fn_create_object(json_t **out, struct ev *e, const struct fn_call *c)
{
    if (c->n % 2 != 0) return ev_fail(e, E_INVALID, "createObject() takes pairs of key and value");
    json_t *obj = json_object();
    enum status s = obj != NULL ? OK : E_NOMEM;
    for (size_t i = 0; s == OK && i < c->n; i += 2) {
        const char *key = NULL;
        s = arg_string(&key, e, c, i);
        if (s == OK && json_object_set(obj, key, c->args[i + 1]) != 0) s = E_NOMEM;
    }
    if (s == OK)
        *out = obj;
    else
        json_decref(obj);
    return s;
}

enum status fn_try_get(json_t **out, struct ev *e, const struct fn_call *c)
{
    json_t *v = c->args[0];
    for (size_t i = 1; i < c->n; i++) {
        const json_t *k = c->args[i];
        if (json_is_string(k))
            v = ev_object_get(v, json_string_value(k));
        else if (json_is_integer(k))
            v = json_integer_value(k) >= 0 ? json_array_get(v, (size_t)json_integer_value(k))
                                           : NULL;
        else
            return arg_wrong(e, c, i, "a string or an integer");
        if (v == NULL) return put_json(out, json_null());
    }
    return put_json(out, json_incref(v));
}

enum status fn_object_keys(json_t **out, struct ev *e, const struct fn_call *c)
{
    if (!json_is_object(c->args[0])) return arg_wrong(e, c, 0, "an object");
    json_t *list = json_array();
    if (list == NULL) return E_NOMEM;
    const char *key;
    json_t *v;
    json_object_foreach(c->args[0], key, v)
    {
        if (json_array_append_new(list, json_string(key)) != 0) {
            json_decref(list);
            return E_NOMEM;
        }
    }
    *out = list;
    return OK;
}

static int by_key(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

/* items({"b":1,"a":2}) = [{"key":"a","value":2},{"key":"b","value":1}]: in the order of the keys */
enum status fn_items(json_t **out, struct ev *e, const struct fn_call *c)
{
    json_t *obj = c->args[0];
    if (!json_is_object(obj)) return arg_wrong(e, c, 0, "an object");
    const char **keys = calloc(json_object_size(obj) + 1, sizeof *keys);
    json_t *list = json_array();
    enum status s = keys != NULL && list != NULL ? OK : E_NOMEM;
    size_t n = 0;
    const char *key;
    json_t *v;
    if (s == OK) {
        json_object_foreach(obj, key, v)
        {
            keys[n++] = key;
        }
        qsort(keys, n, sizeof *keys, by_key);
    }
    for (size_t i = 0; s == OK && i < n; i++) {
        json_t *item =
            json_pack("{s:s, s:O}", "key", keys[i], "value", json_object_get(obj, keys[i]));
        if (item == NULL || json_array_append_new(list, item) != 0) s = E_NOMEM;
    }
    free(keys);
    if (s == OK)
        *out = list;
    else
        json_decref(list);
    return s;
}
