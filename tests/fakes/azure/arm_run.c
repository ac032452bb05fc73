/* poa-arm-run: executes a template step by step, for the stand-in of the resource manager: the evaluator decides what is created, in which order
 * and with which properties; whoever holds the other end of the pipes is the resource providers. One JSON document a line:
 *
 *     <- {"template": {...}, "parameters": {...}, "context": {"subscriptionId": , "tenantId": , "resourceGroup": , "location": , "deploymentName": }}
 *     -> {"plan": [{"id": , "type": , "deployment": }, ...], "deployments": ["main", "nested" ...]}
 *     -> {"resource": {...}, "deployment": n}      <- {"state": {...}}   as a GET of it would answer; any other line ends the run
 *     -> {"done": n, "outputs": {...}}   a deployment whose last resource stands now; the main one, 0, comes last of all
 *
 * An error ends it: {"error": text, "phase": "plan" | "resource" | "outputs"}, exit code 1. */
#include "lib/base/clock.h"
#include "lib/codec/json.h"
#include "orchestrator/arm/arm.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum { LINE_MAX_LEN = 16 << 20 };

static void say(json_t *doc_take)
{
    json_dumpf(doc_take, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
    json_decref(doc_take);
}

static int fail(const char *phase, const struct err *err)
{
    say(json_pack("{s:s, s:s}", "error", err_text(err), "phase", phase));
    return 1;
}

static json_t *hear(void)
{
    char *line = NULL;
    size_t cap = 0;
    ssize_t n = getline(&line, &cap, stdin);
    json_t *doc = n > 0 && n < LINE_MAX_LEN ? json_loadb(line, (size_t)n, 0, NULL) : NULL;
    free(line);
    return doc;
}

/* state: resource id in lower case -> the whole resource */
static enum status reference(json_t **out, void *arg, const char *id, const char *api_version, bool full, struct err *err)
{
    const char *key;
    json_t *v;
    (void)api_version;
    (void)err;
    json_object_foreach((json_t *)arg, key, v)
    {
        if (strcasecmp(key, id) != 0) continue;
        *out = json_deep_copy(full ? v : json_object_get(v, "properties"));
        return *out == NULL ? E_NOMEM : OK;
    }
    return E_AGAIN;
}

static const char *text(const json_t *o, const char *key, const char *absent)
{
    const char *t = json_string_value(json_object_get(o, key));
    return t == NULL ? absent : t;
}

static enum status say_done(struct arm_plan *plan, size_t deployment, struct err *err)
{
    json_t *outputs = NULL;
    enum status s = arm_plan_deployment_outputs(&outputs, plan, deployment, err);
    if (s == OK) say(json_pack("{s:I, s:o}", "done", (json_int_t)deployment, "outputs", outputs));
    return s;
}

static bool is_within(const struct arm_plan *plan, size_t deployment, size_t outer)
{
    while (deployment != outer && deployment != 0) deployment = arm_plan_deployment_up(plan, deployment);
    return deployment == outer;
}

/* was resource i the last one of that deployment, with all that is nested in it? */
static bool is_last_of(const struct arm_plan *plan, size_t i, size_t deployment)
{
    for (size_t k = i + 1; k < arm_plan_count(plan); k++)
        if (is_within(plan, arm_plan_deployment_of(plan, k), deployment)) return false;
    return true;
}

static int run(struct arm_plan *plan, json_t *state)
{
    struct err err = {0};
    json_t *list = json_array(), *names = json_array();
    for (size_t i = 0; i < arm_plan_deployments(plan); i++) json_array_append_new(names, json_string(arm_plan_deployment_name(plan, i)));
    for (size_t i = 0; i < arm_plan_count(plan); i++)
        json_array_append_new(list, json_pack("{s:s, s:s, s:I}", "id", arm_plan_id(plan, i), "type", arm_plan_type(plan, i), "deployment",
                                              (json_int_t)arm_plan_deployment_of(plan, i)));
    say(json_pack("{s:o, s:o}", "plan", list, "deployments", names));
    for (size_t i = 0; i < arm_plan_count(plan); i++) {
        json_t *resource = NULL;
        if (arm_plan_resource(&resource, plan, i, &err) != OK) return fail("resource", &err);
        say(json_pack("{s:o, s:I}", "resource", resource, "deployment", (json_int_t)arm_plan_deployment_of(plan, i)));
        json_t *answer = hear(), *now = json_object_get(answer, "state");
        if (now != NULL) json_object_set(state, arm_plan_id(plan, i), now);
        json_decref(answer);
        if (now == NULL) return 1;
        for (size_t d = arm_plan_deployment_of(plan, i); d != 0 && is_last_of(plan, i, d); d = arm_plan_deployment_up(plan, d))
            if (say_done(plan, d, &err) != OK) return fail("outputs", &err);
    }
    return say_done(plan, 0, &err) == OK ? 0 : fail("outputs", &err);
}

int main(void)
{
    struct err err = {0};
    struct arm_plan *plan = NULL;
    json_t *job = hear(), *state = json_object();
    const json_t *c = json_object_get(job, "context");
    struct arm_context ctx = {.subscription_id = text(c, "subscriptionId", NULL),
                              .tenant_id = text(c, "tenantId", NULL),
                              .resource_group = text(c, "resourceGroup", NULL),
                              .location = text(c, "location", NULL),
                              .deployment_name = text(c, "deploymentName", NULL),
                              .utc_now_s = clock_wall_ms() / 1000,
                              .arg = state,
                              .reference = reference};
    int code = arm_plan_new(&plan, json_object_get(job, "template"), json_object_get(job, "parameters"), &ctx, &err) == OK ? run(plan, state) : fail("plan", &err);
    arm_plan_free(plan);
    json_decref(state);
    json_decref(job);
    return code;
}
