/* main.c: poa-agent: reads one node and its log, and sends what it saw to Azure Monitor. */
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/secret.h"
#include "lib/base/version.h"
#include "lib/metrics/page.h"
#include "node/agent/collect.h"
#include "node/agent/send.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

static const char help[] = "poa-agent: sends a node's blocks, transactions, log and state to Azure Monitor\n\n"
                           "usage: poa-agent --config FILE [--check-config]\n"
                           "       poa-agent --version | --help\n\n"
                           "The configuration is described in node/agent/config.h; see also templates/monitor/README.md.\n"
                           "It ends on SIGTERM and SIGINT; what is not sent by then is sent by the next run.\n";

/* false: told to stop */
static bool wait_ms(const sigset_t *signals, uint64_t ms)
{
    const struct timespec t = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    for (;;) {
        int n = sigtimedwait(signals, NULL, &t);
        if (n == SIGTERM || n == SIGINT) return false;
        if (n < 0 && errno == EINTR) continue;
        return true;
    }
}

static enum status work(struct collector *c, struct sender *s, const struct agent_config *cfg, const sigset_t *signals)
{
    for (;;) {
        struct err err = {0};
        enum status st = collector_turn(c, clock_mono_ms(), &err);
        sender_wake(s);
        if (st != OK && st != E_AGAIN) log_error("spool", "%s; it is tried again", err_text(&err));
        if (!wait_ms(signals, st == E_AGAIN ? 1 : cfg->poll_ms)) return OK;
    }
}

struct watched {
    struct agent_counts counts;
    struct spool *spool;
};

static void put_metrics(void *ctx, struct exposition *e)
{
    struct watched *w = ctx;
    agent_counts_put(e, &w->counts, w->spool);
}

static enum status run(const struct agent_config *cfg, const sigset_t *signals, struct err *err)
{
    struct spool *spool = NULL;
    struct collector *collector = NULL;
    struct sender *sender = NULL;
    struct metrics_page *page = NULL;
    struct watched w = {.spool = NULL};
    json_t *cursors = NULL;
    enum status s = spool_open(&spool, &cursors, cfg->spool_dir, cfg->spool_max, cfg->spool_min_free, err);
    if (s == OK) s = collector_new(&collector, cfg, spool, &w.counts, cursors, err);
    w.spool = spool;
    const struct metrics_page_config pc = {.program = "poa-agent", .address = cfg->metrics_address, .port = cfg->metrics_port, .ctx = &w, .put = put_metrics};
    if (s == OK && cfg->metrics_address != NULL) s = metrics_page_start(&page, &pc, err);
    if (s == OK) s = sender_start(&sender, cfg, spool, &w.counts, err);
    if (s == OK) {
        log_info("agent", "watching %s for %s, sending to %s, %llu KiB in the spool", cfg->rpc, cfg->name, cfg->endpoint,
                 (unsigned long long)(spool_waiting_bytes(spool) / 1024));
        s = work(collector, sender, cfg, signals);
        log_info("agent", "stopping");
    }
    metrics_page_stop(page);
    sender_stop(sender);
    collector_free(collector);
    spool_close(spool);
    return s;
}

int main(int argc, char **argv)
{
    struct err err = {0};
    struct agent_config cfg;
    const char *config = NULL;
    bool check = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--config") == 0 && i + 1 < argc) config = argv[++i];
        else if (strcmp(argv[i], "--check-config") == 0) check = true;
        else if (strcmp(argv[i], "--version") == 0) return puts("poa-agent " POA_VERSION) < 0;
        else if (strcmp(argv[i], "--help") == 0) return fputs(help, stdout) < 0;
        else {
            fprintf(stderr, "poa-agent: error: unknown option or missing value: '%s'; see `poa-agent --help`\n", argv[i]);
            return 2;
        }
    }
    if (config == NULL) {
        fputs(help, stderr);
        return 2;
    }
    secret_harden_process();
    signal(SIGPIPE, SIG_IGN);
    if (agent_config_read(&cfg, config, &err) != OK) {
        fprintf(stderr, "poa-agent: error: %s\n", err_text(&err));
        return 2;
    }
    if (check) {
        printf("%s: ok\n", config);
        agent_config_fini(&cfg);
        return 0;
    }
    if (cfg.agent_log == NULL) log_open(2, cfg.log_level);
    else if (log_open_file(cfg.agent_log, cfg.log_level, LOG_FILE_BYTES, &err) != OK) {
        fprintf(stderr, "poa-agent: error: log.file: %s\n", err_text(&err));
        agent_config_fini(&cfg);
        return 1;
    }
    /* before any thread, so that all of them leave these signals to wait_ms */
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    enum status s = run(&cfg, &signals, &err);
    if (s != OK) {
        log_error("agent", "%s", err_text(&err));
        if (cfg.agent_log != NULL) fprintf(stderr, "poa-agent: error: %s\n", err_text(&err));
    }
    agent_config_fini(&cfg);
    return s == OK ? 0 : 1;
}
