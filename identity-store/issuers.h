/* issuers.h: token issuers beside this store's own, by configuration: Microsoft Entra ID, or whoever signs RS256 tokens and publishes its keys as a
 * JSON Web Key set. A token counts when its signature is by a key of the issuer that it names; who its subject is, and what he may, stands
 * in the clients file (issuer, subject). Keys from a file are read anew on SIGHUP, keys from a URI each hour and when a token names an
 * unknown one, on a thread of their own. */
#ifndef IDENTITY_STORE_ISSUERS_H
#define IDENTITY_STORE_ISSUERS_H

#include "identity-store/config.h"
#include "lib/base/buf.h"

#include <jansson.h>

struct issuers;

/** issuers_open: no issuer in cfg: *out is NULL, which all of these take.  ret OK | E_DECODE, E_IO ...: a key file is no good */
MUST_CHECK enum status issuers_open(struct issuers **out, const struct config *cfg, struct err *err);
void issuers_close(struct issuers *s);
/** issuers_reload: the key files anew; one that is no good leaves its issuer's keys as they are. */
MUST_CHECK enum status issuers_reload(struct issuers *s, struct err *err);
/** issuers_verify: any thread.  ret OK: *claims (the caller's) are signed by the issuer that their iss names; all else is unchecked | E_NOT_FOUND: none
 *  of these issuers | E_CRYPTO, E_DECODE */
MUST_CHECK enum status issuers_verify(json_t **claims, struct issuers *s, bytes token);

#endif
