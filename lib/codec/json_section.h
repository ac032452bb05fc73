/* json_section.h: configurations of sections, each with the keys that it may have: one that nobody knows is an error that names it.
 *
 *     static const struct json_section known[] = {{"", " chain log "}, {"log", " level file "}, {NULL, NULL}};
 *     s = json_section_check(known, &root, "", err);
 *     s = json_section_get(&log, &has, known, &root, "log", err);
 *     if (has) s = json_section_text(&c.file, &log, "file", err); */
#ifndef LIB_CODEC_JSON_SECTION_H
#define LIB_CODEC_JSON_SECTION_H

#include "lib/codec/json.h"

struct json_section {
    const char *name, *keys; /* the keys each between blanks; the last of a table has no name */
};

/** json_section_check: an object with keys of that section only.  ret OK | E_INVALID: the path of the one that is not, and what is allowed */
MUST_CHECK enum status json_section_check(const struct json_section *known, const struct json_at *at, const char *name, struct err *err);
/** json_section_get: a section that is there is checked; one that is not, or is null, leaves *has false. */
MUST_CHECK enum status json_section_get(struct json_at *out, bool *has, const struct json_section *known, const struct json_at *up, const char *name, struct err *err);
/** json_section_text: *out untouched when it is not there, or null */
MUST_CHECK enum status json_section_text(const char **out, const struct json_at *at, const char *key, struct err *err);
/** json_section_number: the same, min to max */
MUST_CHECK enum status json_section_number(uint64_t *out, const struct json_at *at, const char *key, uint64_t min, uint64_t max, struct err *err);
/** json_section_need: E_INVALID, with the path, for a text that was not given */
MUST_CHECK enum status json_section_need(const char *value, const char *path, struct err *err);

#endif
