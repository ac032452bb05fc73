#include "orchestrator/workspace/workspace.h"

#include "lib/base/file.h"
#include "lib/codec/json.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <git2.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

static const char *const tracked[] = {"consortium.yaml", "state.json",   "spec.json", "contracts.json",
                                      "deployment.json", "outputs.json", ".gitignore", "known_hosts"};
static const char IGNORED[] = "/admin/\n/local/\n/.lock\n*.tmp.*\n";

void workspace_path(char dst[static 4096], const struct workspace *w, const char *name)
{
    (void)snprintf(dst, 4096, "%s/%s", w->dir, name);
}

static enum status absolute(char dst[static 3000], const char *dir, struct err *err)
{
    char cwd[2000] = "";
    if (dir[0] != '/' && getcwd(cwd, sizeof cwd) == NULL)
        return err_set(err, E_IO, "cannot tell the current folder: %s", strerror(errno));
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/')
        n--;
    if (n == 0 || n > 900) return err_set(err, E_INVALID, "bad workspace folder '%s'", dir);
    while (n > 2 && dir[0] == '.' && dir[1] == '/') {
        dir += 2;
        n -= 2;
    }
    if (cwd[0] == '\0') (void)snprintf(dst, 3000, "%.*s", (int)n, dir);
    else (void)snprintf(dst, 3000, "%s/%.*s", cwd, (int)n, dir);
    return OK;
}

static enum status take_lock(struct workspace *w, struct err *err)
{
    char path[4096];
    workspace_path(path, w, ".lock");
    w->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (w->lock_fd < 0) return err_set(err, status_from_errno(errno), "cannot open %s: %s", path, strerror(errno));
    if (flock(w->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return err_set(err, E_BUSY, "another poa-deploy works on %s just now; wait for it to end", w->dir);
    return OK;
}

enum status workspace_open(struct workspace *out, const char *dir, bool create, struct err *err)
{
    struct workspace w = {.lock_fd = -1};
    enum status s = absolute(w.dir, dir, err);
    if (s != OK) return s;
    char state_path[4096], git[4096];
    workspace_path(state_path, &w, "state.json");
    bool there = file_exists(state_path);
    workspace_path(git, &w, ".git");
    const bool has_git = file_is_dir(git) || file_exists(git);
    if (!there && !create)
        return err_set(err, E_NOT_FOUND, "%s is no workspace of poa-deploy (no state.json); make one with `poa-deploy new %s`", w.dir, dir);
    if (!there && file_is_dir(w.dir)) {
        /* a folder that holds something else is not ours to fill */
        char spec[4096];
        workspace_path(spec, &w, "spec.json");
        if (file_exists(spec)) return err_set(err, E_EXISTS, "%s holds a spec.json but no state.json: it is no workspace of poa-deploy; choose another folder", w.dir);
    }
    s = create ? file_mkdirs(w.dir, 0755, err) : OK;
    if (s == OK) s = take_lock(&w, err);
    if (s == OK && there) {
        s = workspace_read_json(&w.state, &w, "state.json", err);
        if (s == OK && !json_is_object(w.state)) s = err_set(err, E_CORRUPT, "%s is no JSON object", state_path);
    } else if (s == OK) {
        w.state = json_pack("{s:i, s:{}, s:b}", "version", 1, "steps", "finished", 0);
        if (w.state == NULL) s = E_NOMEM;
        if (s == OK && has_git) json_object_set_new(w.state, "foreignGit", json_true());
    }
    if (s != OK) {
        workspace_close(&w);
        return s;
    }
    *out = w;
    return OK;
}

static bool is_our_ignore(const struct workspace *w)
{
    struct buf b;
    buf_init(&b, WORKSPACE_FILE_MAX);
    bool ours = workspace_read(&b, w, ".gitignore", NULL) == OK && strcmp(buf_cstr(&b), IGNORED) == 0;
    buf_fini(&b);
    return ours;
}

/* the git repository of a folder that was one before is its owner's */
static bool is_ours(const struct workspace *w, const char *name)
{
    static const char *const others[] = {"admin", "local", ".lock"};
    if (strcmp(name, ".git") == 0) return !json_is_true(json_object_get(w->state, "foreignGit"));
    if (strcmp(name, ".gitignore") == 0) return is_our_ignore(w);
    for (size_t i = 0; i < COUNT_OF(others); i++)
        if (strcmp(name, others[i]) == 0) return true;
    for (size_t i = 0; i < COUNT_OF(tracked); i++) {
        size_t n = strlen(tracked[i]);
        if (strncmp(name, tracked[i], n) == 0 && (name[n] == '\0' || strncmp(name + n, ".tmp.", 5) == 0)) return true;
    }
    return false;
}

enum status workspace_remove(size_t *left, struct workspace *w, struct err *err)
{
    enum status s = OK;
    struct dirent *e;
    size_t n = 0;
    char real[PATH_MAX];
    if (realpath(w->dir, real) == NULL) return err_set(err, status_from_errno(errno), "cannot read %s: %s", w->dir, strerror(errno));
    DIR *d = opendir(real);
    if (d == NULL) return err_set(err, status_from_errno(errno), "cannot read %s: %s", real, strerror(errno));
    while (s == OK && (e = readdir(d)) != NULL) {
        char path[PATH_MAX + 300];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        (void)snprintf(path, sizeof path, "%s/%s", real, e->d_name);
        if (!is_ours(w, e->d_name)) n++;
        /* last of all what makes it a workspace: a run that is cut short can be run again */
        else if (strcmp(e->d_name, "state.json") != 0) s = file_remove_tree(path, err);
    }
    closedir(d);
    if (s != OK) return s;
    (void)snprintf(real + strlen(real), sizeof real - strlen(real), "/state.json");
    s = file_remove_tree(real, err);
    *strrchr(real, '/') = '\0';
    if (s == OK && n == 0 && rmdir(real) != 0) s = err_set(err, status_from_errno(errno), "cannot delete %s: %s", real, strerror(errno));
    if (s == OK) *left = n;
    return s;
}

void workspace_close(struct workspace *w)
{
    json_decref(w->state);
    if (w->lock_fd >= 0) close(w->lock_fd);
    w->state = NULL;
    w->lock_fd = -1;
}

enum status workspace_write(struct workspace *w, const char *name, bytes data, unsigned mode, struct err *err)
{
    char path[4096];
    workspace_path(path, w, name);
    return file_write_atomic(path, data, mode, err);
}

enum status workspace_write_json(struct workspace *w, const char *name, const json_t *doc, struct err *err)
{
    char *text = json_dumps(doc, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    if (text == NULL) return err_set(err, E_NOMEM, "no memory to write %s", name);
    enum status s = workspace_write(w, name, bytes_str(text), 0644, err);
    free(text);
    return s;
}

enum status workspace_read(struct buf *out, const struct workspace *w, const char *name, struct err *err)
{
    char path[4096];
    workspace_path(path, w, name);
    return file_read(out, path, err);
}

enum status workspace_read_json(json_t **out, const struct workspace *w, const char *name, struct err *err)
{
    struct buf b;
    buf_init(&b, WORKSPACE_FILE_MAX);
    enum status s = workspace_read(&b, w, name, err);
    if (s == OK) {
        s = json_parse(out, buf_view(&b), err);
        if (s != OK) s = err_prefix(err, "%s/%s", w->dir, name);
    }
    buf_fini(&b);
    return s;
}

/* ----------------------------------------------------------------- steps */

bool workspace_is_done(const struct workspace *w, const char *step)
{
    return json_is_true(json_object_get(json_object_get(w->state, "steps"), step));
}

bool workspace_is_finished(const struct workspace *w)
{
    return json_is_true(json_object_get(w->state, "finished"));
}

/* The repository is a record for people, not what we depend on: its failure never stops a deployment. */
static bool commit(const char *dir, const char *message)
{
    git_repository *repo = NULL;
    git_index *index = NULL;
    git_tree *tree = NULL;
    git_signature *who = NULL;
    git_commit *parent = NULL;
    git_oid tree_id, commit_id, head_id;
    bool ok = false;
    if (git_libgit2_init() < 0) return false;
    git_repository_init_options opts;
    if (git_repository_init_options_init(&opts, GIT_REPOSITORY_INIT_OPTIONS_VERSION) != 0) goto out;
    opts.flags = GIT_REPOSITORY_INIT_MKPATH;
    opts.initial_head = "main";
    if (git_repository_init_ext(&repo, dir, &opts) != 0) goto out;
    if (git_repository_index(&index, repo) != 0) goto out;
    for (size_t i = 0; i < COUNT_OF(tracked); i++) {
        char path[4096];
        (void)snprintf(path, sizeof path, "%s/%s", dir, tracked[i]);
        if (file_exists(path) && git_index_add_bypath(index, tracked[i]) != 0) goto out;
    }
    if (git_index_write(index) != 0 || git_index_write_tree(&tree_id, index) != 0) goto out;
    if (git_tree_lookup(&tree, repo, &tree_id) != 0) goto out;
    if (git_signature_now(&who, "poa-deploy", "poa-deploy@localhost") != 0) goto out;
    const git_commit *parents[1];
    size_t n = 0;
    if (git_reference_name_to_id(&head_id, repo, "HEAD") == 0 && git_commit_lookup(&parent, repo, &head_id) == 0) {
        parents[0] = parent;
        n = 1;
    }
    ok = git_commit_create(&commit_id, repo, "HEAD", who, who, NULL, message, tree, n, parents) == 0;
out:
    git_commit_free(parent);
    git_signature_free(who);
    git_tree_free(tree);
    git_index_free(index);
    git_repository_free(repo);
    git_libgit2_shutdown();
    return ok;
}

/* whatever repository this folder is in, the keys and the password of admin/ and local/ never get into it: the owner's own .gitignore gets our lines too */
static enum status keep_secrets_out(struct workspace *w, struct err *err)
{
    struct buf b;
    char path[4096];
    enum status s = OK;
    workspace_path(path, w, ".gitignore");
    buf_init(&b, WORKSPACE_FILE_MAX);
    if (file_exists(path)) s = file_read(&b, path, err);
    if (s == OK && strstr(buf_cstr(&b), "/admin/\n/local/\n") == NULL) {
        if (b.len > 0 && b.ptr[b.len - 1] != '\n') buf_put_u8(&b, '\n');
        buf_put_str(&b, IGNORED);
        s = buf_status(&b);
        if (s == OK) s = workspace_write(w, ".gitignore", buf_view(&b), 0644, err);
    }
    buf_fini(&b);
    return s;
}

static enum status save(struct workspace *w, const char *message, struct err *err)
{
    enum status s = keep_secrets_out(w, err);
    if (s == OK) s = workspace_write_json(w, "state.json", w->state, err);
    if (s == OK && message != NULL) IGNORE(!commit(w->dir, message), "a record only");
    return s;
}

enum status workspace_mark(struct workspace *w, const char *step, struct err *err)
{
    json_t *steps = json_object_get(w->state, "steps");
    if (steps == NULL || json_object_set_new(steps, step, json_true()) != 0) return err_set(err, E_NOMEM, "no memory");
    return save(w, step, err);
}

enum status workspace_finish(struct workspace *w, struct err *err)
{
    if (json_object_set_new(w->state, "finished", json_true()) != 0) return err_set(err, E_NOMEM, "no memory");
    return save(w, "finished", err);
}

const char *workspace_fact(const struct workspace *w, const char *key)
{
    return json_string_value(json_object_get(w->state, key));
}

enum status workspace_set_fact(struct workspace *w, const char *key, const char *value, struct err *err)
{
    if (json_object_set_new(w->state, key, json_string(value)) != 0) return err_set(err, E_NOMEM, "no memory");
    return save(w, NULL, err);
}

const json_t *workspace_record(const struct workspace *w, const char *key)
{
    return json_object_get(w->state, key);
}

enum status workspace_set_record(struct workspace *w, const char *key, json_t *value_take, struct err *err)
{
    if (value_take == NULL) IGNORE(json_object_del(w->state, key) != 0, "it may not be there");
    else if (json_object_set_new(w->state, key, value_take) != 0) return err_set(err, E_NOMEM, "no memory");
    return save(w, NULL, err);
}

json_t *workspace_object(struct workspace *w, const char *key)
{
    json_t *o = json_object_get(w->state, key);
    if (json_is_object(o)) return o;
    if (json_object_set_new(w->state, key, json_object()) != 0) return NULL;
    return json_object_get(w->state, key);
}

enum status workspace_save(struct workspace *w, struct err *err)
{
    return save(w, NULL, err);
}

enum status workspace_commit(const char *dir, const char *message, struct err *err)
{
    struct workspace w = {.lock_fd = -1};
    char path[4096];
    enum status s = absolute(w.dir, dir, err);
    if (s != OK) return s;
    workspace_path(path, &w, "state.json");
    if (!file_exists(path)) return OK;
    s = take_lock(&w, err);
    if (s == OK && !commit(w.dir, message)) s = err_set(err, E_IO, "%s/.git: the record cannot be written: %s", w.dir, git_error_last() == NULL ? "" : git_error_last()->message);
    if (w.lock_fd >= 0) close(w.lock_fd);
    return s;
}

/* ------------------------------------------------------------------ push */

struct pushing {
    size_t next; /* which key is tried next; 0: the agent's */
    char refused[300]; /* by the remote, of our branch */
};

static int log_in(git_credential **out, const char *url, const char *user, unsigned allowed, void *arg)
{
    struct pushing *p = arg;
    static const char *const usual[] = {"id_ed25519", "id_ecdsa"};
    const char *home = getenv("HOME"), *name = user == NULL ? "git" : user;
    (void)url;
    if ((allowed & GIT_CREDENTIAL_USERNAME) != 0) return git_credential_username_new(out, name);
    if ((allowed & GIT_CREDENTIAL_SSH_KEY) == 0) return GIT_PASSTHROUGH;
    if (p->next == 0) {
        p->next++;
        if (getenv("SSH_AUTH_SOCK") != NULL) return git_credential_ssh_key_from_agent(out, name);
    }
    /* each key once: libgit2 asks again as long as it is refused */
    while (home != NULL && p->next <= COUNT_OF(usual)) {
        char path[4200];
        (void)snprintf(path, sizeof path, "%s/.ssh/%s", home, usual[p->next++ - 1]);
        if (file_exists(path)) return git_credential_ssh_key_new(out, name, NULL, path, "");
    }
    return GIT_EAUTH;
}

static int note_refusal(const char *ref, const char *status, void *arg)
{
    struct pushing *p = arg;
    if (status != NULL) (void)snprintf(p->refused, sizeof p->refused, "%.100s: %.180s", ref, status);
    return 0;
}

static enum status push_failed(int code, const char *remote, struct err *err)
{
    const git_error *e = git_error_last();
    const char *why = e == NULL || e->message == NULL ? "it failed" : e->message;
    if (code == GIT_ENONFASTFORWARD) return err_set(err, E_CONFLICT, "--push: %s has commits that this workspace has not: someone else works on the same deployment; fetch and look at them (git -C DIR fetch)", remote);
    if (code == GIT_EAUTH) return err_set(err, E_DENIED, "--push: %s refuses the log-in: neither ssh-agent nor ~/.ssh/id_ed25519 or id_ecdsa is taken", remote);
    if (code == GIT_ECERTIFICATE) return err_set(err, E_CRYPTO, "--push: the host key of %s is not the one in ~/.ssh/known_hosts, or not there: %s", remote, why);
    return err_set(err, code == GIT_ENOTFOUND ? E_NOT_FOUND : E_NET, "--push: %s: %s", remote, why);
}

enum status workspace_push(const char *dir, const char *remote, struct err *err)
{
    git_repository *repo = NULL;
    git_remote *to = NULL;
    struct pushing p = {0, ""};
    char spec[] = "refs/heads/main:refs/heads/main";
    char *specs[] = {spec};
    const git_strarray refs = {specs, 1};
    git_push_options opts;
    if (git_libgit2_init() < 0) return err_set(err, E_NOMEM, "no memory");
    enum status s = OK;
    int code = git_repository_open(&repo, dir);
    if (code != 0) s = err_set(err, E_NOT_FOUND, "--push: %s has no git record", dir);
    if (s == OK) {
        if (git_remote_lookup(&to, repo, remote) != 0) code = git_remote_create_anonymous(&to, repo, remote);
        if (to == NULL) s = push_failed(code, remote, err);
    }
    if (s == OK && git_push_options_init(&opts, GIT_PUSH_OPTIONS_VERSION) != 0) s = err_set(err, E_NOMEM, "no memory");
    if (s == OK) {
        opts.callbacks.credentials = log_in;
        opts.callbacks.push_update_reference = note_refusal;
        opts.callbacks.payload = &p;
        code = git_remote_push(to, &refs, &opts);
        if (code != 0) s = push_failed(code, remote, err);
        else if (p.refused[0] != '\0') s = err_set(err, E_DENIED, "--push: %s refuses: %s", remote, p.refused);
    }
    git_remote_free(to);
    git_repository_free(repo);
    git_libgit2_shutdown();
    return s;
}
