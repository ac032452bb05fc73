/* genesis.h: block 0 of a chain spec as Parity makes it (reference/aura.md B6): accounts, constructors run in order of address, the zero
 * account that a constructor leaves, and the header. */
#ifndef NODE_CHAIN_GENESIS_H
#define NODE_CHAIN_GENESIS_H

#include "lib/eth/chain_spec.h"
#include "lib/eth/header.h"
#include "node/store/kv.h"

struct genesis {
    struct header header; /* borrows from spec */
    hash32 hash;
};

/** genesis_build: write the genesis state into txn (a write transaction on an empty database) and give header and hash. Does not write the
 *  block tables. err tells which constructor failed. */
MUST_CHECK enum status genesis_build(struct genesis *out, const struct chain_spec *spec, struct kv_txn *txn, struct err *err);
/** genesis_compute: header and hash only, on an in-memory database. */
MUST_CHECK enum status genesis_compute(struct genesis *out, const struct chain_spec *spec, struct err *err);

#endif
