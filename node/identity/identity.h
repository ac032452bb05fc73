/* identity.h: which validator this node is. A thread of its own leases one identity-<i>.json of the member's container, reads the key that
 * the blob names, and renews the lease; the rest of the node only asks it to sign.
 * With sign set the blob names a key of the vault instead (keyUri): the vault signs, and this node never has the key. The fencing is the same; the
 * vault's answer is checked, made low-s and given its recid before it counts.
 *
 *     search: the blob it had before (same lease id), then every free one -> read document, read secret, check address
 *          -> on_acquired -> renew every 10 s -> lost? on_lost, search again
 *
 * Fencing. The lease is surely held until (monotonic time at which the last good renewal was SENT) + 60 s - margin. Until then transient
 * failures are retried; after it identity_sign refuses, while renewal goes on being tried. A definitive answer (409, 412: someone
 * else has it) ends it at once. Two nodes with one key can so never both sign, however late the network or a stopped process is.
 *
 * Promises. What the key has promised by its seals stands beside the identity, as metadata of the blob, under the same lease (lib/eth/promise.h):
 * identity_recall has it as it stood when the identity was taken, identity_keep puts each new one there before the seal leaves, and each renewal
 * of the lease extends the time for which the key may sign while the store does not answer.
 *
 * Last signed step. identity_sign notes (address, step, hash) on the disk before it gives the signature away, and refuses an older step or
 * another hash for the same step: a node that crashed and came back within a step does not seal twice. */
#ifndef NODE_IDENTITY_IDENTITY_H
#define NODE_IDENTITY_IDENTITY_H

#include "lib/azure/identity_doc.h"
#include "lib/azure/token.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/secret.h"

struct identity;
struct key_promise; /* lib/eth/promise.h */
struct tx;
struct possession; /* lib/eth/possession.h */

struct identity_config {
    const char *vault_uri, *blob_uri; /* "https://127.0.0.2:8443" */
    const char *container;            /* NULL: "poa-config" */
    struct azure_token_config token;
    const char *ca_file; /* NULL: the system's authorities */
    const char *hostname, *region; /* for the blob; NULL: "" */
    bool sign;             /* the vault signs; else the node reads the key */
    const char *base_path; /* folder of this node: identity-lease.json and last-signed stand there */
    unsigned lease_s;      /* 0: 60; 15..60 */
    unsigned renew_ms;     /* 0: a sixth of the lease: 10 s */
    unsigned margin_ms;    /* 0: a twelfth of the lease: 5 s; before the lease's end when signing stops */
};

enum identity_loss {
    IDENTITY_LOST_TAKEN,    /* a definitive answer: the lease is someone else's, or the blob is gone */
    IDENTITY_LOST_EXPIRED,  /* nobody could be reached until the lease's end */
    IDENTITY_LOST_STOPPED,  /* identity_stop */
};

/* identity_callbacks: on the identity's thread; all may be NULL; they may call identity_publish and the rest but identity_stop. */
struct identity_callbacks {
    void *ctx;
    /* node_key: the devp2p key; NULL when the vault signs */
    void (*on_acquired)(void *ctx, const uint8_t address[20], const secret32 *node_key);
    void (*on_lost)(void *ctx, enum identity_loss why);
    /* on_trouble: something that a person should know ("no free identity", "vault denies"); the same text not twice in a row */
    void (*on_trouble)(void *ctx, const char *text);
};

/** identity_start: starts the thread, waits for nothing.  ret OK | E_INVALID: configuration (err) | E_IO: base_path */
MUST_CHECK enum status identity_start(struct identity **out, const struct identity_config *cfg, const struct identity_callbacks *cb,
                                      struct err *err);
/** identity_stop: ends the thread; release: also gives the lease back, so that another node can take it at once. NULL allowed. */
void identity_stop(struct identity *id, bool release);

/** identity_sign: seal for a step; any thread.
 *  ret OK | E_DENIED: no identity, or its lease is not surely held now | E_CONFLICT: a later step, or another hash for this one, was
 *      signed before | E_IO: the journal could not be written
 *      | the vault signs: E_NET, E_TIMEOUT, E_AGAIN, E_CRYPTO: no signature of that key; the step is lost */
MUST_CHECK enum status identity_sign(struct identity *id, uint8_t sig65[static 65], const uint8_t hash[static 32], uint64_t step);
/** identity_prove: sign the statement of possession; p->validator must be the identity that is held. No step, no journal: it is no seal.
 *  ret OK | E_DENIED: no identity, or its lease is not surely held now | E_CONFLICT: another identity is held | as identity_sign of the vault */
MUST_CHECK enum status identity_prove(struct identity *id, uint8_t sig65[static 65], const struct possession *p);
/** identity_sign_service: a transaction of no value and no price that reports misbehaviour to the validator contract (reportBenign, reportMalicious) or
 *  takes part in the randomness (commitHash, revealNumber); nothing else is signed for its sender.
 *  ret OK | E_DENIED: no identity of that sender, or its lease is not surely held | E_INVALID: another kind of transaction | the vault's */
MUST_CHECK enum status identity_sign_service(struct identity *id, uint8_t sig65[static 65], const struct tx *tx);
/** identity_derive: HMAC-SHA256 of msg under the identity's key.  ret OK | E_DENIED: no identity | E_UNSUPPORTED: the vault has the key */
MUST_CHECK enum status identity_derive(struct identity *id, uint8_t out[static 32], bytes msg);
/** identity_recall: what stood beside the identity when it was taken.  ret OK | E_NOT_FOUND: nothing | E_DENIED: none is held */
MUST_CHECK enum status identity_recall(const struct identity *id, struct key_promise *out);
/** identity_keep: *p stands beside the identity after OK (until_ms is set here). step_ms: wall time at which the seal's step began. One thread.
 *  ret OK | E_AGAIN: the store does not answer in time, but the step is covered by what stands there | E_DENIED: neither, or the lease is not surely held
 *  cost: one request; a third of a second at most */
MUST_CHECK enum status identity_keep(struct identity *id, const struct key_promise *p, uint64_t step_ms);
/** identity_sign_counts: signatures given since the start, and microseconds that they took in all, journal and vault included. */
void identity_sign_counts(const struct identity *id, uint64_t *n, uint64_t *total_us);
/** identity_address: ret OK | E_DENIED: none now */
MUST_CHECK enum status identity_address(const struct identity *id, uint8_t out[static 20]);
/** identity_can_sign: for how many milliseconds from now the lease is surely held; 0: it is not */
uint64_t identity_can_sign_ms(const struct identity *id);
/** identity_index: i of the blob that is held; false: none */
bool identity_index(const struct identity *id, unsigned *i);

/** identity_hurry: the held identity may be about to change (its address has left the validator set): for a minute the lease is renewed, and so
 *  looked at, each quarter of a second, and a hand-over is noticed at once. Any thread. */
void identity_hurry(struct identity *id);

/** identity_publish: write enodeUrl, hostname and region to the held blob under its lease; any thread but one at a time is served.
 *  ret OK | E_DENIED: no identity now | E_CONFLICT: the lease is lost | as lib/azure/rest.h */
MUST_CHECK enum status identity_publish(struct identity *id, const char *enode_url, struct err *err);
/** identity_list_bootnodes: append the enodeUrl of every leased identity that has one, each with a NUL behind it; n: how many. */
MUST_CHECK enum status identity_list_bootnodes(struct identity *id, struct buf *urls, size_t *n, struct err *err);
/** identity_list_nodes: fn for the document of every leased identity that has an enodeUrl; what it is given lives during the call. */
typedef void (*identity_node_fn)(void *ctx, const struct identity_doc *doc);
MUST_CHECK enum status identity_list_nodes(struct identity *id, identity_node_fn fn, void *ctx, struct err *err);
/** identity_get_blob: append another blob of the container: spec.json, contracts.json. */
MUST_CHECK enum status identity_get_blob(struct identity *id, struct buf *out, const char *name, struct err *err);

/** identity_fetch_blob: the same before there is an identity: for a node's first boot. cfg as for identity_start; deadline_ms 0: 60 s. */
MUST_CHECK enum status identity_fetch_blob(struct buf *out, const struct identity_config *cfg, const char *name, unsigned deadline_ms,
                                           struct err *err);

#endif
