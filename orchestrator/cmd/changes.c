#include "orchestrator/cmd/changes.h"

#include "lib/base/file.h"
#include "orchestrator/cmd/live.h"
#include "orchestrator/diagnose/diagnose.h"

static void add(json_t *out, const char *action, const char *what, const char *why)
{
    json_array_append_new(out, json_pack("{s:s, s:s, s:s}", "action", action, "what", what, "why", why));
}

/* what each setting that may be changed later is changed by; all others are the network's or its machines' own */
static const char *way_of(const char *path)
{
    static const struct {
        const char *prefix, *way;
    } ways[] = {{"hosts.package", "poa-deploy upgrade --to FILE"}, {"basics.email", "only `new` and `join` use it"}, {"basics.smtp", "only `new` and `join` use it"},
                {"ethereum.adminAlias", "it is kept in the contract; it cannot be changed"}};
    for (size_t i = 0; i < COUNT_OF(ways); i++)
        if (strncmp(path, ways[i].prefix, strlen(ways[i].prefix)) == 0) return ways[i].way;
    return "a finished deployment keeps it: make a new one, or join with a second one";
}

static enum status compare(json_t *out, const struct cli *c, const char *path, bool all, struct err *err)
{
    struct settings recorded;
    struct buf yaml;
    size_t i;
    json_t *d, *diffs = json_array();
    settings_init(&recorded);
    buf_init(&yaml, 1 << 20);
    enum status s = file_read(&yaml, path, err);
    if (s == OK) {
        settings_take_file(&recorded, "consortium.yaml", buf_view(&yaml));
        settings_diff(diffs, &c->settings, &recorded, all);
    }
    json_array_foreach(diffs, i, d)
    {
        const char *name = json_string_value(json_object_get(d, "path"));
        json_object_set_new(d, "action", json_string("change"));
        json_object_set_new(d, "what", json_string(name));
        json_object_set_new(d, "why", json_string(way_of(name)));
        json_array_append(out, d);
    }
    json_decref(diffs);
    settings_fini(&recorded);
    buf_fini(&yaml);
    return s;
}

static void add_stopped(json_t *out, const struct diag_program *p)
{
    if (p->pid == 0) add(out, "start", p->name, p->error[0] != '\0' ? p->error : "it does not run");
}

/* machines that a cloud keeps: what it says of them */
static enum status look_at_machines(json_t *out, struct target *t, struct err *err)
{
    json_t *list = NULL, *v;
    size_t i;
    enum status s = t->ops->programs(&list, t, err);
    json_array_foreach(list, i, v)
    {
        const char *name = json_string_value(json_object_get(v, "name")), *state = json_string_value(json_object_get(v, "state"));
        char why[200];
        if (name == NULL || state == NULL || strcmp(state, "running") == 0) continue;
        (void)snprintf(why, sizeof why, "the machine is %.60s: `poa-deploy up` starts it", state);
        add(out, "start", name, why);
    }
    json_decref(list);
    return s;
}

static enum status look(json_t *out, struct cli *c, struct err *err)
{
    static struct deployment d; /* large */
    struct settings recorded;
    struct diag_facts *f = NULL;
    const struct diag_options o = {.quick = true};
    settings_init(&recorded);
    struct target_env env = live_env(c);
    enum status s = deployment_read_env(&d, c->dir, &env, &recorded, err);
    const bool is_open = s == OK;
    if (s == OK && d.is_started) s = d.target.ops->submits_template ? look_at_machines(out, &d.target, err) : diagnose_gather(&f, &d, &o, err);
    if (s == OK && f != NULL) {
        if (f->keeper_pid == 0) add(out, "start", "keeper", "nothing runs: `poa-deploy up` starts it");
        else {
            for (size_t i = 0; i < DIAG_PROGRAMS_MAX; i++)
                add_stopped(out, &f->programs[i]);
            for (size_t i = 0; i < f->n_nodes; i++)
                add_stopped(out, &f->nodes[i].program);
        }
    }
    free(f);
    if (is_open) deployment_close(&d);
    settings_fini(&recorded);
    return s;
}

enum status changes_find(json_t *out, struct cli *c, bool all, bool live, struct err *err)
{
    char state_path[4200], yaml_path[4200];
    struct buf b;
    json_t *state = NULL;
    (void)snprintf(state_path, sizeof state_path, "%.4000s/state.json", c->dir);
    (void)snprintf(yaml_path, sizeof yaml_path, "%.4000s/consortium.yaml", c->dir);
    if (!file_exists(state_path)) {
        add(out, "create", "deployment", "nothing is recorded");
        return OK;
    }
    buf_init(&b, WORKSPACE_FILE_MAX);
    enum status s = file_read(&b, state_path, err);
    if (s == OK) {
        state = json_loadb((const char *)b.ptr, b.len, 0, NULL);
        if (!json_is_object(state)) s = err_set(err, E_CORRUPT, "%s is no JSON object", state_path);
    }
    bool finished = json_is_true(json_object_get(state, "finished"));
    if (s == OK && !finished) add(out, "finish", "deployment", "an earlier run stopped half way: the same command goes on");
    if (s == OK && file_exists(yaml_path)) s = compare(out, c, yaml_path, all, err);
    if (s == OK && finished && live) s = look(out, c, err);
    json_decref(state);
    buf_fini(&b);
    return s;
}
