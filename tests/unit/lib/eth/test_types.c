#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/codec/hex.h"
#include "lib/crypto/keccak.h"
#include "lib/eth/types.h"

#include <cmocka.h>

static address addr(const char *text)
{
    address a;
    assert_int_equal(address_get(&a, bytes_str(text)), OK);
    return a;
}

static void constants_are_the_hashes_that_they_name(void **state)
{
    (void)state;
    hash32 h;
    keccak256(h.b, "", 0);
    assert_true(hash_eq(&h, &HASH_EMPTY_CODE));
    keccak256(h.b, "\x80", 1);
    assert_true(hash_eq(&h, &HASH_EMPTY_TRIE));
    keccak256(h.b, "\xc0", 1);
    assert_true(hash_eq(&h, &HASH_EMPTY_UNCLES));
    char text[43];
    address_put(text, &ADDRESS_SYSTEM);
    assert_string_equal(text, "0xfffffffffffffffffffffffffffffffffffffffe");
}

/* examples of EIP-55 */
static void address_put_checksum_gives_the_examples_of_eip55(void **state)
{
    (void)state;
    static const char *const examples[] = {
        "0x52908400098527886E0F7030069857D2E4169EE7", "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
        "0xde709f2102306220921060314715629080e2fb77", "0x27b1fdb04752bbc536007a920d24acb045561c26",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB", "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    };
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        char got[43];
        address a = addr(examples[i]);
        address_put_checksum(got, &a);
        assert_string_equal(got, examples[i]);
    }
}

static void a_typed_address_needs_0x_and_in_mixed_case_its_checksum(void **state)
{
    (void)state;
    address a = ADDRESS_SYSTEM, b = a;
    assert_int_equal(address_get_typed(&a, bytes_str("5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")), E_DECODE);
    assert_int_equal(address_get_typed(&a, bytes_str("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe")), E_DECODE);
    assert_int_equal(address_get_typed(&a, bytes_str("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeg")), E_DECODE);
    assert_int_equal(address_get_typed(&a, bytes_str("")), E_DECODE);
    assert_int_equal(address_get_typed(&a, bytes_str("0x5AAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")), E_CRYPTO); /* one capital */
    assert_int_equal(address_get_typed(&a, bytes_str("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAee")), E_CRYPTO); /* one digit */
    assert_memory_equal(a.b, b.b, sizeof a.b);
    assert_int_equal(address_get_typed(&a, bytes_str("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")), OK);
    assert_int_equal(address_get_typed(&b, bytes_str("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed")), OK);
    assert_true(address_eq(&a, &b));
    assert_int_equal(address_get_typed(&b, bytes_str("0x5AAEB6053F3E94C9B9A09F33669435E7EF1BEAED")), OK);
    assert_true(address_eq(&a, &b));
}

static void address_get_and_hash_get_refuse_every_other_form(void **state)
{
    (void)state;
    static const char *const forms[] = {
        "", "0x", "0x00", "52908400098527886E0F7030069857D2E4169EE", "0x52908400098527886E0F7030069857D2E4169EE7a",
        "0x52908400098527886E0F7030069857D2E4169EEg", " 52908400098527886E0F7030069857D2E4169EE7",
        "0x0x908400098527886E0F7030069857D2E4169EE7",
    };
    address a = ADDRESS_SYSTEM;
    hash32 h = HASH_EMPTY_CODE;
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        assert_int_equal(address_get(&a, bytes_str(forms[i])), E_DECODE);
        assert_int_equal(hash_get(&h, bytes_str(forms[i])), E_DECODE);
    }
    assert_true(address_eq(&a, &ADDRESS_SYSTEM));
    assert_true(hash_eq(&h, &HASH_EMPTY_CODE));
}

static void hash_put_is_the_inverse_of_hash_get(void **state)
{
    (void)state;
    char text[67];
    hash32 h;
    hash_put(text, &HASH_EMPTY_TRIE);
    assert_string_equal(text, "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421");
    assert_int_equal(hash_get(&h, bytes_str(text + 2)), OK);
    assert_true(hash_eq(&h, &HASH_EMPTY_TRIE));
}

static void address_create_follows_the_nonce(void **state)
{
    (void)state;
    static const char *const want[] = {"0xcd234a471b72ba2f1ccf0a70fcaba648a5eecd8d", "0x343c43a37d37dff08ae8c4a11544c718abb4fcf8",
                                       "0xf778b86fa74e846c4f0a1fbd1335fe81c00a0c91", "0xfffd933a0bc612844eaf0c6fe3e5b8e9b6c1d19c"};
    address sender = addr("0x6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0");
    for (uint64_t nonce = 0; nonce < COUNT_OF(want); nonce++) {
        char got[43];
        address a = address_create(&sender, nonce);
        address_put(got, &a);
        assert_string_equal(got, want[nonce]);
    }
}

/* examples of EIP-1014 */
static void address_create2_gives_the_examples_of_eip1014(void **state)
{
    (void)state;
    static const struct {
        const char *sender, *salt, *code, *want;
    } t[] = {
        {"0x0000000000000000000000000000000000000000", "0x0000000000000000000000000000000000000000000000000000000000000000", "0x00",
         "0x4D1A2e2bB4F88F0250f26Ffff098B0b30B26BF38"},
        {"0xdeadbeef00000000000000000000000000000000", "0x0000000000000000000000000000000000000000000000000000000000000000", "0x00",
         "0xB928f69Bb1D91Cd65274e3c79d8986362984fDA3"},
        {"0xdeadbeef00000000000000000000000000000000", "0x000000000000000000000000feed000000000000000000000000000000000000", "0x00",
         "0xD04116cDd17beBE565EB2422F2497E06cC1C9833"},
        {"0x0000000000000000000000000000000000000000", "0x0000000000000000000000000000000000000000000000000000000000000000", "0xdeadbeef",
         "0x70f2b2914A2a4b783FaEFb75f459A580616Fcb5e"},
        {"0x00000000000000000000000000000000deadbeef", "0x00000000000000000000000000000000000000000000000000000000cafebabe", "0xdeadbeef",
         "0x60f3f640a8508fC6a86d45DF051962668E1e8AC7"},
        {"0x0000000000000000000000000000000000000000", "0x0000000000000000000000000000000000000000000000000000000000000000", "0x",
         "0xE33C0C7F7df4809055C3ebA6c09CFe4BaF1BD9e0"},
    };
    for (size_t i = 0; i < COUNT_OF(t); i++) {
        struct buf code;
        hash32 salt, code_hash;
        char got[43];
        buf_init(&code, 64);
        assert_int_equal(hex_get(&code, bytes_str(t[i].code)), OK);
        keccak256(code_hash.b, code.ptr, code.len);
        buf_fini(&code);
        assert_int_equal(hash_get(&salt, bytes_str(t[i].salt)), OK);
        address sender = addr(t[i].sender), a = address_create2(&sender, &salt, &code_hash);
        address_put_checksum(got, &a);
        assert_string_equal(got, t[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constants_are_the_hashes_that_they_name),
        cmocka_unit_test(address_put_checksum_gives_the_examples_of_eip55),
        cmocka_unit_test(a_typed_address_needs_0x_and_in_mixed_case_its_checksum),
        cmocka_unit_test(address_get_and_hash_get_refuse_every_other_form),
        cmocka_unit_test(hash_put_is_the_inverse_of_hash_get),
        cmocka_unit_test(address_create_follows_the_nonce),
        cmocka_unit_test(address_create2_gives_the_examples_of_eip1014),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
