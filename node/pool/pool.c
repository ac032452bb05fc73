#include "node/pool/pool.h"

#include "lib/base/rng.h"
#include "node/pool/pool_priv.h"

const char *pool_verdict_text(enum pool_verdict v)
{
    static const char *const texts[] = {
#define X(id, status, text) [id] = (text),
        POOL_VERDICTS(X)
#undef X
    };
    return (size_t)v < COUNT_OF(texts) ? texts[v] : "?";
}

enum status pool_verdict_status(enum pool_verdict v)
{
    static const enum status statuses[] = {
#define X(id, status, text) [id] = (status),
        POOL_VERDICTS(X)
#undef X
    };
    return (size_t)v < COUNT_OF(statuses) ? statuses[v] : E_INVALID;
}

static void *must(void *ptr)
{
    if (ptr == NULL) BUG("out of memory"); /* small and fixed, or doubling within the pool's bounds: a restart is safe */
    return ptr;
}

/* ------------------------------------------------------------- hash tables */

/* Keys are hashes and addresses, which others choose: a secret seed keeps buckets short. */
static size_t bucket_of(const struct pool *p, const struct table *t, const uint8_t *key, size_t len)
{
    uint64_t h = p->seed[0];
    for (size_t i = 0; i + 4 <= len; i += 4) {
        uint32_t word;
        memcpy(&word, key + i, sizeof word);
        h = (h ^ word) * p->seed[1];
        h ^= h >> 29;
    }
    return (size_t)(h ^ h >> 32) & (t->cap - 1);
}

static size_t entry_bucket(const struct pool *p, const hash32 *hash)
{
    return bucket_of(p, &p->entries, hash->b, sizeof hash->b);
}

static size_t sender_bucket(const struct pool *p, const address *addr)
{
    return bucket_of(p, &p->senders, addr->b, sizeof addr->b);
}

static void table_init(struct table *t)
{
    *t = (struct table){.cap = 64};
    t->bucket = must(calloc(t->cap, sizeof *t->bucket));
}

/* before an insert: at most one item a bucket on average; items keep their place in memory */
static void grow_entries(struct pool *p)
{
    struct table old = p->entries, *t = &p->entries;
    if (t->n < t->cap) return;
    t->cap *= 2;
    t->bucket = must(calloc(t->cap, sizeof *t->bucket));
    for (size_t i = 0; i < old.cap; i++)
        for (struct entry *e = old.bucket[i], *next; e != NULL; e = next) {
            next = e->hash_next;
            void **b = &t->bucket[entry_bucket(p, &e->tx.hash)];
            e->hash_next = *b;
            *b = e;
        }
    free(old.bucket);
}

static void grow_senders(struct pool *p)
{
    struct table old = p->senders, *t = &p->senders;
    if (t->n < t->cap) return;
    t->cap *= 2;
    t->bucket = must(calloc(t->cap, sizeof *t->bucket));
    for (size_t i = 0; i < old.cap; i++)
        for (struct sender *s = old.bucket[i], *next; s != NULL; s = next) {
            next = s->hash_next;
            void **b = &t->bucket[sender_bucket(p, &s->addr)];
            s->hash_next = *b;
            *b = s;
        }
    free(old.bucket);
}

static struct entry *find_entry(const struct pool *p, const hash32 *hash)
{
    struct entry *e = p->entries.bucket[entry_bucket(p, hash)];
    while (e != NULL && !hash_eq(&e->tx.hash, hash))
        e = e->hash_next;
    return e;
}

struct sender *pool_find_sender(const struct pool *p, const address *addr)
{
    struct sender *s = p->senders.bucket[sender_bucket(p, addr)];
    while (s != NULL && !address_eq(&s->addr, addr))
        s = s->hash_next;
    return s;
}

static void unlink_entry(struct pool *p, struct entry *e)
{
    size_t b = entry_bucket(p, &e->tx.hash);
    struct entry *at = p->entries.bucket[b];
    if (at == e) {
        p->entries.bucket[b] = e->hash_next;
    } else {
        while (at->hash_next != e)
            at = at->hash_next;
        at->hash_next = e->hash_next;
    }
    p->entries.n--;
}

static void unlink_sender(struct pool *p, struct sender *s)
{
    size_t b = sender_bucket(p, &s->addr);
    struct sender *at = p->senders.bucket[b];
    if (at == s) {
        p->senders.bucket[b] = s->hash_next;
    } else {
        while (at->hash_next != s)
            at = at->hash_next;
        at->hash_next = s->hash_next;
    }
    p->senders.n--;
}

/* ------------------------------------------- a sender's treap, by nonce */

struct entry *pool_find_nonce(const struct sender *s, uint64_t nonce)
{
    struct entry *e = s->root;
    while (e != NULL && e->tx.nonce != nonce)
        e = nonce < e->tx.nonce ? e->left : e->right;
    return e;
}

static struct entry *merge(struct entry *a, struct entry *b)
{
    /* every nonce of a is below every one of b; iterative along the seam */
    struct entry *root = NULL, **at = &root;
    while (a != NULL && b != NULL) {
        if (a->priority >= b->priority) {
            *at = a;
            at = &a->right;
            a = a->right;
        } else {
            *at = b;
            at = &b->left;
            b = b->left;
        }
    }
    *at = a != NULL ? a : b;
    return root;
}

/* low: below nonce; high: the rest */
static void split(struct entry **low, struct entry **high, struct entry *t, uint64_t nonce)
{
    while (t != NULL) {
        if (t->tx.nonce < nonce) {
            *low = t;
            low = &t->right;
            t = t->right;
        } else {
            *high = t;
            high = &t->left;
            t = t->left;
        }
    }
    *low = *high = NULL;
}

static void treap_insert(struct sender *s, struct entry *e)
{
    struct entry **at = &s->root;
    while (*at != NULL && (*at)->priority > e->priority)
        at = e->tx.nonce < (*at)->tx.nonce ? &(*at)->left : &(*at)->right;
    struct entry *below = *at;
    *at = e;
    split(&e->left, &e->right, below, e->tx.nonce);
    if (s->last == NULL || s->last->tx.nonce < e->tx.nonce) s->last = e;
}

static void treap_remove(struct sender *s, struct entry *e)
{
    struct entry **at = &s->root;
    while (*at != e)
        at = e->tx.nonce < (*at)->tx.nonce ? &(*at)->left : &(*at)->right;
    *at = merge(e->left, e->right);
    e->left = e->right = NULL;
    if (s->last != e) return;
    s->last = s->root;
    while (s->last != NULL && s->last->right != NULL)
        s->last = s->last->right;
}

static struct entry *first_of(const struct sender *s)
{
    struct entry *e = s->root;
    while (e != NULL && e->left != NULL)
        e = e->left;
    return e;
}

/* the lowest nonce from `nonce` on */
static struct entry *from_nonce(const struct sender *s, uint64_t nonce)
{
    struct entry *best = NULL;
    for (struct entry *e = s->root; e != NULL;) {
        if (e->tx.nonce >= nonce) best = e;
        e = e->tx.nonce >= nonce ? e->left : e->right;
    }
    return best;
}

static bool is_pending(const struct entry *e)
{
    return e->tx.nonce >= e->sender->nonce && e->tx.nonce - e->sender->nonce < e->sender->n_pending;
}

/* ------------------------------------- heap of senders: who loses the last one first */

static bool goes_before(const struct sender *a, const struct sender *b)
{
    bool qa = !is_pending(a->last), qb = !is_pending(b->last);
    if (qa != qb) return qa;
    int c = u256_cmp(&a->last->price, &b->last->price);
    if (c != 0) return c < 0;
    return a->last->arrival > b->last->arrival;
}

static void heap_put(struct pool *p, size_t at, struct sender *s)
{
    p->heap[at] = s;
    s->heap_at = at;
}

/* s changed: move it to where it belongs */
static void heap_fix(struct pool *p, struct sender *s)
{
    size_t at = s->heap_at, n = p->senders.n;
    while (at > 0 && goes_before(s, p->heap[(at - 1) / 2])) {
        heap_put(p, at, p->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && goes_before(p->heap[child + 1], p->heap[child])) child++;
        if (!goes_before(p->heap[child], s)) break;
        heap_put(p, at, p->heap[child]);
    }
    heap_put(p, at, s);
}

/* n of senders was counted down already */
static void heap_drop(struct pool *p, const struct sender *s)
{
    struct sender *moved = p->heap[p->senders.n];
    if (moved == s) return;
    heap_put(p, s->heap_at, moved);
    heap_fix(p, moved);
}

/* --------------------------------------------------------- entries come and go */

void pool_unref(struct entry *e)
{
    if (--e->refs == 0) free(e);
}

static void set_pending(struct pool *p, struct sender *s, size_t n)
{
    p->n_pending = p->n_pending - s->n_pending + n;
    s->n_pending = n;
}

/* the pending ones may go further than they did */
static void extend_pending(struct pool *p, struct sender *s)
{
    size_t n = s->n_pending;
    while (pool_find_nonce(s, s->nonce + n) != NULL)
        n++;
    set_pending(p, s, n);
}

/* sender's books are brought in order by the caller: pending, heap, or its end */
static void detach(struct pool *p, struct entry *e)
{
    treap_remove(e->sender, e);
    unlink_entry(p, e);
    e->sender->n--;
    p->bytes -= e->bytes;
    e->sender = NULL;
    pool_unref(e);
}

static void free_sender_if_empty(struct pool *p, struct sender *s)
{
    if (s->n > 0) {
        heap_fix(p, s);
        return;
    }
    set_pending(p, s, 0);
    unlink_sender(p, s);
    heap_drop(p, s);
    free(s);
}

static void attach(struct pool *p, struct sender *s, struct entry *e)
{
    e->sender = s;
    treap_insert(s, e);
    grow_entries(p);
    void **b = &p->entries.bucket[entry_bucket(p, &e->tx.hash)];
    e->hash_next = *b;
    *b = e;
    p->entries.n++;
    p->bytes += e->bytes;
    s->n++;
    if (u256_lt(&s->max_cost, &e->cost)) s->max_cost = e->cost;
}

/* one entry out; those behind it in nonce are queued from now on */
static void remove_entry(struct pool *p, struct entry *e)
{
    struct sender *s = e->sender;
    if (is_pending(e)) set_pending(p, s, (size_t)(e->tx.nonce - s->nonce));
    detach(p, e);
    free_sender_if_empty(p, s);
}

static struct sender *new_sender(struct pool *p, const address *addr, uint64_t nonce)
{
    struct sender *s = must(calloc(1, sizeof *s));
    s->addr = *addr;
    s->nonce = nonce;
    grow_senders(p);
    void **b = &p->senders.bucket[sender_bucket(p, addr)];
    s->hash_next = *b;
    *b = s;
    if (p->senders.n == p->heap_cap) {
        p->heap_cap = p->heap_cap == 0 ? 64 : 2 * p->heap_cap;
        p->heap = must(realloc(p->heap, p->heap_cap * sizeof(struct sender *)));
    }
    s->heap_at = p->senders.n; /* placed by heap_fix when it has its first entry */
    p->heap[p->senders.n++] = s;
    return s;
}

/* the account's nonce as it is now: drop what is mined, find out what is pending */
static void set_nonce(struct pool *p, struct sender *s, uint64_t nonce)
{
    if (nonce == s->nonce) return;
    uint64_t end = s->nonce + s->n_pending;
    bool is_ahead = nonce > s->nonce && nonce <= end;
    for (struct entry *e; (e = first_of(s)) != NULL && e->tx.nonce < nonce;)
        detach(p, e);
    s->nonce = nonce;
    set_pending(p, s, is_ahead ? (size_t)(end - nonce) : 0);
    extend_pending(p, s);
}

static u256 cost_of(const struct tx *tx)
{
    u256 gas, blobs, sum;
    bool over = u256_mul_overflow(&gas, tx->max_fee, u256_from_u64(tx->gas_limit));
    over |= u256_add_carry(&sum, &gas, &tx->value);
    if (tx->type == TX_BLOB) {
        enum { GAS_PER_BLOB = 131072, HASH_ITEM = 33 }; /* SPEC(EIP-4844) */
        over |= u256_mul_overflow(&blobs, tx->max_blob_fee, u256_from_u64(tx->blob_hashes.len / HASH_ITEM * GAS_PER_BLOB));
        over |= u256_add_carry(&sum, &sum, &blobs);
    }
    return over ? U256_MAX : sum;
}

/* a view of the original's raw bytes moves along with them; false: it views something else */
static bool rebase(bytes *v, bytes from, const uint8_t *to)
{
    if (v->len == 0) {
        *v = BYTES_EMPTY;
        return true;
    }
    uintptr_t at = (uintptr_t)v->ptr, base = (uintptr_t)from.ptr;
    if (at < base || at - base > from.len || from.len - (at - base) < v->len) return false;
    v->ptr = to + (at - base);
    return true;
}

static struct entry *new_entry(struct pool *p, const struct tx *tx, uint64_t now_ms)
{
    struct entry *e = malloc(sizeof *e + tx->raw.len);
    if (e == NULL) return NULL;
    uint8_t *raw = (uint8_t *)(e + 1);
    memcpy(raw, tx->raw.ptr, tx->raw.len);
    *e = (struct entry){.tx = *tx, .refs = 1, .bytes = sizeof *e + tx->raw.len, .arrived_ms = now_ms};
    bytes from = tx->raw;
    if (!rebase(&e->tx.data, from, raw) || !rebase(&e->tx.access_list, from, raw) || !rebase(&e->tx.auth_list, from, raw) ||
        !rebase(&e->tx.blob_hashes, from, raw)) {
        /* made by tx_sign: its lists stand elsewhere */
        if (tx_get(&e->tx, bytes_make(raw, tx->raw.len), NULL) != OK) BUG("a transaction in memory does not decode");
        e->tx.sender = tx->sender;
        e->tx.has_sender = true;
    }
    e->tx.raw = bytes_make(raw, tx->raw.len);
    e->price = u256_lt(&tx->max_priority, &tx->max_fee) ? tx->max_priority : tx->max_fee;
    e->cost = cost_of(tx);
    e->priority = rng_next(p->rng);
    e->arrival = p->arrivals++;
    return e;
}

/* ---------------------------------------------------------------------- add */

/* price * (100 + bump) / 100, and at least one more */
static bool pays_more(const struct pool *p, const u256 *new_price, const u256 *old_price)
{
    u256 scaled_new, scaled_old;
    if (!u256_lt(old_price, new_price)) return false;
    if (u256_mul_overflow(&scaled_old, *old_price, u256_from_u64(100u + p->limits.price_bump_percent))) return false;
    return u256_mul_overflow(&scaled_new, *new_price, u256_from_u64(100)) || !u256_lt(&scaled_new, &scaled_old);
}

static enum pool_verdict check_alone(const struct pool *p, const struct tx *tx, const struct pool_account *account)
{
    u256 cost = cost_of(tx);
    if (tx->raw.len > p->limits.max_tx_bytes) return POOL_TOO_LARGE;
    if (tx->nonce < account->nonce) return POOL_NONCE_TOO_LOW;
    if (p->gas_limit != 0 && tx->gas_limit > p->gas_limit) return POOL_GAS_LIMIT;
    if (u256_lt(&tx->max_priority, &p->limits.min_tip) || u256_lt(&tx->max_fee, &p->limits.min_tip)) return POOL_UNDERPRICED;
    if (u256_lt(&account->balance, &cost)) return POOL_NO_FUNDS;
    return POOL_PENDING;
}

/* push out worse ones until there is room for n more transactions (0 or 1) of so many bytes; false: those that are left are no worse */
static bool make_room(struct pool *p, const struct sender *s, const struct entry *e, bool will_pend, bool is_more)
{
    const struct pool_limits *l = &p->limits;
    for (;;) {
        size_t n_queued = p->entries.n - p->n_pending;
        bool has_room = p->entries.n + is_more <= l->max_txs && p->bytes + e->bytes <= l->max_bytes;
        if (has_room && (will_pend || !is_more || n_queued + 1 <= l->max_queued)) return true;
        if (p->senders.n == 0) return false;
        struct sender *victim = p->heap[0];
        bool is_victim_queued = !is_pending(victim->last);
        /* its own: only what stands behind it may go */
        if (victim == s && victim->last->tx.nonce < e->tx.nonce) return false;
        if (!is_victim_queued && !will_pend) return false;
        if (is_victim_queued != will_pend && !u256_lt(&victim->last->price, &e->price)) return false;
        if (victim == s && s->n == 1) return false; /* s stays, since the caller holds it */
        remove_entry(p, victim->last);
    }
}

static enum pool_verdict replace(struct pool *p, struct sender *s, struct entry *old, const struct tx *tx, uint64_t now_ms)
{
    if (!pays_more(p, &tx->max_fee, &old->tx.max_fee) || !pays_more(p, &tx->max_priority, &old->tx.max_priority))
        return POOL_REPLACE_UNDERPRICED;
    bool was_pending = is_pending(old);
    size_t more = tx->raw.len > old->tx.raw.len ? tx->raw.len - old->tx.raw.len : 0;
    if (p->bytes + more > p->limits.max_bytes) return POOL_FULL;
    struct entry *e = new_entry(p, tx, now_ms);
    if (e == NULL) return POOL_FULL;
    detach(p, old);
    attach(p, s, e);
    heap_fix(p, s);
    return was_pending ? POOL_PENDING : POOL_QUEUED;
}

static enum pool_verdict insert(struct pool *p, const struct tx *tx, const struct pool_account *account, uint64_t now_ms)
{
    const struct pool_limits *l = &p->limits;
    struct sender *s = pool_find_sender(p, &tx->sender);
    uint64_t next = s != NULL ? s->nonce + s->n_pending : account->nonce;
    bool will_pend = tx->nonce == next;
    if (s != NULL && s->n >= l->max_per_sender) return POOL_SENDER_FULL;
    if (!will_pend && s != NULL && s->n - s->n_pending >= l->max_queued_per_sender) return POOL_SENDER_FULL;
    if (!will_pend && tx->nonce - account->nonce > (uint64_t)l->max_per_sender + l->max_queued_per_sender) return POOL_NONCE_TOO_HIGH;
    struct entry *e = new_entry(p, tx, now_ms);
    if (e == NULL) return POOL_FULL;
    if (!make_room(p, s, e, will_pend, true)) {
        pool_unref(e);
        return POOL_FULL;
    }
    if (s == NULL) s = new_sender(p, &tx->sender, account->nonce);
    attach(p, s, e);
    if (will_pend) extend_pending(p, s);
    heap_fix(p, s);
    return will_pend ? POOL_PENDING : POOL_QUEUED;
}

enum pool_verdict pool_add(struct pool *p, const struct tx *tx, const struct pool_account *account, uint64_t version, uint64_t now_ms)
{
    if (!tx->has_sender) BUG("pool_add: the sender was not recovered");
    pthread_mutex_lock(&p->lock);
    enum pool_verdict v;
    if (version != p->version) {
        v = POOL_STALE;
    } else if (find_entry(p, &tx->hash) != NULL) {
        v = POOL_KNOWN;
    } else {
        v = check_alone(p, tx, account);
        struct sender *s = v == POOL_PENDING ? pool_find_sender(p, &tx->sender) : NULL;
        if (s != NULL) {
            set_nonce(p, s, account->nonce);
            free_sender_if_empty(p, s);
            s = pool_find_sender(p, &tx->sender);
        }
        struct entry *old = s != NULL ? pool_find_nonce(s, tx->nonce) : NULL;
        if (v == POOL_PENDING) v = old != NULL ? replace(p, s, old, tx, now_ms) : insert(p, tx, account, now_ms);
    }
    pthread_mutex_unlock(&p->lock);
    return v;
}

/* ------------------------------------------------------------------ changes */

/* what one transaction costs more than there is can't be paid, however the rest goes */
static void drop_unpayable(struct pool *p, struct sender *s, const u256 *balance)
{
    if (!u256_lt(balance, &s->max_cost)) return;
    s->max_cost = U256_ZERO;
    for (struct entry *e = first_of(s); e != NULL;) {
        uint64_t after = e->tx.nonce;
        if (u256_lt(balance, &e->cost)) {
            if (is_pending(e)) set_pending(p, s, (size_t)(e->tx.nonce - s->nonce));
            detach(p, e);
        } else if (u256_lt(&s->max_cost, &e->cost)) {
            s->max_cost = e->cost;
        }
        e = after == UINT64_MAX ? NULL : from_nonce(s, after + 1);
    }
}

void pool_on_head(struct pool *p, const struct pool_account *changed, size_t n, uint64_t block_gas_limit)
{
    pthread_mutex_lock(&p->lock);
    p->version++;
    p->gas_limit = block_gas_limit;
    for (size_t i = 0; i < n; i++) {
        struct sender *s = pool_find_sender(p, &changed[i].addr);
        if (s == NULL) continue;
        set_nonce(p, s, changed[i].nonce);
        drop_unpayable(p, s, &changed[i].balance);
        free_sender_if_empty(p, s);
    }
    pthread_mutex_unlock(&p->lock);
}

bool pool_remove(struct pool *p, const hash32 *hash)
{
    pthread_mutex_lock(&p->lock);
    struct entry *e = find_entry(p, hash);
    if (e != NULL) remove_entry(p, e);
    pthread_mutex_unlock(&p->lock);
    return e != NULL;
}

size_t pool_expire(struct pool *p, uint64_t now_ms)
{
    size_t n = 0;
    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < p->entries.cap; i++)
        for (struct entry *e = p->entries.bucket[i], *next; e != NULL; e = next) {
            next = e->hash_next;
            if (is_pending(e) || now_ms < e->arrived_ms || now_ms - e->arrived_ms <= p->limits.queued_lifetime_ms) continue;
            remove_entry(p, e);
            n++;
        }
    pthread_mutex_unlock(&p->lock);
    return n;
}

/* --------------------------------------------------------------------- look */

uint64_t pool_version(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    uint64_t v = p->version;
    pthread_mutex_unlock(&p->lock);
    return v;
}

bool pool_has(struct pool *p, const hash32 *hash)
{
    pthread_mutex_lock(&p->lock);
    bool has = find_entry(p, hash) != NULL;
    pthread_mutex_unlock(&p->lock);
    return has;
}

static enum status copy_tx(struct tx *out, const struct entry *e, struct arena *a)
{
    struct tx tx = e->tx;
    bytes raw = arena_copy(a, tx.raw);
    if (raw.ptr == NULL) return E_NOMEM;
    if (!rebase(&tx.data, e->tx.raw, raw.ptr) || !rebase(&tx.access_list, e->tx.raw, raw.ptr) || !rebase(&tx.auth_list, e->tx.raw, raw.ptr) ||
        !rebase(&tx.blob_hashes, e->tx.raw, raw.ptr))
        BUG("an entry's views leave its bytes");
    tx.raw = raw;
    *out = tx;
    return OK;
}

enum status pool_get(struct tx *out, struct pool *p, const hash32 *hash, struct arena *a)
{
    pthread_mutex_lock(&p->lock);
    const struct entry *e = find_entry(p, hash);
    enum status s = e != NULL ? copy_tx(out, e, a) : E_NOT_FOUND;
    pthread_mutex_unlock(&p->lock);
    return s;
}

bool pool_known_sender(struct pool *p, const hash32 *hash, address *out)
{
    pthread_mutex_lock(&p->lock);
    const struct entry *e = find_entry(p, hash);
    if (e != NULL) *out = e->tx.sender;
    pthread_mutex_unlock(&p->lock);
    return e != NULL;
}

bool pool_put(struct pool *p, struct buf *out, const hash32 *hash)
{
    pthread_mutex_lock(&p->lock);
    const struct entry *e = find_entry(p, hash);
    if (e != NULL) tx_put_network(out, &e->tx);
    pthread_mutex_unlock(&p->lock);
    return e != NULL;
}

uint64_t pool_next_nonce(struct pool *p, const address *sender, uint64_t state_nonce)
{
    pthread_mutex_lock(&p->lock);
    const struct sender *s = pool_find_sender(p, sender);
    uint64_t next = s != NULL ? s->nonce + s->n_pending : 0;
    pthread_mutex_unlock(&p->lock);
    return next > state_nonce ? next : state_nonce;
}

size_t pool_max_txs(const struct pool *p)
{
    return p->limits.max_txs;
}

void pool_count(struct pool *p, size_t *n_pending, size_t *n_queued)
{
    pthread_mutex_lock(&p->lock);
    *n_pending = p->n_pending;
    *n_queued = p->entries.n - p->n_pending;
    pthread_mutex_unlock(&p->lock);
}

size_t pool_list(struct pool *p, hash32 *out, size_t max)
{
    size_t n = 0;
    pthread_mutex_lock(&p->lock);
    for (size_t i = 0; i < p->senders.n && n < max; i++) {
        const struct sender *s = p->heap[i];
        for (size_t k = 0; k < s->n_pending && n < max; k++)
            out[n++] = pool_find_nonce(s, s->nonce + k)->tx.hash;
    }
    pthread_mutex_unlock(&p->lock);
    return n;
}

static int sender_cmp(const void *a, const void *b)
{
    const struct sender *const *x = a, *const *y = b;
    return memcmp((*x)->addr.b, (*y)->addr.b, sizeof(address));
}

static enum status copy_sender(struct pool_item *list, size_t *n, size_t max, const struct sender *s, struct arena *a)
{
    for (struct entry *e = first_of(s); e != NULL && *n < max; e = from_nonce(s, e->tx.nonce + 1)) {
        enum status st = copy_tx(&list[*n].tx, e, a);
        if (st != OK) return st;
        list[(*n)++].is_queued = !is_pending(e);
    }
    return OK;
}

enum status pool_content(struct pool_item **out, size_t *n, struct pool *p, const address *of, size_t max, struct arena *a)
{
    enum status st = OK;
    size_t count = 0, n_senders = 0;
    struct sender **order = NULL;
    pthread_mutex_lock(&p->lock);
    if (of != NULL) {
        struct sender *one = pool_find_sender(p, of);
        order = must(malloc(sizeof(struct sender *)));
        order[0] = one;
        n_senders = one != NULL;
    } else {
        n_senders = p->senders.n;
        order = must(malloc((n_senders + 1) * sizeof(struct sender *)));
        if (n_senders > 0) memcpy(order, p->heap, n_senders * sizeof(struct sender *));
        qsort(order, n_senders, sizeof(struct sender *), sender_cmp);
    }
    if (max > p->entries.n) max = p->entries.n;
    struct pool_item *list = arena_zalloc(a, max, sizeof *list);
    if (list == NULL) st = E_NOMEM;
    for (size_t i = 0; st == OK && i < n_senders; i++)
        st = copy_sender(list, &count, max, order[i], a);
    pthread_mutex_unlock(&p->lock);
    free(order);
    if (st != OK) return st;
    *out = list;
    *n = count;
    return OK;
}

/* ------------------------------------------------------------- birth and end */

static void set_default(size_t *v, size_t def)
{
    if (*v == 0) *v = def;
}

enum status pool_new(struct pool **out, const struct pool_limits *limits)
{
    struct pool *p = calloc(1, sizeof *p);
    struct rng_seeded *rng = malloc(sizeof *rng);
    if (p == NULL || rng == NULL) {
        free(p);
        free(rng);
        return E_NOMEM;
    }
    uint64_t seed;
    if (limits != NULL) p->limits = *limits;
    set_default(&p->limits.max_txs, 65536);
    set_default(&p->limits.max_bytes, (size_t)64 << 20);
    set_default(&p->limits.max_queued, 16384);
    set_default(&p->limits.max_per_sender, 65536);
    set_default(&p->limits.max_queued_per_sender, 4096);
    set_default(&p->limits.max_tx_bytes, (size_t)300 << 10);
    if (p->limits.price_bump_percent == 0) p->limits.price_bump_percent = 10;
    if (p->limits.queued_lifetime_ms == 0) p->limits.queued_lifetime_ms = (uint64_t)3 * 3600 * 1000;
    rng_fill(p->seed, sizeof p->seed);
    p->seed[1] |= 1; /* odd: multiplying loses nothing */
    rng_fill(&seed, sizeof seed);
    rng_seed(rng, seed);
    p->rng = rng;
    table_init(&p->entries);
    table_init(&p->senders);
    if (pthread_mutex_init(&p->lock, NULL) != 0) BUG("pthread_mutex_init");
    *out = p;
    return OK;
}

void pool_free(struct pool *p)
{
    if (p == NULL) return;
    for (size_t i = 0; i < p->entries.cap; i++)
        for (struct entry *e = p->entries.bucket[i], *next; e != NULL; e = next) {
            next = e->hash_next;
            e->sender = NULL;
            pool_unref(e);
        }
    for (size_t i = 0; i < p->senders.n; i++)
        free(p->heap[i]);
    free(p->heap);
    free(p->entries.bucket);
    free(p->senders.bucket);
    free(p->rng);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
