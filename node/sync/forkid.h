/* forkid.h: EIP-2124 fork identifiers: CRC-32 over the genesis hash and every fork block (or time, EIP-6122) that has passed, and the
 * next one to come. The forks of a chain are all transitions of its spec that are neither 0 nor never, in ascending order, each once.
 *
 *     forkid_init(&f, &spec, &genesis);  forkid_at(&id, &f, head_number, head_time);
 */
#ifndef NODE_SYNC_FORKID_H
#define NODE_SYNC_FORKID_H

#include "lib/eth/chain_spec.h"

#define FORKID_MAX 128

struct forkid {
    uint8_t hash[4];
    uint64_t next; /* 0: none known */
};

struct forkid_table {
    uint64_t at[FORKID_MAX]; /* blocks first, then times, each part ascending */
    uint32_t sum[FORKID_MAX + 1]; /* sum[i]: checksum after i forks */
    size_t n, n_blocks;
};

/** forkid_init: spec NULL: no forks. genesis_time: forks by time at or before it are in force from the beginning. */
void forkid_init(struct forkid_table *out, const struct chain_spec *spec, const hash32 *genesis, uint64_t genesis_time);
/** forkid_init_list: from plain lists, ascending, without 0. */
void forkid_init_list(struct forkid_table *out, const hash32 *genesis, const uint64_t *blocks, size_t n_blocks, const uint64_t *times,
                      size_t n_times);
void forkid_at(struct forkid *out, const struct forkid_table *f, uint64_t number, uint64_t timestamp);
/** forkid_is_compatible: EIP-2124's rules 1 to 4 about a remote id, with our head at number and timestamp. */
bool forkid_is_compatible(const struct forkid_table *f, const struct forkid *remote, uint64_t number, uint64_t timestamp);

#endif
