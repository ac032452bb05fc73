/* keeper.h: the scale-set keeper of the local target: one process that starts a member's programs, starts one again that died, and stops all.
 * What to run stands in <workspace>/local/launch.json:
 *
 *     {"programs": [{"name": "identity-store", "argv": ["/.../poa-identity-store", "--config", "..."], "cwd": "...", "stopOrder": 2}, ...]}
 *
 * It holds a lock on local/keeper.lock while it lives and keeps local/programs.json (name, pid, starts, since) for `status`. A program that
 * dies is started again at once, then after 1, 2, 4 ... 30 s while it dies within 10 s of its start. SIGTERM or SIGINT: SIGTERM to all by
 * stop order, SIGKILL after 10 s. When the keeper itself is killed, the kernel sends its programs SIGTERM.
 *
 * SIGHUP: launch.json is read again. A program that is new there is started, one that is gone is stopped, one whose argv, cwd or "generation"
 * is another one is stopped and started anew; the others are not touched. A launch.json that can't be read changes nothing. When it names
 * another "keeper" (a poa-deploy), the keeper becomes that program by exec: its process, its lock and its children stay. */
#ifndef ORCHESTRATOR_TARGET_KEEPER_H
#define ORCHESTRATOR_TARGET_KEEPER_H

#include "lib/base/err.h"

/** keeper_run: the keeper's life, in this process; returns when all is stopped. adopt: the lock's descriptor when this process was a keeper
 *  before its exec (its programs are found by programs.json), else -1 */
MUST_CHECK enum status keeper_run(const char *workspace_dir, int adopt, struct err *err);
/** keeper_start: start `exe keeper DIR` detached; OK when it holds its lock. E_EXISTS: one runs already */
MUST_CHECK enum status keeper_start(const char *exe, const char *workspace_dir, struct err *err);
/** keeper_pid: 0 when none runs */
long keeper_pid(const char *workspace_dir);
/** keeper_stop: SIGTERM, wait until it is gone (at most 20 s, then SIGKILL). OK also when none ran; *was_running tells */
MUST_CHECK enum status keeper_stop(const char *workspace_dir, bool *was_running, struct err *err);
/** keeper_reload: tell it that launch.json changed.  ret OK | E_NOT_FOUND: none runs */
MUST_CHECK enum status keeper_reload(const char *workspace_dir, struct err *err);
/** keeper_can_adopt: whether that poa-deploy can take over from a keeper that runs */
bool keeper_can_adopt(const char *exe);

#endif
