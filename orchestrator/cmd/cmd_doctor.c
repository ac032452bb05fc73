/* cmd_doctor.c: doctor: the one most likely cause, its evidence, and the command that mends it. */
#include "orchestrator/cmd/cmd.h"
#include "orchestrator/cmd/doctor_azure.h"
#include "orchestrator/cmd/live.h"
#include "orchestrator/cmd/network.h"
#include "orchestrator/diagnose/diagnose.h"

enum { FINDINGS_MAX = DIAG_CAUSE_N, DISK_MIN_MIB = 512, MEMORY_MIN_MIB = 96 };

static json_t *finding_json(const struct diag_finding *x)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s}", "cause", diag_cause_name(x->cause), "summary", diag_cause_summary(x->cause), "text", x->text, "evidence",
                     x->evidence, "command", x->mend);
}

static void print_json(const struct diag_finding *list, size_t n)
{
    json_t *doc = n > 0 ? finding_json(&list[0]) : json_object(), *more = json_array();
    json_object_set_new(doc, "healthy", json_boolean(n == 0));
    for (size_t i = 1; i < n; i++)
        json_array_append_new(more, finding_json(&list[i]));
    json_object_set_new(doc, "others", more);
    report_json(doc);
    json_decref(doc);
}

/* well: the line when nothing is wrong */
static void print_text(const struct diag_finding *list, size_t n, const char *well)
{
    if (n == 0) {
        puts(well);
        return;
    }
    printf("%s\n  why   %s\n  mend  %s\n", list[0].text, list[0].evidence, list[0].mend);
    for (size_t i = 1; i < n; i++)
        printf("%salso: %s\n  mend  %s\n", i == 1 ? "\n" : "", list[i].text, list[i].mend);
}

static enum exit_code break_lease(struct cli *c, struct deployment *d, const char *blob)
{
    struct err err = {0};
    char question[300];
    (void)snprintf(question, sizeof question, "End the lease of %.60s? Whoever holds it stops sealing at its next renewal, and the next node takes it.", blob);
    if (!cli_confirm(c, question)) return EXIT_FAILED;
    enum status s = d->target.ops->submits_template ? doctor_azure_break_lease(d, blob, &err) : diagnose_break_lease(d, blob, &err);
    if (s != OK) return cli_fail(c, &err);
    if (c->json) {
        json_t *doc = json_pack("{s:s}", "freed", blob);
        report_json(doc);
        json_decref(doc);
    } else {
        printf("the lease of %s has ended\n", blob);
    }
    return EXIT_DONE;
}

static enum exit_code renew_access(struct cli *c, struct deployment *d)
{
    struct err err = {0};
    if (d->target.ops->submits_template)
        return cli_fail_text(c, EXIT_FAILED, "--renew-access is for a store of one's own: in Azure the machines' access is role assignments of the template; the same `poa-deploy new` or `join` on an unfinished workspace makes them again, `az role assignment list` shows them");
    enum status s = diagnose_renew_access(d, &err);
    if (s != OK) return cli_fail(c, &err);
    if (c->json) {
        json_t *doc = json_pack("{s:b}", "renewed", 1);
        report_json(doc);
        json_decref(doc);
    } else {
        puts("the store's list of clients is written anew");
    }
    return EXIT_DONE;
}

static uint64_t mib(const char *text, uint64_t otherwise)
{
    const uint64_t n = text == NULL ? otherwise : strtoull(text, NULL, 10);
    return n > UINT64_MAX >> 20 ? UINT64_MAX : n << 20;
}

static enum exit_code tell(struct cli *c, enum status s, const struct err *err, const struct diag_finding *list, size_t n, const char *well)
{
    if (s != OK) return cli_fail(c, err);
    report_done(&c->report);
    if (c->json) print_json(list, n);
    else print_text(list, n, well);
    return n == 0 ? EXIT_DONE : EXIT_UNHEALTHY;
}

/* what stopped a run is written down, wherever it was to lead: a cause that it names by itself needs no look at what there is of the deployment */
static bool is_recorded(struct diag_finding *list, size_t *n, const char *dir)
{
    struct diag_facts *f = NULL;
    if (diagnose_recall(&f, dir, NULL) != OK) return false;
    *n = diagnose_judge(list, FINDINGS_MAX, f);
    free(f);
    return *n > 0 && list[0].cause < DIAG_UNFINISHED;
}

static enum exit_code examine(struct cli *c, struct deployment *d)
{
    struct err err = {0};
    struct diag_facts *f = NULL;
    char peer[512] = "", well[400] = "";
    const char *url = SETTING(&c->settings, data_url);
    bool joined = url != NULL && *url != '\0' && network_rpc_of_data_url(peer, url);
    const struct diag_options o = {.peer_rpc = joined ? peer : NULL, .peer_data = joined ? url : NULL, .disk_min = mib(cli_flag(c, "--min-free"), DISK_MIN_MIB),
                                   .memory_min = mib(cli_flag(c, "--min-memory"), MEMORY_MIN_MIB)};
    struct diag_finding *list = calloc(FINDINGS_MAX, sizeof *list);
    size_t n = 0;
    enum status s = list == NULL ? err_set(&err, E_NOMEM, "out of memory") : OK;
    if (s == OK && d->target.ops != NULL && d->target.ops->submits_template) {
        if (!is_recorded(list, &n, d->ws.dir)) s = doctor_azure(list, FINDINGS_MAX, &n, well, c, d, &err);
    } else if (s == OK) {
        s = diagnose_gather(&f, d, &o, &err);
        if (s == OK) {
            n = diagnose_judge(list, FINDINGS_MAX, f);
            const char *s_of = f->n_nodes == 1 ? "" : "s";
            const unsigned long long block = f->nodes[f->best].block;
            if (diagnose_has_settled(f)) (void)snprintf(well, sizeof well, "healthy: %zu node%s, block %llu, %zu of %zu validators seal", f->n_nodes, s_of, block, f->n_validators, f->n_validators);
            else (void)snprintf(well, sizeof well, "healthy: %zu node%s, block %llu; it has just started: not all of the %zu validators have had their turns yet", f->n_nodes, s_of, block, f->n_validators);
        }
    }
    enum exit_code code = tell(c, s, &err, list, n, well);
    free(list);
    free(f);
    return code;
}

enum exit_code cmd_doctor(struct cli *c)
{
    struct err err = {0};
    static struct deployment d; /* large */
    const struct target_env env = live_env(c);
    enum status s = deployment_read_env(&d, c->dir, &env, &c->settings, &err);
    if (s != OK) return cli_fail(c, &err);
    const char *blob = cli_flag(c, "--break-lease");
    bool renews = cli_flag(c, "--renew-access") != NULL;
    if ((blob != NULL || renews) && !d.is_started) {
        deployment_close(&d);
        return cli_fail_text(c, EXIT_FAILED, "this deployment is not finished: run the same `poa-deploy new` or `join` again");
    }
    enum exit_code code = blob != NULL ? break_lease(c, &d, blob) : renews ? renew_access(c, &d) : examine(c, &d);
    deployment_close(&d);
    return code;
}
