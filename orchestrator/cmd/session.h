/* session.h: a governance command at work: the workspace (or only a data URL), the contract, the account that signs, and one transaction from the
 * contract's verdict to its end. */
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
    uint64_t step_ms;    /* one validator's turn, by the specification */
    char data_url[1024]; /* "": none is known */
};

enum { SESSION_MINED_S = 60, SESSION_FINAL_S = 180 };

/** session_open: the workspace names the contract; --rpc may name another node of the same network. Close it also after a failure.
 *  ret OK | E_CONFLICT: the node runs another network than the workspace's | ... */
MUST_CHECK enum status session_open(struct session *s, struct cli *c, struct err *err);
/** session_open_url: without a workspace of one's own: the network is the one that a member's data URL names; its first block is computed from the
 *  specification and compared with the node's. */
MUST_CHECK enum status session_open_url(struct session *s, struct cli *c, const char *data_url, struct err *err);
/** session_load_key: --keystore, else the account that was made with the workspace (its password lies beside it). */
MUST_CHECK enum status session_load_key(struct session *s, struct err *err);
void session_close(struct session *s);
/** session_note: a govern_note_fn: ctx is the struct report. */
void session_note(void *ctx, const char *text);
/** session_fail: report it; the exit code tells a refusal by the network from other failures. */
enum exit_code session_fail(struct cli *c, enum status s, struct err *err);

/** session_act: one transaction with this call data: --unsigned prints it, --send takes it signed, else it is signed here; then it is followed to
 *  its end (--no-wait: until it is mined), and what it changed and what is missing is said. what: for people, "vote for 0x..."
 *  check: asked after the contract's verdict and before anything is signed; NULL: nothing */
typedef enum exit_code (*session_check_fn)(struct session *s, void *ctx);
enum exit_code session_act(struct session *s, bytes data, const char *what, session_check_fn check, void *ctx);

#endif
