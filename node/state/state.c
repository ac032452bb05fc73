#include "node/state/state_priv.h"

#include "lib/base/rng.h"
#include "lib/crypto/keccak.h"

enum { TABLE_MIN = 64, LIST_MIN = 64 };

/* --- memory: every piece is small and of fixed length, or has been bounded by gas */

static void *grown(void *array, size_t *cap, size_t item_len)
{
    size_t n = *cap == 0 ? LIST_MIN : *cap * 2;
    void *p = reallocarray(array, n, item_len);
    if (p == NULL) BUG("out of memory");
    *cap = n;
    return p;
}

static void list_push(struct list *l, void *item)
{
    if (l->n == l->cap) l->item = grown(l->item, &l->cap, sizeof *l->item);
    l->item[l->n++] = item;
}

enum status state_open(struct state **out, struct kv_txn *txn, uint64_t number)
{
    struct state *s = calloc(1, sizeof *s);
    if (s == NULL) return E_NOMEM;
    s->txn = txn;
    s->number = number;
    enum status st = number == STATE_LATEST ? OK : history_open(s);
    if (st != OK) {
        free(s);
        return st;
    }
    s->borrow_views = !kv_is_write(txn);
    arena_init(&s->arena, SIZE_MAX);
    s->accounts = state_table_new(TABLE_MIN);
    s->account_mask = TABLE_MIN - 1;
    s->slots = state_table_new(TABLE_MIN);
    s->slot_mask = TABLE_MIN - 1;
    rng_fill(&s->salt, sizeof s->salt);
    s->tx = 1;
    s->eip161 = true;
    *out = s;
    return OK;
}

enum status state_open_sieved(struct state **out, struct kv_txn *txn, uint64_t number, struct state_sieve *sieve)
{
    enum status st = state_open(out, txn, number);
    if (st == OK) (*out)->sieve = sieve;
    return st;
}

enum status state_open_cached(struct state **out, struct kv_txn *txn, struct state_cache *cache)
{
    struct state *s;
    enum status st = state_open(&s, txn, STATE_LATEST);
    if (st != OK) return st;
    st = cache == NULL ? OK : cache_take(s, cache);
    if (st == OK)
        *out = s;
    else
        state_free(s);
    return st;
}

void state_free(struct state *s)
{
    if (s == NULL) return;
    cache_give_back(s);
    kv_cursor_close(s->hist_account);
    kv_cursor_close(s->hist_storage);
    kv_cursor_close(s->hist_rows);
    free(s->accounts);
    free(s->slots);
    free(s->journal);
    free(s->saved);
    free(s->touched.item);
    free(s->destroyed.item);
    free(s->changed.item);
    free(s->unrooted.item);
    free(s->logs);
    arena_fini(&s->arena);
    free(s);
}

/* --- journal */

static struct entry *journal_push(struct state *s, enum entry_kind kind, void *object)
{
    if (s->n_journal == s->cap_journal) s->journal = grown(s->journal, &s->cap_journal, sizeof *s->journal);
    if (s->n_journal >= INT32_MAX) BUG("journal too long");
    struct entry *e = &s->journal[s->n_journal++];
    e->kind = (uint8_t)kind;
    e->tx = s->tx;
    e->object = object;
    return e;
}

/* is_saved: an entry newer than the newest snapshot holds the object's old content already */
static bool is_saved(const struct state *s, uint32_t mark)
{
    return mark > s->snapshot_len;
}

static void note_changed(struct state *s, struct account *a)
{
    if (!a->is_unrooted) {
        a->is_unrooted = true;
        list_push(&s->unrooted, a);
    }
    if (!a->is_changed) {
        a->is_changed = true;
        list_push(&s->changed, a);
    }
}

/* edit: the account's fields, about to be changed; that also touches it (EIP-161) */
static struct account_fields *edit(struct state *s, struct account *a)
{
    if (!is_saved(s, a->mark)) {
        struct entry *e = journal_push(s, ENTRY_ACCOUNT, a);
        e->mark = a->mark;
        a->mark = (uint32_t)s->n_journal;
        if (s->n_saved == s->cap_saved) s->saved = grown(s->saved, &s->cap_saved, sizeof *s->saved);
        s->saved[s->n_saved++] = a->now;
    }
    note_changed(s, a);
    if (a->now.touched_tx != s->tx) {
        a->now.touched_tx = s->tx;
        list_push(&s->touched, a);
    }
    return &a->now;
}

static void note_slot(struct state *s, struct slot *sl)
{
    note_changed(s, sl->account);
    if (sl->is_unrooted) return;
    sl->is_unrooted = true;
    sl->next_unrooted = sl->account->unrooted_slots;
    sl->account->unrooted_slots = sl;
}

int state_snapshot(struct state *s)
{
    s->snapshot_len = s->n_journal;
    return (int)s->n_journal;
}

static void undo(struct state *s, const struct entry *e)
{
    struct account *a = e->object;
    struct slot *sl = e->object;
    switch ((enum entry_kind)e->kind) {
    case ENTRY_ACCOUNT:
        a->now = s->saved[--s->n_saved];
        a->mark = e->mark;
        note_changed(s, a);
        return;
    case ENTRY_SLOT:
        sl->now = e->value;
        sl->incarnation = e->word;
        sl->mark = e->mark;
        note_slot(s, sl);
        return;
    case ENTRY_WARM_ACCOUNT: a->warm_tx = e->word; return;
    case ENTRY_WARM_SLOT: sl->warm_tx = e->word; return;
    case ENTRY_TRANSIENT:
        sl->transient = e->value;
        sl->transient_tx = e->word;
        return;
    case ENTRY_LOG:
        if (e->tx == s->tx) s->n_logs = e->word;
        return;
    }
}

void state_revert(struct state *s, int snapshot)
{
    if (snapshot < 0 || (size_t)snapshot > s->n_journal) BUG("no such snapshot");
    while (s->n_journal > (size_t)snapshot) undo(s, &s->journal[--s->n_journal]);
    s->snapshot_len = s->n_journal;
}

/* --- accounts */

static bool is_empty(const struct account *a)
{
    return a->now.nonce == 0 && u256_is_zero(&a->now.balance) && hash_eq(&a->now.code_hash, &HASH_EMPTY_CODE);
}

/* clear: as an account that does not exist, its storage wiped */
static void clear(struct state *s, struct account *a)
{
    struct account_fields *f = edit(s, a);
    f->exists = false;
    f->nonce = 0;
    f->balance = U256_ZERO;
    f->code_hash = HASH_EMPTY_CODE;
    f->code = BYTES_LIT("");
    f->incarnation = ++s->incarnations;
}

static struct account_fields *require(struct state *s, struct account *a)
{
    struct account_fields *f = edit(s, a);
    if (!f->exists) {
        f->exists = true;
        f->nonce = s->start_nonce;
    }
    return f;
}

/* receive: add value, as a transfer or a self-destruction does; with EIP-161 nothing but a touch comes of zero */
static enum status receive(struct state *s, struct account *to, const u256 *value)
{
    if (s->eip161 && u256_is_zero(value)) {
        if (!to->now.exists) return OK;
        /* SPEC(EIP-161): on the main network 0x03 was once deleted though its touch was reverted; clients keep that touch */
        static const address RIPEMD = {{[19] = 3}};
        if (address_eq(&to->addr, &RIPEMD) && is_empty(to)) s->ripemd_tx = s->tx;
        if (to->now.touched_tx != s->tx) (void)edit(s, to); /* a second touch adds nothing, and calls are many */
        return OK;
    }
    struct account_fields *f = require(s, to);
    f->balance = u256_add(f->balance, *value);
    return OK;
}

enum status state_get_account(struct state *s, const address *addr, struct state_account *out, bool *exists)
{
    struct account *a;
    enum status st = state_load_account(&a, s, addr);
    if (st != OK) return st;
    *exists = a->now.exists;
    *out = (struct state_account){
        .nonce = a->now.nonce, .balance = a->now.balance, .storage_root = a->storage_root, .code_hash = a->now.code_hash};
    if (!a->now.exists) *out = (struct state_account){0};
    return OK;
}

enum status state_get_balance(struct state *s, const address *addr, u256 *out)
{
    struct account *a;
    enum status st = state_load_account(&a, s, addr);
    if (st == OK) *out = a->now.balance;
    return st;
}

enum status state_get_nonce(struct state *s, const address *addr, uint64_t *out)
{
    struct account *a;
    enum status st = state_load_account(&a, s, addr);
    if (st == OK) *out = a->now.nonce;
    return st;
}

enum status state_get_code(struct state *s, const address *addr, bytes *code)
{
    struct account *a;
    enum status st = state_load_account(&a, s, addr);
    if (st == OK) st = state_load_code(s, a);
    if (st == OK) *code = a->now.code;
    return st;
}

enum status state_get_code_hash(struct state *s, const address *addr, hash32 *out)
{
    struct account *a;
    enum status st = state_load_account(&a, s, addr);
    if (st == OK) *out = a->now.exists ? a->now.code_hash : (hash32){{0}};
    return st;
}

enum status state_get_storage(struct state *s, const address *addr, const u256 *key, u256 *out)
{
    struct slot *sl;
    enum status st = state_load_value(&sl, s, addr, key);
    if (st == OK) *out = *slot_current(sl);
    return st;
}

enum status state_set_nonce(struct state *s, const address *addr, uint64_t nonce)
{
    struct account *a;
    enum status st = state_load_account(&a, s, addr);
    if (st == OK) require(s, a)->nonce = nonce;
    return st;
}

enum status state_add_balance(struct state *s, const address *addr, const u256 *v)
{
    struct account *a;
    enum status st = state_load_account(&a, s, addr);
    if (st != OK) return st;
    struct account_fields *f = require(s, a);
    f->balance = u256_add(f->balance, *v);
    return OK;
}

enum status state_sub_balance(struct state *s, const address *addr, const u256 *v)
{
    struct account *a;
    enum status st = state_load_account(&a, s, addr);
    if (st != OK) return st;
    if (u256_lt(&a->now.balance, v)) return E_INVALID;
    struct account_fields *f = edit(s, a);
    f->balance = u256_sub(f->balance, *v);
    return OK;
}

enum status state_set_code(struct state *s, const address *addr, bytes code)
{
    struct account *a;
    enum status st = state_load_account(&a, s, addr);
    if (st != OK) return st;
    bytes copy = arena_copy(&s->arena, code);
    if (copy.ptr == NULL) return E_NOMEM;
    struct account_fields *f = require(s, a);
    f->code = copy;
    if (code.len == 0)
        f->code_hash = HASH_EMPTY_CODE;
    else
        keccak256(f->code_hash.b, code.ptr, code.len);
    return OK;
}

enum status state_set_storage(struct state *s, const address *addr, const u256 *key, const u256 *v)
{
    struct slot *sl;
    enum status st = state_load_value(&sl, s, addr, key);
    if (st != OK) return st;
    const u256 *current = slot_current(sl);
    if (u256_eq(current, v)) return OK;
    const uint32_t incarnation = sl->account->now.incarnation;
    if (sl->original_tx != s->tx || sl->original_incarnation != incarnation) {
        sl->original = *current;
        sl->original_tx = s->tx;
        sl->original_incarnation = incarnation;
    }
    if (!is_saved(s, sl->mark)) {
        struct entry *e = journal_push(s, ENTRY_SLOT, sl);
        e->mark = sl->mark;
        e->word = sl->incarnation;
        e->value = sl->now;
        sl->mark = (uint32_t)s->n_journal;
    }
    sl->now = *v;
    sl->incarnation = incarnation;
    note_slot(s, sl);
    return OK;
}

enum status state_require(struct state *s, const address *addr)
{
    struct account *a;
    enum status st = state_load_account(&a, s, addr);
    if (st == OK && !a->now.exists) (void)require(s, a);
    return st;
}

/* --- transactions */

void state_begin_tx(struct state *s, const struct rules *rules)
{
    s->tx++;
    s->touched.n = s->destroyed.n = 0;
    s->n_logs = 0;
    s->eip161 = rules->eip161;
    s->eip6780 = rules->eip6780;
    s->start_nonce = rules->account_start_nonce;
}

enum status state_end_tx(struct state *s, const address *keep)
{
    for (size_t i = 0; i < s->destroyed.n; i++) {
        struct account *a = s->destroyed.item[i];
        if (a->now.destroyed_tx == s->tx && a->now.exists) clear(s, a);
    }
    if (!s->eip161) return OK;
    if (s->ripemd_tx == s->tx) {
        static const address RIPEMD = {{[19] = 3}};
        struct account *a;
        enum status st = state_load_account(&a, s, &RIPEMD);
        if (st != OK) return st;
        (void)edit(s, a);
    }
    for (size_t i = 0; i < s->touched.n; i++) {
        struct account *a = s->touched.item[i];
        if (a->now.touched_tx != s->tx || !a->now.exists || !is_empty(a)) continue;
        if (keep == NULL || !address_eq(keep, &a->addr)) clear(s, a);
    }
    return OK;
}

const struct log_entry *state_logs(const struct state *s, size_t *n)
{
    *n = s->n_logs;
    return s->logs;
}

void state_set_warm_low(struct state *s, uint64_t mask)
{
    s->warm_low = mask;
}

static bool is_warm_low(const struct state *s, const address *a)
{
    return a->b[19] < 64 && (s->warm_low >> a->b[19] & 1) != 0 && le64_get(a->b) == 0 && le64_get(a->b + 8) == 0 &&
           (a->b[16] | a->b[17] | a->b[18]) == 0;
}

static enum status host_warm_address(void *ctx, const address *addr, bool *was_warm)
{
    struct state *s = ctx;
    if (is_warm_low(s, addr)) {
        *was_warm = true;
        return OK;
    }
    struct account *a;
    enum status st = state_load_account(&a, s, addr);
    if (st != OK) return st;
    *was_warm = a->warm_tx == s->tx;
    if (*was_warm) return OK;
    journal_push(s, ENTRY_WARM_ACCOUNT, a)->word = a->warm_tx;
    a->warm_tx = s->tx;
    return OK;
}

static enum status host_warm_slot(void *ctx, const address *addr, const u256 *key, bool *was_warm)
{
    struct state *s = ctx;
    struct slot *sl;
    enum status st = state_load_slot(&sl, s, addr, key);
    if (st != OK) return st;
    *was_warm = sl->warm_tx == s->tx;
    if (*was_warm) return OK;
    journal_push(s, ENTRY_WARM_SLOT, sl)->word = sl->warm_tx;
    sl->warm_tx = s->tx;
    return OK;
}

enum status state_warm_address(struct state *s, const address *addr)
{
    bool was_warm;
    return host_warm_address(s, addr, &was_warm);
}

enum status state_warm_slot(struct state *s, const address *addr, const u256 *key)
{
    bool was_warm;
    return host_warm_slot(s, addr, key, &was_warm);
}

/* --- the EVM's host */

static enum status host_account_exists(void *ctx, const address *addr, bool *exists)
{
    struct account *a;
    enum status st = state_load_account(&a, ctx, addr);
    if (st == OK) *exists = a->now.exists;
    return st;
}

static enum status host_account_is_empty(void *ctx, const address *addr, bool *empty)
{
    struct account *a;
    enum status st = state_load_account(&a, ctx, addr);
    if (st == OK) *empty = !a->now.exists || is_empty(a);
    return st;
}

static enum status host_get_balance(void *ctx, const address *addr, u256 *out)
{
    return state_get_balance(ctx, addr, out);
}

static enum status host_get_nonce(void *ctx, const address *addr, uint64_t *out)
{
    return state_get_nonce(ctx, addr, out);
}

static enum status host_set_nonce(void *ctx, const address *addr, uint64_t nonce)
{
    return state_set_nonce(ctx, addr, nonce);
}

static enum status host_transfer(void *ctx, const address *from, const address *to, const u256 *value)
{
    struct state *s = ctx;
    struct account *a, *b;
    enum status st = state_load_account(&a, s, from);
    if (st == OK) st = state_load_account(&b, s, to);
    if (st != OK) return st;
    if (!u256_is_zero(value)) {
        if (u256_lt(&a->now.balance, value)) return E_INVALID;
        struct account_fields *f = edit(s, a);
        f->balance = u256_sub(f->balance, *value);
    }
    return receive(s, b, value);
}

static enum status host_get_code(void *ctx, const address *addr, bytes *code, hash32 *code_hash)
{
    struct state *s = ctx;
    struct account *a;
    enum status st = state_load_account(&a, s, addr);
    if (st == OK) st = state_load_code(s, a);
    if (st != OK) return st;
    *code = a->now.code;
    *code_hash = a->now.code_hash;
    return OK;
}

static enum status host_get_code_hash(void *ctx, const address *addr, hash32 *out)
{
    struct account *a;
    enum status st = state_load_account(&a, ctx, addr);
    if (st != OK) return st;
    /* SPEC(EIP-1052): an account that is empty by EIP-161 counts as absent */
    *out = a->now.exists && !is_empty(a) ? a->now.code_hash : (hash32){{0}};
    return OK;
}

static enum status host_set_code(void *ctx, const address *addr, bytes code)
{
    return state_set_code(ctx, addr, code);
}

static enum status host_has_storage(void *ctx, const address *addr, bool *has)
{
    struct account *a;
    enum status st = state_load_account(&a, ctx, addr);
    if (st != OK) return st;
    *has = a->now.incarnation == 0 && !hash_eq(&a->base.storage_root, &HASH_EMPTY_TRIE);
    for (const struct slot *sl = a->slots; sl != NULL && !*has; sl = sl->next) *has = !u256_is_zero(slot_current(sl));
    return OK;
}

static enum status host_get_storage(void *ctx, const address *addr, const u256 *key, u256 *out)
{
    return state_get_storage(ctx, addr, key, out);
}

static enum status host_set_storage(void *ctx, const address *addr, const u256 *key, const u256 *v)
{
    return state_set_storage(ctx, addr, key, v);
}

static enum status host_get_original_storage(void *ctx, const address *addr, const u256 *key, u256 *out)
{
    struct state *s = ctx;
    struct slot *sl;
    enum status st = state_load_value(&sl, s, addr, key);
    if (st != OK) return st;
    const bool written = sl->original_tx == s->tx && sl->original_incarnation == sl->account->now.incarnation;
    *out = written ? sl->original : *slot_current(sl);
    return OK;
}

static enum status host_get_transient(void *ctx, const address *addr, const u256 *key, u256 *out)
{
    struct state *s = ctx;
    struct slot *sl;
    enum status st = state_load_slot(&sl, s, addr, key);
    if (st == OK) *out = sl->transient_tx == s->tx ? sl->transient : U256_ZERO;
    return st;
}

static enum status host_set_transient(void *ctx, const address *addr, const u256 *key, const u256 *v)
{
    struct state *s = ctx;
    struct slot *sl;
    enum status st = state_load_slot(&sl, s, addr, key);
    if (st != OK) return st;
    struct entry *e = journal_push(s, ENTRY_TRANSIENT, sl);
    e->word = sl->transient_tx;
    e->value = sl->transient;
    sl->transient = *v;
    sl->transient_tx = s->tx;
    return OK;
}

static enum status host_create_account(void *ctx, const address *addr, uint64_t nonce)
{
    struct state *s = ctx;
    struct account *a;
    enum status st = state_load_account(&a, s, addr);
    if (st != OK) return st;
    struct account_fields *f = edit(s, a);
    f->exists = true;
    f->nonce = nonce;
    f->code_hash = HASH_EMPTY_CODE;
    f->code = BYTES_LIT("");
    f->incarnation = ++s->incarnations;
    f->created_tx = s->tx;
    return OK;
}

static enum status host_selfdestruct(void *ctx, const address *addr, const address *heir, bool *first)
{
    struct state *s = ctx;
    struct account *a, *h;
    enum status st = state_load_account(&a, s, addr);
    if (st == OK) st = state_load_account(&h, s, heir);
    if (st != OK) return st;
    *first = a->now.destroyed_tx != s->tx;
    /* SPEC(EIP-6780): only a contract created in this transaction goes; others merely send their balance */
    const bool goes = !s->eip6780 || a->now.created_tx == s->tx;
    const u256 balance = a->now.balance;
    if (a != h) {
        st = receive(s, h, &balance);
        if (st != OK) return st;
    }
    if (a != h || goes) edit(s, a)->balance = U256_ZERO;
    if (!goes || !*first) return OK;
    edit(s, a)->destroyed_tx = s->tx;
    list_push(&s->destroyed, a);
    return OK;
}

static enum status host_emit_log(void *ctx, const address *addr, const hash32 *topics, size_t n_topics, bytes data)
{
    struct state *s = ctx;
    bytes copy = arena_copy(&s->arena, data);
    if (copy.ptr == NULL) return E_NOMEM;
    if (n_topics > 4) return E_INVALID;
    journal_push(s, ENTRY_LOG, NULL)->word = (uint32_t)s->n_logs;
    if (s->n_logs == s->cap_logs) s->logs = grown(s->logs, &s->cap_logs, sizeof *s->logs);
    struct log_entry *l = &s->logs[s->n_logs++];
    *l = (struct log_entry){.addr = *addr, .n_topics = (uint8_t)n_topics, .data = copy};
    if (n_topics != 0) memcpy(l->topics, topics, n_topics * sizeof *topics);
    return OK;
}

static enum status host_get_block_hash(void *ctx, uint64_t number, hash32 *out)
{
    struct state *s = ctx;
    if (s->block_hash != NULL) return s->block_hash(s->block_hash_ctx, number, out);
    *out = (hash32){{0}};
    return OK;
}

static int host_snapshot(void *ctx)
{
    return state_snapshot(ctx);
}

static void host_revert(void *ctx, int snapshot)
{
    state_revert(ctx, snapshot);
}

static void host_precompile(void *ctx, const address *addr, int *id, int *pricing, uint64_t *pa, uint64_t *pb)
{
    struct state *s = ctx;
    *id = 0;
    if (s->precompile != NULL) s->precompile(s->precompile_ctx, addr, id, pricing, pa, pb);
}

#define HOST_COMMON                                                                                \
    .account_exists = host_account_exists, .account_is_empty = host_account_is_empty, .get_balance = host_get_balance, \
    .get_nonce = host_get_nonce, .set_nonce = host_set_nonce, .transfer = host_transfer, .get_code = host_get_code, \
    .get_code_hash = host_get_code_hash, .set_code = host_set_code, .has_storage = host_has_storage, .get_storage = host_get_storage, \
    .set_storage = host_set_storage, .get_original_storage = host_get_original_storage, .get_transient = host_get_transient, \
    .set_transient = host_set_transient, .warm_address = host_warm_address, .warm_slot = host_warm_slot, \
    .create_account = host_create_account, .selfdestruct = host_selfdestruct, .emit_log = host_emit_log, \
    .get_block_hash = host_get_block_hash, .snapshot = host_snapshot, .revert = host_revert

const struct evm_host *state_host(void)
{
    static const struct evm_host host = {HOST_COMMON};
    return &host;
}

const struct evm_host *state_host_by_spec(void)
{
    static const struct evm_host host = {HOST_COMMON, .precompile = host_precompile};
    return &host;
}

void state_set_helpers(struct state *s, const struct trie_helpers *helpers)
{
    s->helpers = helpers;
}

void state_set_block_hash_fn(struct state *s, enum status (*fn)(void *ctx, uint64_t number, hash32 *out), void *ctx)
{
    s->block_hash = fn;
    s->block_hash_ctx = ctx;
}

void state_set_precompile_fn(struct state *s, void (*fn)(void *ctx, const address *a, int *id, int *pricing, uint64_t *pa, uint64_t *pb),
                             void *ctx)
{
    s->precompile = fn;
    s->precompile_ctx = ctx;
}
