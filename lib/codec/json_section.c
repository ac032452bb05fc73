#include "lib/codec/json_section.h"

enum status json_section_check(const struct json_section *known, const struct json_at *at, const char *name, struct err *err)
{
    const char *keys = "";
    for (; known->name != NULL; known++)
        if (strcmp(known->name, name) == 0) keys = known->keys;
    enum status s = json_at_object(at, err);
    void *iter = NULL;
    struct json_at member;
    while (s == OK && json_at_next(&member, at, &iter)) {
        char word[80];
        (void)snprintf(word, sizeof word, " %.70s ", member.key);
        if (strchr(member.key, ' ') != NULL || strstr(keys, word) == NULL) s = json_at_fail(&member, err, "no such setting; allowed here are%s", keys);
    }
    return s;
}

enum status json_section_get(struct json_at *out, bool *has, const struct json_section *known, const struct json_at *up, const char *name, struct err *err)
{
    *has = json_at_member(out, up, name) && !json_at_is_null(out);
    return *has ? json_section_check(known, out, name, err) : OK;
}

enum status json_section_text(const char **out, const struct json_at *at, const char *key, struct err *err)
{
    struct json_at m;
    if (!json_at_member(&m, at, key) || json_at_is_null(&m)) return OK;
    return json_at_text(out, &m, err);
}

enum status json_section_number(uint64_t *out, const struct json_at *at, const char *key, uint64_t min, uint64_t max, struct err *err)
{
    struct json_at m;
    uint64_t v;
    if (!json_at_member(&m, at, key) || json_at_is_null(&m)) return OK;
    enum status s = json_at_u64(&v, &m, err);
    if (s == OK && (v < min || v > max)) s = json_at_fail(&m, err, "%llu to %llu", (unsigned long long)min, (unsigned long long)max);
    if (s == OK) *out = v;
    return s;
}

enum status json_section_need(const char *value, const char *path, struct err *err)
{
    return value != NULL && *value != '\0' ? OK : err_set(err, E_INVALID, "%s: is missing", path);
}
