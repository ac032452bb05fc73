/* ssh_priv.h: what the files of the ssh target share (ssh.h says which does what). */
#ifndef ORCHESTRATOR_TARGET_SSH_PRIV_H
#define ORCHESTRATOR_TARGET_SSH_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "orchestrator/target/ssh.h"

enum {
    SSH_HOSTS_MAX = TARGET_INSTANCES_MAX + TARGET_REGIONS_MAX + 1,
    SSH_AT_ONCE = 16,           /* hosts that are worked on at the same time */
    SSH_CONNECT_MS = 10000,
    SSH_LOOK_MS = 3000,         /* the same for `status` */
    SSH_QUIET_MS = 60000,       /* a command that says nothing for so long has failed */
    SSH_ANSWER_MAX = 1 << 20,   /* of a command of ours */
    SSH_KEY_FILE_MAX = 64 << 10,
    SSH_SCRIPT_MAX = 24 << 10,  /* host.sh: it goes into one SSH packet */
    SSH_DISK_MIN_KB = 1 << 20,
    SSH_DISK_OPT_MIN_KB = 64 << 10,
    SSH_SKEW_MAX_MS = 1000,
    SSH_LOG_MAX = 8 << 20, /* of each program, its end */
};

/* ------------------------------------------------------------- connection */

struct ssh_login {
    const char *user;
    const char *key_file;      /* NULL: the agent, then ~/.ssh/id_ed25519 and id_ecdsa */
    const char *password_file; /* NULL: no password */
    const char *pins;          /* "ADDRESS=SHA256:...,ADDRESS=..." */
    const char *known_hosts;   /* file, "" : none */
    bool trust_new;
    int connect_ms; /* 0: SSH_CONNECT_MS */
    pthread_mutex_t *known_lock; /* of the file */
};

struct ssh_conn;

/** ssh_conn_open: connect, check the host's key, log in.  ret OK | E_NET, E_TIMEOUT: not reached | E_CRYPTO: the host's key is not the one it
 *  must be, or is not known | E_DENIED: the log-in is refused; err names the host and what to do */
MUST_CHECK enum status ssh_conn_open(struct ssh_conn **out, const char *host, uint16_t port, const struct ssh_login *login, struct err *err);
void ssh_conn_close(struct ssh_conn *c);
/** ssh_key_is_rsa: is a private key file (OpenSSH's own form, PKCS #1 or #8 in PEM, not encrypted) of an RSA key? */
bool ssh_key_is_rsa(bytes file);
/** ssh_conn_run: a shell command. in: all of its stdin, from `read` (NULL: none).
 *  out: stdout appended, err_out: stderr appended (its end, if it is long).  ret OK: it ran, *code is its exit code, 255 if a signal ended it | E_NET, E_TIMEOUT: the connection broke */
struct ssh_input {
    /** read: up to n bytes to dst; 0 at the end, -1: failed */
    ssize_t (*read)(void *arg, uint8_t *dst, size_t n);
    void *arg;
};
MUST_CHECK enum status ssh_conn_run(struct ssh_conn *c, const char *command, const struct ssh_input *in, struct buf *out, struct buf *err_out,
                                    int *code, struct err *err);
/** ssh_write: takes a piece of a stream as it comes; false: it cannot be kept, errno says why */
typedef bool (*ssh_write)(void *arg, bytes piece);
/** ssh_conn_run_to: as ssh_conn_run, stdout to `write`.  ret also E_IO: it could not be kept */
MUST_CHECK enum status ssh_conn_run_to(struct ssh_conn *c, const char *command, const struct ssh_input *in, ssh_write write, void *arg, struct buf *err_out,
                                       int *code, struct err *err);
/** ssh_conn_stream: a command whose stdout goes to `write` as it comes, until it ends, or *stop */
MUST_CHECK enum status ssh_conn_stream(struct ssh_conn *c, const char *command, ssh_write write, void *arg, const atomic_bool *stop, struct err *err);

/* ------------------------------------------------------------------ hosts */

enum ssh_role { SSH_NODE = 1, SSH_STORE = 2, SSH_BALANCER = 4, SSH_ALL = 7 };

struct ssh_host {
    char user[65], address[16];
    uint16_t port;
    unsigned roles;         /* of enum ssh_role */
    unsigned balances;      /* bit r - 1: region r */
    size_t instance;        /* of a node: index in target.instances */
    struct ssh_conn *conn;
    bool is_left_out;       /* ssh_each passes it over */
    /* of the work that goes on */
    atomic_uint percent;    /* of an upload; 0: nothing to show */
    enum status status;
    struct err err;
    /* facts of the preflight */
    char haproxy[200], release[65], before[65];
    bool has_data, is_active; /* a chain or a store's data is there; a unit of ours runs */
};

struct ssh_target {
    struct target *t;
    struct ssh_host hosts[SSH_HOSTS_MAX];
    size_t n;
    char *script;     /* host.sh */
    char known_hosts[4096];
    char default_user[65];
    pthread_mutex_t known_lock;
    struct ssh_login login;
    char package[4096], package_sha256[65];
    bool package_is_deb;
};

static inline struct ssh_target *ssh_of(struct target *t)
{
    return t->self;
}
/** ssh_target_new: who logs in and how, by the settings, as yet without hosts; t->self is to become it. ssh_target_free(NULL) is fine. */
MUST_CHECK enum status ssh_target_new(struct ssh_target **out, struct target *t, struct err *err);
void ssh_target_free(struct ssh_target *s);
/** ssh_hosts_parse: hosts of the settings, with their roles; the target's addresses are set by them */
MUST_CHECK enum status ssh_hosts_parse(struct ssh_target *s, const struct settings *settings, struct err *err);
/** ssh_each: work on all hosts that have one of the roles, SSH_AT_ONCE of them at a time, each in a thread of its own; a connection is opened if
 *  there is none. Progress goes to the report's running step.  ret OK | the status of the first that failed; err names all that failed. */
typedef enum status (*ssh_work)(struct ssh_target *s, struct ssh_host *h, void *arg, struct err *err);
MUST_CHECK enum status ssh_each(struct ssh_target *s, unsigned roles, ssh_work work, void *arg, struct err *err);
/** ssh_verb: a verb of host.sh. in may be empty. out: its lines; ret OK | E_CONFLICT: exit code 3 | E_IO: another one, err has its last line of stderr */
MUST_CHECK enum status ssh_verb(struct ssh_target *s, struct ssh_host *h, struct buf *out, bytes in, struct err *err, const char *verb, ...)
    __attribute__((sentinel));
/** ssh_verb_put: a verb whose stdin is a file from byte `from` on; h->percent goes along. args: NULL behind the last.  ret as ssh_verb */
MUST_CHECK enum status ssh_verb_put(struct ssh_target *s, struct ssh_host *h, const char *file, off_t from, struct err *err, const char *verb, const char *const *args);
/** ssh_verb_get: a verb whose stdout becomes a new file of mode 0600, on disk on return; an empty one is not left, *has (may be NULL) tells.
 *  ret as ssh_verb | E_EXISTS, E_IO ...: the file; it is not left */
MUST_CHECK enum status ssh_verb_get(struct ssh_target *s, struct ssh_host *h, const char *file, bool *has, struct err *err, const char *verb, const char *const *args);
/** ssh_command: the line that runs verb with arguments there, as root; malloc */
char *ssh_command(const struct ssh_target *s, const struct ssh_host *h, const char *verb, const char *const *args);
/** ssh_line: value of the first line key=value of an answer; false: none */
bool ssh_line(char *dst, size_t cap, const struct buf *answer, const char *key);
MUST_CHECK enum status ssh_connect(struct ssh_target *s, struct ssh_host *h, struct err *err);

/* ---------------------------------------------------------------- package */

/** ssh_package_prepare: hosts.package, its sha256 checked if one is pinned; or the programs beside this one as local/package.tar.gz */
MUST_CHECK enum status ssh_package_prepare(struct ssh_target *s, const char *file, const char *sha256_hex, struct err *err);
/** ssh_package_upload: (of ssh_each) the package to the host, from where an earlier upload stopped, and laid out there */
MUST_CHECK enum status ssh_package_upload(struct ssh_target *s, struct ssh_host *h, void *arg, struct err *err);

/* ---------------------------------------------------------- place and live */

MUST_CHECK enum status ssh_preflight(struct target *t, struct err *err);
MUST_CHECK enum status ssh_place(struct target *t, const struct target_job *job, struct err *err);
MUST_CHECK enum status ssh_clear(struct target *t, struct err *err);
/** ssh_units: names of the units of a host's roles, in the order of their start; NULL behind the last */
void ssh_units(const char *dst[static 4], const struct ssh_host *h);

MUST_CHECK enum status ssh_up(struct target *t, bool *already, struct err *err);
MUST_CHECK enum status ssh_down(struct target *t, bool *already, struct err *err);
MUST_CHECK enum status ssh_destroy(struct target *t, json_t *stays, struct err *err);
MUST_CHECK enum status ssh_programs(json_t **out, struct target *t, struct err *err);
MUST_CHECK enum status ssh_logs(struct target *t, const char *dir, const char *instance, uint64_t since_ms, bool follow, struct err *err);
MUST_CHECK enum status ssh_run(struct target *t, const struct target_run *r, struct err *err);
MUST_CHECK enum status ssh_upgrade(struct target *t, const struct target_upgrade *u, size_t *changed, struct err *err);

/* ------------------------------------------------------------------- keep */

/** ssh_pull_snapshot: the chain's database of host h to a new file; user and program are those of its node */
MUST_CHECK enum status ssh_pull_snapshot(struct ssh_target *s, struct ssh_host *h, const char *user, const char *program, const char *file, struct err *err);
MUST_CHECK enum status ssh_snapshot(struct target *t, const struct target_instance *in, const char *file, struct err *err);
MUST_CHECK enum status ssh_keep(struct target *t, const char *dir, struct err *err);
MUST_CHECK enum status ssh_import(struct target *t, const char *file, const char *spec_file, struct err *err);
MUST_CHECK enum status ssh_restore(struct target *t, const json_t *resources, const char *dir, struct err *err);
/** ssh_load: (of ssh_place) what ssh_keep brought, and the chain, to the hosts; units do not run yet */
MUST_CHECK enum status ssh_load(struct target *t, const char *dir, struct err *err);

#endif
