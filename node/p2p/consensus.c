/* consensus.c: the capability "poa", version 1, between our own nodes: one message (0x00), a signature of the engine's (empty steps). Parity's nodes
 * have it as packet 0x15 of their protocol "par", which they speak only together with all of its snapshots: they take the signatures from blocks.
 * What is new is passed on to all others; what nobody honest sends, or too much of it, ends the connection. */
#include "lib/base/clock.h"
#include "node/p2p/p2p_priv.h"

enum { CAP_VERSION = 1, MESSAGE_MAX = 1024, WINDOW_MS = 10000, A_WINDOW = 256, BAD_MAX = 3 };
static const char cap_name[] = "poa";

void consensus_add_cap(struct p2p_hello *h, const struct p2p *p)
{
    if (p->cfg.on_consensus == NULL || h->n_caps == P2P_CAPS_MAX) return;
    struct p2p_cap *cap = &h->caps[h->n_caps++];
    *cap = (struct p2p_cap){.version = CAP_VERSION};
    memcpy(cap->name, cap_name, sizeof cap_name);
}

bool consensus_is_shared(const struct conn *c)
{
    for (size_t i = 0; c->p->cfg.on_consensus != NULL && i < c->hello.n_caps; i++)
        if (c->hello.caps[i].version == CAP_VERSION && strcmp(c->hello.caps[i].name, cap_name) == 0) return true;
    return false;
}

static void send_to_all(struct p2p *p, bytes message, const struct conn *but)
{
    for (size_t i = 0; i < p->n_conns; i++) {
        struct conn *c = p->conns[i];
        if (c != but && c->state == CONN_READY && consensus_is_shared(c)) conn_send(c, CONSENSUS_OFFSET, message);
    }
}

void consensus_receive(struct conn *c, unsigned id, bytes message)
{
    struct p2p *p = c->p;
    const uint64_t now = clock_mono_ms();
    if (now - c->consensus_since_ms > WINDOW_MS) {
        c->consensus_since_ms = now;
        c->n_consensus = 0;
    }
    if (id != CONSENSUS_OFFSET || message.len > MESSAGE_MAX || ++c->n_consensus > A_WINDOW) {
        conn_disconnect(c, DISCONNECT_BREACH, id != CONSENSUS_OFFSET ? "unknown message of poa/1" : "too much of poa/1");
        return;
    }
    const enum status s = p->cfg.on_consensus(p->cfg.ctx, message);
    if (s == OK) send_to_all(p, message, c);
    if (s == E_INVALID && ++c->n_consensus_bad >= BAD_MAX) conn_disconnect(c, DISCONNECT_BREACH, "signatures of the engine that are none");
}

void p2p_send_consensus(struct p2p *p, bytes message)
{
    send_to_all(p, message, NULL);
}
