/* ssh_hosts.c: who the hosts are and what each is for; verbs of host.sh; work on many of them at once. */
#include "lib/base/clock.h"
#include "orchestrator/target/ssh_priv.h"

#include <arpa/inet.h>
#include <unistd.h>

enum { COMMAND_MAX = 40 << 10 };

/* ------------------------------------------------------------------- list */

/* "user@10.0.0.1:2222" -> a host; settings.def has checked its form but for the numbers */
static enum status parse_one(struct ssh_host *h, const char *text, size_t len, const char *user, struct err *err)
{
    char copy[160];
    struct in_addr a;
    (void)snprintf(copy, sizeof copy, "%.*s", (int)len, text);
    char *at = strchr(copy, '@'), *host = at == NULL ? copy : at + 1, *colon = strchr(host, ':');
    unsigned long port = 22;
    if (at != NULL) *at = '\0';
    if (colon != NULL) {
        *colon = '\0';
        port = strtoul(colon + 1, NULL, 10);
    }
    if (inet_pton(AF_INET, host, &a) != 1 || port < 1 || port > 65535)
        return err_set(err, E_INVALID, "--hosts (hosts.nodes): '%.*s' is no IPv4 address with a port from 1 to 65535", (int)len, text);
    *h = (struct ssh_host){.port = (uint16_t)port, .instance = SIZE_MAX};
    (void)snprintf(h->user, sizeof h->user, "%.64s", at == NULL ? user : copy);
    (void)snprintf(h->address, sizeof h->address, "%.15s", host);
    return OK;
}

/* the host of that address, added if it is new */
static enum status host_of(struct ssh_host **out, struct ssh_target *s, const char *text, size_t len, const char *user, struct err *err)
{
    struct ssh_host h;
    enum status st = parse_one(&h, text, len, user, err);
    if (st != OK) return st;
    for (size_t i = 0; i < s->n; i++)
        if (strcmp(s->hosts[i].address, h.address) == 0) {
            *out = &s->hosts[i];
            return OK;
        }
    if (s->n == SSH_HOSTS_MAX) return err_set(err, E_LIMIT, "more than %d hosts", SSH_HOSTS_MAX);
    s->hosts[s->n] = h;
    *out = &s->hosts[s->n++];
    return OK;
}

enum status ssh_hosts_parse(struct ssh_target *s, const struct settings *settings, struct err *err)
{
    const char *list = SETTING(settings, hosts), *user = SETTING(settings, vm_user), *store = SETTING(settings, store_host);
    const char *balancers = SETTING(settings, balancers);
    size_t regions = (size_t)SETTING_INT_OF(settings, regions), nodes = (size_t)SETTING_INT_OF(settings, nodes), n = 0;
    struct ssh_host *h;
    enum status st = OK;
    for (const char *p = list; st == OK && *p != '\0'; p += strcspn(p, ","), p += *p == ',') {
        st = host_of(&h, s, p, strcspn(p, ","), user, err);
        if (st == OK && s->n == n) st = err_set(err, E_INVALID, "--hosts (hosts.nodes): %s stands there twice: a host runs one node", h->address);
        if (st == OK) {
            h->roles = SSH_NODE;
            h->instance = n++;
        }
    }
    if (st == OK && n != regions * nodes)
        st = err_set(err, E_INVALID, "--hosts (hosts.nodes): %zu hosts are named, but --regions %zu with --nodes %zu each need %zu: one host a node, the first %zu are region 1",
                     n, regions, nodes, regions * nodes, nodes);
    if (st == OK) st = host_of(&h, s, *store != '\0' ? store : list, strcspn(*store != '\0' ? store : list, ","), user, err);
    if (st != OK) return st;
    h->roles |= SSH_STORE;
    (void)snprintf(s->t->store_address, sizeof s->t->store_address, "%s", h->address);
    (void)snprintf(s->t->store_url, sizeof s->t->store_url, "https://%s:%d", h->address, TARGET_STORE_PORT);
    const char *p = balancers;
    for (size_t r = 0; r < regions; r++) {
        if (*balancers == '\0') {
            h = &s->hosts[r * nodes];
        } else {
            if (*p == '\0') return err_set(err, E_INVALID, "--balancers (hosts.balancers): name one for each of the %zu regions, or none", regions);
            st = host_of(&h, s, p, strcspn(p, ","), user, err);
            if (st != OK) return st;
            p += strcspn(p, ",");
            p += *p == ',';
        }
        h->roles |= SSH_BALANCER;
        h->balances |= 1U << r;
        /* beside a node, whose ports those are */
        if ((h->roles & SSH_NODE) != 0) {
            s->t->rpc_port = 18545;
            s->t->ws_port = 18546;
        }
        (void)snprintf(s->t->balancer[r], sizeof s->t->balancer[r], "%s", h->address);
    }
    if (*p != '\0') return err_set(err, E_INVALID, "--balancers (hosts.balancers): more than one for each of the %zu regions", regions);
    for (size_t i = 0; i < s->n; i++)
        if (__builtin_popcount(s->hosts[i].balances) > 1)
            return err_set(err, E_INVALID, "--balancers (hosts.balancers): %s would balance two regions: each needs a host of its own", s->hosts[i].address);
    return OK;
}

void ssh_units(const char *dst[static 4], const struct ssh_host *h)
{
    size_t n = 0;
    if ((h->roles & SSH_STORE) != 0) dst[n++] = "poa-identity-store";
    if ((h->roles & SSH_BALANCER) != 0) dst[n++] = "poa-haproxy";
    if ((h->roles & SSH_NODE) != 0) dst[n++] = "poa-node";
    dst[n] = NULL;
}

/* ------------------------------------------------------------------ verbs */

static void quote(struct buf *b, const char *text)
{
    buf_put_u8(b, '\'');
    for (; *text != '\0'; text++) {
        if (*text == '\'') buf_put_str(b, "'\\''");
        else buf_put_u8(b, (uint8_t)*text);
    }
    buf_put_u8(b, '\'');
}

char *ssh_command(const struct ssh_target *s, const struct ssh_host *h, const char *verb, const char *const *args)
{
    struct buf b;
    buf_init(&b, COMMAND_MAX);
    buf_put_str(&b, strcmp(h->user, "root") == 0 ? "exec sh -c " : "exec sudo -n sh -c ");
    quote(&b, s->script);
    buf_put_str(&b, " poa-host ");
    quote(&b, verb);
    for (; *args != NULL; args++) {
        buf_put_u8(&b, ' ');
        quote(&b, *args);
    }
    const char *text = buf_cstr(&b);
    char *copy = b.status == OK ? strdup(text) : NULL;
    buf_fini(&b);
    return copy;
}

struct memory {
    bytes left;
};

static ssize_t read_memory(void *arg, uint8_t *dst, size_t n)
{
    struct memory *m = arg;
    if (n > m->left.len) n = m->left.len;
    if (n > 0) memcpy(dst, m->left.ptr, n);
    m->left = bytes_make(m->left.ptr + n, m->left.len - n);
    return (ssize_t)n;
}

/* the last line of what a command complained */
static void last_line(char dst[static 400], struct buf *text)
{
    while (text->len > 0 && (text->ptr[text->len - 1] == '\n' || text->ptr[text->len - 1] == '\r'))
        text->len--;
    const char *all = buf_cstr(text), *nl = strrchr(all, '\n');
    (void)snprintf(dst, 400, "%.399s", nl == NULL ? all : nl + 1);
}

enum status ssh_verb(struct ssh_target *s, struct ssh_host *h, struct buf *out, bytes in, struct err *err, const char *verb, ...)
{
    const char *args[40];
    size_t n = 0;
    va_list ap;
    va_start(ap, verb);
    do {
        args[n] = va_arg(ap, const char *);
    } while (args[n++] != NULL && n < COUNT_OF(args));
    va_end(ap);
    args[n - 1] = NULL;
    char *command = ssh_command(s, h, verb, args);
    if (command == NULL) return err_set(err, E_LIMIT, "templates/ssh/host.sh is too long for one command");
    struct memory m = {in};
    const struct ssh_input input = {read_memory, &m};
    struct buf answer, complaint;
    buf_init(&answer, SSH_ANSWER_MAX);
    buf_init(&complaint, 16 << 10);
    int code = 0;
    enum status st = ssh_conn_run(h->conn, command, &input, out == NULL ? &answer : out, &complaint, &code, err);
    if (st == OK && code != 0) {
        char text[400];
        last_line(text, &complaint);
        if (code == 3) st = err_set(err, E_CONFLICT, "%s: %s: %s", h->address, verb, text);
        else if (strstr(text, "sudo:") != NULL)
            st = err_set(err, E_DENIED, "%s: %s may not become root without a password (%s): log in as root, or allow `%s ALL=(ALL) NOPASSWD: ALL` in /etc/sudoers.d", h->address, h->user, text, h->user);
        else if (strstr(text, "No space left") != NULL) st = err_set(err, E_NOSPACE, "%s: the disk is full: %s", h->address, text);
        else st = err_set(err, E_IO, "%s: %s failed with %d: %s", h->address, verb, code, text);
    }
    free(command);
    buf_fini(&answer);
    buf_fini(&complaint);
    return st;
}

bool ssh_line(char *dst, size_t cap, const struct buf *answer, const char *key)
{
    size_t k = strlen(key);
    for (size_t at = 0; at < answer->len;) {
        const uint8_t *line = answer->ptr + at, *nl = memchr(line, '\n', answer->len - at);
        size_t n = nl == NULL ? answer->len - at : (size_t)(nl - line);
        if (n > k && memcmp(line, key, k) == 0 && line[k] == '=') {
            (void)snprintf(dst, cap, "%.*s", (int)(n - k - 1), (const char *)line + k + 1);
            return true;
        }
        at += n + 1;
    }
    return false;
}

/* --------------------------------------------------------------- at once */

enum status ssh_connect(struct ssh_target *s, struct ssh_host *h, struct err *err)
{
    if (h->conn != NULL) return OK;
    struct ssh_login login = s->login;
    login.user = h->user;
    return ssh_conn_open(&h->conn, h->address, h->port, &login, err);
}

struct worker {
    struct ssh_target *s;
    struct ssh_host *h;
    ssh_work work;
    void *arg;
    pthread_t thread;
    bool is_started, is_joined, is_left_out;
    atomic_bool is_done;
};

static void *work_main(void *arg)
{
    struct worker *w = arg;
    struct ssh_host *h = w->h;
    h->err = (struct err){0};
    h->status = w->work == NULL ? ssh_connect(w->s, h, &h->err) : w->work(w->s, h, w->arg, &h->err);
    /* a connection that broke is of no more use */
    if (h->status == E_NET || h->status == E_TIMEOUT) {
        ssh_conn_close(h->conn);
        h->conn = NULL;
    }
    atomic_store(&h->percent, 0);
    atomic_store(&w->is_done, true);
    return NULL;
}

/* "2 of 4 hosts; 10.0.0.3 43 %" */
static void say(struct report *r, struct worker *w, size_t n, size_t done)
{
    for (size_t i = 0; i < n; i++) {
        unsigned percent = atomic_load(&w[i].h->percent);
        if (!w[i].is_started || w[i].is_joined || percent == 0) continue;
        report_note(r, "%zu of %zu hosts; %s %u %%", done, n, w[i].h->address, percent);
        return;
    }
    report_note(r, "%zu of %zu hosts", done, n);
}

static enum status verdict(struct worker *w, size_t n, struct err *err)
{
    enum status first = OK;
    size_t bad = 0;
    char all[900] = "";
    for (size_t i = 0; i < n; i++) {
        const struct ssh_host *h = w[i].h;
        if (h->status == OK) continue;
        if (first == OK) first = h->status;
        size_t at = strlen(all);
        bad++;
        (void)snprintf(all + at, sizeof all - at, "%s%.880s", at == 0 ? "" : "; ", h->err.text[0] != '\0' ? h->err.text : status_text(h->status));
    }
    if (first == OK) return OK;
    return bad == 1 ? err_set(err, first, "%s", all) : err_set(err, first, "%zu of %zu hosts: %s", bad, n, all);
}

/* all workers that are due, to their end */
static void go(struct ssh_target *s, struct worker *w, size_t n)
{
    size_t begun = 0, done = 0;
    while (done < n) {
        while (begun < n && begun - done < SSH_AT_ONCE) {
            struct worker *x = &w[begun++];
            x->is_joined = x->is_left_out;
            x->is_started = !x->is_joined && pthread_create(&x->thread, NULL, work_main, x) == 0;
            if (!x->is_started && !x->is_joined) {
                x->h->status = err_set(&x->h->err, E_NOMEM, "%s: no thread for it", x->h->address);
                x->is_joined = true;
            }
            done += x->is_joined;
        }
        for (size_t i = 0; i < begun; i++) {
            if (w[i].is_joined || !atomic_load(&w[i].is_done)) continue;
            pthread_join(w[i].thread, NULL);
            w[i].is_joined = true;
            done++;
        }
        say(s->t->env.report, w, n, done);
        if (done < n) clock_sleep_ms(5);
    }
}

enum status ssh_each(struct ssh_target *s, unsigned roles, ssh_work work, void *arg, struct err *err)
{
    static const size_t most = SSH_HOSTS_MAX;
    struct worker *w = calloc(most, sizeof *w);
    if (w == NULL) return err_set(err, E_NOMEM, "no memory");
    size_t n = 0;
    bool forged = false;
    for (size_t i = 0; i < s->n; i++)
        if ((s->hosts[i].roles & roles) != 0 && !s->hosts[i].is_left_out) w[n++] = (struct worker){.s = s, .h = &s->hosts[i]};
    /* SECURITY: where one host is not the one it should be, nothing happens on the others either */
    go(s, w, n);
    for (size_t i = 0; i < n; i++)
        forged = forged || w[i].h->status == E_CRYPTO;
    for (size_t i = 0; i < n; i++)
        w[i] = (struct worker){.s = s, .h = w[i].h, .work = work, .arg = arg, .is_left_out = w[i].h->status != OK};
    if (!forged) go(s, w, n);
    enum status st = verdict(w, n, err);
    free(w);
    return st;
}
