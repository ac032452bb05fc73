/* token_priv.h: the az command as a source of tokens. */
#ifndef LIB_AZURE_TOKEN_PRIV_H
#define LIB_AZURE_TOKEN_PRIV_H

#include "lib/base/buf.h"
#include "lib/base/err.h"

/** token_cli_ask: append what `az account get-access-token --resource RESOURCE --output json` prints; no shell is in between.
 *  ret OK | E_NOT_FOUND: no such program | E_DENIED: it failed (err has its last line) | E_TIMEOUT | E_LIMIT */
MUST_CHECK enum status token_cli_ask(struct buf *out, const char *program, const char *tenant, const char *resource, unsigned timeout_ms,
                                     struct err *err);

#endif
