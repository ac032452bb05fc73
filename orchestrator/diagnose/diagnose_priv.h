/* diagnose_priv.h: the two halves of gathering. */
#ifndef ORCHESTRATOR_DIAGNOSE_DIAGNOSE_PRIV_H
#define ORCHESTRATOR_DIAGNOSE_DIAGNOSE_PRIV_H

#include "orchestrator/diagnose/diagnose.h"

/* ask.c */
void ask_nodes(struct diag_facts *f);
/** ask_chain: head, steps, validators and finality as the best node has them */
void ask_chain(struct diag_facts *f, bool quick);
/** ask_fork: do our nodes agree on a block that all of them have had for a round */
void ask_fork(struct diag_facts *f);
void ask_peer(struct diag_facts *f);
/** ask_specs: by which rules our nodes, and those behind that data URL (or NULL), read the chain */
void ask_specs(struct diag_facts *f, const char *data_url);
void ask_store(struct diag_facts *f, const struct deployment *d, bool list);

#endif
