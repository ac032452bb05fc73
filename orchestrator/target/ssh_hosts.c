/* ssh_hosts.c: who the hosts are and what each is for; work on many of them at once. */
#include "lib/base/clock.h"
#include "orchestrator/target/ssh_priv.h"

#include <arpa/inet.h>
#include <unistd.h>

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
