/* poa-node: parses, wires, runs. */
#include "lib/base/secret.h"
#include "node/main/chain_file.h"
#include "node/main/node.h"

#include <signal.h>

static const char help[] =
    "poa-node: a validator (or observer) of a proof-of-authority network\n\n"
    "usage: poa-node --config FILE [options]\n\n"
    "  --config FILE        YAML; the keys stand in node/main/config.h and the README\n"
    "  --log-level LEVEL    error, warn, info, debug, trace (overrides log.level)\n"
    "  --export FILE        write the canonical chain from block 1 on, blocks in RLP one after the other, and end (- for stdout)\n"
    "  --import FILE        take such a file's blocks in, say what took how long, and end (- for stdin)\n"
    "  --snapshot FILE      write the database as it is now, also while a node runs on it, and end (- for stdout)\n"
    "  --check-config       read the configuration, say what is wrong, end\n"
    "  --version, --help\n\n"
    "exit codes: 0 stopped as asked, 1 failed, 2 usage or configuration, 75 another identity was leased: start again\n";

static int open_log(const struct node_config *c)
{
    struct err err;
    if (c->log_file == NULL) log_open(2, c->log_level);
    else if (log_open_file(c->log_file, c->log_level, c->log_max_bytes, &err) != OK) {
        fprintf(stderr, "poa-node: log.file: %s\n", err_text(&err));
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    static struct node node; /* large */
    struct err err = {0};
    const char *config = NULL, *level = NULL, *export_file = NULL, *import_file = NULL, *snapshot_file = NULL;
    bool check = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--config") == 0 && i + 1 < argc) config = argv[++i];
        else if (strcmp(argv[i], "--log-level") == 0 && i + 1 < argc) level = argv[++i];
        else if (strcmp(argv[i], "--export") == 0 && i + 1 < argc) export_file = argv[++i];
        else if (strcmp(argv[i], "--import") == 0 && i + 1 < argc) import_file = argv[++i];
        else if (strcmp(argv[i], "--snapshot") == 0 && i + 1 < argc) snapshot_file = argv[++i];
        else if (strcmp(argv[i], "--check-config") == 0) check = true;
        else if (strcmp(argv[i], "--version") == 0) return puts("poa-node " POA_VERSION) < 0;
        else if (strcmp(argv[i], "--help") == 0) return fputs(help, stdout) < 0;
        else {
            fprintf(stderr, "poa-node: error: unknown option or missing value: '%s'; see `poa-node --help`\n", argv[i]);
            return 2;
        }
    }
    if (config == NULL) {
        fputs(help, stderr);
        return 2;
    }
    secret_harden_process();
    signal(SIGPIPE, SIG_IGN);
    if (node_config_read(&node.cfg, config, &err) != OK) {
        fprintf(stderr, "poa-node: error: %s\n", err_text(&err));
        return 2;
    }
    if (level != NULL && !log_level_parse(&node.cfg.log_level, level)) {
        fprintf(stderr, "poa-node: error: --log-level: '%s' is none of error, warn, info, debug, trace\n", level);
        return 2;
    }
    if (check) {
        printf("%s: ok\n", config);
        node_config_fini(&node.cfg);
        return 0;
    }
    if (export_file != NULL || import_file != NULL || snapshot_file != NULL) {
        enum status s = export_file != NULL   ? chain_file_export(&node.cfg, export_file, &err)
                        : import_file != NULL ? chain_file_import(&node.cfg, import_file, &err)
                                              : chain_file_snapshot(&node.cfg, snapshot_file, &err);
        if (s != OK) fprintf(stderr, "poa-node: error: %s\n", err_text(&err));
        node_config_fini(&node.cfg);
        return s != OK;
    }
    int code = open_log(&node.cfg);
    if (code == 0 && node_run(&node, &err) != OK) {
        log_error("node", "%s", err_text(&err));
        fprintf(stderr, "poa-node: error: %s\n", err_text(&err));
        code = 1;
    }
    if (code == 0 && node.restart) code = 75;
    node_config_fini(&node.cfg);
    return code;
}
