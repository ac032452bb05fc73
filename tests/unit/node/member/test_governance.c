/* governance_read against a contract in a table: what the answers become, and what it makes of older and broken contracts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/eth/abi_call.h"
#include "node/member/member_priv.h"

#include <cmocka.h>

static const address A = {{0xa1, 1}}, B = {{0xb2, 2}}, P = {{0xcc, 3}}, V1 = {{0x11}}, V2 = {{0x22}}, V3 = {{0x33}};

struct fake {
    bool is_old;      /* lacks what the original's generation 2 lacks */
    bool is_stranger; /* answers nothing */
    const char *broken; /* this view answers rubbish */
    bytes alias;
    enum status trouble;
    unsigned n_calls;
};

static bool is(bytes input, const char *signature, const address *arg)
{
    uint8_t selector[4];
    abi_selector(selector, signature);
    if (input.len < 4 || memcmp(input.ptr, selector, 4) != 0) return false;
    return arg == NULL || (input.len == 36 && memcmp(input.ptr + 16, arg->b, 20) == 0);
}

static void put_addresses(struct buf *out, const address *list, size_t n)
{
    struct abi_writer w = abi_begin(out, 1);
    abi_put_addresses(&w, n == 0 ? NULL : list[0].b, n);
    abi_end(&w);
}

static void put_number(struct buf *out, uint64_t v)
{
    struct abi_writer w = abi_begin(out, 1);
    abi_put_u64(&w, v);
    abi_end(&w);
}

static void put_text(struct buf *out, bytes v)
{
    struct abi_writer w = abi_begin(out, 1);
    abi_put_bytes(&w, v);
    abi_end(&w);
}

static void put_change(struct buf *out)
{
    const address set[] = {V1, V3};
    struct abi_writer w = abi_begin(out, 6);
    abi_put_bool(&w, true);
    abi_put_u64(&w, 7);
    abi_put_u64(&w, 1234);
    abi_put_addresses(&w, set[0].b, 2);
    abi_put_u64(&w, 1);
    abi_put_u64(&w, 1300);
    abi_end(&w);
}

static enum status call(void *snapshot, struct buf *out, bytes in)
{
    struct fake *f = snapshot;
    const address both[] = {A, B}, in_force[] = {V1, V2}, planned[] = {V1, V3}, none[] = {A};
    f->n_calls++;
    if (f->trouble != OK) return f->trouble;
    if (f->is_stranger) return E_DENIED;
    if (f->broken != NULL && is(in, f->broken, NULL)) {
        buf_put_str(out, "rubbish");
        return OK;
    }
    if (is(in, "getConsortiumName()", NULL)) put_text(out, BYTES_LIT("Us"));
    else if (is(in, "getValidatorCapacity()", NULL)) put_number(out, 13);
    else if (is(in, "getAdmins()", NULL)) put_addresses(out, both, 2);
    else if (is(in, "getProposedAdmins()", NULL)) put_addresses(out, &P, 1);
    else if (is(in, "getAliasForAdmin(address)", &A)) put_text(out, f->alias);
    else if (is(in, "getAliasForAdmin(address)", NULL)) put_text(out, BYTES_LIT(""));
    else if (is(in, "getAdminValidators(address)", &A)) put_addresses(out, in_force, 2);
    else if (is(in, "getAdminValidators(address)", NULL)) put_addresses(out, none, 0);
    else if (is(in, "whoHasVotedFor(address)", &P)) put_addresses(out, &A, 1);
    else if (is(in, "whoHasVotedAgainst(address)", &B)) put_addresses(out, &A, 1);
    else if (is(in, "whoHasVotedAgainst(address)", NULL)) put_addresses(out, none, 0);
    else if (is(in, "getValidators()", NULL)) put_addresses(out, in_force, 2);
    else if (f->is_old) return E_DENIED;
    else if (is(in, "getMajority()", NULL)) put_number(out, 2);
    else if (is(in, "getProposer(address)", &P)) put_number(out, 0);
    else if (is(in, "getPendingAdminValidators(address)", &A)) put_addresses(out, &V1, 1);
    else if (is(in, "getPendingAdminValidators(address)", &B)) put_addresses(out, &V3, 1);
    else if (is(in, "getPendingValidators()", NULL)) put_addresses(out, planned, 2);
    else if (is(in, "getChangeInfo()", NULL)) put_change(out);
    else if (is(in, "getQueuedChange()", NULL)) {
        struct abi_writer w = abi_begin(out, 2);
        abi_put_addresses(&w, NULL, 0);
        abi_put_addresses(&w, V2.b, 1);
        abi_end(&w);
    } else return E_DENIED;
    return OK;
}

static enum status read_it(json_t **doc, struct fake *f, struct err *err)
{
    const struct member_views views = {.call = call};
    const address at = {{0x10}};
    json_t *fixed = json_pack("{s:i}", "chainId", 9);
    enum status s = governance_read(doc, &views, f, &at, fixed, err);
    json_decref(fixed);
    return s;
}

static const char *text_at(const json_t *doc, const char *list, size_t i, const char *key)
{
    return json_string_value(json_object_get(json_array_get(json_object_get(doc, list), i), key));
}

static size_t size_at(const json_t *doc, const char *list, size_t i, const char *key)
{
    return json_array_size(json_object_get(json_array_get(json_object_get(doc, list), i), key));
}

static void assert_validator(const json_t *doc, size_t i, const address *who, const address *admin, bool in_force, bool planned)
{
    char text[43];
    const json_t *v = json_array_get(json_object_get(doc, "validators"), i);
    address_put_checksum(text, who);
    assert_string_equal(json_string_value(json_object_get(v, "address")), text);
    if (admin == NULL) {
        assert_true(json_is_null(json_object_get(v, "admin")));
    } else {
        address_put_checksum(text, admin);
        assert_string_equal(json_string_value(json_object_get(v, "admin")), text);
    }
    assert_int_equal(json_is_true(json_object_get(v, "inForce")), in_force);
    assert_int_equal(json_is_true(json_object_get(v, "planned")), planned);
}

static void the_whole_contract_becomes_one_document(void **state)
{
    (void)state;
    struct fake f = {.alias = BYTES_LIT("Alpha \xc3\xa9")};
    json_t *doc = NULL;
    assert_int_equal(read_it(&doc, &f, NULL), OK);
    assert_int_equal(json_integer_value(json_object_get(doc, "chainId")), 9);
    assert_string_equal(json_string_value(json_object_get(doc, "consortiumName")), "Us");
    assert_int_equal(json_integer_value(json_object_get(doc, "validatorCapacity")), 13);
    assert_int_equal(json_integer_value(json_object_get(doc, "majority")), 2);
    assert_int_equal(json_array_size(json_object_get(doc, "admins")), 2);
    assert_string_equal(text_at(doc, "admins", 0, "alias"), "Alpha \xc3\xa9");
    assert_int_equal(size_at(doc, "admins", 0, "validators"), 2);
    assert_int_equal(size_at(doc, "admins", 0, "plannedValidators"), 1);
    assert_int_equal(size_at(doc, "admins", 1, "votesAgainst"), 1);
    assert_int_equal(size_at(doc, "proposals", 0, "votesFor"), 1);
    assert_int_equal(size_at(doc, "proposals", 0, "votesAgainst"), 0);
    assert_int_equal(json_array_size(json_object_get(doc, "validators")), 3);
    assert_validator(doc, 0, &V1, &A, true, true);
    assert_validator(doc, 1, &V2, &A, true, false);
    assert_validator(doc, 2, &V3, &B, false, true);
    const json_t *change = json_object_get(doc, "change");
    assert_true(json_is_true(json_object_get(change, "active")));
    assert_int_equal(json_integer_value(json_object_get(change, "id")), 7);
    assert_int_equal(json_integer_value(json_object_get(change, "signalBlock")), 1234);
    assert_int_equal(json_array_size(json_object_get(change, "newSet")), 2);
    assert_int_equal(json_array_size(json_object_get(change, "leaving")), 1);
    json_decref(doc);
}

static void an_older_contract_is_completed(void **state)
{
    (void)state;
    struct fake f = {.is_old = true, .alias = BYTES_LIT("x")};
    json_t *doc = NULL;
    assert_int_equal(read_it(&doc, &f, NULL), OK);
    assert_int_equal(json_integer_value(json_object_get(doc, "majority")), 2);
    assert_true(json_is_null(json_object_get(doc, "change")));
    assert_true(json_is_null(json_object_get(json_array_get(json_object_get(doc, "proposals"), 0), "proposer")));
    assert_int_equal(size_at(doc, "admins", 0, "plannedValidators"), 2);
    assert_int_equal(json_array_size(json_object_get(doc, "validators")), 2);
    assert_validator(doc, 0, &V1, &A, true, true);
    json_decref(doc);
}

static void an_alias_that_is_no_utf8_gets_question_marks(void **state)
{
    (void)state;
    struct fake f = {.alias = BYTES_LIT("a\xff\xfe<b>")};
    json_t *doc = NULL;
    assert_int_equal(read_it(&doc, &f, NULL), OK);
    assert_string_equal(text_at(doc, "admins", 0, "alias"), "a?" "?<b>");
    json_decref(doc);
}

static void a_contract_that_answers_nothing_is_named_in_the_error(void **state)
{
    (void)state;
    struct fake f = {.is_stranger = true};
    struct err err = {0};
    json_t *doc = (json_t *)&f;
    assert_int_equal(read_it(&doc, &f, &err), E_DENIED);
    assert_ptr_equal(doc, &f);
    assert_non_null(strstr(err.text, "0x1000000000000000000000000000000000000000 does not answer as a governance contract"));
}

static void rubbish_in_a_view_that_all_have_is_refused(void **state)
{
    (void)state;
    static const char *const views[] = {"getAdmins()", "getProposedAdmins()", "getAliasForAdmin(address)", "getAdminValidators(address)",
                                        "whoHasVotedFor(address)", "whoHasVotedAgainst(address)", "getValidators()", "getValidatorCapacity()"};
    for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
        struct fake f = {.broken = views[i], .alias = BYTES_LIT("x")};
        json_t *doc = NULL;
        assert_int_equal(read_it(&doc, &f, NULL), E_DENIED);
        assert_null(doc);
    }
}

static void our_own_trouble_is_not_the_contracts(void **state)
{
    (void)state;
    struct fake f = {.trouble = E_IO};
    struct err err = {0};
    json_t *doc = NULL;
    assert_int_equal(read_it(&doc, &f, &err), E_IO);
    assert_int_equal(f.n_calls, 1);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_whole_contract_becomes_one_document),
        cmocka_unit_test(an_older_contract_is_completed),
        cmocka_unit_test(an_alias_that_is_no_utf8_gets_question_marks),
        cmocka_unit_test(a_contract_that_answers_nothing_is_named_in_the_error),
        cmocka_unit_test(rubbish_in_a_view_that_all_have_is_refused),
        cmocka_unit_test(our_own_trouble_is_not_the_contracts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
