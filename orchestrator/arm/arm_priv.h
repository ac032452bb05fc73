/* arm_priv.h: how the evaluator's files share their work:
 *   expr.c         text -> tree                        eval.c    tree -> value, calls by the table of fn.def
 *   fn_*.c, date.c, cidr.c   the functions             scope.c   one deployment's parameters, variables, user functions
 *   plan.c         resources: layout, order, evaluation          inline.c  links replaced by what they point to */
#ifndef ORCHESTRATOR_ARM_ARM_PRIV_H
#define ORCHESTRATOR_ARM_ARM_PRIV_H

#include <strings.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "orchestrator/arm/arm.h"

enum {
    ARM_EXPR_MAX = 24576, /* characters of an expression: the service's limit */
    ARM_EXPR_DEPTH_MAX = 100,
    ARM_EVAL_DEPTH_MAX =
        400, /* trees, variables, parameters and JSON below one another; keeps the stack under 1 MiB */
    ARM_PARAMETERS_MAX = 256,
    ARM_VARIABLES_MAX = 256,
    ARM_OUTPUTS_MAX = 64,
    ARM_RESOURCES_MAX = 800,
    ARM_NESTING_MAX = 5,
    ARM_TEMPLATE_MAX = 4 * 1024 * 1024,
    ARM_STRING_MAX = 4 * 1024 * 1024, /* no string may outgrow a template */
    ARM_ITEMS_MAX = 1000000,          /* of an array: concat() of itself doubles it each time */
    ARM_RANGE_MAX = 10000,
    ARM_ARENA_MAX = 64 * 1024 * 1024,
};

/* --- expressions ------------------------------------------------------------------------------------------------- */
enum expr_kind { EXPR_STRING, EXPR_INT, EXPR_CALL, EXPR_PROPERTY, EXPR_INDEX };

struct expr {
    enum expr_kind kind;
    uint32_t pos;     /* offset in the expression's text, for messages */
    const char *text; /* STRING: its value; CALL: function; PROPERTY: name */
    const char *ns;   /* CALL of a user function: its namespace, else NULL */
    int64_t num;
    struct expr *base; /* PROPERTY, INDEX */
    struct expr *sub;  /* INDEX */
    struct expr **args;
    size_t n;
    bool safe; /* .? and [? : null instead of an error */
};

/** expr_is: "[...]" but not "[[...]". */
bool expr_is(const char *s);
/** expr_parse: text without the outer brackets; on failure *pos and *why (static text) say where and what. */
MUST_CHECK enum status expr_parse(struct expr **out, struct arena *a, const char *text, size_t len,
                                  uint32_t *pos, const char **why);

/* --- evaluation -------------------------------------------------------------------------------------------------- */
struct frame { /* one running copy loop */
    const char *name;
    int64_t index;
    const struct frame *up;
};
struct lambda_var {
    const char *name;
    json_t *value;
    const struct lambda_var *up;
};
struct scope;

struct ev {
    struct arm_plan *p;
    struct scope *scope;
    const struct frame *frames;
    const struct lambda_var *lambdas;
    json_t *fn_args;  /* inside a user function: name -> value; else NULL */
    const char *text; /* the expression under evaluation, NULL for none */
    uint32_t pos;
    unsigned depth;
    struct err *err;
};

/** ev_fail: record "path: text; in expression '..' at position n"; ret s. */
PRINTF_LIKE(3, 4) enum status ev_fail(struct ev *e, enum status s, const char *fmt, ...);
/** ev_push: extend the path by formatted text; ret the length to give back to ev_pop. */
PRINTF_LIKE(2, 3) size_t ev_push(struct ev *e, const char *fmt, ...);
void ev_pop(struct ev *e, size_t len);

/** ev_json: a deep copy with all expressions evaluated. E_AGAIN only after every other part was evaluated too. */
MUST_CHECK enum status ev_json(json_t **out, struct ev *e, const json_t *v);
/** ev_expr: one tree. */
MUST_CHECK enum status ev_expr(json_t **out, struct ev *e, const struct expr *x);
/** ev_lambda: call a lambda('a', 'b', body) node with values (borrowed). */
MUST_CHECK enum status ev_lambda(json_t **out, struct ev *e, const struct expr *lambda,
                                 json_t *const *values, size_t n);
/** ev_check_static: every expression anywhere in v parses, calls known functions with a possible number of arguments. */
MUST_CHECK enum status ev_check_static(struct ev *e, const json_t *v);
/** ev_object_get: property by name without regard to case, NULL if it is not there. */
json_t *ev_object_get(const json_t *obj, const char *key);
/** ev_text: what string() gives; NULL for no memory, or if it is longer than a template may be. free() it. */
char *ev_text(const json_t *v);
const char *ev_type_name(const json_t *v);
/** ev_copy_count: the count of a copy loop, checked; min_zero: 0 allowed */
MUST_CHECK enum status ev_copy_count(size_t *out, struct ev *e, const json_t *count);

/* A function: args are evaluated, borrowed. `lambda` is the last argument of filter, map .. else NULL. */
struct fn_call {
    const char *name;
    json_t **args;
    size_t n;
    const struct expr *lambda;
};
typedef enum status arm_fn(json_t **out, struct ev *e, const struct fn_call *c);
enum fn_kind { FN_PLAIN, FN_LAMBDA, FN_SPECIAL };
struct fn {
    const char *name;
    size_t min, max;
    enum fn_kind kind;
    arm_fn *call;
};
#define FN(name, min, max, kind, call) arm_fn call;
#include "orchestrator/arm/fn.def"
#undef FN
/** fn_find: by name without regard to case; listX is found as "list*". */
const struct fn *fn_find(const char *name);

/* Argument access with an error that names function, argument and type. i counts from 0. */
MUST_CHECK enum status arg_string(const char **out, struct ev *e, const struct fn_call *c,
                                  size_t i);
MUST_CHECK enum status arg_int(int64_t *out, struct ev *e, const struct fn_call *c, size_t i);
MUST_CHECK enum status arg_bool(bool *out, struct ev *e, const struct fn_call *c, size_t i);
MUST_CHECK enum status arg_array(json_t **out, struct ev *e, const struct fn_call *c, size_t i);
enum status arg_wrong(struct ev *e, const struct fn_call *c, size_t i, const char *wanted);
/** put_*: a fresh value to *out; E_NOMEM */
MUST_CHECK enum status put_json(json_t **out, json_t *fresh);
MUST_CHECK enum status put_text(json_t **out, struct ev *e, bytes text);

/** date_format: .NET custom pattern ("yyyy-MM-ddTHH:mm:ssZ", or the single letters u, s, d, o). ret false: unknown pattern */
bool date_format(struct buf *out, int64_t unix_s, const char *pattern);

/* --- deployments ------------------------------------------------------------------------------------------------- */
enum scope_level { LEVEL_RESOURCE_GROUP, LEVEL_SUBSCRIPTION };

struct scope {
    struct scope *up; /* the deployment that this one is nested in */
    struct scope *
        names; /* whose parameters and variables expressions see: itself, or up's for outer evaluation */
    const struct frame *
        frames; /* copy loops around the deployment resource, for the expressions of its parameters */
    const json_t *tmpl;
    json_t *params; /* own reference: {"name": {"value": expression of up}} */
    json_t *param_memo, *var_memo;
    json_t *busy;     /* names under evaluation, to find cycles */
    const char *path; /* prefix of messages */
    const char *name, *subscription_id, *resource_group, *uri, *id;
    enum scope_level level;
    unsigned depth;
    size_t end; /* node that stands for "all of it is deployed"; SIZE_MAX for the main template */
};

enum phase { PHASE_LAYOUT, PHASE_ORDER, PHASE_RUN };
enum node_kind { NODE_RESOURCE, NODE_START, NODE_END };

struct node {
    enum node_kind kind;
    struct scope *scope; /* that it is written in */
    struct scope *inner; /* START, END: the deployment */
    const json_t *raw;
    const char *name, *type, *id, *symbol, *loop; /* loop: name of the copy loop, NULL for none */
    const char *path;
    const struct frame *frames;
    bool dropped; /* condition false */
    size_t *deps;
    size_t n_deps, cap_deps;
    size_t rank; /* place in the flat list */
};

struct arm_plan {
    struct arm_context ctx;
    struct arena mem;
    json_t *owned; /* array: loaded templates, kept alive */
    struct scope *main;
    struct scope **scopes;
    size_t n_scopes, cap_scopes;
    struct node *nodes;
    size_t n_nodes, cap_nodes, n_resources;
    size_t *order; /* flat list: node indices */
    size_t n_order;
    enum phase phase;
    size_t current; /* ORDER: the node whose implicit dependencies are collected, else SIZE_MAX */
    size_t n_refs, n_secure; /* how often reference()/list*() and secure values were touched */
    char path[1024];
    size_t path_len;
};

MUST_CHECK enum status plan_open(struct arm_plan **out, const struct arm_context *ctx,
                                 struct err *err);
MUST_CHECK enum status scope_new(struct scope **out, struct ev *e, const json_t *tmpl,
                                 json_t *params_take, struct scope *up, bool outer,
                                 const struct frame *frames, const char *name);
void scope_free(struct scope *s);
/** scope_check: types and constraints of all parameters, all wrong ones in one message; limits of the template. */
MUST_CHECK enum status scope_check(struct ev *e, struct scope *s);
MUST_CHECK enum status scope_parameter(json_t **out, struct ev *e, const char *name);
MUST_CHECK enum status scope_variable(json_t **out, struct ev *e, const char *name);
MUST_CHECK enum status scope_user_function(json_t **out, struct ev *e, const char *ns,
                                           const char *name, json_t **args, size_t n);
MUST_CHECK enum status scope_outputs(json_t **out, struct ev *e, struct scope *s);
/** scope_link_path: the address of a link, made relative to the main template's folder: NULL and an error if it is not below. */
MUST_CHECK enum status scope_load_link(json_t **out, struct ev *e, const struct scope *s,
                                       const json_t *link, const char **uri);
/** plan_find: node by resource id, or by name/symbol within a deployment; SIZE_MAX if not there; *many for an ambiguous name */
size_t plan_find(const struct arm_plan *p, const struct scope *s, const char *name_or_id,
                 bool *many);
void plan_add_dep(struct arm_plan *p, size_t node, size_t dep);
/** scope_resource_id: id of a resource of that type and name, as deployed by s. In the plan's memory; NULL: type and name
 *  do not match in their number of parts, or no memory */
const char *scope_resource_id(struct arm_plan *p, const struct scope *s, const char *type,
                              const char *name);
MUST_CHECK enum status ev_for_scope(struct ev *e, struct arm_plan *p, struct scope *s,
                                    struct err *err);

#endif
