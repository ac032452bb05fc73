/* rpc_parity_watch.c: parity_subscribe: a method is asked again after every block and tells when its answer is another. When only the pool has
 * changed it is asked twice a second at most: what comes between is told with the next block. */
#include "lib/crypto/keccak.h"
#include "node/rpc/rpc_priv.h"

struct watch {
    const struct rpc_entry *method;
    json_t *params;
    uint8_t told[32]; /* hash of the last answer */
    bool has_told;
};

/* what acts, what keeps something per client, what is too much to be asked with each block */
static bool is_watchable(const struct rpc_method *m)
{
    static const char *const never[] = {"eth_send", "eth_new", "eth_getFilter", "eth_uninstall", "eth_subscribe", "eth_unsubscribe", "eth_submit", "eth_simulate", "parity_subscribe", "parity_unsubscribe",
                                        "parity_encryptMessage"};
    if (m->ns == NS_DEBUG || m->ns == NS_TRACE || m->ns == NS_ADMIN || m->ns == NS_PARITY_SET || m->ns == NS_RPC) return false;
    for (size_t i = 0; i < COUNT_OF(never); i++)
        if (strncmp(m->name, never[i], strlen(never[i])) == 0) return false;
    return true;
}

bool watch_new(struct watch **out, struct rpc_call *c)
{
    const json_t *name = param(c, 0), *params = param(c, 1);
    if (!json_is_string(name)) return rpc_fail(c, RPC_BAD_PARAMS, "invalid argument 0: wants a method's name");
    if (params != NULL && !json_is_array(params)) return rpc_fail(c, RPC_BAD_PARAMS, "invalid argument 1: wants that method's parameters, an array");
    const struct rpc_entry *e = rpc_table_find(&c->rpc->table, bytes_str(json_string_value(name)));
    if (e == NULL || (c->rpc->namespaces & 1U << e->m->ns) == 0) return rpc_fail(c, RPC_NO_METHOD, "the method %.100s does not exist/is not available", json_string_value(name));
    if (!is_watchable(e->m)) return rpc_fail(c, RPC_BAD_PARAMS, "%s can't be subscribed to: it acts, or is too much to be asked with every block", e->m->name);
    struct watch *w = calloc(1, sizeof *w);
    if (w == NULL) return rpc_fail_status(c, E_NOMEM, "subscription");
    w->method = e;
    w->params = params == NULL ? json_array() : json_deep_copy(params);
    if (w->params == NULL) {
        free(w);
        return rpc_fail_status(c, E_NOMEM, "subscription");
    }
    *out = w;
    return true;
}

void watch_free(struct watch *w)
{
    if (w == NULL) return;
    json_decref(w->params);
    free(w);
}

bool watch_look(struct buf *out, struct rpc_worker *worker, struct watch *w)
{
    uint8_t hash[32];
    struct rpc_call c = {.rpc = worker->rpc, .w = worker, .method = w->method, .out = out, .a = &worker->arena, .params = w->params, .n_params = json_array_size(w->params)};
    buf_clear(out);
    worker->stop_run = false;
    if (rpc_is_out_of_time(worker)) return false; /* until the next block */
    buf_put_str(out, "\"result\":");
    const bool ok = rpc_run(&c);
    if (!ok && rpc_is_out_of_time(worker)) {
        arena_reset(&worker->arena);
        return false;
    }
    if (!ok || buf_status(out) != OK) {
        if (c.error == 0) (void)rpc_fail(&c, RPC_LIMIT, "the answer is larger than %d bytes", RPC_RESPONSE_MAX);
        buf_clear(out);
        buf_printf(out, "\"error\":{\"code\":%d,\"message\":", c.error);
        jo_str(out, c.error_text);
        jo_close(out, '}');
    }
    arena_reset(&worker->arena);
    keccak256(hash, out->ptr, out->len);
    if (w->has_told && memcmp(hash, w->told, sizeof hash) == 0) return false;
    memcpy(w->told, hash, sizeof hash);
    w->has_told = true;
    return buf_status(out) == OK;
}
