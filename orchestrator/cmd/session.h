/* session.h: a governance command at work: the workspace, the contract, and the account that signs. */
#ifndef ORCHESTRATOR_CMD_SESSION_H
#define ORCHESTRATOR_CMD_SESSION_H

#include "orchestrator/cmd/cmd.h"
#include "orchestrator/govern/govern.h"

struct session {
    struct cli *cli;
    struct workspace ws;
    bool has_ws;
    struct govern g;
    bool has_g;
    secret32 key;
    address from;
    bool has_key;
};

enum { SESSION_MINED_S = 60, SESSION_FINAL_S = 180 };

/** session_open: the workspace names the contract; --rpc may name another node of the same network. Close it also after a failure. */
MUST_CHECK enum status session_open(struct session *s, struct cli *c, struct err *err);
/** session_load_key: --keystore, else the account that was made with the workspace (its password lies beside it). */
MUST_CHECK enum status session_load_key(struct session *s, struct err *err);
void session_close(struct session *s);
/** session_note: for govern_wait_change: ctx is the struct report. */
void session_note(void *ctx, const char *text);
/** session_fail: report it; the exit code tells a refusal by the network from other failures. */
enum exit_code session_fail(struct cli *c, enum status s, struct err *err);

#endif
