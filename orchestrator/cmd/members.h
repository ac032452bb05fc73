/* members.h: the administrators as the contract has them, for the commands that list them. */
#ifndef ORCHESTRATOR_CMD_MEMBERS_H
#define ORCHESTRATOR_CMD_MEMBERS_H

#include "orchestrator/govern/govern.h"

/** members_read: [{"address", "alias", "votesAgainst", "validators": [...]}], or of proposals: "votesFor" in place of "validators". All in three
 *  requests at most, however many there are. */
MUST_CHECK enum status members_read(json_t **out, struct govern *g, bool proposed, struct err *err);
json_t *members_addresses(const address *list, size_t n);

#endif
