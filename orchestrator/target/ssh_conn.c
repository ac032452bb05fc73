/* ssh_conn.c: one connection: TCP, the host's key, the log-in, commands. Blocking, with a time-out on each wait; one thread at a time. */
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/secret.h"
#include "lib/codec/base64.h"
#include "lib/crypto/aead.h"
#include "orchestrator/target/ssh_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libssh2.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PIECE = 32 << 10, STREAM_MS = 300, FINGERPRINT = 52 /* "SHA256:" + 43 + NUL, rounded up */ };

struct ssh_conn {
    LIBSSH2_SESSION *session;
    int fd;
    char host[64];
    uint16_t port;
};

/* what libssh2 says last, for a person */
static const char *why(const struct ssh_conn *c)
{
    char *text = NULL;
    if (c->session == NULL || libssh2_session_last_error(c->session, &text, NULL, 0) == 0 || text == NULL || *text == '\0') return "the connection broke";
    return text;
}

/* -------------------------------------------------------------------- TCP */

static enum status dial(struct ssh_conn *c, int wait_ms, struct err *err)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(c->port)};
    if (inet_pton(AF_INET, c->host, &sa.sin_addr) != 1) return err_set(err, E_INVALID, "%s: no IPv4 address", c->host);
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->fd < 0) return err_set(err, status_from_errno(errno), "%s: %s", c->host, strerror(errno));
    int one = 1, e = 0;
    socklen_t n = sizeof e;
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(c->fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    if (connect(c->fd, (struct sockaddr *)&sa, sizeof sa) != 0 && errno != EINPROGRESS) e = errno;
    struct pollfd p = {.fd = c->fd, .events = POLLOUT};
    if (e == 0 && poll(&p, 1, wait_ms) == 0)
        return err_set(err, E_TIMEOUT, "%s:%u does not answer within %d s: is the host up, and its SSH port open to this machine?", c->host, c->port, wait_ms / 1000);
    if (e == 0) getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &e, &n);
    if (e != 0) return err_set(err, E_NET, "%s:%u cannot be reached: %s. Is the host up, and does sshd listen there?", c->host, c->port, strerror(e));
    fcntl(c->fd, F_SETFL, fcntl(c->fd, F_GETFL) & ~O_NONBLOCK);
    return OK;
}

/* --------------------------------------------------------------- host key */

/* "10.0.0.1=SHA256:..." in a list: the fingerprint, NULL: none */
static const char *pin_of(const char *pins, const char *host)
{
    size_t n = strlen(host);
    for (const char *p = pins; p != NULL && *p != '\0'; p = strchr(p, ','), p = p == NULL ? NULL : p + 1)
        if (strncmp(p, host, n) == 0 && p[n] == '=') return p + n + 1;
    return NULL;
}

static bool same_pin(const char *pin, const char *have)
{
    size_t n = strcspn(pin, ",=");
    return n == strlen(have) && memcmp(pin, have, n) == 0;
}

static int known_type(int type)
{
    switch (type) {
    case LIBSSH2_HOSTKEY_TYPE_RSA: return LIBSSH2_KNOWNHOST_KEY_SSHRSA;
    case LIBSSH2_HOSTKEY_TYPE_ECDSA_256: return LIBSSH2_KNOWNHOST_KEY_ECDSA_256;
    case LIBSSH2_HOSTKEY_TYPE_ECDSA_384: return LIBSSH2_KNOWNHOST_KEY_ECDSA_384;
    case LIBSSH2_HOSTKEY_TYPE_ECDSA_521: return LIBSSH2_KNOWNHOST_KEY_ECDSA_521;
    case LIBSSH2_HOSTKEY_TYPE_ED25519: return LIBSSH2_KNOWNHOST_KEY_ED25519;
    default: return LIBSSH2_KNOWNHOST_KEY_UNKNOWN;
    }
}

static enum status save_known(LIBSSH2_KNOWNHOSTS *known, const struct ssh_conn *c, const struct ssh_login *login, const char *key, size_t len, int type,
                              struct err *err)
{
    char name[80];
    if (c->port == 22) (void)snprintf(name, sizeof name, "%s", c->host);
    else (void)snprintf(name, sizeof name, "[%s]:%u", c->host, c->port);
    int mask = LIBSSH2_KNOWNHOST_TYPE_PLAIN | LIBSSH2_KNOWNHOST_KEYENC_RAW | known_type(type);
    if (libssh2_knownhost_addc(known, name, NULL, key, len, NULL, 0, mask, NULL) != 0 ||
        libssh2_knownhost_writefile(known, login->known_hosts, LIBSSH2_KNOWNHOST_FILE_OPENSSH) != 0)
        return err_set(err, E_IO, "%s: its host key cannot be noted in %s", c->host, login->known_hosts);
    return OK;
}

/* SECURITY: nothing is said to the host before this holds */
static enum status check_host_key(struct ssh_conn *c, const struct ssh_login *login, struct err *err)
{
    size_t len = 0;
    int type = 0;
    const char *key = libssh2_session_hostkey(c->session, &len, &type), *pin = pin_of(login->pins, c->host);
    if (key == NULL) return err_set(err, E_CRYPTO, "%s gives no host key", c->host);
    uint8_t digest[32];
    char have[FINGERPRINT];
    struct buf text;
    buf_init(&text, 128);
    sha256(digest, key, len);
    base64_append(&text, bytes_make(digest, sizeof digest), false);
    (void)snprintf(have, sizeof have, "SHA256:%.43s", buf_cstr(&text));
    buf_fini(&text);
    if (pin != NULL) {
        if (same_pin(pin, have)) return OK;
        return err_set(err, E_CRYPTO,
                       "%s: WRONG HOST KEY: the host shows %s, --host-keys (hosts.hostKeys) wants %.*s. Someone may stand in between, or the host was set up anew; nothing was sent to it",
                       c->host, have, (int)strcspn(pin, ","), pin);
    }
    LIBSSH2_KNOWNHOSTS *known = libssh2_knownhost_init(c->session);
    if (known == NULL) return err_set(err, E_NOMEM, "no memory");
    pthread_mutex_lock(login->known_lock);
    enum status s = OK;
    if (login->known_hosts[0] != '\0' && file_exists(login->known_hosts) &&
        libssh2_knownhost_readfile(known, login->known_hosts, LIBSSH2_KNOWNHOST_FILE_OPENSSH) < 0)
        s = err_set(err, E_CORRUPT, "%s cannot be read: a line of it has no form that OpenSSH writes", login->known_hosts);
    int mask = LIBSSH2_KNOWNHOST_TYPE_PLAIN | LIBSSH2_KNOWNHOST_KEYENC_RAW | known_type(type);
    int verdict = s != OK ? LIBSSH2_KNOWNHOST_CHECK_FAILURE : libssh2_knownhost_checkp(known, c->host, c->port, key, len, mask, NULL);
    if (s != OK) {
    } else if (verdict == LIBSSH2_KNOWNHOST_CHECK_MISMATCH) {
        s = err_set(err, E_CRYPTO,
                    "%s: WRONG HOST KEY: the host shows %s, another one stands in %s. Someone may stand in between, or the host was set up anew (then remove its line there); nothing was sent to it",
                    c->host, have, login->known_hosts);
    } else if (verdict == LIBSSH2_KNOWNHOST_CHECK_NOTFOUND && login->trust_new) {
        s = save_known(known, c, login, key, len, type, err);
    } else if (verdict != LIBSSH2_KNOWNHOST_CHECK_MATCH) {
        s = err_set(err, E_CRYPTO,
                    "%s: its host key is not known: it shows %s. Compare it on the host (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), then pin it: --host-keys %s=%s (hosts.hostKeys); --trust-on-first-use true takes what comes",
                    c->host, have, c->host, have);
    }
    pthread_mutex_unlock(login->known_lock);
    libssh2_knownhost_free(known);
    return s;
}

/* ----------------------------------------------------------------- log in */

static bool try_agent(struct ssh_conn *c, const char *user)
{
    if (getenv("SSH_AUTH_SOCK") == NULL) return false;
    LIBSSH2_AGENT *agent = libssh2_agent_init(c->session);
    struct libssh2_agent_publickey *key = NULL, *before = NULL;
    bool ok = false;
    if (agent != NULL && libssh2_agent_connect(agent) == 0 && libssh2_agent_list_identities(agent) == 0)
        while (!ok && libssh2_agent_get_identity(agent, &key, before) == 0) {
            ok = libssh2_agent_userauth(agent, user, key) == 0;
            before = key;
        }
    if (agent != NULL) {
        libssh2_agent_disconnect(agent);
        libssh2_agent_free(agent);
    }
    return ok;
}

static bool try_key(struct ssh_conn *c, const char *user, const char *file)
{
    return file_exists(file) && libssh2_userauth_publickey_fromfile_ex(c->session, user, (unsigned)strlen(user), NULL, file, NULL) == 0;
}

static bool try_password(struct ssh_conn *c, const char *user, const char *file)
{
    struct buf text;
    buf_init(&text, 1024);
    bool ok = false;
    if (file_read(&text, file, NULL) == OK) {
        while (text.len > 0 && (text.ptr[text.len - 1] == '\n' || text.ptr[text.len - 1] == '\r'))
            text.len--;
        ok = libssh2_userauth_password_ex(c->session, user, (unsigned)strlen(user), (const char *)text.ptr, (unsigned)text.len, NULL) == 0;
    }
    if (text.ptr != NULL) secret_wipe(text.ptr, text.cap);
    buf_fini(&text);
    return ok;
}

bool ssh_key_is_rsa(bytes file)
{
    static const uint8_t oid[] = {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01}; /* rsaEncryption, RFC 8017 */
    static const uint8_t name[] = {0, 0, 0, 7, 's', 's', 'h', '-', 'r', 's', 'a'};                   /* RFC 4253, 6.6 */
    static const char begin[] = "-----BEGIN ", pkcs1[] = "RSA PRIVATE KEY-----";
    const uint8_t *at = file.len == 0 ? NULL : memmem(file.ptr, file.len, begin, strlen(begin));
    if (at == NULL) return false;
    at += strlen(begin);
    size_t left = (size_t)(file.ptr + file.len - at);
    if (left >= strlen(pkcs1) && memcmp(at, pkcs1, strlen(pkcs1)) == 0) return true;
    /* what stands between the lines of dashes */
    const uint8_t *body = memchr(at, '\n', left), *end = body == NULL ? NULL : memchr(body, '-', (size_t)(file.ptr + file.len - body));
    if (end == NULL) return false;
    struct buf text, der;
    buf_init(&text, SSH_KEY_FILE_MAX);
    buf_init(&der, SSH_KEY_FILE_MAX);
    for (const uint8_t *p = body; p < end; p++)
        if (*p > ' ') buf_put_u8(&text, *p);
    bool yes = text.status == OK && base64_get(&der, buf_view(&text), false) == OK && der.len > 0 &&
               (memmem(der.ptr, der.len, oid, sizeof oid) != NULL || memmem(der.ptr, der.len, name, sizeof name) != NULL);
    if (text.ptr != NULL) secret_wipe(text.ptr, text.cap);
    if (der.ptr != NULL) secret_wipe(der.ptr, der.cap);
    buf_fini(&text);
    buf_fini(&der);
    return yes;
}

static bool is_rsa_file(const char *path)
{
    struct buf b;
    buf_init(&b, SSH_KEY_FILE_MAX);
    bool yes = file_read(&b, path, NULL) == OK && ssh_key_is_rsa(buf_view(&b));
    if (b.ptr != NULL) secret_wipe(b.ptr, b.cap);
    buf_fini(&b);
    return yes;
}

/* SPEC(RFC 8332): rsa-sha2-256 and -512 came into libssh2 with 1.11; before, it signs by SHA-1 alone, which OpenSSH 8.8 and later refuse */
static bool knows_rsa_sha2(void)
{
    return libssh2_version(0x010b00) != NULL;
}

static enum status log_in(struct ssh_conn *c, const struct ssh_login *l, struct err *err)
{
    static const char *const usual[] = {"id_ed25519", "id_ecdsa"};
    const char *home = getenv("HOME");
    if (l->password_file != NULL) {
        if (try_password(c, l->user, l->password_file)) return OK;
        return err_set(err, E_DENIED, "%s refuses the log-in of %s by the password in %s (%s)", c->host, l->user, l->password_file, why(c));
    }
    if (l->key_file != NULL) {
        if (try_key(c, l->user, l->key_file)) return OK;
        if (!knows_rsa_sha2() && is_rsa_file(l->key_file))
            return err_set(err, E_DENIED,
                           "%s refuses the log-in of %s with %s: that is an RSA key, which the libssh2 %s of this machine can use by SHA-1 signatures only, and sshd takes those no more. Take an ed25519 or ecdsa key (ssh-keygen -t ed25519), and put its public half into the user's authorized_keys there",
                           c->host, l->user, l->key_file, libssh2_version(0));
        return err_set(err, E_DENIED,
                       "%s refuses the log-in of %s with the key %s (%s). Is its public half in the user's authorized_keys there? A key with a passphrase is used through ssh-agent",
                       c->host, l->user, l->key_file, why(c));
    }
    if (try_agent(c, l->user)) return OK;
    for (size_t i = 0; home != NULL && i < COUNT_OF(usual); i++) {
        char path[4200];
        (void)snprintf(path, sizeof path, "%s/.ssh/%s", home, usual[i]);
        if (try_key(c, l->user, path)) return OK;
    }
    return err_set(err, E_DENIED,
                   "%s refuses the log-in of %s: neither a key of ssh-agent nor ~/.ssh/id_ed25519 or id_ecdsa is taken%s. Name the key by --identity-file (hosts.identityFile), or the user as USER@%s",
                   c->host, l->user, knows_rsa_sha2() ? "" : " (RSA keys are not used: the libssh2 of this machine knows no newer signatures than SHA-1 for them)", c->host);
}

enum status ssh_conn_open(struct ssh_conn **out, const char *host, uint16_t port, const struct ssh_login *login, struct err *err)
{
    struct ssh_conn *c = calloc(1, sizeof *c);
    if (c == NULL) return err_set(err, E_NOMEM, "no memory");
    c->fd = -1;
    c->port = port;
    (void)snprintf(c->host, sizeof c->host, "%s", host);
    int wait_ms = login->connect_ms > 0 ? login->connect_ms : SSH_CONNECT_MS;
    enum status s = dial(c, wait_ms, err);
    if (s == OK && (c->session = libssh2_session_init()) == NULL) s = err_set(err, E_NOMEM, "no memory");
    if (s == OK) {
        libssh2_session_set_blocking(c->session, 1);
        libssh2_session_set_timeout(c->session, wait_ms);
        IGNORE(libssh2_session_method_pref(c->session, LIBSSH2_METHOD_HOSTKEY, "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521") != 0,
               "what it knows by itself is as good");
        int e = libssh2_session_handshake(c->session, c->fd);
        if (e == LIBSSH2_ERROR_TIMEOUT) s = err_set(err, E_TIMEOUT, "%s:%u: no SSH server answers there within %d s", host, port, wait_ms / 1000);
        else if (e != 0) s = err_set(err, E_NET, "%s:%u: SSH does not come about: %s", host, port, why(c));
    }
    if (s == OK) s = check_host_key(c, login, err);
    if (s == OK) s = log_in(c, login, err);
    if (s != OK) {
        ssh_conn_close(c);
        return s;
    }
    libssh2_session_set_timeout(c->session, SSH_QUIET_MS);
    *out = c;
    return OK;
}

void ssh_conn_close(struct ssh_conn *c)
{
    if (c == NULL) return;
    if (c->session != NULL) {
        libssh2_session_set_timeout(c->session, 1000);
        IGNORE(libssh2_session_disconnect(c->session, "done") != 0, "it ends anyway");
        IGNORE(libssh2_session_free(c->session) != 0, "it ends anyway");
    }
    if (c->fd >= 0) close(c->fd);
    free(c);
}

/* --------------------------------------------------------------- commands */

static enum status broke(const struct ssh_conn *c, long e, struct err *err)
{
    if (e == LIBSSH2_ERROR_TIMEOUT) return err_set(err, E_TIMEOUT, "%s has said nothing for %d s in the middle of a command", c->host, SSH_QUIET_MS / 1000);
    return err_set(err, E_NET, "%s: the connection broke in the middle of a command: %s", c->host, why(c));
}

static enum status send_all(struct ssh_conn *c, LIBSSH2_CHANNEL *ch, const struct ssh_input *in, struct err *err)
{
    uint8_t piece[PIECE];
    for (ssize_t n; (n = in->read(in->arg, piece, sizeof piece)) != 0;) {
        if (n < 0) return err_set(err, E_IO, "%s: what is to be sent there cannot be read: %s", c->host, strerror(errno));
        for (size_t at = 0; at < (size_t)n;) {
            ssize_t k = libssh2_channel_write(ch, (const char *)piece + at, (size_t)n - at);
            if (k < 0) {
                secret_wipe(piece, sizeof piece);
                return broke(c, k, err);
            }
            at += (size_t)k;
        }
    }
    secret_wipe(piece, sizeof piece);
    return OK;
}

/* one stream to its end */
static enum status drain(struct ssh_conn *c, LIBSSH2_CHANNEL *ch, int stream, ssh_write write, void *arg, struct err *err)
{
    for (;;) {
        char piece[PIECE];
        ssize_t n = libssh2_channel_read_ex(ch, stream, piece, sizeof piece);
        if (n == 0) return OK;
        if (n < 0) return broke(c, n, err);
        if (!write(arg, bytes_make(piece, (size_t)n))) return err_set(err, E_IO, "%s: what comes from there cannot be written: %s", c->host, strerror(errno));
    }
}

/* of what a command complains its end counts */
static bool keep_end(void *arg, bytes piece)
{
    struct buf *b = arg;
    if (b->len + piece.len > b->max) buf_clear(b);
    buf_put_bytes(b, piece);
    return true;
}

static bool append(void *arg, bytes piece)
{
    struct buf *b = arg;
    buf_put_bytes(b, piece);
    return buf_status(b) == OK;
}

enum status ssh_conn_run_to(struct ssh_conn *c, const char *command, const struct ssh_input *in, ssh_write write, void *arg, struct buf *err_out, int *code, struct err *err)
{
    LIBSSH2_CHANNEL *ch = libssh2_channel_open_session(c->session);
    if (ch == NULL) return broke(c, libssh2_session_last_errno(c->session), err);
    enum status s = OK;
    int e = libssh2_channel_exec(ch, command);
    if (e != 0) s = broke(c, e, err);
    if (s == OK && in != NULL) s = send_all(c, ch, in, err);
    /* a command that ended early leaves its reason on stderr: read it, whatever became of what was sent */
    enum status sent = s;
    if (e == 0) {
        IGNORE(libssh2_channel_send_eof(ch) != 0, "it may have ended");
        s = drain(c, ch, 0, write, arg, err);
        if (s == OK) s = drain(c, ch, SSH_EXTENDED_DATA_STDERR, keep_end, err_out, err);
    }
    if (s == OK && (e = libssh2_channel_close(ch)) != 0) s = broke(c, e, err);
    if (s == OK) {
        char *signal = NULL;
        libssh2_channel_get_exit_signal(ch, &signal, NULL, NULL, NULL, NULL, NULL);
        *code = signal != NULL ? 255 : libssh2_channel_get_exit_status(ch);
        if (signal != NULL) libssh2_free(c->session, signal);
        if (sent != OK && *code == 0) s = sent;
    }
    IGNORE(libssh2_channel_free(ch) != 0, "it is done");
    return s;
}

enum status ssh_conn_run(struct ssh_conn *c, const char *command, const struct ssh_input *in, struct buf *out, struct buf *err_out, int *code,
                         struct err *err)
{
    enum status s = ssh_conn_run_to(c, command, in, append, out, err_out, code, err);
    return buf_status(out) == OK ? s : err_set(err, E_LIMIT, "%s: a command answers with more than %zu bytes", c->host, out->max);
}

enum status ssh_conn_stream(struct ssh_conn *c, const char *command, ssh_write write, void *arg, const atomic_bool *stop,
                            struct err *err)
{
    LIBSSH2_CHANNEL *ch = libssh2_channel_open_session(c->session);
    if (ch == NULL) return broke(c, libssh2_session_last_errno(c->session), err);
    enum status s = OK;
    int e = libssh2_channel_exec(ch, command);
    if (e != 0) s = broke(c, e, err);
    libssh2_session_set_timeout(c->session, STREAM_MS);
    while (s == OK && !atomic_load(stop)) {
        char piece[PIECE];
        ssize_t n = libssh2_channel_read(ch, piece, sizeof piece);
        if (n == LIBSSH2_ERROR_TIMEOUT || n == LIBSSH2_ERROR_EAGAIN) continue;
        if (n == 0 && libssh2_channel_eof(ch)) break;
        if (n < 0) s = broke(c, n, err);
        else if (n > 0 && !write(arg, bytes_make(piece, (size_t)n))) break;
    }
    libssh2_session_set_timeout(c->session, SSH_QUIET_MS);
    IGNORE(libssh2_channel_free(ch) != 0, "it is done");
    return s;
}
