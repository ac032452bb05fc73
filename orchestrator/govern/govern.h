/* govern.h: the governance contract from the shell: views, transactions by a keystore or signed elsewhere, and waiting until they are final and a
 * change of the validator set is in force (orchestrator/contracts/README.md "What a tool does").
 *
 *     govern_prepare: estimate (the contract's verdict), nonce, price -> govern_sign, or a person's own wallet -> govern_send_raw: mined
 *       -> govern_wait_final, govern_wait_change
 *
 * events.h tells what its events say, check.h whether a validator is fit to join. */
#ifndef ORCHESTRATOR_GOVERN_GOVERN_H
#define ORCHESTRATOR_GOVERN_GOVERN_H

#include "lib/base/secret.h"
#include "lib/eth/tx.h"
#include "orchestrator/govern/rpc_client.h"

struct govern {
    struct rpc_client *rpc;
    address contract;
    uint64_t chain_id;
    hash32 genesis; /* of the node that answers */
};

/** govern_open: rpc_url and the contract's address; reads the chain id and the first block. */
MUST_CHECK enum status govern_open(struct govern *out, const char *rpc_url, const address *contract, struct err *err);
void govern_close(struct govern *g);
/** govern_address: of what a person typed: 0x and 40 hexadecimal digits; in mixed case its checksum (EIP-55) must be right.  ret OK | E_INVALID */
MUST_CHECK enum status govern_address(address *out, const char *text, struct err *err);

/* --- views.c: many views in one request, or one; lists are malloc'ed */
struct govern_answer {
    const char *signature;
    const address *arg; /* NULL: none */
    struct buf data;    /* after govern_ask */
};
/** govern_ask: all of a at the head; govern_answers_fini frees them, also after a failure. */
MUST_CHECK enum status govern_ask(struct govern_answer *a, size_t n, struct govern *g, struct err *err);
void govern_answers_fini(struct govern_answer *a, size_t n);
MUST_CHECK enum status govern_get_list(address **out, size_t *n, const struct govern_answer *a, struct err *err);
MUST_CHECK enum status govern_get_number(uint64_t *out, const struct govern_answer *a, struct err *err);
/** govern_get_text: appended; control characters become '?' */
MUST_CHECK enum status govern_get_text(struct buf *out, const struct govern_answer *a, struct err *err);
MUST_CHECK enum status govern_list(address **out, size_t *n, struct govern *g, const char *signature, const address *arg, struct err *err);
MUST_CHECK enum status govern_number(uint64_t *out, struct govern *g, const char *signature, const address *arg, struct err *err);

struct govern_change {
    bool active;
    uint64_t id, signal_block, queued, reemit_block;
};
MUST_CHECK enum status govern_change_info(struct govern_change *out, struct govern *g, struct err *err);
/** govern_change_set: the set that is announced while a change is in flight, else the one in force; malloc'ed */
MUST_CHECK enum status govern_change_set(address **out, size_t *n, struct govern *g, struct err *err);

/* --- transactions */
struct govern_receipt {
    char hash[67];
    uint64_t block, gas_used;
    bool signalled; /* the transaction started a change of the set */
    bool queued;    /* it waits behind another one */
};
/** govern_explain: an error that carries a reason of the contract becomes its sentence (refusals.def). from: who signs; NULL: unknown */
void govern_explain(struct err *err, const address *from);
/** govern_prepare: the unsigned transaction; data is borrowed.  ret OK | E_DENIED: the contract refuses (err: its sentence) */
MUST_CHECK enum status govern_prepare(struct tx *out, struct govern *g, const address *from, bytes data, struct err *err);
/** govern_send_raw: send a signed transaction and wait until it is mined, at most timeout_s. A node that restarts meanwhile, or forgets it, gets it again.
 *  events: NULL, or a new array of the contract's events (events.h).
 *  ret OK | E_DENIED: refused (err: sentence) | E_CONFLICT: another transaction of the account took its place | E_TIMEOUT ... */
MUST_CHECK enum status govern_send_raw(struct govern_receipt *out, json_t **events, struct govern *g, const struct tx *tx, unsigned timeout_s, struct err *err);
/** govern_send: prepare, sign with key, send. */
MUST_CHECK enum status govern_send(struct govern_receipt *out, struct govern *g, const secret32 *key, bytes data, unsigned timeout_s, struct err *err);

typedef void (*govern_note_fn)(void *ctx, const char *text);
/** govern_wait_final: until the block is final; note is called now and then with a line for the person who waits.  ret OK | E_TIMEOUT */
MUST_CHECK enum status govern_wait_final(struct govern *g, uint64_t block, unsigned timeout_s, govern_note_fn note, void *ctx, struct err *err);
/** govern_wait_change: until no change is in flight or waiting; sends startNextChange with key (NULL: nobody can) when that is due. */
MUST_CHECK enum status govern_wait_change(struct govern *g, const secret32 *key, unsigned timeout_s, govern_note_fn note, void *ctx, struct err *err);
/** govern_signers_missing: validators that have yet to seal before the change that was signalled in signal_block is in force; false: it cannot be told */
bool govern_signers_missing(uint64_t *out, struct govern *g, uint64_t signal_block);

#endif
