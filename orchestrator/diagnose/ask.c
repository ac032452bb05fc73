/* ask.c: what nodes, the store and the other member say when they are asked. */
#include "lib/azure/blob.h"
#include "lib/azure/identity_doc.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/secret.h"
#include "lib/codec/hex.h"
#include "lib/codec/json.h"
#include "lib/net/http_client.h"
#include "orchestrator/diagnose/diagnose_priv.h"
#include "orchestrator/genesis/genesis.h"
#include "orchestrator/govern/govern.h"
#include "orchestrator/govern/rpc_client.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ASK_MS = 2000, STORE_MS = 3000, HEADERS_MAX = 256, PAGE_MAX = 8 << 20 };

#define COPY(dst, src) ((void)snprintf((dst), sizeof(dst), "%.*s", (int)sizeof(dst) - 1, (src)))

static void copy_text(char *dst, size_t cap, const json_t *v)
{
    const char *t = json_string_value(v);
    (void)snprintf(dst, cap, "%s", t == NULL ? "" : t);
}

static uint64_t quantity(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);
    const char *t = json_string_value(v);
    uint64_t n = 0;
    if (json_is_integer(v)) return (uint64_t)json_integer_value(v);
    return t != NULL && hex_get_quantity(&n, bytes_str(t)) == OK ? n : 0;
}

/* a decimal string, a QUANTITY or a number: blocks show their step in the first form */
static uint64_t step_of(const json_t *block)
{
    const char *t = json_string_value(json_object_get(block, "step"));
    if (t != NULL && t[0] != '0') return strtoull(t, NULL, 10);
    return quantity(block, "step");
}

/* ------------------------------------------------------------------ nodes */

/* the value of a sample without labels; false: no such line */
static bool sample(double *v, const char *page, const char *name)
{
    size_t n = strlen(name);
    for (const char *p = page; (p = strstr(p, name)) != NULL; p += n) {
        if ((p != page && p[-1] != '\n') || p[n] != ' ') continue;
        *v = strtod(p + n + 1, NULL);
        return true;
    }
    return false;
}

static void ask_metrics(struct diag_node *n, struct http_client *http)
{
    char url[64];
    struct http_client_response r;
    double v;
    (void)snprintf(url, sizeof url, "http://%s:9545/metrics", n->address);
    const struct http_client_request q = {.method = "GET", .url = url};
    uint64_t before = clock_wall_ms();
    if (http_client_do(&r, http, &q, NULL) != OK) return;
    uint64_t after = clock_wall_ms();
    const char *page = buf_cstr(&r.body);
    if (r.status == 200 && sample(&v, page, "poa_clock_seconds")) {
        n->has_clock = true;
        n->skew_ms = (int64_t)(v * 1000) - (int64_t)(before + (after - before) / 2);
    }
    if (r.status == 200 && sample(&v, page, "poa_lease_remaining_seconds")) {
        n->has_lease = true;
        n->lease_ms = (uint64_t)(v * 1000);
    }
    n->waits_promise = r.status == 200 && sample(&v, page, "poa_promise_waiting") && v > 0;
    if (r.status == 200 && sample(&v, page, "process_resident_memory_bytes")) n->memory_bytes = (uint64_t)v;
    http_client_response_fini(&r);
}

static bool is_open(const char *host_port)
{
    char host[64];
    const char *colon = strrchr(host_port, ':');
    struct sockaddr_in sa = {.sin_family = AF_INET};
    if (colon == NULL) return false;
    (void)snprintf(host, sizeof host, "%.*s", (int)(colon - host_port), host_port);
    sa.sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
    if (inet_pton(AF_INET, host, &sa.sin_addr) != 1) return true; /* a name: not for us to say */
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), error = 0;
    if (fd < 0) return true;
    bool open = connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0;
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    socklen_t len = sizeof error;
    if (!open && poll(&p, 1, 500) == 1 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0) open = error == 0;
    close(fd);
    return open;
}

static void ask_enode(struct diag_node *n, struct rpc_client *rpc)
{
    json_t *j = NULL;
    if (rpc_client_call(&j, rpc, "parity_enode", NULL, NULL) == OK) {
        const char *t = json_string_value(j), *at = t == NULL ? NULL : strchr(t, '@');
        if (at != NULL) (void)snprintf(n->advertised, sizeof n->advertised, "%.*s", (int)strcspn(at + 1, "?/"), at + 1);
        n->advertised_open = n->advertised[0] == '\0' || is_open(n->advertised);
    }
    json_decref(j);
}

static void ask_node(struct diag_node *n, struct http_client *http)
{
    char url[64];
    struct rpc_client *rpc = NULL;
    struct err err = {0};
    json_t *head = NULL, *genesis = NULL, *sync = NULL, *author = NULL, *mining = NULL, *version = NULL;
    (void)snprintf(url, sizeof url, "http://%s:8545", n->address);
    if (rpc_client_new(&rpc, url, ASK_MS, &err) != OK) return;
    enum status s = rpc_client_call(&head, rpc, "eth_getBlockByNumber", json_pack("[s, b]", "latest", 0), &err);
    if (s != OK || !json_is_object(head)) {
        COPY(n->rpc_error, s == OK ? "it has no latest block" : err_text(&err));
        goto out;
    }
    n->answers = true;
    n->block = quantity(head, "number");
    n->head_timestamp = quantity(head, "timestamp");
    if (rpc_client_call(&genesis, rpc, "eth_getBlockByNumber", json_pack("[s, b]", "0x0", 0), NULL) == OK)
        copy_text(n->genesis, sizeof n->genesis, json_object_get(genesis, "hash"));
    n->has_peers = rpc_client_u64(&n->peers, rpc, "net_peerCount", NULL, NULL) == OK;
    if (rpc_client_call(&sync, rpc, "eth_syncing", NULL, NULL) == OK && json_is_object(sync)) {
        n->is_syncing = true;
        n->highest = quantity(sync, "highestBlock");
    }
    if (rpc_client_call(&author, rpc, "eth_coinbase", NULL, NULL) == OK && json_is_string(author) &&
        strspn(json_string_value(author) + 1, "x0") + 1 < strlen(json_string_value(author))) { /* all zero: it has no identity, an observer never has one */
        n->has_author = true;
        copy_text(n->author, sizeof n->author, author);
    }
    if (rpc_client_call(&mining, rpc, "eth_mining", NULL, NULL) == OK) n->is_sealing = json_is_true(mining);
    if (rpc_client_call(&version, rpc, "web3_clientVersion", NULL, NULL) == OK) copy_text(n->version, sizeof n->version, version);
    if (n->has_peers && n->peers == 0) ask_enode(n, rpc);
    ask_metrics(n, http);
out:
    json_decref(head);
    json_decref(genesis);
    json_decref(sync);
    json_decref(author);
    json_decref(mining);
    json_decref(version);
    rpc_client_free(rpc);
}

void ask_nodes(struct diag_facts *f)
{
    struct http_client *http = NULL;
    const struct http_client_config cfg = {.timeout_ms = ASK_MS, .connect_timeout_ms = ASK_MS, .max_body = PAGE_MAX};
    if (http_client_new(&http, &cfg, NULL) != OK) return;
    for (size_t i = 0; i < f->n_nodes; i++)
        if (f->nodes[i].program.pid != 0 && !f->nodes[i].program.stopped) ask_node(&f->nodes[i], http);
    http_client_free(http);
}

/* ------------------------------------------------------------------ chain */

static struct diag_validator *find_validator(struct diag_facts *f, const char *who)
{
    for (size_t i = 0; i < f->n_validators; i++)
        if (strcasecmp(f->validators[i].address, who) == 0) return &f->validators[i];
    return NULL;
}

static void take_set(struct diag_facts *f, const json_t *list)
{
    size_t i;
    const json_t *v;
    json_array_foreach(list, i, v)
    {
        if (f->n_validators == DIAG_VALIDATORS_MAX) return;
        struct diag_validator *to = &f->validators[f->n_validators++];
        copy_text(to->address, sizeof to->address, v);
        for (size_t k = 0; k < f->n_nodes; k++)
            if (f->nodes[k].has_author && strcasecmp(f->nodes[k].author, to->address) == 0) COPY(to->instance, f->nodes[k].program.name);
    }
}

/* steps after `from` and before `to` went by without a block */
static void count_missed(struct diag_facts *f, uint64_t from, uint64_t to)
{
    size_t n = f->n_validators;
    uint64_t gap = to > from ? to - from - 1 : 0, rounds = n == 0 ? 0 : gap / n;
    for (size_t i = 0; rounds > 0 && i < n; i++)
        f->validators[i].missed += rounds;
    for (uint64_t s = from + 1 + rounds * n; n > 0 && s < to; s++)
        f->validators[s % n].missed++;
}

/* headers from the head back, a few rounds at most; missed steps are counted back to where the set in force began */
static void walk_headers(struct diag_facts *f, struct rpc_client *rpc, uint64_t head)
{
    size_t most = f->n_validators * 3 + 10;
    uint64_t later = 0, above = 0;
    if (most > HEADERS_MAX) most = HEADERS_MAX;
    for (uint64_t number = head; f->n_walked < most && number > 0; number--) {
        char at[19], author[43];
        json_t *b = NULL;
        hex_put_quantity(at, number);
        if (rpc_client_call(&b, rpc, "eth_getBlockByNumber", json_pack("[s, b]", at, 0), NULL) != OK || !json_is_object(b)) {
            json_decref(b);
            return;
        }
        uint64_t step = step_of(b), used = quantity(b, "gasUsed"), limit = quantity(b, "gasLimit");
        if (f->n_full == f->n_walked && limit > 0 && used >= limit / 10 * 9) f->n_full++;
        copy_text(author, sizeof author, json_object_get(b, "author"));
        if (f->n_walked++ == 0) {
            f->head_step = step;
            f->gas_limit = limit;
            f->gas_used = used;
            COPY(f->head_author, author);
        }
        if (f->resumed_step == 0 && above > step + 2 * f->n_validators + 2) f->resumed_step = above;
        above = step;
        struct diag_validator *v = find_validator(f, author);
        if (v != NULL && v->last_step == 0) {
            v->last_step = step;
            v->last_block = number;
        }
        json_decref(b);
        if (number < f->epoch_start) continue;
        if (later != 0 && step < later) count_missed(f, step, later);
        later = f->first_step = step;
        f->n_headers++;
    }
}

static void ask_pool(struct diag_facts *f, struct rpc_client *rpc)
{
    json_t *pool = NULL;
    if (rpc_client_call(&pool, rpc, "txpool_status", NULL, NULL) == OK) {
        f->pool_pending = quantity(pool, "pending");
        f->pool_queued = quantity(pool, "queued");
    }
    json_decref(pool);
}

/* what the contract has decided but not announced: it waits for the next governance transaction */
static void ask_queue(struct diag_facts *f, const char *url)
{
    char path[4096];
    struct buf text;
    json_t *spec = NULL;
    address contract;
    struct govern g;
    struct govern_change c;
    (void)snprintf(path, sizeof path, "%s/spec.json", f->dir);
    buf_init(&text, WORKSPACE_FILE_MAX);
    if (file_read(&text, path, NULL) == OK && json_parse(&spec, buf_view(&text), NULL) == OK && spec_json_contract_address(&contract, spec) == OK &&
        govern_open(&g, url, &contract, NULL) == OK) {
        if (govern_change_info(&c, &g, NULL) == OK) {
            f->has_queue = true;
            f->queued = c.active ? 0 : c.queued;
        }
        govern_close(&g);
    }
    json_decref(spec);
    buf_fini(&text);
}

void ask_chain(struct diag_facts *f, bool quick)
{
    char url[64];
    struct rpc_client *rpc = NULL;
    json_t *st = NULL;
    const struct diag_node *best = NULL;
    for (size_t i = 0; i < f->n_nodes; i++) {
        if (!f->nodes[i].answers || (best != NULL && f->nodes[i].block <= best->block)) continue;
        best = &f->nodes[i];
        f->best = i;
    }
    if (best == NULL) return;
    (void)snprintf(url, sizeof url, "http://%s:8545", best->address);
    if (rpc_client_new(&rpc, url, ASK_MS, NULL) != OK) return;
    if (rpc_client_call(&st, rpc, "aura_status", NULL, NULL) == OK && json_is_object(st)) {
        const json_t *epoch = json_object_get(st, "epoch"), *pending = json_object_get(epoch, "pendingSignalBlock");
        f->has_chain = true;
        f->step = quantity(st, "step");
        f->nodes[f->best].finalised = quantity(st, "finalized");
        f->has_pending = pending != NULL && !json_is_null(pending);
        f->pending_block = quantity(epoch, "pendingSignalBlock");
        f->signers_seen = quantity(epoch, "signersSeen");
        f->signers_needed = quantity(epoch, "signersNeeded");
        f->epoch_start = quantity(epoch, "startBlock");
        f->step_ms = quantity(st, "stepDuration") * 1000;
        f->head_timestamp = quantity(json_object_get(st, "head"), "timestamp");
        take_set(f, json_object_get(st, "validators"));
        walk_headers(f, rpc, quantity(json_object_get(st, "head"), "number"));
    }
    /* without our own method: an equal share of the time since the epoch, which is what a step is */
    if (f->step_ms == 0 && f->step > 0) f->step_ms = (f->now_ms + f->step / 2) / f->step;
    uint64_t window = 2 * f->n_validators + 2;
    for (size_t i = 0; i < f->n_validators; i++)
        f->validators[i].is_online = f->validators[i].last_step != 0 && f->validators[i].last_step + window >= f->step;
    json_decref(st);
    if (!quick) ask_pool(f, rpc);
    rpc_client_free(rpc);
    if (!quick) ask_queue(f, url);
}

static bool hash_at(char dst[static 67], const struct diag_node *n, uint64_t number)
{
    char url[64], at[19];
    struct rpc_client *rpc = NULL;
    json_t *b = NULL;
    (void)snprintf(url, sizeof url, "http://%s:8545", n->address);
    hex_put_quantity(at, number);
    if (rpc_client_new(&rpc, url, ASK_MS, NULL) != OK) return false;
    bool ok = rpc_client_call(&b, rpc, "eth_getBlockByNumber", json_pack("[s, b]", at, 0), NULL) == OK && json_is_object(b);
    if (ok) copy_text(dst, 67, json_object_get(b, "hash"));
    json_decref(b);
    rpc_client_free(rpc);
    return ok;
}

void ask_fork(struct diag_facts *f)
{
    const struct diag_node *best = &f->nodes[f->best], *other = NULL;
    uint64_t lowest = best->block, margin = f->n_validators + 1;
    char hash[67], mine[67];
    for (size_t i = 0; i < f->n_nodes; i++)
        if (f->nodes[i].answers && !f->nodes[i].is_syncing && f->nodes[i].block < lowest) lowest = f->nodes[i].block;
    /* the newest blocks may differ for a moment */
    if (!f->has_chain || lowest <= margin || !hash_at(f->fork_best, best, lowest - margin)) return;
    for (size_t i = 0; i < f->n_nodes; i++) {
        struct diag_node *n = &f->nodes[i];
        /* one of another network altogether is told by its genesis */
        if (n == best || !n->answers || n->is_syncing || strcasecmp(n->genesis, best->genesis) != 0 || !hash_at(hash, n, lowest - margin)) continue;
        if (strcasecmp(hash, f->fork_best) == 0) continue;
        COPY(n->fork_hash, hash);
        f->fork_block = lowest - margin;
        other = n;
    }
    /* where they parted: all before it is shared, nothing after */
    uint64_t low = 0, high = f->fork_block;
    while (other != NULL && high - low > 1) {
        uint64_t mid = low + (high - low) / 2;
        if (!hash_at(hash, other, mid) || !hash_at(mine, best, mid)) break;
        if (strcasecmp(hash, mine) == 0) low = mid;
        else high = mid;
    }
    f->fork_common = low;
}

void ask_peer(struct diag_facts *f)
{
    struct rpc_client *rpc = NULL;
    json_t *b = NULL;
    if (f->peer_rpc[0] == '\0' || rpc_client_new(&rpc, f->peer_rpc, ASK_MS, NULL) != OK) return;
    if (rpc_client_call(&b, rpc, "eth_getBlockByNumber", json_pack("[s, b]", "0x0", 0), NULL) == OK)
        copy_text(f->peer_genesis, sizeof f->peer_genesis, json_object_get(b, "hash"));
    json_decref(b);
    rpc_client_free(rpc);
}

/* ------------------------------------------------------------------ store */

struct access {
    struct azure_token_source *tokens;
    struct blob_store *blobs;
};

static void access_close(struct access *a)
{
    blob_store_free(a->blobs);
    azure_token_source_free(a->tokens);
}

static enum status access_open(struct access *out, const struct deployment *d, struct err *err)
{
    char token_uri[400], secret_file[4096], ca[4096];
    struct access a = {NULL, NULL};
    struct buf secret;
    buf_init(&secret, 4096);
    (void)snprintf(token_uri, sizeof token_uri, "%s/poa/oauth2/v2.0/token", d->target.store_url);
    local_path(secret_file, &d->target, LOCAL_ORCHESTRATOR_SECRET);
    local_path(ca, &d->target, LOCAL_CA);
    enum status s = file_read(&secret, secret_file, err);
    const struct azure_token_config tc = {.kind = AZURE_TOKEN_CLIENT,
                                          .token_uri = token_uri,
                                          .client_id = LOCAL_ORCHESTRATOR_CLIENT,
                                          .client_secret = buf_cstr(&secret),
                                          .ca_file = ca,
                                          .timeout_ms = STORE_MS};
    if (s == OK) s = azure_token_source_new(&a.tokens, &tc, err);
    const struct azure_service_config sc = {.base_uri = d->target.store_url, .ca_file = ca, .tokens = a.tokens, .deadline_ms = STORE_MS, .attempt_ms = STORE_MS};
    if (s == OK) s = blob_store_new(&a.blobs, &sc, err);
    if (secret.ptr != NULL) secret_wipe(secret.ptr, secret.cap);
    buf_fini(&secret);
    if (s == OK) *out = a;
    else access_close(&a);
    return s;
}

static enum status note_blob(void *ctx, const struct blob_info *info)
{
    struct diag_facts *f = ctx;
    unsigned i;
    if (!identity_blob_index(&i, info->name) || f->n_identities == DIAG_IDENTITIES_MAX) return OK;
    struct diag_identity *id = &f->identities[f->n_identities++];
    COPY(id->blob, info->name);
    id->is_leased = info->lease_state == BLOB_LEASE_LEASED;
    return OK;
}

static void read_identity(struct diag_identity *id, struct blob_store *blobs, const struct diag_facts *f)
{
    struct identity_doc doc;
    struct buf text;
    address a;
    buf_init(&text, IDENTITY_DOC_MAX);
    if (blob_get(&text, NULL, blobs, IDENTITY_CONTAINER, id->blob, NULL) == OK && identity_doc_get(&doc, buf_view(&text), NULL) == OK) {
        memcpy(a.b, doc.address, sizeof a.b);
        address_put_checksum(id->address, &a);
        COPY(id->hostname, doc.hostname);
        for (size_t i = 0; i < f->n_nodes; i++)
            if (strcmp(f->nodes[i].program.name, id->hostname) == 0) COPY(id->instance, id->hostname);
    }
    buf_fini(&text);
}

void ask_store(struct diag_facts *f, const struct deployment *d, bool list)
{
    struct access a = {NULL, NULL};
    struct err err = {0};
    struct diag_program *p = &f->programs[0];
    if (p->pid == 0 || p->stopped) return;
    if (!list) {
        char host_port[32];
        (void)snprintf(host_port, sizeof host_port, "%s:%d", d->target.store_address, LOCAL_STORE_PORT);
        f->store_answers = is_open(host_port);
        return;
    }
    enum status s = access_open(&a, d, &err);
    if (s == OK) s = blob_list(a.blobs, IDENTITY_CONTAINER, IDENTITY_BLOB_PREFIX, note_blob, f, &err);
    f->store_answers = s == OK;
    f->has_identities = s == OK;
    if (s != OK) COPY(f->store_error, err_text(&err));
    for (size_t i = 0; s == OK && i < f->n_identities; i++)
        read_identity(&f->identities[i], a.blobs, f);
    access_close(&a);
}

enum status diagnose_break_lease(const struct deployment *d, const char *blob, struct err *err)
{
    struct access a = {NULL, NULL};
    unsigned i, left;
    if (!identity_blob_index(&i, blob)) return err_set(err, E_INVALID, "'%s' is no identity: identity-0.json, identity-1.json, ...", blob);
    enum status s = access_open(&a, d, err);
    if (s == OK) s = blob_lease_break(&left, a.blobs, IDENTITY_CONTAINER, blob, 0, STORE_MS, err);
    access_close(&a);
    return s;
}

enum status diagnose_renew_access(struct deployment *d, struct err *err)
{
    const json_t *p = deployment_program(d, "identity-store");
    long pid = (long)json_integer_value(json_object_get(p, "pid"));
    enum status s = local_write_store(&d->target, err);
    if (s != OK) return s;
    if (pid <= 0 || kill((pid_t)pid, SIGTERM) != 0) return err_set(err, E_NOT_FOUND, "the list of clients is written; the identity store does not run: `poa-deploy up` starts it");
    return OK;
}
