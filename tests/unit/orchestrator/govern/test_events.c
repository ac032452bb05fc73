#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/codec/json.h"
#include "orchestrator/govern/events.h"

#include <cmocka.h>

#define A "0x00000000000000000000000000000000000000000000000000000000000000aa"
#define B "0x00000000000000000000000000000000000000000000000000000000000000bb"
#define VOTE_CAST "0x1e4b0d6d47d141f70b5fb6ef8873258059b92f9d57ef753cd9cdfc22cb001edf"
#define W0 "0000000000000000000000000000000000000000000000000000000000000000"
#define W1 "0000000000000000000000000000000000000000000000000000000000000001"
#define W2 "0000000000000000000000000000000000000000000000000000000000000002"
#define W20 "0000000000000000000000000000000000000000000000000000000000000020"

static json_t *log_of(const char *text)
{
    json_t *log = json_loads(text, 0, NULL);
    assert_non_null(log);
    json_t *event = govern_event_json(log);
    json_decref(log);
    return event;
}

static void a_vote_is_read_from_topics_and_data(void **state)
{
    (void)state;
    json_t *e = log_of("{\"topics\":[\"" VOTE_CAST "\",\"" A "\",\"" B "\"],\"data\":\"0x" W1 W1 W2 "\"}");
    struct buf text;
    buf_init(&text, 4096);
    char *json = json_dumps(e, JSON_COMPACT | JSON_PRESERVE_ORDER);
    assert_string_equal(json, "{\"event\":\"VoteCast\",\"voter\":\"0x00000000000000000000000000000000000000AA\",\"subject\":\"0x00000000000000000000000000000000000000bb\","
                              "\"isFor\":true,\"votes\":1,\"needed\":2}");
    free(json);
    json_t *aliases = json_pack("{s:s}", "0x00000000000000000000000000000000000000AA", "Member A");
    govern_event_text(&text, e, aliases);
    assert_string_equal(buf_cstr(&text), "0x00000000000000000000000000000000000000AA (Member A) voted for 0x00000000000000000000000000000000000000bb: 1 of 2 votes");
    json_decref(aliases);
    json_decref(e);
    buf_fini(&text);
}

static void an_alias_cannot_write_to_the_terminal(void **state)
{
    (void)state;
    json_t *e = log_of("{\"topics\":[\"0x3ef33afd41d1e4fdce38115f458f6ea7012c18c952f451f3a198ace181902ff5\",\"" A "\"],\"data\":\"0x" W20
                       "0000000000000000000000000000000000000000000000000000000000000004"
                       "1b5b6d0a00000000000000000000000000000000000000000000000000000000\"}");
    assert_string_equal(json_string_value(json_object_get(e, "adminAlias")), "?[m?");
    json_decref(e);
}

static void a_list_of_validators_is_read_and_told(void **state)
{
    (void)state;
    json_t *e = log_of("{\"topics\":[\"0x00068ca4f443319b0b9c7888d3d1f628efbb2fe31efe99becc338bffb6d35483\",\"" A "\"],\"data\":\"0x" W20 W1
                       "00000000000000000000000000000000000000000000000000000000000000bb\"}");
    struct buf text;
    buf_init(&text, 4096);
    govern_event_text(&text, e, NULL);
    assert_string_equal(buf_cstr(&text), "0x00000000000000000000000000000000000000AA added 1 validator: 0x00000000000000000000000000000000000000bb");
    buf_fini(&text);
    json_decref(e);
}

static void what_is_no_event_of_the_contract_or_is_malformed_is_none(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{}",
        "{\"topics\":[]}",
        "{\"topics\":5,\"data\":\"0x\"}",
        "{\"topics\":[\"" A "\"],\"data\":\"0x\"}",
        "{\"topics\":[\"" VOTE_CAST "\"],\"data\":\"0x" W1 W1 W2 "\"}",
        "{\"topics\":[\"" VOTE_CAST "\",\"" A "\",\"" B "\"],\"data\":\"0x" W1 W1 "\"}",
        "{\"topics\":[\"" VOTE_CAST "\",\"" A "\",\"" B "\"],\"data\":\"0x" W2 W1 W2 "\"}",
        "{\"topics\":[\"" VOTE_CAST "\",\"" A "\",\"" B "\"],\"data\":\"0xzz\"}",
        "{\"topics\":[\"" VOTE_CAST "\",\"0xaa\",\"" B "\"],\"data\":\"0x" W1 W1 W2 "\"}",
        "{\"topics\":[\"0x00068ca4f443319b0b9c7888d3d1f628efbb2fe31efe99becc338bffb6d35483\",\"" A "\"],\"data\":\"0x" W20 W2 W0 "\"}",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (log_of(bad[i]) != NULL) fail_msg("case %zu was taken", i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vote_is_read_from_topics_and_data),
        cmocka_unit_test(an_alias_cannot_write_to_the_terminal),
        cmocka_unit_test(a_list_of_validators_is_read_and_told),
        cmocka_unit_test(what_is_no_event_of_the_contract_or_is_malformed_is_none),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
