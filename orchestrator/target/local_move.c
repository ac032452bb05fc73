#include "orchestrator/target/local_move.h"

#include "lib/base/file.h"
#include "lib/codec/base64.h"
#include "lib/codec/json.h"
#include "orchestrator/target/keeper.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

/* ------------------------------------------------------------------- texts */

void local_moved_init(struct local_moved *m, const char *from, const char *to, const struct target *local)
{
    m->local = local;
    (void)snprintf(m->from, sizeof m->from, "%.4000s/local/", from);
    (void)snprintf(m->to, sizeof m->to, "%.4000s/local/", to);
}

/* each `from` in text by `to`; a new string, NULL without memory */
static char *replace(const char *text, const struct local_moved *m)
{
    struct buf b;
    size_t n = strlen(m->from);
    buf_init(&b, 2 * (size_t)LOCAL_TEXT_MAX);
    for (const char *p = text, *at; p != NULL; p = at == NULL ? NULL : at + n) {
        at = strstr(p, m->from);
        if (at == NULL) buf_put_str(&b, p);
        else buf_put(&b, p, (size_t)(at - p));
        if (at != NULL) buf_put_str(&b, m->to);
    }
    buf_put_u8(&b, 0);
    if (buf_status(&b) == OK) return (char *)buf_take(&b, &n);
    buf_fini(&b);
    return NULL;
}

/* customData of a scale set: the cloud-init document in base64 */
static enum status move_custom_data(json_t *resource, const struct local_moved *m, struct err *err)
{
    json_t *os = json_object_get(json_object_get(json_object_get(resource, "properties"), "virtualMachineProfile"), "osProfile");
    const char *data = json_string_value(json_object_get(os, "customData"));
    struct buf plain, again;
    if (data == NULL) return OK;
    buf_init(&plain, LOCAL_TEXT_MAX);
    buf_init(&again, 2 * (size_t)LOCAL_TEXT_MAX);
    enum status s = base64_get(&plain, bytes_str(data), false);
    char *text = s == OK ? replace(buf_cstr(&plain), m) : NULL;
    if (s != OK) s = err_set(err, E_CORRUPT, "deployment.json: customData is no base64");
    else if (text == NULL) s = err_set(err, E_NOMEM, "no memory");
    if (s == OK) {
        base64_append(&again, bytes_str(text), false);
        buf_put_u8(&again, 0);
        s = buf_status(&again);
    }
    if (s == OK && json_object_set_new(os, "customData", json_string((const char *)again.ptr)) != 0) s = err_set(err, E_NOMEM, "no memory");
    free(text);
    buf_fini(&plain);
    buf_fini(&again);
    return s;
}

/* the programs of this machine in the list for the keeper */
static void move_program(json_t *program, const struct target *local)
{
    json_t *argv = json_object_get(program, "argv");
    const char *word = json_string_value(json_array_get(argv, 0)), *slash = word == NULL ? NULL : strrchr(word, '/');
    char path[5000];
    if (slash == NULL) return;
    if (strcmp(slash, "/haproxy") == 0) (void)snprintf(path, sizeof path, "%s", local->haproxy);
    else (void)snprintf(path, sizeof path, "%s%s", local->bin_dir, slash);
    if (strncmp(slash, "/poa-", 5) == 0 || strcmp(slash, "/haproxy") == 0) json_array_set_new(argv, 0, json_string(path));
}

static enum status move_json(struct buf *text, const char *name, const struct local_moved *m, struct err *err)
{
    json_t *doc = NULL, *v;
    size_t i;
    enum status s = json_parse(&doc, buf_view(text), err);
    if (s != OK) return err_prefix(err, "%s", name);
    if (strcmp(name, "deployment.json") == 0) {
        json_array_foreach(doc, i, v) if (s == OK) s = move_custom_data(v, m, err);
    } else {
        json_array_foreach(json_object_get(doc, "programs"), i, v) if (m->local != NULL) move_program(v, m->local);
    }
    char *out = json_dumps(doc, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    buf_clear(text);
    if (out != NULL) buf_put_str(text, out);
    if (s == OK && out == NULL) s = err_set(err, E_NOMEM, "no memory");
    free(out);
    json_decref(doc);
    return s == OK ? buf_status(text) : s;
}

bool local_has_paths(const char *name)
{
    const char *slash = strrchr(name, '/');
    size_t n = slash == NULL ? 0 : (size_t)(slash - name);
    if (strcmp(name, "deployment.json") == 0 || strcmp(name, "local/launch.json") == 0) return true;
    if (strncmp(name, "local/monitor/", 14) == 0) return true;
    return strncmp(name, "local/instances/", 16) == 0 && n > 4 && strncmp(slash - 4, "/etc", 4) == 0;
}

enum status local_move_text(struct buf *text, const char *name, const struct local_moved *m, struct err *err)
{
    char *moved = replace(buf_cstr(text), m);
    if (moved == NULL) return err_set(err, E_NOMEM, "no memory");
    buf_clear(text);
    buf_put_str(text, moved);
    free(moved);
    enum status s = buf_status(text);
    const char *dot = strrchr(name, '.');
    if (s == OK && (strcmp(name, "deployment.json") == 0 || (dot != NULL && strcmp(name, "local/launch.json") == 0))) s = move_json(text, name, m, err);
    return s;
}

/* -------------------------------------------------------------- the folder */

static enum status move_file(const struct local_moved *m, const struct target *t, const char *name, struct err *err)
{
    char path[5000];
    struct stat st;
    struct buf text;
    (void)snprintf(path, sizeof path, "%.4000s/%.900s", t->dir, name);
    if (!local_has_paths(name) || stat(path, &st) != 0 || !S_ISREG(st.st_mode)) return OK;
    buf_init(&text, LOCAL_TEXT_MAX);
    enum status s = file_read(&text, path, err);
    if (s == OK && strstr(buf_cstr(&text), m->from) == NULL && strcmp(name, "deployment.json") != 0) goto out; /* it was done before */
    if (s == OK) s = local_move_text(&text, name, m, err);
    if (s == OK) s = file_write_atomic(path, buf_view(&text), st.st_mode & 07777, err);
out:
    buf_fini(&text);
    return s;
}

/* the files of one folder of the workspace */
static enum status move_files(const struct local_moved *m, const struct target *t, const char *folder, struct err *err)
{
    char path[5000], name[900];
    enum status s = OK;
    struct dirent *e;
    (void)snprintf(path, sizeof path, "%.4000s/%.400s", t->dir, folder);
    DIR *d = opendir(path);
    if (d == NULL) return errno == ENOENT ? OK : err_set(err, status_from_errno(errno), "cannot read %s: %s", path, strerror(errno));
    while (s == OK && (e = readdir(d)) != NULL) {
        (void)snprintf(name, sizeof name, "%.400s/%s", folder, e->d_name);
        s = move_file(m, t, name, err);
    }
    closedir(d);
    return s;
}

/* the folder that the keeper's list names; false: there is no list, or it names none */
static bool recorded_dir(char dst[static 4096], const struct target *t)
{
    static const char tail[] = "/local/store/store.yaml";
    char path[4096];
    struct buf text;
    json_t *doc = NULL, *program, *word;
    size_t i, k;
    bool found = false;
    local_path(path, t, "launch.json");
    buf_init(&text, LOCAL_TEXT_MAX);
    if (file_read(&text, path, NULL) != OK || json_parse(&doc, buf_view(&text), NULL) != OK) doc = NULL;
    json_array_foreach(json_object_get(doc, "programs"), i, program) json_array_foreach(json_object_get(program, "argv"), k, word)
    {
        const char *w = json_string_value(word);
        size_t n = w == NULL ? 0 : strlen(w);
        if (found || n < sizeof tail || n >= 4000 || strcmp(w + n - (sizeof tail - 1), tail) != 0) continue;
        (void)snprintf(dst, 4096, "%.*s", (int)(n - (sizeof tail - 1)), w);
        found = true;
    }
    json_decref(doc);
    buf_fini(&text);
    return found;
}

bool local_is_same(const char *dir, const char *other)
{
    struct stat a, b;
    return strcmp(dir, other) == 0 || (stat(dir, &a) == 0 && stat(other, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino);
}

enum status local_follow(struct target *t, struct err *err)
{
    char was[4096];
    struct local_moved m;
    bool was_running;
    if (!recorded_dir(was, t) || local_is_same(was, t->dir)) return OK;
    local_moved_init(&m, was, t->dir, NULL);
    enum status s = keeper_stop(t->dir, &was_running, err);
    for (size_t i = 0; s == OK && i < t->n_instances; i++) {
        char folder[300];
        (void)snprintf(folder, sizeof folder, "local/instances/%.200s/etc", t->instances[i].name);
        s = move_files(&m, t, folder, err);
    }
    if (s == OK) s = move_files(&m, t, "local/monitor", err);
    if (s == OK) s = move_file(&m, t, "deployment.json", err);
    /* this one tells where it was: the last */
    return s == OK ? move_file(&m, t, "local/launch.json", err) : s;
}
