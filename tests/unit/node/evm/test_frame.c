/* Frames: calls and creations, who pays for them, what a failed one leaves behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/node/evm/evm_fixture.h"

static void calls_return_their_data_and_flag(void **state)
{
    struct bench *b = *state;
    set_account(b, &OTHER, unhex(b, "602a 5f52 60205ff3"), 0);
    assert_int_equal(eval(b, CALL_OTHER("f1", "5f", "61ffff") "50 5f51").w[0], 42);
    assert_int_equal(eval(b, CALL_OTHER("f1", "5f", "61ffff")).w[0], 1);
    assert_int_equal(eval(b, CALL_OTHER("f1", "5f", "61ffff") "50 3d").w[0], 32);
    assert_int_equal(eval(b, CALL_OTHER("f2", "5f", "61ffff") "50 5f51").w[0], 42);
    assert_int_equal(eval(b, CALL_OTHER_NOVALUE("f4", "61ffff") "50 5f51").w[0], 42);
    assert_int_equal(eval(b, CALL_OTHER_NOVALUE("fa", "61ffff") "50 5f51").w[0], 42);
    set_account(b, &OTHER, unhex(b, "602b 5f52 60205ffd"), 0); /* reverts with data */
    assert_int_equal(eval(b, CALL_OTHER("f1", "5f", "61ffff") "50 5f51").w[0], 43);
    assert_int_equal(eval(b, CALL_OTHER("f1", "5f", "61ffff")).w[0], 0);
    assert_int_equal(eval(b, CALL_OTHER("f1", "5f", "61ffff") "50 6020 5f 6040 3e 604051").w[0], 43);
    set_account(b, &OTHER, unhex(b, "fe"), 0); /* fails: gas gone, no data */
    assert_int_equal(eval(b, CALL_OTHER("f1", "5f", "61ffff") "50 3d").w[0], 0);
    mh_at(b->host, &OTHER)->warm = false;
    call_gas(b, CALL_OTHER("f1", "5f", "61ffff"), 100000, BYTES_EMPTY);
    assert_int_equal(gas_used(b, 100000), 3 + 2 * 4 + 3 + 3 + 3 + 2600 + 0xffff);
}

static void call_kinds_differ_in_who_they_are(void **state)
{
    struct bench *b = *state;
    struct {
        const char *code, *want;
    } rows[] = {
        {CALL_OTHER("f1", "6005", "61ffff"), "bb03000000000000000000000000000000000000"},
        {CALL_OTHER("f2", "6005", "61ffff"), "aa01000000000000000000000000000000000000"},
        {CALL_OTHER_NOVALUE("f4", "61ffff"), "aa01000000000000000000000000000000000000"},
        {CALL_OTHER_NOVALUE("fa", "61ffff"), "bb03000000000000000000000000000000000000"},
    };
    char code[512];
    set_account(b, &OTHER, unhex(b, "30 5f52 60205ff3"), 0); /* ADDRESS */
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        snprintf(code, sizeof code, "%s 50 5f51", rows[i].code);
        assert_word(eval(b, code), rows[i].want);
    }
    assert_int_equal(mh_at(b->host, &OTHER)->balance.w[0], 5); /* only CALL moved value */
    set_account(b, &OTHER, unhex(b, "33 5f52 60205ff3"), 0); /* CALLER */
    static const char *const callers[] = {"aa01000000000000000000000000000000000000", "aa01000000000000000000000000000000000000",
                                          "5e02000000000000000000000000000000000000", "aa01000000000000000000000000000000000000"};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        snprintf(code, sizeof code, "%s 50 5f51", rows[i].code);
        assert_word(eval(b, code), callers[i]);
    }
    set_account(b, &OTHER, unhex(b, "34 5f52 60205ff3"), 0); /* CALLVALUE */
    static const char *const values[] = {"5", "5", "0", "0"};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        snprintf(code, sizeof code, "%s 50 5f51", rows[i].code);
        assert_word(eval(b, code), values[i]);
    }
}

static void static_calls_forbid_every_write(void **state)
{
    struct bench *b = *state;
    static const char *const writes[] = {"6001 5f55", "6001 5f5d", "5f5fa0", "5f5f5fa1", "5f5f5f f0", "5f5f5f5f f5", "5f ff",
                                         "5f5f5f5f6001 30 5a f1"};
    for (size_t i = 0; i < COUNT_OF(writes); i++) {
        set_account(b, &OTHER, unhex(b, writes[i]), 10);
        assert_int_equal(eval(b, CALL_OTHER_NOVALUE("fa", "61ffff")).w[0], 0);
        set_account(b, &SELF, unhex(b, writes[i]), 10);
        send(b, (struct evm_message){.sender = SENDER, .recipient = SELF, .code_address = SELF, .gas = 100000, .is_static = true});
        assert_int_equal(b->r.outcome, EVM_STATIC_VIOLATION);
    }
    set_account(b, &OTHER, unhex(b, "5f5f5f5f5f 30 5a f1 5f52 60205ff3"), 10); /* CALL without value is allowed */
    assert_int_equal(eval(b, CALL_OTHER_NOVALUE("fa", "61ffff") "50 5f51").w[0], 1); /* it recurses until gas runs low */
}

static void value_calls_pay_for_value_stipend_and_new_accounts(void **state)
{
    struct bench *b = *state;
    /* to an account that exists and has no code: 9000, stipend comes back unused */
    set_account(b, &OTHER, BYTES_EMPTY, 1);
    call_gas(b, CALL_OTHER("f1", "6001", "5f"), 100000, BYTES_EMPTY);
    assert_int_equal(gas_used(b, 100000), 3 + 2 * 3 + 3 + 3 + 2 + 3 + 2600 + 9000 - 2300);
    /* to nobody: 25000 more */
    reset(b, FORK_PRAGUE);
    call_gas(b, CALL_OTHER("f1", "6001", "5f"), 100000, BYTES_EMPTY);
    assert_int_equal(gas_used(b, 100000), 3 + 2 * 3 + 3 + 3 + 2 + 3 + 2600 + 9000 - 2300 + 25000);
    assert_int_equal(mh_at(b->host, &OTHER)->balance.w[0], 1);
    /* to nobody without value: nothing more under EIP-161, 25000 before */
    reset(b, FORK_PRAGUE);
    call_gas(b, CALL_OTHER("f1", "5f", "5f"), 100000, BYTES_EMPTY);
    assert_int_equal(gas_used(b, 100000), 3 + 2 * 4 + 3 + 2 + 3 + 2600);
    assert_false(mh_at(b->host, &OTHER)->exists);
    reset(b, FORK_EIP150);
    call_gas(b, "6020 6000 6000 6000 6000 73bb03000000000000000000000000000000000000 6000 f1", 100000, BYTES_EMPTY);
    assert_int_equal(gas_used(b, 100000), 7 * 3 + 3 + 700 + 25000);
    assert_true(mh_at(b->host, &OTHER)->exists);
    /* more than there is: the call fails, its gas comes back, so does the stipend */
    reset(b, FORK_PRAGUE);
    set_account(b, &OTHER, BYTES_EMPTY, 1);
    call_gas(b, CALL_OTHER("f1", "6202 0000", "61ffff") RETURN_TOP, 100000, BYTES_EMPTY);
    assert_int_equal(top_of(b).w[0], 0);
}

static void a_callee_gets_at_most_all_but_a_64th(void **state)
{
    struct bench *b = *state;
    set_account(b, &OTHER, unhex(b, "5a 5f52 60205ff3"), 0); /* GAS */
    /* all = what is left after the call's own price */
    call_gas(b, CALL_OTHER("f1", "5f", FF32) "50 5f51" RETURN_TOP, 100000, BYTES_EMPTY);
    const uint64_t left = 100000 - (3 + 2 * 4 + 3 + 3 + 3 + 2600);
    assert_int_equal(top_of(b).w[0], left - left / 64 - 2);
    reset(b, FORK_HOMESTEAD); /* before EIP-150 asking for too much fails */
    call_gas(b, "6000 6000 6000 6000 6000 73bb03000000000000000000000000000000000000 62ffffff f1", 100000, BYTES_EMPTY);
    assert_int_equal(b->r.outcome, EVM_OUT_OF_GAS);
}

static void recursion_ends_at_depth_1024(void **state)
{
    struct bench *b = *state;
    reset(b, FORK_HOMESTEAD); /* no 63/64 rule: gas reaches the bottom */
    /* count in storage 0: SSTORE(0, SLOAD(0) + 1); CALL(self, gas - 50000...) */
    call_gas(b, "6001 600054 01 600055 6000 6000 6000 6000 6000 30 61 7530 5a 03 f1 00", 100000000, BYTES_EMPTY);
    assert_int_equal(b->r.outcome, EVM_SUCCESS);
    assert_int_equal(mh_slot_at(b->host, &SELF, &U256_ZERO, false)->value.w[0], 1025);
}

static void return_data_of_the_deepest_frame_reaches_the_top(void **state)
{
    struct bench *b = *state;
    reset(b, FORK_PRAGUE);
    /* if gas < 20000 return 7, else call self with all gas and return its output + 1 */
    call_gas(b,
             "5a 614e20 11 6024 57" /* 20000 > GAS? jump to 0x24 */
             "6020 5f 5f 5f 5f 30 5a f1 50 5f51 6001 01 5f52 60205ff3"
             "00000000000000"
             "5b 6007 5f52 60205ff3",
             200000, BYTES_EMPTY);
    assert_int_equal(b->r.outcome, EVM_SUCCESS);
    assert_true(top_of(b).w[0] > 50 && top_of(b).w[0] < 200);
}

static void create_deploys_what_init_code_returns(void **state)
{
    struct bench *b = *state;
    /* init code: 6001 5f53 60015ff3 -> code 01; PUSH8 init; MSTORE; CREATE(0, 24, 8) */
    call_gas(b, "67600160005360016000f3 5f52 6008 6018 5f f0" RETURN_TOP, 1000000, BYTES_EMPTY);
    assert_int_equal(b->r.outcome, EVM_SUCCESS);
    reset(b, FORK_PRAGUE);
    mh_at(b->host, &SELF)->nonce = 5;
    call_gas(b, "69 600160005360016000f3 5f52 600a 6016 6003 f0" RETURN_TOP, 1000000, BYTES_EMPTY);
    assert_int_equal(b->r.outcome, EVM_SUCCESS);
    const u256 word = top_of(b);
    const address want = address_create(&SELF, 5);
    uint8_t be[32];
    u256_to_be(be, &word);
    assert_memory_equal(be + 12, &want, 20);
    const struct mh_account *made = mh_at(b->host, &want);
    assert_int_equal(made->code_len, 1);
    assert_int_equal(made->code[0], 1);
    assert_int_equal(made->nonce, 1);
    assert_int_equal(made->balance.w[0], 3);
    assert_int_equal(mh_at(b->host, &SELF)->nonce, 6);
    assert_int_equal(mh_at(b->host, &SELF)->balance.w[0], 497);
    assert_true(made->warm);
    /* the same by CREATE2 */
    call_gas(b, "6099 69 600160005360016000f3 5f52 600a 6016 6003 f5" RETURN_TOP, 1000000, BYTES_EMPTY);
    hash32 init_hash, salt = {{0}};
    salt.b[31] = 0x99;
    keccak256(init_hash.b, unhex(b, "600160005360016000f3").ptr, 10);
    const address want2 = address_create2(&SELF, &salt, &init_hash);
    const u256 word2 = top_of(b);
    u256_to_be(be, &word2);
    assert_memory_equal(be + 12, &want2, 20);
    /* and once more: the address is taken */
    call_gas(b, "6099 69 600160005360016000f3 5f52 600a 6016 6003 f5" RETURN_TOP, 1000000, BYTES_EMPTY);
    assert_int_equal(top_of(b).w[0], 0);
    assert_int_equal(mh_at(b->host, &SELF)->nonce, 8);
}

static void create_gives_revert_data_back(void **state)
{
    struct bench *b = *state;
    /* init code 60ab5f5360015ffd: reverts with ab */
    assert_int_equal(eval(b, "6760ab5f5360015ffd 5f52 6008 6018 5f f0").w[0], 0);
    assert_int_equal(eval(b, "6760ab5f5360015ffd 5f52 6008 6018 5f f0 50 3d").w[0], 1);
    assert_word(eval(b, "6760ab5f5360015ffd 5f52 6008 6018 5f f0 50 6001 5f 6020 3e 602051"),
                "ab00000000000000000000000000000000000000000000000000000000000000");
    assert_int_equal(eval(b, "6760ab5f5360015ff3 5f52 6008 6018 5f f0 50 3d").w[0], 0); /* success: no data */
}

static void message_creation_follows_the_deposit_rules(void **state)
{
    struct bench *b = *state;
    const address made = {{0x77}};
    struct evm_message m = {.kind = EVM_CREATE, .sender = SENDER, .recipient = made, .gas = 100000};
    m.input = unhex(b, "60205ff3"); /* 32 zero bytes */
    send(b, m);
    assert_int_equal(b->r.outcome, EVM_SUCCESS);
    assert_int_equal(mh_at(b->host, &made)->code_len, 32);
    assert_int_equal(gas_used(b, 100000), 3 + 2 + 3 + 32 * 200);
    send(b, m); /* again: collision */
    assert_int_equal(b->r.outcome, EVM_ADDRESS_COLLISION);
    assert_int_equal(b->r.gas_left, 0);
    /* EIP-3541 */
    reset(b, FORK_PRAGUE);
    m.input = unhex(b, "60ef 5f53 60015ff3");
    send(b, m);
    assert_int_equal(b->r.outcome, EVM_CODE_PREFIX);
    assert_false(mh_at(b->host, &made)->exists);
    /* EIP-170 */
    reset(b, FORK_PRAGUE);
    m.gas = 10000000;
    m.input = unhex(b, "616001 5ff3");
    send(b, m);
    assert_int_equal(b->r.outcome, EVM_CODE_TOO_LARGE);
    /* too little gas for the code: Homestead fails, Frontier goes on without code */
    m.gas = 1000;
    m.input = unhex(b, "60206000f3");
    reset(b, FORK_HOMESTEAD);
    send(b, m);
    assert_int_equal(b->r.outcome, EVM_OUT_OF_GAS);
    assert_int_equal(b->r.gas_left, 0);
    reset(b, FORK_FRONTIER);
    send(b, m);
    assert_int_equal(b->r.outcome, EVM_SUCCESS);
    assert_int_equal(gas_used(b, 1000), 9);
    assert_int_equal(mh_at(b->host, &made)->code_len, 0);
    /* EIP-7610: storage alone is a collision too */
    reset(b, FORK_PRAGUE);
    mh_slot_at(b->host, &made, &U256_ZERO, false)->value = U256_ONE;
    send(b, m);
    assert_int_equal(b->r.outcome, EVM_ADDRESS_COLLISION);
}

static void selfdestruct_moves_all_and_is_priced_by_fork(void **state)
{
    struct bench *b = *state;
    static const struct {
        enum fork fork;
        uint64_t gas;
        int64_t refund;
    } rows[] = {
        {FORK_FRONTIER, 3, 24000}, {FORK_EIP150, 3 + 5000 + 25000, 24000}, {FORK_EIP158, 3 + 5000 + 25000, 24000},
        {FORK_BERLIN, 3 + 5000 + 25000 + 2600, 24000}, {FORK_LONDON, 3 + 5000 + 25000 + 2600, 0},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        reset(b, rows[i].fork);
        call_gas(b, "73bb03000000000000000000000000000000000000 ff", 100000, BYTES_EMPTY);
        assert_int_equal(b->r.outcome, EVM_SUCCESS);
        assert_int_equal(gas_used(b, 100000), rows[i].gas);
        assert_int_equal(b->r.refund, rows[i].refund);
        assert_int_equal(mh_at(b->host, &OTHER)->balance.w[0], 500);
        assert_true(mh_at(b->host, &SELF)->destroyed);
    }
}

static void failed_frames_undo_their_writes_and_refunds(void **state)
{
    struct bench *b = *state;
    struct mh_slot *s = mh_slot_at(b->host, &OTHER, &U256_ZERO, false);
    s->value = s->original = U256_ONE;
    set_account(b, &OTHER, unhex(b, "5f5f55 5f5fa0 fe"), 0);
    call_gas(b, CALL_OTHER("f1", "6001", "61ffff"), 200000, BYTES_EMPTY);
    assert_int_equal(b->r.outcome, EVM_SUCCESS);
    assert_int_equal(b->r.refund, 0);
    assert_int_equal(b->host->n_logs, 0);
    assert_int_equal(s->value.w[0], 1);
    assert_int_equal(mh_at(b->host, &SELF)->balance.w[0], 500);
    set_account(b, &OTHER, unhex(b, "5f5f55 5f5fa0"), 0);
    call_gas(b, CALL_OTHER("f1", "6001", "61ffff"), 200000, BYTES_EMPTY);
    assert_int_equal(b->r.refund, 4800);
    assert_int_equal(b->host->n_logs, 1);
}

static void delegated_accounts_run_their_delegates_code(void **state)
{
    struct bench *b = *state;
    const address delegate = {{0xdd, 5}};
    set_account(b, &delegate, unhex(b, "30 5f52 60205ff3"), 0);
    set_account(b, &OTHER, unhex(b, "ef0100 dd05000000000000000000000000000000000000"), 0);
    assert_word(eval(b, CALL_OTHER("f1", "5f", "61ffff") "50 5f51"), "bb03000000000000000000000000000000000000");
    assert_int_equal(eval(b, "73bb030000000000000000000000000000000000003b").w[0], 23);
    reset(b, FORK_PRAGUE); /* both accounts cold, then both warm */
    set_account(b, &delegate, unhex(b, "00"), 0);
    set_account(b, &OTHER, unhex(b, "ef0100 dd05000000000000000000000000000000000000"), 0);
    call_gas(b, CALL_OTHER("f1", "5f", "5f") CALL_OTHER("f1", "5f", "5f"), 100000, BYTES_EMPTY);
    assert_int_equal(gas_used(b, 100000), 2 * (3 + 2 * 5 + 3) + 3 + 2600 + 2600 + 100 + 100);
    /* the outermost call follows it too; a delegate's delegate is not followed: its designator is no code */
    send(b, (struct evm_message){.sender = SENDER, .recipient = OTHER, .code_address = OTHER, .gas = 1000});
    assert_int_equal(b->r.outcome, EVM_SUCCESS);
    set_account(b, &delegate, unhex(b, "ef0100 aa01000000000000000000000000000000000000"), 0);
    send(b, (struct evm_message){.sender = SENDER, .recipient = OTHER, .code_address = OTHER, .gas = 1000});
    assert_int_equal(b->r.outcome, EVM_INVALID_OPCODE);
    reset(b, FORK_CANCUN); /* before EIP-7702 these bytes are just bad code */
    set_account(b, &OTHER, unhex(b, "ef0100 dd05000000000000000000000000000000000000"), 0);
    send(b, (struct evm_message){.sender = SENDER, .recipient = OTHER, .code_address = OTHER, .gas = 1000});
    assert_int_equal(b->r.outcome, EVM_INVALID_OPCODE);
}

static void init_code_and_code_sizes_have_their_limits(void **state)
{
    struct bench *b = *state;
    /* EIP-3860: 49152 bytes pass, one more is out; 2 gas a word */
    call_gas(b, "61c000 5f 5f f0" RETURN_TOP, 10000000, BYTES_EMPTY);
    assert_int_equal(b->r.outcome, EVM_SUCCESS);
    assert_int_not_equal(top_of(b).w[0], 0);
    call_gas(b, "61c001 5f 5f f0", 10000000, BYTES_EMPTY);
    assert_int_equal(b->r.outcome, EVM_INIT_CODE_TOO_LARGE);
    assert_int_equal(b->r.gas_left, 0);
    reset(b, FORK_LONDON);
    call_gas(b, "61c001 6000 6000 f0", 10000000, BYTES_EMPTY);
    assert_int_equal(b->r.outcome, EVM_SUCCESS);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        BENCH_TEST(calls_return_their_data_and_flag),
        BENCH_TEST(call_kinds_differ_in_who_they_are),
        BENCH_TEST(static_calls_forbid_every_write),
        BENCH_TEST(value_calls_pay_for_value_stipend_and_new_accounts),
        BENCH_TEST(a_callee_gets_at_most_all_but_a_64th),
        BENCH_TEST(recursion_ends_at_depth_1024),
        BENCH_TEST(return_data_of_the_deepest_frame_reaches_the_top),
        BENCH_TEST(create_deploys_what_init_code_returns),
        BENCH_TEST(create_gives_revert_data_back),
        BENCH_TEST(message_creation_follows_the_deposit_rules),
        BENCH_TEST(selfdestruct_moves_all_and_is_priced_by_fork),
        BENCH_TEST(failed_frames_undo_their_writes_and_refunds),
        BENCH_TEST(delegated_accounts_run_their_delegates_code),
        BENCH_TEST(init_code_and_code_sizes_have_their_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
