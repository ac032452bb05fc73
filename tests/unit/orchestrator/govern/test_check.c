#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "orchestrator/govern/check.h"
#include "orchestrator/govern/govern.h"

#include <cmocka.h>

static const struct check_net net = {.data_url = "http://127.1.1.1", .chain_id = 77, .head = 100, .step_ms = 2000, .genesis = {{9}}};

static struct check_facts well(void)
{
    struct check_facts f = {.who = {{0xaa}}, .host = "vl-0", .is_listed = true, .is_held = true, .has_answered = true, .has_proved = true};
    f.p = (struct possession){.chain_id = 77, .genesis = {{9}}, .block = 99};
    return f;
}

static void assert_says(const struct check_facts *f, const char *check, const char *words)
{
    json_t *problems = json_array();
    check_judge(problems, f, &net);
    const json_t *first = json_array_get(problems, 0);
    const char *text = json_string_value(json_object_get(first, "text"));
    assert_int_equal(json_array_size(problems), 1);
    assert_string_equal(json_string_value(json_object_get(first, "check")), check);
    assert_string_equal(json_string_value(json_object_get(first, "validator")), "0xaa00000000000000000000000000000000000000");
    if (strstr(text, words) == NULL) fail_msg("\"%s\" does not say \"%s\"", text, words);
    json_decref(problems);
}

static void a_validator_that_is_well_raises_nothing(void **state)
{
    (void)state;
    struct check_facts f = well();
    json_t *problems = json_array();
    check_judge(problems, &f, &net);
    f.ahead_ms = 1000;
    f.p.block = 95;
    check_judge(problems, &f, &net);
    assert_int_equal(json_array_size(problems), 0);
    json_decref(problems);
}

static void each_thing_that_is_wrong_has_its_own_sentence(void **state)
{
    (void)state;
    struct check_facts f = well();
    f.is_listed = false;
    assert_says(&f, "listed", "no node at http://127.1.1.1 has this address; if an operator runs it, give that one's data URL");
    f = well();
    f.is_held = f.has_answered = f.has_proved = false;
    assert_says(&f, "reachable", "no node holds its identity at present");
    f = well();
    f.has_answered = f.has_proved = false;
    (void)snprintf(f.why, sizeof f.why, "%s", "connection refused");
    assert_says(&f, "reachable", "(vl-0): its node cannot be reached: connection refused");
    f = well();
    f.has_proved = false;
    (void)snprintf(f.why, sizeof f.why, "%s", "its signature is not made with the key");
    assert_says(&f, "key", "does not prove that it holds the key: its signature");
    f = well();
    f.p.chain_id = 78;
    assert_says(&f, "network", "runs another network");
    f = well();
    f.p.genesis.b[31] = 1;
    assert_says(&f, "network", "its first block is 0x09");
    f = well();
    f.p.block = 94;
    assert_says(&f, "synced", "at block 94, the network at 100");
    f = well();
    f.p.is_syncing = true;
    assert_says(&f, "synced", "wait until it has caught up");
    f = well();
    f.ahead_ms = 3250;
    assert_says(&f, "clock", "3.2 s ahead of this machine's, and half a step (1.0 s) is the most");
    f.ahead_ms = -1001;
    assert_says(&f, "clock", "1.0 s behind this machine's");
}

static void what_fails_together_is_told_together(void **state)
{
    (void)state;
    struct check_facts f = well();
    json_t *problems = json_array();
    f.p.block = 1;
    f.ahead_ms = 9000;
    check_judge(problems, &f, &net);
    assert_int_equal(json_array_size(problems), 2);
    json_decref(problems);
}

static void an_address_is_taken_in_one_case_or_with_its_checksum(void **state)
{
    (void)state;
    static const char *const good[] = {"0x5B38Da6a701c568545dCfcB03FcB875f56beddC4", "0x5b38da6a701c568545dcfcb03fcb875f56beddc4", "0x5B38DA6A701C568545DCFCB03FCB875F56BEDDC4"};
    static const char *const bad[] = {"",  "0x", "5B38Da6a701c568545dCfcB03FcB875f56beddC4", "0x5B38Da6a701c568545dCfcB03FcB875f56beddC", "0x5B38Da6a701c568545dCfcB03FcB875f56beddC44",
                                      "0x5B38Da6a701c568545dCfcB03FcB875f56beddCg", "0x5b38Da6a701c568545dCfcB03FcB875f56beddC4", "0X5b38da6a701c568545dcfcb03fcb875f56beddc4"};
    address a = {{0}}, same;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        assert_int_equal(govern_address(&a, good[i], NULL), OK);
        assert_int_equal(a.b[0], 0x5b);
    }
    same = a;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct err err = {0};
        assert_int_equal(govern_address(&a, bad[i], &err), E_INVALID);
        assert_true(err.text[0] != '\0' && address_eq(&a, &same));
    }
}

static void a_reason_of_the_contract_becomes_a_sentence_that_names_the_account(void **state)
{
    (void)state;
    const address who = {{0xaa}};
    struct err err = {0};
    assert_int_equal(err_set(&err, E_DENIED, "eth_estimateGas: execution reverted: already voted"), E_DENIED);
    govern_explain(&err, &who);
    assert_string_equal(err.text, "0xaa00000000000000000000000000000000000000 has voted so already");
    /* of "not proposed" and "neither admin nor proposed" the longer one is meant */
    assert_int_equal(err_set(&err, E_DENIED, "execution reverted: neither admin nor proposed"), E_DENIED);
    govern_explain(&err, NULL);
    assert_non_null(strstr(err.text, "neither an administrator nor proposed"));
    assert_int_equal(err_set(&err, E_NET, "connection refused"), E_NET);
    govern_explain(&err, &who);
    assert_string_equal(err.text, "connection refused");
    assert_int_equal(err.status, E_NET);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_validator_that_is_well_raises_nothing),
        cmocka_unit_test(each_thing_that_is_wrong_has_its_own_sentence),
        cmocka_unit_test(what_fails_together_is_told_together),
        cmocka_unit_test(an_address_is_taken_in_one_case_or_with_its_checksum),
        cmocka_unit_test(a_reason_of_the_contract_becomes_a_sentence_that_names_the_account),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
