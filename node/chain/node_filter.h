/* node_filter.h: the node permission contract of a spec (reference/aura.md B9): which two nodes may be connected. Asked at the latest block:
 *
 *     connectionAllowed(bytes32 ownLow, bytes32 ownHigh, bytes32 peerLow, bytes32 peerHigh) -> bool
 *
 * low and high are the first and the second 32 bytes of a node's public key. A call that fails, or an answer that is no bool, permits
 * nothing. Answers are kept until the head moves. One thread at a time. */
#ifndef NODE_CHAIN_NODE_FILTER_H
#define NODE_CHAIN_NODE_FILTER_H

#include "node/chain/chain.h"

struct node_filter;

MUST_CHECK enum status node_filter_new(struct node_filter **out);
void node_filter_free(struct node_filter *f);
/** node_filter_check: out permitted: also when the spec has no such contract.  ret OK | our own trouble */
MUST_CHECK enum status node_filter_check(bool *permitted, struct node_filter *f, struct chain *c, const uint8_t own[static 64],
                                         const uint8_t peer[static 64]);

#endif
