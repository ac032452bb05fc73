/* wizard.c: `new` and `join` on a terminal: the guide's five steps, one question a setting, with the default in brackets. */
#include "lib/base/buf.h"
#include "orchestrator/cmd/cmd.h"

#include <unistd.h>

enum when { ALWAYS, NEW_ONLY, JOIN_ONLY, WITH_EMAIL, REMOTE /* ssh, azure */, SSH, AZURE };

static const struct step {
    const char *title;
    struct {
        enum setting_id id;
        enum when when;
    } ask[10];
    size_t n;
} steps[] = {
    {"Basics",
     {{SETTING_ID_data_url, JOIN_ONLY}, {SETTING_ID_email, ALWAYS}, {SETTING_ID_smtp_url, WITH_EMAIL}, {SETTING_ID_vm_user, REMOTE}, {SETTING_ID_auth_type, REMOTE},
      {SETTING_ID_ssh_key_file, AZURE}, {SETTING_ID_subscription, AZURE}, {SETTING_ID_resource_group, AZURE}},
     8},
    {"Deployment regions", {{SETTING_ID_regions, ALWAYS}, {SETTING_ID_locations, AZURE}}, 2},
    {"Network size and performance", {{SETTING_ID_nodes, ALWAYS}, {SETTING_ID_hosts, SSH}, {SETTING_ID_identity_file, SSH}, {SETTING_ID_host_keys, SSH}, {SETTING_ID_storage, AZURE}, {SETTING_ID_vm_size, AZURE}},
     6},
    {"Ethereum settings",
     {{SETTING_ID_member_id, ALWAYS}, {SETTING_ID_network_id, NEW_ONLY}, {SETTING_ID_admin, ALWAYS}, {SETTING_ID_alias, NEW_ONLY},
      {SETTING_ID_public_ip, AZURE}, {SETTING_ID_tx_permission, NEW_ONLY}},
     6},
    {"Azure Monitor", {{SETTING_ID_monitor, AZURE}, {SETTING_ID_workspace_id, AZURE}, {SETTING_ID_monitor_location, AZURE}}, 3},
};

bool wizard_wanted(const struct cli *c)
{
    return !c->yes && !c->json && cli_flag(c, "-f") == NULL && isatty(0) == 1 && isatty(2) == 1;
}

static bool is_due(const struct settings *s, enum when when, bool join)
{
    const char *target = SETTING(s, target);
    switch (when) {
    case ALWAYS: return true;
    case NEW_ONLY: return !join;
    case JOIN_ONLY: return join;
    case WITH_EMAIL: return *SETTING(s, email) != '\0';
    case REMOTE: return strcmp(target, "local") != 0;
    case SSH: return strcmp(target, "ssh") == 0;
    case AZURE: return strcmp(target, "azure") == 0;
    }
    return false;
}

static const char *allowed(const struct setting_info *t)
{
    return t->kind == SETTING_INT || t->kind == SETTING_ENUM ? t->allowed : "";
}

/* false: end of input */
static bool ask(struct settings *s, enum setting_id id)
{
    const struct setting_info *t = &SETTING_TABLE[id];
    for (;;) {
        char line[1024];
        const char *why = "", *range = allowed(t);
        fprintf(stderr, "  %s%s%s%s [%s]: ", t->name, *range != '\0' ? " (" : "", range, *range != '\0' ? ")" : "",
                *s->value[id] != '\0' ? s->value[id] : "none");
        if (fgets(line, sizeof line, stdin) == NULL) return false;
        line[strcspn(line, "\r\n")] = '\0';
        if (strcmp(line, "?") == 0) {
            fprintf(stderr, "    %s\n", t->help);
            continue;
        }
        if (line[0] == '\0' || settings_answer(s, id, line, &why)) return true;
        fprintf(stderr, "    %s\n", why);
    }
}

bool wizard_run(struct cli *c, bool join)
{
    struct settings *s = &c->settings;
    fprintf(stderr, "%s in %s. Enter takes the value in brackets, ? explains, Ctrl-C leaves; nothing is made before the end.\n",
            join ? "Join a network" : "A new network", c->dir);
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        bool titled = false;
        for (size_t k = 0; k < steps[i].n; k++) {
            enum setting_id id = steps[i].ask[k].id;
            if (!is_due(s, steps[i].ask[k].when, join) || !settings_is_default(s, id)) continue;
            if (!titled) fprintf(stderr, "\n%s\n", steps[i].title);
            titled = true;
            if (!ask(s, id)) return false;
        }
    }
    fputs("\nSummary\n", stderr);
    for (size_t i = 0; i < SETTING_N; i++)
        if (!settings_is_default(s, (enum setting_id)i)) fprintf(stderr, "  %-42s %s\n", SETTING_TABLE[i].name, s->value[i]);
    fprintf(stderr, "  %-42s %s\n\nGo on? [Y/n] ", "everything else", "its default");
    char line[16] = "";
    if (fgets(line, sizeof line, stdin) == NULL) return false;
    return line[0] != 'n' && line[0] != 'N';
}
