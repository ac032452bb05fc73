/* Whom to dial, when: targets with a back-off each. */
#include "node/p2p/p2p_priv.h"

struct target *target_find(const struct p2p *p, const uint8_t pub[static 64])
{
    for (size_t i = 0; i < p->n_targets; i++)
        if (memcmp(p->targets[i]->enode.pub, pub, 64) == 0) return p->targets[i];
    return NULL;
}

static size_t count_kind(const struct p2p *p, enum target_kind kind)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n_targets; i++)
        n += p->targets[i]->kind == kind;
    return n;
}

/* Room for one more: a found node that fails most goes. */
static bool make_room(struct p2p *p)
{
    struct target *worst = NULL;
    if (p->n_targets < TARGETS) return true;
    for (size_t i = 0; i < p->n_targets; i++) {
        struct target *t = p->targets[i];
        if (t->kind != TARGET_FOUND || t->is_busy || t->conn != NULL || t->fails == 0) continue;
        if (worst == NULL || t->fails > worst->fails) worst = t;
    }
    if (worst == NULL) return false;
    target_remove(p, worst);
    return true;
}

enum status target_add(struct p2p *p, const struct enode *e, enum target_kind kind)
{
    if (memcmp(e->pub, p->pub, 64) == 0) return OK;
    struct target *t = target_find(p, e->pub);
    if (kind == TARGET_STATIC && (t == NULL || t->kind != TARGET_STATIC) && count_kind(p, TARGET_STATIC) >= STATIC_TARGETS)
        return E_LIMIT;
    if (t != NULL) {
        if (kind < t->kind) return OK; /* what was configured is not changed by hearsay */
        const bool moved = strcmp(t->enode.host, e->host) != 0 || t->enode.tcp_port != e->tcp_port;
        if (kind > t->kind || moved) t->next_ms = 0;
        t->enode = *e;
        t->kind = kind;
        return OK;
    }
    if (!make_room(p)) return E_LIMIT;
    t = calloc(1, sizeof *t);
    if (t == NULL) return E_NOMEM;
    t->enode = *e;
    t->kind = kind;
    p->targets[p->n_targets++] = t;
    return OK;
}

void target_remove(struct p2p *p, struct target *t)
{
    for (size_t i = 0; i < p->n_targets; i++)
        if (p->targets[i] == t) {
            p->targets[i] = p->targets[--p->n_targets];
            break;
        }
    if (t->conn != NULL) t->conn->target = NULL;
    free(t);
}

bool target_is_near(const struct target *t, uint64_t now)
{
    return !t->is_refused && (t->kind != TARGET_FOUND || (t->seen_ms != 0 && now < t->seen_ms + RECENT_MS));
}

void target_failed(struct target *t, struct p2p *p, const char *why, uint64_t now)
{
    uint64_t max = BACKOFF_MAX_MS;
    if (target_is_near(t, now)) max = BACKOFF_MAX_NEAR_MS;
    else if (t->kind != TARGET_FOUND) max = BACKOFF_MAX_REFUSED_MS;
    uint64_t wait = (uint64_t)BACKOFF_MIN_MS << (t->fails < 12 ? t->fails : 12);
    if (wait > max) wait = max;
    wait = wait * 3 / 4 + rng_below(&p->rng, wait / 2 + 1); /* nodes that fell together don't come back together */
    t->fails++;
    t->is_busy = false;
    t->next_ms = now + wait;
    snprintf(t->why, sizeof t->why, "%s", why);
}

void target_worked(struct target *t)
{
    t->why[0] = '\0';
}

/* ---------------------------------------------------------------- dial */

struct resolve {
    uv_getaddrinfo_t req;
    struct p2p *p;
    uint8_t pub[64];
};

static void dial_address(struct p2p *p, struct target *t, const struct sockaddr *sa)
{
    const uint64_t now = clock_mono_ms();
    t->is_busy = true;
    const enum status s = conn_dial(p, t, sa);
    if (s != OK) target_failed(t, p, status_text(s), now);
    else t->is_busy = t->conn != NULL;
}

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *list)
{
    struct resolve *r = (struct resolve *)req;
    struct p2p *p = r->p;
    p->n_resolving--;
    struct target *t = p->stopping ? NULL : target_find(p, r->pub);
    if (t != NULL && status < 0) {
        char why[96];
        snprintf(why, sizeof why, "name not resolved: %s", uv_strerror(status));
        target_failed(t, p, why, clock_mono_ms());
    } else if (t != NULL) {
        size_t n = 0;
        for (const struct addrinfo *a = list; a != NULL; a = a->ai_next)
            n++;
        const struct addrinfo *a = list;
        for (size_t i = n == 0 ? 0 : t->fails % n; i > 0; i--) /* each try takes the next address */
            a = a->ai_next;
        if (a == NULL) target_failed(t, p, "name has no address", clock_mono_ms());
        else dial_address(p, t, a->ai_addr);
    }
    uv_freeaddrinfo(list);
    free(r);
    p2p_handle_closed(p);
}

static void dial(struct p2p *p, struct target *t, uint64_t now)
{
    struct sockaddr_storage ss;
    const char *host = t->enode.host;
    if (uv_ip4_addr(host, t->enode.tcp_port, (struct sockaddr_in *)&ss) == 0 ||
        uv_ip6_addr(host, t->enode.tcp_port, (struct sockaddr_in6 *)&ss) == 0) {
        dial_address(p, t, (struct sockaddr *)&ss);
        return;
    }
    struct resolve *r = calloc(1, sizeof *r);
    char port[8];
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    if (r == NULL) return;
    r->p = p;
    memcpy(r->pub, t->enode.pub, 64);
    snprintf(port, sizeof port, "%u", t->enode.tcp_port);
    const int e = uv_getaddrinfo(p->loop, &r->req, on_resolved, host, port, &hints);
    if (e != 0) {
        free(r);
        target_failed(t, p, uv_strerror(e), now);
        return;
    }
    t->is_busy = true;
    p->n_resolving++;
    p->n_handles++; /* it calls back even after a stop */
}

void dial_tick(struct p2p *p, uint64_t now)
{
    size_t ready = 0, dialling = p->n_resolving;
    for (size_t i = 0; i < p->n_conns; i++) {
        ready += p->conns[i]->state == CONN_READY;
        dialling += !p->conns[i]->inbound && p->conns[i]->state < CONN_READY;
    }
    const size_t start = p->n_targets == 0 ? 0 : (size_t)rng_below(&p->rng, p->n_targets);
    for (int pass = 0; pass < 2; pass++) { /* static nodes first */
        for (size_t k = 0; k < p->n_targets && dialling < DIALS_AT_ONCE; k++) {
            struct target *t = p->targets[(start + k) % p->n_targets];
            if ((t->kind == TARGET_STATIC) != (pass == 0)) continue;
            if (t->is_busy || t->conn != NULL || now < t->next_ms || t->enode.tcp_port == 0) continue;
            if (t->kind != TARGET_STATIC && ready + dialling >= p->cfg.max_peers) continue;
            if (conn_find_pub(p, t->enode.pub) != NULL || !p2p_is_allowed(p, t->enode.pub)) {
                t->next_ms = now + 1000;
                continue;
            }
            if (t->kind == TARGET_FOUND && t->fails >= FAILS_FORGET && !target_is_near(t, now)) {
                target_remove(p, t);
                break; /* the rest in the next tick */
            }
            dialling++;
            dial(p, t, now);
        }
    }
}

void dial_fini(struct p2p *p)
{
    while (p->n_targets > 0)
        target_remove(p, p->targets[0]);
}
