/* cmd_control.c: status, outputs, up, down, destroy. */
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/codec/hex.h"
#include "orchestrator/cmd/cmd.h"
#include "orchestrator/cmd/network.h"
#include "orchestrator/govern/rpc_client.h"
#include "orchestrator/target/keeper.h"
#include "orchestrator/target/local.h"

#include <signal.h>
#include <unistd.h>

/* ---------------------------------------------------------------- outputs */

enum exit_code cmd_outputs(struct cli *c)
{
    struct err err = {0};
    struct workspace ws;
    json_t *outputs = NULL;
    enum status s = workspace_open(&ws, c->dir, false, &err);
    if (s != OK) return cli_fail(c, &err);
    s = workspace_read_json(&outputs, &ws, "outputs.json", &err);
    if (s == E_NOT_FOUND) s = err_set(&err, s, "%s has no outputs yet: its deployment is not finished; run the same `poa-deploy new` or `join` again", ws.dir);
    workspace_close(&ws);
    if (s != OK) return cli_fail(c, &err);
    if (c->json) {
        report_json(outputs);
    } else {
        const char *key;
        json_t *v;
        json_object_foreach(outputs, key, v)
        {
            char *text = json_is_string(v) ? NULL : json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
            printf("%-30s %s\n", key, text == NULL ? json_string_value(v) : text);
            free(text);
        }
    }
    json_decref(outputs);
    return EXIT_DONE;
}

/* ------------------------------------------------------------ up and down */

static enum exit_code say(struct cli *c, enum exit_code code, const char *state, const char *text)
{
    report_done(&c->report);
    if (c->json) {
        json_t *doc = json_pack("{s:s}", "state", state);
        report_json(doc);
        json_decref(doc);
    } else {
        printf("%s\n", text);
    }
    return code;
}

enum exit_code cmd_up(struct cli *c)
{
    struct err err = {0};
    struct workspace ws;
    enum status s = workspace_open(&ws, c->dir, false, &err);
    if (s != OK) return cli_fail(c, &err);
    if (!workspace_is_done(&ws, "identities")) {
        workspace_close(&ws);
        return cli_fail_text(c, EXIT_FAILED, "this deployment is not finished: run the same `poa-deploy new` or `join` again");
    }
    report_step(&c->report, "start the keeper");
    s = keeper_start(c->exe, ws.dir, &err);
    bool already = s == E_EXISTS;
    uint64_t number = 0;
    const char *t = cli_flag(c, "--timeout");
    unsigned timeout = t == NULL ? 60 : (unsigned)strtoul(t, NULL, 10);
    if (s == OK) {
        report_step(&c->report, "wait for the nodes");
        s = network_wait_block(&number, workspace_fact(&ws, "rpc"), 0, timeout == 0 ? 60 : timeout, &c->report, &err);
    }
    workspace_close(&ws);
    if (already) return say(c, EXIT_ALREADY, "running", "it runs already");
    if (s != OK) return cli_fail(c, &err);
    return say(c, EXIT_DONE, "running", "it runs");
}

enum exit_code cmd_down(struct cli *c)
{
    struct err err = {0};
    struct workspace ws;
    bool was_running = false;
    enum status s = workspace_open(&ws, c->dir, false, &err);
    if (s != OK) return cli_fail(c, &err);
    report_step(&c->report, "stop the nodes, the load balancer and the identity store");
    s = keeper_stop(ws.dir, &was_running, &err);
    workspace_close(&ws);
    if (s != OK) return cli_fail(c, &err);
    return was_running ? say(c, EXIT_DONE, "stopped", "it is stopped; everything is kept") : say(c, EXIT_ALREADY, "stopped", "it was not running");
}

enum exit_code cmd_destroy(struct cli *c)
{
    struct err err = {0};
    struct workspace ws;
    bool was_running = false;
    char question[4200];
    enum status s = workspace_open(&ws, c->dir, false, &err);
    if (s == E_NOT_FOUND) return say(c, EXIT_ALREADY, "absent", "there is no deployment: nothing to destroy");
    if (s != OK) return cli_fail(c, &err);
    (void)snprintf(question, sizeof question, "Destroy %s: stop it and delete its chain, its validator keys and an administrator account made with it?", ws.dir);
    if (!cli_confirm(c, question)) {
        workspace_close(&ws);
        return EXIT_FAILED;
    }
    report_step(&c->report, "stop what runs");
    s = keeper_stop(ws.dir, &was_running, &err);
    if (s == OK) {
        report_step(&c->report, "delete %s", c->dir);
        s = file_remove_tree(ws.dir, &err);
    }
    workspace_close(&ws);
    if (s != OK) return cli_fail(c, &err);
    return say(c, EXIT_DONE, "destroyed", "destroyed; nothing is left");
}

/* ----------------------------------------------------------------- status */

static json_t *program_of(const json_t *programs, const char *name)
{
    size_t i;
    json_t *p;
    json_array_foreach(programs, i, p)
    {
        const char *n = json_string_value(json_object_get(p, "name"));
        if (n != NULL && strcmp(n, name) == 0) return p;
    }
    return NULL;
}

static bool is_alive(const json_t *program)
{
    json_int_t pid = json_integer_value(json_object_get(program, "pid"));
    return pid > 0 && kill((pid_t)pid, 0) == 0;
}

/* asks one node; members block, peers, address, syncing, or error */
static void ask_node(json_t *row, const char *ip)
{
    char url[64];
    struct rpc_client *rpc = NULL;
    struct err err = {0};
    uint64_t v;
    json_t *j = NULL;
    (void)snprintf(url, sizeof url, "http://%s:8545", ip);
    if (rpc_client_new(&rpc, url, 2000, &err) != OK) return;
    if (rpc_client_u64(&v, rpc, "eth_blockNumber", NULL, &err) == OK) json_object_set_new(row, "block", json_integer((json_int_t)v));
    else json_object_set_new(row, "error", json_string(err_text(&err)));
    if (rpc_client_u64(&v, rpc, "net_peerCount", NULL, &err) == OK) json_object_set_new(row, "peers", json_integer((json_int_t)v));
    if (rpc_client_call(&j, rpc, "eth_coinbase", NULL, &err) == OK) {
        if (json_is_string(j)) json_object_set(row, "validator", j);
        json_decref(j);
    }
    rpc_client_free(rpc);
}

static bool add_instances(json_t *rows, const struct local_target *t, const json_t *programs, bool keeper)
{
    bool healthy = true;
    for (size_t i = 0; i < t->n_instances; i++) {
        const struct local_instance *in = &t->instances[i];
        json_t *program = program_of(programs, in->name);
        bool alive = keeper && is_alive(program);
        json_t *row = json_pack("{s:s, s:s, s:s, s:b, s:I}", "name", in->name, "address", in->address, "region", in->location, "running", alive, "starts",
                                json_integer_value(json_object_get(program, "starts")));
        if (alive) ask_node(row, in->address);
        if (!json_is_integer(json_object_get(row, "block"))) healthy = false;
        json_array_append_new(rows, row);
    }
    return healthy;
}

/* does the chain move: a newer block within a few steps' time is the best evidence, the head's age is what can be had at once */
static bool add_chain(json_t *doc, const char *rpc_url)
{
    struct rpc_client *rpc = NULL;
    struct err err = {0};
    json_t *block = NULL, *validators = NULL;
    bool healthy = false;
    if (rpc_client_new(&rpc, rpc_url, 2000, &err) != OK) return false;
    if (rpc_client_call(&block, rpc, "eth_getBlockByNumber", json_pack("[s, b]", "latest", 0), &err) == OK && json_is_object(block)) {
        uint64_t number = 0, at = 0;
        const char *n = json_string_value(json_object_get(block, "number")), *ts = json_string_value(json_object_get(block, "timestamp"));
        if (n != NULL && ts != NULL && hex_get_quantity(&number, bytes_str(n)) == OK && hex_get_quantity(&at, bytes_str(ts)) == OK) {
            uint64_t now = clock_wall_ms() / 1000, age = now > at ? now - at : 0;
            json_object_set_new(doc, "height", json_integer((json_int_t)number));
            json_object_set_new(doc, "headAgeSeconds", json_integer((json_int_t)age));
            healthy = age < 60 && number > 0;
        }
    } else {
        json_object_set_new(doc, "error", json_string(err_text(&err)));
    }
    if (rpc_client_call(&validators, rpc, "aura_getValidators", NULL, &err) == OK) {
        json_object_set(doc, "validators", validators);
        json_decref(validators);
    }
    json_decref(block);
    rpc_client_free(rpc);
    return healthy;
}

static void print_status(const json_t *doc)
{
    const json_t *h = json_object_get(doc, "height");
    printf("keeper     %s\n", json_is_true(json_object_get(doc, "keeper")) ? "running" : "stopped");
    if (json_is_integer(h))
        printf("height     %lld, %lld s ago\n", (long long)json_integer_value(h), (long long)json_integer_value(json_object_get(doc, "headAgeSeconds")));
    else printf("height     unknown: no node answers at %s\n", json_string_value(json_object_get(doc, "rpc")));
    printf("genesis    %s\n\n%-28s %-14s %-8s %8s %6s  %s\n", json_string_value(json_object_get(doc, "genesisHash")), "INSTANCE", "ADDRESS", "STATE", "BLOCK",
           "PEERS", "VALIDATOR");
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(doc, "instances"), i, row)
    {
        const json_t *b = json_object_get(row, "block"), *p = json_object_get(row, "peers");
        const char *v = json_string_value(json_object_get(row, "validator"));
        bool up = json_is_true(json_object_get(row, "running"));
        printf("%-28s %-14s %-8s ", json_string_value(json_object_get(row, "name")), json_string_value(json_object_get(row, "address")),
               !up ? "stopped" : json_is_integer(b) ? "up" : "starting");
        if (json_is_integer(b)) printf("%8lld %6lld  %s\n", (long long)json_integer_value(b), (long long)json_integer_value(p), v == NULL ? "-" : v);
        else printf("%8s %6s  -\n", "-", "-");
    }
}

enum exit_code cmd_status(struct cli *c)
{
    struct err err = {0};
    struct workspace ws;
    static struct local_target t;
    json_t *resources = NULL, *programs = NULL;
    enum status s = workspace_open(&ws, c->dir, false, &err);
    if (s != OK) return cli_fail(c, &err);
    if (!workspace_is_done(&ws, "identities")) {
        workspace_close(&ws);
        return cli_fail_text(c, EXIT_UNHEALTHY, "this deployment is not finished: run the same `poa-deploy new` or `join` again");
    }
    struct buf yaml;
    buf_init(&yaml, 1 << 20);
    s = workspace_read(&yaml, &ws, "consortium.yaml", &err);
    if (s == OK) settings_take_file(&c->settings, "consortium.yaml", buf_view(&yaml));
    buf_fini(&yaml);
    if (s == OK) s = local_init(&t, ws.dir, c->bin_dir, (unsigned)SETTING_INT_OF(&c->settings, member_id), &err);
    if (s == OK) s = workspace_read_json(&resources, &ws, "deployment.json", &err);
    if (s == OK) s = local_add_resources(&t, resources, &err);
    if (s == OK && workspace_read_json(&programs, &ws, "local/programs.json", NULL) != OK) programs = json_array();
    if (s != OK) {
        json_decref(resources);
        workspace_close(&ws);
        return cli_fail(c, &err);
    }
    bool keeper = keeper_pid(ws.dir) != 0;
    const char *genesis = workspace_fact(&ws, "genesisHash");
    json_t *doc = json_pack("{s:b, s:s, s:s, s:[]}", "keeper", keeper, "rpc", workspace_fact(&ws, "rpc"), "genesisHash", genesis == NULL ? "" : genesis, "instances");
    bool healthy = add_instances(json_object_get(doc, "instances"), &t, programs, keeper);
    if (!add_chain(doc, workspace_fact(&ws, "rpc"))) healthy = false;
    json_object_set_new(doc, "healthy", json_boolean(healthy && keeper));
    if (c->json) report_json(doc);
    else print_status(doc);
    json_decref(doc);
    json_decref(programs);
    json_decref(resources);
    workspace_close(&ws);
    return healthy && keeper ? EXIT_DONE : EXIT_UNHEALTHY;
}
