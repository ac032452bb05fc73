/* The product's own templates (templates/): two regions of two validators, and the variants. Run from the checkout's root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/file.h"
#include "lib/codec/base64.h"
#include "lib/codec/yaml.h"
#include "orchestrator/arm/arm.h"

#include <cmocka.h>

static enum status read_json(json_t **out, const char *path, struct err *err)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    enum status s = file_read(&b, path, err);
    json_error_t je = {.line = 0};
    json_t *v =
        s == OK ? json_loadb((const char *)b.ptr, b.len, JSON_REJECT_DUPLICATES, &je) : NULL;
    if (s == OK && v == NULL) s = err_set(err, E_DECODE, "%s:%d: %s", path, je.line, je.text);
    buf_fini(&b);
    if (v != NULL) *out = v;
    return s;
}

static enum status load(json_t **out, void *arg, const char *path, struct err *err)
{
    char full[256];
    (void)arg;
    snprintf(full, sizeof full, "templates/%s", path);
    return read_json(out, full, err);
}

/* state as a target would tell it */
static enum status reference(json_t **out, void *arg, const char *id, const char *api_version,
                             bool full, struct err *err)
{
    (void)arg;
    (void)api_version;
    const char *name = strrchr(id, '/') + 1;
    char text[200];
    if (full) {
        *out = json_pack("{s:{s:s}}", "identity", "principalId",
                         "00000000-0000-0000-0000-0000000000aa");
    } else if (strstr(id, "Microsoft.KeyVault/vaults/") != NULL) {
        *out = json_pack("{s:s}", "vaultUri", "https://127.0.0.2:8443/");
    } else if (strstr(id, "/storageAccounts/") != NULL) {
        *out = json_pack("{s:{s:s}}", "primaryEndpoints", "blob", "https://127.0.0.2:8443/store/");
    } else if (strstr(id, "/publicIPAddresses/") != NULL) {
        snprintf(text, sizeof text, "%s.example.invalid", name);
        *out = json_pack("{s:{s:s}}", "dnsSettings", "fqdn", text);
    } else if (strstr(id, "/workspaces/") != NULL) {
        *out = json_pack("{s:s}", "customerId", "w");
    } else if (strstr(id, "/dataCollectionEndpoints/") != NULL) {
        *out = json_pack("{s:{s:s}}", "logsIngestion", "endpoint", "https://in/");
    } else if (strstr(id, "/dataCollectionRules/") != NULL) {
        *out = json_pack("{s:s}", "immutableId", "dcr-1");
    } else {
        return err_set(err, E_NOT_FOUND, "not expected");
    }
    return OK;
}

static const struct arm_context CTX = {
    .subscription_id = "11111111-2222-3333-4444-555555555555",
    .tenant_id = "99999999-2222-3333-4444-555555555555",
    .resource_group = "poa-consortium",
    .location = "westeurope",
    .deployment_name = "mainTemplate",
    .load = load,
    .reference = reference,
};

static json_t *tmpl;

static int setup(void **state)
{
    (void)state;
    struct err err = {.status = OK};
    if (read_json(&tmpl, "templates/mainTemplate.json", &err) == OK) return 0;
    print_error("%s\n", err.text);
    return -1;
}

static int teardown(void **state)
{
    (void)state;
    json_decref(tmpl);
    return 0;
}

static json_t *params(void)
{
    return json_pack(
        "{s:{s:i}, s:{s:i}, s:{s:i}, s:{s:s}, s:{s:s}, s:{s:s}, s:{s:s}, s:{s:s}, s:{s:b}}",
        "regionCount", "value", 2, "numVLNodesRegion", "value", 2, "consortiumMemberId", "value", 3,
        "location_1", "value", "westeurope", "location_2", "value", "eastus", "adminUsername",
        "value", "poaadmin", "ethereumAdminPublicKey", "value",
        "0x00000000000000000000000000000000000000aa", "adminSSHKey", "value", "ssh-ed25519 AAAA",
        "omsDeploy", "value", 0);
}

static void set(json_t *p, const char *name, json_t *value)
{
    assert_int_equal(json_object_set_new(p, name, json_pack("{s:o}", "value", value)), 0);
}

static struct arm_plan *plan(const json_t *p)
{
    struct arm_plan *out = NULL;
    struct err err = {.status = OK};
    if (arm_plan_new(&out, tmpl, p, &CTX, &err) != OK) fail_msg("%s", err.text);
    return out;
}

static json_t *resource(struct arm_plan *p, size_t i)
{
    json_t *r = NULL;
    struct err err = {.status = OK};
    if (arm_plan_resource(&r, p, i, &err) != OK) fail_msg("%s", err.text);
    return r;
}

static size_t count_type(const struct arm_plan *p, const char *type)
{
    size_t n = 0;
    for (size_t i = 0; i < arm_plan_count(p); i++)
        n += strcmp(arm_plan_type(p, i), type) == 0;
    return n;
}

/* the n-th of a type */
static json_t *find(struct arm_plan *p, const char *type, size_t n)
{
    for (size_t i = 0; i < arm_plan_count(p); i++) {
        if (strcmp(arm_plan_type(p, i), type) == 0 && n-- == 0) return resource(p, i);
    }
    fail_msg("no %s", type);
    return NULL;
}

/* "a.b.0.c" */
static const json_t *at(const json_t *v, const char *path)
{
    char key[80];
    while (*path != 0) {
        const size_t n = strcspn(path, ".");
        snprintf(key, sizeof key, "%.*s", (int)n, path);
        v = json_is_array(v) ? json_array_get(v, strtoul(key, NULL, 10)) : json_object_get(v, key);
        path += n + (path[n] == '.');
    }
    return v;
}

static const char *text_at(const json_t *v, const char *path)
{
    const char *t = json_string_value(at(v, path));
    if (t == NULL) fail_msg("no text at %s", path);
    return t;
}

static void two_regions_of_two_validators_become_plain_resources(void **state)
{
    (void)state;
    json_t *given = params();
    struct arm_plan *p = plan(given);
    static const struct {
        const char *type;
        size_t n;
    } want[] = {{"Microsoft.KeyVault/vaults", 1},
                {"Microsoft.Storage/storageAccounts", 1},
                {"Microsoft.Storage/storageAccounts/blobServices", 1},
                {"Microsoft.Storage/storageAccounts/blobServices/containers", 1},
                {"Microsoft.Network/networkSecurityGroups", 2},
                {"Microsoft.Network/virtualNetworks", 2},
                {"Microsoft.Network/publicIPAddresses", 2},
                {"Microsoft.Network/loadBalancers", 2},
                {"Microsoft.Compute/virtualMachineScaleSets", 2},
                {"Microsoft.Authorization/roleAssignments", 4}};
    size_t all = 0;
    for (size_t i = 0; i < COUNT_OF(want); i++) {
        if (count_type(p, want[i].type) != want[i].n)
            fail_msg("%s: %zu", want[i].type, count_type(p, want[i].type));
        all += want[i].n;
    }
    assert_int_equal(arm_plan_count(p), all);
    /* dependencies first */
    for (size_t i = 0; i < arm_plan_count(p); i++) {
        json_t *r = resource(p, i), *dep;
        size_t k, j;
        json_array_foreach(json_object_get(r, "dependsOn"), k, dep)
        {
            for (j = 0; j < i && strcmp(arm_plan_id(p, j), json_string_value(dep)) != 0; j++) {
            }
            assert_true(j < i);
        }
        char *t = json_dumps(r, JSON_COMPACT);
        if (strstr(t, "\"[") != NULL && strstr(t, "\"[\"") == NULL) {
            /* no expression is left over */
            for (const char *c = t; (c = strstr(c, "\"[")) != NULL; c++)
                assert_false(strstr(c, ")]\"") != NULL && strstr(c, ")]\"") < strchr(c + 1, '"'));
        }
        free(t);
        json_decref(r);
    }
    arm_plan_free(p);
    json_decref(given);
}

static void addresses_ports_and_names_follow_the_plan(void **state)
{
    (void)state;
    json_t *given = params();
    struct arm_plan *p = plan(given);
    json_t *vnet = find(p, "Microsoft.Network/virtualNetworks", 1);
    assert_string_equal(text_at(vnet, "properties.addressSpace.addressPrefixes.0"), "10.3.32.0/20");
    assert_string_equal(text_at(vnet, "properties.subnets.0.properties.addressPrefix"),
                        "10.3.33.0/24");
    assert_string_equal(text_at(vnet, "properties.subnets.1.properties.addressPrefix"),
                        "10.3.35.0/24");
    assert_string_equal(text_at(vnet, "location"), "eastus");
    assert_string_equal(text_at(vnet, "tags.poa-region"), "2");
    assert_string_equal(text_at(vnet, "tags.poa-member"), "3");
    json_decref(vnet);
    json_t *nsg = find(p, "Microsoft.Network/networkSecurityGroups", 0);
    static const struct {
        const char *name, *access;
        int priority;
    } rules[] = {{"allow-ssh", "Deny", 100},
                 {"allow-eth-rpc", "Allow", 101},
                 {"allow-etheradmin", "Allow", 102},
                 {"client-port-inbound", "Allow", 103},
                 {"client-port-outbound", "Allow", 100}};
    const json_t *list = at(nsg, "properties.securityRules");
    assert_int_equal(json_array_size(list), COUNT_OF(rules));
    for (size_t i = 0; i < COUNT_OF(rules); i++) {
        const json_t *r = json_array_get(list, i);
        assert_string_equal(text_at(r, "name"), rules[i].name);
        assert_string_equal(text_at(r, "properties.access"), rules[i].access);
        assert_int_equal(json_integer_value(at(r, "properties.priority")), rules[i].priority);
    }
    json_decref(nsg);
    json_t *lb = find(p, "Microsoft.Network/loadBalancers", 0);
    static const int ports[][2] = {{80, 3000}, {8545, 8545}, {8546, 8546}};
    list = at(lb, "properties.loadBalancingRules");
    assert_int_equal(json_array_size(list), COUNT_OF(ports));
    for (size_t i = 0; i < COUNT_OF(ports); i++) {
        assert_int_equal(json_integer_value(at(json_array_get(list, i), "properties.frontendPort")),
                         ports[i][0]);
        assert_int_equal(json_integer_value(at(json_array_get(list, i), "properties.backendPort")),
                         ports[i][1]);
        assert_int_equal(json_integer_value(at(at(lb, "properties.probes"),
                                               i == 0 ? "0.properties.port" : "1.properties.port")),
                         i == 0 ? 3000 : 8545);
    }
    assert_int_equal(json_integer_value(
                         at(lb, "properties.inboundNatRules.0.properties.frontendPortRangeStart")),
                     4000);
    assert_non_null(strstr(text_at(lb, "name"), "-vlLb-reg1"));
    json_decref(lb);
    json_t *set = find(p, "Microsoft.Compute/virtualMachineScaleSets", 1);
    assert_int_equal(json_integer_value(at(set, "sku.capacity")), 2);
    assert_string_equal(text_at(set, "identity.type"), "SystemAssigned");
    assert_int_equal(strncmp(text_at(set, "name"), "vl-eth", 6), 0);
    json_decref(set);
    arm_plan_free(p);
    json_decref(given);
}

static void outputs_carry_the_names_of_the_guide(void **state)
{
    (void)state;
    json_t *given = params(), *o = NULL;
    set(given, "genesisHash", json_string("0x12"));
    set(given, "validatorAddresses", json_pack("[s]", "0x34"));
    struct arm_plan *p = plan(given);
    struct err err = {.status = OK};
    if (arm_plan_outputs(&o, p, &err) != OK) fail_msg("%s", err.text);
    const char *host = text_at(o, "REGION_HOSTS.value.0");
    assert_non_null(strstr(host, "-lbpip-reg1.example.invalid"));
    assert_non_null(strstr(text_at(o, "REGION_HOSTS.value.1"), "-lbpip-reg2.example.invalid"));
    char want[200];
    snprintf(want, sizeof want, "http://%s:8545", host);
    assert_string_equal(text_at(o, "ETHEREUM_RPC_ENDPOINT.value"), want);
    snprintf(want, sizeof want, "ws://%s:8546", host);
    assert_string_equal(text_at(o, "ETHEREUM_WS_ENDPOINT.value"), want);
    snprintf(want, sizeof want, "http://%s", host);
    assert_string_equal(text_at(o, "GOVERNANCE_DASHBOARD_URL.value"), want);
    assert_string_equal(text_at(o, "CONSORTIUM_DATA_URL.value"), want);
    snprintf(want, sizeof want, "ssh -p 4000 poaadmin@%s", host);
    assert_string_equal(text_at(o, "SSH_TO_FIRST_VL_NODE_REGION1.value"), want);
    assert_string_equal(text_at(o, "OMS_PORTAL_URL.value"), "NA");
    assert_string_equal(text_at(o, "VNET_GATEWAY_RESOURCE_ID.value"), "NA");
    assert_string_equal(text_at(o, "GENESIS_HASH.value"), "0x12");
    assert_string_equal(text_at(o, "VALIDATOR_ADDRESSES.value.0"), "0x34");
    assert_int_equal(json_integer_value(at(o, "NETWORK_ID.value")), 10101010);
    assert_string_equal(text_at(o, "KEY_VAULT_URI.value"), "https://127.0.0.2:8443/");
    assert_string_equal(text_at(o, "BLOB_ENDPOINT.value"), "https://127.0.0.2:8443/store/");
    json_decref(o);
    arm_plan_free(p);
    json_decref(given);
}

static char *cloud_init(const json_t *given)
{
    struct arm_plan *p = plan(given);
    json_t *set_ = find(p, "Microsoft.Compute/virtualMachineScaleSets", 0);
    struct buf b;
    buf_init(&b, 1 << 20);
    assert_int_equal(
        base64_get(
            &b, bytes_str(text_at(set_, "properties.virtualMachineProfile.osProfile.customData")),
            false),
        OK);
    char *t = strdup(buf_cstr(&b));
    buf_fini(&b);
    json_decref(set_);
    arm_plan_free(p);
    return t;
}

static void assert_has(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) fail_msg("'%s' is not in:\n%s", part, text);
}

static void the_cloud_init_document_is_filled_in(void **state)
{
    (void)state;
    json_t *given = params();
    char *t = cloud_init(given);
    assert_has(t, "## template: jinja\n#cloud-config\n");
    assert_has(t, "vault_uri: \"https://127.0.0.2:8443/\"");
    assert_has(t, "blob_uri: \"https://127.0.0.2:8443/store/\"");
    assert_has(t, "container: \"poa-config\"");
    assert_has(t, "port: 30300");
    assert_has(t, "ws_port: 8546");
    assert_has(t, "kind: msi");
    assert_has(t, "bootnodes: []");
    assert_has(t, "region: \"westeurope\"");
    assert_has(t, "- [poa-node, --config, \"${POA_ROOT}/etc/poa-node.yaml\"]");
    assert_null(strstr(t, "client_id"));
    assert_null(strstr(t, "ca_file"));
    assert_null(strstr(t, "data_url"));
    for (const char *c = t; (c = strchr(c, '@')) != NULL; c++)
        assert_false(c[1] >= 'A' && c[1] <= 'Z'); /* nothing is left to fill in */
    free(t);
    set(given, "isJoiningExistingNetwork", json_true());
    set(given, "consortiumDataURL", json_string("http://127.0.1.1"));
    set(given, "bootnodes", json_pack("[s]", "enode://aa@127.0.1.10:30300"));
    set(given, "token",
        json_pack("{s:s, s:s, s:s, s:s, s:s}", "kind", "client_credentials", "uri",
                  "https://127.0.0.2:8443/t/token", "clientId", "node", "secretFile", "/w/secret",
                  "caFile", "/w/ca.pem"));
    t = cloud_init(given);
    assert_has(t, "kind: client_credentials\n");
    assert_has(t, "        token_uri: \"https://127.0.0.2:8443/t/token\"\n        client_id: "
                  "\"node\"\n        client_secret_file: \"/w/secret\"\n");
    assert_has(t, "\n      ca_file: \"/w/ca.pem\"\n");
    assert_has(t, "\n    data_url: \"http://127.0.1.1\"\n");
    assert_has(t, "bootnodes: [\"enode://aa@127.0.1.10:30300\"]");
    free(t);
    struct arm_plan *p = plan(given);
    assert_int_equal(count_type(p, "Microsoft.Authorization/roleAssignments"), 0);
    arm_plan_free(p);
    json_decref(given);
}

/* what a target does: tokens replaced by plain text */
static void replace_all(struct buf *out, const char *t, const char *old, const char *with)
{
    buf_clear(out);
    for (const char *hit; (hit = strstr(t, old)) != NULL; t = hit + strlen(old)) {
        buf_put(out, t, (size_t)(hit - t));
        buf_put_str(out, with);
    }
    buf_put_str(out, t);
}

static void the_cloud_init_document_is_yaml_and_so_is_the_configuration_in_it(void **state)
{
    (void)state;
    static const char *const tokens[][2] = {{"{{instance.address}}", "127.0.1.10"},
                                            {"{{instance.public_address}}", "127.0.1.10"},
                                            {"{{instance.name}}", "vl-0"},
                                            {"${POA_ROOT}", "/w/i0"}};
    json_t *given = params();
    char *t = cloud_init(given);
    struct buf b;
    buf_init(&b, 1 << 20);
    for (size_t i = 0; i < COUNT_OF(tokens); i++) {
        replace_all(&b, t, tokens[i][0], tokens[i][1]);
        free(t);
        t = strdup(buf_cstr(&b));
    }
    struct err err = {.status = OK};
    json_t *doc = NULL, *conf = NULL;
    if (yaml_get(&doc, bytes_str(t), &err) != OK) fail_msg("%s", err.text);
    assert_int_equal(json_array_size(at(doc, "write_files")), 1); /* the rest is Azure's */
    assert_int_equal(json_array_size(at(doc, "runcmd")), 1);
    assert_string_equal(text_at(doc, "runcmd.0.0"), "poa-node");
    assert_string_equal(text_at(doc, "runcmd.0.2"), "/w/i0/etc/poa-node.yaml");
    assert_string_equal(text_at(doc, "write_files.0.path"), "/w/i0/etc/poa-node.yaml");
    if (yaml_get(&conf, bytes_str(text_at(doc, "write_files.0.content")), &err) != OK)
        fail_msg("%s", err.text);
    assert_string_equal(text_at(conf, "base_path"), "/w/i0/var/lib/poa");
    assert_string_equal(text_at(conf, "rpc.address"), "127.0.1.10");
    assert_int_equal(json_integer_value(at(conf, "network.port")), 30300);
    assert_int_equal(json_integer_value(at(conf, "member.port")), 3000);
    assert_int_equal(json_integer_value(at(conf, "metrics.port")), 9545);
    assert_string_equal(text_at(conf, "identity.mode"), "secret");
    assert_string_equal(text_at(conf, "identity.token.kind"), "msi");
    json_decref(doc);
    json_decref(conf);
    buf_fini(&b);
    free(t);
    json_decref(given);
}

static void the_template_holds_the_text_of_validator_yaml(void **state)
{
    (void)state;
    struct err err = {.status = OK};
    json_t *vmss = NULL;
    if (read_json(&vmss, "templates/nested/vmss.json", &err) != OK) fail_msg("%s", err.text);
    struct buf file, text;
    buf_init(&file, 1 << 20);
    buf_init(&text, 1 << 20);
    if (file_read(&file, "templates/cloud-init/validator.yaml", &err) != OK)
        fail_msg("%s", err.text);
    size_t i;
    json_t *line;
    json_array_foreach(at(vmss, "variables.cloudInit"), i, line)
    {
        buf_printf(&text, "%s%s", i > 0 ? "\n" : "", json_string_value(line));
    }
    assert_string_equal(buf_cstr(&text), buf_cstr(&file));
    buf_fini(&file);
    buf_fini(&text);
    json_decref(vmss);
}

static void a_private_network_gets_gateways_and_connections(void **state)
{
    (void)state;
    json_t *given = params(), *o = NULL;
    set(given, "deployUsingPublicIP", json_false());
    set(given, "connectionSharedKey", json_string("k3y"));
    set(given, "isJoiningExistingNetwork", json_true());
    set(given, "consortiumMemberGatewayId",
        json_string("/subscriptions/x/resourceGroups/y/providers/Microsoft.Network/"
                    "virtualNetworkGateways/z"));
    struct arm_plan *p = plan(given);
    assert_int_equal(count_type(p, "Microsoft.Network/virtualNetworkGateways"), 2);
    assert_int_equal(count_type(p, "Microsoft.Network/connections"), 3);
    assert_int_equal(count_type(p, "Microsoft.Network/natGateways"), 2);
    json_t *gw = find(p, "Microsoft.Network/virtualNetworkGateways", 1);
    assert_int_equal(json_integer_value(at(gw, "properties.bgpSettings.asn")), 4200000016);
    json_decref(gw);
    json_t *lb = find(p, "Microsoft.Network/loadBalancers", 1);
    assert_string_equal(
        text_at(lb, "properties.frontendIPConfigurations.0.properties.privateIPAddress"),
        "10.3.33.9");
    json_decref(lb);
    json_t *nsg = find(p, "Microsoft.Network/networkSecurityGroups", 0);
    assert_string_equal(text_at(nsg, "properties.securityRules.3.properties.sourceAddressPrefix"),
                        "VirtualNetwork");
    json_decref(nsg);
    struct err err = {.status = OK};
    if (arm_plan_outputs(&o, p, &err) != OK) fail_msg("%s", err.text);
    assert_string_equal(text_at(o, "ETHEREUM_RPC_ENDPOINT.value"), "http://10.3.17.9:8545");
    assert_has(text_at(o, "VNET_GATEWAY_RESOURCE_ID.value"), "-gateway-reg1");
    json_decref(o);
    arm_plan_free(p);
    json_decref(given);
}

static void monitoring_adds_a_workspace_tables_and_a_rule(void **state)
{
    (void)state;
    json_t *given = params(), *o = NULL;
    set(given, "omsDeploy", json_true());
    set(given, "emailAddress", json_string("a@example.invalid"));
    struct arm_plan *p = plan(given);
    assert_int_equal(count_type(p, "Microsoft.OperationalInsights/workspaces/tables"), 5);
    json_t *rule = find(p, "Microsoft.Insights/dataCollectionRules", 0);
    assert_int_equal(json_object_size(at(rule, "properties.streamDeclarations")), 5);
    assert_int_equal(json_array_size(at(rule, "properties.dataFlows")), 5);
    assert_non_null(
        json_object_get(at(rule, "properties.streamDeclarations"), "Custom-MinedBlock_CL"));
    json_decref(rule);
    struct err err = {.status = OK};
    if (arm_plan_outputs(&o, p, &err) != OK) fail_msg("%s", err.text);
    assert_has(text_at(o, "OMS_PORTAL_URL.value"),
               "https://portal.azure.com/#resource/subscriptions/");
    json_decref(o);
    arm_plan_free(p);
    set(given, "omsWorkspaceId", json_string("22222222-2222-3333-4444-555555555555"));
    set(given, "omsPrimaryKey", json_string("c2VjcmV0"));
    p = plan(given);
    assert_int_equal(count_type(p, "Microsoft.OperationalInsights/workspaces"), 0);
    json_t *secret = find(p, "Microsoft.KeyVault/vaults/secrets", 0);
    assert_has(text_at(secret, "name"), "/log-analytics-key");
    json_decref(secret);
    arm_plan_free(p);
    json_decref(given);
}

static void parameters_out_of_the_guide_s_ranges_are_refused(void **state)
{
    (void)state;
    json_t *given = params();
    set(given, "numVLNodesRegion", json_integer(1));
    set(given, "regionCount", json_integer(6));
    set(given, "consortiumMemberId", json_integer(256));
    set(given, "ethereumNetworkID", json_integer(4));
    set(given, "ethereumAdminPublicKey", json_string("0x12"));
    set(given, "vlStorageAccountType", json_string("Ultra"));
    struct arm_plan *p = NULL;
    struct err err = {.status = OK};
    assert_int_equal(arm_plan_new(&p, tmpl, given, &CTX, &err), E_INVALID);
    static const char *const names[] = {
        "numVLNodesRegion: 1 is less than 2",   "regionCount: 6 is more than 5",
        "consortiumMemberId: 256 is more",      "ethereumNetworkID: 4 is less",
        "ethereumAdminPublicKey: the length 4", "vlStorageAccountType: the value"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        assert_has(err.text, names[i]);
    json_decref(given);
}

static void inlined_it_is_one_template_that_gives_the_same_resources(void **state)
{
    (void)state;
    json_t *given = params(), *flat = NULL;
    set(given, "omsDeploy", json_true());
    set(given, "deployUsingPublicIP", json_false());
    struct err err = {.status = OK};
    if (arm_inline(&flat, tmpl, given, &CTX, &err) != OK) fail_msg("%s", err.text);
    assert_null(json_object_get(json_object_get(flat, "parameters"), "_artifactsLocation"));
    struct arm_context alone = CTX;
    alone.load = NULL;
    struct arm_plan *a = plan(given), *b = NULL;
    if (arm_plan_new(&b, flat, given, &alone, &err) != OK) fail_msg("%s", err.text);
    assert_int_equal(arm_plan_count(a), arm_plan_count(b));
    for (size_t i = 0; i < arm_plan_count(a); i++) {
        json_t *x = resource(a, i), *y = resource(b, i);
        assert_true(json_equal(x, y));
        json_decref(x);
        json_decref(y);
    }
    arm_plan_free(a);
    arm_plan_free(b);
    json_decref(flat);
    json_decref(given);
}

/* POA_DUMP=FILE: no test, but all resources of several deployments as one JSON array, for tests/templates/schemas.mjs */
static int dump(const char *path)
{
    json_t *all = json_array();
    if (setup(NULL) != 0) return 1;
    for (int i = 0; i < 4; i++) {
        json_t *given = params(), *list = NULL;
        if (i & 1) set(given, "omsDeploy", json_true());
        if (i & 1) set(given, "emailAddress", json_string("a@example.invalid"));
        if (i & 2) set(given, "deployUsingPublicIP", json_false());
        if (i & 2) set(given, "connectionSharedKey", json_string("k3y"));
        if (i & 2)
            set(given, "deployerPrincipalId", json_string("00000000-0000-0000-0000-0000000000bb"));
        if (i == 2) set(given, "omsPrimaryKey", json_string("c2VjcmV0"));
        if (i == 3) set(given, "authType", json_string("password"));
        if (i == 3) set(given, "adminPassword", json_string("Correct-horse-1"));
        struct arm_plan *p = plan(given);
        if (arm_plan_resources(&list, p, NULL) != OK || json_array_extend(all, list) != 0) return 1;
        json_decref(list);
        arm_plan_free(p);
        json_decref(given);
    }
    const int bad = json_dump_file(all, path, JSON_INDENT(1));
    json_decref(all);
    IGNORE(teardown(NULL), "it frees the template");
    return bad != 0;
}

int main(void)
{
    const char *path = getenv("POA_DUMP");
    if (path != NULL) return dump(path);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_regions_of_two_validators_become_plain_resources),
        cmocka_unit_test(addresses_ports_and_names_follow_the_plan),
        cmocka_unit_test(outputs_carry_the_names_of_the_guide),
        cmocka_unit_test(the_cloud_init_document_is_filled_in),
        cmocka_unit_test(the_cloud_init_document_is_yaml_and_so_is_the_configuration_in_it),
        cmocka_unit_test(the_template_holds_the_text_of_validator_yaml),
        cmocka_unit_test(a_private_network_gets_gateways_and_connections),
        cmocka_unit_test(monitoring_adds_a_workspace_tables_and_a_rule),
        cmocka_unit_test(parameters_out_of_the_guide_s_ranges_are_refused),
        cmocka_unit_test(inlined_it_is_one_template_that_gives_the_same_resources),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, setup, teardown);
}
