/* make.h: a long chain for measurements, sealed in the past by one key: what would take a validator hours. */
#ifndef TESTS_BENCH_CHAIN_MAKE_H
#define TESTS_BENCH_CHAIN_MAKE_H

#include "lib/base/err.h"
#include "lib/base/secret.h"

struct make_config {
    const char *spec_file, *base_path; /* as a node's: <base_path>/db */
    secret32 seal, funded;             /* the only validator, and who pays */
    uint64_t blocks;
    unsigned txs; /* transfers a block */
};
/** make_chain: the last block's step is a little before now. ret OK | ... (err) */
MUST_CHECK enum status make_chain(const struct make_config *c, struct err *err);

#endif
