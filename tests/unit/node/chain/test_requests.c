#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/crypto/aead.h"
#include "node/chain/requests.h"
#include "node/store/tables.h"

#include <cmocka.h>

static const address WITHDRAWALS = {{0x00, 0x00, 0x09, 0x61, 0xef, 0x48, 0x0e, 0xb5, 0x5e, 0x80,
                                     0xd1, 0x9a, 0xd8, 0x35, 0x79, 0xa6, 0x4c, 0x00, 0x70, 0x02}};
static const address CONSOLIDATIONS = {{0x00, 0x00, 0xbb, 0xdd, 0xc7, 0xce, 0x48, 0x86, 0x42, 0xfb,
                                        0x57, 0x9f, 0x8b, 0x00, 0xf3, 0xa5, 0x90, 0x00, 0x72, 0x51}};
static const address DEPOSITS = {{0xde, 0xb0}};
static const hash32 TOPIC = {{0x64, 0x9b, 0xbc, 0x62, 0xd0, 0xe3, 0x13, 0x42, 0xaf, 0xea, 0x4e, 0x5c, 0xd8, 0x2d, 0x40, 0x49,
                              0xe7, 0xe1, 0xee, 0x91, 0x2f, 0xc0, 0x88, 0x9a, 0xa7, 0x90, 0x80, 0x3b, 0xe3, 0x90, 0x38, 0xc5}};

/* PUSH1 len PUSH0 RETURN; INVALID */
static const uint8_t GIVES_NOTHING[] = {0x5f, 0x5f, 0xf3}, GIVES_76[] = {0x60, 76, 0x5f, 0xf3}, FAILS[] = {0xfe};

struct world {
    struct kv *kv;
    struct kv_txn *txn;
    struct state *s;
    struct exec_env env;
};

static void world_init(struct world *w, bytes withdrawals, bytes consolidations)
{
    *w = (struct world){0};
    assert_int_equal(kv_open_memory(&w->kv, TABLE_N), OK);
    assert_int_equal(kv_begin(&w->txn, w->kv, true), OK);
    assert_int_equal(state_open(&w->s, w->txn, STATE_LATEST), OK);
    assert_int_equal(evm_new(&w->env.evm, 0), OK);
    rules_from_fork(&w->env.rules, FORK_PRAGUE);
    w->env.block = (struct evm_block){.number = 7, .timestamp = 1000, .gas_limit = 10000000, .chain_id = 1};
    assert_int_equal(state_set_code(w->s, &WITHDRAWALS, withdrawals), OK);
    assert_int_equal(state_set_code(w->s, &CONSOLIDATIONS, consolidations), OK);
}

static void world_fini(struct world *w)
{
    evm_free(w->env.evm);
    state_free(w->s);
    kv_abort(w->txn);
    kv_close(w->kv);
}

/* deposit: a log's data as the deposit contract makes it */
static void deposit(uint8_t data[static 576])
{
    static const uint16_t OFFSETS[5] = {160, 256, 320, 384, 512}, SIZES[5] = {48, 32, 8, 96, 8};
    memset(data, 0, 576);
    for (size_t i = 0; i < 5; i++) {
        be64_put(data + 32 * i + 24, OFFSETS[i]);
        be64_put(data + OFFSETS[i] + 24, SIZES[i]);
        memset(data + OFFSETS[i] + 32, (int)i + 1, SIZES[i]);
    }
}

static const char *collect(hash32 *hash, struct world *w, const struct receipt *receipts, size_t n)
{
    const char *bad = "unset";
    assert_int_equal(requests_collect(hash, &bad, &w->env, w->s, receipts, n, &DEPOSITS), OK);
    return bad;
}

static void without_requests_the_hash_is_that_of_nothing(void **state)
{
    (void)state;
    struct world w;
    hash32 got, want;
    world_init(&w, BYTES_OF(GIVES_NOTHING), BYTES_OF(GIVES_NOTHING));
    assert_null(collect(&got, &w, NULL, 0));
    sha256(want.b, "", 0);
    assert_true(hash_eq(&got, &want));
    world_fini(&w);
}

static void each_kind_with_requests_counts_once_behind_its_type(void **state)
{
    (void)state;
    struct world w;
    hash32 got, want, wrong_topic = {{1}};
    uint8_t data[576], first[1 + 192] = {0}, second[1 + 76] = {1}, digests[64];
    deposit(data);
    size_t at = 1;
    for (size_t i = 0; i < 5; i++) {
        static const uint16_t SIZES[5] = {48, 32, 8, 96, 8};
        memset(first + at, (int)i + 1, SIZES[i]);
        at += SIZES[i];
    }
    sha256(digests, first, sizeof first);
    sha256(digests + 32, second, sizeof second);
    sha256(want.b, digests, sizeof digests);
    struct log_entry logs[3] = {{.addr = DEPOSITS, .n_topics = 1, .topics = {wrong_topic}, .data = BYTES_LIT("x")},
                                {.addr = WITHDRAWALS, .n_topics = 1, .topics = {TOPIC}, .data = BYTES_LIT("x")},
                                {.addr = DEPOSITS, .n_topics = 1, .topics = {TOPIC}, .data = BYTES_OF(data)}};
    const struct receipt r = {.logs = logs, .n_logs = 3};
    world_init(&w, BYTES_OF(GIVES_76), BYTES_OF(GIVES_NOTHING));
    assert_null(collect(&got, &w, &r, 1));
    assert_true(hash_eq(&got, &want));
    world_fini(&w);
}

static void a_deposit_of_another_layout_makes_the_block_invalid(void **state)
{
    (void)state;
    struct world w;
    hash32 got;
    uint8_t data[576];
    struct log_entry log = {.addr = DEPOSITS, .n_topics = 1, .topics = {TOPIC}, .data = BYTES_OF(data)};
    const struct receipt r = {.logs = &log, .n_logs = 1};
    world_init(&w, BYTES_OF(GIVES_NOTHING), BYTES_OF(GIVES_NOTHING));
    deposit(data);
    log.data.len--;
    assert_non_null(collect(&got, &w, &r, 1));
    log.data.len++;
    assert_null(collect(&got, &w, &r, 1));
    static const size_t FIELDS[] = {31, 0, 63, 160 + 31, 512 + 31, 512};
    for (size_t i = 0; i < COUNT_OF(FIELDS); i++) {
        data[FIELDS[i]] ^= 1;
        assert_non_null(collect(&got, &w, &r, 1));
        data[FIELDS[i]] ^= 1;
    }
    world_fini(&w);
}

static void a_contract_that_is_missing_or_fails_makes_the_block_invalid(void **state)
{
    (void)state;
    struct world w;
    hash32 got;
    world_init(&w, BYTES_OF(GIVES_NOTHING), BYTES_EMPTY);
    assert_non_null(collect(&got, &w, NULL, 0));
    world_fini(&w);
    world_init(&w, BYTES_OF(FAILS), BYTES_OF(GIVES_NOTHING));
    assert_non_null(collect(&got, &w, NULL, 0));
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_requests_the_hash_is_that_of_nothing),
        cmocka_unit_test(each_kind_with_requests_counts_once_behind_its_type),
        cmocka_unit_test(a_deposit_of_another_layout_makes_the_block_invalid),
        cmocka_unit_test(a_contract_that_is_missing_or_fails_makes_the_block_invalid),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
