/* yaml_doc.h: a YAML file as a JSON document. Plain scalars are typed by YAML's core schema (null, booleans, integers), quoted ones are
 * text. No anchors, no tags, no second document; a duplicate key is an error. JSON is YAML, so JSON files are read too. */
#ifndef IDENTITY_STORE_YAML_DOC_H
#define IDENTITY_STORE_YAML_DOC_H

#include "lib/base/err.h"

#include <jansson.h>

/** yaml_doc_read: ret OK | E_NOT_FOUND, E_IO | E_LIMIT: over 4 MiB | E_DECODE (err: file and line);  owns: json_decref */
MUST_CHECK enum status yaml_doc_read(json_t **out, const char *path, struct err *err);

#endif
