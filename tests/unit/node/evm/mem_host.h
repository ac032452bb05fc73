/* mem_host.h: a world for the EVM's tests: small fixed tables, every change written through an undo log. Strict: what the EVM must
 * never ask (moving what an account does not have, a block hash out of range, writing with nothing to write to) fails the test. */
#ifndef TESTS_UNIT_NODE_EVM_MEM_HOST_H
#define TESTS_UNIT_NODE_EVM_MEM_HOST_H

#include "lib/crypto/keccak.h"
#include "node/evm/evm.h"

#ifndef MH_ACCOUNTS /* a fuzzer wants more */
#define MH_ACCOUNTS 64
#define MH_SLOTS 256
#define MH_LOGS 16
#define MH_CODES 64
#endif
#define MH_UNDO 65536

struct mh_account {
    address addr;
    bool exists, warm, created, destroyed;
    uint64_t nonce;
    u256 balance;
    const uint8_t *code;
    size_t code_len;
};
struct mh_slot {
    bool used, is_transient, warm;
    address addr;
    u256 key, value, original;
};
struct mh_log {
    address addr;
    hash32 topics[4];
    size_t n_topics, len;
    uint8_t data[64];
};
struct mh_undo {
    void *at;
    size_t len;
    uint8_t old[64];
};

struct mem_host {
    struct mh_account accounts[MH_ACCOUNTS];
    size_t n_accounts;
    struct mh_slot slots[MH_SLOTS];
    size_t n_slots;
    struct mh_log logs[MH_LOGS];
    size_t n_logs;
    struct mh_undo undo[MH_UNDO];
    int n_undo;
    struct rules rules;
    uint64_t block_number;
    int snapshots, reverts;
    enum status fail_with; /* of get_storage: our own trouble */
    uint8_t *owned[MH_CODES];
    size_t n_owned;
};

static void mh_write(struct mem_host *h, void *at, const void *from, size_t len)
{
    assert_true(len <= sizeof h->undo[0].old);
    assert_true(h->n_undo < MH_UNDO);
    struct mh_undo *u = &h->undo[h->n_undo++];
    u->at = at;
    u->len = len;
    memcpy(u->old, at, len);
    memcpy(at, from, len);
}
#define MH_SET(h, field, v)                                                                        \
    do {                                                                                           \
        const __typeof__(field) mh_v_ = (v);                                                       \
        mh_write((h), &(field), &mh_v_, sizeof mh_v_);                                             \
    } while (0)

/* the row of an account, made (not existing) if need be */
static struct mh_account *mh_at(struct mem_host *h, const address *a)
{
    for (size_t i = 0; i < h->n_accounts; i++)
        if (address_eq(&h->accounts[i].addr, a)) return &h->accounts[i];
    assert_true(h->n_accounts < MH_ACCOUNTS);
    struct mh_account *acc = &h->accounts[h->n_accounts++];
    memset(acc, 0, sizeof *acc);
    acc->addr = *a;
    return acc;
}
static struct mh_slot *mh_slot_at(struct mem_host *h, const address *a, const u256 *key, bool is_transient)
{
    for (size_t i = 0; i < h->n_slots; i++) {
        struct mh_slot *s = &h->slots[i];
        if (s->is_transient == is_transient && address_eq(&s->addr, a) && u256_eq(&s->key, key)) return s;
    }
    assert_true(h->n_slots < MH_SLOTS);
    struct mh_slot *s = &h->slots[h->n_slots++];
    memset(s, 0, sizeof *s);
    s->addr = *a;
    s->key = *key;
    s->is_transient = is_transient;
    return s;
}
static bool mh_empty(const struct mh_account *acc)
{
    return !acc->exists || (acc->nonce == 0 && u256_is_zero(&acc->balance) && acc->code_len == 0);
}

static enum status mh_account_exists(void *ctx, const address *a, bool *exists)
{
    *exists = mh_at(ctx, a)->exists;
    return OK;
}
static enum status mh_account_is_empty(void *ctx, const address *a, bool *empty)
{
    *empty = mh_empty(mh_at(ctx, a));
    return OK;
}
static enum status mh_get_balance(void *ctx, const address *a, u256 *out)
{
    *out = mh_at(ctx, a)->balance;
    return OK;
}
static enum status mh_get_nonce(void *ctx, const address *a, uint64_t *out)
{
    *out = mh_at(ctx, a)->nonce;
    return OK;
}
static enum status mh_set_nonce(void *ctx, const address *a, uint64_t nonce)
{
    struct mem_host *h = ctx;
    struct mh_account *acc = mh_at(h, a);
    assert_true(acc->exists);
    MH_SET(h, acc->nonce, nonce);
    return OK;
}
static enum status mh_transfer(void *ctx, const address *from, const address *to, const u256 *value)
{
    struct mem_host *h = ctx;
    struct mh_account *t = mh_at(h, to), *f = mh_at(h, from);
    assert_false(u256_lt(&f->balance, value));
    if (!t->exists && (!u256_is_zero(value) || !h->rules.eip161)) MH_SET(h, t->exists, true);
    MH_SET(h, f->balance, u256_sub(f->balance, *value));
    MH_SET(h, t->balance, u256_add(t->balance, *value));
    return OK;
}
static enum status mh_get_code(void *ctx, const address *a, bytes *code, hash32 *hash)
{
    const struct mh_account *acc = mh_at(ctx, a);
    *code = bytes_make(acc->code, acc->code_len);
    keccak256(hash->b, acc->code_len == 0 ? (const uint8_t *)"" : acc->code, acc->code_len);
    return OK;
}
static enum status mh_get_code_hash(void *ctx, const address *a, hash32 *out)
{
    const struct mh_account *acc = mh_at(ctx, a);
    memset(out, 0, sizeof *out);
    if (acc->exists) keccak256(out->b, acc->code_len == 0 ? (const uint8_t *)"" : acc->code, acc->code_len);
    return OK;
}
static enum status mh_set_code(void *ctx, const address *a, bytes code)
{
    struct mem_host *h = ctx;
    struct mh_account *acc = mh_at(h, a);
    assert_true(acc->exists);
    assert_true(h->n_owned < COUNT_OF(h->owned));
    uint8_t *copy = malloc(code.len + 1);
    assert_non_null(copy);
    h->owned[h->n_owned++] = copy;
    memcpy(copy, code.ptr, code.len);
    MH_SET(h, acc->code, copy);
    MH_SET(h, acc->code_len, code.len);
    return OK;
}
static enum status mh_has_storage(void *ctx, const address *a, bool *has)
{
    struct mem_host *h = ctx;
    *has = false;
    for (size_t i = 0; i < h->n_slots; i++)
        if (!h->slots[i].is_transient && address_eq(&h->slots[i].addr, a) && !u256_is_zero(&h->slots[i].value)) *has = true;
    return OK;
}
static enum status mh_get_storage(void *ctx, const address *a, const u256 *key, u256 *out)
{
    struct mem_host *h = ctx;
    if (h->fail_with != OK) return h->fail_with;
    *out = mh_slot_at(h, a, key, false)->value;
    return OK;
}
static enum status mh_set_storage(void *ctx, const address *a, const u256 *key, const u256 *value)
{
    struct mem_host *h = ctx;
    assert_true(mh_at(h, a)->exists);
    MH_SET(h, mh_slot_at(h, a, key, false)->value, *value);
    return OK;
}
static enum status mh_get_original(void *ctx, const address *a, const u256 *key, u256 *out)
{
    *out = mh_slot_at(ctx, a, key, false)->original;
    return OK;
}
static enum status mh_get_transient(void *ctx, const address *a, const u256 *key, u256 *out)
{
    *out = mh_slot_at(ctx, a, key, true)->value;
    return OK;
}
static enum status mh_set_transient(void *ctx, const address *a, const u256 *key, const u256 *value)
{
    struct mem_host *h = ctx;
    MH_SET(h, mh_slot_at(h, a, key, true)->value, *value);
    return OK;
}
static enum status mh_warm_address(void *ctx, const address *a, bool *was_warm)
{
    struct mem_host *h = ctx;
    assert_true(h->rules.eip2929);
    struct mh_account *acc = mh_at(h, a);
    *was_warm = acc->warm;
    MH_SET(h, acc->warm, true);
    return OK;
}
static enum status mh_warm_slot(void *ctx, const address *a, const u256 *key, bool *was_warm)
{
    struct mem_host *h = ctx;
    assert_true(h->rules.eip2929);
    struct mh_slot *s = mh_slot_at(h, a, key, false);
    *was_warm = s->warm;
    MH_SET(h, s->warm, true);
    return OK;
}
static enum status mh_create_account(void *ctx, const address *a, uint64_t nonce)
{
    struct mem_host *h = ctx;
    struct mh_account *acc = mh_at(h, a);
    MH_SET(h, acc->exists, true);
    MH_SET(h, acc->nonce, nonce);
    MH_SET(h, acc->created, true);
    return OK;
}
static enum status mh_selfdestruct(void *ctx, const address *a, const address *heir, bool *first)
{
    struct mem_host *h = ctx;
    struct mh_account *acc = mh_at(h, a), *to = mh_at(h, heir);
    *first = !acc->destroyed;
    const u256 all = acc->balance;
    MH_SET(h, acc->balance, U256_ZERO);
    MH_SET(h, to->exists, true);
    MH_SET(h, to->balance, u256_add(to->balance, all));
    MH_SET(h, acc->destroyed, true);
    return OK;
}
static enum status mh_emit_log(void *ctx, const address *a, const hash32 *topics, size_t n_topics, bytes data)
{
    struct mem_host *h = ctx;
    assert_true(h->n_logs < MH_LOGS && n_topics <= 4);
    struct mh_log *l = &h->logs[h->n_logs];
    memset(l, 0, sizeof *l);
    l->addr = *a;
    if (n_topics != 0) memcpy(l->topics, topics, n_topics * sizeof *topics);
    l->n_topics = n_topics;
    l->len = data.len;
    if (data.len != 0) memcpy(l->data, data.ptr, data.len < sizeof l->data ? data.len : sizeof l->data);
    MH_SET(h, h->n_logs, h->n_logs + 1);
    return OK;
}
static enum status mh_get_block_hash(void *ctx, uint64_t number, hash32 *out)
{
    const struct mem_host *h = ctx;
    assert_true(number < h->block_number && h->block_number - number <= 256);
    memset(out, 0, sizeof *out);
    be64_put(out->b + 24, number + 1000000);
    return OK;
}
static int mh_snapshot(void *ctx)
{
    struct mem_host *h = ctx;
    h->snapshots++;
    return h->n_undo;
}
static void mh_revert(void *ctx, int snapshot)
{
    struct mem_host *h = ctx;
    h->reverts++;
    assert_true(snapshot <= h->n_undo);
    while (h->n_undo > snapshot) {
        const struct mh_undo *u = &h->undo[--h->n_undo];
        memcpy(u->at, u->old, u->len);
    }
}

static const struct evm_host mem_host_table = {
    .account_exists = mh_account_exists,
    .account_is_empty = mh_account_is_empty,
    .get_balance = mh_get_balance,
    .get_nonce = mh_get_nonce,
    .set_nonce = mh_set_nonce,
    .transfer = mh_transfer,
    .get_code = mh_get_code,
    .get_code_hash = mh_get_code_hash,
    .set_code = mh_set_code,
    .has_storage = mh_has_storage,
    .get_storage = mh_get_storage,
    .set_storage = mh_set_storage,
    .get_original_storage = mh_get_original,
    .get_transient = mh_get_transient,
    .set_transient = mh_set_transient,
    .warm_address = mh_warm_address,
    .warm_slot = mh_warm_slot,
    .create_account = mh_create_account,
    .selfdestruct = mh_selfdestruct,
    .emit_log = mh_emit_log,
    .get_block_hash = mh_get_block_hash,
    .snapshot = mh_snapshot,
    .revert = mh_revert,
};

/* mem_host_reset: an empty world. Rows beyond the counts are never read. */
static void mem_host_reset(struct mem_host *h)
{
    for (size_t i = 0; i < h->n_owned; i++) free(h->owned[i]);
    h->n_accounts = h->n_slots = h->n_logs = h->n_owned = 0;
    h->n_undo = 0;
    h->fail_with = OK;
}

#endif
