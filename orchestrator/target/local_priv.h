/* local_priv.h: between the files of the local target. */
#ifndef ORCHESTRATOR_TARGET_LOCAL_PRIV_H
#define ORCHESTRATOR_TARGET_LOCAL_PRIV_H

#include "lib/base/bytes.h"
#include "orchestrator/target/local.h"

/** local_write: a file below local/, atomically */
MUST_CHECK enum status local_write(const struct target *t, const char *name, bytes data, unsigned mode, struct err *err);

/** local_check_monitor: what the setting `monitor` needs is there; changes nothing.  ret OK | E_NOT_FOUND, E_INVALID (err) */
MUST_CHECK enum status local_check_monitor(const struct target *t, struct err *err);
/** local_add_monitor: the programs of the setting `monitor`, and their files */
MUST_CHECK enum status local_add_monitor(json_t *programs, const struct target *t, struct err *err);
bool local_has_prometheus(const struct target *t);
void local_monitor_url(char dst[static 64], const struct target *t);

#endif
