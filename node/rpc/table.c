/* table.c: which methods there are (methods.def), which never (refused.def), and finding one by its name. */
#include "node/rpc/rpc_priv.h"

#define TABLE_SLOTS 1024 /* over three times the methods */

static const struct rpc_method methods[] = {
#define X(name, ns, fn, params) {name, NS_##ns, fn, params},
#include "node/rpc/methods.def"
#undef X
};

static const struct rpc_refusal refused[] = {
#define X(name, reason) {name, reason},
#include "node/rpc/refused.def"
#undef X
};

static const char *const kind_names[] = {
#define X(kind, ...) #kind,
#include "node/rpc/kinds.def"
#undef X
};

static const char *const namespace_names[NS_N] = {"web3", "net", "eth", "parity", "txpool", "debug", "trace", "admin", "aura", "rpc", "parity_set"};

const char *rpc_namespace_name(enum rpc_namespace ns)
{
    return namespace_names[ns];
}

const struct rpc_refusal *rpc_refusals(size_t *n)
{
    *n = COUNT_OF(refused);
    return refused;
}

const char *rpc_kind_name(enum rpc_kind kind)
{
    return kind_names[kind];
}

/* ------------------------------------------------------------------ parameters */

bool rpc_next_param(struct rpc_param *out, const char **params)
{
    const char *p = *params;
    while (*p == ' ')
        p++;
    const char *colon = strchr(p, ':');
    if (colon == NULL) return false;
    const size_t kind_len = strcspn(colon + 1, " ");
    size_t kind = 0;
    while (kind < COUNT_OF(kind_names) && (strlen(kind_names[kind]) != kind_len || memcmp(kind_names[kind], colon + 1, kind_len) != 0))
        kind++;
    if (kind == COUNT_OF(kind_names)) BUG("methods.def: an unknown kind of parameter");
    out->is_optional = colon[-1] == '?';
    out->name = bytes_make(p, (size_t)(colon - p) - out->is_optional);
    out->kind = (enum rpc_kind)kind;
    *params = colon + 1 + kind_len;
    return true;
}

static void read_params(struct rpc_entry *e)
{
    struct rpc_param p;
    for (const char *rest = e->m->params; rpc_next_param(&p, &rest); e->max++) {
        if (e->max == RPC_PARAMS_MAX) BUG("methods.def: too many parameters");
        if (!p.is_optional) e->min = (uint8_t)(e->max + 1);
        e->kinds[e->max] = (uint8_t)p.kind;
    }
}

/* ------------------------------------------------------------------ look-up */

static uint32_t name_hash(const char *s, size_t len)
{
    uint32_t h = 2166136261U; /* FNV-1a */
    for (size_t i = 0; i < len; i++) h = (h ^ (uint8_t)s[i]) * 16777619U;
    return h ^ h >> 15;
}

enum status rpc_table_new(struct rpc_table *t)
{
    t->n = COUNT_OF(methods);
    t->entries = calloc(t->n, sizeof *t->entries);
    t->slots = calloc(TABLE_SLOTS, sizeof *t->slots);
    if (t->entries == NULL || t->slots == NULL) return E_NOMEM;
    for (size_t i = 0; i < t->n; i++) {
        uint32_t at = name_hash(methods[i].name, strlen(methods[i].name)) % TABLE_SLOTS;
        while (t->slots[at] != NULL) at = (at + 1) % TABLE_SLOTS;
        t->entries[i].m = &methods[i];
        read_params(&t->entries[i]);
        t->slots[at] = &t->entries[i];
    }
    return OK;
}

void rpc_table_fini(struct rpc_table *t)
{
    free(t->entries);
    free(t->slots);
    *t = (struct rpc_table){.n = 0};
}

const struct rpc_entry *rpc_table_find(const struct rpc_table *t, bytes name)
{
    const char *s = (const char *)name.ptr;
    for (uint32_t at = name_hash(s, name.len) % TABLE_SLOTS; t->slots[at] != NULL; at = (at + 1) % TABLE_SLOTS)
        if (bytes_eq_str(name, t->slots[at]->m->name)) return t->slots[at];
    return NULL;
}

const char *rpc_refusal_of(bytes name)
{
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        const size_t n = strlen(refused[i].name);
        if (refused[i].name[n - 1] == '*' ? name.len >= n - 1 && memcmp(name.ptr, refused[i].name, n - 1) == 0 : bytes_eq_str(name, refused[i].name))
            return refused[i].reason;
    }
    return NULL;
}
