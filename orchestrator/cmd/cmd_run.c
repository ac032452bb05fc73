/* cmd_run.c: ssh run: one shell command on the hosts of a deployment. */
#include "orchestrator/cmd/cmd.h"
#include "orchestrator/cmd/live.h"
#include "orchestrator/diagnose/deployment.h"

struct results {
    struct cli *cli;
    json_t *list;
    size_t failed;
};

static void take_result(void *arg, const struct target_instance *in, int code, bytes text)
{
    struct results *r = arg;
    if (code != 0) r->failed++;
    if (r->cli->json) {
        json_t *out = json_stringn((const char *)text.ptr, text.len);
        json_array_append_new(r->list, json_pack("{s:s, s:s, s:i, s:o}", "name", in->name, "address", in->address, "exit", code, "output", out == NULL ? json_string("(not UTF-8)") : out));
        return;
    }
    const char *who = in->address[0] != '\0' ? in->address : in->name; /* in Azure many share the balancer's address */
    /* each line under its host's name, as many have spoken */
    for (size_t at = 0; at < text.len;) {
        const uint8_t *nl = memchr(text.ptr + at, '\n', text.len - at);
        size_t n = nl == NULL ? text.len - at : (size_t)(nl - text.ptr) - at;
        printf("%s: %.*s\n", who, (int)n, (const char *)text.ptr + at);
        at += n + 1;
    }
    if (code > 0) printf("%s: exit code %d\n", who, code);
}

enum exit_code cmd_ssh_run(struct cli *c)
{
    struct err err = {0};
    static struct deployment d; /* large */
    const struct target_env env = live_env(c);
    struct results r = {.cli = c, .list = json_array()};
    const struct target_run run = {.command = c->args[0], .instance = cli_flag(c, "--instance"), .result = take_result, .arg = &r};
    enum status s = deployment_read_env(&d, c->dir, &env, &c->settings, &err);
    if (s != OK) {
        json_decref(r.list);
        return cli_fail(c, &err);
    }
    if (!d.is_started) s = err_set(&err, E_NOT_FOUND, "this deployment is not finished: run the same `poa-deploy new` or `join` again");
    else if (d.target.ops->run == NULL) s = live_unsupported(&d.target, "ssh run", &err);
    else s = d.target.ops->run(&d.target, &run, &err);
    deployment_close(&d);
    if (s == OK && c->json) report_json(r.list);
    json_decref(r.list);
    if (s != OK) return cli_fail(c, &err);
    return r.failed == 0 ? EXIT_DONE : EXIT_FAILED;
}
