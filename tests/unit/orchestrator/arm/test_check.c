/* The rules: our own templates keep them all, and each rule finds its mistake. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/file.h"
#include "orchestrator/arm/check.h"

#include <cmocka.h>

static const uint64_t NOW = 1795426372; /* 2026-11-23 */

static json_t *parse(const char *text)
{
    char *t = strdup(text);
    for (char *c = t; *c != 0; c++) {
        if (*c == '\'') *c = '"';
        if (*c == '`') *c = '\'';
    }
    json_error_t je;
    json_t *v = json_loads(t, 0, &je);
    if (v == NULL) fail_msg("%s: %s", text, je.text);
    free(t);
    return v;
}

static size_t count(const json_t *findings, const char *rule)
{
    size_t i, n = 0;
    json_t *f;
    json_array_foreach(findings, i, f)
    {
        n += strcmp(json_string_value(json_object_get(f, "rule")), rule) == 0;
    }
    return n;
}

static void print_all(const json_t *findings)
{
    size_t i;
    json_t *f;
    json_array_foreach(findings, i, f)
    {
        print_error("%s %s %s: %s\n", json_string_value(json_object_get(f, "rule")),
                    json_string_value(json_object_get(f, "file")),
                    json_string_value(json_object_get(f, "path")),
                    json_string_value(json_object_get(f, "reason")));
    }
}

static void our_templates_keep_every_rule(void **state)
{
    (void)state;
    json_t *findings = NULL;
    struct err err = {.status = OK};
    if (arm_check_dir(&findings, "templates", NOW, &err) != OK) fail_msg("%s", err.text);
    print_all(findings);
    assert_int_equal(json_array_size(findings), 0);
    json_decref(findings);
}

#define SCHEMA                                                                                     \
    "'$schema':'https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#',"
#define NESTED(more, inner)                                                                        \
    "{" SCHEMA "'parameters':{'s':{'type':'securestring'}},'resources':[{'type':'Microsoft."       \
               "Resources/deployments',"                                                           \
    "'apiVersion':'2025-04-01','name':'n','properties':{" more "'template':{" inner "}}}]}"
#define RESOURCE(more)                                                                             \
    "{" SCHEMA "'parameters':{'s':{'type':'securestring'},'p':{'type':'string'}},'resources':[{'"  \
               "type':'A.B/c'," more "'name':'n'}]}"

static const struct {
    const char *rule, *path, *tmpl;
} BAD[] = {
    {"CommandToExecute-Must-Use-ProtectedSettings-For-Secrets",
     "resources[0].properties.settings.commandToExecute",
     RESOURCE(
         "'properties':{'settings':{'commandToExecute':'[concat(`sh `, parameters(`s`))]'}},")},
    {"DependsOn-Best-Practices", "resources[0].dependsOn[0]",
     RESOURCE("'dependsOn':['[concat(`a`, `b`)]'],")},
    {"DependsOn-Best-Practices", "resources[0].dependsOn[0]",
     RESOURCE("'dependsOn':['[if(true(), `a`, `b`)]'],")},
    {"Deployment-Resources-Must-Not-Be-Debug", "resources[0]",
     NESTED("'debugSetting':{'detailLevel':'requestContent'},", "'resources':[]")},
    {"DeploymentTemplate-Must-Not-Contain-Hardcoded-Uri", "resources[0].x",
     RESOURCE("'x':'https://v.vault.azure.net/',")},
    {"DeploymentTemplate-Schema-Is-Correct", "$schema",
     "{'$schema':'https://example.invalid/x.json','resources':[]}"},
    {"DeploymentTemplate-Schema-Is-Correct", "$schema",
     "{'$schema':'https://schema.management.azure.com/schemas/2015-01-01/"
     "deploymentTemplate.json#','resources':[]}"},
    {"Dynamic-Variable-References-Should-Not-Use-Concat", "resources[0].x",
     RESOURCE("'x':'[variables(concat(`a`, `b`))]',")},
    {"IDs-Should-Be-Derived-From-ResourceIDs", "resources[0].x.id",
     RESOURCE("'x':{'id':'/subscriptions/1/y'},")},
    {"IDs-Should-Be-Derived-From-ResourceIDs", "resources[0].x.id",
     RESOURCE("'x':{'id':'[concat(parameters(`p`), `/providers/x`)]'},")},
    {"Location-Should-Not-Be-Hardcoded", "resources[0]", RESOURCE("'location':'westeurope',")},
    {"Location-Should-Not-Be-Hardcoded", "resources[0]",
     RESOURCE("'location':'[resourceGroup().location]',")},
    {"Location-Should-Not-Be-Hardcoded", "parameters.location",
     "{" SCHEMA
     "'parameters':{'location':{'type':'string','defaultValue':'eastus'}},'resources':[]}"},
    {"ManagedIdentityExtension-must-not-be-used", "resources[0].properties.type",
     RESOURCE("'properties':{'type':'ManagedIdentityExtensionForLinux'},")},
    {"Min-And-Max-Value-Are-Numbers", "parameters.p",
     "{" SCHEMA "'parameters':{'p':{'type':'int','minValue':'1'}},'resources':[]}"},
    {"Outputs-Must-Not-Contain-Secrets", "outputs.o",
     "{" SCHEMA "'parameters':{'s':{'type':'securestring'}},'resources':[],'outputs':{'o':{'type':'"
                "string','value':'[parameters( `S` )]'}}}"},
    {"Outputs-Must-Not-Contain-Secrets", "outputs.o",
     "{" SCHEMA
     "'resources':[],'outputs':{'o':{'type':'object','value':'[listKeys(`x`, `2025-01-01`)]'}}}"},
    {"Parameter-Types-Should-Be-Consistent", "resources[0]",
     NESTED("'expressionEvaluationOptions':{'scope':'inner'},'parameters':{'p':{'value':'["
            "parameters(`s`)]'}},",
            "'parameters':{'p':{'type':'string'}},'resources':[]")},
    {"Parameters-Must-Be-Referenced", "parameters.s", RESOURCE("'x':'[parameters(`p`)]',")},
    {"Password-params-must-be-secure", "parameters.adminPassword",
     "{" SCHEMA "'parameters':{'adminPassword':{'type':'string'}},'resources':[]}"},
    {"ResourceIds-should-not-contain", "resources[0].x",
     RESOURCE("'x':'[resourceId(resourceGroup().name, `A.B/c`, `x`)]',")},
    {"Resources-Should-Have-Location", "resources[0]", RESOURCE("")},
    {"Resources-Should-Not-Be-Ambiguous", "resources[0]",
     "{" SCHEMA "'resources':[{'type':'A.B/c','name':'x','dependsOn':['y']},{'type':'A.B/"
                "c','name':'y'},{'type':'A.B/d','name':'y'}]}"},
    {"Secure-Params-In-Nested-Deployments", "resources[0]",
     NESTED("", "'resources':[{'type':'A.B/c','name':'[parameters(`s`)]'}]")},
    {"Secure-Params-In-Nested-Deployments", "resources[0]",
     NESTED("", "'parameters':{'t':{'type':'secureObject'}},'resources':[]")},
    {"Secure-String-Parameters-Cannot-Have-Default", "parameters.s",
     "{" SCHEMA "'parameters':{'s':{'type':'securestring','defaultValue':'x'}},'resources':[]}"},
    {"Template-Should-Not-Contain-Blanks", "resources[0].sku", RESOURCE("'sku':{},")},
    {"URIs-Should-Be-Properly-Constructed", "resources[0].scriptUri",
     RESOURCE("'scriptUri':'[concat(parameters(`p`), `/x`)]',")},
    {"VM-Images-Should-Use-Latest-Version", "resources[0].imageReference",
     RESOURCE("'imageReference':{'version':'1.2.3'},")},
    {"VM-Size-Should-Be-A-Parameter", "resources[0].hardwareProfile.vmSize",
     RESOURCE("'hardwareProfile':{'vmSize':'Standard_D1_v2'},")},
    {"VM-Size-Should-Be-A-Parameter", "resources[0]",
     "{" SCHEMA "'resources':[{'type':'Microsoft.Compute/"
                "virtualMachineScaleSets','name':'x','sku':{'name':'Standard_D1_v2'}}]}"},
    {"Variables-Must-Be-Referenced", "variables.v",
     "{" SCHEMA "'variables':{'v':1},'resources':[]}"},
    {"Variables-Must-Be-Referenced", "variables.copy[0]",
     "{" SCHEMA "'variables':{'copy':[{'name':'w','count':1,'input':1}]},'resources':[]}"},
    {"Virtual-Machines-Should-Not-Be-Preview", "resources[0].imageReference",
     RESOURCE("'imageReference':{'sku':'20-preview'},")},
    {"adminPassword-Should-Not-Be-A-Literal", "resources[0].osProfile.adminPassword",
     RESOURCE("'osProfile':{'adminPassword':'hunter2'},")},
    {"adminUsername-Should-Not-Be-A-Literal", "resources[0].osProfile.adminUsername",
     RESOURCE("'osProfile':{'adminUsername':'azureuser'},")},
    {"adminUsername-Should-Not-Be-A-Literal", "resources[0].adminUsername",
     "{" SCHEMA "'variables':{'u':'me'},'resources':[{'adminUsername':'[variables(`u`)]'}]}"},
    {"apiVersions-Should-Be-Recent-In-Reference-Functions", "outputs.o.value",
     "{" SCHEMA "'resources':[],'outputs':{'o':{'type':'string','value':'[reference(resourceId(`A."
                "B/c`, `x`), `2019-01-01`).y]'}}}"},
    {"apiVersions-Should-Be-Recent", "resources[0]", RESOURCE("'apiVersion':'2024-11-01',")},
    {"apiVersions-Should-Be-Recent", "resources[0]",
     RESOURCE("'apiVersion':'2026-11-01-preview',")},
    {"apiVersions-Should-Be-Recent", "resources[0]", RESOURCE("'apiVersion':'[parameters(`p`)]',")},
    {"artifacts-parameter", "parameters",
     "{" SCHEMA "'parameters':{'_artifactsLocation':{'type':'string'}},'resources':[]}"},
    {"artifacts-parameter", "parameters._artifactsLocationSasToken",
     "{" SCHEMA "'parameters':{'_artifactsLocation':{'type':'string','defaultValue':'[deployment()."
                "properties.templateLink.uri]'},"
     "'_artifactsLocationSasToken':{'type':'string','defaultValue':''}},'resources':[]}"},
    {"providers_apiVersions-Is-Not-Permitted", "resources[0].apiVersion",
     RESOURCE("'apiVersion':'[providers(`A.B`, `c`).apiVersions[0]]',")},
};

static void each_rule_finds_its_mistake_and_says_where(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(BAD); i++) {
        json_t *findings = json_array(), *t = parse(BAD[i].tmpl), *f;
        assert_int_equal(arm_check_template(findings, "t.json", t, true, NOW), OK);
        bool hit = false;
        size_t k;
        json_array_foreach(findings, k, f)
        {
            hit = hit || (strcmp(json_string_value(json_object_get(f, "rule")), BAD[i].rule) == 0 &&
                          strcmp(json_string_value(json_object_get(f, "path")), BAD[i].path) == 0);
        }
        if (!hit) {
            print_all(findings);
            fail_msg("%s does not find %s at %s", BAD[i].rule, BAD[i].tmpl, BAD[i].path);
        }
        json_decref(findings);
        json_decref(t);
    }
}

static const char UI[] =
    "{'$schema':'https://schema.management.azure.com/schemas/0.1.2-preview/"
    "CreateUIDefinition.MultiVm.json#',"
    "'handler':'Microsoft.Azure.CreateUIDef','version':'0.1.2-preview','parameters':{'basics':["
    "{'name':'size','type':'Microsoft.Common.DropDown','toolTip':'t','constraints':{'allowedValues'"
    ":[{'label':'a','value':1}]}}],"
    "'steps':[{'name':'s','label':'S','elements':["
    "{'name':'box','type':'Microsoft.Common.TextBox','toolTip':'t','constraints':{'regex':'^a$','"
    "validationMessage':'m'}},"
    "{'name':'pw','type':'Microsoft.Common.PasswordBox','toolTip':'t','constraints':{'regex':'^.{"
    "12,}$'}},"
    "{'name':'vm','type':'Microsoft.Compute.SizeSelector','toolTip':'t','recommendedSizes':['D1']}]"
    "}],"
    "'outputs':{'location':'[location()]','size':'[basics(`size`)]','box':'[steps(`s`).box]','pw':'"
    "[steps(`s`).pw]','vm':'[steps(`s`).vm]'}}}";
static const char UI_MAIN[] =
    "{'parameters':{'location':{'type':'string'},'size':{'type':'int','minValue':1},'box':{'type':'"
    "string'},"
    "'pw':{'type':'securestring'},'vm':{'type':'string','defaultValue':'D1'}}}";

/* old -> new in UI's text breaks one rule */
static const struct {
    const char *rule, *old, *with;
} BAD_UI[] = {
    {"Allowed-Values-Should-Actually-Be-Allowed", "'value':1", "'value':0"},
    {"Controls-In-Outputs-Must-Exist", "steps(`s`).box", "steps(`s`).bax"},
    {"Controls-In-Outputs-Must-Exist", "basics(`size`)", "basics(`siz`)"},
    {"CreateUIDefinition-Must-Not-Have-Blanks", "'label':'S'", "'label':''"},
    {"CreateUIDefinition-Should-Have-Schema", "0.1.2-preview/Create", "0.1.1-preview/Create"},
    {"Credential-Confirmation-Should-Not-Be-Hidden", "'name':'pw',",
     "'name':'pw','options':{'hideConfirmation':true},"},
    {"Handler-Must-Be-Correct", "Microsoft.Azure.CreateUIDef'", "Microsoft.Azure.Other'"},
    {"HideExisting-Must-Be-Correctly-Handled", "Microsoft.Common.TextBox",
     "Microsoft.Storage.StorageAccountSelector"},
    {"Location-Should-Be-In-Outputs", "'location':'[location()]',", ""},
    {"Outputs-Must-Be-Present-In-Template-Parameters", "'outputs':{", "'outputs':{'other':'x',"},
    {"Parameters-Without-Default-Must-Exist-In-CreateUIDefinition", "'box':'[steps(`s`).box]',",
     ""},
    {"Password-Textboxes-Must-Be-Used-For-Password-Parameters", "'pw':'[steps(`s`).pw]'",
     "'pw':'[steps(`s`).box]'"},
    {"PasswordBoxes-Must-Have-Min-Length", "^.{12,}$", "^.*$"},
    {"Textboxes-Are-Well-Formed", "'^a$'", "'a'"},
    {"Textboxes-Are-Well-Formed", ",'validationMessage':'m'", ""},
    {"Tooltips-Should-Be-Present", "'name':'box','type':'Microsoft.Common.TextBox','toolTip':'t',",
     "'name':'box','type':'Microsoft.Common.TextBox',"},
    {"Usernames-Should-Not-Have-A-Default", "'name':'box','type':'Microsoft.Common.TextBox',",
     "'name':'box','type':'Microsoft.Compute.UserNameTextBox','defaultValue':'me',"},
    {"VMSizes-Must-Match-Template", "['D1']", "['D2']"},
    {"Validations-Must-Have-Message", "{'regex':'^a$','validationMessage':'m'}",
     "{'validations':[{'regex':'^a$'}]}"},
};

static void each_rule_of_the_user_interface_finds_its_mistake(void **state)
{
    (void)state;
    json_t *main_template = parse(UI_MAIN), *good = parse(UI), *findings = json_array();
    assert_int_equal(arm_check_ui(findings, "ui.json", good, main_template), OK);
    print_all(findings);
    assert_int_equal(json_array_size(findings), 0);
    for (size_t i = 0; i < COUNT_OF(BAD_UI); i++) {
        const char *hit = strstr(UI, BAD_UI[i].old);
        assert_non_null(hit);
        struct buf b;
        buf_init(&b, 1 << 16);
        buf_put(&b, UI, (size_t)(hit - UI));
        buf_put_str(&b, BAD_UI[i].with);
        buf_put_str(&b, hit + strlen(BAD_UI[i].old));
        json_t *bad = parse(buf_cstr(&b));
        json_array_clear(findings);
        assert_int_equal(arm_check_ui(findings, "ui.json", bad, main_template), OK);
        if (count(findings, BAD_UI[i].rule) == 0) {
            print_all(findings);
            fail_msg("%s does not find %s", BAD_UI[i].rule, BAD_UI[i].with);
        }
        json_decref(bad);
        buf_fini(&b);
    }
    json_decref(findings);
    json_decref(good);
    json_decref(main_template);
}

static void a_parameter_file_is_checked_too(void **state)
{
    (void)state;
    json_t *findings = json_array(), *doc = parse("{'parameters':{'a':{'x':1},'b':{'value':1}}}");
    assert_int_equal(arm_check_parameters(findings, "p.json", doc), OK);
    assert_int_equal(json_array_size(findings), 3);
    assert_int_equal(count(findings, "DeploymentParameters-Should-Have-Value"), 1);
    assert_int_equal(count(findings, "DeploymentParameters-Should-Have-Schema"), 1);
    assert_int_equal(count(findings, "DeploymentParameters-Should-Have-ContentVersion"), 1);
    json_decref(doc);
    doc = parse("{'$schema':'https://schema.management.azure.com/schemas/2019-04-01/"
                "deploymentParameters.json#','contentVersion':'1.0.0.0'}");
    json_array_clear(findings);
    assert_int_equal(arm_check_parameters(findings, "p.json", doc), OK);
    assert_int_equal(json_array_size(findings), 1);
    assert_int_equal(count(findings, "DeploymentParameters-Should-Have-Parameters"), 1);
    json_decref(doc);
    json_decref(findings);
}

static void a_folder_with_a_file_that_does_not_parse_is_reported(void **state)
{
    (void)state;
    char dir[] = "/tmp/poa-check-XXXXXX", path[100];
    assert_non_null(mkdtemp(dir));
    json_t *findings = NULL;
    struct err err = {.status = OK};
    assert_int_equal(arm_check_dir(&findings, dir, NOW, &err), E_NOT_FOUND);
    snprintf(path, sizeof path, "%s/mainTemplate.json", dir);
    assert_int_equal(file_write_atomic(path, BYTES_LIT("{\"a\": 1, \"a\": 2}"), 0600, &err), OK);
    assert_int_equal(arm_check_dir(&findings, dir, NOW, &err), OK);
    assert_int_equal(json_array_size(findings), 1);
    assert_int_equal(count(findings, "JSONFiles-Should-Be-Valid"), 1);
    json_decref(findings);
    assert_int_equal(file_remove_tree(dir, &err), OK);
}

static void every_rule_of_the_table_has_a_test(void **state)
{
    (void)state;
    size_t n = 0;
    const struct arm_rule *rules = arm_check_rules(&n);
    assert_int_equal(n, 1 + 31 + 17 + 4);
    for (size_t i = 0; i < n; i++) {
        bool hit = strcmp(rules[i].kind, "all") == 0 || strcmp(rules[i].kind, "parameters") == 0;
        for (size_t k = 0; k < COUNT_OF(BAD); k++)
            hit = hit || strcmp(BAD[k].rule, rules[i].name) == 0;
        for (size_t k = 0; k < COUNT_OF(BAD_UI); k++)
            hit = hit || strcmp(BAD_UI[k].rule, rules[i].name) == 0;
        if (!hit) fail_msg("no test of %s", rules[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_templates_keep_every_rule),
        cmocka_unit_test(each_rule_finds_its_mistake_and_says_where),
        cmocka_unit_test(each_rule_of_the_user_interface_finds_its_mistake),
        cmocka_unit_test(a_parameter_file_is_checked_too),
        cmocka_unit_test(a_folder_with_a_file_that_does_not_parse_is_reported),
        cmocka_unit_test(every_rule_of_the_table_has_a_test),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
