/* events.h: what the governance contract's events say, as JSON and as sentences, and the whole history out of them alone: no state is read.
 *
 *     log of eth_getLogs -> {"event": "VoteCast", "voter": "0x...", "subject": "0x...", "isFor": true, "votes": 1, "needed": 2}
 *                        -> "0x... (Member A) voted for 0x... (Member C): 1 of 2 votes"                                                  */
#ifndef ORCHESTRATOR_GOVERN_EVENTS_H
#define ORCHESTRATOR_GOVERN_EVENTS_H

#include "orchestrator/govern/govern.h"

/** govern_event_json: a log as an object (new reference); NULL: it is no event of the contract, or malformed. Texts of others are made printable. */
json_t *govern_event_json(const json_t *log);
/** govern_event_text: append its sentence without a full stop; nothing for those that another event of the same transaction tells better.
 *  aliases: object address -> alias; NULL: none known */
void govern_event_text(struct buf *out, const json_t *event, const json_t *aliases);
/** govern_history: from the first block to the head, oldest first:
 *  [{"block", "time" (ISO, UTC), "transactionHash", "events": [{"event", ..., "text"}]}] */
MUST_CHECK enum status govern_history(json_t **out, struct govern *g, struct err *err);

#endif
