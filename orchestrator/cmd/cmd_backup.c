/* cmd_backup.c: backup and restore. */
#include "lib/base/file.h"
#include "lib/codec/hex.h"
#include "lib/crypto/keystore.h"
#include "lib/crypto/secp256k1.h"
#include "orchestrator/backup/backup.h"
#include "orchestrator/cmd/cmd.h"
#include "orchestrator/cmd/live.h"
#include "orchestrator/cmd/network.h"
#include "orchestrator/diagnose/deployment.h"
#include "orchestrator/target/keeper.h"

#include <limits.h>
#include <unistd.h>

/* a store that is restored from its own backup gives no identity out for the length of a lease: one that still runs elsewhere has stopped by then */
enum { PASSPHRASE_MAX = 4096, START_S = 60, START_HOSTS_S = 240 };

static void print_info(struct cli *c, const struct backup_info *i, const char *dir, const char *state)
{
    report_done(&c->report);
    if (c->json) {
        json_t *doc = json_pack("{s:s, s:s, s:I, s:I, s:I, s:s, s:s, s:I}", "state", state, "file", i->path, "bytes", (json_int_t)i->bytes, "files",
                                (json_int_t)i->files, "height", (json_int_t)i->height, "genesisHash", i->genesis, "created", i->created, "memberId", i->member);
        if (dir != NULL) json_object_set_new(doc, "workspace", json_string(dir));
        report_json(doc);
        json_decref(doc);
        return;
    }
    printf("%s %s: %llu files, %llu KiB, block %llu, member %lld, genesis %s, made %s\n", state, i->path, (unsigned long long)i->files,
           (unsigned long long)(i->bytes + 1023) / 1024, (unsigned long long)i->height, (long long)i->member, i->genesis, i->created);
}

/* ----------------------------------------------------------------- backup */

static enum status seal_for(struct archive_key *key, uint8_t pub[static 64], struct buf *passphrase, struct cli *c, struct err *err)
{
    const char *recipient = cli_flag(c, "--recipient");
    if (recipient == NULL) {
        enum status s = cli_password(passphrase, c, true, "this backup", err);
        key->passphrase = buf_view(passphrase);
        return s;
    }
    bytes text = bytes_str(recipient);
    if (text.len > 2 && text.ptr[0] == '0' && text.ptr[1] == 'x') text = bytes_make(text.ptr + 2, text.len - 2);
    if (text.len == 130 && text.ptr[0] == '0' && text.ptr[1] == '4') text = bytes_make(text.ptr + 2, 128);
    if (hex_get_fixed(pub, 64, text) != OK)
        return err_set(err, E_INVALID, "--recipient: a secp256k1 public key is 128 hexadecimal digits (`poa-deploy account show KEYSTORE --public-key` prints one)");
    key->recipient = pub;
    return OK;
}

/* what only the hosts have, into a folder of the workspace: the chain first: a step that a journal does not know yet is later than any block of it */
static enum status bring(struct backup_brought *out, char dir[static 64], struct cli *c, struct deployment *d, struct err *err)
{
    char path[4200], chain[4300];
    (void)snprintf(dir, 64, "local/backup.tmp.%ld", (long)getpid());
    (void)snprintf(path, sizeof path, "%.3000s/%s", d->ws.dir, dir);
    (void)snprintf(chain, sizeof chain, "%s/chain.mdb", path);
    *out = (struct backup_brought){.dir = dir};
    const struct target_instance *best = network_best_instance(&out->height, &d->target);
    enum status s = best == NULL ? err_set(err, E_NET, "no node answers: its database is copied while it runs; start them with `poa-deploy up %s`", c->dir) : file_remove_tree(path, err);
    if (s == OK) s = file_mkdirs(path, 0700, err);
    if (s == OK) {
        report_step(&c->report, "fetch the chain from %s", best->name);
        s = d->target.ops->snapshot(&d->target, best, chain, err);
    }
    if (s == OK) {
        report_step(&c->report, "fetch the store and the journals of signed steps");
        s = d->target.ops->keep(&d->target, path, err);
    }
    return s;
}

enum exit_code cmd_backup(struct cli *c)
{
    static struct deployment d; /* large */
    struct err err = {0};
    struct archive_key key = {.recipient = NULL};
    struct backup_info info;
    uint8_t pub[64];
    struct buf passphrase;
    buf_init(&passphrase, PASSPHRASE_MAX);
    const struct target_env env = live_env(c);
    struct backup_brought brought;
    char dir[64] = "";
    enum status s = deployment_read_env(&d, c->dir, &env, &c->settings, &err);
    if (s != OK) return cli_fail(c, &err);
    const bool is_local = deployment_is_local(&d);
    if (!d.is_started) s = err_set(&err, E_NOT_FOUND, "this deployment is not finished: there is nothing to keep yet");
    if (s == OK && !is_local && d.target.ops->keep == NULL)
        s = err_set(&err, E_UNSUPPORTED, "`backup` does not take a network out of Azure: its keys stay in the vault (`az keyvault secret backup` or `az keyvault key backup` keeps them, and a deleted vault comes back within 7 days), each node has the whole chain (`poa-deploy chain export`), and the workspace is a folder to copy");
    if (s == OK) s = backup_check_name(c->args[0], &err);
    if (s == OK) s = seal_for(&key, pub, &passphrase, c, &err);
    if (s == OK && !is_local) s = bring(&brought, dir, c, &d, &err);
    if (s == OK) {
        report_step(&c->report, "write the backup");
        s = backup_write(&info, c->args[0], &d.ws, &d.target, is_local ? NULL : &brought, &key, &err);
    }
    if (dir[0] != '\0') {
        char path[4200];
        (void)snprintf(path, sizeof path, "%.3000s/%s", d.ws.dir, dir);
        IGNORE(file_remove_tree(path, NULL) != OK, "a copy, of the owner's alone");
    }
    if (passphrase.ptr != NULL) secret_wipe(passphrase.ptr, passphrase.cap);
    buf_fini(&passphrase);
    deployment_close(&d);
    if (s != OK) return cli_fail(c, &err);
    print_info(c, &info, NULL, "backup");
    return EXIT_DONE;
}

/* ---------------------------------------------------------------- restore */

static enum status unlock(struct archive_reader *r, struct cli *c, struct err *err)
{
    struct buf password, json;
    secret32 secret = {{0}};
    struct archive_key key = {.recipient = NULL};
    const char *keystore = cli_flag(c, "--keystore");
    buf_init(&password, PASSPHRASE_MAX);
    buf_init(&json, 1 << 16);
    enum status s = OK;
    if (archive_wants_secret(r) && keystore == NULL)
        s = err_set(err, E_INVALID, "%s is sealed for a key, not by a passphrase: give the keystore of that key with --keystore FILE", c->args[0]);
    if (s == OK) s = cli_password(&password, c, false, archive_wants_secret(r) ? keystore : "this backup", err);
    if (s == OK && archive_wants_secret(r)) {
        s = file_read(&json, keystore, err);
        if (s == OK) s = keystore_get(&secret, buf_view(&json), buf_view(&password), err);
        key.secret = &secret;
    } else {
        key.passphrase = buf_view(&password);
    }
    if (s == OK) s = archive_unlock(r, &key, err);
    secret_fini(&secret);
    if (password.ptr != NULL) secret_wipe(password.ptr, password.cap);
    buf_fini(&password);
    buf_fini(&json);
    return s;
}

static enum status absolute(char dst[static PATH_MAX], const char *dir, struct err *err)
{
    char parent[PATH_MAX], real[PATH_MAX];
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/')
        n--;
    (void)snprintf(parent, sizeof parent, "%.*s", (int)n, dir);
    char *slash = strrchr(parent, '/');
    const char *base = slash == NULL ? parent : slash + 1;
    char name[PATH_MAX];
    (void)snprintf(name, sizeof name, "%s", base);
    if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return err_set(err, E_INVALID, "'%s' is no name for a new folder", dir);
    if (slash != NULL) slash[slash == parent] = '\0';
    enum status s = slash == NULL ? OK : file_mkdirs(parent, 0755, err);
    if (s != OK) return s;
    if (realpath(slash == NULL ? "." : parent, real) == NULL || strlen(real) + strlen(name) > 2900) return err_set(err, E_INVALID, "bad folder '%s'", dir);
    (void)snprintf(dst, PATH_MAX, "%.2000s/%.1000s", strcmp(real, "/") == 0 ? "" : real, name);
    return OK;
}

static enum status start(struct cli *c, const struct target *local, const char *dir, uint64_t above, struct err *err)
{
    struct workspace ws;
    uint64_t number = 0;
    enum status s = workspace_open(&ws, dir, false, err);
    if (s != OK) return s;
    report_step(&c->report, "start it");
    s = local_check_other(local, err);
    if (s == OK) s = keeper_start(c->exe, dir, err);
    if (s == OK) {
        report_step(&c->report, "wait for a block above %llu", (unsigned long long)above);
        s = network_wait_block(&number, workspace_fact(&ws, "rpc"), above, START_S, &c->report, err);
    }
    if (s != OK) s = err_prefix(err, "all is restored in %s, but", dir);
    workspace_close(&ws);
    return s;
}

/* hosts: what lies in local/restore goes there, and all of it starts */
static enum status restore_hosts(struct cli *c, const char *dir, uint64_t above, struct err *err)
{
    static struct live l; /* large */
    char from[4200];
    json_t *resources = NULL;
    uint64_t number = 0;
    const char *given = c->dir;
    c->dir = dir;
    (void)snprintf(from, sizeof from, "%.4000s/" BACKUP_RESTORE, dir);
    enum status s = live_open(&l, c, err);
    if (s == OK && l.target.ops->restore == NULL) s = live_unsupported(&l.target, "restore", err);
    if (s == OK) s = workspace_read_json(&resources, &l.ws, "deployment.json", err);
    if (s == OK) s = l.target.ops->restore(&l.target, resources, from, err);
    if (s == OK) {
        report_step(&c->report, "wait for a block above %llu (identities are given out again a minute after the store starts)", (unsigned long long)above);
        s = network_wait_block(&number, workspace_fact(&l.ws, "rpc"), above, START_HOSTS_S, &c->report, err);
    }
    if (s == OK) {
        json_object_del(l.target.env.record, "restoring");
        json_object_del(l.target.env.record, "restored");
        s = workspace_save(&l.ws, err);
    }
    if (s == OK) s = file_remove_tree(from, err);
    if (s != OK) s = err_prefix(err, "the workspace is restored in %s, but (the same command goes on)", dir);
    json_decref(resources);
    live_close(&l);
    c->dir = given;
    return s;
}

/* a restoration to hosts that an earlier run has begun */
static bool is_begun(const char *dir, const struct backup_info *info)
{
    char path[4300];
    json_t *state = NULL;
    struct workspace ws = {.lock_fd = -1};
    (void)snprintf(path, sizeof path, "%.4000s/" BACKUP_RESTORE "/chain.mdb", dir);
    (void)snprintf(ws.dir, sizeof ws.dir, "%.2900s", dir);
    if (strcmp(info->target, "local") == 0 || !file_exists(path) || workspace_read_json(&state, &ws, "state.json", NULL) != OK) return false;
    ws.state = state;
    const char *genesis = workspace_fact(&ws, "genesisHash");
    bool same = genesis != NULL && strcmp(genesis, info->genesis) == 0;
    json_decref(state);
    return same;
}

enum exit_code cmd_restore(struct cli *c)
{
    static struct target local; /* large */
    struct err err = {0};
    struct archive_reader *r = NULL;
    struct backup_info info;
    char dir[PATH_MAX] = "";
    bool check = cli_flag(c, "--check") != NULL;
    enum status s = archive_open(&r, c->args[0], &err);
    if (s != OK) return cli_fail(c, &err);
    backup_get_info(&info, r, c->args[0]);
    const bool is_local = strcmp(info.target, "local") == 0, is_ssh = strcmp(info.target, "ssh") == 0;
    if (info.member < 0 || info.member > 255) s = err_set(&err, E_CORRUPT, "%s is damaged: its header has no member id", c->args[0]);
    else if (!is_local && !is_ssh) s = err_set(&err, E_UNSUPPORTED, "%s is of the target %s, which this version restores nothing of", c->args[0], info.target);
    if (s == OK && !check) s = absolute(dir, c->dir, &err);
    if (s == OK && !check && is_local) s = local_init(&local, dir, c->bin_dir, (unsigned)info.member, &err);
    const bool begun = s == OK && !check && is_begun(dir, &info);
    if (s == OK && !begun) {
        report_step(&c->report, "open %s", c->args[0]);
        s = unlock(r, c, &err);
    }
    if (s == OK && check) s = backup_check(&info, r, &err);
    if (s == OK && !check && !begun) {
        report_step(&c->report, "restore to %s", dir);
        s = backup_restore(&info, r, dir, &local, &err);
    }
    archive_reader_free(r);
    if (s == OK && !check && cli_flag(c, "--no-start") == NULL) s = is_local ? start(c, &local, dir, info.height, &err) : restore_hosts(c, dir, info.height, &err);
    if (s != OK) return cli_fail(c, &err);
    print_info(c, &info, check ? NULL : dir, check ? "whole" : "restored");
    return EXIT_DONE;
}
