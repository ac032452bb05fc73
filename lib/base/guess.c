#include "lib/base/guess.h"

#include <stdint.h>
#include <string.h>

enum { WORD_MAX = 80 };

static size_t distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b), d[3][WORD_MAX + 1];
    if (n > WORD_MAX || m > WORD_MAX) return SIZE_MAX;
    for (size_t j = 0; j <= m; j++)
        d[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *row = d[i % 3], *above = d[(i + 2) % 3], *above2 = d[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);
            if (above[j] + 1 < best) best = above[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && above2[j - 2] + 1 < best) best = above2[j - 2] + 1;
            row[j] = best;
        }
    }
    return d[n % 3][m];
}

struct guess guess_start(const char *typed)
{
    return (struct guess){.typed = typed, .distance = strlen(typed) / 3 + 1};
}

void guess_offer(struct guess *g, const char *candidate)
{
    size_t d = distance(g->typed, candidate);
    if (d >= g->distance + (g->best == NULL)) return;
    g->best = candidate;
    g->distance = d;
}
