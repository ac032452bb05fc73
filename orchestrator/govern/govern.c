#include "orchestrator/govern/govern.h"

#include "lib/base/clock.h"
#include "lib/codec/abi.h"
#include "lib/codec/hex.h"
#include "lib/crypto/secp256k1.h"
#include "lib/eth/abi_call.h"
#include "lib/eth/tx.h"

enum { CALL_MAX = 4 << 20, POLL_MS = 100 };

enum status govern_open(struct govern *out, const char *rpc_url, const address *contract, struct err *err)
{
    struct govern g = {.contract = *contract};
    enum status s = rpc_client_new(&g.rpc, rpc_url, 10000, err);
    if (s == OK) s = rpc_client_u64(&g.chain_id, g.rpc, "eth_chainId", NULL, err);
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

/* ----------------------------------------------------------------- views */

/* call a view that takes nothing or one address; its return data is appended to out */
static enum status view(struct buf *out, struct govern *g, const char *signature, const address *arg, struct err *err)
{
    struct buf data;
    buf_init(&data, 256);
    struct abi_writer w = abi_call_begin(&data, signature);
    if (arg != NULL) abi_put_address(&w, arg->b);
    abi_end(&w);
    enum status s = rpc_client_eth_call(out, g->rpc, arg != NULL ? arg : NULL, &g->contract, buf_view(&data), err);
    buf_fini(&data);
    if (s == OK && out->len == 0) s = err_set(err, E_NOT_FOUND, "there is no governance contract at the address that the chain specification names");
    return s;
}

static enum status odd(struct err *err, const char *signature)
{
    return err_set(err, E_DECODE, "the contract's answer to %s has another form: is it another contract?", signature);
}

enum status govern_list(address **out, size_t *n_out, struct govern *g, const char *signature, const address *arg, struct err *err)
{
    struct buf b;
    buf_init(&b, CALL_MAX);
    enum status s = view(&b, g, signature, arg, err);
    struct abi_reader r = abi_read(buf_view(&b)), items;
    size_t n = 0;
    address *list = NULL;
    if (s == OK && abi_get_array(&items, &n, &r) != OK) s = odd(err, signature);
    if (s == OK && (list = calloc(n + 1, sizeof *list)) == NULL) s = E_NOMEM;
    for (size_t i = 0; s == OK && i < n; i++)
        if (abi_get_address(list[i].b, &items) != OK) s = odd(err, signature);
    buf_fini(&b);
    if (s != OK) {
        free(list);
        return s;
    }
    *out = list;
    *n_out = n;
    return OK;
}

enum status govern_number(uint64_t *out, struct govern *g, const char *signature, const address *arg, struct err *err)
{
    struct buf b;
    buf_init(&b, CALL_MAX);
    enum status s = view(&b, g, signature, arg, err);
    struct abi_reader r = abi_read(buf_view(&b));
    if (s == OK && abi_get_u64(out, &r) != OK) s = odd(err, signature);
    buf_fini(&b);
    return s;
}

enum status govern_bool(bool *out, struct govern *g, const char *signature, const address *arg, struct err *err)
{
    struct buf b;
    buf_init(&b, CALL_MAX);
    enum status s = view(&b, g, signature, arg, err);
    struct abi_reader r = abi_read(buf_view(&b));
    if (s == OK && abi_get_bool(out, &r) != OK) s = odd(err, signature);
    buf_fini(&b);
    return s;
}

enum status govern_text(struct buf *out, struct govern *g, const char *signature, const address *arg, struct err *err)
{
    struct buf b;
    buf_init(&b, CALL_MAX);
    enum status s = view(&b, g, signature, arg, err);
    struct abi_reader r = abi_read(buf_view(&b));
    bytes text;
    if (s == OK && abi_get_bytes(&text, &r) != OK) s = odd(err, signature);
    /* an alias is another member's text: control characters would reach this terminal */
    for (size_t i = 0; s == OK && i < text.len; i++)
        buf_put_u8(out, text.ptr[i] < 0x20 || text.ptr[i] == 0x7f ? '?' : text.ptr[i]);
    buf_fini(&b);
    return s == OK ? buf_status(out) : s;
}

enum status govern_change_info(struct govern_change *out, struct govern *g, struct err *err)
{
    static const char signature[] = "getChangeInfo()";
    struct buf b;
    buf_init(&b, CALL_MAX);
    enum status s = view(&b, g, signature, NULL, err);
    struct abi_reader r = abi_read(buf_view(&b)), set;
    struct govern_change c;
    size_t n;
    if (s == OK && (abi_get_bool(&c.active, &r) != OK || abi_get_u64(&c.id, &r) != OK || abi_get_u64(&c.signal_block, &r) != OK ||
                    abi_get_array(&set, &n, &r) != OK || abi_get_u64(&c.queued, &r) != OK || abi_get_u64(&c.reemit_block, &r) != OK))
        s = odd(err, signature);
    if (s == OK) *out = c;
    buf_fini(&b);
    return s;
}

/* ---------------------------------------------------------- transactions */

static json_t *call_object(struct govern *g, const address *from, bytes data)
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

enum status govern_estimate(uint64_t *gas, struct govern *g, const address *from, bytes data, struct err *err)
{
    return rpc_client_u64(gas, g->rpc, "eth_estimateGas", json_pack("[o]", call_object(g, from, data)), err);
}

static enum status wait_receipt(json_t **out, struct govern *g, const char *hash, unsigned timeout_s, struct err *err)
{
    uint64_t end = clock_mono_ms() + (uint64_t)timeout_s * 1000;
    for (;;) {
        json_t *r = NULL;
        enum status s = rpc_client_call(&r, g->rpc, "eth_getTransactionReceipt", json_pack("[s]", hash), err);
        if (s == OK && json_is_object(r)) {
            *out = r;
            return OK;
        }
        json_decref(r);
        if (s != OK && s != E_NET && s != E_TIMEOUT) return s;
        if (clock_mono_ms() > end)
            return err_set(err, E_TIMEOUT, "transaction %s was sent but not mined within %u s; it may still be: look again with `poa-deploy admin list`", hash, timeout_s);
        clock_sleep_ms(POLL_MS);
    }
}

static uint64_t quantity(const json_t *o, const char *key)
{
    const char *t = json_string_value(json_object_get(o, key));
    uint64_t v = 0;
    return t != NULL && hex_get_quantity(&v, bytes_str(t)) == OK ? v : 0;
}

static void read_logs(struct govern_receipt *out, const json_t *receipt)
{
    hash32 signal = abi_event_topic("InitiateChange(bytes32,address[])"), queued = abi_event_topic("ChangeQueued(uint256,uint256)");
    size_t i;
    json_t *log;
    json_array_foreach(json_object_get(receipt, "logs"), i, log)
    {
        const char *t = json_string_value(json_array_get(json_object_get(log, "topics"), 0));
        hash32 topic;
        if (t == NULL || hash_get(&topic, bytes_str(t)) != OK) continue;
        if (hash_eq(&topic, &signal)) out->signalled = true;
        if (hash_eq(&topic, &queued)) out->queued = true;
    }
}

enum status govern_send(struct govern_receipt *out, struct govern *g, const secret32 *key, bytes data, unsigned timeout_s, struct err *err)
{
    uint8_t pub[64];
    address from;
    char from_text[43];
    uint64_t gas = 0, nonce = 0, price = 0;
    enum status s = ec_public(pub, key);
    if (s != OK) return err_set(err, s, "the key in the keystore is not valid");
    ec_address(from.b, pub);
    address_put(from_text, &from);
    s = govern_estimate(&gas, g, &from, data, err);
    if (s == OK) s = rpc_client_u64(&nonce, g->rpc, "eth_getTransactionCount", json_pack("[s, s]", from_text, "pending"), err);
    if (s == OK) s = rpc_client_u64(&price, g->rpc, "eth_gasPrice", NULL, err);
    if (s != OK) return s;
    struct tx tx = {.type = TX_LEGACY,
                    .has_chain_id = true,
                    .chain_id = g->chain_id,
                    .nonce = nonce,
                    .gas_limit = gas + gas / 4, /* the state may have moved on a little when it is mined */
                    .max_fee = u256_from_u64(price),
                    .max_priority = u256_from_u64(price),
                    .has_to = true,
                    .to = g->contract,
                    .data = data};
    struct buf raw, hex;
    buf_init(&raw, CALL_MAX);
    buf_init(&hex, CALL_MAX);
    json_t *sent = NULL, *receipt = NULL;
    s = tx_sign(&tx, &raw, key);
    hex_append(&hex, buf_view(&raw));
    if (s == OK) s = rpc_client_call(&sent, g->rpc, "eth_sendRawTransaction", json_pack("[s]", buf_cstr(&hex)), err);
    struct govern_receipt r = {0};
    hash_put(r.hash, &tx.hash);
    if (s == OK) s = wait_receipt(&receipt, g, r.hash, timeout_s, err);
    if (s == OK) {
        r.block = quantity(receipt, "blockNumber");
        r.gas_used = quantity(receipt, "gasUsed");
        read_logs(&r, receipt);
        if (quantity(receipt, "status") != 1) s = err_set(err, E_DENIED, "transaction %s was mined in block %llu but the contract refused it", r.hash, (unsigned long long)r.block);
    }
    if (s == OK) *out = r;
    json_decref(sent);
    json_decref(receipt);
    buf_fini(&raw);
    buf_fini(&hex);
    return s;
}

enum status govern_wait_change(struct govern *g, const secret32 *key, unsigned timeout_s, void (*note)(void *ctx, const char *text), void *ctx,
                               struct err *err)
{
    uint64_t end = clock_mono_ms() + (uint64_t)timeout_s * 1000;
    for (;;) {
        struct govern_change c;
        enum status s = govern_change_info(&c, g, err);
        if (s != OK) return s;
        if (!c.active && c.queued == 0) return OK;
        uint64_t head = 0;
        s = rpc_client_u64(&head, g->rpc, "eth_blockNumber", NULL, err);
        if (s != OK) return s;
        const char *due = !c.active ? "startNextChange()" : head >= c.reemit_block ? "reemitChange()" : NULL;
        if (due != NULL && key != NULL) {
            struct buf data;
            struct govern_receipt r;
            struct err refused = {0};
            buf_init(&data, 64);
            struct abi_writer w = abi_call_begin(&data, due);
            abi_end(&w);
            s = govern_send(&r, g, key, buf_view(&data), timeout_s, &refused);
            buf_fini(&data);
            if (s != OK && s != E_DENIED) return err_set(err, s, "%s", err_text(&refused)); /* refused: someone was faster */
        }
        char text[200];
        (void)snprintf(text, sizeof text, "change %llu was signalled in block %llu and waits for finality, head is %llu", (unsigned long long)c.id,
                       (unsigned long long)c.signal_block, (unsigned long long)head);
        note(ctx, text);
        if (clock_mono_ms() > end)
            return err_set(err, E_TIMEOUT, "change %llu, signalled in block %llu, is not in force after %u s: more than half of the validators must seal for that; see `poa-deploy status`",
                           (unsigned long long)c.id, (unsigned long long)c.signal_block, timeout_s);
        clock_sleep_ms(POLL_MS * 2);
    }
}
