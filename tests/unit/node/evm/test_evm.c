#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/codec/hex.h"
#include "lib/eth/chain_spec.h"
#include "tests/unit/node/evm/mem_host.h"

/* --- a bench: one world, one machine, contracts from hex */

struct bench {
    struct evm *evm;
    struct mem_host *host;
    struct evm_block block;
    struct evm_tx tx;
    struct evm_tracer tracer;
    bool trace;
    struct evm_result r;
    uint8_t code[64][4096];
    size_t n_code;
    hash32 blobs[2];
};

static const address SELF = {{0xaa, 1}}, SENDER = {{0x5e, 2}}, OTHER = {{0xbb, 3}}, ORIGIN = {{0x0e, 4}};

static bytes unhex(struct bench *b, const char *s)
{
    uint8_t *dst = b->code[b->n_code++ % COUNT_OF(b->code)];
    size_t n = 0;
    for (; s[0] != '\0' && s[1] != '\0'; s++) {
        if (*s == ' ') continue;
        char two[3] = {s[0], s[1], 0};
        assert_true(n < sizeof b->code[0]);
        dst[n++] = (uint8_t)strtoul(two, NULL, 16);
        s++;
    }
    return bytes_make(dst, n);
}

static void set_account(struct bench *b, const address *a, bytes code, uint64_t balance)
{
    struct mh_account *acc = mh_at(b->host, a);
    acc->exists = true;
    acc->balance = u256_from_u64(balance);
    acc->code = code.ptr;
    acc->code_len = code.len;
}

static void reset(struct bench *b, enum fork fork)
{
    mem_host_reset(b->host);
    rules_from_fork(&b->host->rules, fork);
    b->host->block_number = b->block.number;
    set_account(b, &SENDER, BYTES_EMPTY, 1000000);
}

static int setup(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    b->host = calloc(1, sizeof *b->host);
    assert_int_equal(evm_new(&b->evm, 0), OK);
    b->block = (struct evm_block){.number = 1000, .timestamp = 1234, .gas_limit = 30000000, .author = {{0xcb}}, .chain_id = 77};
    b->block.difficulty = u256_from_u64(0xd1ff);
    b->block.base_fee = u256_from_u64(7);
    b->block.blob_base_fee = u256_from_u64(3);
    memset(&b->blobs[1], 0x11, sizeof b->blobs[1]);
    b->tx = (struct evm_tx){.origin = ORIGIN, .gas_price = {{99}}, .blob_hashes = b->blobs, .n_blob_hashes = 2};
    reset(b, FORK_PRAGUE);
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    evm_free(b->evm);
    mem_host_reset(b->host);
    free(b->host);
    free(b);
    return 0;
}

static void send(struct bench *b, struct evm_message m)
{
    evm_begin(b->evm, &b->host->rules, &b->block, &b->tx, &mem_host_table, b->host, b->trace ? &b->tracer : NULL);
    evm_run(&b->r, b->evm, &m);
}

static void call_gas(struct bench *b, const char *code, uint64_t gas, bytes input)
{
    set_account(b, &SELF, unhex(b, code), 500);
    send(b, (struct evm_message){.sender = SENDER, .recipient = SELF, .code_address = SELF, .gas = gas, .input = input});
}

static u256 top_of(const struct bench *b)
{
    assert_int_equal(b->r.output.len, 32);
    return u256_from_be(b->r.output.ptr);
}

#define RETURN_TOP "5f52 60205ff3" /* PUSH0 MSTORE PUSH1 32 PUSH0 RETURN */
#define RETURN_TOP_OLD "600052 60206000f3"

/* runs code, then returns the word on top */
static u256 eval(struct bench *b, const char *code)
{
    char all[2048];
    const char *tail = b->host->rules.eip3855 ? RETURN_TOP : RETURN_TOP_OLD;
    snprintf(all, sizeof all, "%s%s", code, tail);
    call_gas(b, all, 10000000, BYTES_EMPTY);
    assert_int_equal(b->r.outcome, EVM_SUCCESS);
    return top_of(b);
}

static u256 hexword(const char *s)
{
    u256 v;
    assert_int_equal(u256_get_hex(&v, bytes_str(s)), OK);
    return v;
}

static void assert_word(u256 got, const char *want)
{
    char a[67], c[67];
    const u256 w = hexword(want);
    u256_put_hex(a, &got);
    u256_put_hex(c, &w);
    assert_string_equal(a, c);
}

static uint64_t gas_used(const struct bench *b, uint64_t given)
{
    return given - b->r.gas_left;
}

#define FF32 "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

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

#define CALL_OTHER(op, value, gas) "6020 5f 5f 5f " value " 73bb03000000000000000000000000000000000000 " gas " " op
#define CALL_OTHER_NOVALUE(op, gas) "6020 5f 5f 5f 73bb03000000000000000000000000000000000000 " gas " " op

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

static void precompiles_answer_by_their_rules(void **state)
{
    struct bench *b = *state;
    address a = {{0}};
    const bytes input = unhex(b, "616263");
    struct evm_message m = {.sender = SENDER, .recipient = a, .code_address = a, .gas = 100000, .input = input};
    m.recipient.b[19] = m.code_address.b[19] = 2;
    send(b, m);
    assert_int_equal(b->r.outcome, EVM_SUCCESS);
    assert_word(top_of(b), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(gas_used(b, 100000), 72);
    m.recipient.b[19] = m.code_address.b[19] = 3;
    send(b, m);
    assert_word(top_of(b), "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc");
    assert_int_equal(gas_used(b, 100000), 720);
    m.recipient.b[19] = m.code_address.b[19] = 4;
    send(b, m);
    assert_int_equal(b->r.output.len, 3);
    assert_int_equal(gas_used(b, 100000), 18);
    m.gas = 17;
    send(b, m);
    assert_int_equal(b->r.outcome, EVM_OUT_OF_GAS);
    m.gas = 100000;
    /* ecrecover: not a signature: no output, no failure */
    m.recipient.b[19] = m.code_address.b[19] = 1;
    send(b, m);
    assert_int_equal(b->r.outcome, EVM_SUCCESS);
    assert_int_equal(b->r.output.len, 0);
    assert_int_equal(gas_used(b, 100000), 3000);
    m.input = unhex(b, "456e9aea5e197a1f1af7a3e85a3212fa4049a3ba34c2289b4c860fc0b0c64ef3"
                       "000000000000000000000000000000000000000000000000000000000000001c"
                       "9242685bf161793cc25603c231bc2f568eb630ea16aa137d2664ac8038825608"
                       "4f8ae3bd7535248d0bd448298cc2e2071e56992d0774dc340c368ae950852ada");
    send(b, m);
    assert_word(top_of(b), "7156526fbd7a3c72969b54f64e42c10fbb768c8a");
    /* modexp: 3^5 mod 100 */
    m.recipient.b[19] = m.code_address.b[19] = 5;
    m.input = unhex(b, "0000000000000000000000000000000000000000000000000000000000000001"
                       "0000000000000000000000000000000000000000000000000000000000000001"
                       "0000000000000000000000000000000000000000000000000000000000000001 03 05 64");
    send(b, m);
    assert_int_equal(b->r.output.len, 1);
    assert_int_equal(b->r.output.ptr[0], 43);
    assert_int_equal(gas_used(b, 100000), 200);
    reset(b, FORK_HOMESTEAD); /* not there yet: an account without code */
    send(b, m);
    assert_int_equal(b->r.outcome, EVM_SUCCESS);
    assert_int_equal(gas_used(b, 100000), 0);
    /* bn254: a point that is none fails and takes all gas */
    reset(b, FORK_PRAGUE);
    m.recipient.b[19] = m.code_address.b[19] = 6;
    m.input = unhex(b, "0000000000000000000000000000000000000000000000000000000000000001");
    send(b, m);
    assert_int_equal(b->r.outcome, EVM_PRECOMPILE_FAILURE);
    assert_int_equal(b->r.gas_left, 0);
}

/* a chain spec's builtin: IDENTITY at 0x00..ff, base 7, 2 a word; nothing elsewhere */
static void spec_precompile(void *ctx, const address *a, int *id, int *pricing, uint64_t *price_a, uint64_t *price_b)
{
    (void)ctx;
    static const address at = {{[19] = 0xff}};
    *id = address_eq(a, &at) ? BUILTIN_IDENTITY : BUILTIN_NONE;
    *pricing = PRICING_LINEAR;
    *price_a = 7;
    *price_b = 2;
}

static void a_specs_builtins_replace_those_of_the_rules(void **state)
{
    struct bench *b = *state;
    struct evm_host host = mem_host_table;
    host.precompile = spec_precompile;
    b->host->rules.precompiles_by_spec = true;
    struct evm_message m = {.sender = SENDER, .gas = 100, .input = unhex(b, "0102")};
    m.recipient.b[19] = m.code_address.b[19] = 0xff;
    evm_begin(b->evm, &b->host->rules, &b->block, &b->tx, &host, b->host, NULL);
    evm_run(&b->r, b->evm, &m);
    assert_int_equal(b->r.outcome, EVM_SUCCESS);
    assert_int_equal(b->r.output.len, 2);
    assert_int_equal(gas_used(b, 100), 9);
    m.recipient.b[19] = m.code_address.b[19] = 4; /* nothing here in this spec */
    evm_run(&b->r, b->evm, &m);
    assert_int_equal(b->r.output.len, 0);
    assert_int_equal(gas_used(b, 100), 0);
}

static void translations_are_evicted_and_made_again(void **state)
{
    struct bench *b = *state;
    evm_free(b->evm);
    assert_int_equal(evm_new(&b->evm, 1), OK); /* a cache of one byte: each code pushes out those not running */
    char code[64];
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < 40; i++) {
            snprintf(code, sizeof code, "61%04x", i * 3 + 1);
            assert_int_equal(eval(b, code).w[0], i * 3 + 1);
        }
    /* a code that runs stays, though the one it calls wants its place */
    set_account(b, &OTHER, unhex(b, "5f5f5f5f5f 73aa01000000000000000000000000000000000000 61ffff f1 5f52 60205ff3"), 0);
    assert_int_equal(eval(b, CALL_OTHER("f1", "5f", "61ffff") "50 5f51").w[0], 1);
}

static void every_fork_keeps_its_own_translations(void **state)
{
    struct bench *b = *state;
    for (int round = 0; round < 2; round++)
        for (int f = 0; f < FORK_N; f++) { /* more forks than schedules kept */
            reset(b, (enum fork)f);
            call_gas(b, "6000 54 00", 10000, BYTES_EMPTY);
            const uint64_t want = f >= FORK_BERLIN ? 2100 : f >= FORK_ISTANBUL ? 800 : f >= FORK_EIP150 ? 200 : 50;
            assert_int_equal(gas_used(b, 10000), 3 + want);
        }
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

static void host_trouble_ends_the_run_and_is_no_verdict(void **state)
{
    struct bench *b = *state;
    b->host->fail_with = E_IO;
    set_account(b, &OTHER, unhex(b, "5f54"), 0);
    call_gas(b, CALL_OTHER("f1", "5f", "61ffff"), 100000, BYTES_EMPTY);
    assert_int_equal(b->r.outcome, EVM_HOST_FAILURE);
    assert_int_equal(b->r.host_status, E_IO);
    b->host->fail_with = OK;
    call_gas(b, CALL_OTHER("f1", "5f", "61ffff"), 100000, BYTES_EMPTY);
    assert_int_equal(b->r.outcome, EVM_SUCCESS);
}

static bool at_the_third(void *ctx)
{
    return ++*(int *)ctx == 3;
}

static void a_run_ends_when_its_watcher_says_so(void **state)
{
    struct bench *b = *state;
    static const char *const endless[] = {"5b 6000 56", "5b 5f 5f52 5f51 56", "5b 5f5f5f5f 6004 5a fa 50 6000 56"}; /* one of them calls a precompile */
    for (size_t i = 0; i < COUNT_OF(endless); i++) {
        int n_asked = 0;
        evm_watch(b->evm, at_the_third, &n_asked);
        call_gas(b, endless[i], INT64_MAX, BYTES_EMPTY);
        assert_int_equal(b->r.outcome, EVM_HOST_FAILURE);
        assert_int_equal(b->r.host_status, E_CANCELLED);
        assert_int_equal(n_asked, 3);
    }
    int n_asked = 2;
    evm_watch(b->evm, at_the_third, &n_asked);
    evm_ask(b->evm);
    call_gas(b, "5b 6000 56", 1000, BYTES_EMPTY); /* some hundred jumps: nobody would ask yet */
    assert_int_equal(b->r.host_status, E_CANCELLED);
    evm_watch(b->evm, NULL, NULL);
    call_gas(b, "5b 6000 56", 1000, BYTES_EMPTY);
    assert_int_equal(b->r.outcome, EVM_OUT_OF_GAS);
}

/* --- tracing */

struct trace {
    uint64_t gas_sum;
    size_t steps, enters, leaves;
    uint64_t pcs[64];
    int max_depth;
    uint64_t last_gas, last_cost;
    bool gas_ok;
};
static void on_step(void *ctx, const struct evm_trace_step *s)
{
    struct trace *t = ctx;
    /* within one frame the gas of a step is that of the step before less its cost */
    if (t->steps != 0 && s->depth == t->max_depth && s->pc != 0 && t->last_gas - t->last_cost != s->gas) t->gas_ok = false;
    if (t->steps < COUNT_OF(t->pcs)) t->pcs[t->steps] = s->pc;
    t->steps++;
    t->last_gas = s->gas;
    t->last_cost = s->cost;
    if (s->depth > t->max_depth) t->max_depth = s->depth;
}
static void on_enter(void *ctx, const struct evm_trace_call *c)
{
    struct trace *t = ctx;
    assert_true(c->depth >= 1);
    t->enters++;
}
static void on_leave(void *ctx, enum evm_outcome outcome, uint64_t used, bytes output)
{
    struct trace *t = ctx;
    (void)outcome;
    (void)output;
    t->gas_sum += used;
    t->leaves++;
}

static void a_tracer_sees_each_step_with_its_cost(void **state)
{
    struct bench *b = *state;
    static const char *const codes[] = {
        "6001 6002 01 5f52 6003 5f 55 5f 54 50 60205f 20 50 6008 60ff 0a 50 61 0100 51 50 5f5fa0 6040 5f 6080 37 33 31 50 5f 5f fd",
        "6001 5f55 5f5f55 5f5f5ff0 50 73bb03000000000000000000000000000000000000 3b 50 6020 5f 60c0 5e 00",
    };
    struct trace t = {.gas_ok = true};
    b->tracer = (struct evm_tracer){.ctx = &t, .step = on_step, .enter = on_enter, .leave = on_leave};
    for (size_t i = 0; i < COUNT_OF(codes); i++) {
        b->trace = false;
        reset(b, FORK_PRAGUE);
        call_gas(b, codes[i], 200000, BYTES_EMPTY);
        const uint64_t plain = gas_used(b, 200000);
        const enum evm_outcome outcome = b->r.outcome;
        t = (struct trace){.gas_ok = true};
        b->trace = true;
        reset(b, FORK_PRAGUE);
        call_gas(b, codes[i], 200000, BYTES_EMPTY);
        assert_int_equal(gas_used(b, 200000), plain);
        assert_int_equal(b->r.outcome, outcome);
        if (i == 0) assert_true(t.gas_ok);
        assert_int_equal(t.enters, t.leaves);
        assert_true(t.steps > 10);
    }
    /* a loop is seen once per turn, and a call is stepped into */
    t = (struct trace){.gas_ok = true};
    call_gas(b, "6003 5b 6001 90 03 80 6002 57 00", 10000, BYTES_EMPTY);
    assert_int_equal(t.steps, 1 + 3 * 7 + 1);
    t = (struct trace){.gas_ok = true};
    set_account(b, &OTHER, unhex(b, "6001 50"), 0);
    call_gas(b, CALL_OTHER("f1", "5f", "61ffff"), 100000, BYTES_EMPTY);
    assert_int_equal(t.max_depth, 2);
    assert_int_equal(t.enters, 2);
    assert_int_equal(t.leaves, 2);
    assert_int_equal(t.steps, 8 + 1 + 3);
}

static void random_code_ends_alike_with_and_without_a_tracer(void **state)
{
    struct bench *b = *state;
    uint64_t seed = 0x9e3779b97f4a7c15u;
    struct trace t = {.gas_ok = true};
    b->tracer = (struct evm_tracer){.ctx = &t, .step = on_step};
    for (int i = 0; i < 3000; i++) {
        char code[2 * 96 + 1];
        for (size_t k = 0; k + 2 < sizeof code; k += 2) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            const unsigned pick = (unsigned)(seed >> 33);
            /* mostly pushes of small numbers, so that operations find operands */
            unsigned op = pick % 3 == 0 ? 0x60 : (pick >> 8) & 0xff;
            if (op == 0x60 && k + 4 < sizeof code) {
                snprintf(code + k, 5, "60%02x", (pick >> 16) % 96);
                k += 2;
                continue;
            }
            snprintf(code + k, 3, "%02x", op);
        }
        code[sizeof code - 1] = '\0';
        enum evm_outcome outcome[2];
        uint64_t left[2];
        int64_t refund[2];
        for (int k = 0; k < 2; k++) {
            b->trace = k == 1;
            reset(b, (enum fork)(i % FORK_N));
            call_gas(b, code, 60000, BYTES_EMPTY);
            outcome[k] = b->r.outcome;
            left[k] = b->r.gas_left;
            refund[k] = b->r.refund;
        }
        /* a block that can't end well may be told for another reason; the verdict is the same */
        assert_int_equal(outcome[0] == EVM_SUCCESS, outcome[1] == EVM_SUCCESS);
        assert_int_equal(outcome[0] == EVM_REVERT, outcome[1] == EVM_REVERT);
        assert_int_equal(left[0], left[1]);
        assert_int_equal(refund[0], refund[1]);
    }
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(arithmetic_and_comparison_opcodes_compute),
        T(stack_opcodes_move_words),
        T(environment_opcodes_tell_the_environment),
        T(memory_and_data_opcodes_copy_and_pad),
        T(memory_expansion_never_overflows),
        T(memory_gas_is_quadratic),
        T(jumps_go_to_jumpdests_only),
        T(running_off_the_end_stops),
        T(a_jumpi_not_taken_goes_on_into_a_block_known_already),
        T(errors_take_all_gas_and_say_what_they_are),
        T(opcodes_appear_with_their_fork),
        T(sstore_gas_and_refund_follow_each_metering_scheme),
        T(sload_is_dear_once_and_revert_forgets_that),
        T(transient_storage_is_apart_from_storage),
        T(logs_carry_topics_and_data),
        T(calls_return_their_data_and_flag),
        T(call_kinds_differ_in_who_they_are),
        T(static_calls_forbid_every_write),
        T(value_calls_pay_for_value_stipend_and_new_accounts),
        T(a_callee_gets_at_most_all_but_a_64th),
        T(recursion_ends_at_depth_1024),
        T(return_data_of_the_deepest_frame_reaches_the_top),
        T(create_deploys_what_init_code_returns),
        T(create_gives_revert_data_back),
        T(message_creation_follows_the_deposit_rules),
        T(selfdestruct_moves_all_and_is_priced_by_fork),
        T(failed_frames_undo_their_writes_and_refunds),
        T(delegated_accounts_run_their_delegates_code),
        T(precompiles_answer_by_their_rules),
        T(a_specs_builtins_replace_those_of_the_rules),
        T(translations_are_evicted_and_made_again),
        T(every_fork_keeps_its_own_translations),
        T(init_code_and_code_sizes_have_their_limits),
        T(host_trouble_ends_the_run_and_is_no_verdict),
        T(a_run_ends_when_its_watcher_says_so),
        T(a_tracer_sees_each_step_with_its_cost),
        T(random_code_ends_alike_with_and_without_a_tracer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
