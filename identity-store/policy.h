/* policy.h: what a client may do, decided inside the transaction that does it.
 *
 *     orchestrator  everything
 *     node          in its own container: read and list blobs; acquire, renew, change, release leases on identity-<i>.json, where only a
 *                   lease that it acquired itself counts; replace the blob whose lease it holds, if secretUri or keyUri, and address
 *                   stay as they are; read the one secret, or sign with the one key, that such a blob names, as long as the
 *                   lease is alive
 *
 * So a node that is broken into gives away one key, the one it signs with anyway. */
#ifndef IDENTITY_STORE_POLICY_H
#define IDENTITY_STORE_POLICY_H

#include "identity-store/call.h"

/** policy_check: *allowed; ret OK | E_IO, E_CORRUPT */
MUST_CHECK enum status policy_check(bool *allowed, struct call *c);
/** policy_deny: the reply 403 in the service's form. */
MUST_CHECK enum status policy_deny(struct call *c);

#endif
