/* cmd_outputs.c: outputs: print them, or mail them. */
#include "orchestrator/cmd/cmd.h"
#include "orchestrator/report/mail.h"

enum status outputs_mail(struct cli *c, json_t *outputs, const char *subject, struct err *err)
{
    const struct settings *s = &c->settings;
    struct mail_config mail = {.smtp_url = SETTING(s, smtp_url),
                               .user = SETTING(s, smtp_user),
                               .password_file = SETTING(s, smtp_password_file),
                               .ca_file = SETTING(s, smtp_ca_file),
                               .from = SETTING(s, smtp_from),
                               .to = SETTING(s, email)};
    if (*mail.smtp_url == '\0') return err_set(err, E_INVALID, "no e-mail was sent to %s: --smtp-url names no server", mail.to);
    report_step(&c->report, "send the outputs to %s", mail.to);
    return mail_send_outputs(&mail, subject, outputs, err);
}

/* flags first, then what the deployment was made with */
static enum status mail_settings(struct cli *c, struct workspace *ws, struct err *err)
{
    static const char *const flags[] = {"--email", "--smtp-url", "--smtp-user", "--smtp-password-file", "--smtp-ca-file", "--smtp-from"};
    struct buf yaml;
    for (size_t i = 0; i < COUNT_OF(flags); i++) {
        const char *v = cli_flag(c, flags[i]);
        if (v != NULL && !settings_take_flag(&c->settings, flags[i], v)) BUG("flag without setting");
    }
    buf_init(&yaml, 1 << 20);
    enum status s = workspace_read(&yaml, ws, "consortium.yaml", err);
    if (s == OK) settings_take_file(&c->settings, "consortium.yaml", buf_view(&yaml));
    buf_fini(&yaml);
    if (s == OK && settings_check(&c->settings, false) != OK) {
        const char *first = json_string_value(json_array_get(c->settings.problems, 0));
        s = err_set(err, E_INVALID, "%s", first == NULL ? "a setting cannot be used" : first);
    }
    return s;
}

void outputs_print(json_t *outputs)
{
    const char *key;
    json_t *v;
    json_object_foreach(outputs, key, v)
    {
        char *text = json_is_string(v) ? NULL : json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
        printf("%-30s %s\n", key, text == NULL ? json_string_value(v) : text);
        free(text);
    }
}

enum exit_code cmd_outputs(struct cli *c)
{
    struct err err = {0};
    struct workspace ws;
    json_t *outputs = NULL;
    bool by_mail = cli_flag(c, "--email") != NULL;
    enum status s = workspace_open(&ws, c->dir, false, &err);
    if (s != OK) return cli_fail(c, &err);
    s = workspace_read_json(&outputs, &ws, "outputs.json", &err);
    if (s == E_NOT_FOUND) s = err_set(&err, s, "%s has no outputs yet: its deployment is not finished; run the same `poa-deploy new` or `join` again", ws.dir);
    if (s == OK && by_mail) s = mail_settings(c, &ws, &err);
    workspace_close(&ws);
    if (s == OK && by_mail) s = outputs_mail(c, outputs, "The outputs of your consortium deployment", &err);
    if (s == OK) report_done(&c->report);
    if (s == OK && c->json) report_json(outputs);
    else if (s == OK) outputs_print(outputs);
    json_decref(outputs);
    err.status = s;
    return s == OK ? EXIT_DONE : cli_fail(c, &err);
}
