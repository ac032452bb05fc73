#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/codec/hex.h"
#include "lib/eth/abi_call.h"

#include <cmocka.h>

static void selectors_are_those_that_parity_and_solidity_publish(void **state)
{
    (void)state;
    static const struct {
        const char *signature, *selector;
        size_t n;
    } t[] = {
        {"baz(uint32,bool)", "cdcd77c0", 2},
        {"sam(bytes,bool,uint256[])", "a5643bf2", 3},
        {"f(uint256,uint32[],bytes10,bytes)", "8be65246", 4},
        {"g(uint256[][],string[])", "2289b18c", 2},
        {"reportBenign(address,uint256)", "d69f13bb", 2},
        {"reportMalicious(address,uint256,bytes)", "c476dd40", 3},
        {"reward(address[],uint16[])", "f91c2898", 2},
        {"blockGasLimit()", "7877a797", 0},
        {"allowedTxTypes(address)", "e1751221", 1},
        {"allowedTxTypes(address,address,uint256)", "d4b03ee0", 3},
        {"contractVersion()", "a0a8e460", 0},
        {"connectionAllowed(bytes32,bytes32,bytes32,bytes32)", "994d790a", 4},
        {"Error(string)", "08c379a0", 1},
        {"Panic(uint256)", "4e487b71", 1},
    };
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        uint8_t want[4], got[4];
        struct buf out;
        assert_int_equal(hex_get_fixed(want, 4, bytes_str(t[i].selector)), OK);
        abi_selector(got, t[i].signature);
        assert_memory_equal(got, want, 4);
        buf_init(&out, 1024);
        struct abi_writer w = abi_call_begin(&out, t[i].signature);
        for (size_t k = 0; k < t[i].n; k++)
            abi_put_u64(&w, k);
        abi_end(&w);
        assert_int_equal(out.len, 4 + 32 * t[i].n);
        assert_memory_equal(out.ptr, want, 4);
        buf_fini(&out);
    }
}

static void a_tuple_in_a_signature_counts_as_one_argument(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1024);
    struct abi_writer w = abi_call_begin(&out, "f((uint256,bytes)[],(address,bool),string)");
    assert_int_equal(w.n, 3);
    buf_fini(&out);
}

static void the_topic_of_initiate_change_is_the_known_one(void **state)
{
    (void)state;
    char text[67];
    hash32 h = abi_event_topic("InitiateChange(bytes32,address[])");
    hash_put(text, &h);
    assert_string_equal(text, "0x55252fa6eee4741b4e24a74a70e9c11fd2c2281df8d6ea13126ff845f7825c89");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(selectors_are_those_that_parity_and_solidity_publish),
        cmocka_unit_test(a_tuple_in_a_signature_counts_as_one_argument),
        cmocka_unit_test(the_topic_of_initiate_change_is_the_known_one),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
