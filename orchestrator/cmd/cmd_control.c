/* cmd_control.c: up, down, destroy. */
#include "lib/base/file.h"
#include "orchestrator/cmd/cmd.h"
#include "orchestrator/cmd/live.h"
#include "orchestrator/cmd/network.h"

/* ------------------------------------------------------------ up and down */

static enum exit_code say(struct cli *c, enum exit_code code, const char *state, const char *text)
{
    report_done(&c->report);
    if (c->json) {
        json_t *doc = json_pack("{s:s}", "state", state);
        report_json(doc);
        json_decref(doc);
    } else {
        printf("%s\n", text);
    }
    return code;
}

enum exit_code cmd_up(struct cli *c)
{
    struct err err = {0};
    static struct live l; /* large */
    bool already = false;
    enum status s = live_open(&l, c, &err);
    if (s == OK && !workspace_is_done(&l.ws, "identities"))
        s = err_set(&err, E_CONFLICT, "this deployment is not finished: run the same `poa-deploy new` or `join` again");
    if (s == OK && l.target.ops->up == NULL) s = live_unsupported(&l.target, "up", &err);
    if (s == OK) {
        report_step(&c->report, "start what does not run");
        s = l.target.ops->up(&l.target, &already, &err);
    }
    uint64_t number = 0;
    const char *t = cli_flag(c, "--timeout");
    unsigned timeout = t == NULL ? 60 : (unsigned)strtoul(t, NULL, 10);
    if (s == OK && !already) {
        report_step(&c->report, "wait for the nodes");
        s = network_wait_block(&number, workspace_fact(&l.ws, "rpc"), 0, timeout, &c->report, &err);
    }
    live_close(&l);
    if (s != OK) return cli_fail(c, &err);
    if (already) return say(c, EXIT_ALREADY, "running", "it runs already");
    return say(c, EXIT_DONE, "running", "it runs");
}

enum exit_code cmd_down(struct cli *c)
{
    struct err err = {0};
    static struct live l; /* large */
    bool already = false;
    enum status s = live_open(&l, c, &err);
    if (s == OK && l.target.ops->down == NULL) s = live_unsupported(&l.target, "down", &err);
    if (s == OK) {
        report_step(&c->report, "stop the nodes, the load balancer and the identity store");
        s = l.target.ops->down(&l.target, &already, &err);
    }
    live_close(&l);
    if (s != OK) return cli_fail(c, &err);
    return !already ? say(c, EXIT_DONE, "stopped", "it is stopped; everything is kept") : say(c, EXIT_ALREADY, "stopped", "it was not running");
}

enum exit_code cmd_destroy(struct cli *c)
{
    struct err err = {0};
    static struct live l; /* large */
    char question[4200];
    json_t *stays = json_array(), *text;
    size_t i, left = 0;
    enum status s = live_open(&l, c, &err);
    if (s == E_NOT_FOUND) {
        live_close(&l);
        json_decref(stays);
        return say(c, EXIT_ALREADY, "absent", "there is no deployment: nothing to destroy");
    }
    (void)snprintf(question, sizeof question, "Destroy %s: stop it and delete its chain, its validator keys and an administrator account made with it?", l.ws.dir);
    if (s == OK && !cli_confirm(c, question)) {
        live_close(&l);
        json_decref(stays);
        return EXIT_FAILED;
    }
    if (s == OK) {
        report_step(&c->report, "stop what runs");
        s = l.target.ops->destroy(&l.target, stays, &err);
    }
    if (s == OK) {
        report_step(&c->report, "delete %s", c->dir);
        s = workspace_remove(&left, &l.ws, &err);
    }
    json_array_foreach(stays, i, text) report_warn(&c->report, "%s", json_string_value(text));
    json_decref(stays);
    live_close(&l);
    if (s != OK) return cli_fail(c, &err);
    return say(c, EXIT_DONE, "destroyed", left == 0 ? "destroyed; nothing is left" : "destroyed; what else was in the folder stays");
}
