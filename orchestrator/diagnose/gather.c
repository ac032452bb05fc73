/* gather.c: what can be seen on this machine: processes, their logs, ports, the disk. */
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "orchestrator/diagnose/diagnose_priv.h"
#include "orchestrator/diagnose/log_line.h"
#include "orchestrator/target/ports.h"
#include "orchestrator/target/keeper.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { TAIL_MAX = 256 << 10 };

#define COPY(dst, src) ((void)snprintf((dst), sizeof(dst), "%.*s", (int)sizeof(dst) - 1, (src)))

/* ------------------------------------------------------------------ logs */

/* the last TAIL_MAX bytes of a file, NUL-terminated, from the beginning of a line; malloc. NULL: none */
static char *read_tail(const char *path, size_t *len, uint64_t *mtime_ms)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return NULL;
    char *text = NULL;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        off_t from = st.st_size > TAIL_MAX ? st.st_size - TAIL_MAX : 0;
        text = malloc((size_t)(st.st_size - from) + 1);
        ssize_t n = text == NULL ? 0 : pread(fd, text, (size_t)(st.st_size - from), from);
        if (text != NULL) {
            size_t k = n > 0 ? (size_t)n : 0;
            text[k] = '\0';
            char *first = from > 0 ? strchr(text, '\n') : NULL;
            if (first != NULL) {
                memmove(text, first + 1, k - (size_t)(first + 1 - text) + 1);
                k -= (size_t)(first + 1 - text);
            }
            *len = k;
            *mtime_ms = (uint64_t)st.st_mtim.tv_sec * 1000 + (uint64_t)st.st_mtim.tv_nsec / 1000000;
        }
    }
    close(fd);
    return text;
}

typedef void (*line_fn)(void *ctx, bytes raw, const struct log_line *line);

static uint64_t each_line(const char *path, line_fn fn, void *ctx)
{
    size_t len = 0;
    uint64_t mtime_ms = 0;
    char *text = read_tail(path, &len, &mtime_ms);
    for (char *p = text; p != NULL && *p != '\0';) {
        size_t n = strcspn(p, "\n");
        struct log_line line;
        log_line_get(&line, bytes_make(p, n));
        fn(ctx, bytes_make(p, n), &line);
        p += n + (p[n] == '\n');
    }
    free(text);
    return mtime_ms;
}

struct last_error {
    char text[400];
    uint64_t start_ms; /* of the process that wrote last */
};

static void note_error(void *ctx, bytes raw, const struct log_line *line)
{
    struct last_error *e = ctx;
    (void)raw;
    /* what was before the last start is over */
    if (line->text.len >= 9 && memcmp(line->text.ptr, "Starting ", 9) == 0) {
        e->text[0] = '\0';
        e->start_ms = line->ms;
    }
    if (line->level == LOG_LEVEL_ERROR) (void)snprintf(e->text, sizeof e->text, "%.*s", (int)line->text.len, (const char *)line->text.ptr);
}

/* the newer of the log and the standard output knows why it ended */
static void find_error(struct diag_program *p, const char *log, const char *output)
{
    struct last_error a = {"", 0}, b = {"", 0};
    uint64_t at = log == NULL ? 0 : each_line(log, note_error, &a), bt = each_line(output, note_error, &b);
    bool is_old = bt < a.start_ms; /* what the standard output has is of a process before */
    COPY(p->error, b.text[0] != '\0' && !is_old && (a.text[0] == '\0' || bt >= at) ? b.text : a.text);
    /* "poa-node: error: text": the program is named beside it anyway */
    char *tail = strstr(p->error, ": error: ");
    if (tail != NULL) memmove(p->error, tail + 9, strlen(tail + 9) + 1);
}

static bool starts_with(bytes b, const char *s)
{
    return b.len >= strlen(s) && memcmp(b.ptr, s, strlen(s)) == 0;
}

static void note_identity(void *ctx, bytes raw, const struct log_line *line)
{
    struct diag_node *n = ctx;
    (void)raw;
    if (starts_with(line->text, "Starting ")) n->waits_identity = n->lost_identity = false;
    if (!bytes_eq_str(line->target, "identity")) return;
    bytes t = line->text;
    if (starts_with(t, "no free identity") || starts_with(t, "waiting for a free identity")) n->waits_identity = true;
    else if (starts_with(t, "lost: ")) n->lost_identity = true;
    else if (starts_with(t, "acquired ")) n->waits_identity = n->lost_identity = false;
    else if (starts_with(t, "the lease is renewed")) n->lost_identity = false;
    (void)snprintf(n->identity_line, sizeof n->identity_line, "%.*s", (int)t.len, (const char *)t.ptr);
}

/* how the keeper says that it ended: "ended name=X exit=1" */
struct ending {
    const char *name;
    char text[120];
};

static void note_ending(void *ctx, bytes raw, const struct log_line *line)
{
    struct ending *e = ctx;
    char text[400], want[120];
    (void)raw;
    (void)snprintf(text, sizeof text, "%.*s", (int)line->text.len, (const char *)line->text.ptr);
    (void)snprintf(want, sizeof want, " name=%s ", e->name);
    const char *at = strstr(text, want);
    if (at == NULL || (strncmp(text, "ended ", 6) != 0 && strncmp(text, "died ", 5) != 0)) return;
    (void)snprintf(e->text, sizeof e->text, "%.*s", (int)sizeof e->text - 1, at + strlen(want));
}

/* --------------------------------------------------------------- processes */

/* state letter and parent; false: no such process */
static bool read_stat(long pid, char *state, long *parent)
{
    char path[64], text[1024];
    (void)snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    const char *p = strrchr(text, ')');
    return p != NULL && sscanf(p + 1, " %c %ld", state, parent) == 2;
}

static void look_at_program(struct diag_program *p, const struct deployment *d, const char *name, const char *log, long keeper)
{
    const json_t *j = deployment_program(d, name);
    char output[4096], keeper_log[4096], state = 'X';
    long parent = 0, pid = (long)json_integer_value(json_object_get(j, "pid"));
    uint64_t started = (uint64_t)json_integer_value(json_object_get(j, "startedMs")), now = clock_mono_ms();
    COPY(p->name, name);
    p->starts = (unsigned)json_integer_value(json_object_get(j, "starts"));
    /* the number may be another process's by now: ours has the keeper as its parent */
    if (keeper != 0 && pid > 0 && read_stat(pid, &state, &parent) && parent == keeper && state != 'Z') {
        p->pid = pid;
        p->stopped = state == 'T' || state == 't';
        p->up_ms = now > started ? now - started : 0;
    }
    struct ending e = {.name = name};
    deployment_output(keeper_log, d, "keeper");
    (void)each_line(keeper_log, note_ending, &e);
    COPY(p->end, e.text);
    deployment_output(output, d, name);
    find_error(p, log, output);
}

static void look_at_port(struct diag_program *p, const char *ip, uint16_t port)
{
    struct port_holder h;
    if (p->busy[0] != '\0' || !port_find_holder(&h, ip, port) || (h.pid != 0 && h.pid == p->pid)) return;
    p->busy_pid = h.pid;
    COPY(p->busy_workspace, h.workspace);
    if (h.pid == 0) (void)snprintf(p->busy, sizeof p->busy, "%s:%u is held by %s", ip, port, h.name);
    else (void)snprintf(p->busy, sizeof p->busy, "%s:%u is held by %s (process %ld)", ip, port, h.name, h.pid);
}

/* ports are looked at where something does not run, or has just begun again */
static bool is_shaky(const struct diag_program *p)
{
    return p->pid == 0 || (p->starts > 1 && p->up_ms < 15000);
}

static void look_at_ports(struct diag_facts *f, const struct deployment *d)
{
    static const uint16_t node_ports[] = {8545, 8546, 3000, 30300, 9545};
    for (size_t i = 0; i < f->n_nodes; i++)
        for (size_t k = 0; k < COUNT_OF(node_ports) && is_shaky(&f->nodes[i].program); k++)
            look_at_port(&f->nodes[i].program, f->nodes[i].address, node_ports[k]);
    if (is_shaky(&f->programs[0])) look_at_port(&f->programs[0], d->target.store_address, LOCAL_STORE_PORT);
    const uint16_t balancer_ports[] = {8545, 8546, 80, 8080};
    if (is_shaky(&f->programs[1])) {
        char ip[16];
        local_lb_address(ip, &d->target, 1);
        for (size_t k = 0; k < COUNT_OF(balancer_ports); k++)
            look_at_port(&f->programs[1], ip, balancer_ports[k]);
    }
}

static uint64_t file_bytes(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
}

static void look_at_node(struct diag_node *n, const struct deployment *d, const struct target_instance *in, long keeper)
{
    char log[4096], db[4200];
    COPY(n->address, in->address);
    COPY(n->region, in->location);
    deployment_log(log, d, in->name);
    (void)snprintf(n->config, sizeof n->config, "%s/local/instances/%s/etc/poa-node.yaml", d->ws.dir, in->name);
    (void)snprintf(n->database, sizeof n->database, "%s/local/instances/%s/var/lib/poa/db", d->ws.dir, in->name);
    (void)snprintf(db, sizeof db, "%s/data.mdb", n->database);
    n->disk_bytes = file_bytes(db);
    look_at_program(&n->program, d, in->name, log, keeper);
    (void)each_line(log, note_identity, n);
}

/* what the target says of its programs: no file of theirs is here */
static void look_at_remote(struct diag_facts *f, const struct deployment *d)
{
    json_t *list = NULL, *o;
    size_t i;
    f->is_remote = true;
    f->keeper_pid = 1; /* systemd's own */
    f->n_nodes = d->target.n_instances;
    for (size_t k = 0; k < f->n_nodes; k++) {
        const struct target_instance *in = &d->target.instances[k];
        COPY(f->nodes[k].program.name, in->name);
        COPY(f->nodes[k].address, in->address);
        COPY(f->nodes[k].region, in->location);
    }
    COPY(f->programs[0].name, "identity-store");
    COPY(f->programs[1].name, "haproxy");
    struct target *t = (struct target *)(uintptr_t)&d->target; /* it opens connections, that is all that changes */
    if (t->ops->programs == NULL || t->ops->programs(&list, t, NULL) != OK) return;
    json_array_foreach(list, i, o)
    {
        const char *name = json_string_value(json_object_get(o, "name")), *error = json_string_value(json_object_get(o, "error"));
        struct diag_program *p = NULL;
        for (size_t k = 0; k < DIAG_PROGRAMS_MAX && name != NULL; k++)
            if (strncmp(name, f->programs[k].name, strlen(f->programs[k].name)) == 0) p = &f->programs[k];
        for (size_t k = 0; k < f->n_nodes && name != NULL; k++)
            if (strcmp(name, f->nodes[k].program.name) == 0) p = &f->nodes[k].program;
        if (p == NULL || p->error[0] != '\0') continue;
        p->pid = (long)json_integer_value(json_object_get(o, "pid"));
        p->starts = (unsigned)json_integer_value(json_object_get(o, "starts"));
        p->up_ms = (uint64_t)json_integer_value(json_object_get(o, "upMs"));
        COPY(p->error, error == NULL ? "" : error);
    }
    json_decref(list);
}

/* what the kernel would give before it kills; UINT64_MAX: it does not say */
static uint64_t free_memory(void)
{
    char text[4096];
    int fd = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return UINT64_MAX;
    const ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    const char *p = strstr(text, "MemAvailable:");
    return p == NULL ? UINT64_MAX : (uint64_t)strtoull(p + strlen("MemAvailable:"), NULL, 10) << 10;
}

static void recall_failure(struct diag_facts *f, const struct workspace *ws)
{
    const char *text = json_string_value(json_object_get(workspace_record(ws, "failure"), "text"));
    COPY(f->failure, text == NULL ? "" : text);
}

enum status diagnose_recall(struct diag_facts **out, const char *dir, struct err *err)
{
    struct workspace ws = {.lock_fd = -1};
    char real[PATH_MAX];
    if (realpath(dir, real) == NULL || strlen(real) >= sizeof ws.dir) return err_set(err, E_NOT_FOUND, "%s is no workspace", dir);
    COPY(ws.dir, real);
    enum status s = workspace_read_json(&ws.state, &ws, "state.json", err);
    if (s == OK && (!json_is_object(ws.state) || workspace_is_finished(&ws))) s = err_set(err, E_NOT_FOUND, "the deployment was brought to its end");
    struct diag_facts *f = s == OK ? calloc(1, sizeof *f) : NULL;
    if (s == OK && f == NULL) s = err_set(err, E_NOMEM, "no memory for the diagnosis");
    if (s == OK) {
        COPY(f->dir, ws.dir);
        recall_failure(f, &ws);
        *out = f;
    }
    json_decref(ws.state);
    return s;
}

enum status diagnose_gather(struct diag_facts **out, const struct deployment *d, const struct diag_options *o, struct err *err)
{
    struct diag_facts *f = calloc(1, sizeof *f);
    if (f == NULL) return err_set(err, E_NOMEM, "no memory for the diagnosis");
    struct statvfs disk;
    const char *genesis = workspace_fact(&d->ws, "genesisHash");
    COPY(f->dir, d->ws.dir);
    COPY(f->genesis, genesis == NULL ? "" : genesis);
    COPY(f->peer_rpc, o->peer_rpc == NULL ? "" : o->peer_rpc);
    COPY(f->peer_data, o->peer_data == NULL ? "" : o->peer_data);
    recall_failure(f, &d->ws);
    COPY(f->store_url, d->target.store_url);
    f->is_started = d->is_started;
    f->is_finished = workspace_is_finished(&d->ws);
    f->keeper_pid = keeper_pid(d->ws.dir);
    f->disk_min = o->disk_min;
    f->memory_min = o->memory_min;
    f->memory_free = deployment_is_local(d) ? free_memory() : UINT64_MAX;
    f->disk_free = statvfs(d->ws.dir, &disk) == 0 ? (uint64_t)disk.f_bavail * disk.f_frsize : UINT64_MAX;
    f->now_ms = clock_wall_ms();
    *out = f;
    if (!f->is_started) return OK;
    if (deployment_is_local(d)) {
        look_at_program(&f->programs[0], d, "identity-store", NULL, f->keeper_pid);
        look_at_program(&f->programs[1], d, "haproxy", NULL, f->keeper_pid);
        for (size_t i = 0; i < d->target.n_instances; i++)
            look_at_node(&f->nodes[f->n_nodes++], d, &d->target.instances[i], f->keeper_pid);
    } else {
        look_at_remote(f, d);
    }
    if (f->keeper_pid == 0) return OK;
    if (!o->quick && !f->is_remote) look_at_ports(f, d);
    ask_store(f, d, !o->quick);
    ask_nodes(f);
    f->now_ms = clock_wall_ms();
    ask_chain(f, o->quick);
    if (!o->quick) ask_fork(f);
    if (!o->quick) ask_peer(f);
    if (!o->quick) ask_specs(f, o->peer_data);
    return OK;
}
