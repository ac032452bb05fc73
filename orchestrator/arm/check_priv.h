/* check_priv.h: what the files of the template check share. */
#ifndef ORCHESTRATOR_ARM_CHECK_PRIV_H
#define ORCHESTRATOR_ARM_CHECK_PRIV_H

#include "orchestrator/arm/arm_priv.h"
#include "orchestrator/arm/check.h"

struct check {
    json_t *findings;
    const char *file, *rule;
    const json_t *doc;           /* the file */
    const json_t *main_template; /* beside a user interface */
    bool is_main;
    uint64_t now_s;
    bool no_memory;
};
typedef void check_fn(struct check *c);
struct check_rule {
    const char *name;
    check_fn *fn;
};
/** The rules of one kind with their functions; ended by a NULL name. */
extern const struct check_rule TEMPLATE_RULES[], UI_RULES[], PARAMETERS_RULES[];

/** found: one finding of the running rule. */
PRINTF_LIKE(3, 4) void found(struct check *c, const char *path, const char *fmt, ...);

/** walk: every value below v, parents first. key NULL in an array and at the root. false from fn: not below this value */
typedef bool walk_fn(struct check *c, const char *path, const char *key, const json_t *v,
                     void *arg);
void walk(struct check *c, const char *path, const json_t *v, walk_fn *fn, void *arg);
/** walk_resources: each resource, children and those of inline nested templates too; tmpl is the template that holds it. */
typedef void resource_fn(struct check *c, const char *path, const json_t *resource,
                         const json_t *tmpl, void *arg);
void walk_resources(struct check *c, const char *path, const json_t *tmpl, resource_fn *fn,
                    void *arg);

/** matches: POSIX extended expression, no case. */
bool matches(const char *text, const char *regex);
bool is_expr(const json_t *v);
const char *text_of(const json_t *v); /* "" for what is no string */
bool ends_with(const char *text, const char *end);

#endif
