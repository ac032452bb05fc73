/* check.c: files of a folder to rules, and the tools that rules are made of. */
#include <dirent.h>
#include <regex.h>

#include "lib/base/file.h"
#include "orchestrator/arm/check_priv.h"

const struct arm_rule *arm_check_rules(size_t *n)
{
    static const struct arm_rule table[] = {
#define RULE(name, kind, fn, help) {name, #kind, help},
#include "orchestrator/arm/rules.def"
#undef RULE
    };
    *n = COUNT_OF(table);
    return table;
}

void found(struct check *c, const char *path, const char *fmt, ...)
{
    char text[500];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    json_t *f = json_pack("{s:s, s:s, s:s, s:s}", "rule", c->rule, "file", c->file, "path", path,
                          "reason", text);
    if (json_array_append_new(c->findings, f) != 0) c->no_memory = true;
}

bool matches(const char *text, const char *regex)
{
    regex_t r;
    if (regcomp(&r, regex, REG_EXTENDED | REG_ICASE | REG_NOSUB) != 0)
        BUG("a rule's expression does not compile");
    const bool hit = regexec(&r, text, 0, NULL, 0) == 0;
    regfree(&r);
    return hit;
}

const char *text_of(const json_t *v)
{
    return json_is_string(v) ? json_string_value(v) : "";
}

bool is_expr(const json_t *v)
{
    return json_is_string(v) && expr_is(json_string_value(v));
}

bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcasecmp(text + n - m, end) == 0;
}

static void walk_at(struct check *c, char path[static 1024], const char *key, const json_t *v,
                    walk_fn *fn, void *arg, unsigned depth)
{
    if (depth > 100 || !fn(c, path, key, v, arg)) return;
    const size_t len = strlen(path);
    const char *k;
    json_t *x;
    size_t i;
    json_object_foreach((json_t *)v, k, x)
    {
        snprintf(path + len, 1024 - len, "%s%s", len > 0 ? "." : "", k);
        walk_at(c, path, k, x, fn, arg, depth + 1);
    }
    json_array_foreach(v, i, x)
    {
        snprintf(path + len, 1024 - len, "[%zu]", i);
        walk_at(c, path, NULL, x, fn, arg, depth + 1);
    }
    path[len] = 0;
}

void walk(struct check *c, const char *path, const json_t *v, walk_fn *fn, void *arg)
{
    char buf[1024];
    snprintf(buf, sizeof buf, "%s", path);
    if (v != NULL) walk_at(c, buf, NULL, v, fn, arg, 0);
}

static void one_resource(struct check *c, const char *path, const json_t *r, const json_t *tmpl,
                         resource_fn *fn, void *arg, unsigned depth);

static void resources_of(struct check *c, const char *path, const json_t *list, const json_t *tmpl,
                         resource_fn *fn, void *arg, unsigned depth)
{
    char at[1024];
    size_t i;
    const char *k;
    json_t *r;
    if (depth > 20) return;
    json_array_foreach(list, i, r)
    {
        snprintf(at, sizeof at, "%.900s%sresources[%zu]", path, *path != 0 ? "." : "", i);
        one_resource(c, at, r, tmpl, fn, arg, depth);
    }
    json_object_foreach((json_t *)list, k, r)
    {
        snprintf(at, sizeof at, "%.900s%sresources.%.80s", path, *path != 0 ? "." : "", k);
        one_resource(c, at, r, tmpl, fn, arg, depth);
    }
}

static void one_resource(struct check *c, const char *path, const json_t *r, const json_t *tmpl,
                         resource_fn *fn, void *arg, unsigned depth)
{
    char at[1024];
    fn(c, path, r, tmpl, arg);
    resources_of(c, path, ev_object_get(r, "resources"), tmpl, fn, arg, depth + 1);
    const json_t *inner = ev_object_get(ev_object_get(r, "properties"), "template");
    snprintf(at, sizeof at, "%.990s.properties.template", path);
    if (inner != NULL)
        resources_of(c, at, ev_object_get(inner, "resources"), inner, fn, arg, depth + 1);
}

void walk_resources(struct check *c, const char *path, const json_t *tmpl, resource_fn *fn,
                    void *arg)
{
    resources_of(c, path, ev_object_get(tmpl, "resources"), tmpl, fn, arg, 0);
}

static enum status run_rules(struct check *c, const struct check_rule *rules)
{
    for (; rules->name != NULL; rules++) {
        c->rule = rules->name;
        rules->fn(c);
    }
    return c->no_memory ? E_NOMEM : OK;
}

enum status arm_check_template(json_t *findings, const char *file, const json_t *tmpl, bool is_main,
                               uint64_t now_s)
{
    struct check c = {
        .findings = findings, .file = file, .doc = tmpl, .is_main = is_main, .now_s = now_s};
    return run_rules(&c, TEMPLATE_RULES);
}

enum status arm_check_ui(json_t *findings, const char *file, const json_t *ui,
                         const json_t *main_template)
{
    struct check c = {
        .findings = findings, .file = file, .doc = ui, .main_template = main_template};
    return run_rules(&c, UI_RULES);
}

enum status arm_check_parameters(json_t *findings, const char *file, const json_t *doc)
{
    struct check c = {.findings = findings, .file = file, .doc = doc};
    return run_rules(&c, PARAMETERS_RULES);
}

/* *out NULL: not valid, and a finding says so */
static enum status read_file(json_t **out, json_t *findings, const char *dir, const char *file,
                             struct err *err)
{
    char path[4096];
    struct buf b;
    *out = NULL;
    snprintf(path, sizeof path, "%s/%s", dir, file);
    buf_init(&b, ARM_TEMPLATE_MAX);
    enum status s = file_read(&b, path, err);
    if (s == OK) {
        json_error_t je;
        *out = json_loadb((const char *)b.ptr, b.len, JSON_REJECT_DUPLICATES, &je);
        if (*out == NULL) {
            struct check c = {
                .findings = findings, .file = file, .rule = "JSONFiles-Should-Be-Valid"};
            found(&c, "", "line %d, column %d: %s", je.line, je.column, je.text);
        }
    }
    buf_fini(&b);
    return s;
}

static int by_name(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

enum { FILES_MAX = 200 };

/* names of the .json files of a folder, sorted; sub is put before them. A folder that is not there has none. */
static size_t list_json(char *names[FILES_MAX], const char *dir, const char *sub)
{
    char path[4096];
    size_t n = 0;
    snprintf(path, sizeof path, "%s/%s", dir, sub);
    DIR *d = opendir(path);
    if (d == NULL) return 0;
    for (const struct dirent *e; n < FILES_MAX && (e = readdir(d)) != NULL;) {
        char name[600];
        if (!ends_with(e->d_name, ".json") || e->d_name[0] == '.') continue;
        snprintf(name, sizeof name, "%s%s", sub, e->d_name);
        names[n] = strdup(name);
        if (names[n] != NULL) n++;
    }
    closedir(d);
    qsort(names, n, sizeof *names, by_name);
    return n;
}

enum status arm_check_dir(json_t **findings, const char *dir, uint64_t now_s, struct err *err)
{
    char *names[2 * FILES_MAX];
    json_t *all = json_array(), *main_template = NULL, *doc = NULL;
    size_t n = list_json(names, dir, "");
    n += list_json(names + n, dir, "nested/");
    enum status s =
        all != NULL ? read_file(&main_template, all, dir, "mainTemplate.json", err) : E_NOMEM;
    if (s == OK && main_template != NULL)
        s = arm_check_template(all, "mainTemplate.json", main_template, true, now_s);
    for (size_t i = 0; i < n; i++) {
        const char *name = names[i];
        if (s != OK || strcmp(name, "mainTemplate.json") == 0) continue;
        s = read_file(&doc, all, dir, name, err);
        if (s != OK || doc == NULL) continue;
        if (strcmp(name, "createUiDefinition.json") == 0)
            s = arm_check_ui(all, name, doc, main_template);
        else if (ends_with(name, ".parameters.json") || ends_with(name, "parameters.json"))
            s = arm_check_parameters(all, name, doc);
        else if (ev_object_get(doc, "resources") != NULL)
            s = arm_check_template(all, name, doc, false, now_s);
        json_decref(doc);
    }
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    json_decref(main_template);
    if (s == OK)
        *findings = all;
    else
        json_decref(all);
    return s;
}
