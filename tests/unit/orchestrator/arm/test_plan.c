/* Whole templates: parameters, loops, conditions, nesting, order, outputs, and the errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "orchestrator/arm/arm.h"

#include <cmocka.h>

#define RG "/subscriptions/sub/resourceGroups/rg/providers/"

static json_t *links;    /* path -> template */
static json_t *state_of; /* id -> properties; an id that is not in it does not exist yet */

static enum status load(json_t **out, void *arg, const char *path, struct err *err)
{
    (void)arg;
    json_t *v = json_object_get(links, path);
    if (v == NULL) return err_set(err, E_NOT_FOUND, "no such file");
    *out = json_incref(v);
    return OK;
}

static enum status reference(json_t **out, void *arg, const char *id, const char *api_version,
                             bool full, struct err *err)
{
    (void)arg;
    (void)api_version;
    (void)full;
    (void)err;
    json_t *v = json_object_get(state_of, id);
    if (v == NULL) return E_AGAIN;
    *out = json_incref(v);
    return OK;
}

static const struct arm_context CTX = {
    .subscription_id = "sub",
    .tenant_id = "tenant",
    .resource_group = "rg",
    .location = "westeurope",
    .deployment_name = "main",
    .load = load,
    .reference = reference,
};

/* text with ' for " */
static json_t *parse(const char *text)
{
    char *t = strdup(text);
    for (char *c = t; *c != 0; c++) {
        if (*c == '\'') *c = '"';
        if (*c == '`') *c = '\'';
    }
    json_error_t je;
    json_t *v = json_loads(t, JSON_DECODE_ANY, &je);
    if (v == NULL) fail_msg("%s: %s", text, je.text);
    free(t);
    return v;
}

static enum status plan(struct arm_plan **out, const char *tmpl, const char *params,
                        struct err *err)
{
    static json_t *keep[2]; /* a plan borrows both */
    for (int i = 0; i < 2; i++)
        json_decref(keep[i]);
    keep[0] = parse(tmpl);
    keep[1] = params != NULL ? parse(params) : NULL;
    *err = (struct err){.status = OK};
    return arm_plan_new(out, keep[0], keep[1], &CTX, err);
}

static struct arm_plan *plan_ok(const char *tmpl, const char *params)
{
    struct arm_plan *p = NULL;
    struct err err;
    if (plan(&p, tmpl, params, &err) != OK) fail_msg("%s", err.text);
    return p;
}

static void expect_resources(const char *tmpl, const char *params, const char *want)
{
    struct arm_plan *p = plan_ok(tmpl, params);
    json_t *got = NULL, *w = parse(want);
    struct err err = {.status = OK};
    if (arm_plan_resources(&got, p, &err) != OK) fail_msg("%s", err.text);
    if (!json_equal(got, w)) {
        char *t = json_dumps(got, JSON_COMPACT);
        print_error("got  %s\n", t);
        free(t);
        fail();
    }
    assert_int_equal(arm_plan_count(p), json_array_size(w));
    json_decref(got);
    json_decref(w);
    arm_plan_free(p);
}

static void expect_error(const char *tmpl, const char *params, enum status status, const char *text)
{
    struct arm_plan *p = NULL;
    struct err err;
    const enum status s = plan(&p, tmpl, params, &err);
    if (s == OK) arm_plan_free(p);
    if (s != status || strstr(err.text, text) == NULL)
        fail_msg("%s: %s\n  for %s", status_name(s), err.text, tmpl);
}

static void expect_outputs(struct arm_plan *p, const char *want)
{
    json_t *got = NULL, *w = parse(want);
    struct err err = {.status = OK};
    if (arm_plan_outputs(&got, p, &err) != OK) fail_msg("%s", err.text);
    if (!json_equal(got, w)) {
        char *t = json_dumps(got, JSON_COMPACT);
        print_error("got  %s\n", t);
        free(t);
        fail();
    }
    json_decref(got);
    json_decref(w);
}

static void a_resource_loop_expands_and_false_conditions_drop(void **state)
{
    (void)state;
    expect_resources(
        "{'parameters':{'n':{'type':'int'}},'resources':["
        "{'type':'A.B/c','apiVersion':'1','name':'[concat(`x`, copyIndex(1))]','location':'l',"
        " 'copy':{'name':'loop','count':'[parameters(`n`)]'},'comments':'none',"
        " 'properties':{'i':'[copyIndex(`loop`)]','copy':[{'name':'p','count':2,'input':'["
        "copyIndex(`p`)]'}]}},"
        "{'type':'A.B/c','apiVersion':'1','name':'gone','condition':'[equals(1, 2)]'}]}",
        "{'n':{'value':2}}",
        "[{'type':'A.B/c','apiVersion':'1','name':'x1','id':'" RG
        "A.B/c/x1','dependsOn':[],'location':'l',"
        "'properties':{'i':0,'p':[0,1]}},"
        "{'type':'A.B/c','apiVersion':'1','name':'x2','id':'" RG
        "A.B/c/x2','dependsOn':[],'location':'l',"
        "'properties':{'i':1,'p':[0,1]}}]");
}

static void depends_on_orders_by_name_id_and_loop(void **state)
{
    (void)state;
    expect_resources(
        "{'resources':["
        "{'type':'A.B/c','apiVersion':'1','name':'last','dependsOn':['loop','[resourceId(`A.B/d`, "
        "`d1`)]','off']},"
        "{'type':'A.B/c','apiVersion':'1','name':'off','condition':false},"
        "{'type':'A.B/d','apiVersion':'1','name':'d1','dependsOn':['d0']},"
        "{'type':'A.B/d','apiVersion':'1','name':'d0'},"
        "{'type':'A.B/e','apiVersion':'1','name':'[format(`e{0}`, "
        "copyIndex())]','copy':{'name':'loop','count':2}}]}",
        NULL,
        "[{'type':'A.B/e','apiVersion':'1','name':'e0','id':'" RG "A.B/e/e0','dependsOn':[]},"
        "{'type':'A.B/e','apiVersion':'1','name':'e1','id':'" RG "A.B/e/e1','dependsOn':[]},"
        "{'type':'A.B/d','apiVersion':'1','name':'d0','id':'" RG "A.B/d/d0','dependsOn':[]},"
        "{'type':'A.B/d','apiVersion':'1','name':'d1','id':'" RG "A.B/d/d1','dependsOn':['" RG
        "A.B/d/d0']},"
        "{'type':'A.B/c','apiVersion':'1','name':'last','id':'" RG "A.B/c/last','dependsOn':["
        "'" RG "A.B/e/e0','" RG "A.B/e/e1','" RG "A.B/d/d1']}]");
}

static void children_take_type_and_name_of_their_parent(void **state)
{
    (void)state;
    expect_resources(
        "{'resources':[{'type':'A.B/c','apiVersion':'1','name':'up','resources':["
        "{'type':'d','apiVersion':'2','name':'down','dependsOn':['up']}]},"
        "{'type':'A.B/locks','apiVersion':'1','name':'l','scope':'[resourceId(`A.B/c`, `up`)]'},"
        "{'type':'A.B/locks','apiVersion':'1','name':'m','scope':'A.B/c/up'}]}",
        NULL,
        "[{'type':'A.B/c','apiVersion':'1','name':'up','id':'" RG "A.B/c/up','dependsOn':[]},"
        "{'type':'A.B/c/d','apiVersion':'2','name':'up/down','id':'" RG
        "A.B/c/up/d/down','dependsOn':['" RG "A.B/c/up']},"
        "{'type':'A.B/locks','apiVersion':'1','name':'l','id':'" RG
        "A.B/c/up/providers/A.B/locks/l','dependsOn':[],"
        "'scope':'" RG "A.B/c/up'},"
        "{'type':'A.B/locks','apiVersion':'1','name':'m','id':'" RG
        "A.B/c/up/providers/A.B/locks/m','dependsOn':[],"
        "'scope':'A.B/c/up'}]");
}

static void a_serial_loop_waits_batch_by_batch(void **state)
{
    (void)state;
    struct arm_plan *p = plan_ok(
        "{'resources':[{'type':'A.B/c','apiVersion':'1','name':'[string(copyIndex())]','copy':"
        "{'name':'l','count':5,'mode':'serial','batchSize':2}}]}",
        NULL);
    static const char *const want[] = {"[]", "[]", "['" RG "A.B/c/0','" RG "A.B/c/1']",
                                       "['" RG "A.B/c/0','" RG "A.B/c/1']",
                                       "['" RG "A.B/c/2','" RG "A.B/c/3']"};
    for (size_t i = 0; i < 5; i++) {
        json_t *r = NULL, *w = parse(want[i]);
        assert_int_equal(arm_plan_resource(&r, p, i, NULL), OK);
        assert_true(json_equal(json_object_get(r, "dependsOn"), w));
        json_decref(r);
        json_decref(w);
    }
    arm_plan_free(p);
}

static void a_reference_is_a_dependency_and_is_asked_for_when_the_turn_has_come(void **state)
{
    (void)state;
    struct arm_plan *p = plan_ok(
        "{'resources':["
        "{'type':'Microsoft.Resources/"
        "deployments','apiVersion':'1','name':'inner','properties':{'mode':'Incremental',"
        "  'expressionEvaluationOptions':{'scope':'inner'},"
        "  'parameters':{'url':{'value':'[reference(resourceId(`A.V/v`, `vault`)).uri]'}},"
        "  'template':{'parameters':{'url':{'type':'string'}},"
        "   "
        "'resources':[{'type':'A.B/"
        "c','apiVersion':'1','name':'user','properties':{'u':'[parameters(`url`)]'}}],"
        "   'outputs':{'o':{'type':'string','value':'[concat(parameters(`url`), `!`)]'}}}}},"
        "{'type':'A.B/"
        "c','apiVersion':'1','name':'last','properties':{'o':'[reference(`inner`).outputs.o.value]'"
        "}},"
        "{'type':'A.V/v','apiVersion':'1','name':'vault'}],"
        "'outputs':{'U':{'type':'string','value':'[reference(`inner`).outputs.o.value]'}}}",
        NULL);
    assert_int_equal(arm_plan_count(p), 3);
    assert_string_equal(arm_plan_id(p, 0), RG "A.V/v/vault");
    assert_string_equal(arm_plan_id(p, 1), RG "A.B/c/user");
    assert_string_equal(arm_plan_id(p, 2), RG "A.B/c/last");
    assert_string_equal(arm_plan_type(p, 2), "A.B/c");
    json_t *r = NULL;
    struct err err = {.status = OK};
    assert_int_equal(arm_plan_resource(&r, p, 1, &err), E_AGAIN);
    assert_non_null(strstr(err.text, "does not exist yet"));
    assert_null(r);
    state_of = json_pack("{s:{s:s}}", RG "A.V/v/vault", "uri", "https://v/");
    assert_int_equal(arm_plan_resource(&r, p, 1, &err), OK);
    assert_string_equal(json_string_value(json_object_get(json_object_get(r, "properties"), "u")),
                        "https://v/");
    json_decref(r);
    assert_int_equal(arm_plan_resource(&r, p, 2, &err), OK);
    assert_string_equal(json_string_value(json_object_get(json_object_get(r, "properties"), "o")),
                        "https://v/!");
    assert_string_equal(json_string_value(json_array_get(json_object_get(r, "dependsOn"), 1)),
                        RG "A.B/c/user");
    json_decref(r);
    expect_outputs(p, "{'U':{'type':'string','value':'https://v/!'}}");
    arm_plan_free(p);
    json_decref(state_of);
    state_of = NULL;
}

static void references_gives_the_instances_of_a_loop_in_its_order(void **state)
{
    (void)state;
    struct arm_plan *p = plan_ok(
        "{'resources':["
        "{'type':'A.B/c','apiVersion':'1','name':'last','properties':{'n':'[length(references(`vs`))]',"
        "  'u':'[map(references(`vs`), lambda(`v`, lambdaVariables(`v`).uri))]'}},"
        "{'type':'A.V/v','apiVersion':'1','name':'[concat(`v`, copyIndex())]','copy':{'name':'vs','count':2}}],"
        "'outputs':{'U':{'type':'string','value':'[references(`VS`)[1].uri]'}}}",
        NULL);
    json_t *r = NULL;
    struct err err = {.status = OK};
    assert_string_equal(arm_plan_id(p, 2), RG "A.B/c/last"); /* it waits for the loop */
    assert_int_equal(arm_plan_resource(&r, p, 2, &err), E_AGAIN);
    state_of = json_pack("{s:{s:s}, s:{s:s}}", RG "A.V/v/v1", "uri", "b", RG "A.V/v/v0", "uri", "a");
    if (arm_plan_resource(&r, p, 2, &err) != OK) fail_msg("%s", err.text);
    char *t = json_dumps(json_object_get(r, "properties"), JSON_COMPACT);
    assert_string_equal(t, "{\"n\":2,\"u\":[\"a\",\"b\"]}");
    free(t);
    json_decref(r);
    expect_outputs(p, "{'U':{'type':'string','value':'b'}}");
    arm_plan_free(p);
    json_decref(state_of);
    state_of = NULL;
    expect_error("{'resources':[],'outputs':{'U':{'type':'array','value':'[references(`none`)]'}}}", NULL, E_NOT_FOUND,
                 "no resource loop 'none'");
    expect_error("{'resources':[],'outputs':{'U':{'type':'array','value':'[references(`x`, `Some`)]'}}}", NULL, E_INVALID,
                 "'Full' or 'Properties'");
}

static void deployments_tell_their_names_resources_and_outputs(void **state)
{
    (void)state;
    struct arm_plan *p = plan_ok(
        "{'resources':["
        "{'type':'A.B/c','apiVersion':'1','name':'own'},"
        "{'type':'Microsoft.Resources/deployments','apiVersion':'1','name':'inner','properties':{'mode':'Incremental',"
        "  'expressionEvaluationOptions':{'scope':'inner'},"
        "  'template':{'resources':[{'type':'A.B/c','apiVersion':'1','name':'deep'}],'outputs':{'o':{'type':'string','value':'x'}}}}}]}",
        NULL);
    json_t *o = NULL;
    struct err err = {.status = OK};
    assert_int_equal(arm_plan_deployments(p), 2);
    assert_string_equal(arm_plan_deployment_name(p, 1), "inner");
    assert_int_equal(arm_plan_deployment_up(p, 1), 0);
    for (size_t i = 0; i < arm_plan_count(p); i++)
        assert_int_equal(arm_plan_deployment_of(p, i), strstr(arm_plan_id(p, i), "deep") != NULL);
    assert_int_equal(arm_plan_deployment_outputs(&o, p, 1, &err), OK);
    assert_string_equal(json_string_value(json_object_get(json_object_get(o, "o"), "value")), "x");
    json_decref(o);
    arm_plan_free(p);
}

static void an_outer_nested_template_sees_the_parent_an_inner_one_does_not(void **state)
{
    (void)state;
#define NESTED(options, value)                                                                     \
    "{'variables':{'v':'outer'},'resources':[{'type':'Microsoft.Resources/"                        \
    "deployments','apiVersion':'1',"                                                               \
    "'name':'n','properties':{" options                                                            \
    "'template':{'variables':{'v':'inner'},'resources':[{'type':'A.B/c',"                          \
    "'apiVersion':'1','name':'" value "'}]}}}]}"
    expect_resources(NESTED("", "[variables(`v`)]"), NULL,
                     "[{'type':'A.B/c','apiVersion':'1','name':'outer','id':'" RG
                     "A.B/c/outer','dependsOn':[]}]");
    expect_resources(NESTED("'expressionEvaluationOptions':{'scope':'inner'},", "[variables(`v`)]"),
                     NULL,
                     "[{'type':'A.B/c','apiVersion':'1','name':'inner','id':'" RG
                     "A.B/c/inner','dependsOn':[]}]");
    expect_error(NESTED("'parameters':{'x':{'value':1}},", "y"), NULL, E_INVALID,
                 "outer scope takes no parameters");
}

static void waiting_for_a_deployment_is_waiting_for_all_that_it_deploys(void **state)
{
    (void)state;
    expect_resources(
        "{'resources':["
        "{'type':'A.B/c','apiVersion':'1','name':'after','dependsOn':['empty']},"
        "{'type':'Microsoft.Resources/"
        "deployments','apiVersion':'1','name':'empty','dependsOn':['full'],"
        "'properties':{'template':{'resources':[]}}},"
        "{'type':'Microsoft.Resources/"
        "deployments','apiVersion':'1','name':'full','dependsOn':['first'],"
        "'properties':{'template':{'resources':[{'type':'A.B/c','apiVersion':'1','name':'mid'}]}}},"
        "{'type':'A.B/c','apiVersion':'1','name':'first'}]}",
        NULL,
        "[{'type':'A.B/c','apiVersion':'1','name':'first','id':'" RG "A.B/c/first','dependsOn':[]},"
        "{'type':'A.B/c','apiVersion':'1','name':'mid','id':'" RG "A.B/c/mid','dependsOn':['" RG
        "A.B/c/first']},"
        "{'type':'A.B/c','apiVersion':'1','name':'after','id':'" RG "A.B/c/after','dependsOn':['" RG
        "A.B/c/first','" RG "A.B/c/mid']}]");
}

static const char LINKING[] =
    "{'parameters':{'_artifactsLocation':{'type':'string','defaultValue':'[deployment().properties."
    "templateLink.uri]'},"
    "'_artifactsLocationSasToken':{'type':'securestring','defaultValue':''}},'resources':["
    "{'type':'Microsoft.Resources/deployments','apiVersion':'1','name':'[concat(`d`, "
    "copyIndex())]',"
    "'copy':{'name':'regions','count':2},'properties':{'mode':'Incremental',"
    "'templateLink':{'uri':'[uri(parameters(`_artifactsLocation`), concat(`nested/a.json`, "
    "parameters(`_artifactsLocationSasToken`)))]'},"
    "'parameters':{'i':{'value':'[copyIndex()]'}}}}]}";

static void links_load_relative_to_the_main_template_and_can_be_inlined(void **state)
{
    (void)state;
    static const char want[] =
        "[{'type':'A.B/c','apiVersion':'1','name':'r0','id':'" RG "A.B/c/r0','dependsOn':[]},"
        "{'type':'A.B/c','apiVersion':'1','name':'r1','id':'" RG "A.B/c/r1','dependsOn':[]}]";
    links = json_object();
    json_object_set_new(
        links, "nested/a.json",
        parse("{'parameters':{'i':{'type':'int'}},'resources':[{'type':'Microsoft.Resources/"
              "deployments',"
              "'apiVersion':'1','name':'[format(`deep{0}`, parameters(`i`))]','properties':{"
              "'templateLink':{'relativePath':'more/b.json'},'parameters':{'name':{'value':"
              "'[format(`r{0}`, parameters(`i`))]'}}}}]}"));
    json_object_set_new(links, "nested/more/b.json",
                        parse("{'parameters':{'name':{'type':'string'}},'resources':[{'type':'A.B/"
                              "c','apiVersion':'1',"
                              "'name':'[parameters(`name`)]'}]}"));
    expect_resources(LINKING, NULL, want);
    json_t *tmpl = parse(LINKING), *flat = NULL;
    struct err err = {.status = OK};
    if (arm_inline(&flat, tmpl, NULL, &CTX, &err) != OK) fail_msg("%s", err.text);
    assert_int_equal(json_object_size(json_object_get(flat, "parameters")), 0);
    char *text = json_dumps(flat, JSON_COMPACT);
    assert_null(strstr(text, "templateLink"));
    assert_non_null(strstr(text, "\"scope\":\"inner\""));
    free(text);
    json_decref(links);
    links = NULL; /* nothing is loaded any more */
    struct arm_plan *p = NULL;
    if (arm_plan_new(&p, flat, NULL, &CTX, &err) != OK) fail_msg("%s", err.text);
    assert_int_equal(arm_plan_count(p), 2);
    assert_string_equal(arm_plan_id(p, 1), RG "A.B/c/r1");
    arm_plan_free(p);
    json_decref(flat);
    json_decref(tmpl);
    expect_error(LINKING, NULL, E_NOT_FOUND, "linked template 'nested/a.json': no such file");
    expect_error("{'resources':[{'type':'Microsoft.Resources/"
                 "deployments','apiVersion':'1','name':'x','properties':{"
                 "'templateLink':{'uri':'https://elsewhere.invalid/a.json'}}}]}",
                 NULL, E_UNSUPPORTED, "does not lead below");
}

static void all_wrong_parameters_are_reported_at_once(void **state)
{
    (void)state;
    struct arm_plan *p = NULL;
    struct err err;
    assert_int_equal(
        plan(
            &p,
            "{'parameters':{'need':{'type':'string'},'n':{'type':'int','minValue':2,'maxValue':15},"
            "'m':{'type':'int','maxValue':15},'t':{'type':'string','allowedValues':['a','b']},"
            "'l':{'type':'string','minLength':3},'k':{'type':'string','maxLength':3},'b':{'type':'"
            "bool'},"
            "'ok':{'type':'array','allowedValues':['a','b']}},'resources':[]}",
            "{'n':{'value':1},'m':{'value':16},'t':{'value':'c'},'l':{'value':'ab'},'k':{'value':'"
            "abcd'},"
            "'b':{'value':'true'},'extra':{'value':1},'ok':{'value':['b']}}",
            &err),
        E_INVALID);
    static const char *const parts[] = {
        "parameters.need: a value is required",
        "parameters.n: 1 is less than 2",
        "parameters.m: 16 is more than 15",
        "parameters.t: the value \"c\" is not allowed; allowed are [\"a\",\"b\"]",
        "parameters.l: the length 2 is less",
        "parameters.k: the length 4 is more",
        "parameters.b: the value must be of type bool, it is a string",
        "parameters.extra: the template has no such parameter"};
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        if (strstr(err.text, parts[i]) == NULL) fail_msg("'%s' is not in: %s", parts[i], err.text);
    }
    assert_null(strstr(err.text, "parameters.ok"));
}

static void parameter_files_defaults_and_literal_values_work(void **state)
{
    (void)state;
    struct arm_plan *p =
        plan_ok("{'parameters':{'a':{'type':'string'},'B':{'type':'string','defaultValue':'[concat("
                "parameters(`A`), `x`)]'}},"
                "'resources':[],'outputs':{'o':{'type':'string','value':'[parameters(`b`)]'}}}",
                "{'$schema':'s','contentVersion':'1.0.0.0','parameters':{'A':{'value':'[not("
                "evaluated)]'}}}");
    expect_outputs(p, "{'o':{'type':'string','value':'[not(evaluated)]x'}}");
    json_t *v = NULL;
    assert_int_equal(arm_plan_parameter(&v, p, "B", NULL), OK);
    assert_string_equal(json_string_value(v), "[not(evaluated)]x");
    json_decref(v);
    assert_int_equal(arm_plan_parameter(&v, p, "none", NULL), E_NOT_FOUND);
    arm_plan_free(p);
}

static void variables_loops_and_user_functions_work(void **state)
{
    (void)state;
    struct arm_plan *p = plan_ok(
        "{'functions':[{'namespace':'our','members':{'pair':{'parameters':[{'name':'a','type':'"
        "string'},{'name':'n','type':'int'}],"
        "'output':{'type':'string','value':'[format(`{0}-{1}`, parameters(`a`), "
        "parameters(`n`))]'}}}}],"
        "'variables':{'base':'x','copy':[{'name':'names','count':3,'input':'[our.pair(variables(`"
        "base`), copyIndex(`names`))]'}],"
        "'nested':{'copy':[{'name':'n','count':1,'input':{'i':'[copyIndex(`n`, 5)]'}}]}},"
        "'resources':[],'outputs':{'names':{'type':'array','value':'[variables(`names`)]'},"
        "'n':{'type':'int','value':'[variables(`nested`).n[0].i]'},"
        "'each':{'type':'array','copy':{'count':2,'input':'[variables(`names`)[copyIndex()]]'}},"
        "'not':{'type':'string','condition':false,'value':'x'}}}",
        NULL);
    expect_outputs(
        p, "{'names':{'type':'array','value':['x-0','x-1','x-2']},'n':{'type':'int','value':5},"
           "'each':{'type':'array','value':['x-0','x-1']}}");
    arm_plan_free(p);
}

static void a_secret_never_becomes_an_output(void **state)
{
    (void)state;
    static const char *const templates[] = {
        "{'parameters':{'s':{'type':'securestring'}},'resources':[],'outputs':{'o':{'type':'"
        "securestring','value':'x'}}}",
        "{'parameters':{'s':{'type':'securestring'}},'resources':[],'outputs':{'o':{'type':'string'"
        ",'value':'[parameters(`s`)]'}}}",
        "{'parameters':{'s':{'type':'securestring'}},'variables':{'v':'[base64(parameters(`s`))]'},"
        "'resources':[],"
        "'outputs':{'o':{'type':'string','value':'[variables(`v`)]'}}}",
        "{'parameters':{'s':{'type':'securestring'}},'resources':[{'type':'Microsoft.Resources/"
        "deployments','apiVersion':'1',"
        "'name':'n','properties':{'expressionEvaluationOptions':{'scope':'inner'},'parameters':{'p'"
        ":{'value':'[parameters(`s`)]'}},"
        "'template':{'parameters':{'p':{'type':'string'}},'resources':[],'outputs':{'o':{'type':'"
        "string','value':'[parameters(`p`)]'}}}}}],"
        "'outputs':{'o':{'type':'string','value':'[reference(`n`).outputs.o.value]'}}}",
    };
    for (size_t i = 0; i < COUNT_OF(templates); i++)
        expect_error(templates[i], "{'s':{'value':'hunter2'}}", E_DENIED, "secret");
}

static void circles_are_named(void **state)
{
    (void)state;
    expect_error("{'resources':[{'type':'A.B/c','apiVersion':'1','name':'a','dependsOn':['b']},"
                 "{'type':'A.B/c','apiVersion':'1','name':'b','dependsOn':['c']},"
                 "{'type':'A.B/c','apiVersion':'1','name':'c','dependsOn':['a']}]}",
                 NULL, E_INVALID, "in a circle: a -> b -> c -> a");
    expect_error(
        "{'resources':[{'type':'A.B/c','apiVersion':'1','name':'self','dependsOn':['self']}]}",
        NULL, E_INVALID, "self -> self");
    expect_error("{'variables':{'a':'[variables(`b`)]','b':'[variables(`a`)]'},'resources':[{'type'"
                 ":'A.B/c','apiVersion':'1',"
                 "'name':'[variables(`a`)]'}]}",
                 NULL, E_INVALID, "needs its own value");
    expect_error(
        "{'parameters':{'a':{'type':'string','defaultValue':'[parameters(`a`)]'}},'resources':[]}",
        NULL, E_INVALID, "needs its own value");
}

static void mistakes_name_the_place(void **state)
{
    (void)state;
    expect_error("{'resources':[{'type':'A.B/"
                 "c','apiVersion':'1','name':'x','properties':{'deep':[{'y':'[frobnicate()]'}]}}]}",
                 NULL, E_INVALID,
                 "resources[0].properties.deep[0].y: unknown function frobnicate(); in expression "
                 "'[frobnicate()]' at position 1");
    expect_error("{'resources':[{'type':'A.B/"
                 "c','apiVersion':'1','name':'x','condition':false,'tags':'[concat(]'}]}",
                 NULL, E_DECODE, "resources[0].tags");
    expect_error(
        "{'resources':[{'type':'A.B/c','apiVersion':'1','name':'x','tags':'[variables(`v`)]'}]}",
        NULL, E_NOT_FOUND, "no variable 'v'");
    expect_error(
        "{'resources':[{'type':'A.B/c','apiVersion':'1','name':'x','dependsOn':['y']}]}", NULL,
        E_NOT_FOUND,
        "resources[0].dependsOn: dependsOn: the template has no resource or copy loop 'y'");
    expect_error("{'resources':[{'type':'A.B/c','apiVersion':'1','name':'x/y'}]}", NULL, E_INVALID,
                 "do not match");
    expect_error("{'resources':[{'type':'A.B/c','name':'x'}]}", NULL, E_INVALID,
                 "apiVersion is missing");
    expect_error("{'resources':[{'type':'A.B/c','apiVersion':'1'}]}", NULL, E_INVALID,
                 "resources[0].name: is missing");
    expect_error("{'resources':[{'type':'A.B/c','apiVersion':'1','name':'x'},{'type':'A.B/"
                 "c','apiVersion':'1','name':'X'}]}",
                 NULL, E_EXISTS, "twice");
    expect_error("{'resources':[{'type':'A.B/c','apiVersion':'1','name':'x','condition':'yes'}]}",
                 NULL, E_INVALID, "must be a boolean");
    expect_error("{}", NULL, E_INVALID, "resources is missing");
    expect_error("{'$schema':'https://x/2019-08-01/tenantDeploymentTemplate.json#','resources':[]}",
                 NULL, E_UNSUPPORTED, "resource groups");
    expect_error(
        "{'resources':[{'type':'A.B/"
        "c','apiVersion':'1','name':'[string(copyIndex())]','copy':{'name':'l','count':801}}]}",
        NULL, E_LIMIT, "800");
    expect_error(
        "{'resources':[{'type':'A.B/"
        "c','apiVersion':'1','name':'[string(copyIndex())]','copy':{'name':'l','count':500}},"
        "{'type':'A.B/"
        "d','apiVersion':'1','name':'[string(copyIndex())]','copy':{'name':'m','count':301}}]}",
        NULL, E_LIMIT, "more than 800 resources");
    expect_error("{'resources':[{'type':'A.B/"
                 "c','apiVersion':'1','name':'x','properties':'[reference(`none`)]'}]}",
                 NULL, E_NOT_FOUND, "no resource of that name");
    expect_error("{'resources':[{'type':'A.B/"
                 "c','apiVersion':'1','name':'x','condition':'[reference(`x`).y]'}]}",
                 NULL, E_AGAIN, "cannot be known before");
}

static void values_that_double_themselves_are_stopped(void **state)
{
    (void)state;
    for (size_t f = 0; f < 3; f++) { /* concat, createArray, format */
        json_t *vars = json_object();
        json_object_set_new(vars, "v0",
                            f == 2 ? json_string("0123456789") : json_pack("[i, i]", 1, 2));
        for (int i = 1; i < 100; i++) {
            char name[16], text[100];
            snprintf(name, sizeof name, "v%d", i);
            snprintf(text, sizeof text,
                     f == 0   ? "[concat(variables('v%d'), variables('v%d'))]"
                     : f == 1 ? "[createArray(variables('v%d'), variables('v%d'))]"
                              : "[format('{0}{1}', variables('v%d'), variables('v%d'))]",
                     i - 1, i - 1);
            json_object_set_new(vars, name, json_string(text));
        }
        json_t *tmpl =
            json_pack("{s:o, s:[], s:{s:{s:s, s:s}}}", "variables", vars, "resources", "outputs",
                      "o", "type", "string", "value", "[string(variables('v99'))]");
        struct arm_plan *p = NULL;
        struct err err = {.status = OK};
        assert_int_equal(arm_plan_new(&p, tmpl, NULL, &CTX, &err), E_LIMIT);
        json_decref(tmpl);
    }
}

static void too_many_outputs_and_parameters_are_refused(void **state)
{
    (void)state;
    json_t *tmpl = json_pack("{s:{}, s:[]}", "outputs", "resources"), *params = json_object();
    for (int i = 0; i < 65; i++) {
        char name[16];
        snprintf(name, sizeof name, "o%d", i);
        json_object_set_new(json_object_get(tmpl, "outputs"), name,
                            json_pack("{s:s, s:i}", "type", "int", "value", i));
    }
    struct arm_plan *p = NULL;
    struct err err = {.status = OK};
    assert_int_equal(arm_plan_new(&p, tmpl, NULL, &CTX, &err), E_LIMIT);
    assert_non_null(strstr(err.text, "65 outputs, 64 are allowed"));
    json_object_set_new(tmpl, "outputs", json_object());
    for (int i = 0; i < 257; i++) {
        char name[16];
        snprintf(name, sizeof name, "p%d", i);
        json_object_set_new(params, name,
                            json_pack("{s:s, s:i}", "type", "int", "defaultValue", i));
    }
    json_object_set_new(tmpl, "parameters", params);
    assert_int_equal(arm_plan_new(&p, tmpl, NULL, &CTX, &err), E_LIMIT);
    json_decref(tmpl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_resource_loop_expands_and_false_conditions_drop),
        cmocka_unit_test(depends_on_orders_by_name_id_and_loop),
        cmocka_unit_test(children_take_type_and_name_of_their_parent),
        cmocka_unit_test(a_serial_loop_waits_batch_by_batch),
        cmocka_unit_test(a_reference_is_a_dependency_and_is_asked_for_when_the_turn_has_come),
        cmocka_unit_test(an_outer_nested_template_sees_the_parent_an_inner_one_does_not),
        cmocka_unit_test(waiting_for_a_deployment_is_waiting_for_all_that_it_deploys),
        cmocka_unit_test(links_load_relative_to_the_main_template_and_can_be_inlined),
        cmocka_unit_test(references_gives_the_instances_of_a_loop_in_its_order),
        cmocka_unit_test(deployments_tell_their_names_resources_and_outputs),
        cmocka_unit_test(all_wrong_parameters_are_reported_at_once),
        cmocka_unit_test(parameter_files_defaults_and_literal_values_work),
        cmocka_unit_test(variables_loops_and_user_functions_work),
        cmocka_unit_test(a_secret_never_becomes_an_output),
        cmocka_unit_test(circles_are_named),
        cmocka_unit_test(mistakes_name_the_place),
        cmocka_unit_test(values_that_double_themselves_are_stopped),
        cmocka_unit_test(too_many_outputs_and_parameters_are_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
