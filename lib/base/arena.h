/* arena.h: memory of one lifetime (a request, a block): allocated piece by piece, freed in one go. Not thread-safe. */
#ifndef LIB_BASE_ARENA_H
#define LIB_BASE_ARENA_H

#include "lib/base/bytes.h"
#include "lib/base/status.h"

struct arena_chunk;
struct arena {
    struct arena_chunk *head;
    size_t used, max;
};

/** arena_init: max bounds the sum of all allocations in bytes (headers not counted). */
void arena_init(struct arena *a, size_t max);
void arena_fini(struct arena *a);
/** arena_reset: free all but one chunk, ready for the next request. */
void arena_reset(struct arena *a);
/** arena_alloc: n bytes, 16-byte aligned, not zeroed; NULL past the maximum or out of memory. n == 0 gives a valid pointer. */
MUST_CHECK void *arena_alloc(struct arena *a, size_t n);
/** arena_zalloc: n items of len bytes, zeroed; NULL also when n*len overflows. */
MUST_CHECK void *arena_zalloc(struct arena *a, size_t n, size_t len);
/** arena_copy: a copy of b in the arena with a NUL behind it; ptr NULL if there is no room. */
bytes arena_copy(struct arena *a, bytes b);
/** arena_printf: formatted text in the arena; NULL if there is no room. */
PRINTF_LIKE(2, 3) MUST_CHECK char *arena_printf(struct arena *a, const char *fmt, ...);
MUST_CHECK char *arena_strdup(struct arena *a, const char *s);

#endif
