/* ethchain.h: a chain by Ethereum's own rules (ethrules.h) in one write transaction of a database, for the official blockchain tests:
 * import on any known parent, with re-organisations that go through state_unwind. */
#ifndef NODE_EVM_TOOL_ETHCHAIN_H
#define NODE_EVM_TOOL_ETHCHAIN_H

#include "node/evm_tool/ethrules.h"
#include "node/store/kv.h"

struct evm;
struct ethchain;

/** ethchain_open: txn holds the genesis state as block 0; genesis: header in RLP. All borrowed.  ret OK | E_DECODE | E_NOMEM */
MUST_CHECK enum status ethchain_open(struct ethchain **out, struct kv_txn *txn, struct evm *evm, const struct network *network,
                                     bytes genesis);
void ethchain_close(struct ethchain *c);
/** ethchain_import: *bad is NULL when the block is valid (known ones are), else what is wrong with it.  ret OK | our own trouble */
MUST_CHECK enum status ethchain_import(const char **bad, struct ethchain *c, bytes block);
/** ethchain_head: of the heaviest chain (after the merge: the last one imported). */
const struct header *ethchain_head(const struct ethchain *c, hash32 *hash);

#endif
