/* settings.h: what the user asked for: flags > file > defaults. All that is wrong is found in one go: each problem names the flag or the YAML
 * path, the value, and what is allowed. The table is settings.def; --help prints it. */
#ifndef ORCHESTRATOR_SETTINGS_SETTINGS_H
#define ORCHESTRATOR_SETTINGS_SETTINGS_H

#include <jansson.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/eth/types.h"

enum setting_kind { SETTING_INT, SETTING_ENUM, SETTING_BOOL, SETTING_STR, SETTING_LIST, SETTING_ADDR, SETTING_URL, SETTING_FILE };

enum setting_id {
#define S(field, kind, path, flag, def, allowed, name, help) SETTING_ID_##field,
#include "orchestrator/settings/settings.def"
#undef S
    SETTING_N
};

struct setting_info {
    const char *field;
    enum setting_kind kind;
    const char *path, *flag, *def, *allowed, *name, *help;
};
extern const struct setting_info SETTING_TABLE[SETTING_N];

struct settings {
    char *value[SETTING_N];     /* text as given or default; never NULL; malloc */
    char origin[SETTING_N][64]; /* "--nodes", "size.nodes in consortium.yaml", "default" */
    json_t *problems;           /* array of strings */
    json_t *wrong;              /* keeps the text of the last refused answer */
};

void settings_init(struct settings *s);
void settings_fini(struct settings *s);
/** settings_take_file: values of a YAML file's content; an unknown key or a wrong type is a problem. Flags that were set stay. */
void settings_take_file(struct settings *s, const char *file_name, bytes yaml);
/** settings_take_flag: "--nodes" with its value; false when no setting has that flag. */
bool settings_take_flag(struct settings *s, const char *flag, const char *value);
/** settings_check: every value against its rule, and rules between values. join: for `join` (needs --data-url).
 *  ret OK | E_INVALID: problems say all */
MUST_CHECK enum status settings_check(struct settings *s, bool join);
/** settings_answer: take a value that a person typed for one setting. ret true; or false: it breaks the setting's own rule, *why (valid until the
 *  next call) says what is allowed, and the value before stands. */
bool settings_answer(struct settings *s, enum setting_id id, const char *value, const char **why);
PRINTF_LIKE(2, 3) void settings_problem(struct settings *s, const char *fmt, ...);

const char *settings_get(const struct settings *s, enum setting_id id);
/** settings_get_int: of a checked INT */
uint64_t settings_get_int(const struct settings *s, enum setting_id id);
bool settings_is_default(const struct settings *s, enum setting_id id);
/** settings_location: name of region r (1..5) */
const char *settings_location(const struct settings *s, unsigned r, char dst[static 64]);
/** settings_put_yaml: the resolved settings as a YAML document, without secrets */
void settings_put_yaml(const struct settings *s, struct buf *out);
/** settings_diff: append {"path", "recorded", "wanted"} for each setting with another value; all: also those that wanted has by default only */
void settings_diff(json_t *out, const struct settings *wanted, const struct settings *recorded, bool all);
#define SETTING(s, field) settings_get((s), SETTING_ID_##field)
#define SETTING_INT_OF(s, field) settings_get_int((s), SETTING_ID_##field)

#endif
