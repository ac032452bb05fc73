/* check_ui.c: the rules of createUiDefinition.json. */
#include "orchestrator/arm/check_priv.h"

/* --- controls ---------------------------------------------------------------------------------------------------------------- */

typedef void control_fn(struct check *c, const char *path, const json_t *control, const char *step,
                        void *arg);

static void controls_in(struct check *c, const char *path, const json_t *list, const char *step,
                        control_fn *fn, void *arg, unsigned depth)
{
    size_t i;
    json_t *x;
    char at[1024];
    if (depth > 10) return;
    json_array_foreach(list, i, x)
    {
        snprintf(at, sizeof at, "%.950s[%zu]", path, i);
        fn(c, at, x, step, arg);
        snprintf(at, sizeof at, "%.950s[%zu].elements", path, i);
        controls_in(c, at, json_object_get(x, "elements"), step, fn, arg, depth + 1);
    }
}

/* step "" stands for the basics */
static void each_control(struct check *c, control_fn *fn, void *arg)
{
    const json_t *p = json_object_get(c->doc, "parameters");
    size_t i;
    json_t *step;
    char at[100];
    controls_in(c, "parameters.basics", json_object_get(p, "basics"), "", fn, arg, 0);
    json_array_foreach(json_object_get(p, "steps"), i, step)
    {
        snprintf(at, sizeof at, "parameters.steps[%zu].elements", i);
        controls_in(c, at, json_object_get(step, "elements"),
                    text_of(json_object_get(step, "name")), fn, arg, 0);
    }
}

static const char *type_of(const json_t *control)
{
    const char *t = text_of(json_object_get(control, "type"));
    const char *dot = strrchr(t, '.');
    return dot != NULL ? dot + 1 : t;
}
static bool is_control(const json_t *control, const char *type)
{
    return strcasecmp(type_of(control), type) == 0;
}

static const json_t *outputs_of(const struct check *c)
{
    return json_object_get(json_object_get(c->doc, "parameters"), "outputs");
}

struct lookup {
    const char *step, *name;
    const json_t *control;
};
static void lookup_at(struct check *c, const char *path, const json_t *control, const char *step,
                      void *arg)
{
    struct lookup *l = arg;
    (void)c;
    (void)path;
    if (strcasecmp(step, l->step) == 0 &&
        strcasecmp(text_of(json_object_get(control, "name")), l->name) == 0)
        l->control = control;
}

/* The control that basics('name') or steps('step').name at *at speaks of, *at moved behind it; *l is filled in. false: no more */
static bool next_use(struct check *c, const char **at, char step[100], char name[100],
                     const json_t **control)
{
    for (const char *p = *at; *p != 0; p++) {
        const bool basics = strncasecmp(p, "basics('", 8) == 0,
                   steps = strncasecmp(p, "steps('", 7) == 0;
        if (!basics && !steps) continue;
        p += basics ? 8 : 7;
        const size_t n = strcspn(p, "'");
        snprintf(basics ? name : step, 100, "%.*s", (int)(n < 99 ? n : 99), p);
        p += n;
        if (basics) step[0] = 0;
        if (steps) {
            p += strspn(p, "')");
            if (*p != '.') continue;
            p++;
            size_t m = 0;
            while ((p[m] >= 'a' && p[m] <= 'z') || (p[m] >= 'A' && p[m] <= 'Z') ||
                   (p[m] >= '0' && p[m] <= '9') || p[m] == '_')
                m++;
            snprintf(name, 100, "%.*s", (int)(m < 99 ? m : 99), p);
            p += m;
        }
        struct lookup l = {step, name, NULL};
        each_control(c, lookup_at, &l);
        *control = l.control;
        *at = p;
        return true;
    }
    return false;
}

/* --- rules ---------------------------------------------------------------------------------------------------------------------- */

static void each_output(struct check *c, void (*fn)(struct check *, const char *, const char *,
                                                    const json_t *, const json_t *))
{
    const char *k;
    json_t *v;
    char path[300];
    const json_t *params = ev_object_get(c->main_template, "parameters");
    json_object_foreach((json_t *)outputs_of(c), k, v)
    {
        snprintf(path, sizeof path, "parameters.outputs.%.200s", k);
        fn(c, path, k, v, ev_object_get(params, k));
    }
}

static bool has_value(const json_t *list, const json_t *v)
{
    size_t i;
    json_t *x;
    json_array_foreach(list, i, x)
    {
        if (json_equal(x, v)) return true;
    }
    return false;
}

/* only where an output is a control's value and nothing else */
static void allowed_of(struct check *c, const char *path, const char *name, const json_t *v,
                       const json_t *decl)
{
    const char *at = text_of(v);
    const json_t *control = NULL, *allowed = ev_object_get(decl, "allowedValues");
    char step[100], field[100];
    size_t i;
    json_t *x;
    (void)name;
    if (!matches(at, "^\\[ *(basics\\('[^']*'\\)|steps\\('[^']*'\\)\\.[a-z0-9_]+) *\\]$") ||
        !next_use(c, &at, step, field, &control))
        return;
    json_array_foreach(json_object_get(json_object_get(control, "constraints"), "allowedValues"), i,
                       x)
    {
        const json_t *value = json_object_get(x, "value");
        const json_t *lo = ev_object_get(decl, "minValue"), *hi = ev_object_get(decl, "maxValue");
        const bool out = json_is_integer(value) &&
                         ((lo != NULL && json_integer_value(value) < json_integer_value(lo)) ||
                          (hi != NULL && json_integer_value(value) > json_integer_value(hi)));
        if ((allowed != NULL && !has_value(allowed, value)) || out) {
            char *t = json_dumps(value, JSON_ENCODE_ANY);
            found(c, path, "the control '%s' offers %.80s, which the template does not allow",
                  field, t != NULL ? t : "");
            free(t);
        }
    }
}
static void ui_allowed(struct check *c)
{
    each_output(c, allowed_of);
}

static bool use_at(struct check *c, const char *path, const char *key, const json_t *v, void *arg)
{
    const char *at = text_of(v);
    const json_t *control = NULL;
    char step[100], name[100];
    (void)key;
    (void)arg;
    if (is_expr(v)) {
        while (next_use(c, &at, step, name, &control)) {
            if (control == NULL)
                found(c, path, "there is no control '%s'%s%s", name,
                      step[0] != 0 ? " in step " : " in the basics", step);
        }
    }
    return true;
}
static void ui_controls(struct check *c)
{
    walk(c, "parameters", json_object_get(c->doc, "parameters"), use_at, NULL);
}

static bool blank_at(struct check *c, const char *path, const char *key, const json_t *v, void *arg)
{
    static const char *const fine[] = {"basics",   "steps",        "outputs",
                                       "elements", "defaultValue", "value"};
    (void)arg;
    const bool blank = json_is_null(v) || (json_is_string(v) && json_string_length(v) == 0) ||
                       (json_is_array(v) && json_array_size(v) == 0) ||
                       (json_is_object(v) && json_object_size(v) == 0);
    for (size_t i = 0; blank && key != NULL && i < COUNT_OF(fine); i++) {
        if (strcmp(key, fine[i]) == 0) return true;
    }
    if (blank) found(c, path, "is empty");
    return true;
}
static void ui_blanks(struct check *c)
{
    walk(c, "", c->doc, blank_at, NULL);
}

static void ui_schema(struct check *c)
{
    char want[200];
    const char *handler = text_of(json_object_get(c->doc, "handler"));
    const char *name = strrchr(handler, '.');
    snprintf(want, sizeof want,
             "https://schema.management.azure.com/schemas/%.40s/CreateUIDefinition.MultiVm.json#",
             text_of(json_object_get(c->doc, "version")));
    if (name == NULL || strcasecmp(text_of(json_object_get(c->doc, "$schema")), want) != 0)
        found(c, "$schema", "must be %s", want);
}

static void ui_handler(struct check *c)
{
    const char *h = text_of(json_object_get(c->doc, "handler"));
    if (strcasecmp(h, "Microsoft.Azure.CreateUIDef") != 0 &&
        strcasecmp(h, "Microsoft.Compute.MultiVm") != 0)
        found(c, "handler", "'%.80s' must be Microsoft.Azure.CreateUIDef", h);
    if (strcmp(text_of(json_object_get(c->doc, "version")), "0.1.2-preview") != 0)
        found(c, "version", "must be 0.1.2-preview");
}

static void confirmation_of(struct check *c, const char *path, const json_t *x, const char *step,
                            void *arg)
{
    const json_t *hide = json_object_get(json_object_get(x, "options"), "hideConfirmation");
    (void)step;
    (void)arg;
    if ((is_control(x, "PasswordBox") || is_control(x, "CredentialsCombo")) && hide != NULL &&
        !json_is_false(hide))
        found(c, path, "the confirmation of a password must not be hidden");
}
static void ui_confirmation(struct check *c)
{
    each_control(c, confirmation_of, NULL);
}

static void hide_existing_of(struct check *c, const char *path, const json_t *x, const char *step,
                             void *arg)
{
    const json_t *hide = json_object_get(json_object_get(x, "options"), "hideExisting");
    const bool selects = is_control(x, "StorageAccountSelector") ||
                         is_control(x, "PublicIpAddressCombo") ||
                         is_control(x, "VirtualNetworkCombo");
    const char *k;
    json_t *v;
    bool handed = false;
    (void)step;
    (void)arg;
    if (!selects || json_is_true(hide)) return;
    json_object_foreach((json_t *)outputs_of(c), k, v)
    {
        char use[150];
        snprintf(use, sizeof use, "%.80s.newOrExisting", text_of(json_object_get(x, "name")));
        if (strcasestr(text_of(v), use) != NULL) handed = true;
    }
    if (!handed) found(c, path, "offers existing resources, but newOrExisting is no output");
}
static void ui_hide_existing(struct check *c)
{
    each_control(c, hide_existing_of, NULL);
}

static void ui_location(struct check *c)
{
    const json_t *v = ev_object_get(outputs_of(c), "location");
    if (!matches(text_of(v), "location\\(\\)|location"))
        found(c, "parameters.outputs", "location must be among the outputs: [location()]");
}

static void output_of(struct check *c, const char *path, const char *name, const json_t *v,
                      const json_t *decl)
{
    (void)v;
    if (decl == NULL && strcasecmp(name, "applicationResourceName") != 0 &&
        strcasecmp(name, "managedResourceGroupId") != 0)
        found(c, path, "the template has no such parameter");
}
static void ui_outputs(struct check *c)
{
    if (c->main_template != NULL) each_output(c, output_of);
}

static void ui_parameters(struct check *c)
{
    const char *k;
    json_t *decl;
    json_object_foreach(ev_object_get(c->main_template, "parameters"), k, decl)
    {
        if (ev_object_get(decl, "defaultValue") == NULL && ev_object_get(outputs_of(c), k) == NULL)
            found(c, "parameters.outputs",
                  "the template's parameter '%s' has no default and is not among the outputs", k);
    }
}

static void password_of(struct check *c, const char *path, const char *name, const json_t *v,
                        const json_t *decl)
{
    const char *at = text_of(v);
    const json_t *control = NULL;
    char step[100], field[100];
    (void)name;
    if (strncasecmp(text_of(ev_object_get(decl, "type")), "secure", 6) != 0) return;
    while (next_use(c, &at, step, field, &control)) {
        if (control != NULL && !is_control(control, "PasswordBox") &&
            !is_control(control, "CredentialsCombo"))
            found(c, path, "a secure parameter comes from '%s', which is no password control",
                  field);
    }
}
static void ui_password(struct check *c)
{
    each_output(c, password_of);
}

static void password_length_of(struct check *c, const char *path, const json_t *x, const char *step,
                               void *arg)
{
    (void)step;
    (void)arg;
    if (is_control(x, "PasswordBox") &&
        !matches(text_of(json_object_get(json_object_get(x, "constraints"), "regex")),
                 "\\{[0-9]+,"))
        found(c, path, "the regex of a password box must set a least length, like {12,72}");
}
static void ui_password_length(struct check *c)
{
    each_control(c, password_length_of, NULL);
}

static void textbox_of(struct check *c, const char *path, const json_t *x, const char *step,
                       void *arg)
{
    const json_t *k = json_object_get(x, "constraints"), *regex = json_object_get(k, "regex");
    (void)step;
    (void)arg;
    if (!is_control(x, "TextBox")) return;
    if (k == NULL) {
        found(c, path, "a text box needs constraints");
        return;
    }
    if (regex == NULL) return;
    const char *t = text_of(regex);
    if (t[0] != '^' || !ends_with(t, "$"))
        found(c, path, "the regex must cover the whole text: ^...$");
    if (text_of(json_object_get(k, "validationMessage"))[0] == 0)
        found(c, path, "a regex needs a validationMessage");
    if (json_object_get(x, "defaultValue") != NULL &&
        !json_is_string(json_object_get(x, "defaultValue")))
        found(c, path, "the defaultValue must be a string");
}
static void ui_textbox(struct check *c)
{
    each_control(c, textbox_of, NULL);
}

static void tooltip_of(struct check *c, const char *path, const json_t *x, const char *step,
                       void *arg)
{
    (void)step;
    (void)arg;
    if (is_control(x, "TextBlock") || is_control(x, "InfoBox") || is_control(x, "Section")) return;
    const json_t *t = json_object_get(x, "toolTip");
    if (t == NULL || (json_is_string(t) && json_string_length(t) == 0))
        found(c, path, "the control '%.80s' has no toolTip", text_of(json_object_get(x, "name")));
}
static void ui_tooltips(struct check *c)
{
    each_control(c, tooltip_of, NULL);
}

static void username_of(struct check *c, const char *path, const json_t *x, const char *step,
                        void *arg)
{
    (void)step;
    (void)arg;
    if (is_control(x, "UserNameTextBox") && json_object_get(x, "defaultValue") != NULL)
        found(c, path, "a user name must not have a default");
}
static void ui_username(struct check *c)
{
    each_control(c, username_of, NULL);
}

static void size_of(struct check *c, const char *path, const char *name, const json_t *v,
                    const json_t *decl)
{
    const char *at = text_of(v);
    const json_t *control = NULL, *dflt = ev_object_get(decl, "defaultValue"),
                 *allowed = ev_object_get(decl, "allowedValues");
    char step[100], field[100];
    size_t i;
    json_t *x;
    (void)name;
    if (!next_use(c, &at, step, field, &control) || control == NULL ||
        !is_control(control, "SizeSelector"))
        return;
    const json_t *sizes = json_object_get(json_object_get(control, "constraints"), "allowedSizes");
    const json_t *recommended = json_object_get(control, "recommendedSizes");
    if (dflt != NULL && !has_value(recommended, dflt) && !has_value(sizes, dflt))
        found(c, path, "the template's default %.60s is not among the sizes of '%s'", text_of(dflt),
              field);
    json_array_foreach(recommended, i, x)
    {
        if (sizes != NULL && !has_value(sizes, x))
            found(c, path, "the recommended size %.60s is not among the allowed ones", text_of(x));
        if (allowed != NULL && !has_value(allowed, x))
            found(c, path, "the template does not allow the size %.60s", text_of(x));
    }
}
static void ui_sizes(struct check *c)
{
    each_output(c, size_of);
}

static void message_of(struct check *c, const char *path, const json_t *x, const char *step,
                       void *arg)
{
    size_t i;
    json_t *v;
    (void)step;
    (void)arg;
    json_array_foreach(json_object_get(json_object_get(x, "constraints"), "validations"), i, v)
    {
        if (text_of(json_object_get(v, "message"))[0] == 0)
            found(c, path, "validation %zu has no message", i);
    }
}
static void ui_messages(struct check *c)
{
    each_control(c, message_of, NULL);
}

#define RULE_template(name, fn)
#define RULE_parameters(name, fn)
#define RULE_ui(name, fn) {name, fn},
#define RULE_all(name, fn)
#define RULE(name, kind, fn, help) RULE_##kind(name, fn)
const struct check_rule UI_RULES[] = {
#include "orchestrator/arm/rules.def"
    {NULL, NULL},
};
