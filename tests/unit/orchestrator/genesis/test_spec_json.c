/* The chain specification of a new network: read by the node's own parser, executed, and the same every time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/codec/json.h"
#include "node/chain/chain.h"
#include "node/chain/genesis.h"
#include "node/store/tables.h"
#include "orchestrator/genesis/genesis.h"

#include <unistd.h>

#include <cmocka.h>

static const address VALIDATORS[3] = {{{0x11}}, {{0x22}}, {{0x33}}};
static const char *const FORKS[] = {"byzantium", "istanbul", "berlin", "london", "shanghai", "cancun", "prague"};

struct made {
    struct settings settings;
    struct artifact artifact;
    struct buf text;
    struct chain_spec spec;
    struct err err;
};

/* flags: pairs, NULL at the end */
static void begin(struct made *m, const char *const *flags)
{
    *m = (struct made){0};
    settings_init(&m->settings);
    for (size_t i = 0; flags != NULL && flags[i] != NULL; i += 2)
        assert_true(settings_take_flag(&m->settings, flags[i], flags[i + 1]));
    if (settings_check(&m->settings, false) != OK) fail_msg("%s", json_string_value(json_array_get(m->settings.problems, 0)));
    if (artifact_load(&m->artifact, ".", &m->err) != OK) fail_msg("%s", err_text(&m->err));
    buf_init(&m->text, 8 << 20);
}

static enum status make(struct made *m, size_t n_validators)
{
    struct spec_plan plan = {.settings = &m->settings, .artifact = &m->artifact, .admin = {{0xad}}, .validators = VALIDATORS,
                             .n_validators = n_validators, .capacity = 10};
    return spec_json_make(&m->text, &plan, &m->err);
}

static void parse(struct made *m)
{
    if (chain_spec_parse(&m->spec, buf_view(&m->text), &m->err) != OK) fail_msg("%s", err_text(&m->err));
    for (size_t i = 0; i < m->spec.n_warnings; i++)
        fail_msg("warning: %s", m->spec.warnings[i]);
}

static void end(struct made *m)
{
    chain_spec_fini(&m->spec);
    settings_fini(&m->settings);
    artifact_fini(&m->artifact);
    buf_fini(&m->text);
}

/* open a chain on the spec: its genesis hash and the validators of block 1 */
static hash32 open_chain(struct made *m, size_t n_validators)
{
    struct kv *kv;
    struct chain *c;
    struct chain_config cfg = {0};
    struct arena a;
    address *list;
    size_t n;
    arena_init(&a, 1 << 16);
    assert_int_equal(kv_open_memory(&kv, TABLE_N), OK);
    if (chain_open(&c, kv, &m->spec, &cfg, &m->err) != OK) fail_msg("%s", err_text(&m->err));
    assert_int_equal(chain_validators(&list, &n, c, &a), OK);
    assert_int_equal(n, n_validators);
    assert_memory_equal(list, VALIDATORS, n * sizeof *list);
    hash32 h = chain_genesis_hash(c);
    chain_close(c);
    kv_close(kv);
    arena_fini(&a);
    return h;
}

static void each_evm_gives_a_spec_that_parses_without_a_warning(void **state)
{
    (void)state;
    enum fork last = FORK_FRONTIER;
    for (size_t i = 0; i < COUNT_OF(FORKS); i++) {
        struct made m;
        struct rules rules, want;
        enum fork fork;
        begin(&m, (const char *const[]){"--evm", FORKS[i], NULL});
        assert_int_equal(make(&m, 3), OK);
        parse(&m);
        (void)open_chain(&m, 3);
        chain_spec_rules(&rules, &m.spec, 1, 1);
        assert_int_equal(fork_parse(&fork, FORKS[i]), OK);
        assert_true(fork > last);
        last = fork;
        rules_from_fork(&want, fork);
        /* one of each fork, from the first to the last that it must have */
        assert_true(rules.eip140 && rules.eip211 && rules.eip214 && rules.eip658 && rules.eip155 && rules.eip170);
        assert_int_equal(rules.eip1014, fork >= FORK_ISTANBUL);
        assert_int_equal(rules.eip2028, fork >= FORK_ISTANBUL);
        assert_int_equal(rules.eip2930, fork >= FORK_BERLIN);
        assert_int_equal(rules.eip1559, fork >= FORK_LONDON);
        assert_int_equal(rules.eip3855, fork >= FORK_SHANGHAI);
        assert_int_equal(rules.eip1153, fork >= FORK_CANCUN);
        assert_int_equal(rules.eip7702, fork >= FORK_PRAGUE);
        /* nothing that needs a beacon chain, and blocks keep their form */
        assert_false(rules.eip4895 || rules.eip4844 || rules.eip4788 || rules.eip7685 || rules.eip4399);
        assert_int_equal(rules.max_code_size, 49152);
        assert_int_equal(rules.chain_id, 10101010);
        end(&m);
    }
}

/* if these change, nodes of different versions of the tool make different networks out of the same settings: the contract's bytecode or the
 * spec was changed */
static void the_same_settings_always_give_the_same_text_and_hash(void **state)
{
    (void)state;
    struct made m, again;
    begin(&m, NULL);
    begin(&again, NULL);
    assert_int_equal(make(&m, 2), OK);
    assert_int_equal(make(&again, 2), OK);
    assert_true(bytes_eq(buf_view(&m.text), buf_view(&again.text)));
    parse(&m);
    parse(&again);
    hash32 one = open_chain(&m, 2), two = open_chain(&again, 2);
    assert_memory_equal(&one, &two, 32);
    end(&again);
    /* what is not of the genesis block does not change it; what is, does */
    begin(&again, (const char *const[]){"--step", "7", NULL});
    assert_int_equal(make(&again, 2), OK);
    parse(&again);
    two = open_chain(&again, 2);
    assert_memory_equal(&one, &two, 32);
    end(&again);
    begin(&again, (const char *const[]){"--gas-limit", "60000000", NULL});
    assert_int_equal(make(&again, 2), OK);
    parse(&again);
    two = open_chain(&again, 2);
    assert_memory_not_equal(&one, &two, 32);
    end(&again);
    end(&m);
}

/* a vector that does not hang on the contract: its bytecode is replaced by one that deploys getValidators() of a fixed list */
static void a_genesis_hash_of_fixed_bytecode_is_as_it_was(void **state)
{
    (void)state;
    static const struct {
        const char *evm, *hash;
    } vectors[] = {
        {"byzantium", "0xc8662a84f177fbd7ed8b558e36a7963b859558b7da922c939b96480d0a88935d"},
        {"london", "0xb7cdb6cf0b88a83a5384b9111ffd2641a7cb0c9aeb3dcccd239e555b7e95cfc4"},
        {"prague", "0xad61ed7111d56abef1ce165deca8e61232482e8af7dc280fadccc17358881e0d"},
    };
    for (size_t i = 0; i < COUNT_OF(vectors); i++) {
        struct made m;
        struct kv *kv;
        struct chain *c;
        struct chain_config cfg = {0};
        begin(&m, (const char *const[]){"--evm", vectors[i].evm, NULL});
        /* init code: return the 39 bytes behind it; they put an array of one address, 0x11...00, into memory and return it */
        m.artifact.bytecode = "0x6027600c60003960276000f3"
                              "6020600052600160205273" "1100000000000000000000000000000000000000" "60405260606000f3";
        assert_int_equal(make(&m, 1), OK);
        parse(&m);
        assert_int_equal(kv_open_memory(&kv, TABLE_N), OK);
        if (chain_open(&c, kv, &m.spec, &cfg, &m.err) != OK) fail_msg("%s", err_text(&m.err));
        char text[67];
        hash32 h = chain_genesis_hash(c);
        hash_put(text, &h);
        assert_string_equal(text, vectors[i].hash);
        chain_close(c);
        kv_close(kv);
        end(&m);
    }
}

static void the_contract_is_found_in_the_spec(void **state)
{
    (void)state;
    struct made m;
    address a, want;
    json_t *doc;
    begin(&m, NULL);
    assert_int_equal(make(&m, 2), OK);
    assert_int_equal(json_parse(&doc, buf_view(&m.text), &m.err), OK);
    assert_int_equal(spec_json_contract_address(&a, doc), OK);
    assert_int_equal(address_get(&want, BYTES_LIT(ADMIN_CONTRACT_ADDRESS)), OK);
    assert_memory_equal(&a, &want, 20);
    json_decref(doc);
    end(&m);

    static const struct {
        const char *json;
        unsigned last; /* byte of the address; 0: none */
    } cases[] = {
        {"{\"contract\":\"0x0000000000000000000000000000000000000077\"}", 0x77},
        {"{\"list\":[]}", 0},
        {"{\"multi\":{\"0\":{\"list\":[]},\"10\":{\"safeContract\":\"0x0000000000000000000000000000000000000010\"},"
         "\"9\":{\"contract\":\"0x0000000000000000000000000000000000000009\"}}}", 0x10},
        {"{\"multi\":{\"0\":{\"safeContract\":\"0x0000000000000000000000000000000000000010\"},\"0x20\":{\"list\":[]}}}", 0x10},
        {"{\"multi\":{\"0\":{\"list\":[]}}}", 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char text[600];
        (void)snprintf(text, sizeof text, "{\"engine\":{\"authorityRound\":{\"params\":{\"validators\":%s}}}}", cases[i].json);
        assert_int_equal(json_parse(&doc, bytes_str(text), &m.err), OK);
        enum status s = spec_json_contract_address(&a, doc);
        assert_int_equal(s, cases[i].last == 0 ? E_NOT_FOUND : OK);
        if (s == OK) assert_int_equal(a.b[19], cases[i].last);
        json_decref(doc);
    }
}

static void the_shape_of_2018_has_its_addresses_four_builtins_and_no_other_keys(void **state)
{
    (void)state;
    struct made m;
    json_t *doc;
    begin(&m, (const char *const[]){"--compat", "azure-2018", "--evm", "byzantium", NULL});
    assert_int_equal(make(&m, 2), OK);
    parse(&m);
    (void)open_chain(&m, 2);
    assert_int_equal(json_parse(&doc, buf_view(&m.text), &m.err), OK);
    json_t *params = json_object_get(doc, "params"), *accounts = json_object_get(doc, "accounts");
    assert_null(json_object_get(params, "chainID"));
    assert_null(json_object_get(params, "eip155Transition"));
    assert_int_equal(json_object_size(accounts), 5);
    assert_non_null(json_object_get(accounts, "0x0000000000000000000000000000000000000006"));
    json_decref(doc);
    end(&m);
}

static void balances_come_into_the_genesis_block_and_not_twice(void **state)
{
    (void)state;
    struct made m;
    address a;
    bool found = false;
    begin(&m, (const char *const[]){"--alloc", "0x00000000000000000000000000000000000000aa=1.5ether", NULL});
    assert_int_equal(make(&m, 2), OK);
    parse(&m);
    assert_int_equal(address_get(&a, BYTES_LIT("0x00000000000000000000000000000000000000aa")), OK);
    for (size_t i = 0; i < m.spec.n_accounts; i++) {
        if (!address_eq(&m.spec.accounts[i].addr, &a)) continue;
        found = true;
        assert_true(m.spec.accounts[i].balance.w[0] == UINT64_C(1500000000000000000));
    }
    assert_true(found);
    end(&m);
    static const char *const bad[] = {
        "0x00000000000000000000000000000000000000aa=1,0x00000000000000000000000000000000000000AA=2",
        "0x0000000000000000000000000000000000000001=1", ADMIN_CONTRACT_ADDRESS "=1"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        begin(&m, (const char *const[]){"--alloc", bad[i], NULL});
        assert_int_equal(make(&m, 2), E_INVALID);
        assert_non_null(strstr(err_text(&m.err), "--alloc"));
        m.spec = (struct chain_spec){0};
        settings_fini(&m.settings);
        artifact_fini(&m.artifact);
        buf_fini(&m.text);
    }
}

static void a_permission_contract_of_ones_own_is_deployed(void **state)
{
    (void)state;
    char path[] = "/tmp/poa-permission-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    static const char code[] = "0x600160005260206000f3\n"; /* any bytecode: deploys 32 bytes */
    assert_int_equal(write(fd, code, sizeof code - 1), sizeof code - 1);
    close(fd);
    struct made m;
    address want;
    begin(&m, (const char *const[]){"--tx-permission", path, NULL});
    assert_int_equal(make(&m, 2), OK);
    parse(&m);
    assert_true(m.spec.has_tx_permission_contract);
    assert_int_equal(address_get(&want, BYTES_LIT(PERMISSION_CONTRACT_ADDRESS)), OK);
    assert_memory_equal(&m.spec.tx_permission_contract, &want, 20);
    (void)open_chain(&m, 2);
    end(&m);
    assert_int_equal(unlink(path), 0);
}

static void a_constructor_that_refuses_its_validators_is_told(void **state)
{
    (void)state;
    struct made m;
    struct kv *kv;
    struct chain *c;
    struct chain_config cfg = {0};
    begin(&m, NULL);
    struct spec_plan plan = {.settings = &m.settings, .artifact = &m.artifact, .admin = {{0xad}}, .validators = VALIDATORS, .n_validators = 3, .capacity = 2};
    assert_int_equal(spec_json_make(&m.text, &plan, &m.err), OK);
    parse(&m);
    assert_int_equal(kv_open_memory(&kv, TABLE_N), OK);
    assert_int_equal(chain_open(&c, kv, &m.spec, &cfg, &m.err), E_INVALID);
    assert_non_null(strstr(err_text(&m.err), "constructor"));
    kv_close(kv);
    end(&m);
}

/* ------------------------------------------------------------ recover */

static json_t *doc_of(const char *validators)
{
    json_t *set = json_loads(validators, 0, NULL);
    assert_non_null(set);
    return json_pack("{s:{s:{s:{s:o}}}}", "engine", "authorityRound", "params", "validators", set);
}

static void assert_rules(const json_t *doc, const char *want)
{
    const json_t *set = json_object_get(json_object_get(json_object_get(json_object_get(doc, "engine"), "authorityRound"), "params"), "validators");
    char *text = json_dumps(set, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(text, want);
    free(text);
}

#define C6 "{\"safeContract\":\"0x0000000000000000000000000000000000001006\"}"
#define L12 "{\"list\":[\"0x1100000000000000000000000000000000000000\",\"0x2200000000000000000000000000000000000000\"]}"

static void recover_puts_a_list_between_the_contract_and_itself(void **state)
{
    (void)state;
    struct err err = {0};
    json_t *doc = doc_of(C6);
    assert_int_equal(spec_json_recover(doc, 500, VALIDATORS, 2, true, &err), OK);
    assert_rules(doc, "{\"multi\":{\"0\":" C6 ",\"500\":" L12 ",\"502\":" C6 "}}");
    assert_int_equal(spec_json_recover(doc, 502, VALIDATORS, 2, true, &err), E_INVALID); /* that is too near to be told apart */
    assert_int_equal(spec_json_recover(doc, 400, VALIDATORS, 2, true, &err), E_INVALID);
    assert_non_null(strstr(err_text(&err), "500"));
    assert_int_equal(spec_json_recover(doc, 505, VALIDATORS + 1, 1, false, &err), OK); /* and once more, for good */
    assert_rules(doc, "{\"multi\":{\"0\":" C6 ",\"500\":" L12 ",\"502\":" C6 ",\"505\":{\"list\":[\"0x2200000000000000000000000000000000000000\"]}}}");
    assert_int_equal(spec_json_recover(doc, 600, VALIDATORS, 2, true, &err), E_INVALID); /* no contract rules there any more */
    json_decref(doc);
}

static void recover_refuses_a_document_without_validators_and_an_empty_set(void **state)
{
    (void)state;
    struct err err = {0};
    json_t *doc = json_object();
    assert_int_equal(spec_json_recover(doc, 500, VALIDATORS, 2, true, &err), E_INVALID);
    json_decref(doc);
    doc = doc_of(C6);
    assert_int_equal(spec_json_recover(doc, 500, VALIDATORS, 0, true, &err), E_INVALID);
    assert_int_equal(spec_json_recover(doc, 1, VALIDATORS, 2, true, &err), E_INVALID);
    assert_rules(doc, C6);
    json_decref(doc);
}

static void a_recovered_specification_has_the_same_genesis_block(void **state)
{
    (void)state;
    struct made m;
    struct chain_spec after;
    struct genesis was, now;
    json_t *doc = NULL;
    begin(&m, NULL);
    assert_int_equal(make(&m, 3), OK);
    parse(&m);
    assert_int_equal(json_parse(&doc, buf_view(&m.text), &m.err), OK);
    assert_int_equal(spec_json_recover(doc, 9000, VALIDATORS, 2, true, &m.err), OK);
    char *text = json_dumps(doc, JSON_PRESERVE_ORDER);
    assert_int_equal(chain_spec_parse(&after, bytes_str(text), &m.err), OK);
    assert_int_equal(after.aura.validators.kind, VALSET_MULTI);
    assert_int_equal(after.aura.validators.n_multi, 3);
    assert_int_equal(after.aura.validators.multi[1].block, 9000);
    assert_int_equal(genesis_compute(&was, &m.spec, &m.err), OK);
    assert_int_equal(genesis_compute(&now, &after, &m.err), OK);
    assert_memory_equal(&was.hash, &now.hash, 32);
    chain_spec_fini(&after);
    free(text);
    json_decref(doc);
    end(&m);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_evm_gives_a_spec_that_parses_without_a_warning),
        cmocka_unit_test(the_same_settings_always_give_the_same_text_and_hash),
        cmocka_unit_test(a_genesis_hash_of_fixed_bytecode_is_as_it_was),
        cmocka_unit_test(the_contract_is_found_in_the_spec),
        cmocka_unit_test(the_shape_of_2018_has_its_addresses_four_builtins_and_no_other_keys),
        cmocka_unit_test(balances_come_into_the_genesis_block_and_not_twice),
        cmocka_unit_test(a_permission_contract_of_ones_own_is_deployed),
        cmocka_unit_test(a_constructor_that_refuses_its_validators_is_told),
        cmocka_unit_test(recover_puts_a_list_between_the_contract_and_itself),
        cmocka_unit_test(recover_refuses_a_document_without_validators_and_an_empty_set),
        cmocka_unit_test(a_recovered_specification_has_the_same_genesis_block),
    };
    return cmocka_run_group_tests_name("spec_json", tests, NULL, NULL);
}
