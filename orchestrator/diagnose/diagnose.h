/* diagnose.h: what is wrong with a network, and what mends it.
 *
 * How data walks: diagnose_gather (gather.c: processes, files, ports, disk; ask.c: nodes by RPC and metrics, leases) fills struct diag_facts
 * -> diagnose_judge (judge.c) tries the causes of causes.def in order, from what explains everything (the keeper is down) to what explains
 * little (a change waits), and writes a finding for each that holds. The first is the most likely cause. Judging is pure: no clock, no I/O. */
#ifndef ORCHESTRATOR_DIAGNOSE_DIAGNOSE_H
#define ORCHESTRATOR_DIAGNOSE_DIAGNOSE_H

#include "orchestrator/diagnose/deployment.h"
#include "orchestrator/diagnose/spec_diff.h"

enum { DIAG_NODES_MAX = LOCAL_INSTANCES_MAX, DIAG_VALIDATORS_MAX = 512, DIAG_IDENTITIES_MAX = 128, DIAG_PROGRAMS_MAX = 2 };

struct diag_program {
    char name[80];
    long pid;      /* 0: does not run */
    bool stopped;  /* by a signal: state T */
    unsigned starts;
    uint64_t up_ms;
    char end[120];   /* how it ended last: "exit=1", "signal=9"; "" */
    char error[400]; /* its last line of level error, "" */
    char busy[200];  /* "127.1.1.10:8545 is held by python3 (process 42)"; "" */
    long busy_pid;
    char busy_workspace[1000]; /* the holder is of that network; "" */
};

struct diag_node {
    struct diag_program program;
    char address[16], region[64];
    char config[4096], database[4096];
    bool waits_identity; /* the last that its log says of identities */
    bool lost_identity;
    char identity_line[300];
    bool answers; /* by RPC */
    char rpc_error[300];
    uint64_t block, head_timestamp, peers, finalised;
    bool has_peers, is_syncing, has_author, is_sealing;
    uint64_t highest;
    char genesis[67], author[43];
    char advertised[256]; /* host:port of its enode */
    bool advertised_open;
    bool has_clock;
    int64_t skew_ms; /* its clock minus ours */
    bool has_lease, waits_promise;
    uint64_t lease_ms, disk_bytes, memory_bytes;
    char fork_hash[67]; /* of block fork_block, where the nodes were compared; "" where it agrees with the best node's */
    char version[100]; /* "poa-node/v0.1.0/..." */
    struct spec_diff spec; /* its chain specification against the workspace's; path "": the same */
    char spec_file[4096];  /* where it has the other one from; "": the store */
};

struct diag_validator {
    char address[43];
    char instance[80]; /* of ours that holds it, "" */
    uint64_t last_step, last_block, missed; /* missed: in the headers that were looked at; last_step 0: none of them is its */
    bool is_online;    /* sealed within the last two rounds */
};

struct diag_identity {
    char blob[32], address[43], hostname[256], instance[80];
    bool is_leased;
};

struct diag_facts {
    char dir[3000];
    bool is_started, is_finished;
    bool is_remote; /* on hosts: their systemd is the keeper */
    long keeper_pid;
    char failure[1000]; /* what stopped the run that was to bring the deployment up; "" */
    uint64_t disk_free, disk_min, memory_free, memory_min;
    struct diag_program programs[DIAG_PROGRAMS_MAX]; /* identity-store, haproxy */
    bool store_answers;
    char store_url[64], store_error[300];
    struct diag_node nodes[DIAG_NODES_MAX];
    size_t n_nodes;
    /* the chain, as the node with the highest block sees it */
    bool has_chain;
    size_t best; /* that node */
    uint64_t now_ms, step, step_ms, head_step, head_timestamp, epoch_start;
    bool has_pending;
    uint64_t pending_block, signers_seen, signers_needed;
    struct diag_validator validators[DIAG_VALIDATORS_MAX];
    size_t n_validators, n_walked, n_headers; /* headers that were looked at, and those of them of the set in force */
    uint64_t first_step;            /* of them */
    uint64_t resumed_step;          /* of the first block after a pause of more than two rounds, in what was looked at; 0: there was none */
    uint64_t fork_block, fork_common; /* 0: all agree; fork_common: the last block that they share, as far as was looked */
    char fork_best[67];
    bool has_queue;                 /* changes that the contract has decided, but not announced */
    uint64_t queued;
    char head_author[43];
    /* genesis by the workspace, and by the member that was joined */
    char genesis[67], peer_genesis[67], peer_rpc[512], peer_data[512];
    struct spec_diff peer_spec;
    /* how full it is */
    size_t n_full; /* blocks from the head back that used nine tenths of their gas or more */
    uint64_t gas_limit, gas_used, pool_pending, pool_queued; /* of the head; of the best node */
    struct diag_identity identities[DIAG_IDENTITIES_MAX];
    size_t n_identities;
    bool has_identities;
};

enum diag_cause {
#define X(id, name, summary) id,
#include "orchestrator/diagnose/causes.def"
#undef X
    DIAG_CAUSE_N
};
const char *diag_cause_name(enum diag_cause c);
const char *diag_cause_summary(enum diag_cause c);

struct diag_finding {
    enum diag_cause cause;
    char text[600];     /* the cause, one line */
    char evidence[900];
    char mend[4400];    /* a command */
};

struct diag_options {
    const char *peer_rpc; /* of the member that was joined, NULL: none */
    const char *peer_data; /* its data URL, NULL */
    uint64_t disk_min, memory_min; /* bytes */
    bool quick;           /* leave out what a live screen does not show: ports, identities, the other member */
};

/** diagnose_gather: *out is calloc'ed; what can't be found out is left empty.  ret OK | E_NOMEM */
MUST_CHECK enum status diagnose_gather(struct diag_facts **out, const struct deployment *d, const struct diag_options *o, struct err *err);
/** diagnose_recall: only what the workspace in dir has written down of a deployment that was not brought to its end.
 *  ret OK | E_NOT_FOUND: it was | E_NOMEM */
MUST_CHECK enum status diagnose_recall(struct diag_facts **out, const char *dir, struct err *err);
/** diagnose_has_settled: every validator has had its turns since the nodes started, and since the chain went on after a pause */
bool diagnose_has_settled(const struct diag_facts *f);
/** diagnose_judge: ret how many findings, at most max; 0: healthy */
size_t diagnose_judge(struct diag_finding *out, size_t max, const struct diag_facts *f);
/** diagnose_break_lease: end the lease of an identity blob, whoever holds it: that one must stop sealing at its next renewal. */
MUST_CHECK enum status diagnose_break_lease(const struct deployment *d, const char *blob, struct err *err);
/** diagnose_renew_access: the store's list of clients, written anew from the secrets that the nodes have; the store starts again and reads it. */
MUST_CHECK enum status diagnose_renew_access(struct deployment *d, struct err *err);

#endif
