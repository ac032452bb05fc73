#include "node/sync/forkid.h"

#include <zlib.h>

static void list_add(uint64_t *list, size_t *n, size_t max, uint64_t v)
{
    if (v == 0 || v == TRANSITION_NEVER || v > INT64_MAX) return;
    size_t i = 0;
    while (i < *n && list[i] < v)
        i++;
    if (i < *n && list[i] == v) return;
    if (*n == max) return;
    memmove(list + i + 1, list + i, (*n - i) * sizeof *list);
    list[i] = v;
    (*n)++;
}

static uint32_t sum_u64(uint32_t sum, uint64_t v)
{
    uint8_t be[8];
    be64_put(be, v);
    return (uint32_t)crc32(sum, be, sizeof be);
}

void forkid_init_list(struct forkid_table *out, const hash32 *genesis, const uint64_t *blocks, size_t n_blocks, const uint64_t *times,
                      size_t n_times)
{
    out->n = 0;
    out->n_blocks = 0;
    out->sum[0] = (uint32_t)crc32(0, genesis->b, sizeof genesis->b);
    for (size_t i = 0; i < n_blocks && out->n < FORKID_MAX; i++) {
        out->at[out->n] = blocks[i];
        out->n_blocks = ++out->n;
    }
    for (size_t i = 0; i < n_times && out->n < FORKID_MAX; i++)
        out->at[out->n++] = times[i];
    for (size_t i = 0; i < out->n; i++)
        out->sum[i + 1] = sum_u64(out->sum[i], out->at[i]);
}

void forkid_init(struct forkid_table *out, const struct chain_spec *spec, const hash32 *genesis, uint64_t genesis_time)
{
    uint64_t blocks[FORKID_MAX], times[FORKID_MAX];
    size_t n_blocks = 0, n_times = 0;
    if (spec != NULL) {
#define X(field, key, def) list_add(blocks, &n_blocks, FORKID_MAX, spec->field);
        SPEC_TRANSITIONS(X)
#undef X
        for (size_t i = 0; i < spec->n_accounts; i++)
            for (size_t k = 0; k < spec->accounts[i].n_prices; k++)
                list_add(blocks, &n_blocks, FORKID_MAX, spec->accounts[i].prices[k].at);
#define X(field, key)                                                                              \
    if (spec->field > genesis_time) list_add(times, &n_times, FORKID_MAX, spec->field);
        SPEC_TIME_TRANSITIONS(X)
#undef X
    }
    forkid_init_list(out, genesis, blocks, n_blocks, times, n_times);
}

static bool fork_is_past(const struct forkid_table *f, size_t i, uint64_t number, uint64_t timestamp)
{
    return (i < f->n_blocks ? number : timestamp) >= f->at[i];
}

static size_t forks_past(const struct forkid_table *f, uint64_t number, uint64_t timestamp)
{
    size_t i = 0;
    while (i < f->n && fork_is_past(f, i, number, timestamp))
        i++;
    return i;
}

void forkid_at(struct forkid *out, const struct forkid_table *f, uint64_t number, uint64_t timestamp)
{
    const size_t i = forks_past(f, number, timestamp);
    be32_put(out->hash, f->sum[i]);
    out->next = i < f->n ? f->at[i] : 0;
}

bool forkid_is_compatible(const struct forkid_table *f, const struct forkid *remote, uint64_t number, uint64_t timestamp)
{
    const uint32_t sum = be32_get(remote->hash);
    const size_t here = forks_past(f, number, timestamp);
    if (f->sum[here] == sum) {
        /* rule 1: same past; a fork that they announce must not have passed here. EIP-6122: small numbers are blocks */
        const bool is_time = remote->next > 1000000000;
        return remote->next == 0 || remote->next > (is_time ? timestamp : number);
    }
    /* rule 2: they are behind; they must know the next of our forks that they haven't passed */
    for (size_t i = 0; i < here; i++)
        if (f->sum[i] == sum) return remote->next == f->at[i];
    /* rule 3: they are ahead on forks that we know */
    for (size_t i = here + 1; i <= f->n; i++)
        if (f->sum[i] == sum) return true;
    return false;
}
