#include "node/metrics/tally.h"

#include "node/aura/aura.h"

#include <pthread.h>

enum { VALIDATORS_MAX = 4096 }; /* ever seen; more are not counted one by one */

struct tally {
    pthread_mutex_t lock;
    struct tally_validator *list; /* sorted by address */
    size_t n, cap;
    address *set; /* in force for the next block */
    size_t n_set;
    uint64_t counted_to; /* steps up to here have been accounted for */
    struct tally_totals totals;
};

static struct tally_validator *find(struct tally *t, const address *who, bool add)
{
    size_t lo = 0, hi = t->n;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        int c = memcmp(t->list[mid].who.b, who->b, sizeof who->b);
        if (c == 0) return &t->list[mid];
        if (c < 0) lo = mid + 1;
        else hi = mid;
    }
    if (!add || t->n == VALIDATORS_MAX) return NULL;
    if (t->n == t->cap) {
        size_t cap = t->cap == 0 ? 16 : t->cap * 2;
        struct tally_validator *grown = realloc(t->list, cap * sizeof *grown);
        if (grown == NULL) return NULL;
        t->list = grown;
        t->cap = cap;
    }
    memmove(&t->list[lo + 1], &t->list[lo], (t->n - lo) * sizeof *t->list);
    t->n++;
    t->list[lo] = (struct tally_validator){.who = *who};
    return &t->list[lo];
}

static void take_set(struct tally *t, const address *set, size_t n)
{
    if (n == t->n_set && (n == 0 || memcmp(set, t->set, n * sizeof *set) == 0)) return;
    address *copy = malloc((n + 1) * sizeof *copy);
    if (copy == NULL) return; /* the old set counts on */
    if (n > 0) memcpy(copy, set, n * sizeof *copy);
    free(t->set);
    t->set = copy;
    t->n_set = n;
    for (size_t i = 0; i < t->n; i++)
        t->list[i].in_set = false;
    for (size_t i = 0; i < n; i++) {
        struct tally_validator *v = find(t, &set[i], true);
        if (v != NULL) v->in_set = true;
    }
}

enum status tally_new(struct tally **out, const address *set, size_t n, uint64_t head_step)
{
    struct tally *t = calloc(1, sizeof *t);
    if (t == NULL) return E_NOMEM;
    pthread_mutex_init(&t->lock, NULL);
    t->counted_to = head_step;
    take_set(t, set, n);
    *out = t;
    return OK;
}

void tally_free(struct tally *t)
{
    if (t == NULL) return;
    pthread_mutex_destroy(&t->lock);
    free(t->list);
    free(t->set);
    free(t);
}

static void note_step(struct tally *t, const address *who, uint64_t step)
{
    struct tally_validator *v = find(t, who, true);
    if (v != NULL && step > v->last_step) v->last_step = step;
}

void tally_note_sealed(struct tally *t, const address *who, uint64_t step)
{
    pthread_mutex_lock(&t->lock);
    note_step(t, who, step);
    pthread_mutex_unlock(&t->lock);
}

/* steps in (from, to) went by without a block: whole rounds at once, the rest one by one */
static void count_missed(struct tally *t, uint64_t from, uint64_t to)
{
    if (t->n_set == 0 || to <= from + 1) return;
    uint64_t gap = to - from - 1, rounds = gap / t->n_set;
    for (size_t i = 0; rounds > 0 && i < t->n_set; i++) {
        struct tally_validator *v = find(t, &t->set[i], false);
        if (v != NULL) v->missed += rounds;
    }
    for (uint64_t step = from + 1 + rounds * t->n_set; step < to; step++) {
        struct tally_validator *v = find(t, &t->set[step % t->n_set], false);
        if (v != NULL) v->missed++;
    }
}

/* whoever signed an empty step did not miss it */
static void count_empty_steps(struct tally *t, const struct header *h, uint64_t from)
{
    bytes payload;
    struct empty_step e;
    bool done = false;
    if (!h->has_empty_steps || t->n_set == 0 || aura_empty_steps_payload(&payload, h) != OK) return;
    while (aura_empty_steps_next(&e, &done, &payload) == OK && !done) {
        struct tally_validator *v = find(t, &t->set[e.step % t->n_set], false);
        if (v == NULL || e.step <= from || e.step >= h->step) continue;
        if (v->missed > 0) v->missed--;
        if (e.step > v->last_step) v->last_step = e.step;
    }
}

void tally_on_event(struct tally *t, const struct chain_event *e, const address *set, size_t n)
{
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < e->n_added; i++) {
        const struct header *h = &e->added[i].header;
        if (h->step > t->counted_to) {
            /* before the first block there was nothing to seal on */
            if (t->counted_to > 0) {
                count_missed(t, t->counted_to, h->step);
                count_empty_steps(t, h, t->counted_to);
            }
            t->counted_to = h->step;
        }
        note_step(t, &h->author, h->step);
        struct tally_validator *v = find(t, &h->author, false);
        if (v != NULL) v->sealed++;
        t->totals.txs += e->added[i].n_txs;
        t->totals.head_txs = e->added[i].n_txs;
        t->totals.head_gas_used = h->gas_used;
    }
    t->totals.blocks += e->n_added;
    if (e->is_own) t->totals.own_blocks += e->n_added;
    if (e->n_removed > 0) t->totals.reorgs++;
    t->totals.removed_blocks += e->n_removed;
    if (n > 0) take_set(t, set, n);
    pthread_mutex_unlock(&t->lock);
}

void tally_get_totals(struct tally_totals *out, struct tally *t)
{
    pthread_mutex_lock(&t->lock);
    *out = t->totals;
    pthread_mutex_unlock(&t->lock);
}

enum status tally_get_validators(struct tally_validator **out, size_t *n, struct tally *t, struct arena *a)
{
    pthread_mutex_lock(&t->lock);
    struct tally_validator *copy = arena_zalloc(a, t->n + 1, sizeof *copy);
    if (copy != NULL) {
        if (t->n > 0) memcpy(copy, t->list, t->n * sizeof *copy);
        *n = t->n;
        *out = copy;
    }
    pthread_mutex_unlock(&t->lock);
    return copy == NULL ? E_NOMEM : OK;
}
