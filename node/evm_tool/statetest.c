/* Official GeneralStateTests: one transaction on a given state, for each fork and each combination of data, gas limit and value; the root
 * of the state and the hash of the logs are given. */
#include "node/evm_tool/tool.h"

#include "lib/codec/rlp.h"
#include "lib/crypto/keccak.h"
#include "lib/crypto/secp256k1.h"
#include "node/chain/execute.h"
#include "node/store/tables.h"

struct statetest {
    struct evm *evm;
    struct arena arena; /* of one case */
    struct buf tx_bytes, data, access_list, blob_hashes, auth_list;
};

enum status case_block_hash(void *ctx, uint64_t number, hash32 *out)
{
    char text[24];
    int n = snprintf(text, sizeof text, "%llu", (unsigned long long)number);
    (void)ctx;
    keccak256(out->b, text, (size_t)n);
    return OK;
}

const char *case_read_env(struct exec_env *env, const json_t *e)
{
    struct evm_block *b = &env->block;
    const struct rules *r = &env->rules;
    u256 v;
    hash32 random;
    if (!case_address(&b->author, e, "currentCoinbase") || !case_u64(&b->number, e, "currentNumber") ||
        !case_u64(&b->timestamp, e, "currentTimestamp") || !case_u256(&v, e, "currentGasLimit"))
        return "env: a member is missing or malformed";
    b->gas_limit = u256_to_u64_sat(&v);
    b->chain_id = r->chain_id;
    if (!case_u256(&b->difficulty, e, "currentDifficulty")) b->difficulty = U256_ZERO;
    if (r->eip4399) b->difficulty = case_hash(&random, e, "currentRandom") ? u256_from_be(random.b) : U256_ZERO;
    if (r->eip1559 && !case_u256(&b->base_fee, e, "currentBaseFee")) b->base_fee = u256_from_u64(10);
    uint64_t excess = 0;
    if (r->eip4844) {
        if (!case_u64(&excess, e, "currentExcessBlobGas")) excess = 0;
        b->blob_base_fee = exec_blob_base_fee(excess, r->eip7691);
    }
    return NULL;
}

static bool read_access_list(struct buf *out, json_t *list)
{
    size_t i, j;
    json_t *entry, *key;
    json_array_foreach(list, i, entry) {
        address a;
        size_t l = rlp_list_open(out);
        if (!case_address(&a, entry, "address")) return false;
        rlp_put_string(out, BYTES_OF(a));
        size_t keys = rlp_list_open(out);
        json_array_foreach(json_object_get(entry, "storageKeys"), j, key) {
            u256 k;
            uint8_t be[32];
            if (!u256_of_text(&k, key)) return false;
            u256_to_be(be, &k);
            rlp_put_string(out, BYTES_OF(be));
        }
        rlp_list_close(out, keys);
        rlp_list_close(out, l);
    }
    return true;
}

static bool put_word(struct buf *out, const json_t *o, const char *key)
{
    u256 v;
    uint8_t be[32];
    if (!case_u256(&v, o, key)) return false;
    u256_to_be(be, &v);
    rlp_put_uint(out, BYTES_OF(be));
    return true;
}

static bool read_auth_list(struct buf *out, json_t *list)
{
    size_t i;
    json_t *entry;
    json_array_foreach(list, i, entry) {
        address a;
        size_t l = rlp_list_open(out);
        if (!put_word(out, entry, "chainId") || !case_address(&a, entry, "address")) return false;
        rlp_put_string(out, BYTES_OF(a));
        if (!put_word(out, entry, "nonce") || !(put_word(out, entry, "yParity") || put_word(out, entry, "v")) || !put_word(out, entry, "r") ||
            !put_word(out, entry, "s"))
            return false;
        rlp_list_close(out, l);
    }
    return true;
}

/* read_tx: from its members, for tests without txbytes; ret false when the transaction cannot even be written down */
static bool read_tx(struct statetest *t, struct tx *tx, json_t *j, uint64_t chain_id, size_t d, size_t g, size_t v)
{
    u256 gas;
    *tx = (struct tx){.has_sender = true, .chain_id = chain_id};
    json_t *lists = json_object_get(j, "accessLists"), *hashes = json_object_get(j, "blobVersionedHashes"), *hash;
    if (!case_u64(&tx->nonce, j, "nonce") || !u256_of_text(&gas, json_array_get(json_object_get(j, "gasLimit"), g)) || !u256_is_u64(&gas) ||
        !u256_of_text(&tx->value, json_array_get(json_object_get(j, "value"), v)) ||
        !case_bytes(&t->data, json_array_get(json_object_get(j, "data"), d)))
        return false;
    tx->gas_limit = gas.w[0];
    tx->data = buf_view(&t->data);
    if (json_is_array(json_array_get(lists, d))) {
        tx->type = TX_ACCESS_LIST;
        if (!read_access_list(&t->access_list, json_array_get(lists, d))) return false;
        tx->access_list = buf_view(&t->access_list);
    }
    if (json_object_get(j, "maxFeePerGas") != NULL) {
        tx->type = TX_DYNAMIC_FEE;
        if (!case_u256(&tx->max_fee, j, "maxFeePerGas") || !case_u256(&tx->max_priority, j, "maxPriorityFeePerGas")) return false;
    } else {
        if (!case_u256(&tx->max_fee, j, "gasPrice")) return false;
        tx->max_priority = tx->max_fee;
    }
    if (hashes != NULL) {
        size_t i;
        tx->type = TX_BLOB;
        if (!case_u256(&tx->max_blob_fee, j, "maxFeePerBlobGas")) return false;
        json_array_foreach(hashes, i, hash) {
            u256 h;
            uint8_t be[32];
            if (!u256_of_text(&h, hash)) return false;
            u256_to_be(be, &h);
            rlp_put_string(&t->blob_hashes, BYTES_OF(be));
        }
        tx->blob_hashes = buf_view(&t->blob_hashes);
    }
    if (json_object_get(j, "authorizationList") != NULL) {
        tx->type = TX_SET_CODE;
        if (!read_auth_list(&t->auth_list, json_object_get(j, "authorizationList"))) return false;
        tx->auth_list = buf_view(&t->auth_list);
    }
    tx->has_chain_id = tx->type != TX_LEGACY;
    const char *to = json_string_value(json_object_get(j, "to"));
    tx->has_to = to != NULL && to[0] != 0;
    if (tx->has_to && address_get(&tx->to, bytes_str(to)) != OK) return false;
    if (!case_address(&tx->sender, j, "sender")) {
        secret32 key;
        hash32 h;
        uint8_t pub[64];
        if (!case_hash(&h, j, "secretKey")) return false;
        memcpy(key.b, h.b, 32);
        if (ec_public(pub, &key) != OK) return false;
        ec_address(tx->sender.b, pub);
    }
    return true;
}

void case_logs_hash(hash32 *out, const struct receipt *r)
{
    struct buf b;
    buf_init(&b, SIZE_MAX / 2);
    size_t list = rlp_list_open(&b);
    for (size_t i = 0; i < r->n_logs; i++) {
        const struct log_entry *l = &r->logs[i];
        size_t entry = rlp_list_open(&b);
        rlp_put_string(&b, BYTES_OF(l->addr));
        size_t topics = rlp_list_open(&b);
        for (size_t k = 0; k < l->n_topics; k++) rlp_put_string(&b, BYTES_OF(l->topics[k]));
        rlp_list_close(&b, topics);
        rlp_put_string(&b, l->data);
        rlp_list_close(&b, entry);
    }
    rlp_list_close(&b, list);
    keccak256(out->b, b.ptr, b.len);
    buf_fini(&b);
}

struct one {
    const char *test, *label;
    json_t *doc, *post;
    struct exec_env env;
    struct state *state;
};

/* run_one: ret OK, or our own trouble; the verdict on the case goes to c */
static enum status run_one(struct cases *c, struct one *o)
{
    struct statetest *t = c->ctx;
    const json_t *indexes = json_object_get(o->post, "indexes");
    const size_t d = (size_t)json_integer_value(json_object_get(indexes, "data")), g = (size_t)json_integer_value(json_object_get(indexes, "gas")),
                 v = (size_t)json_integer_value(json_object_get(indexes, "value"));
    const bool refusal = json_is_string(json_object_get(o->post, "expectException"));
    json_t *raw = json_object_get(o->post, "txbytes");
    struct tx tx;
    struct receipt receipt = {0};
    enum tx_verdict verdict = TX_VALID;
    const char *malformed = NULL;
    struct err err = {0};
    if (raw != NULL) {
        if (!case_bytes(&t->tx_bytes, raw))
            malformed = "txbytes is no hex";
        else if (tx_get(&tx, buf_view(&t->tx_bytes), &err) != OK)
            malformed = err_text(&err);
        else if (tx_recover(&tx, o->env.rules.homestead) != OK)
            malformed = "no sender can be recovered";
    } else if (!read_tx(t, &tx, json_object_get(o->doc, "transaction"), o->env.rules.chain_id, d, g, v)) {
        malformed = "a member is out of range";
    }
    enum status st = OK;
    if (malformed == NULL) st = exec_tx(&verdict, &receipt, NULL, &o->env, o->state, &tx, &t->arena);
    if (st != OK) return st;
    const char *refused = malformed != NULL ? malformed : verdict != TX_VALID ? tx_verdict_text(verdict) : NULL;

    /* the tests' reward of zero touches the author, also when the transaction was refused */
    hash32 want, got, logs;
    state_begin_tx(o->state, &o->env.rules);
    st = state_add_balance(o->state, &o->env.block.author, &U256_ZERO);
    if (st == OK) st = state_end_tx(o->state, NULL);
    if (st == OK) st = state_root(o->state, &got);
    if (st != OK) return st;
    if (refusal != (refused != NULL))
        cases_fail(c, o->test, o->label, refusal ? "was run, %s was due" : "was refused: %s",
                   refusal ? json_string_value(json_object_get(o->post, "expectException")) : refused);
    else if (!case_hash(&want, o->post, "hash") || !hash_eq(&want, &got)) {
        char text[67];
        hash_put(text, &got);
        cases_fail(c, o->test, o->label, "state root is %s, gas used %llu", text, (unsigned long long)receipt.gas_used);
    } else if (case_logs_hash(&logs, &receipt), !case_hash(&want, o->post, "logs") || !hash_eq(&want, &logs))
        cases_fail(c, o->test, o->label, "logs differ");
    else
        cases_pass(c, o->test, o->label);
    return OK;
}

static void run_case(struct cases *c, const char *name, json_t *test, const char *fork, json_t *post, struct kv *kv)
{
    struct statetest *t = c->ctx;
    const json_t *indexes = json_object_get(post, "indexes"), *config = json_object_get(test, "config");
    struct one o = {.test = name, .doc = test, .post = post};
    struct kv_txn *txn = NULL;
    enum fork f;
    char label[100];
    (void)snprintf(label, sizeof label, "[%s d%lld g%lld v%lld]", fork, (long long)json_integer_value(json_object_get(indexes, "data")),
                   (long long)json_integer_value(json_object_get(indexes, "gas")),
                   (long long)json_integer_value(json_object_get(indexes, "value")));
    o.label = label;
    cases_use_fork(c, fork);
    if (fork_parse(&f, fork) != OK) {
        cases_fail(c, name, label, "unknown fork");
        return;
    }
    o.env = (struct exec_env){.evm = t->evm, .block_hash = case_block_hash};
    rules_from_fork(&o.env.rules, f);
    if (json_object_get(config, "chainid") != NULL && !case_u64(&o.env.rules.chain_id, config, "chainid")) {
        cases_fail(c, name, label, "config: bad chainid");
        return;
    }
    const char *bad = case_read_env(&o.env, json_object_get(test, "env"));
    if (bad != NULL) {
        cases_fail(c, name, label, "%s", bad);
        return;
    }
    enum status st = kv_begin(&txn, kv, false);
    if (st == OK) st = state_open(&o.state, txn, STATE_LATEST);
    if (st == OK) st = run_one(c, &o);
    if (st != OK) cases_fail(c, name, label, "our own trouble: %s", status_text(st));
    state_free(o.state);
    kv_abort(txn);
    arena_reset(&t->arena);
    buf_clear(&t->tx_bytes);
    buf_clear(&t->data);
    buf_clear(&t->access_list);
    buf_clear(&t->blob_hashes);
    buf_clear(&t->auth_list);
}

static void run_test(struct cases *c, const char *name, json_t *test)
{
    json_t *list, *posts = json_object_get(test, "post"), *post;
    const char *fork;
    struct kv *kv = NULL;
    size_t i;
    if (!json_is_object(posts)) {
        cases_fail(c, name, "", "no state test: it has no \"post\"");
        return;
    }
    enum status st = kv_open_memory(&kv, TABLE_N);
    if (st == OK) st = case_load_state(kv, json_object_get(test, "pre"), NULL);
    json_object_foreach(posts, fork, list) {
        enum fork f;
        if (!cases_wants(c, fork_parse(&f, fork) == OK ? fork_name(f) : fork)) continue;
        json_array_foreach(list, i, post) {
            if (st == OK)
                run_case(c, name, test, fork, post, kv);
            else
                cases_fail(c, name, fork, "pre: %s", status_text(st));
        }
    }
    kv_close(kv);
}

int tool_statetest(int argc, char **argv)
{
    struct statetest t = {0};
    struct cases c = {.command = "statetest", .run = run_test, .ctx = &t};
    if (evm_new(&t.evm, 0) != OK) BUG("out of memory");
    arena_init(&t.arena, SIZE_MAX);
    buf_init(&t.tx_bytes, 1 << 26);
    buf_init(&t.data, 1 << 26);
    buf_init(&t.access_list, 1 << 26);
    buf_init(&t.blob_hashes, 1 << 20);
    buf_init(&t.auth_list, 1 << 26);
    int rc = cases_main(&c, argc, argv);
    buf_fini(&t.tx_bytes);
    buf_fini(&t.data);
    buf_fini(&t.access_list);
    buf_fini(&t.blob_hashes);
    buf_fini(&t.auth_list);
    arena_fini(&t.arena);
    evm_free(t.evm);
    return rc;
}
