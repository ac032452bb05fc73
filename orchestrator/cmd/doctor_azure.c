#include "orchestrator/cmd/doctor_azure.h"

#include "lib/azure/blob.h"
#include "lib/azure/identity_doc.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/codec/hex.h"
#include "lib/codec/json.h"
#include "orchestrator/diagnose/log_line.h"
#include "orchestrator/govern/rpc_client.h"
#include "orchestrator/target/azure.h"

#include <strings.h>
#include <unistd.h>

enum { RPC_MS = 5000, STORE_MS = 5000, STALE_S = 60, ROUNDS = 3, HEADERS_MAX = 256, LOG_MAX = 16 << 20, LOG_SINCE_MS = 3600000 };

struct looking {
    struct deployment *d;
    const char *dir, *rpc;
    struct diag_finding *list;
    size_t n, max;
    json_t *machines; /* of the resource manager: [{name, state}] */
    json_t *units;    /* of their systemd; NULL: they were not asked, ssh_error says why */
    char ssh_error[500];
    bool ssh_is_closed;
    size_t n_running, n_identities, n_held;
    uint64_t height, age_s;
    size_t n_validators, n_sealing;
    bool has_chain;
};

PRINTF_LIKE(3, 4) static struct diag_finding *find(struct looking *l, enum diag_cause cause, const char *fmt, ...)
{
    static struct diag_finding spare;
    struct diag_finding *x = l->n < l->max ? &l->list[l->n++] : &spare;
    va_list ap;
    *x = (struct diag_finding){.cause = cause};
    va_start(ap, fmt);
    (void)vsnprintf(x->text, sizeof x->text, fmt, ap);
    va_end(ap);
    return x;
}
#define EVIDENCE(x, ...) ((void)snprintf((x)->evidence, sizeof (x)->evidence, __VA_ARGS__))
#define MEND(x, ...) ((void)snprintf((x)->mend, sizeof (x)->mend, __VA_ARGS__))

/* what shows more of a machine that is not well */
static void mend_by_logs(struct diag_finding *x, const struct looking *l, const char *name)
{
    const char *end = strlen(name) > 10 ? name + strlen(name) - 10 : name; /* reg1000001 */
    if (l->ssh_is_closed) MEND(x, "poa-deploy ssh allow %s && poa-deploy doctor %s    (then `ssh deny`)", l->dir, l->dir);
    else MEND(x, "poa-deploy logs %s%s%s --since 1h --level warn", l->dir, *name != '\0' ? " --instance " : "", end);
}

/* ---------------------------------------------------------------- machines */

static void judge_machines(struct looking *l)
{
    size_t i, down = 0;
    json_t *v;
    char names[300] = "", state[40] = "";
    json_array_foreach(l->machines, i, v)
    {
        if (strcmp(json_text(v, "state"), "running") == 0) {
            l->n_running++;
            continue;
        }
        size_t k = strlen(names);
        if (down++ < 3) (void)snprintf(names + k, sizeof names - k, "%s%.80s", down > 1 ? ", " : "", json_text(v, "name"));
        (void)snprintf(state, sizeof state, "%.39s", json_text(v, "state"));
    }
    if (down == 0) return;
    struct diag_finding *x = find(l, DIAG_NODE_DOWN, "%zu of %zu machines do not run: %s%s", down, json_array_size(l->machines), names, down > 3 ? ", ..." : "");
    EVIDENCE(x, "Azure calls %s %s", down == 1 ? "it" : "the last of them", state);
    MEND(x, "poa-deploy up %s", l->dir);
}

/* the last error in what a machine's node wrote within the hour */
static void last_error(char dst[static 400], struct looking *l, const char *name)
{
    char dir[3600], path[3800];
    struct buf b;
    struct err err = {0};
    (void)snprintf(dir, sizeof dir, "%.3000s/local/doctor.%ld", l->d->ws.dir, (long)getpid());
    (void)snprintf(path, sizeof path, "%s/%.100s.log", dir, name);
    buf_init(&b, LOG_MAX);
    dst[0] = '\0';
    uint64_t now = clock_wall_ms();
    if (l->d->target.ops->logs(&l->d->target, dir, name, now - LOG_SINCE_MS, false, &err) == OK && file_read(&b, path, NULL) == OK)
        for (size_t at = 0; at < b.len;) {
            const uint8_t *nl = memchr(b.ptr + at, '\n', b.len - at);
            size_t n = nl == NULL ? b.len - at : (size_t)(nl - b.ptr) - at;
            struct log_line line;
            log_line_get(&line, bytes_make(b.ptr + at, n));
            if (line.level == LOG_LEVEL_ERROR && line.ms + LOG_SINCE_MS > now) (void)snprintf(dst, 400, "%.*s", (int)line.text.len, (const char *)line.text.ptr);
            at += n + 1;
        }
    buf_fini(&b);
    IGNORE(file_remove_tree(dir, NULL) != OK, "a copy only");
}

static void judge_units(struct looking *l)
{
    size_t i;
    json_t *v;
    json_array_foreach(l->units, i, v)
    {
        const char *name = json_text(v, "name"), *error = json_text(v, "error"), *state = json_text(v, "state");
        long long starts = (long long)json_integer_value(json_object_get(v, "starts")), up_ms = (long long)json_integer_value(json_object_get(v, "upMs"));
        bool looping = starts > 2 && up_ms < 60000;
        struct diag_finding *x;
        char said[400];
        if (*error != '\0') {
            x = find(l, DIAG_NODE_HUNG, "the machine %s runs, but nobody can log in to it", name);
            EVIDENCE(x, "%s", error);
            MEND(x, "poa-deploy ssh run uptime %s --instance %s    (a machine that stays silent: restart it in the portal)", l->dir, name);
        } else if (strcmp(state, "active") != 0 || looping) {
            x = find(l, DIAG_NODE_DOWN, "the node on %s %s", name, looping ? "ends again and again" : "does not run");
            last_error(said, l, name);
            EVIDENCE(x, "systemd calls it %s, and has started it %lld times%s%s", *state != '\0' ? state : "unknown", starts, said[0] != '\0' ? "; its last error: " : "", said);
            mend_by_logs(x, l, name);
        }
    }
}

/* -------------------------------------------------------------- identities */

static enum status open_blobs(struct blob_store **out, struct deployment *d, struct err *err)
{
    struct vault_access access;
    enum status s = d->target.ops->vault(&d->target, &access, err);
    if (s != OK) return s;
    const struct azure_service_config sc = {.base_uri = access.blob_url, .ca_file = access.ca_file, .tokens = access.tokens, .deadline_ms = STORE_MS};
    return blob_store_new(out, &sc, err);
}

struct free_ones {
    struct looking *l;
    char names[200];
    size_t n;
};

static enum status see_blob(void *ctx, const struct blob_info *info)
{
    struct free_ones *f = ctx;
    unsigned i;
    if (!identity_blob_index(&i, info->name)) return OK;
    f->l->n_identities++;
    if (info->lease_state == BLOB_LEASE_LEASED) {
        f->l->n_held++;
        return OK;
    }
    size_t k = strlen(f->names);
    if (f->n++ < 4) (void)snprintf(f->names + k, sizeof f->names - k, "%sidentity-%u", f->n > 1 ? ", " : "", i);
    return OK;
}

static void judge_identities(struct looking *l)
{
    struct blob_store *blobs = NULL;
    struct err err = {0};
    struct free_ones f = {.l = l};
    enum status s = open_blobs(&blobs, l->d, &err);
    if (s == OK) s = blob_list(blobs, IDENTITY_CONTAINER, IDENTITY_BLOB_PREFIX, see_blob, &f, &err);
    blob_store_free(blobs);
    if (s != OK) {
        struct diag_finding *x = find(l, s == E_DENIED ? DIAG_ACCESS : DIAG_STORE_DOWN, "the identities in the storage account cannot be read from here");
        EVIDENCE(x, "%s", err_text(&err));
        if (s == E_DENIED) MEND(x, "az role assignment list --scope ID-OF-THE-STORAGE-ACCOUNT    (it takes Storage Blob Data Contributor; `poa-deploy new` gives it to who deploys)");
        else MEND(x, "poa-deploy status %s    (and look whether the account still stands in the resource group)", l->dir);
    } else if (f.n > 0 && l->n_running > l->n_held) {
        struct diag_finding *x = find(l, DIAG_NODE_DOWN, "%zu of %zu identities %s held by no machine: %s%s: %s not seal", f.n, l->n_identities, f.n == 1 ? "is" : "are", f.names, f.n > 4 ? ", ..." : "", f.n == 1 ? "it does" : "they do");
        EVIDENCE(x, "the blobs' leases are free, though %zu machines run: %s", l->n_running, l->ssh_is_closed ? "what they lack stands in their logs" : "see their nodes");
        mend_by_logs(x, l, "");
    }
}

/* ------------------------------------------------------------------- chain */

static uint64_t quantity(const json_t *o, const char *key)
{
    uint64_t v = 0;
    const char *t = json_text(o, key);
    return hex_get_quantity(&v, bytes_str(t)) == OK ? v : 0;
}

/* which of the validators have sealed one of the last blocks, of some rounds */
static void judge_sealers(struct looking *l, struct rpc_client *rpc)
{
    json_t *set = NULL, *calls = json_array(), *blocks = NULL, *b, *v;
    size_t i, k, silent = 0;
    char names[300] = "";
    if (rpc_client_call(&set, rpc, "aura_getValidators", json_array(), NULL) != OK || !json_is_array(set)) goto out;
    l->n_validators = json_array_size(set);
    uint64_t want = ROUNDS * l->n_validators;
    if (want > HEADERS_MAX) want = HEADERS_MAX;
    if (l->height < want) goto out; /* too young to tell */
    for (uint64_t n = l->height - want + 1; n <= l->height; n++) {
        char hex[20];
        (void)snprintf(hex, sizeof hex, "0x%llx", (unsigned long long)n);
        json_array_append_new(calls, json_pack("[s, [s, b]]", "eth_getBlockByNumber", hex, 0));
    }
    enum status s = rpc_client_batch(&blocks, rpc, calls, NULL);
    calls = NULL;
    if (s != OK) goto out;
    json_array_foreach(set, i, v)
    {
        bool seals = false;
        json_array_foreach(blocks, k, b)
            seals = seals || strcasecmp(json_text(b, "miner"), json_string_value(v) == NULL ? "" : json_string_value(v)) == 0;
        l->n_sealing += seals;
        if (seals) continue;
        size_t at = strlen(names);
        if (silent++ < 4) (void)snprintf(names + at, sizeof names - at, "%s%.42s", silent > 1 ? ", " : "", json_string_value(v));
    }
    if (silent == 0) goto out;
    bool few = l->n_sealing * 2 <= l->n_validators;
    struct diag_finding *x = find(l, few ? DIAG_NO_FINALITY : DIAG_VALIDATOR_OFFLINE, "%zu of %zu validators do not seal%s: %s%s", silent, l->n_validators, few ? ", too many for finality" : "", names, silent > 4 ? ", ..." : "");
    EVIDENCE(x, "none of the last %llu blocks is theirs", (unsigned long long)want);
    MEND(x, "poa-deploy validator list %s    (whose they are; those of this member: see their machines)", l->dir);
out:
    json_decref(set);
    json_decref(calls);
    json_decref(blocks);
}

static void judge_chain(struct looking *l)
{
    struct rpc_client *rpc = NULL;
    struct err err = {0};
    json_t *head = NULL;
    struct diag_finding *x;
    bool hidden = strcmp(SETTING(l->d->target.env.settings, public_ip), "private") == 0;
    enum status s = l->rpc == NULL ? err_set(&err, E_NOT_FOUND, "the workspace knows no RPC address") : rpc_client_new(&rpc, l->rpc, RPC_MS, &err);
    if (s == OK) s = rpc_client_call(&head, rpc, "eth_getBlockByNumber", json_pack("[s, b]", "latest", 0), &err);
    if (s == OK && json_is_object(head)) {
        uint64_t now = clock_wall_ms() / 1000, at = quantity(head, "timestamp"), step = SETTING_INT_OF(l->d->target.env.settings, step);
        l->has_chain = true;
        l->height = quantity(head, "number");
        l->age_s = now > at ? now - at : 0;
        if (l->age_s > STALE_S && l->age_s > 10 * step) {
            x = find(l, DIAG_STALLED, "nobody seals: the last block, %llu, is %llu s old", (unsigned long long)l->height, (unsigned long long)l->age_s);
            EVIDENCE(x, "%zu of %zu machines run, %zu of %zu identities are held", l->n_running, json_array_size(l->machines), l->n_held, l->n_identities);
            mend_by_logs(x, l, "");
        } else {
            judge_sealers(l, rpc);
        }
    } else if (!hidden && l->n_running > 0) { /* a private network may not be reached from here */
        x = find(l, DIAG_BALANCER_DOWN, "RPC at %s does not answer", l->rpc == NULL ? "(unknown)" : l->rpc);
        EVIDENCE(x, "%s; %zu machines run", err_text(&err), l->n_running);
        mend_by_logs(x, l, "");
    }
    json_decref(head);
    rpc_client_free(rpc);
}

/* ------------------------------------------------------------------- all */

enum status doctor_azure(struct diag_finding *out, size_t max, size_t *n, char well[static 400], struct cli *c, struct deployment *d, struct err *err)
{
    struct looking l = {.d = d, .dir = c->dir, .list = out, .max = max};
    *n = 0;
    l.rpc = workspace_fact(&d->ws, "rpc");
    enum status s = d->target.ops->programs(&l.machines, &d->target, err);
    if (s != OK) return s;
    struct err why = {0};
    enum status ssh = azure_units(&l.units, &d->target, &why);
    if (ssh != OK) (void)snprintf(l.ssh_error, sizeof l.ssh_error, "%s", err_text(&why));
    l.ssh_is_closed = azure_ssh_is_closed(&d->target);
    judge_machines(&l);
    judge_units(&l);
    judge_identities(&l);
    judge_chain(&l);
    if (ssh != OK && !l.ssh_is_closed && l.n_running > 0) {
        struct diag_finding *x = find(&l, DIAG_NODE_HUNG, "the machines could not be looked at over SSH");
        EVIDENCE(x, "%s", l.ssh_error);
        MEND(x, "poa-deploy ssh run uptime %s    (when it works, look again)", c->dir);
    }
    (void)snprintf(well, 400, "healthy: %zu machine%s, block %llu%s, %zu of %zu identities held%s", l.n_running, l.n_running == 1 ? "" : "s", (unsigned long long)l.height, l.has_chain ? "" : " (not reached from here)", l.n_held,
                   l.n_identities, l.ssh_is_closed ? "; the machines themselves were not looked at: SSH is closed (`poa-deploy ssh allow`)" : "");
    json_decref(l.machines);
    json_decref(l.units);
    *n = l.n;
    return OK;
}

enum status doctor_azure_break_lease(struct deployment *d, const char *blob, struct err *err)
{
    struct blob_store *blobs = NULL;
    unsigned i, left;
    if (!identity_blob_index(&i, blob)) return err_set(err, E_INVALID, "'%s' is no identity: identity-0.json, identity-1.json, ...", blob);
    enum status s = open_blobs(&blobs, d, err);
    if (s == OK) s = blob_lease_break(&left, blobs, IDENTITY_CONTAINER, blob, 0, STORE_MS, err);
    blob_store_free(blobs);
    return s;
}
