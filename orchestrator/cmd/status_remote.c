#include "orchestrator/cmd/status_remote.h"

#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/codec/hex.h"
#include "orchestrator/cmd/live.h"
#include "orchestrator/govern/rpc_client.h"

enum { YAML_MAX = 1 << 20, RPC_MS = 5000, HEALTHY_AGE_S = 60 };

bool status_is_remote(const struct cli *c)
{
    char path[4200];
    struct buf yaml;
    struct settings s;
    (void)snprintf(path, sizeof path, "%.4000s/consortium.yaml", c->dir);
    buf_init(&yaml, YAML_MAX);
    settings_init(&s);
    bool remote = false;
    if (file_exists(path) && file_read(&yaml, path, NULL) == OK) {
        settings_take_file(&s, "consortium.yaml", buf_view(&yaml));
        const struct target_ops *ops = target_find(SETTING(&s, target));
        remote = ops != NULL && ops->submits_template;
    }
    settings_fini(&s);
    buf_fini(&yaml);
    return remote;
}

static uint64_t quantity(const json_t *o, const char *key)
{
    const char *t = json_string_value(json_object_get(o, key));
    uint64_t v = 0;
    return t != NULL && hex_get_quantity(&v, bytes_str(t)) == OK ? v : 0;
}

static void put_chain(json_t *doc, const char *rpc, bool *well)
{
    struct rpc_client *client = NULL;
    struct err err = {0};
    json_t *head = NULL;
    enum status s = rpc == NULL ? err_set(&err, E_NOT_FOUND, "the deployment has no RPC address yet") : rpc_client_new(&client, rpc, RPC_MS, &err);
    if (s == OK) s = rpc_client_call(&head, client, "eth_getBlockByNumber", json_pack("[s, b]", "latest", 0), &err);
    if (s == OK && json_is_object(head)) {
        uint64_t now = clock_wall_ms() / 1000, at = quantity(head, "timestamp"), age = now > at ? now - at : 0;
        json_object_set_new(doc, "height", json_integer((json_int_t)quantity(head, "number")));
        json_object_set_new(doc, "headAgeSeconds", json_integer((json_int_t)age));
        if (quantity(head, "number") == 0 || age >= HEALTHY_AGE_S) *well = false;
    } else {
        json_object_set_new(doc, "error", json_string(err_text(&err)));
        *well = false;
    }
    json_decref(head);
    rpc_client_free(client);
}

json_t *status_remote(struct cli *c, bool *healthy, enum exit_code *code)
{
    static struct live l; /* large */
    struct err err = {0};
    json_t *programs = NULL, *v;
    size_t i;
    enum status s = live_open(&l, c, &err);
    if (s == OK) s = l.target.ops->programs(&programs, &l.target, &err);
    if (s != OK) {
        live_close(&l);
        *code = s == E_NOT_FOUND ? cli_fail_text(c, EXIT_UNHEALTHY, "%s", err_text(&err)) : cli_fail(c, &err);
        return NULL;
    }
    bool well = true;
    const char *rpc = workspace_fact(&l.ws, "rpc"), *genesis = workspace_fact(&l.ws, "genesisHash");
    json_t *doc = json_pack("{s:s, s:s, s:s, s:o}", "target", l.target.ops->name, "rpc", rpc == NULL ? "" : rpc, "genesisHash", genesis == NULL ? "" : genesis, "instances", programs);
    json_array_foreach(programs, i, v)
        if (strcmp(json_string_value(json_object_get(v, "state")), "running") != 0) well = false;
    bool hidden = strcmp(SETTING(&c->settings, public_ip), "private") == 0;
    bool chain_well = true;
    put_chain(doc, rpc, &chain_well);
    /* a private network may not be reached from here: its machines alone tell */
    if (!chain_well && !(hidden && json_object_get(doc, "height") == NULL)) well = false;
    json_object_set_new(doc, "healthy", json_boolean(well));
    live_close(&l);
    *healthy = well;
    return doc;
}

void status_remote_put(struct buf *b, const json_t *doc)
{
    size_t i;
    const json_t *v, *h = json_object_get(doc, "height");
    buf_printf(b, "target     %s\n", json_string_value(json_object_get(doc, "target")));
    if (json_is_integer(h)) buf_printf(b, "height     %lld, %lld s ago\n", (long long)json_integer_value(h), (long long)json_integer_value(json_object_get(doc, "headAgeSeconds")));
    else buf_printf(b, "height     unknown: %s\n", json_string_value(json_object_get(doc, "error")));
    buf_printf(b, "genesis    %s\nrpc        %s\n\n%-32s %-14s %s\n", json_string_value(json_object_get(doc, "genesisHash")), json_string_value(json_object_get(doc, "rpc")), "INSTANCE", "STATE", "PROVISIONING");
    json_array_foreach(json_object_get(doc, "instances"), i, v)
        buf_printf(b, "%-32s %-14s %s\n", json_string_value(json_object_get(v, "name")), json_string_value(json_object_get(v, "state")), json_string_value(json_object_get(v, "provisioning")));
}
