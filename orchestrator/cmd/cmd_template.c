/* cmd_template.c: template check, template render. */
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/codec/json.h"
#include "orchestrator/arm/arm.h"
#include "orchestrator/arm/check.h"
#include "orchestrator/cmd/cmd.h"

enum { DOCUMENT_MAX = 4 << 20 };

/* the folder named, or our own templates */
static const char *folder(const struct cli *c, char own[static 4200])
{
    if (c->has_dir) return c->dir;
    (void)snprintf(own, 4200, "%.4000s/templates", c->share_dir);
    return own;
}

enum exit_code cmd_template_check(struct cli *c)
{
    struct err err = {0};
    char own[4200];
    json_t *findings = NULL, *f;
    const char *dir = folder(c, own);
    if (arm_check_dir(&findings, dir, clock_wall_ms() / 1000, &err) != OK) return cli_fail(c, &err);
    size_t n = json_array_size(findings), i;
    if (c->json) {
        json_t *doc = json_pack("{s:O}", "findings", findings);
        report_json(doc);
        json_decref(doc);
    } else {
        json_array_foreach(findings, i, f)
            printf("%s: %s: %s [%s]\n", json_string_value(json_object_get(f, "file")), json_string_value(json_object_get(f, "path")),
                   json_string_value(json_object_get(f, "reason")), json_string_value(json_object_get(f, "rule")));
        printf("%zu finding%s\n", n, n == 1 ? "" : "s");
    }
    json_decref(findings);
    return n == 0 ? EXIT_DONE : EXIT_FAILED;
}

static enum status read_document(json_t **out, const char *path, struct err *err)
{
    struct buf b;
    buf_init(&b, DOCUMENT_MAX);
    enum status s = file_read(&b, path, err);
    if (s == OK && json_parse(out, buf_view(&b), err) != OK) s = err_prefix(err, "%s", path);
    buf_fini(&b);
    return s;
}

static enum status load(json_t **out, void *arg, const char *path, struct err *err)
{
    if (strstr(path, "..") != NULL || path[0] == '/') return err_set(err, E_DENIED, "a template may only link to templates below its own folder, not '%s'", path);
    char full[5000];
    (void)snprintf(full, sizeof full, "%s/%s", (const char *)arg, path);
    return read_document(out, full, err);
}

enum exit_code cmd_template_render(struct cli *c)
{
    struct err err = {0};
    char own[4200];
    json_t *tmpl = NULL, *params = NULL, *out = NULL;
    const char *dir = folder(c, own), *file = cli_flag(c, "--parameters");
    struct arm_context ctx = {.subscription_id = "00000000-0000-0000-0000-000000000000",
                              .tenant_id = "00000000-0000-0000-0000-000000000000",
                              .resource_group = "render",
                              .location = "westeurope",
                              .deployment_name = "mainTemplate",
                              .utc_now_s = clock_wall_ms() / 1000,
                              .arg = (void *)(uintptr_t)dir,
                              .load = load};
    enum status s = load(&tmpl, ctx.arg, "mainTemplate.json", &err);
    if (s == OK && file != NULL) s = read_document(&params, file, &err);
    if (s == OK) s = arm_inline(&out, tmpl, params, &ctx, &err);
    if (s == OK) report_json(out);
    json_decref(out);
    json_decref(params);
    json_decref(tmpl);
    return s == OK ? EXIT_DONE : cli_fail(c, &err);
}
