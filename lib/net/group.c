/* group.c: the servers of one port: who gets a new connection, and how much all of them may keep for slow readers and slow writers. */
#include "lib/net/http_server_priv.h"

/* ------------------------------------------------------------------ members */

enum status group_join(struct http_server *s, struct err *err)
{
    struct group *g = s->cfg.first != NULL ? s->cfg.first->group : calloc(1, sizeof *g);
    if (g == NULL) return err_set(err, E_NOMEM, "HTTP server: out of memory");
    if (s->cfg.first == NULL) {
        (void)pthread_mutex_init(&g->lock, NULL);
        g->max_conns = s->cfg.max_connections;
        g->max_unsent = s->cfg.max_unsent;
    }
    (void)pthread_mutex_lock(&g->lock);
    const bool full = g->n == GROUP_MAX;
    if (!full) {
        g->member[g->n++] = s;
        g->refs++;
        s->group = g;
    }
    (void)pthread_mutex_unlock(&g->lock);
    return full ? err_set(err, E_LIMIT, "HTTP server: at most %d threads share a port", GROUP_MAX) : OK;
}

void group_leave(struct http_server *s)
{
    struct group *g = s->group;
    if (g == NULL) return;
    (void)pthread_mutex_lock(&g->lock);
    for (size_t i = 0; i < g->n; i++)
        if (g->member[i] == s) g->member[i] = NULL;
    const bool last = --g->refs == 0;
    (void)pthread_mutex_unlock(&g->lock);
    s->group = NULL;
    if (!last) return;
    (void)pthread_mutex_destroy(&g->lock);
    free(g);
}

struct http_server *group_choose(struct http_server *s)
{
    struct group *g = s->group;
    struct http_server *best = s;
    (void)pthread_mutex_lock(&g->lock);
    for (size_t i = 0; i < g->n; i++)
        if (g->member[i] != NULL && atomic_load(&g->member[i]->n_conns) < atomic_load(&best->n_conns)) best = g->member[i];
    (void)pthread_mutex_unlock(&g->lock);
    return best;
}

/* ------------------------------------------------------------------ answers that wait */

enum { QUIET_MS = 500 };

static void tell_unsent(struct http_server *s)
{
    if (s->unsent == s->told_unsent) return;
    atomic_fetch_add(&s->group->unsent, s->unsent - s->told_unsent); /* modulo 2^64, downwards too */
    s->told_unsent = s->unsent;
}

void conn_drop(struct conn *c, const char *reason)
{
    struct http_server *s = c->server;
    const size_t unsent = c->out_len;
    if (c->state == CONN_DEAD) return;
    conn_kill(c);
    if (s->handler.dropped) s->handler.dropped(s->handler.ctx, c->peer, reason, unsent);
}

/* the one that has let the most wait for the longest, of those that took nothing for quiet_ms */
static struct conn *slowest_reader(struct http_server *s, uint64_t quiet_ms)
{
    struct conn *worst = NULL;
    uint64_t most = 0;
    for (struct conn *c = s->conns; c != NULL; c = c->next) {
        const uint64_t quiet = s->now_ms > c->sent_ms ? s->now_ms - c->sent_ms : 0, owed = c->out_len * (quiet + 1);
        if (owed <= most || quiet < quiet_ms) continue;
        most = owed;
        worst = c;
    }
    return worst;
}

static void ring_others(struct http_server *s)
{
    struct group *g = s->group;
    (void)pthread_mutex_lock(&g->lock); /* a server that is rung is there yet */
    for (size_t i = 0; i < g->n; i++)
        if (g->member[i] != NULL && g->member[i] != s) server_ring(g->member[i]);
    (void)pthread_mutex_unlock(&g->lock);
}

/* Beyond half of the budget, who takes nothing is let go. Beyond all of it, whoever is the slowest of a thread that has its share of what waits:
 * where little waits, nobody is to pay for the others' readers. */
static struct conn *next_to_go(struct http_server *s, size_t waits)
{
    struct conn *c = slowest_reader(s, QUIET_MS);
    if (c == NULL && waits > s->group->max_unsent && s->unsent >= waits / s->group->n) c = slowest_reader(s, 0);
    return c;
}

void group_check_unsent(struct http_server *s)
{
    struct group *g = s->group;
    tell_unsent(s);
    for (size_t waits; (waits = atomic_load(&g->unsent)) > g->max_unsent / 2;) {
        struct conn *c = next_to_go(s, waits);
        if (c == NULL) {
            if (waits > g->max_unsent) ring_others(s); /* the others look at the next tick anyway */
            return;
        }
        conn_drop(c, "slow reader: the answers that wait for all clients together are at their limit");
        tell_unsent(s);
    }
}

/* ------------------------------------------------------------------ requests that are not whole */

void conn_count_input(struct conn *c)
{
    struct http_server *s = c->server;
    if (c->state == CONN_DEAD) return; /* conn_bury has, or will */
    const size_t all = c->req.body.cap + c->in.cap + (c->ws != NULL ? c->ws->n_fed : 0), counted = all > INPUT_SMALL ? all : 0;
    s->n_input += counted - c->n_input;
    c->n_input = counted;
}

static void tell_input(struct http_server *s)
{
    if (s->n_input == s->told_input) return;
    atomic_fetch_add(&s->group->n_input, s->n_input - s->told_input);
    s->told_input = s->n_input;
}

static struct conn *largest_writer(struct http_server *s)
{
    struct conn *worst = NULL;
    for (struct conn *c = s->conns; c != NULL; c = c->next)
        if (!c->pending && c->n_input > (worst != NULL ? worst->n_input : 0)) worst = c;
    return worst;
}

void group_check_input(struct http_server *s)
{
    struct group *g = s->group;
    tell_input(s);
    while (atomic_load(&g->n_input) > g->max_unsent) {
        struct conn *c = largest_writer(s);
        if (c == NULL) return; /* those of other threads, which look at every tick */
        conn_drop(c, "large request: those of all clients together that are not whole are at their limit");
        tell_input(s);
    }
}

size_t http_server_unsent(const struct http_server *s)
{
    return atomic_load(&s->group->unsent);
}
