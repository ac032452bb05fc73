#include "node/aura/aura.h"

enum status finality_init(struct finality *f, const struct validators *set, uint64_t two_thirds_from)
{
    struct finality r = {.two_thirds_from = two_thirds_from};
    enum status s = validators_copy(&r.set, set->list, set->n);
    if (s != OK) return s;
    r.counts = calloc(set->n == 0 ? 1 : set->n, sizeof *r.counts);
    if (r.counts == NULL) {
        validators_fini(&r.set);
        return E_NOMEM;
    }
    *f = r;
    return OK;
}

static struct finality_entry *entry_at(const struct finality *f, size_t i)
{
    return &f->entries[(f->head + i) % f->cap];
}

void finality_fini(struct finality *f)
{
    for (size_t i = 0; i < f->len; i++)
        free(entry_at(f, i)->signers);
    free(f->entries);
    free(f->counts);
    validators_fini(&f->set);
    *f = (struct finality){0};
}

/* SPEC(aura.md B5 "Finality"): the rule is chosen by the number of the front block */
static bool is_majority(const struct finality *f, size_t n_distinct, uint64_t front_number)
{
    return front_number >= f->two_thirds_from ? n_distinct * 3 > f->set.n * 2 : n_distinct * 2 > f->set.n;
}

size_t finality_needed(const struct finality *f)
{
    uint64_t front = f->len == 0 ? 0 : entry_at(f, 0)->number;
    return front >= f->two_thirds_from ? f->set.n * 2 / 3 + 1 : f->set.n / 2 + 1;
}

static void count_up(struct finality *f, uint32_t index)
{
    if (f->counts[index]++ == 0) f->n_distinct++;
}

static void count_down(struct finality *f, uint32_t index)
{
    if (--f->counts[index] == 0) f->n_distinct--;
}

static enum status reserve(struct finality *f)
{
    if (f->len < f->cap) return OK;
    size_t cap = f->cap == 0 ? 16 : f->cap * 2;
    struct finality_entry *e = malloc(cap * sizeof *e);
    if (e == NULL) return E_NOMEM;
    for (size_t i = 0; i < f->len; i++)
        e[i] = *entry_at(f, i);
    free(f->entries);
    f->entries = e;
    f->head = 0;
    f->cap = cap;
    return OK;
}

/* indices of author and extra signers; all must be of the set */
static enum status map_signers(uint32_t **out, size_t *n_out, const struct finality *f, const address *author,
                               const address *extra, size_t n_extra)
{
    uint32_t *list = malloc((1 + n_extra) * sizeof *list);
    if (list == NULL) return E_NOMEM;
    size_t n = 0;
    for (size_t i = 0; i < 1 + n_extra; i++) {
        size_t index = validators_index(&f->set, i == 0 ? author : &extra[i - 1]);
        if (index == f->set.n) {
            free(list);
            return E_INVALID;
        }
        list[n++] = (uint32_t)index;
    }
    *out = list;
    *n_out = n;
    return OK;
}

/* empty steps in a block sign its parent: add them to the last entry */
static enum status sign_last(struct finality *f, const address *signers, size_t n)
{
    if (n == 0 || f->len == 0) return OK;
    struct finality_entry *last = entry_at(f, f->len - 1);
    uint32_t *more = realloc(last->signers, (last->n_signers + n) * sizeof *more);
    if (more == NULL) return E_NOMEM;
    last->signers = more;
    for (size_t i = 0; i < n; i++) {
        size_t index = validators_index(&f->set, &signers[i]);
        if (index == f->set.n) return E_INVALID;
        more[last->n_signers++] = (uint32_t)index;
        count_up(f, (uint32_t)index);
    }
    return OK;
}

static void pop_front(struct finality *f)
{
    struct finality_entry *front = entry_at(f, 0);
    for (size_t i = 0; i < front->n_signers; i++)
        count_down(f, front->signers[i]);
    free(front->signers);
    f->head = (f->head + 1) % f->cap;
    f->len--;
}

enum status finality_push(struct finality *f, const hash32 *hash, uint64_t number, const address *author,
                          const address *parent_signers, size_t n_parent_signers, hash32 *finals, uint64_t *final_numbers,
                          size_t *n_finals)
{
    uint32_t *signers;
    size_t n;
    enum status s = map_signers(&signers, &n, f, author, NULL, 0);
    if (s != OK) return s;
    s = reserve(f);
    if (s == OK) s = sign_last(f, parent_signers, n_parent_signers);
    if (s != OK) {
        free(signers);
        return s;
    }
    f->len++;
    *entry_at(f, f->len - 1) = (struct finality_entry){.hash = *hash, .number = number, .signers = signers, .n_signers = n};
    for (size_t i = 0; i < n; i++)
        count_up(f, signers[i]);

    size_t k = 0;
    while (f->len > 0 && is_majority(f, f->n_distinct, entry_at(f, 0)->number)) {
        finals[k] = entry_at(f, 0)->hash;
        final_numbers[k++] = entry_at(f, 0)->number;
        pop_front(f);
    }
    *n_finals = k;
    return OK;
}

enum status finality_push_front(struct finality *f, const hash32 *hash, uint64_t number, const address *author,
                                const address *empty_signers, size_t n_empty_signers, bool *full)
{
    uint32_t *signers;
    size_t n;
    enum status s = map_signers(&signers, &n, f, author, empty_signers, n_empty_signers);
    if (s == OK) s = reserve(f);
    if (s != OK) return s;
    for (size_t i = 0; i < n; i++)
        count_up(f, signers[i]);
    if (is_majority(f, f->n_distinct, number)) {
        for (size_t i = 0; i < n; i++)
            count_down(f, signers[i]);
        free(signers);
        *full = true;
        return OK;
    }
    f->head = (f->head + f->cap - 1) % f->cap;
    f->len++;
    *entry_at(f, 0) = (struct finality_entry){.hash = *hash, .number = number, .signers = signers, .n_signers = n};
    *full = false;
    return OK;
}
