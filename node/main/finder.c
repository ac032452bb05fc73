/* finder.c: who is there? A thread that asks the identity store which identities are leased (our member's own nodes), and, in a network that
 * was joined, the data API of the member that we joined by. What it finds goes to the loop (static peers) and to /networkinfo. */
#include "lib/base/clock.h"
#include "lib/codec/json.h"
#include "lib/net/http_client.h"
#include "node/main/node.h"

enum { QUICK_MS = 250, SLOW_MS = 10000, INFO_MAX = 64 << 20, DATA_API_EVERY_MS = 5000 };

static void offer_peer(struct node *n, const char *enode)
{
    pthread_mutex_lock(&n->lock);
    bool room = n->n_new_peers < PENDING_PEERS_MAX;
    char *copy = room ? strdup(enode) : NULL;
    if (copy != NULL) {
        n->is_leaving[n->n_new_peers] = false;
        n->new_peers[n->n_new_peers++] = copy;
    }
    pthread_mutex_unlock(&n->lock);
    if (copy != NULL) uv_async_send(&n->wake);
}

static void offer_list(struct node *n, const json_t *list, const char *key)
{
    size_t i;
    json_t *v;
    json_array_foreach(list, i, v)
    {
        const char *enode = json_string_value(key == NULL ? v : json_object_get(v, key));
        if (enode != NULL && *enode != '\0') offer_peer(n, enode);
    }
}

static void add_node(void *ctx, const struct identity_doc *doc)
{
    char who[43];
    address a;
    memcpy(a.b, doc->address, sizeof a.b);
    address_put(who, &a);
    json_array_append_new(ctx, json_pack("{s:s, s:s, s:s, s:s}", "enodeUrl", doc->enode_url, "hostname", doc->hostname, "address", who, "region", doc->region));
}

static void ask_store(struct node *n)
{
    struct err err = {0};
    if (n->identity == NULL) return;
    json_t *nodes = json_array();
    enum status s = identity_list_nodes(n->identity, add_node, nodes, &err);
    if (s == OK) offer_list(n, nodes, "enodeUrl");
    if (n->member != NULL) member_set_nodes(n->member, s == OK ? nodes : NULL, err_text(&err));
    json_decref(nodes);
}

/* our own entry in the list; again after a new lease, which may have found the blob as an older holder left it */
static void publish(struct node *n, bool *done)
{
    struct err err = {0};
    if (*done || n->identity == NULL) return;
    enum status s = identity_publish(n->identity, n->enode, &err);
    if (s == OK) *done = true;
    else log_debug("identity", "enode not published: %s", err_text(&err));
}

static void ask_data_api(struct node *n, struct http_client *http)
{
    char url[1100];
    json_t *doc = NULL;
    struct http_client_response resp;
    (void)snprintf(url, sizeof url, "%.1000s/networkinfo", n->cfg.data_url);
    struct http_client_request req = {.method = "GET", .url = url};
    if (http_client_do(&resp, http, &req, NULL) != OK) return;
    if (resp.status == 200 && json_parse(&doc, buf_view(&resp.body), NULL) == OK) offer_list(n, json_object_get(doc, "bootnodes"), NULL);
    json_decref(doc);
    http_client_response_fini(&resp);
}

static size_t connected(struct node *n)
{
    pthread_mutex_lock(&n->lock);
    size_t k = n->n_peers;
    pthread_mutex_unlock(&n->lock);
    return k;
}

static void *run_finder(void *arg)
{
    struct node *n = arg;
    struct http_client *http = NULL;
    struct http_client_config cfg = {.timeout_ms = 5000, .max_body = INFO_MAX};
    bool join = n->cfg.data_url != NULL && *n->cfg.data_url != '\0';
    uint64_t asked_api = 0;
    bool published = false;
    if (join && http_client_new(&http, &cfg, NULL) != OK) join = false;
    for (;;) {
        uint64_t now = clock_mono_ms();
        publish(n, &published);
        ask_store(n);
        if (join && (asked_api == 0 || now - asked_api >= DATA_API_EVERY_MS)) {
            ask_data_api(n, http);
            asked_api = now;
        }
        const struct timespec at = clock_wall_in(connected(n) == 0 ? QUICK_MS : SLOW_MS);
        pthread_mutex_lock(&n->lock);
        if (!n->stop) pthread_cond_timedwait(&n->finder_wake, &n->lock, &at);
        bool stop = n->stop;
        pthread_mutex_unlock(&n->lock);
        if (stop) break;
    }
    http_client_free(http);
    return NULL;
}

enum status node_finder_start(struct node *n, struct err *err)
{
    if (pthread_create(&n->finder, NULL, run_finder, n) != 0) return err_set(err, E_NOMEM, "cannot start the finder's thread");
    n->has_finder = true;
    return OK;
}

void node_finder_stop(struct node *n)
{
    pthread_mutex_lock(&n->lock);
    n->stop = true;
    pthread_cond_broadcast(&n->finder_wake);
    pthread_mutex_unlock(&n->lock);
    if (n->has_finder) pthread_join(n->finder, NULL);
    n->has_finder = false;
}
