#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/file.h"
#include "node/evm_tool/tool.h"

#include <unistd.h>

#include <cmocka.h>

/* Each runner must find fault: what it is given wrong is said to be wrong, and nothing else is. */

static char folder[] = "/tmp/poa-suites-XXXXXX";

static int run(int (*tool)(int, char **), const char *name, const char *text)
{
    char path[200], flag[] = "--json";
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    char *argv[] = {path, flag};
    const int rc = tool(2, argv);
    (void)fflush(stdout);
    assert_int_equal(unlink(path), 0);
    return rc;
}

#define RIGHT(tool, name, text) assert_int_equal(run(tool, name, text), 0)
#define WRONG(tool, name, text) assert_int_equal(run(tool, name, text), 1)

static void rlptest_tells_right_from_wrong(void **state)
{
    (void)state;
    RIGHT(tool_rlptest, "a.json", "{\"t\": {\"in\": [\"cat\", [], 1024, \"#256\"], \"out\": \"cb83636174c0820400820100\"}}");
    RIGHT(tool_rlptest, "a.json", "{\"t\": {\"in\": \"#115792089237316195423570985008687907853269984665640564039457584007913129639936\", \"out\": "
                                  "\"0xa1010000000000000000000000000000000000000000000000000000000000000000\"}}");
    RIGHT(tool_rlptest, "a.json", "{\"t\": {\"in\": \"VALID\", \"out\": \"0xc0\"}, \"u\": {\"in\": \"INVALID\", \"out\": \"0x8100\"}}");
    WRONG(tool_rlptest, "a.json", "{\"t\": {\"in\": \"dog\", \"out\": \"0x83646f68\"}}");
    WRONG(tool_rlptest, "a.json", "{\"t\": {\"in\": \"INVALID\", \"out\": \"0x83646f67\"}}");
    WRONG(tool_rlptest, "a.json", "{\"t\": {\"in\": \"VALID\", \"out\": \"0x83646f\"}}");
    WRONG(tool_rlptest, "a.json", "{\"t\": {\"in\": \"dog\"}}");
    WRONG(tool_rlptest, "a.json", "{\"t\": ");
    WRONG(tool_rlptest, "a.json", "{}");
}

static void trietest_tells_right_from_wrong(void **state)
{
    (void)state;
    RIGHT(tool_trietest, "a.json", "{\"t\": {\"in\": {\"do\": \"verb\", \"horse\": \"stallion\", \"doge\": \"coin\", \"dog\": \"puppy\"}, "
                                   "\"root\": \"0x5991bb8c6514148a29db676a14ac506cd2cd5775ace63c30a4fe457715e9ac84\"}}");
    RIGHT(tool_trietest, "a.json", "{\"t\": {\"in\": [[\"do\", \"verb\"], [\"x\", \"y\"], [\"horse\", \"stallion\"], [\"doge\", \"coin\"], [\"x\", null], "
                                   "[\"dog\", \"puppy\"]], \"root\": \"0x5991bb8c6514148a29db676a14ac506cd2cd5775ace63c30a4fe457715e9ac84\"}}");
    WRONG(tool_trietest, "secure.json", "{\"t\": {\"in\": {\"do\": \"verb\", \"horse\": \"stallion\", \"doge\": \"coin\", \"dog\": \"puppy\"}, "
                                        "\"root\": \"0x5991bb8c6514148a29db676a14ac506cd2cd5775ace63c30a4fe457715e9ac84\"}}");
    RIGHT(tool_trietest, "secure.json", "{\"t\": {\"in\": {\"do\": \"verb\", \"horse\": \"stallion\", \"doge\": \"coin\", \"dog\": \"puppy\"}, "
                                        "\"root\": \"0x29b235a58c3c25ab83010c327d5932bcf05324b7d6b1185e650798034783ca9d\"}}");
    RIGHT(tool_trietest, "a.json", "{\"t\": {\"in\": [\"b\", \"d\"], \"tests\": [[\"a\", \"\", \"b\"], [\"b\", \"\", \"d\"], [\"c\", \"b\", \"d\"], [\"e\", \"d\", \"\"]]}}");
    WRONG(tool_trietest, "a.json", "{\"t\": {\"in\": [\"b\", \"d\"], \"tests\": [[\"c\", \"a\", \"d\"]]}}");
    WRONG(tool_trietest, "a.json", "{\"t\": {\"in\": [\"b\", \"d\"], \"tests\": [[\"c\", \"b\", \"e\"]]}}");
}

/* the example of EIP-155 */
#define RAW                                                                                        \
    "0xf86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a764000080"     \
    "25a028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276a067cbe9d8997f761aecb70"  \
    "3304b3800ccf555c9f3dc64214b297fb1966a3b6d83"
#define HASH "0x33469b22e9f636356c4160a87eb19df52b7412e8eac32a4a55ffe88ea8350788"
#define SENDER "0x9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f"

static void transactiontest_tells_right_from_wrong(void **state)
{
    (void)state;
    RIGHT(tool_transactiontest, "a.json", "{\"t\": {\"txbytes\": \"" RAW "\", \"result\": {\"Cancun\": {\"hash\": \"" HASH "\", \"sender\": \"" SENDER
                                          "\", \"intrinsicGas\": \"0x5208\"}, \"Homestead\": {\"exception\": \"TransactionException.X\"}}}}");
    RIGHT(tool_transactiontest, "a.json", "{\"t\": {\"rlp\": \"" RAW "\", \"Byzantium\": {\"hash\": \"" HASH "\", \"sender\": \"" SENDER
                                          "\"}, \"Frontier\": {}, \"_info\": {}}}");
    WRONG(tool_transactiontest, "a.json", "{\"t\": {\"txbytes\": \"" RAW "\", \"result\": {\"Cancun\": {\"exception\": \"TransactionException.X\"}}}}");
    WRONG(tool_transactiontest, "a.json", "{\"t\": {\"txbytes\": \"" RAW "\", \"result\": {\"Homestead\": {\"hash\": \"" HASH "\", \"sender\": \"" SENDER "\"}}}}");
    WRONG(tool_transactiontest, "a.json", "{\"t\": {\"txbytes\": \"" RAW "\", \"result\": {\"Cancun\": {\"hash\": \"" HASH
                                          "\", \"sender\": \"0x0d8a62f656a8d1615c1294fd71e9cfb3e4855a4f\"}}}}");
    WRONG(tool_transactiontest, "a.json", "{\"t\": {\"txbytes\": \"" RAW "\", \"result\": {\"Cancun\": {\"hash\": \"" HASH "\", \"sender\": \"" SENDER
                                          "\", \"intrinsicGas\": \"0x5209\"}}}}");
}

static void abitest_tells_right_from_wrong(void **state)
{
    (void)state;
    RIGHT(tool_abitest, "a.json", "{\"t\": {\"types\": [\"uint8[2]\", \"bool\", \"int256\"], \"args\": [[1, 2], true, -1], \"result\": "
                                  "\"0000000000000000000000000000000000000000000000000000000000000001"
                                  "0000000000000000000000000000000000000000000000000000000000000002"
                                  "0000000000000000000000000000000000000000000000000000000000000001"
                                  "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff\"}}");
    RIGHT(tool_abitest, "a.json", "{\"t\": {\"types\": [\"string[]\"], \"args\": [[\"a\"]], \"result\": "
                                  "\"0000000000000000000000000000000000000000000000000000000000000020"
                                  "0000000000000000000000000000000000000000000000000000000000000001"
                                  "0000000000000000000000000000000000000000000000000000000000000020"
                                  "0000000000000000000000000000000000000000000000000000000000000001"
                                  "6100000000000000000000000000000000000000000000000000000000000000\"}}");
    WRONG(tool_abitest, "a.json", "{\"t\": {\"types\": [\"uint256\"], \"args\": [1], \"result\": \"0000000000000000000000000000000000000000000000000000000000000002\"}}");
    WRONG(tool_abitest, "a.json", "{\"t\": {\"types\": [\"what\"], \"args\": [1], \"result\": \"00\"}}");
}

static void keystoretest_tells_right_from_wrong(void **state)
{
    (void)state;
#define STORE                                                                                      \
    "\"json\": {\"version\": 3, \"id\": \"98d193c7-5174-4c7c-5345-c1daf95477b5\", \"crypto\": {\"ciphertext\": "                                     \
    "\"ee75456c006b1e468133c5d2a916bacd3cf515ced4d9b021b5c59978007d1e87\", \"kdf\": \"pbkdf2\", \"kdfparams\": {\"dklen\": 32, \"c\": 262144, "     \
    "\"prf\": \"hmac-sha256\", \"salt\": \"504490577620f64f43d73f29479c2cf0\"}, \"mac\": "                                                         \
    "\"196815708465de9af7504144a1360d08874fc3c30bb0e648ce88fbc36830d35d\", \"cipherparams\": {\"iv\": \"514ccc8c4fb3e60e5538e0cf1e27c233\"}, "      \
    "\"cipher\": \"aes-128-ctr\"}}"
    RIGHT(tool_keystoretest, "a.json", "{\"t\": {" STORE ", \"password\": \"foo\", \"priv\": \"0101010101010101010101010101010101010101010101010101010101010101\"}}");
    WRONG(tool_keystoretest, "a.json", "{\"t\": {" STORE ", \"password\": \"foo\", \"priv\": \"0101010101010101010101010101010101010101010101010101010101010102\"}}");
    WRONG(tool_keystoretest, "a.json", "{\"t\": {" STORE ", \"password\": \"bar\", \"priv\": \"0101010101010101010101010101010101010101010101010101010101010101\"}}");
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rlptest_tells_right_from_wrong),   cmocka_unit_test(trietest_tells_right_from_wrong),
        cmocka_unit_test(transactiontest_tells_right_from_wrong), cmocka_unit_test(abitest_tells_right_from_wrong),
        cmocka_unit_test(keystoretest_tells_right_from_wrong),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
