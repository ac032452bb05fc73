/* node.h: the running node: everything that main.c wires together. One loop thread (libuv) owns chain imports, sealing, peers and timers;
 * RPC and member pages serve on threads of their own; the finder asks the identity store and other members who is there. */
#ifndef NODE_MAIN_NODE_H
#define NODE_MAIN_NODE_H

#include <pthread.h>
#include <uv.h>

#include "lib/base/secret.h"
#include "lib/base/version.h"
#include "node/chain/chain.h"
#include "node/identity/identity.h"
#include "node/identity/journal.h"
#include "node/main/config.h"
#include "node/main/submit.h"
#include "node/member/member.h"
#include "node/metrics/metrics.h"
#include "node/p2p/p2p.h"
#include "node/pool/pool.h"
#include "node/rpc/rpc.h"
#include "node/store/kv.h"

#define NODE_CLIENT "poa-node/v" POA_VERSION "/linux-x86_64"

enum { TX_QUEUE_MAX = 1 << 16, PENDING_PEERS_MAX = 256, REPORTS_MAX = 64 };

struct node {
    struct node_config cfg;
    uv_loop_t loop;
    bool loop_open;
    uv_signal_t on_term, on_int;
    uv_timer_t seal_timer, tick_timer;
    uv_async_t wake; /* other threads have something for the loop */
    uv_timer_t tx_timer; /* runs while transactions come in: they need not wake the loop one by one */

    struct chain_spec spec;
    bool has_spec;
    struct buf spec_text, contracts_text;
    struct kv *kv;
    struct chain *chain;
    struct pool *pool;
    struct submit *submit;
    struct p2p *p2p;
    struct rpc *rpc;
    struct member *member;
    struct metrics *metrics;
    struct tally *tally; /* of sealed and missed steps */

    /* who we are */
    struct identity *identity; /* mode secret */
    secret32 file_key;         /* mode file */
    struct journal journal;    /* mode file: of its seals; else the identity has its own */
    secret32 node_key;
    struct gate *gate;
    address self;
    bool has_self;
    uint64_t first_step; /* no proposal before this one */
    bool is_recalled;    /* chain_recall was done for the identity as it is held now */
    uint64_t waits_logged_ms;
    bool clock_is_off;   /* no proposal while it is */
    uint64_t clock_logged_ms;
    struct chain_report reports[REPORTS_MAX]; /* to be sent to the validator contract */
    size_t n_reports;
    struct evm *random_evm; /* randomness.c: for its questions; NULL: none yet */
    uint64_t random_seen, random_round, random_at; /* head that was looked at; round of the last transaction, and the head when it was sent */
    bool random_was_reveal;
    enum status random_trouble; /* said last */

    /* for the loop, from other threads; under lock */
    pthread_mutex_t lock;
    hash32 *new_txs; /* came in by RPC: to be announced */
    size_t n_new_txs;
    bool has_tx_timer;
    char *new_peers[PENDING_PEERS_MAX]; /* enode URLs that the finder saw, or a client named; malloc */
    bool is_leaving[PENDING_PEERS_MAX]; /* that one shall be static no more */
    size_t n_new_peers;
    enum reserved_wish { RESERVED_AS_IS, RESERVED_ONLY, RESERVED_AND_OTHERS } reserved_wish;
    bool stop, restart; /* another identity: start again as it */
    bool again;         /* the same identity, which was lost in between */
    bool was_in_set;    /* the loop's: our address was a validator's at the last tick */
    /* what other threads may know of the loop's; under lock */
    struct p2p_peer_info peers[SYNC_PEERS_MAX];
    size_t n_peers;
    struct sync_state sync;
    struct p2p_counts counts;
    struct skew_state clock; /* ours against the peers', in each step */
    char waits[300]; /* why this validator lets its steps go by, for what its key has promised; "": it does not */
    uint64_t clock_limit_ms; /* half a step: beyond it nothing is sealed; 0: not measured yet */
    char enode[512];

    pthread_t finder;
    bool has_finder;
    pthread_cond_t finder_wake;

    uint64_t logged_import_ms, informed_ms, import_began_ns;
    size_t quiet_blocks, quiet_txs;
};

/** node_run: from configuration to the end.  ret OK: stopped as asked (restart: see node->restart) */
MUST_CHECK enum status node_run(struct node *n, struct err *err);

/* --- glue.c: chain and pool as sync, RPC and import see them */
void node_sync_ops(struct sync_ops *out, struct node *n);
void node_rpc_tables(struct rpc_pool *pool, struct rpc_node *node, struct node *n);
/** node_submit: check a transaction against rules and state and put it into the pool. Any thread. */
MUST_CHECK enum status node_submit(hash32 *hash, struct node *n, bytes raw, struct err *err);
/** node_add_tx: node_submit, and tell the peers. Any thread. */
MUST_CHECK enum status node_add_tx(hash32 *hash, struct node *n, bytes raw, struct err *err);
/** node_on_event, node_on_report, node_known_sender: for chain_config */
void node_on_event(void *ctx, const struct chain_event *e);
void node_on_report(void *ctx, const struct chain_report *r);
bool node_known_sender(void *ctx, const hash32 *hash, address *out);

/* --- views.c: for member_config */
struct member_views node_member_views(void);
json_t *node_network_json(void *ctx);
json_t *node_live_json(void *ctx);
enum status node_prove(void *ctx, uint8_t sig65[static 65], struct possession *p);
/** node_web_dir: where the page's files are: as configured, beside the program, or as packaged; NULL: nowhere */
const char *node_web_dir(char dst[static 4096], const char *configured);

/** node_load_key: node_key.c: the devp2p key that is no validator's: from base_path, or a new one that is kept there */
MUST_CHECK enum status node_load_key(struct node *n, struct err *err);

/* --- gate.c: who may connect */
MUST_CHECK enum status node_gate_open(struct node *n, const uint8_t own[static 64], struct err *err);
void node_gate_close(struct node *n);
bool node_gate_allows(void *ctx, const uint8_t pub[static 64]);
void node_gate_tick(struct node *n);
void node_gate_on_head(struct node *n);

/* --- gauges.c: the metrics page */
/** node_gauges_open: once the chain stands, before anything changes it; node_gauges_start: serve */
MUST_CHECK enum status node_gauges_open(struct node *n, struct err *err);
void node_gauges_on_event(struct node *n, const struct chain_event *e);
void node_gauges_start(struct node *n);
void node_gauges_stop(struct node *n);

/* --- sealer.c */
/** node_schedule_seal: set the timer to the next step that may be ours. */
void node_schedule_seal(struct node *n);

/** node_recall: what stands beside the identity, before the first seal by it.  ret: it is known now */
bool node_recall(struct node *n);

/* --- reports.c: misbehaviour, told to the validator contract */
/** node_send_reports: what node_on_report collected; on the loop's thread. */
void node_send_reports(struct node *n, bool is_behind);

/** node_is_validator: of the set in force. */
bool node_is_validator(struct node *n);
/** node_send_service_tx: a transaction of this validator without value or price; what identity_sign_service allows. */
MUST_CHECK enum status node_send_service_tx(struct node *n, const address *to, bytes data, uint64_t gas_limit, struct err *err);

/* --- randomness.c */
/** node_send_randomness: commit or reveal, if it is time; on the loop's thread. */
void node_send_randomness(struct node *n, bool is_behind);

/* --- finder.c: a thread that keeps the list of nodes fresh */
MUST_CHECK enum status node_finder_start(struct node *n, struct err *err);
void node_finder_stop(struct node *n);

#endif
