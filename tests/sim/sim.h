/* sim.h: a whole network in one process, on a virtual clock and a virtual network, driven by a seed: the same seed gives the same events.
 *
 * The code under test is the node's own: node/chain, node/aura, node/pool, node/sync over the in-memory store. What node/main does around
 * them (timers, the sealing rule, the pool's upkeep) is done here by validator.c in the same way.
 *
 *   world.c      the queue of events, phases: a time of faults, then all heals, and the network must recover within its bounds
 *   network.c    connections between nodes: delay, loss, duplication, re-order, partitions
 *   faults.c     what goes wrong, when
 *   govern.c     admins that vote and change the set through the real contract
 *   recover.c    half of the validators or more lost for good, and the coordinated change that ends that (poa-deploy recover)
 *   validator.c  one node
 *   keeper.c     what the identity store keeps of each key, which no lost disk takes, and when it does not answer
 *   check.c      what must hold after every event
 *   wrap.c       the process's impure or costly calls: random bytes come from the seed, signatures are ideal ones
 *
 * Time: `now` is virtual milliseconds, the true time. A node's wall clock is that plus its skew and drift; its monotonic clock is true. */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include "lib/base/rng.h"
#include "lib/base/secret.h"
#include "lib/eth/abi_call.h"
#include "node/aura/aura.h"
#include "node/chain/chain.h"
#include "node/pool/pool.h"
#include "node/store/kv_fault.h"
#include "node/sync/sync.h"
#include "orchestrator/genesis/genesis.h"

enum { NODES_MAX = 50, ADMINS_MAX = 5 };

/* X(id, "name"): what goes wrong */
#define SIM_FAULTS(X)                                                                              \
    X(FAULT_CRASH, "crash at a commit")                                                            \
    X(FAULT_KILL, "kill")                                                                          \
    X(FAULT_DISK_LOST, "restart on an empty disk")                                                 \
    X(FAULT_DISK_FULL, "commit fails")                                                             \
    X(FAULT_PARTITION, "partition")                                                                \
    X(FAULT_ISOLATE, "isolated node")                                                              \
    X(FAULT_CUT, "cut link")                                                                       \
    X(FAULT_CALM, "partition ends")                                                                \
    X(FAULT_SKEW, "clock skewed")                                                                  \
    X(FAULT_DRIFT, "clock drifts")                                                                 \
    X(FAULT_LOSSY, "lossy links")                                                                  \
    X(FAULT_SLOW, "slow links")                                                                    \
    X(FAULT_EQUIVOCATE, "two blocks in a step")                                                    \
    X(FAULT_WITHHOLD, "block withheld")                                                            \
    X(FAULT_LOST, "message lost")                                                                  \
    X(FAULT_TWICE, "message twice")                                                                \
    X(FAULT_LATE, "message out of order")                                                          \
    X(FAULT_CLOCK_STOP, "sealer stops for its clock")                                              \
    X(FAULT_GOVERN, "governance transaction")                                                      \
    X(FAULT_SPEND, "plain transaction")                                                            \
    X(FAULT_DESTROY, "majority destroyed")                                                         \
    X(FAULT_STORE, "identity store away")                                                          \
    X(FAULT_FREE, "block without a promise, for that")                                             \
    X(FAULT_GIVEN_UP, "promise of what is on no disk given up by a person")

enum fault {
#define X(id, name) id,
    SIM_FAULTS(X)
#undef X
        FAULT_N
};

/* X(id, "name"): what is checked */
#define SIM_CHECKS(X)                                                                              \
    X(CHECK_FINAL, "no two conflicting finalised blocks")                                          \
    X(CHECK_SIGN, "one block a step")                                                              \
    X(CHECK_ROOT, "state root of the store is the head's")                                         \
    X(CHECK_EPOCH, "same set, since the same block, and same ballot at the same head")                             \
    X(CHECK_CONTRACT, "contract and clients agree on the set")                                     \
    X(CHECK_BLAME, "no honest node blamed for a block")                                            \
    X(CHECK_REOPEN, "restart finds what was committed")                                            \
    X(CHECK_BLOCK, "a block within 2n steps of healing")                                           \
    X(CHECK_FINALITY, "finality within 2n steps more")                                             \
    X(CHECK_STUCK, "nothing is final while a majority is gone")                                    \
    X(CHECK_RECOVERED, "the set is changed, the contract goes on, blocks are final again")

enum check {
#define X(id, name) id,
    SIM_CHECKS(X)
#undef X
        CHECK_N
};

struct sim_options {
    uint64_t seed, steps;
    size_t nodes;     /* 0: by the seed, 3..7 */
    bool recover;     /* a majority is destroyed, and the set changed by the specification */
    uint64_t empty_steps; /* maximumEmptySteps, from the first block on; 0: the chain has none */
    size_t byzantine; /* up to that many equivocate; rule: two thirds */
    uint32_t faults;  /* kinds that may happen, by bit */
    bool verbose;
    const struct artifact *artifact; /* the governance contract */
};

struct sim_stats {
    uint64_t steps, blocks, imports, events, messages, bytes, reorgs, transitions, finals, empty_steps, empty_carried;
    uint64_t faults[FAULT_N], checks[CHECK_N];
    uint64_t recover_block_steps, recover_final_steps, heals; /* sums, for the mean */
    uint64_t worst_block_steps, worst_final_steps;
};

struct packet {
    unsigned refs;
    size_t len;
    uint8_t data[];
};

enum event_kind { EV_NONE, EV_MESSAGE, EV_GONE, EV_DIAL, EV_TIMEOUT, EV_PING, EV_TICK, EV_SEAL, EV_RESTART, EV_FAULT, EV_GOVERN, EV_HEAL, EV_CHECK, EV_PHASE, EV_STORE };

struct event {
    uint64_t at, order; /* order: of creation, so that equal times keep it */
    enum event_kind kind;
    uint8_t node, peer;
    uint32_t gen; /* of a timer or a connection: an event of an older one is void */
    unsigned message;
    struct packet *packet;
};

enum { MESSAGE_PING = 0x100, MESSAGE_PONG = 0x101, MESSAGE_CONSENSUS = 0x102 }; /* of the base protocol, beside those of eth */

enum cut_kind { CUT_NONE, CUT_RESET, CUT_STALL, CUT_DROP };

/* link: between two nodes, a < b */
struct link {
    bool is_up, dialing, has_gap; /* has_gap: lost a message: TCP gives such a connection up in the end */
    uint32_t conn;
    enum cut_kind cut;
    uint64_t last_arrival[2]; /* from a, from b: TCP keeps order */
    struct event *stalled;    /* messages of a cut that stalls; sent on when it heals */
    size_t n_stalled, cap_stalled;
};

struct validator {
    struct sim *sim;
    size_t index;
    struct kv *disk, *kv;
    struct evm *evm;
    struct chain *chain;
    struct pool *pool;
    struct sync *sync;
    secret32 key;
    address self;
    bool is_up, is_byzantine, clock_is_off;
    bool is_gone; /* destroyed: never comes back */
    const struct chain_spec *spec; /* it runs by */
    int64_t skew_ms, drift_ppm;
    uint64_t drift_since;
    uint64_t first_step;
    uint32_t tick_gen, seal_gen;
    uint64_t tick_at;
    uint64_t *signed_steps; /* by step - sim->first_step: fingerprint of what was signed, 0: nothing */
    uint64_t last_signed;   /* step */
    uint64_t seen_final;    /* checked up to there */
    bool lost_disk, forgot; /* forgot: and has not sealed since */
    uint64_t journal;       /* the last signed step, as node/identity/journal.h keeps it */
    hash32 seen_head;
    struct keeper {
        struct key_promise record; /* in the store */
        bool has_record, has_reserve, is_away, is_recalled; /* is_recalled: by the process that runs; has_reserve: it has written the record */
        uint64_t until_ms; /* of the record, as its writer knows it */
        uint64_t lease_ms; /* its lease runs out then, by the true clock */
        uint64_t gen;
    } keeper;
};

struct admin {
    secret32 key;
    address self;
};

/* what a block's chain says, whoever executes it */
struct known_block {
    hash32 hash;
    uint64_t epoch_start, set, ballot;
    bool used;
};

struct sim {
    struct sim_options opt;
    struct sim_stats *stats;
    struct rng_seeded rng, store_rng; /* store_rng: of the identity store's faults alone, so that runs without them are the same */
    uint64_t now, start, end;
    struct event *heap;
    size_t n_heap, cap_heap;
    uint64_t order;

    struct chain_spec spec;
    struct forkid_table forks;
    hash32 genesis;
    address contract;
    uint64_t step_ms, first_step, n_steps;
    size_t n, n_core; /* nodes; the first n_core are never voted out */
    struct validator node[NODES_MAX];
    struct link link[NODES_MAX][NODES_MAX];
    struct admin admin[ADMINS_MAX];
    size_t n_admins;

    /* phases */
    bool is_calm;
    enum { RECOVERING, GOT_BLOCK, RECOVERED } recovery;
    uint64_t healed_at, block_at, phase_no, changed_at;
    uint32_t loss, twice, late; /* per 10000 messages */
    uint64_t delay_ms, jitter_ms;
    uint32_t mix;   /* kinds of faults of this phase, by bit */
    uint64_t pace_ms;

    /* recover.c */
    enum { WHOLE, DESTROYED, PLANNED, MENDED } ruin;
    struct chain_spec next_spec; /* shares all but the validators' rule with spec */
    struct validator_set_at rules[3];
    struct validators left; /* of the list */
    uint64_t change_block, stuck_final, stuck_checks;

    hash32 *final; /* by number: the finalised block, zero: none yet */
    uint8_t *final_by;
    size_t cap_final;
    struct known_block *known;
    size_t n_known, cap_known;
    uint64_t digest; /* of all events: equal runs have equal digests */
    bool failed;
    char why[600];
};

/* --- world.c */
/** sim_run: ret true: all checks passed; why: of 600 bytes */
bool sim_run(const struct sim_options *opt, struct sim_stats *stats, char *why, uint64_t *digest);
void sim_push(struct sim *sim, const struct event *e);
/** sim_log: a line of the event log, with -v. */
PRINTF_LIKE(2, 3) void sim_log(struct sim *sim, const char *fmt, ...);
/** sim_fail: a check failed: the run ends. */
PRINTF_LIKE(2, 3) void sim_fail(struct sim *sim, const char *fmt, ...);
uint64_t sim_pick(struct sim *sim, uint64_t from, uint64_t to); /* in [from, to] */
bool sim_chance(struct sim *sim, unsigned of_thousand);

/* --- network.c */
void net_send(struct sim *sim, size_t from, size_t to, unsigned message, bytes payload);
void net_deliver(struct sim *sim, struct event *e);
/** net_break: the connection ends; whoever is told hears of it within that time; it is dialled again later. */
void net_break(struct sim *sim, size_t a, size_t b, bool tell_a, bool tell_b, uint64_t within_ms);
void net_on_gone(struct sim *sim, const struct event *e);
void net_on_timeout(struct sim *sim, const struct event *e);
void net_dial(struct sim *sim, size_t a, size_t b, uint64_t delay_ms);
void net_on_dial(struct sim *sim, const struct event *e);
void net_cut(struct sim *sim, size_t a, size_t b, enum cut_kind kind);
void net_heal(struct sim *sim, size_t a, size_t b);
/** net_ping_all: as node/p2p does every five seconds. */
void net_ping_all(struct sim *sim, size_t from);
void net_fini(struct sim *sim);

/* --- validator.c */
void validator_init(struct validator *v, struct sim *sim, size_t index);
void validator_fini(struct validator *v);
/** validator_boot: opens what is on its disk and starts. */
void validator_boot(struct validator *v);
/** validator_die: the process ends where it stands. */
void validator_die(struct validator *v);
/** validator_lose_disk: while it is down. */
void validator_lose_disk(struct validator *v);
uint64_t validator_wall(const struct validator *v);
void validator_receive(struct validator *v, size_t from, unsigned message, bytes payload);
void validator_tick(struct validator *v);
/** validator_ping: asks one peer for its clock. */
void validator_ping(struct validator *v, size_t to);
void validator_seal(struct validator *v);
void validator_schedule_seal(struct validator *v);
/** validator_touch: after each call into its sync: the next tick, and its death if a commit was its last. */
void validator_touch(struct validator *v);
/** govern_send: a transaction of an admin to the contract, through a node. */
void govern_send_call(struct sim *sim, struct validator *v, const struct admin *from, bytes data, const char *what);
bool validator_submit(struct validator *v, bytes raw);
void validator_set_clock(struct validator *v, int64_t skew_ms, int64_t drift_ppm);

/* --- keeper.c */
/** keeper_begin_faults: the stores that go away in this time of faults, and when. */
void keeper_begin_faults(struct sim *sim);
/** keeper_toggle: EV_STORE: it goes, or comes back. */
void keeper_toggle(struct validator *v, bool away);
void keeper_heal(struct sim *sim);
/** keeper_died: the process that wrote the record is no more. */
void keeper_died(struct validator *v);
/** keeper_may_seal: the identity is held, and what stands beside it was recalled. */
bool keeper_may_seal(struct validator *v);
/** keeper_keep: for proposal_source. */
enum status keeper_keep(struct validator *v, const struct key_promise *p, uint64_t step);
/** keeper_give_up: what no disk has any more is given up, as a person would; n: the most validators that anyone's set has. */
void keeper_give_up(struct sim *sim, uint64_t n);

/* --- faults.c */
void faults_begin(struct sim *sim);
void faults_next(struct sim *sim);
void faults_heal(struct sim *sim);

/* --- govern.c */
void govern_init(struct sim *sim);
void govern_next(struct sim *sim);

/* --- recover.c */
/** recover_next: now and then, with --recover. */
void recover_next(struct sim *sim);
/** recover_is_stuck: no finality can be asked for now. */
bool recover_is_stuck(const struct sim *sim);
void recover_fini(struct sim *sim);

/* --- check.c */
/** check_call: a view of the contract on a node's head; out: in the arena */
MUST_CHECK enum status check_call(bytes *out, struct validator *v, const char *signature, struct arena *a);
void check_init(struct sim *sim);
void check_fini(struct sim *sim);
void check_signature(struct validator *v, uint64_t step, const hash32 *seal_hash);
/** check_node: after an event that may have moved its head. */
void check_node(struct validator *v);
void check_reopened(struct validator *v);
void check_blame(struct validator *v, size_t peer, enum disconnect_reason reason, const char *why);
void check_blame_consensus(struct validator *v, size_t peer);
/** check_recovered: once a step after healing; n: the most validators that anyone's set has. */
void check_recovered(struct sim *sim, uint64_t n);

/* --- wrap.c */
/** wrap_seed: for each run, before anything else. */
void wrap_seed(uint64_t seed);

#endif
