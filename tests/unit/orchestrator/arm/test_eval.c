/* Functions and expressions: values as the template reference documents them, and the errors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "orchestrator/arm/arm.h"

#include <cmocka.h>

static enum status answer(json_t **out, void *arg, const char *id, const char *api_version,
                          bool full, struct err *err)
{
    (void)arg;
    (void)err;
    *out = json_pack("{s:s, s:s, s:b}", "id", id, "v", api_version != NULL ? api_version : "",
                     "full", full);
    return OK;
}

static enum status keys(json_t **out, void *arg, const char *function, const char *id,
                        const char *api_version, const json_t *body, struct err *err)
{
    (void)arg;
    (void)api_version;
    (void)body;
    (void)err;
    *out = json_pack("{s:s, s:s}", "fn", function, "id", id);
    return OK;
}

static void fixed_guid(uint8_t dst[16], void *arg)
{
    (void)arg;
    memset(dst, 0xab, 16);
}

static const struct arm_context CTX = {
    .subscription_id = "11111111-2222-3333-4444-555555555555",
    .tenant_id = "99999999-2222-3333-4444-555555555555",
    .resource_group = "rg",
    .location = "westeurope",
    .deployment_name = "main",
    .utc_now_s = 1795426372, /* 2026-11-23T09:32:52Z */
    .reference = answer,
    .list = keys,
    .new_guid = fixed_guid,
};

static const struct {
    const char *expr, *json;
} GOOD[] = {
    {"plain", "\"plain\""},
    {"[[x]", "\"[x]\""},
    {"[[x", "\"[[x\""},
    {"[x] y", "\"[x] y\""},
    {"[concat('it''s', ' ', 5, true())]", "\"it's 5True\""},
    {"[concat(createArray(1), createArray('a'))]", "[1,\"a\"]"},
    {"[ add( 1 , mul(2,-3) ) ]", "-5"},
    {"[div(7, 2)]", "3"},
    {"[mod(7, 3)]", "1"},
    {"[sub(7, 9)]", "-2"},
    {"[int('42')]", "42"},
    {"[float('2.5')]", "2.5"},
    {"[min(3, 1, 2)]", "1"},
    {"[max(createArray(3, 1, 2))]", "3"},
    {"[range(5, 3)]", "[5,6,7]"},
    {"[base64('one, two')]", "\"b25lLCB0d28=\""},
    {"[base64ToString('b25lLCB0d28=')]", "\"one, two\""},
    {"[base64ToJson(base64('{''a'': 1}'))]", NULL}, /* single quotes are no JSON */
    {"[base64ToJson(base64('{\"a\": 1}')).a]", "1"},
    {"[dataUri('Hello')]", "\"data:text/plain;charset=utf8;base64,SGVsbG8=\""},
    {"[dataUriToString('data:;base64,SGVsbG8sIFdvcmxkIQ==')]", "\"Hello, World!\""},
    {"[contains('OneTwoThree', 'e')]", "true"},
    {"[contains('OneTwoThree', 'z')]", "false"},
    {"[contains(createObject('One', 1), 'one')]", "true"},
    {"[contains(createArray('one', 'two'), 'two')]", "true"},
    {"[empty('')]", "true"},
    {"[empty(createArray())]", "true"},
    {"[empty(createObject('a', 1))]", "false"},
    {"[empty(null())]", "true"},
    {"[endsWith('abcdef', 'F')]", "true"},
    {"[startsWith('abcdef', 'A')]", "true"},
    {"[startsWith('abc', 'abcd')]", "false"},
    {"[first('One Two')]", "\"O\""},
    {"[last(createArray('one', 'two'))]", "\"two\""},
    {"[last('One')]", "\"e\""},
    {"[format('{0}, {1}. {{x}} {2}', 'Hello', 'User', 8175133)]", "\"Hello, User. {x} 8175133\""},
    {"[format('{0:D4}|{1:X2}|{2,4}|{2,-4}|', 7, 255, 'ab')]", "\"0007|FF|  ab|ab  |\""},
    {"[format('{0} {1}', true(), createArray(1))]", "\"True [1]\""},
    {"[indexOf('abcdef', 'CD')]", "2"},
    {"[indexOf('abcdef', 'z')]", "-1"},
    {"[indexOf(createArray('a', 'b', 'b'), 'b')]", "1"},
    {"[lastIndexOf('abcabc', 'b')]", "4"},
    {"[lastIndexOf(createArray('a', 'b', 'b'), 'b')]", "2"},
    {"[join(createArray('a', 'b', 1), '-')]", "\"a-b-1\""},
    {"[json('{\"a\":[1,null]}')]", "{\"a\":[1,null]}"},
    {"[length('\xc3\xa9t\xc3\xa9')]", "3"},
    {"[length(createObject('a', 1, 'b', 2))]", "2"},
    {"[padLeft('123', 6, '0')]", "\"000123\""},
    {"[padLeft(5, 3)]", "\"  5\""},
    {"[replace('123-123-1234', '-', '')]", "\"1231231234\""},
    {"[skip('one two', 4)]", "\"two\""},
    {"[skip(createArray(1, 2, 3), 2)]", "[3]"},
    {"[take(createArray(1, 2, 3), 2)]", "[1,2]"},
    {"[take('\xc3\xa9t\xc3\xa9', 1)]", "\"\xc3\xa9\""},
    {"[split('a,b;c', createArray(',', ';'))]", "[\"a\",\"b\",\"c\"]"},
    {"[split(',a', ',')]", "[\"\",\"a\"]"},
    {"[string(createObject('a', createArray(1, 'x')))]", "\"{\\\"a\\\":[1,\\\"x\\\"]}\""},
    {"[string(5)]", "\"5\""},
    {"[substring('one two three', 4, 3)]", "\"two\""},
    {"[substring('abc', 1)]", "\"bc\""},
    {"[toLower('One')]", "\"one\""},
    {"[toUpper('One')]", "\"ONE\""},
    {"[trim('  a b ')]", "\"a b\""},
    {"[uri('http://contoso.org/firstpath', 'myscript.sh')]", "\"http://contoso.org/myscript.sh\""},
    {"[uri('http://contoso.org/firstpath/', 'myscript.sh')]",
     "\"http://contoso.org/firstpath/myscript.sh\""},
    {"[uri('http://contoso.org/firstpath/azuredeploy.json', 'myscript.sh')]",
     "\"http://contoso.org/firstpath/myscript.sh\""},
    {"[uri('https://h/a/b.json?x=1', '../c/./d.json?s=2')]", "\"https://h/c/d.json?s=2\""},
    {"[uri('https://h', 'x')]", "\"https://h/x\""},
    {"[uri('https://h/a/b', '/x')]", "\"https://h/x\""},
    {"[uri('https://h/a/b', 'http://other/x')]", "\"http://other/x\""},
    {"[uriComponent('http://a b/')]", "\"http%3A%2F%2Fa%20b%2F\""},
    {"[uriComponentToString('http%3A%2F%2Fa%20b%2F')]", "\"http://a b/\""},
    {"[and(true(), not(false()))]", "true"},
    {"[or(false(), false())]", "false"},
    {"[or(true(), json('x'))]", "true"}, /* decided before the second */
    {"[if(equals('a', 'a'), 'yes', json('not evaluated'))]", "\"yes\""},
    {"[bool('TRUE')]", "true"},
    {"[bool(0)]", "false"},
    {"[equals(createObject('a', 1, 'b', 2), createObject('b', 2, 'a', 1))]", "true"},
    {"[equals('a', 'A')]", "false"},
    {"[greater(2, 1)]", "true"},
    {"[greaterOrEquals('A', 'a')]", "false"},
    {"[less('A', 'a')]", "true"},
    {"[lessOrEquals(2, 2)]", "true"},
    {"[coalesce(null(), null(), 'x')]", "\"x\""},
    {"[union(createObject('a', createObject('x', 1)), createObject('a', createObject('y', 2)))]",
     "{\"a\":{\"x\":1,\"y\":2}}"},
    {"[union(createArray(1, 2), createArray(2, 3))]", "[1,2,3]"},
    {"[intersection(createArray(1, 2, 3), createArray(3, 2))]", "[2,3]"},
    {"[intersection(createObject('a', 1, 'b', 2), createObject('a', 1, 'b', 3))]", "{\"a\":1}"},
    {"[items(createObject('b', 1, 'a', 2))]",
     "[{\"key\":\"a\",\"value\":2},{\"key\":\"b\",\"value\":1}]"},
    {"[objectKeys(createObject('b', 1))]", "[\"b\"]"},
    {"[shallowMerge(createArray(createObject('a', 1), createObject('b', 2)))]",
     "{\"a\":1,\"b\":2}"},
    {"[tryGet(createObject('a', createArray(7)), 'a', 0)]", "7"},
    {"[tryGet(createObject('a', 1), 'b')]", "null"},
    {"[flatten(createArray(createArray(1), createArray(2, 3)))]", "[1,2,3]"},
    {"[array('x')]", "[\"x\"]"},
    {"[createObject('a', createArray(1, 2)).a[1]]", "2"},
    {"[createObject('Name', 1).NAME]", "1"},
    {"[createObject('a', 1)['a']]", "1"},
    {"[createObject('a', 1).?b]", "null"},
    {"[null().?b.?c]", "null"},
    {"[createArray(1)[?3]]", "null"},
    {"[map(range(0, 3), lambda('i', mul(lambdaVariables('i'), 2)))]", "[0,2,4]"},
    {"[map(createArray('a', 'b'), lambda('x', 'i', format('{0}{1}', lambdaVariables('x'), "
     "lambdaVariables('i'))))]",
     "[\"a0\",\"b1\"]"},
    {"[filter(range(0, 6), lambda('i', equals(mod(lambdaVariables('i'), 2), 0)))]", "[0,2,4]"},
    {"[reduce(range(1, 4), 0, lambda('a', 'b', add(lambdaVariables('a'), lambdaVariables('b'))))]",
     "10"},
    {"[sort(createArray(3, 1, 2), lambda('a', 'b', less(lambdaVariables('a'), "
     "lambdaVariables('b'))))]",
     "[1,2,3]"},
    {"[toObject(createArray('a', 'b'), lambda('x', lambdaVariables('x')), lambda('x', "
     "toUpper(lambdaVariables('x'))))]",
     "{\"a\":\"A\",\"b\":\"B\"}"},
    {"[toObject(createArray('a'), lambda('x', concat('k', lambdaVariables('x'))))]",
     "{\"ka\":\"a\"}"},
    {"[groupBy(createArray('ab', 'ac', 'b'), lambda('x', first(lambdaVariables('x'))))]",
     "{\"a\":[\"ab\",\"ac\"],\"b\":[\"b\"]}"},
    {"[mapValues(createObject('a', 1), lambda('v', add(lambdaVariables('v'), 1)))]", "{\"a\":2}"},
    {"[utcNow()]", "\"20261123T093252Z\""},
    {"[utcNow('yyyy-MM-dd')]", "\"2026-11-23\""},
    {"[utcNow('u')]", "\"2026-11-23 09:32:52Z\""},
    {"[utcNow('ddd d MMM yy, hh:mm tt')]", "\"Mon 23 Nov 26, 09:32 AM\""},
    {"[dateTimeAdd('2020-04-07 14:53:14Z', 'P3Y')]", "\"2023-04-07 14:53:14Z\""},
    {"[dateTimeAdd('2020-04-07 14:53:14Z', '-P9D', 'yyyy-MM-dd')]", "\"2020-03-29\""},
    {"[dateTimeAdd('20200131T000000Z', 'P1M')]", "\"20200229T000000Z\""},
    {"[dateTimeAdd('2020-04-07T14:53:14Z', 'PT1H30M')]", "\"2020-04-07T16:23:14Z\""},
    {"[dateTimeFromEpoch(1683040573)]", "\"2023-05-02T15:16:13Z\""},
    {"[dateTimeToEpoch('2023-05-02T15:16:13Z')]", "1683040573"},
    {"[dateTimeToEpoch('2023-05-02T17:16:13+02:00')]", "1683040573"},
    {"[parseCidr('10.144.0.0/20')]",
     "{\"network\":\"10.144.0.0\",\"netmask\":\"255.255.240.0\",\"broadcast\":\"10.144.15.255\","
     "\"firstUsable\":"
     "\"10.144.0.1\",\"lastUsable\":\"10.144.15.254\",\"cidr\":20}"},
    {"[parseCidr('10.0.0.3/24').network]", "\"10.0.0.0\""},
    {"[cidrSubnet('10.144.0.0/20', 24, 3)]", "\"10.144.3.0/24\""},
    {"[cidrHost('10.144.3.0/24', 0)]", "\"10.144.3.1\""},
    {"[cidrHost('10.144.3.0/24', 253)]", "\"10.144.3.254\""},
    {"[cidrSubnet('fdad:3236:5555::/48', 52, 1)]", "\"fdad:3236:5555:1000::/52\""},
    {"[parseCidr('0.0.0.0/0').lastUsable]", "\"255.255.255.254\""},
    {"[cidrHost('10.0.0.0/31', 1)]", "\"10.0.0.1\""},
    {"[pickZones('Microsoft.Compute', 'virtualMachines', 'x')]", "[\"1\"]"},
    {"[pickZones('Microsoft.Compute', 'virtualMachines', 'x', 2, 1)]", "[\"2\",\"3\"]"},
    {"[resourceId('Microsoft.Network/virtualNetworks/subnets', 'v', 's')]",
     "\"/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg/providers/"
     "Microsoft.Network/"
     "virtualNetworks/v/subnets/s\""},
    {"[resourceId('other', 'Microsoft.KeyVault/vaults', 'v')]",
     "\"/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/other/providers/"
     "Microsoft.KeyVault/vaults/v\""},
    {"[resourceId('s', 'other', 'Microsoft.KeyVault/vaults', 'v')]",
     "\"/subscriptions/s/resourceGroups/other/providers/Microsoft.KeyVault/vaults/v\""},
    {"[subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'r')]",
     "\"/subscriptions/11111111-2222-3333-4444-555555555555/providers/Microsoft.Authorization/"
     "roleDefinitions/r\""},
    {"[tenantResourceId('Microsoft.Authorization/roleDefinitions', 'r')]",
     "\"/providers/Microsoft.Authorization/roleDefinitions/r\""},
    {"[extensionResourceId('/x', 'Microsoft.Authorization/locks', 'l')]",
     "\"/x/providers/Microsoft.Authorization/locks/l\""},
    {"[resourceGroup().location]", "\"westeurope\""},
    {"[resourceGroup().id]",
     "\"/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg\""},
    {"[subscription().tenantId]", "\"99999999-2222-3333-4444-555555555555\""},
    {"[tenant().tenantId]", "\"99999999-2222-3333-4444-555555555555\""},
    {"[deployment().name]", "\"main\""},
    {"[environment().suffixes.keyvaultDns]", "\".vault.azure.net\""},
    {"[newGuid()]", "\"abababab-abab-4bab-abab-abababababab\""},
    {"[reference('/a/b', '2024-01-01', 'Full')]",
     "{\"id\":\"/a/b\",\"v\":\"2024-01-01\",\"full\":true}"},
    {"[listKeys('/a/b', '2024-01-01').fn]", "\"listKeys\""},
    {"[equals(guid('a', 'b'), guid('a', 'b'))]", "true"},
    {"[equals(guid('ab', 'c'), guid('a', 'bc'))]", "false"},
    {"[length(uniqueString('x'))]", "13"},
    {"[length(guid('x'))]", "36"},
};

static void functions_give_what_the_reference_documents(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(GOOD); i++) {
        json_t *v = json_string(GOOD[i].expr), *got = NULL;
        struct err err = {.status = OK};
        const enum status s = arm_eval(&got, v, &CTX, &err);
        json_decref(v);
        if (GOOD[i].json == NULL) {
            assert_int_equal(s, E_DECODE);
            continue;
        }
        if (s != OK) fail_msg("%s: %s", GOOD[i].expr, err.text);
        json_t *want = json_loads(GOOD[i].json, JSON_DECODE_ANY, NULL);
        assert_non_null(want);
        if (!json_equal(got, want)) {
            char *text = json_dumps(got, JSON_ENCODE_ANY | JSON_COMPACT);
            print_error("%s gives %s\n", GOOD[i].expr, text);
            free(text);
            fail();
        }
        json_decref(got);
        json_decref(want);
    }
}

static const struct {
    const char *expr;
    enum status status;
    const char *text;
} BAD[] = {
    {"[]", E_DECODE, "position 1"},
    {"[concat('a']", E_DECODE, "',' or ')' is expected"},
    {"[concat('a)]", E_DECODE, "not closed"},
    {"[concat]", E_DECODE, "'(' is expected"},
    {"[true() x]", E_DECODE, "should end here"},
    {"[add(1.5, 1)]", E_DECODE, "only integers"},
    {"[99999999999999999999]", E_DECODE, "64 bits"},
    {"[-]", E_DECODE, "a digit"},
    {"[createArray(1)[0]", E_DECODE, "']' is expected"},
    {"[frobnicate(1)]", E_INVALID,
     "unknown function frobnicate(); in expression '[frobnicate(1)]' at position 1"},
    {"[concat('a', frobnicate())]", E_INVALID, "at position 13"},
    {"[add(1)]", E_INVALID, "add() takes 2 arguments, not 1"},
    {"[substring('a')]", E_INVALID, "takes 2 to 3 arguments, not 1"},
    {"[add(1, 'x')]", E_INVALID, "add(): argument 2 must be an integer, it is a string"},
    {"[div(1, 0)]", E_INVALID, "division by zero"},
    {"[mul(9223372036854775807, 2)]", E_INVALID, "does not fit"},
    {"[createObject('a', 1).b]", E_NOT_FOUND, "no property 'b'"},
    {"[createArray(1)[1]]", E_NOT_FOUND, "index 1 of an array of 1"},
    {"[createArray(1)[-1]]", E_NOT_FOUND, "index -1"},
    {"[createArray(1).x]", E_INVALID, "property 'x' of an array"},
    {"[substring('abc', 2, 2)]", E_INVALID, "2 characters from 2 of a string of 3"},
    {"[if('true', 1, 2)]", E_INVALID, "must be a boolean"},
    {"[and(true(), 1)]", E_INVALID, "argument 2 must be a boolean"},
    {"[map(createArray(1), 'x')]", E_INVALID, "must be a lambda()"},
    {"[lambda('x', 1)]", E_INVALID, "only as the last argument"},
    {"[lambdaVariables('x')]", E_NOT_FOUND, "no lambda()"},
    {"[copyIndex()]", E_INVALID, "no copy loop"},
    {"[copyIndex('vm')]", E_INVALID, "no copy loop 'vm'"},
    {"[resourceId('vaults', 'v')]", E_INVALID, "a type like"},
    {"[resourceId('Microsoft.KeyVault/vaults', 'v', 'w')]", E_INVALID, "do not match"},
    {"[format('{1}', 'a')]", E_INVALID, "only 1 values"},
    {"[format('{', 'a')]", E_INVALID, "wrong placeholder"},
    {"[base64ToString('*')]", E_DECODE, "base64"},
    {"[base64ToString('/w==')]", E_INVALID, "UTF-8"},
    {"[json('{')]", E_DECODE, "json()"},
    {"[int('1x')]", E_INVALID, "not an integer"},
    {"[range(0, 10001)]", E_INVALID, "10,000"},
    {"[cidrSubnet('10.0.0.0/24', 16, 0)]", E_INVALID, "does not fit"},
    {"[cidrSubnet('10.0.0.0/24', 25, 2)]", E_INVALID, "no range 2"},
    {"[cidrHost('10.0.0.0/24', 254)]", E_INVALID, "no host 254"},
    {"[parseCidr('10.0.0/24')]", E_INVALID, "not an address range"},
    {"[parseCidr('10.0.0.0/33')]", E_INVALID, "not an address range"},
    {"[dateTimeAdd('yesterday', 'P1D')]", E_INVALID, "not an ISO 8601 date"},
    {"[dateTimeAdd('2020-01-01', '1D')]", E_INVALID, "not an ISO 8601 duration"},
    {"[uri('relative', 'x')]", E_INVALID, "not absolute"},
    {"[providers('Microsoft.Compute')]", E_UNSUPPORTED, "deprecated"},
    {"[managementGroup()]", E_UNSUPPORTED, "not for deployments"},
    {"[union(createArray(), createObject())]", E_INVALID, "must be an array"},
    {"[split('a', '')]", E_INVALID, "not empty"},
    {"[replace('a', '', 'b')]", E_INVALID, "empty"},
    {"[reference('/x', '2024-01-01', 'Some')]", E_INVALID, "'Full' or 'Properties'"},
};

static void wrong_expressions_are_refused_with_text_and_position(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(BAD); i++) {
        json_t *v = json_string(BAD[i].expr), *got = NULL;
        struct err err = {.status = OK};
        const enum status s = arm_eval(&got, v, &CTX, &err);
        json_decref(v);
        if (s != BAD[i].status || strstr(err.text, BAD[i].text) == NULL)
            fail_msg("%s: %s: %s", BAD[i].expr, status_name(s), err.text);
        assert_null(got);
    }
}

static enum status eval_text(json_t **out, const char *text, struct err *err)
{
    json_t *v = json_string(text);
    const enum status s = arm_eval(out, v, &CTX, err);
    json_decref(v);
    return s;
}

static void nesting_and_length_of_expressions_are_bounded(void **state)
{
    (void)state;
    static char text[30000];
    json_t *got = NULL;
    struct err err;
    size_t n = 0;
    text[n++] = '[';
    for (int i = 0; i < 200; i++) {
        memcpy(text + n, "not(", 4);
        n += 4;
    }
    memcpy(text + n, "true()", 6);
    n += 6;
    memset(text + n, ')', 200);
    n += 200;
    text[n++] = ']';
    text[n] = 0;
    assert_int_equal(eval_text(&got, text, &err), E_DECODE);
    assert_non_null(strstr(err.text, "nested too deeply"));
    memset(text, 'a', sizeof text - 1);
    memcpy(text, "[concat('", 9);
    memcpy(text + sizeof text - 4, "')]", 4);
    assert_int_equal(eval_text(&got, text, &err), E_LIMIT);
    assert_non_null(strstr(err.text, "24,576"));
    n = 0;
    text[n++] = '[';
    memcpy(text + n, "null()", 6);
    n += 6;
    for (int i = 0; i < 1000; i++) {
        memcpy(text + n, ".?a", 3);
        n += 3;
    }
    text[n++] = ']';
    text[n] = 0;
    assert_int_equal(eval_text(&got, text, &err), E_DECODE);
}

static void objects_are_evaluated_deeply_and_property_loops_expand(void **state)
{
    (void)state;
    json_t *v =
        json_pack("{s:[s, i], s:[{s:s, s:s, s:{s:s}}], s:{s:s}}", "list", "[add(1, 1)]", 7, "copy",
                  "name", "disks", "count", "[int('2')]", "input", "lun", "[copyIndex('disks', 1)]",
                  "tags", "[concat('a', 'b')]", "[concat('c', 'd')]");
    assert_non_null(v);
    json_t *got = NULL,
           *want = json_loads(
               "{\"list\":[2,7],\"disks\":[{\"lun\":1},{\"lun\":2}],\"tags\":{\"ab\":\"cd\"}}", 0,
               NULL);
    struct err err = {.status = OK};
    assert_int_equal(arm_eval(&got, v, &CTX, &err), OK);
    assert_true(json_equal(got, want));
    json_decref(v);
    json_decref(got);
    json_decref(want);
}

/* the reference's list of 2024-05, without what only whole templates have (test_plan.c: parameters, variables, references) */
static const char LISTED[] =
    "array concat contains createArray empty first indexOf intersection last lastIndexOf length max min range skip take union "
    "parseCidr cidrSubnet cidrHost coalesce equals greater greaterOrEquals less lessOrEquals dateTimeAdd dateTimeFromEpoch "
    "dateTimeToEpoch utcNow deployment environment filter map reduce sort toObject and bool false if not or true add copyIndex "
    "div float int mod mul sub createObject items json null extensionResourceId listKeys pickZones providers reference "
    "resourceId subscriptionResourceId tenantResourceId managementGroup resourceGroup subscription tenant base64 base64ToJson "
    "base64ToString dataUri dataUriToString endsWith format guid join newGuid padLeft replace split startsWith string substring "
    "toLower toUpper trim uniqueString uri uriComponent uriComponentToString";

static bool calls(const char *expr, const char *name)
{
    const size_t n = strlen(name);
    for (const char *at = expr; (at = strstr(at, name)) != NULL; at++) {
        const char before = at == expr ? ' ' : at[-1];
        if (at[n] == '(' && strchr("[ (,", before) != NULL) return true;
    }
    return false;
}

static void every_function_of_the_reference_is_tried_above(void **state)
{
    (void)state;
    char *list = strdup(LISTED), *save = NULL, missing[2000] = "";
    for (char *name = strtok_r(list, " ", &save); name != NULL; name = strtok_r(NULL, " ", &save)) {
        bool tried = false;
        for (size_t i = 0; i < COUNT_OF(GOOD); i++) tried = tried || calls(GOOD[i].expr, name);
        for (size_t i = 0; i < COUNT_OF(BAD); i++) tried = tried || calls(BAD[i].expr, name);
        const size_t n = strlen(missing);
        if (!tried) snprintf(missing + n, sizeof missing - n, " %s", name);
    }
    free(list);
    if (missing[0] != 0) fail_msg("never called:%s", missing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_give_what_the_reference_documents),
        cmocka_unit_test(wrong_expressions_are_refused_with_text_and_position),
        cmocka_unit_test(nesting_and_length_of_expressions_are_bounded),
        cmocka_unit_test(objects_are_evaluated_deeply_and_property_loops_expand),
        cmocka_unit_test(every_function_of_the_reference_is_tried_above),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
