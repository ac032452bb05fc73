/* tracer_touched.c: accounts and slots that a run touched, each once. Both are found by a salted hash: a transaction can touch twenty thousand
 * slots, and read one half a million times. */
#include "lib/base/rng.h"
#include "node/rpc/tracers_priv.h"
#include "node/state/state.h"

enum { TOUCHED_MIN = 64 };

/* multilinear, by secret odd numbers: who chooses the words can't choose where they fall */
static size_t place(const struct touched_set *set, const uint64_t w[static 4], uint64_t more)
{
    uint64_t h = more * set->salt[4];
    for (size_t i = 0; i < 4; i++)
        h += w[i] * set->salt[i];
    return (size_t)(h >> 32);
}

static size_t place_account(const struct touched_set *set, const address *a)
{
    const uint64_t w[4] = {be64_get(a->b), be64_get(a->b + 8), be64_get(a->b + 12), 0};
    return place(set, w, 1);
}

static size_t place_slot(const struct touched_set *set, const struct traced_account *a, const u256 *key)
{
    return place(set, key->w, (uintptr_t)a);
}

static bool grow_accounts(struct tracer *t)
{
    struct touched_set *set = &t->touched;
    const size_t cap = set->cap_accounts == 0 ? TOUCHED_MIN : 2 * set->cap_accounts;
    struct traced_account **at = tracer_take(t, cap * sizeof(struct traced_account *));
    if (at == NULL) return false;
    if (set->salt[0] == 0) rng_fill(set->salt, sizeof set->salt);
    for (size_t i = 0; i < COUNT_OF(set->salt); i++)
        set->salt[i] |= 1;
    for (struct traced_account *p = set->list; p != NULL; p = p->next) {
        struct traced_account **to = &at[place_account(set, &p->addr) & (cap - 1)];
        p->chain = *to;
        *to = p;
    }
    set->accounts = at;
    set->cap_accounts = cap;
    return true;
}

struct traced_account *touched_account(struct tracer *t, const address *a)
{
    struct touched_set *set = &t->touched;
    if (set->n_accounts == set->cap_accounts && !grow_accounts(t)) return NULL;
    struct traced_account **at = &set->accounts[place_account(set, a) & (set->cap_accounts - 1)];
    for (struct traced_account *p = *at; p != NULL; p = p->chain)
        if (address_eq(&p->addr, a)) return p;
    struct traced_account *p = tracer_take(t, sizeof *p);
    if (p == NULL) return NULL;
    *p = (struct traced_account){.addr = *a, .next = set->list, .chain = *at};
    set->list = *at = p;
    set->n_accounts++;
    return p;
}

static bool grow_slots(struct tracer *t)
{
    struct touched_set *set = &t->touched;
    const size_t cap = set->cap_slots == 0 ? TOUCHED_MIN : 2 * set->cap_slots;
    struct traced_slot **at = tracer_take(t, cap * sizeof(struct traced_slot *));
    if (at == NULL) return false;
    for (struct traced_account *a = set->list; a != NULL; a = a->next)
        for (struct traced_slot *p = a->slots; p != NULL; p = p->next) {
            struct traced_slot **to = &at[place_slot(set, a, &p->key) & (cap - 1)];
            p->chain = *to;
            *to = p;
        }
    set->slots = at;
    set->cap_slots = cap;
    return true;
}

struct traced_slot *touched_slot(struct tracer *t, struct traced_account *a, const u256 *key)
{
    struct touched_set *set = &t->touched;
    if (set->n_slots == set->cap_slots && !grow_slots(t)) return NULL;
    struct traced_slot **at = &set->slots[place_slot(set, a, key) & (set->cap_slots - 1)];
    for (struct traced_slot *p = *at; p != NULL; p = p->chain)
        if (p->owner == a && u256_eq(&p->key, key)) return p;
    struct traced_slot *p = tracer_take(t, sizeof *p);
    if (p == NULL) return NULL;
    *p = (struct traced_slot){.key = *key, .owner = a, .chain = *at};
    *at = p;
    if (a->last_slot != NULL) a->last_slot->next = p;
    else a->slots = p;
    a->last_slot = p;
    a->n_slots++;
    set->n_slots++;
    return p;
}

static enum status read_account(struct tracer *t, struct traced_account *a, bool after)
{
    struct state_account acc;
    bool exists;
    bytes code;
    enum status s = state_get_account(t->state, &a->addr, &acc, &exists);
    if (s == OK) s = state_get_code(t->state, &a->addr, &code);
    if (s != OK) return s;
    *(after ? &a->exists_after : &a->exists) = exists;
    *(after ? &a->balance_after : &a->balance) = acc.balance;
    *(after ? &a->nonce_after : &a->nonce) = acc.nonce;
    *(after ? &a->code_after : &a->code) = code;
    for (struct traced_slot *p = a->slots; s == OK && p != NULL; p = p->next)
        s = state_get_storage(t->state, &a->addr, &p->key, after ? &p->after : &p->before);
    return s;
}

enum status touched_read(struct tracer *t, bool after)
{
    enum status s = OK;
    for (struct traced_account *a = t->touched.list; s == OK && a != NULL; a = a->next)
        s = read_account(t, a, after);
    return s;
}

bool touched_differs(const struct traced_account *a)
{
    if (a->exists != a->exists_after || !u256_eq(&a->balance, &a->balance_after) || a->nonce != a->nonce_after || !bytes_eq(a->code, a->code_after))
        return true;
    for (const struct traced_slot *p = a->slots; p != NULL; p = p->next)
        if (!u256_eq(&p->before, &p->after)) return true;
    return false;
}
