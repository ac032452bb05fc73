/* cli.c: the command line: what was typed -> struct cli -> a command. */
#include "lib/base/file.h"
#include "lib/base/secret.h"
#include "orchestrator/cmd/cmd.h"
#include "orchestrator/target/keeper.h"

#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#ifndef POA_VERSION
#define POA_VERSION "0.1.0"
#endif

const struct command COMMANDS[] = {
#define C(words, fn, args, flags, summary, examples) {words, fn, args, flags, summary, examples},
#include "orchestrator/cmd/commands.def"
#undef C
};
const size_t N_COMMANDS = COUNT_OF(COMMANDS);

/* ------------------------------------------------------------------ help */

static void help_all(FILE *to)
{
    fputs("poa-deploy: bring up, join, govern and keep alive a permissioned Ethereum proof-of-authority network\n\n"
          "usage: poa-deploy COMMAND [DIR] [options]\n\n",
          to);
    for (size_t i = 0; i < N_COMMANDS; i++)
        fprintf(to, "  %-22s  %s\n", COMMANDS[i].words, COMMANDS[i].summary);
    fputs("\nDIR is the workspace, ./consortium if not given. Every command takes --json (one document on stdout), --yes (never ask),\n"
          "--help and --push REMOTE (the workspace's git record goes there: a URL, a folder, or a remote's name).\n"
          "Exit codes: 0 done, 1 failed, 2 usage or settings, 3 already so, 4 unhealthy, 5 refused by the network.\n",
          to);
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

static void help_command(const struct command *cmd, FILE *to)
{
    fprintf(to, "poa-deploy %s: %s\n\nusage: poa-deploy %s %s [options]\n\noptions:\n", cmd->words, cmd->summary, cmd->words, cmd->args);
    char copy[512], *save = NULL;
    (void)snprintf(copy, sizeof copy, "%s", cmd->flags);
    bool settings = false;
    for (char *f = strtok_r(copy, " ", &save); f != NULL; f = strtok_r(NULL, " ", &save)) {
        size_t n = strlen(f);
        if (strcmp(f, "settings") == 0) settings = true;
        else if (f[n - 1] == '=') fprintf(to, "  %.*s VALUE\n", (int)(n - 1), f);
        else fprintf(to, "  %s\n", f);
    }
    fputs("  --json  --yes  --help\n", to);
    if (settings) {
        fputs("\nsettings (flag, or the path in the file given with -f; flags win):\n", to);
        for (size_t i = 0; i < SETTING_N; i++) {
            const struct setting_info *t = &SETTING_TABLE[i];
            char head[120];
            (void)snprintf(head, sizeof head, "%s %s", t->flag, kind_value(t));
            fprintf(to, "  %-44s %s\n  %44s %s%s%s\n", head, t->help, "", t->path, *t->def != '\0' ? "; default " : "", t->def);
        }
    }
    fprintf(to, "\nexamples:\n%s\n", cmd->examples);
}

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

/* arguments: those that the usage names, then at most one more: DIR */
static bool place_positionals(struct cli *c, const char **words, size_t n)
{
    const char *args = c->command->args;
    bool takes_dir = strstr(args, "[DIR]") != NULL, many = strstr(args, "ADDR...") != NULL;
    bool one = !many && (strncmp(args, "ADDR", 4) == 0 || strncmp(args, "ID ", 3) == 0 || strncmp(args, "FILE", 4) == 0 || strcmp(args, "KEYSTORE") == 0 || strncmp(args, "COMMAND", 7) == 0);
    size_t i = 0;
    if (one) {
        if (n == 0) return false;
        c->args[c->n_args++] = words[i++];
    }
    while (many && i < n && looks_like_address(words[i]) && c->n_args < CLI_ARGS_MAX)
        c->args[c->n_args++] = words[i++];
    if (many && args[0] == 'A' && c->n_args == 0) return false;
    if (takes_dir && i < n) {
        c->dir = words[i++];
        c->has_dir = true;
    }
    return i == n;
}

PRINTF_LIKE(2, 3) static int usage_error(struct cli *c, const char *fmt, ...)
{
    struct err err = {.status = E_INVALID};
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(err.text, sizeof err.text, fmt, ap);
    va_end(ap);
    IGNORE(cli_fail(c, &err), "a usage error has a code of its own");
    if (c->command != NULL) fprintf(stderr, "usage: poa-deploy %s %s [options]; see poa-deploy %s --help\n", c->command->words, c->command->args, c->command->words);
    else fputs("see poa-deploy --help\n", stderr);
    return EXIT_USAGE;
}

/* 0: go on; else exit code + 1 */
static int parse(struct cli *c, int argc, char **argv, int from)
{
    const char *words[CLI_ARGS_MAX];
    size_t n = 0;
    for (int i = from; i < argc; i++) {
        char *a = argv[i], *eq = NULL;
        if (a[0] != '-' || a[1] == '\0') {
            if (n == CLI_ARGS_MAX) return 1 + usage_error(c, "too many arguments at '%s'", a);
            words[n++] = a;
            continue;
        }
        if (strcmp(a, "--json") == 0) c->json = true;
        else if (strcmp(a, "--yes") == 0 || strcmp(a, "-y") == 0) c->yes = true;
        else if (strcmp(a, "--help") == 0 || strcmp(a, "-h") == 0) c->help = true;
        else if (strcmp(a, "--push") == 0) {
            if (i + 1 >= argc) return 1 + usage_error(c, "option '--push' needs a value: a git URL, a folder, or the name of a remote");
            c->push = argv[++i];
        } else {
            bool takes_value = false, settings = false;
            const char *value = "";
            if (a[1] == '-' && (eq = strchr(a, '=')) != NULL) *eq = '\0';
            if (!knows_flag(c->command, a, &takes_value, &settings)) return 1 + usage_error(c, "unknown option '%s'", a);
            if (!takes_value && eq != NULL) return 1 + usage_error(c, "option '%s' takes no value", a);
            if (takes_value && eq == NULL && i + 1 >= argc) return 1 + usage_error(c, "option '%s' needs a value", a);
            if (takes_value) value = eq != NULL ? eq + 1 : argv[++i];
            if (settings) {
                if (!settings_take_flag(&c->settings, a, value)) BUG("flag without setting");
            } else {
                if (c->n_flags == CLI_FLAGS_MAX) return 1 + usage_error(c, "too many options at '%s'", a);
                c->flags[c->n_flags].name = a;
                c->flags[c->n_flags++].value = value;
            }
        }
    }
    if (c->help) return 0;
    if (!place_positionals(c, words, n)) return 1 + usage_error(c, "%s", n == 0 ? "an argument is missing" : "wrong number of arguments");
    return 0;
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
        fprintf(stderr, "poa-deploy: error: %s Say --yes to go on without a terminal.\n", question);
        return false;
    }
    fprintf(stderr, "%s [y/N] ", question);
    char line[16] = "";
    if (fgets(line, sizeof line, stdin) == NULL) return false;
    return line[0] == 'y' || line[0] == 'Y';
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
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0) {
        help_all(argc < 2 ? stderr : stdout);
        return argc < 2 ? EXIT_USAGE : EXIT_DONE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("poa-deploy " POA_VERSION);
        return EXIT_DONE;
    }
    /* known before the rest is parsed: a usage error is one document too */
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--json") == 0) c.json = true;
    int used = 0;
    c.command = find_command(argc, argv, &used);
    if (c.command == NULL) return usage_error(&c, "unknown command '%s'", argv[1]);
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
