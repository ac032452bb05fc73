#include "orchestrator/target/cloud_init.h"

#include "lib/base/file.h"
#include "lib/codec/base64.h"
#include "lib/codec/yaml.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CONTENT_MAX = 16 << 20, ARGS_MAX = 64 };

/* the token or ${POA_ROOT} that begins at p; *len is how much of the text it takes. NULL: none begins here */
static enum status token_at(const char **value, size_t *len, const uint8_t *p, size_t left, const char *root,
                            const struct instance_token *tokens, size_t n, struct err *err)
{
    static const char root_token[] = "${POA_ROOT}";
    *value = NULL;
    if (left >= sizeof root_token - 1 && memcmp(p, root_token, sizeof root_token - 1) == 0) {
        *value = root;
        *len = sizeof root_token - 1;
        return OK;
    }
    if (left < 4 || p[0] != '{' || p[1] != '{') return OK;
    const uint8_t *close = memmem(p, left, "}}", 2);
    if (close == NULL) return err_set(err, E_DECODE, "cloud-init: '{{' without '}}'");
    bytes name = bytes_make(p + 2, (size_t)(close - p - 2));
    while (name.len > 0 && name.ptr[0] == ' ')
        name = bytes_make(name.ptr + 1, name.len - 1);
    while (name.len > 0 && name.ptr[name.len - 1] == ' ')
        name.len--;
    for (size_t i = 0; i < n; i++) {
        if (!bytes_eq_str(name, tokens[i].name)) continue;
        *value = tokens[i].value;
        *len = (size_t)(close + 2 - p);
        return OK;
    }
    return err_set(err, E_INVALID, "cloud-init: unknown token {{%.*s}}", (int)(name.len < 80 ? name.len : 80), (const char *)name.ptr);
}

enum status cloud_init_expand(struct buf *out, bytes document, const char *root, const struct instance_token *tokens, size_t n,
                              struct err *err)
{
    bool comment = false;
    for (size_t i = 0; i < document.len;) {
        const char *value = NULL;
        size_t len = 0;
        uint8_t c = document.ptr[i];
        /* a line that begins with '#' is the template engine's or a person's: nothing in it is ours */
        if (i == 0 || document.ptr[i - 1] == '\n') comment = c == '#';
        if (!comment && (c == '{' || c == '$')) {
            enum status s = token_at(&value, &len, document.ptr + i, document.len - i, root, tokens, n, err);
            if (s != OK) return s;
        }
        if (value == NULL) {
            buf_put_u8(out, c);
            i++;
        } else {
            buf_put_str(out, value);
            i += len;
        }
    }
    return buf_status(out);
}

/* an entry of write_files; f->data is the caller's to end */
static enum status read_one(struct cloud_file *f, const json_t *entry, const char *root, struct err *err)
{
    const char *path = json_string_value(json_object_get(entry, "path"));
    const char *content = json_string_value(json_object_get(entry, "content"));
    const char *encoding = json_string_value(json_object_get(entry, "encoding"));
    const json_t *perm = json_object_get(entry, "permissions");
    if (path == NULL || content == NULL) return err_set(err, E_INVALID, "cloud-init: an entry of write_files lacks path or content");
    size_t k = strlen(root);
    if (strncmp(path, root, k) != 0 || path[k] != '/' || strstr(path, "/../") != NULL)
        return err_set(err, E_DENIED, "cloud-init: '%s' is outside the instance's folder; begin it with ${POA_ROOT}/", path);
    if (strlen(path) >= sizeof f->path) return err_set(err, E_LIMIT, "cloud-init: the path '%.80s...' is over %zu characters", path, sizeof f->path - 1);
    (void)snprintf(f->path, sizeof f->path, "%s", path);
    f->mode = 0644;
    if (json_is_string(perm)) f->mode = (unsigned)strtoul(json_string_value(perm), NULL, 8) & 0777;
    if (encoding == NULL || strcmp(encoding, "text/plain") == 0) buf_put_str(&f->data, content);
    else if (strcmp(encoding, "b64") == 0 || strcmp(encoding, "base64") == 0) return base64_get(&f->data, bytes_str(content), false);
    else return err_set(err, E_UNSUPPORTED, "cloud-init: encoding '%s' of %s; b64 or text/plain is read", encoding, path);
    return buf_status(&f->data);
}

static enum status write_one(const json_t *entry, const char *root, struct err *err)
{
    struct cloud_file f;
    char dir[sizeof f.path];
    buf_init(&f.data, CONTENT_MAX);
    enum status s = read_one(&f, entry, root, err);
    if (s == OK) {
        (void)snprintf(dir, sizeof dir, "%s", f.path);
        *strrchr(dir, '/') = '\0';
        s = file_mkdirs(dir, 0755, err);
    }
    if (s == OK) s = file_write_atomic(f.path, buf_view(&f.data), f.mode, err);
    buf_fini(&f.data);
    return s;
}

static enum status check_command(const json_t *cmd, struct err *err)
{
    size_t n = json_array_size(cmd);
    bool good = json_is_array(cmd) && n > 0 && n <= ARGS_MAX;
    for (size_t i = 0; good && i < n; i++)
        good = json_is_string(json_array_get(cmd, i));
    return good ? OK : err_set(err, E_INVALID, "cloud-init: each entry of runcmd is a list of 1 to %d words", ARGS_MAX);
}

static enum status run_one(const json_t *cmd, struct err *err)
{
    const char *argv[ARGS_MAX + 1] = {NULL};
    for (size_t i = 0; i < json_array_size(cmd); i++)
        argv[i] = json_string_value(json_array_get(cmd, i));
    pid_t pid = fork();
    if (pid < 0) return err_set(err, E_IO, "fork: %s", strerror(errno));
    if (pid == 0) {
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return OK;
    return err_set(err, E_IO, "cloud-init: the command '%s' failed with %d", argv[0], WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status));
}

enum status cloud_init_apply(json_t **argv, bytes expanded, const char *root, struct err *err)
{
    json_t *doc = NULL;
    enum status s = yaml_get(&doc, expanded, err);
    if (s != OK) return s;
    json_t *files = json_object_get(doc, "write_files"), *run = json_object_get(doc, "runcmd");
    size_t n = json_array_size(run);
    for (size_t i = 0; s == OK && i < json_array_size(files); i++)
        s = write_one(json_array_get(files, i), root, err);
    for (size_t i = 0; s == OK && i < n; i++) {
        s = check_command(json_array_get(run, i), err);
        if (s == OK && i + 1 < n) s = run_one(json_array_get(run, i), err);
    }
    if (s == OK && n == 0) s = err_set(err, E_INVALID, "cloud-init: runcmd is missing: its last entry is the instance's program");
    if (s == OK) *argv = json_incref(json_array_get(run, n - 1));
    json_decref(doc);
    return s;
}

void cloud_files_fini(struct cloud_file *files, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_fini(&files[i].data);
}

enum status cloud_init_files(struct cloud_file *files, size_t *n, size_t max, json_t **argv, bytes expanded, struct err *err)
{
    json_t *doc = NULL;
    size_t k = 0;
    enum status s = yaml_get(&doc, expanded, err);
    if (s != OK) return s;
    json_t *list = json_object_get(doc, "write_files"), *run = json_object_get(doc, "runcmd");
    if (json_array_size(list) > max) s = err_set(err, E_LIMIT, "cloud-init: more than %zu files", max);
    for (size_t i = 0; s == OK && i < json_array_size(list); i++) {
        buf_init(&files[k].data, CONTENT_MAX);
        s = read_one(&files[k++], json_array_get(list, i), "", err);
    }
    if (s == OK && json_array_size(run) != 1) s = err_set(err, E_UNSUPPORTED, "cloud-init: a host runs one command, the node; runcmd has %zu", json_array_size(run));
    if (s == OK) s = check_command(json_array_get(run, 0), err);
    if (s == OK) {
        *argv = json_incref(json_array_get(run, 0));
        *n = k;
    } else {
        cloud_files_fini(files, k);
    }
    json_decref(doc);
    return s;
}
