#include "node/main/config.h"

#include "lib/codec/json_section.h"
#include "lib/codec/yaml.h"
#include "node/chain/chain.h"

#define GAS_TARGET_MAX 1000000000 /* as for a new network */

/* sections and the keys that each may have */
static const struct json_section known[] = {
    {"", " chain base_path network rpc member metrics identity data_url archive cache_mb gas_floor_target log "},
    {"network", " address port public_address nat bootnodes reserved reserved_only allowed_nodes node_key_password_file discovery max_peers max_inbound "},
    {"rpc", " address port ws_port apis cors max_connections max_unsent_mib max_request_s threads jwt_secret_file ipc_path "},
    {"member", " address port web_dir "},
    {"metrics", " port "},
    {"identity", " mode key_file vault_uri blob_uri container token ca_file hostname region lease_seconds "},
    {"token", " kind token_uri client_id client_secret_file "},
    {"log", " level file max_mib "},
    {NULL, NULL},
};

static enum status flag(bool *out, const struct json_at *at, const char *key, struct err *err)
{
    struct json_at m;
    if (!json_at_member(&m, at, key)) return OK;
    return json_at_bool(out, &m, err);
}

static enum status port(uint16_t *out, const struct json_at *at, const char *key, struct err *err)
{
    uint64_t v = *out;
    const enum status s = json_section_number(&v, at, key, 0, UINT16_MAX, err);
    if (s == OK) *out = (uint16_t)v;
    return s;
}

static enum status enodes(const char ***out, size_t *n, const struct json_at *at, const char *key, struct err *err)
{
    struct json_at list, item;
    if (!json_at_member(&list, at, key) || json_at_is_null(&list)) return OK;
    enum status s = json_at_array(&list, err);
    if (s != OK) return s;
    *out = calloc(json_array_size(list.value) + 1, sizeof **out);
    if (*out == NULL) return E_NOMEM;
    for (size_t i = 0; s == OK && json_at_element(&item, &list, i); i++) {
        s = json_at_text(&(*out)[i], &item, err);
        if (s == OK) ++*n;
    }
    return s;
}

static enum status limit(size_t *out, const struct json_at *at, const char *key, uint64_t max, struct err *err)
{
    uint64_t v = *out;
    const enum status s = json_section_number(&v, at, key, 1, max, err);
    if (s == OK) *out = (size_t)v;
    return s;
}

/* SPEC(the guide's clients): --nat any|upnp|extip:IP|none */
static enum status read_nat(struct node_config *c, const struct json_at *at, struct err *err)
{
    struct json_at m;
    const char *nat = NULL;
    if (!json_at_member(&m, at, "nat") || json_at_is_null(&m)) return OK;
    enum status s = json_at_text(&nat, &m, err);
    if (s != OK || strcmp(nat, "none") == 0) return s;
    if (strncmp(nat, "extip:", 6) != 0 || nat[6] == '\0')
        return json_at_fail(&m, err, "'%.40s': only none, or extip: with the address that others reach this node at (no router is asked for one)", nat);
    if (c->public_address != NULL) return json_at_fail(&m, err, "public_address says it already");
    c->public_address = nat + 6;
    return OK;
}

static enum status read_network(struct node_config *c, const struct json_at *root, struct err *err)
{
    struct json_at n;
    bool has;
    enum status s = json_section_get(&n, &has, known, root, "network", err);
    if (s != OK || !has) return s;
    s = json_section_text(&c->network_address, &n, "address", err);
    if (s == OK) s = port(&c->network_port, &n, "port", err);
    if (s == OK) s = json_section_text(&c->public_address, &n, "public_address", err);
    if (s == OK) s = read_nat(c, &n, err);
    if (s == OK) s = flag(&c->discovery, &n, "discovery", err);
    if (s == OK) s = flag(&c->reserved_only, &n, "reserved_only", err);
    if (s == OK) s = json_section_text(&c->allowed_nodes, &n, "allowed_nodes", err);
    if (s == OK) s = json_section_text(&c->node_key_password_file, &n, "node_key_password_file", err);
    if (s == OK) s = limit(&c->max_peers, &n, "max_peers", 200, err);
    if (s == OK) s = limit(&c->max_inbound, &n, "max_inbound", 200, err);
    if (s == OK) s = enodes(&c->bootnodes, &c->n_bootnodes, &n, "bootnodes", err);
    if (s == OK) s = enodes(&c->reserved, &c->n_reserved, &n, "reserved", err);
    return s;
}

static enum status read_services(struct node_config *c, const struct json_at *root, struct err *err)
{
    struct json_at at;
    bool has;
    enum status s = json_section_get(&at, &c->has_rpc, known, root, "rpc", err);
    if (s == OK && c->has_rpc) {
        s = json_section_text(&c->rpc_address, &at, "address", err);
        if (s == OK) s = port(&c->rpc_port, &at, "port", err);
        if (s == OK) s = port(&c->ws_port, &at, "ws_port", err);
        if (s == OK) s = json_section_text(&c->rpc_apis, &at, "apis", err);
        if (s == OK) s = json_section_text(&c->rpc_cors, &at, "cors", err);
        if (s == OK) s = json_section_text(&c->rpc_jwt_file, &at, "jwt_secret_file", err);
        if (s == OK) s = json_section_text(&c->rpc_ipc_path, &at, "ipc_path", err);
        if (s == OK) s = limit(&c->rpc_connections, &at, "max_connections", 100000, err);
        uint64_t mib = 0, n = 0;
        if (s == OK) s = json_section_number(&mib, &at, "max_unsent_mib", 1, 65536, err);
        c->rpc_max_unsent = (size_t)mib << 20;
        if (s == OK) s = json_section_number(&n, &at, "threads", 1, 32, err);
        c->rpc_threads = (unsigned)n;
        n = 0;
        if (s == OK) s = json_section_number(&n, &at, "max_request_s", 1, 3600, err);
        c->rpc_max_request_s = (unsigned)n;
    }
    if (s == OK) s = json_section_get(&at, &c->has_member, known, root, "member", err);
    if (s == OK && c->has_member) {
        s = json_section_text(&c->member_address, &at, "address", err);
        if (s == OK) s = port(&c->member_port, &at, "port", err);
        if (s == OK) s = json_section_text(&c->web_dir, &at, "web_dir", err);
    }
    if (s == OK) s = json_section_get(&at, &has, known, root, "metrics", err);
    if (s == OK && has) s = port(&c->metrics_port, &at, "port", err);
    if (s == OK) s = json_section_get(&at, &has, known, root, "log", err);
    if (s == OK && has) {
        const char *level = NULL;
        s = json_section_text(&level, &at, "level", err);
        if (s == OK && level != NULL && !log_level_parse(&c->log_level, level)) {
            struct json_at l;
            IGNORE(!json_at_member(&l, &at, "level"), "it was read");
            s = json_at_fail(&l, err, "error, warn, info, debug or trace");
        }
        if (s == OK) s = json_section_text(&c->log_file, &at, "file", err);
        uint64_t mib = c->log_max_bytes >> 20;
        if (s == OK) s = json_section_number(&mib, &at, "max_mib", 1, 4096, err);
        if (s == OK) c->log_max_bytes = mib << 20;
    }
    return s;
}

static enum status read_identity(struct node_config *c, const struct json_at *root, struct err *err)
{
    static const char *const modes[] = {"none", "file", "secret", "sign"};
    struct json_at id, m, token;
    bool has;
    size_t mode = 0;
    enum status s = json_section_get(&id, &has, known, root, "identity", err);
    if (s != OK || !has) return s;
    if (json_at_member(&m, &id, "mode")) s = json_at_choice(&mode, &m, modes, COUNT_OF(modes), err);
    c->mode = (enum identity_mode)mode;
    const struct {
        const char **out;
        const char *key;
    } texts[] = {{&c->key_file, "key_file"}, {&c->vault_uri, "vault_uri"}, {&c->blob_uri, "blob_uri"}, {&c->container, "container"},
                 {&c->ca_file, "ca_file"},   {&c->hostname, "hostname"},   {&c->region, "region"}};
    for (size_t i = 0; s == OK && i < COUNT_OF(texts); i++)
        s = json_section_text(texts[i].out, &id, texts[i].key, err);
    if (s == OK && json_at_member(&m, &id, "lease_seconds")) {
        uint64_t v;
        s = json_at_u64(&v, &m, err);
        if (s == OK && (v < 15 || v > 60)) s = json_at_fail(&m, err, "15 to 60");
        if (s == OK) c->lease_s = (unsigned)v;
    }
    if (s == OK) s = json_section_get(&token, &has, known, &id, "token", err);
    if (s == OK && has) {
        s = json_section_text(&c->token_kind, &token, "kind", err);
        if (s == OK) s = json_section_text(&c->token_uri, &token, "token_uri", err);
        if (s == OK) s = json_section_text(&c->client_id, &token, "client_id", err);
        if (s == OK) s = json_section_text(&c->client_secret_file, &token, "client_secret_file", err);
        if (s == OK && c->token_kind != NULL && strcmp(c->token_kind, "msi") != 0 && strcmp(c->token_kind, "client_credentials") != 0)
            s = err_set(err, E_INVALID, "identity.token.kind: '%s' is neither msi nor client_credentials", c->token_kind);
    }
    if (s == OK && c->mode == IDENTITY_FILE) s = json_section_need(c->key_file, "identity.key_file", err);
    if (s == OK && node_config_leases(c)) {
        s = json_section_need(c->vault_uri, "identity.vault_uri", err);
        if (s == OK) s = json_section_need(c->blob_uri, "identity.blob_uri", err);
    }
    if (s == OK && c->chain == NULL && c->mode == IDENTITY_NONE && c->blob_uri != NULL) return OK; /* the specification is in the store */
    if (s == OK && !node_config_leases(c)) s = json_section_need(c->chain, "chain", err);
    return s;
}

enum { CACHE_MB_MAX = 65536 };

static enum status read_cache(struct node_config *c, const struct json_at *root, struct err *err)
{
    struct json_at at;
    uint64_t mb = 0;
    if (!json_at_member(&at, root, "cache_mb")) return OK;
    enum status s = json_at_u64(&mb, &at, err);
    if (s == OK && mb > CACHE_MB_MAX) s = json_at_fail(&at, err, "0 to 65536");
    c->cache_bytes = mb == 0 ? CHAIN_NO_CACHE : (size_t)mb << 20;
    return s;
}

enum status node_config_read(struct node_config *out, const char *path, struct err *err)
{
    struct node_config c = {.network_address = "0.0.0.0",
                            .network_port = 30300,
                            .discovery = true,
                            .max_peers = 50,
                            .rpc_address = "127.0.0.1",
                            .rpc_port = 8545,
                            .ws_port = 8546,
                            .rpc_cors = "*",
                            .member_address = "127.0.0.1",
                            .member_port = 3000,
                            .container = "poa-config",
                            .log_level = LOG_LEVEL_INFO,
                            .log_max_bytes = LOG_FILE_BYTES,
                            .hostname = "",
                            .region = ""};
    enum status s = yaml_get_file(&c.doc, path, err);
    if (s != OK) return s;
    struct json_at root = json_at_root(c.doc);
    s = json_section_check(known, &root, "", err);
    if (s == OK) s = json_section_text(&c.chain, &root, "chain", err);
    if (s == OK) s = json_section_text(&c.base_path, &root, "base_path", err);
    if (s == OK) s = json_section_text(&c.data_url, &root, "data_url", err);
    if (s == OK) s = flag(&c.archive, &root, "archive", err);
    if (s == OK) s = read_cache(&c, &root, err);
    if (s == OK) s = json_section_number(&c.gas_floor_target, &root, "gas_floor_target", 0, GAS_TARGET_MAX, err);
    if (s == OK) s = read_network(&c, &root, err);
    if (s == OK) s = read_services(&c, &root, err);
    if (s == OK) s = read_identity(&c, &root, err);
    if (s == OK) s = json_section_need(c.base_path, "base_path", err);
    if (s != OK) {
        node_config_fini(&c);
        return err_prefix(err, "%s", path);
    }
    *out = c;
    return OK;
}

bool node_config_leases(const struct node_config *c)
{
    return c->mode == IDENTITY_SECRET || c->mode == IDENTITY_SIGN;
}

void node_config_fini(struct node_config *c)
{
    json_decref(c->doc);
    free(c->bootnodes);
    free(c->reserved);
    *c = (struct node_config){0};
}
