/* poa-sim: runs the simulation over many seeds, or one again. */
#include <getopt.h>
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "tests/sim/sim.h"

enum { STEPS = 2000, SEEDS = 100, JOBS_MAX = 64 };
static const char *const FAULT_NAMES[] = {
#define X(id, name) name,
    SIM_FAULTS(X)
#undef X
};
static const char *const CHECK_NAMES[] = {
#define X(id, name) name,
    SIM_CHECKS(X)
#undef X
};

static int usage(int code)
{
    fprintf(code == 0 ? stdout : stderr,
            "usage: poa-sim [--seeds K] [--first S] [--steps N] [--nodes N] [--byzantine F]   K seeds of N steps each\n"
            "       poa-sim --seed S [--steps N] [--nodes N] [--byzantine F] [-v]             one seed; -v: every event\n"
            "       poa-sim --replay FILE [--seeds K ...]                                     runs as kept, one a line; then K more\n"
            "  --recover      half of the validators or more are destroyed, and the set is changed as poa-deploy recover does\n"
            "  --empty-steps M  proposers without transactions sign their step, up to M times in a row, instead of a block\n"
            "  --jobs J       in that many processes\n"
            "  --faults MASK  of kinds, by bit in the order of the report\n"
            "  --keep FILE  append the runs that failed to FILE     --share DIR  where orchestrator/contracts is (.)\n");
    return code;
}

static void report(const struct sim_stats *st, uint64_t passed, uint64_t failed, uint64_t ms)
{
    printf("steps %llu, blocks %llu, imports %llu, events %llu, messages %llu (%.1f a block, %.0f bytes a block), re-organisations %llu\n",
           (unsigned long long)st->steps, (unsigned long long)st->blocks, (unsigned long long)st->imports, (unsigned long long)st->events,
           (unsigned long long)st->messages, st->blocks == 0 ? 0 : (double)st->messages / (double)st->blocks,
           st->blocks == 0 ? 0 : (double)st->bytes / (double)st->blocks, (unsigned long long)st->reorgs);
    printf("blocks finalised %llu, set changes applied %llu, empty steps signed %llu, carried %llu, time %.1f s\n", (unsigned long long)st->finals,
           (unsigned long long)st->transitions, (unsigned long long)st->empty_steps, (unsigned long long)st->empty_carried, (double)ms / 1000);
    for (int i = 0; i < FAULT_N; i++)
        printf("  fault   %12llu  %s\n", (unsigned long long)st->faults[i], FAULT_NAMES[i]);
    for (int i = 0; i < CHECK_N; i++)
        printf("  checked %12llu  %s\n", (unsigned long long)st->checks[i], CHECK_NAMES[i]);
    if (st->heals > 0)
        printf("recoveries %llu: a block after %.1f steps (worst %llu), final %.1f steps later (worst %llu)\n", (unsigned long long)st->heals,
               (double)st->recover_block_steps / (double)st->heals, (unsigned long long)st->worst_block_steps,
               (double)st->recover_final_steps / (double)st->heals, (unsigned long long)st->worst_final_steps);
    printf("%llu passed, %llu failed\n", (unsigned long long)passed, (unsigned long long)failed);
}

/* what is to be run, and what came of it */
struct plan {
    struct sim_options *list; /* malloc */
    size_t n, cap;
    FILE *keep;
};
struct result {
    struct sim_stats stats;
    uint64_t passed, failed;
};

static void add(struct plan *p, const struct sim_options *o)
{
    if (p->n == p->cap) {
        p->cap = p->cap == 0 ? 64 : 2 * p->cap;
        p->list = realloc(p->list, p->cap * sizeof *p->list);
        if (p->list == NULL) BUG("out of memory");
    }
    p->list[p->n++] = *o;
}

static void run_one(struct result *r, const struct sim_options *o, FILE *keep)
{
    char why[600];
    uint64_t digest;
    if (sim_run(o, &r->stats, why, &digest)) {
        r->passed++;
        if (o->verbose) printf("digest %016llx\n", (unsigned long long)digest);
        return;
    }
    r->failed++;
    printf("FAILED --seed %llu --steps %llu --nodes %zu --byzantine %zu --faults 0x%x --empty-steps %llu%s: %s\n", (unsigned long long)o->seed, (unsigned long long)o->steps,
           o->nodes, o->byzantine, o->faults, (unsigned long long)o->empty_steps, o->recover ? " --recover" : "", why);
    fflush(stdout);
    if (keep == NULL) return;
    fprintf(keep, "%llu %llu %zu %zu 0x%x%s empty %llu # %s\n", (unsigned long long)o->seed, (unsigned long long)o->steps, o->nodes, o->byzantine, o->faults,
            o->recover ? " recover" : "", (unsigned long long)o->empty_steps, why);
    fflush(keep);
}

static void run_share(struct result *r, const struct plan *p, size_t first, size_t jobs)
{
    for (size_t i = first; i < p->n; i += jobs)
        run_one(r, &p->list[i], p->keep);
}

static void sum(struct result *to, const struct result *from)
{
    struct result was = *to, r = *from;
    uint64_t *a = (uint64_t *)to, *b = (uint64_t *)&r;
    for (size_t i = 0; i < sizeof r / sizeof *b; i++)
        a[i] += b[i];
    to->stats.worst_block_steps = was.stats.worst_block_steps > r.stats.worst_block_steps ? was.stats.worst_block_steps : r.stats.worst_block_steps;
    to->stats.worst_final_steps = was.stats.worst_final_steps > r.stats.worst_final_steps ? was.stats.worst_final_steps : r.stats.worst_final_steps;
}
_Static_assert(sizeof(struct result) % sizeof(uint64_t) == 0 && offsetof(struct result, passed) == sizeof(struct sim_stats), "all of it counts");

/* a process for each share: runs know nothing of each other. A share whose process ends otherwise counts as failed. */
static void run_all(struct result *total, const struct plan *p, size_t jobs)
{
    int from[JOBS_MAX];
    pid_t child[JOBS_MAX];
    fflush(stdout);
    for (size_t j = 0; j < jobs && jobs > 1; j++) {
        int ends[2];
        if (pipe(ends) != 0 || (child[j] = fork()) < 0) BUG("fork");
        if (child[j] == 0) {
            struct result r = {0};
            run_share(&r, p, j, jobs);
            const bool told = write(ends[1], &r, sizeof r) == sizeof r;
            exit(told ? 0 : 1);
        }
        close(ends[1]);
        from[j] = ends[0];
    }
    if (jobs == 1) run_share(total, p, 0, 1);
    for (size_t j = 0; j < jobs && jobs > 1; j++) {
        struct result r = {0};
        int status = 0;
        const bool told = read(from[j], &r, sizeof r) == sizeof r;
        close(from[j]);
        if (waitpid(child[j], &status, 0) != child[j] || !told || status != 0) {
            printf("FAILED a process of the simulation ended with status 0x%x\n", (unsigned)status);
            r = (struct result){.failed = 1};
        }
        sum(total, &r);
    }
}

/* lines "seed steps nodes byzantine faults [recover] [empty M] # why it is kept" */
static int read_kept(struct plan *p, const struct sim_options *like, const char *path)
{
    FILE *f = fopen(path, "r");
    if (f == NULL) {
        fprintf(stderr, "poa-sim: cannot read %s\n", path);
        return 2;
    }
    char line[800];
    while (fgets(line, sizeof line, f) != NULL) {
        char *at = line;
        struct sim_options o = *like;
        if (*line == '#' || *line == '\n') continue;
        o.seed = strtoull(at, &at, 10);
        o.steps = strtoull(at, &at, 10);
        o.nodes = (size_t)strtoull(at, &at, 10);
        o.byzantine = (size_t)strtoull(at, &at, 10);
        o.faults = (uint32_t)strtoull(at, &at, 0);
        o.recover = strncmp(at, " recover", 8) == 0;
        if (o.recover) at += 8;
        if (strncmp(at, " empty ", 7) == 0) o.empty_steps = strtoull(at + 7, &at, 10);
        add(p, &o);
    }
    fclose(f);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"seed", 1, NULL, 's'},  {"seeds", 1, NULL, 'k'}, {"first", 1, NULL, 'f'},  {"steps", 1, NULL, 'n'},
                                            {"nodes", 1, NULL, 'm'}, {"byzantine", 1, NULL, 'b'}, {"share", 1, NULL, 'd'}, {"keep", 1, NULL, 'K'},
                                            {"replay", 1, NULL, 'r'}, {"jobs", 1, NULL, 'j'}, {"recover", 0, NULL, 'R'}, {"faults", 1, NULL, 'F'}, {"empty-steps", 1, NULL, 'e'}, {"help", 0, NULL, 'h'},  {0}};
    struct sim_options opt = {.steps = STEPS, .faults = UINT32_MAX};
    struct plan plan = {0};
    struct result total = {0};
    const char *share = ".", *file = NULL;
    uint64_t first = 1, n = SEEDS, jobs = 1;
    bool has_n = false;
    struct artifact artifact;
    struct err err = {0};
    for (int c; (c = getopt_long(argc, argv, "vh", options, NULL)) != -1;) {
        switch (c) {
        case 's':
            first = strtoull(optarg, NULL, 10);
            n = 1;
            has_n = true;
            break;
        case 'k':
            n = strtoull(optarg, NULL, 10);
            has_n = true;
            break;
        case 'f': first = strtoull(optarg, NULL, 10); break;
        case 'n': opt.steps = strtoull(optarg, NULL, 10); break;
        case 'm': opt.nodes = (size_t)strtoull(optarg, NULL, 10); break;
        case 'b': opt.byzantine = (size_t)strtoull(optarg, NULL, 10); break;
        case 'd': share = optarg; break;
        case 'r': file = optarg; break;
        case 'K':
            plan.keep = fopen(optarg, "a");
            if (plan.keep == NULL) return usage(2);
            break;
        case 'F': opt.faults = (uint32_t)strtoull(optarg, NULL, 0); break;
        case 'e': opt.empty_steps = strtoull(optarg, NULL, 10); break;
        case 'j': jobs = strtoull(optarg, NULL, 10); break;
        case 'R': opt.recover = true; break;
        case 'v': opt.verbose = true; break;
        case 'h': return usage(0);
        default: return usage(2);
        }
    }
    if (optind != argc || jobs == 0 || jobs > JOBS_MAX || opt.nodes > NODES_MAX || opt.steps == 0 || (opt.byzantine > 0 && opt.nodes != 0 && opt.nodes <= 3 * opt.byzantine))
        return usage(2);
    if (artifact_load(&artifact, share, &err) != OK) {
        fprintf(stderr, "poa-sim: %s\n", err_text(&err));
        return 2;
    }
    opt.artifact = &artifact;
    /* millions of small blocks that live shortly: memory is not given back in between */
    IGNORE(mallopt(M_MMAP_THRESHOLD, 64 << 20) + mallopt(M_TRIM_THRESHOLD, 512 << 20) + mallopt(M_MXFAST, 0), "only speed");
    const uint64_t began = clock_mono_ms();
    const int code = file != NULL ? read_kept(&plan, &opt, file) : 0;
    for (uint64_t i = 0; i < n && (file == NULL || has_n); i++) {
        opt.seed = first + i;
        add(&plan, &opt);
    }
    run_all(&total, &plan, opt.verbose ? 1 : (size_t)jobs);
    report(&total.stats, total.passed, total.failed, clock_mono_ms() - began);
    free(plan.list);
    artifact_fini(&artifact);
    if (plan.keep != NULL) fclose(plan.keep);
    return code != 0 ? code : total.failed == 0 ? 0 : 1;
}
