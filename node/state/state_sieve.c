/* Which of the latest blocks may have changed an item: a Bloom filter for each block, laid side by side. A place of the filters is one line of bits, a
 * bit for each block; an item has PLACES of them, and their lines together, by "and", leave the blocks that are worth a look.
 *
 * Bits come from the rows of blocks as readers find them; the block's hash, which stands for all of its ancestors, says whose they are. A bit is never
 * taken away before the block's column is given to another, SIEVE_BLOCKS further on, so what once held for a block of some branch goes on to hold:
 *
 *     for each n in [low, high], all rows of blocks in [low, n] of the chain that ends in hash[n] are in.
 *
 * Branches that were in at a time part above low, or the whole is begun anew. */
#include "node/state/state_priv.h"

#include "lib/base/rng.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
    LINES = 1 << 16, /* of 64 bytes each; 10,000 items in a block: one block of 23 is looked at in vain */
    PLACES = 4,      /* in 64 bits of hash */
    WORDS = SIEVE_BLOCKS / 64
};

struct filters {
    uint64_t line[LINES][WORDS];
    hash32 hash[SIEVE_BLOCKS]; /* by number, modulo */
};

struct state_sieve {
    pthread_rwlock_t lock; /* nobody waits for it: who does not get it does without */
    uint64_t salt, patience;
    struct filters *f;  /* NULL: nothing is in */
    uint64_t low, high; /* low > high: nothing is in */
    uint64_t age;       /* counts the changes */
    _Atomic uint64_t n_seeks, n_spent; /* seeks so far; those that had been when it was last changed */
};

enum status state_sieve_new(struct state_sieve **out, uint64_t patience)
{
    struct state_sieve *v = calloc(1, sizeof *v);
    if (v == NULL) return E_NOMEM;
    pthread_rwlock_init(&v->lock, NULL);
    rng_fill(&v->salt, sizeof v->salt);
    v->patience = patience;
    v->low = 1;
    v->age = 1;
    *out = v;
    return OK;
}

void state_sieve_free(struct state_sieve *v)
{
    if (v == NULL) return;
    pthread_rwlock_destroy(&v->lock);
    free(v->f);
    free(v);
}

uint64_t state_sieve_seeks(struct state_sieve *v)
{
    return atomic_load(&v->n_seeks);
}

static size_t column(uint64_t number)
{
    return number % SIEVE_BLOCKS;
}

/* salted: whoever chooses addresses and slots can't fill one line */
static uint64_t places_of(const struct state_sieve *v, bytes item)
{
    uint64_t hash = v->salt;
    for (size_t i = 0; i + 8 <= item.len; i += 8) hash = state_mix(hash, le64_get(item.ptr + i));
    return state_mix(state_mix(hash, le64_get(item.ptr + item.len - 8)), v->salt);
}

static enum status canonical(hash32 *out, struct kv_txn *txn, uint64_t number)
{
    uint8_t key[8];
    bytes v;
    be64_put(key, number);
    enum status s = kv_get(&v, txn, TABLE_CANON, BYTES_OF(key));
    if (s == OK && v.len != sizeof *out) return E_CORRUPT;
    if (s == OK) memcpy(out->b, v.ptr, sizeof *out);
    return s;
}

static bool is_in(const struct state_sieve *v, struct kv_txn *txn, uint64_t number)
{
    hash32 hash;
    return number >= v->low && number <= v->high && canonical(&hash, txn, number) == OK && hash_eq(&hash, &v->f->hash[column(number)]);
}

/* --- asking */

uint64_t sieve_ask(struct sieved *out, struct state *s, uint64_t from, bytes item)
{
    struct state_sieve *v = s->sieve;
    if (v == NULL || pthread_rwlock_tryrdlock(&v->lock) != 0) return from;
    if (s->sieve_age != v->age) { /* up to which block is the chain of this state in? */
        const uint64_t n = s->rows_end <= v->high ? s->rows_end - 1 : v->high;
        s->sieved_end = is_in(v, s->txn, n) ? n + 1 : 0;
        s->sieve_age = v->age;
    }
    const uint64_t end = from >= v->low && from < s->sieved_end ? s->sieved_end : from;
    if (end != from) {
        uint64_t places = places_of(v, item);
        memcpy(out->bits, v->f->line[places % LINES], sizeof out->bits);
        for (int i = 1; i < PLACES; i++) {
            places /= LINES;
            for (size_t w = 0; w < WORDS; w++) out->bits[w] &= v->f->line[places % LINES][w];
        }
    }
    pthread_rwlock_unlock(&v->lock);
    return end;
}

uint64_t sieve_next(const struct sieved *v, uint64_t from, uint64_t end)
{
    while (from < end) {
        const size_t at = column(from);
        const uint64_t word = v->bits[at / 64] >> at % 64;
        if (word != 0) {
            from += (uint64_t)__builtin_ctzll(word);
            return from < end ? from : end;
        }
        from += 64 - at % 64;
    }
    return end;
}

/* --- filling */

static void forget(struct state_sieve *v)
{
    memset(v->f, 0, sizeof *v->f);
    v->low = 1;
    v->high = 0;
}

/* the columns of blocks [from, to] are for these now */
static void clear_columns(struct state_sieve *v, uint64_t from, uint64_t to)
{
    uint64_t keep[WORDS];
    memset(keep, 0xff, sizeof keep);
    for (uint64_t n = from; n <= to; n++) keep[column(n) / 64] &= ~(UINT64_C(1) << column(n) % 64);
    for (size_t i = 0; i < LINES; i++)
        for (size_t w = 0; w < WORDS; w++) v->f->line[i][w] &= keep[w];
}

static enum status add_rows(struct state_sieve *v, struct state *s, uint64_t from, uint64_t to)
{
    uint8_t key[ROW_MAX];
    bytes k, value;
    enum status st = OK;
    for (uint64_t n = from; n <= to && st == OK; n++) st = canonical(&v->f->hash[column(n)], s->txn, n);
    if (st == OK) st = kv_cursor_seek(&k, &value, s->hist_rows, row_key(key, from, BYTES_EMPTY));
    for (; st == OK; st = kv_cursor_next(&k, &value, s->hist_rows)) {
        if (k.len < 8) return E_CORRUPT;
        const uint64_t n = be64_get(k.ptr);
        if (n > to) return OK;
        if (k.len < 8 + sizeof(address)) continue; /* of the older form: the index has it */
        const size_t at = column(n);
        for (uint64_t i = 0, places = places_of(v, bytes_make(k.ptr + 8, k.len - 8)); i < PLACES; i++, places /= LINES)
            v->f->line[places % LINES][at / 64] |= UINT64_C(1) << at % 64;
    }
    return st == E_NOT_FOUND ? OK : st;
}

/* take_in: the rows of blocks [from, to] */
static enum status take_in(struct state_sieve *v, struct state *s, uint64_t from, uint64_t to)
{
    uint64_t common = to < v->high ? to : v->high;
    while (common >= v->low && common <= v->high && !is_in(v, s->txn, common)) common--;
    if (v->low > v->high || common < v->low || to >= v->high + SIEVE_BLOCKS) {
        forget(v);
        const enum status st = add_rows(v, s, from, to);
        v->low = from;
        v->high = to;
        return st;
    }
    enum status st = OK;
    if (to > v->high) {
        clear_columns(v, v->high + 1, to);
        v->high = to;
        if (to >= SIEVE_BLOCKS && v->low <= to - SIEVE_BLOCKS) v->low = to - SIEVE_BLOCKS + 1;
    }
    if (common < to) st = add_rows(v, s, common + 1, to);
    if (st != OK || from >= v->low || v->high - from >= SIEVE_BLOCKS) return st;
    st = add_rows(v, s, from, v->low - 1);
    v->low = from;
    return st;
}

void sieve_note_seeks(struct state *s, uint64_t n)
{
    struct state_sieve *v = s->sieve;
    const uint64_t seeks = atomic_fetch_add_explicit(&v->n_seeks, n, memory_order_relaxed) + n;
    if (seeks - atomic_load_explicit(&v->n_spent, memory_order_relaxed) < v->patience) return;
    if (s->rows_end - s->number > SIEVE_BLOCKS + 1 || pthread_rwlock_trywrlock(&v->lock) != 0) return;
    atomic_store_explicit(&v->n_spent, seeks, memory_order_relaxed);
    if (v->f == NULL) v->f = calloc(1, sizeof *v->f);
    /* what can't be read here shows to the reader, when it walks */
    if (v->f != NULL && take_in(v, s, s->number + 1, s->rows_end - 1) != OK) forget(v);
    v->age++;
    pthread_rwlock_unlock(&v->lock);
}
