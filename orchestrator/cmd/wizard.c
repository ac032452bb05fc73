/* wizard.c: `new` and `join` on a terminal: the guide's five steps, one question a setting, with the default in brackets. */
#include "orchestrator/cmd/cmd.h"

#include <unistd.h>

enum when { ALWAYS, NEW_ONLY, JOIN_ONLY, WITH_EMAIL, REMOTE /* ssh, azure */, SSH, AZURE, PASSWORD, AZURE_KEY, JOIN_PRIVATE, PRIVATE, AZURE_MONITOR, NEW_WORKSPACE, OLD_WORKSPACE };
enum { WIDE = 72, NAME_WIDTH = 42, ANSWER_ROOM = 12 };

/* the guide's steps and their order; needed: there is no default */
static const struct step {
    const char *title;
    struct {
        enum setting_id id;
        enum when when;
        bool needed;
    } ask[12];
    size_t n;
} steps[] = {
    {"Basics",
     {{SETTING_ID_data_url, JOIN_ONLY, true},
      {SETTING_ID_email, ALWAYS, false},
      {SETTING_ID_smtp_url, WITH_EMAIL, false},
      {SETTING_ID_vm_user, REMOTE, false},
      {SETTING_ID_auth_type, REMOTE, false},
      {SETTING_ID_vm_password_file, PASSWORD, true},
      {SETTING_ID_ssh_key_file, AZURE_KEY, true},
      {SETTING_ID_subscription, AZURE, true},
      {SETTING_ID_resource_group, AZURE, false}},
     9},
    {"Deployment regions", {{SETTING_ID_regions, ALWAYS, false}, {SETTING_ID_locations, AZURE, true}}, 2},
    {"Network size and performance",
     {{SETTING_ID_nodes, ALWAYS, false},
      {SETTING_ID_hosts, SSH, true},
      {SETTING_ID_identity_file, SSH, false},
      {SETTING_ID_host_keys, SSH, false},
      {SETTING_ID_storage, AZURE, false},
      {SETTING_ID_vm_size, AZURE, false}},
     6},
    {"Ethereum settings",
     {{SETTING_ID_member_id, ALWAYS, false},
      {SETTING_ID_network_id, NEW_ONLY, false},
      {SETTING_ID_admin, ALWAYS, false},
      {SETTING_ID_alias, NEW_ONLY, false},
      {SETTING_ID_public_ip, AZURE, false},
      {SETTING_ID_gateway_id, JOIN_PRIVATE, false},
      {SETTING_ID_connection_key_file, PRIVATE, false},
      {SETTING_ID_tx_permission, NEW_ONLY, false}},
     8},
    {"Azure Monitor",
     {{SETTING_ID_monitor, ALWAYS, false}, {SETTING_ID_workspace_id, AZURE_MONITOR, false}, {SETTING_ID_workspace_key_file, OLD_WORKSPACE, true}, {SETTING_ID_monitor_location, NEW_WORKSPACE, false}},
     4},
};

bool wizard_wanted(const struct cli *c)
{
    return !c->yes && !c->json && cli_flag(c, "-f") == NULL && isatty(0) == 1 && isatty(2) == 1;
}

static bool is_due(const struct settings *s, enum when when, bool join)
{
    const bool azure = strcmp(SETTING(s, target), "azure") == 0, remote = strcmp(SETTING(s, target), "local") != 0, password = strcmp(SETTING(s, auth_type), "password") == 0;
    const bool hidden = azure && strcmp(SETTING(s, public_ip), "private") == 0, watched = azure && strcmp(SETTING(s, monitor), "enable") == 0;
    switch (when) {
    case ALWAYS: return true;
    case NEW_ONLY: return !join;
    case JOIN_ONLY: return join;
    case WITH_EMAIL: return *SETTING(s, email) != '\0';
    case REMOTE: return remote;
    case SSH: return remote && !azure;
    case AZURE: return azure;
    case PASSWORD: return remote && password;
    case AZURE_KEY: return azure && !password;
    case JOIN_PRIVATE: return join && hidden;
    case PRIVATE: return hidden;
    case AZURE_MONITOR: return watched;
    case OLD_WORKSPACE: return watched && *SETTING(s, workspace_id) != '\0';
    case NEW_WORKSPACE: return watched && *SETTING(s, workspace_id) == '\0';
    }
    return false;
}

/* ---------------------------------------------------------------- terminal */

static size_t columns(void)
{
    return report_columns(2);
}

static void put_line(size_t indent, const char *text, size_t width)
{
    report_words(stderr, 0, indent, text, width);
    fputc('\n', stderr);
}

static const char *allowed(const struct setting_info *t)
{
    return t->kind == SETTING_INT || t->kind == SETTING_ENUM ? t->allowed : "";
}

/* false: end of input */
static bool ask(struct settings *s, enum setting_id id, bool needed)
{
    const struct setting_info *t = &SETTING_TABLE[id];
    for (;;) {
        char line[1024], prompt[1400];
        const char *why = "", *range = allowed(t), *now = s->value[id];
        size_t width = columns();
        (void)snprintf(prompt, sizeof prompt, "%s%s%s%s [%s]: ", t->name, *range != '\0' ? " (" : "", range, *range != '\0' ? ")" : "", *now != '\0' ? now : needed ? "needed" : "none");
        if (strlen(prompt) + 2 + ANSWER_ROOM <= width) fprintf(stderr, "  %s", prompt);
        else {
            put_line(2, prompt, width);
            fputs("  > ", stderr);
        }
        if (fgets(line, sizeof line, stdin) == NULL) return false;
        line[strcspn(line, "\r\n")] = '\0';
        if (strcmp(line, "?") == 0) put_line(4, t->help, width);
        else if (line[0] == '\0' && needed && *now == '\0') put_line(4, "this one has no default: type a value, ? explains, Ctrl-C leaves", width);
        else if (line[0] == '\0' || settings_answer(s, id, line, &why)) return true;
        else put_line(4, why, width);
    }
}

static void summarise(const struct settings *s)
{
    size_t width = columns();
    fputs("\nSummary\n", stderr);
    for (size_t i = 0; i < SETTING_N; i++) {
        if (settings_is_default(s, (enum setting_id)i)) continue;
        if (width >= WIDE) {
            fprintf(stderr, "  %-*s %s\n", NAME_WIDTH, SETTING_TABLE[i].name, s->value[i]);
        } else {
            put_line(2, SETTING_TABLE[i].name, width);
            put_line(4, s->value[i], width);
        }
    }
    put_line(2, "everything else has its default", width);
}

/* what single answers do not show: those that do not go together. true: they do */
static bool fits_together(struct settings *s, bool join)
{
    size_t n = json_array_size(s->problems), i;
    json_t *p;
    bool ok = settings_check(s, join) == OK;
    if (!ok) fputs("\nThese do not go together yet:\n", stderr);
    json_array_foreach(s->problems, i, p)
        if (i >= n) put_line(2, json_string_value(p), columns());
    while (json_array_size(s->problems) > n)
        json_array_remove(s->problems, json_array_size(s->problems) - 1);
    return ok;
}

static bool agree(const char *question)
{
    char line[16] = "";
    fputs(question, stderr);
    return fgets(line, sizeof line, stdin) != NULL && line[0] != 'n' && line[0] != 'N';
}

bool wizard_run(struct cli *c, bool join)
{
    struct settings *s = &c->settings;
    bool given[SETTING_N], once = true; /* by a flag: not asked */
    char head[4300];
    for (size_t i = 0; i < SETTING_N; i++)
        given[i] = !settings_is_default(s, (enum setting_id)i);
    /* the guide's defaults of these steps; the table's are for all targets, and for runs without a person */
    const char *ignored;
    const bool azure = strcmp(SETTING(s, target), "azure") == 0, by_key = given[SETTING_ID_auth_type] || given[SETTING_ID_ssh_key_file];
    if (azure && !given[SETTING_ID_monitor] && !settings_answer(s, SETTING_ID_monitor, "enable", &ignored)) BUG("a value of the table");
    if (azure && !by_key && !settings_answer(s, SETTING_ID_auth_type, "password", &ignored)) BUG("a value of the table");
    (void)snprintf(head, sizeof head, "%s in %.4000s. Enter takes the value in brackets, ? explains, Ctrl-C leaves; nothing is made before the end.", join ? "Join a network" : "A new network", c->dir);
    put_line(0, head, columns());
    for (;; once = false) {
        for (size_t i = 0; i < COUNT_OF(steps); i++) {
            bool titled = false;
            for (size_t k = 0; k < steps[i].n; k++) {
                enum setting_id id = steps[i].ask[k].id;
                /* the second time, what was given by a flag is asked too: it may be what does not fit */
                if (!is_due(s, steps[i].ask[k].when, join) || (once && given[id])) continue;
                if (!titled) fprintf(stderr, "\n%s\n", steps[i].title);
                titled = true;
                if (!ask(s, id, steps[i].ask[k].needed)) return false;
            }
        }
        if (fits_together(s, join)) break;
        if (!agree("\nGo through the steps again? [Y/n] ")) return false;
    }
    summarise(s);
    return agree("\nGo on? [Y/n] ");
}
