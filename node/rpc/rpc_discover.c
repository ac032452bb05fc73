/* rpc_discover.c: rpc.discover: this port's methods as an OpenRPC document, made of the tables that serve them. */
#include "node/rpc/rpc_priv.h"

static const char *const schemas[] = {
#define X(kind, ...) #__VA_ARGS__,
#include "node/rpc/kinds.def"
#undef X
};

static void put_string(struct buf *b, const char *key, const char *v)
{
    jo_key(b, key);
    jo_str(b, v);
}

static void put_reference(struct buf *b, enum rpc_kind kind)
{
    char text[100];
    snprintf(text, sizeof text, "#/components/schemas/%s", rpc_kind_name(kind));
    jo_key(b, "schema");
    jo_open(b, '{');
    put_string(b, "$ref", text);
    jo_close(b, '}');
}

static void put_method(struct buf *b, const struct rpc_method *m)
{
    struct rpc_param p;
    jo_open(b, '{');
    put_string(b, "name", m->name);
    jo_key(b, "params");
    jo_open(b, '[');
    for (const char *rest = m->params; rpc_next_param(&p, &rest);) {
        jo_open(b, '{');
        jo_key(b, "name");
        jo_text(b, p.name);
        jo_key(b, "required");
        jo_bool(b, !p.is_optional);
        put_reference(b, p.kind);
        jo_close(b, '}');
    }
    jo_close(b, ']');
    jo_key(b, "result");
    jo_open(b, '{');
    put_string(b, "name", "result");
    put_reference(b, KIND_any);
    jo_close(b, '}');
    jo_close(b, '}');
}

static void put_refused(struct buf *b)
{
    size_t n;
    const struct rpc_refusal *r = rpc_refusals(&n);
    jo_key(b, "x-refused");
    jo_open(b, '[');
    for (size_t i = 0; i < n; i++) {
        jo_open(b, '{');
        put_string(b, "name", r[i].name);
        put_string(b, "reason", r[i].reason);
        jo_close(b, '}');
    }
    jo_close(b, ']');
}

bool rpc_discover(struct rpc_call *c)
{
    struct buf *b = c->out;
    const struct rpc_table *t = &c->rpc->table;
    jo_open(b, '{');
    put_string(b, "openrpc", "1.2.6");
    jo_key(b, "info");
    jo_open(b, '{');
    put_string(b, "title", "poa-node JSON-RPC");
    put_string(b, "version", c->rpc->client_version);
    jo_close(b, '}');
    jo_key(b, "methods");
    jo_open(b, '[');
    for (size_t i = 0; i < t->n; i++)
        if (c->rpc->namespaces & 1U << t->entries[i].m->ns) put_method(b, t->entries[i].m);
    jo_close(b, ']');
    jo_key(b, "components");
    jo_open(b, '{');
    jo_key(b, "schemas");
    jo_open(b, '{');
    for (size_t i = 0; i < COUNT_OF(schemas); i++) {
        jo_key(b, rpc_kind_name((enum rpc_kind)i));
        jo_raw(b, bytes_str(schemas[i]));
    }
    jo_close(b, '}');
    jo_close(b, '}');
    put_refused(b);
    jo_close(b, '}');
    return true;
}
