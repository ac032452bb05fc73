/* module: orchestrator/arm */
/* Templates from outside: first byte even: the rest is an expression's text; odd: a JSON template. Nothing crashes, no refusal is
 * without a reason, a plan's resources evaluate to the same twice. */
#include "orchestrator/arm/arm.h"
#include "orchestrator/arm/check.h"

static enum status state_of(json_t **out, void *arg, const char *id, const char *version, bool full,
                            struct err *err)
{
    (void)arg;
    (void)version;
    (void)full;
    (void)err;
    if (strlen(id) % 2 == 0) return E_AGAIN;
    *out = json_pack("{s:s}", "id", id);
    return *out != NULL ? OK : E_NOMEM;
}

static void plan(const json_t *tmpl, const struct arm_context *ctx)
{
    struct arm_plan *p = NULL;
    struct err err = {.status = OK};
    json_t *a = NULL, *b = NULL, *c = NULL, *findings = json_array();
    if (arm_check_template(findings, "x.json", tmpl, true, 1795426372) != OK) BUG("a check failed");
    json_decref(findings);
    if (arm_inline(&c, tmpl, NULL, ctx, &err) == OK) json_decref(c);
    if (arm_plan_new(&p, tmpl, NULL, ctx, &err) != OK) {
        if (err.text[0] == '\0') BUG("a template was refused without a reason");
        return;
    }
    const enum status s = arm_plan_resources(&a, p, &err), t = arm_plan_resources(&b, p, &err);
    if (s != t || (s == OK && !json_equal(a, b))) BUG("a plan changes by being looked at");
    json_decref(a);
    json_decref(b);
    json_t *o = NULL;
    if (arm_plan_outputs(&o, p, &err) == OK) json_decref(o);
    arm_plan_free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const struct arm_context ctx = {.subscription_id = "s",
                                    .tenant_id = "t",
                                    .resource_group = "g",
                                    .location = "l",
                                    .deployment_name = "d",
                                    .reference = state_of};
    if (len == 0) return 0;
    if (data[0] % 2 == 0) {
        json_t *text = json_stringn((const char *)data + 1, len - 1), *v = NULL;
        struct err err = {.status = OK};
        if (text == NULL) return 0;
        if (arm_eval(&v, text, &ctx, &err) != OK && err.text[0] == '\0')
            BUG("an expression was refused without a reason");
        json_decref(v);
        json_decref(text);
        return 0;
    }
    json_t *tmpl = json_loadb((const char *)data + 1, len - 1, 0, NULL);
    if (tmpl != NULL) plan(tmpl, &ctx);
    json_decref(tmpl);
    return 0;
}
