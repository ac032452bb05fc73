/* cli.c: the command line: what was typed -> struct cli -> a command. */
#include "lib/base/file.h"
#include "lib/base/secret.h"
#include "lib/base/version.h"
#include "orchestrator/cmd/help.h"
#include "orchestrator/target/keeper.h"

#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

const struct command COMMANDS[] = {
#define C(words, fn, args, flags, summary, examples) {words, fn, args, flags, summary, examples},
#define G(title)
#include "orchestrator/cmd/commands.def"
#undef C
#undef G
};
const size_t N_COMMANDS = COUNT_OF(COMMANDS);

/* ----------------------------------------------------------------- parse */

const char *cli_flag(const struct cli *c, const char *name)
{
    for (size_t i = 0; i < c->n_flags; i++)
        if (strcmp(c->flags[i].name, name) == 0) return c->flags[i].value;
    return NULL;
}

/* does the command know the flag; *takes_value tells its form */
static bool knows_flag(const struct command *cmd, const char *flag, bool *takes_value, bool *settings)
{
    size_t n = strlen(flag);
    *settings = false;
    for (const char *p = cmd->flags; *p != '\0';) {
        size_t k = strcspn(p, " ");
        if (k == 8 && strncmp(p, "settings", 8) == 0) *settings = true;
        if (k >= n && strncmp(p, flag, n) == 0 && (k == n || (k == n + 1 && p[n] == '='))) {
            *takes_value = k == n + 1;
            *settings = false;
            return true;
        }
        p += k;
        while (*p == ' ')
            p++;
    }
    if (!*settings) return false;
    for (size_t i = 0; i < SETTING_N; i++)
        if (strcmp(SETTING_TABLE[i].flag, flag) == 0) {
            *takes_value = true;
            return true;
        }
    return false;
}

/* of `poa-deploy COMMAND ...`, or of `poa-deploy help COMMAND` */
static const struct command *find_command(int argc, char **argv, int *used)
{
    for (size_t i = 0; i < N_COMMANDS; i++) {
        const char *w = COMMANDS[i].words, *space = strchr(w, ' ');
        if (space == NULL && argc >= 2 && strcmp(argv[1], w) == 0) {
            *used = 2;
            return &COMMANDS[i];
        }
        if (space != NULL && argc >= 3 && strlen(argv[1]) == (size_t)(space - w) && strncmp(argv[1], w, (size_t)(space - w)) == 0 &&
            strcmp(argv[2], space + 1) == 0) {
            *used = 3;
            return &COMMANDS[i];
        }
    }
    return NULL;
}

static bool looks_like_address(const char *s)
{
    return s[0] == '0' && (s[1] == 'x' || s[1] == 'X');
}

PRINTF_LIKE(2, 3) static int usage_error(struct cli *c, const char *fmt, ...)
{
    struct err err = {.status = E_INVALID};
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(err.text, sizeof err.text, fmt, ap);
    va_end(ap);
    IGNORE(cli_fail(c, &err), "a usage error has a code of its own");
    if (c->command != NULL) fprintf(stderr, "usage: poa-deploy %s%s%s [options]; see `poa-deploy %s --help`\n", c->command->words, *c->command->args == '\0' ? "" : " ", c->command->args, c->command->words);
    else fputs("see `poa-deploy --help`\n", stderr);
    return EXIT_USAGE;
}

/* arguments: those that the usage names, then at most one more: DIR. 0: go on; else exit code + 1 */
static int place_positionals(struct cli *c, const char **words, size_t n)
{
    const char *args = c->command->args;
    bool takes_dir = strstr(args, "[DIR]") != NULL, many = strstr(args, "ADDR...") != NULL, one = !many && *args != '\0' && *args != '[';
    int first = (int)strcspn(args, " .");
    size_t i = 0;
    if ((one || (many && *args == 'A')) && n == 0) return 1 + usage_error(c, "%.*s is missing", first, args);
    if (one) c->args[c->n_args++] = words[i++];
    while (many && i < n && looks_like_address(words[i]) && c->n_args < CLI_ARGS_MAX)
        c->args[c->n_args++] = words[i++];
    if (many && *args == 'A' && c->n_args == 0) return 1 + usage_error(c, "'%s' is no address: 0x and 40 hexadecimal digits", words[0]);
    if (takes_dir && i < n) {
        c->dir = words[i++];
        c->has_dir = true;
    }
    if (i < n && many) return 1 + usage_error(c, "'%s' is no address: 0x and 40 hexadecimal digits", words[takes_dir ? i - 1 : i]);
    return i == n ? 0 : 1 + usage_error(c, "'%s' is one argument too many", words[i]);
}

/* 0: go on; else exit code + 1 */
static int parse(struct cli *c, int argc, char **argv, int from)
{
    const char *words[CLI_ARGS_MAX];
    size_t n = 0;
    for (int i = from; i < argc; i++) {
        char *a = argv[i], *eq = a[0] == '-' && a[1] == '-' ? strchr(a, '=') : NULL;
        if (eq != NULL) *eq = '\0';
        if (a[0] != '-' || a[1] == '\0') {
            if (n == CLI_ARGS_MAX) return 1 + usage_error(c, "too many arguments at '%s'", a);
            words[n++] = a;
            continue;
        }
        bool *common = strcmp(a, "--json") == 0                               ? &c->json
                       : strcmp(a, "--yes") == 0 || strcmp(a, "-y") == 0  ? &c->yes
                       : strcmp(a, "--help") == 0 || strcmp(a, "-h") == 0 ? &c->help
                                                                          : NULL;
        if (common != NULL && eq != NULL) return 1 + usage_error(c, "option '%s' takes no value", a);
        if (common != NULL) {
            *common = true;
        } else if (strcmp(a, "--push") == 0) {
            if (eq == NULL && i + 1 >= argc) return 1 + usage_error(c, "option '--push' needs a value: a git URL, a folder, or the name of a remote");
            c->push = eq != NULL ? eq + 1 : argv[++i];
        } else {
            struct err err = {0};
            bool takes_value = false, settings = false;
            const char *value = "", *near;
            if (!knows_flag(c->command, a, &takes_value, &settings)) {
                near = guess_flag(c->command, a);
                return 1 + usage_error(c, "unknown option '%s'%s%s%s", a, near == NULL ? "" : "; did you mean '", near == NULL ? "" : near, near == NULL ? "" : "'?");
            }
            if (!takes_value && eq != NULL) return 1 + usage_error(c, "option '%s' takes no value", a);
            if (takes_value && eq == NULL && i + 1 >= argc) return 1 + usage_error(c, "option '%s' needs a value", a);
            if (takes_value) value = eq != NULL ? eq + 1 : argv[++i];
            if (settings) {
                if (!settings_take_flag(&c->settings, a, value)) BUG("flag without setting");
            } else {
                if (option_check(c->command, a, value, &err) != OK) return 1 + usage_error(c, "%s", err_text(&err));
                if (c->n_flags == CLI_FLAGS_MAX) return 1 + usage_error(c, "too many options at '%s'", a);
                c->flags[c->n_flags].name = a;
                c->flags[c->n_flags++].value = value;
            }
        }
    }
    if (c->help) return 0;
    return place_positionals(c, words, n);
}

/* ---------------------------------------------------------------- results */

static enum exit_code code_of(enum status s)
{
    if (s == E_INVALID) return EXIT_USAGE;
    return EXIT_FAILED;
}

enum exit_code cli_fail(struct cli *c, const struct err *err)
{
    report_fail(&c->report);
    report_error(err);
    if (c->json) {
        json_t *doc = json_pack("{s:{s:s, s:s}}", "error", "code", status_name(err->status), "message", err_text(err));
        report_json(doc);
        json_decref(doc);
    }
    return code_of(err->status);
}

enum exit_code cli_fail_text(struct cli *c, enum exit_code code, const char *fmt, ...)
{
    struct err err = {.status = E_INVALID};
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(err.text, sizeof err.text, fmt, ap);
    va_end(ap);
    IGNORE(cli_fail(c, &err), "the code is given");
    return code;
}

bool cli_confirm(struct cli *c, const char *question)
{
    if (c->yes) return true;
    if (isatty(0) != 1) {
        IGNORE(cli_fail_text(c, EXIT_FAILED, "%s Say --yes to go on without a terminal.", question) == EXIT_FAILED, "false says it");
        return false;
    }
    fprintf(stderr, "%s [y/N] ", question);
    char line[16] = "";
    if (fgets(line, sizeof line, stdin) != NULL && (line[0] == 'y' || line[0] == 'Y')) return true;
    IGNORE(cli_fail_text(c, EXIT_FAILED, "the answer was no: nothing was changed") == EXIT_FAILED, "false says it");
    return false;
}

static bool read_hidden(struct buf *out, const char *prompt)
{
    struct termios old, quiet;
    bool tty = tcgetattr(0, &old) == 0;
    if (tty) {
        quiet = old;
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(0, TCSAFLUSH, &quiet);
    }
    fprintf(stderr, "%s: ", prompt);
    char line[1024];
    bool ok = fgets(line, sizeof line, stdin) != NULL;
    if (tty) {
        tcsetattr(0, TCSAFLUSH, &old);
        fputc('\n', stderr);
    }
    if (ok) buf_put(out, line, strcspn(line, "\r\n"));
    secret_wipe(line, sizeof line);
    return ok;
}

enum status cli_password(struct buf *out, struct cli *c, bool confirm, const char *what, struct err *err)
{
    const char *file = cli_flag(c, "--password-file"), *env = getenv("POA_PASSWORD");
    if (file != NULL) {
        enum status s = file_read(out, file, err);
        /* the line's end is not part of a password */
        while (s == OK && out->len > 0 && (out->ptr[out->len - 1] == '\n' || out->ptr[out->len - 1] == '\r'))
            out->len--;
        return s;
    }
    if (env != NULL) {
        buf_put_str(out, env);
        return buf_status(out);
    }
    if (isatty(0) != 1)
        return err_set(err, E_INVALID, "the password of %s is needed: give --password-file FILE or POA_PASSWORD, since there is no terminal to ask on", what);
    char prompt[300];
    (void)snprintf(prompt, sizeof prompt, "Password of %s", what);
    if (!read_hidden(out, prompt)) return err_set(err, E_CANCELLED, "no password was given");
    if (confirm) {
        struct buf again;
        buf_init(&again, 1024);
        bool same = read_hidden(&again, "Again") && again.len == out->len && ct_eq(again.ptr, out->ptr, out->len);
        secret_wipe(again.ptr, again.len);
        buf_fini(&again);
        if (!same) return err_set(err, E_INVALID, "the two passwords differ");
    }
    return buf_status(out);
}

/* ---------------------------------------------------------------- record */

static bool is_in(const char *words, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(words, list[i]) == 0) return true;
    return false;
}

/* a command that changed something is noted in the workspace's git record: what it was, with its flags (no flag takes a secret), and how it ended */
static void record(struct cli *c, int argc, char **argv, int *code)
{
    static const char *const changing[] = {"new", "join", "up", "down", "rotate", "upgrade", "recover", "restore", "admin propose", "admin vote", "admin rescind",
                                           "validator add", "validator remove", "validator accept", "ssh run", "ssh allow", "ssh deny", "gateway connect", "traffic-manager create"};
    struct err err = {0};
    struct buf text;
    if (*code != EXIT_DONE || !is_in(c->command->words, changing, COUNT_OF(changing))) {
        if (c->push == NULL || *code != EXIT_ALREADY) return;
    }
    buf_init(&text, 16 << 10);
    buf_printf(&text, "%s%s%s\n\npoa-deploy", c->command->words, c->n_args > 0 ? " " : "", c->n_args > 0 ? c->args[0] : "");
    for (int i = 1; i < argc; i++)
        buf_printf(&text, strchr(argv[i], ' ') != NULL ? " '%s'" : " %s", argv[i]);
    buf_put_u8(&text, '\n');
    enum status s = *code == EXIT_DONE ? workspace_commit(c->dir, buf_cstr(&text), &err) : OK;
    buf_fini(&text);
    if (s == OK && c->push != NULL) s = workspace_push(c->dir, c->push, &err);
    if (s == OK) return;
    /* what was done stands; but a record that was asked for and is not there is a failure */
    if (c->push == NULL) {
        report_warn(&c->report, "%s", err_text(&err));
        return;
    }
    report_error(&err);
    *code = EXIT_FAILED;
}

/* ------------------------------------------------------------------- run */

static void find_folders(struct cli *c)
{
    ssize_t n = readlink("/proc/self/exe", c->exe, sizeof c->exe - 1);
    c->exe[n > 0 ? n : 0] = '\0';
    (void)snprintf(c->bin_dir, sizeof c->bin_dir, "%s", c->exe);
    char *slash = strrchr(c->bin_dir, '/');
    if (slash != NULL) *slash = '\0';
    const char *env = getenv("POA_SHARE");
    if (env != NULL) {
        (void)snprintf(c->share_dir, sizeof c->share_dir, "%s", env);
        return;
    }
    /* from a build tree: <root>/build/<profile>/poa-deploy; installed: /usr/bin and /usr/share/poa-deploy */
    static const char *const beside[] = {"/../..", "/../share/poa-deploy"};
    for (size_t i = 0; i < COUNT_OF(beside); i++) {
        char probe[5000];
        (void)snprintf(probe, sizeof probe, "%s%s/templates/mainTemplate.json", c->bin_dir, beside[i]);
        if (!file_exists(probe)) continue;
        (void)snprintf(probe, sizeof probe, "%s%s", c->bin_dir, beside[i]);
        char *real = realpath(probe, NULL);
        if (real != NULL) (void)snprintf(c->share_dir, sizeof c->share_dir, "%s", real);
        free(real);
        return;
    }
}

/* a word of two that stands alone gets the commands that it begins; any other the nearest that there is */
static int unknown_command(struct cli *c, const char *first, const char *second)
{
    bool asked = c->help, alone = second == NULL || *second == '-';
    if (alone && second != NULL && (strcmp(second, "--help") == 0 || strcmp(second, "-h") == 0)) asked = true;
    if (alone && help_is_family(first)) {
        if (!asked) IGNORE(cli_fail_text(c, EXIT_USAGE, "'%s' alone is no command, these are:", first) == EXIT_USAGE, "the code is given below");
        help_family(asked ? stdout : stderr, first);
        return asked ? EXIT_DONE : EXIT_USAGE;
    }
    const char *near = guess_command(first, alone ? NULL : second);
    bool both = !alone && (near == NULL ? help_is_family(first) : strchr(near, ' ') != NULL);
    char typed[80];
    (void)snprintf(typed, sizeof typed, "%.30s%s%.30s", first, both ? " " : "", both ? second : "");
    return near == NULL ? usage_error(c, "unknown command '%s'", typed) : usage_error(c, "unknown command '%s'; did you mean '%s'?", typed, near);
}

int cli_main(int argc, char **argv)
{
    static struct cli c; /* large; one a process */
    struct err err = {0};
    c.dir = "consortium";
    settings_init(&c.settings);
    report_init(&c.report, false);
    find_folders(&c);
    if (argc >= 3 && strcmp(argv[1], "keeper") == 0) {
        /* the scale-set keeper's own process, started by `new` and `up` */
        if (strcmp(argv[2], "--can-adopt") == 0) return 0;
        enum status s = keeper_run(argv[2], argc >= 4 ? (int)strtol(argv[3], NULL, 10) : -1, &err);
        if (s != OK) report_error(&err);
        return s == OK ? 0 : 1;
    }
    /* `help COMMAND` is `COMMAND --help` */
    if (argc > 2 && strcmp(argv[1], "help") == 0) {
        c.help = true;
        argv++;
        argc--;
    }
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        help_all(argc < 2 ? stderr : stdout);
        return argc < 2 ? EXIT_USAGE : EXIT_DONE;
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
        puts("poa-deploy " POA_VERSION);
        return EXIT_DONE;
    }
    /* known before the rest is parsed: a usage error is one document too */
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--json") == 0) c.json = true;
    int used = 0;
    c.command = find_command(argc, argv, &used);
    if (c.command == NULL) return unknown_command(&c, argv[1], argc > 2 ? argv[2] : NULL);
    int code = parse(&c, argc, argv, used);
    if (code != 0) code--;
    else if (c.help) help_command(c.command, stdout);
    else {
        code = (int)c.command->run(&c);
        record(&c, argc, argv, &code);
    }
    settings_fini(&c.settings);
    return code;
}
