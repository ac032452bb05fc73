#include "orchestrator/govern/govern.h"

#include "lib/base/clock.h"
#include "lib/codec/hex.h"
#include "lib/crypto/secp256k1.h"
#include "lib/eth/abi_call.h"
#include "orchestrator/govern/events.h"

enum { CALL_MAX = 4 << 20, POLL_MS = 100, RESEND_MS = 2000, SIGNERS_LOOK_MAX = 400 };

enum status govern_open(struct govern *out, const char *rpc_url, const address *contract, struct err *err)
{
    struct govern g = {.contract = *contract};
    json_t *results = NULL;
    enum status s = rpc_client_new(&g.rpc, rpc_url, 10000, err);
    if (s == OK) s = rpc_client_batch(&results, g.rpc, json_pack("[[s, []], [s, [s, b]]]", "eth_chainId", "eth_getBlockByNumber", "0x0", 0), err);
    if (s == OK) {
        const char *chain = json_string_value(json_array_get(results, 0)), *first = json_string_value(json_object_get(json_array_get(results, 1), "hash"));
        if (chain == NULL || hex_get_quantity(&g.chain_id, bytes_str(chain)) != OK || first == NULL || hash_get(&g.genesis, bytes_str(first)) != OK)
            s = err_set(err, E_DECODE, "%s tells no chain id and no first block: is it an Ethereum RPC endpoint?", rpc_url);
    }
    json_decref(results);
    if (s != OK) {
        rpc_client_free(g.rpc);
        return s;
    }
    *out = g;
    return OK;
}

void govern_close(struct govern *g)
{
    rpc_client_free(g->rpc);
    g->rpc = NULL;
}

enum status govern_address(address *out, const char *text, struct err *err)
{
    enum status st = address_get_typed(out, bytes_str(text));
    if (st == E_CRYPTO) return err_set(err, E_INVALID, "'%.100s' is mistyped: the capitals of an address are its checksum, and they do not fit these digits", text);
    return st == OK ? OK : err_set(err, E_INVALID, "'%.100s' is no address: 0x and 40 hexadecimal digits", text);
}

/* -------------------------------------------------------------- refusals */

static const struct refusal {
    const char *reason, *sentence;
} refusals[] = {
#define R(reason, sentence) {reason, sentence},
#include "orchestrator/govern/refusals.def"
#undef R
};

void govern_explain(struct err *err, const address *from)
{
    char who[43] = "this account";
    const char *text = err_text(err), *best = NULL;
    size_t best_len = 0;
    if (from != NULL) address_put_checksum(who, from);
    for (size_t i = 0; i < COUNT_OF(refusals); i++) {
        /* "already a validator" stands in no other reason; of two that match, the longer one is meant */
        size_t n = strlen(refusals[i].reason);
        if (strstr(text, refusals[i].reason) == NULL || n <= best_len) continue;
        best = refusals[i].sentence;
        best_len = n;
    }
    if (best == NULL) return;
    struct buf b;
    buf_init(&b, 4096);
    for (const char *p = best; *p != '\0';) {
        const char *gap = strstr(p, "{from}");
        buf_printf(&b, "%.*s", (int)(gap == NULL ? strlen(p) : (size_t)(gap - p)), p);
        if (gap == NULL) break;
        buf_put_str(&b, who);
        p = gap + 6;
    }
    IGNORE(err_set(err, E_DENIED, "%s", buf_cstr(&b)), "only text");
    buf_fini(&b);
}

/* ---------------------------------------------------------- transactions */

static json_t *call_object(const struct govern *g, const address *from, bytes data)
{
    char from_text[43], to_text[43];
    struct buf hex;
    buf_init(&hex, CALL_MAX);
    hex_append(&hex, data);
    address_put(from_text, from);
    address_put(to_text, &g->contract);
    json_t *o = json_pack("{s:s, s:s, s:s}", "from", from_text, "to", to_text, "data", buf_cstr(&hex));
    buf_fini(&hex);
    return o;
}

static uint64_t quantity_of(const json_t *v)
{
    const char *t = json_string_value(v);
    uint64_t n = 0;
    return t != NULL && hex_get_quantity(&n, bytes_str(t)) == OK ? n : 0;
}

enum status govern_prepare(struct tx *out, struct govern *g, const address *from, bytes data, struct err *err)
{
    char who[43];
    struct err said = {0};
    json_t *r = NULL;
    address_put(who, from);
    enum status s = rpc_client_batch(&r, g->rpc,
                                     json_pack("[[s, [o]], [s, [s, s]], [s, []]]", "eth_estimateGas", call_object(g, from, data), "eth_getTransactionCount", who,
                                               "pending", "eth_gasPrice"),
                                     &said);
    if (s != OK) {
        govern_explain(&said, from);
        return err_set(err, s, "%s", err_text(&said));
    }
    uint64_t gas = quantity_of(json_array_get(r, 0)), price = quantity_of(json_array_get(r, 2));
    *out = (struct tx){.type = TX_LEGACY,
                       .has_chain_id = true,
                       .chain_id = g->chain_id,
                       .nonce = quantity_of(json_array_get(r, 1)),
                       .gas_limit = gas + gas / 4, /* the state may have moved on a little when it is mined */
                       .max_fee = u256_from_u64(price),
                       .max_priority = u256_from_u64(price),
                       .has_to = true,
                       .to = g->contract,
                       .data = data};
    json_decref(r);
    return OK;
}

/* why a mined transaction failed: run it again on the state before its block */
static enum status explain_failure(struct govern *g, const struct tx *tx, uint64_t block, struct err *err)
{
    struct err said = {0};
    json_t *r = NULL;
    enum status s = rpc_client_call(&r, g->rpc, "eth_call", json_pack("[o, s]", call_object(g, &tx->sender, tx->data), "latest"), &said);
    json_decref(r);
    char hash[67];
    hash_put(hash, &tx->hash);
    if (s == OK)
        return err_set(err, E_DENIED, "the transaction %s was refused in block %llu: another one came first; look at the present state and decide again", hash,
                       (unsigned long long)block);
    govern_explain(&said, &tx->sender);
    return err_set(err, E_DENIED, "the transaction %s was refused in block %llu: %s", hash, (unsigned long long)block, err_text(&said));
}

/* send it (again): that it is known already is no failure.  ret OK | E_AGAIN: its nonce is used | as rpc_client_call */
static enum status push(struct govern *g, const struct tx *tx, struct err *err)
{
    struct buf hex;
    json_t *sent = NULL;
    struct err said = {0};
    buf_init(&hex, CALL_MAX);
    hex_append(&hex, tx->raw);
    enum status s = rpc_client_call(&sent, g->rpc, "eth_sendRawTransaction", json_pack("[s]", buf_cstr(&hex)), &said);
    json_decref(sent);
    buf_fini(&hex);
    if (s == OK || strcasestr(err_text(&said), "already known") != NULL || strcasestr(err_text(&said), "already imported") != NULL) return OK;
    if (s == E_DENIED && strcasestr(err_text(&said), "nonce too low") != NULL) s = E_AGAIN;
    return err_set(err, s, "%s", err_text(&said));
}

static bool is_passing(enum status s)
{
    return s == E_NET || s == E_TIMEOUT;
}

/* its receipt; a node that was started again has forgotten what it had not put into a block: then it gets it once more */
static enum status wait_receipt(json_t **out, struct govern *g, const struct tx *tx, unsigned timeout_s, struct err *err)
{
    char hash[67];
    uint64_t end = clock_mono_ms() + (uint64_t)timeout_s * 1000, sent_ms = clock_mono_ms();
    bool is_used = false; /* the nonce, by this transaction or by another one */
    hash_put(hash, &tx->hash);
    for (;;) {
        json_t *r = NULL;
        enum status s = rpc_client_call(&r, g->rpc, "eth_getTransactionReceipt", json_pack("[s]", hash), err);
        if (s == OK && json_is_object(r)) {
            *out = r;
            return OK;
        }
        json_decref(r);
        if (s != OK && !is_passing(s)) return s;
        if (s == OK && is_used)
            return err_set(err, E_CONFLICT, "another transaction of the account took the place of %s (nonce %llu): look at the present state and decide again", hash,
                           (unsigned long long)tx->nonce);
        if (clock_mono_ms() > end)
            return err_set(err, E_TIMEOUT, "transaction %s was sent but not mined within %u s%s%s; it may still be: look again with `poa-deploy admin history`", hash, timeout_s,
                           s == OK ? "" : ", since the node does not answer: ", s == OK ? "" : err_text(err));
        if (clock_mono_ms() - sent_ms > RESEND_MS) {
            sent_ms = clock_mono_ms();
            s = push(g, tx, err);
            is_used = s == E_AGAIN;
            if (s != OK && s != E_AGAIN && !is_passing(s)) return s;
        }
        clock_sleep_ms(POLL_MS);
    }
}

static json_t *read_logs(struct govern_receipt *out, const struct govern *g, const json_t *receipt)
{
    size_t i;
    json_t *log, *events = json_array();
    json_array_foreach(json_object_get(receipt, "logs"), i, log)
    {
        address at;
        const char *where = json_string_value(json_object_get(log, "address"));
        json_t *e = where != NULL && address_get(&at, bytes_str(where)) == OK && address_eq(&at, &g->contract) ? govern_event_json(log) : NULL;
        if (e == NULL) continue;
        const char *name = json_string_value(json_object_get(e, "event"));
        out->signalled = out->signalled || strcmp(name, "InitiateChange") == 0;
        out->queued = out->queued || strcmp(name, "ChangeQueued") == 0;
        json_array_append_new(events, e);
    }
    return events;
}

enum status govern_send_raw(struct govern_receipt *out, json_t **events, struct govern *g, const struct tx *tx, unsigned timeout_s, struct err *err)
{
    struct govern_receipt r = {0};
    json_t *receipt = NULL, *list = NULL;
    hash_put(r.hash, &tx->hash);
    enum status s = push(g, tx, err);
    /* its nonce is used: by itself, when someone sent it before */
    if (s == OK || s == E_AGAIN || is_passing(s)) {
        bool used = s == E_AGAIN;
        s = wait_receipt(&receipt, g, tx, used ? 0 : timeout_s, err);
        if (used && s == E_TIMEOUT)
            s = err_set(err, E_CONFLICT, "the account has used the nonce %llu for another transaction already: sign this one again", (unsigned long long)tx->nonce);
    }
    if (s != OK) return s;
    r.block = quantity_of(json_object_get(receipt, "blockNumber"));
    r.gas_used = quantity_of(json_object_get(receipt, "gasUsed"));
    list = read_logs(&r, g, receipt);
    if (quantity_of(json_object_get(receipt, "status")) != 1) s = explain_failure(g, tx, r.block, err);
    if (s == OK) *out = r;
    if (s == OK && events != NULL) *events = list;
    else json_decref(list);
    json_decref(receipt);
    return s;
}

enum status govern_send(struct govern_receipt *out, struct govern *g, const secret32 *key, bytes data, unsigned timeout_s, struct err *err)
{
    uint8_t pub[64];
    address from;
    struct tx tx;
    struct buf raw;
    if (ec_public(pub, key) != OK) return err_set(err, E_INVALID, "the key in the keystore is not valid");
    ec_address(from.b, pub);
    buf_init(&raw, CALL_MAX);
    enum status s = govern_prepare(&tx, g, &from, data, err);
    if (s == OK) s = tx_sign(&tx, &raw, key);
    if (s == OK) s = govern_send_raw(out, NULL, g, &tx, timeout_s, err);
    buf_fini(&raw);
    return s;
}

/* ------------------------------------------------------------------- wait */

enum status govern_wait_final(struct govern *g, uint64_t block, unsigned timeout_s, govern_note_fn note, void *ctx, struct err *err)
{
    uint64_t end = clock_mono_ms() + (uint64_t)timeout_s * 1000;
    for (;;) {
        json_t *r = NULL;
        enum status s = rpc_client_call(&r, g->rpc, "eth_getBlockByNumber", json_pack("[s, b]", "finalized", 0), err);
        uint64_t final = s == OK ? quantity_of(json_object_get(r, "number")) : 0;
        json_decref(r);
        if (s != OK && !is_passing(s)) return s;
        if (s == OK && final >= block) return OK;
        char text[160];
        if (s == OK) (void)snprintf(text, sizeof text, "mined in block %llu, blocks up to %llu are final", (unsigned long long)block, (unsigned long long)final);
        else (void)snprintf(text, sizeof text, "the node does not answer at present");
        note(ctx, text);
        if (clock_mono_ms() > end)
            return err_set(err, E_TIMEOUT, "mined in block %llu, but that is not final after %u s: more than half of the validators must seal for that; see `poa-deploy status`",
                           (unsigned long long)block, timeout_s);
        clock_sleep_ms(POLL_MS);
    }
}

/* what is due from outside so that the queue goes on; NULL: nothing */
static const char *due_call(const struct govern_change *c, uint64_t head)
{
    if (!c->active) return "startNextChange()";
    return head >= c->reemit_block ? "reemitChange()" : NULL;
}

static enum status send_due(struct govern *g, const secret32 *key, const char *signature, unsigned timeout_s, struct err *err)
{
    struct buf data;
    struct govern_receipt r;
    struct err refused = {0};
    buf_init(&data, 64);
    struct abi_writer w = abi_call_begin(&data, signature);
    abi_end(&w);
    enum status s = govern_send(&r, g, key, buf_view(&data), timeout_s, &refused);
    buf_fini(&data);
    return s == OK || s == E_DENIED || s == E_CONFLICT ? OK : err_set(err, s, "%s", err_text(&refused)); /* refused: someone was faster */
}

enum status govern_wait_change(struct govern *g, const secret32 *key, unsigned timeout_s, govern_note_fn note, void *ctx, struct err *err)
{
    uint64_t end = clock_mono_ms() + (uint64_t)timeout_s * 1000;
    for (;;) {
        struct govern_change c = {.active = true};
        uint64_t head = 0;
        char text[200];
        enum status s = govern_change_info(&c, g, err);
        if (s == OK && !c.active && c.queued == 0) return OK;
        if (s == OK) s = rpc_client_u64(&head, g->rpc, "eth_blockNumber", NULL, err);
        const char *due = s == OK && key != NULL ? due_call(&c, head) : NULL;
        if (due != NULL) s = send_due(g, key, due, timeout_s, err);
        if (s != OK && !is_passing(s)) return s;
        if (s == OK)
            (void)snprintf(text, sizeof text, "change %llu was signalled in block %llu and waits for finality, head is %llu", (unsigned long long)c.id,
                           (unsigned long long)c.signal_block, (unsigned long long)head);
        else (void)snprintf(text, sizeof text, "the node does not answer at present");
        note(ctx, text);
        if (clock_mono_ms() > end)
            return err_set(err, E_TIMEOUT, "change %llu, signalled in block %llu, is not in force after %u s: more than half of the validators must seal for that; see `poa-deploy status`",
                           (unsigned long long)c.id, (unsigned long long)c.signal_block, timeout_s);
        clock_sleep_ms(POLL_MS * 2);
    }
}

bool govern_signers_missing(uint64_t *out, struct govern *g, uint64_t signal_block)
{
    address *list = NULL, *authors = NULL;
    size_t n = 0, seen = 0;
    uint64_t head = 0;
    json_t *calls = json_array(), *blocks = NULL, *block;
    size_t i;
    enum status s = govern_list(&list, &n, g, "getValidators()", NULL, NULL);
    free(list);
    if (s == OK) s = rpc_client_u64(&head, g->rpc, "eth_blockNumber", NULL, NULL);
    for (uint64_t at = signal_block; s == OK && at <= head && at - signal_block < SIGNERS_LOOK_MAX; at++) {
        char number[19];
        hex_put_quantity(number, at);
        json_array_append_new(calls, json_pack("[s, [s, b]]", "eth_getBlockByNumber", number, 0));
    }
    if (s == OK) authors = calloc(SIGNERS_LOOK_MAX, sizeof *authors);
    if (s == OK && authors == NULL) s = E_NOMEM;
    if (s == OK) s = rpc_client_batch(&blocks, g->rpc, json_incref(calls), NULL);
    json_array_foreach(blocks, i, block)
    {
        address who;
        const char *t = json_string_value(json_object_get(block, "miner"));
        bool is_new = t != NULL && address_get(&who, bytes_str(t)) == OK;
        for (size_t k = 0; is_new && k < seen; k++)
            is_new = !address_eq(&authors[k], &who);
        if (is_new) authors[seen++] = who;
    }
    json_decref(calls);
    json_decref(blocks);
    free(authors);
    if (s != OK) return false;
    /* SPEC(aura.md): more than half of the set; seen, but the block that puts it in force is yet to come */
    *out = n / 2 + 1 > seen ? n / 2 + 1 - seen : 1;
    return true;
}
