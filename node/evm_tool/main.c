#include "lib/base/version.h"
#include "node/evm_tool/tool.h"

static const struct {
    const char *name, *help;
    int (*run)(int argc, char **argv);
} COMMANDS[] = {
    {"statetest", "PATH... [--fork NAME] [--json] [-v]   run official state tests", tool_statetest},
    {"blocktest", "PATH... [--fork NAME] [--json] [-v]   run official blockchain tests", tool_blocktest},
    {"rlptest", "PATH... [--json] [-v]                  run official RLP tests", tool_rlptest},
    {"trietest", "PATH... [--json] [-v]                 run official trie tests", tool_trietest},
    {"transactiontest", "PATH... [--fork NAME] [--json] [-v]   run official transaction tests", tool_transactiontest},
    {"keystoretest", "PATH... [--json] [-v]             run official key store tests", tool_keystoretest},
    {"abitest", "PATH... [--json] [-v]                  run official ABI tests", tool_abitest},
    {"batch", "   run transactions given as JSON lines on standard input", tool_batch},
    {"bench", "[--fork NAME] [--time MS] [--json] FILE...   measure the EVM on state tests", tool_bench},
    {"run", "--code HEX [--input HEX] [--gas N] [--value N] [--fork NAME] [--static] [--trace] [--json]   run code", tool_run},
};

static void usage(FILE *to)
{
    (void)fputs("poa-evm: the EVM from the shell: official tests, benchmarks, single runs\n\nusage: poa-evm COMMAND ... | --version | --help\n\n", to);
    for (size_t i = 0; i < COUNT_OF(COMMANDS); i++) (void)fprintf(to, "  poa-evm %-15s %s\n", COMMANDS[i].name, COMMANDS[i].help);
}

int main(int argc, char **argv)
{
    if (argc >= 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        usage(stdout);
        return 0;
    }
    if (argc >= 2 && strcmp(argv[1], "--version") == 0) {
        puts("poa-evm " POA_VERSION);
        return 0;
    }
    for (size_t i = 0; argc >= 2 && i < COUNT_OF(COMMANDS); i++)
        if (strcmp(argv[1], COMMANDS[i].name) == 0) return COMMANDS[i].run(argc - 2, argv + 2);
    if (argc >= 2) (void)fprintf(stderr, "poa-evm: error: unknown command '%s'; see `poa-evm --help`\n", argv[1]);
    else usage(stderr);
    return 2;
}
