/* world.h: a world in memory for `poa-evm bench` and `poa-evm run`: accounts and slots in hash tables, every change in an undo
 * log. No trie, no roots: it measures the EVM and nothing else. Official tests run on node/state instead. */
#ifndef NODE_EVM_TOOL_WORLD_H
#define NODE_EVM_TOOL_WORLD_H

#include "node/evm/evm.h"

struct world;

MUST_CHECK enum status world_new(struct world **out);
void world_free(struct world *w);
/** world_put_account: before a run. code is copied. */
MUST_CHECK enum status world_put_account(struct world *w, const address *a, uint64_t nonce, const u256 *balance, bytes code);
MUST_CHECK enum status world_put_slot(struct world *w, const address *a, const u256 *key, const u256 *value);
/** world_begin: start of a transaction: what stands is original, nothing is warm. world_undo: back to that. */
void world_begin(struct world *w, const struct rules *rules);
void world_undo(struct world *w);
size_t world_log_count(const struct world *w);
/** world_host: the EVM's view; ctx is the world. */
const struct evm_host *world_host(void);

#endif
