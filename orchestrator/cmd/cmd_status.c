/* cmd_status.c: status: members, validators, instances, chain; once, or as a live screen. */
#include "lib/base/clock.h"
#include "orchestrator/cmd/cmd.h"
#include "orchestrator/cmd/live.h"
#include "orchestrator/cmd/status_remote.h"
#include "orchestrator/diagnose/diagnose.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

enum { REFRESH_MS = 1000, SCREEN_MAX = 1 << 20, HEALTHY_AGE_S = 60, PER_DAY_FROM = 1000, NARROW = 110, SLIM = 80, CTRL_C = 3 };

typedef unsigned long long ull;

/* --------------------------------------------------------------- document */

static json_t *num(uint64_t v)
{
    return json_integer((json_int_t)v);
}

static json_t *instance_json(const struct diag_node *n, const struct diag_facts *f)
{
    json_t *row = json_pack("{s:s, s:s, s:s, s:b, s:I, s:I}", "name", n->program.name, "address", n->address, "region", n->region, "running",
                            n->program.pid != 0, "starts", (json_int_t)n->program.starts, "diskBytes", (json_int_t)n->disk_bytes);
    if (n->answers) {
        json_object_set_new(row, "block", num(n->block));
        json_object_set_new(row, "syncing", json_boolean(n->is_syncing));
        json_object_set_new(row, "sealing", json_boolean(n->is_sealing));
    } else if (n->rpc_error[0] != '\0') {
        json_object_set_new(row, "error", json_string(n->rpc_error));
    } else if (n->waits_identity) {
        json_object_set_new(row, "error", json_string("it waits for an identity"));
    }
    if (n->version[0] != '\0') json_object_set_new(row, "version", json_string(n->version));
    if (n->has_peers) json_object_set_new(row, "peers", num(n->peers));
    if (n->has_author) json_object_set_new(row, "validator", json_string(n->author));
    if (n->has_clock) json_object_set_new(row, "clockSkewMs", json_integer((json_int_t)n->skew_ms));
    if (n->has_lease) json_object_set_new(row, "leaseMs", num(n->lease_ms));
    /* at the rate since block 0 */
    if (n->answers && n->block >= PER_DAY_FROM && f->step_ms > 0)
        json_object_set_new(row, "diskBytesPerDay", num(n->disk_bytes / (n->block * f->step_ms / 1000) * 86400));
    return row;
}

static void put_chain(json_t *doc, const struct diag_facts *f)
{
    json_t *set = json_array(), *sealers = json_array();
    const struct diag_node *best = &f->nodes[f->best];
    uint64_t now = f->now_ms / 1000;
    json_object_set_new(doc, "height", num(best->block));
    json_object_set_new(doc, "headAgeSeconds", num(now > best->head_timestamp ? now - best->head_timestamp : 0));
    if (f->has_chain) {
        json_object_set_new(doc, "finalised", num(best->finalised));
        json_object_set_new(doc, "step", num(f->step));
        json_object_set_new(doc, "pendingChangeSince", f->has_pending ? num(f->pending_block) : json_null());
        json_object_set_new(doc, "signersNeeded", num(f->signers_needed));
        json_object_set_new(doc, "headersLookedAt", num(f->n_headers));
    }
    for (size_t i = 0; i < f->n_validators; i++) {
        const struct diag_validator *v = &f->validators[i];
        json_array_append_new(set, json_string(v->address));
        json_t *s = json_pack("{s:s, s:s, s:b, s:I}", "address", v->address, "instance", v->instance, "online", (int)v->is_online, "missedSteps",
                              (json_int_t)v->missed);
        json_object_set_new(s, "lastSealedStep", v->last_step == 0 ? json_null() : num(v->last_step));
        json_object_set_new(s, "lastSealedBlock", v->last_step == 0 ? json_null() : num(v->last_block));
        json_array_append_new(sealers, s);
    }
    json_object_set_new(doc, "validators", set);
    json_object_set_new(doc, "sealers", sealers);
}

static json_t *status_json(bool *healthy, const struct diag_facts *f, const char *rpc)
{
    bool well = f->keeper_pid != 0 && f->programs[1].pid != 0, any = false;
    json_t *rows = json_array();
    json_t *doc = json_pack("{s:b, s:s, s:s, s:O}", "keeper", f->keeper_pid != 0, "rpc", rpc == NULL ? "" : rpc, "genesisHash", f->genesis, "instances", rows);
    for (size_t i = 0; i < f->n_nodes; i++) {
        json_array_append_new(rows, instance_json(&f->nodes[i], f));
        if (!f->nodes[i].answers) well = false;
        else any = true;
    }
    json_decref(rows);
    if (any) {
        put_chain(doc, f);
        if (json_integer_value(json_object_get(doc, "headAgeSeconds")) >= HEALTHY_AGE_S || json_integer_value(json_object_get(doc, "height")) == 0) well = false;
    } else {
        json_object_set_new(doc, "error", json_string("no node answers"));
        well = false;
    }
    json_object_set_new(doc, "healthy", json_boolean(well));
    *healthy = well;
    return doc;
}

/* ------------------------------------------------------------------- text */

static const char *text_of(const json_t *o, const char *key)
{
    const char *t = json_string_value(json_object_get(o, key));
    return t == NULL ? "-" : t;
}

/* 0x1234...cdef where there is little room */
static const char *brief(char dst[static 48], const char *who, bool narrow)
{
    if (narrow && strlen(who) == 42) (void)snprintf(dst, 48, "%.8s..%s", who, who + 38);
    else (void)snprintf(dst, 48, "%.47s", who);
    return dst;
}

static const char *tail_of(const char *name, bool narrow)
{
    size_t n = strlen(name);
    return narrow && n > 14 ? name + n - 14 : name;
}

static void put_number(struct buf *b, int width, const json_t *v)
{
    if (json_is_integer(v)) buf_printf(b, " %*lld", width, (long long)json_integer_value(v));
    else buf_printf(b, " %*s", width, "-");
}

/* what a node does, in one word */
static const char *state_of(const json_t *row)
{
    if (!json_is_true(json_object_get(row, "running"))) return "stopped";
    if (!json_is_integer(json_object_get(row, "block"))) return "starting";
    return json_is_true(json_object_get(row, "syncing")) ? "syncing" : "up";
}

/* 40 columns: a telephone at night */
static void put_slim(struct buf *b, const json_t *doc)
{
    size_t i;
    const json_t *row;
    buf_printf(b, "%-14s %-8s %8s %5s\n", "INSTANCE", "STATE", "BLOCK", "PEERS");
    json_array_foreach(json_object_get(doc, "instances"), i, row)
    {
        buf_printf(b, "%-14s %-8s", tail_of(text_of(row, "name"), true), state_of(row));
        put_number(b, 8, json_object_get(row, "block"));
        put_number(b, 5, json_object_get(row, "peers"));
        buf_put_str(b, "\n");
    }
    const long long step = json_integer_value(json_object_get(doc, "step"));
    const json_t *list = json_object_get(doc, "sealers");
    if (json_array_size(list) > 0) buf_printf(b, "\n%-14s %10s %7s %s\n", "VALIDATOR", "STEPS AGO", "MISSED", "ON");
    json_array_foreach(list, i, row)
    {
        char who[48];
        const json_t *last = json_object_get(row, "lastSealedStep");
        const char *held = text_of(row, "instance"), *end = strlen(held) > 6 ? held + strlen(held) - 6 : held;
        buf_printf(b, "%-14s", brief(who, text_of(row, "address"), true));
        if (json_is_integer(last)) buf_printf(b, " %10lld", step - (long long)json_integer_value(last));
        else buf_printf(b, " %10s", "-");
        put_number(b, 7, json_object_get(row, "missedSteps"));
        buf_printf(b, " %s\n", *held == '\0' ? "-" : end);
    }
}

static void put_instances(struct buf *b, const json_t *doc, bool narrow)
{
    size_t i;
    const json_t *row;
    int w = narrow ? 14 : 28;
    buf_printf(b, "%-*s %-14s %-8s %8s %6s %7s %7s %9s %8s  %s\n", w, "INSTANCE", "ADDRESS", "STATE", "BLOCK", "PEERS", "SKEW ms", "LEASE s", "DISK KiB", "KiB/DAY", "VALIDATOR");
    json_array_foreach(json_object_get(doc, "instances"), i, row)
    {
        char who[48];
        const json_t *block = json_object_get(row, "block"), *lease = json_object_get(row, "leaseMs");
        buf_printf(b, "%-*s %-14s %-8s", w, tail_of(text_of(row, "name"), narrow), text_of(row, "address"), state_of(row));
        put_number(b, 8, block);
        put_number(b, 6, json_object_get(row, "peers"));
        put_number(b, 7, json_object_get(row, "clockSkewMs"));
        if (json_is_integer(lease)) buf_printf(b, " %7lld", (long long)json_integer_value(lease) / 1000);
        else buf_printf(b, " %7s", "-");
        const json_t *day = json_object_get(row, "diskBytesPerDay");
        buf_printf(b, " %9lld", (long long)json_integer_value(json_object_get(row, "diskBytes")) / 1024);
        if (json_is_integer(day)) buf_printf(b, " %8lld", (long long)json_integer_value(day) / 1024);
        else buf_printf(b, " %8s", "-");
        buf_printf(b, "  %s\n", brief(who, text_of(row, "validator"), narrow));
    }
}

static void put_sealers(struct buf *b, const json_t *doc, bool narrow)
{
    size_t i;
    const json_t *v;
    long long step = json_integer_value(json_object_get(doc, "step"));
    const json_t *list = json_object_get(doc, "sealers");
    if (json_array_size(list) == 0) return;
    buf_printf(b, "\n%-*s %12s %10s %10s %7s  %s\n", narrow ? 14 : 42, "VALIDATOR", "LAST STEP", "STEPS AGO", "LAST BLOCK", "MISSED", "HELD BY");
    json_array_foreach(list, i, v)
    {
        char who[48];
        const json_t *last = json_object_get(v, "lastSealedStep");
        buf_printf(b, "%-*s", narrow ? 14 : 42, brief(who, text_of(v, "address"), narrow));
        put_number(b, 12, last);
        if (json_is_integer(last)) buf_printf(b, " %10lld", step - (long long)json_integer_value(last));
        else buf_printf(b, " %10s", "-");
        put_number(b, 10, json_object_get(v, "lastSealedBlock"));
        put_number(b, 7, json_object_get(v, "missedSteps"));
        const char *held = text_of(v, "instance");
        buf_printf(b, "  %s\n", *held == '\0' ? "another member" : tail_of(held, narrow));
    }
    buf_printf(b, "(missed: of the last %lld blocks)\n", (long long)json_integer_value(json_object_get(doc, "headersLookedAt")));
}

/* one line where all agree, else one a node */
static void put_version(struct buf *b, const json_t *doc)
{
    size_t i;
    const json_t *row;
    const char *one = NULL;
    bool mixed = false;
    json_array_foreach(json_object_get(doc, "instances"), i, row)
    {
        const char *v = json_string_value(json_object_get(row, "version"));
        if (v == NULL) continue;
        mixed = mixed || (one != NULL && strcmp(one, v) != 0);
        one = v;
    }
    if (one != NULL && !mixed) buf_printf(b, "version    %s\n", one);
    json_array_foreach(json_object_get(doc, "instances"), i, row) if (mixed) buf_printf(b, "version    %s on %s\n", text_of(row, "version"), text_of(row, "name"));
}

static void put_status(struct buf *b, const json_t *doc, const char *dir, unsigned columns)
{
    const bool narrow = columns < NARROW;

    if (json_object_get(doc, "target") != NULL) {
        status_remote_put(b, doc);
        return;
    }
    const json_t *h = json_object_get(doc, "height"), *final = json_object_get(doc, "finalised"), *pending = json_object_get(doc, "pendingChangeSince");
    buf_printf(b, "keeper     %s\n", json_is_true(json_object_get(doc, "keeper")) ? "running" : "stopped");
    if (json_is_integer(h))
        buf_printf(b, "height     %lld, %lld s ago\n", (long long)json_integer_value(h), (long long)json_integer_value(json_object_get(doc, "headAgeSeconds")));
    else buf_printf(b, "height     unknown: no node answers\n");
    if (json_is_integer(final))
        buf_printf(b, "final      %lld, step %lld\n", (long long)json_integer_value(final), (long long)json_integer_value(json_object_get(doc, "step")));
    if (json_is_integer(pending)) buf_printf(b, "change     of the validators, signalled in block %lld, waits for finality\n", (long long)json_integer_value(pending));
    buf_printf(b, "genesis    %.*s%s\n", columns < SLIM ? 18 : 66, text_of(doc, "genesisHash"), columns < SLIM ? ".." : "");
    put_version(b, doc);
    if (json_object_get(doc, "prometheus") != NULL) buf_printf(b, "metrics    %s\n", text_of(doc, "prometheus"));
    buf_put_str(b, "\n");
    if (columns < SLIM) {
        put_slim(b, doc);
    } else {
        put_instances(b, doc, narrow);
        put_sealers(b, doc, narrow);
    }
    if (!json_is_true(json_object_get(doc, "healthy"))) buf_printf(b, "\nunhealthy: `poa-deploy doctor %s` tells why\n", dir);
}

/* ------------------------------------------------------------------- watch */

/* one look; ret a new document, NULL after cli_fail */
static json_t *look(struct cli *c, bool *healthy, enum exit_code *code)
{
    static struct deployment d; /* large */
    struct err err = {0};
    struct diag_facts *f = NULL;
    json_t *doc = NULL, *outputs = NULL;
    const struct diag_options o = {.quick = true};
    if (status_is_remote(c)) return status_remote(c, healthy, code);
    const struct target_env env = live_env(c);
    enum status s = deployment_read_env(&d, c->dir, &env, &c->settings, &err);
    if (s != OK) {
        *code = cli_fail(c, &err);
        return NULL;
    }
    if (!d.is_started) {
        deployment_close(&d);
        *code = cli_fail_text(c, EXIT_UNHEALTHY, "this deployment is not finished: run the same `poa-deploy new` or `join` again");
        return NULL;
    }
    s = diagnose_gather(&f, &d, &o, &err);
    if (s == OK) doc = status_json(healthy, f, workspace_fact(&d.ws, "rpc"));
    else *code = cli_fail(c, &err);
    if (workspace_read_json(&outputs, &d.ws, "outputs.json", NULL) == OK && doc != NULL && json_object_get(outputs, "PROMETHEUS_URL") != NULL)
        json_object_set(doc, "prometheus", json_object_get(outputs, "PROMETHEUS_URL"));
    json_decref(outputs);
    free(f);
    deployment_close(&d);
    return doc;
}

static unsigned count_lines(const struct buf *page)
{
    unsigned n = 0;
    for (size_t i = 0; i < page->len; i++)
        n += page->ptr[i] == '\n';
    return n;
}

/* lines cut to the screen's width, at most its height; then the last says how many there are more */
static void draw(const struct buf *page, unsigned columns, unsigned rows)
{
    const char *p = (const char *)page->ptr;
    size_t left = page->len;
    const unsigned all = count_lines(page), shown = all < rows ? all : rows > 2 ? rows - 2 : 1;
    fputs("\x1b[H", stdout);
    for (unsigned y = 0; y < shown && left > 0; y++) {
        const char *nl = memchr(p, '\n', left);
        size_t n = nl == NULL ? left : (size_t)(nl - p);
        printf("%.*s\x1b[K\n", (int)(n < columns ? n : columns), p);
        n += nl != NULL;
        p += n;
        left -= n;
    }
    if (shown < all && rows > 2) {
        char more[60];
        const int n = snprintf(more, sizeof more, "... %u more lines", all - shown);
        printf("%.*s\x1b[K\n", n < (int)columns ? n : (int)columns, more);
    }
    fputs("\x1b[J", stdout);
    fflush(stdout);
}

/* wait for a key or the next turn; true: the watch ends */
static bool ends(int signals, uint64_t until_ms)
{
    for (;;) {
        uint64_t now = clock_mono_ms();
        if (now >= until_ms) return false;
        struct pollfd p[2] = {{.fd = 0, .events = POLLIN}, {.fd = signals, .events = POLLIN}};
        if (poll(p, 2, (int)(until_ms - now)) <= 0) return false;
        if (p[1].revents != 0 || (p[0].revents & (POLLHUP | POLLERR)) != 0) return true;
        char key = 0;
        if (p[0].revents != 0 && (read(0, &key, 1) != 1 || key == 'q' || key == 'Q' || key == CTRL_C)) return true;
    }
}

static enum exit_code watch(struct cli *c)
{
    struct termios old, raw;
    sigset_t mask, was;
    if (c->json || isatty(0) != 1 || isatty(1) != 1 || tcgetattr(0, &old) != 0)
        return cli_fail_text(c, EXIT_USAGE, "--watch draws on a terminal, and this is none: call `poa-deploy status` without it, or with --json");
    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGHUP);
    sigprocmask(SIG_BLOCK, &mask, &was);
    int signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    raw = old;
    raw.c_lflag &= ~(tcflag_t)(ECHO | ICANON | ISIG); /* Ctrl-C comes as a key, so that the screen is given back */
    tcsetattr(0, TCSANOW, &raw);
    fputs("\x1b[?1049h\x1b[?25l", stdout);
    enum exit_code code = EXIT_DONE;
    bool healthy = false;
    for (bool end = false; !end;) {
        uint64_t next = clock_mono_ms() + REFRESH_MS;
        struct winsize size;
        struct buf page;
        unsigned columns = 80, rows = 24;
        if (ioctl(1, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 1) {
            columns = size.ws_col;
            rows = size.ws_row;
        }
        json_t *doc = look(c, &healthy, &code);
        if (doc == NULL) break;
        char now[24];
        clock_format_iso(now, clock_wall_ms() / 1000);
        buf_init(&page, SCREEN_MAX);
        buf_printf(&page, "%s  %s  (q ends)\n\n", c->dir, now);
        put_status(&page, doc, c->dir, columns);
        draw(&page, columns, rows);
        buf_fini(&page);
        json_decref(doc);
        end = ends(signals, next);
        code = healthy ? EXIT_DONE : EXIT_UNHEALTHY;
    }
    fputs("\x1b[?25h\x1b[?1049l", stdout);
    fflush(stdout);
    tcsetattr(0, TCSANOW, &old);
    if (signals >= 0) close(signals);
    sigprocmask(SIG_SETMASK, &was, NULL);
    return code;
}

enum exit_code cmd_status(struct cli *c)
{
    if (cli_flag(c, "--watch") != NULL) return watch(c);
    enum exit_code code = EXIT_FAILED;
    bool healthy = false;
    json_t *doc = look(c, &healthy, &code);
    if (doc == NULL) return code;
    if (c->json) {
        report_json(doc);
    } else {
        struct buf page;
        buf_init(&page, SCREEN_MAX);
        struct winsize size;
        const bool knows_width = isatty(1) == 1 && ioctl(1, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
        put_status(&page, doc, c->dir, knows_width ? size.ws_col : NARROW);
        fputs(buf_cstr(&page), stdout);
        buf_fini(&page);
    }
    json_decref(doc);
    return healthy ? EXIT_DONE : EXIT_UNHEALTHY;
}
