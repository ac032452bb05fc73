/* cmd_logs.c: logs: what all programs of a deployment wrote, as one stream in the order of time. */
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/utf8.h"
#include "orchestrator/cmd/cmd.h"
#include "orchestrator/cmd/live.h"
#include "orchestrator/diagnose/deployment.h"
#include "orchestrator/diagnose/log_line.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { SOURCES_MAX = (2 * LOCAL_INSTANCES_MAX + 8) * (1 + LOG_KEEP), CHUNK = 16 << 10, LINE_MAX_BYTES = 1 << 20, FOLLOW_MS = 200, SEEK_STOP = 64 << 10 };

/* source: one file; its lines come one after the other, with the time of the last line that had one */
struct source {
    char path[4096];
    char name[80];
    int fd;
    gzFile packed; /* of a full log that somebody compressed; NULL: as it is */
    dev_t dev;
    ino_t ino;
    off_t at; /* read so far */
    uint8_t *data;
    size_t len, pos, cap;
    uint64_t ms; /* of the line that is next */
    size_t line_len;
    struct log_line line;
    bool has_line;
    bool is_past; /* a full one that was moved away: nothing comes any more */
};

struct logs {
    struct cli *cli;
    struct source *sources;
    size_t n, width;
    uint64_t since_ms;
    enum log_level level;
    bool color, follows;
    regex_t *grep; /* NULL: all lines */
    size_t n_json; /* elements of the array that --json without --follow writes */
    struct buf text; /* of the line that is printed */
};

/* ----------------------------------------------------------------- sources */

static bool is_wanted(const char *name, const char *wanted)
{
    size_t n = strlen(name), k = wanted == NULL ? 0 : strlen(wanted);
    /* also by the end of a name: "000001" */
    return wanted == NULL || strcmp(name, wanted) == 0 || (k >= 3 && n > k && strcmp(name + n - k, wanted) == 0);
}

static void add_file(struct logs *l, const char *name, const char *path, unsigned age)
{
    if (l->n == SOURCES_MAX) return;
    struct source *s = &l->sources[l->n];
    *s = (struct source){.fd = -1, .is_past = age > 0};
    if (age == 0) (void)snprintf(s->path, sizeof s->path, "%s", path);
    else if (snprintf(s->path, sizeof s->path, "%s.%u", path, age) >= (int)sizeof s->path - 3) return;
    if (age > 0 && access(s->path, F_OK) != 0) {
        (void)snprintf(s->path, sizeof s->path, "%s.%u.gz", path, age);
        if (access(s->path, F_OK) != 0) return;
    }
    l->n++;
    (void)snprintf(s->name, sizeof s->name, "%.79s", name);
    if (strlen(s->name) > l->width) l->width = strlen(s->name);
}

/* a log and the full ones before it (lib/base/log.h), the oldest first */
static void add_source(struct logs *l, const char *name, const char *path)
{
    for (unsigned age = LOG_KEEP; age > 0; age--)
        add_file(l, name, path, age);
    add_file(l, name, path, 0);
}

static void add_sources(struct logs *l, const struct deployment *d, const char *wanted)
{
    static const char *const others[] = {"keeper", "identity-store", "haproxy"};
    char path[4096];
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        if (!is_wanted(others[i], wanted)) continue;
        deployment_output(path, d, others[i]);
        add_source(l, others[i], path);
    }
    size_t k;
    const json_t *p;
    json_array_foreach(d->programs, k, p)
    {
        const char *name = json_string_value(json_object_get(p, "name"));
        bool is_monitor = name != NULL && (strcmp(name, LOCAL_PROMETHEUS) == 0 || strncmp(name, LOCAL_AGENT_PREFIX, strlen(LOCAL_AGENT_PREFIX)) == 0);
        if (!is_monitor || !is_wanted(name, wanted)) continue;
        deployment_output(path, d, name);
        add_source(l, name, path);
    }
    for (size_t i = 0; i < d->target.n_instances; i++) {
        const char *name = d->target.instances[i].name;
        if (!is_wanted(name, wanted)) continue;
        deployment_output(path, d, name);
        add_source(l, name, path);
        deployment_log(path, d, name);
        add_source(l, name, path);
    }
}

/* files that the target brought: <name>.log, <name>.out.log */
static void add_brought(struct logs *l, const char *dir)
{
    struct dirent **list = NULL;
    int n = scandir(dir, &list, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char path[4096], name[256];
        (void)snprintf(name, sizeof name, "%.255s", list[i]->d_name);
        (void)snprintf(path, sizeof path, "%.3800s/%.255s", dir, list[i]->d_name);
        char *end = strstr(name, ".out.log");
        if (end == NULL) end = strstr(name, ".log");
        if (end != NULL) {
            *end = '\0';
            add_file(l, name, path, 0);
        }
        free(list[i]);
    }
    free(list);
}

/* logs of a target elsewhere come into a folder of this process, which it takes away at its end; one that was left by a killed process, too */
static enum status bring_logs(struct logs *l, char dir[static 4096], struct deployment *d, const char *wanted, bool follow, struct err *err)
{
    char all[4000];
    if (d->target.ops->logs == NULL) return live_unsupported(&d->target, "logs", err);
    (void)snprintf(all, sizeof all, "%.2900s/local/brought", d->ws.dir);
    struct dirent **list = NULL;
    int n = scandir(all, &list, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        long pid = strtol(list[i]->d_name, NULL, 10);
        (void)snprintf(dir, 4096, "%.3600s/%.255s", all, list[i]->d_name);
        if (pid > 0 && kill((pid_t)pid, 0) != 0) IGNORE(file_remove_tree(dir, NULL) != OK, "a copy only");
        free(list[i]);
    }
    free(list);
    (void)snprintf(dir, 4096, "%s/%ld", all, (long)getpid());
    enum status s = d->target.ops->logs(&d->target, dir, wanted, l->since_ms, follow, err);
    if (s == OK) add_brought(l, dir);
    return s;
}

static bool open_source(struct source *s)
{
    struct stat st;
    s->fd = open(s->path, O_RDONLY | O_CLOEXEC);
    if (s->fd < 0 || fstat(s->fd, &st) != 0) return false;
    s->dev = st.st_dev;
    s->ino = st.st_ino;
    s->at = 0;
    s->len = s->pos = 0;
    const size_t n = strlen(s->path);
    if (s->is_past && n > 3 && strcmp(s->path + n - 3, ".gz") == 0 && (s->packed = gzdopen(s->fd, "rb")) == NULL) {
        close(s->fd);
        s->fd = -1;
    }
    return s->fd >= 0;
}

static void close_source(struct source *s)
{
    if (s->packed != NULL) gzclose(s->packed); /* and its fd */
    else if (s->fd >= 0) close(s->fd);
    s->packed = NULL;
    s->fd = -1;
}

/* time of the first line with one at or behind an offset; 0: none in the next piece */
static uint64_t time_at(const struct source *s, off_t offset)
{
    static const size_t piece = SEEK_STOP;
    uint8_t *text = malloc(piece);
    uint64_t ms = 0;
    ssize_t n = text == NULL ? 0 : pread(s->fd, text, piece, offset);
    size_t i = 0, len = n > 0 ? (size_t)n : 0;
    while (ms == 0 && i < len) {
        const uint8_t *nl = memchr(text + i, '\n', len - i);
        if (nl == NULL) break;
        i = (size_t)(nl - text) + 1;
        const uint8_t *end = i < len ? memchr(text + i, '\n', len - i) : NULL;
        if (end == NULL) break;
        struct log_line line;
        log_line_get(&line, bytes_make(text + i, (size_t)(end - text) - i));
        ms = line.ms;
    }
    free(text);
    return ms;
}

/* a log is in order of time: go by halves to where `since` begins, a piece too early at most */
static void seek_since(struct source *s, uint64_t since_ms)
{
    struct stat st;
    if (since_ms == 0 || s->packed != NULL || fstat(s->fd, &st) != 0) return;
    off_t lo = 0, hi = st.st_size;
    while (hi - lo > SEEK_STOP) {
        off_t mid = lo + (hi - lo) / 2;
        uint64_t ms = time_at(s, mid);
        if (ms == 0 || ms >= since_ms) hi = mid;
        else lo = mid;
    }
    s->at = lo;
    if (lo == 0) return;
    /* begin with a whole line */
    uint8_t c;
    while (pread(s->fd, &c, 1, s->at) == 1 && c != '\n')
        s->at++;
    s->at++;
}

static bool fill(struct source *s)
{
    if (s->pos > 0) {
        memmove(s->data, s->data + s->pos, s->len - s->pos);
        s->len -= s->pos;
        s->pos = 0;
    }
    if (s->cap - s->len < CHUNK) {
        if (s->cap >= LINE_MAX_BYTES) return false;
        size_t cap = s->cap == 0 ? 2 * CHUNK : s->cap * 2;
        uint8_t *grown = realloc(s->data, cap);
        if (grown == NULL) return false;
        s->data = grown;
        s->cap = cap;
    }
    ssize_t n = s->packed != NULL ? gzread(s->packed, s->data + s->len, CHUNK) : pread(s->fd, s->data + s->len, CHUNK, s->at);
    if (n <= 0) return false;
    s->len += (size_t)n;
    s->at += n;
    return true;
}

/* make the next line ready; one without an end only where nothing more is waited for: what a killed program said last */
static void peek(struct source *s, bool follows)
{
    if (s->has_line || s->fd < 0) return;
    const uint8_t *nl;
    while ((nl = s->len > s->pos ? memchr(s->data + s->pos, '\n', s->len - s->pos) : NULL) == NULL) {
        if (fill(s)) continue;
        if (s->len == s->pos || (follows && s->len - s->pos < LINE_MAX_BYTES)) return;
        break; /* a longer one is given in pieces */
    }
    s->line_len = nl == NULL ? s->len - s->pos : (size_t)(nl - s->data) - s->pos + 1;
    log_line_get(&s->line, bytes_make(s->data + s->pos, s->line_len - (nl != NULL)));
    if (s->line.ms != 0) s->ms = s->line.ms;
    s->has_line = true;
}

static void take(struct source *s)
{
    s->pos += s->line_len;
    s->has_line = false;
}

/* the file was cut, or another one stands in its place */
static bool is_replaced(const struct source *s)
{
    struct stat st;
    if (s->is_past || stat(s->path, &st) != 0) return false;
    return s->fd < 0 || st.st_ino != s->ino || st.st_dev != s->dev || st.st_size < s->at;
}

static void reopen(struct source *s)
{
    close_source(s);
    IGNORE(!open_source(s), "it may come yet");
}

/* ------------------------------------------------------------------ output */

static const char *level_name(enum log_level v)
{
    static const char *const names[] = {"ERROR", "WARN", "INFO", "DEBUG", "TRACE"};
    return names[v];
}

static void put_time(char dst[static 32], uint64_t ms)
{
    clock_format_iso(dst, ms / 1000);
    (void)snprintf(dst + 19, 13, ".%03uZ", (unsigned)(ms % 1000));
}

/* the text is made visible: what peers and other programs sent must not command a terminal */
static void print_line(struct logs *l, const struct source *s)
{
    char time[32] = "-";
    if (s->ms != 0) put_time(time, s->ms);
    const struct log_line *x = &s->line;
    buf_clear(&l->text);
    utf8_put_visible(&l->text, x->target);
    const size_t n = l->text.len;
    buf_put_u8(&l->text, ' ');
    utf8_put_visible(&l->text, x->text);
    const char *whole = buf_cstr(&l->text), *text = whole + n + 1;
    if (l->grep != NULL && regexec(l->grep, n == 0 ? text : whole, 0, NULL, 0) != 0) return;
    if (l->cli->json) {
        json_t *o = json_pack("{s:s, s:s, s:s, s:s%, s:s}", "time", time, "instance", s->name, "level", level_name(x->level), "target", whole, n, "text", text);
        if (!l->follows) fputs(l->n_json++ == 0 ? "[\n  " : ",\n  ", stdout);
        IGNORE(json_dumpf(o, stdout, l->follows ? JSON_COMPACT : 0) != 0, "nobody reads");
        if (l->follows) putchar('\n');
        json_decref(o);
        return;
    }
    const char *on = !l->color ? "" : x->level == LOG_LEVEL_ERROR ? "\x1b[31m" : x->level == LOG_LEVEL_WARN ? "\x1b[33m" : "";
    printf("%s %-*s %s%-5s %-8.*s %s%s\n", time, (int)l->width, s->name, on, level_name(x->level), (int)n, whole, text, *on == '\0' ? "" : "\x1b[0m");
}

/* all whole lines that are there, the oldest first */
static void drain(struct logs *l)
{
    for (;;) {
        struct source *first = NULL;
        for (size_t i = 0; i < l->n; i++) {
            struct source *s = &l->sources[i];
            peek(s, l->follows && !s->is_past);
            if (s->has_line && (first == NULL || s->ms < first->ms)) first = s;
        }
        if (first == NULL || ferror(stdout)) return; /* nobody reads on */
        if (first->ms >= l->since_ms && first->line.level <= l->level) print_line(l, first);
        take(first);
    }
}

static void follow(struct logs *l)
{
    for (;;) {
        bool turned = false;
        for (size_t i = 0; i < l->n; i++)
            turned = is_replaced(&l->sources[i]) || turned;
        drain(l); /* after that look: of a file that was moved away the end, too */
        for (size_t i = 0; turned && i < l->n; i++)
            if (is_replaced(&l->sources[i])) reopen(&l->sources[i]);
        if (fflush(stdout) != 0) return; /* nobody reads on */
        clock_sleep_ms(FOLLOW_MS);
    }
}

static enum exit_code show(struct logs *l, const char *wanted)
{
    struct err err = {0};
    struct cli *c = l->cli;
    static struct deployment d; /* large */
    const struct target_env env = live_env(c);
    enum status s = deployment_read_env(&d, c->dir, &env, &c->settings, &err);
    if (s != OK) return cli_fail(c, &err);
    l->sources = calloc(SOURCES_MAX, sizeof *l->sources);
    if (l->sources == NULL) {
        deployment_close(&d);
        return cli_fail_text(c, EXIT_FAILED, "out of memory");
    }
    char brought[4096] = "";
    if (deployment_is_local(&d)) add_sources(l, &d, wanted);
    else if (!d.is_started) s = err_set(&err, E_NOT_FOUND, "this deployment is not finished: nothing has run yet");
    else s = bring_logs(l, brought, &d, wanted, l->follows, &err);
    if (s != OK) {
        free(l->sources);
        deployment_close(&d);
        return cli_fail(c, &err);
    }
    if (l->n == 0) {
        struct buf names;
        buf_init(&names, 1 << 16);
        for (size_t i = 0; i < d.target.n_instances; i++)
            buf_printf(&names, ", %s", d.target.instances[i].name);
        enum exit_code code = cli_fail_text(c, EXIT_USAGE, "--instance: there is no '%s'; there are keeper, identity-store, haproxy%s", wanted, buf_cstr(&names));
        buf_fini(&names);
        free(l->sources);
        deployment_close(&d);
        return code;
    }
    for (size_t i = 0; i < l->n; i++)
        if (open_source(&l->sources[i])) seek_since(&l->sources[i], l->since_ms);
    drain(l);
    if (l->follows) follow(l);
    else if (c->json) puts(l->n_json == 0 ? "[]" : "\n]");
    for (size_t i = 0; i < l->n; i++) {
        close_source(&l->sources[i]);
        free(l->sources[i].data);
    }
    free(l->sources);
    if (brought[0] != '\0') IGNORE(file_remove_tree(brought, NULL) != OK, "a copy only");
    deployment_close(&d);
    return EXIT_DONE;
}

enum exit_code cmd_logs(struct cli *c)
{
    const char *since = cli_flag(c, "--since"), *level = cli_flag(c, "--level"), *wanted = cli_flag(c, "--instance"), *grep = cli_flag(c, "--grep");
    regex_t pattern;
    struct logs l = {.cli = c, .level = LOG_LEVEL_TRACE, .color = !c->json && report_has_color(1), .follows = cli_flag(c, "--follow") != NULL};
    if (since != NULL && !log_since_parse(&l.since_ms, since, clock_wall_ms()))
        return cli_fail_text(c, EXIT_USAGE, "--since: '%s' is neither a time like 10m, 2h, 3d nor one like 2026-11-23T09:32:52Z", since);
    if (level != NULL && !log_level_parse(&l.level, level)) return cli_fail_text(c, EXIT_USAGE, "--level: '%s' is none of error, warn, info, debug, trace", level);
    if (grep != NULL) {
        char why[200];
        const int failed = regcomp(&pattern, grep, REG_EXTENDED | REG_NOSUB);
        if (failed != 0) {
            (void)regerror(failed, &pattern, why, sizeof why);
            return cli_fail_text(c, EXIT_USAGE, "--grep: '%s' is no extended regular expression: %s", grep, why);
        }
        l.grep = &pattern;
    }
    buf_init(&l.text, 5 * LINE_MAX_BYTES); /* a byte takes four at the most */
    const enum exit_code code = show(&l, wanted);
    buf_fini(&l.text);
    if (l.grep != NULL) regfree(l.grep);
    return code;
}
