/* Genesis hashes as published (reference: aura.md B6), from the chains' own spec files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/file.h"
#include "node/chain/genesis.h"
#include "node/state/state.h"
#include "node/store/tables.h"

#include <cmocka.h>

static bool load(struct chain_spec *spec, struct buf *json, const char *name)
{
    const char *root = getenv("POA_VECTORS");
    char path[512];
    struct err err = {0};
    (void)snprintf(path, sizeof path, "%s/chainspec/%s.json", root != NULL ? root : "../shared/vectors", name);
    if (!file_exists(path)) {
        print_message("# SKIP no vectors\n");
        return false;
    }
    buf_init(json, 1 << 20);
    assert_int_equal(file_read(json, path, &err), OK);
    if (chain_spec_parse(spec, buf_view(json), &err) != OK) fail_msg("%s: %s", name, err_text(&err));
    return true;
}

static void published_genesis_hashes_come_out(void **state)
{
    (void)state;
    static const struct {
        const char *name, *hash, *root;
    } CHAINS[] = {
        {"poacore", "0x39f02c003dde5b073b3f6e1700fc0b84b4877f6839bb23edadd3d2d82a488634",
         "0x19c7ec34268513b93cc99242ffe67a345b72c08b0c1e9516cd4c7d00c72293e7"},
        {"poasokol", "0x5b28c1bfd3a15230c9a46b399cd0f9a6920d432e85381cc6a140b06e8410112f",
         "0xfad4af258fd11939fae0c6c6eec9d340b1caac0b0196fd9a1bc3f489c5bf00b3"},
        {"xdai", "0x4f1dd23188aab3a76b463e4af801b52b1248ef073c648cbdc4c9333d3da79756",
         "0x40cf4430ecaa733787d1a65154a3b9efb560c95d9e324a23b97f0609b539133b"},
    };
    for (size_t i = 0; i < COUNT_OF(CHAINS); i++) {
        struct chain_spec spec;
        struct buf json;
        struct genesis g;
        struct err err = {0};
        char text[67];
        if (!load(&spec, &json, CHAINS[i].name)) {
            skip();
            return;
        }
        if (genesis_compute(&g, &spec, &err) != OK) fail_msg("%s: %s", CHAINS[i].name, err_text(&err));
        hash_put(text, &g.header.state_root);
        assert_string_equal(text, CHAINS[i].root);
        hash_put(text, &g.hash);
        assert_string_equal(text, CHAINS[i].hash);
        chain_spec_fini(&spec);
        buf_fini(&json);
    }
}

static void other_specs_build_and_leave_their_state_in_the_database(void **state)
{
    (void)state;
    static const char *const NAMES[] = {"test.authority_round", "test.constructor", "test.validator_contract",
                                        "test.validator_safe_contract", "test.tx_permission_v3"};
    for (size_t i = 0; i < COUNT_OF(NAMES); i++) {
        struct chain_spec spec;
        struct buf json;
        struct genesis g;
        struct err err = {0};
        struct kv *kv;
        struct kv_txn *txn;
        struct state *s;
        hash32 root;
        if (!load(&spec, &json, NAMES[i])) {
            skip();
            return;
        }
        assert_int_equal(kv_open_memory(&kv, TABLE_N), OK);
        assert_int_equal(kv_begin(&txn, kv, true), OK);
        if (genesis_build(&g, &spec, txn, &err) != OK) fail_msg("%s: %s", NAMES[i], err_text(&err));
        assert_int_equal(state_open(&s, txn, STATE_LATEST), OK);
        assert_int_equal(state_root(s, &root), OK);
        assert_memory_equal(&root, &g.header.state_root, 32);
        state_free(s);
        kv_abort(txn);
        kv_close(kv);
        chain_spec_fini(&spec);
        buf_fini(&json);
    }
}

static void a_constructor_that_fails_is_named(void **state)
{
    (void)state;
    static const char JSON[] =
        "{\"name\":\"t\",\"engine\":{\"null\":{\"params\":{}}},\"params\":{\"maximumExtraDataSize\":32,\"minGasLimit\":1,"
        "\"networkID\":1,\"gasLimitBoundDivisor\":1024,\"eip140Transition\":0},"
        "\"genesis\":{\"seal\":{\"generic\":\"0xc180\"},\"difficulty\":1,\"gasLimit\":1000},"
        "\"accounts\":{\"0x0000000000000000000000000000000000000077\":{\"balance\":\"1\",\"constructor\":\"0x60006000fd\"}}}";
    struct chain_spec spec;
    struct genesis g;
    struct err err = {0};
    if (chain_spec_parse(&spec, bytes_str(JSON), &err) != OK) fail_msg("%s", err_text(&err));
    assert_int_equal(genesis_compute(&g, &spec, &err), E_INVALID);
    assert_non_null(strstr(err_text(&err), "0000000077"));
    assert_non_null(strstr(err_text(&err), "reverted"));
    chain_spec_fini(&spec);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_genesis_hashes_come_out),
        cmocka_unit_test(other_specs_build_and_leave_their_state_in_the_database),
        cmocka_unit_test(a_constructor_that_fails_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
