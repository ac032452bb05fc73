/* Precompiles: which answers at an address, by the fork or by the specification, and what it takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/node/evm/evm_fixture.h"

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

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        BENCH_TEST(precompiles_answer_by_their_rules),
        BENCH_TEST(a_specs_builtins_replace_those_of_the_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
