/* help.h: what --help prints, made of commands.def, options.def and settings.def, and what a misspelled word may have meant. Lines are as wide as
 * the terminal, 100 columns in a pipe; the package's man page and completion are made of them. */
#ifndef ORCHESTRATOR_CMD_HELP_H
#define ORCHESTRATOR_CMD_HELP_H

#include "orchestrator/cmd/cmd.h"

/** help_all: every command, by what it is for */
void help_all(FILE *to);
/** help_command: one command: its usage, each flag, its settings, examples */
void help_command(const struct command *cmd, FILE *to);
/** help_family: the commands of two words that begin with this one ("admin"), with their summaries */
void help_family(FILE *to, const char *first);
bool help_is_family(const char *first);

/** option_check: the value of a flag of options.def, if that has a range.  ret OK | E_INVALID: no whole number within it */
MUST_CHECK enum status option_check(const struct command *cmd, const char *flag, const char *value, struct err *err);

/** guess_command, guess_flag: the nearest that there is to a misspelled word, or NULL if none is near */
const char *guess_command(const char *first, const char *second);
const char *guess_flag(const struct command *cmd, const char *flag);

#endif
