#include "orchestrator/target/cloud_init.h"

#include "lib/base/file.h"
#include "lib/codec/yaml.h"
#include "lib/crypto/aead.h"

enum { CONTENT_MAX = 16 << 20, ARGS_MAX = 64 };

enum status cloud_init_expand(struct buf *out, bytes document, const struct instance_token *tokens, size_t n, struct err *err)
{
    const uint8_t *p = document.ptr, *end = document.ptr + document.len;
    while (p < end) {
        const uint8_t *open = memmem(p, (size_t)(end - p), "{{", 2);
        if (open == NULL) break;
        buf_put(out, p, (size_t)(open - p));
        const uint8_t *close = memmem(open, (size_t)(end - open), "}}", 2);
        if (close == NULL) return err_set(err, E_DECODE, "cloud-init: '{{' without '}}'");
        bytes name = bytes_make(open + 2, (size_t)(close - open - 2));
        while (name.len > 0 && name.ptr[0] == ' ')
            name = bytes_make(name.ptr + 1, name.len - 1);
        while (name.len > 0 && name.ptr[name.len - 1] == ' ')
            name.len--;
        size_t i = 0;
        while (i < n && !bytes_eq_str(name, tokens[i].name))
            i++;
        if (i == n) return err_set(err, E_INVALID, "cloud-init: unknown token {{%.*s}}", (int)(name.len < 80 ? name.len : 80), (const char *)name.ptr);
        buf_put_str(out, tokens[i].value);
        p = close + 2;
    }
    buf_put(out, p, (size_t)(end - p));
    return buf_status(out);
}

void argv_free(char **argv)
{
    for (size_t i = 0; argv != NULL && argv[i] != NULL; i++)
        free(argv[i]);
    free(argv);
}

/* folders that belong to the instance; everything else is the machine's own */
static bool is_of_instance(const char *path)
{
    static const char *const own[] = {"/etc/", "/var/", "/run/"};
    for (size_t i = 0; i < COUNT_OF(own); i++)
        if (strncmp(path, own[i], strlen(own[i])) == 0) return true;
    return false;
}

static void rooted(char dst[static 4096], const char *path, const char *root)
{
    if (is_of_instance(path)) (void)snprintf(dst, 4096, "%s%s", root, path);
    else (void)snprintf(dst, 4096, "%s", path);
}

/* paths inside a file's content: the instance's own folders are moved below root, wherever one begins */
static void put_rooted_text(struct buf *out, bytes text, const char *root)
{
    for (size_t i = 0; i < text.len; i++) {
        char head[6] = "";
        size_t left = text.len - i;
        memcpy(head, text.ptr + i, left < 5 ? left : 5);
        bool boundary = i == 0 || text.ptr[i - 1] == ' ' || text.ptr[i - 1] == '"' || text.ptr[i - 1] == '\'' || text.ptr[i - 1] == '=';
        if (boundary && is_of_instance(head)) buf_put_str(out, root);
        buf_put_u8(out, text.ptr[i]);
    }
}

static enum status write_one(const json_t *f, const char *root, struct err *err)
{
    const char *path = json_string_value(json_object_get(f, "path"));
    const char *content = json_string_value(json_object_get(f, "content"));
    const char *encoding = json_string_value(json_object_get(f, "encoding"));
    json_t *perm = json_object_get(f, "permissions");
    if (path == NULL || path[0] != '/' || strstr(path, "..") != NULL || content == NULL)
        return err_set(err, E_INVALID, "cloud-init: write_files wants an absolute path and content");
    unsigned mode = 0644;
    if (json_is_string(perm)) mode = (unsigned)strtoul(json_string_value(perm), NULL, 8) & 0777;
    struct buf data, text;
    buf_init(&data, CONTENT_MAX);
    buf_init(&text, CONTENT_MAX);
    enum status s = OK;
    if (encoding != NULL && (strcmp(encoding, "b64") == 0 || strcmp(encoding, "base64") == 0))
        s = base64_get(&data, bytes_str(content), false);
    else if (encoding != NULL && strcmp(encoding, "text/plain") != 0)
        s = err_set(err, E_UNSUPPORTED, "cloud-init: encoding '%s' of %s", encoding, path);
    else buf_put_str(&data, content);
    char full[4096], dir[4096];
    rooted(full, path, root);
    put_rooted_text(&text, buf_view(&data), root);
    if (s == OK) s = buf_status(&text);
    (void)snprintf(dir, sizeof dir, "%s", full);
    *strrchr(dir, '/') = '\0';
    if (s == OK && dir[0] != '\0') s = file_mkdirs(dir, 0755, err);
    if (s == OK) s = file_write_atomic(full, buf_view(&text), mode, err);
    buf_fini(&text);
    buf_fini(&data);
    return s;
}

static enum status make_argv(char ***out, const json_t *cmd, const char *root, struct err *err)
{
    size_t n = json_array_size(cmd);
    if (n == 0 || n > ARGS_MAX)
        return err_set(err, E_INVALID, "cloud-init: the last runcmd must be a list of 1 to %d words: the instance's program", ARGS_MAX);
    char **argv = calloc(n + 1, sizeof *argv);
    if (argv == NULL) return E_NOMEM;
    for (size_t i = 0; i < n; i++) {
        const char *word = json_string_value(json_array_get(cmd, i));
        char full[4096];
        if (word == NULL) {
            argv_free(argv);
            return err_set(err, E_INVALID, "cloud-init: runcmd holds something that is no text");
        }
        rooted(full, word, root);
        argv[i] = strdup(full);
        if (argv[i] == NULL) {
            argv_free(argv);
            return E_NOMEM;
        }
    }
    *out = argv;
    return OK;
}

enum status cloud_init_apply(char ***argv, bytes expanded, const char *root, struct err *err)
{
    json_t *doc = NULL;
    enum status s = yaml_get(&doc, expanded, err);
    if (s != OK) return s;
    json_t *files = json_object_get(doc, "write_files"), *run = json_object_get(doc, "runcmd");
    for (size_t i = 0; s == OK && i < json_array_size(files); i++)
        s = write_one(json_array_get(files, i), root, err);
    if (s == OK) s = make_argv(argv, json_array_get(run, json_array_size(run) - 1), root, err);
    json_decref(doc);
    return s;
}
