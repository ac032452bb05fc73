#include "orchestrator/target/keeper.h"

#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/codec/json.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROGRAMS_MAX = 128, START_WAIT_MS = 30000, STOP_WAIT_MS = 10000, QUICK_DEATH_MS = 10000, BACKOFF_MAX_MS = 30000, LAUNCH_MAX = 4 << 20 };

struct program {
    char *name, *cwd; /* its own */
    char **argv;
    int stop_order;
    json_int_t generation;
    pid_t pid;
    uint64_t started_ms, next_start_ms, backoff_ms, kill_ms; /* kill_ms: it was asked to end: when it is killed */
    unsigned starts;
    bool is_gone; /* from launch.json: forgotten when it has ended */
};

struct keeper {
    char dir[3500];
    struct program programs[PROGRAMS_MAX];
    size_t n;
    char next_keeper[4096]; /* what launch.json names */
    int lock_fd;
};

static void local_path(char dst[static 4096], const char *dir, const char *name)
{
    (void)snprintf(dst, 4096, "%s/local/%s", dir, name);
}

static void program_fini(struct program *p)
{
    for (size_t i = 0; p->argv != NULL && p->argv[i] != NULL; i++)
        free(p->argv[i]);
    free(p->argv);
    free(p->name);
    free(p->cwd);
    *p = (struct program){.name = NULL};
}

static void programs_fini(struct program *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        program_fini(&list[i]);
}

static enum status read_program(struct program *out, const json_t *p, size_t i, const char *path, struct err *err)
{
    const json_t *argv = json_object_get(p, "argv");
    const char *name = json_string_value(json_object_get(p, "name")), *cwd = json_string_value(json_object_get(p, "cwd"));
    size_t n = json_array_size(argv);
    struct program g = {.stop_order = (int)json_integer_value(json_object_get(p, "stopOrder")), .generation = json_integer_value(json_object_get(p, "generation"))};
    if (name == NULL || n == 0) return err_set(err, E_INVALID, "%s: program %zu has no name or argv", path, i);
    g.name = strdup(name);
    g.cwd = cwd == NULL ? NULL : strdup(cwd);
    g.argv = calloc(n + 1, sizeof *g.argv);
    bool ok = g.name != NULL && g.argv != NULL && (cwd == NULL || g.cwd != NULL);
    for (size_t a = 0; ok && a < n; a++) {
        const char *word = json_string_value(json_array_get(argv, a));
        g.argv[a] = strdup(word == NULL ? "" : word);
        ok = g.argv[a] != NULL;
    }
    if (!ok) {
        program_fini(&g);
        return err_set(err, E_NOMEM, "no memory");
    }
    *out = g;
    return OK;
}

/* what launch.json says now; the list is the caller's */
static enum status read_launch(struct program *list, size_t *n, struct keeper *k, struct err *err)
{
    char path[4096];
    json_t *doc = NULL;
    struct buf b;
    local_path(path, k->dir, "launch.json");
    buf_init(&b, LAUNCH_MAX);
    enum status s = file_read(&b, path, err);
    if (s == OK) s = json_parse(&doc, buf_view(&b), err);
    buf_fini(&b);
    if (s != OK) return s;
    const json_t *all = json_object_get(doc, "programs");
    const char *keeper = json_string_value(json_object_get(doc, "keeper"));
    *n = 0;
    if (json_array_size(all) > PROGRAMS_MAX) s = err_set(err, E_LIMIT, "%s: more than %d programs", path, PROGRAMS_MAX);
    for (size_t i = 0; s == OK && i < json_array_size(all); i++) {
        s = read_program(&list[*n], json_array_get(all, i), i, path, err);
        *n += s == OK;
    }
    (void)snprintf(k->next_keeper, sizeof k->next_keeper, "%s", keeper == NULL || s != OK ? "" : keeper);
    json_decref(doc);
    if (s != OK) programs_fini(list, *n);
    return s;
}

static void save_programs(const struct keeper *k)
{
    json_t *list = json_array();
    for (size_t i = 0; i < k->n; i++) {
        const struct program *p = &k->programs[i];
        json_array_append_new(list, json_pack("{s:s, s:i, s:i, s:I, s:I}", "name", p->name, "pid", (int)p->pid, "starts", (int)p->starts,
                                              "startedMs", (json_int_t)p->started_ms, "generation", p->generation));
    }
    char path[4096], *text = json_dumps(list, JSON_INDENT(1));
    local_path(path, k->dir, "programs.json");
    if (text != NULL) IGNORE(file_write_atomic(path, bytes_str(text), 0644, NULL), "for status only");
    free(text);
    json_decref(list);
}

/* in the child: nothing but async-signal-safe calls */
NORETURN static void become(const struct program *p, int log_fd, const sigset_t *mask, pid_t keeper)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != keeper) _exit(111); /* the keeper died in between */
    sigprocmask(SIG_SETMASK, mask, NULL);
    int null = open("/dev/null", O_RDONLY);
    if (null >= 0) dup2(null, 0);
    dup2(log_fd, 1);
    dup2(log_fd, 2);
    if (p->cwd != NULL && chdir(p->cwd) != 0) _exit(112);
    execv(p->argv[0], p->argv);
    _exit(113);
}

/* A program's standard output is a file that it holds open: a full one is copied to <name>.log.1 and emptied (its writers append). */
static void trim_log(const struct keeper *k, const char *name)
{
    char path[4096], old[4100], part[200];
    struct stat st;
    (void)snprintf(part, sizeof part, "log/%.150s.log", name);
    local_path(path, k->dir, part);
    if (stat(path, &st) != 0 || (uint64_t)st.st_size <= LOG_FILE_BYTES) return;
    (void)snprintf(old, sizeof old, "%s.1", path);
    int from = open(path, O_RDWR | O_CLOEXEC), to = open(old, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    ssize_t n = -1;
    if (from >= 0 && to >= 0)
        while ((n = sendfile(to, from, NULL, 1 << 20)) > 0) { /* to the end as it is by then */
        }
    if (n == 0 && ftruncate(from, 0) == 0) log_info("keeper", "the log was full and moved name=%s to=%s", name, old);
    if (from >= 0) close(from);
    if (to >= 0) close(to);
}

static void start(struct keeper *k, struct program *p, const sigset_t *mask)
{
    char path[4096], name[200];
    (void)snprintf(name, sizeof name, "log/%.150s.log", p->name);
    local_path(path, k->dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    pid_t self = getpid();
    uint64_t now = clock_mono_ms();
    p->pid = fd < 0 ? -1 : fork();
    if (p->pid == 0) become(p, fd, mask, self);
    if (fd >= 0) close(fd);
    if (p->pid < 0) {
        p->pid = 0;
        p->next_start_ms = now + 1000;
        log_error("keeper", "cannot start name=%s: %s", p->name, strerror(errno));
        return;
    }
    p->started_ms = now;
    p->kill_ms = 0;
    p->starts++;
    log_info("keeper", "started name=%s pid=%d", p->name, (int)p->pid);
}

static void reap(struct keeper *k)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (size_t i = 0; i < k->n; i++) {
            struct program *p = &k->programs[i];
            if (p->pid != pid) continue;
            uint64_t now = clock_mono_ms();
            bool quick = now - p->started_ms < QUICK_DEATH_MS;
            p->backoff_ms = !quick ? 0 : p->backoff_ms == 0 ? 1000 : p->backoff_ms * 2;
            if (p->backoff_ms > BACKOFF_MAX_MS) p->backoff_ms = BACKOFF_MAX_MS;
            /* the first death is answered at once, also a quick one: a node that was killed comes back within its lease */
            p->next_start_ms = now + (p->starts <= 1 ? 0 : p->backoff_ms);
            if (p->kill_ms != 0) { /* as it was asked to */
                p->backoff_ms = 0;
                p->next_start_ms = p->is_gone ? UINT64_MAX : now;
            }
            p->pid = 0;
            if (WIFSIGNALED(status)) log_warn("keeper", "died name=%s signal=%d", p->name, WTERMSIG(status));
            else log_warn("keeper", "ended name=%s exit=%d", p->name, WEXITSTATUS(status));
        }
    }
}

static void stop_all(struct keeper *k)
{
    for (int order = 0; order <= 9; order++) {
        size_t left = 0;
        for (size_t i = 0; i < k->n; i++) {
            if (k->programs[i].stop_order != order || k->programs[i].pid == 0) continue;
            kill(k->programs[i].pid, SIGTERM);
            left++;
        }
        uint64_t end = clock_mono_ms() + STOP_WAIT_MS;
        bool killed = false;
        while (left > 0) {
            int status;
            pid_t pid = waitpid(-1, &status, WNOHANG);
            if (pid > 0) {
                for (size_t i = 0; i < k->n; i++) {
                    if (k->programs[i].pid != pid) continue;
                    k->programs[i].pid = 0;
                    if (k->programs[i].stop_order == order) left--;
                }
                continue;
            }
            if (pid < 0) break;
            if (!killed && clock_mono_ms() > end) {
                killed = true;
                for (size_t i = 0; i < k->n; i++)
                    if (k->programs[i].stop_order == order && k->programs[i].pid != 0) kill(k->programs[i].pid, SIGKILL);
            }
            clock_sleep_ms(10);
        }
    }
}

/* --------------------------------------------------------------- SIGHUP */

static bool same_words(char *const *a, char *const *b)
{
    while (*a != NULL && *b != NULL && strcmp(*a, *b) == 0) {
        a++;
        b++;
    }
    return *a == NULL && *b == NULL;
}

static void ask_to_end(struct program *p, uint64_t now)
{
    if (p->pid == 0 || p->kill_ms != 0) return;
    kill(p->pid, SIGTERM);
    p->kill_ms = now + STOP_WAIT_MS;
}

static struct program *find(struct program *list, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].name, name) == 0) return &list[i];
    return NULL;
}

/* what runs goes over into the new list */
static void reload(struct keeper *k)
{
    static struct program next[PROGRAMS_MAX]; /* large; the keeper is one thread */
    struct err err = {0};
    size_t n = 0;
    uint64_t now = clock_mono_ms();
    if (read_launch(next, &n, k, &err) != OK) {
        log_error("keeper", "launch.json is not taken: %s", err_text(&err));
        return;
    }
    for (size_t i = 0; i < k->n; i++) {
        struct program *old = &k->programs[i], *p = find(next, n, old->name);
        if (p == NULL && old->pid != 0 && n < PROGRAMS_MAX) {
            old->is_gone = true;
            ask_to_end(old, now);
            next[n++] = *old;
            old->name = old->cwd = NULL;
            old->argv = NULL;
        } else if (p != NULL) {
            bool changed = p->generation != old->generation || !same_words(p->argv, old->argv) || strcmp(p->cwd == NULL ? "" : p->cwd, old->cwd == NULL ? "" : old->cwd) != 0;
            p->pid = old->pid;
            p->starts = old->starts;
            p->started_ms = old->started_ms;
            p->kill_ms = old->kill_ms;
            p->backoff_ms = changed ? 0 : old->backoff_ms;
            p->next_start_ms = changed ? now : old->next_start_ms;
            if (changed) ask_to_end(p, now);
        }
        program_fini(old);
    }
    memcpy(k->programs, next, n * sizeof next[0]);
    k->n = n;
    log_info("keeper", "launch.json is read again: %zu programs", n);
}

/* those that ended for good are forgotten, those that don't end are killed; *wake: when the next is due */
static void tend(struct keeper *k, uint64_t now, uint64_t *wake)
{
    size_t n = 0;
    for (size_t i = 0; i < k->n; i++) {
        struct program *p = &k->programs[i];
        if (p->is_gone && p->pid == 0) {
            program_fini(p);
            continue;
        }
        if (p->kill_ms != 0 && p->pid != 0) {
            if (p->kill_ms <= now) kill(p->pid, SIGKILL);
            uint64_t due = p->kill_ms <= now ? now + 100 : p->kill_ms;
            if (due < *wake) *wake = due;
        }
        if (n != i) k->programs[n] = *p;
        n++;
    }
    k->n = n;
}

/* exec: process, lock and children stay. ret only when it failed */
static void become_next(struct keeper *k)
{
    char self[4096], fd[16];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    if (k->next_keeper[0] == '\0' || strcmp(self, k->next_keeper) == 0 || access(k->next_keeper, X_OK) != 0) return;
    (void)snprintf(fd, sizeof fd, "%d", k->lock_fd);
    fcntl(k->lock_fd, F_SETFD, 0);
    log_info("keeper", "goes on as %s", k->next_keeper);
    execl(k->next_keeper, k->next_keeper, "keeper", k->dir, fd, (char *)NULL);
    fcntl(k->lock_fd, F_SETFD, FD_CLOEXEC);
    log_error("keeper", "cannot become %s: %s", k->next_keeper, strerror(errno));
}

/* the children of the keeper that this process was before its exec */
static void adopt_programs(struct keeper *k)
{
    char path[4096];
    struct buf b;
    json_t *list = NULL, *j;
    size_t i;
    local_path(path, k->dir, "programs.json");
    buf_init(&b, LAUNCH_MAX);
    if (file_read(&b, path, NULL) == OK && json_parse(&list, buf_view(&b), NULL) == OK) {
        json_array_foreach(list, i, j)
        {
            const char *name = json_string_value(json_object_get(j, "name"));
            struct program *p = name == NULL ? NULL : find(k->programs, k->n, name);
            siginfo_t info = {.si_pid = 0};
            pid_t pid = (pid_t)json_integer_value(json_object_get(j, "pid"));
            /* waitid without taking it: it is a child of ours, alive or not */
            if (p == NULL || pid <= 0 || waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0) continue;
            p->pid = pid;
            p->starts = (unsigned)json_integer_value(json_object_get(j, "starts"));
            p->started_ms = (uint64_t)json_integer_value(json_object_get(j, "startedMs"));
        }
    }
    json_decref(list);
    buf_fini(&b);
}

static void live(struct keeper *k, const sigset_t *mine, const sigset_t *old)
{
    for (bool stop = false; !stop;) {
        uint64_t now = clock_mono_ms(), wake = now + 60000;
        bool changed = false;
        tend(k, now, &wake);
        for (size_t i = 0; i < k->n; i++) {
            struct program *p = &k->programs[i];
            if (p->pid == 0 && p->next_start_ms <= now) {
                start(k, p, old);
                changed = true;
            }
            if (p->pid == 0 && p->next_start_ms < wake) wake = p->next_start_ms;
        }
        if (changed) save_programs(k);
        uint64_t wait = wake > now ? wake - now : 1;
        struct timespec ts = {.tv_sec = (time_t)(wait / 1000), .tv_nsec = (long)(wait % 1000) * 1000000};
        int sig = sigtimedwait(mine, NULL, &ts);
        if (sig == SIGTERM || sig == SIGINT) stop = true;
        reap(k);
        trim_log(k, "keeper");
        for (size_t i = 0; i < k->n; i++)
            trim_log(k, k->programs[i].name);
        if (sig == SIGHUP) {
            reload(k);
            save_programs(k);
            become_next(k);
        }
    }
}

enum status keeper_run(const char *workspace_dir, int adopt, struct err *err)
{
    static struct keeper k; /* large; one a process */
    k = (struct keeper){.lock_fd = adopt};
    (void)snprintf(k.dir, sizeof k.dir, "%s", workspace_dir);
    char path[4096], pid_text[32];
    local_path(path, k.dir, "keeper.lock");
    if (adopt < 0) k.lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    else fcntl(adopt, F_SETFD, FD_CLOEXEC);
    if (k.lock_fd < 0) return err_set(err, status_from_errno(errno), "cannot open %s: %s", path, strerror(errno));
    enum status s = OK;
    if (adopt < 0 && flock(k.lock_fd, LOCK_EX | LOCK_NB) != 0) s = err_set(err, E_EXISTS, "a keeper runs already for %s", workspace_dir);
    if (s == OK) s = read_launch(k.programs, &k.n, &k, err);
    if (s == OK && adopt >= 0) adopt_programs(&k);
    int n = snprintf(pid_text, sizeof pid_text, "%ld\n", (long)getpid());
    if (s == OK && (ftruncate(k.lock_fd, 0) != 0 || pwrite(k.lock_fd, pid_text, (size_t)n, 0) != n))
        s = err_set(err, E_IO, "cannot write %s", path);
    if (s == OK) {
        sigset_t mine, old;
        sigemptyset(&mine);
        sigaddset(&mine, SIGCHLD);
        sigaddset(&mine, SIGTERM);
        sigaddset(&mine, SIGINT);
        sigaddset(&mine, SIGHUP);
        sigprocmask(SIG_BLOCK, &mine, &old);
        if (adopt >= 0) sigemptyset(&old); /* ours are still blocked from before the exec */
        live(&k, &mine, &old);
        log_info("keeper", "stopping");
        stop_all(&k);
        save_programs(&k);
    }
    programs_fini(k.programs, k.n);
    close(k.lock_fd);
    return s;
}

enum status keeper_reload(const char *workspace_dir, struct err *err)
{
    long pid = keeper_pid(workspace_dir);
    if (pid == 0) return err_set(err, E_NOT_FOUND, "%s does not run: start it with `poa-deploy up`", workspace_dir);
    if (kill((pid_t)pid, SIGHUP) != 0) return err_set(err, E_DENIED, "cannot signal the keeper (process %ld): %s", pid, strerror(errno));
    return OK;
}

bool keeper_can_adopt(const char *exe)
{
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, 1);
        dup2(null, 2);
        execl(exe, exe, "keeper", "--can-adopt", (char *)NULL);
        _exit(127);
    }
    int status = -1;
    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

long keeper_pid(const char *workspace_dir)
{
    char path[4096], text[32] = "";
    local_path(path, workspace_dir, "keeper.lock");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    long pid = 0;
    if (flock(fd, LOCK_SH | LOCK_NB) != 0) {
        ssize_t n = pread(fd, text, sizeof text - 1, 0);
        pid = n > 0 ? strtol(text, NULL, 10) : 0;
    }
    close(fd);
    return pid;
}

enum status keeper_start(const char *exe, const char *workspace_dir, struct err *err)
{
    if (keeper_pid(workspace_dir) != 0) return E_EXISTS;
    char dir[4096], log_path[4096];
    local_path(dir, workspace_dir, "log");
    enum status s = file_mkdirs(dir, 0750, err);
    if (s != OK) return s;
    local_path(log_path, workspace_dir, "log/keeper.log");
    pid_t pid = fork();
    if (pid < 0) return err_set(err, E_IO, "fork: %s", strerror(errno));
    if (pid == 0) {
        setsid();
        pid_t again = fork();
        if (again != 0) _exit(again < 0);
        int fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0640), null = open("/dev/null", O_RDONLY);
        if (fd < 0 || null < 0) _exit(1);
        dup2(null, 0);
        dup2(fd, 1);
        dup2(fd, 2);
        /* descriptors of ours (the workspace lock) must not live on in the daemon */
        for (int i = 3; i < 256; i++)
            close(i);
        execl(exe, exe, "keeper", workspace_dir, (char *)NULL);
        _exit(1);
    }
    int status;
    waitpid(pid, &status, 0);
    /* a second and more on a machine that others fill */
    for (uint64_t end = clock_mono_ms() + START_WAIT_MS; clock_mono_ms() < end; clock_sleep_ms(10))
        if (keeper_pid(workspace_dir) != 0) return OK;
    return err_set(err, E_TIMEOUT, "the keeper did not start within %d s; see %s", START_WAIT_MS / 1000, log_path);
}

enum status keeper_stop(const char *workspace_dir, bool *was_running, struct err *err)
{
    long pid = keeper_pid(workspace_dir);
    *was_running = pid != 0;
    if (pid == 0) return OK;
    if (kill((pid_t)pid, SIGTERM) != 0 && errno != ESRCH)
        return err_set(err, E_DENIED, "cannot stop the keeper (process %ld): %s", pid, strerror(errno));
    for (int i = 0; i < 4500; i++) {
        if (keeper_pid(workspace_dir) == 0) return OK;
        clock_sleep_ms(10);
        if (i == 4000) kill((pid_t)pid, SIGKILL);
    }
    return err_set(err, E_TIMEOUT, "the keeper (process %ld) does not end", pid);
}
