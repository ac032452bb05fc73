/* yaml_doc.h: a YAML or JSON file of settings, by lib/codec/yaml.h; errors begin with its path. */
#ifndef IDENTITY_STORE_YAML_DOC_H
#define IDENTITY_STORE_YAML_DOC_H

#include "lib/base/err.h"

#include <jansson.h>

/** yaml_doc_read: an empty file is an empty object.  ret OK | E_NOT_FOUND, E_IO | E_LIMIT: over 4 MiB | E_DECODE;  owns: json_decref */
MUST_CHECK enum status yaml_doc_read(json_t **out, const char *path, struct err *err);

#endif
