/* live.h: a deployment that stands: its workspace, its settings, its target with the instances; what up, down, logs, run, upgrade work on. */
#ifndef ORCHESTRATOR_CMD_LIVE_H
#define ORCHESTRATOR_CMD_LIVE_H

#include "orchestrator/cmd/cmd.h"
#include "orchestrator/target/target.h"

struct live {
    struct workspace ws;
    bool has_ws;
    struct target target;
};

/** live_open: open the workspace c->dir (with its lock), take its consortium.yaml into c->settings, open the target; instances are there when the
 *  deployment got that far. Close it also after a failure. */
MUST_CHECK enum status live_open(struct live *l, struct cli *c, struct err *err);
void live_close(struct live *l);
/** live_open_target: the target of c's settings; ws NULL: while only a plan is made. What the target notes goes into state.json. */
MUST_CHECK enum status live_open_target(struct target *t, struct cli *c, struct workspace *ws, struct err *err);
/** live_env: what a target is opened with, as far as the command line tells it */
struct target_env live_env(struct cli *c);
/** live_unsupported: the error of a command that this target has no use for */
enum status live_unsupported(const struct target *t, const char *what, struct err *err);

#endif
