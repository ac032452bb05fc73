#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/codec/hex.h"
#include "node/sync/forkid.h"

#include <cmocka.h>

/* EIP-2124, test cases: main network up to Petersburg */
static const uint64_t mainnet[] = {1150000, 1920000, 2463000, 2675000, 4370000, 7280000};

static void mainnet_table(struct forkid_table *f)
{
    hash32 g;
    assert_int_equal(OK, hash_get(&g, bytes_str("0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3")));
    forkid_init_list(f, &g, mainnet, 6, NULL, 0);
}

static void forkid_gives_the_published_values_of_the_main_network(void **state)
{
    (void)state;
    static const struct {
        uint64_t head;
        uint32_t hash;
        uint64_t next;
    } want[] = {
        {0, 0xfc64ec04, 1150000},       {1149999, 0xfc64ec04, 1150000}, {1150000, 0x97c2c34c, 1920000}, {1919999, 0x97c2c34c, 1920000},
        {1920000, 0x91d1f948, 2463000}, {2463000, 0x7a64da13, 2675000}, {2675000, 0x3edd5b10, 4370000}, {4370000, 0xa00bc324, 7280000},
        {7279999, 0xa00bc324, 7280000}, {7280000, 0x668db0af, 0},       {7987396, 0x668db0af, 0},
    };
    struct forkid_table f;
    mainnet_table(&f);
    for (size_t i = 0; i < COUNT_OF(want); i++) {
        struct forkid id;
        forkid_at(&id, &f, want[i].head, 0);
        assert_int_equal(want[i].hash, be32_get(id.hash));
        assert_int_equal(want[i].next, id.next);
    }
}

static void forkid_is_compatible_follows_the_rules_of_eip2124(void **state)
{
    (void)state;
    static const struct {
        uint64_t head;
        uint32_t hash;
        uint64_t next;
        bool ok;
    } want[] = {
        {7987396, 0x668db0af, 0, true},           /* same */
        {7987396, 0x668db0af, UINT64_MAX, true},  /* they know a fork to come */
        {7279999, 0xa00bc324, 0, true},           /* they don't know of Petersburg yet */
        {7279999, 0xa00bc324, 7280000, true},     /* both before it */
        {7279999, 0xa00bc324, UINT64_MAX, true},  /* they know another one to come */
        {7987396, 0xa00bc324, 7280000, true},     /* they are syncing */
        {7987396, 0x3edd5b10, 4370000, true},     /* further behind */
        {7279999, 0x668db0af, 0, true},           /* we are behind */
        {4369999, 0xa00bc324, 0, true},           /* we are behind, they don't know of Petersburg */
        {7987396, 0xa00bc324, 0, false},          /* they don't know of Petersburg, and should */
        {7987396, 0x5cddc0e1, 0, false},          /* another chain */
        {7987396, 0xafec6b27, 0, false},          /* another chain */
        {88888888, 0x668db0af, 88888888, false},  /* they announce a fork that we passed without it */
        {7279999, 0xa00bc324, 7279999, false},
    };
    struct forkid_table f;
    mainnet_table(&f);
    for (size_t i = 0; i < COUNT_OF(want); i++) {
        struct forkid id = {.next = want[i].next};
        be32_put(id.hash, want[i].hash);
        assert_int_equal(want[i].ok, forkid_is_compatible(&f, &id, want[i].head, 0));
    }
}

static void forkid_of_a_chain_without_forks_is_the_sum_of_its_genesis(void **state)
{
    (void)state;
    struct forkid_table f;
    struct forkid id;
    const hash32 g = {{1}};
    forkid_init(&f, NULL, &g, 0);
    forkid_at(&id, &f, 1000000, 1000000);
    assert_int_equal(0, id.next);
    assert_true(forkid_is_compatible(&f, &id, 5, 5));
}

static void forks_by_time_come_after_those_by_block(void **state)
{
    (void)state;
    struct forkid_table f;
    struct forkid id;
    const hash32 g = {{1}};
    const uint64_t blocks[] = {10}, times[] = {1700000000};
    forkid_init_list(&f, &g, blocks, 1, times, 1);
    forkid_at(&id, &f, 9, 1800000000);
    assert_int_equal(10, id.next);
    forkid_at(&id, &f, 10, 1600000000);
    assert_int_equal(1700000000, id.next);
    forkid_at(&id, &f, 10, 1700000000);
    assert_int_equal(0, id.next);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forkid_gives_the_published_values_of_the_main_network),
        cmocka_unit_test(forkid_is_compatible_follows_the_rules_of_eip2124),
        cmocka_unit_test(forkid_of_a_chain_without_forks_is_the_sum_of_its_genesis),
        cmocka_unit_test(forks_by_time_come_after_those_by_block),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
