/* Settings: flags > file > defaults, every rule of the table, all problems in one go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "orchestrator/settings/settings.h"

#include <cmocka.h>

static size_t n_problems(const struct settings *s)
{
    return json_array_size(s->problems);
}

/* is there a problem that has all of these words? */
static bool has_problem(const struct settings *s, const char *a, const char *b)
{
    for (size_t i = 0; i < n_problems(s); i++) {
        const char *text = json_string_value(json_array_get(s->problems, i));
        if (strstr(text, a) != NULL && strstr(text, b) != NULL) return true;
    }
    return false;
}

static void print_problems(const struct settings *s)
{
    for (size_t i = 0; i < n_problems(s); i++)
        print_message("# %s\n", json_string_value(json_array_get(s->problems, i)));
}

static void assert_problem(const struct settings *s, const char *a, const char *b)
{
    if (has_problem(s, a, b)) return;
    print_problems(s);
    fail_msg("no problem with \"%s\" and \"%s\"", a, b);
}

static void take(struct settings *s, const char *flag, const char *value)
{
    assert_true(settings_take_flag(s, flag, value));
}

static void take_yaml(struct settings *s, const char *yaml)
{
    settings_take_file(s, "some/where/consortium.yaml", bytes_str(yaml));
}

static void the_defaults_are_those_of_the_guide_and_are_valid(void **state)
{
    (void)state;
    struct settings s;
    settings_init(&s);
    assert_int_equal(settings_check(&s, false), OK);
    assert_int_equal(SETTING_INT_OF(&s, nodes), 2);
    assert_int_equal(SETTING_INT_OF(&s, regions), 1);
    assert_int_equal(SETTING_INT_OF(&s, member_id), 0);
    assert_int_equal(SETTING_INT_OF(&s, network_id), 10101010);
    assert_int_equal(SETTING_INT_OF(&s, gas_limit), 50000000);
    assert_string_equal(SETTING(&s, vm_size), "Standard_D1_v2");
    assert_string_equal(SETTING(&s, public_ip), "public");
    for (size_t i = 0; i < SETTING_N; i++) {
        assert_true(settings_is_default(&s, (enum setting_id)i));
        assert_string_equal(s.origin[i], "default");
    }
    settings_fini(&s);
}

static void no_two_settings_share_a_flag_or_a_path(void **state)
{
    (void)state;
    for (size_t i = 0; i < SETTING_N; i++) {
        assert_true(strncmp(SETTING_TABLE[i].flag, "--", 2) == 0);
        for (size_t k = i + 1; k < SETTING_N; k++) {
            assert_string_not_equal(SETTING_TABLE[i].flag, SETTING_TABLE[k].flag);
            assert_string_not_equal(SETTING_TABLE[i].path, SETTING_TABLE[k].path);
        }
    }
}

static void every_number_has_its_range(void **state)
{
    (void)state;
    size_t seen = 0;
    for (size_t i = 0; i < SETTING_N; i++) {
        const struct setting_info *t = &SETTING_TABLE[i];
        unsigned long min, max;
        if (t->kind != SETTING_INT) continue;
        seen++;
        assert_int_equal(sscanf(t->allowed, "%lu-%lu", &min, &max), 2);
        const struct {
            long long value;
            bool good;
        } cases[] = {{(long long)min, true}, {(long long)max, true}, {(long long)max + 1, false}, {(long long)min - 1, false}};
        for (size_t k = 0; k < COUNT_OF(cases); k++) {
            struct settings s;
            char text[32], range[64];
            settings_init(&s);
            (void)snprintf(text, sizeof text, "%lld", cases[k].value);
            (void)snprintf(range, sizeof range, "from %lu to %lu", min, max);
            take(&s, t->flag, text);
            (void)!settings_check(&s, false);
            assert_int_equal(has_problem(&s, t->flag, range), !cases[k].good);
            settings_fini(&s);
        }
        static const char *const bad[] = {"x", "1x", "", " 3", "-1", "0x10", "1e3", "99999999999999999999", "3.0"};
        for (size_t k = 0; k < COUNT_OF(bad); k++) {
            struct settings s;
            settings_init(&s);
            take(&s, t->flag, bad[k]);
            assert_int_equal(settings_check(&s, false), E_INVALID);
            assert_problem(&s, t->flag, "whole number");
            settings_fini(&s);
        }
    }
    assert_int_equal(seen, 6);
}

static void every_choice_takes_its_words_and_no_others(void **state)
{
    (void)state;
    for (size_t i = 0; i < SETTING_N; i++) {
        const struct setting_info *t = &SETTING_TABLE[i];
        if (t->kind != SETTING_ENUM) continue;
        for (const char *p = t->allowed; p != NULL; p = strchr(p, '|'), p = p == NULL ? NULL : p + 1) {
            struct settings s;
            char word[64];
            (void)snprintf(word, sizeof word, "%.*s", (int)strcspn(p, "|"), p);
            settings_init(&s);
            take(&s, t->flag, word);
            (void)!settings_check(&s, false);
            assert_false(has_problem(&s, t->flag, "is not allowed"));
            settings_fini(&s);
            /* part of a word, or two of them, are none */
            settings_init(&s);
            word[strlen(word) - 1] = '\0';
            take(&s, t->flag, word);
            assert_int_equal(settings_check(&s, false), E_INVALID);
            assert_problem(&s, t->flag, t->allowed);
            settings_fini(&s);
        }
        struct settings s;
        settings_init(&s);
        take(&s, t->flag, t->allowed);
        assert_int_equal(settings_check(&s, false), E_INVALID);
        settings_fini(&s);
    }
}

static void texts_and_lists_match_their_expressions(void **state)
{
    (void)state;
    static const struct {
        const char *flag, *value;
        bool good;
    } cases[] = {
        {"--email", "a@b.c", true},       {"--email", "a@b", false},
        {"--email", "a b@c.d", false},    {"--vm-user", "admin1", true},
        {"--vm-user", "ad-min", false},   {"--vm-size", "Standard_DS2_v2", true},
        {"--vm-size", "Standard_E4", false}, {"--resource-group", "rg(1)", true},
        {"--resource-group", "rg.", false},  {"--locations", "westeurope", true},
        {"--locations", "west europe", false}, {"--alloc", "0x00000000000000000000000000000000000000aa=1.5ether", true},
        {"--alloc", "0x00000000000000000000000000000000000000aa", false},
        {"--alloc", "0x00000000000000000000000000000000000000aa=1.5.5ether", false},
        {"--admin", "0x00000000000000000000000000000000000000aa", true},
        {"--admin", "00000000000000000000000000000000000000aa", false},
        {"--admin", "0x0000000000000000000000000000000000000000", false},
        {"--admin", "0x00000000000000000000000000000000000000", false},
        {"--admin", "0xAb5801a7D398351b8bE11C439e05C5B3259aeC9B", true},
        {"--admin", "0xab5801a7D398351b8bE11C439e05C5B3259aeC9B", false}, /* by its checksum */
        {"--alloc", "0xab5801a7D398351b8bE11C439e05C5B3259aeC9B=1", false},
        {"--tx-permission", "/nowhere/at/all", false},
        {"--tx-permission", "/etc/passwd", false}, /* no bytecode */
        {"--host-keys", "10.0.0.1", false},
        {"--alias", "The \xc3\x84rmel \"Co\"", true},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct settings s;
        settings_init(&s);
        take(&s, cases[i].flag, cases[i].value);
        enum status got = settings_check(&s, false);
        if ((got == OK) != cases[i].good) {
            print_problems(&s);
            fail_msg("%s '%s': %s", cases[i].flag, cases[i].value, status_name(got));
        }
        if (!cases[i].good) assert_problem(&s, cases[i].flag, "");
        assert_false(has_problem(&s, "", "^")); /* people are told in words */
        settings_fini(&s);
    }
}

static void all_problems_are_told_at_once(void **state)
{
    (void)state;
    struct settings s;
    settings_init(&s);
    take_yaml(&s, "size:\n  nodes: 99\n  colour: blue\nethereum:\n  stepSeconds: fast\n");
    take(&s, "--target", "cloud");
    take(&s, "--member-id", "256");
    take(&s, "--admin", "me");
    take(&s, "--ip", "none");
    take(&s, "--data-url", "http://127.0.1.1");
    assert_int_equal(settings_check(&s, false), E_INVALID);
    assert_problem(&s, "size.nodes in consortium.yaml", "'99'");
    assert_problem(&s, "size.colour in consortium.yaml", "no such setting");
    assert_problem(&s, "ethereum.stepSeconds in consortium.yaml", "'fast'");
    assert_problem(&s, "--target", "local|ssh|azure");
    assert_problem(&s, "--member-id", "from 0 to 255");
    assert_problem(&s, "--admin", "40 hexadecimal digits");
    assert_problem(&s, "--ip", "public|private");
    assert_problem(&s, "--data-url", "join");
    assert_int_equal(n_problems(&s), 8);
    settings_fini(&s);
}

static void a_flag_wins_over_the_file_whichever_comes_first(void **state)
{
    (void)state;
    for (int file_first = 0; file_first < 2; file_first++) {
        struct settings s;
        settings_init(&s);
        if (file_first) take_yaml(&s, "size: {nodes: 5}\nethereum: {memberId: 7}\n");
        take(&s, "--nodes", "9");
        if (!file_first) take_yaml(&s, "size: {nodes: 5}\nethereum: {memberId: 7}\n");
        assert_int_equal(settings_check(&s, false), OK);
        assert_int_equal(SETTING_INT_OF(&s, nodes), 9);
        assert_string_equal(s.origin[SETTING_ID_nodes], "--nodes");
        assert_int_equal(SETTING_INT_OF(&s, member_id), 7);
        assert_string_equal(s.origin[SETTING_ID_member_id], "ethereum.memberId in consortium.yaml");
        assert_false(settings_is_default(&s, SETTING_ID_member_id));
        assert_true(settings_is_default(&s, SETTING_ID_regions));
        settings_fini(&s);
    }
}

static void what_a_file_must_not_hold_is_told_with_its_path(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *a, *b;
    } cases[] = {
        {"nodes: 3\n", "nodes in consortium.yaml", "no such setting"},
        {"size:\n  Nodes: 3\n", "size.Nodes in consortium.yaml", "no such setting; did you mean size.nodes?"},
        {"size:\n  nodes: [2, 3]\n", "size.nodes in consortium.yaml", "single value"},
        {"size:\n  nodes: {a: 1}\n", "size.nodes in consortium.yaml", "single value"},
        {"regions:\n  locations: [[a]]\n", "regions.locations in consortium.yaml", "list"},
        {"- 1\n- 2\n", "consortium.yaml", "mapping"},
        {"size: [\n", "consortium.yaml", ""},
        {"size:\n  nodes: 3\n  nodes: 4\n", "consortium.yaml", ""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct settings s;
        settings_init(&s);
        take_yaml(&s, cases[i].yaml);
        assert_int_equal(settings_check(&s, false), E_INVALID);
        assert_problem(&s, cases[i].a, cases[i].b);
        assert_int_equal(n_problems(&s), 1);
        settings_fini(&s);
    }
    struct settings s;
    settings_init(&s);
    take_yaml(&s, "# nothing\n");
    take_yaml(&s, "");
    assert_int_equal(settings_check(&s, false), OK);
    settings_fini(&s);
}

static void unknown_flags_are_left_to_the_caller(void **state)
{
    (void)state;
    struct settings s;
    settings_init(&s);
    assert_false(settings_take_flag(&s, "--no-such", "1"));
    assert_false(settings_take_flag(&s, "--node", "1"));
    assert_false(settings_take_flag(&s, "", "1"));
    assert_int_equal(n_problems(&s), 0);
    settings_fini(&s);
}

static void regions_are_named_each_or_not_at_all(void **state)
{
    (void)state;
    struct settings s;
    char name[64];
    settings_init(&s);
    take(&s, "--regions", "3");
    assert_int_equal(settings_check(&s, false), OK);
    assert_string_equal(settings_location(&s, 3, name), "local3");
    settings_fini(&s);

    settings_init(&s);
    take(&s, "--regions", "3");
    take(&s, "--locations", "westeurope,northeurope");
    assert_int_equal(settings_check(&s, false), E_INVALID);
    assert_problem(&s, "--locations", "2 regions are named");
    settings_fini(&s);

    settings_init(&s);
    take(&s, "--regions", "3");
    take(&s, "--locations", "westeurope");
    take(&s, "--locations", "northeurope,eastus"); /* a list flag adds up */
    assert_int_equal(settings_check(&s, false), OK);
    assert_string_equal(settings_location(&s, 1, name), "westeurope");
    assert_string_equal(settings_location(&s, 2, name), "northeurope");
    assert_string_equal(settings_location(&s, 3, name), "eastus");
    settings_fini(&s);

    settings_init(&s);
    take_yaml(&s, "regions:\n  count: 2\n  locations: [uksouth, ukwest]\n");
    assert_int_equal(settings_check(&s, false), OK);
    assert_string_equal(settings_location(&s, 2, name), "ukwest");
    settings_fini(&s);

    settings_init(&s);
    take(&s, "--target", "azure");
    assert_int_equal(settings_check(&s, false), E_INVALID);
    assert_problem(&s, "--locations", "Azure");
    settings_fini(&s);
}

static void what_a_target_cannot_do_is_told_before_anything_is_made(void **state)
{
    (void)state;
    struct settings s;
    settings_init(&s);
    take(&s, "--monitor", "enable");
    assert_int_equal(settings_check(&s, false), E_INVALID);
    assert_problem(&s, "--monitor", "--workspace-id");
    settings_fini(&s);

    settings_init(&s);
    take(&s, "--target", "azure");
    take(&s, "--vm-user", "Root");
    assert_int_equal(settings_check(&s, false), E_INVALID);
    assert_problem(&s, "--vm-user", "'Root'");
    settings_fini(&s);
}

static void join_wants_the_data_url_and_nothing_that_the_network_has_decided(void **state)
{
    (void)state;
    struct settings s;
    settings_init(&s);
    assert_int_equal(settings_check(&s, true), E_INVALID);
    assert_problem(&s, "--data-url", "missing");
    settings_fini(&s);

    settings_init(&s);
    take(&s, "--data-url", "http://127.0.1.1");
    take(&s, "--nodes", "3");
    assert_int_equal(settings_check(&s, true), OK);
    settings_fini(&s);

    static const char *const fixed[][2] = {{"--network-id", "77"}, {"--evm", "london"}, {"--step", "5"}, {"--gas-limit", "6000000"}, {"--compat", "azure-2018"}};
    settings_init(&s);
    take(&s, "--data-url", "https://member.example/");
    for (size_t i = 0; i < COUNT_OF(fixed); i++)
        take(&s, fixed[i][0], fixed[i][1]);
    assert_int_equal(settings_check(&s, true), E_INVALID);
    for (size_t i = 0; i < COUNT_OF(fixed); i++)
        assert_problem(&s, fixed[i][0], "leave it out");
    settings_fini(&s);

    /* what is written down of a join is taken again, also as it once was, with the defaults; other values are not */
    struct buf yaml;
    buf_init(&yaml, 1 << 16);
    settings_init(&s);
    take(&s, "--data-url", "https://member.example/");
    settings_put_yaml(&s, &yaml);
    settings_fini(&s);
    assert_null(strstr(buf_cstr(&yaml), "networkId"));
    settings_init(&s);
    settings_take_file(&s, "consortium.yaml", buf_view(&yaml));
    take_yaml(&s, "ethereum:\n  networkId: 10101010\n  evm: prague\n");
    assert_int_equal(settings_check(&s, true), OK);
    take_yaml(&s, "ethereum: {networkId: 77}\n");
    assert_int_equal(settings_check(&s, true), E_INVALID);
    assert_problem(&s, "ethereum.networkId in consortium.yaml", "leave it out");
    settings_fini(&s);
    buf_fini(&yaml);

    static const char *const bad_urls[] = {"127.0.1.1", "ftp://x", "http://", "http:// x"};
    for (size_t i = 0; i < COUNT_OF(bad_urls); i++) {
        settings_init(&s);
        take(&s, "--data-url", bad_urls[i]);
        assert_int_equal(settings_check(&s, true), E_INVALID);
        assert_problem(&s, "--data-url", "URL");
        settings_fini(&s);
    }
}

static void the_resolved_settings_read_back_the_same(void **state)
{
    (void)state;
    struct settings s, t;
    struct buf yaml;
    buf_init(&yaml, 1 << 20);
    settings_init(&s);
    take(&s, "--nodes", "4");
    take(&s, "--regions", "2");
    take(&s, "--locations", "a,b");
    take(&s, "--alias", "It's: \"us\" # really");
    take(&s, "--admin", "0x00000000000000000000000000000000000000aa");
    take(&s, "--alloc", "0x00000000000000000000000000000000000000aa=5ether,0x00000000000000000000000000000000000000ab=7");
    take(&s, "--vm-password-file", "/dev/null");
    assert_int_equal(settings_check(&s, false), OK);
    settings_put_yaml(&s, &yaml);
    settings_init(&t);
    settings_take_file(&t, "x/settings.yaml", buf_view(&yaml));
    enum status got = settings_check(&t, false);
    print_problems(&t);
    assert_int_equal(got, OK);
    for (size_t i = 0; i < SETTING_N; i++)
        assert_string_equal(s.value[i], t.value[i]);
    settings_fini(&t);
    settings_fini(&s);
    buf_fini(&yaml);
}

static void an_answer_is_checked_and_a_wrong_one_changes_nothing(void **state)
{
    (void)state;
    struct settings s;
    const char *why = NULL;
    settings_init(&s);
    assert_true(settings_answer(&s, SETTING_ID_nodes, "7", &why));
    assert_false(settings_answer(&s, SETTING_ID_nodes, "77", &why));
    assert_non_null(strstr(why, "from 2 to 15"));
    assert_int_equal(n_problems(&s), 0);
    assert_int_equal(settings_check(&s, false), OK);
    assert_int_equal(SETTING_INT_OF(&s, nodes), 7);
    settings_fini(&s);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_defaults_are_those_of_the_guide_and_are_valid),
        cmocka_unit_test(no_two_settings_share_a_flag_or_a_path),
        cmocka_unit_test(every_number_has_its_range),
        cmocka_unit_test(every_choice_takes_its_words_and_no_others),
        cmocka_unit_test(texts_and_lists_match_their_expressions),
        cmocka_unit_test(all_problems_are_told_at_once),
        cmocka_unit_test(a_flag_wins_over_the_file_whichever_comes_first),
        cmocka_unit_test(what_a_file_must_not_hold_is_told_with_its_path),
        cmocka_unit_test(unknown_flags_are_left_to_the_caller),
        cmocka_unit_test(regions_are_named_each_or_not_at_all),
        cmocka_unit_test(what_a_target_cannot_do_is_told_before_anything_is_made),
        cmocka_unit_test(join_wants_the_data_url_and_nothing_that_the_network_has_decided),
        cmocka_unit_test(the_resolved_settings_read_back_the_same),
        cmocka_unit_test(an_answer_is_checked_and_a_wrong_one_changes_nothing),
    };
    return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
