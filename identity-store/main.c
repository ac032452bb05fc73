#include "identity-store/admin.h"
#include "identity-store/audit.h"
#include "identity-store/clients.h"
#include "identity-store/server.h"
#include "lib/base/clock.h"
#include "lib/base/secret.h"
#include "lib/base/version.h"

#include <getopt.h>
#include <signal.h>

static const char USAGE[] =
    "poa-identity-store: secrets (Key Vault REST), blobs with leases (Blob Storage REST) and tokens for a network's validators\n"
    "\n"
    "  poa-identity-store --config FILE                   run\n"
    "  poa-identity-store --config FILE --check-config    check the settings and the clients file, then end\n"
    "  poa-identity-store backup --config FILE --file BACKUP     a snapshot, also while the store runs; worth nothing without the kek\n"
    "  poa-identity-store restore --config FILE --file BACKUP    into an empty data_dir; identities are free again after 60 s\n"
    "  poa-identity-store verify --config FILE                   check every record, value and audit line\n"
    "  poa-identity-store rekey --config FILE --new-kek-file FILE | --new-passphrase-file FILE | --new-config FILE\n"
    "                                                     seal under another key; then change the settings to it\n"
    "  poa-identity-store --verify-audit FILE             check the hash chain of an audit log\n"
    "  poa-identity-store --version | --help\n"
    "\n"
    "SIGHUP reads the clients file and the certificates anew, SIGTERM stops. Exit codes: 0 done, 1 failed, 2 usage or settings.\n"
    "Example: poa-identity-store --config /etc/poa-identity-store/store.yaml\n";

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static int check(const struct config *cfg)
{
    struct clients clients;
    struct err err = {0};
    if (clients_read(&clients, cfg->clients_file, &err) != OK) {
        fprintf(stderr, "poa-identity-store: %s\n", err_text(&err));
        return EXIT_USAGE;
    }
    printf("settings are good: %s:%u, %zu clients\n", cfg->address, cfg->port, clients.n);
    clients_fini(&clients);
    return EXIT_DONE;
}

static int verify_audit(const char *path)
{
    uint64_t n;
    struct err err = {0};
    if (audit_verify(&n, path, &err) != OK) {
        fprintf(stderr, "poa-identity-store: %s\n", err_text(&err));
        return EXIT_FAILED;
    }
    printf("%llu lines, the chain is whole\n", (unsigned long long)n);
    return EXIT_DONE;
}

static int serve(const struct config *cfg)
{
    struct server *s;
    struct err err = {0};
    sigset_t set;
    uint64_t began_ns = clock_mono_ns();
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    (void)pthread_sigmask(SIG_BLOCK, &set, NULL); /* for every thread from here on */
    (void)signal(SIGPIPE, SIG_IGN);
    enum status st = server_start(&s, cfg, &err);
    if (st != OK) {
        log_error("store", "%s", err_text(&err));
        return EXIT_FAILED;
    }
    log_info("store", "serving %s://%s:%u start_ms=%.1f", cfg->tls_cert ? "https" : "http", cfg->address, server_port(s),
             (double)(clock_mono_ns() - began_ns) / 1e6);
    for (;;) {
        int sig = 0;
        if (sigwait(&set, &sig) != 0) continue;
        if (sig != SIGHUP) break;
        server_reload(s);
    }
    log_info("store", "stopping");
    server_stop(s);
    return EXIT_DONE;
}

struct admin_words {
    const char *command, *file, *kek_file, *passphrase_file, *config;
};

/* the settings with another key-encryption key */
static enum status rekey(const struct config *cfg, const struct admin_words *w, struct err *err)
{
    struct config to;
    if (w->config != NULL) {
        enum status s = config_read(&to, w->config, err);
        if (s != OK) return s;
        s = admin_rekey(cfg, &to, err);
        config_fini(&to);
        return s;
    }
    to = *cfg; /* borrows all of it */
    to.kek_vault.secret_uri = to.kek_vault.key_uri = NULL;
    to.kek_file = (char *)(uintptr_t)w->kek_file;
    to.kek_passphrase_file = (char *)(uintptr_t)w->passphrase_file;
    return admin_rekey(cfg, &to, err);
}

/* ret EXIT_USAGE: the words do not fit together */
static int admin(const struct config *cfg, const struct admin_words *w)
{
    struct admin_counts n = {0};
    struct err err = {0};
    enum status s = E_INVALID;
    bool wants_file = strcmp(w->command, "backup") == 0 || strcmp(w->command, "restore") == 0;
    bool is_rekey = strcmp(w->command, "rekey") == 0;
    if (wants_file != (w->file != NULL) || is_rekey != ((w->kek_file != NULL) + (w->passphrase_file != NULL) + (w->config != NULL) == 1)) {
        fputs(USAGE, stderr);
        return EXIT_USAGE;
    }
    if (strcmp(w->command, "backup") == 0) s = admin_backup(&n, cfg, w->file, &err);
    else if (strcmp(w->command, "restore") == 0) s = admin_restore(&n, cfg, w->file, &err);
    else if (strcmp(w->command, "verify") == 0) s = admin_verify(&n, cfg, &err);
    else if (is_rekey) s = rekey(cfg, w, &err);
    else (void)err_set(&err, s, "there is no command '%s'; see --help", w->command);
    if (s != OK) {
        fprintf(stderr, "poa-identity-store: %s\n", err.text[0] ? err_text(&err) : status_text(s));
        return EXIT_FAILED;
    }
    if (is_rekey) printf("sealed under the new key: change %s before the next start\n", w->config ? "to those settings" : w->kek_file ? "kek_file in the settings" : "kek_passphrase_file in the settings");
    else if (strcmp(w->command, "verify") == 0)
        printf("whole: %llu records, %llu secret versions, %llu key versions, %llu blobs, %llu audit lines\n", (unsigned long long)n.records,
               (unsigned long long)n.secrets, (unsigned long long)n.keys, (unsigned long long)n.blobs, (unsigned long long)n.audit_lines);
    else printf("%llu records\n", (unsigned long long)n.records);
    return EXIT_DONE;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'}, {"check-config", no_argument, NULL, 'k'},
                                            {"verify-audit", required_argument, NULL, 'a'}, {"version", no_argument, NULL, 'v'},
                                            {"help", no_argument, NULL, 'h'}, {"file", required_argument, NULL, 'f'},
                                            {"new-config", required_argument, NULL, 'w'}, {"new-kek-file", required_argument, NULL, 'n'}, {"new-passphrase-file", required_argument, NULL, 'p'}, {NULL, 0, NULL, 0}};
    const char *path = NULL;
    bool only_check = false;
    struct admin_words words = {0};
    secret_harden_process();
    for (int o; (o = getopt_long(argc, argv, "c:h", options, NULL)) != -1;) {
        switch (o) {
        case 'c': path = optarg; break;
        case 'f': words.file = optarg; break;
        case 'n': words.kek_file = optarg; break;
        case 'w': words.config = optarg; break;
        case 'p': words.passphrase_file = optarg; break;
        case 'k': only_check = true; break;
        case 'a': return verify_audit(optarg);
        case 'v': puts("poa-identity-store " POA_VERSION); return EXIT_DONE;
        case 'h': fputs(USAGE, stdout); return EXIT_DONE;
        default: fputs("see `poa-identity-store --help`\n", stderr); return EXIT_USAGE;
        }
    }
    if (optind + 1 == argc) words.command = argv[optind++];
    if (path == NULL || optind != argc || (words.command == NULL && (words.file || words.kek_file || words.passphrase_file || words.config))) {
        fputs(USAGE, stderr);
        return EXIT_USAGE;
    }
    struct config cfg;
    struct err err = {0};
    if (config_read(&cfg, path, &err) != OK) {
        fprintf(stderr, "poa-identity-store: %s\n", err_text(&err));
        return EXIT_USAGE;
    }
    log_open(2, cfg.log_level);
    int code = only_check ? check(&cfg) : words.command != NULL ? admin(&cfg, &words) : serve(&cfg);
    config_fini(&cfg);
    return code;
}
