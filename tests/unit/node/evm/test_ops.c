/* Operations: what each computes, what it costs, from which fork on it is there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/node/evm/evm_fixture.h"

static void arithmetic_and_comparison_opcodes_compute(void **state)
{
    struct bench *b = *state;
    static const struct {
        const char *code, *want;
    } rows[] = {
        {"6003 6004 01", "7"},
        {FF32 "6002 01", "1"},
        {"6003 6004 02", "c"},
        {"6003 6005 03", "2"},
        {"6005 6003 03", "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe"},
        {"6003 600a 04", "3"},
        {"5f 600a 04", "0"},
        {"6003 600a 06", "1"},
        {"6002" FF32 "05", "0"},
        {"6008 600a 600a 08", "4"},
        {"6008 600a 600a 09", "4"},
        {"6003 6002 0a", "8"},
        {"60ff 5f 0b", "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
        {"607f 5f 0b", "7f"},
        {"6180 00 6001 0b", "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff8000"},
        {"60ff 601f 0b", "ff"},
        {"6002 6001 10", "1"},
        {"6001 6002 10", "0"},
        {"6001 6002 11", "1"},
        {"5f" FF32 "12", "1"},
        {"5f" FF32 "13", "0"},
        {"6001 6001 14", "1"},
        {"6001 6002 14", "0"},
        {"5f 15", "1"},
        {"6005 15", "0"},
        {"600c 600a 16", "8"},
        {"600c 600a 17", "e"},
        {"600c 600a 18", "6"},
        {"5f 19", "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
        {"61abcd 601e 1a", "ab"},
        {"61abcd 601f 1a", "cd"},
        {"61abcd 6020 1a", "0"},
        {"6001 6004 1b", "10"},
        {"6001 6101 00 1b", "0"},
        {"6010 6004 1c", "1"},
        {FF32 "60ff 1c", "1"},
        {FF32 "6101 00 1d", "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"},
        {"6010 6004 1d", "1"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) assert_word(eval(b, rows[i].code), rows[i].want);
    assert_word(eval(b, "6003 6007 5f 03 07"), "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"); /* -7 smod 3 */
    assert_word(eval(b, "6003 6007 5f 03 05"), "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe"); /* -7 sdiv 3 */
}

static void stack_opcodes_move_words(void **state)
{
    struct bench *b = *state;
    char code[600];
    for (int n = 1; n <= 16; n++) {
        size_t at = 0;
        for (int i = 16; i >= 1; i--) at += (size_t)snprintf(code + at, sizeof code - at, "60%02x", i); /* word i is i-th from top */
        snprintf(code + at, sizeof code - at, "%02x", 0x7f + n);
        const u256 d = eval(b, code);
        assert_int_equal(d.w[0], n);
        at = 0;
        for (int i = 17; i >= 1; i--) at += (size_t)snprintf(code + at, sizeof code - at, "60%02x", i);
        snprintf(code + at, sizeof code - at, "%02x", 0x8f + n);
        const u256 s = eval(b, code);
        assert_int_equal(s.w[0], n + 1);
    }
    for (int n = 1; n <= 32; n++) {
        size_t at = (size_t)snprintf(code, sizeof code, "%02x", 0x5f + n);
        for (int i = 0; i < n; i++) at += (size_t)snprintf(code + at, sizeof code - at, "%02x", 0x10 + i);
        u256 want = U256_ZERO;
        for (int i = 0; i < n; i++) {
            want = u256_shl(want, 8);
            want.w[0] |= (uint64_t)(0x10 + i);
        }
        const u256 p = eval(b, code);
        assert_true(u256_eq(&p, &want));
    }
    assert_int_equal(eval(b, "6001 6002 50").w[0], 1);
    assert_int_equal(eval(b, "5f 5f 5f 58").w[0], 3);
}

static void environment_opcodes_tell_the_environment(void **state)
{
    struct bench *b = *state;
    assert_word(eval(b, "30"), "aa01000000000000000000000000000000000000");
    assert_word(eval(b, "32"), "0e04000000000000000000000000000000000000");
    assert_word(eval(b, "33"), "5e02000000000000000000000000000000000000");
    assert_int_equal(eval(b, "34").w[0], 0);
    assert_int_equal(eval(b, "36").w[0], 0);
    assert_int_equal(eval(b, "38").w[0], 7);
    assert_int_equal(eval(b, "3a").w[0], 99);
    assert_word(eval(b, "41"), "cb00000000000000000000000000000000000000");
    assert_int_equal(eval(b, "42").w[0], 1234);
    assert_int_equal(eval(b, "43").w[0], 1000);
    assert_int_equal(eval(b, "44").w[0], 0xd1ff);
    assert_int_equal(eval(b, "45").w[0], 30000000);
    assert_int_equal(eval(b, "46").w[0], 77);
    assert_int_equal(eval(b, "47").w[0], 500);
    assert_int_equal(eval(b, "48").w[0], 7);
    assert_int_equal(eval(b, "4a").w[0], 3);
    assert_word(eval(b, "6001 49"), "1111111111111111111111111111111111111111111111111111111111111111");
    assert_int_equal(eval(b, "6002 49").w[0], 0);
    assert_int_equal(eval(b, "30 31").w[0], 500);
    assert_int_equal(eval(b, "33 31").w[0], 1000000);
    assert_int_equal(eval(b, "6103e7 40").w[0], 1000999);
    assert_int_equal(eval(b, "6102e8 40").w[0], 1000744);
    assert_int_equal(eval(b, "6102e7 40").w[0], 0);
    assert_int_equal(eval(b, "6103e8 40").w[0], 0);
    assert_int_equal(eval(b, FF32 "40").w[0], 0);
    assert_int_equal(eval(b, "59").w[0], 0);
    assert_int_equal(eval(b, "6021 51 50 59").w[0], 96);
    assert_int_equal(eval(b, "5a").w[0], 10000000 - 2);
}

static void memory_and_data_opcodes_copy_and_pad(void **state)
{
    struct bench *b = *state;
    const bytes input = unhex(b, "0102030405");
    call_gas(b, "5f35" RETURN_TOP, 100000, input);
    assert_word(top_of(b), "0102030405000000000000000000000000000000000000000000000000000000");
    call_gas(b, "600335" RETURN_TOP, 100000, input);
    assert_word(top_of(b), "0405000000000000000000000000000000000000000000000000000000000000");
    call_gas(b, FF32 "35" RETURN_TOP, 100000, input);
    assert_word(top_of(b), "0");
    call_gas(b, FF32 "5f52 6004 6002 6001 37 5f51" RETURN_TOP, 100000, input); /* copy 4 bytes from 2 to 1: 03 04 05 00 */
    assert_word(top_of(b), "ff03040500ffffffffffffffffffffffffffffffffffffffffffffffffffffff");
    call_gas(b, "6003 5f 5f 39 5f51" RETURN_TOP, 100000, input);
    assert_word(top_of(b), "60035f0000000000000000000000000000000000000000000000000000000000");
    assert_word(eval(b, "60ab 6003 53 5f51"), "ab00000000000000000000000000000000000000000000000000000000");
    assert_word(eval(b, "61abcd 5f52 6002 601e 6020 5e 602051"), "abcd000000000000000000000000000000000000000000000000000000000000");
    assert_word(eval(b, "5f5f20"), "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
    assert_word(eval(b, "60205f20"), "290decd9548b62a8d60345a988386fc84ba6bc95484008f6362f93160ef3e563");
    set_account(b, &OTHER, unhex(b, "6001600255"), 1);
    assert_int_equal(eval(b, "73bb030000000000000000000000000000000000003b").w[0], 5);
    assert_word(eval(b, "6020 5f 5f 73bb03000000000000000000000000000000000000 3c 5f51"),
                "6001600255000000000000000000000000000000000000000000000000000000");
    assert_word(eval(b, "73cc030000000000000000000000000000000000003f"), "0");
    assert_word(eval(b, "333f"), "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
}

static void memory_expansion_never_overflows(void **state)
{
    struct bench *b = *state;
    static const char *const codes[] = {
        FF32 "51",                                  /* MLOAD at 2^256 - 1 */
        "5f" FF32 "52",                             /* MSTORE */
        "5f" FF32 "53",                             /* MSTORE8 */
        "67ffffffffffffffe0 51",                    /* end wraps 64 bits */
        FF32 "6001 f3",                             /* RETURN of a huge length */
        "6001" FF32 "f3",                           /* RETURN at a huge offset */
        "67ffffffffffffffff 67ffffffffffffffff 20", /* offset + length wraps */
        FF32 "5f 5f 37",
        "6001 5f" FF32 "37",
        "6001" FF32 "5f 5e",
        "65ffffffffffff 51",
    };
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        call_gas(b, codes[i], 1000000, BYTES_EMPTY);
        assert_int_equal(b->r.outcome, EVM_OUT_OF_GAS);
        assert_int_equal(b->r.gas_left, 0);
    }
    call_gas(b, "5f" FF32 "f3", 1000, BYTES_EMPTY); /* nothing at a huge offset */
    assert_int_equal(b->r.outcome, EVM_SUCCESS);
    call_gas(b, "65ffffffffffff51", INT64_MAX, BYTES_EMPTY); /* gas would do; our memory does not */
    assert_true(b->r.outcome == EVM_HOST_FAILURE || b->r.outcome == EVM_OUT_OF_GAS);
    call_gas(b, "640100000000 51", UINT64_MAX, BYTES_EMPTY);
    assert_int_equal(b->r.outcome, EVM_HOST_FAILURE);
    assert_int_equal(b->r.host_status, E_NOMEM);
}

static void memory_gas_is_quadratic(void **state)
{
    struct bench *b = *state;
    call_gas(b, "5f51", 1000, BYTES_EMPTY);
    assert_int_equal(gas_used(b, 1000), 2 + 3 + 3);
    call_gas(b, "62 00ffe0 51", 1000000, BYTES_EMPTY); /* 2048 words: 3 * 2048 + 2048^2 / 512 */
    assert_int_equal(gas_used(b, 1000000), 3 + 3 + 3 * 2048 + 8192);
    call_gas(b, "5f51 62 00ffe0 51", 1000000, BYTES_EMPTY); /* in two steps: no dearer */
    assert_int_equal(gas_used(b, 1000000), 2 + 3 + 3 + 3 + 3 * 2048 + 8192);
}

static void jumps_go_to_jumpdests_only(void **state)
{
    struct bench *b = *state;
    call_gas(b, "6003 56 5b 00", 100, BYTES_EMPTY);
    assert_int_equal(b->r.outcome, EVM_SUCCESS);
    assert_int_equal(gas_used(b, 100), 3 + 8 + 1);
    call_gas(b, "6004 56 5b 00", 100, BYTES_EMPTY);
    assert_int_equal(b->r.outcome, EVM_BAD_JUMP);
    call_gas(b, "6004 56 605b 00", 100, BYTES_EMPTY); /* 5b inside of a PUSH */
    assert_int_equal(b->r.outcome, EVM_BAD_JUMP);
    call_gas(b, FF32 "56", 100, BYTES_EMPTY);
    assert_int_equal(b->r.outcome, EVM_BAD_JUMP);
    call_gas(b, "6001 6006 57 fe 5b 00", 100, BYTES_EMPTY);
    assert_int_equal(b->r.outcome, EVM_SUCCESS);
    call_gas(b, "5f 61ffff 57 00", 100, BYTES_EMPTY); /* not taken: the target does not matter */
    assert_int_equal(b->r.outcome, EVM_SUCCESS);
    call_gas(b, "6001 61ffff 57 00", 100, BYTES_EMPTY);
    assert_int_equal(b->r.outcome, EVM_BAD_JUMP);
    /* dynamic forms: the target comes through memory */
    call_gas(b, "6008 5f52 5f51 56 fe 5b 00", 100, BYTES_EMPTY);
    assert_int_equal(b->r.outcome, EVM_SUCCESS);
    call_gas(b, "6001 600a 5f52 5f51 57 fe 5b 00", 100, BYTES_EMPTY);
    assert_int_equal(b->r.outcome, EVM_SUCCESS);
    call_gas(b, "6001 6006 5f52 5f51 57 fe 5b 00", 100, BYTES_EMPTY);
    assert_int_equal(b->r.outcome, EVM_BAD_JUMP);
    call_gas(b, "5f 6006 5f52 5f51 57 00", 100, BYTES_EMPTY);
    assert_int_equal(b->r.outcome, EVM_SUCCESS);
    /* a JUMPI that is not taken falls into a JUMPDEST (8) where an earlier jump has been */
    call_gas(b, "6008 56 5b 5f 6003 57 5b 59 6012 57 5f51 6003 56 5b 00", 1000, BYTES_EMPTY);
    assert_int_equal(b->r.outcome, EVM_SUCCESS);
    assert_int_equal(gas_used(b, 1000), 79);
    /* a loop: 100 down to 0 */
    call_gas(b, "6064 5b 6001 90 03 80 6002 57 00", 10000, BYTES_EMPTY);
    assert_int_equal(b->r.outcome, EVM_SUCCESS);
    assert_int_equal(gas_used(b, 10000), 3 + 100 * (1 + 3 + 3 + 3 + 3 + 3 + 10));
}

static void running_off_the_end_stops(void **state)
{
    struct bench *b = *state;
    call_gas(b, "6001", 100, BYTES_EMPTY);
    assert_int_equal(b->r.outcome, EVM_SUCCESS);
    call_gas(b, "61 01", 100, BYTES_EMPTY); /* a PUSH cut short */
    assert_int_equal(b->r.outcome, EVM_SUCCESS);
    assert_int_equal(gas_used(b, 100), 3);
    call_gas(b, "5b", 100, BYTES_EMPTY);
    assert_int_equal(b->r.outcome, EVM_SUCCESS);
}

/* The block behind the JUMPI at 8 was translated before, when 9 was jumped to: the way on into it is a GOTO. */
static void a_jumpi_not_taken_goes_on_into_a_block_known_already(void **state)
{
    struct bench *b = *state;
    call_gas(b, "600956" "5b6000600357" "5b6000516001600052156003" "57" "00", 100000, BYTES_EMPTY);
    assert_int_equal(b->r.outcome, EVM_SUCCESS);
}

static void errors_take_all_gas_and_say_what_they_are(void **state)
{
    struct bench *b = *state;
    static const struct {
        const char *code;
        uint64_t gas;
        enum evm_outcome want;
    } rows[] = {
        {"01", 100, EVM_STACK_UNDERFLOW},
        {"6001 01", 100, EVM_STACK_UNDERFLOW},
        {"50", 100, EVM_STACK_UNDERFLOW},
        {"8f", 100, EVM_STACK_UNDERFLOW},
        {"6001 90", 100, EVM_STACK_UNDERFLOW},
        {"f1", 1000, EVM_STACK_UNDERFLOW},
        {"5b 6000 6000 56", 1000000, EVM_STACK_OVERFLOW},
        {"fe", 100, EVM_INVALID_OPCODE},
        {"0c", 100, EVM_INVALID_OPCODE},
        {"ef", 100, EVM_INVALID_OPCODE},
        {"6001 6001 01", 8, EVM_OUT_OF_GAS},
        {"5f 51", 7, EVM_OUT_OF_GAS},
        {"6001 5f 3e", 100, EVM_STACK_UNDERFLOW},
        {"6001 5f 5f 3e", 100, EVM_RETURNDATA_BOUNDS},
        {"5f" FF32 "5f 3e", 100, EVM_RETURNDATA_BOUNDS},
        {"6001 6001 55", 2300 + 6, EVM_OUT_OF_GAS},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        call_gas(b, rows[i].code, rows[i].gas, BYTES_EMPTY);
        assert_int_equal(b->r.outcome, rows[i].want);
        assert_int_equal(b->r.gas_left, 0);
        assert_int_equal(b->r.output.len, 0);
    }
    call_gas(b, "5b 6000 56", 100000, BYTES_EMPTY); /* a loop without end runs out of gas */
    assert_int_equal(b->r.outcome, EVM_OUT_OF_GAS);
}

static void opcodes_appear_with_their_fork(void **state)
{
    struct bench *b = *state;
    static const struct {
        const char *code; /* one use of the opcode, then STOP */
        enum fork since;
    } rows[] = {
        {"6000 6000 6000 6000 6000 6000 f4 00", FORK_HOMESTEAD},
        {"6000 6000 fd", FORK_BYZANTIUM},
        {"3d 00", FORK_BYZANTIUM},
        {"6000 6000 6000 6000 6000 6000 fa 00", FORK_BYZANTIUM},
        {"6000 6000 1b 00", FORK_CONSTANTINOPLE},
        {"6000 6000 6000 6000 f5 00", FORK_CONSTANTINOPLE},
        {"6000 3f 00", FORK_CONSTANTINOPLE},
        {"46 00", FORK_ISTANBUL},
        {"47 00", FORK_ISTANBUL},
        {"48 00", FORK_LONDON},
        {"5f 00", FORK_SHANGHAI},
        {"6000 5c 00", FORK_CANCUN},
        {"6000 6000 5d 00", FORK_CANCUN},
        {"6000 6000 6000 5e 00", FORK_CANCUN},
        {"6000 49 00", FORK_CANCUN},
        {"4a 00", FORK_CANCUN},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        for (int f = 0; f < FORK_N; f++) {
            reset(b, (enum fork)f);
            call_gas(b, rows[i].code, 200000, BYTES_EMPTY);
            if (f < (int)rows[i].since)
                assert_int_equal(b->r.outcome, EVM_INVALID_OPCODE);
            else
                assert_true(b->r.outcome == EVM_SUCCESS || b->r.outcome == EVM_REVERT);
        }
}

/* SSTORE: from (original, current) to value; the published table of EIP-2200, and its kin */
static void sstore_gas_and_refund_follow_each_metering_scheme(void **state)
{
    struct bench *b = *state;
    static const struct {
        enum fork fork;
        const char *code;
        uint64_t original;
        uint64_t gas;
        int64_t refund;
    } rows[] = {
        /* EIP-2200's test cases; each includes 12 for 4 PUSHes (2 writes) or 18 (3 writes) */
        {FORK_ISTANBUL, "6000600055 6000600055", 0, 1612, 0},
        {FORK_ISTANBUL, "6000600055 6001600055", 0, 20812, 0},
        {FORK_ISTANBUL, "6001600055 6000600055", 0, 20812, 19200},
        {FORK_ISTANBUL, "6001600055 6002600055", 0, 20812, 0},
        {FORK_ISTANBUL, "6001600055 6001600055", 0, 20812, 0},
        {FORK_ISTANBUL, "6000600055 6000600055", 1, 5812, 15000},
        {FORK_ISTANBUL, "6000600055 6001600055", 1, 5812, 4200},
        {FORK_ISTANBUL, "6000600055 6002600055", 1, 5812, 0},
        {FORK_ISTANBUL, "6002600055 6000600055", 1, 5812, 15000},
        {FORK_ISTANBUL, "6002600055 6003600055", 1, 5812, 0},
        {FORK_ISTANBUL, "6002600055 6001600055", 1, 5812, 4200},
        {FORK_ISTANBUL, "6001600055 6001600055", 1, 1612, 0},
        {FORK_ISTANBUL, "6001600055 6000600055 6001600055", 0, 40818, 19200},
        {FORK_ISTANBUL, "6000600055 6001600055 6000600055", 1, 10818, 19200},
        /* EIP-1283's */
        {FORK_CONSTANTINOPLE, "6000600055 6000600055", 0, 412, 0},
        {FORK_CONSTANTINOPLE, "6001600055 6000600055", 0, 20212, 19800},
        {FORK_CONSTANTINOPLE, "6000600055 6001600055", 1, 5212, 4800},
        {FORK_CONSTANTINOPLE, "6000600055 6001600055 6000600055", 1, 10218, 19800},
        /* before, and between */
        {FORK_PETERSBURG, "6001600055 6000600055", 0, 25012, 15000},
        {FORK_FRONTIER, "6001600055 6001600055", 0, 25012, 0},
        {FORK_FRONTIER, "6000600055 6000600055", 1, 10012, 15000},
        /* EIP-2929's table (cold slot) */
        {FORK_BERLIN, "6000600055 6000600055", 0, 2312, 0},
        {FORK_BERLIN, "6000600055 6001600055", 0, 22212, 0},
        {FORK_BERLIN, "6001600055 6000600055", 0, 22212, 19900},
        {FORK_BERLIN, "6000600055 6000600055", 1, 5112, 15000},
        {FORK_BERLIN, "6000600055 6001600055", 1, 5112, 2800},
        {FORK_BERLIN, "6000600055 6001600055 6000600055", 1, 8018, 17800},
        /* EIP-3529's */
        {FORK_LONDON, "6000600055 6000600055", 1, 5112, 4800},
        {FORK_LONDON, "6000600055 6001600055 6000600055", 1, 8018, 7600},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        reset(b, rows[i].fork);
        struct mh_slot *s = mh_slot_at(b->host, &SELF, &U256_ZERO, false);
        s->value = s->original = u256_from_u64(rows[i].original);
        call_gas(b, rows[i].code, 100000, BYTES_EMPTY);
        assert_int_equal(b->r.outcome, EVM_SUCCESS);
        assert_int_equal(gas_used(b, 100000), rows[i].gas);
        assert_int_equal(b->r.refund, rows[i].refund);
    }
}

static void sload_is_dear_once_and_revert_forgets_that(void **state)
{
    struct bench *b = *state;
    call_gas(b, "5f54 5f54", 10000, BYTES_EMPTY);
    assert_int_equal(gas_used(b, 10000), 2 + 2100 + 2 + 100);
    reset(b, FORK_ISTANBUL);
    call_gas(b, "600054 600054", 10000, BYTES_EMPTY);
    assert_int_equal(gas_used(b, 10000), 2 * 803);
    reset(b, FORK_PRAGUE); /* a call that reverts warmed the slot of SELF by delegatecall; it is cold again */
    set_account(b, &OTHER, unhex(b, "5f54505f5ffd"), 0);
    call_gas(b, "5f5f5f5f 73bb03000000000000000000000000000000000000 61ffff f4 5a 5f54 50 5a 90 03" RETURN_TOP, 100000, BYTES_EMPTY);
    assert_int_equal(top_of(b).w[0], 2 + 2100 + 2 + 2);
}

static void transient_storage_is_apart_from_storage(void **state)
{
    struct bench *b = *state;
    assert_int_equal(eval(b, "6007 6001 5d 6001 5c").w[0], 7);
    assert_int_equal(eval(b, "6002 54").w[0], 0);
    const u256 one = U256_ONE;
    assert_true(u256_is_zero(&mh_slot_at(b->host, &SELF, &one, false)->value));
}

static void logs_carry_topics_and_data(void **state)
{
    struct bench *b = *state;
    call_gas(b, "60aa 5f53 6004 6003 6002 6001 6001 5f a4", 100000, BYTES_EMPTY);
    assert_int_equal(b->r.outcome, EVM_SUCCESS);
    assert_int_equal(b->host->n_logs, 1);
    const struct mh_log *l = &b->host->logs[0];
    assert_int_equal(l->n_topics, 4);
    for (int i = 0; i < 4; i++) assert_int_equal(l->topics[i].b[31], i + 1);
    assert_int_equal(l->len, 1);
    assert_int_equal(l->data[0], 0xaa);
    assert_int_equal(gas_used(b, 100000), 3 + 2 + 3 + 3 + 5 * 3 + 2 + 375 * 5 + 8);
    call_gas(b, "5f5fa0", 100000, BYTES_EMPTY);
    assert_int_equal(b->host->n_logs, 2);
    assert_int_equal(gas_used(b, 100000), 4 + 375);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        BENCH_TEST(arithmetic_and_comparison_opcodes_compute),
        BENCH_TEST(stack_opcodes_move_words),
        BENCH_TEST(environment_opcodes_tell_the_environment),
        BENCH_TEST(memory_and_data_opcodes_copy_and_pad),
        BENCH_TEST(memory_expansion_never_overflows),
        BENCH_TEST(memory_gas_is_quadratic),
        BENCH_TEST(jumps_go_to_jumpdests_only),
        BENCH_TEST(running_off_the_end_stops),
        BENCH_TEST(a_jumpi_not_taken_goes_on_into_a_block_known_already),
        BENCH_TEST(errors_take_all_gas_and_say_what_they_are),
        BENCH_TEST(opcodes_appear_with_their_fork),
        BENCH_TEST(sstore_gas_and_refund_follow_each_metering_scheme),
        BENCH_TEST(sload_is_dear_once_and_revert_forgets_that),
        BENCH_TEST(transient_storage_is_apart_from_storage),
        BENCH_TEST(logs_carry_topics_and_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
