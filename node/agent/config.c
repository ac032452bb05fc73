#include "node/agent/config.h"

#include "lib/base/file.h"
#include "lib/base/secret.h"
#include "lib/codec/json_section.h"
#include "lib/codec/yaml.h"

#include <unistd.h>

enum { CONFIG_MAX = 1 << 20 };

/* sections and the keys that each may have */
static const struct json_section known[] = {
    {"", " node spool send log metrics "},
    {"node", " rpc name log_file poll_ms from_block stats_s "},
    {"spool", " dir max_mib min_free_mib "},
    {"send", " api endpoint rule token workspace_id shared_key_file interval_s columns tables ca_file "},
    {"token", " kind token_uri client_id client_secret_file "},
    {"log", " level file "},
    {"metrics", " address port "},
    {NULL, NULL},
};

static enum status choice(size_t *out, const struct json_at *at, const char *key, const char *const *names, size_t n, struct err *err)
{
    struct json_at m;
    if (!json_at_member(&m, at, key) || json_at_is_null(&m)) return OK;
    return json_at_choice(out, &m, names, n, err);
}

/* a secret's file, without the line's end */
static enum status secret_file(char *dst, size_t cap, const struct json_at *at, const char *key, struct err *err)
{
    const char *path = NULL;
    struct buf b;
    enum status s = json_section_text(&path, at, key, err);
    if (s != OK || path == NULL) return s;
    buf_init(&b, cap - 1);
    s = file_read(&b, path, err);
    while (s == OK && b.len > 0 && b.ptr[b.len - 1] <= ' ')
        b.len--;
    if (s == OK) {
        memcpy(dst, b.ptr, b.len);
        dst[b.len] = '\0';
    }
    if (b.ptr != NULL) secret_wipe(b.ptr, b.cap);
    buf_fini(&b);
    return s;
}

static enum status read_node(struct agent_config *c, const struct json_at *root, struct err *err)
{
    struct json_at n, m;
    bool has;
    const char *name = NULL;
    enum status s = json_section_get(&n, &has, known, root, "node", err);
    if (s != OK || !has) return s;
    s = json_section_text(&c->rpc, &n, "rpc", err);
    if (s == OK) s = json_section_text(&name, &n, "name", err);
    if (s == OK) s = json_section_text(&c->log_file, &n, "log_file", err);
    if (s == OK) s = json_section_number(&c->poll_ms, &n, "poll_ms", 50, 60000, err);
    if (s == OK) s = json_section_number(&c->stats_s, &n, "stats_s", 0, 86400, err);
    if (s == OK && name != NULL) (void)snprintf(c->name, sizeof c->name, "%.255s", name);
    if (s != OK || !json_at_member(&m, &n, "from_block") || json_at_is_null(&m)) return s;
    const char *t = json_string_value(m.value);
    if (t != NULL && strcmp(t, "latest") == 0) return OK;
    c->from_latest = false;
    return json_at_u64(&c->from_block, &m, err);
}

static enum status read_tables(struct agent_config *c, const struct json_at *send, struct err *err)
{
    const char *names[TABLE_N];
    struct json_at list, item;
    for (size_t i = 0; i < TABLE_N; i++) {
        names[i] = table_name((enum agent_table)i);
        c->tables[i] = true;
    }
    if (!json_at_member(&list, send, "tables") || json_at_is_null(&list)) return OK;
    enum status s = json_at_array(&list, err);
    memset(c->tables, 0, sizeof c->tables);
    for (size_t i = 0; s == OK && json_at_element(&item, &list, i); i++) {
        size_t t;
        s = json_at_choice(&t, &item, names, TABLE_N, err);
        if (s == OK) c->tables[t] = true;
    }
    return s;
}

static enum status read_send(struct agent_config *c, const struct json_at *root, struct err *err)
{
    static const char *const apis[] = {"ingestion", "collector"}, *const forms[] = {"plain", "suffixed"}, *const kinds[] = {"msi", "client_credentials"};
    struct json_at at, token;
    bool has;
    size_t api = 0, form = 0, kind = 0;
    enum status s = json_section_get(&at, &has, known, root, "send", err);
    if (s == OK && !has) return err_set(err, E_INVALID, "send: is missing");
    if (s == OK) s = choice(&api, &at, "api", apis, COUNT_OF(apis), err);
    if (s == OK) s = choice(&form, &at, "columns", forms, COUNT_OF(forms), err);
    if (s == OK) s = json_section_text(&c->endpoint, &at, "endpoint", err);
    if (s == OK) s = json_section_text(&c->rule, &at, "rule", err);
    if (s == OK) s = json_section_text(&c->workspace_id, &at, "workspace_id", err);
    if (s == OK) s = json_section_text(&c->ca_file, &at, "ca_file", err);
    if (s == OK) s = json_section_number(&c->interval_s, &at, "interval_s", 1, 3600, err);
    if (s == OK) s = secret_file(c->shared_key, sizeof c->shared_key, &at, "shared_key_file", err);
    if (s == OK) s = read_tables(c, &at, err);
    if (s == OK) s = json_section_get(&token, &has, known, &at, "token", err);
    if (s == OK && has) {
        s = choice(&kind, &token, "kind", kinds, COUNT_OF(kinds), err);
        if (s == OK) s = json_section_text(&c->token_uri, &token, "token_uri", err);
        if (s == OK) s = json_section_text(&c->client_id, &token, "client_id", err);
        if (s == OK) s = secret_file(c->client_secret, sizeof c->client_secret, &token, "client_secret_file", err);
    }
    c->api = (enum agent_api)api;
    c->suffixed = form == 1;
    c->token_kind = kind == 0 ? AZURE_TOKEN_MSI : AZURE_TOKEN_CLIENT;
    if (s == OK && c->api == API_INGESTION) {
        s = json_section_need(c->endpoint, "send.endpoint", err);
        if (s == OK) s = json_section_need(c->rule, "send.rule", err);
    } else if (s == OK) {
        s = json_section_need(c->workspace_id, "send.workspace_id", err);
        if (s == OK) s = json_section_need(c->shared_key, "send.shared_key_file", err);
        if (s == OK && c->endpoint == NULL) {
            json_object_set_new(c->doc, "", json_sprintf("https://%s.ods.opinsights.azure.com", c->workspace_id));
            c->endpoint = json_string_value(json_object_get(c->doc, ""));
        }
    }
    return s;
}

static enum status read_rest(struct agent_config *c, const struct json_at *root, struct err *err)
{
    struct json_at at, m;
    bool has;
    uint64_t mib = c->spool_max >> 20, free_mib = c->spool_min_free >> 20;
    const char *level = NULL;
    enum status s = json_section_get(&at, &has, known, root, "spool", err);
    if (s == OK && has) {
        s = json_section_text(&c->spool_dir, &at, "dir", err);
        if (s == OK) s = json_section_number(&mib, &at, "max_mib", 8, 1 << 20, err);
        if (s == OK) s = json_section_number(&free_mib, &at, "min_free_mib", 0, 1 << 30, err);
        c->spool_max = mib << 20;
        c->spool_min_free = free_mib << 20;
    }
    if (s == OK) s = json_section_get(&at, &has, known, root, "log", err);
    if (s == OK && has) {
        s = json_section_text(&level, &at, "level", err);
        if (s == OK && level != NULL && !log_level_parse(&c->log_level, level)) {
            IGNORE(!json_at_member(&m, &at, "level"), "it was read");
            s = json_at_fail(&m, err, "error, warn, info, debug or trace");
        }
        if (s == OK) s = json_section_text(&c->agent_log, &at, "file", err);
    }
    if (s == OK) s = json_section_get(&at, &has, known, root, "metrics", err);
    if (s == OK && has) {
        uint64_t port = 9546;
        c->metrics_address = "127.0.0.1";
        s = json_section_text(&c->metrics_address, &at, "address", err);
        if (s == OK) s = json_section_number(&port, &at, "port", 1, 65535, err);
        c->metrics_port = (uint16_t)port;
    }
    return s;
}

enum status agent_config_read(struct agent_config *out, const char *path, struct err *err)
{
    struct agent_config c = {.rpc = "http://127.0.0.1:8545",
                             .poll_ms = 1000,
                             .stats_s = 60,
                             .from_latest = true,
                             .spool_max = (uint64_t)256 << 20,
                             .spool_min_free = (uint64_t)64 << 20,
                             .interval_s = 5,
                             .log_level = LOG_LEVEL_INFO};
    struct buf b;
    buf_init(&b, CONFIG_MAX);
    if (gethostname(c.name, sizeof c.name - 1) != 0) c.name[0] = '\0';
    enum status s = file_read(&b, path, err);
    if (s == OK) s = yaml_get(&c.doc, buf_view(&b), err);
    buf_fini(&b);
    if (s == OK) {
        struct json_at root = json_at_root(c.doc);
        s = json_section_check(known, &root, "", err);
        if (s == OK) s = read_node(&c, &root, err);
        if (s == OK) s = read_rest(&c, &root, err);
        if (s == OK) s = read_send(&c, &root, err);
        if (s == OK) s = json_section_need(c.spool_dir, "spool.dir", err);
    }
    if (s != OK) {
        agent_config_fini(&c);
        return err_prefix(err, "%s", path);
    }
    *out = c;
    secret_wipe(c.shared_key, sizeof c.shared_key);
    secret_wipe(c.client_secret, sizeof c.client_secret);
    return OK;
}

void agent_config_fini(struct agent_config *c)
{
    json_decref(c->doc);
    c->doc = NULL;
    secret_wipe(c->shared_key, sizeof c->shared_key);
    secret_wipe(c->client_secret, sizeof c->client_secret);
}
