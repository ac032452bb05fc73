/* rpc_txpool.c: the pool, in geth's shape: by sender, by nonce. */
#include "node/rpc/rpc_priv.h"

bool txpool_status(struct rpc_call *c)
{
    const struct rpc_pool *p = &c->rpc->pool;
    size_t pending = 0, queued = 0;
    if (p->count) p->count(p->ctx, &pending, &queued);
    jo_open(c->out, '{');
    jo_key(c->out, "pending");
    jo_u64(c->out, pending);
    jo_key(c->out, "queued");
    jo_u64(c->out, queued);
    jo_close(c->out, '}');
    return true;
}

static void put_full(struct buf *b, const struct tx *tx)
{
    json_put_tx(b, tx, NULL);
}

static void put_summary(struct buf *b, const struct tx *tx)
{
    char to[43] = "contract creation", value[79], price[79], text[300];
    if (tx->has_to) address_put_checksum(to, &tx->to);
    u256_put_dec(value, &tx->value);
    u256_put_dec(price, &tx->max_fee);
    snprintf(text, sizeof text, "%s: %s wei + %llu gas \xc3\x97 %s wei", to, value, (unsigned long long)tx->gas_limit, price);
    jo_str(b, text);
}

/* {"<nonce>": tx, ...} of the run of one sender's transactions that begins at list[i]; ret where it ends */
static size_t put_sender(struct buf *b, const struct rpc_pool_tx *list, size_t i, size_t n, bool queued, void (*put)(struct buf *, const struct tx *))
{
    const address *sender = &list[i].tx.sender;
    jo_open(b, '{');
    for (; i < n && address_eq(sender, &list[i].tx.sender); i++) {
        if (list[i].queued != queued) continue;
        char nonce[24];
        snprintf(nonce, sizeof nonce, "%llu", (unsigned long long)list[i].tx.nonce);
        jo_key(b, nonce);
        put(b, &list[i].tx);
    }
    jo_close(b, '}');
    return i;
}

static void put_half(struct buf *b, const struct rpc_pool_tx *list, size_t n, bool queued, void (*put)(struct buf *, const struct tx *))
{
    jo_key(b, queued ? "queued" : "pending");
    jo_open(b, '{');
    for (size_t i = 0; i < n;) {
        size_t end = i;
        bool any = false;
        for (; end < n && address_eq(&list[i].tx.sender, &list[end].tx.sender); end++) any = any || list[end].queued == queued;
        if (any) {
            char a[43];
            address_put_checksum(a, &list[i].tx.sender);
            jo_key(b, a);
            (void)put_sender(b, list, i, n, queued, put);
        }
        i = end;
    }
    jo_close(b, '}');
}

static bool put_content(struct rpc_call *c, void (*put)(struct buf *, const struct tx *))
{
    struct rpc_pool_tx *list;
    size_t n;
    if (!rpc_pool_content(&list, &n, c, NULL)) return false;
    jo_open(c->out, '{');
    put_half(c->out, list, n, false, put);
    put_half(c->out, list, n, true, put);
    jo_close(c->out, '}');
    return true;
}

bool txpool_content(struct rpc_call *c)
{
    return put_content(c, put_full);
}

bool txpool_inspect(struct rpc_call *c)
{
    return put_content(c, put_summary);
}

bool txpool_content_from(struct rpc_call *c)
{
    address of;
    struct rpc_pool_tx *list;
    size_t n;
    if (!param_address(&of, c, 0) || !rpc_pool_content(&list, &n, c, &of)) return false;
    jo_open(c->out, '{');
    for (int queued = 0; queued < 2; queued++) {
        jo_key(c->out, queued ? "queued" : "pending");
        if (n > 0) {
            (void)put_sender(c->out, list, 0, n, queued, put_full);
        } else {
            jo_open(c->out, '{');
            jo_close(c->out, '}');
        }
    }
    jo_close(c->out, '}');
    return true;
}
