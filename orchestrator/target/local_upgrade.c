/* local_upgrade.c: other programs under a deployment that runs. launch.json gets the new program for one node, the keeper restarts that node
 * alone, and the gate says whether the next may follow. What already runs the new program is passed over, so a run that stopped goes on. */
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/codec/hex.h"
#include "lib/codec/json.h"
#include "lib/crypto/keccak.h"
#include "orchestrator/target/keeper.h"
#include "orchestrator/target/local.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LAUNCH_MAX = 4 << 20, RESTART_MS = 30000, POLL_MS = 50, STORE_SETTLE_MS = 300, WORDS_MAX = 8 };

/* --------------------------------------------------------------- programs */

static bool digest_of(uint8_t dst[32], const char *path)
{
    struct keccak k;
    uint8_t piece[16384];
    ssize_t n = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    keccak_init(&k, 32);
    while ((n = read(fd, piece, sizeof piece)) > 0)
        keccak_update(&k, piece, (size_t)n);
    close(fd);
    keccak_final(&k, dst);
    return n == 0;
}

/* the process runs the very bytes of that file: a replaced file is seen too, since /proc keeps the old one */
static bool runs(long pid, const char *program)
{
    char exe[64];
    uint8_t a[32], b[32];
    (void)snprintf(exe, sizeof exe, "/proc/%ld/exe", pid);
    return pid > 0 && digest_of(a, exe) && digest_of(b, program) && memcmp(a, b, 32) == 0;
}

/* 0: it ended well; its output is thrown away */
static int call(const char *const *words)
{
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, 0);
        dup2(null, 1);
        dup2(null, 2);
        execvp(words[0], (char *const *)(uintptr_t)words);
        _exit(127);
    }
    int status = -1;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status)) return 126;
    return WEXITSTATUS(status);
}

static bool ends_with(const char *s, const char *tail)
{
    size_t n = strlen(s), k = strlen(tail);
    return n > k && strcmp(s + n - k, tail) == 0;
}

static enum status check_pin(const struct target_upgrade *u, struct err *err)
{
    if (u->sha256 == NULL) return OK;
    char line[PATH_MAX + 80];
    const char *words[] = {"sh", "-c", "printf '%s  %s\\n' \"$1\" \"$2\" | sha256sum --check --status", "sh", u->sha256, u->package, NULL};
    (void)snprintf(line, sizeof line, "%s", u->package);
    if (call(words) == 0) return OK;
    return err_set(err, E_CRYPTO, "%s is not the file whose sha256 is %s: nothing was changed", line, u->sha256);
}

/* a package below local/programs, under the digest of the file: unpacked once */
static enum status unpack(char folder[static PATH_MAX], const struct target *t, const char *package, struct err *err)
{
    uint8_t digest[32];
    char hex[17], root[4096], stage[PATH_MAX], probe[PATH_MAX + 64];
    if (!digest_of(digest, package)) return err_set(err, status_from_errno(errno), "cannot read %s: %s", package, strerror(errno));
    hex_put(hex, digest, 8);
    hex[16] = '\0';
    local_path(root, t, "programs");
    (void)snprintf(folder, PATH_MAX, "%.4000s/%s", root, hex);
    (void)snprintf(stage, sizeof stage, "%.4000s/%s.new", root, hex);
    enum status s = OK;
    if (!file_is_dir(folder)) {
        bool is_deb = ends_with(package, ".deb");
        const char *deb[] = {"dpkg-deb", "-x", package, stage, NULL}, *tar[] = {"tar", "-xzf", package, "-C", stage, "--no-same-owner", NULL};
        s = file_remove_tree(stage, err);
        if (s == OK) s = file_mkdirs(stage, 0700, err);
        int code = s != OK ? 0 : call(is_deb ? deb : tar);
        if (code != 0) s = err_set(err, E_DECODE, "%s cannot be unpacked (%s ended with %d): a .deb or .tar.gz made by scripts/package is wanted", package, is_deb ? "dpkg-deb" : "tar", code);
        if (s == OK && rename(stage, folder) != 0) s = err_set(err, status_from_errno(errno), "cannot name %s: %s", folder, strerror(errno));
    }
    static const char *const places[] = {"usr/bin", "bin", "."};
    for (size_t i = 0; s == OK && i < COUNT_OF(places); i++) {
        (void)snprintf(probe, sizeof probe, "%.4000s/%s/poa-node", folder, places[i]);
        if (access(probe, X_OK) != 0) continue;
        *strrchr(probe, '/') = '\0';
        (void)snprintf(folder, PATH_MAX, "%.4090s", probe);
        return OK;
    }
    return s != OK ? s : err_set(err, E_NOT_FOUND, "%s holds no poa-node", package);
}

static enum status find_programs(char folder[static PATH_MAX], const struct target *t, const struct target_upgrade *u, struct err *err)
{
    char path[PATH_MAX + 32];
    enum status s = OK;
    if (u->package == NULL) {
        (void)snprintf(folder, PATH_MAX, "%.4000s", t->bin_dir);
    } else if (file_is_dir(u->package)) {
        if (realpath(u->package, folder) == NULL) return err_set(err, E_NOT_FOUND, "%s: %s", u->package, strerror(errno));
        if (u->sha256 != NULL) return err_set(err, E_INVALID, "--sha256 pins a package, and %s is a folder", u->package);
    } else {
        s = check_pin(u, err);
        if (s == OK) s = unpack(folder, t, u->package, err);
    }
    (void)snprintf(path, sizeof path, "%s/poa-node", folder);
    if (s == OK && access(path, X_OK) != 0) s = err_set(err, E_NOT_FOUND, "%s: there is no program of this name", path);
    return s;
}

/* ----------------------------------------------------------------- launch */

static enum status read_doc(json_t **out, const struct target *t, const char *name, struct err *err)
{
    char path[4096];
    struct buf b;
    local_path(path, t, name);
    buf_init(&b, LAUNCH_MAX);
    enum status s = file_read(&b, path, err);
    if (s == OK) s = json_parse(out, buf_view(&b), err);
    buf_fini(&b);
    return s;
}

static json_t *entry_of(json_t *list, const char *name)
{
    size_t i;
    json_t *p;
    json_array_foreach(list, i, p)
    {
        const char *n = json_string_value(json_object_get(p, "name"));
        if (n != NULL && strcmp(n, name) == 0) return p;
    }
    return NULL;
}

static long pid_of(const struct target *t, const char *name, json_int_t *generation)
{
    json_t *list = NULL;
    long pid = 0;
    *generation = -1;
    if (read_doc(&list, t, "programs.json", NULL) == OK) {
        const json_t *p = entry_of(list, name);
        pid = (long)json_integer_value(json_object_get(p, "pid"));
        *generation = json_integer_value(json_object_get(p, "generation"));
    }
    json_decref(list);
    return pid;
}

static enum status write_launch(const struct target *t, const json_t *doc, struct err *err)
{
    char path[4096], *text = json_dumps(doc, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
    local_path(path, t, "launch.json");
    enum status s = text == NULL ? err_set(err, E_NOMEM, "no memory") : file_write_atomic(path, bytes_str(text), 0600, err);
    free(text);
    return s;
}

/* one entry gets its program from `folder`, and the keeper restarts it */
static enum status restart(const struct target *t, const char *name, const char *folder, struct err *err)
{
    char program[PATH_MAX + 64];
    json_t *doc = NULL;
    json_int_t want = 0, have = 0;
    const long old = pid_of(t, name, &have);
    enum status s = read_doc(&doc, t, "launch.json", err);
    json_t *p = entry_of(json_object_get(doc, "programs"), name), *argv = json_object_get(p, "argv");
    const char *word = json_string_value(json_array_get(argv, 0)), *base = word == NULL ? NULL : strrchr(word, '/');
    if (s == OK && base == NULL) s = err_set(err, E_CORRUPT, "launch.json does not name the program of %s", name);
    if (s == OK) {
        (void)snprintf(program, sizeof program, "%s%s", folder, base);
        want = json_integer_value(json_object_get(p, "generation")) + 1;
        json_array_set_new(argv, 0, json_string(program));
        json_object_set_new(p, "generation", json_integer(want));
        s = write_launch(t, doc, err);
    }
    json_decref(doc);
    if (s == OK) s = keeper_reload(t->dir, err);
    if (s != OK) return s;
    for (uint64_t end = clock_mono_ms() + RESTART_MS; clock_mono_ms() < end; clock_sleep_ms(POLL_MS)) {
        long pid = pid_of(t, name, &have);
        if (have == want && pid != old) return OK; /* whether it stays is for the gate */
    }
    return err_set(err, E_TIMEOUT, "the keeper did not restart %s within %d s: `poa-deploy logs --instance keeper` tells why", name, RESTART_MS / 1000);
}

/* ---------------------------------------------------------------- take back */

/* the folder of the program that `name` runs; of one whose file was replaced in its place, the old bytes, kept below local/programs */
static enum status keep_old(char folder[static PATH_MAX], const struct target *t, const char *name, struct err *err)
{
    char exe[64], digits[17], root[4096], path[PATH_MAX + 64];
    uint8_t digest[32];
    json_t *doc = NULL;
    json_int_t generation;
    const long pid = pid_of(t, name, &generation);
    enum status s = read_doc(&doc, t, "launch.json", err);
    const char *program = json_string_value(json_array_get(json_object_get(entry_of(json_object_get(doc, "programs"), name), "argv"), 0)), *slash = program == NULL ? NULL : strrchr(program, '/');
    if (s == OK && slash == NULL) s = err_set(err, E_CORRUPT, "launch.json does not name the program of %s", name);
    if (s != OK) goto out;
    (void)snprintf(folder, PATH_MAX, "%.*s", (int)(slash - program), program);
    (void)snprintf(exe, sizeof exe, "/proc/%ld/exe", pid);
    if (pid == 0 || runs(pid, program) || !digest_of(digest, exe)) goto out; /* an interpreter's script has other bytes, and is taken back by its path */
    if (readlink(exe, path, sizeof path - 1) < 0 || strstr(path, slash) == NULL) goto out;
    hex_put(digits, digest, 8);
    digits[16] = '\0';
    local_path(root, t, "programs");
    (void)snprintf(folder, PATH_MAX, "%.4000s/%s", root, digits);
    (void)snprintf(path, sizeof path, "%s%.40s", folder, slash);
    const char *copy[] = {"cp", exe, path, NULL};
    s = file_mkdirs(folder, 0700, err);
    if (s == OK && !file_exists(path) && call(copy) != 0) s = err_set(err, E_IO, "cannot keep the program that %s runs as %s: nothing was changed", name, path);
out:
    json_decref(doc);
    return s;
}

/* SPEC(issue 7, rolling upgrade): what is not well afterwards goes back to what it had; why: the gate's, and what became of it */
static enum status take_back(struct target *t, const struct target_upgrade *u, const struct target_instance *in, const char *old, const char *new, enum status failed, struct err *err)
{
    struct err why = *err, ignored = {0};
    if (strcmp(old, new) == 0) return err_set(err, failed, "%s. `poa-deploy upgrade --node %s --to FOLDER` with the programs that are to run instead brings it back", err_text(&why), in->name);
    report_step(t->env.report, "bring %s back to its programs from before", in->name);
    enum status s = restart(t, in->name, old, &ignored);
    if (s == OK) s = u->gate(u->arg, in, &ignored);
    if (s == OK) report_done(t->env.report);
    if (s == OK) return err_set(err, failed, "%s. It runs its programs from before again (%s), and is well", err_text(&why), old);
    return err_set(err, failed, "%s. It has its programs from before again (%s), and is not well with them either", err_text(&why), old);
}

/* ------------------------------------------------------------------ upgrade */

/* everything that can be known before the first node is stopped */
static enum status check_programs(const struct target *t, const char *folder, struct err *err)
{
    char node[PATH_MAX + 32], config[PATH_MAX];
    (void)snprintf(node, sizeof node, "%s/poa-node", folder);
    const char *version[] = {node, "--version", NULL};
    if (call(version) != 0) return err_set(err, E_INVALID, "%s does not run on this machine: nothing was changed", node);
    for (size_t i = 0; i < t->n_instances; i++) {
        (void)snprintf(config, sizeof config, "%.3500s/local/instances/%s/etc/poa-node.yaml", t->dir, t->instances[i].name);
        const char *check[] = {node, "--config", config, "--check-config", NULL};
        if (call(check) != 0) return err_set(err, E_INVALID, "%s does not take the configuration of %s (try %s --config %s --check-config): nothing was changed", node, t->instances[i].name, node, config);
    }
    return OK;
}

static enum status upgrade_nodes(struct target *t, const struct target_upgrade *u, const char *folder, const struct target_instance *only, size_t *changed, struct err *err)
{
    char node[PATH_MAX + 32];
    enum status s = OK;
    bool left[TARGET_INSTANCES_MAX], any = false;
    (void)snprintf(node, sizeof node, "%s/poa-node", folder);
    for (size_t i = 0; i < t->n_instances; i++) {
        json_int_t generation;
        left[i] = !runs(pid_of(t, t->instances[i].name, &generation), node);
        any = any || (left[i] && (only == NULL || only == &t->instances[i]));
    }
    for (size_t i = 0; s == OK && any && i < t->n_instances; i++) {
        const struct target_instance *in = &t->instances[i];
        if (only != NULL && in != only) continue;
        report_step(t->env.report, left[i] ? "upgrade %s" : "look at %s, which runs it already", in->name);
        char old[PATH_MAX];
        s = keep_old(old, t, in->name, err);
        if (s == OK && left[i]) s = restart(t, in->name, folder, err);
        if (s != OK) break;
        s = u->gate(u->arg, in, err); /* also of one that a run before this did not see come back */
        if (s != OK && left[i]) s = take_back(t, u, in, old, folder, s, err);
        *changed += s == OK && left[i];
    }
    return s;
}

/* nodes hold their leases for a minute: the store may go for a moment */
static enum status upgrade_store(struct target *t, const char *folder, size_t *changed, struct err *err)
{
    char program[PATH_MAX + 32];
    json_int_t generation;
    (void)snprintf(program, sizeof program, "%s/poa-identity-store", folder);
    long pid = pid_of(t, "identity-store", &generation);
    if (pid == 0 || access(program, X_OK) != 0 || runs(pid, program)) return OK;
    report_step(t->env.report, "upgrade the identity store");
    enum status s = restart(t, "identity-store", folder, err);
    if (s == OK) clock_sleep_ms(STORE_SETTLE_MS);
    if (s == OK && !runs(pid_of(t, "identity-store", &generation), program))
        s = err_set(err, E_TIMEOUT, "the new identity store does not stay up: `poa-deploy logs --instance identity-store` tells why");
    *changed += s == OK;
    return s;
}

static enum status upgrade_keeper(struct target *t, const char *folder, size_t *changed, struct err *err)
{
    char program[PATH_MAX + 32];
    json_t *doc = NULL;
    (void)snprintf(program, sizeof program, "%s/poa-deploy", folder);
    long pid = keeper_pid(t->dir);
    if (access(program, X_OK) != 0 || runs(pid, program)) return OK;
    if (!keeper_can_adopt(program)) {
        report_warn(t->env.report, "%s can't take over from the keeper that runs: it stays until the next `down` and `up`", program);
        return OK;
    }
    report_step(t->env.report, "upgrade the keeper");
    enum status s = read_doc(&doc, t, "launch.json", err);
    if (s == OK) {
        json_object_set_new(doc, "keeper", json_string(program));
        s = write_launch(t, doc, err);
    }
    json_decref(doc);
    if (s == OK) s = keeper_reload(t->dir, err);
    for (uint64_t end = clock_mono_ms() + RESTART_MS; s == OK && !runs(pid, program); clock_sleep_ms(POLL_MS))
        if (clock_mono_ms() > end) s = err_set(err, E_TIMEOUT, "the keeper did not become %s", program);
    *changed += s == OK;
    return s;
}

enum status local_upgrade(struct target *t, const struct target_upgrade *u, size_t *changed, struct err *err)
{
    char folder[PATH_MAX];
    const struct target_instance *only = u->instance == NULL ? NULL : target_instance_find(t, u->instance);
    *changed = 0;
    if (u->instance != NULL && only == NULL) return err_set(err, E_NOT_FOUND, "there is no node '%s': `poa-deploy status` lists them", u->instance);
    if (keeper_pid(t->dir) == 0) return err_set(err, E_NOT_FOUND, "the deployment does not run: `poa-deploy up` starts it; then its nodes can be upgraded one by one");
    enum status s = find_programs(folder, t, u, err);
    if (s == OK) s = check_programs(t, folder, err);
    if (s == OK) s = upgrade_nodes(t, u, folder, only, changed, err);
    if (s == OK && only == NULL) s = upgrade_store(t, folder, changed, err);
    if (s == OK && only == NULL) s = upgrade_keeper(t, folder, changed, err);
    return s;
}
