#include "node/evm_tool/world.h"

#include "lib/crypto/keccak.h"

#define WORLD_ITEMS_MAX ((size_t)1 << 24) /* accounts or slots; far more than any run's gas makes */

struct account {
    address addr;
    bool exists, warm, is_destroyed, has_storage;
    uint64_t nonce;
    u256 balance;
    uint8_t *code; /* owned by the world's list of codes */
    size_t code_len;
    hash32 code_hash;
};
struct slot {
    uint32_t account;
    bool is_transient, warm;
    u256 key, value, original;
};

enum undo_kind { UNDO_ACCOUNT, UNDO_SLOT, UNDO_LOG };
struct undo {
    enum undo_kind kind;
    uint32_t index;
    union {
        struct account account;
        struct {
            u256 value;
            bool warm;
        } slot;
    } old;
};

/* table: indices into an array of items, found by a hash; 0 is free */
struct table {
    uint32_t *at;
    size_t mask;
};

struct world {
    struct rules rules;
    struct account *accounts;
    size_t n_accounts, cap_accounts;
    struct slot *slots;
    size_t n_slots, cap_slots;
    struct table by_address, by_slot;
    struct undo *undo;
    size_t n_undo, cap_undo;
    uint8_t **codes;
    size_t n_codes, cap_codes;
    size_t n_logs;
};

static uint64_t mix(uint64_t h, uint64_t v)
{
    h = (h ^ v) * 0x9e3779b97f4a7c15u;
    return h ^ (h >> 29);
}

static uint64_t hash_address(const address *a)
{
    return mix(mix(mix(1, le64_get(a->b)), le64_get(a->b + 8)), be32_get(a->b + 16));
}

static uint64_t hash_slot(const struct slot *s)
{
    uint64_t h = mix(s->account, s->is_transient);
    for (unsigned i = 0; i < 4; i++) h = mix(h, s->key.w[i]);
    return h;
}

/* grow_items: room for one more item of len bytes; item 0 stays unused. false: no memory */
static bool grow_items(void **items, size_t *cap, size_t n, size_t len)
{
    if (n < *cap) return true;
    const size_t more = *cap == 0 ? 256 : *cap * 2;
    if (more > WORLD_ITEMS_MAX) return false;
    void *p = realloc(*items, more * len);
    if (p == NULL) return false;
    *items = p;
    *cap = more;
    return true;
}

static struct account *account_at(struct world *w, const address *a)
{
    size_t i = hash_address(a) & w->by_address.mask;
    for (; w->by_address.at[i] != 0; i = (i + 1) & w->by_address.mask)
        if (address_eq(&w->accounts[w->by_address.at[i]].addr, a)) return &w->accounts[w->by_address.at[i]];
    if (w->n_accounts >= w->by_address.mask / 2) return NULL;
    if (!grow_items((void **)&w->accounts, &w->cap_accounts, w->n_accounts, sizeof *w->accounts)) return NULL;
    struct account *acc = &w->accounts[w->n_accounts];
    *acc = (struct account){.addr = *a, .code_hash = HASH_EMPTY_CODE};
    w->by_address.at[i] = (uint32_t)w->n_accounts++;
    return acc;
}

static struct slot *slot_at(struct world *w, const address *a, const u256 *key, bool is_transient)
{
    const struct account *acc = account_at(w, a);
    if (acc == NULL) return NULL;
    const struct slot want = {.account = (uint32_t)(acc - w->accounts), .is_transient = is_transient, .key = *key};
    size_t i = hash_slot(&want) & w->by_slot.mask;
    for (; w->by_slot.at[i] != 0; i = (i + 1) & w->by_slot.mask) {
        struct slot *s = &w->slots[w->by_slot.at[i]];
        if (s->account == want.account && s->is_transient == is_transient && u256_eq(&s->key, key)) return s;
    }
    if (w->n_slots >= w->by_slot.mask / 2) return NULL;
    if (!grow_items((void **)&w->slots, &w->cap_slots, w->n_slots, sizeof *w->slots)) return NULL;
    w->slots[w->n_slots] = want;
    w->by_slot.at[i] = (uint32_t)w->n_slots;
    return &w->slots[w->n_slots++];
}

static struct undo *note(struct world *w, enum undo_kind kind, size_t index)
{
    if (!grow_items((void **)&w->undo, &w->cap_undo, w->n_undo, sizeof *w->undo)) return NULL;
    struct undo *u = &w->undo[w->n_undo++];
    u->kind = kind;
    u->index = (uint32_t)index;
    return u;
}

static bool note_account(struct world *w, const struct account *acc)
{
    struct undo *u = note(w, UNDO_ACCOUNT, (size_t)(acc - w->accounts));
    if (u == NULL) return false;
    u->old.account = *acc;
    return true;
}

static bool note_slot(struct world *w, const struct slot *s)
{
    struct undo *u = note(w, UNDO_SLOT, (size_t)(s - w->slots));
    if (u == NULL) return false;
    u->old.slot.value = s->value;
    u->old.slot.warm = s->warm;
    return true;
}

/* --- the host's functions */

#define ACCOUNT(w, acc, a)                                                                         \
    struct world *w = ctx;                                                                         \
    struct account *acc = account_at(w, a);                                                        \
    if (acc == NULL) return E_NOMEM

static enum status account_exists(void *ctx, const address *a, bool *exists)
{
    ACCOUNT(w, acc, a);
    *exists = acc->exists;
    return OK;
}
static enum status account_is_empty(void *ctx, const address *a, bool *empty)
{
    ACCOUNT(w, acc, a);
    *empty = !acc->exists || (acc->nonce == 0 && acc->code_len == 0 && u256_is_zero(&acc->balance));
    return OK;
}
static enum status get_balance(void *ctx, const address *a, u256 *out)
{
    ACCOUNT(w, acc, a);
    *out = acc->balance;
    return OK;
}
static enum status get_nonce(void *ctx, const address *a, uint64_t *out)
{
    ACCOUNT(w, acc, a);
    *out = acc->nonce;
    return OK;
}
static enum status set_nonce(void *ctx, const address *a, uint64_t nonce)
{
    ACCOUNT(w, acc, a);
    if (!note_account(w, acc)) return E_NOMEM;
    acc->nonce = nonce;
    return OK;
}
static enum status add_balance(struct world *w, const address *a, const u256 *v, bool is_minus)
{
    struct account *acc = account_at(w, a);
    if (acc == NULL || !note_account(w, acc)) return E_NOMEM;
    acc->exists = true;
    acc->balance = is_minus ? u256_sub(acc->balance, *v) : u256_add(acc->balance, *v);
    return OK;
}
static enum status transfer(void *ctx, const address *from, const address *to, const u256 *value)
{
    struct world *w = ctx;
    if (u256_is_zero(value) && w->rules.eip161) return OK;
    const enum status s = add_balance(w, from, value, true);
    return s == OK ? add_balance(w, to, value, false) : s;
}
static enum status get_code(void *ctx, const address *a, bytes *code, hash32 *hash)
{
    ACCOUNT(w, acc, a);
    *code = bytes_make(acc->code, acc->code_len);
    *hash = acc->code_hash;
    return OK;
}
static enum status get_code_hash(void *ctx, const address *a, hash32 *out)
{
    ACCOUNT(w, acc, a);
    *out = acc->exists ? acc->code_hash : (hash32){{0}};
    return OK;
}
static enum status put_code(struct world *w, struct account *acc, bytes code)
{
    if (!grow_items((void **)&w->codes, &w->cap_codes, w->n_codes, sizeof *w->codes)) return E_NOMEM;
    uint8_t *copy = malloc(code.len + 1);
    if (copy == NULL) return E_NOMEM;
    if (code.len != 0) memcpy(copy, code.ptr, code.len);
    w->codes[w->n_codes++] = copy;
    acc->code = copy;
    acc->code_len = code.len;
    keccak256(acc->code_hash.b, copy, code.len);
    return OK;
}
static enum status set_code(void *ctx, const address *a, bytes code)
{
    ACCOUNT(w, acc, a);
    if (!note_account(w, acc)) return E_NOMEM;
    return put_code(w, acc, code);
}
static enum status has_storage(void *ctx, const address *a, bool *has)
{
    ACCOUNT(w, acc, a);
    *has = acc->has_storage;
    return OK;
}

#define SLOT(w, s, a, key, transient)                                                              \
    struct world *w = ctx;                                                                         \
    struct slot *s = slot_at(w, a, key, transient);                                                \
    if (s == NULL) return E_NOMEM

static enum status get_storage(void *ctx, const address *a, const u256 *key, u256 *out)
{
    SLOT(w, s, a, key, false);
    *out = s->value;
    return OK;
}
static enum status set_storage(void *ctx, const address *a, const u256 *key, const u256 *value)
{
    SLOT(w, s, a, key, false);
    if (!note_slot(w, s)) return E_NOMEM;
    s->value = *value;
    return OK;
}
static enum status get_original_storage(void *ctx, const address *a, const u256 *key, u256 *out)
{
    SLOT(w, s, a, key, false);
    *out = s->original;
    return OK;
}
static enum status get_transient(void *ctx, const address *a, const u256 *key, u256 *out)
{
    SLOT(w, s, a, key, true);
    *out = s->value;
    return OK;
}
static enum status set_transient(void *ctx, const address *a, const u256 *key, const u256 *value)
{
    SLOT(w, s, a, key, true);
    if (!note_slot(w, s)) return E_NOMEM;
    s->value = *value;
    return OK;
}
static enum status warm_address(void *ctx, const address *a, bool *was_warm)
{
    ACCOUNT(w, acc, a);
    *was_warm = acc->warm;
    if (acc->warm) return OK;
    if (!note_account(w, acc)) return E_NOMEM;
    acc->warm = true;
    return OK;
}
static enum status warm_slot(void *ctx, const address *a, const u256 *key, bool *was_warm)
{
    SLOT(w, s, a, key, false);
    *was_warm = s->warm;
    if (s->warm) return OK;
    if (!note_slot(w, s)) return E_NOMEM;
    s->warm = true;
    return OK;
}
static enum status create_account(void *ctx, const address *a, uint64_t nonce)
{
    ACCOUNT(w, acc, a);
    if (!note_account(w, acc)) return E_NOMEM;
    acc->exists = true;
    acc->nonce = nonce;
    return OK;
}
static enum status selfdestruct(void *ctx, const address *a, const address *heir, bool *first)
{
    ACCOUNT(w, acc, a);
    *first = !acc->is_destroyed;
    const u256 all = acc->balance;
    if (!note_account(w, acc)) return E_NOMEM;
    acc->is_destroyed = true;
    acc->balance = U256_ZERO;
    return add_balance(w, heir, &all, false);
}
static enum status emit_log(void *ctx, const address *a, const hash32 *topics, size_t n_topics, bytes data)
{
    struct world *w = ctx;
    (void)a, (void)topics, (void)n_topics, (void)data;
    if (note(w, UNDO_LOG, 0) == NULL) return E_NOMEM;
    w->n_logs++;
    return OK;
}
static enum status get_block_hash(void *ctx, uint64_t number, hash32 *out)
{
    (void)ctx;
    uint8_t be[8]; /* as the official tests have it: keccak of the number in decimal; any value would do here */
    be64_put(be, number);
    keccak256(out->b, be, sizeof be);
    return OK;
}
static int snapshot(void *ctx)
{
    const struct world *w = ctx;
    return (int)w->n_undo;
}
static void revert(void *ctx, int to)
{
    struct world *w = ctx;
    while (w->n_undo > (size_t)to) {
        const struct undo *u = &w->undo[--w->n_undo];
        switch (u->kind) {
        case UNDO_ACCOUNT: w->accounts[u->index] = u->old.account; break;
        case UNDO_SLOT:
            w->slots[u->index].value = u->old.slot.value;
            w->slots[u->index].warm = u->old.slot.warm;
            break;
        case UNDO_LOG: w->n_logs--; break;
        }
    }
}

const struct evm_host *world_host(void)
{
    static const struct evm_host host = {
        .account_exists = account_exists,
        .account_is_empty = account_is_empty,
        .get_balance = get_balance,
        .get_nonce = get_nonce,
        .set_nonce = set_nonce,
        .transfer = transfer,
        .get_code = get_code,
        .get_code_hash = get_code_hash,
        .set_code = set_code,
        .has_storage = has_storage,
        .get_storage = get_storage,
        .set_storage = set_storage,
        .get_original_storage = get_original_storage,
        .get_transient = get_transient,
        .set_transient = set_transient,
        .warm_address = warm_address,
        .warm_slot = warm_slot,
        .create_account = create_account,
        .selfdestruct = selfdestruct,
        .emit_log = emit_log,
        .get_block_hash = get_block_hash,
        .snapshot = snapshot,
        .revert = revert,
    };
    return &host;
}

/* --- the tool's side */

enum status world_new(struct world **out)
{
    struct world *w = calloc(1, sizeof *w);
    if (w == NULL) return E_NOMEM;
    w->by_address.mask = ((size_t)1 << 16) - 1;
    w->by_slot.mask = ((size_t)1 << 20) - 1;
    w->by_address.at = calloc(w->by_address.mask + 1, sizeof *w->by_address.at);
    w->by_slot.at = calloc(w->by_slot.mask + 1, sizeof *w->by_slot.at);
    w->n_accounts = w->n_slots = 1; /* 0 marks a free place */
    if (w->by_address.at == NULL || w->by_slot.at == NULL) {
        world_free(w);
        return E_NOMEM;
    }
    *out = w;
    return OK;
}

void world_free(struct world *w)
{
    if (w == NULL) return;
    for (size_t i = 0; i < w->n_codes; i++) free(w->codes[i]);
    free(w->codes);
    free(w->accounts);
    free(w->slots);
    free(w->undo);
    free(w->by_address.at);
    free(w->by_slot.at);
    free(w);
}

enum status world_put_account(struct world *w, const address *a, uint64_t nonce, const u256 *balance, bytes code)
{
    struct account *acc = account_at(w, a);
    if (acc == NULL) return E_NOMEM;
    acc->exists = true;
    acc->nonce = nonce;
    acc->balance = *balance;
    return put_code(w, acc, code);
}

enum status world_put_slot(struct world *w, const address *a, const u256 *key, const u256 *value)
{
    struct slot *s = slot_at(w, a, key, false);
    if (s == NULL) return E_NOMEM;
    s->value = s->original = *value;
    struct account *acc = &w->accounts[s->account];
    if (!u256_is_zero(value)) acc->has_storage = true;
    return OK;
}

void world_begin(struct world *w, const struct rules *rules)
{
    w->rules = *rules;
    w->n_undo = 0;
    w->n_logs = 0;
}

void world_undo(struct world *w)
{
    revert(w, 0);
}

size_t world_log_count(const struct world *w)
{
    return w->n_logs;
}
