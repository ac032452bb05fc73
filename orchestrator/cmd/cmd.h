/* cmd.h: the commands: one function each, a table (commands.def) for names, usage, flags and help. A command prints its result on stdout
 * (--json: one document), progress on stderr, and returns an exit code. */
#ifndef ORCHESTRATOR_CMD_CMD_H
#define ORCHESTRATOR_CMD_CMD_H

#include "orchestrator/report/report.h"
#include "orchestrator/settings/settings.h"
#include "orchestrator/workspace/workspace.h"

enum exit_code { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_ALREADY = 3, EXIT_UNHEALTHY = 4, EXIT_REFUSED = 5 };

enum { CLI_FLAGS_MAX = 64, CLI_ARGS_MAX = 512 };

struct command;
struct cli {
    const struct command *command;
    bool json, yes, help;
    const char *push; /* --push: remote of the git record, or NULL */
    const char *dir; /* workspace; "consortium" if not given */
    bool has_dir;    /* it was given */
    const char *args[CLI_ARGS_MAX]; /* positional arguments without DIR */
    size_t n_args;
    struct {
        const char *name, *value;
    } flags[CLI_FLAGS_MAX];
    size_t n_flags;
    struct settings settings;
    struct report report;
    char exe[4096];     /* this program */
    char bin_dir[4096]; /* folder of it and its sisters */
    char share_dir[4096]; /* templates/ and the contracts' artefacts stand below */
};

struct command {
    const char *words;
    enum exit_code (*run)(struct cli *c);
    const char *args, *flags, *summary, *examples;
};
extern const struct command COMMANDS[];
extern const size_t N_COMMANDS;

#define C(words, fn, args, flags, summary, examples) enum exit_code fn(struct cli *c);
#define G(title)
#include "orchestrator/cmd/commands.def"
#undef C
#undef G

/** cli_main: parse, run, report. */
int cli_main(int argc, char **argv);
/** cli_flag: value of a flag, "" for one without value, NULL if not given */
const char *cli_flag(const struct cli *c, const char *name);
/** cli_fail: report err (JSON: {"error":{...}}) and give the exit code that fits its status */
enum exit_code cli_fail(struct cli *c, const struct err *err);
enum exit_code cli_fail_text(struct cli *c, enum exit_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/** cli_confirm: ask yes/no on the terminal; true at once with --yes; without terminal and --yes: false and an error text */
bool cli_confirm(struct cli *c, const char *question);
/** outputs_print: a line each on stdout. */
void outputs_print(json_t *outputs);
/** outputs_mail: to --email by --smtp-url: a step of the report.  ret OK: the server has taken it | E_INVALID: no server is named | as mail_send_outputs */
MUST_CHECK enum status outputs_mail(struct cli *c, json_t *outputs, const char *subject, struct err *err);
/** wizard_run: ask the guide's five steps for what neither flag nor file has set, each answer checked at once, a summary at the end.
 *  ret false: the person left. Only on a terminal and without --yes, --json, -f. */
bool wizard_wanted(const struct cli *c);
bool wizard_run(struct cli *c, bool join);
/** cli_password: by --password-file, POA_PASSWORD, or the terminal (twice if confirm). Appended to out; the caller wipes it. */
MUST_CHECK enum status cli_password(struct buf *out, struct cli *c, bool confirm, const char *what, struct err *err);

#endif
