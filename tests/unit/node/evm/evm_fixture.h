/* evm_fixture.h: a bench for the EVM's tests: one world (mem_host.h), one machine, contracts from hex. Include it behind cmocka.h. */
#ifndef TESTS_UNIT_NODE_EVM_EVM_FIXTURE_H
#define TESTS_UNIT_NODE_EVM_EVM_FIXTURE_H

#include "lib/codec/hex.h"
#include "lib/eth/chain_spec.h"
#include "tests/unit/node/evm/mem_host.h"

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

static inline bytes unhex(struct bench *b, const char *s)
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

static inline void set_account(struct bench *b, const address *a, bytes code, uint64_t balance)
{
    struct mh_account *acc = mh_at(b->host, a);
    acc->exists = true;
    acc->balance = u256_from_u64(balance);
    acc->code = code.ptr;
    acc->code_len = code.len;
}

static inline void reset(struct bench *b, enum fork fork)
{
    mem_host_reset(b->host);
    rules_from_fork(&b->host->rules, fork);
    b->host->block_number = b->block.number;
    set_account(b, &SENDER, BYTES_EMPTY, 1000000);
}

static inline int setup(void **state)
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

static inline int teardown(void **state)
{
    struct bench *b = *state;
    evm_free(b->evm);
    mem_host_reset(b->host);
    free(b->host);
    free(b);
    return 0;
}

static inline void send(struct bench *b, struct evm_message m)
{
    evm_begin(b->evm, &b->host->rules, &b->block, &b->tx, &mem_host_table, b->host, b->trace ? &b->tracer : NULL);
    evm_run(&b->r, b->evm, &m);
}

static inline void call_gas(struct bench *b, const char *code, uint64_t gas, bytes input)
{
    set_account(b, &SELF, unhex(b, code), 500);
    send(b, (struct evm_message){.sender = SENDER, .recipient = SELF, .code_address = SELF, .gas = gas, .input = input});
}

static inline u256 top_of(const struct bench *b)
{
    assert_int_equal(b->r.output.len, 32);
    return u256_from_be(b->r.output.ptr);
}

#define RETURN_TOP "5f52 60205ff3" /* PUSH0 MSTORE PUSH1 32 PUSH0 RETURN */
#define RETURN_TOP_OLD "600052 60206000f3"

/* runs code, then returns the word on top */
static inline u256 eval(struct bench *b, const char *code)
{
    char all[2048];
    const char *tail = b->host->rules.eip3855 ? RETURN_TOP : RETURN_TOP_OLD;
    snprintf(all, sizeof all, "%s%s", code, tail);
    call_gas(b, all, 10000000, BYTES_EMPTY);
    assert_int_equal(b->r.outcome, EVM_SUCCESS);
    return top_of(b);
}

static inline u256 hexword(const char *s)
{
    u256 v;
    assert_int_equal(u256_get_hex(&v, bytes_str(s)), OK);
    return v;
}

static inline void assert_word(u256 got, const char *want)
{
    char a[67], c[67];
    const u256 w = hexword(want);
    u256_put_hex(a, &got);
    u256_put_hex(c, &w);
    assert_string_equal(a, c);
}

static inline uint64_t gas_used(const struct bench *b, uint64_t given)
{
    return given - b->r.gas_left;
}

/* a word of ones; pushed */
#define FF32 "7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

/* code that calls OTHER, whose answer goes to the first word of memory: by an operation that takes a value, and by one that takes none */
#define CALL_OTHER(op, value, gas) "6020 5f 5f 5f " value " 73bb03000000000000000000000000000000000000 " gas " " op
#define CALL_OTHER_NOVALUE(op, gas) "6020 5f 5f 5f 73bb03000000000000000000000000000000000000 " gas " " op

/* a test on a bench of its own */
#define BENCH_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
