/* local_monitor.c: what watches a network on this machine, as programs of the keeper:
 *
 *     --monitor prometheus   Debian's Prometheus on 127.<m>.0.3:9090, with our rules; its data in local/prometheus, the Grafana dashboard beside
 *                            its configuration in local/monitor
 *     --monitor enable       a poa-agent beside each node, to the Log Analytics workspace whose id and key were given (HTTP Data Collector API)
 */
#include "lib/base/file.h"
#include "orchestrator/target/local_priv.h"

#include <limits.h>
#include <unistd.h>

enum { TEXT_MAX = 4 << 20, PROMETHEUS_PORT = 9090 };
#define RETENTION "15d"

bool local_has_prometheus(const struct target *t)
{
    return t->env.settings != NULL && strcmp(SETTING(t->env.settings, monitor), "prometheus") == 0;
}

static bool has_agents(const struct target *t)
{
    const struct settings *s = t->env.settings;
    return s != NULL && strcmp(SETTING(s, monitor), "enable") == 0 && *SETTING(s, workspace_id) != '\0' && *SETTING(s, workspace_key_file) != '\0';
}

void local_monitor_url(char dst[static 64], const struct target *t)
{
    (void)snprintf(dst, 64, "http://127.%u.0.3:%d", t->member & 255, PROMETHEUS_PORT);
}

static const char *prometheus(void)
{
    static const char *const places[] = {"/usr/bin/prometheus", "/usr/local/bin/prometheus"};
    for (size_t i = 0; i < COUNT_OF(places); i++)
        if (access(places[i], X_OK) == 0) return places[i];
    return NULL;
}

enum status local_check_monitor(const struct target *t, struct err *err)
{
    const struct settings *s = t->env.settings;
    if (local_has_prometheus(t) && prometheus() == NULL)
        return err_set(err, E_NOT_FOUND, "--monitor prometheus: Prometheus is not installed: apt-get install prometheus (as Debian has it), or leave --monitor out");
    if (s == NULL || strcmp(SETTING(s, monitor), "enable") != 0) return OK;
    char path[PATH_MAX + 64];
    (void)snprintf(path, sizeof path, "%s/poa-agent", t->bin_dir);
    if (access(path, X_OK) != 0) return err_set(err, E_NOT_FOUND, "%s is missing: it belongs beside poa-deploy; build all programs with `make`", path);
    if (access(SETTING(s, workspace_key_file), R_OK) != 0) return err_set(err, E_NOT_FOUND, "--workspace-key-file: %s cannot be read", SETTING(s, workspace_key_file));
    return OK;
}

/* ------------------------------------------------------------- prometheus */

static enum status copy_template(const struct target *t, const char *name, struct err *err)
{
    char path[5000];
    struct buf b;
    (void)snprintf(path, sizeof path, "%s/templates/monitor/%s", t->env.share_dir, name);
    buf_init(&b, TEXT_MAX);
    enum status s = file_read(&b, path, err);
    (void)snprintf(path, sizeof path, "monitor/%s", name);
    if (s == OK) s = local_write(t, path, buf_view(&b), 0644, err);
    buf_fini(&b);
    return s;
}

static enum status add_prometheus(json_t *programs, const struct target *t, struct err *err)
{
    char dir[4096], config[4200], data[4200], listen[100], url[64];
    struct buf b;
    buf_init(&b, TEXT_MAX);
    local_path(dir, t, "monitor");
    (void)snprintf(config, sizeof config, "--config.file=%s/prometheus.yml", dir);
    enum status s = file_mkdirs(dir, 0700, err);
    local_path(dir, t, "prometheus");
    if (s == OK) s = file_mkdirs(dir, 0700, err);
    if (s == OK) s = copy_template(t, "rules.yml", err);
    if (s == OK) s = copy_template(t, "dashboard.json", err);
    buf_put_str(&b, "# Written by poa-deploy.\nglobal:\n  scrape_interval: 5s\n  evaluation_interval: 15s\nrule_files:\n  - rules.yml\nscrape_configs:\n"
                    "  - job_name: poa-node\n    static_configs:\n");
    for (size_t i = 0; i < t->n_instances; i++)
        buf_printf(&b, "      - targets: ['%s:9545']\n        labels: {node: '%s'}\n", t->instances[i].address, t->instances[i].name);
    buf_printf(&b, "  - job_name: poa-identity-store\n    static_configs:\n      - targets: ['%s:9545']\n        labels: {node: 'identity-store'}\n", t->store_address);
    if (s == OK) s = buf_status(&b);
    if (s == OK) s = local_write(t, "monitor/prometheus.yml", buf_view(&b), 0644, err);
    buf_fini(&b);
    local_monitor_url(url, t);
    (void)snprintf(data, sizeof data, "--storage.tsdb.path=%s", dir);
    (void)snprintf(listen, sizeof listen, "--web.listen-address=%s", url + strlen("http://"));
    if (s == OK)
        json_array_append_new(programs, json_pack("{s:s, s:[s, s, s, s, s, s], s:i}", "name", LOCAL_PROMETHEUS, "argv", prometheus(), config, data, listen,
                                                  "--storage.tsdb.retention.time=" RETENTION, "--log.level=warn", "stopOrder", 0));
    return s;
}

/* ------------------------------------------------------------------ agents */

static enum status add_agent(json_t *programs, const struct target *t, const struct target_instance *in, struct err *err)
{
    const struct settings *set = t->env.settings;
    char config[4096], root[4096], name[120], file[200], program[5000], key[PATH_MAX];
    struct buf b;
    buf_init(&b, TEXT_MAX);
    (void)snprintf(name, sizeof name, LOCAL_AGENT_PREFIX "%s", in->name);
    (void)snprintf(file, sizeof file, "instances/%s", in->name);
    local_path(root, t, file);
    (void)snprintf(file, sizeof file, "instances/%s/etc/poa-agent.yaml", in->name);
    local_path(config, t, file);
    (void)snprintf(program, sizeof program, "%s/poa-agent", t->bin_dir);
    if (realpath(SETTING(set, workspace_key_file), key) == NULL) return err_set(err, E_NOT_FOUND, "--workspace-key-file: %s cannot be read", SETTING(set, workspace_key_file));
    buf_printf(&b, "node:\n  rpc: \"http://%s:8545\"\n  name: \"%s\"\n  log_file: \"%s/var/log/poa/poa-node.log\"\nspool:\n  dir: \"%s/var/lib/poa-agent\"\n", in->address,
               in->name, root, root);
    buf_printf(&b, "send:\n  api: collector\n  workspace_id: \"%s\"\n  shared_key_file: \"%s\"\n", SETTING(set, workspace_id), key);
    if (*SETTING(set, monitor_endpoint) != '\0') buf_printf(&b, "  endpoint: \"%s\"\n", SETTING(set, monitor_endpoint));
    buf_printf(&b, "log:\n  level: info\nmetrics:\n  address: \"%s\"\n  port: 9546\n", in->address);
    enum status s = buf_status(&b);
    if (s == OK) s = local_write(t, file, buf_view(&b), 0600, err);
    buf_fini(&b);
    if (s == OK)
        json_array_append_new(programs, json_pack("{s:s, s:[s, s, s], s:s, s:i}", "name", name, "argv", program, "--config", config, "cwd", root, "stopOrder", 0));
    return s;
}

enum status local_add_monitor(json_t *programs, const struct target *t, struct err *err)
{
    enum status s = OK;
    if (local_has_prometheus(t)) s = add_prometheus(programs, t, err);
    for (size_t i = 0; s == OK && has_agents(t) && i < t->n_instances; i++)
        s = add_agent(programs, t, &t->instances[i], err);
    return s;
}
