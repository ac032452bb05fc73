/* cloud_init.h: enough of cloud-init's user data to boot an instance as a process: `write_files` (path, permissions, content, encoding b64)
 * and `runcmd`: each command but the last runs to its end, the last is the instance's foreground program. `${POA_ROOT}` is the instance's own
 * folder (it is "" on a VM), so that many instances fit on one machine; tokens {{instance.x}} are replaced first. What is written here is
 * what cloud-init itself writes on a VM (orchestrator/arm/arm.h has the conventions). */
#ifndef ORCHESTRATOR_TARGET_CLOUD_INIT_H
#define ORCHESTRATOR_TARGET_CLOUD_INIT_H

#include <jansson.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

struct instance_token {
    const char *name, *value; /* "instance.index" -> "0" */
};

/** cloud_init_expand: the document with each {{name}} replaced, and ${POA_ROOT} by root; an unknown token is an error that names it */
MUST_CHECK enum status cloud_init_expand(struct buf *out, bytes document, const char *root,
                                         const struct instance_token *tokens, size_t n, struct err *err);
/** cloud_init_apply: parse, write the files (all below root, else E_DENIED), run the commands before the last, and give the last as a list of words.
 *  New reference. */
MUST_CHECK enum status cloud_init_apply(json_t **argv, bytes expanded, const char *root, struct err *err);

struct cloud_file {
    char path[4096];
    unsigned mode;
    struct buf data;
};

/** cloud_init_files: the same without writing: the files (at most max, cloud_files_fini them) and the only command, for a host that
 *  is somewhere else (root is ""). New reference. */
MUST_CHECK enum status cloud_init_files(struct cloud_file *files, size_t *n, size_t max, json_t **argv, bytes expanded, struct err *err);
void cloud_files_fini(struct cloud_file *files, size_t n);

#endif
