#include "orchestrator/diagnose/deployment.h"

#include "lib/base/file.h"

#include <limits.h>

bool deployment_is_local(const struct deployment *d)
{
    return d->target.ops == NULL || d->target.ops == &TARGET_LOCAL;
}

enum status deployment_read(struct deployment *d, const char *dir, const char *bin_dir, struct settings *settings, struct err *err)
{
    const struct target_env env = {.bin_dir = bin_dir};
    return deployment_read_env(d, dir, &env, settings, err);
}

enum status deployment_read_env(struct deployment *d, const char *dir, const struct target_env *base, struct settings *settings, struct err *err)
{
    struct target_env env = *base;
    *d = (struct deployment){.ws = {.lock_fd = -1}};
    char real[PATH_MAX];
    json_t *resources = NULL;
    struct buf yaml;
    buf_init(&yaml, 1 << 20);
    if (realpath(dir, real) == NULL || strlen(real) >= sizeof d->ws.dir)
        return err_set(err, E_NOT_FOUND, "%s is no workspace of poa-deploy (no such folder); make one with `poa-deploy new %s`", dir, dir);
    (void)snprintf(d->ws.dir, sizeof d->ws.dir, "%.*s", (int)sizeof d->ws.dir - 1, real);
    enum status s = workspace_read_json(&d->ws.state, &d->ws, "state.json", err);
    if (s == E_NOT_FOUND) return err_set(err, s, "%s is no workspace of poa-deploy (no state.json); make one with `poa-deploy new %s`", d->ws.dir, dir);
    if (s == OK && !json_is_object(d->ws.state)) s = err_set(err, E_CORRUPT, "%s/state.json is no JSON object", d->ws.dir);
    d->is_started = s == OK && workspace_is_done(&d->ws, "identities");
    if (s == OK && d->is_started) {
        s = workspace_read(&yaml, &d->ws, "consortium.yaml", err);
        if (s == OK) settings_take_file(settings, "consortium.yaml", buf_view(&yaml));
        env.workspace_dir = d->ws.dir;
        env.settings = settings;
        env.record = workspace_object(&d->ws, "target");
        if (s == OK) s = target_open(&d->target, &env, err);
        if (s == OK) s = workspace_read_json(&resources, &d->ws, "deployment.json", err);
        if (s == OK) s = d->target.ops->take_resources(&d->target, resources, err);
    }
    if (s == OK && workspace_read_json(&d->programs, &d->ws, "local/programs.json", NULL) != OK) d->programs = json_array();
    json_decref(resources);
    buf_fini(&yaml);
    if (s != OK) deployment_close(d);
    return s;
}

void deployment_close(struct deployment *d)
{
    target_close(&d->target);
    workspace_close(&d->ws);
    json_decref(d->programs);
    d->programs = NULL;
}

const json_t *deployment_program(const struct deployment *d, const char *name)
{
    size_t i;
    json_t *p;
    json_array_foreach(d->programs, i, p)
    {
        const char *n = json_string_value(json_object_get(p, "name"));
        if (n != NULL && strcmp(n, name) == 0) return p;
    }
    return NULL;
}

void deployment_log(char dst[static 4096], const struct deployment *d, const char *name)
{
    (void)snprintf(dst, 4096, "%s/local/instances/%s/var/log/poa/poa-node.log", d->ws.dir, name);
}

void deployment_output(char dst[static 4096], const struct deployment *d, const char *name)
{
    (void)snprintf(dst, 4096, "%s/local/log/%s.log", d->ws.dir, name);
}
