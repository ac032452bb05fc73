#include "orchestrator/cmd/help.h"

#include "lib/base/guess.h"

#include <stdlib.h>
#include <unistd.h>

enum { BESIDE_COMMANDS = 26, BESIDE_FLAGS = 32, BELOW = 6, NARROW = 72, PIPE_COLUMNS = 100, COLUMNS_MAX = 120, FIRST_MAX = 18 };

/* the headings stand between them: without a function */
static const struct command LISTED[] = {
#define C(words, fn, args, flags, summary, examples) {words, fn, args, flags, summary, examples},
#define G(title) {"", NULL, "", "", title, ""},
#include "orchestrator/cmd/commands.def"
#undef C
#undef G
};

static const struct option {
    const char *command, *flag, *value, *range, *help;
} OPTIONS[] = {
#define O(command, flag, value, range, help) {command, flag, value, range, help},
#include "orchestrator/cmd/options.def"
#undef O
};

static const char *const COMMON[] = {"--json", "--yes", "--help", "--push"};

/* ------------------------------------------------------------------ lines */

static size_t columns_of(FILE *to)
{
    size_t n = report_columns(fileno(to));
    return n == 0 ? PIPE_COLUMNS : n > COLUMNS_MAX ? COLUMNS_MAX : n;
}

static void put_text(FILE *to, size_t indent, const char *text, size_t width)
{
    report_words(to, 0, indent, text, width);
    fputc('\n', to);
}

/* what it is called, and beside it (below it in a narrow window) what it is for */
static void put_entry(FILE *to, const char *head, size_t beside, const char *text, size_t width)
{
    size_t indent = width < NARROW ? BELOW : beside, n = strlen(head) + 2;
    fprintf(to, "  %s", head);
    if (n + 2 > indent) fputc('\n', to);
    report_words(to, n + 2 > indent ? 0 : n, indent, text, width);
    fputc('\n', to);
}

/* ------------------------------------------------------------------- help */

void help_all(FILE *to)
{
    size_t width = columns_of(to);
    put_text(to, 0, "poa-deploy: bring up, join, govern and keep alive a permissioned Ethereum proof-of-authority network", width);
    fputs("\nusage: poa-deploy COMMAND [DIR] [options]\n\n", to);
    put_text(to, 0, "DIR is the workspace, ./consortium if not given.", width);
    for (size_t i = 0; i < COUNT_OF(LISTED); i++)
        if (LISTED[i].run == NULL) fprintf(to, "\n%s:\n", LISTED[i].summary);
        else put_entry(to, LISTED[i].words, BESIDE_COMMANDS, LISTED[i].summary, width);
    fputs("\nEvery command takes:\n", to);
    put_entry(to, "--json", BESIDE_COMMANDS, "one document on stdout", width);
    put_entry(to, "--yes", BESIDE_COMMANDS, "never ask", width);
    put_entry(to, "--push REMOTE", BESIDE_COMMANDS, "send the workspace's git record there: a URL, a folder, or a remote's name", width);
    put_entry(to, "--help", BESIDE_COMMANDS, "its options and examples", width);
    fputc('\n', to);
    put_text(to, 0, "Environment: POA_PASSWORD, where a password would be asked for; AZURE_* as in the Azure command line (`new --help`); NO_COLOR, no colours.", width);
    put_text(to, 0, "Exit codes: 0 done, 1 failed, 2 usage or settings, 3 already so, 4 unhealthy, 5 refused by the network.", width);
}

static bool begins_with(const struct command *cmd, const char *first)
{
    size_t k = strlen(first);
    return k > 0 && strncmp(cmd->words, first, k) == 0 && cmd->words[k] == ' ';
}

bool help_is_family(const char *first)
{
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (begins_with(&COMMANDS[i], first)) return true;
    return false;
}

void help_family(FILE *to, const char *first)
{
    for (size_t i = 0; i < N_COMMANDS; i++)
        if (begins_with(&COMMANDS[i], first)) put_entry(to, COMMANDS[i].words, BESIDE_COMMANDS, COMMANDS[i].summary, columns_of(to));
}

static const struct option *find_option(const struct command *cmd, const char *flag, size_t len)
{
    const struct option *general = NULL;
    for (size_t i = 0; i < COUNT_OF(OPTIONS); i++) {
        if (strlen(OPTIONS[i].flag) != len || strncmp(OPTIONS[i].flag, flag, len) != 0) continue;
        if (strcmp(OPTIONS[i].command, cmd->words) == 0) return &OPTIONS[i];
        if (*OPTIONS[i].command == '\0') general = &OPTIONS[i];
    }
    return general;
}

static const struct setting_info *find_setting(const char *flag, size_t len)
{
    for (size_t i = 0; i < SETTING_N; i++)
        if (strlen(SETTING_TABLE[i].flag) == len && strncmp(SETTING_TABLE[i].flag, flag, len) == 0) return &SETTING_TABLE[i];
    return NULL;
}

static const char *kind_value(const struct setting_info *t)
{
    switch (t->kind) {
    case SETTING_INT:
    case SETTING_ENUM: return t->allowed;
    case SETTING_BOOL: return "true|false";
    case SETTING_STR: return "TEXT";
    case SETTING_LIST: return "A,B,...";
    case SETTING_ADDR: return "0xADDRESS";
    case SETTING_URL: return "URL";
    case SETTING_FILE: return "FILE";
    }
    return "";
}

static void put_flag(FILE *to, const struct command *cmd, const char *flag, size_t len, size_t width)
{
    char head[200];
    const struct option *o = find_option(cmd, flag, len);
    const struct setting_info *t = o == NULL ? find_setting(flag, len) : NULL;
    if (o == NULL && t == NULL) BUG("a flag without help: it stands neither in options.def nor in settings.def");
    const char *value = o != NULL ? o->value : kind_value(t);
    (void)snprintf(head, sizeof head, "%.*s%s%s", (int)len, flag, *value != '\0' ? " " : "", value);
    put_entry(to, head, BESIDE_FLAGS, o != NULL ? o->help : t->help, width);
}

static void put_settings(FILE *to, size_t width)
{
    size_t last = 0;
    fputc('\n', to);
    put_text(to, 0, "settings, each with its path in the file given with -f (flags win):", width);
    for (size_t i = 0; i < SETTING_N; i++) {
        const struct setting_info *t = &SETTING_TABLE[i];
        char head[200], text[800];
        size_t section = strcspn(t->path, ".");
        if (i > 0 && (section != last || strncmp(t->path, SETTING_TABLE[i - 1].path, section) != 0)) fputc('\n', to);
        last = section;
        (void)snprintf(head, sizeof head, "%s %s", t->flag, kind_value(t));
        (void)snprintf(text, sizeof text, "%s [%s%s%s]", t->help, t->path, *t->def != '\0' ? "; default " : "", t->def);
        put_entry(to, head, BESIDE_FLAGS, text, width);
    }
}

void help_command(const struct command *cmd, FILE *to)
{
    size_t width = columns_of(to);
    char line[600];
    bool settings = false;
    (void)snprintf(line, sizeof line, "poa-deploy %s: %s", cmd->words, cmd->summary);
    put_text(to, 0, line, width);
    fprintf(to, "\nusage: poa-deploy %s%s%s [options]\n\noptions:\n", cmd->words, *cmd->args != '\0' ? " " : "", cmd->args);
    for (const char *f = cmd->flags; *f != '\0'; f += strspn(f, " ")) {
        size_t n = strcspn(f, " ");
        if (n == 8 && strncmp(f, "settings", n) == 0) settings = true;
        else put_flag(to, cmd, f, f[n - 1] == '=' ? n - 1 : n, width);
        f += n;
    }
    fputs("  --json  --yes  --help  --push REMOTE\n", to);
    if (settings) put_settings(to, width);
    fprintf(to, "\nexamples:\n%s\n", cmd->examples);
}

/* ---------------------------------------------------------------- checks */

enum status option_check(const struct command *cmd, const char *flag, const char *value, struct err *err)
{
    const struct option *o = find_option(cmd, flag, strlen(flag));
    unsigned long min = 0, max = 0, v;
    char *end = NULL;
    if (o == NULL || *o->range == '\0') return OK;
    if (sscanf(o->range, "%lu-%lu", &min, &max) != 2) BUG("bad range in options.def");
    v = strtoul(value, &end, 10);
    if (*value >= '0' && *value <= '9' && *end == '\0' && v >= min && v <= max) return OK;
    return err_set(err, E_INVALID, "%s: '%s' is not allowed: a whole number from %lu to %lu", flag, value, min, max);
}

/* --------------------------------------------------------------- guesses */

const char *guess_command(const char *first, const char *second)
{
    char both[2 * FIRST_MAX + 2];
    (void)snprintf(both, sizeof both, "%.18s %.18s", first, second == NULL ? "" : second);
    struct guess one = guess_start(first), two = guess_start(both);
    for (size_t i = 0; i < N_COMMANDS; i++) {
        guess_offer(&one, COMMANDS[i].words);
        if (second != NULL) guess_offer(&two, COMMANDS[i].words);
    }
    return two.best != NULL ? two.best : one.best;
}

const char *guess_flag(const struct command *cmd, const char *flag)
{
    struct guess g = guess_start(flag);
    for (size_t i = 0; i < COUNT_OF(COMMON); i++)
        guess_offer(&g, COMMON[i]);
    for (size_t i = 0; i < COUNT_OF(OPTIONS); i++) {
        const struct option *o = &OPTIONS[i];
        const char *at = strstr(cmd->flags, o->flag);
        if (at != NULL && strcspn(at, " =") == strlen(o->flag)) guess_offer(&g, o->flag);
    }
    for (size_t i = 0; i < SETTING_N && strstr(cmd->flags, "settings") != NULL; i++)
        guess_offer(&g, SETTING_TABLE[i].flag);
    return g.best;
}
