#include "identity-store/yaml_doc.h"

#include "lib/base/buf.h"
#include "lib/base/file.h"
#include "lib/base/secret.h"

#include <errno.h>
#include <yaml.h>

enum { FILE_MAX = 4 << 20, DEPTH_MAX = 16 };

struct reader {
    yaml_parser_t parser;
    const char *path;
    struct err *err;
    unsigned depth;
};

static json_t *read_node(struct reader *r, const yaml_event_t *e);

static void fail(struct reader *r, const yaml_mark_t *at, const char *what)
{
    err_set(r->err, E_DECODE, "%s: line %zu: %s", r->path, at->line + 1, what);
}

static bool next(struct reader *r, yaml_event_t *e)
{
    if (yaml_parser_parse(&r->parser, e)) return true;
    fail(r, &r->parser.problem_mark, r->parser.problem ? r->parser.problem : "malformed YAML");
    return false;
}

static json_t *plain_scalar(const char *s)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    static const char *const trues[] = {"true", "True", "TRUE"}, *const falses[] = {"false", "False", "FALSE"};
    for (size_t i = 0; i < COUNT_OF(nulls); i++)
        if (strcmp(s, nulls[i]) == 0) return json_null();
    for (size_t i = 0; i < COUNT_OF(trues); i++) {
        if (strcmp(s, trues[i]) == 0) return json_true();
        if (strcmp(s, falses[i]) == 0) return json_false();
    }
    size_t digits = strspn(s + (*s == '-'), "0123456789");
    if (digits > 0 && s[(*s == '-') + digits] == 0) {
        char *end;
        errno = 0;
        long long v = strtoll(s, &end, 10);
        if (errno == 0 && *end == 0) return json_integer(v);
    }
    return json_string(s);
}

static json_t *read_scalar(struct reader *r, const yaml_event_t *e)
{
    const char *s = (const char *)e->data.scalar.value;
    if (strlen(s) != e->data.scalar.length) {
        fail(r, &e->start_mark, "a NUL character");
        return NULL;
    }
    json_t *v = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE ? plain_scalar(s) : json_string(s);
    if (v == NULL) fail(r, &e->start_mark, "text that is not UTF-8");
    return v;
}

static json_t *read_list(struct reader *r)
{
    json_t *list = json_array();
    for (;;) {
        yaml_event_t e;
        if (!next(r, &e)) break;
        bool end = e.type == YAML_SEQUENCE_END_EVENT;
        json_t *v = end ? NULL : read_node(r, &e);
        yaml_event_delete(&e);
        if (end) return list;
        if (v == NULL || json_array_append_new(list, v) != 0) break;
    }
    json_decref(list);
    return NULL;
}

static json_t *read_map(struct reader *r)
{
    json_t *map = json_object();
    for (;;) {
        yaml_event_t k, e;
        if (!next(r, &k)) break;
        bool end = k.type == YAML_MAPPING_END_EVENT, ok = k.type == YAML_SCALAR_EVENT;
        const char *key = ok ? (const char *)k.data.scalar.value : "";
        if (!end && !ok) fail(r, &k.start_mark, "a key must be text");
        if (ok && json_object_get(map, key) != NULL) {
            fail(r, &k.start_mark, "a key stands twice");
            ok = false;
        }
        if (ok && next(r, &e)) {
            json_t *v = read_node(r, &e);
            yaml_event_delete(&e);
            ok = v != NULL && json_object_set_new(map, key, v) == 0;
        } else {
            ok = false;
        }
        yaml_event_delete(&k);
        if (end) return map;
        if (!ok) break;
    }
    json_decref(map);
    return NULL;
}

static json_t *read_node(struct reader *r, const yaml_event_t *e)
{
    json_t *v = NULL;
    if (++r->depth > DEPTH_MAX) {
        fail(r, &e->start_mark, "nested too deep");
    } else if (e->type == YAML_SCALAR_EVENT) {
        v = read_scalar(r, e);
    } else if (e->type == YAML_SEQUENCE_START_EVENT) {
        v = read_list(r);
    } else if (e->type == YAML_MAPPING_START_EVENT) {
        v = read_map(r);
    } else {
        fail(r, &e->start_mark, "anchors and aliases are not taken");
    }
    r->depth--;
    return v;
}

static json_t *read_stream(struct reader *r)
{
    json_t *doc = NULL;
    yaml_event_t e;
    for (;;) {
        if (!next(r, &e)) break;
        yaml_event_type_t t = e.type;
        bool skip = t == YAML_STREAM_START_EVENT || t == YAML_DOCUMENT_START_EVENT || t == YAML_DOCUMENT_END_EVENT;
        bool end = t == YAML_STREAM_END_EVENT, second = !skip && !end && doc != NULL;
        bool good = true;
        if (second) {
            fail(r, &e.start_mark, "a second document");
            good = false;
        } else if (!skip && !end) {
            doc = read_node(r, &e);
            good = doc != NULL;
        }
        yaml_event_delete(&e);
        if (end) return doc ? doc : json_object();
        if (!good) break;
    }
    json_decref(doc);
    return NULL;
}

enum status yaml_doc_read(json_t **out, const char *path, struct err *err)
{
    struct buf text;
    buf_init(&text, FILE_MAX);
    enum status s = file_read(&text, path, err);
    struct reader r = {.path = path, .err = err};
    if (s == OK && yaml_parser_initialize(&r.parser)) {
        yaml_parser_set_input_string(&r.parser, text.len ? text.ptr : (const uint8_t *)"", text.len);
        json_t *doc = read_stream(&r);
        yaml_parser_delete(&r.parser);
        if (doc != NULL) *out = doc;
        else s = E_DECODE;
    }
    secret_wipe(text.ptr, text.len);
    buf_fini(&text);
    return s;
}
