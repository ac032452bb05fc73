#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "node/evm_tool/ethrules.h"

#include <cmocka.h>

static void networks_are_told_from_their_names(void **state)
{
    (void)state;
    struct network n;
    const u256 below = u256_from_u64(0xbffff), at = u256_from_u64(0xc0000);
    assert_int_equal(network_parse(&n, "Cancun"), OK);
    assert_int_equal(network_fork(&n, 0, 0, &below), FORK_CANCUN);
    assert_int_equal(network_parse(&n, "ArrowGlacierToParisAtDiffC0000"), OK);
    assert_int_equal(n.bomb_delay, 10700000);
    assert_int_equal(network_fork(&n, 9, 9, &below), FORK_LONDON);
    assert_int_equal(network_fork(&n, 9, 9, &at), FORK_PARIS);
    assert_int_equal(network_parse(&n, "ParisToShanghaiAtTime15k"), OK);
    assert_int_equal(network_fork(&n, 9, 14999, &below), FORK_PARIS);
    assert_int_equal(network_fork(&n, 9, 15000, &below), FORK_SHANGHAI);
    assert_int_equal(network_parse(&n, "HomesteadToDaoAt5"), OK);
    assert_true(n.dao);
    assert_int_equal(network_fork(&n, 5, 0, &below), FORK_HOMESTEAD);
    assert_int_equal(network_parse(&n, "CancunToPragueAtTime15k"), OK);
    assert_int_equal(network_fork(&n, 9, 14999, &below), FORK_CANCUN);
    assert_int_equal(network_fork(&n, 9, 15000, &below), FORK_PRAGUE);
    assert_int_equal(network_parse(&n, "ByzantiumToConstantinopleFixAt5"), OK);
    assert_int_equal(network_fork(&n, 4, 0, &below), FORK_BYZANTIUM);
    assert_int_equal(network_fork(&n, 5, 0, &below), FORK_PETERSBURG);
    assert_int_equal(network_parse(&n, "NowhereToElsewhereAt5"), E_UNSUPPORTED);
}

/* real blocks of the main network: parent's difficulty and time, then the block's */
static void difficulties_are_those_of_real_blocks(void **state)
{
    (void)state;
    static const struct {
        enum fork fork;
        uint64_t delay, parent_difficulty, parent_time, number, time, want;
    } BLOCKS[] = {
        {FORK_FRONTIER, 0, 17179869184, 0, 1, 1438269988, 17171480576},          /* block 1 */
        {FORK_FRONTIER, 0, 17171480576, 1438269988, 2, 1438270017, 17163096064}, /* block 2 */
        {FORK_FRONTIER, 0, 131072, 100, 300000, 105, 131138},                    /* the bomb's first tick: 2^1 */
        {FORK_HOMESTEAD, 0, 2048000, 100, 10, 110, 2048000},
        {FORK_HOMESTEAD, 0, 2048000, 100, 10, 5000, 2048000 - 99000},
        {FORK_BYZANTIUM, 3000000, 2048000, 100, 3400000, 108, 2049000 + 4},
    };
    for (size_t i = 0; i < COUNT_OF(BLOCKS); i++) {
        struct header parent = {.difficulty = u256_from_u64(BLOCKS[i].parent_difficulty), .timestamp = BLOCKS[i].parent_time,
                                .uncles_hash = HASH_EMPTY_UNCLES};
        const u256 got = ethrules_difficulty(BLOCKS[i].fork, BLOCKS[i].delay, BLOCKS[i].number, BLOCKS[i].time, &parent);
        assert_int_equal(got.w[0], BLOCKS[i].want);
    }
    struct header uncled = {.difficulty = u256_from_u64(2048000), .timestamp = 100};
    assert_int_equal(ethrules_difficulty(FORK_BYZANTIUM, 3000000, 7, 108, &uncled).w[0], 2050000);
    assert_int_equal(ethrules_difficulty(FORK_PARIS, 0, 7, 108, &uncled).w[0], 0);
}

static void a_header_must_fit_its_parent(void **state)
{
    (void)state;
    struct network n;
    assert_int_equal(network_parse(&n, "Homestead"), OK);
    const struct header parent = {.difficulty = u256_from_u64(2048000), .timestamp = 100, .number = 6, .gas_limit = 1024000,
                                  .uncles_hash = HASH_EMPTY_UNCLES};
    const struct header good = {.difficulty = u256_from_u64(2049000), .timestamp = 105, .number = 7, .gas_limit = 1024999};
#define CHECK(h) ethrules_check_header(&(h), &parent, &n, FORK_HOMESTEAD, FORK_HOMESTEAD)
    struct header h = good;
    assert_null(CHECK(h));
    h.gas_limit = 1025000;
    assert_string_equal(CHECK(h), "gas limit out of bounds");
    h = good, h.timestamp = 100;
    assert_string_equal(CHECK(h), "timestamp not after the parent's");
    h = good, h.number = 8;
    assert_string_equal(CHECK(h), "number is not parent + 1");
    h = good, h.difficulty.w[0]++;
    assert_string_equal(CHECK(h), "wrong difficulty");
    h = good, h.has_base_fee = true;
    assert_string_equal(CHECK(h), "fields that the fork does not have, or lacks some");
    h = good, h.gas_used = h.gas_limit + 1;
    assert_string_equal(CHECK(h), "gas used exceeds gas limit");
    h = good, h.extra = BYTES_LIT("123456789012345678901234567890123");
    assert_string_equal(CHECK(h), "extra data too long");
    h = good, h.seal = SEAL_AURA;
    assert_string_equal(CHECK(h), "wrong seal fields");
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks_are_told_from_their_names),
        cmocka_unit_test(difficulties_are_those_of_real_blocks),
        cmocka_unit_test(a_header_must_fit_its_parent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
