/* cmd_chain.c: chain export, chain import: blocks in RLP, one after the other, as other clients write and read them too. poa-node does the
 * work, on a snapshot of the database (export, while all goes on) or on each node's own (import, while all is down). */
#include "lib/base/file.h"
#include "node/store/kv.h"
#include "orchestrator/backup/backup.h"
#include "orchestrator/cmd/cmd.h"
#include "orchestrator/cmd/live.h"
#include "orchestrator/cmd/network.h"
#include "orchestrator/diagnose/deployment.h"
#include "orchestrator/target/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* poa-node on the database in base/db; its words go to stderr */
static enum status run_node(struct cli *c, const struct deployment *d, const char *base, const char *flag, const char *file, struct err *err)
{
    char config[4200], node[4200];
    struct buf yaml;
    buf_init(&yaml, 1 << 16);
    (void)snprintf(config, sizeof config, "%.4000s/chain.yaml", base);
    (void)snprintf(node, sizeof node, "%.4000s/poa-node", c->bin_dir);
    buf_printf(&yaml, "chain: \"%s/spec.json\"\nbase_path: \"%s\"\n", d->ws.dir, base);
    enum status s = buf_status(&yaml);
    if (s == OK) s = file_write_atomic(config, buf_view(&yaml), 0600, err);
    buf_fini(&yaml);
    if (s != OK) return s;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(2, 1);
        execl(node, node, "--config", config, flag, file, (char *)NULL);
        _exit(127);
    }
    int status = -1;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        s = err_set(err, E_IO, "poa-node %s %s did not end well (see above)", flag, file);
    IGNORE(unlink(config), "it is rewritten");
    return s;
}

static enum status snapshot(const char *base, struct deployment *d, struct err *err)
{
    char chain[4300], path[4300];
    uint64_t height;
    const bool is_local = deployment_is_local(d);
    if (is_local && !backup_find_chain(chain, &height, &d->ws, &d->target)) return err_set(err, E_NOT_FOUND, "%s has no chain yet: none of its nodes was ever started", d->ws.dir);
    enum status s = file_remove_tree(base, err);
    (void)snprintf(path, sizeof path, "%.4000s/db", base);
    if (s == OK) s = file_mkdirs(path, 0700, err);
    (void)snprintf(path, sizeof path, "%.4000s/db/data.mdb", base);
    if (s == OK && !is_local) return d->target.ops->snapshot(&d->target, network_best_instance(NULL, &d->target), path, err);
    int fd = s != OK ? -1 : open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (s == OK && fd < 0) s = err_set(err, status_from_errno(errno), "cannot make %s: %s", path, strerror(errno));
    if (s == OK) s = kv_copy_lmdb(chain, fd, err);
    if (fd >= 0) close(fd);
    return s;
}

static enum exit_code finish(struct cli *c, enum status s, const struct err *err, const char *what)
{
    struct stat st = {.st_size = 0};
    if (s != OK) return cli_fail(c, err);
    report_done(&c->report);
    IGNORE(stat(c->args[0], &st), "then 0 is shown");
    if (c->json) {
        json_t *doc = json_pack("{s:s, s:s, s:I}", "state", what, "file", c->args[0], "bytes", (json_int_t)st.st_size);
        report_json(doc);
        json_decref(doc);
    } else {
        printf("%s %s: %lld bytes\n", what, c->args[0], (long long)st.st_size);
    }
    return EXIT_DONE;
}

enum exit_code cmd_chain_export(struct cli *c)
{
    static struct deployment d; /* large */
    struct err err = {0};
    char base[4096];
    const struct target_env env = live_env(c);
    enum status s = deployment_read_env(&d, c->dir, &env, &c->settings, &err);
    if (s != OK) return cli_fail(c, &err);
    if (!deployment_is_local(&d) && d.target.ops->snapshot == NULL) s = live_unsupported(&d.target, "chain export", &err);
    (void)snprintf(base, sizeof base, "%s/local/export.tmp.%ld", d.ws.dir, (long)getpid());
    if (s == OK && file_exists(c->args[0])) s = err_set(&err, E_EXISTS, "%s exists already: choose another name", c->args[0]);
    if (s == OK) {
        report_step(&c->report, "take a snapshot of the chain");
        s = snapshot(base, &d, &err);
    }
    if (s == OK) {
        report_step(&c->report, "write %s", c->args[0]);
        s = run_node(c, &d, base, "--export", c->args[0], &err);
        if (s != OK) IGNORE(unlink(c->args[0]), "half a file is none");
    }
    IGNORE(file_remove_tree(base, NULL) != OK, "a snapshot only");
    deployment_close(&d);
    return finish(c, s, &err, "exported");
}

/* each instance's own database, on this machine */
static enum status import_here(struct cli *c, const struct deployment *d, struct err *err)
{
    enum status s = OK;
    if (keeper_pid(d->ws.dir) != 0) return err_set(err, E_BUSY, "the nodes run: `poa-deploy down %s` first, then import, then `up`", c->dir);
    for (size_t i = 0; s == OK && i < d->target.n_instances; i++) {
        char base[4096];
        (void)snprintf(base, sizeof base, "%s/local/instances/%s/var/lib/poa", d->ws.dir, d->target.instances[i].name);
        report_step(&c->report, "import into %s", d->target.instances[i].name);
        s = run_node(c, d, base, "--import", c->args[0], err);
    }
    return s;
}

enum exit_code cmd_chain_import(struct cli *c)
{
    static struct deployment d; /* large */
    struct err err = {0};
    char spec[4200];
    const struct target_env env = live_env(c);
    enum status s = deployment_read_env(&d, c->dir, &env, &c->settings, &err);
    if (s != OK) return cli_fail(c, &err);
    (void)snprintf(spec, sizeof spec, "%s/spec.json", d.ws.dir);
    if (!file_exists(c->args[0])) s = err_set(&err, E_NOT_FOUND, "%s: there is no such file", c->args[0]);
    else if (deployment_is_local(&d)) s = import_here(c, &d, &err);
    else if (d.target.ops->import != NULL) s = d.target.ops->import(&d.target, c->args[0], spec, &err);
    else s = err_set(&err, E_UNSUPPORTED, "`chain import` does not reach into machines in Azure: a node there fetches the chain from its peers by itself (`poa-deploy status %s` shows how far it is)", c->dir);
    deployment_close(&d);
    return finish(c, s, &err, "imported");
}
