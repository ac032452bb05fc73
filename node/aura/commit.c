#include "node/aura/commit.h"

enum { ROUNDS = 4 }; /* a block confirms at most that many rounds: bounds the work for one block; to confirm less is always safe */

bool commit_is_vote(const struct header *h)
{
    return !bytes_eq(h->extra, BYTES_LIT(COMMIT_FREE_EXTRA));
}

static size_t words_of(const struct commit *c)
{
    return (c->set.n + 63) / 64;
}

static struct commit_entry *entry_at(const struct commit *c, size_t i)
{
    return &c->entries[(c->head + i) % c->cap];
}

uint64_t commit_depth(size_t n_validators)
{
    return (uint64_t)ROUNDS * n_validators;
}

enum status commit_init(struct commit *c, const struct validators *set, uint64_t two_thirds_from, uint64_t floor_step, uint64_t ballot,
                        const hash32 *ballot_hash)
{
    struct commit r = {.two_thirds_from = two_thirds_from, .floor = floor_step, .ballot = ballot, .ballot_hash = *ballot_hash,
                       .joint_until = UINT64_MAX};
    enum status s = validators_copy(&r.set, set->list, set->n);
    if (s != OK) return s;
    r.last = calloc(set->n == 0 ? 1 : set->n, sizeof *r.last);
    if (r.last == NULL) {
        validators_fini(&r.set);
        return E_NOMEM;
    }
    *c = r;
    return OK;
}

static void before_fini(struct commit_before *b)
{
    validators_fini(&b->set);
    free(b->mask);
}

void commit_fini(struct commit *c)
{
    for (size_t i = 0; i < c->len; i++)
        free(entry_at(c, i)->votes);
    for (size_t i = 0; i < c->n_before; i++)
        before_fini(&c->before[i]);
    free(c->before);
    free(c->entries);
    free(c->last);
    validators_fini(&c->set);
    *c = (struct commit){0};
}

enum status commit_add_before(struct commit *c, const struct validators *set)
{
    struct commit_before b = {0};
    for (size_t i = 0; i < c->n_before; i++)
        if (validators_eq(&c->before[i].set, set)) return OK;
    if (validators_eq(&c->set, set)) return OK;
    struct commit_before *more = realloc(c->before, (c->n_before + 1) * sizeof *more);
    if (more == NULL) return E_NOMEM;
    c->before = more;
    b.mask = calloc(words_of(c) + 1, sizeof *b.mask);
    enum status s = b.mask == NULL ? E_NOMEM : validators_copy(&b.set, set->list, set->n);
    if (s != OK) {
        before_fini(&b);
        return s;
    }
    for (size_t i = 0; i < set->n; i++) {
        const size_t v = validators_index(&c->set, &set->list[i]);
        if (v == c->set.n) continue;
        b.n_common += (b.mask[v / 64] >> v % 64 & 1) == 0;
        b.mask[v / 64] |= 1ULL << v % 64;
    }
    if (c->n_before == COMMIT_BEFORE_MAX) {
        before_fini(&c->before[0]);
        memmove(c->before, c->before + 1, --c->n_before * sizeof *c->before);
    }
    c->before[c->n_before++] = b;
    return OK;
}

enum status commit_next(struct commit *c, const struct commit *prev, const struct validators *set, uint64_t floor_step)
{
    struct commit r;
    enum status s = commit_init(&r, set, prev->two_thirds_from, floor_step, prev->ballot, &prev->ballot_hash);
    if (s != OK) return s;
    for (size_t i = 0; s == OK && prev->joint_until == UINT64_MAX && i < prev->n_before; i++)
        s = commit_add_before(&r, &prev->before[i].set);
    if (s == OK) s = commit_add_before(&r, &prev->set);
    if (s != OK) {
        commit_fini(&r);
        return s;
    }
    *c = r;
    return OK;
}

static size_t quorum_of(const struct commit *c, size_t n, uint64_t number)
{
    return number >= c->two_thirds_from ? n * 2 / 3 + 1 : n / 2 + 1;
}

/* do these validators, and v, decide about the block of that number? */
static bool is_quorum_with(const struct commit *c, const uint64_t *bits, size_t v, uint64_t number)
{
    size_t n = 0;
    for (size_t w = 0; w < words_of(c); w++)
        n += (size_t)__builtin_popcountll(bits[w] | (w == v / 64 ? 1ULL << v % 64 : 0));
    if (n < quorum_of(c, c->set.n, number)) return false;
    for (size_t i = 0; number <= c->joint_until && i < c->n_before; i++) {
        const struct commit_before *b = &c->before[i];
        size_t needed = quorum_of(c, b->set.n, number), m = 0;
        if (needed > b->n_common) needed = b->n_common;
        for (size_t w = 0; w < words_of(c); w++)
            m += (size_t)__builtin_popcountll((bits[w] | (w == v / 64 ? 1ULL << v % 64 : 0)) & b->mask[w]);
        if (m < needed) return false;
    }
    return true;
}

static enum status reserve(struct commit *c)
{
    if (c->len < c->cap) return OK;
    const size_t cap = c->cap == 0 ? 16 : c->cap * 2;
    struct commit_entry *e = malloc(cap * sizeof *e);
    if (e == NULL) return E_NOMEM;
    for (size_t i = 0; i < c->len; i++)
        e[i] = *entry_at(c, i);
    free(c->entries);
    c->entries = e;
    c->head = 0;
    c->cap = cap;
    return OK;
}

static uint64_t confirms(const struct commit *c, size_t v, uint64_t step)
{
    const uint64_t n = c->set.n, most = commit_depth(c->set.n);
    const struct commit_last *last = &c->last[v];
    uint64_t from = step + 1 > n ? step + 1 - n : 0;
    if (last->step != 0 && last->step + n == step) from = last->confirms;
    if (step + 1 > most && from < step + 1 - most) from = step + 1 - most;
    return from > c->floor + 1 ? from : c->floor + 1;
}

uint64_t commit_confirms(const struct commit *c, const address *author, uint64_t step)
{
    const size_t v = validators_index(&c->set, author);
    return v == c->set.n ? step : confirms(c, v, step);
}

uint64_t commit_ballot_with(hash32 *hash, bool *own, const struct commit *c, uint64_t number, uint64_t step, const address *author)
{
    const size_t v = validators_index(&c->set, author);
    *hash = c->ballot_hash;
    *own = false;
    if (v == c->set.n) return c->ballot;
    *own = quorum_of(c, c->set.n, number) == 1;
    if (*own) return step;
    const uint64_t from = confirms(c, v, step);
    for (size_t i = c->len; i-- > 0 && entry_at(c, i)->step >= from;) {
        const struct commit_entry *e = entry_at(c, i);
        if (e->step <= c->ballot) break;
        if (!is_quorum_with(c, e->votes, v, e->number)) continue;
        *hash = e->hash;
        return e->step;
    }
    return c->ballot;
}

/* author's block confirms entry i. ret: it is committed */
static bool vote(struct commit *c, size_t i, size_t v)
{
    struct commit_entry *e = entry_at(c, i);
    uint64_t *after = e->votes + words_of(c);
    const uint64_t bit = 1ULL << v % 64;
    e->votes[v / 64] |= bit;
    if (!e->is_prepared) {
        if (!is_quorum_with(c, e->votes, v, e->number)) return false;
        e->is_prepared = true;
        if (e->step > c->ballot) {
            c->ballot = e->step;
            c->ballot_hash = e->hash;
        }
    }
    after[v / 64] |= bit;
    return is_quorum_with(c, after, v, e->number);
}

/* a signature of v on what stands in the window, made in that step */
static void sign(struct commit *c, size_t v, uint64_t step)
{
    const uint64_t from = confirms(c, v, step);
    c->last[v] = (struct commit_last){.step = step, .confirms = from};
    size_t done = 0; /* entries up to the newest committed one */
    for (size_t i = c->len; i-- > 0 && entry_at(c, i)->step >= from;)
        if (vote(c, i, v) && done == 0) done = i + 1;
    if (done > 0) c->committed = entry_at(c, done - 1)->number;
    for (; done > 0; done--) {
        free(entry_at(c, 0)->votes);
        c->head = (c->head + 1) % c->cap;
        c->len--;
    }
}

enum status commit_push(struct commit *c, const hash32 *hash, uint64_t number, uint64_t step, const address *author)
{
    const size_t v = author == NULL ? c->set.n : validators_index(&c->set, author);
    enum status s = reserve(c);
    if (s != OK) return s;
    uint64_t *votes = calloc(2 * words_of(c) + 1, sizeof *votes);
    if (votes == NULL) return E_NOMEM;
    c->len++;
    *entry_at(c, c->len - 1) = (struct commit_entry){.hash = *hash, .number = number, .step = step, .votes = votes};
    if (v < c->set.n) sign(c, v, step);
    if (c->committed > 0 && c->joint_until == UINT64_MAX) c->joint_until = number;
    return OK;
}

void commit_empty_step(struct commit *c, uint64_t step, const address *signer)
{
    const size_t v = validators_index(&c->set, signer);
    if (v < c->set.n) sign(c, v, step);
}
