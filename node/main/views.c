/* views.c: what the member pages want to know of the chain: the governance contract by its views, the network, what moves. */
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/crypto/secp256k1.h"
#include "node/aura/aura.h"
#include "node/main/node.h"

#include <limits.h>
#include <unistd.h>

enum { VIEW_GAS = 500000000, HEADER_ARENA = 1 << 20, EVM_CACHE = 1 << 20 };

/* ---------------------------------------------------------- the contract */

struct snapshot {
    struct node *node;
    address contract;
    struct kv_txn *txn;
    struct state *state;
    struct arena a;
    struct header header;
    struct evm *evm; /* made with the first call: an unchanged contract needs none */
    struct exec_env env;
};

static void close_snapshot(void *snapshot)
{
    struct snapshot *v = snapshot;
    if (v == NULL) return;
    state_free(v->state);
    evm_free(v->evm);
    kv_abort(v->txn);
    arena_fini(&v->a);
    free(v);
}

static void *open_snapshot(void *ctx, struct member_contract *out)
{
    struct node *n = ctx;
    struct snapshot *v = calloc(1, sizeof *v);
    struct state_account account;
    uint64_t number, finalised;
    hash32 hash;
    bool first, exists;
    if (v == NULL) return NULL;
    v->node = n;
    arena_init(&v->a, HEADER_ARENA);
    enum status s = kv_begin(&v->txn, n->kv, false);
    if (s == OK) s = blocks_get_head(&number, &hash, &finalised, v->txn);
    if (s == OK) s = blocks_get_header(&v->header, v->txn, &hash, &v->a);
    if (s == OK) s = state_open(&v->state, v->txn, STATE_LATEST);
    *out = (struct member_contract){0};
    if (s == OK && n->spec.engine == ENGINE_AURA) {
        const struct validator_set_spec *set = aura_set_spec_at(&first, &n->spec.aura.validators, number);
        out->has_contract = set->kind == VALSET_SAFE_CONTRACT || set->kind == VALSET_CONTRACT;
        out->at = v->contract = set->contract;
        if (out->has_contract) s = state_get_account(v->state, &v->contract, &account, &exists);
        if (s == OK && out->has_contract && exists) out->version = account.storage_root;
    }
    if (s == OK) return v;
    close_snapshot(v);
    return NULL;
}

static enum status call_view(void *snapshot, struct buf *out, bytes input)
{
    struct snapshot *v = snapshot;
    struct evm_result r;
    enum status s = OK;
    if (v->evm == NULL) {
        s = evm_new(&v->evm, EVM_CACHE);
        if (s == OK) chain_call_env(&v->env, v->node->chain, v->evm, v->txn, &v->header, false);
    }
    if (s != OK) return s;
    int mark = state_snapshot(v->state);
    struct evm_message msg = {.kind = EVM_CALL, .recipient = v->contract, .code_address = v->contract, .gas = VIEW_GAS, .input = input};
    s = exec_call(&r, &v->env, v->state, &msg, &U256_ZERO);
    if (s == OK && r.outcome == EVM_HOST_FAILURE) s = r.host_status;
    else if (s == OK && r.outcome != EVM_SUCCESS) s = E_DENIED;
    if (s == OK) buf_put_bytes(out, r.output);
    state_revert(v->state, mark);
    return s == OK ? buf_status(out) : s;
}

struct member_views node_member_views(void)
{
    return (struct member_views){.open = open_snapshot, .call = call_view, .close = close_snapshot};
}

/* ------------------------------------------------------------ the network */

static json_t *json_hash(const hash32 *h)
{
    char text[67];
    hash_put(text, h);
    return json_string(text);
}

static json_t *json_address(const address *a)
{
    char text[43];
    address_put_checksum(text, a);
    return json_string(text);
}

static json_t *json_u64(uint64_t v)
{
    return json_integer((json_int_t)v);
}

json_t *node_network_json(void *ctx)
{
    struct node *n = ctx;
    hash32 genesis = chain_genesis_hash(n->chain);
    json_t *doc = json_object();
    json_object_set_new(doc, "networkName", json_string(n->spec.name));
    json_object_set_new(doc, "chainId", json_u64(n->spec.chain_id));
    json_object_set_new(doc, "networkId", json_u64(n->spec.network_id));
    json_object_set_new(doc, "genesisHash", json_hash(&genesis));
    return doc;
}

/* who proposes in the step, by the set of the block after the head */
static json_t *sealers(json_t **in_turn, struct node *n, uint64_t step)
{
    struct arena a;
    address *list;
    size_t count;
    json_t *out = json_array();
    arena_init(&a, 64 << 20);
    if (chain_validators(&list, &count, n->chain, &a) == OK) {
        for (size_t i = 0; i < count; i++)
            json_array_append_new(out, json_address(&list[i]));
        if (count > 0) *in_turn = json_address(&list[step % count]);
    }
    arena_fini(&a);
    return out;
}

static json_t *head_json(struct node *n, const struct chain_head *h)
{
    struct kv_txn *txn;
    struct arena a;
    struct header header;
    json_t *doc = json_object();
    json_object_set_new(doc, "number", json_u64(h->number));
    json_object_set_new(doc, "hash", json_hash(&h->hash));
    json_object_set_new(doc, "timestamp", json_u64(h->timestamp));
    json_object_set_new(doc, "step", json_u64(h->step));
    arena_init(&a, HEADER_ARENA);
    if (kv_begin(&txn, n->kv, false) == OK) {
        if (blocks_get_header(&header, txn, &h->hash, &a) == OK) json_object_set_new(doc, "author", json_address(&header.author));
        kv_abort(txn);
    }
    arena_fini(&a);
    return doc;
}

/* this node, and the nodes that it is connected with */
static void put_peers(json_t *doc, struct node *n)
{
    json_t *self = json_object(), *peers = json_array();
    char id[129];
    json_object_set_new(self, "hostname", json_string(n->cfg.hostname == NULL ? "" : n->cfg.hostname));
    json_object_set_new(self, "region", json_string(n->cfg.region == NULL ? "" : n->cfg.region));
    json_object_set_new(self, "address", n->has_self ? json_address(&n->self) : json_null());
    json_object_set_new(self, "client", json_string(NODE_CLIENT));
    pthread_mutex_lock(&n->lock);
    json_object_set_new(self, "enodeUrl", json_string(n->enode));
    json_object_set_new(self, "peers", json_u64(n->n_peers));
    json_object_set_new(self, "syncing", json_boolean(n->sync.is_syncing));
    for (size_t i = 0; i < n->n_peers; i++) {
        const struct p2p_peer_info *p = &n->peers[i];
        for (size_t b = 0; b < 64; b++)
            (void)snprintf(id + 2 * b, 3, "%02x", p->pub[b]);
        json_t *one = json_object();
        json_object_set_new(one, "id", json_string(id));
        json_object_set_new(one, "client", json_string(p->client));
        json_object_set_new(one, "remote", json_string(p->remote));
        json_object_set_new(one, "inbound", json_boolean(p->inbound));
        json_object_set_new(one, "block", p->eth.has_number ? json_u64(p->eth.number) : json_null());
        json_array_append_new(peers, one);
    }
    pthread_mutex_unlock(&n->lock);
    json_object_set_new(doc, "self", self);
    json_object_set_new(doc, "peers", peers);
}

json_t *node_live_json(void *ctx)
{
    struct node *n = ctx;
    struct chain_head head;
    struct chain_epoch epoch;
    uint64_t step, next_ms;
    json_t *doc = json_object(), *in_turn = NULL;
    chain_get_head(&head, n->chain);
    chain_get_epoch(&epoch, n->chain);
    json_object_set_new(doc, "head", head_json(n, &head));
    json_object_set_new(doc, "finalised", json_u64(head.finalised));
    if (n->spec.engine == ENGINE_AURA) {
        chain_step_at(&step, &next_ms, n->chain, clock_wall_ms());
        json_object_set_new(doc, "step", json_u64(step));
        json_object_set_new(doc, "stepDurationMs", json_u64(aura_step_duration_ms(&n->spec.aura, step)));
        json_t *set = sealers(&in_turn, n, step);
        json_object_set_new(doc, "inTurn", in_turn == NULL ? json_null() : in_turn);
        json_object_set_new(doc, "validators", set);
        json_object_set_new(doc, "epochStart", json_u64(epoch.start_block));
        json_object_set_new(doc, "signalBlock", epoch.has_pending ? json_u64(epoch.pending_signal_block) : json_null());
        json_object_set_new(doc, "signersSeen", json_u64(epoch.signers_seen));
        json_object_set_new(doc, "signersNeeded", json_u64(epoch.signers_needed));
    }
    put_peers(doc, n);
    return doc;
}

enum status node_prove(void *ctx, uint8_t sig65[static 65], struct possession *p)
{
    struct node *n = ctx;
    struct chain_head head;
    if (!n->has_self) return E_DENIED;
    chain_get_head(&head, n->chain);
    p->validator = n->self;
    p->chain_id = n->spec.chain_id;
    p->genesis = chain_genesis_hash(n->chain);
    p->time_ms = clock_wall_ms();
    p->block = head.number;
    pthread_mutex_lock(&n->lock);
    p->is_syncing = n->sync.is_syncing;
    pthread_mutex_unlock(&n->lock);
    if (n->cfg.mode != IDENTITY_FILE) return identity_prove(n->identity, sig65, p);
    hash32 digest = possession_digest(p);
    return ec_sign(sig65, digest.b, &n->file_key);
}

/* ---------------------------------------------------------------- the page */

const char *node_web_dir(char dst[static 4096], const char *configured)
{
    /* from a build tree: <root>/build/<profile>/poa-node; installed: <prefix>/bin and <prefix>/share/poa-deploy */
    static const char *const beside[] = {"/../../node/member/web", "/../share/poa-deploy/web", "/web"};
    static const char packaged[] = "/usr/share/poa-deploy/web";
    char exe[PATH_MAX], probe[PATH_MAX + 64];
    if (configured != NULL) return configured;
    ssize_t len = readlink("/proc/self/exe", exe, sizeof exe - 1);
    exe[len > 0 ? len : 0] = '\0';
    char *slash = strrchr(exe, '/');
    if (slash != NULL) *slash = '\0';
    for (size_t i = 0; slash != NULL && i < COUNT_OF(beside); i++) {
        (void)snprintf(probe, sizeof probe, "%s%s/index.html", exe, beside[i]);
        if (!file_exists(probe)) continue;
        (void)snprintf(dst, 4096, "%.4000s%s", exe, beside[i]);
        return dst;
    }
    (void)snprintf(probe, sizeof probe, "%s/index.html", packaged);
    return file_exists(probe) ? packaged : NULL;
}
