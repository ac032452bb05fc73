/* poa-sim: runs the simulation over many seeds, or one again. */
#include <getopt.h>

#include "lib/base/clock.h"
#include "tests/sim/sim.h"

enum { STEPS = 2000, SEEDS = 100 };
/* who loses its disk forgets what it signed, and so may break any promise: that is no crash, and has to be asked for */
#define FAULTS (UINT32_MAX & ~(1U << FAULT_DISK_LOST))

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
    printf("blocks finalised %llu, set changes applied %llu, time %.1f s\n", (unsigned long long)st->finals, (unsigned long long)st->transitions,
           (double)ms / 1000);
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

struct run {
    struct sim_options opt;
    struct sim_stats stats;
    uint64_t passed, failed;
    FILE *keep;
};

static void run_one(struct run *r)
{
    char why[600];
    uint64_t digest;
    if (sim_run(&r->opt, &r->stats, why, &digest)) {
        r->passed++;
        if (r->opt.verbose) printf("digest %016llx\n", (unsigned long long)digest);
        return;
    }
    r->failed++;
    const struct sim_options *o = &r->opt;
    printf("FAILED --seed %llu --steps %llu --nodes %zu --byzantine %zu --faults 0x%x: %s\n", (unsigned long long)o->seed, (unsigned long long)o->steps,
           o->nodes, o->byzantine, o->faults, why);
    fflush(stdout);
    if (r->keep != NULL)
        fprintf(r->keep, "%llu %llu %zu %zu 0x%x # %s\n", (unsigned long long)o->seed, (unsigned long long)o->steps, o->nodes, o->byzantine, o->faults, why);
}

/* lines "seed steps nodes byzantine faults # why it is kept" */
static int replay(struct run *r, const char *path)
{
    FILE *f = fopen(path, "r");
    if (f == NULL) {
        fprintf(stderr, "poa-sim: cannot read %s\n", path);
        return 2;
    }
    const struct sim_options given = r->opt;
    char line[800];
    while (fgets(line, sizeof line, f) != NULL) {
        char *at = line;
        if (*line == '#' || *line == '\n') continue;
        r->opt.seed = strtoull(at, &at, 10);
        r->opt.steps = strtoull(at, &at, 10);
        r->opt.nodes = (size_t)strtoull(at, &at, 10);
        r->opt.byzantine = (size_t)strtoull(at, &at, 10);
        r->opt.faults = (uint32_t)strtoull(at, &at, 0);
        run_one(r);
    }
    fclose(f);
    r->opt = given;
    return 0;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"seed", 1, NULL, 's'},  {"seeds", 1, NULL, 'k'}, {"first", 1, NULL, 'f'},  {"steps", 1, NULL, 'n'},
                                            {"nodes", 1, NULL, 'm'}, {"byzantine", 1, NULL, 'b'}, {"share", 1, NULL, 'd'}, {"keep", 1, NULL, 'K'},
                                            {"replay", 1, NULL, 'r'}, {"faults", 1, NULL, 'F'}, {"help", 0, NULL, 'h'},  {0}};
    struct run r = {.opt = {.steps = STEPS, .faults = FAULTS}};
    const char *share = ".", *file = NULL;
    uint64_t first = 1, n = SEEDS;
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
        case 'n': r.opt.steps = strtoull(optarg, NULL, 10); break;
        case 'm': r.opt.nodes = (size_t)strtoull(optarg, NULL, 10); break;
        case 'b': r.opt.byzantine = (size_t)strtoull(optarg, NULL, 10); break;
        case 'd': share = optarg; break;
        case 'r': file = optarg; break;
        case 'K':
            r.keep = fopen(optarg, "a");
            if (r.keep == NULL) return usage(2);
            break;
        case 'F': r.opt.faults = (uint32_t)strtoull(optarg, NULL, 0); break;
        case 'v': r.opt.verbose = true; break;
        case 'h': return usage(0);
        default: return usage(2);
        }
    }
    if (optind != argc || r.opt.nodes > NODES_MAX || r.opt.steps == 0 || (r.opt.byzantine > 0 && r.opt.nodes != 0 && r.opt.nodes <= 3 * r.opt.byzantine))
        return usage(2);
    if (artifact_load(&artifact, share, &err) != OK) {
        fprintf(stderr, "poa-sim: %s\n", err_text(&err));
        return 2;
    }
    r.opt.artifact = &artifact;
    const uint64_t began = clock_mono_ms();
    int code = 0;
    if (file != NULL) code = replay(&r, file);
    if (file == NULL || has_n) {
        for (uint64_t i = 0; i < n; i++) {
            r.opt.seed = first + i;
            run_one(&r);
        }
    }
    report(&r.stats, r.passed, r.failed, clock_mono_ms() - began);
    artifact_fini(&artifact);
    if (r.keep != NULL) fclose(r.keep);
    return code != 0 ? code : r.failed == 0 ? 0 : 1;
}
