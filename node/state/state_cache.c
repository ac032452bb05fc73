/* What is kept of the tries between blocks. A state takes the tries and gives them back when it is freed: those that it read only, and those whose
 * changes it wrote into its transaction. Whether that transaction came through, or something else has moved the database since, shows at the next
 * take: a trie is what the database holds if, and only if, it has the same root. */
#include "node/state/state_priv.h"

#include "lib/base/rng.h"
#include "node/state/trie_priv.h"

struct kept {
    hash32 key;        /* of the account */
    struct trie *trie; /* NULL: taken, or of no use */
};

struct state_cache {
    size_t max_bytes;
    struct arena arena;
    uint64_t salt;
    uint32_t now; /* counts the states that had it */
    bool is_taken;
    struct trie *accounts; /* NULL: none */
    struct kept *storage;  /* open addressing; entries go when the whole is packed */
    size_t n_storage, storage_mask;
};

enum { STORAGE_MIN = 64 };

enum status state_cache_new(struct state_cache **out, size_t max_bytes)
{
    struct state_cache *c = calloc(1, sizeof *c);
    if (c == NULL) return E_NOMEM;
    c->max_bytes = max_bytes;
    arena_init(&c->arena, SIZE_MAX);
    rng_fill(&c->salt, sizeof c->salt);
    *out = c;
    return OK;
}

static void drop_storage(struct state_cache *c)
{
    free(c->storage);
    c->storage = NULL;
    c->n_storage = c->storage_mask = 0;
}

static void drop_all(struct state_cache *c)
{
    c->accounts = NULL;
    drop_storage(c);
    arena_fini(&c->arena);
}

void state_cache_free(struct state_cache *c)
{
    if (c == NULL) return;
    if (c->is_taken) BUG("the cache is freed before its state");
    drop_all(c);
    free(c);
}

size_t state_cache_bytes(const struct state_cache *c)
{
    return c->arena.used + (c->storage_mask == 0 ? 0 : (c->storage_mask + 1) * sizeof *c->storage);
}

/* --- storage tries by account. Salted: whoever makes many contracts chooses where their keys begin. */

static struct kept *place_of(struct kept *table, size_t mask, uint64_t salt, const hash32 *key)
{
    size_t at = state_mix(le64_get(key->b), salt) & mask;
    while (!hash_is_zero(&table[at].key) && !hash_eq(&table[at].key, key)) at = (at + 1) & mask;
    return &table[at];
}

static void keep_storage(struct state_cache *c, const hash32 *key, struct trie *t)
{
    if (c->n_storage * 2 >= c->storage_mask) {
        const size_t mask = c->storage_mask == 0 ? STORAGE_MIN - 1 : c->storage_mask * 2 + 1;
        struct kept *table = calloc(mask + 1, sizeof *table);
        if (table == NULL) return; /* it is not kept then */
        for (size_t i = 0; c->storage != NULL && i <= c->storage_mask; i++)
            if (!hash_is_zero(&c->storage[i].key)) *place_of(table, mask, c->salt, &c->storage[i].key) = c->storage[i];
        free(c->storage);
        c->storage = table;
        c->storage_mask = mask;
    }
    struct kept *k = place_of(c->storage, c->storage_mask, c->salt, key);
    if (hash_is_zero(&k->key)) c->n_storage++;
    *k = (struct kept){.key = *key, .trie = t};
}

/* --- taking */

enum status cache_take(struct state *s, struct state_cache *c)
{
    bool is_latest = false;
    enum status st = OK;
    if (c->is_taken) return OK; /* another state lives beside this one: it does without */
    c->now++;
    if (c->accounts != NULL) {
        trie_rebind(c->accounts, s->txn, c->now);
        st = trie_is_latest(&is_latest, c->accounts);
        if (st != OK) return st;
    }
    if (!is_latest) {
        drop_all(c);
        st = trie_open(&c->accounts, &c->arena, s->txn, TABLE_TRIE_ACCOUNT, BYTES_EMPTY, false);
        if (st != OK) return st;
        trie_rebind(c->accounts, s->txn, c->now);
    }
    s->trie = c->accounts;
    c->accounts = NULL;
    s->cache = c;
    c->is_taken = true;
    return OK;
}

enum status cache_open_storage(struct state *s, struct account *a, bool blank)
{
    struct state_cache *c = s->cache;
    const hash32 *key = account_key(a);
    if (c == NULL) return trie_open(&a->trie, &s->arena, s->txn, TABLE_TRIE_STORAGE, BYTES_OF(*key), blank);
    struct kept *k = c->storage == NULL ? NULL : place_of(c->storage, c->storage_mask, c->salt, key);
    struct trie *t = k == NULL ? NULL : k->trie;
    if (t != NULL) {
        k->trie = NULL;
        hash32 root;
        trie_rebind(t, s->txn, c->now);
        enum status st = trie_get_root(&root, t, NULL);
        if (st != OK) return st;
        if (!blank && hash_eq(&root, &a->base.storage_root)) {
            a->trie = t;
            return OK;
        }
    }
    bytes prefix = arena_copy(&c->arena, BYTES_OF(*key));
    if (prefix.ptr == NULL) return E_NOMEM;
    enum status st = trie_open(&a->trie, &c->arena, s->txn, TABLE_TRIE_STORAGE, prefix, blank);
    if (st == OK) trie_rebind(a->trie, s->txn, c->now);
    return st;
}

/* --- giving back */

/* how many ages fit into half of what is allowed: the other half is for what comes until the next time */
static size_t ages_that_fit(const struct state_cache *c)
{
    size_t by_age[TRIE_AGES] = {0}, sum = 0, n = 0;
    if (c->accounts != NULL) trie_weigh(by_age, c->accounts, c->now);
    for (size_t i = 0; c->storage != NULL && i <= c->storage_mask; i++)
        if (c->storage[i].trie != NULL) trie_weigh(by_age, c->storage[i].trie, c->now);
    while (n < TRIE_AGES && sum + by_age[n] <= c->max_bytes / 2) sum += by_age[n++];
    return n;
}

/* pack: what was used lately, in a new arena */
static void pack(struct state_cache *c)
{
    const size_t ages = ages_that_fit(c);
    struct state_cache old = *c;
    enum status s = OK;
    arena_init(&c->arena, SIZE_MAX);
    c->accounts = NULL;
    c->storage = NULL;
    c->n_storage = c->storage_mask = 0;
    if (old.accounts != NULL) s = trie_copy_young(&c->accounts, &c->arena, old.accounts, c->now, ages);
    for (size_t i = 0; old.storage != NULL && i <= old.storage_mask && s == OK; i++) {
        struct trie *t = NULL;
        if (old.storage[i].trie != NULL) s = trie_copy_young(&t, &c->arena, old.storage[i].trie, c->now, ages);
        if (t != NULL) keep_storage(c, &old.storage[i].key, t);
    }
    drop_all(&old);
    /* out of memory, or the table alone is too large: it was only a cache */
    if (s != OK || state_cache_bytes(c) > c->max_bytes) drop_all(c);
}

void cache_give_back(struct state *s)
{
    struct state_cache *c = s->cache;
    if (c == NULL) return;
    if (!trie_is_changed(s->trie)) c->accounts = s->trie;
    for (size_t i = 0; i <= s->account_mask; i++) {
        struct account *a = s->accounts[i];
        if (a != NULL && a->trie != NULL && !trie_is_changed(a->trie)) keep_storage(c, account_key(a), a->trie);
    }
    c->is_taken = false;
    if (state_cache_bytes(c) > c->max_bytes) pack(c);
}
