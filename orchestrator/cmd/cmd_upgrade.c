/* cmd_upgrade.c: upgrade: new programs, one node at a time. The gate: a node that was restarted must have sealed a block (or, when it is no
 * validator in force, followed two) before the next may stop. One that had an identity must have one again: programs that follow but never
 * seal would else pass, node by node, until nobody seals. */
#include "lib/base/clock.h"
#include "orchestrator/cmd/cmd.h"
#include "orchestrator/cmd/live.h"
#include "orchestrator/govern/rpc_client.h"

#include <strings.h>

enum { GATE_S = 120, ASK_MS = 2000, PAUSE_MS = 200, FOLLOWED = 2 };

struct gate {
    struct cli *cli;
    unsigned timeout_s;
    json_t *done;
    const struct target *target;
    bool has_no_identity[TARGET_INSTANCES_MAX]; /* an observer, as it was before */
};

static bool text_is(const json_t *v, const char *want)
{
    const char *t = json_string_value(v);
    return t != NULL && strcasecmp(t, want) == 0;
}

/* what the gate knows of a node so far */
struct look {
    char author[43];
    bool is_validator;
    uint64_t first, head, seen; /* first: its head when it answered; blocks up to seen were looked at */
    bool answered, sealed;
};

static void look_at_author(struct look *k, struct rpc_client *rpc)
{
    json_t *who = NULL, *set = NULL, *v;
    size_t i;
    if (rpc_client_call(&who, rpc, "eth_coinbase", NULL, NULL) == OK && json_is_string(who)) (void)snprintf(k->author, sizeof k->author, "%s", json_string_value(who));
    if (strspn(k->author, "x0") == strlen(k->author)) k->author[0] = '\0'; /* all zero: it has no identity */
    k->is_validator = false;
    if (rpc_client_call(&set, rpc, "aura_getValidators", NULL, NULL) == OK)
        json_array_foreach(set, i, v) if (text_is(v, k->author)) k->is_validator = true;
    json_decref(who);
    json_decref(set);
}

static void look_at(struct look *k, struct rpc_client *rpc, struct err *err)
{
    if (rpc_client_u64(&k->head, rpc, "eth_blockNumber", NULL, err) != OK) return;
    if (!k->answered) k->first = k->seen = k->head;
    k->answered = true;
    if (k->author[0] == '\0' || !k->is_validator) look_at_author(k, rpc);
    while (k->seen < k->head && !k->sealed) {
        char at[19];
        json_t *b = NULL;
        (void)snprintf(at, sizeof at, "0x%llx", (unsigned long long)k->seen + 1);
        if (rpc_client_call(&b, rpc, "eth_getBlockByNumber", json_pack("[s, b]", at, 0), err) != OK) return;
        k->sealed = text_is(json_object_get(b, "author"), k->author);
        k->seen++;
        json_decref(b);
    }
}

/* nodes that have no identity before anything is touched; those that do not answer are expected to get one, unless none is made here */
static void look_before(struct gate *g, const struct target *t)
{
    const bool observes = strcmp(SETTING(&g->cli->settings, identity_mode), "none") == 0;
    g->target = t;
    for (size_t i = 0; i < t->n_instances; i++) {
        struct rpc_client *rpc = NULL;
        struct look k = {.author = ""};
        char url[64];
        (void)snprintf(url, sizeof url, "http://%s:8545", t->instances[i].address);
        if (!observes && rpc_client_new(&rpc, url, ASK_MS, NULL) == OK) look_at(&k, rpc, NULL);
        g->has_no_identity[i] = observes || (k.answered && k.author[0] == '\0');
        rpc_client_free(rpc);
    }
}

static enum status gate(void *arg, const struct target_instance *in, struct err *err)
{
    struct gate *g = arg;
    struct rpc_client *rpc = NULL;
    struct err last = {0};
    struct look k = {.author = ""};
    char url[64];
    (void)snprintf(url, sizeof url, "http://%s:8545", in->address);
    const bool needs_identity = !g->has_no_identity[in - g->target->instances];
    enum status s = rpc_client_new(&rpc, url, ASK_MS, err);
    uint64_t end = clock_mono_ms() + (uint64_t)g->timeout_s * 1000;
    while (s == OK) {
        look_at(&k, rpc, &last);
        const bool waits_identity = needs_identity && k.author[0] == '\0';
        if (k.sealed || (k.answered && !waits_identity && !k.is_validator && k.head >= k.first + FOLLOWED)) break;
        report_note(&g->cli->report, "%s", !k.answered ? "it starts" : waits_identity ? "waiting for its identity" : k.is_validator ? "waiting for a block that it seals" : "waiting for new blocks");
        if (clock_mono_ms() > end) {
            if (!k.answered) s = err_set(err, E_TIMEOUT, "it does not answer at %s within %u s (%s)", url, g->timeout_s, err_text(&last));
            else if (waits_identity) s = err_set(err, E_TIMEOUT, "it follows the chain, but has taken no identity within %u s: it would never seal", g->timeout_s);
            else s = err_set(err, E_TIMEOUT, "%s within %u s; its head is block %llu", k.is_validator ? "it has sealed no block" : "it has not followed the chain", g->timeout_s, (unsigned long long)k.head);
        }
        clock_sleep_ms(PAUSE_MS);
    }
    rpc_client_free(rpc);
    if (s != OK && g->timeout_s < GATE_S) g->timeout_s = GATE_S; /* a node that is brought back has its time */
    if (s != OK)
        return err_prefix(err, "the upgrade stopped at %s, the nodes after it still run what they ran (`poa-deploy logs %s --instance %s` tells why; the same command again goes on)", in->name,
                          g->cli->dir, in->name);
    json_array_append_new(g->done, json_pack("{s:s, s:b, s:I}", "name", in->name, "sealed", k.sealed, "block", (json_int_t)k.seen));
    return OK;
}

enum exit_code cmd_upgrade(struct cli *c)
{
    struct err err = {0};
    static struct live l; /* large */
    size_t changed = 0;
    const char *t = cli_flag(c, "--timeout");
    struct gate g = {.cli = c, .timeout_s = t == NULL ? GATE_S : (unsigned)strtoul(t, NULL, 10), .done = json_array()};
    const struct target_upgrade u = {.package = cli_flag(c, "--to"), .sha256 = cli_flag(c, "--sha256"), .instance = cli_flag(c, "--node"), .gate = gate, .arg = &g};
    enum status s = live_open(&l, c, &err);
    if (s == OK && !workspace_is_finished(&l.ws)) s = err_set(&err, E_CONFLICT, "this deployment is not finished: run the same `poa-deploy new` or `join` again");
    if (s == OK && l.target.ops->upgrade == NULL) s = live_unsupported(&l.target, "upgrade", &err);
    if (s == OK) look_before(&g, &l.target);
    if (s == OK) s = l.target.ops->upgrade(&l.target, &u, &changed, &err);
    live_close(&l);
    enum exit_code code = s != OK ? cli_fail(c, &err) : changed == 0 ? EXIT_ALREADY : EXIT_DONE;
    if (s == OK) {
        report_done(&c->report);
        if (c->json) {
            json_t *doc = json_pack("{s:I, s:O}", "changed", (json_int_t)changed, "nodes", g.done);
            report_json(doc);
            json_decref(doc);
        } else {
            if (changed == 0) puts("all run these programs already");
            else printf("%zu program%s upgraded; each node sealed again before the next was stopped\n", changed, changed == 1 ? "" : "s");
        }
    }
    json_decref(g.done);
    return code;
}
