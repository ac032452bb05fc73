#include "lib/codec/yaml.h"

#include "lib/base/buf.h"
#include "lib/base/file.h"

#include <yaml.h>

enum { DEPTH_MAX = 64, FILE_MAX = 4 << 20 };

struct reader {
    yaml_parser_t parser;
    struct err *err;
};

static enum status fail_at(struct reader *r, yaml_mark_t at, const char *what)
{
    return err_set(r->err, E_DECODE, "YAML: line %zu, column %zu: %s", at.line + 1, at.column + 1, what);
}

/* the next event; the caller deletes it on OK */
static enum status next(struct reader *r, yaml_event_t *e)
{
    if (yaml_parser_parse(&r->parser, e)) return OK;
    if (r->parser.error == YAML_MEMORY_ERROR) return err_set(r->err, E_NOMEM, "YAML: out of memory");
    yaml_mark_t at = r->parser.problem_mark;
    if (r->parser.error == YAML_READER_ERROR)
        return err_set(r->err, E_DECODE, "YAML: byte %zu: %s", r->parser.problem_offset, r->parser.problem);
    return fail_at(r, at, r->parser.problem != NULL ? r->parser.problem : "malformed");
}

/* -?(0|[1-9][0-9]*) that fits a json_int_t */
static bool get_int(json_int_t *out, const char *s, size_t len)
{
    size_t i = len > 0 && s[0] == '-';
    if (i == len || len - i > 19 || (s[i] == '0' && len > i + 1) || (i == 1 && s[1] == '0')) return false;
    uint64_t v = 0;
    for (size_t k = i; k < len; k++) {
        if (s[k] < '0' || s[k] > '9') return false;
        v = v * 10 + (uint64_t)(s[k] - '0');
    }
    if (v > INT64_MAX) return false;
    *out = i == 1 ? -(json_int_t)v : (json_int_t)v;
    return true;
}

static bool is_word(const char *s, size_t len, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strlen(words[i]) == len && memcmp(s, words[i], len) == 0) return true;
    return false;
}

/* the value of a plain scalar; NULL: it is text */
static json_t *plain_value(const char *s, size_t len)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"}, *const trues[] = {"true", "True", "TRUE"},
                             *const falses[] = {"false", "False", "FALSE"};
    json_int_t v;
    if (is_word(s, len, nulls, COUNT_OF(nulls))) return json_null();
    if (is_word(s, len, trues, COUNT_OF(trues))) return json_true();
    if (is_word(s, len, falses, COUNT_OF(falses))) return json_false();
    return get_int(&v, s, len) ? json_integer(v) : NULL;
}

static enum status check_tag(struct reader *r, const yaml_event_t *e, const yaml_char_t *tag, const yaml_char_t *anchor, bool is_scalar)
{
    if (anchor != NULL) return fail_at(r, e->start_mark, "anchors are not allowed");
    if (tag == NULL) return OK;
    const char *t = (const char *)tag;
    if (is_scalar && (strcmp(t, "tag:yaml.org,2002:str") == 0 || strcmp(t, "!") == 0)) return OK;
    return fail_at(r, e->start_mark, "tags are not allowed");
}

static enum status get_scalar(json_t **out, struct reader *r, const yaml_event_t *e)
{
    const char *s = (const char *)e->data.scalar.value;
    size_t len = e->data.scalar.length;
    enum status st = check_tag(r, e, e->data.scalar.tag, e->data.scalar.anchor, true);
    if (st != OK) return st;
    if (memchr(s, '\0', len) != NULL) return fail_at(r, e->start_mark, "NUL is not allowed");
    json_t *v = NULL;
    if (e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && e->data.scalar.tag == NULL) v = plain_value(s, len);
    if (v == NULL) v = json_stringn(s, len);
    if (v == NULL) return err_set(r->err, E_NOMEM, "YAML: out of memory");
    *out = v;
    return OK;
}

static enum status get_node(json_t **out, struct reader *r, const yaml_event_t *e, unsigned depth);

static enum status get_sequence(json_t *list, struct reader *r, unsigned depth)
{
    for (;;) {
        yaml_event_t e;
        json_t *v;
        enum status s = next(r, &e);
        if (s != OK) return s;
        bool is_end = e.type == YAML_SEQUENCE_END_EVENT;
        if (!is_end) s = get_node(&v, r, &e, depth);
        yaml_event_delete(&e);
        if (s != OK || is_end) return s;
        if (json_array_append_new(list, v) != 0) return err_set(r->err, E_NOMEM, "YAML: out of memory");
    }
}

static enum status get_member(json_t *map, struct reader *r, const yaml_event_t *key, unsigned depth)
{
    if (key->type != YAML_SCALAR_EVENT) return fail_at(r, key->start_mark, "a key must be a scalar");
    const char *name = (const char *)key->data.scalar.value;
    size_t len = key->data.scalar.length;
    enum status s = check_tag(r, key, key->data.scalar.tag, key->data.scalar.anchor, true);
    if (s != OK) return s;
    if (memchr(name, '\0', len) != NULL) return fail_at(r, key->start_mark, "NUL is not allowed");
    if (key->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && strcmp(name, "<<") == 0)
        return fail_at(r, key->start_mark, "merge keys are not allowed");
    if (json_object_get(map, name) != NULL) return fail_at(r, key->start_mark, "this key stands twice");
    yaml_event_t e;
    json_t *v;
    s = next(r, &e);
    if (s != OK) return s;
    s = get_node(&v, r, &e, depth);
    yaml_event_delete(&e);
    if (s == OK && json_object_set_new(map, name, v) != 0) s = err_set(r->err, E_NOMEM, "YAML: out of memory");
    return s;
}

static enum status get_mapping(json_t *map, struct reader *r, unsigned depth)
{
    for (;;) {
        yaml_event_t e;
        enum status s = next(r, &e);
        if (s != OK) return s;
        bool is_end = e.type == YAML_MAPPING_END_EVENT;
        if (!is_end) s = get_member(map, r, &e, depth);
        yaml_event_delete(&e);
        if (s != OK || is_end) return s;
    }
}

static enum status get_node(json_t **out, struct reader *r, const yaml_event_t *e, unsigned depth)
{
    if (e->type == YAML_SCALAR_EVENT) return get_scalar(out, r, e);
    if (e->type == YAML_ALIAS_EVENT) return fail_at(r, e->start_mark, "aliases are not allowed");
    if (depth == DEPTH_MAX) return fail_at(r, e->start_mark, "nested too deep");
    bool is_map = e->type == YAML_MAPPING_START_EVENT;
    enum status s = is_map ? check_tag(r, e, e->data.mapping_start.tag, e->data.mapping_start.anchor, false)
                           : check_tag(r, e, e->data.sequence_start.tag, e->data.sequence_start.anchor, false);
    if (s != OK) return s;
    json_t *v = is_map ? json_object() : json_array();
    if (v == NULL) return err_set(r->err, E_NOMEM, "YAML: out of memory");
    s = is_map ? get_mapping(v, r, depth + 1) : get_sequence(v, r, depth + 1);
    if (s == OK)
        *out = v;
    else
        json_decref(v);
    return s;
}

/* stream start, then nothing or one document, then stream end */
static enum status get_stream(json_t **out, struct reader *r)
{
    json_t *doc = NULL;
    enum status s = OK;
    for (bool done = false; s == OK && !done;) {
        yaml_event_t e;
        s = next(r, &e);
        if (s != OK) break;
        done = e.type == YAML_STREAM_END_EVENT;
        bool is_frame = done || e.type == YAML_STREAM_START_EVENT || e.type == YAML_DOCUMENT_END_EVENT;
        if (e.type == YAML_DOCUMENT_START_EVENT && doc != NULL)
            s = fail_at(r, e.start_mark, "more than one document");
        else if (!is_frame && e.type != YAML_DOCUMENT_START_EVENT)
            s = get_node(&doc, r, &e, 0);
        yaml_event_delete(&e);
    }
    if (s != OK) {
        json_decref(doc);
        return s;
    }
    *out = doc != NULL ? doc : json_null();
    return OK;
}

enum status yaml_get(json_t **out, bytes text, struct err *err)
{
    struct reader r = {.err = err};
    if (!yaml_parser_initialize(&r.parser)) return err_set(err, E_NOMEM, "YAML: out of memory");
    yaml_parser_set_input_string(&r.parser, text.len > 0 ? text.ptr : (const uint8_t *)"", text.len);
    enum status s = get_stream(out, &r);
    yaml_parser_delete(&r.parser);
    return s;
}

enum status yaml_get_file(json_t **out, const char *path, struct err *err)
{
    struct buf text;
    struct err why = {0};
    buf_init(&text, FILE_MAX);
    enum status s = file_read(&text, path, err);
    if (s == OK) {
        s = yaml_get(out, buf_view(&text), &why);
        if (s != OK) s = err_set(err, s, "%s: %s", path, err_text(&why));
    }
    buf_fini(&text);
    return s;
}
