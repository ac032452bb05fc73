#include "node/p2p/discv4.h"

#include "lib/base/rng.h"
#include "lib/codec/rlp.h"
#include "lib/crypto/keccak.h"
#include "lib/crypto/secp256k1.h"

/* ================================================================ packets */

enum { HEAD_LEN = 32 + 65 + 1, NEIGHBOURS_A_PACKET = 8 };

static void endpoint_put(struct buf *b, const struct disc_endpoint *e)
{
    rlp_put_string(b, bytes_make(e->ip, e->ip_len));
    rlp_put_u64(b, e->udp);
    rlp_put_u64(b, e->tcp);
}

static enum status endpoint_get(struct disc_endpoint *out, bytes *in)
{
    struct disc_endpoint e = {0};
    bytes ip;
    uint64_t udp, tcp;
    enum status s;
    if ((s = rlp_get_string(&ip, in)) != OK) return s;
    if ((s = rlp_get_u64(&udp, in)) != OK) return s;
    if ((s = rlp_get_u64(&tcp, in)) != OK) return s;
    if (udp > 0xffff || tcp > 0xffff || (ip.len != 0 && ip.len != 4 && ip.len != 16)) return E_DECODE;
    if (ip.len > 0) memcpy(e.ip, ip.ptr, ip.len);
    e.ip_len = (uint8_t)ip.len;
    e.udp = (uint16_t)udp;
    e.tcp = (uint16_t)tcp;
    *out = e;
    return OK;
}

static enum status endpoint_get_list(struct disc_endpoint *out, bytes *in)
{
    bytes l;
    const enum status s = rlp_get_list(&l, in);
    return s != OK ? s : endpoint_get(out, &l);
}

static enum status neighbours_get(struct disc_packet *p, bytes *l)
{
    bytes nodes, one;
    enum status s = rlp_get_list(&nodes, l);
    while (s == OK && nodes.len > 0) {
        struct disc_node_record r;
        if ((s = rlp_get_list(&one, &nodes)) != OK) return s;
        if ((s = endpoint_get(&r.at, &one)) != OK) return s;
        if ((s = rlp_get_fixed(r.pub, 64, &one)) != OK) return s;
        if (p->n_nodes < DISC_NEIGHBOURS_MAX) p->nodes[p->n_nodes++] = r;
    }
    return s;
}

static enum status body_get(struct disc_packet *p, bytes in)
{
    bytes l;
    uint64_t version;
    enum status s = rlp_get_list(&l, &in);
    if (s != OK) return s;
    switch (p->type) {
    case DISC_PING:
        if ((s = rlp_get_u64(&version, &l)) != OK) return s;
        if ((s = endpoint_get_list(&p->from, &l)) != OK) return s;
        if ((s = endpoint_get_list(&p->to, &l)) != OK) return s;
        break;
    case DISC_PONG:
        if ((s = endpoint_get_list(&p->to, &l)) != OK) return s;
        if ((s = rlp_get_fixed(p->ping_hash, 32, &l)) != OK) return s;
        break;
    case DISC_FINDNODE:
        if ((s = rlp_get_fixed(p->target, 64, &l)) != OK) return s;
        break;
    case DISC_NEIGHBOURS:
        if ((s = neighbours_get(p, &l)) != OK) return s;
        break;
    case DISC_ENR_REQUEST:
    case DISC_ENR_RESPONSE: return E_UNSUPPORTED;
    }
    return rlp_get_u64(&p->expiration, &l);
}

enum status disc_packet_get(struct disc_packet *out, bytes in)
{
    struct disc_packet p = {0};
    uint8_t hash[32];
    if (in.len <= HEAD_LEN || in.len > DISC_PACKET_MAX) return E_DECODE;
    const uint8_t type = in.ptr[97];
    if (type < DISC_PING || type > DISC_ENR_RESPONSE) return E_UNSUPPORTED;
    keccak256(p.hash, in.ptr + 32, in.len - 32);
    if (memcmp(p.hash, in.ptr, 32) != 0) return E_CRYPTO;
    p.type = (enum disc_type)type;
    enum status s = body_get(&p, bytes_make(in.ptr + HEAD_LEN, in.len - HEAD_LEN)); /* cheaper than the signature: first */
    if (s != OK) return s;
    keccak256(hash, in.ptr + 97, in.len - 97);
    if ((s = ec_recover(p.pub, in.ptr + 32, hash)) != OK) return s;
    *out = p;
    return OK;
}

enum status disc_packet_put(struct buf *out, struct disc_packet *p, const secret32 *key)
{
    const size_t at = out->len;
    uint8_t head[HEAD_LEN] = {0}, hash[32];
    head[97] = (uint8_t)p->type;
    buf_put(out, head, sizeof head);
    const size_t l = rlp_list_open(out);
    size_t e;
    switch (p->type) {
    case DISC_PING:
        rlp_put_u64(out, 4);
        e = rlp_list_open(out);
        endpoint_put(out, &p->from);
        rlp_list_close(out, e);
        e = rlp_list_open(out);
        endpoint_put(out, &p->to);
        rlp_list_close(out, e);
        break;
    case DISC_PONG:
        e = rlp_list_open(out);
        endpoint_put(out, &p->to);
        rlp_list_close(out, e);
        rlp_put_string(out, bytes_make(p->ping_hash, 32));
        break;
    case DISC_FINDNODE: rlp_put_string(out, bytes_make(p->target, 64)); break;
    case DISC_NEIGHBOURS:
        e = rlp_list_open(out);
        for (size_t i = 0; i < p->n_nodes; i++) {
            const size_t n = rlp_list_open(out);
            endpoint_put(out, &p->nodes[i].at);
            rlp_put_string(out, bytes_make(p->nodes[i].pub, 64));
            rlp_list_close(out, n);
        }
        rlp_list_close(out, e);
        break;
    case DISC_ENR_REQUEST:
    case DISC_ENR_RESPONSE: return E_UNSUPPORTED;
    }
    rlp_put_u64(out, p->expiration);
    rlp_list_close(out, l);
    if (buf_status(out) != OK) return buf_status(out);
    uint8_t *b = out->ptr + at;
    const size_t len = out->len - at;
    keccak256(hash, b + 97, len - 97);
    const enum status s = ec_sign(b + 32, hash, key);
    if (s != OK) return s;
    keccak256(p->hash, b + 32, len - 32);
    memcpy(b, p->hash, 32);
    return OK;
}

/* ================================================================ table */

enum {
    BUCKETS = 24,             /* distances of 233 bits and less share the first: a network of millions fills no more */
    BUCKET_NODES = 16,
    GUESTS = 64,              /* nodes that found their bucket full: they are answered, not told of */
    BOOTS = 64,
    EXPIRE_S = 20,
    PROOF_MS = 12 * 3600 * 1000,
    REPLY_MS = 2500,
    PINGS_LOST_MAX = 3,
    REVALIDATE_MS = 5 * 60 * 1000,
    LOOKUP_FAST_MS = 4000,    /* while the table is small */
    LOOKUP_MS = 60000,
    LOOKUP_ALPHA = 3,
    SMALL_TABLE = 8,
    BOOT_MIN_MS = 2000,
    BOOT_MAX_MS = 60000,
    RATE = 200,               /* packets a second taken from all */
    BURST = 400,
    RATE_SLOTS = 256,         /* by address */
    RATE_A_SLOT = 20,
    PINGS_A_TICK = 8
};

struct entry {
    uint8_t pub[64], id[32];
    struct disc_endpoint at;
    uint64_t pong_ms;  /* 0: no proof */
    uint64_t asked_ms; /* findnode sent: neighbours are welcome for a while */
    uint64_t ping_ms, seen_ms;
    uint8_t ping_hash[32];
    bool pinging;
    unsigned lost;
    unsigned neighbours_left;
};
struct bucket {
    struct entry e[BUCKET_NODES];
    size_t n;
};
struct boot {
    uint8_t pub[64];
    struct disc_endpoint at;
    uint64_t next_ms, wait_ms;
};

struct discv4 {
    secret32 key;
    uint8_t pub[64], id[32];
    struct disc_endpoint self;
    struct discv4_ops ops;
    struct rng_seeded rng;
    struct bucket buckets[BUCKETS];
    struct entry guests[GUESTS];
    size_t n_guests;
    struct boot boots[BOOTS];
    size_t n_boots;
    uint64_t lookup_at, tokens, tokens_ms, slots_ms;
    uint8_t slots[RATE_SLOTS];
    uint64_t slot_key;
};

enum status discv4_new(struct discv4 **out, const secret32 *key, const struct disc_endpoint *self, const struct discv4_ops *ops,
                       uint64_t seed)
{
    struct discv4 *d = calloc(1, sizeof *d);
    if (d == NULL) return E_NOMEM;
    d->key = *key;
    d->self = *self;
    d->ops = *ops;
    d->tokens = BURST;
    rng_seed(&d->rng, seed);
    d->slot_key = rng_next(&d->rng);
    const enum status s = ec_public(d->pub, key);
    if (s != OK) {
        free(d);
        return s;
    }
    keccak256(d->id, d->pub, 64);
    *out = d;
    return OK;
}

void discv4_free(struct discv4 *d)
{
    if (d == NULL) return;
    secret_fini(&d->key);
    free(d);
}

static struct bucket *bucket_of(struct discv4 *d, const uint8_t id[static 32])
{
    unsigned same = 0; /* leading bits in common with us */
    while (same < BUCKETS - 1 && ((d->id[same / 8] ^ id[same / 8]) >> (7 - same % 8) & 1) == 0)
        same++;
    return &d->buckets[same];
}

static struct entry *entry_find(struct discv4 *d, const uint8_t pub[static 64])
{
    uint8_t id[32];
    keccak256(id, pub, 64);
    struct bucket *b = bucket_of(d, id);
    for (size_t i = 0; i < b->n; i++)
        if (memcmp(b->e[i].pub, pub, 64) == 0) return &b->e[i];
    for (size_t i = 0; i < d->n_guests; i++)
        if (memcmp(d->guests[i].pub, pub, 64) == 0) return &d->guests[i];
    return NULL;
}

static void send_packet(struct discv4 *d, const struct disc_endpoint *to, struct disc_packet *p, uint64_t wall_s)
{
    struct buf b;
    buf_init(&b, DISC_PACKET_MAX);
    p->expiration = wall_s + EXPIRE_S;
    if (disc_packet_put(&b, p, &d->key) == OK) d->ops.send(d->ops.ctx, to, buf_view(&b));
    buf_fini(&b);
}

static void ping(struct discv4 *d, struct entry *e, uint64_t now, uint64_t wall_s)
{
    struct disc_packet p = {.type = DISC_PING, .from = d->self, .to = e->at};
    send_packet(d, &e->at, &p, wall_s);
    memcpy(e->ping_hash, p.hash, 32);
    e->pinging = true;
    e->ping_ms = now;
}

static bool has_proof(const struct entry *e, uint64_t now)
{
    return e->pong_ms != 0 && now < e->pong_ms + PROOF_MS;
}

static bool same_ip(const struct disc_endpoint *a, const struct disc_endpoint *b)
{
    return a->ip_len == b->ip_len && memcmp(a->ip, b->ip, a->ip_len) == 0;
}

static bool is_loopback(const struct disc_endpoint *e)
{
    static const uint8_t one[16] = {[15] = 1};
    return e->ip_len == 4 ? e->ip[0] == 127 : memcmp(e->ip, one, 16) == 0;
}

/* Can a node be there? Who is not on this machine can't tell of nodes on this machine. */
static bool is_plausible(const struct disc_endpoint *e, const struct disc_endpoint *teller)
{
    static const uint8_t zero[16];
    if (e->ip_len == 0 || e->udp == 0 || memcmp(e->ip, zero, e->ip_len) == 0) return false;
    if (e->ip_len == 4 ? e->ip[0] >= 224 : e->ip[0] == 0xff) return false; /* multicast and reserved */
    return !is_loopback(e) || is_loopback(teller);
}

/* The guest that was silent longest leaves. */
static struct entry *guest_place(struct discv4 *d)
{
    if (d->n_guests < GUESTS) return &d->guests[d->n_guests++];
    struct entry *oldest = &d->guests[0];
    for (size_t i = 1; i < GUESTS; i++)
        if (d->guests[i].seen_ms < oldest->seen_ms) oldest = &d->guests[i];
    return oldest;
}

/* Room for a node: one that failed its pings gives way; in a full bucket it may be a guest. */
static struct entry *entry_add(struct discv4 *d, const uint8_t pub[static 64], const struct disc_endpoint *at, bool as_guest, uint64_t now)
{
    struct entry *e = entry_find(d, pub);
    if (e != NULL) return e;
    if (memcmp(pub, d->pub, 64) == 0 || (d->ops.allow != NULL && !d->ops.allow(d->ops.ctx, pub))) return NULL;
    uint8_t id[32];
    keccak256(id, pub, 64);
    struct bucket *b = bucket_of(d, id);
    if (b->n < BUCKET_NODES) {
        e = &b->e[b->n++];
    } else {
        for (size_t i = 0; i < b->n; i++)
            if (b->e[i].lost > 0 && (e == NULL || b->e[i].lost > e->lost)) e = &b->e[i];
        if (e == NULL && as_guest) e = guest_place(d);
        if (e == NULL) return NULL;
    }
    *e = (struct entry){.at = *at, .seen_ms = now};
    memcpy(e->pub, pub, 64);
    memcpy(e->id, id, 32);
    return e;
}

void discv4_add_boot(struct discv4 *d, const uint8_t pub[static 64], const struct disc_endpoint *at)
{
    for (size_t i = 0; i < d->n_boots; i++)
        if (memcmp(d->boots[i].pub, pub, 64) == 0) {
            d->boots[i].at = *at;
            return;
        }
    if (d->n_boots == BOOTS || memcmp(pub, d->pub, 64) == 0) return;
    struct boot *b = &d->boots[d->n_boots++];
    *b = (struct boot){.at = *at, .wait_ms = BOOT_MIN_MS};
    memcpy(b->pub, pub, 64);
}

size_t discv4_count(const struct discv4 *d, uint64_t now_ms)
{
    size_t n = 0;
    for (size_t b = 0; b < BUCKETS; b++)
        for (size_t i = 0; i < d->buckets[b].n; i++)
            n += has_proof(&d->buckets[b].e[i], now_ms);
    return n;
}

/* The nearest nodes with a proof, nearest first. */
static size_t nearest(struct discv4 *d, struct entry **out, size_t max, const uint8_t id[static 32], uint64_t now)
{
    size_t n = 0;
    for (size_t b = 0; b < BUCKETS; b++) {
        for (size_t i = 0; i < d->buckets[b].n; i++) {
            struct entry *e = &d->buckets[b].e[i];
            if (!has_proof(e, now)) continue;
            size_t at = n;
            while (at > 0) {
                int cmp = 0;
                for (int k = 0; k < 32 && cmp == 0; k++)
                    cmp = (e->id[k] ^ id[k]) - (out[at - 1]->id[k] ^ id[k]);
                if (cmp >= 0) break;
                at--;
            }
            if (at == max) continue;
            if (n < max) n++;
            memmove(out + at + 1, out + at, (n - at - 1) * sizeof *out);
            out[at] = e;
        }
    }
    return n;
}

/* ---------------------------------------------------------------- receive */

static bool take_token(struct discv4 *d, const struct disc_endpoint *from, uint64_t now)
{
    if (now > d->tokens_ms) {
        const uint64_t gained = (now - d->tokens_ms) * RATE / 1000;
        if (gained > 0) {
            d->tokens = d->tokens + gained < BURST ? d->tokens + gained : BURST;
            d->tokens_ms = now;
        }
    }
    if (now >= d->slots_ms + 1000) {
        memset(d->slots, 0, sizeof d->slots);
        d->slots_ms = now;
    }
    uint64_t h = d->slot_key;
    for (unsigned i = 0; i < from->ip_len; i++)
        h = (h ^ from->ip[i]) * 0x100000001b3u;
    /* on loopback many nodes share few addresses: the port tells them apart */
    if (is_loopback(from)) h = (h ^ from->udp) * 0x100000001b3u;
    uint8_t *slot = &d->slots[h >> 40 & (RATE_SLOTS - 1)];
    if (d->tokens == 0 || *slot >= RATE_A_SLOT) return false;
    (*slot)++;
    d->tokens--;
    return true;
}

static void on_ping(struct discv4 *d, const struct disc_endpoint *from, const struct disc_packet *p, uint64_t now, uint64_t wall_s)
{
    struct disc_endpoint at = *from;
    at.tcp = p->from.tcp;
    struct disc_packet pong = {.type = DISC_PONG, .to = at};
    memcpy(pong.ping_hash, p->hash, 32);
    send_packet(d, from, &pong, wall_s);
    struct entry *e = entry_add(d, p->pub, &at, true, now);
    if (e == NULL) return;
    e->seen_ms = now;
    e->at.tcp = at.tcp;
    const bool moved = !same_ip(&e->at, &at) || e->at.udp != at.udp;
    if (moved && (!has_proof(e, now) || e->lost > 0)) { /* the old address is believed while it answers */
        e->at = at;
        e->pong_ms = 0;
        e->pinging = false;
    }
    if (!has_proof(e, now) && !(e->pinging && now < e->ping_ms + REPLY_MS)) ping(d, e, now, wall_s);
}

static void on_pong(struct discv4 *d, const struct disc_endpoint *from, const struct disc_packet *p, uint64_t now)
{
    struct entry *e = entry_find(d, p->pub);
    if (e == NULL || !e->pinging || memcmp(e->ping_hash, p->ping_hash, 32) != 0 || !same_ip(&e->at, from)) return;
    if (now > e->ping_ms + REPLY_MS) return;
    const bool is_new = !has_proof(e, now);
    e->pinging = false;
    e->pong_ms = e->seen_ms = now;
    e->lost = 0;
    if (is_new) d->lookup_at = now; /* ask it whom it knows */
    d->ops.found(d->ops.ctx, e->pub, &e->at);
}

static void on_findnode(struct discv4 *d, const struct disc_endpoint *from, const struct disc_packet *p, uint64_t now, uint64_t wall_s)
{
    struct entry *e = entry_find(d, p->pub), *near[DISC_NEIGHBOURS_MAX + 1];
    if (e == NULL || !has_proof(e, now) || !same_ip(&e->at, from)) return;
    uint8_t id[32];
    keccak256(id, p->target, 64);
    const size_t n = nearest(d, near, COUNT_OF(near) - 1, id, now);
    struct disc_packet answer = {.type = DISC_NEIGHBOURS};
    for (size_t i = 0; i < n; i++) {
        if (near[i] != e && is_plausible(&near[i]->at, from)) {
            struct disc_node_record *r = &answer.nodes[answer.n_nodes++];
            r->at = near[i]->at;
            memcpy(r->pub, near[i]->pub, 64);
        }
        if (answer.n_nodes == NEIGHBOURS_A_PACKET || i + 1 == n) {
            send_packet(d, from, &answer, wall_s);
            answer.n_nodes = 0;
        }
    }
}

static void on_neighbours(struct discv4 *d, const struct disc_endpoint *from, const struct disc_packet *p, uint64_t now, uint64_t wall_s)
{
    struct entry *e = entry_find(d, p->pub);
    if (e == NULL || e->asked_ms == 0 || now > e->asked_ms + REPLY_MS || !same_ip(&e->at, from)) return;
    for (size_t i = 0; i < p->n_nodes && e->neighbours_left > 0; i++) {
        e->neighbours_left--;
        if (!is_plausible(&p->nodes[i].at, from) || entry_find(d, p->nodes[i].pub) != NULL) continue;
        struct entry *fresh = entry_add(d, p->nodes[i].pub, &p->nodes[i].at, false, now);
        if (fresh == NULL) continue;
        ping(d, fresh, now, wall_s);
        e = entry_find(d, p->pub); /* it may have given way */
        if (e == NULL) return;
    }
}

void discv4_receive(struct discv4 *d, const struct disc_endpoint *from, bytes packet, uint64_t now_ms, uint64_t wall_s)
{
    struct disc_packet p;
    if (packet.len > DISC_PACKET_MAX || !take_token(d, from, now_ms)) return;
    if (disc_packet_get(&p, packet) != OK || p.expiration < wall_s || memcmp(p.pub, d->pub, 64) == 0) return;
    if (d->ops.allow != NULL && !d->ops.allow(d->ops.ctx, p.pub)) return;
    switch (p.type) {
    case DISC_PING: on_ping(d, from, &p, now_ms, wall_s); break;
    case DISC_PONG: on_pong(d, from, &p, now_ms); break;
    case DISC_FINDNODE: on_findnode(d, from, &p, now_ms, wall_s); break;
    case DISC_NEIGHBOURS: on_neighbours(d, from, &p, now_ms, wall_s); break;
    case DISC_ENR_REQUEST:
    case DISC_ENR_RESPONSE: break;
    }
}

/* ---------------------------------------------------------------- tick */

/* Lost pings, and nodes not heard of for a while. */
static void check_entries(struct discv4 *d, uint64_t now, uint64_t wall_s)
{
    unsigned pings = 0;
    for (size_t k = 0; k < BUCKETS; k++) {
        struct bucket *b = &d->buckets[k];
        for (size_t i = 0; i < b->n;) {
            struct entry *e = &b->e[i];
            if (e->pinging && now > e->ping_ms + REPLY_MS) {
                e->pinging = false;
                e->lost++;
            }
            if (e->lost >= PINGS_LOST_MAX) {
                *e = b->e[--b->n];
                continue;
            }
            const uint64_t wait = e->lost > 0 || e->pong_ms == 0 ? REPLY_MS : REVALIDATE_MS;
            if (!e->pinging && now >= e->ping_ms + wait && pings < PINGS_A_TICK) {
                pings++;
                ping(d, e, now, wall_s);
            }
            i++;
        }
    }
    for (size_t i = 0; i < d->n_guests;) { /* kept while their proof lasts, not asked again */
        struct entry *e = &d->guests[i];
        if (e->pinging && now > e->ping_ms + REPLY_MS) e->pinging = false;
        if (!e->pinging && !has_proof(e, now)) *e = d->guests[--d->n_guests];
        else i++;
    }
}

static void check_boots(struct discv4 *d, uint64_t now, uint64_t wall_s)
{
    for (size_t i = 0; i < d->n_boots; i++) {
        struct boot *b = &d->boots[i];
        if (now < b->next_ms) continue;
        struct entry *e = entry_find(d, b->pub);
        if (e != NULL && has_proof(e, now)) {
            b->wait_ms = BOOT_MIN_MS;
        } else {
            e = entry_add(d, b->pub, &b->at, true, now);
            if (e != NULL && !e->pinging) {
                e->at = b->at;
                ping(d, e, now, wall_s);
            }
            b->wait_ms = b->wait_ms * 2 < BOOT_MAX_MS ? b->wait_ms * 2 : BOOT_MAX_MS;
        }
        b->next_ms = now + b->wait_ms;
    }
}

static void lookup(struct discv4 *d, uint64_t now, uint64_t wall_s)
{
    uint8_t id[32];
    struct disc_packet p = {.type = DISC_FINDNODE};
    struct entry *near[LOOKUP_ALPHA + 1];
    if (rng_below(&d->rng, 2) == 0) { /* ourselves, or anywhere */
        memcpy(p.target, d->pub, 64);
    } else {
        for (int i = 0; i < 8; i++)
            be64_put(p.target + 8 * i, rng_next(&d->rng));
    }
    keccak256(id, p.target, 64);
    const size_t n = nearest(d, near, LOOKUP_ALPHA, id, now);
    for (size_t i = 0; i < n; i++) {
        near[i]->asked_ms = now;
        near[i]->neighbours_left = DISC_NEIGHBOURS_MAX;
        send_packet(d, &near[i]->at, &p, wall_s);
    }
}

void discv4_tick(struct discv4 *d, uint64_t now_ms, uint64_t wall_s)
{
    check_boots(d, now_ms, wall_s);
    check_entries(d, now_ms, wall_s);
    if (now_ms < d->lookup_at) return;
    lookup(d, now_ms, wall_s);
    d->lookup_at = now_ms + (discv4_count(d, now_ms) < SMALL_TABLE ? LOOKUP_FAST_MS : LOOKUP_MS);
}
