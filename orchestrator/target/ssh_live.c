/* ssh_live.c: what comes after `new`: up, down, destroy, programs, logs, run, upgrade. */
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "orchestrator/target/ssh_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { RUN_OUTPUT_MAX = 16 << 20, STREAMS_MAX = 2 * TARGET_INSTANCES_MAX + 2 * (TARGET_REGIONS_MAX + 1) };

static const char *id_of(const struct target *t)
{
    const char *id = json_string_value(json_object_get(t->env.record, "id"));
    return id == NULL ? "" : id;
}

/* what a program is called: "identity-store", "haproxy" (with its region if there are several), the instance's name */
static void program_name(char dst[static 100], const struct ssh_target *s, const struct ssh_host *h, const char *unit)
{
    bool many = s->t->balancer[1][0] != '\0';
    if (strcmp(unit, "poa-identity-store") == 0) (void)snprintf(dst, 100, "identity-store");
    else if (strcmp(unit, "poa-haproxy") == 0 && many) (void)snprintf(dst, 100, "haproxy-reg%d", __builtin_ctz(h->balances) + 1);
    else if (strcmp(unit, "poa-haproxy") == 0) (void)snprintf(dst, 100, "haproxy");
    else (void)snprintf(dst, 100, "%s", s->t->instances[h->instance].name);
}

/* ------------------------------------------------------------ up and down */

struct switching {
    atomic_uint moved; /* units that were not so before */
    unsigned roles;    /* whose units are meant */
};

static size_t units_of(const char *dst[static 4], const struct ssh_host *h, unsigned roles)
{
    struct ssh_host some = *h;
    size_t n = 0;
    some.roles &= roles;
    ssh_units(dst, &some);
    while (dst[n] != NULL)
        n++;
    return n;
}

static unsigned count_lines(const struct buf *b, const char *key)
{
    unsigned n = 0;
    size_t k = strlen(key);
    for (size_t i = 0; i + k < b->len; i++)
        if ((i == 0 || b->ptr[i - 1] == '\n') && memcmp(b->ptr + i, key, k) == 0 && b->ptr[i + k] == '=') n++;
    return n;
}

static enum status start_host(struct ssh_target *s, struct ssh_host *h, void *arg, struct err *err)
{
    struct switching *w = arg;
    const char *units[4];
    struct buf b;
    buf_init(&b, 4096);
    size_t n = units_of(units, h, w->roles);
    enum status st = ssh_verb(s, h, &b, BYTES_EMPTY, err, "start", units[0], units[1], units[2], NULL);
    if (st == OK) atomic_fetch_add(&w->moved, (unsigned)n - count_lines(&b, "already"));
    buf_fini(&b);
    return st;
}

static enum status stop_host(struct ssh_target *s, struct ssh_host *h, void *arg, struct err *err)
{
    struct switching *w = arg;
    const char *units[4];
    struct buf b;
    buf_init(&b, 4096);
    IGNORE(units_of(units, h, w->roles) == 0, "there is one at least");
    enum status st = ssh_verb(s, h, &b, BYTES_EMPTY, err, "stop", units[0], units[1], units[2], NULL);
    if (st == OK) atomic_fetch_add(&w->moved, count_lines(&b, "was"));
    buf_fini(&b);
    return st;
}

enum status ssh_up(struct target *t, bool *already, struct err *err)
{
    struct switching w = {.roles = SSH_STORE};
    enum status st = ssh_each(ssh_of(t), SSH_STORE, start_host, &w, err);
    w.roles = SSH_NODE | SSH_BALANCER;
    if (st == OK) st = ssh_each(ssh_of(t), SSH_NODE | SSH_BALANCER, start_host, &w, err);
    *already = atomic_load(&w.moved) == 0;
    return st;
}

enum status ssh_down(struct target *t, bool *already, struct err *err)
{
    struct switching w = {.roles = SSH_NODE | SSH_BALANCER};
    enum status st = ssh_each(ssh_of(t), SSH_NODE | SSH_BALANCER, stop_host, &w, err);
    w.roles = SSH_STORE;
    if (st == OK) st = ssh_each(ssh_of(t), SSH_STORE, stop_host, &w, err);
    *already = atomic_load(&w.moved) == 0;
    return st;
}

/* ---------------------------------------------------------------- destroy */

static enum status remove_all(struct ssh_target *s, struct ssh_host *h, void *arg, struct err *err)
{
    return ssh_verb(s, h, NULL, BYTES_EMPTY, err, "remove", (const char *)arg, NULL);
}

enum status ssh_destroy(struct target *t, json_t *stays, struct err *err)
{
    struct ssh_target *s = ssh_of(t);
    /* no host has heard of it yet */
    if (!json_is_true(json_object_get(t->env.record, "placed"))) return OK;
    enum status st = ssh_each(s, SSH_ALL, remove_all, (void *)(uintptr_t)id_of(t), err);
    if (st == OK) return OK;
    bool others = false;
    for (size_t i = 0; i < s->n; i++) {
        const struct ssh_host *h = &s->hosts[i];
        bool away = h->status == E_NET || h->status == E_TIMEOUT;
        char text[300];
        if (h->status != OK && !away) others = true;
        if (!away || !t->env.force) continue;
        (void)snprintf(text, sizeof text, "%s did not answer: its programs, and a node's leased key in its memory, stay there; run this again when it is back, or reinstall it", h->address);
        json_array_append_new(stays, json_string(text));
    }
    if (!others && t->env.force) return OK;
    return err_prefix(err, others ? "some hosts are as they were" : "the others are cleared; --force goes on without hosts that do not answer");
}

/* --------------------------------------------------------------- programs */

struct looking {
    json_t *list;
    pthread_mutex_t lock;
};

static json_int_t number_of(const struct buf *b, const char *key)
{
    char text[40] = "";
    return ssh_line(text, sizeof text, b, key) ? (json_int_t)strtoll(text, NULL, 10) : 0;
}

static void add_unit(struct looking *l, const struct ssh_target *s, const struct ssh_host *h, const char *unit, const struct buf *part, uint64_t uptime_ms)
{
    char name[100], state[40] = "", exe[300] = "";
    program_name(name, s, h, unit);
    IGNORE(!ssh_line(state, sizeof state, part, "ActiveState"), "empty then");
    IGNORE(!ssh_line(exe, sizeof exe, part, "exe"), "empty then");
    json_int_t pid = number_of(part, "MainPID"), began = number_of(part, "ExecMainStartTimestampMonotonic") / 1000;
    char release[13] = "";
    const char *at = strstr(exe, "/releases/");
    if (at != NULL) (void)snprintf(release, sizeof release, "%.12s", at + 10);
    json_t *o = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:s}", "name", name, "address", h->address, "state", state, "pid", pid, "starts",
                          number_of(part, "NRestarts") + 1, "upMs", pid != 0 && uptime_ms > (uint64_t)began ? (json_int_t)uptime_ms - began : 0, "release", release);
    pthread_mutex_lock(&l->lock);
    json_array_append_new(l->list, o);
    pthread_mutex_unlock(&l->lock);
}

static enum status state_of(struct ssh_target *s, struct ssh_host *h, void *arg, struct err *err)
{
    struct looking *l = arg;
    const char *units[4];
    struct buf b;
    buf_init(&b, SSH_ANSWER_MAX);
    ssh_units(units, h);
    enum status st = ssh_verb(s, h, &b, BYTES_EMPTY, err, "state", units[0], units[1], units[2], NULL);
    uint64_t uptime_ms = (uint64_t)number_of(&b, "uptime_ms");
    /* the answer is one part a unit, each begun by unit=NAME */
    const char *text = buf_cstr(&b);
    for (const char *p = strstr(text, "unit="); st == OK && p != NULL;) {
        const char *next = strstr(p + 5, "\nunit=");
        char unit[60];
        struct buf part = {.ptr = (uint8_t *)(uintptr_t)p, .len = next == NULL ? strlen(p) : (size_t)(next - p)};
        (void)snprintf(unit, sizeof unit, "%.*s", (int)strcspn(p + 5, "\n"), p + 5);
        add_unit(l, s, h, unit, &part, uptime_ms);
        p = next == NULL ? NULL : next + 1;
    }
    buf_fini(&b);
    return st;
}

enum status ssh_programs(json_t **out, struct target *t, struct err *err)
{
    struct ssh_target *s = ssh_of(t);
    struct looking l = {.list = json_array()};
    struct err ignored = {0};
    if (l.list == NULL) return err_set(err, E_NOMEM, "no memory");
    pthread_mutex_init(&l.lock, NULL);
    s->login.connect_ms = SSH_LOOK_MS;
    IGNORE(ssh_each(s, SSH_ALL, state_of, &l, &ignored) != OK, "a host that does not answer is a finding");
    s->login.connect_ms = 0;
    for (size_t i = 0; i < s->n; i++) {
        const struct ssh_host *h = &s->hosts[i];
        const char *units[4];
        ssh_units(units, h);
        for (size_t k = 0; h->status != OK && units[k] != NULL; k++) {
            char name[100];
            program_name(name, s, h, units[k]);
            json_array_append_new(l.list, json_pack("{s:s, s:s, s:s, s:i, s:s}", "name", name, "address", h->address, "state", "unknown", "pid", 0, "error", err_text(&h->err)));
        }
    }
    pthread_mutex_destroy(&l.lock);
    *out = l.list;
    return OK;
}

/* ------------------------------------------------------------------- logs */

struct log_job {
    struct ssh_target *s;
    const char *dir, *wanted;
    char since[24], bytes[16];
};

/* one stream: a unit's journal, or the file that a node writes; the last is NULL */
struct log_source {
    const char *unit, *file, *suffix;
};

static size_t sources_of(struct log_source dst[static 4], const struct ssh_host *h)
{
    size_t n = 0;
    if ((h->roles & SSH_STORE) != 0) dst[n++] = (struct log_source){"poa-identity-store", "", ""};
    if ((h->roles & SSH_BALANCER) != 0) dst[n++] = (struct log_source){"poa-haproxy", "", ""};
    if ((h->roles & SSH_NODE) != 0) {
        dst[n++] = (struct log_source){"poa-node", "/var/log/poa/poa-node.log", ""};
        dst[n++] = (struct log_source){"poa-node", "", ".out"};
    }
    return n;
}

static bool is_wanted(const char *name, const char *wanted)
{
    size_t n = strlen(name), k = wanted == NULL ? 0 : strlen(wanted);
    return wanted == NULL || strcmp(name, wanted) == 0 || (k >= 3 && n > k && strcmp(name + n - k, wanted) == 0);
}

static char *log_command(const struct log_job *j, const struct ssh_host *h, const struct log_source *src, bool follow)
{
    const char *args[] = {src->unit, j->since, j->bytes, follow ? "yes" : "no", src->file, NULL};
    return ssh_command(j->s, h, "logs", args);
}

static enum status fetch(struct ssh_target *s, struct ssh_host *h, void *arg, struct err *err)
{
    const struct log_job *j = arg;
    struct log_source src[4];
    size_t n = sources_of(src, h);
    enum status st = OK;
    for (size_t i = 0; st == OK && i < n; i++) {
        char name[100], path[5000];
        int code = 0;
        struct buf out, complaint;
        program_name(name, s, h, src[i].unit);
        if (!is_wanted(name, j->wanted)) continue;
        char *command = log_command(j, h, &src[i], false);
        buf_init(&out, 2 * (size_t)SSH_LOG_MAX);
        buf_init(&complaint, 4096);
        st = command == NULL ? E_NOMEM : ssh_conn_run(h->conn, command, NULL, &out, &complaint, &code, err);
        if (st == OK && code != 0) st = err_set(err, E_IO, "%s: the log of %s cannot be read: %.200s", h->address, src[i].unit, buf_cstr(&complaint));
        (void)snprintf(path, sizeof path, "%.4000s/%s%s.log", j->dir, name, src[i].suffix);
        if (st == OK) st = file_write_atomic(path, buf_view(&out), 0600, err);
        free(command);
        buf_fini(&out);
        buf_fini(&complaint);
    }
    return st;
}

/* a stream that goes on: a connection, a thread and a file of its own; it ends with the process */
struct stream {
    struct log_job job;
    struct ssh_host host;
    struct log_source src;
    int fd;
    atomic_bool stop;
};

static bool write_piece(void *arg, bytes piece)
{
    struct stream *x = arg;
    return write(x->fd, piece.ptr, piece.len) == (ssize_t)piece.len;
}

static void *stream_main(void *arg)
{
    struct stream *x = arg;
    /* a host that goes away comes back: from where it was cut, as near as a second */
    for (bool first = true; !atomic_load(&x->stop); first = false) {
        struct err err = {0};
        if (!first) {
            clock_sleep_ms(2000);
            (void)snprintf(x->job.bytes, sizeof x->job.bytes, "0");
            (void)snprintf(x->job.since, sizeof x->job.since, "%llu", (unsigned long long)(clock_wall_ms() / 1000));
        }
        char *command = log_command(&x->job, &x->host, &x->src, true);
        x->host.conn = NULL;
        if (command != NULL && ssh_connect(x->job.s, &x->host, &err) == OK)
            IGNORE(ssh_conn_stream(x->host.conn, command, write_piece, x, &x->stop, &err) != OK, "it is tried again");
        ssh_conn_close(x->host.conn);
        free(command);
    }
    return NULL;
}

static enum status begin_stream(struct log_job *j, const struct ssh_host *h, const struct log_source *src, const char *path, struct err *err)
{
    struct stream *x = calloc(1, sizeof *x);
    pthread_t thread;
    if (x == NULL) return err_set(err, E_NOMEM, "no memory");
    x->job = *j;
    (void)snprintf(x->host.user, sizeof x->host.user, "%s", h->user);
    (void)snprintf(x->host.address, sizeof x->host.address, "%s", h->address);
    x->host.port = h->port;
    x->src = *src;
    x->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (x->fd < 0 || pthread_create(&thread, NULL, stream_main, x) != 0) {
        free(x);
        return err_set(err, E_IO, "cannot write %s: %s", path, strerror(errno));
    }
    pthread_detach(thread);
    return OK;
}

/* a host that is down is no reason to see nothing of the others */
static enum status fetch_all(struct ssh_target *s, struct log_job *j, struct err *err)
{
    size_t asked = 0, failed = 0;
    bool forged = false;
    for (size_t i = 0; i < s->n; i++) {
        struct log_source src[4];
        size_t n = sources_of(src, &s->hosts[i]);
        bool meant = false;
        for (size_t k = 0; k < n; k++) {
            char name[100];
            program_name(name, s, &s->hosts[i], src[k].unit);
            meant = meant || is_wanted(name, j->wanted);
        }
        s->hosts[i].is_left_out = !meant;
    }
    enum status st = ssh_each(s, SSH_ALL, fetch, j, err);
    for (size_t i = 0; i < s->n; i++) {
        asked += !s->hosts[i].is_left_out;
        failed += !s->hosts[i].is_left_out && s->hosts[i].status != OK;
        forged = forged || (!s->hosts[i].is_left_out && s->hosts[i].status == E_CRYPTO); /* then nothing was done on any of them */
    }
    const bool some = !forged && failed < asked;
    for (size_t i = 0; i < s->n; i++) {
        struct ssh_host *h = &s->hosts[i];
        if (some && !h->is_left_out && h->status != OK) report_warn(s->t->env.report, "no logs of %s: %s", h->address, err_text(&h->err));
        h->is_left_out = false;
    }
    return some ? OK : st;
}

enum status ssh_logs(struct target *t, const char *dir, const char *instance, uint64_t since_ms, bool follow, struct err *err)
{
    struct ssh_target *s = ssh_of(t);
    struct log_job j = {.s = s, .dir = dir, .wanted = instance};
    (void)snprintf(j.since, sizeof j.since, "%llu", (unsigned long long)(since_ms / 1000));
    (void)snprintf(j.bytes, sizeof j.bytes, "%d", SSH_LOG_MAX);
    enum status st = file_mkdirs(dir, 0700, err);
    if (st != OK) return st;
    if (!follow) return fetch_all(s, &j, err);
    for (size_t i = 0; i < s->n; i++) {
        struct log_source src[4];
        size_t n = sources_of(src, &s->hosts[i]);
        for (size_t k = 0; st == OK && k < n; k++) {
            char name[100], path[5000];
            program_name(name, s, &s->hosts[i], src[k].unit);
            if (!is_wanted(name, instance)) continue;
            (void)snprintf(path, sizeof path, "%.4000s/%s%s.log", dir, name, src[k].suffix);
            st = begin_stream(&j, &s->hosts[i], &src[k], path, err);
        }
    }
    return st;
}

/* -------------------------------------------------------------------- run */

struct answers {
    const char *command;
    struct buf out[SSH_HOSTS_MAX];
    int code[SSH_HOSTS_MAX];
};

static enum status run_one(struct ssh_target *s, struct ssh_host *h, void *arg, struct err *err)
{
    struct answers *a = arg;
    size_t i = (size_t)(h - s->hosts);
    struct buf complaint;
    buf_init(&complaint, 1 << 20);
    enum status st = ssh_conn_run(h->conn, a->command, NULL, &a->out[i], &complaint, &a->code[i], err);
    buf_put_bytes(&a->out[i], buf_view(&complaint));
    buf_fini(&complaint);
    return st;
}

enum status ssh_run(struct target *t, const struct target_run *r, struct err *err)
{
    struct ssh_target *s = ssh_of(t);
    struct answers *a = calloc(1, sizeof *a);
    if (a == NULL) return err_set(err, E_NOMEM, "no memory");
    const struct target_instance *only = r->instance == NULL ? NULL : target_instance_find(t, r->instance);
    size_t n = 0;
    a->command = r->command;
    for (size_t i = 0; i < s->n; i++) {
        struct ssh_host *h = &s->hosts[i];
        buf_init(&a->out[i], RUN_OUTPUT_MAX);
        bool meant = r->instance == NULL || strcmp(h->address, r->instance) == 0 || (only != NULL && h->instance == (size_t)(only - t->instances));
        h->is_left_out = !meant;
        n += meant;
    }
    enum status st = n == 0 ? err_set(err, E_INVALID, "--instance: there is no '%s': give a host's address, or the name of an instance or its end", r->instance) : OK;
    if (st == OK) IGNORE(ssh_each(s, SSH_ALL, run_one, a, err) != OK, "each host has its own result");
    for (size_t i = 0; i < s->n; i++) {
        struct ssh_host *h = &s->hosts[i];
        if (st == OK && !h->is_left_out) {
            struct target_instance other = {.region = 0};
            const struct target_instance *in = &other;
            (void)snprintf(other.name, sizeof other.name, "%s", h->address);
            (void)snprintf(other.address, sizeof other.address, "%s", h->address);
            if ((h->roles & SSH_NODE) != 0 && h->instance < t->n_instances) in = &t->instances[h->instance];
            if (h->status == OK) r->result(r->arg, in, a->code[i], buf_view(&a->out[i]));
            else r->result(r->arg, in, -1, bytes_str(err_text(&h->err)));
        }
        h->is_left_out = false;
        buf_fini(&a->out[i]);
    }
    free(a);
    return st;
}

/* ---------------------------------------------------------------- upgrade */


/* which of a host's units run another release than `want` */
static enum status outdated(const char *dst[static 4], size_t *n, struct ssh_target *s, struct ssh_host *h, const char *want, struct err *err)
{
    const char *units[4];
    *n = 0;
    ssh_units(units, h);
    for (size_t i = 0; units[i] != NULL; i++) {
        struct buf b;
        char exe[300] = "";
        if (strcmp(units[i], "poa-haproxy") == 0) continue; /* the host's own program */
        buf_init(&b, SSH_ANSWER_MAX);
        enum status st = ssh_verb(s, h, &b, BYTES_EMPTY, err, "state", units[i], NULL);
        bool known = ssh_line(exe, sizeof exe, &b, "exe");
        buf_fini(&b);
        if (st != OK) return st;
        if (!known || strstr(exe, want) == NULL) dst[(*n)++] = units[i];
    }
    dst[*n] = NULL;
    return OK;
}

static enum status activate(struct ssh_target *s, struct ssh_host *h, const char *release, struct err *err)
{
    struct buf b;
    char before[65] = "";
    buf_init(&b, 4096);
    enum status st = ssh_verb(s, h, &b, BYTES_EMPTY, err, "activate", release, NULL);
    if (st == OK && ssh_line(before, sizeof before, &b, "before") && strcmp(before, release) != 0) (void)snprintf(h->before, sizeof h->before, "%.64s", before);
    buf_fini(&b);
    return st;
}

/* SPEC(issue 7, rolling upgrade): one host at a time; what is not well afterwards goes back to what it had, and the others are left alone */
static enum status upgrade_host(struct ssh_target *s, struct ssh_host *h, const struct target_upgrade *u, size_t *changed, struct err *err)
{
    const char *units[4];
    size_t n = 0;
    struct target *t = s->t;
    enum status st = ssh_connect(s, h, err);
    if (st == OK) st = activate(s, h, s->package_sha256, err);
    if (st == OK) st = outdated(units, &n, s, h, s->package_sha256, err);
    if (st != OK || n == 0) return st;
    report_step(t->env.report, "upgrade %s", h->address);
    st = ssh_verb(s, h, NULL, BYTES_EMPTY, err, "restart", units[0], units[1], NULL);
    if (st == OK && (h->roles & SSH_NODE) != 0) st = u->gate(u->arg, &t->instances[h->instance], err);
    if (st == OK) {
        ++*changed;
        return OK;
    }
    struct err why = *err, ignored = {0};
    if (h->before[0] == '\0' || strcmp(h->before, s->package_sha256) == 0) return err_prefix(err, "%s is not well with the new programs, and has none from before", h->address);
    report_step(t->env.report, "bring %s back to its programs from before", h->address);
    enum status back = activate(s, h, h->before, &ignored);
    if (back == OK) back = ssh_verb(s, h, NULL, BYTES_EMPTY, &ignored, "restart", units[0], units[1], NULL);
    return err_set(err, st, "%s is not well with the new programs: %.400s. %s; the other hosts were not touched", h->address, err_text(&why),
                   back == OK ? "It has those from before again" : "It could not be brought back either");
}

static enum status prune(struct ssh_target *s, struct ssh_host *h, void *arg, struct err *err)
{
    (void)arg;
    return ssh_verb(s, h, NULL, BYTES_EMPTY, err, "prune", s->package_sha256, h->before[0] != '\0' ? h->before : NULL, NULL);
}

enum status ssh_upgrade(struct target *t, const struct target_upgrade *u, size_t *changed, struct err *err)
{
    struct ssh_target *s = ssh_of(t);
    *changed = 0;
    const struct target_instance *only = u->instance == NULL ? NULL : target_instance_find(t, u->instance);
    if (u->instance != NULL && only == NULL) return err_set(err, E_INVALID, "--node: there is no instance '%s'", u->instance);
    for (size_t i = 0; i < s->n; i++)
        s->hosts[i].is_left_out = only != NULL && strcmp(s->hosts[i].address, only->address) != 0;
    enum status st = ssh_package_prepare(s, u->package, u->sha256, err);
    if (st != OK) return st;
    report_step(t->env.report, "bring the programs to %zu hosts", s->n);
    st = ssh_each(s, SSH_ALL, ssh_package_upload, NULL, err);
    /* hosts without a node first: the store is what nodes lean on */
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; st == OK && i < s->n; i++)
            if (!s->hosts[i].is_left_out && ((s->hosts[i].roles & SSH_NODE) != 0) == (pass == 1)) st = upgrade_host(s, &s->hosts[i], u, changed, err);
    if (st == OK) st = ssh_each(s, SSH_ALL, prune, NULL, err);
    return st;
}
