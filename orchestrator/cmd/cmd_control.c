/* cmd_control.c: outputs, up, down, destroy. */
#include "lib/base/file.h"
#include "orchestrator/cmd/cmd.h"
#include "orchestrator/cmd/network.h"
#include "orchestrator/target/keeper.h"

/* ---------------------------------------------------------------- outputs */

enum exit_code cmd_outputs(struct cli *c)
{
    struct err err = {0};
    struct workspace ws;
    json_t *outputs = NULL;
    enum status s = workspace_open(&ws, c->dir, false, &err);
    if (s != OK) return cli_fail(c, &err);
    s = workspace_read_json(&outputs, &ws, "outputs.json", &err);
    if (s == E_NOT_FOUND) s = err_set(&err, s, "%s has no outputs yet: its deployment is not finished; run the same `poa-deploy new` or `join` again", ws.dir);
    workspace_close(&ws);
    if (s != OK) return cli_fail(c, &err);
    if (c->json) {
        report_json(outputs);
    } else {
        const char *key;
        json_t *v;
        json_object_foreach(outputs, key, v)
        {
            char *text = json_is_string(v) ? NULL : json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
            printf("%-30s %s\n", key, text == NULL ? json_string_value(v) : text);
            free(text);
        }
    }
    json_decref(outputs);
    return EXIT_DONE;
}

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
    struct workspace ws;
    enum status s = workspace_open(&ws, c->dir, false, &err);
    if (s != OK) return cli_fail(c, &err);
    if (!workspace_is_done(&ws, "identities")) {
        workspace_close(&ws);
        return cli_fail_text(c, EXIT_FAILED, "this deployment is not finished: run the same `poa-deploy new` or `join` again");
    }
    report_step(&c->report, "start the keeper");
    s = keeper_start(c->exe, ws.dir, &err);
    bool already = s == E_EXISTS;
    uint64_t number = 0;
    const char *t = cli_flag(c, "--timeout");
    unsigned timeout = t == NULL ? 60 : (unsigned)strtoul(t, NULL, 10);
    if (s == OK) {
        report_step(&c->report, "wait for the nodes");
        s = network_wait_block(&number, workspace_fact(&ws, "rpc"), 0, timeout == 0 ? 60 : timeout, &c->report, &err);
    }
    workspace_close(&ws);
    if (already) return say(c, EXIT_ALREADY, "running", "it runs already");
    if (s != OK) return cli_fail(c, &err);
    return say(c, EXIT_DONE, "running", "it runs");
}

enum exit_code cmd_down(struct cli *c)
{
    struct err err = {0};
    struct workspace ws;
    bool was_running = false;
    enum status s = workspace_open(&ws, c->dir, false, &err);
    if (s != OK) return cli_fail(c, &err);
    report_step(&c->report, "stop the nodes, the load balancer and the identity store");
    s = keeper_stop(ws.dir, &was_running, &err);
    workspace_close(&ws);
    if (s != OK) return cli_fail(c, &err);
    return was_running ? say(c, EXIT_DONE, "stopped", "it is stopped; everything is kept") : say(c, EXIT_ALREADY, "stopped", "it was not running");
}

enum exit_code cmd_destroy(struct cli *c)
{
    struct err err = {0};
    struct workspace ws;
    bool was_running = false;
    char question[4200];
    enum status s = workspace_open(&ws, c->dir, false, &err);
    if (s == E_NOT_FOUND) return say(c, EXIT_ALREADY, "absent", "there is no deployment: nothing to destroy");
    if (s != OK) return cli_fail(c, &err);
    (void)snprintf(question, sizeof question, "Destroy %s: stop it and delete its chain, its validator keys and an administrator account made with it?", ws.dir);
    if (!cli_confirm(c, question)) {
        workspace_close(&ws);
        return EXIT_FAILED;
    }
    report_step(&c->report, "stop what runs");
    s = keeper_stop(ws.dir, &was_running, &err);
    if (s == OK) {
        report_step(&c->report, "delete %s", c->dir);
        s = file_remove_tree(ws.dir, &err);
    }
    workspace_close(&ws);
    if (s != OK) return cli_fail(c, &err);
    return say(c, EXIT_DONE, "destroyed", "destroyed; nothing is left");
}
