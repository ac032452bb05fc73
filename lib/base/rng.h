/* rng.h: random bytes. rng_fill is the kernel's generator, for keys and nonces; rng_seeded is a small deterministic one
 * (xoshiro256**), for tests, simulation and jitter, never for secrets. */
#ifndef LIB_BASE_RNG_H
#define LIB_BASE_RNG_H

#include "lib/base/attr.h"

/** rng_fill: len bytes of getrandom(2); aborts if the kernel refuses, since no caller could go on. */
void rng_fill(void *dst, size_t len);

struct rng_seeded {
    uint64_t s[4];
};
void rng_seed(struct rng_seeded *r, uint64_t seed);
uint64_t rng_next(struct rng_seeded *r);
/** rng_below: uniform in [0, n), n > 0 */
uint64_t rng_below(struct rng_seeded *r, uint64_t n);

#endif
