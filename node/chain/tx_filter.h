/* tx_filter.h: the transaction permission contract of a spec (reference/aura.md B9): which kinds of transactions a sender may make. It is
 * asked on the state after the parent block, with the parent's environment, so that the answer does not depend on the order within a block.
 *
 *     kind       mask  transaction
 *     basic      0x01  to an account without code
 *     call       0x02  to a contract
 *     create     0x04
 *
 * contractVersion() tells the interface; a contract without it has the first. What fails or is not understood permits nothing.
 *
 *     1  allowedTxTypes(sender) -> uint32
 *     2  allowedTxTypes(sender, to, value) -> (uint32, bool cache by sender only)
 *     3  ... (sender, to, value, gasPrice, data)
 *     4  ... (sender, to, value, maxFeePerGas, maxPriorityFeePerGas, gasLimit, data)
 *
 * Answers that depend on the sender only are kept by (parent, sender). Thread-safe: importer, sealer and pool ask the same filter. */
#ifndef NODE_CHAIN_TX_FILTER_H
#define NODE_CHAIN_TX_FILTER_H

#include "node/chain/execute.h"

struct tx_filter;

MUST_CHECK enum status tx_filter_new(struct tx_filter **out);
void tx_filter_free(struct tx_filter *f);
/** tx_filter_is_active: does the spec ask for permission in the block with that number? */
bool tx_filter_is_active(const struct chain_spec *spec, uint64_t number);
/** tx_filter_check: env: of the parent block (its evm is not used); s: state after the parent, as it was on return; tx: sender known.
 *  out permitted  ret OK | our own trouble */
MUST_CHECK enum status tx_filter_check(bool *permitted, struct tx_filter *f, const struct exec_env *env, struct state *s, const hash32 *parent_hash,
                                       const struct tx *tx);

#endif
