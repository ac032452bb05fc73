/* tool.h: poa-evm, the EVM from the shell.
 *
 *     poa-evm statetest PATH... [--fork NAME] [--json] [-v]     official GeneralStateTests
 *     poa-evm blocktest PATH... [--fork NAME] [--json] [-v]     official BlockchainTests
 *     poa-evm rlptest|trietest|transactiontest|keystoretest|abitest PATH...   the other official suites
 *     poa-evm batch                                             transactions as JSON lines, results as JSON lines (batch.c)
 *     poa-evm bench [--fork NAME] [--time MS] [--json] FILE...  speed of the EVM on state tests: ns, gas, Mgas/s a transaction
 *     poa-evm run --code HEX [--input HEX] [--gas N] [--value N] [--fork NAME] [--static] [--trace] [--json]
 *
 * A command takes argc, argv behind its own name and returns the exit code: 0 done, 1 something failed, 2 usage. This is a program's
 * top layer: it prints. */
#ifndef NODE_EVM_TOOL_TOOL_H
#define NODE_EVM_TOOL_TOOL_H

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/eth/rules.h"
#include "lib/eth/types.h"

#include <jansson.h>

int tool_statetest(int argc, char **argv);
int tool_blocktest(int argc, char **argv);
/** tool_bench: best time of each transaction over --time ms (default 1000), on a world in memory (world.h) */
int tool_bench(int argc, char **argv);
/** tool_run: exit code 0 when the code succeeded */
int tool_run(int argc, char **argv);

/* The suites without a chain: forms in the head of each source */
int tool_rlptest(int argc, char **argv);
int tool_trietest(int argc, char **argv);
int tool_transactiontest(int argc, char **argv);
int tool_keystoretest(int argc, char **argv);
int tool_abitest(int argc, char **argv);
int tool_batch(int argc, char **argv);

/* --- cases.c: what the test commands share */

struct cases_group {
    char name[64];
    size_t passed, failed;
};
struct cases {
    const char *command;
    const char *fork; /* --fork, or NULL: all */
    bool json, verbose;
    const char *file; /* being run */
    size_t passed, failed;
    const char *group; /* counted apart: the fork of the case being run, or NULL; forgotten at each file */
    struct cases_group groups[64];
    size_t n_groups;
    json_t *failures; /* with json */
    /* run: every case of one test of a file */
    void (*run)(struct cases *c, const char *name, json_t *test);
    void *ctx;
};

/** cases_main: parse the arguments, run all tests of all files (folders recursively, *.json, sorted), print the closing line. */
int cases_main(struct cases *c, int argc, char **argv);
/** cases_wants: is that fork asked for? */
bool cases_wants(const struct cases *c, const char *fork);
/** cases_use_fork: what follows counts for that fork (in its official spelling). */
void cases_use_fork(struct cases *c, const char *fork);
/** cases_pass, cases_fail: one case is done; label tells the case within the test, "" for the only one. */
void cases_pass(struct cases *c, const char *name, const char *label);
PRINTF_LIKE(4, 5) void cases_fail(struct cases *c, const char *name, const char *label, const char *fmt, ...);

/* Readers of the tests' JSON: ret false when the member is absent or has another form. */
bool case_u64(uint64_t *out, const json_t *object, const char *key);
bool case_u256(u256 *out, const json_t *object, const char *key);
bool case_address(address *out, const json_t *object, const char *key);
bool case_hash(hash32 *out, const json_t *object, const char *key);
/** case_bytes: append the bytes of DATA text, with "0x" or without */
bool case_bytes(struct buf *out, const json_t *text);
bool u256_of_text(u256 *out, const json_t *text);

struct exec_env;
struct receipt;
/** case_read_env: the block of a state test into env, whose rules are set; block hashes are keccak of the number in decimal digits.
 *  ret NULL, or what is wrong with it */
const char *case_read_env(struct exec_env *env, const json_t *e);
enum status case_block_hash(void *ctx, uint64_t number, hash32 *out);
/** case_logs_hash: keccak of the RLP list of a receipt's logs */
void case_logs_hash(hash32 *out, const struct receipt *r);

struct kv;
/** case_load_state: a pre or post state ({"0x..": {balance, nonce, code, storage}}) as block 0 of an empty database; *root may be NULL */
MUST_CHECK enum status case_load_state(struct kv *kv, const json_t *accounts, hash32 *root);

#endif
