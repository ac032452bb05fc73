/* changes.h: what is wanted against what is recorded against what runs: the differences that `plan` shows. */
#ifndef ORCHESTRATOR_CMD_CHANGES_H
#define ORCHESTRATOR_CMD_CHANGES_H

#include "orchestrator/cmd/cmd.h"

/** changes_find: append {"action", "what", "why" ...} for each: "create" (nothing is recorded), "finish" (a run stopped half way), "change" (a setting, with path,
 *  recorded, wanted), "start" (a program that does not run). Empty: nothing would change. all: the wanted settings are a whole file.
 *  live: look at what runs, too. */
MUST_CHECK enum status changes_find(json_t *out, struct cli *c, bool all, bool live, struct err *err);

#endif
