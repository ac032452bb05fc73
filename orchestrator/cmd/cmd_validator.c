/* cmd_validator.c: validator list|add|remove|accept. */
#include "lib/base/clock.h"
#include "lib/eth/abi_call.h"
#include "orchestrator/cmd/members.h"
#include "orchestrator/cmd/session.h"
#include "orchestrator/govern/check.h"

enum { CHECK_PATIENCE_MS = 10000, CHECK_PAUSE_MS = 500 };

/* ------------------------------------------------------------------- list */

static enum status read_sets(address **now, size_t *n, address **planned, size_t *k, struct govern *g, struct err *err)
{
    struct govern_answer a[] = {{.signature = "getValidators()"}, {.signature = "getPendingValidators()"}};
    enum status s = govern_ask(a, COUNT_OF(a), g, err);
    if (s == OK) s = govern_get_list(now, n, &a[0], err);
    if (s == OK) s = govern_get_list(planned, k, &a[1], err);
    govern_answers_fini(a, COUNT_OF(a));
    return s;
}

static void print_change(const struct govern_change *c, size_t planned, struct session *s)
{
    uint64_t missing;
    if (!c->active && c->queued > 0) printf("%llu more join or leave with the next change; any governance transaction announces it\n", (unsigned long long)c->queued);
    if (!c->active) return;
    printf("change %llu to %zu validators was signalled in block %llu", (unsigned long long)c->id, planned, (unsigned long long)c->signal_block);
    if (govern_signers_missing(&missing, &s->g, c->signal_block))
        printf("; it takes effect after %llu more signer%s, about %llu s", (unsigned long long)missing, missing == 1 ? "" : "s",
               (unsigned long long)(((missing + 1) * s->step_ms + 999) / 1000));
    printf("\n");
}

static const char *text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s == NULL ? "" : s;
}

/* the administrator that has this validator; NULL: a change of that is on its way */
static const json_t *owner_of(const json_t *admins, const char *validator)
{
    size_t i, k;
    json_t *admin, *v;
    json_array_foreach(admins, i, admin) json_array_foreach(json_object_get(admin, "validators"), k, v)
    {
        if (json_is_string(v) && strcmp(json_string_value(v), validator) == 0) return admin;
    }
    return NULL;
}

enum exit_code cmd_validator_list(struct cli *c)
{
    struct err err = {0};
    struct session s;
    address *current = NULL, *pending = NULL;
    size_t n = 0, k = 0;
    struct govern_change change = {0};
    json_t *admins = NULL;
    enum status st = session_open(&s, c, &err);
    if (st == OK) st = read_sets(&current, &n, &pending, &k, &s.g, &err);
    if (st == OK) st = govern_change_info(&change, &s.g, &err);
    if (st == OK) st = members_read(&admins, &s.g, false, &err);
    if (st == OK && c->json) {
        json_t *doc = json_pack("{s:o, s:o, s:O, s:{s:b, s:I, s:I, s:I}}", "validators", members_addresses(current, n), "planned", members_addresses(pending, k), "admins", admins,
                                "change", "active", change.active, "id", (json_int_t)change.id, "signalBlock", (json_int_t)change.signal_block, "queued",
                                (json_int_t)change.queued);
        report_json(doc);
        json_decref(doc);
    } else if (st == OK) {
        printf("%-43s %-43s %s\n", "VALIDATOR", "ADMINISTRATOR", "ALIAS");
        for (size_t i = 0; i < n; i++) {
            char text[43];
            address_put_checksum(text, &current[i]);
            const json_t *owner = owner_of(admins, text);
            printf("%-43s %-43s %s\n", text, owner == NULL ? "-" : text_of(owner, "address"), owner == NULL ? "" : text_of(owner, "alias"));
        }
        print_change(&change, k, &s);
    }
    session_close(&s);
    json_decref(admins);
    free(current);
    free(pending);
    return st == OK ? EXIT_DONE : session_fail(c, st, &err);
}

/* ------------------------------------------------------------------ check */

struct candidates {
    const address *list;
    size_t n;
    const char *data_url; /* "": none is known */
};

static enum status look(json_t **problems, struct session *s, const struct candidates *k, struct err *err)
{
    struct check_net net = {.data_url = k->data_url, .chain_id = s->g.chain_id, .genesis = s->g.genesis, .step_ms = s->step_ms};
    if (*k->data_url == '\0') return err_set(err, E_INVALID, "no data URL is known to look at the validators: give --data-url URL of who runs them");
    enum status st = rpc_client_u64(&net.head, s->g.rpc, "eth_blockNumber", NULL, err);
    return st == OK ? check_validators(problems, k->list, k->n, &net, err) : st;
}

static enum exit_code report_problems(struct session *s, const json_t *problems)
{
    struct cli *c = s->cli;
    size_t i;
    json_t *p;
    report_fail(&c->report);
    fprintf(stderr, "poa-deploy: error: %zu check%s of the validators failed; nothing was sent (--force adds them all the same):\n", json_array_size(problems),
            json_array_size(problems) == 1 ? "" : "s");
    json_array_foreach(problems, i, p) fprintf(stderr, "  %s\n", json_string_value(json_object_get(p, "text")));
    if (c->json) {
        json_t *doc = json_pack("{s:{s:s, s:s, s:O}}", "error", "code", "E_INVALID", "message", "checks of the validators failed", "problems", problems);
        report_json(doc);
        json_decref(doc);
    }
    return EXIT_UNHEALTHY;
}

/* may it pass by itself? A node that was just started is not reachable yet, or behind */
static bool may_pass(const json_t *problems)
{
    size_t i;
    json_t *p;
    json_array_foreach(problems, i, p)
    {
        const char *check = json_string_value(json_object_get(p, "check"));
        if (strcmp(check, "reachable") != 0 && strcmp(check, "synced") != 0) return false;
    }
    return json_array_size(problems) > 0;
}

/* a node that was just started gets a while; --force: what is wrong is a warning */
static enum exit_code check_candidates(struct session *s, void *ctx)
{
    const struct candidates *k = ctx;
    struct cli *c = s->cli;
    struct err err = {0};
    bool force = cli_flag(c, "--force") != NULL;
    json_t *problems = NULL, *p;
    size_t i;
    report_step(&c->report, "look at the validators: reachable, level, key, clock");
    uint64_t end = clock_mono_ms() + (force ? 0 : CHECK_PATIENCE_MS);
    enum status st;
    for (;;) {
        st = look(&problems, s, k, &err);
        if (st != OK || !may_pass(problems) || clock_mono_ms() >= end) break;
        report_note(&c->report, "%s", json_string_value(json_object_get(json_array_get(problems, 0), "text")));
        json_decref(problems);
        problems = NULL;
        clock_sleep_ms(CHECK_PAUSE_MS);
    }
    enum exit_code code = EXIT_DONE;
    if (st != OK && force) report_warn(&c->report, "%s", err_text(&err));
    else if (st != OK) code = cli_fail(c, &err);
    else if (force) json_array_foreach(problems, i, p) report_warn(&c->report, "%s", json_string_value(json_object_get(p, "text")));
    else if (json_array_size(problems) > 0) code = report_problems(s, problems);
    json_decref(problems);
    return code;
}

/* ------------------------------------------------------------- add, remove */

/* validators of this workspace: those whose keys it made */
static enum status own_validators(address *out, size_t *n, struct session *s, struct err *err)
{
    json_t *outputs = NULL;
    enum status st = workspace_read_json(&outputs, &s->ws, "outputs.json", err);
    if (st != OK) return st;
    json_t *list = json_object_get(outputs, "VALIDATOR_ADDRESSES"), *v;
    size_t i, k = 0;
    json_array_foreach(list, i, v)
    {
        if (k < CLI_ARGS_MAX && json_is_string(v) && address_get(&out[k], bytes_str(json_string_value(v))) == OK) k++;
    }
    json_decref(outputs);
    *n = k;
    return k > 0 ? OK : err_set(err, E_NOT_FOUND, "this workspace names no validators: give their addresses");
}

static enum status typed(address *out, size_t *n, const struct cli *c, struct err *err)
{
    enum status st = OK;
    for (size_t i = 0; st == OK && i < c->n_args; i++)
        st = govern_address(&out[(*n)++], c->args[i], err);
    return st;
}

static enum exit_code send_list(struct session *s, const char *signature, const char *verb, const address *list, size_t n, session_check_fn check, void *ctx)
{
    char text[100];
    struct buf data;
    buf_init(&data, 1 << 20);
    struct abi_writer w = abi_call_begin(&data, signature);
    abi_put_addresses(&w, (const uint8_t *)list, n);
    abi_end(&w);
    (void)snprintf(text, sizeof text, "%s %zu validator%s", verb, n, n == 1 ? "" : "s");
    enum exit_code code = session_act(s, buf_view(&data), text, check, ctx);
    buf_fini(&data);
    return code;
}

enum exit_code cmd_validator_add(struct cli *c)
{
    struct err err = {0};
    struct session s = {.cli = c};
    static address list[CLI_ARGS_MAX];
    size_t n = 0;
    enum status st = typed(list, &n, c, &err);
    if (st == OK) st = session_open(&s, c, &err);
    if (st == OK && n == 0) st = own_validators(list, &n, &s, &err);
    const char *url = cli_flag(c, "--data-url");
    struct candidates k = {.list = list, .n = n, .data_url = url != NULL ? url : s.data_url};
    enum exit_code code = st == OK ? send_list(&s, "addValidators(address[])", "add", list, n, check_candidates, &k) : session_fail(c, st, &err);
    session_close(&s);
    return code;
}

enum exit_code cmd_validator_remove(struct cli *c)
{
    struct err err = {0};
    struct session s = {.cli = c};
    static address list[CLI_ARGS_MAX];
    size_t n = 0;
    enum status st = typed(list, &n, c, &err);
    if (st == OK) st = session_open(&s, c, &err);
    enum exit_code code = st == OK ? send_list(&s, "removeValidators(address[])", "remove", list, n, NULL, NULL) : session_fail(c, st, &err);
    session_close(&s);
    return code;
}

/* ----------------------------------------------------------------- accept */

static bool has(const address *list, size_t n, const address *who)
{
    for (size_t i = 0; i < n; i++)
        if (address_eq(&list[i], who)) return true;
    return false;
}

/* those of the operator's that are in no set yet; all of them, or those that were typed */
static enum status choose(address *out, size_t *n_out, struct session *s, const address *wanted, size_t n_wanted, struct err *err)
{
    address *deployed = NULL, *now = NULL, *planned = NULL;
    size_t n = 0, n_now = 0, n_planned = 0, k = 0;
    enum status st = check_deployed(&deployed, &n, s->data_url, err);
    if (st == OK) st = read_sets(&now, &n_now, &planned, &n_planned, &s->g, err);
    if (st == OK && n == 0) st = err_set(err, E_NOT_FOUND, "nothing is deployed at %s: no node there has an identity yet", s->data_url);
    for (size_t i = 0; st == OK && i < n_wanted; i++) {
        char text[43];
        address_put_checksum(text, &wanted[i]);
        if (!has(deployed, n, &wanted[i])) st = err_set(err, E_NOT_FOUND, "%s is not deployed at %s: %zu other addresses are", text, s->data_url, n);
    }
    for (size_t i = 0; st == OK && i < n && k < CLI_ARGS_MAX; i++)
        if ((n_wanted == 0 || has(wanted, n_wanted, &deployed[i])) && !has(planned, n_planned, &deployed[i])) out[k++] = deployed[i];
    free(deployed);
    free(now);
    free(planned);
    *n_out = k;
    return st;
}

/* bring your own operator: the operator deployed with the member's address alone; the member's own signature lets those nodes seal for it */
enum exit_code cmd_validator_accept(struct cli *c)
{
    struct err err = {0};
    struct session s = {.cli = c};
    static address wanted[CLI_ARGS_MAX], list[CLI_ARGS_MAX];
    size_t n_wanted = 0, n = 0;
    const char *url = cli_flag(c, "--data-url");
    if (url == NULL) return cli_fail_text(c, EXIT_USAGE, "say whose validators: --data-url URL, as the operator gave it");
    enum status st = typed(wanted, &n_wanted, c, &err);
    if (st == OK) report_step(&c->report, "study the network at %.100s", url);
    if (st == OK) st = session_open_url(&s, c, url, &err);
    if (st == OK) st = choose(list, &n, &s, wanted, n_wanted, &err);
    enum exit_code code = EXIT_DONE;
    if (st != OK) {
        code = session_fail(c, st, &err);
    } else if (n == 0) {
        report_done(&c->report);
        fprintf(stderr, "poa-deploy: all validators at %s are in the set already: nothing to do\n", url);
        if (c->json) {
            json_t *doc = json_pack("{s:[]}", "accepted");
            report_json(doc);
            json_decref(doc);
        }
        code = EXIT_ALREADY;
    } else {
        struct candidates k = {.list = list, .n = n, .data_url = s.data_url};
        code = send_list(&s, "addValidators(address[])", "accept", list, n, check_candidates, &k);
    }
    session_close(&s);
    return code;
}
