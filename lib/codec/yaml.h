/* yaml.h: YAML (by libyaml) to jansson's json_t, for configuration files that people write.
 *
 * One document; mappings with scalar keys, sequences, scalars. Plain scalars are null (~, null, empty), true, false, or a decimal
 * integer in its shortest form (-?0 or no leading zero, 63 bits), as in YAML 1.2's core schema. Everything else is a string: quoted and block
 * scalars, and, other than in the core schema, 0x..., 0o..., 0755 and fractions: addresses, hashes and file modes are written
 * so, and no number of ours is a fraction. Keys are always strings. No content is json_null.
 *
 * Refused: duplicate keys, anchors, aliases and merge keys, tags (but !!str), several documents, NUL, nesting over 64. */
#ifndef LIB_CODEC_YAML_H
#define LIB_CODEC_YAML_H

#include "lib/base/bytes.h"
#include "lib/base/err.h"

#include <jansson.h>

/** yaml_get: ret OK | E_DECODE: err has "YAML: line 3, column 5: ..." | E_NOMEM;  owns: json_decref;  cost O(text) */
MUST_CHECK enum status yaml_get(json_t **out, bytes text, struct err *err);
/** yaml_get_file: a file of at most 4 MiB.  ret OK | E_NOT_FOUND, E_IO, E_LIMIT | as yaml_get; err begins with the path */
MUST_CHECK enum status yaml_get_file(json_t **out, const char *path, struct err *err);

#endif
