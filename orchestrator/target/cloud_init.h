/* cloud_init.h: enough of cloud-init's user data to boot an instance as a process: `write_files` (path, permissions, content, encoding b64)
 * and `runcmd`, of which the last entry is the instance's foreground program. A path below /etc, /var or /run is taken below the instance's
 * root folder, so that many instances fit on one machine; tokens {{instance.x}} are replaced first. What is written here on this machine
 * is what cloud-init itself writes on a VM. */
#ifndef ORCHESTRATOR_TARGET_CLOUD_INIT_H
#define ORCHESTRATOR_TARGET_CLOUD_INIT_H

#include <jansson.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

struct instance_token {
    const char *name, *value; /* "instance.index" -> "0" */
};

/** cloud_init_expand: the document with each {{name}} replaced; an unknown token is an error that names it */
MUST_CHECK enum status cloud_init_expand(struct buf *out, bytes document, const struct instance_token *tokens, size_t n, struct err *err);
/** cloud_init_apply: parse, write the files below root, and give the last runcmd as an argument list (malloc'ed strings, NULL-terminated). */
MUST_CHECK enum status cloud_init_apply(char ***argv, bytes expanded, const char *root, struct err *err);
void argv_free(char **argv);

#endif
