#include "orchestrator/cmd/live.h"

static enum status note_target(void *arg, struct err *err)
{
    return workspace_save(arg, err);
}

struct target_env live_env(struct cli *c)
{
    return (struct target_env){.workspace_dir = "",
                               .bin_dir = c->bin_dir,
                               .exe = c->exe,
                               .share_dir = c->share_dir,
                               .settings = &c->settings,
                               .report = &c->report,
                               .force = cli_flag(c, "--force") != NULL};
}

enum status live_open_target(struct target *t, struct cli *c, struct workspace *ws, struct err *err)
{
    struct target_env env = live_env(c);
    if (ws != NULL) {
        env.workspace_dir = ws->dir;
        env.record = workspace_object(ws, "target");
        env.note = note_target;
        env.arg = ws;
        if (env.record == NULL) return err_set(err, E_NOMEM, "no memory");
    }
    return target_open(t, &env, err);
}

enum status live_open(struct live *l, struct cli *c, struct err *err)
{
    *l = (struct live){.ws = {.lock_fd = -1}};
    enum status s = workspace_open(&l->ws, c->dir, false, err);
    if (s != OK) return s;
    l->has_ws = true;
    struct buf yaml;
    json_t *resources = NULL;
    buf_init(&yaml, 1 << 20);
    s = workspace_read(&yaml, &l->ws, "consortium.yaml", err);
    if (s == OK) settings_take_file(&c->settings, "consortium.yaml", buf_view(&yaml));
    if (s == E_NOT_FOUND) s = OK; /* it stopped before its settings were written: the defaults name what there may be */
    if (s == OK) s = live_open_target(&l->target, c, &l->ws, err);
    if (s == OK) s = workspace_read_json(&resources, &l->ws, "deployment.json", err);
    if (s == OK) s = l->target.ops->take_resources(&l->target, resources, err);
    else if (s == E_NOT_FOUND) s = OK;
    json_decref(resources);
    buf_fini(&yaml);
    return s;
}

void live_close(struct live *l)
{
    target_close(&l->target);
    if (l->has_ws) workspace_close(&l->ws);
    l->has_ws = false;
}

enum status live_unsupported(const struct target *t, const char *what, struct err *err)
{
    return err_set(err, E_UNSUPPORTED, "`%s` has no use on the target %s", what, t->ops->name);
}
