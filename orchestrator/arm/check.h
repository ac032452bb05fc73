/* check.h: mistakes in a folder of templates that Azure's marketplace would refuse, under the names that its test toolkit gives
 * to them: rules of templates, parameter files and user interface definitions. The table is rules.def.
 *
 * A finding is {"rule": "Variables-Must-Be-Referenced", "file": "nested/x.json", "path": "variables.y", "reason": text}. */
#ifndef ORCHESTRATOR_ARM_CHECK_H
#define ORCHESTRATOR_ARM_CHECK_H

#include <jansson.h>

#include "lib/base/err.h"

/** arm_check_dir: mainTemplate.json, createUiDefinition.json, parameter files (*.parameters.json) and nested/ of dir.
 *  out  findings  array, empty if all is well; in the order of files and rules
 *  in   now_s     the day that ages of API versions are counted from
 *  ret  OK, also with findings | E_NOT_FOUND: no mainTemplate.json | E_IO
 */
MUST_CHECK enum status arm_check_dir(json_t **findings, const char *dir, uint64_t now_s,
                                     struct err *err);
/** arm_check_template, _ui, _parameters: the rules of one document; findings are appended. is_main: not a linked template. */
MUST_CHECK enum status arm_check_template(json_t *findings, const char *file, const json_t *tmpl,
                                          bool is_main, uint64_t now_s);
MUST_CHECK enum status arm_check_ui(json_t *findings, const char *file, const json_t *ui,
                                    const json_t *main_template);
MUST_CHECK enum status arm_check_parameters(json_t *findings, const char *file, const json_t *doc);

struct arm_rule {
    const char *name, *kind, *help; /* kind: all, template, ui, parameters */
};
/** arm_check_rules: the table; *n entries, static */
const struct arm_rule *arm_check_rules(size_t *n);

#endif
