/* tracer_state.c: what a transaction found and what it changed: geth's prestateTracer and Parity's stateDiff. What there is after the run is read
 * first; then the run is undone, and what there was is read. */
#include <stdlib.h>

#include "node/rpc/tracers_priv.h"
#include "node/state/state.h"

static void touch(struct tracer *t, const address *a)
{
    (void)touched_account(t, a);
}

static address word_address(const u256 *w)
{
    uint8_t be[32];
    address a;
    u256_to_be(be, w);
    memcpy(a.b, be + 12, sizeof a.b);
    return a;
}

static void hex_word(char dst[static 67], const u256 *w)
{
    uint8_t be[32];
    u256_to_be(be, w);
    memcpy(dst, "0x", 2);
    hex_put(dst + 2, be, 32);
    dst[66] = 0;
}

void prestate_step(struct tracer *t, const struct evm_trace_step *s)
{
    size_t back;
    if (t->kind == TRACER_PARITY && s->op != OP_SSTORE) return; /* a look changes nothing; a call is told of when it begins */
    switch (s->op) {
    case OP_SLOAD:
    case OP_SSTORE: {
        struct traced_account *a = s->n_stack >= 1 ? touched_account(t, &s->self) : NULL;
        if (a != NULL) (void)touched_slot(t, a, &s->stack[s->n_stack - 1]);
        return;
    }
    case OP_BALANCE:
    case OP_EXTCODESIZE:
    case OP_EXTCODECOPY:
    case OP_EXTCODEHASH:
    case OP_SELFDESTRUCT: back = 1; break;
    case OP_CALL:
    case OP_CALLCODE:
    case OP_DELEGATECALL:
    case OP_STATICCALL: back = 2; break;
    default: return;
    }
    if (s->n_stack < back) return;
    address a = word_address(&s->stack[s->n_stack - back]);
    touch(t, &a);
}

void prestate_enter(struct tracer *t, const struct evm_trace_call *e)
{
    touch(t, &e->from);
    touch(t, &e->to);
    touch(t, &e->code_address);
}

/* touched by the transaction itself, not by its run: its sender, whom it names, who signed for it, who gets the fee */
static void touch_parties(struct tracer *t, const struct tracer_facts *f)
{
    const struct chain_spec *spec = t->c->rpc->spec;
    bytes list = f->tx->auth_list;
    struct auth_tuple auth;
    address authority;
    touch(t, &f->tx->sender);
    if (f->tx->has_to) touch(t, &f->tx->to);
    if (f->author != NULL) touch(t, f->author);
    if (spec->has_fee_collector && spec->fee_collector_transition <= t->number) touch(t, &spec->fee_collector);
    while (f->tx->type == TX_SET_CODE && auth_list_next(&auth, &list))
        if (auth_recover(&authority, &auth) == OK) touch(t, &authority);
}

static enum status read_both(struct tracer *t, const struct tracer_facts *f)
{
    touch_parties(t, f);
    if (t->failed) return E_NOMEM;
    enum status s = touched_read(t, true);
    state_revert(t->state, t->snapshot);
    t->has_undone = true;
    return s == OK ? touched_read(t, false) : s;
}

/* ------------------------------------------------------------------ geth's */

static void put_slots(struct tracer *t, const struct traced_account *a, bool after)
{
    struct buf *b = t->c->out;
    bool any = false;
    for (const struct traced_slot *p = a->slots; p != NULL && !t->no_slots; p = p->next) {
        const bool differs = !u256_eq(&p->before, &p->after);
        if (t->diff && (!differs || u256_is_zero(after ? &p->after : &p->before))) continue;
        char k[67], v[67];
        hex_word(k, &p->key);
        hex_word(v, after ? &p->after : &p->before);
        if (!any) {
            jo_key(b, "storage");
            jo_open(b, '{');
        }
        any = true;
        jo_key(b, k);
        jo_str(b, v);
    }
    if (any) jo_close(b, '}');
}

static void put_prestate_account(struct tracer *t, const struct traced_account *a, bool after)
{
    struct buf *b = t->c->out;
    char key[43];
    address_put(key, &a->addr);
    jo_key(b, key);
    jo_open(b, '{');
    /* after: what changed; before: what there was */
    const bool all = !after;
    const u256 *balance = after ? &a->balance_after : &a->balance;
    const uint64_t nonce = after ? a->nonce_after : a->nonce;
    const bytes code = after ? a->code_after : a->code;
    if (all || !u256_eq(&a->balance, &a->balance_after)) {
        jo_key(b, "balance");
        jo_u256(b, balance);
    }
    if (code.len > 0 && !t->no_code && (all || !bytes_eq(a->code, a->code_after))) {
        jo_key(b, "code");
        jo_data(b, code);
    }
    if (nonce > 0 && (all || a->nonce != a->nonce_after)) {
        jo_key(b, "nonce");
        jo_dec(b, nonce);
    }
    put_slots(t, a, after);
    jo_close(b, '}');
}

enum status prestate_put(struct tracer *t, const struct tracer_facts *f)
{
    struct buf *b = t->c->out;
    enum status s = read_both(t, f);
    if (s != OK) return s;
    jo_open(b, '{');
    if (t->diff) {
        jo_key(b, "pre");
        jo_open(b, '{');
    }
    for (const struct traced_account *a = t->touched.list; a != NULL; a = a->next)
        if (!t->diff || (a->exists && touched_differs(a))) put_prestate_account(t, a, false);
    if (t->diff) {
        jo_close(b, '}');
        jo_key(b, "post");
        jo_open(b, '{');
        for (const struct traced_account *a = t->touched.list; a != NULL; a = a->next)
            if (a->exists_after && touched_differs(a)) put_prestate_account(t, a, true);
        jo_close(b, '}');
    }
    jo_close(b, '}');
    return OK;
}

/* ------------------------------------------------------------------ Parity's */

/* how a value differs: of an account that came, that went, that stayed */
enum mark { BORN, DIED, CHANGED, SAME };

static enum mark mark_of(const struct traced_account *a, bool same)
{
    return !a->exists ? BORN : !a->exists_after ? DIED : same ? SAME : CHANGED;
}

typedef void (*put_value)(struct buf *b, const void *v);

static void put_diff(struct buf *b, const char *key, enum mark m, put_value put, const void *before, const void *after)
{
    jo_key(b, key);
    if (m == SAME) {
        jo_str(b, "=");
        return;
    }
    jo_open(b, '{');
    jo_key(b, m == BORN ? "+" : m == DIED ? "-" : "*");
    if (m == CHANGED) {
        jo_open(b, '{');
        jo_key(b, "from");
        put(b, before);
        jo_key(b, "to");
        put(b, after);
        jo_close(b, '}');
    } else {
        put(b, m == BORN ? after : before);
    }
    jo_close(b, '}');
}

static void put_quantity(struct buf *b, const void *v)
{
    jo_u256(b, v);
}

static void put_nonce(struct buf *b, const void *v)
{
    jo_u64(b, *(const uint64_t *)v);
}

static void put_code(struct buf *b, const void *v)
{
    jo_data(b, *(const bytes *)v);
}

static void put_word(struct buf *b, const void *v)
{
    uint8_t be[32];
    u256_to_be(be, v);
    jo_data(b, BYTES_OF(be));
}

static int by_address(const void *x, const void *y)
{
    const struct traced_account *const *a = x, *const *b = y;
    return memcmp((*a)->addr.b, (*b)->addr.b, sizeof(*a)->addr.b);
}

static int by_key(const void *x, const void *y)
{
    const struct traced_slot *const *a = x, *const *b = y;
    return u256_cmp(&(*a)->key, &(*b)->key);
}

static bool put_diff_slots(struct tracer *t, const struct traced_account *a)
{
    struct buf *b = t->c->out;
    size_t n = 0;
    const struct traced_slot **list = tracer_take(t, (a->n_slots + 1) * sizeof *list);
    if (list == NULL) return false;
    for (const struct traced_slot *p = a->slots; p != NULL; p = p->next)
        if (!u256_eq(&p->before, &p->after)) list[n++] = p;
    qsort(list, n, sizeof *list, by_key);
    jo_key(b, "storage");
    jo_open(b, '{');
    for (size_t i = 0; i < n; i++) {
        char key[67];
        hex_word(key, &list[i]->key);
        put_diff(b, key, mark_of(a, false), put_word, &list[i]->before, &list[i]->after);
    }
    jo_close(b, '}');
    return true;
}

enum status state_diff_put(struct tracer *t, const struct tracer_facts *f)
{
    struct buf *b = t->c->out;
    size_t n = 0;
    enum status s = read_both(t, f);
    if (s != OK) return s;
    const struct traced_account **list = tracer_take(t, (t->touched.n_accounts + 1) * sizeof *list);
    if (list == NULL) return E_NOMEM;
    for (const struct traced_account *a = t->touched.list; a != NULL; a = a->next)
        if ((a->exists || a->exists_after) && touched_differs(a)) list[n++] = a;
    qsort(list, n, sizeof *list, by_address);
    jo_open(b, '{');
    for (size_t i = 0; i < n; i++) {
        const struct traced_account *a = list[i];
        char key[43];
        address_put(key, &a->addr);
        jo_key(b, key);
        jo_open(b, '{');
        put_diff(b, "balance", mark_of(a, u256_eq(&a->balance, &a->balance_after)), put_quantity, &a->balance, &a->balance_after);
        put_diff(b, "code", mark_of(a, bytes_eq(a->code, a->code_after)), put_code, &a->code, &a->code_after);
        put_diff(b, "nonce", mark_of(a, a->nonce == a->nonce_after), put_nonce, &a->nonce, &a->nonce_after);
        if (!put_diff_slots(t, a)) return E_NOMEM;
        jo_close(b, '}');
    }
    jo_close(b, '}');
    return OK;
}
