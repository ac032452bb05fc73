/* arm.h: an evaluator of the Azure Resource Manager template language. One template serves all targets: Azure evaluates
 * it itself, `local` and `ssh` launch what this evaluator makes of it: a flat list of plain resources.
 *
 *     template + parameters --arm_plan_new--> plan: parameters checked, copy loops expanded, false conditions dropped,
 *         nested and linked deployments flattened, resources in dependsOn order
 *     arm_plan_resource(i)  one plain resource, its expressions evaluated; ask for it when its turn to be created has come
 *     arm_plan_outputs      the outputs, once all resources are there
 *
 * Worked example: `{"type":"Microsoft.Storage/storageAccounts","name":"[concat('a', copyIndex())]","copy":{"name":"c",
 * "count":2}, ...}` gives two resources, `a0` and `a1`, each with `id` "/subscriptions/S/resourceGroups/G/providers/
 * Microsoft.Storage/storageAccounts/a0".
 *
 * A plain resource is a JSON object: type, apiVersion, name (full: "parent/child"), id, dependsOn (array of ids of the flat
 * list), and as written: location, properties, sku, kind, identity, tags, zones, plan, scope ...; never copy, condition,
 * comments. Deployment resources (Microsoft.Resources/deployments) are not in the list, what they deploy is.
 *
 * reference() and list*() go to callbacks. A callback answers E_AGAIN for a resource that does not exist yet. While
 * planning, that is no error: only the order of the resources is needed then (a reference() is an implicit dependency).
 * In arm_plan_resource and arm_plan_outputs it is one.
 *
 * uniqueString() and guid() are stable functions of their arguments, but not Azure's own (which are not published): 13
 * characters of base 32 of the Keccak-256 of the arguments, and a version 5 shaped GUID of the same.
 *
 * Limits: those of the service (256 parameters, 256 variables, 64 outputs, 800 resources, 24,576 characters an expression,
 * 5 levels of deployments) and 100 levels of nesting in an expression. Names of functions, parameters, variables, properties
 * and resource types compare without regard to case, as on Azure.
 *
 * Errors read `resources[2].properties.x: text; in expression '...' at position 12`. Not thread-safe; a plan keeps its
 * context's pointers. */
#ifndef ORCHESTRATOR_ARM_ARM_H
#define ORCHESTRATOR_ARM_ARM_H

#include <jansson.h>

#include "lib/base/err.h"

struct arm_context {
    const char *subscription_id; /* all strings are required unless it says NULL */
    const char *tenant_id;
    const char *resource_group;
    const char *location; /* of the resource group */
    const char *deployment_name;
    const char *
        template_uri; /* where deployment().properties.templateLink.uri points; NULL: ARM_TEMPLATE_URI */
    const json_t *environment; /* what environment() gives; NULL: arm_environment_public() */
    uint64_t utc_now_s;        /* utcNow() */
    void *arg;                 /* first to each callback below; each may be NULL */
    /** load: a linked template by its path relative to the main template's folder, e.g. "nested/vmss.json". New reference. */
    enum status (*load)(json_t **out, void *arg, const char *path, struct err *err);
    /** reference: `full` false: the runtime `properties` of the resource; true: the whole resource (identity, location ...).
     *  api_version NULL if not given. New reference. ret OK | E_AGAIN: not created yet | E_NOT_FOUND ... */
    enum status (*reference)(json_t **out, void *arg, const char *id, const char *api_version,
                             bool full, struct err *err);
    /** list: listKeys and its like; function is the name as written. body may be NULL. ret as reference. */
    enum status (*list)(json_t **out, void *arg, const char *function, const char *id,
                        const char *api_version, const json_t *body, struct err *err);
    /** new_guid: 16 bytes for newGuid(); NULL: from the kernel's generator. */
    void (*new_guid)(uint8_t dst[16], void *arg);
};

/** the address of the main template where none is given: never fetched, only what links are relative to */
#define ARM_TEMPLATE_URI "https://template.invalid/mainTemplate.json"

struct arm_plan;

/** arm_plan_new: check template and parameters, and lay out the resources.
 *  in   tmpl    borrowed, must not change while the plan lives
 *  in   params  {"name": {"value": ...}} or a whole parameter file; NULL: none. borrowed likewise
 *  ret  OK | E_INVALID, E_DECODE, E_LIMIT, E_UNSUPPORTED, E_NOT_FOUND: err says where. All wrong parameters are reported at
 *       once, separated by "; ".
 */
MUST_CHECK enum status arm_plan_new(struct arm_plan **out, const json_t *tmpl, const json_t *params,
                                    const struct arm_context *ctx, struct err *err);
void arm_plan_free(struct arm_plan *p);

/** arm_plan_count: resources of the flat list. */
size_t arm_plan_count(const struct arm_plan *p);
/** arm_plan_id, arm_plan_type: of resource i < count, known before anything exists; they live as long as the plan. */
const char *arm_plan_id(const struct arm_plan *p, size_t i);
const char *arm_plan_type(const struct arm_plan *p, size_t i);
/** arm_plan_resource: resource i, evaluated now. New reference. Resources that it depends on have a smaller i.
 *  ret OK | E_AGAIN: a reference() could not be answered | what arm_plan_new gives */
MUST_CHECK enum status arm_plan_resource(json_t **out, struct arm_plan *p, size_t i,
                                         struct err *err);
/** arm_plan_resources: all of them as one array; for a target whose reference callback can answer beforehand. */
MUST_CHECK enum status arm_plan_resources(json_t **out, struct arm_plan *p, struct err *err);
/** arm_plan_outputs: {"NAME": {"type": ..., "value": ...}}, conditions applied. A value that a secure parameter or list*()
 *  went into is refused (E_DENIED). */
MUST_CHECK enum status arm_plan_outputs(json_t **out, struct arm_plan *p, struct err *err);
/* --- the deployments that the plan is made of: 0 is the main template, then each nested or linked one that takes place ----------- */
size_t arm_plan_deployments(const struct arm_plan *p);
/** arm_plan_deployment_name: as the deployment resource is named. arm_plan_deployment_of: the deployment that resource i < count is written in. */
const char *arm_plan_deployment_name(const struct arm_plan *p, size_t deployment);
size_t arm_plan_deployment_of(const struct arm_plan *p, size_t i);
/** arm_plan_deployment_up: the deployment that it is nested in; 0 for the main one */
size_t arm_plan_deployment_up(const struct arm_plan *p, size_t deployment);
/** arm_plan_deployment_outputs: as arm_plan_outputs, of one deployment. */
MUST_CHECK enum status arm_plan_deployment_outputs(json_t **out, struct arm_plan *p, size_t deployment,
                                                   struct err *err);
/** arm_plan_parameter: the value of a parameter of the main template, default applied. New reference. */
MUST_CHECK enum status arm_plan_parameter(json_t **out, struct arm_plan *p, const char *name,
                                          struct err *err);

/** arm_inline: one self-contained template for a target that cannot fetch links (Azure without an artifacts location): each
 *  templateLink replaced by the template that ctx->load gives (inner scope), recursively; the two _artifacts parameters
 *  dropped. New reference. */
MUST_CHECK enum status arm_inline(json_t **out, const json_t *tmpl, const json_t *params,
                                  const struct arm_context *ctx, struct err *err);

/** arm_eval: one value (an expression, or JSON with expressions in it) without template; for tests and tools. */
MUST_CHECK enum status arm_eval(json_t **out, const json_t *value, const struct arm_context *ctx,
                                struct err *err);

/** arm_environment_public: environment() of the public cloud. New reference. */
json_t *arm_environment_public(void);

/* --- the cloud-init document in a scale set's osProfile.customData (base64) ------------------------------------------
 * It boots a node on every target: Azure's cloud-init reads it as it is (Jinja), `local` and `ssh` interpret this much of it:
 *   write_files: [{path, permissions: "0600", owner (ignored), content}]
 *   runcmd:      [[program, arg ...] ...]; each but the last runs to its end; the last is the node, in the foreground
 * `${POA_ROOT}` in a path, content or argument is the instance's own folder ("" on Azure). Tokens, spelled exactly so:
 *   {{instance.index}} {{instance.address}} {{instance.public_address}} {{instance.name}}
 * (a target without a second address gives its address for public_address). Lines that begin with '#' are for Jinja: skip them
 * before replacing tokens. templates/README.md has the parameters of mainTemplate.json and what reference() is asked for. */

#endif
