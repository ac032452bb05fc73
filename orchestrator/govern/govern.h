/* govern.h: the governance contract from the shell: views, transactions by a keystore or unsigned for someone else's wallet, and waiting until a
 * change of the validator set is in force (orchestrator/contracts/README.md "What a tool does"). */
#ifndef ORCHESTRATOR_GOVERN_GOVERN_H
#define ORCHESTRATOR_GOVERN_GOVERN_H

#include "lib/base/secret.h"
#include "orchestrator/govern/rpc_client.h"

struct govern {
    struct rpc_client *rpc;
    address contract;
    uint64_t chain_id;
};

/** govern_open: rpc_url and the contract's address; reads the chain id. */
MUST_CHECK enum status govern_open(struct govern *out, const char *rpc_url, const address *contract, struct err *err);
void govern_close(struct govern *g);

/* views; lists are malloc'ed */
MUST_CHECK enum status govern_list(address **out, size_t *n, struct govern *g, const char *signature, const address *arg, struct err *err);
MUST_CHECK enum status govern_number(uint64_t *out, struct govern *g, const char *signature, const address *arg, struct err *err);
MUST_CHECK enum status govern_bool(bool *out, struct govern *g, const char *signature, const address *arg, struct err *err);
MUST_CHECK enum status govern_text(struct buf *out, struct govern *g, const char *signature, const address *arg, struct err *err);

struct govern_change {
    bool active;
    uint64_t id, signal_block, queued, reemit_block;
};
MUST_CHECK enum status govern_change_info(struct govern_change *out, struct govern *g, struct err *err);

struct govern_receipt {
    char hash[67];
    uint64_t block, gas_used;
    bool signalled; /* the transaction started a change of the set */
    bool queued;    /* it waits behind another one */
};
/** govern_estimate: would it pass; gas that it takes.  ret E_DENIED: the contract refuses (err: its reason) */
MUST_CHECK enum status govern_estimate(uint64_t *gas, struct govern *g, const address *from, bytes data, struct err *err);
/** govern_send: sign with key, send, wait until it is mined (at most timeout_s).  ret OK | E_DENIED: refused (err: reason) | E_TIMEOUT ... */
MUST_CHECK enum status govern_send(struct govern_receipt *out, struct govern *g, const secret32 *key, bytes data, unsigned timeout_s, struct err *err);
/** govern_wait_change: until no change is in flight or waiting that is as old as `id` or older; sends startNextChange with key when that is due.
 *  note is called now and then with a line for the person who waits. */
MUST_CHECK enum status govern_wait_change(struct govern *g, const secret32 *key, unsigned timeout_s, void (*note)(void *ctx, const char *text), void *ctx,
                                          struct err *err);

#endif
