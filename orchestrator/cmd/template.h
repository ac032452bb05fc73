/* template.h: settings and network -> parameters of templates/mainTemplate.json -> resolved resources and outputs, as the target answers. */
#ifndef ORCHESTRATOR_CMD_TEMPLATE_H
#define ORCHESTRATOR_CMD_TEMPLATE_H

#include "orchestrator/cmd/cmd.h"
#include "orchestrator/target/target.h"

struct template_input {
    const struct settings *settings;
    const char *share_dir;
    struct target *target;
    bool is_join;
    address admin;
    uint64_t network_id;
    const char *genesis_hash; /* "0x..." */
    const address *validators;
    size_t n_validators;
};

/** template_resolve: resources: array of plain resources; outputs: {"NAME": value}. New references. */
MUST_CHECK enum status template_resolve(json_t **resources, json_t **outputs, const struct template_input *in, struct err *err);

/** template_submission: what a target that submits the template gets: the template in one piece, and its parameters. New references. */
MUST_CHECK enum status template_submission(json_t **tmpl, json_t **params, const struct template_input *in, struct err *err);
/** template_load: a file below templates/ as JSON. New reference. */
MUST_CHECK enum status template_load(json_t **out, const char *share_dir, const char *path, struct err *err);

#endif
