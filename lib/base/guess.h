/* guess.h: what a misspelled word may have meant: the candidate with the fewest letters that must change, go, come, or swap with their neighbour
 * (optimal string alignment distance). One letter may be wrong, and one more for every three.
 *
 *     struct guess g = guess_start("statsu");
 *     guess_offer(&g, "status");
 *     guess_offer(&g, "destroy");
 *     if (g.best != NULL) printf("did you mean '%s'?", g.best);   // status
 */
#ifndef LIB_BASE_GUESS_H
#define LIB_BASE_GUESS_H

#include <stddef.h>

struct guess {
    const char *typed, *best; /* best: NULL, or the nearest candidate so far (borrowed) */
    size_t distance;
};

struct guess guess_start(const char *typed);
/** guess_offer: of equally near ones the first stays. Words over 80 bytes are near to nothing. */
void guess_offer(struct guess *g, const char *candidate);

#endif
