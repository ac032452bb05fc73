/* cmd_azure.c: ssh allow|deny, gateway connect, traffic-manager create: what the guide does by hand in the portal. */
#include "lib/base/file.h"
#include "lib/base/secret.h"
#include "orchestrator/cmd/cmd.h"
#include "orchestrator/cmd/live.h"
#include "orchestrator/cmd/template.h"
#include "orchestrator/target/azure.h"

#include <regex.h>

enum { KEY_FILE_MAX = 4096 };

static enum status open_azure(struct live *l, struct cli *c, const char *what, struct err *err)
{
    enum status s = live_open(l, c, err);
    if (s == OK && !l->target.ops->submits_template) s = live_unsupported(&l->target, what, err);
    return s;
}

static bool fits(const char *pattern, const char *text)
{
    regex_t re;
    if (regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB | REG_ICASE) != 0) BUG("bad expression");
    bool ok = regexec(&re, text, 0, NULL, 0) == 0;
    regfree(&re);
    return ok;
}

static enum exit_code ssh_access(struct cli *c, bool allow)
{
    static struct live l; /* large */
    struct err err = {0};
    size_t rules = 0, changed = 0;
    enum status s = open_azure(&l, c, allow ? "ssh allow" : "ssh deny", &err);
    if (s == OK) s = azure_ssh_access(&l.target, allow, &rules, &changed, &err);
    live_close(&l);
    if (s != OK) return cli_fail(c, &err);
    report_done(&c->report);
    if (c->json) {
        json_t *doc = json_pack("{s:s, s:I, s:I}", "ssh", allow ? "allow" : "deny", "groups", (json_int_t)rules, "changed", (json_int_t)changed);
        report_json(doc);
        json_decref(doc);
    } else {
        printf("SSH is %s in %zu region%s%s\n", allow ? "allowed" : "denied", rules, rules == 1 ? "" : "s", changed == 0 ? "; it was so already" : "");
    }
    return changed == 0 ? EXIT_ALREADY : EXIT_DONE;
}

enum exit_code cmd_ssh_allow(struct cli *c)
{
    return ssh_access(c, true);
}

enum exit_code cmd_ssh_deny(struct cli *c)
{
    return ssh_access(c, false);
}

static enum status read_key(struct buf *key, const char *file, struct err *err)
{
    if (file == NULL) return err_set(err, E_INVALID, "--shared-key-file: missing: the file with the key that both ends of the connection share");
    enum status s = file_read(key, file, err);
    if (s != OK) return s;
    while (key->len > 0 && (key->ptr[key->len - 1] == '\n' || key->ptr[key->len - 1] == '\r')) key->len--;
    if (!fits("^[A-Za-z0-9]{1,128}$", buf_cstr(key))) return err_set(err, E_INVALID, "--shared-key-file: the key in %s is not allowed: 1 to 128 letters and digits", file);
    return OK;
}

enum exit_code cmd_gateway_connect(struct cli *c)
{
    static struct live l; /* large */
    struct err err = {0};
    struct buf key;
    const char *name = cli_flag(c, "--name"), *other = c->args[0];
    if (name == NULL) name = "Leader2Member";
    buf_init(&key, KEY_FILE_MAX);
    enum status s = OK;
    if (!fits("^/subscriptions/[0-9a-f-]{36}/resourceGroups/[^/]+/providers/Microsoft[.]Network/virtualNetworkGateways/[-a-z0-9_.]+$", other))
        s = err_set(&err, E_INVALID, "'%s' is no resource id of a VPN gateway: the other member finds it as VNET_GATEWAY_RESOURCE_ID in `poa-deploy outputs`", other);
    if (s == OK && !fits("^[a-z0-9][-a-z0-9_.]{0,79}$", name)) s = err_set(&err, E_INVALID, "--name: '%s' is not allowed: up to 80 letters, digits, '-', '_', '.'", name);
    if (s == OK) s = read_key(&key, cli_flag(c, "--shared-key-file"), &err);
    l = (struct live){.ws = {.lock_fd = -1}};
    if (s == OK) s = open_azure(&l, c, "gateway connect", &err);
    if (s == OK) s = azure_gateway_connect(&l.target, other, name, buf_cstr(&key), &err);
    live_close(&l);
    if (key.ptr != NULL) secret_wipe(key.ptr, key.cap);
    buf_fini(&key);
    if (s != OK) return cli_fail(c, &err);
    report_done(&c->report);
    if (c->json) {
        json_t *doc = json_pack("{s:s, s:s}", "connection", name, "to", other);
        report_json(doc);
        json_decref(doc);
    } else {
        printf("connected by %s; traffic flows when the other member has done the same\n", name);
    }
    return EXIT_DONE;
}

enum exit_code cmd_traffic_manager(struct cli *c)
{
    static struct live l; /* large */
    struct err err = {0};
    char made[80];
    json_t *tmpl = NULL, *outputs = NULL, *v;
    const char *name = cli_flag(c, "--name"), *dns = cli_flag(c, "--dns"), *routing = cli_flag(c, "--routing"), *key;
    if (name == NULL) name = "poa-traffic-manager";
    if (routing == NULL) routing = "Performance";
    enum status s = OK;
    if (!fits("^[a-z0-9]([-a-z0-9.]{0,58}[a-z0-9])?$", name)) s = err_set(&err, E_INVALID, "--name: '%s' is not allowed: up to 60 letters, digits, '-', '.'", name);
    if (s == OK && dns != NULL && !fits("^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$", dns)) s = err_set(&err, E_INVALID, "--dns: '%s' is not allowed: up to 63 letters, digits and '-'", dns);
    if (s == OK && !fits("^(Performance|Priority|Weighted)$", routing)) s = err_set(&err, E_INVALID, "--routing: '%s' is not allowed: Performance, Priority or Weighted", routing);
    l = (struct live){.ws = {.lock_fd = -1}};
    if (s == OK) s = open_azure(&l, c, "traffic-manager create", &err);
    if (s == OK && dns == NULL) {
        (void)snprintf(made, sizeof made, "poa-%.40s-%u", SETTING(&c->settings, network_id), l.target.member);
        dns = made;
    }
    if (s == OK) s = template_load(&tmpl, c->share_dir, "trafficManager.json", &err);
    if (s == OK) s = azure_traffic_manager(&outputs, &l.target, tmpl, name, dns, routing, &err);
    live_close(&l);
    json_decref(tmpl);
    if (s != OK) return cli_fail(c, &err);
    report_done(&c->report);
    if (c->json) report_json(outputs);
    else json_object_foreach(outputs, key, v) printf("%-30s %s\n", key, json_is_string(v) ? json_string_value(v) : "");
    json_decref(outputs);
    return EXIT_DONE;
}
