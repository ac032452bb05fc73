/* keeper.h: the scale-set keeper of the local target: one process that starts a member's programs, starts one again that died, and stops all.
 * What to run stands in <workspace>/local/launch.json:
 *
 *     {"programs": [{"name": "identity-store", "argv": ["/.../poa-identity-store", "--config", "..."], "cwd": "...", "stopOrder": 2}, ...]}
 *
 * It holds a lock on local/keeper.lock while it lives and keeps local/programs.json (name, pid, starts, since) for `status`. A program that
 * dies is started again at once, then after 1, 2, 4 ... 30 s while it dies within 10 s of its start. SIGTERM or SIGINT: SIGTERM to all by
 * stop order, SIGKILL after 10 s. When the keeper itself is killed, the kernel sends its programs SIGTERM. */
#ifndef ORCHESTRATOR_TARGET_KEEPER_H
#define ORCHESTRATOR_TARGET_KEEPER_H

#include "lib/base/err.h"

/** keeper_run: the keeper's life, in this process; returns when all is stopped. */
MUST_CHECK enum status keeper_run(const char *workspace_dir, struct err *err);
/** keeper_start: start `exe keeper DIR` detached; OK when it holds its lock. E_EXISTS: one runs already */
MUST_CHECK enum status keeper_start(const char *exe, const char *workspace_dir, struct err *err);
/** keeper_pid: 0 when none runs */
long keeper_pid(const char *workspace_dir);
/** keeper_stop: SIGTERM, wait until it is gone (at most 20 s, then SIGKILL). OK also when none ran; *was_running tells */
MUST_CHECK enum status keeper_stop(const char *workspace_dir, bool *was_running, struct err *err);

#endif
