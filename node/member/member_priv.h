/* member_priv.h: what the files of node/member share. */
#ifndef NODE_MEMBER_MEMBER_PRIV_H
#define NODE_MEMBER_MEMBER_PRIV_H

#include "node/member/member.h"

/* --- governance.c */
/** governance_read: the whole contract as JSON, `fixed` (an object) first. Parts that an older contract (original-product.md A1) does not
 *  answer are worked out from the others or left out.  ret OK | E_DENIED: it is no governance contract | our own trouble */
MUST_CHECK enum status governance_read(json_t **out, const struct member_views *views, void *snapshot, const address *contract, const json_t *fixed,
                                       struct err *err);

/* --- nodes.c: what the member's other nodes say of themselves */
struct prober;
/** prober_start: a thread that sleeps until somebody looks at the answers. member_port: of the other nodes' pages; 0: no proofs are asked for */
MUST_CHECK enum status prober_start(struct prober **out, uint16_t rpc_port, uint16_t member_port, struct err *err);
void prober_stop(struct prober *p); /* NULL allowed */
/** prober_see: somebody looks: keep asking these nodes for a while (copied). */
void prober_see(struct prober *p, const json_t *nodes);
/** nodes_add_self: a node without an identity store is in no list of the store's: put it there. */
void nodes_add_self(json_t *nodes, const json_t *self);
/** nodes_merge: put the list "nodes" into `live`: each of `nodes` with hostname, address, region, self, peers, block, state.  */
void nodes_merge(json_t *live, const json_t *nodes, struct prober *p);

#endif
