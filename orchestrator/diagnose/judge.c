/* judge.c: a rule for each cause. A rule says whether its cause holds, and writes the line, the evidence and the command. */
#include "orchestrator/diagnose/diagnose.h"

#include <strings.h>

enum {
    FULL_BLOCKS = 5,       /* so many in a row are no burst */
    FRESH_MS = 5000,       /* a process may need so long to answer */
    RESUME_MS = 15000,     /* nodes that have just started may need so long for the next block */
    BEHIND = 5,            /* blocks */
    SKEW_MIN_MS = 700,     /* less is the measurement's, or does no harm */
    SHOW_MAX = 6,          /* names in one line */
};

const char *diag_cause_name(enum diag_cause c)
{
    static const char *const names[] = {
#define X(id, name, summary) name,
#include "orchestrator/diagnose/causes.def"
#undef X
    };
    return names[c];
}

const char *diag_cause_summary(enum diag_cause c)
{
    static const char *const texts[] = {
#define X(id, name, summary) summary,
#include "orchestrator/diagnose/causes.def"
#undef X
    };
    return texts[c];
}

/* cut where the room ends: a line for people */
PRINTF_LIKE(3, 4) static NOINLINE void say(char *dst, size_t cap, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(dst, cap, fmt, ap);
    va_end(ap);
}
#define TEXT(...) say(out->text, sizeof out->text, __VA_ARGS__)
#define EVIDENCE(...) say(out->evidence, sizeof out->evidence, __VA_ARGS__)
#define MEND(...) say(out->mend, sizeof out->mend, __VA_ARGS__)

typedef unsigned long long ull;

static const char *plural(size_t n)
{
    return n == 1 ? "" : "s";
}

/* append to a list in text: "a, b and 3 more" is told by the caller's count */
static void list_add(char *dst, size_t cap, size_t i, const char *fmt, ...) PRINTF_LIKE(4, 5);
static void list_add(char *dst, size_t cap, size_t i, const char *fmt, ...)
{
    size_t n = strlen(dst);
    if (i >= SHOW_MAX) {
        if (i == SHOW_MAX) (void)snprintf(dst + n, cap - n, ", ...");
        return;
    }
    n += (size_t)snprintf(dst + n, cap - n, "%s", i == 0 ? "" : ", ");
    if (n >= cap) return;
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(dst + n, cap - n, fmt, ap);
    va_end(ap);
}

/* ------------------------------------------------------------- this machine */

/* SPEC(user-pains 15): Azure keeps a deleted vault, and its name, for weeks */
static bool vault_held(struct diag_finding *out, const struct diag_facts *f)
{
    static const char *const azures[] = {"VaultAlreadyExists", "already exists in deleted state", "ConflictError"};
    const char *said = strstr(f->failure, SAYS_VAULT_HELD);
    bool azure_said = false;
    for (size_t i = 0; i < COUNT_OF(azures) && strstr(f->failure, "ault") != NULL; i++)
        azure_said = azure_said || strstr(f->failure, azures[i]) != NULL;
    if (f->is_started || (said == NULL && !azure_said)) return false;
    char name[25] = "NAME"; /* of at most 24 */
    const char *from = said;
    while (from != NULL && from > f->failure && from[-1] != ' ')
        from--;
    if (from != NULL && (size_t)(said - from) < sizeof name) (void)snprintf(name, sizeof name, "%.*s", (int)(said - from), from);
    TEXT("the name of the Key Vault%s%s is held by a deleted vault: a new one can't have it", said == NULL ? "" : ", ", said == NULL ? "" : name);
    EVIDENCE("%s", f->failure);
    MEND("az keyvault purge --name %s    (what it held is lost for good; `az keyvault list-deleted` shows whose it was; then the command as before, or with another --resource-group)", name);
    return true;
}

/* SPEC(user-pains 17) */
static bool quota(struct diag_finding *out, const struct diag_facts *f)
{
    static const char *const azures[] = {"QuotaExceeded", "SkuNotAvailable", "exceeding approved", "OverconstrainedAllocationRequest", "AllocationFailed"};
    const char *said = strstr(f->failure, SAYS_QUOTA);
    bool azure_said = false;
    for (size_t i = 0; i < COUNT_OF(azures); i++)
        azure_said = azure_said || strstr(f->failure, azures[i]) != NULL;
    if (f->is_started || (said == NULL && !azure_said)) return false;
    const char *place = said == NULL ? "" : said + strlen(SAYS_QUOTA);
    const int n = (int)strspn(place, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
    TEXT("the subscription's quota%s%.*s is too small for this deployment", n > 0 ? " in " : "", n, place);
    EVIDENCE("%s", f->failure);
    MEND("az vm list-usage --location %.*s --output table    (ask for more under Quotas in the portal, or take fewer --nodes or a smaller --vm-size; then the command as before)", n > 0 ? n : 8,
         n > 0 ? place : "LOCATION");
    return true;
}

static bool unfinished(struct diag_finding *out, const struct diag_facts *f)
{
    if (f->is_started) return false;
    TEXT("the deployment in %s was not brought to its end", f->dir);
    if (f->failure[0] != '\0') EVIDENCE("the last run stopped: %s", f->failure);
    else EVIDENCE("state.json does not have the step 'identities', nor why: the run was ended from outside, or goes on still");
    MEND("poa-deploy new %s    (or join, with the same flags as before)", f->dir);
    return true;
}

static bool keeper_down(struct diag_finding *out, const struct diag_facts *f)
{
    if (f->keeper_pid != 0) return false;
    TEXT("nothing runs: the keeper, which starts the nodes, the load balancer and the identity store, is not there");
    EVIDENCE("nobody holds the lock of %s/local/keeper.lock", f->dir);
    MEND("poa-deploy up %s", f->dir);
    return true;
}

static bool disk_full(struct diag_finding *out, const struct diag_facts *f)
{
    if (f->disk_free >= f->disk_min) return false;
    uint64_t all = 0;
    for (size_t i = 0; i < f->n_nodes; i++)
        all += f->nodes[i].disk_bytes;
    TEXT("the disk is nearly full: %llu MiB are left where the chain is kept", (ull)(f->disk_free >> 20));
    EVIDENCE("free space of the file system of %s; the nodes' databases take %llu MiB; below %llu MiB this is reported", f->dir, (ull)(all >> 20),
             (ull)(f->disk_min >> 20));
    MEND("du -xh --max-depth=3 %s | sort -h | tail    (then make room, or move the folder)", f->dir);
    return true;
}

/* SPEC(user-pains 20): who has it; the kernel kills the largest first */
static bool memory_low(struct diag_finding *out, const struct diag_facts *f)
{
    if (f->memory_free >= f->memory_min) return false;
    char nodes[500] = "";
    for (size_t i = 0, k = 0; i < f->n_nodes; i++)
        if (f->nodes[i].memory_bytes > 0) list_add(nodes, sizeof nodes, k++, "%s has %llu MiB", f->nodes[i].program.name, (ull)(f->nodes[i].memory_bytes >> 20));
    TEXT("the memory is nearly used up: %llu MiB are left, and the kernel ends what is largest when none is", (ull)(f->memory_free >> 20));
    EVIDENCE("MemAvailable of /proc/meminfo; below %llu MiB this is reported; %s", (ull)(f->memory_min >> 20), nodes[0] == '\0' ? "no node answers" : nodes);
    MEND("ps -eo rss,pid,args --sort -rss | head    (then end what need not run here, or give the machine more)");
    return true;
}

static bool busy(struct diag_finding *out, const struct diag_program *p, const struct diag_facts *f)
{
    if (p->busy[0] == '\0') return false;
    if (p->busy_workspace[0] != '\0' && strcmp(p->busy_workspace, f->dir) != 0) {
        TEXT("the addresses of this network are taken: the one in %s, of the same member id, runs", p->busy_workspace);
        EVIDENCE("%s; two networks with one member id, or a network and its restored backup, can't run at once: with the same keys both would seal", p->busy);
        MEND("poa-deploy down %s    (or, if this one is to run: `poa-deploy down %s` and `poa-deploy up` here)", f->dir, p->busy_workspace);
        return true;
    }
    TEXT("a port of %s is taken: %s", p->name, p->busy);
    EVIDENCE("%s%s%s%s", p->pid == 0 ? "it does not run" : "it was just started again", p->error[0] == '\0' ? "" : "; its last error: ", p->error,
             p->end[0] == '\0' ? "" : "; the keeper starts it again until it can");
    if (p->busy_pid != 0) MEND("kill %ld", p->busy_pid);
    else MEND("sudo ss -ltnp    (stop what has the port), or `poa-deploy down %s`", f->dir);
    return true;
}

static bool port_busy(struct diag_finding *out, const struct diag_facts *f)
{
    for (size_t i = 0; i < DIAG_PROGRAMS_MAX; i++)
        if (busy(out, &f->programs[i], f)) return true;
    for (size_t i = 0; i < f->n_nodes; i++)
        if (busy(out, &f->nodes[i].program, f)) return true;
    return false;
}

/* on a host: its own systemd starts it again, so what is to be done is to look */
static void say_down_there(struct diag_finding *out, const struct diag_program *p, const struct diag_facts *f)
{
    if (p->error[0] != '\0') EVIDENCE("%s", p->error);
    else EVIDENCE("systemd has started it %u time%s%s", p->starts, plural(p->starts), p->pid == 0 ? "; it does not run now" : "");
    if (p->error[0] != '\0') MEND("poa-deploy up %s    (when the host is back)", f->dir);
    else MEND("poa-deploy logs %s --instance %s --level warn    (then `poa-deploy up %s`)", f->dir, p->name, f->dir);
}

static void say_down(struct diag_finding *out, const struct diag_program *p, const struct diag_facts *f)
{
    if (f->is_remote) {
        say_down_there(out, p, f);
        return;
    }
    if (p->stopped) {
        EVIDENCE("process %ld is stopped by a signal (state T)", p->pid);
        MEND("kill -CONT %ld", p->pid);
    } else if (p->pid == 0 || p->error[0] != '\0') {
        EVIDENCE("started %u time%s%s%s; %s%s", p->starts, plural(p->starts), p->end[0] == '\0' ? "" : ", last ended with ", p->end,
                 p->error[0] == '\0' ? "no error in its log" : "its last error: ", p->error);
        MEND("poa-deploy logs %s --instance %s --level warn", f->dir, p->name);
    } else {
        EVIDENCE("process %ld has run for %llu s", p->pid, (ull)(p->up_ms / 1000));
        MEND("kill %ld    (the keeper starts it again)", p->pid);
    }
}

static bool store_down(struct diag_finding *out, const struct diag_facts *f)
{
    const struct diag_program *p = &f->programs[0];
    if (f->store_answers || (p->pid != 0 && !p->stopped && p->up_ms < FRESH_MS && p->starts <= 1)) return false;
    TEXT("the identity store at %s does not answer: the nodes lose the right to seal at the end of their leases", f->store_url);
    say_down(out, p, f);
    if (p->pid != 0 && !p->stopped && f->store_error[0] != '\0') EVIDENCE("%s", f->store_error);
    if (p->pid != 0 && !f->is_remote && strstr(f->store_error, "certificate") != NULL) {
        TEXT("the certificate of the identity store at %s is not one that the nodes trust: they lose the right to seal at the end of their leases", f->store_url);
        MEND("openssl verify -CAfile %s/local/store/ca.pem %s/local/store/server.pem    (the two files must belong together: a backup has both, then `poa-deploy down` and `up`)", f->dir, f->dir);
    }
    return true;
}

static bool is_looping(const struct diag_program *p)
{
    return p->starts > 2 && p->up_ms < 10000 && p->error[0] != '\0';
}

/* the chain's own words */
static bool is_of_other_genesis(const struct diag_node *n)
{
    return !n->answers && strstr(n->program.error, "holds a chain with genesis") != NULL;
}

static bool node_down(struct diag_finding *out, const struct diag_facts *f)
{
    const struct diag_node *n = NULL;
    char others[300] = "";
    size_t k = 0;
    for (size_t i = 0; i < f->n_nodes; i++) {
        const struct diag_program *p = &f->nodes[i].program;
        if (is_of_other_genesis(&f->nodes[i]) || (p->pid != 0 && !(is_looping(p) && !f->nodes[i].answers))) continue;
        if (n == NULL) n = &f->nodes[i];
        list_add(others, sizeof others, k++, "%s", p->name);
    }
    if (n == NULL) return false;
    if (k == 1) TEXT("the node %s %s", n->program.name, n->program.pid == 0 && n->program.starts <= 1 ? "does not run" : "ends again and again");
    else TEXT("%zu of %zu nodes do not run: %s", k, f->n_nodes, others);
    say_down(out, &n->program, f);
    if (strstr(n->program.error, "MDB_INVALID") != NULL || strstr(n->program.error, "MDB_CORRUPTED") != NULL) {
        TEXT("the database of the node %s is damaged", n->program.name);
        if (!f->is_remote) MEND("mv %s %s.damaged    (the node starts again by itself, and fetches the chain from the others)", n->database, n->database);
    }
    if (strstr(n->program.error, "poa-node.yaml") != NULL) MEND("poa-node --config %s --check-config    (correct what it names; the node starts again by itself)", n->config);
    return true;
}

static bool node_hung(struct diag_finding *out, const struct diag_facts *f)
{
    for (size_t i = 0; i < f->n_nodes; i++) {
        const struct diag_node *n = &f->nodes[i];
        if (n->answers || n->waits_identity || n->program.pid == 0 || is_of_other_genesis(n)) continue;
        if (n->program.up_ms < FRESH_MS && !n->program.stopped) {
            TEXT("the node %s was just started and does not answer yet", n->program.name);
            EVIDENCE("process %ld has run for %llu ms%s%s", n->program.pid, (ull)n->program.up_ms, n->program.error[0] == '\0' ? "" : "; its last error: ",
                     n->program.error);
            MEND("poa-deploy status %s --watch    (look again in a few seconds)", f->dir);
            return true;
        }
        TEXT("the node %s runs but does not answer at %s:8545", n->program.name, n->address);
        say_down(out, &n->program, f);
        if (!n->program.stopped && !f->is_remote) {
            EVIDENCE("process %ld has run for %llu s; %s", n->program.pid, (ull)(n->program.up_ms / 1000), n->rpc_error);
            MEND("kill -9 %ld    (the keeper starts it again)", n->program.pid);
        }
        return true;
    }
    return false;
}

static bool balancer_down(struct diag_finding *out, const struct diag_facts *f)
{
    const struct diag_program *p = &f->programs[1];
    if (p->pid != 0 && !p->stopped) return false;
    TEXT("the load balancer does not run: RPC, WebSocket and member pages are out of reach, the chain itself goes on");
    say_down(out, p, f);
    return true;
}

/* --------------------------------------------------------------- identities */

static bool genesis(struct diag_finding *out, const struct diag_facts *f)
{
    for (size_t i = 0; i < f->n_nodes; i++) {
        const struct diag_node *n = &f->nodes[i];
        if (is_of_other_genesis(n)) {
            TEXT("the node %s can't start: its database is of another network", n->program.name);
            EVIDENCE("%s", n->program.error);
            MEND("rm -r %s    (the node fetches the chain from its peers)", n->database);
            return true;
        }
        if (!n->answers || n->genesis[0] == '\0' || f->genesis[0] == '\0' || strcasecmp(n->genesis, f->genesis) == 0) continue;
        TEXT("the node %s is of another network: its genesis block is not that of this workspace", n->program.name);
        EVIDENCE("it has %s, spec.json gives %s", n->genesis, f->genesis);
        MEND("kill %ld && rm -r %s    (it fetches the chain from its peers)", n->program.pid, n->database);
        return true;
    }
    if (f->peer_genesis[0] == '\0' || f->genesis[0] == '\0' || strcasecmp(f->peer_genesis, f->genesis) == 0) return false;
    TEXT("this member and the one that it joined by are in different networks: their genesis blocks differ");
    EVIDENCE("here it is %s, at %s it is %s: that network was made anew", f->genesis, f->peer_rpc, f->peer_genesis);
    MEND("poa-deploy destroy %s && poa-deploy join %s --data-url URL    (or go on without that member)", f->dir, f->dir);
    return true;
}

/* SPEC(user-pains 14): the genesis block does not tell them apart: they part at the first block that the rules see differently */
static bool rules_differ(struct diag_finding *out, const struct diag_facts *f)
{
    for (size_t i = 0; i < f->n_nodes; i++) {
        const struct diag_node *n = &f->nodes[i];
        if (n->spec.theirs[0] == '\0') continue;
        TEXT("the node %s reads the chain by other rules: %s is %s there, %s in this workspace's spec.json", n->program.name, n->spec.path, n->spec.theirs, n->spec.ours);
        EVIDENCE("paritySpec of http://%s:3000/networkinfo against %s/spec.json; the genesis block is the same, the first block that it matters for will not be; it has it from %s", n->address, f->dir,
                 n->spec_file[0] == '\0' ? "the store's spec.json" : n->spec_file);
        if (f->is_remote) MEND("poa-deploy up %s    (it places the specification again)", f->dir);
        else {
            /* the blocks that it made or took by its own rules are worth nothing where the chains have parted */
            const bool parted = f->fork_block != 0;
            const char *rm = parted ? " && rm -r " : "", *what = parted ? n->database : "", *more = parted ? ", and it fetches the chain from its peers" : "";
            if (n->spec_file[0] != '\0') MEND("cp %s/spec.json %s && kill %ld%s%s    (the keeper starts it again%s)", f->dir, n->spec_file, n->program.pid, rm, what, more);
            else MEND("kill %ld%s%s    (the keeper starts it again, it takes the store's specification anew%s)", n->program.pid, rm, what, more);
        }
        return true;
    }
    if (f->peer_spec.theirs[0] == '\0') return false;
    TEXT("the member that this one joined by reads the chain by other rules: %s is %s there, %s here", f->peer_spec.path, f->peer_spec.theirs, f->peer_spec.ours);
    EVIDENCE("paritySpec of %s against %s/spec.json; a change of the rules (`poa-deploy recover`) has to be made at every member", f->peer_data, f->dir);
    MEND("poa-deploy spec check %s/spec.json    (settle with that member whose is right, then `poa-deploy recover` where it is not)", f->dir);
    return true;
}

/* the blob whose document names the instance last: the one that it held */
static const struct diag_identity *identity_of(const struct diag_facts *f, const char *instance)
{
    for (size_t i = 0; i < f->n_identities; i++)
        if (strcmp(f->identities[i].hostname, instance) == 0) return &f->identities[i];
    return NULL;
}

static const char *index_of(const char *blob)
{
    const char *p = strpbrk(blob, "0123456789");
    return p == NULL ? "0" : p;
}

/* SPEC(user-pains 16): who is refused, by what, and which permission is missing */
static bool access_refused(struct diag_finding *out, const struct diag_facts *f)
{
    for (size_t i = 0; i < f->n_nodes; i++) {
        const struct diag_node *n = &f->nodes[i];
        bool is_401 = strstr(n->identity_line, "HTTP 401") != NULL, is_403 = strstr(n->identity_line, "HTTP 403") != NULL;
        if ((!is_401 && !is_403) || n->program.pid == 0 || n->answers) continue;
        TEXT("the identity store refuses the node %s: %s", n->program.name, is_401 ? "it does not take its secret" : "it may not do what it asks for");
        EVIDENCE("its log: %s", n->identity_line);
        MEND("poa-deploy doctor %s --renew-access    (writes the store's list of clients anew from the nodes' own secrets)", f->dir);
        return true;
    }
    return false;
}

/* SPEC(user-pains 18): key -> address -> enode agree, or the node does not take it */
static bool key_mismatch(struct diag_finding *out, const struct diag_facts *f)
{
    for (size_t i = 0; i < f->n_nodes; i++) {
        const struct diag_node *n = &f->nodes[i];
        const char *blob = strstr(n->identity_line, "identity-");
        if (n->program.pid == 0 || blob == NULL || (n->has_lease && n->lease_ms > 0)) continue;
        if (strstr(n->identity_line, "is not that of the address") == NULL && strstr(n->identity_line, "is no private key") == NULL) continue;
        unsigned long k = strtoul(index_of(blob), NULL, 10);
        TEXT("the key of identity-%lu is not that of its address: the node %s does not take it", k, n->program.name);
        EVIDENCE("its log: %s", n->identity_line);
        MEND("poa-deploy rotate %s --index %lu    (a new key; if the document was changed by hand, put the old one back)", f->dir, k);
        return true;
    }
    return false;
}

static bool lease_taken(struct diag_finding *out, const struct diag_facts *f)
{
    for (size_t i = 0; i < f->n_nodes; i++) {
        const struct diag_node *n = &f->nodes[i];
        if (!n->lost_identity || n->program.pid == 0 || (n->has_lease && n->lease_ms > 0)) continue;
        const struct diag_identity *id = identity_of(f, n->program.name);
        const char *blob = id == NULL ? "its identity" : id->blob;
        TEXT("somebody else holds the identity of the node %s (%s%s%s): the node must not seal", n->program.name, blob, id == NULL ? "" : ", ",
             id == NULL ? "" : id->address);
        EVIDENCE("the node's log: %s; the blob is %s now", n->identity_line, id == NULL ? "unknown" : id->is_leased ? "leased" : "free");
        MEND("poa-deploy doctor %s --break-lease %s    (stop the other holder first: this ends its lease)", f->dir, id == NULL ? "identity-0.json" : id->blob);
        return true;
    }
    return false;
}

static bool identity_exhausted(struct diag_finding *out, const struct diag_facts *f)
{
    const struct diag_node *n = NULL;
    const struct diag_identity *foreign = NULL;
    size_t leased = 0;
    char holders[500] = "";
    for (size_t i = 0; i < f->n_nodes && n == NULL; i++)
        if (f->nodes[i].program.pid != 0 && f->nodes[i].waits_identity && !f->nodes[i].answers) n = &f->nodes[i];
    if (n == NULL || !f->has_identities) return false;
    for (size_t i = 0; i < f->n_identities; i++) {
        const struct diag_identity *id = &f->identities[i];
        if (!id->is_leased) continue;
        list_add(holders, sizeof holders, leased++, "%s by %s", id->blob, id->hostname[0] == '\0' ? "an unknown holder" : id->hostname);
        bool ours = false;
        for (size_t k = 0; k < f->n_nodes; k++)
            if (f->nodes[k].has_author && strcasecmp(f->nodes[k].author, id->address) == 0) ours = true;
        if (!ours) foreign = id;
    }
    if (leased < f->n_identities) {
        TEXT("the node %s waits for an identity; %zu of %zu are free, it takes one within seconds", n->program.name, f->n_identities - leased, f->n_identities);
        EVIDENCE("its log: %s", n->identity_line);
        MEND("poa-deploy status %s --watch    (if it goes on: poa-deploy logs %s --instance %s)", f->dir, f->dir, n->program.name);
        return true;
    }
    TEXT("the node %s waits for an identity: all %zu of this member are leased", n->program.name, f->n_identities);
    EVIDENCE("%s", f->n_identities == 0 ? "the container poa-config has no identity" : holders);
    if (foreign != NULL) MEND("poa-deploy doctor %s --break-lease %s    (no node of ours uses it; a node that died leaves its own after 60 s)", f->dir, foreign->blob);
    else MEND("poa-deploy rotate --help    (there are more nodes than identities)");
    return true;
}

static bool clock_skew(struct diag_finding *out, const struct diag_facts *f)
{
    uint64_t limit = f->step_ms / 2 > SKEW_MIN_MS ? f->step_ms / 2 : SKEW_MIN_MS;
    for (size_t i = 0; i < f->n_nodes; i++) {
        const struct diag_node *n = &f->nodes[i];
        uint64_t skew = (uint64_t)(n->skew_ms < 0 ? -n->skew_ms : n->skew_ms);
        if (!n->has_clock || skew <= limit) continue;
        TEXT("the clock of the node %s is %llu.%llu s %s: its blocks come in the wrong steps, and it refuses those of others", n->program.name,
             (ull)(skew / 1000), (ull)(skew % 1000 / 100), n->skew_ms < 0 ? "behind" : "ahead");
        EVIDENCE("its clock against this machine's, asked at %s:9545; half a step (%llu ms) is too much", n->address, (ull)limit);
        MEND("timedatectl set-ntp true    (on the node's host; then `chronyc makestep`, if chrony keeps its time)");
        return true;
    }
    uint64_t head_ms = f->head_timestamp * 1000;
    if (!f->has_chain || head_ms <= f->now_ms + limit + 1000) return false;
    TEXT("the newest block is %llu s in the future: the clock of its sealer is ahead, or this machine's is behind", (ull)((head_ms - f->now_ms) / 1000));
    EVIDENCE("the head, sealed by %s, has the timestamp %llu; here it is %llu", f->head_author, (ull)f->head_timestamp, (ull)(f->now_ms / 1000));
    MEND("timedatectl set-ntp true    (on the sealer's host)");
    return true;
}

/* Its disk is empty or older than its key's last seal, or it is on another branch: usually it is over with the next blocks of the others. Where
 * the block is on no disk any more only a person can end it. */
static bool promised_block(struct diag_finding *out, const struct diag_facts *f)
{
    for (size_t i = 0; i < f->n_nodes; i++) {
        const struct diag_node *n = &f->nodes[i];
        if (!n->waits_promise || n->is_syncing || n->program.up_ms < 2 * FRESH_MS) continue;
        TEXT("the validator of the node %s lets its steps go by: its key has promised a block that its chain does not have", n->program.name);
        EVIDENCE("poa_promise_waiting is 1 at %s:9545; the line \"Not sealing\" of its log names the block", n->address);
        MEND("poa-deploy logs %s --instance %s    (if no node of the network has that block any more, give it up: remove the metadata \"promise\" of "
             "its identity blob, and start the node again)", f->dir, n->program.name);
        return true;
    }
    return false;
}

/* -------------------------------------------------------------------- peers */

static bool no_peers(struct diag_finding *out, const struct diag_facts *f)
{
    size_t alone = 0;
    const struct diag_node *n = NULL;
    for (size_t i = 0; i < f->n_nodes; i++) {
        const struct diag_node *x = &f->nodes[i];
        if (!x->answers || !x->has_peers || x->peers > 0 || x->program.up_ms < 2 * FRESH_MS) continue;
        if (n == NULL) n = x;
        alone++;
    }
    if (n == NULL || (f->n_validators <= 1 && f->n_nodes <= 1)) return false;
    if (alone == 1) TEXT("the node %s has no peers", n->program.name);
    else TEXT("%zu nodes have no peers: %s and others", alone, n->program.name);
    if (n->advertised[0] != '\0' && !n->advertised_open) {
        EVIDENCE("it tells others that it is at %s, where nobody listens", n->advertised);
        MEND("correct network.public_address in %s, then kill %ld    (the keeper starts it again)", n->config, n->program.pid);
    } else {
        EVIDENCE("it listens at %s; nobody is connected after %llu s", n->advertised, (ull)(n->program.up_ms / 1000));
        MEND("poa-deploy logs %s --instance %s --since 5m    (and open TCP and UDP port 30300 between the members)", f->dir, n->program.name);
    }
    return true;
}

/* SPEC(user-pains 4) */
static bool fork_of_nodes(struct diag_finding *out, const struct diag_facts *f)
{
    if (f->fork_block == 0) return false;
    for (size_t i = 0; i < f->n_nodes; i++) {
        const struct diag_node *n = &f->nodes[i], *best = &f->nodes[f->best];
        if (n->fork_hash[0] == '\0') continue;
        TEXT("the node %s is on another chain than %s: they parted after block %llu", n->program.name, best->program.name, (ull)f->fork_common);
        EVIDENCE("block %llu is %.10s.. there and %.10s.. here; peers: %llu and %llu", (ull)f->fork_block, n->fork_hash, f->fork_best, (ull)n->peers, (ull)best->peers);
        if (n->peers == 0 || best->peers == 0)
            MEND("poa-deploy logs %s --instance %s    (once they reach each other, the longer chain wins)", f->dir, n->program.name);
        else MEND("kill %ld && rm -r %s    (it fetches the longer chain from its peers)", n->program.pid, n->database);
        return true;
    }
    return false;
}

static bool syncing(struct diag_finding *out, const struct diag_facts *f)
{
    uint64_t best = f->has_chain ? f->nodes[f->best].block : 0;
    for (size_t i = 0; i < f->n_nodes; i++) {
        const struct diag_node *n = &f->nodes[i];
        uint64_t goal = n->is_syncing && n->highest > best ? n->highest : best;
        if (!n->answers || (!n->is_syncing && n->block + BEHIND >= best)) continue;
        TEXT("the node %s is behind: block %llu of %llu", n->program.name, (ull)n->block, (ull)goal);
        EVIDENCE("%s, %llu peer%s", n->is_syncing ? "it fetches blocks from its peers" : "it does not fetch blocks", (ull)n->peers, plural(n->peers));
        if (n->is_syncing) MEND("poa-deploy status %s --watch    (nothing is to be done; it does not seal meanwhile)", f->dir);
        else MEND("poa-deploy logs %s --instance %s --since 5m --level warn", f->dir, n->program.name);
        return true;
    }
    return false;
}

/* -------------------------------------------------------------------- chain */

static const struct diag_identity *identity_for(const struct diag_facts *f, const char *who)
{
    for (size_t i = 0; i < f->n_identities; i++)
        if (strcasecmp(f->identities[i].address, who) == 0) return &f->identities[i];
    return NULL;
}

/* who has it; an identity of our store that no node of ours seals by is no other member's */
static const char *where(char dst[static 400], const struct diag_facts *f, const struct diag_validator *v)
{
    const struct diag_identity *id = v->instance[0] == '\0' ? identity_for(f, v->address) : NULL;
    if (id == NULL) say(dst, 400, "%s", v->instance[0] == '\0' ? "another member" : v->instance);
    else if (id->hostname[0] == '\0') say(dst, 400, "%s of this member, which no node has", id->blob);
    else say(dst, 400, "%s of this member, last with %s", id->blob, id->hostname);
    return dst;
}

static bool is_elsewhere(const struct diag_facts *f, const struct diag_validator *v)
{
    return v->instance[0] == '\0' && identity_for(f, v->address) == NULL;
}

/* the validators that are not online, with what is known of each */
static size_t put_missing(char *dst, size_t cap, const struct diag_facts *f)
{
    size_t k = 0;
    char has[400];
    dst[0] = '\0';
    for (size_t i = 0; i < f->n_validators; i++) {
        const struct diag_validator *v = &f->validators[i];
        if (v->is_online) continue;
        if (v->last_step == 0) list_add(dst, cap, k++, "%s (%s, no block in the last %zu)", v->address, where(has, f, v), f->n_walked);
        else list_add(dst, cap, k++, "%s (%s, last sealed step %llu, %llu ago)", v->address, where(has, f, v), (ull)v->last_step, (ull)(f->step - v->last_step));
    }
    return k;
}

static bool all_missing_elsewhere(const struct diag_facts *f)
{
    for (size_t i = 0; i < f->n_validators; i++)
        if (!f->validators[i].is_online && !is_elsewhere(f, &f->validators[i])) return false;
    return true;
}

static void mend_missing(struct diag_finding *out, const struct diag_facts *f)
{
    if (all_missing_elsewhere(f)) MEND("poa-deploy up DIR    (at the member whose validators are missing)");
    else MEND("poa-deploy logs %s --since 5m --level warn", f->dir);
}

/* the nodes have run for so long, the longest of them; UINT64_MAX: that is not known */
static uint64_t running_ms(const struct diag_facts *f)
{
    uint64_t ms = 0;
    for (size_t i = 0; i < f->n_nodes; i++)
        if (f->nodes[i].program.up_ms > ms) ms = f->nodes[i].program.up_ms;
    return ms == 0 ? UINT64_MAX : ms;
}

bool diagnose_has_settled(const struct diag_facts *f)
{
    const uint64_t rounds = 2 * f->n_validators + 2;
    return running_ms(f) >= rounds * f->step_ms && (f->resumed_step == 0 || f->step >= f->resumed_step + rounds);
}

static size_t needed(const struct diag_facts *f)
{
    return f->signers_needed > 0 ? (size_t)f->signers_needed : f->n_validators / 2 + 1;
}

static size_t online(const struct diag_facts *f)
{
    size_t k = 0;
    for (size_t i = 0; i < f->n_validators; i++)
        k += f->validators[i].is_online;
    return k;
}

static bool stalled(struct diag_finding *out, const struct diag_facts *f)
{
    if (!f->has_chain || f->n_validators == 0 || f->step <= f->head_step + 2 * f->n_validators + 2) return false;
    if (running_ms(f) < RESUME_MS) return false; /* after a pause of all */
    char due[400] = "", has[400];
    const char *own = NULL;
    bool elsewhere = true;
    uint64_t from = f->step > f->n_validators ? f->step - f->n_validators : 0;
    for (uint64_t s = from, k = 0; s < f->step; s++) {
        const struct diag_validator *v = &f->validators[s % f->n_validators];
        list_add(due, sizeof due, k++, "step %llu: %s (%s, last %llu)", (ull)s, v->address, where(has, f, v), (ull)v->last_step);
        if (v->instance[0] != '\0' && own == NULL) own = v->instance;
        elsewhere = elsewhere && is_elsewhere(f, v);
    }
    TEXT("the chain stands still at block %llu since %llu s: no validator seals", (ull)f->nodes[f->best].block,
         (ull)(f->now_ms / 1000 > f->head_timestamp ? f->now_ms / 1000 - f->head_timestamp : 0));
    EVIDENCE("who should have sealed: %s", due);
    if (elsewhere) MEND("poa-deploy up DIR    (at the members whose validators these are)");
    else if (own == NULL) MEND("poa-deploy logs %s --since 5m --level warn", f->dir);
    else MEND("poa-deploy logs %s --instance %s --since 5m --level warn", f->dir, own);
    return true;
}

static bool change_waits(struct diag_finding *out, const struct diag_facts *f)
{
    if (!f->has_chain) return false;
    uint64_t block = f->nodes[f->best].block;
    char missing[700];
    if (f->has_pending && block > f->pending_block + 2 * f->n_validators + 2) {
        size_t k = put_missing(missing, sizeof missing, f);
        TEXT("a change of the validators, signalled in block %llu, can't come into force: %zu of %zu validators seal, %zu must", (ull)f->pending_block,
             online(f), f->n_validators, needed(f));
        EVIDENCE("%llu blocks since; missing: %s", (ull)(block - f->pending_block), k == 0 ? "nobody" : missing);
        mend_missing(out, f);
        return true;
    }
    if (!f->has_queue || f->queued == 0 || f->has_pending) return false;
    TEXT("%llu decided change%s of the validators wait%s to be announced", (ull)f->queued, plural((size_t)f->queued), f->queued == 1 ? "s" : "");
    EVIDENCE("the contract has no change in flight, and announces the next one with the next governance transaction");
    MEND("poa-deploy validator add %s    (any transaction of an administrator announces it)", f->dir);
    return true;
}

static bool no_finality(struct diag_finding *out, const struct diag_facts *f)
{
    if (!f->has_chain || f->n_validators == 0 || online(f) >= needed(f) || !diagnose_has_settled(f)) return false;
    const struct diag_node *best = &f->nodes[f->best];
    /* shortly after the start not everyone has had a turn */
    if (f->n_headers < needed(f) || best->block <= best->finalised + 2 * f->n_validators + 2) return false;
    char missing[800];
    (void)put_missing(missing, sizeof missing, f);
    TEXT("too few validators are online for finality: %zu of %zu seal, %zu are needed", online(f), f->n_validators, needed(f));
    EVIDENCE("block %llu, but only %llu is final; missing: %s", (ull)best->block, (ull)best->finalised, missing);
    mend_missing(out, f);
    return true;
}

/* SPEC(user-pains 20) */
static bool overloaded(struct diag_finding *out, const struct diag_facts *f)
{
    if (!f->has_chain || f->n_full < FULL_BLOCKS || f->pool_pending == 0) return false;
    TEXT("more transactions come than the blocks take: the last %zu used all their gas, and %llu transaction%s wait%s", f->n_full, (ull)f->pool_pending, plural((size_t)f->pool_pending),
         f->pool_pending == 1 ? "s" : "");
    EVIDENCE("block %llu used %llu of %llu gas; the pool has %llu that could go now and %llu that wait for another", (ull)f->nodes[f->best].block, (ull)f->gas_used, (ull)f->gas_limit,
             (ull)f->pool_pending, (ull)f->pool_queued);
    if (f->is_remote)
        MEND("poa-deploy logs %s --since 5m --level warn    (send less, or set gas_floor_target: %llu in /etc/poa-node.yaml of every validator)", f->dir, (ull)(2 * f->gas_limit));
    else
        MEND("sed -i -e '/^gas_floor_target:/d' -e '$a gas_floor_target: %llu' %s/local/instances/*/etc/poa-node.yaml && poa-deploy down %s && poa-deploy up %s    (at every member; the limit rises by a 1024th a block; or send less)",
             (ull)(2 * f->gas_limit), f->dir, f->dir, f->dir);
    return true;
}

/* those that are missing have nodes of ours that have just started, and have not had their turns yet */
static bool all_come_back(const struct diag_facts *f)
{
    for (size_t i = 0; i < f->n_validators; i++) {
        const struct diag_validator *v = &f->validators[i];
        const struct diag_node *n = NULL;
        for (size_t k = 0; k < f->n_nodes && v->instance[0] != '\0'; k++)
            if (strcmp(f->nodes[k].program.name, v->instance) == 0) n = &f->nodes[k];
        if (!v->is_online && (n == NULL || !n->answers || n->program.up_ms >= (2 * f->n_validators + 2) * f->step_ms)) return false;
    }
    return true;
}

static bool validator_offline(struct diag_finding *out, const struct diag_facts *f)
{
    char missing[800];
    if (!f->has_chain || f->n_headers < 2 * f->n_validators || !diagnose_has_settled(f)) return false;
    size_t k = put_missing(missing, sizeof missing, f);
    if (k == 0 || k == f->n_validators || all_come_back(f)) return false;
    TEXT("%zu of %zu validators do%s not seal; the others carry on, with a pause in each round", k, f->n_validators, k == 1 ? "es" : "");
    EVIDENCE("missing: %s; %zu more may fail before blocks are no longer final", missing, online(f) > needed(f) ? online(f) - needed(f) : 0);
    mend_missing(out, f);
    return true;
}

size_t diagnose_judge(struct diag_finding *out, size_t max, const struct diag_facts *f)
{
    static bool (*const rules[])(struct diag_finding * out, const struct diag_facts *f) = {
        [DIAG_VAULT_HELD] = vault_held,     [DIAG_QUOTA] = quota,                   [DIAG_MEMORY] = memory_low,
        [DIAG_RULES] = rules_differ,        [DIAG_OVERLOADED] = overloaded,
        [DIAG_UNFINISHED] = unfinished,     [DIAG_KEEPER_DOWN] = keeper_down,       [DIAG_DISK] = disk_full,
        [DIAG_PORT_BUSY] = port_busy,       [DIAG_STORE_DOWN] = store_down,         [DIAG_NODE_DOWN] = node_down,
        [DIAG_NODE_HUNG] = node_hung,       [DIAG_BALANCER_DOWN] = balancer_down,   [DIAG_GENESIS] = genesis,
        [DIAG_ACCESS] = access_refused,     [DIAG_KEY] = key_mismatch,              [DIAG_FORK] = fork_of_nodes,
        [DIAG_LEASE_TAKEN] = lease_taken,   [DIAG_IDENTITY_EXHAUSTED] = identity_exhausted, [DIAG_CLOCK] = clock_skew,
        [DIAG_PROMISE] = promised_block,
        [DIAG_NO_PEERS] = no_peers,         [DIAG_SYNCING] = syncing,               [DIAG_STALLED] = stalled,
        [DIAG_CHANGE_WAITS] = change_waits, [DIAG_NO_FINALITY] = no_finality,       [DIAG_VALIDATOR_OFFLINE] = validator_offline,
    };
    size_t n = 0;
    for (size_t i = 0; i < COUNT_OF(rules) && n < max; i++) {
        out[n] = (struct diag_finding){.cause = (enum diag_cause)i};
        if (!rules[i](&out[n], f)) continue;
        n++;
        /* when nothing runs, nothing else can be said */
        if (!f->is_started || i == DIAG_KEEPER_DOWN) break;
    }
    return n;
}
