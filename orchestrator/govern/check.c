#include "orchestrator/govern/check.h"

#include "lib/base/clock.h"
#include "lib/base/rng.h"
#include "lib/codec/json.h"
#include "lib/eth/enode.h"
#include "lib/net/http_client.h"
#include "orchestrator/govern/rpc_client.h"

enum { MEMBER_PORT = 3000 /* DESIGN.md section 5 */, ASK_MS = 3000, ANSWER_MAX = 1 << 20, LAG_MAX = 5, DEPLOYED_MAX = 1000 };

/* ------------------------------------------------------------------ judge */

PRINTF_LIKE(4, 5) static void add(json_t *problems, const struct check_facts *f, const char *check, const char *fmt, ...)
{
    char who[43], text[1400], detail[1000];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    address_put_checksum(who, &f->who);
    if (f->host[0] == '\0') (void)snprintf(text, sizeof text, "%s: %s", who, detail);
    else (void)snprintf(text, sizeof text, "%s (%s): %s", who, f->host, detail);
    json_array_append_new(problems, json_pack("{s:s, s:s, s:s}", "validator", who, "check", check, "text", text));
}

void check_judge(json_t *problems, const struct check_facts *f, const struct check_net *net)
{
    const uint64_t limit = net->step_ms / 2, off = (uint64_t)(f->ahead_ms < 0 ? -f->ahead_ms : f->ahead_ms);
    if (!f->is_listed) {
        add(problems, f, "listed", "no node at %s has this address; if an operator runs it, give that one's data URL (--data-url)", net->data_url);
        return;
    }
    if (!f->is_held) {
        add(problems, f, "reachable", "no node holds its identity at present; see `poa-deploy status` where it was deployed");
        return;
    }
    if (!f->has_answered) {
        add(problems, f, "reachable", "its node cannot be reached: %s", f->why);
        return;
    }
    if (!f->has_proved) {
        add(problems, f, "key", "its node does not prove that it holds the key: %s", f->why);
        return;
    }
    if (f->p.chain_id != net->chain_id || !hash_eq(&f->p.genesis, &net->genesis)) {
        char have[67], want[67];
        hash_put(have, &f->p.genesis);
        hash_put(want, &net->genesis);
        add(problems, f, "network", "its node runs another network: its first block is %s, this network's is %s", have, want);
        return;
    }
    if (f->p.is_syncing || f->p.block + LAG_MAX < net->head)
        add(problems, f, "synced", "its node is at block %llu, the network at %llu: wait until it has caught up", (unsigned long long)f->p.block,
            (unsigned long long)net->head);
    if (off > limit)
        add(problems, f, "clock", "its clock is %llu.%llu s %s this machine's, and half a step (%llu.%llu s) is the most: set the clock there, or here", (unsigned long long)(off / 1000),
            (unsigned long long)(off % 1000 / 100), f->ahead_ms < 0 ? "behind" : "ahead of", (unsigned long long)(limit / 1000), (unsigned long long)(limit % 1000 / 100));
}

/* -------------------------------------------------------------------- ask */

/* the data URL without /networkinfo and slashes behind it */
static void base_of(char dst[static 1100], const char *data_url)
{
    size_t n = strlen(data_url);
    while (n > 0 && data_url[n - 1] == '/')
        n--;
    if (n >= 12 && strncmp(data_url + n - 12, "/networkinfo", 12) == 0) n -= 12;
    (void)snprintf(dst, 1100, "%.*s", (int)(n > 1000 ? 1000 : n), data_url);
}

static enum status get_nodes(json_t **out, const char *data_url, struct err *err)
{
    char base[1100], url[1200];
    base_of(base, data_url);
    (void)snprintf(url, sizeof url, "%s/nodes", base);
    enum status s = rpc_client_get_json(out, url, 10000, err);
    if (s == OK && !json_is_array(json_object_get(*out, "nodes"))) {
        json_decref(*out);
        *out = NULL;
        s = err_set(err, E_DECODE, "%s does not list nodes: is %s the data URL of a member?", url, data_url);
    }
    return s == OK ? OK : err_prefix(err, "the validators cannot be looked at");
}

static bool same(const json_t *v, const address *who)
{
    address a;
    const char *t = json_string_value(v);
    return t != NULL && address_get(&a, bytes_str(t)) == OK && address_eq(&a, who);
}

/* one request for a proof.  ret OK: has_answered is set */
static enum status ask_once(struct check_facts *f, struct http_client *http, const char *base)
{
    char url[1300], challenge_text[67];
    hash32 challenge;
    json_t *doc = NULL;
    struct err err = {0};
    rng_fill(challenge.b, sizeof challenge.b);
    hash_put(challenge_text, &challenge);
    (void)snprintf(url, sizeof url, "%s/possession?challenge=%s", base, challenge_text);
    struct http_client_request req = {.method = "GET", .url = url};
    struct http_client_response resp;
    uint64_t before = clock_wall_ms();
    enum status s = http_client_do(&resp, http, &req, &err);
    uint64_t after = clock_wall_ms();
    if (s != OK) {
        (void)snprintf(f->why, sizeof f->why, "%.390s", err_text(&err));
        return s;
    }
    f->has_answered = resp.status != 503; /* it has no identity yet, or nobody stands behind the load balancer */
    if (json_parse(&doc, buf_view(&resp.body), NULL) != OK || resp.status != 200) {
        const char *said = json_string_value(json_object_get(doc, "errorMessage"));
        (void)snprintf(f->why, sizeof f->why, "%.200s answers with HTTP %d%s%.100s", base, resp.status, said == NULL ? "" : ": ", said == NULL ? "" : said);
    } else if (possession_check_json(&f->p, doc, &f->who, &challenge, &err) == OK) {
        f->has_proved = true;
        f->ahead_ms = (int64_t)f->p.time_ms - (int64_t)(before + (after - before) / 2);
    } else {
        (void)snprintf(f->why, sizeof f->why, "%.390s", err_text(&err));
    }
    json_decref(doc);
    http_client_response_fini(&resp);
    return OK;
}

/* the node itself, at the host of its enode; else those behind the data URL, until the right one has the turn */
static void ask(struct check_facts *f, struct http_client *http, const json_t *node, const char *data_url, size_t n_nodes)
{
    struct enode e;
    char base[1100], why[400];
    const char *enode_text = json_string_value(json_object_get(node, "enodeUrl")), *host = json_string_value(json_object_get(node, "hostname"));
    bool has_place = enode_text != NULL && enode_get(&e, bytes_str(enode_text), NULL) == OK;
    if (host != NULL && *host != '\0') (void)snprintf(f->host, sizeof f->host, "%.250s", host);
    else if (has_place) (void)snprintf(f->host, sizeof f->host, "%s", e.host);
    f->is_held = true;
    (void)snprintf(f->why, sizeof f->why, "it tells no address of its own");
    if (has_place) {
        bool v6 = strchr(e.host, ':') != NULL;
        (void)snprintf(base, sizeof base, "http://%s%s%s:%d", v6 ? "[" : "", e.host, v6 ? "]" : "", MEMBER_PORT);
        if (ask_once(f, http, base) == OK) return;
    }
    (void)snprintf(why, sizeof why, "%s", f->why);
    base_of(base, data_url);
    for (size_t i = 0; i < 3 * n_nodes + 3 && !f->has_proved; i++) {
        f->has_answered = false;
        if (ask_once(f, http, base) != OK) break;
    }
    f->has_answered = f->has_proved;
    if (!f->has_proved) (void)snprintf(f->why, sizeof f->why, "%s", why);
}

static const json_t *node_of(const json_t *doc, const address *who)
{
    size_t i;
    json_t *node;
    json_array_foreach(json_object_get(doc, "nodes"), i, node)
    {
        if (same(json_object_get(node, "address"), who)) return node;
    }
    return NULL;
}

static bool is_deployed(const json_t *doc, const address *who)
{
    size_t i;
    json_t *v;
    json_array_foreach(json_object_get(doc, "deployed"), i, v)
    {
        if (same(v, who)) return true;
    }
    return false;
}

enum status check_validators(json_t **problems, const address *list, size_t n, const struct check_net *net, struct err *err)
{
    json_t *doc = NULL, *out = json_array();
    struct http_client *http = NULL;
    struct http_client_config cfg = {.timeout_ms = ASK_MS, .connect_timeout_ms = ASK_MS, .max_body = ANSWER_MAX};
    enum status s = get_nodes(&doc, net->data_url, err);
    if (s == OK) s = http_client_new(&http, &cfg, err);
    for (size_t i = 0; s == OK && i < n; i++) {
        struct check_facts f = {.who = list[i]};
        const json_t *node = node_of(doc, &list[i]);
        f.is_listed = node != NULL || is_deployed(doc, &list[i]);
        if (node != NULL) ask(&f, http, node, net->data_url, json_array_size(json_object_get(doc, "nodes")));
        check_judge(out, &f, net);
    }
    http_client_free(http);
    json_decref(doc);
    if (s == OK) *problems = out;
    else json_decref(out);
    return s;
}

static void append(address *list, size_t *n, const json_t *v)
{
    address a;
    const char *t = json_string_value(v);
    if (t == NULL || address_get(&a, bytes_str(t)) != OK || *n == DEPLOYED_MAX) return;
    for (size_t i = 0; i < *n; i++)
        if (address_eq(&list[i], &a)) return;
    list[(*n)++] = a;
}

enum status check_deployed(address **out, size_t *n, const char *data_url, struct err *err)
{
    json_t *doc = NULL, *v;
    size_t i, count = 0;
    enum status s = get_nodes(&doc, data_url, err);
    address *list = s == OK ? calloc(DEPLOYED_MAX, sizeof *list) : NULL;
    if (s == OK && list == NULL) s = E_NOMEM;
    if (s == OK) {
        json_array_foreach(json_object_get(doc, "deployed"), i, v) append(list, &count, v);
        json_array_foreach(json_object_get(doc, "nodes"), i, v) append(list, &count, json_object_get(v, "address"));
    }
    json_decref(doc);
    if (s == OK) {
        *out = list;
        *n = count;
    }
    return s;
}
